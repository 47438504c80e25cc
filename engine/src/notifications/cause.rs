//! What an incident follows from, so that a failure with many consequences wakes somebody once (row 35).

use crate::{
    databases::NodeView,
    estate::{Cluster, Service},
    failover::traffic,
    health::Health,
    id::{ClusterId, RegionId, Scope, ServiceId},
    survey::Survey,
};

/// Whether nothing anywhere answers, so that nothing that is seen can be believed.
pub(super) fn is_blind(survey: &Survey) -> bool {
    survey.is_observer_suspect() && survey.failed_regions().len() >= 2
}

/// What is told of where the trouble of `scope` lies, if that is told as one.
pub(super) fn place(survey: &Survey, scope: &Scope) -> Option<String> {
    if is_blind(survey) {
        return Some("nothing answering anywhere".to_owned());
    }
    region(survey, scope).map(|region| format!("the failure of {region}"))
}

/// The region that takes `scope` down with it: one that fails as a whole, while the cluster or service is down nowhere else.
pub(super) fn region<'a>(survey: &Survey<'a>, scope: &Scope) -> Option<&'a RegionId> {
    match scope {
        Scope::Region(_) | Scope::Backup(_) => None,
        Scope::Service(id) => region_of_service(survey, survey.service(id)?),
        Scope::Cluster(id) => region_of_cluster(survey, survey.picture.estate.cluster(id)?),
    }
}

/// The database that a service needs and that is in trouble which is told as such.
pub(super) fn database(survey: &Survey, scope: &Scope) -> Option<String> {
    let needed = survey.clusters_needed(scope.service()?);
    needed.iter().find(|cluster| is_in_trouble(survey, &cluster.id)).map(|cluster| format!("the failure of {}", cluster.id))
}

/// The service that is the cause of the failure of `scope`, another one that it needs, once that is told as such: what clients
/// are sent to is when it has a case, anything else as soon as it is down.
pub(super) fn service<'a>(survey: &Survey<'a>, scope: &Scope) -> Option<&'a ServiceId> {
    let cause = survey.cause_of(scope.service()?)?;
    let has_traffic = survey.service(cause).is_some_and(|service| service.traffic.is_some());
    (!has_traffic || survey.picture.records.cases.contains_key(&Scope::Service(cause.clone()))).then_some(cause)
}

pub(super) fn is_in_trouble(survey: &Survey, cluster: &ClusterId) -> bool {
    let records = &survey.picture.records;
    records.cases.contains_key(&Scope::Cluster(cluster.clone())) || records.split_brain.contains_key(cluster)
}

/// Whether a region fails as a whole, or did when it was last known: while nothing there answers, its case is not over.
fn is_dark(survey: &Survey, region: &RegionId) -> bool {
    let is_case = || survey.picture.records.cases.contains_key(&Scope::Region(region.clone()));
    survey.failed_regions().contains(region) || (is_case() && !survey.picture.answers_in(region))
}

fn region_of_service<'a>(survey: &Survey<'a>, service: &'a Service) -> Option<&'a RegionId> {
    let regions = || service.endpoints.iter().map(|endpoint| &endpoint.region);
    let is_down = |region: &RegionId| traffic::health_in(survey.picture, &service.id, region).is_some_and(|seen| seen.health == Health::Down);
    if regions().any(|region| is_down(region) && !is_dark(survey, region)) {
        return None;
    }
    regions().find(|region| is_dark(survey, region))
}

fn region_of_cluster<'a>(survey: &Survey<'a>, cluster: &'a Cluster) -> Option<&'a RegionId> {
    let view = survey.picture.observed.clusters.get(&cluster.id)?;
    let is_down_elsewhere = |node: &NodeView| node.judgement.health == Health::Down && !is_dark(survey, &node.region);
    if view.nodes.iter().any(is_down_elsewhere) {
        return None;
    }
    cluster.nodes.iter().map(|node| &node.region).find(|region| is_dark(survey, region))
}
