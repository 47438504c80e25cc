//! Backups: what a job left behind, the copies of it, and the proofs that it can be restored. A backup that nobody
//! restored is not proven, whatever its checksum; proof grows old, and a later failure takes it back.

use crate::{
    id::{BackupId, DestinationId, PolicyId, ProofId},
    journal::Actor,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

pub mod calendar;
pub mod chain;
pub mod copies;
pub mod health;
pub mod ledger;
pub mod listing;
pub mod retention;
#[cfg(feature = "schedule")]
pub mod schedule;
pub mod sights;

/// What one backup holds, in the field's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupType {
    /// Everything.
    Full,
    /// What changed since the last backup of any type.
    Incremental,
    /// What changed since the last full one.
    Differential,
    /// Everything, as the storage itself keeps it.
    Snapshot,
    /// Every change, as it happens.
    Continuous,
}

impl BackupType {
    /// Whether it can be restored only together with an earlier one.
    pub fn builds_on_another(self) -> bool {
        matches!(self, BackupType::Incremental | BackupType::Differential | BackupType::Continuous)
    }
}

impl fmt::Display for BackupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackupType::Full => "full",
            BackupType::Incremental => "incremental",
            BackupType::Differential => "differential",
            BackupType::Snapshot => "snapshot",
            BackupType::Continuous => "continuous",
        })
    }
}

/// The rungs of the proof ladder, lowest first. Only a backup that boots has been restored (row 26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofLevel {
    /// Every file is where it was put, and as long as it was.
    Exists,
    /// Every file has the checksum that it had when it was written.
    Checksum,
    /// The tool's own check read all of the data.
    Readable,
    /// A scratch server started from it and was consistent; of files, where nothing starts: all of them were restored.
    Boots,
    /// The restored data answered the questions put to it.
    Answers,
}

impl ProofLevel {
    pub const ALL: [ProofLevel; 5] = [ProofLevel::Exists, ProofLevel::Checksum, ProofLevel::Readable, ProofLevel::Boots, ProofLevel::Answers];
    /// Whether reaching it means that the backup was restored.
    pub fn is_restored(self) -> bool {
        self >= ProofLevel::Boots
    }
    /// Whether what is found wrong at this level is the fault of the one copy that was looked at.
    pub fn is_about_the_copy(self) -> bool {
        self <= ProofLevel::Checksum
    }
}

impl fmt::Display for ProofLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProofLevel::Exists => "exists",
            ProofLevel::Checksum => "checksum",
            ProofLevel::Readable => "readable",
            ProofLevel::Boots => "boots",
            ProofLevel::Answers => "answers",
        })
    }
}

/// Why a job began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "trigger")]
pub enum Trigger {
    /// The schedule fired at that instant. `missed`: how many earlier fires passed in vain, which are made up for by this one.
    Schedule { fire: Instant, missed: u32 },
    /// Somebody asked for it.
    Asked { reason: String },
    /// Somebody else's job said that it began.
    Reported,
}

/// How far a backup has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupState {
    Running,
    /// At least the first destination has all of it.
    Completed,
    Failed,
    /// Its copies are being deleted.
    Deleting,
}

impl fmt::Display for BackupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackupState::Running => "running",
            BackupState::Completed => "completed",
            BackupState::Failed => "failed",
            BackupState::Deleting => "deleting",
        })
    }
}

/// One file of a backup, under the name it has in every destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    pub name: String,
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// What a job read, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    pub files: Vec<StoredFile>,
    /// The tool with its version, as it says it itself.
    pub tool: String,
    /// Everything that was committed before this instant is in it; absent where nobody knows (trap B8).
    pub recoverable_to: Option<Instant>,
    /// Bytes of data in the source, before compression; absent where nobody counted.
    pub source_bytes: Option<u64>,
    /// The write-ahead log that it holds, where it holds any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal: Option<chain::WalRange>,
    /// What was counted in the source, to be held against the restored data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Count>,
}

impl Contents {
    /// Bytes of one copy.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Rows of a table, counted before and after the backup was taken: what is restored lies in between, as long as nothing
/// was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// `schema.table`.
    pub table: String,
    pub before: u64,
    pub after: u64,
}

/// The backup in one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "copy")]
pub enum BackupCopy {
    /// Written whole, and read back by its length.
    Stored { at: Instant },
    /// It could not be written, the last of so many times in a row.
    Failed {
        at: Instant,
        why: String,
        #[serde(default = "once")]
        attempts: u32,
    },
    /// It was there, and is not any more, or not as it was.
    Missing { since: Instant, why: String },
}

impl BackupCopy {
    pub fn is_stored(&self) -> bool {
        matches!(self, BackupCopy::Stored { .. })
    }
}

fn once() -> u32 {
    1
}

/// A person's wish that a backup is not deleted, whatever its age (legal hold).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub by: Actor,
    pub since: Instant,
    pub reason: String,
}

/// One rung of a proof that was climbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    pub level: ProofLevel,
    pub took: Span,
    /// What was seen, in words.
    pub said: String,
}

/// Where a proof stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofFailure {
    pub level: ProofLevel,
    /// The tool's or engine's own words.
    pub why: String,
    /// Whether the backup is at fault, or the proof could not be carried out (no disk room, no tool, no network).
    pub fault: Fault,
}

