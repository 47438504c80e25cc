//! Who is told to follow the promoted node. A standby that streams from another standby goes where that one goes: it is left alone, and
//! proven against the one it follows.

use super::{Action, Facts, NodeId, NodeView, OnFailure, PATIENT, Step};
use std::collections::BTreeMap;

/// The nodes beside the old primary and the target.
pub(super) struct Siblings {
    /// Those that are told to follow the target.
    pub(super) moved: Vec<NodeId>,
    /// Those that stay behind the standby they follow, by that one.
    behind: BTreeMap<NodeId, Vec<NodeId>>,
}

pub(super) fn of(facts: &Facts<'_>, source: &NodeId, target: &NodeId) -> Siblings {
    let mut siblings = Siblings { moved: Vec::new(), behind: BTreeMap::new() };
    // An old primary that was left behind earlier holds what nobody else has: told to follow, it would run and never join. It needs a
    // rejoin, which counts that first.
    let is_left_behind = |node: &NodeId| facts.view.node(node).is_some_and(NodeView::was_primary);
    for node in facts.others(&[source, target]).into_iter().filter(|node| !is_left_behind(node)) {
        match facts.view.cascades_from(&node) {
            Some(upstream) if upstream != source => siblings.behind.entry(upstream.clone()).or_default().push(node),
            _ => siblings.moved.push(node),
        }
    }
    siblings
}

impl Siblings {
    pub(super) fn repoint(&self, target: &NodeId) -> Option<Step> {
        let action = Action::Repoint { nodes: self.moved.clone(), upstream: target.clone() };
        (!self.moved.is_empty()).then(|| Step::new(action, PATIENT, OnFailure::GoOn))
    }
    /// The proofs, from the target outwards; `joined` follows the target too.
    pub(super) fn proofs(mut self, target: &NodeId, joined: Option<&NodeId>) -> Vec<Step> {
        let mut nodes = self.moved;
        nodes.extend(joined.cloned());
        nodes.extend(self.behind.remove(target).into_iter().flatten());
        let prove = |nodes: Vec<NodeId>, upstream: NodeId| Step::new(Action::ProveStreaming { nodes, upstream }, PATIENT, OnFailure::GoOn);
        let near = (!nodes.is_empty()).then(|| prove(nodes, target.clone()));
        near.into_iter().chain(self.behind.into_iter().map(|(upstream, nodes)| prove(nodes, upstream))).collect()
    }
}
