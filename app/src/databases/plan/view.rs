//! What the confirmation page shows, for somebody who was asleep a minute ago: how things are, what would be done, to
//! which node and why not to another, what it can cost, what stands in its way, and the form that asks for exactly that.

use crate::{
    databases::{
        standing::{Headline, Route, Shield},
        view::{ClusterPage, NodeRow},
    },
    operations::{line::OperationLine, words},
    session::Viewer,
    ui::state::Tone,
};
use engine::{
    access::Permission,
    databases::{Candidate, LossBound},
    failover::{Action, Blocker, DatabaseChange, Mode, OperationKind, Plan},
    id::{ClusterId, NodeId, OperationId},
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct PlanPage {
    pub now: Instant,
    pub cluster: ClusterId,
    pub kind: OperationKind,
    pub title: String,
    pub headline: Headline,
    pub protection: Shield,
    pub route: Route,
    pub nodes: Vec<NodeRow>,
    pub steps: Vec<PlannedStep>,
    /// Who could be the target; for a rejoin the nodes that could be let follow.
    pub choices: Vec<Choice>,
    pub loss: Loss,
    pub affected: Vec<Affected>,
    pub rto: Option<Span>,
    pub rpo: Option<Span>,
    /// First failed probe of the primary, for a failover.
    pub outage_since: Option<Instant>,
    /// No override lifts these.
    pub hard: Vec<Obstacle>,
    /// What would keep Lifeboat itself from it, and does not keep people.
    pub passed_over: Vec<Obstacle>,
    /// Two people may decide to go on all the same.
    pub overridable: Vec<Obstacle>,
    /// The operation that holds the cluster.
    pub held_by: Option<OperationLine>,
    /// Why this person cannot request it.
    pub barred: Option<String>,
    pub form: Form,
}

/// One step as it would be done.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct PlannedStep {
    pub does: String,
    pub limit: Span,
    pub if_it_fails: String,
    pub undo: Option<String>,
    /// Before this step everything can be undone, from it on nothing.
    pub no_way_back: bool,
}

/// One node with what speaks for and against it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Choice {
    pub node: NodeId,
    pub region: String,
    pub chosen: bool,
    /// The first of the ranking.
    pub best: bool,
    pub legal: bool,
    /// What speaks for it; for an excluded node, what speaks against.
    pub reasons: Vec<String>,
    pub behind: Option<u64>,
    pub position: Option<String>,
    /// This page with the node as target.
    pub href: String,
}

/// What may be lost.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Loss {
    pub tone: Tone,
    pub says: String,
    pub zero: bool,
    /// Against the recovery point objective.
    pub against_rpo: Option<String>,
}

/// A service that is interrupted meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Affected {
    pub service: String,
    pub tier: Option<u8>,
}

/// What stands in the way, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Obstacle {
    pub what: String,
    pub way_out: String,
}

/// What the form sends.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Form {
    pub id: OperationId,
    pub node: Option<NodeId>,
    pub plan_hash: String,
    pub does: String,
    pub follows: String,
}

/// What the address of the page asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub cluster: ClusterId,
    pub kind: OperationKind,
    pub node: Option<NodeId>,
}

impl PlanPage {
    /// `id` is the operation's, if the form is sent. `None` where there is no such cluster, or a rejoin names no node.
    pub fn of(picture: &Picture, viewer: &Viewer, asked: &Asked, id: OperationId) -> Option<Self> {
        let plan = picture.plan(asked.kind, &asked.cluster, asked.node.as_ref())?;
        let change = plan.database()?;
        let cluster = ClusterPage::of(picture, &asked.cluster)?;
        let choices = match asked.kind {
            OperationKind::Rejoin => rejoiners(&cluster, change, plan.kind),
            _ => {
                let best = change.candidates.first().filter(|candidate| candidate.is_eligible()).map(|candidate| candidate.node.clone());
                change.candidates.iter().map(|candidate| choice(candidate, change, plan.kind, best.as_ref())).collect()
            }
        };
        Some(Self {
            now: picture.now,
            cluster: asked.cluster.clone(),
            kind: asked.kind,
            title: words::title(&plan),
            steps: steps(&plan),
            choices,
            loss: Loss::of(&plan),
            affected: affected(picture, &plan),
            rto: plan.rto,
            rpo: plan.rpo,
            outage_since: plan.outage_since,
            hard: obstacles(plan.hard_blockers()),
            passed_over: passed_over(&plan),
            overridable: obstacles(plan.overridable_blockers()),
            held_by: cluster.active,
            barred: barred(viewer, &plan),
            form: Form {
                id,
                node: if asked.kind == OperationKind::Rejoin { change.source.clone() } else { change.target.clone() },
                plan_hash: plan.hash(),
                does: words::request_in_words(&plan),
                follows: if plan.requires_approval() {
                    words::consent_in_words(&plan, "this plan")
                } else {
                    "It starts at once; no second person is asked, because it promotes nothing.".to_owned()
                },
            },
            headline: cluster.headline,
            protection: cluster.protection,
            route: cluster.route,
            nodes: cluster.nodes,
        })
    }

    /// Whether the form may be shown at all.
    pub fn can_be_requested(&self) -> bool {
        self.hard.is_empty() && self.held_by.is_none() && self.barred.is_none()
    }
}

