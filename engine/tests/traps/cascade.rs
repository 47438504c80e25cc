//! Standbys that stream from another standby, and where histories part: D10 and row 51.

use crate::world::{EAST, REPLICA, WEST, World, id, primary};
use engine::{
    databases::{Fork, History, Lsn, NodeRole, NodeStanding, Peer, Protection, parted_at},
    failover::{Action, Blocker, OperationKind, Plan},
    findings::Complaint,
};

fn peer(name: &str) -> Peer {
    Peer { name: name.to_owned(), streaming: true, synchronous: false, flushed: None, replayed: None, replay_lag: None }
}
/// The replica streams from the west, which streams from the east; a fourth node streams from the east as well.
fn cascading() -> World {
    let mut world = World::healthy();
    let fourth = || "pg-fourth-west".parse().unwrap();
    let declared = engine::estate::Node { id: fourth(), ..world.estate.clusters[0].nodes[2].clone() };
    world.estate.clusters[0].nodes.push(declared);
    let seen = engine::databases::NodeView { node: fourth(), ..world.node(WEST).clone() };
    world.view().nodes.push(seen);
    world.reading(EAST).role = primary(0x1000, &[WEST, "pg-fourth-west"]);
    world.reading(WEST).cascade = vec![peer(REPLICA)];
    world
}
fn told(plan: &Plan) -> Vec<(Vec<String>, String)> {
    let of = |step: &engine::failover::Step| match &step.action {
        Action::Repoint { nodes, upstream } | Action::ProveStreaming { nodes, upstream } => {
            Some((nodes.iter().map(ToString::to_string).collect(), upstream.to_string()))
        }
        _ => None,
    };
    plan.steps.iter().filter_map(of).collect()
}
fn pair(nodes: &[&str], upstream: &str) -> (Vec<String>, String) {
    (nodes.iter().map(|node| (*node).to_owned()).collect(), upstream.to_owned())
}

#[test]
fn a_cascading_standby_is_whole_and_stays_behind_the_one_it_follows() {
    let mut world = cascading();
    let rule = world.estate.detection;
    let replica = world.node(REPLICA).clone();
    assert_eq!(world.view().standing(&replica, &rule, crate::world::now()), NodeStanding::Streaming);
    assert_eq!(world.view().cascades_from(&id(REPLICA)), Some(&id(WEST)));
    assert_eq!(world.view().cascades_from(&id(WEST)), None);
    let picture = world.picture();
    assert_eq!(picture.protection(&id("users")), Some(Protection::Protected));

    world.down(EAST);
    // The one it follows is moved, and it goes with that one.
    let plan = world.plan(OperationKind::Failover, Some("pg-fourth-west"));
    assert_eq!(told(&plan), [pair(&[WEST], "pg-fourth-west"), pair(&[WEST], "pg-fourth-west"), pair(&[REPLICA], WEST)]);
    // The one it follows is promoted: it follows the target already.
    let plan = world.plan(OperationKind::Failover, Some(WEST));
    assert_eq!(told(&plan), [pair(&["pg-fourth-west"], WEST), pair(&["pg-fourth-west", REPLICA], WEST)]);
    // It is promoted itself.
    let plan = world.plan(OperationKind::Failover, Some(REPLICA));
    assert_eq!(told(&plan)[0], pair(&[WEST, "pg-fourth-west"], REPLICA));
    // The one it follows is gone, too.
    world.down(WEST);
    let plan = world.plan(OperationKind::Failover, Some("pg-fourth-west"));
    assert_eq!(told(&plan)[0], pair(&[REPLICA, WEST], "pg-fourth-west"));
}

#[test]
fn d10_an_old_primary_that_was_left_behind_is_told_to_follow_nobody() {
    let mut world = World::healthy();
    world.west_took_over();
    world.down(EAST);
    world.reading(REPLICA).timeline = 2;
    world.node(WEST).judgement = crate::world::judged(engine::health::Health::Down, crate::world::ago(20), "connection refused");
    let plan = world.plan(OperationKind::Failover, Some(REPLICA));
    assert_eq!(told(&plan), [], "its rejoin counts first what it wrote alone");
}

#[test]
fn two_that_follow_each_other_lead_nowhere() {
    let mut world = World::healthy();
    world.reading(EAST).role = primary(0x1000, &[]);
    world.reading(WEST).cascade = vec![peer(REPLICA)];
    world.reading(REPLICA).cascade = vec![peer(WEST)];
    assert_eq!(world.view().cascades_from(&id(REPLICA)), None);
}

fn fork(timeline: u32, parent: u32, at: u64) -> Fork {
    Fork { timeline, parent, at: Lsn(at) }
}

#[test]
fn d10_histories_part_where_their_files_differ_however_many_promotions_lie_in_between() {
    let parted = |own: &[Fork], own_timeline, other: &[Fork], other_timeline| {
        parted_at(History::to(own, own_timeline)?, History::to(other, other_timeline)?).map(|at| at.0)
    };
    let (second, third) = (fork(2, 1, 0x100), fork(3, 2, 0x200));
    assert_eq!(parted(&[], 1, &[second], 2), Some(0x100));
    assert_eq!(parted(&[], 1, &[second, third], 3), Some(0x100), "promoted twice since");
    assert_eq!(parted(&[second], 2, &[second, third], 3), Some(0x200));
    assert_eq!(parted(&[second, third], 2, &[second, third], 3), Some(0x200), "a history file of what it never reached says nothing");
    assert_eq!(parted(&[second], 2, &[], 1), Some(0x100), "it was promoted on the side");
    assert_eq!(parted(&[fork(2, 1, 0x180)], 2, &[second], 2), Some(0x100), "two timelines of one number");
    assert_eq!(parted(&[second], 2, &[second], 2), None, "on one timeline nothing parts");
    assert_eq!(parted(&[fork(5, 4, 1)], 5, &[second], 2), None, "nothing shows that they belong together");
    assert_eq!(parted(&[second], 7, &[second], 2), None);
}

#[test]
fn d1_of_two_writers_the_one_that_clients_write_to_is_not_given_up_for_one_promoted_on_the_side() {
    let mut world = World::healthy();
    let (reading, role) = (world.reading(WEST), primary(0x2000, &[]));
    (reading.timeline, reading.role) = (2, role);
    let west = world.plan(OperationKind::Rejoin, Some(WEST));
    assert_eq!((west.database().unwrap().target.clone(), west.blockers.len()), (Some(id(EAST)), 0), "{:?}", west.blockers);
    assert!(west.requires_approval() && !west.loss.is_zero());
    // Where nobody knows whom clients write to, a person makes that out first.
    world.view().routed_to = None;
    let west = world.plan(OperationKind::Rejoin, Some(WEST));
    assert!(matches!(west.blockers[..], [Blocker::IsThePrimary { .. }]), "{:?}", west.blockers);
    assert!(matches!(&world.reading(EAST).role, NodeRole::Primary { .. }));
    assert!(world.picture().findings().iter().any(|finding| matches!(finding.complaint, Complaint::SplitBrain { .. })));
}
