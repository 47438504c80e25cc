//! Plans: what an operation will do, step by step, with the facts it rests on, what it can cost and what stands in its
//! way. A plan is a value; how one is made say `planning` (databases) and `traffic` (services).

use super::{Action, Blocker, Step, restore::RestoreWish};
use crate::{
    databases::{Candidate, LossBound},
    health::Health,
    id::{BackupId, ClusterId, DestinationId, NodeId, PolicyId, RegionId, Scope, ServiceId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Planned: the writes stop, the target catches up, then it takes over. Any error before promotion puts writes back.
    Switchover,
    /// Emergency: the primary is fenced, the target takes over with a stated loss bound.
    Failover,
    /// A node that fell behind or was replaced becomes a standby again.
    Rejoin,
    /// The router of a cluster is told again to send clients to the node that takes the writes, and nowhere else.
    Reroute,
    /// The clients of a service are sent to other regions than now.
    RegionFailover,
    /// The clients of a service are sent to its home regions again.
    Failback,
    /// Everything in a region goes elsewhere, in recovery waves, each member by an operation of its own.
    Evacuation,
    /// A backup comes into a new folder, up to a moment, and is promoted there once somebody has looked at it.
    Restore,
}

impl OperationKind {
    /// Whether it mends a cluster without moving its writes: it has no recovery time, and loses nothing that is not lost.
    pub fn mends(self) -> bool {
        matches!(self, OperationKind::Rejoin | OperationKind::Reroute | OperationKind::Restore)
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OperationKind::Switchover => "switchover",
            OperationKind::Failover => "failover",
            OperationKind::Rejoin => "rejoin",
            OperationKind::Reroute => "reroute",
            OperationKind::RegionFailover => "region failover",
            OperationKind::Failback => "failback",
            OperationKind::Evacuation => "evacuation",
            OperationKind::Restore => "restore",
        })
    }
}

/// How an operation treats what goes wrong (row 40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Does every check and rehearses the rest; changes no routing, promotes nothing.
    Test,
    /// Stops on any error and puts things back.
    Planned,
    /// Goes on where the side that is left makes errors, and records each of them.
    Emergency,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Test, Mode::Planned, Mode::Emergency];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Test => "test",
            Mode::Planned => "planned",
            Mode::Emergency => "emergency",
        })
    }
}

impl FromStr for Mode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Mode::ALL.into_iter().find(|mode| mode.to_string() == text);
        known.ok_or_else(|| format!("“{text}” is not a mode; modes are test, planned and emergency"))
    }
}

/// What the plan of a database operation rests on. When one of these has changed, an approval of the plan is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    pub primary: Option<NodeId>,
    pub timeline: Option<u32>,
}

/// What a plan changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Change {
    Database(DatabaseChange),
    Traffic(TrafficChange),
    Evacuation(EvacuationChange),
    Restore(RestoreChange),
}

/// Another node takes the writes of a cluster, or one follows again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseChange {
    pub cluster: ClusterId,
    /// The node that gives up the writes; for a rejoin the node that is to follow.
    pub source: Option<NodeId>,
    /// The node that takes the writes; for a rejoin the one to follow. Absent where none can.
    pub target: Option<NodeId>,
    pub basis: Basis,
    /// The strategy leaves it to the product, and nothing can be lost by it: nobody is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
    /// All nodes with what speaks for and against them.
    pub candidates: Vec<Candidate>,
}

impl DatabaseChange {
    /// Why a node that is in recovery on `timeline` is not the one this plan wanted to promote; `None` where it is. The order
    /// may come late or twice: by then somebody else may have been promoted, and the node follows that one.
    pub fn missed_by(&self, timeline: u32) -> Option<String> {
        let expected = self.basis.timeline.filter(|expected| *expected != timeline)?;
        Some(format!("it is on timeline {timeline} and the plan is about timeline {expected}: another node was promoted in between"))
    }
}

/// The clients of a service are sent to other regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficChange {
    pub service: ServiceId,
    pub mode: Mode,
    /// Where clients are sent now, as observed: what is left is `from` without `to`.
    pub from: BTreeSet<RegionId>,
    pub to: BTreeSet<RegionId>,
    /// Every region the service runs in, with what speaks for and against it.
    pub regions: Vec<RegionCandidate>,
    /// The strategy lets this happen without a second person.
    pub unattended: bool,
    /// What moves the clients is a simulator: nothing real happens.
    pub simulated: bool,
}

impl TrafficChange {
    /// The regions that clients are no longer sent to.
    pub fn leaving(&self) -> BTreeSet<RegionId> {
        self.from.difference(&self.to).cloned().collect()
    }
    /// The regions that clients are newly sent to.
    pub fn joining(&self) -> BTreeSet<RegionId> {
        self.to.difference(&self.from).cloned().collect()
    }
}

