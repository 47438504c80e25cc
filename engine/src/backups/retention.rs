//! Which backups may be deleted, and why each of the others may not. Age alone never deletes anything: the last good
//! one, the last one that was restored, what is held, and what others build on stay (trap B18, row 23).

use super::{Backup, BackupState, Proven, ledger::BackupLedger};
use crate::{
    estate::{BackupPolicy, Estate},
    id::BackupId,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// What becomes of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub backup: BackupId,
    /// Why it is kept; empty where it is to be deleted.
    pub kept: Vec<Keep>,
}

/// A reason to keep a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "keep")]
pub enum Keep {
    /// Younger than the retention.
    Young {
        until: Instant,
    },
    /// One of the newest good ones of which so many are always kept.
    AtLeast {
        count: u32,
    },
    /// The newest one that a scratch server was started from.
    LastRestored,
    Held {
        by: String,
        reason: String,
    },
    /// The base of one that is kept.
    BaseOf {
        backup: BackupId,
    },
    /// It is needed together with a full backup that is kept.
    WithItsBase,
    /// A job or a proof is at work on it.
    InUse,
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::Young { until } => write!(f, "kept until {}", until.format("%Y-%m-%d %H:%M UTC")),
            Keep::AtLeast { count } => write!(f, "one of the newest {count} good ones"),
            Keep::LastRestored => f.write_str("the last one that was restored"),
            Keep::Held { by, reason } => write!(f, "held by {by}: {reason}"),
            Keep::BaseOf { backup } => write!(f, "the base of {}", backup.short()),
            Keep::WithItsBase => f.write_str("kept with its full backup"),
            Keep::InUse => f.write_str("at work on"),
        }
    }
}

/// What may be deleted of a policy, given everything else that there is: what builds on its backups and is kept for its own sake, and
/// the full backups that its own build on.
pub fn fates_in(estate: &Estate, ledger: &BackupLedger, policy: &BackupPolicy, now: Instant) -> Vec<Fate> {
    let children = estate.backup_policies.iter().filter(|child| child.base.as_ref() == Some(&policy.id));
    let for_their_own_sake = |child: &BackupPolicy| -> Vec<BackupId> {
        fates(child, ledger.of(&child.id), &[], None, now).into_iter().filter(|fate| !fate.kept.is_empty()).map(|fate| fate.backup).collect()
    };
    let mut dependants: Vec<&Backup> = Vec::new();
    for child in children {
        let kept = for_their_own_sake(child);
        dependants.extend(ledger.of(&child.id).iter().map(Arc::as_ref).filter(|backup| backup.is_good() && kept.contains(&backup.id)));
    }
    let base = policy.base.as_ref().and_then(|base| estate.backup_policy(base));
    let needed_from = base.and_then(|base| {
        let kept = for_their_own_sake(base);
        ledger.of(&base.id).iter().find(|backup| backup.is_good() && kept.contains(&backup.id)).map(|backup| backup.started_at)
    });
    fates(policy, ledger.of(&policy.id), &dependants, needed_from, now)
}

/// The fate of every backup of a policy, oldest first. `needed_from` is the beginning of the oldest full backup that these build on and
/// that is kept: without them it could be restored to one moment only (trap B15). `dependants` are the backups of policies that build on this one and are
/// kept themselves. Failed jobs have no copies and do not count as good.
pub fn fates(policy: &BackupPolicy, backups: &[Arc<Backup>], dependants: &[&Backup], needed_from: Option<Instant>, now: Instant) -> Vec<Fate> {
    let good: Vec<&Backup> = backups.iter().map(Arc::as_ref).filter(|backup| is_sound(backup)).collect();
    // At least one, whatever is declared.
    let floor = policy.at_least.max(1) as usize;
    let newest: Vec<BackupId> = good.iter().rev().take(floor).map(|backup| backup.id).collect();
    let restored = good.iter().rev().find(|backup| backup.is_restorable()).map(|backup| backup.id);
    let fate = |backup: &Arc<Backup>| {
        let mut kept = Vec::new();
        let until = backup.started_at + policy.retention.as_delta();
        if now < until {
            kept.push(Keep::Young { until });
        }
        if newest.contains(&backup.id) {
            kept.push(Keep::AtLeast { count: policy.at_least.max(1) });
        }
        if restored == Some(backup.id) {
            kept.push(Keep::LastRestored);
        }
        if let Some(hold) = &backup.hold {
            kept.push(Keep::Held { by: hold.by.to_string(), reason: hold.reason.clone() });
        }
        kept.extend(base_of(backup, &good, dependants));
        if backup.is_good() && needed_from.is_some_and(|from| backup.ended_at.is_some_and(|ended| ended >= from)) {
            kept.push(Keep::WithItsBase);
        }
        if backup.state == BackupState::Running || backup.running_proof().is_some() {
            kept.push(Keep::InUse);
        }
        Fate { backup: backup.id, kept }
    };
    backups.iter().map(fate).collect()
}

/// Good, and not known to be broken: only such a one may take the place of another.
fn is_sound(backup: &Backup) -> bool {
    backup.is_good() && !matches!(backup.proven(), Proven::Failed { .. })
}

/// What is kept builds on the newest good one before it.
fn base_of(backup: &Backup, good: &[&Backup], dependants: &[&Backup]) -> Option<Keep> {
    if !is_sound(backup) {
        return None;
    }
    let next = good.iter().map(|other| other.started_at).find(|started| *started > backup.started_at);
    let builds = |child: &&&Backup| child.started_at >= backup.started_at && next.is_none_or(|next| child.started_at < next);
    dependants.iter().find(builds).map(|child| Keep::BaseOf { backup: child.id })
}
