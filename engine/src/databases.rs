//! Database clusters: what was read from each node, who can take writes, who could take over and why the others could
//! not, and how much data that would cost.

use crate::{
    estate::{Cluster, DeclaredRole, Detection},
    health::{Health, Judgement},
    id::{ClusterId, NodeId, RegionId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::BTreeSet, fmt, str::FromStr};

mod cascade;
mod details;
mod divergence;
mod loss;
mod ranking;
mod size;
mod trail;
pub use details::{
    Archive, Archived, Archiver, CatalogReading, Clash, Detail, Details, FilesReading, Fork, MissingRight, Room, Slot, SlotWal, is_fresh,
};
pub use divergence::{History, parted_at};
pub use loss::{LossBound, ZeroLoss, loss_bound};
pub use ranking::{Candidate, Exclusion, Urgency, lag, rank, shut_out, shut_out_nodes};
pub use size::{bytes_in_words, room_in_words};
pub use trail::Trail;

/// A write-ahead log position, a byte offset into the log. Printed as PostgreSQL prints it, `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(pub u64);

impl Lsn {
    /// Bytes by which `self` is ahead of `other`; zero where it is not.
    pub fn bytes_ahead_of(self, other: Lsn) -> u64 {
        self.0.saturating_sub(other.0)
    }
}
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}
/// Why a text is not a WAL position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a WAL position such as 16/B374D848")]
pub struct LsnError(String);

impl FromStr for Lsn {
    type Err = LsnError;
    fn from_str(text: &str) -> Result<Self, LsnError> {
        let error = || LsnError(text.chars().take(40).collect());
        let (high, low) = text.trim().split_once('/').ok_or_else(error)?;
        let part = |digits: &str| {
            if (1..=8).contains(&digits.len()) { u64::from_str_radix(digits, 16).map_err(|_| error()) } else { Err(error()) }
        };
        Ok(Lsn(part(high)? << 32 | part(low)?))
    }
}
impl TryFrom<String> for Lsn {
    type Error = LsnError;
    fn try_from(text: String) -> Result<Self, LsnError> {
        text.parse()
    }
}
impl From<Lsn> for String {
    fn from(lsn: Lsn) -> String {
        lsn.to_string()
    }
}

/// What one look at a PostgreSQL node found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReading {
    /// When the look began; every age is counted from here.
    pub at: Instant,
    pub role: NodeRole,
    /// Identifies the cluster; nodes that differ are no copies of each other.
    pub system_identifier: String,
    pub timeline: u32,
    /// `server_version`, for example `15.18`.
    pub version: String,
    /// `default_transaction_read_only`: a primary with this on refuses ordinary writes.
    pub read_only: bool,
    pub connections: u32,
    pub connections_max: u32,
    /// The name of a connection by which another manager of the node gives itself away: Patroni's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager_seen: Option<String>,
    /// `synchronous_standby_names`, where it names anybody: on a primary, whom commits wait for, whether those are there or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Those that stream from here although it is a standby itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cascade: Vec<Peer>,
}

/// The major version in a `server_version`, `15` of `15.18 (Debian 15.18-1)`.
pub fn major(version: &str) -> Option<u32> {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Role as observed, with the positions that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeRole {
    /// `pg_is_in_recovery()` is false.
    Primary {
        /// Written and flushed to this node's disk (`pg_current_wal_flush_lsn`).
        flushed: Lsn,
        /// Those that stream from here (`pg_stat_replication`).
        peers: Vec<Peer>,
    },
    /// In recovery.
    Standby {
        /// Received and flushed (`pg_last_wal_receive_lsn`), falling back to the replayed position after a restart.
        received: Lsn,
        replayed: Lsn,
        /// Whether a WAL receiver is streaming now, and from whom (`pg_stat_wal_receiver`).
        streaming_from: Option<String>,
        /// Age of the last replayed commit. Not a lag by itself: an idle primary commits nothing (trap D17).
        since_last_commit: Option<Span>,
        /// `recovery_min_apply_delay` above zero.
        delayed: bool,
    },
}

/// One row of `pg_stat_replication`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// `application_name`, which equals the node's id where the node is set up as documented.
    pub name: String,
    pub streaming: bool,
    /// `sync_state` is `sync` or `quorum`: a commit waits for this peer.
    pub synchronous: bool,
    pub flushed: Option<Lsn>,
    pub replayed: Option<Lsn>,
    /// `replay_lag`; absent while nothing is in flight.
    pub replay_lag: Option<Span>,
}

