//! The database clusters on the overview: one panel each, its nodes as rows.

use super::view::{ClusterLine, NodeLine, ProtectionLine};
use crate::ui::settled::IntoSettled as _;
use crate::ui::{
    state::{Badge, Tone},
    table::TableFrame,
    time::Age,
};
use engine::time::{Instant, Span};
use leptos::{either::Either, prelude::*};

#[component]
pub fn Clusters(clusters: Vec<ClusterLine>, now: Instant) -> impl IntoView {
    clusters.into_iter().map(|cluster| view! { <Cluster cluster now/> }).collect_view()
}

#[component]
fn Cluster(cluster: ClusterLine, now: Instant) -> impl IntoView {
    let id = format!("cluster-{}", cluster.cluster);
    let (tone, word, missing) = match cluster.protection {
        ProtectionLine::Protected => (Tone::Ok, "protected", Vec::new()),
        ProtectionLine::Reduced(missing) => (Tone::Act, "reduced protection", missing),
        ProtectionLine::Unprotected(missing) => (Tone::Lost, "UNPROTECTED", missing),
        ProtectionLine::Unknown => (Tone::Unknown, "protection not known", Vec::new()),
    };
    let on = cluster.timeline.map(|timeline| format!(", on timeline {timeline}")).unwrap_or_default();
    let writes = match (&cluster.primary, cluster.writable) {
        (Some(primary), true) => format!("{primary} takes the writes{on}"),
        (Some(primary), false) => format!("No single node takes writes; {primary} was the last known to{on}"),
        (None, _) => "No node was ever seen as primary".to_owned(),
    };
    view! {
        <section class="panel cluster" aria-labelledby=id.clone()>
            <h2 id=id.clone()>
                <a href=format!("/databases/{}", cluster.cluster)>{cluster.cluster.to_string()}</a>" "
                <Badge tone word/>
                {cluster.exposed_since.map(|since| view! { <span class="since">" for "<Age since now/></span> })}
            </h2>
            <p class="says">{writes}{cluster.operation.map(|id| view! { ". "<a href=format!("/operations/{id}")>"An operation is under way"</a> })}"."</p>
            <TableFrame label=format!("Nodes of {}", cluster.cluster)>
                <table>
                    <thead><tr>
                        <th scope="col">"Node"</th><th scope="col">"Region"</th><th scope="col">"Standing"</th><th scope="col" class="number">"Timeline"</th>
                        <th scope="col" class="number">"Lag, bytes"</th><th scope="col" class="number">"Lag, time"</th><th scope="col" class="number">"Sample age"</th>
                    </tr></thead>
                    <tbody>{cluster.nodes.into_iter().map(|node| view! { <Node node now/> }).collect_view()}</tbody>
                </table>
            </TableFrame>
            {(!missing.is_empty()).then(|| view! { <ul class="missing">{missing.into_iter().map(|missing| view! { <li>{missing}</li> }).collect_view()}</ul> })}
        </section>
    }.settled()
}

#[component]
fn Node(node: NodeLine, now: Instant) -> impl IntoView {
    // The node that takes the writes has no lag; any other whose lag is not known says so.
    let leads = matches!(node.standing.as_str(), "primary" | "second primary" | "primary down");
    let absent = if leads { "–" } else { "?" };
    let bytes = node.lag_bytes.map_or(absent.to_owned(), grouped);
    let time = node.lag_millis.map_or(absent.to_owned(), |millis| Span::from_millis(millis).rough());
    view! {
        <tr class:stale=node.stale>
            <th scope="row">{node.node.to_string()}</th>
            <td>{node.region.to_string()}</td>
            <td title=node.why><Badge tone=node.tone word=node.standing/></td>
            <td class="number">{node.timeline.map_or("?".to_owned(), |timeline| timeline.to_string())}</td>
            <td class="number">{bytes}</td>
            <td class="number">{time}</td>
            <td class="number">{match node.sampled_at {
                Some(since) => Either::Left(view! { <Age since now/> }),
                None => Either::Right("never"),
            }}</td>
        </tr>
    }
}

/// “1 234 567”, with narrow spaces that do not break.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
