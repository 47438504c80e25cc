//! Planning for services: sending their clients to other regions, and back home. Making a plan changes nothing.
//!
//! The same plan serves both kinds of service. An active-passive one is in one region at a time, so a failover replaces
//! that region; an active-active one has a rotation, so a failover takes a region out of it (trap O9).

use super::{
    Action, Blocker, Mode, OnFailure, OperationKind, Plan, Step, hooks, monitoring,
    plan::{Change, RegionCandidate, TrafficChange, names_or_none},
};
use crate::{
    databases::{Exclusion, LossBound, NodeStanding, ZeroLoss},
    estate::{Cluster, FailoverMode, Node, Service, Strategy, StrategyKind},
    health::{Health, Judgement},
    id::{RegionId, ServiceId},
    picture::Picture,
    survey::{Shut, Survey},
    time::{Instant, Span},
};
use std::collections::BTreeSet;

const QUICK: Span = Span::from_secs(10);
const PATIENT: Span = Span::from_secs(30);

/// The regions a service may be served from: those of its strategy in which it has an endpoint; without a strategy all
/// in which it has one.
pub fn regions_of(picture: &Picture, service: &Service) -> Vec<RegionId> {
    let has_endpoint = |region: &&RegionId| service.endpoints.iter().any(|endpoint| endpoint.region == **region);
    match picture.estate.strategy_of(service) {
        Some(strategy) => strategy.regions().filter(has_endpoint).cloned().collect(),
        None => service.endpoints.iter().map(|endpoint| endpoint.region.clone()).collect(),
    }
}

/// The regions where clients belong while all is well. Empty where no strategy says it.
pub fn home_of(picture: &Picture, service: &Service) -> BTreeSet<RegionId> {
    match picture.estate.strategy_of(service) {
        Some(strategy) if strategy.kind == StrategyKind::ActiveActive => regions_of(picture, service).into_iter().collect(),
        Some(strategy) => BTreeSet::from([strategy.primary_region.clone()]),
        None => BTreeSet::new(),
    }
}

/// The verdict on a service in one region.
pub fn health_in<'a>(picture: &'a Picture, service: &ServiceId, region: &RegionId) -> Option<&'a Judgement> {
    picture.observed.endpoints.get(&(service.clone(), region.clone())).map(|view| &view.judgement)
}

/// The plan that sends the clients of `service` to `to`, or to where they should go: away from what is down, and home
/// again where nothing is. `None` where there is no such service.
pub fn plan(picture: &Picture, service: &ServiceId, mode: Mode, to: Option<&BTreeSet<RegionId>>) -> Option<Plan> {
    let survey = Survey::of(picture);
    let plan = outline(&survey, service, mode, to)?;
    Some(Plan { affected: survey.affected_by(service), ..plan })
}

/// The plan without the services that depend on the one that is moved: all that a decision needs.
pub(crate) fn outline(survey: &Survey, service: &ServiceId, mode: Mode, to: Option<&BTreeSet<RegionId>>) -> Option<Plan> {
    let (picture, service) = (survey.picture, survey.service(service)?);
    let mut draft = Draft { survey, picture, service, strategy: picture.estate.strategy_of(service), mode, blockers: Vec::new() };
    let from = draft.observed();
    let regions = draft.candidates(&from);
    let to = match to {
        Some(wish) => draft.wished(wish),
        None => draft.best(&from, &regions),
    };
    let mut change = TrafficChange {
        service: service.id.clone(),
        mode,
        unattended: false,
        simulated: service.traffic.as_ref().is_some_and(|traffic| traffic.by.is_simulated()),
        from,
        to,
        regions,
    };
    let kind = if draft.returns(&change) { OperationKind::Failback } else { OperationKind::RegionFailover };
    change.unattended = draft.is_unattended(kind);
    draft.check(&change);
    let steps = if change.to.is_empty() { Vec::new() } else { draft.steps(&change) };
    // Nothing is left where only a simulator is told.
    let regions = if change.simulated { BTreeSet::new() } else { change.leaving() };
    let steps = monitoring::around(&picture.estate, mode, monitoring::Left { services: BTreeSet::from([service.id.clone()]), regions }, steps);
    let steps = hooks::around(&picture.estate, &service.id, steps);
    Some(Plan {
        kind,
        steps,
        loss: LossBound::Zero { because: ZeroLoss::MovesNoData },
        affected: vec![service.id.clone()],
        outage_since: draft.outage_since(&change),
        blockers: draft.blockers,
        passed_over: Vec::new(),
        rto: Some(service.rto),
        rpo: Some(service.rpo),
        approvals: picture.estate.approvals_for(service.strategy.as_ref()),
        made_at: picture.now,
        change: Change::Traffic(change),
    })
}

