//! What the journal says about backups: the commands, the events, and the records that follow from them.

use super::{Backup, BackupCopy, BackupState, BackupType, Contents, Hold, Proof, ProofLevel, ProofResult, Trigger};
use crate::{
    id::{BackupId, DestinationId, PolicyId, ProofId},
    journal::Actor,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// What a person may ask for. What only the estate knows is added by the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum BackupCommand {
    Start {
        kind: BackupType,
        reason: String,
    },
    /// End a job that runs.
    Stop {
        reason: String,
    },
    Prove {
        proof: ProofId,
        from: DestinationId,
        wanted: ProofLevel,
        reason: String,
    },
    Hold {
        reason: String,
    },
    Release {
        reason: String,
    },
}

impl BackupCommand {
    /// The same with its reason as `check` has it.
    ///
    /// # Errors
    /// Those of `check`.
    pub(crate) fn with_reason<E>(mut self, check: impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        let (Self::Start { reason, .. } | Self::Stop { reason } | Self::Prove { reason, .. } | Self::Hold { reason } | Self::Release { reason }) =
            &mut self;
        *reason = check(reason)?;
        Ok(self)
    }
    /// What is asked for, in the words of the journal.
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Prove { .. } => "prove",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
        }
    }
}

/// What happened to one backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "happened")]
pub enum BackupEvent {
    /// Written before the tool is started.
    Started {
        kind: BackupType,
        trigger: Trigger,
    },
    StopAsked {
        reason: String,
    },
    /// Everything was read from the source and is on the server's own disk, with its checksums.
    Taken {
        contents: Contents,
    },
    CopyStored {
        destination: DestinationId,
    },
    CopyFailed {
        destination: DestinationId,
        why: String,
    },
    /// It was looked for and is not there any more, or not as long as it was.
    CopyMissing {
        destination: DestinationId,
        why: String,
    },
    Completed,
    Failed {
        why: String,
    },
    /// A tool that others run lists it. It says itself when it was made, which is when it counts from.
    Seen {
        kind: BackupType,
        began: Instant,
        ended: Instant,
        contents: Contents,
        /// What is wrong with it, where the list says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broken: Option<String>,
    },
    /// Written before anything is read.
    ProofStarted {
        proof: ProofId,
        from: DestinationId,
        wanted: ProofLevel,
        reason: String,
    },
    ProofEnded {
        proof: ProofId,
        result: ProofResult,
    },
    Held {
        reason: String,
    },
    HoldReleased {
        reason: String,
    },
    /// Written before the first file is deleted.
    Deleting {
        why: String,
    },
    /// No destination has any of it left. The journal keeps what it was and how it was proven.
    Deleted,
}

/// Why a command about backups was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum BackupRefusal {
    #[error("{policy} is being backed up already, since {}; wait for that to end, or stop it", since.format("%H:%M:%S UTC"))]
    RunsAlready { policy: PolicyId, since: Instant },
    #[error("there is no backup {} of {policy}; it may have been deleted", id.short())]
    NoSuchBackup { policy: PolicyId, id: BackupId },
    #[error("the backup {} is {state}, so this is not possible", id.short())]
    WrongState { id: BackupId, state: BackupState },
    #[error("it was asked to stop already")]
    StopsAlready,
    #[error("the backup {} is being proven already, since {}", id.short(), since.format("%H:%M:%S UTC"))]
    ProvenAlready { id: BackupId, since: Instant },
    #[error("{destination} has no copy of the backup {}", id.short())]
    NoCopy { id: BackupId, destination: DestinationId },
    #[error("{by} holds it already: {reason}")]
    HeldAlready { by: String, reason: String },
    #[error("nobody holds it")]
    NotHeld,
}

/// Why an event does not fit what went before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupMisfit {
    #[error("the backup {id} is begun a second time")]
    BegunTwice { id: BackupId },
    #[error("the backup {id} is begun while {running} of the same policy runs")]
    TwoAtOnce { id: BackupId, running: BackupId },
    #[error("an unknown backup {id}")]
    Unknown { id: BackupId },
    #[error("the backup {id} is {state}, which this does not follow")]
    OutOfPlace { id: BackupId, state: BackupState },
    #[error("an unknown proof {proof} of the backup {id}")]
    UnknownProof { id: BackupId, proof: ProofId },
}

/// What the journal says of one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// When it was declared first, as far as this journal knows: nothing is due before that.
    pub since: Instant,
    /// Oldest first. What was deleted is gone from here.
    #[serde(with = "listed")]
    pub backups: Vec<Arc<Backup>>,
}

