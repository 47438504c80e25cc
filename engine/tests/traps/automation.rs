//! What the product does by itself: F6, F11, F12, rows 8, 35 to 37, 43, 58, 60, 71, 98.

use crate::{
    realm::{ALL, BILLING, EAST, EDGE, EU, REPORTS, Realm, SHOP, WEST, held, regions, requests, verdict},
    world::{id, judged, operation_id},
};
use engine::{
    automation::Verdict,
    failover::{Mode, OperationKind, Plan, State},
    findings::{Complaint, Severity},
    health::{Health, Judgement},
    id::Scope,
    journal::{Command, Event, Refusal, void_reasons},
    notifications::{self, Topic},
    time::Span,
};

const SHOP_SCOPE: &str = "service/shop";
const BILLING_SCOPE: &str = "service/billing";

#[test]
fn automatic_starts_without_an_approval_after_its_wait() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    let waits = realm.decides(SHOP_SCOPE).unwrap();
    assert_eq!((waits.verdict, held(&waits)), (Verdict::Hold, vec!["waiting".to_owned()]));
    realm.later(19);
    assert_eq!(realm.tick(), [], "a time that comes nearer is no news");
    realm.later(1);
    let starts = realm.decides(SHOP_SCOPE).unwrap();
    assert_eq!((starts.verdict, starts.target.as_deref(), starts.since), (Verdict::Start, Some(WEST), waits.since));
    let operation = realm.obey(SHOP);
    let record = &realm.book.replayed().operations[&operation];
    assert_eq!((record.requested.by.as_str(), record.approved.as_ref(), record.state), ("lifeboat", None, State::Succeeded));
    assert!(record.plan.affected.contains(&id(SHOP)) && record.requested.reason.contains("shop is down in us-east-1"), "{:?}", record.requested);
    assert!(matches!(realm.tick()[..], [Event::CaseClosed { .. }, ..]));
}

#[test]
fn semi_automatic_asks_and_a_person_approves() {
    let mut realm = Realm::well();
    realm.see(BILLING, EAST, Health::Down);
    assert_eq!(verdict(realm.decides(BILLING_SCOPE)), Some((Verdict::Request, Some(WEST.to_owned()))));
    let operation = realm.holder(BILLING).unwrap();
    assert_eq!((operation.state, operation.requested.by.as_str()), (State::Requested, "lifeboat"));
    let operation = operation.id;
    assert!(realm.book.write(&engine::journal::Actor::Lifeboat, &Event::OperationStarted { id: operation }, realm.now).is_err());
    realm.later(60);
    assert_eq!(realm.tick(), [], "asked once");
    realm.approve("bob", operation).unwrap();
    realm.carry_out(operation);
    assert_eq!(realm.on(BILLING), regions(&[WEST]));
}

#[test]
fn manual_recommends_once_and_says_where_to() {
    let mut realm = Realm::well();
    realm.see(REPORTS, EAST, Health::Down);
    assert_eq!(verdict(realm.decides("service/reports")), Some((Verdict::Recommend, Some(WEST.to_owned()))));
    assert!(realm.holder(REPORTS).is_none());
    for _ in 0..5 {
        realm.later(30);
        assert_eq!(realm.tick(), [], "F12: not with every probe");
    }
    let finding = realm.picture().findings().into_iter().find(|finding| matches!(finding.complaint, Complaint::Undecided { .. })).unwrap();
    assert!(finding.complaint.to_string().contains("a failover to us-west-2 is recommended"), "{}", finding.complaint);
}

#[test]
fn f6_row_34_the_region_that_took_over_is_watched_like_the_first() {
    let mut realm = Realm::well();
    realm.strategy("automatic").cooldown = Span::ZERO;
    for (from, to) in [(EAST, WEST), (WEST, EU)] {
        realm.fails(SHOP, from);
        let change = realm.holder(SHOP).unwrap().plan.traffic().unwrap().clone();
        assert_eq!((change.from, change.to), (regions(&[from]), regions(&[to])));
        realm.obey(SHOP);
        realm.tick();
    }
    for region in [EAST, WEST] {
        realm.see(SHOP, region, Health::Ok);
    }
    realm.fails(SHOP, EU);
    assert_eq!(realm.holder(SHOP).unwrap().plan.traffic().unwrap().to, regions(&[EAST]), "home again, and by a failover");
    // A standby region that fails moves nobody.
    let mut realm = Realm::well();
    realm.fails(SHOP, WEST);
    assert_eq!(realm.thinks(SHOP_SCOPE), None);
}

#[test]
fn o9_a_rotation_loses_the_region_that_is_down() {
    let mut realm = Realm::well();
    realm.see(EDGE, EAST, Health::Down);
    assert_eq!(verdict(realm.decides("service/edge")), Some((Verdict::Start, Some(format!("{EU} and {WEST}")))));
    realm.obey(EDGE);
    assert_eq!(realm.on(EDGE), regions(&[WEST, EU]));
    realm.tick();
    realm.see(EDGE, WEST, Health::Down);
    let second = realm.decides("service/edge").unwrap();
    assert_eq!(held(&second), ["cooldown"], "{second:?}");
}

