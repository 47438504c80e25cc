//! What everything in one simulation shares: the world, the journal, the clock, chance, and what has been found.

use crate::{
    diary::{Diary, Law},
    dice::Dice,
    harm::Harm,
    laws::Laws,
    orders::{Effect, Parcel},
    world::World,
};
use engine::{
    estate::Estate,
    id::OperationId,
    journal::{
        Actor, Entry, Event, Records,
        chain::{GENESIS, Stored, Walk, seal},
    },
    picture::{Observations, Picture},
    time::Instant,
};
use server::desk::Changed;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::watch;

/// The journal as the store keeps it, and the records that follow.
pub struct Book {
    pub records: Arc<Records>,
    pub entries: Vec<Stored>,
}

impl Book {
    fn append(&mut self, actor: &Actor, events: &[Event], now: Instant) -> anyhow::Result<Vec<Entry>> {
        let mut records = (*self.records).clone();
        let mut last = self.entries.last().map_or(GENESIS, |entry| entry.hash.as_str()).to_owned();
        let (mut stored, mut entries) = (Vec::new(), Vec::new());
        for event in events {
            let sealed = seal(records.seq + 1, now, actor, event, &last)?;
            last.clone_from(&sealed.hash);
            let (previous, hash) = (sealed.previous.clone(), sealed.hash.clone());
            let entry = Entry { seq: sealed.seq, at: now, actor: actor.clone(), event: event.clone(), previous, hash };
            records.apply(&entry)?;
            stored.push(sealed);
            entries.push(entry);
        }
        self.entries.extend(stored);
        self.records = Arc::new(records);
        Ok(entries)
    }
    /// The records as they follow from what is stored alone.
    pub fn replayed(&self) -> Result<Records, String> {
        let (mut records, mut walk) = (Records::default(), Walk::default());
        for stored in &self.entries {
            let entry = walk.step(stored).map_err(|broken| broken.to_string())?;
            records.apply(&entry).map_err(|misfit| misfit.to_string())?;
        }
        Ok(records)
    }
}

/// Whether the server runs. Each run has a number; tasks of an earlier one do nothing any more.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    pub run: u64,
    pub since: Option<Instant>,
    pub back_at: Instant,
}

/// See the module.
pub struct Stage {
    pub estate: Arc<Estate>,
    pub harm: Option<Harm>,
    begins: (tokio::time::Instant, Instant),
    world: Mutex<World>,
    book: Mutex<Book>,
    diary: Mutex<Diary>,
    laws: Mutex<Laws>,
    dice: Mutex<Dice>,
    server: Mutex<Server>,
    observed: Mutex<Arc<Observations>>,
    /// A channel of its own for each who listens: one channel would wake several in an order that no seed decides.
    listeners: Mutex<Vec<watch::Sender<Changed>>>,
    changed: Mutex<Changed>,
    ids: AtomicU64,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    pub fn new(seed: u64, estate: Estate, world: World, begins: Instant, harm: Option<Harm>, aloud: bool) -> Arc<Self> {
        Arc::new(Self {
            estate: Arc::new(estate),
            harm,
            begins: (tokio::time::Instant::now(), begins),
            world: Mutex::new(world),
            book: Mutex::new(Book { records: Arc::default(), entries: Vec::new() }),
            diary: Mutex::new(Diary::new(aloud)),
            laws: Mutex::default(),
            dice: Mutex::new(Dice::of(seed, 1)),
            server: Mutex::new(Server { run: 0, since: None, back_at: begins }),
            observed: Mutex::default(),
            listeners: Mutex::default(),
            changed: Mutex::default(),
            ids: AtomicU64::new(1),
        })
    }

