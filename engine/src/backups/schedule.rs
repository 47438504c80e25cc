//! When a policy is due: real cron expressions in real time zones (trap B1). Where a clock change leaves an hour out, what was
//! to run in it runs right after; where an hour comes twice, a fixed time fires once. Not in the browser: time zones are heavy.

use super::health::Times;
use crate::{
    estate::BackupPolicy,
    time::{Instant, Span},
};
use chrono::Utc;
use chrono_tz::Tz;
use croner::Cron;
use std::str::FromStr;

/// So many coming fires are shown.
const PREVIEWED: usize = 5;
/// A scheduler that was away for long counts its missed fires up to here.
const MOST_COUNTED: usize = 1_000;

/// Why a schedule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("“{0}” is not a cron expression of five fields (minute, hour, day of month, month, day of week): {1}")]
    NotCron(String, String),
    #[error("“{0}” is not a time zone; write an IANA name, for example Europe/Berlin")]
    NotAZone(String),
}

/// A cron expression in its time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
    /// It is about the time that passes and not about a time of the day.
    every_hour: bool,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is no cron expression of five fields, and what is no time zone.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, ScheduleError> {
        let mistaken = |why: String| ScheduleError::NotCron(expression.chars().take(80).collect(), why);
        let fields = expression.split_whitespace().count();
        if fields != 5 && !expression.trim().starts_with('@') {
            return Err(mistaken(format!("it has {fields} fields")));
        }
        let cron = Cron::from_str(expression).map_err(|error| mistaken(error.to_string()))?;
        let zone = zone.parse().map_err(|_| ScheduleError::NotAZone(zone.chars().take(80).collect()))?;
        let every_hour = expression.trim() == "@hourly" || expression.split_whitespace().nth(1).is_some_and(|hours| hours.starts_with('*'));
        Ok(Self { cron, zone, every_hour })
    }

    /// The schedule of a policy.
    ///
    /// # Errors
    /// See `parse`.
    pub fn of(policy: &BackupPolicy) -> Result<Self, ScheduleError> {
        Self::parse(&policy.schedule, &policy.time_zone)
    }

    /// The first fire after `instant`; `None` where there is none any more (the 30th of February).
    pub fn next_after(&self, instant: Instant) -> Option<Instant> {
        let local = instant.with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&local, false).ok().map(|next| next.with_timezone(&Utc));
        // The library fires once in an hour that comes twice: right for a time of the day, and a run too few for what is hourly.
        let steady = || Some(self.cron.find_next_occurrence(&local.fixed_offset(), false).ok()?.with_timezone(&Utc));
        let between = steady().filter(|steady| self.every_hour && next.is_none_or(|next| *steady < next));
        between.filter(|steady| self.cron.is_time_matching(&steady.with_timezone(&self.zone)).unwrap_or(false)).or(next)
    }

    /// The last fire up to `now`, where there was one after `since`, and how many there were before it: what was missed
    /// while nobody looked is made up for by one run.
    pub fn missed(&self, since: Instant, now: Instant) -> Option<(Instant, u32)> {
        let mut fires = std::iter::successors(self.next_after(since), |fire| self.next_after(*fire)).take_while(|fire| *fire <= now);
        let mut last = fires.next()?;
        let mut before: u32 = 0;
        for fire in fires.take(MOST_COUNTED) {
            last = fire;
            before += 1;
        }
        Some((last, before))
    }

    /// When it is due. `since` is the end of the latest success, or when the policy became known.
    pub fn times(&self, since: Instant, now: Instant) -> Times {
        let due = self.next_after(since);
        let next: Vec<Instant> = std::iter::successors(self.next_after(now), |fire| self.next_after(*fire)).take(PREVIEWED).collect();
        let interval = next.windows(2).map(|pair| Span::between(pair[0], pair[1])).max();
        Times { due, due_next: due.and_then(|due| self.next_after(due)), next, interval, mistake: None }
    }
}

/// The times of a policy, or why its schedule cannot be read.
pub fn times_of(policy: &BackupPolicy, since: Instant, now: Instant) -> Times {
    match Schedule::of(policy) {
        Ok(schedule) => schedule.times(since, now),
        Err(error) => Times { mistake: Some(error.to_string()), ..Times::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }
    fn fires(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression, zone).unwrap();
        std::iter::successors(schedule.next_after(at(from)), |fire| schedule.next_after(*fire))
            .take(count)
            .map(|fire| fire.format("%m-%d %H:%M").to_string())
            .collect()
    }

    #[test]
    fn b1_cron_is_cron() {
        for (expression, expected) in [
            ("0 * * * *", ["01-05 10:00", "01-05 11:00"]),
            ("*/15 2 * * *", ["01-06 02:00", "01-06 02:15"]),
            ("0 2,14 * * *", ["01-05 14:00", "01-06 02:00"]),
            ("30 4 * * 0", ["01-11 04:30", "01-18 04:30"]),
            ("0 0 1 * *", ["02-01 00:00", "03-01 00:00"]),
            ("@daily", ["01-06 00:00", "01-07 00:00"]),
        ] {
            assert_eq!(fires(expression, "UTC", "2026-01-05T09:30:00Z", 2), expected, "{expression}");
        }
        for mistaken in ["*/0 * * * *", "", "61 * * * *", "* * * *", "0 0 2 * * *", "often"] {
            assert!(Schedule::parse(mistaken, "UTC").is_err(), "{mistaken:?} must be refused");
        }
        assert_eq!(Schedule::parse("0 2 * * *", "Mars/Olympus").unwrap_err(), ScheduleError::NotAZone("Mars/Olympus".into()));
        assert_eq!(Schedule::parse("0 0 30 2 *", "UTC").unwrap().next_after(at("2026-01-05T09:30:00Z")), None, "there is no 30th of February");
    }

    /// Europe/Berlin leaves 02:00 to 03:00 out on 2026-03-29 and has it twice on 2026-10-25.
    #[test]
    fn a_clock_change_neither_loses_nor_doubles_a_daily_run() {
        assert_eq!(fires("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3), ["03-28 01:30", "03-29 01:00", "03-30 00:30"]);
        assert_eq!(fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), ["10-25 00:30", "10-26 01:30"]);
        // What fires every hour fires in both of them.
        assert_eq!(fires("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4), ["10-25 00:00", "10-25 01:00", "10-25 02:00", "10-25 03:00"]);
    }

    #[test]
    fn what_was_missed_is_made_up_for_once() {
        let hourly = Schedule::parse("0 * * * *", "UTC").unwrap();
        assert_eq!(hourly.missed(at("2026-01-05T09:30:00Z"), at("2026-01-05T09:59:59Z")), None);
        assert_eq!(hourly.missed(at("2026-01-05T09:30:00Z"), at("2026-01-05T13:10:00Z")), Some((at("2026-01-05T13:00:00Z"), 3)));
    }
}
