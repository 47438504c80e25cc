//! What stands in the way of a plan, and whether people may decide to go on all the same.

use crate::{
    databases::{Exclusion, Lsn, bytes_in_words},
    id::{BackupId, DestinationId, NodeId, PoolerId, RegionId, Scope, ServiceId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Something that stands in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "blocker")]
pub enum Blocker {
    #[error("no node can take over: {}", reasons.join("; "))]
    NoCandidate { reasons: Vec<String> },
    #[error("{node} cannot be promoted: {}", exclusions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    TargetExcluded { node: NodeId, exclusions: Vec<Exclusion> },
    #[error("{node} is not a node of this cluster")]
    UnknownNode { node: NodeId },
    #[error("no node was ever seen as primary")]
    NoPrimary,
    #[error("more than one node takes writes ({}); fence all but one first", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    TwoWritable { nodes: Vec<NodeId> },
    #[error("{node} was promoted at {}, or may have been, and what was read of the cluster does not show it yet", at.format("%H:%M:%S UTC"))]
    PromotedUnseen { node: NodeId, at: Instant },
    #[error("a node was seen on timeline {timeline}, and {primary}, the last primary known, led timeline {led}: who leads now is not known")]
    LeaderUnknown { timeline: u32, primary: NodeId, led: u32 },
    #[error("the primary {node} does not take writes now ({why}), so a planned switchover is not possible; use a failover")]
    PrimaryNotWritable { node: NodeId, why: String },
    #[error("the primary {node} answers; a planned switchover loses nothing, a failover may")]
    PrimaryHealthy { node: NodeId },
    #[error("{node} cannot be fenced by proof: {why}")]
    FenceUnproven { node: NodeId, why: String },
    #[error("the host agent of {node} does not answer, so the node cannot be controlled: {why}")]
    NoHostAgent { node: NodeId, why: String },
    #[error("the cluster has no router set up, so clients cannot be moved")]
    NoRouter,
    #[error("the router does not answer, so clients cannot be moved: {why}")]
    RouterSilent { why: String },
    #[error("the pooler {pooler} cannot be told to let its clients wait: {why}")]
    PoolerSilent { pooler: PoolerId, why: String },
    #[error("{node} is the primary; only another node can rejoin")]
    IsThePrimary { node: NodeId },
    #[error("{node} already streams from {upstream}")]
    AlreadyStreaming { node: NodeId, upstream: NodeId },
    #[error("{why}")]
    TwoManagers { why: String },
    #[error("Patroni runs this cluster, and makes {node} follow again itself")]
    PatroniRejoins { node: NodeId },
    #[error("what Patroni says of the cluster is not known, so it cannot be asked: {why}")]
    PatroniUnknown { why: String },
    #[error("Patroni is paused: somebody has their hands in the cluster, so nothing is moved by plan")]
    PatroniPaused,
    #[error("Patroni is paused: it would fail over to {node} because it is asked to, and look after nothing else")]
    FailoverInPause { node: NodeId },
    #[error("Patroni's leader is {}, and {} takes the writes by PostgreSQL's own word", leader.as_deref().unwrap_or("nobody"), primary)]
    PatroniDisagrees { leader: Option<String>, primary: NodeId },
    #[error("a switchover{} is scheduled in Patroni for {}", to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default(), at.format("%Y-%m-%d %H:%M:%S UTC"))]
    PatroniScheduled { at: Instant, to: Option<String> },
    #[error(
        "timeline {timeline} began at {own} on {node} and at {leading} on the primary, and pg_rewind tells two timelines apart by their number only"
    )]
    HistoriesClash { node: NodeId, timeline: u32, own: Lsn, leading: Lsn },
    #[error("how clients of {service} are sent to regions is not declared, so they cannot be moved")]
    NoTraffic { service: ServiceId },
    #[error("where clients of {service} are sent now is not known: {why}")]
    TrafficUnknown { service: ServiceId, why: String },
    #[error("{region} is no region of {service}")]
    UnknownRegion { service: ServiceId, region: RegionId },
    #[error("no region can take the clients: {}", reasons.join("; "))]
    NoRegion { reasons: Vec<String> },
    #[error("{service} does not answer well in {region}: {why}")]
    RegionNotWell { service: ServiceId, region: RegionId, why: String },
    #[error("whether {service} is well in {region} is not known: {why}")]
    RegionUnknown { service: ServiceId, region: RegionId, why: String },
    #[error("the strategy keeps clients of {service} in one region at a time, and {} were asked for", regions.len())]
    TooManyRegions { service: ServiceId, regions: BTreeSet<RegionId> },
    #[error("{} answers well; a planned move stops on any error, an emergency does not", super::plan::names_or_none(regions))]
    NothingFails { regions: BTreeSet<RegionId> },
    #[error("clients are sent there already, as intended")]
    AlreadyThere,
    #[error("{region} has been well only since {} ({} of the {dwell} it must stay well before clients return)", since.format("%H:%M:%S UTC"), so_far.rough())]
    DwellNotOver { region: RegionId, since: Instant, so_far: Span, dwell: Span },
    #[error("{region} was evacuated at {}; clients return {dwell} after that, or once somebody has acknowledged it", at.format("%H:%M:%S UTC"))]
    EvacuatedLately { region: RegionId, at: Instant, dwell: Span },
    #[error("the data that {service} needs is not whole again: {}", missing.join("; "))]
    DataNotBack { service: ServiceId, missing: Vec<String> },
    #[error("nothing takes writes or serves clients in {region}")]
    NothingToEvacuate { region: RegionId },
    #[error("{} cannot be moved: {why}", member.name())]
    MemberStays { member: Scope, why: String },
    #[error("{}: {why}", member.name())]
    MemberCheck { member: Scope, check: String, why: String },
    #[error("the rule of at least {least} regions for {service} would be broken: {left} would stay on")]
    TooFewRegions { service: ServiceId, least: u32, left: usize },
    #[error("the master switch is off since {} ({by}: {reason})", since.format("%Y-%m-%d %H:%M UTC"))]
    MasterSwitchOff { by: String, since: Instant, reason: String },
    #[error("a blackout window is in force until {}: {reason}", until.format("%Y-%m-%d %H:%M UTC"))]
    Blackout { until: Instant, reason: String },
    #[error("what {tool} took is not restored here: only whole clusters by pg_basebackup are")]
    NotRestoredHere { tool: String },
    #[error("no log leads from the backup {} to that moment without a gap", backup.short())]
    LogNotWhole { backup: BackupId },
    #[error("{destination} has no whole copy of the backup {}", backup.short())]
    NoWholeCopy { backup: BackupId, destination: DestinationId },
    #[error("the backup {} was NEVER RESTORED: nobody knows whether it can be", backup.short())]
    NeverRestored { backup: BackupId },
    #[error("there is nowhere to restore to: `restores` in [backups] names no folder that can be used")]
    NowhereToRestore,
    #[error("{} are needed to restore it, and {} are free", bytes_in_words(*needed), bytes_in_words(*room))]
    NoRoomToRestore { needed: u64, room: u64 },
    #[error("the folder {folder} exists already; nothing is written over")]
    FolderTaken { folder: String },
    #[error("“{folder}” is no name for the folder: lower-case letters, digits and hyphens, at most 80")]
    NoFolderName { folder: String },
    #[error("tests are stopped since {} ({by}: {reason})", since.format("%Y-%m-%d %H:%M UTC"))]
    TestsStopped { by: String, since: Instant, reason: String },
}

