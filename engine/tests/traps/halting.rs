//! What ends an operation before its time: rows 40, 64, 71 and 90. A rehearsal never keeps anything waiting.

use crate::{
    realm::{BILLING, EAST, Realm, SHOP, WEST, requests},
    world::id,
};
use engine::{
    failover::{Mode, OnFailure, State, StepState, halting, measuring},
    health::Health,
    id::OperationId,
    journal::{Command, Event, Refusal},
};

/// A rehearsal by tom, who may do nothing else, in the middle of its first step.
fn rehearsal(realm: &mut Realm) -> OperationId {
    let plan = realm.plan(SHOP, Mode::Test, &[WEST]);
    realm.act("tom", &crate::world::request(77, &plan)).unwrap();
    let operation = crate::world::operation_id(77);
    realm.say(Event::OperationStarted { id: operation });
    realm.say(Event::StepStarted { id: operation, step: 0 });
    operation
}

fn state(realm: &Realm, operation: OperationId) -> State {
    assert_eq!(realm.book.replayed().operations[&operation], realm.book.records.operations[&operation]);
    realm.book.records.operations[&operation].state
}

#[test]
fn row_90_a_tester_rehearses_and_moves_nobody() {
    let mut realm = Realm::well();
    let operation = rehearsal(&mut realm);
    for mode in [Mode::Planned, Mode::Emergency] {
        let real = realm.plan(BILLING, mode, &[WEST]);
        assert!(matches!(realm.act("tom", &crate::world::request(78, &real)), Err(Refusal::NotAllowed { .. })), "{mode}");
    }
    let planned = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let real = realm.request(&planned).unwrap();
    for command in [
        Command::Cancel { operation: real, reason: "no".to_owned() },
        Command::Approve {
            operation: real,
            shown_hash: planned.hash(),
            plan_now: Box::new(planned.clone()),
            accept_loss: false,
            reason: "yes".to_owned(),
        },
    ] {
        assert!(matches!(realm.act("tom", &command), Err(Refusal::NotAllowed { .. })), "{command:?}");
    }
    assert!(matches!(realm.act("eve", &Command::Abort { operation, reason: "stop".to_owned() }), Err(Refusal::NotAllowed { .. })));
    realm.act("tom", &Command::Abort { operation, reason: "seen enough".to_owned() }).unwrap();
}

#[test]
fn row_64_the_emergency_stop_stops_the_tests_that_run_and_nothing_else() {
    let mut realm = Realm::well();
    let operation = rehearsal(&mut realm);
    let planned = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let real = realm.request(&planned).unwrap();
    let told =
        |realm: &Realm, operation: &OperationId| halting::told_to_stop(&realm.book.records.operations[operation], &realm.book.records, realm.now);
    assert_eq!(told(&realm, &operation), None);
    realm.restrain("tests", Some(10));
    assert_eq!(told(&realm, &operation).as_deref(), Some("all tests were stopped by bob: on purpose"));
    assert_eq!(told(&realm, &real), None, "no real move is stopped");
    realm.later(600);
    assert_eq!(told(&realm, &operation), None, "over at its time");
    realm.act("ann", &Command::Abort { operation, reason: "seen enough".to_owned() }).unwrap();
    assert_eq!(told(&realm, &operation).as_deref(), Some("stopped by ann: seen enough"));
}

#[test]
fn row_71_an_emergency_takes_the_place_of_a_test_that_runs_and_a_planned_move_waits_for_it() {
    let mut realm = Realm::well();
    let operation = rehearsal(&mut realm);
    let planned = realm.plan(SHOP, Mode::Planned, &[WEST]);
    assert!(matches!(realm.request(&planned), Err(Refusal::ScopeHeld { .. })));
    realm.see(SHOP, EAST, Health::Down);
    let emergency = realm.plan(SHOP, Mode::Emergency, &[WEST]);
    let real = realm.request(&emergency).unwrap();
    let test = &realm.book.records.operations[&operation];
    assert!(test.outcome.as_ref().unwrap().contains("an emergency takes its place"), "{:?}", test.outcome);
    assert_eq!(test.steps[0].state, StepState::Failed, "nobody saw it end");
    assert_eq!((state(&realm, operation), state(&realm, real)), (State::Failed, State::Approved));
}

#[test]
fn row_71_a_failover_of_the_product_takes_the_place_of_a_test_that_runs() {
    let mut realm = Realm::well();
    let operation = rehearsal(&mut realm);
    assert_eq!(requests(&realm.fails(SHOP, EAST)), 1);
    assert_eq!(state(&realm, operation), State::Failed);
    assert_eq!(realm.holder(SHOP).map(|operation| (operation.state, operation.mode())), Some((State::Approved, Mode::Emergency)));
}

