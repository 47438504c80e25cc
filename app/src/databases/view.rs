//! What the page of one cluster shows: which node takes the writes, who follows it and how far behind, whether the loss
//! of the primary could be survived, and what can be done now. A pure function of the picture.

use super::{
    details::{self, DetailRow},
    patroni::PatroniWord,
    poolers::PoolerWord,
    standing::{Headline, Route, Shield, headline, host_in_words, route, shield},
    wal::{Lag, lag_of},
};
use crate::{
    failover::view::switches::{self, Switch},
    operations::{
        line::{self, OperationLine},
        verdict::lost,
        words::{title, took_in_words},
    },
    overview::view::FindingLine,
    session::Viewer,
    ui::state::{Tone, standing},
};
use engine::{
    databases::{Candidate, ClusterView, Details, Exclusion, NodeStanding, NodeView},
    estate::{Cluster, DeclaredRole, Estate, Manager},
    failover::{OperationKind, State},
    health::Health,
    id::{ClusterId, NodeId, RegionId},
    picture::{Picture, RouteStanding},
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// All clusters, for `/databases`.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Directory {
    pub now: Instant,
    pub clusters: Vec<ClusterLine>,
}

/// One cluster in a list.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ClusterLine {
    pub id: ClusterId,
    pub headline: Headline,
    pub protection: Shield,
    /// How many nodes stand well, of how many.
    pub well: usize,
    pub nodes: usize,
    pub timeline: Option<u32>,
    pub active: Option<OperationLine>,
}

/// One cluster, for `/databases/{cluster}`.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ClusterPage {
    pub now: Instant,
    pub id: ClusterId,
    pub service: String,
    pub database: String,
    /// The declared strategy in a sentence.
    pub strategy: Option<String>,
    pub headline: Headline,
    pub protection: Shield,
    pub route: Route,
    /// Where it runs the cluster, or was seen at work on it.
    pub patroni: Option<PatroniWord>,
    /// The PgBouncers that clients come through.
    pub poolers: Vec<PoolerWord>,
    pub timeline: Option<u32>,
    pub nodes: Vec<NodeRow>,
    pub details: Vec<DetailRow>,
    /// What is wrong with the details.
    pub complaints: Vec<FindingLine>,
    pub offers: Vec<Offer>,
    pub active: Option<OperationLine>,
    /// Ended operations, newest first, at most `PAST_SHOWN`.
    pub past: Vec<OperationLine>,
    /// What people can put in the way of Lifeboat here; empty where nobody looks at them.
    pub switches: Vec<Switch>,
    pub last_move: Option<LastMove>,
}

/// One node with its latest reading.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct NodeRow {
    pub node: NodeId,
    pub region: RegionId,
    pub region_failed: bool,
    /// What it is meant to be, and whether it may be promoted.
    pub declared: String,
    pub tone: Tone,
    pub standing: String,
    pub since: Option<Instant>,
    /// Why it stands as it does, where that is not well.
    pub why: Option<String>,
    pub is_primary: bool,
    /// Whether the writes could be moved to it now; absent for the primary, and where nobody knows who that is.
    pub takes_over: Option<TakesOver>,
    /// The node it receives WAL from now, where that is one of this cluster.
    pub upstream: Option<NodeId>,
    pub timeline: Option<u32>,
    pub position: Option<String>,
    /// Absent for the primary itself.
    pub lag: Option<Lag>,
    pub read_at: Option<Instant>,
    /// The reading is older than the detection rule calls fresh: every figure of it may be wrong by now.
    pub stale: bool,
    pub connections: Option<(u32, u32)>,
    pub version: Option<String>,
    /// Whether the person who looks should be offered to let it rejoin.
    pub can_rejoin: bool,
}

/// A node as the target of a move that could be planned now.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct TakesOver {
    /// The first of the ranking.
    pub first: bool,
    /// Why it cannot.
    pub excluded: Option<String>,
}

impl TakesOver {
    pub fn in_words(&self) -> &'static str {
        match (&self.excluded, self.first) {
            (Some(_), _) => "cannot take over",
            (None, true) => "first to take over",
            (None, false) => "can take over",
        }
    }
}

