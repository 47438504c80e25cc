//! How to reach each part of the estate, put together once from estate and configuration. Watchers and the executor share
//! it, so that what is watched is what is acted on.

use crate::leases::Leases;
use crate::{
    config::{Config, HookLines, read_secret},
    connect::{
        agent::Agent,
        alertmanager::Alertmanager,
        fence::Fence,
        haproxy::Haproxy,
        patroni::Patroni,
        postgres::{Address, Tls},
        probe::{self, Target},
        traffic::{self, TrafficControl},
    },
};
use anyhow::{Context, bail, ensure};
use engine::{
    estate::{Cluster, Estate, Hook, Manager, Monitoring},
    id::{ClusterId, FenceId, HookId, MonitoringId, NodeId, PoolerId, RegionId, ServiceId},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// See the module.
pub struct Connections {
    pub nodes: BTreeMap<(ClusterId, NodeId), Address>,
    pub agents: BTreeMap<RegionId, Agent>,
    pub routers: BTreeMap<ClusterId, Router>,
    pub poolers: BTreeMap<(ClusterId, PoolerId), Pooler>,
    pub patroni: BTreeMap<ClusterId, Patroni>,
    pub traffic: BTreeMap<ServiceId, Traffic>,
    pub monitoring: BTreeMap<MonitoringId, Alertmanager>,
    pub hooks: BTreeMap<HookId, HookLines>,
    pub fences: BTreeMap<FenceId, Fence>,
    pub leases: Leases,
    /// The client of every HTTP probe.
    pub probes: reqwest::Client,
}

/// What sends the clients of a service to regions, and the address they come in by.
pub struct Traffic {
    pub control: Arc<dyn TrafficControl>,
    pub clients: Target,
    pub region_header: Option<String>,
}

/// A PgBouncer: the agent beside it, where there is one, and the address its clients use.
pub struct Pooler {
    pub agent: Option<Agent>,
    pub clients: Address,
}

/// A cluster's router: its control socket, and the address its clients use.
pub struct Router {
    pub control: Haproxy,
    pub clients: Address,
}

impl Connections {
    /// Puts the connections together; nothing is contacted.
    ///
    /// # Errors
    /// A cluster without credentials, a key, token or command that the configuration lacks, an unreadable secret, a
    /// malformed address.
    pub fn new(config: &Config, estate: &Estate) -> anyhow::Result<Self> {
        let (mut nodes, mut routers, mut poolers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let logins = estate.clusters.iter().map(|cluster| Login::read(config, cluster)).collect::<anyhow::Result<Vec<_>>>()?;
        let agents = agents(config, estate)?;
        for (cluster, login) in estate.clusters.iter().zip(&logins) {
            check_lease(estate, cluster)?;
            for node in &cluster.nodes {
                nodes.insert((cluster.id.clone(), node.id.clone()), login.at(&node.host, node.port));
            }
            if let Some(router) = &cluster.router {
                let (host, port) = host_and_port(&router.address).with_context(|| format!("the router address of {}", cluster.id))?;
                let control = Haproxy { socket: PathBuf::from(&router.socket), backend: router.backend.clone() };
                routers.insert(cluster.id.clone(), Router { control, clients: login.through_router(host, port) });
            }
            for pooler in &cluster.poolers {
                let (host, port) = host_and_port(&pooler.address).with_context(|| format!("the address of the pooler {}", pooler.id))?;
                let made = Pooler { agent: agents.get(&pooler.region).cloned(), clients: login.through_router(host, port) };
                poolers.insert((cluster.id.clone(), pooler.id.clone()), made);
            }
        }
        for service in &estate.services {
            for endpoint in service.endpoints.iter().filter(|endpoint| !endpoint.is_heartbeat()) {
                Target::parse(&endpoint.target).with_context(|| format!("the endpoint of {} in {}", service.id, endpoint.region))?;
            }
        }
        let probes = probe::client().context("the HTTP probe cannot be set up")?;
        let (traffic, monitoring) = (traffic(config, estate)?, monitoring(config, estate)?);
        let (hooks, patroni) = (hooks(config, estate)?, patroni(config, estate)?);
        let fences = config.fence.iter().map(|(id, lines)| (id.clone(), Fence::new(id, lines))).collect();
        Ok(Self { nodes, agents, routers, poolers, patroni, traffic, monitoring, hooks, fences, leases: Leases::default(), probes })
    }

    /// What sends the clients of a service.
    ///
    /// # Errors
    /// Where the estate declares nothing.
    pub fn traffic_of(&self, service: &ServiceId) -> anyhow::Result<&Traffic> {
        self.traffic.get(service).with_context(|| format!("the estate does not say what sends the clients of {service}"))
    }

    /// A pooler and the host agent beside it.
    ///
    /// # Errors
    /// Where it is not declared, or its region has no agent.
    pub fn pooler(&self, cluster: &Cluster, id: &PoolerId) -> anyhow::Result<(&Pooler, &Agent)> {
        let pooler = self.poolers.get(&(cluster.id.clone(), id.clone())).with_context(|| format!("{id} is no pooler of {}", cluster.id))?;
        Ok((pooler, pooler.agent.as_ref().with_context(|| format!("no host agent is set up in the region of {id}"))?))
    }

    /// The host agent responsible for a node.
    ///
    /// # Errors
    /// Where the node's region has none.
    pub fn agent_of(&self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<&Agent> {
        let node = cluster.node(node).with_context(|| format!("{node} is not a node of {}", cluster.id))?;
        self.agents.get(&node.region).with_context(|| format!("no host agent is set up in {}", node.region))
    }
}

/// A lease that nobody can keep is no proof.
fn check_lease(estate: &Estate, cluster: &Cluster) -> anyhow::Result<()> {
    let Some(lease) = cluster.lease else { return Ok(()) };
    let (shortest, longest) = (Cluster::SHORTEST_LEASE, Cluster::LONGEST_LEASE);
    ensure!((shortest..=longest).contains(&lease), "the `lease` of {} is from {shortest} to {longest}, and not {lease}", cluster.id);
    ensure!(cluster.manager == Manager::Lifeboat, "{} has a `lease` and is run by Patroni, which keeps one of its own: take one away", cluster.id);
    let without = cluster.nodes.iter().find(|node| estate.region(&node.region).is_none_or(|region| region.agent.is_none()));
    match without {
        Some(node) => {
            bail!("{} has a `lease`, and no host agent is declared in {}, where {} is: nobody could keep it", cluster.id, node.region, node.id)
        }
        None => Ok(()),
    }
}

fn host_and_port(address: &str) -> anyhow::Result<(&str, u16)> {
    let (host, port) = address.rsplit_once(':').with_context(|| format!("“{address}” is not host:port"))?;
    Ok((host, port.parse().with_context(|| format!("“{address}” has no valid port"))?))
}

fn traffic(config: &Config, estate: &Estate) -> anyhow::Result<BTreeMap<ServiceId, Traffic>> {
    let mut all = BTreeMap::new();
    for service in &estate.services {
        let Some(declared) = &service.traffic else { continue };
        let clients = Target::parse(&declared.address).with_context(|| format!("the address of the clients of {}", service.id))?;
        let home = estate.strategy_of(service).map(|strategy| strategy.primary_region.clone()).into_iter().collect();
        let control =
            traffic::control(&service.id, &declared.by, home, config).with_context(|| format!("what sends the clients of {}", service.id))?;
        let traffic = Traffic { control, clients, region_header: declared.region_header.clone() };
        all.insert(service.id.clone(), traffic);
    }
    Ok(all)
}

fn patroni(config: &Config, estate: &Estate) -> anyhow::Result<BTreeMap<ClusterId, Patroni>> {
    let run_by_it = estate.clusters.iter().filter(|cluster| cluster.manager == Manager::Patroni);
    let adapter = |cluster: &Cluster| anyhow::Ok((cluster.id.clone(), Patroni::new(cluster, config.patroni.get(&cluster.id))?));
    run_by_it.map(adapter).collect()
}

fn monitoring(config: &Config, estate: &Estate) -> anyhow::Result<BTreeMap<MonitoringId, Alertmanager>> {
    let adapter = |declared: &Monitoring| {
        let adapter = Alertmanager::new(declared, config).with_context(|| format!("the monitoring {}", declared.id))?;
        anyhow::Ok((declared.id.clone(), adapter))
    };
    estate.monitoring.iter().map(adapter).collect()
}

fn hooks(config: &Config, estate: &Estate) -> anyhow::Result<BTreeMap<HookId, HookLines>> {
    let lines = |hook: &Hook| {
        let Some(lines) = config.hook.get(&hook.id) else {
            bail!("the estate has the hook {0}, and the configuration no [hook.{0}] with what it runs", hook.id);
        };
        for (wanted, line, what) in [(hook.before, &lines.before, "before"), (hook.after, &lines.after, "after")] {
            if wanted && line.is_none() {
                bail!("[hook.{}] says nothing about `{what}`; name a program there, or set `{what} = false` in the estate", hook.id);
            }
        }
        anyhow::Ok((hook.id.clone(), lines.clone()))
    };
    estate.hooks.iter().map(lines).collect()
}

struct Login {
    database: String,
    user: String,
    password: Option<String>,
    /// Towards the nodes, and through the router.
    tls: Option<(Tls, Tls)>,
}

impl Login {
    fn read(config: &Config, cluster: &Cluster) -> anyhow::Result<Self> {
        let Some(login) = config.database.get(&cluster.id) else {
            bail!("the configuration has no [database.{}] with user and password_file, so the cluster cannot be watched", cluster.id);
        };
        let section = || format!("[database.{}]", cluster.id);
        let (password, tls) = (login.password().with_context(section)?, login.encryption().with_context(section)?);
        Ok(Self { database: cluster.database.clone(), user: login.user.clone(), password, tls })
    }
    fn at(&self, host: &str, port: u16) -> Address {
        self.address(host, port, self.tls.as_ref().map(|(nodes, _)| nodes))
    }
    fn through_router(&self, host: &str, port: u16) -> Address {
        self.address(host, port, self.tls.as_ref().map(|(_, router)| router))
    }
    fn address(&self, host: &str, port: u16, tls: Option<&Tls>) -> Address {
        let (database, user, password) = (self.database.clone(), self.user.clone(), self.password.clone());
        Address { host: host.to_owned(), port, database, user, password, tls: tls.cloned() }
    }
}

fn agents(config: &Config, estate: &Estate) -> anyhow::Result<BTreeMap<RegionId, Agent>> {
    let mut agents = BTreeMap::new();
    for region in &estate.regions {
        if let Some(base) = &region.agent {
            let Some(file) = &config.agent_token_file else {
                bail!("{} has a host agent, but the configuration names no agent_token_file", region.id);
            };
            agents.insert(region.id.clone(), Agent::new(base, read_secret(file)?)?);
        }
    }
    Ok(agents)
}
