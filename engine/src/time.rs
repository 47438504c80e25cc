//! Instants and durations. The engine has no clock: “now” is always an argument.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A moment in UTC.
pub type Instant = chrono::DateTime<chrono::Utc>;

/// A length of time, never negative, kept in milliseconds and written with units (`250ms`, `15m`, `1h 30m`, `4h`, `2d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    millis: u64,
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("a duration is missing; write for example 15m, 4h or 90s")]
    Empty,
    #[error("“{0}” has no unit; write for example {0}m for minutes or {0}h for hours")]
    NoUnit(String),
    #[error("“{0}” is not a duration; write whole numbers with ms, s, m, h or d, for example 1h 30m")]
    NotADuration(String),
    #[error("“{0}” is longer than 10 years, the longest duration accepted")]
    TooLong(String),
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const LONGEST_MILLIS: u64 = 10 * 366 * 86_400_000;

impl Span {
    pub const ZERO: Span = Span { millis: 0 };

    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }
    pub const fn from_secs(secs: u64) -> Self {
        Self { millis: secs * 1_000 }
    }
    pub const fn from_mins(mins: u64) -> Self {
        Self::from_secs(mins * 60)
    }
    pub const fn as_millis(self) -> u64 {
        self.millis
    }
    pub fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.millis)
    }
    pub fn as_delta(self) -> chrono::TimeDelta {
        // Every Span is below LONGEST_MILLIS or a difference of two instants, so it fits.
        chrono::TimeDelta::milliseconds(i64::try_from(self.millis).unwrap_or(i64::MAX / 2))
    }
    /// From `earlier` to `later`; zero where the order is the other way round (a clock that was set back).
    pub fn between(earlier: Instant, later: Instant) -> Self {
        Self { millis: u64::try_from((later - earlier).num_milliseconds()).unwrap_or(0) }
    }
    pub fn saturating_add(self, other: Self) -> Self {
        Self { millis: self.millis.saturating_add(other.millis) }
    }
    pub fn times(self, n: u32) -> Self {
        Self { millis: self.millis.saturating_mul(u64::from(n)) }
    }
    /// The two largest units, for people: `1h 30m`, `12s`, `850ms`.
    pub fn rough(self) -> String {
        let shown = if self.millis >= 1_000 { Self { millis: self.millis - self.millis % 1_000 } } else { self };
        let text = shown.to_string();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let shown = || text.chars().take(40).collect::<String>();
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(SpanError::Empty);
        }
        let mut rest = trimmed;
        let mut millis: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, tail) = rest.split_at(digits);
            let number: u64 = number.parse().map_err(|_| SpanError::NotADuration(shown()))?;
            let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let (unit, tail) = tail.split_at(letters);
            if unit.is_empty() {
                return Err(if trimmed == number.to_string() { SpanError::NoUnit(shown()) } else { SpanError::NotADuration(shown()) });
            }
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| SpanError::NotADuration(shown()))?;
            millis = number.checked_mul(*factor).and_then(|part| millis.checked_add(part)).ok_or_else(|| SpanError::TooLong(shown()))?;
            rest = tail.trim_start();
        }
        if millis > LONGEST_MILLIS { Err(SpanError::TooLong(shown())) } else { Ok(Self { millis }) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.millis;
        let mut first = true;
        for (unit, factor) in UNITS {
            let count = rest / factor;
            rest %= factor;
            if count > 0 {
                write!(f, "{}{count}{unit}", if first { "" } else { " " })?;
                first = false;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}
impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn o5_a_duration_carries_its_unit_and_is_never_negative() {
        assert_eq!("15m".parse(), Ok(Span::from_mins(15)));
        assert_eq!("1h 30m".parse(), Ok(Span::from_mins(90)));
        assert_eq!("0s".parse(), Ok(Span::ZERO));
        assert_eq!("15".parse::<Span>(), Err(SpanError::NoUnit("15".into())));
        for bad in ["-5m", "m", "1.5h", "5 min", "99999999999999999999d", "1h30", ""] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?} must be refused");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_back(millis in 0..LONGEST_MILLIS) {
            let span = Span::from_millis(millis);
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
