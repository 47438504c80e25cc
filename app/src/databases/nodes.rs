//! The nodes of a cluster in figures. Every figure has the age of its sample; an old sample is greyed; unknown is “?”.

use super::{
    view::NodeRow,
    wal::{Against, Lag},
};
use crate::ui::settled::IntoSettled;
use crate::ui::{
    state::Badge,
    table::TableFrame,
    time::{Age, Moment},
};
use engine::{id::ClusterId, time::Instant};
use leptos::prelude::*;

#[component]
pub fn Nodes(
    nodes: Vec<NodeRow>,
    cluster: ClusterId,
    /// No operation holds the cluster.
    free: bool,
    now: Instant,
) -> impl IntoView {
    let rows = nodes.into_iter().map(|node| view! { <Row node cluster=cluster.clone() free now/> }).collect_view();
    view! {
        <TableFrame label="Nodes of the cluster">
            <table class="nodes">
                <caption class="visually-hidden">"Nodes with role, timeline, position, lag and age of each sample"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Node"</th>
                        <th scope="col">"Standing"</th>
                        <th scope="col">"Region"</th>
                        <th scope="col" class="number">"Behind"</th>
                        <th scope="col" class="number">"Behind in time"</th>
                        <th scope="col" class="number">"Position"</th>
                        <th scope="col" class="number">"Timeline"</th>
                        <th scope="col" class="number">"Sample age"</th>
                        <th scope="col" class="number">"Connections"</th>
                        <th scope="col">"Version"</th>
                        <th scope="col"><span class="visually-hidden">"What can be done"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}

#[component]
fn Row(node: NodeRow, cluster: ClusterId, free: bool, now: Instant) -> impl IntoView {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    let rejoin = (free && node.can_rejoin).then(|| {
        let href = format!("/databases/{cluster}/plan?kind=rejoin&node={}", node.node);
        view! { <a class="button" href=href>{format!("Rejoin {}", node.node)}</a> }
    });
    let region = if node.region_failed { format!("{} (failed)", node.region) } else { node.region.to_string() };
    view! {
        <tr class:stale=node.stale>
            <th scope="row"><strong>{node.node.to_string()}</strong><span class="quiet">{format!(" declared {}", node.declared)}</span></th>
            <td>
                <Badge tone=node.tone word=node.standing/>
                {node.since.map(|at| view! { <span class="quiet">" since "<Moment at now/></span> })}
                {node.why.map(|why| view! { <p class="why">{why}</p> })}
                {node.takes_over.map(|over| {
                    let why = over.excluded.as_ref().map(|why| format!(": {why}"));
                    view! { <p class="why">{over.in_words()}{why}</p> }
                })}
            </td>
            <td>{region}</td>
            <td class="number figure">{behind(node.lag, Lag::bytes_in_words)}</td>
            <td class="number figure">{behind(node.lag, Lag::time_in_words)}</td>
            <td class="number figure"><code>{or_unknown(node.position)}</code></td>
            <td class="number figure">{or_unknown(node.timeline.map(|timeline| timeline.to_string()))}</td>
            <td class="number">{node.read_at.map_or_else(|| "never read".settled(), |at| view! { <Age since=at now/> }.settled())}</td>
            <td class="number figure">{or_unknown(node.connections.map(|(used, most)| format!("{used} of {most}")))}</td>
            <td class="figure">{or_unknown(node.version)}</td>
            <td>{rejoin}</td>
        </tr>
    }
    .settled()
}

/// A figure of the lag; a dash for the primary, which is behind nobody.
fn behind(lag: Option<Lag>, figure: impl Fn(&Lag) -> String) -> impl IntoView {
    match lag {
        None => view! { <span class="quiet" title="The primary is behind nobody.">"—"</span> }.settled(),
        Some(lag) => {
            let meaning = match lag.against {
                Against::Primary => "Against a fresh reading of the primary",
                Against::LastKnown => "Against the position the primary was last seen at; it may have written more since",
                Against::Nothing => "Not known: there is nothing to compare it with",
            };
            let marked = lag.against == Against::LastKnown && figure(&lag) != "?";
            view! { <span title=meaning>{if marked { format!("≥ {}", figure(&lag)) } else { figure(&lag) }}</span> }.settled()
        }
    }
}
