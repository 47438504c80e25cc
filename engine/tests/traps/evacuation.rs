//! The evacuation of a region (rows 8 and 9): in waves, what stays is said, members are covered by the whole's approval.

use crate::world::{Book, REPLICA, WEST, World, ago, approve, id, judged, now, operation_id, person, request};
use engine::{
    estate::{Traffic, TrafficMeans},
    failover::{Blocker, Mode, OperationKind, Plan, State, plan::MemberTarget},
    health::Health,
    id::{RegionId, Scope},
    journal::{Actor, Event, Misfit},
    picture::{SeenOn, TrafficView},
    restraints::Held,
};
use std::collections::BTreeSet;

const EAST: &str = "us-east-1";

/// The world with clients of `api`, which needs the database, sent to the east.
fn served() -> World {
    let mut world = World::healthy();
    let address = "http://127.0.0.1:9/".to_owned();
    world.estate.services[0].traffic = Some(Traffic { address, region_header: None, by: TrafficMeans::Simulated {} });
    world.estate.services[0].strategy = Some(id("database-tier"));
    let on = Some(SeenOn { at: ago(1), regions: BTreeSet::from([id(EAST)]) });
    world.observed.traffic.insert(id("api"), TrafficView { judgement: judged(Health::Ok, ago(600), "the last probe was good"), on });
    world
}

fn plan(world: &World, mode: Mode) -> Plan {
    world.picture().evacuation_plan(&id(EAST), mode).unwrap()
}

fn waves(plan: &Plan) -> Vec<Vec<(String, String)>> {
    let wave = |wave: &Vec<engine::failover::plan::Member>| wave.iter().map(|member| (member.scope.to_string(), member.to.to_string())).collect();
    plan.evacuation().unwrap().waves.iter().map(wave).collect()
}

#[test]
fn row_8_what_others_need_goes_first_and_out_of_the_region() {
    let plan = plan(&served(), Mode::Planned);
    let expected = [vec![("cluster/users".to_owned(), WEST.to_owned())], vec![("service/api".to_owned(), "us-west-2".to_owned())]];
    assert_eq!(waves(&plan), expected, "not to {REPLICA}, which stands in the same region");
    assert_eq!(plan.evacuation().unwrap().waves[0][0].kind, OperationKind::Switchover);
    assert!(plan.blockers.is_empty() && plan.requires_approval(), "{:?}", plan.blockers);
    assert!(plan.steps.iter().all(|step| !step.action.changes_routing()), "its members do");
}

#[test]
fn row_43_whoever_empties_a_region_is_told_what_people_have_put_in_the_way_of_its_members() {
    let mut world = served();
    let mut held = |what: &str, until| {
        let held = Held { by: Actor::Person(id("anna")), since: ago(60), until, reason: "a new disk".to_owned() };
        world.records.restraints.insert(what.parse().unwrap(), held);
    };
    held("maintenance:service/api", Some(now() + chrono::TimeDelta::minutes(10)));
    held("pause:service/elsewhere", None);
    held("pause:cluster/users", Some(ago(5)));
    let said = plan(&world, Mode::Emergency).passed_over;
    assert!(matches!(&said[..], [only] if only.starts_with("api is under maintenance until") && only.ends_with("a new disk (anna)")), "{said:?}");
    assert_eq!(plan(&world, Mode::Test).passed_over, [""; 0], "a rehearsal moves nobody");
}

/// The best node anywhere would be the primary's neighbour, and the region would not be empty.
#[test]
fn row_8_a_database_is_not_moved_within_the_region_that_it_is_to_leave() {
    for mode in [Mode::Planned, Mode::Emergency] {
        let mut world = served();
        world.node(WEST).judgement = judged(Health::Down, ago(20), "timed out");
        if mode == Mode::Emergency {
            world.down(crate::world::EAST);
        }
        let plan = plan(&world, mode);
        assert!(!waves(&plan).concat().iter().any(|(member, _)| member == "cluster/users"), "{mode}: {:?}", waves(&plan));
        let (scope, why) = &plan.evacuation().unwrap().staying[0];
        assert_eq!(scope.to_string(), "cluster/users", "{mode}");
        assert!(why.starts_with("no node outside us-east-1 can take over (pg-standby-west: it is down"), "{mode}: {why}");
        let asks = plan.blockers.iter().any(|blocker| matches!(blocker, Blocker::MemberStays { member: Scope::Cluster(_), .. }));
        assert_eq!(asks, mode == Mode::Planned, "{mode}");
    }
}

