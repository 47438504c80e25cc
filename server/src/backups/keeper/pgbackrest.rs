//! A cluster by pgBackRest, into its own repositories: it runs as the user of the cluster, reads the data folder as its own
//! configuration says, and carries the annotation `lifeboat=ID`. Each repository is backed up by itself. The log that a backup needs is
//! copied into it (`archive-copy`), so that it can be restored on its own, as a proof does.

use super::{Keeper, LONGEST_LIST, Making, PATIENCE};
use crate::{
    backups::{
        login::PgLogin,
        scratch::{self, Scratch},
        source::{Broken, Climbed, Machine},
        work::Folder,
    },
    config::sources::{PgbackrestRepository, find_program},
    connect::program,
};
use anyhow::Context;
use async_trait::async_trait;
use engine::{
    backups::{
        BackupType, ProofLevel,
        listing::{self, Listed, MARK},
    },
    estate::{ListingFormat, Verification},
    id::DestinationId,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant as Moment},
};

/// See the module.
pub struct Pgbackrest {
    pub machine: Machine,
    pub login: PgLogin,
    pub stanza: String,
    pub repositories: BTreeMap<DestinationId, PgbackrestRepository>,
}

#[async_trait]
impl Keeper for Pgbackrest {
    async fn tool(&self) -> anyhow::Result<String> {
        self.machine.version_of("postgres", &["pg_amcheck"]).await?;
        Ok(program::run(&[pgbackrest()?, "version".to_owned()], &[], PATIENCE).await?.trim().to_owned())
    }

    async fn list(&self, folder: &Folder, at: &DestinationId) -> anyhow::Result<Vec<Listed>> {
        let number = self.repository(at)?.number;
        let said = self.run(folder, at, "info", &["--output=json"], PATIENCE).await?;
        let mut listed = listing::read(ListingFormat::Pgbackrest, said.as_bytes(), chrono::Utc::now())
            .with_context(|| format!("the list of {at} says nothing"))?;
        listed.retain(|one| one.repository.unwrap_or(1) == number);
        Ok(listed)
    }

    async fn make(&self, folder: &Folder, order: &Making<'_>, at: &DestinationId) -> anyhow::Result<Option<u64>> {
        let kind = match order.kind {
            BackupType::Incremental => "--type=incr",
            BackupType::Differential => "--type=diff",
            BackupType::Full | BackupType::Snapshot | BackupType::Continuous => "--type=full",
        };
        let mark = format!("--annotation={MARK}={}", order.id);
        self.run(folder, at, "backup", &[kind, &mark, "--start-fast", "--archive-copy"], order.patience).await.map(|_| None)
    }

    async fn copy(&self, folder: &Folder, order: &Making<'_>, _: &DestinationId, to: &DestinationId) -> anyhow::Result<()> {
        self.make(folder, order, to).await.map(|_| ())
    }

    async fn delete(&self, folder: &Folder, listed: &Listed, at: &DestinationId) -> anyhow::Result<()> {
        self.run(folder, at, "expire", &[&format!("--set={}", listed.label)], scratch::PATIENCE).await.map(|_| ())
    }

    async fn climb(&self, folder: &Folder, listed: &Listed, at: &DestinationId, wanted: ProofLevel, verification: &Verification) -> Climbed {
        let mut climbed = Climbed::default();
        let began = Moment::now();
        let outcome = self.verify(folder, listed, at).await;
        if !climbed.step(ProofLevel::Readable, began, outcome) || wanted < ProofLevel::Boots {
            return climbed;
        }
        let began = Moment::now();
        let scratch = match self.restore(folder, listed, at).await {
            Ok(scratch) => scratch,
            Err(broken) => {
                climbed.step(ProofLevel::Boots, began, Err(broken));
                return climbed;
            }
        };
        climbed.booted_at = Some(Moment::now());
        climbed.step(ProofLevel::Boots, began, Ok(scratch.said.clone()));
        if wanted >= ProofLevel::Answers {
            let began = Moment::now();
            let outcome = scratch::answers(&scratch, &self.machine, folder, &self.login.database, verification, &[]).await;
            climbed.step(ProofLevel::Answers, began, outcome);
        }
        scratch.stop().await;
        climbed
    }
}

impl Pgbackrest {
    fn repository(&self, at: &DestinationId) -> anyhow::Result<&PgbackrestRepository> {
        self.repositories.get(at).with_context(|| format!("the configuration has no [repository.{at}] with by = \"pgbackrest\""))
    }

