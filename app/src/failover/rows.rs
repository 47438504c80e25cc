//! The table of everything that can be moved. On a phone each row is a card of its own.

use super::view::{Board, Row};
use crate::ui::settled::IntoSettled;
use crate::{
    databases::standing::Shield,
    ui::{icon::Icon, spark::Spark, state::Badge, table::TableFrame, time::Age},
};
use engine::time::Instant;
use leptos::prelude::*;

/// What moves clients is a simulator.
#[component]
pub fn Simulated() -> impl IntoView {
    view! { <span class="simulated">"SIMULATED"</span> }.settled()
}

/// Whether clients are there, as a picture.
pub fn region_glyph(on: bool) -> &'static str {
    if on { "clients" } else { "pending" }
}

#[component]
pub fn Rows(board: Board) -> impl IntoView {
    let now = board.now;
    let columns = board.regions.clone();
    let heads = board.regions.into_iter().map(|region| view! { <th scope="col">{region}</th> }).collect_view();
    view! {
        <TableFrame label="Services and databases">
            <table class="movable">
                <caption class="visually-hidden">"Services and databases with where they are served from, worst first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Service"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Clients"</th>
                        {heads}
                        <th scope="col">"Protection"</th>
                        <th scope="col">"Lifeboat"</th>
                        <th scope="col"><span class="visually-hidden">"To do"</span></th>
                    </tr>
                </thead>
                <tbody>{board.rows.into_iter().map(|row| view! { <Line row columns=columns.clone() now/> }).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}

#[component]
fn Line(row: Row, columns: Vec<String>, now: Instant) -> impl IntoView {
    let mut recent = row.recent.into_iter();
    let cells = columns
        .into_iter()
        .zip(row.health)
        .map(|(region, health)| view! { <Cell region health recent=recent.next().unwrap_or_default()/> })
        .collect_view();
    view! {
        <tr>
            <th scope="row">
                <a href=row.href>{row.name}</a>{row.simulated.then(|| view! { " "<Simulated/> })}
                <span class="quiet">{row.note}</span>
            </th>
            <td data-label="State"><Stands stands=row.state now/></td>
            <td data-label="Clients" class="at">
                {row.at.unwrap_or_else(|| "not known".to_owned())}
                {row.seen_at.map(|at| view! { <span class="quiet">"observed "<Age since=at now/>" ago"</span> })}
            </td>
            {cells}
            <td data-label="Protection"><Stands stands=row.protection now/></td>
            <td data-label="Lifeboat" class="lifeboat"><Stands stands=row.automation now/></td>
            <td class="do">{row.offer.map(|offer| view! { <a class=if offer.urgent { "button main" } else { "button" } href=offer.href>{offer.does}</a> })}</td>
        </tr>
    }
    .settled()
}

/// The word, since when, and the first reason; all of them where one points at it.
#[component]
fn Stands(stands: Shield, now: Instant) -> impl IntoView {
    let all = stands.reasons.join("; ");
    let title = (!all.is_empty()).then(|| all.clone());
    let more = stands.reasons.len().saturating_sub(1);
    let first = stands.reasons.into_iter().next().map(|first| if more > 0 { format!("{first} (and {more} more)") } else { first });
    view! {
        <div class="stands" title=title>
            <Badge tone=stands.tone word=stands.word/>
            {stands.since.map(|since| view! { " "<Age since now/> })}
            {first.map(|first| view! { <span class="quiet">{first}</span> })}
        </div>
    }
    .settled()
}

#[component]
fn Cell(region: String, health: Option<(bool, Shield)>, recent: String) -> impl IntoView {
    match health {
        None => view! { <td data-label=region class="absent">"–"</td> }.settled(),
        Some((on, health)) => view! {
            <td data-label=region class="region" class:on=on title=health.reasons.join("; ")>
                <Badge tone=health.tone word=health.word/>
                {on.then(|| view! { <span class="here"><Icon name="clients"/>"here"</span> })}
                <Spark marks=recent/>
            </td>
        }
        .settled(),
    }
}
