//! Whose confirmation commits wait for, where the strategy of a cluster declares synchronous replication.

use super::{Cluster, DeclaredRole, Estate, Manager, Replication};
use crate::id::NodeId;
use serde::{Deserialize, Serialize};

/// How many standbys confirm a commit before it is acknowledged, and which may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synchronous {
    #[serde(default = "one")]
    pub confirm: u32,
    /// In the order in which PostgreSQL prefers them; none for every node that may be promoted, those kept to take over first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<NodeId>,
}

fn one() -> u32 {
    1
}

impl Estate {
    /// What commits on `primary` are declared to wait for: how many, and every node that may confirm. `None` where they are declared
    /// to wait for nobody, and where another manager sees to it.
    pub fn synchronous_of(&self, cluster: &Cluster, primary: &NodeId) -> Option<Synchronous> {
        let strategy = self.strategy(cluster.strategy.as_ref()?)?;
        if strategy.replication != Replication::Synchronous || cluster.manager != Manager::Lifeboat {
            return None;
        }
        let declared = cluster.synchronous.as_ref();
        let mut among: Vec<NodeId> = declared.map(|declared| declared.among.clone()).unwrap_or_default();
        if among.is_empty() {
            // What only a node has that never takes over is as good as lost.
            let mut nodes: Vec<_> = cluster.nodes.iter().filter(|node| node.promotable).collect();
            nodes.sort_by_key(|node| node.role != DeclaredRole::Standby);
            among = nodes.into_iter().map(|node| node.id.clone()).collect();
        }
        among.retain(|node| node != primary && cluster.node(node).is_some());
        Some(Synchronous { confirm: declared.map_or(1, |declared| declared.confirm.max(1)), among })
    }
}
