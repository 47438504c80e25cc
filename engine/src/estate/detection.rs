//! The rule by which probes become a verdict.

use crate::{
    health::{Outcome, Sample},
    time::Span,
};
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
    /// An endpoint that answers well, but takes longer than this, is taken to complain: degraded, never down. Database nodes,
    /// agents and routers are not judged by it. Without it no answer that comes within the time-out is too slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Span>,
    /// The failures must lie within this; without it within the time that `samples` rounds may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
}

impl Default for Detection {
    fn default() -> Self {
        Self { interval: Span::from_secs(5), timeout: Span::from_secs(2), failures: 3, samples: 3, recoveries: 3, slow: None, window: None }
    }
}

impl Detection {
    /// The most samples or recoveries a rule may ask for; more are not kept.
    pub const MOST_ROUNDS: u32 = 60;

    /// The longest window that can be declared.
    pub const LONGEST_WINDOW: Span = Span::from_mins(60);

    /// The stretch of time the last `samples` rounds must lie in. Where none is declared: one round of slack beyond their nominal
    /// length, plus the time-out of each, so that slow failures still count as consecutive.
    pub fn window(&self) -> Span {
        self.window.unwrap_or_else(|| self.stretch(self.samples))
    }
    /// The stretch of time that `rounds` rounds may take.
    pub fn stretch(&self, rounds: u32) -> Span {
        self.interval.saturating_add(self.timeout).times(rounds.saturating_add(1))
    }
    /// Silence for this long is unknown: two missed rounds and the time-out of the last. No round is sent before the one before
    /// it is over, so where nothing answers within a time-out longer than the interval, that is the pace.
    pub fn silence(&self) -> Span {
        self.interval.max(self.timeout).times(2).saturating_add(self.timeout)
    }
    /// What the sample of an endpoint shows under this rule: a good answer that took too long is a complaint. To be asked once,
    /// before the sample is judged and recorded, so that both say the same of it.
    pub fn paced(&self, sample: Sample) -> Sample {
        match self.slow {
            Some(slow) if sample.is_good() && sample.took > slow => {
                let said = format!("answered in {} ms, slower than {} ms", sample.took.as_millis(), slow.as_millis());
                Sample { outcome: Outcome::Complaint(said), ..sample }
            }
            _ => sample,
        }
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
        if let Some(slow) = self.slow {
            check(slow == Span::ZERO, &|| "slow is zero, so that every answer would be too slow".to_owned());
            check(slow >= self.timeout, &|| format!("slow is {slow}, and after {} there is no answer to complain of", self.timeout));
        }
        check(self.failures == 0, &|| "failures is 0, at least 1 is needed".to_owned());
        check(self.samples == 0, &|| "samples is 0, at least 1 is needed".to_owned());
        check(self.recoveries == 0, &|| "recoveries is 0, at least 1 is needed".to_owned());
        check(self.failures > self.samples, &|| format!("{} failures among {} samples can never happen", self.failures, self.samples));
        if let Some(window) = self.window {
            let needed = self.interval.max(self.timeout).times(self.failures);
            check(window < needed, &|| format!("a window of {window} is too short: {} failed probes in a row may take {needed}", self.failures));
            check(window > Self::LONGEST_WINDOW, &|| format!("a window of {window} is longer than {}", Self::LONGEST_WINDOW));
        }
        check(self.samples.max(self.recoveries) > Self::MOST_ROUNDS, &|| format!("samples and recoveries may be at most {}", Self::MOST_ROUNDS));
        mistakes
    }
}
