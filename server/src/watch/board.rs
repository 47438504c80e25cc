//! The board: every target's recent samples and the verdict on them. One task owns it; probes only send.

use super::{Sighting, clock::Clock};
use crate::{desk::Desk, store::Store};
use chrono::Utc;
use engine::{
    abilities::{Abilities, FenceCommand},
    automation,
    databases::{ClusterView, Details, HostReading, NodeReading, NodeRole, NodeView, RoutedTo, Trail},
    estate::Estate,
    health::{Health, Judgement, Outcome, Sample, Sights, failed_regions},
    id::{ClusterId, FenceId, NodeId, ObserverId, OperationId, ServiceId},
    journal::{Actor, Event, Subject},
    look::Look,
    noticing,
    patroni::{PatroniReading, PatroniView},
    picture::{EndpointView, Observations, SeenOn, TrafficView},
    poolers::PoolerView,
    time::{Instant, Span},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc::Receiver;

mod due;
mod targets;
use due::{Due, News, Rounds};
use targets::{Target, crosses_the_network, observers, sights, targets};

/// At most so many sightings are taken in before they are judged.
const AT_ONCE: usize = 1_024;
/// Readings are kept on disk this often.
const KEEP: Duration = Duration::from_secs(1);

pub(super) struct Board {
    desk: Arc<Desk>,
    observed: Observations,
    targets: BTreeMap<Subject, Target>,
    /// What was sampled and not judged yet.
    touched: BTreeSet<Subject>,
    /// Whose verdict the journal does not know yet.
    unrecorded: BTreeSet<Subject>,
    news: News,
    rounds: Rounds,
    sights: Sights,
    unkept: BTreeMap<(ClusterId, NodeId), NodeReading>,
    /// Where each cluster's primary was when.
    trails: BTreeMap<ClusterId, Trail>,
    /// What wavered and was not recorded yet.
    wavered: Vec<Event>,
    clock: Clock,
}

impl Board {
    /// A board on which everything is unknown but for the readings kept from before.
    ///
    /// # Errors
    /// Where the kept readings cannot be read.
    pub(super) async fn new(
        desk: Arc<Desk>,
        abilities: BTreeMap<ServiceId, Abilities>,
        fences: BTreeMap<FenceId, Result<FenceCommand, String>>,
    ) -> anyhow::Result<Self> {
        let estate = desk.estate().clone();
        let observers = observers(&estate);
        let observed = Observations { since: Some(Utc::now()), observers, abilities, fences, ..kept(&estate, desk.store()).await? };
        let targets = targets(&estate);
        let sights = sights(&observed, &targets);
        let rounds = Rounds::of(&estate);
        Ok(Self {
            desk,
            observed,
            targets,
            touched: BTreeSet::new(),
            unrecorded: BTreeSet::new(),
            news: News::none_yet(&estate, &rounds),
            rounds,
            sights,
            unkept: BTreeMap::new(),
            trails: BTreeMap::new(),
            wavered: Vec::new(),
            clock: Clock::at(Utc::now(), std::time::Instant::now()),
        })
    }

    pub(super) async fn run(mut self, mut sightings: Receiver<Sighting>) {
        let mut look_again = tokio::time::interval(self.rounds.pace());
        let mut keep = tokio::time::interval(KEEP);
        let mut batch = Vec::new();
        let mut due = Due::default();
        loop {
            let mut part = None;
            tokio::select! {
                count = sightings.recv_many(&mut batch, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    for sighting in batch.drain(..) {
                        self.take_in(sighting);
                    }
                    self.judge_touched();
                    if self.news.is_none() { due.soon() } else { due.now() }
                }
                _ = look_again.tick() => {
                    let look = self.rounds.next();
                    if look.platform {
                        self.judge_all();
                        due.now();
                    }
                    part = Some(look);
                }
                _ = keep.tick() => self.keep().await,
                () = due.come() => {}
            }
            if due.is_over() {
                due.done();
                self.observed.tick += 1;
                self.desk.put_up(self.observed.clone());
            }
            if !self.news.is_none() {
                let look = self.news.take();
                self.record(&look).await;
            }
            if let Some(look) = part {
                self.record(&look).await;
            }
        }
    }

    fn take_in(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Node { cluster, node, sample, reading } => {
                let subject = Subject::Node { cluster: cluster.clone(), node: node.clone() };
                if let Some(view) = self.observed.clusters.get_mut(&cluster).and_then(|view| view.nodes.iter_mut().find(|view| view.node == node)) {
                    let complains = view.last_attempt.as_ref().is_some_and(|(_, complaint)| complaint.is_some());
                    view.last_attempt = Some((sample.at, complaint(&sample)));
                    let is_other = |known: &NodeReading, new: &NodeReading| {
                        matches!(known.role, NodeRole::Primary { .. }) != matches!(new.role, NodeRole::Primary { .. })
                            || known.timeline != new.timeline
                            || known.read_only != new.read_only
                    };
                    let changed = reading.as_ref().is_some_and(|new| view.reading.as_ref().is_none_or(|known| is_other(known, new)));
                    if changed || complains == sample.is_good() {
                        self.news.add(&subject);
                    }
                    if let Some(reading) = reading {
                        let trail = self.trails.entry(cluster.clone()).or_default();
                        match &reading.role {
                            NodeRole::Primary { flushed, .. } => trail.saw(reading.at, reading.timeline, *flushed),
                            NodeRole::Standby { replayed, .. } => view.details.behind = trail.behind(reading.at, reading.timeline, *replayed),
                        }
                        self.unkept.insert((cluster, node), reading.clone());
                        view.reading = Some(reading);
                    }
                }
                self.see(&ObserverId::server(), subject, sample);
            }
            Sighting::Details { cluster, node, read } => {
                if let Some(view) = self.observed.clusters.get_mut(&cluster).and_then(|view| view.nodes.iter_mut().find(|view| view.node == node)) {
                    view.details.unread = read.as_ref().err().cloned();
                    view.details.catalog = read.ok().or(view.details.catalog.take());
                }
            }
            Sighting::Endpoint { observer, service, region, sample } => {
                let subject = Subject::Endpoint { service: service.clone(), region: region.clone() };
                let sample = self.paced(&subject, sample);
                self.observed.endpoints.get_or_insert_with((service, region), EndpointView::unseen).last = Some(sample.clone());
                self.see(&observer, subject, sample);
            }
            Sighting::Report { observer, received, skew_ms, refused, samples } => {
                if let Some(view) = self.observed.observers.get_mut(&observer) {
                    view.reported = received.or(view.reported);
                    view.skew_ms = skew_ms;
                    view.refused = view.refused.saturating_add(refused as u64);
                }
                let alone = !self.desk.estate().server_observes;
                for (service, region, sample) in samples {
                    let shown = alone.then(|| (service.clone(), region.clone()));
                    let subject = Subject::Endpoint { service, region };
                    let sample = self.paced(&subject, sample);
                    // Where the server looks too, its own newest probe is the one that is shown.
                    if let Some(view) = shown.and_then(|of| self.observed.endpoints.get_mut(&of)) {
                        view.last = Some(sample.clone());
                    }
                    self.see(&observer, subject, sample);
                }
            }
            Sighting::Agent { region, sample, hosts } => {
                let subject = Subject::Agent { region };
                for (node, state, files) in hosts {
                    let views = self.observed.clusters.values_mut().flat_map(|view| view.nodes.iter_mut());
                    for view in views.filter(|view| view.node == node) {
                        if view.host.as_ref().map(|host| host.state) != Some(state) {
                            self.news.add(&subject);
                        }
                        view.host = Some(HostReading { at: sample.at, state });
                        view.details.files = Some(files.clone());
                    }
                }
                self.see(&ObserverId::server(), subject, sample);
            }
            // Silence is what a lease is for: what was armed before is not less so.
            Sighting::Lease { cluster, node, kept: Some(kept) } => {
                let views = self.observed.clusters.get_mut(&cluster).into_iter().flat_map(|view| view.nodes.iter_mut());
                for view in views.filter(|view| view.node == node && view.details.lease.as_ref() != Some(&kept)) {
                    self.news.add(&Subject::Node { cluster: cluster.clone(), node: node.clone() });
                    view.details.lease = Some(kept.clone());
                }
            }
            Sighting::Lease { kept: None, .. } => {}
            Sighting::Router { cluster, sample, routed } => {
                let subject = Subject::Router { cluster: cluster.clone() };
                if let (Some(nodes), Some(view)) = (routed, self.observed.clusters.get_mut(&cluster)) {
                    if view.routed_to.as_ref().is_none_or(|known| known.nodes != nodes) {
                        self.news.add(&subject);
                    }
                    view.routed_to = Some(RoutedTo { at: sample.at, nodes });
                }
                self.push(subject, sample);
            }
            Sighting::Patroni { cluster, sample, said } => {
                let subject = Subject::Patroni { cluster: cluster.clone() };
                let view = self.observed.patroni.get_or_insert_with(cluster, PatroniView::never_asked);
                if let Some(said) = said {
                    let is_other = |known: &PatroniReading| {
                        known.leader().map(|member| &member.name) != said.leader().map(|member| &member.name) || known.paused != said.paused
                    };
                    if view.said.as_ref().is_none_or(is_other) {
                        self.news.add(&subject);
                    }
                    view.said = Some(said);
                }
                self.push(subject, sample);
            }
            Sighting::Pooler { cluster, pooler, sample, said } => {
                let subject = Subject::Pooler { cluster: cluster.clone(), pooler: pooler.clone() };
                let view = self.observed.poolers.get_or_insert_with((cluster, pooler), PoolerView::never_asked);
                if let Some(said) = said {
                    if view.said.as_ref().is_none_or(|known| (known.paused, &known.leads_to) != (said.paused, &said.leads_to)) {
                        self.news.add(&subject);
                    }
                    view.said = Some(said);
                }
                self.push(subject, sample);
            }
            Sighting::Backups(seen) => self.observed.backups = seen,
            Sighting::Runbooks(seen) => self.observed.runbooks = seen,
            Sighting::Traffic { service, sample, regions } => {
                let subject = Subject::Traffic { service: service.clone() };
                let view = self.observed.traffic.get_or_insert_with(service, unseen_traffic);
                if let Some(regions) = regions {
                    if view.on.as_ref().is_none_or(|known| known.regions != regions) {
                        self.news.add(&subject);
                    }
                    view.on = Some(SeenOn { at: sample.at, regions });
                }
                self.push(subject, sample);
            }
        }
    }

    /// What an answer of an endpoint shows under its rule, whoever saw it: observers report how long it took, and judge nothing.
    fn paced(&self, endpoint: &Subject, sample: Sample) -> Sample {
        match self.targets.get(endpoint) {
            Some(target) => target.rule.paced(sample),
            None => sample,
        }
    }

    /// Takes in what an observer saw across the network. After a stretch in which nothing answered it, all that it saw before
    /// is forgotten: that was its own network.
    fn see(&mut self, observer: &ObserverId, subject: Subject, sample: Sample) {
        // Sent before the clock was set back, and answered after that.
        let timeout = self.targets.get(&subject).map_or(Span::ZERO, |target| target.rule.timeout);
        if Span::between(Utc::now(), sample.at) > timeout {
            return;
        }
        let regained = self.sights.get_mut(observer).and_then(|sight| sight.take_in(&sample));
        if let Some(since) = regained {
            for (_, target) in self.targets.iter_mut().filter(|(subject, _)| crosses_the_network(subject)) {
                target.panel.forget_before(observer, since);
            }
        }
        if *observer == ObserverId::server()
            && let Some(view) = self.observed.observers.get_mut(observer)
        {
            view.reported = view.reported.max(Some(sample.at));
        }
        self.push_as(observer, subject, sample);
    }

    fn push(&mut self, subject: Subject, sample: Sample) {
        self.push_as(&ObserverId::server(), subject, sample);
    }

    fn push_as(&mut self, observer: &ObserverId, subject: Subject, sample: Sample) {
        if let Some(target) = self.targets.get_mut(&subject) {
            self.desk.probe_history().take_in(&subject, observer.as_str(), &sample, &target.rule);
            target.panel.push(observer, sample);
            self.touched.insert(subject);
        }
    }

    /// Judges what was sampled since the last time.
    fn judge_touched(&mut self) {
        let now = Utc::now();
        for subject in std::mem::take(&mut self.touched) {
            self.judge(&subject, now);
        }
        if !self.news.is_none() {
            self.judge_regions();
        }
    }

    /// Judges everything, so that silence becomes unknown. What has no new sample and is not silent yet costs nearly nothing.
    fn judge_all(&mut self) {
        let now = Utc::now();
        if let Some(jump) = self.clock.look(now, std::time::Instant::now()) {
            if matches!(jump, Event::ClockJumped { from, to } if to < from) {
                self.set_back(now);
            }
            self.wavered.push(jump);
        }
        self.observed.judged_at = Some(now);
        self.touched.clear();
        for (id, view) in &mut self.observed.observers {
            view.blind_since = self.sights.get(id).and_then(|sight| sight.blind_since(now));
        }
        let subjects: Vec<Subject> = self.targets.iter().filter(|(_, target)| target.panel.is_due(now)).map(|(subject, _)| subject.clone()).collect();
        for subject in subjects {
            self.judge(&subject, now);
        }
        self.judge_regions();
    }

    /// The clock was set back: what is dated later than now must not stand before everything that is seen from here on.
    fn set_back(&mut self, now: Instant) {
        for target in self.targets.values_mut() {
            target.panel.set_back(&target.rule, now);
        }
        for sight in self.sights.values_mut() {
            sight.set_back(now);
        }
        for view in self.observed.observers.values_mut() {
            view.reported = view.reported.map(|at| at.min(now));
        }
    }

    fn judge_regions(&mut self) {
        let failed = failed_regions(self.desk.estate(), &self.observed);
        let differ = self.observed.clusters.iter().filter(|(_, view)| view.failed_regions != failed).map(|(cluster, _)| cluster.clone());
        for cluster in differ.collect::<Vec<_>>() {
            if let Some(view) = self.observed.clusters.get_mut(&cluster) {
                view.failed_regions.clone_from(&failed);
            }
        }
    }

    fn judge(&mut self, subject: &Subject, now: Instant) {
        let Some(target) = self.targets.get_mut(subject) else { return };
        let before = target.panel.judgement().health;
        let judgement = target.panel.judge(&target.rule, &self.sights, now).clone();
        if judgement.health != before {
            self.news.add(subject);
        }
        if target.is_unrecorded() {
            self.unrecorded.insert(subject.clone());
        } else {
            self.unrecorded.remove(subject);
        }
        if target.panel.is_doubtful() && crosses_the_network(subject) {
            self.observed.doubtful.insert(subject.clone());
        } else {
            self.observed.doubtful.remove(subject);
        }
        if let Some((since, failed)) = target.wavering.take_in(judgement.health, target.panel.failing(&target.rule), now) {
            let (needed, samples) = (target.rule.failures, target.rule.samples);
            self.wavered.push(Event::Wavered { of: subject.clone(), since, failed, needed, samples });
        }
        match subject {
            Subject::Node { cluster, node } => {
                if let Some(view) = self.observed.clusters.get_mut(cluster).and_then(|view| view.nodes.iter_mut().find(|view| &view.node == node)) {
                    view.judgement = judgement;
                }
            }
            Subject::Endpoint { service, region } => {
                let key = (service.clone(), region.clone());
                if self.observed.observers.len() > 1 {
                    self.observed.votes.insert(key.clone(), target.panel.votes(&self.sights));
                }
                let view = self.observed.endpoints.get_or_insert_with(key, EndpointView::unseen);
                view.judgement = judgement;
                view.flapping = target.panel.is_flapping(&target.rule, now);
                view.coming_back = target.panel.is_coming_back();
            }
            Subject::Traffic { service } => {
                self.observed.traffic.get_or_insert_with(service.clone(), unseen_traffic).judgement = judgement;
            }
            Subject::Router { cluster } => {
                if judgement.health != Health::Ok
                    && let Some(view) = self.observed.clusters.get_mut(cluster)
                {
                    view.routed_to = None;
                }
                self.observed.routers.insert(cluster.clone(), judgement);
            }
            Subject::Patroni { cluster } => {
                self.observed.patroni.get_or_insert_with(cluster.clone(), PatroniView::never_asked).judgement = judgement;
            }
            Subject::Pooler { cluster, pooler } => {
                self.observed.poolers.get_or_insert_with((cluster.clone(), pooler.clone()), PoolerView::never_asked).judgement = judgement;
            }
            Subject::Agent { region } => {
                self.observed.agents.insert(region.clone(), judgement);
            }
        }
    }

    /// Has the journal say what changed, as far as `look` goes. Should it not be writable, the same changes are offered again
    /// next time.
    async fn record(&mut self, look: &Look) {
        if self.desk.picture().journal_break.is_some() {
            // Said when it was found, and on every page; nothing can be recorded until the store is restored.
            return;
        }
        let verdicts = self.unrecorded_verdicts();
        let wavered = std::mem::take(&mut self.wavered);
        let written = self
            .desk
            .record(&Actor::Lifeboat, |picture| {
                let verdicts = verdicts.iter().map(|(event, ..)| event);
                let seen = verdicts.chain(&wavered).cloned().chain(noticing::changes_in(picture, look));
                seen.chain(automation::act_on(picture, look, || OperationId(uuid::Uuid::now_v7()))).collect()
            })
            .await;
        match written {
            Ok(_) => {
                for (_, subject, health) in verdicts {
                    if let Some(target) = self.targets.get_mut(&subject) {
                        target.recorded = Some(health);
                    }
                    self.unrecorded.remove(&subject);
                }
            }
            Err(error) => {
                self.wavered = wavered;
                tracing::error!(error = format!("{error:#}"), "what was observed could not be recorded; trying again");
            }
        }
    }

    fn unrecorded_verdicts(&self) -> Vec<(Event, Subject, Health)> {
        let verdict = |subject: &Subject| {
            let target = self.targets.get(subject)?;
            let judgement = target.panel.judgement();
            let from = target.recorded.unwrap_or(Health::Unknown);
            let event = Event::HealthChanged { of: subject.clone(), from, to: judgement.health, since: judgement.since, why: judgement.why.clone() };
            Some((event, subject.clone(), judgement.health))
        };
        self.unrecorded.iter().filter_map(verdict).collect()
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
                details: Details::default(),
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

fn unseen_traffic() -> TrafficView {
    TrafficView { judgement: Judgement::never_measured(), on: None }
}
