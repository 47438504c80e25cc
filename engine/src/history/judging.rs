//! Recorded rounds given to the judge again, as they came in then.

use super::{Stretch, Track};
use crate::{
    estate::Detection,
    health::{Judgement, Sample, Series},
    time::{Instant, Span},
};

/// The verdict that the rule gives as of `at` from what is recorded, with the rounds behind it.
pub fn verdict_at(track: &Track, rule: &Detection, at: Instant) -> (Judgement, Vec<Sample>) {
    let mut judging = Judging::new(*rule);
    for stretch in track.stretches.iter().take_while(|stretch| stretch.first <= at) {
        judging.take_in(stretch, at, &mut |_, _| ());
    }
    let judgement = judging.series.judge(rule, judging.now.map_or(at, |now| now.max(at))).clone();
    (judgement, track.before(at, rule.samples as usize))
}

/// When the verdict on one track became another one, or turned out to have begun earlier, up to `until`.
pub(super) fn turns(stretches: &[Stretch], rule: &Detection, until: Instant) -> Vec<(Instant, Judgement)> {
    let mut turns = Vec::new();
    let mut judging = Judging::new(*rule);
    for stretch in stretches.iter().take_while(|stretch| stretch.first <= until) {
        judging.take_in(stretch, until, &mut |judgement, now| turn(&mut turns, now, judgement));
    }
    judging.silence_until(until, &mut |judgement, now| turn(&mut turns, now, judgement));
    turns
}

/// Adds a verdict to those before it, where it differs from the last.
pub(super) fn turn(turns: &mut Vec<(Instant, Judgement)>, now: Instant, judgement: &Judgement) {
    let is_known = turns.last().is_some_and(|(_, last)| last.health == judgement.health && last.since == judgement.since);
    if !is_known {
        turns.push((now, judgement.clone()));
    }
}

/// A series that is fed from stretches and judged as it would have been then: at every round once its answer was there, and
/// when silence had lasted too long.
struct Judging {
    rule: Detection,
    series: Series,
    last: Option<Instant>,
    now: Option<Instant>,
}

impl Judging {
    fn new(rule: Detection) -> Self {
        Self { rule, series: Series::default(), last: None, now: None }
    }

    fn take_in(&mut self, stretch: &Stretch, until: Instant, look: &mut impl FnMut(&Judgement, Instant)) {
        let (rounds, longest) = (stretch.rounds_until(until), u32::try_from(Series::LONGEST).unwrap_or(u32::MAX));
        // Once the series holds nothing but rounds of one kind at one pace, one more of them changes no verdict. So the middle
        // of a long run is left out, and its end is put in before it is judged again.
        let skips = stretch.kind().is_some() && rounds > longest.saturating_mul(2);
        let resumes = rounds.saturating_sub(longest);
        for round in (0..rounds).filter(|round| !skips || *round < longest || *round >= resumes) {
            let sample = stretch.round(round);
            let fills = skips && round >= resumes && round + 1 < rounds;
            if round == 0 {
                self.silence_until(sample.at, look);
            }
            let now = (sample.at + sample.took.as_delta()).max(self.now.unwrap_or(sample.at));
            self.last = Some(sample.at);
            self.series.push(sample);
            if !fills {
                self.judge(now, look);
            }
        }
    }

    /// Judges at the moment at which silence had lasted too long, where it had before `until`.
    fn silence_until(&mut self, until: Instant, look: &mut impl FnMut(&Judgement, Instant)) {
        let Some(last) = self.last else { return };
        let silent = last + self.rule.silence().saturating_add(Span::from_millis(1)).as_delta();
        if silent <= until {
            self.judge(silent.max(self.now.unwrap_or(silent)), look);
        }
    }

    fn judge(&mut self, now: Instant, look: &mut impl FnMut(&Judgement, Instant)) {
        self.now = Some(now);
        look(self.series.judge(&self.rule, now), now);
    }
}
