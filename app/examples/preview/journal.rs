//! A made-up journal: events sealed one after another, as the real one is.

use engine::{
    id::AccountName,
    journal::{
        Actor, Entry, Event, Records,
        chain::{GENESIS, Walk, seal},
    },
    time::{Instant, Span},
};

/// Entries and what follows from them.
pub struct Book {
    pub entries: Vec<Entry>,
    pub records: Records,
    walk: Walk,
    at: Instant,
}

impl Book {
    pub fn new(at: Instant) -> Self {
        Self { entries: Vec::new(), records: Records::default(), walk: Walk::default(), at }
    }
    pub fn wait(&mut self, span: Span) -> &mut Self {
        self.at += span.as_delta();
        self
    }
    pub fn lifeboat(&mut self, event: Event) -> &mut Self {
        self.write(Actor::Lifeboat, event)
    }
    pub fn person(&mut self, name: &str, event: Event) -> &mut Self {
        let name: AccountName = name.parse().unwrap();
        self.write(Actor::Person(name), event)
    }
    pub fn shell(&mut self, event: Event) -> &mut Self {
        self.write(Actor::CommandLine("root".to_owned()), event)
    }
    fn write(&mut self, actor: Actor, event: Event) -> &mut Self {
        let previous = self.entries.last().map_or(GENESIS, |entry| &entry.hash);
        let stored = seal(self.entries.len() as u64 + 1, self.at, &actor, &event, previous).unwrap();
        let entry = self.walk.step(&stored).unwrap();
        self.records.apply(&entry).unwrap();
        self.entries.push(entry);
        self
    }
}
