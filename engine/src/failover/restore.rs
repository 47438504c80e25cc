//! Planning the restore of a backup: fetched, unpacked and recovered into a new folder, up to the last commit before a moment,
//! where it stands still until somebody has looked at it (row 30, trap B20). Nothing that exists is written over, and the source
//! is not touched. Making the plan changes nothing.

use super::{
    Action, Blocker, OnFailure, OperationKind, Plan, Step,
    plan::{Change, RestoreChange},
};
use crate::{
    backups::{Backup, BackupCopy, chain},
    databases::{LossBound, ZeroLoss},
    estate::{BackupPolicy, BackupSource},
    id::{BackupId, DestinationId, PolicyId},
    picture::Picture,
    time::{Instant, Span},
};
use std::sync::Arc;

/// What is asked for. Everything is named, so that the same question later gives the same plan as long as the facts are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreWish {
    /// The policy of the full backup.
    pub policy: PolicyId,
    pub backup: BackupId,
    /// The last stretch of log to be replayed, where any is.
    pub last: Option<BackupId>,
    pub from: DestinationId,
    /// Nothing that was committed at or after it is in what is restored.
    pub before: Instant,
    /// The name of the new folder.
    pub folder: String,
}

/// A restored copy waits so long for somebody who looks at it; then it is discarded.
pub const INSPECTED_WITHIN: Span = Span::from_mins(30 * 24 * 60);
const CHECK: Span = Span::from_mins(1);
const PROMOTE: Span = Span::from_mins(10);
/// The longest name of a folder, in characters.
const LONGEST_NAME: usize = 80;

impl RestoreWish {
    /// The newest backup of a policy, with the log after it, from which everything up to `before` can be restored: first those that were
    /// restored already, and among them the one that needs the least log. `None` where nothing from before that moment is held.
    pub fn for_moment(picture: &Picture, policy: &BackupPolicy, before: Instant) -> Option<Self> {
        let ledger = &picture.records.backups;
        let base = policy.base.as_ref().and_then(|base| picture.estate.backup_policy(base)).unwrap_or(policy);
        let bases = ledger.of(&base.id);
        let fits = |backup: &&Arc<Backup>| whole_copy(backup, base).is_some() && backup.ended_at.is_some_and(|ended| ended <= before);
        let known = |backup: &&Arc<Backup>| backup.contents.as_ref().and_then(|contents| contents.recoverable_to);
        let chosen = bases.iter().filter(fits).max_by_key(|backup| (backup.is_restorable(), known(backup)))?;
        let stretches = log_policy(picture, base).map_or(&[][..], |log| ledger.of(&log.id));
        let window = chain::windows(bases, stretches, None).into_iter().find(|window| window.base.id == chosen.id);
        let reaches = |backup: &Backup| backup.contents.as_ref().and_then(|contents| contents.recoverable_to).is_some_and(|to| to >= before);
        let last = window.and_then(|window| window.wal.iter().find(|stretch| reaches(stretch)).or(window.wal.last()).map(|stretch| stretch.id));
        let stamp = before.format("%Y%m%dt%H%M%S");
        let name = format!("{}-{}-{stamp}", base.id, chosen.id.short());
        let taken = |name: &String| picture.observed.backups.restores.as_ref().is_some_and(|place| place.taken.contains(name));
        let folder = (1..100).map(|n| if n == 1 { name.clone() } else { format!("{name}-{n}") }).find(|name| !taken(name)).unwrap_or(name.clone());
        Some(Self { policy: base.id.clone(), backup: chosen.id, last, from: whole_copy(chosen, base)?, before, folder })
    }
}

/// The policy that archives the log for backups of `base`.
fn log_policy<'a>(picture: &'a Picture, base: &BackupPolicy) -> Option<&'a BackupPolicy> {
    picture.estate.backup_policies.iter().find(|log| log.base.as_ref() == Some(&base.id) && matches!(log.source, BackupSource::PgReceivewal { .. }))
}

/// A destination that has the backup whole, as far as anybody knows: the first declared one.
fn whole_copy(backup: &Backup, policy: &BackupPolicy) -> Option<DestinationId> {
    let damaged = backup.damaged();
    let whole = |id: &&DestinationId| backup.copies.get(*id).is_some_and(BackupCopy::is_stored) && !damaged.contains_key(*id);
    policy.destinations.iter().find(whole).cloned()
}

