//! Watching: one task per probed thing, each with its own interval and time-out, none waiting for another. What they see
//! goes to the board, which judges it, puts it up and has changes recorded.

use crate::{connect::probe, connections::Connections, desk::Desk};
use anyhow::Context;
use engine::{
    databases::{HostState, NodeReading},
    estate::{Detection, Estate},
    health::Sample,
    id::{ClusterId, NodeId, RegionId, ServiceId},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior},
};

mod agents;
mod board;
mod endpoints;
mod nodes;
mod routers;

pub use board::kept;

/// What one probe saw.
#[derive(Debug)]
pub(crate) enum Sighting {
    Node { cluster: ClusterId, node: NodeId, sample: Sample, reading: Option<NodeReading> },
    Endpoint { service: ServiceId, region: RegionId, sample: Sample },
    Agent { region: RegionId, sample: Sample, hosts: Vec<(NodeId, HostState)> },
    Router { cluster: ClusterId, sample: Sample, routed: Option<Vec<NodeId>> },
}

/// Sightings that may wait for the board; a probe waits when there are more.
const WAITING: usize = 4_096;

/// Starts all watchers. They run until the process ends.
///
/// # Errors
/// Where the kept readings cannot be read or a probe cannot be set up.
pub async fn start(desk: Arc<Desk>, connections: Arc<Connections>) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let board = board::Board::new(desk.clone()).await.context("the watchers cannot start")?;
    tokio::spawn(board.run(receiver));
    let estate = desk.estate();
    nodes::start(estate, &connections, &sender);
    agents::start(estate, &connections, &sender);
    routers::start(estate, &connections, &sender);
    endpoints::start(estate, probe::client().context("the HTTP probe cannot be set up")?, &sender)?;
    Ok(())
}

/// The beat of one target. Late beats are not made up for: two probes at one instant are one round.
fn beat(rule: &Detection) -> Interval {
    let mut interval = tokio::time::interval(rule.interval.as_std().max(Duration::from_millis(10)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The detection rule for what is not a cluster: the strictest of the clusters with something in the region, else the estate's.
fn rule_in(estate: &Estate, region: &RegionId) -> Detection {
    let clusters = estate.clusters.iter().filter(|cluster| cluster.nodes.iter().any(|node| &node.region == region));
    clusters.map(|cluster| estate.detection_of(cluster)).min_by_key(|rule| rule.interval).unwrap_or(estate.detection)
}
