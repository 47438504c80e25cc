//! How services are meant to survive the loss of a region.

use super::Detection;
use crate::{
    id::{RegionId, StrategyId},
    time::Span,
};
use serde::{Deserialize, Serialize};

/// How a group of services is meant to survive the loss of its primary region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    pub id: StrategyId,
    pub kind: StrategyKind,
    pub primary_region: RegionId,
    pub recovery_regions: Vec<RegionId>,
    pub failover: FailoverMode,
    /// A return takes an approval in each mode: `manual` leaves it to people, the others have the product ask for it when it is
    /// possible.
    pub failback: FailoverMode,
    pub replication: Replication,
    /// A standby further behind than this may not be promoted in a planned move.
    pub lag_tolerance: Span,
    /// When samples of what is under this strategy become a verdict, where an endpoint or a cluster does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// The product waits this long after the verdict before it starts a failover or asks for one.
    #[serde(default)]
    pub wait: Span,
    /// After a failover the product starts no other one on the same service for this long. A failback starts no cooldown.
    #[serde(default = "Strategy::default_cooldown")]
    pub cooldown: Span,
    /// A region must have been well for this long before clients return to it.
    #[serde(default = "Strategy::default_dwell")]
    pub dwell: Span,
    /// At least so many regions that are well stay on in every move.
    #[serde(default = "Strategy::default_minimum")]
    pub minimum_on: u32,
    /// So many different people must approve what takes an approval, none of them the one who requested it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub approvals: u32,
    /// How long a planned move of clients can be taken back after it was proven. Where absent it is final at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitWindow>,
}

/// The time in which people commit a planned move of clients or roll it back, and what happens where they do neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitWindow {
    pub window: Span,
    pub then: AtEnd,
}

/// What follows when nobody has decided by the end of a commit window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtEnd {
    Commit,
    /// Clients are sent back, unless where they came from is not known to be well.
    RollBack,
}

impl Strategy {
    fn default_cooldown() -> Span {
        Span::from_mins(30)
    }
    fn default_dwell() -> Span {
        Span::from_mins(10)
    }
    fn default_minimum() -> u32 {
        1
    }
    /// The primary region, then the others in their order, each once.
    pub fn regions(&self) -> impl Iterator<Item = &RegionId> {
        std::iter::once(&self.primary_region).chain(self.recovery_regions.iter().filter(|region| **region != self.primary_region))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    ActiveActive,
    ActivePassive,
    WarmStandby,
    PilotLight,
    BackupRestore,
}

/// Who starts a move: the product, the product after an approval, or only a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverMode {
    Automatic,
    SemiAutomatic,
    Manual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    Synchronous,
    Asynchronous,
}

fn one() -> u32 {
    1
}
fn is_one(value: &u32) -> bool {
    *value == 1
}
