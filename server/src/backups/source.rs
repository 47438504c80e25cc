//! What a backup is taken of, behind one trait: each kind knows its tool, how to read everything into a folder, and how to
//! climb the rungs of the proof ladder that need more than bytes.

use super::work::Folder;
use crate::connect::{postgres::Address, program};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    backups::{Count, Fault, ProofFailure, ProofLevel, Rung, chain::WalRange},
    estate::Verification,
    time::{Instant, Span},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;

pub mod command;
pub mod etcd;
pub mod pg_basebackup;
pub mod pg_dump;
pub mod pg_receivewal;
pub mod qdrant;
pub mod redis;

/// How often it is looked how much a tool has written.
const LOOKED_EVERY: Duration = Duration::from_millis(500);

/// What was read.
#[derive(Debug)]
pub struct Taken {
    /// The files in the folder, in the order in which they are stored.
    pub files: Vec<String>,
    pub recoverable_to: Option<Instant>,
    pub source_bytes: Option<u64>,
    pub wal: Option<WalRange>,
    pub counts: Vec<Count>,
}

/// What a proof found out on its way.
#[derive(Debug, Default)]
pub struct Climbed {
    pub rungs: Vec<Rung>,
    pub failure: Option<ProofFailure>,
    pub recovered_to: Option<Instant>,
    /// When the scratch server answered.
    pub booted_at: Option<std::time::Instant>,
}

impl Climbed {
    /// Takes down a rung, or where and why the climb ended.
    pub fn step(&mut self, level: ProofLevel, began: std::time::Instant, outcome: Result<String, Broken>) -> bool {
        match outcome {
            Ok(said) => {
                let took = Span::from_millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
                self.rungs.push(Rung { level, took, said });
                true
            }
            Err(Broken { fault, why }) => {
                self.failure = Some(ProofFailure { level, why, fault });
                false
            }
        }
    }
}

/// Why a rung could not be climbed, and whose fault that is.
#[derive(Debug)]
pub struct Broken {
    pub fault: Fault,
    pub why: String,
}

impl Broken {
    pub fn backup(why: impl ToString) -> Self {
        Self { fault: Fault::Backup, why: why.to_string() }
    }
    /// By the words of a tool: a full disk, a tool that cannot be started or that does not come to an end say nothing of the backup.
    pub fn of_tool(error: anyhow::Error) -> Self {
        let why = format!("{error:#}");
        let elsewhere = ["No space left", "cannot be started", "did not end within", "Cannot allocate memory", "could not map", "Permission denied"];
        if elsewhere.iter().any(|known| why.contains(known)) { Self::surroundings(why) } else { Self::backup(why) }
    }
    pub fn surroundings(why: impl ToString) -> Self {
        Self { fault: Fault::Surroundings, why: why.to_string() }
    }
}

/// What a source is told of the job.
pub struct Order {
    /// The node that takes the writes now, where a cluster is read.
    pub node: Option<Address>,
    /// Tables whose rows are counted, `schema.table`.
    pub count: Vec<String>,
    pub patience: Duration,
    /// Bytes read so far, and how many there are in all where that is known.
    pub progress: watch::Sender<(u64, Option<u64>)>,
}

impl Order {
    /// # Errors
    /// There is none.
    pub fn node(&self) -> anyhow::Result<&Address> {
        self.node.as_ref().context("there is no cluster to read")
    }

    /// Waits for a tool, and tells meanwhile how much it has written; of how much that is a part is not known.
    ///
    /// # Errors
    /// Those of the tool.
    pub async fn told<T>(&self, folder: &Folder, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let mut work = std::pin::pin!(work);
        let mut looked = tokio::time::interval(LOOKED_EVERY);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = looked.tick() => drop(self.progress.send_replace((folder.size(), None))),
            }
        }
    }
}

/// See the module.
#[async_trait]
pub trait Source: Send + Sync {
    /// The tool with its version.
    ///
    /// # Errors
    /// What is missing, and the package that brings it.
    async fn tool(&self) -> anyhow::Result<String>;

    /// Reads everything into `folder`, which is empty.
    ///
    /// # Errors
    /// With the tool's own words. What is in the folder then is nothing.
    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken>;

    /// Whether nothing at all was written since the last time that everything was read. `false` where that cannot be said.
    ///
    /// # Errors
    /// Where the source cannot be asked.
    async fn nothing_new(&self, _node: &Address) -> anyhow::Result<bool> {
        Ok(false)
    }

    /// At least one destination has these files.
    ///
    /// # Errors
    /// What was kept until then cannot be taken away.
    async fn stored(&self, _files: &[String]) -> anyhow::Result<()> {
        Ok(())
    }

    /// The same as `climb`, and on through the log in the folder `wal` up to its end, where the source can.
    async fn climb_through(&self, _folder: &Folder, _wanted: ProofLevel, _verification: &Verification, _end: WalRange) -> Climbed {
        let mut climbed = Climbed::default();
        let outcome = Err(Broken::surroundings("no log can be replayed onto a backup of this kind"));
        climbed.step(ProofLevel::Readable, std::time::Instant::now(), outcome);
        climbed
    }

    /// Itself, where it is a whole cluster by `pg_basebackup`: only those are restored for real.
    fn as_basebackup(&self) -> Option<&pg_basebackup::PgBasebackup> {
        None
    }

    /// Climbs from `Readable` up to `wanted`, on what lies in `folder` as it was stored. The source itself is not touched. Whatever
    /// was started is gone when this returns, also where it is dropped.
    async fn climb(&self, folder: &Folder, wanted: ProofLevel, verification: &Verification, counts: &[Count]) -> Climbed;
}

/// What sources need of this machine.
#[derive(Debug, Clone)]
pub struct Machine {
    pub postgres_bin: PathBuf,
}

impl Machine {
    /// The path of one of PostgreSQL's programs.
    pub fn program(&self, name: &str) -> String {
        self.postgres_bin.join(name).to_string_lossy().into_owned()
    }
    /// The version of `tool`, where it and `others` are there.
    ///
    /// # Errors
    /// What is missing, and the package that brings it.
    pub async fn version_of(&self, tool: &str, others: &[&str]) -> anyhow::Result<String> {
        for program in std::iter::once(&tool).chain(others) {
            if !self.postgres_bin.join(program).is_file() {
                bail!("{program} is missing in {}: install the package postgresql", self.postgres_bin.display());
            }
        }
        let said = program::run(&[self.program(tool), "--version".to_owned()], &[], Duration::from_secs(10)).await?;
        Ok(said.trim().to_owned())
    }
}

pub type AnySource = Arc<dyn Source>;
