//! Copies that failed are made again, from one that is whole: a few times, with pauses that grow, and then no more. Each attempt
//! is on record with its reason.

use super::{Backup, BackupCopy, BackupState};
use crate::{
    estate::BackupPolicy,
    id::{BackupId, DestinationId},
    time::{Instant, Span},
};
use std::sync::Arc;

/// So often a copy is tried in all.
pub const MOST_ATTEMPTS: u32 = 5;

/// A copy that is to be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    pub backup: BackupId,
    pub from: DestinationId,
    pub to: DestinationId,
    /// The how manieth attempt it is.
    pub attempt: u32,
}

/// How long to wait after so many attempts that failed.
pub fn pause_after(attempts: u32) -> Span {
    match attempts {
        0 | 1 => Span::from_secs(10),
        2 => Span::from_mins(1),
        3 => Span::from_mins(10),
        _ => Span::from_mins(60),
    }
}

/// The copy to make now: of the newest backup that lacks one, where another destination has it.
pub fn to_make_again(policy: &BackupPolicy, backups: &[Arc<Backup>], now: Instant) -> Option<Again> {
    let of = |backup: &Arc<Backup>| {
        let from = policy.destinations.iter().find(|id| backup.copies.get(*id).is_some_and(BackupCopy::is_stored))?;
        policy.destinations.iter().find_map(|to| match backup.copies.get(to)? {
            BackupCopy::Failed { at, attempts, .. } if *attempts < MOST_ATTEMPTS && *at + pause_after(*attempts).as_delta() <= now => {
                Some(Again { backup: backup.id, from: from.clone(), to: to.clone(), attempt: attempts + 1 })
            }
            _ => None,
        })
    };
    backups.iter().rev().filter(|backup| backup.state == BackupState::Completed).find_map(of)
}
