//! Files of this machine by restic, into its repositories. A backup is a snapshot with the tag `lifeboat-ID`; the second repository
//! gets the same snapshot by `restic copy`, so that both have what was read once.

use super::{Keeper, LONGEST_LIST, Making, PATIENCE};
use crate::{
    backups::{
        scratch,
        source::{Broken, Climbed},
        work::Folder,
    },
    config::sources::{self, FilesSettings, ResticRepository, find_program},
    connect::program,
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    backups::{
        ProofLevel,
        listing::{self, Listed, MARK},
    },
    estate::{ListingFormat, Verification},
    id::{BackupId, DestinationId},
};
use serde::Deserialize;
use std::{collections::BTreeMap, io::Write as _, os::unix::fs::OpenOptionsExt as _, time::Instant as Moment};

/// See the module.
pub struct Restic {
    pub files: FilesSettings,
    pub repositories: BTreeMap<DestinationId, ResticRepository>,
}

fn tag(id: BackupId) -> String {
    format!("{MARK}-{id}")
}

#[async_trait]
impl Keeper for Restic {
    async fn tool(&self) -> anyhow::Result<String> {
        let said = program::run(&[restic()?, "version".to_owned()], &[], PATIENCE).await?;
        Ok(said.trim().chars().take(100).collect())
    }

    async fn list(&self, folder: &Folder, at: &DestinationId) -> anyhow::Result<Vec<Listed>> {
        let said = self.run(folder, at, &["snapshots", "--json", "--no-lock"], PATIENCE).await.map_err(|error| {
            let hint = if format!("{error:#}").contains("unable to open config file") { ": make the repository with `restic init`" } else { "" };
            error.context(format!("the repository {at} cannot be read{hint}"))
        })?;
        listing::read(ListingFormat::Restic, said.as_bytes(), chrono::Utc::now()).with_context(|| format!("the list of {at} says nothing"))
    }

    async fn make(&self, folder: &Folder, order: &Making<'_>, at: &DestinationId) -> anyhow::Result<Option<u64>> {
        if let Some(missing) = self.files.paths.iter().find(|path| !path.exists()) {
            // restic would only warn.
            bail!("{} is not there", missing.display());
        }
        let mut line = vec![restic()?, "backup".to_owned(), "--json".to_owned(), "--tag".to_owned(), tag(order.id)];
        line.extend(self.files.exclude.iter().flat_map(|pattern| ["--exclude".to_owned(), pattern.clone()]));
        line.push("--".to_owned());
        line.extend(self.files.paths.iter().map(|path| path.to_string_lossy().into_owned()));
        let mut read = None;
        let told = |text: &str| match serde_json::from_str(text) {
            Ok(Said::Status { bytes_done, total_bytes }) => drop(order.progress.send_replace((bytes_done, total_bytes))),
            Ok(Said::Summary { total_bytes_processed }) => read = Some(total_bytes_processed),
            // What it says beside is on its other output too.
            Err(_) => {}
        };
        let variables = self.variables(folder, at, "RESTIC")?;
        // As this server's own user: it reads what that one may read.
        program::each_line(&line, &borrowed(&variables, folder), None, order.patience, told).await?;
        Ok(read)
    }

    async fn copy(&self, folder: &Folder, order: &Making<'_>, from: &DestinationId, to: &DestinationId) -> anyhow::Result<()> {
        let mut variables = self.variables(folder, to, "RESTIC")?;
        for (name, value) in self.variables(folder, from, "RESTIC_FROM")? {
            if !variables.iter().any(|(known, _)| *known == name) {
                variables.push((name, value));
            }
        }
        let listed = super::find(self, folder, order.id, from).await?.with_context(|| format!("{from} does not list it"))?;
        // Not said twice of one that is there already.
        let line = [restic()?, "copy".to_owned(), listed.label];
        program::run_as(&line, &borrowed(&variables, folder), None, order.patience).await.map(|_| ())
    }

    async fn delete(&self, folder: &Folder, listed: &Listed, at: &DestinationId) -> anyhow::Result<()> {
        // Locks of programs that are gone; those of others stay, and refuse.
        self.run(folder, at, &["unlock"], PATIENCE).await?;
        self.run(folder, at, &["forget", "--prune", &listed.label], scratch::PATIENCE).await.map(|_| ())
    }

