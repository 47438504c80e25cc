//! Planning: from what is seen of a cluster to the plan of a switchover, a failover or a rejoin. Making one changes nothing.

use super::{
    Action, Blocker, FenceMeans, Mode, OnFailure, Plan, Promotion, Step, hooks, managed, monitoring,
    plan::{Basis, Change, DatabaseChange, OperationKind},
};
use crate::{
    abilities::FenceCommand,
    databases::{self, Candidate, Clash, ClusterView, Exclusion, HostState, LossBound, NodeView, Urgency, ZeroLoss, rank, shut_out},
    estate::{Cluster, Detection, Estate, Manager},
    health::Health,
    id::{FenceId, NodeId, PoolerId, RegionId},
    patroni::{self, PatroniView},
    time::{Instant, Span},
};

mod apart;
mod durability;
mod poolers;
mod siblings;
mod unattended;

/// What a plan is put together in.
pub(super) struct Draft {
    kind: OperationKind,
    pub(super) source: Option<NodeId>,
    pub(super) target: Option<NodeId>,
    pub(super) steps: Vec<Step>,
    pub(super) loss: LossBound,
    pub(super) candidates: Vec<Candidate>,
    pub(super) blockers: Vec<Blocker>,
    pub(super) outage_since: Option<Instant>,
    unattended: bool,
}

/// A command that turns a node off, or why it cannot be relied on.
pub type KnownFence = Result<(FenceId, FenceCommand), String>;

/// The facts a plan is made from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub estate: &'a Estate,
    pub cluster: &'a Cluster,
    pub view: &'a ClusterView,
    /// Per node: the host agent answers now, or why it does not.
    pub agents: &'a dyn Fn(&NodeId) -> Result<(), String>,
    /// Per node: the command that turns it off, or why that cannot be relied on; `None` where the estate names none.
    pub fences: &'a dyn Fn(&NodeId) -> Option<KnownFence>,
    /// Per region: why no node there may take over, however well it is.
    pub shut: &'a dyn Fn(&RegionId) -> Option<Exclusion>,
    /// Per pooler: it can be told something now, or why it cannot.
    pub poolers: &'a dyn Fn(&PoolerId) -> Result<(), String>,
    /// Whether no pooler is seen to keep clients from this node.
    pub poolers_right: &'a dyn Fn(&NodeId) -> bool,
    /// The router answers now, or why it does not.
    pub router: Result<(), &'a str>,
    /// The last promotion by an operation.
    pub promoted: Option<Promotion<'a>>,
    /// What Patroni says, where it runs the cluster.
    pub patroni: Option<&'a PatroniView>,
    pub now: Instant,
}

