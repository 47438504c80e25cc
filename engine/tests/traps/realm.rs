//! Three regions with four services whose clients can be moved, one for each way of deciding, over the cluster of `world`.
//! It has a clock, a journal and an executor that does what a plan says, so that a failure can be lived through.

use crate::world::{Book, World, id, judged, now, operation_id, person};
use engine::{
    access::Role,
    automation::{self, Decision, Hold, Verdict},
    estate::{Estate, Strategy},
    failover::{Action, Mode, Operation, Plan, State, StepState},
    health::{Health, Judgement, Outcome, Sample},
    id::{OperationId, RegionId, Scope, ServiceId},
    journal::{Actor, Command, Event, Refusal},
    noticing,
    picture::{EndpointView, Observations, Picture, SeenOn, TrafficView},
    restraints::Restraint,
    time::{Instant, Span},
};
use std::{collections::BTreeSet, sync::Arc};

pub const EAST: &str = "us-east-1";
pub const WEST: &str = "us-west-2";
pub const EU: &str = "eu-west-1";
pub const ALL: [&str; 3] = [EAST, WEST, EU];
/// In one region; the product fails it over.
pub const SHOP: &str = "shop";
/// In all regions; the product takes one out.
pub const EDGE: &str = "edge";
/// In one region; the product asks.
pub const BILLING: &str = "billing";
/// In one region; the product recommends.
pub const REPORTS: &str = "reports";

pub const ESTATE: &str = r#"
name = "three regions"
[[region]]
id = "us-east-1"
name = "US East"
agent = "http://127.0.0.1:1"
[[region]]
id = "us-west-2"
name = "US West"
agent = "http://127.0.0.1:2"
[[region]]
id = "eu-west-1"
name = "EU West"
[[strategy]]
id = "automatic"
kind = "active-passive"
primary_region = "us-east-1"
recovery_regions = ["us-west-2", "eu-west-1"]
failover = "automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "5s"
wait = "20s"
cooldown = "30m"
dwell = "10m"
[[strategy]]
id = "rotation"
kind = "active-active"
primary_region = "us-east-1"
recovery_regions = ["us-west-2", "eu-west-1"]
failover = "automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "5s"
minimum_on = 2
[[strategy]]
id = "asks"
kind = "warm-standby"
primary_region = "us-east-1"
recovery_regions = ["us-west-2"]
failover = "semi-automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "5s"
[[strategy]]
id = "recommends"
kind = "pilot-light"
primary_region = "us-east-1"
recovery_regions = ["us-west-2"]
failover = "manual"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "5s"
[[service]]
id = "user-database"
tier = 1
rto = "30m"
rpo = "1m"
mtpd = "4h"
data_class = "sensitive"
"#;

#[derive(Clone)]
pub struct Realm {
    pub now: Instant,
    pub estate: Estate,
    pub observed: Observations,
    pub book: Book,
    pub read_only: bool,
    next: u128,
}

impl Realm {
    /// All is well, was so for an hour, and is known to the journal.
    pub fn well() -> Self {
        let mut text = ESTATE.to_owned();
        for (service, strategy, needs) in
            [(SHOP, "automatic", "\"user-database\""), (EDGE, "rotation", ""), (BILLING, "asks", ""), (REPORTS, "recommends", "")]
        {
            text += &format!(
                "[[service]]\nid = \"{service}\"\ntier = 1\nrto = \"15m\"\nrpo = \"5m\"\nmtpd = \"4h\"\ndepends_on = [{needs}]\ndata_class = \"standard\"\n\
                 strategy = \"{strategy}\"\ntraffic = {{ address = \"http://127.0.0.1:9/\", by = {{ simulated = {{}} }} }}\n"
            );
            for region in ALL {
                text += &format!("[[service.endpoint]]\nregion = \"{region}\"\ntarget = \"http://127.0.0.1:9/health\"\n");
            }
        }
        let mut estate = Estate::from_toml(&text).unwrap();
        let world = World::healthy();
        estate.clusters = world.estate.clusters;
        estate.clusters[0].strategy = Some(id("asks"));
        let mut observed = Observations { since: Some(now() - Span::from_mins(60).as_delta()), ..world.observed };
        observed.endpoints.clear();
        let mut book = Book::with_people();
        for (name, role) in [("amy", Role::Approver), ("ada", Role::Approver)] {
            let command = Command::AddAccount { name: id(name), roles: [role].into() };
            book.act(&Actor::CommandLine("setup".to_owned()), &command, now()).unwrap();
        }
        let mut realm = Self { now: now(), estate, observed, book, read_only: false, next: 100 };
        for service in [SHOP, EDGE, BILLING, REPORTS] {
            for region in ALL {
                realm.see(service, region, Health::Ok);
                realm.since(service, region, 3600);
            }
            realm.send(service, if service == EDGE { &ALL } else { &ALL[..1] });
        }
        realm.tick();
        realm
    }