/// Everything that takes writes or serves clients in a region goes elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvacuationChange {
    pub region: RegionId,
    pub mode: Mode,
    /// Dependencies before their users.
    pub waves: Vec<Vec<Member>>,
    /// What cannot be moved, and why.
    pub staying: Vec<(Scope, String)>,
}

impl EvacuationChange {
    /// Whether `scope` is one of its members.
    pub fn moves(&self, scope: &Scope) -> bool {
        self.waves.iter().flatten().any(|member| member.scope == *scope)
    }
}

/// One member of an evacuation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub scope: Scope,
    pub kind: OperationKind,
    pub to: MemberTarget,
    /// The bound that is approved: a member that could lose more by then is not moved.
    pub loss: LossBound,
    /// The checks that speak against it, by name: approving the evacuation sets them aside, and no others.
    pub checks: Vec<String>,
    /// What moves it is a simulator: nothing real happens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
}

/// Where a member goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberTarget {
    Node(NodeId),
    Regions(BTreeSet<RegionId>),
}

impl fmt::Display for MemberTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberTarget::Node(node) => node.fmt(f),
            MemberTarget::Regions(regions) => f.write_str(&names_or_none(regions)),
        }
    }
}

/// A backup is restored into a new folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreChange {
    /// The policy of the full backup.
    pub policy: PolicyId,
    pub backup: BackupId,
    pub from: DestinationId,
    /// The policy that archives the log, where any is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PolicyId>,
    /// Its backups, in the order in which they are replayed.
    pub replayed: Vec<BackupId>,
    /// Nothing that was committed at or after it is in what is restored.
    pub before: Instant,
    /// Everything that was committed before it is; absent where nobody knows.
    pub reaches: Option<Instant>,
    /// When the full backup was last restored by a proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<Instant>,
    /// What has to be fetched.
    pub bytes: u64,
    /// The name of the folder, in the place of restores.
    pub folder: String,
}

impl RestoreChange {
    /// The wish that gives this plan.
    pub fn wish(&self) -> RestoreWish {
        RestoreWish {
            policy: self.policy.clone(),
            backup: self.backup,
            last: self.replayed.last().copied(),
            from: self.from.clone(),
            before: self.before,
            folder: self.folder.clone(),
        }
    }
}

/// One region a service could be served from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionCandidate {
    pub region: RegionId,
    /// Clients are sent there now.
    pub on: bool,
    pub health: Health,
    /// The verdict's own reason.
    pub why: String,
    /// What speaks against sending clients there; empty where nothing does.
    pub against: Vec<String>,
    /// What its newest probe complained about while it still counts as well: no place to choose, and no reason to take a
    /// choice back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wavers: Option<String>,
}

impl RegionCandidate {
    /// Whether clients may be sent there by the product's own choice.
    pub fn is_eligible(&self) -> bool {
        self.against.is_empty() && self.wavers.is_none()
    }
}

/// A plan for one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub kind: OperationKind,
    #[serde(flatten)]
    pub change: Change,
    pub steps: Vec<Step>,
    pub loss: LossBound,
    /// The service itself and all that depend on it, directly or not.
    pub affected: Vec<ServiceId>,
    pub blockers: Vec<Blocker>,
    /// What would keep the product from doing this by itself now and does not keep people: a cooldown, a last run that nobody has
    /// taken note of. Whoever asks passes it over, on record (row 43).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<String>,
    /// First failed probe of what is left; the recovery time counts from here. Absent for a planned move.
    pub outage_since: Option<Instant>,
    /// The service's recovery time objective at the time of planning; a later edit does not rewrite the verdict.
    pub rto: Option<Span>,
    pub rpo: Option<Span>,
    /// So many different people must approve it, where it takes an approval at all (row 62).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub approvals: u32,
    pub made_at: Instant,
}

fn one() -> u32 {
    1
}
fn is_one(value: &u32) -> bool {
    *value == 1
}