/// When the writes were last moved here, and what that showed.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct LastMove {
    pub href: String,
    pub says: String,
    pub at: Instant,
}

/// Something that can be done now, as a link to the page that confirms it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Offer {
    pub href: String,
    pub does: String,
    pub because: String,
    /// The one thing to do now.
    pub urgent: bool,
}

pub const PAST_SHOWN: usize = 20;

impl Directory {
    pub fn of(picture: &Picture) -> Self {
        let clusters = picture.estate.clusters.iter().filter_map(|cluster| ClusterLine::of(picture, cluster)).collect();
        Self { now: picture.now, clusters }
    }
}

impl ClusterLine {
    fn of(picture: &Picture, cluster: &Cluster) -> Option<Self> {
        let page = ClusterPage::of(picture, &cluster.id)?;
        let well = page.nodes.iter().filter(|node| node.tone == Tone::Ok).count();
        Some(Self {
            id: page.id,
            headline: page.headline,
            protection: page.protection,
            well,
            nodes: page.nodes.len(),
            timeline: page.timeline,
            active: page.active,
        })
    }
}

impl ClusterPage {
    /// `None` where no such cluster is declared. A cluster that was never observed is shown, as unknown.
    pub fn of(picture: &Picture, id: &ClusterId) -> Option<Self> {
        let cluster = picture.estate.cluster(id)?;
        let unseen;
        let view = match picture.observed.clusters.get(id) {
            Some(view) => view,
            None => {
                unseen = never_observed(cluster);
                &unseen
            }
        };
        let active = picture.records.active_on(id);
        let mut past = line::ended(picture, Some(id));
        past.truncate(PAST_SHOWN);
        let ranking = ranking(picture, id, view);
        let nodes = view.nodes.iter().map(|node| NodeRow { takes_over: takes_over(&ranking, node), ..NodeRow::of(picture, cluster, view, node) });
        let nodes: Vec<NodeRow> = nodes.collect();
        Some(Self {
            now: picture.now,
            id: id.clone(),
            service: cluster.service.to_string(),
            database: cluster.database.clone(),
            strategy: strategy_in_words(&picture.estate, cluster),
            headline: headline(picture, view),
            protection: shield(picture, cluster),
            route: route(picture, cluster, view),
            patroni: PatroniWord::of(picture, cluster, view),
            poolers: cluster.poolers.iter().map(|pooler| PoolerWord::of(picture, cluster, view, pooler)).collect(),
            timeline: view.timeline(),
            offers: offers(picture, cluster, view, active.is_some()),
            details: view.nodes.iter().map(|node| DetailRow::of(node, &picture.estate.detection_of(cluster), picture.now)).collect(),
            complaints: details::complaints(picture, cluster),
            nodes,
            last_move: LastMove::of(picture, id),
            active: active.map(|operation| OperationLine::in_picture(picture, operation)),
            past,
            switches: Vec::new(),
        })
    }
}

/// Those that a move would be planned with as things are: a switchover while the primary is well, else a failover. The best first.
fn ranking(picture: &Picture, id: &ClusterId, view: &ClusterView) -> Vec<Candidate> {
    let kind = if view.writable().len() == 1 { OperationKind::Switchover } else { OperationKind::Failover };
    let plan = view.primary().and_then(|_| picture.plan(kind, id, None));
    plan.and_then(|plan| plan.database().map(|change| change.candidates.clone())).unwrap_or_default()
}

fn takes_over(ranking: &[Candidate], node: &NodeView) -> Option<TakesOver> {
    let at = ranking.iter().position(|candidate| candidate.node == node.node)?;
    let excluded = ranking[at].exclusions.first();
    let is_primary = matches!(excluded, Some(Exclusion::IsPrimary));
    (!is_primary).then(|| TakesOver { first: at == 0, excluded: excluded.map(ToString::to_string) })
}

