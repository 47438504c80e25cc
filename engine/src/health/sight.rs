//! Whether an observer can see at all. To an observer whose own network is cut everything looks dead, so a failed probe is
//! evidence only beside an answer from something else: cut the observer, and nothing may fail over.

use super::{Outcome, Sample};
use crate::{
    id::ObserverId,
    time::{Instant, Span},
};
use std::collections::{BTreeMap, VecDeque};

/// The sight of every observer.
pub type Sights = BTreeMap<ObserverId, Sight>;

/// When anything answered an observer.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Without an answer for longer than this it sees nothing.
    patience: Span,
    /// When the probes that were answered were sent, oldest first, thinned out.
    answers: VecDeque<Instant>,
    /// The first failed probe since the last answer; without one, silence only means that nobody was asked.
    failing: Option<Instant>,
}

impl Sight {
    /// Answers closer together than this are one.
    const SPACING: Span = Span::from_millis(100);
    const MOST: usize = 1_200;

    /// The sight of an observer that gets an answer at least every `patience` while it and what it watches are well.
    pub fn new(patience: Span) -> Self {
        Self { patience, answers: VecDeque::new(), failing: None }
    }

    /// Takes in a sample of the observer. Gives the instant since which it sees again, where this answer ends a stretch
    /// without any: what it saw before says nothing about the world.
    pub fn take_in(&mut self, sample: &Sample) -> Option<Instant> {
        let last = self.answers.back().copied();
        if matches!(sample.outcome, Outcome::Failed(_)) {
            // A probe that was sent before the last answer says nothing about the time after it.
            if last.is_none_or(|last| sample.at > last) {
                self.failing = Some(self.failing.map_or(sample.at, |first| first.min(sample.at)));
            }
            return None;
        }
        if last.is_some_and(|last| sample.at < last + Self::SPACING.as_delta()) {
            return None;
        }
        if self.answers.len() == Self::MOST {
            self.answers.pop_front();
        }
        self.answers.push_back(sample.at);
        let failing = self.failing.take()?;
        let silent_since = last.unwrap_or(failing);
        (Span::between(silent_since, sample.at) > self.patience).then_some(sample.at)
    }

    /// The clock was set back to `now`: an answer dated later would stand before all that come.
    pub fn set_back(&mut self, now: Instant) {
        self.answers.retain(|answer| *answer <= now);
        self.failing = self.failing.filter(|first| *first <= now);
    }

    /// Whether anything answered a probe that was sent between these two instants.
    pub fn answered_between(&self, first: Instant, last: Instant) -> bool {
        let from = self.answers.partition_point(|answer| *answer < first);
        self.answers.get(from).is_some_and(|answer| *answer <= last)
    }

    /// Since when nothing has answered although it was asked; `None` while it sees.
    pub fn blind_since(&self, now: Instant) -> Option<Instant> {
        let failing = self.failing?;
        let silent_since = self.answers.back().copied().unwrap_or(failing);
        (Span::between(silent_since, now) > self.patience).then_some(silent_since)
    }
}
