//! The server's configuration file (`lifeboat.toml`). Paths in it are relative to the file.

use anyhow::{Context, bail};
use engine::{
    estate::Estate,
    id::{ChannelName, ClusterId, DestinationId, FaultId, FenceId, HookId, ObserverId, PolicyId, ServiceId},
    time::Span,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

mod backups;
mod channels;
mod database;
mod proxy_sign_in;
mod runbooks;
pub mod sources;
pub use backups::{BackupSettings, DestinationSettings};
pub use channels::{Channel, Tls, http_address, mailbox};
pub use database::{DatabaseLogin, DatabaseTls};
pub use proxy_sign_in::{ProxySignIn, SHORTEST_SECRET as SHORTEST_PROXY_SECRET, header as proxy_header};
pub use runbooks::{RunbookCommand, RunbookOrigin};
pub use sources::{RepositorySettings, SourceSettings};

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
    /// Where observers and heartbeats may come in besides `listen`; nothing else is answered there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machines_listen: Option<SocketAddr>,
    /// The built site (style, WebAssembly). Where absent, `site` beside the binary's folder, as the build lays it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<PathBuf>,
    /// The address people use where that is not `http://<listen>`; an `https://` one makes cookies Secure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Observes and shows, and nothing else: every command is refused, nothing is started or requested by itself, and what was
    /// under way stands as it is. Observations are kept and people are told as ever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Takes the word of a proxy in front of the server for who people are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_sign_in: Option<ProxySignIn>,
    /// File with the token of the host agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_token_file: Option<PathBuf>,
    /// Marks a lab's server: only then are demo accounts and the faults of `--crash-at` accepted, and only on loopback.
    #[serde(default)]
    pub lab: bool,
    /// How to sign in to the nodes of each cluster.
    #[serde(default)]
    pub database: BTreeMap<ClusterId, DatabaseLogin>,
    /// The TSIG keys that estates may name, `[dns_key."lifeboat.example.org"]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dns_key: BTreeMap<String, DnsKey>,
    /// The bearer tokens that webhooks of an estate may name, `[webhook_token.edge]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub webhook_token: BTreeMap<String, WebhookToken>,
    /// The commands that an estate may name, `[command.edge]`. Where none is declared, none is ever run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub command: BTreeMap<String, Command>,
    /// What the hooks of an estate run, `[hook.deploy-freeze]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hook: BTreeMap<HookId, HookLines>,
    /// The commands that turn nodes off, `[fence.power-east]`, for estates whose nodes name them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fence: BTreeMap<FenceId, FenceLines>,
    /// The programs that steps of runbooks may name, `[runbook_command.drain]`. Where none is declared, none is ever run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runbook_command: BTreeMap<String, RunbookCommand>,
    /// Where steps of runbooks may send requests, `[runbook_origin.edge]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runbook_origin: BTreeMap<String, RunbookOrigin>,
    /// The commands that break something for a DR test, `[fault.stop-primary]`. What is not here, no scenario can run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fault: BTreeMap<FaultId, FaultLine>,
    /// Whom to tell, and how, `[channel.ops]`. Where none is declared, nobody is told outside of the pages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channel: BTreeMap<ChannelName, Channel>,
    /// The logins that monitoring of an estate may name, `[monitoring_login.alerts]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub monitoring_login: BTreeMap<String, MonitoringLogin>,
    /// Who Lifeboat is to AWS, for estates whose clients are sent by Route 53 or ARC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// Who Lifeboat is to the Patroni of a cluster, `[patroni.orders]`, where its REST API wants to know or has a certificate of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patroni: BTreeMap<ClusterId, PatroniLogin>,
    /// The tokens of the estate's observers, `[observer.west]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observer: BTreeMap<ObserverId, MachineToken>,
    /// What backups need of this machine.
    #[serde(default)]
    pub backups: BackupSettings,
    /// Where the destinations of the estate are, `[destination.backups-west]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destination: BTreeMap<DestinationId, DestinationSettings>,
    /// What destinations are to tools that keep backups themselves, `[repository.files-west]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repository: BTreeMap<DestinationId, RepositorySettings>,
    /// What the sources of backups are that the estate names, `[backup_source.cache]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backup_source: BTreeMap<String, SourceSettings>,
    /// The tokens of backup jobs that others run, `[backup_job.redis-hourly]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backup_job: BTreeMap<PolicyId, MachineToken>,
    /// The tokens of services that send heartbeats, `[heartbeat.nightly-batch]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub heartbeat: BTreeMap<ServiceId, MachineToken>,
}

/// The bearer token by which a machine is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineToken {
    pub token_file: PathBuf,
}

/// A key that signs dynamic updates of DNS; the estate says with which algorithm.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsKey {
    /// The secret in base64, as `tsig-keygen` prints it.
    pub secret_file: PathBuf,
}

/// A token of webhooks, and the only place it is ever sent to: whoever edits the estate cannot have it sent elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookToken {
    /// Scheme, host and port, `https://traffic.example.org`. With `http://` the token crosses the network readably.
    pub origin: String,
    pub token_file: PathBuf,
}

