//! Backups taken by real tools, of a real PostgreSQL cluster and of what else there is: copied, damaged, restored on a real scratch server.

mod faults;
mod log;
mod others;
#[allow(dead_code, reason = "the labs of other tests do more")]
#[path = "../failover/place.rs"]
mod place;
mod proofs;
mod restore;
mod safe;
mod tools;
mod trouble;

use engine::{
    backups::{
        Backup, BackupState, ProofLevel, ProofResult,
        ledger::{BackupCommand, BackupEvent},
    },
    estate::Estate,
    findings::{self, Finding},
    id::{AccountName, BackupId, PolicyId, ProofId},
    journal::{Actor, Command, Event},
    picture::Picture,
};
use place::{Lab, id};
use server::{
    backups,
    config::Config,
    connections::Connections,
    desk::{ActError, Desk},
    run,
    store::Store,
    watch::{self, Beats},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// Longer than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(150);
pub const WHOLE: &str = "user-database-daily";
pub const DUMP: &str = "user-database-dump";

/// Lifeboat without its pages, in this process.
pub struct Server {
    pub desk: Arc<Desk>,
    pub config: Config,
}

impl Server {
    pub async fn start(lab: &Lab, change: impl FnOnce(&mut Estate)) -> Self {
        let server = Self::of(&lab.folder.join("lifeboat.toml"), change).await;
        server.until("the primary is known", |picture| picture.cluster(&place::users()).is_some_and(|(_, view)| view.writable().len() == 1)).await;
        server
    }

    /// Of any configuration.
    pub async fn of(config: &std::path::Path, change: impl FnOnce(&mut Estate)) -> Self {
        let config = Config::read(config).unwrap();
        let (mut estate, _) = config.read_estate().unwrap();
        // It fires every five minutes; a test that wants it declares one of its own.
        estate.backup_policies.retain(|policy| policy.id.as_str() != log::LOG);
        change(&mut estate);
        let connections = Connections::new(&config, &estate).unwrap();
        let desk = Arc::new(Desk::open(Store::open(&config.data).await.unwrap(), estate).await.unwrap());
        let watching = watch::start(desk.clone(), Arc::new(connections), &Arc::new(Beats::of(desk.estate()))).await.unwrap();
        let connections = Connections::new(&config, desk.estate()).unwrap();
        let (backups, _) = backups::start(desk.clone(), &config, &connections, &watching).unwrap();
        drop(run::start(desk.clone(), Arc::new(connections), Some(backups), None));
        // Observers would speak through it; here nobody does.
        std::mem::forget(watching);
        Self { desk, config }
    }

    /// Looks at the store of a server that runs elsewhere, and asks it for things.
    pub async fn look_on(lab: &Lab) -> Self {
        let config = Config::read(&lab.folder.join("lifeboat.toml")).unwrap();
        let (estate, _) = config.read_estate().unwrap();
        let desk = Arc::new(Desk::open(Store::open(&config.data).await.unwrap(), estate).await.unwrap());
        Self { desk, config }
    }

    pub fn picture(&self) -> Picture {
        self.desk.picture()
    }
    pub async fn until_some<T>(&self, what: &str, found: impl Fn(&Picture) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let picture = self.picture();
            if let Some(found) = found(&picture) {
                return found;
            }
            assert!(Instant::now() < deadline, "never came true: {what}\n{:#?}\n{:#?}", picture.records.backups, picture.observed.backups);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    pub async fn until(&self, what: &str, holds: impl Fn(&Picture) -> bool) {
        self.until_some(what, |picture| holds(picture).then_some(())).await;
    }

    pub async fn act(&self, policy: &str, backup: BackupId, command: BackupCommand) -> Result<(), ActError> {
        let command = Command::Backup { policy: id(policy), id: backup, command };
        self.desk.act(&Actor::Person(id::<AccountName>("olga")), command).await.map(|_| ())
    }
    /// olga starts a job.
    pub async fn begin(&self, policy: &str) -> BackupId {
        let backup = BackupId(uuid::Uuid::now_v7());
        let kind = engine::backups::BackupType::Full;
        self.act(policy, backup, BackupCommand::Start { kind, reason: "before the upgrade".to_owned() }).await.unwrap();
        backup
    }
    pub fn backup(&self, policy: &str, backup: BackupId) -> Option<Arc<Backup>> {
        self.picture().records.backups.get(&id::<PolicyId>(policy), &backup).cloned()
    }
    /// Waits for the end of a job.
    pub async fn ended(&self, policy: &str, backup: BackupId) -> Arc<Backup> {
        let over =
            |picture: &Picture| picture.records.backups.get(&id(policy), &backup).filter(|backup| backup.state != BackupState::Running).cloned();
        self.until_some("the job has ended", over).await
    }
    pub async fn back_up(&self, policy: &str) -> Arc<Backup> {
        let backup = self.begin(policy).await;
        self.ended(policy, backup).await
    }
    /// Waits for the result of the newest proof of a backup, however it began.
    pub async fn proven(&self, backup: &Backup, at_least: usize) -> ProofResult {
        let last = |picture: &Picture| {
            let known = picture.records.backups.get(&backup.policy, &backup.id)?;
            let (_, result) = known.proofs.last().filter(|_| known.proofs.len() >= at_least)?.ended.clone()?;
            Some(result)
        };
        self.until_some("the proof has ended", last).await
    }
    /// olga has a copy proven.
    pub async fn prove(&self, backup: &Backup, from: &str) -> ProofResult {
        let before = self.until_some("no proof runs", |picture| {
            let known = picture.records.backups.get(&backup.policy, &backup.id)?;
            known.running_proof().is_none().then_some(known.proofs.len())
        });
        let before = before.await;
        let proof = ProofId(uuid::Uuid::now_v7());
        let command = BackupCommand::Prove { proof, from: id(from), wanted: ProofLevel::Answers, reason: "an audit".to_owned() };
        self.act(backup.policy.as_str(), backup.id, command).await.unwrap();
        self.proven(backup, before + 1).await
    }
    pub fn findings(&self, policy: &str) -> Vec<Finding> {
        findings::backups::of_policy(&self.picture(), &id(policy))
    }
    /// The folder of a copy.
    pub fn copy(&self, backup: &Backup, destination: &str) -> PathBuf {
        let url = &self.config.destination[&id(destination)].url;
        PathBuf::from(url.strip_prefix("file://").unwrap()).join(backup.policy.as_str()).join(backup.id.to_string())
    }
    /// What is left where jobs and proofs work.
    pub fn left_at_work(&self) -> Vec<String> {
        let work = self.config.backups.work.as_ref().unwrap();
        let folders = std::fs::read_dir(work).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mark = format!("LIFEBOAT_WORK={}", work.display());
        let at_work = |entry: &std::fs::DirEntry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let programs = std::fs::read_dir("/proc").unwrap().flatten().filter(at_work).map(|entry| format!("process {}", entry.file_name().display()));
        folders.chain(programs).collect()
    }
    /// What the journal says of a backup, in order.
    pub async fn story(&self, backup: BackupId) -> Vec<BackupEvent> {
        let entries = self.desk.store().history(None, 200, None).await.unwrap();
        let of = |event: Event| match event {
            Event::Backup { id, what, .. } if id == backup => Some(*what),
            _ => None,
        };
        entries.into_iter().rev().filter_map(|entry| of(entry.event)).collect()
    }
}
