//! The PgBouncers that clients come through: whether they wait, and where they are led.

use crate::ui::{
    settled::IntoSettled,
    state::{Badge, Tone},
};
use engine::{
    databases::ClusterView,
    estate::{Cluster, Follows, Pooler},
    picture::Picture,
};
use leptos::prelude::*;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// What one of them says, in words.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct PoolerWord {
    pub tone: Tone,
    pub word: String,
    pub says: String,
}

impl PoolerWord {
    pub fn of(picture: &Picture, cluster: &Cluster, view: &ClusterView, pooler: &Pooler) -> Self {
        let rule = picture.estate.detection_of(cluster);
        let seen = picture.observed.poolers.get(&(cluster.id.clone(), pooler.id.clone()));
        let at = format!("{} at {}", pooler.id, pooler.address);
        let says = match seen.ok_or_else(|| "it was never asked".to_owned()).and_then(|seen| seen.now_says(&rule, picture.now)) {
            Ok(says) => says,
            Err(why) => return Self { tone: Tone::Unknown, word: "unknown".to_owned(), says: format!("{at}: {why}") },
        };
        let leads = match (pooler.follows, &says.leads_to) {
            (Follows::Router, _) => "leads to the router".to_owned(),
            (Follows::Nodes, Some(node)) => format!("leads to {node}"),
            (Follows::Nodes, None) => format!("leads to {}, no node", says.connects_to),
        };
        let strayed = pooler.follows == Follows::Nodes && view.writable().iter().all(|node| Some(&node.node) != says.leads_to.as_ref());
        let (tone, word) = match () {
            () if says.is_stuck(picture.now) => (Tone::Lost, "clients wait"),
            () if says.paused => (Tone::Watch, "clients wait"),
            () if strayed => (Tone::Lost, "leads elsewhere"),
            () => (Tone::Ok, "lets through"),
        };
        let waits = if says.clients_waiting > 0 {
            format!("; {} clients wait, the first for {}", says.clients_waiting, says.longest_wait.rough())
        } else {
            String::new()
        };
        let age = engine::time::Span::between(says.at, picture.now).rough();
        Self { tone, word: word.to_owned(), says: format!("{at} {leads}{waits}; it said so {age} ago") }
    }
}

#[component]
pub fn Poolers(poolers: Vec<PoolerWord>) -> impl IntoView {
    let line = |pooler: PoolerWord| view! { <li><Badge tone=pooler.tone word=pooler.word/>" "{pooler.says}"."</li> };
    (!poolers.is_empty()).then(|| {
        view! {
            <section class="panel" aria-labelledby="poolers-title">
                <h2 id="poolers-title">"PgBouncer"</h2>
                <ul class="poolers">{poolers.into_iter().map(line).collect_view()}</ul>
            </section>
        }
        .settled()
    })
}
