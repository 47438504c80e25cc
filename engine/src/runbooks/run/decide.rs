//! Whether something may be done in a run, and the events that say so. Where two people do the same thing at once, the
//! second one is told who was first, and when.

use super::{Action, Beginning, Rollback, Run, RunEvent, RunState, StepState};
use crate::{
    id::{AccountName, RunId},
    journal::Actor,
    runbooks::messages,
    time::Instant,
};
use serde::{Deserialize, Serialize};

/// What a person may ask for in a run. `step` counts from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum RunCommand {
    /// Everything is filled in by the caller; the reason is in it.
    Start {
        with: Box<Beginning>,
    },
    Begin {
        step: usize,
    },
    /// It is done, and what was seen.
    Tick {
        step: usize,
        said: String,
    },
    /// It was tried, and did not work out.
    Fail {
        step: usize,
        said: String,
    },
    Approve {
        step: usize,
        reason: String,
    },
    Skip {
        step: usize,
        reason: String,
    },
    /// Begin the way back from a step.
    RollBack {
        step: usize,
        reason: String,
    },
    Pause {
        reason: String,
    },
    Resume {
        reason: String,
    },
    Abandon {
        reason: String,
    },
    TakeRole {
        role: String,
    },
    /// The message went out by hand; `shown` is the text that was copied.
    Send {
        message: String,
        shown: String,
        to: String,
    },
}

impl RunCommand {
    /// What is asked for, in the words of the journal.
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Begin { .. } => "begin a step of",
            Self::Tick { .. } => "tick a step of",
            Self::Fail { .. } => "record a failed step of",
            Self::Approve { .. } => "approve a step of",
            Self::Skip { .. } => "skip a step of",
            Self::RollBack { .. } => "roll a step back of",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Abandon { .. } => "abandon",
            Self::TakeRole { .. } => "take a role in",
            Self::Send { .. } => "record a message of",
        }
    }
    /// The same with its reason as `check` has it, where it needs one.
    ///
    /// # Errors
    /// Those of `check`.
    pub(crate) fn with_reason<E>(mut self, check: impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        match &mut self {
            Self::Start { with } => with.reason = check(&with.reason)?,
            Self::Fail { said: reason, .. }
            | Self::Approve { reason, .. }
            | Self::Skip { reason, .. }
            | Self::RollBack { reason, .. }
            | Self::Pause { reason }
            | Self::Resume { reason }
            | Self::Abandon { reason } => *reason = check(reason)?,
            Self::Begin { .. } | Self::Tick { .. } | Self::TakeRole { .. } | Self::Send { .. } => {}
        }
        Ok(self)
    }
}

/// Why something in a run was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum RunRefusal {
    #[error("there is no run {}", id.short())]
    NoSuchRun { id: RunId },
    #[error("the run is {state}, so nothing more is done in it")]
    Over { state: RunState },
    #[error("the run has no such step")]
    NoSuchStep,
    #[error("“{before}” comes before it and is {state}")]
    NotItsTurn { before: String, state: StepState },
    #[error("{by} has ended “{title}” already, at {}: it is {state}", at.format("%H:%M:%S UTC"))]
    EndedAlready { title: String, state: StepState, by: String, at: Instant },
    #[error("{by} has begun “{title}” already, at {}", at.format("%H:%M:%S UTC"))]
    BegunAlready { title: String, by: String, at: Instant },
    #[error("nobody has begun “{title}” yet")]
    NotBegun { title: String },
    #[error("“{title}” is carried out by Lifeboat, which says itself how it ends")]
    ByLifeboat { title: String },
    #[error("the run is paused by {by}: {reason}; resume it first")]
    Paused { by: String, reason: String },
    #[error("the run is {state}")]
    SoAlready { state: RunState },
    #[error("you asked for this approval; another person must give it")]
    OwnRequest,
    #[error("{by} has approved it at {} already", at.format("%H:%M:%S UTC"))]
    ApprovedAlready { by: String, at: Instant },
    #[error("“{title}” is no step that waits for an approval")]
    NoApproval { title: String },
    #[error("say what was seen: “{title}” is done when {success}")]
    NothingSaid { title: String, success: String },
    #[error("there is no way back from “{title}”: {why}")]
    NoWayBack { title: String, why: String },
    #[error("the runbook asks for nobody as {role}")]
    NoSuchRole { role: String },
    #[error("{by} is {role} already")]
    RoleTaken { role: String, by: AccountName },
    #[error("there is no message {message}")]
    NoSuchMessage { message: String },
    #[error("the message cannot be sent: nothing can be said for {}", missing.join(", "))]
    NotRendered { missing: Vec<String> },
    #[error("what the message says has changed since you copied it; copy it again")]
    MessageChanged,
    #[error("say to whom it was sent")]
    NobodyTold,
    #[error("a note has at most {most} characters")]
    TooLong { most: usize },
}

