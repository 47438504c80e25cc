//! The board: every target's recent samples and the verdict on them. One task owns it; probes only send.

use super::{Sighting, clock::Clock, rule_in, rule_of_traffic};
use crate::{desk::Desk, store::Store};
use chrono::Utc;
use engine::{
    abilities::Abilities,
    automation,
    databases::{ClusterView, HostReading, NodeReading, NodeRole, NodeView, RoutedTo},
    estate::{Detection, Estate},
    health::{Health, Judgement, Outcome, Panel, Sample, Sight, Sights, failed_regions},
    id::{ClusterId, NodeId, ObserverId, OperationId, ServiceId},
    journal::{Actor, Event, Subject},
    noticing,
    picture::{EndpointView, Observations, ObserverView, SeenOn, TrafficView},
    time::{Instant, Span},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc::Receiver;

/// Every verdict is looked at this often even if nothing comes in, so that silence becomes unknown.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// What brings nothing new but a fresh sample is put up this much later at most: with thousands of sightings a second,
/// putting up each of them would leave no time to judge them.
const SOON: Duration = Duration::from_millis(100);
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
    sights: Sights,
    unkept: BTreeMap<(ClusterId, NodeId), NodeReading>,
    /// What wavered and was not recorded yet.
    wavered: Vec<Event>,
    clock: Clock,
}

/// Whether something was seen that a decision may follow from, or only that all is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Nothing,
    Something,
}

/// When what was seen is to be put up, and whether the journal may have to say something about it.
struct Due {
    at: Option<tokio::time::Instant>,
    news: News,
}

