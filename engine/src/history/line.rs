//! The run that is going on: a sample goes on with it, or ends it and begins the next one.

use super::{Kind, LONGEST_RUN, SAID_LONGEST, Stretch};
use crate::{
    estate::Detection,
    health::Sample,
    time::{Instant, Span},
};
use chrono::{DateTime, Utc};

/// What one observer sees of one target, as it comes in.
#[derive(Debug, Clone, Default)]
pub struct Line {
    open: Option<Open>,
}

/// What became of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It goes on with the open run.
    Extended,
    /// It begins a run; the one before is finished.
    Began { finished: Option<Stretch> },
    /// It is not newer than the one before, and left out.
    Late,
}

#[derive(Debug, Clone)]
struct Open {
    run: Stretch,
    kind: Kind,
    /// The shortest and the longest step, in microseconds, with which every round so far is made again within the tolerance.
    shortest: i64,
    longest: i64,
}

impl Line {
    /// A round is made again at most this part of the interval away from where it was.
    pub const TOLERANCE: i32 = 8;

    /// Takes in a sample. The run goes on where it is of the same kind, no longer after the last one than the rule's silence,
    /// and at the pace of the others. After the clock was set back by more than that silence a run begins in the past.
    pub fn take_in(&mut self, sample: &Sample, rule: &Detection) -> Taken {
        let at = to_the_millisecond(sample.at);
        let Some(open) = &mut self.open else {
            self.open = Some(Open::begin(at, sample));
            return Taken::Began { finished: None };
        };
        if at <= open.run.last && Span::between(at, open.run.last) <= rule.silence() {
            return Taken::Late;
        }
        if open.extend(at, sample, rule) {
            return Taken::Extended;
        }
        let finished = std::mem::replace(open, Open::begin(at, sample)).run;
        Taken::Began { finished: Some(finished) }
    }

    /// The run that is going on.
    pub fn open(&self) -> Option<&Stretch> {
        self.open.as_ref().map(|open| &open.run)
    }
}

impl Open {
    fn begin(at: Instant, sample: &Sample) -> Self {
        let kind = Kind::of(&sample.outcome);
        let one = |wanted| u32::from(kind == wanted);
        let run = Stretch {
            first: at,
            last: at,
            good: one(Kind::Good),
            complained: one(Kind::Complaint),
            failed: one(Kind::Failed),
            worst: sample.took,
            said: sample.outcome.said().map(shortened),
            said_last: None,
        };
        Self { run, kind, shortest: 0, longest: i64::MAX }
    }

    /// Whether the sample goes on with the run; it is taken in then. One more round moves all those between the first and the
    /// last a little, so the step it makes must be one that suits them all.
    fn extend(&mut self, at: Instant, sample: &Sample, rule: &Detection) -> bool {
        let run = &mut self.run;
        let follows = at > run.last && Span::between(run.last, at) <= rule.silence() && Span::between(run.first, at) <= LONGEST_RUN;
        if !follows || self.kind != Kind::of(&sample.outcome) {
            return false;
        }
        let step = i64::from(run.rounds());
        let offset = (at - run.first).num_milliseconds().saturating_mul(1_000);
        if offset < self.shortest.saturating_mul(step) || offset > self.longest.saturating_mul(step) {
            return false;
        }
        let tolerance = i64::try_from(rule.interval.as_millis()).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000) / i64::from(Line::TOLERANCE);
        // Rounded towards each other, so that what suits the bounds suits the round.
        self.shortest = self.shortest.max((offset - tolerance).div_euclid(step) + i64::from((offset - tolerance).rem_euclid(step) != 0));
        self.longest = self.longest.min((offset + tolerance).div_euclid(step));
        run.last = at;
        run.worst = run.worst.max(sample.took);
        match self.kind {
            Kind::Good => run.good += 1,
            Kind::Complaint => run.complained += 1,
            Kind::Failed => run.failed += 1,
        }
        run.said_last = sample.outcome.said().map(shortened).filter(|said| Some(said) != run.said.as_ref());
        true
    }
}

fn shortened(said: &str) -> String {
    said.chars().take(SAID_LONGEST).collect()
}

fn to_the_millisecond(at: Instant) -> Instant {
    DateTime::<Utc>::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}
