//! What is done about each member of an evacuation when its turn comes: rows 9, 59, 61, 64.

use crate::{
    realm::{BILLING, EAST, EDGE, Realm, SHOP, WEST, blockers, regions},
    world::{id, operation_id},
};
use engine::{
    estate::{AtEnd, CommitWindow},
    failover::{Action, Mode, Operation, Plan, State, StepState, evacuation::Turn, plan::Member},
    health::Health,
    id::OperationId,
    journal::{Command, Event, Refusal},
    time::Span,
};

/// The plan that empties the east, with two regions in the rotation where two is the least.
fn thin() -> (Realm, Plan) {
    let mut realm = Realm::well();
    realm.later(1);
    realm.send(EDGE, &[EAST, WEST]);
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    (realm, plan)
}

fn started(realm: &mut Realm, plan: &Plan) -> OperationId {
    let operation = realm.request(plan).unwrap();
    if realm.book.records.operations[&operation].state == State::Requested {
        realm.approve("amy", operation).unwrap();
    }
    realm.say(Event::OperationStarted { id: operation });
    operation
}

fn whole(realm: &Realm, operation: OperationId) -> &Operation {
    &realm.book.records.operations[&operation]
}

fn member(realm: &Realm, operation: OperationId, scope: &str) -> Member {
    let change = whole(realm, operation).plan.evacuation().unwrap();
    change.waves.iter().flatten().find(|member| member.scope.to_string() == scope).unwrap_or_else(|| panic!("{scope} is no member")).clone()
}

fn turn(realm: &Realm, operation: OperationId, scope: &str) -> Turn {
    Turn::of(&realm.picture(), whole(realm, operation), &member(realm, operation, scope))
}

fn asks(turn: &Turn) -> bool {
    matches!(turn, Turn::Ask(_))
}

#[test]
fn row_59_a_rule_that_the_batch_would_break_is_named_before_it_begins() {
    let (realm, plan) = thin();
    assert_eq!(blockers(&plan), ["too-few-regions"]);
    assert_eq!(plan.rules_to_break()[0].to_string(), "the rule of at least 2 regions for edge would be broken: 1 would stay on");
    let mut wide = Realm::well();
    wide.later(1);
    assert_eq!(blockers(&wide.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap()), Vec::<&str>::new());
    wide.send(EDGE, &[EAST, WEST]);
    wide.see_all(EAST, Health::Down);
    let emergency = wide.picture().evacuation_plan(&id(EAST), Mode::Emergency).unwrap();
    assert!(emergency.rules_to_break().is_empty(), "leaving what is down breaks nothing further: {:?}", emergency.blockers);
    assert_eq!(realm.on(EDGE), regions(&[EAST, WEST]));
}

#[test]
fn row_61_what_the_approver_broke_for_the_whole_its_members_may_do() {
    let (mut realm, plan) = thin();
    let operation = realm.request(&plan).unwrap();
    assert!(matches!(realm.approve("bob", operation), Err(Refusal::GlassNotBroken { .. })));
    realm.approve("amy", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    assert!(asks(&turn(&realm, operation, "service/edge")), "{:?}", turn(&realm, operation, "service/edge"));
    assert!(asks(&turn(&realm, operation, "service/billing")));
    realm.see(EDGE, WEST, Health::Degraded);
    let Turn::Cannot(why) = turn(&realm, operation, "service/edge") else { panic!("no further than was agreed") };
    assert!(why.contains("0 would stay on"), "{why}");
}

#[test]
fn row_60_row_61_with_the_master_switch_off_a_broken_glass_holds_for_every_member() {
    let mut realm = Realm::well();
    realm.restrain("master-switch", None);
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &plan);
    for scope in ["cluster/users", "service/shop", "service/billing", "service/edge"] {
        assert!(asks(&turn(&realm, operation, scope)), "{scope}: {:?}", turn(&realm, operation, scope));
    }
}

#[test]
fn row_61_a_rule_that_came_up_since_was_agreed_to_by_nobody() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &plan);
    realm.restrain("master-switch", None);
    let Turn::Cannot(why) = turn(&realm, operation, "service/shop") else { panic!("the switch is off") };
    assert!(why.contains("the master switch is off"), "{why}");
}

#[test]
fn row_9_what_was_told_to_stop_begins_nothing_more() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &plan);
    let child = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let (plan_hash, reason) = (child.hash(), "part of it".to_owned());
    let (id, plan, parent) = (operation_id(9), Box::new(child), Some(operation));
    realm.say(Event::OperationRequested { id, plan, plan_hash, reason, loss_accepted: false, overridden: vec![], parent });
    realm.act("ann", &Command::Abort { operation, reason: "a false alarm".to_owned() }).unwrap();
    assert_eq!(turn(&realm, operation, "service/shop"), Turn::Wait(operation_id(9)), "what is under way is waited for");
    for scope in ["cluster/users", "service/billing"] {
        assert_eq!(turn(&realm, operation, scope), Turn::Cannot("not begun: stopped by ann: a false alarm".to_owned()));
    }
    realm.say(Event::OperationInDoubt { id: operation, why: "stopped".to_owned() });
    assert_eq!(turn(&realm, operation, "service/billing"), Turn::Cannot("the evacuation is IN DOUBT".to_owned()));
}

#[test]
fn row_64_a_stop_of_all_tests_is_met_between_two_members() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Test).unwrap();
    let operation = started(&mut realm, &plan);
    assert!(asks(&turn(&realm, operation, "service/shop")));
    realm.restrain("tests", None);
    assert_eq!(turn(&realm, operation, "service/shop"), Turn::Cannot("not begun: all tests were stopped by bob: on purpose".to_owned()));
}

