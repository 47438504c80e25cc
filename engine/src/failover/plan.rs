//! Plans: what an operation will do, step by step, with the facts it rests on, what it can cost and what stands in its
//! way. A plan is a value; making one changes nothing.

use crate::{
    databases::{self, Candidate, ClusterView, Exclusion, HostState, LossBound, NodeView, Urgency, ZeroLoss, rank},
    dependencies,
    estate::{Cluster, Detection, Estate},
    health::Health,
    id::{ClusterId, NodeId, ServiceId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Planned: the writes stop, the target catches up, then it takes over. Any error before promotion puts writes back.
    Switchover,
    /// Emergency: the primary is fenced, the target takes over with a stated loss bound.
    Failover,
    /// A node that fell behind or was replaced becomes a standby again.
    Rejoin,
}

impl OperationKind {
    /// Whether clients will be sent to another node.
    fn moves_the_writes(self) -> bool {
        match self {
            OperationKind::Switchover | OperationKind::Failover => true,
            OperationKind::Rejoin => false,
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OperationKind::Switchover => "switchover",
            OperationKind::Failover => "failover",
            OperationKind::Rejoin => "rejoin",
        })
    }
}

/// One thing a step does to the world. Each is idempotent: it looks first, and doing it twice does it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Read the node afresh and refuse if it could not take over.
    CheckTarget {
        node: NodeId,
    },
    /// No client reaches any node through the router, and open client connections are closed.
    CloseRoute {
        was: Option<NodeId>,
    },
    /// Clients reach exactly this node.
    OpenRoute {
        node: NodeId,
    },
    /// Stop the node cleanly through its host agent.
    StopNode {
        node: NodeId,
    },
    StartNode {
        node: NodeId,
    },
    /// Wait until the target holds every byte the stopped source wrote.
    CatchUp {
        source: NodeId,
        target: NodeId,
    },
    /// Make sure that the node cannot take a write any more.
    Fence {
        node: NodeId,
        by: FenceMeans,
    },
    Promote {
        node: NodeId,
    },
    /// The node says of itself that it is writable, on a new timeline.
    VerifyWritable {
        node: NodeId,
    },
    /// Write a row through the router as a client would, and read it back.
    ProveWrite {
        node: NodeId,
    },
    /// Let these nodes follow `upstream`.
    Repoint {
        nodes: Vec<NodeId>,
        upstream: NodeId,
    },
    /// Count what the fenced node wrote that the promoted one does not have.
    MeasureLoss {
        source: NodeId,
        target: NodeId,
    },
    /// A checkpoint on the primary; without it `pg_rewind` was seen to call a diverged node sound.
    Checkpoint {
        node: NodeId,
    },
    /// Take back what the node wrote beyond the common history; copy it anew where that is not possible.
    Rewind {
        node: NodeId,
        from: NodeId,
    },
    /// Start the node as a standby of `upstream`.
    Follow {
        node: NodeId,
        upstream: NodeId,
    },
    /// Each of these streams from `upstream`, on its timeline.
    ProveStreaming {
        nodes: Vec<NodeId>,
        upstream: NodeId,
    },
}

/// How the old primary is kept from taking writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FenceMeans {
    /// Its host agent ends the processes and proves them gone.
    HostAgent,
    /// Clients are cut at the router and the target is its synchronous standby, so it can acknowledge nothing.
    RouterAndSynchronousStandby,
    /// Not proven. Two people accepted that, and the record says so.
    Overridden,
}

/// What follows when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Undo what was done, in reverse, and end as failed. Only before the promotion.
    Compensate,
    /// Stop and ask a person: the truth is not known, or going back would do harm.
    StandInDoubt,
    /// Record it and go on: the service works already, the shortfall stays visible.
    GoOn,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub action: Action,
    pub timeout: Span,
    pub undo: Option<Action>,
    pub on_failure: OnFailure,
}

impl Step {
    fn new(action: Action, timeout: Span, on_failure: OnFailure) -> Self {
        Self { action, timeout, undo: None, on_failure }
    }
    fn undone_by(mut self, undo: Action) -> Self {
        self.undo = Some(undo);
        self
    }
}

