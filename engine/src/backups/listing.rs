//! Lists of backups that other tools print, read as a way to see backups that others make. A list that cannot be understood to its
//! last entry says nothing at all: what it names is unknown then, and no success.

use super::BackupType;
use crate::{
    estate::ListingFormat,
    id::{BackupId, PolicyId},
    time::{Instant, Span},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

mod barman;
mod pgbackrest;
mod restic;
mod walg;

/// One backup of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What the tool calls it; no two of a list are called the same.
    pub label: String,
    pub kind: BackupType,
    /// Where the tool does not say when it began, when it ended.
    pub began: Instant,
    pub ended: Instant,
    /// Everything that was committed before is in it, where the tool says so.
    pub recoverable_to: Option<Instant>,
    /// What it takes in the repository.
    pub bytes: Option<u64>,
    /// What was read, before compression.
    pub source_bytes: Option<u64>,
    /// The version of the tool, where it says so.
    pub version: Option<String>,
    /// What is wrong with it, by the tool's own word.
    pub broken: Option<String>,
    /// The backup of Lifeboat that it is, where it carries that mark.
    pub mark: Option<BackupId>,
    /// The number of its repository, of tools that have several.
    pub repository: Option<u32>,
}

/// Why a list says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("it is not what {tool} prints: {why}")]
    Malformed { tool: &'static str, why: String },
    #[error("{tool} itself says: {why}")]
    Refused { tool: &'static str, why: String },
    #[error("it lists {found} (of {what}); name one of them on its command line")]
    Several { what: &'static str, found: String },
    #[error("it says of {label} what cannot be: {why}")]
    Impossible { label: String, why: String },
}

/// The name of the annotation or the beginning of the tag that marks Lifeboat's own.
pub const MARK: &str = "lifeboat";
/// Clocks of other machines may be so far ahead.
const CLOCKS_APART: Span = Span::from_mins(5);
/// Labels end up in the journal.
const LONGEST_LABEL: usize = 200;

/// Reads the whole list, oldest first. `now` is the time at which it was printed.
///
/// # Errors
/// Anything that is not understood, from the first byte to the last entry.
pub fn read(format: ListingFormat, printed: &[u8], now: Instant) -> Result<Vec<Listed>, Unreadable> {
    let mut listed = match format {
        ListingFormat::Pgbackrest => pgbackrest::read(printed)?,
        ListingFormat::Restic => restic::read(printed)?,
        ListingFormat::Barman => barman::read(printed)?,
        ListingFormat::WalG => walg::read(printed)?,
    };
    let mut seen = BTreeSet::new();
    for one in &listed {
        let impossible = |why: &str| Unreadable::Impossible { label: one.label.chars().take(LONGEST_LABEL).collect(), why: why.to_owned() };
        if one.label.is_empty() || one.label.len() > LONGEST_LABEL || one.label.chars().any(char::is_control) {
            return Err(impossible("its name is no name"));
        }
        if !seen.insert((one.repository, &one.label)) {
            return Err(impossible("it is there twice"));
        }
        if one.ended < one.began {
            return Err(impossible("it ended before it began"));
        }
        if one.ended > now + CLOCKS_APART.as_delta() {
            return Err(impossible("it ended in the future; compare the clocks"));
        }
    }
    listed.sort_by(|a, b| (a.began, &a.label, a.repository).cmp(&(b.began, &b.label, b.repository)));
    Ok(listed)
}

impl Listed {
    /// The id under which it stands in the journal: the same each time that it is listed.
    pub fn id(&self, policy: &PolicyId) -> BackupId {
        let text = format!("{policy}\0{}\0{}", self.repository.unwrap_or_default(), self.label);
        let digest = Sha256::digest(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        BackupId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

fn json<'a, T: Deserialize<'a>>(tool: &'static str, printed: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(printed).map_err(|error| Unreadable::Malformed { tool, why: error.to_string() })
}

fn epoch(tool: &'static str, seconds: i64) -> Result<Instant, Unreadable> {
    chrono::DateTime::from_timestamp(seconds, 0).ok_or_else(|| Unreadable::Malformed { tool, why: format!("{seconds} is no time") })
}

/// The backup that a tag or an annotation names.
fn marked(text: &str) -> Option<BackupId> {
    text.parse().ok()
}

/// The one entry of a map or list of clusters.
fn only<T>(what: &'static str, mut all: BTreeMap<String, T>) -> Result<T, Unreadable> {
    let names = || all.keys().take(5).cloned().collect::<Vec<_>>().join(", ");
    if all.len() != 1 {
        let found = if all.is_empty() { "nothing".to_owned() } else { names() };
        return Err(Unreadable::Several { what, found });
    }
    let (_, one) = all.pop_first().ok_or(Unreadable::Several { what, found: "nothing".to_owned() })?;
    Ok(one)
}
