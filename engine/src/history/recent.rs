//! The last hour of a target in thirty marks, kept up with every sample: what a sparkline is drawn from, without asking a
//! disk. A mark says the worst that was seen in its two minutes; where nobody looked it is a gap, and never good.

use super::{Kind, Stretch};
use crate::time::{Instant, Span};
use serde::{Deserialize, Serialize};

/// What was seen in one part of the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mark {
    Good,
    /// It answered, and complained at least once.
    Complaint,
    /// Some rounds failed, others did not.
    SomeFailed,
    AllFailed,
    /// Nobody looked, or not all the time.
    Gap,
}

impl Mark {
    /// One letter, so that an hour is a short word.
    pub fn letter(self) -> char {
        match self {
            Mark::Good => 'g',
            Mark::Complaint => 'c',
            Mark::SomeFailed => 'f',
            Mark::AllFailed => 'F',
            Mark::Gap => '-',
        }
    }
    /// What a letter stands for. Any other letter is a gap: what cannot be read is not known.
    pub fn from_letter(letter: char) -> Self {
        match letter {
            'g' => Mark::Good,
            'c' => Mark::Complaint,
            'f' => Mark::SomeFailed,
            'F' => Mark::AllFailed,
            _ => Mark::Gap,
        }
    }
}

const GOOD: u8 = 1;
const COMPLAINT: u8 = 2;
const FAILED: u8 = 4;
const GAP: u8 = 8;
/// One more than is shown: the newest may have just begun.
const KEPT: usize = Recent::MARKS + 1;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    /// What was seen, per part; a part's place is its number modulo their count.
    seen: [u8; KEPT],
    first: Option<Instant>,
    last: Option<Instant>,
    silence: Span,
}

impl Recent {
    pub const MARKS: usize = 30;
    pub const PART: Span = Span::from_mins(2);

    /// From what is recorded.
    pub fn of(stretches: &[Stretch], silence: Span) -> Self {
        let mut recent = Self::default();
        for stretch in stretches {
            // Rounds of one stretch lie closer together than its silence, so two to a part are enough to fill it.
            let parts = Span::between(stretch.first, stretch.last).as_millis() / Self::PART.as_millis() + 1;
            let step = (u64::from(stretch.rounds()) / (2 * parts)).max(1);
            for round in (0..stretch.rounds()).step_by(usize::try_from(step).unwrap_or(1)).chain([stretch.rounds().saturating_sub(1)]) {
                let sample = stretch.round(round);
                let bits = match stretch.kind() {
                    Some(kind) => bit(kind),
                    None => [(stretch.good, GOOD), (stretch.complained, COMPLAINT), (stretch.failed, FAILED)]
                        .into_iter()
                        .filter(|(count, _)| *count > 0)
                        .fold(0, |bits, (_, bit)| bits | bit),
                };
                recent.see(bits, sample.at, silence, step);
            }
        }
        recent
    }

    /// Takes in one round. What is older than the newest changes nothing.
    pub fn push(&mut self, kind: Kind, at: Instant, silence: Span) {
        self.see(bit(kind), at, silence, 1);
    }

    /// `steps` rounds lie between two that are given.
    fn see(&mut self, bits: u8, at: Instant, silence: Span, steps: u64) {
        self.silence = silence;
        let part = number(at);
        match self.last {
            Some(last) if at < last && Span::between(at, last) <= silence => return,
            Some(last) if at >= last => {
                let patience = silence.times(u32::try_from(steps).unwrap_or(u32::MAX));
                let between = if Span::between(last, at) > patience { GAP } else { bits };
                self.clear(number(last) + 1, part);
                if between == GAP {
                    self.mark(number(last), part, GAP);
                } else {
                    self.mark(number(last) + 1, part, bits);
                }
            }
            // The first one, or the clock was set back: everything before it is not known.
            _ => {
                *self = Self { silence, first: Some(at), ..Self::default() };
            }
        }
        self.mark(part, part, bits);
        self.last = Some(at);
    }

    /// What was recorded before the first of these rounds, with these after it.
    #[must_use]
    pub fn followed_by(mut self, later: &Recent) -> Self {
        let (Some(first), Some(last)) = (later.first, later.last) else { return self };
        let oldest = number(last) - (KEPT as i64 - 1);
        match self.last {
            Some(before) if before <= first => {
                self.clear(number(before) + 1, number(last));
                if Span::between(before, first) > later.silence {
                    self.mark(number(before).max(oldest), number(first), GAP);
                }
            }
            Some(_) => return later.clone(),
            None => self.first = Some(first),
        }
        for part in number(first).max(oldest)..=number(last) {
            self.seen[place(part)] |= later.seen[place(part)];
        }
        Self { last: Some(last), silence: later.silence, ..self }
    }

    /// The marks as of `now`, oldest first, over what several observers saw: the worst that any of them saw, and a gap only
    /// where all of them had one.
    pub fn marks(of: &[&Recent], now: Instant) -> Vec<Mark> {
        // The part that began a moment ago may have had no round yet: it is not shown before one was due.
        let is_silent = |recent: &Recent| recent.last.is_none_or(|last| Span::between(last, now) > recent.silence);
        let newest = of.iter().filter(|recent| !is_silent(recent)).filter_map(|recent| recent.last).map(number).max().unwrap_or_else(|| number(now));
        let marks = (0..Self::MARKS as i64).rev().map(|back| newest - back);
        marks
            .map(|part| {
                let seen = of.iter().map(|recent| recent.seen_in(part, is_silent(recent)));
                let (all, gaps) = seen.fold((0, GAP), |(all, gaps), seen| (all | seen, gaps & if seen == 0 { GAP } else { seen }));
                mark((all & !GAP) | (gaps & GAP))
            })
            .collect()
    }

    fn seen_in(&self, part: i64, is_silent: bool) -> u8 {
        let (Some(first), Some(last)) = (self.first, self.last) else { return 0 };
        let newest = number(last);
        if part > newest || part < number(first) || part <= newest - KEPT as i64 {
            return 0;
        }
        self.seen[place(part)] | if is_silent && part == newest { GAP } else { 0 }
    }

    fn clear(&mut self, from: i64, to: i64) {
        for part in from.max(to - (KEPT as i64 - 1))..=to {
            self.seen[place(part)] = 0;
        }
    }
    fn mark(&mut self, from: i64, to: i64, bits: u8) {
        for part in from.max(to - (KEPT as i64 - 1))..=to {
            self.seen[place(part)] |= bits;
        }
    }
}

fn mark(seen: u8) -> Mark {
    match seen {
        seen if seen & FAILED != 0 && seen & (GOOD | COMPLAINT) != 0 => Mark::SomeFailed,
        seen if seen & FAILED != 0 => Mark::AllFailed,
        seen if seen & COMPLAINT != 0 => Mark::Complaint,
        GOOD => Mark::Good,
        _ => Mark::Gap,
    }
}

fn bit(kind: Kind) -> u8 {
    match kind {
        Kind::Good => GOOD,
        Kind::Complaint => COMPLAINT,
        Kind::Failed => FAILED,
    }
}

/// The number of the part that an instant lies in.
fn number(at: Instant) -> i64 {
    at.timestamp_millis().div_euclid(i64::try_from(Recent::PART.as_millis()).unwrap_or(i64::MAX))
}

fn place(part: i64) -> usize {
    usize::try_from(part.rem_euclid(KEPT as i64)).unwrap_or(0)
}
