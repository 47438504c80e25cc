//! What fails, and what the product would do about it: a service where its clients are, a cluster without a primary, a region
//! in which nothing answers.

use super::{
    Considered, Decision, Verdict,
    holds::{Ground, Hold, Pace, holds, left_to_patroni, settling},
};
use crate::{
    estate::{Detection, FailoverMode, Service},
    failover::{Mode, evacuation, traffic},
    health::Health,
    id::{ClusterId, RegionId, Scope},
    journal::Subject,
    survey::Survey,
    time::Span,
};

/// So many of what cannot be moved out of a region are named in a decision.
const MOST_STAYING: usize = 5;

/// A region in which nothing answers: everything that is left to people there is asked for as one.
pub(super) fn of_region(survey: &Survey, region: &RegionId) -> Option<Considered> {
    let picture = survey.picture;
    let plan = picture.under_rules(evacuation::outline(survey, region, Mode::Emergency)?);
    let change = plan.evacuation()?;
    let members: Vec<&Scope> = change.waves.iter().flatten().map(|member| &member.scope).collect();
    let staying = || change.staying.iter();
    let modes: Vec<FailoverMode> = members.iter().copied().chain(staying().map(|(scope, _)| scope)).map(|scope| mode_of(survey, scope)).collect();
    let mode = if modes.contains(&FailoverMode::Manual) { FailoverMode::Manual } else { FailoverMode::SemiAutomatic };
    // What the product moves by itself is gone in a moment. A database it never does.
    let moved_by_itself = |scope: &&Scope| scope.service().is_some() && mode_of(survey, scope) == FailoverMode::Automatic;
    if members.iter().all(moved_by_itself) && staying().all(|(scope, _)| moved_by_itself(&scope)) {
        return None;
    }
    let mut trouble = vec![format!("nothing that is probed in {region} answers; {} clusters and services are to be moved", members.len())];
    trouble.extend(staying().take(MOST_STAYING).map(|(scope, why)| format!("{} cannot be moved: {why}", scope.name())));
    if let Some(more) = change.staying.len().checked_sub(MOST_STAYING).filter(|more| *more > 0) {
        trouble.push(format!("{more} more cannot be moved"));
    }
    let scope = Scope::Region(region.clone());
    let simulated = plan.is_simulated();
    let mut decision = Decision {
        scope,
        verdict: Verdict::Hold,
        since: plan.outage_since,
        trouble,
        target: None,
        follows: None,
        rule: None,
        holds: Vec::new(),
        mode,
        simulated,
    };
    let scopes = [decision.scope.clone()];
    let ground = if picture.is_doubtful_in(region) { Ground::Doubtful } else { Ground::Firm };
    decision.holds.extend(settling(survey, decision.since, &picture.estate.detection));
    if let Some(why) = picture.comes_back_in(region) {
        decision.holds.push(Hold::ComingBack { why });
    }
    decision.holds.extend(holds(survey, &decision, &scopes, &plan, Pace { wait: Span::ZERO, cooldown: Span::ZERO, ground }));
    decision.settle(false);
    Some(Considered { decision, plan: Some(plan) })
}

fn mode_of(survey: &Survey, scope: &Scope) -> FailoverMode {
    let estate = &survey.picture.estate;
    let strategy = match scope {
        Scope::Service(id) => survey.service(id).and_then(|service| estate.strategy_of(service)),
        Scope::Cluster(id) => estate.cluster(id).and_then(|cluster| estate.strategy(cluster.strategy.as_ref()?)),
        Scope::Region(_) | Scope::Backup(_) => None,
    };
    strategy.map_or(FailoverMode::Manual, |strategy| strategy.failover)
}

