//! What an incident says: what is wrong, what to do next, and where. Probes and people wrote parts of it, so every sentence
//! is cut to a length that fits a phone.

use crate::{
    automation::{Case, Decision, Verdict},
    estate::Service,
    failover::{Mode, Operation, Stamp, State, plan::names_or_none, traffic},
    findings::Complaint,
    id::{ClusterId, PolicyId, RegionId, Scope, ServiceId},
    journal::Exposure,
    picture::Picture,
    survey::Survey,
};
use std::collections::BTreeSet;

/// See `Incident`.
pub(super) struct Words {
    pub(super) title: String,
    pub(super) next: String,
    pub(super) link: String,
}

const LONGEST_TITLE: usize = 300;
const LONGEST_NEXT: usize = 900;

impl Words {
    fn new(title: impl AsRef<str>, next: impl AsRef<str>, link: String) -> Self {
        Self { title: cut(title.as_ref(), LONGEST_TITLE), next: cut(next.as_ref(), LONGEST_NEXT), link }
    }
}

/// On one line, without control characters, and not longer than `most` characters.
fn cut(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if plain.chars().count() <= most { plain } else { plain.chars().take(most - 1).chain(['…']).collect() }
}

pub(super) fn journal_broken(why: &str) -> Words {
    let complaint = Complaint::JournalBroken { break_: why.to_owned() };
    Words::new(format!("The journal is broken: {why}"), complaint.remedy(), "/journal".to_owned())
}

pub(super) fn of_backups(policy: &PolicyId, complaint: &Complaint) -> Words {
    Words::new(format!("Backups of {policy}: {complaint}"), complaint.remedy(), format!("/backups/{policy}"))
}

pub(super) fn nothing_answers() -> Words {
    Words::new(
        "Nothing in any region answers; it is more likely that Lifeboat is cut off than that everything failed at once",
        "Check the network of the machine that Lifeboat runs on, and look at the platform from elsewhere. Lifeboat does nothing by itself meanwhile.",
        "/".to_owned(),
    )
}

pub(super) fn region(survey: &Survey, region: &RegionId, case: Option<&Case>) -> Words {
    let holder = survey.holder_of(&Scope::Region(region.clone()));
    let trouble = case.map_or_else(|| "nothing that is probed there is known to answer".to_owned(), |case| case.decision.trouble.join("; "));
    let next = match (holder, case) {
        (Some(holder), _) => under_way(holder),
        (None, Some(case)) => decided(&case.decision),
        (None, None) => "Lifeboat moves what it may move by itself; look at what is left there, and empty the region if it stays dead.".to_owned(),
    };
    let link = holder.map_or_else(|| format!("/failover/evacuate/{region}?mode=emergency"), page_of);
    Words::new(format!("{region} fails as a whole: {trouble}"), next, link)
}

pub(super) fn case(survey: &Survey, scope: &Scope, case: &Case, holder: Option<&Operation>) -> Words {
    let name = scope.name();
    let affected = scope.service().map_or(0, |id| survey.affected_by(id).len().saturating_sub(1));
    let others = if affected > 0 { format!(" ({affected} services depend on it)") } else { String::new() };
    let next = holder.map_or_else(|| decided(&case.decision), under_way);
    let link = holder.map_or_else(|| page_about(scope), page_of);
    Words::new(format!("{name} fails{others}: {}", case.decision.trouble.join("; ")), next, link)
}

/// What the product decided, as what is left to do.
fn decided(decision: &Decision) -> String {
    let to = decision.target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
    let simulated = if decision.simulated { "SIMULATED, nobody is really moved: " } else { "" };
    match decision.verdict {
        Verdict::Start => format!("{simulated}Lifeboat starts the failover{to} by itself; watch it."),
        Verdict::Request => format!("{simulated}Lifeboat asks for the approval of a failover{to}: read the plan, then approve or decline it."),
        Verdict::Recommend => format!("{simulated}Lifeboat recommends a failover{to} and leaves it to a person: read the plan and request it."),
        Verdict::Hold => {
            let holds: Vec<String> = decision.holds.iter().map(ToString::to_string).collect();
            format!("Lifeboat does nothing about it: {}. Look at the failover plan and decide.", holds.join("; "))
        }
    }
}

