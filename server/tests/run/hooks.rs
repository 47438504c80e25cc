//! Hooks (row 89): real programs before and after a move.

use crate::stage::{EAST, Stage, WEST, id, person, regions};
use engine::{
    estate::Hook,
    failover::{Mode, State, StepState},
    health::Health,
    id::{HookId, OperationId},
    journal::{Actor, Event},
    picture::Picture,
    time::Span,
};
use server::config::HookLines;
use std::{collections::BTreeMap, path::Path};
use tempfile::TempDir;

/// A stage whose hook runs these shell scripts; each finds the folder as `$0`.
async fn stage(folder: &TempDir, before: &str, after: &str) -> Stage {
    let line = |script: &str| Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned(), folder.path().display().to_string()]);
    let lines: BTreeMap<HookId, HookLines> = [(id("freeze"), HookLines { before: line(before), after: line(after) })].into();
    let hook = Hook { id: id("freeze"), services: Vec::new(), before: true, after: true, timeout: Span::from_secs(20) };
    Stage::declared(&[("shop", "one", "")], lines, |estate| estate.hooks.push(hook)).await
}

const WRITE: &str = "/usr/bin/env | /usr/bin/sort | /bin/grep LIFEBOAT >>\"$0/$LIFEBOAT_MOMENT\"; echo noted";

fn written(folder: &Path, name: &str) -> Vec<String> {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_hook_is_told_what_is_done_and_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder, WRITE, WRITE).await;
    let operation = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
    stage.start();
    let ended = stage.outcome(operation).await;
    assert_eq!(ended.state, State::Succeeded, "{ended:#?}");
    assert_eq!(ended.steps[0].said.as_deref(), Some("the hook freeze ran, and said: noted"));
    let told = |moment: &str, outcome: &str| {
        vec![
            "LIFEBOAT_FROM=us-east-1".to_owned(),
            "LIFEBOAT_HOOK=freeze".to_owned(),
            "LIFEBOAT_KIND=region-failover".to_owned(),
            "LIFEBOAT_MODE=planned".to_owned(),
            format!("LIFEBOAT_MOMENT={moment}"),
            format!("LIFEBOAT_OPERATION={operation}"),
            format!("LIFEBOAT_OUTCOME={outcome}"),
            "LIFEBOAT_SCOPE=service/shop".to_owned(),
            "LIFEBOAT_TO=us-west-2".to_owned(),
        ]
    };
    assert_eq!(written(folder.path(), "before"), told("before", ""));
    assert_eq!(written(folder.path(), "after"), told("after", "done"));
}

#[tokio::test]
async fn a_hook_that_refuses_ends_it_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder, "echo a release is under way >&2; exit 3", WRITE).await;
    let operation = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
    stage.start();
    let ended = stage.outcome(operation).await;
    assert_eq!(ended.state, State::Failed, "{ended:#?}");
    assert!(ended.outcome.as_ref().unwrap().contains("a release is under way"), "its own words: {:?}", ended.outcome);
    assert!(ended.steps[1..].iter().all(|step| step.state == StepState::Pending), "{ended:#?}");
    assert!(stage.control("shop").script().sent.is_empty());
    assert!(written(folder.path(), "after").contains(&"LIFEBOAT_OUTCOME=undone".to_owned()), "what it may have begun is ended");
}

#[tokio::test]
async fn a_hook_that_fails_at_the_end_is_recorded_and_nothing_is_undone() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder, WRITE, "echo the freeze cannot be lifted >&2; exit 1").await;
    let operation = stage.file(stage.plan("shop", Mode::Planned, WEST)).await;
    stage.start();
    let ended = stage.outcome(operation).await;
    assert_eq!((ended.state, ended.shortfalls().count()), (State::Succeeded, 1), "{ended:#?}");
    assert!(ended.steps.last().unwrap().said.as_ref().unwrap().contains("the freeze cannot be lifted"));
    assert_eq!(stage.control("shop").script().on, regions(&[WEST]));
}

