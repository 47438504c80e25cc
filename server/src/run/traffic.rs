//! What the actions on a service's clients do: look at the regions afresh, send the clients, and come in as one of them.

use super::{act::Acting, needs::Done};
use crate::connect::{
    postgres,
    probe::{self, Target},
};
use anyhow::{Context, bail};
use engine::{
    databases::{NodeReading, NodeRole},
    estate::Service,
    failover::{plan::names_or_none, traffic::health_in},
    health::Outcome,
    id::{ClusterId, NodeId, RegionId, ServiceId},
    time::Span,
};
use std::{collections::BTreeSet, time::Duration};

/// A fresh look at one endpoint.
const PATIENCE: Duration = Duration::from_secs(3);
/// A look at one database node while clients wait.
const GLANCE: Duration = Duration::from_millis(1_500);
const CALM: Duration = Duration::from_millis(50);
/// Between two tries at what must be told to something that may be restarting.
const AGAIN: Duration = Duration::from_millis(200);
/// Good answers in a row, each from one of the right regions, that prove a move.
const ANSWERS: usize = 3;

impl Acting {
    fn service(&self, id: &ServiceId) -> anyhow::Result<Service> {
        self.desk.estate().service(id).cloned().with_context(|| format!("{id} is not declared any more"))
    }

    /// Each region answers well now, asked at its own endpoint (trap F13).
    pub(super) async fn check_regions(&self, id: &ServiceId, regions: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        let service = self.service(id)?;
        let (mut well, mut bad) = (Vec::new(), Vec::new());
        for region in regions {
            let Some(endpoint) = service.endpoints.iter().find(|endpoint| endpoint.region == *region) else {
                bad.push(format!("{id} has no endpoint in {region}"));
                continue;
            };
            if endpoint.is_heartbeat() {
                // It cannot be asked: what it has said last counts, as long as it is not too old to.
                let picture = self.desk.picture();
                match health_in(&picture, id, region) {
                    Some(seen) if seen.is_ok() => well.push(format!("{id} in {region} says so by its heartbeats: {}", seen.why)),
                    Some(seen) => bad.push(format!("{id} in {region} is {}: {}", seen.health, seen.why)),
                    None => bad.push(format!("{id} in {region} has said nothing yet")),
                }
                continue;
            }
            let target = Target::parse(&endpoint.target)?;
            match target.probe(&self.connections.probes, PATIENCE).await {
                Outcome::Good => well.push(format!("{id} answers well in {region}")),
                Outcome::Complaint(why) | Outcome::Failed(why) => bad.push(format!("{id} in {region}: {why}")),
            }
        }
        if bad.is_empty() { Ok(Done::because(well.join("; "))) } else { bail!("{}", bad.join("; ")) }
    }

    /// Exactly one node of each cluster takes writes now; said where. All nodes are asked at once, each for a moment only: in
    /// an outage some are silent, and clients wait.
    pub(super) async fn check_data(&self, clusters: &[ClusterId]) -> anyhow::Result<Done> {
        let (mut said, mut bad) = (Vec::new(), Vec::new());
        for id in clusters {
            let cluster = self.desk.estate().cluster(id).with_context(|| format!("{id} is not declared any more"))?;
            let read = futures::future::join_all(cluster.nodes.iter().map(|node| self.glance(id, &node.id))).await;
            let (mut writable, mut silent) = (Vec::new(), Vec::new());
            for (node, reading) in cluster.nodes.iter().zip(read) {
                match reading {
                    Ok(reading) if matches!(reading.role, NodeRole::Primary { .. }) && !reading.read_only => writable.push(node),
                    Ok(_) => {}
                    Err(error) => silent.push(format!("{}: {error:#}", node.id)),
                }
            }
            let silent = if silent.is_empty() { String::new() } else { format!(" (not read: {})", silent.join("; ")) };
            match writable[..] {
                [node] => said.push(format!("{id} takes its writes on {} in {}{silent}", node.id, node.region)),
                [] => bad.push(format!("no node of {id} takes writes{silent}")),
                _ => bad.push(format!("{} nodes of {id} take writes{silent}", writable.len())),
            }
        }
        if bad.is_empty() { Ok(Done::because(said.join("; "))) } else { bail!("{}", bad.into_iter().chain(said).collect::<Vec<_>>().join("; ")) }
    }

