//! Who must agree to a move, for how long it can be taken back, and what else may refuse it (rows 44, 62, 89).

use crate::realm::{BILLING, EAST, Realm, SHOP, WEST, blockers, steps};
use crate::world::id;
use engine::{
    estate::{AtEnd, CommitWindow, Hook},
    failover::{Action, HookMoment, Mode, OnFailure, State, StepState},
    journal::{Command, Event, Refusal},
    time::Span,
};

fn reason() -> String {
    "as the test says".to_owned()
}

#[test]
fn row_62_so_many_different_people_approve_as_the_strategy_declares() {
    let mut realm = Realm::well();
    realm.strategy("asks").approvals = 2;
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    assert_eq!(plan.approvals, 2);
    let operation = realm.request(&plan).unwrap();
    assert_eq!(realm.approve("ann", operation).unwrap_err(), Refusal::OwnRequest, "the requester is none of them");
    realm.approve("amy", operation).unwrap();
    let asked = &realm.book.records.operations[&operation];
    assert_eq!((asked.state, asked.approvals_missing(), asked.approved.is_none()), (State::Requested, 1, true), "one is not enough");
    let again = realm.approve("amy", operation).unwrap_err();
    assert!(matches!(&again, Refusal::AlreadyApproved { by, .. } if by.as_str() == "amy"), "nobody counts twice: {again}");
    realm.approve("ada", operation).unwrap();
    let asked = &realm.book.records.operations[&operation];
    let by: Vec<&str> = asked.approvals.iter().map(|stamp| stamp.by.as_str()).collect();
    assert_eq!((asked.state, by, asked.approvals_missing()), (State::Approved, vec!["amy", "ada"], 0));
}

#[test]
fn row_62_one_decline_ends_it_however_many_have_approved() {
    let mut realm = Realm::well();
    realm.strategy("asks").approvals = 3;
    let operation = realm.request(&realm.plan(BILLING, Mode::Planned, &[WEST])).unwrap();
    realm.approve("amy", operation).unwrap();
    realm.act("ada", &Command::Decline { operation, reason: reason() }).unwrap();
    assert_eq!(realm.book.records.operations[&operation].state, State::Declined);
}

#[test]
fn row_62_an_approval_given_when_fewer_had_to_agree_is_void() {
    let mut realm = Realm::well();
    let operation = realm.request(&realm.plan(BILLING, Mode::Planned, &[WEST])).unwrap();
    realm.strategy("asks").approvals = 2;
    let refused = realm.approve("amy", operation).unwrap_err();
    assert!(refused.to_string().contains("took the approval of 1 person and would now take that of 2 people"), "{refused}");
}

#[test]
fn row_62_an_evacuation_takes_as_many_as_the_strictest_of_its_members() {
    let mut realm = Realm::well();
    realm.strategy("recommends").approvals = 4;
    realm.strategy("asks").approvals = 0;
    assert_eq!(realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap().approvals, 4);
    assert_eq!(realm.plan(BILLING, Mode::Planned, &[WEST]).approvals, 1, "never nobody");
}

#[test]
fn row_62_more_approvals_than_people_who_may_give_them_are_a_finding() {
    let mut realm = Realm::well();
    let says = |realm: &Realm| realm.picture().findings().into_iter().any(|finding| finding.complaint.to_string().contains("may approve"));
    realm.strategy("asks").approvals = 2;
    assert!(!says(&realm));
    realm.strategy("asks").approvals = 50;
    assert!(says(&realm));
}

fn with_window(then: AtEnd) -> Realm {
    let mut realm = Realm::well();
    realm.strategy("automatic").commit = Some(CommitWindow { window: Span::from_mins(10), then });
    realm
}

#[test]
fn row_44_only_a_planned_move_has_a_commit_window_and_it_comes_after_the_proof() {
    let realm = with_window(AtEnd::RollBack);
    let place = |mode| {
        let plan = realm.plan(SHOP, mode, &[WEST]);
        plan.steps.iter().position(|step| matches!(step.action, Action::AwaitCommit { .. }))
    };
    let planned = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let at = place(Mode::Planned).unwrap();
    assert!(matches!(planned.steps[at - 1].action, Action::ProveClients { .. }), "{:?}", steps(&planned));
    assert_eq!(planned.steps[at].on_failure, OnFailure::Compensate);
    assert!(planned.steps[at].timeout > Span::from_mins(10));
    assert!(!planned.steps[at].action.may_be_skipped());
    assert_eq!((place(Mode::Test), place(Mode::Emergency)), (None, None));
    assert_eq!(planned.clone().steps.len() - 1, Realm::well().plan(SHOP, Mode::Planned, &[WEST]).steps.len());
}

