//! Plans that send clients to regions: F4, F5, F7, F13, F18 to F21, O9 and rows 34, 40, 46 to 48, 59, 61, 68.

use crate::{
    realm::{ALL, BILLING, EAST, EDGE, EU, REPORTS, Realm, SHOP, WEST, blockers, regions, steps},
    world::id,
};
use engine::{
    databases::{Lsn, NodeRole},
    estate::FailoverMode,
    failover::{Action, Mode, OnFailure, OperationKind, State, StepState},
    health::{Health, Judgement},
    journal::{Command, Event, Refusal, void_reasons},
    noticing,
    time::Span,
};

#[test]
fn f4_f5_row_34_the_active_region_is_the_observed_one_three_hops_and_home() {
    let mut realm = Realm::well();
    for (from, to, kind) in [
        (EAST, WEST, OperationKind::RegionFailover),
        (WEST, EU, OperationKind::RegionFailover),
        (EU, EAST, OperationKind::Failback),
        (EAST, EU, OperationKind::RegionFailover),
        (EU, WEST, OperationKind::RegionFailover),
    ] {
        let operation = realm.moved(SHOP, Mode::Planned, &[to]);
        let plan = &realm.book.records.operations[&operation].plan;
        let change = plan.traffic().unwrap();
        assert_eq!((&change.from, &change.to, plan.kind), (&regions(&[from]), &regions(&[to]), kind));
        assert_eq!(realm.book.records.routes[&id(SHOP)].intended, regions(&[to]));
        assert_eq!(realm.tick(), [], "nothing strayed");
    }
    // Somebody moves clients by hand: the next plan starts from where they are, not from where they were meant to be.
    realm.later(5);
    realm.send(SHOP, &[EU]);
    assert_eq!(realm.plan(SHOP, Mode::Planned, &[EAST]).traffic().unwrap().from, regions(&[EU]));
}

#[test]
fn f7_strangers_and_the_present_place_are_no_targets_and_no_region_is_none() {
    let realm = Realm::well();
    assert!(blockers(&realm.plan(SHOP, Mode::Planned, &["mars"])).contains(&"unknown-region"));
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[EAST])), ["already-there"]);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST, EU])), ["too-many-regions"]);
    for mode in Mode::ALL {
        let nowhere = realm.plan(SHOP, mode, &[]);
        assert!(!nowhere.hard_blockers().is_empty(), "a plan without a step would succeed and have done nothing: {:?}", nowhere.blockers);
    }
    assert!(realm.picture().traffic_plan(&id("nobody"), Mode::Planned, None).is_none());
    let plain = realm.picture().traffic_plan(&id("user-database"), Mode::Planned, Some(&regions(&[WEST]))).unwrap();
    assert!(blockers(&plain).contains(&"no-traffic"));
}

#[test]
fn f13_never_into_a_region_that_is_down() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    for health in [Health::Down, Health::Degraded] {
        realm.see(SHOP, WEST, health);
        for mode in Mode::ALL {
            assert_eq!(blockers(&realm.plan(SHOP, mode, &[WEST])), ["region-not-well"], "{mode}, {health}");
        }
        assert_eq!(realm.best(SHOP, Mode::Emergency).traffic().unwrap().to, regions(&[EU]), "the next one is taken");
    }
    realm.see(SHOP, WEST, Health::Unknown);
    let plan = realm.plan(SHOP, Mode::Emergency, &[WEST]);
    assert_eq!(blockers(&plan), ["region-unknown"]);
    assert!(plan.blockers[0].can_be_overridden() && plan.requires_approval(), "unknown blocks; two people may know better");
    realm.see(SHOP, WEST, Health::Ok);
    realm.restrain("maintenance:region/us-west-2", Some(60));
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), ["region-not-well"], "nor into one that is worked on");
    realm.see(SHOP, EU, Health::Down);
    assert_eq!(blockers(&realm.best(SHOP, Mode::Emergency)), ["no-region"]);
}

#[test]
fn f13_the_newest_probe_counts_where_the_verdict_lags_behind() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.endpoint(SHOP, WEST).last.as_mut().unwrap().outcome = engine::health::Outcome::Failed("refused".to_owned());
    assert_eq!(realm.best(SHOP, Mode::Emergency).traffic().unwrap().to, regions(&[EU]));
}

