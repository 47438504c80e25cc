//! What is read of a node at a calmer pace than its probes: what fills a disk, breaks a standby or fails a promotion long
//! before a probe fails. Each part is known, or says why it is not; none of it decides whether the node is up.

use super::{ClusterView, Lsn, NodeView, major};
use crate::{
    estate::Detection,
    id::NodeId,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// A part that is known, or why it is not.
pub type Detail<T> = Result<T, String>;

/// Everything of a node beside its readings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// What its PostgreSQL last said, however old.
    pub catalog: Option<CatalogReading>,
    /// Why the newest attempt to ask it failed as a whole; absent where it did not. What was read shortly before still counts.
    pub unread: Option<String>,
    /// What the agent on its host last found in its folders, however old.
    pub files: Option<FilesReading>,
    /// What its host last said of the lease under which it takes writes: whether it keeps one, or why it does not; false for a node
    /// that takes none. Absent where it was never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Detail<bool>>,
    /// For how long, at its last reading, the primary had at most held WAL that this node had not replayed.
    pub behind: Option<Span>,
}

/// What PostgreSQL says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogReading {
    pub at: Instant,
    pub slots: Detail<Vec<Slot>>,
    pub archive: Detail<Archive>,
    /// What Lifeboat's own role lacks.
    pub rights: Detail<Vec<MissingRight>>,
    /// What the role lacks that standbys stream and are rewound as.
    pub streaming_rights: Detail<Vec<MissingRight>>,
}

impl CatalogReading {
    /// All rights that are known to be missing.
    pub fn missing_rights(&self) -> impl Iterator<Item = &MissingRight> {
        [&self.rights, &self.streaming_rights].into_iter().flatten().flatten()
    }
}

/// One row of `pg_replication_slots`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub name: String,
    pub logical: bool,
    /// Ends with the session that made it.
    pub temporary: bool,
    pub active: bool,
    /// WAL kept for it, in bytes; absent while it keeps none, or once its WAL is lost.
    pub kept: Option<u64>,
    /// `wal_status`; not told before PostgreSQL 13, nor of a slot that never kept any.
    pub wal: Option<SlotWal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotWal {
    Reserved,
    /// More than `max_wal_size` is kept for it.
    Extended,
    /// More than `max_slot_wal_keep_size`: the next checkpoint takes it away.
    Unreserved,
    /// Some of it is gone: what streams from the slot cannot go on.
    Lost,
}

impl Slot {
    /// The name of the slot that `node` streams from: slot names allow no hyphens.
    pub fn name_for(node: &NodeId) -> String {
        node.as_str().replace('-', "_")
    }
    /// Nobody uses it, and it keeps so much that it will fill the disk.
    pub fn is_hoarding(&self) -> bool {
        const MUCH: u64 = 1 << 30;
        !self.active && self.kept.is_some_and(|kept| kept >= MUCH)
    }
}

/// Whether WAL is archived, by `archive_mode` and `pg_stat_archiver`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "archive")]
pub enum Archive {
    Off,
    /// A standby whose primary archives; it would after a promotion.
    WhenPromoted,
    /// On, and nothing is set that would archive: WAL is kept until the disk is full.
    Nowhere,
    On(Archiver),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archiver {
    /// The last segment that was archived, since the statistics were reset.
    pub last: Option<Archived>,
    pub last_failed: Option<Archived>,
    /// Segments that wait to be archived.
    pub waiting: Option<u64>,
}

/// A segment, and when its archiving succeeded or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    pub segment: String,
    pub at: Instant,
}

impl Archiver {
    /// The last failure, where nothing was archived since.
    pub fn failing(&self) -> Option<&Archived> {
        self.last_failed.as_ref().filter(|failed| self.last.as_ref().is_none_or(|last| last.at < failed.at))
    }
}

/// A right that a role of Lifeboat's lacks on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRight {
    /// What is missing, “EXECUTE on pg_promote(boolean, integer) for lifeboat”.
    pub right: String,
    /// What does not work without it.
    pub without: String,
    /// The statement that grants it, and the database to run it in.
    pub grant: String,
    pub database: String,
}

/// What the host's agent finds in the node's folders, whether the node runs or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesReading {
    pub at: Instant,
    /// Of the file system the data folder is on.
    pub data: Detail<Room>,
    /// Of the one that `pg_wal` is on, where that is another one.
    pub wal: Option<Detail<Room>>,
    /// Where each timeline of this node's history began, by its history file; empty on the first timeline.
    pub forks: Detail<Vec<Fork>>,
}

