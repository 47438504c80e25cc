//! Steps: what an operation does to the world, one thing at a time, and what follows when one fails.

use crate::{
    estate::AtEnd,
    id::{ClusterId, DestinationId, FenceId, HookId, MonitoringId, NodeId, PoolerId, RegionId, Scope, ServiceId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One thing a step does to the world. Each is idempotent: it looks first, and doing it twice does it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Read the node afresh and refuse if it could not take over.
    CheckTarget {
        node: NodeId,
    },
    /// No client reaches any node through the router, and open client connections are closed.
    CloseRoute {
        was: Option<NodeId>,
    },
    /// Clients reach exactly this node.
    OpenRoute {
        node: NodeId,
    },
    /// Stop the node cleanly through its host agent.
    StopNode {
        node: NodeId,
    },
    StartNode {
        node: NodeId,
    },
    /// Wait until the target holds every byte the stopped source wrote.
    CatchUp {
        source: NodeId,
        target: NodeId,
    },
    /// Make sure that the node cannot take a write any more.
    Fence {
        node: NodeId,
        by: FenceMeans,
    },
    /// Take back that the node refuses writes.
    AllowWrites {
        node: NodeId,
    },
    /// Read the write-ahead log of the fenced source, and go on only where the target holds every transaction in it that was
    /// acknowledged.
    HoldsAll {
        source: NodeId,
        target: NodeId,
        /// The one `source` wrote on.
        timeline: u32,
        /// Where the source acknowledged nothing that no standby had confirmed: the standbys beside the target. What neither of them
        /// nor the target has was acknowledged to nobody. Absent where the source did not wait for standbys.
        confirmed_by: Option<Vec<NodeId>>,
    },
    Promote {
        node: NodeId,
    },
    /// The node says of itself that it is writable, on a new timeline.
    VerifyWritable {
        node: NodeId,
    },
    /// Write a row through the router as a client would, and read it back.
    ProveWrite {
        node: NodeId,
    },
    /// Clients of these poolers wait: what runs ends first, and nothing new begins. The agent beside each ends that after `lasts`.
    PausePoolers {
        poolers: Vec<PoolerId>,
        lasts: Span,
    },
    /// These poolers lead to `node` from here on, their connections end at once, and their clients wait, for no longer than `lasts`.
    CutPoolers {
        poolers: Vec<PoolerId>,
        node: NodeId,
        lasts: Span,
    },
    /// These poolers lead to `node`, and their clients wait no more.
    RepointPoolers {
        poolers: Vec<PoolerId>,
        node: NodeId,
    },
    /// Clients of these poolers wait no more.
    ResumePoolers {
        poolers: Vec<PoolerId>,
    },
    /// Write a row through each of these poolers as a client would, and read it back.
    ProvePoolers {
        poolers: Vec<PoolerId>,
        node: NodeId,
    },
    /// Let these nodes follow `upstream`.
    Repoint {
        nodes: Vec<NodeId>,
        upstream: NodeId,
    },
    /// Count what the fenced node wrote that the promoted one does not have.
    MeasureLoss {
        source: NodeId,
        target: NodeId,
        /// The one `source` wrote on.
        timeline: u32,
    },
    /// A checkpoint on the primary; without it `pg_rewind` was seen to call a diverged node sound.
    Checkpoint {
        node: NodeId,
    },
    /// Take back what the node wrote beyond the common history; copy it anew where that is not possible.
    Rewind {
        node: NodeId,
        from: NodeId,
    },
    /// Start the node as a standby of `upstream`.
    Follow {
        node: NodeId,
        upstream: NodeId,
    },
    /// Each of these streams from `upstream`, on its timeline.
    ProveStreaming {
        nodes: Vec<NodeId>,
        upstream: NodeId,
    },
    /// Have commits on the node wait for `confirm` of these standbys again, as far as they stream, and see that they do.
    RestoreSynchronous {
        node: NodeId,
        standbys: Vec<NodeId>,
        confirm: u32,
    },
    /// Ask Patroni how things stand, and refuse if it would not hand over.
    CheckPatroni {
        /// The one who is to hand over, in a switchover.
        leader: Option<NodeId>,
        candidate: NodeId,
    },
    /// Ask Patroni to make `candidate` the leader: in the place of `leader`, or where that is absent because there is none.
    AskPatroni {
        leader: Option<NodeId>,
        candidate: NodeId,
    },
    /// The node says of itself that it takes writes, on a later timeline than `after`.
    ProvePromoted {
        node: NodeId,
        after: Option<u32>,
    },
    /// Write a row on the node itself, where no router leads to it, and read it back.
    ProveWriteOn {
        node: NodeId,
    },
    /// The node that led before says of itself that it is in recovery, or its host has seen it gone.
    ProveNotWritable {
        node: NodeId,
    },
    /// Probe the service in these regions afresh and refuse if one does not answer well.
    CheckRegions {
        service: ServiceId,
        regions: BTreeSet<RegionId>,
    },
    /// Look where the data that the service needs is written, and refuse where it is written nowhere.
    CheckData {
        service: ServiceId,
        clusters: Vec<ClusterId>,
    },
    /// Clients are sent to exactly these regions; sessions elsewhere are closed.
    SendClients {
        service: ServiceId,
        to: BTreeSet<RegionId>,
    },
    /// Do everything that sending clients there would need, except sending them.
    Rehearse {
        service: ServiceId,
        to: BTreeSet<RegionId>,
    },
    /// Move these members of an evacuation, some at a time, each by an operation of its own.
    MoveWave {
        region: RegionId,
        wave: usize,
        members: Vec<Scope>,
    },
    /// Come in as a client does, see an answer from one of these regions, and read the routing back.
    ProveClients {
        service: ServiceId,
        to: BTreeSet<RegionId>,
    },
    /// Wait until somebody commits the move or rolls it back; where nobody does either, `then` follows.
    AwaitCommit {
        service: ServiceId,
        /// The regions that clients would be sent back to.
        from: BTreeSet<RegionId>,
        window: Span,
        then: AtEnd,
    },
    /// Look whether a backup can be restored: its destination answers, there is room, and the folder is new.
    CheckRestore {
        folder: String,
    },
    /// Bring the backup, and the log after it, into the folder; every checksum is held against the journal.
    FetchBackup {
        from: DestinationId,
        folder: String,
    },
    /// Unpack it, and have its tools read all of it.
    UnpackBackup {
        folder: String,
    },
    /// Start a PostgreSQL of its own on it, which replays the log up to the last commit before that moment, and stands still there.
    RecoverBefore {
        folder: String,
        before: Instant,
    },
    /// Wait until somebody has looked at it.
    AwaitInspection {
        folder: String,
        window: Span,
    },
    /// Have it take writes, on a timeline of its own. Nobody is sent there.
    PromoteRestored {
        folder: String,
    },
    /// End its server, and remove the folder.
    DiscardRestored {
        folder: String,
    },
    /// Run the program that the server's configuration has under this name.
    RunHook {
        hook: HookId,
        moment: HookMoment,
    },
    /// Silence the alerts to be expected of what is left, for no longer than `lasts`.
    SilenceAlerts {
        monitoring: BTreeSet<MonitoringId>,
        services: BTreeSet<ServiceId>,
        regions: BTreeSet<RegionId>,
        lasts: Span,
    },
    /// End the silence of this operation.
    EndSilence {
        monitoring: BTreeSet<MonitoringId>,
    },
    /// Have it stand in monitoring what was done.
    Annotate {
        monitoring: BTreeSet<MonitoringId>,
    },
    /// Ask monitoring whether it would take what would be told, and write nothing.
    RehearseMonitoring {
        monitoring: BTreeSet<MonitoringId>,
        services: BTreeSet<ServiceId>,
        regions: BTreeSet<RegionId>,
    },
}

impl Action {
    /// Whether a person may leave it out of an operation that stands in doubt: not what keeps two writers apart, what moves
    /// the writes or the clients, nor the proof that the end was reached (`Operation::may_skip` knows what that is).
    pub fn may_be_skipped(&self) -> bool {
        match self {
            Action::CheckTarget { .. }
            | Action::CheckPatroni { .. }
            | Action::CheckRegions { .. }
            | Action::CheckData { .. }
            | Action::Rehearse { .. }
            | Action::MoveWave { .. }
            | Action::Repoint { .. }
            | Action::MeasureLoss { .. }
            | Action::StartNode { .. }
            | Action::ProveStreaming { .. }
            | Action::RestoreSynchronous { .. }
            | Action::ResumePoolers { .. }
            | Action::ProvePoolers { .. }
            | Action::RunHook { .. }
            | Action::SilenceAlerts { .. }
            | Action::EndSilence { .. }
            | Action::Annotate { .. }
            | Action::RehearseMonitoring { .. } => true,
            Action::CloseRoute { .. }
            | Action::OpenRoute { .. }
            | Action::StopNode { .. }
            | Action::CatchUp { .. }
            | Action::Fence { .. }
            | Action::AllowWrites { .. }
            | Action::HoldsAll { .. }
            | Action::Promote { .. }
            | Action::VerifyWritable { .. }
            | Action::ProveWrite { .. }
            | Action::PausePoolers { .. }
            | Action::CutPoolers { .. }
            | Action::RepointPoolers { .. }
            | Action::AskPatroni { .. }
            | Action::ProvePromoted { .. }
            | Action::ProveWriteOn { .. }
            | Action::ProveNotWritable { .. }
            | Action::Checkpoint { .. }
            | Action::Rewind { .. }
            | Action::Follow { .. }
            | Action::SendClients { .. }
            | Action::AwaitCommit { .. }
            | Action::CheckRestore { .. }
            | Action::FetchBackup { .. }
            | Action::UnpackBackup { .. }
            | Action::RecoverBefore { .. }
            | Action::AwaitInspection { .. }
            | Action::PromoteRestored { .. }
            | Action::DiscardRestored { .. }
            | Action::ProveClients { .. } => false,
        }
    }
    /// Whether a recovery goes on, and an undoing too, where it fails: it is recorded, and what matters more is done.
    pub fn holds_nothing_back(&self) -> bool {
        self.only_tells() || matches!(self, Action::RunHook { .. } | Action::ResumePoolers { .. })
    }
    /// Whether it only tells others. It moves nothing, so nothing waits for it: neither a recovery nor its undoing.
    pub fn only_tells(&self) -> bool {
        matches!(self, Action::SilenceAlerts { .. } | Action::EndSilence { .. } | Action::Annotate { .. } | Action::RehearseMonitoring { .. })
    }
    /// Whether it writes in monitoring. A test may not do that either.
    pub fn changes_monitoring(&self) -> bool {
        matches!(self, Action::SilenceAlerts { .. } | Action::EndSilence { .. } | Action::Annotate { .. })
    }
    /// Whether clients must wait from its beginning on.
    pub fn begins_a_wait(&self) -> bool {
        matches!(
            self,
            Action::PausePoolers { .. }
                | Action::CloseRoute { .. }
                | Action::AskPatroni { .. }
                | Action::SendClients { .. }
                | Action::MoveWave { .. }
        )
    }
    /// Whether clients may be served again when it is done.
    pub fn ends_a_wait(&self) -> bool {
        self.proves_the_end() || matches!(self, Action::MoveWave { .. })
    }
    /// Whether clients were seen to be served when it is done.
    pub fn proves_the_end(&self) -> bool {
        matches!(self, Action::ProveWrite { .. } | Action::ProveWriteOn { .. } | Action::ProveClients { .. })
    }
    /// Whether it starts, stops, promotes or rewinds a node, or tells it whom to follow or to wait for: what only the manager of the cluster does.
    pub fn runs_nodes(&self) -> bool {
        match self {
            Action::StopNode { .. }
            | Action::StartNode { .. }
            | Action::Fence { .. }
            | Action::Promote { .. }
            | Action::Repoint { .. }
            | Action::Rewind { .. }
            | Action::RestoreSynchronous { .. }
            | Action::Follow { .. } => true,
            Action::CheckTarget { .. }
            | Action::CloseRoute { .. }
            | Action::OpenRoute { .. }
            | Action::CatchUp { .. }
            | Action::AllowWrites { .. }
            | Action::HoldsAll { .. }
            | Action::VerifyWritable { .. }
            | Action::ProveWrite { .. }
            | Action::PausePoolers { .. }
            | Action::CutPoolers { .. }
            | Action::RepointPoolers { .. }
            | Action::ResumePoolers { .. }
            | Action::ProvePoolers { .. }
            | Action::MeasureLoss { .. }
            | Action::Checkpoint { .. }
            | Action::ProveStreaming { .. }
            | Action::CheckPatroni { .. }
            | Action::AskPatroni { .. }
            | Action::ProvePromoted { .. }
            | Action::ProveWriteOn { .. }
            | Action::ProveNotWritable { .. }
            | Action::CheckRegions { .. }
            | Action::CheckData { .. }
            | Action::SendClients { .. }
            | Action::Rehearse { .. }
            | Action::MoveWave { .. }
            | Action::ProveClients { .. }
            | Action::AwaitCommit { .. }
            | Action::CheckRestore { .. }
            | Action::FetchBackup { .. }
            | Action::UnpackBackup { .. }
            | Action::RecoverBefore { .. }
            | Action::AwaitInspection { .. }
            | Action::PromoteRestored { .. }
            | Action::DiscardRestored { .. }
            | Action::RunHook { .. }
            | Action::SilenceAlerts { .. }
            | Action::EndSilence { .. }
            | Action::Annotate { .. }
            | Action::RehearseMonitoring { .. } => false,
        }
    }
    /// Whether it has to do with Patroni.
    pub fn asks_patroni(&self) -> bool {
        matches!(self, Action::CheckPatroni { .. } | Action::AskPatroni { .. })
    }
    /// Whether it belongs to the restore of a backup.
    pub fn restores(&self) -> bool {
        matches!(
            self,
            Action::CheckRestore { .. }
                | Action::FetchBackup { .. }
                | Action::UnpackBackup { .. }
                | Action::RecoverBefore { .. }
                | Action::AwaitInspection { .. }
                | Action::PromoteRestored { .. }
                | Action::DiscardRestored { .. }
        )
    }
    /// Whether it sends clients elsewhere, or keeps them out. A test may not do that (row 40).
    pub fn changes_routing(&self) -> bool {
        matches!(
            self,
            Action::CloseRoute { .. }
                | Action::OpenRoute { .. }
                | Action::CutPoolers { .. }
                | Action::RepointPoolers { .. }
                | Action::SendClients { .. }
        )
    }
}

/// How the old primary is kept from taking writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FenceMeans {
    /// Its host agent ends the processes and proves them gone.
    HostAgent,
    /// A program of the server's configuration turns it off, and nothing answers there any more.
    Command { fence: FenceId },
    /// Clients are cut at the router and the target is its synchronous standby, so it can acknowledge nothing.
    RouterAndSynchronousStandby,
    /// Its host stops it when it has not heard from Lifeboat for so long; that time is waited out.
    Lease,
    /// It answers, and is told to refuse writes; the sessions of all clients end.
    ReadOnly,
    /// Not proven. Two people accepted that, and the record says so.
    Overridden,
}

