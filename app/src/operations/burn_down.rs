//! The clock against the objective as a bar: how much of the time is used up, and when the objective is breached.

use super::{clock::Clock, words::took_in_words};
use crate::ui::settled::IntoSettled;
use crate::{
    live::Live,
    ui::{
        state::{Badge, Tone},
        time::Moment,
    },
};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn BurnDown(clock: Clock, now: Instant) -> impl IntoView {
    let live = expect_context::<Live>();
    let clock = StoredValue::new(clock);
    let tick = move || live.now(now);
    let elapsed = move || clock.with_value(|clock| took_in_words(clock.elapsed(tick())));
    let width = move || clock.with_value(|clock| clock.share(tick()).unwrap_or(0));
    let tone = move || clock.with_value(|clock| tone_of(clock, tick()));
    let may_breach = move || clock.with_value(|clock| clock.may_breach(tick()));
    let (rto, counts_from, breach_at, over) =
        clock.with_value(|clock| (clock.rto, clock.counts_from.clone(), clock.breach_at(), clock.until.is_some()));
    let (title, ends) = clock.with_value(|clock| (clock.title.clone(), clock.ends()));
    let label = title.clone();
    let class = move || format!("panel burn-down {}", tone().0.name());
    view! {
        <section class=class aria-label=label>
            <h2>{title}</h2>
            <p class="elapsed"><strong>{elapsed}</strong>{rto.map(|rto| format!(" of {rto}"))}</p>
            {move || { let (tone, word) = tone(); view! { <Badge tone word/> } }}
            {rto.map(|_| view! {
                <svg class="bar" viewBox="0 0 1000 12" preserveAspectRatio="none" width="100%" height="12" aria-hidden="true">
                    <rect class="whole" x="0" y="0" width="1000" height="12"></rect>
                    <rect class="used" x="0" y="0" width=width height="12"></rect>
                </svg>
            })}
            <p class="quiet">
                "Counted "{counts_from}". "
                {breach_at.filter(|_| !over).map(|at| view! { "The objective is breached at "<Moment at now/>" UTC. " })}
                {ends.map(|(says, at)| view! { {says}" it is proven at "<Moment at now/>" UTC" })}
                {move || ends.map(|_| if may_breach() { view! { ": "<strong>"after the breach"</strong>"." }.settled() } else { ".".settled() })}
            </p>
        </section>
    }
    .settled()
}

fn tone_of(clock: &Clock, now: Instant) -> (Tone, &'static str) {
    match (clock.rto, clock.is_breached(now), clock.until.is_some(), clock.proven) {
        (_, true, ..) => (Tone::Lost, "RTO BREACHED"),
        (Some(_), false, true, true) => (Tone::Ok, "RTO met"),
        (_, false, true, false) => (Tone::Unknown, "ended without a proof"),
        (Some(_), false, false, _) => (Tone::Watch, "clock runs"),
        (None, ..) => (Tone::Watch, "no objective"),
    }
}
