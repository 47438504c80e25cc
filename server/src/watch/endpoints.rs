//! Probes every declared endpoint of every service, in every region: the active one is watched wherever it is.

use super::{Sighting, beat};
use crate::connect::probe::Target;
use anyhow::Context;
use chrono::Utc;
use engine::{estate::Estate, health::Sample, id::ObserverId, time::Span};
use tokio::sync::mpsc::Sender;

pub(super) fn start(estate: &Estate, client: reqwest::Client, sender: &Sender<Sighting>) -> anyhow::Result<()> {
    for service in estate.services.iter().filter(|_| estate.server_observes) {
        for endpoint in service.endpoints.iter().filter(|endpoint| !endpoint.is_heartbeat()) {
            let target = Target::parse(&endpoint.target).with_context(|| format!("the endpoint of {} in {}", service.id, endpoint.region))?;
            let rule = estate.detection_at(service, endpoint);
            let (service, region, client, sender) = (service.id.clone(), endpoint.region.clone(), client.clone(), sender.clone());
            tokio::spawn(async move {
                let mut beat = beat(&rule);
                loop {
                    beat.tick().await;
                    let at = Utc::now();
                    let outcome = target.probe(&client, rule.timeout.as_std()).await;
                    let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
                    if sender
                        .send(Sighting::Endpoint { observer: ObserverId::server(), service: service.clone(), region: region.clone(), sample })
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    }
    Ok(())
}
