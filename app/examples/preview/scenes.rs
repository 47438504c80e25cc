//! The states a person may find the platform in.

use crate::{
    journal::Book,
    moves,
    world::{self, EAST, PRIMARY, REPLICA, STANDBY},
};
use engine::{
    access::Role,
    databases::NodeRole,
    estate::Estate,
    failover::{Action, Measured, OperationKind, StepState},
    health::{Health, Judgement, failed_regions},
    id::OperationId,
    journal::{Entry, Event, SignInMeans, Subject},
    picture::{Observations, Picture},
    time::{Instant, Span},
};
use std::{collections::BTreeSet, sync::Arc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    Empty,
    Full,
    Thousand,
    PrimaryDown,
    Waiting,
    Running,
    InDoubt,
    Succeeded,
    Failed,
    SplitBrain,
    RegionDown,
    Unwatched,
    JournalBroken,
    /// A service fails in its only region and automation is paused for it.
    Held,
    /// A service fails in its only region, its move was rehearsed before, and Lifeboat asks for approval.
    Asked,
    /// A move of clients that breaks a safety rule waits for an approver.
    MoveWaiting,
    MoveRunning,
    /// Clients were moved and could return; a cooldown runs.
    Moved,
    /// Somebody else moved the clients.
    Strayed,
    ServiceUnprotected,
    SwitchOff,
    /// Nothing says how clients are sent.
    NoTraffic,
    Fault,
}

impl Scene {
    pub const ALL: [Scene; 23] = [
        Scene::Empty,
        Scene::Full,
        Scene::Thousand,
        Scene::PrimaryDown,
        Scene::Waiting,
        Scene::Running,
        Scene::InDoubt,
        Scene::Succeeded,
        Scene::Failed,
        Scene::SplitBrain,
        Scene::RegionDown,
        Scene::Unwatched,
        Scene::JournalBroken,
        Scene::Held,
        Scene::Asked,
        Scene::MoveWaiting,
        Scene::MoveRunning,
        Scene::Moved,
        Scene::Strayed,
        Scene::ServiceUnprotected,
        Scene::SwitchOff,
        Scene::NoTraffic,
        Scene::Fault,
    ];
    pub fn name(self) -> String {
        let words = format!("{self:?}");
        let dashed = words.char_indices().map(|(at, c)| if at > 0 && c.is_uppercase() { format!("-{c}") } else { c.to_string() });
        dashed.collect::<String>().to_lowercase()
    }
    pub fn named(name: &str) -> Option<Scene> {
        Scene::ALL.into_iter().find(|scene| scene.name() == name)
    }

    pub fn picture(self, begun: Instant, now: Instant) -> (Picture, Vec<Entry>) {
        let estate = Arc::new(match self {
            Scene::Empty => Estate { services: Vec::new(), clusters: Vec::new(), regions: Vec::new(), strategies: Vec::new(), ..world::estate() },
            Scene::Thousand => world::thousand(),
            Scene::NoTraffic => world::without_traffic(),
            _ => world::estate(),
        });
        let long_ago = begun - Span::from_mins(190).as_delta();
        let mut seen = if self == Scene::Unwatched { Observations::default() } else { world::healthy(&estate, long_ago, now) };
        let fell = begun - Span::from_secs(42).as_delta();
        let mut book = opening(&estate, long_ago);
        match self {
            Scene::PrimaryDown => world::kill_primary(&mut seen, fell, now),
            Scene::SplitBrain => {
                let second = world::node(&mut seen, STANDBY).reading.as_mut().unwrap();
                second.role = NodeRole::Primary { flushed: engine::databases::Lsn(0x16_B374_FFFF), peers: Vec::new() };
                second.timeline = 2;
                let nodes = vec![PRIMARY.parse().unwrap(), STANDBY.parse().unwrap()];
                book.lifeboat(Event::SplitBrainObserved { cluster: "user-database".parse().unwrap(), nodes });
            }
            Scene::RegionDown => {
                world::kill_primary(&mut seen, fell, now);
                for ((_, region), endpoint) in seen.endpoints.iter_mut() {
                    if region.as_str() == EAST {
                        endpoint.judgement = world::down(fell);
                    }
                }
                let replica = world::node(&mut seen, REPLICA);
                (replica.judgement, replica.last_attempt) = (world::down(fell), Some((now, Some("timed out".to_owned()))));
                seen.agents.insert(EAST.parse().unwrap(), world::down(fell));
            }
            Scene::Waiting | Scene::Running | Scene::InDoubt | Scene::Succeeded | Scene::Failed => {
                let dead = !matches!(self, Scene::Failed);
                let mut then = seen.clone();
                if dead {
                    world::kill_primary(&mut then, fell, now);
                }
                self.operate(&mut book, &estate, then.clone(), fell, now);
                if self == Scene::Succeeded {
                    promoted(&mut seen);
                } else {
                    seen = then;
                }
            }
            Scene::Held
            | Scene::Asked
            | Scene::MoveWaiting
            | Scene::MoveRunning
            | Scene::Moved
            | Scene::Strayed
            | Scene::ServiceUnprotected
            | Scene::SwitchOff => moves::play(self, &mut book, &estate, &mut seen, fell, now),
            Scene::NoTraffic | Scene::Empty | Scene::Full | Scene::Thousand | Scene::Unwatched | Scene::JournalBroken | Scene::Fault => {}
        }
        if matches!(self, Scene::PrimaryDown | Scene::RegionDown) {
            noticed(&mut book, fell, now);
        }
        if self == Scene::RegionDown {
            moves::decide(&mut book, &estate, &seen, now);
        }
        if self != Scene::Unwatched {
            let failed = failed_regions(&estate, &seen);
            seen.clusters.values_mut().for_each(|cluster| cluster.failed_regions = failed.clone());
        }
        let journal_break = (self == Scene::JournalBroken).then(|| "entry 7 was changed: its text does not have the hash it carries".to_owned());
        (Picture { now, estate, observed: Arc::new(seen), records: Arc::new(book.records), journal_break, read_only: false }, book.entries)
    }

