//! D6: what stops an old primary where its host agent is silent, in the order in which it is tried, and what is said where nothing does.

use crate::{
    findings::all,
    world::{Book, EAST, REPLICA, WEST, World, ago, approve, id, operation_id, request},
};
use engine::{
    abilities::FenceCommand,
    databases::NodeRole,
    failover::{Action, Blocker, FenceMeans, OnFailure, OperationKind, Plan, Step},
    journal::{Actor, Command, Event},
    time::Span,
};

const COMMAND: FenceCommand = FenceCommand { proves: true, timeout: Span::from_secs(20) };

/// The east is gone with its agent, and a command turns its primary off.
fn commanded() -> World {
    let mut world = World::healthy();
    world.estate.clusters[0].nodes[0].fence = Some(id("power-east"));
    world.observed.fences.insert(id("power-east"), Ok(COMMAND));
    world.lose_east();
    world
}
fn fence(plan: &Plan) -> (FenceMeans, Step) {
    let step = plan.steps.iter().find(|step| matches!(step.action, Action::Fence { .. })).unwrap().clone();
    let Action::Fence { by, .. } = step.action.clone() else { unreachable!() };
    (by, step)
}
fn power_east() -> FenceMeans {
    FenceMeans::Command { fence: id("power-east") }
}
fn unproven(plan: &Plan) -> &str {
    let [Blocker::FenceUnproven { why, .. }] = &plan.blockers[..] else { panic!("{:?}", plan.blockers) };
    why
}

#[test]
fn a_command_turns_off_what_no_host_agent_can_and_comes_before_the_weaker_means() {
    let mut world = commanded();
    let plan = world.plan(OperationKind::Failover, None);
    assert_eq!(plan.blockers, [], "two people need not take anything on trust");
    let (by, step) = fence(&plan);
    assert_eq!((by, step.timeout), (power_east(), Span::from_secs(45)), "the command, its proof, and the looks between");
    assert_eq!((step.on_failure, step.undo), (OnFailure::StandInDoubt, None), "it may act later than it answers, and nobody starts the node again");
    assert!(!step.action.may_be_skipped() && step.action.runs_nodes());
    assert!(!plan.database().unwrap().unattended && !plan.loss.is_zero(), "what may be lost is said as ever");

    // Before a lease, and before the router with the only standby that could confirm.
    world.estate.clusters[0].lease = Some(Span::from_secs(20));
    world.node(EAST).details.lease = Some(Ok(true));
    world.synchronous(WEST);
    world.alone(WEST);
    world.view().nodes.retain(|node| node.node.as_str() != REPLICA);
    world.estate.clusters[0].nodes.retain(|node| node.id.as_str() != REPLICA);
    assert_eq!(fence(&world.plan(OperationKind::Failover, None)).0, power_east());
    world.estate.clusters[0].nodes[0].fence = None;
    assert_eq!(fence(&world.plan(OperationKind::Failover, None)).0, FenceMeans::RouterAndSynchronousStandby);

    // The host agent comes first: it sees the processes.
    let mut world = commanded();
    world.observed.agents.get_mut(&id("us-east-1")).unwrap().health = engine::health::Health::Ok;
    assert_eq!(fence(&world.plan(OperationKind::Failover, None)).0, FenceMeans::HostAgent);
}

#[test]
fn a_command_that_is_only_named_fences_nothing_and_that_is_said_before_it_is_needed() {
    let mut world = commanded();
    world.observed.fences.clear();
    let plan = world.plan(OperationKind::Failover, None);
    assert_eq!(fence(&plan).0, FenceMeans::Overridden);
    assert_eq!(
        unproven(&plan),
        "timed out, its command power-east is not in the configuration of this server, and pg-standby-west is not the only standby that could \
         confirm its commits"
    );
    let mut well = World::healthy();
    well.estate.clusters[0].nodes[0].fence = Some(id("power-east"));
    let complaint =
        "Act: the command that is to turn pg-primary-east off cannot be relied on: its command power-east is not in the configuration of this server";
    assert_eq!(all(&well), [complaint]);
    well.observed.fences.insert(id("power-east"), Err("[fence.power-east]: /usr/local/sbin/power cannot be found".to_owned()));
    assert!(all(&well)[0].ends_with("[fence.power-east]: /usr/local/sbin/power cannot be found"), "{:?}", all(&well));
    well.observed.fences.insert(id("power-east"), Ok(COMMAND));
    assert_eq!(all(&well), [""; 0]);
}

