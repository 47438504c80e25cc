//! Moves nobody, and says so every time.

use super::{Abilities, TrafficControl};
use async_trait::async_trait;
use engine::{failover::plan::names_or_none, id::RegionId};
use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard},
};

pub(super) struct Simulated {
    on: Mutex<BTreeSet<RegionId>>,
}

impl Simulated {
    pub(super) fn new(home: BTreeSet<RegionId>) -> Self {
        Self { on: Mutex::new(home) }
    }

    fn on(&self) -> anyhow::Result<MutexGuard<'_, BTreeSet<RegionId>>> {
        self.on.lock().map_err(|_| anyhow::anyhow!("SIMULATED: the simulator broke"))
    }
}

#[async_trait]
impl TrafficControl for Simulated {
    fn abilities(&self) -> Abilities {
        Abilities { rehearses: true, reads_back: true, simulated: true, delay: None, patience: None }
    }
    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        Ok(self.on()?.clone())
    }
    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        self.on()?.clone_from(to);
        Ok(format!("SIMULATED: nothing real sends clients to {}", names_or_none(to)))
    }
    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        Ok(format!("SIMULATED: it would pretend to send clients to {}", names_or_none(to)))
    }
}
