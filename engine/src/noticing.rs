//! What the journal should say about the world: compares a picture with the records and returns what has changed since.
//! Edge-triggered: the same state is noticed once (trap F12).

use crate::{
    databases::{ClusterView, HostState, NodeView, Protection},
    estate::{Cluster, Service, StrategyKind},
    failover::{Operation, traffic},
    health::Health,
    id::{RegionId, Scope},
    journal::{Event, ObserverStanding},
    look::Look,
    picture::{ObserverView, Picture, TrafficView},
    restraints,
    survey::Survey,
    time::Span,
};

/// What changed since the records were last written. Empty while nothing has.
pub fn changes(picture: &Picture) -> Vec<Event> {
    changes_in(picture, &Look::at_everything())
}

/// The same, for a part of the picture.
pub fn changes_in(picture: &Picture, look: &Look) -> Vec<Event> {
    let mut events = Vec::new();
    if look.platform {
        events.extend(restraints::ended(picture));
        observers(picture, &mut events);
    }
    let survey = Survey::of(picture);
    for service in look.services(picture).into_iter().filter(|service| service.traffic.is_some()) {
        if let Some(view) = picture.observed.traffic.get(&service.id) {
            route(&survey, service, view, &mut events);
            service_exposure(&survey, service, view, &mut events);
        }
    }
    for cluster in picture.estate.clusters.iter().filter(|_| look.platform) {
        if let Some(view) = picture.observed.clusters.get(&cluster.id) {
            primary(picture, cluster, view, &mut events);
            split_brain(&survey, cluster, view, &mut events);
            exposure(picture, cluster, view, &mut events);
        }
    }
    events
}

/// Whose word does not count any more, and whose does again. Nothing is said before each had the time for a first report.
fn observers(picture: &Picture, events: &mut Vec<Event>) {
    let watching = picture.observed.since.is_some_and(|since| Span::between(since, picture.now) > ObserverView::SILENCE);
    for (id, view) in &picture.observed.observers {
        let to = view.standing(picture.now);
        let known = picture.records.observers.get(id).map_or(ObserverStanding::Sees, |(standing, _)| *standing);
        if to == known || (to == ObserverStanding::Silent && !watching) {
            continue;
        }
        let since = match to {
            ObserverStanding::Blind => view.blind_since,
            ObserverStanding::Silent => view.reported,
            ObserverStanding::Sees => None,
        };
        events.push(Event::ObserverChanged { observer: id.clone(), to, since: since.unwrap_or(picture.now) });
    }
}

fn primary(picture: &Picture, cluster: &Cluster, view: &ClusterView, events: &mut Vec<Event>) {
    let [only] = view.writable()[..] else { return };
    if picture.unseen_promotion(&cluster.id).is_some() {
        return;
    }
    let Some(reading) = &only.reading else { return };
    let seen = (only.node.clone(), reading.timeline);
    if picture.records.primaries.get(&cluster.id) != Some(&seen) {
        events.push(Event::PrimaryObserved { cluster: cluster.id.clone(), node: seen.0, timeline: seen.1 });
    }
}

/// The old primary counts as a second writer only as it was read after the promotion: right before it, it was the only one.
fn split_brain(survey: &Survey, cluster: &Cluster, view: &ClusterView, events: &mut Vec<Event>) {
    let picture = survey.picture;
    let promoted = survey.promoted(&cluster.id).map(|promotion| promotion.at).filter(|at| *at <= picture.now);
    let read_since = |node: &&NodeView| node.reading.as_ref().is_some_and(|reading| promoted.is_none_or(|at| reading.at > at));
    let writable: Vec<&NodeView> = view.writable().into_iter().filter(read_since).collect();
    let recorded = picture.records.split_brain.contains_key(&cluster.id);
    if writable.len() > 1 && !recorded {
        events.push(Event::SplitBrainObserved { cluster: cluster.id.clone(), nodes: writable.iter().map(|view| view.node.clone()).collect() });
    } else if writable.len() <= 1 && recorded && !may_still_write(view) {
        events.push(Event::SplitBrainEnded { cluster: cluster.id.clone() });
    }
}

/// Whether a node that was a primary when last read has only fallen silent: unreachable is not fenced, so the split is not
/// known to be over before it answers as a standby or its host has seen it gone.
fn may_still_write(view: &ClusterView) -> bool {
    let gone = |node: &NodeView| node.host.as_ref().is_some_and(|host| host.state == HostState::Gone);
    view.nodes.iter().any(|node| node.was_primary() && !node.answers() && !gone(node))
}

