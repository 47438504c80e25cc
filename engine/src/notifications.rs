//! Notifications: who is told what outside of these pages, and when. An *incident* follows from the picture and never from
//! a text, and has a key that stays the same for as long as it lasts; a channel is told of it once, reminded until somebody
//! acknowledges it, told when it gets worse or better, and told once when it is over (row 88, trap F12).
//!
//! What the pages show and the journal keeps does not depend on any of this: whatever hushes a message hushes nothing else.

use crate::{
    findings::Severity,
    id::{ClusterId, OperationId, PolicyId, Scope, ServiceId},
    restraints::Restraint,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

mod cause;
mod deliveries;
mod due;
mod incidents;
mod retries;
mod words;
pub use deliveries::{ChannelFacts, ChannelKind, ChannelState, Delivery, Notifications, Outcome, Recorded};
pub use due::{Message, Rule, Told, due};
pub use incidents::incidents;
pub use retries::{GIVE_UP_AFTER, next_attempt};

/// What an incident is about. Written `failure/service/api-gateway`, `in-doubt/0193…`, `journal-broken`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Topic {
    /// A cluster, a service or a whole region fails.
    Failure(Scope),
    /// Nothing in any region answers: this observer is more likely cut off than right.
    NothingAnswers,
    /// An operation waits for a second person.
    Approval(OperationId),
    InDoubt(OperationId),
    /// An operation failed, and nobody has taken note of it.
    Failed(OperationId),
    SplitBrain(ClusterId),
    /// A cluster or service that a second failure would hurt.
    Exposed(Scope),
    /// Clients of a service are sent elsewhere than meant.
    Strayed(ServiceId),
    /// Clients of a cluster are sent elsewhere than to the node that takes the writes, or nowhere.
    Misrouted(ClusterId),
    /// Commits of a cluster hang, or wait for fewer standbys than is declared.
    Durability(ClusterId),
    /// Nobody can tell whether what serves clients does: silence is no health (row 33).
    Unseen(Scope),
    /// Too few observers are heard for any verdict of down, so nothing can fail over.
    TooFewObservers,
    /// Backups of a policy do not come, or cannot be restored.
    Backups(PolicyId),
    /// Two people set a safety rule aside.
    BreakGlass(OperationId),
    JournalBroken,
}

/// An incident from its beginning to its end: the next one about the same thing begins at another moment and has another key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentKey {
    pub topic: Topic,
    pub since: Instant,
}

/// Something that people outside of these pages may have to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub key: IncidentKey,
    pub severity: Severity,
    /// What is wrong, in one sentence without its full stop.
    pub title: String,
    /// What to do next, in whole sentences.
    pub next: String,
    /// The page where that is done, as a path.
    pub link: String,
    /// Why no channel is told of it by itself; absent where nothing stands against that.
    pub hush: Option<Hush>,
    /// Since when nothing has; absent while something does.
    pub clear_since: Option<Instant>,
    /// For how long nothing must have: what comes and goes with a failure that is being dealt with (an exposure, a service
    /// that needs the database) is given as long as it takes to be judged anew, before anybody is woken.
    pub grace: Span,
}

/// Why an incident is not told, or not told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "hush")]
pub enum Hush {
    /// It follows from something that is told: one alarm for the cause (row 35).
    Follows { from: String },
    /// Verdicts on what fails together come a moment apart.
    Settling,
    /// Maintenance was announced, or somebody looks after the failure (row 36).
    Restrained { what: Restraint, by: String, until: Option<Instant>, reason: String },
    /// Somebody acknowledged this very incident.
    Acknowledged { by: String, at: Instant, reason: String },
}

/// An incident that was known at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub key: IncidentKey,
    pub severity: Severity,
    pub clear_since: Option<Instant>,
}

/// What a message says about its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Opened,
    Reminder,
    /// It is worse or better than what was told last.
    Changed,
    /// Somebody looks after it: no more reminders.
    Acknowledged,
    Resolved,
    /// Somebody tries the channel out; about no incident.
    Test,
}

impl Topic {
    /// Whether it is told whatever people restrain: a broken rule, split data and a broken journal are always loud (row 61).
    pub fn is_loud(&self) -> bool {
        matches!(self, Topic::BreakGlass(_) | Topic::SplitBrain(_) | Topic::JournalBroken)
    }
}

