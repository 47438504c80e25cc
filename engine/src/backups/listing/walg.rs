//! `wal-g backup-list --detail --json`, for PostgreSQL. Source: `BackupDetail` of WAL-G's own source. Only finished backups are listed.

use super::{Listed, Unreadable, json};
use crate::{backups::BackupType, time::Instant};
use serde::Deserialize;

const TOOL: &str = "WAL-G";

#[derive(Deserialize)]
struct Entry {
    backup_name: String,
    /// Absent without `--detail`.
    start_time: Option<Instant>,
    finish_time: Option<Instant>,
    uncompressed_size: Option<u64>,
    compressed_size: Option<u64>,
}

pub(super) fn read(printed: &[u8]) -> Result<Vec<Listed>, Unreadable> {
    let entries: Vec<Entry> = json(TOOL, printed)?;
    entries.into_iter().map(listed).collect()
}

fn listed(entry: Entry) -> Result<Listed, Unreadable> {
    let malformed = |why: &str| Unreadable::Malformed { tool: TOOL, why: why.to_owned() };
    let (Some(began), Some(ended)) = (entry.start_time, entry.finish_time) else {
        return Err(malformed("start_time or finish_time is missing; add --detail to its command line"));
    };
    if !entry.backup_name.starts_with("base_") {
        return Err(malformed("the name of a backup of PostgreSQL begins with base_"));
    }
    // The name of what builds on another ends with the place where that one began.
    let kind = if entry.backup_name.contains("_D_") { BackupType::Incremental } else { BackupType::Full };
    Ok(Listed {
        label: entry.backup_name,
        kind,
        began,
        ended,
        recoverable_to: Some(began),
        bytes: entry.compressed_size,
        source_bytes: entry.uncompressed_size,
        version: None,
        broken: None,
        mark: None,
        repository: None,
    })
}