impl Facts<'_> {
    pub(super) fn rule(&self) -> Detection {
        self.estate.detection_of(self.cluster)
    }
    pub(super) fn others(&self, but: &[&NodeId]) -> Vec<NodeId> {
        self.cluster.nodes.iter().map(|node| node.id.clone()).filter(|node| !but.contains(&node)).collect()
    }
    pub(super) fn blank(&self, kind: OperationKind) -> Draft {
        Draft {
            kind,
            source: None,
            target: None,
            steps: Vec::new(),
            loss: LossBound::Unknown { why: "there is no target".to_owned() },
            candidates: Vec::new(),
            blockers: Vec::new(),
            outage_since: None,
            unattended: false,
        }
    }
    /// What was read of a node before it was promoted says who led then: a plan that rests on it would fence and promote by
    /// an old truth.
    fn promoted_unseen(&self) -> Option<Blocker> {
        let Promotion { node, at, .. } = self.promoted.filter(|promotion| promotion.is_unseen_in(self.view, self.now))?;
        Some(Blocker::PromotedUnseen { node: node.clone(), at })
    }
    /// Somebody was promoted that nobody has read as a primary: fencing the one before would leave that one writing.
    pub(super) fn leader_unknown(&self) -> Option<Blocker> {
        let (primary, timeline) = (self.view.primary()?, self.view.timeline()?);
        let led = primary.reading.as_ref()?.timeline;
        (timeline > led).then(|| Blocker::LeaderUnknown { timeline, primary: primary.node.clone(), led })
    }
    fn finished(&self, mut draft: Draft) -> Plan {
        draft.blockers.extend(self.promoted_unseen());
        let service = self.estate.service(&self.cluster.service);
        let steps = std::mem::take(&mut draft.steps);
        draft.steps = self.told(&draft, steps);
        // Whoever drew it up: a plan with a step that only another manager may do cannot be requested.
        let second = draft.steps.iter().find_map(|step| patroni::forbidden(self.cluster, Some(self.view), &step.action));
        draft.blockers.extend(second.map(|why| Blocker::TwoManagers { why: why.to_string() }));
        Plan {
            kind: draft.kind,
            change: Change::Database(DatabaseChange {
                cluster: self.cluster.id.clone(),
                source: draft.source,
                target: draft.target,
                basis: Basis { primary: self.view.primary().map(|view| view.node.clone()), timeline: self.view.timeline() },
                unattended: draft.unattended,
                candidates: draft.candidates,
            }),
            steps: draft.steps,
            loss: draft.loss,
            affected: vec![self.cluster.service.clone()],
            blockers: draft.blockers,
            passed_over: Vec::new(),
            outage_since: draft.outage_since,
            rto: service.map(|service| service.rto),
            rpo: service.map(|service| service.rpo),
            approvals: self.estate.approvals_for(self.cluster.strategy.as_ref()),
            made_at: self.now,
        }
    }
    /// A rejoin leaves nothing, and nobody is woken by a node that was down already.
    fn told(&self, draft: &Draft, steps: Vec<Step>) -> Vec<Step> {
        let mode = match draft.kind {
            OperationKind::Switchover => Mode::Planned,
            OperationKind::Failover => Mode::Emergency,
            OperationKind::Rejoin
            | OperationKind::Reroute
            | OperationKind::RegionFailover
            | OperationKind::Failback
            | OperationKind::Evacuation
            | OperationKind::Restore => {
                return steps;
            }
        };
        let region = |node: &Option<NodeId>| node.as_ref().and_then(|id| self.cluster.node(id)).map(|node| node.region.clone());
        // Where the target is a neighbour, a silence for the region would cover the new primary as well.
        let regions = region(&draft.source).filter(|left| region(&draft.target).as_ref() != Some(left)).into_iter().collect();
        let steps = monitoring::around(self.estate, mode, monitoring::Left { services: [self.cluster.service.clone()].into(), regions }, steps);
        hooks::around(self.estate, &self.cluster.service, steps)
    }
    pub(super) fn router_blocker(&self) -> Option<Blocker> {
        match (&self.cluster.router, self.router) {
            (None, _) => Some(Blocker::NoRouter),
            (Some(_), Err(why)) => Some(Blocker::RouterSilent { why: why.to_owned() }),
            (Some(_), Ok(())) => None,
        }
    }
    pub(super) fn two_writable(&self) -> Option<Blocker> {
        let writable = self.view.writable();
        (writable.len() > 1).then(|| Blocker::TwoWritable { nodes: writable.iter().map(|view| view.node.clone()).collect() })
    }
    /// The wished target, or the best one; with what stands against it.
    fn choose(&self, plan: &mut Draft, wish: Option<&NodeId>, urgency: Urgency) {
        self.rank_into(plan, urgency);
        self.pick(plan, wish);
    }
    pub(super) fn rank_into(&self, plan: &mut Draft, urgency: Urgency) {
        plan.candidates = rank(self.view, &self.rule(), urgency, self.now);
        shut_out(&mut plan.candidates, self.shut);
    }
    /// The wished target, or the first of the candidates.
    pub(super) fn pick(&self, plan: &mut Draft, wish: Option<&NodeId>) {
        match wish {
            Some(wish) => match plan.candidates.iter().find(|candidate| &candidate.node == wish) {
                None => plan.blockers.push(Blocker::UnknownNode { node: wish.clone() }),
                Some(candidate) => {
                    plan.target = Some(wish.clone());
                    if !candidate.is_eligible() {
                        plan.blockers.push(Blocker::TargetExcluded { node: wish.clone(), exclusions: candidate.exclusions.clone() });
                    }
                }
            },
            None => match plan.candidates.first().filter(|candidate| candidate.is_eligible()) {
                Some(best) => plan.target = Some(best.node.clone()),
                None => plan.blockers.push(Blocker::NoCandidate {
                    reasons: plan
                        .candidates
                        .iter()
                        .map(|candidate| {
                            format!("{}: {}", candidate.node, candidate.exclusions.first().map_or_else(String::new, ToString::to_string))
                        })
                        .collect(),
                }),
            },
        }
    }
}

