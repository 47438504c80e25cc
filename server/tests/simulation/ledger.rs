//! The ledger of the real executor: reads the picture and writes the journal, unless the server is killed in the middle of it.

use crate::stage::Stage;
use engine::{
    id::OperationId,
    journal::{Actor, Event},
    picture::Picture,
};
use server::{desk::Changed, run::needs::Ledger};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// What one run of the server has of the journal.
pub struct Pen {
    pub stage: Arc<Stage>,
    pub run: u64,
}

impl Pen {
    /// Nothing goes on in a server that was killed.
    pub async fn unless_killed(&self) {
        if !self.stage.runs(self.run) {
            std::future::pending::<()>().await;
        }
    }
    async fn perhaps_killed(&self, share: u64, why: &str) {
        if self.stage.dice().permille(share) {
            self.stage.crash(why);
        }
        self.unless_killed().await;
    }
}

impl Ledger for Pen {
    fn picture(&self) -> Picture {
        self.stage.picture()
    }
    fn listen(&self) -> watch::Receiver<Changed> {
        self.stage.listen()
    }
    async fn record(&self, actor: &Actor, events: impl Fn(&Picture) -> Vec<Event> + Send) -> anyhow::Result<()> {
        self.unless_killed().await;
        let waits = { self.stage.dice().permille(150) };
        if waits {
            let pause = self.stage.dice().up_to(40);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.perhaps_killed(3, "before an entry was written").await;
        if self.stage.dice().permille(2) {
            self.stage.count("the journal could not be written");
            anyhow::bail!("the disk is full");
        }
        let events = events(&self.stage.picture());
        if events.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(self.stage.write(actor, &events), "a decided event does not fit the records");
        // Right after a failed step the worst moment to be killed is also the rarest one.
        let failed = events.iter().any(|event| matches!(event, Event::StepEnded { state: engine::failover::StepState::Failed, .. }));
        self.perhaps_killed(if failed { 60 } else { 4 }, "after an entry was written").await;
        Ok(())
    }
    fn new_operation(&self) -> OperationId {
        self.stage.new_id()
    }
}
