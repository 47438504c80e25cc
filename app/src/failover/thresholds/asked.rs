//! The thresholds as the address carries them: text, until they were read and found to make sense.

use serde::{Deserialize, Serialize};

/// What was filled in; empty where the rule in force is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asked {
    pub failures: String,
    pub samples: String,
    pub recoveries: String,
    pub window: String,
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
            [&self.failures, &self.samples, &self.recoveries, &self.window, &self.wait].iter().any(|text| !text.trim().is_empty())
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
        let mut rule = Detection {
            failures: number("failures", "Failures", &asked.failures, present.rule.failures),
            samples: number("samples", "Of the last … probes", &asked.samples, present.rule.samples),
            recoveries: number("recoveries", "Good ones to recover", &asked.recoveries, present.rule.recoveries),
            ..present.rule
        };
        let mut span = |field: &str, label: &str, text: &str, most: Span| match text.trim() {
            "" => None,
            text => match text.parse::<Span>() {
                Ok(asked) if asked <= most => Some(asked),
                Ok(_) => {
                    mistakes.push((field.to_owned(), format!("{label}: longer than {most}")));
                    None
                }
                Err(error) => {
                    mistakes.push((field.to_owned(), format!("{label}: {error}")));
                    None
                }
            },
        };
        let window = span("window", "Window", &asked.window, Detection::LONGEST_WINDOW);
        let wait = span("wait", "Wait", &asked.wait, LONGEST_WAIT).unwrap_or(present.wait);
        rule.window = window.or(rule.window);
        if mistakes.is_empty() && rule.failures > rule.samples {
            let says = format!("Failures: {} failures among {} probes can never happen", rule.failures, rule.samples);
            mistakes.push(("failures".to_owned(), says));
        }
        if mistakes.is_empty() {
            mistakes.extend(rule.mistakes().into_iter().map(|says| ("window".to_owned(), format!("Window: {says}"))));
        }
        if mistakes.is_empty() { Ok(Proposal { rule, wait }) } else { Err(mistakes) }
    }

    /// As much of a text from the address as a message shows.
    fn shown(text: &str) -> String {
        text.chars().take(40).collect()
    }
}
