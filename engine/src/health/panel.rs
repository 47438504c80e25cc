//! Several observers of one thing, and the verdict they reach together (row 31): one that cannot reach it says little,
//! for the fault may be on its own side. Observers in one place fail together and count once.

use super::{Health, Judgement, Sample, Series, Sights};
use crate::{
    estate::{Detection, Estate},
    id::{ObserverId, RegionId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What one observer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    pub observer: ObserverId,
    /// Where it is; `None` for a server that is in no region.
    pub place: Option<RegionId>,
    pub judgement: Judgement,
    /// Its newest probe.
    pub last: Option<Instant>,
    /// False where it says “down” and saw nothing else answer meanwhile: the fault may be its own.
    pub credible: bool,
}

impl Vote {
    fn counts(&self) -> bool {
        self.credible && self.judgement.health != Health::Unknown
    }
}

/// The observers of one target.
#[derive(Debug, Clone)]
pub struct Panel {
    seats: Vec<Seat>,
    quorum: u32,
    judgement: Judgement,
    doubtful: bool,
    /// When the health last changed from one that is known to another, newest last; at most `FLAPS` are kept.
    changes: Vec<Instant>,
    /// The last health that was known.
    known: Option<Health>,
    next: Next,
}

/// When a verdict may be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Something was seen since it was reached.
    Now,
    /// Someone falls silent then.
    At(Instant),
    /// Only with something new.
    WithNews,
}

#[derive(Debug, Clone)]
struct Seat {
    observer: ObserverId,
    place: Option<RegionId>,
    series: Series,
}

impl Panel {
    /// This many changes of health in a short time are flapping (row 37).
    pub const FLAPS: usize = 4;

    /// The server alone.
    pub fn of_server() -> Self {
        Self::new([], 1)
    }

    /// The observers of an endpoint, as the estate declares them.
    pub fn of_endpoint(estate: &Estate) -> Self {
        let seats = observers_of(estate).into_iter().map(|(observer, place)| Seat { observer, place, series: Series::default() }).collect();
        Self { seats, ..Self::new([], estate.quorum()) }
    }

    /// The server and these observers. `quorum` is the number of places that must agree on “down”.
    pub fn new(observers: impl IntoIterator<Item = (ObserverId, RegionId)>, quorum: u32) -> Self {
        let seat = |observer, place| Seat { observer, place, series: Series::default() };
        let others = observers.into_iter().map(|(observer, place)| seat(observer, Some(place)));
        let seats = std::iter::once(seat(ObserverId::server(), None)).chain(others).collect();
        Self { seats, quorum, judgement: Judgement::never_measured(), doubtful: false, changes: Vec::new(), known: None, next: Next::Now }
    }

