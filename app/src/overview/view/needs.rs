//! What needs a person now. Decisions first (an operation that waits), then what is lost, then what must be acted on.

use super::{about, href, is_pressing};
use crate::ui::{state::Tone, time::clock};
use engine::{
    databases::NodeStanding,
    estate::AtEnd,
    failover::{Mode, Operation, State, traffic},
    findings::{About, Complaint, Finding},
    id::RegionId,
    picture::Picture,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::BTreeMap};

/// One thing a person must look at or decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Need {
    pub tone: Tone,
    pub what: String,
    /// What to do next; empty where the link says it.
    pub remedy: String,
    pub since: Option<Instant>,
    /// What the link leads to, in words that say so.
    pub link: String,
    pub href: String,
}

/// Worst first; among equals failing endpoints last, for they often follow from one of the others, and the oldest first.
/// Endpoints that fail together in one region are one need: forty lines of the same would hide the others.
pub fn needs(picture: &Picture, findings: &[Finding]) -> Vec<Need> {
    let mut needs: Vec<Need> =
        picture.records.operations.values().filter_map(|operation| of_operation(operation).or_else(|| commit_of(picture, operation))).collect();
    let mut by_region: BTreeMap<&RegionId, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| is_pressing(finding)) {
        match &finding.complaint {
            // Said above, with the operation itself.
            Complaint::OperationInDoubt { .. } | Complaint::SafetyRulesBroken { state: State::Requested | State::InDoubt, .. } => {}
            Complaint::EndpointNotHealthy { region, .. } => by_region.entry(region).or_default().push(finding),
            _ => needs.push(of_finding(finding)),
        }
    }
    needs.extend(left_behind(picture));
    let mut endpoints = Vec::new();
    for (region, found) in by_region {
        if found.len() <= ALONE {
            endpoints.extend(found.into_iter().map(of_finding));
        } else {
            endpoints.push(together(region, &found));
        }
    }
    for equals in [&mut needs, &mut endpoints] {
        equals.sort_by_key(|need| (need.since.is_none(), need.since));
    }
    needs.extend(endpoints);
    // A stable sort: what is equally bad stays in the order it has.
    needs.sort_by_key(|need| Reverse(need.tone));
    needs
}

/// Up to this many failing endpoints of a region stand for themselves.
const ALONE: usize = 2;

fn of_finding(finding: &Finding) -> Need {
    let (id, _) = about(&finding.about);
    let href = href(finding);
    let what = finding.complaint.to_string();
    let what = if what.contains(&id) { what } else { format!("{id}: {what}") };
    let (link, href) = match (&finding.complaint, &finding.about) {
        (Complaint::Undecided { .. }, About::Service(service)) => {
            ("Read the failover plan".to_owned(), crate::operations::words::traffic_plan_href(service, Mode::Emergency, std::iter::empty()))
        }
        (Complaint::NoWritableNode { .. } | Complaint::Undecided { .. }, About::Cluster(_)) => {
            ("Read the failover plan".to_owned(), format!("{href}/plan?kind=failover"))
        }
        (Complaint::Undecided { .. }, About::Region(region)) => {
            ("Read the evacuation plan".to_owned(), format!("/failover/evacuate/{region}?mode={}", Mode::Emergency))
        }
        (Complaint::TrafficStrayed { service, .. } | Complaint::TrafficClosed { service }, _) => {
            (format!("Look at {service}"), format!("/failover/{service}"))
        }
        (Complaint::RunUnacknowledged { .. }, _) => ("Read what happened".to_owned(), href),
        (Complaint::SafetyRulesBroken { .. }, _) => ("Watch it".to_owned(), href),
        _ => (format!("Look at {id}"), href),
    };
    Need { tone: finding.severity.into(), what, remedy: finding.remedy(), since: finding.since, link, href }
}

