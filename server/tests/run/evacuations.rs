//! Evacuations: waves, members that cannot be moved, rules that were broken on record, and rehearsals.

use crate::stage::{EAST, EU, Stage, WEST, person, regions};
use engine::{
    failover::{Mode, State, StepState},
    health::Health,
    journal::Event,
    picture::Picture,
    restraints::Restraint,
};

const THREE: [(&str, &str, &str); 3] = [("ledger", "one", ""), ("basket", "one", ""), ("shop", "one", "ledger")];

fn on(stage: &Stage, service: &str) -> Vec<String> {
    stage.control(service).script().on.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn row_8_waves_move_one_after_the_other_and_the_whole_is_measured_at_its_end() {
    let stage = Stage::with(&THREE).await;
    stage.control("ledger").script().waits = true;
    let id = stage.file(stage.evacuation(Mode::Planned)).await;
    stage.start();
    stage.until("basket has moved", |picture| stage.child(picture, "basket").filter(|child| child.state == State::Succeeded).cloned()).await;
    let picture = stage.desk.picture();
    assert!(stage.child(&picture, "shop").is_none(), "what it needs has not moved");
    stage.control("ledger").let_go();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    assert!(operation.recovery_time().is_some());
    for service in ["ledger", "basket", "shop"] {
        assert_eq!(on(&stage, service), [WEST], "{service}");
    }
    let children = stage.desk.picture().records.operations.values().filter(|child| child.parent == Some(id)).count();
    assert_eq!(children, 3, "an operation each");
}

#[tokio::test]
async fn row_40_planned_stops_at_the_wave_that_fails_and_goes_on_when_it_is_resumed() {
    let stage = Stage::with(&THREE).await;
    stage.control("ledger").script().never = vec![regions(&[WEST])];
    let id = stage.file(stage.evacuation(Mode::Planned)).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::InDoubt);
    assert!(operation.outcome.as_ref().unwrap().contains("ledger: the region failover"), "{:?}", operation.outcome);
    assert_eq!(
        (on(&stage, "ledger"), on(&stage, "basket"), on(&stage, "shop")),
        (vec![EAST.to_owned()], vec![WEST.to_owned()], vec![EAST.to_owned()])
    );
    assert_eq!(operation.steps[1].state, StepState::Pending);
    stage.control("ledger").script().never.clear();
    stage.says(&person("ann"), vec![Event::OperationResumed { id, reason: "mended".to_owned() }]).await;
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    assert!(operation.steps[0].said.as_ref().unwrap().contains("basket went to us-west-2 already"), "{:?}", operation.steps[0].said);
    assert_eq!(on(&stage, "shop"), [WEST]);
}

#[tokio::test]
async fn row_40_an_emergency_goes_past_what_fails_and_is_no_success() {
    let stage = Stage::with(&THREE).await;
    for service in ["ledger", "basket", "shop"] {
        stage.see(service, EAST, Health::Down);
    }
    stage.control("basket").script().breaks = true;
    let id = stage.file(stage.evacuation(Mode::Emergency)).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::InDoubt, "{operation:#?}");
    assert!(operation.outcome.as_ref().unwrap().contains("not everything was moved"), "{:?}", operation.outcome);
    assert_eq!((operation.steps[0].state, operation.steps[1].state), (StepState::Failed, StepState::Done));
    assert_eq!((operation.measured.recovery_time, operation.recovery_time()), (None, None), "nothing is measured of a part");
    assert_eq!((on(&stage, "ledger"), on(&stage, "shop")), (vec![WEST.to_owned()], vec![WEST.to_owned()]));
}

