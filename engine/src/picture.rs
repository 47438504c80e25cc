//! Everything known at one instant, with its ages: the declared estate, what was observed, and the records. Pages, plans
//! and rules read a picture; nothing else.

use crate::{
    databases::{ClusterView, Protection},
    estate::{Cluster, Estate},
    failover::{
        Operation, OperationKind, Plan,
        planning::{self, Facts},
    },
    findings::{self, Finding},
    health::{Health, Judgement, Sample},
    id::{ClusterId, NodeId, OperationId, RegionId, ServiceId},
    journal::{Exposure, Records},
    time::{Instant, Span},
};
use std::{collections::BTreeMap, sync::Arc};

/// What was observed of the world, latest values only.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    pub clusters: BTreeMap<ClusterId, ClusterView>,
    pub endpoints: BTreeMap<(ServiceId, RegionId), EndpointView>,
    pub agents: BTreeMap<RegionId, Judgement>,
    pub routers: BTreeMap<ClusterId, Judgement>,
    /// When watching began, in this process; absent before it has.
    pub since: Option<Instant>,
    /// Counts up with every batch of observations; pages use it to know that something moved.
    pub tick: u64,
}

/// One probed endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    pub judgement: Judgement,
    pub last: Option<Sample>,
}

/// Everything known at `now`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Picture {
    pub now: Instant,
    pub estate: Arc<Estate>,
    pub observed: Arc<Observations>,
    pub records: Arc<Records>,
    /// Where the journal's chain is broken, if it is. Shown on every page.
    pub journal_break: Option<String>,
}

impl Picture {
    pub fn cluster(&self, id: &ClusterId) -> Option<(&Cluster, &ClusterView)> {
        Some((self.estate.cluster(id)?, self.observed.clusters.get(id)?))
    }
    pub fn operation(&self, id: &OperationId) -> Option<&Operation> {
        self.records.operations.get(id)
    }
    pub fn exposure(&self, id: &ClusterId) -> Option<&Exposure> {
        self.records.exposures.get(id)
    }
    pub fn protection(&self, id: &ClusterId) -> Option<Protection> {
        let (cluster, view) = self.cluster(id)?;
        Some(view.protection(cluster, &self.estate.detection_of(cluster), self.now))
    }
    /// Whether enough has been seen of a cluster to judge whether earlier agreements still hold. In the first seconds after a
    /// start everything is unknown, and that alone must not make an approval void.
    pub fn is_settled(&self, id: &ClusterId) -> bool {
        let (Some((cluster, view)), Some(since)) = (self.cluster(id), self.observed.since) else {
            return false;
        };
        let known = |judgement: Option<&Judgement>| judgement.is_some_and(|judgement| judgement.health != Health::Unknown);
        let nodes = view.nodes.iter().all(|node| known(Some(&node.judgement)));
        let router = cluster.router.is_none() || known(self.observed.routers.get(id));
        let mut regions = cluster.nodes.iter().filter_map(|node| self.estate.region(&node.region)).filter(|region| region.agent.is_some());
        let agents = regions.all(|region| known(self.observed.agents.get(&region.id)));
        (nodes && router && agents) || Span::between(since, self.now) > self.estate.detection_of(cluster).window()
    }
    /// Everything wrong with the estate and its state, worst first.
    pub fn findings(&self) -> Vec<Finding> {
        findings::all(self)
    }

    /// The plan for `kind` as it would be made now. For a rejoin `node` is the node that is to follow, and must be given;
    /// for the others it is the wished target, or `None` for the best one. `None` where the cluster does not exist.
    pub fn plan(&self, kind: OperationKind, cluster: &ClusterId, node: Option<&NodeId>) -> Option<Plan> {
        let (cluster, view) = self.cluster(cluster)?;
        let agent = |node: &NodeId| self.agent_answers(cluster, node);
        let router = self.observed.routers.get(&cluster.id);
        let facts = Facts {
            estate: &self.estate,
            cluster,
            view,
            agents: &agent,
            router: match router {
                Some(judgement) if judgement.health == Health::Ok => Ok(()),
                Some(judgement) => Err(&judgement.why),
                None => Err("it was never asked"),
            },
            now: self.now,
        };
        Some(match kind {
            OperationKind::Switchover => planning::switchover(facts, node),
            OperationKind::Failover => planning::failover(facts, node),
            OperationKind::Rejoin => planning::rejoin(facts, node?),
        })
    }

    /// The plan of an existing operation, made anew from the present facts.
    pub fn replan(&self, operation: &Operation) -> Option<Plan> {
        let node = match operation.plan.kind {
            OperationKind::Switchover | OperationKind::Failover => operation.plan.target.as_ref(),
            OperationKind::Rejoin => operation.plan.source.as_ref(),
        };
        self.plan(operation.plan.kind, &operation.plan.cluster, node)
    }

    fn agent_answers(&self, cluster: &Cluster, node: &NodeId) -> Result<(), String> {
        let node = cluster.node(node).ok_or("the node is not part of the cluster")?;
        let region = self.estate.region(&node.region).ok_or_else(|| format!("the region {} is not declared", node.region))?;
        if region.agent.is_none() {
            return Err(format!("no host agent is set up in {}", region.id));
        }
        match self.observed.agents.get(&region.id) {
            Some(judgement) if judgement.health == Health::Ok => Ok(()),
            Some(judgement) => Err(judgement.why.clone()),
            None => Err("it was never asked".to_owned()),
        }
    }
}
