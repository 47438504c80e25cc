//! What happened to runbooks and in their runs, in sentences.

use engine::{
    id::{RunId, RunbookName},
    runbooks::{
        ledger::RunbookEvent,
        run::{RunEvent, StepState},
    },
};

/// As a sentence without its full stop.
pub(super) fn in_words(name: &RunbookName, what: &RunbookEvent) -> String {
    match what {
        RunbookEvent::Saved { version, summary, .. } => format!("Runbook {name}: version {version} was saved, “{}”", summary.title),
        RunbookEvent::DraftKept { overtaken_by: Some(newest), .. } => {
            format!("Runbook {name}: a text was NOT saved, for version {newest} was saved meanwhile; it is kept as a draft")
        }
        RunbookEvent::DraftKept { .. } => format!("Runbook {name}: a draft was kept"),
    }
}

/// As a sentence without its full stop.
pub(super) fn of_a_run(id: RunId, what: &RunEvent) -> String {
    let name = format!("Run {}", id.short());
    let number = |step: &usize| step + 1;
    match what {
        RunEvent::Started(with) => {
            format!("{name} of the runbook {}, version {}, began: “{}”, {} steps", with.runbook, with.version, with.title, with.steps.len())
        }
        RunEvent::StepBegan { step, undo: false } => format!("{name}: step {} was begun", number(step)),
        RunEvent::StepBegan { step, undo: true } => format!("{name}: step {} is being rolled back", number(step)),
        RunEvent::StepEnded { step, state, said, .. } => {
            let loud = match state {
                StepState::Failed => "FAILED".to_owned(),
                StepState::Unknown => "is NOT KNOWN".to_owned(),
                state => format!("is {state}"),
            };
            let said = said.lines().next().filter(|said| !said.is_empty()).map(|said| format!(": {said}")).unwrap_or_default();
            format!("{name}: step {} {loud}{said}", number(step))
        }
        RunEvent::StepApproved { step, .. } => format!("{name}: step {} was approved", number(step)),
        RunEvent::StepSkipped { step, .. } => format!("{name}: step {} was SKIPPED", number(step)),
        RunEvent::StepOverdue { step } => format!("{name}: step {} takes longer than it may", number(step)),
        RunEvent::OperationFound { step, operation } => format!("{name}: step {} is the operation {}", number(step), operation.short()),
        RunEvent::RoleTaken { role } => format!("{name}: somebody is {role} now"),
        RunEvent::Sent { message, to, .. } => format!("{name}: the message “{message}” was sent to {to}"),
        RunEvent::Paused { .. } => format!("{name} is paused"),
        RunEvent::Resumed { .. } => format!("{name} goes on"),
        RunEvent::Abandoned { .. } => format!("{name} was ABANDONED"),
        RunEvent::Completed => format!("{name} is complete"),
    }
}

/// The reason that the person gave.
pub(super) fn reason(what: &RunEvent) -> Option<String> {
    match what {
        RunEvent::Started(with) => Some(with.reason.clone()),
        RunEvent::StepApproved { reason, .. }
        | RunEvent::StepSkipped { reason, .. }
        | RunEvent::Paused { reason }
        | RunEvent::Resumed { reason }
        | RunEvent::Abandoned { reason } => Some(reason.clone()),
        _ => None,
    }
}

/// What the person said of the change.
pub(super) fn note(what: &RunbookEvent) -> Option<String> {
    match what {
        RunbookEvent::Saved { note, .. } => Some(note.clone()).filter(|note| !note.is_empty()),
        RunbookEvent::DraftKept { .. } => None,
    }
}
