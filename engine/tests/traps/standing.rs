//! What an operation leaves to be said until somebody deals with it: a run that ended badly (row 43), safety rules set
//! aside on purpose (row 61), and where clients are right behind a move (F4).

use crate::{
    realm::{BILLING, EAST, EDGE, Realm, SHOP, WEST, blockers, regions},
    world::id,
};
use engine::{
    failover::{Mode, State},
    findings::{Complaint, Finding, Severity, runs_to_acknowledge},
    health::Health,
    id::OperationId,
    journal::{Command, Event, Refusal, void_reasons, voids},
};

fn complaints(realm: &Realm, wanted: fn(&Complaint) -> bool) -> Vec<Finding> {
    realm.picture().findings().into_iter().filter(|finding| wanted(&finding.complaint)).collect()
}

/// A move that was approved and ended undone.
fn failed(realm: &mut Realm, mode: Mode) -> OperationId {
    let plan = realm.plan(SHOP, mode, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    if realm.book.records.operations[&operation].state == State::Requested {
        realm.approve("amy", operation).unwrap();
    }
    realm.say(Event::OperationStarted { id: operation });
    realm.say(Event::OperationCompensating { id: operation, why: "refused".to_owned() });
    realm.later(1);
    realm.say(Event::OperationFailed { id: operation, why: "refused".to_owned() });
    realm.later(1);
    operation
}

#[test]
fn row_43_a_failed_run_is_said_until_somebody_acknowledges_it() {
    let is_run = |complaint: &Complaint| matches!(complaint, Complaint::RunUnacknowledged { .. });
    let mut realm = Realm::well();
    let operation = failed(&mut realm, Mode::Planned);
    let found = complaints(&realm, is_run);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].severity, found[0].since), (Severity::Act, realm.book.records.operations[&operation].ended_at));
    assert!(found[0].complaint.to_string().contains("failed, undone and nobody has taken note"), "{}", found[0].complaint);
    realm.act("ann", &Command::Acknowledge { operation, reason: "seen".to_owned() }).unwrap();
    assert_eq!(complaints(&realm, is_run), []);
}

#[test]
fn row_43_a_later_success_or_a_mere_test_holds_nothing_back() {
    let mut realm = Realm::well();
    failed(&mut realm, Mode::Planned);
    assert_eq!(runs_to_acknowledge(&realm.picture()).len(), 1);
    realm.moved(SHOP, Mode::Planned, &[WEST]);
    assert!(runs_to_acknowledge(&realm.picture()).is_empty(), "the last run counts");
    let mut realm = Realm::well();
    failed(&mut realm, Mode::Test);
    assert!(runs_to_acknowledge(&realm.picture()).is_empty(), "a rehearsal moved nobody");
}

#[test]
fn row_61_breaking_a_safety_rule_is_loud_while_it_waits_and_while_it_runs_and_stays_in_the_journal() {
    let is_broken = |complaint: &Complaint| matches!(complaint, Complaint::SafetyRulesBroken { .. });
    let mut realm = Realm::well();
    let plan = realm.plan(EDGE, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    let said = |realm: &Realm| complaints(realm, is_broken).first().map(|finding| finding.complaint.to_string()).unwrap_or_default();
    assert!(said(&realm).contains("WOULD BREAK SAFETY RULES: the rule of at least 2 regions"), "{}", said(&realm));
    let events = realm.approve("amy", operation).unwrap();
    assert!(
        matches!(&events[..], [Event::OperationApproved { .. }, Event::SafetyRulesBroken { id, rules }] if *id == operation && rules.len() == 1),
        "{events:?}"
    );
    realm.say(Event::OperationStarted { id: operation });
    assert!(said(&realm).contains("BREAKS SAFETY RULES"), "{}", said(&realm));
    let plain = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let plain = realm.request(&plain).unwrap();
    assert_eq!(realm.approve("amy", plain).unwrap().len(), 1, "where none is broken nothing is said");
}

#[test]
fn f4_what_was_read_before_a_move_ended_is_no_place_to_plan_from() {
    let mut realm = Realm::well();
    realm.moved(SHOP, Mode::Planned, &[WEST]);
    let ended = realm.book.records.routes[&id(SHOP)].since;
    let on = realm.observed.traffic.get_mut(&id(SHOP)).unwrap().on.as_mut().unwrap();
    // The last reading from before the end: clients were still in the east.
    (on.at, on.regions) = (ended, regions(&[EAST]));
    assert!(blockers(&realm.plan(SHOP, Mode::Planned, &["eu-west-1"])).contains(&"traffic-unknown"));
    realm.send(SHOP, &[WEST]);
    let plan = realm.plan(SHOP, Mode::Planned, &["eu-west-1"]);
    assert_eq!((&plan.traffic().unwrap().from, blockers(&plan)), (&regions(&[WEST]), vec![]));
    // A clock that was set back puts the end into the future: that must not keep anybody from moving.
    realm.now = ended - engine::time::Span::from_mins(60).as_delta();
    realm.see(SHOP, WEST, Health::Down);
    realm.send(SHOP, &[WEST]);
    assert!(!blockers(&realm.plan(SHOP, Mode::Emergency, &["eu-west-1"])).contains(&"traffic-unknown"));
}

#[test]
fn what_is_not_known_for_a_moment_keeps_a_request_from_being_approved_and_takes_it_from_nobody() {
    let mut realm = Realm::well();
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    let why = |realm: &Realm| {
        let asked = realm.book.records.operations[&operation].clone();
        let now = realm.picture().replan(&asked).unwrap();
        (void_reasons(&asked, &now, realm.now).len(), voids(&asked, &now, realm.now))
    };
    // The machine stood still for some seconds, and no probe came in.
    realm.see(BILLING, WEST, Health::Unknown);
    assert!(matches!(why(&realm), (1.., over) if over.is_empty()), "{:?}", why(&realm));
    assert!(matches!(realm.approve("amy", operation), Err(Refusal::NotKnownNow { .. })));
    realm.see(BILLING, WEST, Health::Ok);
    let view = realm.observed.traffic.get_mut(&id(BILLING)).unwrap();
    view.judgement.health = Health::Unknown;
    assert!(matches!(why(&realm), (1.., over) if over.is_empty()), "{:?}", why(&realm));
    realm.send(BILLING, &[EAST]);
    assert_eq!(why(&realm), (0, vec![]), "and nothing had changed");
    realm.see(BILLING, WEST, Health::Down);
    assert!(!why(&realm).1.is_empty(), "what is known to be otherwise voids");
    assert!(matches!(realm.approve("amy", operation), Err(Refusal::ApprovalVoid { .. })));
    realm.see(BILLING, WEST, Health::Unknown);
    realm.now += engine::time::Span::from_mins(31).as_delta();
    assert!(why(&realm).1[0].contains("nobody approved it"), "nor does it wait for ever");
}
