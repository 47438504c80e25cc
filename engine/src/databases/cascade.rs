//! Standbys that stream from another standby. Who streams from whom is said by the one that sends: by the name of the connection,
//! which no address that is seen differently from elsewhere can hide.

use super::{ClusterView, NodeReading, NodeRole, NodeView, Peer};
use crate::id::NodeId;

impl NodeReading {
    /// Everybody who streams from here.
    pub fn downstream(&self) -> &[Peer] {
        match &self.role {
            NodeRole::Primary { peers, .. } => peers,
            NodeRole::Standby { .. } => &self.cascade,
        }
    }
}

impl ClusterView {
    /// The node that `node` was last seen to stream from. Of several that say so the one that was read last: what it left may be
    /// silent, and still be remembered as its upstream.
    pub fn upstream(&self, node: &NodeId) -> Option<&NodeView> {
        let sends = |view: &&NodeView| {
            let peers = view.reading.as_ref().map_or(&[][..], NodeReading::downstream);
            view.node != *node && peers.iter().any(|peer| peer.streaming && peer.name == node.as_str())
        };
        self.nodes.iter().filter(sends).max_by_key(|view| (view.answers(), view.reading.as_ref().map(|reading| reading.at)))
    }
    /// The standby that `node` streams from, where that is one which itself leads to the primary: what follows it is moved with it.
    pub fn cascades_from(&self, node: &NodeId) -> Option<&NodeId> {
        let upstream = self.upstream(node).filter(|view| !view.was_primary() && view.answers())?;
        // Two that follow each other lead nowhere.
        let mut above = self.upstream(&upstream.node);
        for _ in 0..self.nodes.len() {
            match above {
                Some(view) if view.was_primary() => return Some(&upstream.node),
                Some(view) => above = self.upstream(&view.node),
                None => break,
            }
        }
        None
    }
}
