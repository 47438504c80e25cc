//! “since 14:03:22 · 5m 12s”: a moment with its age.

use super::time::{Age, Moment};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn Since(at: Instant, now: Instant) -> impl IntoView {
    view! { <span class="since">"since "<Moment at now/>" UTC · "<Age since=at now/></span> }
}
