//! How a cluster stands: whether it takes writes, whether it could lose its primary, where its clients go. Each with the
//! reasons and the moment it began, because “down” alone helps nobody.

use crate::ui::{state::Tone, time::clock};
use engine::{
    databases::{ClusterView, HostState, NodeView, Protection},
    estate::{Cluster, Manager},
    health::Health,
    id::NodeId,
    picture::{Picture, RouteStanding, names},
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// How the cluster is, in one sentence; with what was seen and since when where it is not well.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Headline {
    pub tone: Tone,
    pub word: String,
    pub says: String,
    pub since: Option<Instant>,
    /// What was seen: the probe's verdict, the host agent's word, the last reading.
    pub seen: Vec<String>,
}

/// Whether the loss of the primary could be survived.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Shield {
    pub tone: Tone,
    pub word: String,
    /// When the exposure began, by the journal.
    pub since: Option<Instant>,
    pub reasons: Vec<String>,
}

/// Where the router sends clients.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Route {
    pub tone: Tone,
    /// Host and port clients connect to.
    pub address: Option<String>,
    pub word: String,
    pub says: String,
    /// The nodes that get connections; `None` while that is not known.
    pub nodes: Option<Vec<NodeId>>,
    pub asked_at: Option<Instant>,
}

/// What the agent on the node's host last saw.
pub fn host_in_words(node: &NodeView) -> Option<String> {
    let host = node.host.as_ref()?;
    let saw = match host.state {
        HostState::Running => "saw its processes running",
        HostState::Hung => "saw its processes stopped by a signal: they would go on when resumed",
        HostState::Gone => "saw no process of it",
    };
    Some(format!("its host agent {saw} at {}", clock(host.at)))
}

/// The state of the writes, the worst first.
pub fn headline(picture: &Picture, view: &ClusterView) -> Headline {
    if let Some(promotion) = picture.unseen_promotion(&view.cluster) {
        return Headline {
            tone: Tone::Unknown,
            word: "just promoted".to_owned(),
            says: format!("{} was promoted and was not read since. Nothing can be said of the writes", promotion.node),
            since: Some(promotion.at),
            seen: Vec::new(),
        };
    }
    let writable = view.writable();
    if writable.len() > 1 {
        let names: Vec<_> = writable.iter().map(|node| node.node.to_string()).collect();
        return Headline {
            tone: Tone::Lost,
            word: "SPLIT BRAIN".to_owned(),
            says: format!("{} nodes take writes: {}. Stop all but one on its host, at once", names.len(), names.join(" and ")),
            since: picture.records.split_brain.get(&view.cluster).copied(),
            seen: writable
                .iter()
                .filter_map(|node| Some(format!("{} says it is writable on timeline {}", node.node, node.reading.as_ref()?.timeline)))
                .collect(),
        };
    }
    let Some(primary) = view.primary() else {
        return Headline {
            tone: Tone::Unknown,
            word: "no primary known".to_owned(),
            says: "No node was ever seen as primary. Nothing can be said of the writes".to_owned(),
            since: None,
            seen: view.nodes.iter().map(|node| format!("{}: {}", node.node, node.judgement.why)).collect(),
        };
    };
    let name = &primary.node;
    let read_only = primary.reading.as_ref().is_some_and(|reading| reading.read_only);
    let (tone, word, says) = match primary.judgement.health {
        Health::Ok if read_only => {
            (Tone::Act, "read only", format!("{name} is the primary and refuses ordinary writes (default_transaction_read_only is on)"))
        }
        Health::Ok => (Tone::Ok, "writable", format!("{name} takes the writes")),
        Health::Degraded => (Tone::Act, "primary degraded", format!("The primary {name} answers and complains")),
        Health::Down => (Tone::Lost, "primary down", format!("The primary {name} is DOWN. No node takes writes")),
        Health::Unknown => (Tone::Unknown, "primary unknown", format!("Nothing is known of the primary {name} now")),
    };
    let well = tone == Tone::Ok;
    Headline {
        tone,
        word: word.to_owned(),
        says,
        since: if well { None } else { primary.judgement.since },
        seen: if well { Vec::new() } else { primary_seen(primary) },
    }
}

