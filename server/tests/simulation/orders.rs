//! What the product can order, and what becomes of an order where it arrives. The same order may arrive late, twice, or after
//! another one that was sent later.

use crate::{
    postgres::Life,
    world::{Place, World},
};
use engine::{
    failover::Mode,
    id::{ClusterId, NodeId, OperationId, RegionId, ServiceId},
    time::{Instant, Span},
};
use server::agent::orders::Stamp;
use std::collections::BTreeSet;

/// One thing that is done to the world.
#[derive(Debug, Clone)]
pub enum Order {
    Stop { node: NodeId },
    Kill { node: NodeId },
    Start { node: NodeId },
    Follow { node: NodeId, upstream: NodeId },
    Rewind { node: NodeId, from: NodeId },
    Promote { node: NodeId, start: u32, until: Instant },
    Route { open: Option<NodeId> },
    Send { service: ServiceId, to: BTreeSet<RegionId> },
}

/// An order on its way.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub operation: OperationId,
    pub mode: Mode,
    /// The cluster it is about; absent where it is about clients of a service.
    pub cluster: Option<ClusterId>,
    pub order: Order,
    /// What the agent of a host is told beside it.
    pub stamp: Option<Stamp>,
}

/// What came of an order.
pub struct Effect {
    pub said: Result<String, String>,
    pub changed: bool,
}

impl Effect {
    fn done(said: impl Into<String>) -> Self {
        Self { said: Ok(said.into()), changed: true }
    }
    fn nothing(said: impl Into<String>) -> Self {
        Self { said: Ok(said.into()), changed: false }
    }
    fn no(why: impl Into<String>) -> Self {
        Self { said: Err(why.into()), changed: false }
    }
}

impl World {
    /// An order arrives. `heeds` is whether agents look at the stamp; they always do, but for a test of this simulation.
    pub fn carry_out(&mut self, parcel: &Parcel, heeds: bool, now: Instant) -> Effect {
        let Some(cluster) = &parcel.cluster else {
            return match &parcel.order {
                Order::Send { service, to } => self.send(service, to),
                _ => Effect::no("not an order about clients"),
            };
        };
        if let Some((stamp, node)) = parcel.stamp.as_ref().zip(parcel.order.node()) {
            let region = self.node(cluster, node).region.clone();
            let host = &self.hosts[&region];
            if host.dark || host.agent_gone {
                return Effect::no("no answer");
            }
            if let Err(late) = host.orders.admit(node.as_str(), stamp, now).map(|_| ())
                && heeds
            {
                return Effect::no(late.to_string());
            }
        }
        match &parcel.order {
            Order::Stop { node } => self.stop(cluster, node),
            Order::Kill { node } => self.kill(cluster, node),
            Order::Start { node } => self.start(cluster, node),
            Order::Follow { node, upstream } => self.follow(cluster, node, upstream),
            Order::Rewind { node, from } => self.rewind(cluster, node, from),
            Order::Promote { node, start, until } => self.promote(cluster, node, *start, now < *until || !heeds),
            Order::Route { open } => self.route(cluster, open.as_ref()),
            Order::Send { service, to } => self.send(service, to),
        }
    }

    /// A shutdown sends the last of the log to the standbys that stream.
    fn stop(&mut self, cluster: &ClusterId, node: &NodeId) -> Effect {
        // The agent writes its mark before anything else.
        let fenced = std::mem::replace(&mut self.node_mut(cluster, node).fenced, true);
        match self.node(cluster, node).life {
            Life::Hung => return Effect { changed: !fenced, ..Effect::no(format!("{node} hangs")) },
            Life::Gone if self.node(cluster, node).clean => return Effect { changed: !fenced, ..Effect::nothing("shut down") },
            Life::Gone => return Effect { changed: !fenced, ..Effect::no(format!("{node} was not running, and did not end cleanly")) },
            Life::Up => {}
        }
        let others: Vec<NodeId> = self.cluster(cluster).nodes.keys().filter(|other| *other != node).cloned().collect();
        for other in others.iter().filter(|other| self.streams(cluster, other).as_ref() == Some(node)).cloned().collect::<Vec<_>>() {
            self.send_wal(cluster, &other, u64::MAX);
        }
        let own = self.node_mut(cluster, node);
        (own.life, own.clean) = (Life::Gone, true);
        Effect::done("shut down")
    }

