//! What the page of one operation shows: how it stands, what each step did and said, the clock against the objective,
//! what was measured, who agreed to what, and what the person who looks may do about it.

use super::{
    acts::{self, Act},
    clock::Clock,
    line::{self, OperationLine},
    receipt::Receipt,
    verdict::{self, Row},
    words,
};
use crate::{
    backups,
    overview::view::{trouble_where_it_went, well_or},
    session::Viewer,
    ui::{state::Tone, time::clock},
};
use engine::{
    estate::AtEnd,
    failover::{Operation, Stamp, State, Step, StepRecord, StepState, plan::names_or_none},
    id::{AccountName, OperationId},
    journal::Entry,
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// All operations, for `/operations`.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Board {
    pub now: Instant,
    pub active: Vec<OperationLine>,
    /// Newest first, at most `PAST_SHOWN`.
    pub past: Vec<OperationLine>,
    /// How many older ones are not shown; the journal holds them all.
    pub left_out: usize,
}

pub const PAST_SHOWN: usize = 100;

impl Board {
    pub fn of(picture: &Picture) -> Self {
        let mut past = line::ended(picture, None);
        let left_out = past.len().saturating_sub(PAST_SHOWN);
        past.truncate(PAST_SHOWN);
        Self { now: picture.now, active: line::active(picture), past, left_out }
    }
}

/// One operation, for `/operations/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct OperationPage {
    pub now: Instant,
    pub line: OperationLine,
    /// What the state means for the person who looks.
    pub explained: String,
    /// Why it ended or stands in doubt.
    pub outcome: Option<String>,
    pub plan_hash: String,
    pub requested: Agreed,
    /// Everybody who approved it so far, and how many must.
    pub approvals: Vec<Agreed>,
    pub approvals_needed: u32,
    /// Until when it can be committed or rolled back, and what follows then.
    pub commit: Option<CommitRow>,
    /// Who committed it before that.
    pub committed: Option<Agreed>,
    /// Where the plan as it is now can be looked at.
    pub plan_href: String,
    /// How errors are treated: test, planned or emergency.
    pub mode: String,
    /// Who made it an emergency on its way.
    pub escalated: Option<Agreed>,
    /// Who asked to stop it while it ran.
    pub aborted: Option<Agreed>,
    /// Who took note of how it ended.
    pub acknowledged: Option<Agreed>,
    /// Until when an approval can come.
    pub void_at: Option<Instant>,
    pub loss: String,
    pub loss_accepted: bool,
    /// The checks people set aside, in the words they were shown.
    pub overridden: Vec<String>,
    /// Those of them that are safety rules.
    pub rules_broken: Vec<String>,
    /// The services that may notice.
    pub affected: Vec<String>,
    pub clock: Option<Clock>,
    pub measured: Vec<Row>,
    /// What it cost, of a move of writes.
    pub receipt: Option<Receipt>,
    pub steps: Vec<StepRow>,
    /// What has changed since the request, so that it can no longer be approved.
    pub changed: Vec<String>,
    pub acts: Vec<Act>,
    pub history: Vec<Passage>,
    pub journal: Vec<JournalLine>,
    /// The evacuation it is a part of.
    pub part_of: Option<OperationLine>,
    /// The operations of its members.
    pub members: Vec<OperationLine>,
}

/// The commit that it waits for.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct CommitRow {
    pub until: Instant,
    /// What follows at that moment, where nobody decides before.
    pub then: String,
    pub tone: Tone,
    /// How it is where clients were sent.
    pub now: String,
}

impl CommitRow {
    fn of(picture: &Picture, operation: &Operation) -> Option<Self> {
        let awaited = operation.awaits_commit().filter(|_| operation.committed.is_none() && operation.aborted.is_none())?;
        if let Some(change) = operation.plan.restore() {
            let now = format!("It stands still before {}, read-only, in {}: the steps say how to get in.", clock(change.before), change.folder);
            return Some(Self { until: awaited.until, then: "it is discarded".to_owned(), tone: Tone::Watch, now });
        }
        let from = operation.plan.traffic().map_or_else(String::new, |change| names_or_none(&change.from));
        let then = match awaited.then {
            AtEnd::Commit => "it is final".to_owned(),
            AtEnd::RollBack => format!("clients are sent back to {from}, if it is well there"),
        };
        let trouble = trouble_where_it_went(picture, operation);
        let tone = if trouble.is_empty() { Tone::Watch } else { Tone::Lost };
        Some(Self { until: awaited.until, then, tone, now: well_or(&trouble) })
    }
}

/// Who agreed to it, when and why.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Agreed {
    pub by: AccountName,
    pub at: Instant,
    pub reason: String,
}

impl From<&Stamp> for Agreed {
    fn from(stamp: &Stamp) -> Self {
        Self { by: stamp.by.clone(), at: stamp.at, reason: stamp.reason.clone() }
    }
}

/// One step as it went.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct StepRow {
    pub does: String,
    pub tone: Tone,
    pub state: String,
    /// More than one means that it was resumed or tried again.
    pub attempts: u32,
    pub started_at: Option<Instant>,
    pub took: Option<Span>,
    pub limit: Span,
    pub running: bool,
    /// What was seen: the proof, or the error in its own words.
    pub said: Option<String>,
    /// What follows if it fails; shown before it has run.
    pub if_it_fails: Option<String>,
}

