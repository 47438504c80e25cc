//! A copy that failed is made again, from one that is whole, file by file and held against the checksums in the journal.

use super::{Backups, job, keeper};
use anyhow::{Context, bail};
use engine::backups::{
    Backup,
    copies::{Again, MOST_ATTEMPTS},
    ledger::BackupEvent,
    sights::Stage,
};
use std::sync::Arc;

/// One attempt, with what came of it written down.
///
/// # Errors
/// Only where the journal cannot be written.
pub(super) async fn run(this: Arc<Backups>, backup: Arc<Backup>, again: Again) -> anyhow::Result<()> {
    let made = match this.keeper(&backup.policy) {
        Some(Ok(keeper)) => by_its_tool(&this, keeper.as_ref(), &backup, &again).await,
        Some(Err(why)) => Err(why),
        None => file_by_file(&this, &backup, &again).await,
    };
    let what = match made {
        Ok(()) => BackupEvent::CopyStored { destination: again.to.clone() },
        Err(error) => {
            let why = format!("attempt {} of {MOST_ATTEMPTS}: {error:#}", again.attempt);
            BackupEvent::CopyFailed { destination: again.to.clone(), why }
        }
    };
    this.note(&backup, what).await
}

async fn by_its_tool(this: &Backups, keeper: &dyn keeper::Keeper, backup: &Backup, again: &Again) -> anyhow::Result<()> {
    let (progress, _) = tokio::sync::watch::channel((0, None));
    let patience = this.desk.estate().backup_policy(&backup.policy).context("its policy is not declared any more")?.timeout.as_std();
    let order = keeper::Making { id: backup.id, kind: backup.kind, patience, progress: &progress };
    keeper::copied(keeper, &keeper::apart(this)?, &order, &again.from, &again.to).await
}

async fn file_by_file(this: &Backups, backup: &Backup, again: &Again) -> anyhow::Result<()> {
    let (from, to) = (this.destination(&again.from)?, this.destination(&again.to)?);
    // Before anything is fetched for nothing.
    to.answers().await?;
    let contents = backup.contents.as_ref().context("nobody knows what is in it")?;
    let folder = this.work.folder(&format!("again-{}", uuid::Uuid::now_v7()))?;
    let (total, mut before) = (contents.bytes(), 0);
    let here = folder.path().join("file");
    for file in &contents.files {
        let name = format!("{}/{}", job::place(backup), file.name);
        let found = from.fetch(&name, &here, |_| ()).await.with_context(|| format!("{} cannot be read from {}", file.name, again.from))?;
        if found != file.sha256 {
            bail!("{} in {} has another SHA-256 than it was stored with", file.name, again.from);
        }
        let told = |sent| this.at_stage(backup.id, Stage::Copying(again.to.clone()), before + sent, Some(total));
        to.put(&name, &here, told).await.with_context(|| file.name.clone())?;
        before += file.bytes;
    }
    let label = format!("{}/{}", job::place(backup), job::LABEL);
    from.fetch(&label, &here, |_| ()).await.with_context(|| format!("{} cannot be read from {}", job::LABEL, again.from))?;
    to.put(&label, &here, |_| ()).await.context(job::LABEL)
}