#[test]
fn f21_active_passive_replaces_and_nobody_is_served_twice() {
    let realm = Realm::well();
    insta::assert_debug_snapshot!(steps(&realm.plan(SHOP, Mode::Planned, &[WEST])), @r#"
    [
        "check-regions [\"us-west-2\"] Compensate",
        "check-data  Compensate",
        "send-clients [] Compensate",
        "send-clients [\"us-west-2\"] Compensate",
        "prove-clients [\"us-west-2\"] Compensate",
    ]
    "#);
}

#[test]
fn row_40_an_emergency_goes_on_where_the_side_that_is_left_fails() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    let plan = realm.plan(SHOP, Mode::Emergency, &[WEST]);
    assert_eq!(blockers(&plan), Vec::<&str>::new());
    assert_eq!(plan.outage_since, Some(realm.now - Span::from_secs(30).as_delta()));
    insta::assert_debug_snapshot!(steps(&plan), @r#"
    [
        "check-regions [\"us-west-2\"] Compensate",
        "check-data  GoOn",
        "send-clients [] GoOn",
        "send-clients [\"us-west-2\"] StandInDoubt",
        "prove-clients [\"us-west-2\"] StandInDoubt",
    ]
    "#);
}

#[test]
fn o9_active_active_takes_out_of_the_rotation_and_brings_in() {
    let mut realm = Realm::well();
    realm.see(EDGE, EAST, Health::Down);
    let plan = realm.best(EDGE, Mode::Emergency);
    assert_eq!((plan.kind, &plan.traffic().unwrap().to), (OperationKind::RegionFailover, &regions(&[WEST, EU])));
    assert_eq!(blockers(&plan), Vec::<&str>::new());
    assert_eq!(steps(&plan).len(), 3, "nothing is quiesced: the others go on serving: {:?}", steps(&plan));
}

#[test]
fn f13_o9_a_rotation_is_not_left_to_what_nobody_knows_to_be_well() {
    let mut realm = Realm::well();
    realm.send(EDGE, &[EAST, WEST]);
    realm.see(EDGE, EAST, Health::Down);
    realm.see(EDGE, WEST, Health::Unknown);
    assert_eq!(realm.best(EDGE, Mode::Emergency).traffic().unwrap().to, regions(&[WEST, EU]), "one that is well comes in");
    realm.see(EDGE, EU, Health::Unknown);
    assert_eq!(blockers(&realm.best(EDGE, Mode::Emergency)), ["no-region"], "what is only not known to be down serves nobody");
    assert_eq!(blockers(&realm.plan(EDGE, Mode::Emergency, &[WEST])), ["region-unknown"], "nor by name");
    realm.see(EDGE, WEST, Health::Down);
    assert_eq!(blockers(&realm.plan(EDGE, Mode::Emergency, &[WEST])), ["region-not-well"]);
}

#[test]
fn o9_clients_sent_to_two_regions_by_mistake_stay_where_it_is_well() {
    let mut realm = Realm::well();
    realm.send(SHOP, &[EAST, WEST]);
    realm.see(SHOP, EAST, Health::Down);
    assert_eq!(realm.best(SHOP, Mode::Emergency).traffic().unwrap().to, regions(&[WEST]));
}

#[test]
fn f18_row_46_clients_return_after_the_dwell_with_whole_data_and_an_approval() {
    let mut realm = Realm::well();
    realm.moved(SHOP, Mode::Planned, &[WEST]);
    realm.since(SHOP, EAST, 60);
    assert_eq!(blockers(&realm.best(SHOP, Mode::Planned)), ["dwell-not-over"], "well, but for a minute only");
    realm.since(SHOP, EAST, 600);
    let cluster = realm.observed.clusters.values_mut().next().unwrap();
    let node = cluster.nodes.iter_mut().find(|node| node.node.as_str() == crate::world::REPLICA).unwrap();
    node.judgement.health = Health::Down;
    let plan = realm.best(SHOP, Mode::Planned);
    assert_eq!(blockers(&plan), ["data-not-back"]);
    assert!(plan.blockers[0].to_string().contains("pg-replica-east of users does not stream"), "{}", plan.blockers[0]);
    let cluster = realm.observed.clusters.values_mut().next().unwrap();
    cluster.nodes.iter_mut().for_each(|node| node.judgement.health = Health::Ok);
    let plan = realm.best(SHOP, Mode::Planned);
    assert_eq!((plan.kind, blockers(&plan)), (OperationKind::Failback, vec![]));
    for mode in [FailoverMode::Manual, FailoverMode::SemiAutomatic, FailoverMode::Automatic] {
        realm.strategy("automatic").failback = mode;
        assert!(realm.best(SHOP, Mode::Planned).requires_approval(), "a return can wait for a person, whatever the mode");
    }
}

#[test]
fn f18_o9_a_region_that_comes_back_into_a_rotation_is_checked_like_any_return() {
    let mut realm = Realm::well();
    realm.send(EDGE, &[WEST]);
    realm.since(EDGE, EAST, 60);
    // Not all the way home: eu stays out.
    let plan = realm.plan(EDGE, Mode::Planned, &[EAST, WEST]);
    assert_eq!((plan.kind, blockers(&plan)), (OperationKind::Failback, vec!["dwell-not-over"]));
    assert!(plan.requires_approval(), "a failback is manual here, whatever the failover is");
    let forced = realm.plan(EDGE, Mode::Emergency, &[EAST, WEST]);
    assert_eq!(blockers(&forced), ["nothing-fails"], "an emergency in which nothing fails is no way around the dwell");
    assert!(forced.requires_approval());
    let swapped = realm.plan(EDGE, Mode::Planned, &[EAST]);
    assert_eq!(swapped.kind, OperationKind::RegionFailover, "leaving a home region is no return");
    assert_eq!(blockers(&swapped), ["dwell-not-over"], "and no way around the dwell either");
}

#[test]
fn f18_row_46_data_that_streams_hours_behind_is_not_back() {
    let mut realm = Realm::well();
    realm.moved(SHOP, Mode::Planned, &[WEST]);
    realm.later(1200);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[EAST])), Vec::<&str>::new());
    let cluster = realm.observed.clusters.values_mut().next().unwrap();
    let primary = cluster.nodes.iter_mut().find(|node| node.node.as_str() == crate::world::EAST).unwrap();
    let NodeRole::Primary { flushed, peers } = &mut primary.reading.as_mut().unwrap().role else { unreachable!() };
    *flushed = Lsn(1 << 30);
    for peer in peers.iter_mut().filter(|peer| peer.name == crate::world::REPLICA) {
        peer.replay_lag = Some(Span::from_mins(180));
    }
    let plan = realm.plan(SHOP, Mode::Planned, &[EAST]);
    assert_eq!(blockers(&plan), ["data-not-back"]);
    assert!(plan.blockers[0].to_string().contains("pg-replica-east of users: it is 3h behind; the strategy allows 5s"), "{}", plan.blockers[0]);
}

