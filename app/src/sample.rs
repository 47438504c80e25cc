//! Pictures for the tests of the projections: a healthy cluster, and what can happen to it.

use crate::session::Viewer;
use engine::{
    access::Role,
    databases::{ClusterView, Details, HostReading, HostState, Lsn, NodeReading, NodeRole, NodeView, Peer, RoutedTo},
    estate::{Cluster, DataClass, DeclaredRole, Detection, Estate, Node, Region, Router, Service, Tier},
    failover::{OperationKind, Plan},
    health::{Health, Judgement},
    id::{NodeId, OperationId},
    journal::{Actor, Entry, Event, Records},
    picture::{Observations, Picture},
    time::{Instant, Span},
};
use std::{collections::BTreeSet, sync::Arc};

pub const EAST: &str = "pg-primary-east";
pub const REPLICA: &str = "pg-replica-east";
pub const WEST: &str = "pg-standby-west";

pub fn at(clock: &str) -> Instant {
    format!("2026-11-23T{clock}Z").parse().expect("a moment")
}

pub fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("an id")
}

pub fn operation_id() -> OperationId {
    id("0190a000-0000-7000-8000-0000000000aa")
}

pub fn viewer(name: &str, roles: &[Role]) -> Viewer {
    Viewer { name: id(name), roles: roles.iter().copied().collect(), read_only: false }
}

/// A picture that can still be changed.
pub struct Sample {
    pub now: Instant,
    pub estate: Estate,
    pub observed: Observations,
    pub records: Records,
    pub read_only: bool,
}

impl Sample {
    /// One primary, two that stream from it, everything fresh and routed.
    pub fn healthy() -> Self {
        let now = at("14:03:00");
        let estate = estate();
        let mut observed = Observations::default();
        let peers = [REPLICA, WEST].map(|name| Peer {
            name: name.to_owned(),
            streaming: true,
            synchronous: false,
            flushed: Some(Lsn(0x300_0000)),
            replayed: Some(Lsn(0x300_0000)),
            replay_lag: Some(Span::from_millis(1_200)),
        });
        let primary = NodeRole::Primary { flushed: Lsn(0x300_0000), peers: peers.to_vec() };
        let standby = |received| NodeRole::Standby {
            received: Lsn(received),
            replayed: Lsn(received),
            streaming_from: Some("10.1.0.1:5432".to_owned()),
            since_last_commit: Some(Span::from_secs(90)),
            delayed: false,
        };
        let cluster = &estate.clusters[0];
        let nodes =
            vec![node(cluster, EAST, primary, now), node(cluster, REPLICA, standby(0x300_0000), now), node(cluster, WEST, standby(0x2FF_FC00), now)];
        let routed_to = Some(RoutedTo { at: now, nodes: vec![id(EAST)] });
        observed.clusters.insert(cluster.id.clone(), ClusterView { cluster: cluster.id.clone(), nodes, failed_regions: BTreeSet::new(), routed_to });
        let well = Judgement { health: Health::Ok, since: None, why: "it answers".to_owned() };
        observed.routers.insert(cluster.id.clone(), well.clone());
        for region in &estate.regions {
            observed.agents.insert(region.id.clone(), well.clone());
        }
        Self { now, estate, observed, records: Records::default(), read_only: false }
    }

    /// The primary died at 14:02:40, and its host saw it gone.
    pub fn primary_down() -> Self {
        let mut sample = Self::healthy();
        let now = sample.now;
        let primary = sample.node(EAST);
        primary.judgement = Judgement {
            health: Health::Down,
            since: Some(at("14:02:40")),
            why: "3 of the last 3 probes failed, latest: connection refused".to_owned(),
        };
        primary.reading.as_mut().expect("a reading").at = at("14:02:39");
        primary.last_attempt = Some((now, Some("connection refused".to_owned())));
        primary.host = Some(HostReading { at: now, state: HostState::Gone });
        sample
    }

    pub fn view(&mut self) -> &mut ClusterView {
        self.observed.clusters.values_mut().next().expect("a cluster")
    }

    pub fn node(&mut self, name: &str) -> &mut NodeView {
        self.view().nodes.iter_mut().find(|node| node.node.as_str() == name).expect("a node")
    }

    pub fn plan(&self, kind: OperationKind) -> Plan {
        let node: Option<NodeId> = (kind == OperationKind::Rejoin).then(|| id(EAST));
        self.picture().plan(kind, &id("user-database"), node.as_ref()).expect("a plan")
    }

