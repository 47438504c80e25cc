//! A failover that nobody is asked for: only where the strategy leaves it to the product, more than one witness says that the
//! primary is dead, it cannot write any more, and nothing can be lost.

use super::{Draft, Facts, OnFailure, QUICK, Step};
use crate::{
    databases::{HostState, LossBound, NodeRole, NodeView, ZeroLoss},
    estate::FailoverMode,
    failover::{Action, FenceMeans},
    id::NodeId,
    time::Span,
};

/// Who agrees to a plan.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    People,
    /// Nobody, where that can be.
    Nobody,
}

/// Makes the plan one that nobody has to agree to, where it can be; leaves it as it is where not.
pub(super) fn relieve(facts: &Facts<'_>, plan: &mut Draft, primary: &NodeView, by: &FenceMeans, target: &NodeId) {
    let strategy = facts.cluster.strategy.as_ref().and_then(|id| facts.estate.strategy(id));
    let is_left_to_it = strategy.is_some_and(|strategy| strategy.failover == FailoverMode::Automatic);
    if !is_left_to_it || !plan.blockers.is_empty() || !holds_what_was_seen(facts, primary, target) {
        return;
    }
    match by {
        FenceMeans::HostAgent if is_dead(facts, primary) => {
            let Some(timeline) = primary.reading.as_ref().map(|reading| reading.timeline) else { return };
            let confirmed_by = waited_for_standbys(facts, primary).then(|| facts.others(&[&primary.node, target]));
            let proof = Action::HoldsAll { source: primary.node.clone(), target: target.clone(), timeline, confirmed_by };
            let Some(at) = plan.steps.iter().position(|step| matches!(step.action, Action::Promote { .. })) else { return };
            plan.steps.insert(at, Step::new(proof, QUICK, OnFailure::StandInDoubt));
            plan.loss = LossBound::Zero { because: ZeroLoss::ProvenBeforePromotion };
            plan.unattended = true;
        }
        FenceMeans::RouterAndSynchronousStandby => plan.unattended = plan.loss.is_zero() && has_lost_it_too(facts, primary, target),
        FenceMeans::HostAgent | FenceMeans::Command { .. } | FenceMeans::Lease | FenceMeans::ReadOnly | FenceMeans::Overridden => {}
    }
}

/// Whether the target was last seen to hold all that the primary was last seen to have. Where not, something is lost, and it takes
/// a person: the proof would fail only once the primary is fenced.
fn holds_what_was_seen(facts: &Facts<'_>, primary: &NodeView, target: &NodeId) -> bool {
    let own = facts.view.node(target).and_then(NodeView::position);
    primary.position().zip(own).is_some_and(|(leading, own)| own >= leading)
}

/// Whether the primary said right before it fell that commits wait for a standby, and that all who stream from it are declared: one
/// that nobody can ask may have confirmed what no other has.
fn waited_for_standbys(facts: &Facts<'_>, primary: &NodeView) -> bool {
    let Some((reading, fell_at)) = primary.reading.as_ref().zip(primary.judgement.since) else { return false };
    let NodeRole::Primary { peers, .. } = &reading.role else { return false };
    let is_declared = |name: &str| facts.cluster.nodes.iter().any(|node| node.id.as_str() == name);
    let waits = peers.iter().any(|peer| peer.synchronous && peer.streaming) && peers.iter().all(|peer| is_declared(&peer.name));
    waits && Span::between(reading.at, fell_at) <= facts.rule().silence()
}

/// Its host says just now that no process of it runs: a second witness beside the probes, and the only one who can tell a dead
/// process from one that cannot be reached.
fn is_dead(facts: &Facts<'_>, primary: &NodeView) -> bool {
    primary
        .host
        .as_ref()
        .is_some_and(|host| matches!(host.state, HostState::Gone | HostState::Hung) && Span::between(host.at, facts.now) <= facts.rule().silence())
}

/// Since the primary began to fail the target was read, and receives nothing from it any more. While it does, the primary lives, and
/// it is whoever probes that cannot see it.
fn has_lost_it_too(facts: &Facts<'_>, primary: &NodeView, target: &NodeId) -> bool {
    let reading = facts.view.node(target).and_then(|view| view.reading.as_ref());
    let silent = matches!(reading.map(|reading| &reading.role), Some(NodeRole::Standby { streaming_from: None, .. }));
    silent && reading.zip(primary.judgement.since).is_some_and(|(reading, since)| reading.at > since)
}
