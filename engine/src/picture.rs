//! Everything known at one instant, with its ages: the declared estate, what was observed, and the records. Pages, plans
//! and rules read a picture; nothing else.

use crate::{
    abilities::{Abilities, FenceCommand},
    automation,
    backups::{
        health::{self as backup_health, Freshness, Standing as BackupStanding},
        sights::BackupSights,
    },
    databases::{ClusterView, Exclusion, NodeView, Protection},
    dependencies,
    estate::{BackupPolicy, Cluster, Estate, Follows, Manager, Pooler, Service},
    failover::{
        Blocker, Change, Mode, Operation, OperationKind, Plan, State, evacuation,
        planning::{self, Facts},
        restore::{self, RestoreWish},
        traffic,
    },
    findings::{self, Finding},
    health::{Health, Judgement, Sample, Vote, healths},
    id::{ClusterId, FenceId, NodeId, ObserverId, OperationId, PoolerId, RegionId, Scope, ServiceId},
    journal::{Exposure, ObserverStanding, Records, Subject},
    patroni::PatroniView,
    poolers::PoolerView,
    restraints::{Held, Restraint},
    runbooks::sights::RunbookSights,
    shared::SharedMap,
    survey::{Shut, Survey},
    time::{Instant, Span},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

mod fences;
mod stalled;
mod writes;
pub use writes::{RouteStanding, names};

/// What was observed of the world, latest values only.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    pub clusters: SharedMap<ClusterId, ClusterView>,
    pub endpoints: SharedMap<(ServiceId, RegionId), EndpointView>,
    pub agents: BTreeMap<RegionId, Judgement>,
    pub routers: BTreeMap<ClusterId, Judgement>,
    /// What the PgBouncers say that clients come through.
    pub poolers: SharedMap<(ClusterId, PoolerId), PoolerView>,
    /// What Patroni says of the clusters that it runs.
    pub patroni: SharedMap<ClusterId, PatroniView>,
    pub traffic: SharedMap<ServiceId, TrafficView>,
    /// Who probes, the server included.
    pub observers: BTreeMap<ObserverId, ObserverView>,
    /// Who sees what, of the endpoints that more than the server probes.
    pub votes: SharedMap<(ServiceId, RegionId), Vec<Vote>>,
    /// What counts as down although its observer saw nothing else answer since: the fault may be the observer's own.
    pub doubtful: BTreeSet<Subject>,
    /// What can be expected of what sends the clients of each service.
    pub abilities: BTreeMap<ServiceId, Abilities>,
    /// When backups are due, what keeps them from running, and how far those have come that run.
    pub backups: Arc<BackupSights>,
    /// What the configuration offers to runbooks.
    pub runbooks: Arc<RunbookSights>,
    /// The commands that turn nodes off, as the configuration has them, or why one cannot be run.
    pub fences: BTreeMap<FenceId, Result<FenceCommand, String>>,
    /// When watching began, in this process; absent before it has.
    pub since: Option<Instant>,
    /// When all verdicts were last looked at; absent where nobody does.
    pub judged_at: Option<Instant>,
    /// Counts up with every batch of observations; pages use it to know that something moved.
    pub tick: u64,
}

/// One probed endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    pub judgement: Judgement,
    pub last: Option<Sample>,
    /// It changes back and forth (row 37).
    pub flapping: bool,
    /// It counts as down, and whoever says so saw it well just now.
    pub coming_back: bool,
}

impl EndpointView {
    /// Nothing is known of it.
    pub fn unseen() -> Self {
        Self { judgement: Judgement::never_measured(), last: None, flapping: false, coming_back: false }
    }
}

/// One observer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObserverView {
    /// `None` for the server.
    pub place: Option<RegionId>,
    /// When its last report came in; of the server, when it last probed.
    pub reported: Option<Instant>,
    /// How far its clock is ahead of the server's, in milliseconds; negative where it is behind.
    pub skew_ms: i64,
    /// Since when nothing that it probes has answered it.
    pub blind_since: Option<Instant>,
    /// How many samples were not taken, since the server started: of unknown targets, or dated too far off.
    pub refused: u64,
}

impl ObserverView {
    /// A reporting observer is silent when nothing came from it for this long.
    pub const SILENCE: Span = Span::from_secs(10);

