//! Asks each region's host agent whether it answers, and what it sees of the nodes on its hosts.

use super::{Sighting, beat, rule_in};
use crate::{connect::agent::Agent, connections::Connections};
use chrono::Utc;
use engine::{
    databases::{FilesReading, HostState},
    estate::{Estate, Manager},
    health::{Outcome, Sample},
    id::NodeId,
    time::Span,
};
use std::time::Duration;
use tokio::sync::mpsc::Sender;

pub(super) fn start(estate: &Estate, connections: &Connections, sender: &Sender<Sighting>) {
    for (region, agent) in &connections.agents {
        let rule = rule_in(estate, region);
        // What Patroni runs no host agent keeps.
        let kept = estate.clusters.iter().filter(|cluster| cluster.manager == Manager::Lifeboat).flat_map(|cluster| &cluster.nodes);
        let nodes: Vec<NodeId> = kept.filter(|node| &node.region == region).map(|node| node.id.clone()).collect();
        let (region, agent, sender) = (region.clone(), agent.clone(), sender.clone());
        tokio::spawn(async move {
            let mut beat = beat(&rule);
            loop {
                beat.tick().await;
                let at = Utc::now();
                let (outcome, hosts) = match ask(&agent, &nodes, rule.timeout.as_std()).await {
                    Ok(hosts) => (Outcome::Good, hosts),
                    Err(why) => (Outcome::Failed(why), Vec::new()),
                };
                let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
                if sender.send(Sighting::Agent { region: region.clone(), sample, hosts }).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn ask(agent: &Agent, nodes: &[NodeId], patience: Duration) -> Result<Vec<(NodeId, HostState, FilesReading)>, String> {
    let asking = async {
        agent.status().await.map_err(|error| error.to_string())?;
        let mut hosts = Vec::with_capacity(nodes.len());
        for node in nodes {
            let status = agent.node(node.as_str()).await.map_err(|error| format!("asked about {node}: {error}"))?;
            let state = match (status.running, status.stopped_by_signal, status.processes) {
                (_, true, _) => HostState::Hung,
                (false, false, 0) => HostState::Gone,
                _ => HostState::Running,
            };
            // Dated by the server's clock, like all that is seen.
            let files = FilesReading { at: Utc::now(), data: status.data_room, wal: status.wal_room, forks: status.forks };
            hosts.push((node.clone(), state, files));
        }
        Ok(hosts)
    };
    tokio::time::timeout(patience, asking).await.unwrap_or_else(|_| Err(format!("no answer within {} ms", patience.as_millis())))
}
