//! What the journal says about runbooks: their versions, texts that were kept and did not become one, and runs.

use super::{
    Disaster, LARGEST,
    run::{self, Run, RunCommand, RunEvent, RunMisfit, RunRefusal},
};
use crate::{
    id::{RunId, RunbookName},
    journal::Actor,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// What a person may ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum RunbookCommand {
    /// `from` is the version that was edited; none where the runbook is new. The caller has read the text and sums it up.
    Save { text: String, summary: Box<Summary>, from: Option<u32>, note: String },
    /// Keep a text that is no version (yet): it has mistakes, or is only looked at.
    Keep { text: String, from: Option<u32> },
}

impl RunbookCommand {
    /// What is asked for, in the words of the journal.
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::Save { .. } => "save",
            Self::Keep { .. } => "keep a draft of",
        }
    }
}

/// What lists and findings need of a version without reading its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<chrono::NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disaster: Option<Disaster>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Span>,
    /// How long it takes as a rule, and where every step takes as long as it may.
    pub usual: Span,
    pub longest: Span,
    pub steps: u32,
}

/// What happened to one runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "happened")]
pub enum RunbookEvent {
    Saved {
        version: u32,
        text: String,
        summary: Box<Summary>,
        /// What changed, in the words of whoever did it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// A text was kept that is no version: `from` was not the newest any more, or it was not to be saved.
    DraftKept {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u32>,
        /// The version that was saved meanwhile by somebody else: what would have been lost (row 77).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overtaken_by: Option<u32>,
    },
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counts from 1.
    pub number: u32,
    pub by: Actor,
    pub at: Instant,
    pub text: String,
    pub summary: Summary,
    pub note: String,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Its place in the journal, by which it is found.
    pub seq: u64,
    pub by: Actor,
    pub at: Instant,
    pub from: Option<u32>,
    pub overtaken_by: Option<u32>,
    pub text: String,
}

/// What the journal says of one runbook.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunbookRecord {
    /// Oldest first; all of them.
    #[serde(with = "shared")]
    pub versions: Vec<Arc<Version>>,
    /// Oldest first; the last `DRAFTS_KEPT`. All of them are in the journal.
    #[serde(with = "shared")]
    pub drafts: Vec<Arc<Draft>>,
}

impl RunbookRecord {
    pub fn newest(&self) -> Option<&Arc<Version>> {
        self.versions.last()
    }
    pub fn version(&self, number: u32) -> Option<&Arc<Version>> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// Shared in memory and listed on paper.
mod shared {
    use super::{Arc, Deserialize, Serialize};
    use serde::{Deserializer, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(list: &[Arc<T>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(Arc::as_ref))
    }
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<T>>, D::Error> {
        Ok(Vec::<T>::deserialize(deserializer)?.into_iter().map(Arc::new).collect())
    }
}

/// Why a command about runbooks was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum RunbookRefusal {
    #[error("the runbook has {bytes} bytes; at most {LARGEST} are kept")]
    TooLarge { bytes: usize },
    #[error("version {version} is the newest of {name}, so there is none to be made anew under that name; edit it, or choose another name")]
    NameTaken { name: RunbookName, version: u32 },
    #[error("there is no version {version} of {name}")]
    NoSuchVersion { name: RunbookName, version: u32 },
    #[error("nothing differs from version {version}")]
    NothingNew { version: u32 },
    #[error("the runbook {name} has no version {version}")]
    NoSuchRunbook { name: RunbookName, version: u32 },
    #[error("version {newest} of {name} was saved meanwhile; look at it and start that one")]
    NotTheNewest { name: RunbookName, newest: u32 },
    #[error(transparent)]
    Run(#[from] RunRefusal),
}

/// Why an event does not fit what went before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunbookMisfit {
    #[error("version {version} of the runbook {name} follows version {before}")]
    OutOfOrder { name: RunbookName, before: u32, version: u32 },
    #[error(transparent)]
    Run(#[from] RunMisfit),
}

/// Runbooks and runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunbookLedger {
    books: BTreeMap<RunbookName, RunbookRecord>,
    /// Oldest first; the active ones and the last `RUNS_KEPT`.
    #[serde(with = "shared")]
    runs: Vec<Arc<Run>>,
}

const DRAFTS_KEPT: usize = 20;
/// Runs that are kept at hand when they have ended. All of them are in the journal.
const RUNS_KEPT: usize = 200;

impl RunbookLedger {
    pub fn books(&self) -> impl Iterator<Item = (&RunbookName, &RunbookRecord)> {
        self.books.iter()
    }
    pub fn book(&self, name: &RunbookName) -> Option<&RunbookRecord> {
        self.books.get(name)
    }
    pub fn newest(&self, name: &RunbookName) -> Option<&Arc<Version>> {
        self.books.get(name)?.newest()
    }
    /// Oldest first.
    pub fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }
    pub fn run(&self, id: RunId) -> Option<&Arc<Run>> {
        self.runs.iter().find(|run| run.id == id)
    }
    pub fn active(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.runs.iter().filter(|run| run.state.is_active())
    }

