//! Recorded rounds judged again, by the rule in force or by another one: how often would it have been found down, and how
//! often would that have passed by itself? The verdicts are those of the real judge.

use super::{Kind, Stretch, judging};
use crate::{
    estate::Detection,
    health::{Health, Judgement, Vote, together},
    id::{ObserverId, RegionId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// What is tried out: when samples become a verdict, and how long the product waits after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub rule: Detection,
    pub wait: Span,
}

/// The stretch of time that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub from: Instant,
    pub until: Instant,
}

/// One time that a target would have been down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// The first failed round of it.
    pub since: Instant,
    /// When the verdict would have been given.
    pub down_at: Instant,
    /// When the wait would have been over with the verdict still standing; absent where it was not.
    pub acts_at: Option<Instant>,
    pub ending: Ending,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It answered again, for the first time of the row that made the verdict, at that instant.
    Answered { at: Instant },
    /// Nobody looked any more after that instant.
    NotKnown { after: Instant },
    /// It was down at the end of the period.
    Lasts,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    pub proposal: Proposal,
    pub period: Period,
    /// Every time it would have been down, oldest first.
    pub outages: Vec<Outage>,
    /// Rounds in the period, and how many of them failed.
    pub rounds: u64,
    pub failed: u64,
    /// Rounds of which only the counts of five minutes are known: they were judged in the worst order.
    pub coarse: u64,
    /// How long in the period nobody looked.
    pub unseen: Span,
}

impl Replay {
    /// What answers again so soon after a failover would have begun made that failover a needless one.
    pub const SOON: Span = Span::from_secs(60);

    /// The outages about which the product would have acted.
    pub fn failovers(&self) -> impl Iterator<Item = &Outage> {
        self.outages.iter().filter(|outage| outage.acts_at.is_some())
    }
    /// How many of those answered again within `soon` of the moment the product would have acted.
    pub fn recovered_within(&self, soon: Span) -> usize {
        self.failovers().filter(|outage| outage.answered_after().is_some_and(|after| after <= soon)).count()
    }
    /// The shortest and the longest time from the first failed round to the first answer; `None` where nothing ended so.
    pub fn shortest_and_longest(&self) -> Option<(Span, Span)> {
        let lengths = || self.failovers().filter_map(Outage::length);
        lengths().min().zip(lengths().max())
    }

    /// “would have failed over 4 times, 3 of them recovered within 60 s”.
    pub fn in_words(&self) -> String {
        if self.rounds == 0 {
            return "nothing was recorded in this time, so nothing can be said".to_owned();
        }
        let (times, soon) = (self.failovers().count(), self.recovered_within(Self::SOON));
        let seconds = Self::SOON.as_millis() / 1_000;
        match (times, soon) {
            (0, _) => "would not have failed over".to_owned(),
            (1, 0) => format!("would have failed over once, and it did not recover within {seconds} s"),
            (1, _) => format!("would have failed over once, and it recovered within {seconds} s"),
            (_, 0) => format!("would have failed over {times} times, none of them recovered within {seconds} s"),
            (_, soon) => format!("would have failed over {times} times, {soon} of them recovered within {seconds} s"),
        }
    }
}

impl Outage {
    /// From the first failed round to the first answer.
    pub fn length(&self) -> Option<Span> {
        match self.ending {
            Ending::Answered { at } => Some(Span::between(self.since, at)),
            Ending::NotKnown { .. } | Ending::Lasts => None,
        }
    }
    /// From the moment the product would have acted to the first answer; zero where it had answered already.
    pub fn answered_after(&self) -> Option<Span> {
        match self.ending {
            Ending::Answered { at } => Some(Span::between(self.acts_at?, at)),
            Ending::NotKnown { .. } | Ending::Lasts => None,
        }
    }
}