/// Former primaries that nobody has brought back yet, where no operation is at it.
fn left_behind(picture: &Picture) -> Vec<Need> {
    let mut needs = Vec::new();
    for cluster in picture.estate.clusters.iter().filter(|cluster| picture.records.active_on(&cluster.id).is_none()) {
        let Some(view) = picture.observed.clusters.get(&cluster.id) else { continue };
        let rule = picture.estate.detection_of(cluster);
        for node in view.nodes.iter().filter(|node| view.standing(node, &rule, picture.now) == NodeStanding::NeedsRewind) {
            needs.push(Need {
                tone: Tone::Act,
                what: format!("{} NEEDS REWIND: it was the primary of {} before, and may not follow until it is rewound", node.node, cluster.id),
                remedy: "A rejoin takes back what only it wrote and lets it follow the present primary.".to_owned(),
                since: node.judgement.since,
                link: format!("Plan the rejoin of {}", node.node),
                href: format!("/databases/{}/plan?kind=rejoin&node={}", cluster.id, node.node),
            });
        }
    }
    needs
}

fn together(region: &RegionId, found: &[&Finding]) -> Need {
    let names: Vec<String> = found.iter().map(|finding| about(&finding.about).0).collect();
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Need {
        tone: Tone::worst(found.iter().map(|finding| finding.severity.into())),
        what: format!("{} services fail in {region}: {shown}{more}", names.len()),
        remedy: "They fail together: look for what they share (the region, its network, its database) before each of them.".to_owned(),
        since: found.iter().filter_map(|finding| finding.since).min(),
        link: "Look at the services".to_owned(),
        href: "/services?show=troubled&sort=health".to_owned(),
    }
}

/// A move that works and can still be taken back: somebody should say whether it is final.
pub fn commit_of(picture: &Picture, operation: &Operation) -> Option<Need> {
    let awaited = operation.awaits_commit().filter(|_| operation.committed.is_none() && operation.aborted.is_none())?;
    let trouble = trouble_where_it_went(picture, operation);
    let end = match awaited.then {
        AtEnd::Commit => "final by itself",
        AtEnd::RollBack => "rolled back by itself",
    };
    Some(Need {
        tone: if trouble.is_empty() { Tone::Act } else { Tone::Lost },
        what: format!("Commit the {} of {}, or roll it back", operation.plan.kind, operation.plan.scope().name()),
        remedy: format!("{} At {} UTC it is {end}.", well_or(&trouble), clock(awaited.until)),
        since: operation.steps.get(awaited.step).and_then(|record| record.started_at),
        link: "Look at it and decide".to_owned(),
        href: format!("/operations/{}", operation.id),
    })
}

/// What is wrong with a service where its clients were sent, as of now. That it was proven once does not keep it well.
pub fn trouble_where_it_went(picture: &Picture, operation: &Operation) -> Vec<String> {
    let Some(change) = operation.plan.traffic() else { return Vec::new() };
    let bad = |region: &RegionId| match traffic::health_in(picture, &change.service, region) {
        Some(judgement) if judgement.is_ok() => None,
        Some(judgement) => Some(format!("{} in {region}: {}", judgement.health, judgement.why)),
        None => Some(format!("never probed in {region}")),
    };
    change.to.iter().filter_map(bad).collect()
}

/// The same in a sentence.
pub fn well_or(trouble: &[String]) -> String {
    if trouble.is_empty() { "It is well where it is now.".to_owned() } else { format!("It is NOT WELL where it is now: {}.", trouble.join("; ")) }
}

fn of_operation(operation: &Operation) -> Option<Need> {
    let of = format!("{} of {}", operation.plan.kind, operation.plan.scope().name());
    let to = operation.plan.target_in_words().map(|target| format!(" to {target}")).unwrap_or_default();
    let rules: Vec<String> = operation.plan.rules_to_break().iter().map(ToString::to_string).collect();
    let breaks = |verb: &str| if rules.is_empty() { String::new() } else { format!(". It {verb} SAFETY RULES: {}", rules.join("; ")) };
    let (tone, what, since, link) = match operation.state {
        State::Requested => (
            Tone::Act,
            format!("The {of}{to} waits for a second person; {} requested it{}", operation.requested.by, breaks("WOULD BREAK")),
            operation.requested.at,
            "Read the plan and decide",
        ),
        State::InDoubt => (
            Tone::Lost,
            format!("The {of} stands IN DOUBT: {}{}", operation.outcome.as_deref().unwrap_or("no reason is recorded"), breaks("BREAKS")),
            operation.history.last().map_or(operation.requested.at, |(at, _)| *at),
            "Look at it and decide",
        ),
        _ => return None,
    };
    Some(Need { tone, what, remedy: String::new(), since: Some(since), link: link.to_owned(), href: format!("/operations/{}", operation.id) })
}
