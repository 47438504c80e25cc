//! What is proven, what is overdue, what to test next, and the runs.

use super::{
    calls,
    view::{Best, CellMark, Listing, RunLine, ScenarioLine},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{
        empty::Empty,
        state::Badge,
        table::TableFrame,
        time::{Age, Moment},
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn DrTestsPage() -> impl IntoView {
    let listing = watch(|| (), |()| calls::dr_tests());
    view! {
        <PageTitle title="DR tests">"What was proven against which disaster, and when. Only a computed pass that nobody lowered or overrode is a proof."</PageTitle>
        {watched(listing, |listing| view! { <Whole listing/> })}
    }
    .settled()
}

#[component]
fn Whole(listing: Listing) -> impl IntoView {
    let now = listing.now;
    if listing.scenarios.is_empty() {
        return view! {
            <Empty what="No scenario is declared: nothing is proven by test.">
                "Add a "<code>"[[scenario]]"</code>" with its steps to the estate file, and start the server again."
            </Empty>
        }
        .settled();
    }
    view! {
        {listing.best.map(|best| view! { <Next best/> })}
        <section aria-labelledby="scenarios-title">
            <h2 id="scenarios-title">"Scenarios"</h2>
            <Scenarios lines=listing.scenarios now/>
        </section>
        <section aria-labelledby="map-title">
            <h2 id="map-title">"Coverage "<span class="quiet">"services against disasters"</span></h2>
            <Map disasters=listing.disasters rows=listing.map now/>
        </section>
        <section aria-labelledby="runs-title">
            <h2 id="runs-title">"Runs"</h2>
            <Runs lines=listing.runs now/>
        </section>
    }
    .settled()
}

#[component]
fn Next(best: Best) -> impl IntoView {
    let href = format!("/dr-tests/{}", best.id);
    view! {
        <section class="panel next-best" aria-label="Next best test">
            <p>"Next best test: "<a href=href><strong>{best.name}</strong></a>". "<span class="quiet">{best.says}"."</span></p>
        </section>
    }
    .settled()
}

#[component]
fn Scenarios(lines: Vec<ScenarioLine>, now: Instant) -> impl IntoView {
    let row = move |line: ScenarioLine| {
        let href = format!("/dr-tests/{}", line.id);
        view! {
            <tr>
                <th scope="row"><a href=href>{line.name}</a><span class="quiet">{line.kind}</span></th>
                <td><Badge tone=line.tone word=line.word/></td>
                <td>{line.last.map(|at| view! { <Age since=at now/>" ago" })}</td>
                <td>{line.due.map(|at| view! { <Moment at now/> })}</td>
                <td>{line.risk}</td>
                <td class="number">{line.takes.rough()}</td>
                <td>{line.counts}</td>
                <td class="number">{line.times}</td>
            </tr>
        }
        .settled()
    };
    view! {
        <TableFrame label="Scenarios">
            <table class="scenarios">
                <caption class="visually-hidden">"Scenarios, as they are declared"</caption>
                <thead><tr>
                    <th scope="col">"Scenario"</th><th scope="col">"Cadence"</th><th scope="col">"Last completed"</th><th scope="col">"Due"</th>
                    <th scope="col">"Risk"</th><th scope="col" class="number">"Takes"</th><th scope="col">"Runs"</th>
                    <th scope="col" class="number">"RTO p50 · p90 · worst"</th>
                </tr></thead>
                <tbody>{lines.into_iter().map(row).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}

#[component]
fn Map(disasters: Vec<String>, rows: Vec<(String, Vec<Option<CellMark>>)>, now: Instant) -> impl IntoView {
    let cell = move |mark: Option<CellMark>| match mark {
        None => view! { <td class="quiet">"no scenario"</td> }.settled(),
        Some(mark) => {
            let age = mark.at.map(|at| view! { <span class="quiet"><Age since=at now/>" ago"</span> });
            let badge = view! { <Badge tone=mark.tone word=mark.word/> };
            match mark.href {
                Some(href) => view! { <td><a href=href>{badge}</a>{age}</td> }.settled(),
                None => view! { <td>{badge}{age}</td> }.settled(),
            }
        }
    };
    view! {
        <TableFrame label="Coverage">
            <table class="coverage">
                <caption class="visually-hidden">"Which service was proven to survive which disaster"</caption>
                <thead><tr><th scope="col">"Service"</th>{disasters.into_iter().map(|name| view! { <th scope="col">{name}</th> }).collect_view()}</tr></thead>
                <tbody>
                    {rows.into_iter().map(|(service, marks)| view! { <tr><th scope="row">{service}</th>{marks.into_iter().map(cell).collect_view()}</tr> }).collect_view()}
                </tbody>
            </table>
        </TableFrame>
    }
    .settled()
}

/// Runs, newest first.
#[component]
pub fn Runs(lines: Vec<RunLine>, now: Instant) -> impl IntoView {
    if lines.is_empty() {
        return view! { <Empty what="No run yet.">"Open a scenario and start one."</Empty> }.settled();
    }
    let row = move |line: RunLine| {
        let href = format!("/dr-tests/runs/{}", line.id);
        view! {
            <tr>
                <th scope="row"><a href=href>{line.name}</a><span class="quiet"><code>{line.id.short()}</code></span></th>
                <td><Badge tone=line.tone word=line.word/></td>
                <td><Moment at=line.at now/></td>
                <td>{line.lead}</td>
                <td class="number">{line.recovery}</td>
            </tr>
        }
        .settled()
    };
    view! {
        <TableFrame label="Runs">
            <table class="runs">
                <caption class="visually-hidden">"Runs, newest first"</caption>
                <thead><tr>
                    <th scope="col">"Run"</th><th scope="col">"Standing"</th><th scope="col">"Requested"</th><th scope="col">"Lead"</th>
                    <th scope="col" class="number">"Recovery time"</th>
                </tr></thead>
                <tbody>{lines.into_iter().map(row).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}
