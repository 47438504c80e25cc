//! The one place where anything is asked for or recorded: authorises, lets the engine decide, writes events and what
//! follows from them in one transaction, and tells everyone who listens. Pages, command line, watchers and the executor
//! all come here.

use crate::{
    store::{
        Store,
        journal::{AppendError, Replay},
    },
    watch::history::History,
};
use anyhow::Context;
use app::{
    fault::Fault,
    port::{HistoryQuery, Port, ProbesQuery, Replayed, Wish},
    session::Viewer,
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use engine::{
    access::Permission,
    dr_tests::{gates, ledger::TestCommand},
    estate::Estate,
    failover::Plan,
    history::{Mark, Proposal, Track},
    id::{ChannelName, OperationId},
    journal::{
        self, Actor, Command, Entry, Event, Records, Refusal, Subject,
        chain::{Break, Walk},
    },
    notifications::{ChannelFacts, IncidentKey, Notifications},
    picture::{Observations, Picture},
    time::Span,
};
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, watch};

mod probes;
mod runbooks;

/// What everyone who listens is told: the last journal entry, and a count of observation batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Changed {
    pub seq: u64,
    pub tick: u64,
    /// Counts what was told, or tried in vain.
    pub told: u64,
}

/// See the module.
pub struct Desk {
    store: Store,
    estate: Arc<Estate>,
    observed: ArcSwap<Observations>,
    records: ArcSwap<Records>,
    journal_break: ArcSwap<Option<String>>,
    /// Held while deciding and writing: one decision at a time, each on the records the one before left.
    pen: Mutex<Walk>,
    changed: watch::Sender<Changed>,
    history: Arc<History>,
    /// One replay at a time: they take what they need of one core, and no more.
    replays: Arc<Semaphore>,
    /// The ways to tell people, as set up; empty until they are.
    channels: ArcSwap<Vec<ChannelFacts>>,
    /// Moves when deliveries were written or tried.
    deliveries: watch::Sender<()>,
    /// Observes and shows, and refuses every command.
    read_only: bool,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Broken(#[from] anyhow::Error),
}

impl Desk {
    /// Replays the journal of `store`. A broken chain is not hidden: the records stand as they were before the break, and
    /// every picture says so.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn open(store: Store, estate: Estate) -> anyhow::Result<Self> {
        let Replay { records, walk, broken } = store.replay().await?;
        let (changed, _) = watch::channel(Changed { seq: records.seq, ..Changed::default() });
        Ok(Self {
            store,
            estate: Arc::new(estate),
            observed: ArcSwap::default(),
            records: ArcSwap::from_pointee(records),
            journal_break: ArcSwap::from_pointee(broken.map(|broken| broken.to_string())),
            pen: Mutex::new(walk),
            changed,
            history: Arc::default(),
            replays: Arc::new(Semaphore::new(1)),
            channels: ArcSwap::default(),
            deliveries: watch::channel(()).0,
            read_only: false,
        })
    }

