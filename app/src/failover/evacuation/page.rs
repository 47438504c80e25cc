//! The confirmation page of an evacuation. Like the one of a database it keeps showing one plan, and says when another
//! would be carried out now.

use super::view::{EvacuationPage as Page, MemberRow};
use crate::ui::settled::IntoSettled;
use crate::{
    databases::plan::{
        form::Override,
        page::{Blast, Changed, LossPanel, Obstacles, Targets},
    },
    failover::{
        calls,
        plan::{form::Rules, page::Modes},
        rehearsal::LastRehearsal,
    },
    live::{hold, watch},
    operations::{calls::RequestEvacuation, refused::Refused},
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
pub fn EvacuationPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked =
        Memo::new(move |_| (params.read().get("region").unwrap_or_default(), query.read().get("mode").unwrap_or_else(|| "planned".to_owned())));
    let page = hold(move || asked.get(), |(region, mode)| calls::evacuation(region, mode));
    let present = watch(move || asked.get(), |(region, mode)| calls::evacuation_hash(region, mode));
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
    let (now, region) = (page.now, page.region.clone());
    view! {
        <PageTitle title=page.title.clone()>
            "Everything that takes writes or serves clients in "<strong>{region}</strong>" goes elsewhere. Nothing happens before you ask for it below."
        </PageTitle>
        <div class="plan">
            <div class="plan-main">
                <Obstacles title="This cannot be done now" obstacles=page.hard.clone()/>
                <Obstacles title="People have put this in its way" obstacles=page.passed_over.clone()/>
                <Modes modes=page.modes.clone()/>
                <Waves waves=page.waves.clone()/>
                <Staying members=page.staying.clone()/>
                <Tells tells=page.tells.clone()/>
                <Request page=page.clone() answers changed/>
            </div>
            <div class="plan-side">
                <LossPanel loss=page.loss.clone()/>
                <Blast affected=page.affected.clone() says="These are moved; whoever relies on them may notice:"/>
                <Targets rto=page.rto rpo=page.rpo outage_since=page.outage_since now/>
                <LastRehearsal rehearsal=page.rehearsal.clone() now/>
            </div>
        </div>
    }
    .settled()
}

#[component]
fn Waves(waves: Vec<Vec<MemberRow>>) -> impl IntoView {
    let count = waves.len();
    let wave = |(at, members): (usize, Vec<MemberRow>)| {
        view! { <li><p class="does">{format!("Wave {}", at + 1)}</p><ul>{members.into_iter().map(|member| view! { <Member member/> }).collect_view()}</ul></li> }
    };
    view! {
        <section class="panel" aria-labelledby="waves-title">
            <h2 id="waves-title">{format!("What goes where, in {count} waves")}</h2>
            {if count == 0 {
                view! { <p class="quiet">"Nothing takes writes or serves clients there."</p> }.settled()
            } else {
                view! {
                    <p class="quiet">"What others need comes first. Each member is moved and proven by an operation of its own, at most four at a time."</p>
                    <ol class="planned">{waves.into_iter().enumerate().map(wave).collect_view()}</ol>
                }
                .settled()
            }}
        </section>
    }
    .settled()
}

#[component]
fn Member(member: MemberRow) -> impl IntoView {
    view! { <li><a href=member.href>{member.name}</a>": "{member.says}</li> }
}

#[component]
fn Staying(members: Vec<MemberRow>) -> impl IntoView {
    (!members.is_empty()).then(|| {
        view! {
            <section class="headline act" aria-labelledby="staying-title">
                <h2 id="staying-title">{format!("{} cannot be moved", members.len())}</h2>
                <ul>{members.into_iter().map(|member| view! { <Member member/> }).collect_view()}</ul>
            </section>
        }
    })
}

/// Nothing waits for monitoring, so it stands apart from the waves.
#[component]
fn Tells(tells: Vec<String>) -> impl IntoView {
    (!tells.is_empty()).then(|| {
        view! {
            <section class="panel" aria-labelledby="tells-title">
                <h2 id="tells-title">"What monitoring is told"</h2>
                <ul class="reasons">{tells.into_iter().map(|tells| view! { <li>{tells}</li> }).collect_view()}</ul>
            </section>
        }
    })
}

#[component]
fn Request(page: Page, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let body = if let Some(held) = page.held_by.clone() {
        view! {
            <p>"The region is held by "<a href=format!("/operations/{}", held.id)>{held.title}</a>": "<Badge tone=held.tone word=held.state/>"."</p>
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
    let (form, checks, rules) = (page.form, page.overridable, page.rules);
    let weight = if rules.is_empty() { Weight::Main } else { Weight::Grave };
    let consent = match (checks.is_empty(), rules.is_empty()) {
        (true, true) => None,
        (_, true) => Some(view! { <Override checks/> }.settled()),
        (_, false) => Some(view! { <Rules rules checks/> }.settled()),
    };
    view! {
        <Post path=RequestEvacuation::PATH answers>
            <input type="hidden" name="id" value=form.id.to_string()/>
            <input type="hidden" name="region" value=page.region/>
            <input type="hidden" name="mode" value=form.mode/>
            <input type="hidden" name="plan_hash" value=form.plan_hash/>
            {consent}
            {(!page.loss.zero).then(|| view! {
                <label class="consent">
                    <input type="checkbox" name="accept_loss" value="true" required/>
                    <span><strong>"I accept that data may be lost. "</strong>{page.loss.says}</span>
                </label>
            })}
            <TextArea name="reason" label="Why" hint="At least 3 characters. The second person reads it, and the journal keeps it." rows=3 min_length=3 max_length=1000/>
            <p class="quiet">{form.follows}</p>
            <fieldset class="bare" disabled=move || changed.get()><Submit does=form.does weight/></fieldset>
        </Post>
        <Refused answers path=RequestEvacuation::PATH/>
    }
    .settled()
}
