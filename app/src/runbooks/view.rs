//! What the pages of runbooks show. `making` makes it, on the server.

use crate::ui::{markdown::Html, state::Tone};
use engine::{
    id::{OperationId, RunId, RunbookName},
    runbooks::run::{RunState, StepState},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// How a new one begins.
pub const OUTLINE: &str = "# What happens\n\n```runbook\nowner = \"\"\nreview_by = \"\"\nscenario = \"\"\nrto = \"15m\"\n\n[[role]]\nname = \"Incident commander\"\n```\n\nWhat it does, and what must be so before it begins.\n\n## Steps\n\n### See that it is so\n\nWhat is looked at, and where.\n\n```step\nid = \"see\"\ntype = \"manual\"\nregion = \"\"\nrole = \"Incident commander\"\ntimeout = \"5m\"\ntakes = \"2m\"\nsuccess = \"two people see it\"\n```\n\n## Afterwards\n\n- Meet, and put into this runbook what was missing.\n";

/// All runbooks and the runs that there are at hand.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Listing {
    pub now: Instant,
    pub lines: Vec<BookLine>,
    /// Newest first.
    pub runs: Vec<RunLine>,
    pub barred: Option<String>,
}

/// One runbook in a row.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct BookLine {
    pub name: RunbookName,
    pub title: String,
    pub version: u32,
    pub owner: Option<String>,
    /// `2027-05-31`, and whether that is over.
    pub review_by: Option<String>,
    pub review: Tone,
    pub usual: Span,
    pub longest: Span,
    /// What it must be over within.
    pub within: Option<Span>,
    pub time: Tone,
    /// The linter's verdict, and how much it complains of.
    pub lint: Tone,
    pub lints: u32,
    pub last_run: Option<Instant>,
}

/// One run in a row.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RunLine {
    pub id: RunId,
    pub runbook: RunbookName,
    pub version: u32,
    pub title: String,
    pub tone: Tone,
    pub word: String,
    pub done: u32,
    pub steps: u32,
    pub began: Instant,
    pub by: String,
    pub took: Option<Span>,
}

/// A complaint of the linter.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct LintLine {
    pub tone: Tone,
    /// “step assess”, “head”.
    pub at: String,
    pub line: Option<u32>,
    pub says: String,
    pub remedy: String,
}

/// A step to be read.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct StepView {
    pub title: String,
    pub kind: String,
    /// What the step does, in words.
    pub does: String,
    /// A statement, a body or a command line, as it is.
    pub code: Option<String>,
    pub target: String,
    pub role: Option<String>,
    pub timeout: Span,
    pub takes: Option<Span>,
    pub success: Option<String>,
    pub rollback: Option<String>,
    pub prose: Html,
    /// The included runbook that it comes from.
    pub of: Option<String>,
}

/// What a text says, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Reading {
    pub title: String,
    /// As name and value.
    pub facts: Vec<(String, String)>,
    pub parameters: Vec<ParameterLine>,
    pub roles: Vec<(String, String)>,
    pub introduction: Html,
    pub steps: Vec<StepView>,
    pub afterwards: Html,
    /// Name, promise of the next one, text.
    pub messages: Vec<(String, Option<Span>, Html)>,
    pub usual: Span,
    pub longest: Span,
    pub within: Option<Span>,
    pub time: Tone,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ParameterLine {
    pub name: String,
    pub kind: String,
    pub about: String,
    pub default: Option<String>,
    /// What can be chosen, where that is known.
    pub choices: Vec<String>,
}

/// What is said of a text.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Check {
    /// Why it is no runbook, with its line.
    pub problem: Option<String>,
    pub lints: Vec<LintLine>,
    pub reading: Option<Reading>,
}

/// One runbook.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct BookPage {
    pub now: Instant,
    pub name: RunbookName,
    pub version: u32,
    pub newest: u32,
    pub by: String,
    pub at: Instant,
    pub note: String,
    pub review: Tone,
    pub check: Check,
    /// Of this runbook, newest first.
    pub runs: Vec<RunLine>,
    /// For the next run, so that a form sent twice begins one.
    pub new_run: RunId,
    pub barred: Option<String>,
}

/// A text in the editor.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct EditView {
    pub name: RunbookName,
    /// The version that a save will follow.
    pub from: Option<u32>,
    pub newest: Option<u32>,
    pub text: String,
    pub draft: Option<DraftLine>,
    pub barred: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct DraftLine {
    pub seq: u64,
    pub by: String,
    pub at: Instant,
    pub from: Option<u32>,
    /// The version that was saved meanwhile.
    pub overtaken_by: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct VersionLine {
    pub number: u32,
    pub by: String,
    pub at: Instant,
    pub note: String,
}

/// Versions and drafts, and two of them side by side.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct VersionsView {
    pub now: Instant,
    pub name: RunbookName,
    /// Newest first.
    pub versions: Vec<VersionLine>,
    pub drafts: Vec<DraftLine>,
    /// What is compared: `3`, `draft-120`.
    pub old: String,
    pub new: String,
    pub diff: Vec<DiffLine>,
}

/// A line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    Same,
    Gone,
    New,
    /// Lines that are the same and left out.
    Gap,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct DiffLine {
    pub mark: Mark,
    pub old: Option<u32>,
    pub new: Option<u32>,
    pub text: String,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RunView {
    pub now: Instant,
    pub line: RunLine,
    pub state: RunState,
    pub reason: String,
    /// Who paused or abandoned it, when and why.
    pub note: Option<(String, Instant, String)>,
    pub values: Vec<(String, String)>,
    pub rto: Option<Span>,
    /// How long what is left takes as a rule.
    pub left: Span,
    pub roles: Vec<(String, Option<String>)>,
    pub steps: Vec<RunStepView>,
    pub messages: Vec<MessageView>,
    pub sent: Vec<SentLine>,
    pub next_update: Option<Instant>,
    /// Why the viewer may not work in it, or not approve in it.
    pub barred: Option<String>,
    pub barred_approve: Option<String>,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RunStepView {
    pub number: u32,
    pub step: StepView,
    pub state: StepState,
    pub tone: Tone,
    pub attempts: u32,
    pub begun: Option<(String, Instant)>,
    pub ended: Option<(String, Instant)>,
    pub said: Option<String>,
    pub overdue: Option<Instant>,
    pub approvals: Vec<(String, Instant)>,
    pub approvals_needed: u32,
    pub operation: Option<OperationId>,
    /// Where the operation is planned.
    pub plan: Option<String>,
    /// What can be done with it now.
    pub acts: Vec<StepAct>,
}

/// What can be done with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepAct {
    Begin,
    Again,
    Tick,
    /// What Lifeboat could not do, a person did.
    ByHand,
    Fail,
    Approve,
    Skip,
    RollBack,
    /// The way back was gone.
    Back,
}

/// A message as it would go out now.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct MessageView {
    pub name: String,
    pub audience: Option<String>,
    pub next_update: Option<Span>,
    /// Or what nothing can be said for.
    pub text: Result<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct SentLine {
    pub message: String,
    pub to: String,
    pub by: String,
    pub at: Instant,
    pub text: String,
}
