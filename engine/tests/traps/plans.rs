//! Plans: D5 to D9, D13, D16, F5, F6, F7, F21 and rows 53, 55, 56: what a plan does, in which order, and what stops it.

use crate::world::{EAST, REPLICA, WEST, World, ago, id, judged, west_promoted};
use engine::{
    databases::LossBound,
    failover::{Action, Blocker, FenceMeans, OnFailure, OperationKind, Plan},
    health::Health,
    journal::Event,
    noticing,
    time::Span,
};

fn order(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| {
            let text = serde_json::to_value(&step.action).unwrap();
            let node = text.get("node").or(text.get("nodes")).or(text.get("target")).or(text.get("was")).map_or(String::new(), ToString::to_string);
            format!("{} {node} {:?}", text["do"].as_str().unwrap(), step.on_failure)
        })
        .collect()
}
fn at(plan: &Plan, fits: fn(&Action) -> bool) -> usize {
    plan.steps.iter().position(|step| fits(&step.action)).unwrap_or_else(|| panic!("{:#?}", plan.steps))
}
fn promote(plan: &Plan) -> usize {
    at(plan, |action| matches!(action, Action::Promote { .. }))
}
fn moves() -> Vec<Plan> {
    let healthy = World::healthy();
    let mut gone = World::healthy();
    gone.down(EAST);
    let mut lost = World::healthy();
    lost.lose_east();
    vec![healthy.plan(OperationKind::Switchover, None), gone.plan(OperationKind::Failover, None), lost.plan(OperationKind::Failover, None)]
}

