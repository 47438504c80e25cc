//! Continuous policies of an idle source: a fire at which nothing is new is looked at and leaves no record, so that neither the journal
//! nor the destinations fill up with nothing. What was found counts for the calendar as a success would.

use super::{AtWork, Backups, job};
use engine::{
    backups::{BackupCopy, BackupType},
    estate::BackupPolicy,
    id::PolicyId,
    picture::Picture,
    time::{Instant, Span},
};
use std::{
    hash::{Hash as _, Hasher as _},
    sync::{Arc, PoisonError},
};

/// A continuous policy leaves a record at least so often, also where nothing is new.
const LONGEST_QUIET: Span = Span::from_mins(60);

/// A fire at which nothing was new.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    pub fire: Instant,
    pub at: Instant,
}

impl Backups {
    pub(super) fn quiet_of(&self, policy: &PolicyId) -> Option<Quiet> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner).get(policy).copied()
    }

    /// A continuous policy whose last stretch is whole is first asked whether anything is new: a fire at which nothing is leaves no
    /// record, only that it was looked. Every so often one is left all the same.
    pub(super) fn asks_for_news(self: &Arc<Self>, picture: &Picture, policy: &BackupPolicy, fire: Instant) -> bool {
        let asking = AtWork::Asking(number_of(&policy.id));
        if self.is_at(asking) {
            return true;
        }
        let last = picture.records.backups.of(&policy.id).last().filter(|last| last.is_good() && last.copies.values().all(BackupCopy::is_stored));
        let is_young = last.and_then(|last| last.ended_at).is_some_and(|ended| Span::between(ended, fire) < LONGEST_QUIET);
        let asked = policy.kind == BackupType::Continuous && is_young && self.answered(&policy.id) != Some(fire);
        let (Some(Ok(source)), Some(cluster)) = (self.sources.get(&policy.id), policy.source.cluster()) else { return false };
        let Some(node) = Some(cluster).filter(|_| asked).and_then(|cluster| job::node(picture, self, cluster).ok()) else { return false };
        let (policy, source) = (policy.id.clone(), source.clone());
        self.spawn(asking, |this| async move {
            let at = chrono::Utc::now();
            let nothing = source.nothing_new(&node).await.unwrap_or_else(|error| {
                tracing::debug!(error = format!("{error:#}"), %policy, "whether anything is new cannot be told; it is read");
                false
            });
            if nothing {
                this.quiet.lock().unwrap_or_else(PoisonError::into_inner).insert(policy, Quiet { fire, at });
            } else {
                this.news.lock().unwrap_or_else(PoisonError::into_inner).insert(policy, fire);
            }
            Ok(())
        });
        true
    }

    /// The fire for which it is known that there is something new.
    pub(super) fn answered(&self, policy: &PolicyId) -> Option<Instant> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).get(policy).copied()
    }
}

fn number_of(policy: &PolicyId) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    policy.hash(&mut hasher);
    hasher.finish()
}
