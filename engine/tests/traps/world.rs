//! A small platform to bend: one cluster of three nodes in two regions, healthy unless a test says otherwise, and a
//! journal that seals, walks and applies what is decided.

use engine::{
    access::Role,
    databases::{ClusterView, Details, HostReading, HostState, Lsn, NodeReading, NodeRole, NodeView, Peer, RoutedTo},
    estate::{Cluster, Estate},
    failover::{Action, OperationKind, Plan, StepState},
    health::{Health, Judgement, Outcome, Sample},
    id::{AccountName, ClusterId, NodeId, OperationId},
    journal::{
        Actor, Command, Event, Records, Refusal,
        chain::{GENESIS, Stored, Walk, seal},
        decide,
    },
    picture::{EndpointView, Observations, Picture},
    time::{Instant, Span},
};
use std::{collections::BTreeSet, sync::Arc};

pub const EAST: &str = "pg-primary-east";
pub const REPLICA: &str = "pg-replica-east";
pub const WEST: &str = "pg-standby-west";

pub fn now() -> Instant {
    "2026-01-02T03:04:05.000Z".parse().unwrap()
}
pub fn ago(secs: u64) -> Instant {
    now() - Span::from_secs(secs).as_delta()
}
pub fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}
pub fn judged(health: Health, since: Instant, why: &str) -> Judgement {
    Judgement { health, since: Some(since), why: why.to_owned() }
}
pub fn good(at: Instant) -> Sample {
    Sample { at, took: Span::from_millis(2), outcome: Outcome::Good }
}
pub fn failed(at: Instant) -> Sample {
    Sample { at, took: Span::from_millis(2), outcome: Outcome::Failed("connection refused".to_owned()) }
}
pub fn complaining(at: Instant) -> Sample {
    Sample { at, took: Span::from_millis(2), outcome: Outcome::Complaint("503: warming up".to_owned()) }
}

const ESTATE: &str = r#"
name = "test platform"
[[region]]
id = "us-east-1"
name = "US East"
agent = "http://127.0.0.1:1"
[[region]]
id = "us-west-2"
name = "US West"
agent = "http://127.0.0.1:2"
[[strategy]]
id = "database-tier"
kind = "active-passive"
primary_region = "us-east-1"
recovery_regions = ["us-west-2"]
failover = "semi-automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "5s"
[[service]]
id = "api"
tier = 1
rto = "30m"
rpo = "5m"
mtpd = "4h"
depends_on = ["user-database"]
data_class = "standard"
[[service.endpoint]]
region = "us-east-1"
target = "http://127.0.0.1:3/health"
[[service.endpoint]]
region = "us-west-2"
target = "http://127.0.0.1:4/health"
[[service]]
id = "user-database"
tier = 1
rto = "30m"
rpo = "1m"
mtpd = "4h"
data_class = "sensitive"
[[cluster]]
id = "users"
service = "user-database"
database = "users"
strategy = "database-tier"
router = { socket = "/run/haproxy.sock", backend = "users", address = "127.0.0.1:5432" }
[[cluster.node]]
id = "pg-primary-east"
region = "us-east-1"
host = "127.0.0.1"
port = 5432
role = "primary"
[[cluster.node]]
id = "pg-replica-east"
region = "us-east-1"
host = "127.0.0.1"
port = 5433
role = "replica"
[[cluster.node]]
id = "pg-standby-west"
region = "us-west-2"
host = "127.0.0.1"
port = 5434
role = "standby"
"#;

#[derive(Clone)]
pub struct World {
    pub estate: Estate,
    pub observed: Observations,
    pub records: Records,
    pub journal_break: Option<String>,
    pub read_only: bool,
}

