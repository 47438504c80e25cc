//! A run: somebody works by a runbook. It owns its steps, filled in, as they were when it began; what the runbook says
//! later changes nothing in it. Steps are taken in order, each is begun by a person, and what became of it is on record.

use super::{Action, Rollback, Target};
use crate::{
    id::{AccountName, OperationId, RunId, RunbookName},
    journal::Actor,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

mod decide;
pub(crate) use decide::decide;
pub use decide::{RunCommand, RunRefusal};

/// A step with everything filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenStep {
    pub id: String,
    /// The included runbook that it comes from, and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<(RunbookName, u32)>,
    pub title: String,
    /// Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prose: String,
    pub target: Target,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub timeout: Span,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    pub action: Action,
    /// What is bound to `$1`, `$2`, … of a statement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

/// A message with the parameters filled in; what is only true when it is sent is still open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenMessage {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    pub text: String,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    /// No step is begun until somebody resumes it; the clock goes on.
    Paused,
    /// Every step is done, or was skipped with a reason.
    Completed,
    Abandoned,
}

impl RunState {
    pub fn is_active(self) -> bool {
        matches!(self, RunState::Running | RunState::Paused)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::Completed => "completed",
            RunState::Abandoned => "abandoned",
        })
    }
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    Pending,
    Running,
    /// Its rollback is under way.
    RollingBack,
    Done,
    Failed,
    /// The server ended in the middle of it: nobody knows how far it came.
    Unknown,
    Skipped,
    RolledBack,
}

impl StepState {
    /// Whether the next step may be begun.
    pub fn is_over(self) -> bool {
        matches!(self, StepState::Done | StepState::Skipped)
    }
    pub fn is_under_way(self) -> bool {
        matches!(self, StepState::Running | StepState::RollingBack)
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StepState::Pending => "pending",
            StepState::Running => "running",
            StepState::RollingBack => "being rolled back",
            StepState::Done => "done",
            StepState::Failed => "failed",
            StepState::Unknown => "unknown",
            StepState::Skipped => "skipped",
            StepState::RolledBack => "rolled back",
        })
    }
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    pub state: StepState,
    /// Counts how often it was begun.
    pub attempts: u32,
    /// Who began it last, and when.
    pub begun: Option<(Actor, Instant)>,
    /// Who ended it, and when.
    pub ended: Option<(Actor, Instant)>,
    /// What was seen: a person's note, or what the machine said.
    pub said: Option<String>,
    /// Since when it has taken longer than it may.
    pub overdue: Option<Instant>,
    pub approvals: Vec<(Actor, Instant)>,
    pub operation: Option<OperationId>,
}

impl StepRecord {
    fn pending() -> Self {
        Self { state: StepState::Pending, attempts: 0, begun: None, ended: None, said: None, overdue: None, approvals: Vec::new(), operation: None }
    }
}

/// Something that was told to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub message: String,
    /// As it was sent.
    pub text: String,
    /// Where to, in the words of whoever sent it.
    pub to: String,
    pub by: Actor,
    pub at: Instant,
    /// When the next one is promised.
    pub next_update: Option<Instant>,
}

/// Why and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub by: Actor,
    pub at: Instant,
    pub reason: String,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub runbook: RunbookName,
    pub version: u32,
    pub title: String,
    pub values: BTreeMap<String, String>,
    pub plan: Vec<FrozenStep>,
    pub messages: Vec<FrozenMessage>,
    pub rto: Option<Span>,
    pub by: Actor,
    pub began: Instant,
    pub reason: String,
    pub state: RunState,
    pub ended: Option<Instant>,
    /// Who paused or abandoned it.
    pub note: Option<Note>,
    /// One for each of `plan`.
    pub steps: Vec<StepRecord>,
    pub roles: BTreeMap<String, Option<AccountName>>,
    pub sent: Vec<Sent>,
}

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "happened")]
pub enum RunEvent {
    Started(Box<Beginning>),
    /// Written before the step acts.
    StepBegan {
        step: usize,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        undo: bool,
    },
    /// `attempt` is the one that it is the end of.
    StepEnded {
        step: usize,
        attempt: u32,
        state: StepState,
        said: String,
    },
    StepApproved {
        step: usize,
        reason: String,
    },
    StepSkipped {
        step: usize,
        reason: String,
    },
    /// It takes longer than it may, and goes on.
    StepOverdue {
        step: usize,
    },
    /// The operation that the step asked for was requested.
    OperationFound {
        step: usize,
        operation: OperationId,
    },
    RoleTaken {
        role: String,
    },
    Sent {
        message: String,
        text: String,
        to: String,
        next_update: Option<Instant>,
    },
    Paused {
        reason: String,
    },
    Resumed {
        reason: String,
    },
    Abandoned {
        reason: String,
    },
    Completed,
}

/// What a run begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    pub runbook: RunbookName,
    pub version: u32,
    pub title: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    pub steps: Vec<FrozenStep>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<FrozenMessage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Span>,
    pub reason: String,
}

/// Why an event does not fit what went before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunMisfit {
    #[error("the run {id} is begun a second time")]
    BegunTwice { id: RunId },
    #[error("an unknown run {id}")]
    Unknown { id: RunId },
    #[error("the run {id} has no step {step}")]
    NoStep { id: RunId, step: usize },
    #[error("the run {id} is {state}, which this does not follow")]
    OutOfPlace { id: RunId, state: RunState },
    #[error("step {step} of the run {id} is {state}, which this does not follow")]
    StepOutOfPlace { id: RunId, step: usize, state: StepState },
}