/// Everything known of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    pub node: NodeId,
    pub region: RegionId,
    pub declared: DeclaredRole,
    pub promotable: bool,
    pub judgement: Judgement,
    /// The last reading that succeeded, however old.
    pub reading: Option<NodeReading>,
    /// When the last attempt was made and, if it failed, why.
    pub last_attempt: Option<(Instant, Option<String>)>,
    /// What the host agent last said of the node's processes.
    pub host: Option<HostReading>,
    pub details: Details,
}

/// What the agent on a node's host saw: the only witness that can tell a dead process from a silent one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReading {
    pub at: Instant,
    pub state: HostState,
}

/// The node's processes, as its host sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostState {
    Running,
    /// Stopped by a signal: the processes exist, do nothing, and would go on where they were when resumed.
    Hung,
    /// No process of the node exists.
    Gone,
}

impl NodeView {
    /// Reachable now, and writable as of its last reading. A primary that complains still takes writes: degraded is not down.
    pub fn is_writable(&self) -> bool {
        self.answers() && self.was_primary()
    }
    /// Whether it answers now, with or without a complaint.
    pub fn answers(&self) -> bool {
        matches!(self.judgement.health, Health::Ok | Health::Degraded)
    }
    /// Primary at its last reading, whether or not it answers now: role is not health (trap D1).
    pub fn was_primary(&self) -> bool {
        matches!(self.reading.as_ref().map(|reading| &reading.role), Some(NodeRole::Primary { .. }))
    }
    /// The furthest WAL position this node is known to hold.
    pub fn position(&self) -> Option<Lsn> {
        match &self.reading.as_ref()?.role {
            NodeRole::Primary { flushed, .. } => Some(*flushed),
            NodeRole::Standby { received, replayed, .. } => Some((*received).max(*replayed)),
        }
    }
    /// Whether the last reading is older than the detection rule calls fresh, or dated in the future by as much, which
    /// a clock that was set back does: such a reading would never grow old.
    pub fn is_stale(&self, rule: &Detection, now: Instant) -> bool {
        let limit = rule.silence();
        self.reading.as_ref().is_none_or(|reading| Span::between(reading.at, now) > limit || Span::between(now, reading.at) > limit)
    }
}

/// One cluster as it stands: the declared nodes joined with what was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    pub cluster: ClusterId,
    pub nodes: Vec<NodeView>,
    /// Regions believed to have failed as a whole.
    pub failed_regions: BTreeSet<RegionId>,
    /// Where the router sends clients, from its own answer; `None` while that is not known.
    pub routed_to: Option<RoutedTo>,
}

/// The router's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutedTo {
    pub at: Instant,
    /// Every node that gets client connections now. Empty while the route is closed.
    pub nodes: Vec<NodeId>,
}