    pub fn now(&self) -> Instant {
        let passed = self.begins.0.elapsed();
        self.begins.1 + chrono::TimeDelta::milliseconds(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }
    pub fn world(&self) -> MutexGuard<'_, World> {
        held(&self.world)
    }
    pub fn book(&self) -> MutexGuard<'_, Book> {
        held(&self.book)
    }
    pub fn diary(&self) -> MutexGuard<'_, Diary> {
        held(&self.diary)
    }
    pub fn laws(&self) -> MutexGuard<'_, Laws> {
        held(&self.laws)
    }
    pub fn dice(&self) -> MutexGuard<'_, Dice> {
        held(&self.dice)
    }
    pub fn server(&self) -> Server {
        *held(&self.server)
    }
    pub fn records(&self) -> Arc<Records> {
        self.book().records.clone()
    }
    pub fn observed(&self) -> Arc<Observations> {
        held(&self.observed).clone()
    }
    pub fn listen(&self) -> watch::Receiver<Changed> {
        let (sender, receiver) = watch::channel(*held(&self.changed));
        held(&self.listeners).push(sender);
        receiver
    }
    pub fn new_id(&self) -> OperationId {
        OperationId(uuid::Uuid::from_u128(u128::from(self.ids.fetch_add(1, Ordering::Relaxed))))
    }

    /// Everything known now.
    pub fn picture(&self) -> Picture {
        let now = self.now();
        Picture {
            now,
            estate: self.estate.clone(),
            observed: self.observed().as_of(now),
            records: self.records(),
            journal_break: None,
            read_only: false,
        }
    }
    /// The same, as what decides for the product is shown it.
    pub fn picture_for_the_product(&self) -> Picture {
        let mut picture = self.picture();
        match self.harm {
            Some(Harm::RestraintsNotShown) => Arc::make_mut(&mut picture.records).restraints.clear(),
            Some(Harm::PastNotShown) => Arc::make_mut(&mut picture.records).operations.retain(|_, operation| operation.state.is_active()),
            _ => {}
        }
        picture
    }
    pub fn put_up(&self, observations: Observations) {
        let tick = observations.tick;
        *held(&self.observed) = Arc::new(observations);
        self.tell(|changed| changed.tick = tick);
    }

    fn tell(&self, change: impl FnOnce(&mut Changed)) {
        let mut changed = held(&self.changed);
        change(&mut changed);
        held(&self.listeners).retain(|listener| listener.send(*changed).is_ok());
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        let now = self.now();
        self.diary().note(now, line);
    }
    pub fn count(&self, what: impl Into<String>) {
        self.diary().count(what.into());
    }
    pub fn broken(&self, law: Law, how: String) {
        let now = self.now();
        self.diary().broken(now, law, how);
    }

    /// Writes down what happened, as one. False where it could not be.
    pub fn write(&self, actor: &Actor, events: &[Event]) -> bool {
        if events.is_empty() {
            return true;
        }
        let now = self.now();
        let written = self.book().append(actor, events, now);
        match written {
            Ok(entries) => {
                for entry in &entries {
                    self.note(|| format!("{:>4} {} {:?}", entry.seq, entry.actor, Brief(&entry.event)));
                    Laws::hear(self, entry);
                }
                if self.harm == Some(Harm::ApprovalSkipped) {
                    self.approve_by_nobody(&entries);
                }
                let seq = self.records().seq;
                self.tell(|changed| changed.seq = seq);
                true
            }
            // What was decided on the very records it is written to must fit them.
            Err(error) => {
                self.broken(Law::Journal, format!("what was decided does not fit the records: {error:#}: {events:?}"));
                false
            }
        }
    }

    fn approve_by_nobody(&self, entries: &[Entry]) {
        for entry in entries {
            if let Event::OperationRequested { id, plan_hash, .. } = &entry.event {
                let waits = self.records().operations.get(id).map_or(0, engine::failover::Operation::approvals_missing);
                let (id, plan_hash) = (*id, plan_hash.clone());
                let approved = Event::OperationApproved { id, plan_hash, reason: "nobody was asked".to_owned(), loss_accepted: true };
                for _ in 0..waits {
                    self.write(&Actor::Lifeboat, std::slice::from_ref(&approved));
                }
            }
        }
    }

    /// An order arrives in the world.
    pub fn deliver(&self, parcel: &Parcel) -> Effect {
        let now = self.now();
        let before = parcel.cluster.as_ref().zip(parcel.order.node()).map(|(cluster, node)| self.world().node(cluster, node).clone());
        let heeds = self.harm != Some(Harm::LateOrdersObeyed);
        let effect = self.world().carry_out(parcel, heeds, now);
        self.note(|| {
            format!(
                "     {:?} of {} {}: {:?}",
                parcel.order,
                parcel.operation.short(),
                if effect.changed { "acts" } else { "does nothing" },
                effect.said
            )
        });
        if effect.changed {
            Laws::saw(self, parcel, before.as_ref());
        }
        effect
    }

    /// The server is killed, and will be back.
    pub fn crash(&self, why: &str) {
        let (now, out) = (self.now(), self.dice().secs(1, 20));
        let mut server = held(&self.server);
        if server.since.is_none() {
            return;
        }
        (server.since, server.back_at, server.run) = (None, now + out.as_delta(), server.run + 1);
        drop(server);
        self.note(|| format!("     the server is killed: {why}"));
        self.count("the server is killed");
    }
    /// The server starts again, from what it has stored.
    pub fn restart(&self) -> u64 {
        if self.harm == Some(Harm::EntryLost) {
            self.book().entries.pop();
        }
        let replayed = self.book().replayed();
        match replayed {
            Ok(records) => {
                if records != *self.records() {
                    self.broken(Law::Journal, "the journal does not lead to the records that were live".to_owned());
                }
                self.book().records = Arc::new(records);
            }
            Err(why) => self.broken(Law::Journal, why),
        }
        let now = self.now();
        let mut server = held(&self.server);
        server.since = Some(now);
        server.run
    }
    pub fn runs(&self, run: u64) -> bool {
        let server = self.server();
        server.run == run && server.since.is_some()
    }
}

/// An event without the plan it carries.
struct Brief<'a>(&'a Event);

impl std::fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Event::OperationRequested { id, plan, reason, overridden, parent, .. } => {
                let (from, to) = (plan.source_in_words(), plan.target_in_words());
                write!(
                    f,
                    "Requested {} {} {} of {} {from:?} -> {to:?}, loss {}, ",
                    id.short(),
                    plan.mode(),
                    plan.kind,
                    plan.scope(),
                    plan.loss.in_words()
                )?;
                write!(f, "{} approvals, overridden {overridden:?}, part of {parent:?}: {reason}", plan.approvals)
            }
            other => other.fmt(f),
        }
    }
}
