//! What the product does about a run by itself, as of now: begin the next step that is bound, see whether one has ended, stop at a
//! guardrail, look at the state behind it, and end it. The server carries it out, and asks again.

use super::{
    Judged, Run, RunState, StepMoment, TestStepState, gates,
    ledger::{TestEvent, clean_up},
};
use crate::{
    databases::{NodeRole, NodeView, Protection},
    estate::{Guardrail, ScenarioStep, StepAction},
    failover::{Mode, Operation, State},
    health::{Health, Judgement},
    id::{FaultId, OperationId, Scope},
    picture::Picture,
    restraints::Restraint,
    time::{Instant, Span},
};

/// After the cleaning up everything may take so long until it is well again.
pub const SETTLES_WITHIN: Span = Span::from_mins(2);

/// What is to be done about a run now.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// To be written down; then the run is looked at again.
    Record(Vec<TestEvent>),
    /// A command of the configuration is to be run, for a step that is begun. Its end is the server's to record.
    Inject { step: usize, fault: FaultId },
    /// An operation is to be requested in the name of whoever started the run, and bound to a step that is begun.
    Request { step: usize },
}

/// Whether something is well: `None` where that is not known.
pub fn is_well(picture: &Picture, scope: &Scope) -> Option<bool> {
    if is_seen_to_fail(picture, scope) {
        return Some(false);
    }
    let protected = || scope.cluster().is_none_or(|id| picture.protection(id) == Some(Protection::Protected));
    if !picture.is_well(scope) {
        return None;
    }
    Some(protected())
}

/// Whether the product has seen that something fails.
pub fn is_seen_to_fail(picture: &Picture, scope: &Scope) -> bool {
    let is_down = |judgement: &Judgement| judgement.health == Health::Down;
    if picture.records.cases.contains_key(scope) {
        return true;
    }
    match scope {
        Scope::Cluster(id) => {
            let leader = picture.records.primaries.get(id).map(|(node, _)| node);
            picture.cluster(id).is_some_and(|(_, view)| {
                let leads = |node: &NodeView| leader.map_or_else(|| node.was_primary(), |leader| *leader == node.node);
                view.nodes.iter().any(|node| leads(node) && is_down(&node.judgement))
            })
        }
        Scope::Service(id) => picture.observed.endpoints.iter().any(|((service, _), view)| service == id && is_down(&view.judgement)),
        Scope::Region(id) => picture.observed.endpoints.iter().any(|((_, region), view)| region == id && is_down(&view.judgement)),
        Scope::Backup(_) => false,
    }
}

/// Why a run must stop, if it must.
pub fn breach(picture: &Picture, run: &Run) -> Option<String> {
    run.scenario.guardrails.iter().find_map(|guardrail| match guardrail {
        Guardrail::Well { scope } => match is_well(picture, scope) {
            Some(true) => None,
            Some(false) => Some(format!("guardrail: {} is not well", scope.name())),
            None => Some(format!("guardrail: nobody can see whether {} is well", scope.name())),
        },
        // While no primary answers there is no lag to read; that a test takes it away is its purpose.
        Guardrail::Lag { cluster, most } => {
            let reading = picture.cluster(cluster)?.1.primary()?.reading.as_ref()?;
            let NodeRole::Primary { peers, .. } = &reading.role else { return None };
            let lags = peers.iter().filter_map(|peer| Some((peer.replay_lag?, &peer.name)));
            let (lag, name) = lags.max()?;
            (lag > *most).then(|| format!("guardrail: {name} of {cluster} lags {lag}, more than {most}"))
        }
    })
}

/// What is to be done now; `None` where it is somebody else's turn. `is_at_work` says whether this process runs the fault of a step.
pub fn due(picture: &Picture, run: &Run, is_at_work: impl Fn(usize) -> bool) -> Option<Due> {
    match run.state {
        RunState::Requested | RunState::Ended | RunState::Cancelled => None,
        RunState::Running => {
            if let Some(why) = breach(picture, run) {
                return clean_up(run, &why, true, true).map(Due::Record);
            }
            if let Some(held) = picture.records.held(&Restraint::Tests, picture.now) {
                return clean_up(run, &format!("{} stopped all tests: {}", held.by, held.reason), true, false).map(Due::Record);
            }
            if run.part(false).all(|(_, record)| record.state.is_over()) {
                return clean_up(run, "all steps are over", false, false).map(Due::Record);
            }
            drive(picture, run, false, is_at_work)
        }
        RunState::Cleaning => {
            if run.part(true).any(|(_, record)| !record.state.is_over()) {
                return drive(picture, run, true, is_at_work);
            }
            match &run.steady {
                None => steady_state(picture, run),
                Some(_) => Some(Due::Record(vec![TestEvent::Ended { judged: Judged::of(run) }])),
            }
        }
    }
}

/// The first bound step of the part that is not over: its end where it runs, its beginning where its turn has come.
fn drive(picture: &Picture, run: &Run, cleanup: bool, is_at_work: impl Fn(usize) -> bool) -> Option<Due> {
    let mut before_is_over = true;
    let mut unwell: Option<&ScenarioStep> = None;
    for (at, (step, record)) in run.lines().enumerate().filter(|(_, (step, _))| step.cleanup == cleanup) {
        match record.state {
            TestStepState::Running if !step.does.is_manual() => return goes_on(picture, run, at, step, record.started_at?, is_at_work(at)),
            TestStepState::Pending if !step.does.is_manual() && before_is_over => {
                // On a step that did not go well nothing is built that acts for real; what puts things back is tried anyway.
                if let Some(unwell) = unwell.filter(|_| !cleanup && step.does.acts_for_real()) {
                    let why = format!("“{}” did not pass, so “{}” is not begun", unwell.name, step.name);
                    return clean_up(run, &why, true, false).map(Due::Record);
                }
                return Some(Due::Record(vec![TestEvent::Step { step: at, moment: StepMoment::Start, said: String::new() }]));
            }
            TestStepState::Pending | TestStepState::Running | TestStepState::Blocked => before_is_over = false,
            TestStepState::Failed | TestStepState::Skipped | TestStepState::NotRun => unwell = unwell.or(Some(step)),
            TestStepState::Passed => {}
        }
    }
    None
}

