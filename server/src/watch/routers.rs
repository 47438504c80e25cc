//! Asks each cluster's router where it sends clients now: the active node comes from observation, not from memory.

use super::{Sighting, beat};
use crate::{connect::haproxy::Haproxy, connections::Connections};
use anyhow::Context as _;
use chrono::Utc;
use engine::{
    estate::Estate,
    health::{Outcome, Sample},
    id::NodeId,
    time::Span,
};
use tokio::sync::mpsc::Sender;

pub(super) fn start(estate: &Estate, connections: &Connections, sender: &Sender<Sighting>) {
    for cluster in &estate.clusters {
        if let Some(router) = connections.routers.get(&cluster.id) {
            let (cluster, control, rule, sender) = (cluster.clone(), router.control.clone(), estate.detection_of(cluster), sender.clone());
            tokio::spawn(async move {
                let mut beat = beat(&rule);
                loop {
                    beat.tick().await;
                    let at = Utc::now();
                    let (outcome, routed) = match ask(&control).await {
                        Ok(routed) => (Outcome::Good, Some(routed)),
                        Err(error) => (Outcome::Failed(format!("{error:#}")), None),
                    };
                    let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
                    if sender.send(Sighting::Router { cluster: cluster.id.clone(), sample, routed }).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}

/// Every open server counts, also one that is no node of the estate: clients are sent there.
async fn ask(control: &Haproxy) -> anyhow::Result<Vec<NodeId>> {
    let servers = control.servers().await?;
    let open = servers.iter().filter(|(_, server)| server.open);
    open.map(|(name, _)| name.parse().with_context(|| format!("clients are sent to “{name}”, which is no name of a node"))).collect()
}
