//! Whether a command may be carried out, and the events that say so. Everything it needs to know is an argument.

use super::{Actor, Command, Event, Records};
use crate::{
    access::{Permission, Role, may},
    backups::ledger::{BackupCommand, BackupRefusal},
    dr_tests::ledger::{Asker, TestCommand, TestRefusal},
    failover::{Mode, Moment, Operation, Plan, State, StepState, halting},
    id::{AccountName, OperationId},
    restraints::Restraint,
    runbooks::{
        ledger::{RunbookCommand, RunbookRefusal},
        run::RunCommand,
    },
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why a command was refused. Each is something the asker can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum Refusal {
    /// Said by the server before anything is decided.
    #[error(
        "this server is read-only (`read_only = true` in its configuration): nobody acts here, whatever their role. Act on the server that may, or by hand: the offline pack says how"
    )]
    ReadOnly,
    #[error("{who} may not {permission}; that takes the role {}", roles.iter().map(Role::to_string).collect::<Vec<_>>().join(" or "))]
    NotAllowed { who: String, permission: Permission, roles: Vec<Role> },
    #[error(
        "the master switch was turned off by {by} at {} ({reason}): nobody moves clients or writes; switch it on, then resume",
        since.format("%Y-%m-%d %H:%M UTC")
    )]
    MasterSwitchOff { by: String, since: Instant, reason: String },
    #[error("say why: a reason of at least {least} characters is kept in the journal")]
    ReasonMissing { least: usize },
    #[error("the reason is {length} characters long; at most {most} are kept")]
    ReasonTooLong { length: usize, most: usize },
    #[error("there is no operation {id}")]
    NoSuchOperation { id: OperationId },
    #[error("{scope} is held by {kind} {holder}, requested by {by} at {}: {state}", since.format("%H:%M:%S UTC"))]
    ScopeHeld { scope: String, kind: String, holder: OperationId, by: AccountName, since: Instant, state: State },
    #[error("the plan you saw is not the plan that would be carried out now; look at it again: {}", changes.join("; "))]
    PlanChanged { changes: Vec<String> },
    #[error("this approval is void: {}; request the operation anew", changes.join("; "))]
    ApprovalVoid { changes: Vec<String> },
    #[error("this cannot be approved while something it rests on is not known: {}; look again in a moment", changes.join("; "))]
    NotKnownNow { changes: Vec<String> },
    #[error("the plan cannot be carried out: {}", blockers.join("; "))]
    Blocked { blockers: Vec<String> },
    #[error("this needs an explicit override: {}", blockers.join("; "))]
    OverrideMissing { blockers: Vec<String> },
    #[error("data may be lost ({bound}); accept that explicitly or do not go on")]
    LossNotAccepted { bound: String },
    #[error("you requested this operation; another person must approve it")]
    OwnRequest,
    #[error("it was approved by {by} at {} already", at.format("%H:%M:%S UTC"))]
    AlreadyApproved { by: AccountName, at: Instant },
    #[error("the operation is {state}, so this is not possible any more")]
    WrongState { state: State },
    #[error("this sets aside a safety rule ({}); approving it takes the role {}", rules.join("; "), roles.iter().map(Role::to_string).collect::<Vec<_>>().join(" or "))]
    GlassNotBroken { rules: Vec<String>, roles: Vec<Role> },
    #[error("only a planned operation that moves clients and runs or stands in doubt can become an emergency")]
    NotEscalatable,
    #[error("there is nothing to commit: {why}")]
    NothingToCommit { why: String },
    #[error("it was asked to stop by {by} already")]
    AlreadyAborted { by: AccountName },
    #[error("{by} has committed it, so it is not rolled back; plan a move back instead")]
    CommittedAlready { by: AccountName },
    #[error("step {step} keeps data or clients safe and cannot be left out; resume the operation or close it")]
    NotSkippable { step: usize },
    #[error("there is nothing to acknowledge: the operation {why}")]
    NothingToAcknowledge { why: String },
    #[error("say until when: {what} must have an end")]
    EndMissing { what: String },
    #[error("the end lies in the past")]
    EndInThePast,
    #[error("it may last at most {most}; renew it then if it is still needed")]
    EndTooFar { most: Span },
    #[error("that is so already, since {} by {by}: {reason}", since.format("%Y-%m-%d %H:%M UTC"))]
    RestrainedAlready { by: String, since: Instant, reason: String },
    #[error("that is not so (any more)")]
    NotRestrained,
    #[error("{by} acknowledged it at {} already", at.format("%H:%M:%S UTC"))]
    IncidentAcknowledged { by: String, at: Instant },
    #[error("there is no account {name}")]
    NoSuchAccount { name: AccountName },
    #[error("the account {name} exists already")]
    AccountExists { name: AccountName },
    #[error("the name “{name}” is kept for the product's own use")]
    ReservedName { name: AccountName },
    #[error(transparent)]
    Backup(#[from] BackupRefusal),
    #[error(transparent)]
    Runbook(#[from] RunbookRefusal),
    #[error(transparent)]
    DrTest(#[from] TestRefusal),
    #[error("an account needs at least one role")]
    NoRole,
    #[error("{name} is the last enabled admin; make another one first")]
    LastAdmin { name: AccountName },
}

const LEAST_REASON: usize = 3;
const MOST_REASON: usize = 1_000;

/// Decides a command.
///
/// # Errors
/// Every refusal says what is wrong; the caller records it in the journal.
pub fn decide(records: &Records, actor: &Actor, command: &Command, now: Instant) -> Result<Vec<Event>, Refusal> {
    authorise(records, actor, needed(records, command))?;
    match command {
        Command::RequestOperation { id, plan, shown_hash, reason, accept_loss, override_blockers } => {
            let reason = checked_reason(reason)?;
            request(records, *id, plan, shown_hash, reason, Consent { loss: *accept_loss, overrides: *override_blockers })
        }
        Command::Approve { operation, shown_hash, plan_now, accept_loss, reason } => {
            let seen = Seen { hash: shown_hash, plan_now, accept_loss: *accept_loss };
            approve(records, actor, *operation, seen, reason, now)
        }
        Command::Decline { operation, reason } => {
            let id = in_state(records, *operation, Moment::Decline)?.id;
            Ok(vec![Event::OperationDeclined { id, reason: checked_reason(reason)? }])
        }
        Command::Cancel { operation, reason } => {
            let id = in_state(records, *operation, Moment::Cancel)?.id;
            Ok(vec![Event::OperationCancelled { id, reason: checked_reason(reason)? }])
        }
        Command::Resume { operation, reason } => {
            let resumed = in_state(records, *operation, Moment::Resume)?;
            let id = resumed.id;
            if let Some(held) = records.held(&Restraint::MasterSwitch, now).filter(|_| !resumed.may_move_under_the_master_switch()) {
                return Err(Refusal::MasterSwitchOff { by: held.by.to_string(), since: held.since, reason: held.reason.clone() });
            }
            Ok(vec![Event::OperationResumed { id, reason: checked_reason(reason)? }])
        }
        Command::Close { operation, reason } => {
            let id = in_state(records, *operation, Moment::Close)?.id;
            Ok(vec![Event::OperationClosed { id, reason: checked_reason(reason)? }])
        }
        Command::Skip { operation, reason } => skip(records, *operation, reason),
        Command::Escalate { operation, reason } => escalate(records, *operation, reason),
        Command::Commit { operation, reason } => commit(records, *operation, reason),
        Command::Abort { operation, reason } => abort(records, *operation, reason),
        Command::Acknowledge { operation, reason } => acknowledge(records, *operation, reason),
        Command::Restrain { what, until, reason } => restrain(records, what, *until, reason, now),
        Command::Release { what, reason } => {
            records.held(what, now).ok_or(Refusal::NotRestrained)?;
            Ok(vec![Event::Released { what: what.clone(), reason: checked_reason(reason)? }])
        }
        Command::AcknowledgeIncident { incident, severity, title, reason } => {
            let reason = checked_reason(reason)?;
            // It can be acknowledged anew when it has become worse.
            if let Some(taken) = records.acknowledged.get(incident).filter(|taken| *severity >= taken.severity) {
                return Err(Refusal::IncidentAcknowledged { by: taken.by.to_string(), at: taken.at });
            }
            Ok(vec![Event::IncidentAcknowledged { incident: incident.clone(), severity: *severity, title: title.clone(), reason }])
        }
        Command::TestChannel { channel } => Ok(vec![Event::ChannelTested { channel: channel.clone() }]),
        Command::Backup { policy, id, command } => {
            let command = command.clone().with_reason(checked_reason)?;
            let event = records.backups.decide(policy, *id, &command)?;
            Ok(event.map(|what| Event::Backup { policy: policy.clone(), id: *id, what: Box::new(what) }).into_iter().collect())
        }
        Command::Runbook { name, command } => {
            let events = records.runbooks.decide(name, command)?;
            Ok(events.into_iter().map(|what| Event::Runbook { name: name.clone(), what: Box::new(what) }).collect())
        }
        Command::Run { id, command } => {
            let command = command.clone().with_reason(checked_reason)?;
            let events = records.runbooks.decide_run(actor, *id, &command, now)?;
            Ok(events.into_iter().map(|what| Event::Run { id: *id, what: Box::new(what) }).collect())
        }
        Command::DrTest { run, command } => {
            let mut command = command.clone();
            if let Some(reason) = command.reason_mut() {
                *reason = checked_reason(reason)?;
            }
            if let TestCommand::HandOver { to, .. } = &command {
                known(records, to)?;
                authorise(records, &Actor::Person(to.clone()), Permission::Rehearse)?;
            }
            let asker = Asker { actor, may_override: authorise(records, actor, Permission::ApproveOperation).is_ok() };
            let events = records.dr_tests.decide(asker, *run, &command)?;
            Ok(events.into_iter().map(|what| Event::DrTest { run: *run, what: Box::new(what) }).collect())
        }
        Command::AddAccount { name, roles } => {
            if name.is_reserved() {
                return Err(Refusal::ReservedName { name: name.clone() });
            }
            if records.accounts.contains_key(name) {
                return Err(Refusal::AccountExists { name: name.clone() });
            }
            some_role(roles)?;
            Ok(vec![Event::AccountAdded { name: name.clone(), roles: roles.clone() }])
        }
        Command::SetRoles { name, roles } => {
            known(records, name)?;
            some_role(roles)?;
            if !roles.contains(&Role::Admin) {
                keep_an_admin(records, name)?;
            }
            Ok(vec![Event::RolesSet { name: name.clone(), roles: roles.clone() }])
        }
        Command::DisableAccount { name } => {
            known(records, name)?;
            keep_an_admin(records, name)?;
            Ok(vec![Event::AccountDisabled { name: name.clone() }])
        }
        Command::ResetPassword { name } => {
            known(records, name)?;
            Ok(vec![Event::PasswordReset { name: name.clone() }])
        }
    }
}

/// What a command takes. Whoever may rehearse may also end and put right what is only a rehearsal; what is about a real
/// operation takes the right to that (row 90).
fn needed(records: &Records, command: &Command) -> Permission {
    let of = |operation: &OperationId| records.operations.get(operation).is_some_and(|operation| operation.mode() == Mode::Test);
    match command {
        Command::Cancel { operation, .. }
        | Command::Resume { operation, .. }
        | Command::Close { operation, .. }
        | Command::Skip { operation, .. }
        | Command::Abort { operation, .. }
            if of(operation) =>
        {
            Permission::Rehearse
        }
        _ => permission_for(command),
    }
}

/// What a command asks for, for pages that show only what can be done.
pub fn permission_for(command: &Command) -> Permission {
    match command {
        Command::RequestOperation { plan, .. } if plan.mode() == Mode::Test => Permission::Rehearse,
        Command::RequestOperation { .. }
        | Command::Cancel { .. }
        | Command::Resume { .. }
        | Command::Close { .. }
        | Command::Skip { .. }
        | Command::Escalate { .. }
        | Command::Commit { .. }
        | Command::Abort { .. }
        | Command::Acknowledge { .. } => Permission::RequestOperation,
        Command::Restrain { .. } | Command::Release { .. } | Command::AcknowledgeIncident { .. } => Permission::Restrain,
        Command::TestChannel { .. } => Permission::TestChannels,
        Command::Backup { command: BackupCommand::Prove { .. }, .. } => Permission::Rehearse,
        Command::Backup { .. } => Permission::KeepBackups,
        // A text that is only kept is no plan that anybody follows; but it takes room in the journal.
        Command::Runbook { command: RunbookCommand::Save { .. } | RunbookCommand::Keep { .. }, .. } => Permission::WorkRunbooks,
        Command::Run { command: RunCommand::Approve { .. }, .. } => Permission::ApproveOperation,
        Command::Run { .. } => Permission::WorkRunbooks,
        // The right to test is not the right to act: what moves something for real takes that too.
        Command::DrTest { command: TestCommand::Request { scenario, .. }, .. } if scenario.acts_for_real() => Permission::RequestOperation,
        Command::DrTest { command: TestCommand::Approve { .. }, .. } => Permission::ApproveOperation,
        Command::DrTest { .. } => Permission::Rehearse,
        Command::Approve { .. } | Command::Decline { .. } => Permission::ApproveOperation,
        Command::AddAccount { .. } | Command::SetRoles { .. } | Command::DisableAccount { .. } | Command::ResetPassword { .. } => {
            Permission::KeepAccounts
        }
    }
}

/// The operator on the server's own machine could edit the store anyway, so accounts may be kept from there; operations
/// need named people, because two different ones must agree.
fn authorise(records: &Records, actor: &Actor, permission: Permission) -> Result<(), Refusal> {
    let allowed = match actor {
        Actor::Person(name) => may(&records.roles_of(name), permission),
        Actor::CommandLine(_) => permission == Permission::KeepAccounts,
        Actor::Lifeboat => false,
    };
    if allowed { Ok(()) } else { Err(Refusal::NotAllowed { who: actor.to_string(), permission, roles: permission.granted_to().to_vec() }) }
}

fn checked_reason(reason: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    let length = reason.chars().count();
    if length < LEAST_REASON {
        Err(Refusal::ReasonMissing { least: LEAST_REASON })
    } else if length > MOST_REASON {
        Err(Refusal::ReasonTooLong { length, most: MOST_REASON })
    } else {
        Ok(reason.to_owned())
    }
}

/// What the requester agreed to.
#[derive(Clone, Copy)]
struct Consent {
    loss: bool,
    overrides: bool,
}

fn request(records: &Records, id: OperationId, plan: &Plan, shown_hash: &str, reason: String, consent: Consent) -> Result<Vec<Event>, Refusal> {
    if records.operations.contains_key(&id) {
        // The same form sent twice: the first one counts, nothing is done again.
        return Ok(Vec::new());
    }
    if let Some(holder) = halting::in_the_way(records, plan) {
        return Err(Refusal::ScopeHeld {
            scope: plan.scope().name().to_owned(),
            kind: holder.plan.kind.to_string(),
            holder: holder.id,
            by: holder.requested.by.clone(),
            since: holder.requested.at,
            state: holder.state,
        });
    }
    let hard: Vec<String> = plan.hard_blockers().iter().map(ToString::to_string).collect();
    if !hard.is_empty() {
        return Err(Refusal::Blocked { blockers: hard });
    }
    let plan_hash = plan.hash();
    if plan_hash != shown_hash {
        return Err(Refusal::PlanChanged { changes: vec!["node, steps, timeline or loss bound differ from what the page showed".to_owned()] });
    }
    let overridden: Vec<String> = plan.overridable_blockers().iter().map(ToString::to_string).collect();
    if !overridden.is_empty() && !consent.overrides {
        return Err(Refusal::OverrideMissing { blockers: overridden });
    }
    if !plan.loss.is_zero() && !consent.loss {
        return Err(Refusal::LossNotAccepted { bound: plan.loss.in_words() });
    }
    let test = records.holder_of(&plan.scope());
    let mut events = test.map_or_else(Vec::new, |test| halting::make_way(test, &format!("an emergency takes its place: {reason}")));
    let (plan, loss_accepted) = (Box::new(plan.clone()), consent.loss);
    events.push(Event::OperationRequested { id, plan, plan_hash, reason, loss_accepted, overridden, parent: None });
    Ok(events)
}

/// What the approver saw and agreed to.
struct Seen<'a> {
    hash: &'a str,
    plan_now: &'a Plan,
    accept_loss: bool,
}

fn approve(records: &Records, actor: &Actor, id: OperationId, seen: Seen<'_>, reason: &str, now: Instant) -> Result<Vec<Event>, Refusal> {
    let operation = records.operations.get(&id).ok_or(Refusal::NoSuchOperation { id })?;
    if let (State::Approved | State::Running, Some(earlier)) = (operation.state, &operation.approved) {
        return Err(Refusal::AlreadyApproved { by: earlier.by.clone(), at: earlier.at });
    }
    let operation = in_state(records, id, Moment::Approve)?;
    if let Some(earlier) = operation.approvals.iter().find(|earlier| *actor == Actor::Person(earlier.by.clone())) {
        return Err(Refusal::AlreadyApproved { by: earlier.by.clone(), at: earlier.at });
    }
    if *actor == Actor::Person(operation.requested.by.clone()) {
        return Err(Refusal::OwnRequest);
    }
    let rules: Vec<String> = operation.plan.rules_to_break().iter().map(ToString::to_string).collect();
    if !rules.is_empty() && authorise(records, actor, Permission::BreakGlass).is_err() {
        return Err(Refusal::GlassNotBroken { rules, roles: Permission::BreakGlass.granted_to().to_vec() });
    }
    let reason = checked_reason(reason)?;
    if seen.hash != operation.plan_hash {
        return Err(Refusal::PlanChanged { changes: vec!["the page showed another plan than the one that was requested".to_owned()] });
    }
    let changes = void_reasons(operation, seen.plan_now, now);
    if !changes.is_empty() {
        let lasts = !voids(operation, seen.plan_now, now).is_empty();
        return Err(if lasts { Refusal::ApprovalVoid { changes } } else { Refusal::NotKnownNow { changes } });
    }
    let must_accept = !operation.plan.loss.is_zero() && !operation.loss_accepted;
    if must_accept && !seen.accept_loss {
        return Err(Refusal::LossNotAccepted { bound: operation.plan.loss.in_words() });
    }
    let approved = Event::OperationApproved { id, plan_hash: operation.plan_hash.clone(), reason, loss_accepted: must_accept };
    let broken = (!rules.is_empty()).then_some(Event::SafetyRulesBroken { id, rules });
    Ok(std::iter::once(approved).chain(broken).collect())
}

fn skip(records: &Records, id: OperationId, reason: &str) -> Result<Vec<Event>, Refusal> {
    let operation = in_state(records, id, Moment::Resume)?;
    if operation.steps.iter().rfind(|step| step.state != StepState::Pending).is_some_and(|step| step.state == StepState::Skipped) {
        // The same form sent twice: one step is left out, and the next is tried before anybody leaves it out as well.
        return Ok(Vec::new());
    }
    let step = operation.step_in_doubt().ok_or(Refusal::WrongState { state: operation.state })?;
    if !operation.may_skip(step) {
        return Err(Refusal::NotSkippable { step: step + 1 });
    }
    Ok(vec![Event::StepSkipped { id, step, reason: checked_reason(reason)? }])
}

fn escalate(records: &Records, id: OperationId, reason: &str) -> Result<Vec<Event>, Refusal> {
    let operation = records.operations.get(&id).ok_or(Refusal::NoSuchOperation { id })?;
    if !operation.can_be_escalated() {
        return Err(Refusal::NotEscalatable);
    }
    Ok(vec![Event::OperationEscalated { id, reason: checked_reason(reason)? }])
}

fn commit(records: &Records, id: OperationId, reason: &str) -> Result<Vec<Event>, Refusal> {
    let operation = records.operations.get(&id).ok_or(Refusal::NoSuchOperation { id })?;
    let nothing = |why: String| Err(Refusal::NothingToCommit { why });
    if operation.awaits_commit().is_none() {
        return nothing("it does not wait for that (any more)".to_owned());
    }
    if let Some(earlier) = &operation.committed {
        return nothing(format!("{} has committed it already", earlier.by));
    }
    if let Some(aborted) = &operation.aborted {
        return nothing(format!("{} is rolling it back", aborted.by));
    }
    Ok(vec![Event::OperationCommitted { id, reason: checked_reason(reason)? }])
}

fn abort(records: &Records, id: OperationId, reason: &str) -> Result<Vec<Event>, Refusal> {
    let operation = records.operations.get(&id).ok_or(Refusal::NoSuchOperation { id })?;
    if operation.state != State::Running {
        return Err(Refusal::WrongState { state: operation.state });
    }
    if let Some(earlier) = &operation.aborted {
        return Err(Refusal::AlreadyAborted { by: earlier.by.clone() });
    }
    if let Some(committed) = operation.committed.as_ref().filter(|_| operation.awaits_commit().is_some()) {
        return Err(Refusal::CommittedAlready { by: committed.by.clone() });
    }
    Ok(vec![Event::OperationAborted { id, reason: checked_reason(reason)? }])
}

fn acknowledge(records: &Records, id: OperationId, reason: &str) -> Result<Vec<Event>, Refusal> {
    let operation = records.operations.get(&id).ok_or(Refusal::NoSuchOperation { id })?;
    let nothing = |why: &str| Err(Refusal::NothingToAcknowledge { why: why.to_owned() });
    if operation.state.is_active() {
        return nothing("has not ended");
    }
    if operation.acknowledged.is_some() {
        return nothing("was acknowledged already");
    }
    Ok(vec![Event::OperationAcknowledged { id, reason: checked_reason(reason)? }])
}

fn restrain(records: &Records, what: &Restraint, until: Option<Instant>, reason: &str, now: Instant) -> Result<Vec<Event>, Refusal> {
    let reason = checked_reason(reason)?;
    if let Some(held) = records.held(what, now) {
        return Err(Refusal::RestrainedAlready { by: held.by.to_string(), since: held.since, reason: held.reason.clone() });
    }
    match until {
        None if what.needs_an_end() => return Err(Refusal::EndMissing { what: what.in_words() }),
        Some(until) if until <= now => return Err(Refusal::EndInThePast),
        Some(until) if what.needs_an_end() && Span::between(now, until) > Restraint::LONGEST => {
            return Err(Refusal::EndTooFar { most: Restraint::LONGEST });
        }
        _ => {}
    }
    Ok(vec![Event::Restrained { what: what.clone(), until, reason }])
}

/// Why a request can no longer be approved or started as it stands: its time is up, or the plan that would be made now
/// differs in what matters. Asked at the approval, and again by the server before it starts.
pub fn void_reasons(operation: &Operation, plan_now: &Plan, now: Instant) -> Vec<String> {
    let mut reasons = plan_now.changes_since(&operation.plan);
    reasons.extend(overdue(operation, now));
    reasons
}

/// Why a request that waits is over for good. What is not known for a moment, because a probe was late or failed, is no
/// change: it keeps the request from being approved meanwhile, and takes it from nobody.
pub fn voids(operation: &Operation, plan_now: &Plan, now: Instant) -> Vec<String> {
    let only_not_known = plan_now.rests_on_unknowns() && !operation.plan.rests_on_unknowns();
    if only_not_known { overdue(operation, now).into_iter().collect() } else { void_reasons(operation, plan_now, now) }
}

fn overdue(operation: &Operation, now: Instant) -> Option<String> {
    let waits_too_long = operation.state == State::Requested && Span::between(operation.requested.at, now) > Operation::APPROVAL_WAITS;
    waits_too_long.then(|| format!("nobody approved it within {}", Operation::APPROVAL_WAITS))
}

fn in_state(records: &Records, id: OperationId, moment: Moment) -> Result<&Operation, Refusal> {
    let operation = records.operations.get(&id).ok_or(Refusal::NoSuchOperation { id })?;
    operation.state.next(moment).map_err(|_| Refusal::WrongState { state: operation.state })?;
    Ok(operation)
}

fn known(records: &Records, name: &AccountName) -> Result<(), Refusal> {
    if records.accounts.contains_key(name) { Ok(()) } else { Err(Refusal::NoSuchAccount { name: name.clone() }) }
}

fn some_role(roles: &BTreeSet<Role>) -> Result<(), Refusal> {
    if roles.is_empty() { Err(Refusal::NoRole) } else { Ok(()) }
}

/// Refuses to take the last enabled admin away.
fn keep_an_admin(records: &Records, leaving: &AccountName) -> Result<(), Refusal> {
    let is_admin = |name: &AccountName| records.roles_of(name).contains(&Role::Admin);
    let another = records.accounts.keys().any(|name| name != leaving && is_admin(name));
    if is_admin(leaving) && !another { Err(Refusal::LastAdmin { name: leaving.clone() }) } else { Ok(()) }
}
