//! What machines say to the server: reports of observers, heartbeats of what cannot be probed, and how backup jobs go. Each comes with a bearer
//! token of its own, over HTTPS where it crosses a network; nothing here is for browsers, and nothing here acts.

use crate::{
    agent::refusal::Refusal,
    config::{Config, read_secret},
    desk::Desk,
    token::TokenDigest,
    watch::{Beats, Sighting},
};
use anyhow::Context;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, header::AUTHORIZATION},
    routing::{get, post},
};
use engine::{
    estate::{BackupSource, Estate},
    id::{ObserverId, PolicyId, RegionId, ServiceId},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc::Sender;

mod backups;
mod heartbeats;
mod reports;
pub mod wire;

/// Largest body: some thousand samples.
const LARGEST_BODY: usize = 1024 * 1024;

/// What the handlers share.
pub struct Api {
    observers: Vec<(ObserverId, TokenDigest)>,
    /// Where each of them is declared to be.
    places: BTreeMap<ObserverId, RegionId>,
    services: BTreeMap<ServiceId, TokenDigest>,
    targets: wire::TargetList,
    /// How far each observer's clock is off, in milliseconds, as far as that is corrected.
    offsets: Mutex<BTreeMap<ObserverId, i64>>,
    /// Backup jobs that say by themselves how they go.
    jobs: BTreeMap<PolicyId, TokenDigest>,
    desk: Arc<Desk>,
    beats: Arc<Beats>,
    sightings: Sender<Sighting>,
}

impl Api {
    pub(crate) fn new(tokens: Tokens, desk: Arc<Desk>, beats: Arc<Beats>, sightings: Sender<Sighting>) -> Self {
        let estate = desk.estate();
        let targets = wire::TargetList::of(estate);
        let places = estate.observers.iter().map(|observer| (observer.id.clone(), observer.region.clone())).collect();
        Self {
            observers: tokens.observers,
            places,
            services: tokens.services,
            targets,
            offsets: Mutex::default(),
            jobs: tokens.jobs,
            desk,
            beats,
            sightings,
        }
    }

    /// The observer whose token this is.
    fn observer(&self, headers: &HeaderMap) -> Result<&ObserverId, Refusal> {
        let given = bearer(headers);
        // All are compared, so that time tells nothing about which one was nearly right.
        let found = self.observers.iter().fold(None, |found, (id, digest)| if digest.matches(given) { Some(id) } else { found });
        found.ok_or_else(Refusal::not_authorised)
    }
}

/// The tokens of machines, by who holds them.
pub struct Tokens {
    observers: Vec<(ObserverId, TokenDigest)>,
    services: BTreeMap<ServiceId, TokenDigest>,
    jobs: BTreeMap<PolicyId, TokenDigest>,
}

impl Tokens {
    /// # Errors
    /// An observer or a heartbeat of the estate without a token, a token for one that is not declared, an unreadable file.
    pub fn read(config: &Config, estate: &Estate) -> anyhow::Result<Self> {
        let mut observers = Vec::new();
        if estate.observer(&ObserverId::server()).is_some() {
            anyhow::bail!("an observer of the estate is called “server”, which is the name of this server; choose another one");
        }
        for observer in &estate.observers {
            let declared = config.observer.get(&observer.id);
            let declared = declared.with_context(|| format!("the configuration has no [observer.{}] with its token_file", observer.id))?;
            observers.push((observer.id.clone(), TokenDigest::of(&read_secret(&declared.token_file)?)));
        }
        if let Some(unknown) = config.observer.keys().find(|id| estate.observer(id).is_none()) {
            anyhow::bail!("the configuration has a token for the observer {unknown}, which the estate does not declare");
        }
        let mut services = BTreeMap::new();
        for service in estate.services.iter().filter(|service| service.endpoints.iter().any(engine::estate::Endpoint::is_heartbeat)) {
            let declared = config.heartbeat.get(&service.id);
            let declared = declared.with_context(|| format!("the configuration has no [heartbeat.{}] with its token_file", service.id))?;
            services.insert(service.id.clone(), TokenDigest::of(&read_secret(&declared.token_file)?));
        }
        if let Some(unknown) = config.heartbeat.keys().find(|id| !services.contains_key(*id)) {
            anyhow::bail!("the configuration has a token for heartbeats of {unknown}, which has no endpoint with the target “heartbeat”");
        }
        let mut jobs = BTreeMap::new();
        for (policy, token) in &config.backup_job {
            let declared = estate.backup_policy(policy);
            if declared.is_none_or(|policy| policy.source != BackupSource::Reported) {
                anyhow::bail!("the configuration has a token for backup jobs of {policy}, which is no policy with the source “reported”");
            }
            jobs.insert(policy.clone(), TokenDigest::of(&read_secret(&token.token_file)?));
        }
        Ok(Self { observers, services, jobs })
    }
}

fn bearer(headers: &HeaderMap) -> &str {
    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("")
}

/// Every URL for machines.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/api/v1/targets", get(reports::targets))
        .route("/api/v1/reports", post(reports::report))
        .route("/api/v1/heartbeats/{service}/{region}", post(heartbeats::beat))
        .route("/api/v1/backups/{policy}/start", post(backups::start))
        .route("/api/v1/backups/{policy}/success", post(backups::success))
        .route("/api/v1/backups/{policy}/fail", post(backups::fail))
        .route("/api/v1/backups/{policy}/exit/{code}", post(backups::exit))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(api)
}
