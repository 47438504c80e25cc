//! One proof: fetches a copy as if nothing else were left, and climbs the ladder as far as it is to. The source is never
//! touched, and what was started ends with it.

use super::{AnyKeeper, Backups, fetch::fetch, job, keeper, source::Broken, source::Climbed, work::Folder};
use engine::{
    backups::{Backup, BackupCopy, Contents, Fault, ProofFailure, ProofLevel, ProofResult, chain, ledger::BackupEvent, sights::Stage},
    estate::{BackupPolicy, Verification},
    id::{DestinationId, PolicyId, ProofId},
    time::Span,
};
use std::{sync::Arc, time::Instant as Moment};

/// Runs one proof to its end.
///
/// # Errors
/// Only where the journal cannot be written; what came of the proof is written there.
pub(super) async fn run(this: Arc<Backups>, policy: BackupPolicy, backup: Arc<Backup>, id: ProofId) -> anyhow::Result<()> {
    let Some(proof) = backup.proofs.iter().find(|proof| proof.id == id).cloned() else { return Ok(()) };
    let ended = |result: ProofResult| BackupEvent::ProofEnded { proof: id, result };
    let folder = match this.work.folder(&format!("proof-{}", id.0)) {
        Ok(folder) => folder,
        Err(error) => return this.note(&backup, ended(super::said_nothing(&format!("{error:#}")))).await,
    };
    let mut climb = Climb { this: &this, backup: &backup, from: &proof.destination, climbed: Climbed::default() };
    let worked = tokio::time::timeout(policy.timeout.as_std(), climb.up(&policy, &folder, proof.wanted)).await;
    let (restore_took, recovered_to) = worked.unwrap_or_else(|_| {
        let why = format!("it took longer than {}, the time-out of the policy", policy.timeout);
        let level =
            climb.climbed.rungs.last().and_then(|rung| ProofLevel::ALL.into_iter().find(|level| *level > rung.level)).unwrap_or(ProofLevel::Exists);
        climb.climbed.failure = Some(ProofFailure { level, why, fault: Fault::Surroundings });
        (None, None)
    });
    let Climbed { rungs, failure, .. } = climb.climbed;
    tokio::task::spawn_blocking(move || drop(folder)).await?;
    let gone =
        failure.as_ref().filter(|failure| failure.level == ProofLevel::Exists && failure.fault == Fault::Backup).map(|failure| failure.why.clone());
    this.note(&backup, ended(ProofResult { rungs, failure, restore_took, recovered_to })).await?;
    if let Some(why) = gone {
        this.note(&backup, BackupEvent::CopyMissing { destination: proof.destination.clone(), why }).await?;
    }
    Ok(())
}

struct Climb<'a> {
    this: &'a Arc<Backups>,
    backup: &'a Backup,
    from: &'a DestinationId,
    /// The rungs that need nothing but bytes, and then those of the source.
    climbed: Climbed,
}

