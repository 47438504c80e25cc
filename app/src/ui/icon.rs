//! One picture from the sprite `public/icons.svg`. Decoration only: the word beside it carries the meaning.

use leptos::prelude::*;

#[component]
pub fn Icon(name: &'static str) -> impl IntoView {
    view! { <svg class="icon" aria-hidden="true"><use href=format!("/icons.svg#{name}")></use></svg> }
}