    /// The same desk, at which nobody acts: every command is refused, and everything that acts by itself sees in each picture
    /// that it must not. What is observed is recorded all the same. The command line has a desk of its own.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub fn store(&self) -> &Store {
        &self.store
    }
    pub fn estate(&self) -> &Arc<Estate> {
        &self.estate
    }
    /// What probes saw, as it comes in and as it is kept.
    pub fn probe_history(&self) -> &Arc<History> {
        &self.history
    }
    /// Where to hear of changes.
    pub fn listen(&self) -> watch::Receiver<Changed> {
        self.changed.subscribe()
    }

    /// The ways to tell people.
    pub fn channels(&self) -> Arc<Vec<ChannelFacts>> {
        self.channels.load_full()
    }
    pub fn set_channels(&self, channels: Vec<ChannelFacts>) {
        self.channels.store(Arc::new(channels));
    }
    /// Where to hear that deliveries were written or tried.
    pub fn listen_for_deliveries(&self) -> watch::Receiver<()> {
        self.deliveries.subscribe()
    }
    /// Deliveries were written or tried.
    pub fn told_something(&self) {
        self.deliveries.send_replace(());
        self.changed.send_modify(|changed| changed.told += 1);
    }

    /// Everything known now. Not for people: they come through `Port::look`.
    pub fn picture(&self) -> Picture {
        let now = now();
        Picture {
            now,
            estate: self.estate.clone(),
            observed: self.observed.load_full().as_of(now),
            records: self.records.load_full(),
            journal_break: (**self.journal_break.load()).clone(),
            read_only: self.read_only,
        }
    }

    /// Whether what is put up was looked at lately, or by nobody: then there is nothing that could have stalled.
    pub fn is_judging(&self) -> bool {
        self.observed.load().judged_at.is_none_or(|at| Span::between(at, now()) <= Observations::STALE_AFTER)
    }

    /// Puts up new observations. They are not events; what follows from them is recorded by `record`.
    pub fn put_up(&self, observations: Observations) {
        let tick = observations.tick;
        self.observed.store(Arc::new(observations));
        self.changed.send_if_modified(|changed| std::mem::replace(&mut changed.tick, tick) != tick);
    }

    /// Records what the product itself saw or did. `events` is asked for what to record once the records are up to date,
    /// and again should somebody else write meanwhile.
    ///
    /// # Errors
    /// Where nothing could be written.
    pub async fn record(&self, actor: &Actor, events: impl Fn(&Picture) -> Vec<Event>) -> anyhow::Result<Vec<Entry>> {
        let mut walk = self.pen.lock().await;
        loop {
            let events = events(&self.picture());
            if events.is_empty() {
                return Ok(Vec::new());
            }
            match self.write(&mut walk, actor, &events).await {
                Ok(entries) => return Ok(entries),
                Err(AppendError::Moved { seq }) => self.move_on(&mut walk, seq).await?,
                Err(error) => return Err(error).context("the journal could not be written"),
            }
        }
    }

    /// Decides a command and carries out what it means for the records. A refusal is recorded too (row 91).
    ///
    /// # Errors
    /// The refusal, or that nothing could be written.
    pub async fn act(&self, actor: &Actor, command: Command) -> Result<Vec<Entry>, ActError> {
        let mut walk = self.pen.lock().await;
        self.whole()?;
        if self.read_only {
            self.catch_up(&mut walk).await?;
            return Err(self.refuse(&mut walk, actor, &command, Refusal::ReadOnly).await?);
        }
        loop {
            self.catch_up(&mut walk).await?;
            let events = match journal::decide(&self.records.load(), actor, &command, now()) {
                Ok(events) => events,
                Err(refusal) => return Err(self.refuse(&mut walk, actor, &command, refusal).await?),
            };
            match self.write(&mut walk, actor, &events).await {
                Ok(entries) => return Ok(entries),
                Err(AppendError::Moved { seq }) => self.move_on(&mut walk, seq).await?,
                // Decided anew once the holder is known. One the journal does not know would be met again and again.
                Err(AppendError::ScopeHeld) => {
                    let before = self.records.load().seq;
                    self.catch_up(&mut walk).await?;
                    if self.records.load().seq == before {
                        let why = "the store says that another operation holds what this one is about, and the journal does not know it; restore the store from a copy";
                        return Err(ActError::Broken(anyhow::anyhow!(why)));
                    }
                }
                Err(AppendError::Store(error)) => return Err(ActError::Broken(error)),
            }
        }
    }

    async fn refuse(&self, walk: &mut Walk, actor: &Actor, command: &Command, refusal: Refusal) -> anyhow::Result<ActError> {
        let event = Event::Refused { asked: describe(command), reasons: vec![refusal.to_string()] };
        loop {
            match self.write(walk, actor, std::slice::from_ref(&event)).await {
                Ok(_) => return Ok(refusal.into()),
                Err(AppendError::Moved { seq }) => self.move_on(walk, seq).await?,
                Err(error) => return Err(error).context("the refusal could not be recorded"),
            }
        }
    }

    /// Takes in what another process (the command line) wrote.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn read_on(&self) -> anyhow::Result<()> {
        if self.store.journal_head().await? == self.records.load().seq {
            return Ok(());
        }
        let mut walk = self.pen.lock().await;
        self.catch_up(&mut walk).await
    }

    async fn write(&self, walk: &mut Walk, actor: &Actor, events: &[Event]) -> Result<Vec<Entry>, AppendError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.whole()?;
        let (after, entries) = self.store.append(&self.records.load(), actor, events, now()).await?;
        if let Some(last) = entries.last() {
            *walk = Walk::after(last.seq, last.hash.clone());
        }
        self.adopt(after);
        Ok(entries)
    }

    /// Takes in what was written meanwhile. The walk moves together with the records, also where reading is given up halfway.
    async fn catch_up(&self, walk: &mut Walk) -> anyhow::Result<()> {
        let (mut records, mut ahead) = ((**self.records.load()).clone(), walk.clone());
        if let Err(broken) = self.store.catch_up(&mut records, &mut ahead).await? {
            self.found_broken(&broken);
        }
        *walk = ahead;
        self.adopt(records);
        Ok(())
    }

    /// Somebody else wrote up to `seq`: reads on. Where that much is not there, or less than was read before, the file was
    /// cut or replaced, and trying again would never end.
    async fn move_on(&self, walk: &mut Walk, seq: u64) -> anyhow::Result<()> {
        let before = self.records.load().seq;
        if seq > before {
            self.catch_up(walk).await?;
        }
        let found = self.records.load().seq.min(seq);
        let expected = seq.max(before);
        if found < expected {
            self.found_broken(&Break::Truncated { expected, found });
        }
        self.whole()
    }

    /// Said once: whoever reads on would come upon it again and again.
    fn found_broken(&self, broken: &Break) {
        if self.journal_break.load().is_none() {
            tracing::error!(%broken, "the journal is broken");
            self.journal_break.store(Arc::new(Some(broken.to_string())));
        }
    }

    /// # Errors
    /// Where the journal is broken: nothing may be added to it then.
    fn whole(&self) -> anyhow::Result<()> {
        match &**self.journal_break.load() {
            Some(broken) => Err(anyhow::anyhow!("the journal is broken ({broken}); nothing is accepted until it is restored")),
            None => Ok(()),
        }
    }

    fn adopt(&self, records: Records) {
        let seq = records.seq;
        self.records.store(Arc::new(records));
        self.changed.send_if_modified(|changed| std::mem::replace(&mut changed.seq, seq) != seq);
    }

    /// The plan for a wish, made from facts that are as fresh as the watchers have them.
    fn plan_for(&self, wish: &Wish) -> Result<Option<Plan>, Fault> {
        let picture = self.picture();
        match wish {
            Wish::Request { kind, cluster, node, .. } => match picture.plan(*kind, cluster, node.as_ref()) {
                Some(plan) => Ok(Some(plan)),
                None if picture.estate.cluster(cluster).is_none() => Err(Fault::NotFound { what: "cluster".to_owned(), id: cluster.to_string() }),
                None => Err(Fault::BadInput("name the node, and wait until the cluster was looked at once".to_owned())),
            },
            Wish::RequestTraffic { service, mode, to, .. } => {
                let missing = || Fault::NotFound { what: "service".to_owned(), id: service.to_string() };
                Ok(Some(picture.traffic_plan(service, *mode, Some(to)).ok_or_else(missing)?))
            }
            Wish::RequestEvacuation { region, mode, .. } => {
                let missing = || Fault::NotFound { what: "region".to_owned(), id: region.to_string() };
                Ok(Some(picture.evacuation_plan(region, *mode).ok_or_else(missing)?))
            }
            Wish::RequestRestore { wish, .. } => {
                let missing = || Fault::NotFound { what: "backup".to_owned(), id: wish.backup.to_string() };
                Ok(Some(picture.restore_plan(wish).ok_or_else(missing)?))
            }
            Wish::Approve { operation, .. } => {
                let operation =
                    picture.operation(operation).ok_or_else(|| Fault::NotFound { what: "operation".to_owned(), id: operation.to_string() })?;
                Ok(Some(picture.replan(operation).ok_or_else(|| Fault::Refused("what this operation is about is not declared any more".to_owned()))?))
            }
            Wish::Decline { .. }
            | Wish::Cancel { .. }
            | Wish::Resume { .. }
            | Wish::Close { .. }
            | Wish::Skip { .. }
            | Wish::Escalate { .. }
            | Wish::Commit { .. }
            | Wish::Abort { .. }
            | Wish::Acknowledge { .. }
            | Wish::Restrain { .. }
            | Wish::Release { .. }
            | Wish::Backup { .. }
            | Wish::Runbook { .. }
            | Wish::Run { .. }
            | Wish::StartRun { .. }
            | Wish::StartTest { .. }
            | Wish::DrTest { .. } => Ok(None),
        }
    }
}

