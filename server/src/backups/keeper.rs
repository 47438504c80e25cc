//! Tools that keep their backups in repositories of their own: Lifeboat starts them, finds what they made by a mark that it carries
//! (the id of the backup), and asks them to check, restore and delete it. Each destination of the policy is a repository, and nothing
//! else is put there. Bytes that the tool stores are known to it alone, so there is no rung `checksum` for them.

use super::{
    Backups,
    source::{Broken, Climbed},
    work::Folder,
};
use anyhow::Context;
use async_trait::async_trait;
use engine::{
    backups::{Backup, BackupType, Contents, ProofLevel, StoredFile, ledger::BackupEvent, listing::Listed, sights::Stage},
    estate::{BackupPolicy, Verification},
    id::{BackupId, DestinationId},
};
use std::{
    sync::Arc,
    time::{Duration, Instant as Moment},
};
use tokio::sync::watch;

pub mod pgbackrest;
pub mod restic;

/// How long the tool may take to say what there is.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A list of backups is at most so long.
pub const LONGEST_LIST: usize = 32 * 1024 * 1024;

/// See the module. Every folder is one to work in, empty at first.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// The tool with its version.
    ///
    /// # Errors
    /// What is missing, and the package that brings it.
    async fn tool(&self) -> anyhow::Result<String>;

    /// What the repository has, by the tool's own list.
    ///
    /// # Errors
    /// It cannot be used, or its list cannot be understood.
    async fn list(&self, folder: &Folder, at: &DestinationId) -> anyhow::Result<Vec<Listed>>;

    /// Reads the source into the repository, under the mark of `id`. Returns how many bytes were read, where the tool says so only now.
    ///
    /// # Errors
    /// With the tool's own words. What it left carries the mark.
    async fn make(&self, folder: &Folder, order: &Making<'_>, at: &DestinationId) -> anyhow::Result<Option<u64>>;

    /// Has the same backup in a second repository.
    ///
    /// # Errors
    /// With the tool's own words.
    async fn copy(&self, folder: &Folder, order: &Making<'_>, from: &DestinationId, to: &DestinationId) -> anyhow::Result<()>;

    /// Deletes what the repository has under that name.
    ///
    /// # Errors
    /// With the tool's own words.
    async fn delete(&self, folder: &Folder, listed: &Listed, at: &DestinationId) -> anyhow::Result<()>;

    /// Climbs from `Readable` up to `wanted`.
    async fn climb(&self, folder: &Folder, listed: &Listed, at: &DestinationId, wanted: ProofLevel, verification: &Verification) -> Climbed;
}

/// What a tool is told of the job.
pub struct Making<'a> {
    pub id: BackupId,
    pub kind: BackupType,
    pub patience: Duration,
    pub progress: &'a watch::Sender<(u64, Option<u64>)>,
}

/// The backup with the mark.
pub async fn find(keeper: &dyn Keeper, folder: &Folder, id: BackupId, at: &DestinationId) -> anyhow::Result<Option<Listed>> {
    Ok(keeper.list(folder, at).await?.into_iter().find(|listed| listed.mark == Some(id)))
}

/// A folder for one small thing.
pub(super) fn apart(this: &Backups) -> anyhow::Result<Folder> {
    this.work.folder(&format!("look-{}", uuid::Uuid::now_v7()))
}

/// One job. The outer error is the journal's, the inner one the job's.
pub(super) async fn back_up(
    this: &Arc<Backups>,
    keeper: &dyn Keeper,
    policy: &BackupPolicy,
    backup: &Backup,
    folder: &Folder,
) -> anyhow::Result<anyhow::Result<()>> {
    let (progress, mut read) = watch::channel((0, None));
    let order = Making { id: backup.id, kind: backup.kind, patience: policy.timeout.as_std(), progress: &progress };
    let telling = async {
        while read.changed().await.is_ok() {
            let (bytes, total) = *read.borrow_and_update();
            this.at_stage(backup.id, Stage::Reading, bytes, total);
        }
        std::future::pending::<()>().await;
    };
    this.at_stage(backup.id, Stage::Reading, 0, None);
    let working = async {
        let mut made: Option<&DestinationId> = None;
        let mut complaints = Vec::new();
        for id in &policy.destinations {
            let done = match made {
                // The next one is tried where the first is out of reach.
                None => first(this, keeper, backup, folder, &order, id).await,
                Some(from) => {
                    this.at_stage(backup.id, Stage::Copying(id.clone()), 0, None);
                    copied(keeper, folder, &order, from, id).await
                }
            };
            match done {
                Ok(()) => {
                    made = made.or(Some(id));
                    this.note(backup, BackupEvent::CopyStored { destination: id.clone() }).await?;
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    complaints.push(format!("{id}: {why}"));
                    this.note(backup, BackupEvent::CopyFailed { destination: id.clone(), why }).await?;
                }
            }
        }
        if made.is_none() {
            return Ok(Err(anyhow::anyhow!("no repository took it: {}", complaints.join("; "))));
        }
        anyhow::Ok(Ok(()))
    };
    tokio::select! {
        worked = working => worked,
        () = telling => Ok(Err(anyhow::anyhow!("nobody reads"))),
    }
}