/// Asked for again it would fail again, and nobody could ever accept that nothing is proven.
#[test]
fn a_command_that_failed_is_not_relied_on_again_while_the_node_is_down() {
    let mut world = commanded();
    let plan = world.plan(OperationKind::Failover, None);
    let mut book = Book::with_people();
    book.act(&crate::world::person("ann"), &request(1, &plan), ago(9)).unwrap();
    book.act(&crate::world::person("bob"), &approve(1, &plan, &plan), ago(8)).unwrap();
    let write = |book: &mut Book, event: Event, at| book.write(&Actor::Lifeboat, &event, ago(at)).unwrap();
    let (id, step) = (operation_id(1), plan.steps.iter().position(|step| matches!(step.action, Action::Fence { .. })).unwrap());
    write(&mut book, Event::OperationStarted { id }, 7);
    write(&mut book, Event::StepStarted { id, step }, 6);
    assert!(book.records.operations[&id].passed_promotion(), "it may have acted: there is no way back");
    let said = "not fenced: the command power-east: /usr/local/sbin/power failed (exit status: 1): no route to the switch".to_owned();
    write(&mut book, Event::StepEnded { id, step, state: engine::failover::StepState::Failed, said: said.clone() }, 5);
    write(&mut book, Event::OperationInDoubt { id, why: said.clone() }, 4);
    let close = Command::Close { operation: id, reason: "the switch is dead".to_owned() };
    book.act(&crate::world::person("bob"), &close, ago(3)).unwrap();
    world.records = book.records.clone();

    let plan = world.plan(OperationKind::Failover, None);
    assert_eq!(fence(&plan).0, FenceMeans::Overridden, "blocked as what was never proven");
    assert!(unproven(&plan).contains(&format!("its command power-east was run in vain: {said}")), "{}", unproven(&plan));
    // It answered, and fails anew: once somebody has taken note, that failure says nothing of this one.
    world.node(EAST).judgement.since = Some(ago(2));
    assert_eq!(fence(&world.plan(OperationKind::Failover, None)).0, FenceMeans::Overridden);
    let noted = Command::Acknowledge { operation: id, reason: "the switch is repaired".to_owned() };
    book.act(&crate::world::person("bob"), &noted, ago(1)).unwrap();
    world.records = book.records;
    assert_eq!(fence(&world.plan(OperationKind::Failover, None)).0, power_east());
    world.node(EAST).judgement.since = Some(ago(20));
    assert_eq!(fence(&world.plan(OperationKind::Failover, None)).0, FenceMeans::Overridden, "while it is down it is not");
}

/// A machine is not turned off without a person where what can be taken back is enough; where a person is asked, the stronger fence is.
#[test]
fn nobody_turns_a_machine_off_by_itself_where_a_proof_that_can_be_taken_back_is_enough() {
    let mut world = commanded();
    world.estate.strategies[0].failover = engine::estate::FailoverMode::Automatic;
    world.synchronous(WEST);
    world.alone(WEST);
    world.view().nodes.retain(|node| node.node.as_str() != REPLICA);
    world.estate.clusters[0].nodes.retain(|node| node.id.as_str() != REPLICA);
    let NodeRole::Standby { streaming_from, .. } = &mut world.reading(WEST).role else { panic!() };
    *streaming_from = None;
    let by_itself = |world: &World| {
        let considered = engine::automation::consider(&world.picture());
        considered.into_iter().find(|considered| considered.decision.scope.cluster().is_some()).unwrap().plan.unwrap()
    };
    let plan = by_itself(&world);
    assert_eq!((fence(&plan).0, plan.database().unwrap().unattended), (FenceMeans::RouterAndSynchronousStandby, true), "{plan:#?}");
    let NodeRole::Standby { streaming_from, .. } = &mut world.reading(WEST).role else { panic!() };
    *streaming_from = Some("127.0.0.1".to_owned());
    let plan = by_itself(&world);
    assert_eq!((fence(&plan).0, plan.database().unwrap().unattended), (power_east(), false));
}

#[test]
fn a_lease_that_is_declared_and_not_kept_is_named_where_nothing_is_proven() {
    let mut world = World::healthy();
    world.lose_east();
    world.estate.clusters[0].lease = Some(Span::from_secs(20));
    for (lease, said) in [
        (None, "its lease of 20s is not kept (its host was never asked)"),
        (Some(Err("its keeper hangs".to_owned())), "its lease of 20s is not kept (its keeper hangs)"),
        (Some(Ok(false)), "its lease of 20s is not kept (its host says that it takes no writes)"),
    ] {
        world.node(EAST).details.lease = lease;
        let plan = world.plan(OperationKind::Failover, None);
        assert_eq!(unproven(&plan), format!("timed out, {said}, and pg-standby-west is not the only standby that could confirm its commits"));
    }
    world.estate.clusters[0].lease = None;
    assert!(!unproven(&world.plan(OperationKind::Failover, None)).contains("lease"), "none is declared");
}
