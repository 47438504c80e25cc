//! A form that posts to a server function. One component for all of them: an `ActionForm` brings the whole way of sending
//! along once for every form, and that was a tenth of what the browser downloads.
//!
//! Without JavaScript the browser posts, and the server sends it back with the refusal in the address.

use crate::fault::Fault;
use crate::ui::settled::IntoSettled as _;
use leptos::prelude::*;

/// Why the last form of a page was refused, with the server function it was sent to. It belongs to the page, not to what is
/// shown of it, so that a refusal stays on the screen while the page moves on.
#[derive(Clone, Copy)]
pub struct Answers(RwSignal<Option<(&'static str, Fault)>>);

impl Answers {
    #[expect(clippy::new_without_default, reason = "it makes a signal, so it belongs to a reactive owner and is no plain value")]
    pub fn new() -> Self {
        Self(RwSignal::new(None))
    }
    /// The refusal of the form that was sent last, if it went to one of `paths`.
    pub fn refusal_of(&self, paths: &[&str]) -> Option<Fault> {
        self.0.get().filter(|(to, _)| paths.contains(to)).map(|(_, fault)| fault)
    }
    /// What was answered was about something else than what is shown now.
    pub fn forget(&self) {
        self.0.set(None);
    }
    /// Whether a form was sent and refused in this page.
    pub fn is_empty(&self) -> bool {
        self.0.with(Option::is_none)
    }
}

#[component]
pub fn Post(
    /// Of the server function, `SomeFunction::PATH`.
    path: &'static str,
    answers: Answers,
    children: Children,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    let send = move |event: web_sys::SubmitEvent| sending::send(&event, path, answers);
    // The server answers no events; the browser posts there.
    #[cfg(not(feature = "hydrate"))]
    let send = move |_| {
        let _ = answers;
    };
    view! { <form method="post" action=path on:submit=send>{children()}</form> }.settled()
}

#[cfg(feature = "hydrate")]
mod sending {
    use super::{Answers, Fault};
    use leptos::{
        form::form_data_from_event,
        prelude::*,
        server_fn::{
            client::{Client, browser::BrowserClient},
            error::FromServerFnError,
            redirect::call_redirect_hook,
            request::{ClientReq, browser::BrowserRequest},
            response::ClientRes,
        },
        task::spawn_local,
    };

    /// Sends what was filled in, as the browser would, and goes where the answer leads.
    pub fn send(event: &web_sys::SubmitEvent, path: &'static str, answers: Answers) {
        let filled = form_data_from_event(event).ok().and_then(|data| web_sys::UrlSearchParams::new_with_str_sequence_sequence(&data).ok());
        // What cannot be read here, the browser posts itself.
        let Some(filled) = filled else { return };
        event.prevent_default();
        let body = String::from(filled.to_string());
        spawn_local(async move {
            let refusal = post(path, body).await.err().map(|fault| (path, fault));
            answers.0.try_set(refusal);
        });
    }

    async fn post(path: &'static str, body: String) -> Result<(), Fault> {
        let request = <BrowserRequest as ClientReq<Fault>>::try_new_post(path, "application/json", "application/x-www-form-urlencoded", body)?;
        let answer = <BrowserClient as Client<Fault>>::send(request).await?;
        let status = ClientRes::<Fault>::status(&answer);
        let leads = ClientRes::<Fault>::has_redirect(&answer).then(|| ClientRes::<Fault>::location(&answer));
        if (400..=599).contains(&status) {
            return Err(Fault::de(ClientRes::<Fault>::try_into_bytes(answer).await?));
        }
        if let Some(to) = leads {
            call_redirect_hook(&to);
        }
        Ok(())
    }
}