    /// An observer that was not heard yet.
    pub fn new(place: Option<RegionId>) -> Self {
        Self { place, reported: None, skew_ms: 0, blind_since: None, refused: 0 }
    }

    pub fn standing(&self, now: Instant) -> ObserverStanding {
        match self.reported {
            Some(reported) if self.place.is_none() || Span::between(reported, now) <= Self::SILENCE => match self.blind_since {
                Some(_) => ObserverStanding::Blind,
                None => ObserverStanding::Sees,
            },
            _ => ObserverStanding::Silent,
        }
    }
}

/// Where the clients of a service were seen to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficView {
    /// Whether what sends them answers.
    pub judgement: Judgement,
    pub on: Option<SeenOn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenOn {
    pub at: Instant,
    pub regions: BTreeSet<RegionId>,
}

/// Everything known at `now`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Picture {
    pub now: Instant,
    pub estate: Arc<Estate>,
    pub observed: Arc<Observations>,
    pub records: Arc<Records>,
    /// Where the journal's chain is broken, if it is. Shown on every page.
    pub journal_break: Option<String>,
    /// Whoever holds it may only observe and show: nobody acts, the product itself included, and nothing that runs goes on.
    pub read_only: bool,
}

impl Picture {
    pub fn cluster(&self, id: &ClusterId) -> Option<(&Cluster, &ClusterView)> {
        Some((self.estate.cluster(id)?, self.observed.clusters.get(id)?))
    }
    /// The quorum of places and how many have an observer whose word counts, where these are too few for any verdict of down.
    pub fn too_few_observers(&self) -> Option<(u32, usize)> {
        let counts = |(id, view): &(&ObserverId, &ObserverView)| {
            !self.records.observers.contains_key(*id) && (view.place.is_some() || self.estate.server_observes)
        };
        let counted: BTreeSet<_> =
            self.observed.observers.iter().filter(counts).map(|(_, view)| view.place.as_ref().or(self.estate.server_region.as_ref())).collect();
        let quorum = self.estate.quorum();
        (!self.observed.observers.is_empty() && counted.len() < quorum as usize).then_some((quorum, counted.len()))
    }
    pub fn operation(&self, id: &OperationId) -> Option<&Operation> {
        self.records.operations.get(id)
    }
    /// Whether an operation would go on if this were not read-only: nobody carries it out, and it says so.
    pub fn stands_still(&self, operation: &Operation) -> bool {
        self.read_only && matches!(operation.state, State::Approved | State::Running | State::Compensating)
    }
    pub fn exposure(&self, id: &ClusterId) -> Option<&Exposure> {
        self.records.exposures.get(id)
    }
    /// `None` where nothing was seen yet, or nothing since the last promotion.
    pub fn protection(&self, id: &ClusterId) -> Option<Protection> {
        let (cluster, view) = self.cluster(id)?;
        let unseen = self.unseen_promotion(id).is_some();
        (!unseen).then(|| view.protection(cluster, &self.estate.detection_of(cluster), self.now))
    }
    /// Whether enough has been seen of a cluster to judge whether earlier agreements still hold. In the first seconds after a
    /// start everything is unknown, and that alone must not make an approval void.
    pub fn is_settled(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Cluster(id) => self.is_cluster_settled(id),
            Scope::Service(id) => self.estate.service(id).is_some_and(|service| self.is_service_settled(&Survey::of(self), service)),
            // What lies in a destination does not change by itself.
            Scope::Backup(_) => true,
            // An evacuation takes in all there is.
            Scope::Region(_) => {
                let (survey, services) = (Survey::of(self), self.estate.services.iter());
                services.filter(|service| service.traffic.is_some()).all(|service| self.is_service_settled(&survey, service))
                    && self.estate.clusters.iter().all(|cluster| self.is_cluster_settled(&cluster.id))
            }
        }
    }
    /// Whether clients may return depends on the data too, so the clusters that a service needs count.
    pub(crate) fn is_service_settled(&self, survey: &Survey, service: &Service) -> bool {
        let Some(since) = self.observed.since else {
            return false;
        };
        let known = |judgement: &Judgement| judgement.health != Health::Unknown;
        let endpoints = service.endpoints.iter().all(|endpoint| traffic::health_in(self, &service.id, &endpoint.region).is_some_and(known));
        let traffic = self.observed.traffic.get(&service.id).is_some_and(|view| known(&view.judgement));
        let longest = service.endpoints.iter().map(|endpoint| self.estate.detection_at(service, endpoint).window()).max();
        let seen = (endpoints && traffic) || Span::between(since, self.now) > longest.unwrap_or(Span::ZERO);
        seen && survey.clusters_needed(&service.id).iter().all(|cluster| self.is_cluster_settled(&cluster.id))
    }
    fn is_cluster_settled(&self, id: &ClusterId) -> bool {
        let (Some((cluster, view)), Some(since)) = (self.cluster(id), self.observed.since) else {
            return false;
        };
        let known = |judgement: Option<&Judgement>| judgement.is_some_and(|judgement| judgement.health != Health::Unknown);
        let nodes = view.nodes.iter().all(|node| known(Some(&node.judgement)));
        let router = cluster.router.is_none() || known(self.observed.routers.get(id));
        let mut regions = cluster.nodes.iter().filter_map(|node| self.estate.region(&node.region)).filter(|region| region.agent.is_some());
        let agents = regions.all(|region| known(self.observed.agents.get(&region.id)));
        let patroni = cluster.manager == Manager::Lifeboat || known(self.observed.patroni.get(id).map(|view| &view.judgement));
        let asked = |pooler: &Pooler| known(self.observed.poolers.get(&(id.clone(), pooler.id.clone())).map(|view| &view.judgement));
        let poolers = cluster.poolers.iter().all(asked);
        (nodes && router && patroni && agents && poolers) || Span::between(since, self.now) > self.estate.detection_of(cluster).window()
    }
    /// How a backup policy stands.
    pub fn backups_stand(&self, policy: &BackupPolicy) -> BackupStanding<'_> {
        backup_health::judge(policy, self.records.backups.of(&policy.id), self.observed.backups.times.get(&policy.id), self.now)
    }
    /// Everything wrong with the estate and its state, worst first.
    pub fn findings(&self) -> Vec<Finding> {
        findings::all(self)
    }

    /// The plan for `kind` as it would be made now. For a rejoin `node` is the node that is to follow, and must be given;
    /// for the others it is the wished target, or `None` for the best one. `None` where the cluster does not exist.
    pub fn plan(&self, kind: OperationKind, cluster: &ClusterId, node: Option<&NodeId>) -> Option<Plan> {
        let plan = self.outline(kind, cluster, node)?;
        let affected = dependencies::affected_by(&self.estate, &self.estate.cluster(cluster)?.service);
        Some(self.for_people(Plan { affected, ..plan }))
    }
    /// The failover of a cluster as the product would carry it out by itself, without the services that depend on the cluster: all
    /// that a decision needs.
    pub(crate) fn failover_by_itself(&self, cluster: &ClusterId, node: Option<&NodeId>) -> Option<Plan> {
        self.with_facts(cluster, |facts| Some(planning::failover_by_itself(facts, node)))
    }
    /// The plan of `plan` without the services that depend on the cluster.
    pub(crate) fn outline(&self, kind: OperationKind, cluster: &ClusterId, node: Option<&NodeId>) -> Option<Plan> {
        self.with_facts(cluster, |facts| match kind {
            OperationKind::Switchover => Some(planning::switchover(facts, node)),
            OperationKind::Failover => Some(planning::failover(facts, node)),
            OperationKind::Rejoin => Some(planning::rejoin(facts, node?)),
            OperationKind::Reroute => Some(planning::reroute(facts)),
            OperationKind::RegionFailover | OperationKind::Failback | OperationKind::Evacuation | OperationKind::Restore => None,
        })
    }
    fn with_facts(&self, cluster: &ClusterId, plan: impl FnOnce(Facts<'_>) -> Option<Plan>) -> Option<Plan> {
        let (cluster, view) = self.cluster(cluster)?;
        let agent = |node: &NodeId| self.agent_answers(cluster, node);
        let fence = |node: &NodeId| self.fence_of(cluster, node);
        let pooler = |pooler: &PoolerId| self.pooler_answers(cluster, pooler);
        let poolers_right = |node: &NodeId| self.poolers_lead_to(cluster, node);
        let router = self.observed.routers.get(&cluster.id);
        let survey = Survey::of(self);
        let shut = |region: &RegionId| match survey.shut(region)? {
            Shut::UnderMaintenance(held) => Some(Exclusion::UnderMaintenance { region: region.clone(), reason: held.reason.clone() }),
            Shut::BeingEvacuated(_) => Some(Exclusion::BeingEvacuated(region.clone())),
        };
        let facts = Facts {
            estate: &self.estate,
            cluster,
            view,
            agents: &agent,
            fences: &fence,
            shut: &shut,
            poolers: &pooler,
            poolers_right: &poolers_right,
            router: match router {
                Some(judgement) if judgement.health == Health::Ok => Ok(()),
                Some(judgement) => Err(&judgement.why),
                None => Err("it was never asked"),
            },
            promoted: survey.promoted(&cluster.id),
            patroni: self.observed.patroni.get(&cluster.id),
            now: self.now,
        };
        plan(facts).map(|plan| self.under_rules(plan))
    }

    /// The plan that sends the clients of `service` to `to`, or where they should go. `None` where there is no such service.
    pub fn traffic_plan(&self, service: &ServiceId, mode: Mode, to: Option<&BTreeSet<RegionId>>) -> Option<Plan> {
        traffic::plan(self, service, mode, to).map(|plan| self.for_people(self.under_rules(plan)))
    }

    /// The plan with what people pass over by asking for it. What only rehearses or mends is held back by nothing of that kind.
    fn for_people(&self, mut plan: Plan) -> Plan {
        if plan.mode() != Mode::Test && !plan.kind.mends() {
            plan.passed_over = automation::passed_over(self, &plan.scope());
        }
        plan
    }

    /// The plan that empties `region`. `None` where there is no such region.
    pub fn evacuation_plan(&self, region: &RegionId, mode: Mode) -> Option<Plan> {
        evacuation::plan(self, region, mode).map(|plan| self.under_rules(plan))
    }

    /// The plan that restores a backup into a new folder. `None` where there is no such backup.
    pub fn restore_plan(&self, wish: &RestoreWish) -> Option<Plan> {
        restore::plan(self, wish).map(|plan| self.under_rules(plan))
    }

    /// The plan with the rules that stand in its way whatever it does: master switch, blackout windows, stopped tests.
    pub(crate) fn under_rules(&self, mut plan: Plan) -> Plan {
        let mode = plan.mode();
        let moves = !matches!(plan.kind, OperationKind::Rejoin | OperationKind::Restore) && mode != Mode::Test;
        if let Some(held) = self.records.held(&Restraint::MasterSwitch, self.now).filter(|_| moves) {
            plan.blockers.push(Blocker::MasterSwitchOff { by: held.by.to_string(), since: held.since, reason: held.reason.clone() });
        }
        // An emergency in which nothing fails is a planned move by another name.
        let is_pretended = plan.blockers.iter().any(|blocker| matches!(blocker, Blocker::NothingFails { .. } | Blocker::PrimaryHealthy { .. }));
        let is_exempt = plan.kind.mends() || (mode == Mode::Emergency && !is_pretended);
        if let Some(window) = self.estate.blackout_at(self.now).filter(|_| !is_exempt) {
            plan.blockers.push(Blocker::Blackout { until: window.until, reason: window.reason.clone() });
        }
        if let Some(held) = self.records.held(&Restraint::Tests, self.now).filter(|_| mode == Mode::Test) {
            plan.blockers.push(Blocker::TestsStopped { by: held.by.to_string(), since: held.since, reason: held.reason.clone() });
        }
        plan
    }

    /// The plan of an existing operation, made anew from the present facts.
    pub fn replan(&self, operation: &Operation) -> Option<Plan> {
        match &operation.plan.change {
            Change::Database(change) if change.unattended => {
                let plan = self.failover_by_itself(&change.cluster, change.target.as_ref())?;
                let affected = dependencies::affected_by(&self.estate, &self.estate.cluster(&change.cluster)?.service);
                Some(Plan { affected, ..plan })
            }
            Change::Database(change) => {
                let node = if operation.plan.kind == OperationKind::Rejoin { change.source.as_ref() } else { change.target.as_ref() };
                self.plan(operation.plan.kind, &change.cluster, node)
            }
            Change::Traffic(change) => {
                let plan = self.traffic_plan(&change.service, change.mode, Some(&change.to))?;
                Some(if operation.parent.is_some() { plan.into_part() } else { plan })
            }
            Change::Evacuation(change) => self.evacuation_plan(&change.region, change.mode),
            Change::Restore(change) => self.restore_plan(&change.wish()),
        }
    }

    /// Maintenance announced for a region, as long as it is in force.
    pub fn maintenance_of_region(&self, region: &RegionId) -> Option<&Held> {
        self.records.held(&Restraint::Maintenance(Scope::Region(region.clone())), self.now)
    }

    /// When the last evacuation of a region ended, unless somebody has taken note of that.
    pub fn evacuated_at(&self, region: &RegionId) -> Option<Instant> {
        Survey::of(self).evacuated_at(region)
    }

    /// Whether everything of `scope` that is looked at is known to be well: silence is no recovery.
    pub fn is_well(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Service(id) => self.estate.service(id).is_some_and(|service| self.is_service_well(service)),
            Scope::Cluster(id) => {
                self.cluster(id).is_some_and(|(_, view)| view.writable().len() == 1 && view.primary().is_some_and(|node| node.judgement.is_ok()))
            }
            Scope::Region(id) => {
                let mut healths = healths(&self.estate, &self.observed, id).peekable();
                healths.peek().is_some() && healths.all(|health| health == Health::Ok)
            }
            Scope::Backup(id) => self.estate.backup_policy(id).is_some_and(|policy| self.backups_stand(policy).freshness == Freshness::Ok),
        }
    }
    /// Whether a service is known to be well wherever its clients are sent; without traffic, wherever it is probed.
    pub(crate) fn is_service_well(&self, service: &Service) -> bool {
        let is_well = |region: &RegionId| traffic::health_in(self, &service.id, region).is_some_and(Judgement::is_ok);
        if service.traffic.is_some() {
            self.clients_of(&service.id).is_some_and(|seen| !seen.regions.is_empty() && seen.regions.iter().all(is_well))
        } else {
            !service.endpoints.is_empty() && service.endpoints.iter().all(|endpoint| is_well(&endpoint.region))
        }
    }
    /// Where clients of a service are sent, as far as that is known: read by what answers, and since we moved them last.
    fn clients_of(&self, service: &ServiceId) -> Option<&SeenOn> {
        let view = self.observed.traffic.get(service).filter(|view| view.judgement.is_ok())?;
        let moved = self.records.routes.get(service).filter(|route| route.by.is_some());
        view.on.as_ref().filter(|seen| moved.is_none_or(|route| seen.at > route.since))
    }
    /// Whether anything that is probed in a region is known to answer.
    pub(crate) fn answers_in(&self, region: &RegionId) -> bool {
        healths(&self.estate, &self.observed, region).any(|health| matches!(health, Health::Ok | Health::Degraded))
    }
    /// What the newest probe of a service in a region complained about; `None` where it was good or there was none.
    pub fn last_complaint(&self, service: &ServiceId, region: &RegionId) -> Option<&str> {
        let view = self.observed.endpoints.get(&(service.clone(), region.clone()))?;
        view.last.as_ref()?.outcome.said()
    }
    /// What is wrong with a cluster right now, the newest probe included: why services that need it may fail.
    pub(crate) fn trouble_of_cluster(&self, id: &ClusterId) -> Option<String> {
        let (_, view) = self.cluster(id)?;
        let Some(primary) = view.primary() else { return Some("no node was ever seen as primary".to_owned()) };
        if view.writable().len() != 1 {
            return Some(format!("{} nodes take writes; {} is {}", view.writable().len(), primary.node, primary.judgement.health));
        }
        let complaint = primary.last_attempt.as_ref().and_then(|(_, complaint)| complaint.clone());
        complaint.map(|complaint| format!("the last probe of {}, the primary, was not good: {complaint}", primary.node))
    }
    /// Whether anything that still counts as well failed its newest probe: its verdict may change with the next one.
    pub fn is_settling(&self) -> bool {
        let endpoints = self.observed.endpoints.values().any(|view| view.judgement.is_ok() && view.last.as_ref().is_some_and(|last| !last.is_good()));
        let complains = |node: &NodeView| node.last_attempt.as_ref().is_some_and(|(_, complaint)| complaint.is_some());
        endpoints || self.observed.clusters.values().flat_map(|view| &view.nodes).any(|node| node.judgement.is_ok() && complains(node))
    }
    /// What counts as down in a region and was seen well there just now; the first of it, where there is more.
    pub(crate) fn comes_back_in(&self, region: &RegionId) -> Option<String> {
        let endpoints = self.observed.endpoints.iter();
        let mut services = endpoints.filter(|((_, of), view)| of == region && view.coming_back).map(|((service, _), _)| service.to_string());
        let is_back = |node: &&NodeView| {
            node.region == *region
                && node.judgement.health == Health::Down
                && node.last_attempt.as_ref().is_some_and(|(_, complaint)| complaint.is_none())
        };
        let mut nodes = self.observed.clusters.values().flat_map(|view| &view.nodes).filter(is_back).map(|node| node.node.to_string());
        services.next().or_else(|| nodes.next()).map(|what| format!("{what} in {region}"))
    }
    /// Whether anything in a region counts as down on the word of an observer that saw nothing else answer.
    pub(crate) fn is_doubtful_in(&self, region: &RegionId) -> bool {
        self.observed.doubtful.iter().any(|subject| match subject {
            Subject::Endpoint { region: of, .. } | Subject::Agent { region: of } => of == region,
            Subject::Node { cluster, node } => {
                self.estate.cluster(cluster).and_then(|cluster| cluster.node(node)).is_some_and(|node| &node.region == region)
            }
            Subject::Router { .. } | Subject::Patroni { .. } | Subject::Pooler { .. } | Subject::Traffic { .. } => false,
        })
    }
    /// Whether a service counts as down in a region and was seen well there just now.
    pub(crate) fn is_coming_back(&self, service: &ServiceId, region: &RegionId) -> bool {
        self.observed.endpoints.get(&(service.clone(), region.clone())).is_some_and(|view| view.coming_back)
    }
    /// Whether the verdict on a service in a region changes back and forth.
    pub fn is_flapping(&self, service: &ServiceId, region: &RegionId) -> bool {
        self.observed.endpoints.get(&(service.clone(), region.clone())).is_some_and(|view| view.flapping)
    }

    fn pooler_answers(&self, cluster: &Cluster, pooler: &PoolerId) -> Result<(), String> {
        let seen = self.observed.poolers.get(&(cluster.id.clone(), pooler.clone())).ok_or("it was never asked")?;
        seen.now_says(&self.estate.detection_of(cluster), self.now).map(|_| ())
    }
    /// Whether no pooler is seen to keep its clients waiting, or to lead them elsewhere. One that is silent is complained of by itself.
    pub fn poolers_lead_to(&self, cluster: &Cluster, node: &NodeId) -> bool {
        let rule = self.estate.detection_of(cluster);
        let right = |pooler: &Pooler| {
            let said = self.observed.poolers.get(&(cluster.id.clone(), pooler.id.clone())).and_then(|seen| seen.now_says(&rule, self.now).ok());
            said.is_none_or(|said| !said.paused && (pooler.follows == Follows::Router || said.leads_to.as_ref() == Some(node)))
        };
        cluster.poolers.iter().all(right)
    }
    fn agent_answers(&self, cluster: &Cluster, node: &NodeId) -> Result<(), String> {
        let node = cluster.node(node).ok_or("the node is not part of the cluster")?;
        let region = self.estate.region(&node.region).ok_or_else(|| format!("the region {} is not declared", node.region))?;
        if region.agent.is_none() {
            return Err(format!("no host agent is set up in {}", region.id));
        }
        match self.observed.agents.get(&region.id) {
            Some(judgement) if judgement.health == Health::Ok => Ok(()),
            Some(judgement) => Err(judgement.why.clone()),
            None => Err("it was never asked".to_owned()),
        }
    }
}
