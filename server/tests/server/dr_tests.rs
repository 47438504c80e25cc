//! DR tests on the real router and store: what a tester sees and posts without JavaScript, two people at one step, the evidence, and
//! what the product does by itself in a run.

use crate::{
    house::{Browser, House, desk_on, form},
    world::{self, id},
};
use engine::{
    dr_tests::{Run, RunState, TestStepState, Verdict},
    health::Health,
    id::{FaultId, TestRunId},
};
use http::StatusCode;
use server::{config::FaultLine, desk::Desk, dr_tests};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

const FORM: &str = "application/x-www-form-urlencoded";

fn run_of(desk: &Desk, run: TestRunId) -> Arc<Run> {
    desk.picture().records.dr_tests.get(&run).unwrap().clone()
}
/// Posts a form as a browser without JavaScript does; the answer leads to the run, or back with a refusal.
async fn post(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> String {
    let headers = [("accept", "text/html"), ("content-type", FORM), ("referer", "http://house.test/dr-tests")];
    let answer = browser.send(http::Method::POST, path, &headers, &form(fields)).await;
    assert!(answer.status.is_redirection(), "{path}: {} {}", answer.status, answer.body);
    answer.location().to_owned()
}
/// Starts a run by the form of the scenario's page.
async fn start(house: &House, browser: &mut Browser, scenario: &str) -> TestRunId {
    let page = browser.get(&format!("/dr-tests/{scenario}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let version = house.desk.estate().scenario(&id(scenario)).unwrap().version();
    assert!(page.body.contains(&version), "the page shows the version that it starts");
    let run = TestRunId(uuid::Uuid::now_v7());
    let fields = [("run", run.to_string()), ("scenario", scenario.to_owned()), ("version", version), ("reason", "quarterly".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let to = post(browser, "/api/start_dr_test", &fields).await;
    assert_eq!(to, format!("/dr-tests/runs/{run}"));
    assert_eq!(post(browser, "/api/start_dr_test", &fields).await, to, "the same form sent twice starts one run");
    run
}
async fn record(browser: &mut Browser, run: TestRunId, step: usize, shown: u64, what: &str, said: &str) -> String {
    let (run, step, shown) = (run.to_string(), step.to_string(), shown.to_string());
    post(browser, "/api/record_test_step", &[("run", &run), ("step", &step), ("shown", &shown), ("what", what), ("said", said)]).await
}
async fn pass(house: &House, browser: &mut Browser, run: TestRunId, step: usize) {
    for what in ["start", "pass"] {
        let shown = run_of(&house.desk, run).steps[step].changed;
        record(browser, run, step, shown, what, "").await;
    }
}
async fn until(desk: &Desk, run: TestRunId, what: &str, is_so: impl Fn(&Run) -> bool) -> Arc<Run> {
    let mut changed = desk.listen();
    let waits = async {
        loop {
            let run = run_of(desk, run);
            if is_so(&run) {
                return run;
            }
            changed.changed().await.unwrap();
        }
    };
    match tokio::time::timeout(Duration::from_secs(10), waits).await {
        Ok(run) => run,
        Err(_) => panic!("{what} did not come within 10 s: {:?}", run_of(desk, run)),
    }
}

#[tokio::test]
async fn a_tester_logs_a_run_by_forms_and_the_report_has_the_same_bytes_each_time() {
    let house = House::with_people().await;
    let driving = dr_tests::start(house.desk.clone(), BTreeMap::new());
    let mut tom = house.signed_in("tom").await;
    let list = tom.get("/dr-tests").await;
    assert!(list.body.contains("never completed") && list.body.contains("Next best test"), "{}", list.body);
    let run = start(&house, &mut tom, "lose-users").await;
    pass(&house, &mut tom, run, 0).await;
    pass(&house, &mut tom, run, 1).await;
    until(&house.desk, run, "the cleaning up", |run| run.state == RunState::Cleaning).await;
    let text = run.to_string();
    post(&mut tom, "/api/attach_evidence", &[("run", &text), ("step", "0"), ("text", "</textarea><script>alert(1)</script>"), ("url", "")]).await;
    pass(&house, &mut tom, run, 2).await;
    let ended = until(&house.desk, run, "the end", |run| run.state == RunState::Ended).await;
    assert_eq!(ended.verdict(), Some(Verdict::Passed), "{:?}", ended.judged);
    let board = tom.get(&format!("/dr-tests/runs/{run}")).await;
    assert!(board.body.contains("passed") && !board.body.contains("<script>alert(1)"), "{}", board.body);
    for kind in ["markdown", "json"] {
        let (first, second) = (tom.get(&format!("/evidence/{run}/{kind}")).await, tom.get(&format!("/evidence/{run}/{kind}")).await);
        assert_eq!((first.status, &first.body), (StatusCode::OK, &second.body));
        assert!(first.body.contains(&text) && first.body.len() > 1_000, "{}", first.body);
    }
    let entries = house.desk.store().history(Some(ended.entries.1 + 1), 1, None).await.unwrap();
    let report = tom.get(&format!("/evidence/{run}/markdown")).await;
    assert!(report.body.contains(&entries[0].hash), "it names the entry that it ends with");
    assert!(tom.get("/dr-tests").await.body.contains("in time"));
    driving.abort();
}

#[tokio::test]
async fn of_two_people_at_one_step_the_second_is_told_what_the_first_recorded() {
    let house = House::with_people().await;
    let (mut tom, mut ann, mut vera) = (house.signed_in("tom").await, house.signed_in("ann").await, house.signed_in("vera").await);
    let run = start(&house, &mut tom, "lose-users").await;
    record(&mut tom, run, 0, 0, "start", "").await;
    let shown = run_of(&house.desk, run).steps[0].changed;
    record(&mut tom, run, 0, shown, "pass", "all dark").await;
    let back = record(&mut ann, run, 0, shown, "fail", "one lamp is on").await;
    let page = ann.get(back.strip_prefix("http://house.test").unwrap_or(&back)).await;
    assert!(back.contains("__err"), "{back}");
    assert_eq!(run_of(&house.desk, run).steps[0].state, TestStepState::Passed);
    drop(page);
    let refused = house.last_events(1).await;
    assert!(refused[0].contains("tom recorded “break” as passed") && refused[0].contains("all dark"), "{refused:?}");
    let before = run_of(&house.desk, run);
    let back = record(&mut vera, run, 1, 0, "start", "").await;
    assert!(back.contains("__err"), "a viewer may look only: {back}");
    assert_eq!(run_of(&house.desk, run), before);
}

#[cfg(unix)]
fn fault(program: &str, arguments: &[&Path]) -> FaultLine {
    let arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    let run = std::iter::once(program.to_owned()).chain(arguments).collect();
    FaultLine { run, timeout: engine::time::Span::from_secs(5) }
}

/// Ann asks, for what breaks something takes an operator; Otto approves.
async fn broken(house: &House) -> TestRunId {
    let mut ann = house.signed_in("ann").await;
    let run = start(house, &mut ann, "break-checkout").await;
    assert_eq!(run_of(&house.desk, run).state, RunState::Requested);
    let text = run.to_string();
    let refused = post(&mut ann, "/api/conduct_test", &[("run", &text), ("what", "approve"), ("reason", "fine by me")]).await;
    assert!(refused.contains("__err"), "nobody approves their own: {refused}");
    let mut otto = house.signed_in("otto").await;
    post(&mut otto, "/api/conduct_test", &[("run", &text), ("what", "approve"), ("reason", "agreed")]).await;
    run
}

#[tokio::test]
async fn a_bound_fault_is_run_a_guardrail_stops_the_run_within_ten_seconds_and_what_puts_back_is_run_all_the_same() {
    let house = House::with_people().await;
    let (cut, mended) = (house.folder.path().join("cut"), house.folder.path().join("mended"));
    let faults: BTreeMap<FaultId, FaultLine> =
        [(id("cut-checkout"), fault("/usr/bin/touch", &[&cut])), (id("mend-checkout"), fault("/usr/bin/touch", &[&mended]))].into();
    let driving = dr_tests::start(house.desk.clone(), faults);
    let run = broken(&house).await;
    let running = until(&house.desk, run, "the fault", |run| run.steps[0].state == TestStepState::Passed).await;
    assert!(cut.exists() && !mended.exists() && running.state == RunState::Running, "{running:?}");
    let mut observed = world::healthy(house.desk.estate(), chrono::Utc::now());
    for node in &mut observed.clusters.get_mut(&id("users")).unwrap().nodes {
        node.judgement.health = Health::Down;
    }
    observed.tick += 1;
    house.desk.put_up(observed);
    let stopped = until(&house.desk, run, "the stop and the cleaning up", |run| run.steps[2].state == TestStepState::Passed).await;
    assert!(stopped.stopped.as_ref().is_some_and(|stop| stop.guardrail) && mended.exists(), "{stopped:?}");
    assert_eq!(stopped.steps[1].state, TestStepState::NotRun);
    driving.abort();
}

#[tokio::test]
async fn a_fault_that_the_configuration_does_not_have_fails_and_one_that_was_interrupted_is_not_run_again() {
    let house = House::with_people().await;
    let driving = dr_tests::start(house.desk.clone(), BTreeMap::new());
    let run = broken(&house).await;
    let failed = until(&house.desk, run, "the failure", |run| run.steps[0].state == TestStepState::Failed).await;
    assert!(failed.steps[0].said.as_ref().unwrap().contains("no [fault.cut-checkout]"), "{failed:?}");
    driving.abort();

    let house = House::with_people().await;
    let never = house.folder.path().join("never");
    let sleeps: BTreeMap<FaultId, FaultLine> = [(id("cut-checkout"), fault("/usr/bin/sleep", &[Path::new("60")]))].into();
    let driving = dr_tests::start(house.desk.clone(), sleeps);
    let run = broken(&house).await;
    until(&house.desk, run, "the beginning", |run| run.steps[0].state == TestStepState::Running).await;
    // As after kill -9: another process on the same journal, which watches since later.
    driving.abort();
    house.desk.store().close().await;
    let desk = Arc::new(desk_on(&house.data()).await);
    let mut observed = world::healthy(desk.estate(), chrono::Utc::now());
    observed.since = Some(chrono::Utc::now());
    desk.put_up(observed);
    let again: BTreeMap<FaultId, FaultLine> = [(id("cut-checkout"), fault("/usr/bin/touch", &[&never]))].into();
    let driving = dr_tests::start(desk.clone(), again);
    let failed = until(&desk, run, "the end of the step", |run| run.steps[0].state == TestStepState::Failed).await;
    assert!(failed.steps[0].said.as_ref().unwrap().contains("not known") && !never.exists(), "{failed:?}");
    driving.abort();
}
