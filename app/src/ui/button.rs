//! The button that submits a form. Its words say what will happen.

use leptos::prelude::*;

/// How much a press weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weight {
    #[default]
    Plain,
    /// The one thing this page is for.
    Main,
    /// Changes the world in a way that cannot be taken back.
    Grave,
}

#[component]
pub fn Submit(#[prop(into)] does: String, #[prop(optional)] weight: Weight) -> impl IntoView {
    let class = match weight {
        Weight::Plain => "button",
        Weight::Main => "button main",
        Weight::Grave => "button grave",
    };
    view! { <button type="submit" class=class>{does}</button> }
}
