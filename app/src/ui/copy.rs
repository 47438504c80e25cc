//! An id in full that can be copied with one press. Without JavaScript the text is there and the button is not.

use super::icon::Icon;
use crate::ui::settled::IntoSettled as _;
use leptos::prelude::*;

#[component]
pub fn CopyId(
    #[prop(into)] id: String,
    /// What is shown in place of a long id; the whole one is copied and stands in the tooltip.
    #[prop(optional, into)]
    short: Option<String>,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let label = format!("Copy {id}");
    let title = id.clone();
    let shown = short.unwrap_or_else(|| id.clone());
    let copy = move |_| {
        to_clipboard(&id);
        copied.set(true);
    };
    view! {
        <span class="id">
            <code title=title>{shown}</code>
            <button type="button" class="copy" aria-label=label on:click=copy>
                <Icon name="copy"/>
                <span class="copied" role="status">{move || if copied.get() { "copied" } else { "" }}</span>
            </button>
        </span>
    }
    .settled()
}

#[cfg(feature = "hydrate")]
fn to_clipboard(text: &str) {
    // The promise is dropped: where the browser refuses, the text can still be selected by hand.
    drop(window().navigator().clipboard().write_text(text));
}

#[cfg(not(feature = "hydrate"))]
fn to_clipboard(_text: &str) {}