#[async_trait]
impl Port for Desk {
    async fn look(&self, viewer: &Viewer) -> Result<Picture, Fault> {
        allowed(&self.records.load(), viewer, Permission::Look)?;
        Ok(self.picture())
    }

    async fn act(&self, viewer: &Viewer, wish: Wish) -> Result<(), Fault> {
        let plan = self.plan_for(&wish)?;
        let command = match wish {
            Wish::StartRun { id, name, version, values, reason } => self.start_of_a_run(viewer, id, &name, version, &values, reason)?,
            other => command(&self.picture(), other, plan)?,
        };
        match self.act(&Actor::Person(viewer.name.clone()), command).await {
            Ok(_) => Ok(()),
            Err(ActError::Refused(refusal)) => Err(Fault::Refused(refusal.to_string())),
            Err(ActError::Broken(error)) => Err(broken(&error)),
        }
    }

    async fn history(&self, viewer: &Viewer, query: HistoryQuery) -> Result<Vec<Entry>, Fault> {
        allowed(&self.records.load(), viewer, Permission::Look)?;
        let limit = query.limit.clamp(1, 200);
        self.store.history(query.before, limit, query.operation).await.map_err(|error| broken(&error))
    }

    async fn probes(&self, viewer: &Viewer, query: ProbesQuery) -> Result<Vec<Track>, Fault> {
        allowed(&self.records.load(), viewer, Permission::Look)?;
        self.tracks(&query.of, query.period).await.map_err(|error| broken(&error))
    }

