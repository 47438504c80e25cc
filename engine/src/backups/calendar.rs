//! The days of a policy, one letter each, for the calendar.

use super::{Backup, BackupState, ledger::PolicyRecord};
use crate::{
    estate::BackupPolicy,
    time::{Instant, Span},
};
use std::sync::Arc;

/// How a day went, by the best that came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// A backup that was restored since.
    Restored,
    Good,
    /// Jobs failed, and none succeeded.
    Failed,
    /// A success was due and did not come.
    Late,
    /// Nothing was due, nothing is kept so long, or the policy was not there yet.
    Nothing,
}

impl Day {
    pub fn letter(self) -> char {
        match self {
            Day::Restored => 'r',
            Day::Good => 'g',
            Day::Failed => 'f',
            Day::Late => 'l',
            Day::Nothing => '-',
        }
    }
    pub fn from_letter(letter: char) -> Self {
        match letter {
            'r' => Day::Restored,
            'g' => Day::Good,
            'f' => Day::Failed,
            'l' => Day::Late,
            _ => Day::Nothing,
        }
    }
}

const DAY: Span = Span::from_mins(24 * 60);

/// The last `count` days in UTC, the present one last. `interval` is the longest time between two fires: only where that is at most a
/// day must each day have a success.
pub fn days(policy: &BackupPolicy, record: &PolicyRecord, interval: Option<Span>, count: u32, now: Instant) -> Vec<Day> {
    let today = now.date_naive();
    let daily = interval.is_some_and(|interval| interval <= DAY);
    let day = |back: u32| {
        let date = today - chrono::Days::new(u64::from(back));
        let of: Vec<&Arc<Backup>> = record.backups.iter().filter(|backup| backup.started_at.date_naive() == date).collect();
        if of.iter().any(|backup| backup.is_good() && backup.is_restorable()) {
            Day::Restored
        } else if of.iter().any(|backup| backup.is_good()) {
            Day::Good
        } else if of.iter().any(|backup| backup.state == BackupState::Failed) {
            Day::Failed
        } else {
            let begins = date.and_time(chrono::NaiveTime::MIN).and_utc();
            let is_over = back > 0;
            let was_there = record.since <= begins;
            let is_kept = now - begins < policy.retention.as_delta();
            if daily && is_over && was_there && is_kept { Day::Late } else { Day::Nothing }
        }
    };
    (0..count).rev().map(day).collect()
}
