//! What runbooks may have the server do. A runbook names these; what they are stands here only, where whoever writes
//! runbooks cannot change it.

use anyhow::{Context, bail};
use engine::runbooks::sights::origin_of;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// `[runbook_command.NAME]`: a program, by its absolute path, with its first arguments. Those of the step follow. It is started without
/// a shell. Its environment holds `LIFEBOAT_RUN`, `LIFEBOAT_RUNBOOK`, `LIFEBOAT_STEP`, what the step acts on (`LIFEBOAT_REGION`,
/// `LIFEBOAT_SERVICE`, `LIFEBOAT_CLUSTER`, `LIFEBOAT_NODE`, empty where the step names none) and what is in `secret_files`; there is no
/// `PATH`. Exit code 0 is success. It is killed, with all that it started, when the step's time is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookCommand {
    pub command: Vec<String>,
    /// Variables whose values stand in files. Where one of them turns up in what the program prints, it is masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_files: BTreeMap<String, PathBuf>,
}

/// `[runbook_origin.NAME]`: where steps may send requests. Redirects are not followed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookOrigin {
    /// Scheme, host and port, `https://edge.example.org`.
    pub origin: String,
    /// A bearer token, sent there and nowhere else. With `http://` it crosses the network readably.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl RunbookCommand {
    pub(super) fn resolve(&mut self, base: &Path) {
        self.secret_files.values_mut().for_each(|file| *file = base.join(&*file));
    }
    pub(super) fn check(&self) -> anyhow::Result<()> {
        super::is_absolute(("command", &self.command))?;
        let is_variable = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        match self.secret_files.keys().find(|name| !is_variable(name) || name.starts_with("LIFEBOAT_")) {
            Some(name) => bail!("`secret_files`: “{name}” is no name of a variable, for example API_TOKEN, and those of LIFEBOAT_ are taken"),
            None => Ok(()),
        }
    }
}

impl RunbookOrigin {
    pub(super) fn resolve(&mut self, base: &Path) {
        self.token_file = self.token_file.take().map(|file| base.join(file));
    }
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let known = origin_of(&self.origin).with_context(|| format!("`origin` is scheme, host and port, and not “{}”", self.origin))?;
        if known != self.origin {
            bail!("`origin` is scheme, host and port and nothing else: “{known}”, and not “{}”", self.origin);
        }
        Ok(())
    }
}
