//! Plans for a cluster that Patroni runs: Lifeboat checks, asks Patroni, and proves from PostgreSQL itself what came of it. There
//! is no step in them that would do Patroni's work.

use super::{
    Action, Blocker, OnFailure, Step,
    planning::{Draft, Facts, PATIENT, QUICK},
};
use crate::{
    databases::{self, LossBound, Urgency, ZeroLoss, shut_out_nodes},
    estate::Manager,
    failover::OperationKind,
    health::Health,
    id::NodeId,
    patroni::{self, Handover, PatroniReading},
    time::Span,
};

/// Patroni answers once it has handed over, or given up. Where the leader is lost that takes as long as its lease.
const ASKING: Span = Span::from_secs(90);

/// The draft of a move, where Patroni runs the cluster; `None` where it does not.
pub(super) fn draft(facts: Facts<'_>, kind: OperationKind, wish: Option<&NodeId>) -> Option<Draft> {
    if facts.cluster.manager != Manager::Patroni {
        return None;
    }
    Some(match kind {
        OperationKind::Failover => failover(facts, wish),
        _ => switchover(facts, wish),
    })
}

fn switchover(facts: Facts<'_>, wish: Option<&NodeId>) -> Draft {
    let mut plan = facts.blank(OperationKind::Switchover);
    plan.blockers.extend(facts.two_writable());
    plan.blockers.extend(facts.leader_unknown());
    plan.blockers.extend(route_blocker(facts));
    plan.blockers.extend(facts.silent_poolers());
    let said = said(facts, &mut plan);
    match facts.view.primary() {
        None => plan.blockers.push(Blocker::NoPrimary),
        Some(primary) => {
            plan.source = Some(primary.node.clone());
            if !primary.is_writable() {
                plan.blockers.push(Blocker::PrimaryNotWritable { node: primary.node.clone(), why: primary.judgement.why.clone() });
            }
        }
    }
    choose(facts, &mut plan, said, wish, Handover::Planned);
    if let Some(said) = said {
        if said.paused {
            plan.blockers.push(Blocker::PatroniPaused);
        }
        plan.blockers.extend(said.scheduled.as_ref().map(|due| Blocker::PatroniScheduled { at: due.at, to: due.to.clone() }));
    }
    if let (Some(source), Some(target)) = (plan.source.clone(), plan.target.clone()) {
        plan.loss = LossBound::Zero { because: ZeroLoss::HandedOver };
        plan.steps = steps(facts, Some(&source), &target);
    }
    plan
}

fn failover(facts: Facts<'_>, wish: Option<&NodeId>) -> Draft {
    let mut plan = facts.blank(OperationKind::Failover);
    plan.blockers.extend(facts.two_writable());
    plan.blockers.extend(facts.leader_unknown());
    plan.blockers.extend(route_blocker(facts));
    let said = said(facts, &mut plan);
    choose(facts, &mut plan, said, wish, Handover::Emergency);
    let Some(primary) = facts.view.primary() else {
        plan.blockers.push(Blocker::NoPrimary);
        return plan;
    };
    plan.source = Some(primary.node.clone());
    match primary.judgement.health {
        Health::Ok | Health::Degraded => plan.blockers.push(Blocker::PrimaryHealthy { node: primary.node.clone() }),
        Health::Down | Health::Unknown => plan.outage_since = primary.judgement.since,
    }
    let Some(target) = plan.target.clone() else {
        return plan;
    };
    // Patroni accepts it, with a candidate; whoever has paused it may not know. Two people may decide.
    if said.is_some_and(|said| said.paused) {
        plan.blockers.push(Blocker::FailoverInPause { node: target.clone() });
    }
    plan.loss = databases::loss_bound(facts.view, Some(primary), &target, &facts.rule(), facts.now);
    plan.steps = steps(facts, None, &target);
    plan
}

/// Patroni sends its clients itself as a rule, by its health checks; only a route that is declared must work.
fn route_blocker(facts: Facts<'_>) -> Option<Blocker> {
    facts.router_blocker().filter(|blocker| !matches!(blocker, Blocker::NoRouter))
}