    async fn replay(&self, viewer: &Viewer, query: ProbesQuery, proposals: Vec<Proposal>) -> Result<Vec<Replayed>, Fault> {
        allowed(&self.records.load(), viewer, Permission::Look)?;
        self.replayed(query, proposals).await.map_err(|error| broken(&error))
    }

    fn recent(&self, viewer: &Viewer, of: &[Subject]) -> Result<Vec<Vec<Mark>>, Fault> {
        allowed(&self.records.load(), viewer, Permission::Look)?;
        let now = now();
        Ok(of.iter().map(|of| self.history.recent(of, now)).collect())
    }

    async fn notifications(&self, viewer: &Viewer) -> Result<Notifications, Fault> {
        allowed(&self.records.load(), viewer, Permission::Look)?;
        self.notifications().await.map_err(|error| broken(&error))
    }
    async fn test_channel(&self, viewer: &Viewer, channel: ChannelName) -> Result<(), Fault> {
        Ok(self.test_channel(&Actor::Person(viewer.name.clone()), channel).await?)
    }
    async fn acknowledge_incident(&self, viewer: &Viewer, incident: IncidentKey, reason: String) -> Result<(), Fault> {
        Ok(self.acknowledge_incident(&Actor::Person(viewer.name.clone()), incident, reason).await?)
    }

    fn new_id(&self) -> OperationId {
        OperationId(uuid::Uuid::now_v7())
    }
}

/// The viewer's roles as they are now, not as they were when the page was opened.
fn allowed(records: &Records, viewer: &Viewer, permission: Permission) -> Result<(), Fault> {
    if engine::access::may(&records.roles_of(&viewer.name), permission) {
        Ok(())
    } else {
        Err(Fault::Refused(format!("{} may not {permission}", viewer.name)))
    }
}

pub(crate) fn broken(error: &anyhow::Error) -> Fault {
    tracing::error!(error = format!("{error:#}"), "a request failed");
    Fault::Broken(format!("{error:#}"))
}