/// Who Lifeboat is to monitoring, and the only place that is ever told to: as for a webhook's token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitoringLogin {
    /// Scheme, host and port, `https://alertmanager.example.org`.
    pub origin: String,
    /// With a user the secret is its password (basic authentication); without one it is a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub secret_file: PathBuf,
}

/// Who Lifeboat is to the REST API of a cluster's Patroni, and the only places that is ever told to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatroniLogin {
    /// Patroni's `restapi.authentication`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Scheme, host and port of each node's API, `https://10.1.0.5:8008`. With `http://` the login crosses the network readably.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// The authority, in PEM, that has signed the certificates of the APIs, where that is no public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// The key that requests to AWS are signed with. Without one here it is read from the standard environment:
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN` where there is one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<AwsKey>,
    /// Where Route 53 is asked, in the place of AWS itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route53_endpoint: Option<String>,
    /// Origins of ARC endpoints that do not lie in AWS and may be asked all the same. The estate names the endpoints, and signed
    /// requests go nowhere else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arc_origins: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsKey {
    pub id: String,
    pub secret_file: PathBuf,
    /// For temporary keys. Read once, at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token_file: Option<PathBuf>,
}

/// Programs that send clients to regions. Each is an absolute path and its arguments, started without a shell. Its
/// environment holds nothing but `LIFEBOAT_ACTION` (`read`, `send` or `rehearse`), `LIFEBOAT_SERVICE` and `LIFEBOAT_REGIONS`
/// (region ids with spaces between; empty means none, and for `read` always); there is no `PATH`. Exit code 0 is success.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Prints where clients are sent now, one region id a line.
    pub read: Vec<String>,
    /// Sends clients to exactly `LIFEBOAT_REGIONS`, however often it is told.
    pub send: Vec<String>,
    /// Checks all that `send` needs, without doing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearse: Option<Vec<String>>,
    /// A program that runs longer is killed with all that it started. The step that sends clients has 10 s for everything.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

/// What a hook runs: absolute paths with their arguments, started without a shell. Their environment holds `LIFEBOAT_HOOK`,
/// `LIFEBOAT_MOMENT` (`before`, `after`), `LIFEBOAT_OPERATION`, `LIFEBOAT_KIND` (`switchover`, `failover`, `region-failover`,
/// `failback`), `LIFEBOAT_MODE` (`planned`, `emergency`), `LIFEBOAT_SCOPE` (`service/…`, `cluster/…`), `LIFEBOAT_FROM` and `LIFEBOAT_TO`
/// (region or node ids with spaces between) and, after, `LIFEBOAT_OUTCOME` (`done`, `undone`). Exit code 0 is success. A server that
/// was killed in the middle runs them once more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookLines {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
}

impl HookLines {
    fn check(&self) -> anyhow::Result<()> {
        [("before", &self.before), ("after", &self.after)]
            .into_iter()
            .filter_map(|(what, line)| Some((what, line.as_ref()?)))
            .try_for_each(is_absolute)
    }
}

/// How a node is turned off where its host agent cannot do that: absolute paths with their arguments, started without a shell. Their
/// environment holds `LIFEBOAT_ACTION` (`fence`, `prove`), `LIFEBOAT_OPERATION`, `LIFEBOAT_CLUSTER`, `LIFEBOAT_NODE`, `LIFEBOAT_HOST` and
/// `LIFEBOAT_PORT`; there is no `PATH`. Both may be run more than once for one failover.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FenceLines {
    /// Turns the node off, also one that is off already. Exit code 0 says that it is off, or is about to be.
    pub command: Vec<String>,
    /// Exit code 0 proves that the node is off. Run again and again until it does or the time is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Vec<String>>,
    /// `command` is killed with all that it started when it runs longer; and so long again, at most, the proof is waited for.
    #[serde(default = "default_fence_timeout")]
    pub timeout: Span,
}

impl FenceLines {
    /// Longer ones keep clients waiting for too long.
    const LONGEST: Span = Span::from_mins(5);

    fn check(&self) -> anyhow::Result<()> {
        if self.timeout == Span::ZERO || self.timeout > Self::LONGEST {
            bail!("`timeout` is more than 0s and at most {}, and not {}", Self::LONGEST, self.timeout);
        }
        [("command", Some(&self.command)), ("proof", self.proof.as_ref())]
            .into_iter()
            .filter_map(|(what, line)| Some((what, line?)))
            .try_for_each(is_absolute)
    }
}

/// What a DR test runs to break something: an absolute path with its arguments, started without a shell, once. Its environment holds
/// `LIFEBOAT_FAULT` and `LIFEBOAT_RUN`; there is no `PATH`. Exit code 0 says that the fault is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultLine {
    pub run: Vec<String>,
    /// It is killed with all that it started when it runs longer.
    #[serde(default = "default_fence_timeout")]
    pub timeout: Span,
}

impl FaultLine {
    /// Longer ones are no beginning of an outage.
    const LONGEST: Span = Span::from_mins(5);

    fn check(&self) -> anyhow::Result<()> {
        if self.timeout == Span::ZERO || self.timeout > Self::LONGEST {
            bail!("`timeout` is more than 0s and at most {}, and not {}", Self::LONGEST, self.timeout);
        }
        is_absolute(("run", &self.run))
    }
}

/// There is no search path, and no folder to be relative to.
fn is_absolute((what, line): (&str, &Vec<String>)) -> anyhow::Result<()> {
    if line.first().is_some_and(|program| program.starts_with('/')) {
        return Ok(());
    }
    bail!("`{what}` begins with the absolute path of a program, for example [\"/usr/local/bin/edge\", \"{what}\"]")
}

impl Command {
    /// Checks that each program is named by an absolute path.
    fn check(&self) -> anyhow::Result<()> {
        let lines = [("read", Some(&self.read)), ("send", Some(&self.send)), ("rehearse", self.rehearse.as_ref())];
        lines.into_iter().filter_map(|(what, line)| Some((what, line?))).try_for_each(is_absolute)
    }
}

fn default_timeout() -> Span {
    Span::from_secs(5)
}
fn default_fence_timeout() -> Span {
    Span::from_secs(20)
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
    /// A missing file, a text that is no configuration (with line and column), a command without an absolute path, a channel with
    /// a bad value, or a lab that listens beyond loopback.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the configuration {} cannot be read; name another one with --config", file.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("the configuration {} has a mistake", file.display()))?;
        let file = std::path::absolute(file).with_context(|| format!("{} has no absolute path", file.display()))?;
        let base = file.parent().unwrap_or(Path::new("/"));
        for path in [Some(&mut config.data), Some(&mut config.estate), config.site.as_mut(), config.agent_token_file.as_mut()].into_iter().flatten() {
            *path = base.join(&*path);
        }
        config.backups.resolve(base);
        config.destination.values_mut().for_each(|destination| destination.resolve(base));
        config.repository.values_mut().for_each(|repository| repository.resolve(base));
        for (name, source) in &mut config.backup_source {
            source.resolve(base);
            source.check().with_context(|| format!("{}: [backup_source.{name}]", file.display()))?;
        }
        for (cluster, login) in &mut config.database {
            login.resolve(base);
            login.check().with_context(|| format!("{}: [database.{cluster}]", file.display()))?;
        }
        for key in config.dns_key.values_mut() {
            key.secret_file = base.join(&key.secret_file);
        }
        for token in config.webhook_token.values_mut() {
            token.token_file = base.join(&token.token_file);
        }
        for token in config.observer.values_mut().chain(config.heartbeat.values_mut()).chain(config.backup_job.values_mut()) {
            token.token_file = base.join(&token.token_file);
        }
        for login in config.monitoring_login.values_mut() {
            login.secret_file = base.join(&login.secret_file);
        }
        for login in config.patroni.values_mut() {
            for file in [&mut login.password_file, &mut login.ca_file].into_iter().flatten() {
                *file = base.join(&*file);
            }
        }
        if let Some(key) = config.aws.as_mut().and_then(|aws| aws.key.as_mut()) {
            key.secret_file = base.join(&key.secret_file);
            key.session_token_file = key.session_token_file.take().map(|file| base.join(file));
        }
        if let Some(proxy) = &mut config.proxy_sign_in {
            proxy.resolve(base);
            proxy.check().with_context(|| format!("{}: [proxy_sign_in]", file.display()))?;
        }
        for (name, channel) in &mut config.channel {
            channel.resolve(base);
            channel.check().with_context(|| format!("{}: [channel.{name}]", file.display()))?;
        }
        for (name, command) in &config.command {
            command.check().with_context(|| format!("{}: [command.{name}]", file.display()))?;
        }
        for (name, command) in &mut config.runbook_command {
            command.resolve(base);
            command.check().with_context(|| format!("{}: [runbook_command.{name}]", file.display()))?;
        }
        for (name, origin) in &mut config.runbook_origin {
            origin.resolve(base);
            origin.check().with_context(|| format!("{}: [runbook_origin.{name}]", file.display()))?;
        }
        for (id, hook) in &config.hook {
            hook.check().with_context(|| format!("{}: [hook.{id}]", file.display()))?;
        }
        for (id, fence) in &config.fence {
            fence.check().with_context(|| format!("{}: [fence.{id}]", file.display()))?;
        }
        for (id, fault) in &config.fault {
            fault.check().with_context(|| format!("{}: [fault.{id}]", file.display()))?;
        }
        let beyond = [Some(config.listen), config.machines_listen].into_iter().flatten().find(|address| !address.ip().is_loopback());
        if let Some(address) = beyond.filter(|_| config.lab) {
            bail!("{}: a lab's dashboard has demo accounts and may listen on loopback only, not on {address}", file.display());
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

    /// Whether the first account may be made by a link: not where nobody could use it, or nobody may change anything.
    pub fn offers_set_up(&self) -> bool {
        !self.read_only && self.proxy_sign_in.as_ref().is_none_or(|proxy| proxy.passwords)
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
