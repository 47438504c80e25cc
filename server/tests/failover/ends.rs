//! The proof before a promotion that nobody is asked for, where the target holds back what it has received.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, down, person, protected, step, steps, until, users};
use engine::{
    estate::FailoverMode,
    failover::{Action, State, StepState},
    journal::Command as Order,
    time::Span,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_replay_is_paused_is_said_to_hold_back_what_it_has_and_not_to_lack_it() {
    let lab = Lab::up(&[]);
    let server = Server::with_estate(&lab, |estate| {
        for strategy in &mut estate.strategies {
            (strategy.failover, strategy.wait) = (FailoverMode::Automatic, Span::ZERO);
        }
    })
    .await;
    server.until("all is well", protected).await;
    lab.run(&["kill", REPLICA]);
    server.until("the replica is down", down(REPLICA)).await;
    let west = lab.admin(WEST).await;
    west.batch_execute("select pg_wal_replay_pause()").await.unwrap();
    lab.write(EAST, 21, 50).await;
    let end = lab.text(EAST, "select pg_current_wal_flush_lsn()::text").await;
    let received = format!("select (pg_last_wal_receive_lsn() >= '{end}')::text");
    until("the west has received it", async || (lab.text(WEST, &received).await == "true").then_some(())).await;
    assert_eq!(lab.rows(WEST, 21).await, 0, "and shows none of it");
    let seen = |picture: &engine::picture::Picture| {
        let view = picture.observed.clusters.get(&users()).unwrap();
        let position = |node: &str| view.node(&crate::place::id(node)).and_then(engine::databases::NodeView::position);
        position(EAST) >= Some(end.parse().unwrap()) && position(WEST) >= position(EAST)
    };
    server.until("both were read since", seen).await;
    lab.run(&["kill", EAST]);
    let started = |picture: &engine::picture::Picture| picture.records.active_on(&users()).map(|operation| operation.id);
    let operation = server.until_some("Lifeboat starts a failover by itself", started).await;
    let done = server.outcome(operation).await;
    assert_eq!(done.state, State::InDoubt, "{:#?}", steps(&done));
    let proof = |action: &Action| matches!(action, Action::HoldsAll { .. });
    let (state, said) = step(&done, proof);
    assert_eq!(state, StepState::Failed);
    assert!(
        said.contains("it has received all that pg-primary-east wrote") && said.contains("with 50 transactions, for replay is paused there"),
        "{said}"
    );
    assert!(said.contains("SELECT pg_wal_replay_resume()") && !said.contains("lacks"), "{said}");
    assert_eq!(lab.writable().await, [""; 0]);

    // As it says.
    west.batch_execute("select pg_wal_replay_resume()").await.unwrap();
    server.desk.act(&person("olga"), Order::Resume { operation, reason: "it replays again".to_owned() }).await.unwrap();
    let done = server.outcome_after(operation, State::InDoubt).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    assert_eq!((lab.writable().await, lab.rows(WEST, 21).await), (vec![WEST], 50));
    assert_eq!(done.measured.lost_transactions, Some(0));
}
