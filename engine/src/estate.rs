//! What the platform is said to be: regions, services with their objectives and dependencies, declared strategies and
//! database clusters. It is data a person edits (`engine/estate/default.toml` is the guide's platform), never code.

use crate::{
    id::{ClusterId, NodeId, RegionId, ServiceId, StrategyId},
    time::Span,
};
use serde::{Deserialize, Serialize};
use std::fmt;

#[cfg(feature = "toml")]
mod reading;
#[cfg(feature = "toml")]
pub use reading::EstateError;

/// The declared platform. A broken estate is normal input: what is wrong with it becomes findings, only a text that
/// is no estate at all is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estate {
    pub name: String,
    /// How a silent or failing probe becomes a verdict, where a cluster or endpoint does not say otherwise.
    #[serde(default)]
    pub detection: Detection,
    #[serde(default, rename = "region")]
    pub regions: Vec<Region>,
    #[serde(default, rename = "service")]
    pub services: Vec<Service>,
    #[serde(default, rename = "strategy")]
    pub strategies: Vec<Strategy>,
    #[serde(default, rename = "cluster")]
    pub clusters: Vec<Cluster>,
}

/// A place whose parts can fail together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub id: RegionId,
    pub name: String,
    /// Base address of the host agent there, for example `http://10.1.0.5:7700`. Without it nothing in the region can be fenced by its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Recovery tier: 1 mission critical (minutes), 2 business critical (hours), 3 business operational (a day), 4 non-critical (days).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Tier(u8);

impl Tier {
    pub const ALL: [Tier; 4] = [Tier(1), Tier(2), Tier(3), Tier(4)];
    pub fn number(self) -> u8 {
        self.0
    }
    pub fn meaning(self) -> &'static str {
        match self.0 {
            1 => "mission critical",
            2 => "business critical",
            3 => "business operational",
            _ => "non-critical",
        }
    }
}
impl TryFrom<u8> for Tier {
    type Error = String;
    fn try_from(number: u8) -> Result<Self, String> {
        if (1..=4).contains(&number) { Ok(Tier(number)) } else { Err(format!("tier {number} does not exist; tiers are 1 to 4")) }
    }
}
impl From<Tier> for u8 {
    fn from(tier: Tier) -> u8 {
        tier.0
    }
}
impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tier {}", self.0)
    }
}

/// One service with what was promised for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub id: ServiceId,
    pub tier: Tier,
    /// Recovery time objective: the longest time until the service works again, counted from the incident.
    pub rto: Span,
    /// Recovery point objective: the longest stretch of data that may be lost. `0s` is a promise, not an absence.
    pub rpo: Span,
    /// Maximum tolerable period of disruption.
    pub mtpd: Span,
    #[serde(default)]
    pub depends_on: Vec<ServiceId>,
    pub data_class: DataClass,
    #[serde(default)]
    pub compliance: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyId>,
    #[serde(default, rename = "endpoint", skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataClass {
    Standard,
    Sensitive,
    Internal,
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DataClass::Standard => "standard",
            DataClass::Sensitive => "sensitive",
            DataClass::Internal => "internal",
        })
    }
}

/// One place where a service can be probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub region: RegionId,
    /// `http://host:port/path`, `https://…` or `tcp://host:port`. No other scheme is ever probed.
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
}

/// When samples become a verdict: at least `failures` bad ones among the last `samples` distinct rounds, all inside `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Time between two probes of one target.
    pub interval: Span,
    /// A probe without an answer for this long has failed.
    pub timeout: Span,
    /// k: this many failed probes …
    pub failures: u32,
    /// n: … among the last this many.
    pub samples: u32,
    /// Good probes in a row before a failed target is believed to be back.
    pub recoveries: u32,
}

impl Default for Detection {
    fn default() -> Self {
        Self { interval: Span::from_secs(5), timeout: Span::from_secs(2), failures: 3, samples: 3, recoveries: 3 }
    }
}

impl Detection {
    /// The most samples or recoveries a rule may ask for; more are not kept.
    pub const MOST_ROUNDS: u32 = 60;

