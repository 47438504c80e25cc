//! What observers and the server say to each other, as JSON.

use engine::{
    estate::Estate,
    health::Sample,
    id::{RegionId, ServiceId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What an observer is to probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetList {
    /// Changes when the list does.
    pub version: String,
    pub targets: Vec<Target>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub service: ServiceId,
    pub region: RegionId,
    /// As the estate has it: the address as the server sees it.
    pub target: String,
    pub interval: Span,
    pub timeout: Span,
}

impl TargetList {
    /// Every endpoint that is probed; heartbeats come by themselves.
    pub fn of(estate: &Estate) -> Self {
        let endpoints = estate.services.iter().flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, endpoint)));
        let targets: Vec<Target> = endpoints
            .filter(|(_, endpoint)| !endpoint.is_heartbeat())
            .map(|(service, endpoint)| {
                let rule = estate.detection_at(service, endpoint);
                let (service, region, target) = (service.id.clone(), endpoint.region.clone(), endpoint.target.clone());
                Target { service, region, target, interval: rule.interval, timeout: rule.timeout }
            })
            .collect();
        let mut digest = Sha256::new();
        for target in &targets {
            digest.update(format!("{} {} {} {} {}\n", target.service, target.region, target.target, target.interval, target.timeout));
        }
        let version = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { version, targets }
    }
}

/// What an observer saw since its last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// By the observer's clock.
    pub sent_at: Instant,
    /// Where the observer was told that it is.
    pub from: RegionId,
    /// Of the list it probes.
    pub version: String,
    /// At most `MOST_SAMPLES`; the same sample may come twice, and counts once.
    pub samples: Vec<Seen>,
}

impl Report {
    pub const MOST_SAMPLES: usize = 5_000;
    /// A clock that is further off than this makes samples worthless.
    pub const MOST_SKEW: Span = Span::from_secs(5);
    /// Older samples say nothing about now. An observer keeps what it could not deliver for as long.
    pub const OLDEST: Span = Span::from_mins(2);
}

/// One sample with what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub service: ServiceId,
    pub region: RegionId,
    #[serde(flatten)]
    pub sample: Sample,
}

/// The answer to a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    pub accepted: usize,
    /// How many were not taken, and the first reason.
    pub refused: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Of the list to probe; where it is another one than in the report, the observer asks for it.
    pub version: String,
}

/// What a service says of itself. An empty body says that it is well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    #[serde(default)]
    pub state: BeatState,
    /// Shown as the reason where it is not well; at most 200 characters of it.
    #[serde(default)]
    pub why: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BeatState {
    #[default]
    Ok,
    Degraded,
    Failed,
}