pub(super) const QUICK: Span = Span::from_secs(10);
pub(super) const PATIENT: Span = Span::from_secs(60);

/// A planned switchover, to `wish` or to the best candidate.
pub fn switchover(facts: Facts<'_>, wish: Option<&NodeId>) -> Plan {
    facts.finished(managed::draft(facts, OperationKind::Switchover, wish).unwrap_or_else(|| draft_switchover(facts, wish)))
}

fn draft_switchover(facts: Facts<'_>, wish: Option<&NodeId>) -> Draft {
    let mut plan = facts.blank(OperationKind::Switchover);
    plan.blockers.extend(facts.two_writable());
    plan.blockers.extend(facts.leader_unknown());
    plan.blockers.extend(facts.router_blocker());
    plan.blockers.extend(facts.silent_poolers());
    match facts.view.primary() {
        None => plan.blockers.push(Blocker::NoPrimary),
        Some(primary) => {
            plan.source = Some(primary.node.clone());
            if !primary.is_writable() {
                plan.blockers.push(Blocker::PrimaryNotWritable { node: primary.node.clone(), why: primary.judgement.why.clone() });
            }
            if let Err(why) = (facts.agents)(&primary.node) {
                plan.blockers.push(Blocker::NoHostAgent { node: primary.node.clone(), why });
            }
        }
    }
    facts.choose(&mut plan, wish, Urgency::Planned { lag_tolerance: facts.estate.lag_tolerance_of(facts.cluster) });
    if let (Some(source), Some(target)) = (plan.source.clone(), plan.target.clone()) {
        plan.loss = LossBound::Zero { because: ZeroLoss::WaitsForLastByte };
        plan.steps = switchover_steps(&facts, &source, &target);
        plan.steps.extend(durability::restored(&facts, &target, None));
    }
    plan
}

/// Order of row 55: stop writes, positions equal, promote, verify, route, repoint.
fn switchover_steps(facts: &Facts<'_>, source: &NodeId, target: &NodeId) -> Vec<Step> {
    use OnFailure::{Compensate, GoOn, StandInDoubt};
    let siblings = siblings::of(facts, source, target);
    let mut steps = vec![Step::new(Action::CheckTarget { node: target.clone() }, QUICK, Compensate)];
    steps.extend(facts.pause());
    steps.extend([
        Step::new(Action::CloseRoute { was: Some(source.clone()) }, QUICK, Compensate).undone_by(Action::OpenRoute { node: source.clone() }),
        Step::new(Action::StopNode { node: source.clone() }, PATIENT, Compensate).undone_by(Action::StartNode { node: source.clone() }),
        Step::new(Action::CatchUp { source: source.clone(), target: target.clone() }, Span::from_secs(30), Compensate),
        Step::new(Action::Promote { node: target.clone() }, Span::from_secs(30), StandInDoubt),
    ]);
    let [verify, open, prove] = take_over_steps(target);
    steps.extend([verify, open]);
    steps.extend(facts.let_through(target, QUICK, GoOn));
    steps.push(prove);
    steps.extend(siblings.repoint(target));
    steps.push(Step::new(Action::Follow { node: source.clone(), upstream: target.clone() }, PATIENT, GoOn));
    steps.extend(siblings.proofs(target, Some(source)));
    steps.extend(facts.prove_through(target, StandInDoubt));
    steps
}

/// From promoted to proven: what both kinds of move have in common.
fn take_over_steps(target: &NodeId) -> [Step; 3] {
    use OnFailure::StandInDoubt;
    [
        Step::new(Action::VerifyWritable { node: target.clone() }, Span::from_secs(30), StandInDoubt),
        Step::new(Action::OpenRoute { node: target.clone() }, QUICK, StandInDoubt),
        Step::new(Action::ProveWrite { node: target.clone() }, Span::from_secs(30), StandInDoubt),
    ]
}

