//! The heading of a page, its document title, and one line that says how things are.

use leptos::prelude::*;
use leptos_meta::Title;

#[component]
pub fn PageTitle(#[prop(into)] title: String, #[prop(optional)] children: Option<Children>) -> impl IntoView {
    view! {
        <Title text=title.clone()/>
        <header class="page-title">
            <h1>{title}</h1>
            {children.map(|children| view! { <div class="says">{children()}</div> })}
        </header>
    }
}
