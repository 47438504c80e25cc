//! What can be restored, drawn over time: one row for all copies together, one for each destination (row 22).

use crate::ui::{
    settled::IntoSettled as _,
    time::{clock, date},
};
use engine::{
    backups::{
        Backup,
        chain::{self, Gap, GapKind, Reach},
    },
    estate::BackupPolicy,
    id::DestinationId,
    picture::Picture,
    time::{Instant, Span},
};
use leptos::prelude::*;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use std::sync::Arc;

/// From the oldest moment that can be restored up to now.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Window {
    pub from: Instant,
    pub rows: Vec<Row>,
}

/// One row, in thousandths of the time from the window's beginning to now.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Row {
    pub label: String,
    pub parts: Vec<Part>,
    /// The same in words.
    pub says: String,
}

/// A stretch of a row: what it is, where it begins, how long it is.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Part {
    pub kind: Kind,
    pub x: u16,
    pub width: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// Every moment in it can be restored.
    Reach,
    Uploading,
    Delayed,
    Lost,
    /// A full backup.
    Base,
    /// One that a scratch server was started from.
    Restored,
}

/// The width of a row.
const WHOLE: u64 = 1_000;

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Kind::Reach => "reach",
            Kind::Uploading => "uploading",
            Kind::Delayed => "delayed",
            Kind::Lost => "lost",
            Kind::Base => "base",
            Kind::Restored => "restored",
        }
    }
    fn word(self) -> &'static str {
        match self {
            Kind::Reach => "every moment",
            Kind::Uploading => "uploading",
            Kind::Delayed => "delayed",
            Kind::Lost => "LOST",
            Kind::Base => "full backup",
            Kind::Restored => "full backup, restored",
        }
    }
}

impl From<GapKind> for Kind {
    fn from(kind: GapKind) -> Self {
        match kind {
            GapKind::Uploading => Kind::Uploading,
            GapKind::Delayed => Kind::Delayed,
            GapKind::Lost => Kind::Lost,
        }
    }
}

impl Window {
    /// What the policy's backups and the log that belongs to them reach; `None` where nothing can be restored.
    pub fn of(picture: &Picture, policy: &BackupPolicy) -> Option<Self> {
        let ledger = &picture.records.backups;
        let base = policy.base.as_ref().and_then(|base| picture.estate.backup_policy(base)).unwrap_or(policy);
        let log =
            picture.estate.backup_policies.iter().find(|log| log.base.as_ref() == Some(&base.id) && (policy.id == base.id || log.id == policy.id));
        let (bases, wal) = (ledger.of(&base.id), log.map_or(&[][..], |log| ledger.of(&log.id)));
        let late = log.is_some_and(|log| picture.backups_stand(log).lateness.is_some());
        let from = chain::reaches(bases, wal, None).first()?.from;
        let scale = Scale { from, now: picture.now };
        let mut rows = vec![scale.row("anywhere", bases, wal, None, late)];
        let mut places: Vec<&DestinationId> = base.destinations.iter().chain(log.iter().flat_map(|log| &log.destinations)).collect();
        places.sort();
        places.dedup();
        rows.extend(places.into_iter().map(|place| scale.row(place.as_str(), bases, wal, Some(place), late)));
        Some(Self { from, rows })
    }
}

struct Scale {
    from: Instant,
    now: Instant,
}

impl Scale {
    fn at(&self, at: Instant) -> u16 {
        let all = Span::between(self.from, self.now).as_millis().max(1);
        u16::try_from((Span::between(self.from, at).as_millis().saturating_mul(WHOLE) / all).min(WHOLE)).unwrap_or(0)
    }
    fn part(&self, kind: Kind, from: Instant, to: Instant) -> Part {
        let x = self.at(from);
        Part { kind, x, width: self.at(to).saturating_sub(x).max(1) }
    }

