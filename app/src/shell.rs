//! The frame around every page: the document, the status strip on top, the rail with the places, the tabs on a phone.

use crate::{live::Live, routes::PLACES, ui::icon::Icon};
use leptos::prelude::*;
use leptos_router::{components::A, hooks::use_location};

pub mod appearance;
mod restraints;
mod strip;
pub mod view;

/// The HTML document. The server renders it for every page address.
#[cfg(feature = "ssr")]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    use leptos_meta::{HashedStylesheet, MetaTags};
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=appearance::chosen().name()>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="robots" content="noindex"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="manifest" href="/manifest.webmanifest"/>
                <link rel="preload" href="/fonts/inter-latin-wght-normal.woff2" r#as="font" r#type="font/woff2" crossorigin="anonymous"/>
                <HashedStylesheet options=options.clone() id="leptos"/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <crate::App/>
            </body>
        </html>
    }
}

/// What stands around a page. Signing in and setting up stand alone: there is nothing to go to yet.
#[component]
pub fn Frame(children: Children) -> impl IntoView {
    let path = use_location().pathname;
    let alone = Memo::new(move |_| matches!(path.get().as_str(), "/login" | "/setup"));
    if !alone.get_untracked() {
        expect_context::<Live>().listen();
    }
    focus_on_change(path);
    view! {
        <a class="skip" href="#content" rel="external">"Skip to the content"</a>
        <div class="frame" class:alone=alone>
            <Show when=move || !alone.get()>
                <strip::Strip/>
                <Places/>
            </Show>
            <main id="content" tabindex="-1">{children()}</main>
        </div>
    }
}

/// One list, shown as a rail beside the page or as tabs below it.
#[component]
fn Places() -> impl IntoView {
    let place = |place: &'static crate::routes::Place| {
        view! { <li><A href=place.href exact=place.href == "/"><Icon name=place.icon/><span>{place.name}</span></A></li> }
    };
    view! { <nav class="places" aria-label="Places"><ul>{PLACES.iter().map(place).collect_view()}</ul></nav> }
}

/// After a move to another page the keyboard goes on at its content, as after a full load.
fn focus_on_change(path: Memo<String>) {
    Effect::new(move |before: Option<String>| {
        let path = path.get();
        #[cfg(feature = "hydrate")]
        if before.is_some_and(|before| before != path)
            && let Some(content) = document().get_element_by_id("content")
        {
            use wasm_bindgen::JsCast;
            // An element that cannot take the focus leaves it where it was; nothing is lost by that.
            if let Some(content) = content.dyn_ref::<web_sys::HtmlElement>()
                && content.focus().is_err()
            {
                leptos::logging::warn!("the content cannot take the focus");
            }
        }
        #[cfg(not(feature = "hydrate"))]
        drop(before);
        path
    });
}
