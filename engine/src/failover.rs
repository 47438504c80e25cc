//! Operations: what moves the writes of a cluster or the clients of a service, from the request to the proof. A plan (`plan`,
//! made by `planning`, `traffic`, `evacuation` and `restore`) says what would be done, the state machine (`next`) what may happen to it, and the
//! record below what did happen.

use crate::{
    databases::{ClusterView, Lsn, NodeView},
    estate::AtEnd,
    id::{AccountName, NodeId, OperationId, RegionId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod blocker;
pub mod evacuation;
pub mod halting;
mod hooks;
mod managed;
pub mod measuring;
mod monitoring;
pub mod next;
pub mod plan;
pub mod planning;
pub mod restore;
mod step;
pub mod traffic;

pub use blocker::Blocker;
pub use next::{Illegal, Moment, State};
pub use plan::{Change, DatabaseChange, EvacuationChange, Mode, OperationKind, Plan, RestoreChange, TrafficChange};
pub use step::{Action, FenceMeans, HookMoment, OnFailure, Step};

/// Who did something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub by: AccountName,
    pub at: Instant,
    pub reason: String,
}

/// A node that an operation promoted, or may have promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion<'a> {
    pub node: &'a NodeId,
    /// When that ended or was given up. An order to promote is void then.
    pub at: Instant,
    /// Whether it is known to have been promoted.
    pub done: bool,
}

impl Promotion<'_> {
    /// Whether what was read of a cluster still says who led before it. So does what has been read since, where that shows no
    /// primary although there must be one: something in between says again what the node said before. A promotion in the
    /// future is a clock set back.
    pub fn is_unseen_in(&self, view: &ClusterView, now: Instant) -> bool {
        let read_since = |node: &NodeView| node.reading.as_ref().is_some_and(|reading| reading.at > self.at);
        let is_seen = view.node(self.node).is_none_or(read_since);
        let somebody_leads = view.nodes.iter().any(|node| node.was_primary() && read_since(node));
        self.at <= now && (!is_seen || (self.done && !somebody_leads))
    }
}

