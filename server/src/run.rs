//! Carries out operations. Each step is journalled before it acts and after what it did was seen; a server that was
//! killed in between looks at the world first and goes on, or stands in doubt and says why.

use crate::{backups::Backups, connections::Connections, desk::Desk};
use act::Acting;
use engine::{
    failover::{Operation, State},
    journal::{Actor, Event, voids},
    picture::Picture,
};
use std::sync::Arc;
use tokio::task::JoinHandle;

mod act;
mod at_work;
pub mod commit;
mod crash;
mod divergence;
mod durability;
mod ends;
mod evacuation;
mod executor;
mod fences;
mod hooks;
mod leftovers;
mod look;
mod monitoring;
pub mod needs;
mod patroni;
mod poolers;
mod traffic;

use at_work::{AtWork, Taken};
pub use crash::CrashAt;
use needs::{Hands, Ledger};

/// Starts the executor: it takes up what was running when the server stopped, and everything that is approved from now on.
/// `backups` restores what is to be restored. What is returned is its task, which ends only where it has failed. At a read-only desk it carries nothing out.
pub fn start(desk: Arc<Desk>, connections: Arc<Connections>, backups: Option<Arc<Backups>>, crash_at: Option<CrashAt>) -> JoinHandle<()> {
    leftovers::keep_ending(desk.clone(), connections.clone());
    let ledger = desk.clone();
    tokio::spawn(carry_out(ledger, move || Acting::new(desk.clone(), connections.clone(), backups.clone()), crash_at))
}

/// Carries out whatever `ledger` says is running or approved, each operation with `hands` of its own. Ends only with the ledger.
pub async fn carry_out<L: Ledger, H: Hands>(ledger: Arc<L>, hands: impl Fn() -> H, crash_at: Option<CrashAt>) {
    let at_work = AtWork::default();
    let mut changed = ledger.listen();
    loop {
        let picture = ledger.picture();
        // What cannot be journalled is not done: with a broken journal nothing starts and nothing goes on.
        let operations = picture.records.operations.values().filter(|_| picture.journal_break.is_none());
        for operation in operations {
            if may_work_on(&picture, operation)
                && let Some(taken) = at_work.take(operation.id)
            {
                let work = executor::Executor::new(ledger.clone(), hands(), operation.id, crash_at.clone());
                tokio::spawn(watched(ledger.clone(), taken, tokio::spawn(work.run())));
            }
        }
        void_stale_requests(&*ledger, &picture).await;
        // In this order, so that the same happenings lead to the same run; both lead to the same look.
        tokio::select! {
            biased;
            changed = changed.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = at_work.freed() => {}
        }
    }
}

/// Waits for one run to end. What a mistake in the product has ended is not taken up again by itself, or it would be met
/// again and again: it stands in doubt.
async fn watched<L: Ledger>(ledger: Arc<L>, taken: Taken, work: JoinHandle<anyhow::Result<()>>) {
    let id = taken.id;
    match work.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(operation = %id, error = format!("{error:#}"), "the executor cannot write the journal; the operation goes on when it can");
        }
        Err(error) => {
            tracing::error!(operation = %id, %error, "the executor failed");
            let why = "the product failed in the middle of it; look at the server's log".to_owned();
            let runs = |picture: &Picture| picture.operation(&id).is_some_and(|operation| operation.state.is_running());
            let doubt = |picture: &Picture| if runs(picture) { vec![Event::OperationInDoubt { id, why: why.clone() }] } else { Vec::new() };
            if let Err(error) = ledger.record(&Actor::Lifeboat, doubt).await {
                tracing::error!(operation = %id, error = format!("{error:#}"), "that it stands in doubt could not be recorded");
            }
        }
    }
}

/// What runs goes on at once: its steps look at the world themselves. What is only approved is checked once more before
/// it starts, and for that enough must have been seen. Where nobody may act, nothing goes on.
fn may_work_on(picture: &Picture, operation: &Operation) -> bool {
    !picture.read_only && (operation.state.is_running() || (operation.state == State::Approved && picture.is_settled(&operation.plan.scope())))
}

/// A request that rests on facts which have changed is void at once, not when somebody tries to approve it.
async fn void_stale_requests(ledger: &impl Ledger, picture: &Picture) {
    let stale = |picture: &Picture| -> Vec<Event> {
        let waiting = picture.records.operations.values().filter(|operation| operation.state == State::Requested);
        waiting
            .filter(|operation| picture.is_settled(&operation.plan.scope()))
            .filter_map(|operation| {
                let reasons = voids(operation, &picture.replan(operation)?, picture.now);
                (!reasons.is_empty()).then_some(Event::OperationVoided { id: operation.id, reasons })
            })
            .collect()
    };
    if picture.journal_break.is_some() || picture.read_only || stale(picture).is_empty() {
        return;
    }
    if let Err(error) = ledger.record(&Actor::Lifeboat, stale).await {
        tracing::error!(error = format!("{error:#}"), "a stale request could not be made void; trying again");
    }
}