impl World {
    /// All is well: the east writes on timeline 1, both others stream and hold everything.
    pub fn healthy() -> Self {
        let estate = Estate::from_toml(ESTATE).unwrap();
        let ok = || judged(Health::Ok, ago(600), "the last probe was good");
        let mut observed = Observations::default();
        let cluster = &estate.clusters[0];
        let nodes = cluster.nodes.iter().map(|node| NodeView {
            node: node.id.clone(),
            region: node.region.clone(),
            declared: node.role,
            promotable: node.promotable,
            judgement: ok(),
            reading: Some(NodeReading {
                at: ago(1),
                role: if node.id.as_str() == EAST { primary(0x1000, &[REPLICA, WEST]) } else { standby(0x1000) },
                system_identifier: "7300000000000000001".to_owned(),
                timeline: 1,
                version: "15.18".to_owned(),
                read_only: false,
                connections: 5,
                connections_max: 100,
                manager_seen: None,
                waits_for: None,
                cascade: Vec::new(),
            }),
            last_attempt: Some((ago(1), None)),
            host: Some(HostReading { at: ago(1), state: HostState::Running }),
            details: Details::default(),
        });
        let view = ClusterView {
            cluster: cluster.id.clone(),
            nodes: nodes.collect(),
            failed_regions: BTreeSet::new(),
            routed_to: Some(RoutedTo { at: ago(1), nodes: vec![id(EAST)] }),
        };
        observed.clusters.insert(cluster.id.clone(), view);
        observed.routers.insert(cluster.id.clone(), ok());
        for region in &estate.regions {
            observed.agents.insert(region.id.clone(), ok());
            observed
                .endpoints
                .insert((id("api"), region.id.clone()), EndpointView { judgement: ok(), last: Some(good(ago(1))), ..EndpointView::unseen() });
        }
        Self { estate, observed, records: Records::default(), journal_break: None, read_only: false }
    }

    pub fn picture(&self) -> Picture {
        Picture {
            now: now(),
            estate: Arc::new(self.estate.clone()),
            observed: Arc::new(self.observed.clone()),
            records: Arc::new(self.records.clone()),
            journal_break: self.journal_break.clone(),
            read_only: self.read_only,
        }
    }
    pub fn cluster(&self) -> &Cluster {
        &self.estate.clusters[0]
    }
    pub fn view(&mut self) -> &mut ClusterView {
        self.observed.clusters.get_mut(&id::<ClusterId>("users")).unwrap()
    }
    pub fn node(&mut self, node: &str) -> &mut NodeView {
        self.view().nodes.iter_mut().find(|view| view.node.as_str() == node).unwrap()
    }
    pub fn reading(&mut self, node: &str) -> &mut NodeReading {
        self.node(node).reading.as_mut().unwrap()
    }
    pub fn position(&mut self, node: &str, lsn: u64) {
        match &mut self.reading(node).role {
            NodeRole::Primary { flushed, .. } => *flushed = Lsn(lsn),
            NodeRole::Standby { received, replayed, .. } => (*received, *replayed) = (Lsn(lsn), Lsn(lsn)),
        }
    }
    /// `node` is synchronous, and the only other peer of the primary is as `others` says.
    pub fn synchronous(&mut self, node: &str) {
        if let NodeRole::Primary { peers, .. } = &mut self.reading(EAST).role {
            for peer in peers {
                peer.synchronous = peer.name == node;
            }
        }
    }
    pub fn alone(&mut self, node: &str) {
        if let NodeRole::Primary { peers, .. } = &mut self.reading(EAST).role {
            peers.retain(|peer| peer.name == node);
        }
    }
    /// The node failed 20 s ago: last read a second earlier.
    pub fn down(&mut self, node: &str) {
        self.reading(node).at = ago(21);
        self.node(node).judgement = judged(Health::Down, ago(20), "3 of the last 3 probes failed, latest: connection refused");
        self.node(node).last_attempt = Some((ago(1), Some("connection refused".to_owned())));
        self.node(node).host = Some(HostReading { at: ago(1), state: HostState::Gone });
    }
    pub fn agent_silent(&mut self, region: &str) {
        self.observed.agents.insert(id(region), judged(Health::Down, ago(20), "timed out"));
    }
    /// Everything in the east is gone, the agent too.
    pub fn lose_east(&mut self) {
        self.down(EAST);
        self.down(REPLICA);
        self.node(EAST).host = None;
        self.node(REPLICA).host = None;
        self.agent_silent("us-east-1");
        self.observed.endpoints.get_mut(&(id("api"), id("us-east-1"))).unwrap().judgement = judged(Health::Down, ago(20), "timed out");
        let failed = engine::health::failed_regions(&self.estate, &self.observed);
        self.view().failed_regions = failed;
    }
    /// What the cluster looks like after the west took over on timeline 2: the old primary is back and writes on timeline 1.
    pub fn west_took_over(&mut self) {
        let reading = self.reading(WEST);
        reading.timeline = 2;
        reading.role = primary(0x2000, &[]);
        self.view().routed_to = Some(RoutedTo { at: ago(1), nodes: vec![id(WEST)] });
    }
    pub fn plan(&self, kind: OperationKind, node: Option<&str>) -> Plan {
        self.picture().plan(kind, &id("users"), node.map(id).as_ref()).unwrap()
    }
}

