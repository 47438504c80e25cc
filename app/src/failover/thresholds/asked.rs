//! The thresholds as the address carries them: text, until they were read and found to make sense.

use serde::{Deserialize, Serialize};

/// What was filled in; empty where the rule in force is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asked {
    pub failures: String,
    pub samples: String,
    pub recoveries: String,
    pub wait: String,
    pub period: String,
}

/// The periods that can be replayed, in hours.
pub const PERIODS: [(&str, u64); 3] = [("1h", 1), ("24h", 24), ("7d", 7 * 24)];

#[cfg(feature = "ssr")]
pub use reading::{LONGEST_WAIT, read};

#[cfg(feature = "ssr")]
mod reading {
    use super::{Asked, PERIODS};
    use engine::{estate::Detection, history::Proposal, time::Span};

    /// The longest wait that can be tried out.
    pub const LONGEST_WAIT: Span = Span::from_mins(24 * 60);

    impl Asked {
        /// Whether anything but the rule in force is asked for.
        pub fn proposes(&self) -> bool {
            [&self.failures, &self.samples, &self.recoveries, &self.wait].iter().any(|text| !text.trim().is_empty())
        }
        /// Which period is meant; the day where none is named.
        ///
        /// # Errors
        /// What is wrong with it, naming the field.
        pub fn period(&self) -> Result<Span, String> {
            let named = if self.period.is_empty() { "24h" } else { self.period.as_str() };
            let found = PERIODS.iter().find(|(name, _)| *name == named).map(|(_, hours)| Span::from_mins(hours * 60));
            found.ok_or_else(|| format!("Period: “{}” cannot be replayed; it is 1h, 24h or 7d", shown(named)))
        }
    }

    /// The proposed thresholds, with those of `present` where nothing else is asked for.
    ///
    /// # Errors
    /// Every field that is wrong, with what is wrong with it, naming the field.
    pub fn read(asked: &Asked, present: Proposal) -> Result<Proposal, Vec<(String, String)>> {
        let mut mistakes: Vec<(String, String)> = Vec::new();
        let mut number = |field: &str, label: &str, text: &str, present: u32| {
            let text = text.trim();
            let read = if text.is_empty() { Ok(present) } else { text.parse::<u32>() };
            match read {
                Ok(number) if (1..=Detection::MOST_ROUNDS).contains(&number) => number,
                _ => {
                    mistakes
                        .push((field.to_owned(), format!("{label}: “{}” is not a whole number from 1 to {}", shown(text), Detection::MOST_ROUNDS)));
                    present
                }
            }
        };
        let rule = Detection {
            failures: number("failures", "Failures", &asked.failures, present.rule.failures),
            samples: number("samples", "Of the last … probes", &asked.samples, present.rule.samples),
            recoveries: number("recoveries", "Good ones to recover", &asked.recoveries, present.rule.recoveries),
            ..present.rule
        };
        let mut wait = present.wait;
        if !asked.wait.trim().is_empty() {
            match asked.wait.parse::<Span>() {
                Ok(asked) if asked <= LONGEST_WAIT => wait = asked,
                Ok(_) => mistakes.push(("wait".to_owned(), "Wait: longer than a day".to_owned())),
                Err(error) => mistakes.push(("wait".to_owned(), format!("Wait: {error}"))),
            }
        }
        if mistakes.is_empty() && rule.failures > rule.samples {
            let says = format!("Failures: {} failures among {} probes can never happen", rule.failures, rule.samples);
            mistakes.push(("failures".to_owned(), says));
        }
        if mistakes.is_empty() { Ok(Proposal { rule, wait }) } else { Err(mistakes) }
    }

    /// As much of a text from the address as a message shows.
    fn shown(text: &str) -> String {
        text.chars().take(40).collect()
    }
}
