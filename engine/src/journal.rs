//! The journal: what people ask for (`Command`), what becomes of it (`decide`), what happened (`Event`), what follows
//! from all of it (`Records`, by `apply`), and the chain of hashes that makes a change visible (`chain`).
//!
//! Replaying the journal from the first entry gives the records; there is no other source of them.

use crate::{
    access::Role,
    automation::{Case, Decision},
    backups::ledger::{BackupCommand, BackupEvent, BackupLedger},
    dr_tests::ledger::{TestCommand, TestEvent, TestLedger},
    failover::{Measured, Operation, Plan, StepState},
    findings::Severity,
    health::Health,
    id::{
        AccountName, BackupId, ChannelName, ClusterId, NodeId, ObserverId, OperationId, PolicyId, PoolerId, RegionId, RunId, RunbookName, Scope,
        ServiceId, TestRunId,
    },
    notifications::IncidentKey,
    restraints::{Held, Restraint},
    runbooks::{
        ledger::{RunbookCommand, RunbookEvent, RunbookLedger},
        run::{RunCommand, RunEvent},
    },
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub mod chain;
mod decide;
mod records;
pub use decide::{Refusal, decide, permission_for, void_reasons, voids};
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
        /// Needed where data may be lost and the requester, the product itself, could not accept that.
        accept_loss: bool,
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
    /// Leave the step at which an operation stands in doubt out, where that can do no harm.
    Skip {
        operation: OperationId,
        reason: String,
    },
    /// Make a planned operation an emergency on its way: errors of the side that is left stop it no more.
    Escalate {
        operation: OperationId,
        reason: String,
    },
    /// Make a move final before its commit window is over.
    Commit {
        operation: OperationId,
        reason: String,
    },
    /// Stop an operation that runs, after the step it is at. In its commit window that rolls it back.
    Abort {
        operation: OperationId,
        reason: String,
    },
    /// Take note of how an operation ended, so that the product may act again.
    Acknowledge {
        operation: OperationId,
        reason: String,
    },
    Restrain {
        what: Restraint,
        until: Option<Instant>,
        reason: String,
    },
    Release {
        what: Restraint,
        reason: String,
    },
    /// Take note of an incident: no more reminders of it, as long as it gets no worse. What it says and how bad it is are
    /// added by the caller, from what is open now.
    AcknowledgeIncident {
        incident: IncidentKey,
        severity: Severity,
        title: String,
        reason: String,
    },
    /// Try out whether a channel of notifications reaches anybody.
    TestChannel {
        channel: ChannelName,
    },
    /// Something about one backup of a policy.
    Backup {
        policy: PolicyId,
        id: BackupId,
        command: BackupCommand,
    },
    /// Something about a runbook's text.
    Runbook {
        name: RunbookName,
        command: RunbookCommand,
    },
    /// Something in a run of a runbook.
    Run {
        id: RunId,
        command: RunCommand,
    },
    /// Something about one run of a DR test.
    DrTest {
        run: TestRunId,
        command: TestCommand,
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

/// By which means somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignInMeans {
    #[default]
    Password,
    /// A proxy in front of the server says so.
    Proxy,
}

impl std::fmt::Display for SignInMeans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SignInMeans::Password => "by password",
            SignInMeans::Proxy => "by the proxy",
        })
    }
}

