//! What happened in a simulation: line by line where somebody reads it, as one number where only sameness counts, and as
//! counts of what was exercised. And which laws were broken.

use engine::time::Instant;
use std::{collections::BTreeMap, fmt};

/// What must hold at every instant, whatever befalls the platform, the product and its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    OneWriter,
    ProvenFence,
    Approved,
    TestsChangeNothing,
    TruthfulSuccess,
    TruthfulFailure,
    NobodyLeftWaiting,
    NothingAfterTheEnd,
    NoLossWhereNoneWasSaid,
    SafetyRules,
    EverythingEnds,
    Journal,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Law::OneWriter => "never do two nodes acknowledge writes because of the product",
            Law::ProvenFence => "a fence that is called proven holds until its operation has ended",
            Law::Approved => "nothing is done that needs an approval and has none",
            Law::TestsChangeNothing => "a test changes nothing",
            Law::TruthfulSuccess => "what is called a success is one",
            Law::TruthfulFailure => "what is called undone is undone",
            Law::NobodyLeftWaiting => "no client is left waiting when an operation has ended",
            Law::NothingAfterTheEnd => "nothing acts for an operation that has ended",
            Law::NoLossWhereNoneWasSaid => "nothing acknowledged is lost where a loss of zero was said",
            Law::SafetyRules => "the safety rules hold whenever an operation begins",
            Law::EverythingEnds => "every step ends, and every operation with it",
            Law::Journal => "the journal is whole, and the records are what follows from it",
        })
    }
}

/// A law that was broken.
#[derive(Debug, Clone)]
pub struct Breach {
    pub law: Law,
    pub at: Instant,
    pub how: String,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Diary {
    aloud: bool,
    hash: u64,
    pub breaches: Vec<Breach>,
    pub counts: BTreeMap<String, u64>,
}

impl Diary {
    pub fn new(aloud: bool) -> Self {
        Self { aloud, hash: 0xCBF2_9CE4_8422_2325, ..Self::default() }
    }
    pub fn note(&mut self, now: Instant, line: impl FnOnce() -> String) {
        let line = line();
        // FNV-1a: enough to tell two histories apart.
        for byte in now.timestamp_millis().to_le_bytes().into_iter().chain(line.bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        if self.aloud {
            println!("{} {line}", now.format("%H:%M:%S%.3f"));
        }
    }
    pub fn count(&mut self, what: String) {
        *self.counts.entry(what).or_default() += 1;
    }
    pub fn broken(&mut self, at: Instant, law: Law, how: String) {
        self.note(at, || format!("BROKEN: {law}: {how}"));
        if !self.breaches.iter().any(|breach| breach.law == law) {
            self.breaches.push(Breach { law, at, how });
        }
    }
    /// Stands for everything that happened.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
