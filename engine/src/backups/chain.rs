//! Which instants can be restored: a full backup and the write-ahead log after it, without a gap. What lies beyond a gap is
//! reachable from a later full backup only (row 21). Every copy has a window of its own (row 22): what one destination lacks,
//! another may have.

use super::{Backup, BackupCopy, BackupState};
use crate::{
    databases::Lsn,
    id::{BackupId, DestinationId},
    time::Instant,
};
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

/// Log that is missing between two stretches, or after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub from: Lsn,
    /// Absent after the last stretch: nobody knows how much there is.
    pub to: Option<Lsn>,
    pub kind: GapKind,
    /// Everything that was committed before it can be restored, where that is known.
    pub since: Option<Instant>,
    /// The first stretch after it, with the moment its job began.
    pub before: Option<(BackupId, Instant)>,
}

/// Whether what is missing can still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// A job is at work on it.
    Uploading,
    /// It is due and not there yet, or another destination has it.
    Delayed,
    /// No destination has it, and nobody is at work on it.
    Lost,
}

/// What can be restored without a break, to every moment in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub from: Instant,
    pub to: Instant,
}

/// PostgreSQL's default, and what is archived is whole segments: the next stretch begins where a segment does.
const SEGMENT: u64 = 16 * 1024 * 1024;

fn range(backup: &Backup) -> Option<WalRange> {
    backup.contents.as_ref()?.wal
}

fn with_range<'a>(backups: &[&'a Backup]) -> Vec<(&'a Backup, WalRange)> {
    backups.iter().filter_map(|backup| Some((*backup, range(backup)?))).collect()
}

/// Whether a stretch that ends at `to` is followed by one that begins at `from` without a gap.
fn follows(to: Lsn, from: Lsn) -> bool {
    from.0 <= to.0.div_ceil(SEGMENT) * SEGMENT
}

/// Whether a backup can be read whole: from that destination, or from any.
fn is_held(backup: &Backup, from: Option<&DestinationId>) -> bool {
    let whole = |id: &DestinationId| backup.copies.get(id).is_some_and(BackupCopy::is_stored) && !backup.damaged().contains_key(id);
    backup.is_good() && from.is_none_or(whole)
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

/// A window for each full backup that is held and knows its log, oldest first: from what one destination has, or all together.
/// Both lists are oldest first.
pub fn windows<'a>(bases: &'a [Arc<Backup>], wal: &'a [Arc<Backup>], from: Option<&DestinationId>) -> Vec<Window<'a>> {
    let stretches: Vec<(&Backup, WalRange)> =
        wal.iter().filter(|backup| is_held(backup, from)).filter_map(|backup| Some((&**backup, range(backup)?))).collect();
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
    bases.iter().filter(|backup| is_held(backup, from)).filter_map(|backup| window(backup)).collect()
}

/// Every moment that can be restored, oldest first; a backup without log of its own reaches its own moment only.
pub fn reaches(bases: &[Arc<Backup>], wal: &[Arc<Backup>], from: Option<&DestinationId>) -> Vec<Reach> {
    let point = |backup: &Backup| backup.contents.as_ref()?.recoverable_to;
    let points = bases.iter().filter(|backup| is_held(backup, from)).filter_map(|backup| point(backup)).map(|at| Reach { from: at, to: at });
    let windows = windows(bases, wal, from);
    let through = windows.iter().filter_map(|window| Some(Reach { from: window.from()?, to: window.to()? }));
    let mut all: Vec<Reach> = points.chain(through).collect();
    all.sort_by_key(|reach| (reach.from, reach.to));
    let mut whole: Vec<Reach> = Vec::new();
    for reach in all {
        match whole.last_mut() {
            Some(last) if reach.from <= last.to => last.to = last.to.max(reach.to),
            _ => whole.push(reach),
        }
    }
    whole
}

/// The window that ends with a stretch of log: what it takes to restore up to its end. The newest full backup before it serves.
pub fn up_to<'a>(bases: &'a [Arc<Backup>], wal: &'a [Arc<Backup>], last: BackupId) -> Option<Window<'a>> {
    windows(bases, wal, None).into_iter().rev().find_map(|mut window| {
        let at = window.wal.iter().position(|backup| backup.id == last)?;
        window.wal.truncate(at + 1);
        Some(window)
    })
}

/// What is missing of the log, oldest first: in one destination, or everywhere. `late`: more of it is due by now.
pub fn gaps(wal: &[Arc<Backup>], from: Option<&DestinationId>, late: bool) -> Vec<Gap> {
    let (held, others): (Vec<&Backup>, Vec<&Backup>) = wal.iter().map(Arc::as_ref).partition(|backup| is_held(backup, from));
    let (held, others) = (with_range(&held), with_range(&others));
    // What others have of it, or are at work on: all of it, or the rest is lost.
    let kind = |from: Lsn, to: Option<Lsn>| {
        let filling = others
            .iter()
            .filter(|(backup, wal)| wal.to > from && to.is_none_or(|to| wal.from < to) && (backup.state == BackupState::Running || backup.is_good()));
        let (mut end, mut uploading) = (from, false);
        for (backup, wal) in filling {
            if follows(end, wal.from) {
                end = end.max(wal.to);
                uploading |= backup.state == BackupState::Running;
            }
        }
        let whole = end > from && to.is_none_or(|to| follows(end, to));
        whole.then_some(if uploading { GapKind::Uploading } else { GapKind::Delayed })
    };
    let point = |backup: &Backup| backup.contents.as_ref()?.recoverable_to;
    let between = |pair: &[(&'_ Backup, WalRange)]| {
        let ((earlier, one), (later, next)) = (pair[0], pair[1]);
        let kind = kind(one.to, Some(next.from)).unwrap_or(GapKind::Lost);
        let gap = Gap { from: one.to, to: Some(next.from), kind, since: point(earlier), before: Some((later.id, later.started_at)) };
        (!follows(one.to, next.from)).then_some(gap)
    };
    let mut gaps: Vec<Gap> = held.windows(2).filter_map(between).collect();
    if let Some((last, wal)) = held.last()
        && let Some(kind) = kind(wal.to, None).or(late.then_some(GapKind::Delayed))
    {
        gaps.push(Gap { from: wal.to, to: None, kind, since: point(last), before: None });
    }
    gaps
}