#[test]
fn f18_row_46_a_region_without_a_copy_of_the_data_has_none_that_is_back() {
    let mut realm = Realm::well();
    realm.strategy("automatic").primary_region = id(EU);
    let plan = realm.plan(SHOP, Mode::Planned, &[EU]);
    assert_eq!((plan.kind, blockers(&plan)), (OperationKind::Failback, vec![]), "it is not meant to have one there");
    realm.strategy("asks").recovery_regions.push(id(EU));
    let plan = realm.plan(SHOP, Mode::Planned, &[EU]);
    assert_eq!(blockers(&plan), ["data-not-back"]);
    assert!(plan.blockers[0].to_string().contains("users has no copy in eu-west-1"), "{}", plan.blockers[0]);
    realm.strategy("asks").recovery_regions.pop();
    let cluster = realm.observed.clusters.values_mut().next().unwrap();
    cluster.nodes.iter_mut().for_each(|node| node.judgement.health = Health::Down);
    let plan = realm.plan(SHOP, Mode::Planned, &[EU]);
    assert!(plan.blockers[0].to_string().contains("users takes no writes"), "nor does anybody else serve it: {:?}", plan.blockers);
}

/// Whoever closes it vouches for where clients are: there is nobody to be found who sent them there.
#[test]
fn row_47_clients_that_a_closed_operation_left_somewhere_have_not_strayed() {
    let mut realm = Realm::well();
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    let sends = plan.steps.iter().rposition(|step| step.action.changes_routing()).unwrap();
    realm.say(Event::StepStarted { id: operation, step: sends });
    realm.send(SHOP, &[WEST]);
    realm.say(Event::OperationInDoubt { id: operation, why: "not proven".to_owned() });
    realm.later(5);
    realm.act("ann", &Command::Close { operation, reason: "clients are well in the west".to_owned() }).unwrap();
    realm.later(5);
    assert_eq!(realm.tick(), [Event::TrafficAdopted { service: id(SHOP), regions: regions(&[WEST]) }]);
    assert_eq!(realm.book.replayed().routes[&id(SHOP)].intended, regions(&[WEST]));
    realm.later(5);
    realm.send(SHOP, &[EU]);
    assert!(matches!(realm.tick()[..], [Event::TrafficStrayed { .. }]), "whoever moves them after that is asked who that was");
}