impl LastMove {
    /// The last operation that moved the writes of the cluster and was proven.
    fn of(picture: &Picture, id: &ClusterId) -> Option<Self> {
        let moves = picture.records.operations.values().filter(|operation| operation.plan.scope().cluster() == Some(id));
        let moves = moves.filter(|operation| operation.state == State::Succeeded).filter_map(|operation| Some((operation, lost(operation)?)));
        let (operation, (_, lost)) = moves.max_by_key(|(operation, _)| operation.ended_at)?;
        let without = operation.recovery_time().map_or_else(|| "not measured".to_owned(), took_in_words);
        let says = format!("{}: without writes for {without}, lost: {lost}", title(&operation.plan));
        Some(Self { href: format!("/operations/{}", operation.id), says, at: operation.ended_at? })
    }
}

impl ClusterPage {
    /// With what this person can put in the way of Lifeboat.
    pub fn for_viewer(self, picture: &Picture, viewer: &Viewer) -> Self {
        Self { switches: switches::of_cluster(picture, viewer, &self.id), ..self }
    }
}

/// What stands for a cluster nobody has looked at yet: its declared nodes, with nothing known of them.
fn never_observed(cluster: &Cluster) -> ClusterView {
    let nodes = cluster.nodes.iter().map(|node| NodeView {
        node: node.id.clone(),
        region: node.region.clone(),
        declared: node.role,
        promotable: node.promotable,
        judgement: engine::health::Judgement::never_measured(),
        reading: None,
        last_attempt: None,
        host: None,
        details: Details::default(),
    });
    ClusterView { cluster: cluster.id.clone(), nodes: nodes.collect(), failed_regions: Default::default(), routed_to: None }
}

impl NodeRow {
    fn of(picture: &Picture, cluster: &Cluster, view: &ClusterView, node: &NodeView) -> Self {
        let rule = picture.estate.detection_of(cluster);
        let stands = view.standing(node, &rule, picture.now);
        let (tone, word) = standing(stands);
        let is_primary = view.primary().is_some_and(|primary| primary.node == node.node);
        let stale = node.is_stale(&rule, picture.now);
        let reading = node.reading.as_ref();
        Self {
            node: node.node.clone(),
            region: node.region.clone(),
            region_failed: view.failed_regions.contains(&node.region),
            declared: declared_in_words(node),
            tone,
            standing: word.to_owned(),
            // The verdict's own clock; a node that answers has been well since then, however badly it stands.
            since: if node.judgement.health == Health::Ok { None } else { node.judgement.since },
            why: why(node, stands, stale),
            is_primary,
            takes_over: None,
            upstream: matches!(stands, NodeStanding::Streaming).then(|| super::wal::upstream_of(cluster, view, node)).flatten(),
            timeline: reading.map(|reading| reading.timeline),
            position: node.position().map(|lsn| lsn.to_string()),
            lag: (!is_primary).then(|| lag_of(view, node, &rule, picture.now)),
            read_at: reading.map(|reading| reading.at),
            stale,
            connections: reading.map(|reading| (reading.connections, reading.connections_max)),
            version: reading.map(|reading| reading.version.clone()),
            // A second primary is fenced by the rejoin before anything else.
            can_rejoin: matches!(stands, NodeStanding::NeedsRewind | NodeStanding::NotStreaming | NodeStanding::Down | NodeStanding::SecondPrimary)
                && cluster.manager == Manager::Lifeboat
                && view.primary().is_some_and(NodeView::is_writable),
        }
    }
}

fn declared_in_words(node: &NodeView) -> String {
    let role = match node.declared {
        DeclaredRole::Primary => "primary",
        DeclaredRole::Replica => "replica",
        DeclaredRole::Standby => "standby",
    };
    if node.promotable { role.to_owned() } else { format!("{role}, never promoted") }
}