    /// Takes in what an observer saw. One that has no seat is not heard.
    pub fn push(&mut self, observer: &ObserverId, sample: Sample) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| &seat.observer == observer) {
            seat.series.push(sample);
            self.next = Next::Now;
        }
    }

    /// Forgets what an observer saw before `since`: it could see nothing then.
    pub fn forget_before(&mut self, observer: &ObserverId, since: Instant) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| &seat.observer == observer) {
            seat.series.forget_before(since);
            self.next = Next::Now;
        }
    }

    /// The clock was set back to `now`. Whoever is not heard of from here on falls silent by the new time.
    pub fn set_back(&mut self, rule: &Detection, now: Instant) {
        for seat in &mut self.seats {
            seat.series.set_back(now);
        }
        self.judgement.since = self.judgement.since.map(|since| since.min(now));
        self.changes.retain(|change| *change <= now);
        self.next = Next::At(now + rule.silence().as_delta());
    }

    /// Whether judging it again as of `now` could change anything.
    pub fn is_due(&self, now: Instant) -> bool {
        match self.next {
            Next::Now => true,
            Next::At(silent) => silent < now,
            Next::WithNews => false,
        }
    }

    /// The verdict as of `now`, which is remembered as what is believed.
    pub fn judge(&mut self, rule: &Detection, sights: &Sights, now: Instant) -> &Judgement {
        for seat in &mut self.seats {
            seat.series.judge(rule, now);
        }
        let (judgement, doubtful) = together(&self.votes(sights), self.quorum);
        self.count_changes(judgement.health, now);
        (self.judgement, self.doubtful) = (judgement, doubtful);
        let silences = self.seats.iter().filter_map(|seat| Some(seat.series.last()?.at + rule.silence().as_delta()));
        self.next = silences.filter(|silent| *silent >= now).min().map_or(Next::WithNews, Next::At);
        &self.judgement
    }

    /// Falling silent and being heard of again is no change: what went back and forth then is who looks.
    fn count_changes(&mut self, health: Health, now: Instant) {
        if health == Health::Unknown || self.known.replace(health).is_none_or(|known| known == health) {
            return;
        }
        if self.changes.len() == Self::FLAPS {
            self.changes.remove(0);
        }
        self.changes.push(now);
    }

    /// What each observer says, the server first.
    pub fn votes(&self, sights: &Sights) -> Vec<Vote> {
        self.seats.iter().map(|seat| seat.vote(sights)).collect()
    }

    /// The last verdict that was asked for.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }
    /// Whether the verdict rests on an observer that saw nothing else answer either: no ground to act on.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }
    /// Of the observer that saw most of the last `samples` rounds fail: how many, and when the first of them was. `None`
    /// where none failed.
    pub fn failing(&self, rule: &Detection) -> Option<(u32, Instant)> {
        self.seats.iter().filter_map(|seat| seat.series.failing(rule)).max_by_key(|(failed, _)| *failed)
    }
    /// Whether it counts as down and whoever says so saw it well just now: it only waits for its verdict.
    pub fn is_coming_back(&self) -> bool {
        let says_so = |seat: &&Seat| seat.series.judgement().health == Health::Down;
        let saw_it_well = |seat: &Seat| seat.series.last().is_some_and(Sample::is_good);
        self.judgement.health == Health::Down && self.seats.iter().filter(says_so).all(saw_it_well)
    }
    /// Whether the health changed `FLAPS` times within ten windows of the rule.
    pub fn is_flapping(&self, rule: &Detection, now: Instant) -> bool {
        let first = self.changes.first().filter(|_| self.changes.len() == Self::FLAPS);
        first.is_some_and(|first| Span::between(*first, now) <= rule.window().times(10))
    }
}

impl Seat {
    fn vote(&self, sights: &Sights) -> Vote {
        let judgement = self.series.judgement().clone();
        let witnessed = || {
            let (Some(first), Some(last)) = (judgement.since, self.series.last_failure()) else { return false };
            sights.get(&self.observer).is_some_and(|sight| sight.answered_between(first, last))
        };
        let credible = judgement.health != Health::Down || witnessed();
        Vote { observer: self.observer.clone(), place: self.place.clone(), last: self.series.last().map(|sample| sample.at), judgement, credible }
    }
}

/// Who judges the endpoints of services and where they are, the server first if it looks itself.
pub fn observers_of(estate: &Estate) -> Vec<(ObserverId, Option<RegionId>)> {
    let server = estate.server_observes.then(|| (ObserverId::server(), estate.server_region.clone()));
    server.into_iter().chain(estate.observers.iter().map(|observer| (observer.id.clone(), Some(observer.region.clone())))).collect()
}

