//! Puts off the end of the leases of clusters that have one: each node's host is told again and again that its node may take writes.
//! A host that hears nothing of it stops its node.

use super::Sighting;
use crate::{connect::agent::AgentError, connections::Connections, leases};
use engine::{
    estate::{Cluster, Estate},
    time::Span,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc::Sender, time::MissedTickBehavior};

/// A lease is renewed so often before it would run out that a few answers may be lost.
const RENEWALS: u32 = 5;

pub(super) fn start(estate: &Estate, connections: &Arc<Connections>, sender: &Sender<Sighting>) {
    for (cluster, lease) in estate.clusters.iter().filter_map(|cluster| Some((cluster, cluster.lease?))) {
        keep(cluster, lease, connections, sender);
    }
}

fn keep(cluster: &Cluster, lease: Span, connections: &Arc<Connections>, sender: &Sender<Sighting>) {
    for node in &cluster.nodes {
        let Some(agent) = connections.agents.get(&node.region).cloned() else { continue };
        let (cluster, node, sender, connections) = (cluster.id.clone(), node.id.clone(), sender.clone(), connections.clone());
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(lease.as_std() / RENEWALS);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                let sent = || connections.leases.sent(&node, lease);
                let answer = tokio::time::timeout(Duration::from_secs(4), agent.lease(node.as_str(), lease, leases::ON_ITS_WAY, sent)).await;
                let kept = match answer {
                    Err(_) | Ok(Err(AgentError::Unreachable { .. })) => None,
                    Ok(answer) => Some(answer.map(|leased| leased.kept).map_err(|error| error.to_string())),
                };
                if sender.send(Sighting::Lease { cluster: cluster.clone(), node: node.clone(), kept }).await.is_err() {
                    return;
                }
            }
        });
    }
}
