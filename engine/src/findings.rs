//! Everything the product can complain about: one variant per complaint, with severity, subject, reason and remedy.
//! (Model: omicron's blippy.)

use crate::{
    automation::{Decision, Verdict},
    backups::{BackupType, ProofLevel, health::Freshness},
    databases::{Lsn, MissingRight, bytes_in_words, room_in_words},
    dependencies,
    estate::Cluster,
    failover::State,
    health::Health,
    id::{
        BackupId, ClusterId, DestinationId, HookId, MonitoringId, NodeId, ObserverId, OperationId, PolicyId, PoolerId, RegionId, RunId, RunbookName,
        ServiceId,
    },
    picture::Picture,
    restraints::Restraint,
    strategies,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub mod backups;
mod clusters;
mod declared;
mod details;
mod operations;
mod platform;
mod poolers;
mod remedies;
mod runbooks;
mod traffic;
pub use operations::runs_to_acknowledge;

/// How bad it is, in the words and order of every page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Data or service is lost or about to be.
    Lost,
    /// A person must act.
    Act,
    /// Cannot be judged. Never treated as good.
    Unknown,
    /// Worth knowing.
    Watch,
}

/// One complaint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    pub about: About,
    pub complaint: Complaint,
    /// Absent for what is wrong with the declaration itself.
    pub since: Option<Instant>,
}

/// What a finding is about; pages link to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "id")]
pub enum About {
    Service(ServiceId),
    Cluster(ClusterId),
    Region(RegionId),
    /// A backup policy.
    Policy(PolicyId),
    Runbook(RunbookName),
    /// The declaration as a whole, or a part of it that has no page of its own.
    Estate,
    Journal,
}