const LONGEST_NOTE: usize = 1_000;

/// What becomes of a command in a run that there is.
///
/// # Errors
/// Each refusal is something the asker can act on.
pub(crate) fn decide(run: &Run, actor: &Actor, command: &RunCommand, now: Instant) -> Result<Vec<RunEvent>, RunRefusal> {
    if let RunCommand::Start { .. } = command {
        // The same form sent twice: the first one counts.
        return Ok(Vec::new());
    }
    if let RunCommand::Send { message, shown, to } = command {
        return send(run, message, shown, to, now);
    }
    if !run.state.is_active() {
        return Err(RunRefusal::Over { state: run.state });
    }
    match command {
        RunCommand::Start { .. } | RunCommand::Send { .. } => Ok(Vec::new()),
        RunCommand::Begin { step } => begin(run, actor, *step),
        RunCommand::Tick { step, said } => tick(run, actor, *step, said),
        RunCommand::Fail { step, said } => fail(run, actor, *step, said),
        RunCommand::Approve { step, reason } => approve(run, actor, *step, reason),
        RunCommand::Skip { step, reason } => skip(run, *step, reason),
        RunCommand::RollBack { step, .. } => roll_back(run, *step),
        RunCommand::Pause { reason } => match run.state {
            RunState::Running => Ok(vec![RunEvent::Paused { reason: reason.clone() }]),
            state => Err(RunRefusal::SoAlready { state }),
        },
        RunCommand::Resume { reason } => match run.state {
            RunState::Paused => Ok(vec![RunEvent::Resumed { reason: reason.clone() }]),
            state => Err(RunRefusal::SoAlready { state }),
        },
        RunCommand::Abandon { reason } => Ok(vec![RunEvent::Abandoned { reason: reason.clone() }]),
        RunCommand::TakeRole { role } => match run.roles.get(role) {
            None => Err(RunRefusal::NoSuchRole { role: role.clone() }),
            Some(Some(holder)) if Actor::Person(holder.clone()) == *actor => Ok(Vec::new()),
            Some(Some(holder)) => Err(RunRefusal::RoleTaken { role: role.clone(), by: holder.clone() }),
            Some(None) => Ok(vec![RunEvent::RoleTaken { role: role.clone() }]),
        },
    }
}

/// The step, where it is the one whose turn it is, or one after which nothing was begun.
fn its_turn(run: &Run, step: usize) -> Result<(), RunRefusal> {
    let earlier = run.steps.get(..step).ok_or(RunRefusal::NoSuchStep)?;
    let open = earlier.iter().position(|earlier| !earlier.state.is_over());
    match open {
        Some(open) => Err(RunRefusal::NotItsTurn { before: run.plan[open].title.clone(), state: run.steps[open].state }),
        None => Ok(()),
    }
}

fn at(run: &Run, step: usize) -> Result<(&super::FrozenStep, &super::StepRecord), RunRefusal> {
    run.plan.get(step).zip(run.steps.get(step)).ok_or(RunRefusal::NoSuchStep)
}