/// The witnesses of a primary that is not well: the probes, its host, and its last good reading.
fn primary_seen(primary: &NodeView) -> Vec<String> {
    let mut seen = vec![primary.judgement.why.clone()];
    if let Some((at, Some(error))) = &primary.last_attempt {
        seen.push(format!("last attempt at {}: {error}", clock(*at)));
    }
    seen.extend(host_in_words(primary));
    if let (Some(reading), Some(position)) = (&primary.reading, primary.position()) {
        seen.push(format!("last good reading at {}: position {position} on timeline {}", clock(reading.at), reading.timeline));
    }
    seen
}

/// Whether the loss of the primary could be survived, with the clock of the exposure.
pub fn shield(picture: &Picture, cluster: &Cluster) -> Shield {
    let since = picture.exposure(&cluster.id).map(|exposure| exposure.since);
    match picture.protection(&cluster.id) {
        None => Shield { tone: Tone::Unknown, word: "protection unknown".to_owned(), since: None, reasons: vec![unread(picture, cluster)] },
        // The journal closes the exposure a moment later; its clock beside a green word would only confuse.
        Some(Protection::Protected) => Shield { tone: Tone::Ok, word: "protected".to_owned(), since: None, reasons: Vec::new() },
        Some(Protection::Reduced { missing }) => Shield { tone: Tone::Watch, word: "reduced protection".to_owned(), since, reasons: missing },
        Some(Protection::Unprotected { missing }) => Shield { tone: Tone::Act, word: "UNPROTECTED".to_owned(), since, reasons: missing },
    }
}

/// Why nothing can be said of a cluster's protection.
fn unread(picture: &Picture, cluster: &Cluster) -> String {
    match picture.unseen_promotion(&cluster.id) {
        Some(promotion) => format!("{} was promoted, and was not read since", promotion.node),
        None => "no node was ever read".to_owned(),
    }
}

/// Where clients go, by the router's own answer, held against the node that takes the writes.
pub fn route(picture: &Picture, cluster: &Cluster, view: &ClusterView) -> Route {
    let address = cluster.router.as_ref().map(|router| router.address.clone());
    let routed = view.routed_to.as_ref();
    let (tone, word, says) = match picture.route_of(&cluster.id) {
        Some(RouteStanding::NoRouter) if cluster.manager == Manager::Patroni => {
            (Tone::Watch, "not by Lifeboat", "No router is declared: clients follow Patroni, or find the leader themselves".to_owned())
        }
        None | Some(RouteStanding::NoRouter) => (Tone::Watch, "no router", "No router is declared: Lifeboat cannot move clients".to_owned()),
        Some(RouteStanding::Unknown { why }) => (Tone::Unknown, "route unknown", format!("Where clients go is not known: {why}")),
        Some(RouteStanding::Closed) => (Tone::Act, "route closed", "The route is closed: no client reaches a node".to_owned()),
        Some(RouteStanding::Right { node }) => (Tone::Ok, "routed", format!("Clients are sent to {node}")),
        Some(RouteStanding::Elsewhere { routed, writable }) => {
            (Tone::Act, "misrouted", format!("Clients are sent to {}, the writable node is {writable}", names(&routed)))
        }
        Some(RouteStanding::NobodyWrites { routed }) => {
            (Tone::Act, "routed to nowhere", format!("Clients are sent to {}, and no one node takes writes", names(&routed)))
        }
    };
    let nodes = routed.filter(|_| tone != Tone::Unknown).map(|routed| routed.nodes.clone());
    let asked_at = routed.map(|routed| routed.at);
    Route { tone, address, word: word.to_owned(), says, nodes, asked_at }
}
