//! Operations: what moves the writes of a cluster, from the request to the proof. A plan (`plan`, made by `planning`) says what
//! would be done, the state machine (`next`) what may happen to it, and the record below what did happen.

use crate::{
    id::{AccountName, OperationId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

pub mod next;
pub mod plan;
pub mod planning;

pub use next::{Illegal, Moment, State};
pub use plan::{Action, Blocker, FenceMeans, OnFailure, OperationKind, Plan, Step};

/// Who did something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub by: AccountName,
    pub at: Instant,
    pub reason: String,
}

/// One operation with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    pub plan: Plan,
    /// `plan.hash()` at the time of the request; an approval names it.
    pub plan_hash: String,
    pub state: State,
    pub requested: Stamp,
    /// The requester accepts losing up to the plan's loss bound.
    pub loss_accepted: bool,
    /// The blockers that were overridden, in the words that were shown.
    pub overridden: Vec<String>,
    pub approved: Option<Stamp>,
    pub started_at: Option<Instant>,
    pub ended_at: Option<Instant>,
    /// Why it ended, or why it stands in doubt.
    pub outcome: Option<String>,
    /// One per step of the plan, in its order.
    pub steps: Vec<StepRecord>,
    pub measured: Measured,
    /// Every state it went through, with the moment.
    pub history: Vec<(Instant, State)>,
}

impl Operation {
    /// An approval waits this long, then the request is void: the world moves on.
    pub const APPROVAL_WAITS: Span = Span::from_mins(30);

    /// The first step that is neither finished nor skipped: where a resumed run goes on.
    pub fn next_step(&self) -> Option<usize> {
        self.steps.iter().position(|step| !step.state.is_over())
    }
    /// Whether the target has been promoted, or may have been: from here on there is no way back, only forward.
    pub fn passed_promotion(&self) -> bool {
        self.plan
            .steps
            .iter()
            .zip(&self.steps)
            .any(|(step, record)| matches!(step.action, Action::Promote { .. }) && record.state != StepState::Pending)
    }
    /// Steps that failed without stopping the operation.
    pub fn shortfalls(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|step| matches!(step.state, StepState::Failed))
    }
}

/// What happened to one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    pub state: StepState,
    /// How often it was started, resumptions included.
    pub attempts: u32,
    pub started_at: Option<Instant>,
    pub ended_at: Option<Instant>,
    /// What was seen: the proof, or the error in its own words.
    pub said: Option<String>,
}

impl StepRecord {
    pub fn pending() -> Self {
        Self { state: StepState::Pending, attempts: 0, started_at: None, ended_at: None, said: None }
    }
    pub fn took(&self) -> Option<Span> {
        Some(Span::between(self.started_at?, self.ended_at?))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    Pending,
    Running,
    Done,
    /// Not done; two people accepted that. Never shown as done (trap D5).
    Overridden,
    Failed,
    /// Undone again after a later step failed.
    Undone,
    /// Its undoing failed.
    UndoFailed,
}

impl StepState {
    pub fn is_over(self) -> bool {
        match self {
            StepState::Pending | StepState::Running => false,
            StepState::Done | StepState::Overridden | StepState::Failed | StepState::Undone | StepState::UndoFailed => true,
        }
    }
}

/// What was measured, never typed. Absent means not measured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// From the first failed probe (planned: from the moment the route was closed) to the first write proven through the router.
    pub recovery_time: Option<Span>,
    /// WAL bytes on the old primary that the new one does not have.
    pub lost_bytes: Option<u64>,
    /// Committed transactions among them.
    pub lost_transactions: Option<u64>,
    /// Time between the first and the last of the lost commits; zero where there are none.
    pub lost_span: Option<Span>,
}
