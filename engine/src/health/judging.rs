//! The verdict itself: k failures among the last n rounds inside a window make it down, a row of good rounds brings it
//! back, silence makes it unknown. Pure, and indifferent to the order in which samples arrive.

use super::{Health, Judgement, Outcome, Sample};
use crate::{
    estate::Detection,
    time::{Instant, Span},
};

/// Judges one probed thing at `now` from its samples, oldest verdict first: `previous` is what was believed before.
///
/// - Samples of one instant are one round, and the worst of them counts.
/// - Ok becomes down by `failures` failed rounds among the last `samples`, all inside `window()`; as many complaints (or
///   complaints and failures) make it degraded, never down.
/// - Down and degraded end only by `recoveries` good rounds in a row; failures from before a recovery count no more.
/// - No round for longer than `silence()` is unknown, and so is a rule that cannot be used.
/// - A thing that was never judged is ok at its first good round, as long as no bad one came before.
/// - Samples dated after `now` are left out: the clock was set back, and they say nothing about the present.
pub fn judge(previous: &Judgement, samples: &[Sample], rule: &Detection, now: Instant) -> Judgement {
    let mistakes = rule.mistakes();
    if !mistakes.is_empty() {
        let since = if previous.health == Health::Unknown { previous.since } else { samples.iter().map(|sample| sample.at).max() };
        return Judgement { health: Health::Unknown, since, why: format!("the detection rule cannot be used: {}", mistakes.join("; ")) };
    }
    let rounds = rounds(samples, rule, now);
    let Some(newest) = rounds.last() else {
        return nothing_to_judge(previous, samples.is_empty());
    };
    if Span::between(newest.at, now) > rule.silence() {
        return silent(newest, rule);
    }
    let evidence = Evidence::of(&rounds, previous, rule, now);
    let health = evidence.verdict(previous.health, rule);
    Judgement { health, since: evidence.since(health, previous, rule), why: evidence.why(health, rule) }
}

/// One sample for each instant, oldest first, the worst one where several share an instant.
fn rounds<'a>(samples: &'a [Sample], rule: &Detection, now: Instant) -> Vec<&'a Sample> {
    let mut rounds: Vec<&Sample> = samples.iter().filter(|sample| !is_from_the_future(sample, rule, now)).collect();
    rounds.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| b.outcome.badness().cmp(&a.outcome.badness())));
    rounds.dedup_by_key(|sample| sample.at);
    rounds
}

/// Probes are dated by this machine when they are sent, so more than a time-out ahead of `now` means a clock set back.
pub(super) fn is_from_the_future(sample: &Sample, rule: &Detection, now: Instant) -> bool {
    Span::between(now, sample.at) > rule.timeout
}

fn nothing_to_judge(previous: &Judgement, none_at_all: bool) -> Judgement {
    match (none_at_all, previous.since) {
        (true, None) => Judgement::never_measured(),
        (true, since) => Judgement { health: Health::Unknown, since, why: "no sample is kept any more".to_owned() },
        (false, since) => Judgement { health: Health::Unknown, since, why: "every sample is dated in the future: the clock was set back".to_owned() },
    }
}

fn silent(newest: &Sample, rule: &Detection) -> Judgement {
    let last = match &newest.outcome {
        Outcome::Good => "was good".to_owned(),
        Outcome::Complaint(said) => format!("complained: {said}"),
        Outcome::Failed(why) => format!("failed: {why}"),
    };
    let at = newest.at.format("%H:%M:%S UTC");
    // No age here, it is in `since`: a text that counted along would make every judgement differ from the one before.
    Judgement {
        health: Health::Unknown,
        since: Some(newest.at),
        why: format!("no probe since {at} (one is due every {}); the last one {last}", rule.interval),
    }
}

/// What the rounds show, counted once.
struct Evidence<'a> {
    rounds: &'a [&'a Sample],
    /// The last n rounds that lie in the window and are not from before the last recovery.
    recent: &'a [&'a Sample],
    failed: usize,
    complained: usize,
    /// Good rounds in a row up to now.
    good: usize,
    /// Rounds with an answer in a row up to now.
    answered: usize,
}

