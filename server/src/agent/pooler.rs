//! A PgBouncer of this host. Its clients can be made to wait while the writes move, and be led to another node.
//!
//! A wait has an end, whoever forgets it: it is written down before it begins, this agent ends it when its time is over, and an agent
//! that was killed meanwhile finds the note when it is started again. PgBouncer itself forgets a pause when it is restarted.

pub mod config;
mod console;
mod databases_file;
mod note;

use self::config::Pooler as Settings;
use self::console::Console;
use self::note::Note;
use super::config::Peer;
use super::refusal::Refusal;
use super::wire::{Cut, Pause, Paused, PoolerStatus, Repointed, Resumed};
use chrono::Utc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A console answers at once or not at all, `PAUSE` apart.
const PATIENCE: Duration = Duration::from_secs(2);
/// What could not be ended is tried again so often.
const AGAIN: Duration = Duration::from_millis(500);

/// No order makes clients wait longer, whoever gives it.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// One PgBouncer, and the wait it was told, if there is one.
pub struct Pooler {
    pub settings: Settings,
    wait: Mutex<Option<Wait>>,
    changed: Notify,
    /// One command at a time, the end of a wait included.
    working: tokio::sync::Mutex<()>,
}

/// A wait of its clients that ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    until: Instant,
}

impl Pooler {
    /// With what an agent before this one has left behind.
    pub fn new(settings: Settings) -> Self {
        let left = note::read(&settings.pause_file, Utc::now()).map(|left| Wait { until: Instant::now() + left });
        Self { settings, wait: Mutex::new(left), changed: Notify::new(), working: tokio::sync::Mutex::default() }
    }

