//! Every event in a sentence a person can read aloud. One match without a catch-all: a new kind of event does not
//! compile until somebody has found words for it.

use engine::{
    failover::StepState,
    id::OperationId,
    journal::{Event, Subject},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an event is about, for the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Operations,
    Databases,
    Health,
    People,
    Refusals,
    Server,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Operations, Kind::Databases, Kind::Health, Kind::People, Kind::Refusals, Kind::Server];
    /// In the URL and on the page.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Operations => "operations",
            Kind::Databases => "databases",
            Kind::Health => "health",
            Kind::People => "people",
            Kind::Refusals => "refusals",
            Kind::Server => "server",
        }
    }
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

pub fn kind(event: &Event) -> Kind {
    match event {
        Event::ServerStarted { .. } | Event::EstateLoaded { .. } => Kind::Server,
        Event::SignedIn { .. }
        | Event::SignInFailed { .. }
        | Event::SignedOut { .. }
        | Event::AccountAdded { .. }
        | Event::RolesSet { .. }
        | Event::AccountDisabled { .. }
        | Event::PasswordReset { .. } => Kind::People,
        Event::Refused { .. } => Kind::Refusals,
        Event::HealthChanged { .. } => Kind::Health,
        Event::PrimaryObserved { .. }
        | Event::SplitBrainObserved { .. }
        | Event::SplitBrainEnded { .. }
        | Event::ExposureBegan { .. }
        | Event::ExposureEnded { .. } => Kind::Databases,
        Event::OperationRequested { .. }
        | Event::OperationApproved { .. }
        | Event::OperationDeclined { .. }
        | Event::OperationCancelled { .. }
        | Event::OperationVoided { .. }
        | Event::OperationStarted { .. }
        | Event::StepStarted { .. }
        | Event::StepEnded { .. }
        | Event::UndoStarted { .. }
        | Event::OperationCompensating { .. }
        | Event::OperationMeasured { .. }
        | Event::OperationSucceeded { .. }
        | Event::OperationFailed { .. }
        | Event::OperationInDoubt { .. }
        | Event::OperationResumed { .. }
        | Event::OperationClosed { .. } => Kind::Operations,
    }
}