#[test]
fn row_44_the_window_counts_from_the_proof_and_ends_with_a_commit() {
    let mut realm = with_window(AtEnd::RollBack);
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    let commit = Command::Commit { operation, reason: reason() };
    if realm.book.records.operations[&operation].state == State::Requested {
        realm.approve("amy", operation).unwrap();
    }
    assert!(matches!(realm.act("bob", &commit), Err(Refusal::NothingToCommit { .. })));
    realm.say(Event::OperationStarted { id: operation });
    let window = plan.steps.iter().position(|step| matches!(step.action, Action::AwaitCommit { .. })).unwrap();
    for step in 0..window {
        realm.say(Event::StepStarted { id: operation, step });
        realm.say(Event::StepEnded { id: operation, step, state: StepState::Done, said: reason() });
    }
    let proven = realm.now;
    // A server that was killed begins the step anew; the window does not begin anew with it.
    realm.later(60);
    realm.say(Event::StepStarted { id: operation, step: window });
    let awaited = realm.book.records.operations[&operation].awaits_commit().unwrap();
    assert_eq!((awaited.step, awaited.until, awaited.then), (window, proven + Span::from_mins(10).as_delta(), AtEnd::RollBack));
    let escalate = Command::Escalate { operation, reason: reason() };
    assert_eq!(realm.act("bob", &escalate).unwrap_err(), Refusal::NotEscalatable, "as an emergency it could not be rolled back");
    realm.act("bob", &commit).unwrap();
    assert_eq!(realm.book.records.operations[&operation].committed.as_ref().map(|stamp| stamp.by.as_str()), Some("bob"));
    assert!(matches!(realm.act("ann", &commit), Err(Refusal::NothingToCommit { .. })), "once");
    let late = realm.act("ann", &Command::Abort { operation, reason: reason() }).unwrap_err();
    assert!(matches!(late, Refusal::CommittedAlready { .. }), "{late}");
}

#[test]
fn row_44_what_left_a_region_that_is_emptied_is_not_sent_back_there_one_by_one() {
    let mut realm = with_window(AtEnd::RollBack);
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let whole = realm.request(&plan).unwrap_or_else(|refused| panic!("{refused}: {:?}", blockers(&plan)));
    realm.approve("amy", whole).unwrap();
    realm.say(Event::OperationStarted { id: whole });
    let picture = realm.picture();
    let (whole, members) = (picture.operation(&whole).unwrap(), engine::failover::evacuation::members(plan.evacuation().unwrap()));
    let shop = members[&engine::id::Scope::Service(id(SHOP))];
    let engine::failover::evacuation::Turn::Ask(part) = engine::failover::evacuation::Turn::of(&picture, whole, shop) else {
        panic!("it can be moved")
    };
    assert!(!part.steps.iter().any(|step| matches!(step.action, Action::AwaitCommit { .. })), "{:?}", steps(&part));
}

fn hook(name: &str, services: &[&str]) -> Hook {
    Hook { id: id(name), services: services.iter().map(|name| id(name)).collect(), before: true, after: true, timeout: Span::from_secs(30) }
}

#[test]
fn row_89_a_hook_comes_before_everything_and_after_everything_and_after_what_was_undone_too() {
    let mut realm = Realm::well();
    realm.estate.hooks = vec![hook("outer", &[]), hook("inner", &[SHOP])];
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let runs: Vec<(String, HookMoment, OnFailure)> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::RunHook { hook, moment } => Some((hook.to_string(), *moment, step.on_failure)),
            _ => None,
        })
        .collect();
    let run = |name: &str, moment, on_failure| (name.to_owned(), moment, on_failure);
    let (before, after) = (HookMoment::Before, HookMoment::After);
    assert_eq!(
        runs,
        [
            run("outer", before, OnFailure::Compensate),
            run("inner", before, OnFailure::Compensate),
            run("inner", after, OnFailure::GoOn),
            run("outer", after, OnFailure::GoOn)
        ]
    );
    assert!(matches!(plan.steps[0].action, Action::RunHook { .. }) && matches!(plan.steps.last().unwrap().action, Action::RunHook { .. }));
    assert_eq!(plan.steps[0].undo, Some(Action::RunHook { hook: id("outer"), moment: after }));
    let other = realm.plan(BILLING, Mode::Planned, &[WEST]);
    assert_eq!(other.steps.iter().filter(|step| matches!(step.action, Action::RunHook { .. })).count(), 2, "of the hook for all");
}

#[test]
fn row_89_the_clusters_of_a_service_have_its_hooks_and_what_changes_voids_an_approval() {
    let mut realm = Realm::well();
    let plan = |realm: &Realm| realm.picture().plan(engine::failover::OperationKind::Switchover, &id("users"), None).unwrap();
    let before = plan(&realm);
    realm.estate.hooks = vec![hook("freeze", &["user-database"])];
    let after = plan(&realm);
    assert_eq!(after.steps.len(), before.steps.len() + 2);
    assert_ne!(before.hash(), after.hash());
    assert_eq!(after.changes_since(&before), ["the steps would be different now"]);
}
