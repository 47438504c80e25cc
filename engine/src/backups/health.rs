//! How a policy stands: by its schedule, by its latest attempt and its latest success (which are two things, trap B3), by
//! the size of what it left, and by its proofs. Every reason is told; the worst of them is the verdict (traps B4, B5).

use super::{Backup, BackupCopy, BackupState, BackupType, Proven, Trigger};
use crate::{
    estate::BackupPolicy,
    id::{BackupId, DestinationId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// When a policy is due. Reckoned by whoever has the calendar (`schedule`), since time zones are heavy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Times {
    /// The first fire after the latest success, or after the policy became known; absent where it never fires.
    pub due: Option<Instant>,
    /// The fire after that.
    pub due_next: Option<Instant>,
    /// The next fires from now on.
    pub next: Vec<Instant>,
    /// The longest time from one fire to the next, among those.
    pub interval: Option<Span>,
    /// Why the schedule cannot be read.
    pub mistake: Option<String>,
}

/// Where a policy stands against its schedule. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    Ok,
    /// Nothing was due yet (trap B6).
    New,
    /// It cannot be said: the schedule cannot be read, or nobody has looked.
    Unknown,
    /// A success is missing since the grace ended.
    Late,
    /// The next one should have come by now as well.
    Overdue,
    /// The latest attempt failed, whatever came before it.
    Failed,
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Freshness::Ok => "ok",
            Freshness::New => "new",
            Freshness::Unknown => "unknown",
            Freshness::Late => "late",
            Freshness::Overdue => "overdue",
            Freshness::Failed => "failed",
        })
    }
}

/// How a policy stands.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    /// The worst of what holds.
    pub freshness: Freshness,
    /// When the grace of what is due ends; absent where the schedule never fires.
    pub late_from: Option<Instant>,
    /// Whether it is late or overdue, whatever the latest attempt was.
    pub lateness: Option<Freshness>,
    pub latest: Option<&'a Backup>,
    pub success: Option<&'a Backup>,
    /// Attempts that failed since the latest success.
    pub failures: u32,
    /// What runs now.
    pub running: Option<&'a Backup>,
    pub size: Size,
    pub pace: Pace,
    pub proof: ProofStanding<'a>,
}

/// The size of the latest success beside the ones before it (row 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Too few earlier ones, or of a source that does not say.
    NotJudged,
    Usual,
    Empty,
    /// So many percent smaller than the median.
    Shrunk {
        bytes: u64,
        median: u64,
        percent: u64,
    },
}

/// How long the latest job took, or takes so far, beside the ones before it (row 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Too few earlier ones, or too quick to tell.
    NotJudged,
    Usual,
    /// More than the policy's `slow_limit` percent of the median.
    Slow {
        took: Span,
        median: Span,
        running: bool,
    },
}

/// How far the newest backups of a policy are proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofStanding<'a> {
    /// The policy declares no verification.
    NotDeclared,
    /// Nothing was proven as far as declared yet.
    Never,
    /// The newest proof that reached what is declared.
    Proven { backup: &'a Backup, at: Instant, expires: Instant },
    /// That proof is too old.
    Expired { backup: &'a Backup, at: Instant, expired: Instant },
    /// The newest backup that was tried cannot be restored.
    Failed { backup: &'a Backup, at: Instant, why: String },
}

/// Medians take so many successes before the latest into account.
const COMPARED: usize = 9;
/// And not fewer than so many.
const FEWEST_COMPARED: usize = 3;

/// What takes less than this is never called slow: a busy minute of the machine is not the backup's.
const TOO_QUICK_TO_TELL: Span = Span::from_secs(30);

/// Judges a policy. `backups` are those of the policy, oldest first; the order of the estate does not matter.
pub fn judge<'a>(policy: &BackupPolicy, backups: &'a [Arc<Backup>], times: Option<&Times>, now: Instant) -> Standing<'a> {
    let ended: Vec<&Backup> = backups.iter().map(Arc::as_ref).filter(|backup| backup.state != BackupState::Running).collect();
    let latest = ended.last().copied();
    let success = ended.iter().rev().find(|backup| backup.state != BackupState::Failed).copied();
    let failures = ended.iter().rev().take_while(|backup| backup.state == BackupState::Failed).count();
    let late_from = times.and_then(|times| times.due).map(|due| due + policy.grace.as_delta());
    let overdue_from = times.and_then(|times| times.due_next).map(|due| due + policy.grace.as_delta());
    let lateness = match (late_from, overdue_from) {
        (_, Some(from)) if now > from => Some(Freshness::Overdue),
        (Some(from), _) if now > from => Some(Freshness::Late),
        _ => None,
    };
    let known = times.is_some_and(|times| times.mistake.is_none());
    let on_time = match success {
        _ if !known => Freshness::Unknown,
        None => Freshness::New,
        Some(_) => Freshness::Ok,
    };
    let attempt = if failures > 0 { Freshness::Failed } else { Freshness::Ok };
    Standing {
        freshness: [Some(on_time), lateness, Some(attempt)].into_iter().flatten().max().unwrap_or(Freshness::Unknown),
        late_from,
        lateness,
        latest,
        success,
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        running: backups.iter().rev().map(Arc::as_ref).find(|backup| backup.state == BackupState::Running),
        size: size(policy, &ended),
        pace: pace(policy, backups, now),
        proof: proof(policy, &ended, now),
    }
}

