//! Clients behind PgBouncer: a planned move shows them a pause, an emergency waits for no pooler, and one that leads to nodes is a way
//! past the router.

use crate::world::{EAST, REPLICA, WEST, World, ago, id, judged, node_id, now};
use engine::{
    estate::{Follows, Manager, Pooler},
    failover::{Action, FenceMeans, OnFailure, OperationKind, Plan},
    findings::{Complaint, Severity},
    health::Health,
    id::{ClusterId, PoolerId},
    poolers::{PoolerReading, PoolerView},
    time::Span,
};

/// All is well, with `front` before the router and `direct` before the node in the east.
fn pooled() -> World {
    let mut world = World::healthy();
    for (name, follows) in [("front", Follows::Router), ("direct", Follows::Nodes)] {
        let pooler = Pooler { id: id(name), address: "127.0.0.1:6432".to_owned(), region: id("us-west-2"), follows };
        world.estate.clusters[0].poolers.push(pooler);
        let said = PoolerReading {
            at: ago(1),
            version: "PgBouncer 1.18.0".to_owned(),
            paused: false,
            paused_until: None,
            connects_to: "127.0.0.1:5432".to_owned(),
            leads_to: Some(node_id(EAST)),
            clients_waiting: 0,
            longest_wait: Span::ZERO,
        };
        let judgement = judged(Health::Ok, ago(600), "the last probe was good");
        world.observed.poolers.insert(key(name), PoolerView { judgement, said: Some(said) });
    }
    world
}
fn key(pooler: &str) -> (ClusterId, PoolerId) {
    (id("users"), id(pooler))
}
fn said<'a>(world: &'a mut World, pooler: &str) -> &'a mut PoolerReading {
    world.observed.poolers.get_mut(&key(pooler)).unwrap().said.as_mut().unwrap()
}
fn silent(world: &mut World, pooler: &str) {
    world.observed.poolers.get_mut(&key(pooler)).unwrap().judgement = judged(Health::Down, ago(20), "connection refused");
}
fn steps(plan: &Plan) -> Vec<String> {
    let step = |step: &engine::failover::Step| {
        let action = serde_json::to_value(&step.action).unwrap();
        let undo = step.undo.as_ref().map(|undo| serde_json::to_value(undo).unwrap()["do"].as_str().map(|undo| format!(", undone by {undo}")));
        let poolers =
            action["poolers"].as_array().map(|poolers| format!(" {}", poolers.iter().map(|p| p.as_str().unwrap()).collect::<Vec<_>>().join("+")));
        format!("{}{} {:?}{}", action["do"].as_str().unwrap(), poolers.unwrap_or_default(), step.on_failure, undo.flatten().unwrap_or_default())
    };
    plan.steps.iter().map(step).collect()
}
fn complaints(world: &World) -> Vec<(Severity, Complaint)> {
    let found = world.picture().findings().into_iter().map(|finding| (finding.severity, finding.complaint));
    found.filter(|(_, complaint)| complaint.to_string().contains("the pooler")).collect()
}
fn fence(plan: &Plan) -> FenceMeans {
    plan.steps.iter().find_map(|step| if let Action::Fence { by, .. } = &step.action { Some(by.clone()) } else { None }).unwrap()
}
/// The east is lost with its agent, and only the west could have confirmed its commits.
fn lost_with_its_host(world: &mut World) {
    world.synchronous(WEST);
    world.alone(WEST);
    world.view().nodes.retain(|node| node.node.as_str() != REPLICA);
    world.estate.clusters[0].nodes.retain(|node| node.id.as_str() != REPLICA);
    world.down(EAST);
    world.node(EAST).host = None;
    world.agent_silent("us-east-1");
}

