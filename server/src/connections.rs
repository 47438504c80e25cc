//! How to reach each part of the estate, put together once from estate and configuration. Watchers and the executor share
//! it, so that what is watched is what is acted on.

use crate::{
    config::{Config, read_secret},
    connect::{agent::Agent, haproxy::Haproxy, postgres::Address, probe::Target},
};
use anyhow::{Context, bail};
use engine::{
    estate::{Cluster, Estate},
    id::{ClusterId, NodeId, RegionId},
};
use std::{collections::BTreeMap, path::PathBuf};

/// See the module.
pub struct Connections {
    pub nodes: BTreeMap<(ClusterId, NodeId), Address>,
    pub agents: BTreeMap<RegionId, Agent>,
    pub routers: BTreeMap<ClusterId, Router>,
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
    /// A cluster without credentials, an unreadable secret, a malformed address.
    pub fn new(config: &Config, estate: &Estate) -> anyhow::Result<Self> {
        let (mut nodes, mut routers) = (BTreeMap::new(), BTreeMap::new());
        for cluster in &estate.clusters {
            let login = Login::read(config, cluster)?;
            for node in &cluster.nodes {
                nodes.insert((cluster.id.clone(), node.id.clone()), login.at(&node.host, node.port));
            }
            if let Some(router) = &cluster.router {
                let (host, port) = router
                    .address
                    .rsplit_once(':')
                    .with_context(|| format!("the router address “{}” of {} is not host:port", router.address, cluster.id))?;
                let port = port.parse().with_context(|| format!("the router address “{}” of {} has no valid port", router.address, cluster.id))?;
                let control = Haproxy { socket: PathBuf::from(&router.socket), backend: router.backend.clone() };
                routers.insert(cluster.id.clone(), Router { control, clients: login.at(host, port) });
            }
        }
        for service in &estate.services {
            for endpoint in &service.endpoints {
                Target::parse(&endpoint.target).with_context(|| format!("the endpoint of {} in {}", service.id, endpoint.region))?;
            }
        }
        Ok(Self { nodes, agents: agents(config, estate)?, routers })
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

struct Login {
    database: String,
    user: String,
    password: String,
}

impl Login {
    fn read(config: &Config, cluster: &Cluster) -> anyhow::Result<Self> {
        let Some(login) = config.database.get(&cluster.id) else {
            bail!("the configuration has no [database.{}] with user and password_file, so the cluster cannot be watched", cluster.id);
        };
        Ok(Self { database: cluster.database.clone(), user: login.user.clone(), password: read_secret(&login.password_file)? })
    }
    fn at(&self, host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port, database: self.database.clone(), user: self.user.clone(), password: self.password.clone() }
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
