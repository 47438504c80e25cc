//! What backups need of this machine, and how to reach the destinations that the estate names.

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// `[backups]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSettings {
    /// Folder of PostgreSQL's own programs, of the major version of the clusters. Where absent, Debian's place for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_bin: Option<PathBuf>,
    /// Where jobs and proofs put down what they work on. It needs room for a whole copy of the largest source, and for one
    /// that is unpacked. Where absent, `backups` in the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<PathBuf>,
    /// The user that scratch servers run as. PostgreSQL refuses to run as root, so a server that does needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// The folder that restored backups come into, each into a new one. Where absent, nothing is restored but for proofs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<PathBuf>,
}

/// `[destination.ID]`: where a destination of the estate is. `url` is `file:///srv/backups`, `s3://bucket/prefix`,
/// `gs://bucket/prefix` or `az://container/prefix`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationSettings {
    pub url: String,
    /// Settings of the kind of store, by the names of the object_store library: `region`, `endpoint`, `allow_http`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// The same for what is secret, each in a file of its own: `access_key_id`, `secret_access_key`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_files: BTreeMap<String, PathBuf>,
}

impl BackupSettings {
    /// Makes the paths absolute.
    pub(super) fn resolve(&mut self, base: &Path) {
        for path in [&mut self.postgres_bin, &mut self.work, &mut self.restores].into_iter().flatten() {
            *path = base.join(&*path);
        }
    }

    /// Folder of PostgreSQL's programs.
    ///
    /// # Errors
    /// Where there is none, with the package that brings it.
    pub fn find_postgres(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.postgres_bin {
            if folder.join("pg_basebackup").is_file() {
                return Ok(folder.clone());
            }
            bail!("`postgres_bin` in [backups] is {}, which has no pg_basebackup", folder.display());
        }
        let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let versions = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
        let newest = versions.filter(|(_, folder)| folder.join("pg_basebackup").is_file()).max();
        let (_, folder) = newest
            .context("PostgreSQL's programs are missing: install the package postgresql, or name their folder as `postgres_bin` in [backups]")?;
        Ok(folder)
    }

    /// User and group number of `run_as`.
    ///
    /// # Errors
    /// A name that the machine does not know.
    pub fn identity(&self) -> anyhow::Result<Option<(u32, u32)>> {
        let Some(name) = &self.run_as else { return Ok(None) };
        let users = std::fs::read_to_string("/etc/passwd").context("/etc/passwd cannot be read")?;
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))
            .with_context(|| format!("`run_as` in [backups]: there is no user {name}"))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(user)), Some(Ok(group))) => Ok(Some((user, group))),
            _ => bail!("the line of {name} in /etc/passwd cannot be read"),
        }
    }
}

impl DestinationSettings {
    /// Makes the paths absolute.
    pub(super) fn resolve(&mut self, base: &Path) {
        for path in self.secret_files.values_mut() {
            *path = base.join(&*path);
        }
    }
}
