//! What must be so before a run starts (trap T11). Each gate says what was seen, and whether it may be set aside with a reason.

use crate::{
    databases::Protection,
    dr_tests::Target,
    estate::{Estate, Scenario},
    failover::Mode,
    id::{ClusterId, Scope, ServiceId},
    picture::Picture,
    restraints::Restraint,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    pub name: String,
    pub is_open: bool,
    /// What was seen.
    pub said: String,
    /// Whether somebody may start all the same, on record.
    pub overridable: bool,
}

fn gate(name: &str, overridable: bool, seen: Result<String, String>) -> Gate {
    let (is_open, said) = match seen {
        Ok(said) => (true, said),
        Err(said) => (false, said),
    };
    Gate { name: name.to_owned(), is_open, said, overridable }
}

/// The clusters that hold the data of the services of a scenario.
pub fn clusters_of<'a>(picture: &'a Picture, scenario: &'a Scenario) -> impl Iterator<Item = &'a ClusterId> {
    picture.estate.clusters.iter().filter(|cluster| scenario.services.contains(&cluster.service)).map(|cluster| &cluster.id)
}

/// The services and clusters that a scenario is about. A service that is a database and nothing else is looked at there.
pub fn scopes_of(picture: &Picture, scenario: &Scenario) -> Vec<Scope> {
    let is_cluster = |id: &&ServiceId| {
        clusters_of(picture, scenario).any(|cluster| picture.estate.cluster(cluster).is_some_and(|cluster| cluster.service == **id))
    };
    let is_probed = |id: &&ServiceId| picture.estate.service(id).is_some_and(|service| !service.endpoints.is_empty() || service.traffic.is_some());
    let services = scenario.services.iter().filter(|id| is_probed(id) || !is_cluster(id)).cloned().map(Scope::Service);
    services.chain(clusters_of(picture, scenario).cloned().map(Scope::Cluster)).collect()
}

/// What is promised now for the services that a scenario is about, or that its criteria name.
pub fn targets(estate: &Estate, scenario: &Scenario) -> BTreeMap<ServiceId, Target> {
    let named = scenario.criteria.iter().filter_map(|criterion| criterion.service());
    let services = scenario.services.iter().chain(named).filter_map(|id| estate.service(id));
    services.map(|service| (service.id.clone(), Target { rto: service.rto, rpo: service.rpo })).collect()
}

/// All gates of a scenario as they are now, in the order in which they are read.
pub fn check(picture: &Picture, scenario: &Scenario) -> Vec<Gate> {
    let complaints = scenario.complaints(&picture.estate);
    let mut gates = vec![gate(
        "The scenario can be carried out",
        false,
        if complaints.is_empty() { Ok(format!("{} steps", scenario.steps.len())) } else { Err(complaints.join("; ")) },
    )];
    let stopped = picture.records.held(&Restraint::Tests, picture.now);
    gates.push(gate(
        "Tests are not stopped",
        false,
        stopped.map_or(Ok("nobody stopped them".to_owned()), |held| Err(format!("{} stopped them: {}", held.by, held.reason))),
    ));
    gates.push(gate(
        "No blackout",
        false,
        picture.estate.blackout_at(picture.now).map_or(Ok("none is declared for now".to_owned()), |window| {
            Err(format!("until {}: {}", window.until.format("%Y-%m-%d %H:%M UTC"), window.reason))
        }),
    ));
    if scenario.needs_window {
        gates.push(gate("Maintenance is announced", true, maintenance(picture, scenario)));
    }
    // What acts for real while something is on fire makes two fires of it.
    gates.push(gate("No live incident", !scenario.acts_for_real(), no_incident(picture, scenario)));
    if clusters_of(picture, scenario).next().is_some() {
        gates.push(gate("Replication is healthy", true, replication(picture, scenario)));
    }
    gates
}

fn maintenance(picture: &Picture, scenario: &Scenario) -> Result<String, String> {
    let held = |scope: Scope| picture.records.held(&Restraint::Maintenance(scope), picture.now);
    match scopes_of(picture, scenario).into_iter().find_map(held) {
        Some(held) => Ok(format!("by {}: {}", held.by, held.reason)),
        None => Err("of none of its services; announce it on the failover page first".to_owned()),
    }
}

fn no_incident(picture: &Picture, scenario: &Scenario) -> Result<String, String> {
    let scopes = scopes_of(picture, scenario);
    if let Some((scope, _)) = picture.records.cases.iter().find(|(scope, _)| scopes.contains(scope)) {
        return Err(format!("{} is failing now", scope.name()));
    }
    let busy = scopes.iter().find_map(|scope| picture.records.holder_of(scope)).filter(|operation| operation.mode() != Mode::Test);
    match busy {
        Some(operation) => Err(format!("a {} of {} is {}", operation.plan.kind, operation.plan.scope().name(), operation.state)),
        None => Ok("nothing that it is about is failing or being moved".to_owned()),
    }
}

fn replication(picture: &Picture, scenario: &Scenario) -> Result<String, String> {
    for cluster in clusters_of(picture, scenario) {
        match picture.protection(cluster) {
            Some(Protection::Protected) => {}
            Some(Protection::Reduced { missing } | Protection::Unprotected { missing }) => return Err(format!("{cluster}: {}", missing.join("; "))),
            None => return Err(format!("{cluster}: not known yet")),
        }
    }
    Ok("every standby streams".to_owned())
}
