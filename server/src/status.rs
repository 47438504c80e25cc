//! `lifeboat status`: what the overview shows, in one document, without a browser. A running server is asked over a socket in
//! its data folder; where none answers, the store is read, and the document says so: then every verdict is unknown and
//! only the last readings, with their age, are known.

use crate::{config::Config, desk::Desk, store::Store, watch};
use anyhow::Context;
use app::{
    overview::view::{Overview, ProtectionLine},
    ui::state::Tone,
};
use engine::time::Span;
use serde::{Deserialize, Serialize};
use std::{io::ErrorKind, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

/// The document.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    pub source: Source,
    pub overview: Overview,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A running server's present view.
    Server,
    /// No server answered: what the store holds.
    Store,
}

const SOCKET: &str = "status.sock";
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers on the socket until the process ends. Who may read the data folder may read the status.
///
/// # Errors
/// Where the socket cannot be made.
pub fn answer(desk: Arc<Desk>, data: &Path) -> anyhow::Result<()> {
    let path = data.join(SOCKET);
    // The folder is locked by this process, so a socket that is there belongs to nobody any more.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(|| format!("{} is in the way", path.display())),
        _ => {}
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("the socket {} cannot be made", path.display()))?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((mut stream, _)) => {
                    let desk = desk.clone();
                    tokio::spawn(async move {
                        let status = Status { source: Source::Server, overview: Overview::of(&desk.picture()) };
                        let written = match serde_json::to_vec(&status) {
                            Ok(text) => stream.write_all(&text).await,
                            Err(error) => Err(error.into()),
                        };
                        if let Err(error) = written {
                            tracing::warn!(%error, "a status could not be given");
                        }
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "the status socket failed");
                    return;
                }
            }
        }
    });
    Ok(())
}

/// The status, from the server if one answers, else from the store.
///
/// # Errors
/// Where neither can be read.
pub async fn ask(config: &Config) -> anyhow::Result<Status> {
    match tokio::time::timeout(PATIENCE, ask_server(&config.data)).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(_)) | Err(_) => from_store(config).await,
    }
}

async fn ask_server(data: &Path) -> anyhow::Result<Status> {
    let mut text = Vec::new();
    UnixStream::connect(data.join(SOCKET)).await?.read_to_end(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

async fn from_store(config: &Config) -> anyhow::Result<Status> {
    let (estate, _) = config.read_estate()?;
    let desk = Desk::open(Store::open_existing(&config.data).await?, estate).await?;
    desk.put_up(watch::kept(desk.estate(), desk.store()).await?);
    let mut overview = Overview::of(&desk.picture());
    // Nobody is watching: whatever could be said, all is well is not known.
    overview.worst = overview.worst.max(Tone::Unknown);
    Ok(Status { source: Source::Store, overview })
}

impl Status {
    /// A few lines for a person in a shell.
    pub fn in_words(&self) -> String {
        let source = match self.source {
            Source::Server => "from the running server",
            Source::Store => "from the store; NO SERVER ANSWERS, so nothing is being watched",
        };
        let overview = &self.overview;
        let mut lines = vec![format!("{} · {} · {source}", overview.estate, overview.generated_at.format("%Y-%m-%d %H:%M:%S UTC"))];
        lines.push(format!("worst: {}", overview.worst.name()));
        lines.extend(overview.needs_a_person.iter().map(|need| format!("NEEDS A PERSON: {}", need.what)));
        for cluster in &overview.clusters {
            let protection = match &cluster.protection {
                ProtectionLine::Protected => "protected".to_owned(),
                ProtectionLine::Reduced(missing) => format!("reduced protection: {}", missing.join("; ")),
                ProtectionLine::Unprotected(missing) => format!("UNPROTECTED: {}", missing.join("; ")),
                ProtectionLine::Unknown => "protection unknown".to_owned(),
            };
            lines.push(format!("{}: primary {}, {protection}", cluster.cluster, cluster.primary.as_ref().map_or("unknown", |node| node.as_str())));
            for node in &cluster.nodes {
                let age =
                    node.sampled_at.map_or("never read".to_owned(), |at| format!("read {} ago", Span::between(at, overview.generated_at).rough()));
                lines.push(format!("  {:<20} {:<14} {age}", node.node.as_str(), node.standing));
            }
        }
        lines.join("\n")
    }

    /// Exit code for scripts: 0 all well, 1 something needs a person, 2 not known.
    pub fn exit_code(&self) -> u8 {
        match self.overview.worst {
            Tone::Ok | Tone::Watch => 0,
            Tone::Act | Tone::Lost => 1,
            Tone::Unknown => 2,
        }
    }
}
