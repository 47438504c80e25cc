//! The roll-up: what is old keeps its counts and loses its order, where that saves anything.

use super::{CELL, Stretch};
use crate::time::{Instant, Span};

/// Puts stretches that lie within one cell, and follow each other without a gap longer than `silence`, together. A run that
/// reaches over the end of its cell stays as it is: it takes as little space as a cell, and says more. No count is changed,
/// no gap is closed, and doing it again changes nothing.
pub fn coarsen(stretches: Vec<Stretch>, silence: Span) -> Vec<Stretch> {
    let mut coarse: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for next in stretches {
        let together = |before: &&mut Stretch| {
            let one_cell = cell(before.first) == cell(next.last) && before.last <= next.first;
            one_cell && Span::between(before.last, next.first) <= silence
        };
        match coarse.last_mut().filter(together) {
            Some(before) => absorb(before, next),
            None => coarse.push(next),
        }
    }
    coarse
}

/// The number of the cell that an instant lies in.
fn cell(at: Instant) -> i64 {
    at.timestamp_millis().div_euclid(i64::try_from(CELL.as_millis()).unwrap_or(i64::MAX))
}

fn absorb(before: &mut Stretch, next: Stretch) {
    before.last = next.last;
    before.good = before.good.saturating_add(next.good);
    before.complained = before.complained.saturating_add(next.complained);
    before.failed = before.failed.saturating_add(next.failed);
    before.worst = before.worst.max(next.worst);
    let latest = next.said_last.or(next.said);
    if before.said.is_none() {
        before.said = latest;
    } else if latest.is_some() {
        before.said_last = latest.filter(|said| Some(said) != before.said.as_ref());
    }
}
