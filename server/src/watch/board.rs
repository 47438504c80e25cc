//! The board: every target's recent samples and the verdict on them. One task owns it; probes only send.

use super::{Sighting, rule_in};
use crate::{desk::Desk, store::Store};
use chrono::Utc;
use engine::{
    databases::{ClusterView, HostReading, NodeReading, NodeView, RoutedTo},
    estate::{Detection, Estate},
    health::{Health, Judgement, Outcome, Sample, Series, failed_regions},
    id::{ClusterId, NodeId},
    journal::{Actor, Event, Subject},
    noticing,
    picture::{EndpointView, Observations},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc::Receiver;

/// Every verdict is looked at this often even if nothing comes in, so that silence becomes unknown.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Readings are kept on disk this often.
const KEEP: Duration = Duration::from_secs(1);

pub(super) struct Board {
    desk: Arc<Desk>,
    observed: Observations,
    targets: BTreeMap<Subject, Target>,
    unkept: BTreeMap<(ClusterId, NodeId), NodeReading>,
}

struct Target {
    rule: Detection,
    series: Series,
    /// The verdict the journal knows; absent until there was one.
    recorded: Option<Health>,
}

impl Board {
    /// A board on which everything is unknown but for the readings kept from before.
    ///
    /// # Errors
    /// Where the kept readings cannot be read.
    pub(super) async fn new(desk: Arc<Desk>) -> anyhow::Result<Self> {
        let estate = desk.estate().clone();
        let observed = Observations { since: Some(Utc::now()), ..kept(&estate, desk.store()).await? };
        let targets = targets(&estate);
        let board = Self { desk, observed, targets, unkept: BTreeMap::new() };
        Ok(board)
    }

    pub(super) async fn run(mut self, mut sightings: Receiver<Sighting>) {
        let mut look_again = tokio::time::interval(LOOK_AGAIN);
        let mut keep = tokio::time::interval(KEEP);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = sightings.recv_many(&mut batch, 256) => {
                    if count == 0 {
                        return;
                    }
                    for sighting in batch.drain(..) {
                        self.take_in(sighting);
                    }
                }
                _ = look_again.tick() => {}
                _ = keep.tick() => {
                    self.keep().await;
                    continue;
                }
            }
            self.judge_all();
            self.observed.tick += 1;
            self.desk.put_up(self.observed.clone());
            self.record().await;
        }
    }

    fn take_in(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Node { cluster, node, sample, reading } => {
                let subject = Subject::Node { cluster: cluster.clone(), node: node.clone() };
                if let Some(view) = self.observed.clusters.get_mut(&cluster).and_then(|view| view.nodes.iter_mut().find(|view| view.node == node)) {
                    view.last_attempt = Some((sample.at, complaint(&sample)));
                    if let Some(reading) = reading {
                        self.unkept.insert((cluster, node), reading.clone());
                        view.reading = Some(reading);
                    }
                }
                self.push(subject, sample);
            }
            Sighting::Endpoint { service, region, sample } => {
                let view = EndpointView { judgement: Judgement::never_measured(), last: Some(sample.clone()) };
                self.observed.endpoints.entry((service.clone(), region.clone())).or_insert(view).last = Some(sample.clone());
                self.push(Subject::Endpoint { service, region }, sample);
            }
            Sighting::Agent { region, sample, hosts } => {
                for (node, state) in hosts {
                    let views = self.observed.clusters.values_mut().flat_map(|view| view.nodes.iter_mut());
                    for view in views.filter(|view| view.node == node) {
                        view.host = Some(HostReading { at: sample.at, state });
                    }
                }
                self.push(Subject::Agent { region }, sample);
            }
            Sighting::Router { cluster, sample, routed } => {
                if let (Some(nodes), Some(view)) = (routed, self.observed.clusters.get_mut(&cluster)) {
                    view.routed_to = Some(RoutedTo { at: sample.at, nodes });
                }
                self.push(Subject::Router { cluster }, sample);
            }
        }
    }

    fn push(&mut self, subject: Subject, sample: Sample) {
        if let Some(target) = self.targets.get_mut(&subject) {
            target.series.push(sample);
        }
    }

    fn judge_all(&mut self) {
        let now = Utc::now();
        for (subject, target) in &mut self.targets {
            let judgement = target.series.judge(&target.rule, now).clone();
            match subject {
                Subject::Node { cluster, node } => {
                    if let Some(view) = self.observed.clusters.get_mut(cluster).and_then(|view| view.nodes.iter_mut().find(|view| &view.node == node))
                    {
                        view.judgement = judgement;
                    }
                }
                Subject::Endpoint { service, region } => {
                    let key = (service.clone(), region.clone());
                    let view =
                        self.observed.endpoints.entry(key).or_insert_with(|| EndpointView { judgement: Judgement::never_measured(), last: None });
                    view.judgement = judgement;
                }
                Subject::Router { cluster } => {
                    if judgement.health != Health::Ok
                        && let Some(view) = self.observed.clusters.get_mut(cluster)
                    {
                        view.routed_to = None;
                    }
                    self.observed.routers.insert(cluster.clone(), judgement);
                }
                Subject::Agent { region } => {
                    self.observed.agents.insert(region.clone(), judgement);
                }
            }
        }
        let failed = failed_regions(self.desk.estate(), &self.observed);
        for view in self.observed.clusters.values_mut() {
            view.failed_regions.clone_from(&failed);
        }
    }

    /// Has the journal say what changed. Should it not be writable, the same changes are offered again next time.
    async fn record(&mut self) {
        if self.desk.picture().journal_break.is_some() {
            // Said when it was found, and on every page; nothing can be recorded until the store is restored.
            return;
        }
        let verdicts = self.changed_verdicts();
        let written = self
            .desk
            .record(&Actor::Lifeboat, |picture| verdicts.iter().map(|(event, ..)| event.clone()).chain(noticing::changes(picture)).collect())
            .await;
        match written {
            Ok(_) => {
                for (_, subject, health) in verdicts {
                    if let Some(target) = self.targets.get_mut(&subject) {
                        target.recorded = Some(health);
                    }
                }
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "what was observed could not be recorded; trying again"),
        }
    }

    /// A first good verdict is no news; every other change is.
    fn changed_verdicts(&mut self) -> Vec<(Event, Subject, Health)> {
        let now = Utc::now();
        let mut changed = Vec::new();
        for (subject, target) in &mut self.targets {
            let judgement = target.series.judge(&target.rule, now);
            match (target.recorded, judgement.health) {
                (None, Health::Unknown) => continue,
                (None, Health::Ok) => {
                    target.recorded = Some(Health::Ok);
                    continue;
                }
                (Some(recorded), health) if recorded == health => continue,
                _ => {}
            }
            let from = target.recorded.unwrap_or(Health::Unknown);
            let event = Event::HealthChanged { of: subject.clone(), from, to: judgement.health, since: judgement.since, why: judgement.why.clone() };
            changed.push((event, subject.clone(), judgement.health));
        }
        changed
    }

    async fn keep(&mut self) {
        if self.unkept.is_empty() {
            return;
        }
        let readings: Vec<_> = std::mem::take(&mut self.unkept).into_iter().map(|((cluster, node), reading)| (cluster, node, reading)).collect();
        if let Err(error) = self.desk.store().keep_readings(&readings).await {
            tracing::error!(error = format!("{error:#}"), "the latest readings could not be kept");
        }
    }
}

