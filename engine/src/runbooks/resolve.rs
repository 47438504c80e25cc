//! From a runbook and the values of its parameters to the steps of a run, with nothing left open: a run owns them, whatever
//! becomes of the runbook.

use super::{
    Action, LARGEST, MOST_STEPS, Parameter, ParameterType, Rollback, Runbook, Step, Target, messages,
    placeholders::{self, fill},
    run::{FrozenMessage, FrozenStep},
};
use crate::{
    estate::Estate,
    id::{ClusterId, NodeId, RegionId, RunbookName, ServiceId},
    time::{Instant, Span},
};
use std::collections::BTreeMap;

/// The values of a run's parameters, by their names.
pub type Values = BTreeMap<String, String>;

/// Runbooks go as deep as this into each other.
const DEEPEST: usize = 4;
const LONGEST_VALUE: usize = 500;

/// What keeps a run from beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("the parameter {name} needs a value")]
    Missing { name: String },
    #[error("the parameter {name}: {why}")]
    BadValue { name: String, why: String },
    #[error("nothing is called {name} among the parameters")]
    NoSuchParameter { name: String },
    #[error("step {step}: {{{{{name}}}}} stands for nothing")]
    Placeholder { step: String, name: String },
    #[error("the message {message}: {{{{{name}}}}} stands for nothing")]
    InMessage { message: String, name: String },
    #[error("step {step}: the {kind} {name} is not declared in the estate")]
    NotDeclared { step: String, kind: &'static str, name: String },
    #[error("step {step} includes the runbook {name}, which there is not")]
    NoSuchRunbook { step: String, name: RunbookName },
    #[error("step {step} includes {name}, and that includes itself or goes more than {DEEPEST} deep")]
    TooDeep { step: String, name: RunbookName },
    #[error("it has {steps} steps; a run has at most {MOST_STEPS}")]
    TooMany { steps: usize },
    #[error("it has no step")]
    NoSteps,
}

/// Where other runbooks are found: the version that counts now, and what it says.
pub type Library<'a> = &'a dyn Fn(&RunbookName) -> Option<(u32, Runbook)>;

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub values: Values,
    pub steps: Vec<FrozenStep>,
    pub messages: Vec<FrozenMessage>,
}

/// Fills everything in.
///
/// # Errors
/// Everything that is missing or wrong, not only the first.
pub fn resolve(runbook: &Runbook, given: &Values, library: Library<'_>, estate: &Estate) -> Result<Resolved, Vec<Unresolved>> {
    let values = values(runbook, given, estate)?;
    let mut resolving = Resolving { library, estate, steps: Vec::new(), wrong: Vec::new() };
    resolving.add(runbook, &values, None, 0);
    let Resolving { steps, mut wrong, .. } = resolving;
    match steps.len() {
        0 if wrong.is_empty() => wrong.push(Unresolved::NoSteps),
        count if count > MOST_STEPS => wrong.push(Unresolved::TooMany { steps: count }),
        _ => {}
    }
    let mut messages = Vec::new();
    for message in &runbook.messages {
        let live = |name: &str| messages::LIVE.contains(&name).then(|| format!("{{{{{name}}}}}"));
        let (text, missing) = fill(message.text.as_str(), |name| values.get(name).cloned().or_else(|| live(name)));
        wrong.extend(missing.into_iter().map(|name| Unresolved::InMessage { message: message.name.clone(), name: name.to_owned() }));
        messages.push(FrozenMessage { name: message.name.clone(), next_update: message.next_update, audience: message.audience.clone(), text });
    }
    if wrong.is_empty() { Ok(Resolved { values, steps, messages }) } else { Err(wrong) }
}

