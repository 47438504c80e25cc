//! The yardstick of `make bench`: what a move of the writes costs when nothing but the move itself is done. Stop, catch up,
//! promote, first write; no plan, no journal, no router, no proof. Never used by the product.
//!
//! Only the numbers are bare: afterwards the other nodes follow the new primary and the router sends clients to it, so that the
//! next try, of either kind, begins from a whole cluster. The dashboard's server should not run meanwhile.

use super::layout::Layout;
use super::map::{Map, PG_NODES, PgNode};
use super::nodes::{Nodes, plain};
use super::programs::Programs;
use crate::agent::wire::{Follow, Source, Stop, StopMode};
use crate::agent::{control_data, processes};
use crate::config::Config;
use crate::connect::postgres;
use crate::connections::Connections;
use anyhow::{Context as _, bail};
use engine::databases::Lsn;
use engine::id::NodeId;
use rustix::process::Signal;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Which of the two moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Move {
    /// Stop the primary cleanly, let the target catch up, promote it, write.
    Switchover,
    /// Kill the primary; from there: promote the target, write.
    Failover,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub kind: Move,
    pub from: &'static str,
    pub to: &'static str,
    /// Switchover: from the signal to the old primary until a write on the new one is acknowledged. Failover: from the
    /// moment the old primary's processes are gone.
    pub to_first_write_ms: f64,
    /// Of a failover: from the checkpoint on the new primary until the old one streams from it, by the orders alone that its host agent needs for
    /// pg_rewind and the start.
    pub rejoined_ms: Option<f64>,
}

/// How often a condition is looked at.
const OFTEN: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(5);
const SLOWLY: u64 = 60_000;

pub async fn run(layout: Layout, map: Map, kind: Move, target: &str) -> anyhow::Result<Report> {
    let bare = Bare::new(layout, map)?;
    let to = PG_NODES.iter().find(|node| node.id == target).with_context(|| format!("the lab has no node `{target}`"))?;
    let from = bare.primary().await?;
    if from.id == to.id {
        bail!("{} is the primary already", to.id);
    }
    let client = bare.client(to).await?;
    let took = match kind {
        Move::Switchover => bare.switchover(from, &client).await?,
        Move::Failover => bare.failover(from, &client).await?,
    };
    let rejoined = bare.make_whole(kind, from, to, &client).await?;
    let ms = |took: Duration| took.as_secs_f64() * 1000.0;
    Ok(Report { kind, from: from.id, to: to.id, to_first_write_ms: ms(took), rejoined_ms: rejoined.map(ms) })
}

struct Bare {
    nodes: Nodes,
    connections: Connections,
}

impl Bare {
    fn new(layout: Layout, map: Map) -> anyhow::Result<Self> {
        let config = Config::read(&layout.folder.join("lifeboat.toml"))?;
        let (estate, _) = config.read_estate()?;
        let connections = Connections::new(&config, &estate)?;
        Ok(Self { nodes: Nodes { map, layout, programs: Programs::find()? }, connections })
    }

    async fn client(&self, node: &PgNode) -> anyhow::Result<Client> {
        let id: NodeId = node.id.parse().context("a node's name")?;
        let (_, address) = self.connections.nodes.iter().find(|((_, known), _)| *known == id).context("the estate lacks a node of the lab")?;
        address.connect(PATIENCE).await.with_context(|| format!("cannot reach {}", node.id))
    }