#[test]
fn row_71_whatever_state_a_test_is_in_it_gives_way_and_a_real_move_never_does() {
    for ends in [State::Requested, State::Running, State::Compensating, State::InDoubt] {
        let mut realm = Realm::well();
        if ends == State::Requested {
            // It sets a check aside, so it waits for a second person.
            realm.see(SHOP, WEST, Health::Unknown);
            let plan = realm.plan(SHOP, Mode::Test, &[WEST]);
            realm.act("tom", &crate::world::request(77, &plan)).unwrap();
            realm.see(SHOP, WEST, Health::Ok);
        } else {
            rehearsal(&mut realm);
        }
        let (id, why) = (crate::world::operation_id(77), "as the test says".to_owned());
        match ends {
            State::Compensating => realm.say(Event::OperationCompensating { id, why }),
            State::InDoubt => realm.say(Event::OperationInDoubt { id, why }),
            _ => {}
        }
        assert_eq!(state(&realm, id), ends);
        realm.see(SHOP, EAST, Health::Down);
        let emergency = realm.plan(SHOP, Mode::Emergency, &[WEST]);
        realm.request(&emergency).unwrap();
        assert!(!state(&realm, id).is_active(), "{ends}");
    }
    let mut realm = Realm::well();
    let planned = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let operation = realm.request(&planned).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    assert_eq!(halting::make_way(&realm.book.records.operations[&operation], "no"), []);
    realm.see(SHOP, EAST, Health::Down);
    let emergency = realm.plan(SHOP, Mode::Emergency, &[WEST]);
    assert!(matches!(realm.request(&emergency), Err(Refusal::ScopeHeld { .. })));
}

/// One member that cannot be moved is a finding of the rehearsal, not a doubt that holds the region.
#[test]
fn row_71_the_rehearsal_of_an_evacuation_goes_on_and_can_always_be_ended() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Test).unwrap();
    assert!(plan.steps.iter().all(|step| step.on_failure == OnFailure::GoOn), "{:?}", plan.steps);
    let real = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    assert!(real.steps.iter().all(|step| step.on_failure == OnFailure::StandInDoubt && step.in_emergency == Some(OnFailure::GoOn)));
    let operation = realm.request(&plan).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    realm.say(Event::StepStarted { id: operation, step: 0 });
    assert!(!realm.book.records.operations[&operation].passed_promotion(), "it moves nobody, so there is nothing to stand in doubt about");
    realm.see_all(EAST, Health::Down);
    let emergency = realm.picture().evacuation_plan(&id(EAST), Mode::Emergency).unwrap();
    realm.request(&emergency).unwrap();
    assert_eq!(state(&realm, operation), State::Failed);
}

/// “RTO met” after one wave of five would be a lie, and so it would be with something left behind.
#[test]
fn d19_an_evacuation_is_measured_when_all_of_it_has_moved() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    assert_eq!(plan.steps.len(), 2, "the database, then what needs it and the rest: {:?}", plan.steps);
    let operation = realm.request(&plan).unwrap();
    realm.approve("bob", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    let measures = |realm: &Realm, step| measuring::recovery_time(&realm.book.records.operations[&operation], step, realm.now);
    realm.say(Event::StepStarted { id: operation, step: 0 });
    realm.later(5);
    assert_eq!(measures(&realm, 0), None, "one wave is not all of it");
    realm.say(Event::StepEnded { id: operation, step: 0, state: StepState::Failed, said: "it did not move".to_owned() });
    realm.say(Event::StepStarted { id: operation, step: 1 });
    realm.later(5);
    assert_eq!(measures(&realm, 1), None, "something was left behind");
    realm.say(Event::StepEnded { id: operation, step: 1, state: StepState::Done, said: "moved".to_owned() });
    // It stands in doubt and is resumed: now the first one is the last.
    realm.say(Event::OperationInDoubt { id: operation, why: "not everything was moved".to_owned() });
    realm.act("ann", &Command::Resume { operation, reason: "it is mended".to_owned() }).unwrap();
    realm.say(Event::StepStarted { id: operation, step: 0 });
    realm.later(5);
    let measured = measures(&realm, 0).expect("all of it has moved");
    assert_eq!(measured.as_millis(), 5_000, "counted from the last time the first wave began");
    let mut ended = realm.book.records.operations[&operation].clone();
    ended.measured.recovery_time = Some(measured);
    assert_eq!(ended.recovery_time(), None, "what an earlier build measured of one wave stands for nothing");
    ended.state = State::Succeeded;
    assert_eq!(ended.recovery_time(), Some(measured));
}