    /// Lets `who` do `event` at `moment`.
    pub fn happens(&mut self, who: &str, moment: Instant, event: Event) {
        let actor = if who == "Lifeboat" { Actor::Lifeboat } else { Actor::Person(id(who)) };
        let entry = Entry { seq: self.records.seq + 1, at: moment, actor, event, previous: String::new(), hash: String::new() };
        self.records.apply(&entry).expect("an entry that fits");
    }

    /// Olga asks for `kind` as it would be planned now.
    pub fn request(&mut self, kind: OperationKind) -> Plan {
        let plan = self.plan(kind);
        let event = Event::OperationRequested {
            id: operation_id(),
            plan_hash: plan.hash(),
            plan: Box::new(plan.clone()),
            reason: "the primary is gone".to_owned(),
            loss_accepted: true,
            overridden: plan.overridable_blockers().iter().map(ToString::to_string).collect(),
            parent: None,
        };
        self.happens("olga", self.now, event);
        plan
    }

    pub fn picture(&self) -> Picture {
        Picture {
            now: self.now,
            estate: Arc::new(self.estate.clone()),
            observed: Arc::new(self.observed.clone()),
            records: Arc::new(self.records.clone()),
            journal_break: None,
            read_only: self.read_only,
        }
    }
}

fn node(cluster: &Cluster, name: &str, role: NodeRole, now: Instant) -> NodeView {
    let declared = cluster.node(&id(name)).expect("a declared node");
    NodeView {
        node: declared.id.clone(),
        region: declared.region.clone(),
        declared: declared.role,
        promotable: declared.promotable,
        judgement: Judgement { health: Health::Ok, since: None, why: "it answers".to_owned() },
        reading: Some(NodeReading {
            at: now,
            role,
            system_identifier: "7300000000000000001".to_owned(),
            timeline: 3,
            version: "15.18".to_owned(),
            read_only: false,
            connections: 12,
            connections_max: 100,
            manager_seen: None,
            waits_for: None,
            cascade: Vec::new(),
        }),
        last_attempt: Some((now, None)),
        host: Some(HostReading { at: now, state: HostState::Running }),
        details: Details::default(),
    }
}

fn estate() -> Estate {
    let region = |name: &str| Region { id: id(name), name: name.to_owned(), agent: Some("http://127.0.0.1:7700".to_owned()) };
    let node = |name: &str, place: &str, host: &str, role| Node {
        id: id(name),
        region: id(place),
        host: host.to_owned(),
        port: 5432,
        role,
        promotable: true,
        patroni: None,
        fence: None,
    };
    Estate {
        blackouts: Vec::new(),
        hooks: Vec::new(),
        observers: Vec::new(),
        destinations: Vec::new(),
        backup_policies: Vec::new(),
        scenarios: Vec::new(),
        quorum: None,
        server_observes: true,
        server_region: None,
        monitoring: Vec::new(),
        name: "sample".to_owned(),
        detection: Detection { interval: Span::from_secs(1), timeout: Span::from_secs(1), ..Detection::default() },
        regions: vec![region("us-east-1"), region("us-west-2")],
        services: vec![Service {
            id: id("user-database"),
            tier: Tier::ALL[0],
            rto: Span::from_mins(30),
            rpo: Span::from_mins(1),
            mtpd: Span::from_mins(240),
            depends_on: Vec::new(),
            data_class: DataClass::Sensitive,
            compliance: Vec::new(),
            owner: None,
            strategy: None,
            traffic: None,
            endpoints: Vec::new(),
        }],
        strategies: Vec::new(),
        clusters: vec![Cluster {
            id: id("user-database"),
            service: id("user-database"),
            database: "users".to_owned(),
            strategy: None,
            detection: None,
            router: Some(Router { socket: "/run/router.sock".to_owned(), backend: "writable".to_owned(), address: "127.0.0.1:6432".to_owned() }),
            lease: None,
            manager: Default::default(),
            synchronous: None,
            nodes: vec![
                node(EAST, "us-east-1", "10.1.0.1", DeclaredRole::Primary),
                node(REPLICA, "us-east-1", "10.1.0.2", DeclaredRole::Replica),
                node(WEST, "us-west-2", "10.2.0.1", DeclaredRole::Standby),
            ],
            poolers: Vec::new(),
        }],
    }
}