    /// Ends every wait whose time is over. Runs until the process ends.
    pub async fn keep(self: Arc<Self>) {
        loop {
            match self.wait() {
                None => self.changed.notified().await,
                Some(wait) if wait.until > Instant::now() => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(wait.until.into()) => {}
                },
                Some(wait) => {
                    let working = self.working.lock().await;
                    if self.wait() != Some(wait) {
                        continue;
                    }
                    match self.let_through().await {
                        Ok(()) => tracing::info!(pooler = self.settings.id, "its clients were let through: the time of the pause was over"),
                        Err(error) => {
                            tracing::warn!(pooler = self.settings.id, error, "a pause that is over could not be ended; trying again");
                            drop(working);
                            tokio::time::sleep(AGAIN).await;
                        }
                    }
                }
            }
        }
    }

    fn wait(&self) -> Option<Wait> {
        // Whoever failed while holding it left it whole.
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_wait(&self, wait: Option<Wait>) {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = wait;
        self.changed.notify_one();
    }

    /// Writes down that clients will wait, before they do.
    fn begin(&self, lasts: Duration) -> Result<Wait, Refusal> {
        if lasts > LONGEST_WAIT {
            return Err(Refusal::bad_request(
                format!("a pause of {} s is longer than any here", lasts.as_secs()),
                format!("order at most {} s", LONGEST_WAIT.as_secs()),
            ));
        }
        let path = &self.settings.pause_file;
        note::write(path, &Note::of(Utc::now(), lasts)).map_err(|error| Refusal::io("write the note of a pause", path, &error))?;
        let wait = Wait { until: Instant::now() + lasts };
        self.set_wait(Some(wait));
        Ok(wait)
    }

    /// Ends a wait, whoever began it, and forgets it. Where that fails it is not forgotten.
    async fn let_through(&self) -> Result<(), String> {
        let mut console = Console::open(&self.settings, PATIENCE).await?;
        console.resume(&self.settings.database, PATIENCE).await?;
        note::remove(&self.settings.pause_file).map_err(|error| format!("the note of the pause cannot be removed: {error}"))?;
        self.set_wait(None);
        Ok(())
    }

    /// Undoes a wait that has failed to begin, now or as soon as that is possible.
    async fn take_back(&self) -> String {
        match self.let_through().await {
            Ok(()) => "its clients go on".to_owned(),
            Err(error) => {
                self.set_wait(Some(Wait { until: Instant::now() }));
                format!("its clients may still wait, and are let through as soon as that is possible: {error}")
            }
        }
    }

    fn unreachable(&self, error: String) -> Refusal {
        Refusal::failed(format!("PgBouncer: {error}"), format!("look whether it runs, and whether {} may use its console", self.settings.user))
    }

    /// Clients wait once everything that runs has ended. Where that does not come in time they go on, and whoever held it up is named.
    pub async fn pause(&self, order: &Pause) -> Result<Paused, Refusal> {
        let _working = self.working.lock().await;
        let began = Instant::now();
        let (lasts, patience) = (Duration::from_millis(order.for_ms), Duration::from_millis(order.timeout_ms.min(order.for_ms)));
        let mut console = Console::open(&self.settings, PATIENCE).await.map_err(|error| self.unreachable(error))?;
        self.begin(lasts)?;
        let paused = console.pause(&self.settings.database, patience).await;
        match paused {
            Ok(true) => Ok(Paused { took_ms: millis(began.elapsed()) }),
            Ok(false) => {
                let held_up = match Console::open(&self.settings, PATIENCE).await {
                    Ok(mut console) => console.busy(&self.settings.database, PATIENCE).await,
                    Err(error) => Err(error),
                };
                // The first console still waits for its answer.
                drop(console);
                let after = self.take_back().await;
                let by = held_up.unwrap_or_else(|error| vec![format!("not known: {error}")]);
                let by = if by.is_empty() { "they ended just now".to_owned() } else { by.join("; ") };
                Err(Refusal::not_proven_in_time(
                    format!("{} could not be paused: transactions did not end within {} ms ({by}); {after}", self.settings.id, patience.as_millis()),
                    "end them, or wait until they have ended, and try again",
                ))
            }
            Err(error) => {
                let after = self.take_back().await;
                Err(self.unreachable(format!("{error}; {after}")))
            }
        }
    }

    /// Leads to `peer` from here on; every connection ends at once, and clients wait.
    pub async fn cut(&self, peer: &Peer, order: &Cut) -> Result<Repointed, Refusal> {
        let _working = self.working.lock().await;
        let mut console = self.lead_to(peer).await?;
        self.begin(Duration::from_millis(order.for_ms))?;
        match console.kill(&self.settings.database, PATIENCE).await {
            Ok(()) => Ok(Repointed { leads_to: peer.id.clone() }),
            Err(error) => {
                let after = self.take_back().await;
                Err(self.unreachable(format!("{error}; {after}")))
            }
        }
    }

    /// Leads to `peer` from here on, and nobody waits any more. A connection to another node ends once its transaction has.
    pub async fn repoint(&self, peer: &Peer) -> Result<Repointed, Refusal> {
        let _working = self.working.lock().await;
        let mut console = self.lead_to(peer).await?;
        console.reconnect(&self.settings.database, PATIENCE).await.map_err(|error| self.unreachable(error))?;
        self.let_through().await.map_err(|error| self.unreachable(error))?;
        Ok(Repointed { leads_to: peer.id.clone() })
    }

    /// Has it read where it leads to, and reads that back.
    async fn lead_to(&self, peer: &Peer) -> Result<Console, Refusal> {
        let Some(nodes) = &self.settings.nodes else {
            return Err(Refusal::bad_request(
                format!("{} does not follow nodes: nothing is configured for that here", self.settings.id),
                "configure [pooler.nodes], or declare follows = \"router\"",
            ));
        };
        let mut console = Console::open(&self.settings, PATIENCE).await.map_err(|error| self.unreachable(error))?;
        databases_file::write(&nodes.databases_file, &self.settings.database, &nodes.server_database, peer)?;
        console.reload(PATIENCE).await.map_err(|error| self.unreachable(error))?;
        let now = console.database(&self.settings.database, PATIENCE).await.map_err(|error| self.unreachable(error))?;
        if (now.host.as_deref(), now.port) != (Some(peer.host.as_str()), peer.port) {
            return Err(Refusal::failed(
                format!("PgBouncer has read {} and still connects to {}", nodes.databases_file.display(), now.connects_to()),
                "its configuration must include that file with %include, behind any other entry of the database",
            ));
        }
        Ok(console)
    }

    pub async fn resume(&self) -> Result<Resumed, Refusal> {
        let _working = self.working.lock().await;
        let waited = self.wait().is_some();
        self.let_through().await.map_err(|error| self.unreachable(error))?;
        Ok(Resumed { waited })
    }

    /// What it says now. `peers` give a name to where it leads.
    pub async fn status(&self, peers: &[Peer]) -> Result<PoolerStatus, Refusal> {
        let asking = async {
            let mut console = Console::open(&self.settings, PATIENCE).await?;
            let version = console.version(PATIENCE).await?;
            let database = console.database(&self.settings.database, PATIENCE).await?;
            let queue = console.queue(&self.settings.database, PATIENCE).await?;
            Ok((version, database, queue))
        };
        let (version, database, queue) = asking.await.map_err(|error: String| self.unreachable(error))?;
        let leads_to = peers.iter().find(|peer| Some(peer.host.as_str()) == database.host.as_deref() && peer.port == database.port);
        let left = self.wait().map(|wait| match wait.until.checked_duration_since(Instant::now()) {
            Some(left) => i64::try_from(left.as_millis()).unwrap_or(i64::MAX),
            None => -i64::try_from(wait.until.elapsed().as_millis()).unwrap_or(i64::MAX),
        });
        Ok(PoolerStatus {
            version,
            paused: database.paused,
            pause_left_ms: left,
            connects_to: database.connects_to(),
            leads_to: leads_to.map(|peer| peer.id.clone()),
            clients_waiting: queue.waiting,
            longest_wait_ms: millis(queue.longest),
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
