//! The question “what happened at 02:13?”: the instant that is meant, and what is said of it.

use super::{decisions::DecisionLine, evidence::Shown};
use engine::time::Instant;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// What is known of an instant, beside the decisions around it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct AtView {
    pub at: Instant,
    /// What the probes saw then, the worst first.
    pub shown: Vec<Shown>,
    /// How many more targets were good then and are not listed.
    pub good: usize,
    /// Why the probes are not listed.
    pub note: Option<String>,
    /// The decision that stood then, taken before the time that is listed.
    pub stood: Option<DecisionLine>,
}

#[cfg(feature = "ssr")]
pub use reading::{AROUND, MOST_TARGETS, read};

#[cfg(feature = "ssr")]
mod reading {
    use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};
    use engine::time::{Instant, Span};

    /// What is listed around an instant, before and after it.
    pub const AROUND: Span = Span::from_mins(15);
    /// Of more targets than these the probes are not read for everything at once.
    pub const MOST_TARGETS: usize = 60;

    /// The instant that a text means, in UTC. A time of day alone is the last such time.
    ///
    /// # Errors
    /// What is wrong with it, naming the field.
    pub fn read(text: &str, now: Instant) -> Result<Instant, String> {
        let text = text.trim();
        let plain = text.trim_end_matches(['Z', 'z']);
        let whole = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
        if let Some(at) = whole.iter().find_map(|format| NaiveDateTime::parse_from_str(plain, format).ok()) {
            return Ok(at.and_utc());
        }
        let of_day = ["%H:%M:%S", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(plain, format).ok());
        let today = of_day.map(|time| now.date_naive().and_time(time).and_utc());
        let last = |at: DateTime<Utc>| if at > now { at - TimeDelta::days(1) } else { at };
        let shown: String = text.chars().take(40).collect();
        today.map(last).ok_or_else(|| format!("Time: “{shown}” is none; write 02:13, or 2026-11-25T02:13, in UTC"))
    }

    #[cfg(test)]
    mod tests {
        use super::read;

        #[test]
        fn a_time_of_day_is_the_last_one_and_nonsense_names_the_field() {
            let now = "2026-11-25T09:00:00Z".parse().unwrap();
            let at = |text: &str| read(text, now).map(|at| at.to_rfc3339());
            assert_eq!(at("02:13"), Ok("2026-11-25T02:13:00+00:00".to_owned()));
            assert_eq!(at("22:40:05"), Ok("2026-11-24T22:40:05+00:00".to_owned()));
            assert_eq!(at("2026-11-20T02:13"), Ok("2026-11-20T02:13:00+00:00".to_owned()));
            assert_eq!(at(" 2026-11-20T02:13:09Z "), Ok("2026-11-20T02:13:09+00:00".to_owned()));
            for bad in ["", "25:00", "yesterday", "2026-13-01T00:00"] {
                assert!(at(bad).unwrap_err().starts_with("Time: "), "{bad:?}");
            }
        }
    }
}
