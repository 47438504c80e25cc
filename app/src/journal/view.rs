//! One page of the journal as data: lines in words, and where the older ones begin.

use super::words::{self, Kind};
use engine::{
    id::OperationId,
    journal::{Actor, Entry},
    picture::Picture,
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct JournalView {
    pub now: Instant,
    /// Number of the last entry of all.
    pub last: u64,
    pub broken: Option<String>,
    pub lines: Vec<Line>,
    /// Read on before this entry; `None` at the beginning of the journal.
    pub older: Option<u64>,
    /// How many entries were looked at for this page.
    pub looked_at: u64,
}

/// One entry in words.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Line {
    pub seq: u64,
    pub at: Instant,
    /// Who did it.
    pub actor: String,
    /// A person did it, rather than Lifeboat.
    pub by_person: bool,
    pub kind: Kind,
    pub what: String,
    pub reason: Option<String>,
    pub operation: Option<OperationId>,
    pub hash: String,
}

impl Line {
    pub fn of(entry: &Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor.to_string(),
            by_person: !matches!(entry.actor, Actor::Lifeboat),
            kind: words::kind(&entry.event),
            what: words::in_words(&entry.event),
            reason: words::reason(&entry.event),
            operation: words::operation(&entry.event),
            hash: entry.hash.clone(),
        }
    }
}

/// What makes a line of an entry, or leaves it out.
type MakeLine<L> = Box<dyn Fn(&Entry) -> Option<L> + Send + Sync>;

/// A page in the making: entries come in batches, newest first, and those that make a line stay.
pub struct Reading<L = Line> {
    line: MakeLine<L>,
    pub(crate) lines: Vec<L>,
    /// The smallest number seen so far, or where the reading was asked to begin.
    before: Option<u64>,
    pub(crate) looked_at: u64,
    at_most: u64,
    done: bool,
}

impl Reading {
    pub const LINES: usize = 100;
    /// Entries per batch.
    pub const BATCH: u32 = 200;
    /// Without enough lines after this many entries the page ends all the same, and says where to go on.
    pub const LOOKED_AT_MOST: u64 = 5_000;

    pub fn new(before: Option<u64>, kind: Option<Kind>) -> Self {
        let wanted = move |line: &Line| kind.is_none_or(|kind| kind == line.kind);
        Self::by(before, Self::LOOKED_AT_MOST, move |entry| Some(Line::of(entry)).filter(wanted))
    }
}

impl<L> Reading<L> {
    /// `line` makes a line of an entry, or leaves it out; at most `at_most` entries are looked at.
    pub fn by(before: Option<u64>, at_most: u64, line: impl Fn(&Entry) -> Option<L> + Send + Sync + 'static) -> Self {
        Self { line: Box::new(line), lines: Vec::new(), before, looked_at: 0, at_most, done: false }
    }
    /// Where the next batch begins; `None` when the page is complete.
    pub fn next_before(&self) -> Option<Option<u64>> {
        (!self.done).then_some(self.before)
    }
    pub fn take(&mut self, batch: Vec<Entry>) {
        let at_the_beginning = batch.len() < Reading::BATCH as usize;
        for entry in batch {
            if self.lines.len() == Reading::LINES {
                self.done = true;
                return;
            }
            self.looked_at += 1;
            self.before = Some(entry.seq);
            self.lines.extend((self.line)(&entry));
        }
        self.done = at_the_beginning || self.lines.len() == Reading::LINES || self.looked_at >= self.at_most;
    }
    /// Where older entries begin; `None` at the beginning of the journal.
    pub fn older(&self) -> Option<u64> {
        self.before.filter(|before| *before > 1)
    }
}

impl JournalView {
    pub fn of(picture: &Picture, reading: Reading) -> Self {
        Self {
            now: picture.now,
            last: picture.records.seq,
            broken: picture.journal_break.clone(),
            older: reading.older(),
            lines: reading.lines,
            looked_at: reading.looked_at,
        }
    }
}
