//! One cluster: how it is, the live topology, its nodes in figures, what can be done now, and what was done before.

use super::{
    calls,
    details::Details,
    drawing::Drawing,
    nodes::Nodes,
    patroni::Patroni,
    poolers::Poolers,
    standing::{Headline, Route, Shield},
    view::{ClusterPage, LastMove, Offer},
};
use crate::ui::settled::IntoSettled;
use crate::{
    failover::Switches,
    live::watch,
    operations::{OperationRows, StateBadge},
    ui::{
        empty::Empty,
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
use leptos_router::hooks::use_params_map;

#[component]
pub fn DatabasePage() -> impl IntoView {
    let params = use_params_map();
    let page = watch(move || params.read().get("cluster").unwrap_or_default(), calls::cluster);
    let answers = Answers::new();
    watched(page, move |page| view! { <Cluster page answers/> })
}

#[component]
fn Cluster(page: ClusterPage, answers: Answers) -> impl IntoView {
    let now = page.now;
    let back = format!("/databases/{}", page.id);
    let strategy = page.strategy.as_ref().map(|strategy| format!(" · {strategy}")).unwrap_or_default();
    let purpose = format!("Database “{}” of {}{strategy}", page.database, page.service);
    view! {
        <PageTitle title=page.id.to_string()>
            {purpose}
        </PageTitle>
        <Headlined headline=page.headline.clone() now/>
        <div class="cluster-top">
            <div class="plan-main">
                <section aria-labelledby="topology-title" class="panel">
                    <h2 id="topology-title">"Topology"</h2>
                    <Drawing page=page.clone()/>
                </section>
                <div class="standings">
                    <Protection shield=page.protection.clone() now/>
                    <Moved last=page.last_move.clone() now/>
                    <Routing route=page.route.clone() now/>
                    <Poolers poolers=page.poolers.clone()/>
                </div>
                {page.patroni.clone().map(|told| view! { <Patroni told now/> })}
            </div>
            <div class="cluster-side">
                {page.active.clone().map(|active| view! {
                    <section class="panel" aria-labelledby="current-title">
                        <h2 id="current-title">"Operation now"</h2>
                        <p><a href=format!("/operations/{}", active.id)>{active.title.clone()}</a></p>
                        <p><StateBadge line=active.clone()/>{format!(" {} of {} steps", active.steps_over, active.steps)}</p>
                        <p class="quiet">"It holds the cluster: nothing else can be requested until it ends."</p>
                    </section>
                })}
                <Offers offers=page.offers.clone()/>
            </div>
        </div>
        <section aria-labelledby="nodes-title">
            <h2 id="nodes-title">"Nodes"</h2>
            <Nodes nodes=page.nodes.clone() cluster=page.id.clone() free=page.active.is_none() now/>
        </section>
        <section aria-labelledby="details-title">
            <h2 id="details-title">"Slots, archive and disks"</h2>
            <Details rows=page.details complaints=page.complaints now/>
        </section>
        <Switches answers switches=page.switches back now/>
        <section aria-labelledby="past-title">
            <h2 id="past-title">"Operations before"</h2>
            {if page.past.is_empty() {
                view! { <Empty what="No operation on this cluster has ended yet.">"A planned switchover in quiet times shows that a failover would work."</Empty> }.settled()
            } else {
                view! { <OperationRows lines=page.past caption="Ended operations on this cluster, newest first" now/> }.settled()
            }}
        </section>
    }
    .settled()
}

/// How it is, in one sentence; with the witnesses where it is not well.
#[component]
pub fn Headlined(headline: Headline, now: Instant) -> impl IntoView {
    let urgent = headline.tone != Tone::Ok;
    view! {
        <section class=format!("headline {}", headline.tone.name()) role=urgent.then_some("alert") aria-label="State of the writes">
            <p class="says">
                <Badge tone=headline.tone word=headline.word/>" "<strong>{headline.says}"."</strong>
                {headline.since.map(|at| view! { " "<Since at now/> })}
            </p>
            {(!headline.seen.is_empty()).then(|| view! {
                <div class="seen"><h2>"What was seen"</h2><ul>{headline.seen.into_iter().map(|seen| view! { <li>{seen}</li> }).collect_view()}</ul></div>
            })}
        </section>
    }
    .settled()
}

#[component]
pub fn Offers(offers: Vec<Offer>) -> impl IntoView {
    (!offers.is_empty()).then(|| {
        let offer = |offer: Offer| {
            let class = if offer.urgent { "button main" } else { "button" };
            view! { <li><a class=class href=offer.href>{offer.does}</a><p class="quiet">{offer.because}</p></li> }
        };
        view! {
            <section class="panel offers" aria-labelledby="offers-title">
                <h2 id="offers-title">"What can be done"</h2>
                <ul>{offers.into_iter().map(offer).collect_view()}</ul>
            </section>
        }
    })
}

#[component]
pub fn Protection(shield: Shield, now: Instant) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="protection-title">
            <h2 id="protection-title">"Protection"</h2>
            <p><Badge tone=shield.tone word=shield.word/>{shield.since.map(|at| view! { " "<Since at now/> })}</p>
            {if shield.reasons.is_empty() {
                view! { <p class="quiet">"One writable node, and every other one streams from it."</p> }.settled()
            } else {
                view! { <ul class="reasons">{shield.reasons.into_iter().map(|reason| view! { <li>{reason}</li> }).collect_view()}</ul> }.settled()
            }}
        </section>
    }
    .settled()
}

/// What is known of moves here, with its age: a move that was never made is not known to work.
#[component]
fn Moved(last: Option<LastMove>, now: Instant) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="moved-title">
            <h2 id="moved-title">"Last proven move"</h2>
            {match last {
                Some(last) => view! { <p><a href=last.href>{last.says}</a>", "<Age since=last.at now/>" ago."</p> }.settled(),
                None => view! {
                    <p><Badge tone=Tone::Unknown word="never moved"/></p>
                    <p class="quiet">"Whether a move would work here, and how long writes would wait, is not known before one was made."</p>
                }.settled(),
            }}
        </section>
    }
    .settled()
}

#[component]
pub fn Routing(route: Route, now: Instant) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="route-title">
            <h2 id="route-title">"Clients"</h2>
            <p><Badge tone=route.tone word=route.word/>" "{route.says}"."</p>
            <p class="quiet">
                {route.address.map(|address| view! { "They connect to "<code>{address}</code>". " })}
                {route.asked_at.map(|at| view! { "The router was asked "<Age since=at now/>" ago." })}
            </p>
        </section>
    }
    .settled()
}
