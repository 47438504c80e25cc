//! What old primaries wrote alone, through several promotions and restarts, and what comes of a node that somebody promoted on the side.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, down, id, plan, protected, step, steps, until, users};
use engine::{
    databases::LossBound,
    failover::{Action, Operation, OperationKind, State, StepState},
    findings::{Complaint, Severity},
};

fn measured(action: &Action) -> bool {
    matches!(action, Action::MeasureLoss { .. })
}
fn lost(operation: &Operation) -> u64 {
    assert_eq!(step(operation, measured).0, StepState::Done, "{:#?}", steps(operation));
    operation.measured.lost_transactions.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_failovers_without_a_rejoin_and_a_restart_still_give_a_count_for_each_old_primary() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;

    // Seven commits of the first primary that nobody else ever gets: the replica beside it is away.
    lab.run(&["kill", REPLICA]);
    server.until("the replica is down", down(REPLICA)).await;
    lab.run(&["cut", "us-east-1"]);
    lab.write(EAST, 7, 7).await;
    lab.run(&["kill", EAST]);
    lab.run(&["mend", "us-east-1"]);
    server.until("the primary is down", down(EAST)).await;
    let first = server.carry_out(OperationKind::Failover, WEST).await;
    assert_eq!(first.state, State::Succeeded, "{:#?}", steps(&first));
    assert_eq!(lost(&first), 7);
    let (from, to) = first.measured.lost_between.unwrap();
    assert_eq!(Some(to.bytes_ahead_of(from)), first.measured.lost_bytes);

    // The replica follows the second primary, which is cut off from it and writes five more.
    lab.arrives(WEST, &[REPLICA]).await;
    let streams = |picture: &engine::picture::Picture| {
        picture.observed.clusters.get(&users()).and_then(|view| view.upstream(&id(REPLICA))).is_some_and(|upstream| upstream.node == id(WEST))
    };
    server.until("that is seen", streams).await;
    lab.run(&["cut", "us-west-2"]);
    lab.write(WEST, 5, 5).await;
    lab.run(&["kill", WEST]);
    lab.run(&["mend", "us-west-2"]);
    server.until("the second primary is down", down(WEST)).await;
    let second = server.carry_out(OperationKind::Failover, REPLICA).await;
    assert_eq!(second.state, State::Succeeded, "{:#?}", steps(&second));
    assert_eq!(lost(&second), 5);
    assert_eq!(lab.writable().await, [REPLICA]);

    // The one that was promoted is restarted: it does not say itself any more where its history began.
    lab.run(&["kill", REPLICA]);
    server.until("it is down", down(REPLICA)).await;
    lab.run(&["heal", REPLICA]);
    let back = server.rejoined(EAST).await;
    assert_eq!((lost(&back), back.measured.lost_between), (7, first.measured.lost_between), "against a primary that was promoted twice later");
    let back = server.rejoined(WEST).await;
    assert_eq!((lost(&back), back.measured.lost_between), (5, second.measured.lost_between));
    server.until("all is well", protected).await;
    lab.arrives(REPLICA, &[EAST, WEST]).await;
    for node in [EAST, REPLICA, WEST] {
        assert_eq!((lab.rows(node, 7).await, lab.rows(node, 5).await), (0, 0), "{node} gave up what was lost");
    }
    assert_eq!(lab.writable().await, [REPLICA]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_somebody_promoted_on_the_side_is_split_brain_is_no_target_and_a_rejoin_brings_it_back() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    let west = lab.admin(WEST).await;
    west.execute("select pg_promote(true, 30)", &[]).await.unwrap();
    lab.write(WEST, 3, 3).await;
    let split = |finding: &engine::findings::Finding| matches!(finding.complaint, Complaint::SplitBrain { .. });
    server.until("it is seen", |picture| picture.findings().iter().any(split)).await;
    assert_eq!(server.findings().into_iter().find(split).unwrap().severity, Severity::Lost);
    for kind in [OperationKind::Switchover, OperationKind::Failover] {
        assert!(!plan(&server.picture(), kind, Some(WEST)).hard_blockers().is_empty(), "{kind} to it");
    }
    // Clients write to the east, whatever timeline the other one is on: that one is not to be given up.
    let refused = plan(&server.picture(), OperationKind::Rejoin, Some(EAST));
    assert!(refused.requires_approval(), "the loss of what clients wrote is never agreed to by one");
    let wanted = plan(&server.picture(), OperationKind::Rejoin, Some(WEST));
    assert!(matches!(&wanted.loss, LossBound::Unknown { why } if why.contains("is discarded")), "{wanted:#?}");
    assert_eq!(wanted.database().unwrap().target, Some(id(EAST)));

    let back = server.rejoined(WEST).await;
    assert_eq!(lost(&back), 3, "{:#?}", steps(&back));
    assert_eq!(lab.writable().await, [EAST]);
    lab.arrives(EAST, &[WEST, REPLICA]).await;
    assert_eq!(lab.rows(WEST, 3).await, 0);
    until("it follows on the timeline of the primary", async || {
        (lab.text(WEST, "select received_tli::text from pg_stat_wal_receiver").await == "1").then_some(())
    })
    .await;
    server.until("all is well", protected).await;
}
