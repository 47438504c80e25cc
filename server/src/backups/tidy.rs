//! Looks whether what was stored is still there, and deletes what may go: in two steps, so that a server killed in between
//! goes on with it, and nothing is forgotten that is still there.

use super::{Backups, job};
use engine::backups::{Backup, BackupCopy, BackupState, ledger::BackupEvent};
use std::{sync::Arc, time::Duration};

/// How often copies are looked for.
pub(super) const EVERY: Duration = Duration::from_secs(600);

impl Backups {
    /// Holds the journal against what the destinations have (row 20). What cannot be asked says nothing.
    pub(super) async fn look_for_copies(&self) -> anyhow::Result<()> {
        let picture = self.desk.picture();
        if picture.journal_break.is_some() || picture.read_only {
            return Ok(());
        }
        for backup in picture.records.backups.all().filter(|backup| backup.state == BackupState::Completed) {
            for (id, copy) in &backup.copies {
                let Some(found) = self.find(backup, id).await else { continue };
                let what = match (copy, found) {
                    (BackupCopy::Stored { .. }, Err(why)) => BackupEvent::CopyMissing { destination: id.clone(), why },
                    (BackupCopy::Missing { .. }, Ok(())) => BackupEvent::CopyStored { destination: id.clone() },
                    (BackupCopy::Stored { .. }, Ok(())) | (BackupCopy::Missing { .. } | BackupCopy::Failed { .. }, _) => continue,
                };
                self.note(backup, what).await?;
            }
        }
        Ok(())
    }

    /// Whether a copy is there in its whole length; `None` where that cannot be found out.
    async fn find(&self, backup: &Backup, id: &engine::id::DestinationId) -> Option<Result<(), String>> {
        let (destination, contents) = (self.destination(id).ok()?, backup.contents.as_ref()?);
        destination.answers().await.ok()?;
        for file in &contents.files {
            match destination.length(&format!("{}/{}", job::place(backup), file.name)).await.ok()? {
                Some(length) if length == file.bytes => {}
                Some(length) => return Some(Err(format!("{} has {length} bytes; it was stored with {}", file.name, file.bytes))),
                None => return Some(Err(format!("{} is not there", file.name))),
            }
        }
        Some(Ok(()))
    }

    /// Deletes a backup everywhere. Where a destination cannot be reached it stays known, and is tried again.
    pub(super) async fn delete(self: Arc<Self>, backup: &Backup) -> anyhow::Result<()> {
        for id in backup.copies.keys() {
            let deleted = match self.destination(id) {
                Ok(destination) => destination.delete_all(&job::place(backup)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = deleted {
                tracing::warn!(error = format!("{error:#}"), backup = %backup.id, destination = %id, "a copy cannot be deleted yet");
                tokio::time::sleep(super::CHECKED_EVERY).await;
                return Ok(());
            }
        }
        self.note(backup, BackupEvent::Deleted).await
    }

    /// Removes what a job that failed has left in the destinations. It never counts; it only takes room.
    pub(super) async fn sweep(&self, backup: &Backup) {
        let known = self.desk.estate().backup_policy(&backup.policy).map(|policy| policy.destinations.clone()).unwrap_or_default();
        for id in known {
            let swept = match self.destination(&id) {
                Ok(destination) => destination.delete_all(&job::place(backup)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = swept {
                tracing::warn!(error = format!("{error:#}"), backup = %backup.id, destination = %id, "what a failed job left cannot be removed");
            }
        }
    }
}