impl Blocker {
    /// Whether two people may decide to go on all the same.
    pub fn can_be_overridden(&self) -> bool {
        let judged_otherwise = matches!(
            self,
            Blocker::PrimaryHealthy { .. }
                | Blocker::FenceUnproven { .. }
                | Blocker::LeaderUnknown { .. }
                | Blocker::FailoverInPause { .. }
                | Blocker::RegionUnknown { .. }
                | Blocker::NothingFails { .. }
                | Blocker::DwellNotOver { .. }
                | Blocker::EvacuatedLately { .. }
                | Blocker::DataNotBack { .. }
                | Blocker::MemberStays { .. }
                | Blocker::MemberCheck { .. }
                | Blocker::NeverRestored { .. }
        );
        judged_otherwise || self.is_safety_rule()
    }

    /// Whether it only says that something is not known now: the next look may show that nothing has changed.
    pub(super) fn is_ignorance(&self) -> bool {
        matches!(self, Blocker::TrafficUnknown { .. } | Blocker::RegionUnknown { .. } | Blocker::PatroniUnknown { .. })
    }

    /// Whether it is a safety rule: set aside only by break-glass, which takes a role of its own and is loud (row 61).
    pub fn is_safety_rule(&self) -> bool {
        matches!(self, Blocker::TooFewRegions { .. } | Blocker::MasterSwitchOff { .. } | Blocker::Blackout { .. })
    }

