//! When a region as a whole is believed to have failed: everything that is probed there is silent, and more than one
//! thing of it is known to be down. One dead node is no dead region (trap D2 asks for the domain, not for the node).

use super::Health;
use crate::{estate::Estate, id::RegionId, picture::Observations};
use std::collections::BTreeSet;

/// The regions where nothing that is probed answers and at least two things are down. What was never measured counts as
/// unknown: it does not speak for the region, and is no proof against it.
pub fn failed_regions(estate: &Estate, observed: &Observations) -> BTreeSet<RegionId> {
    let failed = |region: &RegionId| {
        let mut down = 0;
        let all_silent = healths(estate, observed, region).all(|health| match health {
            Health::Down => {
                down += 1;
                true
            }
            Health::Unknown => true,
            Health::Ok | Health::Degraded => false,
        });
        all_silent && down >= 2
    };
    estate.regions.iter().map(|region| &region.id).filter(|region| failed(region)).cloned().collect()
}

/// The health of every node, endpoint and agent in `region`.
pub(crate) fn healths<'a>(estate: &'a Estate, observed: &'a Observations, region: &'a RegionId) -> impl Iterator<Item = Health> + 'a {
    let nodes = estate.clusters.iter().flat_map(move |cluster| {
        let view = observed.clusters.get(&cluster.id);
        let health = move |node| view.and_then(|view| view.node(node)).map_or(Health::Unknown, |view| view.judgement.health);
        cluster.nodes.iter().filter(move |node| &node.region == region).map(move |node| health(&node.id))
    });
    let endpoints = estate.services.iter().flat_map(move |service| {
        service.endpoints.iter().filter(move |endpoint| &endpoint.region == region).map(move |endpoint| {
            let view = observed.endpoints.get(&(service.id.clone(), endpoint.region.clone()));
            view.map_or(Health::Unknown, |view| view.judgement.health)
        })
    });
    let agent = estate.region(region).filter(|region| region.agent.is_some());
    let agent = agent.map(|region| observed.agents.get(&region.id).map_or(Health::Unknown, |judgement| judgement.health));
    nodes.chain(endpoints).chain(agent)
}
