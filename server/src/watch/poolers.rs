//! Asks the agent beside each PgBouncer what that one says.

use super::{Sighting, beat};
use crate::connections::{Connections, Pooler};
use chrono::Utc;
use engine::{
    estate::Estate,
    health::{Outcome, Sample},
    id::PoolerId,
    poolers::PoolerReading,
    time::{Instant, Span},
};
use std::time::Duration;
use tokio::sync::mpsc::Sender;

pub(super) fn start(estate: &Estate, connections: &std::sync::Arc<Connections>, sender: &Sender<Sighting>) {
    for cluster in &estate.clusters {
        for pooler in &cluster.poolers {
            let key = (cluster.id.clone(), pooler.id.clone());
            let (connections, rule, sender) = (connections.clone(), estate.detection_of(cluster), sender.clone());
            tokio::spawn(async move {
                let mut beat = beat(&rule);
                loop {
                    beat.tick().await;
                    let at = Utc::now();
                    let Some(known) = connections.poolers.get(&key) else { return };
                    let (outcome, said) = match ask(known, &key.1, at, rule.timeout.as_std()).await {
                        Ok(said) => (Outcome::Good, Some(said)),
                        Err(why) => (Outcome::Failed(why), None),
                    };
                    let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
                    let (cluster, pooler) = key.clone();
                    if sender.send(Sighting::Pooler { cluster, pooler, sample, said }).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}

async fn ask(pooler: &Pooler, id: &PoolerId, at: Instant, patience: Duration) -> Result<PoolerReading, String> {
    let agent = pooler.agent.as_ref().ok_or("no host agent is set up in its region")?;
    let asked = tokio::time::timeout(patience, agent.pooler(id.as_str())).await;
    let said = asked.map_err(|_| format!("no answer within {} ms", patience.as_millis()))?.map_err(|error| error.to_string())?;
    Ok(PoolerReading {
        at,
        version: said.version,
        paused: said.paused,
        paused_until: said.pause_left_ms.map(|left| Utc::now() + chrono::TimeDelta::milliseconds(left)),
        connects_to: said.connects_to,
        leads_to: said.leads_to.and_then(|node| node.parse().ok()),
        clients_waiting: said.clients_waiting,
        longest_wait: Span::from_millis(said.longest_wait_ms),
    })
}
