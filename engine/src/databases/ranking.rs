//! Which node should take over, and in print why each other one should not (row 51).

use super::{ClusterView, Lsn, NodeRole, NodeView, Room, room_in_words};
use crate::{
    estate::{DeclaredRole, Detection},
    health::Health,
    id::{NodeId, RegionId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// Why a node may not be promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Exclusion {
    #[error("it is the primary")]
    IsPrimary,
    #[error("it has never been read, so nothing is known of it")]
    NeverRead,
    #[error("it is {health}: {why}")]
    NotHealthy { health: Health, why: String },
    #[error("its last sample is {} old; at most {} is accepted", age.rough(), limit.rough())]
    Stale { age: Span, limit: Span },
    #[error("its region {0} is failing as a whole")]
    FailedRegion(RegionId),
    #[error("it is declared not promotable")]
    NotPromotable,
    #[error("it applies WAL with a deliberate delay")]
    Delayed,
    #[error("it is on timeline {own}, the primary on {needed}")]
    WrongTimeline { own: u32, needed: u32 },
    #[error("it belongs to another database system (identifier {own}, not {needed})")]
    OtherSystem { own: String, needed: String },
    #[error("its timeline {timeline} began at {own}, that of the primary at {needed}: it is no copy of it")]
    OtherHistory { timeline: u32, own: Lsn, needed: Lsn },
    #[error("it runs PostgreSQL {own}, the primary {needed}: it can be no copy of it")]
    OtherMajor { own: u32, needed: u32 },
    #[error("the disk of {place} has {} left; to take writes it needs {}", room_in_words(*free), room_in_words(Room::NEEDED))]
    NoDiskRoom { place: String, free: u64 },
    #[error("it is not streaming from the primary")]
    NotStreaming,
    #[error("it is {} behind; the strategy allows {}", lag.rough(), limit.rough())]
    LagAboveTolerance { lag: Span, limit: Span },
    #[error("its lag is not known")]
    LagUnknown,
    #[error("its region {region} is under maintenance: {reason}")]
    UnderMaintenance { region: RegionId, reason: String },
    #[error("its region {0} is being evacuated")]
    BeingEvacuated(RegionId),
    #[error("Patroni does not list it as a member")]
    NotAMember,
    #[error("it is tagged nofailover in Patroni")]
    TaggedNoFailover,
    #[error("Patroni says that it is “{state}”")]
    PatroniState { state: String },
    #[error("Patroni keeps a synchronous standby, and hands over to no other node")]
    NotPatronisSyncStandby,
}

/// One node with everything that speaks for and against promoting it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub node: NodeId,
    pub region: RegionId,
    /// Empty for a node that may be promoted.
    pub exclusions: Vec<Exclusion>,
    /// Whether the primary last confirmed it as a synchronous peer.
    pub synchronous: bool,
    pub position: Option<Lsn>,
    /// Bytes behind the primary's last known position.
    pub bytes_behind: Option<u64>,
    /// Why it stands where it stands, in words.
    pub reasons: Vec<String>,
}

impl Candidate {
    pub fn is_eligible(&self) -> bool {
        self.exclusions.is_empty()
    }
}

/// What the promotion is for: a planned move asks more of the target than an emergency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    Planned { lag_tolerance: Option<Span> },
    Emergency,
}

/// All nodes but none left out: the eligible ones first, best first; then the excluded ones with their reasons.
/// The order is total and does not depend on the order of the input.
pub fn rank(view: &ClusterView, rule: &Detection, urgency: Urgency, now: Instant) -> Vec<Candidate> {
    let primary = view.primary();
    let mut candidates: Vec<(Candidate, &NodeView)> =
        view.nodes.iter().map(|node| (candidate(view, primary, node, rule, urgency, now), node)).collect();
    let source_fell = primary.is_none_or(|primary| primary.judgement.health != Health::Ok);
    candidates.sort_by_key(|(candidate, node)| {
        let beside_the_failure = source_fell && primary.is_some_and(|primary| primary.region == node.region);
        (
            !candidate.is_eligible(),
            !candidate.synchronous,
            std::cmp::Reverse(candidate.position),
            beside_the_failure,
            node.declared != DeclaredRole::Standby,
            node.node.clone(),
        )
    });
    candidates.into_iter().map(|(candidate, _)| candidate).collect()
}