#[tokio::test]
async fn a_hook_that_cannot_be_undone_leaves_no_doubt_where_clients_are_back() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder, WRITE, "exit 1").await;
    stage.control("shop").script().never = vec![regions(&[WEST])];
    let mut plan = stage.plan("shop", Mode::Planned, WEST);
    plan.steps.iter_mut().for_each(|step| step.timeout = Span::from_secs(3));
    let operation = stage.under_way(plan).await;
    stage.start();
    let ended = stage.outcome(operation).await;
    assert_eq!(ended.state, State::Failed, "{ended:#?}");
    assert_eq!(ended.steps[0].state, StepState::UndoFailed, "and it says so");
    assert_eq!(stage.control("shop").script().on, regions(&[EAST]));
}

#[tokio::test]
async fn a_test_looks_whether_the_program_is_there_and_does_not_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder, WRITE, WRITE).await;
    let operation = stage.file(stage.plan("shop", Mode::Test, WEST)).await;
    stage.start();
    let ended = stage.outcome(operation).await;
    assert_eq!(ended.state, State::Succeeded, "{ended:#?}");
    assert!(ended.steps[0].said.as_ref().unwrap().contains("a test does not run it"), "{ended:#?}");
    assert!(written(folder.path(), "before").is_empty() && written(folder.path(), "after").is_empty());
}

#[tokio::test]
async fn what_a_hook_began_is_ended_once_when_people_close_the_operation() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(&folder, WRITE, WRITE).await;
    stage.see("shop", EAST, Health::Down);
    stage.control("shop").script().never = vec![regions(&[WEST])];
    let mut plan = stage.plan("shop", Mode::Emergency, WEST);
    plan.steps.iter_mut().for_each(|step| step.timeout = Span::from_secs(3));
    let operation = stage.under_way(plan).await;
    stage.start();
    let doubt = stage.outcome(operation).await;
    assert_eq!(doubt.state, State::InDoubt, "{doubt:#?}");
    assert!(written(folder.path(), "after").is_empty(), "people may still go on");
    let closed = Event::OperationClosed { id: operation, reason: "sent by hand".to_owned() };
    stage.says(&person("ann"), vec![closed]).await;
    let ran = |picture: &Picture| picture.operation(&operation)?.steps.last().filter(|step| step.state == StepState::Done).cloned();
    let said = stage.until("the hook ran", ran).await.said.unwrap();
    assert_eq!(said, "after the end of the operation: the hook freeze ran, and said: noted");
    let told = written(folder.path(), "after");
    assert_eq!(told.iter().filter(|line| *line == "LIFEBOAT_OUTCOME=closed").count(), 1, "{told:?}");
    assert_eq!(stage.desk.picture().operation(&operation).unwrap().state, State::Closed, "and it has not ended otherwise");
}

/// An operation that people closed while what its hook began stands.
async fn left_behind(stage: &Stage) -> OperationId {
    let id = stage.under_way(stage.plan("shop", Mode::Planned, WEST)).await;
    let began = Event::StepEnded { id, step: 0, state: StepState::Done, said: "noted".to_owned() };
    let doubt = Event::OperationInDoubt { id, why: "killed".to_owned() };
    stage.says(&Actor::Lifeboat, vec![Event::StepStarted { id, step: 0 }, began, doubt]).await;
    stage.says(&person("ann"), vec![Event::OperationClosed { id, reason: "sent by hand".to_owned() }]).await;
    id
}

/// Row 90: not even what an operation left behind is tidied up. Another one, started later, does it meanwhile.
#[tokio::test]
async fn a_read_only_server_ends_nothing_that_was_left_behind() {
    let (kept, ended) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (looks_on, acts) = (stage(&kept, WRITE, WRITE).await, stage(&ended, WRITE, WRITE).await);
    left_behind(&looks_on).await;
    let operation = left_behind(&acts).await;
    let looks_on = looks_on.read_only();
    looks_on.start();
    acts.start();
    let ran = |picture: &Picture| picture.operation(&operation)?.steps.last().filter(|step| step.state == StepState::Done).cloned();
    acts.until("the hook ran", ran).await;
    assert!(!written(ended.path(), "after").is_empty() && written(kept.path(), "after").is_empty());
}
