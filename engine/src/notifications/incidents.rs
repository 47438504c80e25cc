//! From a picture to its incidents. Most follow from the records, which say since when. What is only observed (a region that
//! answers nowhere, a service that nothing sends clients to) stays open until it is known to be well: silence is no recovery.

use super::{Hush, Incident, IncidentKey, Known, Topic, cause, to_millis, words};
use crate::{
    automation::{Case, Hold, Verdict},
    estate::{Detection, Service},
    failover::{Mode, Operation, State, traffic},
    findings::{self, About, Complaint, Finding, Severity},
    health::Health,
    id::{ClusterId, PolicyId, RegionId, Scope, ServiceId},
    journal::Exposure,
    picture::{ObserverView, Picture, RouteStanding, names},
    restraints::Restraint,
    strategies,
    survey::Survey,
    time::{Instant, Span},
};
use std::collections::BTreeMap;

/// Everything that is open now, worst first. `known` is what was open at the last look.
pub fn incidents(picture: &Picture, known: &[Known]) -> Vec<Incident> {
    let mut found = Found { survey: Survey::of(picture), picture, known, list: Vec::new() };
    found.journal();
    found.regions();
    found.cases();
    found.services_without_traffic();
    found.split_brain();
    found.exposures();
    found.strayed();
    found.misrouted();
    found.durability();
    found.backups();
    found.too_few_observers();
    found.unseen();
    for operation in picture.records.operations.values() {
        found.operation(operation);
    }
    found.list.sort_by(|a, b| (a.severity, &a.key).cmp(&(b.severity, &b.key)));
    found.list
}

struct Found<'a> {
    survey: Survey<'a>,
    picture: &'a Picture,
    known: &'a [Known],
    list: Vec<Incident>,
}