/// Something that stands in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "blocker")]
pub enum Blocker {
    #[error("no node can take over: {}", reasons.join("; "))]
    NoCandidate { reasons: Vec<String> },
    #[error("{node} cannot be promoted: {}", exclusions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    TargetExcluded { node: NodeId, exclusions: Vec<Exclusion> },
    #[error("{node} is not a node of this cluster")]
    UnknownNode { node: NodeId },
    #[error("no node was ever seen as primary")]
    NoPrimary,
    #[error("more than one node takes writes ({}); fence all but one first", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    TwoWritable { nodes: Vec<NodeId> },
    #[error("the primary {node} does not take writes now ({why}), so a planned switchover is not possible; use a failover")]
    PrimaryNotWritable { node: NodeId, why: String },
    #[error("the primary {node} answers; a planned switchover loses nothing, a failover may")]
    PrimaryHealthy { node: NodeId },
    #[error("{node} cannot be fenced by proof: {why}")]
    FenceUnproven { node: NodeId, why: String },
    #[error("the host agent of {node} does not answer, so the node cannot be controlled: {why}")]
    NoHostAgent { node: NodeId, why: String },
    #[error("the cluster has no router set up, so clients cannot be moved")]
    NoRouter,
    #[error("the router does not answer, so clients cannot be moved: {why}")]
    RouterSilent { why: String },
    #[error("{node} is the primary; only another node can rejoin")]
    IsThePrimary { node: NodeId },
    #[error("{node} already streams from {upstream}")]
    AlreadyStreaming { node: NodeId, upstream: NodeId },
}

impl Blocker {
    /// Whether two people may decide to go on all the same.
    pub fn can_be_overridden(&self) -> bool {
        matches!(self, Blocker::PrimaryHealthy { .. } | Blocker::FenceUnproven { .. })
    }

    /// The kind of blocker without its details.
    fn name(&self) -> &'static str {
        match self {
            Blocker::NoCandidate { .. } => "no-candidate",
            Blocker::TargetExcluded { .. } => "target-excluded",
            Blocker::UnknownNode { .. } => "unknown-node",
            Blocker::NoPrimary => "no-primary",
            Blocker::TwoWritable { .. } => "two-writable",
            Blocker::PrimaryNotWritable { .. } => "primary-not-writable",
            Blocker::PrimaryHealthy { .. } => "primary-healthy",
            Blocker::FenceUnproven { .. } => "fence-unproven",
            Blocker::NoHostAgent { .. } => "no-host-agent",
            Blocker::NoRouter => "no-router",
            Blocker::RouterSilent { .. } => "router-silent",
            Blocker::IsThePrimary { .. } => "is-the-primary",
            Blocker::AlreadyStreaming { .. } => "already-streaming",
        }
    }
}

/// What the plan rests on. When one of these has changed, an approval of the plan is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    pub primary: Option<NodeId>,
    pub timeline: Option<u32>,
}

/// A plan for one operation on one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub kind: OperationKind,
    pub cluster: ClusterId,
    /// The node that gives up the writes; for a rejoin the node that is to follow.
    pub source: Option<NodeId>,
    /// The node that takes the writes; for a rejoin the one to follow. Absent where none can.
    pub target: Option<NodeId>,
    pub steps: Vec<Step>,
    pub loss: LossBound,
    pub basis: Basis,
    /// All nodes with what speaks for and against them.
    pub candidates: Vec<Candidate>,
    /// The service itself and all that depend on it, directly or not.
    pub affected: Vec<ServiceId>,
    pub blockers: Vec<Blocker>,
    /// First failed probe of the primary; the recovery time counts from here. Absent for a planned move.
    pub outage_since: Option<Instant>,
    /// The service's recovery time objective at the time of planning; a later edit does not rewrite the verdict.
    pub rto: Option<Span>,
    pub rpo: Option<Span>,
    pub made_at: Instant,
}

