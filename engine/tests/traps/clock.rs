//! A clock that is set: what it measured is not measured, and what must pass before the product acts begins anew. Also what
//! is believed once nobody judges any more.

use crate::{
    realm::{EAST, Realm, SHOP, WEST, blockers, held},
    world::{World, ago, id, now},
};
use engine::{
    failover::{Mode, OperationKind, measuring},
    health::Health,
    journal::{Event, Records},
    picture::Observations,
    time::{Instant, Span},
};
use std::sync::Arc;

/// The clock is set by so many minutes.
fn set(realm: &mut Realm, minutes: i64) {
    let from = realm.now;
    realm.now += chrono::TimeDelta::minutes(minutes);
    let to = realm.now;
    realm.say(Event::ClockJumped { from, to });
    for view in realm.observed.traffic.values_mut() {
        view.on.iter_mut().for_each(|on| on.at = to);
    }
    for node in realm.observed.clusters.values_mut().flat_map(|view| &mut view.nodes) {
        node.reading.iter_mut().for_each(|reading| reading.at = to);
    }
}

#[test]
fn x7_a_recovery_time_across_a_clock_that_was_set_is_not_measured() {
    for minutes in [-60, 60] {
        let mut realm = Realm::well();
        realm.see(SHOP, EAST, Health::Down);
        let plan = realm.plan(SHOP, Mode::Emergency, &[WEST]);
        let operation = realm.request(&plan).unwrap();
        realm.say(Event::OperationStarted { id: operation });
        let proof = plan.steps.len() - 1;
        let measures = |realm: &Realm| measuring::recovery_time(&realm.book.records.operations[&operation], proof, realm.now);
        realm.later(5);
        assert_eq!(measures(&realm), Some(Span::from_secs(35)));
        set(&mut realm, minutes);
        realm.later(5);
        assert_eq!(measures(&realm), None, "set by {minutes} minutes: neither 0 ms nor an hour");
        assert!(realm.book.replayed().operations[&operation].clock_set.is_some());
    }
}

#[test]
fn x7_an_outage_that_began_before_the_clock_was_set_is_not_measured_whenever_it_is_answered() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    set(&mut realm, 60);
    let plan = realm.plan(SHOP, Mode::Emergency, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    let measured = |realm: &Realm, operation| measuring::recovery_time(&realm.book.records.operations[&operation], plan.steps.len() - 1, realm.now);
    assert_eq!(measured(&realm, operation), None);
    realm.say(Event::OperationVoided { id: operation, reasons: vec!["next".to_owned()] });
    realm.later(120);
    realm.see(SHOP, EAST, Health::Down);
    let plan = realm.plan(SHOP, Mode::Emergency, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    assert_eq!(measured(&realm, operation), Some(Span::from_secs(30)), "one that began after that is");
}

#[test]
fn x7_dwell_wait_and_cooldown_begin_anew_when_the_clock_is_set() {
    for minutes in [-60, 60] {
        let mut realm = Realm::well();
        realm.moved(SHOP, Mode::Planned, &[WEST]);
        realm.since(SHOP, EAST, 60);
        set(&mut realm, minutes);
        assert_eq!(blockers(&realm.best(SHOP, Mode::Planned)), ["dwell-not-over"], "set by {minutes} minutes");
        realm.later(599);
        assert_eq!(blockers(&realm.best(SHOP, Mode::Planned)), ["dwell-not-over"]);
        realm.later(1);
        assert_eq!(blockers(&realm.best(SHOP, Mode::Planned)), Vec::<&str>::new(), "ten minutes after it was set by {minutes} minutes");
    }
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.tick();
    set(&mut realm, 60);
    assert_eq!(held(&realm.thinks("service/shop").unwrap()), ["waiting"]);
    realm.later(20);
    realm.tick();
    realm.obey(SHOP);
    realm.see(SHOP, WEST, Health::Down);
    realm.later(60);
    set(&mut realm, 60);
    assert!(held(&realm.thinks("service/shop").unwrap()).contains(&"cooldown".to_owned()));
    realm.later(30 * 60);
    assert!(!held(&realm.thinks("service/shop").unwrap()).contains(&"cooldown".to_owned()));
}

#[test]
fn records_and_operations_of_earlier_builds_are_read() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    realm.request(&plan).unwrap();
    let mut text = serde_json::to_value(&realm.book.records).unwrap();
    assert!(text.get("clock").is_none(), "absent while it was not set");
    let operation = text["operations"].as_object_mut().unwrap().values_mut().next().unwrap();
    assert!(operation.get("clock_set").is_none());
    for member in operation["plan"]["waves"].as_array_mut().unwrap().iter_mut().flat_map(|wave| wave.as_array_mut().unwrap()) {
        member.as_object_mut().unwrap().remove("simulated");
    }
    let read: Records = serde_json::from_value(text).unwrap();
    assert!(!read.operations.values().next().unwrap().plan.is_simulated());
}

#[test]
fn f9_verdicts_that_nobody_looks_at_any_more_are_unknown_and_block_every_plan() {
    let mut world = World::healthy();
    world.observed.since = Some(ago(600));
    world.observed.judged_at = Some(ago(10));
    let as_of = |observed: &Observations, at: Instant| (*Arc::new(observed.clone()).as_of(at)).clone();
    let fresh = as_of(&world.observed, now());
    assert_eq!(fresh.clusters, world.observed.clusters, "ten seconds are allowed");
    let later = now() + Span::from_secs(1).as_delta();
    world.observed = as_of(&world.observed, later);
    let observed = &world.observed;
    let judgements = observed.agents.values().chain(observed.routers.values()).chain(observed.endpoints.values().map(|view| &view.judgement));
    let nodes = observed.clusters.values().flat_map(|view| &view.nodes).map(|node| &node.judgement);
    for judgement in judgements.chain(nodes) {
        assert_eq!(judgement.health, Health::Unknown);
        assert!(judgement.why.contains("watching has stalled"), "{}", judgement.why);
    }
    for kind in [OperationKind::Switchover, OperationKind::Failover] {
        assert!(!world.plan(kind, None).hard_blockers().is_empty(), "{kind}");
    }
    let scope = engine::id::Scope::Cluster(id("users"));
    assert!(!world.picture().is_settled(&scope), "no request becomes void because nobody looks");
    let mut made_up = World::healthy().observed;
    made_up.judged_at = None;
    assert_eq!(as_of(&made_up, now() + Span::from_mins(60).as_delta()).clusters, World::healthy().observed.clusters, "where nobody ever judged");
}
