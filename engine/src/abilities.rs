//! What can be expected of what the server's configuration has: whatever sends the clients of a service, and the commands that turn nodes
//! off. A person should know before relying on it.

use crate::time::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A command that turns a node off, as the server's configuration has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceCommand {
    /// Whether a second program proves that the node is off.
    pub proves: bool,
    /// The command may take so long, and so may all that proves it.
    pub timeout: Span,
}

impl FenceCommand {
    /// The longest that carrying it out takes.
    pub fn limit(&self) -> Span {
        Span::from_millis(self.timeout.as_millis().saturating_mul(2).saturating_add(5_000))
    }
}

/// The capability flags of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// A rehearsal asks what would do the sending whether it would, and not only where it sends clients now.
    pub rehearses: bool,
    /// What it says about where clients are sent was asked of what sends them.
    pub reads_back: bool,
    /// Nothing real is moved.
    pub simulated: bool,
    /// For how long clients may still go where they were sent before.
    pub delay: Option<Span>,
    /// A single question that is not answered for this long has failed. `None` where nobody is asked.
    pub patience: Option<Span>,
}

impl Abilities {
    /// Each in a few words, the weightiest first.
    pub fn in_words(&self) -> Vec<String> {
        let simulated = self.simulated.then(|| "SIMULATED: nobody is moved".to_owned());
        let rehearses = if self.rehearses { "sending can be rehearsed" } else { "sending cannot be rehearsed" };
        let reads_back = if self.reads_back { "it is proven by reading back" } else { "it cannot be read back" };
        let delay = match self.delay {
            Some(delay) => format!("clients may follow the old answer for up to {delay}"),
            None => "clients follow at once".to_owned(),
        };
        let patience = self.patience.map(|patience| format!("a question without an answer for {patience} has failed"));
        simulated.into_iter().chain([rehearses.to_owned(), reads_back.to_owned(), delay]).chain(patience).collect()
    }
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_93_the_flags_say_what_is_and_what_is_not_to_be_expected() {
        let good = Abilities { rehearses: true, reads_back: true, simulated: false, delay: None, patience: Some(Span::from_secs(2)) };
        assert_eq!(
            good.to_string(),
            "sending can be rehearsed, it is proven by reading back, clients follow at once, a question without an answer for 2s has failed"
        );
        let poor = Abilities { rehearses: false, reads_back: false, simulated: true, delay: Some(Span::from_secs(60)), patience: None };
        assert_eq!(
            poor.to_string(),
            "SIMULATED: nobody is moved, sending cannot be rehearsed, it cannot be read back, clients may follow the old answer for up to 1m"
        );
    }
}
