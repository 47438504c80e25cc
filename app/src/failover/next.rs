//! The next thing a person should do, in one sentence. During a failover everything shouts at once; this does not.

use crate::{
    operations::{clock::Clock, words},
    overview::view::{Need, commit_of, needs},
    ui::{state::Tone, time::clock},
};
use engine::{
    automation::{Decision, Hold, Verdict},
    failover::{Mode, Operation, Plan, State, plan::names_or_none, traffic},
    findings::runs_to_acknowledge,
    health::Health,
    id::{AccountName, RegionId, Scope},
    picture::Picture,
    restraints::Restraint,
    time::Span,
};

/// What stands first, and how many other things wait behind it.
pub fn next(picture: &Picture, viewer: &AccountName) -> (Need, usize) {
    let mut needs = Vec::new();
    doubts(picture, &mut needs);
    needs.extend(operations(picture, |state| state == State::Running).into_iter().filter_map(|operation| commit_of(picture, operation)));
    let (emergencies, others): (Vec<&Operation>, Vec<&Operation>) =
        operations(picture, |state| state == State::Requested).into_iter().partition(|operation| operation.mode() == Mode::Emergency);
    requests(viewer, emergencies, &mut needs);
    failures(picture, &mut needs);
    unseen(picture, &mut needs);
    requests(viewer, others, &mut needs);
    strays(picture, &mut needs);
    ended_badly(picture, &mut needs);
    let behind = needs.len().saturating_sub(1);
    let mut calm = Vec::new();
    running(picture, &mut calm);
    restrained(picture, &mut calm);
    returns(picture, &mut calm);
    exposed(picture, &mut calm);
    let first = needs.into_iter().next().or_else(|| calm.into_iter().next());
    (first.unwrap_or_else(|| nothing(picture)), behind)
}

fn nothing(picture: &Picture) -> Need {
    let unknown = picture.estate.services.iter().filter(|service| service.traffic.is_some());
    let unknown: Vec<&str> = unknown.filter(|service| super::standing::seen(picture, service).is_none()).map(|service| service.id.as_str()).collect();
    if unknown.is_empty()
        && let Some(other) = other(picture)
    {
        return other;
    }
    let (tone, what, remedy) = match unknown[..] {
        [] => (Tone::Ok, "Nothing needs doing.".to_owned(), "Nothing that is watched fails, and no decision waits.".to_owned()),
        [first, ..] => {
            let more = if unknown.len() > 1 { format!(" and {} more", unknown.len() - 1) } else { String::new() };
            let what = format!("Make what sends clients reachable: where those of {first}{more} are is not known.");
            (Tone::Unknown, what, "Until it answers nothing can be moved there, and nothing is known to be well.".to_owned())
        }
    };
    let (link, href) = unknown.first().map_or_else(Default::default, |id| (format!("Look at {id}"), format!("/failover/{id}")));
    Need { tone, what, remedy, since: None, link, href }
}

/// What needs a person elsewhere: this page is not green beside it.
fn other(picture: &Picture) -> Option<Need> {
    let needs = needs(picture, &picture.findings());
    let first = needs.iter().max_by_key(|need| need.tone)?;
    let count = if needs.len() == 1 { "1 thing needs".to_owned() } else { format!("{} things need", needs.len()) };
    Some(Need {
        tone: first.tone,
        what: format!("Nothing needs to be moved; {count} a person."),
        remedy: format!("{}.", first.what.trim_end_matches('.')),
        since: first.since,
        link: "Look at the overview".to_owned(),
        href: "/".to_owned(),
    })
}

/// What was moved away from, or copied less often than it should be, is still broken.
fn exposed(picture: &Picture, calm: &mut Vec<Need>) {
    let services = picture.records.service_exposures.iter().map(|(id, exposure)| (Scope::Service(id.clone()), exposure));
    let clusters = picture.records.exposures.iter().map(|(id, exposure)| (Scope::Cluster(id.clone()), exposure));
    let worst = clusters.chain(services).min_by_key(|(_, exposure)| (!exposure.unprotected, exposure.since));
    calm.extend(worst.map(|(scope, exposure)| {
        let name = scope.name();
        let (tone, is) = if exposure.unprotected { (Tone::Act, "is UNPROTECTED") } else { (Tone::Watch, "has reduced protection") };
        let page = if scope.cluster().is_some() { "databases" } else { "failover" };
        Need {
            tone,
            what: format!("Repair what failed: {name} {is}."),
            remedy: format!("{}. Nothing is left to move.", exposure.missing.join("; ")),
            since: Some(exposure.since),
            link: format!("Look at {name}"),
            href: format!("/{page}/{name}"),
        }
    }));
}

