//! Where the primary was when. A standby's lag in time is read off it: neither the age of its last commit (an idle primary
//! commits nothing, trap D17) nor the bytes it lacks say how long ago the primary wrote what the standby has not replayed.

use super::Lsn;
use crate::time::{Instant, Span};
use std::collections::VecDeque;

/// The positions at which the primary of a cluster was seen, on one timeline.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    timeline: u32,
    /// Each position with the last moment it was seen at; both only grow.
    points: VecDeque<(Instant, Lsn)>,
}

impl Trail {
    /// A standby further behind than so many samples of a busy primary has no lag by the trail.
    const LONGEST: usize = 2_048;

    /// The primary was at `position`.
    pub fn saw(&mut self, at: Instant, timeline: u32, position: Lsn) {
        if timeline < self.timeline {
            return;
        }
        // Of a clock that was set back, or a position that fell, the old points would say nonsense.
        if timeline > self.timeline || self.points.back().is_some_and(|(last, end)| at < *last || position < *end) {
            self.points.clear();
        }
        self.timeline = timeline;
        match self.points.back_mut() {
            Some((last, end)) if *end == position => *last = at,
            _ => self.points.push_back((at, position)),
        }
        if self.points.len() > Self::LONGEST {
            self.points.pop_front();
        }
    }

    /// For how long, at `at`, the primary had at most held WAL beyond `replayed`: since it was last seen to hold none. `None`
    /// where it was never seen so, or on another timeline.
    pub fn behind(&self, at: Instant, timeline: u32, replayed: Lsn) -> Option<Span> {
        let held = self.points.iter().rev().find(|(_, position)| *position <= replayed).filter(|_| timeline == self.timeline);
        held.map(|(seen, _)| Span::between(*seen, at))
    }
}
