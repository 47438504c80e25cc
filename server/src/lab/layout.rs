//! Where the lab's files lie and who owns them.
//!
//! PostgreSQL refuses to run as root, so a lab started by root runs nodes and agents as `postgres`. Their files lie in the lab's
//! folder too, unless that user cannot reach it (a clone below `/root`, say): then below `/var/tmp`.

use super::map::{Map, PgNode, Place, observer_name};
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A path to a Unix socket has at most 107 bytes, of which names below the folder take up to 46.
const LONGEST_FOLDER: usize = 60;

/// What a lab remembers of itself between two `up`s.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remembered {
    pub number: u8,
    pub synchronous: bool,
    /// It has a second cluster that Patroni runs.
    #[serde(default)]
    pub patroni: bool,
    pub node_root: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Layout {
    pub folder: PathBuf,
    /// Parent of everything the nodes' user must reach.
    pub node_root: PathBuf,
    /// The nodes' user, when it is not the caller.
    pub identity: Option<(u32, u32)>,
    /// Name of the caller in the operating system, for peer authentication.
    pub caller: String,
    pub node_user: String,
}

impl Layout {
    /// Finds out where things go. Creates the folder, nothing else.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the lab's folder {}", folder.display()))?;
        let folder = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
        let text = folder.to_str().with_context(|| format!("the folder's name {} is not valid UTF-8", folder.display()))?;
        if text.chars().any(|c| c.is_control() || matches!(c, '\'' | '"' | '\\' | '%')) {
            bail!("the folder's name {text} contains a quote, backslash, percent or control character; choose another one with --folder");
        }
        let uid = rustix::process::geteuid().as_raw();
        let caller = user_with_id(uid)?.0;
        let (identity, node_user) = if uid == 0 {
            let (uid, gid) = user_named("postgres")?;
            (Some((uid, gid)), "postgres".to_owned())
        } else {
            (None, caller.clone())
        };
        let node_root = match identity {
            Some(who) if !reachable(&folder, who)? => {
                let digest: String = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()).iter().take(6).map(|b| format!("{b:02x}")).collect();
                PathBuf::from(format!("/var/tmp/lifeboat-lab-{digest}"))
            }
            _ => folder.clone(),
        };
        if text.len() > LONGEST_FOLDER {
            bail!(
                "the folder's name {text} is {} bytes long; PostgreSQL's sockets allow {LONGEST_FOLDER}: choose a shorter one with --folder",
                text.len()
            );
        }
        Ok(Self { folder, node_root, identity, caller, node_user })
    }

    /// Creates every folder with its owner. Fails with one sentence when the folder is not writable.
    pub fn create(&self) -> anyhow::Result<()> {
        for (name, mode) in [("run", 0o755), ("run/pids", 0o755), ("secrets", 0o700), ("log", 0o755), ("load", 0o755)] {
            make(&self.folder.join(name), mode, None)?;
        }
        if self.node_root != self.folder {
            make(&self.node_root, 0o711, None)?;
        }
        for (name, mode) in [("pg", 0o755), ("archive", 0o755), ("sockets", 0o755), ("agent", 0o700), ("pg-log", 0o755)] {
            make(&self.node_root.join(name), mode, self.identity)?;
        }
        Ok(())
    }

    /// Removes what this lab created and nothing else.
    pub fn remove(&self) -> anyhow::Result<()> {
        for name in ["run", "secrets", "load", "lab.json", "estate.toml", "lifeboat.toml", "dashboard"] {
            remove(&self.folder.join(name))?;
        }
        for name in ["pg", "archive", "sockets", "agent", "pg-log", "etcd"] {
            remove(&self.node_root.join(name))?;
        }
        if self.node_root != self.folder {
            remove(&self.node_root)?;
        }
        Ok(())
    }

    pub fn remembered(&self) -> anyhow::Result<Option<Remembered>> {
        let path = self.folder.join("lab.json");
        match fs::read_to_string(&path) {
            Ok(text) => {
                Ok(Some(serde_json::from_str(&text).with_context(|| format!("{} is damaged; run `lifeboat lab up --fresh`", path.display()))?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Written when the databases are whole; without it the next `up` builds them anew.
    pub fn remember(&self, map: Map, synchronous: bool, patroni: bool) -> anyhow::Result<()> {
        let what = Remembered { number: map.number, synchronous, patroni, node_root: self.node_root.clone() };
        write_private(&self.folder.join("lab.json"), &serde_json::to_string_pretty(&what)?, 0o644, None)
    }

    pub fn run(&self, name: &str) -> PathBuf {
        self.folder.join("run").join(name)
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join("log").join(format!("{name}.log"))
    }

    pub fn data_dir(&self, node: &PgNode) -> PathBuf {
        self.node_root.join("pg").join(node.id)
    }

    pub fn archive(&self, node: &PgNode) -> PathBuf {
        self.node_root.join("archive").join(node.id)
    }

    pub fn socket_dir(&self, node: &PgNode) -> PathBuf {
        self.node_root.join("sockets").join(node.id)
    }

    pub fn pg_log(&self, node: &PgNode) -> PathBuf {
        self.node_root.join("pg-log").join(format!("{}.log", node.id))
    }

    pub fn agent_config(&self, place: Place) -> PathBuf {
        self.node_root.join("agent").join(format!("{}.toml", place.name()))
    }

    /// The agents' copy of the token, owned by their user.
    pub fn agent_token(&self) -> PathBuf {
        self.node_root.join("agent").join("token")
    }

    /// The observers' copies of their tokens, likewise.
    pub fn observer_token(&self, place: Place) -> PathBuf {
        self.node_root.join("agent").join(format!("{}.token", observer_name(place)))
    }

    /// Password file of the replication role, owned by the nodes' user.
    pub fn passfile(&self) -> PathBuf {
        self.node_root.join("agent").join("pgpass")
    }

    pub fn secret_path(&self, name: &str) -> PathBuf {
        self.folder.join("secrets").join(name)
    }

    /// The secret of this name, made at random on first use.
    pub fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.secret_path(name);
        if let Ok(text) = fs::read_to_string(&path) {
            return Ok(text.trim().to_owned());
        }
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        write_private(&path, &secret, 0o600, None)?;
        Ok(secret)
    }

    /// Writes a file for the nodes' user.
    pub fn write_for_nodes(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        write_private(path, text, 0o600, self.identity)
    }

    pub fn make_for_nodes(&self, path: &Path) -> anyhow::Result<()> {
        make(path, 0o700, self.identity)
    }
}

fn make(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> anyhow::Result<()> {
    let made = fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .and_then(|()| owner.map_or(Ok(()), |(uid, gid)| std::os::unix::fs::chown(path, Some(uid), Some(gid))));
    made.with_context(|| format!("the lab's folder is not writable: cannot create {}", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// Replaces a file as a whole; nobody ever sees it with wider permissions or half written.
pub fn write_private(path: &Path, text: &str, mode: u32, owner: Option<(u32, u32)>) -> anyhow::Result<()> {
    let fresh = path.with_extension("fresh");
    let write = || {
        if fresh.exists() {
            fs::remove_file(&fresh)?;
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(&fresh, Some(uid), Some(gid))?;
        }
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Whether a user may pass every folder on the way.
fn reachable(folder: &Path, (uid, gid): (u32, u32)) -> anyhow::Result<bool> {
    for step in folder.ancestors() {
        let seen = fs::metadata(step).with_context(|| format!("cannot look at {}", step.display()))?;
        let bit = if seen.uid() == uid {
            0o100
        } else if seen.gid() == gid {
            0o010
        } else {
            0o001
        };
        if seen.mode() & bit == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn user_named(name: &str) -> anyhow::Result<(u32, u32)> {
    passwd()?.into_iter().find(|(n, _, _)| n == name).map(|(_, uid, gid)| (uid, gid)).with_context(|| {
        format!("PostgreSQL does not run as root and there is no user `{name}` to run it as; install the package postgresql-15, or run as an ordinary user")
    })
}

fn user_with_id(id: u32) -> anyhow::Result<(String, u32)> {
    Ok(passwd()?.into_iter().find(|(_, uid, _)| *uid == id).map_or_else(|| (format!("uid{id}"), 0), |(name, _, gid)| (name, gid)))
}

fn passwd() -> anyhow::Result<Vec<(String, u32, u32)>> {
    let text = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        Some(((*fields.first()?).to_owned(), fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    Ok(text.lines().filter_map(entry).collect())
}