fn operations(picture: &Picture, wanted: fn(State) -> bool) -> Vec<&Operation> {
    let mut found: Vec<_> = picture.records.operations.values().filter(|operation| wanted(operation.state)).collect();
    found.sort_by_key(|operation| (operation.requested.at, operation.id));
    found
}

fn doubts(picture: &Picture, needs: &mut Vec<Need>) {
    needs.extend(operations(picture, |state| state == State::InDoubt).into_iter().map(|operation| Need {
        tone: Tone::Lost,
        what: format!("Look at the {}, which stands IN DOUBT, and decide.", named(&operation.plan)),
        remedy: operation.outcome.clone().unwrap_or_default(),
        since: operation.history.last().map(|(at, _)| *at),
        link: "Look and decide".to_owned(),
        href: format!("/operations/{}", operation.id),
    }));
}

/// What the viewer can answer comes before what takes somebody else.
fn requests(viewer: &AccountName, mut requested: Vec<&Operation>, needs: &mut Vec<Need>) {
    let is_answered_by_others =
        |operation: &Operation| operation.requested.by == *viewer || operation.approvals.iter().any(|earlier| earlier.by == *viewer);
    requested.sort_by_key(|operation| is_answered_by_others(operation));
    needs.extend(requested.into_iter().map(|operation| {
        let title = named(&operation.plan);
        let void_at = clock(operation.requested.at + Operation::APPROVAL_WAITS.as_delta());
        let (given, needed) = (operation.approvals.len(), operation.plan.approvals);
        let so_far = if needed > 1 { format!(" {given} of {needed} have approved it.") } else { String::new() };
        let agreed = operation.approvals.iter().any(|earlier| earlier.by == *viewer);
        let (what, link) = if agreed {
            (format!("Find another person: the {title} waits for one more to approve it."), "Look at it")
        } else if operation.requested.by == *viewer {
            (format!("Find a second person: your {title} waits for them."), "Look at it")
        } else {
            (format!("Approve or decline the {title}."), "Read the plan and decide")
        };
        let rules: Vec<String> = operation.plan.rules_to_break().iter().map(ToString::to_string).collect();
        let breaks = if rules.is_empty() { String::new() } else { format!("IT BREAKS SAFETY RULES: {}. ", rules.join("; ")) };
        Need {
            tone: Tone::Act,
            what,
            remedy: format!("{breaks}{} asked for it. Without an approval by {void_at} UTC it is void.{so_far}", operation.requested.by),
            since: Some(operation.requested.at),
            link: link.to_owned(),
            href: format!("/operations/{}", operation.id),
        }
    }));
}

/// What fails and is not being dealt with, from the decisions about it: a region that fails as a whole before what is in it.
fn failures(picture: &Picture, needs: &mut Vec<Need>) {
    let known = |scope: &Scope| picture.records.held(&Restraint::Acknowledged(scope.clone()), picture.now).is_some();
    let mut found = Vec::new();
    for (scope, case) in &picture.records.cases {
        // One alarm for the cause (row 35): what only follows from another failure is dealt with by dealing with that.
        let follows =
            |decision: &Decision| decision.follows_something() || decision.holds.iter().any(|hold| matches!(hold, Hold::RegionFails { .. }));
        if known(scope) || picture.records.holder_of(scope).is_some() || follows(&case.decision) {
            continue;
        }
        found.push((scope.clone(), decided(scope, &case.decision)));
    }
    // Verdicts come first, decisions a moment later.
    for service in picture.estate.services.iter().filter(|service| service.traffic.is_some()) {
        let scope = Scope::Service(service.id.clone());
        let undecided = !picture.records.cases.contains_key(&scope) && picture.records.holder_of(&scope).is_none();
        let state = super::standing::of_service(picture, service);
        if undecided && state.tone == Tone::Lost {
            let id = &service.id;
            let what = format!("Look at {id}: it is {}.", state.word);
            let remedy = state.reasons.first().cloned().unwrap_or_default();
            let href = plan_href(&scope);
            found.push((scope, Need { tone: Tone::Lost, what, remedy, since: state.since, link: "Read the plan".to_owned(), href }));
        }
    }
    found.sort_by_key(|(scope, need)| (std::cmp::Reverse(need.tone), scope.region().is_none()));
    needs.extend(found.into_iter().map(|(_, need)| need));
}