fn command(picture: &Picture, wish: Wish, plan: Option<Plan>) -> Result<Command, Fault> {
    let made = plan.map(Box::new).ok_or_else(|| Fault::Broken("a plan was needed and not made".to_owned()));
    Ok(match wish {
        Wish::Request { id, plan_hash, reason, accept_loss, override_blockers, .. } => {
            Command::RequestOperation { id, plan: made?, shown_hash: plan_hash, reason, accept_loss, override_blockers }
        }
        // Sending clients elsewhere moves no data, so there is no loss to accept.
        Wish::RequestTraffic { id, plan_hash, reason, override_blockers, .. } => {
            Command::RequestOperation { id, plan: made?, shown_hash: plan_hash, reason, accept_loss: false, override_blockers }
        }
        Wish::RequestEvacuation { id, plan_hash, reason, accept_loss, override_blockers, .. } => {
            Command::RequestOperation { id, plan: made?, shown_hash: plan_hash, reason, accept_loss, override_blockers }
        }
        Wish::RequestRestore { id, plan_hash, reason, override_blockers, .. } => {
            Command::RequestOperation { id, plan: made?, shown_hash: plan_hash, reason, accept_loss: false, override_blockers }
        }
        Wish::Approve { operation, plan_hash, accept_loss, reason } => {
            Command::Approve { operation, shown_hash: plan_hash, plan_now: made?, accept_loss, reason }
        }
        Wish::Decline { operation, reason } => Command::Decline { operation, reason },
        Wish::Cancel { operation, reason } => Command::Cancel { operation, reason },
        Wish::Resume { operation, reason } => Command::Resume { operation, reason },
        Wish::Close { operation, reason } => Command::Close { operation, reason },
        Wish::Skip { operation, reason } => Command::Skip { operation, reason },
        Wish::Escalate { operation, reason } => Command::Escalate { operation, reason },
        Wish::Commit { operation, reason } => Command::Commit { operation, reason },
        Wish::Abort { operation, reason } => Command::Abort { operation, reason },
        Wish::Acknowledge { operation, reason } => Command::Acknowledge { operation, reason },
        Wish::Restrain { what, until, reason } => Command::Restrain { what, until, reason },
        Wish::Release { what, reason } => Command::Release { what, reason },
        Wish::Backup { policy, id, command } => Command::Backup { policy, id, command },
        Wish::Runbook { name, command } => Command::Runbook { name, command },
        Wish::Run { id, command } => Command::Run { id, command },
        Wish::StartRun { .. } => return Err(Fault::Broken("the beginning of a run was not made".to_owned())),
        Wish::StartTest { run, scenario, shown_version, override_gates, accept_loss, reason } => {
            let missing = || Fault::NotFound { what: "scenario".to_owned(), id: scenario.to_string() };
            let scenario = picture.estate.scenario(&scenario).ok_or_else(missing)?;
            let (targets, gates) = (gates::targets(&picture.estate, scenario), gates::check(picture, scenario));
            let scenario = Box::new(scenario.clone());
            Command::DrTest { run, command: TestCommand::Request { scenario, shown_version, targets, gates, override_gates, accept_loss, reason } }
        }
        // What a run is asked to be is for the desk to say, from what is declared.
        Wish::DrTest { command: TestCommand::Request { .. }, .. } => return Err(Fault::BadInput("a run is started by its scenario".to_owned())),
        Wish::DrTest { run, command } => Command::DrTest { run, command },
    })
}

/// What was asked for, in the words of the journal.
fn describe(command: &Command) -> String {
    match command {
        Command::RequestOperation { plan, .. } => {
            let target = plan.target_in_words().unwrap_or_else(|| "nowhere".to_owned());
            format!("request a {} ({}) of {} to {target}", plan.kind, plan.mode(), plan.scope().name())
        }
        Command::Approve { operation, .. } => format!("approve operation {operation}"),
        Command::Decline { operation, .. } => format!("decline operation {operation}"),
        Command::Cancel { operation, .. } => format!("cancel operation {operation}"),
        Command::Resume { operation, .. } => format!("resume operation {operation}"),
        Command::Close { operation, .. } => format!("close operation {operation}"),
        Command::Skip { operation, .. } => format!("leave a step of operation {operation} out"),
        Command::Escalate { operation, .. } => format!("make operation {operation} an emergency"),
        Command::Commit { operation, .. } => format!("commit operation {operation}"),
        Command::Abort { operation, .. } => format!("stop operation {operation}"),
        Command::Acknowledge { operation, .. } => format!("acknowledge operation {operation}"),
        Command::Restrain { what, .. } => format!("have it that {}", what.in_words()),
        Command::Release { what, .. } => format!("end it that {}", what.in_words()),
        Command::AcknowledgeIncident { incident, .. } => format!("acknowledge the incident {incident}"),
        Command::Backup { policy, id, command } => format!("{} the backup {} of {policy}", command.in_words(), id.short()),
        Command::Runbook { name, command } => format!("{} the runbook {name}", command.in_words()),
        Command::Run { id, command } => format!("{} the run {}", command.in_words(), id.short()),
        Command::DrTest { run, command } => format!("{} the DR test run {}", command.in_words(), run.short()),
        Command::TestChannel { channel } => format!("send a test through the channel {channel}"),
        Command::AddAccount { name, .. } => format!("add the account {name}"),
        Command::SetRoles { name, .. } => format!("set the roles of {name}"),
        Command::DisableAccount { name } => format!("disable the account {name}"),
        Command::ResetPassword { name } => format!("reset the password of {name}"),
    }
}

/// The server's clock, cut to the milliseconds the journal keeps.
fn now() -> engine::time::Instant {
    let now = chrono::Utc::now();
    chrono::DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now)
}