/// Whose fault a failed proof is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    Backup,
    /// It says nothing about the backup: unknown, not bad.
    Surroundings,
}

/// How a proof ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofResult {
    pub rungs: Vec<Rung>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ProofFailure>,
    /// From the first byte read from the destination until the scratch server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_took: Option<Span>,
    /// The newest commit that was found in the restored data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_to: Option<Instant>,
}

impl ProofResult {
    /// The highest rung that was reached.
    pub fn reached(&self) -> Option<ProofLevel> {
        self.rungs.iter().map(|rung| rung.level).max()
    }
}

/// One attempt to prove a backup, from one of its copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub id: ProofId,
    pub destination: DestinationId,
    pub wanted: ProofLevel,
    pub started_at: Instant,
    pub by: Actor,
    /// Absent while it runs.
    pub ended: Option<(Instant, ProofResult)>,
}

/// One job and what it left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub id: BackupId,
    pub policy: PolicyId,
    pub kind: BackupType,
    pub trigger: Trigger,
    pub by: Actor,
    pub state: BackupState,
    pub started_at: Instant,
    pub ended_at: Option<Instant>,
    /// Why it failed.
    pub why: Option<String>,
    pub contents: Option<Contents>,
    pub copies: BTreeMap<DestinationId, BackupCopy>,
    /// Oldest first; the last `PROOFS_KEPT`. All of them are in the journal.
    pub proofs: Vec<Proof>,
    pub hold: Option<Hold>,
    /// Who wants the job to end, and why.
    pub stop_asked: Option<(Actor, String)>,
}

/// What the proofs of one backup amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    /// Nobody tried, or no attempt said anything about the backup.
    Not,
    /// The newest attempt that says something reached this.
    To { level: ProofLevel, at: Instant },
    /// It cannot be restored, by the newest attempt that says something.
    Failed { level: ProofLevel, at: Instant, why: String },
}

impl Backup {
    /// So many proofs of one backup are kept at hand.
    pub const PROOFS_KEPT: usize = 10;

    /// Whether it is whole and somebody has it; of somebody else's job, by that one's own word.
    pub fn is_good(&self) -> bool {
        self.state == BackupState::Completed && (self.trigger == Trigger::Reported || self.copies.values().any(BackupCopy::is_stored))
    }
    /// The copies that were seen to be damaged since they were last seen to be whole, and what was seen. All copies were
    /// written from the same bytes: what the ladder's lower half finds wrong is one copy's fault, what the upper half finds is
    /// in what was read from the source, and so in every copy.
    pub fn damaged(&self) -> BTreeMap<&DestinationId, (Instant, &ProofFailure)> {
        let mut damaged = BTreeMap::new();
        for proof in &self.proofs {
            let Some((at, result)) = &proof.ended else { continue };
            match result.failure.as_ref().filter(|failure| failure.fault == Fault::Backup && failure.level.is_about_the_copy()) {
                Some(failure) => {
                    damaged.insert(&proof.destination, (*at, failure));
                }
                None if result.reached() >= Some(ProofLevel::Checksum) => {
                    damaged.remove(&proof.destination);
                }
                None => {}
            }
        }
        damaged
    }
    /// What its proofs say: the highest rung that was reached since the last one that the backup failed, or that failure where
    /// nothing was reached since (traps B10, B12): verified can become failed, and the other way round. What was proven from a copy
    /// that is damaged now counts for nothing; one that is damaged is the end of the backup where it was the last.
    pub fn proven(&self) -> Proven {
        let damaged = self.damaged();
        let stored = || self.copies.iter().filter(|(_, copy)| copy.is_stored()).map(|(destination, _)| destination);
        if stored().all(|destination| damaged.contains_key(destination))
            && let Some((at, failure)) = damaged.values().max_by_key(|(at, _)| *at)
        {
            return Proven::Failed { level: failure.level, at: *at, why: failure.why.clone() };
        }
        let mut best = Proven::Not;
        let counts = self.proofs.iter().rev().filter(|proof| !damaged.contains_key(&proof.destination));
        for (at, result) in counts.filter_map(|proof| proof.ended.as_ref()) {
            if let Some(failure) = result.failure.as_ref().filter(|failure| failure.fault == Fault::Backup) {
                // That copy was seen whole again since.
                if failure.level.is_about_the_copy() {
                    continue;
                }
                let failed = || Proven::Failed { level: failure.level, at: *at, why: failure.why.clone() };
                // What came after speaks for the backup only where it got past the rung that failed.
                return match best {
                    Proven::To { level, at } if level >= failure.level => Proven::To { level, at },
                    _ => failed(),
                };
            }
            match (&best, result.reached()) {
                (Proven::To { level, .. }, Some(reached)) if reached <= *level => {}
                (_, Some(level)) => best = Proven::To { level, at: *at },
                (_, None) => {}
            }
        }
        best
    }
    /// Whether a scratch server was started from it, by the newest word on it.
    pub fn is_restorable(&self) -> bool {
        matches!(self.proven(), Proven::To { level, .. } if level.is_restored())
    }
    /// The proof that runs now.
    pub fn running_proof(&self) -> Option<&Proof> {
        self.proofs.iter().find(|proof| proof.ended.is_none())
    }
    /// How long it took; absent while it runs.
    pub fn took(&self) -> Option<Span> {
        Some(Span::between(self.started_at, self.ended_at?))
    }
}