/// An emergency failover that a person agrees to, to `wish` or to the best candidate.
pub fn failover(facts: Facts<'_>, wish: Option<&NodeId>) -> Plan {
    let by_patroni = managed::draft(facts, OperationKind::Failover, wish);
    facts.finished(by_patroni.unwrap_or_else(|| draft_failover(facts, wish, unattended::Asked::People)))
}

/// The same as the product would carry it out by itself, where the strategy leaves that to it and nothing can be lost; where it
/// cannot be known that nothing is, as a person would have to agree to it.
pub fn failover_by_itself(facts: Facts<'_>, wish: Option<&NodeId>) -> Plan {
    let by_patroni = managed::draft(facts, OperationKind::Failover, wish);
    facts.finished(by_patroni.unwrap_or_else(|| draft_failover(facts, wish, unattended::Asked::Nobody)))
}

fn draft_failover(facts: Facts<'_>, wish: Option<&NodeId>, asked: unattended::Asked) -> Draft {
    let mut plan = facts.blank(OperationKind::Failover);
    plan.blockers.extend(facts.two_writable());
    plan.blockers.extend(facts.leader_unknown());
    plan.blockers.extend(facts.router_blocker());
    facts.choose(&mut plan, wish, Urgency::Emergency);
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
    plan.loss = databases::loss_bound(facts.view, Some(primary), &target, &facts.rule(), facts.now);
    let by = fence_means(facts, primary, &target, asked, &mut plan);
    plan.steps = failover_steps(&facts, primary, &by, &target);
    plan.steps.extend(durability::restored(&facts, &target, Some(&primary.node)));
    if asked == unattended::Asked::Nobody {
        unattended::relieve(&facts, &mut plan, primary, &by, &target);
        // Whoever is asked after all is asked for the stronger fence.
        if !plan.unattended {
            return draft_failover(facts, wish, unattended::Asked::People);
        }
    }
    plan
}

/// “Unreachable” is never “fenced”: either the host proves the processes gone, or a command turns the node off, or the primary cannot
/// acknowledge anything because clients are cut at the router and its synchronous standby is the one that takes over, or it answers itself
/// and refuses writes, or its host stops it because it has not heard from here for as long as was agreed.
fn fence_means(facts: Facts<'_>, primary: &NodeView, target: &NodeId, asked: unattended::Asked, plan: &mut Draft) -> FenceMeans {
    let Err(silent) = (facts.agents)(&primary.node) else { return FenceMeans::HostAgent };
    let confirms_alone = facts.view.is_only_standby_to_confirm(target);
    let past_the_router = facts.way_past_the_router();
    let acknowledges_nothing = confirms_alone && past_the_router.is_none();
    let command = (facts.fences)(&primary.node);
    match &command {
        // A machine is not turned off without a person where a proof that can be taken back is enough.
        Some(Ok(_)) if asked == unattended::Asked::Nobody && acknowledges_nothing => {}
        Some(Ok((fence, _))) => return FenceMeans::Command { fence: fence.clone() },
        Some(Err(_)) | None => {}
    }
    if acknowledges_nothing {
        return FenceMeans::RouterAndSynchronousStandby;
    }
    if primary.answers() && facts.view.streams_from_primary(target) {
        // It takes no writes any more, and goes on sending what it has: nothing needs to be lost.
        plan.loss = LossBound::Zero { because: ZeroLoss::WaitsForLastByte };
        return FenceMeans::ReadOnly;
    }
    let unkept = facts.cluster.lease.map(|lease| (lease, primary.lease_unkept()));
    if let Some((_, None)) = unkept {
        return FenceMeans::Lease;
    }
    let gone = primary.host.as_ref().filter(|host| host.state == HostState::Gone);
    let last = gone.map_or_else(String::new, |host| format!(" (its host last saw it gone at {})", host.at.format("%H:%M:%S")));
    let mut reasons = vec![format!("{silent}{last}")];
    reasons.extend(command.and_then(Result::err));
    reasons.extend(unkept.and_then(|(lease, why)| Some(format!("its lease of {lease} is not kept ({})", why?))));
    let past = past_the_router.filter(|_| confirms_alone);
    let and = past.unwrap_or_else(|| format!("{target} is not the only standby that could confirm its commits"));
    plan.blockers.push(Blocker::FenceUnproven { node: primary.node.clone(), why: format!("{}, and {and}", reasons.join(", ")) });
    FenceMeans::Overridden
}

