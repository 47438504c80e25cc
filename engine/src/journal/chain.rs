//! The chain of hashes: each entry carries the hash of the one before, so that a changed, removed, added or moved entry
//! shows. Cutting entries off the end does not break the chain, nor does a last entry that was sealed anew; the caller
//! keeps the last number and hash elsewhere and compares.

use super::{Actor, Entry, Event};
use crate::time::Instant;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;

/// The `previous` of the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An entry as it is stored: the texts that were hashed, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub seq: u64,
    /// RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// JSON of `Actor`.
    pub actor: String,
    /// JSON of `Event`.
    pub event: String,
    pub previous: String,
    pub hash: String,
}

/// Where and how a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    #[error("entry {expected} is missing: entry {found} stands in its place")]
    Gap { expected: u64, found: u64 },
    #[error("entry {seq} does not follow the entry before it: its link is not that entry's hash")]
    Link { seq: u64 },
    #[error("entry {seq} was changed: its text does not have the hash it carries")]
    Content { seq: u64 },
    #[error("entry {seq} cannot be read: {why}")]
    Unreadable { seq: u64, why: String },
    #[error("entries are missing at the end: the last one is {found}, {expected} was written")]
    Truncated { expected: u64, found: u64 },
    #[error("entries were added at the end: the last one is {found}, {expected} was written")]
    Added { expected: u64, found: u64 },
    #[error("entry {seq} was replaced: its hash is not the one kept apart when it was written")]
    Replaced { seq: u64 },
}

/// SHA-256 over the previous hash and the four texts, each preceded by its length, in hexadecimal.
fn hash(seq: u64, at: &str, actor: &str, event: &str, previous: &str) -> String {
    let mut hasher = Sha256::new();
    for text in [previous, &seq.to_string(), at, actor, event] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seals an event as the entry after `previous`.
///
/// # Errors
/// Where the event cannot be written as JSON.
pub fn seal(seq: u64, at: Instant, actor: &Actor, event: &Event, previous: &str) -> Result<Stored, serde_json::Error> {
    let at = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let (actor, event) = (serde_json::to_string(actor)?, serde_json::to_string(event)?);
    let hash = hash(seq, &at, &actor, &event, previous);
    Ok(Stored { seq, at, actor, event, previous: previous.to_owned(), hash })
}

/// Walks a chain entry by entry.
#[derive(Debug, Clone)]
pub struct Walk {
    seq: u64,
    last_hash: String,
}

impl Default for Walk {
    fn default() -> Self {
        Self { seq: 0, last_hash: GENESIS.to_owned() }
    }
}

impl Walk {
    /// Goes on after an entry that was checked before.
    pub fn after(seq: u64, last_hash: String) -> Self {
        Self { seq, last_hash }
    }

    /// Checks that `stored` is sound and follows the entry before, and reads it.
    ///
    /// # Errors
    /// The first break.
    pub fn step(&mut self, stored: &Stored) -> Result<Entry, Break> {
        let seq = stored.seq;
        if seq != self.seq + 1 {
            return Err(Break::Gap { expected: self.seq + 1, found: seq });
        }
        if stored.previous != self.last_hash {
            return Err(Break::Link { seq });
        }
        if hash(seq, &stored.at, &stored.actor, &stored.event, &stored.previous) != stored.hash {
            return Err(Break::Content { seq });
        }
        let unreadable = |why: String| Break::Unreadable { seq, why };
        let entry = Entry {
            seq,
            at: stored.at.parse().map_err(|error: chrono::ParseError| unreadable(error.to_string()))?,
            actor: serde_json::from_str(&stored.actor).map_err(|error| unreadable(error.to_string()))?,
            event: serde_json::from_str(&stored.event).map_err(|error| unreadable(error.to_string()))?,
            previous: stored.previous.clone(),
            hash: stored.hash.clone(),
        };
        self.seq = seq;
        self.last_hash.clone_from(&stored.hash);
        Ok(entry)
    }

    /// Ends the walk: `expected` is the last number known to have been written, `hash` the hash it had.
    ///
    /// # Errors
    /// `Truncated` where the walk ended before it, `Added` where it went on, `Replaced` where that entry is another one.
    pub fn end(&self, expected: u64, hash: &str) -> Result<u64, Break> {
        match self.seq.cmp(&expected) {
            Ordering::Less => Err(Break::Truncated { expected, found: self.seq }),
            Ordering::Greater => Err(Break::Added { expected, found: self.seq }),
            Ordering::Equal if self.last_hash != hash => Err(Break::Replaced { seq: self.seq }),
            Ordering::Equal => Ok(self.seq),
        }
    }
    pub fn last_hash(&self) -> &str {
        &self.last_hash
    }
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(length: u64) -> Vec<Stored> {
        let mut previous = GENESIS.to_owned();
        (1..=length)
            .map(|seq| {
                let at = "2026-01-02T03:04:05.678Z".parse().unwrap();
                let stored = seal(seq, at, &Actor::Lifeboat, &Event::ServerStarted { version: seq.to_string() }, &previous).unwrap();
                previous.clone_from(&stored.hash);
                stored
            })
            .collect()
    }
    /// Walks `entries` and compares the end with that of the nine that were written.
    fn walk(entries: &[Stored]) -> Result<u64, Break> {
        let mut walk = Walk::default();
        for entry in entries {
            walk.step(entry)?;
        }
        walk.end(9, &chain(9)[8].hash)
    }

    #[test]
    fn a_sound_chain_walks_to_its_end() {
        assert_eq!(walk(&chain(9)), Ok(9));
        assert_eq!(Walk::default().end(0, GENESIS), Ok(0));
    }

    #[test]
    fn every_change_removal_move_cut_and_addition_is_found() {
        for at in 0..9 {
            let seq = at as u64 + 1;
            let mut changed = chain(9);
            changed[at].event = changed[at].event.replace("version\":\"", "version\":\"x");
            assert_eq!(walk(&changed), Err(Break::Content { seq }));
            let mut forged = chain(9);
            let event = Event::ServerStarted { version: "forged".into() };
            forged[at] = seal(seq, "2026-01-02T03:04:05.678Z".parse().unwrap(), &Actor::Lifeboat, &event, &forged[at].previous.clone()).unwrap();
            let found = if at == 8 { Break::Replaced { seq } } else { Break::Link { seq: seq + 1 } };
            assert_eq!(walk(&forged), Err(found));
            let mut removed = chain(9);
            removed.remove(at);
            let found = if at == 8 { Break::Truncated { expected: 9, found: 8 } } else { Break::Gap { expected: seq, found: seq + 1 } };
            assert_eq!(walk(&removed), Err(found));
            if at < 8 {
                let mut moved = chain(9);
                moved.swap(at, at + 1);
                assert_eq!(walk(&moved), Err(Break::Gap { expected: seq, found: seq + 1 }));
            }
        }
        assert_eq!(walk(&chain(10)), Err(Break::Added { expected: 9, found: 10 }));
    }
}