/// What stands in the way, with the way out of each.
pub fn obstacles<'a>(blockers: impl IntoIterator<Item = &'a Blocker>) -> Vec<Obstacle> {
    blockers.into_iter().map(|blocker| Obstacle { what: blocker.to_string(), way_out: words::way_out(blocker).to_owned() }).collect()
}

/// What whoever asks for a plan passes over.
pub fn passed_over(plan: &Plan) -> Vec<Obstacle> {
    let way_out = "You may ask for this all the same; the journal keeps what was passed over.";
    plan.passed_over.iter().map(|what| Obstacle { what: what.clone(), way_out: way_out.to_owned() }).collect()
}

pub fn affected(picture: &Picture, plan: &Plan) -> Vec<Affected> {
    let tier = |id| picture.estate.service(id).map(|service| service.tier.number());
    plan.affected.iter().map(|id| Affected { service: id.to_string(), tier: tier(id) }).collect()
}

/// Why this person cannot request a plan.
pub fn barred(viewer: &Viewer, plan: &Plan) -> Option<String> {
    let permission = if plan.mode() == Mode::Test { Permission::Rehearse } else { Permission::RequestOperation };
    viewer.barred(permission).map(|why| format!("You may look at this plan. {why}"))
}

pub fn steps(plan: &Plan) -> Vec<PlannedStep> {
    // Whoever was told to end the node may have done so, whatever was answered.
    let is_final = |action: &Action| match action {
        Action::Promote { .. } | Action::AskPatroni { .. } | Action::PromoteRestored { .. } => true,
        Action::Fence { by, .. } => by.ends_the_node(),
        _ => false,
    };
    let no_way_back = plan.steps.iter().position(|step| is_final(&step.action));
    plan.steps
        .iter()
        .enumerate()
        .map(|(at, step)| PlannedStep {
            does: words::step_of(plan, &step.action),
            limit: step.timeout,
            if_it_fails: words::failure_in_words(step.on_failure).to_owned(),
            undo: step.undo.as_ref().map(|undo| words::step_of(plan, undo)),
            no_way_back: no_way_back == Some(at),
        })
        .collect()
}

fn choice(candidate: &Candidate, change: &DatabaseChange, kind: OperationKind, best: Option<&NodeId>) -> Choice {
    let legal = candidate.is_eligible();
    Choice {
        node: candidate.node.clone(),
        region: candidate.region.to_string(),
        chosen: change.target.as_ref() == Some(&candidate.node),
        best: best == Some(&candidate.node),
        legal,
        reasons: if legal { candidate.reasons.clone() } else { candidate.exclusions.iter().map(ToString::to_string).collect() },
        behind: candidate.bytes_behind.filter(|_| change.source.as_ref() != Some(&candidate.node)),
        position: candidate.position.map(|position| position.to_string()),
        href: format!("/databases/{}/plan?kind={kind}&node={}", change.cluster, candidate.node),
    }
}

fn rejoiners(cluster: &ClusterPage, change: &DatabaseChange, kind: OperationKind) -> Vec<Choice> {
    cluster
        .nodes
        .iter()
        .filter(|node| !node.is_primary)
        .map(|node| Choice {
            node: node.node.clone(),
            region: node.region.to_string(),
            chosen: change.source.as_ref() == Some(&node.node),
            best: false,
            legal: node.can_rejoin,
            reasons: vec![node.why.as_ref().map_or_else(|| format!("it is {}", node.standing), |why| format!("it is {}: {why}", node.standing))],
            behind: node.lag.and_then(|lag| lag.bytes),
            position: node.position.clone(),
            href: format!("/databases/{}/plan?kind={kind}&node={}", change.cluster, node.node),
        })
        .collect()
}

impl Loss {
    pub fn of(plan: &Plan) -> Self {
        let against_rpo = match (&plan.loss, plan.rpo) {
            (LossBound::AtMost { unseen, .. }, Some(rpo)) if *unseen <= rpo => Some(format!("Within the RPO of {rpo}.")),
            (LossBound::Open { since, .. }, Some(rpo)) => {
                let so_far = Span::between(*since, plan.made_at);
                Some(format!("{} so far, and it grows until the fence; the RPO is {rpo}.", so_far.rough()))
            }
            (LossBound::AtMost { .. }, Some(rpo)) => Some(format!("It can exceed the RPO of {rpo}.")),
            (LossBound::Unknown { .. }, Some(rpo)) => Some(format!("Whether the RPO of {rpo} is kept cannot be said.")),
            (LossBound::Zero { .. }, _) | (_, None) => None,
        };
        Self {
            tone: match (&plan.loss, plan.rpo) {
                (LossBound::Zero { .. }, _) => Tone::Ok,
                (LossBound::AtMost { unseen, .. }, Some(rpo)) if *unseen <= rpo => Tone::Watch,
                (LossBound::AtMost { .. } | LossBound::Open { .. }, _) => Tone::Act,
                (LossBound::Unknown { .. }, _) => Tone::Unknown,
            },
            says: words::loss_in_words(plan.kind, &plan.loss),
            zero: plan.loss.is_zero(),
            against_rpo,
        }
    }
}
