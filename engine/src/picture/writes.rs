//! Where the writes of a cluster go, as far as that is known: who was promoted last, and where the router sends clients.

use super::Picture;
use crate::{
    dependencies,
    failover::{Operation, Promotion},
    health::Health,
    id::{ClusterId, NodeId, ServiceId},
    time::{Instant, Span},
};
use std::collections::BTreeMap;

/// Where the router of a cluster sends clients, held against the node that takes the writes (row 47).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteStanding {
    NoRouter,
    Unknown {
        why: String,
    },
    /// To the one node that takes the writes, and nowhere else.
    Right {
        node: NodeId,
    },
    Closed,
    /// Also, or only, to something else than the node that takes the writes; it need not be a node of the estate.
    Elsewhere {
        routed: Vec<NodeId>,
        writable: NodeId,
    },
    /// Somewhere, and there is no one node that takes writes.
    NobodyWrites {
        routed: Vec<NodeId>,
    },
}

impl Picture {
    /// The last promotion in a cluster, where nothing that was read since shows it: until then nobody knows who takes the
    /// writes, and what was read before must not be shown as if it were so.
    pub fn unseen_promotion(&self, id: &ClusterId) -> Option<Promotion<'_>> {
        let view = self.observed.clusters.get(id)?;
        let last = self.operations_of(id).filter_map(Operation::promoted).max_by_key(|promotion| promotion.at)?;
        // Of one that was given up nobody knows whether it came about: then what is seen has the word.
        (last.done && last.is_unseen_in(view, self.now)).then_some(last)
    }

    /// `None` where no such cluster is declared.
    pub fn route_of(&self, id: &ClusterId) -> Option<RouteStanding> {
        let cluster = self.estate.cluster(id)?;
        if cluster.router.is_none() {
            return Some(RouteStanding::NoRouter);
        }
        let unknown = |why: String| Some(RouteStanding::Unknown { why });
        let view = self.observed.clusters.get(id);
        let Some((view, routed)) = view.and_then(|view| Some((view, view.routed_to.as_ref()?))) else {
            return unknown("the router was never read".to_owned());
        };
        if let Some(silent) = self.observed.routers.get(id).filter(|judgement| judgement.health != Health::Ok) {
            return unknown(silent.why.clone());
        }
        let silence = self.estate.detection_of(cluster).silence();
        if Span::between(routed.at, self.now) > silence || Span::between(self.now, routed.at) > silence {
            return unknown(format!("its last answer is from {}", routed.at.format("%H:%M:%S UTC")));
        }
        let since = |ended: Instant| routed.at <= ended && ended <= self.now;
        if self.operations_of(id).any(|operation| operation.changed_routing() && operation.ended_at.is_some_and(since)) {
            return unknown("an operation has ended since the router was last read".to_owned());
        }
        if routed.nodes.is_empty() {
            return Some(RouteStanding::Closed);
        }
        if let Some(promotion) = self.unseen_promotion(id) {
            return unknown(format!("clients are sent to {}, and {} was not read since it was promoted", names(&routed.nodes), promotion.node));
        }
        let routed = routed.nodes.clone();
        Some(match view.writable()[..] {
            [writable] if routed.iter().all(|node| *node == writable.node) => RouteStanding::Right { node: writable.node.clone() },
            [writable] => RouteStanding::Elsewhere { routed, writable: writable.node.clone() },
            _ => RouteStanding::NobodyWrites { routed },
        })
    }

    /// Per service: the clusters it needs whose loss could not be survived in full now. While the data is not back a service is
    /// not protected, however well it answers elsewhere (row 45).
    pub fn exposed_data(&self) -> BTreeMap<ServiceId, Vec<ClusterId>> {
        let mut found: BTreeMap<ServiceId, Vec<ClusterId>> = BTreeMap::new();
        for cluster in self.records.exposures.keys().filter_map(|id| self.estate.cluster(id)) {
            for service in dependencies::affected_by(&self.estate, &cluster.service) {
                found.entry(service).or_default().push(cluster.id.clone());
            }
        }
        found
    }

    fn operations_of(&self, id: &ClusterId) -> impl Iterator<Item = &Operation> {
        self.records.operations.values().filter(move |operation| operation.plan.database().is_some_and(|change| change.cluster == *id))
    }
}

/// The names of nodes in a sentence.
pub fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" and ")
}
