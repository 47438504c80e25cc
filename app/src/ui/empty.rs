//! Where there is nothing to show: says so, and teaches the next step.

use leptos::prelude::*;

#[component]
pub fn Empty(#[prop(into)] what: String, children: Children) -> impl IntoView {
    view! {
        <div class="empty">
            <p class="what">{what}</p>
            <div class="next">{children()}</div>
        </div>
    }
}
