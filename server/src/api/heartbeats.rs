//! Heartbeats: what cannot be probed says by itself how it is.

use super::{
    Api, bearer,
    wire::{BeatState, Heartbeat},
};
use crate::agent::refusal::Refusal;
use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use chrono::Utc;
use engine::{
    health::Outcome,
    id::{RegionId, ServiceId},
};
use std::sync::Arc;

/// The longest reason that is kept, in characters.
const LONGEST: usize = 200;

pub(super) async fn beat(
    State(api): State<Arc<Api>>,
    Path((service, region)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let service: ServiceId = service.parse().map_err(|_| Refusal::not_authorised())?;
    // A stranger does not learn which services there are.
    if !api.services.get(&service).is_some_and(|digest| digest.matches(bearer(&headers))) {
        return Err(Refusal::not_authorised());
    }
    let region: RegionId =
        region.parse().map_err(|error: engine::id::IdError| Refusal::bad_request(error.to_string(), "name a region of the service"))?;
    let heartbeat: Heartbeat = if body.is_empty() {
        Heartbeat::default()
    } else {
        let hint = r#"send nothing, or {"state": "ok" | "degraded" | "failed", "why": "…"}"#;
        serde_json::from_slice(&body).map_err(|error| Refusal::bad_request(error.to_string(), hint))?
    };
    let why: String = heartbeat.why.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    let why = if why.is_empty() { "it said so without a reason".to_owned() } else { why };
    let outcome = match heartbeat.state {
        BeatState::Ok => Outcome::Good,
        BeatState::Degraded => Outcome::Complaint(why),
        BeatState::Failed => Outcome::Failed(why),
    };
    if api.beats.take_in(&service, &region, Utc::now(), outcome) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found(format!("{service} has no endpoint in {region} that takes heartbeats"), "name a region of the estate"))
    }
}
