//! Who looks, and who sees what: the observers on the board, and their votes on the page of a service (row 31).

use crate::ui::settled::IntoSettled;
use crate::ui::{
    state::{Badge, Tone},
    table::TableFrame,
    time::{Age, clock},
};
use engine::{
    estate::Service,
    health::{Health, Vote},
    id::ObserverId,
    journal::ObserverStanding,
    picture::{ObserverView, Picture},
    time::Instant,
};
use leptos::prelude::*;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// One observer.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ObserverLine {
    pub name: String,
    pub place: String,
    pub tone: Tone,
    pub word: String,
    /// What is wrong with it.
    pub why: Option<String>,
    pub reported: Option<Instant>,
}

/// What the observers say of a service in one region.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct VoteRow {
    pub region: String,
    /// In the order of `SeenBy::observers`.
    pub votes: Vec<VoteCell>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct VoteCell {
    pub tone: Tone,
    pub word: String,
    pub why: String,
    pub last: Option<Instant>,
}

/// Who sees what of one service; absent where only the server looks.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct SeenBy {
    pub observers: Vec<String>,
    pub quorum: u32,
    pub rows: Vec<VoteRow>,
}

/// Every observer, the server first.
pub fn lines(picture: &Picture) -> Vec<ObserverLine> {
    let server = ObserverId::server();
    let mut lines: Vec<(bool, ObserverLine)> = picture.observed.observers.iter().map(|(id, view)| (*id != server, line(id, view, picture))).collect();
    lines.sort_by_key(|(remote, _)| *remote);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn line(id: &ObserverId, view: &ObserverView, picture: &Picture) -> ObserverLine {
    let now = picture.now;
    let skew = (view.skew_ms.unsigned_abs() > 1_000).then(|| {
        let way = if view.skew_ms > 0 { "ahead" } else { "behind" };
        format!("its clock is {} s {way}", view.skew_ms.unsigned_abs() / 1_000)
    });
    let refused = (view.refused > 0).then(|| format!("{} of its samples were refused", view.refused));
    let (tone, word, why) = match view.standing(now) {
        ObserverStanding::Sees if skew.is_some() || refused.is_some() => (Tone::Watch, "sees", None),
        ObserverStanding::Sees => (Tone::Ok, "sees", None),
        ObserverStanding::Blind => {
            let since = view.blind_since.map(|since| format!("nothing answers it since {} UTC", clock(since)));
            (Tone::Unknown, "sees nothing", since)
        }
        ObserverStanding::Silent => (Tone::Unknown, "silent", Some("its word does not count".to_owned())),
    };
    let why: Vec<String> = [why, skew, refused].into_iter().flatten().collect();
    ObserverLine {
        name: id.to_string(),
        place: match (&view.place, &picture.estate.server_region) {
            (Some(region), _) => region.to_string(),
            (None, Some(region)) => format!("this server, in {region}"),
            (None, None) => "this server".to_owned(),
        },
        tone,
        word: word.to_owned(),
        why: (!why.is_empty()).then(|| why.join("; ")),
        reported: view.reported,
    }
}

/// What each observer says of a service, region by region.
pub fn seen_by(picture: &Picture, service: &Service) -> Option<SeenBy> {
    let votes = |endpoint: &engine::estate::Endpoint| picture.observed.votes.get(&(service.id.clone(), endpoint.region.clone()));
    let first = service.endpoints.iter().find_map(votes)?;
    let observers: Vec<String> = first.iter().map(|vote| vote.observer.to_string()).collect();
    let rows = service.endpoints.iter().filter_map(|endpoint| {
        let votes = votes(endpoint)?.iter().map(cell).collect();
        Some(VoteRow { region: endpoint.region.to_string(), votes })
    });
    Some(SeenBy { observers, quorum: picture.estate.quorum(), rows: rows.collect() })
}

fn cell(vote: &Vote) -> VoteCell {
    let health = vote.judgement.health;
    let (tone, word) = if vote.credible { (Tone::from(health), health.to_string()) } else { (Tone::Unknown, "sees nothing".to_owned()) };
    let why = if health == Health::Ok && vote.credible { String::new() } else { vote.judgement.why.clone() };
    VoteCell { tone, word, why, last: vote.last }
}

/// The observers, for the board.
#[component]
pub fn Observers(lines: Vec<ObserverLine>, now: Instant) -> impl IntoView {
    let alone = lines.len() == 1;
    let line = move |line: ObserverLine| {
        view! {
            <li class="observer">
                <span class="named">{line.name}</span>
                <Badge tone=line.tone word=line.word/>
                <span class="quiet">{line.place}{line.reported.map(|at| view! { ", heard "<Age since=at now/>" ago" })}{line.why.map(|why| format!(", {why}"))}</span>
            </li>
        }
    };
    view! {
        <section class="panel observers" aria-labelledby="observers-title">
            <h2 id="observers-title">"Observers"</h2>
            <ul class="plain">{lines.into_iter().map(line).collect_view()}</ul>
            {alone.then(|| view! { <p class="quiet">"Only this server looks: where it is cut off, nobody sees. Declare "<code>"[[observer]]"</code>" in the estate and run "<code>"lifeboat agent --region …"</code>" there."</p> })}
        </section>
    }
    .settled()
}

/// Region by observer, for the page of a service.
#[component]
pub fn Votes(seen: SeenBy, now: Instant) -> impl IntoView {
    let names = seen.observers.clone();
    let heads = seen.observers.into_iter().map(|name| view! { <th scope="col">{name}</th> }).collect_view();
    let row = move |row: VoteRow| {
        let cells = names.clone().into_iter().zip(row.votes).map(|(name, vote)| {
            let why = vote.why;
            let said = (!why.is_empty()).then(|| view! { <span class="quiet why">{why.clone()}</span> });
            view! {
                <td data-label=name title=why>
                    <Badge tone=vote.tone word=vote.word/>
                    {vote.last.map(|at| view! { " "<span class="quiet"><Age since=at now/></span> })}
                    {said}
                </td>
            }
        });
        view! { <tr><th scope="row">{row.region}</th>{cells.collect_view()}</tr> }
    };
    view! {
        <section class="panel" aria-labelledby="votes-title">
            <h2 id="votes-title">"Who sees what"</h2>
            <TableFrame label="What each observer sees of the service">
                <table class="votes">
                    <thead><tr><th scope="col">"Region"</th>{heads}</tr></thead>
                    <tbody>{seen.rows.into_iter().map(row).collect_view()}</tbody>
                </table>
            </TableFrame>
            <p class="quiet">{format!("It counts as down where observers in {} places say so, and most of those who see.", seen.quorum)}</p>
        </section>
    }
    .settled()
}