impl Found<'_> {
    fn add(&mut self, topic: Topic, since: Instant, severity: Severity, words: words::Words, hush: Option<Hush>, grace: Span) {
        let key = IncidentKey { topic, since: to_millis(since) };
        let hush = self.acknowledged(&key, severity).or(hush.filter(|_| !key.topic.is_loud()));
        let before = self.known.iter().find(|known| known.key == key).and_then(|known| known.clear_since);
        let clear_since = hush.is_none().then(|| before.unwrap_or(self.picture.now));
        let words::Words { title, next, link } = words;
        self.list.push(Incident { key, severity, title, next, link, hush, clear_since, grace });
    }

    /// Acknowledged, and not worse than it was then.
    fn acknowledged(&self, key: &IncidentKey, severity: Severity) -> Option<Hush> {
        let taken = self.picture.records.acknowledged.get(key).filter(|taken| severity >= taken.severity)?;
        Some(Hush::Acknowledged { by: taken.by.to_string(), at: taken.at, reason: taken.reason.clone() })
    }

    /// The beginning of what is only observed: as known, else as seen now.
    fn since(&self, topic: &Topic, seen: Option<Instant>) -> Instant {
        let known = self.known.iter().find(|known| known.key.topic == *topic).map(|known| known.key.since);
        known.or(seen).unwrap_or(self.picture.now)
    }
    fn is_known(&self, topic: &Topic) -> bool {
        self.known.iter().any(|known| known.key.topic == *topic)
    }

    fn journal(&mut self) {
        if let Some(why) = &self.picture.journal_break {
            let since = self.since(&Topic::JournalBroken, None);
            self.add(Topic::JournalBroken, since, Severity::Lost, words::journal_broken(why), None, Span::ZERO);
        }
    }

    fn regions(&mut self) {
        let is_blind = cause::is_blind(&self.survey);
        if is_blind || (self.is_known(&Topic::NothingAnswers) && self.survey.is_observer_suspect()) {
            let since = self.since(&Topic::NothingAnswers, None);
            self.add(Topic::NothingAnswers, since, Severity::Lost, words::nothing_answers(), None, Span::ZERO);
        }
        for region in self.picture.estate.regions.iter().map(|region| &region.id) {
            let scope = Scope::Region(region.clone());
            let topic = Topic::Failure(scope.clone());
            let case = self.picture.records.cases.get(&scope);
            let fails = (self.survey.failed_regions().contains(region) && !is_blind) || case.is_some();
            if !fails && (!self.is_known(&topic) || self.picture.answers_in(region)) {
                continue;
            }
            // A dead region that nothing is left in hurts nobody any more, and is no place to go to.
            let severity = if case.is_some() || self.has_cases_in(region) { Severity::Lost } else { Severity::Act };
            let blind = || is_blind.then(|| Hush::Follows { from: "nothing answering anywhere".to_owned() });
            let hush = blind().or_else(|| self.restrained(&scope, &[])).or_else(|| case.and_then(settling));
            // Not since the first failed probe: a region that was back for a moment fails anew, with failures that are as old.
            let since = self.since(&topic, case.map(|case| case.opened));
            let words = words::region(&self.survey, region, case);
            self.add(topic, since, severity, words, hush, Span::ZERO);
        }
    }

    /// Whether anything whose failure is not over is lost with the region.
    fn has_cases_in(&self, region: &RegionId) -> bool {
        self.picture.records.cases.keys().any(|scope| cause::region(&self.survey, scope) == Some(region))
    }

    fn cases(&mut self) {
        for (scope, case) in &self.picture.records.cases {
            let (grace, places) = match scope {
                Scope::Region(_) | Scope::Backup(_) => continue,
                Scope::Service(id) => (self.window_of_service(id), self.down_in(id)),
                Scope::Cluster(id) => (self.window_of_cluster(scope), self.places_of_primary(id)),
            };
            let cause = |hold: &Hold| match hold {
                Hold::CausedBy { cluster, .. } => Some(cluster.clone()),
                _ => None,
            };
            let cause = case.decision.holds.iter().find_map(cause);
            let holder = self.survey.holder_of(scope);
            let runs = holder.is_some_and(|holder| holder.state.is_running());
            let is_dealt_with = !self.picture.read_only && (case.decision.verdict == Verdict::Start || runs);
            let severity = if is_dealt_with { Severity::Act } else { Severity::Lost };
            let told = cause.as_ref().filter(|cluster| cause::is_in_trouble(&self.survey, cluster));
            let caused = told.map(|cluster| Hush::Follows { from: format!("the failure of {cluster}") });
            let follows = caused.or_else(|| self.follows_service(scope));
            let hush = self.lies_in(scope).or(follows).or_else(|| self.restrained(scope, &places)).or_else(|| settling(case));
            // After a start what it may follow from is not known yet; and what answers well again, once what it needs is back,
            // only waits for its verdict.
            let hush = hush.or_else(|| (!self.is_settled(scope) || self.is_coming_back(scope)).then_some(Hush::Settling));
            // A cause that is not told as such, yet or ever, is given the time to be; and what it took down, to come back after it.
            let grace = if case.followed { grace } else { Span::ZERO };
            let words = words::case(&self.survey, scope, case, holder);
            self.add(Topic::Failure(scope.clone()), case.opened, severity, words, hush, grace);
        }
    }

    /// Whether a service was seen well just now wherever it still counts as down.
    fn is_coming_back(&self, scope: &Scope) -> bool {
        let Some(id) = scope.service() else { return false };
        let down = self.down_in(id);
        !down.is_empty() && down.iter().all(|region| self.picture.is_coming_back(id, region))
    }

    /// What the product would move nobody away from, but people want to know of.
    fn services_without_traffic(&mut self) {
        for service in self.picture.estate.services.iter().filter(|service| service.traffic.is_none()) {
            let scope = Scope::Service(service.id.clone());
            let topic = Topic::Failure(scope.clone());
            let down = self.down_in(&service.id);
            if down.is_empty() && (!self.is_known(&topic) || self.picture.is_service_well(service)) {
                continue;
            }
            let answers = |region: &RegionId| {
                let seen = traffic::health_in(self.picture, &service.id, region);
                seen.is_some_and(|seen| matches!(seen.health, Health::Ok | Health::Degraded))
            };
            let severity = if down.len() == service.endpoints.len() {
                Severity::Lost
            } else if service.endpoints.iter().any(|endpoint| answers(&endpoint.region)) {
                Severity::Act
            } else {
                // After a start nothing has a verdict yet; that makes nothing worse or better.
                self.known.iter().find(|known| known.key.topic == topic).map_or(Severity::Act, |known| known.severity)
            };
            let first = down.iter().filter_map(|region| traffic::health_in(self.picture, &service.id, region)?.since).min();
            let since = self.since(&topic, first);
            let hush = self.caused(&scope).or_else(|| self.restrained(&scope, &down));
            let words = words::service_down(self.picture, service, &down);
            self.add(topic, since, severity, words, hush, self.window_of(service));
        }
    }

    fn split_brain(&mut self) {
        for (cluster, since) in &self.picture.records.split_brain {
            let words = words::split_brain(self.picture, cluster);
            self.add(Topic::SplitBrain(cluster.clone()), *since, Severity::Lost, words, None, Span::ZERO);
        }
    }

    fn exposures(&mut self) {
        let clusters = self.picture.records.exposures.iter().map(|(id, exposure)| (Scope::Cluster(id.clone()), exposure));
        let services = self.picture.records.service_exposures.iter().map(|(id, exposure)| (Scope::Service(id.clone()), exposure));
        for (scope, exposure) in clusters.chain(services) {
            self.exposure(scope, exposure);
        }
    }

    fn exposure(&mut self, scope: Scope, exposure: &Exposure) {
        let (grace, places) = match &scope {
            Scope::Service(id) => (self.window_of_service(id), self.not_well_in(id)),
            Scope::Cluster(_) | Scope::Region(_) | Scope::Backup(_) => (self.window_of_cluster(&scope), self.places_of_missing(&scope)),
        };
        let severity = if exposure.unprotected { Severity::Act } else { Severity::Watch };
        let own = self.picture.records.cases.contains_key(&scope).then(|| Hush::Follows { from: format!("the failure of {}", scope.name()) });
        let hush = own.or_else(|| self.caused(&scope)).or_else(|| self.maintained(&scope, &places)).or_else(|| self.being_moved(&scope));
        let words = words::exposure(&scope, exposure);
        self.add(Topic::Exposed(scope), exposure.since, severity, words, hush, grace);
    }

    fn strayed(&mut self) {
        for (service, (since, seen)) in &self.picture.records.strayed {
            let scope = Scope::Service(service.clone());
            let hush = self.maintained(&scope, &[]).or_else(|| self.being_moved(&scope));
            let words = words::strayed(self.picture, service, seen);
            self.add(Topic::Strayed(service.clone()), *since, Severity::Act, words, hush, self.window_of_service(service));
        }
    }

    /// What is not known any more has not become right: it stays open until it is seen to be.
    fn misrouted(&mut self) {
        for cluster in self.picture.estate.clusters.iter().filter(|cluster| cluster.router.is_some()) {
            let topic = Topic::Misrouted(cluster.id.clone());
            let Some(standing) = self.picture.route_of(&cluster.id) else { continue };
            let (severity, complaint) = match standing {
                RouteStanding::Closed => (Severity::Lost, Complaint::RouteClosed),
                RouteStanding::Elsewhere { routed, writable } => (Severity::Lost, Complaint::RoutedElsewhere { routed, writable }),
                RouteStanding::Unknown { why } if self.is_known(&topic) => (Severity::Act, Complaint::RouteUnknown { why }),
                RouteStanding::NobodyWrites { routed } if self.is_known(&topic) => {
                    let why = format!("no one node takes writes, and they are sent to {}", names(&routed));
                    (Severity::Act, Complaint::RouteUnknown { why })
                }
                _ => continue,
            };
            let scope = Scope::Cluster(cluster.id.clone());
            let in_doubt = self.survey.holder_of(&scope).filter(|holder| holder.state == State::InDoubt);
            let follows = in_doubt.map(|holder| Hush::Follows { from: format!("the {} that stands IN DOUBT", holder.plan.kind) });
            let fails = self.picture.records.cases.contains_key(&scope).then(|| Hush::Follows { from: format!("the failure of {}", cluster.id) });
            let hush = follows.or(fails).or_else(|| self.maintained(&scope, &[])).or_else(|| self.being_moved(&scope));
            let (since, grace) = (self.since(&topic, None), self.window_of_cluster(&scope));
            self.add(topic, since, severity, words::of_cluster(&cluster.id, &complaint), hush, grace);
        }
    }

    /// Only what is seen: a primary that is silent is a failure of its own, and says nothing of whom commits wait for.
    fn durability(&mut self) {
        for cluster in &self.picture.estate.clusters {
            let Some(finding) = strategies::relaxed(self.picture, cluster) else { continue };
            let (scope, topic) = (Scope::Cluster(cluster.id.clone()), Topic::Durability(cluster.id.clone()));
            let hush = self.maintained(&scope, &[]).or_else(|| self.being_moved(&scope));
            let (since, grace) = (self.since(&topic, finding.since), self.window_of_cluster(&scope));
            self.add(topic, since, finding.severity, words::of_cluster(&cluster.id, &finding.complaint), hush, grace);
        }
    }

    /// The worst of what came of a policy; what is only declared wrong wakes nobody.
    fn backups(&mut self) {
        if self.picture.estate.backup_policies.is_empty() {
            return;
        }
        let mut worst: BTreeMap<PolicyId, Finding> = BTreeMap::new();
        for finding in findings::backups::findings(self.picture) {
            let About::Policy(policy) = &finding.about else { continue };
            let happened = finding.since.is_some() || matches!(finding.complaint, Complaint::BackupCannotRun { .. });
            let is_grave = matches!(finding.severity, Severity::Lost | Severity::Act);
            if happened && is_grave && worst.get(policy).is_none_or(|known| finding.severity < known.severity) {
                worst.insert(policy.clone(), finding);
            }
        }
        for (policy, finding) in worst {
            let topic = Topic::Backups(policy.clone());
            let since = self.since(&topic, finding.since);
            self.add(topic, since, finding.severity, words::of_backups(&policy, &finding.complaint), None, Span::ZERO);
        }
    }

    fn too_few_observers(&mut self) {
        let Some((quorum, counted)) = self.picture.too_few_observers() else { return };
        let lost = self.picture.records.observers.values().map(|(_, since)| *since).max();
        let since = self.since(&Topic::TooFewObservers, lost);
        self.add(Topic::TooFewObservers, since, Severity::Act, words::too_few_observers(quorum, counted), None, ObserverView::SILENCE);
    }

    /// Of what fails there is a case, and of what is being moved an operation: left is what serves clients unseen.
    fn unseen(&mut self) {
        for service in self.picture.estate.services.iter().filter(|service| service.traffic.is_some()) {
            let scope = Scope::Service(service.id.clone());
            let view = self.picture.observed.traffic.get(&service.id);
            let Some(seen) = view.and_then(|view| view.on.as_ref()) else { continue };
            let unknown = |region: &&RegionId| {
                traffic::health_in(self.picture, &service.id, region).is_none_or(|judgement| judgement.health == Health::Unknown)
            };
            let places: Vec<RegionId> = seen.regions.iter().filter(unknown).cloned().collect();
            let Some(judgement) = places.first().and_then(|region| traffic::health_in(self.picture, &service.id, region)) else { continue };
            let (since, why) = (judgement.since, judgement.why.clone());
            self.unseen_one(scope, &places, since, &why, self.window_of(service));
        }
        for cluster in &self.picture.estate.clusters {
            let scope = Scope::Cluster(cluster.id.clone());
            let view = self.picture.observed.clusters.get(&cluster.id);
            let Some(primary) = view.and_then(|view| view.primary()).filter(|primary| primary.judgement.health == Health::Unknown) else { continue };
            let (since, why) = (primary.judgement.since, primary.judgement.why.clone());
            let (places, window) = (vec![primary.region.clone()], self.window_of_cluster(&scope));
            self.unseen_one(scope, &places, since, &why, window);
        }
    }

    fn unseen_one(&mut self, scope: Scope, places: &[RegionId], since: Option<Instant>, why: &str, grace: Span) {
        let topic = Topic::Unseen(scope.clone());
        if self.picture.records.cases.contains_key(&scope) || (!self.is_settled(&scope) && !self.is_known(&topic)) {
            return;
        }
        let hush = self.caused(&scope).or_else(|| self.restrained(&scope, places)).or_else(|| self.being_moved(&scope));
        let (since, words) = (self.since(&topic, since), words::unseen(&scope, places, why));
        self.add(topic, since, Severity::Act, words, hush, grace);
    }

    /// Tests are left out: they move nobody, and those who run them look at them.
    fn operation(&mut self, operation: &Operation) {
        if operation.plan.mode() == Mode::Test || self.is_told_with_its_whole(operation) {
            return;
        }
        let at = operation.history.last().map_or(operation.requested.at, |(at, _)| *at);
        match operation.state {
            State::Requested if !self.asks_for_a_case(operation) => {
                let topic = Topic::Approval(operation.id);
                self.add(topic, operation.requested.at, Severity::Act, words::approval(operation), None, Span::ZERO);
            }
            State::InDoubt => self.add(Topic::InDoubt(operation.id), at, Severity::Lost, words::in_doubt(operation), None, Span::ZERO),
            State::Failed if self.holds_back(operation) => {
                self.add(Topic::Failed(operation.id), at, Severity::Act, words::failed(operation), None, Span::ZERO);
            }
            _ => {}
        }
        let went_on = !matches!(operation.state, State::Requested | State::Declined | State::Cancelled | State::Void);
        if let Some(approved) = operation.approved.as_ref().filter(|_| went_on && operation.acknowledged.is_none())
            && !operation.plan.rules_to_break().is_empty()
        {
            let words = words::break_glass(operation, approved);
            self.add(Topic::BreakGlass(operation.id), approved.at, Severity::Lost, words, None, Span::ZERO);
        }
    }

    /// Whether it is a part of an evacuation that is not over.
    fn is_told_with_its_whole(&self, operation: &Operation) -> bool {
        let whole = operation.parent.and_then(|parent| self.picture.operation(&parent));
        whole.is_some_and(|whole| whole.state.is_active())
    }

    /// Whether the product itself asks because of a failure, which is told with what to do about it.
    fn asks_for_a_case(&self, operation: &Operation) -> bool {
        operation.requested.by.is_reserved() && self.picture.records.cases.contains_key(&operation.plan.scope())
    }

    /// Whether it is the last run there, and nobody has taken note of how it ended.
    fn holds_back(&self, operation: &Operation) -> bool {
        let scope = operation.plan.scope();
        let ran = |other: &&&Operation| other.started_at.is_some() && other.plan.mode() != Mode::Test && !other.state.is_active();
        let last = self.survey.operations_on(&scope).iter().filter(ran).max_by_key(|other| other.ended_at);
        operation.acknowledged.is_none() && last.is_some_and(|last| last.id == operation.id)
    }

    fn lies_in(&self, scope: &Scope) -> Option<Hush> {
        cause::place(&self.survey, scope).map(|from| Hush::Follows { from })
    }
    fn caused(&self, scope: &Scope) -> Option<Hush> {
        let database = || cause::database(&self.survey, scope).map(|from| Hush::Follows { from });
        self.lies_in(scope).or_else(database).or_else(|| self.follows_service(scope))
    }
    /// The failure of a service it needs, where that is told.
    fn follows_service(&self, scope: &Scope) -> Option<Hush> {
        let cause = cause::service(&self.survey, scope)?;
        let is_told = self.maintained(&Scope::Service(cause.clone()), &self.down_in(cause)).is_none();
        is_told.then(|| Hush::Follows { from: format!("the failure of {cause}") })
    }

    /// Maintenance of it or of where it fails, or an acknowledgement of its trouble.
    fn restrained(&self, scope: &Scope, places: &[RegionId]) -> Option<Hush> {
        self.held(Restraint::Acknowledged(scope.clone())).or_else(|| self.maintained(scope, places))
    }
    fn maintained(&self, scope: &Scope, places: &[RegionId]) -> Option<Hush> {
        let cluster = scope.cluster().and_then(|id| self.picture.estate.cluster(id));
        let service = cluster.map(|cluster| Scope::Service(cluster.service.clone()));
        let regions = places.iter().map(|region| Scope::Region(region.clone()));
        let mut all = std::iter::once(scope.clone()).chain(service).chain(regions);
        all.find_map(|scope| self.held(Restraint::Maintenance(scope)))
    }
    fn held(&self, what: Restraint) -> Option<Hush> {
        let held = self.picture.records.held(&what, self.picture.now)?;
        Some(Hush::Restrained { by: held.by.to_string(), until: held.until, reason: held.reason.clone(), what })
    }
    fn is_settled(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Service(id) => self.survey.service(id).is_none_or(|service| self.picture.is_service_settled(&self.survey, service)),
            Scope::Cluster(_) | Scope::Region(_) | Scope::Backup(_) => self.picture.is_settled(scope),
        }
    }
    /// An operation that is under way changes what is seen.
    fn being_moved(&self, scope: &Scope) -> Option<Hush> {
        let moves = self.survey.holder_of(scope).is_some_and(|holder| holder.state.is_running()) || self.survey.is_being_evacuated(scope);
        moves.then_some(Hush::Settling)
    }

    fn down_in(&self, service: &ServiceId) -> Vec<RegionId> {
        self.regions_where(service, |health| health == Health::Down)
    }
    fn not_well_in(&self, service: &ServiceId) -> Vec<RegionId> {
        self.regions_where(service, |health| health != Health::Ok)
    }
    fn regions_where(&self, service: &ServiceId, is_so: impl Fn(Health) -> bool) -> Vec<RegionId> {
        let endpoints = self.survey.service(service).map_or(&[][..], |service| &service.endpoints);
        let health = |region| traffic::health_in(self.picture, service, region).map_or(Health::Unknown, |seen| seen.health);
        endpoints.iter().map(|endpoint| &endpoint.region).filter(|region| is_so(health(region))).cloned().collect()
    }
    fn places_of_primary(&self, cluster: &ClusterId) -> Vec<RegionId> {
        let view = self.picture.observed.clusters.get(cluster);
        view.and_then(|view| view.primary()).map(|node| node.region.clone()).into_iter().collect()
    }
    fn places_of_missing(&self, scope: &Scope) -> Vec<RegionId> {
        let view = scope.cluster().and_then(|id| self.picture.observed.clusters.get(id));
        let nodes = view.map_or(&[][..], |view| &view.nodes);
        nodes.iter().filter(|node| !node.judgement.is_ok()).map(|node| node.region.clone()).collect()
    }

    fn window_of_cluster(&self, scope: &Scope) -> Span {
        let cluster = scope.cluster().and_then(|id| self.picture.estate.cluster(id));
        cluster.map_or(self.picture.estate.detection, |cluster| self.picture.estate.detection_of(cluster)).window()
    }
    fn window_of_service(&self, service: &ServiceId) -> Span {
        self.survey.service(service).map_or(self.picture.estate.detection.window(), |service| self.window_of(service))
    }
    fn window_of(&self, service: &Service) -> Span {
        let rules = service.endpoints.iter().map(|endpoint| self.picture.estate.detection_at(service, endpoint));
        rules.map(|rule: Detection| rule.window()).max().unwrap_or(self.picture.estate.detection.window())
    }
}

fn settling(case: &Case) -> Option<Hush> {
    case.decision.holds.iter().any(|hold| matches!(hold, Hold::Settling { .. })).then_some(Hush::Settling)
}