    async fn climb(&self, folder: &Folder, listed: &Listed, at: &DestinationId, wanted: ProofLevel, _: &Verification) -> Climbed {
        let mut climbed = Climbed::default();
        let began = Moment::now();
        let checked = async {
            self.run(folder, at, &["unlock"], PATIENCE).await.map_err(Broken::of_tool)?;
            self.run(folder, at, &["check", "--read-data"], scratch::PATIENCE).await.map_err(of_repository)?;
            Ok("restic check read every pack of the repository".to_owned())
        };
        let outcome = checked.await;
        if !climbed.step(ProofLevel::Readable, began, outcome) || wanted < ProofLevel::Boots {
            return climbed;
        }
        let began = Moment::now();
        let restored = async {
            folder.make("data").map_err(|error| Broken::surroundings(format!("{error:#}")))?;
            let line = ["restore", &listed.label, "--verify", "--target", &folder.inside("data")];
            self.run(folder, at, &line, scratch::PATIENCE).await.map_err(of_repository)?;
            let path = folder.path().join("data");
            let (files, bytes) = tokio::task::spawn_blocking(move || counted(&path)).await.map_err(Broken::surroundings)?;
            Ok(format!("restic restored and compared {files} files ({bytes} bytes); of files nothing starts"))
        };
        let outcome = restored.await;
        if climbed.step(ProofLevel::Boots, began, outcome) {
            climbed.booted_at = Some(Moment::now());
        }
        climbed
    }
}

impl Restic {
    async fn run(&self, folder: &Folder, at: &DestinationId, arguments: &[&str], patience: std::time::Duration) -> anyhow::Result<String> {
        let line: Vec<String> = std::iter::once(restic()?).chain(arguments.iter().map(|text| (*text).to_owned())).collect();
        let variables = self.variables(folder, at, "RESTIC")?;
        program::run_long(&line, &borrowed(&variables, folder), None, patience, LONGEST_LIST).await
    }

    /// What it finds in its environment: the password is in a file that only it reads.
    fn variables(&self, folder: &Folder, at: &DestinationId, prefix: &str) -> anyhow::Result<Vec<(String, String)>> {
        let known = self.repositories.get(at).with_context(|| format!("the configuration has no [repository.{at}] with by = \"restic\""))?;
        let password = sources::secret(known.password_file.as_ref(), known.password_env.as_ref())?;
        let password = password.with_context(|| format!("[repository.{at}] names no `password_file`"))?;
        let path = folder.path().join(format!("{at}.password"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).context("the password file cannot be written")?;
        writeln!(file, "{password}").context("the password file cannot be written")?;
        let mut variables = sources::secrets(&known.secret_files)?;
        variables.push((format!("{prefix}_REPOSITORY"), known.url.clone()));
        variables.push((format!("{prefix}_PASSWORD_FILE"), path.to_string_lossy().into_owned()));
        for (name, value) in [("RESTIC_CACHE_DIR", folder.inside("cache")), ("TMPDIR", folder.inside("")), ("RESTIC_PROGRESS_FPS", "2".to_owned())] {
            variables.push((name.to_owned(), value));
        }
        for (name, value) in [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LC_ALL", "C"), ("HOME", "/nonexistent")] {
            variables.push((name.to_owned(), value.to_owned()));
        }
        Ok(variables)
    }
}

fn borrowed<'a>(variables: &'a [(String, String)], folder: &'a Folder) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([folder.variable()]).collect()
}

fn restic() -> anyhow::Result<String> {
    find_program("restic", "restic")
}

/// A repository that cannot be reached, or that another program has locked, says nothing of the backup.
fn of_repository(error: anyhow::Error) -> Broken {
    let why = format!("{error:#}");
    let elsewhere = ["already locked", "dial tcp", "unable to open config file", "403 Forbidden", "connection refused"];
    if elsewhere.iter().any(|known| why.contains(known)) { Broken::surroundings(why) } else { Broken::of_tool(error) }
}

/// A line of `restic backup --json`: how far it is, and at the end what it read.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "message_type")]
enum Said {
    Status {
        #[serde(default)]
        bytes_done: u64,
        total_bytes: Option<u64>,
    },
    Summary {
        total_bytes_processed: u64,
    },
}

fn counted(folder: &std::path::Path) -> (u64, u64) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.fold((0, 0), |(files, bytes), entry| match entry.metadata() {
        Ok(known) if known.is_dir() => {
            let (more, larger) = counted(&entry.path());
            (files + more, bytes + larger)
        }
        Ok(known) => (files + 1, bytes + known.len()),
        Err(_) => (files, bytes),
    })
}