    pub fn picture(&self) -> Picture {
        Picture {
            now: self.now,
            estate: Arc::new(self.estate.clone()),
            observed: Arc::new(self.observed.clone()),
            records: Arc::new(self.book.records.clone()),
            journal_break: None,
            read_only: self.read_only,
        }
    }
    pub fn strategy(&mut self, name: &str) -> &mut Strategy {
        self.estate.strategies.iter_mut().find(|strategy| strategy.id.as_str() == name).unwrap()
    }

    /// From now on `service` needs these, and nothing else.
    pub fn needs(&mut self, service: &str, needs: &[&str]) {
        let services = &mut self.estate.services;
        services.iter_mut().find(|known| known.id.as_str() == service).unwrap().depends_on = needs.iter().map(|need| id(need)).collect();
    }

    /// Time goes on; what can be looked at is looked at again.
    pub fn later(&mut self, secs: u64) {
        self.now += Span::from_secs(secs).as_delta();
        let now = self.now;
        for view in self.observed.traffic.values_mut().filter(|view| view.judgement.is_ok()) {
            view.on.iter_mut().for_each(|on| on.at = now);
        }
        for node in self.observed.clusters.values_mut().flat_map(|view| &mut view.nodes).filter(|node| node.judgement.is_ok()) {
            node.reading.iter_mut().for_each(|reading| reading.at = now);
        }
    }
    /// From now on the verdict on a service in a region is this one; a region that fails did so 30 s ago.
    pub fn see(&mut self, service: &str, region: &str, health: Health) {
        let since = if health == Health::Down { self.now - Span::from_secs(30).as_delta() } else { self.now };
        let outcome = if health == Health::Ok { Outcome::Good } else { Outcome::Failed("timed out".to_owned()) };
        let last = (health != Health::Unknown).then(|| Sample { at: self.now, took: Span::from_millis(2), outcome });
        let view = EndpointView { judgement: judged(health, since, "as the test says"), last, ..EndpointView::unseen() };
        self.observed.endpoints.insert((id(service), id(region)), view);
    }
    pub fn endpoint(&mut self, service: &str, region: &str) -> &mut EndpointView {
        self.observed.endpoints.get_mut(&(id::<ServiceId>(service), id::<RegionId>(region))).unwrap()
    }
    /// It is as it is since so many seconds.
    pub fn since(&mut self, service: &str, region: &str, secs: u64) {
        let since = self.now - Span::from_secs(secs).as_delta();
        self.endpoint(service, region).judgement.since = Some(since);
    }
    /// Everything in a region is seen so, databases and agents too.
    pub fn see_all(&mut self, region: &str, health: Health) {
        for service in [SHOP, EDGE, BILLING, REPORTS] {
            self.see(service, region, health);
        }
        let since = self.now - Span::from_secs(30).as_delta();
        let nodes = self.observed.clusters.values().flat_map(|view| &view.nodes).filter(|node| node.region.as_str() == region);
        for node in nodes.map(|node| node.node.to_string()).collect::<Vec<_>>() {
            self.see_node(&node, health);
        }
        if let Some(agent) = self.observed.agents.get_mut(&id::<RegionId>(region)) {
            *agent = judged(health, since, "as the test says");
        }
        let failed = engine::health::failed_regions(&self.estate, &self.observed);
        self.observed.clusters.values_mut().for_each(|view| view.failed_regions.clone_from(&failed));
    }
    /// The same for a database node.
    pub fn see_node(&mut self, node: &str, health: Health) {
        let (now, since) = (self.now, self.now - Span::from_secs(30).as_delta());
        for view in self.observed.clusters.values_mut().flat_map(|view| &mut view.nodes).filter(|view| view.node.as_str() == node) {
            view.judgement = judged(health, since, "as the test says");
            view.last_attempt = Some((now, (health != Health::Ok).then(|| "timed out".to_owned())));
        }
    }
    /// The router sends clients there, as read now.
    pub fn send(&mut self, service: &str, to: &[&str]) {
        let on = Some(SeenOn { at: self.now, regions: regions(to) });
        self.observed.traffic.insert(id(service), TrafficView { judgement: judged(Health::Ok, now(), "the last probe was good"), on });
    }
    pub fn on(&self, service: &str) -> BTreeSet<RegionId> {
        self.observed.traffic[&id::<ServiceId>(service)].on.clone().unwrap().regions
    }
    /// Nothing of what was seen is known any more, as after a start.
    pub fn forget(&mut self) {
        for view in self.observed.endpoints.values_mut() {
            (view.judgement, view.last) = (Judgement::never_measured(), None);
        }
        self.observed.traffic.clear();
        self.observed.agents.values_mut().for_each(|agent| *agent = Judgement::never_measured());
        self.observed.clusters.values_mut().flat_map(|view| &mut view.nodes).for_each(|node| {
            (node.judgement, node.last_attempt) = (Judgement::never_measured(), None);
        });
        self.observed.since = Some(self.now);
    }