impl Plan {
    /// Identifies what would be done: kind, cluster, nodes, steps, loss bound, basis and what has to be overridden. Reasons, positions and the
    /// time of planning are left out, so that samples that change nothing do not change it.
    /// SHA-256 over the JSON of those fields, in hexadecimal.
    pub fn hash(&self) -> String {
        // What an override would lift belongs to it: agreeing to one is not agreeing to another that came up since.
        let lifted: Vec<&str> = self.overridable_blockers().iter().map(|blocker| blocker.name()).collect();
        let essence = (&self.kind, &self.cluster, &self.source, &self.target, &self.steps, &self.loss, &self.basis, &lifted);
        // Serialising these plain types to a string cannot fail; an empty text would only make every plan look changed.
        let text = serde_json::to_string(&essence).unwrap_or_default();
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a second person must agree: to every move of the writes, and to whatever else may cost data or sets a
    /// check aside.
    pub fn requires_approval(&self) -> bool {
        self.kind.moves_the_writes() || !self.loss.is_zero() || !self.overridable_blockers().is_empty()
    }

    /// The blockers no override can lift.
    pub fn hard_blockers(&self) -> Vec<&Blocker> {
        self.blockers.iter().filter(|blocker| !blocker.can_be_overridden()).collect()
    }
    pub fn overridable_blockers(&self) -> Vec<&Blocker> {
        self.blockers.iter().filter(|blocker| blocker.can_be_overridden()).collect()
    }

    /// What a person sees differ between the plan they agreed to and the one that would be made now. Empty when the
    /// earlier agreement still holds.
    pub fn changes_since(&self, agreed: &Plan) -> Vec<String> {
        let mut changes = Vec::new();
        let name = |node: &Option<NodeId>| node.as_ref().map_or("none".to_owned(), ToString::to_string);
        if self.basis.primary != agreed.basis.primary {
            changes.push(format!("the active node was {} and is now {}", name(&agreed.basis.primary), name(&self.basis.primary)));
        }
        if self.basis.timeline != agreed.basis.timeline {
            changes.push("the cluster has moved to another timeline".to_owned());
        }
        if self.target != agreed.target {
            changes.push(format!("the target was {} and would now be {}", name(&agreed.target), name(&self.target)));
        }
        if !agreed.loss.covers(&self.loss) {
            changes.push(format!("the loss bound was “{}” and is now “{}”", agreed.loss.in_words(), self.loss.in_words()));
        }
        if self.steps != agreed.steps {
            changes.push("the steps would be different now".to_owned());
        }
        for blocker in &self.blockers {
            if !agreed.blockers.iter().any(|known| known.name() == blocker.name()) {
                changes.push(blocker.to_string());
            }
        }
        changes
    }
}

/// The facts a plan is made from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub estate: &'a Estate,
    pub cluster: &'a Cluster,
    pub view: &'a ClusterView,
    /// Per node: the host agent answers now, or why it does not.
    pub agents: &'a dyn Fn(&NodeId) -> Result<(), String>,
    /// The router answers now, or why it does not.
    pub router: Result<(), &'a str>,
    pub now: Instant,
}

