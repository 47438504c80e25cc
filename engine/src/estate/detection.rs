//! The rule by which probes become a verdict.

use crate::time::Span;
use serde::{Deserialize, Serialize};

/// When samples become a verdict: at least `failures` bad ones among the last `samples` distinct rounds, all inside `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Time between two probes of one target.
    pub interval: Span,
    /// A probe without an answer for this long has failed.
    pub timeout: Span,
    /// k: this many failed probes …
    pub failures: u32,
    /// n: … among the last this many.
    pub samples: u32,
    /// Good probes in a row before a failed target is believed to be back.
    pub recoveries: u32,
}

impl Default for Detection {
    fn default() -> Self {
        Self { interval: Span::from_secs(5), timeout: Span::from_secs(2), failures: 3, samples: 3, recoveries: 3 }
    }
}

impl Detection {
    /// The most samples or recoveries a rule may ask for; more are not kept.
    pub const MOST_ROUNDS: u32 = 60;

    /// The stretch of time the last `samples` rounds must lie in: one round of slack beyond their nominal length,
    /// plus the time-out of each, so that slow failures still count as consecutive.
    pub fn window(&self) -> Span {
        self.stretch(self.samples)
    }
    /// The stretch of time that `rounds` rounds may take.
    pub fn stretch(&self, rounds: u32) -> Span {
        self.interval.saturating_add(self.timeout).times(rounds.saturating_add(1))
    }
    /// Silence for this long is unknown: two missed rounds and the time-out of the last.
    pub fn silence(&self) -> Span {
        self.interval.times(2).saturating_add(self.timeout)
    }
    /// What makes the rule unusable. A rule with a mistake judges nothing: every verdict under it is unknown (trap F10).
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |wrong: bool, text: &dyn Fn() -> String| {
            if wrong {
                mistakes.push(text());
            }
        };
        check(self.interval == Span::ZERO, &|| "the interval is zero".to_owned());
        check(self.timeout == Span::ZERO, &|| "the time-out is zero".to_owned());
        check(self.failures == 0, &|| "failures is 0, at least 1 is needed".to_owned());
        check(self.samples == 0, &|| "samples is 0, at least 1 is needed".to_owned());
        check(self.recoveries == 0, &|| "recoveries is 0, at least 1 is needed".to_owned());
        check(self.failures > self.samples, &|| format!("{} failures among {} samples can never happen", self.failures, self.samples));
        check(self.samples.max(self.recoveries) > Self::MOST_ROUNDS, &|| format!("samples and recoveries may be at most {}", Self::MOST_ROUNDS));
        mistakes
    }
}
