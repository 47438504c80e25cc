//! Telling monitoring of an operation: a silence for the alerts to be expected of what is left, in force for no longer than the
//! operation may take and ended with it, and a note of what was done. Nothing waits for monitoring: each of these steps has
//! a short limit, and what was not told is recorded.

use super::{Action, Mode, OnFailure, Operation, Step, StepState};
use crate::{
    estate::Estate,
    id::{MonitoringId, RegionId, ServiceId},
    time::{Instant, Span},
};
use std::collections::BTreeSet;

/// The limit in an emergency, where clients wait behind it.
const HURRIED: Span = Span::from_secs(1);
const CALM: Span = Span::from_secs(3);
/// A silence may outlive the sum of all limits by this much: an operation that is killed and resumed takes longer.
const SLACK: Span = Span::from_mins(5);

/// What an operation leaves. Alerts about these services in these regions are to be expected.
pub(super) struct Left {
    pub services: BTreeSet<ServiceId>,
    /// None where nothing is left that clients are not sent to as well: then nothing is silenced.
    pub regions: BTreeSet<RegionId>,
}

/// The steps with those that tell monitoring around them; unchanged where none is declared that hears of these services.
pub(super) fn around(estate: &Estate, mode: Mode, left: Left, mut steps: Vec<Step>) -> Vec<Step> {
    let hears = estate.monitoring.iter().filter(|monitoring| !monitoring.hears_of(&left.services).is_empty());
    let told: BTreeSet<MonitoringId> = hears.map(|monitoring| monitoring.id.clone()).collect();
    if told.is_empty() || steps.is_empty() {
        return steps;
    }
    let Left { services, regions } = left;
    if mode == Mode::Test {
        steps.push(Step::new(Action::RehearseMonitoring { monitoring: told, services, regions }, CALM, OnFailure::GoOn));
        return steps;
    }
    if !regions.is_empty() {
        let lasts = longest(&steps).saturating_add(SLACK);
        let action = Action::SilenceAlerts { monitoring: told.clone(), services, regions, lasts };
        let limit = if mode == Mode::Emergency { HURRIED } else { CALM };
        let end = Action::EndSilence { monitoring: told.clone() };
        // Behind the first check of what is moved, which may well refuse: then nobody needs to hear of it.
        let at = steps.iter().position(|step| !step.action.may_be_skipped()).unwrap_or(0);
        steps.insert(at, Step::new(action, limit, OnFailure::GoOn).undone_by(end.clone()));
        steps.push(Step::new(end, CALM, OnFailure::GoOn));
    }
    steps.push(Step::new(Action::Annotate { monitoring: told }, CALM, OnFailure::GoOn));
    steps
}

/// As long as all steps take where each, and each undoing, takes its whole limit.
fn longest(steps: &[Step]) -> Span {
    let whole = |step: &Step| step.timeout.times(if step.undo.is_some() { 2 } else { 1 });
    steps.iter().map(whole).fold(Span::ZERO, Span::saturating_add)
}

impl Operation {
    /// The step by which a silence is to be ended that outlives this operation: it has ended, nothing proves that its silence
    /// has, and by itself that would end later than `now`. (Trap: maintenance mode never switched off.)
    pub fn silence_left(&self, now: Instant) -> Option<usize> {
        if self.state.is_active() {
            return None;
        }
        let place = |wanted: fn(&Action) -> bool| self.plan.steps.iter().position(|step| wanted(&step.action));
        let made = place(|action| matches!(action, Action::SilenceAlerts { .. }))?;
        let record = self.steps.get(made).filter(|record| record.attempts > 0 && record.state != StepState::Undone)?;
        let Action::SilenceAlerts { lasts, .. } = &self.plan.steps.get(made)?.action else { return None };
        // Each try may have made it anew, the last of them just before it was recorded.
        let ends = record.ended_at.or(record.started_at)? + lasts.saturating_add(CALM).as_delta();
        if ends <= now {
            return None;
        }
        if record.state == StepState::UndoFailed {
            return Some(made);
        }
        let end = place(|action| matches!(action, Action::EndSilence { .. }))?;
        self.steps.get(end).filter(|record| record.state != StepState::Done).map(|_| end)
    }
}
