//! Backups: starts jobs when they are due, proves what they left, deletes what may be deleted, and looks whether what was
//! stored is still there. What is to be done is the engine's to say; here it is done, and written down before and after.
//!
//! A server that was killed in the middle leaves a job that failed and a proof that says nothing: both begin anew by their
//! schedules. Half a copy never counts, since only the journal says which are whole.

use crate::{
    config::{Config, sources::ListingSettings},
    connect::{objects::Destination, postgres::Address},
    connections::Connections,
    desk::Desk,
    watch::{Sighting, Watching},
};
use anyhow::Context as _;
use engine::{
    backups::{
        Backup, BackupState, Fault, ProofFailure, ProofLevel, ProofResult, Trigger,
        health::{next_to_prove, to_prove},
        ledger::BackupEvent,
        schedule::Schedule,
        sights::{BackupSights, Progress, Stage},
    },
    estate::{BackupPolicy, BackupSource},
    id::{BackupId, ClusterId, DestinationId, OperationId, PolicyId, ProofId},
    journal::{Actor, Event},
    picture::Picture,
    time::{Instant, Span},
};
use keeper::Keeper;
use quiet::Quiet;
use restore::Place;
use setup::Found;
use source::AnySource;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tidy::Refusal;
use tokio::{sync::mpsc::Sender, task::JoinHandle, time::MissedTickBehavior};
use work::Work;

mod again;
mod checks;
mod daemon;
mod fetch;
mod job;
mod keeper;
mod login;
mod observed;
mod proof;
mod quiet;
mod restore;
mod scratch;
mod setup;
mod source;
mod tidy;
mod work;

/// How often the calendar is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often tools and destinations are looked at.
const CHECKED_EVERY: Duration = Duration::from_secs(60);
/// How long to wait before the journal is tried again.
const TRIES_AGAIN: Duration = Duration::from_secs(5);
/// What is said of work that a mistake in the product has ended.
const MISTAKE: &str = "the product failed in the middle of it; look at the server's log";
/// So many jobs run at once; others wait for their turn.
const JOBS_AT_ONCE: usize = 2;
/// Proofs unpack whole databases: one at a time.
const PROOFS_AT_ONCE: usize = 1;

