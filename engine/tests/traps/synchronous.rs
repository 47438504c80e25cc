//! Whom commits wait for after a move (O11, row 52): what is declared is restored, and where it is not kept that is told.

use crate::world::{EAST, REPLICA, WEST, World, ago, id, judged, primary};
use engine::{
    databases::NodeRole,
    estate::{Manager, Replication, Synchronous},
    failover::{Action, OnFailure, OperationKind, Plan},
    findings::{Complaint, Severity},
    health::Health,
};

fn declared() -> World {
    let mut world = World::healthy();
    world.estate.strategies[0].replication = Replication::Synchronous;
    world.synchronous(WEST);
    world
}
/// The node that waits, and for whom; and that it is the last thing of the plan.
fn restored(plan: &Plan) -> Option<(String, Vec<String>, u32)> {
    let at = plan.steps.iter().position(|step| matches!(step.action, Action::RestoreSynchronous { .. }))?;
    assert_eq!((at + 1, plan.steps[at].on_failure), (plan.steps.len(), OnFailure::GoOn), "the service works already");
    let Action::RestoreSynchronous { node, standbys, confirm } = &plan.steps[at].action else { unreachable!() };
    Some((node.to_string(), standbys.iter().map(ToString::to_string).collect(), *confirm))
}
fn waits(node: &str, standbys: &[&str]) -> Option<(String, Vec<String>, u32)> {
    Some((node.to_owned(), standbys.iter().map(|name| (*name).to_owned()).collect(), 1))
}

#[test]
fn o11_a_move_has_commits_wait_again_for_whoever_may_confirm_and_is_not_lost() {
    let mut world = declared();
    assert_eq!(restored(&world.plan(OperationKind::Switchover, None)), waits(WEST, &[EAST, REPLICA]));
    world.down(EAST);
    assert_eq!(restored(&world.plan(OperationKind::Failover, None)), waits(WEST, &[REPLICA]), "the one that is fenced cannot confirm");
    let mut behind = declared();
    behind.node(WEST).judgement = judged(Health::Down, ago(20), "connection refused");
    assert_eq!(restored(&behind.plan(OperationKind::Rejoin, Some(WEST))), waits(EAST, &[WEST, REPLICA]), "those kept to take over first");

    world.estate.clusters[0].nodes[1].promotable = false;
    assert_eq!(restored(&world.plan(OperationKind::Failover, None)), waits(WEST, &[]), "what never takes over confirms nothing");
    world.estate.clusters[0].synchronous = Some(Synchronous { confirm: 1, among: vec![id(REPLICA), id("pg-gone"), id(WEST)] });
    assert_eq!(restored(&world.plan(OperationKind::Failover, None)), waits(WEST, &[REPLICA]), "unless it is named");
    world.estate.strategies[0].replication = Replication::Asynchronous;
    assert_eq!(restored(&world.plan(OperationKind::Failover, None)), None);
    world.estate.strategies[0].replication = Replication::Synchronous;
    world.estate.clusters[0].manager = Manager::Patroni;
    assert_eq!(world.estate.synchronous_of(world.cluster(), &id(WEST)), None, "Patroni sees to it");
}

#[test]
fn o11_the_estate_says_how_many_confirm_and_who_may() {
    let text = World::healthy().estate.to_toml().unwrap();
    let text = text.replace(
        "database = \"users\"\n",
        "database = \"users\"\nsynchronous = { confirm = 2, among = [\"pg-replica-east\", \"pg-standby-west\"] }\n",
    );
    let estate = engine::estate::Estate::from_toml(&text).unwrap();
    assert_eq!(estate.clusters[0].synchronous, Some(Synchronous { confirm: 2, among: vec![id(REPLICA), id(WEST)] }));
    assert!(engine::estate::Estate::from_toml(&text.replace("confirm = 2", "confirmations = 2")).is_err());
}

#[test]
fn o11_commits_that_hang_or_wait_for_too_few_are_told() {
    let found = |world: &World| {
        let all = world.picture().findings().into_iter();
        all.map(|finding| (finding.severity, finding.complaint))
            .filter(|(_, complaint)| {
                matches!(
                    complaint,
                    Complaint::CommitsHang { .. } | Complaint::TooFewConfirm { .. } | Complaint::DeclaredSynchronousObservedNot { .. }
                )
            })
            .collect::<Vec<_>>()
    };
    let mut world = declared();
    let names = |names: &str| Some(names.to_owned());
    world.reading(EAST).waits_for = names("FIRST 1 (\"pg-standby-west\",\"pg-replica-east\")");
    assert_eq!(found(&world), []);
    world.reading(EAST).waits_for = names("FIRST 2 (\"pg-standby-west\",\"pg-gone\")");
    assert!(matches!(&found(&world)[..], [(Severity::Lost, Complaint::CommitsHang { node, .. })] if *node == id(EAST)), "one of two");
    world.reading(EAST).role = primary(0x1000, &[]);
    world.reading(EAST).waits_for = names("pg-standby-west");
    assert!(matches!(&found(&world)[..], [(Severity::Lost, Complaint::CommitsHang { .. })]), "none of one: no mere lack of durability");
    world.reading(EAST).waits_for = None;
    assert!(matches!(&found(&world)[..], [(Severity::Act, Complaint::DeclaredSynchronousObservedNot { .. })]));
    let told = |world: &World| {
        let open = engine::notifications::incidents(&world.picture(), &[]).into_iter();
        open.map(|incident| (incident.key.topic.to_string(), incident.severity))
            .filter(|(topic, _)| topic.starts_with("durability/"))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&world), [("durability/users".to_owned(), Severity::Act)], "people hear of it who look at no page");
    world.reading(EAST).waits_for = names("pg-standby-west");
    assert_eq!(told(&world), [("durability/users".to_owned(), Severity::Lost)]);
    let mut world = declared();
    assert_eq!(told(&world), []);
    world.estate.clusters[0].synchronous = Some(Synchronous { confirm: 2, among: Vec::new() });
    assert!(matches!(&found(&world)[..], [(Severity::Act, Complaint::TooFewConfirm { confirm: 2, .. })]));
    assert!(matches!(&world.reading(EAST).role, NodeRole::Primary { peers, .. } if peers.len() == 2));
}
