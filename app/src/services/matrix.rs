//! The tier matrix as a table, with its sorting headers and its pages.

use super::{
    query::{Query, Sort},
    view::{Dependency, Matrix, Row},
};
use crate::ui::settled::IntoSettled as _;
use crate::ui::{
    empty::Empty,
    state::{Badge, Tone},
    table::{SortHeader, Sorted, TableFrame},
};
use engine::health::Health;
use leptos::{either::Either, prelude::*};

#[component]
pub fn MatrixTable(matrix: Matrix, query: Query, chosen: Option<String>) -> impl IntoView {
    if matrix.rows.is_empty() {
        return if matrix.total == 0 {
            view! {
                <Empty what="No service is declared.">
                    <p>"Add a "<code>"[[service]]"</code>" with its tier and objectives to the estate file; the server reads it when it starts."</p>
                </Empty>
            }
            .settled()
        } else {
            view! { <Empty what="No service matches."><p><a href="/services">{format!("Show all {}", matrix.total)}</a></p></Empty> }.settled()
        };
    }
    let url = query.to_url();
    let pages = (matrix.pages > 1).then(|| view! { <Pages query=query.clone() page=matrix.page pages=matrix.pages/> });
    let caption = if matrix.matching == matrix.total {
        format!("{} services by tier, objectives and health", matrix.total)
    } else {
        format!("{} of {} services", matrix.matching, matrix.total)
    };
    let regions = matrix.regions.iter().map(|region| view! { <th scope="col" class="health">{region.to_string()}</th> }).collect_view();
    view! {
        <TableFrame label="Services">
            <table class="matrix">
                <caption>{caption}</caption>
                <thead><tr>
                    <Header query=query.clone() sort=Sort::Name name="Service" class=""/>
                    <Header query=query.clone() sort=Sort::Tier name="Tier" class="number"/>
                    <Header query=query.clone() sort=Sort::Rto name="RTO" class="number"/>
                    <Header query=query.clone() sort=Sort::Rpo name="RPO" class="number"/>
                    <Header query=query.clone() sort=Sort::Mtpd name="MTPD" class="number"/>
                    {regions}
                    <Header query=query.clone() sort=Sort::Findings name="Findings" class="number"/>
                    <th scope="col">"Depends on"</th>
                    <th scope="col">"Data"</th>
                    <th scope="col">"Compliance"</th>
                </tr></thead>
                <tbody>{matrix.rows.into_iter().map(|row| {
                    let is_chosen = chosen.as_deref() == Some(row.id.as_str());
                    view! { <Line row is_chosen url=url.clone()/> }
                }).collect_view()}</tbody>
            </table>
        </TableFrame>
        {pages}
    }
    .settled()
}

#[component]
fn Header(query: Query, sort: Sort, name: &'static str, class: &'static str) -> impl IntoView {
    let sorted = match (query.sort == sort, query.down) {
        (false, _) => Sorted::No,
        (true, false) => Sorted::Up,
        (true, true) => Sorted::Down,
    };
    view! { <SortHeader name href=format!("/services{}", query.sorted_by(sort).to_url()) sorted class/> }
}

#[component]
fn Line(row: Row, is_chosen: bool, url: String) -> impl IntoView {
    let health = |health: Option<Health>| {
        view! { <td>{match health {
            Some(health) => Either::Left(view! { <Badge tone=health.into() word=health.to_string()/> }),
            None => Either::Right("–"),
        }}</td> }
    };
    let finding_tone = if row.worst == Tone::Ok { Tone::Watch } else { row.worst };
    view! {
        <tr aria-current=is_chosen.then_some("true")>
            <th scope="row"><a href=format!("/services/{}{url}", row.id)>{row.id.to_string()}</a></th>
            <td class="number">{row.tier}</td>
            <td class="number">{row.rto}</td>
            <td class="number">{row.rpo}</td>
            <td class="number">{row.mtpd}</td>
            {row.health.into_iter().map(health).collect_view()}
            <td class="number">{if row.findings == 0 { Either::Left("0") } else { Either::Right(view! { <Badge tone=finding_tone word=row.findings.to_string()/> }) }}</td>
            <td class="needs">{needs(row.depends_on)}</td>
            <td>{row.data_class}</td>
            <td>{row.compliance.join(", ")}</td>
        </tr>
    }
}

/// Names apart by commas; those no service defines are marked, because their loss is nobody's plan.
fn needs(dependencies: Vec<Dependency>) -> impl IntoView {
    let last = dependencies.len().saturating_sub(1);
    let name = move |(at, dependency): (usize, Dependency)| {
        let comma = if at < last { ", " } else { "" };
        let text = dependency.id.to_string();
        if dependency.defined {
            Either::Left(format!("{text}{comma}"))
        } else {
            Either::Right(view! { <span class="undefined" title="no service defines it">{text}" (undefined)"</span>{comma} })
        }
    };
    dependencies.into_iter().enumerate().map(name).collect_view()
}

#[component]
fn Pages(query: Query, page: usize, pages: usize) -> impl IntoView {
    let link = |to: usize, name: &'static str| {
        let there = (1..=pages).contains(&to);
        if there {
            Either::Left(view! { <a class="button" href=format!("/services{}", query.on_page(to).to_url())>{name}</a> })
        } else {
            Either::Right(view! { <span class="button off">{name}</span> })
        }
    };
    view! {
        <nav class="pages" aria-label="Pages">
            {link(page - 1, "Previous 100")}
            <span>{format!("page {page} of {pages}")}</span>
            {link(page + 1, "Next 100")}
        </nav>
    }
    .settled()
}
