//! Promises that cannot be kept: a service that promises more than something it needs. Objectives count from the
//! incident, so nothing can be back, or lose less, before what it rests on (trap O3).

use super::Graph;
use crate::{estate::Service, findings::Objective, id::ServiceId, time::Span};
use std::collections::{HashMap, VecDeque};

/// One promise that something it rests on does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inversion {
    pub objective: Objective,
    /// What the first service of the path promises.
    pub target: Span,
    /// What the last one promises; longer than `target`.
    pub weaker: Span,
    /// A shortest way from the service to the dependency, both included.
    pub path: Vec<ServiceId>,
}

/// The inversions of an estate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inversions {
    /// Each pair of services once per objective, ordered by objective and path.
    pub found: Vec<Inversion>,
    /// False where only those over one dependency are complete, because following all of them would take too long.
    pub is_complete: bool,
}

/// So many services may be visited in all before only direct dependencies are looked at.
const MOST_VISITS: usize = 100_000;
/// So many inversions over more than one dependency are listed.
const MOST_INDIRECT: usize = 2_000;

impl Graph<'_> {
    /// Every pair of a service and something it needs, directly or not, that promises less.
    ///
    /// Every inverted path holds an inverted single dependency, and those are always all listed. The longer ones are
    /// listed up to 2,000 of them, and `is_complete` says whether that was all.
    pub fn inversions(&self) -> Inversions {
        let mut all = Inversions { found: Vec::new(), is_complete: true };
        let mut budget = Budget { visits: MOST_VISITS, indirect: MOST_INDIRECT };
        for objective in [Objective::Rto, Objective::Rpo] {
            let promised: Vec<Span> = self.services.iter().map(|service| promise(service, objective)).collect();
            let weakest = self.weakest_below(&promised);
            let mut search =
                Search { graph: self, promised: &promised, weakest: &weakest, seen: vec![usize::MAX; promised.len()], from: vec![0; promised.len()] };
            for service in 0..promised.len() {
                // Nothing below promises less than the service: nothing to look for.
                if weakest[self.knot_of[service]] > promised[service] {
                    all.is_complete &= search.below(service, objective, &mut budget, &mut all.found);
                }
            }
        }
        all.found.sort_unstable_by(|a, b| (a.objective as u8, &a.path).cmp(&(b.objective as u8, &b.path)));
        all
    }

    /// Per service the longest promise among itself and all it needs: nothing on it can be faster, or lose less.
    pub fn longest_promises(&self, objective: Objective) -> HashMap<&ServiceId, Span> {
        let promised: Vec<Span> = self.services.iter().map(|service| promise(service, objective)).collect();
        let weakest = self.weakest_below(&promised);
        (0..promised.len()).map(|at| (self.id(at), weakest[self.knot_of[at]])).collect()
    }

    /// Per knot the longest promise among its services and all they need.
    fn weakest_below(&self, promised: &[Span]) -> Vec<Span> {
        let mut weakest: Vec<Span> = Vec::with_capacity(self.knots.len());
        for (at, knot) in self.knots.iter().enumerate() {
            let own = knot.iter().map(|service| promised[*service]);
            let below = self.knots_needed(at).map(|needed| weakest[needed]);
            let longest = own.chain(below).max().unwrap_or(Span::ZERO);
            weakest.push(longest);
        }
        weakest
    }
}

fn promise(service: &Service, objective: Objective) -> Span {
    match objective {
        Objective::Rto => service.rto,
        Objective::Rpo => service.rpo,
    }
}

struct Budget {
    visits: usize,
    indirect: usize,
}

struct Search<'g, 'e> {
    graph: &'g Graph<'e>,
    promised: &'g [Span],
    weakest: &'g [Span],
    /// Per service the last one whose search came by.
    seen: Vec<usize>,
    /// Per service the one before it on the way.
    from: Vec<usize>,
}

impl Search<'_, '_> {
    /// Lists what is inverted below `service`, nearest first. False where the budget ended the search early.
    fn below(&mut self, service: usize, objective: Objective, budget: &mut Budget, found: &mut Vec<Inversion>) -> bool {
        let target = self.promised[service];
        let mut open = VecDeque::from([service]);
        self.seen[service] = service;
        while let Some(current) = open.pop_front() {
            if current != service && (budget.visits == 0 || budget.indirect == 0) {
                return false;
            }
            budget.visits = budget.visits.saturating_sub(1);
            for need in self.graph.needs[current].iter().copied() {
                let leads_somewhere = self.weakest[self.graph.knot_of[need]] > target;
                if self.seen[need] == service || !leads_somewhere {
                    continue;
                }
                self.seen[need] = service;
                self.from[need] = current;
                open.push_back(need);
                if self.promised[need] > target {
                    if current != service {
                        budget.indirect = budget.indirect.saturating_sub(1);
                    }
                    found.push(Inversion { objective, target, weaker: self.promised[need], path: self.way(service, need) });
                }
            }
        }
        true
    }

    fn way(&self, service: usize, need: usize) -> Vec<ServiceId> {
        let mut path = vec![self.graph.id(need).clone()];
        let mut at = need;
        while at != service {
            at = self.from[at];
            path.push(self.graph.id(at).clone());
        }
        path.reverse();
        path
    }
}
