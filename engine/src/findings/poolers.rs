//! What is wrong with the PgBouncers that clients of a cluster come through.

use super::{Complaint, Severity, clusters::Found, platform};
use crate::{
    databases::ClusterView,
    estate::{Follows, Pooler},
    poolers::{PoolerReading, PoolerView},
};

impl Found<'_> {
    pub(super) fn poolers(&mut self, view: Option<&ClusterView>) {
        for pooler in &self.cluster.poolers {
            let never = PoolerView::never_asked();
            let seen = self.picture.observed.poolers.get(&(self.cluster.id.clone(), pooler.id.clone())).unwrap_or(&never);
            match seen.now_says(&self.rule, self.picture.now) {
                Ok(said) => self.pooler(pooler, said, view),
                Err(why) => {
                    let severity = if seen.judgement.is_ok() { Severity::Unknown } else { platform::severity(seen.judgement.health) };
                    self.add(severity, seen.judgement.since, Complaint::PoolerSilent { pooler: pooler.id.clone(), why });
                }
            }
        }
    }

    /// A pause that its agent ends in time is part of an operation; so is a pooler that is being led elsewhere while one runs.
    fn pooler(&mut self, pooler: &Pooler, said: &PoolerReading, view: Option<&ClusterView>) {
        let id = || pooler.id.clone();
        if said.is_stuck(self.picture.now) {
            let complaint = Complaint::PoolerPaused { pooler: id(), until: said.paused_until, waiting: said.clients_waiting };
            self.add(Severity::Lost, None, complaint);
        }
        let running = self.picture.records.active_on(&self.cluster.id).is_some_and(|operation| operation.state.is_running());
        if pooler.follows == Follows::Router || running {
            return;
        }
        let writable = view.map(ClusterView::writable).unwrap_or_default();
        if let [writable] = writable[..]
            && said.leads_to.as_ref() != Some(&writable.node)
        {
            let to = said.leads_to.as_ref().map_or_else(|| said.connects_to.clone(), ToString::to_string);
            self.add(Severity::Lost, None, Complaint::PoolerElsewhere { pooler: id(), to, writable: writable.node.clone() });
        }
    }
}
