//! The hands of the real executor: each action as the product's own hands do it, over a network and hosts that do not always do
//! as they are told, or do it late, or twice, or do not say so.

use crate::{
    harm::Harm,
    laws::Laws,
    ledger::Pen,
    orders::{Order, Parcel, stamp},
    postgres::Life,
    stage::Stage,
    world::{Place, Service},
};
use anyhow::{Context, bail, ensure};
use engine::{
    databases::{NodeReading, NodeRole},
    failover::{Action, FenceMeans, HookMoment, Measured, Mode, Operation},
    id::{ClusterId, NodeId, RegionId, ServiceId},
    time::Span,
};
use server::run::{
    commit,
    needs::{Done, Hands},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How often a condition is looked at.
const CALM: Duration = Duration::from_millis(500);

fn left_of(timeout: Span, began: tokio::time::Instant) -> Span {
    Span::from_millis(timeout.as_millis().saturating_sub(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

/// One operation's hands.
pub struct Played {
    pub pen: Arc<Pen>,
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
            Action::Fence { node, by } => self.fence(operation, cluster, node, *by, timeout).await,
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
            world.reaches_region(&Place::Dashboard, region) && !world.hosts[region].agent_gone
        };
        if !heard {
            self.takes(2_000, 2_000).await;
            bail!("the agent gives no answer");
        }
        let (number, said) = (self.stage().records().seq, self.stage().now());
        let stamp = Some(stamp(number, said, left_of(timeout, began)));
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
        let none = Measured { lost_bytes: Some(0), lost_transactions: Some(0), lost_span: Some(Span::ZERO), recovery_time: None };
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

    async fn fence(&self, operation: &Operation, cluster: &ClusterId, node: &NodeId, by: FenceMeans, timeout: Span) -> anyhow::Result<Done> {
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
            FenceMeans::Overridden => Ok(Done::because("NOT PROVEN")),
        }
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
        let now = self.read(cluster, target).await?.timeline;
        ensure!(now == timeline + 1, "not measured: there was another promotion in between");
        let world = self.stage().world();
        let (own, other) = (world.node(cluster, source), world.node(cluster, target));
        ensure!(own.life == Life::Gone, "{source} is not stopped");
        ensure!(world.reaches_region(&Place::Dashboard, &own.region) && !world.hosts[&own.region].agent_gone, "the agent gives no answer");
        let end = own.end();
        let held = other.history.iter().find(|piece| piece.branch == end.branch).map_or(0, |piece| piece.upto);
        let lost = end.upto.saturating_sub(held);
        let measured = Measured { recovery_time: None, lost_bytes: Some(lost), lost_transactions: Some(u64::from(lost > 0)), lost_span: None };
        Ok(Done { said: format!("{lost} bytes are lost"), loss: Some(measured) })
    }

    async fn check_regions(&self, service: &ServiceId, regions: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        self.takes(1, 50).await;
        for region in regions {
            let answer = self.stage().world().answer(service, region);
            ensure!(answer == Ok(Service::Well), "{service} does not answer well in {region}");
        }
        Ok(Done::because("they answer well"))
    }

    async fn check_data(&self, clusters: &[ClusterId]) -> anyhow::Result<Done> {
        self.takes(1, 50).await;
        let (world, now) = (self.stage().world(), self.stage().now());
        for cluster in clusters {
            let nodes = world.cluster(cluster).nodes.keys();
            let writable = nodes.filter(|node| matches!(world.read(cluster, node, now), Ok(NodeReading { role: NodeRole::Primary { .. }, .. })));
            ensure!(writable.count() == 1, "not exactly one node of {cluster} takes writes");
        }
        Ok(Done::because("the writes have a place"))
    }

    async fn send_clients(&self, operation: &Operation, service: &ServiceId, to: &BTreeSet<RegionId>, timeout: Span) -> anyhow::Result<Done> {
        if self.stage().harm == Some(Harm::MoveLies) {
            return Ok(Done::because("it says so"));
        }
        let last_try = tokio::time::Instant::now() + timeout.as_std().saturating_sub(Duration::from_millis(400));
        loop {
            let order = Order::Send { service: service.clone(), to: to.clone() };
            let parcel = Parcel { operation: operation.id, mode: operation.mode(), cluster: None, order, stamp: None };
            match self.over_a_socket(parcel).await {
                Ok(said) => return Ok(Done::because(said)),
                Err(error) if to.is_empty() || tokio::time::Instant::now() >= last_try => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn rehearse(&self, operation: &Operation, service: &ServiceId, to: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        if self.stage().harm == Some(Harm::RehearsalMoves) {
            return self.send_clients(operation, service, to, Span::from_secs(5)).await;
        }
        self.takes(1, 50).await;
        ensure!(!self.stage().world().controls[service].silent, "what sends the clients does not answer");
        Ok(Done::because("it would"))
    }

    async fn prove_clients(&self, operation: &Operation, service: &ServiceId, to: &BTreeSet<RegionId>) -> anyhow::Result<Done> {
        if self.stage().harm == Some(Harm::MoveLies) {
            return Ok(Done::because("clients were answered"));
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(25);
        let mut answers = 0;
        while answers < 3 {
            ensure!(tokio::time::Instant::now() <= deadline, "not proven");
            self.takes(1, 60).await;
            let forgotten = {
                let world = self.stage().world();
                let control = &world.controls[service];
                !control.silent && control.on != *to
            };
            if forgotten {
                answers = 0;
                self.send_clients(operation, service, to, Span::from_secs(5)).await?;
            }
            let served = {
                let mut dice = self.stage().dice();
                self.stage().world().serve(service, &mut dice)
            };
            answers = if served.is_ok_and(|by| to.contains(&by)) { answers + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let on = self.stage().world().controls[service].on.clone();
        ensure!(on == *to, "clients are sent elsewhere");
        Ok(Done::because("clients were answered"))
    }

    async fn run_hook(&self, operation: &Operation, moment: HookMoment) -> anyhow::Result<Done> {
        if operation.mode() == Mode::Test {
            return Ok(Done::because("a test does not run it"));
        }
        self.takes(10, 3_000).await;
        ensure!(!self.stage().dice().permille(60), "the hook {} failed", moment.as_str());
        Ok(Done::because("the hook ran"))
    }
}
