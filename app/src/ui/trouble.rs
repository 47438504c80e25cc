//! When something went wrong: what, and what to do. And the frame around everything a page watches.

use super::{icon::Icon, title::PageTitle};
use crate::ui::settled::IntoSettled as _;
use crate::{
    fault::Fault,
    live::{Seen, Watch},
};
use leptos::{either::Either, prelude::*};
use serde::{Serialize, de::DeserializeOwned};

/// An error box. On the server it also sets the status of the answer.
#[component]
pub fn Trouble(fault: Fault) -> impl IntoView {
    #[cfg(feature = "ssr")]
    set_status(&fault);
    let what = fault.to_string();
    let next = match fault {
        Fault::NotSignedIn => Either::Left(view! { <a href="/login" rel="external">"Sign in"</a> }),
        Fault::Refused(_) | Fault::BadInput(_) => Either::Right("Nothing was changed. Go back and correct it."),
        Fault::NotFound { .. } => Either::Right("It may have been renamed in the estate. Find it by the lists on the left."),
        Fault::Broken(_) => Either::Right("Reload the page. If it stays, read the server's log; “lifeboat status --json” works without this page."),
        Fault::Unreachable(_) => Either::Right("Check the network and that the server runs; this page tries again by itself."),
    };
    view! {
        <div class="trouble" role="alert">
            <Icon name="act"/>
            <div><p class="what">{what}"."</p><p class="next">{next}</p></div>
        </div>
    }
}

/// The page for an address that leads nowhere.
#[component]
pub fn NotFound() -> impl IntoView {
    #[cfg(feature = "ssr")]
    set_status(&Fault::NotFound { what: String::new(), id: String::new() });
    view! {
        <PageTitle title="No such page"/>
        <p>"Nothing is at this address. "<a href="/">"Go to the overview"</a>"."</p>
    }
}

/// In place of a page whose chunk could not be loaded: says so, and loads the page as a whole once the server answers, which
/// also helps where the server is of another release by now.
#[component]
pub fn NotLoaded() -> impl IntoView {
    let location = leptos_router::hooks::use_location();
    let address = format!("{}{}", location.pathname.get_untracked(), location.search.get_untracked());
    #[cfg(feature = "hydrate")]
    leptos::task::spawn_local_scoped_with_cancellation({
        let address = address.clone();
        async move {
            crate::chunk::server_answers().await;
            if window().location().replace(&address).is_err() {
                leptos::logging::warn!("the browser does not load {address}");
            }
        }
    });
    view! {
        <PageTitle title="Not loaded"/>
        <div class="trouble" role="alert">
            <Icon name="act"/>
            <div>
                <p class="what">"This page could not be fetched: the server does not answer, or is of another release by now."</p>
                <p class="next">"It is loaded as soon as the server answers. "<a href=address rel="external">"Load it now"</a></p>
            </div>
        </div>
    }
    .settled()
}

/// Shows what is watched: the value, with a note where it could not be fetched again, or the error. `show` runs again for
/// each new value; the elements stay where their content does not change.
///
/// The type of what is shown ends here: without that every page's whole tree is one type, which costs minutes
/// of compile time and much of what the browser downloads.
pub fn watched<T, V>(watch: Watch<T>, show: impl Fn(T) -> V + Send + Sync + 'static) -> AnyView
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    V: IntoView + Send + 'static,
{
    let shown = move || {
        watch.get().map(|outcome| match outcome {
            Ok(Seen { value, trouble }) => view! { {trouble.map(|fault| view! { <Stale fault/> }.settled())} {show(value).settled()} }.settled(),
            Err(fault) => view! { <Trouble fault/> }.settled(),
        })
    };
    view! { <Transition fallback=|| view! { <p class="loading">"Fetching…"</p> }>{shown}</Transition> }.settled()
}

#[component]
fn Stale(fault: Fault) -> impl IntoView {
    view! { <p class="stale" role="status"><Icon name="unknown"/>"This is the last known state, and may be old: "{fault.to_string()}"."</p> }
}

#[cfg(feature = "ssr")]
fn set_status(fault: &Fault) {
    use http::StatusCode;
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(match fault {
            Fault::NotSignedIn => StatusCode::UNAUTHORIZED,
            Fault::Refused(_) => StatusCode::CONFLICT,
            Fault::NotFound { .. } => StatusCode::NOT_FOUND,
            Fault::BadInput(_) => StatusCode::BAD_REQUEST,
            Fault::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Fault::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        });
    }
}
