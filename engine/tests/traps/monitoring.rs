//! Telling monitoring: rows 89 and 93, trap R16 and “maintenance mode never switched off”. What is silenced, for how long, and
//! that nothing ever waits for it.

use crate::{
    realm::{EAST, EDGE, Realm, SHOP, WEST},
    world::{self, World, id},
};
use engine::{
    estate::{Monitoring, TrafficMeans},
    failover::{Action, Mode, OnFailure, Operation, OperationKind, Plan, StepState},
    findings::Complaint,
    id::OperationId,
    journal::{Command, Event},
    time::Span,
};
use std::collections::BTreeSet;

fn monitoring(lines: &str) -> Monitoring {
    toml(&format!("id = \"alerts\"\nurl = \"http://127.0.0.1:9093\"\n{lines}"))
}

/// By way of an estate, so that reading one is tested too.
fn toml(text: &str) -> Monitoring {
    engine::estate::Estate::from_toml(&format!("name = \"x\"\n[[monitoring]]\n{text}")).unwrap().monitoring.remove(0)
}

/// All is well, a real router sends the clients, and there is an Alertmanager.
fn told() -> Realm {
    let mut realm = Realm::well();
    for service in &mut realm.estate.services {
        if let Some(traffic) = &mut service.traffic {
            traffic.by = TrafficMeans::Haproxy { socket: "/s".to_owned(), backend: "b".to_owned() };
        }
    }
    realm.estate.monitoring.push(monitoring(""));
    realm
}

fn told_world() -> World {
    let mut world = World::healthy();
    world.estate.monitoring.push(monitoring(""));
    world
}

fn steps(plan: &Plan) -> Vec<String> {
    let name = |action: &Action| serde_json::to_value(action).unwrap()["do"].as_str().unwrap().to_owned();
    plan.steps.iter().map(|step| format!("{} {}", name(&step.action), step.timeout)).collect()
}

fn silence(plan: &Plan) -> Option<(BTreeSet<String>, BTreeSet<String>, Span)> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::SilenceAlerts { services, regions, lasts, .. } => {
            Some((services.iter().map(ToString::to_string).collect(), regions.iter().map(ToString::to_string).collect(), *lasts))
        }
        _ => None,
    })
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// Every plan there is, of databases, services and regions, in every mode.
fn all(realm: &Realm, world: &World) -> Vec<Plan> {
    let mut failed = world.clone();
    failed.down(world::EAST);
    let mut plans = vec![world.plan(OperationKind::Switchover, None), failed.plan(OperationKind::Failover, None)];
    for mode in Mode::ALL {
        plans.push(realm.plan(SHOP, mode, &[WEST]));
        plans.push(realm.plan(EDGE, mode, &[EAST, WEST]));
        plans.push(realm.picture().evacuation_plan(&id(EAST), mode).unwrap());
    }
    plans
}

