//! What the agent and its client say to each other, as JSON. Both sides compile this one file.
//!
//! LSNs travel in PostgreSQL's own notation (`0/3000148`), instants in RFC 3339 UTC, durations in milliseconds.

use chrono::{DateTime, Utc};
use engine::databases::{Detail, Fork, Room};
use serde::{Deserialize, Serialize};

/// Header of every order: the instant (RFC 3339, by the agent's own clock) after which it may not be begun any more.
pub const ORDER_NOT_AFTER: &str = "lifeboat-order-not-after";
/// Header of every order: since when the agent runs that it is for, as that one said.
pub const ORDER_AGENT_SINCE: &str = "lifeboat-order-agent-since";
/// Header of an order that is part of an operation: greater than that of every order that was made before it.
pub const ORDER_NUMBER: &str = "lifeboat-order-number";

/// Answer of `GET /v1/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegionStatus {
    pub region: String,
    pub version: String,
    pub nodes: Vec<String>,
    /// The role that nodes stream and are rewound as.
    pub replication_user: String,
    /// What time it is there, and since when the agent runs: what orders are stamped by.
    pub at: DateTime<Utc>,
    pub since: DateTime<Utc>,
}

/// Answer of `GET /v1/poolers/{id}`: what PgBouncer's console says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PoolerStatus {
    pub version: String,
    pub paused: bool,
    /// How much is left of the wait that this agent began, below zero where it is over and could not be ended; absent where it began none.
    pub pause_left_ms: Option<i64>,
    /// `host:port`.
    pub connects_to: String,
    /// The peer at that address.
    pub leads_to: Option<String>,
    pub clients_waiting: u32,
    pub longest_wait_ms: u64,
}

/// Let clients wait once what runs has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// After this the agent lets them through by itself.
    pub for_ms: u64,
    /// What still runs after this keeps the pause from happening.
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Paused {
    pub took_ms: u64,
}

/// Lead to a peer, end every connection at once, and let clients wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    pub peer: String,
    /// After this the agent lets them through by itself.
    pub for_ms: u64,
}

/// Lead to a peer and let clients through.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repoint {
    pub peer: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Repointed {
    pub leads_to: String,
}

/// Let clients through.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resumed {
    /// By this agent's word they had been told to wait.
    pub waited: bool,
}

/// Answer of `GET /v1/nodes/{id}`: what the host sees, without asking PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeStatus {
    pub id: String,
    /// The postmaster named in `postmaster.pid` exists, is a postgres working in this data folder, and is no zombie.
    pub running: bool,
    /// Stopped by SIGSTOP: the port accepts connections but nothing answers.
    pub stopped_by_signal: bool,
    pub pid: Option<i32>,
    /// Server processes that work in this data folder, the postmaster included.
    pub processes: usize,
    pub control: Option<ControlData>,
    /// Why `control` is absent.
    pub control_problem: Option<String>,
    pub data_dir_exists: bool,
    /// Since when the node is fenced and why; `start` refuses while this is set.
    pub fenced: Option<Fence>,
    /// A rewind or rebuild began and did not end; `start` refuses until one of them is repeated.
    pub unfinished_rewind: bool,
    /// Room on the file system of the data folder, and on that of `pg_wal` where it is another one.
    pub data_room: Detail<Room>,
    pub wal_room: Option<Detail<Room>>,
    /// Where each timeline of its history began.
    pub forks: Detail<Vec<Fork>>,
    pub at: DateTime<Utc>,
}

/// The part of `pg_controldata` that decisions rest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlData {
    /// PostgreSQL's own words: `in production`, `shut down`, `in archive recovery`, `shut down in recovery`, …
    pub state: String,
    pub system_identifier: String,
    /// Timeline of the latest checkpoint.
    pub timeline: u32,
    /// Where the latest checkpoint record begins.
    pub checkpoint_lsn: String,
    /// `None` on a node that is not in recovery.
    pub min_recovery_end: Option<String>,
    pub data_checksums: bool,
}