/// Judges `stretches`, oldest first, by a proposed rule. Only outages whose verdict falls into the period are listed; what
/// lies before it, as far as it is given, is where the verdict at its beginning comes from.
pub fn replay(stretches: &[Stretch], proposal: Proposal, period: Period) -> Replay {
    let counted = |stretch: &&Stretch| stretch.last >= period.from && stretch.first <= period.until;
    let inside = || stretches.iter().filter(counted);
    let before = period.from - Span::from_millis(1).as_delta();
    let rounds = |stretch: &Stretch| u64::from(stretch.rounds_until(period.until).saturating_sub(stretch.rounds_until(before)));
    let failed = |stretch: &Stretch| match stretch.kind() {
        Some(Kind::Failed) => rounds(stretch),
        Some(Kind::Good | Kind::Complaint) => 0,
        // Where in it they lie is not known any more.
        None => u64::from(stretch.failed),
    };
    Replay {
        outages: Watch::over(&judging::turns(stretches, &proposal.rule, period.until), proposal, period),
        proposal,
        period,
        rounds: inside().map(rounds).sum(),
        failed: inside().map(failed).sum(),
        coarse: inside().filter(|stretch| stretch.kind().is_none()).map(rounds).sum(),
        unseen: unseen(stretches, proposal.rule.silence(), period),
    }
}

/// One of those who judge together.
pub struct Witness<'a> {
    pub observer: ObserverId,
    /// `None` for a server that is in no region.
    pub place: Option<RegionId>,
    /// Oldest first; empty where nothing of it is recorded.
    pub stretches: &'a [Stretch],
}

/// The same for all observers of a target, who must agree in `quorum` places. Each is taken at its word: whether it saw anything
/// else answer meanwhile, which it takes to be believed, is not replayed.
pub fn replay_together(witnesses: &[Witness], quorum: u32, proposal: Proposal, period: Period) -> Replay {
    let alone = witnesses.iter().map(|witness| replay(witness.stretches, proposal, period));
    let (rounds, failed, coarse) =
        alone.fold((0, 0, 0), |(rounds, failed, coarse), one| (rounds + one.rounds, failed + one.failed, coarse + one.coarse));
    let turns = turns_together(witnesses, quorum, &proposal.rule, period.until);
    Replay {
        outages: Watch::over(&turns, proposal, period),
        proposal,
        period,
        rounds,
        failed,
        coarse,
        unseen: without_verdict(&turns, proposal.rule.silence(), period),
    }
}

/// When the verdict of all becomes another one, or turns out to have begun earlier.
fn turns_together(witnesses: &[Witness], quorum: u32, rule: &Detection, until: Instant) -> Vec<(Instant, Judgement)> {
    let vote = |witness: &Witness| Vote {
        observer: witness.observer.clone(),
        place: witness.place.clone(),
        judgement: Judgement::never_measured(),
        last: None,
        credible: true,
    };
    let mut votes: Vec<Vote> = witnesses.iter().map(vote).collect();
    let turns_of =
        |(at, witness): (usize, &Witness)| judging::turns(witness.stretches, rule, until).into_iter().map(move |(now, turn)| (now, at, turn));
    let mut single: Vec<(Instant, usize, Judgement)> = witnesses.iter().enumerate().flat_map(turns_of).collect();
    single.sort_by_key(|(now, at, _)| (*now, *at));
    let mut turns: Vec<(Instant, Judgement)> = Vec::new();
    let mut single = single.into_iter().peekable();
    while let Some((now, at, judgement)) = single.next() {
        votes[at].judgement = judgement;
        // What is seen at one instant is judged as one.
        if single.peek().is_some_and(|(next, ..)| *next == now) {
            continue;
        }
        let (verdict, _) = together(&votes, quorum);
        judging::turn(&mut turns, now, &Judgement { since: answered_since(&votes, &verdict).or(verdict.since), ..verdict });
    }
    turns
}