impl Plan {
    /// What the operation holds while it is active: no other one may be requested on it.
    pub fn scope(&self) -> Scope {
        match &self.change {
            Change::Database(change) => Scope::Cluster(change.cluster.clone()),
            Change::Traffic(change) => Scope::Service(change.service.clone()),
            Change::Evacuation(change) => Scope::Region(change.region.clone()),
            Change::Restore(change) => Scope::Backup(change.policy.clone()),
        }
    }
    pub fn evacuation(&self) -> Option<&EvacuationChange> {
        match &self.change {
            Change::Evacuation(change) => Some(change),
            Change::Database(_) | Change::Traffic(_) | Change::Restore(_) => None,
        }
    }
    pub fn restore(&self) -> Option<&RestoreChange> {
        match &self.change {
            Change::Restore(change) => Some(change),
            Change::Database(_) | Change::Traffic(_) | Change::Evacuation(_) => None,
        }
    }
    pub fn database(&self) -> Option<&DatabaseChange> {
        match &self.change {
            Change::Database(change) => Some(change),
            Change::Traffic(_) | Change::Evacuation(_) | Change::Restore(_) => None,
        }
    }
    pub fn traffic(&self) -> Option<&TrafficChange> {
        match &self.change {
            Change::Traffic(change) => Some(change),
            Change::Database(_) | Change::Evacuation(_) | Change::Restore(_) => None,
        }
    }
    pub fn mode(&self) -> Mode {
        match (&self.change, self.kind) {
            (Change::Traffic(change), _) => change.mode,
            (Change::Evacuation(change), _) => change.mode,
            (Change::Database(_), OperationKind::Failover) => Mode::Emergency,
            (Change::Database(_) | Change::Restore(_), _) => Mode::Planned,
        }
    }
    /// Whether a simulator moves any of what is moved.
    pub fn is_simulated(&self) -> bool {
        match &self.change {
            Change::Database(_) | Change::Restore(_) => false,
            Change::Traffic(change) => change.simulated,
            Change::Evacuation(change) => change.waves.iter().flatten().any(|member| member.simulated),
        }
    }
    /// What is left, in words: a node, or regions.
    pub fn source_in_words(&self) -> Option<String> {
        match &self.change {
            Change::Database(change) => change.source.as_ref().map(ToString::to_string),
            Change::Traffic(change) => some_names(&change.from),
            Change::Evacuation(change) => Some(change.region.to_string()),
            Change::Restore(change) => Some(change.policy.to_string()),
        }
    }
    /// Where it goes, in words: a node, or regions. Absent where nowhere.
    pub fn target_in_words(&self) -> Option<String> {
        match &self.change {
            Change::Database(change) => change.target.as_ref().map(ToString::to_string),
            Change::Traffic(change) => some_names(&change.to),
            Change::Evacuation(_) => None,
            Change::Restore(change) => Some(change.folder.clone()),
        }
    }