#[test]
fn f12_a_decision_is_recorded_once() {
    let mut realm = Realm::well();
    realm.restrain("pause", None);
    realm.see(SHOP, EAST, Health::Down);
    assert_eq!(realm.tick().len(), 2, "exposed, and held");
    for _ in 0..20 {
        realm.later(60);
        realm.endpoint(SHOP, EAST).judgement.why.push('!');
        let events = realm.tick();
        assert!(events.len() <= 1, "the wait ends once: {events:?}");
    }
    assert_eq!(realm.tick(), []);
    realm.restrain("pause:service/shop", None);
    assert_eq!(realm.decides(SHOP_SCOPE).map(|decision| decision.holds.len()), Some(2), "one more reason is news");
}

#[test]
fn f12_a_target_that_goes_back_and_forth_does_not_fill_the_journal() {
    let mut realm = Realm::well();
    realm.restrain("pause", None);
    realm.see(SHOP, EAST, Health::Down);
    let mut told = 0;
    for round in 0..720 {
        realm.see(SHOP, WEST, if round % 2 == 0 { Health::Ok } else { Health::Degraded });
        told += realm.tick().iter().filter(|event| matches!(event, Event::Decided { .. })).count();
        realm.later(5);
    }
    assert!(told <= 10 + 60, "an hour of it: {told}");
}

#[test]
fn f11_a_failback_starts_no_cooldown_and_a_failed_run_needs_an_acknowledgement() {
    let mut realm = Realm::well();
    realm.fails(SHOP, EAST);
    let failover = realm.obey(SHOP);
    realm.see(SHOP, EAST, Health::Ok);
    realm.fails(SHOP, WEST);
    assert_eq!(held(&realm.thinks(SHOP_SCOPE).unwrap()), ["cooldown"]);
    realm.act("ann", &Command::Acknowledge { operation: failover, reason: "seen".to_owned() }).unwrap();
    assert_eq!(verdict(realm.decides(SHOP_SCOPE)), Some((Verdict::Start, Some(EAST.to_owned()))), "acknowledging ends it");

    let mut realm = Realm::well();
    realm.fails(SHOP, EAST);
    realm.obey(SHOP);
    realm.see(SHOP, EAST, Health::Ok);
    realm.later(700);
    let back = realm.moved(SHOP, Mode::Planned, &[EAST]);
    assert_eq!(realm.book.records.operations[&back].plan.kind, OperationKind::Failback);
    realm.fails(SHOP, EAST);
    assert_eq!(realm.holder(SHOP).map(|operation| operation.state), Some(State::Approved), "the primary that dies right after it is no exception");

    let mut realm = Realm::well();
    realm.fails(SHOP, EAST);
    let failed = realm.holder(SHOP).unwrap().id;
    for event in [
        Event::OperationStarted { id: failed },
        Event::OperationCompensating { id: failed, why: "the router refused".to_owned() },
        Event::OperationFailed { id: failed, why: "the router refused".to_owned() },
    ] {
        realm.say(event);
    }
    for _ in 0..3 {
        realm.later(86_400);
        realm.tick();
        assert_eq!(held(&realm.thinks(SHOP_SCOPE).unwrap()), ["last-run"], "no silent timer");
    }
    realm.act("ann", &Command::Acknowledge { operation: failed, reason: "the router is mended".to_owned() }).unwrap();
    assert!(matches!(
        realm.act("ann", &Command::Acknowledge { operation: failed, reason: "again".to_owned() }),
        Err(Refusal::NothingToAcknowledge { .. })
    ));
    assert_eq!(realm.decides(SHOP_SCOPE).map(|decision| decision.verdict), Some(Verdict::Start));
}

#[test]
fn f11_row_43_only_an_emergency_cools_down_and_people_are_never_held() {
    let mut realm = Realm::well();
    realm.moved(SHOP, Mode::Planned, &[WEST]);
    realm.fails(SHOP, WEST);
    assert!(realm.holder(SHOP).is_some(), "the region that dies right after a planned move is failed over");
    let mut realm = Realm::well();
    realm.fails(SHOP, EAST);
    realm.obey(SHOP);
    realm.fails(SHOP, WEST);
    assert_eq!(held(&realm.thinks(SHOP_SCOPE).unwrap()), ["cooldown"]);
    realm.moved(SHOP, Mode::Emergency, &[EU]);
    assert_eq!(realm.on(SHOP), regions(&[EU]), "a person may, to whichever region");
    realm.later(30 * 60);
    realm.fails(SHOP, EU);
    realm.see(SHOP, EAST, Health::Ok);
    assert!(realm.tick().len() + requests(&[]) > 0 && realm.holder(SHOP).is_some(), "after the cooldown it acts again");
}

