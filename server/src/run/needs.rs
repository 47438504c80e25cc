//! The few things that carrying out an operation needs: a ledger to read and to write, and hands that act on the world. Apart
//! from these it has no way to do anything, so a simulated ledger and simulated hands see everything it does.

use crate::desk::{Changed, Desk};
use engine::{
    failover::{Action, Measured, Operation},
    id::OperationId,
    journal::{Actor, Event},
    picture::Picture,
    time::Span,
};
use std::future::Future;
use tokio::sync::watch;

/// What is known, and where what happens is written down.
pub trait Ledger: Send + Sync + 'static {
    /// Everything known now.
    fn picture(&self) -> Picture;
    /// Where to hear that something was recorded or observed.
    fn listen(&self) -> watch::Receiver<Changed>;
    /// Records what `events` says once the records are up to date. Decides and writes as one: nothing comes in between.
    ///
    /// # Errors
    /// Where nothing could be written.
    fn record(&self, actor: &Actor, events: impl Fn(&Picture) -> Vec<Event> + Send) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// An id that no operation has yet.
    fn new_operation(&self) -> OperationId;
}

/// What acts on the world.
pub trait Hands: Send + Sync + 'static {
    /// Carries out one action. The caller bounds it by `timeout`; where another process does the work, it is told the bound too.
    ///
    /// # Errors
    /// What kept it from being done; whether it took effect all the same may not be known.
    fn perform(&mut self, action: &Action, operation: &Operation, timeout: Span) -> impl Future<Output = anyhow::Result<Done>> + Send;
}

/// What an action achieved.
#[derive(Debug, Clone)]
pub struct Done {
    /// The evidence, in words.
    pub said: String,
    /// The loss, where the action measured it.
    pub loss: Option<Measured>,
}

impl Done {
    /// Done, and nothing was measured.
    pub fn because(said: impl Into<String>) -> Self {
        Self { said: said.into(), loss: None }
    }
}

impl Ledger for Desk {
    fn picture(&self) -> Picture {
        Desk::picture(self)
    }
    fn listen(&self) -> watch::Receiver<Changed> {
        Desk::listen(self)
    }
    async fn record(&self, actor: &Actor, events: impl Fn(&Picture) -> Vec<Event> + Send) -> anyhow::Result<()> {
        Desk::record(self, actor, events).await.map(|_| ())
    }
    fn new_operation(&self) -> OperationId {
        OperationId(uuid::Uuid::now_v7())
    }
}
