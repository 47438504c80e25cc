//! How much acknowledged data a promotion can cost, said before anyone confirms it (row 52). Zero only with a proof.

use super::{ClusterView, HostState, NodeView};
use crate::{
    estate::Detection,
    health::Health,
    id::NodeId,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// The most that a promotion can lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "bound")]
pub enum LossBound {
    /// Nothing acknowledged can be lost, and why.
    Zero {
        because: ZeroLoss,
    },
    /// At most the WAL the target is known to lack, and what was written while nobody was looking.
    AtMost {
        /// Bytes between the primary's last known position and the target's, rounded up to a power of two.
        bytes: u64,
        /// The stretch of time in which the primary may have acknowledged writes that no sample shows, rounded up.
        unseen: Span,
    },
    /// The same where the primary is silent and nothing shows that it has stopped writing: what is unseen grows until it is fenced.
    /// Said by its beginning, so that time alone takes no agreement back.
    Open {
        bytes: u64,
        /// The last sample of the primary, to the second below.
        since: Instant,
    },
    Unknown {
        why: String,
    },
}

/// The proof behind a loss of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroLoss {
    /// The plan stops the writes and promotes only once the target holds every byte.
    WaitsForLastByte,
    /// What is restored comes into a new folder; the source is not touched.
    NewFolder,
    /// Clients are sent elsewhere; the data stays where it is.
    MovesNoData,
    /// The plan fences the primary, reads its write-ahead log, and promotes only where the target holds every transaction in it that
    /// was acknowledged.
    ProvenBeforePromotion,
    /// The primary confirmed the target as a synchronous peer right before it fell, and there is no other standby that could
    /// have confirmed a commit in its place.
    SynchronousPeer,
    /// Patroni stops the leader cleanly, and PostgreSQL ends only once a standby that streams has confirmed every byte.
    HandedOver,
}

impl LossBound {
    pub fn is_zero(&self) -> bool {
        matches!(self, LossBound::Zero { .. })
    }
    /// Whether a person who accepted `self` has also accepted `other`.
    pub fn covers(&self, other: &LossBound) -> bool {
        match (self, other) {
            (_, LossBound::Zero { .. }) => true,
            (LossBound::AtMost { bytes, unseen }, LossBound::AtMost { bytes: other_bytes, unseen: other_unseen }) => {
                bytes >= other_bytes && unseen >= other_unseen
            }
            (LossBound::Open { bytes, since }, LossBound::Open { bytes: other_bytes, since: other_since }) => {
                bytes >= other_bytes && since <= other_since
            }
            // A stretch that was found to have ended began with the same sample, or with a later one.
            (LossBound::Open { bytes, .. }, LossBound::AtMost { bytes: other_bytes, .. }) => bytes >= other_bytes,
            (LossBound::Unknown { .. }, _) => true,
            (LossBound::Zero { .. } | LossBound::AtMost { .. } | LossBound::Open { .. }, _) => false,
        }
    }
    /// The bound of losing by both: what may be lost of one is not less because another loses nothing.
    pub fn joined(self, other: &LossBound) -> LossBound {
        match (self, other) {
            (LossBound::Unknown { why }, _) => LossBound::Unknown { why },
            (_, LossBound::Unknown { why }) => LossBound::Unknown { why: why.clone() },
            (LossBound::Zero { because }, LossBound::Zero { .. }) => LossBound::Zero { because },
            (LossBound::Zero { .. }, other) => other.clone(),
            (one, LossBound::Zero { .. }) => one,
            (LossBound::AtMost { bytes, unseen }, LossBound::AtMost { bytes: others, unseen: unseen_there }) => {
                LossBound::AtMost { bytes: bytes.max(*others), unseen: unseen.max(*unseen_there) }
            }
            (LossBound::Open { bytes, since }, LossBound::Open { bytes: others, since: since_there }) => {
                LossBound::Open { bytes: bytes.max(*others), since: since.min(*since_there) }
            }
            (LossBound::Open { bytes, since }, LossBound::AtMost { bytes: others, .. }) => LossBound::Open { bytes: bytes.max(*others), since },
            (LossBound::AtMost { bytes, .. }, LossBound::Open { bytes: others, since }) => {
                LossBound::Open { bytes: bytes.max(*others), since: *since }
            }
        }
    }
    /// The bound in a sentence an operator can act on.
    pub fn in_words(&self) -> String {
        match self {
            LossBound::Zero { because: ZeroLoss::WaitsForLastByte } => {
                "none: writes stop first, and the target is promoted only when it holds every byte".to_owned()
            }
            LossBound::Zero { because: ZeroLoss::NewFolder } => "none: it comes into a new folder, and the source is not touched".to_owned(),
            LossBound::Zero { because: ZeroLoss::MovesNoData } => "none: clients are sent elsewhere, the data stays where it is".to_owned(),
            LossBound::Zero { because: ZeroLoss::ProvenBeforePromotion } => {
                "none: the primary is fenced first, and the target is promoted only when it is proven to hold every acknowledged transaction of it"
                    .to_owned()
            }
            LossBound::Zero { because: ZeroLoss::SynchronousPeer } => {
                "none that was acknowledged: the target is a confirmed synchronous standby".to_owned()
            }
            LossBound::Zero { because: ZeroLoss::HandedOver } => {
                "none: Patroni stops the leader cleanly, and PostgreSQL ends only once the streaming target has confirmed every byte".to_owned()
            }
            LossBound::AtMost { bytes, unseen } => format!(
                "at most {} of write-ahead log known to be missing, and whatever was acknowledged in {} without a sample",
                if *bytes == 0 { "0 bytes".to_owned() } else { format!("{bytes} bytes") },
                unseen.rough()
            ),
            LossBound::Open { bytes, since } => format!(
                "at most {bytes} bytes of write-ahead log known to be missing, and whatever was acknowledged from {} until it is fenced",
                since.format("%H:%M:%S UTC")
            ),
            LossBound::Unknown { why } => format!("not known: {why}"),
        }
    }
}