impl Facts<'_> {
    fn rule(&self) -> Detection {
        self.estate.detection_of(self.cluster)
    }
    fn others(&self, but: &[&NodeId]) -> Vec<NodeId> {
        self.cluster.nodes.iter().map(|node| node.id.clone()).filter(|node| !but.contains(&node)).collect()
    }
    fn blank(&self, kind: OperationKind) -> Plan {
        let service = self.estate.service(&self.cluster.service);
        Plan {
            kind,
            cluster: self.cluster.id.clone(),
            source: None,
            target: None,
            steps: Vec::new(),
            loss: LossBound::Unknown { why: "there is no target".to_owned() },
            basis: Basis { primary: self.view.primary().map(|view| view.node.clone()), timeline: self.view.timeline() },
            candidates: Vec::new(),
            affected: dependencies::affected_by(self.estate, &self.cluster.service),
            blockers: Vec::new(),
            outage_since: None,
            rto: service.map(|service| service.rto),
            rpo: service.map(|service| service.rpo),
            made_at: self.now,
        }
    }
    fn router_blocker(&self) -> Option<Blocker> {
        match (&self.cluster.router, self.router) {
            (None, _) => Some(Blocker::NoRouter),
            (Some(_), Err(why)) => Some(Blocker::RouterSilent { why: why.to_owned() }),
            (Some(_), Ok(())) => None,
        }
    }
    fn two_writable(&self) -> Option<Blocker> {
        let writable = self.view.writable();
        (writable.len() > 1).then(|| Blocker::TwoWritable { nodes: writable.iter().map(|view| view.node.clone()).collect() })
    }
    /// The wished target, or the best one; with what stands against it.
    fn choose(&self, plan: &mut Plan, wish: Option<&NodeId>, urgency: Urgency) {
        plan.candidates = rank(self.view, &self.rule(), urgency, self.now);
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

const QUICK: Span = Span::from_secs(10);
const PATIENT: Span = Span::from_secs(60);

/// A planned switchover, to `wish` or to the best candidate.
pub fn switchover(facts: Facts<'_>, wish: Option<&NodeId>) -> Plan {
    let mut plan = facts.blank(OperationKind::Switchover);
    plan.blockers.extend(facts.two_writable());
    plan.blockers.extend(facts.router_blocker());
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
        plan.steps = switchover_steps(&source, &target, facts.others(&[&source, &target]));
    }
    plan
}

