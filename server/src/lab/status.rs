//! What the lab knows of itself, looked at directly: through the databases' own sockets and from control's side of the relays.

use super::haproxy;
use super::map::{self, PG_NODES, PLACES, PgNode, Place, REGIONS, SERVICES, Service};
use super::platform::{Life, Platform, Target};
use super::slowness;
use crate::agent::{fence, processes};
use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    pub number: u8,
    pub folder: String,
    pub supervisor_pid: u32,
    pub regions: Vec<RegionState>,
    pub nodes: Vec<NodeState>,
    pub haproxy: HaproxyState,
    pub pooler: ProcessState,
    pub agents: Vec<ProcessState>,
    pub services: Vec<ServiceState>,
    /// Ways that are cut, as `control:us-east-1`.
    #[serde(default)]
    pub links_cut: Vec<String>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct RegionState {
    pub name: String,
    pub cut: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct NodeState {
    pub id: String,
    pub region: String,
    /// Real address, for things in the same region.
    pub address: String,
    /// How control sees it.
    pub control_address: String,
    pub life: Life,
    pub fenced: bool,
    pub pid: Option<i32>,
    /// `None`: it did not answer, so nobody knows.
    pub database: Option<DatabaseState>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct DatabaseState {
    pub role: Role,
    pub timeline: i32,
    /// Last LSN written by a primary, or received by a standby.
    pub lsn: Option<String>,
    pub replayed_lsn: Option<String>,
    /// Whether this standby's receiver streams right now. No proof that it follows: a diverged standby streams for a moment at
    /// each of its attempts. Compare the timeline as well, or look for a row.
    pub receiving: bool,
    /// Standbys that stream from this node, with their synchronous state.
    pub streaming: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Primary,
    Standby,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct HaproxyState {
    pub address: String,
    pub life: Life,
    /// Node id and `ready`, `drain` or `maint`; empty when HAProxy did not answer.
    pub servers: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ProcessState {
    pub name: String,
    pub control_address: String,
    pub life: Life,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ServiceState {
    pub name: String,
    pub control_address: String,
    pub life: Life,
    /// HTTP status of `/health` through the relay; `None`: no answer.
    pub health: Option<u16>,
    /// How long it was told to wait before it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_ms: Option<u64>,
}

pub async fn status(platform: &Platform, client: &reqwest::Client) -> Status {
    let (cut, links) = {
        let world = platform.world.borrow();
        (world.cut.clone(), world.links_cut.clone())
    };
    let instances = SERVICES.iter().flat_map(|s| s.places.iter().map(move |p| (s, *p)));
    let (nodes, services, servers) = futures::join!(
        join_all(PG_NODES.iter().map(|n| node(platform, n))),
        join_all(instances.map(|(s, p)| service(platform, client, s, p))),
        tokio::time::timeout(Duration::from_secs(1), haproxy::servers(&platform.layout)),
    );
    let servers = servers.ok().and_then(Result::ok).unwrap_or_default();
    Status {
        number: platform.map.number,
        folder: platform.layout.folder.display().to_string(),
        supervisor_pid: std::process::id(),
        regions: PLACES.map(|p| RegionState { name: p.name().into(), cut: cut.contains(&p.number()) }).into(),
        links_cut: links.iter().map(|(one, other)| format!("{}:{}", name_of(*one), name_of(*other))).collect(),
        nodes,
        haproxy: HaproxyState {
            address: platform.map.haproxy(Place::Control).to_string(),
            life: platform.life(&Target::Haproxy),
            servers: servers.into_iter().map(|(name, state)| (name, state.to_owned())).collect(),
        },
        pooler: ProcessState {
            name: map::POOLER.into(),
            control_address: platform.map.pooler(Place::Control).to_string(),
            life: platform.life(&Target::Pooler),
        },
        agents: REGIONS
            .map(|p| ProcessState {
                name: map::agent_name(p),
                control_address: platform.map.agent(Place::Control, p).to_string(),
                life: platform.life(&Target::Agent(p)),
            })
            .into(),
        services,
        at: Utc::now(),
    }
}

async fn node(platform: &Platform, node: &'static PgNode) -> NodeState {
    let data_dir = platform.layout.data_dir(node);
    let life = platform.life(&Target::Node(node));
    let database = match life {
        Life::Running => tokio::time::timeout(Duration::from_secs(2), database(platform, node)).await.ok().and_then(Result::ok),
        Life::Hung | Life::Dead => None,
    };
    NodeState {
        id: node.id.into(),
        region: node.place.name().into(),
        address: platform.map.pg(node.place, node).to_string(),
        control_address: platform.map.pg(Place::Control, node).to_string(),
        life,
        fenced: fence::read(&data_dir).is_some(),
        pid: processes::postmaster(&data_dir).map(|p| p.pid),
        database,
    }
}

async fn database(platform: &Platform, node: &PgNode) -> anyhow::Result<DatabaseState> {
    let admin = platform.nodes.admin(node, "postgres").await?;
    let row = admin
        .query_one(
            "SELECT pg_is_in_recovery(),
                    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END::text,
                    pg_last_wal_replay_lsn()::text,
                    CASE WHEN pg_is_in_recovery()
                        THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
                        ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
                    EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')",
            &[],
        )
        .await?;
    let peers = admin.query("SELECT application_name, sync_state FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1", &[]).await?;
    Ok(DatabaseState {
        role: if row.get(0) { Role::Standby } else { Role::Primary },
        lsn: row.get(1),
        replayed_lsn: row.get(2),
        timeline: row.get(3),
        receiving: row.get(4),
        streaming: peers.iter().map(|r| (r.get(0), r.get(1))).collect(),
    })
}

async fn service(platform: &Platform, client: &reqwest::Client, service: &'static Service, place: Place) -> ServiceState {
    let (name, address) = (map::instance(service, place), platform.map.service(Place::Control, service, place));
    let asked = client.get(format!("http://{address}/health")).timeout(Duration::from_secs(2)).send().await;
    ServiceState {
        slow_ms: slowness::of(&platform.layout.folder, &name).map(|pause| pause.as_millis() as u64),
        name,
        control_address: address.to_string(),
        life: platform.life(&Target::Service(service, place)),
        health: asked.ok().map(|r| r.status().as_u16()),
    }
}

fn name_of(number: u8) -> &'static str {
    PLACES.into_iter().find(|place| place.number() == number).map_or("?", Place::name)
}

/// The same for people.
pub fn print(status: &Status) {
    println!("lab {} in {}, supervisor {}", status.number, status.folder, status.supervisor_pid);
    for region in &status.regions {
        println!("  {:<12} {}", region.name, if region.cut { "CUT OFF" } else { "connected" });
    }
    for link in &status.links_cut {
        println!("  {link:<12} CUT: nothing passes between them");
    }
    for node in &status.nodes {
        let what = match &node.database {
            Some(db) if db.role == Role::Primary => {
                let names: Vec<&str> = db.streaming.iter().map(|(name, _)| name.as_str()).collect();
                format!("primary, timeline {}, streams to: {}", db.timeline, if names.is_empty() { "nobody".into() } else { names.join(", ") })
            }
            Some(db) => format!("standby, timeline {}, {}", db.timeline, if db.receiving { "receiving" } else { "not receiving" }),
            None => "role unknown".into(),
        };
        let fenced = if node.fenced { ", fenced" } else { "" };
        println!("  {:<28} {:<22} {:<8} {what}{fenced}", node.id, node.control_address, word(node.life));
    }
    let servers: Vec<String> = status.haproxy.servers.iter().map(|(name, state)| format!("{name} {state}")).collect();
    println!("  {:<28} {:<22} {:<8} {}", "haproxy", status.haproxy.address, word(status.haproxy.life), servers.join(", "));
    for agent in std::iter::once(&status.pooler).chain(&status.agents) {
        println!("  {:<28} {:<22} {}", agent.name, agent.control_address, word(agent.life));
    }
    for service in &status.services {
        let health = service.health.map_or("no answer".into(), |code| format!("health {code}"));
        let health = service.slow_ms.map_or(health.clone(), |ms| format!("{health}, SLOW: answers after {ms} ms"));
        println!("  {:<28} {:<22} {:<8} {health}", service.name, service.control_address, word(service.life));
    }
}

fn word(life: Life) -> &'static str {
    match life {
        Life::Running => "running",
        Life::Hung => "hung",
        Life::Dead => "dead",
    }
}
