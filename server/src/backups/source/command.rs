//! Whatever a command of the configuration puts into a folder. What it reads, and whether that is consistent, is its own affair; so
//! are the rungs, for which it has commands of its own or none.

use super::{Broken, Climbed, Order, Source, Taken};
use crate::{
    backups::{scratch, work::Folder},
    config::sources::{self, CommandSettings},
    connect::program,
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    backups::{Count, ProofLevel},
    estate::Verification,
};
use std::time::{Duration, Instant as Moment};

const PATIENCE: Duration = Duration::from_secs(10);
/// More files than that belong into an archive.
const MOST_FILES: usize = 1_000;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// See the module.
pub struct Command {
    pub name: String,
    pub settings: CommandSettings,
}

#[async_trait]
impl Source for Command {
    async fn tool(&self) -> anyhow::Result<String> {
        let CommandSettings { command, version, check, restore, .. } = &self.settings;
        for line in [command, version, check, restore].into_iter().filter(|line| !line.is_empty()) {
            program::check(line).with_context(|| format!("[backup_source.{}]", self.name))?;
        }
        if version.is_empty() {
            return Ok(format!("{} of an unknown version", command.first().map_or("a command", String::as_str)));
        }
        let said = program::run(version, &[("PATH", PATH), ("LC_ALL", "C")], PATIENCE).await?;
        program::last_line(&said).with_context(|| format!("the `version` of [backup_source.{}] prints nothing", self.name))
    }

    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken> {
        let into = folder.make("files")?;
        let asked = chrono::Utc::now();
        let names = [("LIFEBOAT_INTO", folder.inside("files"))];
        order.told(folder, self.run(&self.settings.command, folder, &names, order.patience)).await?;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&into).with_context(|| format!("{} cannot be read", into.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().with_context(|| format!("{} has a name that is no UTF-8", entry.path().display()))?;
            if !entry.file_type()?.is_file() {
                bail!("{name} is no file; put an archive of it into LIFEBOAT_INTO");
            }
            files.push(name.to_owned());
        }
        if files.is_empty() {
            bail!("it ended with success, and put nothing into LIFEBOAT_INTO");
        }
        if files.len() > MOST_FILES {
            bail!("it left {} files, more than {MOST_FILES}; put an archive of them into LIFEBOAT_INTO", files.len());
        }
        files.sort();
        Ok(Taken { files, recoverable_to: Some(asked), source_bytes: None, wal: None, counts: Vec::new() })
    }

    async fn climb(&self, folder: &Folder, wanted: ProofLevel, _: &Verification, _: &[Count]) -> Climbed {
        let mut climbed = Climbed::default();
        let began = Moment::now();
        let from = ("LIFEBOAT_FROM", folder.inside("files"));
        let outcome = self.rung("check", &self.settings.check, folder, std::slice::from_ref(&from)).await;
        if !climbed.step(ProofLevel::Readable, began, outcome) || wanted < ProofLevel::Boots {
            return climbed;
        }
        let began = Moment::now();
        let outcome = match folder.make("data") {
            Ok(_) => self.rung("restore", &self.settings.restore, folder, &[from, ("LIFEBOAT_INTO", folder.inside("data"))]).await,
            Err(error) => Err(Broken::surroundings(format!("{error:#}"))),
        };
        if climbed.step(ProofLevel::Boots, began, outcome) {
            climbed.booted_at = Some(Moment::now());
        }
        climbed
    }
}

impl Command {
    async fn rung(&self, what: &str, line: &[String], folder: &Folder, names: &[(&str, String)]) -> Result<String, Broken> {
        if line.is_empty() {
            return Err(Broken::surroundings(format!("not available: [backup_source.{}] names no `{what}`", self.name)));
        }
        let said = self.run(line, folder, names, scratch::PATIENCE).await.map_err(Broken::of_tool)?;
        let program = line.first().map_or("", String::as_str);
        Ok(program::last_line(&said).map_or_else(|| format!("{program} ended with success"), |said| format!("{program}: {said}")))
    }

    async fn run(&self, line: &[String], folder: &Folder, names: &[(&str, String)], patience: Duration) -> anyhow::Result<String> {
        let secrets = sources::secrets(&self.settings.secret_files)?;
        let mut variables: Vec<(&str, &str)> = vec![("PATH", PATH), ("LC_ALL", "C"), folder.variable()];
        variables.extend(names.iter().map(|(name, value)| (*name, value.as_str())));
        variables.extend(secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        program::run_as(line, &variables, folder.run_as(), patience).await
    }
}
