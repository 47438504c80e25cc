//! What others are told during a run: a template with the values of the run, and with what is true at the moment it is sent.
//! Nothing is sent with a placeholder left in it (trap R22).

use super::{
    placeholders::fill,
    run::{FrozenMessage, Run, StepState},
};
use crate::time::{Instant, Span};

/// What a message may say beside the parameters of its runbook.
pub const LIVE: [&str; 9] = ["run.status", "run.step", "run.elapsed", "run.began", "run.done", "run.left", "run.by", "now", "next_update"];

/// A message as it would be sent now.
///
/// # Errors
/// The placeholders that nothing can be said for, `next_update` among them where no next message is promised.
pub fn render(run: &Run, message: &FrozenMessage, now: Instant) -> Result<String, Vec<String>> {
    let at = |at: Instant| at.format("%Y-%m-%d %H:%M UTC").to_string();
    let value = |name: &str| {
        let done = run.steps.iter().filter(|step| step.state.is_over()).count();
        Some(match name {
            "run.status" => run.in_words(),
            "run.step" => run.at_work().map_or_else(|| "no step is under way".to_owned(), |step| run.plan[step].title.clone()),
            "run.elapsed" => Span::between(run.began, now).rough(),
            "run.began" => at(run.began),
            "run.done" => format!("{done} of {} steps are done", run.steps.len()),
            "run.left" => left(run).rough(),
            "run.by" => run.by.to_string(),
            "now" => at(now),
            "next_update" => at(now + message.next_update?.as_delta()),
            _ => return None,
        })
    };
    let (text, missing) = fill(&message.text, value);
    if missing.is_empty() { Ok(text) } else { Err(missing.into_iter().map(str::to_owned).collect()) }
}

/// How long the steps that are left take as a rule.
pub fn left(run: &Run) -> Span {
    let open = run.plan.iter().zip(&run.steps).filter(|(_, step)| !matches!(step.state, StepState::Done | StepState::Skipped));
    open.fold(Span::ZERO, |sum, (plan, _)| sum.saturating_add(plan.takes.unwrap_or(plan.timeout)))
}
