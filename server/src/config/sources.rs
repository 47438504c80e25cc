//! What the sources of backups are that the estate names, and the repositories of tools that keep backups themselves. They stand here
//! and not in the estate, so that editing that one reads nothing else and sends nothing elsewhere.

use super::read_secret;
use crate::connect::program;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// `[backup_source.NAME]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum SourceSettings {
    Redis(RedisSettings),
    Etcd(EtcdSettings),
    Qdrant(QdrantSettings),
    Files(FilesSettings),
    Command(CommandSettings),
    Listing(ListingSettings),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    pub host: String,
    #[serde(default = "redis_port")]
    pub port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Who signs its certificate; with it the connection is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdSettings {
    /// Of one member: a snapshot is taken of exactly one.
    pub endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QdrantSettings {
    /// `http://host:6333`, of one node.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSettings {
    pub paths: Vec<PathBuf>,
    /// Patterns as restic has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Programs of one's own, run without a shell. They find their folders in the environment and print to files, not to their output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSettings {
    /// Puts the backup into the folder `LIFEBOAT_INTO`; what lies there when it ends with success is the backup.
    pub command: Vec<String>,
    /// Prints the version of what it uses, on one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version: Vec<String>,
    /// Reads all of the backup in `LIFEBOAT_FROM`, and succeeds where it is whole: the rung `readable`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub check: Vec<String>,
    /// Restores the backup in `LIFEBOAT_FROM` into the empty folder `LIFEBOAT_INTO`, and looks whether it works: the rung `boots`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restore: Vec<String>,
    /// Secrets that they find in the environment, each in a file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_files: BTreeMap<String, PathBuf>,
}

/// A program that prints the list of backups that others make. It must change nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingSettings {
    pub command: Vec<String>,
    /// Secrets that it finds in the environment, each in a file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_files: BTreeMap<String, PathBuf>,
}

/// `[repository.ID]`: what a destination of the estate is to a tool that keeps its backups itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", deny_unknown_fields)]
pub enum RepositorySettings {
    Restic(ResticRepository),
    Pgbackrest(PgbackrestRepository),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResticRepository {
    /// As restic has it: a folder, `s3:https://…`, `sftp:…`.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// What restic finds in its environment, each in a file: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_files: BTreeMap<String, PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgbackrestRepository {
    /// Its number in pgBackRest's own configuration, `repo2-path` and so on.
    #[serde(default = "first")]
    pub number: u32,
    /// pgBackRest's own configuration.
    #[serde(default = "pgbackrest_config")]
    pub config_file: PathBuf,
}

fn redis_port() -> u16 {
    6379
}
fn first() -> u32 {
    1
}
fn pgbackrest_config() -> PathBuf {
    PathBuf::from("/etc/pgbackrest.conf")
}

impl SourceSettings {
    /// Makes the paths of secrets absolute.
    pub(super) fn resolve(&mut self, base: &Path) {
        let files: Vec<&mut PathBuf> = match self {
            SourceSettings::Redis(redis) => [&mut redis.password_file, &mut redis.ca_file].into_iter().flatten().collect(),
            SourceSettings::Etcd(etcd) => {
                [&mut etcd.password_file, &mut etcd.ca_file, &mut etcd.cert_file, &mut etcd.key_file].into_iter().flatten().collect()
            }
            SourceSettings::Qdrant(qdrant) => qdrant.api_key_file.iter_mut().collect(),
            SourceSettings::Files(files) => files.paths.iter_mut().collect(),
            SourceSettings::Command(command) => command.secret_files.values_mut().collect(),
            SourceSettings::Listing(listing) => listing.secret_files.values_mut().collect(),
        };
        for file in files {
            *file = base.join(&*file);
        }
    }

    /// # Errors
    /// A program without an absolute path, or nothing to read.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let lines = match self {
            SourceSettings::Command(CommandSettings { command, version, check, restore, .. }) => vec![command, version, check, restore],
            SourceSettings::Listing(listing) => vec![&listing.command],
            SourceSettings::Files(files) if files.paths.is_empty() => bail!("`paths` names nothing"),
            _ => Vec::new(),
        };
        if lines.first().is_some_and(|command| command.is_empty()) {
            bail!("`command` names no program");
        }
        if let Some(program) = lines.iter().filter_map(|line| line.first()).find(|program| !program.starts_with('/')) {
            bail!("{program} is no absolute path; it is run without a shell, so nothing looks for it");
        }
        Ok(())
    }
}

impl RepositorySettings {
    /// Makes the paths absolute.
    pub(super) fn resolve(&mut self, base: &Path) {
        match self {
            RepositorySettings::Restic(restic) => {
                for file in restic.password_file.iter_mut().chain(restic.secret_files.values_mut()) {
                    *file = base.join(&*file);
                }
            }
            RepositorySettings::Pgbackrest(repository) => repository.config_file = base.join(&repository.config_file),
        }
    }
}

/// A secret from a file or from this server's environment, whichever is named.
///
/// # Errors
/// One that is named and is missing or empty.
pub fn secret(file: Option<&PathBuf>, variable: Option<&String>) -> anyhow::Result<Option<String>> {
    if let Some(file) = file {
        return Ok(Some(read_secret(file)?));
    }
    let Some(name) = variable else { return Ok(None) };
    match std::env::var(name) {
        Ok(secret) if !secret.is_empty() => Ok(Some(secret)),
        _ => bail!("the environment has no {name}, which the configuration names"),
    }
}

/// Variables and the secrets in their files.
///
/// # Errors
/// A secret that is missing or empty.
pub fn secrets(files: &BTreeMap<String, PathBuf>) -> anyhow::Result<Vec<(String, String)>> {
    files.iter().map(|(name, file)| Ok((name.clone(), read_secret(file)?))).collect()
}

/// Where a program of this machine is.
///
/// # Errors
/// It is missing, and the package that brings it.
pub fn find_program(name: &str, package: &str) -> anyhow::Result<String> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let ordinary = ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&own)
        .chain(ordinary)
        .map(|folder| folder.join(name))
        .find(|path| path.is_absolute() && program::check(&[path.to_string_lossy().into_owned()]).is_ok());
    let found = found.with_context(|| format!("{name} is missing: install the package {package}"))?;
    Ok(found.to_string_lossy().into_owned())
}
