//! A standby that streams from another standby.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, down, id, node, protected, step, steps, users};
use engine::{
    databases::NodeStanding,
    failover::{Action, OperationKind, State, StepState},
};
use server::agent::wire::Follow;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_no_broken_one_and_stays_behind_the_standby_that_is_promoted() {
    let lab = Lab::up(&[]);
    let west = lab.admin(WEST).await;
    west.execute("select pg_create_physical_replication_slot('pg_replica_east')", &[]).await.unwrap();
    let order = Follow { upstream: WEST.to_owned(), slot: Some("pg_replica_east".to_owned()), timeout_ms: 30_000 };
    lab.agent(REPLICA).follow(REPLICA, &order).await.unwrap();
    let server = Server::start(&lab).await;
    let cascades = |picture: &engine::picture::Picture| {
        picture.observed.clusters.get(&users()).is_some_and(|view| view.cascades_from(&id(REPLICA)) == Some(&node(WEST)))
    };
    server.until("whom it follows is known", cascades).await;
    server.until("all is well", protected).await;
    lab.arrives(EAST, &[WEST, REPLICA]).await;
    let picture = server.picture();
    let (cluster, view) = picture.cluster(&users()).unwrap();
    let standing = view.standing(view.node(&id(REPLICA)).unwrap(), &picture.estate.detection_of(cluster), picture.now);
    assert_eq!(standing, NodeStanding::Streaming);
    let page = app::databases::view::ClusterPage::of(&picture, &users()).unwrap();
    let drawn = page.nodes.iter().find(|row| row.node == id(REPLICA)).unwrap();
    assert_eq!(drawn.upstream, Some(node(WEST)), "drawn behind the one it follows");

    lab.run(&["kill", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    assert!(!done.plan.steps.iter().any(|step| matches!(step.action, Action::Repoint { .. })), "it follows the target already");
    let (state, said) = step(&done, |action| matches!(action, Action::ProveStreaming { .. }));
    assert!(state == StepState::Done && said == "pg-replica-east streams from pg-standby-west on timeline 2", "{said}");
    lab.arrives(WEST, &[REPLICA]).await;
    assert_eq!(lab.writable().await, [WEST]);
}