#[test]
fn row_71_a_rehearsal_of_a_member_keeps_no_evacuation_waiting() {
    let mut realm = Realm::well();
    let test = realm.plan(BILLING, Mode::Test, &[WEST]);
    let test = realm.request(&test).unwrap();
    realm.say(Event::OperationStarted { id: test });
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &plan);
    assert!(asks(&turn(&realm, operation, "service/billing")), "it gives way");
    let rehearsed = realm.picture().evacuation_plan(&id(EAST), Mode::Test).unwrap();
    let mut rehearsing = whole(&realm, operation).clone();
    rehearsing.plan = rehearsed;
    let member = member(&realm, operation, "service/billing");
    assert_eq!(Turn::of(&realm.picture(), &rehearsing, &member), Turn::Wait(test), "and one rehearsal waits for another");
}

#[test]
fn row_39_a_rehearsal_says_of_a_database_that_it_was_not_rehearsed_and_of_one_that_could_not_move_why() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Test).unwrap();
    let operation = started(&mut realm, &plan);
    let Turn::Moved(said) = turn(&realm, operation, "cluster/users") else { panic!("a plan can be made") };
    assert!(said.contains("NOT rehearsed"), "{said}");
    realm.observed.routers.clear();
    let Turn::Cannot(why) = turn(&realm, operation, "cluster/users") else { panic!("it could not be moved") };
    assert!(why.contains("router does not answer"), "{why}");
}

#[test]
fn row_9_what_has_moved_already_is_left_as_it_is() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &plan);
    realm.later(1);
    realm.send(BILLING, &[WEST]);
    assert_eq!(turn(&realm, operation, "service/billing"), Turn::Moved("clients of billing are sent elsewhere already".to_owned()));
    realm.send(BILLING, &[]);
    assert!(!matches!(turn(&realm, operation, "service/billing"), Turn::Moved(_)), "nowhere is not elsewhere");
    realm.see(SHOP, WEST, Health::Down);
    assert!(matches!(turn(&realm, operation, "service/shop"), Turn::NotYet(_)), "its turn waits until it is well there");
}

#[test]
fn row_9_what_was_read_in_the_middle_of_a_move_that_was_undone_is_no_move() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &plan);
    realm.later(1);
    let Turn::Ask(plan) = turn(&realm, operation, "service/billing") else { panic!("it is to be moved") };
    let (child, step) = (operation_id(77), plan.steps.iter().position(|step| step.action.changes_routing()).unwrap());
    let (plan_hash, reason) = (plan.hash(), "part of it".to_owned());
    realm.say(Event::OperationRequested {
        id: child,
        plan,
        plan_hash,
        reason,
        loss_accepted: false,
        overridden: Vec::new(),
        parent: Some(operation),
    });
    realm.say(Event::OperationStarted { id: child });
    realm.say(Event::StepStarted { id: child, step });
    realm.send(BILLING, &[WEST]);
    realm.say(Event::StepEnded { id: child, step, state: StepState::Failed, said: "not proven".to_owned() });
    realm.say(Event::OperationCompensating { id: child, why: "not proven".to_owned() });
    realm.say(Event::OperationFailed { id: child, why: "not proven".to_owned() });
    assert!(matches!(turn(&realm, operation, "service/billing"), Turn::NotYet(_)), "where they were is not where they are");
    realm.later(1);
    realm.send(BILLING, &[EAST]);
    assert!(asks(&turn(&realm, operation, "service/billing")), "it is tried again");
}

#[test]
fn row_9_a_move_that_can_still_be_taken_back_is_waited_for() {
    let mut realm = Realm::well();
    let change = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &change);
    realm.later(1);
    let name = realm.estate.service(&id(BILLING)).unwrap().strategy.clone().unwrap();
    realm.strategy(name.as_str()).commit = Some(CommitWindow { window: Span::from_mins(10), then: AtEnd::RollBack });
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let other = started(&mut realm, &plan);
    let window = plan.steps.iter().position(|step| matches!(step.action, Action::AwaitCommit { .. })).unwrap();
    for step in 0..window {
        realm.say(Event::StepStarted { id: other, step });
        realm.say(Event::StepEnded { id: other, step, state: StepState::Done, said: "seen".to_owned() });
    }
    realm.say(Event::StepStarted { id: other, step: window });
    realm.later(1);
    realm.send(BILLING, &[WEST]);
    assert_eq!(turn(&realm, operation, "service/billing"), Turn::Wait(other), "they may be sent back");
    let mut back = realm.clone();
    back.say(Event::StepEnded { id: other, step: window, state: StepState::Failed, said: "rolled back".to_owned() });
    assert_eq!(turn(&back, operation, "service/billing"), Turn::Wait(other), "they are being sent back");
    realm.say(Event::StepEnded { id: other, step: window, state: StepState::Done, said: "committed".to_owned() });
    assert!(matches!(turn(&realm, operation, "service/billing"), Turn::Moved(_)));
}

/// What failed after the evacuation became an emergency cannot be stopped cleanly any more, and its loss was agreed to by nobody.
#[test]
fn row_40_a_database_that_died_on_the_way_is_not_asked_for_by_a_switchover() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = started(&mut realm, &plan);
    realm.see_all(EAST, Health::Down);
    let Turn::Cannot(why) = turn(&realm, operation, "cluster/users") else { panic!("the primary is gone") };
    assert!(why.contains("use a failover"), "{why}");
    realm.act("ann", &Command::Escalate { operation, reason: "the east died".to_owned() }).unwrap();
    let Turn::Cannot(why) = turn(&realm, operation, "cluster/users") else { panic!("nobody agreed to the loss") };
    assert!(why.starts_with("the loss bound was"), "{why}");
}
