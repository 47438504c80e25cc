//! The editor: a text, and what is said of it while it is typed. Without JavaScript a button has it checked; the text is kept
//! as a draft by that, so it is there when the page comes back.

use super::{
    calls::{self, SaveRunbook},
    steps::{Verdict, Whole},
    view::{Check, EditView},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::hold,
    operations::refused::Refused,
    ui::{
        field::Field,
        icon::Icon,
        post::{Answers, Post},
        text_area::TextArea,
        title::PageTitle,
        trouble::watched,
    },
};
use leptos::{leptos_dom::helpers::debounce, prelude::*, server_fn::ServerFn};
use leptos_router::hooks::{use_params_map, use_query_map};
use std::time::Duration;

/// So long nothing is typed before the text is checked.
const PAUSE: Duration = Duration::from_millis(400);

#[component]
pub fn EditPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = move || {
        let draft = query.read().get("draft").and_then(|draft| draft.parse::<u64>().ok());
        (params.read().get("name").unwrap_or_default(), draft)
    };
    let page = hold(asked, |(name, draft)| calls::runbook_text(name, draft));
    let answers = Answers::new();
    watched(page, move |view| view! { <Editor view answers/> })
}

/// A runbook that there is not yet: it is written here, or pasted.
#[component]
pub fn NewPage() -> impl IntoView {
    let listing = hold(|| (), |()| calls::runbooks());
    let answers = Answers::new();
    view! {
        <PageTitle title="A new runbook">"Write it, or paste the Markdown of one that was exported."</PageTitle>
        {watched(listing, move |listing| match listing.barred {
            Some(why) => view! { <p class="quiet">{why}</p> }.settled(),
            None => view! { <Blank answers/> }.settled(),
        })}
    }
    .settled()
}

#[component]
fn Blank(answers: Answers) -> impl IntoView {
    view! {
        <Refused answers path=SaveRunbook::PATH/>
        <Post path=SaveRunbook::PATH answers>
            <Field name="name" label="Name" hint="Lower-case letters, digits and hyphens; it stands in the address." pattern="[a-z0-9]([a-z0-9\\-]*[a-z0-9])?" max_length=63 autocomplete="off"/>
            <Written text=super::view::OUTLINE.to_owned()/>
            <div class="buttons">
                <button type="submit" class="button main" name="what" value="save">"Save it as version 1"</button>
                <button type="submit" class="button" name="what" value="check">"Check it"</button>
            </div>
        </Post>
    }
    .settled()
}

#[component]
fn Editor(view: EditView, answers: Answers) -> impl IntoView {
    let base = format!("/runbooks/{}", view.name);
    let title = format!("Edit {}", view.name);
    let told = view.draft.as_ref().map(|draft| match draft.overtaken_by {
        Some(newest) => {
            let compare = format!("{base}/versions?old={newest}&new=draft-{}", draft.seq);
            view! {
                <div class="trouble" role="alert">
                    <Icon name="act"/>
                    <div>
                        <p class="what">{format!("Not saved: version {newest} was saved while you wrote. Your text is kept.")}</p>
                        <p class="next">"Nothing of either is lost. "<a href=compare>{format!("Compare your text with version {newest}")}</a>", put both together here, and save."</p>
                    </div>
                </div>
            }
            .settled()
        }
        None => view! { <p class="says" role="status">"This is a draft; it is no version before it is saved."</p> }.settled(),
    });
    let save = match view.from {
        Some(from) => format!("Save it as version {}", view.newest.unwrap_or(from) + 1),
        None => "Save it as version 1".to_owned(),
    };
    let body = match view.barred.clone() {
        Some(why) => view! { <p class="quiet">{why}</p> }.settled(),
        None => view! {
            <Post path=SaveRunbook::PATH answers>
                <input type="hidden" name="name" value=view.name.to_string()/>
                <input type="hidden" name="from" value=view.from.map(|from| from.to_string()).unwrap_or_default()/>
                <Written text=view.text.clone()/>
                <Field name="note" label="What has changed" hint="For the list of versions." optional=true max_length=200 autocomplete="off"/>
                <div class="buttons">
                    <button type="submit" class="button main" name="what" value="save">{save.clone()}</button>
                    <button type="submit" class="button" name="what" value="check">"Check it"</button>
                </div>
            </Post>
        }
        .settled(),
    };
    view! {
        <PageTitle title><a href=base>"Back to the runbook"</a></PageTitle>
        {told}
        <Refused answers path=SaveRunbook::PATH/>
        {body}
    }
    .settled()
}

/// The text, and beside it what is said of it as it stands.
#[component]
fn Written(text: String) -> impl IntoView {
    let typed = RwSignal::new(text.clone());
    let checked = hold(move || typed.get(), calls::check_runbook);
    let mut later = debounce(PAUSE, move |text: String| typed.set(text));
    view! {
        <div class="editor">
            <div class="writing" on:input=move |event| later(event_target_value(&event))>
                <TextArea name="text" label="Runbook" value=text rows=32 hint="Markdown with ```runbook, ```step and ```message blocks; at most 32 KiB."/>
            </div>
            <section class="checked" aria-label="What is said of it" aria-live="polite">{watched(checked, |check| view! { <Checked check/> })}</section>
        </div>
    }
    .settled()
}

#[component]
fn Checked(check: Check) -> impl IntoView {
    let reading = check.reading.clone();
    view! {
        <h2>"What the linter says"</h2>
        <Verdict check/>
        {reading.map(|reading| view! { <details class="preview"><summary>"Preview"</summary><Whole reading/></details> })}
    }
    .settled()
}