#[test]
fn d16_f11_a_rejoin_does_not_end_the_cooldown_of_the_failover_before_it() {
    let mut realm = Realm::well();
    let picture = realm.picture();
    let mut plan = picture.plan(OperationKind::Failover, &id("users"), None).unwrap();
    plan.blockers.clear();
    for (number, kind) in [(1, OperationKind::Failover), (2, OperationKind::Rejoin)] {
        plan.kind = kind;
        let command = crate::world::request(number, &plan);
        realm.act("ann", &command).unwrap();
        if plan.requires_approval() {
            realm.act("bob", &crate::world::approve(number, &plan, &plan)).unwrap();
        }
        realm.say(Event::OperationStarted { id: operation_id(number) });
        realm.later(60);
        realm.say(Event::OperationSucceeded { id: operation_id(number) });
    }
    let names: Vec<String> =
        engine::automation::held_beforehand(&realm.picture(), &Scope::Cluster(id("users"))).iter().map(ToString::to_string).collect();
    assert!(names.len() == 1 && names[0].contains("cooldown until"), "{names:?}");
}

#[test]
fn rows_36_58_60_whatever_people_put_in_its_way_holds_it_and_is_named() {
    for what in
        ["pause", "pause:service/shop", "master-switch", "maintenance:region/us-east-1", "maintenance:service/shop", "acknowledged:service/shop"]
    {
        let mut realm = Realm::well();
        realm.see(SHOP, EAST, Health::Down);
        realm.restrain(what, Some(60));
        realm.tick();
        realm.later(25);
        let events = realm.tick();
        assert_eq!(requests(&events), 0, "{what}");
        let decision = realm.thinks(SHOP_SCOPE).unwrap();
        assert_eq!((decision.verdict, held(&decision)), (Verdict::Hold, vec!["restrained".to_owned()]), "{what}");
        assert!(decision.holds[0].to_string().contains("on purpose (bob)"), "{}", decision.holds[0]);
        realm.later(36 * 100);
        realm.tick();
        assert!(realm.holder(SHOP).is_some(), "{what} ends at its time, and the failover follows");
    }
    for other in ["pause:service/billing", "maintenance:region/us-west-2", "maintenance:service/billing", "tests"] {
        let mut realm = Realm::well();
        realm.restrain(other, Some(60));
        assert_eq!(requests(&realm.fails(SHOP, EAST)), 1, "{other} is about something else");
    }
}

#[test]
fn row_90_a_read_only_server_decides_and_neither_starts_nor_asks() {
    let mut realm = Realm::well();
    for service in [SHOP, BILLING, REPORTS] {
        realm.see(service, EAST, Health::Down);
    }
    realm.later(60);
    realm.read_only = true;
    let events = realm.tick();
    assert_eq!(requests(&events), 0, "{events:?}");
    for scope in [SHOP_SCOPE, BILLING_SCOPE, "service/reports"] {
        let thinks = realm.thinks(scope).unwrap();
        assert!(thinks.verdict == Verdict::Hold && held(&thinks).contains(&"read-only".to_owned()), "{scope}: {thinks:?}");
        assert_eq!(realm.book.records.cases[&scope.parse::<Scope>().unwrap()].decision.verdict, Verdict::Hold, "{scope}: it is in the ledger");
    }
    // The wait of the automatic one ends meanwhile, and is no reason any more.
    realm.later(60);
    assert_eq!(requests(&realm.tick()), 0);
    for _ in 0..5 {
        realm.later(60);
        assert_eq!(realm.tick(), [], "F12: not with every look");
    }
    // What was read of the failure is there once it may act again.
    realm.read_only = false;
    assert_eq!(requests(&realm.tick()), 2, "one started, one asked for");
}

