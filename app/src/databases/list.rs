//! All clusters: which node takes the writes, and whether the loss of it could be survived.

use super::{calls, view::ClusterLine};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{empty::Empty, since::Since, state::Badge, table::TableFrame, title::PageTitle, trouble::watched},
};
use engine::time::Instant;
use leptos::prelude::*;

#[component]
pub fn DatabasesPage() -> impl IntoView {
    let directory = watch(|| (), |()| calls::databases());
    view! {
        <PageTitle title="Databases"/>
        {watched(directory, |directory| {
            let now = directory.now;
            if directory.clusters.is_empty() {
                view! {
                    <Empty what="No database cluster is declared.">
                        "Add a "<code>"[[cluster]]"</code>" with its nodes to the estate file and restart the server."
                    </Empty>
                }.settled()
            } else {
                view! {
                    <TableFrame label="Database clusters">
                        <table>
                            <caption class="visually-hidden">"Database clusters with their primary and protection"</caption>
                            <thead>
                                <tr>
                                    <th scope="col">"Cluster"</th>
                                    <th scope="col">"Writes"</th>
                                    <th scope="col">"Protection"</th>
                                    <th scope="col" class="number">"Nodes well"</th>
                                    <th scope="col" class="number">"Timeline"</th>
                                    <th scope="col">"Operation"</th>
                                </tr>
                            </thead>
                            <tbody>{directory.clusters.into_iter().map(|line| view! { <Row line now/> }).collect_view()}</tbody>
                        </table>
                    </TableFrame>
                }.settled()
            }
        })}
    }
    .settled()
}

#[component]
fn Row(line: ClusterLine, now: Instant) -> impl IntoView {
    let href = format!("/databases/{}", line.id);
    view! {
        <tr>
            <th scope="row"><a href=href>{line.id.to_string()}</a></th>
            <td><Badge tone=line.headline.tone word=line.headline.word/>" "{line.headline.says}</td>
            <td>
                <Badge tone=line.protection.tone word=line.protection.word/>
                {line.protection.since.map(|at| view! { " "<Since at now/> })}
            </td>
            <td class="number">{format!("{} of {}", line.well, line.nodes)}</td>
            <td class="number">{line.timeline.map_or_else(|| "?".to_owned(), |timeline| timeline.to_string())}</td>
            <td>
                {line.active.map(|active| view! {
                    <a href=format!("/operations/{}", active.id)>{active.title}</a>" "<Badge tone=active.tone word=active.state/>
                })}
            </td>
        </tr>
    }
    .settled()
}