/// The observations before anything was observed: all unknown, but for the readings kept from before.
///
/// # Errors
/// Where the kept readings cannot be read.
pub async fn kept(estate: &Estate, store: &Store) -> anyhow::Result<Observations> {
    let mut readings: BTreeMap<(ClusterId, NodeId), NodeReading> =
        store.readings().await?.into_iter().map(|(cluster, node, reading)| ((cluster, node), reading)).collect();
    let mut observed = Observations::default();
    for cluster in &estate.clusters {
        let nodes = cluster
            .nodes
            .iter()
            .map(|node| NodeView {
                node: node.id.clone(),
                region: node.region.clone(),
                declared: node.role,
                promotable: node.promotable,
                judgement: Judgement::never_measured(),
                reading: readings.remove(&(cluster.id.clone(), node.id.clone())),
                last_attempt: None,
                host: None,
            })
            .collect();
        observed
            .clusters
            .insert(cluster.id.clone(), ClusterView { cluster: cluster.id.clone(), nodes, failed_regions: BTreeSet::new(), routed_to: None });
    }
    Ok(observed)
}

fn complaint(sample: &Sample) -> Option<String> {
    match &sample.outcome {
        Outcome::Good => None,
        Outcome::Complaint(why) | Outcome::Failed(why) => Some(why.clone()),
    }
}

fn targets(estate: &Estate) -> BTreeMap<Subject, Target> {
    let target = |rule: Detection| Target { rule, series: Series::default(), recorded: None };
    let mut targets = BTreeMap::new();
    for cluster in &estate.clusters {
        let rule = estate.detection_of(cluster);
        for node in &cluster.nodes {
            targets.insert(Subject::Node { cluster: cluster.id.clone(), node: node.id.clone() }, target(rule));
        }
        if cluster.router.is_some() {
            targets.insert(Subject::Router { cluster: cluster.id.clone() }, target(rule));
        }
    }
    for region in estate.regions.iter().filter(|region| region.agent.is_some()) {
        targets.insert(Subject::Agent { region: region.id.clone() }, target(rule_in(estate, &region.id)));
    }
    for service in &estate.services {
        for endpoint in &service.endpoints {
            let subject = Subject::Endpoint { service: service.id.clone(), region: endpoint.region.clone() };
            targets.insert(subject, target(endpoint.detection.unwrap_or(estate.detection)));
        }
    }
    targets
}
