//! The journal: what people ask for (`Command`), what becomes of it (`decide`), what happened (`Event`), what follows
//! from all of it (`Records`, by `apply`), and the chain of hashes that makes a change visible (`chain`).
//!
//! Replaying the journal from the first entry gives the records; there is no other source of them.

use crate::{
    access::Role,
    failover::{Measured, Operation, Plan, StepState},
    health::Health,
    id::{AccountName, ClusterId, NodeId, OperationId, RegionId, ServiceId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub mod chain;
mod decide;
mod records;
pub use decide::{Refusal, decide, permission_for, void_reasons};
pub use records::Misfit;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "who", content = "name")]
pub enum Actor {
    /// A signed-in person.
    Person(AccountName),
    /// Whoever runs the `lifeboat` command on the server's own machine, by the name of their system account.
    CommandLine(String),
    /// The product itself.
    Lifeboat,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Actor::Person(name) => name.fmt(f),
            Actor::CommandLine(name) => write!(f, "{name} (command line)"),
            Actor::Lifeboat => f.write_str("Lifeboat"),
        }
    }
}

/// What is asked for. The answer is a list of events, or a refusal that lists every reason.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `plan` is what would be done as of now, made by the caller from fresh facts; `shown_hash` is the plan the person
    /// saw and agreed to.
    RequestOperation {
        id: OperationId,
        plan: Box<Plan>,
        shown_hash: String,
        reason: String,
        accept_loss: bool,
        override_blockers: bool,
    },
    /// `plan_now` is the plan as it would be made now, for the check that nothing it rested on has changed.
    Approve {
        operation: OperationId,
        shown_hash: String,
        plan_now: Box<Plan>,
        reason: String,
    },
    Decline {
        operation: OperationId,
        reason: String,
    },
    Cancel {
        operation: OperationId,
        reason: String,
    },
    /// Go on with an operation that stands in doubt, from its first unfinished step.
    Resume {
        operation: OperationId,
        reason: String,
    },
    /// Give up an operation that stands in doubt; a person vouches for the state of the world.
    Close {
        operation: OperationId,
        reason: String,
    },
    AddAccount {
        name: AccountName,
        roles: BTreeSet<Role>,
    },
    SetRoles {
        name: AccountName,
        roles: BTreeSet<Role>,
    },
    DisableAccount {
        name: AccountName,
    },
    /// The new password is not part of the command: secrets never come near the journal.
    ResetPassword {
        name: AccountName,
    },
}

/// What happened. Facts only, in the past tense; what they mean for the records is `Records::apply`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    ServerStarted {
        version: String,
    },
    EstateLoaded {
        name: String,
        services: usize,
        clusters: usize,
        sha256: String,
    },
    SignedIn {
        name: AccountName,
    },
    /// `name` is that of an account, whatever else was typed: people type passwords into the wrong field.
    SignInFailed {
        name: Option<AccountName>,
    },
    SignedOut {
        name: AccountName,
    },
    AccountAdded {
        name: AccountName,
        roles: BTreeSet<Role>,
    },
    RolesSet {
        name: AccountName,
        roles: BTreeSet<Role>,
    },
    AccountDisabled {
        name: AccountName,
    },
    PasswordReset {
        name: AccountName,
    },
    /// Somebody asked for what they may not have, or what cannot be done: what, and every reason.
    Refused {
        asked: String,
        reasons: Vec<String>,
    },
    /// A verdict changed. `since` is the first sample of the series behind it.
    HealthChanged {
        of: Subject,
        from: Health,
        to: Health,
        since: Option<Instant>,
        why: String,
    },
    /// The node that takes the writes was seen to be another one.
    PrimaryObserved {
        cluster: ClusterId,
        node: NodeId,
        timeline: u32,
    },
    /// More than one node takes writes.
    SplitBrainObserved {
        cluster: ClusterId,
        nodes: Vec<NodeId>,
    },
    SplitBrainEnded {
        cluster: ClusterId,
    },
    /// From here on the cluster could not survive the loss of its primary, or only with less than all its standbys.
    ExposureBegan {
        cluster: ClusterId,
        unprotected: bool,
        missing: Vec<String>,
    },
    ExposureEnded {
        cluster: ClusterId,
    },
    OperationRequested {
        id: OperationId,
        plan: Box<Plan>,
        plan_hash: String,
        reason: String,
        loss_accepted: bool,
        overridden: Vec<String>,
    },
    OperationApproved {
        id: OperationId,
        plan_hash: String,
        reason: String,
    },
    OperationDeclined {
        id: OperationId,
        reason: String,
    },
    OperationCancelled {
        id: OperationId,
        reason: String,
    },
    OperationVoided {
        id: OperationId,
        reasons: Vec<String>,
    },
    OperationStarted {
        id: OperationId,
    },
    /// Written before the step acts.
    StepStarted {
        id: OperationId,
        step: usize,
    },
    /// Written after what the step did was seen.
    StepEnded {
        id: OperationId,
        step: usize,
        state: StepState,
        said: String,
    },
    UndoStarted {
        id: OperationId,
        step: usize,
    },
    OperationCompensating {
        id: OperationId,
        why: String,
    },
    /// Something was measured on the way.
    OperationMeasured {
        id: OperationId,
        measured: Measured,
    },
    OperationSucceeded {
        id: OperationId,
    },
    OperationFailed {
        id: OperationId,
        why: String,
    },
    OperationInDoubt {
        id: OperationId,
        why: String,
    },
    OperationResumed {
        id: OperationId,
        reason: String,
    },
    OperationClosed {
        id: OperationId,
        reason: String,
    },
}