/// What nobody can judge: nothing fails over on what is not known (row 33).
fn unseen(picture: &Picture, needs: &mut Vec<Need>) {
    if let Some((quorum, counted)) = picture.too_few_observers() {
        let heard = match counted {
            0 => "none is".to_owned(),
            1 => "1 is".to_owned(),
            more => format!("{more} are"),
        };
        needs.push(Need {
            tone: Tone::Act,
            what: format!("Bring observers back: a verdict takes {quorum} places, and {heard} heard."),
            remedy: "Until then no failure of a service is believed, and nothing fails over by itself.".to_owned(),
            since: picture.records.observers.values().map(|(_, since)| *since).max(),
            link: "Look at the observers".to_owned(),
            href: "/failover#observers-title".to_owned(),
        });
    }
    for service in picture.estate.services.iter().filter(|service| service.traffic.is_some()) {
        let scope = Scope::Service(service.id.clone());
        let state = super::standing::of_service(picture, service);
        if state.tone == Tone::Unknown && super::standing::seen(picture, service).is_some() && picture.is_settled(&scope) {
            let id = &service.id;
            needs.push(Need {
                tone: Tone::Unknown,
                what: format!("Find out whether {id} serves its clients: nobody can tell."),
                remedy: state.reasons.first().cloned().unwrap_or_default(),
                since: state.since,
                link: format!("Look at {id}"),
                href: format!("/failover/{id}"),
            });
        }
    }
}

/// What a decision asks of a person.
fn decided(scope: &Scope, decision: &Decision) -> Need {
    let name = scope.name();
    let first = decision.holds.first().map(ToString::to_string).unwrap_or_default();
    let waits = |wanted: fn(&Hold) -> bool| !decision.holds.is_empty() && decision.holds.iter().all(wanted);
    let target = decision.target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
    let trouble = || decision.trouble.first().cloned().unwrap_or_default();
    let (tone, what, remedy) = match decision.verdict {
        // For a moment, until it is known what else fails.
        Verdict::Hold if decision.holds.iter().any(|hold| matches!(hold, Hold::Settling { .. })) => {
            (Tone::Watch, format!("Wait a moment: {name} fails, and other probes have no verdict yet."), trouble())
        }
        Verdict::Hold if decision.holds.iter().any(|hold| matches!(hold, Hold::ComingBack { .. })) => {
            (Tone::Watch, format!("Wait a moment: {name} answers again, and is not back yet."), trouble())
        }
        Verdict::Hold if waits(|hold| matches!(hold, Hold::Waiting { .. })) => {
            (Tone::Watch, format!("Wait: {name} fails, and Lifeboat acts when its waiting time is over."), first)
        }
        Verdict::Hold => {
            let more = decision.holds.len().saturating_sub(1);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            let what = match scope {
                Scope::Region(_) => format!("Decide about the evacuation of {name}: nothing there answers, and Lifeboat does nothing."),
                Scope::Service(_) | Scope::Cluster(_) | Scope::Backup(_) => format!("Decide about {name}: it fails, and Lifeboat does nothing."),
            };
            (Tone::Lost, what, format!("Held back: {first}{more}."))
        }
        Verdict::Recommend => {
            let what = match scope {
                Scope::Region(_) => format!("Plan the evacuation of {name}: nothing there answers, and it is left to you."),
                Scope::Service(_) | Scope::Cluster(_) | Scope::Backup(_) => {
                    format!("Plan a failover of {name}{target}: it fails, and the declared mode leaves it to you.")
                }
            };
            (Tone::Lost, what, trouble())
        }
        Verdict::Start | Verdict::Request => (Tone::Watch, format!("Wait: {name} fails, and Lifeboat {}.", decision.verdict), String::new()),
    };
    let what = if decision.simulated { format!("SIMULATED: {what}") } else { what };
    let link = if scope.region().is_some() { "Read the evacuation plan" } else { "Read the plan" };
    Need { tone, what, remedy, since: decision.since, link: link.to_owned(), href: plan_href(scope) }
}

fn plan_href(scope: &Scope) -> String {
    match scope {
        Scope::Service(id) => words::traffic_plan_href(id, Mode::Emergency, std::iter::empty()),
        Scope::Cluster(id) => format!("/databases/{id}/plan?kind=failover"),
        Scope::Region(id) => words::evacuation_href(id, Mode::Emergency),
        Scope::Backup(id) => format!("/backups/{id}"),
    }
}

