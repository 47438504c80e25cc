//! What probes saw, kept for months in little space. Rounds of one target that one observer saw alike, at a regular pace,
//! are one stretch; so a thing that is well for a day is one line. From the stretches rounds are made again, and judged by
//! the rule that was in force or by another one (`replay`).
//!
//! What is lost: the exact instant of a round inside a run (it is made again at most an eighth of the interval away from
//! where it was, the first and the last exactly), how long each probe took (the worst is kept), what all but the first and
//! the latest bad round said, everything below a millisecond, and rounds that came late. After `FINE` also the order of
//! rounds within five minutes, where more than one run ended in them. Nothing is ever filled in: time in which nobody
//! looked stays a gap.

use crate::{
    health::{Outcome, Sample},
    journal::Subject,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

mod coarse;
mod judging;
mod line;
mod recent;
mod replay;
pub use coarse::coarsen;
pub use judging::verdict_at;
pub use line::{Line, Taken};
pub use recent::{Mark, Recent};
pub use replay::{Ending, Outage, Period, Proposal, Replay, Witness, replay, replay_together};

/// Runs younger than this are kept as they were recorded: a little more than the longest period that is replayed.
pub const FINE: Span = Span::from_mins(8 * 24 * 60);
/// Older than this is dropped.
pub const KEPT: Span = Span::from_mins(90 * 24 * 60);
/// After `FINE`, runs that lie within one of these become one stretch of counts.
pub const CELL: Span = Span::from_mins(5);
/// A run is at most so long, so that the oldest part of what goes well for months can be dropped.
pub const LONGEST_RUN: Span = Span::from_mins(24 * 60);
/// So many characters are kept of what a bad round said.
pub const SAID_LONGEST: usize = 160;

/// The kind of an outcome, without its words. Ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Good,
    Complaint,
    Failed,
}

impl Kind {
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Good => Kind::Good,
            Outcome::Complaint(_) => Kind::Complaint,
            Outcome::Failed(_) => Kind::Failed,
        }
    }
}

/// Rounds in a row. As recorded they are all of one kind; a stretch of several kinds was coarsened, and only counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The first and the last round in it.
    pub first: Instant,
    pub last: Instant,
    pub good: u32,
    pub complained: u32,
    pub failed: u32,
    /// The longest that a probe in it took.
    pub worst: Span,
    /// What the first bad round said; absent where none was bad.
    pub said: Option<String>,
    /// What the latest one said, where that is something else.
    pub said_last: Option<String>,
}

impl Stretch {
    pub fn rounds(&self) -> u32 {
        self.good.saturating_add(self.complained).saturating_add(self.failed)
    }
    /// The kind of all its rounds; `None` where there are several, so that their order is not known any more.
    pub fn kind(&self) -> Option<Kind> {
        match (self.good, self.complained, self.failed) {
            (_, 0, 0) => Some(Kind::Good),
            (0, _, 0) => Some(Kind::Complaint),
            (0, 0, _) => Some(Kind::Failed),
            _ => None,
        }
    }
    /// The instant of a round, counted from 0: evenly spread between the first and the last.
    fn instant(&self, round: u32) -> Instant {
        let (length, steps) = ((self.last - self.first).num_milliseconds().max(0), i64::from(self.rounds().saturating_sub(1)));
        let offset = if steps == 0 { 0 } else { length.saturating_mul(i64::from(round)) / steps };
        self.first + chrono::TimeDelta::milliseconds(offset)
    }
    /// How many of its rounds were sent at or before `at`.
    pub fn rounds_until(&self, at: Instant) -> u32 {
        let (mut low, mut high) = (0, self.rounds());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.instant(middle) <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
    /// A round made again. In a stretch of several kinds the failed ones come first, then the complaints: the order in which
    /// they would weigh most.
    pub fn round(&self, round: u32) -> Sample {
        let said = || {
            let said = if round + 1 == self.rounds() { self.said_last.as_ref().or(self.said.as_ref()) } else { self.said.as_ref() };
            said.cloned().unwrap_or_default()
        };
        let outcome = match round {
            failed if failed < self.failed => Outcome::Failed(said()),
            bad if bad < self.failed.saturating_add(self.complained) => Outcome::Complaint(said()),
            _ => Outcome::Good,
        };
        Sample { at: self.instant(round), took: self.worst, outcome }
    }
    /// All its rounds made again, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        (0..self.rounds()).map(|round| self.round(round))
    }
}

/// What one observer saw of one target, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    pub of: Subject,
    pub observer: String,
    pub stretches: Vec<Stretch>,
    /// Older stretches were asked for and left out, because there are too many.
    pub cut: bool,
}

impl Track {
    /// The last `count` rounds sent at or before `at`, oldest first.
    pub fn before(&self, at: Instant, count: usize) -> Vec<Sample> {
        let rounds = self.stretches.iter().rev().flat_map(|stretch| (0..stretch.rounds_until(at)).rev().map(|round| stretch.round(round)));
        let mut last: Vec<Sample> = rounds.take(count).collect();
        last.reverse();
        last
    }
}
