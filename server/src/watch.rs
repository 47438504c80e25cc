//! Watching: one task per probed thing, each with its own interval and time-out, none waiting for another. What they see
//! goes to the board, which judges it, puts it up and has changes recorded.

use crate::{connections::Connections, desk::Desk};
use anyhow::Context;
use engine::{
    backups::sights::BackupSights,
    databases::{CatalogReading, FilesReading, HostState, NodeReading},
    estate::{Detection, Estate, Service},
    health::Sample,
    id::{ClusterId, NodeId, ObserverId, PoolerId, RegionId, ServiceId},
    patroni::PatroniReading,
    poolers::PoolerReading,
    runbooks::sights::RunbookSights,
    time::Instant,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::{self, Sender},
    task::JoinHandle,
    time::{Interval, MissedTickBehavior},
};

mod agents;
mod board;
mod clock;
mod details;
mod endpoints;
mod heartbeats;
pub mod history;
mod leases;
mod nodes;
mod patroni;
mod poolers;
mod routers;
mod traffic;

pub use board::kept;
pub use heartbeats::Beats;

/// What one probe saw.
#[derive(Debug)]
pub(crate) enum Sighting {
    Node {
        cluster: ClusterId,
        node: NodeId,
        sample: Sample,
        reading: Option<NodeReading>,
    },
    /// What changes slowly, or why nothing could be read.
    Details {
        cluster: ClusterId,
        node: NodeId,
        read: Result<CatalogReading, String>,
    },
    Endpoint {
        observer: ObserverId,
        service: ServiceId,
        region: RegionId,
        sample: Sample,
    },
    /// `received` is absent where the report was refused as a whole.
    Report {
        observer: ObserverId,
        received: Option<Instant>,
        skew_ms: i64,
        refused: usize,
        samples: Vec<(ServiceId, RegionId, Sample)>,
    },
    Agent {
        region: RegionId,
        sample: Sample,
        hosts: Vec<(NodeId, HostState, FilesReading)>,
    },
    /// Whether the host keeps a lease of the node, or why it does not; false for a node that takes no writes.
    Lease {
        cluster: ClusterId,
        node: NodeId,
        /// Absent where nothing was heard of it.
        kept: Option<Result<bool, String>>,
    },
    Router {
        cluster: ClusterId,
        sample: Sample,
        routed: Option<Vec<NodeId>>,
    },
    Pooler {
        cluster: ClusterId,
        pooler: PoolerId,
        sample: Sample,
        said: Option<PoolerReading>,
    },
    Patroni {
        cluster: ClusterId,
        sample: Sample,
        said: Option<PatroniReading>,
    },
    Traffic {
        service: ServiceId,
        sample: Sample,
        regions: Option<BTreeSet<RegionId>>,
    },
    /// Everything that is observed of backups.
    Backups(Arc<BackupSights>),
    /// What the configuration offers to runbooks.
    Runbooks(Arc<RunbookSights>),
}

/// Sightings that may wait for the board; a probe waits when there are more.
const WAITING: usize = 4_096;

/// What watches.
pub struct Watching {
    /// The task that judges; it ends only where it has failed.
    pub judging: JoinHandle<()>,
    /// Where others may say what they saw.
    pub(crate) sightings: Sender<Sighting>,
}

/// Starts all watchers. They run until the process ends.
///
/// # Errors
/// Where the kept readings cannot be read or a probe cannot be set up.
pub async fn start(desk: Arc<Desk>, connections: Arc<Connections>, beats: &Arc<Beats>) -> anyhow::Result<Watching> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let abilities = connections.traffic.iter().map(|(service, traffic)| (service.clone(), traffic.control.abilities())).collect();
    let fences = connections.fences.iter().map(|(id, fence)| (id.clone(), fence.usable())).collect();
    let board = board::Board::new(desk.clone(), abilities, fences).await.context("the watchers cannot start")?;
    history::start(desk.probe_history().clone(), desk.store().clone()).await?;
    let judging = tokio::spawn(board.run(receiver));
    let estate = desk.estate();
    nodes::start(estate, &connections, &sender);
    details::start(estate, &connections, &sender);
    agents::start(estate, &connections, &sender);
    // Whoever only looks gives nobody leave to write: a primary would outlive the lease that another server lets run out.
    if !desk.is_read_only() {
        leases::start(estate, &connections, &sender);
    }
    routers::start(estate, &connections, &sender);
    patroni::start(estate, &connections, &sender);
    poolers::start(estate, &connections, &sender);
    traffic::start(estate, &connections, &sender);
    endpoints::start(estate, connections.probes.clone(), &sender)?;
    heartbeats::start(estate, beats, &sender);
    Ok(Watching { judging, sightings: sender })
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

/// The detection rule for what sends the clients of a service: the strictest of its endpoints', else the estate's.
fn rule_of_traffic(estate: &Estate, service: &Service) -> Detection {
    let rules = service.endpoints.iter().map(|endpoint| estate.detection_at(service, endpoint));
    rules.min_by_key(|rule| rule.interval).unwrap_or(estate.detection)
}