/// Excludes everything in regions that take nobody, and puts it behind what is left. `shut` says why one does not.
pub fn shut_out(candidates: &mut [Candidate], shut: impl Fn(&RegionId) -> Option<Exclusion>) {
    for candidate in candidates.iter_mut().filter(|candidate| !candidate.exclusions.contains(&Exclusion::IsPrimary)) {
        if let Some(exclusion) = shut(&candidate.region) {
            candidate.exclusions.push(exclusion);
            candidate.reasons.clear();
        }
    }
    candidates.sort_by_key(|candidate| !candidate.is_eligible());
}

/// Excludes nodes for reasons of their own, and puts them behind what is left.
pub fn shut_out_nodes(candidates: &mut [Candidate], exclusions: impl Fn(&NodeId) -> Vec<Exclusion>) {
    for candidate in candidates.iter_mut().filter(|candidate| !candidate.exclusions.contains(&Exclusion::IsPrimary)) {
        let found = exclusions(&candidate.node);
        if !found.is_empty() {
            candidate.exclusions.extend(found);
            candidate.reasons.clear();
        }
    }
    candidates.sort_by_key(|candidate| !candidate.is_eligible());
}

fn candidate(view: &ClusterView, primary: Option<&NodeView>, node: &NodeView, rule: &Detection, urgency: Urgency, now: Instant) -> Candidate {
    let synchronous = view.is_synchronous_peer(&node.node);
    let position = node.position();
    let bytes_behind = primary.and_then(NodeView::position).zip(position).map(|(leading, own)| leading.bytes_ahead_of(own));
    let exclusions = exclusions(view, primary, node, rule, urgency, now);
    let mut reasons = Vec::new();
    if exclusions.is_empty() {
        if synchronous {
            let only = view.is_only_standby_to_confirm(&node.node);
            let what = if only { ", and there is no other: every acknowledged commit is on it" } else { ", and may have had others" };
            reasons.push(format!("the primary confirmed it as a synchronous standby{what}"));
        }
        reasons.push(match bytes_behind {
            Some(0) => "it holds all WAL the primary was last seen to have".to_owned(),
            Some(bytes) => format!("it is {bytes} bytes of WAL behind the primary's last known position"),
            None => "the primary's position is not known".to_owned(),
        });
        if let Some(primary) = primary {
            let same = primary.region == node.region;
            reasons.push(if same {
                format!("it stands in the same region, {}", node.region)
            } else {
                format!("it stands in another region, {}", node.region)
            });
        }
        let low = node.rooms(rule, now).into_iter().filter(|(_, room)| room.is_low());
        reasons.extend(low.map(|(place, room)| format!("the disk of {place} is low: {} left", room_in_words(room.free))));
        if node.declared == DeclaredRole::Standby {
            reasons.push("it is declared a standby, kept in order to take over".to_owned());
        }
    }
    Candidate { node: node.node.clone(), region: node.region.clone(), exclusions, synchronous, position, bytes_behind, reasons }
}

fn exclusions(view: &ClusterView, primary: Option<&NodeView>, node: &NodeView, rule: &Detection, urgency: Urgency, now: Instant) -> Vec<Exclusion> {
    let mut found = Vec::new();
    if primary.is_some_and(|primary| primary.node == node.node) {
        return vec![Exclusion::IsPrimary];
    }
    if !node.promotable {
        found.push(Exclusion::NotPromotable);
    }
    if view.failed_regions.contains(&node.region) {
        found.push(Exclusion::FailedRegion(node.region.clone()));
    }
    let Some(reading) = &node.reading else {
        found.push(Exclusion::NeverRead);
        return found;
    };
    if node.judgement.health != Health::Ok {
        found.push(Exclusion::NotHealthy { health: node.judgement.health, why: node.judgement.why.clone() });
    } else if node.is_stale(rule, now) {
        found.push(Exclusion::Stale { age: Span::between(reading.at, now), limit: rule.silence() });
    }
    if let Some(needed) = view.timeline().filter(|needed| *needed != reading.timeline) {
        found.push(Exclusion::WrongTimeline { own: reading.timeline, needed });
    }
    if let Some(leading) = primary.and_then(|primary| primary.reading.as_ref())
        && leading.system_identifier != reading.system_identifier
    {
        found.push(Exclusion::OtherSystem { own: reading.system_identifier.clone(), needed: leading.system_identifier.clone() });
    }
    if let Some(clash) = view.clash(node) {
        found.push(Exclusion::OtherHistory { timeline: clash.timeline, own: clash.own, needed: clash.leading });
    }
    if let Some((own, needed)) = view.major_differs(node) {
        found.push(Exclusion::OtherMajor { own, needed });
    }
    let full = node.rooms(rule, now).into_iter().filter(|(_, room)| room.is_full());
    found.extend(full.map(|(place, room)| Exclusion::NoDiskRoom { place: place.to_owned(), free: room.free }));
    match &reading.role {
        NodeRole::Primary { .. } => found.push(Exclusion::IsPrimary),
        NodeRole::Standby { delayed, streaming_from, .. } => {
            if *delayed {
                found.push(Exclusion::Delayed);
            }
            if let Urgency::Planned { lag_tolerance } = urgency {
                if streaming_from.is_none() {
                    found.push(Exclusion::NotStreaming);
                }
                found.extend(lag_exclusion(primary, node, lag_tolerance));
            }
        }
    }
    found
}

