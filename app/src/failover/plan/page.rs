//! The confirmation page of a move. Like the one of a database it keeps showing one plan, and says when another would be
//! carried out now.

use super::{
    form::MoveForm,
    view::{ModeChoice, MovePage as Page, Sends},
};
use crate::ui::settled::IntoSettled;
use crate::{
    databases::{
        page::Headlined,
        plan::page::{Blast, Changed, LossPanel, Obstacles, Steps, Targets},
    },
    failover::{
        calls,
        rehearsal::LastRehearsal,
        rows::{Simulated, region_glyph},
        view::RegionRow,
    },
    live::{hold, watch},
    ui::{
        icon::Icon,
        post::Answers,
        since::Since,
        state::{Badge, Tone},
        time::Age,
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::Instant;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn MovePage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = Memo::new(move |_| {
        let (params, query) = (params.read(), query.read());
        (params.get("service").unwrap_or_default(), query.get("mode").unwrap_or_else(|| "planned".to_owned()), query.get("to"))
    });
    let page = hold(move || asked.get(), |(service, mode, to)| calls::move_plan(service, mode, to));
    let present = watch(move || asked.get(), |(service, mode, to)| calls::move_plan_hash(service, mode, to));
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
    let now = page.now;
    let service = page.service.clone();
    view! {
        <PageTitle title=page.title.clone()>
            {page.simulated.then(|| view! { <Simulated/>" " })}
            "Clients of "<a href=format!("/failover/{service}")>{service.clone()}</a>". Nothing happens before you ask for it below."
        </PageTitle>
        <Headlined headline=page.headline.clone() now/>
        <div class="plan">
            <div class="plan-main">
                <Obstacles title="This cannot be done now" obstacles=page.hard.clone()/>
                <Obstacles title="Lifeboat itself would wait" obstacles=page.passed_over.clone()/>
                {(!page.rules.is_empty()).then(|| {
                    let rules = page.rules.iter().map(|rule| view! { <li><strong>{rule.what.clone()}"."</strong></li> }).collect_view();
                    view! {
                        <section class="headline lost" role="alert" aria-label="Safety rules this would break">
                            <h2><Icon name="lost"/>"This would break safety rules"</h2>
                            <ul>{rules}</ul>
                            <p>"Breaking these rules takes an approver, and the record says so."</p>
                        </section>
                    }
                })}
                <Modes modes=page.modes.clone()/>
                <section class="panel" aria-labelledby="regions-title">
                    <h2 id="regions-title">"Regions"</h2>
                    <ul class="choices">{page.regions.clone().into_iter().map(|row| view! { <Region row now/> }).collect_view()}</ul>
                </section>
                <Steps steps=page.steps.clone()/>
                <Request page=page.clone() answers changed/>
            </div>
            <div class="plan-side">
                <Blast affected=page.affected.clone() says="These rely on it, directly or not; their clients may notice the move:"/>
                {page.sends.clone().map(|sends| view! { <Sending sends/> })}
                <Targets rto=page.rto rpo=page.rpo outage_since=page.outage_since now/>
                <LossPanel loss=page.loss.clone()/>
                <LastRehearsal rehearsal=page.rehearsal.clone() now/>
            </div>
        </div>
    }
    .settled()
}

#[component]
pub fn Modes(modes: Vec<ModeChoice>) -> impl IntoView {
    let choice = |mode: ModeChoice| {
        view! {
            <li><a href=mode.href aria-current=mode.chosen.then_some("true")><strong>{mode.name}</strong><span>{mode.means}</span></a></li>
        }
    };
    view! { <nav class="modes" aria-label="How errors are treated"><ul>{modes.into_iter().map(choice).collect_view()}</ul></nav> }.settled()
}

/// One region with what speaks against it, and the way to the plan that differs in it.
#[component]
fn Region(row: RegionRow, now: Instant) -> impl IntoView {
    let word = match (row.on, row.chosen) {
        (true, true) => "clients stay",
        (true, false) => "clients leave",
        (false, true) => "clients come here",
        (false, false) => "no clients",
    };
    let excluded = !row.against.is_empty();
    view! {
        <li class="choice" class:chosen=row.chosen class:excluded=excluded>
            <Icon name=region_glyph(row.chosen)/>
            <div>
                <p><strong>{row.region}</strong>{row.home.then_some(" (home)")}" · "<strong>{word}</strong>" · "<Badge tone=row.health.tone word=row.health.word/>
                    {row.health.since.map(|at| view! { " "<Since at now/> })}</p>
                <p class="quiet">{row.health.reasons.join("; ")}{row.sampled_at.map(|at| view! { ", sampled "<Age since=at now/>" ago" })}</p>
                {excluded.then(|| view! { <ul class="reasons">{row.against.into_iter().map(|against| view! { <li>{against}</li> }).collect_view()}</ul> })}
                {row.other.map(|(href, does)| view! { <a href=href>{does}</a> })}
            </div>
        </li>
    }
    .settled()
}

/// What would do the sending, and what can be expected of it.
#[component]
fn Sending(sends: Sends) -> impl IntoView {
    let flags = sends.abilities.into_iter().map(|ability| view! { <li>{ability}</li> }).collect_view();
    view! {
        <section class="panel" aria-labelledby="sending-title">
            <h2 id="sending-title">"What sends its clients"</h2>
            <p>{sends.by}</p>
            <ul class="reasons">{flags}</ul>
        </section>
    }
    .settled()
}

#[component]
fn Request(page: Page, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let body = if let Some(held) = page.held_by.clone() {
        view! {
            <p>"The service is held by "<a href=format!("/operations/{}", held.id)>{held.title}</a>", requested by "{held.requested_by.to_string()}": "
                <Badge tone=held.tone word=held.state/>". Nothing else can be requested until it ends."</p>
        }
        .settled()
    } else if let Some(why) = page.barred.clone() {
        view! { <p><Badge tone=Tone::Watch word="not for you"/>" "{why}</p> }.settled()
    } else if !page.hard.is_empty() {
        view! { <p>"It cannot be requested now; what stands in the way is listed "<a href="#content" rel="external">"above"</a>"."</p> }.settled()
    } else {
        view! { <MoveForm page answers changed/> }.settled()
    };
    view! { <section class="panel request" aria-labelledby="request-title"><h2 id="request-title">"Ask for it"</h2>{body}</section> }.settled()
}
