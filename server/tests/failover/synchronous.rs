//! Commits that wait for a standby: a move neither makes them hang nor has them wait for nobody without a word.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, down, id, protected, step, steps, users};
use engine::{
    failover::{Action, OperationKind, State, StepState},
    findings::{Complaint, Severity},
};
use std::time::Duration;

const NAMES: &str = "select current_setting('synchronous_standby_names')";

fn is_restored(action: &Action) -> bool {
    matches!(action, Action::RestoreSynchronous { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_inherited_whom_to_wait_for_does_not_hang_and_waits_for_those_that_stream_once_they_do() {
    let lab = Lab::up(&["--synchronous"]);
    // As pg_basebackup and pg_rewind leave it: nodes that are not there, and itself.
    let west = lab.admin(WEST).await;
    west.batch_execute("alter system set synchronous_standby_names = 'FIRST 2 (\"pg-gone\",\"pg-standby-west\")'").await.unwrap();
    west.batch_execute("select pg_reload_conf()").await.unwrap();
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    let load = lab.load();
    lab.writes_go_on().await;
    lab.run(&["kill", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    let (_, promoted) = step(&done, |action| matches!(action, Action::Promote { .. }));
    assert!(promoted.contains("inherited to wait for FIRST 2 (\"pg-gone\",\"pg-standby-west\")"), "{promoted}");
    let (state, restored) = step(&done, is_restored);
    assert_eq!(state, StepState::Done, "{restored}");
    assert!(restored.contains("pg-replica-east confirms all of them") && restored.contains("asynchronous since 20"), "{restored}");
    assert_eq!(lab.text(WEST, NAMES).await, "FIRST 1 (\"pg-replica-east\")");
    lab.writes_go_on().await;
    assert_eq!(lab.writable().await, [WEST]);

    // The old primary comes back as a standby that confirms, and would not hang if it were promoted.
    let rejoined = server.rejoined(EAST).await;
    assert_eq!(step(&rejoined, is_restored).0, StepState::Done, "{:#?}", steps(&rejoined));
    assert_eq!(lab.text(WEST, NAMES).await, "FIRST 1 (\"pg-primary-east\",\"pg-replica-east\")");
    assert_eq!(lab.text(EAST, NAMES).await, "");
    let confirming = "select string_agg(application_name || ' ' || sync_state, ', ' order by application_name) from pg_stat_replication";
    assert_eq!(lab.text(WEST, confirming).await, "pg-primary-east sync, pg-replica-east potential");
    server.until("all is well", protected).await;

    // A switchover back, under load: the declared standbys confirm from then on.
    let back = server.carry_out(OperationKind::Switchover, EAST).await;
    assert_eq!((back.state, step(&back, is_restored).0), (State::Succeeded, StepState::Done), "{:#?}", steps(&back));
    assert_eq!(lab.text(EAST, NAMES).await, "FIRST 1 (\"pg-standby-west\",\"pg-replica-east\")");
    assert_eq!(lab.text(WEST, NAMES).await, "", "it followed as a standby does: it waits for nobody should it be promoted");
    lab.writes_go_on().await;
    let (acknowledged, missing) = load.stop();
    assert!(acknowledged > 50 && missing == 0, "{missing} of {acknowledged} acknowledged rows are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_standby_streams_writes_go_on_and_everybody_is_told_that_they_are_asynchronous() {
    let lab = Lab::up(&["--synchronous"]);
    // A cluster of two.
    lab.run(&["kill", REPLICA]);
    let server = Server::with_estate(&lab, |estate| estate.clusters[0].nodes.retain(|node| node.id.as_str() != REPLICA)).await;
    server.until("all is well", protected).await;
    lab.run(&["kill", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    let (_, said) = step(&done, is_restored);
    assert!(said.starts_with("commits on pg-standby-west are ASYNCHRONOUS since 20"), "{said}");
    assert_eq!(lab.text(WEST, NAMES).await, "");
    let relaxed = |finding: &engine::findings::Finding| matches!(finding.complaint, Complaint::DeclaredSynchronousObservedNot { .. });
    server.until("it is a finding", |picture| picture.findings().iter().any(relaxed)).await;
    let finding = server.findings().into_iter().find(relaxed).unwrap();
    let promoted = done.promoted().unwrap().at;
    assert_eq!((finding.severity, finding.since), (Severity::Act, Some(promoted)), "since the promotion");
    assert!(finding.remedy().starts_with("Rejoin the standbys that are missing"), "{}", finding.remedy());

    // One comes back, and is waited for again.
    let rejoined = server.rejoined(EAST).await;
    assert_eq!(step(&rejoined, is_restored).0, StepState::Done, "{:#?}", steps(&rejoined));
    assert_eq!(lab.text(WEST, NAMES).await, "FIRST 1 (\"pg-primary-east\")");
    server.until("it is no finding any more", |picture| !picture.findings().iter().any(relaxed)).await;

    // It goes again: what was declared holds, so commits wait, and that is said at once.
    lab.run(&["kill", EAST]);
    let hangs = |finding: &engine::findings::Finding| matches!(&finding.complaint, Complaint::CommitsHang { node, .. } if *node == id(WEST));
    server.until("that commits hang is a finding", |picture| picture.findings().iter().any(hangs)).await;
    assert_eq!(server.findings().into_iter().find(hangs).unwrap().severity, Severity::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_a_target_that_would_hang_is_refused_before_anything_is_done_and_the_right_is_named() {
    let lab = Lab::up(&["--synchronous"]);
    let admin = lab.admin(EAST).await;
    admin.batch_execute("revoke alter system on parameter synchronous_standby_names from lifeboat").await.unwrap();
    let west = lab.admin(WEST).await;
    west.batch_execute("alter system set synchronous_standby_names = '\"pg-gone\"'").await.unwrap();
    west.batch_execute("select pg_reload_conf()").await.unwrap();
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    let named = |finding: &engine::findings::Finding| {
        let right = "GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names TO lifeboat;";
        matches!(&finding.complaint, Complaint::RightMissing { right: missing, .. } if missing.grant == right)
    };
    server.until("the missing right is a finding", |picture| picture.findings().iter().any(named)).await;
    let refused = server.carry_out(OperationKind::Switchover, WEST).await;
    assert_eq!(refused.state, State::Failed, "{:#?}", steps(&refused));
    let (state, why) = step(&refused, |action| matches!(action, Action::CheckTarget { .. }));
    assert!(state == StepState::Failed && why.contains("its first write would hang") && why.contains("As a superuser, on pg-standby-west"), "{why}");
    assert_eq!(lab.writable().await, [EAST]);
    let picture = server.picture();
    let view = picture.observed.clusters.get(&users()).unwrap();
    assert!(view.is_synchronous_peer(&id(WEST)), "nothing was changed");
    tokio::time::timeout(Duration::from_secs(20), lab.arrives(EAST, &[REPLICA, WEST])).await.unwrap();
}
