//! What is watched: each target with the rule it is judged by and what its observers saw.

use super::super::{rule_in, rule_of_traffic};
use engine::{
    estate::{Detection, Estate, Manager},
    health::{Health, Panel, Sight, Sights},
    id::ObserverId,
    journal::Subject,
    picture::{Observations, ObserverView},
    time::{Instant, Span},
};
use std::collections::BTreeMap;

pub(super) struct Target {
    pub(super) rule: Detection,
    pub(super) panel: Panel,
    /// The verdict the journal knows; absent until there was one.
    pub(super) recorded: Option<Health>,
    pub(super) wavering: Wavering,
}

impl Target {
    /// Whether its verdict is another one than the journal knows. A first good verdict is no news; every other change is.
    pub(super) fn is_unrecorded(&mut self) -> bool {
        match (self.recorded, self.panel.judgement().health) {
            (None, Health::Unknown) => false,
            (None, Health::Ok) => {
                self.recorded = Some(Health::Ok);
                false
            }
            (recorded, health) => recorded != Some(health),
        }
    }
}

/// Failed probes too few for a verdict: kept until it is well again, so that the journal can say why nothing was done.
#[derive(Default)]
pub(super) struct Wavering {
    /// Since when, and the most that failed among the last rounds.
    now: Option<(Instant, u32)>,
    told: Option<Instant>,
}

impl Wavering {
    /// A flaky target is told of this seldom; the ledger is for people.
    const SELDOM: Span = Span::from_mins(10);

    /// Takes in a verdict with the failed rounds behind it. Gives what is to be told: since when, and how many failed at most.
    pub(super) fn take_in(&mut self, health: Health, failing: Option<(u32, Instant)>, now: Instant) -> Option<(Instant, u32)> {
        match (health, failing) {
            (Health::Ok, Some((failed, first))) => {
                let (since, most) = self.now.unwrap_or((first, 0));
                self.now = Some((since, most.max(failed)));
                None
            }
            (Health::Ok, None) => {
                let over = self.now.take()?;
                if self.told.is_some_and(|told| Span::between(told, now) < Self::SELDOM) {
                    return None;
                }
                self.told = Some(now);
                Some(over)
            }
            // It came to a verdict after all.
            _ => {
                self.now = None;
                None
            }
        }
    }
}

/// Whether an answer from it shows that the network works; what is asked through a socket of this machine does not.
pub(super) fn crosses_the_network(subject: &Subject) -> bool {
    matches!(subject, Subject::Node { .. } | Subject::Endpoint { .. } | Subject::Agent { .. })
}

pub(super) fn observers(estate: &Estate) -> BTreeMap<ObserverId, ObserverView> {
    let declared = estate.observers.iter().map(|observer| (observer.id.clone(), ObserverView::new(Some(observer.region.clone()))));
    declared.chain([(ObserverId::server(), ObserverView::new(None))]).collect()
}

/// An observer that sees is answered at least as often as the most closely watched target falls due.
pub(super) fn sights(observed: &Observations, targets: &BTreeMap<Subject, Target>) -> Sights {
    let watched = targets.iter().filter(|(subject, _)| crosses_the_network(subject));
    let patience = watched.map(|(_, target)| target.rule.silence()).min().unwrap_or_else(|| Detection::default().silence());
    observed.observers.keys().map(|id| (id.clone(), Sight::new(patience))).collect()
}

pub(super) fn targets(estate: &Estate) -> BTreeMap<Subject, Target> {
    let seated = |rule: Detection, panel: Panel| Target { rule, panel, recorded: None, wavering: Wavering::default() };
    let target = |rule: Detection| seated(rule, Panel::of_server());
    let mut targets = BTreeMap::new();
    for cluster in &estate.clusters {
        let rule = estate.detection_of(cluster);
        for node in &cluster.nodes {
            targets.insert(Subject::Node { cluster: cluster.id.clone(), node: node.id.clone() }, target(rule));
        }
        if cluster.manager == Manager::Patroni {
            targets.insert(Subject::Patroni { cluster: cluster.id.clone() }, target(rule));
        }
        for pooler in &cluster.poolers {
            targets.insert(Subject::Pooler { cluster: cluster.id.clone(), pooler: pooler.id.clone() }, target(rule));
        }
        if cluster.router.is_some() {
            targets.insert(Subject::Router { cluster: cluster.id.clone() }, target(rule));
        }
    }
    for region in estate.regions.iter().filter(|region| region.agent.is_some()) {
        targets.insert(Subject::Agent { region: region.id.clone() }, target(rule_in(estate, &region.id)));
    }
    for service in &estate.services {
        if service.traffic.is_some() {
            targets.insert(Subject::Traffic { service: service.id.clone() }, target(rule_of_traffic(estate, service)));
        }
        for endpoint in &service.endpoints {
            let subject = Subject::Endpoint { service: service.id.clone(), region: endpoint.region.clone() };
            // A heartbeat reaches the server and nobody else.
            let panel = if endpoint.is_heartbeat() { Panel::of_server() } else { Panel::of_endpoint(estate) };
            targets.insert(subject, seated(estate.detection_at(service, endpoint), panel));
        }
    }
    targets
}
