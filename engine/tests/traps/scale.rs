//! Size: ten thousand services in three regions are looked at with every observation, so a look must stay cheap, above all
//! in the hour in which a whole region is lost.

use crate::world::{Book, ago, good, id, judged, now, operation_id, primary, standby};
use engine::{
    automation,
    databases::{ClusterView, Details, NodeReading, NodeRole, NodeView, RoutedTo},
    estate::{Cluster, DeclaredRole, Estate, Router},
    failover::Mode,
    health::Health,
    id::RegionId,
    journal::{Actor, Event},
    look::Look,
    noticing,
    picture::{EndpointView, Observations, Picture, SeenOn, TrafficView},
};
use std::{collections::BTreeSet, fmt::Write, sync::Arc};

const SERVICES: usize = 10_000;
const CLUSTERS: usize = 40;
const REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];

/// Every service needs three earlier ones; the first forty are databases. A third each is automatic, asks, or recommends.
fn estate() -> Estate {
    let mut text = String::from("name = \"large\"\n");
    for region in REGIONS {
        write!(text, "[[region]]\nid = \"{region}\"\nname = \"{region}\"\nagent = \"http://127.0.0.1:1\"\n").unwrap();
    }
    for mode in ["automatic", "semi-automatic", "manual"] {
        write!(
            text,
            "[[strategy]]\nid = \"{mode}\"\nkind = \"active-passive\"\nprimary_region = \"us-east-1\"\nrecovery_regions = [\"us-west-2\", \"eu-west-1\"]\n\
             failover = \"{mode}\"\nfailback = \"manual\"\nreplication = \"asynchronous\"\nlag_tolerance = \"5s\"\n"
        )
        .unwrap();
    }
    for at in 0..SERVICES {
        let needs: Vec<String> = (1..4).filter(|_| at >= CLUSTERS).map(|salt| format!("\"s{}\"", (at * 7919 + salt * 104_729) % at)).collect();
        let mode = ["automatic", "semi-automatic", "manual"][at % 3];
        write!(
            text,
            "[[service]]\nid = \"s{at}\"\ntier = {}\nrto = \"30m\"\nrpo = \"5m\"\nmtpd = \"4h\"\ndepends_on = [{}]\ndata_class = \"standard\"\nstrategy = \"{mode}\"\n\
             traffic = {{ address = \"http://127.0.0.1:1/\", by = {{ simulated = {{}} }} }}\n",
            1 + at % 4,
            needs.join(", ")
        )
        .unwrap();
        for region in REGIONS {
            write!(text, "[[service.endpoint]]\nregion = \"{region}\"\ntarget = \"http://127.0.0.1:2/\"\n").unwrap();
        }
    }
    let mut estate = Estate::from_toml(&text).unwrap();
    estate.clusters = (0..CLUSTERS).map(cluster).collect();
    estate
}

fn cluster(at: usize) -> Cluster {
    let node = |region: &str, role| engine::estate::Node {
        id: id(&format!("n{at}-{region}")),
        region: id(region),
        host: "127.0.0.1".to_owned(),
        port: 5432,
        role,
        promotable: true,
        patroni: None,
        fence: None,
    };
    Cluster {
        id: id(&format!("c{at}")),
        service: id(&format!("s{at}")),
        database: "d".to_owned(),
        strategy: Some(id("semi-automatic")),
        detection: None,
        router: Some(Router { socket: "/run/x".to_owned(), backend: "b".to_owned(), address: "127.0.0.1:1".to_owned() }),
        lease: None,
        manager: Default::default(),
        synchronous: None,
        nodes: vec![node(REGIONS[0], DeclaredRole::Primary), node(REGIONS[1], DeclaredRole::Standby), node(REGIONS[2], DeclaredRole::Standby)],
        poolers: Vec::new(),
    }
}

fn observed(estate: &Estate, lost: Option<&str>) -> Observations {
    let mut observed = Observations { since: Some(ago(3600)), ..Observations::default() };
    let seen = |region: &RegionId| {
        if Some(region.as_str()) == lost {
            judged(Health::Down, ago(60), "3 of the last 3 probes failed, latest: timed out")
        } else {
            judged(Health::Ok, ago(3600), "the last probe was good")
        }
    };
    for service in &estate.services {
        for endpoint in &service.endpoints {
            let judgement = seen(&endpoint.region);
            let last = if judgement.is_ok() { good(ago(1)) } else { crate::world::failed(ago(1)) };
            let view = EndpointView { judgement, last: Some(last), ..EndpointView::unseen() };
            observed.endpoints.insert((service.id.clone(), endpoint.region.clone()), view);
        }
        let on = Some(SeenOn { at: ago(1), regions: BTreeSet::from([id(REGIONS[0])]) });
        observed.traffic.insert(service.id.clone(), TrafficView { judgement: judged(Health::Ok, ago(3600), "the last probe was good"), on });
    }
    for region in &estate.regions {
        observed.agents.insert(region.id.clone(), seen(&region.id));
    }
    for cluster in &estate.clusters {
        let standbys: Vec<&str> = cluster.nodes[1..].iter().map(|node| node.id.as_str()).collect();
        let role = |declared| if declared == DeclaredRole::Primary { primary(0x1000, &standbys) } else { standby(0x1000) };
        let reading = |role: NodeRole| NodeReading {
            at: ago(1),
            role,
            system_identifier: "7".to_owned(),
            timeline: 1,
            version: "15".to_owned(),
            read_only: false,
            connections: 1,
            connections_max: 100,
            manager_seen: None,
            waits_for: None,
            cascade: Vec::new(),
        };
        let nodes = cluster.nodes.iter().map(|node| NodeView {
            node: node.id.clone(),
            region: node.region.clone(),
            declared: node.role,
            promotable: true,
            judgement: seen(&node.region),
            reading: Some(reading(role(node.role))),
            last_attempt: Some((ago(1), (!seen(&node.region).is_ok()).then(|| "timed out".to_owned()))),
            host: None,
            details: Details::default(),
        });
        let failed_regions = lost.iter().map(|region| id(region)).collect();
        let routed_to = Some(RoutedTo { at: ago(1), nodes: vec![cluster.nodes[0].id.clone()] });
        let view = ClusterView { cluster: cluster.id.clone(), nodes: nodes.collect(), failed_regions, routed_to };
        observed.clusters.insert(cluster.id.clone(), view);
        observed.routers.insert(cluster.id.clone(), judged(Health::Ok, ago(3600), "the last probe was good"));
    }
    observed
}

