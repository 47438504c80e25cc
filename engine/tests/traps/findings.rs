//! Findings: what a picture complains about, how badly, since when and with what remedy.

use crate::world::{Book, EAST, REPLICA, WEST, World, ago, id, judged, now, operation_id, person, request};
use engine::{
    databases::{HostReading, HostState, RoutedTo},
    estate::{Detection, Estate},
    failover::OperationKind,
    findings::{Complaint, Finding, Severity},
    health::Health,
    journal::{Actor, Event, Exposure, Records},
    noticing,
    picture::{Observations, Picture},
};
use std::sync::Arc;

fn lines(found: &[Finding]) -> Vec<String> {
    found.iter().map(|finding| format!("{:?}: {}", finding.severity, finding.complaint)).collect()
}
pub fn all(world: &World) -> Vec<String> {
    lines(&world.picture().findings())
}

#[test]
fn a_lost_primary_is_told_in_order_of_weight() {
    let mut world = World::healthy();
    world.down(EAST);
    world.records.exposures.insert(id("users"), Exposure { since: ago(15), unprotected: true, missing: Vec::new() });
    insta::assert_debug_snapshot!(all(&world), @r#"
    [
        "Lost: no node takes writes: pg-primary-east, the primary, is down: 3 of the last 3 probes failed, latest: connection refused",
        "Act: UNPROTECTED: pg-primary-east, the primary, is down; pg-replica-east does not stream from the primary; pg-standby-west does not stream from the primary",
        "Unknown: whether replication is asynchronous, as the strategy database-tier declares, is not known: pg-primary-east, the primary when last read, is down",
    ]
    "#);
    let found = world.picture().findings();
    assert_eq!((found[0].since, found[1].since), (Some(ago(20)), Some(ago(15))));
}

#[test]
fn f9_what_was_never_measured_is_unknown_not_silent() {
    let mut world = World::healthy();
    world.observed = Observations::default();
    let found = world.picture().findings();
    assert!(!found.is_empty() && found.iter().all(|finding| finding.severity == Severity::Unknown), "{:#?}", lines(&found));
    for part in [
        "api is unknown in us-east-1",
        "api is unknown in us-west-2",
        "agent of us-east-1",
        "agent of us-west-2",
        "router does not answer",
        "takes writes is not known",
    ] {
        assert!(lines(&found).iter().any(|line| line.contains(part)), "{part}: {:#?}", lines(&found));
    }
    let guide = Picture {
        now: now(),
        estate: Arc::new(Estate::guide().unwrap()),
        observed: Arc::default(),
        records: Arc::default(),
        journal_break: None,
        read_only: false,
    };
    let unprobed = guide.findings().iter().filter(|finding| matches!(finding.complaint, Complaint::NothingProbed { .. })).count();
    assert_eq!(unprobed, 9, "all services but the one that is a cluster");
}

#[test]
fn d1_split_brain_is_lost_and_ends_only_by_proof() {
    let mut world = World::healthy();
    world.west_took_over();
    assert_eq!(all(&world)[0], "Lost: more than one node takes writes: pg-primary-east, pg-standby-west");
    let events = noticing::changes(&world.picture());
    assert!(events.iter().any(|event| matches!(event, Event::SplitBrainObserved { .. })));
    world.records.split_brain.insert(id("users"), ago(5));
    assert_eq!(world.picture().findings()[0].since, Some(ago(5)));
    world.node(EAST).judgement = judged(Health::Unknown, ago(20), "no probe");
    world.node(EAST).host = None;
    let ended = |world: &World| noticing::changes(&world.picture()).iter().any(|event| matches!(event, Event::SplitBrainEnded { .. }));
    assert!(!ended(&world), "unreachable is not fenced");
    world.node(EAST).host = Some(HostReading { at: ago(1), state: HostState::Gone });
    assert!(ended(&world));
}

#[test]
fn an_old_primary_that_writes_alone_is_told_apart() {
    let mut world = World::healthy();
    world.west_took_over();
    world.node(WEST).judgement = judged(Health::Down, ago(20), "timed out");
    assert!(all(&world).iter().any(|line| line.starts_with("Lost: pg-primary-east takes writes on timeline 1")), "{:#?}", all(&world));
}

#[test]
fn the_route_is_compared_with_the_writable_node() {
    let mut world = World::healthy();
    let route = |world: &mut World, nodes: &[&str]| {
        world.view().routed_to = Some(RoutedTo { at: ago(1), nodes: nodes.iter().map(|node| id(node)).collect() })
    };
    route(&mut world, &[REPLICA]);
    assert_eq!(all(&world), ["Lost: clients are sent to pg-replica-east, the writable node is pg-primary-east"]);
    route(&mut world, &[]);
    assert_eq!(all(&world), ["Lost: no client can reach a database node: the route is closed"]);
    let mut book = Book::with_people();
    let plan = World::healthy().plan(OperationKind::Switchover, None);
    book.act(&person("ann"), &request(1, &plan), now()).unwrap();
    book.act(&person("bob"), &crate::world::approve(1, &plan, &plan), now()).unwrap();
    book.write(&Actor::Lifeboat, &Event::OperationStarted { id: operation_id(1) }, now()).unwrap();
    world.records = book.records.clone();
    assert!(all(&world).is_empty(), "the running operation closed it: {:#?}", all(&world));
    book.write(&Actor::Lifeboat, &Event::OperationInDoubt { id: operation_id(1), why: "killed".to_owned() }, now()).unwrap();
    world.records = book.records;
    let found = all(&world);
    assert!(found[0].contains("route is closed") && found[1].starts_with("Act: the switchover 00000001 stands IN DOUBT: killed"), "{found:#?}");
    world.records = Records::default();
    world.view().routed_to = Some(RoutedTo { at: ago(60), nodes: vec![id(EAST)] });
    assert!(all(&world)[0].starts_with("Unknown: where clients are sent is not known"), "an old answer is none");
}

#[test]
fn agents_router_endpoints_and_journal() {
    let mut world = World::healthy();
    world.agent_silent("us-west-2");
    world.observed.routers.insert(id("users"), judged(Health::Down, ago(20), "refused"));
    world.journal_break = Some("entry 7 was changed".to_owned());
    for (region, health) in [("us-east-1", Health::Down), ("us-west-2", Health::Degraded)] {
        world.observed.endpoints.get_mut(&(id("api"), id(region))).unwrap().judgement = judged(health, ago(20), "503");
    }
    insta::assert_debug_snapshot!(all(&world), @r#"
    [
        "Act: api is down in us-east-1: 503",
        "Act: the router does not answer: refused",
        "Act: the host agent of us-west-2 does not answer, so nothing there can be fenced by its host: timed out",
        "Act: the journal is broken: entry 7 was changed",
        "Watch: api is degraded in us-west-2: 503",
    ]
    "#);
    world.observed.endpoints.get_mut(&(id("api"), id("us-west-2"))).unwrap().judgement.health = Health::Down;
    assert_eq!(all(&world).iter().filter(|line| line.starts_with("Lost: api is down")).count(), 2, "down everywhere");
}

#[test]
fn a_broken_declaration_is_input_not_an_error() {
    let mut world = World::healthy();
    let estate = &mut world.estate;
    estate.services.push(estate.services[0].clone());
    estate.clusters[0].service = id("ghost");
    estate.clusters[0].nodes[2].region = id("mars");
    estate.clusters[0].detection = Some(Detection { failures: 0, ..Detection::default() });
    estate.services[0].strategy = Some(id("hope"));
    estate.regions[0].agent = None;
    let found = all(&world);
    for part in [
        "api is declared twice",
        "ghost, a service that is not declared",
        "names mars",
        "failures is 0",
        "names the strategy hope",
        "no host agent is set up",
        "no promotable node stands",
    ] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:#?}");
    }
}

#[test]
fn every_finding_has_a_remedy_and_the_order_does_not_depend_on_the_estate() {
    let mut world = World::healthy();
    world.lose_east();
    world.estate.services.push(world.estate.services[1].clone());
    world.estate.services[0].depends_on.push(id("ghost"));
    world.estate.services[0].depends_on.push(id("api"));
    let found = world.picture().findings();
    assert!(found.iter().all(|finding| finding.remedy().len() > 20 && !finding.complaint.to_string().is_empty()));
    assert!(found.is_sorted_by_key(|finding| finding.severity));
    let mut turned = world.clone();
    turned.estate.services.reverse();
    turned.estate.regions.reverse();
    turned.estate.services[0].depends_on.reverse();
    assert_eq!(turned.picture().findings(), found);
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Finding>>(&json).unwrap(), found, "findings cross the wire");
}

