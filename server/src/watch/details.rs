//! Asks every database node for what changes slowly, at a pace and over a connection of its own: what detection needs is asked
//! by the probes, and nothing here can fail one.

use super::Sighting;
use crate::{connect::postgres::Reader, connections::Connections};
use chrono::Utc;
use engine::estate::Estate;
use std::time::Duration;
use tokio::{sync::mpsc::Sender, time::MissedTickBehavior};

const PACE: Duration = Duration::from_secs(5);

pub(super) fn start(estate: &Estate, connections: &Connections, sender: &Sender<Sighting>) {
    for cluster in &estate.clusters {
        for node in &cluster.nodes {
            let Some(address) = connections.nodes.get(&(cluster.id.clone(), node.id.clone())) else { continue };
            let reader = Reader::new(address.clone(), cluster.manager, connections.agents.get(&node.region).cloned());
            let mut reader = reader.of_commits_that_wait(estate.synchronous_of(cluster, &node.id));
            let (cluster, node, sender) = (cluster.id.clone(), node.id.clone(), sender.clone());
            tokio::spawn(async move {
                let mut beat = tokio::time::interval(PACE);
                beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    beat.tick().await;
                    let read = reader.read(Utc::now()).await.map_err(|error| format!("{error:#}"));
                    if sender.send(Sighting::Details { cluster: cluster.clone(), node: node.clone(), read }).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}
