//! `restic snapshots --json`. Source: restic's documentation, "Scripting"; `summary` is there from 0.17 on.

use super::{Listed, MARK, Unreadable, json, marked};
use crate::{backups::BackupType, time::Instant};
use serde::Deserialize;

const TOOL: &str = "restic";

#[derive(Deserialize)]
struct Snapshot {
    id: String,
    /// When it began.
    time: Instant,
    /// What makes it a snapshot, and not something else with a time.
    #[serde(rename = "tree")]
    _tree: String,
    #[serde(rename = "paths")]
    _paths: Vec<String>,
    tags: Option<Vec<String>>,
    program_version: Option<String>,
    summary: Option<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    backup_end: Option<Instant>,
    total_bytes_processed: Option<u64>,
    data_added_packed: Option<u64>,
}

pub(super) fn read(printed: &[u8]) -> Result<Vec<Listed>, Unreadable> {
    let snapshots: Vec<Snapshot> = json(TOOL, printed)?;
    snapshots.into_iter().map(listed).collect()
}

fn listed(snapshot: Snapshot) -> Result<Listed, Unreadable> {
    if snapshot.id.len() != 64 || !snapshot.id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Unreadable::Malformed { tool: TOOL, why: "the id of a snapshot has 64 hexadecimal digits".to_owned() });
    }
    let tags = snapshot.tags.unwrap_or_default();
    let mark = tags.iter().find_map(|tag| marked(tag.strip_prefix(MARK)?.strip_prefix('-')?));
    let summary = snapshot.summary.as_ref();
    Ok(Listed {
        label: snapshot.id,
        kind: BackupType::Snapshot,
        began: snapshot.time,
        ended: summary.and_then(|summary| summary.backup_end).unwrap_or(snapshot.time),
        recoverable_to: Some(snapshot.time),
        bytes: summary.and_then(|summary| summary.data_added_packed),
        source_bytes: summary.and_then(|summary| summary.total_bytes_processed),
        version: snapshot.program_version.map(|version| version.chars().take(40).collect()),
        broken: None,
        mark,
        repository: None,
    })
}