struct Draft<'s, 'a> {
    survey: &'s Survey<'a>,
    picture: &'a Picture,
    service: &'a Service,
    strategy: Option<&'a Strategy>,
    mode: Mode,
    blockers: Vec<Blocker>,
}

impl Draft<'_, '_> {
    /// Where clients are sent now, from observation alone (trap F4, row 47).
    fn observed(&mut self) -> BTreeSet<RegionId> {
        let service = &self.service.id;
        if self.service.traffic.is_none() {
            self.blockers.push(Blocker::NoTraffic { service: service.clone() });
            return BTreeSet::new();
        }
        match self.picture.observed.traffic.get(service) {
            Some(view) if view.judgement.is_ok() => match &view.on {
                // A plan that began where they were would change a moment later, and its request would be void.
                Some(seen) if self.survey.were_moved_since(service, seen.at) => {
                    let why = "a move has ended since it was last read".to_owned();
                    self.blockers.push(Blocker::TrafficUnknown { service: service.clone(), why });
                }
                Some(seen) => return seen.regions.clone(),
                None => self.blockers.push(Blocker::TrafficUnknown { service: service.clone(), why: "it was never read".to_owned() }),
            },
            Some(view) => self.blockers.push(Blocker::TrafficUnknown { service: service.clone(), why: view.judgement.why.clone() }),
            None => self.blockers.push(Blocker::TrafficUnknown { service: service.clone(), why: "it was never asked".to_owned() }),
        }
        BTreeSet::new()
    }

    fn candidates(&self, from: &BTreeSet<RegionId>) -> Vec<RegionCandidate> {
        let failed = self.survey.failed_regions();
        let never = Judgement::never_measured();
        let candidate = |region: RegionId| {
            let judgement = health_in(self.picture, &self.service.id, &region).unwrap_or(&never);
            let mut against = Vec::new();
            if !judgement.is_ok() {
                against.push(format!("it is {} there: {}", judgement.health, judgement.why));
            }
            if failed.contains(&region) {
                against.push("nothing in the region answers".to_owned());
            }
            match self.survey.shut(&region) {
                Some(Shut::UnderMaintenance(held)) => against.push(format!("the region is under maintenance: {}", held.reason)),
                Some(Shut::BeingEvacuated(operation)) => against.push(format!("the region is being evacuated ({})", operation.short())),
                None => {}
            }
            // The verdict lags behind by a few probes; what fails right now is no place to go.
            let wavers = self.picture.last_complaint(&self.service.id, &region).filter(|_| judgement.is_ok());
            let wavers = wavers.map(|why| format!("its last probe there was not good: {why}"));
            // Nor is what people emptied a moment ago, whatever the reason was.
            let left = || self.evacuated_lately(&region).map(|at| format!("it was evacuated at {}", at.format("%H:%M:%S UTC")));
            RegionCandidate {
                on: from.contains(&region),
                health: judgement.health,
                why: judgement.why.clone(),
                against,
                wavers: wavers.or_else(left),
                region,
            }
        };
        regions_of(self.picture, self.service).into_iter().map(candidate).collect()
    }

    fn dwell(&self) -> Span {
        self.strategy.map_or(Span::ZERO, |strategy| strategy.dwell)
    }

    /// When a region was evacuated, within the dwell time and not acknowledged.
    fn evacuated_lately(&self, region: &RegionId) -> Option<Instant> {
        let at = self.survey.evacuated_at(region)?;
        (Span::between(self.picture.records.counted_from(at, self.picture.now), self.picture.now) < self.dwell()).then_some(at)
    }

    fn is_rotation(&self) -> bool {
        self.strategy.is_some_and(|strategy| strategy.kind == StrategyKind::ActiveActive)
    }

    /// A wish that names no region would be a plan without steps: carried out at once, and nothing done.
    fn wished(&mut self, wish: &BTreeSet<RegionId>) -> BTreeSet<RegionId> {
        if wish.is_empty() {
            self.blockers.push(Blocker::NoRegion { reasons: vec!["none was named".to_owned()] });
        }
        wish.clone()
    }