impl ClusterView {
    pub fn node(&self, id: &NodeId) -> Option<&NodeView> {
        self.nodes.iter().find(|view| &view.node == id)
    }
    /// Nodes that answer and would take a write. More than one is split brain. One that was left behind and refuses writes is none.
    pub fn writable(&self) -> Vec<&NodeView> {
        let all = || self.nodes.iter().filter(|view| view.is_writable()).filter_map(|view| Some((view, view.reading.as_ref()?)));
        let newest = all().map(|(_, reading)| reading.timeline).max();
        let was_left = |timeline: u32| newest.is_some_and(|newest| timeline < newest);
        all().filter(|(_, reading)| !(reading.read_only && was_left(reading.timeline))).map(|(view, _)| view).collect()
    }
    /// The node that takes, or last took, the writes: the writable one on the highest timeline; where none answers,
    /// the one last seen as primary on the highest timeline. Never “the first in the list” (traps D1, F4).
    pub fn primary(&self) -> Option<&NodeView> {
        let highest = |views: Vec<&NodeView>| -> Option<NodeId> {
            // The position and the name only break a tie, so that the answer never depends on the order of the list.
            let merit =
                |view: &NodeView| (view.reading.as_ref().map(|reading| (reading.timeline, reading.at)), view.position(), Reverse(view.node.clone()));
            views.into_iter().max_by_key(|view| merit(view)).map(|view| view.node.clone())
        };
        let chosen = highest(self.writable()).or_else(|| highest(self.nodes.iter().filter(|view| view.was_primary()).collect()))?;
        self.node(&chosen)
    }
    /// The highest timeline any node was seen on.
    pub fn timeline(&self) -> Option<u32> {
        self.nodes.iter().filter_map(|view| Some(view.reading.as_ref()?.timeline)).max()
    }
    /// The names of the peers other than `node` that streamed from the primary when it was last read.
    pub fn other_streaming_peers(&self, node: &NodeId) -> Vec<&str> {
        match self.primary().and_then(|view| view.reading.as_ref()).map(|reading| &reading.role) {
            Some(NodeRole::Primary { peers, .. }) => {
                peers.iter().filter(|peer| peer.streaming && peer.name != node.as_str()).map(|peer| peer.name.as_str()).collect()
            }
            Some(NodeRole::Standby { .. }) | None => Vec::new(),
        }
    }
    /// Whether, without `node`, the primary could acknowledge nothing: it waited for it, and there is no other standby that
    /// PostgreSQL could move on to when it is taken away. One that did not stream when the primary was last read may stream
    /// now, and one that is dead may be started; what is declared counts, however it was seen.
    pub fn is_only_standby_to_confirm(&self, node: &NodeId) -> bool {
        let is_third = |view: &NodeView| view.node != *node && self.primary().is_none_or(|primary| primary.node != view.node);
        self.is_synchronous_peer(node) && self.other_streaming_peers(node).is_empty() && !self.nodes.iter().any(is_third)
    }
    /// Whether the primary last confirmed `node` as a synchronous, streaming peer.
    pub fn is_synchronous_peer(&self, node: &NodeId) -> bool {
        self.primary().and_then(|view| view.reading.as_ref()).is_some_and(|reading| match &reading.role {
            NodeRole::Primary { peers, .. } => peers.iter().any(|peer| peer.name == node.as_str() && peer.synchronous && peer.streaming),
            NodeRole::Standby { .. } => false,
        })
    }
}

/// What state a node is in, in the words an operator uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStanding {
    /// The one writable node.
    Primary,
    /// Takes writes beside another node that does: split brain.
    SecondPrimary,
    /// Streams from the primary on its timeline.
    Streaming,
    /// In recovery, and not streaming on the primary's timeline.
    NotStreaming,
    /// Was a primary on an older timeline, and takes no writes now: must be rewound before it may follow.
    NeedsRewind,
    /// Does not answer; was the primary when last seen.
    PrimaryDown,
    Down,
    Unknown,
}

