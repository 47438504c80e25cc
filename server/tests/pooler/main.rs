//! Real PgBouncer before a lab: one that connects to the router, as the lab has it, and one that connects to the nodes themselves.

mod place;

use engine::{
    failover::{Action, Operation, OperationKind, State, StepState},
    findings::Complaint,
    picture::Picture,
};
use place::{EAST, Lab, Server, WEST, Writer, plan, report, says, until, well};
use server::agent::wire::{Cut, Pause, Repoint};
use std::time::{Duration, Instant};

fn step(operation: &Operation, wanted: fn(&Action) -> bool) -> (StepState, String) {
    let at = operation.plan.steps.iter().position(|step| wanted(&step.action)).expect("the plan has such a step");
    (operation.steps[at].state, operation.steps[at].said.clone().unwrap_or_default())
}
fn leads_to_west(picture: &Picture) -> bool {
    says(picture, "direct").is_some_and(|said| said.leads_to.is_some_and(|node| node.as_str() == WEST))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_switchover_shows_clients_a_pause_and_no_error() {
    let lab = Lab::up_with_direct().await;
    let server = Server::start(&lab, lab.declares()).await;
    server.until("all is well", well).await;

    // A transaction that does not end: nothing is moved, whoever held it up is named, and the clients of both go on.
    let report_of_the_night = lab.through_direct("nightly report").await;
    report_of_the_night.batch_execute("begin; select 1").await.unwrap();
    let failed = server.carry_out(OperationKind::Switchover, WEST, false).await;
    assert_eq!(failed.state, State::Failed, "{:#?}", failed.steps);
    let (state, said) = step(&failed, |action| matches!(action, Action::PausePoolers { .. }));
    assert!(state == StepState::Undone, "{state:?} {said}");
    let why = failed.outcome.clone().unwrap();
    assert!(why.contains("transactions did not end") && why.contains("\"nightly report\" as app from 127."), "{why}");
    let (state, _) = step(&failed, |action| matches!(action, Action::CloseRoute { .. }));
    assert_eq!(state, StepState::Pending, "nothing was stopped");
    assert_eq!((lab.is_paused("pooler").await, lab.is_paused("direct").await), (false, false));
    let log = lab.pooler_log();
    let (paused, resumed) = (log.find("PAUSE 'users'").unwrap(), log.rfind("RESUME 'users'").unwrap());
    assert!(paused < resumed, "the other pooler, which had nothing open, was paused and let go on: {log}");
    assert!(!lab.pause_file().exists());
    report_of_the_night.batch_execute("commit").await.unwrap();
    drop(report_of_the_night);

    let (load, writer) = (lab.load(12), Writer::through_direct(&lab).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let done = server.carry_out(OperationKind::Switchover, WEST, false).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", done.steps);
    assert_eq!(done.shortfalls().count(), 0, "{:#?}", done.steps);
    let (state, said) = step(&done, |action| matches!(action, Action::ProvePoolers { .. }));
    assert!(state == StepState::Done && said.contains("through pooler and read back on pg-standby-west"), "{said}");
    server.until("it is seen where direct leads", leads_to_west).await;
    let (written, there) = writer.stop(&lab).await;
    assert!(written.errors.is_empty() && written.acknowledged > 20, "{written:?}");
    assert_eq!(written.acknowledged, there, "no row is lost");
    let report = report(load);
    for (step, record) in done.plan.steps.iter().zip(&done.steps) {
        println!("{:?} {:?}", record.took(), step.action);
    }
    println!("through the router: {report}\nto the nodes: {written:?}, {there} rows there");
    assert_eq!((report["missing"].as_u64(), report["errors"].as_object().map(serde_json::Map::len)), (Some(0), Some(0)), "{report}");
    assert!(report["acknowledged"].as_u64() > Some(20), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_when_its_time_is_over_whoever_is_killed() {
    let lab = Lab::up();
    // The agent: the one that is started again finds the note, keeps to its time, and ends the pause.
    let client = lab.through_pooler("waits").await;
    let (began, lasts) = (Instant::now(), Duration::from_secs(8));
    lab.agent().pause_pooler("pooler", &Pause { for_ms: lasts.as_millis() as u64, timeout_ms: 1_000 }).await.unwrap();
    assert!(lab.pause_file().exists());
    lab.run(&["kill", "agent.us-west-2"]);
    lab.run(&["heal", "agent.us-west-2"]);
    let waiting = tokio::spawn(async move { client.query_typed_one("select 1::int8", &[]).await.map(|row| (row.get(0), Instant::now())) });
    let for_ever = Pause { for_ms: u64::from(u32::MAX), timeout_ms: 1_000 };
    assert!(lab.agent().pause_pooler("pooler", &for_ever).await.is_err(), "no order makes clients wait for ever");
    assert!(lab.is_paused("pooler").await || began.elapsed() > lasts, "it keeps to the time that is left");
    until("it is let go on", async || (!lab.is_paused("pooler").await).then_some(())).await;
    let took = began.elapsed();
    assert!(took >= lasts - Duration::from_millis(500) && took < lasts + Duration::from_secs(10), "{took:?}");
    assert!(!lab.pause_file().exists());
    let (one, served): (i64, Instant) = waiting.await.unwrap().unwrap();
    assert!(one == 1 && served.duration_since(began) > lasts - Duration::from_millis(500), "whoever waited was served then, and not before");

    // The server, right after everybody was paused: the agent ends it, and a client sees no error.
    lab.agreed_elsewhere(WEST);
    let load = lab.load(45);
    tokio::time::sleep(Duration::from_secs(1)).await;
    lab.serve_until_killed("1:done");
    let killed = Instant::now();
    assert!(lab.is_paused("pooler").await, "it was killed while they waited");
    until("it is let go on", async || (!lab.is_paused("pooler").await).then_some(())).await;
    assert!(killed.elapsed() < Duration::from_secs(35), "{:?}", killed.elapsed());
    let report = report(load);
    println!("the server was killed: {report}");
    assert_eq!((report["missing"].as_u64(), report["errors"].as_object().map(serde_json::Map::len)), (Some(0), Some(0)), "{report}");
    assert!(report["slowest_ms"].as_f64() > Some(15_000.0), "it did wait: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_is_cut_leads_to_nobody_who_writes_and_is_set_right_by_setting_the_route_again() {
    let lab = Lab::up_with_direct().await;
    let server = Server::start(&lab, lab.declares()).await;
    server.until("all is well", well).await;
    for peer in ["pg-standby-east' user='postgres", "pg-standby-west\nevil = host=x", ""] {
        let refused = lab.agent().repoint_pooler("direct", &Repoint { peer: peer.to_owned() }, 2_000).await;
        assert!(refused.unwrap_err().to_string().contains("no peer with this name"), "{peer:?}");
    }
    let open = lab.through_direct("in the middle").await;
    open.batch_execute("begin; select 1").await.unwrap();
    lab.agent().cut_pooler("direct", &Cut { peer: WEST.to_owned(), for_ms: 4_000 }, 2_000).await.unwrap();
    assert!(open.batch_execute("commit").await.is_err(), "what was open ends at once");
    let said = lab.agent().pooler("direct").await.unwrap();
    assert_eq!((said.paused, said.leads_to.as_deref()), (true, Some(WEST)));
    until("its agent lets clients through", async || (!lab.is_paused("direct").await).then_some(())).await;
    let client = lab.through_direct("after the cut").await;
    let in_recovery: bool = client.query_typed_one("select pg_is_in_recovery()", &[]).await.unwrap().get(0);
    assert!(in_recovery, "nobody is led back to the node that was left");
    let strayed = |picture: &Picture| {
        picture
            .findings()
            .iter()
            .any(|finding| matches!(&finding.complaint, Complaint::PoolerElsewhere { pooler, .. } if pooler.as_str() == "direct"))
    };
    server.until("it is missed", strayed).await;
    let done = server.carry_out(OperationKind::Reroute, EAST, false).await;
    assert_eq!((done.state, done.shortfalls().count()), (State::Succeeded, 0), "{:#?}", done.steps);
    assert_eq!(lab.reached_by(&client).await, Some(format!("127.{}.1.10", lab.number)), "writes go to the east again");
    server.until("nothing is amiss", |picture| !strayed(picture)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_waits_for_no_pooler() {
    let lab = Lab::up_with_direct().await;
    let server = Server::start(&lab, lab.declares()).await;
    server.until("all is well", well).await;
    lab.run(&["kill", "pooler"]);
    let silent = |picture: &Picture| {
        picture.findings().iter().any(|finding| matches!(&finding.complaint, Complaint::PoolerSilent { pooler, .. } if pooler.as_str() == "pooler"))
    };
    server.until("it is missed", silent).await;
    let blocked = plan(&server.picture(), OperationKind::Switchover, Some(WEST));
    assert_eq!(
        blocked.hard_blockers().iter().map(|blocker| blocker.name()).collect::<Vec<_>>(),
        ["pooler-silent"],
        "a planned move would be an error to its clients"
    );

    lab.run(&["kill", EAST]);
    let done = server.carry_out(OperationKind::Failover, WEST, false).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", done.steps);
    let (state, said) = step(&done, |action| matches!(action, Action::RepointPoolers { .. }));
    assert!(state == StepState::Done && said.contains("direct leads to pg-standby-west"), "{said}");
    let (state, said) = step(&done, |action| matches!(action, Action::ResumePoolers { .. }));
    assert!(state == StepState::Failed && said.contains("pooler: PgBouncer"), "a shortfall on record: {state:?} {said}");
    let (state, said) = step(&done, |action| matches!(action, Action::ProvePoolers { .. }));
    assert!(state == StepState::Failed && said.contains("a write through pooler was refused"), "a shortfall on record: {state:?} {said}");
    println!("recovery time with a dead pooler: {:?}", done.measured.recovery_time);
    server.until("it is seen where direct leads", leads_to_west).await;
    let client = lab.through_direct("after").await;
    assert_eq!(lab.reached_by(&client).await, Some(format!("127.{}.2.10", lab.number)), "clients of the one that follows nodes write in the west");
}
