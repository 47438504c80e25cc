//! The agent's configuration: which nodes it may touch, and which peers they may be told to follow.

use super::pooler::config::Pooler;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    pub region: String,
    /// File with the bearer token; surrounding white space is ignored. At least 32 characters.
    pub token_file: PathBuf,
    /// Folder of PostgreSQL's own programs, of the major version of the nodes.
    pub bin_dir: PathBuf,
    /// Role for streaming, pg_rewind and pg_basebackup.
    pub replication_user: String,
    /// PostgreSQL password file for that role, readable by the agent's user only.
    pub passfile: PathBuf,
    /// User to run `pg_ctl` as; only the lab sets it, for a supervisor that runs as root. An agent is the node's user itself.
    #[serde(skip)]
    pub run_as: Option<(u32, u32)>,
    /// Where to report what is seen of the platform from here; absent for an agent that only keeps nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observer: Option<super::observer::Settings>,
    #[serde(default, rename = "node")]
    pub nodes: Vec<Node>,
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
    #[serde(default, rename = "pooler", skip_serializing_if = "Vec::is_empty")]
    pub poolers: Vec<Pooler>,
}

/// A node of this host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub id: String,
    pub data_dir: PathBuf,
    pub address: IpAddr,
    pub port: u16,
    pub socket_dir: PathBuf,
    /// Where the server's output goes when the agent starts it; default: the data folder's name with `.log`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_file: Option<PathBuf>,
}

impl Node {
    /// `<data_dir><suffix>`, beside the data folder.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.data_dir.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    }

    pub fn log(&self) -> PathBuf {
        self.log_file.clone().unwrap_or_else(|| self.beside(".log"))
    }
}

/// Another node, at the address this host reaches it by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    pub id: String,
    pub host: String,
    pub port: u16,
}

impl Config {
    /// # Errors
    /// A sentence that names the file and what is wrong in it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the agent's configuration {}", path.display()))?;
        let config: Self = toml::from_str(&text).with_context(|| format!("{} is not a valid agent configuration", path.display()))?;
        config.check().with_context(|| format!("{} is not a valid agent configuration", path.display()))?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let mut seen = BTreeSet::new();
        for id in self.nodes.iter().map(|n| &n.id).chain(self.peers.iter().map(|p| &p.id)) {
            if !is_plain_name(id) {
                bail!("`{id}` is not a node name: use letters, digits, `-` and `_`, at most 63");
            }
        }
        for node in &self.nodes {
            if !seen.insert(&node.id) {
                bail!("the node {} stands there twice", node.id);
            }
            if !node.data_dir.is_absolute() {
                bail!("the data folder of {} must be an absolute path", node.id);
            }
        }
        for pooler in &self.poolers {
            pooler.check()?;
            // Orders are numbered by name, whatever they are for.
            if !seen.insert(&pooler.id) {
                bail!("the name {} stands there twice", pooler.id);
            }
        }
        if !is_plain_name(&self.replication_user) {
            bail!("`{}` is not a role name this agent accepts", self.replication_user);
        }
        if !self.bin_dir.join("pg_ctl").is_file() {
            bail!("{} has no pg_ctl; set bin_dir to PostgreSQL's programs (Debian: package postgresql-15)", self.bin_dir.display());
        }
        Ok(())
    }

    /// The token, read once at start.
    pub fn token(&self) -> anyhow::Result<String> {
        let path = &self.token_file;
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token file {}", path.display()))?;
        let token = text.trim();
        if token.len() < 32 {
            bail!("the token in {} is shorter than 32 characters", path.display());
        }
        Ok(token.to_owned())
    }
}

pub(super) fn is_plain_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
