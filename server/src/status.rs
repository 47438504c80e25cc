//! `lifeboat status` and `lifeboat pack`: what the overview shows, and what a person needs without the dashboard, in one document
//! each, without a browser. A running server is asked over a socket in its data folder; where none answers, the store is read,
//! and the document says so: then every verdict is unknown and only the last readings, with their age, are known.

use crate::{config::Config, desk::Desk, store::Store, watch};
use anyhow::{Context, bail};
use app::{
    overview::view::{Overview, ProtectionLine},
    pack,
    ui::state::Tone,
};
use engine::{picture::Picture, time::Span};
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

impl Source {
    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Source::Server => "from the running server",
            Source::Store => "from the store; NO SERVER ANSWERS, so nothing is being watched",
        }
    }
}

/// What can be asked for.
const STATUS: &str = "status";
const PACK: &str = "pack";
/// No question is longer.
const LONGEST_QUESTION: u64 = 16;
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
                        if let Err(error) = answer_one(&mut stream, &desk.picture()).await {
                            tracing::warn!(error = format!("{error:#}"), "a status could not be given");
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

/// One question, one answer.
async fn answer_one(stream: &mut UnixStream, picture: &Picture) -> anyhow::Result<()> {
    let mut question = String::new();
    tokio::time::timeout(PATIENCE, stream.take(LONGEST_QUESTION).read_to_string(&mut question)).await??;
    let answer = match question.as_str() {
        STATUS => serde_json::to_vec(&Status { source: Source::Server, overview: Overview::of(picture) })?,
        PACK => pack::document(picture, Source::Server.in_words(), true).into_bytes(),
        other => bail!("nobody asks for “{}” here", other.escape_debug()),
    };
    Ok(stream.write_all(&answer).await?)
}

/// The status, from the server if one answers, else from the store.
///
/// # Errors
/// Where neither can be read.
pub async fn ask(config: &Config) -> anyhow::Result<Status> {
    // A server that dies in the middle of its answer has not answered.
    let asked = async { anyhow::Ok(serde_json::from_slice(&ask_server(&config.data, STATUS).await?)?) };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(_)) | Err(_) => from_store(config).await,
    }
}

/// The offline pack, from the server if one answers, else from the store; it says from which.
///
/// # Errors
/// Where neither can be read.
pub async fn ask_for_pack(config: &Config) -> anyhow::Result<(Source, Vec<u8>)> {
    match tokio::time::timeout(PATIENCE, ask_server(&config.data, PACK)).await {
        Ok(Ok(text)) if text.ends_with(pack::END.as_bytes()) => Ok((Source::Server, text)),
        _ => {
            let picture = stored_picture(config).await?;
            Ok((Source::Store, pack::document(&picture, Source::Store.in_words(), false).into_bytes()))
        }
    }
}

async fn ask_server(data: &Path, question: &str) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut stream = UnixStream::connect(data.join(SOCKET)).await?;
    stream.write_all(question.as_bytes()).await?;
    stream.shutdown().await?;
    stream.read_to_end(&mut text).await?;
    Ok(text)
}

/// What the store holds: nobody watches, so of everything only the last readings are known.
async fn stored_picture(config: &Config) -> anyhow::Result<Picture> {
    let (estate, _) = config.read_estate()?;
    let desk = Desk::open(Store::open_existing(&config.data).await?, estate).await?;
    desk.put_up(watch::kept(desk.estate(), desk.store()).await?);
    Ok(desk.picture())
}

async fn from_store(config: &Config) -> anyhow::Result<Status> {
    let mut overview = Overview::of(&stored_picture(config).await?);
    // Nobody is watching: whatever could be said, all is well is not known.
    overview.worst = overview.worst.max(Tone::Unknown);
    Ok(Status { source: Source::Store, overview })
}

impl Status {
    /// A few lines for a person in a shell.
    pub fn in_words(&self) -> String {
        let source = self.source.in_words();
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