/// What Patroni says, as long as that is known and PostgreSQL does not say otherwise.
fn said<'a>(facts: Facts<'a>, plan: &mut Draft) -> Option<&'a PatroniReading> {
    let said = match facts.patroni.map(|view| view.now_says(&facts.rule(), facts.now)) {
        Some(Ok(said)) => said,
        Some(Err(why)) => {
            plan.blockers.push(Blocker::PatroniUnknown { why });
            return None;
        }
        None => {
            plan.blockers.push(Blocker::PatroniUnknown { why: "it was never asked".to_owned() });
            return None;
        }
    };
    if let Some(differs) = patroni::disagreement(said, facts.view, &facts.rule(), facts.now) {
        plan.blockers.push(Blocker::PatroniDisagrees { leader: differs.leader, primary: differs.writable });
    }
    Some(said)
}

fn choose(facts: Facts<'_>, plan: &mut Draft, said: Option<&PatroniReading>, wish: Option<&NodeId>, handover: Handover) {
    let urgency = match handover {
        Handover::Planned => Urgency::Planned { lag_tolerance: facts.estate.lag_tolerance_of(facts.cluster) },
        Handover::Emergency => Urgency::Emergency,
    };
    facts.rank_into(plan, urgency);
    if let Some(said) = said {
        shut_out_nodes(&mut plan.candidates, |node| said.exclusions(node, handover));
    }
    facts.pick(plan, wish);
}

/// Check, ask, prove. The route is opened as soon as the new leader is proven, before the old one is: should that still take
/// writes, clients are better off where they will not be lost.
fn steps(facts: Facts<'_>, leader: Option<&NodeId>, target: &NodeId) -> Vec<Step> {
    use OnFailure::{Compensate, GoOn, StandInDoubt};
    let (leader, candidate) = (leader.cloned(), target.clone());
    let mut steps = vec![
        Step::new(Action::CheckTarget { node: target.clone() }, QUICK, Compensate),
        Step::new(Action::CheckPatroni { leader: leader.clone(), candidate: candidate.clone() }, QUICK, Compensate),
    ];
    // Patroni moves the writes in one go, and clients wait for that; a leader that is lost is waited for by nobody.
    steps.extend(leader.as_ref().and_then(|_| facts.pause()));
    steps.extend([
        Step::new(Action::AskPatroni { leader: leader.clone(), candidate }, ASKING, StandInDoubt),
        Step::new(Action::ProvePromoted { node: target.clone(), after: facts.view.timeline() }, PATIENT, StandInDoubt),
    ]);
    let through = facts.let_through(target, QUICK, GoOn);
    if facts.cluster.router.is_some() {
        steps.push(Step::new(Action::OpenRoute { node: target.clone() }, QUICK, StandInDoubt));
        steps.extend(through);
        steps.push(Step::new(Action::ProveWrite { node: target.clone() }, Span::from_secs(30), StandInDoubt));
    } else {
        steps.extend(through);
        steps.push(Step::new(Action::ProveWriteOn { node: target.clone() }, Span::from_secs(30), StandInDoubt));
    }
    let old = facts.view.primary().map(|primary| primary.node.clone());
    let mut followers: Vec<NodeId> = facts.others(&[target]);
    if let Some(old) = old {
        // In an emergency it is as a rule not there to be asked; that it was not proven is recorded and shown.
        let unproven = if leader.is_some() { StandInDoubt } else { GoOn };
        let patience = if leader.is_some() { PATIENT } else { QUICK };
        if leader.is_none() {
            followers.retain(|node| *node != old);
        }
        steps.push(Step::new(Action::ProveNotWritable { node: old }, patience, unproven));
    }
    if !followers.is_empty() {
        steps.push(Step::new(Action::ProveStreaming { nodes: followers, upstream: target.clone() }, PATIENT, GoOn));
    }
    steps.extend(facts.prove_through(target, if leader.is_some() { StandInDoubt } else { GoOn }));
    steps
}