    /// One look of the product: what it notices and decides is written.
    pub fn tick(&mut self) -> Vec<Event> {
        let picture = self.picture();
        let mut events = noticing::changes(&picture);
        events.extend(automation::act(&picture, || {
            self.next += 1;
            operation_id(self.next)
        }));
        for event in &events {
            self.book.write(&Actor::Lifeboat, event, self.now).expect("what the product says fits the records");
        }
        events
    }
    /// One look, of which only what is decided counts.
    pub fn decides(&mut self, scope: &str) -> Option<Decision> {
        let scope: Scope = scope.parse().unwrap();
        let decided = |event: Event| match event {
            Event::Decided { decision } if decision.scope == scope => Some(*decision),
            _ => None,
        };
        self.tick().into_iter().find_map(decided)
    }
    /// What would be decided about it now.
    pub fn thinks(&self, scope: &str) -> Option<Decision> {
        let scope: Scope = scope.parse().unwrap();
        automation::consider(&self.picture()).into_iter().map(|considered| considered.decision).find(|decision| decision.scope == scope)
    }
    pub fn holder(&self, service: &str) -> Option<&Operation> {
        self.book.records.holder_of(&Scope::Service(id(service)))
    }

    /// The service fails in a region, and the product sees it until its wait is over.
    pub fn fails(&mut self, service: &str, region: &str) -> Vec<Event> {
        self.see(service, region, Health::Down);
        self.tick();
        self.later(25);
        self.tick()
    }

