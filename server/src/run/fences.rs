//! Ways to keep an old primary from taking writes without its host agent: a command turns it off; or it answers, and is told to refuse
//! them; or it is silent, and its host stops it, because it has heard nothing from here for as long as was agreed.

use super::{
    act::{Acting, PATIENCE},
    needs::Done,
};
use crate::{connect::postgres, leases};
use anyhow::{Context, bail};
use engine::{
    databases::{Lsn, NodeRole},
    estate::Cluster,
    failover::{Measured, Operation},
    id::{FenceId, NodeId},
    time::Span,
};
use std::time::{Duration, Instant};

/// How long the target may take for what it has not received yet of a primary that writes nothing any more.
const CATCHES_UP: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

impl Acting {
    /// Has a program of the configuration turn the node off. Nothing counts as off that still answers, whatever the program says of it.
    pub(super) async fn turn_off(&self, cluster: &Cluster, node: &NodeId, fence: &FenceId, operation: &Operation) -> anyhow::Result<Done> {
        let declared = cluster.node(node).with_context(|| format!("{node} is not a node of {}", cluster.id))?;
        if declared.fence.as_ref() != Some(fence) {
            bail!("the estate does not name the command {fence} for {node} any more");
        }
        let command = self.connections.fences.get(fence).with_context(|| format!("the configuration has no [fence.{fence}] any more"))?;
        let address = self.connections.nodes.get(&(cluster.id.clone(), node.clone())).with_context(|| format!("{node} is not a node"))?;
        let (id, port) = (operation.id.to_string(), declared.port.to_string());
        let variables = [
            ("LIFEBOAT_OPERATION", id.as_str()),
            ("LIFEBOAT_CLUSTER", cluster.id.as_str()),
            ("LIFEBOAT_NODE", node.as_str()),
            ("LIFEBOAT_HOST", &declared.host),
            ("LIFEBOAT_PORT", &port),
        ];
        let said = command.turn_off(&variables, address).await?;
        Ok(Done::because(format!("{node} is off: {said}")))
    }

    /// Waits until the last lease has run out that the node can have been given, and its host has stopped it.
    pub(super) async fn lease_over(&self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<Done> {
        let lease = cluster.lease.with_context(|| format!("{} has no lease any more", cluster.id))?;
        let view = self.desk.picture().observed.clusters.get(&cluster.id).and_then(|view| view.node(node).cloned());
        match view.and_then(|view| view.details.lease) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => bail!("its host said that {node} takes no writes, so it keeps no lease of it"),
            Some(Err(why)) => bail!("its host keeps no lease of {node}: {why}"),
            None => bail!("this server never heard that the host of {node} keeps a lease of it: it may have started meanwhile"),
        }
        let end = self.connections.leases.end(node, lease);
        let over = end + leases::TO_STOP;
        while Instant::now() < over {
            // Whoever can be told again is fenced by the host: by the proof, and not by the clock.
            if self.connections.leases.end(node, lease) != end {
                bail!("the host of {node} answers again, and has renewed its lease of {lease}: ask for the failover anew, its host will fence it");
            }
            tokio::time::sleep_until(over.min(Instant::now() + BETWEEN_LOOKS).into()).await;
        }
        Ok(Done::because(format!(
            "{node} was given leave to take writes for {lease} at a time and none since; that ran out {} ago, and its host has stopped it",
            Span::from_millis(u64::try_from(end.elapsed().as_millis()).unwrap_or(u64::MAX))
        )))
    }

    /// Has the node refuse writes and ends the sessions of clients, then waits until the target has all of it. What is set is taken back
    /// by the undoing of the step, also where it failed half-way.
    pub(super) async fn refuse_writes(&mut self, cluster: &Cluster, node: &NodeId, operation: &Operation) -> anyhow::Result<Done> {
        let (ended, superusers) = postgres::refuse_writes(self.client(cluster, node).await?).await?;
        // A session of its own says whether a new one could write.
        let address = self.connections.nodes.get(&(cluster.id.clone(), node.clone())).with_context(|| format!("{node} is not a node"))?;
        let fresh = address.connect(PATIENCE).await.with_context(|| format!("{node} cannot be asked again"))?;
        let reading = postgres::look(&fresh, chrono::Utc::now(), PATIENCE).await?;
        let NodeRole::Primary { flushed, .. } = reading.role else { bail!("{node} is in recovery: it is no primary") };
        if !reading.read_only {
            bail!("{node} still takes writes in new sessions");
        }
        let said = format!(
            "{node} refuses writes, {ended} sessions of clients were ended, its log ends at {flushed}; a session that sets \
             default_transaction_read_only off by itself is not stopped by that, nor are the {superusers} of superusers that are open, but no \
             client comes through the router"
        );
        let target = operation.plan.database().and_then(|change| change.target.clone()).context("the plan names no target")?;
        let deadline = Instant::now() + CATCHES_UP;
        let mut held = self.held(cluster, &target).await?;
        while held < flushed {
            if Instant::now() > deadline {
                bail!("{target} holds the log of {node} only up to {held}, {} bytes less than {flushed}", flushed.bytes_ahead_of(held));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            held = self.held(cluster, &target).await?;
        }
        let none = Measured { lost_bytes: Some(0), lost_transactions: Some(0), lost_span: Some(Span::ZERO), ..Measured::default() };
        Ok(Done { said: format!("{said}; {target} holds all of it"), loss: Some(none) })
    }

    /// How far a standby holds the log.
    async fn held(&mut self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<Lsn> {
        match self.read(cluster, node).await?.role {
            NodeRole::Standby { received, replayed, .. } => Ok(received.max(replayed)),
            NodeRole::Primary { .. } => bail!("{node} is a primary already"),
        }
    }
}