    /// An operation up to the point this scene shows.
    fn operate(self, book: &mut Book, estate: &Arc<Estate>, seen: Observations, fell: Instant, now: Instant) {
        let kind = if self == Scene::Failed { OperationKind::Switchover } else { OperationKind::Failover };
        let cluster = "user-database".parse().unwrap();
        let picture =
            Picture { now, estate: estate.clone(), observed: Arc::new(seen), records: Arc::default(), journal_break: None, read_only: false };
        let plan = picture.plan(kind, &cluster, None).unwrap();
        let steps = plan.steps.clone();
        let id = OperationId("0193a5c2-7d1e-7b3a-9c44-5f2e8a6b1d07".parse().unwrap());
        if kind == OperationKind::Failover {
            noticed(book, fell, now);
        }
        let plan_hash = plan.hash();
        let reason = "The primary has been gone since 42 s, its host says the process is dead".to_owned();
        let requested = Event::OperationRequested {
            id,
            plan_hash: plan_hash.clone(),
            plan: Box::new(plan),
            reason,
            loss_accepted: true,
            overridden: Vec::new(),
            parent: None,
        };
        book.wait(Span::from_secs(9)).person("oskar", requested);
        if self == Scene::Waiting {
            return;
        }
        book.wait(Span::from_secs(12))
            .person("olga", Event::OperationApproved { id, plan_hash, reason: "Checked with the host: agreed".to_owned(), loss_accepted: false });
        book.wait(Span::from_millis(14)).lifeboat(Event::OperationStarted { id });
        let stop = match self {
            Scene::Succeeded => steps.len(),
            _ => steps.len().min(3),
        };
        for (step, planned) in steps.iter().enumerate().take(stop) {
            book.wait(Span::from_millis(3)).lifeboat(Event::StepStarted { id, step });
            let said = match planned.action {
                Action::Promote { .. } => "pg_promote returned true after 212 ms",
                Action::Fence { .. } => "the host agent proved the processes gone and the port closed",
                _ => "seen to be so",
            };
            book.wait(Span::from_millis(70)).lifeboat(Event::StepEnded { id, step, state: StepState::Done, said: said.to_owned() });
        }
        match self {
            Scene::Running => {
                book.wait(Span::from_millis(5)).lifeboat(Event::StepStarted { id, step: stop });
            }
            Scene::InDoubt => {
                book.lifeboat(Event::StepStarted { id, step: stop });
                let why = "the server stopped while the step ran; whether it took effect is not known".to_owned();
                book.wait(Span::from_secs(4)).lifeboat(Event::OperationInDoubt { id, why });
            }
            Scene::Succeeded => {
                let measured = Measured {
                    recovery_time: Some(Span::from_millis(23_412)),
                    lost_bytes: Some(18_432),
                    lost_transactions: Some(3),
                    lost_span: Some(Span::from_millis(41)),
                    lost_between: None,
                };
                book.lifeboat(Event::OperationMeasured { id, measured }).lifeboat(Event::OperationSucceeded { id });
                let node = STANDBY.parse().unwrap();
                book.lifeboat(Event::PrimaryObserved { cluster: "user-database".parse().unwrap(), node, timeline: 2 });
            }
            _ => {
                let why = "pg-standby-west did not catch up within 30s".to_owned();
                book.lifeboat(Event::StepStarted { id, step: stop });
                book.wait(Span::from_secs(30)).lifeboat(Event::StepEnded { id, step: stop, state: StepState::Failed, said: why.clone() });
                book.lifeboat(Event::OperationCompensating { id, why: why.clone() });
                for step in (0..stop).rev() {
                    book.wait(Span::from_millis(40)).lifeboat(Event::UndoStarted { id, step });
                    book.lifeboat(Event::StepEnded { id, step, state: StepState::Undone, said: "put back as it was".to_owned() });
                }
                book.lifeboat(Event::OperationFailed { id, why });
            }
        }
    }
}

