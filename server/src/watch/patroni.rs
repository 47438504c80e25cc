//! Asks the Patroni of each cluster that it runs how it sees it.

use super::{Sighting, beat};
use crate::connections::Connections;
use chrono::Utc;
use engine::{
    estate::Estate,
    health::{Outcome, Sample},
    time::Span,
};
use tokio::sync::mpsc::Sender;

pub(super) fn start(estate: &Estate, connections: &Connections, sender: &Sender<Sighting>) {
    for cluster in &estate.clusters {
        let Some(patroni) = connections.patroni.get(&cluster.id).cloned() else { continue };
        let (cluster, rule, sender) = (cluster.id.clone(), estate.detection_of(cluster), sender.clone());
        tokio::spawn(async move {
            let mut beat = beat(&rule);
            loop {
                beat.tick().await;
                let at = Utc::now();
                let (outcome, said) = match patroni.read(at, rule.timeout.as_std()).await {
                    Ok(said) => (Outcome::Good, Some(said)),
                    Err(error) => (Outcome::Failed(format!("{error:#}")), None),
                };
                let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
                if sender.send(Sighting::Patroni { cluster: cluster.clone(), sample, said }).await.is_err() {
                    return;
                }
            }
        });
    }
}
