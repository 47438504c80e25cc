//! What is wrong with the declared dependencies, as findings. A platform with all of this wrong still gets its waves.

use super::{Graph, Inversion};
use crate::{
    estate::Estate,
    findings::{About, Complaint, Finding, Severity},
    id::ServiceId,
};
use std::collections::{BTreeSet, HashSet};

/// Undefined dependencies, services that need themselves, cycles, and promises that a dependency does not allow.
pub fn findings(estate: &Estate) -> Vec<Finding> {
    let declared: HashSet<&ServiceId> = estate.services.iter().map(|service| &service.id).collect();
    let mut found = Vec::new();
    for service in &estate.services {
        let needs: BTreeSet<&ServiceId> = service.depends_on.iter().collect();
        for dependency in needs {
            let id = || service.id.clone();
            if *dependency == service.id {
                found.push(about(id(), Severity::Act, Complaint::NeedsItself { service: id() }));
            } else if !declared.contains(dependency) {
                found.push(about(id(), Severity::Watch, Complaint::UndefinedDependency { service: id(), dependency: dependency.clone() }));
            }
        }
    }
    let graph = Graph::of(estate);
    for path in graph.cycles() {
        if let Some(first) = path.first().cloned() {
            found.push(about(first, Severity::Act, Complaint::DependencyCycle { path }));
        }
    }
    let inversions = graph.inversions();
    let listed = inversions.found.len();
    for Inversion { objective, target, weaker, path } in inversions.found {
        if let Some(service) = path.first().cloned() {
            found.push(about(service.clone(), Severity::Watch, Complaint::Inversion { service, objective, target, weaker, path }));
        }
    }
    if !inversions.is_complete {
        found.push(Finding { severity: Severity::Watch, about: About::Estate, complaint: Complaint::InversionsCut { listed }, since: None });
    }
    found
}

fn about(service: ServiceId, severity: Severity, complaint: Complaint) -> Finding {
    Finding { severity, about: About::Service(service), complaint, since: None }
}
