//! Asks what sends the clients of each service where it sends them now: the active region comes from observation (row 47).

use super::{Sighting, beat, rule_of_traffic};
use crate::connections::Connections;
use chrono::Utc;
use engine::{
    estate::Estate,
    health::{Outcome, Sample},
    time::Span,
};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

pub(super) fn start(estate: &Estate, connections: &Arc<Connections>, sender: &Sender<Sighting>) {
    for service in &estate.services {
        let Some(traffic) = connections.traffic.get(&service.id) else { continue };
        let (id, rule, control, sender) = (service.id.clone(), rule_of_traffic(estate, service), traffic.control.clone(), sender.clone());
        tokio::spawn(async move {
            let mut beat = beat(&rule);
            loop {
                beat.tick().await;
                let at = Utc::now();
                let asked = tokio::time::timeout(rule.timeout.as_std(), control.regions()).await;
                let (outcome, regions) = match asked {
                    Ok(Ok(regions)) => (Outcome::Good, Some(regions)),
                    Ok(Err(error)) => (Outcome::Failed(format!("{error:#}")), None),
                    Err(_) => (Outcome::Failed(format!("no answer within {}", rule.timeout)), None),
                };
                let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
                if sender.send(Sighting::Traffic { service: id.clone(), sample, regions }).await.is_err() {
                    return;
                }
            }
        });
    }
}