fn failover_steps(facts: &Facts<'_>, primary: &NodeView, by: &FenceMeans, target: &NodeId) -> Vec<Step> {
    use OnFailure::{Compensate, GoOn, StandInDoubt};
    let source = &primary.node;
    let siblings = siblings::of(facts, source, target);
    // A host that was told to fence may do so later than it answers, and does not start the node again: there is no way back.
    let unfenced = if by.ends_the_node() { StandInDoubt } else { Compensate };
    let patience = match (by, facts.cluster.lease, (facts.fences)(source)) {
        // It is waited out from its beginning where nobody knows when it was last renewed.
        (FenceMeans::Lease, Some(lease), _) => Span::from_millis(lease.as_millis().saturating_add(30_000)),
        (FenceMeans::Command { .. }, _, Some(Ok((_, command)))) => command.limit(),
        _ => Span::from_secs(30),
    };
    let fence = Step::new(Action::Fence { node: source.clone(), by: by.clone() }, patience, unfenced);
    let mut steps = vec![
        Step::new(Action::CheckTarget { node: target.clone() }, QUICK, Compensate),
        Step::new(Action::CloseRoute { was: Some(source.clone()) }, QUICK, Compensate).undone_by(Action::OpenRoute { node: source.clone() }),
    ];
    // Where no host ends the source, a pooler that leads to it is a way past the router.
    steps.extend(match by {
        FenceMeans::HostAgent | FenceMeans::Command { .. } | FenceMeans::Lease => None,
        FenceMeans::RouterAndSynchronousStandby | FenceMeans::ReadOnly => facts.cut(source, target, Compensate),
        FenceMeans::Overridden => facts.cut(source, target, GoOn),
    });
    steps.extend([
        match by {
            FenceMeans::ReadOnly => fence.undone_by(Action::AllowWrites { node: source.clone() }),
            _ => fence,
        },
        Step::new(Action::Promote { node: target.clone() }, Span::from_secs(30), StandInDoubt),
    ]);
    steps.extend(take_over_steps(target));
    steps.extend(facts.let_through(target, QUICK, GoOn));
    steps.extend(siblings.repoint(target));
    if *by == FenceMeans::HostAgent {
        steps.extend(measure_loss_step(primary, target));
    }
    steps.extend(siblings.proofs(target, None));
    steps.extend(facts.prove_through(target, GoOn));
    steps
}

/// Absent where `source` was never seen as primary: then it wrote nothing of its own.
fn measure_loss_step(source: &NodeView, target: &NodeId) -> Option<Step> {
    let timeline = source.reading.as_ref().filter(|_| source.was_primary())?.timeline;
    let action = Action::MeasureLoss { source: source.node.clone(), target: target.clone(), timeline };
    Some(Step::new(action, PATIENT, OnFailure::GoOn))
}

/// Makes `node` a standby of the present primary again.
pub fn rejoin(facts: Facts<'_>, node: &NodeId) -> Plan {
    facts.finished(draft_rejoin(facts, node))
}

