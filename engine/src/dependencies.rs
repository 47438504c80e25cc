//! Who needs whom: recovery waves, effective tiers, blast radius, and what is wrong with the declared dependencies.
//! Built once per question from the estate; 10,000 services with 30,000 dependencies take milliseconds.

use crate::{
    estate::{Estate, Service, Tier},
    id::ServiceId,
};
use petgraph::{algo::kosaraju_scc, graph::DiGraph};
use std::collections::{BTreeMap, HashMap};

mod complaints;
mod cycles;
mod inversions;
pub use complaints::findings;
pub use inversions::{Inversion, Inversions};

/// The declared services as a graph. Dependencies that no service defines, and a service's dependency on itself, are
/// findings and no edges of it; of a service that is declared twice the first declaration counts.
pub struct Graph<'a> {
    services: Vec<&'a Service>,
    /// Per service what it needs, in the order of ids, each once.
    needs: Vec<Vec<usize>>,
    /// Groups of services that need each other in a circle (most hold one service), dependencies before their users.
    knots: Vec<Vec<usize>>,
    /// Per service its knot.
    knot_of: Vec<usize>,
}

impl<'a> Graph<'a> {
    pub fn of(estate: &'a Estate) -> Self {
        let mut index: HashMap<&ServiceId, usize> = HashMap::with_capacity(estate.services.len());
        let mut services = Vec::with_capacity(estate.services.len());
        for service in &estate.services {
            index.entry(&service.id).or_insert_with(|| {
                services.push(service);
                services.len() - 1
            });
        }
        let needs: Vec<Vec<usize>> = services
            .iter()
            .enumerate()
            .map(|(at, service)| {
                let mut needs: Vec<usize> = service.depends_on.iter().filter_map(|id| index.get(id).copied()).filter(|need| *need != at).collect();
                needs.sort_unstable_by_key(|need| &services[*need].id);
                needs.dedup();
                needs
            })
            .collect();
        let mut graph: DiGraph<(), (), usize> = DiGraph::with_capacity(services.len(), needs.iter().map(Vec::len).sum());
        let nodes: Vec<_> = services.iter().map(|_| graph.add_node(())).collect();
        for (user, needs) in needs.iter().enumerate() {
            for need in needs {
                graph.add_edge(nodes[user], nodes[*need], ());
            }
        }
        // Kosaraju's, because petgraph's Tarjan recurses and a chain of 10,000 services would overflow a thread's stack.
        let knots: Vec<Vec<usize>> = kosaraju_scc(&graph).into_iter().map(|knot| knot.into_iter().map(|node| node.index()).collect()).collect();
        let mut knot_of = vec![0; services.len()];
        for (at, knot) in knots.iter().enumerate() {
            for service in knot {
                knot_of[*service] = at;
            }
        }
        Self { services, needs, knots, knot_of }
    }

    fn id(&self, at: usize) -> &'a ServiceId {
        &self.services[at].id
    }

    /// The knots a knot needs.
    fn knots_needed(&self, knot: usize) -> impl Iterator<Item = usize> + '_ {
        self.knots[knot].iter().flat_map(|service| &self.needs[*service]).map(|need| self.knot_of[*need]).filter(move |needed| *needed != knot)
    }

    /// Per service the most critical tier among itself and all that need it: what a tier-1 service needs is tier 1.
    fn effective_tiers(&self) -> Vec<Tier> {
        let mut tiers: Vec<Tier> = self.services.iter().map(|service| service.tier).collect();
        for knot in self.knots.iter().rev() {
            let Some(most_critical) = knot.iter().map(|service| tiers[*service]).min() else { continue };
            for service in knot {
                tiers[*service] = most_critical;
                for need in &self.needs[*service] {
                    tiers[*need] = tiers[*need].min(most_critical);
                }
            }
        }
        tiers
    }

    /// Recovery waves: a service comes in a later wave than everything it needs, in the earliest one possible. Within a
    /// wave the effective tier decides, then the id, so that the order does not depend on the order of the estate.
    /// Services of a cycle cannot be ordered among themselves; they share a wave, and the cycle is a finding.
    pub fn waves(&self) -> Vec<Vec<ServiceId>> {
        let tiers = self.effective_tiers();
        let mut wave_of: Vec<usize> = Vec::with_capacity(self.knots.len());
        let mut waves: Vec<Vec<usize>> = Vec::new();
        for (at, knot) in self.knots.iter().enumerate() {
            let wave = self.knots_needed(at).map(|needed| wave_of[needed] + 1).max().unwrap_or(0);
            wave_of.push(wave);
            if waves.len() <= wave {
                waves.resize(wave + 1, Vec::new());
            }
            waves[wave].extend(knot);
        }
        for wave in &mut waves {
            wave.sort_unstable_by_key(|service| (tiers[*service], self.id(*service)));
        }
        waves.into_iter().map(|wave| wave.into_iter().map(|service| self.id(service).clone()).collect()).collect()
    }
}

/// Recovery waves of the estate: topological first, effective tier second, stable.
pub fn waves(estate: &Estate) -> Vec<Vec<ServiceId>> {
    Graph::of(estate).waves()
}

/// The tier each service is recovered with: its own, or that of the most critical service that needs it.
pub fn effective_tiers(estate: &Estate) -> BTreeMap<ServiceId, Tier> {
    let graph = Graph::of(estate);
    let tiers = graph.effective_tiers();
    graph.services.iter().zip(tiers).map(|(service, tier)| (service.id.clone(), tier)).collect()
}

/// Who needs whom directly, built once where the blast radius of many services is asked for. Services have numbers in here:
/// the declared ones in the order of the estate, then what is needed and declared nowhere.
pub struct Users<'a> {
    numbers: HashMap<&'a ServiceId, usize>,
    ids: Vec<&'a ServiceId>,
    /// By number, who needs it directly.
    users: Vec<Vec<usize>>,
}

impl<'a> Users<'a> {
    pub fn of(estate: &'a Estate) -> Self {
        let mut all = Self { numbers: HashMap::with_capacity(estate.services.len()), ids: Vec::new(), users: Vec::new() };
        for service in &estate.services {
            all.number(&service.id);
        }
        for service in &estate.services {
            let user = all.number(&service.id);
            for need in &service.depends_on {
                let need = all.number(need);
                all.users[need].push(user);
            }
        }
        all
    }

    fn number(&mut self, id: &'a ServiceId) -> usize {
        let next = self.ids.len();
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.ids.push(id);
            self.users.push(Vec::new());
        }
        number
    }

    /// `service` itself, then everything that depends on it, directly or not, in the order of the estate. Works for a
    /// dependency that no service defines, too.
    pub fn affected_by<'b>(&self, service: &'b ServiceId) -> Vec<&'b ServiceId>
    where
        'a: 'b,
    {
        let mut affected = vec![service];
        if let Some(number) = self.numbers.get(service) {
            let mut known = vec![false; self.ids.len()];
            known[*number] = true;
            let mut reached = vec![*number];
            let mut done = 0;
            while let Some(current) = reached.get(done).copied() {
                done += 1;
                for user in &self.users[current] {
                    if !std::mem::replace(&mut known[*user], true) {
                        reached.push(*user);
                    }
                }
            }
            reached[1..].sort_unstable();
            affected.extend(reached[1..].iter().map(|user| self.ids[*user]));
        }
        affected
    }
}

/// `service` itself, then everything that depends on it, directly or not, in the order of the estate.
pub fn affected_by(estate: &Estate, service: &ServiceId) -> Vec<ServiceId> {
    Users::of(estate).affected_by(service).into_iter().cloned().collect()
}
