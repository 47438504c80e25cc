//! Carries out operations. Each step is journalled before it acts and after what it did was seen; a server that was
//! killed in between looks at the world first and goes on, or stands in doubt and says why.

use crate::{connections::Connections, desk::Desk};
use engine::{
    failover::{Operation, State},
    id::OperationId,
    journal::{Actor, Event, void_reasons},
    picture::Picture,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::Mutex;

mod act;
mod crash;
mod executor;
mod look;

pub use crash::CrashAt;

/// Starts the executor: it takes up what was running when the server stopped, and everything that is approved from now on.
pub fn start(desk: Arc<Desk>, connections: Arc<Connections>, crash_at: Option<CrashAt>) {
    tokio::spawn(async move {
        let at_work: Arc<Mutex<BTreeSet<OperationId>>> = Arc::default();
        let mut changed = desk.listen();
        loop {
            let picture = desk.picture();
            // What cannot be journalled is not done: with a broken journal nothing starts and nothing goes on.
            let operations = picture.records.operations.values().filter(|_| picture.journal_break.is_none());
            for operation in operations {
                if may_work_on(&picture, operation) && at_work.lock().await.insert(operation.id) {
                    let work = executor::Executor::new(desk.clone(), connections.clone(), operation.id, crash_at.clone());
                    let at_work = at_work.clone();
                    let id = operation.id;
                    tokio::spawn(async move {
                        if let Err(error) = work.run().await {
                            tracing::error!(operation = %id, error = format!("{error:#}"), "the executor cannot write the journal; the operation goes on when it can");
                        }
                        at_work.lock().await.remove(&id);
                    });
                }
            }
            void_stale_requests(&desk, &picture).await;
            if changed.changed().await.is_err() {
                return;
            }
        }
    });
}

/// What runs goes on at once: its steps look at the world themselves. What is only approved is checked once more before
/// it starts, and for that enough must have been seen.
fn may_work_on(picture: &Picture, operation: &Operation) -> bool {
    operation.state.is_running() || (operation.state == State::Approved && picture.is_settled(&operation.plan.cluster))
}

/// A request that rests on facts which have changed is void at once, not when somebody tries to approve it.
async fn void_stale_requests(desk: &Desk, picture: &Picture) {
    let stale = |picture: &Picture| -> Vec<Event> {
        let waiting = picture.records.operations.values().filter(|operation| operation.state == State::Requested);
        waiting
            .filter(|operation| picture.is_settled(&operation.plan.cluster))
            .filter_map(|operation| {
                let reasons = void_reasons(operation, &picture.replan(operation)?, picture.now);
                (!reasons.is_empty()).then_some(Event::OperationVoided { id: operation.id, reasons })
            })
            .collect()
    };
    if picture.journal_break.is_some() || stale(picture).is_empty() {
        return;
    }
    if let Err(error) = desk.record(&Actor::Lifeboat, stale).await {
        tracing::error!(error = format!("{error:#}"), "a stale request could not be made void; trying again");
    }
}
