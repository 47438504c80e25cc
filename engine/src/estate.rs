//! What the platform is said to be: regions, services with their objectives and dependencies, declared strategies and
//! database clusters. It is data a person edits (`engine/estate/default.toml` is the guide's platform), never code.

use crate::{
    id::{ClusterId, HookId, NodeId, ObserverId, RegionId, ServiceId, StrategyId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

mod monitoring;
#[cfg(feature = "toml")]
mod reading;
pub use monitoring::Monitoring;
#[cfg(feature = "toml")]
pub use reading::EstateError;

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

/// How the clients of a service are sent to its regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Where clients come in, written like the target of an endpoint. Moves are proven through it.
    pub address: String,
    /// The header of an HTTP answer that names the region it came from. Without it a move is proven only by a good answer
    /// and by reading the routing back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_header: Option<String>,
    pub by: TrafficMeans,
}

/// What sends the clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TrafficMeans {
    /// HAProxy's runtime API: the servers of `backend` are named like the regions.
    Haproxy {
        /// Path of the runtime API's socket.
        socket: String,
        backend: String,
    },
    /// The addresses under one name, changed by dynamic update (RFC 2136) on the zone's primary name server.
    Dns {
        /// `host:port` of the zone's primary name server.
        server: String,
        zone: String,
        /// What clients look up; it lies in `zone`.
        name: String,
        /// For how long clients may keep an answer.
        ttl: Span,
        /// Name of the TSIG key; its secret is in the server's configuration, `[dns_key."NAME"]`.
        key: String,
        #[serde(default)]
        algorithm: TsigAlgorithm,
        /// What the name stands for while clients are sent to a region: IPv4 and IPv6 addresses, or one other name (CNAME).
        targets: BTreeMap<RegionId, Vec<String>>,
    },
    /// A web service that is told where to send clients, and asked where it sends them.
    Webhook {
        /// Is posted `{"service", "from", "to", "idempotency_key"}`.
        url: String,
        /// Answers `{"regions": […]}`.
        status_url: String,
        /// Name of the bearer token; it is in the server's configuration, `[webhook_token.NAME]`, with where it may be sent.
        token: String,
    },
    /// Programs on Lifeboat's own machine; their command lines are in the server's configuration, `[command.NAME]`, only.
    Command { name: String },
    /// One plain record set of a hosted zone of Amazon Route 53. Only in a server built with the cargo feature `aws`; whose
    /// credentials are used says the server's configuration, `[aws]`.
    Route53 {
        /// Id of the hosted zone, `Z0123456789ABCDEFGHIJ`.
        hosted_zone: String,
        /// What clients look up; it lies in the zone. Nothing else may stand under it with this type: no alias, no weighted or
        /// failover records, no health check.
        name: String,
        #[serde(default)]
        record_type: RecordType,
        /// For how long clients may keep an answer.
        ttl: Span,
        /// The record's values while clients are sent to a region.
        targets: BTreeMap<RegionId, Vec<String>>,
    },
    /// The routing controls of Amazon's Application Recovery Controller, one for each region. As `route53`, only with the feature `aws`.
    ArcRoutingControl {
        /// The cluster's endpoints, tried in an order that changes: any of them may be gone when it matters.
        endpoints: Vec<ArcEndpoint>,
        /// The ARN of each region's routing control: On while clients are sent there.
        controls: BTreeMap<RegionId, String>,
        /// For how long clients may keep an answer of the records that the routing controls switch.
        ttl: Span,
    },
    /// Remembers what it was told and moves nobody. Everything it does says SIMULATED.
    Simulated {},
}

/// The type of a record set in Route 53.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordType {
    #[default]
    A,
    #[serde(rename = "AAAA")]
    Aaaa,
    /// One other name.
    #[serde(rename = "CNAME")]
    Cname,
}

impl RecordType {
    pub fn as_str(self) -> &'static str {
        match self {
            RecordType::A => "A",
            RecordType::Aaaa => "AAAA",
            RecordType::Cname => "CNAME",
        }
    }
}

/// One endpoint of an ARC cluster, as `DescribeCluster` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArcEndpoint {
    /// `https://….amazonaws.com/v1`.
    pub url: String,
    /// The region of AWS it is in; requests are signed for it.
    pub region: String,
}