#[test]
fn a_planned_move_silences_what_it_leaves_before_it_moves_and_tells_at_the_end() {
    let plan = told().plan(SHOP, Mode::Planned, &[WEST]);
    insta::assert_debug_snapshot!(steps(&plan), @r#"
    [
        "check-regions 10s",
        "check-data 10s",
        "silence-alerts 3s",
        "send-clients 10s",
        "send-clients 10s",
        "prove-clients 30s",
        "end-silence 3s",
        "annotate 3s",
    ]
    "#);
    // 70 s for the steps, 20 s more for undoing two of them, and 5 min.
    assert_eq!(silence(&plan), Some((names([SHOP]), names([EAST]), Span::from_secs(70 + 20 + 300))));
    let of = &plan.steps[2];
    assert!(matches!(of.undo, Some(Action::EndSilence { .. })), "paired with its inverse: {:?}", of.undo);
    assert_ne!(plan.hash(), Realm::well().plan(SHOP, Mode::Planned, &[WEST]).hash());
}

#[test]
fn nothing_ever_waits_for_monitoring() {
    let (realm, world) = (told(), told_world());
    for plan in all(&realm, &world) {
        let telling: Vec<_> = plan.steps.iter().filter(|step| step.action.only_tells()).collect();
        assert!(!telling.is_empty(), "{:?}", steps(&plan));
        for step in telling {
            assert_eq!((step.on_failure, step.in_emergency), (OnFailure::GoOn, None), "{step:?}");
            assert!(step.action.may_be_skipped() && !step.action.changes_routing());
            let limit = if plan.mode() == Mode::Emergency && matches!(step.action, Action::SilenceAlerts { .. }) { 1 } else { 3 };
            assert!(step.timeout <= Span::from_secs(limit), "clients wait behind it: {step:?}");
        }
        let without: Vec<_> = plan.steps.iter().filter(|step| !step.action.only_tells()).collect();
        let proven = without.iter().rposition(|step| matches!(step.action, Action::ProveClients { .. } | Action::ProveWrite { .. }));
        let behind = plan.steps.iter().rposition(|step| matches!(step.action, Action::ProveClients { .. } | Action::ProveWrite { .. }));
        assert!(behind.zip(proven).is_none_or(|(behind, proven)| behind <= proven + 1), "one step at most before the proof: {:?}", steps(&plan));
    }
}

#[test]
fn where_nothing_is_declared_or_it_hears_of_other_services_no_plan_has_a_step_of_it() {
    let (mut realm, mut world) = (told(), told_world());
    realm.estate.monitoring = vec![monitoring("services = [\"another\"]")];
    world.estate.monitoring.clone_from(&realm.estate.monitoring);
    let heard_of = all(&realm, &world);
    realm.estate.monitoring.clear();
    world.estate.monitoring.clear();
    for (plan, without) in heard_of.iter().zip(all(&realm, &world)) {
        assert_eq!((plan.hash(), &plan.steps), (without.hash(), &without.steps));
        assert!(!plan.steps.iter().any(|step| step.action.only_tells()));
    }
}

#[test]
fn row_40_a_test_asks_monitoring_and_writes_nothing() {
    let (realm, world) = (told(), told_world());
    for plan in all(&realm, &world).iter().filter(|plan| plan.mode() == Mode::Test) {
        assert!(matches!(plan.steps.last().unwrap().action, Action::RehearseMonitoring { .. }), "{:?}", steps(plan));
        assert!(plan.steps.iter().all(|step| !step.action.changes_monitoring()));
    }
}

#[test]
fn only_what_is_left_is_silenced_and_never_where_clients_go() {
    let mut realm = told();
    realm.see(EDGE, EAST, engine::health::Health::Down);
    let plan = realm.best(EDGE, Mode::Emergency);
    assert_eq!(silence(&plan).map(|(_, regions, _)| regions), Some(names([EAST])), "the others serve");
    realm.send(EDGE, &[EAST]);
    let joined = realm.plan(EDGE, Mode::Planned, &[EAST, WEST]);
    assert_eq!(silence(&joined), None, "none is left");
    assert!(matches!(joined.steps.last().unwrap().action, Action::Annotate { .. }));

    let world = told_world();
    let away = world.plan(OperationKind::Switchover, Some(world::WEST));
    assert_eq!(silence(&away).map(|(services, regions, _)| (services, regions)), Some((names(["user-database"]), names([EAST]))));
    let near = world.plan(OperationKind::Switchover, Some(world::REPLICA));
    assert_eq!(silence(&near), None, "the new primary stands in the same region, and its alerts must come");
    assert!(matches!(near.steps.last().unwrap().action, Action::Annotate { .. }));
    let mut moved = told_world();
    moved.west_took_over();
    assert!(moved.plan(OperationKind::Rejoin, Some(world::EAST)).steps.iter().all(|step| !step.action.only_tells()), "a rejoin leaves nothing");
}

#[test]
fn an_evacuation_silences_all_its_members_in_the_region_from_its_beginning() {
    let realm = told();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let (services, regions, lasts) = silence(&plan).unwrap();
    assert_eq!(regions, names([EAST]));
    assert!(services.contains(SHOP) && services.contains("user-database"), "{services:?}");
    assert!(matches!(plan.steps[0].action, Action::SilenceAlerts { .. }));
    assert!(lasts < Span::from_mins(15 * 4 + 6) && lasts > Span::from_mins(15), "{lasts}");
}

#[test]
fn a_simulated_move_silences_nothing_real() {
    let mut realm = Realm::well();
    realm.estate.monitoring.push(monitoring(""));
    let plan = realm.plan(SHOP, Mode::Planned, &[WEST]);
    assert!(plan.is_simulated());
    assert_eq!(silence(&plan), None);
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    assert_eq!(silence(&plan).map(|(services, ..)| services), Some(names(["user-database"])), "the database is real");
}

/// A planned move that ann asked for and amy approved, running.
fn running(realm: &mut Realm) -> OperationId {
    let plan = realm.plan("billing", Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    realm.approve("amy", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    operation
}

fn place(operation: &Operation, wanted: fn(&Action) -> bool) -> usize {
    operation.plan.steps.iter().position(|step| wanted(&step.action)).unwrap()
}

fn of(realm: &Realm, id: OperationId) -> &Operation {
    &realm.book.records.operations[&id]
}

fn ended(realm: &mut Realm, id: OperationId, step: usize, state: StepState) {
    realm.say(Event::StepEnded { id, step, state, said: "as the test says".to_owned() });
}

#[test]
fn r16_a_silence_that_outlives_its_operation_is_found_until_it_ends_by_itself() {
    let mut realm = told();
    let id = running(&mut realm);
    let made = place(of(&realm, id), |action| matches!(action, Action::SilenceAlerts { .. }));
    let end = place(of(&realm, id), |action| matches!(action, Action::EndSilence { .. }));
    realm.say(Event::StepStarted { id, step: made });
    // Whether the silence was made is not known, so it may have been.
    realm.say(Event::OperationInDoubt { id, why: "killed".to_owned() });
    assert_eq!(of(&realm, id).silence_left(realm.now), None, "it has not ended");
    realm.act("ann", &Command::Close { operation: id, reason: "looked at it".to_owned() }).unwrap();
    assert_eq!(of(&realm, id).silence_left(realm.now), Some(end), "closed by a person: nobody ran the step that ends it");
    let lasts = silence(&of(&realm, id).plan).unwrap().2;
    let over = realm.now + lasts.as_delta() + Span::from_secs(3).as_delta();
    assert_eq!(of(&realm, id).silence_left(over), None, "it has ended by itself");
    ended(&mut realm, id, end, StepState::Done);
    assert_eq!(of(&realm, id).silence_left(realm.now), None);
    assert_eq!(realm.book.replayed(), realm.book.records);
}

#[test]
fn r16_a_silence_that_could_not_be_ended_is_left_whether_the_operation_succeeded_or_was_undone() {
    let mut realm = told();
    let id = running(&mut realm);
    let made = place(of(&realm, id), |action| matches!(action, Action::SilenceAlerts { .. }));
    let end = place(of(&realm, id), |action| matches!(action, Action::EndSilence { .. }));
    realm.say(Event::StepStarted { id, step: made });
    ended(&mut realm, id, made, StepState::Done);
    let mut undone = told();
    let other = running(&mut undone);
    undone.say(Event::StepStarted { id: other, step: made });
    ended(&mut undone, other, made, StepState::Done);

    ended(&mut realm, id, end, StepState::Failed);
    realm.say(Event::OperationSucceeded { id });
    assert_eq!((of(&realm, id).silence_left(realm.now), of(&realm, id).shortfalls().count()), (Some(end), 1), "and visible as a shortfall");
    ended(&mut realm, id, end, StepState::Done);
    assert_eq!((of(&realm, id).silence_left(realm.now), of(&realm, id).shortfalls().count()), (None, 0));

    undone.say(Event::OperationCompensating { id: other, why: "not well".to_owned() });
    ended(&mut undone, other, made, StepState::UndoFailed);
    undone.say(Event::OperationFailed { id: other, why: "not well".to_owned() });
    assert_eq!(of(&undone, other).silence_left(undone.now), Some(made));
    ended(&mut undone, other, made, StepState::Undone);
    assert_eq!(of(&undone, other).silence_left(undone.now), None);
}

#[test]
fn what_monitoring_was_not_told_leaves_no_member_of_an_evacuation_behind() {
    let mut realm = told();
    let plan = realm.picture().evacuation_plan(&id(EAST), Mode::Planned).unwrap();
    let id = realm.request(&plan).unwrap();
    realm.approve("amy", id).unwrap();
    realm.say(Event::OperationStarted { id });
    ended(&mut realm, id, 0, StepState::Failed);
    assert!(!of(&realm, id).left_behind());
    let wave = place(of(&realm, id), |action| matches!(action, Action::MoveWave { .. }));
    ended(&mut realm, id, wave, StepState::Skipped);
    assert!(of(&realm, id).left_behind());
}

#[test]
fn declarations_of_monitoring_that_lead_nowhere_are_found() {
    let mut realm = told();
    realm.estate.monitoring.push(monitoring("services = [\"another\"]"));
    let found: Vec<Complaint> = realm.picture().findings().into_iter().map(|finding| finding.complaint).collect();
    assert!(found.contains(&Complaint::PartDeclaredTwice { what: "the monitoring alerts".to_owned() }), "{found:?}");
    assert!(found.contains(&Complaint::MonitoringOfNothing { monitoring: id("alerts"), service: id("another") }), "{found:?}");
}

#[test]
fn a_simulator_is_a_finding_and_a_real_router_is_none() {
    let simulated =
        |realm: &Realm| realm.picture().findings().iter().filter(|finding| finding.complaint.to_string().starts_with("SIMULATED")).count();
    assert_eq!((simulated(&Realm::well()), simulated(&told())), (4, 0));
}
