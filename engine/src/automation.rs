//! Automation: what the product would do by itself about a failure, and why it does or does not. A decision is taken anew
//! with every look and recorded only when it changes (trap F12), for actions and non-actions alike: the decision ledger
//! answers “why did nothing fail over at 02:13?” (row 98).

use crate::{
    estate::{Cluster, Detection, FailoverMode, Manager, Service},
    failover::{Change, Mode, Operation, OperationKind, Plan, State, evacuation, halting, traffic},
    health::Health,
    id::{AccountName, ClusterId, OperationId, RegionId, Scope, ServiceId},
    journal::{Event, Subject},
    look::Look,
    picture::Picture,
    restraints::Restraint,
    survey::Survey,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

mod returns;

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

/// One thing that holds the product back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "hold")]
pub enum Hold {
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
}

impl Hold {
    /// The kind of hold without its details: what makes one decision another.
    fn name(&self) -> String {
        match self {
            Hold::Restrained { what, .. } => what.to_string(),
            Hold::Waiting { .. } => "waiting".to_owned(),
            Hold::Cooldown { .. } => "cooldown".to_owned(),
            Hold::HeldBy { operation, .. } => format!("held-by {operation}"),
            Hold::LastRun { operation, .. } => format!("last-run {operation}"),
            Hold::Declined { operation, .. } => format!("declined {operation}"),
            Hold::KeepsChanging { .. } => "keeps-changing".to_owned(),
            Hold::Blocked { name, .. } => format!("blocked {name}"),
            Hold::CausedBy { cluster, .. } => format!("caused-by {cluster}"),
            Hold::RegionFails { region } => format!("region-fails {region}"),
            Hold::Settling { .. } => "settling".to_owned(),
            Hold::ObserverSuspect => "observer-suspect".to_owned(),
            Hold::Flapping { .. } => "flapping".to_owned(),
            Hold::LeftToPatroni { .. } => "left-to-patroni".to_owned(),
            Hold::PatroniPaused { .. } => "patroni-paused".to_owned(),
        }
    }
}

impl Decision {
    /// Whether `other` would tell a reader nothing new.
    fn says_the_same_as(&self, other: &Decision) -> bool {
        let holds = |decision: &Decision| decision.holds.iter().map(Hold::name).collect::<BTreeSet<_>>();
        self.verdict == other.verdict && self.target == other.target && self.mode == other.mode && holds(self) == holds(other)
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

/// At most so many requests of the product become void in one failure before a person must ask.
const MOST_VOIDED: usize = 3;
/// So many decisions about one failure are recorded at once; what goes back and forth after that is recorded once in
/// `REPEATED`, so that a probe that fails every other time cannot fill the journal in a long outage.
const AT_ONCE: u32 = 10;
const REPEATED: Span = Span::from_mins(1);
/// So many of what cannot be moved out of a region are named in a decision.
const MOST_STAYING: usize = 5;

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
        Scope::Service(_) | Scope::Cluster(_) => survey.picture.is_well(scope),
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
    let mut considered: Vec<Considered> = services.filter_map(|service| consider_service(survey, service)).collect();
    if look.platform {
        considered.extend(survey.picture.estate.clusters.iter().filter_map(|cluster| consider_cluster(survey, &cluster.id)));
        considered.extend(survey.failed_regions().iter().filter_map(|region| consider_region(survey, region)));
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
        Change::Evacuation(_) => None,
    };
    match service.map(|service| survey.affected_by(service)) {
        Some(affected) => Plan { affected, ..plan },
        None => plan,
    }
}

/// A region in which nothing answers: everything that is left to people there is asked for as one.
fn consider_region(survey: &Survey, region: &RegionId) -> Option<Considered> {
    let picture = survey.picture;
    let plan = picture.under_rules(evacuation::outline(survey, region, Mode::Emergency)?);
    let change = plan.evacuation()?;
    let members: Vec<&Scope> = change.waves.iter().flatten().map(|member| &member.scope).collect();
    let staying = || change.staying.iter();
    let modes: Vec<FailoverMode> = members.iter().copied().chain(staying().map(|(scope, _)| scope)).map(|scope| mode_of(survey, scope)).collect();
    let mode = if modes.contains(&FailoverMode::Manual) { FailoverMode::Manual } else { FailoverMode::SemiAutomatic };
    // What the product moves by itself is gone in a moment. A database it never does.
    let moved_by_itself = |scope: &&Scope| scope.service().is_some() && mode_of(survey, scope) == FailoverMode::Automatic;
    if members.iter().all(moved_by_itself) && staying().all(|(scope, _)| moved_by_itself(&scope)) {
        return None;
    }
    let mut trouble = vec![format!("nothing that is probed in {region} answers; {} clusters and services are to be moved", members.len())];
    trouble.extend(staying().take(MOST_STAYING).map(|(scope, why)| format!("{} cannot be moved: {why}", scope.name())));
    if let Some(more) = change.staying.len().checked_sub(MOST_STAYING).filter(|more| *more > 0) {
        trouble.push(format!("{more} more cannot be moved"));
    }
    let scope = Scope::Region(region.clone());
    let simulated = plan.is_simulated();
    let mut decision =
        Decision { scope, verdict: Verdict::Hold, since: plan.outage_since, trouble, target: None, holds: Vec::new(), mode, simulated };
    let scopes = [decision.scope.clone()];
    let ground = if picture.is_doubtful_in(region) { Ground::Doubtful } else { Ground::Firm };
    decision.holds.extend(settling(survey, decision.since, &picture.estate.detection));
    decision.holds.extend(holds(survey, &decision, &scopes, &plan, Pace { wait: Span::ZERO, cooldown: Span::ZERO, ground }));
    decision.settle(false);
    Some(Considered { decision, plan: Some(plan) })
}

fn mode_of(survey: &Survey, scope: &Scope) -> FailoverMode {
    let estate = &survey.picture.estate;
    let strategy = match scope {
        Scope::Service(id) => survey.service(id).and_then(|service| estate.strategy_of(service)),
        Scope::Cluster(id) => estate.cluster(id).and_then(|cluster| estate.strategy(cluster.strategy.as_ref()?)),
        Scope::Region(_) => None,
    };
    strategy.map_or(FailoverMode::Manual, |strategy| strategy.failover)
}

/// Verdicts on what fails together come a moment apart; a decision between them would be about a part of the truth.
fn settling(survey: &Survey, since: Option<Instant>, rule: &Detection) -> Option<Hold> {
    let until = since? + rule.window().as_delta();
    (survey.picture.now < until && survey.is_settling()).then_some(Hold::Settling { until })
}

/// The active regions are judged, whichever they are (traps F4 to F6).
fn consider_service(survey: &Survey, service: &Service) -> Option<Considered> {
    let (picture, id) = (survey.picture, &service.id);
    let view = picture.observed.traffic.get(id)?;
    let on = view.on.as_ref()?;
    // What was read before an operation of ours ended shows where clients were, not where they are.
    if picture.records.routes.get(id).is_some_and(|route| route.by.is_some() && on.at <= route.since) {
        return None;
    }
    let judged = on.regions.iter().filter_map(|region| Some((region, traffic::health_in(picture, id, region)?)));
    let down: Vec<_> = judged.filter(|(_, judgement)| judgement.health == Health::Down).collect();
    if down.is_empty() {
        return None;
    }
    let strategy = picture.estate.strategy_of(service);
    let plan = picture.under_rules(traffic::outline(survey, id, Mode::Emergency, None)?);
    let target = plan.target_in_words();
    let since = down.iter().filter_map(|(_, judgement)| judgement.since).min();
    let trouble = down.iter().map(|(region, judgement)| format!("{id} is down in {region}: {}", judgement.why)).collect();
    let mut decision = Decision {
        scope: Scope::Service(id.clone()),
        verdict: Verdict::Hold,
        since,
        trouble,
        target,
        holds: Vec::new(),
        mode: strategy.map_or(FailoverMode::Manual, |strategy| strategy.failover),
        simulated: plan.is_simulated(),
    };
    let mut held_by: Vec<Scope> = down.iter().map(|(region, _)| Scope::Region((*region).clone())).collect();
    held_by.push(decision.scope.clone());
    let wait = strategy.map_or(Span::ZERO, |strategy| strategy.wait);
    let cooldown = strategy.map_or(Span::ZERO, |strategy| strategy.cooldown);
    if let Some((region, _)) = down.iter().find(|(region, _)| picture.is_flapping(id, region)) {
        decision.holds.push(Hold::Flapping { why: format!("{id} in {region}") });
    }
    let rule = service.endpoints.iter().find(|endpoint| down.iter().any(|(region, _)| **region == endpoint.region));
    decision.holds.extend(settling(survey, since, &rule.map_or(picture.estate.detection, |endpoint| picture.estate.detection_at(service, endpoint))));
    // Where it is well somewhere, its own region fails and not what it needs.
    let well = plan.traffic()?.regions.iter().any(|region| region.is_eligible());
    for cluster in survey.clusters_needed(id).iter().filter(|_| !well) {
        if let Some(why) = survey.trouble_of_cluster(&cluster.id) {
            decision.holds.push(Hold::CausedBy { cluster: cluster.id.clone(), why: why.to_owned() });
        }
    }
    let failed = survey.failed_regions();
    if let Some((region, _)) = down.iter().find(|(region, _)| failed.contains(region)).filter(|_| decision.mode != FailoverMode::Automatic) {
        decision.holds.push(Hold::RegionFails { region: (*region).clone() });
    }
    let ground = Ground::of(down.iter().map(|(region, _)| Subject::Endpoint { service: id.clone(), region: (*region).clone() }), picture);
    decision.holds.extend(holds(survey, &decision, &held_by, &plan, Pace { wait, cooldown, ground }));
    decision.settle(true);
    Some(Considered { decision, plan: Some(plan) })
}

fn consider_cluster(survey: &Survey, id: &ClusterId) -> Option<Considered> {
    let picture = survey.picture;
    let (cluster, view) = picture.cluster(id)?;
    let primary = view.primary()?;
    if !view.writable().is_empty() || primary.judgement.health != Health::Down {
        return None;
    }
    let strategy = cluster.strategy.as_ref().and_then(|id| picture.estate.strategy(id));
    let plan = picture.outline(OperationKind::Failover, id, None)?;
    let mut decision = Decision {
        scope: Scope::Cluster(id.clone()),
        verdict: Verdict::Hold,
        since: primary.judgement.since,
        trouble: vec![format!("{}, the primary, is down: {}", primary.node, primary.judgement.why)],
        target: plan.target_in_words(),
        holds: Vec::new(),
        mode: strategy.map_or(FailoverMode::Manual, |strategy| strategy.failover),
        simulated: false,
    };
    let held_by = [Scope::Region(primary.region.clone()), Scope::Service(cluster.service.clone()), decision.scope.clone()];
    let ground = Ground::of(std::iter::once(Subject::Node { cluster: id.clone(), node: primary.node.clone() }), picture);
    let (wait, cooldown) = strategy.map_or((Span::ZERO, Span::ZERO), |strategy| (strategy.wait, strategy.cooldown));
    let pace = Pace { wait, cooldown, ground };
    decision.holds.extend(left_to_patroni(picture, cluster));
    decision.holds.extend(settling(survey, decision.since, &picture.estate.detection_of(cluster)));
    if survey.failed_regions().contains(&primary.region) {
        decision.holds.push(Hold::RegionFails { region: primary.region.clone() });
    }
    decision.holds.extend(holds(survey, &decision, &held_by, &plan, pace));
    decision.settle(false);
    Some(Considered { decision, plan: Some(plan) })
}

/// A cluster has one manager: what Patroni fails over by itself is not failed over by anybody else, and where it is paused, a person
/// wants to be the only one who does.
fn left_to_patroni(picture: &Picture, cluster: &Cluster) -> Option<Hold> {
    if cluster.manager != Manager::Patroni {
        return None;
    }
    let said = picture.observed.patroni.get(&cluster.id).and_then(|view| view.now_says(&picture.estate.detection_of(cluster), picture.now).ok());
    let cluster = cluster.id.clone();
    Some(if said.is_some_and(|said| said.paused) { Hold::PatroniPaused { cluster } } else { Hold::LeftToPatroni { cluster } })
}

impl Decision {
    /// From mode and holds to the verdict. A promotion that was not asked for by a person is always approved by one.
    fn settle(&mut self, may_start: bool) {
        self.verdict = match self.mode {
            _ if !self.holds.is_empty() => Verdict::Hold,
            FailoverMode::Automatic if may_start => Verdict::Start,
            FailoverMode::Automatic | FailoverMode::SemiAutomatic => Verdict::Request,
            FailoverMode::Manual => Verdict::Recommend,
        };
    }
}

struct Pace {
    wait: Span,
    cooldown: Span,
    ground: Ground,
}

/// What a failure is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    Firm,
    /// An observer says so that saw nothing else answer.
    Doubtful,
}

impl Ground {
    fn of(mut subjects: impl Iterator<Item = Subject>, picture: &Picture) -> Self {
        if subjects.any(|subject| picture.observed.doubtful.contains(&subject)) { Ground::Doubtful } else { Ground::Firm }
    }
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
        Change::Evacuation(_) => {}
    }
    restrained(picture, &scopes)
}