fn ends(step: usize, moment: StepMoment, said: String) -> Option<Due> {
    Some(Due::Record(vec![TestEvent::Step { step, moment, said }]))
}

fn goes_on(picture: &Picture, run: &Run, at: usize, step: &ScenarioStep, since: Instant, is_at_work: bool) -> Option<Due> {
    let waited = Span::between(since, picture.now);
    match &step.does {
        StepAction::Manual => None,
        StepAction::CheckWell { scope, within } => match is_well(picture, scope) {
            Some(true) => ends(at, StepMoment::Pass, format!("{} is well", scope.name())),
            seen if waited > *within => {
                let how = if seen.is_some() { "is not well" } else { "is not known to be well" };
                ends(at, StepMoment::Fail, format!("{} {how} after {within}", scope.name()))
            }
            _ => None,
        },
        StepAction::AwaitDetection { scope, within } => {
            if is_seen_to_fail(picture, scope) {
                ends(at, StepMoment::Pass, format!("Lifeboat sees that {} fails", scope.name()))
            } else if waited > *within {
                ends(at, StepMoment::Fail, format!("Lifeboat saw no failure of {} within {within}", scope.name()))
            } else {
                None
            }
        }
        StepAction::InjectFault { .. } if is_at_work => None,
        StepAction::InjectFault { fault } => Some(Due::Inject { step: at, fault: fault.clone() }),
        StepAction::Operation { scope, within, .. } => {
            let bound: Option<OperationId> = run.steps.get(at).and_then(|record| record.operation);
            let Some(id) = bound else {
                if waited > *within {
                    return ends(at, StepMoment::Fail, format!("no operation could be requested within {within}"));
                }
                // Where the product has asked for it itself meanwhile, that is the one.
                return match picture.records.holder_of(scope) {
                    Some(asked) => Some(Due::Record(vec![TestEvent::Bound { step: at, operation: asked.id }])),
                    None => Some(Due::Request { step: at }),
                };
            };
            let Some(operation) = picture.operation(&id) else {
                return ends(at, StepMoment::Fail, format!("the operation {} is not known any more", id.short()));
            };
            of_operation(operation, at, waited > *within, *within)
        }
    }
}

fn of_operation(operation: &Operation, at: usize, is_late: bool, within: Span) -> Option<Due> {
    let name = format!("the {} {}", operation.plan.kind, operation.id.short());
    let ended = |moment, said| {
        let mut events = Vec::new();
        let measured = operation.measured.clone();
        // A rehearsal measures nothing, and what mends only counts what was lost before.
        let tells = operation.mode() != Mode::Test && (!operation.plan.kind.mends() || measured.lost_transactions.is_some());
        if tells {
            let moves_data = operation.plan.database().is_some();
            events.push(TestEvent::Measured { operation: operation.id, measured, moves_data });
        }
        events.push(TestEvent::Step { step: at, moment, said });
        Some(Due::Record(events))
    };
    match operation.state {
        State::Succeeded => ended(StepMoment::Pass, format!("{name} succeeded")),
        State::Failed | State::Closed | State::Declined | State::Cancelled | State::Void => {
            let why = operation.outcome.as_deref().unwrap_or("nobody said why");
            ended(StepMoment::Fail, format!("{name} is {}: {why}", operation.state))
        }
        _ if is_late => ended(StepMoment::Fail, format!("{name} is {} after {within}; it goes on by itself", operation.state)),
        _ => None,
    }
}

/// Looks whether everything that the run is about is well again, and waits for it for a while.
fn steady_state(picture: &Picture, run: &Run) -> Option<Due> {
    let scopes = gates::scopes_of(picture, &run.scenario);
    let seen: Vec<(&Scope, Option<bool>)> = scopes.iter().map(|scope| (scope, is_well(picture, scope))).collect();
    let names = |wanted: Option<bool>| seen.iter().filter(|(_, well)| *well == wanted).map(|(scope, _)| scope.name()).collect::<Vec<_>>().join(", ");
    let since = run.part(true).filter_map(|(_, record)| record.ended_at).chain(run.cleaning_since).max()?;
    if seen.iter().all(|(_, well)| *well == Some(true)) && !seen.is_empty() {
        let said = format!("{} well", names(Some(true)));
        return Some(Due::Record(vec![TestEvent::SteadyStateSeen { well: Some(true), said }]));
    }
    // What moves nothing need not wait: what it finds is as it was.
    let patience = if run.scenario.acts_for_real() { SETTLES_WITHIN } else { Span::ZERO };
    if Span::between(since, picture.now) < patience {
        return None;
    }
    let (bad, unknown) = (names(Some(false)), names(None));
    let said = [(bad.as_str(), "not well"), (unknown.as_str(), "not known to be well")]
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, how)| format!("{names}: {how}"))
        .collect::<Vec<_>>()
        .join("; ");
    let well = if bad.is_empty() { None } else { Some(false) };
    Some(Due::Record(vec![TestEvent::SteadyStateSeen { well, said }]))
}
