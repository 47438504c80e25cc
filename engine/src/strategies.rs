//! Declared against observed: whether a cluster really replicates the way its strategy says (row 13). What cannot be
//! seen is reported as unknown, never as agreement.

use crate::{
    databases::{self, ClusterView, NodeReading, NodeRole, NodeView, Peer},
    estate::{Cluster, Replication, Strategy},
    findings::{About, Complaint, Finding, Severity},
    health::Health,
    id::NodeId,
    picture::Picture,
    survey::Survey,
    time::Instant,
};

/// How replication was seen to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Commits wait for these peers.
    Synchronous { peers: Vec<String> },
    /// Commits wait for nobody.
    Asynchronous,
    /// It cannot be seen, and why.
    Unknown { why: String },
}

/// How the cluster replicates, by what its one writable primary said when it was last read.
pub fn observed(picture: &Picture, cluster: &Cluster) -> Observed {
    match primary_reading(picture, cluster) {
        Err(why) => Observed::Unknown { why },
        Ok((_, _, peers)) => {
            let peers: Vec<String> = peers.iter().filter(|peer| peer.streaming && peer.synchronous).map(|peer| peer.name.clone()).collect();
            if peers.is_empty() { Observed::Asynchronous } else { Observed::Synchronous { peers } }
        }
    }
}

