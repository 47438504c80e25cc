//! HAProxy sends the clients: the servers of a backend are named like the regions.

use super::{Abilities, TrafficControl, span};
use crate::connect::haproxy::{Haproxy, PATIENCE, ServerStanding};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{failover::plan::names_or_none, id::RegionId};
use std::collections::{BTreeMap, BTreeSet};

#[async_trait]
impl TrafficControl for Haproxy {
    fn abilities(&self) -> Abilities {
        Abilities { rehearses: true, reads_back: true, simulated: false, delay: None, patience: Some(span(PATIENCE)) }
    }

    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        let open = self.servers().await?.into_iter().filter(|(_, server)| server.open);
        open.map(|(name, _)| name.parse().with_context(|| format!("HAProxy's server “{name}” is not named like a region"))).collect()
    }

    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let lingering = self.open_exactly(&names(to)).await?;
        let said = format!("HAProxy's backend {} sends clients to {}, read back", self.backend, names_or_none(to));
        Ok(if lingering > 0 { format!("{said}; {lingering} sessions whose clients are gone linger") } else { said })
    }

    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let servers = self.servers().await?;
        let missing: Vec<&str> = names(to).into_iter().filter(|name| !servers.contains_key(*name)).collect();
        if !missing.is_empty() {
            bail!("HAProxy's backend “{}” has no server {}", self.backend, missing.join(", "));
        }
        Ok(format!("HAProxy answers, {}; it would {}", standing(&servers), would(&servers, to)))
    }
}

fn names(regions: &BTreeSet<RegionId>) -> BTreeSet<&str> {
    regions.iter().map(RegionId::as_str).collect()
}

fn standing(servers: &BTreeMap<String, ServerStanding>) -> String {
    let said =
        servers.iter().map(|(name, server)| format!("{name} is {} with {} sessions", if server.open { "open" } else { "closed" }, server.sessions));
    said.collect::<Vec<_>>().join(", ")
}

fn would(servers: &BTreeMap<String, ServerStanding>, to: &BTreeSet<RegionId>) -> String {
    let wanted = names(to);
    let verb = |(name, server): (&String, &ServerStanding)| match (server.open, wanted.contains(name.as_str())) {
        (true, false) => Some(format!("close {name}")),
        (false, true) => Some(format!("open {name}")),
        _ => None,
    };
    let verbs: Vec<String> = servers.iter().filter_map(verb).collect();
    if verbs.is_empty() { "change nothing".to_owned() } else { verbs.join(", ") }
}
