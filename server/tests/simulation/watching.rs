//! What the dashboard sees of the world, and when: probes at their intervals, answers that take their time and come out of
//! order, verdicts by the product's own rules. The server's board does the same with real probes.

use crate::{
    dice::Dice,
    postgres::Life,
    stage::Stage,
    world::{Lie, Place, Service, World},
};
use engine::{
    automation,
    databases::{ClusterView, Details, HostReading, HostState, NodeReading, NodeView, RoutedTo},
    estate::{Detection, Estate},
    health::{Health, Judgement, Outcome, Panel, Sample, Sight, Sights, failed_regions},
    id::{NodeId, ObserverId, RegionId},
    journal::{Actor, Event, Subject},
    noticing,
    picture::{EndpointView, Observations, ObserverView, SeenOn, TrafficView},
    poolers::{PoolerReading, PoolerView},
    time::{Instant, Span},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

struct Target {
    rule: Detection,
    panel: Panel,
    recorded: Option<Health>,
    due: Instant,
}

/// What one probe saw beside the sample.
enum Seen {
    Nothing,
    Node(Option<Box<NodeReading>>),
    Hosts(Vec<(NodeId, HostState)>),
    Routed(Vec<NodeId>),
    Pooler(PoolerReading),
    Regions(BTreeSet<RegionId>),
}

struct Sighting {
    arrives: Instant,
    of: Subject,
    sample: Sample,
    seen: Seen,
}

/// See the module.
pub struct Board {
    observed: Observations,
    targets: BTreeMap<Subject, Target>,
    sights: Sights,
    on_their_way: Vec<Sighting>,
}

impl Board {
    /// A board on which everything is unknown but the readings that `before` kept.
    pub fn new(estate: &Estate, before: Option<&Observations>, dice: &mut Dice, now: Instant) -> Self {
        let mut observed = Observations { since: Some(now), judged_at: Some(now), ..Observations::default() };
        observed.observers.insert(ObserverId::server(), ObserverView::new(None));
        for cluster in &estate.clusters {
            let kept = |node: &NodeId| before?.clusters.get(&cluster.id)?.node(node)?.reading.clone();
            let nodes = cluster.nodes.iter().map(|node| NodeView {
                node: node.id.clone(),
                region: node.region.clone(),
                declared: node.role,
                promotable: node.promotable,
                judgement: Judgement::never_measured(),
                reading: kept(&node.id),
                last_attempt: None,
                host: None,
                details: Details::default(),
            });
            let view = ClusterView { cluster: cluster.id.clone(), nodes: nodes.collect(), failed_regions: BTreeSet::new(), routed_to: None };
            observed.clusters.insert(cluster.id.clone(), view);
        }
        let mut targets = BTreeMap::new();
        let mut watch = |subject: Subject, rule: Detection| {
            let due = now + dice.millis(0, rule.interval.as_millis()).as_delta();
            targets.insert(subject, Target { rule, panel: Panel::of_server(), recorded: None, due });
        };
        for cluster in &estate.clusters {
            for node in &cluster.nodes {
                watch(Subject::Node { cluster: cluster.id.clone(), node: node.id.clone() }, estate.detection_of(cluster));
            }
            watch(Subject::Router { cluster: cluster.id.clone() }, estate.detection_of(cluster));
            for pooler in &cluster.poolers {
                watch(Subject::Pooler { cluster: cluster.id.clone(), pooler: pooler.id.clone() }, estate.detection_of(cluster));
            }
        }
        for region in estate.regions.iter().filter(|region| region.agent.is_some()) {
            watch(Subject::Agent { region: region.id.clone() }, estate.detection);
        }
        for service in estate.services.iter().filter(|service| service.traffic.is_some()) {
            watch(Subject::Traffic { service: service.id.clone() }, estate.detection);
            for endpoint in &service.endpoints {
                let subject = Subject::Endpoint { service: service.id.clone(), region: endpoint.region.clone() };
                watch(subject, estate.detection_at(service, endpoint));
            }
        }
        let sights = [(ObserverId::server(), Sight::new(estate.detection.silence()))].into();
        Self { observed, targets, sights, on_their_way: Vec::new() }
    }

    /// Sends the probes that are due, and takes in what has arrived.
    pub fn probe(&mut self, stage: &Stage, dice: &mut Dice) {
        let now = stage.now();
        let mut world = stage.world();
        for (subject, target) in &mut self.targets {
            if target.due > now {
                continue;
            }
            target.due = now + target.rule.interval.as_delta() + dice.millis(0, 40).as_delta();
            let (outcome, seen) = look(&mut world, subject, now);
            // One in a while takes long enough to come behind the next.
            let took = if dice.permille(20) { dice.millis(500, target.rule.interval.as_millis() + 2_000) } else { dice.millis(1, 90) };
            let timed_out = took > target.rule.timeout && matches!(subject, Subject::Endpoint { .. });
            let outcome = if timed_out { Outcome::Failed("timed out".to_owned()) } else { outcome };
            self.on_their_way.push(Sighting { arrives: now + took.as_delta(), of: subject.clone(), sample: Sample { at: now, took, outcome }, seen });
        }
        drop(world);
        let (arrived, rest) = std::mem::take(&mut self.on_their_way).into_iter().partition(|sighting| sighting.arrives <= now);
        self.on_their_way = rest;
        for sighting in Vec::from_iter::<Vec<Sighting>>(arrived) {
            self.take_in(sighting);
        }
    }

    fn take_in(&mut self, Sighting { of, sample, seen, .. }: Sighting) {
        match (&of, seen) {
            (Subject::Node { cluster, node }, Seen::Node(reading)) => {
                let view = self.observed.clusters.get_mut(cluster).and_then(|view| view.nodes.iter_mut().find(|view| view.node == *node));
                if let Some(view) = view {
                    view.last_attempt = Some((sample.at, sample.outcome.said().map(str::to_owned)));
                    view.reading = reading.map(|reading| *reading).or(view.reading.take());
                }
            }
            (Subject::Agent { .. }, Seen::Hosts(hosts)) => {
                for (node, state) in hosts {
                    for view in self.observed.clusters.values_mut().flat_map(|view| &mut view.nodes).filter(|view| view.node == node) {
                        view.host = Some(HostReading { at: sample.at, state });
                    }
                }
            }
            (Subject::Router { cluster }, Seen::Routed(nodes)) => {
                if let Some(view) = self.observed.clusters.get_mut(cluster) {
                    view.routed_to = Some(RoutedTo { at: sample.at, nodes });
                }
            }
            (Subject::Pooler { cluster, pooler }, Seen::Pooler(said)) => {
                self.observed.poolers.get_or_insert_with((cluster.clone(), pooler.clone()), PoolerView::never_asked).said = Some(said);
            }
            (Subject::Traffic { service }, seen) => {
                let unseen = || TrafficView { judgement: Judgement::never_measured(), on: None };
                let view = self.observed.traffic.get_or_insert_with(service.clone(), unseen);
                if let Seen::Regions(regions) = seen {
                    view.on = Some(SeenOn { at: sample.at, regions });
                }
            }
            (Subject::Endpoint { service, region }, _) => {
                self.observed.endpoints.get_or_insert_with((service.clone(), region.clone()), EndpointView::unseen).last = Some(sample.clone());
            }
            _ => {}
        }
        let server = ObserverId::server();
        if crosses_the_network(&of) {
            let regained = self.sights.get_mut(&server).and_then(|sight| sight.take_in(&sample));
            if let Some(since) = regained {
                let others = self.targets.iter_mut().filter(|(subject, _)| crosses_the_network(subject));
                others.for_each(|(_, target)| target.panel.forget_before(&server, since));
            }
            if let Some(view) = self.observed.observers.get_mut(&server) {
                view.reported = view.reported.max(Some(sample.at));
            }
        }
        if let Some(target) = self.targets.get_mut(&of) {
            target.panel.push(&server, sample);
        }
    }

    /// Judges everything, puts it up, and has the journal say what follows.
    pub fn judge(&mut self, stage: &Arc<Stage>) {
        let now = stage.now();
        self.observed.judged_at = Some(now);
        self.observed.tick += 1;
        for (id, view) in &mut self.observed.observers {
            view.blind_since = self.sights.get(id).and_then(|sight| sight.blind_since(now));
        }
        for (subject, target) in self.targets.iter_mut().filter(|(_, target)| target.panel.is_due(now)) {
            put(&mut self.observed, &self.sights, subject, target, now);
        }
        let failed = failed_regions(&stage.estate, &self.observed);
        self.observed.clusters.values_mut().for_each(|view| view.failed_regions.clone_from(&failed));
        stage.put_up(self.observed.clone());
        let verdicts = self.changed_verdicts();
        let picture = stage.picture_for_the_product();
        let seen = verdicts.iter().map(|(event, ..)| event.clone()).chain(noticing::changes(&picture));
        let events: Vec<Event> = seen.chain(automation::act(&picture, || stage.new_id())).collect();
        if stage.write(&Actor::Lifeboat, &events) {
            for (_, subject, health) in verdicts {
                self.targets.entry(subject).and_modify(|target| target.recorded = Some(health));
            }
        }
    }

    fn changed_verdicts(&mut self) -> Vec<(Event, Subject, Health)> {
        let mut changed = Vec::new();
        for (subject, target) in &mut self.targets {
            let judgement = target.panel.judgement();
            match (target.recorded, judgement.health) {
                (None, Health::Unknown) => continue,
                (None, Health::Ok) => target.recorded = Some(Health::Ok),
                (Some(recorded), health) if recorded == health => {}
                (from, to) => {
                    let from = from.unwrap_or(Health::Unknown);
                    let event = Event::HealthChanged { of: subject.clone(), from, to, since: judgement.since, why: judgement.why.clone() };
                    changed.push((event, subject.clone(), to));
                }
            }
        }
        changed
    }
}

fn put(observed: &mut Observations, sights: &Sights, subject: &Subject, target: &mut Target, now: Instant) {
    let judgement = target.panel.judge(&target.rule, sights, now).clone();
    if target.panel.is_doubtful() && crosses_the_network(subject) {
        observed.doubtful.insert(subject.clone());
    } else {
        observed.doubtful.remove(subject);
    }
    match subject {
        Subject::Node { cluster, node } => {
            let view = observed.clusters.get_mut(cluster).and_then(|view| view.nodes.iter_mut().find(|view| view.node == *node));
            view.into_iter().for_each(|view| view.judgement = judgement.clone());
        }
        Subject::Endpoint { service, region } => {
            let view = observed.endpoints.get_or_insert_with((service.clone(), region.clone()), EndpointView::unseen);
            (view.judgement, view.flapping) = (judgement, target.panel.is_flapping(&target.rule, now));
            view.coming_back = target.panel.is_coming_back();
        }
        Subject::Traffic { service } => {
            let unseen = || TrafficView { judgement: Judgement::never_measured(), on: None };
            observed.traffic.get_or_insert_with(service.clone(), unseen).judgement = judgement;
        }
        Subject::Router { cluster } => {
            if judgement.health != Health::Ok
                && let Some(view) = observed.clusters.get_mut(cluster)
            {
                view.routed_to = None;
            }
            observed.routers.insert(cluster.clone(), judgement);
        }
        Subject::Pooler { cluster, pooler } => {
            observed.poolers.get_or_insert_with((cluster.clone(), pooler.clone()), PoolerView::never_asked).judgement = judgement;
        }
        // In this world Lifeboat runs every cluster.
        Subject::Patroni { .. } => {}
        Subject::Agent { region } => {
            observed.agents.insert(region.clone(), judgement);
        }
    }
}

/// What a probe finds at this moment.
fn look(world: &mut World, subject: &Subject, now: Instant) -> (Outcome, Seen) {
    let failed = |why: &str| Outcome::Failed(why.to_owned());
    match subject {
        Subject::Node { cluster, node } => {
            let truth = world.read(cluster, node, now);
            let said = match world.lies.get_mut(node) {
                None => truth,
                Some(Lie::Dead) => Err("connection refused".to_owned()),
                Some(Lie::Healthy(kept)) => match kept.as_ref().map(|kept| (**kept).clone()).or_else(|| truth.clone().ok()) {
                    Some(reading) => {
                        *kept = Some(Box::new(reading.clone()));
                        Ok(NodeReading { at: now, ..reading })
                    }
                    None => truth,
                },
            };
            match said {
                Ok(reading) => (Outcome::Good, Seen::Node(Some(Box::new(reading)))),
                Err(why) => (Outcome::Failed(why), Seen::Node(None)),
            }
        }
        Subject::Endpoint { service, region } => match world.answer(service, region) {
            Ok(Service::Well) => (Outcome::Good, Seen::Nothing),
            Ok(_) => (Outcome::Complaint("503".to_owned()), Seen::Nothing),
            Err(why) => (Outcome::Failed(why), Seen::Nothing),
        },
        Subject::Agent { region } => {
            if !world.reaches_region(&Place::Dashboard, region) || world.hosts[region].agent_gone {
                return (failed("timed out"), Seen::Hosts(Vec::new()));
            }
            let state = |life: Life| match life {
                Life::Up => HostState::Running,
                Life::Hung => HostState::Hung,
                Life::Gone => HostState::Gone,
            };
            let nodes = world.clusters.values().flat_map(|cluster| &cluster.nodes);
            let hosts = nodes.filter(|(_, node)| node.region == *region).map(|(id, node)| (id.clone(), state(node.life)));
            (Outcome::Good, Seen::Hosts(hosts.collect()))
        }
        Subject::Router { cluster } => match world.cluster(cluster) {
            silent if silent.router_silent => (failed("no answer"), Seen::Nothing),
            cluster => (Outcome::Good, Seen::Routed(cluster.route.iter().cloned().collect())),
        },
        Subject::Patroni { .. } => (failed("nobody runs Patroni here"), Seen::Nothing),
        Subject::Pooler { cluster, pooler } => {
            if !world.hears_of_pooler(cluster, pooler) {
                return (failed("timed out"), Seen::Nothing);
            }
            let until = world.cluster(cluster).poolers[pooler].1.filter(|until| *until > now);
            let said = PoolerReading {
                at: now,
                version: "PgBouncer 1.18.0".to_owned(),
                paused: until.is_some(),
                paused_until: until,
                connects_to: "127.0.0.1:7".to_owned(),
                leads_to: None,
                clients_waiting: 0,
                longest_wait: Span::ZERO,
            };
            (Outcome::Good, Seen::Pooler(said))
        }
        Subject::Traffic { service } => match &world.controls[service] {
            control if control.silent => (failed("no answer"), Seen::Nothing),
            control => (Outcome::Good, Seen::Regions(control.on.clone())),
        },
    }
}

fn crosses_the_network(subject: &Subject) -> bool {
    matches!(subject, Subject::Node { .. } | Subject::Endpoint { .. } | Subject::Agent { .. })
}

/// How often the dashboard looks at all of it again.
pub const LOOK_AGAIN: Span = Span::from_secs(2);
