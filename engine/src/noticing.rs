//! What the journal should say about the world: compares a picture with the records and returns what has changed since.
//! Edge-triggered: the same state is noticed once (trap F12).

use crate::{
    databases::{ClusterView, HostState, NodeView, Protection},
    estate::Cluster,
    journal::Event,
    picture::Picture,
};

/// What changed since the records were last written, cluster by cluster. Empty while nothing has.
pub fn changes(picture: &Picture) -> Vec<Event> {
    let mut events = Vec::new();
    for cluster in &picture.estate.clusters {
        if let Some(view) = picture.observed.clusters.get(&cluster.id) {
            primary(picture, cluster, view, &mut events);
            split_brain(picture, cluster, view, &mut events);
            exposure(picture, cluster, view, &mut events);
        }
    }
    events
}

fn primary(picture: &Picture, cluster: &Cluster, view: &ClusterView, events: &mut Vec<Event>) {
    let [only] = view.writable()[..] else { return };
    let Some(reading) = &only.reading else { return };
    let seen = (only.node.clone(), reading.timeline);
    if picture.records.primaries.get(&cluster.id) != Some(&seen) {
        events.push(Event::PrimaryObserved { cluster: cluster.id.clone(), node: seen.0, timeline: seen.1 });
    }
}

fn split_brain(picture: &Picture, cluster: &Cluster, view: &ClusterView, events: &mut Vec<Event>) {
    let writable = view.writable();
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
    let (unprotected, missing) = match view.protection(cluster, &picture.estate.detection_of(cluster), picture.now) {
        Protection::Protected => {
            if recorded.is_some() {
                events.push(Event::ExposureEnded { cluster: cluster.id.clone() });
            }
            return;
        }
        Protection::Reduced { missing } => (false, missing),
        Protection::Unprotected { missing } => (true, missing),
    };
    if recorded.is_none_or(|exposure| exposure.unprotected != unprotected || exposure.missing != missing) {
        events.push(Event::ExposureBegan { cluster: cluster.id.clone(), unprotected, missing });
    }
}
