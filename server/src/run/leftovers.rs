//! What an operation that has ended without would leave standing: the silences it made, and what its hooks began before it.
//! A silence that could not be ended is tried again until it ends by itself; a hook is run once, and again
//! only where the journal could not take down that it was.

use super::{act::Acting, monitoring};
use crate::{connections::Connections, desk::Desk};
use anyhow::Context;
use engine::{
    failover::{Action, HookMoment, Operation, StepState},
    id::OperationId,
    journal::{Actor, Event},
    picture::Picture,
    time::{Instant, Span},
};
use std::{sync::Arc, time::Duration};

/// What failed is tried again so often.
const AGAIN: Duration = Duration::from_secs(30);
/// One try to end a silence.
const TRY: Span = Span::from_secs(3);

/// Looks at every operation that has ended, now and from now on. Where nobody may act it ends nothing.
pub(super) fn keep_ending(desk: Arc<Desk>, connections: Arc<Connections>) {
    if desk.is_read_only() || (connections.monitoring.is_empty() && connections.hooks.is_empty()) {
        return;
    }
    tokio::spawn(async move {
        let mut changed = desk.listen();
        let mut not_before = tokio::time::Instant::now();
        loop {
            changed.mark_unchanged();
            let picture = desk.picture();
            let (silences, hooks) = (left(&picture, Operation::silence_left), left(&picture, Operation::hook_left));
            if tokio::time::Instant::now() >= not_before {
                for (id, step) in silences {
                    if let Err(error) = end_silence(&desk, &connections, id, step).await {
                        tracing::warn!(operation = %id, error = format!("{error:#}"), "its silence could not be ended; trying again");
                        not_before = tokio::time::Instant::now() + AGAIN;
                    }
                }
                for (id, step) in hooks {
                    if let Err(error) = run_hook(&desk, &connections, id, step).await {
                        tracing::warn!(operation = %id, error = format!("{error:#}"), "that its hook ran could not be recorded; trying again");
                        not_before = tokio::time::Instant::now() + AGAIN;
                    }
                }
            }
            // Time alone changes something only where a try has failed.
            tokio::select! {
                changed = changed.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(not_before), if not_before > tokio::time::Instant::now() => {}
            }
        }
    });
}

type Left = fn(&Operation, Instant) -> Option<usize>;

fn left(picture: &Picture, what: Left) -> Vec<(OperationId, usize)> {
    let operations = picture.records.operations.values().filter(|_| picture.journal_break.is_none());
    operations.filter_map(|operation| Some((operation.id, what(operation, picture.now)?))).collect()
}

async fn end_silence(desk: &Desk, connections: &Connections, id: OperationId, step: usize) -> anyhow::Result<()> {
    let picture = desk.picture();
    let operation = picture.operation(&id).context("it is not in the records")?;
    let planned = operation.plan.steps.get(step).context("it has no such step")?;
    let (action, state) = match &planned.undo {
        Some(undo) => (undo, StepState::Undone),
        None => (&planned.action, StepState::Done),
    };
    let done = monitoring::tell(desk, connections, action, operation, TRY).await?;
    record(desk, Operation::silence_left, id, step, state, done.said).await
}

/// That it failed is recorded like anything else it says: the operation has ended, and does not end otherwise because of it.
async fn run_hook(desk: &Arc<Desk>, connections: &Arc<Connections>, id: OperationId, step: usize) -> anyhow::Result<()> {
    let picture = desk.picture();
    let operation = picture.operation(&id).context("it is not in the records")?;
    let planned = operation.plan.steps.get(step).context("it has no such step")?;
    let Action::RunHook { hook, .. } = &planned.action else { anyhow::bail!("step {step} runs no hook") };
    let ran = Acting::new(desk.clone(), connections.clone(), None).run_hook(operation, hook, HookMoment::After, planned.timeout).await;
    let (state, said) = match ran {
        Ok(done) => (StepState::Done, done.said),
        Err(error) => (StepState::Failed, format!("{error:#}")),
    };
    record(desk, Operation::hook_left, id, step, state, said).await
}

async fn record(desk: &Desk, what: Left, id: OperationId, step: usize, state: StepState, said: String) -> anyhow::Result<()> {
    let ended = Event::StepEnded { id, step, state, said: format!("after the end of the operation: {said}") };
    let still = |picture: &Picture| picture.operation(&id).is_some_and(|operation| what(operation, picture.now) == Some(step));
    desk.record(&Actor::Lifeboat, |picture| if still(picture) { vec![ended.clone()] } else { Vec::new() }).await.map(|_| ())
}