#[tokio::test]
async fn row_9_one_that_is_waited_for_blocks_nobody_and_is_not_begun_once_the_whole_is_stopped() {
    const SIX: [(&str, &str, &str); 6] =
        [("a-late", "one", ""), ("b", "one", ""), ("c", "one", ""), ("d", "one", ""), ("e", "one", ""), ("f", "one", "")];
    let stage = Stage::with(&SIX).await;
    let id = stage.under_way(stage.evacuation(Mode::Planned)).await;
    // What it needs has moved a moment ago; its probes take their time.
    stage.see("a-late", WEST, Health::Degraded);
    stage.start();
    let moved = |picture: &Picture| {
        let others = SIX[1..].iter().all(|(name, ..)| stage.child(picture, name).is_some_and(|child| child.state == State::Succeeded));
        others.then_some(())
    };
    stage.until("the others have moved", moved).await;
    stage.says(&person("ann"), vec![Event::OperationAborted { id, reason: "a false alarm".to_owned() }]).await;
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::InDoubt);
    assert!(operation.outcome.as_ref().unwrap().starts_with("a-late: not begun: stopped by ann: a false alarm"), "{:?}", operation.outcome);
    assert_eq!(on(&stage, "a-late"), [EAST]);
    stage.see("a-late", WEST, Health::Ok);
    assert!(stage.child(&stage.desk.picture(), "a-late").is_none());
}

#[tokio::test]
async fn row_61_a_rule_broken_on_record_for_the_whole_lets_its_member_move() {
    let stage = Stage::with(&[("edge", "two", "")]).await;
    let plan = stage.evacuation(Mode::Planned);
    assert_eq!(plan.rules_to_break().len(), 1, "{:?}", plan.blockers);
    let id = stage.file(plan).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    assert_eq!(on(&stage, "edge"), [WEST]);
    let picture = stage.desk.picture();
    assert!(stage.child(&picture, "edge").unwrap().overridden[0].contains("at least 2 regions"), "and the member says so too");
}

#[tokio::test]
async fn row_71_a_rehearsal_in_which_something_fails_is_over_and_holds_nothing() {
    let stage = Stage::with(&THREE).await;
    stage.control("ledger").script().fails = 1;
    let id = stage.file(stage.evacuation(Mode::Test)).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Failed, "{operation:#?}");
    assert!(operation.outcome.as_ref().unwrap().contains("not everything could be moved"), "{:?}", operation.outcome);
    assert_eq!((operation.steps[0].state, operation.steps[1].state), (StepState::Failed, StepState::Done), "all of it was rehearsed");
    assert_eq!(operation.measured.recovery_time, None, "nobody waited for anything");
    assert!(stage.desk.picture().records.holder_of(&operation.plan.scope()).is_none());
    for (service, ..) in THREE {
        assert_eq!(stage.control(service).script().sent, Vec::<std::collections::BTreeSet<_>>::new(), "{service}");
    }
}

#[tokio::test]
async fn row_64_a_stop_of_all_tests_ends_the_rehearsal_of_an_evacuation_between_its_members() {
    let stage = Stage::with(&THREE).await;
    stage.control("ledger").script().waits = true;
    let id = stage.file(stage.evacuation(Mode::Test)).await;
    stage.start();
    let rehearses = |picture: &Picture| stage.child(picture, "ledger").filter(|child| child.steps[1].attempts > 0).map(|_| ());
    stage.until("the ledger is being rehearsed", rehearses).await;
    let (what, reason) = (Restraint::Tests, "the auditors are here".to_owned());
    stage.says(&person("bob"), vec![Event::Restrained { what, until: None, reason }]).await;
    stage.control("ledger").let_go();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Failed);
    assert_eq!(operation.outcome.as_deref(), Some("all tests were stopped by bob: the auditors are here"));
    assert!(stage.child(&stage.desk.picture(), "shop").is_none(), "no member is begun after that");
}

#[tokio::test]
async fn row_71_a_real_evacuation_takes_the_place_of_a_rehearsal_of_its_member() {
    let stage = Stage::with(&THREE).await;
    stage.control("basket").script().waits = true;
    let test = stage.file(stage.plan("basket", Mode::Test, EU)).await;
    stage.start();
    stage.step_runs(test, 1).await;
    let id = stage.file(stage.evacuation(Mode::Planned)).await;
    let gave_way = |picture: &Picture| picture.operation(&test).filter(|test| !test.state.is_active()).cloned();
    let gone = stage.until("the test gave way", gave_way).await;
    assert!(gone.state == State::Failed && gone.outcome.as_ref().unwrap().contains("a real move takes its place"), "{:?}", gone.outcome);
    stage.control("basket").let_go();
    stage.control("basket").let_go();
    let ended = stage.outcome(id).await;
    assert_eq!(ended.state, State::Succeeded, "{:?}", ended.outcome);
    assert_eq!(on(&stage, "basket"), [WEST], "and it went where it was meant to go, not where the test would have");
}