    /// Away from what is down; where nothing that clients are sent to is down, home, or as far home as is well.
    fn best(&mut self, from: &BTreeSet<RegionId>, regions: &[RegionCandidate]) -> BTreeSet<RegionId> {
        let health = |region: &RegionId| regions.iter().find(|candidate| &candidate.region == region).map(|candidate| candidate.health);
        let staying: BTreeSet<RegionId> = from.iter().filter(|region| health(region) != Some(Health::Down)).cloned().collect();
        let fails = staying.len() < from.len();
        let another = || regions.iter().filter(|candidate| !candidate.on).find(|candidate| candidate.is_eligible());
        let another = || another().map(|candidate| candidate.region.clone());
        let to: BTreeSet<RegionId> = if fails && self.is_rotation() {
            // What is left must serve the clients by itself; what is only not known to be down does not count for that.
            let serves = |region: &RegionId| matches!(health(region), Some(Health::Ok | Health::Degraded));
            match another().filter(|_| !staying.iter().any(serves)) {
                Some(region) => staying.into_iter().chain([region]).collect(),
                None if staying.iter().any(serves) => staying,
                None => BTreeSet::new(),
            }
        } else if fails || from.is_empty() {
            // Clients that are sent to two regions by mistake are best kept where it is well.
            let kept = regions.iter().find(|candidate| candidate.on && candidate.health == Health::Ok).map(|candidate| candidate.region.clone());
            kept.or_else(another).into_iter().collect()
        } else {
            let home = home_of(self.picture, self.service);
            let belongs = |candidate: &&RegionCandidate| home.contains(&candidate.region) && (candidate.on || candidate.against.is_empty());
            let back: BTreeSet<RegionId> = regions.iter().filter(belongs).map(|candidate| candidate.region.clone()).collect();
            if back.is_empty() || home == *from { another().into_iter().collect() } else { back }
        };
        if to.is_empty() {
            let reasons = regions.iter().map(|candidate| match candidate.against.first().or(candidate.wavers.as_ref()) {
                Some(why) => format!("{}: {why}", candidate.region),
                None => format!("{}: clients are sent there already", candidate.region),
            });
            self.blockers.push(Blocker::NoRegion { reasons: reasons.collect() });
        }
        to
    }

    /// Whether clients only come nearer home: all the way, or into one more region of a rotation. Fleeing home from a
    /// region that fails is a failover: nobody waits for a dwell then.
    fn returns(&self, change: &TrafficChange) -> bool {
        let (home, joining) = (home_of(self.picture, self.service), change.joining());
        self.mode != Mode::Emergency && !joining.is_empty() && joining.is_subset(&home) && change.leaving().is_disjoint(&home)
    }

    /// A failover the strategy leaves to the product needs no second person. A return can wait for one.
    fn is_unattended(&self, kind: OperationKind) -> bool {
        kind != OperationKind::Failback && self.strategy.is_some_and(|strategy| strategy.failover == FailoverMode::Automatic)
    }

    fn check(&mut self, change: &TrafficChange) {
        let service = &self.service.id;
        let answered = change.regions.iter().any(|candidate| change.to.contains(&candidate.region) && candidate.health == Health::Ok);
        for region in &change.to {
            let Some(candidate) = change.regions.iter().find(|candidate| &candidate.region == region) else {
                self.blockers.push(Blocker::UnknownRegion { service: service.clone(), region: region.clone() });
                continue;
            };
            // A region clients are in already is not made worse by staying there, as long as anything answers them then.
            let answers = |health| matches!(health, Health::Ok | Health::Degraded);
            let stays = candidate.on && (answers(candidate.health) || answered);
            if stays || candidate.against.is_empty() {
                continue;
            }
            let (service, region, why) = (service.clone(), region.clone(), candidate.against.join("; "));
            self.blockers.push(match candidate.health {
                Health::Unknown => Blocker::RegionUnknown { service, region, why },
                Health::Ok | Health::Degraded | Health::Down => Blocker::RegionNotWell { service, region, why },
            });
        }
        if !self.is_rotation() && change.to.len() > 1 {
            self.blockers.push(Blocker::TooManyRegions { service: service.clone(), regions: change.to.clone() });
        }
        if change.to == change.from && self.picture.records.routes.get(service).map(|route| &route.intended) == Some(&change.to) {
            self.blockers.push(Blocker::AlreadyThere);
        }
        let fails = |region: &RegionId| !change.regions.iter().any(|candidate| candidate.region == *region && candidate.health == Health::Ok);
        // Bringing a region in leaves none; without a failure elsewhere that is a return home, which has checks of its own.
        let leaving = if change.leaving().is_empty() { change.from.clone() } else { change.leaving() };
        if self.mode == Mode::Emergency && !leaving.is_empty() && !leaving.iter().any(fails) {
            self.blockers.push(Blocker::NothingFails { regions: leaving });
        }
        self.assertion(change);
        // Whatever it is called, clients that come into a region where they belong come back there.
        let home = home_of(self.picture, self.service);
        let returning: BTreeSet<RegionId> = change.joining().intersection(&home).cloned().collect();
        if !returning.is_empty() && self.mode != Mode::Emergency {
            self.may_return(&returning);
        }
    }

