//! `pgbackrest info --output=json`, of one stanza; of its `backup` entries and `status`. Source: pgBackRest's command reference,
//! "info", and what 2.45 prints.

use super::{Listed, MARK, Unreadable, epoch, json, marked, only};
use crate::backups::BackupType;
use serde::Deserialize;
use std::collections::BTreeMap;

const TOOL: &str = "pgBackRest";
/// "no valid backups": the stanza is well, and there is nothing in it.
const NO_BACKUPS: u32 = 2;

#[derive(Deserialize)]
struct Stanza {
    name: String,
    status: Status,
    backup: Vec<Entry>,
}

#[derive(Deserialize)]
struct Status {
    code: u32,
    message: String,
}

#[derive(Deserialize)]
struct Entry {
    label: String,
    #[serde(rename = "type")]
    kind: Kind,
    timestamp: Times,
    info: Info,
    database: Database,
    /// Whether pages with a wrong checksum were found; absent where nobody looked.
    error: Option<bool>,
    backrest: Option<Backrest>,
    annotation: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Full,
    Diff,
    Incr,
}

#[derive(Deserialize)]
struct Times {
    start: i64,
    stop: i64,
}

#[derive(Deserialize)]
struct Info {
    size: u64,
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    delta: Option<u64>,
}

#[derive(Deserialize)]
struct Database {
    #[serde(rename = "repo-key")]
    repository: Option<u32>,
}

#[derive(Deserialize)]
struct Backrest {
    version: String,
}

pub(super) fn read(printed: &[u8]) -> Result<Vec<Listed>, Unreadable> {
    let stanzas: Vec<Stanza> = json(TOOL, printed)?;
    let count = stanzas.len();
    let by_name: BTreeMap<String, Stanza> = stanzas.into_iter().map(|stanza| (stanza.name.clone(), stanza)).collect();
    if by_name.len() != count {
        return Err(Unreadable::Malformed { tool: TOOL, why: "a stanza is there twice".to_owned() });
    }
    let stanza = only("stanzas", by_name)?;
    if stanza.status.code == NO_BACKUPS && stanza.backup.is_empty() {
        return Ok(Vec::new());
    }
    if stanza.status.code != 0 {
        let why = format!("{} (code {})", stanza.status.message.chars().take(200).collect::<String>(), stanza.status.code);
        return Err(Unreadable::Refused { tool: TOOL, why });
    }
    stanza.backup.into_iter().map(listed).collect()
}

fn listed(entry: Entry) -> Result<Listed, Unreadable> {
    let (began, ended) = (epoch(TOOL, entry.timestamp.start)?, epoch(TOOL, entry.timestamp.stop)?);
    let mark = entry.annotation.as_ref().and_then(|notes| notes.get(MARK)).and_then(|text| marked(text));
    Ok(Listed {
        label: entry.label,
        kind: match entry.kind {
            Kind::Full => BackupType::Full,
            Kind::Diff => BackupType::Differential,
            Kind::Incr => BackupType::Incremental,
        },
        began,
        ended,
        recoverable_to: Some(began),
        bytes: entry.info.repository.delta,
        source_bytes: Some(entry.info.size),
        version: entry.backrest.map(|backrest| backrest.version.chars().take(40).collect()),
        broken: (entry.error == Some(true)).then(|| "it found pages with a wrong checksum".to_owned()),
        mark,
        repository: entry.database.repository,
    })
}
