//! The made-up platform: the guide's estate with places to probe, and how each part of it looks.

use app::session::Viewer;
use engine::{
    abilities::Abilities,
    access::Role,
    databases::{ClusterView, Details, HostReading, HostState, Lsn, NodeReading, NodeRole, NodeView, Peer, RoutedTo},
    estate::{Detection, Endpoint, Estate, FailoverMode, Replication, Router, Service, Strategy, StrategyKind, Traffic, TrafficMeans},
    health::{Health, Judgement, Outcome, Sample},
    id::{NodeId, RegionId},
    picture::{EndpointView, Observations, SeenOn, TrafficView},
    time::{Instant, Span},
};
use std::collections::BTreeSet;

pub const EAST: &str = "us-east-1";
pub const PRIMARY: &str = "pg-primary-east";
pub const REPLICA: &str = "pg-replica-east";
pub const STANDBY: &str = "pg-standby-west";

pub fn viewer(name: &str) -> Viewer {
    let role = match name {
        "vera" => Role::Viewer,
        "tom" => Role::Tester,
        "anna" => Role::Approver,
        "adam" => Role::Admin,
        _ => Role::Operator,
    };
    Viewer { name: name.parse().unwrap(), roles: BTreeSet::from([role]), read_only: false }
}

/// The guide's platform as the lab has it.
pub fn estate() -> Estate {
    let mut estate = Estate::guide().unwrap();
    let second = Span::from_secs(1);
    let detection = Detection { interval: second, timeout: second, ..Detection::default() };
    estate.detection = detection;
    for (at, region) in estate.regions.iter_mut().enumerate() {
        region.agent = Some(format!("http://127.77.0.{}:7700", 101 + at));
    }
    let everywhere = ["api-gateway", "model-router", "authentication"];
    let regions: Vec<RegionId> = estate.regions.iter().map(|region| region.id.clone()).collect();
    for (at, service) in estate.services.iter_mut().enumerate().filter(|(_, service)| service.id.as_str() != "user-database") {
        let count = if everywhere.contains(&service.id.as_str()) { 3 } else { 2 };
        service.endpoints = regions
            .iter()
            .take(count)
            .map(|region| Endpoint { region: region.clone(), target: format!("http://127.77.1.{}:8080/health", 20 + at), detection: None })
            .collect();
    }
    // Four kinds: real and active-active, the same simulated, in one region at a time, and (all others) none at all.
    estate.strategies.push(Strategy {
        id: "one-at-a-time".parse().unwrap(),
        kind: StrategyKind::ActivePassive,
        primary_region: regions[0].clone(),
        recovery_regions: vec![regions[1].clone()],
        failover: FailoverMode::SemiAutomatic,
        failback: FailoverMode::Manual,
        replication: Replication::Asynchronous,
        lag_tolerance: Span::from_secs(30),
        detection: None,
        wait: Span::ZERO,
        cooldown: Span::from_mins(30),
        dwell: Span::from_mins(10),
        minimum_on: 1,
        approvals: 1,
        commit: None,
    });
    for service in &mut estate.services {
        let by = match service.id.as_str() {
            "api-gateway" | "dashboard" => TrafficMeans::Haproxy { socket: "run/edge.sock".to_owned(), backend: service.id.to_string() },
            "model-router" => TrafficMeans::Simulated {},
            _ => continue,
        };
        if service.id.as_str() == "dashboard" {
            service.strategy = Some("one-at-a-time".parse().unwrap());
        }
        service.traffic = Some(Traffic { address: format!("http://127.77.0.9:8080/{}", service.id), region_header: Some("x-region".to_owned()), by });
    }
    for cluster in &mut estate.clusters {
        cluster.detection = Some(detection);
        cluster.router =
            Some(Router { socket: "run/haproxy.sock".to_owned(), backend: "user-database".to_owned(), address: "127.77.0.5:5432".to_owned() });
    }
    estate
}

/// The same without anything that sends clients.
pub fn without_traffic() -> Estate {
    let mut estate = estate();
    estate.services.iter_mut().for_each(|service| service.traffic = None);
    estate
}

/// A thousand services like the guide's, each needing one or two of those before it.
pub fn thousand() -> Estate {
    let mut estate = estate();
    let guide = estate.services.clone();
    for number in 0..990 {
        let mut service = guide[number % guide.len()].clone();
        service.id = format!("{}-{number:03}", service.id).parse().unwrap();
        service.depends_on = (1..=number.min(2)).map(|back| estate.services[10 + number - back].id.clone()).collect();
        if number % 17 == 0 {
            service.depends_on.push(format!("ledger-{number}").parse().unwrap());
        }
        service.owner = Some(format!("team-{}", number % 23));
        estate.services.push(service);
    }
    estate
}

pub fn ok(since: Instant) -> Judgement {
    Judgement { health: Health::Ok, since: Some(since), why: "the last 3 probes succeeded".to_owned() }
}

pub fn down(since: Instant) -> Judgement {
    Judgement { health: Health::Down, since: Some(since), why: "3 of the last 3 probes failed, latest: connection refused".to_owned() }
}

/// Where clients belong: everywhere, or in the home region.
pub fn home(service: &Service) -> BTreeSet<RegionId> {
    let count = if service.strategy.as_ref().is_some_and(|id| id.as_str() == "one-at-a-time") { 1 } else { service.endpoints.len() };
    service.endpoints.iter().take(count).map(|endpoint| endpoint.region.clone()).collect()
}

/// The service in a region gone since `since`.
pub fn kill_service(seen: &mut Observations, service: &str, region: &str, since: Instant) {
    let endpoint = seen.endpoints.get_mut(&(service.parse().unwrap(), region.parse().unwrap())).unwrap();
    endpoint.judgement = down(since);
}

