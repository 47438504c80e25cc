//! PgBouncers in an operation, each through the agent beside it. All are told at once: clients of one wait while another is told.

use super::{act::Acting, needs::Done};
use crate::{
    agent::wire::{Cut, Pause, Repoint},
    connect::{agent::Agent, postgres},
};
use anyhow::{Context, bail};
use engine::{
    estate::Cluster,
    failover::Operation,
    id::{NodeId, PoolerId},
    time::Span,
};
use futures::future::join_all;
use std::time::Duration;
use tokio::time::Instant;

/// What runs gets this long to end. New transactions wait meanwhile.
const DRAIN_MS: u64 = 5_000;
const AGAIN: Duration = Duration::from_millis(50);
/// Less than the limit of a step, so that it can say why.
const MARGIN: Duration = Duration::from_millis(500);

impl Acting {
    pub(super) async fn pause_poolers(&self, cluster: &Cluster, poolers: &[PoolerId], lasts: Span) -> anyhow::Result<Done> {
        let each = poolers.iter().map(async |id| {
            let (_, agent) = self.connections.pooler(cluster, id)?;
            let order = Pause { for_ms: lasts.as_millis(), timeout_ms: DRAIN_MS };
            let paused = self.numbered(agent).pause_pooler(id.as_str(), &order).await?;
            Ok(format!("clients of {id} wait since {} ms after they were told to, for {lasts} at most", paused.took_ms))
        });
        all(poolers, join_all(each).await)
    }

    pub(super) async fn cut_poolers(
        &self,
        cluster: &Cluster,
        poolers: &[PoolerId],
        node: &NodeId,
        lasts: Span,
        timeout: Span,
    ) -> anyhow::Result<Done> {
        let each = poolers.iter().map(async |id| {
            let (_, agent) = self.connections.pooler(cluster, id)?;
            let order = Cut { peer: node.to_string(), for_ms: lasts.as_millis() };
            self.numbered(agent).cut_pooler(id.as_str(), &order, timeout.as_millis()).await?;
            Ok(format!("{id} leads to {node}, every connection of it was ended, and its clients wait"))
        });
        all(poolers, join_all(each).await)
    }

    pub(super) async fn repoint_poolers(&self, cluster: &Cluster, poolers: &[PoolerId], node: &NodeId, timeout: Span) -> anyhow::Result<Done> {
        let each = poolers.iter().map(async |id| {
            let (_, agent) = self.connections.pooler(cluster, id)?;
            let order = Repoint { peer: node.to_string() };
            self.until_done(agent, id, Some(&order), timeout).await?;
            Ok(format!("{id} leads to {node} and lets its clients through"))
        });
        all(poolers, join_all(each).await)
    }

    pub(super) async fn resume_poolers(&self, cluster: &Cluster, poolers: &[PoolerId], timeout: Span) -> anyhow::Result<Done> {
        let each = poolers.iter().map(async |id| {
            let (_, agent) = self.connections.pooler(cluster, id)?;
            self.until_done(agent, id, None, timeout).await?;
            Ok(format!("{id} lets its clients through"))
        });
        all(poolers, join_all(each).await)
    }

    /// The schema is there: a write through the router, or on the node, went before.
    pub(super) async fn prove_poolers(
        &mut self,
        cluster: &Cluster,
        poolers: &[PoolerId],
        node: &NodeId,
        operation: &Operation,
        timeout: Span,
    ) -> anyhow::Result<Done> {
        let (deadline, proof) = (Instant::now() + timeout.as_std().saturating_sub(MARGIN), operation.id.to_string());
        let mut proven = Vec::new();
        for id in poolers {
            let (pooler, _) = self.connections.pooler(cluster, id)?;
            let address = pooler.clients.clone();
            let row = loop {
                let left = deadline.saturating_duration_since(Instant::now());
                let tried = async { postgres::write_proof_once(&address.connect(left).await?, &proof, left).await };
                match tried.await {
                    Ok(row) => break row,
                    Err(error) if Instant::now() + AGAIN > deadline => {
                        return Err(error).with_context(|| format!("a write through {id} was refused"));
                    }
                    Err(error) => tracing::debug!(%id, error = format!("{error:#}"), "not there yet"),
                }
                tokio::time::sleep(AGAIN).await;
            };
            if !postgres::has_proof(self.client(cluster, node).await?, &proof, row).await? {
                bail!("a write through {id} succeeded, but it is not on {node}: its clients reach another node");
            }
            proven.push(format!("row {row} was written through {id} and read back on {node}"));
        }
        Ok(Done::because(proven.join("; ")))
    }

    /// Tells an agent to let clients through, after it has led them elsewhere where `repoint` says so. Until it has done that: another
    /// command may run there just now.
    async fn until_done(&self, agent: &Agent, id: &PoolerId, repoint: Option<&Repoint>, timeout: Span) -> anyhow::Result<()> {
        let deadline = Instant::now() + timeout.as_std().saturating_sub(MARGIN);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (agent, left_ms) = (self.numbered(agent), u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
            let telling = async {
                match repoint {
                    Some(order) => agent.repoint_pooler(id.as_str(), order, left_ms).await.map(|_| ()),
                    None => agent.resume_pooler(id.as_str(), left_ms).await.map(|_| ()),
                }
            };
            match tokio::time::timeout(left, telling).await {
                Ok(Ok(())) => return Ok(()),
                Err(_) => bail!("it was not done in time"),
                Ok(Err(error)) if Instant::now() + AGAIN > deadline => return Err(error.into()),
                Ok(Err(error)) => tracing::debug!(%error, "not there yet"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Poolers that follow nodes are a way to a node that the router does not close.
    pub(super) async fn no_pooler_leads_to(&self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<()> {
        for pooler in cluster.poolers_on_nodes() {
            let (_, agent) = self.connections.pooler(cluster, &pooler.id)?;
            let said =
                agent.pooler(pooler.id.as_str()).await.with_context(|| format!("whether clients reach {node} through {} is not known", pooler.id))?;
            if said.leads_to.as_deref() == Some(node.as_str()) {
                bail!("the pooler {} leads to {node}", pooler.id);
            }
        }
        Ok(())
    }
}

/// Each one was told, also after another one failed.
fn all(poolers: &[PoolerId], told: Vec<anyhow::Result<String>>) -> anyhow::Result<Done> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (id, told) in poolers.iter().zip(told) {
        match told {
            Ok(said) => done.push(said),
            Err(error) => failed.push(format!("{id}: {error:#}")),
        }
    }
    if failed.is_empty() { Ok(Done::because(done.join("; "))) } else { bail!("{}", failed.join("; ")) }
}