#[test]
fn row_90_a_read_only_server_asks_for_no_return_and_says_what_stands_still() {
    let mut realm = Realm::well();
    realm.strategy("automatic").failback = engine::estate::FailoverMode::Automatic;
    let moved = realm.moved(SHOP, Mode::Planned, &[WEST]);
    realm.later(7200);
    for region in ALL {
        realm.see(SHOP, region, Health::Ok);
        realm.since(SHOP, region, 7200);
    }
    realm.send(SHOP, &[WEST]);
    let mut held_back = realm.clone();
    held_back.read_only = true;
    assert_eq!((requests(&held_back.tick()), requests(&realm.tick())), (0, 1), "after {moved} the way home is free");
    // What it would do by itself in the middle of an operation is held as well.
    let holds = engine::automation::held_from_moving(&held_back.picture(), &id(SHOP));
    assert_eq!(holds, [engine::automation::Hold::ReadOnly]);

    let mut realm = Realm::well();
    realm.fails(SHOP, EAST);
    let begun = realm.holder(SHOP).unwrap().id;
    realm.say(Event::OperationStarted { id: begun });
    let stands = |realm: &Realm| -> Vec<String> {
        let findings = realm.picture().findings().into_iter();
        findings
            .filter(|finding| matches!(finding.complaint, Complaint::OperationStandsStill { .. }))
            .map(|found| found.complaint.to_string())
            .collect()
    };
    assert!(stands(&realm).is_empty());
    let told = |realm: &Realm| -> Vec<Severity> {
        let incidents = notifications::incidents(&realm.picture(), &[]).into_iter();
        incidents
            .filter(|incident| matches!(&incident.key.topic, Topic::Failure(scope) if scope.name() == SHOP))
            .map(|found| found.severity)
            .collect()
    };
    assert_eq!(told(&realm), [Severity::Act], "it is being dealt with");
    realm.read_only = true;
    assert_eq!(told(&realm), [Severity::Lost], "nobody deals with it from here");
    let said = stands(&realm);
    assert!(said.len() == 1 && said[0].contains("is running and does NOT go on") && said[0].contains(&begun.short()), "{said:?}");
    realm.say(Event::OperationInDoubt { id: begun, why: "as it was".to_owned() });
    assert!(stands(&realm).is_empty(), "what stands in doubt waits for people anyway, and says so itself");
}

#[test]
fn row_60_the_master_switch_makes_a_waiting_request_void() {
    let mut realm = Realm::well();
    realm.see(BILLING, EAST, Health::Down);
    realm.tick();
    realm.restrain("master-switch", None);
    let asked = realm.holder(BILLING).unwrap().clone();
    let now = realm.picture().replan(&asked).unwrap();
    assert!(void_reasons(&asked, &now, realm.now)[0].contains("master switch is off"));
}

#[test]
fn a_request_of_the_product_ends_with_the_failure_and_the_case_after_it() {
    let mut realm = Realm::well();
    realm.see(BILLING, EAST, Health::Down);
    realm.tick();
    realm.see(BILLING, EAST, Health::Ok);
    let asked = realm.holder(BILLING).unwrap().clone();
    let now = realm.picture().replan(&asked).unwrap();
    let reasons = void_reasons(&asked, &now, realm.now);
    assert!(reasons[0].contains("answers well"), "{reasons:?}");
    let closed = |events: &[Event]| events.iter().any(|event| matches!(event, Event::CaseClosed { .. }));
    assert!(!closed(&realm.tick()), "while somebody could still approve it the case is open");
    realm.say(Event::OperationVoided { id: asked.id, reasons });
    assert!(closed(&realm.tick()));
}

#[test]
fn a_declined_request_is_not_repeated_and_what_becomes_void_three_times_is_not_asked_again() {
    for declined in [true, false] {
        let mut realm = Realm::well();
        realm.see(BILLING, EAST, Health::Down);
        realm.tick();
        let (operation, reason) = (realm.holder(BILLING).unwrap().id, "we are on it".to_owned());
        let command = if declined { Command::Decline { operation, reason } } else { Command::Cancel { operation, reason } };
        realm.act("ann", &command).unwrap();
        let decision = realm.decides(BILLING_SCOPE).unwrap();
        assert_eq!((decision.verdict, held(&decision)), (Verdict::Hold, vec!["declined".to_owned()]));
        realm.later(3600);
        assert_eq!(realm.tick(), []);
        realm.act("ann", &Command::Acknowledge { operation, reason: "ask again".to_owned() }).unwrap();
        assert_eq!(realm.decides(BILLING_SCOPE).map(|decision| decision.verdict), Some(Verdict::Request));
    }
    let mut realm = Realm::well();
    realm.see(BILLING, EAST, Health::Down);
    let mut asked = 0;
    for _ in 0..10 {
        asked += requests(&realm.tick());
        if let Some(operation) = realm.holder(BILLING).map(|operation| operation.id) {
            realm.say(Event::OperationVoided { id: operation, reasons: vec!["changed".to_owned()] });
        }
        realm.later(5);
    }
    assert_eq!(asked, 3);
    assert_eq!(held(&realm.thinks(BILLING_SCOPE).unwrap()), ["keeps-changing"]);
}

#[test]
fn an_observer_to_whom_everything_is_silent_moves_nothing() {
    let mut realm = Realm::well();
    for region in ALL {
        realm.see_all(region, Health::Down);
    }
    realm.tick();
    realm.later(120);
    let events = realm.tick();
    assert_eq!(requests(&events), 0, "{events:?}");
    assert!(held(&realm.thinks(SHOP_SCOPE).unwrap()).contains(&"observer-suspect".to_owned()));
    assert!(realm.book.records.operations.is_empty());
}

