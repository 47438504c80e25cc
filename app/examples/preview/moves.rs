//! What can happen to the clients of services, and what people and Lifeboat do about it.

use crate::{
    journal::Book,
    scenes::Scene,
    world::{self, EAST},
};
use engine::{
    automation,
    estate::Estate,
    failover::{Mode, Plan, StepState},
    health::Health,
    id::{OperationId, Scope},
    journal::{Event, Subject},
    picture::{Observations, Picture},
    restraints::Restraint,
    time::{Instant, Span},
};
use std::sync::Arc;

const WEST: &str = "us-west-2";
const EUROPE: &str = "eu-west-1";

pub fn play(scene: Scene, book: &mut Book, estate: &Arc<Estate>, seen: &mut Observations, fell: Instant, now: Instant) {
    let dashboard = || Scope::Service("dashboard".parse().unwrap());
    match scene {
        Scene::Held => {
            let reason = "Releasing 4.2 of the dashboard; do not move it under our feet".to_owned();
            let until = Some(now + Span::from_mins(52).as_delta());
            book.person("oskar", Event::Restrained { what: Restraint::Pause(Some(dashboard())), until, reason });
            wavered(book);
            fall(book, seen, "dashboard", fell, now);
            decide(book, estate, seen, now);
        }
        Scene::Asked => {
            let test = plan(book, estate, seen, "dashboard", Mode::Test, now);
            let id = OperationId("0193a5c2-7d1e-7b3a-9c44-5f2e8a6b1d06".parse().unwrap());
            let reason = "Before the release: would a move work?".to_owned();
            book.wait(Span::from_mins(6)).person("olga", asked(id, test.clone(), reason));
            begin(book, id, &test, test.steps.len());
            book.lifeboat(Event::OperationSucceeded { id });
            fall(book, seen, "dashboard", fell, now);
            decide(book, estate, seen, now);
            let id = OperationId("0193a5c2-7d1e-7b3a-9c44-5f2e8a6b1d08".parse().unwrap());
            let reason = "Lifeboat asks for approval: dashboard is down in us-east-1: 3 of the last 3 probes failed, latest: connection refused";
            let plan = plan(book, estate, seen, "dashboard", Mode::Emergency, now);
            book.lifeboat(asked(id, plan, reason.to_owned()));
        }
        Scene::MoveWaiting => {
            let reason = "Network change in all regions, agreed in CHG-4711".to_owned();
            book.person("anna", Event::Restrained { what: Restraint::MasterSwitch, until: None, reason });
            fall(book, seen, "dashboard", fell, now);
            decide(book, estate, seen, now);
            let plan = plan(book, estate, seen, "dashboard", Mode::Emergency, now);
            request(book, plan, "oskar", "The network change is done in us-west-2; clients are refused in us-east-1 and cannot wait");
        }
        Scene::MoveRunning => {
            fall(book, seen, "dashboard", fell, now);
            decide(book, estate, seen, now);
            let plan = plan(book, estate, seen, "dashboard", Mode::Emergency, now);
            let (id, _) = request(book, plan.clone(), "oskar", "The dashboard is gone in us-east-1 and well in us-west-2");
            approve(book, id, &plan, 3);
            // Clients are out of the east, and not yet in the west.
            world::send(seen, "dashboard", &[]);
        }
        Scene::Moved => {
            fall(book, seen, "dashboard", now - Span::from_mins(40).as_delta(), now);
            let plan = plan(book, estate, seen, "dashboard", Mode::Emergency, now);
            let (id, _) = request(book, plan.clone(), "oskar", "The dashboard is gone in us-east-1 and well in us-west-2");
            approve(book, id, &plan, plan.steps.len());
            book.lifeboat(Event::OperationSucceeded { id });
            world::send(seen, "dashboard", &[WEST]);
            seen.endpoints.get_mut(&("dashboard".parse().unwrap(), EAST.parse().unwrap())).unwrap().judgement =
                world::ok(now - Span::from_mins(14).as_delta());
        }
        Scene::Strayed => {
            let service = || "api-gateway".parse().unwrap();
            let regions = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
            world::send(seen, "api-gateway", &[WEST]);
            let intended = regions(&[EAST, WEST, EUROPE]);
            book.wait(Span::from_mins(90)).lifeboat(Event::TrafficStrayed { service: service(), intended, seen: regions(&[WEST]) });
            let missing = vec![format!("{EUROPE} is out of the rotation"), format!("{EAST} is out of the rotation")];
            book.lifeboat(Event::ServiceExposureBegan { service: service(), unprotected: false, missing });
        }
        Scene::ServiceUnprotected => {
            world::kill_service(seen, "dashboard", WEST, fell);
            let missing = vec![format!("it is down in {WEST}")];
            book.wait(Span::from_mins(90)).lifeboat(Event::ServiceExposureBegan {
                service: "dashboard".parse().unwrap(),
                unprotected: true,
                missing,
            });
            seen.traffic.get_mut(&"model-router".parse().unwrap()).unwrap().judgement = world::down(fell);
            let region = Restraint::Maintenance(Scope::Region(WEST.parse().unwrap()));
            let until = Some(now + Span::from_mins(100).as_delta());
            book.person("olga", Event::Restrained { what: region, until, reason: "Power work in the hall, row 4".to_owned() });
        }
        _ => {
            let reason = "Network change in all regions, agreed in CHG-4711".to_owned();
            book.wait(Span::from_mins(20)).person("anna", Event::Restrained { what: Restraint::MasterSwitch, until: None, reason });
            let until = Some(now + Span::from_mins(200).as_delta());
            book.person("anna", Event::Restrained { what: Restraint::Tests, until, reason: "No tests during the change".to_owned() });
            let reason = "On the phone with the network team, I decide".to_owned();
            book.person("oskar", Event::Restrained { what: Restraint::Pause(None), until, reason });
        }
    }
}

