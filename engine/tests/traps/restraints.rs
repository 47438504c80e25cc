//! What people put in the way of the product: rows 36, 58, 60, 64, and the estate that says when nothing is moved.

use crate::{
    realm::{EAST, EDGE, ESTATE, Realm, SHOP, WEST},
    world::id,
};
use engine::{
    automation,
    estate::{Estate, StrategyKind, TrafficMeans},
    failover::{Mode, State},
    health::Health,
    journal::{Command, Event, Refusal},
    restraints::Restraint,
    time::{Instant, Span},
};

fn restrain(what: &str, until: Option<Instant>) -> Command {
    Command::Restrain { what: what.parse().unwrap(), until, reason: "on purpose".to_owned() }
}

#[test]
fn row_58_a_restraint_says_who_since_until_and_why_and_ends_by_itself_once() {
    let mut realm = Realm::well();
    realm.restrain("pause:service/shop", Some(10));
    let held = realm.book.replayed().restraints[&"pause:service/shop".parse::<Restraint>().unwrap()].clone();
    assert_eq!((held.by.to_string(), held.since, held.reason.as_str()), ("bob".to_owned(), realm.now, "on purpose"));
    realm.later(599);
    assert_eq!(realm.tick(), []);
    realm.later(1);
    let what: Restraint = "pause:service/shop".parse().unwrap();
    assert!(realm.picture().records.held(&what, realm.now).is_none(), "over at its time, recorded or not");
    assert!(matches!(&realm.tick()[..], [Event::RestraintEnded { what: ended, .. }] if *ended == what));
    assert_eq!(realm.tick(), [], "said once");
}

#[test]
fn row_36_maintenance_and_acknowledgements_must_end_and_cannot_hide_a_failure_for_ever() {
    let mut realm = Realm::well();
    let now = realm.now;
    let in_days = |days: u64| Some(now + Span::from_mins(days * 24 * 60).as_delta());
    for what in ["maintenance:region/us-east-1", "acknowledged:service/shop"] {
        assert!(matches!(realm.act("ann", &restrain(what, None)), Err(Refusal::EndMissing { .. })), "{what}");
        assert!(matches!(realm.act("ann", &restrain(what, in_days(8))), Err(Refusal::EndTooFar { .. })), "{what}");
        assert_eq!(realm.act("ann", &restrain(what, Some(now))), Err(Refusal::EndInThePast), "{what}");
        realm.act("ann", &restrain(what, in_days(7))).unwrap();
        assert!(matches!(realm.act("ann", &restrain(what, in_days(1))), Err(Refusal::RestrainedAlready { .. })), "{what}");
    }
    for what in ["pause", "master-switch", "tests"] {
        realm.act("ann", &restrain(what, None)).unwrap();
    }
    assert!(matches!(realm.act("eve", &restrain("pause:service/edge", None)), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(
        realm.act("tom", &Command::Release { what: Restraint::MasterSwitch, reason: "go on".to_owned() }),
        Err(Refusal::NotAllowed { .. })
    ));
    let release = Command::Release { what: Restraint::MasterSwitch, reason: "it is over".to_owned() };
    realm.act("amy", &release).unwrap();
    assert_eq!(realm.act("amy", &release), Err(Refusal::NotRestrained));
}

#[test]
fn row_36_an_acknowledgement_ends_with_the_recovery_and_a_new_failure_is_new() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.restrain("acknowledged:service/shop", Some(600));
    realm.tick();
    realm.later(60);
    realm.tick();
    assert!(realm.holder(SHOP).is_none());
    realm.see(SHOP, EAST, Health::Unknown);
    assert!(!realm.tick().iter().any(|event| matches!(event, Event::RestraintEnded { .. })), "silence is no recovery");
    realm.see(SHOP, EAST, Health::Ok);
    let events = realm.tick();
    assert!(events.iter().any(|event| matches!(event, Event::RestraintEnded { .. })), "{events:?}");
    realm.later(60);
    realm.fails(SHOP, EAST);
    assert!(realm.holder(SHOP).is_some(), "the next failure is not covered");
}

