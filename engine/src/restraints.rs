//! Restraints: what people put in the way of the product on purpose, each with who, since when, until when and why. They
//! are shown everywhere they matter, and end by themselves where an end was named.

use crate::{
    id::Scope,
    journal::{Actor, Event},
    picture::Picture,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is restrained. Written `pause`, `pause:service/api-gateway`, `master-switch`, `maintenance:region/us-east-1`,
/// `acknowledged:service/api-gateway`, `tests`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Restraint {
    /// The product decides and records, and starts and requests nothing by itself; everywhere, or on one service or cluster.
    Pause(Option<Scope>),
    /// Nobody moves anything: not the product, and people only by breaking this rule on record (row 60).
    MasterSwitch,
    /// Work is being done there: nothing is started because of it, everything is recorded (row 36).
    Maintenance(Scope),
    /// Somebody knows and looks after it: no reminders, no action, until it recovers or the time is up (row 36).
    Acknowledged(Scope),
    /// No test starts, and those that run stop (row 64).
    Tests,
}

/// A restraint in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub by: Actor,
    pub since: Instant,
    /// When it ends by itself; absent where only a person ends it.
    pub until: Option<Instant>,
    pub reason: String,
}

impl Held {
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Restraint {
    /// The longest that maintenance and an acknowledgement may last: one that is forgotten must not hide a failure for ever.
    pub const LONGEST: Span = Span::from_mins(7 * 24 * 60);

    /// Whether it must name its end.
    pub fn needs_an_end(&self) -> bool {
        matches!(self, Restraint::Maintenance(_) | Restraint::Acknowledged(_))
    }
    /// What it is about; absent where about everything.
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Restraint::Pause(scope) => scope.as_ref(),
            Restraint::Maintenance(scope) | Restraint::Acknowledged(scope) => Some(scope),
            Restraint::MasterSwitch | Restraint::Tests => None,
        }
    }
    /// What it means, as the beginning of a sentence.
    pub fn in_words(&self) -> String {
        match self {
            Restraint::Pause(None) => "automation is paused everywhere".to_owned(),
            Restraint::Pause(Some(scope)) => format!("automation is paused for {}", scope.name()),
            Restraint::MasterSwitch => "the master switch is off".to_owned(),
            Restraint::Maintenance(scope) => format!("{} is under maintenance", scope.name()),
            Restraint::Acknowledged(scope) => format!("the trouble of {} is acknowledged", scope.name()),
            Restraint::Tests => "tests are stopped".to_owned(),
        }
    }
}

impl fmt::Display for Restraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Restraint::Pause(None) => f.write_str("pause"),
            Restraint::Pause(Some(scope)) => write!(f, "pause:{scope}"),
            Restraint::MasterSwitch => f.write_str("master-switch"),
            Restraint::Maintenance(scope) => write!(f, "maintenance:{scope}"),
            Restraint::Acknowledged(scope) => write!(f, "acknowledged:{scope}"),
            Restraint::Tests => f.write_str("tests"),
        }
    }
}

impl FromStr for Restraint {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, scope) = text.split_once(':').map_or((text, None), |(kind, scope)| (kind, Some(scope)));
        let scope = scope.map(|scope| scope.parse::<Scope>().map_err(|error| error.to_string())).transpose()?;
        match (kind, scope) {
            ("pause", scope) => Ok(Restraint::Pause(scope)),
            ("master-switch", None) => Ok(Restraint::MasterSwitch),
            ("maintenance", Some(scope)) => Ok(Restraint::Maintenance(scope)),
            ("acknowledged", Some(scope)) => Ok(Restraint::Acknowledged(scope)),
            ("tests", None) => Ok(Restraint::Tests),
            _ => Err(format!("“{}” is not a restraint", text.chars().take(80).collect::<String>())),
        }
    }
}
impl TryFrom<String> for Restraint {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
impl From<Restraint> for String {
    fn from(restraint: Restraint) -> String {
        restraint.to_string()
    }
}

/// What must be recorded about restraints as of now: those whose time is up, and acknowledgements of what has recovered.
pub fn ended(picture: &Picture) -> Vec<Event> {
    let over = |(restraint, held): (&Restraint, &Held)| {
        if held.is_over(picture.now) {
            return Some(Event::RestraintEnded { what: restraint.clone(), why: "its time is up".to_owned() });
        }
        match restraint {
            Restraint::Acknowledged(scope) if picture.is_well(scope) => {
                Some(Event::RestraintEnded { what: restraint.clone(), why: format!("{} has recovered", scope.name()) })
            }
            _ => None,
        }
    };
    picture.records.restraints.iter().filter_map(over).collect()
}
