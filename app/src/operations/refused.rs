//! Why a form was refused, shown beside it: from the action while the page runs in the browser, and from the address it
//! was sent back to where it does not.

use crate::{
    fault::Fault,
    ui::{icon::Icon, post::Answers},
};
use leptos::{prelude::*, server_fn::error::ServerFnUrlError};
use leptos_router::hooks::use_query_map;

/// `path` is the server function's.
#[component]
pub fn Refused(answers: Answers, path: &'static str) -> impl IntoView {
    let query = use_query_map();
    let before = Memo::new(move |_| {
        let query = query.read();
        (query.get("__path").as_deref() == Some(path))
            .then(|| query.get("__err"))
            .flatten()
            .map(|error| ServerFnUrlError::<Fault>::decode_err(&error))
    });
    move || {
        let fault = if answers.is_empty() { before.get() } else { answers.refusal_of(path) };
        fault.map(|fault| {
            view! {
                <div class="trouble" role="alert">
                    <Icon name="act"/>
                    <div><p class="what">"Refused: "{fault.to_string()}"."</p><p class="next">"Nothing was done."</p></div>
                </div>
            }
        })
    }
}
