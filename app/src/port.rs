//! The one door between the pages and the server: look at the picture, act by a command, read the history. The server's
//! desk implements it and authorises every call, because a server function called while rendering passes no web layer.

use crate::{fault::Fault, session::Viewer};
use async_trait::async_trait;
use engine::{
    backups::ledger::BackupCommand,
    dr_tests::ledger::TestCommand,
    failover::{Mode, OperationKind, restore::RestoreWish},
    history::{Mark, Period, Proposal, Replay, Track},
    id::{BackupId, ChannelName, ClusterId, NodeId, OperationId, PolicyId, RegionId, RunId, RunbookName, ScenarioId, ServiceId, TestRunId},
    journal::{Entry, Subject},
    notifications::{IncidentKey, Notifications},
    picture::Picture,
    restraints::Restraint,
    runbooks::{ledger::RunbookCommand, run::RunCommand},
    time::Instant,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a page asks to have done. The desk adds what only it knows (fresh facts, a new plan) and makes a `Command` of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// `id` was made when the form was rendered: sending the form twice requests once.
    Request {
        id: OperationId,
        kind: OperationKind,
        cluster: ClusterId,
        node: Option<NodeId>,
        plan_hash: String,
        reason: String,
        accept_loss: bool,
        override_blockers: bool,
    },
    /// Send the clients of a service to these regions.
    RequestTraffic {
        id: OperationId,
        service: ServiceId,
        mode: Mode,
        to: BTreeSet<RegionId>,
        plan_hash: String,
        reason: String,
        override_blockers: bool,
    },
    /// Empty a region.
    RequestEvacuation {
        id: OperationId,
        region: RegionId,
        mode: Mode,
        plan_hash: String,
        reason: String,
        accept_loss: bool,
        override_blockers: bool,
    },
    /// Restore a backup into a new folder.
    RequestRestore {
        id: OperationId,
        wish: RestoreWish,
        plan_hash: String,
        reason: String,
        override_blockers: bool,
    },
    Approve {
        operation: OperationId,
        plan_hash: String,
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
    Resume {
        operation: OperationId,
        reason: String,
    },
    Close {
        operation: OperationId,
        reason: String,
    },
    Skip {
        operation: OperationId,
        reason: String,
    },
    Escalate {
        operation: OperationId,
        reason: String,
    },
    Commit {
        operation: OperationId,
        reason: String,
    },
    Abort {
        operation: OperationId,
        reason: String,
    },
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
    /// Begin a run of this version, with these values of its parameters.
    StartRun {
        id: RunId,
        name: RunbookName,
        version: u32,
        values: BTreeMap<String, String>,
        reason: String,
    },
    /// Start a run of a scenario. `run` was made with the form: sending it twice starts one.
    StartTest {
        run: TestRunId,
        scenario: ScenarioId,
        shown_version: String,
        override_gates: bool,
        accept_loss: bool,
        reason: String,
    },
    /// Something about a run that there is.
    DrTest {
        run: TestRunId,
        command: TestCommand,
    },
}

/// Which journal entries to read: at most `limit` (capped at 200) before `before`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryQuery {
    pub before: Option<u64>,
    pub limit: u32,
    /// Only entries about this operation.
    pub operation: Option<OperationId>,
}

/// Which recorded probes to read: those of one target, by all who observe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbesQuery {
    pub of: Subject,
    pub period: Period,
}

/// What the probes of one observer, or of all together, would have led to, one answer for each rule that was proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// `None` for all together.
    pub observer: Option<String>,
    pub replays: Vec<Replay>,
    /// There is more in the period than is read at once: only what begins then was judged.
    pub cut: Option<Instant>,
}

#[async_trait]
pub trait Port: Send + Sync + 'static {
    /// Everything known now.
    async fn look(&self, viewer: &Viewer) -> Result<Picture, Fault>;
    /// Carries out a wish, or says why not. The refusal is in the journal either way.
    async fn act(&self, viewer: &Viewer, wish: Wish) -> Result<(), Fault>;
    async fn history(&self, viewer: &Viewer, query: HistoryQuery) -> Result<Vec<Entry>, Fault>;
    /// What probes saw, with what is not written yet. Of very much only the newest is read, and said to be.
    async fn probes(&self, viewer: &Viewer, query: ProbesQuery) -> Result<Vec<Track>, Fault>;
    /// The same, judged by each proposed rule: all observers together, where there are several, then each by itself. Takes its time where much was recorded, and holds nothing else up.
    async fn replay(&self, viewer: &Viewer, query: ProbesQuery, proposals: Vec<Proposal>) -> Result<Vec<Replayed>, Fault>;
    /// The marks of the last hour of each target, oldest first; asks no disk.
    fn recent(&self, viewer: &Viewer, of: &[Subject]) -> Result<Vec<Vec<Mark>>, Fault>;
    /// Who is told outside of the pages, and what they were told.
    async fn notifications(&self, viewer: &Viewer) -> Result<Notifications, Fault>;
    /// Sends a test through a channel. What came of it is among the deliveries.
    async fn test_channel(&self, viewer: &Viewer, channel: ChannelName) -> Result<(), Fault>;
    /// Records that the viewer looks after an incident.
    async fn acknowledge_incident(&self, viewer: &Viewer, incident: IncidentKey, reason: String) -> Result<(), Fault>;
    /// A new operation id, for a form.
    fn new_id(&self) -> OperationId;
}

/// The port of this process, from the context the server provides.
pub fn port() -> Result<Arc<dyn Port>, Fault> {
    leptos::prelude::use_context::<Arc<dyn Port>>().ok_or_else(|| Fault::Broken("the server provides no port to the pages".to_owned()))
}
