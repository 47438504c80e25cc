//! What is told to monitoring of an operation. Nothing here holds anything up: each call is over within the time of its step.

use super::needs::Done;
use crate::{
    connect::alertmanager::{Alertmanager, Note, Silencing},
    connections::Connections,
    desk::Desk,
};
use anyhow::{Context, bail};
use engine::{
    failover::{Action, Mode, Operation, OperationKind, StepState},
    id::{MonitoringId, ServiceId},
    picture::Picture,
    time::Span,
};
use std::collections::BTreeSet;

/// For how long a note stands among the alerts.
const NOTED: Span = Span::from_mins(15);

/// Carries out an action that only tells; all monitoring it names is told at once.
pub(super) async fn tell(desk: &Desk, connections: &Connections, action: &Action, operation: &Operation, timeout: Span) -> anyhow::Result<Done> {
    let picture = desk.picture();
    if let Some(said) = covered(&picture, action, operation)? {
        return Ok(Done::because(said));
    }
    // Over before the step is, so that it can say who did not answer.
    let patience = timeout.as_std() * 9 / 10;
    let telling = monitoring_of(action).iter().map(|id| async move {
        let told = async { one(connections.monitoring.get(id).context("it is not declared any more")?, action, operation).await };
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(said)) => Ok(format!("{id}: {}", said.unwrap_or_else(|| "it is not told of these services".to_owned()))),
            Ok(Err(error)) => Err(format!("{id}: {error:#}")),
            Err(_) => Err(format!("{id}: no answer within {} ms; whether it took effect is not known", patience.as_millis())),
        }
    });
    let (well, bad): (Vec<_>, Vec<_>) = futures::future::join_all(telling).await.into_iter().partition(Result::is_ok);
    let words = |told: Vec<Result<String, String>>| told.into_iter().map(|told| told.unwrap_or_else(|why| why)).collect::<Vec<_>>();
    let (well, bad) = (words(well), words(bad));
    if bad.is_empty() {
        return Ok(Done::because(well.join("; ")));
    }
    let rest = if well.is_empty() { String::new() } else { format!(". The others: {}", well.join("; ")) };
    bail!("{}{rest}", bad.join("; "))
}

async fn one(monitoring: &Alertmanager, action: &Action, operation: &Operation) -> anyhow::Result<Option<String>> {
    match action {
        Action::SilenceAlerts { services, regions, lasts, .. } => {
            let ends = chrono::Utc::now() + lasts.as_delta();
            monitoring.silence(&Silencing { operation: operation.id, services, regions }, ends, &comment(operation)).await
        }
        Action::EndSilence { .. } => match silenced(operation) {
            Some(what) => monitoring.end_silence(&what).await,
            None => Ok(Some("this operation silences nothing".to_owned())),
        },
        Action::Annotate { .. } => monitoring.annotate(operation.id, &about(operation), &note(operation)).await,
        Action::RehearseMonitoring { services, regions, .. } => monitoring.rehearse(&Silencing { operation: operation.id, services, regions }).await,
        _ => bail!("an action that does more than tell"),
    }
}

fn monitoring_of(action: &Action) -> &BTreeSet<MonitoringId> {
    static NONE: BTreeSet<MonitoringId> = BTreeSet::new();
    match action {
        Action::SilenceAlerts { monitoring, .. }
        | Action::EndSilence { monitoring }
        | Action::Annotate { monitoring }
        | Action::RehearseMonitoring { monitoring, .. } => monitoring,
        _ => &NONE,
    }
}

/// What an operation silences.
fn silenced(operation: &Operation) -> Option<Silencing<'_>> {
    operation.plan.steps.iter().find_map(|step| match &step.action {
        Action::SilenceAlerts { services, regions, .. } => Some(Silencing { operation: operation.id, services, regions }),
        _ => None,
    })
}

