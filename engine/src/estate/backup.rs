//! What is backed up, how, when, and where the copies go. A destination is named here and described in the server's
//! configuration, so that editing the estate cannot send data elsewhere.

use crate::{
    backups::{BackupType, ProofLevel},
    id::{ClusterId, DestinationId, PolicyId, RegionId, ServiceId},
    time::Span,
};
use serde::{Deserialize, Serialize};

/// A place that keeps copies of backups: a folder or a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    pub id: DestinationId,
    /// A copy is lost with the region that it lies in.
    pub region: RegionId,
    /// Whether it keeps what it was given from being changed or deleted, and for how long is its own affair. Declared, since a
    /// folder or a bucket does not say so by itself; absent is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
    /// Whether it encrypts what it keeps. Declared too; absent is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
}

/// One thing that is backed up regularly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupPolicy {
    pub id: PolicyId,
    /// The service whose data it protects: objectives come from there.
    pub service: ServiceId,
    #[serde(rename = "type")]
    pub kind: BackupType,
    pub source: BackupSource,
    /// A cron expression of five fields: minute, hour, day of month, month, day of week.
    pub schedule: String,
    /// The time zone of the schedule, by its IANA name.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub time_zone: String,
    /// How much later than scheduled a success may come before it is late.
    #[serde(default = "BackupPolicy::default_grace")]
    pub grace: Span,
    /// How long a backup is kept, at least.
    pub retention: Span,
    /// So many of the newest good ones are kept, however old they are.
    #[serde(default = "BackupPolicy::default_at_least")]
    pub at_least: u32,
    /// Where copies are kept; the first one is written first.
    pub destinations: Vec<DestinationId>,
    /// The policy whose backups these build on: what is incremental, differential or continuous is worth nothing without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<PolicyId>,
    /// How its backups are proven; absent: nobody restores them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// A backup that is so many percent smaller than the median of the last ones is suspicious.
    #[serde(default = "BackupPolicy::default_shrink_limit")]
    pub shrink_limit: u8,
    /// A job that takes more than so many percent of the median of the last ones is suspicious.
    #[serde(default = "BackupPolicy::default_slow_limit")]
    pub slow_limit: u16,
    /// A job that runs longer is ended.
    #[serde(default = "BackupPolicy::default_timeout")]
    pub timeout: Span,
}

/// What is read, and with which tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", deny_unknown_fields)]
pub enum BackupSource {
    /// The whole cluster with `pg_basebackup`, from the node that takes the writes.
    PgBasebackup { cluster: ClusterId },
    /// One database of the cluster with `pg_dump`, from the node that takes the writes.
    PgDump { cluster: ClusterId, database: String },
    /// The write-ahead log of the cluster with `pg_receivewal`, up to the moment of the fire, from the node that takes the writes.
    PgReceivewal { cluster: ClusterId },
    /// A whole PostgreSQL cluster with pgBackRest, into the repositories that the configuration names for the destinations.
    Pgbackrest { cluster: ClusterId, stanza: String },
    /// Files of this server's machine with restic, into the repositories that the configuration names for the destinations. Which
    /// files: `[backup_source.NAME]` in the configuration, as for all that have a `name`.
    Restic { name: String },
    /// All keys of a Redis, as its RDB file.
    Redis { name: String },
    /// All keys of an etcd, as its snapshot.
    Etcd { name: String },
    /// One collection of a Qdrant, or all of its storage, as its snapshot.
    Qdrant {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        collection: Option<String>,
    },
    /// Whatever a command of the configuration puts into a folder.
    Command { name: String },
    /// Backups that others make with a tool that lists them: the list is read every minute, and nothing else is done.
    Observed { name: String, format: ListingFormat },
    /// Somebody else's job, which says by itself how it goes (`POST /api/v1/backups/POLICY/…`).
    Reported,
}

/// The lists of backups that can be read, by the tools that print them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListingFormat {
    /// `pgbackrest info --output=json`
    Pgbackrest,
    /// `restic snapshots --json`
    Restic,
    /// `barman --format json list-backups SERVER`
    Barman,
    /// `wal-g backup-list --detail --json`
    WalG,
}

