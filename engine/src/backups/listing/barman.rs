//! `barman --format json list-backups SERVER`. Source: `JsonOutputWriter.result_list_backup` of Barman 3. What failed has no times
//! there: they are in its name, by the clock on the wall of Barman's machine, whose offset the others tell.

use super::{Listed, Unreadable, epoch, json, only};
use crate::{backups::BackupType, time::Instant};
use chrono::NaiveDateTime;
use serde::Deserialize;
use std::collections::BTreeMap;

const TOOL: &str = "Barman";

#[derive(Deserialize)]
struct Entry {
    backup_id: String,
    status: Status,
    /// Seconds since 1970, as text.
    end_time_timestamp: Option<String>,
    /// The same on the wall, `Sun Nov 23 02:00:07 2025`.
    end_time: Option<String>,
    size_bytes: Option<u64>,
    backup_type: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Done,
    Failed,
    /// Under way, or copied and not yet restorable since its log is not archived.
    #[serde(alias = "STARTED", alias = "SYNCING", alias = "WAITING_FOR_WALS")]
    Empty,
}

pub(super) fn read(printed: &[u8]) -> Result<Vec<Listed>, Unreadable> {
    let servers: BTreeMap<String, Vec<Entry>> = json(TOOL, printed)?;
    let entries = only("servers", servers)?;
    let mut offset = chrono::TimeDelta::zero();
    for entry in entries.iter().filter(|entry| entry.status == Status::Done) {
        let wall = entry.end_time.as_ref().and_then(|text| NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y").ok());
        if let Some(wall) = wall {
            offset = wall.signed_duration_since(ended(entry)?.naive_utc());
        }
    }
    entries.iter().filter(|entry| entry.status != Status::Empty).map(|entry| listed(entry, offset)).collect()
}

fn ended(entry: &Entry) -> Result<Instant, Unreadable> {
    let seconds = entry.end_time_timestamp.as_ref().and_then(|text| text.parse().ok());
    let seconds = seconds.ok_or_else(|| Unreadable::Malformed { tool: TOOL, why: "a backup that is done has no end_time_timestamp".to_owned() })?;
    epoch(TOOL, seconds)
}

fn listed(entry: &Entry, offset: chrono::TimeDelta) -> Result<Listed, Unreadable> {
    let malformed = |why: &str| Unreadable::Malformed { tool: TOOL, why: why.to_owned() };
    let kind = match entry.backup_type.as_deref() {
        Some("incremental") => BackupType::Incremental,
        Some("snapshot") => BackupType::Snapshot,
        _ => BackupType::Full,
    };
    let (at, broken) = if entry.status == Status::Failed {
        let wall = NaiveDateTime::parse_from_str(&entry.backup_id, "%Y%m%dT%H%M%S").map_err(|_| malformed("a backup_id is no time"))?;
        let at = wall.checked_sub_signed(offset).ok_or_else(|| malformed("a backup_id is no time"))?;
        (at.and_utc(), Some("its status is FAILED".to_owned()))
    } else {
        (ended(entry)?, None)
    };
    Ok(Listed {
        label: entry.backup_id.clone(),
        kind,
        began: at,
        ended: at,
        recoverable_to: None,
        bytes: entry.size_bytes,
        source_bytes: None,
        version: None,
        broken,
        mark: None,
        repository: None,
    })
}
