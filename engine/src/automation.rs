//! Automation: what the product would do by itself about a failure, and why it does or does not. A decision is taken anew
//! with every look and recorded only when it changes (trap F12), for actions and non-actions alike: the decision ledger
//! answers “why did nothing fail over at 02:13?” (row 98).

use crate::{
    estate::{Detection, FailoverMode},
    failover::{Change, Mode, Operation, Plan, State, evacuation, halting},
    id::{OperationId, Scope, ServiceId},
    journal::Event,
    look::Look,
    picture::Picture,
    survey::Survey,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

mod failures;
mod holds;
mod returns;
pub(crate) use holds::passed_over;
pub use holds::{Hold, held_beforehand, held_from_moving, held_since};

/// What the product decided about one failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub scope: Scope,
    pub verdict: Verdict,
    /// First failed probe of what fails.
    pub since: Option<Instant>,
    /// What fails, with the verdicts' own reasons: samples counted against the threshold.
    pub trouble: Vec<String>,
    /// Where it would go; absent where nowhere.
    pub target: Option<String>,
    /// A service it needs that fails too, and is the likely cause (row 35).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<ServiceId>,
    /// The rule by which it counts as failing: thresholds as they were then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Detection>,
    /// Everything that holds the product back; empty where nothing does.
    pub holds: Vec<Hold>,
    /// The declared mode it follows.
    pub mode: FailoverMode,
    /// What would move it is a simulator: nothing real happens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
}

/// What the product does about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Starts the failover itself.
    Start,
    /// Requests it; a person approves.
    Request,
    /// Says what it would do; a person asks for it.
    Recommend,
    /// Does nothing, for the reasons listed.
    Hold,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Start => "starts the failover",
            Verdict::Request => "asks for approval",
            Verdict::Recommend => "recommends the failover",
            Verdict::Hold => "does nothing",
        })
    }
}

impl Decision {
    /// Whether something it needs fails too, and is the likely cause.
    pub fn follows_something(&self) -> bool {
        self.follows.is_some() || self.holds.iter().any(|hold| matches!(hold, Hold::CausedBy { .. }))
    }
    /// Whether `other` would tell a reader nothing new.
    fn says_the_same_as(&self, other: &Decision) -> bool {
        let holds = |decision: &Decision| decision.holds.iter().map(Hold::name).collect::<BTreeSet<_>>();
        let same = self.verdict == other.verdict && self.target == other.target && self.mode == other.mode && self.follows == other.follows;
        same && holds(self) == holds(other)
    }
}

/// A failure the product has decided about, until it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// When the first decision about it was taken.
    pub opened: Instant,
    /// The decision that stands.
    pub decision: Decision,
    /// When that one was taken.
    pub decided: Instant,
    /// How many were taken so far, that one included.
    #[serde(default)]
    pub times: u32,
    /// Whether a database it needs was the cause at some time: what comes back after that is given the time to.
    #[serde(default)]
    pub followed: bool,
}

/// A decision with the plan it would carry out.
pub struct Considered {
    pub decision: Decision,
    pub plan: Option<Plan>,
}

/// So many decisions about one failure are recorded at once; what goes back and forth after that is recorded once in
/// `REPEATED`, so that a probe that fails every other time cannot fill the journal in a long outage.
const AT_ONCE: u32 = 10;
const REPEATED: Span = Span::from_mins(1);

/// What is to be recorded about automation as of now, with the requests that follow from new decisions. `new_id` gives
/// each of them its id.
pub fn act(picture: &Picture, new_id: impl FnMut() -> OperationId) -> Vec<Event> {
    act_on(picture, &Look::at_everything(), new_id)
}

/// The same, for failures in a part of the picture.
pub fn act_on(picture: &Picture, look: &Look, mut new_id: impl FnMut() -> OperationId) -> Vec<Event> {
    let survey = Survey::of(picture);
    let considered = outlines(&survey, look);
    let mut events = closed(&survey, look, &considered);
    let fails: BTreeSet<Scope> = considered.iter().map(|considered| considered.decision.scope.clone()).collect();
    for Considered { decision, plan } in considered {
        let acts = matches!(decision.verdict, Verdict::Start | Verdict::Request);
        // An operation that is under way answers the failure; what follows from its end is decided then.
        let holder = survey.holder_of(&decision.scope);
        let answers = |holder: &Operation| if acts { !gives_way(holder, decision.verdict) } else { answers(holder) };
        if survey.is_being_evacuated(&decision.scope) || holder.is_some_and(answers) {
            continue;
        }
        let case = picture.records.cases.get(&decision.scope);
        let is_news = |case: &Case| {
            let too_soon = case.times >= AT_ONCE && Span::between(case.decided, picture.now) < REPEATED;
            !case.decision.says_the_same_as(&decision) && !too_soon
        };
        if !acts && !case.is_none_or(is_news) {
            continue;
        }
        let reason = format!("Lifeboat {}: {}", decision.verdict, decision.trouble.join("; "));
        let plan = plan.filter(|_| acts).map(|plan| in_full(&survey, plan));
        let replaced = holder.filter(|_| acts);
        events.extend(replaced.into_iter().flat_map(|holder| halting::make_way(holder, &format!("a failure takes its place. {reason}"))));
        events.push(Event::Decided { decision: Box::new(decision) });
        events.extend(plan.map(|plan| Event::OperationRequested {
            id: new_id(),
            plan_hash: plan.hash(),
            plan: Box::new(plan),
            reason,
            loss_accepted: false,
            overridden: Vec::new(),
            parent: None,
        }));
    }
    events.extend(returns::requests(&survey, look, &fails, new_id));
    events
}

