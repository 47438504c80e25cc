//! Whether a command may be carried out, and the events that say so. Everything it needs to know is an argument.

use super::{Actor, Command, Event, Records};
use crate::{
    access::{Permission, Role, may},
    failover::{Moment, Operation, Plan, State},
    id::{AccountName, OperationId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why a command was refused. Each is something the asker can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum Refusal {
    #[error("{who} may not {permission}; that takes the role {}", roles.iter().map(Role::to_string).collect::<Vec<_>>().join(" or "))]
    NotAllowed { who: String, permission: Permission, roles: Vec<Role> },
    #[error("say why: a reason of at least {least} characters is kept in the journal")]
    ReasonMissing { least: usize },
    #[error("the reason is {length} characters long; at most {most} are kept")]
    ReasonTooLong { length: usize, most: usize },
    #[error("there is no operation {id}")]
    NoSuchOperation { id: OperationId },
    #[error("{cluster} is held by {kind} {holder}, requested by {by} at {}: {state}", since.format("%H:%M:%S UTC"))]
    ClusterHeld { cluster: String, kind: String, holder: OperationId, by: AccountName, since: Instant, state: State },
    #[error("the plan you saw is not the plan that would be carried out now; look at it again: {}", changes.join("; "))]
    PlanChanged { changes: Vec<String> },
    #[error("this approval is void: {}; request the operation anew", changes.join("; "))]
    ApprovalVoid { changes: Vec<String> },
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
    #[error("there is no account {name}")]
    NoSuchAccount { name: AccountName },
    #[error("the account {name} exists already")]
    AccountExists { name: AccountName },
    #[error("the name “{name}” is kept for the product's own use")]
    ReservedName { name: AccountName },
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
    authorise(records, actor, permission_for(command))?;
    match command {
        Command::RequestOperation { id, plan, shown_hash, reason, accept_loss, override_blockers } => {
            let reason = checked_reason(reason)?;
            request(records, *id, plan, shown_hash, reason, Consent { loss: *accept_loss, overrides: *override_blockers })
        }
        Command::Approve { operation, shown_hash, plan_now, reason } => approve(records, actor, *operation, shown_hash, plan_now, reason, now),
        Command::Decline { operation, reason } => {
            let id = in_state(records, *operation, Moment::Decline)?.id;
            Ok(vec![Event::OperationDeclined { id, reason: checked_reason(reason)? }])
        }
        Command::Cancel { operation, reason } => {
            let id = in_state(records, *operation, Moment::Cancel)?.id;
            Ok(vec![Event::OperationCancelled { id, reason: checked_reason(reason)? }])
        }
        Command::Resume { operation, reason } => {
            let id = in_state(records, *operation, Moment::Resume)?.id;
            Ok(vec![Event::OperationResumed { id, reason: checked_reason(reason)? }])
        }
        Command::Close { operation, reason } => {
            let id = in_state(records, *operation, Moment::Close)?.id;
            Ok(vec![Event::OperationClosed { id, reason: checked_reason(reason)? }])
        }
        Command::AddAccount { name, roles } => {
            if *name == AccountName::nobody() {
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

/// What a command asks for, for pages that show only what can be done.
pub fn permission_for(command: &Command) -> Permission {
    match command {
        Command::RequestOperation { .. } | Command::Cancel { .. } | Command::Resume { .. } | Command::Close { .. } => Permission::RequestOperation,
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
    if let Some(holder) = records.active_on(&plan.cluster) {
        return Err(Refusal::ClusterHeld {
            cluster: plan.cluster.to_string(),
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
    Ok(vec![Event::OperationRequested { id, plan: Box::new(plan.clone()), plan_hash, reason, loss_accepted: consent.loss, overridden }])
}

fn approve(
    records: &Records,
    actor: &Actor,
    id: OperationId,
    shown_hash: &str,
    plan_now: &Plan,
    reason: &str,
    now: Instant,
) -> Result<Vec<Event>, Refusal> {
    let operation = records.operations.get(&id).ok_or(Refusal::NoSuchOperation { id })?;
    if let (State::Approved | State::Running, Some(earlier)) = (operation.state, &operation.approved) {
        return Err(Refusal::AlreadyApproved { by: earlier.by.clone(), at: earlier.at });
    }
    let operation = in_state(records, id, Moment::Approve)?;
    if *actor == Actor::Person(operation.requested.by.clone()) {
        return Err(Refusal::OwnRequest);
    }
    let reason = checked_reason(reason)?;
    if shown_hash != operation.plan_hash {
        return Err(Refusal::PlanChanged { changes: vec!["the page showed another plan than the one that was requested".to_owned()] });
    }
    let changes = void_reasons(operation, plan_now, now);
    if changes.is_empty() {
        Ok(vec![Event::OperationApproved { id, plan_hash: operation.plan_hash.clone(), reason }])
    } else {
        Err(Refusal::ApprovalVoid { changes })
    }
}

/// Why a request can no longer be approved or started as it stands: its time is up, or the plan that would be made now
/// differs in what matters. Asked at the approval, and again by the server while the request waits and before it starts.
pub fn void_reasons(operation: &Operation, plan_now: &Plan, now: Instant) -> Vec<String> {
    let mut reasons = plan_now.changes_since(&operation.plan);
    if operation.state == State::Requested && Span::between(operation.requested.at, now) > Operation::APPROVAL_WAITS {
        reasons.push(format!("nobody approved it within {}", Operation::APPROVAL_WAITS));
    }
    reasons
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