/// The verdict of several observers, and whether it is doubtful. “Down” leads to deeds, so it takes a quorum of places and
/// a majority; an answer is believed of any of them.
pub(crate) fn together(votes: &[Vote], quorum: u32) -> (Judgement, bool) {
    if let [only] = votes
        && quorum <= 1
    {
        return (only.judgement.clone(), !only.credible);
    }
    let counted = || votes.iter().filter(|vote| vote.counts());
    let down: Vec<&Vote> = counted().filter(|vote| vote.judgement.health == Health::Down).collect();
    let answered: Vec<&Vote> = counted().filter(|vote| vote.judgement.health != Health::Down).collect();
    let agree = places(&down) >= quorum as usize;
    match (down.is_empty(), answered.is_empty()) {
        // Nobody is in a position to say: what the server believes is shown, and nothing follows from it.
        (true, true) => match votes.first() {
            Some(own) => (own.judgement.clone(), own.judgement.health == Health::Down),
            None => (Judgement::never_measured(), false),
        },
        (true, false) => (answering(&answered, quorum), false),
        (false, true) if agree => (all_down(&down), false),
        (false, true) => (too_few(&down, votes, quorum), false),
        (false, false) if agree && places(&down) > places(&answered) => (all_down(&down), false),
        (false, false) if agree => (divided(&down, &answered), false),
        (false, false) => {
            let believed = answering(&answered, quorum);
            let why = format!("{}; {}", believed.why, said(&down));
            (Judgement { why, ..believed }, false)
        }
    }
}

/// In how many places these observers are.
fn places(votes: &[&Vote]) -> usize {
    votes.iter().map(|vote| &vote.place).collect::<BTreeSet<_>>().len()
}

fn answering(answered: &[&Vote], quorum: u32) -> Judgement {
    let degraded: Vec<&Vote> = answered.iter().copied().filter(|vote| vote.judgement.health == Health::Degraded).collect();
    let agree = places(&degraded) >= quorum as usize || degraded.len() == answered.len();
    if agree && let Some(first) = earliest(&degraded) {
        return Judgement { health: Health::Degraded, since: first.judgement.since, why: said(&degraded) };
    }
    let well: Vec<&Vote> = answered.iter().copied().filter(|vote| vote.judgement.health == Health::Ok).collect();
    // Well for as long as the last of them has found it so: whoever waits for a dwell time waits for all.
    let since = well.iter().filter_map(|vote| vote.judgement.since).max();
    let why = match degraded.is_empty() {
        true => well.first().map(|vote| vote.judgement.why.clone()).unwrap_or_default(),
        false => said(&degraded),
    };
    Judgement { health: Health::Ok, since, why }
}

fn all_down(down: &[&Vote]) -> Judgement {
    let since = earliest(down).and_then(|vote| vote.judgement.since);
    Judgement { health: Health::Down, since, why: agreed(down) }
}

fn too_few(down: &[&Vote], votes: &[Vote], quorum: u32) -> Judgement {
    let silent: Vec<&str> = votes.iter().filter(|vote| !vote.counts()).map(|vote| vote.observer.as_str()).collect();
    let why = format!(
        "{}; observers in {quorum} places must agree, and nothing credible is known from {}",
        said(down),
        if silent.is_empty() { "others".to_owned() } else { silent.join(", ") }
    );
    Judgement { health: Health::Unknown, since: earliest(down).and_then(|vote| vote.judgement.since), why }
}

fn divided(down: &[&Vote], answered: &[&Vote]) -> Judgement {
    let since = earliest(down).and_then(|vote| vote.judgement.since);
    let well = answered.iter().map(|vote| vote.observer.as_str()).collect::<Vec<_>>().join(", ");
    Judgement { health: Health::Degraded, since, why: format!("{}; it answers {well}", said(down)) }
}

fn earliest<'a>(votes: &[&'a Vote]) -> Option<&'a Vote> {
    votes.iter().copied().min_by_key(|vote| vote.judgement.since)
}

/// `server: 3 of the last 3 probes failed; west: …`
fn said(votes: &[&Vote]) -> String {
    votes.iter().map(|vote| format!("{}: {}", vote.observer, vote.judgement.why)).collect::<Vec<_>>().join("; ")
}

/// The same, with one reason where all give the same.
fn agreed(votes: &[&Vote]) -> String {
    match votes {
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|vote| vote.judgement.why == first.judgement.why) => {
            let names = votes.iter().map(|vote| vote.observer.as_str()).collect::<Vec<_>>().join(", ");
            format!("{} ({names} agree)", first.judgement.why)
        }
        _ => said(votes),
    }
}
