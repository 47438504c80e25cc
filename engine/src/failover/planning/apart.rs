//! Two nodes that take writes: which of them a rejoin is to follow. The one on the highest timeline may be the one that somebody
//! promoted on the side, so there the clients decide: nobody gives up what they wrote for what nobody wrote.

use super::{Facts, NodeId, NodeView};

/// The node that `node` would follow.
pub(super) fn to_follow<'a>(facts: &Facts<'a>, node: &NodeId) -> Option<&'a NodeView> {
    let primary = facts.view.primary()?;
    let writable = facts.view.writable();
    let routed = facts.view.routed_to.as_ref().and_then(|routed| match routed.nodes.as_slice() {
        [only] => writable.iter().find(|view| view.node == *only).copied(),
        _ => None,
    });
    // Never the other way round: who asks for the rejoin of the one that clients write to has it refused, not turned about.
    if writable.len() > 1 && primary.node == *node { routed.filter(|view| view.node != *node).or(Some(primary)) } else { Some(primary) }
}