impl Due {
    fn now(&mut self) {
        (self.at, self.news) = (Some(tokio::time::Instant::now()), News::Something);
    }
    fn soon(&mut self) {
        self.at = Some(self.at.unwrap_or_else(|| tokio::time::Instant::now() + SOON));
    }
    /// What was due.
    fn done(&mut self) -> News {
        self.at = None;
        std::mem::replace(&mut self.news, News::Nothing)
    }
    fn is_over(&self) -> bool {
        self.at.is_some_and(|at| at <= tokio::time::Instant::now())
    }
    /// Waits until it is due; for ever where nothing is.
    async fn come(&self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

struct Target {
    rule: Detection,
    panel: Panel,
    /// The verdict the journal knows; absent until there was one.
    recorded: Option<Health>,
    wavering: Wavering,
}

/// Failed probes too few for a verdict: kept until it is well again, so that the journal can say why nothing was done.
#[derive(Default)]
struct Wavering {
    /// Since when, and the most that failed among the last rounds.
    now: Option<(Instant, u32)>,
    told: Option<Instant>,
}

impl Wavering {
    /// A flaky target is told of this seldom; the ledger is for people.
    const SELDOM: Span = Span::from_mins(10);

    /// Takes in a verdict with the failed rounds behind it. Gives what is to be told: since when, and how many failed at most.
    fn take_in(&mut self, health: Health, failing: Option<(u32, Instant)>, now: Instant) -> Option<(Instant, u32)> {
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

impl Board {
    /// A board on which everything is unknown but for the readings kept from before.
    ///
    /// # Errors
    /// Where the kept readings cannot be read.
    pub(super) async fn new(desk: Arc<Desk>, abilities: BTreeMap<ServiceId, Abilities>) -> anyhow::Result<Self> {
        let estate = desk.estate().clone();
        let observers = observers(&estate);
        let observed = Observations { since: Some(Utc::now()), observers, abilities, ..kept(&estate, desk.store()).await? };
        let targets = targets(&estate);
        let sights = sights(&observed, &targets);
        let clock = Clock::at(Utc::now(), std::time::Instant::now());
        Ok(Self { desk, observed, targets, touched: BTreeSet::new(), sights, unkept: BTreeMap::new(), wavered: Vec::new(), clock })
    }

    pub(super) async fn run(mut self, mut sightings: Receiver<Sighting>) {
        let mut look_again = tokio::time::interval(LOOK_AGAIN);
        let mut keep = tokio::time::interval(KEEP);
        let mut batch = Vec::new();
        let mut due = Due { at: None, news: News::Nothing };
        loop {
            tokio::select! {
                count = sightings.recv_many(&mut batch, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    let mut news = News::Nothing;
                    for sighting in batch.drain(..) {
                        news = news.max(self.take_in(sighting));
                    }
                    match news.max(self.judge_touched()) {
                        News::Nothing => due.soon(),
                        News::Something => due.now(),
                    }
                }
                _ = look_again.tick() => {
                    self.judge_all();
                    due.now();
                }
                _ = keep.tick() => self.keep().await,
                () = due.come() => {}
            }
            if due.is_over() {
                self.observed.tick += 1;
                self.desk.put_up(self.observed.clone());
                if due.done() == News::Something {
                    self.record().await;
                }
            }
        }
    }

    fn take_in(&mut self, sighting: Sighting) -> News {
        let mut news = News::Nothing;
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
                        news = News::Something;
                    }
                    if let Some(reading) = reading {
                        self.unkept.insert((cluster, node), reading.clone());
                        view.reading = Some(reading);
                    }
                }
                self.see(&ObserverId::server(), subject, sample);
            }
            Sighting::Endpoint { observer, service, region, sample } => {
                let view = EndpointView { judgement: Judgement::never_measured(), last: Some(sample.clone()), flapping: false };
                self.observed.endpoints.entry((service.clone(), region.clone())).or_insert(view).last = Some(sample.clone());
                self.see(&observer, Subject::Endpoint { service, region }, sample);
            }
            Sighting::Report { observer, received, skew_ms, refused, samples } => {
                if let Some(view) = self.observed.observers.get_mut(&observer) {
                    view.reported = received.or(view.reported);
                    view.skew_ms = skew_ms;
                    view.refused = view.refused.saturating_add(refused as u64);
                }
                let alone = !self.desk.estate().server_observes;
                for (service, region, sample) in samples {
                    // Where the server looks too, its own newest probe is the one that is shown.
                    if alone && let Some(view) = self.observed.endpoints.get_mut(&(service.clone(), region.clone())) {
                        view.last = Some(sample.clone());
                    }
                    self.see(&observer, Subject::Endpoint { service, region }, sample);
                }
            }
            Sighting::Agent { region, sample, hosts } => {
                for (node, state) in hosts {
                    let views = self.observed.clusters.values_mut().flat_map(|view| view.nodes.iter_mut());
                    for view in views.filter(|view| view.node == node) {
                        if view.host.as_ref().map(|host| host.state) != Some(state) {
                            news = News::Something;
                        }
                        view.host = Some(HostReading { at: sample.at, state });
                    }
                }
                self.see(&ObserverId::server(), Subject::Agent { region }, sample);
            }
            Sighting::Router { cluster, sample, routed } => {
                if let (Some(nodes), Some(view)) = (routed, self.observed.clusters.get_mut(&cluster)) {
                    if view.routed_to.as_ref().is_none_or(|known| known.nodes != nodes) {
                        news = News::Something;
                    }
                    view.routed_to = Some(RoutedTo { at: sample.at, nodes });
                }
                self.push(Subject::Router { cluster }, sample);
            }
            Sighting::Traffic { service, sample, regions } => {
                let view =
                    self.observed.traffic.entry(service.clone()).or_insert_with(|| TrafficView { judgement: Judgement::never_measured(), on: None });
                if let Some(regions) = regions {
                    if view.on.as_ref().is_none_or(|known| known.regions != regions) {
                        news = News::Something;
                    }
                    view.on = Some(SeenOn { at: sample.at, regions });
                }
                self.push(Subject::Traffic { service }, sample);
            }
        }
        news
    }

