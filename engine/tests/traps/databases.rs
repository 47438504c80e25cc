//! Database facts: D1 to D4, D10, D14, D15, D17, and rows 45, 50 to 54.

use crate::world::{EAST, REPLICA, WEST, World, ago, id, judged, node_id, now, primary};
use engine::{
    databases::{Candidate, Exclusion, HostReading, HostState, LossBound, NodeRole, NodeStanding, Protection, Urgency, ZeroLoss, loss_bound, rank},
    failover::OperationKind,
    health::{Health, Judgement},
    time::{Instant, Span},
};

fn ranked(world: &mut World, urgency: Urgency) -> Vec<Candidate> {
    let rule = world.estate.detection;
    rank(world.view(), &rule, urgency, now())
}
fn exclusions(world: &mut World, node: &str, urgency: Urgency) -> Vec<Exclusion> {
    ranked(world, urgency).into_iter().find(|candidate| candidate.node.as_str() == node).unwrap().exclusions
}
fn standing(world: &mut World, node: &str) -> NodeStanding {
    let rule = world.estate.detection;
    let view = world.view().clone();
    view.standing(view.node(&node_id(node)).unwrap(), &rule, now())
}
fn protection(world: &World) -> Protection {
    world.picture().protection(&id("users")).unwrap()
}
fn loss(world: &mut World, target: &str) -> LossBound {
    loss_at(world, target, now())
}
fn loss_at(world: &mut World, target: &str, at: Instant) -> LossBound {
    let rule = world.estate.detection;
    let view = world.view();
    loss_bound(view, view.primary(), &node_id(target), &rule, at)
}
const PLANNED: Urgency = Urgency::Planned { lag_tolerance: Some(Span::from_secs(5)) };

#[test]
fn d1_a_primary_that_is_down_is_still_the_primary_and_comes_back_as_none() {
    let mut world = World::healthy();
    world.down(EAST);
    assert_eq!(world.view().primary().unwrap().node.as_str(), EAST, "role is not health");
    assert_eq!(standing(&mut world, EAST), NodeStanding::PrimaryDown);
    world.west_took_over();
    assert_eq!(world.view().primary().unwrap().node.as_str(), WEST);
    assert_eq!(standing(&mut world, EAST), NodeStanding::NeedsRewind, "never “standby” by itself");
    world.reading(EAST).at = ago(1);
    world.node(EAST).judgement = judged(Health::Ok, ago(1), "the last probe was good");
    assert_eq!(world.view().primary().unwrap().node.as_str(), WEST, "the one that came back is not the primary");
    assert_eq!(standing(&mut world, EAST), NodeStanding::SecondPrimary);
    assert_eq!(world.view().writable().len(), 2);
}

#[test]
fn d1_a_primary_that_complains_still_takes_writes() {
    let mut world = World::healthy();
    world.west_took_over();
    world.node(EAST).judgement = judged(Health::Degraded, ago(1), "too many connections");
    assert_eq!(world.view().writable().len(), 2, "split brain, though one of them is not well");
}

#[test]
fn d2_no_candidate_from_the_region_that_fails() {
    let mut world = World::healthy();
    world.lose_east();
    // The replica in the east happens to answer its probe once more, and is even ahead.
    world.node(REPLICA).judgement = judged(Health::Ok, ago(1), "the last probe was good");
    world.reading(REPLICA).at = ago(1);
    world.position(REPLICA, 0x9000);
    world.view().failed_regions = [id("us-east-1")].into();
    let candidates = ranked(&mut world, Urgency::Emergency);
    assert_eq!(candidates[0].node.as_str(), WEST);
    assert!(exclusions(&mut world, REPLICA, Urgency::Emergency).contains(&Exclusion::FailedRegion(id("us-east-1"))));
}

#[test]
fn d3_a_node_that_was_never_read_is_no_candidate_and_not_healthy() {
    let mut world = World::healthy();
    world.down(EAST);
    let west = world.node(WEST);
    (west.reading, west.judgement) = (None, Judgement::never_measured());
    assert_eq!(exclusions(&mut world, WEST, Urgency::Emergency), [Exclusion::NeverRead]);
    assert_eq!(standing(&mut world, WEST), NodeStanding::Unknown);
}

#[test]
fn d3_an_old_sample_is_no_sample() {
    let mut world = World::healthy();
    world.reading(WEST).at = ago(30 * 86_400);
    assert!(matches!(exclusions(&mut world, WEST, Urgency::Emergency)[..], [Exclusion::Stale { .. }]));
    assert_eq!(standing(&mut world, WEST), NodeStanding::Unknown, "no stale green");
    world.reading(WEST).at = now() + Span::from_secs(3600).as_delta();
    assert!(matches!(exclusions(&mut world, WEST, Urgency::Emergency)[..], [Exclusion::Stale { .. }]), "from before the clock was set back");
}

