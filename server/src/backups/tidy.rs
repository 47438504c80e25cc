//! Looks whether what was stored is still there, and deletes what may go: in two steps, so that a server killed in between
//! goes on with it, and nothing is forgotten that is still there.

use super::{AtWork, Backups, CHECKED_EVERY, MISTAKE, again, job, keeper};
use engine::{
    backups::{
        Backup, BackupCopy, BackupState,
        copies::{MOST_ATTEMPTS, to_make_again},
        ledger::BackupEvent,
        retention,
    },
    estate::BackupPolicy,
    id::DestinationId,
    journal::{Actor, Event},
    picture::Picture,
};
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant as Moment},
};

/// How often copies are looked for.
pub(super) const EVERY: Duration = Duration::from_secs(600);

/// How a destination refused a deletion.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// It does not answer at all; when it does, it is tried again.
    Silent,
    /// It answers, and refused then.
    Though(Moment),
}

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
        match self.keeper(&backup.policy) {
            Some(Ok(tool)) => return keeper::look(self, tool.as_ref(), backup, id).await,
            Some(Err(_)) => return None,
            None => {}
        }
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

    /// Deletes a backup everywhere. Where a destination cannot be used it stays known, and is tried again once that one answers.
    pub(super) async fn delete(self: Arc<Self>, backup: &Backup) -> anyhow::Result<()> {
        let mut is_left = false;
        for id in backup.copies.keys() {
            if let Err(error) = self.delete_from(backup, id).await {
                tracing::warn!(error = format!("{error:#}"), backup = %backup.id, destination = %id, "a copy cannot be deleted yet");
                self.refused(id).await;
                is_left = true;
            }
        }
        if is_left { Ok(()) } else { self.note(backup, BackupEvent::Deleted).await }
    }

    async fn delete_from(&self, backup: &Backup, id: &DestinationId) -> anyhow::Result<()> {
        match self.keeper(&backup.policy) {
            Some(tool) => keeper::delete(self, tool?.as_ref(), backup.id, id).await,
            None => self.destination(id)?.delete_all(&job::place(backup)).await,
        }
    }

    /// Removes what a job that failed has left in the destinations. It never counts; it only takes room.
    pub(super) async fn sweep(&self, backup: &Backup) {
        let known = self.desk.estate().backup_policy(&backup.policy).map(|policy| policy.destinations.clone()).unwrap_or_default();
        for id in known {
            if let Err(error) = self.delete_from(backup, &id).await {
                tracing::warn!(error = format!("{error:#}"), backup = %backup.id, destination = %id, "what a failed job left cannot be removed");
            }
        }
    }

    /// Writes down that what may go is being deleted.
    pub(super) async fn expire(&self, policy: &BackupPolicy) -> anyhow::Result<()> {
        let expired = |picture: &Picture| -> Vec<Event> {
            let backups = picture.records.backups.of(&policy.id);
            let fates = retention::fates_in(&picture.estate, &picture.records.backups, policy, picture.now);
            let gone = backups.iter().zip(&fates).filter(|(backup, fate)| fate.kept.is_empty() && backup.state == BackupState::Completed);
            let why = format!("older than {}, and nothing keeps it", policy.retention);
            gone.map(|(backup, _)| Event::Backup {
                policy: policy.id.clone(),
                id: backup.id,
                what: Box::new(BackupEvent::Deleting { why: why.clone() }),
            })
            .collect()
        };
        if !expired(&self.desk.picture()).is_empty() {
            self.desk.record(&Actor::Lifeboat, expired).await?;
        }
        Ok(())
    }

    /// One copy at a time is made again.
    pub(super) fn make_copies_again(self: &Arc<Self>, picture: &Picture, policy: &BackupPolicy) {
        let backups = picture.records.backups.of(&policy.id);
        let Some(again) = to_make_again(policy, backups, picture.now).filter(|_| policy.source.is_made_here()) else { return };
        let Some(backup) = backups.iter().find(|backup| backup.id == again.backup).cloned() else { return };
        if self.count(|at| matches!(at, AtWork::Again(_))) == 0 {
            self.spawn(AtWork::Again(backup.id), |this| async move {
                let why = format!("attempt {} of {MOST_ATTEMPTS}: {MISTAKE}", again.attempt);
                let failed = BackupEvent::CopyFailed { destination: again.to.clone(), why };
                this.clone().to_its_end(backup.clone(), failed, again::run(this, backup, again)).await
            });
        }
    }

    /// Not as long as one of its destinations is known to refuse, nor while a copy of it is under way.
    pub(super) fn may_delete(&self, backup: &Backup) -> bool {
        let refusing = self.refusing.lock().unwrap_or_else(PoisonError::into_inner);
        !backup.copies.keys().any(|id| refusing.contains_key(id)) && !self.is_at(AtWork::Again(backup.id))
    }
    async fn refused(&self, destination: &DestinationId) {
        let refusal = if self.answers(destination).await { Refusal::Though(Moment::now()) } else { Refusal::Silent };
        self.refusing.lock().unwrap_or_else(PoisonError::into_inner).insert(destination.clone(), refusal);
    }
    async fn answers(&self, destination: &DestinationId) -> bool {
        match self.destinations.get(destination) {
            Some(Ok(destination)) => destination.answers().await.is_ok(),
            Some(Err(_)) => false,
            // A tool's own repository says so itself when it is tried.
            None => true,
        }
    }
    /// Deletions go on where a destination answers again.
    pub(super) async fn ask_who_refused(&self) {
        let refusing = self.refusing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (id, refusal) in refusing {
            let may_be_tried = match refusal {
                Refusal::Silent => self.answers(&id).await,
                Refusal::Though(since) => since.elapsed() >= CHECKED_EVERY,
            };
            if may_be_tried {
                self.refusing.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            }
        }
    }
}
