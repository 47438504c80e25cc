//! Whether the clock of this machine goes with time: two readings of it are compared with what a clock that nobody can set
//! says of the time between them.

use engine::{
    journal::Event,
    time::{Instant, Span},
};

/// Clocks are slewed by less than this between two looks; more is a jump.
const TOLERANCE: Span = Span::from_secs(1);

/// The last look at both clocks.
pub(super) struct Clock {
    wall: Instant,
    steady: std::time::Instant,
}

impl Clock {
    pub(super) fn at(wall: Instant, steady: std::time::Instant) -> Self {
        Self { wall, steady }
    }

    /// Looks again: what is to be recorded, where the wall clock went another way than time since the last look. It was set,
    /// or the machine stood still, which stops the steady clock and not the other.
    pub(super) fn look(&mut self, wall: Instant, steady: std::time::Instant) -> Option<Event> {
        let passed = steady.saturating_duration_since(self.steady);
        // Time between two looks is far below what does not fit.
        let from = self.wall + chrono::TimeDelta::from_std(passed).unwrap_or_default();
        *self = Self { wall, steady };
        let apart = Span::between(from, wall).max(Span::between(wall, from));
        (apart > TOLERANCE).then_some(Event::ClockJumped { from: cut(from), to: cut(wall) })
    }
}

/// To the milliseconds that the journal keeps.
fn cut(at: Instant) -> Instant {
    chrono::DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn jumped(wall_millis: i64, steady_millis: u64) -> Option<(i64, i64)> {
        let (wall, steady) = (chrono::DateTime::from_timestamp_millis(1_800_000_000_000).unwrap(), std::time::Instant::now());
        let mut clock = Clock::at(wall, steady);
        let event = clock.look(wall + chrono::TimeDelta::milliseconds(wall_millis), steady + Duration::from_millis(steady_millis));
        let since = |at: Instant| (at - wall).num_milliseconds();
        event.map(|event| match event {
            Event::ClockJumped { from, to } => (since(from), since(to)),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn d17_a_clock_that_is_set_is_told_from_time_that_passes() {
        assert_eq!(jumped(250, 250), None);
        assert_eq!(jumped(60_000, 60_000), None, "however long nobody looked");
        assert_eq!(jumped(1_100, 250), None, "slewed, or read a moment apart");
        assert_eq!(jumped(3_600_250, 250), Some((250, 3_600_250)), "set forward");
        assert_eq!(jumped(-3_600_000, 250), Some((250, -3_600_000)), "set back");
    }

    #[test]
    fn a_jump_is_told_once() {
        let (wall, steady) = (chrono::DateTime::from_timestamp_millis(1_800_000_000_000).unwrap(), std::time::Instant::now());
        let mut clock = Clock::at(wall, steady);
        let later = wall + chrono::TimeDelta::hours(1);
        assert!(clock.look(later, steady).is_some());
        assert!(clock.look(later + chrono::TimeDelta::milliseconds(250), steady + Duration::from_millis(250)).is_none());
    }
}