/// The plan of a restore. `None` where there is no such policy or backup.
pub fn plan(picture: &Picture, wish: &RestoreWish) -> Option<Plan> {
    let policy = picture.estate.backup_policy(&wish.policy)?;
    let ledger = &picture.records.backups;
    let backup = ledger.get(&wish.policy, &wish.backup)?;
    let mut blockers = Vec::new();
    let restorable = |by: &BackupSource| matches!(by, BackupSource::PgBasebackup { .. });
    if !restorable(&policy.source) {
        blockers.push(Blocker::NotRestoredHere { tool: policy.source.tool().to_owned() });
    }
    let log = log_policy(picture, policy);
    let stretches = log.map_or(&[][..], |log| ledger.of(&log.id));
    let window = wish.last.map(|last| {
        let mut windows = chain::windows(ledger.of(&wish.policy), stretches, None).into_iter().filter(|window| window.base.id == wish.backup);
        windows.find_map(|window| {
            let at = window.wal.iter().position(|stretch| stretch.id == last)?;
            Some(window.wal[..=at].to_vec())
        })
    });
    let replayed = match window {
        None => Vec::new(),
        Some(Some(replayed)) => replayed,
        Some(None) => {
            blockers.push(Blocker::LogNotWhole { backup: wish.backup });
            Vec::new()
        }
    };
    let copy_is_whole = backup.copies.get(&wish.from).is_some_and(BackupCopy::is_stored) && !backup.damaged().contains_key(&wish.from);
    if !copy_is_whole || !backup.is_good() {
        blockers.push(Blocker::NoWholeCopy { backup: wish.backup, destination: wish.from.clone() });
    }
    if !backup.is_restorable() {
        blockers.push(Blocker::NeverRestored { backup: wish.backup });
    }
    let size = |backup: &Backup| backup.contents.as_ref().map_or(0, |contents| contents.bytes());
    let bytes = size(backup) + replayed.iter().map(|stretch| size(stretch)).sum::<u64>();
    // What is fetched, and what it becomes when it is unpacked.
    let unpacked = backup.contents.as_ref().and_then(|contents| contents.source_bytes).unwrap_or(0);
    let needed = bytes.saturating_add(unpacked);
    match &picture.observed.backups.restores {
        None => blockers.push(Blocker::NowhereToRestore),
        Some(place) => {
            if let Some(room) = place.room.filter(|room| *room < needed) {
                blockers.push(Blocker::NoRoomToRestore { needed, room });
            }
            if place.taken.contains(&wish.folder) && !is_being_restored(picture, wish) {
                blockers.push(Blocker::FolderTaken { folder: wish.folder.clone() });
            }
        }
    }
    if !is_a_name(&wish.folder) {
        blockers.push(Blocker::NoFolderName { folder: wish.folder.chars().take(LONGEST_NAME).collect() });
    }
    let point = |backup: &Backup| backup.contents.as_ref().and_then(|contents| contents.recoverable_to);
    let reaches = replayed.last().map_or_else(|| point(backup), |last| point(last)).map(|to| to.min(wish.before));
    let change = RestoreChange {
        policy: wish.policy.clone(),
        backup: wish.backup,
        from: wish.from.clone(),
        log: log.filter(|_| !replayed.is_empty()).map(|log| log.id.clone()),
        replayed: replayed.iter().map(|stretch| stretch.id).collect(),
        before: wish.before,
        reaches,
        proven: match backup.proven() {
            crate::backups::Proven::To { level, at } if level.is_restored() => Some(at),
            _ => None,
        },
        bytes,
        folder: wish.folder.clone(),
    };
    Some(Plan {
        kind: OperationKind::Restore,
        steps: steps(&change, policy.timeout),
        loss: LossBound::Zero { because: ZeroLoss::NewFolder },
        affected: Vec::new(),
        blockers,
        passed_over: Vec::new(),
        outage_since: None,
        rto: None,
        rpo: None,
        approvals: 1,
        made_at: picture.now,
        change: Change::Restore(change),
    })
}

/// The folder that an operation makes is no other one's.
fn is_being_restored(picture: &Picture, wish: &RestoreWish) -> bool {
    let ours = |change: &RestoreChange| change.folder == wish.folder && change.backup == wish.backup;
    picture.records.operations.values().any(|operation| operation.state.is_active() && operation.plan.restore().is_some_and(ours))
}

/// Lower-case letters, digits and hyphens: no path leads out of the place of restores.
fn is_a_name(folder: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !folder.is_empty() && folder.len() <= LONGEST_NAME && folder.bytes().all(fits) && !folder.starts_with('-')
}

fn steps(change: &RestoreChange, timeout: Span) -> Vec<Step> {
    let folder = || change.folder.clone();
    let step = |action, timeout| Step { action, undo: None, timeout, on_failure: OnFailure::Compensate, in_emergency: None };
    let discard = Some(Action::DiscardRestored { folder: folder() });
    vec![
        step(Action::CheckRestore { folder: folder() }, CHECK),
        Step { undo: discard, ..step(Action::FetchBackup { from: change.from.clone(), folder: folder() }, timeout) },
        step(Action::UnpackBackup { folder: folder() }, timeout),
        step(Action::RecoverBefore { folder: folder(), before: change.before }, timeout),
        step(Action::AwaitInspection { folder: folder(), window: INSPECTED_WITHIN }, INSPECTED_WITHIN.saturating_add(CHECK)),
        Step { on_failure: OnFailure::StandInDoubt, ..step(Action::PromoteRestored { folder: folder() }, PROMOTE) },
    ]
}
