//! What the command line says to the running lab: one JSON line each way over a Unix socket in its folder.

use super::layout::Layout;
use super::status::Status;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Order {
    Status,
    Kill { name: String },
    Hang { name: String },
    Slow { name: String, ms: u64 },
    Heal { name: String, force: bool },
    Cut { region: String },
    Mend { region: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done(String),
    Status(Box<Status>),
    Failed(String),
}

/// How far the supervisor has come, in `run/phase.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Phase {
    Starting { text: String },
    Ready { notes: Vec<String> },
    Failed { text: String },
}

/// Sends one order and waits for its answer.
///
/// # Errors
/// When no lab runs in this folder, or the order failed.
pub async fn ask(layout: &Layout, order: &Order) -> anyhow::Result<Answer> {
    let Ok(socket) = UnixStream::connect(layout.run("lab.sock")).await else {
        bail!("no lab is running in {}; start one with `lifeboat lab up`", layout.folder.display())
    };
    let (reads, mut writes) = socket.into_split();
    let mut line = serde_json::to_string(order)?;
    line.push('\n');
    writes.write_all(line.as_bytes()).await?;
    let answer = BufReader::new(reads).lines().next_line().await.context("the lab's supervisor broke off")?;
    let answer = answer.context("the lab's supervisor ended before it answered")?;
    match serde_json::from_str(&answer).context("the lab's supervisor is of another version; run `lifeboat lab down` first")? {
        Answer::Failed(text) => bail!(text),
        other => Ok(other),
    }
}

/// The supervisor's side of one conversation.
pub async fn hear(socket: UnixStream, answer: impl AsyncFnOnce(Order) -> Answer) -> anyhow::Result<()> {
    let (reads, mut writes) = socket.into_split();
    let Some(line) = BufReader::new(reads).lines().next_line().await? else { return Ok(()) };
    let said = match serde_json::from_str(&line) {
        Ok(order) => answer(order).await,
        Err(error) => Answer::Failed(format!("not an order: {error}")),
    };
    let mut line = serde_json::to_string(&said)?;
    line.push('\n');
    writes.write_all(line.as_bytes()).await?;
    Ok(())
}
