//! The overview as data: what the page shows and what `lifeboat status --json` prints, so that both say the same.

use crate::{notifications::view::Summary, ui::state::Tone};
use engine::{
    estate::Region,
    failover::{Operation, State},
    findings::{About, Complaint, Finding, Severity},
    health::Health,
    id::{ClusterId, OperationId, RegionId, Scope},
    picture::Picture,
    time::Instant,
};
use serde::{Deserialize, Serialize};

mod cluster;
mod needs;
mod words;
pub use cluster::{ClusterLine, NodeLine, ProtectionLine};
pub use needs::{Need, commit_of, needs, trouble_where_it_went, well_or};

/// How recoverable the platform is at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    pub generated_at: Instant,
    pub estate: String,
    /// The worst of everything below.
    pub worst: Tone,
    pub needs_a_person: Vec<Need>,
    pub clusters: Vec<ClusterLine>,
    pub regions: Vec<RegionLine>,
    pub pending_approvals: Vec<OperationLine>,
    pub running: Vec<OperationLine>,
    /// Worst first. On the page only the first few of those not said above; `findings_total` counts them.
    pub findings: Vec<FindingLine>,
    pub findings_total: usize,
    pub services: usize,
    pub journal: JournalLine,
    /// Whether anybody is told outside of the pages; absent where only the picture is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Summary>,
}

/// One region, and what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionLine {
    pub region: RegionId,
    pub name: String,
    pub tone: Tone,
    /// “active”, “failed”, “standing by”, “unknown” …
    pub word: String,
    /// Clusters whose writes are taken here now.
    pub takes_writes_of: Vec<ClusterId>,
    pub endpoints: usize,
    pub endpoints_ok: usize,
    pub endpoints_unknown: usize,
    /// The host agent; `None` where none is set up.
    pub agent: Option<Health>,
}

/// An operation in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationLine {
    pub id: OperationId,
    pub kind: String,
    pub scope: Scope,
    pub target: Option<String>,
    pub state: State,
    pub requested_by: String,
    pub requested_at: Instant,
    pub reason: String,
    pub started_at: Option<Instant>,
    /// Steps that are over, of how many.
    pub steps_done: usize,
    pub steps: usize,
}

/// A finding in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingLine {
    pub tone: Tone,
    /// The id of what it is about.
    pub about: String,
    pub href: String,
    pub what: String,
    /// What to do next.
    pub remedy: String,
    pub since: Option<Instant>,
    /// Also among what needs a person now.
    pub pressing: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Number of the last entry.
    pub seq: u64,
    /// Where the chain of hashes is broken, if it is.
    pub broken: Option<String>,
}

impl Overview {
    /// How many findings the page lists.
    pub const FINDINGS_SHOWN: usize = 12;

    pub fn of(picture: &Picture) -> Self {
        let findings = picture.findings();
        let operations = |wanted: fn(State) -> bool| -> Vec<OperationLine> {
            let mut lines: Vec<_> = picture.records.operations.values().filter(|operation| wanted(operation.state)).map(OperationLine::of).collect();
            lines.sort_by_key(|line| line.requested_at);
            lines
        };
        let mut overview = Self {
            generated_at: picture.now,
            estate: picture.estate.name.clone(),
            worst: Tone::Ok,
            needs_a_person: needs(picture, &findings),
            clusters: picture.estate.clusters.iter().map(|cluster| ClusterLine::of(picture, cluster)).collect(),
            regions: picture.estate.regions.iter().map(|region| RegionLine::of(picture, region)).collect(),
            pending_approvals: operations(|state| state == State::Requested),
            running: operations(|state| matches!(state, State::Approved | State::Running | State::Compensating | State::InDoubt)),
            findings_total: findings.len(),
            findings: findings.iter().map(FindingLine::of).collect(),
            services: picture.estate.services.len(),
            journal: JournalLine { seq: picture.records.seq, broken: picture.journal_break.clone() },
            notifications: None,
        };
        overview.worst = overview.judge();
        overview
    }

    /// For the page: without the findings that stand among what needs a person, and with at most `most` of the others.
    pub fn shortened(mut self, most: usize) -> Self {
        self.findings.retain(|finding| !finding.pressing);
        self.findings_total = self.findings.len();
        self.findings.truncate(most);
        self
    }

    fn judge(&self) -> Tone {
        let needs = self.needs_a_person.iter().map(|need| need.tone);
        let clusters = self.clusters.iter().map(|cluster| cluster.tone);
        let regions = self.regions.iter().map(|region| region.tone);
        let findings = self.findings.iter().map(|finding| finding.tone);
        let journal = self.journal.broken.as_ref().map(|_| Tone::Lost);
        Tone::worst(needs.chain(clusters).chain(regions).chain(findings).chain(journal))
    }
}

