//! Which orders are still carried out. An order may lie on the way while its caller has long given up, and arrive when
//! another node takes the writes, or this one again: a stop that comes then would end the wrong primary.
//!
//! So every order names the moment after which it is void, by this host's own clock (the caller asks for the time first, so
//! that no two clocks need to agree), and a number that follows from the place of its step in the journal. Of two orders for
//! one node the one that was written down later holds, in whichever order they arrive, and none is carried out twice. The
//! numbers are kept in memory; so an order also names since when the agent runs that was asked, and none from before a restart
//! is carried out.

use chrono::{DateTime, Utc};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What an order carries beside what it orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Greater than that of every order that was made before it; absent where it is part of no operation.
    pub number: Option<u64>,
    /// Since when the agent runs that was asked for the time.
    pub since: DateTime<Utc>,
    /// It is void after this, by the clock of the host it is for.
    pub not_after: DateTime<Utc>,
}

/// The number of an order that follows from the journal up to entry `seq`; `ordered` counts the orders of one operation.
pub fn number(seq: u64, ordered: u16) -> u64 {
    seq << 16 | u64::from(ordered)
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Late {
    #[error("the order was void at {} and came at {}", not_after.format("%H:%M:%S%.3f UTC"), now.format("%H:%M:%S%.3f UTC"))]
    Overdue { not_after: DateTime<Utc>, now: DateTime<Utc> },
    #[error("the order has the number {number}, and number {latest} came before it")]
    Overtaken { number: u64, latest: u64 },
    #[error("the order was made before this agent started, at {}", since.format("%H:%M:%S%.3f UTC"))]
    Restarted { since: DateTime<Utc> },
}

/// The latest order that each node was given.
#[derive(Debug)]
pub struct Orders {
    since: DateTime<Utc>,
    latest: Mutex<BTreeMap<String, u64>>,
}

impl Orders {
    /// Of an agent that starts now.
    pub fn since(now: DateTime<Utc>) -> Self {
        // As it travels: to the millisecond.
        let since = DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now);
        Self { since, latest: Mutex::default() }
    }
    /// Since when the agent runs.
    pub fn begun(&self) -> DateTime<Utc> {
        self.since
    }

    /// Takes an order in, and says how much of its time is left.
    ///
    /// # Errors
    /// Where it comes late: then nothing is done.
    pub fn admit(&self, node: &str, stamp: &Stamp, now: DateTime<Utc>) -> Result<Duration, Late> {
        if stamp.since != self.since {
            return Err(Late::Restarted { since: self.since });
        }
        let left = (stamp.not_after - now).to_std().map_err(|_| Late::Overdue { not_after: stamp.not_after, now })?;
        if let Some(number) = stamp.number {
            // Whoever failed while holding it left it whole: each change is one insertion.
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            match latest.get(node).copied() {
                Some(latest) if number <= latest => return Err(Late::Overtaken { number, latest }),
                _ => latest.insert(node.to_owned(), number),
            };
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u32) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + i64::from(second), 0).unwrap()
    }
    fn stamp(number: u64, not_after: u32) -> Stamp {
        Stamp { number: Some(number), since: at(0), not_after: at(not_after) }
    }

    #[test]
    fn d9_an_order_that_comes_after_its_time_is_not_carried_out() {
        let orders = Orders::since(at(0));
        assert_eq!(orders.admit("a", &stamp(1, 30), at(10)), Ok(Duration::from_secs(20)));
        assert_eq!(orders.admit("a", &stamp(2, 30), at(31)), Err(Late::Overdue { not_after: at(30), now: at(31) }));
        assert!(orders.admit("a", &stamp(2, 60), at(32)).is_ok(), "what was refused counts for nothing");
    }

    #[test]
    fn d9_an_order_that_a_later_one_has_overtaken_is_not_carried_out() {
        let orders = Orders::since(at(0));
        assert!(orders.admit("a", &stamp(7, 30), at(1)).is_ok());
        assert_eq!(orders.admit("a", &stamp(7, 30), at(2)), Err(Late::Overtaken { number: 7, latest: 7 }), "the same one again");
        assert_eq!(orders.admit("a", &stamp(5, 30), at(3)), Err(Late::Overtaken { number: 5, latest: 7 }));
        assert!(orders.admit("b", &stamp(5, 30), at(3)).is_ok(), "another node");
        assert!(orders.admit("a", &Stamp { number: None, ..stamp(0, 30) }, at(4)).is_ok(), "part of no operation");
    }

    #[test]
    fn d9_an_order_from_before_the_agent_started_is_not_carried_out() {
        let orders = Orders::since(at(5));
        assert_eq!(orders.admit("a", &stamp(1, 30), at(6)), Err(Late::Restarted { since: at(5) }), "it knows of no later one");
        assert!(orders.admit("a", &Stamp { since: orders.begun(), ..stamp(1, 30) }, at(6)).is_ok());
    }
}
