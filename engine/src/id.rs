//! Identifiers as types, so that a node can never be passed where a service is meant. All are parsed once, at the edge, and
//! shared from there on: a picture of ten thousand services names each of them many times.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id may not be empty")]
    Empty,
    #[error("“{0}” is longer than 63 characters")]
    TooLong(String),
    #[error("“{0}” may hold only lower-case letters, digits and hyphens, and must start and end with a letter or digit")]
    BadCharacter(String),
    #[error("“{0}” is not cluster/…, service/… or region/…")]
    NotAScope(String),
    #[error("“{0}” is not an id of an operation or a backup (a UUID)")]
    NotUuid(String),
}

fn parse_slug(text: &str) -> Result<String, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > 63 {
        return Err(IdError::TooLong(text.chars().take(80).collect()));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = text.chars().all(|c| plain(c) || c == '-') && text.starts_with(plain) && text.ends_with(plain);
    if fits { Ok(text.to_owned()) } else { Err(IdError::BadCharacter(text.to_owned())) }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_slug(text).map(|text| Self(text.into()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

slug!(/** A service of the platform. The same id is used by objectives, clusters, operations and findings. */ ServiceId);
slug!(/** A region of the platform, for example `us-east-1`. */ RegionId);
slug!(/** A database cluster. */ ClusterId);
slug!(/** One database server of a cluster. */ NodeId);
slug!(/** A declared recovery strategy. */ StrategyId);
slug!(/** A declared hook: programs that run before and after operations. */ HookId);
slug!(/** A program of the server's configuration that turns a node off. */ FenceId);
slug!(/** A declared monitoring that is told of operations. */ MonitoringId);
slug!(/** The name a person signs in with. */ AccountName);
slug!(/** A declared PgBouncer. */ PoolerId);
slug!(/** Something that is backed up regularly. */ PolicyId);
slug!(/** A place that keeps copies of backups. */ DestinationId);
slug!(/** A declared DR test. */ ScenarioId);
slug!(/** A command of the server's configuration that breaks something for a test. */ FaultId);
slug!(/** A place that probes and reports what it sees. */ ObserverId);
slug!(/** A runbook. */ RunbookName);

impl ObserverId {
    /// The server, which probes everything itself. No declared observer may have this name.
    pub fn server() -> Self {
        Self("server".into())
    }
}
slug!(/** A configured way to tell people outside of the pages. */ ChannelName);

impl AccountName {
    /// Stands where no person is recorded. No account can have this name: names are checked on the way in, and this one
    /// is reserved by `decide`.
    pub fn nobody() -> Self {
        Self("nobody".into())
    }
}

impl AccountName {
    /// The product itself, where a person's name would stand. Reserved like `nobody`.
    pub fn lifeboat() -> Self {
        Self("lifeboat".into())
    }
    /// Whether no person may have this name.
    pub fn is_reserved(&self) -> bool {
        *self == Self::nobody() || *self == Self::lifeboat()
    }
}

/// What an operation, a decision or a restraint is about. Written `cluster/user-database`, `service/api-gateway`,
/// `region/us-east-1`, `backup/user-database-daily`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    Cluster(ClusterId),
    Service(ServiceId),
    Region(RegionId),
    /// The backups of a policy, which are restored.
    Backup(PolicyId),
}

impl Scope {
    /// The id alone, for sentences.
    pub fn name(&self) -> &str {
        match self {
            Scope::Cluster(id) => id.as_str(),
            Scope::Service(id) => id.as_str(),
            Scope::Region(id) => id.as_str(),
            Scope::Backup(id) => id.as_str(),
        }
    }
    pub fn service(&self) -> Option<&ServiceId> {
        match self {
            Scope::Service(id) => Some(id),
            Scope::Cluster(_) | Scope::Region(_) | Scope::Backup(_) => None,
        }
    }
    pub fn cluster(&self) -> Option<&ClusterId> {
        match self {
            Scope::Cluster(id) => Some(id),
            Scope::Service(_) | Scope::Region(_) | Scope::Backup(_) => None,
        }
    }
    pub fn region(&self) -> Option<&RegionId> {
        match self {
            Scope::Region(id) => Some(id),
            Scope::Service(_) | Scope::Cluster(_) | Scope::Backup(_) => None,
        }
    }
}
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Cluster(id) => write!(f, "cluster/{id}"),
            Scope::Service(id) => write!(f, "service/{id}"),
            Scope::Region(id) => write!(f, "region/{id}"),
            Scope::Backup(id) => write!(f, "backup/{id}"),
        }
    }
}
impl FromStr for Scope {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some(("cluster", id)) => id.parse().map(Scope::Cluster),
            Some(("service", id)) => id.parse().map(Scope::Service),
            Some(("region", id)) => id.parse().map(Scope::Region),
            Some(("backup", id)) => id.parse().map(Scope::Backup),
            _ => Err(IdError::NotAScope(text.chars().take(80).collect())),
        }
    }
}
impl TryFrom<String> for Scope {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}
impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.to_string()
    }
}

/// One operation: a UUID version 7, so that ids sort by the time of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub uuid::Uuid);

impl OperationId {
    /// The last eight hexadecimal digits, enough to tell operations apart in a sentence.
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text[24..].to_owned()
    }
}
impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for OperationId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self).map_err(|_| IdError::NotUuid(text.chars().take(80).collect()))
    }
}

/// One backup: a UUID version 7, so that ids sort by the beginning of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackupId(pub uuid::Uuid);

impl BackupId {
    /// The last eight hexadecimal digits, enough to tell backups apart in a sentence.
    pub fn short(&self) -> String {
        OperationId(self.0).short()
    }
}
impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for BackupId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<OperationId>().map(|id| Self(id.0))
    }
}

/// One run of a runbook: a UUID version 7, so that ids sort by the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub uuid::Uuid);

impl RunId {
    /// The last eight hexadecimal digits, enough to tell runs apart in a sentence.
    pub fn short(&self) -> String {
        OperationId(self.0).short()
    }
}
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for RunId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<OperationId>().map(|id| Self(id.0))
    }
}

/// One run of a DR test: a UUID version 7, so that ids sort by the start and two of one second differ (trap T9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TestRunId(pub uuid::Uuid);

impl TestRunId {
    /// The last eight hexadecimal digits, enough to tell runs apart in a sentence.
    pub fn short(&self) -> String {
        OperationId(self.0).short()
    }
}
impl fmt::Display for TestRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for TestRunId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<OperationId>().map(|id| Self(id.0))
    }
}

/// One attempt to prove a backup: a UUID version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProofId(pub uuid::Uuid);

impl fmt::Display for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One message on its way to one channel: a UUID version 7, also the key by which a receiver knows one it has had already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub uuid::Uuid);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_slug() {
        for good in ["a", "us-east-1", "pg-primary-east"] {
            assert_eq!(good.parse::<NodeId>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "A", "a b", "a;drop", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?} must be refused");
        }
    }
}