impl Run {
    pub(crate) fn begun(id: RunId, at: Instant, by: &Actor, with: &Beginning) -> Self {
        let with = with.clone();
        Self {
            id,
            runbook: with.runbook,
            version: with.version,
            title: with.title,
            values: with.values,
            steps: with.steps.iter().map(|_| StepRecord::pending()).collect(),
            plan: with.steps,
            messages: with.messages,
            rto: with.rto,
            by: by.clone(),
            began: at,
            reason: with.reason,
            state: RunState::Running,
            ended: None,
            note: None,
            roles: with.roles.into_iter().map(|role| (role, None)).collect(),
            sent: Vec::new(),
        }
    }

    /// The first step that is not over.
    pub fn next(&self) -> Option<usize> {
        self.steps.iter().position(|step| !step.state.is_over())
    }
    /// The step that is under way.
    pub fn at_work(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.state.is_under_way())
    }
    /// The step of that id.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.plan.iter().position(|step| step.id == id)
    }
    /// When the next message is promised, unless it was sent since.
    pub fn next_update(&self) -> Option<Instant> {
        self.sent.last().and_then(|sent| sent.next_update).filter(|_| self.state.is_active())
    }
    pub fn took(&self) -> Option<Span> {
        Some(Span::between(self.began, self.ended?))
    }
    pub fn in_words(&self) -> String {
        let failed = self.steps.iter().filter(|step| matches!(step.state, StepState::Failed | StepState::Unknown)).count();
        match (self.state, failed) {
            (RunState::Running, 1..) => format!("running, {failed} failed or not known"),
            (state, _) => state.to_string(),
        }
    }

    /// Takes in one event.
    ///
    /// # Errors
    /// Where it cannot follow; nothing is changed then.
    pub(crate) fn take_in(&mut self, at: Instant, actor: &Actor, event: &RunEvent) -> Result<(), RunMisfit> {
        let id = self.id;
        if !self.state.is_active() {
            // The step that was under way when it was abandoned still says how it ended.
            if !matches!((self.state, event), (RunState::Abandoned, RunEvent::StepEnded { .. }) | (_, RunEvent::Sent { .. })) {
                return Err(RunMisfit::OutOfPlace { id, state: self.state });
            }
        }
        let now = || (actor.clone(), at);
        let note = |reason: &String| Some(Note { by: actor.clone(), at, reason: reason.clone() });
        match event {
            RunEvent::Started(_) => return Err(RunMisfit::BegunTwice { id }),
            RunEvent::StepBegan { step, undo } => {
                let record = self.record(*step)?;
                if record.state.is_under_way() {
                    return Err(RunMisfit::StepOutOfPlace { id, step: *step, state: record.state });
                }
                record.state = if *undo { StepState::RollingBack } else { StepState::Running };
                record.attempts += 1;
                record.begun = Some(now());
                (record.ended, record.said, record.overdue, record.operation) = (None, None, None, None);
                record.approvals.clear();
            }
            RunEvent::StepEnded { step, attempt, state, said } => {
                let record = self.record(*step)?;
                let is_end = matches!(state, StepState::Done | StepState::Failed | StepState::Unknown | StepState::RolledBack);
                let may_end = record.state.is_under_way() || matches!(record.state, StepState::Failed | StepState::Unknown);
                if record.attempts != *attempt || !is_end || !may_end {
                    return Err(RunMisfit::StepOutOfPlace { id, step: *step, state: record.state });
                }
                record.state = *state;
                record.ended = Some(now());
                record.said = Some(said.clone()).filter(|said| !said.is_empty());
            }
            RunEvent::StepApproved { step, reason } => {
                let record = self.record(*step)?;
                record.approvals.push(now());
                record.said = Some(reason.clone());
            }
            RunEvent::StepSkipped { step, reason } => {
                let record = self.record(*step)?;
                record.state = StepState::Skipped;
                record.ended = Some(now());
                record.said = Some(reason.clone());
            }
            RunEvent::StepOverdue { step } => self.record(*step)?.overdue = Some(at),
            RunEvent::OperationFound { step, operation } => self.record(*step)?.operation = Some(*operation),
            RunEvent::RoleTaken { role } => {
                let holder = match actor {
                    Actor::Person(name) => Some(name.clone()),
                    Actor::CommandLine(_) | Actor::Lifeboat => None,
                };
                self.roles.insert(role.clone(), holder);
            }
            RunEvent::Sent { message, text, to, next_update } => self.sent.push(Sent {
                message: message.clone(),
                text: text.clone(),
                to: to.clone(),
                by: actor.clone(),
                at,
                next_update: *next_update,
            }),
            RunEvent::Paused { reason } => (self.state, self.note) = (RunState::Paused, note(reason)),
            RunEvent::Resumed { reason } => (self.state, self.note) = (RunState::Running, note(reason)),
            RunEvent::Abandoned { reason } => (self.state, self.note, self.ended) = (RunState::Abandoned, note(reason), Some(at)),
            RunEvent::Completed => (self.state, self.ended) = (RunState::Completed, Some(at)),
        }
        Ok(())
    }

    fn record(&mut self, step: usize) -> Result<&mut StepRecord, RunMisfit> {
        let id = self.id;
        self.steps.get_mut(step).ok_or(RunMisfit::NoStep { id, step })
    }
}