/// The service goes down in the east, and Lifeboat writes that down.
fn fall(book: &mut Book, seen: &mut Observations, service: &str, fell: Instant, now: Instant) {
    world::kill_service(seen, service, EAST, fell);
    let gap = Span::between(book.entries.last().map_or(now, |entry| entry.at), fell + Span::from_secs(3).as_delta());
    let of = Subject::Endpoint { service: service.parse().unwrap(), region: EAST.parse().unwrap() };
    book.wait(gap).lifeboat(Event::HealthChanged { of, from: Health::Ok, to: Health::Down, since: Some(fell), why: world::down(fell).why });
    let missing = vec![format!("it is down in {EAST}")];
    book.lifeboat(Event::ServiceExposureBegan { service: service.parse().unwrap(), unprotected: true, missing });
}

fn wavered(book: &mut Book) {
    let of = Subject::Endpoint { service: "api-gateway".parse().unwrap(), region: EAST.parse().unwrap() };
    let since = book.entries.last().unwrap().at;
    book.wait(Span::from_mins(4)).lifeboat(Event::Wavered { of, since, failed: 2, needed: 3, samples: 3 });
}

fn picture(book: &Book, estate: &Arc<Estate>, seen: &Observations, now: Instant) -> Picture {
    Picture {
        now,
        estate: estate.clone(),
        observed: Arc::new(seen.clone()),
        records: Arc::new(book.records.clone()),
        journal_break: None,
        read_only: false,
    }
}

/// What Lifeboat itself decides about it; what it would request is left to the scene.
pub fn decide(book: &mut Book, estate: &Arc<Estate>, seen: &Observations, now: Instant) {
    for considered in automation::consider(&picture(book, estate, seen, now)) {
        book.wait(Span::from_millis(4)).lifeboat(Event::Decided { decision: Box::new(considered.decision) });
    }
}

fn plan(book: &Book, estate: &Arc<Estate>, seen: &Observations, service: &str, mode: Mode, now: Instant) -> Plan {
    picture(book, estate, seen, now).traffic_plan(&service.parse().unwrap(), mode, None).unwrap()
}

fn asked(id: OperationId, plan: Plan, reason: String) -> Event {
    let overridden = plan.overridable_blockers().iter().map(ToString::to_string).collect();
    Event::OperationRequested { id, plan_hash: plan.hash(), plan: Box::new(plan), reason, loss_accepted: false, overridden, parent: None }
}

fn request(book: &mut Book, plan: Plan, who: &str, reason: &str) -> (OperationId, String) {
    let id = OperationId("0193a5c2-7d1e-7b3a-9c44-5f2e8a6b1d08".parse().unwrap());
    let plan_hash = plan.hash();
    book.wait(Span::from_secs(9)).person(who, asked(id, plan, reason.to_owned()));
    (id, plan_hash)
}

/// Approved by Anna, started, and `done` steps over; one more runs where there is one.
fn approve(book: &mut Book, id: OperationId, plan: &Plan, done: usize) {
    let reason = "Seen on the edge as well: agreed".to_owned();
    book.wait(Span::from_secs(11)).person("anna", Event::OperationApproved { id, plan_hash: plan.hash(), reason, loss_accepted: false });
    begin(book, id, plan, done);
}

fn begin(book: &mut Book, id: OperationId, plan: &Plan, done: usize) {
    book.wait(Span::from_millis(12)).lifeboat(Event::OperationStarted { id });
    for step in 0..done {
        book.wait(Span::from_millis(3)).lifeboat(Event::StepStarted { id, step });
        book.wait(Span::from_millis(140)).lifeboat(Event::StepEnded { id, step, state: StepState::Done, said: "seen to be so".to_owned() });
    }
    if done < plan.steps.len() {
        book.wait(Span::from_millis(5)).lifeboat(Event::StepStarted { id, step: done });
    }
}
