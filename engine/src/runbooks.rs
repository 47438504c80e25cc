//! Runbooks: what people do, in order, when a disaster is worked on. A runbook is Markdown whose steps have types, a place
//! that they act on, a time-out, a test of success and a way back; so it can be checked before it is needed, and run.
//!
//! The text is the truth: versions keep it byte for byte. What is here is what it says (`text` reads and writes it), what is
//! wrong with it (`lint`), what became of it (`ledger`), and what happens when somebody works by it (`run`).

use crate::{id::RunbookName, time::Span};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

#[cfg(feature = "toml")]
mod blocks;
pub mod condition;
#[cfg(feature = "toml")]
pub mod defaults;
pub mod ledger;
pub mod lint;
pub mod messages;
pub mod placeholders;
pub mod resolve;
pub mod run;
pub mod sights;
#[cfg(feature = "toml")]
pub mod text;

/// The largest text of a runbook, in bytes: a form with it must pass through the server's limit on requests.
pub const LARGEST: usize = 32 * 1024;
/// Steps of a runbook, and of a run with all the runbooks that it includes.
pub const MOST_STEPS: usize = 100;

/// What a runbook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runbook {
    pub title: String,
    pub head: Head,
    /// Markdown before the steps.
    pub introduction: Prose,
    pub steps: Vec<Step>,
    /// Markdown after the steps: what is done once the platform works again.
    pub afterwards: Prose,
    pub messages: Vec<Message>,
}

/// What is known of a runbook as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Who keeps it up to date.
    pub owner: Option<String>,
    /// The day by which somebody must have read it again.
    pub review_by: Option<chrono::NaiveDate>,
    pub severity: Option<String>,
    /// When it is to be used.
    pub scenario: Option<String>,
    pub disaster: Option<Disaster>,
    /// The region that is presumed lost: what depends on it says nothing.
    pub lost: Option<String>,
    /// The service whose objective the work must keep.
    pub service: Option<String>,
    /// What the work must be over within. After a corruption no failover helps, so it is measured against the tolerable
    /// disruption (MTPD) there.
    pub rto: Option<Span>,
    /// How long its owner says it takes.
    pub estimate: Option<Span>,
    pub parameters: Vec<Parameter>,
    pub roles: Vec<RoleNeeded>,
}

/// What kind of disaster a runbook is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disaster {
    RegionLoss,
    DatabaseLoss,
    DataCorruption,
    ServiceLoss,
    ProviderLoss,
    Security,
}

impl fmt::Display for Disaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disaster::RegionLoss => "loss of a region",
            Disaster::DatabaseLoss => "loss of a database",
            Disaster::DataCorruption => "corruption of data",
            Disaster::ServiceLoss => "loss of a service",
            Disaster::ProviderLoss => "loss of a provider",
            Disaster::Security => "a security incident",
        })
    }
}

/// Something that is filled in when a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it is, for whoever fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// What a parameter may be. Secrets are none: they would stand in the journal. A command gets them from the server's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterType {
    /// One line.
    Text,
    /// A whole number.
    Number,
    Duration,
    /// A moment in UTC, `2026-11-23T14:05:00Z`.
    Instant,
    /// Of the estate, as the next four.
    Region,
    Service,
    Cluster,
    Node,
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParameterType::Text => "text",
            ParameterType::Number => "number",
            ParameterType::Duration => "duration",
            ParameterType::Instant => "instant",
            ParameterType::Region => "region",
            ParameterType::Service => "service",
            ParameterType::Cluster => "cluster",
            ParameterType::Node => "node",
        })
    }
}

/// Somebody who must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleNeeded {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Unique in the runbook: letters, digits and hyphens.
    pub id: String,
    pub title: String,
    /// Markdown for whoever does it, or watches it being done.
    pub prose: Prose,
    pub target: Target,
    pub role: Option<String>,
    /// Whoever needs longer must say so: a command is ended, a person's step is marked.
    pub timeout: Span,
    /// How long it takes as a rule.
    pub takes: Option<Span>,
    /// By what it is seen that it is done.
    pub success: Option<String>,
    pub action: Action,
    pub rollback: Option<Rollback>,
}

impl Step {
    /// What the step adds to the estimate.
    pub fn usual(&self) -> Span {
        self.takes.unwrap_or(self.timeout)
    }
}

/// What a step acts on; each is the name of something in the estate, or a placeholder. A command is never left to whatever
/// its shell points at (trap R9).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Target {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// It acts on nothing in particular, and says why that is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nowhere: Option<String>,
}

