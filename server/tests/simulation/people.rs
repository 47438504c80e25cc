//! The people: they ask, agree, decline, stop, resume, leave out and restrain, sometimes on a page that is no longer true, and
//! sometimes what they may not.

use crate::{
    dice::Dice,
    platform::{EAST, WEST},
    stage::Stage,
};
use engine::{
    access::Role,
    failover::{Mode, Operation, OperationKind, Plan, State},
    id::{ClusterId, NodeId, OperationId, RegionId, Scope, ServiceId},
    journal::{Actor, Command, Event, Refusal, decide},
    picture::Picture,
    restraints::Restraint,
    time::{Instant, Span},
};
use std::collections::BTreeSet;

/// Everybody with an account, and what they may do.
const ACCOUNTS: [(&str, Role); 6] = [
    ("ann", Role::Operator),
    ("bob", Role::Operator),
    ("cid", Role::Operator),
    ("amy", Role::Approver),
    ("tom", Role::Tester),
    ("eve", Role::Viewer),
];
const REASON: &str = "seen on the page";

/// What somebody wants to have done.
#[derive(Debug, Clone)]
enum Wish {
    Database(OperationKind, ClusterId, Option<NodeId>),
    Traffic(ServiceId, Mode, BTreeSet<RegionId>),
    Evacuation(RegionId, Mode),
}

impl Wish {
    fn plan(&self, picture: &Picture) -> Option<Plan> {
        match self {
            Wish::Database(kind, cluster, node) => picture.plan(*kind, cluster, node.as_ref()),
            Wish::Traffic(service, mode, to) => picture.traffic_plan(service, *mode, Some(to)),
            Wish::Evacuation(region, mode) => picture.evacuation_plan(region, *mode),
        }
    }
}

/// A page that somebody looks at.
struct Page {
    due: Instant,
    by: &'static str,
    wish: Wish,
    hash: String,
    overrides: bool,
    accepts: bool,
}

/// See the module.
#[derive(Default)]
pub struct People {
    next: Option<Instant>,
    pages: Vec<Page>,
}

pub fn accounts(stage: &Stage) {
    let added = ACCOUNTS.iter().map(|(name, role)| Event::AccountAdded { name: name.parse().expect("a name"), roles: [*role].into() });
    stage.write(&Actor::CommandLine("setup".to_owned()), &added.collect::<Vec<_>>());
}

fn person(name: &str) -> Actor {
    Actor::Person(name.parse().expect("a name"))
}

/// What somebody asks for is decided as the desk decides it: on the records as they are then.
fn ask(stage: &Stage, name: &str, command: &Command) {
    let (records, actor) = (stage.records(), person(name));
    match decide(&records, &actor, command, stage.now()) {
        Ok(events) => drop(stage.write(&actor, &events)),
        Err(refusal) => {
            stage.count(format!("refused: {}", kind_of(&refusal)));
            stage.write(&actor, &[Event::Refused { asked: "something".to_owned(), reasons: vec![refusal.to_string()] }]);
        }
    }
}