/// A commit that an operation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited {
    pub step: usize,
    pub until: Instant,
    /// What follows at that moment, if nobody decides before.
    pub then: AtEnd,
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
    /// Everybody who approved it so far, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Stamp>,
    /// The approval that completed them.
    pub approved: Option<Stamp>,
    pub started_at: Option<Instant>,
    pub ended_at: Option<Instant>,
    /// Why it ended, or why it stands in doubt.
    pub outcome: Option<String>,
    /// The evacuation it is a part of; that one was approved for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<OperationId>,
    /// When a planned operation was made an emergency on its way, by whom and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<Stamp>,
    /// Who committed it before its commit window was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<Stamp>,
    /// Who asked to stop it while it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<Stamp>,
    /// Who took note of how it ended: a cooldown ends, and the product may act again after a failed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Stamp>,
    /// When the clock was last set since what it is about began: its times do not say how long anything took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_set: Option<Instant>,
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
    /// Whether the target has been promoted, or may have been: from here on there is no way back, only forward. The same
    /// is true once clients were sent away from what failed, once members of an evacuation have moved, and once a host agent
    /// or a command was told to end a node that it will not start again: whatever it answered, or did not, it may have done that.
    pub fn passed_promotion(&self) -> bool {
        let is_last_send = |to: &BTreeSet<RegionId>| self.plan.traffic().is_some_and(|change| change.to == *to);
        let has_no_way_back = |action: &Action| match action {
            Action::Promote { .. } | Action::AskPatroni { .. } | Action::PromoteRestored { .. } => true,
            Action::Fence { by, .. } => by.ends_the_node(),
            Action::MoveWave { .. } => self.mode() != Mode::Test,
            Action::SendClients { to, .. } => self.mode() == Mode::Emergency && is_last_send(to),
            _ => false,
        };
        // A step that is to be done again stands as pending, and has been done all the same.
        let mut begun = self.plan.steps.iter().zip(&self.steps).filter(|(_, record)| record.attempts > 0 || record.state != StepState::Pending);
        begun.any(|(step, _)| has_no_way_back(&step.action))
    }
    /// The promotion that it carried out, or may have.
    pub fn promoted(&self) -> Option<Promotion<'_>> {
        self.plan.steps.iter().zip(&self.steps).find_map(|(step, record)| match &step.action {
            Action::Promote { node } | Action::AskPatroni { candidate: node, .. } => {
                Some(Promotion { node, at: record.ended_at.or(record.started_at)?, done: record.state == StepState::Done })
            }
            _ => None,
        })
    }
    /// The step at which it stands in doubt: the one that failed last, else the first that is not over.
    pub fn step_in_doubt(&self) -> Option<usize> {
        if self.state != State::InDoubt {
            return None;
        }
        let last = self.steps.iter().rposition(|step| step.state != StepState::Pending);
        last.filter(|at| self.steps[*at].state == StepState::Failed).or_else(|| self.next_step())
    }
    /// Whether a person may leave a step out. That a node follows again is what a rejoin is for: without the proof it would
    /// succeed, and call a cluster protected, on nothing. Elsewhere that only tidies up.
    pub fn may_skip(&self, step: usize) -> bool {
        let proves = |action: &Action| self.plan.kind == OperationKind::Rejoin && matches!(action, Action::ProveStreaming { .. });
        self.plan.steps.get(step).is_some_and(|step| step.action.may_be_skipped() && !proves(&step.action))
    }
    /// Whether going on with it is allowed while the master switch is off: what is left of it moves neither clients nor writes,
    /// or two people set that rule aside when they agreed to it.
    pub fn may_move_under_the_master_switch(&self) -> bool {
        let left = self.plan.steps.iter().zip(&self.steps).filter(|(_, record)| !record.state.is_over());
        let moves = |action: &Action| {
            action.changes_routing() || matches!(action, Action::Promote { .. } | Action::AskPatroni { .. } | Action::StopNode { .. })
        };
        let is_moved = left.into_iter().any(|(step, _)| moves(&step.action));
        let set_aside = self.plan.rules_to_break().iter().any(|blocker| matches!(blocker, Blocker::MasterSwitchOff { .. }));
        self.plan.mode() == Mode::Test || self.plan.kind == OperationKind::Rejoin || set_aside || !is_moved
    }
    /// Whether it is a planned move of clients that can still become an emergency.
    pub fn can_be_escalated(&self) -> bool {
        let moves = self.plan.database().is_none() && self.mode() == Mode::Planned && matches!(self.state, State::Running | State::InDoubt);
        // What is proven is no emergency any more: as one it could not be rolled back.
        moves && self.awaits_commit().is_none()
    }
    /// Whether its end holds automation back until a person takes note of it: a failed run, or a failover that is cooling down.
    pub fn awaits_acknowledgement(&self) -> bool {
        let moved = self.started_at.is_some() && self.plan.mode() != Mode::Test;
        moved && self.acknowledged.is_none() && matches!(self.state, State::Succeeded | State::Failed | State::Closed)
    }
    /// Whether a person may take note of its end. Beside what holds automation back that is what was asked for and came to
    /// nothing: as long as the failure lasts, it is not asked for again before somebody has.
    pub fn may_be_acknowledged(&self) -> bool {
        let came_to_nothing = self.requested.by.is_reserved() && matches!(self.state, State::Declined | State::Cancelled | State::Void);
        self.awaits_acknowledgement() || (came_to_nothing && self.acknowledged.is_none() && self.plan.mode() != Mode::Test)
    }
    /// Whether the end was reached and proven; what is left of the steps tidies up behind it.
    pub fn is_proven(&self) -> bool {
        self.plan.steps.iter().zip(&self.steps).any(|(step, record)| step.action.proves_the_end() && record.state == StepState::Done)
    }
    /// How many more people must approve it before it may start; zero where it takes no approval, or waits for none.
    pub fn approvals_missing(&self) -> u32 {
        if self.state != State::Requested {
            return 0;
        }
        self.plan.approvals.saturating_sub(u32::try_from(self.approvals.len()).unwrap_or(u32::MAX))
    }
    /// The step at which it waits for somebody to commit it, and the moment at which that ends. The moment counts from the
    /// proof, so that a server that was restarted meanwhile keeps to it. An emergency has nothing to go back to, and waits for none.
    pub fn awaits_commit(&self) -> Option<Awaited> {
        let runs = |at: &usize| {
            self.state == State::Running && self.escalated.is_none() && self.steps.get(*at).is_some_and(|record| record.state == StepState::Running)
        };
        let awaited = |action: &Action| match action {
            Action::AwaitCommit { window, then, .. } => Some((*window, *then)),
            Action::AwaitInspection { window, .. } => Some((*window, AtEnd::RollBack)),
            _ => None,
        };
        let step = self.plan.steps.iter().position(|step| awaited(&step.action).is_some()).filter(runs)?;
        let (window, then) = awaited(&self.plan.steps.get(step)?.action)?;
        let proven = self.steps[..step].iter().filter_map(|record| record.ended_at).max().or(self.started_at)?;
        Some(Awaited { step, until: proven + window.as_delta(), then })
    }
    /// Whether what it has moved may yet be moved back, or is being moved back: nobody has got past its commit window.
    pub fn can_be_rolled_back(&self) -> bool {
        let mut windows = self.plan.steps.iter().zip(&self.steps).filter(|(step, _)| matches!(step.action, Action::AwaitCommit { .. }));
        self.escalated.is_none() && windows.any(|(_, record)| !matches!(record.state, StepState::Done | StepState::Skipped))
    }
    /// Whether clients have been sent elsewhere, or may have been.
    pub fn changed_routing(&self) -> bool {
        self.plan.steps.iter().zip(&self.steps).any(|(step, record)| step.action.changes_routing() && record.state != StepState::Pending)
    }
    /// How errors are treated now.
    pub fn mode(&self) -> Mode {
        if self.escalated.is_some() { Mode::Emergency } else { self.plan.mode() }
    }
    /// What follows when `step` fails now. Where there is no way back nothing is undone, whatever the plan says: it would be
    /// called undone, and a node be opened to clients that an order on its way may still end.
    pub fn on_failure(&self, step: &Step) -> OnFailure {
        let planned = if self.escalated.is_some() { step.in_emergency.unwrap_or(step.on_failure) } else { step.on_failure };
        if planned == OnFailure::Compensate && self.passed_promotion() { OnFailure::StandInDoubt } else { planned }
    }
    /// Whether a wave of an evacuation left something behind.
    pub fn left_behind(&self) -> bool {
        let fell_short = |record: &StepRecord| matches!(record.state, StepState::Failed | StepState::Skipped);
        self.plan.steps.iter().zip(&self.steps).any(|(step, record)| matches!(step.action, Action::MoveWave { .. }) && fell_short(record))
    }
    /// Steps that failed without stopping the operation, or were left out.
    pub fn shortfalls(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|step| matches!(step.state, StepState::Failed | StepState::Skipped))
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
    /// Whether it was begun and nobody saw how it ended: the server was killed when it was at it. One that failed and that a person
    /// has resumed since has ended once.
    pub fn was_interrupted(&self) -> bool {
        self.state == StepState::Running && self.ended_at.is_none()
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
    /// Left out by a person, who said why. Never shown as done.
    Skipped,
}

impl StepState {
    pub fn is_over(self) -> bool {
        match self {
            StepState::Pending | StepState::Running => false,
            StepState::Done | StepState::Overridden | StepState::Failed | StepState::Undone | StepState::UndoFailed | StepState::Skipped => true,
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
    /// Where the histories parted, and where the old primary's log ends: the stretch that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_between: Option<(Lsn, Lsn)>,
}

impl Measured {
    /// The loss was measured, and there is none.
    pub fn nothing_lost() -> Self {
        Self { lost_bytes: Some(0), lost_transactions: Some(0), lost_span: Some(Span::ZERO), ..Self::default() }
    }
}