impl Target {
    pub fn is_named(&self) -> bool {
        self.region.is_some() || self.service.is_some() || self.cluster.is_some() || self.node.is_some() || self.nowhere.is_some()
    }
    /// Its parts with their kinds, the widest first.
    pub fn parts(&self) -> Vec<(&'static str, &str)> {
        let parts = [("region", &self.region), ("service", &self.service), ("cluster", &self.cluster), ("node", &self.node)];
        parts.into_iter().filter_map(|(kind, value)| Some((kind, value.as_deref()?))).collect()
    }
    pub fn in_words(&self) -> String {
        let parts: Vec<String> = self.parts().into_iter().map(|(kind, value)| format!("{kind} {value}")).collect();
        match &self.nowhere {
            Some(why) if parts.is_empty() => format!("nowhere in particular: {why}"),
            _ => parts.join(", "),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Action {
    /// A person does it and says so.
    Manual,
    /// A program of the server's configuration, `[runbook_command.NAME]`, with these arguments after its own.
    Command {
        command: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arguments: Vec<String>,
        /// What the output must hold, besides exit code 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<String>,
    },
    /// A request to an origin of the server's configuration, `[runbook_origin.NAME]`.
    Http {
        method: Method,
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// The status that it must answer with: an error page is no success (trap R15).
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<String>,
    },
    /// One statement on a node of the target's cluster, read-only unless it says that it writes. Placeholders are bound as
    /// values, never written into the statement.
    Sql {
        statement: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        writes: bool,
        /// What the first column of the first row must be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<String>,
    },
    /// Until something is so, by what Lifeboat sees; never for a length of time (trap R8).
    Wait { until: condition::Condition },
    /// So many people agree that did not begin the step.
    Approval { approvals: u32 },
    /// The steps of another runbook, in this place.
    Runbook {
        runbook: RunbookName,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        with: BTreeMap<String, String>,
    },
    /// A plan of the product, requested and approved as ever.
    Operation {
        operation: OperationWanted,
        /// A node or a region, where it matters which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Action::Manual => "manual",
            Action::Command { .. } => "command",
            Action::Http { .. } => "http",
            Action::Sql { .. } => "sql",
            Action::Wait { .. } => "wait",
            Action::Approval { .. } => "approval",
            Action::Runbook { .. } => "runbook",
            Action::Operation { .. } => "operation",
        }
    }
    /// Whether the server carries it out.
    pub fn is_by_machine(&self) -> bool {
        matches!(self, Action::Command { .. } | Action::Http { .. } | Action::Sql { .. } | Action::Wait { .. })
    }
    /// Whether it may be done again without harm when nobody knows how far it came.
    pub fn only_looks(&self) -> bool {
        matches!(self, Action::Http { method: Method::Get | Method::Head, .. } | Action::Sql { writes: false, .. } | Action::Wait { .. })
    }
    /// Whether it changes something, as far as its type says.
    pub fn changes(&self) -> bool {
        matches!(self, Action::Command { .. } | Action::Sql { writes: true, .. })
            || matches!(self, Action::Http { method, .. } if !matches!(method, Method::Get | Method::Head))
    }
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        })
    }
}

/// Which plan of the product a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationWanted {
    /// Of the target's cluster.
    Switchover,
    Failover,
    /// Of the target's service.
    RegionFailover,
    Failback,
    /// Of the target's region.
    Evacuation,
}

impl OperationWanted {
    /// What of the target it is about.
    pub fn needs(self) -> &'static str {
        match self {
            OperationWanted::Switchover | OperationWanted::Failover => "cluster",
            OperationWanted::RegionFailover | OperationWanted::Failback => "service",
            OperationWanted::Evacuation => "region",
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            OperationWanted::Switchover => "switchover",
            OperationWanted::Failover => "failover",
            OperationWanted::RegionFailover => "region-failover",
            OperationWanted::Failback => "failback",
            OperationWanted::Evacuation => "evacuation",
        }
    }
}

/// The way back from a step: something that can be done, or that there is none, and why (trap R21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rollback {
    /// A program of the server's configuration.
    Command {
        name: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arguments: Vec<String>,
    },
    /// What a person does.
    Manual(String),
    /// There is none, and why.
    None(String),
}

/// What others are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub name: String,
    /// How long after it the next one is promised.
    pub next_update: Option<Span>,
    /// For whom it is.
    pub audience: Option<String>,
    pub text: Prose,
}

/// Markdown that holds nothing of the structure around it. Its first and last lines are not blank.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prose(String);

impl Prose {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The text of several lines, without blank ones around it.
    #[cfg(feature = "toml")]
    pub(crate) fn of_lines(lines: &[&str]) -> Self {
        let is_blank = |line: &&str| line.trim().is_empty();
        let first = lines.iter().position(|line| !is_blank(line)).unwrap_or(lines.len());
        let last = lines.iter().rposition(|line| !is_blank(line)).map_or(first, |last| last + 1);
        Self(lines[first..last].join("\n"))
    }
}

impl Runbook {
    /// How long it takes as a rule: one step after the other.
    pub fn usual(&self) -> Span {
        self.steps.iter().fold(Span::ZERO, |sum, step| sum.saturating_add(step.usual()))
    }
    /// How long it takes where every step takes as long as it may.
    pub fn longest(&self) -> Span {
        self.steps.iter().fold(Span::ZERO, |sum, step| sum.saturating_add(step.timeout))
    }
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.head.parameters.iter().find(|parameter| parameter.name == name)
    }
    /// What lists and findings need of it, without its text.
    pub fn summary(&self) -> ledger::Summary {
        ledger::Summary {
            title: self.title.clone(),
            owner: self.head.owner.clone(),
            review_by: self.head.review_by,
            disaster: self.head.disaster,
            service: self.head.service.clone(),
            rto: self.head.rto,
            usual: self.usual(),
            longest: self.longest(),
            steps: u32::try_from(self.steps.len()).unwrap_or(u32::MAX),
        }
    }
}