fn ended_already(title: &str, record: &super::StepRecord) -> RunRefusal {
    match &record.ended {
        Some((by, at)) => RunRefusal::EndedAlready { title: title.to_owned(), state: record.state, by: by.to_string(), at: *at },
        None => RunRefusal::NotBegun { title: title.to_owned() },
    }
}

fn begin(run: &Run, actor: &Actor, step: usize) -> Result<Vec<RunEvent>, RunRefusal> {
    let (plan, record) = at(run, step)?;
    if let (RunState::Paused, Some(note)) = (run.state, &run.note) {
        return Err(RunRefusal::Paused { by: note.by.to_string(), reason: note.reason.clone() });
    }
    if record.state.is_over() {
        return Err(ended_already(&plan.title, record));
    }
    if let (true, Some((by, at))) = (record.state.is_under_way(), &record.begun) {
        // The same form sent twice.
        return if by == actor { Ok(Vec::new()) } else { Err(RunRefusal::BegunAlready { title: plan.title.clone(), by: by.to_string(), at: *at }) };
    }
    its_turn(run, step)?;
    Ok(vec![RunEvent::StepBegan { step, undo: false }])
}

fn tick(run: &Run, actor: &Actor, step: usize, said: &str) -> Result<Vec<RunEvent>, RunRefusal> {
    let (plan, record) = at(run, step)?;
    let said = note(said)?;
    if record.state.is_over() {
        let own = matches!(&record.ended, Some((by, _)) if by == actor) && record.state == StepState::Done;
        return if own { Ok(Vec::new()) } else { Err(ended_already(&plan.title, record)) };
    }
    its_turn(run, step)?;
    let undoing = record.state == StepState::RollingBack;
    let by_hand = matches!(record.state, StepState::Failed | StepState::Unknown);
    let is_ours = match (&plan.action, undoing) {
        (_, true) => matches!(plan.rollback, Some(Rollback::Manual(_))),
        (Action::Manual, false) => true,
        _ => by_hand,
    };
    if !is_ours && record.state.is_under_way() {
        return Err(RunRefusal::ByLifeboat { title: plan.title.clone() });
    }
    if !is_ours || !(record.state.is_under_way() || by_hand) {
        return Err(RunRefusal::NotBegun { title: plan.title.clone() });
    }
    // What the machine could not do and a person did is recorded as that.
    if by_hand && said.is_empty() {
        let success = plan.success.clone().unwrap_or_else(|| "somebody says so".to_owned());
        return Err(RunRefusal::NothingSaid { title: plan.title.clone(), success });
    }
    let said = if by_hand { format!("by hand: {said}") } else { said };
    let state = if undoing { StepState::RolledBack } else { StepState::Done };
    Ok(with_end(run, step, RunEvent::StepEnded { step, attempt: record.attempts, state, said }))
}

fn fail(run: &Run, _: &Actor, step: usize, said: &str) -> Result<Vec<RunEvent>, RunRefusal> {
    let (plan, record) = at(run, step)?;
    if !record.state.is_under_way() {
        return Err(ended_already(&plan.title, record));
    }
    if plan.action != Action::Manual && !matches!(plan.action, Action::Operation { .. } | Action::Approval { .. }) {
        return Err(RunRefusal::ByLifeboat { title: plan.title.clone() });
    }
    Ok(vec![RunEvent::StepEnded { step, attempt: record.attempts, state: StepState::Failed, said: note(said)? }])
}

fn approve(run: &Run, actor: &Actor, step: usize, reason: &str) -> Result<Vec<RunEvent>, RunRefusal> {
    let (plan, record) = at(run, step)?;
    let Action::Approval { approvals } = plan.action else { return Err(RunRefusal::NoApproval { title: plan.title.clone() }) };
    if record.state != StepState::Running {
        return Err(ended_already(&plan.title, record));
    }
    if record.begun.as_ref().is_some_and(|(by, _)| by == actor) {
        return Err(RunRefusal::OwnRequest);
    }
    if let Some((by, at)) = record.approvals.iter().find(|(by, _)| by == actor) {
        return Err(RunRefusal::ApprovedAlready { by: by.to_string(), at: *at });
    }
    let approved = RunEvent::StepApproved { step, reason: reason.to_owned() };
    if record.approvals.len() + 1 < approvals as usize {
        return Ok(vec![approved]);
    }
    let ended = RunEvent::StepEnded { step, attempt: record.attempts, state: StepState::Done, said: reason.to_owned() };
    Ok(std::iter::once(approved).chain(with_end(run, step, ended)).collect())
}

