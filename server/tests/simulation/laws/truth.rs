//! Whether what is said of the end of an operation is so. What somebody else has touched meanwhile is not held against it.

use crate::{
    diary::Law,
    postgres::{Life, Node},
    stage::Stage,
};
use engine::{
    failover::{Action, FenceMeans, Mode, Operation, OperationKind, StepState},
    id::{ClusterId, NodeId, RegionId, Scope},
    time::Instant,
};
use std::collections::BTreeSet;

/// The name under which the router of a cluster is touched.
pub fn router_of(cluster: &ClusterId) -> String {
    format!("router of {cluster}")
}
/// The same of what sends the clients of a service.
pub fn control_of(service: &impl std::fmt::Display) -> String {
    format!("control of {service}")
}

fn began(operation: &Operation, fits: impl Fn(&Action) -> bool) -> bool {
    operation.plan.steps.iter().zip(&operation.steps).any(|(step, record)| fits(&step.action) && record.attempts > 0)
}

pub(super) fn of_a_success(stage: &Stage, operation: &Operation) {
    let Some(since) = operation.started_at.filter(|_| operation.plan.mode() != Mode::Test) else { return };
    let lies = if let Some(change) = operation.plan.database() {
        match (&change.source, &change.target) {
            (Some(source), Some(target)) if operation.plan.kind == OperationKind::Rejoin => follows(stage, &change.cluster, source, target, since),
            (_, Some(target)) => leads(stage, &change.cluster, target, since),
            _ => Some("it has no target".to_owned()),
        }
    } else if let Some(change) = operation.plan.traffic() {
        sent(stage, operation, &change.to, since)
    } else {
        emptied(stage, operation, since)
    };
    if let Some(why) = lies {
        stage.broken(Law::TruthfulSuccess, format!("{} {}: {why}", operation.plan.kind, operation.id.short()));
    }
    if operation.measured.lost_transactions == Some(0) && operation.plan.kind == OperationKind::Switchover {
        stage.count("switchovers without loss");
    }
}

/// Whoever it made to wait was let through, unless it is on record that this failed: then the agent ends the wait.
pub(super) fn of_a_wait(stage: &Stage, operation: &Operation) {
    let (Some(change), now) = (operation.plan.database(), stage.now()) else { return };
    let steps = || operation.plan.steps.iter().zip(&operation.steps);
    let on_record = steps().any(|(step, record)| match step.action {
        Action::PausePoolers { .. } => record.state == StepState::UndoFailed,
        Action::ResumePoolers { .. } => matches!(record.state, StepState::Failed | StepState::Skipped),
        _ => false,
    });
    let made_to_wait = steps().find_map(|(step, record)| match &step.action {
        Action::PausePoolers { poolers, .. } if record.attempts > 0 => Some(poolers),
        _ => None,
    });
    let left = made_to_wait.into_iter().flatten().find(|pooler| stage.world().keeps_waiting(&change.cluster, pooler, now)).cloned();
    if let Some(pooler) = left.filter(|_| !on_record) {
        let how = format!("{} {} is {}, and clients of {pooler} wait", operation.plan.kind, operation.id.short(), operation.state);
        stage.broken(Law::NobodyLeftWaiting, how);
    }
}

fn leads(stage: &Stage, cluster: &ClusterId, target: &NodeId, since: Instant) -> Option<String> {
    let world = stage.world();
    let route = &world.cluster(cluster).route;
    if world.is_untouched(&router_of(cluster), since) && *route != BTreeSet::from([target.clone()]) {
        return Some(format!("clients are sent to {route:?} and not to {target}"));
    }
    let node = world.node(cluster, target);
    (world.is_untouched(target, since) && (node.recovery || !node.is_up())).then(|| format!("{target} does not lead"))
}

fn follows(stage: &Stage, cluster: &ClusterId, node: &NodeId, upstream: &NodeId, since: Instant) -> Option<String> {
    let world = stage.world();
    let untouched = [node.as_str(), upstream.as_str(), "network"].iter().all(|what| world.is_untouched(what, since));
    (untouched && world.streams(cluster, node).as_ref() != Some(upstream)).then(|| format!("{node} does not stream from {upstream}"))
}

fn sent(stage: &Stage, operation: &Operation, to: &BTreeSet<RegionId>, since: Instant) -> Option<String> {
    let service = &operation.plan.traffic()?.service;
    let world = stage.world();
    let on = &world.controls[service].on;
    (world.is_untouched(&control_of(service), since) && on != to).then(|| format!("clients are sent to {on:?} and not to {to:?}"))
}