/// The active regions are judged, whichever they are (traps F4 to F6).
pub(super) fn of_service(survey: &Survey, service: &Service) -> Option<Considered> {
    let (picture, id) = (survey.picture, &service.id);
    let view = picture.observed.traffic.get(id)?;
    let regions = match &view.on {
        // What was read before an operation of ours ended shows where clients were, not where they are.
        Some(on) if picture.records.routes.get(id).is_some_and(|route| route.by.is_some() && on.at <= route.since) => return None,
        Some(on) => on.regions.clone(),
        // Where they are is not known, and will not be in a moment: that is said, with all that fails.
        None if picture.is_settled(&Scope::Service(id.clone())) => service.endpoints.iter().map(|endpoint| endpoint.region.clone()).collect(),
        None => return None,
    };
    let judged = regions.iter().filter_map(|region| Some((region, traffic::health_in(picture, id, region)?)));
    let down: Vec<_> = judged.filter(|(_, judgement)| judgement.health == Health::Down).collect();
    if down.is_empty() {
        return None;
    }
    let strategy = picture.estate.strategy_of(service);
    let plan = picture.under_rules(traffic::outline(survey, id, Mode::Emergency, None)?);
    let target = plan.target_in_words();
    let since = down.iter().filter_map(|(_, judgement)| judgement.since).min();
    let mut trouble: Vec<String> = down.iter().map(|(region, judgement)| format!("{id} is down in {region}: {}", judgement.why)).collect();
    // Where it is well somewhere, its own region fails and not what it needs.
    let well = plan.traffic()?.regions.iter().any(|region| region.is_eligible());
    let follows = survey.cause_of(id).cloned();
    trouble.extend(follows.iter().filter(|_| well).map(|cause| format!("{cause}, which it needs, fails too and is the likely cause")));
    let endpoint = service.endpoints.iter().find(|endpoint| down.iter().any(|(region, _)| **region == endpoint.region));
    let rule = endpoint.map_or(picture.estate.detection, |endpoint| picture.estate.detection_at(service, endpoint));
    let mut decision = Decision {
        scope: Scope::Service(id.clone()),
        verdict: Verdict::Hold,
        since,
        trouble,
        target,
        follows,
        rule: Some(rule),
        holds: Vec::new(),
        mode: strategy.map_or(FailoverMode::Manual, |strategy| strategy.failover),
        simulated: plan.is_simulated(),
    };
    let mut held_by: Vec<Scope> = down.iter().map(|(region, _)| Scope::Region((*region).clone())).collect();
    held_by.push(decision.scope.clone());
    let wait = strategy.map_or(Span::ZERO, |strategy| strategy.wait);
    let cooldown = strategy.map_or(Span::ZERO, |strategy| strategy.cooldown);
    if let Some((region, _)) = down.iter().find(|(region, _)| picture.is_flapping(id, region)) {
        decision.holds.push(Hold::Flapping { why: format!("{id} in {region}") });
    }
    if down.iter().all(|(region, _)| picture.is_coming_back(id, region)) {
        let regions: Vec<&str> = down.iter().map(|(region, _)| region.as_str()).collect();
        decision.holds.push(Hold::ComingBack { why: format!("{id} in {}", regions.join(" and ")) });
    }
    decision.holds.extend(settling(survey, since, &rule));
    for cluster in survey.clusters_needed(id).iter().filter(|_| !well) {
        if let Some(why) = survey.trouble_of_cluster(&cluster.id) {
            decision.holds.push(Hold::CausedBy { cluster: cluster.id.clone(), why: why.to_owned() });
        }
    }
    decision.holds.extend(decision.follows.clone().filter(|_| !well).map(|service| Hold::CausedByService { service }));
    let failed = survey.failed_regions();
    if let Some((region, _)) = down.iter().find(|(region, _)| failed.contains(region)).filter(|_| decision.mode != FailoverMode::Automatic) {
        decision.holds.push(Hold::RegionFails { region: (*region).clone() });
    }
    let ground = Ground::of(down.iter().map(|(region, _)| Subject::Endpoint { service: id.clone(), region: (*region).clone() }), picture);
    decision.holds.extend(holds(survey, &decision, &held_by, &plan, Pace { wait, cooldown, ground }));
    decision.settle(true);
    Some(Considered { decision, plan: Some(plan) })
}

pub(super) fn of_cluster(survey: &Survey, id: &ClusterId) -> Option<Considered> {
    let picture = survey.picture;
    let (cluster, view) = picture.cluster(id)?;
    let primary = view.primary()?;
    if !view.writable().is_empty() || primary.judgement.health != Health::Down {
        return None;
    }
    let strategy = cluster.strategy.as_ref().and_then(|id| picture.estate.strategy(id));
    let plan = picture.failover_by_itself(id, None)?;
    let rule: Detection = picture.estate.detection_of(cluster);
    let mut decision = Decision {
        scope: Scope::Cluster(id.clone()),
        verdict: Verdict::Hold,
        since: primary.judgement.since,
        trouble: vec![format!("{}, the primary, is down: {}", primary.node, primary.judgement.why)],
        target: plan.target_in_words(),
        follows: None,
        rule: Some(rule),
        holds: Vec::new(),
        mode: strategy.map_or(FailoverMode::Manual, |strategy| strategy.failover),
        simulated: false,
    };
    let held_by = [Scope::Region(primary.region.clone()), Scope::Service(cluster.service.clone()), decision.scope.clone()];
    let ground = Ground::of(std::iter::once(Subject::Node { cluster: id.clone(), node: primary.node.clone() }), picture);
    let (wait, cooldown) = strategy.map_or((Span::ZERO, Span::ZERO), |strategy| (strategy.wait, strategy.cooldown));
    let pace = Pace { wait, cooldown, ground };
    decision.holds.extend(left_to_patroni(picture, cluster));
    decision.holds.extend(settling(survey, decision.since, &rule));
    if primary.last_attempt.as_ref().is_some_and(|(_, complaint)| complaint.is_none()) {
        decision.holds.push(Hold::ComingBack { why: primary.node.to_string() });
    }
    if survey.failed_regions().contains(&primary.region) {
        decision.holds.push(Hold::RegionFails { region: primary.region.clone() });
    }
    decision.holds.extend(holds(survey, &decision, &held_by, &plan, pace));
    decision.settle(plan.database().is_some_and(|change| change.unattended));
    Some(Considered { decision, plan: Some(plan) })
}

impl Decision {
    /// From mode and holds to the verdict. What may not start is asked for.
    fn settle(&mut self, may_start: bool) {
        self.verdict = match self.mode {
            _ if !self.holds.is_empty() => Verdict::Hold,
            FailoverMode::Automatic if may_start => Verdict::Start,
            FailoverMode::Automatic | FailoverMode::SemiAutomatic => Verdict::Request,
            FailoverMode::Manual => Verdict::Recommend,
        };
    }
}
