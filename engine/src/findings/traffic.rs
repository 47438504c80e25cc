//! What is wrong with where clients are sent, with how well services are protected, and what holds the product back.

use super::{About, Complaint, Finding, Severity, platform::severity};
use crate::{
    automation::{Hold, Verdict},
    health::Judgement,
    id::Scope,
    picture::Picture,
    restraints::Restraint,
    survey::Survey,
};

pub(super) fn findings(picture: &Picture) -> Vec<Finding> {
    let mut found = Vec::new();
    let survey = Survey::of(picture);
    services(&survey, &mut found);
    for (scope, case) in &picture.records.cases {
        // An operation that is under way is shown as itself.
        let idle = matches!(case.decision.verdict, Verdict::Hold | Verdict::Recommend) && survey.holder_of(scope).is_none();
        // What follows from something else is said with that, one alarm for the cause (row 35); what lasts a moment, not at all.
        let passes = |hold: &Hold| matches!(hold, Hold::RegionFails { .. } | Hold::Settling { .. } | Hold::ComingBack { .. });
        if idle && !case.decision.follows_something() && !case.decision.holds.iter().any(passes) && !is_acknowledged(picture, scope) {
            let complaint = Complaint::Undecided { decision: Box::new(case.decision.clone()) };
            found.push(Finding { severity: Severity::Act, about: about(scope), complaint, since: case.decision.since.or(Some(case.opened)) });
        }
    }
    for (what, held) in picture.records.restraints.iter().filter(|(_, held)| !held.is_over(picture.now)) {
        let complaint = Complaint::Restrained { what: what.clone(), by: held.by.to_string(), until: held.until, reason: held.reason.clone() };
        let about = what.scope().map_or(About::Estate, about);
        found.push(Finding { severity: Severity::Watch, about, complaint, since: Some(held.since) });
    }
    found
}

fn is_acknowledged(picture: &Picture, scope: &Scope) -> bool {
    picture.records.held(&Restraint::Acknowledged(scope.clone()), picture.now).is_some()
}

pub(super) fn about(scope: &Scope) -> About {
    match scope {
        Scope::Cluster(id) => About::Cluster(id.clone()),
        Scope::Service(id) => About::Service(id.clone()),
        Scope::Region(id) => About::Region(id.clone()),
        Scope::Backup(id) => About::Policy(id.clone()),
    }
}

fn services(survey: &Survey, found: &mut Vec<Finding>) {
    let picture = survey.picture;
    let never = Judgement::never_measured();
    for service in picture.estate.services.iter().filter(|service| service.traffic.is_some()) {
        let (id, about) = (service.id.clone(), About::Service(service.id.clone()));
        let mut add = |severity, complaint, since| found.push(Finding { severity, about: about.clone(), complaint, since });
        if picture.estate.strategy_of(service).is_none() {
            add(Severity::Watch, Complaint::TrafficWithoutStrategy { service: id.clone() }, None);
        }
        if service.traffic.as_ref().is_some_and(|traffic| traffic.by.is_simulated()) {
            add(Severity::Watch, Complaint::TrafficSimulated { service: id.clone() }, None);
        }
        let view = picture.observed.traffic.get(&service.id);
        let judgement = view.map_or(&never, |view| &view.judgement);
        if !judgement.is_ok() {
            let complaint = Complaint::TrafficUnknown { service: id.clone(), why: judgement.why.clone() };
            add(severity(judgement.health), complaint, judgement.since);
        }
        let moves = survey.holder_of(&Scope::Service(id.clone())).is_some_and(|operation| operation.state.is_running());
        let seen = view.and_then(|view| view.on.as_ref()).filter(|_| judgement.is_ok());
        if let Some(seen) = seen.filter(|seen| seen.regions.is_empty() && !moves) {
            add(Severity::Lost, Complaint::TrafficClosed { service: id.clone() }, Some(seen.at));
        }
        if let Some((since, seen)) = picture.records.strayed.get(&service.id) {
            let intended = picture.records.routes.get(&service.id).map(|route| route.intended.clone()).unwrap_or_default();
            add(Severity::Act, Complaint::TrafficStrayed { service: id.clone(), intended, seen: seen.clone() }, Some(*since));
        }
        if let Some(exposure) = picture.records.service_exposures.get(&service.id) {
            let missing = exposure.missing.clone();
            let (severity, complaint) = if exposure.unprotected {
                (Severity::Act, Complaint::ServiceUnprotected { service: id.clone(), missing })
            } else {
                (Severity::Watch, Complaint::ServiceReducedProtection { service: id.clone(), missing })
            };
            add(severity, complaint, Some(exposure.since));
        }
    }
}