/// The loss bound of promoting `target` in an emergency, after the loss of `source`.
pub fn loss_bound(view: &ClusterView, source: Option<&NodeView>, target: &NodeId, rule: &Detection, now: Instant) -> LossBound {
    let unknown = |why: String| LossBound::Unknown { why };
    let Some(source) = source else {
        return unknown("no node was ever seen as primary".to_owned());
    };
    let (Some(leading), Some(read_at)) = (source.position(), source.reading.as_ref().map(|reading| reading.at)) else {
        return unknown(format!("the WAL position of {} was never read", source.node));
    };
    let Some((own, own_reading)) = view.node(target).and_then(|node| node.position().zip(node.reading.as_ref())) else {
        return unknown(format!("the WAL position of {target} was never read"));
    };
    let source_reading = source.reading.as_ref();
    if source_reading.is_some_and(|reading| (&reading.system_identifier, reading.timeline) != (&own_reading.system_identifier, own_reading.timeline))
    {
        return unknown(format!(
            "{target} and {} are not on one timeline of one database system, so their positions cannot be compared",
            source.node
        ));
    }
    if let Some(clash) = view.node(target).and_then(|node| view.clash(node)) {
        return unknown(format!(
            "{target} and {} are on two timelines with the number {}, so their positions cannot be compared",
            source.node, clash.timeline
        ));
    }
    if own >= leading && is_proven_synchronous(view, source, target, rule, now) {
        return LossBound::Zero { because: ZeroLoss::SynchronousPeer };
    }
    // A process its host saw gone, or stopped by a signal, wrote nothing after the probes first failed. Any other silence
    // may still be writing.
    let still = source.host.as_ref().is_some_and(|host| matches!(host.state, HostState::Gone | HostState::Hung));
    let bytes = round_up_bytes(leading.bytes_ahead_of(own));
    let until = match (still, source.judgement.health, source.judgement.since) {
        (true, Health::Down, Some(first_failure)) => first_failure,
        (_, Health::Down | Health::Unknown, _) => return LossBound::Open { bytes, since: whole_second(read_at) },
        (_, Health::Ok | Health::Degraded, _) => now,
    };
    LossBound::AtMost { bytes, unseen: round_up_time(Span::between(read_at, until)) }
}

/// Whether every commit the source acknowledged is on `target`. That the source once named it as a synchronous peer is
/// not enough: it must have said so right before it failed, and no other standby can have confirmed a commit in its place.
/// With a quorum any of several does, and where they are ranked PostgreSQL moves on to the next by itself. What another one
/// was last seen to hold proves nothing: the commit that only it has may be younger.
fn is_proven_synchronous(view: &ClusterView, source: &NodeView, target: &NodeId, rule: &Detection, now: Instant) -> bool {
    let fell_at = if source.answers() { now } else { source.judgement.since.unwrap_or(now) };
    let said_in_time = source.reading.as_ref().is_some_and(|reading| Span::between(reading.at, fell_at) <= rule.silence());
    said_in_time && view.is_only_standby_to_confirm(target)
}

/// Rounding keeps a plan's bound, and so its hash, steady while samples jitter: the reader sees an upper bound either way.
fn round_up_bytes(bytes: u64) -> u64 {
    if bytes == 0 { 0 } else { bytes.checked_next_power_of_two().unwrap_or(u64::MAX) }
}

fn whole_second(at: Instant) -> Instant {
    at - Span::from_millis(u64::from(at.timestamp_subsec_millis())).as_delta()
}

fn round_up_time(span: Span) -> Span {
    const STEPS_SECS: [u64; 10] = [1, 2, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400];
    STEPS_SECS.iter().map(|secs| Span::from_secs(*secs)).find(|step| *step >= span).unwrap_or_else(|| {
        let days = span.as_millis().div_ceil(86_400_000);
        Span::from_secs(days * 86_400)
    })
}
