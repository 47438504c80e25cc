//! PgBouncers in a plan. In a planned move clients wait at them while the writes move, so that they see a pause and no error. In an
//! emergency nobody waits for them: one that leads to a node is part of the route that is closed, and what could not be told is
//! recorded.

use super::{Facts, QUICK};
use crate::{
    failover::{Action, Blocker, OnFailure, Step},
    id::{NodeId, PoolerId},
    time::Span,
};

/// No pause lasts longer, whatever becomes of the operation and of Lifeboat: the agent beside the pooler ends it.
pub(in crate::failover) const LONGEST_PAUSE: Span = Span::from_secs(30);
/// What an emergency gives a pooler where it waits for it.
const HURRIED: Span = Span::from_secs(3);

impl Facts<'_> {
    fn all(&self) -> Vec<PoolerId> {
        self.cluster.poolers.iter().map(|pooler| pooler.id.clone()).collect()
    }
    fn on_nodes(&self) -> Vec<PoolerId> {
        self.cluster.poolers_on_nodes().map(|pooler| pooler.id.clone()).collect()
    }

    /// The poolers that cannot be told to wait now: without that a planned move would be an error to their clients.
    pub(in crate::failover) fn silent_poolers(&self) -> Vec<Blocker> {
        let silent = |id: PoolerId| (self.poolers)(&id).err().map(|why| Blocker::PoolerSilent { pooler: id, why });
        self.all().into_iter().filter_map(silent).collect()
    }

    /// Why clients may still reach a node past the router: a pooler that leads to nodes cannot be told.
    pub(super) fn way_past_the_router(&self) -> Option<String> {
        self.on_nodes()
            .into_iter()
            .find_map(|id| (self.poolers)(&id).err().map(|why| format!("clients of the pooler {id} may still reach it ({why})")))
    }

    /// Their clients wait from here on. Before anything was stopped it can be taken back.
    pub(in crate::failover) fn pause(&self) -> Option<Step> {
        let poolers = some(self.all())?;
        let pause = Action::PausePoolers { poolers: poolers.clone(), lasts: LONGEST_PAUSE };
        Some(Step::new(pause, QUICK, OnFailure::Compensate).undone_by(Action::ResumePoolers { poolers }))
    }

    /// They lead to the target from here on, and their clients wait; connections to the source end at once.
    pub(super) fn cut(&self, source: &NodeId, target: &NodeId, on_failure: OnFailure) -> Option<Step> {
        let poolers = some(self.on_nodes())?;
        let cut = Action::CutPoolers { poolers: poolers.clone(), node: target.clone(), lasts: LONGEST_PAUSE };
        Some(Step::new(cut, HURRIED, on_failure).undone_by(Action::RepointPoolers { poolers, node: source.clone() }))
    }

    /// They lead to the target, and nobody waits any more. Where that fails the agent ends the wait when its time is over, and what
    /// is left to prove says what is wrong.
    pub(in crate::failover) fn let_through(&self, target: &NodeId, limit: Span, on_failure: OnFailure) -> Vec<Step> {
        let repoint = some(self.on_nodes()).map(|poolers| Action::RepointPoolers { poolers, node: target.clone() });
        let resume = some(self.all()).map(|poolers| Action::ResumePoolers { poolers });
        repoint.into_iter().chain(resume).map(|action| Step::new(action, limit, on_failure)).collect()
    }

    /// A client of each of them reaches the target.
    pub(in crate::failover) fn prove_through(&self, target: &NodeId, on_failure: OnFailure) -> Option<Step> {
        let proof = Action::ProvePoolers { poolers: some(self.all())?, node: target.clone() };
        Some(Step::new(proof, Span::from_secs(30), on_failure))
    }
}

fn some(poolers: Vec<PoolerId>) -> Option<Vec<PoolerId>> {
    (!poolers.is_empty()).then_some(poolers)
}