/// What is wrong. `to_string()` says it, `remedy()` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "complaint")]
pub enum Complaint {
    #[error("{service} depends on {dependency}, which no service defines")]
    UndefinedDependency { service: ServiceId, dependency: ServiceId },
    #[error("dependency cycle: {}", path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → "))]
    DependencyCycle { path: Vec<ServiceId> },
    #[error("{service} depends on itself")]
    NeedsItself { service: ServiceId },
    #[error("{}", inversion_in_words(service, *objective, *target, *weaker, path))]
    Inversion { service: ServiceId, objective: Objective, target: Span, weaker: Span, path: Vec<ServiceId> },
    #[error("more promises are inverted than the {listed} listed; all those over one dependency are")]
    InversionsCut { listed: usize },
    #[error("the recovery time objective {rto} is longer than the tolerable disruption {mtpd}")]
    RtoAboveMtpd { rto: Span, mtpd: Span },
    #[error("{service} is declared twice")]
    DeclaredTwice { service: ServiceId },
    #[error("{what} is declared twice")]
    PartDeclaredTwice { what: String },
    #[error("the cluster {cluster} belongs to {service}, a service that is not declared")]
    UndeclaredService { cluster: ClusterId, service: ServiceId },
    #[error("the monitoring {monitoring} is to be told of {service}, which is not declared")]
    MonitoringOfNothing { monitoring: MonitoringId, service: ServiceId },
    #[error("the detection rule of {of} cannot be used, so nothing under it is judged: {}", mistakes.join("; "))]
    DetectionMistaken { of: String, mistakes: Vec<String> },
    #[error("the strategy {strategy} asks for {approvals} approvals, and only {able} enabled accounts may approve: nothing under it can be moved")]
    TooFewApprovers { strategy: String, approvals: u32, able: usize },
    #[error("the hook {hook} is about {service}, which is not declared")]
    HookOfNothing { hook: HookId, service: ServiceId },
    #[error("the strategy {strategy} names no recovery region other than its primary one")]
    NoRecoveryRegion { strategy: String },
    #[error("the strategy {strategy} recovers in {}, where no promotable node stands", regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))]
    NoNodeInRecoveryRegion { strategy: String, regions: Vec<RegionId> },
    #[error("nothing of {service} is probed, so its health is not known")]
    NothingProbed { service: ServiceId },
    #[error("{of} names {region}, a region that is not declared")]
    UndeclaredRegion { of: String, region: RegionId },
    #[error("{of} names the strategy {strategy}, which is not declared")]
    UndeclaredStrategy { of: String, strategy: String },
    #[error("{quorum} places must agree before an endpoint counts as down, and there are observers in {places} only")]
    QuorumOutOfReach { quorum: u32, places: usize },
    #[error("the word of the observer {observer} does not count: {why}")]
    ObserverUncounted { observer: ObserverId, why: String },
    #[error("too few observers see for anything to count as down: {counted} of the {quorum} places that must agree")]
    TooFewObservers { quorum: u32, counted: usize },
    #[error("{service} is {health} in {region}: {why}")]
    EndpointNotHealthy { service: ServiceId, region: RegionId, health: Health, why: String },
    #[error("no node takes writes: {why}")]
    NoWritableNode { why: String },
    #[error("more than one node takes writes: {}", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    SplitBrain { nodes: Vec<NodeId> },
    #[error("whether any node takes writes is not known: {why}")]
    WritableUnknown { why: String },
    #[error("{node} is the primary and set to read-only: it refuses ordinary writes")]
    PrimaryReadOnly { node: NodeId },
    #[error(
        "{node} takes writes on timeline {own}, though the cluster has been on timeline {newest}: what is written there is not on the newest copy"
    )]
    WritesOnOldTimeline { node: NodeId, own: u32, newest: u32 },
    #[error("{node} answers and complains: {why}")]
    NodeComplains { node: NodeId, why: String },
    #[error("the lease of {node} is not kept, so nothing proves it stopped where its host cannot be reached: {why}")]
    LeaseNotKept { node: NodeId, why: String },
    #[error("the command that is to turn {node} off cannot be relied on: {why}")]
    FenceUnusable { node: NodeId, why: String },
    #[error("the disk of {place} has {} left on {node}; less than {} is low", room_in_words(*free), bytes_in_words(*limit))]
    DiskLow { node: NodeId, place: String, free: u64, limit: u64 },
    #[error("{node} has {used} of at most {most} client connections")]
    ConnectionsScarce { node: NodeId, used: u32, most: u32 },
    #[error(
        "the replication slot {slot} of {node} has lost WAL it was to keep: {} cannot go on",
        of.as_ref().map_or("whoever streams from it", NodeId::as_str)
    )]
    SlotLost { node: NodeId, slot: String, of: Option<NodeId> },
    #[error("the replication slot {slot} of {node} is about to lose WAL it was to keep")]
    SlotLosing { node: NodeId, slot: String },
    #[error("nobody uses the replication slot {slot} of {node}, and it keeps {} of WAL and more with every write", bytes_in_words(*kept))]
    SlotUnused { node: NodeId, slot: String, kept: u64 },
    #[error(
        "{node} cannot archive its WAL: {segment} failed last at {}{}",
        tried.format("%Y-%m-%d %H:%M:%S UTC"),
        waiting.map(|waiting| format!(", and {waiting} segments wait")).unwrap_or_default()
    )]
    ArchiveFails { node: NodeId, segment: String, tried: Instant, waiting: Option<u64> },
    #[error("{node} is to archive its WAL and nothing is set that would: it keeps all of it")]
    ArchivesNowhere { node: NodeId },
    #[error("{node} runs PostgreSQL {own}, the primary {needed}: it can be no copy of it, and never take over")]
    MajorDiffers { node: NodeId, own: u32, needed: u32 },
    #[error("the nodes run different minor versions: {}", versions.join(", "))]
    VersionsDiffer { versions: Vec<String> },
    #[error("timeline {timeline} began at {own} on {node} and at {leading} on {primary}: they were promoted apart, and {node} is no copy")]
    HistoriesClash { node: NodeId, primary: NodeId, timeline: u32, own: Lsn, leading: Lsn },
    #[error("{} is missing on {}: {}", right.right, nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), right.without)]
    RightMissing { nodes: Vec<NodeId>, right: MissingRight },
    #[error("{what} could not be read on {node}: {why}")]
    DetailUnknown { node: NodeId, what: String, why: String },
    #[error("the samples of {} are of another database system than those of the primary {primary}", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    OtherSystem { nodes: Vec<NodeId>, primary: NodeId },
    #[error("whether the cluster is protected is not known: {}", missing.join("; "))]
    ProtectionUnknown { missing: Vec<String> },
    #[error("UNPROTECTED: {}", missing.join("; "))]
    Unprotected { missing: Vec<String> },
    #[error("reduced protection: {}", missing.join("; "))]
    ReducedProtection { missing: Vec<String> },
    #[error("commits are ASYNCHRONOUS: the strategy {strategy} declares synchronous replication; the primary reports none")]
    DeclaredSynchronousObservedNot { strategy: String },
    #[error("commits on {node} HANG: they wait for {names}, and too few of these stream")]
    CommitsHang { node: NodeId, names: String },
    #[error("{} of the {confirm} standbys confirm commits that the strategy {strategy} declares: {}", peers.len(), peers.join(", "))]
    TooFewConfirm { strategy: String, confirm: u32, peers: Vec<String> },
    #[error("the strategy {strategy} declares asynchronous replication; commits wait for {}", peers.join(", "))]
    DeclaredAsynchronousObservedNot { strategy: String, peers: Vec<String> },
    #[error("whether replication is {declared}, as the strategy {strategy} declares, is not known: {why}")]
    ReplicationUnknown { strategy: String, declared: String, why: String },
    #[error("{node} is {} behind; the strategy {strategy} tolerates {limit}", lag.rough())]
    LagAboveTolerance { strategy: String, node: NodeId, lag: Span, limit: Span },
    #[error("writes are taken in {region} by {node}; the strategy {strategy} declares {home} as primary region")]
    AwayFromHome { strategy: String, node: NodeId, region: RegionId, home: RegionId },
    #[error("clients are sent to {}, the writable node is {writable}", routed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    RoutedElsewhere { routed: Vec<NodeId>, writable: NodeId },
    #[error("no client can reach a database node: the route is closed")]
    RouteClosed,
    #[error("where clients are sent is not known: {why}")]
    RouteUnknown { why: String },
    #[error("the router does not answer: {why}")]
    RouterSilent { why: String },
    #[error("the pooler {pooler} cannot be asked, so what its clients see is not known: {why}")]
    PoolerSilent { pooler: PoolerId, why: String },
    #[error(
        "the pooler {pooler} is paused {}: {waiting} clients wait",
        until.map_or_else(|| "and nobody is known to end that".to_owned(), |until| format!("and was to let its clients through at {}", until.format("%H:%M:%S UTC")))
    )]
    PoolerPaused { pooler: PoolerId, until: Option<Instant>, waiting: u32 },
    #[error("the pooler {pooler} leads to {to}, the writable node is {writable}")]
    PoolerElsewhere { pooler: PoolerId, to: String, writable: NodeId },
    #[error("Patroni, which runs the cluster, does not answer, so it cannot be asked for anything: {why}")]
    PatroniSilent { why: String },
    #[error("Patroni's leader is {}, and {writable} takes the writes by PostgreSQL's own word", leader.as_deref().unwrap_or("nobody"))]
    PatroniDisagrees { leader: Option<String>, writable: NodeId },
    #[error("Patroni is paused: it fails nothing over by itself")]
    PatroniPaused,
    #[error("Patroni and the estate do not have the same nodes: {}", differ.join("; "))]
    PatroniMembersDiffer { differ: Vec<String> },
    #[error(
        "{node} is run by Patroni (its connection “{seen}” was seen there), and the estate says that the cluster is Lifeboat's own: Lifeboat does not touch it"
    )]
    UndeclaredPatroni { node: NodeId, seen: String },
    #[error("Patroni runs {cluster}, and {node} names no address of its REST API")]
    NoPatroniAddress { cluster: ClusterId, node: NodeId },
    #[error("{node} names an address of Patroni's REST API, and {cluster} is not declared to be run by Patroni")]
    PatroniNotDeclared { cluster: ClusterId, node: NodeId },
    #[error("no router is set up, so clients cannot be moved to another node")]
    NoRouter,
    #[error("the host agent of {region} does not answer, so nothing there can be fenced by its host: {why}")]
    AgentSilent { region: RegionId, why: String },
    #[error("no host agent is set up in {region}, so no node there can be fenced by its host, stopped or started")]
    NoHostAgent { region: RegionId },
    #[error(
        "clients of {service} are sent to {}, but are meant to be in {}",
        crate::failover::plan::names_or_none(seen),
        crate::failover::plan::names_or_none(intended)
    )]
    TrafficStrayed { service: ServiceId, intended: BTreeSet<RegionId>, seen: BTreeSet<RegionId> },
    #[error("where clients of {service} are sent is not known: {why}")]
    TrafficUnknown { service: ServiceId, why: String },
    #[error("clients of {service} are sent to no region")]
    TrafficClosed { service: ServiceId },
    #[error("{service} is UNPROTECTED: {}", missing.join("; "))]
    ServiceUnprotected { service: ServiceId, missing: Vec<String> },
    #[error("{service} has reduced protection: {}", missing.join("; "))]
    ServiceReducedProtection { service: ServiceId, missing: Vec<String> },
    #[error("SIMULATED: only a simulator sends the clients of {service}, so no failover of it moves anybody")]
    TrafficSimulated { service: ServiceId },
    #[error("{service} names no strategy, so nothing says where its clients belong")]
    TrafficWithoutStrategy { service: ServiceId },
    #[error("{}", decision_in_words(decision))]
    Undecided { decision: Box<Decision> },
    #[error("{}{}: {reason} ({by})", what.in_words(), until.map(|until| format!(" until {}", until.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default())]
    Restrained { what: Restraint, by: String, until: Option<Instant>, reason: String },
    #[error("the journal is broken: {break_}")]
    JournalBroken { break_: String },
    #[error("the {kind} {} stands IN DOUBT: {why}", operation.short())]
    OperationInDoubt { operation: OperationId, kind: String, why: String },
    #[error("the {kind} {} is {state} and does NOT go on, for this server is read-only: it stands as it was left", operation.short())]
    OperationStandsStill { operation: OperationId, kind: String, state: State },
    #[error("the last {kind} ({}) is {state} and nobody has taken note of it, so Lifeboat starts nothing there by itself", operation.short())]
    RunUnacknowledged { operation: OperationId, kind: String, state: State },
    #[error(
        "the {kind} {} {} SAFETY RULES: {}",
        operation.short(),
        if *state == State::Requested { "WOULD BREAK" } else { "BREAKS" },
        rules.join("; ")
    )]
    SafetyRulesBroken { operation: OperationId, kind: String, state: State, rules: Vec<String> },
    #[error("{policy} backs up {what}, which is not declared")]
    BackupOfNothing { policy: PolicyId, what: String },
    #[error("copies are to go to {destination}, which is not declared")]
    UndeclaredDestination { destination: DestinationId },
    #[error("every copy lies in {region}, together with what it protects: if the region is lost, so are they")]
    CopiesWithTheData { region: RegionId },
    #[error(
        "what is {kind} cannot be restored by itself: {}",
        named.as_ref().map_or_else(|| "no base is named".to_owned(), |named| format!("its base {named} is not declared"))
    )]
    NoBase { kind: BackupType, named: Option<PolicyId> },
    #[error("changes are kept for {own}, and the backups of {base} for {kept}: to the older ones nothing can be added")]
    ContinuousShorterThanBase { own: Span, base: PolicyId, kept: Span },
    #[error("no verification is declared: nobody ever restores these backups")]
    NeverRestored,
    #[error(
        "“{wanted}” is declared, which is not available for {tool}: {}",
        highest.map_or_else(|| "others make these backups".to_owned(), |highest| format!("its ladder ends at “{highest}”"))
    )]
    RungNotAvailable { wanted: ProofLevel, tool: String, highest: Option<ProofLevel> },
    #[error("the schedule cannot be read, so nothing is ever due: {why}")]
    ScheduleMistaken { why: String },
    #[error("jobs cannot run: {why}")]
    BackupCannotRun { why: String },
    #[error(
        "{lateness}: {}",
        last.map_or_else(|| "there was never a success".to_owned(), |last| format!("the last success was at {}", last.format("%Y-%m-%d %H:%M UTC")))
    )]
    BackupLate { lateness: Freshness, last: Option<Instant> },
    #[error("the latest job failed{}: {why}", if *failures > 1 { format!(", as did {} before it", failures - 1) } else { String::new() })]
    BackupFailed { failures: u32, why: String },
    #[error("the latest backup is EMPTY")]
    BackupEmpty,
    #[error("the latest backup has {}, {percent} % less than the {} that are usual", bytes_in_words(*bytes), bytes_in_words(*median))]
    BackupShrunk { bytes: u64, median: u64, percent: u64 },
    #[error("the {} {took}, and {median} are usual", if *running { "job that runs has taken" } else { "latest job took" })]
    BackupSlow { took: Span, median: Span, running: bool },
    #[error("the latest backup ({}) could not be copied to {destination}: {why}", backup.short())]
    CopyFailed { backup: BackupId, destination: DestinationId, why: String },
    #[error("the latest backup ({}) has no copy in {destination}", backup.short())]
    CopyNeverMade { backup: BackupId, destination: DestinationId },
    #[error("the copy of {} in {destination} is GONE: {why}", backup.short())]
    CopyMissing { backup: BackupId, destination: DestinationId, why: String },
    #[error("the copy of {} in {destination} is DAMAGED: {why}", backup.short())]
    CopyDamaged { backup: BackupId, destination: DestinationId, why: String },
    #[error(
        "{} CANNOT BE RESTORED{}: {why}",
        backup.short(),
        if *others { "" } else { ", and no other backup is known to be restorable" }
    )]
    ProofFailed { backup: BackupId, others: bool, why: String },
    #[error("the last proof is of {} and counts no more", proven.format("%Y-%m-%d"))]
    ProofExpired { proven: Instant },
    #[error("no backup has been proven as far as declared yet")]
    NotProvenYet,
    #[error("the log from {from} to {to} is LOST: no moment in it can be restored, and what is after it only from a later full backup")]
    WalGap { from: Lsn, to: Lsn },
    #[error("the log is archived and no full backup is restorable together with it")]
    WalWithoutBase,
    #[error("{worst} of {service} can be lost between two backups; {promised} are promised, so only replication keeps the promise")]
    LossAbovePromise { service: ServiceId, worst: Span, promised: Span },
    #[error("nothing backs {service} up")]
    NoBackupPolicy { service: ServiceId },
    #[error("the runbook {runbook} takes {takes} as a rule and must be over within {within}")]
    RunbookTooLong { runbook: RunbookName, takes: Span, within: Span },
    #[error("the steps of the runbook {runbook} may take {longest}, and it must be over within {within}")]
    RunbookMayTakeTooLong { runbook: RunbookName, longest: Span, within: Span },
    #[error("the runbook {runbook} was to be read again by {}", review_by.format("%Y-%m-%d"))]
    ReviewOverdue { runbook: RunbookName, review_by: chrono::NaiveDate },
    #[error("nobody has said by when the runbook {runbook} is read again")]
    NeverReviewed { runbook: RunbookName },
    #[error("the run {} of the runbook {runbook} needs a person at “{step}”: {why}", run.short())]
    RunNeedsAPerson { runbook: RunbookName, run: RunId, step: String, why: String },
    #[error("the next message of the run {} of {runbook} was promised for {}", run.short(), due.format("%H:%M UTC"))]
    MessageOverdue { runbook: RunbookName, run: RunId, due: Instant },
}

