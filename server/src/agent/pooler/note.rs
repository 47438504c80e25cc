//! The note that clients of a pooler wait, and until when: written and synced before the pause begins, removed after it has ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    since: DateTime<Utc>,
    for_ms: u64,
}

impl Note {
    pub fn of(since: DateTime<Utc>, lasts: Duration) -> Self {
        Self { since, for_ms: u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX) }
    }

    /// What is left of it. A clock that was set back makes no pause longer than it was to be.
    fn left(&self, now: DateTime<Utc>) -> Duration {
        let whole = Duration::from_millis(self.for_ms);
        match (now - self.since).to_std() {
            Ok(passed) => whole.saturating_sub(passed),
            Err(_) => whole,
        }
    }
}

/// How long a pause that was begun is still to last; `None` where there is none. What cannot be read is over.
pub fn read(path: &Path, now: DateTime<Utc>) -> Option<Duration> {
    match fs::read_to_string(path) {
        Ok(text) => Some(serde_json::from_str::<Note>(&text).map_or(Duration::ZERO, |note| note.left(now))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(Duration::ZERO),
    }
}

/// Durable when it returns.
pub fn write(path: &Path, note: &Note) -> io::Result<()> {
    let fresh = path.with_extension("fresh");
    let mut file = File::create(&fresh)?;
    file.write_all(serde_json::to_string(note)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_folder(path)
}

/// One that is not there is removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_pause_that_an_agent_finds_lasts_as_long_as_it_was_to_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("front.paused");
        assert_eq!(read(&path, at(0)), None);
        write(&path, &Note::of(at(0), Duration::from_secs(30))).unwrap();
        assert_eq!(read(&path, at(10)), Some(Duration::from_secs(20)));
        assert_eq!(read(&path, at(99)), Some(Duration::ZERO), "it is over");
        assert_eq!(read(&path, at(-500)), Some(Duration::from_secs(30)), "a clock that was set back");
        fs::write(&path, "{").unwrap();
        assert_eq!(read(&path, at(0)), Some(Duration::ZERO), "what cannot be read is ended, not kept");
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path, at(0)), None);
    }
}
