//! The simulated platform: servers, services, what sends clients, and the networks between them. It does what it is told and
//! what befalls it; what the product knows of it is another matter.

use crate::{
    dice::Dice,
    platform::{EAST, EU, WEST},
    postgres::{Life, Node},
};
use engine::{
    databases::{Lsn, NodeReading, NodeRole, Peer},
    estate::{Estate, StrategyKind},
    id::{ClusterId, NodeId, PoolerId, RegionId, ServiceId},
    time::Instant,
};
use server::agent::orders::Orders;
use std::collections::{BTreeMap, BTreeSet};

/// Where something is. What sends clients stands beside the dashboard, on a network of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Dashboard,
    Routers,
    Region(RegionId),
}

/// How a service is in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Well,
    Complains,
    Down,
}

/// What a node's probes say whatever is so.
#[derive(Debug, Clone)]
pub enum Lie {
    /// The last thing it said, again and again, though it may be dead: something in between answers in its place.
    Healthy(Option<Box<NodeReading>>),
    /// It is refused, though it is well.
    Dead,
}

/// A region's host.
#[derive(Debug)]
pub struct Host {
    pub dark: bool,
    pub agent_gone: bool,
    /// What the agent remembers of the orders it carried out: the product's own code.
    pub orders: Orders,
}

impl Host {
    fn new(now: Instant) -> Self {
        Self { dark: false, agent_gone: false, orders: Orders::since(now) }
    }
    /// The agent starts anew, with nothing in mind.
    pub fn restart_agent(&mut self, now: Instant) {
        *self = Self { dark: self.dark, ..Self::new(now) };
    }
}

/// One cluster with what sends clients to its nodes.
pub struct Cluster {
    pub nodes: BTreeMap<NodeId, Node>,
    pub route: BTreeSet<NodeId>,
    pub router_silent: bool,
    /// Whether any one standby confirms a commit, or only the first of them that streams.
    pub quorum: bool,
    /// Up to where commits were acknowledged to clients, by branch.
    pub acknowledged: BTreeMap<u32, u64>,
    pub branches: u32,
    /// The region of each pooler before the router, and until when its clients wait. Its agent ends that, also one that was started anew.
    pub poolers: BTreeMap<PoolerId, (RegionId, Option<Instant>)>,
    /// Since something was said of it that was not so, a loss is not held against the product.
    pub lied_about: bool,
}

/// What sends the clients of one service.
#[derive(Debug, Clone, Default)]
pub struct Control {
    pub on: BTreeSet<RegionId>,
    pub silent: bool,
}

/// See the module.
pub struct World {
    pub hosts: BTreeMap<RegionId, Host>,
    pub cut: BTreeSet<(Place, Place)>,
    pub clusters: BTreeMap<ClusterId, Cluster>,
    pub services: BTreeMap<(ServiceId, RegionId), Service>,
    pub controls: BTreeMap<ServiceId, Control>,
    pub lies: BTreeMap<NodeId, Lie>,
    /// When something outside of the product last touched a thing, by its name.
    pub touched: BTreeMap<String, Instant>,
}

impl World {
    pub fn new(estate: &Estate, dice: &mut Dice, begins: Instant) -> Self {
        let region = |name: &str| name.parse::<RegionId>().expect("a region's name");
        let mut clusters = BTreeMap::new();
        for cluster in &estate.clusters {
            // The cluster of two waits for its standby more often: only there a router and a standby can fence.
            let waits = if cluster.nodes.len() == 2 { dice.permille(700) } else { dice.permille(400) };
            let primary = cluster.nodes.first().map(|node| node.id.clone()).expect("a cluster has nodes");
            let nodes = cluster.nodes.iter().map(|node| {
                let is_first = node.id == primary;
                let made = if is_first { Node::primary(node.region.clone(), waits) } else { Node::standby(node.region.clone(), primary.clone()) };
                (node.id.clone(), made)
            });
            let made = Cluster {
                nodes: nodes.collect(),
                route: [primary.clone()].into(),
                router_silent: false,
                quorum: dice.one_in(2),
                acknowledged: BTreeMap::new(),
                branches: 1,
                poolers: cluster.poolers.iter().map(|pooler| (pooler.id.clone(), (pooler.region.clone(), None))).collect(),
                lied_about: false,
            };
            clusters.insert(cluster.id.clone(), made);
        }
        let controls = estate.services.iter().filter(|service| service.traffic.is_some()).map(|service| {
            let rotates = estate.strategy_of(service).is_some_and(|strategy| strategy.kind == StrategyKind::ActiveActive);
            let on = if rotates { [EAST, WEST, EU].map(region).into() } else { [region(EAST)].into() };
            (service.id.clone(), Control { on, silent: false })
        });
        let endpoints =
            estate.services.iter().flat_map(|service| service.endpoints.iter().map(|endpoint| (service.id.clone(), endpoint.region.clone())));
        Self {
            hosts: estate.regions.iter().map(|region| (region.id.clone(), Host::new(begins))).collect(),
            cut: BTreeSet::new(),
            clusters,
            services: endpoints.map(|endpoint| (endpoint, Service::Well)).collect(),
            controls: controls.collect(),
            lies: BTreeMap::new(),
            touched: BTreeMap::new(),
        }
    }

