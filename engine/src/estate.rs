//! What the platform is said to be: regions, services with their objectives and dependencies, declared strategies and
//! database clusters. It is data a person edits (`engine/estate/default.toml` is the guide's platform), never code.

use crate::{
    id::{ClusterId, DestinationId, FenceId, HookId, NodeId, ObserverId, PolicyId, RegionId, ScenarioId, ServiceId, StrategyId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::fmt;

mod backup;
mod detection;
mod monitoring;
mod pooler;
#[cfg(feature = "toml")]
mod reading;
mod scenario;
mod strategy;
mod synchronous;
mod traffic;
pub use backup::{Assertion, BackupPolicy, BackupSource, Destination, ListingFormat, Verification};
pub use detection::Detection;
pub use monitoring::Monitoring;
pub use pooler::{Follows, Pooler};
#[cfg(feature = "toml")]
pub use reading::EstateError;
pub use scenario::{Criterion, DisasterType, Guardrail, Mark, Risk, Scenario, ScenarioStep, StepAction, TestType};
pub use strategy::{AtEnd, CommitWindow, FailoverMode, Replication, Strategy, StrategyKind};
pub use synchronous::Synchronous;
pub use traffic::{ArcEndpoint, RecordType, Traffic, TrafficMeans, TsigAlgorithm};

/// The declared platform. A broken estate is normal input: what is wrong with it becomes findings, only a text that
/// is no estate at all is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estate {
    pub name: String,
    /// Observers in so many places must agree before an endpoint counts as down. Where absent, two if there is an observer
    /// beside the server, else the server alone decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// Whether the server probes the endpoints too. Where it is false, only the declared observers do.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub server_observes: bool,
    /// The region the server runs in, where it runs in one: it fails with the observers there, and counts once with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_region: Option<RegionId>,
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
    /// Times in which nothing is moved on purpose.
    #[serde(default, rename = "blackout", skip_serializing_if = "Vec::is_empty")]
    pub blackouts: Vec<Blackout>,
    /// What is told of operations, so that nobody is woken by what is left on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitoring: Vec<Monitoring>,
    /// Programs that run before and after operations.
    #[serde(default, rename = "hook", skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// Who probes the endpoints beside the server.
    #[serde(default, rename = "observer", skip_serializing_if = "Vec::is_empty")]
    pub observers: Vec<Observer>,
    /// Where copies of backups are kept.
    #[serde(default, rename = "destination", skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Destination>,
    #[serde(default, rename = "backup_policy", skip_serializing_if = "Vec::is_empty")]
    pub backup_policies: Vec<BackupPolicy>,
    /// DR tests.
    #[serde(default, rename = "scenario", skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<Scenario>,
}

/// Programs that run before and after the operations on some services and their clusters. What they are stands in the server's
/// configuration, so that editing the estate cannot run another program. In a test they do not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    pub id: HookId,
    /// The services whose operations it is about; none for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceId>,
    /// Whether it runs before anything is done. Where it fails then, nothing is done.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub before: bool,
    /// Whether it runs at the end, whether the operation reached it or was undone. A failure then is recorded.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub after: bool,
    #[serde(default = "Hook::default_timeout")]
    pub timeout: Span,
}

impl Hook {
    fn default_timeout() -> Span {
        Span::from_secs(30)
    }
}

/// Something that probes every endpoint from where it is and reports what it sees: `lifeboat agent --region …`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observer {
    pub id: ObserverId,
    /// Where it is. Observers in one region fail together, so they count as one.
    pub region: RegionId,
}

/// A stretch of time in which planned moves and tests are refused; emergencies are not (row 68).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blackout {
    /// RFC 3339 with an offset, `2026-12-24T00:00:00Z`.
    pub from: Instant,
    pub until: Instant,
    pub reason: String,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
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
    /// `http://host:port/path`, `https://…` or `tcp://host:port`. No other scheme is ever probed. `heartbeat` for what cannot
    /// be probed: the service itself says that it is well, once in every interval of its detection rule.
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
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
    /// For how long the host of the primary lets it take writes without a word from Lifeboat; then it stops it. Absent: for ever.
    /// It makes a host that cannot be reached provably stopped, and Lifeboat something that the database needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Span>,
    #[serde(default, skip_serializing_if = "Manager::is_lifeboat")]
    pub manager: Manager,
    /// How many standbys confirm a commit, and which may, where the strategy declares synchronous replication. Absent: one, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synchronous: Option<Synchronous>,
    #[serde(default, rename = "node")]
    pub nodes: Vec<Node>,
    /// The PgBouncers that clients come through.
    #[serde(default, rename = "pooler", skip_serializing_if = "Vec::is_empty")]
    pub poolers: Vec<Pooler>,
}