/// Where its members have been moved by operations of their own, nobody else may have moved them since.
fn emptied(stage: &Stage, operation: &Operation, since: Instant) -> Option<String> {
    let change = operation.plan.evacuation()?;
    let (records, world) = (stage.records(), stage.world());
    let moved_since = |scope: &Scope| {
        let others = records.operations.values().filter(|other| other.parent != Some(operation.id) && other.plan.scope() == *scope);
        others.into_iter().any(|other| other.started_at.is_some_and(|at| at >= since))
    };
    change.waves.iter().flatten().filter(|member| !moved_since(&member.scope)).find_map(|member| {
        let service = member.scope.service()?;
        let on = &world.controls[service].on;
        (world.is_untouched(&control_of(service), since) && on.contains(&change.region)).then(|| format!("clients of {service} are still there"))
    })
}

pub(super) fn of_a_failure(stage: &Stage, operation: &Operation) {
    let Some(since) = operation.started_at.filter(|_| operation.plan.mode() != Mode::Test) else { return };
    // A fence that began may yet act, or has acted and cannot be taken back: nothing is undone then.
    let fenced = began(operation, |action| matches!(action, Action::Fence { by: FenceMeans::HostAgent, .. }));
    let lies = match (operation.plan.database(), operation.plan.traffic()) {
        _ if fenced => Some("the host was told to fence the old primary".to_owned()),
        (Some(change), _) => change.source.as_ref().and_then(|source| leads_again(stage, operation, &change.cluster, source, since)),
        (_, Some(change)) if began(operation, Action::changes_routing) => sent(stage, operation, &change.from, since),
        _ => None,
    };
    if let Some(why) = lies {
        stage.broken(Law::TruthfulFailure, format!("{} {}: {why}", operation.plan.kind, operation.id.short()));
    }
    // Nothing was promoted, so whatever people accepted about the old primary in this very operation is over.
    let accepted = operation.plan.steps.iter().any(|step| matches!(step.action, Action::Fence { by: FenceMeans::Overridden, .. }));
    if accepted
        && let Some(change) = operation.plan.database()
        && let Some(source) = &change.source
    {
        stage.world().node_mut(&change.cluster, source).excused = false;
    }
}

fn leads_again(stage: &Stage, operation: &Operation, cluster: &ClusterId, source: &NodeId, since: Instant) -> Option<String> {
    let world = stage.world();
    let closed = began(operation, |action| matches!(action, Action::CloseRoute { .. }));
    let route = &world.cluster(cluster).route;
    if closed && world.is_untouched(&router_of(cluster), since) && *route != BTreeSet::from([source.clone()]) {
        return Some(format!("clients are sent to {route:?} and not to {source}"));
    }
    let stopped = began(operation, |action| matches!(action, Action::StopNode { .. }));
    let node = world.node(cluster, source);
    let runs = node.life == Life::Up && !node.recovery;
    (stopped && world.is_untouched(source, since) && !runs).then(|| format!("{source} was stopped and does not lead again"))
}

/// Every commit that a client was told is safe must be on the node that takes over, where that was promised. What was said of the
/// cluster by something in between is not the product's word.
pub(super) fn of_a_promotion(stage: &Stage, operation: &Operation, cluster: &ClusterId, node: &NodeId, before: &Node) {
    let mut world = stage.world();
    let state = world.cluster_mut(cluster);
    let lost: Vec<(u32, u64)> =
        state.acknowledged.iter().map(|(branch, upto)| (*branch, *upto)).filter(|(branch, upto)| !before.holds(*branch, *upto)).collect();
    let lied_about = state.lied_about;
    // What is lost is lost once.
    state.acknowledged.clear();
    // Two people accepted that nobody knows who leads now, so that it may be somebody else.
    if operation.plan.blockers.iter().any(|blocker| blocker.name() == "leader-unknown") {
        state.nodes.iter_mut().filter(|(other, _)| *other != node).for_each(|(_, other)| other.excused = true);
    }
    drop(world);
    if !lost.is_empty() {
        stage.count("promotions that lost commits");
    }
    if operation.plan.loss.is_zero() {
        stage.count("promotions with a loss of zero");
        if operation.plan.kind == OperationKind::Failover {
            stage.count("promotions with a loss of zero after a failure");
        }
        if !lost.is_empty() && !lied_about {
            let how = format!(
                "{} {}: {node} lacks {lost:?}, it holds {:?}: {:?}",
                operation.plan.kind,
                operation.id.short(),
                before.end(),
                operation.plan.loss
            );
            stage.broken(Law::NoLossWhereNoneWasSaid, how);
        }
    }
}