#[test]
fn clients_wait_before_anything_is_stopped_and_go_on_as_soon_as_the_route_is_open() {
    let plan = pooled().plan(OperationKind::Switchover, None);
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    insta::assert_debug_snapshot!(steps(&plan), @r#"
    [
        "check-target Compensate",
        "pause-poolers front+direct Compensate, undone by resume-poolers",
        "close-route Compensate, undone by open-route",
        "stop-node Compensate, undone by start-node",
        "catch-up Compensate",
        "promote StandInDoubt",
        "verify-writable StandInDoubt",
        "open-route StandInDoubt",
        "repoint-poolers direct GoOn",
        "resume-poolers front+direct GoOn",
        "prove-write StandInDoubt",
        "repoint GoOn",
        "follow GoOn",
        "prove-streaming GoOn",
        "prove-poolers front+direct StandInDoubt",
    ]
    "#);
    let pause = plan.steps.iter().find(|step| matches!(step.action, Action::PausePoolers { .. })).unwrap();
    assert!(matches!(pause.action, Action::PausePoolers { lasts, .. } if lasts == Span::from_secs(30)), "never without an end");
    assert!(!plan.steps.iter().any(|step| matches!(step.action, Action::PausePoolers { .. }) && step.action.may_be_skipped()));
}

#[test]
fn a_cluster_without_poolers_is_planned_as_before() {
    for kind in [OperationKind::Switchover, OperationKind::Failover, OperationKind::Reroute] {
        let text = steps(&World::healthy().plan(kind, None)).join(" ");
        assert!(!text.contains("pooler"), "{text}");
    }
}

#[test]
fn a_pooler_that_cannot_be_told_stops_a_planned_move_and_no_emergency() {
    let mut world = pooled();
    silent(&mut world, "front");
    silent(&mut world, "direct");
    let names = |plan: &Plan| plan.blockers.iter().map(|blocker| blocker.name()).collect::<Vec<_>>();
    assert_eq!(names(&world.plan(OperationKind::Switchover, None)), ["pooler-silent", "pooler-silent"]);
    world.down(EAST);
    let plan = world.plan(OperationKind::Failover, None);
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    insta::assert_debug_snapshot!(steps(&plan), @r#"
    [
        "check-target Compensate",
        "close-route Compensate, undone by open-route",
        "fence StandInDoubt",
        "promote StandInDoubt",
        "verify-writable StandInDoubt",
        "open-route StandInDoubt",
        "prove-write StandInDoubt",
        "repoint-poolers direct GoOn",
        "resume-poolers front+direct GoOn",
        "repoint GoOn",
        "measure-loss GoOn",
        "prove-streaming GoOn",
        "prove-poolers front+direct GoOn",
    ]
    "#);
    let proof = plan.steps.iter().position(|step| matches!(step.action, Action::ProveWrite { .. })).unwrap();
    let about = |step: &engine::failover::Step| serde_json::to_value(&step.action).unwrap().get("poolers").is_some();
    assert!(plan.steps[..=proof].iter().all(|step| !about(step)), "nobody waits for a pooler before the writes are back");
    assert!(plan.steps.iter().filter(|step| about(step)).all(|step| step.on_failure == OnFailure::GoOn), "what fails is a shortfall");
}

#[test]
fn a_pooler_that_follows_nodes_is_a_way_past_the_router() {
    let mut world = pooled();
    lost_with_its_host(&mut world);
    let plan = world.plan(OperationKind::Failover, None);
    assert_eq!((fence(&plan), plan.blockers.len()), (FenceMeans::RouterAndSynchronousStandby, 0), "{:?}", plan.blockers);
    insta::assert_debug_snapshot!(steps(&plan), @r#"
    [
        "check-target Compensate",
        "close-route Compensate, undone by open-route",
        "cut-poolers direct Compensate, undone by repoint-poolers",
        "fence Compensate",
        "promote StandInDoubt",
        "verify-writable StandInDoubt",
        "open-route StandInDoubt",
        "prove-write StandInDoubt",
        "repoint-poolers direct GoOn",
        "resume-poolers front+direct GoOn",
        "prove-poolers front+direct GoOn",
    ]
    "#);
    let cut = plan.steps.iter().find(|step| matches!(step.action, Action::CutPoolers { .. })).unwrap();
    assert!(
        matches!(&cut.action, Action::CutPoolers { node, .. } if node.as_str() == WEST),
        "when the wait ends by itself, clients do not reach the old primary"
    );
    assert!(matches!(&cut.undo, Some(Action::RepointPoolers { node, .. }) if node.as_str() == EAST));

    silent(&mut world, "direct");
    let plan = world.plan(OperationKind::Failover, None);
    assert_eq!(fence(&plan), FenceMeans::Overridden);
    let why = plan.blockers.iter().find(|blocker| blocker.name() == "fence-unproven").unwrap().to_string();
    assert!(why.contains("clients of the pooler direct may still reach it (connection refused)"), "{why}");
    assert!(plan.steps.iter().any(|step| matches!(step.action, Action::CutPoolers { .. }) && step.on_failure == OnFailure::GoOn));

    let mut world = pooled();
    lost_with_its_host(&mut world);
    silent(&mut world, "front");
    assert_eq!(fence(&world.plan(OperationKind::Failover, None)), FenceMeans::RouterAndSynchronousStandby, "the router closes that way");
}

#[test]
fn what_a_pooler_says_is_held_against_what_it_should() {
    let mut world = pooled();
    assert_eq!(complaints(&world), []);
    said(&mut world, "front").leads_to = None;
    assert_eq!(complaints(&world), [], "where the router leads is the router's business");
    said(&mut world, "front").paused = true;
    said(&mut world, "front").clients_waiting = 7;
    said(&mut world, "front").paused_until = Some(ago(1));
    assert_eq!(complaints(&world), [], "its agent is about to end it");
    said(&mut world, "front").paused_until = Some(ago(10));
    assert_eq!(complaints(&world), [(Severity::Lost, Complaint::PoolerPaused { pooler: id("front"), until: Some(ago(10)), waiting: 7 })]);
    said(&mut world, "front").paused_until = None;
    assert!(matches!(&complaints(&world)[..], [(Severity::Lost, Complaint::PoolerPaused { until: None, .. })]), "by hand, and nobody ends it");
    said(&mut world, "front").paused = false;

    said(&mut world, "direct").leads_to = Some(node_id(WEST));
    let strayed = Complaint::PoolerElsewhere { pooler: id("direct"), to: WEST.to_owned(), writable: node_id(EAST) };
    assert_eq!(complaints(&world), [(Severity::Lost, strayed)]);
    silent(&mut world, "direct");
    assert!(matches!(&complaints(&world)[..], [(Severity::Act, Complaint::PoolerSilent { .. })]), "{:?}", complaints(&world));
    world.observed.poolers.get_mut(&key("direct")).unwrap().judgement = judged(Health::Ok, ago(600), "well");
    said(&mut world, "direct").at = now() - Span::from_mins(10).as_delta();
    assert!(
        matches!(&complaints(&world)[..], [(Severity::Unknown, Complaint::PoolerSilent { .. })]),
        "what is old is not known: {:?}",
        complaints(&world)
    );
}

#[test]
fn setting_the_route_again_sets_the_poolers_right_too() {
    let mut world = pooled();
    assert!(world.plan(OperationKind::Reroute, None).blockers.iter().any(|blocker| blocker.name() == "already-there"));
    said(&mut world, "direct").leads_to = Some(node_id(WEST));
    let plan = world.plan(OperationKind::Reroute, None);
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    insta::assert_debug_snapshot!(steps(&plan), @r#"
    [
        "verify-writable Compensate",
        "open-route StandInDoubt",
        "repoint-poolers direct GoOn",
        "resume-poolers front+direct GoOn",
        "prove-write StandInDoubt",
        "prove-poolers front+direct GoOn",
    ]
    "#);
    let to = plan.steps.iter().find_map(|step| if let Action::RepointPoolers { node, .. } = &step.action { Some(node.as_str()) } else { None });
    assert_eq!(to, Some(EAST));
    said(&mut world, "direct").leads_to = Some(node_id(EAST));
    said(&mut world, "front").paused = true;
    assert!(world.plan(OperationKind::Reroute, None).blockers.is_empty(), "clients that wait are let through");
}

#[test]
fn clients_wait_while_patroni_hands_over_too() {
    let mut world = pooled();
    world.estate.clusters[0].manager = Manager::Patroni;
    let text = steps(&world.plan(OperationKind::Switchover, Some(WEST)));
    let at = |name: &str| text.iter().position(|step| step.starts_with(name)).unwrap_or_else(|| panic!("{text:?}"));
    assert!(at("check-patroni") < at("pause-poolers") && at("pause-poolers") < at("ask-patroni"));
    assert!(at("open-route") < at("repoint-poolers") && at("repoint-poolers") < at("resume-poolers") && at("resume-poolers") < at("prove-write"));
    let text = steps(&world.plan(OperationKind::Failover, Some(WEST))).join(" ");
    assert!(!text.contains("pause-poolers") && text.contains("repoint-poolers direct GoOn"), "{text}");
}
