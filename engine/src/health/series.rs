//! The recent samples of one probed thing with the verdict over them: what a prober pushes into and asks.

use super::{Health, Judgement, Outcome, Sample, judge, judging::is_from_the_future};
use crate::{
    estate::Detection,
    time::{Instant, Span},
};

/// A bounded series of samples, in order of time whatever the order of arrival.
#[derive(Debug, Clone)]
pub struct Series {
    samples: Vec<Sample>,
    judgement: Judgement,
    /// When the health last changed, newest last; at most `FLAPS` are kept.
    changes: Vec<Instant>,
}

impl Default for Series {
    fn default() -> Self {
        Self { samples: Vec::new(), judgement: Judgement::never_measured(), changes: Vec::new() }
    }
}

impl Series {
    /// The most samples kept: twice what the longest rule can ask for, and then some.
    pub const LONGEST: usize = 2 * Detection::MOST_ROUNDS as usize + 8;
    /// This many changes of health in a short time are flapping (row 37).
    pub const FLAPS: usize = 4;

    /// Takes in a sample. One of the same instant as another is the same round, and the worse of the two is kept; one that
    /// comes late is put where it belongs; the oldest goes where there are too many.
    pub fn push(&mut self, sample: Sample) {
        let at = self.samples.partition_point(|known| known.at < sample.at);
        match self.samples.get_mut(at).filter(|known| known.at == sample.at) {
            Some(known) => {
                if sample.outcome.badness() > known.outcome.badness() {
                    *known = sample;
                }
            }
            None => self.samples.insert(at, sample),
        }
        if self.samples.len() > Self::LONGEST {
            self.samples.remove(0);
        }
    }

    /// The verdict as of `now`, which is remembered as what is believed.
    pub fn judge(&mut self, rule: &Detection, now: Instant) -> &Judgement {
        // After the clock was set back, old samples would stand before all new ones until it has caught up.
        self.samples.retain(|sample| !is_from_the_future(sample, rule, now));
        let next = judge(&self.judgement, &self.samples, rule, now);
        if next.health != self.judgement.health {
            if self.changes.len() == Self::FLAPS {
                self.changes.remove(0);
            }
            self.changes.push(now);
        }
        self.judgement = next;
        &self.judgement
    }

    /// The last verdict that was asked for.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }
    /// The newest sample.
    pub fn last(&self) -> Option<&Sample> {
        self.samples.last()
    }
    pub fn len(&self) -> usize {
        self.samples.len()
    }
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
    /// Whether the health changed `FLAPS` times within ten windows of the rule.
    pub fn is_flapping(&self, rule: &Detection, now: Instant) -> bool {
        let first = self.changes.first().filter(|_| self.changes.len() == Self::FLAPS);
        first.is_some_and(|first| Span::between(*first, now) <= rule.window().times(10))
    }
}

impl Sample {
    /// Whether the probe got an answer without a complaint.
    pub fn is_good(&self) -> bool {
        self.outcome == Outcome::Good
    }
}

impl Judgement {
    pub fn is_ok(&self) -> bool {
        self.health == Health::Ok
    }
}