impl Hush {
    /// Why nobody is told, as the end of a sentence.
    pub fn in_words(&self) -> String {
        match self {
            Hush::Follows { from } => format!("it follows from {from}"),
            Hush::Settling => "other probes fail too and have no verdict yet".to_owned(),
            Hush::Restrained { what, by, until, reason } => {
                let until = until.map(|until| format!(" until {}", until.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
                format!("{}{until} ({by}: {reason})", what.in_words())
            }
            Hush::Acknowledged { by, at, reason } => format!("{by} acknowledged it at {}: {reason}", at.format("%H:%M:%S UTC")),
        }
    }
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Opened, Kind::Reminder, Kind::Changed, Kind::Acknowledged, Kind::Resolved, Kind::Test];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Opened => "opened",
            Kind::Reminder => "reminder",
            Kind::Changed => "changed",
            Kind::Acknowledged => "acknowledged",
            Kind::Resolved => "resolved",
            Kind::Test => "test",
        })
    }
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Kind::ALL.into_iter().find(|kind| kind.to_string() == text).ok_or_else(|| format!("“{text}” is no kind of message"))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topic::Failure(scope) => write!(f, "failure/{scope}"),
            Topic::NothingAnswers => f.write_str("nothing-answers"),
            Topic::Approval(id) => write!(f, "approval/{id}"),
            Topic::InDoubt(id) => write!(f, "in-doubt/{id}"),
            Topic::Failed(id) => write!(f, "failed/{id}"),
            Topic::SplitBrain(id) => write!(f, "split-brain/{id}"),
            Topic::Exposed(scope) => write!(f, "exposed/{scope}"),
            Topic::Strayed(id) => write!(f, "strayed/{id}"),
            Topic::Misrouted(id) => write!(f, "misrouted/{id}"),
            Topic::Durability(id) => write!(f, "durability/{id}"),
            Topic::Unseen(scope) => write!(f, "unseen/{scope}"),
            Topic::Backups(id) => write!(f, "backups/{id}"),
            Topic::TooFewObservers => f.write_str("too-few-observers"),
            Topic::BreakGlass(id) => write!(f, "break-glass/{id}"),
            Topic::JournalBroken => f.write_str("journal-broken"),
        }
    }
}

impl FromStr for Topic {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        fn of<T: FromStr>(id: &str) -> Result<T, String>
        where
            T::Err: fmt::Display,
        {
            id.parse().map_err(|error: T::Err| error.to_string())
        }
        match text.split_once('/') {
            None if text == "nothing-answers" => Ok(Topic::NothingAnswers),
            None if text == "journal-broken" => Ok(Topic::JournalBroken),
            None if text == "too-few-observers" => Ok(Topic::TooFewObservers),
            Some(("failure", scope)) => of(scope).map(Topic::Failure),
            Some(("approval", id)) => of(id).map(Topic::Approval),
            Some(("in-doubt", id)) => of(id).map(Topic::InDoubt),
            Some(("failed", id)) => of(id).map(Topic::Failed),
            Some(("split-brain", id)) => of(id).map(Topic::SplitBrain),
            Some(("exposed", scope)) => of(scope).map(Topic::Exposed),
            Some(("strayed", id)) => of(id).map(Topic::Strayed),
            Some(("misrouted", id)) => of(id).map(Topic::Misrouted),
            Some(("durability", id)) => of(id).map(Topic::Durability),
            Some(("unseen", scope)) => of(scope).map(Topic::Unseen),
            Some(("backups", id)) => of(id).map(Topic::Backups),
            Some(("break-glass", id)) => of(id).map(Topic::BreakGlass),
            _ => Err(format!("“{}” is no incident", text.chars().take(120).collect::<String>())),
        }
    }
}
impl TryFrom<String> for Topic {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
impl From<Topic> for String {
    fn from(topic: Topic) -> String {
        topic.to_string()
    }
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.topic, self.since.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

impl FromStr for IncidentKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("“{}” is no incident", text.chars().take(120).collect::<String>());
        let (topic, since) = text.rsplit_once('@').ok_or_else(error)?;
        Ok(Self { topic: topic.parse()?, since: since.parse().map_err(|_| error())? })
    }
}
impl TryFrom<String> for IncidentKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
impl From<IncidentKey> for String {
    fn from(key: IncidentKey) -> String {
        key.to_string()
    }
}

/// Cut to the milliseconds that a key is written with, so that it reads back the same.
fn to_millis(at: Instant) -> Instant {
    Instant::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}
