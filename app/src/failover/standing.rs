//! How a service or a cluster stands as far as moving it goes: its state, whether it could lose a region, and what Lifeboat
//! would do by itself. Each is a word on the one scale, with since when and the reasons.

use crate::{
    databases::{standing::Shield, view::ClusterPage},
    ui::state::Tone,
};
use engine::{
    automation::{self, Hold, Verdict},
    estate::{Cluster, FailoverMode, Service, Strategy},
    failover::{Operation, State, plan::names_or_none, traffic},
    health::{Health, Judgement},
    id::{ClusterId, RegionId, Scope, ServiceId},
    picture::{Picture, SeenOn},
    restraints::Restraint,
    time::Instant,
};
use std::collections::BTreeMap;

/// A word with its tone and nothing more to say.
pub fn plain(tone: Tone, word: &str) -> Shield {
    Shield { tone, word: word.to_owned(), since: None, reasons: Vec::new() }
}

fn because(tone: Tone, word: &str, since: Option<Instant>, reasons: Vec<String>) -> Shield {
    Shield { tone, word: word.to_owned(), since, reasons }
}

/// Where clients are seen to be sent, as long as what sends them answers.
pub fn seen<'a>(picture: &'a Picture, service: &Service) -> Option<&'a SeenOn> {
    let view = picture.observed.traffic.get(&service.id)?;
    view.on.as_ref().filter(|_| view.judgement.is_ok())
}

/// The verdict on a service in a region, with its reason.
pub fn health(picture: &Picture, service: &Service, region: &RegionId) -> Shield {
    let never = Judgement::never_measured();
    let judgement = traffic::health_in(picture, &service.id, region).unwrap_or(&never);
    let tone = judgement.health.into();
    if !picture.is_flapping(&service.id, region) {
        return because(tone, &judgement.health.to_string(), judgement.since, vec![judgement.why.clone()]);
    }
    let reasons = vec![judgement.why.clone(), FLAPS.to_owned()];
    because(Tone::worst([tone, Tone::Act]), &format!("{}, flapping", judgement.health), judgement.since, reasons)
}

/// Row 37: what comes and goes is shown as that, also while it is there.
const FLAPS: &str = "its verdict changes again and again, so nothing fails over because of it before it stays one way";

/// The state of a service, the worst first.
pub fn of_service(picture: &Picture, service: &Service) -> Shield {
    if let Some(operation) = picture.records.holder_of(&Scope::Service(service.id.clone())) {
        return of_holder(operation);
    }
    let Some(on) = seen(picture, service) else {
        let view = picture.observed.traffic.get(&service.id);
        let why = view.map_or("where its clients are sent was never asked", |view| view.judgement.why.as_str());
        return because(Tone::Unknown, "unknown", view.and_then(|view| view.judgement.since), vec![why.to_owned()]);
    };
    if on.regions.is_empty() {
        return because(Tone::Lost, "CLOSED", None, vec!["clients are sent to no region".to_owned()]);
    }
    let judged: Vec<_> = on.regions.iter().map(|region| (region, traffic::health_in(picture, &service.id, region))).collect();
    let of_health = |wanted: Health| {
        let here = |(region, judgement): &(&RegionId, Option<&Judgement>)| {
            let judgement = judgement.as_ref().filter(|judgement| judgement.health == wanted)?;
            Some((judgement.since, format!("{region}: {}", judgement.why)))
        };
        let found: Vec<_> = judged.iter().filter_map(here).collect();
        let since = found.iter().filter_map(|(since, _)| *since).min();
        (!found.is_empty()).then(|| (since, found.into_iter().map(|(_, why)| why).collect::<Vec<_>>()))
    };
    if let Some((since, why)) = of_health(Health::Down) {
        return because(Tone::Lost, "failing", since, why);
    }
    if let Some((since, _)) = picture.records.strayed.get(&service.id) {
        let intended = picture.records.routes.get(&service.id).map(|route| names_or_none(&route.intended)).unwrap_or_default();
        return because(Tone::Act, "strayed", Some(*since), vec![format!("clients are meant to be in {intended}, and no operation moved them")]);
    }
    if let Some(region) = on.regions.iter().find(|region| picture.is_flapping(&service.id, region)) {
        return because(Tone::Act, "flapping", None, vec![format!("{region}: {FLAPS}")]);
    }
    if let Some((region, _)) = judged.iter().find(|(_, judgement)| judgement.is_none_or(|judgement| judgement.health == Health::Unknown)) {
        return because(Tone::Unknown, "unknown", None, vec![format!("whether it is well in {region} is not known")]);
    }
    if let Some((since, why)) = of_health(Health::Degraded) {
        return because(Tone::Watch, "degraded", since, why);
    }
    let home = traffic::home_of(picture, service);
    if !home.is_empty() && on.regions != home {
        let since = picture.records.routes.get(&service.id).map(|route| route.since);
        return because(Tone::Watch, "away from home", since, vec![format!("its home is {}", names_or_none(&home))]);
    }
    plain(Tone::Ok, "normal")
}

/// The state of a cluster, in the same words.
pub fn of_cluster(picture: &Picture, cluster: &Cluster, page: &ClusterPage) -> Shield {
    if let Some(operation) = picture.records.active_on(&cluster.id) {
        return of_holder(operation);
    }
    let headline = &page.headline;
    if headline.tone != Tone::Ok {
        let word = if headline.word == "primary down" { "failing" } else { headline.word.as_str() };
        return because(headline.tone, word, headline.since, vec![headline.says.clone()]);
    }
    let home = cluster.strategy.as_ref().and_then(|id| picture.estate.strategy(id)).map(|strategy| &strategy.primary_region);
    match page.nodes.iter().find(|node| node.is_primary).zip(home) {
        Some((primary, home)) if primary.region != *home => because(Tone::Watch, "away from home", None, vec![format!("its home is {home}")]),
        _ => plain(Tone::Ok, "normal"),
    }
}