/// The objective an inversion is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    Rto,
    Rpo,
}

impl Finding {
    /// What to do next, in one or two sentences.
    pub fn remedy(&self) -> String {
        self.complaint.remedy()
    }
}

/// Every finding of a picture, worst first, then by subject, then by text: the order never depends on the estate's.
pub fn all(picture: &Picture) -> Vec<Finding> {
    let mut found = dependencies::findings(&picture.estate);
    found.extend(declared::findings(&picture.estate));
    found.extend(platform::findings(picture));
    found.extend(traffic::findings(picture));
    found.extend(operations::findings(picture));
    found.extend(backups::findings(picture));
    found.extend(runbooks::findings(picture));
    for cluster in &picture.estate.clusters {
        found.extend(clusters::findings(picture, cluster));
        found.extend(strategies::findings(picture, cluster));
    }
    found.sort_by_cached_key(|finding| (finding.severity, finding.about.clone(), finding.complaint.to_string()));
    found
}

/// What is wrong with the details of one cluster, worst first.
pub fn details_of(picture: &Picture, cluster: &Cluster) -> Vec<Finding> {
    let mut found = clusters::details_of(picture, cluster);
    found.sort_by_cached_key(|finding| (finding.severity, finding.complaint.to_string()));
    found
}

/// What the product has decided about a failure that is not being dealt with.
fn decision_in_words(decision: &Decision) -> String {
    let name = decision.scope.name();
    let target = decision.target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
    match decision.verdict {
        Verdict::Recommend => format!("{name} fails; a failover{target} is recommended, and the declared mode leaves it to a person"),
        Verdict::Start | Verdict::Request => format!("{name} fails; Lifeboat {}{target}", decision.verdict),
        Verdict::Hold => {
            let holds: Vec<String> = decision.holds.iter().map(ToString::to_string).collect();
            format!("{name} fails and Lifeboat does nothing: {}", holds.join("; "))
        }
    }
}

fn inversion_in_words(service: &ServiceId, objective: Objective, target: Span, weaker: Span, path: &[ServiceId]) -> String {
    let needed = path.last().map(ToString::to_string).unwrap_or_default();
    let way = path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ");
    match objective {
        Objective::Rto => format!("{service} promises to be back within {target}, but needs {needed}, which promises {weaker} ({way})"),
        Objective::Rpo => format!("{service} promises to lose at most {target}, but needs {needed}, which may lose {weaker} ({way})"),
    }
}