/// The region takes nobody while it is emptied, and is no choice of the product's for the dwell time after that.
#[test]
fn row_46_a_region_that_is_being_or_was_just_evacuated_is_no_target() {
    let mut realm = Realm::well();
    let evacuation = realm.picture().evacuation_plan(&id(WEST), Mode::Planned).unwrap();
    let operation = realm.request(&evacuation).unwrap();
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), Vec::<&str>::new(), "nobody has agreed to it yet");
    realm.approve("amy", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    for mode in Mode::ALL {
        let plan = realm.plan(SHOP, mode, &[WEST]);
        assert_eq!(blockers(&plan)[0], "region-not-well", "{mode}");
        assert!(plan.blockers[0].to_string().contains("the region is being evacuated"), "{}", plan.blockers[0]);
    }
    realm.see(SHOP, EAST, Health::Down);
    assert_eq!(realm.best(SHOP, Mode::Emergency).traffic().unwrap().to, regions(&[EU]));
    realm.say(Event::OperationSucceeded { id: operation });
    realm.later(60);
    assert_eq!(realm.best(SHOP, Mode::Emergency).traffic().unwrap().to, regions(&[EU]), "just emptied");
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Emergency, &[WEST])), Vec::<&str>::new(), "a person may");
    realm.strategy("automatic").primary_region = id(WEST);
    realm.strategy("automatic").recovery_regions.push(id(EAST));
    realm.see(SHOP, EAST, Health::Ok);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), ["evacuated-lately"], "clients do not return at once");
    let acknowledged = Command::Acknowledge { operation, reason: "the work there is done".to_owned() };
    let mut taken_note = realm.book.records.clone();
    realm.act("ann", &acknowledged).unwrap();
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), Vec::<&str>::new());
    std::mem::swap(&mut realm.book.records, &mut taken_note);
    realm.later(600);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), Vec::<&str>::new(), "nor is it closed for ever");
}

#[test]
fn row_36_row_46_no_node_is_promoted_in_a_region_that_is_worked_on_or_emptied() {
    let against = |realm: &Realm| {
        let plan = realm.picture().plan(OperationKind::Switchover, &id("users"), Some(&id(crate::world::WEST))).unwrap();
        let candidate = plan.database().unwrap().candidates.iter().find(|candidate| candidate.node.as_str() == crate::world::WEST).unwrap().clone();
        assert_eq!(candidate.is_eligible(), plan.hard_blockers().is_empty());
        let first = plan.database().unwrap().candidates.first().unwrap().node.to_string();
        (candidate.exclusions.first().map(ToString::to_string), first)
    };
    let mut realm = Realm::well();
    assert_eq!(against(&realm).0, None);
    realm.restrain("maintenance:region/us-west-2", Some(60));
    assert_eq!(against(&realm), (Some("its region us-west-2 is under maintenance: on purpose".to_owned()), crate::world::REPLICA.to_owned()));
    let mut realm = Realm::well();
    let evacuation = realm.picture().evacuation_plan(&id(WEST), Mode::Planned).unwrap();
    let operation = realm.request(&evacuation).unwrap();
    realm.approve("amy", operation).unwrap();
    assert_eq!(against(&realm).0.as_deref(), Some("its region us-west-2 is being evacuated"));
}