fn under_way(holder: &Operation) -> String {
    let what = name_of(holder);
    match holder.state {
        State::Requested => format!(
            "The {what} waits for approval: read the plan, then approve or decline it before {} UTC. What it can lose: {}.{}",
            (holder.requested.at + Operation::APPROVAL_WAITS.as_delta()).format("%H:%M"),
            holder.plan.loss.in_words(),
            breaks(holder)
        ),
        State::InDoubt => format!("The {what} stands IN DOUBT: look at it first."),
        _ => format!("The {what} is under way; watch it."),
    }
}

pub(super) fn service_down(picture: &Picture, service: &Service, down: &[RegionId]) -> Words {
    let why = |region: &RegionId| traffic::health_in(picture, &service.id, region).map(|seen| format!("{region}: {}", seen.why));
    let reasons: Vec<String> = down.iter().filter_map(why).collect();
    let where_ = names_or_none(&down.iter().cloned().collect::<BTreeSet<_>>());
    let title = if down.is_empty() {
        format!("{} was down and is not known to be well again", service.id)
    } else {
        format!("{} is down in {where_} ({})", service.id, reasons.join("; "))
    };
    let next = "Lifeboat cannot move its clients, for the estate does not say what sends them. Look at the service, and at what it needs.";
    Words::new(title, next, format!("/services/{}", service.id))
}

pub(super) fn split_brain(picture: &Picture, cluster: &ClusterId) -> Words {
    let view = picture.observed.clusters.get(cluster);
    let mut nodes: Vec<_> = view.map(|view| view.writable().iter().map(|node| node.node.clone()).collect()).unwrap_or_default();
    nodes.sort();
    let names = if nodes.len() > 1 {
        format!("{} take writes", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))
    } else {
        "more than one node took writes, and one of them has only fallen silent".to_owned()
    };
    let complaint = Complaint::SplitBrain { nodes };
    Words::new(format!("SPLIT BRAIN in {cluster}: {names}"), complaint.remedy(), format!("/databases/{cluster}"))
}

pub(super) fn exposure(scope: &Scope, exposure: &Exposure) -> Words {
    let missing = exposure.missing.clone();
    let (title, complaint) = match (scope, exposure.unprotected) {
        (Scope::Service(id), true) => (String::new(), Complaint::ServiceUnprotected { service: id.clone(), missing }),
        (Scope::Service(id), false) => (String::new(), Complaint::ServiceReducedProtection { service: id.clone(), missing }),
        (_, true) => (format!("{} is ", scope.name()), Complaint::Unprotected { missing }),
        (_, false) => (format!("{} has ", scope.name()), Complaint::ReducedProtection { missing }),
    };
    Words::new(format!("{title}{complaint}"), complaint.remedy(), page_about(scope))
}

pub(super) fn strayed(picture: &Picture, service: &ServiceId, seen: &BTreeSet<RegionId>) -> Words {
    let intended = picture.records.routes.get(service).map(|route| route.intended.clone()).unwrap_or_default();
    let complaint = Complaint::TrafficStrayed { service: service.clone(), intended, seen: seen.clone() };
    let text = complaint.to_string();
    let title = text.strip_prefix("clients").map_or_else(|| text.clone(), |rest| format!("Clients{rest}"));
    Words::new(title, complaint.remedy(), format!("/failover/{service}"))
}

pub(super) fn of_cluster(cluster: &ClusterId, complaint: &Complaint) -> Words {
    Words::new(format!("{cluster}: {complaint}"), complaint.remedy(), format!("/databases/{cluster}"))
}

