//! One operation as a row of a list: what, where, how it stands, who asked, and what was measured.

use super::{verdict, words};
use crate::ui::state::Tone;
use engine::{
    failover::{Mode, Operation, OperationKind, State},
    id::{AccountName, ClusterId, OperationId, Scope},
    picture::Picture,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationLine {
    pub id: OperationId,
    pub kind: OperationKind,
    /// What it holds while it is active.
    pub scope: Scope,
    pub title: String,
    pub tone: Tone,
    pub state: String,
    pub active: bool,
    pub requested_by: AccountName,
    pub requested_at: Instant,
    pub approved_by: Option<AccountName>,
    pub ended_at: Option<Instant>,
    /// Finished steps, of how many.
    pub steps_over: usize,
    pub steps: usize,
    pub recovery_time: Option<Span>,
    /// Whether the measured time kept the objective; `None` where either is missing.
    pub rto_met: Option<bool>,
    /// What it cost of what was committed; `None` where it moved no writes.
    pub lost: Option<(Tone, String)>,
    /// How many checks were overridden by people.
    pub overridden: usize,
    /// Steps that failed without stopping it.
    pub shortfalls: usize,
    pub running: bool,
    /// What it moved was a simulator.
    pub simulated: bool,
    /// A test: it changed no routing.
    pub rehearsal: bool,
}

impl OperationLine {
    pub fn of(operation: &Operation) -> Self {
        let plan = &operation.plan;
        Self {
            id: operation.id,
            kind: plan.kind,
            scope: plan.scope(),
            title: words::title(plan),
            tone: tone(operation),
            state: operation.state.to_string(),
            active: operation.state.is_active(),
            requested_by: operation.requested.by.clone(),
            requested_at: operation.requested.at,
            approved_by: operation.approved.as_ref().map(|stamp| stamp.by.clone()),
            ended_at: operation.ended_at,
            steps_over: operation.steps.iter().filter(|step| step.state.is_over()).count(),
            steps: operation.steps.len(),
            recovery_time: operation.recovery_time(),
            rto_met: operation.recovery_time().zip(plan.rto).map(|(measured, target)| measured <= target),
            lost: verdict::lost(operation),
            overridden: operation.overridden.len(),
            shortfalls: operation.shortfalls().count(),
            running: operation.state == State::Running,
            simulated: plan.is_simulated(),
            rehearsal: plan.mode() == Mode::Test,
        }
    }

    /// As it stands in a picture: what nobody carries out does not run.
    pub fn in_picture(picture: &Picture, operation: &Operation) -> Self {
        let mut line = Self::of(operation);
        if picture.stands_still(operation) {
            (line.running, line.tone, line.state) = (false, Tone::Act, format!("{}, STANDS STILL", operation.state));
        }
        line
    }

    /// The page of what it is about.
    pub fn about_href(&self) -> String {
        about_href(&self.scope)
    }
    /// The picture of the sprite, and the class of the style sheet, that show its state.
    pub fn glyph(&self) -> &'static str {
        if self.running { "running" } else { self.tone.name() }
    }
}

/// The page of what an operation is about.
pub fn about_href(scope: &Scope) -> String {
    match scope {
        Scope::Cluster(id) => format!("/databases/{id}"),
        Scope::Service(id) => format!("/failover/{id}"),
        Scope::Region(_) => "/failover".to_owned(),
        Scope::Backup(id) => format!("/backups/{id}"),
    }
}

/// An operation's state on the product's one scale. A success with a failed step is no full success.
pub fn tone(operation: &Operation) -> Tone {
    match operation.state {
        State::InDoubt => Tone::Lost,
        State::Requested | State::Compensating | State::Failed => Tone::Act,
        State::Approved | State::Running | State::Declined | State::Cancelled | State::Void | State::Closed => Tone::Watch,
        State::Succeeded if operation.shortfalls().next().is_some() || !operation.overridden.is_empty() => Tone::Watch,
        State::Succeeded => Tone::Ok,
    }
}

/// The active operations, those that ask most of a person first.
pub fn active(picture: &Picture) -> Vec<OperationLine> {
    let mut lines: Vec<_> = picture
        .records
        .operations
        .values()
        .filter(|operation| operation.state.is_active())
        .map(|operation| OperationLine::in_picture(picture, operation))
        .collect();
    lines.sort_by(|a, b| b.tone.cmp(&a.tone).then(b.id.cmp(&a.id)));
    lines
}

/// The ended operations, newest first; of one cluster where one is given.
pub fn ended(picture: &Picture, cluster: Option<&ClusterId>) -> Vec<OperationLine> {
    let of_cluster = |operation: &&Operation| cluster.is_none_or(|cluster| operation.plan.scope().cluster() == Some(cluster));
    let mut over: Vec<_> = picture.records.operations.values().filter(|operation| !operation.state.is_active()).filter(of_cluster).collect();
    over.sort_by_key(|operation| std::cmp::Reverse((operation.ended_at, operation.id)));
    over.into_iter().map(OperationLine::of).collect()
}