/// Contents of the marker file `lifeboat.fenced`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fence {
    pub since: DateTime<Utc>,
    pub by: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    /// Clean: clients are cut, a shutdown checkpoint is written and sent to the standbys that are connected.
    Fast,
    /// SIGKILL to the postmaster and every child. Works on a node that hangs.
    Kill,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub mode: StopMode,
    #[serde(default = "thirty_seconds")]
    pub timeout_ms: u64,
    /// Also write the fence marker, before anything is stopped.
    #[serde(default)]
    pub fence: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stopped {
    pub was_running: bool,
    pub fenced: bool,
    pub proof: StopProof,
    pub took_ms: u64,
}

/// Leave to take writes for so long from when the order is good for no longer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    pub for_ms: u64,
}

/// Answer to a lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Leased {
    /// The node is stopped unless the lease is renewed in time. False for a standby, and for a node that does not run: there is
    /// nothing to stop.
    pub kept: bool,
}

/// Both booleans are true in every answer with status 200; otherwise the answer is an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopProof {
    pub process_gone: bool,
    pub port_refuses: bool,
    pub control_state: Option<String>,
    /// Where the shutdown checkpoint record *begins*, when the node shut down cleanly: a standby whose replayed LSN is
    /// beyond it has everything. `None` after a kill: nobody knows without reading the WAL (`loss` does).
    pub end_lsn: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    #[serde(default = "thirty_seconds")]
    pub timeout_ms: u64,
    /// Remove the fence marker first. This lets an old primary start as a writer.
    #[serde(default)]
    pub release: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Started {
    pub was_running: bool,
    pub pid: Option<i32>,
    pub took_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// A peer of the agent's configuration.
    pub upstream: String,
    /// A physical slot that exists on the upstream; none means streaming without a slot.
    #[serde(default)]
    pub slot: Option<String>,
    #[serde(default = "thirty_seconds")]
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowOutcome {
    /// It was running as a standby; its configuration was reloaded.
    Reloaded,
    /// It was stopped; it was started and accepts connections.
    Started,
}

/// Says what was done, not that the node follows. A node that received more than the promoted one obeys, is refused the new
/// history, and shows up as `streaming` in `pg_stat_replication` for a moment at each attempt; it needs a rewind. So the proof is
/// a row written on the upstream afterwards that arrives here, or the new timeline with a replayed LSN that moves past it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Following {
    pub outcome: FollowOutcome,
    pub took_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A peer of the agent's configuration.
    pub source: String,
    #[serde(default = "ten_minutes")]
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewindOutcome {
    Rewound,
    /// pg_rewind saw no divergence. It also says so wrongly when the new primary has not checkpointed since its
    /// promotion: run CHECKPOINT there first, and prove the rejoin by streaming.
    NotRequired,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rewound {
    pub outcome: RewindOutcome,
    pub output: String,
    pub took_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rebuilt {
    /// Where the old data folder is kept.
    pub kept: Option<String>,
    pub took_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossQuestion {
    /// The timeline this node was writing.
    pub timeline: u32,
    /// Where the promoted node's history left it.
    pub lsn: String,
    #[serde(default = "two_minutes")]
    pub timeout_ms: u64,
}

/// How much this stopped node has that ended after the given LSN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    pub end_lsn: String,
    pub bytes_after: u64,
    pub commits_after: u64,
    /// When the first and the last of these were committed, by the clock of the node's host.
    pub first_commit: Option<DateTime<Utc>>,
    pub last_commit: Option<DateTime<Utc>>,
}

/// Every answer that is not a success.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorAnswer {
    pub error: String,
    pub hint: String,
}

/// Turns `16/B374D848` into a number; `None` when it is not an LSN.
pub fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let fits = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
    if !fits(high) || !fits(low) {
        return None;
    }
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

/// The inverse of [`parse_lsn`].
pub fn show_lsn(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
}

fn thirty_seconds() -> u64 {
    30_000
}

fn two_minutes() -> u64 {
    120_000
}

fn ten_minutes() -> u64 {
    600_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsn_round_trip_and_rejects() {
        assert_eq!(parse_lsn("0/3000148"), Some(0x3000148));
        assert_eq!(show_lsn(parse_lsn("16/B374D848").unwrap()), "16/B374D848");
        for bad in ["", "/", "0/", "0/x", "0/123456789", "+1/1", "1"] {
            assert_eq!(parse_lsn(bad), None, "{bad}");
        }
    }
}