    /// At least so many regions stay on, counting only those that are well (row 59).
    fn assertion(&mut self, change: &TrafficChange) {
        let Some(strategy) = self.strategy.filter(|_| !change.to.is_empty()) else { return };
        let is_well = |region: &&RegionId| change.regions.iter().any(|candidate| candidate.region == **region && candidate.health == Health::Ok);
        let left = change.to.iter().filter(is_well).count();
        // A plan that leaves as many on as there are now breaks nothing that was not broken before.
        let before = change.from.iter().filter(is_well).count();
        if left < strategy.minimum_on as usize && left < before {
            self.blockers.push(Blocker::TooFewRegions { service: self.service.id.clone(), least: strategy.minimum_on, left });
        }
    }

    /// Clients return only where it was well for the dwell time and the data is whole (row 46, trap F18).
    fn may_return(&mut self, returning: &BTreeSet<RegionId>) {
        let dwell = self.dwell();
        for region in returning {
            if let Some(at) = self.evacuated_lately(region) {
                self.blockers.push(Blocker::EvacuatedLately { region: region.clone(), at, dwell });
            }
            if let Some(Judgement { health: Health::Ok, since: Some(since), .. }) = health_in(self.picture, &self.service.id, region) {
                let since = self.picture.records.counted_from(*since, self.picture.now);
                let so_far = Span::between(since, self.picture.now);
                if so_far < dwell {
                    self.blockers.push(Blocker::DwellNotOver { region: region.clone(), since, so_far: rounded(so_far), dwell });
                }
            }
        }
        let missing: Vec<String> =
            self.survey.clusters_needed(&self.service.id).iter().flat_map(|cluster| self.missing_of(cluster, returning)).collect();
        if !missing.is_empty() {
            self.blockers.push(Blocker::DataNotBack { service: self.service.id.clone(), missing });
        }
    }

    /// What keeps the data of `cluster` from being whole in each of these regions: no copy where the cluster is meant to have
    /// one, one that does not stream, or one that streams far behind. Where it is meant to have none, the service always reads
    /// from afar, and it is enough that somebody takes the writes.
    fn missing_of(&self, cluster: &Cluster, regions: &BTreeSet<RegionId>) -> Vec<String> {
        let strategy = cluster.strategy.as_ref().and_then(|id| self.picture.estate.strategy(id));
        let is_meant = |region: &RegionId| strategy.is_some_and(|strategy| strategy.regions().any(|named| named == region));
        let takes_writes = || self.picture.observed.clusters.get(&cluster.id).is_some_and(|view| view.writable().len() == 1);
        let missing_in = |region: &RegionId| -> Vec<String> {
            let mut nodes = cluster.nodes.iter().filter(|node| node.region == *region).peekable();
            match nodes.peek() {
                Some(_) => nodes.filter_map(|node| self.missing_at(cluster, node)).collect(),
                None if is_meant(region) => vec![format!("{} has no copy in {region}", cluster.id)],
                None if takes_writes() => Vec::new(),
                None => vec![format!("{} takes no writes", cluster.id)],
            }
        };
        regions.iter().flat_map(missing_in).collect()
    }

    fn missing_at(&self, cluster: &Cluster, node: &Node) -> Option<String> {
        let rule = self.picture.estate.detection_of(cluster);
        let silent = || Some(format!("{} of {} does not stream", node.id, cluster.id));
        let Some(view) = self.picture.observed.clusters.get(&cluster.id) else { return silent() };
        let Some(seen) = view.node(&node.id) else { return silent() };
        let tolerance = self.picture.estate.lag_tolerance_of(cluster).or(self.strategy.map(|strategy| strategy.lag_tolerance));
        match view.standing(seen, &rule, self.picture.now) {
            NodeStanding::Primary => None,
            NodeStanding::Streaming => view.lags(seen, tolerance).map(|why| format!("{} of {}: {}", node.id, cluster.id, rounded_lag(why))),
            _ => silent(),
        }
    }

