//! Where two histories part. A history file names every timeline of a node with the place where the one before was left, so two of
//! them say it however many promotions lie in between, and whoever was restarted since.

use super::{Fork, Lsn};

/// Where the history of one node left that of another: what `own` holds behind it, `other` never had. `None` where they are on one
/// timeline, or where nothing shows that they belong together.
pub fn parted_at(own: History<'_>, other: History<'_>) -> Option<Lsn> {
    if own.first() != other.first() {
        return None;
    }
    let common = own.forks.iter().zip(other.forks).take_while(|(own, other)| own == other).count();
    match (own.forks.get(common), other.forks.get(common)) {
        (None, Some(other)) => (other.parent == own.timeline).then_some(other.at),
        (Some(own), None) => (own.parent == other.timeline).then_some(own.at),
        (Some(own), Some(other)) => (own.parent == other.parent).then(|| own.at.min(other.at)),
        (None, None) => None,
    }
}

/// The timelines of a node, up to the one it is on.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    forks: &'a [Fork],
    timeline: u32,
}

impl<'a> History<'a> {
    /// The part of `forks` that leads to `timeline`; `None` where it does not lead there. A node may have the history file of a
    /// timeline that it has not reached.
    pub fn to(forks: &'a [Fork], timeline: u32) -> Option<Self> {
        match forks.iter().position(|fork| fork.timeline == timeline) {
            Some(last) => Some(Self { forks: &forks[..=last], timeline }),
            None => forks.first().is_none_or(|fork| fork.parent == timeline).then_some(Self { forks: &[], timeline }),
        }
    }
    fn first(&self) -> u32 {
        self.forks.first().map_or(self.timeline, |fork| fork.parent)
    }
}