impl ListingFormat {
    /// The name of the tool, for people.
    pub fn tool(self) -> &'static str {
        match self {
            ListingFormat::Pgbackrest => "pgBackRest",
            ListingFormat::Restic => "restic",
            ListingFormat::Barman => "Barman",
            ListingFormat::WalG => "WAL-G",
        }
    }
}

impl BackupSource {
    /// The cluster that is read, where it is one.
    pub fn cluster(&self) -> Option<&ClusterId> {
        match self {
            BackupSource::PgBasebackup { cluster }
            | BackupSource::PgReceivewal { cluster }
            | BackupSource::PgDump { cluster, .. }
            | BackupSource::Pgbackrest { cluster, .. } => Some(cluster),
            _ => None,
        }
    }
    /// Whether Lifeboat itself makes these backups.
    pub fn is_made_here(&self) -> bool {
        !matches!(self, BackupSource::Observed { .. } | BackupSource::Reported)
    }
    /// Whether the tool keeps its backups in repositories of its own.
    pub fn keeps_itself(&self) -> bool {
        matches!(self, BackupSource::Pgbackrest { .. } | BackupSource::Restic { .. })
    }
    /// The highest rung of the proof ladder that there is for this source; absent where Lifeboat has nothing to prove.
    pub fn highest_rung(&self) -> Option<ProofLevel> {
        match self {
            BackupSource::PgBasebackup { .. } | BackupSource::PgDump { .. } | BackupSource::PgReceivewal { .. } | BackupSource::Pgbackrest { .. } => {
                Some(ProofLevel::Answers)
            }
            // Nothing can be asked of these in SQL.
            BackupSource::Restic { .. } | BackupSource::Redis { .. } | BackupSource::Etcd { .. } | BackupSource::Command { .. } => {
                Some(ProofLevel::Boots)
            }
            // There is no tool that reads a snapshot without a Qdrant.
            BackupSource::Qdrant { .. } => Some(ProofLevel::Checksum),
            BackupSource::Observed { .. } | BackupSource::Reported => None,
        }
    }
    /// The name of the tool, for people.
    pub fn tool(&self) -> &'static str {
        match self {
            BackupSource::PgBasebackup { .. } => "pg_basebackup",
            BackupSource::PgDump { .. } => "pg_dump",
            BackupSource::PgReceivewal { .. } => "pg_receivewal",
            BackupSource::Pgbackrest { .. } => "pgBackRest",
            BackupSource::Restic { .. } => "restic",
            BackupSource::Redis { .. } => "redis-cli",
            BackupSource::Etcd { .. } => "etcdctl",
            BackupSource::Qdrant { .. } => "Qdrant",
            BackupSource::Command { .. } => "a command",
            BackupSource::Observed { format, .. } => format.tool(),
            BackupSource::Reported => "a job of its own",
        }
    }
}

/// How backups of a policy are proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// How far each proof climbs.
    pub level: ProofLevel,
    /// The newest backup is proven when the last proof is so old.
    pub every: Span,
    /// A proof counts for so long; then it is expired, and the promise is unproven.
    #[serde(default = "Verification::default_valid_for")]
    pub valid_for: Span,
    /// Tables whose rows are counted in the source and in what is restored, `schema.table`, for the level `answers`. Lifeboat's role needs SELECT.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub count: Vec<String>,
    /// Questions to the restored data, for the level `answers`.
    #[serde(default, rename = "assertion", skip_serializing_if = "Vec::is_empty")]
    pub assertions: Vec<Assertion>,
}

/// A statement that returns one boolean; true is what is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    pub name: String,
    pub sql: String,
}

impl BackupPolicy {
    fn default_grace() -> Span {
        Span::from_mins(60)
    }
    fn default_at_least() -> u32 {
        2
    }
    fn default_shrink_limit() -> u8 {
        50
    }
    fn default_slow_limit() -> u16 {
        300
    }
    fn default_timeout() -> Span {
        Span::from_mins(360)
    }
}

impl Verification {
    fn default_valid_for() -> Span {
        Span::from_mins(30 * 24 * 60)
    }
}

fn utc() -> String {
    "UTC".to_owned()
}
fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}
