//! Commit windows (row 44): who decides within them, and what follows where nobody does.

use crate::stage::{EAST, Stage, WEST, person, regions};
use engine::{
    estate::{AtEnd, CommitWindow},
    failover::{Action, Mode, Operation, State, StepState},
    health::Health,
    id::OperationId,
    journal::Event,
    restraints::Restraint,
    time::Span,
};
use std::collections::BTreeMap;

async fn stage(window: Span, then: AtEnd) -> Stage {
    let declare = |estate: &mut engine::estate::Estate| estate.strategies[0].commit = Some(CommitWindow { window, then });
    Stage::declared(&[("shop", "one", "")], BTreeMap::new(), declare).await
}

fn window_of(operation: &Operation) -> usize {
    operation.plan.steps.iter().position(|step| matches!(step.action, Action::AwaitCommit { .. })).unwrap()
}

/// The move works, and waits for a decision.
async fn waits(stage: &Stage) -> OperationId {
    let id = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
    stage.start();
    stage.until("it waits for a commit", |picture| picture.operation(&id)?.awaits_commit().map(|_| ())).await;
    assert_eq!(stage.control("shop").script().on, regions(&[WEST]), "clients are served there meanwhile");
    id
}

#[tokio::test]
async fn a_commit_makes_it_final() {
    let stage = stage(Span::from_mins(10), AtEnd::RollBack).await;
    let id = waits(&stage).await;
    stage.says(&person("ann"), vec![Event::OperationCommitted { id, reason: "it holds".to_owned() }]).await;
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    assert_eq!(operation.steps[window_of(&operation)].said.as_deref(), Some("committed by ann: it holds"));
    assert_eq!(stage.control("shop").script().on, regions(&[WEST]));
}

#[tokio::test]
async fn a_roll_back_sends_clients_back_at_once() {
    let stage = stage(Span::from_mins(10), AtEnd::Commit).await;
    let id = waits(&stage).await;
    stage.says(&person("ann"), vec![Event::OperationAborted { id, reason: "it is slow".to_owned() }]).await;
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Failed, "{operation:#?}");
    assert_eq!(operation.outcome.as_deref(), Some("rolled back: stopped by ann: it is slow"));
    assert_eq!(stage.control("shop").script().on, regions(&[EAST]));
}

#[tokio::test]
async fn where_nobody_decides_what_was_declared_follows() {
    for (then, state, on, said) in [
        (AtEnd::Commit, State::Succeeded, WEST, "nobody rolled it back in time"),
        (AtEnd::RollBack, State::Failed, EAST, "nobody committed it in time"),
    ] {
        let stage = stage(Span::from_millis(300), then).await;
        let id = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
        stage.start();
        let operation = stage.outcome(id).await;
        assert_eq!(operation.state, state, "{operation:#?}");
        assert!(operation.steps[window_of(&operation)].said.as_ref().unwrap().contains(said), "{operation:#?}");
        assert_eq!(stage.control("shop").script().on, regions(&[on]));
    }
}

#[tokio::test]
async fn what_became_an_emergency_on_its_way_waits_for_nobody() {
    let stage = stage(Span::from_mins(10), AtEnd::RollBack).await;
    let id = stage.under_way(stage.plan("shop", Mode::Planned, WEST)).await;
    stage.says(&person("ann"), vec![Event::OperationEscalated { id, reason: "it fails now".to_owned() }]).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    assert!(operation.steps[window_of(&operation)].said.as_ref().unwrap().contains("nothing to go back to"));
    assert_eq!(stage.control("shop").script().on, regions(&[WEST]));
}

#[tokio::test]
async fn nobody_is_rolled_back_by_itself_into_what_fails() {
    let stage = stage(Span::from_secs(2), AtEnd::RollBack).await;
    let id = waits(&stage).await;
    stage.see("shop", EAST, Health::Down);
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    let said = operation.steps[window_of(&operation)].said.clone().unwrap();
    assert!(said.contains("NOT rolled back") && said.contains("us-east-1"), "{said}");
    assert_eq!(stage.control("shop").script().on, regions(&[WEST]));
}

#[tokio::test]
async fn a_server_that_was_killed_in_the_window_waits_for_what_is_left_of_it() {
    let stage = stage(Span::from_mins(10), AtEnd::RollBack).await;
    let plan = stage.plan("shop", Mode::Planned, WEST);
    let id = stage.under_way(plan).await;
    let operation = stage.desk.picture().operation(&id).unwrap().clone();
    let at = window_of(&operation);
    stage.control("shop").script().on = regions(&[WEST]);
    for step in 0..at {
        let done = Event::StepEnded { id, step, state: StepState::Done, said: "before".to_owned() };
        stage.says(&engine::journal::Actor::Lifeboat, vec![Event::StepStarted { id, step }, done]).await;
    }
    stage.says(&engine::journal::Actor::Lifeboat, vec![Event::StepStarted { id, step: at }]).await;
    let before = stage.desk.picture().operation(&id).unwrap().awaits_commit().unwrap().until;
    stage.start();
    stage.until("it is taken up", |picture| (picture.operation(&id)?.steps[at].attempts == 2).then_some(())).await;
    assert_eq!(stage.desk.picture().operation(&id).unwrap().awaits_commit().unwrap().until, before);
    stage.says(&person("ann"), vec![Event::OperationCommitted { id, reason: "it holds".to_owned() }]).await;
    assert_eq!(stage.outcome(id).await.state, State::Succeeded);
}

#[tokio::test]
async fn row_60_nobody_is_sent_back_while_lifeboat_may_not_move_clients() {
    let stage = stage(Span::from_millis(300), AtEnd::RollBack).await;
    let paused = Event::Restrained { what: Restraint::Pause(None), until: None, reason: "we look at it ourselves".to_owned() };
    let id = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
    stage.says(&person("ann"), vec![paused]).await;
    stage.start();
    let operation = stage.outcome(id).await;
    assert_eq!(operation.state, State::Succeeded, "{operation:#?}");
    let said = operation.steps[window_of(&operation)].said.clone().unwrap();
    assert!(said.contains("NOT rolled back") && said.contains("we look at it ourselves"), "{said}");
    assert_eq!(stage.control("shop").script().on, regions(&[WEST]));
}