pub fn primary(flushed: u64, peers: &[&str]) -> NodeRole {
    let peer = |name: &&str| Peer {
        name: (*name).to_owned(),
        streaming: true,
        synchronous: false,
        flushed: Some(Lsn(flushed)),
        replayed: Some(Lsn(flushed)),
        replay_lag: None,
    };
    NodeRole::Primary { flushed: Lsn(flushed), peers: peers.iter().map(peer).collect() }
}
pub fn standby(position: u64) -> NodeRole {
    NodeRole::Standby {
        received: Lsn(position),
        replayed: Lsn(position),
        streaming_from: Some("127.0.0.1".to_owned()),
        since_last_commit: Some(Span::from_secs(40)),
        delayed: false,
    }
}

/// A journal in memory, as the server keeps one: what is sealed is what is applied.
#[derive(Clone, Default)]
pub struct Book {
    pub records: Records,
    pub entries: Vec<Stored>,
    walk: Walk,
}

impl Book {
    pub fn with_people() -> Self {
        let mut book = Self::default();
        for (name, roles) in [
            ("ann", vec![Role::Operator]),
            ("bob", vec![Role::Operator]),
            ("eve", vec![Role::Viewer]),
            ("tom", vec![Role::Tester]),
            ("root", vec![Role::Admin]),
        ] {
            let roles = roles.into_iter().collect();
            book.act(&Actor::CommandLine("setup".to_owned()), &Command::AddAccount { name: id(name), roles }, now()).unwrap();
        }
        book
    }
    /// Seals and applies an event.
    pub fn write(&mut self, actor: &Actor, event: &Event, at: Instant) -> Result<(), engine::journal::Misfit> {
        let last = self.entries.last().map_or(GENESIS, |entry| entry.hash.as_str()).to_owned();
        let stored = seal(self.entries.len() as u64 + 1, at, actor, event, &last).unwrap();
        let mut walk = self.walk.clone();
        let entry = walk.step(&stored).unwrap();
        self.records.apply(&entry)?;
        self.walk = walk;
        self.entries.push(stored);
        Ok(())
    }
    /// Decides a command and applies what came of it.
    pub fn act(&mut self, actor: &Actor, command: &Command, at: Instant) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.records, actor, command, at)?;
        for event in &events {
            self.write(actor, event, at).expect("what was decided fits the records");
        }
        Ok(events)
    }
    /// The records as they follow from the sealed entries alone.
    pub fn replayed(&self) -> Records {
        let (mut records, mut walk) = (Records::default(), Walk::default());
        for stored in &self.entries {
            records.apply(&walk.step(stored).unwrap()).unwrap();
        }
        records
    }
}

pub fn person(name: &str) -> Actor {
    Actor::Person(id::<AccountName>(name))
}
pub fn operation_id(number: u128) -> OperationId {
    OperationId(uuid::Uuid::from_u128(number))
}
pub fn node_id(node: &str) -> NodeId {
    id(node)
}
pub fn request(number: u128, plan: &Plan) -> Command {
    Command::RequestOperation {
        id: operation_id(number),
        plan: Box::new(plan.clone()),
        shown_hash: plan.hash(),
        reason: "the primary is gone".to_owned(),
        accept_loss: true,
        override_blockers: true,
    }
}
pub fn approve(number: u128, plan: &Plan, plan_now: &Plan) -> Command {
    Command::Approve {
        operation: operation_id(number),
        shown_hash: plan.hash(),
        plan_now: Box::new(plan_now.clone()),
        accept_loss: false,
        reason: "agreed on the call".to_owned(),
    }
}

/// The west was promoted nine seconds ago, by a switchover that has succeeded a second later.
pub fn west_promoted() -> World {
    let mut world = World::healthy();
    let plan = world.plan(OperationKind::Switchover, Some(WEST));
    let mut book = Book::with_people();
    book.act(&person("ann"), &request(1, &plan), ago(60)).unwrap();
    book.act(&person("bob"), &approve(1, &plan, &plan), ago(60)).unwrap();
    let id = operation_id(1);
    book.write(&Actor::Lifeboat, &Event::OperationStarted { id }, ago(60)).unwrap();
    for (step, planned) in plan.steps.iter().enumerate() {
        if matches!(planned.action, Action::Promote { .. } | Action::OpenRoute { .. }) {
            book.write(&Actor::Lifeboat, &Event::StepStarted { id, step }, ago(10)).unwrap();
            book.write(&Actor::Lifeboat, &Event::StepEnded { id, step, state: StepState::Done, said: "done".to_owned() }, ago(9)).unwrap();
        }
    }
    book.write(&Actor::Lifeboat, &Event::OperationSucceeded { id }, ago(8)).unwrap();
    world.records = book.records;
    world
}
