//! PgBouncer, where clients come through it: what it says now, and whether that is right. It keeps clients waiting while the writes
//! move, and no longer than its host agent was told.

use crate::{
    estate::{Cluster, Detection, Follows, Pooler},
    health::{Health, Judgement},
    id::{NodeId, PoolerId},
    time::{Instant, Span},
};

/// Everything known of one PgBouncer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolerView {
    /// Whether its host agent answers, and it answers that one.
    pub judgement: Judgement,
    /// What it said last, however old.
    pub said: Option<PoolerReading>,
}

/// One look at its console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolerReading {
    pub at: Instant,
    pub version: String,
    /// Its clients wait.
    pub paused: bool,
    /// When its host agent ends the pause, by the server's clock; absent where that agent did not begin one.
    pub paused_until: Option<Instant>,
    /// `host:port` of what it connects to.
    pub connects_to: String,
    /// The node at that address, as its host agent knows the nodes; absent where it is none.
    pub leads_to: Option<NodeId>,
    pub clients_waiting: u32,
    /// How long the first of them has been waiting.
    pub longest_wait: Span,
}

impl PoolerView {
    pub fn never_asked() -> Self {
        Self { judgement: Judgement::never_measured(), said: None }
    }
    /// What it says now.
    ///
    /// # Errors
    /// Why that is not known: nobody answers, or what it said last is too old to be believed.
    pub fn now_says(&self, rule: &Detection, now: Instant) -> Result<&PoolerReading, String> {
        if !matches!(self.judgement.health, Health::Ok | Health::Degraded) {
            return Err(self.judgement.why.clone());
        }
        let said = self.said.as_ref().ok_or("it has never answered")?;
        let age = Span::between(said.at, now).max(Span::between(now, said.at));
        if age > rule.silence() { Err(format!("its last answer is {} old", age.rough())) } else { Ok(said) }
    }
}

impl PoolerReading {
    /// An agent that ends a pause may be asked a moment before it has.
    const GRACE: Span = Span::from_secs(3);

    /// Whether clients wait, and nobody is known to end that in time.
    pub fn is_stuck(&self, now: Instant) -> bool {
        self.paused && self.paused_until.is_none_or(|until| Span::between(until, now) > Self::GRACE)
    }
}

impl Cluster {
    pub fn pooler(&self, id: &PoolerId) -> Option<&Pooler> {
        self.poolers.iter().find(|pooler| &pooler.id == id)
    }
    /// Those that connect to a node themselves: a way to it that the router does not close.
    pub fn poolers_on_nodes(&self) -> impl Iterator<Item = &Pooler> {
        self.poolers.iter().filter(|pooler| pooler.follows == Follows::Nodes)
    }
}
