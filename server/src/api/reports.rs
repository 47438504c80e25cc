//! Reports of observers: checked one sample at a time, so that one bad sample loses no other.

use super::{
    Api,
    wire::{Heard, Report, Seen, TargetList},
};
use crate::{agent::refusal::Refusal, watch::Sighting};
use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::HeaderMap,
};
use chrono::{TimeDelta, Utc};
use engine::{
    id::{ObserverId, RegionId, ServiceId},
    time::{Instant, Span},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

/// A clock that is off by less than this is left alone; the way of a report takes time too.
const EXACT_ENOUGH: i64 = 500;

pub(super) async fn targets(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Json<TargetList>, Refusal> {
    api.observer(&headers)?;
    Ok(Json(api.targets.clone()))
}

pub(super) async fn report(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Result<Json<Report>, JsonRejection>,
) -> Result<Json<Heard>, Refusal> {
    let received = Utc::now();
    let observer = api.observer(&headers)?.clone();
    let Json(report) = body.map_err(|error| Refusal::bad_request(error.body_text(), "send a report as `lifeboat agent` of this version does"))?;
    if report.samples.len() > Report::MOST_SAMPLES {
        return Err(Refusal::bad_request(
            format!("a report may hold {} samples, this one holds {}", Report::MOST_SAMPLES, report.samples.len()),
            "send several reports",
        ));
    }
    if let Some(declared) = api.places.get(&observer).filter(|declared| **declared != report.from) {
        // Whoever sits elsewhere than it is counted would let one place make a quorum.
        return Err(Refusal::bad_request(
            format!("the observer {observer} runs in {} and is declared in {declared}", report.from),
            "start it with the token and the region of one observer, or change the estate",
        ));
    }
    let skew_ms = (report.sent_at - received).num_milliseconds();
    let count = report.samples.len();
    if skew_ms.unsigned_abs() > Report::MOST_SKEW.as_millis() {
        let sighting = Sighting::Report { observer: observer.clone(), received: None, skew_ms, refused: count, samples: Vec::new() };
        api.tell(sighting).await?;
        let way = if skew_ms > 0 { "ahead of" } else { "behind" };
        let off = Span::from_millis(skew_ms.unsigned_abs());
        return Err(Refusal::bad_request(
            format!("the clock of the observer {observer} is {off} {way} the server's; at most {} are accepted", Report::MOST_SKEW),
            "set the clock, for example with chrony",
        ));
    }
    let offset = TimeDelta::milliseconds(api.offset(&observer, skew_ms));
    let (samples, why) = api.checked(report.samples, offset, received);
    let heard = Heard { accepted: samples.len(), refused: count - samples.len(), why, version: api.targets.version.clone() };
    api.tell(Sighting::Report { observer, received: Some(received), skew_ms, refused: heard.refused, samples }).await?;
    Ok(Json(heard))
}

impl Api {
    /// By how much to correct an observer's instants. It changes only when the clock really does, so that a sample sent twice
    /// keeps its instant, and stays one round.
    fn offset(&self, observer: &ObserverId, skew_ms: i64) -> i64 {
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = offsets.entry(observer.clone()).or_default();
        if (skew_ms - *known).abs() > EXACT_ENOUGH {
            *known = if skew_ms.abs() > EXACT_ENOUGH { skew_ms } else { 0 };
        }
        *known
    }

    /// The samples that can be taken, in the server's time, and the first reason where one cannot (traps F23, F24).
    fn checked(
        &self,
        samples: Vec<Seen>,
        offset: TimeDelta,
        received: Instant,
    ) -> (Vec<(ServiceId, RegionId, engine::health::Sample)>, Option<String>) {
        let known: BTreeMap<(&ServiceId, &RegionId), Span> =
            self.targets.targets.iter().map(|target| ((&target.service, &target.region), target.timeout)).collect();
        let (mut taken, mut first) = (Vec::with_capacity(samples.len()), None);
        for Seen { service, region, mut sample } in samples {
            sample.at -= offset;
            let wrong = match known.get(&(&service, &region)) {
                None => Some(format!("{service} in {region} is no target")),
                Some(timeout) if Span::between(received, sample.at) > *timeout => {
                    Some(format!("a sample of {service} in {region} is from the future"))
                }
                Some(_) if Span::between(sample.at, received) > Report::OLDEST => {
                    Some(format!("a sample of {service} in {region} is older than {}", Report::OLDEST))
                }
                Some(_) => None,
            };
            match wrong {
                None => taken.push((service, region, sample)),
                Some(why) => first = first.or(Some(why)),
            }
        }
        (taken, first)
    }

    async fn tell(&self, sighting: Sighting) -> Result<(), Refusal> {
        let told = self.sightings.send(sighting).await;
        told.map_err(|_| Refusal::failed("the server is ending", "send the same report again"))
    }
}