impl Event {
    /// The operation it is about, if it is about one.
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Event::OperationRequested { id, .. }
            | Event::OperationApproved { id, .. }
            | Event::OperationDeclined { id, .. }
            | Event::OperationCancelled { id, .. }
            | Event::OperationVoided { id, .. }
            | Event::OperationStarted { id }
            | Event::StepStarted { id, .. }
            | Event::StepEnded { id, .. }
            | Event::UndoStarted { id, .. }
            | Event::OperationCompensating { id, .. }
            | Event::OperationMeasured { id, .. }
            | Event::OperationSucceeded { id }
            | Event::OperationFailed { id, .. }
            | Event::OperationInDoubt { id, .. }
            | Event::OperationResumed { id, .. }
            | Event::OperationClosed { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Subject {
    Node { cluster: ClusterId, node: NodeId },
    Endpoint { service: ServiceId, region: RegionId },
    Router { cluster: ClusterId },
    Agent { region: RegionId },
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1, without gaps.
    pub seq: u64,
    pub at: Instant,
    pub actor: Actor,
    pub event: Event,
    /// Hash of the entry before; 64 zeros for the first.
    pub previous: String,
    /// SHA-256 of `previous` and this entry's own text.
    pub hash: String,
}

/// Everything that follows from the journal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Records {
    /// The last entry applied; 0 before the first.
    pub seq: u64,
    pub operations: BTreeMap<OperationId, Operation>,
    pub accounts: BTreeMap<AccountName, Account>,
    /// Clusters that are not fully protected, and since when.
    pub exposures: BTreeMap<ClusterId, Exposure>,
    pub split_brain: BTreeMap<ClusterId, Instant>,
    /// The node last known to take the writes, with its timeline.
    pub primaries: BTreeMap<ClusterId, (NodeId, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub roles: BTreeSet<Role>,
    pub enabled: bool,
    /// The entry that last changed the account or its password; a session begun before it is over.
    pub changed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    pub since: Instant,
    /// True while no standby could take over; false while some could and others not.
    pub unprotected: bool,
    pub missing: Vec<String>,
}

impl Records {
    /// The operation that holds `cluster`, if any.
    pub fn active_on(&self, cluster: &ClusterId) -> Option<&Operation> {
        self.operations.values().find(|operation| &operation.plan.cluster == cluster && operation.state.is_active())
    }
    pub fn roles_of(&self, name: &AccountName) -> BTreeSet<Role> {
        self.accounts.get(name).filter(|account| account.enabled).map(|account| account.roles.clone()).unwrap_or_default()
    }
}