pub(super) fn too_few_observers(quorum: u32, counted: usize) -> Words {
    let complaint = Complaint::TooFewObservers { quorum, counted };
    let text = complaint.to_string();
    let mut letters = text.chars();
    let title = letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
    Words::new(title, complaint.remedy(), "/failover".to_owned())
}

pub(super) fn unseen(scope: &Scope, places: &[RegionId], why: &str) -> Words {
    let name = scope.name();
    let places = places.iter().map(RegionId::as_str).collect::<Vec<_>>().join(" and ");
    let (what, link) = match scope {
        Scope::Cluster(id) => (format!("Whether the primary of {name} in {places} takes writes"), format!("/databases/{id}")),
        Scope::Service(_) | Scope::Region(_) | Scope::Backup(_) => {
            (format!("Whether {name} serves its clients in {places}"), format!("/failover/{name}"))
        }
    };
    let next = "Find out: nothing fails over on what is not known. Look at it from another place, then at the observers.";
    Words::new(format!("{what} is not known: {why}"), next, link)
}

pub(super) fn approval(operation: &Operation) -> Words {
    let Stamp { by, reason, .. } = &operation.requested;
    Words::new(format!("The {} waits for a second person; {by} requested it: {reason}", name_of(operation)), under_way(operation), page_of(operation))
}

pub(super) fn in_doubt(operation: &Operation) -> Words {
    let why = operation.outcome.as_deref().unwrap_or("no reason was recorded");
    let next = "Compare each step with the real state of the world, then resume the operation, or close it with a reason.";
    Words::new(format!("The {} stands IN DOUBT: {why}", name_of(operation)), next, page_of(operation))
}

pub(super) fn failed(operation: &Operation) -> Words {
    let why = operation.outcome.as_deref().unwrap_or("no reason was recorded");
    let next = "What it had done was undone. Read why it failed and acknowledge it: until then Lifeboat does nothing there by itself.";
    Words::new(format!("The {} failed: {why}", name_of(operation)), next, page_of(operation))
}

/// Exactly which rules, why, and who agreed (row 61).
pub(super) fn break_glass(operation: &Operation, approved: &Stamp) -> Words {
    let rules: Vec<String> = operation.plan.rules_to_break().iter().map(ToString::to_string).collect();
    let Stamp { by, reason, .. } = &operation.requested;
    let title = format!("SAFETY RULE BROKEN by the {}, requested by {by}, approved by {}: {}", name_of(operation), approved.by, rules.join("; "));
    let next = format!(
        "{by} says why: {reason}. {}, as approver: {}. When it is over, acknowledge how it ended on the page of the operation; this is told until then.",
        approved.by, approved.reason
    );
    Words::new(title, next, page_of(operation))
}

/// “failover of user-database to pg-standby-west”.
fn name_of(operation: &Operation) -> String {
    let plan = &operation.plan;
    let to = plan.target_in_words().map(|target| format!(" to {target}")).unwrap_or_default();
    let simulated = if plan.is_simulated() { "SIMULATED " } else { "" };
    format!("{simulated}{} of {}{to}", plan.kind, plan.scope().name())
}

fn breaks(operation: &Operation) -> String {
    let rules: Vec<String> = operation.plan.rules_to_break().iter().map(ToString::to_string).collect();
    if rules.is_empty() { String::new() } else { format!(" It BREAKS A SAFETY RULE: {}.", rules.join("; ")) }
}

fn page_of(operation: &Operation) -> String {
    format!("/operations/{}", operation.id)
}

fn page_about(scope: &Scope) -> String {
    match scope {
        Scope::Cluster(id) => format!("/databases/{id}"),
        Scope::Service(id) => format!("/failover/{id}"),
        Scope::Region(id) => format!("/failover/evacuate/{id}?mode={}", Mode::Emergency),
        Scope::Backup(id) => format!("/backups/{id}"),
    }
}