    /// Quiesce, data, route, verify (trap F21).
    fn steps(&self, change: &TrafficChange) -> Vec<Step> {
        use OnFailure::{Compensate, GoOn, StandInDoubt};
        let service = || self.service.id.clone();
        let joining = change.joining();
        let checked = if joining.is_empty() { change.to.clone() } else { joining.clone() };
        let mut steps = vec![Step::new(Action::CheckRegions { service: service(), regions: checked }, QUICK, Compensate)];
        let clusters: Vec<_> = self.survey.clusters_needed(&self.service.id).iter().map(|cluster| cluster.id.clone()).collect();
        if !clusters.is_empty() {
            let on_failure = if self.mode == Mode::Emergency { GoOn } else { Compensate };
            steps.push(Step::new(Action::CheckData { service: service(), clusters }, QUICK, on_failure).in_emergency(GoOn));
        }
        if self.mode == Mode::Test {
            steps.push(Step::new(Action::Rehearse { service: service(), to: change.to.clone() }, QUICK, Compensate));
            return steps;
        }
        let send = |to: &BTreeSet<RegionId>| Action::SendClients { service: service(), to: to.clone() };
        let limit = self.service.traffic.as_ref().map_or(QUICK, |traffic| traffic.by.limit());
        let staying: BTreeSet<RegionId> = change.from.intersection(&change.to).cloned().collect();
        // Nobody is served by both sides of an active-passive move at once.
        // Where clients follow only after a while, closing first would have them remember that there is nowhere to go.
        let delayed = self.service.traffic.as_ref().is_some_and(|traffic| traffic.by.delay().is_some());
        if !joining.is_empty() && staying != change.from && !self.is_rotation() && !delayed {
            let on_failure = if self.mode == Mode::Emergency { GoOn } else { Compensate };
            steps.push(Step::new(send(&staying), limit, on_failure).in_emergency(GoOn).undone_by(send(&change.from)));
        }
        // In an emergency going back would send clients to what failed: it is tried for longer, and then a person looks.
        let (patience, on_failure) = if self.mode == Mode::Emergency { (limit.max(PATIENT), StandInDoubt) } else { (limit, Compensate) };
        steps.push(Step::new(send(&change.to), patience, on_failure).in_emergency(StandInDoubt).undone_by(send(&change.from)));
        let proof = Action::ProveClients { service: service(), to: change.to.clone() };
        // Where clients may keep an old answer, the proof waits for them.
        let delay = self.service.traffic.as_ref().and_then(|traffic| traffic.by.delay()).unwrap_or_default();
        steps.push(Step::new(proof, PATIENT.saturating_add(delay), on_failure).in_emergency(StandInDoubt));
        if let Some(commit) = self.strategy.and_then(|strategy| strategy.commit).filter(|_| self.mode == Mode::Planned && !change.from.is_empty()) {
            let action = Action::AwaitCommit { service: service(), from: change.from.clone(), window: commit.window, then: commit.then };
            steps.push(Step::new(action, commit.window.saturating_add(PATIENT), Compensate).in_emergency(GoOn));
        }
        steps
    }

    /// First failed probe of what is left.
    fn outage_since(&self, change: &TrafficChange) -> Option<Instant> {
        let leaving = change.leaving();
        let down = leaving
            .iter()
            .filter_map(|region| health_in(self.picture, &self.service.id, region))
            .filter(|judgement| judgement.health == Health::Down);
        down.filter_map(|judgement| judgement.since).min()
    }
}

/// The same for a lag.
fn rounded_lag(why: Exclusion) -> Exclusion {
    match why {
        Exclusion::LagAboveTolerance { lag, limit } => Exclusion::LagAboveTolerance { lag: rounded(lag), limit },
        other => other,
    }
}

/// To five seconds, so that the text of a blocker does not change with every look.
fn rounded(span: Span) -> Span {
    Span::from_secs(span.as_millis() / 5_000 * 5)
}

/// What a plan would do, for a heading: `from us-east-1 to us-west-2`, `take us-east-1 out`.
pub fn in_words(change: &TrafficChange) -> String {
    let (leaving, joining) = (change.leaving(), change.joining());
    match (leaving.is_empty(), joining.is_empty()) {
        (true, true) => format!("keep {}", names_or_none(&change.to)),
        (false, true) => format!("take {} out", names_or_none(&leaving)),
        (true, false) => format!("bring {} in", names_or_none(&joining)),
        (false, false) => format!("from {} to {}", names_or_none(&change.from), names_or_none(&change.to)),
    }
}
