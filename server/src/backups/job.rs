//! One job: reads the source into a folder, takes down what was read, and puts a copy into each destination.

use super::{
    Backups, keeper,
    source::{Order, Taken},
    work::Folder,
};
use crate::connect::{objects, postgres::Address};
use anyhow::{Context, bail};
use engine::{
    backups::{Backup, Contents, StoredFile, ledger::BackupEvent, sights::Stage},
    estate::BackupPolicy,
    id::{BackupId, ClusterId},
    picture::Picture,
};
use std::sync::Arc;
use tokio::sync::watch;

/// What a copy says of itself, for the day on which nothing else is left.
pub(super) const LABEL: &str = "lifeboat.json";

/// The folder of a backup in every destination.
pub(super) fn place(backup: &Backup) -> String {
    format!("{}/{}", backup.policy, backup.id)
}

/// Runs one job to its end.
///
/// # Errors
/// Only where the journal cannot be written; that the job itself failed is written there.
pub(super) async fn run(this: Arc<Backups>, policy: BackupPolicy, backup: Arc<Backup>) -> anyhow::Result<()> {
    let folder = match this.work.folder(&backup.id.to_string()) {
        Ok(folder) => folder,
        Err(error) => return this.note(&backup, BackupEvent::Failed { why: format!("{error:#}") }).await,
    };
    let worked = tokio::select! {
        worked = tokio::time::timeout(policy.timeout.as_std(), read_and_copy(&this, &policy, &backup, &folder)) => {
            worked.unwrap_or_else(|_| Ok(Err(anyhow::anyhow!("it took longer than {}, the time-out of the policy", policy.timeout))))
        }
        why = stopped(&this, &policy, backup.id) => Ok(Err(why)),
    };
    // What fills the disk goes before anything else is begun.
    tokio::task::spawn_blocking(move || drop(folder)).await?;
    match worked? {
        Ok(()) => this.note(&backup, BackupEvent::Completed).await,
        Err(error) => {
            let mut why = format!("{error:#}");
            if why.contains("No space left") && !why.contains("make room") {
                why += "; make room where `work` in [backups] lies, or name another place there";
            }
            this.note(&backup, BackupEvent::Failed { why }).await?;
            this.sweep(&backup).await;
            Ok(())
        }
    }
}