impl SignInMeans {
    fn is_password(&self) -> bool {
        *self == SignInMeans::Password
    }
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
        #[serde(default, skip_serializing_if = "SignInMeans::is_password")]
        by: SignInMeans,
    },
    /// `name` is that of an account, whatever else was typed: people type passwords into the wrong field.
    SignInFailed {
        name: Option<AccountName>,
        #[serde(default, skip_serializing_if = "SignInMeans::is_password")]
        by: SignInMeans,
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
    /// An observer fell silent, sees nothing any more, or sees again.
    ObserverChanged {
        observer: ObserverId,
        to: ObserverStanding,
        since: Instant,
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
    /// The regions that clients of a service are sent to were read for the first time; they count as intended.
    TrafficAdopted {
        service: ServiceId,
        regions: BTreeSet<RegionId>,
    },
    /// Clients are sent elsewhere than intended, and no operation of ours did that.
    TrafficStrayed {
        service: ServiceId,
        intended: BTreeSet<RegionId>,
        seen: BTreeSet<RegionId>,
    },
    TrafficReturned {
        service: ServiceId,
    },
    /// From here on the service could not survive the loss of a region, or only with less than all its regions.
    ServiceExposureBegan {
        service: ServiceId,
        unprotected: bool,
        missing: Vec<String>,
    },
    ServiceExposureEnded {
        service: ServiceId,
    },
    /// Probes failed, too few of them for a verdict, and it is well again: why nothing was done.
    Wavered {
        of: Subject,
        since: Instant,
        /// The most that failed among the last `samples`.
        failed: u32,
        needed: u32,
        samples: u32,
    },
    /// The clock went another way than time: it was set, or the machine stood still.
    ClockJumped {
        /// What it would have said.
        from: Instant,
        /// What it said.
        to: Instant,
    },
    /// What the product does about a failure, or why it does nothing.
    Decided {
        decision: Box<Decision>,
    },
    /// What was decided about is well again, or no clients are sent to it any more.
    CaseClosed {
        scope: Scope,
        lasted: Span,
    },
    Restrained {
        what: Restraint,
        until: Option<Instant>,
        reason: String,
    },
    Released {
        what: Restraint,
        reason: String,
    },
    /// A restraint ended by itself.
    RestraintEnded {
        what: Restraint,
        why: String,
    },
    /// Somebody looks after an incident; how bad it was then.
    IncidentAcknowledged {
        incident: IncidentKey,
        severity: Severity,
        title: String,
        reason: String,
    },
    /// A test was sent through a channel; how that ended is kept with the deliveries.
    ChannelTested {
        channel: ChannelName,
    },
    /// A backup policy was declared for the first time: nothing of it was due before.
    BackupPolicyAdopted {
        policy: PolicyId,
    },
    /// Something happened to one backup of a policy.
    Backup {
        policy: PolicyId,
        id: BackupId,
        what: Box<BackupEvent>,
    },
    /// Something happened to a runbook's text.
    Runbook {
        name: RunbookName,
        what: Box<RunbookEvent>,
    },
    /// Something happened in a run of a runbook.
    Run {
        id: RunId,
        what: Box<RunEvent>,
    },
    /// Something happened to one run of a DR test.
    DrTest {
        run: TestRunId,
        what: Box<TestEvent>,
    },
    OperationRequested {
        id: OperationId,
        plan: Box<Plan>,
        plan_hash: String,
        reason: String,
        loss_accepted: bool,
        overridden: Vec<String>,
        /// The running evacuation that asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<OperationId>,
    },
    OperationApproved {
        id: OperationId,
        plan_hash: String,
        reason: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        loss_accepted: bool,
    },
    /// The approval before it set these safety rules aside (row 61).
    SafetyRulesBroken {
        id: OperationId,
        rules: Vec<String>,
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
    StepSkipped {
        id: OperationId,
        step: usize,
        reason: String,
    },
    OperationEscalated {
        id: OperationId,
        reason: String,
    },
    OperationCommitted {
        id: OperationId,
        reason: String,
    },
    OperationAborted {
        id: OperationId,
        reason: String,
    },
    OperationAcknowledged {
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
            | Event::SafetyRulesBroken { id, .. }
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
            | Event::OperationClosed { id, .. }
            | Event::StepSkipped { id, .. }
            | Event::OperationEscalated { id, .. }
            | Event::OperationCommitted { id, .. }
            | Event::OperationAborted { id, .. }
            | Event::OperationAcknowledged { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Subject {
    Node {
        cluster: ClusterId,
        node: NodeId,
    },
    Endpoint {
        service: ServiceId,
        region: RegionId,
    },
    Router {
        cluster: ClusterId,
    },
    /// The Patroni that runs a cluster.
    Patroni {
        cluster: ClusterId,
    },
    /// A PgBouncer that clients of a cluster come through.
    Pooler {
        cluster: ClusterId,
        pooler: PoolerId,
    },
    Agent {
        region: RegionId,
    },
    /// What sends the clients of a service to regions.
    Traffic {
        service: ServiceId,
    },
}

/// Whether an observer's word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObserverStanding {
    Sees,
    /// Nothing that it probes answers it: it may be cut off itself.
    Blind,
    /// Nothing is heard of it.
    Silent,
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
    /// Where clients of each service are meant to be sent.
    pub routes: BTreeMap<ServiceId, Route>,
    /// Services whose clients are sent elsewhere than meant, since when and where.
    pub strayed: BTreeMap<ServiceId, (Instant, BTreeSet<RegionId>)>,
    /// Services that could not survive the loss of a region, or not as well as meant.
    pub service_exposures: BTreeMap<ServiceId, Exposure>,
    /// Failures the product has decided about and that are not over.
    pub cases: BTreeMap<Scope, Case>,
    /// Observers whose word does not count now, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observers: BTreeMap<ObserverId, (ObserverStanding, Instant)>,
    /// What people hold back, in force until released or until its time is up.
    pub restraints: BTreeMap<Restraint, Held>,
    /// Incidents that somebody looks after. One that ended is not thrown away: its key never comes back.
    #[serde(default)]
    pub acknowledged: BTreeMap<IncidentKey, Taken>,
    /// Backups, their copies and proofs.
    #[serde(default)]
    pub backups: BackupLedger,
    /// Runbooks, their versions and their runs.
    #[serde(default)]
    pub runbooks: RunbookLedger,
    /// Runs of DR tests.
    #[serde(default, skip_serializing_if = "TestLedger::is_empty")]
    pub dr_tests: TestLedger,
    /// When the clock was last set, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockSet>,
}

/// The last time that the clock was set, or stood still with the machine, while the product was watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSet {
    /// What it said right after.
    pub to: Instant,
    /// The latest it had ever said until then, or says now: a time up to it may be from before.
    pub latest: Instant,
}

/// Who looks after an incident, since when, and how bad it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub by: Actor,
    pub at: Instant,
    pub severity: Severity,
    pub reason: String,
}

/// Where clients of a service are meant to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub intended: BTreeSet<RegionId>,
    pub since: Instant,
    /// The operation that sent them there; absent where they were found there.
    pub by: Option<OperationId>,
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
    /// The operation that holds `scope`, if any.
    pub fn holder_of(&self, scope: &Scope) -> Option<&Operation> {
        self.operations.values().find(|operation| operation.state.is_active() && operation.plan.scope() == *scope)
    }
    /// The operation that holds `cluster`, if any.
    pub fn active_on(&self, cluster: &ClusterId) -> Option<&Operation> {
        self.holder_of(&Scope::Cluster(cluster.clone()))
    }
    /// A restraint, as long as it is in force.
    pub fn held(&self, what: &Restraint, now: Instant) -> Option<&Held> {
        self.restraints.get(what).filter(|held| !held.is_over(now))
    }
    /// From when a time that must pass is counted: the clock being set makes it begin anew, for how much of it had passed by
    /// then is not known.
    pub fn counted_from(&self, since: Instant, now: Instant) -> Instant {
        match self.clock {
            Some(clock) if since > now => clock.to,
            Some(clock) => since.max(clock.to),
            None => since,
        }
    }
    pub fn roles_of(&self, name: &AccountName) -> BTreeSet<Role> {
        self.accounts.get(name).filter(|account| account.enabled).map(|account| account.roles.clone()).unwrap_or_default()
    }
}