/// What a TSIG key is used with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TsigAlgorithm {
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

impl TrafficMeans {
    pub fn is_simulated(&self) -> bool {
        matches!(self, TrafficMeans::Simulated {})
    }
    /// For how long clients may still go where they were sent before; `None` where they follow at once.
    pub fn delay(&self) -> Option<Span> {
        match self {
            TrafficMeans::Dns { ttl, .. } | TrafficMeans::Route53 { ttl, .. } | TrafficMeans::ArcRoutingControl { ttl, .. } => Some(*ttl),
            TrafficMeans::Haproxy { .. } | TrafficMeans::Webhook { .. } | TrafficMeans::Command { .. } | TrafficMeans::Simulated {} => None,
        }
    }
    /// The limit of a step that sends clients. Route 53 tells its name servers one after the other, as a rule within a minute.
    pub fn limit(&self) -> Span {
        match self {
            TrafficMeans::Route53 { .. } => Span::from_secs(90),
            TrafficMeans::Haproxy { .. }
            | TrafficMeans::Dns { .. }
            | TrafficMeans::Webhook { .. }
            | TrafficMeans::Command { .. }
            | TrafficMeans::ArcRoutingControl { .. }
            | TrafficMeans::Simulated {} => Span::from_secs(10),
        }
    }
    /// What it is, for people.
    pub fn in_words(&self) -> String {
        match self {
            TrafficMeans::Haproxy { backend, .. } => format!("HAProxy, backend {backend}"),
            TrafficMeans::Dns { name, .. } => format!("DNS, {name} by dynamic update"),
            TrafficMeans::Webhook { url, .. } => format!("the webhook {url}"),
            TrafficMeans::Command { name } => format!("the command {name}"),
            TrafficMeans::Route53 { name, .. } => format!("Route 53, {name}"),
            TrafficMeans::ArcRoutingControl { controls, .. } => format!("ARC, {} routing controls", controls.len()),
            TrafficMeans::Simulated {} => "a simulator".to_owned(),
        }
    }
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
    /// When samples of what is under this strategy become a verdict, where an endpoint or a cluster does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// The product waits this long after the verdict before it starts a failover or asks for one.
    #[serde(default)]
    pub wait: Span,
    /// After a failover the product starts no other one on the same service for this long. A failback starts no cooldown.
    #[serde(default = "Strategy::default_cooldown")]
    pub cooldown: Span,
    /// A region must have been well for this long before clients return to it.
    #[serde(default = "Strategy::default_dwell")]
    pub dwell: Span,
    /// At least so many regions that are well stay on in every move.
    #[serde(default = "Strategy::default_minimum")]
    pub minimum_on: u32,
    /// So many different people must approve what takes an approval, none of them the one who requested it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub approvals: u32,
    /// How long a planned move of clients can be taken back after it was proven. Where absent it is final at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitWindow>,
}

/// The time in which people commit a planned move of clients or roll it back, and what happens where they do neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitWindow {
    pub window: Span,
    pub then: AtEnd,
}

/// What follows when nobody has decided by the end of a commit window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtEnd {
    Commit,
    /// Clients are sent back, unless where they came from is not known to be well.
    RollBack,
}

impl Strategy {
    fn default_cooldown() -> Span {
        Span::from_mins(30)
    }
    fn default_dwell() -> Span {
        Span::from_mins(10)
    }
    fn default_minimum() -> u32 {
        1
    }
    /// The primary region, then the others in their order, each once.
    pub fn regions(&self) -> impl Iterator<Item = &RegionId> {
        std::iter::once(&self.primary_region).chain(self.recovery_regions.iter().filter(|region| **region != self.primary_region))
    }
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

fn one() -> u32 {
    1
}
fn is_one(value: &u32) -> bool {
    *value == 1
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
    /// In how many places there are observers; the server is a place of its own.
    pub fn places(&self) -> usize {
        let regions: std::collections::BTreeSet<&RegionId> = self.observers.iter().map(|observer| &observer.region).collect();
        regions.len() + usize::from(self.server_observes)
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
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| &node.id == id)
    }
}
