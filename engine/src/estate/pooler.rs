//! A PgBouncer in front of a cluster, as it is declared.

use crate::id::{PoolerId, RegionId};
use serde::{Deserialize, Serialize};

/// One PgBouncer. The host agent of its region drives it, so that a pause ends also where nobody comes back to end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pooler {
    /// The name it has in the agent's configuration too.
    pub id: PoolerId,
    /// Where its clients connect, `host:port`; write proofs go through it. Its database is named like the cluster's.
    pub address: String,
    pub region: RegionId,
    pub follows: Follows,
}

/// Where a PgBouncer connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Follows {
    /// The cluster's router: that one moves its clients.
    Router,
    /// A node itself: Lifeboat tells it which.
    Nodes,
}