/// A state the operation went through.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Passage {
    pub at: Instant,
    pub state: String,
}

/// One journal entry about the operation.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct JournalLine {
    pub seq: u64,
    pub at: Instant,
    pub actor: String,
    pub says: String,
    pub reason: Option<String>,
}

impl OperationPage {
    /// `entries` are the journal's about this operation, newest first. `None` where there is no such operation.
    pub fn of(picture: &Picture, viewer: &Viewer, id: &OperationId, entries: &[Entry]) -> Option<Self> {
        let operation = picture.operation(id)?;
        let (plan, still) = (&operation.plan, picture.stands_still(operation));
        let changed = changed(picture, operation);
        let seen = |operation: &Operation| OperationLine::in_picture(picture, operation);
        let rules: Vec<String> = plan.rules_to_break().iter().map(ToString::to_string).collect();
        let rules_broken = operation.overridden.iter().filter(|check| rules.contains(check)).cloned().collect::<Vec<_>>();
        Some(Self {
            now: picture.now,
            line: seen(operation),
            explained: if still { words::STANDS_STILL } else { words::state_explained(operation.state, plan.mode()) }.to_owned(),
            outcome: operation.outcome.clone(),
            plan_hash: operation.plan_hash.clone(),
            requested: (&operation.requested).into(),
            approvals: operation.approvals.iter().map(Agreed::from).collect(),
            approvals_needed: if plan.requires_approval() { plan.approvals } else { 0 },
            commit: CommitRow::of(picture, operation).filter(|_| !still),
            committed: operation.committed.as_ref().map(Agreed::from),
            plan_href: words::plan_href(plan),
            mode: operation.mode().to_string(),
            escalated: operation.escalated.as_ref().map(Agreed::from),
            aborted: operation.aborted.as_ref().map(Agreed::from),
            acknowledged: operation.acknowledged.as_ref().map(Agreed::from),
            void_at: (operation.state == State::Requested).then(|| operation.requested.at + Operation::APPROVAL_WAITS.as_delta()),
            loss: words::loss_in_words(plan.kind, &plan.loss),
            loss_accepted: operation.loss_accepted,
            overridden: operation.overridden.iter().filter(|check| !rules_broken.contains(check)).chain(&plan.passed_over).cloned().collect(),
            rules_broken,
            affected: plan.affected.iter().map(ToString::to_string).collect(),
            clock: Clock::expecting(picture, operation).map(|clock| if still { clock.without_an_end() } else { clock }),
            measured: verdict::of(operation),
            receipt: Receipt::of(picture, operation),
            steps: plan.steps.iter().zip(&operation.steps).map(|(step, record)| StepRow::of(picture, operation, step, record)).collect(),
            acts: acts::of(operation, viewer, &changed),
            changed,
            history: operation.history.iter().map(|(at, state)| Passage { at: *at, state: state.to_string() }).collect(),
            journal: entries.iter().map(JournalLine::of).collect(),
            part_of: operation.parent.and_then(|whole| picture.operation(&whole)).map(seen),
            members: picture.records.operations.values().filter(|member| member.parent == Some(*id)).map(seen).collect(),
        })
    }
}

/// Why a waiting request could not be approved any more, as of now.
pub(crate) fn changed(picture: &Picture, operation: &Operation) -> Vec<String> {
    if operation.state != State::Requested {
        return Vec::new();
    }
    match picture.replan(operation) {
        Some(plan_now) => engine::journal::void_reasons(operation, &plan_now, picture.now),
        None => vec!["what it is about is not observed any more".to_owned()],
    }
}

impl StepRow {
    fn of(picture: &Picture, of: &Operation, step: &Step, record: &StepRecord) -> Self {
        // A step that was started and never seen to end does not run while the operation stands still: nobody knows.
        let lost_sight = record.state == StepState::Running && (picture.stands_still(of) || !of.state.is_running());
        let running = record.state == StepState::Running && !lost_sight;
        Self {
            does: words::step_of(&of.plan, &step.action),
            tone: match record.state {
                StepState::Running if lost_sight => Tone::Lost,
                StepState::Done => Tone::Ok,
                StepState::Pending => Tone::Unknown,
                StepState::Running | StepState::Undone => Tone::Watch,
                StepState::Overridden | StepState::Failed | StepState::Skipped => Tone::Act,
                StepState::UndoFailed => Tone::Lost,
            },
            state: if lost_sight { "NOT KNOWN" } else { words::step_state_in_words(record.state) }.to_owned(),
            attempts: record.attempts,
            started_at: record.started_at.filter(|_| !lost_sight),
            took: record.took(),
            limit: step.timeout,
            running,
            said: if let Some(at) = picture.observed.backups.restoring.get(&of.id).filter(|_| running && step.action.restores()) {
                Some(backups::view::progress(at, picture.now).says)
            } else if lost_sight {
                Some("started, and never seen to end: it may have taken effect".to_owned())
            } else {
                record.said.clone()
            },
            if_it_fails: (running || record.state == StepState::Pending).then(|| words::failure_in_words(of.on_failure(step)).to_owned()),
        }
    }
}

impl JournalLine {
    fn of(entry: &Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor.to_string(),
            says: crate::journal::words::in_words(&entry.event),
            reason: crate::journal::words::reason(&entry.event),
        }
    }
}