    /// Whether whoever went on in spite of `known` went on in spite of this one too: the same check on the same thing, and
    /// no worse than it was.
    pub(super) fn is_covered_by(&self, known: &Blocker) -> bool {
        match (self, known) {
            (Blocker::TooFewRegions { service, left: now, .. }, Blocker::TooFewRegions { service: of, left: then, .. }) => {
                service == of && now >= then
            }
            (Blocker::DataNotBack { missing: now, .. }, Blocker::DataNotBack { missing: then, .. }) => now.iter().all(|what| then.contains(what)),
            (Blocker::RegionUnknown { region: now, .. }, Blocker::RegionUnknown { region: then, .. })
            | (Blocker::EvacuatedLately { region: now, .. }, Blocker::EvacuatedLately { region: then, .. })
            | (Blocker::DwellNotOver { region: now, .. }, Blocker::DwellNotOver { region: then, .. }) => now == then,
            (Blocker::FenceUnproven { node: now, .. }, Blocker::FenceUnproven { node: then, .. }) => now == then,
            (Blocker::FailoverInPause { node: now }, Blocker::FailoverInPause { node: then }) => now == then,
            (Blocker::LeaderUnknown { timeline: now, .. }, Blocker::LeaderUnknown { timeline: then, .. }) => now == then,
            (Blocker::MemberStays { member: now, .. }, Blocker::MemberStays { member: then, .. }) => now == then,
            (Blocker::MemberCheck { member, check, .. }, Blocker::MemberCheck { member: then, check: before, .. }) => {
                (member, check) == (then, before)
            }
            _ => self.name() == known.name(),
        }
    }

    /// The kind of blocker without its details.
    pub fn name(&self) -> &'static str {
        match self {
            Blocker::NoCandidate { .. } => "no-candidate",
            Blocker::TargetExcluded { .. } => "target-excluded",
            Blocker::UnknownNode { .. } => "unknown-node",
            Blocker::NoPrimary => "no-primary",
            Blocker::TwoWritable { .. } => "two-writable",
            Blocker::PromotedUnseen { .. } => "promoted-unseen",
            Blocker::LeaderUnknown { .. } => "leader-unknown",
            Blocker::PrimaryNotWritable { .. } => "primary-not-writable",
            Blocker::PrimaryHealthy { .. } => "primary-healthy",
            Blocker::FenceUnproven { .. } => "fence-unproven",
            Blocker::NoHostAgent { .. } => "no-host-agent",
            Blocker::HistoriesClash { .. } => "histories-clash",
            Blocker::NoRouter => "no-router",
            Blocker::RouterSilent { .. } => "router-silent",
            Blocker::PoolerSilent { .. } => "pooler-silent",
            Blocker::IsThePrimary { .. } => "is-the-primary",
            Blocker::AlreadyStreaming { .. } => "already-streaming",
            Blocker::TwoManagers { .. } => "two-managers",
            Blocker::PatroniRejoins { .. } => "patroni-rejoins",
            Blocker::PatroniUnknown { .. } => "patroni-unknown",
            Blocker::PatroniPaused => "patroni-paused",
            Blocker::FailoverInPause { .. } => "failover-in-pause",
            Blocker::PatroniDisagrees { .. } => "patroni-disagrees",
            Blocker::PatroniScheduled { .. } => "patroni-scheduled",
            Blocker::NoTraffic { .. } => "no-traffic",
            Blocker::TrafficUnknown { .. } => "traffic-unknown",
            Blocker::UnknownRegion { .. } => "unknown-region",
            Blocker::NoRegion { .. } => "no-region",
            Blocker::RegionNotWell { .. } => "region-not-well",
            Blocker::RegionUnknown { .. } => "region-unknown",
            Blocker::TooManyRegions { .. } => "too-many-regions",
            Blocker::NothingFails { .. } => "nothing-fails",
            Blocker::AlreadyThere => "already-there",
            Blocker::DwellNotOver { .. } => "dwell-not-over",
            Blocker::EvacuatedLately { .. } => "evacuated-lately",
            Blocker::DataNotBack { .. } => "data-not-back",
            Blocker::NothingToEvacuate { .. } => "nothing-to-evacuate",
            Blocker::MemberStays { .. } => "member-stays",
            Blocker::MemberCheck { .. } => "member-check",
            Blocker::TooFewRegions { .. } => "too-few-regions",
            Blocker::MasterSwitchOff { .. } => "master-switch-off",
            Blocker::Blackout { .. } => "blackout",
            Blocker::TestsStopped { .. } => "tests-stopped",
            Blocker::NotRestoredHere { .. } => "not-restored-here",
            Blocker::LogNotWhole { .. } => "log-not-whole",
            Blocker::NoWholeCopy { .. } => "no-whole-copy",
            Blocker::NeverRestored { .. } => "never-restored",
            Blocker::NowhereToRestore => "nowhere-to-restore",
            Blocker::NoRoomToRestore { .. } => "no-room-to-restore",
            Blocker::FolderTaken { .. } => "folder-taken",
            Blocker::NoFolderName { .. } => "no-folder-name",
        }
    }
}
