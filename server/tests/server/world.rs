//! A small platform: one cluster of three nodes in two regions, and what watchers would have seen of it while all is well.

use engine::{
    access::Role,
    databases::{ClusterView, Details, HostReading, HostState, Lsn, NodeReading, NodeRole, NodeView, Peer, RoutedTo},
    estate::Estate,
    health::{Health, Judgement, Outcome, Sample},
    id::OperationId,
    picture::{EndpointView, Observations},
    time::{Instant, Span},
};
use std::collections::BTreeSet;

pub const EAST: &str = "pg-primary-east";
pub const REPLICA: &str = "pg-replica-east";
pub const WEST: &str = "pg-standby-west";

/// Readings stay fresh for two minutes, so that a slow machine does not make a test fail.
pub const ESTATE: &str = r#"
name = "Meridian test platform"
[detection]
interval = "60s"
timeout = "2s"
failures = 3
samples = 3
recoveries = 3
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
id = "checkout-api"
tier = 1
rto = "30m"
rpo = "5m"
mtpd = "4h"
depends_on = ["user-database"]
data_class = "standard"
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
router = { socket = "/nonexistent/haproxy.sock", backend = "users", address = "127.0.0.1:5432" }
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
[[destination]]
id = "near"
region = "us-east-1"
[[destination]]
id = "far"
region = "us-west-2"
[[backup_policy]]
id = "users-daily"
service = "user-database"
type = "full"
source = { by = "pg-basebackup", cluster = "users" }
schedule = "0 2 * * *"
retention = "30d"
destinations = ["near", "far"]
[backup_policy.verification]
level = "boots"
every = "7d"
[[scenario]]
id = "lose-users"
name = "Lose the users"
type = "simulation"
disaster = "data-center-failure"
services = ["user-database"]
every = "90d"
[[scenario.step]]
name = "break"
expected = "nobody is served"
estimate = "5m"
marks = "outage-begins"
[[scenario.step]]
name = "mend"
expected = "everybody is served"
estimate = "10m"
marks = "service-restored"
[[scenario.step]]
name = "put back"
expected = "as before"
estimate = "5m"
cleanup = true
[[scenario.criterion]]
is = "rto-met"
service = "user-database"
[[scenario]]
id = "break-checkout"
name = "Break the checkout"
type = "simulation"
disaster = "network-partition"
services = ["checkout-api"]
[[scenario.step]]
name = "cut"
expected = "the fault is there"
estimate = "1m"
does = { by = "inject-fault", fault = "cut-checkout" }
[[scenario.step]]
name = "watch"
expected = "people look"
estimate = "1m"
[[scenario.step]]
name = "mend"
expected = "it is gone"
estimate = "1m"
cleanup = true
does = { by = "inject-fault", fault = "mend-checkout" }
[[scenario.guardrail]]
watch = "well"
scope = "cluster/users"
"#;

/// People with one role each, and a second operator and a second approver, because nobody agrees with themselves.
pub const PEOPLE: [(&str, Role); 7] = [
    ("vera", Role::Viewer),
    ("tom", Role::Tester),
    ("ann", Role::Operator),
    ("otto", Role::Operator),
    ("abe", Role::Approver),
    ("amy", Role::Approver),
    ("root", Role::Admin),
];

pub fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

pub fn estate() -> Estate {
    Estate::from_toml(ESTATE).unwrap()
}

pub fn operation_id() -> OperationId {
    OperationId(uuid::Uuid::now_v7())
}

fn ok(now: Instant) -> Judgement {
    Judgement { health: Health::Ok, since: Some(ago(now, 600)), why: "the last probe was good".to_owned() }
}

fn ago(now: Instant, secs: u64) -> Instant {
    now - Span::from_secs(secs).as_delta()
}

/// What a look at `node` finds: the east writes on timeline 1, the others stream and hold everything.
pub fn reading(node: &str, at: Instant) -> NodeReading {
    let end = Lsn(0x1000);
    let peer =
        |name: &str| Peer { name: name.to_owned(), streaming: true, synchronous: false, flushed: Some(end), replayed: Some(end), replay_lag: None };
    let role = if node == EAST {
        NodeRole::Primary { flushed: end, peers: vec![peer(REPLICA), peer(WEST)] }
    } else {
        NodeRole::Standby {
            received: end,
            replayed: end,
            streaming_from: Some("127.0.0.1".to_owned()),
            since_last_commit: Some(Span::from_secs(40)),
            delayed: false,
        }
    };
    NodeReading {
        at,
        role,
        system_identifier: "7300000000000000001".to_owned(),
        timeline: 1,
        version: "15.18".to_owned(),
        read_only: false,
        connections: 5,
        connections_max: 100,
        manager_seen: None,
        waits_for: None,
        cascade: Vec::new(),
    }
}

/// What the watchers would put up at `now`, all being well.
pub fn healthy(estate: &Estate, now: Instant) -> Observations {
    let seen = ago(now, 1);
    let mut observed = Observations { since: Some(ago(now, 900)), tick: 1, ..Observations::default() };
    for cluster in &estate.clusters {
        let nodes = cluster.nodes.iter().map(|node| NodeView {
            node: node.id.clone(),
            region: node.region.clone(),
            declared: node.role,
            promotable: node.promotable,
            judgement: ok(now),
            reading: Some(reading(node.id.as_str(), seen)),
            last_attempt: Some((seen, None)),
            host: Some(HostReading { at: seen, state: HostState::Running }),
            details: Details::default(),
        });
        let view = ClusterView {
            cluster: cluster.id.clone(),
            nodes: nodes.collect(),
            failed_regions: BTreeSet::new(),
            routed_to: Some(RoutedTo { at: seen, nodes: vec![id(EAST)] }),
        };
        observed.clusters.insert(cluster.id.clone(), view);
        observed.routers.insert(cluster.id.clone(), ok(now));
    }
    for region in &estate.regions {
        observed.agents.insert(region.id.clone(), ok(now));
    }
    for service in &estate.services {
        for endpoint in &service.endpoints {
            let last = Sample { at: seen, took: Span::from_millis(2), outcome: Outcome::Good };
            observed.endpoints.insert(
                (service.id.clone(), endpoint.region.clone()),
                EndpointView { judgement: ok(now), last: Some(last), ..EndpointView::unseen() },
            );
        }
    }
    observed
}

/// The same, but the primary does not answer any more.
pub fn primary_down(estate: &Estate, now: Instant) -> Observations {
    let mut observed = healthy(estate, now);
    for view in observed.clusters.values_mut().flat_map(|cluster| &mut cluster.nodes).filter(|view| view.node.as_str() == EAST) {
        let why = "3 of the last 3 probes failed, latest: connection refused".to_owned();
        view.judgement = Judgement { health: Health::Down, since: Some(ago(now, 20)), why };
        view.last_attempt = Some((ago(now, 1), Some("connection refused".to_owned())));
        view.host = Some(HostReading { at: ago(now, 1), state: HostState::Gone });
    }
    observed.tick = 2;
    observed
}