/// Backups are shared in memory and listed on paper.
mod listed {
    use super::{Arc, Backup, Deserialize};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(backups: &[Arc<Backup>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(backups.iter().map(Arc::as_ref))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<Backup>>, D::Error> {
        Ok(Vec::<Backup>::deserialize(deserializer)?.into_iter().map(Arc::new).collect())
    }
}

/// All policies that were ever declared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackupLedger(BTreeMap<PolicyId, PolicyRecord>);

/// Failed jobs leave nothing to delete; they are forgotten when they are this old.
const FAILURES_KEPT: Span = Span::from_mins(400 * 24 * 60);

impl BackupLedger {
    pub fn policy(&self, policy: &PolicyId) -> Option<&PolicyRecord> {
        self.0.get(policy)
    }
    /// The backups of a policy, oldest first.
    pub fn of(&self, policy: &PolicyId) -> &[Arc<Backup>] {
        self.0.get(policy).map_or(&[], |record| &record.backups)
    }
    pub fn get(&self, policy: &PolicyId, id: &BackupId) -> Option<&Arc<Backup>> {
        self.of(policy).iter().find(|backup| backup.id == *id)
    }
    pub fn all(&self) -> impl Iterator<Item = &Arc<Backup>> {
        self.0.values().flat_map(|record| &record.backups)
    }
    pub fn running(&self, policy: &PolicyId) -> Option<&Arc<Backup>> {
        self.of(policy).iter().find(|backup| backup.state == BackupState::Running)
    }

    pub(crate) fn adopt(&mut self, policy: &PolicyId, at: Instant) {
        self.0.entry(policy.clone()).or_insert_with(|| PolicyRecord { since: at, backups: Vec::new() });
    }

    /// What becomes of a command.
    ///
    /// # Errors
    /// Each refusal is something the asker can act on.
    pub(crate) fn decide(&self, policy: &PolicyId, id: BackupId, command: &BackupCommand) -> Result<Option<BackupEvent>, BackupRefusal> {
        if let BackupCommand::Start { kind, reason } = command {
            // The same form sent twice: the first one counts.
            if self.get(policy, &id).is_some() {
                return Ok(None);
            }
            return match self.running(policy) {
                Some(running) => Err(BackupRefusal::RunsAlready { policy: policy.clone(), since: running.started_at }),
                None => Ok(Some(BackupEvent::Started { kind: *kind, trigger: Trigger::Asked { reason: reason.clone() } })),
            };
        }
        let backup = self.get(policy, &id).ok_or_else(|| BackupRefusal::NoSuchBackup { policy: policy.clone(), id })?;
        let must_be = |state: BackupState| if backup.state == state { Ok(()) } else { Err(BackupRefusal::WrongState { id, state: backup.state }) };
        let event = match command {
            BackupCommand::Start { .. } => None,
            BackupCommand::Stop { reason } => {
                must_be(BackupState::Running)?;
                if backup.stop_asked.is_some() {
                    return Err(BackupRefusal::StopsAlready);
                }
                Some(BackupEvent::StopAsked { reason: reason.clone() })
            }
            BackupCommand::Prove { proof, from, wanted, reason } => {
                if backup.proofs.iter().any(|known| known.id == *proof) {
                    return Ok(None);
                }
                must_be(BackupState::Completed)?;
                if let Some(running) = backup.running_proof() {
                    return Err(BackupRefusal::ProvenAlready { id, since: running.started_at });
                }
                if !backup.copies.contains_key(from) {
                    return Err(BackupRefusal::NoCopy { id, destination: from.clone() });
                }
                Some(BackupEvent::ProofStarted { proof: *proof, from: from.clone(), wanted: *wanted, reason: reason.clone() })
            }
            BackupCommand::Hold { reason } => {
                must_be(BackupState::Completed)?;
                if let Some(hold) = &backup.hold {
                    return Err(BackupRefusal::HeldAlready { by: hold.by.to_string(), reason: hold.reason.clone() });
                }
                Some(BackupEvent::Held { reason: reason.clone() })
            }
            BackupCommand::Release { reason } => {
                backup.hold.as_ref().ok_or(BackupRefusal::NotHeld)?;
                Some(BackupEvent::HoldReleased { reason: reason.clone() })
            }
        };
        Ok(event)
    }

    /// Takes in one event.
    ///
    /// # Errors
    /// Where it cannot follow; nothing is changed then.
    pub(crate) fn apply(&mut self, at: Instant, actor: &Actor, policy: &PolicyId, id: BackupId, event: &BackupEvent) -> Result<(), BackupMisfit> {
        if let BackupEvent::Started { kind, trigger } = event {
            let record = self.0.entry(policy.clone()).or_insert_with(|| PolicyRecord { since: at, backups: Vec::new() });
            if record.backups.iter().any(|backup| backup.id == id) {
                return Err(BackupMisfit::BegunTwice { id });
            }
            if let Some(running) = record.backups.iter().find(|backup| backup.state == BackupState::Running) {
                return Err(BackupMisfit::TwoAtOnce { id, running: running.id });
            }
            record.backups.retain(|old| old.state != BackupState::Failed || Span::between(old.started_at, at) <= FAILURES_KEPT);
            record.backups.push(Arc::new(Backup::begun(id, policy.clone(), *kind, trigger.clone(), actor.clone(), at)));
            return Ok(());
        }
        if let BackupEvent::Seen { kind, began, ended, contents, broken } = event {
            let record = self.0.entry(policy.clone()).or_insert_with(|| PolicyRecord { since: at, backups: Vec::new() });
            if record.backups.iter().any(|backup| backup.id == id) {
                return Err(BackupMisfit::BegunTwice { id });
            }
            let mut seen = Backup::begun(id, policy.clone(), *kind, Trigger::Reported, actor.clone(), *began);
            seen.state = if broken.is_some() { BackupState::Failed } else { BackupState::Completed };
            (seen.ended_at, seen.why, seen.contents) = (Some(*ended), broken.clone(), Some(contents.clone()));
            let place = record.backups.partition_point(|other| other.started_at <= *began);
            record.backups.insert(place, Arc::new(seen));
            return Ok(());
        }
        let record = self.0.get_mut(policy).ok_or(BackupMisfit::Unknown { id })?;
        let place = record.backups.iter().position(|backup| backup.id == id).ok_or(BackupMisfit::Unknown { id })?;
        if *event == BackupEvent::Deleted && record.backups[place].state == BackupState::Deleting {
            record.backups.remove(place);
            return Ok(());
        }
        Arc::make_mut(&mut record.backups[place]).take_in(at, actor, event)
    }
}

impl Backup {
    fn begun(id: BackupId, policy: PolicyId, kind: BackupType, trigger: Trigger, by: Actor, at: Instant) -> Self {
        let (contents, copies, proofs) = (None, BTreeMap::new(), Vec::new());
        let (ended_at, why, hold, stop_asked) = (None, None, None, None);
        Self { id, policy, kind, trigger, by, state: BackupState::Running, started_at: at, ended_at, why, contents, copies, proofs, hold, stop_asked }
    }

    fn take_in(&mut self, at: Instant, actor: &Actor, event: &BackupEvent) -> Result<(), BackupMisfit> {
        let id = self.id;
        match (self.state, event) {
            (BackupState::Running, BackupEvent::StopAsked { reason }) => self.stop_asked = Some((actor.clone(), reason.clone())),
            (BackupState::Running, BackupEvent::Taken { contents }) => self.contents = Some(contents.clone()),
            (BackupState::Running | BackupState::Completed, BackupEvent::CopyStored { destination }) => {
                self.copies.insert(destination.clone(), BackupCopy::Stored { at });
            }
            (BackupState::Running | BackupState::Completed, BackupEvent::CopyFailed { destination, why }) => {
                let before = match self.copies.get(destination) {
                    Some(BackupCopy::Failed { attempts, .. }) => *attempts,
                    _ => 0,
                };
                self.copies.insert(destination.clone(), BackupCopy::Failed { at, why: why.clone(), attempts: before.saturating_add(1) });
            }
            (BackupState::Completed, BackupEvent::CopyMissing { destination, why }) => {
                let since = match self.copies.get(destination) {
                    Some(BackupCopy::Missing { since, .. }) => *since,
                    _ => at,
                };
                self.copies.insert(destination.clone(), BackupCopy::Missing { since, why: why.clone() });
            }
            // Without a copy there is nothing to be completed; what others made is theirs to keep.
            (BackupState::Running, BackupEvent::Completed)
                if self.trigger == Trigger::Reported || self.copies.values().any(BackupCopy::is_stored) =>
            {
                self.state = BackupState::Completed;
                self.ended_at = Some(at);
            }
            (BackupState::Running, BackupEvent::Failed { why }) => {
                self.state = BackupState::Failed;
                self.ended_at = Some(at);
                self.why = Some(why.clone());
            }
            (BackupState::Completed, BackupEvent::ProofStarted { proof, from, wanted, .. }) => {
                let begun = Proof { id: *proof, destination: from.clone(), wanted: *wanted, started_at: at, by: actor.clone(), ended: None };
                self.proofs.push(begun);
                let surplus = self.proofs.len().saturating_sub(Self::PROOFS_KEPT);
                self.proofs.drain(..surplus);
            }
            (BackupState::Completed, BackupEvent::ProofEnded { proof, result }) => {
                let known = self.proofs.iter_mut().find(|known| known.id == *proof).ok_or(BackupMisfit::UnknownProof { id, proof: *proof })?;
                known.ended = Some((at, result.clone()));
            }
            (BackupState::Completed, BackupEvent::Held { reason }) => {
                self.hold = Some(Hold { by: actor.clone(), since: at, reason: reason.clone() });
            }
            (BackupState::Completed, BackupEvent::HoldReleased { .. }) => self.hold = None,
            (BackupState::Completed | BackupState::Deleting, BackupEvent::Deleting { .. }) => self.state = BackupState::Deleting,
            (state, _) => return Err(BackupMisfit::OutOfPlace { id, state }),
        }
        Ok(())
    }
}
