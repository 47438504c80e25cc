//! What was measured against what was promised. “Not measured” is a verdict of its own and never a good one.

use super::words;
use crate::ui::state::Tone;
use engine::{
    failover::{Action, Mode, Operation, State, StepState},
    time::Span,
};
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// One measured figure beside its target.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Row {
    pub what: String,
    pub measured: Option<String>,
    pub target: Option<String>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Met,
    Breached,
    /// It may still come.
    NotYet,
    /// Nothing measured it, and nothing will.
    NotMeasured,
    /// Measured, and nothing was promised.
    NoTarget,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Breached => "BREACHED",
            Verdict::NotYet => "not measured yet",
            Verdict::NotMeasured => "not measured",
            Verdict::NoTarget => "no target",
        }
    }
    pub fn tone(self) -> Tone {
        match self {
            Verdict::Met => Tone::Ok,
            Verdict::Breached => Tone::Lost,
            Verdict::NotYet | Verdict::NotMeasured => Tone::Unknown,
            Verdict::NoTarget => Tone::Watch,
        }
    }
}

const TRANSACTIONS: &str = "Lost transactions";

/// The figures of `operation`. Empty before it has started, for a test, which keeps nobody waiting, and for a rejoin without a
/// measured divergence.
pub fn of(operation: &Operation) -> Vec<Row> {
    let (measured, recovery_time) = (&operation.measured, operation.recovery_time());
    let plan = &operation.plan;
    let missing = if operation.state.is_active() { Verdict::NotYet } else { Verdict::NotMeasured };
    let against = |value: Option<Span>, target: Option<Span>| match (value, target) {
        (None, _) => missing,
        (Some(_), None) => Verdict::NoTarget,
        (Some(value), Some(target)) if value <= target => Verdict::Met,
        (Some(_), Some(_)) => Verdict::Breached,
    };
    let mut rows = Vec::new();
    if plan.mode() == Mode::Test {
        return rows;
    }
    if !plan.kind.mends() && has_begun(operation) {
        rows.push(Row {
            what: "Recovery time".to_owned(),
            measured: recovery_time.map(words::took_in_words),
            target: plan.rto.map(|rto| format!("RTO {rto}")),
            verdict: against(recovery_time, plan.rto),
        });
    }
    // Where clients are sent moves no data, so there is none to be counted.
    if plan.traffic().is_some() {
        return rows;
    }
    if !plan.kind.mends() && has_begun(operation) {
        rows.push(Row {
            what: "Lost stretch of data".to_owned(),
            measured: measured.lost_span.map(words::took_in_words),
            target: plan.rpo.map(|rpo| format!("RPO {rpo}")),
            verdict: against(measured.lost_span, plan.rpo),
        });
    }
    let counts = [
        (TRANSACTIONS, measured.lost_transactions.map(|count| count.to_string())),
        ("Write-ahead log lost", measured.lost_bytes.map(words::bytes_in_words)),
    ];
    for (what, value) in counts {
        // A rejoin measures only where the node had gone its own way.
        if has_begun(operation) && (!plan.kind.mends() || value.is_some()) {
            // A plan that promised to lose nothing is held to it; a stated bound is no target.
            let none_promised = what == TRANSACTIONS && !plan.kind.mends() && plan.loss.is_zero();
            let verdict = match (&value, none_promised, measured.lost_transactions) {
                (None, ..) => missing,
                (Some(_), true, Some(0)) => Verdict::Met,
                (Some(_), true, _) => Verdict::Breached,
                (Some(_), false, _) => Verdict::NoTarget,
            };
            let target = none_promised.then(|| "none promised".to_owned());
            rows.push(Row { what: what.to_owned(), measured: value, target, verdict });
        }
    }
    rows
}

/// What an operation that moved the writes cost of what was committed, in a word. `None` where it moved none.
pub fn lost(operation: &Operation) -> Option<(Tone, String)> {
    let promotes = operation.plan.steps.iter().zip(&operation.steps);
    let promotes = promotes.filter(|(step, _)| matches!(step.action, Action::Promote { .. } | Action::AskPatroni { .. }));
    let promoted = promotes.into_iter().any(|(_, record)| record.state == StepState::Done);
    promoted.then(|| match operation.measured.lost_transactions {
        Some(0) => (Tone::Ok, "nothing".to_owned()),
        Some(1) => (Tone::Lost, "1 transaction".to_owned()),
        Some(count) => (Tone::Lost, format!("{count} transactions")),
        None if operation.state.is_active() => (Tone::Unknown, Verdict::NotYet.word().to_owned()),
        None => (Tone::Unknown, Verdict::NotMeasured.word().to_owned()),
    })
}

fn has_begun(operation: &Operation) -> bool {
    match operation.state {
        State::Requested | State::Approved | State::Declined | State::Cancelled | State::Void => false,
        State::Running | State::Compensating | State::InDoubt | State::Succeeded | State::Failed | State::Closed => true,
    }
}