/// What jobs, proofs, restores and the tidying share.
pub struct Backups {
    desk: Arc<Desk>,
    nodes: BTreeMap<(ClusterId, engine::id::NodeId), Address>,
    sources: Found<PolicyId, AnySource>,
    /// Tools that keep their backups themselves, for the policies that they back up.
    keepers: Found<PolicyId, AnyKeeper>,
    destinations: Found<DestinationId, Destination>,
    listings: Found<String, ListingSettings>,
    work: Work,
    /// Where backups are restored to; absent where nowhere.
    restores: Option<Result<Place, String>>,
    run_as: Option<(u32, u32)>,
    sightings: Sender<Sighting>,
    sights: Mutex<BackupSights>,
    /// What the last reading of each list came to: the tool, or why it says nothing.
    lists: Mutex<BTreeMap<PolicyId, Result<String, String>>>,
    /// Destinations that refused a deletion, until they answer.
    refusing: Mutex<BTreeMap<DestinationId, Refusal>>,
    /// Continuous policies whose last fires found nothing new, which is not written down: that fire, and when it was found.
    quiet: Mutex<BTreeMap<PolicyId, Quiet>>,
    /// Fires of continuous policies that have something new.
    news: Mutex<BTreeMap<PolicyId, Instant>>,
    /// What this process is at; the journal knows what runs, and not by whom.
    at_work: Mutex<BTreeSet<AtWork>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AtWork {
    Job(BackupId),
    Proof(ProofId),
    Deletion(BackupId),
    Sweep(BackupId),
    Again(BackupId),
    /// By the hash of its policy's name.
    Asking(u64),
    Refusing,
    Lists,
    Checks,
    Copies,
}

type AnyKeeper = Arc<dyn Keeper>;

/// Starts everything about backups. What is returned is what restores them, and the task, which ends only where it has failed.
///
/// # Errors
/// Where the work folder cannot be used.
pub fn start(desk: Arc<Desk>, config: &Config, connections: &Connections, watching: &Watching) -> anyhow::Result<(Arc<Backups>, JoinHandle<()>)> {
    let estate = desk.estate().clone();
    let run_as = config.backups.identity()?;
    let root = config.backups.work.clone().unwrap_or_else(|| config.data.join("backups"));
    let backups = Arc::new(Backups {
        nodes: connections.nodes.clone(),
        sources: setup::sources(config, &estate),
        keepers: setup::keepers(config, &estate),
        destinations: setup::destinations(config, &estate),
        listings: observed::listings(config, &estate),
        work: Work::open(root, run_as).context("backups cannot be made")?,
        restores: config.backups.restores.clone().map(|root| Place::new(root, run_as).map_err(|error| format!("{error:#}"))),
        run_as,
        desk,
        sightings: watching.sightings.clone(),
        sights: Mutex::default(),
        lists: Mutex::default(),
        refusing: Mutex::default(),
        quiet: Mutex::default(),
        news: Mutex::default(),
        at_work: Mutex::default(),
    });
    let task = tokio::spawn(backups.clone().run());
    Ok((backups, task))
}

/// A proof that could not be carried out.
fn said_nothing(why: &str) -> ProofResult {
    let failure = Some(ProofFailure { level: ProofLevel::Exists, why: why.to_owned(), fault: Fault::Surroundings });
    ProofResult { rungs: Vec::new(), failure, restore_took: None, recovered_to: None }
}

impl Backups {
    async fn run(self: Arc<Self>) {
        let mut changed = self.desk.listen();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checks = tokio::time::interval(CHECKED_EVERY);
        let mut tidying = tokio::time::interval(tidy::EVERY);
        let mut refusing = tokio::time::interval(TRIES_AGAIN);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.reckon(),
                told = changed.changed() => {
                    if told.is_err() {
                        return;
                    }
                }
                _ = checks.tick() => {
                    self.spawn(AtWork::Checks, |this| async move { this.check().await; Ok(()) });
                    self.spawn(AtWork::Lists, |this| this.read_lists());
                }
                _ = refusing.tick() => self.spawn(AtWork::Refusing, |this| async move { this.ask_who_refused().await; Ok(()) }),
                _ = tidying.tick() => self.spawn(AtWork::Copies, |this| async move { this.look_for_copies().await }),
            }
            if let Err(error) = self.go_on().await {
                tracing::error!(error = format!("{error:#}"), "the journal cannot take what backups have to say; trying again");
            }
            self.publish().await;
        }
    }

    /// Everything that is to be begun now.
    async fn go_on(self: &Arc<Self>) -> anyhow::Result<()> {
        let picture = self.desk.picture();
        if picture.journal_break.is_some() || picture.read_only {
            return Ok(());
        }
        self.adopt(&picture).await?;
        for policy in &picture.estate.backup_policies {
            if policy.source == BackupSource::Reported {
                self.end_what_fell_silent(policy).await?;
            } else if policy.source.is_made_here() {
                self.end_what_was_left(&picture, policy).await?;
                self.fire(&picture, policy).await?;
            }
        }
        // What was just begun is in a newer picture.
        let picture = self.desk.picture();
        for policy in &picture.estate.backup_policies {
            self.take_up(&picture, policy).await?;
        }
        Ok(())
    }

    async fn adopt(&self, picture: &Picture) -> anyhow::Result<()> {
        let unknown = |picture: &Picture| -> Vec<Event> {
            let policies = picture.estate.backup_policies.iter().map(|policy| &policy.id);
            policies.filter(|id| picture.records.backups.policy(id).is_none()).map(|id| Event::BackupPolicyAdopted { policy: id.clone() }).collect()
        };
        if !unknown(picture).is_empty() {
            self.desk.record(&Actor::Lifeboat, unknown).await?;
        }
        Ok(())
    }

    /// What runs by the journal and not in this process was left by a server that stopped.
    async fn end_what_was_left(self: &Arc<Self>, picture: &Picture, policy: &BackupPolicy) -> anyhow::Result<()> {
        const WHY: &str = "the server stopped in the middle of it";
        for backup in picture.records.backups.of(&policy.id) {
            if backup.state == BackupState::Running && !self.is_at(AtWork::Job(backup.id)) && self.is_before(backup.started_at) {
                self.note(backup, BackupEvent::Failed { why: WHY.to_owned() }).await?;
                // A destination that does not answer must not hold the calendar up.
                let left = backup.clone();
                self.spawn(AtWork::Sweep(left.id), |this| async move {
                    this.sweep(&left).await;
                    Ok(())
                });
            }
            if let Some(proof) = backup.running_proof().filter(|proof| !self.is_at(AtWork::Proof(proof.id)) && self.is_before(proof.started_at)) {
                self.note(backup, BackupEvent::ProofEnded { proof: proof.id, result: said_nothing(WHY) }).await?;
            }
        }
        Ok(())
    }

    /// A job of its own that began and says nothing more has failed when its grace is over (row 16).
    async fn end_what_fell_silent(&self, policy: &BackupPolicy) -> anyhow::Result<()> {
        let silent = |picture: &Picture| -> Vec<Event> {
            let running = picture.records.backups.running(&policy.id);
            let silent = running.filter(|running| Span::between(running.started_at, picture.now) > policy.grace);
            let why = format!("it said that it began, and nothing more for {}", policy.grace);
            silent
                .map(|silent| Event::Backup { policy: policy.id.clone(), id: silent.id, what: Box::new(BackupEvent::Failed { why }) })
                .into_iter()
                .collect()
        };
        if !silent(&self.desk.picture()).is_empty() {
            self.desk.record(&Actor::Lifeboat, silent).await?;
        }
        Ok(())
    }

    /// Whether something began before this process watched.
    fn is_before(&self, at: Instant) -> bool {
        self.desk.picture().observed.since.is_some_and(|since| at < since)
    }

    /// Begins a job whose time has come, once for all the times that were missed. It is begun when it can run at once.
    async fn fire(self: &Arc<Self>, picture: &Picture, policy: &BackupPolicy) -> anyhow::Result<()> {
        let Some(record) = picture.records.backups.policy(&policy.id) else { return Ok(()) };
        let Ok(schedule) = Schedule::of(policy) else { return Ok(()) };
        let fired = record.backups.iter().rev().find_map(|backup| match backup.trigger {
            Trigger::Schedule { fire, .. } => Some(fire),
            Trigger::Asked { .. } | Trigger::Reported => None,
        });
        let quiet = self.quiet_of(&policy.id);
        let fired = fired.max(quiet.map(|quiet| quiet.fire));
        let Some((fire, missed)) = schedule.missed(fired.unwrap_or(record.since), picture.now) else { return Ok(()) };
        if !self.may_begin(picture, policy) || self.asks_for_news(picture, policy, fire) {
            return Ok(());
        }
        let id = BackupId(uuid::Uuid::now_v7());
        let begin = |picture: &Picture| {
            if picture.records.backups.running(&policy.id).is_some() || picture.read_only {
                return Vec::new();
            }
            let what = BackupEvent::Started { kind: policy.kind, trigger: Trigger::Schedule { fire, missed } };
            vec![Event::Backup { policy: policy.id.clone(), id, what: Box::new(what) }]
        };
        self.desk.record(&Actor::Lifeboat, begin).await?;
        Ok(())
    }

    /// Whether there is room for one more job: not too many at once, and one of a cluster.
    fn may_begin(&self, picture: &Picture, policy: &BackupPolicy) -> bool {
        let runs = |other: &&BackupPolicy| other.source.is_made_here() && picture.records.backups.running(&other.id).is_some();
        let running: Vec<&BackupPolicy> = picture.estate.backup_policies.iter().filter(runs).collect();
        let busy = policy.source.cluster().is_some_and(|cluster| running.iter().any(|other| other.source.cluster() == Some(cluster)));
        running.len() < JOBS_AT_ONCE && !busy
    }

    /// Takes up what the journal says is to be done and nobody is at.
    async fn take_up(self: &Arc<Self>, picture: &Picture, policy: &BackupPolicy) -> anyhow::Result<()> {
        let backups = picture.records.backups.of(&policy.id);
        for backup in backups {
            match backup.state {
                BackupState::Running if policy.source.is_made_here() => {
                    let (policy, backup) = (policy.clone(), backup.clone());
                    self.spawn(AtWork::Job(backup.id), |this| async move {
                        let failed = BackupEvent::Failed { why: MISTAKE.to_owned() };
                        this.clone().to_its_end(backup.clone(), failed, job::run(this, policy, backup)).await
                    });
                }
                BackupState::Deleting if policy.source.is_made_here() && self.may_delete(backup) => {
                    let backup = backup.clone();
                    self.spawn(AtWork::Deletion(backup.id), |this| async move { this.delete(&backup).await });
                }
                BackupState::Running | BackupState::Completed | BackupState::Failed | BackupState::Deleting => {}
            }
            if let Some(running) = backup.running_proof().filter(|_| self.count(|at| matches!(at, AtWork::Proof(_))) < PROOFS_AT_ONCE) {
                let (policy, backup, id) = (policy.clone(), backup.clone(), running.id);
                self.spawn(AtWork::Proof(id), |this| async move {
                    let failed = BackupEvent::ProofEnded { proof: id, result: said_nothing(MISTAKE) };
                    this.clone().to_its_end(backup.clone(), failed, proof::run(this, policy, backup, id)).await
                });
            }
        }
        if self.count(|at| matches!(at, AtWork::Proof(_))) < PROOFS_AT_ONCE {
            self.prove_what_is_due(picture, policy).await?;
        }
        self.make_copies_again(picture, policy);
        if matches!(policy.source, BackupSource::Observed { .. }) {
            // What others made is theirs to delete.
            return Ok(());
        }
        self.expire(policy).await
    }

    async fn prove_what_is_due(&self, picture: &Picture, policy: &BackupPolicy) -> anyhow::Result<()> {
        if to_prove(policy, picture.records.backups.of(&policy.id), picture.now).is_none() {
            return Ok(());
        }
        let proof = ProofId(uuid::Uuid::now_v7());
        let begin = |picture: &Picture| -> Vec<Event> {
            let backups = picture.records.backups.of(&policy.id);
            let due = to_prove(policy, backups, picture.now).and_then(|id| backups.iter().find(|backup| backup.id == id));
            let wanted = policy.verification.as_ref().map(|verification| verification.level);
            let (Some(backup), Some(wanted)) = (due, wanted) else { return Vec::new() };
            let Some(from) = next_to_prove(policy, backups, backup) else { return Vec::new() };
            let what = BackupEvent::ProofStarted { proof, from, wanted, reason: "a proof is due".to_owned() };
            vec![Event::Backup { policy: policy.id.clone(), id: backup.id, what: Box::new(what) }]
        };
        self.desk.record(&Actor::Lifeboat, begin).await?;
        Ok(())
    }

    /// Writes down what happened to a backup, unless it is gone meanwhile; of copies, unless they are being deleted.
    async fn note(&self, backup: &Backup, what: BackupEvent) -> anyhow::Result<()> {
        let (policy, id) = (backup.policy.clone(), backup.id);
        let event = |picture: &Picture| {
            let is_about_copies = matches!(what, BackupEvent::CopyStored { .. } | BackupEvent::CopyFailed { .. } | BackupEvent::CopyMissing { .. });
            let known = picture.records.backups.get(&policy, &id);
            if known.is_some_and(|known| !is_about_copies || matches!(known.state, BackupState::Running | BackupState::Completed)) {
                vec![Event::Backup { policy: policy.clone(), id, what: Box::new(what.clone()) }]
            } else {
                Vec::new()
            }
        };
        self.desk.record(&Actor::Lifeboat, event).await.map(|_| ())
    }

    /// Waits for work on a backup. Where it comes to no end of its own, `failed` is written down, and nothing else is tried until
    /// that is: what is begun again by itself would be begun again and again.
    async fn to_its_end(
        self: Arc<Self>,
        backup: Arc<Backup>,
        failed: BackupEvent,
        work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> anyhow::Result<()> {
        let ended = tokio::spawn(work).await;
        self.seen(|sights| drop(sights.progress.remove(&backup.id)));
        let why = match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) => error.to_string(),
        };
        tracing::error!(why, backup = %backup.id, "work on a backup did not come to its end");
        while let Err(error) = self.note(&backup, failed.clone()).await {
            tracing::error!(error = format!("{error:#}"), backup = %backup.id, "that it failed cannot be written down; trying again");
            tokio::time::sleep(TRIES_AGAIN).await;
        }
        Ok(())
    }

    /// The tool that keeps the backups of a policy itself, where there is one.
    fn keeper(&self, policy: &PolicyId) -> Option<anyhow::Result<&AnyKeeper>> {
        Some(self.keepers.get(policy)?.as_ref().map_err(|why| anyhow::anyhow!("{why}")))
    }

    fn source(&self, policy: &PolicyId) -> anyhow::Result<&AnySource> {
        match self.sources.get(policy) {
            Some(Ok(source)) => Ok(source),
            Some(Err(why)) => anyhow::bail!("{why}"),
            None => anyhow::bail!("{policy} is backed up by a job of its own"),
        }
    }
    fn destination(&self, id: &DestinationId) -> anyhow::Result<&Destination> {
        match self.destinations.get(id) {
            Some(Ok(destination)) => Ok(destination),
            Some(Err(why)) => anyhow::bail!("{why}"),
            None => anyhow::bail!("the destination {id} is not declared"),
        }
    }

    /// Changes what is observed; `publish` passes it on.
    fn seen(&self, change: impl FnOnce(&mut BackupSights)) {
        change(&mut self.sights.lock().unwrap_or_else(PoisonError::into_inner));
    }
    fn at_stage(&self, id: BackupId, stage: Stage, bytes: u64, total: Option<u64>) {
        let now = chrono::Utc::now();
        self.seen(|sights| {
            let since = sights.progress.get(&id).filter(|known| known.stage == stage).map_or(now, |known| known.since);
            sights.progress.insert(id, Progress { stage, bytes, total, since });
        });
    }
    fn restoring_at(&self, id: OperationId, stage: Stage, bytes: u64, total: Option<u64>) {
        let now = chrono::Utc::now();
        self.seen(|sights| {
            let since = sights.restoring.get(&id).filter(|known| known.stage == stage).map_or(now, |known| known.since);
            sights.restoring.insert(id, Progress { stage, bytes, total, since });
        });
    }
    async fn publish(&self) {
        let seen = self.sights.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if *self.desk.picture().observed.backups != seen && self.sightings.send(Sighting::Backups(Arc::new(seen))).await.is_err() {
            tracing::warn!("nobody judges what is observed of backups any more");
        }
    }

    fn is_at(&self, what: AtWork) -> bool {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(&what)
    }
    fn count(&self, of: impl Fn(&AtWork) -> bool) -> usize {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|at| of(at)).count()
    }

    /// Does something once at a time.
    fn spawn<F>(self: &Arc<Self>, what: AtWork, work: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        if !self.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
            return;
        }
        let (this, working) = (self.clone(), work(self.clone()));
        tokio::spawn(async move {
            // A task of its own: what a mistake in the product has ended is still taken off the list.
            match tokio::spawn(working).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), ?what, "work on backups came to nothing"),
                Err(error) => tracing::error!(%error, ?what, "work on backups failed"),
            }
            this.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&what);
        });
    }
}
