//! The blocks of a runbook's text: TOML, read into types. A key that nobody knows, or that a step of its type does not have,
//! is an error: it would be silently ignored where somebody relies on it.

use super::{
    Action, Disaster, Head, Message, Method, OperationWanted, Parameter, Prose, RoleNeeded, Rollback, Step, Target, condition::Condition,
    placeholders, text::TextError,
};
use crate::{id::RunbookName, time::Span};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};

/// Why a block cannot be read.
#[derive(Debug)]
pub(super) struct BlockError {
    /// Lines after the fence, from 1; 0 is the fence itself.
    line: usize,
    why: String,
}

impl BlockError {
    fn new(why: impl Into<String>) -> Self {
        Self { line: 0, why: why.into() }
    }
    /// In the whole text, where the block's fence is on `fence`.
    pub(super) fn at(self, fence: usize) -> TextError {
        TextError { line: fence + self.line, why: self.why }
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, BlockError> {
    toml::from_str(body).map_err(|error| {
        let line = error.span().map_or(0, |span| body.get(..span.start).map_or(0, |before| before.matches('\n').count() + 1));
        BlockError { line, why: error.message().to_owned() }
    })
}

/// Values that were read or built as these types can always be written.
fn written<T: Serialize>(value: &T) -> String {
    toml::to_string_pretty(value).unwrap_or_else(|error| format!("# {error}\n"))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadBlock {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scenario: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disaster: Option<Disaster>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rto: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    estimate: Option<Span>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "parameter")]
    parameters: Vec<Parameter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "role")]
    roles: Vec<RoleNeeded>,
}