/// A planned move waits for the last byte anyway; the tolerance keeps it from starting while that would take long.
/// Bytes decide whether there is a lag at all: an idle primary makes the age of the last commit meaningless (trap D17).
/// They are compared within one reading of the primary where it lists the node, for the samples of two nodes are taken at
/// different moments, and a few bytes written in between are no lag.
pub(super) fn lag_exclusion(primary: Option<&NodeView>, node: &NodeView, tolerance: Option<Span>) -> Option<Exclusion> {
    let limit = tolerance?;
    match bytes_behind(primary, node) {
        None => Some(Exclusion::LagUnknown),
        Some(0) => None,
        Some(bytes) => match lag(primary, node) {
            // So little is sent and replayed at once; the age of the last commit would speak of the primary's idleness.
            _ if bytes < LITTLE_BYTES => None,
            Some(lag) if lag > limit => Some(Exclusion::LagAboveTolerance { lag, limit }),
            Some(_) => None,
            None => Some(Exclusion::LagUnknown),
        },
    }
}

/// Less than this much WAL is no lag worth a time: a sixteenth of a segment.
const LITTLE_BYTES: u64 = 1 << 20;

fn bytes_behind(primary: Option<&NodeView>, node: &NodeView) -> Option<u64> {
    let between_samples = || Some(primary?.position()?.bytes_ahead_of(node.position()?));
    bytes_behind_as_listed(primary, node).or_else(between_samples)
}

/// How far the primary itself, in one reading, saw the node behind.
fn bytes_behind_as_listed(primary: Option<&NodeView>, node: &NodeView) -> Option<u64> {
    match &primary?.reading.as_ref()?.role {
        NodeRole::Primary { flushed, peers } => {
            let peer = peers.iter().find(|peer| peer.name == node.node.as_str() && peer.streaming)?;
            Some(flushed.bytes_ahead_of(peer.replayed?))
        }
        NodeRole::Standby { .. } => None,
    }
}

/// The lag in time: the primary's own measure where it has one; none where the node lacks nothing; else how long ago the primary
/// was last seen to hold no more than the node has replayed. The age of the last replayed commit is an upper bound and the last
/// resort: of a few bytes it would only say how long the primary was idle before (trap D17).
pub fn lag(primary: Option<&NodeView>, node: &NodeView) -> Option<Span> {
    let reported = primary.and_then(|primary| match &primary.reading.as_ref()?.role {
        NodeRole::Primary { peers, .. } => peers.iter().find(|peer| peer.name == node.node.as_str())?.replay_lag,
        NodeRole::Standby { .. } => None,
    });
    let bytes = bytes_behind(primary, node);
    let nothing = (bytes == Some(0)).then_some(Span::ZERO);
    let is_little = bytes.is_some_and(|bytes| bytes < LITTLE_BYTES);
    reported.or(nothing).or(node.details.behind).or_else(|| match &node.reading.as_ref()?.role {
        NodeRole::Standby { since_last_commit, .. } => since_last_commit.filter(|_| !is_little),
        NodeRole::Primary { .. } => None,
    })
}
