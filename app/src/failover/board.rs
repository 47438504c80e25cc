//! The board: the next thing to do, what waits for a second person, what runs, the map, and everything that can be moved.

use super::{
    calls,
    inbox::Inbox,
    map::Map,
    observers::Observers,
    rows::{Rows, Simulated},
    switches::Switches,
    view::{Board, Run},
};
use crate::ui::settled::IntoSettled;
use crate::{
    databases::view::Offer,
    live::watch,
    operations::{BurnDown, StateBadge},
    overview::view::Need,
    ui::{empty::Empty, icon::Icon, post::Answers, state::Tone, time::Age, title::PageTitle, trouble::watched},
};
use engine::time::Instant;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

#[component]
pub fn FailoverPage() -> impl IntoView {
    let query = use_query_map();
    let page = Memo::new(move |_| query.read().get("page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1));
    let board = watch(move || page.get(), calls::failover_board);
    let answers = Answers::new();
    view! { <PageTitle title="Failover"/> {watched(board, move |board| view! { <Whole board answers/> })} }.settled()
}

#[component]
fn Whole(board: Board, answers: Answers) -> impl IntoView {
    let now = board.now;
    let waits = view! { <Inbox waiting=board.inbox answers now/> };
    let runs = (!board.running.is_empty()).then(|| {
        let item = move |run: Run| view! { <Running run now/> };
        view! {
            <section aria-labelledby="running-title">
                <h2 id="running-title">"Runs now"</h2>
                <ul class="runs">{board.running.into_iter().map(item).collect_view()}</ul>
            </section>
        }
    });
    let shown = Board { inbox: Vec::new(), running: Vec::new(), map: Vec::new(), switches: Vec::new(), observers: Vec::new(), ..board };
    let (page, pages, without) = (shown.page, shown.pages, shown.without);
    let empty = shown.rows.is_empty();
    view! {
        <Next need=shown.next.clone() behind=shown.behind now/>
        {waits}
        {runs}
        {(!board.map.is_empty()).then(|| {
            let offers = board.map.iter().map(|place| place.evacuate.clone()).collect();
            view! { <section aria-labelledby="map-title"><h2 id="map-title">"Regions"</h2><Map places=board.map/><Evacuations offers/></section> }
        })}
        <section aria-labelledby="movable-title">
            <h2 id="movable-title">"What can be moved"</h2>
            {if empty {
                view! {
                    <Empty what="Nothing that can be moved is declared.">
                        "Add a "<code>"[service.traffic]"</code>" to a service of the estate: where its clients come in, and what sends them to regions. Add a "
                        <code>"[[cluster]]"</code>" for a database."
                    </Empty>
                }.settled()
            } else {
                view! { <Rows board=shown/> }.settled()
            }}
            {(pages > 1).then(|| view! { <Pages page pages/> })}
            {(without > 0 && !empty).then(|| view! {
                <p class="quiet">{if without == 1 {
                    "1 service declares nothing that sends its clients, so Lifeboat cannot move them: ".to_owned()
                } else {
                    format!("{without} services declare nothing that sends their clients, so Lifeboat cannot move them: ")
                }}<a href="/services">"all services"</a>"."</p>
            })}
        </section>
        <Observers lines=board.observers now/>
        <Switches answers switches=board.switches back="/failover".to_owned() now/>
        <p class="more"><a href="/failover/decisions">"Why did something happen, or not happen? Read the decisions"</a></p>
    }
    .settled()
}

/// The ways to empty a region.
#[component]
fn Evacuations(offers: Vec<Offer>) -> impl IntoView {
    let link = |offer: Offer| view! { <li><a class=offer.urgent.then_some("button main") href=offer.href>{offer.does}</a></li> };
    view! { <ul class="evacuations">{offers.into_iter().map(link).collect_view()}</ul> }.settled()
}

/// One sentence. Everything else on the page is below it.
#[component]
fn Next(need: Need, behind: usize, now: Instant) -> impl IntoView {
    let urgent = need.tone >= Tone::Act;
    let others = match behind {
        0 => None,
        1 => Some("One other thing waits behind it.".to_owned()),
        many => Some(format!("{many} other things wait behind it.")),
    };
    let button = if urgent { "button main" } else { "button" };
    view! {
        <section class=format!("headline next {}", need.tone.name()) role=if urgent { "alert" } else { "status" } aria-label="The next thing to do">
            <p class="says"><Icon name=need.tone.name()/><strong>{need.what}</strong></p>
            <p>{need.remedy}{need.since.map(|since| view! { " "<span class="since">"For "<Age since now/>"."</span> })}{others.map(|others| view! { " "<a href="/">{others}</a> })}</p>
            {(!need.href.is_empty()).then(|| view! { <a class=button href=need.href>{need.link}</a> })}
        </section>
    }
    .settled()
}

#[component]
fn Running(run: Run, now: Instant) -> impl IntoView {
    let line = run.line;
    let steps = format!("{} of {} steps", line.steps_over, line.steps);
    view! {
        <li class="run">
            <div class="panel">
                <p class="named"><a href=format!("/operations/{}", line.id)>{line.title.clone()}</a>{line.simulated.then(|| view! { " "<Simulated/> })}</p>
                <p><StateBadge line=line.clone()/>" "{steps}</p>
                {run.does.map(|does| view! { <p class="quiet">{does}</p> })}
            </div>
            {run.clock.map(|clock| view! { <BurnDown clock now/> })}
        </li>
    }
    .settled()
}

#[component]
fn Pages(page: usize, pages: usize) -> impl IntoView {
    let link = |to: usize, name: &'static str| view! { <a class="button" href=format!("/failover?page={to}")>{name}</a> };
    view! {
        <nav class="pages" aria-label="Pages">
            {(page > 1).then(|| link(page - 1, "Worse ones"))}
            <span>{format!("page {page} of {pages}")}</span>
            {(page < pages).then(|| link(page + 1, "Better ones"))}
        </nav>
    }
    .settled()
}
