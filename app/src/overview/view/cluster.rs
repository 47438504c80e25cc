//! One database cluster as the overview and `lifeboat status --json` show it.

use crate::ui::state::{Tone, standing};
use engine::{
    databases::{self, ClusterView, NodeRole, NodeStanding, NodeView, Protection},
    estate::{Cluster, Detection},
    id::{ClusterId, NodeId, OperationId, RegionId, ServiceId},
    picture::Picture,
    time::Instant,
};
use serde::{Deserialize, Serialize};

/// One cluster with its nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterLine {
    pub cluster: ClusterId,
    pub service: ServiceId,
    pub tone: Tone,
    /// The node that takes, or last took, the writes; the one that was promoted last, where nobody has read it since.
    pub primary: Option<NodeId>,
    /// Whether exactly one node takes writes now.
    pub writable: bool,
    pub timeline: Option<u32>,
    pub protection: ProtectionLine,
    /// Since when it is not fully protected.
    pub exposed_since: Option<Instant>,
    /// Where the router sends clients; `None` where that is not known.
    pub routed_to: Option<Vec<NodeId>>,
    /// The operation that holds the cluster.
    pub operation: Option<OperationId>,
    pub nodes: Vec<NodeLine>,
}

/// Whether it could survive the loss of its primary, and what speaks against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "missing")]
pub enum ProtectionLine {
    Protected,
    Reduced(Vec<String>),
    Unprotected(Vec<String>),
    /// Nothing was observed yet, or nothing since the last promotion.
    Unknown,
}

/// One node. Absent numbers are not known; zero is a measured zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeLine {
    pub node: NodeId,
    pub region: RegionId,
    pub tone: Tone,
    /// Its standing in a word or two.
    pub standing: String,
    /// What the verdict rests on.
    pub why: String,
    /// Since when the verdict holds.
    pub since: Option<Instant>,
    pub timeline: Option<u32>,
    /// The furthest WAL position it is known to hold.
    pub position: Option<String>,
    /// Bytes behind the primary's last known position; absent for the primary itself.
    pub lag_bytes: Option<u64>,
    /// Zero where no byte is missing; absent for the primary and where it is not known.
    pub lag_millis: Option<u64>,
    /// When the last reading that succeeded was taken.
    pub sampled_at: Option<Instant>,
    /// That reading is older than the detection rule calls fresh.
    pub stale: bool,
}

impl ClusterLine {
    pub fn of(picture: &Picture, cluster: &Cluster) -> Self {
        let rule = picture.estate.detection_of(cluster);
        let view = picture.observed.clusters.get(&cluster.id);
        let protection = match picture.protection(&cluster.id) {
            Some(Protection::Protected) => ProtectionLine::Protected,
            Some(Protection::Reduced { missing }) => ProtectionLine::Reduced(missing),
            Some(Protection::Unprotected { missing }) => ProtectionLine::Unprotected(missing),
            None => ProtectionLine::Unknown,
        };
        let unseen = picture.unseen_promotion(&cluster.id);
        let nodes: Vec<NodeLine> = cluster
            .nodes
            .iter()
            .map(|node| match view.and_then(|view| Some((view, view.node(&node.id)?))) {
                Some((view, node)) => NodeLine::of(view, node, &rule, picture.now),
                None => NodeLine::never_seen(&node.id, &node.region),
            })
            .collect();
        let tone = match protection {
            ProtectionLine::Protected => Tone::Ok,
            ProtectionLine::Reduced(_) => Tone::Act,
            ProtectionLine::Unprotected(_) => Tone::Lost,
            ProtectionLine::Unknown => Tone::Unknown,
        };
        Self {
            cluster: cluster.id.clone(),
            service: cluster.service.clone(),
            tone: Tone::worst(nodes.iter().map(|node| node.tone).chain([tone])),
            primary: match unseen {
                Some(promotion) => Some(promotion.node.clone()).filter(|_| promotion.done),
                None => view.and_then(ClusterView::primary).map(|primary| primary.node.clone()),
            },
            writable: unseen.is_none() && view.is_some_and(|view| view.writable().len() == 1),
            timeline: view.and_then(ClusterView::timeline),
            protection,
            exposed_since: picture.exposure(&cluster.id).map(|exposure| exposure.since),
            routed_to: view.and_then(|view| view.routed_to.as_ref()).map(|routed| routed.nodes.clone()),
            operation: picture.records.active_on(&cluster.id).map(|operation| operation.id),
            nodes,
        }
    }
}

impl NodeLine {
    fn of(cluster: &ClusterView, node: &NodeView, rule: &Detection, now: Instant) -> Self {
        let stands = cluster.standing(node, rule, now);
        let (tone, word) = standing(stands);
        let primary = cluster.primary();
        // A lag is a distance to the primary: for a node that is one itself, or was, it means nothing.
        let follows = matches!(node.reading.as_ref().map(|reading| &reading.role), Some(NodeRole::Standby { .. }));
        let lag_bytes =
            primary.and_then(NodeView::position).zip(node.position()).filter(|_| follows).map(|(leading, own)| leading.bytes_ahead_of(own));
        let lag = match lag_bytes {
            Some(0) => Some(0),
            Some(_) => databases::lag(primary, node).map(|lag| lag.as_millis()),
            None => None,
        };
        Self {
            node: node.node.clone(),
            region: node.region.clone(),
            tone,
            standing: word.to_owned(),
            why: node.judgement.why.clone(),
            since: node.judgement.since,
            timeline: node.reading.as_ref().map(|reading| reading.timeline),
            position: node.position().map(|position| position.to_string()),
            lag_bytes,
            lag_millis: lag,
            sampled_at: node.reading.as_ref().map(|reading| reading.at),
            stale: node.is_stale(rule, now),
        }
    }

    fn never_seen(node: &NodeId, region: &RegionId) -> Self {
        let (tone, word) = standing(NodeStanding::Unknown);
        Self {
            node: node.clone(),
            region: region.clone(),
            tone,
            standing: word.to_owned(),
            why: "never measured".to_owned(),
            since: None,
            timeline: None,
            position: None,
            lag_bytes: None,
            lag_millis: None,
            sampled_at: None,
            stale: true,
        }
    }
}
