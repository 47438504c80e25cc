//! Heartbeats as rounds of probing: once in every interval one is due, and a round without one has failed.

use super::{Sighting, beat};
use chrono::Utc;
use engine::{
    estate::Estate,
    health::{Outcome, Sample},
    id::{ObserverId, RegionId, ServiceId},
    time::{Instant, Span},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc::Sender;

/// The last heartbeat of everything that sends some.
pub struct Beats {
    last: Mutex<BTreeMap<(ServiceId, RegionId), Option<Beat>>>,
}

/// When a heartbeat came, and what it said.
type Beat = (Instant, Outcome);

impl Beats {
    pub fn of(estate: &Estate) -> Self {
        let endpoints = estate.services.iter().flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, endpoint)));
        let beating = endpoints.filter(|(_, endpoint)| endpoint.is_heartbeat());
        Self { last: Mutex::new(beating.map(|(service, endpoint)| ((service.id.clone(), endpoint.region.clone()), None)).collect()) }
    }

    /// Takes in a heartbeat; false where none is expected. Two within one round are one, the later one.
    pub fn take_in(&self, service: &ServiceId, region: &RegionId, at: Instant, outcome: Outcome) -> bool {
        // One that panicked left whole beats behind, old or new.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.get_mut(&(service.clone(), region.clone())) {
            Some(beat) => {
                *beat = Some((at, outcome));
                true
            }
            None => false,
        }
    }

    /// What the round that ends at `now` and began `interval` ago shows.
    fn round(&self, of: &(ServiceId, RegionId), interval: Span, grace: Span, now: Instant) -> Outcome {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).get(of).cloned().flatten();
        match last {
            Some((at, outcome)) if Span::between(at, now) <= interval.saturating_add(grace) => outcome,
            Some((at, _)) => Outcome::Failed(format!("no heartbeat since {}, one is due every {interval}", at.format("%H:%M:%S UTC"))),
            None => Outcome::Failed(format!("no heartbeat since the server started, one is due every {interval}")),
        }
    }
}

pub(super) fn start(estate: &Estate, beats: &Arc<Beats>, sender: &Sender<Sighting>) {
    for service in &estate.services {
        for endpoint in service.endpoints.iter().filter(|endpoint| endpoint.is_heartbeat()) {
            let rule = estate.detection_at(service, endpoint);
            let of = (service.id.clone(), endpoint.region.clone());
            let (beats, sender) = (beats.clone(), sender.clone());
            tokio::spawn(async move {
                let mut rounds = beat(&rule);
                // The first tick is at once; nothing was due before it.
                rounds.tick().await;
                loop {
                    rounds.tick().await;
                    let at = Utc::now();
                    let sample = Sample { at, took: Span::ZERO, outcome: beats.round(&of, rule.interval, rule.timeout, at) };
                    let (service, region) = of.clone();
                    if sender.send(Sighting::Endpoint { observer: ObserverId::server(), service, region, sample }).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_without_a_heartbeat_has_failed_and_late_or_doubled_ones_are_no_more_than_one() {
        let estate = Estate::from_toml(
            r#"
            name = "x"
            [[region]]
            id = "here"
            name = "Here"
            [[service]]
            id = "batch"
            tier = 3
            rto = "4h"
            rpo = "1h"
            mtpd = "1d"
            data_class = "standard"
            endpoint = [{ region = "here", target = "heartbeat" }]
            "#,
        )
        .unwrap();
        let beats = Beats::of(&estate);
        let (service, region): (ServiceId, RegionId) = ("batch".parse().unwrap(), "here".parse().unwrap());
        let of = (service.clone(), region.clone());
        let now: Instant = "2026-01-02T03:04:05Z".parse().unwrap();
        let (interval, grace) = (Span::from_secs(30), Span::from_secs(2));
        let after = |secs| now + Span::from_secs(secs).as_delta();
        assert!(matches!(beats.round(&of, interval, grace, now), Outcome::Failed(why) if why.contains("since the server started")));
        assert!(beats.take_in(&service, &region, now, Outcome::Good));
        assert!(beats.take_in(&service, &region, now, Outcome::Good));
        assert_eq!(beats.round(&of, interval, grace, after(32)), Outcome::Good);
        assert!(matches!(beats.round(&of, interval, grace, after(33)), Outcome::Failed(why) if why.contains("03:04:05")));
        assert!(beats.take_in(&service, &region, after(40), Outcome::Complaint("disk 91 % full".to_owned())));
        assert!(matches!(beats.round(&of, interval, grace, after(41)), Outcome::Complaint(_)));
        assert!(!beats.take_in(&"other".parse().unwrap(), &region, now, Outcome::Good), "nothing grows by what strangers name");
    }
}