/// Order of row 55: stop writes, positions equal, promote, verify, route, repoint.
fn switchover_steps(source: &NodeId, target: &NodeId, siblings: Vec<NodeId>) -> Vec<Step> {
    use OnFailure::{Compensate, GoOn, StandInDoubt};
    let mut steps = vec![
        Step::new(Action::CheckTarget { node: target.clone() }, QUICK, Compensate),
        Step::new(Action::CloseRoute { was: Some(source.clone()) }, QUICK, Compensate).undone_by(Action::OpenRoute { node: source.clone() }),
        Step::new(Action::StopNode { node: source.clone() }, PATIENT, Compensate).undone_by(Action::StartNode { node: source.clone() }),
        Step::new(Action::CatchUp { source: source.clone(), target: target.clone() }, Span::from_secs(30), Compensate),
        Step::new(Action::Promote { node: target.clone() }, Span::from_secs(30), StandInDoubt),
    ];
    steps.extend(take_over_steps(target));
    if !siblings.is_empty() {
        steps.push(Step::new(Action::Repoint { nodes: siblings.clone(), upstream: target.clone() }, PATIENT, GoOn));
    }
    steps.push(Step::new(Action::Follow { node: source.clone(), upstream: target.clone() }, PATIENT, GoOn));
    let mut all = siblings;
    all.push(source.clone());
    steps.push(Step::new(Action::ProveStreaming { nodes: all, upstream: target.clone() }, PATIENT, GoOn));
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

/// An emergency failover, to `wish` or to the best candidate.
pub fn failover(facts: Facts<'_>, wish: Option<&NodeId>) -> Plan {
    let mut plan = facts.blank(OperationKind::Failover);
    plan.blockers.extend(facts.two_writable());
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
    let by = fence_means(facts, primary, &target, &mut plan);
    plan.steps = failover_steps(&primary.node, by, &target, facts.others(&[&primary.node, &target]));
    plan
}

/// “Unreachable” is never “fenced”: either the host proves the processes gone, or the primary cannot acknowledge
/// anything because clients are cut at the router and its synchronous standby is the one that takes over.
fn fence_means(facts: Facts<'_>, primary: &NodeView, target: &NodeId, plan: &mut Plan) -> FenceMeans {
    match (facts.agents)(&primary.node) {
        Ok(()) => FenceMeans::HostAgent,
        Err(_) if facts.view.is_only_standby_to_confirm(target) => FenceMeans::RouterAndSynchronousStandby,
        Err(why) => {
            let gone = primary.host.as_ref().filter(|host| host.state == HostState::Gone);
            let last = gone.map_or_else(String::new, |host| format!(" (its host last saw it gone at {})", host.at.format("%H:%M:%S")));
            plan.blockers.push(Blocker::FenceUnproven {
                node: primary.node.clone(),
                why: format!("{why}{last}, and {target} is not the only standby that could confirm its commits"),
            });
            FenceMeans::Overridden
        }
    }
}

fn failover_steps(source: &NodeId, by: FenceMeans, target: &NodeId, siblings: Vec<NodeId>) -> Vec<Step> {
    use OnFailure::{Compensate, GoOn, StandInDoubt};
    let mut steps = vec![
        Step::new(Action::CheckTarget { node: target.clone() }, QUICK, Compensate),
        Step::new(Action::CloseRoute { was: Some(source.clone()) }, QUICK, Compensate).undone_by(Action::OpenRoute { node: source.clone() }),
        Step::new(Action::Fence { node: source.clone(), by }, Span::from_secs(30), Compensate),
        Step::new(Action::Promote { node: target.clone() }, Span::from_secs(30), StandInDoubt),
    ];
    steps.extend(take_over_steps(target));
    if !siblings.is_empty() {
        steps.push(Step::new(Action::Repoint { nodes: siblings.clone(), upstream: target.clone() }, PATIENT, GoOn));
    }
    if by == FenceMeans::HostAgent {
        steps.push(Step::new(Action::MeasureLoss { source: source.clone(), target: target.clone() }, PATIENT, GoOn));
    }
    if !siblings.is_empty() {
        steps.push(Step::new(Action::ProveStreaming { nodes: siblings, upstream: target.clone() }, PATIENT, GoOn));
    }
    steps
}

/// Makes `node` a standby of the present primary again.
pub fn rejoin(facts: Facts<'_>, node: &NodeId) -> Plan {
    use OnFailure::{Compensate, GoOn, StandInDoubt};
    let mut plan = facts.blank(OperationKind::Rejoin);
    plan.source = Some(node.clone());
    // Nothing acknowledged is lost by a rejoin: what the node wrote alone was lost when another one was promoted.
    plan.loss = LossBound::Zero { because: ZeroLoss::WaitsForLastByte };
    let Some(view) = facts.view.node(node) else {
        plan.blockers.push(Blocker::UnknownNode { node: node.clone() });
        return plan;
    };
    let Some(primary) = facts.view.primary() else {
        plan.blockers.push(Blocker::NoPrimary);
        return plan;
    };
    if primary.node == *node {
        plan.blockers.push(Blocker::IsThePrimary { node: node.clone() });
        return plan;
    }
    plan.target = Some(primary.node.clone());
    if !primary.is_writable() {
        plan.blockers.push(Blocker::PrimaryNotWritable { node: primary.node.clone(), why: primary.judgement.why.clone() });
    }
    if view.is_writable() {
        plan.loss = LossBound::Unknown { why: format!("{node} takes writes now, and what it accepted apart from {} is discarded", primary.node) };
    }
    if facts.view.standing(view, &facts.rule(), facts.now) == databases::NodeStanding::Streaming {
        plan.blockers.push(Blocker::AlreadyStreaming { node: node.clone(), upstream: primary.node.clone() });
    }
    if let Err(why) = (facts.agents)(node) {
        plan.blockers.push(Blocker::NoHostAgent { node: node.clone(), why });
    }
    let upstream = primary.node.clone();
    plan.steps = vec![
        Step::new(Action::VerifyWritable { node: upstream.clone() }, QUICK, Compensate),
        Step::new(Action::Fence { node: node.clone(), by: FenceMeans::HostAgent }, PATIENT, StandInDoubt),
    ];
    if view.was_primary() {
        plan.steps.push(Step::new(Action::MeasureLoss { source: node.clone(), target: upstream.clone() }, PATIENT, GoOn));
    }
    plan.steps.extend([
        Step::new(Action::Checkpoint { node: upstream.clone() }, PATIENT, StandInDoubt),
        Step::new(Action::Rewind { node: node.clone(), from: upstream.clone() }, Span::from_mins(30), StandInDoubt),
        Step::new(Action::Follow { node: node.clone(), upstream: upstream.clone() }, PATIENT, StandInDoubt),
        Step::new(Action::ProveStreaming { nodes: vec![node.clone()], upstream }, PATIENT, StandInDoubt),
    ]);
    plan
}