fn of_holder(operation: &Operation) -> Shield {
    let since = operation.history.last().map(|(at, _)| *at);
    let (tone, word) = match operation.state {
        State::InDoubt => (Tone::Lost, "IN DOUBT"),
        State::Requested => (Tone::Act, "waits for approval"),
        State::Compensating => (Tone::Act, "going back"),
        _ => (Tone::Watch, "moving"),
    };
    because(tone, word, since, vec![crate::operations::words::title(&operation.plan)])
}

/// Whether the loss of a region could be survived, by the journal's clock. A service is no better protected than its data.
pub fn protection(picture: &Picture, service: &Service, exposed_data: &BTreeMap<ServiceId, Vec<ClusterId>>) -> Shield {
    let own = picture.records.service_exposures.get(&service.id);
    let clusters = exposed_data.get(&service.id).into_iter().flatten();
    let of_data: Vec<_> = clusters.filter_map(|id| Some((id, picture.exposure(id)?))).collect();
    let all = || own.into_iter().chain(of_data.iter().map(|(_, exposure)| *exposure));
    if let Some(since) = all().map(|exposure| exposure.since).min() {
        let (tone, word) = if all().any(|exposure| exposure.unprotected) { (Tone::Act, "UNPROTECTED") } else { (Tone::Watch, "reduced protection") };
        let mut missing = own.map(|exposure| exposure.missing.clone()).unwrap_or_default();
        missing.extend(of_data.iter().map(|(id, exposure)| format!("its data in {id}: {}", exposure.missing.join("; "))));
        return because(tone, word, Some(since), missing);
    }
    let regions = traffic::regions_of(picture, service);
    let unknown = |region: &&RegionId| traffic::health_in(picture, &service.id, region).is_none_or(|judgement| judgement.health == Health::Unknown);
    match regions.iter().find(unknown) {
        None if seen(picture, service).is_some() && !regions.is_empty() => plain(Tone::Ok, "protected"),
        None => plain(Tone::Unknown, "not known"),
        Some(region) => because(Tone::Unknown, "not known", None, vec![format!("whether it is well in {region} is not known")]),
    }
}

/// What Lifeboat does, or would do, by itself; and what holds it back.
pub fn automation(picture: &Picture, scope: &Scope, strategy: Option<&Strategy>) -> Shield {
    if picture.records.holder_of(scope).is_some() && !picture.read_only {
        return because(Tone::Watch, "stands back", None, vec!["an operation answers it".to_owned()]);
    }
    if let Some(case) = picture.records.cases.get(scope) {
        let decision = &case.decision;
        let holds: Vec<String> = decision.holds.iter().map(ToString::to_string).collect();
        let waits = decision.holds.iter().all(|hold| matches!(hold, Hold::Waiting { .. }));
        let target = decision.target.iter().map(|target| format!("a failover to {target}")).collect();
        return match decision.verdict {
            Verdict::Hold if waits => because(Tone::Watch, "waits", Some(case.decided), holds),
            Verdict::Hold => because(Tone::Act, "HELD", Some(case.decided), holds),
            Verdict::Recommend => because(Tone::Act, "recommends", Some(case.decided), target),
            Verdict::Request => because(Tone::Act, "asks", Some(case.decided), target),
            Verdict::Start => because(Tone::Watch, "acts", Some(case.decided), target),
        };
    }
    let holds = automation::held_beforehand(picture, scope);
    // Of several the one that holds back most gives the word.
    let is_switch = |hold: &&Hold| matches!(hold, Hold::Restrained { what: Restraint::MasterSwitch, .. });
    if let Some(first) = holds.iter().find(is_switch).or(holds.first()) {
        let (tone, word) = match first {
            Hold::Restrained { what: Restraint::MasterSwitch, .. } => (Tone::Act, "master switch off"),
            Hold::Restrained { what: Restraint::Pause(_), .. } => (Tone::Watch, "paused"),
            Hold::Restrained { what: Restraint::Maintenance(_), .. } => (Tone::Watch, "maintenance"),
            Hold::Restrained { .. } => (Tone::Watch, "acknowledged"),
            Hold::Cooldown { .. } => (Tone::Watch, "cooldown"),
            // That is as it was declared.
            Hold::LeftToPatroni { .. } => (Tone::Ok, "left to Patroni"),
            Hold::PatroniPaused { .. } => (Tone::Watch, "Patroni is paused"),
            _ => (Tone::Act, "HELD"),
        };
        return because(tone, word, None, holds.iter().map(ToString::to_string).collect());
    }
    let promotes = scope.cluster().is_some();
    match strategy.map(|strategy| strategy.failover) {
        Some(FailoverMode::Automatic) if promotes => {
            because(Tone::Ok, "asks", None, vec!["it starts a promotion where nothing can be lost by it, and asks for any other".to_owned()])
        }
        Some(FailoverMode::Automatic) => plain(Tone::Ok, "acts"),
        Some(FailoverMode::SemiAutomatic) => plain(Tone::Ok, "asks"),
        Some(FailoverMode::Manual) => plain(Tone::Ok, "recommends"),
        None => because(Tone::Watch, "recommends", None, vec!["no strategy is declared".to_owned()]),
    }
}

/// The declared mode of a strategy.
pub fn mode(strategy: Option<&Strategy>) -> &'static str {
    match strategy.map(|strategy| strategy.failover) {
        Some(FailoverMode::Automatic) => "automatic",
        Some(FailoverMode::SemiAutomatic) => "semi-automatic",
        Some(FailoverMode::Manual) => "manual",
        None => "no strategy",
    }
}
