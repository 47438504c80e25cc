//! The server's configuration file (`lifeboat.toml`). Paths in it are relative to the file.

use anyhow::{Context, bail};
use engine::{estate::Estate, id::ClusterId};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the dashboard listens, `127.0.0.1:8420`.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Folder of the store.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// The estate file.
    #[serde(default = "default_estate")]
    pub estate: PathBuf,
    /// The built site (style, WebAssembly). Where absent, `site` beside the binary's folder, as the build lays it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<PathBuf>,
    /// The address people use where that is not `http://<listen>`; an `https://` one makes cookies Secure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// File with the token of the host agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_token_file: Option<PathBuf>,
    /// Marks a lab's server: only then are demo accounts and the faults of `--crash-at` accepted, and only on loopback.
    #[serde(default)]
    pub lab: bool,
    /// How to sign in to the nodes of each cluster.
    #[serde(default)]
    pub database: BTreeMap<ClusterId, DatabaseLogin>,
}

/// Credentials come from files, never from the estate, the store or the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseLogin {
    pub user: String,
    pub password_file: PathBuf,
}

fn default_listen() -> SocketAddr {
    Config::DEFAULT_LISTEN
}
fn default_data() -> PathBuf {
    PathBuf::from("data")
}
fn default_estate() -> PathBuf {
    PathBuf::from("estate.toml")
}

impl Config {
    pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8420);

    /// Reads the file and makes its paths absolute.
    ///
    /// # Errors
    /// A missing file, a text that is no configuration (with line and column), or a lab that listens beyond loopback.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the configuration {} cannot be read; name another one with --config", file.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("the configuration {} has a mistake", file.display()))?;
        let file = std::path::absolute(file).with_context(|| format!("{} has no absolute path", file.display()))?;
        let base = file.parent().unwrap_or(Path::new("/"));
        for path in [Some(&mut config.data), Some(&mut config.estate), config.site.as_mut(), config.agent_token_file.as_mut()].into_iter().flatten() {
            *path = base.join(&*path);
        }
        for login in config.database.values_mut() {
            login.password_file = base.join(&login.password_file);
        }
        if config.lab && !config.listen.ip().is_loopback() {
            bail!("{}: a lab's dashboard has demo accounts and may listen on loopback only, not on {}", file.display(), config.listen);
        }
        Ok(config)
    }

    /// Reads the estate it names.
    ///
    /// # Errors
    /// A missing file, or a text that is no estate (with line and column).
    pub fn read_estate(&self) -> anyhow::Result<(Estate, String)> {
        let text = std::fs::read_to_string(&self.estate).with_context(|| format!("the estate {} cannot be read", self.estate.display()))?;
        let estate = Estate::from_toml(&text).with_context(|| format!("{} has a mistake", self.estate.display()))?;
        Ok((estate, text))
    }

    /// Whether browsers reach the dashboard over TLS.
    pub fn is_https(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// Reads a secret from its file; the last line break is not part of it.
///
/// # Errors
/// A file that is missing or empty. The message names the file, never its content.
pub fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("the secret file {} cannot be read", file.display()))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        bail!("the secret file {} is empty", file.display());
    }
    Ok(secret.to_owned())
}