/// The values of all parameters, each of its type.
fn values(runbook: &Runbook, given: &Values, estate: &Estate) -> Result<Values, Vec<Unresolved>> {
    let mut wrong: Vec<Unresolved> =
        given.keys().filter(|name| runbook.parameter(name).is_none()).map(|name| Unresolved::NoSuchParameter { name: name.clone() }).collect();
    let mut values = Values::new();
    for parameter in &runbook.head.parameters {
        let Parameter { name, kind, .. } = parameter;
        let value = given.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).or(parameter.default.as_deref());
        match value {
            None => wrong.push(Unresolved::Missing { name: name.clone() }),
            Some(value) => match check(*kind, value, estate) {
                Ok(value) => {
                    values.insert(name.clone(), value);
                }
                Err(why) => wrong.push(Unresolved::BadValue { name: name.clone(), why }),
            },
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

/// The value as it is written from then on.
///
/// # Errors
/// Why it is none of that type.
pub fn check(kind: ParameterType, value: &str, estate: &Estate) -> Result<String, String> {
    let shown = || value.chars().take(40).collect::<String>();
    let declared = |is: bool| if is { Ok(value.to_owned()) } else { Err(format!("the {kind} “{}” is not declared in the estate", shown())) };
    match kind {
        ParameterType::Text if value.chars().count() > LONGEST_VALUE => Err(format!("it is longer than {LONGEST_VALUE} characters")),
        ParameterType::Text if value.chars().any(char::is_control) => Err("it must be one line".to_owned()),
        ParameterType::Text => Ok(value.to_owned()),
        ParameterType::Number => value.parse::<i64>().map(|number| number.to_string()).map_err(|_| format!("“{}” is no whole number", shown())),
        ParameterType::Duration => value.parse::<Span>().map(|span| span.to_string()).map_err(|error| error.to_string()),
        ParameterType::Instant => {
            let bare = || ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"].into_iter();
            let parsed = value.parse::<Instant>().ok();
            let parsed =
                parsed.or_else(|| bare().find_map(|form| chrono::NaiveDateTime::parse_from_str(value, form).ok()).map(|bare| bare.and_utc()));
            let parsed = parsed.ok_or_else(|| format!("“{}” is no moment; write 2026-11-23T14:05:00Z", shown()))?;
            Ok(parsed.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        ParameterType::Region => declared(value.parse::<RegionId>().is_ok_and(|id| estate.region(&id).is_some())),
        ParameterType::Service => declared(value.parse::<ServiceId>().is_ok_and(|id| estate.service(&id).is_some())),
        ParameterType::Cluster => declared(value.parse::<ClusterId>().is_ok_and(|id| estate.cluster(&id).is_some())),
        ParameterType::Node => declared(value.parse::<NodeId>().is_ok_and(|id| estate.clusters.iter().any(|cluster| cluster.node(&id).is_some()))),
    }
}

struct Resolving<'a> {
    library: Library<'a>,
    estate: &'a Estate,
    steps: Vec<FrozenStep>,
    wrong: Vec<Unresolved>,
}

impl Resolving<'_> {
    fn add(&mut self, runbook: &Runbook, values: &Values, of: Option<(String, RunbookName, u32)>, depth: usize) {
        for step in &runbook.steps {
            let id = of.as_ref().map_or_else(|| step.id.clone(), |(outer, ..)| format!("{outer}.{}", step.id));
            match &step.action {
                Action::Runbook { runbook: name, with } => self.include(&id, name, with, values, depth),
                _ => {
                    let frozen = self.freeze(&id, step, values);
                    self.steps.push(FrozenStep { of: of.as_ref().map(|(_, name, version)| (name.clone(), *version)), ..frozen });
                }
            }
        }
    }

    fn include(&mut self, id: &str, name: &RunbookName, with: &BTreeMap<String, String>, values: &Values, depth: usize) {
        if depth + 1 >= DEEPEST || self.steps.len() > MOST_STEPS {
            return self.wrong.push(Unresolved::TooDeep { step: id.to_owned(), name: name.clone() });
        }
        let Some((version, inner)) = (self.library)(name) else {
            return self.wrong.push(Unresolved::NoSuchRunbook { step: id.to_owned(), name: name.clone() });
        };
        let given: Values = with.iter().map(|(name, value)| (name.clone(), self.filled(id, value, values))).collect();
        match self::values(&inner, &given, self.estate) {
            Ok(values) => self.add(&inner, &values, Some((id.to_owned(), name.clone(), version)), depth + 1),
            Err(wrong) => self.wrong.extend(wrong),
        }
    }

    fn filled(&mut self, step: &str, text: &str, values: &Values) -> String {
        let (filled, missing) = fill(text, |name| values.get(name).cloned());
        self.wrong.extend(missing.into_iter().map(|name| Unresolved::Placeholder { step: step.to_owned(), name: name.to_owned() }));
        filled
    }

    fn freeze(&mut self, id: &str, step: &Step, values: &Values) -> FrozenStep {
        let mut fill = |text: &str| self.filled(id, text, values);
        let mut bound = Vec::new();
        let target = Target {
            region: step.target.region.as_deref().map(&mut fill),
            service: step.target.service.as_deref().map(&mut fill),
            cluster: step.target.cluster.as_deref().map(&mut fill),
            node: step.target.node.as_deref().map(&mut fill),
            nowhere: step.target.nowhere.as_deref().map(&mut fill),
        };
        let action = match &step.action {
            Action::Manual => Action::Manual,
            Action::Command { command, arguments, expect } => Action::Command {
                command: command.clone(),
                arguments: arguments.iter().map(|argument| fill(argument)).collect(),
                expect: expect.as_deref().map(&mut fill),
            },
            Action::Http { method, url, body, status, expect } => {
                let (url, missing) = placeholders::fill(url, |name| values.get(name).map(|value| in_a_url(value)));
                let (body, missing_too) = match body {
                    Some(body) => {
                        let (body, missing) = placeholders::fill(body, |name| values.get(name).map(|value| in_json(value)));
                        (Some(body), missing)
                    }
                    None => (None, Vec::new()),
                };
                // Said by the same words as every other one.
                missing.into_iter().chain(missing_too).for_each(|name| drop(fill(&format!("{{{{{name}}}}}"))));
                Action::Http { method: *method, url, body, status: *status, expect: expect.as_deref().map(&mut fill) }
            }
            Action::Sql { statement, writes, expect } => {
                let (statement, missing) = placeholders::fill(statement, |name| {
                    let value = values.get(name)?;
                    bound.push(value.clone());
                    Some(format!("${}", bound.len()))
                });
                missing.into_iter().for_each(|name| drop(fill(&format!("{{{{{name}}}}}"))));
                Action::Sql { statement, writes: *writes, expect: expect.as_deref().map(&mut fill) }
            }
            Action::Wait { until } => Action::Wait { until: *until },
            Action::Approval { approvals } => Action::Approval { approvals: *approvals },
            Action::Operation { operation, to } => Action::Operation { operation: *operation, to: to.as_deref().map(&mut fill) },
            // Its steps stand in its place.
            Action::Runbook { runbook, with } => Action::Runbook { runbook: runbook.clone(), with: with.clone() },
        };
        let rollback = step.rollback.as_ref().map(|rollback| match rollback {
            Rollback::Command { name, arguments } => {
                Rollback::Command { name: name.clone(), arguments: arguments.iter().map(|argument| fill(argument)).collect() }
            }
            Rollback::Manual(text) => Rollback::Manual(fill(text)),
            Rollback::None(why) => Rollback::None(fill(why)),
        });
        let frozen = FrozenStep {
            id: id.to_owned(),
            of: None,
            title: fill(&step.title),
            prose: fill(step.prose.as_str()).chars().take(LARGEST).collect(),
            role: step.role.clone(),
            timeout: step.timeout,
            takes: step.takes,
            success: step.success.as_deref().map(&mut fill),
            target,
            action,
            values: bound,
            rollback,
        };
        self.is_declared(&frozen);
        frozen
    }

    /// A step that acts on a place must name one that there is.
    fn is_declared(&mut self, step: &FrozenStep) {
        for (kind, value) in step.target.parts() {
            let of = match kind {
                "region" => ParameterType::Region,
                "service" => ParameterType::Service,
                "cluster" => ParameterType::Cluster,
                _ => ParameterType::Node,
            };
            // What is left open was said already.
            if placeholders::names(value).is_empty() && check(of, value, self.estate).is_err() {
                self.wrong.push(Unresolved::NotDeclared { step: step.id.clone(), kind, name: value.to_owned() });
            }
        }
    }
}

/// A value as a part of an address: whatever is not plain is encoded, so that it stays one part.
fn in_a_url(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A value inside of a string of JSON.
fn in_json(value: &str) -> String {
    let quoted = serde_json::Value::String(value.to_owned()).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}