/// What happened, as a sentence without its full stop. Who did it stands beside it.
pub fn in_words(event: &Event) -> String {
    match event {
        Event::ServerStarted { version } => format!("The server started, version {version}"),
        Event::EstateLoaded { name, services, clusters, sha256 } => {
            let short: String = sha256.chars().take(8).collect();
            format!("The estate “{name}” was read: {services} services, {clusters} database clusters (SHA-256 {short}…)")
        }
        Event::SignedIn { name } => format!("{name} signed in"),
        Event::SignInFailed { name: Some(name) } => format!("Somebody failed to sign in as {name}"),
        Event::SignInFailed { name: None } => "Somebody failed to sign in with a name that no account has".to_owned(),
        Event::SignedOut { name } => format!("{name} signed out"),
        Event::AccountAdded { name, roles } => format!("The account {name} was made, {}", with_roles(roles)),
        Event::RolesSet { name, roles } => format!("The account {name} is now {}", with_roles(roles)),
        Event::AccountDisabled { name } => format!("The account {name} was disabled"),
        Event::PasswordReset { name } => format!("The password of {name} was reset"),
        Event::Refused { asked, reasons } => format!("Refused: {asked}: {}", reasons.join("; ")),
        Event::HealthChanged { of, from, to, since, why } => {
            let since = since.map(|since| format!(" since {}", crate::ui::time::clock(since))).unwrap_or_default();
            format!("{} went from {from} to {to}{since}: {why}", subject(of))
        }
        Event::PrimaryObserved { cluster, node, timeline } => format!("{node} takes the writes of {cluster}, on timeline {timeline}"),
        Event::SplitBrainObserved { cluster, nodes } => {
            format!("SPLIT BRAIN in {cluster}: {} take writes", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))
        }
        Event::SplitBrainEnded { cluster } => format!("In {cluster} only one node takes writes again"),
        Event::ExposureBegan { cluster, unprotected, missing } => {
            let state = if *unprotected { "is UNPROTECTED" } else { "has reduced protection" };
            format!("{cluster} {state}: {}", missing.join("; "))
        }
        Event::ExposureEnded { cluster } => format!("{cluster} is fully protected again"),
        Event::OperationRequested { id, plan, loss_accepted, overridden, .. } => {
            let to = plan.target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
            let loss = if *loss_accepted { format!("; loss accepted: {}", plan.loss.in_words()) } else { String::new() };
            let over = if overridden.is_empty() { String::new() } else { format!("; OVERRIDDEN: {}", overridden.join("; ")) };
            format!("A {} of {}{to} was requested, operation {}{loss}{over}", plan.kind, plan.cluster, id.short())
        }
        Event::OperationApproved { id, plan_hash, .. } => {
            let short: String = plan_hash.chars().take(8).collect();
            format!("Operation {} was approved, with the plan {short}…", id.short())
        }
        Event::OperationDeclined { id, .. } => format!("Operation {} was declined", id.short()),
        Event::OperationCancelled { id, .. } => format!("Operation {} was cancelled", id.short()),
        Event::OperationVoided { id, reasons } => format!("Operation {} became void: {}", id.short(), reasons.join("; ")),
        Event::OperationStarted { id } => format!("Operation {} started", id.short()),
        Event::StepStarted { id, step } => format!("Operation {}: step {} started", id.short(), step + 1),
        Event::StepEnded { id, step, state, said } => format!("Operation {}: step {} {}: {said}", id.short(), step + 1, step_ended(*state)),
        Event::UndoStarted { id, step } => format!("Operation {}: step {} is being undone", id.short(), step + 1),
        Event::OperationCompensating { id, why } => format!("Operation {} goes back and undoes its steps: {why}", id.short()),
        Event::OperationMeasured { id, measured } => {
            let time = measured.recovery_time.map(|span| format!("recovery time {span}"));
            let lost = measured.lost_transactions.map(|count| format!("lost transactions {count}"));
            let bytes = measured.lost_bytes.map(|bytes| format!("lost WAL {bytes} bytes"));
            let said: Vec<String> = [time, lost, bytes].into_iter().flatten().collect();
            format!("Operation {}: measured {}", id.short(), if said.is_empty() { "nothing".to_owned() } else { said.join(", ") })
        }
        Event::OperationSucceeded { id } => format!("Operation {} succeeded", id.short()),
        Event::OperationFailed { id, why } => format!("Operation {} failed, and what it had done was undone: {why}", id.short()),
        Event::OperationInDoubt { id, why } => format!("Operation {} stands IN DOUBT: {why}", id.short()),
        Event::OperationResumed { id, .. } => format!("Operation {} was resumed", id.short()),
        Event::OperationClosed { id, .. } => format!("Operation {} was closed by a person who vouches for the state of the world", id.short()),
    }
}

/// The reason the person gave, where the event carries one.
pub fn reason(event: &Event) -> Option<String> {
    match event {
        Event::OperationRequested { reason, .. }
        | Event::OperationApproved { reason, .. }
        | Event::OperationDeclined { reason, .. }
        | Event::OperationCancelled { reason, .. }
        | Event::OperationResumed { reason, .. }
        | Event::OperationClosed { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

/// The operation an event belongs to.
pub fn operation(event: &Event) -> Option<OperationId> {
    match event {
        Event::OperationRequested { id, .. }
        | Event::OperationApproved { id, .. }
        | Event::OperationDeclined { id, .. }
        | Event::OperationCancelled { id, .. }
        | Event::OperationVoided { id, .. }
        | Event::OperationStarted { id }
        | Event::StepStarted { id, .. }
        | Event::StepEnded { id, .. }
        | Event::UndoStarted { id, .. }
        | Event::OperationCompensating { id, .. }
        | Event::OperationMeasured { id, .. }
        | Event::OperationSucceeded { id }
        | Event::OperationFailed { id, .. }
        | Event::OperationInDoubt { id, .. }
        | Event::OperationResumed { id, .. }
        | Event::OperationClosed { id, .. } => Some(*id),
        _ => None,
    }
}

fn with_roles(roles: &BTreeSet<engine::access::Role>) -> String {
    if roles.is_empty() { "without a role".to_owned() } else { roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ") }
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Node { node, cluster } => format!("{node} of {cluster}"),
        Subject::Endpoint { service, region } => format!("{service} in {region}"),
        Subject::Router { cluster } => format!("The router of {cluster}"),
        Subject::Agent { region } => format!("The host agent of {region}"),
    }
}

fn step_ended(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "waits again",
        StepState::Running => "goes on",
        StepState::Done => "was done",
        StepState::Overridden => "was OVERRIDDEN, not done",
        StepState::Failed => "failed",
        StepState::Undone => "was undone",
        StepState::UndoFailed => "could not be undone",
    }
}
