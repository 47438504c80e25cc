//! Every event in a sentence a person can read aloud. One match without a catch-all: a new kind of event does not
//! compile until somebody has found words for it.

use engine::{
    automation::{Decision, Verdict},
    failover::{StepState, plan::names_or_none},
    id::OperationId,
    journal::{Event, ObserverStanding, Subject},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod backups;
mod dr_tests;
mod runbooks;

/// What an event is about, for the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Operations,
    Decisions,
    Restraints,
    Databases,
    Backups,
    Runbooks,
    DrTests,
    Traffic,
    Health,
    People,
    Refusals,
    Server,
}

impl Kind {
    pub const ALL: [Kind; 12] = [
        Kind::Operations,
        Kind::Decisions,
        Kind::Restraints,
        Kind::Traffic,
        Kind::Databases,
        Kind::Backups,
        Kind::Runbooks,
        Kind::DrTests,
        Kind::Health,
        Kind::People,
        Kind::Refusals,
        Kind::Server,
    ];
    /// In the URL and on the page.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Operations => "operations",
            Kind::Decisions => "decisions",
            Kind::Restraints => "restraints",
            Kind::Traffic => "traffic",
            Kind::Databases => "databases",
            Kind::Backups => "backups",
            Kind::Runbooks => "runbooks",
            Kind::DrTests => "dr-tests",
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
        Event::ServerStarted { .. } | Event::EstateLoaded { .. } | Event::ClockJumped { .. } | Event::ChannelTested { .. } => Kind::Server,
        Event::SignedIn { .. }
        | Event::SignInFailed { .. }
        | Event::SignedOut { .. }
        | Event::AccountAdded { .. }
        | Event::RolesSet { .. }
        | Event::AccountDisabled { .. }
        | Event::PasswordReset { .. } => Kind::People,
        Event::Refused { .. } => Kind::Refusals,
        Event::HealthChanged { .. } | Event::ObserverChanged { .. } => Kind::Health,
        // Too few failed probes for a verdict are a decision too: why nothing was done.
        Event::Decided { .. } | Event::CaseClosed { .. } | Event::Wavered { .. } => Kind::Decisions,
        Event::Restrained { .. } | Event::Released { .. } | Event::RestraintEnded { .. } | Event::IncidentAcknowledged { .. } => Kind::Restraints,
        Event::TrafficAdopted { .. }
        | Event::TrafficStrayed { .. }
        | Event::TrafficReturned { .. }
        | Event::ServiceExposureBegan { .. }
        | Event::ServiceExposureEnded { .. } => Kind::Traffic,
        Event::PrimaryObserved { .. }
        | Event::SplitBrainObserved { .. }
        | Event::SplitBrainEnded { .. }
        | Event::ExposureBegan { .. }
        | Event::ExposureEnded { .. } => Kind::Databases,
        Event::BackupPolicyAdopted { .. } | Event::Backup { .. } => Kind::Backups,
        Event::Runbook { .. } | Event::Run { .. } => Kind::Runbooks,
        Event::DrTest { .. } => Kind::DrTests,
        Event::OperationRequested { .. }
        | Event::OperationApproved { .. }
        | Event::SafetyRulesBroken { .. }
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
        | Event::OperationClosed { .. }
        | Event::StepSkipped { .. }
        | Event::OperationEscalated { .. }
        | Event::OperationCommitted { .. }
        | Event::OperationAborted { .. }
        | Event::OperationAcknowledged { .. } => Kind::Operations,
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
        Event::ClockJumped { from, to } => {
            let (from, to) = (from.format("%Y-%m-%d %H:%M:%S"), to.format("%Y-%m-%d %H:%M:%S UTC"));
            format!("The clock JUMPED from {from} to {to}: what was under way is not measured, and waiting times begin anew")
        }
        Event::SignedIn { name, by } => format!("{name} signed in {by}"),
        Event::SignInFailed { name, by } => {
            let whom = name.as_ref().map_or("with a name that no account has".to_owned(), |name| format!("as {name}"));
            format!("Somebody failed to sign in {whom}, {by}")
        }
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
        Event::TrafficAdopted { service, regions } => format!("Clients of {service} were found to be sent to {}", names_or_none(regions)),
        Event::TrafficStrayed { service, intended, seen } => {
            format!("Clients of {service} are sent to {}, but are meant to be in {}", names_or_none(seen), names_or_none(intended))
        }
        Event::ObserverChanged { observer, to, since } => {
            let since = crate::ui::time::clock(*since);
            match to {
                ObserverStanding::Sees => format!("The observer {observer} sees again, and its word counts"),
                ObserverStanding::Blind => {
                    format!("Nothing has answered the observer {observer} since {since}: it may be cut off, and its word does not count")
                }
                ObserverStanding::Silent => format!("Nothing was heard of the observer {observer} since {since}: its word does not count"),
            }
        }
        Event::TrafficReturned { service } => format!("Clients of {service} are sent where they are meant to be again"),
        Event::ServiceExposureBegan { service, unprotected, missing } => {
            let state = if *unprotected { "is UNPROTECTED" } else { "has reduced protection" };
            format!("{service} {state}: {}", missing.join("; "))
        }
        Event::ServiceExposureEnded { service } => format!("{service} is fully protected again"),
        Event::Wavered { of, since, failed, needed, samples } => format!(
            "Nothing was done about {}: {failed} of {samples} probes failed since {}, {needed} are needed for a verdict, and it is well again",
            subject(of),
            crate::ui::time::clock(*since)
        ),
        Event::Decided { decision } => decided(decision),
        Event::CaseClosed { scope, lasted } => {
            format!("The failure of {} is over, {} after the first decision about it", scope.name(), lasted.rough())
        }
        Event::Restrained { what, until, .. } => {
            let until = until.map(|until| format!(", until {}", until.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
            format!("From here on {}{until}", what.in_words())
        }
        Event::Released { what, .. } => format!("No more: {}", what.in_words()),
        Event::RestraintEnded { what, why } => format!("No more: {} ({why})", what.in_words()),
        Event::IncidentAcknowledged { title, .. } => format!("Somebody looks after this, no more reminders: {title}"),
        Event::ChannelTested { channel } => format!("A test was sent through the notification channel {channel}"),
        Event::BackupPolicyAdopted { policy } => format!("The backup policy {policy} is declared from here on"),
        Event::Backup { policy, id, what } => backups::in_words(policy, *id, what),
        Event::Runbook { name, what } => runbooks::in_words(name, what),
        Event::Run { id, what } => runbooks::of_a_run(*id, what),
        Event::DrTest { run, what } => dr_tests::in_words(*run, what),
        Event::OperationRequested { id, plan, loss_accepted, overridden, .. } => {
            let to = plan.target_in_words().map(|target| format!(" to {target}")).unwrap_or_default();
            let loss = if *loss_accepted { format!("; loss accepted: {}", plan.loss.in_words()) } else { String::new() };
            let rules: Vec<String> = plan.rules_to_break().iter().map(ToString::to_string).collect();
            let broken = if rules.is_empty() { String::new() } else { format!("; WOULD BREAK SAFETY RULES: {}", rules.join("; ")) };
            let checks: Vec<&str> = overridden.iter().filter(|check| !rules.contains(check)).map(String::as_str).collect();
            let over = if checks.is_empty() { broken } else { format!("{broken}; OVERRIDDEN: {}", checks.join("; ")) };
            let over = if plan.passed_over.is_empty() { over } else { format!("{over}; PASSED OVER: {}", plan.passed_over.join("; ")) };
            let mode = if plan.database().is_none() { format!(" ({})", plan.mode()) } else { String::new() };
            let simulated = if plan.is_simulated() { "SIMULATED: " } else { "" };
            format!("{simulated}Requested: {}{mode} of {}{to}, operation {}{loss}{over}", plan.kind, plan.scope().name(), id.short())
        }
        Event::OperationApproved { id, plan_hash, loss_accepted, .. } => {
            let short: String = plan_hash.chars().take(8).collect();
            let loss = if *loss_accepted { "; the loss was accepted" } else { "" };
            format!("Operation {} was approved, with the plan {short}…{loss}", id.short())
        }
        Event::SafetyRulesBroken { id, rules } => format!("SAFETY RULES BROKEN by that approval of operation {}: {}", id.short(), rules.join("; ")),
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
        Event::StepSkipped { id, step, .. } => format!("Operation {}: step {} was LEFT OUT by a person", id.short(), step + 1),
        Event::OperationEscalated { id, .. } => format!("Operation {} was made an EMERGENCY on its way", id.short()),
        Event::OperationCommitted { id, .. } => format!("Operation {} was committed: it is not rolled back any more", id.short()),
        Event::OperationAborted { id, .. } => format!("Operation {} was told to stop", id.short()),
        Event::OperationAcknowledged { id, .. } => format!("How operation {} ended was acknowledged", id.short()),
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
        | Event::OperationClosed { reason, .. }
        | Event::StepSkipped { reason, .. }
        | Event::OperationEscalated { reason, .. }
        | Event::OperationCommitted { reason, .. }
        | Event::OperationAborted { reason, .. }
        | Event::OperationAcknowledged { reason, .. }
        | Event::IncidentAcknowledged { reason, .. }
        | Event::Restrained { reason, .. }
        | Event::Released { reason, .. } => Some(reason.clone()),
        Event::Backup { what, .. } => backups::reason(what),
        Event::Runbook { what, .. } => runbooks::note(what),
        Event::Run { what, .. } => runbooks::reason(what),
        Event::DrTest { what, .. } => dr_tests::reason(what),
        _ => None,
    }
}

/// The operation an event belongs to.
pub fn operation(event: &Event) -> Option<OperationId> {
    event.operation()
}

/// A decision with everything it rests on: what failed, what it follows, and all that held it back.
fn decided(decision: &Decision) -> String {
    let target = decision.target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
    let name = decision.scope.name();
    let trouble = decision.trouble.join("; ");
    let holds: Vec<String> = decision.holds.iter().map(ToString::to_string).collect();
    let simulated = if decision.simulated { "SIMULATED: " } else { "" };
    match decision.verdict {
        Verdict::Hold => format!("Lifeboat does nothing about {name}: {}. What fails: {trouble}", holds.join("; ")),
        Verdict::Start | Verdict::Request | Verdict::Recommend => {
            format!("{simulated}Lifeboat {} of {name}{target}. What fails: {trouble}", verdict(decision.verdict))
        }
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Start => "starts a failover",
        Verdict::Request => "asks for approval of a failover",
        Verdict::Recommend => "recommends a failover",
        Verdict::Hold => "does nothing",
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
        Subject::Patroni { cluster } => format!("The Patroni of {cluster}"),
        Subject::Pooler { cluster, pooler } => format!("The pooler {pooler} of {cluster}"),
        Subject::Agent { region } => format!("The host agent of {region}"),
        Subject::Traffic { service } => format!("What sends the clients of {service}"),
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
        StepState::Skipped => "was LEFT OUT, not done",
    }
}