/// How every journal begins.
fn opening(estate: &Estate, at: Instant) -> Book {
    let mut book = Book::new(at);
    book.lifeboat(Event::ServerStarted { version: "0.1.0".to_owned() });
    book.lifeboat(Event::EstateLoaded {
        name: estate.name.clone(),
        services: estate.services.len(),
        clusters: estate.clusters.len(),
        sha256: "9f2c41d07be2a9b1".to_owned(),
    });
    for (name, role) in [("olga", Role::Operator), ("oskar", Role::Operator), ("anna", Role::Approver), ("vera", Role::Viewer)] {
        book.wait(Span::from_secs(3)).shell(Event::AccountAdded { name: name.parse().unwrap(), roles: BTreeSet::from([role]) });
    }
    book.wait(Span::from_mins(7)).person("olga", Event::SignedIn { name: "olga".parse().unwrap(), by: SignInMeans::Password });
    book.wait(Span::from_mins(2)).lifeboat(Event::SignInFailed { name: None, by: SignInMeans::Password });
    for service in estate.services.iter().filter(|service| service.traffic.is_some()) {
        book.lifeboat(Event::TrafficAdopted { service: service.id.clone(), regions: world::home(service) });
    }
    if !estate.clusters.is_empty() {
        let (cluster, node) = ("user-database".parse().unwrap(), PRIMARY.parse().unwrap());
        book.wait(Span::from_secs(4)).lifeboat(Event::PrimaryObserved { cluster, node, timeline: 1 });
        let of = Subject::Endpoint { service: "webhook-service".parse().unwrap(), region: EAST.parse().unwrap() };
        let why = "3 of the last 3 probes answered with a complaint, latest: queue 12 s behind (503)".to_owned();
        book.wait(Span::from_mins(40)).lifeboat(Event::HealthChanged { of: of.clone(), from: Health::Ok, to: Health::Degraded, since: None, why });
        let why = "the last 3 probes succeeded".to_owned();
        book.wait(Span::from_mins(3)).lifeboat(Event::HealthChanged { of, from: Health::Degraded, to: Health::Ok, since: None, why });
        book.wait(Span::from_mins(5)).person(
            "vera",
            Event::Refused {
                asked: "a switchover of user-database".to_owned(),
                reasons: vec!["vera may not request operations; that takes the role operator".to_owned()],
            },
        );
    }
    book
}

/// What Lifeboat writes when the primary stops answering.
fn noticed(book: &mut Book, fell: Instant, now: Instant) {
    let gap = Span::between(book.entries.last().map_or(now, |entry| entry.at), fell + Span::from_secs(2).as_delta());
    let of = Subject::Node { cluster: "user-database".parse().unwrap(), node: PRIMARY.parse().unwrap() };
    let why = world::down(fell).why;
    book.wait(gap).lifeboat(Event::HealthChanged { of, from: Health::Ok, to: Health::Down, since: Some(fell), why });
    let missing = vec![format!("{PRIMARY}, the primary, is down"), format!("{REPLICA} does not stream from the primary")];
    book.wait(Span::from_millis(2)).lifeboat(Event::ExposureBegan { cluster: "user-database".parse().unwrap(), unprotected: true, missing });
}

/// After the failover: the standby leads on timeline 2, the replica follows it, the old primary is left behind.
fn promoted(seen: &mut Observations) {
    let west = world::node(seen, STANDBY).reading.as_mut().unwrap();
    west.timeline = 2;
    west.role = world::primary(0);
    let replica = world::node(seen, REPLICA).reading.as_mut().unwrap();
    replica.timeline = 2;
    replica.role = world::standby(STANDBY, 0);
    let old = world::node(seen, PRIMARY);
    old.judgement =
        Judgement { health: Health::Down, since: old.judgement.since, why: "3 of the last 3 probes failed, latest: connection refused".to_owned() };
    for cluster in seen.clusters.values_mut() {
        if let Some(routed) = &mut cluster.routed_to {
            routed.nodes = vec![STANDBY.parse().unwrap()];
        }
    }
}
