//! Moves of one service, whichever way they go.

use crate::stage::{EAST, Stage, WEST, person, regions};
use engine::{
    failover::{Action, Mode, Operation, Plan, State, StepState},
    health::Health,
    id::OperationId,
    journal::{Actor, Event},
    restraints::Restraint,
    time::Span,
};

const SHOP: [(&str, &str, &str); 1] = [("shop", "one", "")];

fn states(operation: &Operation) -> Vec<StepState> {
    operation.steps.iter().map(|step| step.state).collect()
}
/// So that a step that cannot succeed does not take its whole time.
fn impatient(mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        step.timeout = Span::from_secs(3);
    }
    plan
}
fn last_send(plan: &Plan) -> usize {
    plan.steps.iter().rposition(|step| matches!(step.action, Action::SendClients { .. })).unwrap()
}

#[tokio::test]
async fn f14_a_server_killed_right_after_a_failed_step_ends_as_it_would_have() {
    let stage = Stage::with(&SHOP).await;
    let plan = stage.plan("shop", Mode::Planned, WEST);
    let (send, proof) = (last_send(&plan), plan.steps.len() - 1);
    let id = stage.under_way(plan).await;
    stage.control("shop").script().on = regions(&[WEST]);
    for step in 0..=proof {
        let state = if step == proof { StepState::Failed } else { StepState::Done };
        let ended = Event::StepEnded { id, step, state, said: "a client was answered badly".to_owned() };
        stage.says(&Actor::Lifeboat, vec![Event::StepStarted { id, step }, ended]).await;
    }
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Failed, "{operation:#?}");
    assert_eq!((operation.outcome.as_deref(), operation.steps[send].state), (Some("a client was answered badly"), StepState::Undone));
    assert_eq!(stage.control("shop").script().on, regions(&[EAST]));
}

#[tokio::test]
async fn f14_a_server_killed_right_after_it_was_told_to_stop_begins_no_other_step() {
    let stage = Stage::with(&SHOP).await;
    let id = stage.under_way(stage.plan("shop", Mode::Planned, WEST)).await;
    let ended = Event::StepEnded { id, step: 0, state: StepState::Done, said: "it answers well".to_owned() };
    stage.says(&Actor::Lifeboat, vec![Event::StepStarted { id, step: 0 }, ended]).await;
    stage.says(&person("ann"), vec![Event::OperationAborted { id, reason: "a false alarm".to_owned() }]).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!((operation.state, operation.steps[1].state), (State::Failed, StepState::Pending), "{operation:#?}");
    assert!(stage.control("shop").script().sent.is_empty());
}

#[tokio::test]
async fn f15_what_sends_the_clients_may_restart_at_the_very_moment_it_is_needed() {
    let stage = Stage::with(&SHOP).await;
    stage.see("shop", EAST, Health::Down);
    // Its socket is not there: what closes the east fails at once and is recorded, what opens the west is told again.
    stage.control("shop").script().fails = 4;
    let plan = stage.plan("shop", Mode::Emergency, WEST);
    let send = last_send(&plan);
    let id = stage.file(plan).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    assert_eq!(operation.steps[send - 1].state, StepState::Failed, "an emergency goes on past it");
    assert!(operation.steps[send].said.as_ref().unwrap().contains("told 4 times"), "{:?}", operation.steps[send].said);
    assert_eq!(stage.control("shop").script().sent, [regions(&[WEST])], "and never back to what failed");
    assert!(operation.measured.recovery_time.is_some());
}

#[tokio::test]
async fn row_40_an_emergency_whose_clients_cannot_be_sent_stands_in_doubt_and_not_where_it_failed() {
    let stage = Stage::with(&SHOP).await;
    stage.see("shop", EAST, Health::Down);
    stage.control("shop").script().never = vec![regions(&[WEST])];
    let plan = impatient(stage.plan("shop", Mode::Emergency, WEST));
    let id = stage.under_way(plan).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::InDoubt, "{operation:#?}");
    assert!(operation.outcome.as_ref().unwrap().contains("it refuses"), "it says why: {:?}", operation.outcome);
    assert_eq!(stage.control("shop").script().sent, [regions(&[])], "nobody is sent back");
    // A person mends it and resumes: it goes on from there.
    stage.control("shop").script().never.clear();
    stage.says(&person("ann"), vec![Event::OperationResumed { id, reason: "mended".to_owned() }]).await;
    assert_eq!(stage.outcome(id).await.state, State::Succeeded);
    assert_eq!(stage.control("shop").script().on, regions(&[WEST]));
}

#[tokio::test]
async fn row_40_a_planned_move_that_fails_is_undone() {
    let stage = Stage::with(&SHOP).await;
    stage.control("shop").script().never = vec![regions(&[WEST])];
    let plan = impatient(stage.plan("shop", Mode::Planned, WEST));
    let send = last_send(&plan);
    let id = stage.under_way(plan).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Failed, "{operation:#?}");
    assert_eq!(states(&operation)[send - 1..=send], [StepState::Undone, StepState::Undone]);
    assert_eq!(stage.control("shop").script().on, regions(&[EAST]), "clients are where they were");
    assert_eq!(operation.measured.recovery_time, None);
}

#[tokio::test]
async fn f16_what_cannot_be_undone_is_in_doubt_and_never_called_undone() {
    let stage = Stage::with(&SHOP).await;
    stage.control("shop").script().never = vec![regions(&[WEST]), regions(&[EAST])];
    let plan = impatient(stage.plan("shop", Mode::Planned, WEST));
    let send = last_send(&plan);
    let id = stage.under_way(plan).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::InDoubt, "{operation:#?}");
    assert_eq!(operation.steps[send].state, StepState::UndoFailed);
    assert!(operation.outcome.as_ref().unwrap().contains("could not be undone"), "{:?}", operation.outcome);
}

