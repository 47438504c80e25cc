//! Until when the nodes that were given a lease may take writes, at the longest. Counted by the clock that nobody sets, and only in
//! memory: a server that starts knows of nothing that an earlier one gave, and reckons with all of it.

use engine::{id::NodeId, time::Span};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a lease may be on its way to the agent; after that the agent does not take it.
pub const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// From the end of a lease until its node has surely stopped: the keeper looks ten times a second, and a killed process is gone at once.
pub const TO_STOP: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug)]
pub struct Leases {
    since: Instant,
    ends: Mutex<BTreeMap<NodeId, Instant>>,
}

impl Default for Leases {
    fn default() -> Self {
        Self { since: Instant::now(), ends: Mutex::default() }
    }
}

impl Leases {
    /// A lease is about to be sent, whatever becomes of it.
    pub fn sent(&self, node: &NodeId, lease: Span) {
        let end = Instant::now() + ON_ITS_WAY + lease.as_std();
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(node.clone(), end);
    }
    /// When the last lease has run out that the node can have been given.
    pub fn end(&self, node: &NodeId, lease: Span) -> Instant {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(node).copied().unwrap_or(self.since + ON_ITS_WAY + lease.as_std())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_starts_reckons_with_what_an_earlier_one_gave() {
        let (leases, node, lease) = (Leases::default(), "a".parse().unwrap(), Span::from_secs(10));
        let first = leases.end(&node, lease);
        assert!(first >= Instant::now() + Duration::from_secs(10));
        leases.sent(&node, lease);
        assert!(leases.end(&node, lease) > first);
    }
}