#[test]
fn row_37_what_changes_back_and_forth_is_left_where_it_is() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.endpoint(SHOP, EAST).flapping = true;
    realm.tick();
    realm.later(25);
    realm.tick();
    assert_eq!(held(&realm.thinks(SHOP_SCOPE).unwrap()), ["flapping"]);
    realm.endpoint(SHOP, EAST).flapping = false;
    assert_eq!(requests(&realm.tick()), 1);
}

#[test]
fn row_43_who_moves_in_the_middle_of_a_cooldown_passes_it_over_on_record() {
    let mut realm = Realm::well();
    assert!(realm.plan(SHOP, Mode::Emergency, &[WEST]).passed_over.is_empty());
    realm.fails(SHOP, EAST);
    realm.obey(SHOP);
    realm.see(SHOP, WEST, Health::Down);
    let plan = realm.plan(SHOP, Mode::Emergency, &[EU]);
    assert!(matches!(&plan.passed_over[..], [only] if only.starts_with("cooldown until")), "{:?}", plan.passed_over);
    let test = realm.plan(SHOP, Mode::Test, &[EU]);
    assert_eq!((test.passed_over.len(), plan.hash() == Plan { passed_over: Vec::new(), ..plan.clone() }.hash()), (0, true));
    let operation = realm.request(&plan).unwrap();
    assert_eq!(realm.book.replayed().operations[&operation].plan.passed_over, plan.passed_over);
}

#[test]
fn row_98_what_fails_while_nobody_knows_where_clients_are_is_said() {
    let mut realm = Realm::well();
    realm.observed.traffic.insert(id(SHOP), engine::picture::TrafficView { judgement: judged(Health::Down, realm.now, "timed out"), on: None });
    assert_eq!(realm.thinks(SHOP_SCOPE), None);
    realm.see(SHOP, EAST, Health::Down);
    realm.tick();
    realm.later(25);
    let decision = realm.thinks(SHOP_SCOPE).unwrap();
    assert!(held(&decision).contains(&"blocked traffic-unknown".to_owned()), "{decision:?}");
    assert_eq!(requests(&realm.tick()), 0);
}

#[test]
fn what_answers_again_is_not_moved_while_it_may_be_coming_back() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.tick();
    realm.later(25);
    realm.endpoint(SHOP, EAST).coming_back = true;
    assert_eq!(requests(&realm.tick()), 0);
    assert_eq!(held(&realm.thinks(SHOP_SCOPE).unwrap()), ["coming-back"]);
    realm.endpoint(SHOP, EAST).coming_back = false;
    assert_eq!(requests(&realm.tick()), 1, "it was not");

    // Of a rotation, what comes back keeps nobody where nothing does.
    let mut realm = Realm::well();
    for region in [EAST, WEST] {
        realm.see(EDGE, region, Health::Down);
    }
    realm.endpoint(EDGE, EAST).coming_back = true;
    assert!(!held(&realm.thinks("service/edge").unwrap()).contains(&"coming-back".to_owned()));

    let mut realm = Realm::well();
    realm.see_all(EAST, Health::Down);
    realm.endpoint(REPORTS, EAST).coming_back = true;
    assert!(held(&realm.thinks("region/us-east-1").unwrap()).contains(&"coming-back".to_owned()));
    let node = |realm: &mut Realm, complaint: Option<&str>| {
        let at = realm.now;
        let nodes = realm.observed.clusters.values_mut().flat_map(|view| &mut view.nodes);
        nodes.filter(|node| node.judgement.health == Health::Down).for_each(|node| node.last_attempt = Some((at, complaint.map(str::to_owned))));
        held(&realm.thinks("cluster/users").unwrap()).contains(&"coming-back".to_owned())
    };
    assert!(node(&mut realm, None) && !node(&mut realm, Some("timed out")));
}

#[test]
fn a_decision_waits_for_the_verdicts_on_what_fails_together() {
    let mut realm = Realm::well();
    realm.see(BILLING, EAST, Health::Down);
    realm.since(BILLING, EAST, 10);
    realm.endpoint(REPORTS, EAST).last.as_mut().unwrap().outcome = engine::health::Outcome::Failed("timed out".to_owned());
    assert_eq!(held(&realm.decides(BILLING_SCOPE).unwrap()), ["settling"]);
    realm.later(60);
    assert_eq!(requests(&realm.tick()), 1, "not for ever");
}

#[test]
fn f9_after_a_start_nothing_is_decided_and_nothing_closed() {
    let mut realm = Realm::well();
    realm.restrain("acknowledged:region/eu-west-1", Some(60));
    realm.see_all(EU, Health::Down);
    realm.see(SHOP, EAST, Health::Down);
    realm.restrain("pause", None);
    realm.tick();
    let cases = realm.book.records.cases.clone();
    assert!(!cases.is_empty());
    realm.forget();
    for _ in 0..3 {
        assert_eq!(realm.tick(), [], "silence is neither a failure nor a recovery");
        realm.later(2);
    }
    assert_eq!(realm.book.records.cases, cases);
    realm.observed.endpoints.clear();
    assert_eq!(realm.tick(), [], "nor is what was never looked at, a whole region included");
}