    /// Does what an approved operation says.
    pub fn carry_out(&mut self, operation: OperationId) {
        let plan = self.book.records.operations[&operation].plan.clone();
        self.say(Event::OperationStarted { id: operation });
        for (at, step) in plan.steps.iter().enumerate() {
            self.later(1);
            self.say(Event::StepStarted { id: operation, step: at });
            if let Action::SendClients { service, to } = &step.action {
                let to: Vec<&str> = to.iter().map(RegionId::as_str).collect();
                self.send(service.as_str(), &to);
            }
            self.say(Event::StepEnded { id: operation, step: at, state: StepState::Done, said: "seen".to_owned() });
        }
        self.say(Event::OperationSucceeded { id: operation });
        self.later(1);
    }
    /// What stands approved on a service is carried out.
    pub fn obey(&mut self, service: &str) -> OperationId {
        let holder = self.holder(service).unwrap_or_else(|| panic!("nothing holds {service}"));
        assert_eq!(holder.state, State::Approved);
        let operation = holder.id;
        self.carry_out(operation);
        operation
    }
    pub fn say(&mut self, event: Event) {
        self.book.write(&Actor::Lifeboat, &event, self.now).unwrap();
    }
    pub fn act(&mut self, who: &str, command: &Command) -> Result<Vec<Event>, Refusal> {
        self.book.act(&person(who), command, self.now)
    }

    pub fn plan(&self, service: &str, mode: Mode, to: &[&str]) -> Plan {
        self.picture().traffic_plan(&id(service), mode, Some(&regions(to))).unwrap()
    }
    pub fn best(&self, service: &str, mode: Mode) -> Plan {
        self.picture().traffic_plan(&id(service), mode, None).unwrap()
    }
    /// ann asks for a plan, with every consent there is.
    pub fn request(&mut self, plan: &Plan) -> Result<OperationId, Refusal> {
        self.next += 1;
        self.act("ann", &crate::world::request(self.next, plan)).map(|_| operation_id(self.next))
    }
    pub fn approve(&mut self, who: &str, operation: OperationId) -> Result<Vec<Event>, Refusal> {
        let asked = self.book.records.operations[&operation].clone();
        let plan_now = Box::new(self.picture().replan(&asked).unwrap());
        let command = Command::Approve { operation, shown_hash: asked.plan_hash, plan_now, accept_loss: false, reason: "agreed".to_owned() };
        self.act(who, &command)
    }
    /// A move that ann asks for and amy approves, carried out.
    pub fn moved(&mut self, service: &str, mode: Mode, to: &[&str]) -> OperationId {
        let plan = self.plan(service, mode, to);
        let operation = self.request(&plan).unwrap();
        if self.book.records.operations[&operation].state == State::Requested {
            self.approve("amy", operation).unwrap();
        }
        self.carry_out(operation);
        operation
    }
    pub fn restrain(&mut self, what: &str, minutes: Option<u64>) {
        let until = minutes.map(|minutes| self.now + Span::from_mins(minutes).as_delta());
        let what: Restraint = what.parse().unwrap();
        self.act("bob", &Command::Restrain { what, until, reason: "on purpose".to_owned() }).unwrap();
    }
    pub fn release(&mut self, what: &str) {
        self.act("bob", &Command::Release { what: what.parse().unwrap(), reason: "it is over".to_owned() }).unwrap();
    }
}

pub fn regions(names: &[&str]) -> BTreeSet<RegionId> {
    names.iter().map(|name| id(name)).collect()
}
pub fn blockers(plan: &Plan) -> Vec<&'static str> {
    plan.blockers.iter().map(engine::failover::Blocker::name).collect()
}
pub fn steps(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| {
            let action = serde_json::to_value(&step.action).unwrap();
            let to = action.get("to").or(action.get("regions")).map_or(String::new(), ToString::to_string);
            format!("{} {to} {:?}", action["do"].as_str().unwrap(), step.on_failure)
        })
        .collect()
}
/// The kinds of what holds a decision back.
pub fn held(decision: &Decision) -> Vec<String> {
    decision
        .holds
        .iter()
        .map(|hold| match hold {
            Hold::Blocked { name, .. } => format!("blocked {name}"),
            other => serde_json::to_value(other).unwrap()["hold"].as_str().unwrap().to_owned(),
        })
        .collect()
}
pub fn verdict(decision: Option<Decision>) -> Option<(Verdict, Option<String>)> {
    decision.map(|decision| (decision.verdict, decision.target))
}
pub fn requests(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::OperationRequested { .. })).count()
}
