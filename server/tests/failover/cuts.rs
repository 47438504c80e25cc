//! A region that is cut off under load, with the primary on either side of the cut: in the end one node takes the writes, and of commits that
//! wait for a standby none is gone.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, down, id, plan, protected, step, steps, users};
use engine::{
    estate::{Estate, FailoverMode},
    failover::{Action, FenceMeans, OperationKind, State, StepState},
    id::RegionId,
    time::Span,
};

const EAST_REGION: &str = "us-east-1";
const WEST_REGION: &str = "us-west-2";

/// Lifeboat would act at once, by itself, if it may.
fn automatic(estate: &mut Estate) {
    for strategy in &mut estate.strategies {
        (strategy.failover, strategy.wait) = (FailoverMode::Automatic, Span::ZERO);
    }
}

/// The side that Lifeboat reaches holds one standby; the primary, and the standby that can confirm its commits there, are on the other.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_primary_on_the_other_side_nobody_is_promoted_before_that_one_has_stopped_itself() {
    let lab = Lab::up(&["--synchronous"]);
    let server = Server::with_estate(&lab, |estate| estate.clusters[0].lease = Some(Span::from_secs(8))).await;
    server.until("all is well", protected).await;
    let kept = |picture: &engine::picture::Picture| {
        let view = picture.observed.clusters.values().next().unwrap();
        view.node(&id(EAST)).is_some_and(|node| node.details.lease == Some(Ok(true)))
    };
    server.until("its host keeps a lease", kept).await;
    let load = lab.load();
    lab.writes_go_on().await;
    lab.run(&["cut", EAST_REGION]);
    server.until("the primary is down", down(EAST)).await;
    assert_eq!(lab.writable().await, [EAST], "it goes on, out of reach, as long as its lease lasts");
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    let (state, said) = step(&done, |action| matches!(action, Action::Fence { by: FenceMeans::Lease, .. }));
    assert_eq!(state, StepState::Done, "{said}");
    // The region is cut off still: its replica cannot be told whom to follow, and that stands as a shortfall.
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    assert_eq!(lab.writable().await, [WEST], "asked past the cut");
    lab.writes_go_on().await;
    lab.run(&["mend", EAST_REGION]);
    let back = server.rejoined(EAST).await;
    let (acknowledged, missing) = load.stop();
    assert!(acknowledged > 40 && missing == 0, "{missing} of {acknowledged} acknowledged rows are gone");
    // What it had committed there and told nobody: the row whose answer the cut swallowed, at most.
    let counted = back.measured.lost_transactions.unwrap();
    assert!(counted <= 1, "{counted} transactions, and one client that writes one row at a time");
    assert_eq!(lab.writable().await, [WEST]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_primary_on_this_side_writes_go_on_and_nothing_is_moved() {
    let lab = Lab::up(&["--synchronous"]);
    let server = Server::with_estate(&lab, automatic).await;
    server.until("all is well", protected).await;
    let load = lab.load();
    lab.writes_go_on().await;
    lab.run(&["cut", WEST_REGION]);
    server.until("the standby is down", down(WEST)).await;
    let failed = |picture: &engine::picture::Picture| {
        let view = picture.observed.clusters.values().next().unwrap();
        view.failed_regions.contains(&id::<RegionId>(WEST_REGION))
    };
    server.until("the region counts as failed", failed).await;
    lab.writes_go_on().await;
    assert!(server.picture().records.operations.is_empty(), "there is nothing to move");
    assert_eq!(lab.writable().await, [EAST]);
    lab.run(&["mend", WEST_REGION]);
    server.until("all is well", protected).await;
    lab.arrives(EAST, &[REPLICA, WEST]).await;
    let (acknowledged, missing) = load.stop();
    assert!(acknowledged > 40 && missing == 0, "{missing} of {acknowledged} acknowledged rows are gone");
    assert_eq!(lab.writable().await, [EAST]);
    assert!(server.picture().records.operations.is_empty());
}

/// The router counts sessions of the node that hangs for as long as it does, though their clients were sent away.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_hangs_with_its_host_agent_is_kept_from_clients_and_its_only_standby_takes_over() {
    let lab = Lab::up(&["--synchronous"]);
    let server = Server::with_estate(&lab, |estate| estate.clusters[0].nodes.retain(|node| node.id != id(REPLICA))).await;
    // What the estate does not know must not confirm either.
    lab.run(&["kill", REPLICA]);
    let is_seen_gone = |picture: &engine::picture::Picture| {
        let reading = picture.cluster(&users()).and_then(|(_, view)| view.node(&id(EAST))?.reading.as_ref());
        reading.is_some_and(|reading| reading.downstream().iter().all(|peer| peer.name != REPLICA))
    };
    server.until("the replica is seen to be gone", is_seen_gone).await;
    server.until("all is well", protected).await;
    let load = lab.load();
    lab.writes_go_on().await;
    lab.run(&["hang", EAST]);
    lab.run(&["hang", "agent.us-east-1"]);
    server.until("the primary is down", down(EAST)).await;
    let silent = |picture: &engine::picture::Picture| {
        plan(picture, OperationKind::Failover, Some(WEST))
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::Fence { by: FenceMeans::RouterAndSynchronousStandby, .. }))
    };
    server.until("its host is known to be silent", silent).await;
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    let (state, said) = step(&done, |action| matches!(action, Action::Fence { .. }));
    assert_eq!((done.state, state), (State::Succeeded, StepState::Done), "{said} {:#?}", steps(&done));
    assert!(said.contains("it cannot acknowledge a commit without its synchronous standby"), "{said}");
    lab.writes_go_on().await;
    let (acknowledged, missing) = load.stop();
    assert!(acknowledged > 40 && missing == 0, "{missing} of {acknowledged} acknowledged rows are gone");
    lab.run(&["heal", "agent.us-east-1"]);
    server.rejoined(EAST).await;
    assert_eq!(lab.writable().await, [WEST]);
}