#[test]
fn fleeing_home_from_a_failure_waits_for_no_dwell() {
    let mut realm = Realm::well();
    realm.moved(SHOP, Mode::Planned, &[WEST]);
    realm.since(SHOP, EAST, 5);
    realm.see(SHOP, WEST, Health::Down);
    let plan = realm.best(SHOP, Mode::Emergency);
    assert_eq!((plan.kind, &plan.traffic().unwrap().to, blockers(&plan)), (OperationKind::RegionFailover, &regions(&[EAST]), vec![]));
}

#[test]
fn row_59_a_rule_of_least_regions_is_named_and_refuses_the_whole_plan() {
    let mut realm = Realm::well();
    let plan = realm.plan(EDGE, Mode::Planned, &[WEST]);
    assert_eq!(blockers(&plan), ["too-few-regions"]);
    assert_eq!(plan.blockers[0].to_string(), "the rule of at least 2 regions for edge would be broken: 1 would stay on");
    assert_eq!(blockers(&realm.plan(EDGE, Mode::Planned, &[WEST, EU])), Vec::<&str>::new());
    realm.see(EDGE, EU, Health::Degraded);
    assert_eq!(blockers(&realm.plan(EDGE, Mode::Planned, &[WEST, EU])), ["too-few-regions"], "only regions that are well count");
    realm.see(EDGE, WEST, Health::Down);
    assert_eq!(blockers(&realm.plan(EDGE, Mode::Emergency, &[EAST, EU])), Vec::<&str>::new(), "taking out what is down breaks nothing further");
}

#[test]
fn row_61_a_safety_rule_is_set_aside_only_with_the_approvers_role_and_stays_on_record() {
    let mut realm = Realm::well();
    let plan = realm.plan(EDGE, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    assert_eq!(realm.book.records.operations[&operation].state, State::Requested, "even where the strategy leaves failovers to the product");
    let Err(Refusal::GlassNotBroken { rules, roles }) = realm.approve("bob", operation) else { panic!("an operator broke the glass") };
    assert!(rules[0].contains("at least 2 regions") && roles == [engine::access::Role::Approver], "{rules:?}");
    realm.approve("amy", operation).unwrap();
    let asked = &realm.book.replayed().operations[&operation];
    assert!(asked.overridden[0].contains("at least 2 regions"), "{:?}", asked.overridden);
    assert_eq!(asked.approved.as_ref().unwrap().by.as_str(), "amy");
}

#[test]
fn row_61_a_rule_broken_further_than_was_agreed_makes_the_approval_void() {
    let mut realm = Realm::well();
    let plan = realm.plan(EDGE, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    realm.approve("amy", operation).unwrap();
    realm.see(EDGE, WEST, Health::Degraded);
    let asked = realm.book.records.operations[&operation].clone();
    let now = realm.picture().replan(&asked).unwrap();
    assert!(void_reasons(&asked, &now, realm.now)[0].contains("0 would stay on"));
}

#[test]
fn f18_data_that_falls_further_behind_makes_the_approval_void() {
    let mut realm = Realm::well();
    realm.moved(SHOP, Mode::Planned, &[WEST]);
    realm.later(1200);
    let down = |realm: &mut Realm, name: &str| {
        let cluster = realm.observed.clusters.values_mut().next().unwrap();
        cluster.nodes.iter_mut().filter(|node| node.node.as_str() == name).for_each(|node| node.judgement.health = Health::Down);
    };
    down(&mut realm, crate::world::REPLICA);
    let plan = realm.plan(SHOP, Mode::Planned, &[EAST]);
    let operation = realm.request(&plan).unwrap();
    let asked = realm.book.records.operations[&operation].clone();
    assert_eq!(void_reasons(&asked, &realm.plan(SHOP, Mode::Planned, &[EAST]), realm.now), Vec::<String>::new());
    down(&mut realm, crate::world::EAST);
    assert!(void_reasons(&asked, &realm.plan(SHOP, Mode::Planned, &[EAST]), realm.now)[0].contains("pg-primary-east of users does not stream"));
}

#[test]
fn row_60_with_the_master_switch_off_people_move_clients_only_by_breaking_the_glass() {
    let mut realm = Realm::well();
    realm.restrain("master-switch", None);
    for mode in [Mode::Planned, Mode::Emergency] {
        assert!(blockers(&realm.plan(SHOP, mode, &[WEST])).contains(&"master-switch-off"));
    }
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Test, &[WEST])), Vec::<&str>::new(), "a test moves nobody");
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    assert!(matches!(realm.approve("bob", operation), Err(Refusal::GlassNotBroken { .. })));
    realm.release("master-switch");
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), Vec::<&str>::new());
}

