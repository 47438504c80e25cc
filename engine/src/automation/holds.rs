//! What holds the product back: restraints of people, waits and cooldowns, what earlier operations mean, and failures that are
//! not what they seem.

use super::Decision;
use crate::{
    estate::{Cluster, Detection, Manager},
    failover::{Change, Mode, Operation, OperationKind, Plan, State},
    id::{AccountName, ClusterId, OperationId, RegionId, Scope, ServiceId},
    journal::Subject,
    picture::Picture,
    restraints::{Held, Restraint},
    survey::Survey,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// At most so many requests of the product become void in one failure before a person must ask.
const MOST_VOIDED: usize = 3;

/// One thing that holds the product back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "hold")]
pub enum Hold {
    #[error("this server is read-only: it observes and shows, and neither starts nor requests anything")]
    ReadOnly,
    #[error("{}{}: {reason} ({by})", what.in_words(), until.map(|until| format!(" until {}", until.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default())]
    Restrained { what: Restraint, by: String, until: Option<Instant>, reason: String },
    #[error("the wait of {wait} after the verdict is over at {}", until.format("%H:%M:%S UTC"))]
    Waiting { until: Instant, wait: Span },
    #[error("cooldown until {}: {kind} {} ended at {}; acknowledging it ends the cooldown", until.format("%H:%M:%S UTC"), operation.short(), ended.format("%H:%M:%S UTC"))]
    Cooldown { until: Instant, operation: OperationId, kind: OperationKind, ended: Instant },
    #[error("the {kind} {} holds it and is {state}", operation.short())]
    HeldBy { operation: OperationId, kind: OperationKind, state: State },
    #[error("the last run ({kind} {}) is {state} and nobody has acknowledged it", operation.short())]
    LastRun { operation: OperationId, kind: OperationKind, state: State },
    #[error("{kind} {} was {state} by a person during this failure", operation.short())]
    Declined { operation: OperationId, kind: OperationKind, state: State },
    #[error("what was asked for became void {times} times during this failure")]
    KeepsChanging { times: usize },
    #[error("{blocker}")]
    Blocked { name: String, blocker: String },
    #[error("it needs {}, and {why}: it is the cause that must be dealt with", cluster)]
    CausedBy { cluster: ClusterId, why: String },
    #[error("it needs {service}, which fails too: it is the cause that must be dealt with")]
    CausedByService { service: ServiceId },
    #[error("{region} fails as a whole; evacuate it, instead of moving each service by itself")]
    RegionFails { region: RegionId },
    #[error("other probes fail too and have no verdict yet; waiting for them, at most until {}", until.format("%H:%M:%S UTC"))]
    Settling { until: Instant },
    #[error("nothing else was seen to answer since it began, so it is as likely that those who look are cut off as that this failed")]
    ObserverSuspect,
    #[error("it changes back and forth ({why}); nothing is moved before it stays down")]
    Flapping { why: String },
    #[error("Patroni runs {cluster} and fails it over itself; Lifeboat asks it only when people say so")]
    LeftToPatroni { cluster: ClusterId },
    #[error("Patroni runs {cluster} and is paused: somebody has their hands in it, and neither Patroni nor Lifeboat fails it over by itself")]
    PatroniPaused { cluster: ClusterId },
    #[error("its newest probe was good ({why}); nothing is moved while it may be coming back")]
    ComingBack { why: String },
}

impl Hold {
    pub(crate) fn restrained(what: &Restraint, held: &Held) -> Self {
        Hold::Restrained { what: what.clone(), by: held.by.to_string(), until: held.until, reason: held.reason.clone() }
    }
    /// The kind of hold without its details: what makes one decision another.
    pub(super) fn name(&self) -> String {
        match self {
            Hold::ReadOnly => "read-only".to_owned(),
            Hold::Restrained { what, .. } => what.to_string(),
            Hold::Waiting { .. } => "waiting".to_owned(),
            Hold::Cooldown { .. } => "cooldown".to_owned(),
            Hold::HeldBy { operation, .. } => format!("held-by {operation}"),
            Hold::LastRun { operation, .. } => format!("last-run {operation}"),
            Hold::Declined { operation, .. } => format!("declined {operation}"),
            Hold::KeepsChanging { .. } => "keeps-changing".to_owned(),
            Hold::Blocked { name, .. } => format!("blocked {name}"),
            Hold::CausedBy { cluster, .. } => format!("caused-by {cluster}"),
            Hold::CausedByService { service } => format!("caused-by-service {service}"),
            Hold::RegionFails { region } => format!("region-fails {region}"),
            Hold::Settling { .. } => "settling".to_owned(),
            Hold::ObserverSuspect => "observer-suspect".to_owned(),
            Hold::Flapping { .. } => "flapping".to_owned(),
            Hold::ComingBack { .. } => "coming-back".to_owned(),
            Hold::LeftToPatroni { .. } => "left-to-patroni".to_owned(),
            Hold::PatroniPaused { .. } => "patroni-paused".to_owned(),
        }
    }
}

/// Verdicts on what fails together come a moment apart; a decision between them would be about a part of the truth.
pub(super) fn settling(survey: &Survey, since: Option<Instant>, rule: &Detection) -> Option<Hold> {
    let until = since? + rule.window().as_delta();
    (survey.picture.now < until && survey.is_settling()).then_some(Hold::Settling { until })
}

pub(super) struct Pace {
    pub(super) wait: Span,
    pub(super) cooldown: Span,
    pub(super) ground: Ground,
}

/// What a failure is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    Firm,
    /// An observer says so that saw nothing else answer.
    Doubtful,
}