/// The first repository that takes it, and the record of what it took.
async fn first(this: &Backups, keeper: &dyn Keeper, backup: &Backup, folder: &Folder, order: &Making<'_>, id: &DestinationId) -> anyhow::Result<()> {
    let tool = keeper.tool().await?;
    let read = keeper.make(folder, order, id).await?;
    let listed = find(keeper, folder, order.id, id).await?.context("the tool said that it was done, and does not list it")?;
    if let Some(why) = listed.broken {
        anyhow::bail!("it is made, and {why}");
    }
    let source_bytes = listed.source_bytes.or(read);
    let bytes = source_bytes.or(listed.bytes);
    let files = bytes.map(|bytes| StoredFile { name: listed.label.clone(), bytes, sha256: String::new() }).into_iter().collect();
    let contents = Contents { files, tool, recoverable_to: listed.recoverable_to, source_bytes, wal: None, counts: Vec::new() };
    this.note(backup, BackupEvent::Taken { contents }).await
}

/// A copy in another repository, which counts when that one lists it.
pub(super) async fn copied(keeper: &dyn Keeper, folder: &Folder, order: &Making<'_>, from: &DestinationId, to: &DestinationId) -> anyhow::Result<()> {
    keeper.copy(folder, order, from, to).await?;
    find(keeper, folder, order.id, to).await?.map(|_| ()).context("the tool said that it was done, and does not list it")
}

/// Whether a repository has a backup; `None` where that cannot be found out.
pub(super) async fn look(this: &Backups, keeper: &dyn Keeper, backup: &Backup, at: &DestinationId) -> Option<Result<(), String>> {
    let found = find(keeper, &apart(this).ok()?, backup.id, at).await.ok()?;
    Some(found.map(|_| ()).ok_or_else(|| "the repository does not list it any more".to_owned()))
}

/// Deletes a backup from a repository. Nothing there is no error.
pub(super) async fn delete(this: &Backups, keeper: &dyn Keeper, id: BackupId, at: &DestinationId) -> anyhow::Result<()> {
    let folder = apart(this)?;
    match find(keeper, &folder, id, at).await? {
        Some(listed) => keeper.delete(&folder, &listed, at).await,
        None => Ok(()),
    }
}

/// A proof, from its first rung.
pub(super) async fn climb(
    keeper: &dyn Keeper,
    folder: &Folder,
    id: BackupId,
    at: &DestinationId,
    wanted: ProofLevel,
    verification: &Verification,
) -> Climbed {
    let mut climbed = Climbed::default();
    let began = Moment::now();
    let found = match find(keeper, folder, id, at).await {
        Ok(Some(listed)) => Ok(listed),
        Ok(None) => Err(Broken::backup("the repository does not list it")),
        Err(error) => Err(Broken::surroundings(format!("{error:#}"))),
    };
    let listed = match found {
        Ok(listed) => listed,
        Err(broken) => {
            climbed.step(ProofLevel::Exists, began, Err(broken));
            return climbed;
        }
    };
    climbed.step(ProofLevel::Exists, began, Ok(format!("{at} lists it as {}", listed.label)));
    if wanted < ProofLevel::Readable {
        return climbed;
    }
    let higher = keeper.climb(folder, &listed, at, wanted, verification).await;
    climbed.rungs.extend(higher.rungs);
    Climbed { rungs: climbed.rungs, ..higher }
}