impl<'a> Evidence<'a> {
    fn of(rounds: &'a [&'a Sample], previous: &Judgement, rule: &Detection, now: Instant) -> Self {
        let recovered_at = match previous.health {
            Health::Ok | Health::Degraded => previous.since,
            Health::Down | Health::Unknown => None,
        };
        let counts = |sample: &Sample| Span::between(sample.at, now) <= rule.window() && recovered_at.is_none_or(|since| sample.at >= since);
        let first = rounds.partition_point(|sample| !counts(sample)).max(rounds.len().saturating_sub(rule.samples as usize));
        let recent = &rounds[first..];
        let in_a_row = |fits: fn(&Outcome) -> bool| {
            let stretch = rule.stretch(rule.recoveries);
            rounds.iter().rev().take_while(|sample| fits(&sample.outcome) && Span::between(sample.at, now) <= stretch).count()
        };
        Self {
            rounds,
            recent,
            failed: recent.iter().filter(|sample| sample.outcome.is_failure()).count(),
            complained: recent.iter().filter(|sample| matches!(sample.outcome, Outcome::Complaint(_))).count(),
            good: in_a_row(|outcome| *outcome == Outcome::Good),
            answered: in_a_row(|outcome| !outcome.is_failure()),
        }
    }

    fn verdict(&self, previous: Health, rule: &Detection) -> Health {
        let (failures, recoveries) = (rule.failures as usize, rule.recoveries as usize);
        let bad = self.failed + self.complained;
        let is_back = self.good >= recoveries;
        match previous {
            Health::Down if is_back => Health::Ok,
            Health::Down if self.answered >= recoveries => Health::Degraded,
            Health::Down => Health::Down,
            Health::Unknown if is_back => Health::Ok,
            _ if self.failed >= failures => Health::Down,
            Health::Degraded if is_back => Health::Ok,
            Health::Degraded => Health::Degraded,
            _ if bad >= failures => Health::Degraded,
            Health::Ok => Health::Ok,
            Health::Unknown if self.rounds.iter().all(|sample| sample.outcome == Outcome::Good) => Health::Ok,
            Health::Unknown => Health::Unknown,
        }
    }

    /// The first sample of the series behind the verdict. A verdict that stays keeps its beginning, except that a late
    /// sample can show that a failure began earlier.
    fn since(&self, health: Health, previous: &Judgement, rule: &Detection) -> Option<Instant> {
        let kept = previous.since.filter(|_| previous.health == health);
        let first = |fits: fn(&Outcome) -> bool| self.recent.iter().find(|sample| fits(&sample.outcome)).map(|sample| sample.at);
        let row_of = |length: usize| self.rounds.get(self.rounds.len().saturating_sub(length)).map(|sample| sample.at);
        match health {
            Health::Down => kept.or_else(|| first(Outcome::is_failure)).map(|since| self.series_before(since, rule)),
            Health::Degraded => {
                kept.or_else(|| if previous.health == Health::Down { row_of(self.answered) } else { first(|outcome| *outcome != Outcome::Good) })
            }
            Health::Ok => kept.or_else(|| row_of(self.good)),
            Health::Unknown => kept.or_else(|| self.rounds.first().map(|sample| sample.at)),
        }
    }

    /// Walks back from `since` over the failed rounds right before it.
    fn series_before(&self, since: Instant, rule: &Detection) -> Instant {
        let at = self.rounds.partition_point(|sample| sample.at < since);
        let mut first = since;
        for sample in self.rounds[..at].iter().rev() {
            if !sample.outcome.is_failure() || Span::between(sample.at, first) > rule.window() {
                break;
            }
            first = sample.at;
        }
        first
    }

    fn why(&self, health: Health, rule: &Detection) -> String {
        let of = self.recent.len();
        let latest = |fits: fn(&Outcome) -> bool| {
            let sample = self.recent.iter().rev().find(|sample| fits(&sample.outcome));
            sample.and_then(|sample| sample.outcome.said()).unwrap_or_default()
        };
        let failures = || format!("{} of the last {of} probes failed, latest: {}", self.failed, latest(Outcome::is_failure));
        let complaints = || {
            let said = latest(|outcome| matches!(outcome, Outcome::Complaint(_)));
            match (self.complained, self.failed) {
                (0, _) => failures(),
                (_, 0) => format!("{} of the last {of} probes complained, latest: {said}", self.complained),
                (_, failed) => format!("{} of the last {of} probes complained and {failed} failed, latest complaint: {said}", self.complained),
            }
        };
        let needed = rule.failures;
        match health {
            Health::Ok if self.failed + self.complained == 0 => "the last probe was good".to_owned(),
            Health::Ok => format!("{}; {needed} are needed to change the verdict", complaints()),
            Health::Down | Health::Degraded if self.good > 0 => {
                format!("{} of {} good probes in a row that are needed to call it back", self.good, rule.recoveries)
            }
            Health::Down if self.failed > 0 => failures(),
            Health::Down => format!("it answers again, and complains: {}", latest(|outcome| *outcome != Outcome::Good)),
            Health::Degraded => complaints(),
            Health::Unknown if self.good > 0 => format!("{} of {} good probes in a row that are needed after a bad one", self.good, rule.recoveries),
            Health::Unknown => format!("{}; {needed} are needed for a verdict", complaints()),
        }
    }
}

impl Outcome {
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(_))
    }
    pub(super) fn badness(&self) -> u8 {
        match self {
            Outcome::Good => 0,
            Outcome::Complaint(_) => 1,
            Outcome::Failed(_) => 2,
        }
    }
    /// What was wrong; `None` where nothing was.
    pub fn said(&self) -> Option<&str> {
        match self {
            Outcome::Good => None,
            Outcome::Complaint(said) | Outcome::Failed(said) => Some(said),
        }
    }
}