    /// The stretch of time the last `samples` rounds must lie in: one round of slack beyond their nominal length,
    /// plus the time-out of each, so that slow failures still count as consecutive.
    pub fn window(&self) -> Span {
        self.stretch(self.samples)
    }
    /// The stretch of time that `rounds` rounds may take.
    pub fn stretch(&self, rounds: u32) -> Span {
        self.interval.saturating_add(self.timeout).times(rounds.saturating_add(1))
    }
    /// Silence for this long is unknown: two missed rounds and the time-out of the last.
    pub fn silence(&self) -> Span {
        self.interval.times(2).saturating_add(self.timeout)
    }
    /// What makes the rule unusable. A rule with a mistake judges nothing: every verdict under it is unknown (trap F10).
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |wrong: bool, text: &dyn Fn() -> String| {
            if wrong {
                mistakes.push(text());
            }
        };
        check(self.interval == Span::ZERO, &|| "the interval is zero".to_owned());
        check(self.timeout == Span::ZERO, &|| "the time-out is zero".to_owned());
        check(self.failures == 0, &|| "failures is 0, at least 1 is needed".to_owned());
        check(self.samples == 0, &|| "samples is 0, at least 1 is needed".to_owned());
        check(self.recoveries == 0, &|| "recoveries is 0, at least 1 is needed".to_owned());
        check(self.failures > self.samples, &|| format!("{} failures among {} samples can never happen", self.failures, self.samples));
        check(self.samples.max(self.recoveries) > Self::MOST_ROUNDS, &|| format!("samples and recoveries may be at most {}", Self::MOST_ROUNDS));
        mistakes
    }
}

/// How a group of services is meant to survive the loss of its primary region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    pub id: StrategyId,
    pub kind: StrategyKind,
    pub primary_region: RegionId,
    pub recovery_regions: Vec<RegionId>,
    pub failover: FailoverMode,
    pub failback: FailoverMode,
    pub replication: Replication,
    /// A standby further behind than this may not be promoted in a planned move.
    pub lag_tolerance: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    ActiveActive,
    ActivePassive,
    WarmStandby,
    PilotLight,
    BackupRestore,
}

/// Who starts a move: the product, the product after an approval, or only a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverMode {
    Automatic,
    SemiAutomatic,
    Manual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    Synchronous,
    Asynchronous,
}

/// A PostgreSQL cluster: one writable node at a time, the others follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    pub id: ClusterId,
    /// The service this cluster is; objectives and blast radius come from there.
    pub service: ServiceId,
    /// The database the probes and write proofs connect to.
    pub database: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<Router>,
    #[serde(default, rename = "node")]
    pub nodes: Vec<Node>,
}

/// What sends clients to the writable node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// Path of HAProxy's runtime API socket.
    pub socket: String,
    /// The HAProxy backend whose servers are named like the nodes.
    pub backend: String,
    /// Where clients connect, `host:port`; write proofs go through it.
    pub address: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub id: NodeId,
    pub region: RegionId,
    pub host: String,
    pub port: u16,
    /// What the node is meant to be while all is well. What it is now comes from observation.
    pub role: DeclaredRole,
    /// False keeps the node out of every promotion (a reporting replica, a delayed standby).
    #[serde(default = "yes")]
    pub promotable: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeclaredRole {
    /// Takes the writes.
    Primary,
    /// Follows for reading, in the primary's region as a rule.
    Replica,
    /// Follows in order to take over.
    Standby,
}

impl Estate {
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|service| &service.id == id)
    }
    pub fn cluster(&self, id: &ClusterId) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| &cluster.id == id)
    }
    pub fn strategy(&self, id: &StrategyId) -> Option<&Strategy> {
        self.strategies.iter().find(|strategy| &strategy.id == id)
    }
    pub fn region(&self, id: &RegionId) -> Option<&Region> {
        self.regions.iter().find(|region| &region.id == id)
    }
    /// The detection rule of a cluster: its own, else the estate's.
    pub fn detection_of(&self, cluster: &Cluster) -> Detection {
        cluster.detection.unwrap_or(self.detection)
    }
    /// The lag a standby may have in a planned move: the strategy's, the one place it is stated.
    pub fn lag_tolerance_of(&self, cluster: &Cluster) -> Option<Span> {
        let strategy = self.strategy(cluster.strategy.as_ref()?)?;
        Some(strategy.lag_tolerance)
    }
}

impl Cluster {
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| &node.id == id)
    }
}