fn skip(run: &Run, step: usize, reason: &str) -> Result<Vec<RunEvent>, RunRefusal> {
    let (plan, record) = at(run, step)?;
    if record.state.is_over() {
        return Err(ended_already(&plan.title, record));
    }
    its_turn(run, step)?;
    // A program goes on whatever is recorded of it, so its end is waited for.
    if record.state.is_under_way() && plan.action.is_by_machine() && !matches!(plan.action, Action::Wait { .. }) {
        return Err(RunRefusal::ByLifeboat { title: plan.title.clone() });
    }
    Ok(with_end(run, step, RunEvent::StepSkipped { step, reason: reason.to_owned() }))
}

fn roll_back(run: &Run, step: usize) -> Result<Vec<RunEvent>, RunRefusal> {
    let (plan, record) = at(run, step)?;
    if let (true, Some((by, at))) = (record.state.is_under_way(), &record.begun) {
        return Err(RunRefusal::BegunAlready { title: plan.title.clone(), by: by.to_string(), at: *at });
    }
    if !matches!(record.state, StepState::Done | StepState::Failed | StepState::Unknown) {
        return Err(RunRefusal::NotBegun { title: plan.title.clone() });
    }
    match &plan.rollback {
        Some(Rollback::Command { .. } | Rollback::Manual(_)) => Ok(vec![RunEvent::StepBegan { step, undo: true }]),
        Some(Rollback::None(why)) => Err(RunRefusal::NoWayBack { title: plan.title.clone(), why: why.clone() }),
        None => Err(RunRefusal::NoWayBack { title: plan.title.clone(), why: "its runbook names none".to_owned() }),
    }
}

fn send(run: &Run, message: &str, shown: &str, to: &str, now: Instant) -> Result<Vec<RunEvent>, RunRefusal> {
    let known = run.messages.iter().find(|known| known.name == message);
    let known = known.ok_or_else(|| RunRefusal::NoSuchMessage { message: message.to_owned() })?;
    messages::render(run, known, now).map_err(|missing| RunRefusal::NotRendered { missing })?;
    let to = note(to)?;
    if to.is_empty() {
        return Err(RunRefusal::NobodyTold);
    }
    // Times in it move on while it is copied; what is recorded is what was sent, and nothing in it may be left open.
    if shown.trim().is_empty() || !crate::runbooks::placeholders::names(shown).is_empty() {
        return Err(RunRefusal::MessageChanged);
    }
    let text = shown.chars().take(crate::runbooks::LARGEST).collect();
    let next_update = known.next_update.map(|span| now + span.as_delta());
    Ok(vec![RunEvent::Sent { message: message.to_owned(), text, to, next_update }])
}

/// The end of a step, and that of the run where it was the last.
fn with_end(run: &Run, step: usize, event: RunEvent) -> Vec<RunEvent> {
    let ends = matches!(event, RunEvent::StepSkipped { .. } | RunEvent::StepEnded { state: StepState::Done, .. });
    let completes = ends && run.completes_with(step);
    std::iter::once(event).chain(completes.then_some(RunEvent::Completed)).collect()
}

impl Run {
    /// Whether every other step is over.
    pub fn completes_with(&self, step: usize) -> bool {
        self.steps.iter().enumerate().all(|(place, record)| place == step || record.state.is_over())
    }
}

fn note(text: &str) -> Result<String, RunRefusal> {
    let text = text.trim();
    if text.chars().count() > LONGEST_NOTE { Err(RunRefusal::TooLong { most: LONGEST_NOTE }) } else { Ok(text.to_owned()) }
}