#[test]
fn d4_an_unhealthy_or_far_behind_target_is_excluded_and_no_override_helps() {
    let mut world = World::healthy();
    world.node(WEST).judgement = judged(Health::Down, ago(20), "timed out");
    let plan = world.plan(OperationKind::Switchover, Some(WEST));
    assert!(!plan.hard_blockers().is_empty(), "{:?}", plan.blockers);
    let mut world = World::healthy();
    world.position(EAST, 0x900_0000);
    assert!(matches!(exclusions(&mut world, WEST, PLANNED)[..], [Exclusion::LagAboveTolerance { .. }]));
    assert!(exclusions(&mut world, WEST, Urgency::Emergency).is_empty(), "an emergency takes what there is");
}

#[test]
fn d10_the_old_primary_is_not_labelled_standby() {
    let mut world = World::healthy();
    world.down(EAST);
    world.west_took_over();
    let Protection::Unprotected { missing } = protection(&world) else { panic!("{:?}", protection(&world)) };
    assert_eq!(missing, ["pg-primary-east NEEDS REWIND before it may follow", "pg-replica-east does not stream from the primary"]);
}

#[test]
fn d14_a_standby_counts_only_while_it_is_seen_to_stream() {
    let mut world = World::healthy();
    assert_eq!(protection(&world), Protection::Protected);
    if let NodeRole::Standby { streaming_from, .. } = &mut world.reading(WEST).role {
        *streaming_from = None;
    }
    assert_eq!(standing(&mut world, WEST), NodeStanding::NotStreaming);
    assert!(matches!(protection(&world), Protection::Reduced { .. }));
    assert!(exclusions(&mut world, WEST, PLANNED).contains(&Exclusion::NotStreaming));
}

#[test]
fn d15_what_may_be_promoted_is_declared_and_delayed_nodes_are_not() {
    let mut world = World::healthy();
    world.node(WEST).promotable = false;
    if let NodeRole::Standby { delayed, .. } = &mut world.reading(REPLICA).role {
        *delayed = true;
    }
    assert_eq!(exclusions(&mut world, WEST, Urgency::Emergency), [Exclusion::NotPromotable]);
    assert_eq!(exclusions(&mut world, REPLICA, Urgency::Emergency), [Exclusion::Delayed]);
}

#[test]
fn d17_an_idle_primary_makes_no_lag_and_unknown_lag_is_not_zero() {
    let mut world = World::healthy();
    assert!(exclusions(&mut world, WEST, PLANNED).is_empty(), "40 s since the last commit, no byte behind");
    world.position(EAST, 0x9000);
    assert!(exclusions(&mut world, WEST, PLANNED).is_empty(), "a few bytes written between two samples are no lag");
    world.position(EAST, 0x900_0000);
    if let NodeRole::Standby { since_last_commit, .. } = &mut world.reading(WEST).role {
        *since_last_commit = None;
    }
    assert_eq!(exclusions(&mut world, WEST, PLANNED), [Exclusion::LagUnknown]);
}