/// Why a node does not stand well, in the words of whoever saw it: the probes, and the agent on its host.
fn why(node: &NodeView, stands: NodeStanding, stale: bool) -> Option<String> {
    let mut parts = Vec::new();
    match stands {
        NodeStanding::Primary | NodeStanding::Streaming => return None,
        NodeStanding::SecondPrimary => parts.push("it takes writes beside the primary".to_owned()),
        NodeStanding::NeedsRewind => parts.push("it was the primary on an older timeline and must be rewound before it may follow".to_owned()),
        NodeStanding::NotStreaming | NodeStanding::PrimaryDown | NodeStanding::Down | NodeStanding::Unknown => {}
    }
    if node.judgement.health != Health::Ok {
        parts.push(node.judgement.why.clone());
    } else if stale {
        parts.push("its last good sample is too old to be believed".to_owned());
    } else if stands == NodeStanding::NotStreaming {
        parts.push("it answers, and receives nothing from the primary".to_owned());
    }
    parts.extend(host_in_words(node));
    Some(parts.join("; "))
}

/// What to offer: a failover first where the primary is not well, a switchover where it is; then who can rejoin.
fn offers(picture: &Picture, cluster: &Cluster, view: &ClusterView, held: bool) -> Vec<Offer> {
    if held {
        return Vec::new();
    }
    let plan = |kind: OperationKind| format!("/databases/{}/plan?kind={kind}", cluster.id);
    let mut offers = Vec::new();
    let well = view.writable().len() == 1;
    if view.primary().is_some() && view.writable().len() <= 1 {
        if well {
            offers.push(Offer {
                href: plan(OperationKind::Switchover),
                does: "Plan a switchover".to_owned(),
                because: "Moves the writes to another node without losing any. Shows everything before anything happens.".to_owned(),
                urgent: false,
            });
            offers.push(Offer {
                href: format!("{}&drill", plan(OperationKind::Switchover)),
                does: "Drill a switchover".to_owned(),
                because: "The same on a quiet day, to have it proven and measured before it is needed. It really moves the writes.".to_owned(),
                urgent: false,
            });
        }
        offers.push(Offer {
            href: plan(OperationKind::Failover),
            does: "Plan a failover".to_owned(),
            because: if well {
                "For an emergency only: the primary answers, so a switchover is safer.".to_owned()
            } else {
                "The primary does not take writes. Shows who would take over, what may be lost and who is affected.".to_owned()
            },
            urgent: !well,
        });
    }
    let strayed = matches!(picture.route_of(&cluster.id), Some(RouteStanding::Closed | RouteStanding::Elsewhere { .. }));
    let let_through = view.writable().first().is_none_or(|node| picture.poolers_lead_to(cluster, &node.node));
    if (strayed || !let_through) && well {
        offers.insert(
            0,
            Offer {
                href: plan(OperationKind::Reroute),
                does: "Set the route again".to_owned(),
                because: "Clients do not reach the node that takes the writes. Sends them there, and proves it with a write.".to_owned(),
                urgent: true,
            },
        );
    }
    // Of two that write on one timeline nobody can say which is the second: a rejoin would discard what one of them wrote.
    let may_be_the_first = |row: &NodeRow| row.standing == standing(NodeStanding::SecondPrimary).1 && row.timeline >= view.timeline();
    let rows = view.nodes.iter().map(|node| NodeRow::of(picture, cluster, view, node));
    let rows = rows.filter(|row| row.can_rejoin && !may_be_the_first(row));
    offers.extend(rows.map(|row| Offer {
        href: format!("{}&node={}", plan(OperationKind::Rejoin), row.node),
        does: format!("Rejoin {}", row.node),
        because: if row.standing == standing(NodeStanding::SecondPrimary).1 {
            "It takes writes beside the primary. A rejoin ends its processes first, and discards what only it wrote.".to_owned()
        } else {
            format!("It is {}. Until it follows again the cluster has less protection.", row.standing)
        },
        urgent: [NodeStanding::NeedsRewind, NodeStanding::SecondPrimary].into_iter().any(|stands| row.standing == standing(stands).1),
    }));
    offers
}

fn strategy_in_words(estate: &Estate, cluster: &Cluster) -> Option<String> {
    let strategy = estate.strategy(cluster.strategy.as_ref()?)?;
    let replication = match strategy.replication {
        engine::estate::Replication::Synchronous => "synchronous",
        engine::estate::Replication::Asynchronous => "asynchronous",
    };
    let tolerance: Span = strategy.lag_tolerance;
    Some(format!("{}: {replication} replication declared, planned moves allow {tolerance} of lag", strategy.id))
}