fn size(policy: &BackupPolicy, ended: &[&Backup]) -> Size {
    // Somebody else's job may say nothing of its size: that is not known, and not nothing.
    let told = |backup: &&Backup| backup.contents.as_ref().filter(|contents| !contents.files.is_empty()).map(|contents| contents.bytes());
    let mut completed = ended.iter().rev().copied().filter(|backup| backup.state == BackupState::Completed);
    // How much changed is not how much there is.
    if policy.kind.builds_on_another() {
        return Size::NotJudged;
    }
    let Some(bytes) = completed.next().as_ref().and_then(told) else { return Size::NotJudged };
    if bytes == 0 {
        return Size::Empty;
    }
    let mut before: Vec<u64> = completed.filter_map(|backup| told(&backup)).take(COMPARED).collect();
    if before.len() < FEWEST_COMPARED {
        return Size::NotJudged;
    }
    before.sort_unstable();
    let median = before[before.len() / 2];
    let percent = median.saturating_sub(bytes).saturating_mul(100) / median.max(1);
    if percent >= u64::from(policy.shrink_limit) { Size::Shrunk { bytes, median, percent } } else { Size::Usual }
}

fn pace(policy: &BackupPolicy, backups: &[Arc<Backup>], now: Instant) -> Pace {
    // What somebody else's job does between its messages is not known.
    let told = |backup: &&Arc<Backup>| backup.trigger != Trigger::Reported || backup.state == BackupState::Completed;
    let mut latest = backups.iter().rev().filter(|backup| backup.state != BackupState::Failed).filter(told);
    let Some(newest) = latest.next() else { return Pace::NotJudged };
    let running = newest.state == BackupState::Running;
    let took = newest.took().unwrap_or_else(|| Span::between(newest.started_at, now));
    let mut before: Vec<Span> = latest.filter_map(|backup| backup.took()).take(COMPARED).collect();
    if before.len() < FEWEST_COMPARED || took < TOO_QUICK_TO_TELL {
        return Pace::NotJudged;
    }
    before.sort_unstable();
    let median = before[before.len() / 2];
    let limit = median.as_millis().saturating_mul(u64::from(policy.slow_limit)) / 100;
    if took.as_millis() > limit { Pace::Slow { took, median, running } } else { Pace::Usual }
}

fn proof<'a>(policy: &BackupPolicy, ended: &[&'a Backup], now: Instant) -> ProofStanding<'a> {
    let Some(verification) = &policy.verification else { return ProofStanding::NotDeclared };
    for backup in ended.iter().rev().copied() {
        match backup.proven() {
            Proven::Failed { at, why, .. } => return ProofStanding::Failed { backup, at, why },
            Proven::To { level, at } if level >= verification.level => {
                let expires = at + verification.valid_for.as_delta();
                return if now <= expires {
                    ProofStanding::Proven { backup, at, expires }
                } else {
                    ProofStanding::Expired { backup, at, expired: expires }
                };
            }
            Proven::To { .. } | Proven::Not => {}
        }
    }
    ProofStanding::Never
}

/// The most that can be lost if the source is lost just before the next backup is whole: the time between two fires, and how
/// long a job takes (trap B13). For what is continuous, the time between two fires alone.
/// Source: features.md, "beyond" 3: interval + duration + copy lag.
pub fn worst_loss(policy: &BackupPolicy, interval: Span, longest_job: Option<Span>) -> Span {
    if policy.kind == BackupType::Continuous { interval } else { interval.saturating_add(longest_job.unwrap_or(Span::ZERO)) }
}

/// The longest of the last successful jobs.
pub fn longest_job(backups: &[Arc<Backup>]) -> Option<Span> {
    let good = backups.iter().rev().filter(|backup| backup.state == BackupState::Completed);
    good.take(COMPARED).filter_map(|backup| backup.took()).max()
}

/// The destination whose copy of a backup is to be proven: the one from which nothing was restored for longest.
pub fn next_to_prove(policy: &BackupPolicy, backups: &[Arc<Backup>], backup: &Backup) -> Option<DestinationId> {
    let last = |id: &DestinationId| {
        backups.iter().flat_map(|backup| &backup.proofs).filter(|proof| proof.destination == *id).map(|proof| proof.started_at).max()
    };
    let stored = policy.destinations.iter().filter(|id| backup.copies.get(*id).is_some_and(BackupCopy::is_stored));
    stored.min_by_key(|id| last(id)).cloned()
}

/// The backup to prove next: the newest good one, when the last proof is older than declared, and no proof runs.
pub fn to_prove(policy: &BackupPolicy, backups: &[Arc<Backup>], now: Instant) -> Option<BackupId> {
    let verification = policy.verification.as_ref()?;
    if backups.iter().any(|backup| backup.running_proof().is_some()) {
        return None;
    }
    let tried = backups.iter().flat_map(|backup| &backup.proofs).map(|proof| proof.started_at).max();
    let newest = backups.iter().rev().find(|backup| backup.is_good())?;
    // A damaged copy leaves the others to be looked at, and nobody waits for the next turn to know whether one is left.
    let damaged = newest.damaged();
    let untried =
        |id: &DestinationId| newest.copies.get(id).is_some_and(BackupCopy::is_stored) && !newest.proofs.iter().any(|proof| proof.destination == *id);
    let in_doubt = !damaged.is_empty() && !newest.is_restorable() && policy.destinations.iter().any(untried);
    let is_due = in_doubt || tried.is_none_or(|tried| tried + verification.every.as_delta() <= now);
    is_due.then_some(newest.id)
}
