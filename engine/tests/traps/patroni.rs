//! Row 58: a cluster has one manager. Where Patroni runs it, plans ask Patroni and prove what came of it; nothing in them does
//! Patroni's work, and automation leaves it alone. Where Patroni is at work and nobody declared it, Lifeboat does nothing at all.

use crate::world::{EAST, REPLICA, WEST, World, ago, id, judged, node_id, now};
use engine::{
    automation::{self, Hold, Verdict},
    databases::Exclusion,
    estate::Manager,
    failover::{Action, Blocker, Mode, OnFailure, OperationKind, Plan},
    findings::{Complaint, Severity},
    health::Health,
    id::ClusterId,
    patroni::{self, Member, MemberRole, PatroniReading, PatroniView, Scheduled, Tags, TwoManagers},
};
use proptest::prelude::*;

fn member(name: &str, role: MemberRole) -> Member {
    let lag = (role != MemberRole::Leader).then_some(0);
    Member { name: name.to_owned(), role, state: "running".to_owned(), timeline: Some(1), lag, tags: Tags::default() }
}

/// All is well, Patroni runs it and says the same as PostgreSQL.
fn managed() -> World {
    let mut world = World::healthy();
    world.estate.clusters[0].manager = Manager::Patroni;
    for node in &mut world.estate.clusters[0].nodes {
        node.patroni = Some("http://127.0.0.1:8008".to_owned());
    }
    let said = PatroniReading {
        at: ago(1),
        by: node_id(EAST),
        members: vec![member(EAST, MemberRole::Leader), member(REPLICA, MemberRole::Replica), member(WEST, MemberRole::Replica)],
        paused: false,
        scheduled: None,
    };
    let judgement = judged(Health::Ok, ago(600), "the last probe was good");
    world.observed.patroni.insert(id("users"), PatroniView { judgement, said: Some(said) });
    world
}
fn view(world: &mut World) -> &mut PatroniView {
    world.observed.patroni.get_mut(&id::<ClusterId>("users")).unwrap()
}
fn said(world: &mut World) -> &mut PatroniReading {
    view(world).said.as_mut().unwrap()
}
fn of<'a>(world: &'a mut World, node: &str) -> &'a mut Member {
    said(world).members.iter_mut().find(|member| member.name == node).unwrap()
}
fn steps(plan: &Plan) -> Vec<String> {
    let name = |action: &Action| serde_json::to_value(action).unwrap()["do"].as_str().unwrap().to_owned();
    plan.steps.iter().map(|step| format!("{} {:?}", name(&step.action), step.on_failure)).collect()
}
fn complaints(world: &World) -> Vec<(Severity, Complaint)> {
    world.picture().findings().into_iter().map(|finding| (finding.severity, finding.complaint)).collect()
}
fn hard(plan: &Plan) -> Vec<&'static str> {
    plan.hard_blockers().iter().map(|blocker| blocker.name()).collect()
}