fn strays(picture: &Picture, needs: &mut Vec<Need>) {
    for (service, (since, seen)) in &picture.records.strayed {
        let intended = picture.records.routes.get(service).map(|route| names_or_none(&route.intended)).unwrap_or_default();
        needs.push(Need {
            tone: Tone::Act,
            what: format!("Find out who moved the clients of {service}."),
            remedy: format!("They are sent to {} and are meant to be in {intended}; no operation did that.", names_or_none(seen)),
            since: Some(*since),
            link: format!("Look at {service}"),
            href: format!("/failover/{service}"),
        });
    }
}

/// Runs that failed and hold automation back until somebody takes note.
fn ended_badly(picture: &Picture, needs: &mut Vec<Need>) {
    needs.extend(runs_to_acknowledge(picture).into_iter().map(|operation| Need {
        tone: Tone::Act,
        what: format!("Take note of how the {} ended: it is {}.", named(&operation.plan), operation.state),
        remedy: "Until somebody acknowledges it, Lifeboat starts nothing there by itself.".to_owned(),
        since: operation.ended_at,
        link: "Read what happened".to_owned(),
        href: format!("/operations/{}", operation.id),
    }));
}

fn running(picture: &Picture, calm: &mut Vec<Need>) {
    let under_way = |state: State| matches!(state, State::Approved | State::Running | State::Compensating);
    calm.extend(operations(picture, under_way).into_iter().map(|operation| {
        let over = operation.steps.iter().filter(|step| step.state.is_over()).count();
        let breach = Clock::of(operation).filter(|clock| clock.until.is_none()).and_then(|clock| clock.breach_at());
        let breach = breach.map(|at| format!(" The objective is breached at {} UTC.", clock(at))).unwrap_or_default();
        let breaks = !operation.plan.rules_to_break().is_empty();
        let loud = if breaks { " It BREAKS SAFETY RULES." } else { "" };
        Need {
            tone: if breaks { Tone::Act } else { Tone::Watch },
            what: format!("Wait: the {} goes on by itself.", named(&operation.plan)),
            remedy: format!("{over} of {} steps are over.{breach}{loud}", operation.steps.len()),
            since: operation.started_at,
            link: "Watch it".to_owned(),
            href: format!("/operations/{}", operation.id),
        }
    }));
}

fn restrained(picture: &Picture, calm: &mut Vec<Need>) {
    for what in [Restraint::MasterSwitch, Restraint::Pause(None)] {
        if let Some(held) = picture.records.held(&what, picture.now) {
            let until = held.until.map(|until| format!(" until {} UTC", clock(until))).unwrap_or_default();
            calm.push(Need {
                tone: Tone::Watch,
                what: format!("Nothing fails, but stay near: {}.", what.in_words()),
                remedy: format!("By {}{until}: {}", held.by, held.reason),
                since: Some(held.since),
                link: "Look at automation".to_owned(),
                href: "#automation".to_owned(),
            });
        }
    }
}

/// Clients that could go home again; not at once after people have emptied it.
fn returns(picture: &Picture, calm: &mut Vec<Need>) {
    let emptied: Vec<_> = picture.estate.regions.iter().filter_map(|region| Some((&region.id, picture.evacuated_at(&region.id)?))).collect();
    for service in picture.estate.services.iter().filter(|service| service.traffic.is_some()) {
        let home = traffic::home_of(picture, service);
        let Some(on) = super::standing::seen(picture, service).filter(|on| !home.is_empty() && on.regions != home) else { continue };
        let well = |region: &RegionId| traffic::health_in(picture, &service.id, region).is_some_and(|seen| seen.health == Health::Ok);
        let dwell = picture.estate.strategy_of(service).map_or(Span::ZERO, |strategy| strategy.dwell);
        let just_left = |region: &RegionId| emptied.iter().any(|(id, at)| *id == region && Span::between(*at, picture.now) < dwell);
        if home.iter().all(well) && !home.iter().any(just_left) && picture.records.holder_of(&Scope::Service(service.id.clone())).is_none() {
            let id = &service.id;
            calm.push(Need {
                tone: Tone::Watch,
                what: format!("When it suits, let the clients of {id} return home."),
                remedy: format!("They are in {}; {} is well again.", names_or_none(&on.regions), names_or_none(&home)),
                since: picture.records.routes.get(id).map(|route| route.since),
                link: "Read the plan".to_owned(),
                href: words::traffic_plan_href(id, Mode::Planned, home.iter()),
            });
        }
    }
}

/// An operation in the middle of a sentence.
fn named(plan: &Plan) -> String {
    let to = plan.target_in_words().map(|target| format!(" to {target}")).unwrap_or_default();
    let kind = if plan.mode() == Mode::Test { format!("test of a {}", plan.kind) } else { plan.kind.to_string() };
    format!("{kind} of {}{to}", plan.scope().name())
}
