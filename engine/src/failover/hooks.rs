//! Hooks around an operation (row 89): a program of the team's own that runs before anything is done, and one that runs at the
//! end, also where everything was undone. The one before may refuse: a failure of it ends the operation before it has begun.

use super::{Action, HookMoment, OnFailure, Step};
use crate::{
    estate::Estate,
    id::{HookId, ServiceId},
};

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