#[test]
fn row_68_a_blackout_stops_planned_moves_and_tests_and_no_emergency() {
    let mut realm = Realm::well();
    let until = realm.now + Span::from_mins(60).as_delta();
    realm.estate.blackouts.push(engine::estate::Blackout { from: realm.now, until, reason: "year end".to_owned() });
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), ["blackout"]);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Test, &[WEST])), ["blackout"]);
    realm.see(SHOP, EAST, Health::Down);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Emergency, &[WEST])), Vec::<&str>::new());
    realm.now = until;
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), Vec::<&str>::new(), "it is over at its end");
}

#[test]
fn row_40_a_test_never_contains_a_step_that_routes() {
    let mut realm = Realm::well();
    let operation = realm.moved(SHOP, Mode::Test, &[WEST]);
    let plan = &realm.book.records.operations[&operation].plan;
    assert!(plan.steps.iter().all(|step| !step.action.changes_routing() && step.undo.as_ref().is_none_or(|undo| !undo.changes_routing())));
    assert!(matches!(plan.steps.last().unwrap().action, Action::Rehearse { .. }));
    assert_eq!(realm.on(SHOP), regions(&[EAST]));
    assert_eq!(realm.book.records.routes[&id(SHOP)].intended, regions(&[EAST]), "a rehearsal sets no intention");
    realm.restrain("tests", None);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Test, &[WEST])), ["tests-stopped"]);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[WEST])), Vec::<&str>::new(), "row 64: no real move is stopped");
}

#[test]
fn f4_row_47_where_clients_are_is_not_guessed() {
    let mut realm = Realm::well();
    realm.observed.traffic.get_mut(&id(SHOP)).unwrap().judgement = Judgement::never_measured();
    assert!(blockers(&realm.plan(SHOP, Mode::Emergency, &[WEST])).contains(&"traffic-unknown"));
    assert!(!realm.plan(SHOP, Mode::Emergency, &[WEST]).hard_blockers().is_empty());
    realm.observed.traffic.clear();
    assert!(blockers(&realm.best(SHOP, Mode::Planned)).contains(&"traffic-unknown"));
}

#[test]
fn row_47_clients_sent_elsewhere_are_noticed_once_and_their_return_too() {
    let mut realm = Realm::well();
    realm.later(5);
    realm.send(SHOP, &[EU]);
    let strayed = Event::TrafficStrayed { service: id(SHOP), intended: regions(&[EAST]), seen: regions(&[EU]) };
    assert_eq!(realm.tick(), [strayed]);
    realm.later(5);
    assert_eq!(realm.tick(), []);
    realm.send(SHOP, &[EAST]);
    assert_eq!(realm.tick(), [Event::TrafficReturned { service: id(SHOP) }]);
    // Taken as intended by an operation, it is strayed no more.
    realm.later(5);
    realm.send(SHOP, &[EU]);
    realm.tick();
    realm.moved(SHOP, Mode::Planned, &[EU]);
    assert!(realm.book.records.strayed.is_empty());
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Planned, &[EU])), ["already-there"]);
}