/// What one look says.
fn look(picture: &Picture) -> Vec<Event> {
    let mut next = 0;
    let mut events = noticing::changes(picture);
    events.extend(automation::act(picture, || {
        next += 1;
        operation_id(next)
    }));
    events
}

#[test]
fn ten_thousand_services_lose_a_region_and_each_is_decided_once() {
    let estate = Arc::new(estate());
    let mut book = Book::default();
    let mut picture =
        Picture { now: now(), observed: Arc::new(observed(&estate, None)), estate, records: Arc::default(), journal_break: None, read_only: false };
    let write = |book: &mut Book, picture: &mut Picture, events: &[Event]| {
        for event in events {
            book.write(&Actor::Lifeboat, event, now()).unwrap();
        }
        picture.records = Arc::new(book.records.clone());
    };
    let events = look(&picture);
    assert_eq!(events.len(), SERVICES + CLUSTERS, "where clients are sent, and who writes");
    write(&mut book, &mut picture, &events);
    let events = look(&picture);
    assert_eq!(events, []);
    picture.observed = Arc::new(observed(&picture.estate, Some(REGIONS[0])));
    let events = look(&picture);
    let asked = events.iter().filter(|event| matches!(event, Event::OperationRequested { .. })).count();
    assert!(asked >= SERVICES / 3, "{asked}");
    write(&mut book, &mut picture, &events);
    let events = look(&picture);
    assert_eq!(events, [], "the same picture says nothing new");
}

/// A large platform is looked through in parts: together they say exactly what a look at everything says, each thing once.
#[test]
fn looks_at_the_parts_say_what_a_look_at_everything_says() {
    let estate = Arc::new(estate());
    let mut book = Book::default();
    let mut picture =
        Picture { now: now(), observed: Arc::new(observed(&estate, None)), estate, records: Arc::default(), journal_break: None, read_only: false };
    let parts: Vec<Look> =
        (0..8).map(|part| Look { services: Some((part * SERVICES / 8..(part + 1) * SERVICES / 8).collect()), platform: part == 0 }).collect();
    let look_at = |picture: &Picture, look: &Look| {
        let mut next = 0;
        let mut events = noticing::changes_in(picture, look);
        events.extend(automation::act_on(picture, look, || {
            next += 1;
            operation_id(next)
        }));
        events
    };
    // The ids of requests are given out by whoever looks.
    let told = |events: &[Event]| {
        let mut told: Vec<String> = events
            .iter()
            .map(|event| match event {
                Event::OperationRequested { plan_hash, .. } => format!("requested {plan_hash}"),
                other => format!("{other:?}"),
            })
            .collect();
        told.sort_unstable();
        told
    };
    for (lost, least) in [(None, SERVICES), (Some(REGIONS[0]), SERVICES), (None, SERVICES / 3)] {
        picture.observed = Arc::new(observed(&picture.estate, lost));
        let whole = look_at(&picture, &Look::at_everything());
        let in_parts: Vec<Event> = parts.iter().flat_map(|part| look_at(&picture, part)).collect();
        assert!(whole.len() >= least, "{lost:?}: {}", whole.len());
        assert!(told(&whole) == told(&in_parts), "{lost:?}: {} events at once, {} in parts", whole.len(), in_parts.len());
        for event in &whole {
            book.write(&Actor::Lifeboat, event, now()).unwrap();
        }
        picture.records = Arc::new(book.records.clone());
    }
}

/// Planning is what a person waits for in the worst hour.
#[test]
#[ignore = "prints a figure, for `make bench`"]
fn figure_of_planning_an_evacuation() {
    let estate = Arc::new(estate());
    let observed = Arc::new(observed(&estate, Some(REGIONS[0])));
    let picture = Picture { now: now(), observed, estate, records: Arc::default(), journal_break: None, read_only: false };
    let plan = || {
        let began = std::time::Instant::now();
        let plan = picture.evacuation_plan(&id(REGIONS[0]), Mode::Emergency).unwrap();
        let took = began.elapsed();
        assert_eq!(plan.evacuation().unwrap().waves.iter().flatten().count(), SERVICES + CLUSTERS);
        took
    };
    let mut took: Vec<_> = (0..9).map(|_| plan()).collect();
    took.sort_unstable();
    let millis = |at: usize| took[at].as_secs_f64() * 1_000.0;
    println!("planning the evacuation of a region, {SERVICES} services: median {:.0} ms, worst {:.0} ms", millis(4), millis(8));
}