#[tokio::test]
async fn what_a_person_stops_goes_back_to_where_it_was() {
    let stage = Stage::with(&SHOP).await;
    stage.control("shop").script().waits = true;
    let plan = stage.plan("shop", Mode::Planned, WEST);
    let send = last_send(&plan);
    let id = stage.file(plan).await;
    stage.start();
    stage.step_runs(id, send - 1).await;
    stage.says(&person("ann"), vec![Event::OperationAborted { id, reason: "a false alarm".to_owned() }]).await;
    stage.control("shop").let_go();
    let operation = stage.outcome(id).await;
    assert_eq!((operation.state, operation.outcome.as_deref()), (State::Failed, Some("stopped by ann: a false alarm")));
    assert_eq!(operation.steps[send].state, StepState::Pending, "no step begins after that");
    assert_eq!(stage.control("shop").script().on, regions(&[EAST]));
}

#[tokio::test]
async fn row_71_a_test_that_gave_way_writes_nothing_more() {
    let stage = Stage::with(&SHOP).await;
    stage.control("shop").script().waits = true;
    let test = stage.file(stage.plan("shop", Mode::Test, WEST)).await;
    stage.start();
    stage.step_runs(test, 1).await;
    let holder = stage.desk.picture().operation(&test).unwrap().clone();
    stage.says(&Actor::Lifeboat, engine::failover::halting::make_way(&holder, "a failure takes its place")).await;
    let ended = stage.desk.picture().operation(&test).unwrap().clone();
    assert_eq!(ended.state, State::Failed);
    stage.control("shop").let_go();
    let id = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
    assert_eq!(stage.outcome(id).await.state, State::Succeeded);
    assert_eq!(stage.desk.picture().operation(&test), Some(&ended));
}

#[tokio::test]
async fn row_64_a_stop_of_all_tests_ends_a_test_before_its_next_step() {
    let stage = Stage::with(&SHOP).await;
    stage.control("shop").script().waits = true;
    let mut plan = stage.plan("shop", Mode::Test, WEST);
    plan.steps.push(plan.steps[1].clone());
    let id = stage.under_way(plan).await;
    stage.start();
    stage.step_runs(id, 1).await;
    let (what, reason) = (Restraint::Tests, "the auditors are here".to_owned());
    stage.says(&person("bob"), vec![Event::Restrained { what, until: None, reason }]).await;
    stage.control("shop").let_go();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Failed);
    assert_eq!(operation.outcome.as_deref(), Some("all tests were stopped by bob: the auditors are here"));
    assert_eq!(operation.steps[2].state, StepState::Pending);
}

#[tokio::test]
async fn row_60_what_the_product_decided_does_not_begin_once_automation_is_paused() {
    let stage = Stage::with(&SHOP).await;
    stage.see("shop", EAST, Health::Down);
    let plan = stage.plan("shop", Mode::Emergency, WEST);
    let (id, plan_hash, reason) = (OperationId(uuid::Uuid::now_v7()), plan.hash(), "Lifeboat starts the failover".to_owned());
    let (plan, overridden) = (Box::new(plan), Vec::new());
    let asked = Event::OperationRequested { id, plan, plan_hash, reason, loss_accepted: false, overridden, parent: None };
    stage.says(&Actor::Lifeboat, vec![asked]).await;
    let (what, reason) = (Restraint::Pause(None), "we are looking into it".to_owned());
    stage.says(&person("bob"), vec![Event::Restrained { what, until: None, reason }]).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!((operation.state, operation.started_at), (State::Void, None));
    assert!(operation.outcome.as_ref().unwrap().contains("automation is paused everywhere"), "{:?}", operation.outcome);
    assert_eq!(stage.control("shop").script().on, regions(&[EAST]));
}

#[tokio::test]
async fn f15_a_mistake_in_the_product_leaves_an_operation_in_doubt_and_not_running_for_ever() {
    let stage = Stage::with(&SHOP).await;
    stage.control("shop").script().breaks = true;
    let id = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::InDoubt);
    assert!(operation.outcome.as_ref().unwrap().contains("the product failed in the middle of it"), "{:?}", operation.outcome);
    stage.says(&person("ann"), vec![Event::OperationResumed { id, reason: "it was a hiccup".to_owned() }]).await;
    assert_eq!(stage.outcome(id).await.state, State::Succeeded, "somebody is at it again");
}

#[tokio::test]
async fn a_region_that_only_says_that_it_is_well_is_believed_as_long_as_it_does() {
    for (health, state) in [(Health::Ok, State::Succeeded), (Health::Unknown, State::Failed)] {
        let heartbeats = |estate: &mut engine::estate::Estate| {
            let endpoints = estate.services[0].endpoints.iter_mut().filter(|endpoint| endpoint.region.as_str() == WEST);
            endpoints.for_each(|endpoint| endpoint.target = "heartbeat".to_owned());
        };
        let stage = Stage::declared(&SHOP, std::collections::BTreeMap::new(), heartbeats).await;
        let id = stage.under_way(stage.plan("shop", Mode::Planned, WEST)).await;
        stage.see("shop", WEST, health);
        stage.start();
        let operation = stage.outcome(id).await;
        assert_eq!(operation.state, state, "{operation:#?}");
        let said = operation.steps[0].said.clone().unwrap();
        let wanted = if health == Health::Ok { "says so by its heartbeats" } else { "shop in us-west-2 is unknown" };
        assert!(said.contains(wanted), "{said}");
    }
}
