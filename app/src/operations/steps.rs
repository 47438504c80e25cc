//! The steps of an operation as they went: state, attempts, time taken, and what was seen.

use super::{view::StepRow, words::took_in_words};
use crate::ui::settled::IntoSettled;
use crate::ui::{icon::Icon, time::Age};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn Steps(steps: Vec<StepRow>, now: Instant) -> impl IntoView {
    view! { <ol class="steps">{steps.into_iter().map(|step| view! { <Step step now/> }).collect_view()}</ol> }
}

#[component]
fn Step(step: StepRow, now: Instant) -> impl IntoView {
    let pending = step.attempts == 0;
    // What has not begun is no worry: it gets its own quiet glyph, not the one for “not known”.
    let (glyph, class) = if pending {
        ("pending", "pending")
    } else if step.running {
        ("running", "running")
    } else {
        (step.tone.name(), step.tone.name())
    };
    let time = match (step.took, step.started_at) {
        (Some(took), _) => took_in_words(took).settled(),
        (None, Some(since)) => view! { <Age since now/> }.settled(),
        (None, None) => ().settled(),
    };
    view! {
        <li class=format!("step {class}") aria-current=step.running.then_some("step")>
            <Icon name=glyph/>
            <div class="does">
                <p>{step.does}</p>
                {step.said.map(|said| view! { <p class="said">{said}</p> })}
                {step.if_it_fails.map(|follows| view! { <p class="quiet">{format!("At most {}. If it fails, {follows}.", step.limit)}</p> })}
            </div>
            <p class="state">{step.state}{(step.attempts > 1).then(|| format!(", {} attempts", step.attempts))}</p>
            <p class="time number">{time}</p>
        </li>
    }
    .settled()
}