    /// What becomes of a command about a runbook.
    ///
    /// # Errors
    /// Each refusal is something the asker can act on.
    pub(crate) fn decide(&self, name: &RunbookName, command: &RunbookCommand) -> Result<Vec<RunbookEvent>, RunbookRefusal> {
        let record = self.books.get(name);
        let newest = record.and_then(RunbookRecord::newest);
        let (text, from) = match command {
            RunbookCommand::Save { text, from, .. } | RunbookCommand::Keep { text, from } => (text, *from),
        };
        if text.len() > LARGEST {
            return Err(RunbookRefusal::TooLarge { bytes: text.len() });
        }
        if let Some(version) = from.filter(|from| record.and_then(|record| record.version(*from)).is_none()) {
            return Err(RunbookRefusal::NoSuchVersion { name: name.clone(), version });
        }
        match command {
            RunbookCommand::Keep { .. } => Ok(vec![RunbookEvent::DraftKept { text: text.clone(), from, overtaken_by: None }]),
            RunbookCommand::Save { summary, note, .. } => match (newest, from) {
                // The same form sent twice: the first one counts.
                (Some(newest), from) if newest.text == *text && from.is_none_or(|from| from < newest.number) => Ok(Vec::new()),
                (Some(newest), _) if newest.text == *text => Err(RunbookRefusal::NothingNew { version: newest.number }),
                (Some(newest), None) => Err(RunbookRefusal::NameTaken { name: name.clone(), version: newest.number }),
                // Nothing is written over: both texts are kept, and a person puts them together.
                (Some(newest), Some(from)) if from != newest.number => {
                    Ok(vec![RunbookEvent::DraftKept { text: text.clone(), from: Some(from), overtaken_by: Some(newest.number) }])
                }
                (newest, _) => {
                    let version = newest.map_or(0, |newest| newest.number) + 1;
                    Ok(vec![RunbookEvent::Saved { version, text: text.clone(), summary: summary.clone(), note: note.trim().to_owned() }])
                }
            },
        }
    }

    /// What becomes of a command in a run.
    ///
    /// # Errors
    /// Each refusal is something the asker can act on.
    pub(crate) fn decide_run(&self, actor: &Actor, id: RunId, command: &RunCommand, now: Instant) -> Result<Vec<RunEvent>, RunbookRefusal> {
        match (self.run(id), command) {
            (None, RunCommand::Start { with }) => {
                let newest = self.newest(&with.runbook).map(|version| version.number);
                let unknown = || RunbookRefusal::NoSuchRunbook { name: with.runbook.clone(), version: with.version };
                match newest.ok_or_else(unknown)? {
                    newest if newest == with.version => Ok(vec![RunEvent::Started(with.clone())]),
                    newest => Err(RunbookRefusal::NotTheNewest { name: with.runbook.clone(), newest }),
                }
            }
            (None, _) => Err(RunRefusal::NoSuchRun { id }.into()),
            (Some(run), _) => Ok(run::decide(run, actor, command, now)?),
        }
    }

    /// Takes in what happened to a runbook.
    ///
    /// # Errors
    /// Where it cannot follow; nothing is changed then.
    pub(crate) fn apply(&mut self, seq: u64, at: Instant, actor: &Actor, name: &RunbookName, event: &RunbookEvent) -> Result<(), RunbookMisfit> {
        let record = self.books.entry(name.clone()).or_default();
        match event {
            RunbookEvent::Saved { version, text, summary, note } => {
                let before = record.newest().map_or(0, |newest| newest.number);
                if *version != before + 1 {
                    return Err(RunbookMisfit::OutOfOrder { name: name.clone(), before, version: *version });
                }
                let summary = (**summary).clone();
                let saved = Version { number: *version, by: actor.clone(), at, text: text.clone(), summary, note: note.clone() };
                record.versions.push(Arc::new(saved));
            }
            RunbookEvent::DraftKept { text, from, overtaken_by } => {
                let (from, overtaken_by) = (*from, *overtaken_by);
                record.drafts.push(Arc::new(Draft { seq, by: actor.clone(), at, from, overtaken_by, text: text.clone() }));
                let surplus = record.drafts.len().saturating_sub(DRAFTS_KEPT);
                record.drafts.drain(..surplus);
            }
        }
        Ok(())
    }

    /// Takes in what happened in a run.
    ///
    /// # Errors
    /// Where it cannot follow; nothing is changed then.
    pub(crate) fn apply_run(&mut self, at: Instant, actor: &Actor, id: RunId, event: &RunEvent) -> Result<(), RunbookMisfit> {
        if let (RunEvent::Started(with), None) = (event, self.run(id)) {
            let ended = self.runs.iter().filter(|run| !run.state.is_active()).count();
            if let Some(oldest) = self.runs.iter().position(|run| !run.state.is_active()).filter(|_| ended >= RUNS_KEPT) {
                self.runs.remove(oldest);
            }
            self.runs.push(Arc::new(Run::begun(id, at, actor, with)));
            return Ok(());
        }
        let run = self.runs.iter_mut().find(|run| run.id == id).ok_or(RunMisfit::Unknown { id })?;
        Ok(Arc::make_mut(run).take_in(at, actor, event)?)
    }
}