impl Ground {
    pub(super) fn of(mut subjects: impl Iterator<Item = Subject>, picture: &Picture) -> Self {
        if subjects.any(|subject| picture.observed.doubtful.contains(&subject)) { Ground::Doubtful } else { Ground::Firm }
    }
}

/// A cluster has one manager: what Patroni fails over by itself is not failed over by anybody else, and where it is paused, a person
/// wants to be the only one who does.
pub(super) fn left_to_patroni(picture: &Picture, cluster: &Cluster) -> Option<Hold> {
    if cluster.manager != Manager::Patroni {
        return None;
    }
    let said = picture.observed.patroni.get(&cluster.id).and_then(|view| view.now_says(&picture.estate.detection_of(cluster), picture.now).ok());
    let cluster = cluster.id.clone();
    Some(if said.is_some_and(|said| said.paused) { Hold::PatroniPaused { cluster } } else { Hold::LeftToPatroni { cluster } })
}

/// What would hold the product back if `scope` failed now, as far as that is known before anything fails: restraints, a
/// cooldown, a last run that nobody took note of.
pub fn held_beforehand(picture: &Picture, scope: &Scope) -> Vec<Hold> {
    let cluster = scope.cluster().and_then(|id| picture.estate.cluster(id));
    let strategy = match cluster {
        Some(cluster) => cluster.strategy.as_ref().and_then(|id| picture.estate.strategy(id)),
        None => scope.service().and_then(|id| picture.estate.strategy_of(picture.estate.service(id)?)),
    };
    let mut scopes = vec![scope.clone()];
    scopes.extend(cluster.map(|cluster| Scope::Service(cluster.service.clone())));
    let mut holds = restrained(picture, &scopes);
    holds.extend(cluster.and_then(|cluster| left_to_patroni(picture, cluster)));
    holds.extend(history(&Survey::of(picture), scope, picture.now, strategy.map_or(Span::ZERO, |strategy| strategy.cooldown)));
    holds
}

/// Of what would hold the product back, what people may pass over: a cooldown, and a last run that nobody took note of.
pub(crate) fn passed_over(picture: &Picture, scope: &Scope) -> Vec<String> {
    let passes = |hold: &Hold| matches!(hold, Hold::Cooldown { .. } | Hold::LastRun { .. });
    held_beforehand(picture, scope).iter().filter(|hold| passes(hold)).map(ToString::to_string).collect()
}

/// What people have put in the way of an operation that the product asked for and nobody agreed to: a pause that came after the
/// decision holds back what it led to, as long as that has not begun. Empty for what people asked for or approved.
pub fn held_since(picture: &Picture, operation: &Operation) -> Vec<Hold> {
    if operation.requested.by != AccountName::lifeboat() || operation.approved.is_some() {
        return Vec::new();
    }
    let mut scopes = vec![operation.plan.scope()];
    match &operation.plan.change {
        Change::Traffic(change) => scopes.extend(change.leaving().into_iter().map(Scope::Region)),
        Change::Database(change) => scopes.extend(picture.estate.cluster(&change.cluster).map(|cluster| Scope::Service(cluster.service.clone()))),
        Change::Evacuation(_) | Change::Restore(_) => {}
    }
    restrained(picture, &scopes)
}