    async fn run(&self, folder: &Folder, at: &DestinationId, command: &str, arguments: &[&str], patience: Duration) -> anyhow::Result<String> {
        let repository = self.repository(at)?;
        let mut line = vec![pgbackrest()?, format!("--config={}", repository.config_file.display()), format!("--stanza={}", self.stanza)];
        line.push(format!("--repo={}", repository.number));
        line.extend(["--log-level-file=off", "--log-level-console=off", "--log-level-stderr=warn"].map(str::to_owned));
        line.extend(arguments.iter().map(|text| (*text).to_owned()));
        line.push(command.to_owned());
        let variables = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LC_ALL", "C"), folder.variable()];
        program::run_long(&line, &variables, folder.run_as(), patience, LONGEST_LIST).await
    }

    /// pgBackRest reads every file of the repository and holds it against its checksum. It ends with success also where it found
    /// something, so that only its words count; of those, the ones on this backup.
    async fn verify(&self, folder: &Folder, listed: &Listed, at: &DestinationId) -> Result<String, Broken> {
        let said = self.run(folder, at, "verify", &["--output=text", "--verbose"], scratch::PATIENCE).await.map_err(Broken::of_tool)?;
        match verdict(&said, &listed.label) {
            Some(Ok(files)) => Ok(format!("pgbackrest verify says that it is valid: {files}")),
            Some(Err(why)) => Err(Broken::backup(format!("pgbackrest verify: {why}"))),
            None => Err(Broken::surroundings(format!("pgbackrest verify says nothing of {}", listed.label))),
        }
    }

    async fn restore(&self, folder: &Folder, listed: &Listed, at: &DestinationId) -> Result<Scratch, Broken> {
        folder.make("data").map_err(|error| Broken::surroundings(format!("{error:#}")))?;
        let (set, data) = (format!("--set={}", listed.label), format!("--pg1-path={}", folder.inside("data")));
        let tablespaces = format!("--tablespace-map-all={}", folder.inside("tablespaces"));
        // It recovers by the log that is in the backup itself, and by nothing else.
        let arguments = [&*set, &data, &tablespaces, "--type=none", "--archive-mode=off"];
        self.run(folder, at, "restore", &arguments, scratch::PATIENCE).await.map_err(Broken::of_tool)?;
        match std::fs::remove_file(folder.path().join("data/recovery.signal")) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Broken::surroundings(error)),
        }
        Scratch::start(&self.machine, folder, &self.login.user, None).await
    }
}

/// What `verify` says of one backup, `backup: LABEL, status: valid, total files checked: 965, total valid files: 965`, and on the next line
/// what is wrong.
fn verdict(said: &str, label: &str) -> Option<Result<String, String>> {
    let mut lines = said.lines().map(str::trim);
    let facts = lines.find_map(|line| line.strip_prefix("backup: ")?.strip_prefix(label)?.strip_prefix(", status: "))?;
    match facts.split_once(", ") {
        Some(("valid", counts)) => Some(Ok(counts.chars().take(200).collect())),
        _ => Some(Err(format!("{facts}; {}", lines.next().unwrap_or_default()).chars().take(300).collect())),
    }
}

fn pgbackrest() -> anyhow::Result<String> {
    find_program("pgbackrest", "pgbackrest")
}

#[cfg(test)]
mod tests {
    use super::verdict;

    /// As 2.45 prints it.
    #[test]
    fn verify_ends_with_success_and_its_words_say_what_it_found() {
        let said = "stanza: demo\nstatus: error\n  archiveId: 15-1, total WAL checked: 4, total valid WAL: 4\n    missing: 0, checksum invalid: 0\n  \
                    backup: 20261127-135154F, status: invalid, total files checked: 965, total valid files: 964\n    missing: 0, checksum invalid: 1\n  \
                    backup: 20261127-135156F, status: valid, total files checked: 965, total valid files: 965\n    missing: 0, checksum invalid: 0\n";
        let damaged = verdict(said, "20261127-135154F").unwrap().unwrap_err();
        assert!(damaged.contains("invalid, total files checked: 965") && damaged.contains("checksum invalid: 1"), "{damaged}");
        assert_eq!(verdict(said, "20261127-135156F").unwrap().unwrap(), "total files checked: 965, total valid files: 965");
        assert_eq!(verdict(said, "20261127-135157F"), None);
        assert_eq!(verdict("", "20261127-135154F"), None);
    }
}