/// Whether an operation answers a failure: not one that only rehearses, nor a planned move that nobody agreed to yet, nor
/// one that stands in doubt and does nothing until somebody looks.
fn answers(holder: &Operation) -> bool {
    match holder.mode() {
        _ if holder.state == State::InDoubt => false,
        Mode::Test => false,
        Mode::Planned => holder.state != State::Requested,
        Mode::Emergency => true,
    }
}

/// What does not answer a failure must not keep a failover waiting either: not a test, wherever it stands, nor a planned move
/// that has not begun (row 71). A request would only take the place of another one, so a planned move gives way to what starts
/// at once.
fn gives_way(holder: &Operation, verdict: Verdict) -> bool {
    let has_not_begun = matches!(holder.state, State::Requested | State::Approved);
    holder.mode() == Mode::Test || (!answers(holder) && has_not_begun && verdict == Verdict::Start)
}

/// The operation that keeps the product from acting, where one neither answers the failure nor gives way: said, so that
/// nobody wonders why nothing happens (row 98).
fn held_by(survey: &Survey, decision: &Decision) -> Option<Hold> {
    let holder = survey.holder_of(&decision.scope)?;
    let acts = matches!(decision.verdict, Verdict::Start | Verdict::Request);
    let stands = if holder.state == State::InDoubt { holder.mode() != Mode::Test } else { acts && !answers(holder) };
    let in_the_way = stands && !(acts && gives_way(holder, decision.verdict));
    in_the_way.then_some(Hold::HeldBy { operation: holder.id, kind: holder.plan.kind, state: holder.state })
}

/// The cases that are over: what they are about is well again, or no clients are sent to it any more.
fn closed(survey: &Survey, look: &Look, considered: &[Considered]) -> Vec<Event> {
    let fails: HashSet<&Scope> = considered.iter().map(|considered| &considered.decision.scope).collect();
    // While nothing is known about it a case stays open: silence is no recovery. Nor is the middle of a move an end.
    let is_over = |scope: &Scope| {
        let moves = survey.holder_of(scope).is_some() || survey.is_being_evacuated(scope);
        !fails.contains(scope) && !moves && (!is_declared(survey, scope) || is_over(survey, scope))
    };
    let takes_in = look.takes_in(survey.picture);
    let over = survey.picture.records.cases.iter().filter(|(scope, _)| takes_in(scope) && is_over(scope));
    over.map(|(scope, case)| Event::CaseClosed { scope: scope.clone(), lasted: Span::between(case.opened, survey.picture.now) }).collect()
}

/// Whether the estate still has what a case is about.
fn is_declared(survey: &Survey, scope: &Scope) -> bool {
    match scope {
        Scope::Service(id) => survey.service(id).is_some_and(|service| service.traffic.is_some()),
        Scope::Cluster(id) => survey.picture.estate.cluster(id).is_some(),
        Scope::Region(id) => survey.picture.estate.region(id).is_some(),
        // Nothing is restored by itself.
        Scope::Backup(_) => false,
    }
}

fn is_over(survey: &Survey, scope: &Scope) -> bool {
    match scope {
        // A region as a whole is no case any more once anything in it answers, or once it is empty.
        Scope::Region(id) if survey.failed_regions().contains(id) => {
            let plan = evacuation::outline(survey, id, Mode::Emergency);
            plan.as_ref().and_then(Plan::evacuation).is_some_and(|change| change.waves.is_empty() && change.staying.is_empty())
        }
        Scope::Region(id) => survey.picture.answers_in(id),
        Scope::Service(_) | Scope::Cluster(_) | Scope::Backup(_) => survey.picture.is_well(scope),
    }
}

/// What the product decides now about everything that fails, whether or not that was recorded.
pub fn consider(picture: &Picture) -> Vec<Considered> {
    let survey = Survey::of(picture);
    let mut considered = outlines(&survey, &Look::at_everything());
    for considered in &mut considered {
        considered.plan = considered.plan.take().map(|plan| in_full(&survey, plan));
    }
    considered
}

/// As `consider`, with plans that name only the service itself as affected.
fn outlines(survey: &Survey, look: &Look) -> Vec<Considered> {
    let services = look.services(survey.picture).into_iter().filter(|service| service.traffic.is_some());
    let mut considered: Vec<Considered> = services.filter_map(|service| failures::of_service(survey, service)).collect();
    if look.platform {
        considered.extend(survey.picture.estate.clusters.iter().filter_map(|cluster| failures::of_cluster(survey, &cluster.id)));
        considered.extend(survey.failed_regions().iter().filter_map(|region| failures::of_region(survey, region)));
    }
    for Considered { decision, .. } in &mut considered {
        if let Some(hold) = held_by(survey, decision) {
            decision.holds.push(hold);
            decision.verdict = Verdict::Hold;
        }
    }
    considered
}

fn in_full(survey: &Survey, plan: Plan) -> Plan {
    let service = match &plan.change {
        Change::Traffic(change) => Some(&change.service),
        Change::Database(change) => survey.picture.estate.cluster(&change.cluster).map(|cluster| &cluster.service),
        Change::Evacuation(_) | Change::Restore(_) => None,
    };
    match service.map(|service| survey.affected_by(service)) {
        Some(affected) => Plan { affected, ..plan },
        None => plan,
    }
}
