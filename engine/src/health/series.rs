//! The recent samples of one probed thing with the verdict over them: what a prober pushes into and asks.

use super::{Health, Judgement, Outcome, Sample, judge, judging::is_from_the_future};
use crate::{estate::Detection, time::Instant};

/// A bounded series of samples, in order of time whatever the order of arrival.
#[derive(Debug, Clone)]
pub struct Series {
    samples: Vec<Sample>,
    judgement: Judgement,
}

impl Default for Series {
    fn default() -> Self {
        Self { samples: Vec::new(), judgement: Judgement::never_measured() }
    }
}

impl Series {
    /// The most samples kept before they are judged: what is kept under the longest rule.
    pub const LONGEST: usize = 2 * Detection::MOST_ROUNDS as usize + 8;

    /// So many samples are kept under a rule: twice what it can ask for, and then some.
    pub fn kept(rule: &Detection) -> usize {
        2 * rule.samples.max(rule.recoveries) as usize + 8
    }

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
        self.judgement = judge(&self.judgement, &self.samples, rule, now);
        let surplus = self.samples.len().saturating_sub(Self::kept(rule));
        self.samples.drain(..surplus);
        &self.judgement
    }

    /// The clock was set back to `now`: what is dated later can be compared with nothing from here on. What was believed stays
    /// believed, and did not begin later than now.
    pub fn set_back(&mut self, now: Instant) {
        self.samples.retain(|sample| sample.at <= now);
        self.judgement.since = self.judgement.since.map(|since| since.min(now));
    }

    /// Forgets what was seen before `since`, and the verdict that rests on it.
    pub fn forget_before(&mut self, since: Instant) {
        self.samples.retain(|sample| sample.at >= since);
        self.judgement = Judgement::never_measured();
    }
    /// When the newest failed probe was sent.
    pub fn last_failure(&self) -> Option<Instant> {
        self.samples.iter().rev().find(|sample| sample.outcome.is_failure()).map(|sample| sample.at)
    }

    /// How many of the last `samples` rounds failed, and when the first of them was; zero rounds give `None`.
    pub fn failing(&self, rule: &Detection) -> Option<(u32, Instant)> {
        let recent = &self.samples[self.samples.len().saturating_sub(rule.samples as usize)..];
        let mut failed = recent.iter().filter(|sample| sample.outcome.is_failure());
        let first = failed.next()?;
        Some((1 + u32::try_from(failed.count()).unwrap_or(u32::MAX - 1), first.at))
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
