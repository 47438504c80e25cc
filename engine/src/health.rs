//! From probe results to a verdict. One bad probe trips nothing, silence becomes unknown, degraded is not down.

use crate::time::{Instant, Span};
use serde::{Deserialize, Serialize};
use std::fmt;

mod judging;
mod panel;
mod regions;
mod series;
mod sight;
pub use judging::judge;
pub(crate) use panel::together;
pub use panel::{Panel, Vote, observers_of};
pub use regions::failed_regions;
pub(crate) use regions::healths;
pub use series::Series;
pub use sight::{Sight, Sights};

/// What is believed of one probed thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    Ok,
    /// Answers, and says of itself that something is wrong.
    Degraded,
    Down,
    /// Never measured, or not for longer than the detection rule allows. Never shown as good.
    Unknown,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Health::Ok => "ok",
            Health::Degraded => "degraded",
            Health::Down => "down",
            Health::Unknown => "unknown",
        })
    }
}

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Good,
    /// It answered and complained; the text is its own.
    Complaint(String),
    /// No usable answer, and why.
    Failed(String),
}

/// One probe result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When the probe was sent. Two samples of one instant are one round.
    pub at: Instant,
    /// How long the answer took, or until the probe gave up.
    pub took: Span,
    pub outcome: Outcome,
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    pub health: Health,
    /// Since when: the first sample of the series that led to the verdict.
    pub since: Option<Instant>,
    pub why: String,
}

impl Judgement {
    pub fn never_measured() -> Self {
        Self { health: Health::Unknown, since: None, why: "never measured".to_owned() }
    }
}