/// Where it answers: since when the last of those it answers has found so. A verdict of observers who do not agree begins with the
/// failure, which is not over when it ends.
fn answered_since(votes: &[Vote], verdict: &Judgement) -> Option<Instant> {
    let answers = |judgement: &Judgement| matches!(judgement.health, Health::Ok | Health::Degraded);
    let seen = votes.iter().filter(|vote| answers(&vote.judgement)).filter_map(|vote| vote.judgement.since).max();
    seen.filter(|_| answers(verdict))
}

/// How long in the period there was no verdict; what is shorter than `silence` is the beginning of a watch.
fn without_verdict(turns: &[(Instant, Judgement)], silence: Span, period: Period) -> Span {
    let is_unknown = |judgement: &Judgement| judgement.health == Health::Unknown;
    let before = turns.iter().rev().find(|(now, _)| *now <= period.from);
    let mut since = before.is_none_or(|(_, judgement)| is_unknown(judgement)).then_some(period.from);
    let mut unknown = Span::ZERO;
    let mut ends = |from: Instant, to: Instant| {
        if Span::between(from, to) > silence {
            unknown = unknown.saturating_add(Span::between(from, to));
        }
    };
    for (now, judgement) in turns.iter().filter(|(now, _)| *now > period.from && *now <= period.until) {
        match (since, is_unknown(judgement)) {
            (None, true) => since = Some(*now),
            (Some(from), false) => {
                ends(from, *now);
                since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    if let Some(from) = since {
        ends(from, period.until);
    }
    unknown
}

/// The time in the period that lies in gaps longer than `silence`.
fn unseen(stretches: &[Stretch], silence: Span, period: Period) -> Span {
    let mut seen_until = period.from;
    let mut unseen = Span::ZERO;
    let mut gap = |from: Instant, to: Instant| {
        if Span::between(from, to) > silence {
            unseen = unseen.saturating_add(Span::between(from, to));
        }
    };
    for stretch in stretches.iter().filter(|stretch| stretch.last >= period.from && stretch.first <= period.until) {
        gap(seen_until, stretch.first);
        seen_until = seen_until.max(stretch.last);
    }
    gap(seen_until, period.until);
    unseen
}

/// Watches the verdicts for outages.
struct Watch {
    proposal: Proposal,
    period: Period,
    outages: Vec<Outage>,
    now_down: Option<Outage>,
}

impl Watch {
    fn look(&mut self, judgement: &Judgement, now: Instant) {
        match (self.now_down.take(), judgement.health) {
            (None, Health::Down) => {
                let since = judgement.since.unwrap_or(now);
                self.now_down = Some(Outage { since, down_at: now, acts_at: None, ending: Ending::Lasts });
            }
            // A late round can show that it began earlier.
            (Some(outage), Health::Down) => self.now_down = Some(Outage { since: judgement.since.unwrap_or(outage.since), ..outage }),
            (None, _) => {}
            (Some(outage), Health::Unknown) => self.ends(outage, now, Ending::NotKnown { after: judgement.since.unwrap_or(now) }),
            (Some(outage), Health::Ok | Health::Degraded) => self.ends(outage, now, Ending::Answered { at: judgement.since.unwrap_or(now) }),
        }
    }

    fn ends(&mut self, outage: Outage, now: Instant, ending: Ending) {
        if outage.down_at >= self.period.from {
            let acts_at = Some(outage.down_at + self.proposal.wait.as_delta()).filter(|acts_at| *acts_at < now);
            self.outages.push(Outage { acts_at, ending, ..outage });
        }
    }

    fn over(turns: &[(Instant, Judgement)], proposal: Proposal, period: Period) -> Vec<Outage> {
        let mut watch = Self { proposal, period, outages: Vec::new(), now_down: None };
        for (now, judgement) in turns {
            watch.look(judgement, *now);
        }
        if let Some(outage) = watch.now_down.take() {
            let end = period.until + Span::from_millis(1).as_delta();
            watch.ends(outage, end, Ending::Lasts);
        }
        watch.outages
    }
}
