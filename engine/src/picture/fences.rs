//! The commands that turn nodes off: which one a node has, and whether it can be relied on now.

use super::Picture;
use crate::{
    abilities::FenceCommand,
    estate::Cluster,
    failover::{Action, FenceMeans, Operation, StepState},
    id::{FenceId, NodeId},
};

impl Picture {
    /// The command that would turn a node off now. `None` where the estate names none; the error says why it is not to be relied on.
    pub(super) fn fence_of(&self, cluster: &Cluster, node: &NodeId) -> Option<Result<(FenceId, FenceCommand), String>> {
        let fence = cluster.node(node)?.fence.as_ref()?;
        let usable = self.fence_command(fence).and_then(|command| match self.fence_failed(cluster, node, fence) {
            Some(said) => Err(format!("its command {fence} was run in vain: {said}")),
            None => Ok((fence.clone(), command)),
        });
        Some(usable)
    }

    /// What the configuration has under this name, or why it cannot be run.
    pub(crate) fn fence_command(&self, fence: &FenceId) -> Result<FenceCommand, String> {
        let named = self.observed.fences.get(fence).cloned();
        named.unwrap_or_else(|| Err(format!("its command {fence} is not in the configuration of this server")))
    }

    /// What was said where the command failed since the node began to fail, or in a run that nobody has taken note of. A plan that relied on it
    /// again would fail in the same way, and people could never accept that nothing is proven; and a command that was caught lying is not
    /// believed of a node that nobody can look at. Whoever wants it tried again resumes the operation.
    fn fence_failed(&self, cluster: &Cluster, node: &NodeId, fence: &FenceId) -> Option<String> {
        let since = self.observed.clusters.get(&cluster.id)?.node(node)?.judgement.since;
        let is_it =
            |action: &Action| matches!(action, Action::Fence { node: of, by: FenceMeans::Command { fence: by } } if of == node && by == fence);
        let failed = |operation: &Operation| {
            let mut steps = operation.plan.steps.iter().zip(&operation.steps);
            let (_, record) = steps.find(|(step, record)| is_it(&step.action) && record.state == StepState::Failed)?;
            let counts = record.started_at >= since || operation.acknowledged.is_none();
            counts.then(|| (record.started_at, record.said.clone().unwrap_or_else(|| "nobody said why".to_owned())))
        };
        let of_cluster = self.records.operations.values().filter(|operation| operation.plan.scope().cluster() == Some(&cluster.id));
        of_cluster.filter_map(failed).max_by_key(|(started, _)| *started).map(|(_, said)| said)
    }
}