    fn kill(&mut self, cluster: &ClusterId, node: &NodeId) -> Effect {
        let own = self.node_mut(cluster, node);
        let changed = own.life != Life::Gone || !own.fenced;
        if own.life != Life::Gone {
            (own.life, own.clean) = (Life::Gone, false);
        }
        own.fenced = true;
        Effect { said: Ok("its processes are gone".to_owned()), changed }
    }

    fn start(&mut self, cluster: &ClusterId, node: &NodeId) -> Effect {
        let own = self.node_mut(cluster, node);
        let fenced = std::mem::take(&mut own.fenced);
        match own.life {
            Life::Hung => Effect { changed: fenced, ..Effect::no(format!("{node} hangs")) },
            Life::Up => Effect { changed: fenced, ..Effect::nothing("it was running") },
            Life::Gone => {
                own.start();
                Effect::done("it runs again")
            }
        }
    }

    fn follow(&mut self, cluster: &ClusterId, node: &NodeId, upstream: &NodeId) -> Effect {
        let own = self.node_mut(cluster, node);
        if own.life != Life::Gone && !own.recovery {
            return Effect::no(format!("{node} runs as a primary"));
        }
        if own.life == Life::Hung {
            return Effect::no(format!("{node} hangs"));
        }
        let changed = !own.recovery || own.life == Life::Gone || own.upstream.as_ref() != Some(upstream);
        (own.recovery, own.fenced, own.excused, own.waits, own.upstream) = (true, false, false, false, Some(upstream.clone()));
        if own.life == Life::Gone {
            own.start();
            own.refuses = false;
        }
        Effect { said: Ok("it follows".to_owned()), changed }
    }

    fn rewind(&mut self, cluster: &ClusterId, node: &NodeId, from: &NodeId) -> Effect {
        let own = self.node(cluster, node);
        let source = self.node(cluster, from);
        if own.life != Life::Gone {
            return Effect::no(format!("{node} is not stopped"));
        }
        if !source.is_up() || !self.reaches_region(&Place::Region(own.region.clone()), &source.region) {
            return Effect::no(format!("{from} cannot be reached from {node}"));
        }
        let source = source.clone();
        let own = self.node_mut(cluster, node);
        let before = (own.history.clone(), own.recovery, own.fenced);
        own.rewind(&source);
        own.fenced = true;
        Effect { said: Ok("rewound".to_owned()), changed: before != (own.history.clone(), own.recovery, own.fenced) }
    }

    fn promote(&mut self, cluster: &ClusterId, node: &NodeId, start: u32, in_time: bool) -> Effect {
        let own = self.node(cluster, node);
        if own.life == Life::Gone || own.start != start {
            return Effect::no("the connection is closed");
        }
        if !own.recovery {
            return Effect::nothing("promoted already");
        }
        if !in_time || own.life == Life::Hung {
            return Effect::no("not promoted in time");
        }
        self.cluster_mut(cluster).branches += 1;
        let branch = self.cluster(cluster).branches;
        self.node_mut(cluster, node).promote(branch);
        Effect::done("promoted")
    }

    fn route(&mut self, cluster: &ClusterId, open: Option<&NodeId>) -> Effect {
        let cluster = self.cluster_mut(cluster);
        if cluster.router_silent {
            return Effect::no("the router does not answer");
        }
        let route: BTreeSet<NodeId> = open.into_iter().cloned().collect();
        let changed = cluster.route != route;
        cluster.route = route;
        Effect { said: Ok("the router says so".to_owned()), changed }
    }

    fn send(&mut self, service: &ServiceId, to: &BTreeSet<RegionId>) -> Effect {
        let control = self.controls.get_mut(service).expect("a declared service");
        if control.silent {
            return Effect::no("what sends the clients does not answer");
        }
        let changed = control.on != *to;
        control.on.clone_from(to);
        Effect { said: Ok("it says so".to_owned()), changed }
    }
}

impl Order {
    pub fn node(&self) -> Option<&NodeId> {
        match self {
            Order::Stop { node }
            | Order::Kill { node }
            | Order::Start { node }
            | Order::Follow { node, .. }
            | Order::Rewind { node, .. }
            | Order::Promote { node, .. } => Some(node),
            Order::Route { .. } | Order::Send { .. } => None,
        }
    }
}

/// What is put beside an order for the agent that said what time it was, and since when it runs.
pub fn stamp(number: u64, since: Instant, said: Instant, timeout: Span) -> Stamp {
    Stamp { number: Some(number), since, not_after: said + timeout.as_delta() }
}