#[test]
fn row_60_a_pause_holds_back_what_was_decided_before_it_and_has_not_begun() {
    for restraint in ["pause", "pause:service/shop", "maintenance:region/us-east-1", "acknowledged:service/shop", "master-switch"] {
        let mut realm = Realm::well();
        realm.fails(SHOP, EAST);
        let holds = |realm: &Realm| automation::held_since(&realm.picture(), realm.holder(SHOP).unwrap()).len();
        assert_eq!((realm.holder(SHOP).unwrap().state, holds(&realm)), (State::Approved, 0));
        realm.restrain(restraint, Some(60));
        assert_eq!(holds(&realm), 1, "{restraint}");
    }
    let mut realm = Realm::well();
    realm.restrain("pause", Some(60));
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let asked = realm.request(&plan).unwrap();
    assert_eq!(
        automation::held_since(&realm.picture(), &realm.book.records.operations[&asked]),
        [],
        "a pause is about the product, not about people"
    );
}

#[test]
fn row_36_maintenance_suppresses_action_and_never_the_record() {
    let mut realm = Realm::well();
    realm.restrain("maintenance:region/us-east-1", Some(60));
    realm.see(SHOP, EAST, Health::Down);
    let events = realm.tick();
    assert!(events.iter().any(|event| matches!(event, Event::Decided { .. })), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::ServiceExposureBegan { .. })), "{events:?}");
}

#[test]
fn an_acknowledged_region_that_nobody_looked_at_has_not_recovered() {
    let mut realm = Realm::well();
    realm.see_all(EAST, Health::Down);
    realm.restrain("acknowledged:region/us-east-1", Some(60));
    realm.tick();
    realm.observed.endpoints.clear();
    realm.observed.clusters.clear();
    realm.observed.agents.clear();
    assert!(!realm.tick().iter().any(|event| matches!(event, Event::RestraintEnded { .. } | Event::CaseClosed { .. })));
}

#[test]
fn a_restraint_is_written_as_it_is_read() {
    for text in ["pause", "pause:cluster/users", "master-switch", "maintenance:region/us-east-1", "acknowledged:service/shop", "tests"] {
        assert_eq!(text.parse::<Restraint>().unwrap().to_string(), text);
    }
    for bad in ["", "maintenance", "tests:service/shop", "master-switch:region/x", "pause:planet/mars", "pause:service/A B"] {
        assert!(bad.parse::<Restraint>().is_err(), "{bad:?}");
    }
}

#[test]
fn the_estate_says_how_clients_are_moved_and_reads_back_the_same() {
    let mut realm = Realm::well();
    let from = realm.now;
    realm.estate.blackouts.push(engine::estate::Blackout { from, until: from + Span::from_mins(5).as_delta(), reason: "year end".to_owned() });
    let traffic = realm.estate.services.iter_mut().find(|service| service.id.as_str() == EDGE).unwrap().traffic.as_mut().unwrap();
    traffic.by = TrafficMeans::Haproxy { socket: "/run/haproxy.sock".to_owned(), backend: "edge".to_owned() };
    traffic.region_header = Some("x-region".to_owned());
    let text = realm.estate.to_toml().unwrap();
    assert_eq!(Estate::from_toml(&text).unwrap(), realm.estate);
    let strategy = realm.estate.strategy(&id("rotation")).unwrap();
    let stated = (strategy.kind, strategy.minimum_on, strategy.cooldown, strategy.dwell, strategy.wait, strategy.detection);
    assert_eq!(stated, (StrategyKind::ActiveActive, 2, Span::from_mins(30), Span::from_mins(10), Span::ZERO, None), "defaults included");
    for (what, with) in [
        ("cooldown = \"30m\"", "cooldown = \"-30m\""),
        ("cooldown = \"30m\"", "cooldown = 30"),
        ("cooldown = \"30m\"", "cooldowns = \"30m\""),
        ("minimum_on = 2", "minimum_on = -1"),
        ("failover = \"automatic\"", "failover = \"always\""),
        ("kind = \"active-active\"", "kind = \"active-maybe\""),
    ] {
        let broken = ESTATE.replacen(what, with, 1);
        assert!(broken != ESTATE && Estate::from_toml(&broken).is_err(), "{with}");
    }
    let means = |by: &str| format!("{ESTATE}traffic = {{ address = \"tcp://127.0.0.1:1\", by = {by} }}\n");
    Estate::from_toml(&means("{ simulated = {} }")).unwrap();
    for by in ["{ magic = {} }", "{ haproxy = { socket = \"/s\" } }", "{ simulated = { really = true } }", "{}", "\"simulated\""] {
        assert!(Estate::from_toml(&means(by)).is_err(), "{by}");
    }
    assert!(Estate::from_toml(&format!("{ESTATE}[[blackout]]\nfrom = \"yesterday\"\nuntil = \"2026-01-01T00:00:00Z\"\nreason = \"x\"\n")).is_err());
}