#[test]
fn f22_a_region_that_falls_silent_does_not_disappear() {
    let mut world = World::healthy();
    for node in [EAST, REPLICA] {
        world.node(node).judgement = judged(Health::Unknown, ago(60), "no probe since 03:03:05 UTC");
    }
    world.observed.endpoints.insert((id("api"), id("us-east-1")), engine::picture::EndpointView::unseen());
    let found = all(&world);
    assert!(found.iter().any(|line| line.starts_with("Unknown: whether any node takes writes")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("the state of pg-primary-east is unknown")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("api is unknown in us-east-1")), "{found:#?}");
}

#[test]
fn a_lease_that_nobody_keeps_is_said_before_it_is_needed() {
    let said = |world: &World| {
        let found = world.picture().findings();
        found
            .iter()
            .filter(|finding| matches!(finding.complaint, Complaint::LeaseNotKept { .. }))
            .map(|finding| finding.complaint.to_string())
            .collect::<Vec<_>>()
    };
    let mut world = World::healthy();
    assert_eq!(said(&world), [""; 0], "none is declared");
    world.estate.clusters[0].lease = Some(engine::time::Span::from_secs(20));
    assert!(matches!(&said(&world)[..], [one] if one.contains("pg-primary-east") && one.contains("never asked")), "{:?}", said(&world));
    world.node(EAST).details.lease = Some(Err("its keeper hangs".to_owned()));
    assert!(said(&world)[0].contains("its keeper hangs"));
    world.node(EAST).details.lease = Some(Ok(true));
    assert_eq!(said(&world), [""; 0]);
}
