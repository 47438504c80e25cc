//! Recorded rounds judged again, by the rule in force or by another one: how often would it have been found down, and how
//! often would that have passed by itself? The verdicts are those of the real judge.

use super::{Kind, Stretch, Track};
use crate::{
    estate::Detection,
    health::{Health, Judgement, Sample, Series},
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
    let mut judging = Judging::new(proposal.rule);
    let mut watch = Watch { proposal, period, outages: Vec::new(), now_down: None };
    for stretch in stretches.iter().take_while(|stretch| stretch.first <= period.until) {
        judging.take_in(stretch, period.until, &mut |judgement, now| watch.look(judgement, now));
    }
    judging.silence_until(period.until, &mut |judgement, now| watch.look(judgement, now));
    Replay {
        outages: watch.over(),
        proposal,
        period,
        rounds: inside().map(rounds).sum(),
        failed: inside().map(failed).sum(),
        coarse: inside().filter(|stretch| stretch.kind().is_none()).map(rounds).sum(),
        unseen: unseen(stretches, proposal.rule.silence(), period),
    }
}

/// The verdict that the rule gives as of `at` from what is recorded, with the rounds behind it.
pub fn verdict_at(track: &Track, rule: &Detection, at: Instant) -> (Judgement, Vec<Sample>) {
    let mut judging = Judging::new(*rule);
    for stretch in track.stretches.iter().take_while(|stretch| stretch.first <= at) {
        judging.take_in(stretch, at, &mut |_, _| ());
    }
    let judgement = judging.series.judge(rule, judging.now.map_or(at, |now| now.max(at))).clone();
    (judgement, track.before(at, rule.samples as usize))
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

/// A series that is fed from stretches and judged as it would have been then: at every round once its answer was there, and
/// when silence had lasted too long.
struct Judging {
    rule: Detection,
    series: Series,
    last: Option<Instant>,
    now: Option<Instant>,
}

impl Judging {
    fn new(rule: Detection) -> Self {
        Self { rule, series: Series::default(), last: None, now: None }
    }

    fn take_in(&mut self, stretch: &Stretch, until: Instant, look: &mut impl FnMut(&Judgement, Instant)) {
        let (rounds, longest) = (stretch.rounds_until(until), u32::try_from(Series::LONGEST).unwrap_or(u32::MAX));
        // Once the series holds nothing but rounds of one kind at one pace, one more of them changes no verdict. So the middle
        // of a long run is left out, and its end is put in before it is judged again.
        let skips = stretch.kind().is_some() && rounds > longest.saturating_mul(2);
        let resumes = rounds.saturating_sub(longest);
        for round in (0..rounds).filter(|round| !skips || *round < longest || *round >= resumes) {
            let sample = stretch.round(round);
            let fills = skips && round >= resumes && round + 1 < rounds;
            if round == 0 {
                self.silence_until(sample.at, look);
            }
            let now = (sample.at + sample.took.as_delta()).max(self.now.unwrap_or(sample.at));
            self.last = Some(sample.at);
            self.series.push(sample);
            if !fills {
                self.judge(now, look);
            }
        }
    }

    /// Judges at the moment at which silence had lasted too long, where it had before `until`.
    fn silence_until(&mut self, until: Instant, look: &mut impl FnMut(&Judgement, Instant)) {
        let Some(last) = self.last else { return };
        let silent = last + self.rule.silence().saturating_add(Span::from_millis(1)).as_delta();
        if silent <= until {
            self.judge(silent.max(self.now.unwrap_or(silent)), look);
        }
    }

    fn judge(&mut self, now: Instant, look: &mut impl FnMut(&Judgement, Instant)) {
        self.now = Some(now);
        look(self.series.judge(&self.rule, now), now);
    }
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

    fn over(mut self) -> Vec<Outage> {
        if let Some(outage) = self.now_down.take() {
            let end = self.period.until + Span::from_millis(1).as_delta();
            self.ends(outage, end, Ending::Lasts);
        }
        self.outages
    }
}