impl Climb<'_> {
    async fn up(&mut self, policy: &BackupPolicy, folder: &Folder, wanted: ProofLevel) -> (Option<Span>, Option<engine::time::Instant>) {
        let nothing = (None, None);
        if let Some(tool) = self.this.keeper(&policy.id) {
            return self.kept(tool, policy, folder, wanted).await;
        }
        let Some(contents) = self.backup.contents.clone() else { return nothing };
        let began = Moment::now();
        let outcome = self.exists(&contents).await;
        if !self.climbed.step(ProofLevel::Exists, began, outcome) || wanted < ProofLevel::Checksum {
            return nothing;
        }
        let fetching = Moment::now();
        let outcome = self.fetch(&contents, folder, "files").await;
        if !self.climbed.step(ProofLevel::Checksum, fetching, outcome) || wanted < ProofLevel::Readable {
            return nothing;
        }
        let undeclared = Verification { level: wanted, every: Span::ZERO, valid_for: Span::ZERO, count: Vec::new(), assertions: Vec::new() };
        let verification = policy.verification.as_ref().unwrap_or(&undeclared);
        if contents.wal.is_some()
            && let Some(base) = &policy.base
        {
            let climbed = self.through(base, folder, wanted, verification).await;
            return self.take_over(climbed, fetching);
        }
        let source = match self.this.source(&policy.id) {
            Ok(source) => source,
            Err(error) => {
                self.climbed.step(ProofLevel::Readable, Moment::now(), Err(Broken::surroundings(format!("{error:#}"))));
                return nothing;
            }
        };
        self.this.at_stage(self.backup.id, Stage::Proving, 0, None);
        // A source whose ladder ends below has nothing more to say; that it does is told by a finding.
        if policy.source.highest_rung().is_none_or(|highest| highest < ProofLevel::Readable) {
            return nothing;
        }
        let climbed = source.climb(folder, wanted, verification, &contents.counts).await;
        self.take_over(climbed, fetching)
    }

    /// A tool that keeps its backups itself climbs by itself.
    async fn kept(
        &mut self,
        tool: anyhow::Result<&AnyKeeper>,
        policy: &BackupPolicy,
        folder: &Folder,
        wanted: ProofLevel,
    ) -> (Option<Span>, Option<engine::time::Instant>) {
        let began = Moment::now();
        let undeclared = Verification { level: wanted, every: Span::ZERO, valid_for: Span::ZERO, count: Vec::new(), assertions: Vec::new() };
        let verification = policy.verification.as_ref().unwrap_or(&undeclared);
        self.this.at_stage(self.backup.id, Stage::Proving, 0, None);
        let climbed = match tool {
            Ok(tool) => keeper::climb(tool.as_ref(), folder, self.backup.id, self.from, wanted, verification).await,
            Err(error) => {
                self.climbed.step(ProofLevel::Exists, began, Err(Broken::surroundings(format!("{error:#}"))));
                return (None, None);
            }
        };
        self.take_over(climbed, began)
    }

    fn take_over(&mut self, climbed: Climbed, fetching: Moment) -> (Option<Span>, Option<engine::time::Instant>) {
        let Climbed { rungs, failure, recovered_to, booted_at } = climbed;
        self.climbed.rungs.extend(rungs);
        self.climbed.failure = failure;
        (booted_at.map(|booted| span(booted - fetching)), recovered_to)
    }

    /// A stretch of log is proven by restoring the full backup before it, and replaying everything up to its end.
    async fn through(&self, base: &PolicyId, folder: &Folder, wanted: ProofLevel, verification: &Verification) -> Climbed {
        let picture = self.this.desk.picture();
        let ledger = &picture.records.backups;
        let mut climbed = Climbed::default();
        let began = Moment::now();
        let Some(window) = chain::up_to(ledger.of(base), ledger.of(&self.backup.policy), self.backup.id) else {
            let outcome = Err(Broken::backup(format!("no full backup of {base} leads up to it without a gap")));
            climbed.step(ProofLevel::Readable, began, outcome);
            return climbed;
        };
        let ready = async {
            // Its own files were fetched first, to be checked; here they are a part of the log.
            let (own, log) = (folder.path().join("files"), folder.path().join("wal"));
            std::fs::rename(&own, &log).map_err(|error| Broken::surroundings(error.to_string()))?;
            for earlier in window.wal.iter().filter(|earlier| earlier.id != self.backup.id) {
                self.bring(earlier, folder, "wal").await?;
            }
            self.bring(window.base, folder, "files").await
        };
        if let Err(broken) = ready.await {
            climbed.step(ProofLevel::Readable, began, Err(broken));
            return climbed;
        }
        let (source, end) = match (self.this.source(base), window.end()) {
            (Ok(source), Some(end)) => (source, end),
            (Err(error), _) => {
                climbed.step(ProofLevel::Readable, began, Err(Broken::surroundings(format!("{error:#}"))));
                return climbed;
            }
            (_, None) => return climbed,
        };
        self.this.at_stage(self.backup.id, Stage::Proving, 0, None);
        source.climb_through(folder, wanted, verification, end).await
    }

    /// Fetches another backup from wherever it is stored, its checksums held against the journal.
    async fn bring(&self, backup: &Backup, folder: &Folder, into: &str) -> Result<(), Broken> {
        let stored = backup.copies.iter().filter(|(_, copy)| copy.is_stored()).map(|(id, _)| id);
        let from = std::iter::once(self.from).filter(|id| backup.copies.get(*id).is_some_and(BackupCopy::is_stored)).chain(stored).next();
        let (Some(from), Some(contents)) = (from, &backup.contents) else {
            return Err(Broken::backup(format!("the backup {} that it builds on has no copy", backup.id.short())));
        };
        let climb = Climb { this: self.this, backup, from, climbed: Climbed::default() };
        climb
            .fetch(contents, folder, into)
            .await
            .map(|_| ())
            .map_err(|broken| Broken { why: format!("{}: {}", backup.id.short(), broken.why), ..broken })
    }

    async fn exists(&self, contents: &Contents) -> Result<String, Broken> {
        let destination = self.this.destination(self.from).map_err(|error| Broken::surroundings(format!("{error:#}")))?;
        destination.answers().await.map_err(|error| Broken::surroundings(format!("{error:#}")))?;
        for file in &contents.files {
            let length = destination.length(&format!("{}/{}", job::place(self.backup), file.name)).await;
            match length.map_err(|error| Broken::surroundings(format!("{}: {error:#}", file.name)))? {
                Some(length) if length == file.bytes => {}
                Some(length) => return Err(Broken::backup(format!("{} has {length} bytes; it was stored with {}", file.name, file.bytes))),
                None => return Err(Broken::backup(format!("{} is not there", file.name))),
            }
        }
        Ok(format!("{} files in {}", contents.files.len(), self.from))
    }

    /// Brings every file here and holds its checksum against the one it was stored with.
    async fn fetch(&self, contents: &Contents, folder: &Folder, into: &str) -> Result<String, Broken> {
        let total = contents.bytes();
        if self.this.work.room().map_err(|error| Broken::surroundings(format!("{error:#}")))? < total {
            return Err(Broken::surroundings("there is no room for a copy where proofs are made; see `work` in [backups]"));
        }
        let told = |bytes| self.this.at_stage(self.backup.id, Stage::Fetching(self.from.clone()), bytes, Some(total));
        let bytes = fetch(self.this, self.backup, self.from, folder, into, told).await?;
        Ok(format!("every SHA-256 is as it was stored ({bytes} bytes)"))
    }
}

fn span(took: std::time::Duration) -> Span {
    Span::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}