pub(super) fn read_head(body: &str) -> Result<Head, BlockError> {
    let block: HeadBlock = read(body)?;
    let review_by = block.review_by.map(|day| {
        let parsed = chrono::NaiveDate::parse_from_str(&day, "%Y-%m-%d");
        parsed.map_err(|_| BlockError::new(format!("`review_by` is a day, for example \"2027-05-31\", and not “{day}”")))
    });
    let mut names = BTreeSet::new();
    for parameter in &block.parameters {
        if !placeholders::is_name(&parameter.name) || parameter.name.contains('.') {
            let name = &parameter.name;
            return Err(BlockError::new(format!("the parameter “{name}”: a name has lower-case letters, digits, hyphens and underscores only")));
        }
        if !names.insert(&parameter.name) {
            return Err(BlockError::new(format!("two parameters are called “{}”", parameter.name)));
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = block.roles.iter().find(|role| role.name.trim().is_empty() || !names.insert(&role.name)) {
        return Err(BlockError::new(format!("each role has a name of its own, and not “{}”", twice.name)));
    }
    Ok(Head {
        owner: block.owner,
        review_by: review_by.transpose()?,
        severity: block.severity,
        scenario: block.scenario,
        disaster: block.disaster,
        lost: block.lost,
        service: block.service,
        rto: block.rto,
        estimate: block.estimate,
        parameters: block.parameters,
        roles: block.roles,
    })
}

pub(super) fn head(head: &Head) -> String {
    let head = head.clone();
    written(&HeadBlock {
        owner: head.owner,
        review_by: head.review_by.map(|day| day.format("%Y-%m-%d").to_string()),
        severity: head.severity,
        scenario: head.scenario,
        disaster: head.disaster,
        lost: head.lost,
        service: head.service,
        rto: head.rto,
        estimate: head.estimate,
        parameters: head.parameters,
        roles: head.roles,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageBlock {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_update: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
}

pub(super) fn read_message(name: &str, text: Prose, body: &str) -> Result<Message, BlockError> {
    let MessageBlock { next_update, audience } = read(body)?;
    if text.is_empty() {
        return Err(BlockError::new(format!("the message “{name}” says nothing: its text follows the block")));
    }
    Ok(Message { name: name.to_owned(), next_update, audience, text })
}

pub(super) fn message(message: &Message) -> String {
    written(&MessageBlock { next_update: message.next_update, audience: message.audience.clone() })
}

/// Everything that any type of step has.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepBlock {
    id: String,
    r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nowhere: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    takes: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    success: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<Method>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    writes: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approvals: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runbook: Option<RunbookName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<OperationWanted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    with: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollback: Option<Rollback>,
}

const TYPES: &str = "manual, command, http, sql, wait, approval, runbook, operation";
const MOST_APPROVALS: u32 = 5;

pub(super) fn read_step(title: &str, prose: Prose, body: &str) -> Result<Step, BlockError> {
    let mut block: StepBlock = read(body)?;
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if block.id.is_empty() || block.id.len() > 40 || !block.id.chars().all(is_id) {
        return Err(BlockError::new(format!("`id` has 1 to 40 lower-case letters, digits and hyphens, and is not “{}”", block.id)));
    }
    let kind = std::mem::take(&mut block.r#type);
    let missing = |key: &str| BlockError::new(format!("a step of the type {kind} needs `{key}`"));
    let action = match kind.as_str() {
        "manual" => Action::Manual,
        "command" => Action::Command {
            command: block.command.take().ok_or_else(|| missing("command"))?,
            arguments: block.arguments.take().unwrap_or_default(),
            expect: block.expect.take(),
        },
        "http" => Action::Http {
            method: block.method.take().unwrap_or(Method::Get),
            url: block.url.take().ok_or_else(|| missing("url"))?,
            body: block.body.take(),
            status: block.status.take().unwrap_or(200),
            expect: block.expect.take(),
        },
        "sql" => Action::Sql {
            statement: block.statement.take().ok_or_else(|| missing("statement"))?,
            writes: block.writes.take().unwrap_or(false),
            expect: block.expect.take(),
        },
        "wait" => {
            let until = block.until.take().ok_or_else(|| missing("until"))?;
            Action::Wait { until: until.parse::<Condition>().map_err(BlockError::new)? }
        }
        "approval" => match block.approvals.take().unwrap_or(1) {
            approvals @ 1..=MOST_APPROVALS => Action::Approval { approvals },
            other => return Err(BlockError::new(format!("`approvals` is 1 to {MOST_APPROVALS}, and not {other}"))),
        },
        "runbook" => {
            Action::Runbook { runbook: block.runbook.take().ok_or_else(|| missing("runbook"))?, with: block.with.take().unwrap_or_default() }
        }
        "operation" => Action::Operation { operation: block.operation.take().ok_or_else(|| missing("operation"))?, to: block.to.take() },
        other => return Err(BlockError::new(format!("“{other}” is no type of step; types are {TYPES}"))),
    };
    if let Some(key) = block.left_over() {
        return Err(BlockError::new(format!("a step of the type {kind} has no `{key}`")));
    }
    let StepBlock { id, region, service, cluster, node, nowhere, role, timeout, takes, success, rollback, .. } = block;
    let timeout = timeout.ok_or_else(|| missing("timeout"))?;
    if timeout == Span::ZERO {
        return Err(BlockError::new("`timeout` is more than 0s"));
    }
    let target = Target { region, service, cluster, node, nowhere };
    Ok(Step { id, title: title.to_owned(), prose, target, role, timeout, takes, success, action, rollback })
}

impl StepBlock {
    /// A key that the type of the step has no use for.
    fn left_over(&self) -> Option<&'static str> {
        let keys = [
            ("command", self.command.is_some()),
            ("arguments", self.arguments.is_some()),
            ("method", self.method.is_some()),
            ("url", self.url.is_some()),
            ("body", self.body.is_some()),
            ("status", self.status.is_some()),
            ("statement", self.statement.is_some()),
            ("writes", self.writes.is_some()),
            ("expect", self.expect.is_some()),
            ("until", self.until.is_some()),
            ("approvals", self.approvals.is_some()),
            ("runbook", self.runbook.is_some()),
            ("with", self.with.is_some()),
            ("operation", self.operation.is_some()),
            ("to", self.to.is_some()),
        ];
        keys.into_iter().find_map(|(key, is_there)| is_there.then_some(key))
    }
}

pub(super) fn step(step: &Step) -> String {
    let Target { region, service, cluster, node, nowhere } = step.target.clone();
    let mut block = StepBlock {
        id: step.id.clone(),
        r#type: step.action.name().to_owned(),
        region,
        service,
        cluster,
        node,
        nowhere,
        role: step.role.clone(),
        timeout: Some(step.timeout),
        takes: step.takes,
        success: step.success.clone(),
        rollback: step.rollback.clone(),
        ..StepBlock::default()
    };
    match step.action.clone() {
        Action::Manual => {}
        Action::Command { command, arguments, expect } => {
            (block.command, block.expect) = (Some(command), expect);
            block.arguments = Some(arguments).filter(|arguments| !arguments.is_empty());
        }
        Action::Http { method, url, body, status, expect } => {
            (block.method, block.url, block.body, block.status, block.expect) = (Some(method), Some(url), body, Some(status), expect);
        }
        Action::Sql { statement, writes, expect } => {
            (block.statement, block.writes, block.expect) = (Some(statement), writes.then_some(true), expect);
        }
        Action::Wait { until } => block.until = Some(until.name().to_owned()),
        Action::Approval { approvals } => block.approvals = Some(approvals),
        Action::Runbook { runbook, with } => {
            block.runbook = Some(runbook);
            block.with = Some(with).filter(|with| !with.is_empty());
        }
        Action::Operation { operation, to } => (block.operation, block.to) = (Some(operation), to),
    }
    written(&block)
}
