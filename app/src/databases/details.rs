//! What is read beside the probes: slots, archive, disks and history of each node, with the ages of both witnesses, and what
//! is wrong with them. Unknown is “?”, and says why where that is known.

use crate::{
    overview::view::FindingLine,
    ui::{
        settled::IntoSettled,
        state::Badge,
        table::TableFrame,
        time::{Age, clock, date},
    },
};
use engine::{
    databases::{Archive, Archived, Detail, NodeView, Room, Slot, SlotWal, bytes_in_words, is_fresh, room_in_words},
    estate::{Cluster, Detection},
    findings,
    id::NodeId,
    picture::Picture,
    time::Instant,
};
use leptos::prelude::*;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct DetailRow {
    pub node: NodeId,
    pub slots: Vec<String>,
    pub archive: String,
    /// When PostgreSQL said both.
    pub asked: Option<Instant>,
    pub disks: Vec<String>,
    pub timelines: Vec<String>,
    /// When its host's agent found both.
    pub found: Option<Instant>,
    /// What PostgreSQL said, or what the agent found, is too old to count.
    pub stale: (bool, bool),
}

/// What is wrong with any of it.
pub fn complaints(picture: &Picture, cluster: &Cluster) -> Vec<FindingLine> {
    findings::details_of(picture, cluster).iter().map(FindingLine::of).collect()
}

impl DetailRow {
    pub fn of(node: &NodeView, rule: &Detection, now: Instant) -> Self {
        let (catalog, files) = (node.details.catalog.as_ref(), node.details.files.as_ref());
        let unknown = || vec!["?".to_owned()];
        Self {
            node: node.node.clone(),
            slots: catalog.map_or_else(unknown, |catalog| told(&catalog.slots, |slots| listed("none", slots.iter().map(slot)))),
            archive: catalog.map_or_else(unknown, |catalog| told(&catalog.archive, |state| vec![archive(state)])).remove(0),
            asked: catalog.map(|catalog| catalog.at),
            disks: files.map_or_else(unknown, |files| {
                let data = told(&files.data, |room| vec![disk("data", room)]);
                let wal = files.wal.as_ref().map(|wal| told(wal, |room| vec![disk("pg_wal", room)]));
                data.into_iter().chain(wal.unwrap_or_default()).collect()
            }),
            timelines: files.map_or_else(unknown, |files| {
                told(&files.forks, |forks| {
                    listed("never forked", forks.iter().map(|fork| format!("{} left {} at {}", fork.timeline, fork.parent, fork.at)))
                })
            }),
            found: files.map(|files| files.at),
            stale: (catalog.is_some_and(|read| !is_fresh(read.at, rule, now)), files.is_some_and(|read| !is_fresh(read.at, rule, now))),
        }
    }
}

fn told<T>(detail: &Detail<T>, words: impl Fn(&T) -> Vec<String>) -> Vec<String> {
    match detail {
        Ok(known) => words(known),
        Err(why) => vec![format!("? ({why})")],
    }
}

fn listed(nothing: &str, lines: impl Iterator<Item = String>) -> Vec<String> {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { vec![nothing.to_owned()] } else { lines }
}

fn slot(slot: &Slot) -> String {
    let kept = slot.kept.map_or("keeps no WAL".to_owned(), |kept| format!("keeps {}", bytes_in_words(kept)));
    let state = match slot.wal {
        Some(SlotWal::Lost) => "LOST its WAL".to_owned(),
        Some(SlotWal::Unreserved) => format!("{kept}, about to lose it"),
        Some(SlotWal::Reserved | SlotWal::Extended) => kept,
        // Before PostgreSQL 13, and of a slot that keeps nothing, whether it may lose any is not told.
        None if slot.kept.is_some() => format!("{kept}, whether it may lose it: ?"),
        None => kept,
    };
    format!("{}: {}, {state}", slot.name, if slot.active { "in use" } else { "unused" })
}

fn archive(state: &Archive) -> String {
    match state {
        Archive::Off => "off".to_owned(),
        Archive::WhenPromoted => "on after a promotion".to_owned(),
        Archive::Nowhere => "on, and goes NOWHERE".to_owned(),
        Archive::On(archiver) => {
            let moment = |archived: &Archived| format!("{} at {} {}", archived.segment, date(archived.at), clock(archived.at));
            let last = archiver.last.as_ref().map_or("nothing archived yet".to_owned(), |last| format!("last {}", moment(last)));
            let fails = archiver.failing().map(|failed| format!("FAILS with {}; ", moment(failed))).unwrap_or_default();
            let waiting = archiver.waiting.map_or("?".to_owned(), |waiting| waiting.to_string());
            format!("{fails}{last}, {waiting} waiting")
        }
    }
}

fn disk(name: &str, room: &Room) -> String {
    format!("{name}: {} free of {}", room_in_words(room.free), room_in_words(room.total))
}

#[component]
pub fn Details(rows: Vec<DetailRow>, complaints: Vec<FindingLine>, now: Instant) -> impl IntoView {
    let complaint = move |finding: FindingLine| {
        view! {
            <li>
                <Badge tone=finding.tone word=finding.tone.name()/>
                <span class="what">{finding.what}<span class="remedy">{finding.remedy}</span></span>
                {finding.since.map(|since| view! { <Age since now/> })}
            </li>
        }
    };
    let lines = |lines: Vec<String>| lines.into_iter().map(|line| view! { <div>{line}</div> }).collect_view();
    let age = move |at: Option<Instant>| at.map_or_else(|| "never".settled(), |at| view! { <Age since=at now/> }.settled());
    let row = move |row: DetailRow| {
        let (told, found) = (if row.stale.0 { "old" } else { "" }, if row.stale.1 { "old" } else { "" });
        view! {
            <tr>
                <th scope="row">{row.node.to_string()}</th>
                <td class=told>{lines(row.slots)}</td>
                <td class=told>{row.archive}</td>
                <td class="number">{age(row.asked)}</td>
                <td class=found>{lines(row.disks)}</td>
                <td class=found>{lines(row.timelines)}</td>
                <td class="number">{age(row.found)}</td>
            </tr>
        }
    };
    view! {
        {(!complaints.is_empty()).then(|| view! { <div class="panel findings"><ul>{complaints.into_iter().map(complaint).collect_view()}</ul></div> })}
        <TableFrame label="Slots, archive and disks of the nodes">
            <table class="nodes details">
                <caption class="visually-hidden">"Slots and archive as PostgreSQL says, disks and timelines as the host agent finds them"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Node"</th>
                        <th scope="col">"Replication slots"</th>
                        <th scope="col">"WAL archive"</th>
                        <th scope="col" class="number">"Asked"</th>
                        <th scope="col">"Disks"</th>
                        <th scope="col">"Timelines"</th>
                        <th scope="col" class="number">"Host looked"</th>
                    </tr>
                </thead>
                <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}