    /// Takes in what an observer saw across the network. After a stretch in which nothing answered it, all that it saw before
    /// is forgotten: that was its own network.
    fn see(&mut self, observer: &ObserverId, subject: Subject, sample: Sample) {
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
    fn judge_touched(&mut self) -> News {
        let now = Utc::now();
        let mut news = News::Nothing;
        for subject in std::mem::take(&mut self.touched) {
            news = news.max(self.judge(&subject, now));
        }
        if news == News::Something {
            self.judge_regions();
        }
        news
    }

    /// Judges everything, so that silence becomes unknown. What has no new sample and is not silent yet costs nearly nothing.
    fn judge_all(&mut self) {
        let now = Utc::now();
        self.wavered.extend(self.clock.look(now, std::time::Instant::now()));
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

    fn judge_regions(&mut self) {
        let failed = failed_regions(self.desk.estate(), &self.observed);
        for view in self.observed.clusters.values_mut() {
            view.failed_regions.clone_from(&failed);
        }
    }

    fn judge(&mut self, subject: &Subject, now: Instant) -> News {
        let Some(target) = self.targets.get_mut(subject) else { return News::Nothing };
        let before = target.panel.judgement().health;
        let judgement = target.panel.judge(&target.rule, &self.sights, now).clone();
        let news = if judgement.health == before { News::Nothing } else { News::Something };
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
                let unseen = || EndpointView { judgement: Judgement::never_measured(), last: None, flapping: false };
                let view = self.observed.endpoints.entry(key).or_insert_with(unseen);
                view.judgement = judgement;
                view.flapping = target.panel.is_flapping(&target.rule, now);
            }
            Subject::Traffic { service } => {
                let unseen = || TrafficView { judgement: Judgement::never_measured(), on: None };
                self.observed.traffic.entry(service.clone()).or_insert_with(unseen).judgement = judgement;
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
        news
    }

    /// Has the journal say what changed. Should it not be writable, the same changes are offered again next time.
    async fn record(&mut self) {
        if self.desk.picture().journal_break.is_some() {
            // Said when it was found, and on every page; nothing can be recorded until the store is restored.
            return;
        }
        let verdicts = self.changed_verdicts();
        let wavered = std::mem::take(&mut self.wavered);
        let written = self
            .desk
            .record(&Actor::Lifeboat, |picture| {
                let verdicts = verdicts.iter().map(|(event, ..)| event);
                let seen = verdicts.chain(&wavered).cloned().chain(noticing::changes(picture));
                seen.chain(automation::act(picture, || OperationId(uuid::Uuid::now_v7()))).collect()
            })
            .await;
        match written {
            Ok(_) => {
                for (_, subject, health) in verdicts {
                    if let Some(target) = self.targets.get_mut(&subject) {
                        target.recorded = Some(health);
                    }
                }
            }
            Err(error) => {
                self.wavered = wavered;
                tracing::error!(error = format!("{error:#}"), "what was observed could not be recorded; trying again");
            }
        }
    }

    /// A first good verdict is no news; every other change is.
    fn changed_verdicts(&mut self) -> Vec<(Event, Subject, Health)> {
        let mut changed = Vec::new();
        for (subject, target) in &mut self.targets {
            let judgement = target.panel.judgement();
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

/// Whether an answer from it shows that the network works; what is asked through a socket of this machine does not.
fn crosses_the_network(subject: &Subject) -> bool {
    matches!(subject, Subject::Node { .. } | Subject::Endpoint { .. } | Subject::Agent { .. })
}

fn observers(estate: &Estate) -> BTreeMap<ObserverId, ObserverView> {
    let declared = estate.observers.iter().map(|observer| (observer.id.clone(), ObserverView::new(Some(observer.region.clone()))));
    declared.chain([(ObserverId::server(), ObserverView::new(None))]).collect()
}

/// An observer that sees is answered at least as often as the most closely watched target falls due.
fn sights(observed: &Observations, targets: &BTreeMap<Subject, Target>) -> Sights {
    let watched = targets.iter().filter(|(subject, _)| crosses_the_network(subject));
    let patience = watched.map(|(_, target)| target.rule.silence()).min().unwrap_or_else(|| Detection::default().silence());
    observed.observers.keys().map(|id| (id.clone(), Sight::new(patience))).collect()
}

fn targets(estate: &Estate) -> BTreeMap<Subject, Target> {
    let seated = |rule: Detection, panel: Panel| Target { rule, panel, recorded: None, wavering: Wavering::default() };
    let target = |rule: Detection| seated(rule, Panel::of_server());
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
