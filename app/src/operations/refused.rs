//! Why a form was refused, shown beside it: from the action while the page runs in the browser, and from the address it
//! was sent back to where it does not. Where the form is gone meanwhile, because somebody else was faster, it is shown all the same.

use super::{acts::Act, forms};
use crate::{
    fault::Fault,
    ui::{icon::Icon, post::Answers},
};
use leptos::{prelude::*, server_fn::error::ServerFnUrlError};
use leptos_router::hooks::use_query_map;

/// `path` is the server function's.
#[component]
pub fn Refused(answers: Answers, path: &'static str) -> impl IntoView {
    move || shown(if answers.is_empty() { sent_back(&[path]) } else { answers.refusal_of(&[path]) })
}

/// The refusal of a form of an operation that is none of those that are still shown.
#[component]
pub fn RefusedBefore(answers: Answers, acts: Vec<Act>) -> impl IntoView {
    let open: Vec<&str> = acts.iter().filter(|act| act.barred.is_none()).map(|act| forms::path_of(act.verb)).collect();
    let gone: Vec<&'static str> = forms::PATHS.into_iter().filter(|path| !open.contains(path)).collect();
    move || shown(if answers.is_empty() { sent_back(&gone) } else { answers.refusal_of(&gone) })
}

fn sent_back(paths: &[&str]) -> Option<Fault> {
    use_query_map().with(|query| {
        let is_theirs = query.get_str("__path").is_some_and(|path| paths.contains(&path));
        query.get_str("__err").filter(|_| is_theirs).map(ServerFnUrlError::<Fault>::decode_err)
    })
}

fn shown(fault: Option<Fault>) -> Option<impl IntoView> {
    fault.map(|fault| {
        view! {
            <div class="trouble" role="alert">
                <Icon name="act"/>
                <div><p class="what">"Refused: "{fault.to_string()}"."</p><p class="next">"Nothing was done."</p></div>
            </div>
        }
    })
}