#[test]
fn every_way_to_be_unfit_is_printed() {
    let mut world = World::healthy();
    let west = world.reading(WEST);
    (west.timeline, west.system_identifier) = (7, "42".to_owned());
    world.node(WEST).judgement = judged(Health::Unknown, ago(60), "no probe since 03:03:05 UTC");
    let texts: Vec<String> = exclusions(&mut world, REPLICA, Urgency::Emergency)
        .iter()
        .chain(&exclusions(&mut world, WEST, Urgency::Emergency))
        .map(ToString::to_string)
        .collect();
    insta::assert_debug_snapshot!(texts, @r#"
    [
        "it is on timeline 1, the primary on 7",
        "it is unknown: no probe since 03:03:05 UTC",
        "it belongs to another database system (identifier 42, not 7300000000000000001)",
    ]
    "#);
}

#[test]
fn synchronous_comes_first_then_position_then_distance_from_the_failure() {
    let mut world = World::healthy();
    world.down(EAST);
    let order = |world: &mut World| ranked(world, Urgency::Emergency).iter().map(|candidate| candidate.node.to_string()).collect::<Vec<_>>();
    assert_eq!(order(&mut world), [WEST, REPLICA, EAST], "equal positions: away from the failed primary");
    world.position(REPLICA, 0x1800);
    assert_eq!(order(&mut world), [REPLICA, WEST, EAST], "more data first");
    world.synchronous(WEST);
    assert_eq!(order(&mut world), [WEST, REPLICA, EAST]);
}

#[test]
fn a_loss_of_zero_needs_the_synchronous_proof() {
    let mut world = World::healthy();
    world.down(EAST);
    assert!(matches!(loss(&mut world, WEST), LossBound::AtMost { bytes: 0, .. }), "equal positions prove nothing: the primary went on writing");
    world.synchronous(WEST);
    assert!(!loss(&mut world, WEST).is_zero(), "the replica may have confirmed in its place what was read of neither");
    world.alone(WEST);
    assert!(!loss(&mut world, WEST).is_zero(), "nor did it need to stream when the primary was last read");
    world.view().nodes.retain(|node| node.node.as_str() != REPLICA);
    assert_eq!(loss(&mut world, WEST), LossBound::Zero { because: ZeroLoss::SynchronousPeer });
    let sound = world.clone();

    let mut world = sound.clone();
    world.reading(EAST).at = ago(300);
    assert!(!loss(&mut world, WEST).is_zero(), "said five minutes before the failure is not said in time");

    let mut world = sound.clone();
    world.position(EAST, 0x1001);
    assert!(!loss(&mut world, WEST).is_zero(), "the primary held more than the target");

    let mut world = sound;
    world.reading(WEST).timeline = 2;
    assert!(matches!(loss(&mut world, WEST), LossBound::Unknown { .. }), "positions of two timelines cannot be compared");
}

#[test]
fn a_loss_bound_says_what_is_not_known() {
    let mut world = World::healthy();
    world.down(EAST);
    world.node(WEST).reading = None;
    assert!(matches!(loss(&mut world, WEST), LossBound::Unknown { .. }));
    let mut world = World::healthy();
    world.down(EAST);
    world.position(EAST, 0x1000 + 3000);
    assert_eq!(loss(&mut world, WEST), LossBound::AtMost { bytes: 4096, unseen: Span::from_secs(1) }, "gone: unseen until the first failed probe");
    world.node(EAST).host = Some(HostReading { at: ago(1), state: HostState::Hung });
    assert_eq!(loss(&mut world, WEST), LossBound::AtMost { bytes: 4096, unseen: Span::from_secs(1) }, "stopped by a signal it writes nothing");
    world.node(EAST).host = Some(HostReading { at: ago(1), state: HostState::Running });
    let read_at = world.reading(EAST).at;
    assert_eq!(loss(&mut world, WEST), LossBound::Open { bytes: 4096, since: read_at }, "it runs: unseen until it is fenced");
}

#[test]
fn row_52_time_alone_takes_no_agreement_back_while_a_silent_primary_may_go_on_writing() {
    let mut world = World::healthy();
    world.down(EAST);
    world.node(EAST).host = None;
    let agreed = loss(&mut world, WEST);
    assert!(matches!(agreed, LossBound::Open { .. }), "{agreed:?}");
    let later = now() + Span::from_mins(20).as_delta();
    assert_eq!(loss_at(&mut world, WEST, later), agreed, "the same bound twenty minutes later: it was said that it grows");
    // Its host is reached again and finds it gone: less than was agreed to.
    world.node(EAST).host = Some(HostReading { at: later, state: HostState::Gone });
    let ended = loss_at(&mut world, WEST, later);
    assert!(matches!(ended, LossBound::AtMost { .. }) && agreed.covers(&ended) && !ended.covers(&agreed), "{ended:?}");
    // More of its write-ahead log is missing than was known: that is news.
    world.position(EAST, 0x9000);
    world.node(EAST).host = None;
    assert!(!agreed.covers(&loss(&mut world, WEST)));
}

#[test]
fn the_bound_of_losing_by_several_covers_each_of_them() {
    let at = |secs| ago(secs);
    let bounds = [
        LossBound::Zero { because: ZeroLoss::MovesNoData },
        LossBound::AtMost { bytes: 8, unseen: Span::from_secs(60) },
        LossBound::AtMost { bytes: 4096, unseen: Span::from_secs(1) },
        LossBound::Open { bytes: 16, since: at(30) },
        LossBound::Open { bytes: 0, since: at(90) },
        LossBound::Unknown { why: "as the test says".to_owned() },
    ];
    for one in &bounds {
        for other in &bounds {
            let joined = one.clone().joined(other);
            assert!(joined.covers(one) && joined.covers(other), "{one:?} and {other:?} are {joined:?}");
        }
    }
}

#[test]
fn exposure_is_not_green_when_nothing_is_known() {
    let mut world = World::healthy();
    for node in [EAST, REPLICA, WEST] {
        let view = world.node(node);
        (view.reading, view.judgement) = (None, Judgement::never_measured());
    }
    assert!(matches!(protection(&world), Protection::Unprotected { .. }));
}

#[test]
fn f4_the_active_node_is_the_observed_one_not_the_configured_one() {
    let mut world = World::healthy();
    world.reading(EAST).role = crate::world::standby(0x2000);
    world.reading(EAST).timeline = 2;
    world.west_took_over();
    assert_eq!(world.view().primary().unwrap().node.as_str(), WEST);
    world.view().nodes.reverse();
    assert_eq!(world.view().primary().unwrap().node.as_str(), WEST, "nor the first of the list");
    world.reading(WEST).role = primary(0x2000, &[EAST, REPLICA]);
    world.reading(REPLICA).timeline = 2;
    assert_eq!(protection(&world), Protection::Protected);
}