fn kind_of(refusal: &Refusal) -> String {
    let text = format!("{refusal:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

impl People {
    /// Whoever is at work does something, now and then. Calm people only put right what is left.
    pub fn act(&mut self, stage: &Stage, dice: &mut Dice, calm: bool) {
        let now = stage.now();
        let (due, later) = std::mem::take(&mut self.pages).into_iter().partition(|page| page.due <= now);
        self.pages = later;
        for page in Vec::from_iter::<Vec<Page>>(due) {
            send(stage, page);
        }
        if self.next.is_some_and(|next| next > now) {
            return;
        }
        self.next = Some(now + dice.millis(1_000, if calm { 12_000 } else { 9_000 }).as_delta());
        let picture = stage.picture();
        let active: Vec<&Operation> = picture.records.operations.values().filter(|operation| operation.state.is_active()).collect();
        let looks_after = dice.any(active).filter(|_| dice.one_in(if calm { 1 } else { 2 }));
        match looks_after {
            Some(operation) => look_after(stage, &picture, operation, dice, calm),
            None if dice.one_in(4) => tidy_up(stage, &picture, dice),
            None if calm => {}
            None if dice.one_in(6) => restrain(stage, dice, now),
            None => self.open_page(&picture, dice, now),
        }
    }

    fn open_page(&mut self, picture: &Picture, dice: &mut Dice, now: Instant) {
        let by = dice.pick(&["ann", "ann", "bob", "cid", "tom", "eve"]);
        let Some(wish) = wish(picture, dice) else { return };
        let Some(plan) = wish.plan(picture) else { return };
        let (overrides, accepts) = (dice.one_in(2), dice.permille(800));
        // Most look at a page for some seconds; what it showed may be over by then.
        let due = now + dice.millis(200, 8_000).as_delta();
        self.pages.push(Page { due, by, wish, hash: plan.hash(), overrides, accepts });
    }
}

fn send(stage: &Stage, page: Page) {
    let picture = stage.picture();
    let Some(plan) = page.wish.plan(&picture) else { return };
    let command = Command::RequestOperation {
        id: stage.new_id(),
        plan: Box::new(plan),
        shown_hash: page.hash,
        reason: REASON.to_owned(),
        accept_loss: page.accepts,
        override_blockers: page.overrides,
    };
    ask(stage, page.by, &command);
}

fn wish(picture: &Picture, dice: &mut Dice) -> Option<Wish> {
    let estate = &picture.estate;
    if dice.permille(550) {
        let cluster = dice.pick(&estate.clusters);
        let view = picture.observed.clusters.get(&cluster.id)?;
        let node = dice.pick(&cluster.nodes).id.clone();
        let fails = view.primary().is_some_and(|primary| !primary.answers());
        let kind = match dice.up_to(9) {
            0..=3 if fails => OperationKind::Failover,
            0 => OperationKind::Failover,
            1..=5 => OperationKind::Switchover,
            _ => OperationKind::Rejoin,
        };
        let node = if kind == OperationKind::Rejoin || dice.one_in(3) { Some(node) } else { None };
        // Whoever wants a node to follow again takes one that does not.
        let is_astray = |node: &&engine::databases::NodeView| node.was_primary() || !node.answers();
        let primary = view.primary().map(|primary| primary.node.clone());
        let astray = view.nodes.iter().filter(|node| Some(&node.node) != primary.as_ref()).find(is_astray).map(|node| node.node.clone());
        let node = if kind == OperationKind::Rejoin { astray.or(node) } else { node };
        return Some(Wish::Database(kind, cluster.id.clone(), node));
    }
    let mode = *dice.pick(&[Mode::Test, Mode::Planned, Mode::Planned, Mode::Planned, Mode::Emergency]);
    if dice.one_in(6) {
        return Some(Wish::Evacuation(dice.pick(&[EAST, WEST]).parse().ok()?, mode));
    }
    let services: Vec<_> = estate.services.iter().filter(|service| service.traffic.is_some()).collect();
    let service = dice.pick(&services);
    let best = picture.traffic_plan(&service.id, mode, None)?;
    let to = if dice.permille(750) {
        best.traffic()?.to.clone()
    } else {
        service.endpoints.iter().map(|endpoint| endpoint.region.clone()).filter(|_| dice.one_in(2)).collect()
    };
    Some(Wish::Traffic(service.id.clone(), mode, to))
}

fn look_after(stage: &Stage, picture: &Picture, operation: &Operation, dice: &mut Dice, calm: bool) {
    let (id, reason) = (operation.id, REASON.to_owned());
    let anyone = *dice.pick(&["ann", "bob", "cid"]);
    match operation.state {
        State::Requested => match dice.up_to(19) {
            0 => ask(stage, anyone, &Command::Decline { operation: id, reason }),
            1 => ask(stage, anyone, &Command::Cancel { operation: id, reason }),
            _ => approve(stage, picture, operation, dice),
        },
        State::Approved => {
            if dice.one_in(10) {
                ask(stage, anyone, &Command::Cancel { operation: id, reason });
            }
        }
        State::Running | State::Compensating if operation.awaits_commit().is_some() => match dice.up_to(3) {
            0 => ask(stage, anyone, &Command::Abort { operation: id, reason }),
            1 | 2 => ask(stage, anyone, &Command::Commit { operation: id, reason }),
            _ => {}
        },
        State::Running | State::Compensating if !calm => match dice.up_to(19) {
            0..=2 => ask(stage, anyone, &Command::Abort { operation: id, reason }),
            3 | 4 => ask(stage, anyone, &Command::Escalate { operation: id, reason }),
            5 => ask(
                stage,
                anyone,
                &Command::Approve {
                    operation: id,
                    shown_hash: operation.plan_hash.clone(),
                    plan_now: Box::new(operation.plan.clone()),
                    accept_loss: true,
                    reason,
                },
            ),
            _ => {}
        },
        State::InDoubt => in_doubt(stage, operation, dice, anyone),
        _ => {}
    }
}

fn approve(stage: &Stage, picture: &Picture, operation: &Operation, dice: &mut Dice) {
    let Some(plan) = picture.replan(operation) else { return };
    let by = *dice.pick(&["ann", "bob", "cid", "amy", "amy", "tom", "eve"]);
    let shown_hash = if dice.one_in(12) { plan.hash() } else { operation.plan_hash.clone() };
    let (plan_now, accept_loss) = (Box::new(plan), dice.permille(900));
    ask(stage, by, &Command::Approve { operation: operation.id, shown_hash, plan_now, accept_loss, reason: REASON.to_owned() });
}

/// Nobody closes or leaves out at once: they look first, and that takes its time.
fn in_doubt(stage: &Stage, operation: &Operation, dice: &mut Dice, by: &str) {
    let (id, reason) = (operation.id, REASON.to_owned());
    let since = operation.history.last().map_or(stage.now(), |(at, _)| *at);
    let has_looked = Span::between(since, stage.now()) > Span::from_secs(20);
    match dice.up_to(9) {
        0..=4 => ask(stage, by, &Command::Resume { operation: id, reason }),
        5 | 6 if has_looked => ask(stage, by, &Command::Close { operation: id, reason }),
        7 => ask(stage, by, &Command::Skip { operation: id, reason }),
        8 => ask(stage, by, &Command::Escalate { operation: id, reason }),
        _ => {}
    }
}

fn tidy_up(stage: &Stage, picture: &Picture, dice: &mut Dice) {
    let reason = || REASON.to_owned();
    let held: Vec<Restraint> = picture.records.restraints.keys().cloned().collect();
    if let Some(what) = dice.any(held).filter(|_| dice.one_in(2)) {
        return ask(stage, "bob", &Command::Release { what, reason: reason() });
    }
    let ended = picture.records.operations.values().filter(|operation| operation.awaits_acknowledgement());
    let ended: Vec<OperationId> = ended.map(|operation| operation.id).collect();
    if let Some(operation) = dice.any(ended) {
        ask(stage, "cid", &Command::Acknowledge { operation, reason: reason() });
    }
}

fn restrain(stage: &Stage, dice: &mut Dice, now: Instant) {
    let scopes = ["service/api", "service/shop", "service/web", "cluster/users", "cluster/orders", "region/east", "region/west"];
    let scope: Scope = dice.pick(&scopes).parse().expect("a scope");
    let what = match dice.up_to(5) {
        0 => Restraint::Pause(None),
        1 => Restraint::Pause(Some(scope)),
        2 => Restraint::MasterSwitch,
        3 => Restraint::Maintenance(scope),
        4 => Restraint::Acknowledged(scope),
        _ => Restraint::Tests,
    };
    let until = if what.needs_an_end() || dice.one_in(2) { Some(now + dice.secs(10, 90).as_delta()) } else { None };
    let by = *dice.pick(&["ann", "amy", "eve"]);
    ask(stage, by, &Command::Restrain { what, until, reason: REASON.to_owned() });
}