    /// Whether the network between two places is whole.
    pub fn reaches(&self, one: &Place, other: &Place) -> bool {
        if self.cut.is_empty() {
            return true;
        }
        let pair = if one <= other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) };
        one == other || !self.cut.contains(&pair)
    }
    pub fn reaches_region(&self, from: &Place, region: &RegionId) -> bool {
        self.reaches(from, &Place::Region(region.clone())) && !self.hosts[region].dark
    }
    pub fn cluster(&self, id: &ClusterId) -> &Cluster {
        &self.clusters[id]
    }
    pub fn cluster_mut(&mut self, id: &ClusterId) -> &mut Cluster {
        self.clusters.get_mut(id).expect("a declared cluster")
    }
    pub fn node(&self, cluster: &ClusterId, node: &NodeId) -> &Node {
        &self.clusters[cluster].nodes[node]
    }
    pub fn node_mut(&mut self, cluster: &ClusterId, node: &NodeId) -> &mut Node {
        self.cluster_mut(cluster).nodes.get_mut(node).expect("a declared node")
    }
    /// Whether somebody at the dashboard may ask the agent beside a pooler.
    pub fn hears_of_pooler(&self, cluster: &ClusterId, pooler: &PoolerId) -> bool {
        let (region, _) = &self.cluster(cluster).poolers[pooler];
        self.reaches_region(&Place::Dashboard, region) && !self.hosts[region].agent_gone
    }
    /// Whether clients of a pooler wait.
    pub fn keeps_waiting(&self, cluster: &ClusterId, pooler: &PoolerId, now: Instant) -> bool {
        self.cluster(cluster).poolers[pooler].1.is_some_and(|until| until > now)
    }
    pub fn touch(&mut self, what: &impl ToString, now: Instant) {
        self.touched.insert(what.to_string(), now);
    }
    /// Whether nothing outside of the product touched it since.
    pub fn is_untouched(&self, what: &impl ToString, since: Instant) -> bool {
        self.touched.get(&what.to_string()).is_none_or(|at| *at < since)
    }

    /// Whether `node` receives from whom it follows now.
    pub fn streams(&self, cluster: &ClusterId, node: &NodeId) -> Option<NodeId> {
        let nodes = &self.cluster(cluster).nodes;
        let own = nodes.get(node).filter(|own| own.is_up() && own.recovery)?;
        let upstream = own.upstream.as_ref()?;
        let other = nodes.get(upstream).filter(|other| other.is_up())?;
        let between = Place::Region(own.region.clone());
        (upstream != node && self.reaches_region(&between, &other.region) && own.is_behind(other)).then(|| upstream.clone())
    }
    fn streaming_from(&self, cluster: &ClusterId, primary: &NodeId) -> Vec<NodeId> {
        let nodes = self.cluster(cluster).nodes.keys();
        nodes.filter(|node| self.streams(cluster, node).as_ref() == Some(primary)).cloned().collect()
    }
    /// Whether it would tell a client that a commit is safe, however the client came to it. One that hangs would, once it goes on;
    /// one that was not stopped by anybody would, once its service manager starts it.
    pub fn may_acknowledge(&self, cluster: &ClusterId, node: &NodeId) -> bool {
        let own = self.node(cluster, node);
        let would = match own.life {
            Life::Up | Life::Hung => true,
            Life::Gone => !own.fenced && !own.clean,
        };
        would && !own.recovery && (!own.waits || !self.streaming_from(cluster, node).is_empty())
    }
    pub fn acknowledges(&self, cluster: &ClusterId, node: &NodeId) -> bool {
        self.node(cluster, node).is_up() && self.may_acknowledge(cluster, node)
    }
    /// Every node that would acknowledge writes because of the product.
    pub fn writers(&self, cluster: &ClusterId) -> Vec<NodeId> {
        let nodes = self.cluster(cluster).nodes.iter().filter(|(_, node)| !node.excused && !node.refuses);
        nodes.map(|(id, _)| id).filter(|id| self.may_acknowledge(cluster, id)).cloned().collect()
    }

    /// Half a second of writes and of replication. Some clients come through the router, some past it.
    pub fn tick(&mut self, dice: &mut Dice) {
        let ids: Vec<ClusterId> = self.clusters.keys().cloned().collect();
        for id in ids {
            self.write(&id, dice);
            self.replicate(&id, dice);
        }
    }

    fn write(&mut self, id: &ClusterId, dice: &mut Dice) {
        let up = |(node, own): (&NodeId, &Node)| (own.is_up() && !own.recovery && !own.refuses).then(|| node.clone());
        let primaries: Vec<NodeId> = self.cluster(id).nodes.iter().filter_map(up).collect();
        for primary in primaries {
            let bytes = dice.between(1, 400);
            self.node_mut(id, &primary).write(bytes);
            let standbys = self.streaming_from(id, &primary);
            let confirms = if self.cluster(id).quorum { dice.any(standbys) } else { standbys.into_iter().next_back() };
            if let Some(standby) = &confirms {
                let leading = self.node(id, &primary).clone();
                self.node_mut(id, standby).follow_up(&leading, u64::MAX);
            }
            let own = self.node(id, &primary);
            if (!own.waits || confirms.is_some()) && !own.excused {
                let end = own.end();
                self.cluster_mut(id).acknowledged.insert(end.branch, end.upto);
            }
        }
    }

    fn replicate(&mut self, id: &ClusterId, dice: &mut Dice) {
        let nodes: Vec<NodeId> = self.cluster(id).nodes.keys().cloned().collect();
        for node in nodes {
            let bytes = if dice.one_in(4) { dice.up_to(200) } else { u64::MAX };
            self.send_wal(id, &node, bytes);
        }
    }

    /// Sends a node what it lacks, as far as it streams.
    pub fn send_wal(&mut self, id: &ClusterId, node: &NodeId, bytes: u64) {
        if let Some(upstream) = self.streams(id, node) {
            if self.node(id, &upstream).end() == self.node(id, node).end() {
                return;
            }
            let leading = self.node(id, &upstream).clone();
            self.node_mut(id, node).follow_up(&leading, bytes);
        }
    }

    /// What a look at a node from the dashboard finds, whatever lies in between.
    pub fn read(&self, id: &ClusterId, node: &NodeId, at: Instant) -> Result<NodeReading, String> {
        let own = self.node(id, node);
        if !self.reaches_region(&Place::Dashboard, &own.region) {
            return Err("timed out".to_owned());
        }
        match own.life {
            Life::Up => Ok(self.reading(id, node, own, at)),
            Life::Hung => Err("timed out".to_owned()),
            Life::Gone => Err("connection refused".to_owned()),
        }
    }

    fn reading(&self, id: &ClusterId, node: &NodeId, own: &Node, at: Instant) -> NodeReading {
        let end = own.end();
        let position = Lsn(end.upto);
        let role = if own.recovery {
            let streaming_from = self.streams(id, node).map(|upstream| upstream.to_string());
            NodeRole::Standby { received: position, replayed: position, streaming_from, since_last_commit: None, delayed: false }
        } else {
            let standbys = self.streaming_from(id, node);
            let quorum = self.cluster(id).quorum;
            let peers = standbys.iter().enumerate().map(|(place, standby)| Peer {
                name: standby.to_string(),
                streaming: true,
                synchronous: own.waits && (quorum || place + 1 == standbys.len()),
                flushed: Some(Lsn(self.node(id, standby).end().upto)),
                replayed: Some(Lsn(self.node(id, standby).end().upto)),
                replay_lag: None,
            });
            NodeRole::Primary { flushed: position, peers: peers.collect() }
        };
        NodeReading {
            at,
            role,
            system_identifier: id.to_string(),
            timeline: end.timeline,
            version: "15.18".to_owned(),
            read_only: own.refuses,
            connections: 5,
            connections_max: 100,
            manager_seen: None,
            waits_for: None,
            cascade: Vec::new(),
        }
    }

    /// How a service answers from the dashboard.
    pub fn answer(&self, service: &ServiceId, region: &RegionId) -> Result<Service, String> {
        if !self.reaches_region(&Place::Dashboard, region) {
            return Err("timed out".to_owned());
        }
        match self.services.get(&(service.clone(), region.clone())) {
            Some(Service::Down) | None => Err("connection refused".to_owned()),
            Some(answer) => Ok(*answer),
        }
    }
    /// How a client of a service is served now, and from where.
    pub fn serve(&self, service: &ServiceId, dice: &mut Dice) -> Result<RegionId, String> {
        let control = &self.controls[service];
        let region = dice.any(control.on.iter().cloned().collect()).ok_or("clients are sent nowhere")?;
        if !self.reaches_region(&Place::Routers, &region) {
            return Err(format!("{region} cannot be reached"));
        }
        match self.services.get(&(service.clone(), region.clone())) {
            Some(Service::Well) => Ok(region),
            _ => Err(format!("{region} does not answer well")),
        }
    }
}
