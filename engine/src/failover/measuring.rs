//! What an operation may measure of itself: the recovery time, once its end is reached, and only where the clock that
//! measured it was not set in between.

use super::{Action, Mode, Operation, OperationKind, State, StepState};
use crate::time::{Instant, Span};

/// How long clients had to do without, now that step `at` was done; `None` where that step is not what ends it, and where it
/// cannot be said.
///
/// Counted from the first failed probe of what was left, in a planned move from the moment they were told to wait, or the route was closed.
pub fn recovery_time(operation: &Operation, at: usize, now: Instant) -> Option<Span> {
    if !ends_the_wait(operation, at) {
        return None;
    }
    let steps = operation.plan.steps.iter().zip(&operation.steps);
    let closed = || steps.clone().find(|(step, _)| step.action.begins_a_wait()).and_then(|(_, record)| record.started_at);
    let since = operation.plan.outage_since.or_else(closed)?;
    // Two readings of a clock that was set in between say nothing about the time between them.
    let comparable = operation.clock_set.is_none() && since <= now;
    comparable.then(|| Span::between(since, now))
}

/// When clients are served again if what is left takes as long as nine in ten such steps took in the operations before; `None`
/// where nothing runs, or a kind of step that is left was never done before.
pub fn expected<'a>(operation: &Operation, before: impl Iterator<Item = &'a Operation> + Clone, now: Instant) -> Option<Instant> {
    if !operation.state.is_running() {
        return None;
    }
    let end = operation.plan.steps.iter().rposition(|step| step.action.ends_a_wait())?;
    let left = operation.plan.steps.iter().zip(&operation.steps).take(end + 1).filter(|(_, record)| !record.state.is_over());
    let mut at = now;
    for (step, record) in left {
        // What takes longer than it usually does is expected to end at any moment.
        at = (record.started_at.unwrap_or(at) + usual(&step.action, before.clone())?.as_delta()).max(at);
    }
    Some(at)
}

/// What nine in ten steps that do the like took, in whatever has ended and was no test.
fn usual<'a>(action: &Action, before: impl Iterator<Item = &'a Operation>) -> Option<Span> {
    let real = before.filter(|operation| !operation.state.is_active() && operation.plan.mode() != Mode::Test && operation.clock_set.is_none());
    let alike = |step: &super::Step| std::mem::discriminant(&step.action) == std::mem::discriminant(action);
    let steps = real.flat_map(|operation| operation.plan.steps.iter().zip(&operation.steps));
    let mut took: Vec<Span> =
        steps.filter(|(step, record)| alike(step) && record.state == StepState::Done).filter_map(|(_, record)| record.took()).collect();
    took.sort_unstable();
    took.get((took.len() * 9 / 10).min(took.len().checked_sub(1)?)).copied()
}

/// Whether clients are served again with step `at`. One wave of an evacuation is not all of it, and a test keeps nobody waiting.
fn ends_the_wait(operation: &Operation, at: usize) -> bool {
    let Some(step) = operation.plan.steps.get(at).filter(|_| operation.mode() != Mode::Test) else { return false };
    match step.action {
        ref action if action.proves_the_end() => true,
        Action::MoveWave { .. } => operation.steps.iter().enumerate().all(|(other, record)| other == at || record.state == StepState::Done),
        _ => false,
    }
}

impl Operation {
    /// The measured recovery time. Of an evacuation that left something behind nothing was measured, whatever its waves took.
    pub fn recovery_time(&self) -> Option<Span> {
        let whole = self.plan.kind != OperationKind::Evacuation || (self.state == State::Succeeded && self.mode() != Mode::Test);
        self.measured.recovery_time.filter(|_| whole)
    }
}
