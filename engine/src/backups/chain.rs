//! Which instants can be restored: a full backup and the write-ahead log after it, without a gap. What lies beyond a gap is
//! reachable from a later full backup only (row 21, row 22).

use super::{Backup, BackupState};
use crate::{databases::Lsn, id::BackupId, time::Instant};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A stretch of the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalRange {
    /// The timeline on which it ends.
    pub timeline: u32,
    pub from: Lsn,
    /// Everything before it is in it.
    pub to: Lsn,
}

/// From where to where everything can be restored, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<'a> {
    pub base: &'a Backup,
    /// The stretches after it, in order, without a gap.
    pub wal: Vec<&'a Backup>,
}

/// Log that is in no backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub from: Lsn,
    pub to: Lsn,
    /// The first stretch after it.
    pub before: BackupId,
}

/// PostgreSQL's default, and what is archived is whole segments: the next stretch begins where a segment does.
const SEGMENT: u64 = 16 * 1024 * 1024;

fn range(backup: &Backup) -> Option<WalRange> {
    backup.contents.as_ref()?.wal
}

/// Whether a stretch that ends at `to` is followed by one that begins at `from` without a gap.
fn follows(to: Lsn, from: Lsn) -> bool {
    from.0 <= to.0.div_ceil(SEGMENT) * SEGMENT
}

impl<'a> Window<'a> {
    /// The earliest instant: that of the full backup.
    pub fn from(&self) -> Option<Instant> {
        self.base.contents.as_ref()?.recoverable_to
    }
    /// Everything that was committed before it can be restored.
    pub fn to(&self) -> Option<Instant> {
        let last = self.wal.last().copied().unwrap_or(self.base);
        last.contents.as_ref()?.recoverable_to
    }
    /// Where the log ends.
    pub fn end(&self) -> Option<WalRange> {
        range(self.wal.last().copied().unwrap_or(self.base))
    }
}

/// A window for each good full backup that knows its log, oldest first. Both lists are oldest first.
pub fn windows<'a>(bases: &'a [Arc<Backup>], wal: &'a [Arc<Backup>]) -> Vec<Window<'a>> {
    let stretches: Vec<(&Backup, WalRange)> =
        wal.iter().filter(|backup| backup.is_good()).filter_map(|backup| Some((&**backup, range(backup)?))).collect();
    let window = |base: &'a Backup| {
        let begins = range(base)?.to;
        let mut end = begins;
        let mut through = Vec::new();
        for (backup, stretch) in stretches.iter().filter(|(_, stretch)| stretch.to >= begins) {
            if !follows(end, stretch.from) {
                break;
            }
            end = stretch.to;
            through.push(*backup);
        }
        Some(Window { base, wal: through })
    };
    bases.iter().filter(|backup| backup.is_good()).filter_map(|backup| window(backup)).collect()
}

/// The window that ends with a stretch of log: what it takes to restore up to its end. The newest full backup before it serves.
pub fn up_to<'a>(bases: &'a [Arc<Backup>], wal: &'a [Arc<Backup>], last: BackupId) -> Option<Window<'a>> {
    windows(bases, wal).into_iter().rev().find_map(|mut window| {
        let at = window.wal.iter().position(|backup| backup.id == last)?;
        window.wal.truncate(at + 1);
        Some(window)
    })
}

/// What is missing between the stretches that there are, oldest first.
pub fn gaps(wal: &[Arc<Backup>]) -> Vec<Gap> {
    let stretches: Vec<(BackupId, WalRange)> =
        wal.iter().filter(|backup| backup.state == BackupState::Completed).filter_map(|backup| Some((backup.id, range(backup)?))).collect();
    let between = |pair: &[(BackupId, WalRange)]| {
        let ((_, one), (before, next)) = (pair[0], pair[1]);
        (!follows(one.to, next.from)).then_some(Gap { from: one.to, to: next.from, before })
    };
    stretches.windows(2).filter_map(between).collect()
}
