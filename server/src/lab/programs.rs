//! Finds the programs the lab needs, and says in one sentence what to install when they are missing.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Programs {
    /// Folder with initdb, pg_ctl, pg_rewind, …
    pub postgres: PathBuf,
    pub haproxy: PathBuf,
    pub pgbouncer: PathBuf,
    /// Only where the lab has a cluster that it runs.
    pub patroni: Option<PatroniPrograms>,
}

#[derive(Debug, Clone)]
pub struct PatroniPrograms {
    pub patroni: PathBuf,
    pub etcd: PathBuf,
}

impl Programs {
    pub fn find() -> anyhow::Result<Self> {
        Ok(Self {
            postgres: find_postgres()?,
            haproxy: find_daemon("haproxy", "HAProxy")?,
            pgbouncer: find_daemon("pgbouncer", "PgBouncer")?,
            patroni: None,
        })
    }

    /// With what the second cluster needs.
    pub fn find_with_patroni() -> anyhow::Result<Self> {
        let find = |name: &str, package: &str| {
            let found = path_folders().into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
            found.with_context(|| format!("{name} is missing (looked in PATH): install the package {package}"))
        };
        let patroni = PatroniPrograms { patroni: find("patroni", "patroni, with python3-etcd")?, etcd: find("etcd", "etcd-server")? };
        Ok(Self { patroni: Some(patroni), ..Self::find()? })
    }
}

const NEEDED: [&str; 8] = ["initdb", "pg_ctl", "postgres", "pg_basebackup", "pg_rewind", "pg_controldata", "pg_waldump", "pg_isready"];

/// Version 15 is preferred; a newer one is taken when 15 is not there.
fn find_postgres() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    if let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") {
        for entry in entries.flatten() {
            if let Some(version) = entry.file_name().to_str().and_then(|n| n.parse().ok()) {
                versions.push((version, entry.path().join("bin")));
            }
        }
    }
    versions.retain(|(version, _)| *version >= 15);
    versions.sort();
    let on_path = path_folders().into_iter().map(|folder| {
        // A link on the search path leads to the folder with the whole set.
        folder.join("pg_ctl").canonicalize().ok().and_then(|p| p.parent().map(Path::to_owned)).unwrap_or(folder)
    });
    let found = versions.into_iter().map(|(_, folder)| folder).chain(on_path).find(|folder| NEEDED.iter().all(|name| folder.join(name).is_file()));
    match found {
        Some(folder) => Ok(folder),
        None => bail!(
            "PostgreSQL's programs are missing (looked in /usr/lib/postgresql/*/bin and PATH for {}): install the package postgresql-15",
            NEEDED.join(", ")
        ),
    }
}

/// A daemon whose package has the name of the program.
fn find_daemon(program: &str, name: &str) -> anyhow::Result<PathBuf> {
    let folders = path_folders().into_iter().chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    match folders.map(|folder| folder.join(program)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("{name} is missing (looked in PATH and /usr/sbin): install the package {program}"),
    }
}

fn path_folders() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}
