//! A scratch server that is no PostgreSQL: started on what was restored, asked whether it answers, and ended with this value.

use super::{source::Broken, work::Folder};
use crate::connect::program::{self, Group};
use anyhow::Context;
use std::time::{Duration, Instant as Moment};
use tokio::process::Child;

const ASKED_EVERY: Duration = Duration::from_millis(50);
/// How long it may take to load what was restored.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long one question may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const STOPS_WITHIN: Duration = Duration::from_secs(10);
const LAST_LINES: usize = 3;

/// See the module.
pub struct Daemon {
    child: Child,
    group: Group,
    log: std::path::PathBuf,
}

impl Daemon {
    /// Starts `line`, with its words in a file in the folder.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(line: &[String], variables: &[(&str, &str)], folder: &Folder) -> anyhow::Result<Self> {
        let mut child = program::spawn(line, variables, folder.run_as())?;
        let group = Group::led_by(&child)?;
        let log = folder.path().join("scratch.log");
        let file = std::fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let (out, err) = (child.stdout.take().context("no output")?, child.stderr.take().context("no output")?);
        let again = file.try_clone().context("a log cannot be written")?;
        keep(out, tokio::fs::File::from_std(file));
        keep(err, tokio::fs::File::from_std(again));
        Ok(Self { child, group, log })
    }

    /// Waits until the program `ask` ends with success and `read` understands what it printed.
    ///
    /// # Errors
    /// It ends before, with its last words, or is not ready in time.
    pub async fn ready<T>(&mut self, ask: &[String], variables: &[(&str, &str)], folder: &Folder, read: fn(&str) -> Option<T>) -> Result<T, Broken> {
        let began = Moment::now();
        loop {
            let said = program::run_as(ask, variables, folder.run_as(), ANSWERS_WITHIN).await;
            if let Some(answer) = said.ok().as_deref().and_then(read) {
                return Ok(answer);
            }
            if !self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
                return Err(Broken::of_tool(anyhow::anyhow!("the scratch server ended: {}", self.last_words())));
            }
            if began.elapsed() > PATIENCE {
                return Err(Broken::surroundings(format!("it was not ready within {} s: {}", PATIENCE.as_secs(), self.last_words())));
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| line.chars().take(300).collect::<String>());
        let words = last.collect::<Vec<_>>().join(" | ");
        if words.is_empty() { "it did not say why".to_owned() } else { words }
    }

    /// Ends it and waits for its end.
    pub async fn stop(mut self) {
        self.group.kill();
        if tokio::time::timeout(STOPS_WITHIN, self.child.wait()).await.is_err() {
            tracing::warn!("a scratch server that was killed has not ended");
        }
    }
}

fn keep(mut stream: impl tokio::io::AsyncRead + Send + Unpin + 'static, mut file: tokio::fs::File) {
    tokio::spawn(async move {
        if let Err(error) = tokio::io::copy(&mut stream, &mut file).await {
            tracing::debug!(%error, "the words of a scratch server were not kept");
        }
    });
}