/// Comes back when somebody wants the job to end.
async fn stopped(this: &Backups, policy: &BackupPolicy, id: BackupId) -> anyhow::Error {
    let mut changed = this.desk.listen();
    loop {
        let picture = this.desk.picture();
        if let Some((by, reason)) = picture.records.backups.get(&policy.id, &id).and_then(|backup| backup.stop_asked.clone()) {
            return anyhow::anyhow!("{by} stopped it: {reason}");
        }
        if changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The outer error is the journal's, the inner one the job's.
async fn read_and_copy(this: &Arc<Backups>, policy: &BackupPolicy, backup: &Backup, folder: &Folder) -> anyhow::Result<anyhow::Result<()>> {
    match this.keeper(&policy.id) {
        Some(Ok(tool)) => return keeper::back_up(this, tool.as_ref(), policy, backup, folder).await,
        Some(Err(error)) => return Ok(Err(error)),
        None => {}
    }
    let contents = match read(this, policy, backup, folder).await {
        Ok(contents) => contents,
        Err(error) => return Ok(Err(error)),
    };
    this.note(backup, BackupEvent::Taken { contents: contents.clone() }).await?;
    let mut complaints = Vec::new();
    for id in &policy.destinations {
        match copy(this, backup, &contents, folder, id).await {
            Ok(()) => this.note(backup, BackupEvent::CopyStored { destination: id.clone() }).await?,
            Err(error) => {
                let why = format!("{error:#}");
                complaints.push(format!("{id}: {why}"));
                this.note(backup, BackupEvent::CopyFailed { destination: id.clone(), why }).await?;
            }
        }
    }
    if complaints.len() == policy.destinations.len() {
        return Ok(Err(anyhow::anyhow!("no destination took a copy: {}", complaints.join("; "))));
    }
    let names: Vec<String> = contents.files.iter().map(|file| file.name.clone()).collect();
    if let Err(error) = this.source(&policy.id)?.stored(&names).await {
        return Ok(Err(error));
    }
    Ok(Ok(()))
}

async fn read(this: &Arc<Backups>, policy: &BackupPolicy, backup: &Backup, folder: &Folder) -> anyhow::Result<Contents> {
    let source = this.source(&policy.id)?;
    let tool = source.tool().await?;
    let (progress, mut read) = watch::channel((0, None));
    let count = policy.verification.as_ref().map(|verification| verification.count.clone()).unwrap_or_default();
    let node = policy.source.cluster().map(|id| node(&this.desk.picture(), this, id)).transpose()?;
    let order = Order { node, count, patience: policy.timeout.as_std(), progress };
    this.at_stage(backup.id, Stage::Reading, 0, None);
    let telling = async {
        while read.changed().await.is_ok() {
            let (bytes, total) = *read.borrow_and_update();
            this.at_stage(backup.id, Stage::Reading, bytes, total);
        }
        std::future::pending::<()>().await;
    };
    let taken = tokio::select! {
        taken = source.take(folder, &order) => taken?,
        () = telling => bail!("nobody reads"),
    };
    let Taken { files, recoverable_to, source_bytes, wal, counts } = taken;
    let base = folder.path().join("files");
    // Reading all of it once more takes its time, and a thread.
    let files = tokio::task::spawn_blocking(move || files.into_iter().map(|name| stored(&base, name)).collect::<anyhow::Result<Vec<_>>>()).await??;
    Ok(Contents { files, tool, recoverable_to, source_bytes, wal, counts })
}

fn stored(base: &std::path::Path, name: String) -> anyhow::Result<StoredFile> {
    let path = base.join(&name);
    let bytes = std::fs::metadata(&path).with_context(|| format!("the tool said that it was done, and left no {name}"))?.len();
    Ok(StoredFile { sha256: objects::sha256_of(&path)?, name, bytes })
}

/// The node that takes the writes, by what was seen last.
pub(super) fn node(picture: &Picture, this: &Backups, id: &ClusterId) -> anyhow::Result<Address> {
    let (_, view) = picture.cluster(id).with_context(|| format!("the cluster {id} was not seen yet"))?;
    let writable = view.writable();
    let [node] = writable[..] else { bail!("{} nodes of {id} take writes; a backup is taken of exactly one", writable.len()) };
    this.nodes.get(&(id.clone(), node.node.clone())).cloned().with_context(|| format!("{} is not declared", node.node))
}

async fn copy(this: &Arc<Backups>, backup: &Backup, contents: &Contents, folder: &Folder, to: &engine::id::DestinationId) -> anyhow::Result<()> {
    let destination = this.destination(to)?;
    let total = contents.bytes();
    let mut before = 0;
    this.at_stage(backup.id, Stage::Copying(to.clone()), 0, Some(total));
    for file in &contents.files {
        let told = |sent| this.at_stage(backup.id, Stage::Copying(to.clone()), before + sent, Some(total));
        let name = format!("{}/{}", place(backup), file.name);
        destination.put(&name, &folder.path().join("files").join(&file.name), told).await.with_context(|| file.name.clone())?;
        before += file.bytes;
    }
    let label =
        serde_json::json!({ "policy": backup.policy, "backup": backup.id, "type": backup.kind, "began": backup.started_at, "contents": contents });
    let path = folder.path().join(LABEL);
    tokio::fs::write(&path, serde_json::to_vec_pretty(&label)?).await.with_context(|| format!("{} cannot be written", path.display()))?;
    destination.put(&format!("{}/{LABEL}", place(backup)), &path, |_| ()).await.context(LABEL)
}