/// What keeps the product from moving the clients of a service by itself, also in the middle of an operation: the master
/// switch, and a pause of everything or of the service.
pub fn held_from_moving(picture: &Picture, service: &ServiceId) -> Vec<Hold> {
    let stops = |hold: &Hold| matches!(hold, Hold::Restrained { what: Restraint::MasterSwitch | Restraint::Pause(_), .. });
    restrained(picture, &[Scope::Service(service.clone())]).into_iter().filter(stops).collect()
}

fn restrained(picture: &Picture, scopes: &[Scope]) -> Vec<Hold> {
    let applies = |what: &Restraint| match what {
        Restraint::MasterSwitch | Restraint::Pause(None) => true,
        Restraint::Pause(Some(scope)) | Restraint::Maintenance(scope) | Restraint::Acknowledged(scope) => scopes.contains(scope),
        Restraint::Tests => false,
    };
    let in_force = picture.records.restraints.iter().filter(|(what, held)| applies(what) && !held.is_over(picture.now));
    in_force
        .map(|(what, held)| Hold::Restrained { what: what.clone(), by: held.by.to_string(), until: held.until, reason: held.reason.clone() })
        .collect()
}

/// Everything that holds the product back from carrying out `plan`, not only the first thing.
fn holds(survey: &Survey, decision: &Decision, scopes: &[Scope], plan: &Plan, pace: Pace) -> Vec<Hold> {
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
        // The restraint itself, and the pause, were listed above.
        if !matches!(blocker.name(), "master-switch-off" | "failover-in-pause") {
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
