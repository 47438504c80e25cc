//! See `restore`. It keeps showing one plan, and says when another would be carried out now.

use super::view::RestorePage as Page;
use crate::ui::settled::IntoSettled;
use crate::{
    backups::calls,
    databases::plan::{
        form::Override,
        page::{Changed, Obstacles, Steps},
    },
    live::{hold, watch},
    operations::{calls::RequestRestore, refused::Refused},
    ui::{
        button::{Submit, Weight},
        post::{Answers, Post},
        state::{Badge, Tone},
        text_area::TextArea,
        title::PageTitle,
        trouble::watched,
    },
};
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn RestorePage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = Memo::new(move |_| {
        let (params, query) = (params.read(), query.read());
        let of = |name: &str| query.get(name).unwrap_or_default();
        let policy = params.get("policy").unwrap_or_default();
        calls::WishText { policy, backup: of("backup"), last: of("last"), from: of("from"), before: of("before"), folder: of("folder") }
    });
    let page = hold(move || asked.get(), calls::restore_plan);
    let present = watch(move || asked.get(), calls::restore_plan_hash);
    // Compared in the browser only; without JavaScript the server refuses a plan that has changed.
    let changed = RwSignal::new(false);
    Effect::new(move |_| {
        let shown = page.get().and_then(Result::ok).map(|seen| seen.value.form.plan_hash);
        let now = present.get().and_then(Result::ok).map(|seen| seen.value);
        changed.set(shown.zip(now).is_some_and(|(shown, now)| shown != now));
    });
    let answers = Answers::new();
    view! {
        <Changed changed again=Callback::new(move |()| page.refetch())/>
        {watched(page, move |page| view! { <Whole page answers changed/> })}
    }
    .settled()
}

#[component]
fn Whole(page: Page, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let policy = page.policy.clone();
    let facts = page.facts.iter().map(|(name, value)| view! { <dt>{name.clone()}</dt><dd>{value.clone()}</dd> }).collect_view();
    view! {
        <PageTitle title=page.title.clone()>
            "A backup of "<a href=format!("/backups/{policy}")>{policy.clone()}</a>" comes into a new folder. The source is not touched, and nothing happens before you ask for it below."
        </PageTitle>
        <div class="plan">
            <div class="plan-main">
                <Obstacles title="This cannot be done now" obstacles=page.hard.clone()/>
                <Steps steps=page.steps.clone()/>
                <Request page=page.clone() answers changed/>
            </div>
            <div class="plan-side">
                <section class="panel" aria-labelledby="what-title">
                    <h2 id="what-title">"What is restored"</h2>
                    <p>{page.lacks}</p>
                    <dl class="facts">{facts}</dl>
                </section>
            </div>
        </div>
    }
    .settled()
}

#[component]
fn Request(page: Page, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let body = if let Some(held) = page.held_by.clone() {
        view! {
            <p>"These backups are held by "<a href=format!("/operations/{}", held.id)>{held.title}</a>": "<Badge tone=held.tone word=held.state/>"."</p>
        }
        .settled()
    } else if let Some(why) = page.barred.clone() {
        view! { <p><Badge tone=Tone::Watch word="not for you"/>" "{why}</p> }.settled()
    } else if !page.hard.is_empty() {
        view! { <p>"It cannot be requested now; what stands in the way is listed "<a href="#content" rel="external">"above"</a>"."</p> }.settled()
    } else {
        view! { <Ask page answers changed/> }.settled()
    };
    view! { <section class="panel request" aria-labelledby="request-title"><h2 id="request-title">"Ask for it"</h2>{body}</section> }.settled()
}

#[component]
fn Ask(page: Page, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let (form, checks) = (page.form, page.overridable);
    let wish = form.wish.into_iter().map(|(name, value)| view! { <input type="hidden" name=format!("wish[{name}]") value=value/> }).collect_view();
    view! {
        <Post path=RequestRestore::PATH answers>
            <input type="hidden" name="id" value=form.id.to_string()/>
            {wish}
            <input type="hidden" name="plan_hash" value=form.plan_hash/>
            {(!checks.is_empty()).then(|| view! { <Override checks/> })}
            <TextArea name="reason" label="Why" hint="At least 3 characters. The second person reads it, and the journal keeps it." rows=3 min_length=3 max_length=1000/>
            <p class="quiet">{form.follows}</p>
            <fieldset class="bare" disabled=move || changed.get()><Submit does=form.does weight=Weight::Main/></fieldset>
        </Post>
        <Refused answers path=RequestRestore::PATH/>
    }
    .settled()
}