#[test]
fn d8_a_switchover_goes_in_the_safe_order() {
    let plan = World::healthy().plan(OperationKind::Switchover, None);
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    insta::assert_debug_snapshot!(order(&plan), @r#"
    [
        "check-target \"pg-standby-west\" Compensate",
        "close-route \"pg-primary-east\" Compensate",
        "stop-node \"pg-primary-east\" Compensate",
        "catch-up \"pg-standby-west\" Compensate",
        "promote \"pg-standby-west\" StandInDoubt",
        "verify-writable \"pg-standby-west\" StandInDoubt",
        "open-route \"pg-standby-west\" StandInDoubt",
        "prove-write \"pg-standby-west\" StandInDoubt",
        "repoint [\"pg-replica-east\"] GoOn",
        "follow \"pg-primary-east\" GoOn",
        "prove-streaming [\"pg-replica-east\",\"pg-primary-east\"] GoOn",
    ]
    "#);
}

#[test]
fn d6_a_failover_fences_before_it_promotes() {
    let mut world = World::healthy();
    world.down(EAST);
    let plan = world.plan(OperationKind::Failover, None);
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    assert_eq!(plan.outage_since, Some(ago(20)));
    insta::assert_debug_snapshot!(order(&plan), @r#"
    [
        "check-target \"pg-standby-west\" Compensate",
        "close-route \"pg-primary-east\" Compensate",
        "fence \"pg-primary-east\" StandInDoubt",
        "promote \"pg-standby-west\" StandInDoubt",
        "verify-writable \"pg-standby-west\" StandInDoubt",
        "open-route \"pg-standby-west\" StandInDoubt",
        "prove-write \"pg-standby-west\" StandInDoubt",
        "repoint [\"pg-replica-east\"] GoOn",
        "measure-loss \"pg-standby-west\" GoOn",
        "prove-streaming [\"pg-replica-east\"] GoOn",
    ]
    "#);
}

#[test]
fn d6_unreachable_is_not_fenced() {
    let mut world = World::healthy();
    world.lose_east();
    let plan = world.plan(OperationKind::Failover, None);
    let by = |plan: &Plan| match &plan.steps[at(plan, |action| matches!(action, Action::Fence { .. }))].action {
        Action::Fence { by, .. } => by.clone(),
        _ => unreachable!(),
    };
    assert!(matches!(plan.blockers[..], [Blocker::FenceUnproven { .. }]), "{:?}", plan.blockers);
    assert_eq!(by(&plan), FenceMeans::Overridden, "the step says what it is: D5, never “passed”");
    world.synchronous(WEST);
    assert_eq!(by(&world.plan(OperationKind::Failover, None)), FenceMeans::Overridden, "the replica beside it could confirm in the west's place");
    world.alone(WEST);
    assert_eq!(by(&world.plan(OperationKind::Failover, None)), FenceMeans::Overridden, "silent when last seen, it may stream by now");
    world.view().nodes.retain(|node| node.node.as_str() != REPLICA);
    world.estate.clusters[0].nodes.retain(|node| node.id.as_str() != REPLICA);
    let proven = world.plan(OperationKind::Failover, None);
    assert_eq!((by(&proven), proven.blockers.len()), (FenceMeans::RouterAndSynchronousStandby, 0));
}

#[test]
fn d9_an_order_to_promote_that_comes_late_meets_another_timeline() {
    for plan in moves() {
        let change = plan.database().unwrap();
        assert_eq!(change.missed_by(1), None);
        assert!(
            change.missed_by(2).unwrap().contains("another node was promoted in between"),
            "what follows that one must not become a second primary"
        );
    }
}

#[test]
fn d7_a_switchover_waits_for_the_last_byte_and_stops_where_it_does_not_come() {
    let plan = World::healthy().plan(OperationKind::Switchover, None);
    let stop = at(&plan, |action| matches!(action, Action::StopNode { .. }));
    let wait = at(&plan, |action| matches!(action, Action::CatchUp { .. }));
    assert!(stop < wait && wait < promote(&plan));
    assert_eq!(plan.steps[wait].on_failure, OnFailure::Compensate, "a time-out is no success");
    assert!(plan.loss.is_zero());
    let mut world = World::healthy();
    world.down(EAST);
    let blocked = world.plan(OperationKind::Switchover, None);
    assert!(blocked.hard_blockers().iter().any(|blocker| matches!(blocker, Blocker::PrimaryNotWritable { .. })), "nobody to wait for");
}

#[test]
fn d8_clients_move_only_to_a_verified_primary_and_nothing_succeeds_without_a_proof() {
    for plan in moves() {
        let verify = at(&plan, |action| matches!(action, Action::VerifyWritable { .. }));
        let route = at(&plan, |action| matches!(action, Action::OpenRoute { .. }));
        let prove = at(&plan, |action| matches!(action, Action::ProveWrite { .. }));
        assert!(promote(&plan) < verify && verify < route && route < prove, "{:?}", order(&plan));
        for step in [verify, route, prove] {
            assert_eq!(plan.steps[step].on_failure, OnFailure::StandInDoubt, "there is no way around it to a success");
        }
    }
}

#[test]
fn d9_compensation_ends_at_the_promotion_and_every_step_before_it_can_be_undone() {
    for plan in moves() {
        let promote = promote(&plan);
        for (at, step) in plan.steps.iter().enumerate() {
            // A host that was told to fence may have done so, whatever it said.
            let fences = matches!(step.action, Action::Fence { by: FenceMeans::HostAgent, .. });
            assert_eq!(step.on_failure == OnFailure::Compensate, at < promote && !fences, "step {at} of {:?}", order(&plan));
            let changes = matches!(step.action, Action::CloseRoute { .. } | Action::StopNode { .. });
            assert_eq!(step.undo.is_some(), changes, "{:?}", step.action);
        }
    }
}

#[test]
fn d13_writes_stop_by_stopping_the_node_not_by_ending_a_backup() {
    let plan = World::healthy().plan(OperationKind::Switchover, None);
    let close = at(&plan, |action| matches!(action, Action::CloseRoute { .. }));
    let stop = at(&plan, |action| matches!(action, Action::StopNode { .. }));
    assert!(close < stop, "clients are cut first, then the node is stopped cleanly");
}

#[test]
fn d16_f21_one_engine_moves_database_and_clients_and_knows_who_is_affected() {
    let plan = World::healthy().plan(OperationKind::Switchover, None);
    assert_eq!(plan.affected.iter().map(ToString::to_string).collect::<Vec<_>>(), ["user-database", "api"]);
    assert_eq!((plan.rto, plan.rpo), (Some(engine::time::Span::from_mins(30)), Some(engine::time::Span::from_mins(1))));
}

#[test]
fn f5_the_source_is_whoever_takes_the_writes_now() {
    let mut world = World::healthy();
    world.west_took_over();
    world.reading(EAST).role = crate::world::standby(0x2000);
    for node in [EAST, REPLICA] {
        world.reading(node).timeline = 2;
        world.position(node, 0x2000);
    }
    let back = world.plan(OperationKind::Switchover, Some(EAST));
    assert_eq!((back.source_in_words().unwrap(), back.target_in_words().unwrap()), (WEST.to_owned(), EAST.to_owned()));
    assert!(back.blockers.is_empty(), "the way back is a move like any other: {:?}", back.blockers);
    world.node(WEST).judgement = judged(Health::Down, ago(20), "timed out");
    let again = world.plan(OperationKind::Failover, None);
    assert_eq!(again.source_in_words().unwrap(), WEST, "F6: the one that is active now is judged and left");
    assert!(again.target_in_words().is_some_and(|target| target != WEST));
}

#[test]
fn f7_the_active_node_and_strangers_are_no_targets() {
    let world = World::healthy();
    for (target, kind) in [(EAST, "target-excluded"), ("pg-nowhere", "unknown-node")] {
        let plan = world.plan(OperationKind::Switchover, Some(target));
        let named: Vec<_> = plan.hard_blockers().iter().map(|blocker| serde_json::to_value(blocker).unwrap()["blocker"].clone()).collect();
        assert_eq!(named, [kind]);
    }
}

#[test]
fn a_healthy_or_complaining_primary_is_failed_over_only_by_override() {
    for health in [Health::Ok, Health::Degraded] {
        let mut world = World::healthy();
        world.node(EAST).judgement = judged(health, ago(60), "x");
        let plan = world.plan(OperationKind::Failover, None);
        assert!(plan.overridable_blockers().iter().any(|blocker| matches!(blocker, Blocker::PrimaryHealthy { .. })), "{health}");
        assert_eq!(plan.outage_since, None);
    }
}

#[test]
fn two_writable_nodes_stop_every_move() {
    let mut world = World::healthy();
    world.west_took_over();
    for kind in [OperationKind::Switchover, OperationKind::Failover] {
        let plan = world.plan(kind, None);
        assert!(plan.hard_blockers().iter().any(|blocker| matches!(blocker, Blocker::TwoWritable { .. })));
    }
}

#[test]
fn no_router_or_a_silent_one_stops_every_move() {
    let mut world = World::healthy();
    world.observed.routers.clear();
    assert!(matches!(world.plan(OperationKind::Switchover, None).hard_blockers()[..], [Blocker::RouterSilent { .. }]));
    world.estate.clusters[0].router = None;
    assert!(matches!(world.plan(OperationKind::Switchover, None).hard_blockers()[..], [Blocker::NoRouter]));
}

#[test]
fn d1_no_plan_rests_on_readings_older_than_the_last_promotion() {
    let mut world = west_promoted();
    // All was read a moment before: the east leads, and the west follows it.
    for node in [EAST, REPLICA, WEST] {
        world.reading(node).at = ago(11);
    }
    for (kind, node) in [(OperationKind::Switchover, None), (OperationKind::Failover, None), (OperationKind::Rejoin, Some(WEST))] {
        let plan = world.plan(kind, node);
        let unseen = |blocker: &&Blocker| matches!(blocker, Blocker::PromotedUnseen { node, .. } if node.as_str() == WEST);
        assert!(plan.hard_blockers().iter().any(unseen), "{kind}: {:?}", plan.blockers);
    }
    world.west_took_over();
    world.reading(WEST).at = ago(1);
    let named = |world: &World| world.plan(OperationKind::Failover, None).blockers.iter().any(|blocker| blocker.name() == "promoted-unseen");
    assert!(!named(&world), "it has been read since");
    world.reading(WEST).at = ago(9);
    assert!(named(&world), "at that very moment it may not have been promoted yet");
    let mut world = west_promoted();
    for node in [EAST, REPLICA] {
        world.reading(node).at = ago(11);
    }
    world.reading(WEST).at = ago(1);
    assert!(named(&world), "something in between says again what it said before: nobody leads, and somebody must");
    world.reading(EAST).at = ago(1);
    assert!(!named(&world), "somebody was read leading since");
}

#[test]
fn d1_what_the_old_primary_said_before_the_promotion_makes_no_second_writer() {
    let mut world = west_promoted();
    world.west_took_over();
    world.reading(WEST).at = ago(1);
    world.reading(EAST).at = ago(11);
    let split = |world: &World| noticing::changes(&world.picture()).iter().any(|event| matches!(event, Event::SplitBrainObserved { .. }));
    assert!(!split(&world), "it was the only one then, and nobody is to be woken");
    world.reading(EAST).at = ago(2);
    assert!(split(&world), "it still says so");
}

#[test]
fn d9_where_a_later_timeline_was_seen_than_the_last_known_primary_led_nobody_is_promoted_by_that() {
    let mut world = World::healthy();
    world.down(EAST);
    // It follows somebody who was promoted, and whom nobody has read as a primary.
    world.reading(REPLICA).timeline = 2;
    let plan = world.plan(OperationKind::Failover, Some(REPLICA));
    let unknown = |blocker: &&Blocker| matches!(blocker, Blocker::LeaderUnknown { timeline: 2, led: 1, .. });
    assert!(plan.overridable_blockers().iter().any(unknown), "{:?}", plan.blockers);
    assert!(plan.overridable_blockers().iter().any(|blocker| blocker.to_string().contains("who leads now is not known")));
    world.west_took_over();
    assert!(!world.plan(OperationKind::Failover, None).blockers.iter().any(|blocker| blocker.name() == "leader-unknown"));
}

#[test]
fn d10_rejoining_the_node_that_led_last_discards_what_it_acknowledged_and_says_so() {
    let mut world = World::healthy();
    world.west_took_over();
    world.down(WEST);
    let plan = world.plan(OperationKind::Rejoin, Some(WEST));
    let LossBound::Unknown { why } = &plan.loss else { panic!("{:?}", plan.loss) };
    assert!(why.contains("timeline 2 and pg-primary-east on 1") && plan.requires_approval(), "{why}");
}

#[test]
fn d10_an_old_primary_is_fenced_and_rewound_before_it_follows() {
    let mut world = World::healthy();
    world.down(EAST);
    world.west_took_over();
    let plan = world.plan(OperationKind::Rejoin, Some(EAST));
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    let fence = at(&plan, |action| matches!(action, Action::Fence { by: FenceMeans::HostAgent, .. }));
    let rewind = at(&plan, |action| matches!(action, Action::Rewind { .. }));
    let checkpoint = at(&plan, |action| matches!(action, Action::Checkpoint { .. }));
    let follow = at(&plan, |action| matches!(action, Action::Follow { .. }));
    assert!(fence < checkpoint && checkpoint < rewind && rewind < follow);
    assert!(plan.loss.is_zero() && !plan.requires_approval());
}

#[test]
fn rejoining_a_node_that_takes_writes_discards_them_and_says_so() {
    let mut world = World::healthy();
    world.west_took_over();
    let plan = world.plan(OperationKind::Rejoin, Some(EAST));
    assert!(matches!(plan.loss, LossBound::Unknown { .. }) && plan.requires_approval(), "{:?}", plan.loss);
    assert!(matches!(world.plan(OperationKind::Rejoin, Some(WEST)).blockers[..], [Blocker::IsThePrimary { .. }]));
}

#[test]
fn the_hash_changes_with_what_matters_and_with_nothing_else() {
    let mut world = World::healthy();
    world.down(EAST);
    let plan = world.plan(OperationKind::Failover, None);
    let mut later = world.clone();
    later.node(WEST).judgement.why = "other words".to_owned();
    later.reading(WEST).connections = 77;
    assert_eq!(later.plan(OperationKind::Failover, None).hash(), plan.hash());
    later.agent_silent("us-east-1");
    assert_ne!(later.plan(OperationKind::Failover, None).hash(), plan.hash(), "other means of fencing");
    let mut back = world.clone();
    back.agent_silent("us-east-1");
    let fence_only = back.plan(OperationKind::Failover, None);
    let mut both = fence_only.clone();
    both.blockers.push(Blocker::PrimaryHealthy { node: id(EAST) });
    assert_ne!(both.hash(), fence_only.hash(), "what an override lifts is part of what was agreed to");
}

/// A host that keeps a lease stops its node by itself; one that keeps none, or may not, proves nothing.
#[test]
fn d6_a_lease_that_is_kept_is_a_fence_and_one_that_is_not_is_none() {
    let by = |world: &World| {
        let plan = world.plan(OperationKind::Failover, None);
        let step = plan.steps[at(&plan, |action| matches!(action, Action::Fence { .. }))].clone();
        let Action::Fence { by, .. } = step.action else { unreachable!() };
        (by, step.timeout, plan.blockers.len())
    };
    let mut world = World::healthy();
    world.estate.clusters[0].lease = Some(Span::from_secs(20));
    world.lose_east();
    for lease in [None, Some(Err("its keeper hangs".to_owned())), Some(Ok(false))] {
        world.node(EAST).details.lease = lease.clone();
        assert_eq!((by(&world).0, by(&world).2), (FenceMeans::Overridden, 1), "{lease:?}");
    }
    world.node(EAST).details.lease = Some(Ok(true));
    assert_eq!(by(&world), (FenceMeans::Lease, Span::from_secs(50), 0), "all of it may have to be waited out");
    let plan = world.plan(OperationKind::Failover, None);
    assert!(!plan.database().unwrap().unattended && plan.requires_approval(), "what may be lost is not known");
    assert!(!plan.loss.is_zero());
    world.estate.clusters[0].lease = None;
    assert_eq!(by(&world).0, FenceMeans::Overridden, "it is not declared any more");
}

/// Whoever answers can be told to refuse writes, also where its host agent is gone.
#[test]
fn d13_a_primary_that_answers_is_fenced_by_what_it_says_itself() {
    let mut world = World::healthy();
    world.agent_silent("us-east-1");
    world.node(EAST).judgement = judged(Health::Degraded, ago(20), "it complains");
    let plan = world.plan(OperationKind::Failover, None);
    assert!(plan.steps.iter().any(|step| matches!(&step.action, Action::Fence { by: FenceMeans::ReadOnly, .. })), "{:?}", plan.steps);
    assert!(matches!(plan.blockers[..], [Blocker::PrimaryHealthy { .. }]), "{:?}", plan.blockers);
    let fence = &plan.steps[at(&plan, |action| matches!(action, Action::Fence { .. }))];
    assert_eq!(fence.on_failure, OnFailure::Compensate, "it refuses nothing that it cannot take back");
}
