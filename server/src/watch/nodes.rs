//! Reads every database node over a connection that is kept while it works.

use super::{Sighting, beat};
use crate::{
    connect::postgres::{self, Address},
    connections::Connections,
};
use chrono::Utc;
use engine::{
    databases::NodeReading,
    estate::{Detection, Estate},
    health::{Outcome, Sample},
    id::{ClusterId, NodeId},
    time::{Instant, Span},
};
use tokio::sync::mpsc::Sender;
use tokio_postgres::Client;

pub(super) fn start(estate: &Estate, connections: &Connections, sender: &Sender<Sighting>) {
    for cluster in &estate.clusters {
        for node in &cluster.nodes {
            if let Some(address) = connections.nodes.get(&(cluster.id.clone(), node.id.clone())) {
                let watched = Watched {
                    cluster: cluster.id.clone(),
                    node: node.id.clone(),
                    address: address.clone(),
                    rule: estate.detection_of(cluster),
                    client: None,
                };
                tokio::spawn(watched.run(sender.clone()));
            }
        }
    }
}

struct Watched {
    cluster: ClusterId,
    node: NodeId,
    address: Address,
    rule: Detection,
    client: Option<Client>,
}

impl Watched {
    async fn run(mut self, sender: Sender<Sighting>) {
        let mut beat = beat(&self.rule);
        loop {
            beat.tick().await;
            let at = Utc::now();
            let (outcome, reading) = match self.look(at).await {
                Ok(reading) => (Outcome::Good, Some(reading)),
                Err(error) => (Outcome::Failed(format!("{error:#}")), None),
            };
            let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
            let sighting = Sighting::Node { cluster: self.cluster.clone(), node: self.node.clone(), sample, reading };
            if sender.send(sighting).await.is_err() {
                return;
            }
        }
    }

    /// One look within the rule's time-out, connecting included. A connection that failed once is not used again.
    async fn look(&mut self, at: Instant) -> anyhow::Result<NodeReading> {
        let patience = self.rule.timeout.as_std();
        let deadline = tokio::time::Instant::now() + patience;
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.address.connect(patience).await?,
        };
        let reading = postgres::look(&client, at, deadline.saturating_duration_since(tokio::time::Instant::now())).await?;
        self.client = Some(client);
        Ok(reading)
    }
}
