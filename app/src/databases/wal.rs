//! How far a node is behind, and whom it follows. What is not known is said to be unknown: never zero.

use crate::operations::words::{bytes_in_words, took_in_words};
use engine::{
    databases::{ClusterView, NodeRole, NodeView, lag},
    estate::{Cluster, Detection},
    id::NodeId,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// How far behind the primary a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Lag {
    /// WAL bytes behind; `None` where that is not known.
    pub bytes: Option<u64>,
    /// Time behind; `None` where that is not known.
    pub time: Option<Span>,
    pub against: Against,
}

/// What the node is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// A fresh reading of a primary that answers.
    Primary,
    /// The position the primary was last seen at; it may have written more since.
    LastKnown,
    /// Nothing: there is no primary to compare with, or it went another way.
    Nothing,
}

/// The lag of `node`, from fresh readings only. A position of another timeline is no lag at all, so it counts as unknown.
pub fn lag_of(view: &ClusterView, node: &NodeView, rule: &Detection, now: Instant) -> Lag {
    let unknown = |against| Lag { bytes: None, time: None, against };
    let Some(primary) = view.primary() else {
        return unknown(Against::Nothing);
    };
    let (Some(leading), Some(own)) = (&primary.reading, &node.reading) else {
        return unknown(Against::Nothing);
    };
    if own.timeline != leading.timeline || own.system_identifier != leading.system_identifier {
        return unknown(Against::Nothing);
    }
    let against = if primary.is_writable() && !primary.is_stale(rule, now) { Against::Primary } else { Against::LastKnown };
    if node.is_stale(rule, now) {
        return unknown(against);
    }
    let bytes = primary.position().zip(node.position()).map(|(leading, own)| leading.bytes_ahead_of(own));
    let time = match (against, bytes) {
        // Without the primary nobody knows what it has committed since, so no time can be given.
        (Against::LastKnown | Against::Nothing, _) | (_, None) => None,
        // Every byte is there: an idle primary makes the age of the last commit meaningless.
        (Against::Primary, Some(0)) => Some(Span::ZERO),
        (Against::Primary, Some(_)) => lag(Some(primary), node),
    };
    Lag { bytes, time, against }
}

/// The node of this cluster that `node` receives WAL from: the one that lists it among those who stream from there, else the one at
/// the address the node's own receiver names.
pub fn upstream_of(cluster: &Cluster, view: &ClusterView, node: &NodeView) -> Option<NodeId> {
    if let Some(upstream) = view.upstream(&node.node) {
        return Some(upstream.node.clone());
    }
    let NodeRole::Standby { streaming_from: Some(from), .. } = &node.reading.as_ref()?.role else {
        return None;
    };
    let named =
        cluster.nodes.iter().find(|other| *from == other.id.as_str() || *from == other.host || *from == format!("{}:{}", other.host, other.port));
    named.map(|other| other.id.clone())
}

impl Lag {
    /// Bytes behind, `?` where that is not known.
    pub fn bytes_in_words(&self) -> String {
        self.bytes.map_or_else(|| "?".to_owned(), bytes_in_words)
    }
    /// Time behind, `?` where that is not known.
    pub fn time_in_words(&self) -> String {
        self.time.map_or_else(|| "?".to_owned(), |time| if time == Span::ZERO { "0 s".to_owned() } else { took_in_words(time) })
    }
    /// Both, for an edge of the drawing.
    pub fn in_words(&self) -> String {
        format!("{} · {}", self.bytes_in_words(), self.time_in_words())
    }
}