impl ClusterView {
    /// The standing of one node, judged against the others.
    pub fn standing(&self, view: &NodeView, rule: &Detection, now: Instant) -> NodeStanding {
        let primary = self.primary();
        let is_primary = primary.is_some_and(|primary| primary.node == view.node);
        let left_behind = match (&view.reading, primary.and_then(|primary| primary.reading.as_ref())) {
            (Some(own), Some(leading)) => view.was_primary() && own.timeline < leading.timeline,
            _ => false,
        };
        match view.judgement.health {
            Health::Ok | Health::Degraded if view.is_stale(rule, now) => NodeStanding::Unknown,
            Health::Ok | Health::Degraded if view.was_primary() && self.writable().len() > 1 => {
                if is_primary {
                    NodeStanding::Primary
                } else {
                    NodeStanding::SecondPrimary
                }
            }
            Health::Ok | Health::Degraded if is_primary && view.was_primary() => NodeStanding::Primary,
            Health::Ok | Health::Degraded if left_behind => NodeStanding::NeedsRewind,
            Health::Ok => {
                if self.is_streaming(view) {
                    NodeStanding::Streaming
                } else {
                    NodeStanding::NotStreaming
                }
            }
            Health::Degraded => NodeStanding::NotStreaming,
            Health::Down | Health::Unknown if left_behind => NodeStanding::NeedsRewind,
            Health::Down if is_primary => NodeStanding::PrimaryDown,
            Health::Down => NodeStanding::Down,
            Health::Unknown => NodeStanding::Unknown,
        }
    }

    /// What speaks against taking the copy on `view` for whole: it is further behind than `tolerance`, or nobody knows how far.
    pub(crate) fn lags(&self, view: &NodeView, tolerance: Option<Span>) -> Option<Exclusion> {
        ranking::lag_exclusion(self.primary(), view, tolerance)
    }

    /// Whether `node` receives WAL from the node that takes the writes now.
    pub fn streams_from_primary(&self, node: &NodeId) -> bool {
        self.node(node).is_some_and(|view| view.answers() && self.is_streaming(view))
    }

    /// Whether `view` receives WAL now, on the timeline of the node that takes the writes.
    fn is_streaming(&self, view: &NodeView) -> bool {
        let Some(primary) = self.primary().filter(|primary| primary.is_writable()) else {
            return false;
        };
        match (&view.reading, &primary.reading) {
            (Some(own), Some(leading)) => {
                own.timeline == leading.timeline
                    && self.clash(view).is_none()
                    && own.system_identifier == leading.system_identifier
                    && matches!(&own.role, NodeRole::Standby { streaming_from: Some(_), .. })
            }
            _ => false,
        }
    }

    /// Whether losing the primary now would leave a node that can take over, and since when it would not be so is for
    /// the caller to remember. Every reason that speaks against it is listed (row 45: no stale green).
    pub fn protection(&self, cluster: &Cluster, rule: &Detection, now: Instant) -> Protection {
        let mut missing = Vec::new();
        let mut streaming = 0;
        for node in &cluster.nodes {
            let Some(view) = self.node(&node.id) else {
                missing.push(format!("{} is not watched", node.id));
                continue;
            };
            match self.standing(view, rule, now) {
                NodeStanding::Primary => {}
                NodeStanding::Streaming => streaming += 1,
                NodeStanding::SecondPrimary => missing.push(format!("{} takes writes beside the primary", node.id)),
                NodeStanding::NotStreaming => missing.push(format!("{} does not stream from the primary", node.id)),
                NodeStanding::NeedsRewind => missing.push(format!("{} NEEDS REWIND before it may follow", node.id)),
                NodeStanding::PrimaryDown => missing.push(format!("{}, the primary, is down", node.id)),
                NodeStanding::Down => missing.push(format!("{} is down", node.id)),
                NodeStanding::Unknown => missing.push(format!("the state of {} is unknown", node.id)),
            }
        }
        if streaming == 0 && missing.is_empty() {
            missing.push("the cluster has no standby".to_owned());
        }
        let has_primary = self.writable().len() == 1;
        if missing.is_empty() && has_primary {
            Protection::Protected
        } else if streaming > 0 && has_primary {
            Protection::Reduced { missing }
        } else {
            Protection::Unprotected { missing }
        }
    }
}

/// Whether a cluster could survive the loss of its primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Protection {
    /// One writable node, every other one streams from it.
    Protected,
    /// At least one standby streams; others do not.
    Reduced { missing: Vec<String> },
    /// No standby is known to be able to take over without loss, or nothing takes writes.
    Unprotected { missing: Vec<String> },
}
