//! Waiting for the world to be as it should: a condition asked again and again, never a pause that hopes. The caller's
//! step has the deadline.

/// Asks `$condition` (an `Option`) every `$pause` until it is `Some`, and gives what it holds. A macro, because a closure that
/// borrows across an await cannot be sent between threads today.
macro_rules! until {
    ($pause:expr, $condition:expr) => {
        loop {
            if let Some(seen) = $condition {
                break seen;
            }
            tokio::time::sleep($pause).await;
        }
    };
}
pub(super) use until;