/// Nothing is said before every node was looked at once: the first second after a start is not an exposure.
fn exposure(picture: &Picture, cluster: &Cluster, view: &ClusterView, events: &mut Vec<Event>) {
    if view.nodes.iter().any(|node| node.last_attempt.is_none()) {
        return;
    }
    let recorded = picture.records.exposures.get(&cluster.id);
    let (unprotected, missing) = match picture.protection(&cluster.id) {
        None => return,
        Some(Protection::Protected) => {
            if recorded.is_some() {
                events.push(Event::ExposureEnded { cluster: cluster.id.clone() });
            }
            return;
        }
        Some(Protection::Reduced { missing }) => (false, missing),
        Some(Protection::Unprotected { missing }) => (true, missing),
    };
    if recorded.is_none_or(|exposure| exposure.unprotected != unprotected || exposure.missing != missing) {
        events.push(Event::ExposureBegan { cluster: cluster.id.clone(), unprotected, missing });
    }
}

/// Where clients are sent, against where they are meant to be (row 47). Nothing is said while an operation moves them, nor
/// from what was read before it ended.
fn route(survey: &Survey, service: &Service, view: &TrafficView, events: &mut Vec<Event>) {
    let picture = survey.picture;
    let Some(seen) = view.on.as_ref().filter(|_| view.judgement.is_ok()) else { return };
    let operations = survey.operations_on(&Scope::Service(service.id.clone()));
    let over = |operation: &&Operation| operation.ended_at.is_some_and(|ended| operation.started_at.is_none() || ended < seen.at);
    if !operations.iter().all(over) {
        return;
    }
    let Some(route) = picture.records.routes.get(&service.id) else {
        // To be sent nowhere is nobody's intention.
        if !seen.regions.is_empty() {
            events.push(Event::TrafficAdopted { service: service.id.clone(), regions: seen.regions.clone() });
        }
        return;
    };
    if seen.at <= route.since {
        return;
    }
    let known = picture.records.strayed.get(&service.id);
    if seen.regions == route.intended {
        if known.is_some() {
            events.push(Event::TrafficReturned { service: service.id.clone() });
        }
    } else if known.is_none_or(|(_, regions)| *regions != seen.regions) {
        let (service, intended, seen) = (service.id.clone(), route.intended.clone(), seen.regions.clone());
        events.push(Event::TrafficStrayed { service, intended, seen });
    }
}

/// Whether another region could serve the clients. Nothing is said before each endpoint has a verdict.
fn service_exposure(survey: &Survey, service: &Service, view: &TrafficView, events: &mut Vec<Event>) {
    let picture = survey.picture;
    let Some(seen) = view.on.as_ref().filter(|_| view.judgement.is_ok()) else { return };
    let health = |region: &_| traffic::health_in(picture, &service.id, region).map_or(Health::Unknown, |judgement| judgement.health);
    let regions: Vec<(RegionId, Health)> =
        traffic::regions_of(picture, service).into_iter().map(|region| (region.clone(), health(&region))).collect();
    let recorded = picture.records.service_exposures.get(&service.id);
    let unknown = regions.iter().any(|(_, health)| *health == Health::Unknown);
    // After a start what was recorded before stands until there is a verdict to replace it.
    if unknown && (recorded.is_none() || !picture.is_service_settled(survey, service)) {
        return;
    }
    let rotates = picture.estate.strategy_of(service).is_some_and(|strategy| strategy.kind == StrategyKind::ActiveActive);
    let well = regions.iter().filter(|(_, health)| *health == Health::Ok).count();
    let missing: Vec<String> = regions
        .iter()
        .filter_map(|(region, health)| match health {
            Health::Ok if rotates && !seen.regions.contains(region) => Some(format!("{region} is out of the rotation")),
            Health::Ok => None,
            other => Some(format!("it is {other} in {region}")),
        })
        .collect();
    let unprotected = well < 2;
    if missing.is_empty() && !unprotected {
        if recorded.is_some() {
            events.push(Event::ServiceExposureEnded { service: service.id.clone() });
        }
    } else if recorded.is_none_or(|exposure| exposure.unprotected != unprotected || exposure.missing != missing) {
        events.push(Event::ServiceExposureBegan { service: service.id.clone(), unprotected, missing });
    }
}