impl RegionLine {
    pub fn of(picture: &Picture, region: &Region) -> Self {
        let health: Vec<Health> =
            picture.observed.endpoints.iter().filter(|((_, at), _)| at == &region.id).map(|(_, view)| view.judgement.health).collect();
        let declared = picture.estate.services.iter().flat_map(|service| &service.endpoints).filter(|endpoint| endpoint.region == region.id).count();
        let ok = health.iter().filter(|health| **health == Health::Ok).count();
        // What is declared and was never looked at is unknown as well.
        let unknown = declared.max(health.len()) - health.iter().filter(|health| **health != Health::Unknown).count();
        let mut writes = Vec::new();
        let mut nodes: Vec<Health> = Vec::new();
        let mut failed = false;
        for cluster in picture.observed.clusters.values() {
            failed |= cluster.failed_regions.contains(&region.id);
            nodes.extend(cluster.nodes.iter().filter(|node| node.region == region.id).map(|node| node.judgement.health));
            if cluster.writable().iter().any(|node| node.region == region.id) {
                writes.push(cluster.cluster.clone());
            }
        }
        let agent = region.agent.as_ref().map(|_| picture.observed.agents.get(&region.id).map_or(Health::Unknown, |judgement| judgement.health));
        let total = declared.max(health.len());
        let nodes_unknown = nodes.iter().filter(|health| **health == Health::Unknown).count();
        let nodes_bad = nodes.iter().any(|health| matches!(health, Health::Down | Health::Degraded));
        let (tone, word) = if failed {
            (Tone::Lost, "failed")
        } else if total == 0 && nodes.is_empty() {
            (Tone::Unknown, "nothing watched")
        } else if unknown == total && nodes_unknown == nodes.len() {
            (Tone::Unknown, "unknown")
        } else if ok + unknown < total || nodes_bad || matches!(agent, Some(Health::Down)) {
            (Tone::Act, "impaired")
        } else if unknown > 0 || nodes_unknown > 0 {
            (Tone::Unknown, "partly unknown")
        } else if agent.is_some_and(|agent| agent != Health::Ok) {
            (Tone::Unknown, "agent unknown")
        } else {
            (Tone::Ok, if ok > 0 || !writes.is_empty() { "active" } else { "standing by" })
        };
        Self {
            region: region.id.clone(),
            name: region.name.clone(),
            tone,
            word: word.to_owned(),
            takes_writes_of: writes,
            endpoints: total,
            endpoints_ok: ok,
            endpoints_unknown: unknown,
            agent,
        }
    }
}

impl OperationLine {
    pub fn of(operation: &Operation) -> Self {
        Self {
            id: operation.id,
            kind: format!("{}{}", if operation.plan.is_simulated() { "SIMULATED " } else { "" }, operation.plan.kind),
            scope: operation.plan.scope(),
            target: operation.plan.target_in_words(),
            state: operation.state,
            requested_by: operation.requested.by.to_string(),
            requested_at: operation.requested.at,
            reason: operation.requested.reason.clone(),
            started_at: operation.started_at,
            steps_done: operation.steps.iter().filter(|step| step.state.is_over()).count(),
            steps: operation.steps.len(),
        }
    }
}

impl FindingLine {
    pub fn of(finding: &Finding) -> Self {
        let (about, _) = about(&finding.about);
        let href = href(finding);
        Self {
            tone: finding.severity.into(),
            about,
            href,
            what: finding.complaint.to_string(),
            remedy: finding.remedy(),
            since: finding.since,
            pressing: is_pressing(finding),
        }
    }
}

/// What a finding is about, and where to look at it.
pub fn about(about: &About) -> (String, String) {
    match about {
        About::Service(id) => (id.to_string(), format!("/services/{id}")),
        About::Cluster(id) => (id.to_string(), format!("/databases/{id}")),
        About::Region(id) => (id.to_string(), "/#regions".to_owned()),
        About::Policy(id) => (id.to_string(), format!("/backups/{id}")),
        About::Runbook(name) => (name.to_string(), format!("/runbooks/{name}")),
        About::Estate => ("estate".to_owned(), "/services".to_owned()),
        About::Journal => ("journal".to_owned(), "/journal".to_owned()),
    }
}

/// Where to look at a finding: what concerns the sending of clients is looked at on the failover pages, and an operation on
/// its own.
pub fn href(finding: &Finding) -> String {
    if let Complaint::OperationInDoubt { operation, .. }
    | Complaint::OperationStandsStill { operation, .. }
    | Complaint::RunUnacknowledged { operation, .. }
    | Complaint::SafetyRulesBroken { operation, .. } = &finding.complaint
    {
        return format!("/operations/{operation}");
    }
    if let Complaint::RunNeedsAPerson { run, .. } | Complaint::MessageOverdue { run, .. } = &finding.complaint {
        return format!("/runbooks/runs/{run}");
    }
    let of_traffic = matches!(
        finding.complaint,
        Complaint::TrafficStrayed { .. }
            | Complaint::TrafficUnknown { .. }
            | Complaint::TrafficClosed { .. }
            | Complaint::ServiceUnprotected { .. }
            | Complaint::ServiceReducedProtection { .. }
            | Complaint::TrafficWithoutStrategy { .. }
            | Complaint::Undecided { .. }
            | Complaint::Restrained { .. }
            | Complaint::ObserverUncounted { .. }
            | Complaint::TooFewObservers { .. }
    );
    match &finding.about {
        About::Service(id) if of_traffic => format!("/failover/{id}"),
        About::Region(_) | About::Estate if of_traffic => "/failover".to_owned(),
        about => self::about(about).1,
    }
}

/// Whether a person must act on it now: something happened, or is happening. What is merely declared wrong can wait for the day.
fn is_pressing(finding: &Finding) -> bool {
    let grave = matches!(finding.severity, Severity::Lost | Severity::Act);
    let is_declared = matches!(finding.about, About::Service(_) | About::Estate | About::Policy(_) | About::Runbook(_));
    let is_seen = finding.since.is_some() || matches!(finding.complaint, Complaint::BackupCannotRun { .. });
    grave && (is_seen || !is_declared)
}