#[test]
fn f19_a_case_is_not_closed_by_what_was_read_long_ago_nor_in_the_middle_of_a_move() {
    let mut realm = Realm::well();
    realm.fails(SHOP, EAST);
    let operation = realm.holder(SHOP).unwrap().id;
    realm.say(Event::OperationStarted { id: operation });
    realm.send(SHOP, &[WEST]);
    assert_eq!(realm.tick(), [], "it is not proven yet");
    realm.say(Event::OperationInDoubt { id: operation, why: "not proven".to_owned() });
    realm.later(5);
    assert_eq!(realm.tick(), []);
    realm.act("ann", &Command::Close { operation, reason: "looked".to_owned() }).unwrap();
    realm.observed.traffic.get_mut(&id(SHOP)).unwrap().judgement = Judgement::never_measured();
    realm.later(5);
    assert!(!realm.tick().iter().any(|event| matches!(event, Event::CaseClosed { .. })), "where clients are is not known");
    realm.send(SHOP, &[WEST]);
    assert!(realm.tick().iter().any(|event| matches!(event, Event::CaseClosed { .. })));
}

#[test]
fn f23_a_case_about_what_is_not_declared_any_more_is_closed() {
    let mut realm = Realm::well();
    realm.restrain("pause", None);
    realm.see(SHOP, EAST, Health::Down);
    realm.tick();
    realm.estate.services.retain(|service| service.id.as_str() != SHOP);
    realm.observed.endpoints.retain(|(service, _), _| service.as_str() != SHOP);
    assert!(matches!(realm.tick()[..], [Event::CaseClosed { .. }]));
    assert_eq!(realm.tick(), []);
}

#[test]
fn row_71_a_pending_test_or_planned_request_keeps_no_failover_waiting() {
    let mut realm = Realm::well();
    realm.see(SHOP, EU, Health::Unknown);
    let test = realm.plan(SHOP, Mode::Test, &[EU]);
    let operation = realm.request(&test).unwrap();
    assert_eq!(realm.book.records.operations[&operation].state, State::Requested, "it sets a check aside");
    let events = realm.fails(SHOP, EAST);
    assert_eq!(requests(&events), 1, "{events:?}");
    assert_eq!(realm.book.records.operations[&operation].state, State::Void);

    let mut realm = Realm::well();
    realm.see(SHOP, EU, Health::Unknown);
    let planned = realm.plan(SHOP, Mode::Planned, &[EU]);
    let operation = realm.request(&planned).unwrap();
    assert_eq!(requests(&realm.fails(SHOP, EAST)), 1);
    let record = &realm.book.replayed().operations[&operation];
    assert!(record.state == State::Void && record.outcome.as_ref().unwrap().contains("a failure takes its place"), "{:?}", record.outcome);

    let mut realm = Realm::well();
    let rehearsal = realm.picture().evacuation_plan(&id(EAST), Mode::Test).unwrap();
    let operation = realm.request(&rehearsal).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    assert_eq!(requests(&realm.fails(SHOP, EAST)), 1, "nor does the rehearsal of an evacuation");

    // What people agreed to, or asked for because of the failure, is not pushed aside.
    let mut realm = Realm::well();
    realm.see(SHOP, EU, Health::Unknown);
    realm.see(SHOP, EAST, Health::Down);
    let theirs = realm.plan(SHOP, Mode::Emergency, &[EU]);
    let operation = realm.request(&theirs).unwrap();
    realm.tick();
    realm.later(60);
    assert_eq!(requests(&realm.tick()), 0);
    assert_eq!(realm.book.records.operations[&operation].state, State::Requested);
}

