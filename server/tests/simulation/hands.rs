//! The hands of the real executor: each action as the product's own hands do it, over a network and hosts that do not always do
//! as they are told, or do it late, or twice, or do not say so.

mod clients;
mod poolers;

use crate::{
    harm::Harm,
    laws::Laws,
    ledger::Pen,
    orders::{Order, Parcel, stamp},
    postgres::Life,
    stage::Stage,
    world::Place,
};
use anyhow::{Context, bail, ensure};
use engine::{
    databases::{NodeReading, NodeRole},
    failover::{Action, FenceMeans, Measured, Mode, Operation},
    id::{ClusterId, NodeId},
    time::Span,
};
use server::{
    agent::orders,
    run::{
        commit,
        needs::{Done, Hands},
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

/// How often a condition is looked at.
const CALM: Duration = Duration::from_millis(500);

fn left_of(timeout: Span, began: tokio::time::Instant) -> Span {
    Span::from_millis(timeout.as_millis().saturating_sub(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

/// One operation's hands.
pub struct Played {
    pub pen: Arc<Pen>,
    /// How many orders were made so far.
    pub ordered: AtomicU16,
}

/// What becomes of one order on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    Refused,
    Lost,
    AnswerLost,
    SaidToHaveFailed,
    Slow,
    Late,
    Twice,
}

impl Hands for Played {
    async fn perform(&mut self, action: &Action, operation: &Operation, timeout: Span) -> anyhow::Result<Done> {
        self.pen.unless_killed().await;
        Laws::begins(&self.pen.stage, action, operation);
        if operation.plan.mode() == Mode::Test && action.changes_routing() {
            bail!("a test may not change where clients are sent");
        }
        let done = self.act(action, operation, timeout).await;
        // Killed when it was done, and nobody knows yet.
        if self.pen.stage.dice().permille(4) {
            self.pen.stage.crash("when a step was done and not yet recorded");
        }
        self.pen.unless_killed().await;
        done
    }
}

impl Played {
    fn stage(&self) -> &Arc<Stage> {
        &self.pen.stage
    }

    async fn act(&self, action: &Action, operation: &Operation, timeout: Span) -> anyhow::Result<Done> {
        match action {
            Action::CheckRegions { service, regions } => return self.check_regions(service, regions).await,
            Action::CheckData { clusters, .. } => return self.check_data(clusters).await,
            Action::SendClients { service, to } => return self.send_clients(operation, service, to, timeout).await,
            Action::Rehearse { service, to } => return self.rehearse(operation, service, to).await,
            Action::ProveClients { service, to } => return self.prove_clients(operation, service, to).await,
            Action::AwaitCommit { service, from, .. } => return commit::await_commit(&*self.pen, operation, service, from).await,
            Action::RunHook { moment, .. } => return self.run_hook(operation, *moment).await,
            _ => {}
        }
        let scope = operation.plan.scope();
        let cluster = scope.cluster().context("not an operation on a database")?;
        match action {
            Action::CheckTarget { node } => {
                let reading = self.read(cluster, node).await?;
                ensure!(matches!(reading.role, NodeRole::Standby { .. }), "{node} is a primary already");
                Ok(Done::because(format!("{node} answers")))
            }
            Action::CloseRoute { .. } => self.route(operation, cluster, None).await,
            Action::OpenRoute { node } => self.route(operation, cluster, Some(node)).await,
            Action::StopNode { node } => {
                let said = self.tell_host(operation, cluster, Order::Stop { node: node.clone() }, timeout).await?;
                Ok(Done::because(said))
            }
            Action::StartNode { node } => {
                if self.stage().harm == Some(Harm::UndoLies) {
                    return Ok(Done::because("it runs again"));
                }
                let said = self.tell_host(operation, cluster, Order::Start { node: node.clone() }, timeout).await?;
                Ok(Done::because(said))
            }
            Action::CatchUp { source, target } => self.catch_up(cluster, source, target).await,
            Action::Fence { node, by } => self.fence(operation, cluster, node, by, timeout).await,
            Action::AllowWrites { node } => {
                self.read(cluster, node).await?;
                self.stage().world().node_mut(cluster, node).refuses = false;
                Ok(Done::because("it takes writes again"))
            }
            Action::HoldsAll { source, target, confirmed_by, .. } => self.holds_all(cluster, source, target, confirmed_by.as_deref()).await,
            Action::Promote { node } => self.promote(operation, cluster, node, timeout).await,
            Action::VerifyWritable { node } => {
                let reading = self.read(cluster, node).await?;
                ensure!(matches!(reading.role, NodeRole::Primary { .. }), "{node} is in recovery");
                Ok(Done::because(format!("{node} is writable")))
            }
            Action::ProveWrite { node } => self.prove_write(cluster, node).await,
            Action::Repoint { nodes, upstream } => {
                let (mut failed, began) = (Vec::new(), tokio::time::Instant::now());
                for node in nodes {
                    let left = left_of(timeout, began);
                    if let Err(error) = self.follow(operation, cluster, node, upstream, left).await {
                        failed.push(format!("{node}: {error:#}"));
                    }
                }
                ensure!(failed.is_empty(), "{}", failed.join("; "));
                Ok(Done::because("all were told"))
            }
            Action::MeasureLoss { source, target, timeline } => self.measure_loss(cluster, source, target, *timeline).await,
            Action::Checkpoint { node } => self.read(cluster, node).await.map(|_| Done::because("a checkpoint")),
            Action::Rewind { node, from } => {
                let order = Order::Rewind { node: node.clone(), from: from.clone() };
                self.tell_host(operation, cluster, order, timeout).await.map(Done::because)
            }
            Action::Follow { node, upstream } => self.follow(operation, cluster, node, upstream, timeout).await.map(Done::because),
            Action::ProveStreaming { nodes, upstream } => {
                for node in nodes {
                    while self.stage().world().streams(cluster, node).as_ref() != Some(upstream) || self.read(cluster, node).await.is_err() {
                        tokio::time::sleep(CALM).await;
                    }
                }
                Ok(Done::because("all stream"))
            }
            Action::PausePoolers { poolers, lasts } => self.tell_poolers(cluster, poolers, Some(*lasts)).await,
            Action::ResumePoolers { poolers } => self.tell_poolers(cluster, poolers, None).await,
            Action::ProvePoolers { poolers, node } => self.prove_poolers(cluster, poolers, node).await,
            other => bail!("not an action on a database: {other:?}"),
        }
    }

    async fn takes(&self, least: u64, most: u64) {
        let pause = self.stage().dice().between(least, most);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    async fn never(&self) -> anyhow::Error {
        // Longer than any step: the step's own limit ends the wait.
        tokio::time::sleep(Duration::from_secs(24 * 3_600)).await;
        anyhow::anyhow!("no answer")
    }

    async fn read(&self, cluster: &ClusterId, node: &NodeId) -> anyhow::Result<NodeReading> {
        self.takes(1, 20).await;
        let now = self.stage().now();
        let read = self.stage().world().read(cluster, node, now);
        if let Err(why) = &read {
            if why == "timed out" {
                self.takes(5_000, 5_000).await;
            }
            bail!("{node} cannot be read: {why}");
        }
        read.map_err(anyhow::Error::msg)
    }

    fn fate(&self) -> Fate {
        let mut dice = self.stage().dice();
        match dice.up_to(999) {
            0..=29 => Fate::Refused,
            30..=49 => Fate::Lost,
            50..=69 => Fate::AnswerLost,
            70..=79 => Fate::SaidToHaveFailed,
            80..=109 => Fate::Slow,
            110..=149 => Fate::Late,
            150..=189 => Fate::Twice,
            _ => Fate::Arrives,
        }
    }

    /// An order that has left arrives whatever becomes of the server that sent it.
    fn arrives_after(&self, parcel: &Parcel, pause: Span) {
        let (stage, parcel) = (self.stage().clone(), parcel.clone());
        tokio::spawn(async move {
            tokio::time::sleep(pause.as_std()).await;
            stage.deliver(&parcel);
        });
    }

    async fn send(&self, parcel: Parcel, timeout: Span) -> anyhow::Result<String> {
        let fate = self.fate();
        if fate != Fate::Arrives {
            self.stage().count(format!("order {fate:?}").to_lowercase());
            self.stage().note(|| format!("     {:?} of {}: {fate:?}", parcel.order, parcel.operation.short()));
        }
        match fate {
            Fate::Arrives => self.takes(1, 400).await,
            Fate::Refused => bail!("connection refused"),
            Fate::Lost => return Err(self.never().await),
            Fate::AnswerLost | Fate::SaidToHaveFailed => {
                self.takes(1, 400).await;
                self.stage().deliver(&parcel).said.map_err(anyhow::Error::msg)?;
                if fate == Fate::SaidToHaveFailed {
                    bail!("the connection was reset");
                }
                return Err(self.never().await);
            }
            Fate::Slow => self.takes(timeout.as_millis() / 2, timeout.as_millis().saturating_sub(1_000)).await,
            Fate::Late => {
                let pause = self.stage().dice().millis(1_000, 240_000);
                self.arrives_after(&parcel, pause);
                return Err(self.never().await);
            }
            Fate::Twice => {
                let pause = self.stage().dice().millis(0, 60_000);
                self.arrives_after(&parcel, pause);
                self.takes(1, 400).await;
            }
        }
        self.pen.unless_killed().await;
        let effect = self.stage().deliver(&parcel);
        self.takes(1, 100).await;
        effect.said.map_err(anyhow::Error::msg)
    }

    /// To the agent on a node's host, which is asked first what time it is there.
    async fn tell_host(&self, operation: &Operation, cluster: &ClusterId, order: Order, timeout: Span) -> anyhow::Result<String> {
        let node = order.node().context("an order about no node")?.clone();
        let began = tokio::time::Instant::now();
        self.takes(1, 50).await;
        let heard = {
            let world = self.stage().world();
            let region = &world.node(cluster, &node).region;
            let host = &world.hosts[region];
            (world.reaches_region(&Place::Dashboard, region) && !host.agent_gone).then(|| host.orders.begun())
        };
        let Some(since) = heard else {
            self.takes(2_000, 2_000).await;
            bail!("the agent gives no answer");
        };
        let ordered = self.ordered.fetch_add(1, Ordering::Relaxed);
        let (number, said) = (orders::number(self.stage().records().seq, ordered), self.stage().now());
        let stamp = Some(stamp(number, since, said, left_of(timeout, began)));
        let parcel = Parcel { operation: operation.id, mode: operation.mode(), cluster: Some(cluster.clone()), order, stamp };
        self.send(parcel, timeout).await
    }

    async fn route(&self, operation: &Operation, cluster: &ClusterId, open: Option<&NodeId>) -> anyhow::Result<Done> {
        let order = Order::Route { open: open.cloned() };
        if open.is_some() && self.stage().harm == Some(Harm::UndoLies) {
            return Ok(Done::because("the router says so"));
        }
        let parcel = Parcel { operation: operation.id, mode: operation.mode(), cluster: Some(cluster.clone()), order, stamp: None };
        self.over_a_socket(parcel).await.map(Done::because)
    }

    /// To something on the dashboard's own machine: nothing lies on the way, so an order is done while its caller waits, or never.
    async fn over_a_socket(&self, parcel: Parcel) -> anyhow::Result<String> {
        let fate = self.fate();
        match fate {
            Fate::Refused => bail!("its socket is not there"),
            Fate::Lost => return Err(self.never().await),
            Fate::Slow => self.takes(1_000, 6_000).await,
            _ => self.takes(1, 30).await,
        }
        self.pen.unless_killed().await;
        let said = self.stage().deliver(&parcel).said.map_err(anyhow::Error::msg)?;
        match fate {
            Fate::AnswerLost => Err(self.never().await),
            Fate::SaidToHaveFailed => bail!("its socket broke off"),
            _ => Ok(said),
        }
    }

    async fn catch_up(&self, cluster: &ClusterId, source: &NodeId, target: &NodeId) -> anyhow::Result<Done> {
        self.takes(1, 50).await;
        let none = Measured::nothing_lost();
        if self.stage().harm == Some(Harm::CatchUpLies) {
            return Ok(Done { said: "it holds every byte".to_owned(), loss: Some(none) });
        }
        let (heard, own) = {
            let world = self.stage().world();
            let own = world.node(cluster, source).clone();
            (world.reaches_region(&Place::Dashboard, &own.region) && !world.hosts[&own.region].agent_gone, own)
        };
        ensure!(heard, "the agent gives no answer");
        ensure!(own.life == Life::Gone && own.clean, "{source} is not cleanly shut down");
        let end = own.end();
        loop {
            self.read(cluster, target).await?;
            if self.stage().world().node(cluster, target).holds(end.branch, end.upto) {
                return Ok(Done { said: "it holds every byte".to_owned(), loss: Some(none) });
            }
            tokio::time::sleep(CALM).await;
        }
    }

    /// A log that cannot be read proves nothing.
    async fn holds_all(&self, cluster: &ClusterId, source: &NodeId, target: &NodeId, others: Option<&[NodeId]>) -> anyhow::Result<Done> {
        self.takes(10, 200).await;
        let none = Measured::nothing_lost();
        if self.stage().harm == Some(Harm::LogLies) {
            return Ok(Done { said: "it holds every transaction".to_owned(), loss: Some(none) });
        }
        self.read(cluster, target).await?;
        for other in others.into_iter().flatten() {
            self.read(cluster, other).await?;
        }
        let world = self.stage().world();
        let own = world.node(cluster, source);
        let heard = world.reaches_region(&Place::Dashboard, &own.region) && !world.hosts[&own.region].agent_gone;
        ensure!(heard, "the agent gives no answer");
        ensure!(own.life == Life::Gone, "{source} runs");
        let end = own.end();
        let standby = world.node(cluster, target);
        let is_behind = |other: &NodeId| {
            let end = world.node(cluster, other).end();
            standby.holds(end.branch, end.upto)
        };
        let was_acknowledged = others.is_none_or(|others| !others.iter().all(is_behind));
        ensure!(standby.holds(end.branch, end.upto) || !was_acknowledged, "{target} lacks transactions of {source}");
        Ok(Done { said: "it holds every transaction".to_owned(), loss: Some(none) })
    }

    async fn fence(&self, operation: &Operation, cluster: &ClusterId, node: &NodeId, by: &FenceMeans, timeout: Span) -> anyhow::Result<Done> {
        match by {
            FenceMeans::HostAgent if self.stage().harm == Some(Harm::FenceLies) => Ok(Done::because("its processes are gone")),
            FenceMeans::HostAgent => self.tell_host(operation, cluster, Order::Kill { node: node.clone() }, timeout).await.map(Done::because),
            FenceMeans::RouterAndSynchronousStandby => {
                self.takes(1, 20).await;
                let world = self.stage().world();
                let cluster = world.cluster(cluster);
                ensure!(!cluster.router_silent, "the router does not answer");
                ensure!(cluster.route.is_empty(), "the router sends clients somewhere");
                Ok(Done::because("no client reaches it"))
            }
            FenceMeans::Command { .. } => anyhow::bail!("not simulated: no node here names a command"),
            FenceMeans::Lease => anyhow::bail!("not simulated: no cluster here has a lease"),
            FenceMeans::ReadOnly => self.refuse_writes(operation, cluster, node).await,
            FenceMeans::Overridden => Ok(Done::because("NOT PROVEN")),
        }
    }

    /// As the executor's own hands: refuses, then sends what it has.
    async fn refuse_writes(&self, operation: &Operation, cluster: &ClusterId, node: &NodeId) -> anyhow::Result<Done> {
        let reading = self.read(cluster, node).await?;
        ensure!(matches!(reading.role, NodeRole::Primary { .. }), "{node} is in recovery");
        self.stage().world().node_mut(cluster, node).refuses = true;
        let none = Measured { lost_bytes: Some(0), lost_transactions: Some(0), lost_span: Some(Span::ZERO), ..Measured::default() };
        let target = operation.plan.database().and_then(|change| change.target.clone()).context("no target")?;
        let end = self.stage().world().node(cluster, node).end();
        for _ in 0..20 {
            self.read(cluster, &target).await?;
            if self.stage().world().node(cluster, &target).holds(end.branch, end.upto) {
                self.stage().count("fences by refusing writes");
                return Ok(Done { said: "it refuses writes".to_owned(), loss: Some(none) });
            }
            tokio::time::sleep(CALM).await;
        }
        anyhow::bail!("{target} does not hold all of it")
    }

    async fn promote(&self, operation: &Operation, cluster: &ClusterId, node: &NodeId, timeout: Span) -> anyhow::Result<Done> {
        let began = tokio::time::Instant::now();
        let reading = self.read(cluster, node).await?;
        if matches!(reading.role, NodeRole::Primary { .. }) {
            return Ok(Done::because(format!("{node} is promoted already")));
        }
        if let Some(why) = operation.plan.database().and_then(|change| change.missed_by(reading.timeline)) {
            bail!("{node} is not promoted: {why}");
        }
        let start = self.stage().world().node(cluster, node).start;
        let order = Order::Promote { node: node.clone(), start, until: self.stage().now() + left_of(timeout, began).as_delta() };
        let parcel = Parcel { operation: operation.id, mode: operation.mode(), cluster: Some(cluster.clone()), order, stamp: None };
        self.send(parcel, timeout).await.map(Done::because)
    }

    async fn prove_write(&self, cluster: &ClusterId, node: &NodeId) -> anyhow::Result<Done> {
        loop {
            self.takes(1, 50).await;
            let found = {
                let world = self.stage().world();
                let route = &world.cluster(cluster).route;
                let at = route.iter().next().filter(|_| route.len() == 1).cloned();
                at.filter(|at| world.acknowledges(cluster, at) && world.reaches_region(&Place::Routers, &world.node(cluster, at).region))
            };
            match found {
                Some(at) if at == *node => return Ok(Done::because(format!("a row was written and read back on {node}"))),
                Some(at) => bail!("clients reach {at}"),
                None => tokio::time::sleep(CALM).await,
            }
        }
    }

    async fn follow(&self, operation: &Operation, cluster: &ClusterId, node: &NodeId, upstream: &NodeId, timeout: Span) -> anyhow::Result<String> {
        self.read(cluster, upstream).await?;
        self.tell_host(operation, cluster, Order::Follow { node: node.clone(), upstream: upstream.clone() }, timeout).await
    }

    async fn measure_loss(&self, cluster: &ClusterId, source: &NodeId, target: &NodeId, timeline: u32) -> anyhow::Result<Done> {
        self.read(cluster, target).await?;
        let world = self.stage().world();
        let (own, other) = (world.node(cluster, source), world.node(cluster, target));
        ensure!(own.life == Life::Gone, "{source} is not stopped");
        ensure!(world.reaches_region(&Place::Dashboard, &own.region) && !world.hosts[&own.region].agent_gone, "the agent gives no answer");
        let end = own.end();
        ensure!(end.timeline == timeline, "not measured: it wrote on another timeline since");
        let held = other.history.iter().find(|piece| piece.branch == end.branch).map_or(0, |piece| piece.upto);
        let lost = end.upto.saturating_sub(held);
        let measured = Measured { lost_bytes: Some(lost), lost_transactions: Some(u64::from(lost > 0)), ..Measured::default() };
        Ok(Done { said: format!("{lost} bytes are lost"), loss: Some(measured) })
    }
}
