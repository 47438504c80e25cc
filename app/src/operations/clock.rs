//! The clock of an operation against the recovery time objective: where it starts, where it stopped, and when the
//! objective is or was breached.

use engine::{
    failover::{Action, Operation, OperationKind, StepState},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// From the moment clients could not write to the first write proven through the router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    pub from: Instant,
    /// What happened at `from`.
    pub counts_from: String,
    /// When it stopped: the write was proven, or the operation ended without.
    pub until: Option<Instant>,
    /// Whether the stop was a proven write.
    pub proven: bool,
    pub rto: Option<Span>,
}

impl Clock {
    /// `None` for a rejoin, which interrupts nobody, and for a switchover that has not cut anybody off yet.
    pub fn of(operation: &Operation) -> Option<Self> {
        let plan = &operation.plan;
        let step =
            |wanted: fn(&Action) -> bool| plan.steps.iter().zip(&operation.steps).find(|(step, _)| wanted(&step.action)).map(|(_, record)| record);
        let closed = step(|action| matches!(action, Action::CloseRoute { .. })).and_then(|record| record.ended_at.or(record.started_at));
        let (from, counts_from) = match plan.kind {
            OperationKind::Rejoin => return None,
            OperationKind::Switchover => (closed?, "since clients were cut off"),
            OperationKind::Failover => match plan.outage_since {
                Some(since) => (since, "since the first failed probe of the primary"),
                None => (closed?, "since clients were cut off"),
            },
        };
        let proof = step(|action| matches!(action, Action::ProveWrite { .. })).filter(|record| record.state == StepState::Done);
        // The measured time is the truth; before it is there, the end of the proving step stands for it.
        let measured = operation.measured.recovery_time.map(|time| from + time.as_delta());
        let proven_at = measured.or_else(|| proof.and_then(|record| record.ended_at));
        Some(Self { from, counts_from: counts_from.to_owned(), until: proven_at.or(operation.ended_at), proven: proven_at.is_some(), rto: plan.rto })
    }

    /// How long clients have been, or were, without writes.
    pub fn elapsed(&self, now: Instant) -> Span {
        Span::between(self.from, self.until.unwrap_or(now))
    }
    /// The moment at which the objective is breached.
    pub fn breach_at(&self) -> Option<Instant> {
        Some(self.from + self.rto?.as_delta())
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
