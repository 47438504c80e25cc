//! The hourly roll-up of the history: what is old loses its order, what is very old goes. A budget keeps the file bounded
//! also when everything flaps: what is over it makes the roll-up reach for younger runs.

use super::History;
use crate::store::{
    Store,
    history::{RollUp, Rolled},
};
use engine::{
    history::{CELL, FINE, KEPT},
    time::{Instant, Span},
};
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_secs(3_600);
/// The history may fill so much of its disk.
const MOST_BYTES: u64 = 2 << 30;
/// Targets per transaction: what changes every second must not wait long.
const AT_ONCE: usize = 100;
/// How far back runs are kept as they were, and how far back at all: the first is the rule, the others follow one after the
/// other while the history is over its budget.
const STEPS: [(Span, Span); 6] = [
    (FINE, KEPT),
    (Span::from_mins(2 * 24 * 60), KEPT),
    (Span::from_mins(6 * 60), KEPT),
    (Span::from_mins(60), Span::from_mins(30 * 24 * 60)),
    (Span::from_mins(60), Span::from_mins(7 * 24 * 60)),
    (Span::from_mins(60), Span::from_mins(24 * 60)),
];

pub(super) async fn every_hour(history: Arc<History>, store: Store) {
    let mut beat = tokio::time::interval(EVERY);
    let mut done = None;
    loop {
        beat.tick().await;
        let now = chrono::Utc::now();
        match roll_up(&history, &store, now, done).await {
            Ok(rolled) => {
                done = Some(now);
                if rolled != Rolled::default() {
                    tracing::info!(merged = rolled.merged, dropped = rolled.dropped, "old history was rolled up");
                }
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "old history could not be rolled up; trying again in an hour"),
        }
    }
}

/// Rolls up as of `now`; `done` is when that was last done, if it was.
///
/// # Errors
/// Where the history cannot be read or written. What was rolled up before that stays so.
pub async fn roll_up(history: &History, store: &Store, now: Instant, done: Option<Instant>) -> anyhow::Result<Rolled> {
    roll_up_within(MOST_BYTES, history, store, now, done).await
}

/// As `roll_up`, within another budget.
///
/// # Errors
/// As `roll_up`.
pub async fn roll_up_within(most_bytes: u64, history: &History, store: &Store, now: Instant, done: Option<Instant>) -> anyhow::Result<Rolled> {
    let mut all = Rolled::default();
    for (step, (fine, kept)) in STEPS.into_iter().enumerate() {
        // A cell that was open at the end of the last roll-up is gone through again.
        let reached = done.filter(|_| step == 0).map(|done| done - fine.saturating_add(CELL).as_delta());
        let bounds = RollUp { from: reached.unwrap_or_default(), fine: now - fine.as_delta(), kept: now - kept.as_delta() };
        for targets in history.targets().chunks(AT_ONCE) {
            let rolled = store.roll_up(targets, bounds).await?;
            all.merged += rolled.merged;
            all.dropped += rolled.dropped;
        }
        let bytes = store.history_bytes().await?;
        if bytes <= most_bytes {
            break;
        }
        if step + 1 == STEPS.len() {
            tracing::error!(bytes, most_bytes, "the history of probes is over its budget after everything that can be rolled up");
        } else {
            tracing::warn!(bytes, most_bytes, "the history of probes is over its budget: younger runs are rolled up than usual");
        }
    }
    Ok(all)
}
