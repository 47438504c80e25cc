//! When a delivery that failed is tried again, and when it is given up.

use super::Kind;
use crate::time::{Instant, Span};

/// Between the first attempt and the second; each pause after that is twice as long.
const FIRST: Span = Span::from_secs(2);
/// The longest pause between two attempts.
const LONGEST: Span = Span::from_mins(10);
/// So long after it was written a delivery is given up: whoever has not heard of it by then looks at the page first.
pub const GIVE_UP_AFTER: Span = Span::from_mins(24 * 60);

/// When a delivery is tried again that was written at `written` and has failed `attempts` times, the last time at `now`.
/// `None` where it is given up. A test is tried once: its answer is what was asked for.
pub fn next_attempt(kind: Kind, written: Instant, attempts: u32, now: Instant) -> Option<Instant> {
    let doublings = attempts.saturating_sub(1).min(16);
    let next = now + FIRST.times(1 << doublings).min(LONGEST).as_delta();
    (kind != Kind::Test && next < written + GIVE_UP_AFTER.as_delta()).then_some(next)
}