#[test]
fn f20_what_was_read_in_the_middle_of_a_move_is_no_straying() {
    let mut realm = Realm::well();
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    if realm.book.records.operations[&operation].state == State::Requested {
        realm.approve("amy", operation).unwrap();
    }
    realm.say(Event::OperationStarted { id: operation });
    realm.later(1);
    realm.send(SHOP, &[]);
    assert_eq!(realm.tick(), [], "an operation moves them");
    // It is undone; the last reading is still from the middle.
    realm.say(Event::OperationCompensating { id: operation, why: "not well".to_owned() });
    realm.now += Span::from_secs(1).as_delta();
    realm.say(Event::OperationFailed { id: operation, why: "not well".to_owned() });
    assert_eq!(realm.tick(), [], "what was read before it ended says nothing about after");
    realm.later(1);
    realm.send(SHOP, &[EAST]);
    assert_eq!(realm.tick(), []);
}

#[test]
fn nobody_means_to_send_clients_nowhere() {
    let mut realm = Realm::well();
    realm.book = crate::world::Book::with_people();
    realm.send(SHOP, &[]);
    let events = noticing::changes(&realm.picture());
    assert!(!events.iter().any(|event| matches!(event, Event::TrafficAdopted { service, .. } if service.as_str() == SHOP)), "{events:?}");
}

#[test]
fn row_45_exposure_of_a_service_is_noticed_once_and_stands_over_a_restart() {
    let mut realm = Realm::well();
    realm.see(BILLING, WEST, Health::Down);
    let missing = vec![format!("it is down in {WEST}")];
    assert_eq!(realm.tick(), [Event::ServiceExposureBegan { service: id(BILLING), unprotected: true, missing }]);
    assert_eq!(realm.tick(), []);
    realm.forget();
    realm.send(BILLING, &[EAST]);
    realm.later(2);
    assert_eq!(noticing::changes(&realm.picture()), [], "a start is no change of anything");
    realm.see(BILLING, EAST, Health::Ok);
    realm.see(BILLING, WEST, Health::Ok);
    assert_eq!(realm.tick(), [Event::ServiceExposureEnded { service: id(BILLING) }]);
}

