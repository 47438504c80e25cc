//! HAProxy's runtime API on its Unix socket: where clients are sent, and sending them elsewhere. Servers of the backend
//! are named like the nodes; names come from the estate, where ids are checked, never from a request.

use anyhow::{Context, bail};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// One backend of one HAProxy.
#[derive(Debug, Clone)]
pub struct Haproxy {
    pub socket: PathBuf,
    pub backend: String,
}

/// How one server of the backend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerStanding {
    /// Neither in maintenance nor drained: clients are sent there. One that HAProxy's own check calls down is open too:
    /// they have nowhere else to go.
    pub open: bool,
    /// Open, and HAProxy says nothing against it. What is drained and down reads as down: only this needs no telling.
    pub ready: bool,
    /// Client sessions on it now.
    pub sessions: u32,
}

pub const PATIENCE: Duration = Duration::from_secs(2);
/// Sessions get this long to end.
const LINGERING: Duration = Duration::from_millis(500);
const LONGEST_ANSWER: u64 = 256 * 1024;

impl Haproxy {
    /// Every server of the backend.
    ///
    /// # Errors
    /// No answer within two seconds, or one that is no table of servers.
    pub async fn servers(&self) -> anyhow::Result<BTreeMap<String, ServerStanding>> {
        let answer = self.ask("show stat -1 4 -1").await?;
        let mut lines = answer.lines().filter(|line| !line.is_empty());
        let head: Vec<&str> = lines.next().context("HAProxy answered nothing")?.trim_start_matches("# ").split(',').collect();
        let column = |name: &str| head.iter().position(|column| *column == name).with_context(|| format!("HAProxy's table has no column {name}"));
        let (backend, server, status, sessions) = (column("pxname")?, column("svname")?, column("status")?, column("scur")?);
        let mut found = BTreeMap::new();
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let cell = |at: usize| cells.get(at).copied().with_context(|| format!("HAProxy's table has a short line: {line}"));
            if cell(backend)? == self.backend {
                let status = cell(status)?;
                let standing = ServerStanding {
                    open: !status.starts_with("MAINT") && !status.starts_with("DRAIN"),
                    ready: status == "UP" || status == "no check",
                    sessions: cell(sessions)?.parse().context("HAProxy counts sessions in numbers")?,
                };
                found.insert(cell(server)?.to_owned(), standing);
            }
        }
        if found.is_empty() {
            bail!("HAProxy at {} has no backend “{}” with servers", self.socket.display(), self.backend);
        }
        Ok(found)
    }

    /// Sends clients to `open` alone, or to nobody. See `open_exactly`.
    ///
    /// # Errors
    /// As there.
    pub async fn send_to(&self, open: Option<&str>) -> anyhow::Result<u32> {
        self.open_exactly(&open.into_iter().collect()).await
    }

    /// Sends clients to exactly these servers; closes the sessions on every other server. Proven by reading back.
    /// Returns how many sessions linger on closed servers: HAProxy does not end those whose client has gone already and
    /// whose server does not answer, so no client is behind them.
    ///
    /// # Errors
    /// A server that does not exist, or a state that does not read back as asked.
    pub async fn open_exactly(&self, open: &BTreeSet<&str>) -> anyhow::Result<u32> {
        let before = self.servers().await?;
        if let Some(missing) = open.iter().find(|name| !before.contains_key(**name)) {
            bail!("HAProxy's backend “{}” has no server {missing}", self.backend);
        }
        // Closing comes first: at no moment are an old and a new one both open.
        let mut commands: Vec<String> = Vec::new();
        for server in before.keys().filter(|server| !open.contains(server.as_str())) {
            commands.push(format!("set server {}/{server} state maint", self.backend));
            commands.push(format!("shutdown sessions server {}/{server}", self.backend));
        }
        // One that stays open is not touched. Telling it again ends no session.
        for server in open.iter().filter(|server| before.get(**server).is_some_and(|standing| !standing.ready)) {
            commands.push(format!("set server {}/{server} state ready", self.backend));
        }
        let answer = if commands.is_empty() { String::new() } else { self.ask(&commands.join(";")).await? };
        let complaint = answer.lines().map(str::trim).find(|line| !line.is_empty());
        if let Some(complaint) = complaint {
            bail!("HAProxy refused: {complaint}");
        }
        self.reads_back(open).await
    }

    /// Waits until the table says what was asked: sessions end a moment after they were told to.
    async fn reads_back(&self, open: &BTreeSet<&str>) -> anyhow::Result<u32> {
        let deadline = tokio::time::Instant::now() + LINGERING;
        loop {
            let servers = self.servers().await?;
            let wrong = servers.iter().find(|(name, standing)| standing.open != open.contains(name.as_str()));
            let lingering = servers.iter().filter(|(name, _)| !open.contains(name.as_str())).map(|(_, standing)| standing.sessions).sum();
            match wrong {
                None if lingering == 0 || tokio::time::Instant::now() > deadline => return Ok(lingering),
                Some((name, standing)) if tokio::time::Instant::now() > deadline => {
                    bail!("HAProxy did not do as asked: {name} is {}", if standing.open { "open" } else { "closed" })
                }
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }

    async fn ask(&self, command: &str) -> anyhow::Result<String> {
        let asking = async {
            let mut socket =
                UnixStream::connect(&self.socket).await.with_context(|| format!("HAProxy's socket {} does not answer", self.socket.display()))?;
            socket.write_all(command.as_bytes()).await?;
            socket.write_all(b"\n").await?;
            let mut answer = String::new();
            (&mut socket).take(LONGEST_ANSWER).read_to_string(&mut answer).await?;
            Ok::<_, anyhow::Error>(answer)
        };
        tokio::time::timeout(PATIENCE, asking).await.context("HAProxy gave no answer within 2 s")?
    }
}
