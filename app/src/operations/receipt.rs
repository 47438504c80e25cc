//! The receipt of what a move of writes cost: what was agreed to, by whom, and what was counted then, or why it was not yet. Made to
//! be printed and kept.

use super::words::{self, bytes_in_words};
use crate::ui::{
    state::Tone,
    time::{clock, date},
};
use engine::{
    databases::LossBound,
    failover::{Action, FenceMeans, Operation, OperationKind, Stamp, StepRecord, StepState},
    picture::Picture,
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Receipt {
    /// The result in one sentence.
    pub says: String,
    pub tone: Tone,
    /// What is on it, in order.
    pub rows: Vec<(String, String)>,
}

impl Receipt {
    /// Of a move of writes that has begun; `None` for what moves none, and for one that Patroni carries out: nobody counts there.
    pub fn of(picture: &Picture, operation: &Operation) -> Option<Self> {
        let change = operation.plan.database()?;
        let moves = matches!(operation.plan.kind, OperationKind::Switchover | OperationKind::Failover);
        let counts = operation.plan.steps.iter().any(|step| counting(&step.action));
        let by_patroni = operation.plan.steps.iter().any(|step| step.action.asks_patroni());
        if operation.started_at.is_none() || by_patroni || !(moves || counts) {
            return None;
        }
        let (source, target) = (words::node_name(&change.source), words::node_name(&change.target));
        let mut rows = vec![("Taken from, and given to".to_owned(), format!("{source}, {target}"))];
        if moves {
            rows.push(("Bound before".to_owned(), words::loss_in_words(operation.plan.kind, &operation.plan.loss)));
        }
        rows.push(("Agreed to by".to_owned(), agreed(operation)));
        let counted = counted(picture, operation);
        let (says, tone) = match &counted {
            Ok((by, record)) => {
                rows.extend(figures(by));
                let at = record.ended_at.map_or_else(String::new, in_words);
                let whose = if by.id == operation.id { "this operation".to_owned() } else { format!("the {} {}", by.plan.kind, by.id.short()) };
                rows.push(("Counted".to_owned(), format!("{at} by {whose}, in the write-ahead log on the host of {source}")));
                rows.extend(record.said.clone().map(|said| ("As it was said".to_owned(), said)));
                judged(operation, by)
            }
            Err(why) => (format!("NOT MEASURED YET, because {why}"), Tone::Unknown),
        };
        Some(Self { says, tone, rows })
    }
}

fn in_words(at: Instant) -> String {
    format!("{} {} UTC", date(at), clock(at))
}

fn counting(action: &Action) -> bool {
    matches!(action, Action::MeasureLoss { .. } | Action::CatchUp { .. } | Action::HoldsAll { .. } | Action::Fence { by: FenceMeans::ReadOnly, .. })
}

fn agreed(operation: &Operation) -> String {
    let name = |stamp: &Stamp| format!("{} at {} ({})", stamp.by, in_words(stamp.at), stamp.reason);
    let all: Vec<String> = std::iter::once(&operation.requested).chain(&operation.approvals).map(name).collect();
    all.join("; ")
}

/// The operation that counted, with the step that did: this one, else the rejoin of the node that was replaced.
fn counted<'a>(picture: &'a Picture, operation: &'a Operation) -> Result<(&'a Operation, &'a StepRecord), String> {
    let step = |of: &'a Operation| {
        let mut steps = of.plan.steps.iter().zip(&of.steps).rev();
        steps.find(|(step, record)| counting(&step.action) && record.state == StepState::Done).map(|(_, record)| (of, record))
    };
    if operation.measured.lost_bytes.is_some()
        && let Some(found) = step(operation)
    {
        return Ok(found);
    }
    let change = operation.plan.database();
    let same = |other: &&Operation| {
        let rejoined = other.plan.database().filter(|_| other.plan.kind == OperationKind::Rejoin);
        let timeline = change.and_then(|change| change.basis.timeline);
        let counts = |action: &Action| matches!(action, Action::MeasureLoss { timeline: of, .. } if Some(*of) == timeline);
        rejoined.zip(change).is_some_and(|(rejoined, change)| rejoined.cluster == change.cluster && rejoined.source == change.source)
            && other.started_at > operation.started_at
            && other.measured.lost_bytes.is_some()
            && other.plan.steps.iter().any(|step| counts(&step.action))
    };
    if let Some(found) = picture.records.operations.values().filter(same).min_by_key(|other| other.started_at).and_then(step) {
        return Ok(found);
    }
    let failed = operation.plan.steps.iter().zip(&operation.steps).find(|(step, record)| counting(&step.action) && record.state == StepState::Failed);
    let source = words::node_name(&change.and_then(|change| change.source.clone()));
    Err(match failed {
        Some((_, record)) => format!("{}. It is counted when {source} rejoins.", record.said.as_deref().unwrap_or("the step failed")),
        None if operation.state.is_active() => "the operation has not come to it.".to_owned(),
        None => format!("only the host of {source} has its log. It is counted when {source} rejoins."),
    })
}

fn figures(by: &Operation) -> Vec<(String, String)> {
    let measured = &by.measured;
    let transactions = measured.lost_transactions.map_or_else(|| "not counted".to_owned(), |count| count.to_string());
    let bytes = measured.lost_bytes.map_or_else(
        || "not counted".to_owned(),
        |bytes| match bytes {
            0..1_024 => bytes_in_words(bytes),
            _ => format!("{} ({bytes} bytes)", bytes_in_words(bytes)),
        },
    );
    let mut rows = vec![("Transactions lost".to_owned(), transactions), ("Write-ahead log lost".to_owned(), bytes)];
    if let Some((from, to)) = measured.lost_between {
        rows.push(("From and to".to_owned(), format!("{from}, {to}")));
    }
    if let Some(span) = measured.lost_span.filter(|_| measured.lost_transactions != Some(0)) {
        rows.push(("Between the first and the last commit".to_owned(), words::took_in_words(span)));
    }
    rows
}

/// What was counted against what was agreed to. Of a stretch that no sample shows nobody could know how much was written in it.
fn judged(operation: &Operation, by: &Operation) -> (String, Tone) {
    let (bytes, transactions) = (by.measured.lost_bytes.unwrap_or(0), by.measured.lost_transactions);
    if transactions == Some(0) {
        return ("No transaction was lost".to_owned(), Tone::Ok);
    }
    let lost = transactions.map_or_else(|| "Transactions".to_owned(), |count| format!("{count} transactions"));
    match operation.plan.loss {
        _ if operation.plan.kind == OperationKind::Rejoin => (format!("{lost} that the node wrote alone were taken back"), Tone::Watch),
        LossBound::Zero { .. } => (format!("{lost} were LOST, and none was to be"), Tone::Lost),
        LossBound::AtMost { bytes: most, .. } | LossBound::Open { bytes: most, .. } if bytes > most => {
            (format!("{lost} were lost: more than was known to be missing, written when nobody could look"), Tone::Act)
        }
        LossBound::AtMost { .. } | LossBound::Open { .. } => (format!("{lost} were lost, within what was known to be missing"), Tone::Watch),
        LossBound::Unknown { .. } => (format!("{lost} were lost; how many could be was not known"), Tone::Act),
    }
}
