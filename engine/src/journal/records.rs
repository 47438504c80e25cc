//! What each event means for the records. Replaying all events in order gives the present state, in any process.

use super::{Account, Actor, ClockSet, Entry, Event, Exposure, ObserverStanding, Records, Route, Taken};
use crate::{
    automation::Case,
    backups::ledger::BackupMisfit,
    dr_tests::ledger::TestMisfit,
    failover::{Illegal, Measured, Mode, Moment, Operation, Stamp, State, StepRecord, StepState},
    id::{AccountName, OperationId, Scope},
    restraints::Held,
    runbooks::ledger::RunbookMisfit,
    time::Instant,
};

/// Why an entry does not fit the ones before it. A journal that decided these events cannot produce one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error("entry {got} follows entry {had}")]
    OutOfOrder { had: u64, got: u64 },
    #[error("entry {seq} speaks of an unknown operation {id}")]
    UnknownOperation { seq: u64, id: OperationId },
    #[error("entry {seq} speaks of step {step}, which operation {id} does not have")]
    UnknownStep { seq: u64, id: OperationId, step: usize },
    #[error("entry {seq}: {illegal}")]
    Illegal { seq: u64, illegal: Illegal },
    #[error("entry {seq} requests operation {id} a second time")]
    RequestedTwice { seq: u64, id: OperationId },
    #[error("entry {seq} requests operation {id} on {scope}, which operation {holder} holds")]
    ScopeHeld { seq: u64, id: OperationId, scope: Scope, holder: OperationId },
    #[error("entry {seq} requests operation {id} as a part of {whole}, which is no running evacuation of that")]
    NoPart { seq: u64, id: OperationId, whole: OperationId },
    #[error("entry {seq}: {misfit}")]
    Backup { seq: u64, misfit: BackupMisfit },
    #[error("entry {seq}: {misfit}")]
    Runbook { seq: u64, misfit: RunbookMisfit },
    #[error("entry {seq}: {misfit}")]
    DrTest { seq: u64, misfit: TestMisfit },
    #[error("entry {seq} starts a step of operation {id}, which is {state}")]
    NotRunning { seq: u64, id: OperationId, state: State },
}