#[test]
fn row_40_planned_moves_all_or_asks_and_an_emergency_takes_what_can_be_moved() {
    let mut world = served();
    world.observed.endpoints.get_mut(&(id("api"), id("us-west-2"))).unwrap().judgement = judged(Health::Down, ago(20), "timed out");
    let planned = plan(&world, Mode::Planned);
    assert!(
        planned.blockers.iter().any(|blocker| matches!(blocker, Blocker::MemberStays { member: Scope::Service(_), .. })),
        "{:?}",
        planned.blockers
    );
    let emergency = plan(&world, Mode::Emergency);
    assert!(emergency.hard_blockers().is_empty(), "{:?}", emergency.blockers);
    assert_eq!(waves(&emergency).concat().len(), 1, "the database");
    assert_eq!(emergency.evacuation().unwrap().staying[0].0, Scope::Service(id("api")));
}

/// What fails because the database does is well again once that has moved, so it belongs to the evacuation.
#[test]
fn what_fails_with_its_database_is_moved_behind_it() {
    let mut world = served();
    world.lose_east();
    world.observed.endpoints.get_mut(&(id("api"), id("us-west-2"))).unwrap().judgement = judged(Health::Down, ago(20), "503: no database");
    let plan = plan(&world, Mode::Emergency);
    assert_eq!(waves(&plan).concat().len(), 2, "{:?}", plan.evacuation());
    assert!(plan.outage_since.is_some());
    assert!(!plan.loss.is_zero(), "the worst of its members");
}

#[test]
fn row_9_a_member_is_covered_by_the_approval_of_the_whole_while_that_runs() {
    let world = served();
    let whole = plan(&world, Mode::Planned);
    let member = world.picture().traffic_plan(&id("api"), Mode::Planned, Some(&BTreeSet::from([id::<RegionId>("us-west-2")]))).unwrap();
    assert!(member.requires_approval(), "by itself a second person would be asked");
    let child = |parent: u128| Event::OperationRequested {
        id: operation_id(100 + parent),
        plan_hash: member.hash(),
        plan: Box::new(member.clone()),
        reason: "part of the evacuation".to_owned(),
        loss_accepted: false,
        overridden: Vec::new(),
        parent: Some(operation_id(parent)),
    };
    let mut book = Book::with_people();
    book.act(&person("ann"), &request(1, &whole), now()).unwrap();
    assert!(matches!(book.write(&Actor::Lifeboat, &child(1), now()), Err(Misfit::NoPart { .. })), "not before it was approved");
    book.act(&person("bob"), &approve(1, &whole, &whole), now()).unwrap();
    assert!(matches!(book.write(&Actor::Lifeboat, &child(1), now()), Err(Misfit::NoPart { .. })), "nor before it runs");
    book.write(&Actor::Lifeboat, &Event::OperationStarted { id: operation_id(1) }, now()).unwrap();
    book.write(&Actor::Lifeboat, &child(1), now()).unwrap();
    let filed = &book.records.operations[&operation_id(101)];
    assert_eq!((filed.state, filed.parent), (State::Approved, Some(operation_id(1))));
    assert_eq!(filed.approved.as_ref().map(|stamp| stamp.by.to_string()).as_deref(), Some("bob"));
    assert_eq!(book.replayed(), book.records);
}

#[test]
fn an_approval_is_void_when_a_member_would_go_elsewhere() {
    let mut world = served();
    let agreed = plan(&world, Mode::Planned);
    world.observed.endpoints.get_mut(&(id("api"), id("us-west-2"))).unwrap().judgement = judged(Health::Down, ago(20), "timed out");
    let now = plan(&world, Mode::Planned);
    let changes = now.changes_since(&agreed);
    assert!(changes.iter().any(|change| change.contains("api cannot be moved")), "{changes:?}");
    assert_ne!(now.hash(), agreed.hash());
}

#[test]
fn a_region_where_nothing_is_needs_no_evacuation() {
    let world = served();
    let plan = world.picture().evacuation_plan(&id("us-west-2"), Mode::Emergency).unwrap();
    assert!(plan.hard_blockers().iter().any(|blocker| matches!(blocker, Blocker::NothingToEvacuate { .. })));
    assert!(world.picture().evacuation_plan(&id("mars"), Mode::Emergency).is_none());
    assert_eq!(MemberTarget::Regions(BTreeSet::new()).to_string(), "no region");
}