/// What keeps the product from moving the clients of a service by itself, also in the middle of an operation: the master
/// switch, a pause of everything or of the service, and being read-only.
pub fn held_from_moving(picture: &Picture, service: &ServiceId) -> Vec<Hold> {
    let stops = |hold: &Hold| matches!(hold, Hold::ReadOnly | Hold::Restrained { what: Restraint::MasterSwitch | Restraint::Pause(_), .. });
    restrained(picture, &[Scope::Service(service.clone())]).into_iter().filter(stops).collect()
}

pub(super) fn restrained(picture: &Picture, scopes: &[Scope]) -> Vec<Hold> {
    let applies = |what: &Restraint| match what {
        Restraint::MasterSwitch | Restraint::Pause(None) => true,
        Restraint::Pause(Some(scope)) | Restraint::Maintenance(scope) | Restraint::Acknowledged(scope) => scopes.contains(scope),
        Restraint::Tests => false,
    };
    let in_force = picture.records.restraints.iter().filter(|(what, held)| applies(what) && !held.is_over(picture.now));
    let restraints = in_force.map(|(what, held)| Hold::restrained(what, held));
    picture.read_only.then_some(Hold::ReadOnly).into_iter().chain(restraints).collect()
}

/// Everything that holds the product back from carrying out `plan`, not only the first thing.
pub(super) fn holds(survey: &Survey, decision: &Decision, scopes: &[Scope], plan: &Plan, pace: Pace) -> Vec<Hold> {
    let picture = survey.picture;
    let mut holds = restrained(picture, scopes);
    if survey.is_observer_suspect() || pace.ground == Ground::Doubtful {
        holds.push(Hold::ObserverSuspect);
    }
    let opened = picture.records.cases.get(&decision.scope).map_or(picture.now, |case| case.opened);
    let wait_over = picture.records.counted_from(opened, picture.now) + pace.wait.as_delta();
    if picture.now < wait_over {
        holds.push(Hold::Waiting { until: wait_over, wait: pace.wait });
    }
    holds.extend(history(survey, &decision.scope, opened, pace.cooldown));
    for blocker in &plan.blockers {
        // The restraint itself was listed above; a pause of Patroni is a hold of its own.
        if !["master-switch-off", "failover-in-pause"].contains(&blocker.name()) {
            holds.push(Hold::Blocked { name: blocker.name().to_owned(), blocker: blocker.to_string() });
        }
    }
    holds
}

/// What earlier operations on the same thing mean: a cooldown that only an emergency starts, never a failback or another
/// planned move, a failed run that a person must acknowledge (trap F11), a request that a person declined.
fn history(survey: &Survey, scope: &Scope, opened: Instant, cooldown: Span) -> Vec<Hold> {
    let now = survey.picture.now;
    let ended: Vec<&Operation> =
        survey.operations_on(scope).iter().copied().filter(|operation| operation.plan.mode() != Mode::Test && !operation.state.is_active()).collect();
    let mut holds = Vec::new();
    let ran = || ended.iter().filter(|operation| operation.started_at.is_some());
    // A node that follows again and a route that is right again moved no writes: the failover before it still counts.
    let moved = ran().filter(|operation| !operation.plan.kind.mends()).max_by_key(|operation| operation.ended_at);
    let cools =
        |operation: &&&Operation| operation.state == State::Succeeded && operation.mode() == Mode::Emergency && operation.acknowledged.is_none();
    if let Some((operation, ended)) = moved.filter(cools).and_then(|operation| Some((operation, operation.ended_at?))) {
        let until = survey.picture.records.counted_from(ended, now) + cooldown.as_delta();
        if now < until {
            holds.push(Hold::Cooldown { until, operation: operation.id, kind: operation.plan.kind, ended });
        }
    }
    let last = ran().max_by_key(|operation| operation.ended_at);
    if let Some(operation) = last.filter(|operation| operation.state != State::Succeeded && operation.acknowledged.is_none()) {
        holds.push(Hold::LastRun { operation: operation.id, kind: operation.plan.kind, state: operation.state });
    }
    let since_then: Vec<_> = ended.iter().filter(|operation| operation.requested.at >= opened).collect();
    let refused = |operation: &&&&Operation| matches!(operation.state, State::Declined | State::Cancelled) && operation.acknowledged.is_none();
    if let Some(operation) = since_then.iter().rev().find(refused) {
        holds.push(Hold::Declined { operation: operation.id, kind: operation.plan.kind, state: operation.state });
    }
    let times = since_then.iter().filter(|operation| operation.state == State::Void && operation.acknowledged.is_none()).count();
    if times >= MOST_VOIDED {
        holds.push(Hold::KeepsChanging { times });
    }
    holds
}
