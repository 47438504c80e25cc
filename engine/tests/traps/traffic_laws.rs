//! What is true of every life of three regions, whatever fails, whatever people ask for and however the executor fares:
//! replay is state, one operation holds a scope, nothing that needs an approval starts without one, the product respects
//! every restraint and every blocker, a test routes nobody, and the same picture is never news twice.

use crate::{
    realm::{ALL, BILLING, EAST, EDGE, REPORTS, Realm, SHOP},
    world::id,
};
use engine::{
    automation,
    failover::{Change, Mode, Operation, Plan, State, StepState},
    health::{Health, Judgement},
    id::{OperationId, Scope},
    journal::{Actor, Command, Event, void_reasons},
    noticing,
    restraints::Restraint,
    time::Span,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const SERVICES: [&str; 4] = [SHOP, EDGE, BILLING, REPORTS];
const HEALTHS: [Health; 5] = [Health::Ok, Health::Down, Health::Down, Health::Degraded, Health::Unknown];
const RESTRAINTS: [&str; 9] = [
    "pause",
    "pause:service/shop",
    "master-switch",
    "maintenance:region/us-east-1",
    "maintenance:region/us-west-2",
    "acknowledged:service/edge",
    "acknowledged:region/us-east-1",
    "tests",
    "pause:cluster/users",
];

type Turn = (u8, usize, usize, u64);

/// One thing that happens.
fn turn(realm: &mut Realm, (what, a, b, c): Turn) {
    let (service, region) = (SERVICES[a % 4], ALL[b % 3]);
    let health = HEALTHS[c as usize % 5];
    match what {
        0..=3 => realm.see(service, region, health),
        4 => realm.see_all(region, health),
        5 => realm.endpoint(service, region).flapping = c % 2 == 0,
        6 => realm.send(service, [&ALL[..1], &ALL[1..2], &ALL[1..], &ALL, &[]][c as usize % 5]),
        7 => realm.observed.traffic.values_mut().take(1 + a % 4).for_each(|view| view.judgement = Judgement::never_measured()),
        8..=10 => realm.later([1, 5, 25, 60, 700, 2000][c as usize % 6]),
        11 => realm.forget(),
        12..=19 => ask(realm, (what, a, b, c)),
        _ => work(realm, (what, a, b, c)),
    }
}

/// What people ask for. A refusal is an answer like any other.
fn ask(realm: &mut Realm, (what, a, b, c): Turn) {
    let who = ["ann", "bob", "amy", "eve"][a % 4];
    let reason = || "because".to_owned();
    let Some(operation) = nth(realm, b) else { return request(realm, a, b, c) };
    match what {
        12 | 13 => request(realm, a, b, c),
        14 | 15 => {
            if realm.picture().replan(&realm.book.records.operations[&operation]).is_some() {
                let _answer = realm.approve(who, operation);
            }
        }
        16 => {
            let what: Restraint = RESTRAINTS[c as usize % 9].parse().unwrap();
            let until = Some(realm.now + Span::from_mins(1 + c % 90).as_delta());
            let command = if c % 4 == 0 { Command::Release { what, reason: reason() } } else { Command::Restrain { what, until, reason: reason() } };
            let _answer = realm.act(who, &command);
        }
        _ => {
            let command = match c % 8 {
                0 => Command::Decline { operation, reason: reason() },
                1 => Command::Cancel { operation, reason: reason() },
                2 => Command::Resume { operation, reason: reason() },
                3 => Command::Close { operation, reason: reason() },
                4 => Command::Skip { operation, reason: reason() },
                5 => Command::Escalate { operation, reason: reason() },
                6 => Command::Abort { operation, reason: reason() },
                _ => Command::Acknowledge { operation, reason: reason() },
            };
            let _answer = realm.act(who, &command);
        }
    }
}

fn request(realm: &mut Realm, a: usize, b: usize, c: u64) {
    let mode = Mode::ALL[c as usize % 3];
    let plan = match c % 5 {
        0 => realm.best(SERVICES[a % 4], mode),
        1 => realm.picture().evacuation_plan(&id(ALL[b % 3]), mode).unwrap(),
        2 => realm.plan(SERVICES[a % 4], mode, &[]),
        3 => realm.plan(SERVICES[a % 4], mode, &ALL[b % 3..]),
        _ => realm.plan(SERVICES[a % 4], mode, &[ALL[b % 3]]),
    };
    let _answer = realm.request(&plan);
}

fn nth(realm: &Realm, at: usize) -> Option<OperationId> {
    let operations: Vec<OperationId> = realm.book.records.operations.keys().rev().take(6).copied().collect();
    operations.get(at % operations.len().max(1)).copied()
}

/// What the executor says, sensible or not. What does not fit the records is refused and changes nothing.
fn work(realm: &mut Realm, (what, a, b, c): Turn) {
    if what == 20 {
        return void_stale(realm);
    }
    let Some(operation) = nth(realm, b) else { return };
    let state = realm.book.records.operations[&operation].state;
    if what == 21 && state == State::Approved {
        return realm.carry_out(operation);
    }
    let why = || "so it is".to_owned();
    let step = a % 5;
    let event = match c % 8 {
        0 | 1 => Event::OperationStarted { id: operation },
        2 => Event::StepStarted { id: operation, step },
        3 => Event::StepEnded { id: operation, step, state: StepState::Failed, said: why() },
        4 => Event::OperationCompensating { id: operation, why: why() },
        5 => Event::OperationFailed { id: operation, why: why() },
        6 => Event::OperationInDoubt { id: operation, why: why() },
        _ => Event::OperationSucceeded { id: operation },
    };
    let before = realm.book.records.clone();
    if realm.book.write(&Actor::Lifeboat, &event, realm.now).is_err() {
        assert_eq!(realm.book.records, before);
    }
}

/// As the server does while requests wait.
fn void_stale(realm: &mut Realm) {
    let picture = realm.picture();
    for operation in picture.records.operations.values().filter(|operation| operation.state == State::Requested) {
        if !picture.is_settled(&operation.plan.scope()) {
            continue;
        }
        let reasons = picture.replan(operation).map_or(vec!["not declared".to_owned()], |plan| void_reasons(operation, &plan, picture.now));
        if !reasons.is_empty() {
            realm.say(Event::OperationVoided { id: operation.id, reasons });
        }
    }
}

/// Whether people put something in the way of what the product asks for.
fn in_the_way(realm: &Realm, plan: &Plan) -> Vec<String> {
    let picture = realm.picture();
    let down = |region: &engine::id::RegionId| match &plan.change {
        Change::Traffic(change) => {
            change.from.contains(region) && change.regions.iter().any(|candidate| &candidate.region == region && candidate.health == Health::Down)
        }
        Change::Database(_) => region.as_str() == EAST,
        Change::Evacuation(change) => change.region == *region,
        Change::Restore(_) => false,
    };
    let about = |scope: &Scope| match scope {
        Scope::Region(region) => down(region),
        other => {
            *other == plan.scope() || matches!((other, &plan.change), (Scope::Service(id), Change::Database(_)) if id.as_str() == "user-database")
        }
    };
    let in_force = picture.records.restraints.iter().filter(|(_, held)| !held.is_over(picture.now)).map(|(what, _)| what);
    let applies = |what: &&Restraint| match what {
        Restraint::MasterSwitch | Restraint::Pause(None) => true,
        Restraint::Tests => false,
        Restraint::Pause(Some(scope)) | Restraint::Maintenance(scope) | Restraint::Acknowledged(scope) => about(scope),
    };
    in_force.filter(applies).map(ToString::to_string).collect()
}

/// One look, and what must be true of it.
fn look(realm: &mut Realm) {
    let events = realm.tick();
    for event in &events {
        if let Event::OperationRequested { plan, .. } = event {
            assert_eq!(plan.blockers, [], "the product sets no check aside");
            assert_eq!(in_the_way(realm, plan), Vec::<String>::new(), "{}", plan.scope());
            assert!(plan.traffic().is_none_or(|change| !change.to.is_empty() && change.to != change.from), "{:?}", plan.change);
        }
    }
    let again = realm.picture();
    let mut asked = 0;
    let mut said = noticing::changes(&again);
    said.extend(automation::act(&again, || {
        asked += 1;
        crate::world::operation_id(1_000_000 + asked)
    }));
    assert_eq!(said, [], "the same picture is no news");
}

fn check(operation: &Operation) {
    let states: Vec<State> = operation.history.iter().map(|(_, state)| *state).collect();
    if operation.plan.requires_approval() && states.contains(&State::Running) {
        let approved = operation.approved.as_ref().expect("it ran, so it was approved");
        assert_ne!(approved.by, operation.requested.by);
        assert_ne!(approved.by.as_str(), "lifeboat");
    }
    if operation.steps.iter().any(|step| step.attempts > 0) {
        assert!(states.contains(&State::Running));
    }
    if operation.plan.mode() == Mode::Test {
        let routes = |step: &engine::failover::Step| step.action.changes_routing() || step.undo.as_ref().is_some_and(|undo| undo.changes_routing());
        assert!(!operation.plan.steps.iter().any(routes) && !operation.changed_routing());
    }
    assert!(!operation.plan.steps.is_empty(), "what does nothing cannot be asked for");
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn row_38_whatever_happens_the_laws_of_moving_clients_hold(turns in prop::collection::vec((0..24u8, 0..12usize, 0..12usize, 0..240u64), 1..80)) {
        let mut realm = Realm::well();
        for one in turns {
            turn(&mut realm, one);
            look(&mut realm);
            let held: Vec<Scope> = realm.book.records.operations.values().filter(|operation| operation.state.is_active()).map(|operation| operation.plan.scope()).collect();
            prop_assert_eq!(held.len(), held.iter().collect::<BTreeSet<_>>().len(), "one active operation holds a scope");
        }
        realm.book.records.operations.values().for_each(check);
        prop_assert_eq!(&realm.book.replayed(), &realm.book.records);
    }

    #[test]
    fn f12_time_alone_fills_no_journal(turns in prop::collection::vec((0..8u8, 0..12usize, 0..12usize, 0..240u64), 1..12), mode in 0..3usize) {
        let mut realm = Realm::well();
        for one in turns {
            turn(&mut realm, one);
        }
        let mut said = 0;
        for _ in 0..200 {
            realm.later(5);
            said += look_and_count(&mut realm);
            void_stale(&mut realm);
            let approved = realm.book.records.operations.values().find(|operation| operation.state == State::Approved).map(|operation| operation.id);
            if let Some(operation) = approved.filter(|_| mode > 0) {
                realm.carry_out(operation);
            }
        }
        prop_assert!(said < 120, "{said} entries in a thousand seconds in which nothing changed");
    }

    #[test]
    fn f13_no_plan_of_the_product_leads_to_where_it_is_not_well(turns in prop::collection::vec((0..8u8, 0..12usize, 0..12usize, 0..240u64), 1..20)) {
        let mut realm = Realm::well();
        for one in turns {
            turn(&mut realm, one);
            for service in SERVICES {
                for mode in Mode::ALL {
                    let plan = realm.best(service, mode);
                    let change = plan.traffic().unwrap();
                    let health = |region: &engine::id::RegionId| change.regions.iter().find(|candidate| candidate.region == *region).map(|candidate| candidate.health);
                    if plan.blockers.is_empty() {
                        prop_assert!(change.joining().iter().all(|region| health(region) == Some(Health::Ok)), "{:?}", change);
                        let answers = |region: &engine::id::RegionId| matches!(health(region), Some(Health::Ok | Health::Degraded));
                        prop_assert!(mode == Mode::Planned || change.to == change.from || change.to.iter().any(answers), "{:?}", change);
                        prop_assert!(!change.to.is_empty());
                        prop_assert!(service == EDGE || change.to.len() == 1);
                    }
                }
            }
        }
    }
}

fn look_and_count(realm: &mut Realm) -> usize {
    let before = realm.book.entries.len();
    look(realm);
    realm.book.entries.len() - before
}