/// Where a cluster differs from its strategy. Nothing for a cluster without one.
pub fn findings(picture: &Picture, cluster: &Cluster) -> Vec<Finding> {
    let Some(strategy) = cluster.strategy.as_ref().and_then(|id| picture.estate.strategy(id)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut add = |severity, complaint| found.push(Finding { severity, about: About::Cluster(cluster.id.clone()), complaint, since: None });
    let durability = Durability::of(picture, cluster);
    let name = || strategy.id.to_string();
    match (strategy.replication, observed(picture, cluster)) {
        // Whoever declares what: nobody can write.
        (_, Observed::Asynchronous | Observed::Synchronous { .. }) if durability.hangs.is_some() => {
            if let Some((node, names)) = durability.hangs {
                add(Severity::Lost, Complaint::CommitsHang { node, names });
            }
        }
        (Replication::Synchronous, Observed::Synchronous { peers }) => {
            if let Some(confirm) = durability.confirm.filter(|confirm| (*confirm as usize) > peers.len()) {
                add(Severity::Act, Complaint::TooFewConfirm { strategy: name(), confirm, peers });
            }
        }
        (Replication::Asynchronous, Observed::Asynchronous) => {}
        (Replication::Synchronous, Observed::Asynchronous) => add(Severity::Act, Complaint::DeclaredSynchronousObservedNot { strategy: name() }),
        (Replication::Asynchronous, Observed::Synchronous { peers }) => {
            add(Severity::Watch, Complaint::DeclaredAsynchronousObservedNot { strategy: name(), peers });
        }
        (declared, Observed::Unknown { why }) => {
            let declared = match declared {
                Replication::Synchronous => "synchronous",
                Replication::Asynchronous => "asynchronous",
            };
            add(Severity::Unknown, Complaint::ReplicationUnknown { strategy: name(), declared: declared.to_owned(), why });
        }
    }
    // Where Lifeboat promoted the primary, commits have waited for nobody, or for too few, since then at the earliest.
    let is_relaxed = |complaint: &Complaint| matches!(complaint, Complaint::DeclaredSynchronousObservedNot { .. } | Complaint::TooFewConfirm { .. });
    found.iter_mut().filter(|finding| is_relaxed(&finding.complaint)).for_each(|finding| finding.since = promoted_at(picture, cluster));
    let mut add = |severity, complaint| found.push(Finding { severity, about: About::Cluster(cluster.id.clone()), complaint, since: None });
    if let Ok((view, primary, _)) = primary_reading(picture, cluster) {
        if primary.region != strategy.primary_region {
            let complaint = Complaint::AwayFromHome {
                strategy: name(),
                node: primary.node.clone(),
                region: primary.region.clone(),
                home: strategy.primary_region.clone(),
            };
            add(Severity::Watch, complaint);
        }
        for (node, lag) in lagging(view, primary, strategy) {
            let complaint = Complaint::LagAboveTolerance { strategy: name(), node: node.node.clone(), lag, limit: strategy.lag_tolerance };
            add(Severity::Watch, complaint);
        }
    }
    found
}

/// That commits of a cluster hang, or wait for fewer standbys than is declared; `None` where neither is seen.
pub(crate) fn relaxed(picture: &Picture, cluster: &Cluster) -> Option<Finding> {
    let is_one = |complaint: &Complaint| {
        matches!(complaint, Complaint::CommitsHang { .. } | Complaint::DeclaredSynchronousObservedNot { .. } | Complaint::TooFewConfirm { .. })
    };
    findings(picture, cluster).into_iter().find(|finding| is_one(&finding.complaint))
}

/// What is known of the primary beside whom it says that commits wait for.
#[derive(Default)]
struct Durability {
    /// So many standbys are to confirm, where that is declared.
    confirm: Option<u32>,
    /// It waits for somebody, and too few of those who could confirm stream.
    hangs: Option<(NodeId, String)>,
}

impl Durability {
    fn of(picture: &Picture, cluster: &Cluster) -> Self {
        let Ok((_, primary, peers)) = primary_reading(picture, cluster) else { return Self::default() };
        let names = primary.reading.as_ref().and_then(|reading| reading.waits_for.clone());
        let confirming = peers.iter().filter(|peer| peer.streaming && peer.synchronous).count();
        Self {
            confirm: picture.estate.synchronous_of(cluster, &primary.node).map(|declared| declared.confirm),
            hangs: names.filter(|names| confirming < asked_for(names)).map(|names| (primary.node.clone(), names)),
        }
    }
}

/// How many must confirm by `synchronous_standby_names`: `FIRST 2 (a, b)`, `ANY 2 (a, b)` and `2 (a, b)` ask for two, a list for one.
fn asked_for(names: &str) -> usize {
    let before = names.split_once('(').map_or("", |(before, _)| before);
    before.split_ascii_whitespace().find_map(|word| word.parse().ok()).unwrap_or(1)
}

/// When an operation made the present primary one.
fn promoted_at(picture: &Picture, cluster: &Cluster) -> Option<Instant> {
    let primary = &primary_reading(picture, cluster).ok()?.1.node;
    Survey::of(picture).promoted(&cluster.id).filter(|promotion| promotion.node == primary).map(|promotion| promotion.at)
}

/// The writable primary with what it said of its peers, as long as that is fresh.
fn primary_reading<'a>(picture: &'a Picture, cluster: &Cluster) -> Result<(&'a ClusterView, &'a NodeView, &'a [Peer]), String> {
    let view = picture.observed.clusters.get(&cluster.id).ok_or("no node was ever read")?;
    let primary = view.primary().ok_or("no node was ever seen as primary")?;
    if !primary.is_writable() {
        return Err(format!("{}, the primary when last read, is {}", primary.node, primary.judgement.health));
    }
    if primary.is_stale(&picture.estate.detection_of(cluster), picture.now) {
        return Err(format!("the last reading of {} is too old", primary.node));
    }
    match &primary.reading {
        Some(NodeReading { role: NodeRole::Primary { peers, .. }, .. }) => Ok((view, primary, peers)),
        Some(_) | None => Err(format!("{} was not read as primary", primary.node)),
    }
}

/// Standbys that are known to lack bytes and are further behind in time than the strategy tolerates.
fn lagging<'a>(view: &'a ClusterView, primary: &NodeView, strategy: &Strategy) -> Vec<(&'a NodeView, crate::time::Span)> {
    let leading = primary.position();
    let standbys = view.nodes.iter().filter(|node| node.node != primary.node && node.judgement.health == Health::Ok);
    standbys
        .filter(|node| leading.zip(node.position()).is_some_and(|(leading, own)| leading > own))
        .filter_map(|node| databases::lag(Some(primary), node).map(|lag| (node, lag)))
        .filter(|(_, lag)| *lag > strategy.lag_tolerance)
        .collect()
}