/// Clients of the service are seen to be sent to these regions.
pub fn send(seen: &mut Observations, service: &str, regions: &[&str]) {
    let view = seen.traffic.get_mut(&service.parse().unwrap()).unwrap();
    view.on.as_mut().unwrap().regions = regions.iter().map(|region| region.parse().unwrap()).collect();
}

/// Everything well: every endpoint, agent and router answers, both standbys stream.
pub fn healthy(estate: &Estate, begun: Instant, now: Instant) -> Observations {
    let mut seen = Observations { tick: 1, ..Observations::default() };
    for service in &estate.services {
        for endpoint in &service.endpoints {
            let last = Sample { at: now - Span::from_millis(400).as_delta(), took: Span::from_millis(4), outcome: Outcome::Good };
            seen.endpoints.insert(
                (service.id.clone(), endpoint.region.clone()),
                EndpointView { judgement: ok(begun), last: Some(last), ..EndpointView::unseen() },
            );
        }
    }
    for service in estate.services.iter().filter(|service| service.traffic.is_some()) {
        let on = SeenOn { at: now - Span::from_millis(800).as_delta(), regions: home(service) };
        seen.traffic.insert(service.id.clone(), TrafficView { judgement: ok(begun), on: Some(on) });
        let simulated = service.traffic.as_ref().is_some_and(|traffic| traffic.by.is_simulated());
        let patience = (!simulated).then_some(Span::from_secs(2));
        seen.abilities.insert(service.id.clone(), Abilities { rehearses: true, reads_back: true, simulated, delay: None, patience });
    }
    for region in &estate.regions {
        seen.agents.insert(region.id.clone(), ok(begun));
    }
    for cluster in &estate.clusters {
        seen.routers.insert(cluster.id.clone(), ok(begun));
        let nodes = cluster.nodes.iter().map(|node| NodeView {
            node: node.id.clone(),
            region: node.region.clone(),
            declared: node.role,
            promotable: node.promotable,
            judgement: ok(begun),
            reading: Some(NodeReading {
                at: now - Span::from_millis(350).as_delta(),
                role: if node.id.as_str() == PRIMARY { primary(1) } else { standby(PRIMARY, behind(node.id.as_str())) },
                system_identifier: "7412345678901234567".to_owned(),
                timeline: 1,
                version: "15.18".to_owned(),
                read_only: false,
                connections: 14,
                connections_max: 100,
                manager_seen: None,
                waits_for: None,
                cascade: Vec::new(),
            }),
            last_attempt: Some((now - Span::from_millis(350).as_delta(), None)),
            host: Some(HostReading { at: now - Span::from_millis(600).as_delta(), state: HostState::Running }),
            details: Details::default(),
        });
        seen.clusters.insert(
            cluster.id.clone(),
            ClusterView {
                cluster: cluster.id.clone(),
                nodes: nodes.collect(),
                failed_regions: BTreeSet::new(),
                routed_to: Some(RoutedTo { at: now, nodes: vec![PRIMARY.parse().unwrap()] }),
            },
        );
    }
    seen
}

const POSITION: u64 = 0x16_B374_D848;

fn behind(node: &str) -> u64 {
    if node == STANDBY { 18_432 } else { 0 }
}

pub fn primary(peers_behind: u64) -> NodeRole {
    let peer = |name: &str| Peer {
        name: name.to_owned(),
        streaming: true,
        synchronous: name == STANDBY,
        flushed: Some(Lsn(POSITION - behind(name) * peers_behind)),
        replayed: Some(Lsn(POSITION - behind(name) * peers_behind)),
        replay_lag: Some(Span::from_millis(if name == STANDBY { 84 } else { 1 })),
    };
    NodeRole::Primary { flushed: Lsn(POSITION), peers: vec![peer(REPLICA), peer(STANDBY)] }
}

pub fn standby(from: &str, behind: u64) -> NodeRole {
    NodeRole::Standby {
        received: Lsn(POSITION - behind),
        replayed: Lsn(POSITION - behind),
        streaming_from: Some(from.to_owned()),
        since_last_commit: Some(Span::from_millis(120)),
        delayed: false,
    }
}

/// The node, to be changed.
pub fn node<'a>(seen: &'a mut Observations, id: &str) -> &'a mut NodeView {
    let id: NodeId = id.parse().unwrap();
    seen.clusters.values_mut().flat_map(|cluster| &mut cluster.nodes).find(|node| node.node == id).unwrap()
}

/// The primary gone since `since`: its process, and what depends on it.
pub fn kill_primary(seen: &mut Observations, since: Instant, now: Instant) {
    let view = node(seen, PRIMARY);
    view.judgement = down(since);
    if let Some(reading) = &mut view.reading {
        reading.at = since - Span::from_millis(700).as_delta();
    }
    view.last_attempt = Some((now - Span::from_millis(200).as_delta(), Some("connection refused".to_owned())));
    view.host = Some(HostReading { at: now - Span::from_millis(600).as_delta(), state: HostState::Gone });
    for id in [REPLICA, STANDBY] {
        if let Some(NodeReading { role: NodeRole::Standby { streaming_from, .. }, .. }) = &mut node(seen, id).reading {
            *streaming_from = None;
        }
    }
    for ((service, _), endpoint) in seen.endpoints.iter_mut() {
        if ["authentication", "billing-service", "dashboard"].contains(&service.as_str()) {
            endpoint.judgement = Judgement {
                health: Health::Degraded,
                since: Some(since + Span::from_secs(1).as_delta()),
                why: "3 of the last 3 probes answered with a complaint, latest: the database does not answer (503)".to_owned(),
            };
        }
    }
}