#[test]
fn row_58_a_switchover_asks_patroni_and_proves_what_came_of_it() {
    let plan = managed().plan(OperationKind::Switchover, Some(WEST));
    assert!(plan.blockers.is_empty() && plan.loss.is_zero() && plan.requires_approval(), "{:?}", plan.blockers);
    insta::assert_debug_snapshot!(steps(&plan), @r#"
    [
        "check-target Compensate",
        "check-patroni Compensate",
        "ask-patroni StandInDoubt",
        "prove-promoted StandInDoubt",
        "open-route StandInDoubt",
        "prove-write StandInDoubt",
        "prove-not-writable StandInDoubt",
        "prove-streaming GoOn",
    ]
    "#);
    let asked = Action::AskPatroni { leader: Some(node_id(EAST)), candidate: node_id(WEST) };
    assert!(plan.steps.iter().any(|step| step.action == asked));
    assert!(plan.steps.iter().any(|step| step.action == Action::ProvePromoted { node: node_id(WEST), after: Some(1) }), "on a new timeline");
}

#[test]
fn row_58_a_failover_names_the_candidate_and_says_what_may_be_lost() {
    let mut world = managed();
    world.down(EAST);
    of(&mut world, EAST).role = MemberRole::Replica;
    let plan = world.plan(OperationKind::Failover, Some(WEST));
    assert!(plan.blockers.is_empty() && !plan.loss.is_zero(), "{:?} {:?}", plan.blockers, plan.loss);
    assert_eq!(plan.mode(), Mode::Emergency);
    assert!(plan.steps.iter().any(|step| step.action == Action::AskPatroni { leader: None, candidate: node_id(WEST) }));
    let old = plan.steps.iter().find(|step| matches!(step.action, Action::ProveNotWritable { .. })).unwrap();
    assert_eq!(old.on_failure, OnFailure::GoOn, "whoever is gone cannot be asked: that is recorded, and holds nobody up");
}

#[test]
fn row_58_without_a_router_of_ours_the_write_is_proven_on_the_node_and_nothing_is_missing() {
    let mut world = managed();
    world.estate.clusters[0].router = None;
    world.view().routed_to = None;
    let plan = world.plan(OperationKind::Switchover, Some(WEST));
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    assert!(plan.steps.iter().any(|step| step.action == Action::ProveWriteOn { node: node_id(WEST) }));
    assert!(!plan.steps.iter().any(|step| step.action.changes_routing()));
    assert!(!complaints(&world).iter().any(|(_, complaint)| matches!(complaint, Complaint::NoRouter)));
}

#[test]
fn row_58_two_managers_on_one_cluster_are_forbidden_whoever_drew_up_the_plan() {
    let own = World::healthy();
    let mut down = World::healthy();
    down.down(EAST);
    let mut back = World::healthy();
    back.west_took_over();
    let plans = [own.plan(OperationKind::Switchover, None), down.plan(OperationKind::Failover, None), back.plan(OperationKind::Rejoin, Some(EAST))];
    let theirs = managed();
    let mut refused = 0;
    for action in plans.iter().flat_map(|plan| &plan.steps).map(|step| &step.action) {
        let why = patroni::forbidden(theirs.cluster(), None, action);
        assert_eq!(why.is_some(), action.runs_nodes(), "{action:?}");
        refused += usize::from(matches!(why, Some(TwoManagers::PatroniRuns { .. })));
        assert_eq!(patroni::forbidden(own.cluster(), None, action), None, "on its own cluster Lifeboat may");
    }
    assert!(refused >= 8, "{refused}");
    for step in managed().plan(OperationKind::Switchover, None).steps {
        assert_eq!(patroni::forbidden(theirs.cluster(), None, &step.action), None, "{:?}", step.action);
        let elsewhere = patroni::forbidden(own.cluster(), None, &step.action);
        assert_eq!(elsewhere.is_some(), step.action.asks_patroni(), "where Patroni was not declared it is not asked: {:?}", step.action);
    }
}

#[test]
fn row_58_an_undeclared_patroni_stops_everything_that_would_run_a_node() {
    let mut world = World::healthy();
    // One that is silent now was run by it when it was last read.
    world.reading(REPLICA).manager_seen = Some("Patroni heartbeat".to_owned());
    world.down(REPLICA);
    for (kind, node) in [(OperationKind::Switchover, None), (OperationKind::Failover, None), (OperationKind::Rejoin, Some(REPLICA))] {
        let plan = world.plan(kind, node);
        assert!(hard(&plan).contains(&"two-managers"), "{kind}: {:?}", plan.blockers);
        assert!(plan.blockers.iter().any(|blocker| blocker.to_string().contains(REPLICA) && blocker.to_string().contains("Patroni heartbeat")));
    }
    assert!(!hard(&world.plan(OperationKind::Reroute, None)).contains(&"two-managers"), "sending clients to the primary runs no node");
    let found = complaints(&world);
    assert!(
        found.iter().any(|(severity, complaint)| *severity == Severity::Act && matches!(complaint, Complaint::UndeclaredPatroni { .. })),
        "{found:?}"
    );

    world.down(EAST);
    let considered = automation::consider(&world.picture());
    let decision = &considered.iter().find(|considered| considered.decision.scope.cluster().is_some()).unwrap().decision;
    assert_eq!(decision.verdict, Verdict::Hold);
    assert!(decision.holds.iter().any(|hold| matches!(hold, Hold::Blocked { name, .. } if name == "two-managers")), "{:?}", decision.holds);
}

#[test]
fn row_58_a_pause_blocks_a_planned_switchover_and_a_failover_takes_two_people() {
    let mut world = managed();
    said(&mut world).paused = true;
    assert_eq!(hard(&world.plan(OperationKind::Switchover, Some(WEST))), ["patroni-paused"]);
    world.down(EAST);
    of(&mut world, EAST).role = MemberRole::Replica;
    let plan = world.plan(OperationKind::Failover, Some(WEST));
    assert!(plan.hard_blockers().is_empty());
    assert!(matches!(plan.overridable_blockers()[..], [Blocker::FailoverInPause { .. }]), "{:?}", plan.blockers);
    assert!(complaints(&world).iter().any(|(severity, complaint)| *severity == Severity::Watch && *complaint == Complaint::PatroniPaused));
}

#[test]
fn row_58_automation_leaves_the_cluster_to_patroni_and_says_whether_that_is_paused() {
    let mut world = managed();
    world.down(EAST);
    of(&mut world, EAST).role = MemberRole::Replica;
    let decided = |world: &World| {
        let considered = automation::consider(&world.picture());
        considered.into_iter().find(|considered| considered.decision.scope.cluster().is_some()).unwrap().decision
    };
    let decision = decided(&world);
    assert_eq!((decision.verdict, &decision.holds[..]), (Verdict::Hold, &[Hold::LeftToPatroni { cluster: id("users") }][..]));
    said(&mut world).paused = true;
    let decision = decided(&world);
    assert_eq!((decision.verdict, &decision.holds[..]), (Verdict::Hold, &[Hold::PatroniPaused { cluster: id("users") }][..]));
    view(&mut world).judgement = judged(Health::Down, ago(9), "connection refused");
    let decision = decided(&world);
    assert!(decision.holds.contains(&Hold::LeftToPatroni { cluster: id("users") }), "silent, it may be at it all the same: {:?}", decision.holds);
    assert_eq!(decision.verdict, Verdict::Hold);
    let beforehand = automation::held_beforehand(&managed().picture(), &engine::id::Scope::Cluster(id("users")));
    assert_eq!(beforehand, [Hold::LeftToPatroni { cluster: id("users") }], "and it is said before anything fails");
}

#[test]
fn row_58_tags_states_and_strangers_are_no_candidates() {
    let mut world = managed();
    of(&mut world, WEST).tags.nofailover = true;
    of(&mut world, REPLICA).state = "start failed".to_owned();
    for kind in [OperationKind::Switchover, OperationKind::Failover] {
        let plan = world.plan(kind, None);
        let against = |node: &str| {
            let candidates = &plan.database().unwrap().candidates;
            candidates.iter().find(|candidate| candidate.node.as_str() == node).unwrap().exclusions.clone()
        };
        assert_eq!(against(WEST), [Exclusion::TaggedNoFailover]);
        assert_eq!(against(REPLICA), [Exclusion::PatroniState { state: "start failed".to_owned() }]);
        assert!(hard(&plan).contains(&"no-candidate") && plan.steps.is_empty(), "{:?}", plan.blockers);
        assert!(hard(&world.plan(kind, Some(WEST))).contains(&"target-excluded"));
    }
    said(&mut world).members.retain(|member| member.name != WEST);
    let plan = world.plan(OperationKind::Switchover, Some(WEST));
    assert!(plan.blockers.iter().any(|blocker| blocker.to_string().contains("does not list it")), "{:?}", plan.blockers);
    assert!(complaints(&world).iter().any(|(_, complaint)| matches!(complaint, Complaint::PatroniMembersDiffer { .. })));
}

#[test]
fn row_58_a_planned_handover_of_a_synchronous_cluster_goes_to_the_synchronous_standby() {
    let mut world = managed();
    of(&mut world, REPLICA).role = MemberRole::SyncStandby;
    let plan = world.plan(OperationKind::Switchover, Some(WEST));
    assert!(plan.blockers.iter().any(|blocker| blocker.to_string().contains("no other node")), "{:?}", plan.blockers);
    assert!(world.plan(OperationKind::Switchover, Some(REPLICA)).blockers.is_empty());
}

#[test]
fn row_58_where_patroni_and_postgresql_differ_nobody_is_asked_for_anything() {
    let mut world = managed();
    (of(&mut world, EAST).role, of(&mut world, WEST).role) = (MemberRole::Replica, MemberRole::Leader);
    assert!(hard(&world.plan(OperationKind::Switchover, Some(REPLICA))).contains(&"patroni-disagrees"));
    let differs = Complaint::PatroniDisagrees { leader: Some(WEST.to_owned()), writable: node_id(EAST) };
    assert!(complaints(&world).contains(&(Severity::Act, differs)));
    of(&mut world, WEST).role = MemberRole::Replica;
    let nobody = Complaint::PatroniDisagrees { leader: None, writable: node_id(EAST) };
    assert!(complaints(&world).contains(&(Severity::Act, nobody)), "a leader that PostgreSQL has and Patroni lacks is a difference too");
    assert!(!complaints(&managed()).iter().any(|(_, complaint)| matches!(complaint, Complaint::PatroniDisagrees { .. })));
}

#[test]
fn row_58_what_patroni_does_not_say_now_is_unknown_and_blocks() {
    let mut silent = managed();
    view(&mut silent).judgement = judged(Health::Unknown, ago(9), "no sample for 9 s");
    let mut old = managed();
    said(&mut old).at = ago(3_600);
    let mut never = managed();
    never.observed.patroni.remove(&id::<ClusterId>("users"));
    for world in [silent, old, never] {
        for kind in [OperationKind::Switchover, OperationKind::Failover] {
            let plan = world.plan(kind, Some(WEST));
            assert!(hard(&plan).contains(&"patroni-unknown") && plan.rests_on_unknowns(), "{:?}", plan.blockers);
        }
        let found = complaints(&world);
        let unknown =
            |(severity, complaint): &(Severity, Complaint)| *severity == Severity::Unknown && matches!(complaint, Complaint::PatroniSilent { .. });
        assert!(found.iter().any(unknown), "{found:?}");
    }
}

#[test]
fn row_58_a_switchover_that_somebody_scheduled_is_not_overtaken() {
    let mut world = managed();
    said(&mut world).scheduled = Some(Scheduled { at: now(), to: Some(WEST.to_owned()) });
    assert_eq!(hard(&world.plan(OperationKind::Switchover, Some(REPLICA))), ["patroni-scheduled"]);
}

#[test]
fn row_58_patroni_rejoins_its_nodes_itself() {
    let mut world = managed();
    world.west_took_over();
    let plan = world.plan(OperationKind::Rejoin, Some(EAST));
    assert!(hard(&plan).contains(&"patroni-rejoins") && plan.steps.is_empty(), "{:?} {:?}", plan.blockers, plan.steps);
}

#[test]
fn row_58_an_estate_that_contradicts_itself_about_patroni_is_a_finding() {
    let mut world = managed();
    world.estate.clusters[0].nodes[1].patroni = None;
    assert!(complaints(&world).contains(&(Severity::Act, Complaint::NoPatroniAddress { cluster: id("users"), node: node_id(REPLICA) })));
    world.estate.clusters[0].manager = Manager::Lifeboat;
    assert!(complaints(&world).contains(&(Severity::Act, Complaint::PatroniNotDeclared { cluster: id("users"), node: node_id(EAST) })));
    let text = managed().estate.to_toml().unwrap();
    assert_eq!(engine::estate::Estate::from_toml(&text).unwrap(), managed().estate);
    assert!(text.contains("manager = \"patroni\""));
    assert!(!World::healthy().estate.to_toml().unwrap().contains("manager"), "Lifeboat's own need not be declared");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is down, silent, stale, tagged, paused or contradicting: no plan for the cluster runs a node of it.
    #[test]
    fn row_58_no_plan_for_patronis_cluster_ever_runs_a_node(
        down in prop::collection::vec(0..3usize, 0..3), leader in 0..4usize, took_over: bool, paused: bool, health in 0..4u8, tagged in 0..4usize, router: bool,
        agents: bool, wish in 0..4usize,
    ) {
        const NODES: [&str; 3] = [EAST, REPLICA, WEST];
        let mut world = managed();
        if took_over {
            world.west_took_over();
        }
        for node in down {
            world.down(NODES[node]);
        }
        for (at, node) in NODES.iter().enumerate() {
            of(&mut world, node).role = if at == leader { MemberRole::Leader } else { MemberRole::Replica };
            of(&mut world, node).tags.nofailover = at == tagged;
        }
        said(&mut world).paused = paused;
        view(&mut world).judgement.health = [Health::Ok, Health::Degraded, Health::Down, Health::Unknown][health as usize];
        if !router {
            world.estate.clusters[0].router = None;
        }
        if !agents {
            world.agent_silent("us-east-1");
        }
        let wish = NODES.get(wish).copied();
        for kind in [OperationKind::Switchover, OperationKind::Failover, OperationKind::Rejoin, OperationKind::Reroute] {
            let node = if kind == OperationKind::Rejoin { Some(wish.unwrap_or(EAST)) } else { wish };
            let plan = world.plan(kind, node);
            prop_assert!(plan.steps.iter().all(|step| !step.action.runs_nodes()), "{:?}", plan.steps);
            prop_assert!(plan.steps.iter().filter_map(|step| step.undo.as_ref()).all(|undo| !undo.runs_nodes()));
            prop_assert!(!hard(&plan).contains(&"two-managers"));
        }
        for considered in automation::consider(&world.picture()) {
            if considered.decision.scope.cluster().is_some() {
                prop_assert_eq!(considered.decision.verdict, Verdict::Hold);
            }
        }
    }
}