    /// Identifies what would be done: kind, what is moved from where to where, steps, loss bound, basis and what has to be
    /// overridden. Reasons, positions and the time of planning are left out, so that samples that change nothing do not change it.
    /// SHA-256 over the JSON of those fields, in hexadecimal.
    pub fn hash(&self) -> String {
        // What an override would lift belongs to it: agreeing to one is not agreeing to another that came up since.
        let lifted: Vec<&str> = self.overridable_blockers().iter().map(|blocker| blocker.name()).collect();
        let text = match &self.change {
            Change::Database(change) => {
                serde_json::to_string(&(&self.kind, &change.cluster, &change.source, &change.target, &self.steps, &self.loss, &change.basis, &lifted))
            }
            Change::Traffic(change) => serde_json::to_string(&(
                &self.kind,
                &change.service,
                change.mode,
                &change.from,
                &change.to,
                &self.steps,
                &self.loss,
                change.simulated,
                &lifted,
            )),
            Change::Evacuation(change) => serde_json::to_string(&(&self.kind, &change.region, change.mode, &change.waves, &self.loss, &lifted)),
            // A later proof of the same backup changes nothing.
            Change::Restore(change) => serde_json::to_string(&(&self.kind, RestoreChange { proven: None, ..change.clone() }, &self.steps, &lifted)),
        };
        // What one person may agree to alone reads as it did before more could be asked for.
        let text = text.map(|text| if self.approvals > 1 { format!("{} approvals: {text}", self.approvals) } else { text });
        // Serialising these plain types to a string cannot fail; an empty text would only make every plan look changed.
        Sha256::digest(text.unwrap_or_default().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a second person must agree: to every move of writes or clients that the strategy does not leave to the
    /// product, and to whatever else may cost data or sets a check aside. A test changes nothing and needs nobody.
    pub fn requires_approval(&self) -> bool {
        let moves = match (&self.change, self.kind) {
            (Change::Database(_), kind) if kind.mends() => false,
            (Change::Database(change), _) => !change.unattended,
            (Change::Traffic(change), _) => change.mode != Mode::Test && !change.unattended,
            (Change::Evacuation(change), _) => change.mode != Mode::Test,
            // A copy of everybody's data comes to lie where it did not.
            (Change::Restore(_), _) => true,
        };
        moves || !self.loss.is_zero() || !self.overridable_blockers().is_empty()
    }

    /// The blockers no override can lift.
    pub fn hard_blockers(&self) -> Vec<&Blocker> {
        self.blockers.iter().filter(|blocker| !blocker.can_be_overridden()).collect()
    }
    pub fn overridable_blockers(&self) -> Vec<&Blocker> {
        self.blockers.iter().filter(|blocker| blocker.can_be_overridden()).collect()
    }
    /// The safety rules among what an override would lift: setting one aside takes a role of its own (row 61).
    pub fn rules_to_break(&self) -> Vec<&Blocker> {
        self.blockers.iter().filter(|blocker| blocker.is_safety_rule()).collect()
    }

    /// Whether something it rests on is not known at the moment, rather than known to be otherwise.
    pub fn rests_on_unknowns(&self) -> bool {
        self.blockers.iter().any(Blocker::is_ignorance)
    }

    /// The plan as a part of an evacuation: what was moved out of a region is not to be sent back there one by one.
    pub(crate) fn into_part(mut self) -> Self {
        self.steps.retain(|step| !matches!(step.action, Action::AwaitCommit { .. }));
        self
    }

    /// What a person sees differ between the plan they agreed to and the one that would be made now. Empty when the
    /// earlier agreement still holds.
    pub fn changes_since(&self, agreed: &Plan) -> Vec<String> {
        let mut changes = Vec::new();
        match (&self.change, &agreed.change) {
            (Change::Database(now), Change::Database(then)) => database_changes(now, then, &mut changes),
            (Change::Traffic(now), Change::Traffic(then)) => traffic_changes(now, then, &mut changes),
            (Change::Evacuation(now), Change::Evacuation(then)) => evacuation_changes(now, then, &mut changes),
            // Everything is named by the wish; what has changed stands in the way.
            (Change::Restore(_), Change::Restore(_)) => {}
            _ => changes.push("it would be another kind of operation now".to_owned()),
        }
        if self.approvals > agreed.approvals {
            changes.push(format!("it took the approval of {} and would now take that of {}", people(agreed.approvals), people(self.approvals)));
        }
        if !agreed.loss.covers(&self.loss) {
            changes.push(format!("the loss bound was “{}” and is now “{}”", agreed.loss.in_words(), self.loss.in_words()));
        }
        // The waves of an evacuation follow from its members, which were compared.
        if self.steps != agreed.steps && self.evacuation().is_none() {
            changes.push("the steps would be different now".to_owned());
        }
        for blocker in &self.blockers {
            if !agreed.blockers.iter().any(|known| blocker.is_covered_by(known)) {
                changes.push(blocker.to_string());
            }
        }
        changes
    }
}

fn database_changes(now: &DatabaseChange, then: &DatabaseChange, changes: &mut Vec<String>) {
    let name = |node: &Option<NodeId>| node.as_ref().map_or("none".to_owned(), ToString::to_string);
    if now.basis.primary != then.basis.primary {
        changes.push(format!("the active node was {} and is now {}", name(&then.basis.primary), name(&now.basis.primary)));
    }
    if now.basis.timeline != then.basis.timeline {
        changes.push("the cluster has moved to another timeline".to_owned());
    }
    if now.target != then.target {
        changes.push(format!("the target was {} and would now be {}", name(&then.target), name(&now.target)));
    }
}

fn traffic_changes(now: &TrafficChange, then: &TrafficChange, changes: &mut Vec<String>) {
    if now.from != then.from {
        changes.push(format!("clients were sent to {} and are now sent to {}", names_or_none(&then.from), names_or_none(&now.from)));
    }
    if now.to != then.to {
        changes.push(format!("clients were to be sent to {} and would now be sent to {}", names_or_none(&then.to), names_or_none(&now.to)));
    }
}

/// A member that has moved meanwhile is no change: the rest is still what was agreed to.
fn evacuation_changes(now: &EvacuationChange, then: &EvacuationChange, changes: &mut Vec<String>) {
    let agreed: BTreeMap<_, _> = then.waves.iter().flatten().map(|member| (&member.scope, member)).collect();
    for member in now.waves.iter().flatten() {
        let name = member.scope.name();
        match agreed.get(&member.scope) {
            None => changes.push(format!("{name} would be moved too now")),
            Some(before) if before.to != member.to => changes.push(format!("{name} was to go to {} and would now go to {}", before.to, member.to)),
            Some(before) if before.kind != member.kind => {
                changes.push(format!("{name} was to go by a {} and would now go by a {}", before.kind, member.kind))
            }
            Some(_) => {}
        }
    }
}

/// `1 person`, `2 people`.
pub fn people(count: u32) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn some_names(regions: &BTreeSet<RegionId>) -> Option<String> {
    (!regions.is_empty()).then(|| names_or_none(regions))
}

/// Regions in a sentence: `us-east-1 and us-west-2`, or `no region`.
pub fn names_or_none(regions: &BTreeSet<RegionId>) -> String {
    let names: Vec<&str> = regions.iter().map(RegionId::as_str).collect();
    match names[..] {
        [] => "no region".to_owned(),
        [.., last] if names.len() > 1 => format!("{} and {last}", names[..names.len() - 1].join(", ")),
        [only, ..] => only.to_owned(),
    }
}