    async fn primary(&self) -> anyhow::Result<&'static PgNode> {
        let mut found = Vec::new();
        for node in &PG_NODES {
            if !postgres::is_in_recovery(&self.client(node).await?).await? {
                found.push(node);
            }
        }
        match found[..] {
            [one] => Ok(one),
            _ => bail!("{} nodes take writes; a bare move needs exactly one", found.len()),
        }
    }

    async fn switchover(&self, from: &PgNode, client: &Client) -> anyhow::Result<Duration> {
        let data_dir = self.nodes.layout.data_dir(from);
        let postmaster = processes::postmaster(&data_dir).with_context(|| format!("{} does not run", from.id))?;
        let began = Instant::now();
        postmaster.signal(Signal::INT)?;
        while postmaster.is_still_alive() {
            tokio::time::sleep(OFTEN).await;
        }
        let end: Lsn = control_data::read(&self.nodes.programs.postgres, &data_dir).await.map_err(plain)?.checkpoint_lsn.parse()?;
        while postgres::replayed(client).await?.is_none_or(|replayed| replayed <= end) {
            tokio::time::sleep(OFTEN).await;
        }
        promote_and_write(client).await?;
        Ok(began.elapsed())
    }

    async fn failover(&self, from: &PgNode, client: &Client) -> anyhow::Result<Duration> {
        if !processes::kill_all(&self.nodes.layout.data_dir(from), Instant::now() + PATIENCE).await? {
            bail!("{} survives SIGKILL", from.id);
        }
        let began = Instant::now();
        promote_and_write(client).await?;
        Ok(began.elapsed())
    }

    async fn make_whole(&self, kind: Move, from: &PgNode, to: &PgNode, client: &Client) -> anyhow::Result<Option<Duration>> {
        let own = self.connections.nodes.keys().find(|(_, node)| node.as_str() == to.id).map(|(cluster, _)| cluster);
        let router =
            own.and_then(|cluster| self.connections.routers.get(cluster)).with_context(|| format!("the estate has no router before {}", to.id))?;
        router.control.send_to(Some(to.id)).await?;
        let upstream = to.id.to_owned();
        let mut rejoined = None;
        for node in PG_NODES.iter().filter(|node| node.id != to.id) {
            let region = node.place.name().parse().context("a region's name")?;
            let agent = self.connections.agents.get(&region).context("the estate lacks a region of the lab")?;
            let is_diverged = kind == Move::Failover && node.id == from.id;
            if is_diverged {
                // The end that a switchover's clean stop has, and a killed node lacks.
                agent.stop(node.id, &Stop { mode: StopMode::Kill, timeout_ms: SLOWLY, fence: true }).await?;
            }
            let began = Instant::now();
            if is_diverged {
                postgres::checkpoint(client).await?;
                agent.rewind(node.id, &Source { source: upstream.clone(), timeout_ms: SLOWLY }).await?;
            }
            postgres::slots::ensure_slot(client, &node.slot()).await?;
            agent.follow(node.id, &Follow { upstream: upstream.clone(), slot: Some(node.slot()), timeout_ms: SLOWLY }).await?;
            if is_diverged {
                self.wait_for(node, to, client).await?;
                rejoined = Some(began.elapsed());
            }
        }
        self.nodes.wait_for_streaming(to, 2).await?;
        // The relay in front of a node listens again a moment after the node does.
        let deadline = Instant::now() + PATIENCE;
        let back = loop {
            match self.client(from).await {
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(OFTEN).await,
                Ok(client) => break client,
            }
        };
        postgres::slots::drop_idle_slots(&back, &[]).await?;
        Ok(rejoined)
    }

    /// Waits until a node streams from the new primary.
    async fn wait_for(&self, node: &PgNode, to: &PgNode, client: &Client) -> anyhow::Result<()> {
        let streams = "select count(*) from pg_stat_replication where application_name = $1 and state = 'streaming'";
        let began = Instant::now();
        while client.query_one(streams, &[&node.id]).await?.get::<_, i64>(0) == 0 {
            if began.elapsed() > Duration::from_millis(SLOWLY) {
                bail!("{} does not stream from {} after {SLOWLY} ms", node.id, to.id);
            }
            tokio::time::sleep(OFTEN).await;
        }
        Ok(())
    }
}

async fn promote_and_write(client: &Client) -> anyhow::Result<()> {
    postgres::promote(client, Duration::from_millis(SLOWLY)).await?;
    while postgres::is_in_recovery(client).await? {
        tokio::time::sleep(OFTEN).await;
    }
    postgres::write_proof(client, "bare").await?;
    Ok(())
}
