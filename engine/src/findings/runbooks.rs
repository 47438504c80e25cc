//! What is wrong with runbooks as a whole, and with runs. What is wrong with their text is told by the linter, where they are edited.

use super::{About, Complaint, Finding, Severity};
use crate::{
    picture::Picture,
    runbooks::{
        Disaster,
        ledger::Summary,
        run::{Run, StepState},
    },
    time::{Instant, Span},
};

pub(super) fn findings(picture: &Picture) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, record) in picture.records.runbooks.books() {
        let Some(newest) = record.newest() else { continue };
        let summary = &newest.summary;
        let mut add = |severity, complaint, since| found.push(Finding { severity, about: About::Runbook(name.clone()), complaint, since });
        if let Some(within) = within(picture, summary) {
            if summary.usual > within {
                add(Severity::Act, Complaint::RunbookTooLong { runbook: name.clone(), takes: summary.usual, within }, None);
            } else if summary.longest > within {
                add(Severity::Watch, Complaint::RunbookMayTakeTooLong { runbook: name.clone(), longest: summary.longest, within }, None);
            }
        }
        match summary.review_by {
            None => add(Severity::Watch, Complaint::NeverReviewed { runbook: name.clone() }, None),
            Some(review_by) if review_by < picture.now.date_naive() => {
                add(Severity::Watch, Complaint::ReviewOverdue { runbook: name.clone(), review_by }, Some(midnight_after(review_by, picture.now)));
            }
            Some(_) => {}
        }
    }
    for run in picture.records.runbooks.active() {
        found.extend(of_run(run, picture.now));
    }
    found
}

/// What a runbook must be over within: what it promises itself, or what the estate does where that is shorter.
pub(crate) fn within(picture: &Picture, summary: &Summary) -> Option<Span> {
    let service = summary.service.as_ref().and_then(|id| id.parse().ok()).and_then(|id| picture.estate.service(&id));
    let corrupt = summary.disaster == Some(Disaster::DataCorruption);
    let promised = service.map(|service| if corrupt { service.mtpd } else { service.rto });
    summary.rto.into_iter().chain(promised).min()
}

fn midnight_after(day: chrono::NaiveDate, now: Instant) -> Instant {
    day.succ_opt().and_then(|next| next.and_hms_opt(0, 0, 0)).map_or(now, |at| at.and_utc())
}

fn of_run(run: &Run, now: Instant) -> Vec<Finding> {
    let about = || About::Runbook(run.runbook.clone());
    let mut found = Vec::new();
    for (plan, step) in run.plan.iter().zip(&run.steps) {
        let ended = step.ended.as_ref().map(|(_, at)| *at);
        let (why, since) = match (step.state, step.overdue) {
            (StepState::Failed | StepState::Unknown, _) => (step.said.clone().unwrap_or_else(|| step.state.to_string()), ended),
            (StepState::Running | StepState::RollingBack, Some(overdue)) => (format!("it takes longer than {}", plan.timeout), Some(overdue)),
            _ => continue,
        };
        let complaint = Complaint::RunNeedsAPerson { runbook: run.runbook.clone(), run: run.id, step: plan.title.clone(), why };
        found.push(Finding { severity: Severity::Act, about: about(), complaint, since });
    }
    if let Some(due) = run.next_update().filter(|due| *due < now) {
        let complaint = Complaint::MessageOverdue { runbook: run.runbook.clone(), run: run.id, due };
        found.push(Finding { severity: Severity::Act, about: about(), complaint, since: Some(due) });
    }
    found
}
