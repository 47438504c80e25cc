//! What Patroni says of a cluster that it runs, beside what PostgreSQL says: who leads, who follows, and whether the two agree.

use crate::ui::{
    settled::IntoSettled,
    state::{Badge, Tone},
    time::{Age, clock},
};
use engine::{
    databases::ClusterView,
    estate::{Cluster, Manager},
    patroni::{Member, disagreement, undeclared},
    picture::Picture,
    time::Instant,
};
use leptos::prelude::*;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// Patroni's word, with its age.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct PatroniWord {
    pub tone: Tone,
    pub word: String,
    pub says: String,
    /// Its members, one a line.
    pub members: Vec<String>,
    /// When it said that; of what it said last, where it is silent now.
    pub said_at: Option<Instant>,
}

impl PatroniWord {
    /// `None` where Patroni has nothing to do with the cluster, as far as anybody knows.
    pub fn of(picture: &Picture, cluster: &Cluster, view: &ClusterView) -> Option<Self> {
        if let Some((node, _)) = undeclared(cluster, view) {
            let says =
                format!("Patroni is at work on {}, and the estate says that the cluster is Lifeboat's own. Lifeboat does not touch it", node.node);
            return Some(Self { tone: Tone::Act, word: "not declared".to_owned(), says, members: Vec::new(), said_at: None });
        }
        if cluster.manager != Manager::Patroni {
            return None;
        }
        let rule = picture.estate.detection_of(cluster);
        let seen = picture.observed.patroni.get(&cluster.id);
        let last = seen.and_then(|seen| seen.said.as_ref());
        let said_at = last.map(|said| said.at);
        let said = match seen.map(|seen| seen.now_says(&rule, picture.now)) {
            Some(Ok(said)) => said,
            other => {
                let why = other.and_then(Result::err).unwrap_or_else(|| "it was never asked".to_owned());
                let says = format!("What Patroni says is not known: {why}");
                return Some(Self { tone: Tone::Unknown, word: "Patroni unknown".to_owned(), says, members: Vec::new(), said_at });
            }
        };
        let leader = said.leader().map(|member| member.name.as_str());
        let members = said.members.iter().map(in_words).collect();
        let (tone, word, says) = match (disagreement(said, view, &rule, picture.now), leader) {
            (Some(differs), leader) => {
                let leader = leader.unwrap_or("nobody");
                (Tone::Act, "they differ", format!("By Patroni {leader} leads; by PostgreSQL {} takes the writes", differs.writable))
            }
            (None, None) => (Tone::Act, "no leader", "By Patroni nobody leads".to_owned()),
            (None, Some(leader)) if said.paused => {
                (Tone::Watch, "paused", format!("By Patroni {leader} leads. It is paused, and fails nothing over by itself"))
            }
            (None, Some(leader)) => (Tone::Ok, "run by Patroni", format!("By Patroni {leader} leads. It fails the cluster over itself")),
        };
        let due = said.scheduled.as_ref().map(|due| format!(". A switchover is scheduled for {} UTC", clock(due.at)));
        let paused = if said.paused && word != "paused" { ". It is paused" } else { "" };
        let says = format!("{says}{paused}{}", due.unwrap_or_default());
        Some(Self { tone, word: word.to_owned(), says, members, said_at })
    }
}

fn in_words(member: &Member) -> String {
    let timeline = member.timeline.map(|timeline| format!(", timeline {timeline}")).unwrap_or_default();
    let lag = member.lag.map(|lag| format!(", {lag} bytes behind")).unwrap_or_default();
    let tags = [("nofailover", member.tags.nofailover), ("nosync", member.tags.nosync), ("clonefrom", member.tags.clonefrom)];
    let tags: String = tags.into_iter().filter(|(_, set)| *set).map(|(tag, _)| format!(", {tag}")).collect();
    format!("{}: {}, {}{timeline}{lag}{tags}", member.name, member.role.as_str(), member.state)
}

#[component]
pub fn Patroni(told: PatroniWord, now: Instant) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="patroni-title">
            <h2 id="patroni-title">"Patroni"</h2>
            <p><Badge tone=told.tone word=told.word/>" "{told.says}"."</p>
            <ul class="reasons">{told.members.into_iter().map(|member| view! { <li>{member}</li> }).collect_view()}</ul>
            {told.said_at.map(|at| view! { <p class="quiet">"It said so "<Age since=at now/>" ago."</p> })}
        </section>
    }
    .settled()
}