/// A part of an evacuation relies on the silence of the whole: its clients wait, and one silence is enough. Where that could not
/// be made, a second try would only take time.
fn covered(picture: &Picture, action: &Action, operation: &Operation) -> anyhow::Result<Option<String>> {
    let silences = matches!(action, Action::SilenceAlerts { .. } | Action::EndSilence { .. });
    let Some(whole) = operation.parent.filter(|_| silences).and_then(|whole| picture.operation(&whole)) else { return Ok(None) };
    let (Some(of_whole), Some(own)) = (silenced(whole), silenced(operation)) else { return Ok(None) };
    if !own.services.is_subset(of_whole.services) || !own.regions.is_subset(of_whole.regions) {
        return Ok(None);
    }
    let mut steps = whole.plan.steps.iter().zip(&whole.steps);
    let made = steps.any(|(step, record)| matches!(step.action, Action::SilenceAlerts { .. }) && record.state == StepState::Done);
    let name = format!("the evacuation {}", whole.id.short());
    match action {
        Action::SilenceAlerts { .. } if !made => bail!("{name}, of which this is a part, could not silence them; it is not tried again"),
        Action::SilenceAlerts { .. } => Ok(Some(format!("the silence of {name}, of which this is a part, covers it"))),
        _ => Ok(Some(format!("the silence ends with {name}"))),
    }
}

/// The services an operation is about.
fn about(operation: &Operation) -> BTreeSet<ServiceId> {
    match operation.plan.traffic() {
        Some(change) => BTreeSet::from([change.service.clone()]),
        // The first one affected by a database is its own; of an evacuation they are its members.
        None if operation.plan.evacuation().is_some() => operation.plan.affected.iter().cloned().collect(),
        None => operation.plan.affected.first().cloned().into_iter().collect(),
    }
}

/// What an operation does, in the words of its journal entries.
fn summary(operation: &Operation) -> String {
    let plan = &operation.plan;
    let simulated = if plan.is_simulated() { "SIMULATED: " } else { "" };
    let way = |word: &str, name: Option<String>| name.map(|name| format!(" {word} {name}")).unwrap_or_default();
    let (from, to) = match plan.kind {
        // Its source is its scope.
        OperationKind::Evacuation => (String::new(), String::new()),
        _ => (way("from", plan.source_in_words()), way("to", plan.target_in_words())),
    };
    let mode = if operation.mode() == Mode::Emergency { ", an emergency" } else { "" };
    format!("{simulated}{} of {}{from}{to}{mode}", plan.kind, plan.scope().name())
}

/// Who stands behind it.
fn people(operation: &Operation) -> String {
    match &operation.approved {
        Some(approved) => format!("requested by {}, approved by {}", operation.requested.by, approved.by),
        None => format!("requested by {}, no approval needed", operation.requested.by),
    }
}

fn comment(operation: &Operation) -> String {
    format!("Lifeboat: {}; {}. It ends with the operation.", summary(operation), people(operation))
}

fn note(operation: &Operation) -> Note {
    let plan = &operation.plan;
    let label = |name: &str, value: String| (name.to_owned(), value);
    let mut labels = vec![
        label("alertname", "LifeboatOperation".to_owned()),
        label("severity", "info".to_owned()),
        label("operation", operation.id.to_string()),
        label("kind", plan.kind.to_string()),
        label("mode", operation.mode().to_string()),
        label("scope", plan.scope().to_string()),
    ];
    labels.extend(plan.source_in_words().map(|from| label("from", from)));
    labels.extend(plan.target_in_words().map(|to| label("to", to)));
    if plan.is_simulated() {
        labels.push(label("simulated", "true".to_owned()));
    }
    let time = operation.measured.recovery_time.map(|time| format!(", recovery time {}", time.rough())).unwrap_or_default();
    let outcome = match (plan.evacuation(), operation.left_behind(), operation.is_proven()) {
        (Some(_), true, _) => "NOT all of its members were moved".to_owned(),
        (Some(_), false, _) => "Its members were moved".to_owned(),
        (None, _, true) => format!("Proven{time}"),
        (None, _, false) => "NOT proven".to_owned(),
    };
    let short = match operation.shortfalls().count() {
        0 => String::new(),
        count => format!(" {count} of its steps failed or were left out."),
    };
    let now = chrono::Utc::now();
    Note {
        labels,
        summary: summary(operation),
        description: format!("{outcome}.{short} It was {}.", people(operation)),
        starts_at: operation.started_at.unwrap_or(now),
        ends_at: now + NOTED.as_delta(),
    }
}