    fn row(&self, label: &str, bases: &[Arc<Backup>], wal: &[Arc<Backup>], place: Option<&DestinationId>, late: bool) -> Row {
        let reaches = chain::reaches(bases, wal, place);
        let gaps = chain::gaps(wal, place, late);
        let there =
            |backup: &&Arc<Backup>| backup.is_good() && place.is_none_or(|place| backup.copies.get(place).is_some_and(|copy| copy.is_stored()));
        let marks = bases.iter().filter(there).filter_map(|backup| {
            let kind = if backup.is_restorable() { Kind::Restored } else { Kind::Base };
            Some((kind, backup.contents.as_ref()?.recoverable_to?))
        });
        let mut parts: Vec<Part> = reaches.iter().map(|reach| self.part(Kind::Reach, reach.from, reach.to)).collect();
        parts.extend(gaps.iter().filter_map(|gap| {
            let until = gap.before.map_or(self.now, |(_, began)| began);
            Some(self.part(gap.kind.into(), gap.since?, until))
        }));
        parts.extend(marks.map(|(kind, at)| self.part(kind, at, at)));
        Row { label: label.to_owned(), parts, says: in_words(&reaches, &gaps) }
    }
}

fn moment(at: Instant) -> String {
    format!("{} {}", date(at), clock(at))
}

fn in_words(reaches: &[Reach], gaps: &[Gap]) -> String {
    let reach = |reach: &Reach| {
        if reach.from == reach.to { moment(reach.from) } else { format!("{} to {}", moment(reach.from), moment(reach.to)) }
    };
    // The newest matter most, and a list of a hundred points says nothing.
    const TOLD: usize = 3;
    let mut said: Vec<String> = reaches.iter().rev().take(TOLD).map(reach).collect();
    if reaches.is_empty() {
        said.push("nothing can be restored".to_owned());
    }
    if reaches.len() > TOLD {
        said.push(format!("and {} earlier ones", reaches.len() - TOLD));
    }
    let missing = |gap: &Gap| {
        let since = gap.since.map_or_else(|| "an unknown moment".to_owned(), moment);
        format!("log since {since} {}", Kind::from(gap.kind).word())
    };
    said.extend(gaps.iter().map(missing));
    said.join("; ")
}

/// The rows, with the first and the last moment below.
#[component]
pub fn TimeLine(window: Window, now: Instant) -> impl IntoView {
    let row = |row: Row| {
        let parts: Vec<AnyView> = row
            .parts
            .into_iter()
            .map(|part| {
                // Marks are as wide as can be seen, and end where the row does.
                let is_mark = matches!(part.kind, Kind::Base | Kind::Restored);
                let width = if is_mark { 4 } else { part.width };
                let x = if is_mark { part.x.min(996) } else { part.x };
                view! { <rect class=part.kind.class() x=x width=width y=if is_mark { 0 } else { 3 } height=if is_mark { 16 } else { 10 }></rect> }
                    .settled()
            })
            .collect();
        view! {
            <li>
                <span class="name">{row.label}</span>
                <svg viewBox="0 0 1000 16" preserveAspectRatio="none" height="16" aria-hidden="true"><rect class="all" width="1000" y="3" height="10"></rect>{parts}</svg>
                <span class="quiet">{row.says}</span>
            </li>
        }
        .settled()
    };
    let kinds = [Kind::Reach, Kind::Restored, Kind::Base, Kind::Uploading, Kind::Delayed, Kind::Lost];
    let legend = kinds.into_iter().map(
        |kind| view! { <li><svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"><rect class=kind.class() width="10" height="10"></rect></svg>{kind.word()}</li> },
    );
    view! {
        <div class="window">
            <ol class="rows">{window.rows.into_iter().map(row).collect_view()}</ol>
            <p class="ends quiet"><span>{moment(window.from)}</span><span>{format!("now, {} UTC", clock(now))}</span></p>
            <ul class="legend">{legend.collect_view()}</ul>
        </div>
    }
    .settled()
}