impl Records {
    /// Takes in one entry.
    ///
    /// # Errors
    /// `Misfit` where the entry cannot follow; the records are then unchanged.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Misfit> {
        if entry.seq != self.seq + 1 {
            return Err(Misfit::OutOfOrder { had: self.seq, got: entry.seq });
        }
        self.take_in(entry)?;
        self.seq = entry.seq;
        Ok(())
    }

    fn take_in(&mut self, entry: &Entry) -> Result<(), Misfit> {
        let Entry { seq, at, actor, event, .. } = entry;
        match event {
            Event::ServerStarted { .. }
            | Event::EstateLoaded { .. }
            | Event::SignedIn { .. }
            | Event::SignInFailed { .. }
            | Event::SignedOut { .. }
            | Event::Refused { .. }
            | Event::HealthChanged { .. }
            | Event::ChannelTested { .. }
            | Event::Wavered { .. } => {}
            Event::AccountAdded { name, roles } => {
                self.accounts.insert(name.clone(), Account { roles: roles.clone(), enabled: true, changed: *seq });
            }
            Event::RolesSet { name, roles } => {
                if let Some(account) = self.accounts.get_mut(name) {
                    account.roles.clone_from(roles);
                    account.changed = *seq;
                }
            }
            Event::AccountDisabled { name } => {
                if let Some(account) = self.accounts.get_mut(name) {
                    account.enabled = false;
                    account.changed = *seq;
                }
            }
            Event::PasswordReset { name } => {
                // The command line's way back in: a new password also enables the account again.
                if let Some(account) = self.accounts.get_mut(name) {
                    account.enabled = true;
                    account.changed = *seq;
                }
            }
            Event::PrimaryObserved { cluster, node, timeline } => {
                self.primaries.insert(cluster.clone(), (node.clone(), *timeline));
            }
            Event::SplitBrainObserved { cluster, .. } => {
                self.split_brain.insert(cluster.clone(), *at);
            }
            Event::SplitBrainEnded { cluster } => {
                self.split_brain.remove(cluster);
            }
            Event::ExposureBegan { cluster, unprotected, missing } => {
                // The clock runs from the first moment without full protection; getting worse or better does not restart it.
                let since = self.exposures.get(cluster).map_or(*at, |exposure| exposure.since);
                self.exposures.insert(cluster.clone(), Exposure { since, unprotected: *unprotected, missing: missing.clone() });
            }
            Event::ExposureEnded { cluster } => {
                self.exposures.remove(cluster);
            }
            Event::ClockJumped { from, to } => {
                let latest = self.clock.map_or(*from, |clock| clock.latest).max(*from).max(*to);
                self.clock = Some(ClockSet { to: *to, latest });
                self.operations.values_mut().filter(|operation| operation.state.is_active()).for_each(|operation| operation.clock_set = Some(*to));
            }
            Event::TrafficAdopted { service, regions } => {
                self.strayed.remove(service);
                self.routes.insert(service.clone(), Route { intended: regions.clone(), since: *at, by: None });
            }
            Event::TrafficStrayed { service, seen, .. } => {
                let since = self.strayed.get(service).map_or(*at, |(since, _)| *since);
                self.strayed.insert(service.clone(), (since, seen.clone()));
            }
            Event::ObserverChanged { observer, to, since } => {
                if *to == ObserverStanding::Sees {
                    self.observers.remove(observer);
                } else {
                    self.observers.insert(observer.clone(), (*to, *since));
                }
            }
            Event::TrafficReturned { service } => {
                self.strayed.remove(service);
            }
            Event::ServiceExposureBegan { service, unprotected, missing } => {
                let since = self.service_exposures.get(service).map_or(*at, |exposure| exposure.since);
                self.service_exposures.insert(service.clone(), Exposure { since, unprotected: *unprotected, missing: missing.clone() });
            }
            Event::ServiceExposureEnded { service } => {
                self.service_exposures.remove(service);
            }
            Event::Decided { decision } => {
                let known = self.cases.get(&decision.scope);
                let (opened, before) = known.map_or((*at, 0), |case| (case.opened, case.times));
                let followed = known.is_some_and(|case| case.followed) || decision.follows_something();
                let case = Case { opened, decision: (**decision).clone(), decided: *at, times: before.saturating_add(1), followed };
                self.cases.insert(decision.scope.clone(), case);
            }
            Event::CaseClosed { scope, .. } => {
                self.cases.remove(scope);
            }
            Event::Restrained { what, until, reason } => {
                self.restraints.insert(what.clone(), Held { by: actor.clone(), since: *at, until: *until, reason: reason.clone() });
            }
            Event::Released { what, .. } | Event::RestraintEnded { what, .. } => {
                self.restraints.remove(what);
            }
            Event::IncidentAcknowledged { incident, severity, reason, .. } => {
                let taken = Taken { by: actor.clone(), at: *at, severity: *severity, reason: reason.clone() };
                self.acknowledged.insert(incident.clone(), taken);
            }
            Event::BackupPolicyAdopted { policy } => self.backups.adopt(policy, *at),
            Event::Backup { policy, id, what } => {
                self.backups.apply(*at, actor, policy, *id, what).map_err(|misfit| Misfit::Backup { seq: *seq, misfit })?;
            }
            Event::Runbook { name, what } => {
                self.runbooks.apply(*seq, *at, actor, name, what).map_err(|misfit| Misfit::Runbook { seq: *seq, misfit })?;
            }
            Event::Run { id, what } => {
                self.runbooks.apply_run(*at, actor, *id, what).map_err(|misfit| Misfit::Runbook { seq: *seq, misfit })?;
            }
            Event::DrTest { run, what } => {
                self.dr_tests.apply(*seq, *at, actor, *run, what).map_err(|misfit| Misfit::DrTest { seq: *seq, misfit })?;
            }
            Event::OperationRequested { id, plan, plan_hash, reason, loss_accepted, overridden, parent } => {
                if self.operations.contains_key(id) {
                    return Err(Misfit::RequestedTwice { seq: *seq, id: *id });
                }
                if let Some(holder) = self.holder_of(&plan.scope()) {
                    return Err(Misfit::ScopeHeld { seq: *seq, id: *id, scope: plan.scope(), holder: holder.id });
                }
                // A part of an evacuation is covered by the approval of the whole, as long as that runs.
                let approved = match parent {
                    None => None,
                    Some(parent) => match self.operations.get(parent) {
                        Some(whole) if whole.state == State::Running && whole.plan.evacuation().is_some_and(|change| change.moves(&plan.scope())) => {
                            whole.approved.clone()
                        }
                        Some(_) => return Err(Misfit::NoPart { seq: *seq, id: *id, whole: *parent }),
                        None => return Err(Misfit::UnknownOperation { seq: *seq, id: *parent }),
                    },
                };
                let state = if plan.requires_approval() && approved.is_none() { State::Requested } else { State::Approved };
                let operation = Operation {
                    id: *id,
                    plan_hash: plan_hash.clone(),
                    state,
                    requested: stamp(actor, *at, reason),
                    loss_accepted: *loss_accepted,
                    overridden: overridden.clone(),
                    approvals: approved.iter().cloned().collect(),
                    approved,
                    parent: *parent,
                    started_at: None,
                    ended_at: None,
                    outcome: None,
                    escalated: None,
                    committed: None,
                    aborted: None,
                    acknowledged: None,
                    clock_set: self.clock.filter(|clock| plan.outage_since.is_some_and(|since| since <= clock.latest)).map(|clock| clock.to),
                    steps: plan.steps.iter().map(|_| StepRecord::pending()).collect(),
                    measured: Measured::default(),
                    history: vec![(*at, state)],
                    plan: (**plan).clone(),
                };
                self.operations.insert(*id, operation);
            }
            Event::OperationApproved { id, reason, loss_accepted, .. } => {
                let stamp = stamp(actor, *at, reason);
                let waits = self.operation(*seq, *id)?;
                waits.state.next(Moment::Approve).map_err(|illegal| Misfit::Illegal { seq: *seq, illegal })?;
                waits.approvals.push(stamp.clone());
                waits.loss_accepted |= loss_accepted;
                if waits.approvals_missing() == 0 {
                    self.advance(*seq, *id, *at, Moment::Approve, None)?.approved = Some(stamp);
                }
            }
            Event::SafetyRulesBroken { id, .. } => {
                self.operation(*seq, *id)?;
            }
            Event::OperationDeclined { id, reason } => {
                self.advance(*seq, *id, *at, Moment::Decline, Some(reason.clone()))?;
            }
            Event::OperationCancelled { id, reason } => {
                self.advance(*seq, *id, *at, Moment::Cancel, Some(reason.clone()))?;
            }
            Event::OperationVoided { id, reasons } => {
                self.advance(*seq, *id, *at, Moment::MakeVoid, Some(reasons.join("; ")))?;
            }
            Event::OperationStarted { id } => {
                self.advance(*seq, *id, *at, Moment::Start, None)?.started_at = Some(*at);
            }
            Event::StepStarted { id, step } => {
                // Nothing acts before the approval, and nothing after the end (traps F1, F16).
                let state = self.operation(*seq, *id)?.state;
                if state != State::Running {
                    return Err(Misfit::NotRunning { seq: *seq, id: *id, state });
                }
                let record = self.step(*seq, *id, *step)?;
                record.state = StepState::Running;
                record.attempts += 1;
                record.started_at = Some(*at);
                record.ended_at = None;
            }
            Event::StepEnded { id, step, state, said } => {
                let record = self.step(*seq, *id, *step)?;
                record.state = *state;
                record.ended_at = Some(*at);
                record.said = Some(said.clone());
            }
            Event::UndoStarted { id, step } => {
                self.step(*seq, *id, *step)?;
            }
            Event::OperationMeasured { id, measured } => {
                self.operation(*seq, *id)?.measured = measured.clone();
            }
            Event::OperationCompensating { id, why } => {
                self.advance(*seq, *id, *at, Moment::Compensate, Some(why.clone()))?;
            }
            Event::OperationSucceeded { id } => {
                let operation = self.advance(*seq, *id, *at, Moment::Succeed, None)?;
                if let Some(change) = operation.plan.traffic().filter(|change| change.mode != Mode::Test) {
                    let (service, intended) = (change.service.clone(), change.to.clone());
                    self.strayed.remove(&service);
                    self.routes.insert(service, Route { intended, since: *at, by: Some(*id) });
                }
            }
            Event::OperationFailed { id, why } => {
                self.advance(*seq, *id, *at, Moment::Fail, Some(why.clone()))?;
            }
            Event::OperationInDoubt { id, why } => {
                self.advance(*seq, *id, *at, Moment::Doubt, Some(why.clone()))?;
            }
            Event::OperationResumed { id, .. } => {
                let operation = self.advance(*seq, *id, *at, Moment::Resume, None)?;
                // Whoever resumes it wants it to go on, whoever wanted it to stop before.
                operation.aborted = None;
                // What was undone on the way into the doubt must be done again, and all that came after it: else a run
                // would go on behind a route and a node that the undoing has opened again.
                let undone = |step: &StepRecord| matches!(step.state, StepState::Undone | StepState::UndoFailed);
                if let Some(first) = operation.steps.iter().position(undone) {
                    for step in &mut operation.steps[first..] {
                        step.state = StepState::Pending;
                    }
                }
                // A wave goes on past members that fail: each of those is tried again.
                if operation.plan.evacuation().is_some() {
                    for step in operation.steps.iter_mut().filter(|step| step.state == StepState::Failed) {
                        step.state = StepState::Pending;
                    }
                }
                // A step that failed and left the operation in doubt is tried again; what ended otherwise stays.
                if let Some(failed) = operation.steps.iter_mut().rev().find(|step| step.state != StepState::Pending)
                    && failed.state == StepState::Failed
                {
                    failed.state = StepState::Running;
                }
            }
            Event::OperationClosed { id, reason } => {
                let operation = self.advance(*seq, *id, *at, Moment::Close, Some(reason.clone()))?;
                // Whoever closes it vouches for where clients are by then, wherever that is: it is read anew and counts as meant.
                if operation.changed_routing()
                    && let Some(change) = operation.plan.traffic()
                {
                    let service = change.service.clone();
                    self.routes.remove(&service);
                    self.strayed.remove(&service);
                }
            }
            Event::StepSkipped { id, step, reason } => {
                let record = self.step(*seq, *id, *step)?;
                record.state = StepState::Skipped;
                record.ended_at = Some(*at);
                record.said = Some(format!("left out by {actor}: {reason}"));
            }
            Event::OperationEscalated { id, reason } => {
                self.operation(*seq, *id)?.escalated = Some(stamp(actor, *at, reason));
            }
            Event::OperationCommitted { id, reason } => {
                self.operation(*seq, *id)?.committed = Some(stamp(actor, *at, reason));
            }
            Event::OperationAborted { id, reason } => {
                self.operation(*seq, *id)?.aborted = Some(stamp(actor, *at, reason));
            }
            Event::OperationAcknowledged { id, reason } => {
                self.operation(*seq, *id)?.acknowledged = Some(stamp(actor, *at, reason));
            }
        }
        Ok(())
    }

    fn operation(&mut self, seq: u64, id: OperationId) -> Result<&mut Operation, Misfit> {
        self.operations.get_mut(&id).ok_or(Misfit::UnknownOperation { seq, id })
    }

    fn step(&mut self, seq: u64, id: OperationId, step: usize) -> Result<&mut StepRecord, Misfit> {
        self.operation(seq, id)?.steps.get_mut(step).ok_or(Misfit::UnknownStep { seq, id, step })
    }

    fn advance(&mut self, seq: u64, id: OperationId, at: Instant, moment: Moment, outcome: Option<String>) -> Result<&mut Operation, Misfit> {
        let operation = self.operation(seq, id)?;
        operation.state = operation.state.next(moment).map_err(|illegal| Misfit::Illegal { seq, illegal })?;
        operation.history.push((at, operation.state));
        if outcome.is_some() {
            operation.outcome = outcome;
        }
        if operation.state.is_active() {
            operation.ended_at = None
        } else {
            operation.ended_at = Some(at)
        }
        Ok(operation)
    }
}

/// The product itself requests too; it never approves.
fn stamp(actor: &Actor, at: Instant, reason: &str) -> Stamp {
    let by = match actor {
        Actor::Person(name) => Some(name.clone()),
        Actor::CommandLine(name) => name.parse::<AccountName>().ok(),
        Actor::Lifeboat => Some(AccountName::lifeboat()),
    };
    Stamp { by: by.unwrap_or_else(AccountName::nobody), at, reason: reason.to_owned() }
}
