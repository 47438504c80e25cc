//! What is observed of backups, beside what the journal says of them.

use super::health::Times;
use crate::{
    id::{BackupId, DestinationId, OperationId, PolicyId},
    time::Instant,
};
use std::collections::{BTreeMap, BTreeSet};

/// Latest values only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupSights {
    /// When policies are due.
    pub times: BTreeMap<PolicyId, Times>,
    /// Policies whose jobs cannot run as things are (a tool is missing, a destination cannot be reached), and why.
    pub troubles: BTreeMap<PolicyId, String>,
    /// The tool of each policy with its version, as it says it itself.
    pub tools: BTreeMap<PolicyId, String>,
    /// How far jobs and proofs have come that run now.
    pub progress: BTreeMap<BackupId, Progress>,
    /// The same of restores.
    pub restoring: BTreeMap<OperationId, Progress>,
    /// Where backups are restored to; absent where nowhere.
    pub restores: Option<RestorePlace>,
}

/// The folder that restored backups come into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlace {
    /// The names of what is in it.
    pub taken: BTreeSet<String>,
    /// Free bytes; absent where nobody knows.
    pub room: Option<u64>,
}

/// How far a job or a proof has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    pub bytes: u64,
    /// Absent where nobody knows.
    pub total: Option<u64>,
    /// When this stage began.
    pub since: Instant,
}

/// What a job or a proof is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    Reading,
    Copying(DestinationId),
    Fetching(DestinationId),
    Proving,
}
