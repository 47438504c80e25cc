//! What is wrong with what is seen outside the clusters: endpoints, host agents, the journal. What was declared and never
//! measured is a finding of its own; silence is not health.

use super::{About, Complaint, Finding, Severity};
use crate::{
    access::{Permission, may},
    health::{Health, Judgement},
    id::ServiceId,
    journal::ObserverStanding,
    picture::Picture,
};
use std::collections::HashSet;

pub(super) fn findings(picture: &Picture) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(break_) = &picture.journal_break {
        let complaint = Complaint::JournalBroken { break_: break_.clone() };
        found.push(Finding { severity: Severity::Act, about: About::Journal, complaint, since: None });
    }
    let never = Judgement::never_measured();
    for region in picture.estate.regions.iter().filter(|region| region.agent.is_some()) {
        let judgement = picture.observed.agents.get(&region.id).unwrap_or(&never);
        if !judgement.is_ok() {
            found.push(Finding {
                severity: severity(judgement.health),
                about: About::Region(region.id.clone()),
                complaint: Complaint::AgentSilent { region: region.id.clone(), why: judgement.why.clone() },
                since: judgement.since,
            });
        }
    }
    observers(picture, &mut found);
    approvers(picture, &mut found);
    endpoints(picture, &never, &mut found);
    found
}

/// Whether there are people enough for the approvals that strategies ask for. Without any account there is nobody at all yet.
fn approvers(picture: &Picture, found: &mut Vec<Finding>) {
    let accounts = &picture.records.accounts;
    let able = accounts.keys().filter(|name| may(&picture.records.roles_of(name), Permission::ApproveOperation)).count();
    for strategy in picture.estate.strategies.iter().filter(|_| !accounts.is_empty()) {
        let approvals = picture.estate.approvals_for(Some(&strategy.id));
        if approvals > 1 && able < approvals as usize {
            let complaint = Complaint::TooFewApprovers { strategy: strategy.id.to_string(), approvals, able };
            found.push(Finding { severity: Severity::Act, about: About::Estate, complaint, since: None });
        }
    }
}

/// Observers whose word does not count, once that was noticed, and whether enough are left for a verdict.
fn observers(picture: &Picture, found: &mut Vec<Finding>) {
    let uncounted = &picture.records.observers;
    for (observer, (standing, since)) in uncounted {
        let why = match standing {
            ObserverStanding::Sees => continue,
            ObserverStanding::Blind => "nothing that it probes answers it, so it may be cut off itself".to_owned(),
            ObserverStanding::Silent => match picture.observed.observers.get(observer) {
                Some(view) if view.skew_ms.unsigned_abs() > 1_000 => {
                    format!("its clock is off by {} s, and its reports are refused", view.skew_ms / 1_000)
                }
                _ => "nothing is heard of it".to_owned(),
            },
        };
        let complaint = Complaint::ObserverUncounted { observer: observer.clone(), why };
        found.push(Finding { severity: Severity::Watch, about: About::Estate, complaint, since: Some(*since) });
    }
    if let Some((quorum, counted)) = picture.too_few_observers() {
        let complaint = Complaint::TooFewObservers { quorum, counted };
        let since = uncounted.values().map(|(_, since)| *since).max();
        found.push(Finding { severity: Severity::Act, about: About::Estate, complaint, since });
    }
}

/// Silence cannot be judged, a complaint is worth knowing, and what is down needs a person.
pub(super) fn severity(health: Health) -> Severity {
    match health {
        Health::Down => Severity::Act,
        Health::Unknown => Severity::Unknown,
        Health::Degraded | Health::Ok => Severity::Watch,
    }
}

/// A service that is down wherever it is probed is lost; one that is down in one region of several needs a person.
fn endpoints(picture: &Picture, never: &Judgement, found: &mut Vec<Finding>) {
    let with_cluster: HashSet<&ServiceId> = picture.estate.clusters.iter().map(|cluster| &cluster.service).collect();
    for service in &picture.estate.services {
        let about = About::Service(service.id.clone());
        if service.endpoints.is_empty() && !with_cluster.contains(&service.id) {
            let complaint = Complaint::NothingProbed { service: service.id.clone() };
            found.push(Finding { severity: Severity::Unknown, about: about.clone(), complaint, since: None });
        }
        let seen: Vec<_> = service
            .endpoints
            .iter()
            .map(|endpoint| {
                let view = picture.observed.endpoints.get(&(service.id.clone(), endpoint.region.clone()));
                (&endpoint.region, view.map_or(never, |view| &view.judgement))
            })
            .collect();
        let down_everywhere = seen.iter().all(|(_, judgement)| judgement.health == Health::Down);
        for (region, judgement) in seen.into_iter().filter(|(_, judgement)| !judgement.is_ok()) {
            found.push(Finding {
                severity: if down_everywhere { Severity::Lost } else { severity(judgement.health) },
                about: about.clone(),
                complaint: Complaint::EndpointNotHealthy {
                    service: service.id.clone(),
                    region: region.clone(),
                    health: judgement.health,
                    why: judgement.why.clone(),
                },
                since: judgement.since,
            });
        }
    }
}