impl FenceMeans {
    /// Whether the node is told to end and is not started again: from then on there is no way back, whatever was answered.
    pub fn ends_the_node(&self) -> bool {
        match self {
            FenceMeans::HostAgent | FenceMeans::Command { .. } => true,
            FenceMeans::RouterAndSynchronousStandby | FenceMeans::Lease | FenceMeans::ReadOnly | FenceMeans::Overridden => false,
        }
    }
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookMoment {
    Before,
    After,
}

impl HookMoment {
    pub fn as_str(self) -> &'static str {
        match self {
            HookMoment::Before => "before",
            HookMoment::After => "after",
        }
    }
}

/// What follows when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Undo what was done, in reverse, and end as failed. Only before the promotion.
    Compensate,
    /// Stop and ask a person: the truth is not known, or going back would do harm.
    StandInDoubt,
    /// Record it and go on: the service works already, the shortfall stays visible.
    GoOn,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub action: Action,
    pub timeout: Span,
    pub undo: Option<Action>,
    pub on_failure: OnFailure,
    /// What follows instead once the operation was made an emergency on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_emergency: Option<OnFailure>,
}

impl Step {
    pub(super) fn new(action: Action, timeout: Span, on_failure: OnFailure) -> Self {
        Self { action, timeout, undo: None, on_failure, in_emergency: None }
    }
    pub(super) fn in_emergency(mut self, on_failure: OnFailure) -> Self {
        self.in_emergency = Some(on_failure);
        self
    }
    pub(super) fn undone_by(mut self, undo: Action) -> Self {
        self.undo = Some(undo);
        self
    }
}
