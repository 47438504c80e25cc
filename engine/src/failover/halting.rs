//! What ends an operation before its time: a person who stops it, an emergency stop of all tests (row 64), and a failover
//! that needs what a test holds (row 71).

use super::{Mode, Operation, Plan, State, StepState};
use crate::{
    journal::{Event, Records},
    restraints::Restraint,
    time::Instant,
};

/// Why a running operation is to stop after the step it is at, and who wants that; `None` where it may go on.
pub fn told_to_stop(operation: &Operation, records: &Records, now: Instant) -> Option<String> {
    if let Some(abort) = &operation.aborted {
        return Some(format!("stopped by {}: {}", abort.by, abort.reason));
    }
    let held = records.held(&Restraint::Tests, now).filter(|_| operation.mode() == Mode::Test)?;
    Some(format!("all tests were stopped by {}: {}", held.by, held.reason))
}

/// The operation that keeps `plan` from being requested. A test never keeps an emergency waiting.
pub fn in_the_way<'a>(records: &'a Records, plan: &Plan) -> Option<&'a Operation> {
    records.holder_of(&plan.scope()).filter(|holder| holder.mode() != Mode::Test || plan.mode() != Mode::Emergency)
}

/// What ends `holder`, so that something else may take its place at once. A test has nothing to put back, so it ends as it
/// stands; what has begun and is no test never gives way.
pub fn make_way(holder: &Operation, why: &str) -> Vec<Event> {
    let (id, why) = (holder.id, why.to_owned());
    match holder.state {
        State::Requested | State::Approved => vec![Event::OperationVoided { id, reasons: vec![why] }],
        _ if holder.mode() != Mode::Test => Vec::new(),
        State::Running => {
            let running = (0..holder.steps.len()).filter(|step| holder.steps[*step].state == StepState::Running);
            let mut events: Vec<Event> =
                running.map(|step| Event::StepEnded { id, step, state: StepState::Failed, said: format!("not finished: {why}") }).collect();
            events.push(Event::OperationCompensating { id, why: why.clone() });
            events.push(Event::OperationFailed { id, why });
            events
        }
        State::Compensating => vec![Event::OperationFailed { id, why }],
        State::InDoubt => vec![Event::OperationClosed { id, reason: why }],
        State::Succeeded | State::Failed | State::Declined | State::Cancelled | State::Void | State::Closed => Vec::new(),
    }
}