/// Who starts, stops, promotes and rejoins the nodes of a cluster. There is never more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    #[default]
    Lifeboat,
    /// Lifeboat asks it, at the address that each node declares, and proves what came of it.
    Patroni,
}

impl Manager {
    fn is_lifeboat(&self) -> bool {
        *self == Manager::Lifeboat
    }
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
    /// Base address of the REST API of its Patroni, `http://10.1.0.5:8008`; the node's id is the name that Patroni knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patroni: Option<String>,
    /// The command that turns the node off where its host agent cannot. What it is stands in the server's configuration, `[fence.NAME]`, so
    /// that editing the estate cannot run another program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<FenceId>,
}

fn yes() -> bool {
    true
}
fn is_yes(value: &bool) -> bool {
    *value
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

impl Endpoint {
    /// Whether it is not probed, but says by itself that it is well.
    pub fn is_heartbeat(&self) -> bool {
        self.target == "heartbeat"
    }
}

impl Estate {
    /// The number of places whose observers must agree before an endpoint counts as down.
    pub fn quorum(&self) -> u32 {
        self.quorum.unwrap_or(if self.places() > 1 { 2 } else { 1 })
    }
    /// In how many places there are observers; a server that is declared in no region is a place of its own.
    pub fn places(&self) -> usize {
        let observers = self.observers.iter().map(|observer| Some(&observer.region));
        let server = self.server_observes.then_some(self.server_region.as_ref());
        observers.chain(server).collect::<std::collections::BTreeSet<_>>().len()
    }
    pub fn observer(&self, id: &ObserverId) -> Option<&Observer> {
        self.observers.iter().find(|observer| &observer.id == id)
    }
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|service| &service.id == id)
    }
    pub fn cluster(&self, id: &ClusterId) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| &cluster.id == id)
    }
    pub fn strategy(&self, id: &StrategyId) -> Option<&Strategy> {
        self.strategies.iter().find(|strategy| &strategy.id == id)
    }
    pub fn destination(&self, id: &DestinationId) -> Option<&Destination> {
        self.destinations.iter().find(|destination| &destination.id == id)
    }
    pub fn backup_policy(&self, id: &PolicyId) -> Option<&BackupPolicy> {
        self.backup_policies.iter().find(|policy| &policy.id == id)
    }
    pub fn scenario(&self, id: &ScenarioId) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| &scenario.id == id)
    }
    pub fn region(&self, id: &RegionId) -> Option<&Region> {
        self.regions.iter().find(|region| &region.id == id)
    }
    /// The strategy of a service, where it names one that exists.
    pub fn strategy_of(&self, service: &Service) -> Option<&Strategy> {
        self.strategy(service.strategy.as_ref()?)
    }
    /// How many different people must approve a move under this strategy. At least one, whatever is declared.
    pub fn approvals_for(&self, strategy: Option<&StrategyId>) -> u32 {
        strategy.and_then(|id| self.strategy(id)).map_or(1, |strategy| strategy.approvals.max(1))
    }
    /// The detection rule of a cluster: its own, else its strategy's, else the estate's.
    pub fn detection_of(&self, cluster: &Cluster) -> Detection {
        let strategy = || self.strategy(cluster.strategy.as_ref()?)?.detection;
        cluster.detection.or_else(strategy).unwrap_or(self.detection)
    }
    /// The detection rule of an endpoint: its own, else its service's strategy's, else the estate's.
    pub fn detection_at(&self, service: &Service, endpoint: &Endpoint) -> Detection {
        endpoint.detection.or_else(|| self.strategy_of(service)?.detection).unwrap_or(self.detection)
    }
    /// The blackout window in force at `now`; of several the one that ends last.
    pub fn blackout_at(&self, now: Instant) -> Option<&Blackout> {
        self.blackouts.iter().filter(|window| window.from <= now && now < window.until).max_by_key(|window| window.until)
    }
    /// The lag a standby may have in a planned move: the strategy's, the one place it is stated.
    pub fn lag_tolerance_of(&self, cluster: &Cluster) -> Option<Span> {
        let strategy = self.strategy(cluster.strategy.as_ref()?)?;
        Some(strategy.lag_tolerance)
    }
}

impl Cluster {
    /// The shortest lease: several times what a renewal may take.
    pub const SHORTEST_LEASE: Span = Span::from_secs(5);
    /// The longest: nobody waits longer for a proof.
    pub const LONGEST_LEASE: Span = Span::from_mins(10);

    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| &node.id == id)
    }
}
