//! The clock of an operation against the recovery time objective: where it starts, where it stopped, and when the
//! objective is or was breached.

use engine::{
    failover::{Action, Change, Mode, Operation, OperationKind, StepState, measuring},
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// From the moment clients could not write to the first write proven through the router.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Clock {
    pub from: Instant,
    /// What happened at `from`.
    pub counts_from: String,
    /// When it stopped: the write was proven, or the operation ended without.
    pub until: Option<Instant>,
    /// Whether the stop was a proven write.
    pub proven: bool,
    pub rto: Option<Span>,
    /// What is missing meanwhile: “Without writes”.
    pub title: String,
    /// When it is proven if every step from now on takes its whole limit; absent when nothing runs.
    pub latest: Option<Instant>,
    /// When it is proven if it goes like those before; absent where nothing runs or there is nothing to go by.
    pub expected: Option<Instant>,
}

impl Clock {
    /// `None` for a rejoin and a test, which interrupt nobody, and for a switchover that has not cut anybody off yet.
    pub fn of(operation: &Operation) -> Option<Self> {
        let plan = &operation.plan;
        // A clock that was set on the way says nothing about how long anything took.
        if operation.clock_set.is_some() {
            return None;
        }
        let step =
            |wanted: fn(&Action) -> bool| plan.steps.iter().zip(&operation.steps).find(|(step, _)| wanted(&step.action)).map(|(_, record)| record);
        let closed = step(Action::begins_a_wait).and_then(|record| record.ended_at.or(record.started_at));
        let (from, counts_from) = match plan.kind {
            OperationKind::Rejoin | OperationKind::Reroute | OperationKind::Restore => return None,
            OperationKind::Switchover => (closed?, "since clients were cut off"),
            OperationKind::RegionFailover | OperationKind::Failback | OperationKind::Evacuation => match plan.outage_since {
                _ if plan.mode() == Mode::Test => return None,
                Some(since) => (since, "since the first failed probe of what is left"),
                None => (closed?, "since clients were sent elsewhere"),
            },
            OperationKind::Failover => match plan.outage_since {
                Some(since) => (since, "since the first failed probe of the primary"),
                None => (closed?, "since clients were cut off"),
            },
        };
        let proof = step(Action::proves_the_end).filter(|record| record.state == StepState::Done);
        // The measured time is the truth; before it is there, the end of the proving step stands for it.
        let measured = operation.recovery_time().map(|time| from + time.as_delta());
        let proven_at = measured.or_else(|| proof.and_then(|record| record.ended_at));
        let until = proven_at.or(operation.ended_at);
        Some(Self {
            from,
            counts_from: counts_from.to_owned(),
            until,
            proven: proven_at.is_some(),
            rto: plan.rto,
            title: match plan.change {
                Change::Database(_) => "Without writes",
                Change::Traffic(_) => "Until clients are served again",
                Change::Evacuation(_) => "Until everything is served elsewhere",
                Change::Restore(_) => "Until it can be looked at",
            }
            .to_owned(),
            latest: if until.is_none() { latest(operation) } else { None },
            expected: None,
        })
    }

    /// The same, with what earlier operations tell of its end.
    pub fn expecting(picture: &Picture, operation: &Operation) -> Option<Self> {
        let clock = Self::of(operation)?;
        let expected = || measuring::expected(operation, picture.records.operations.values(), picture.now);
        Some(Self { expected: clock.latest.and_then(|_| expected()), ..clock })
    }

    /// The same, where nobody works towards an end.
    pub fn without_an_end(self) -> Self {
        Self { latest: None, expected: None, ..self }
    }

    /// How long clients have been, or were, without writes.
    pub fn elapsed(&self, now: Instant) -> Span {
        Span::between(self.from, self.until.unwrap_or(now))
    }
    /// The moment at which the objective is breached.
    pub fn breach_at(&self) -> Option<Instant> {
        Some(self.from + self.rto?.as_delta())
    }
    /// When it ends, as far as that can be said, and what that rests on: earlier operations, or limits alone.
    pub fn ends(&self) -> Option<(&'static str, Instant)> {
        let expected = self.expected.map(|at| ("If it goes like those before,", at));
        expected.or_else(|| self.latest.map(|at| ("If every step takes its whole limit,", at)))
    }
    /// Whether that is after the objective is breached, though it is not yet.
    pub fn may_breach(&self, now: Instant) -> bool {
        !self.is_breached(now) && self.ends().zip(self.breach_at()).is_some_and(|((_, end), breach)| end > breach)
    }
    /// Elapsed in thousandths of the objective, at most 1000; `None` without an objective above zero.
    pub fn share(&self, now: Instant) -> Option<u64> {
        let rto = self.rto?.as_millis();
        (rto > 0).then(|| (self.elapsed(now).as_millis().saturating_mul(1_000) / rto).min(1_000))
    }
    pub fn is_breached(&self, now: Instant) -> bool {
        self.rto.is_some_and(|rto| self.elapsed(now) > rto)
    }
}

/// When the proving step ends if the running step and each one up to it take all the time they may.
fn latest(operation: &Operation) -> Option<Instant> {
    if !operation.state.is_running() {
        return None;
    }
    let steps = operation.plan.steps.iter().zip(&operation.steps);
    let proof = operation.plan.steps.iter().rposition(|step| step.action.ends_a_wait())?;
    let mut at = operation.steps.iter().filter_map(|record| record.ended_at).max().or(operation.started_at)?;
    for (step, record) in steps.take(proof + 1).filter(|(_, record)| !record.state.is_over()) {
        at = record.started_at.unwrap_or(at).max(at) + step.timeout.as_delta();
    }
    Some(at)
}
