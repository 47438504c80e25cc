//! Circles in the declared dependencies, each named by a shortest way around.

use super::Graph;
use crate::id::ServiceId;
use std::collections::{HashMap, VecDeque, hash_map::Entry};

impl Graph<'_> {
    /// One cycle for each group of services that need each other: it begins and ends with the group's first service in
    /// the order of ids and takes a shortest way back to it. Breaking it and asking again names the next.
    pub fn cycles(&self) -> Vec<Vec<ServiceId>> {
        let mut cycles: Vec<Vec<ServiceId>> = self.knots.iter().filter(|knot| knot.len() > 1).filter_map(|knot| self.way_around(knot)).collect();
        cycles.sort_unstable();
        cycles
    }

    fn way_around(&self, knot: &[usize]) -> Option<Vec<ServiceId>> {
        let start = *knot.iter().min_by_key(|service| self.id(**service))?;
        let mut came_from: HashMap<usize, usize> = HashMap::new();
        let mut open = VecDeque::from([start]);
        while let Some(current) = open.pop_front() {
            for need in self.needs[current].iter().copied().filter(|need| self.knot_of[*need] == self.knot_of[start]) {
                if need == start {
                    let mut path = vec![self.id(start).clone(), self.id(current).clone()];
                    let mut at = current;
                    while let Some(before) = came_from.get(&at) {
                        path.push(self.id(*before).clone());
                        at = *before;
                    }
                    path.reverse();
                    return Some(path);
                }
                if let Entry::Vacant(unseen) = came_from.entry(need) {
                    unseen.insert(current);
                    open.push_back(need);
                }
            }
        }
        None
    }
}