/// An evacuation that stands in doubt does nothing until somebody looks: its members are not left alone meanwhile.
#[test]
fn row_98_an_evacuation_in_doubt_switches_nothing_off() {
    let mut realm = Realm::well();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let operation = realm.request(&plan).unwrap();
    realm.approve("bob", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    assert_eq!(requests(&realm.fails(SHOP, EAST)), 0, "while it runs it deals with them");
    realm.say(Event::OperationInDoubt { id: operation, why: "the database did not move".to_owned() });
    assert_eq!(held(&realm.decides(SHOP_SCOPE).expect("it is in the ledger")), ["waiting"]);
    realm.later(25);
    assert_eq!(verdict(realm.decides(SHOP_SCOPE)), Some((Verdict::Start, Some(WEST.to_owned()))));
    assert_eq!(realm.holder(SHOP).map(|operation| operation.state), Some(State::Approved));
}

#[test]
fn row_98_what_an_operation_in_doubt_holds_is_said_to_be_held_by_it() {
    let mut realm = Realm::well();
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    realm.say(Event::OperationInDoubt { id: operation, why: "not proven".to_owned() });
    realm.see(SHOP, EAST, Health::Down);
    let decision = realm.decides(SHOP_SCOPE).expect("it is in the ledger");
    assert_eq!((decision.verdict, held(&decision)), (Verdict::Hold, vec!["waiting".to_owned(), "held-by".to_owned()]));
    assert!(decision.holds[1].to_string().contains("holds it and is IN DOUBT"), "{}", decision.holds[1]);
    realm.later(60);
    assert_eq!(held(&realm.decides(SHOP_SCOPE).unwrap()), ["held-by"]);
    assert_eq!(realm.tick(), [], "said once");
    realm.act("ann", &Command::Close { operation, reason: "looked".to_owned() }).unwrap();
    realm.act("ann", &Command::Acknowledge { operation, reason: "looked".to_owned() }).unwrap();
    realm.later(1);
    assert_eq!(realm.decides(SHOP_SCOPE).map(|decision| decision.verdict), Some(Verdict::Start));
}

#[test]
fn row_98_a_request_that_another_one_keeps_waiting_is_in_the_ledger() {
    let mut realm = Realm::well();
    let planned = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let operation = realm.request(&planned).unwrap();
    realm.later(1);
    realm.see(BILLING, EAST, Health::Down);
    let decision = realm.decides(BILLING_SCOPE).expect("it is in the ledger");
    assert_eq!((decision.verdict, held(&decision)), (Verdict::Hold, vec!["held-by".to_owned()]));
    realm.act("ann", &Command::Cancel { operation, reason: "it is an emergency now".to_owned() }).unwrap();
    assert_eq!(realm.decides(BILLING_SCOPE).map(|decision| decision.verdict), Some(Verdict::Request));
}

#[test]
fn safety_rules_and_other_blockers_are_never_set_aside_by_the_product() {
    let mut realm = Realm::well();
    for region in [WEST, EU] {
        realm.see(SHOP, region, Health::Down);
    }
    realm.fails(SHOP, EAST);
    assert!(realm.holder(SHOP).is_none());
    assert!(held(&realm.thinks(SHOP_SCOPE).unwrap()).contains(&"blocked no-region".to_owned()));
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.observed.traffic.get_mut(&id(SHOP)).unwrap().judgement = Judgement::never_measured();
    realm.tick();
    realm.later(60);
    assert_eq!(requests(&realm.tick()), 0, "where clients are sent is not known");
}

#[test]
fn row_35_what_is_down_everywhere_because_of_its_database_waits_for_the_database() {
    let mut realm = Realm::well();
    for region in ALL {
        realm.see(SHOP, region, Health::Down);
    }
    realm.see_node(crate::world::EAST, Health::Down);
    realm.tick();
    realm.later(60);
    realm.tick();
    assert!(held(&realm.thinks(SHOP_SCOPE).unwrap()).contains(&"caused-by".to_owned()));
    let operation = realm.book.records.active_on(&id("users")).expect("the database is asked for");
    assert_eq!((operation.state, operation.plan.kind), (State::Requested, OperationKind::Failover));
}

#[test]
fn row_52_who_approves_what_the_product_asks_for_accepts_the_loss() {
    let mut realm = Realm::well();
    realm.see_node(crate::world::EAST, Health::Down);
    realm.tick();
    realm.later(60);
    realm.tick();
    let operation = realm.book.records.active_on(&id("users")).unwrap().clone();
    assert!(!operation.plan.loss.is_zero() && !operation.loss_accepted, "{:?}", operation.plan.loss);
    let approving = |accept_loss| Command::Approve {
        operation: operation.id,
        shown_hash: operation.plan_hash.clone(),
        plan_now: Box::new(operation.plan.clone()),
        accept_loss,
        reason: "agreed".to_owned(),
    };
    assert!(matches!(realm.act("bob", &approving(false)), Err(Refusal::LossNotAccepted { .. })));
    realm.act("bob", &approving(true)).unwrap();
    assert!(realm.book.replayed().operations[&operation.id].loss_accepted);
}

#[test]
fn row_8_a_region_that_fails_is_asked_for_as_one_and_its_database_is_never_forgotten() {
    let mut realm = Realm::well();
    // All that the product may move by itself, and a database, which it never moves by itself.
    for strategy in &mut realm.estate.strategies {
        strategy.failover = engine::estate::FailoverMode::Automatic;
    }
    realm.see_all(EAST, Health::Down);
    for node in realm.observed.clusters.values_mut().flat_map(|view| &mut view.nodes).filter(|node| node.region.as_str() == EAST) {
        node.host = None;
    }
    realm.tick();
    realm.later(60);
    realm.tick();
    for service in [SHOP, EDGE, BILLING, REPORTS] {
        assert_eq!(realm.holder(service).map(|operation| operation.state), Some(State::Approved), "{service}");
    }
    let region = realm.thinks("region/us-east-1").expect("somebody asks for the database");
    assert!(held(&region).contains(&"blocked member-check".to_owned()), "its fence is not proven, so a person decides: {region:?}");
    let findings: Vec<String> = realm.picture().findings().iter().map(|finding| finding.complaint.to_string()).collect();
    assert!(findings.iter().any(|finding| finding.starts_with("us-east-1 fails")), "and it is said: {findings:#?}");
}

#[test]
fn row_8_a_region_out_of_which_nothing_can_be_moved_is_said_to_be_so() {
    let mut realm = Realm::well();
    for service in [SHOP, EDGE, BILLING, REPORTS] {
        for region in [WEST, EU] {
            realm.see(service, region, Health::Unknown);
        }
    }
    realm.see_all(EAST, Health::Down);
    realm.observed.clusters.clear();
    realm.estate.clusters.clear();
    realm.tick();
    realm.later(60);
    realm.tick();
    let region = realm.thinks("region/us-east-1").expect("it is not passed over");
    assert_eq!(region.verdict, Verdict::Hold);
    assert!(region.trouble.iter().any(|why| why.contains("billing cannot be moved: it is well in no other region")), "{:?}", region.trouble);
    let findings: Vec<String> = realm.picture().findings().iter().map(|finding| finding.complaint.to_string()).collect();
    assert!(findings.iter().any(|finding| finding.starts_with("us-east-1 fails")), "{findings:#?}");
}

#[test]
fn row_8_an_evacuation_that_waits_for_people_keeps_nothing_waiting_and_outlives_what_moves_meanwhile() {
    let mut realm = Realm::well();
    realm.estate.clusters.clear();
    realm.observed.clusters.clear();
    realm.strategy("recommends").failover = engine::estate::FailoverMode::SemiAutomatic;
    realm.see_all(EAST, Health::Down);
    realm.tick();
    let region: Scope = "region/us-east-1".parse().unwrap();
    let asked = realm.book.records.holder_of(&region).expect("asked for as one").clone();
    assert!(asked.plan.evacuation().unwrap().moves(&SHOP_SCOPE.parse().unwrap()), "the shop is still there");
    realm.later(25);
    realm.tick();
    assert_eq!(realm.holder(SHOP).map(|operation| operation.state), Some(State::Approved), "automatic after its wait, whoever waits for whom");
    realm.obey(EDGE);
    realm.obey(SHOP);
    realm.tick();
    let now = realm.picture().replan(&asked).unwrap();
    assert_eq!(void_reasons(&asked, &now, realm.now), Vec::<String>::new(), "what has moved already is no change");
    assert!(realm.holder(BILLING).is_none(), "billing waits for the whole");
    realm.see_all(EAST, Health::Ok);
    let now = realm.picture().replan(&asked).unwrap();
    assert!(void_reasons(&asked, &now, realm.now)[0].contains("us-east-1 answers well"), "and with the failure the request ends");
    realm.say(Event::OperationVoided { id: asked.id, reasons: vec!["well".to_owned()] });
    assert!(realm.tick().iter().any(|event| matches!(event, Event::CaseClosed { scope, .. } if *scope == region)));
}

#[test]
fn f1_a_part_of_an_evacuation_is_one_of_its_members() {
    let mut realm = Realm::well();
    realm.estate.clusters.clear();
    realm.observed.clusters.clear();
    realm.see_all(EAST, Health::Down);
    let whole = realm.picture().evacuation_plan(&id(EAST), Mode::Emergency).unwrap();
    let operation = realm.request(&whole).unwrap();
    realm.approve("bob", operation).unwrap();
    let part = |realm: &Realm, service: &str, number| {
        let plan = realm.plan(service, Mode::Emergency, &[WEST]);
        let (plan_hash, reason) = (plan.hash(), "part of it".to_owned());
        Event::OperationRequested {
            id: operation_id(number),
            plan: Box::new(plan),
            plan_hash,
            reason,
            loss_accepted: false,
            overridden: vec![],
            parent: Some(operation),
        }
    };
    let write = |realm: &mut Realm, event: Event| realm.book.write(&engine::journal::Actor::Lifeboat, &event, realm.now);
    let billing = part(&realm, BILLING, 7);
    assert!(write(&mut realm, billing.clone()).is_err(), "not before it runs");
    realm.say(Event::OperationStarted { id: operation });
    write(&mut realm, billing).unwrap();
    assert_eq!(realm.holder(BILLING).map(|child| child.state), Some(State::Approved));
    realm.send(REPORTS, &[EU]);
    let mut stranger = part(&realm, REPORTS, 8);
    if let Event::OperationRequested { plan, .. } = &mut stranger {
        let engine::failover::Change::Traffic(change) = &mut plan.change else { unreachable!() };
        change.service = id("stranger");
    }
    assert!(write(&mut realm, stranger).is_err(), "nobody agreed to that");
}
