//! The two runbooks that come with the product. They are taken over into the journal as version 1 where nothing has their
//! names yet; from then on they belong to whoever edits them.

use super::{Runbook, text};
use crate::id::RunbookName;

/// Their names and texts.
pub const ALL: [(&str, &str); 2] =
    [("region-failover", include_str!("../../runbooks/region-failover.md")), ("data-corruption", include_str!("../../runbooks/data-corruption.md"))];

/// Read, each with its text. One that cannot be read would be a mistake of the product's own, which a test finds.
pub fn all() -> Vec<(RunbookName, &'static str, Runbook)> {
    ALL.into_iter().filter_map(|(name, text)| Some((name.parse().ok()?, text, text::parse(text).ok()?.runbook))).collect()
}