    async fn glance(&self, cluster: &ClusterId, node: &NodeId) -> anyhow::Result<NodeReading> {
        let address = self.connections.nodes.get(&(cluster.clone(), node.clone())).context("its address is not known")?;
        let reading = async { postgres::look(&address.connect(GLANCE).await?, chrono::Utc::now(), GLANCE).await };
        tokio::time::timeout(GLANCE, reading).await.with_context(|| format!("no answer within {} ms", GLANCE.as_millis()))?
    }

    /// Told again until it is so: what sends the clients may be restarting at this very moment, and telling it twice is telling
    /// it once. Gives up in time to say why. Closing is tried once: what cannot be closed must not keep clients waiting.
    pub(super) async fn send_clients(&self, id: &ServiceId, to: &BTreeSet<RegionId>, timeout: Span) -> anyhow::Result<Done> {
        let control = &self.connections.traffic_of(id)?.control;
        let last_try = tokio::time::Instant::now() + timeout.as_std().saturating_sub(AGAIN * 2);
        let mut told = 1;
        loop {
            match control.send_to(to).await {
                Ok(said) if told == 1 => return Ok(Done::because(said)),
                Ok(said) => return Ok(Done::because(format!("{said}; told {told} times before it was so"))),
                Err(error) if to.is_empty() => return Err(error),
                Err(error) if tokio::time::Instant::now() >= last_try => return Err(error.context(format!("told {told} times, at last"))),
                Err(error) => tracing::debug!(service = %id, error = format!("{error:#}"), "clients could not be sent yet"),
            }
            tokio::time::sleep(AGAIN).await;
            told += 1;
        }
    }

    pub(super) async fn rehearse(&self, id: &ServiceId, to: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        let control = &self.connections.traffic_of(id)?.control;
        let said = control.rehearse(to).await?;
        Ok(Done::because(format!("{said}; in general, {}", control.abilities())))
    }

    /// Comes in where clients do until several answers in a row are good and from the right regions, then reads the routing
    /// back. What sends the clients may have restarted meanwhile and forgotten what it was told: then it is told again.
    pub(super) async fn prove_clients(&self, id: &ServiceId, to: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        let traffic = self.connections.traffic_of(id)?;
        // Its connections end with each answer: a kept one would go where clients were sent before.
        let client = probe::client_that_keeps_nothing().context("cannot build an HTTP client")?;
        let (mut answers, mut from, mut told_again) = (0, BTreeSet::new(), 0);
        let mut last;
        let abilities = traffic.control.abilities();
        // The step allows as much more.
        let delay = abilities.delay.unwrap_or_default().as_std();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(25) + delay;
        loop {
            if traffic.control.regions().await.is_ok_and(|on| on != *to) {
                traffic.control.send_to(to).await?;
                (answers, told_again) = (0, told_again + 1);
            }
            match traffic.clients.answer(&client, PATIENCE, traffic.region_header.as_deref()).await {
                Ok(answered) => match &answered {
                    Some(name) if !to.iter().any(|region| region.as_str() == name) => {
                        answers = 0;
                        last = format!("a client was answered by {name}");
                    }
                    _ => {
                        answers += 1;
                        from.extend(answered);
                        last = "a client was answered well".to_owned();
                    }
                },
                Err(why) => {
                    answers = 0;
                    last = format!("a client was answered badly: {why}");
                }
            }
            // Where answers name their region, each region has to be named: one that joins a rotation is not proven by the others.
            let silent: Vec<&str> = to.iter().map(RegionId::as_str).filter(|region| !from.contains(*region)).collect();
            if answers >= ANSWERS && (traffic.region_header.is_none() || silent.is_empty()) {
                break;
            }
            if tokio::time::Instant::now() > deadline {
                let nobody = if answers >= ANSWERS { format!(", and none by {}", silent.join(" or ")) } else { String::new() };
                bail!("not proven: {last}{nobody}");
            }
            tokio::time::sleep(CALM).await;
        }
        let seen = traffic.control.regions().await?;
        if seen != *to {
            bail!("clients were answered well, but they are sent to {} and not to {}", names_or_none(&seen), names_or_none(to));
        }
        let by = match (traffic.region_header.is_some(), from.is_empty()) {
            (true, false) => format!(" by {}", from.into_iter().collect::<Vec<_>>().join(" and ")),
            _ => "; the answers do not say by which region".to_owned(),
        };
        let again = if told_again > 0 { format!("; the routing had been forgotten and was set again {told_again} times") } else { String::new() };
        let simulated = if abilities.simulated { "SIMULATED routing: " } else { "" };
        Ok(Done::because(format!("{simulated}{ANSWERS} clients in a row were answered well{by}; routing read back: {}{again}", names_or_none(&seen))))
    }
}
