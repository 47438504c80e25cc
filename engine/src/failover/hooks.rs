//! Hooks around an operation (row 89): a program of the team's own that runs before anything is done, and one that runs at the
//! end, also where everything was undone. The one before may refuse: a failure of it ends the operation before it has begun.

use super::{Action, HookMoment, Mode, OnFailure, Operation, State, Step, StepState};
use crate::{
    estate::Estate,
    id::{HookId, ServiceId},
    time::{Instant, Span},
};

/// A program that a server did not come to for so long after the end is not run any more: nobody expects it.
const EXPECTED: Span = Span::from_mins(60);

/// The steps with those of the hooks around them. The first hook declared is the outermost.
pub(super) fn around(estate: &Estate, service: &ServiceId, mut steps: Vec<Step>) -> Vec<Step> {
    if steps.is_empty() {
        return steps;
    }
    let run = |hook: &HookId, moment| Action::RunHook { hook: hook.clone(), moment };
    for hook in estate.hooks.iter().rev().filter(|hook| hook.services.is_empty() || hook.services.contains(service)) {
        let after = run(&hook.id, HookMoment::After);
        if hook.before {
            let before = Step::new(run(&hook.id, HookMoment::Before), hook.timeout, OnFailure::Compensate);
            steps.insert(0, if hook.after { before.undone_by(after.clone()) } else { before });
        }
        if hook.after {
            steps.push(Step::new(after, hook.timeout, OnFailure::GoOn));
        }
    }
    steps
}

impl Operation {
    /// The step of a hook that was to run at the end, where people closed the operation before it got there, and what the one
    /// before it began still stands. It is run once.
    pub fn hook_left(&self, now: Instant) -> Option<usize> {
        let ended = self.ended_at.filter(|ended| now < *ended + EXPECTED.as_delta())?;
        if self.state != State::Closed || self.started_at.is_none_or(|started| started > ended) || self.plan.mode() == Mode::Test {
            return None;
        }
        let attempted = |at: usize| self.steps.get(at).is_some_and(|record| record.attempts > 0);
        let is = |at: usize, of: &HookId, wanted: HookMoment| matches!(&self.plan.steps[at].action, Action::RunHook { hook, moment } if hook == of && *moment == wanted);
        (0..self.plan.steps.len()).find(|at| {
            let Action::RunHook { hook, moment: HookMoment::After } = &self.plan.steps[*at].action else { return false };
            let before = (0..*at).find(|earlier| is(*earlier, hook, HookMoment::Before));
            let pending = self.steps.get(*at).is_some_and(|record| record.state == StepState::Pending && record.attempts == 0);
            pending && before.is_none_or(|before| attempted(before) && self.steps[before].state != StepState::Undone)
        })
    }
}