fn draft_rejoin(facts: Facts<'_>, node: &NodeId) -> Draft {
    use OnFailure::{Compensate, StandInDoubt};
    let mut plan = facts.blank(OperationKind::Rejoin);
    plan.source = Some(node.clone());
    // Nothing acknowledged is lost by a rejoin: what the node wrote alone was lost when another one was promoted.
    plan.loss = LossBound::Zero { because: ZeroLoss::WaitsForLastByte };
    let Some(view) = facts.view.node(node) else {
        plan.blockers.push(Blocker::UnknownNode { node: node.clone() });
        return plan;
    };
    let Some(primary) = apart::to_follow(&facts, node) else {
        plan.blockers.push(Blocker::NoPrimary);
        return plan;
    };
    if primary.node == *node {
        plan.blockers.push(Blocker::IsThePrimary { node: node.clone() });
        return plan;
    }
    plan.target = Some(primary.node.clone());
    if facts.cluster.manager == Manager::Patroni {
        plan.blockers.push(Blocker::PatroniRejoins { node: node.clone() });
        return plan;
    }
    if !primary.is_writable() {
        plan.blockers.push(Blocker::PrimaryNotWritable { node: primary.node.clone(), why: primary.judgement.why.clone() });
    }
    if view.is_writable() {
        plan.loss = LossBound::Unknown { why: format!("{node} takes writes now, and what it accepted apart from {} is discarded", primary.node) };
    }
    // An old primary came back while the one that was promoted after it is gone: what that one acknowledged is only there.
    let timeline = |view: &NodeView| view.reading.as_ref().map(|reading| reading.timeline);
    if let (Some(own), Some(led)) = (timeline(view), timeline(primary))
        && own > led
    {
        plan.loss = LossBound::Unknown {
            why: format!("{node} is on timeline {own} and {} on {led}: what was acknowledged since it was left is discarded", primary.node),
        };
    }
    if facts.view.standing(view, &facts.rule(), facts.now) == databases::NodeStanding::Streaming {
        plan.blockers.push(Blocker::AlreadyStreaming { node: node.clone(), upstream: primary.node.clone() });
    }
    if let Some(Clash { timeline, own, leading }) = facts.view.clash(view) {
        plan.blockers.push(Blocker::HistoriesClash { node: node.clone(), timeline, own, leading });
    }
    if let Err(why) = (facts.agents)(node) {
        plan.blockers.push(Blocker::NoHostAgent { node: node.clone(), why });
    }
    let upstream = primary.node.clone();
    plan.steps = vec![
        Step::new(Action::VerifyWritable { node: upstream.clone() }, QUICK, Compensate),
        Step::new(Action::Fence { node: node.clone(), by: FenceMeans::HostAgent }, PATIENT, StandInDoubt),
    ];
    plan.steps.extend(measure_loss_step(view, &upstream));
    plan.steps.extend([
        Step::new(Action::Checkpoint { node: upstream.clone() }, PATIENT, StandInDoubt),
        Step::new(Action::Rewind { node: node.clone(), from: upstream.clone() }, Span::from_mins(30), StandInDoubt),
        Step::new(Action::Follow { node: node.clone(), upstream: upstream.clone() }, PATIENT, StandInDoubt),
        Step::new(Action::ProveStreaming { nodes: vec![node.clone()], upstream: upstream.clone() }, PATIENT, StandInDoubt),
    ]);
    plan.steps.extend(durability::restored(&facts, &upstream, None));
    plan
}

/// Sends clients to the node that takes the writes. What was set by hand, or forgotten by a router that was started again, is
/// never undone: it was wrong before.
pub fn reroute(facts: Facts<'_>) -> Plan {
    facts.finished(draft_reroute(facts))
}

fn draft_reroute(facts: Facts<'_>) -> Draft {
    use OnFailure::{Compensate, GoOn, StandInDoubt};
    let mut plan = facts.blank(OperationKind::Reroute);
    plan.loss = LossBound::Zero { because: ZeroLoss::MovesNoData };
    plan.blockers.extend(facts.two_writable());
    plan.blockers.extend(facts.leader_unknown());
    plan.blockers.extend(facts.router_blocker());
    let Some(primary) = facts.view.primary() else {
        plan.blockers.push(Blocker::NoPrimary);
        return plan;
    };
    let node = primary.node.clone();
    if !primary.is_writable() {
        plan.blockers.push(Blocker::PrimaryNotWritable { node: node.clone(), why: primary.judgement.why.clone() });
    }
    if facts.view.routed_to.as_ref().is_some_and(|routed| routed.nodes == [node.clone()]) && (facts.poolers_right)(&node) {
        plan.blockers.push(Blocker::AlreadyThere);
    }
    plan.target = Some(node.clone());
    plan.steps = vec![
        Step::new(Action::VerifyWritable { node: node.clone() }, QUICK, Compensate),
        Step::new(Action::OpenRoute { node: node.clone() }, QUICK, StandInDoubt),
    ];
    plan.steps.extend(facts.let_through(&node, QUICK, GoOn));
    plan.steps.push(Step::new(Action::ProveWrite { node: node.clone() }, Span::from_secs(30), StandInDoubt));
    // A pooler that is gone is no reason to hold the cluster: its finding stays.
    plan.steps.extend(facts.prove_through(&node, GoOn));
    plan
}