/// Room on a file system, for the node's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    pub free: u64,
    pub total: u64,
}

impl Room {
    /// Less than this is low: a tenth of the disk, at least 1 GiB and at most 10 GiB.
    pub fn limit(&self) -> u64 {
        (self.total / 10).clamp(1 << 30, 10 << 30)
    }
    pub fn is_low(&self) -> bool {
        self.free < self.limit()
    }
    /// Four segments: a promotion writes a checkpoint and goes on in a new segment, and a server that cannot write its WAL ends.
    pub const NEEDED: u64 = 64 << 20;
    pub fn is_full(&self) -> bool {
        self.free < Self::NEEDED
    }
}

/// Where a timeline began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    pub timeline: u32,
    /// The timeline it left.
    pub parent: u32,
    pub at: Lsn,
}

/// A timeline that began elsewhere on two nodes: both have the number, and one is no copy of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    pub timeline: u32,
    pub own: Lsn,
    pub leading: Lsn,
}

/// Details older than this say nothing of now.
const SILENCE: Span = Span::from_secs(30);

/// Whether what was read at `at` still counts.
pub fn is_fresh(at: Instant, rule: &Detection, now: Instant) -> bool {
    let limit = SILENCE.max(rule.silence());
    Span::between(at, now) <= limit && Span::between(now, at) <= limit
}

impl NodeView {
    /// Why the lease that its cluster declares proves nothing; `None` where its host keeps it.
    pub fn lease_unkept(&self) -> Option<String> {
        match &self.details.lease {
            Some(Ok(true)) => None,
            Some(Ok(false)) => Some("its host says that it takes no writes".to_owned()),
            Some(Err(why)) => Some(why.clone()),
            None => Some("its host was never asked".to_owned()),
        }
    }
    /// What PostgreSQL said of itself, where that still counts.
    pub fn catalog(&self, rule: &Detection, now: Instant) -> Option<&CatalogReading> {
        self.details.catalog.as_ref().filter(|read| is_fresh(read.at, rule, now))
    }
    /// What its host's agent found, where that still counts.
    pub fn files(&self, rule: &Detection, now: Instant) -> Option<&FilesReading> {
        self.details.files.as_ref().filter(|read| is_fresh(read.at, rule, now))
    }
    /// The file systems it needs room on, by the name a person knows them by.
    pub fn rooms(&self, rule: &Detection, now: Instant) -> Vec<(&'static str, Room)> {
        let Some(files) = self.files(rule, now) else { return Vec::new() };
        let data = files.data.as_ref().ok().map(|room| ("its data folder", *room));
        let wal = files.wal.as_ref().and_then(|wal| wal.as_ref().ok()).map(|room| ("pg_wal", *room));
        data.into_iter().chain(wal).collect()
    }
}

impl ClusterView {
    /// The first timeline that `node` and the primary both have and that began elsewhere on each. History files never change,
    /// so their age does not matter, as long as they are those of the timelines the nodes are on.
    pub fn clash(&self, node: &NodeView) -> Option<Clash> {
        let primary = self.primary().filter(|primary| primary.node != node.node)?;
        let (own, leading) = (own_forks(node)?, own_forks(primary)?);
        let differs = |fork: &Fork| {
            let other = leading.iter().find(|other| other.timeline == fork.timeline)?;
            (other.at != fork.at).then_some(Clash { timeline: fork.timeline, own: fork.at, leading: other.at })
        };
        own.iter().find_map(differs)
    }
    /// The major versions of `node` and of the primary, where they differ: WAL of one means nothing to the other.
    pub fn major_differs(&self, node: &NodeView) -> Option<(u32, u32)> {
        let version = |view: &NodeView| major(&view.reading.as_ref()?.version);
        let (own, needed) = (version(node)?, version(self.primary()?)?);
        (own != needed).then_some((own, needed))
    }
}

/// The node's history, if it leads to the timeline the node was last read on.
fn own_forks(node: &NodeView) -> Option<&[Fork]> {
    let forks = node.details.files.as_ref()?.forks.as_ref().ok()?;
    let timeline = node.reading.as_ref()?.timeline;
    let leads_here = forks.last().map_or(1, |fork| fork.timeline) == timeline;
    leads_here.then_some(forks.as_slice())
}