#[test]
fn skip_leaves_out_only_what_may_be_and_one_step_for_one_form() {
    let mut realm = Realm::well();
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    let skip = Command::Skip { operation, reason: "known to be well".to_owned() };
    assert!(matches!(realm.act("ann", &skip), Err(Refusal::WrongState { .. })), "only in doubt");
    realm.approve("bob", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    realm.say(Event::StepStarted { id: operation, step: 0 });
    realm.say(Event::StepEnded { id: operation, step: 0, state: StepState::Failed, said: "no answer".to_owned() });
    realm.say(Event::OperationInDoubt { id: operation, why: "no answer".to_owned() });
    assert_eq!(realm.act("ann", &skip).unwrap().len(), 1);
    assert_eq!(realm.act("ann", &skip), Ok(vec![]), "the same form twice leaves one step out");
    let record = &realm.book.records.operations[&operation];
    assert_eq!((record.steps[0].state, record.steps[1].state), (StepState::Skipped, StepState::Pending));
    assert!(record.steps[0].said.as_ref().unwrap().contains("left out by ann: known to be well"));
    assert_eq!(record.shortfalls().count(), 1, "never shown as done");
    realm.act("ann", &Command::Resume { operation, reason: "go on".to_owned() }).unwrap();
    assert_eq!(realm.book.records.operations[&operation].next_step(), Some(1));
    for step in 1..plan.steps.len() {
        realm.say(Event::StepStarted { id: operation, step });
        realm.say(Event::StepEnded { id: operation, step, state: StepState::Failed, said: "no answer".to_owned() });
        realm.say(Event::OperationInDoubt { id: operation, why: "no answer".to_owned() });
        assert!(matches!(realm.act("ann", &skip), Err(Refusal::NotSkippable { .. })), "{:?}", plan.steps[step].action);
        realm.act("ann", &Command::Resume { operation, reason: "go on".to_owned() }).unwrap();
        realm.say(Event::StepEnded { id: operation, step, state: StepState::Done, said: "seen".to_owned() });
    }
}

#[test]
fn row_40_escalation_is_an_act_of_its_own_and_for_planned_moves_only() {
    let mut realm = Realm::well();
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    let escalate = Command::Escalate { operation, reason: "the east died meanwhile".to_owned() };
    assert_eq!(realm.act("ann", &escalate), Err(Refusal::NotEscalatable), "before it runs");
    realm.approve("bob", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    let quiesce = &plan.steps[1];
    assert_eq!(realm.book.records.operations[&operation].on_failure(quiesce), OnFailure::Compensate);
    realm.act("bob", &escalate).unwrap();
    let record = &realm.book.replayed().operations[&operation];
    assert_eq!((record.mode(), record.on_failure(quiesce)), (Mode::Emergency, OnFailure::GoOn));
    let sends = plan.steps.iter().rfind(|step| step.action.changes_routing()).unwrap();
    assert_eq!((sends.on_failure, record.on_failure(sends)), (OnFailure::Compensate, OnFailure::StandInDoubt), "no way back to what failed");
    assert_eq!(record.escalated.as_ref().map(|stamp| stamp.by.as_str()), Some("bob"));
    assert_eq!(realm.act("bob", &escalate), Err(Refusal::NotEscalatable), "once");
}

#[test]
fn an_abort_goes_back_while_there_is_a_way_back_and_not_to_what_failed() {
    let mut realm = Realm::well();
    realm.see(BILLING, EAST, Health::Down);
    let plan = realm.plan(BILLING, Mode::Emergency, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    let abort = Command::Abort { operation, reason: "a false alarm".to_owned() };
    assert!(matches!(realm.act("ann", &abort), Err(Refusal::WrongState { .. })));
    realm.approve("bob", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    realm.act("ann", &abort).unwrap();
    assert!(matches!(realm.act("bob", &abort), Err(Refusal::AlreadyAborted { .. })));
    let sends: Vec<usize> = (0..plan.steps.len()).filter(|at| plan.steps[*at].action.changes_routing()).collect();
    realm.say(Event::StepStarted { id: operation, step: sends[0] });
    assert!(!realm.book.records.operations[&operation].passed_promotion(), "quiesced only: the way back is open");
    realm.say(Event::StepStarted { id: operation, step: sends[1] });
    assert!(realm.book.records.operations[&operation].passed_promotion(), "back would be where nothing answers");
    realm.say(Event::OperationInDoubt { id: operation, why: "stopped".to_owned() });
    realm.act("ann", &Command::Resume { operation, reason: "it was none".to_owned() }).unwrap();
    assert_eq!(realm.book.records.operations[&operation].aborted, None, "whoever resumes it wants it to go on");
}

#[test]
fn f3_row_42_one_operation_at_a_time_holds_a_service() {
    let mut realm = Realm::well();
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    realm.request(&plan).unwrap();
    let other = realm.plan(BILLING, Mode::Emergency, &[WEST]);
    assert!(matches!(realm.request(&other), Err(Refusal::ScopeHeld { .. })));
    let elsewhere = realm.plan(REPORTS, Mode::Planned, &[WEST]);
    realm.request(&elsewhere).unwrap();
}

#[test]
fn every_plan_says_that_a_simulator_moves_nobody() {
    let realm = Realm::well();
    assert!(realm.plan(SHOP, Mode::Planned, &[WEST]).is_simulated());
    let evacuation = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let members: Vec<(String, bool)> =
        evacuation.evacuation().unwrap().waves.iter().flatten().map(|member| (member.scope.to_string(), member.simulated)).collect();
    assert!(evacuation.is_simulated() && members.contains(&("service/shop".to_owned(), true)), "{members:?}");
    assert!(members.contains(&("cluster/users".to_owned(), false)), "and the database is real: {members:?}");
    let mut realm = Realm::well();
    let decided = realm.fails(SHOP, EAST).into_iter().find_map(|event| match event {
        Event::Decided { decision } => Some(decision.simulated),
        _ => None,
    });
    assert_eq!(decided, Some(true));
    let realm = Realm::well();
    assert_eq!(ALL.len(), realm.plan(SHOP, Mode::Planned, &[WEST]).traffic().unwrap().regions.len());
}
