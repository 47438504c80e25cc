//! What each action of a plan does. Every one looks first, so that doing it twice does it once, and reports what it saw.

use super::{
    commit,
    ends::Ends,
    look::until,
    monitoring,
    needs::{Done, Hands},
};
use crate::{
    agent::orders,
    agent::wire::{Follow, FollowOutcome, Start, Stop, StopMode},
    backups::Backups,
    connect::{
        agent::Agent,
        postgres::{
            self,
            slots::{self, SlotWas},
        },
    },
    connections::{Connections, Router},
    desk::Desk,
};
use anyhow::{Context, bail};
use engine::{
    databases::{Lsn, NodeReading, NodeRole, Slot},
    estate::Cluster,
    failover::{Action, FenceMeans, Measured, Mode, Operation},
    id::NodeId,
    patroni,
    time::Span,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_postgres::Client;

/// Carries out actions; keeps connections to the nodes it has used, so that promotion does not wait for a sign-in.
pub(super) struct Acting {
    pub(super) desk: Arc<Desk>,
    pub(super) connections: Arc<Connections>,
    backups: Option<Arc<Backups>>,
    clients: BTreeMap<NodeId, Client>,
    /// How many orders were made so far.
    ordered: AtomicU16,
}

/// How often a condition is looked at while clients wait.
const QUICK: Duration = Duration::from_millis(2);
/// How often while nobody waits.
const CALM: Duration = Duration::from_millis(100);
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Acting {
    pub(super) fn new(desk: Arc<Desk>, connections: Arc<Connections>, backups: Option<Arc<Backups>>) -> Self {
        Self { desk, connections, backups, clients: BTreeMap::new(), ordered: AtomicU16::new(0) }
    }
}

impl Hands for Acting {
    async fn perform(&mut self, action: &Action, operation: &Operation, timeout: Span) -> anyhow::Result<Done> {
        if operation.plan.mode() == Mode::Test && action.changes_routing() {
            bail!("a test may not change where clients are sent");
        }
        if operation.plan.mode() == Mode::Test && action.changes_monitoring() {
            bail!("a test may not silence anything");
        }
        match action {
            Action::CheckRegions { service, regions } => return self.check_regions(service, regions).await,
            Action::CheckData { clusters, .. } => return self.check_data(clusters).await,
            Action::SendClients { service, to } => return self.send_clients(service, to, timeout).await,
            Action::Rehearse { service, to } => return self.rehearse(service, to).await,
            Action::ProveClients { service, to } => return self.prove_clients(service, to).await,
            Action::AwaitCommit { service, from, .. } => return commit::await_commit(&*self.desk, operation, service, from).await,
            Action::RunHook { hook, moment } => return self.run_hook(operation, hook, *moment, timeout).await,
            restores if restores.restores() => {
                let backups = self.backups.as_ref().context("nothing looks after backups in this process")?;
                return backups.restore(restores, operation).await;
            }
            told if told.only_tells() => return monitoring::tell(&self.desk, &self.connections, told, operation, timeout).await,
            _ => {}
        }
        let scope = operation.plan.scope();
        let cluster = scope.cluster().and_then(|id| self.desk.estate().cluster(id)).context("the cluster is not declared any more")?.clone();
        if let Some(why) = patroni::forbidden(&cluster, self.desk.picture().observed.clusters.get(&cluster.id), action) {
            bail!("{why}");
        }
        match action {
            Action::CheckRegions { .. }
            | Action::CheckData { .. }
            | Action::SendClients { .. }
            | Action::Rehearse { .. }
            | Action::MoveWave { .. }
            | Action::ProveClients { .. }
            | Action::AwaitCommit { .. }
            | Action::RunHook { .. }
            | Action::SilenceAlerts { .. }
            | Action::EndSilence { .. }
            | Action::Annotate { .. }
            | Action::RehearseMonitoring { .. }
            | Action::CheckRestore { .. }
            | Action::FetchBackup { .. }
            | Action::UnpackBackup { .. }
            | Action::RecoverBefore { .. }
            | Action::AwaitInspection { .. }
            | Action::PromoteRestored { .. }
            | Action::DiscardRestored { .. } => {
                bail!("not an action on a database")
            }
            Action::CheckTarget { node } => self.check_target(&cluster, node).await,
            Action::CloseRoute { .. } => self.route(&cluster, None).await,
            Action::OpenRoute { node } => self.route(&cluster, Some(node)).await,
            Action::StopNode { node } => self.stop(&cluster, node, timeout).await,
            Action::StartNode { node } => self.start(&cluster, node, timeout).await,
            Action::CatchUp { source, target } => self.catch_up(&cluster, source, target).await,
            Action::Fence { node, by } => self.fence(&cluster, node, by, operation, timeout).await,
            Action::AllowWrites { node } => {
                postgres::allow_writes(self.client(&cluster, node).await?).await?;
                Ok(Done::because(format!("{node} takes writes again")))
            }
            Action::HoldsAll { source, target, timeline, confirmed_by } => {
                let confirmed_by = confirmed_by.as_deref();
                self.holds_all(&cluster, Ends { source, target, timeline: *timeline, confirmed_by }, timeout).await
            }
            Action::Promote { node } => self.promote(&cluster, node, operation, timeout).await,
            Action::VerifyWritable { node } => self.verify_writable(&cluster, node).await,
            Action::ProveWrite { node } => self.prove_write(&cluster, node, operation).await,
            Action::Repoint { nodes, upstream } => self.repoint(&cluster, nodes, upstream, timeout).await,
            Action::MeasureLoss { source, target, timeline } => self.measure_loss(&cluster, source, target, *timeline, timeout).await,
            Action::Checkpoint { node } => {
                postgres::checkpoint(self.client(&cluster, node).await?).await?;
                Ok(Done::because(format!("{node} wrote a checkpoint")))
            }
            Action::Rewind { node, from } => self.rewind(&cluster, node, from, timeout).await,
            Action::Follow { node, upstream } => self.follow(&cluster, node, upstream, timeout).await.map(Done::because),
            Action::CheckPatroni { leader, candidate } => self.check_patroni(&cluster, leader.as_ref(), candidate).await,
            Action::AskPatroni { leader, candidate } => self.ask_patroni(&cluster, leader.as_ref(), candidate, operation, timeout).await,
            Action::ProvePromoted { node, after } => self.prove_promoted(&cluster, node, *after, timeout).await,
            Action::ProveWriteOn { node } => self.prove_write_on(&cluster, node, operation).await,
            Action::ProveNotWritable { node } => self.prove_not_writable(&cluster, node, timeout).await,
            Action::ProveStreaming { nodes, upstream } => self.prove_streaming(&cluster, nodes, upstream).await,
            Action::RestoreSynchronous { node, standbys, confirm } => {
                self.restore_synchronous(&cluster, node, standbys, *confirm, operation, timeout).await
            }
            Action::PausePoolers { poolers, lasts } => self.pause_poolers(&cluster, poolers, *lasts).await,
            Action::CutPoolers { poolers, node, lasts } => self.cut_poolers(&cluster, poolers, node, *lasts, timeout).await,
            Action::RepointPoolers { poolers, node } => self.repoint_poolers(&cluster, poolers, node, timeout).await,
            Action::ResumePoolers { poolers } => self.resume_poolers(&cluster, poolers, timeout).await,
            Action::ProvePoolers { poolers, node } => self.prove_poolers(&cluster, poolers, node, operation, timeout).await,
        }
    }
}

impl Acting {
    pub(super) async fn client(&mut self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<&Client> {
        if self.clients.get(node).is_none_or(Client::is_closed) {
            let address =
                self.connections.nodes.get(&(cluster.id.clone(), node.clone())).with_context(|| format!("{node} is not a node of {}", cluster.id))?;
            let client = address.connect(PATIENCE).await.with_context(|| format!("{node} cannot be reached"))?;
            self.clients.insert(node.clone(), client);
        }
        self.clients.get(node).context("a connection just made is gone")
    }

    pub(super) async fn read(&mut self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<NodeReading> {
        let client = self.client(cluster, node).await?;
        postgres::look(client, chrono::Utc::now(), PATIENCE).await.with_context(|| format!("{node} cannot be read"))
    }

    fn router(&self, cluster: &Cluster) -> anyhow::Result<&Router> {
        self.connections.routers.get(&cluster.id).with_context(|| format!("{} has no router", cluster.id))
    }

    /// The agent for one order, with a number of its own. The step was written down before it acts, so a later step has a later
    /// number; the orders of one step are counted.
    pub(super) fn agent(&self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<Agent> {
        Ok(self.numbered(self.connections.agent_of(cluster, node)?))
    }

    pub(super) fn numbered(&self, agent: &Agent) -> Agent {
        let ordered = self.ordered.fetch_add(1, Ordering::Relaxed);
        agent.clone().numbered(orders::number(self.desk.picture().records.seq, ordered))
    }

    async fn check_target(&mut self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<Done> {
        self.check_durability(cluster, node).await?;
        let reading = self.read(cluster, node).await?;
        match &reading.role {
            NodeRole::Primary { .. } => bail!("{node} is a primary already"),
            NodeRole::Standby { delayed: true, .. } => bail!("{node} applies WAL with a deliberate delay"),
            NodeRole::Standby { received, replayed, .. } => Ok(Done::because(format!(
                "{node} answers, is in recovery on timeline {}, holds WAL up to {}",
                reading.timeline,
                received.max(replayed)
            ))),
        }
    }

    /// Opening is told again until it is so: the router may be restarting at this very moment, and telling it twice is telling it
    /// once. Closing is tried once: what cannot be closed must not keep clients waiting.
    async fn route(&mut self, cluster: &Cluster, open: Option<&NodeId>) -> anyhow::Result<Done> {
        let control = self.router(cluster)?.control.clone();
        let lingering = match open {
            None => control.send_to(None).await?,
            Some(node) => {
                // Before the step is over, so that it can say why.
                let last_try = tokio::time::Instant::now() + PATIENCE;
                loop {
                    match control.send_to(Some(node.as_str())).await {
                        Ok(lingering) => break lingering,
                        Err(error) if tokio::time::Instant::now() > last_try => return Err(error),
                        Err(error) => tracing::debug!(%node, error = format!("{error:#}"), "the route could not be opened yet"),
                    }
                    tokio::time::sleep(CALM).await;
                }
            }
        };
        let mut said = match open {
            None => "the router sends clients to no node, and every client session was closed".to_owned(),
            Some(node) => format!("the router sends clients to {node} and to no other node"),
        };
        if lingering > 0 {
            said.push_str(&format!("; {lingering} sessions whose clients are gone linger until their node answers or is stopped"));
        }
        Ok(Done::because(said))
    }

    async fn stop(&mut self, cluster: &Cluster, node: &NodeId, timeout: Span) -> anyhow::Result<Done> {
        self.clients.remove(node);
        // Fenced, so that a machine that starts meanwhile does not bring a second writer up; whoever undoes this releases it.
        let order = Stop { mode: StopMode::Fast, timeout_ms: timeout.as_millis(), fence: true };
        let stopped = self.agent(cluster, node)?.stop(node.as_str(), &order).await?;
        let end = stopped
            .proof
            .end_lsn
            .with_context(|| format!("{node} stopped, but not cleanly: its control file says {:?}", stopped.proof.control_state))?;
        Ok(Done::because(format!("{node} shut down cleanly, its processes are gone, its port refuses; its last checkpoint is at {end}")))
    }

    async fn start(&mut self, cluster: &Cluster, node: &NodeId, timeout: Span) -> anyhow::Result<Done> {
        let started = self.agent(cluster, node)?.start(node.as_str(), &Start { timeout_ms: timeout.as_millis(), release: true }).await?;
        Ok(Done::because(if started.was_running { format!("{node} was running") } else { format!("{node} runs again and accepts connections") }))
    }

    /// The end of a cleanly stopped node's WAL is its shutdown checkpoint; a standby that has replayed beyond the start of
    /// that record has replayed all of it, for replay moves record by record.
    async fn catch_up(&mut self, cluster: &Cluster, source: &NodeId, target: &NodeId) -> anyhow::Result<Done> {
        let control = self
            .agent(cluster, source)?
            .node(source.as_str())
            .await?
            .control
            .with_context(|| format!("the control file of {source} cannot be read"))?;
        if control.state != "shut down" {
            bail!("{source} is “{}”, not cleanly shut down, so the end of its WAL is not known", control.state);
        }
        let end: Lsn = control.checkpoint_lsn.parse()?;
        let client = self.client(cluster, target).await?;
        let replayed = until!(QUICK, postgres::replayed(client).await?.filter(|replayed| *replayed > end));
        let said = format!("{target} has replayed {replayed}, beyond the last checkpoint of {source} at {end}: it holds every byte");
        let none = Measured::nothing_lost();
        Ok(Done { said, loss: Some(none) })
    }

    async fn fence(&mut self, cluster: &Cluster, node: &NodeId, by: &FenceMeans, operation: &Operation, timeout: Span) -> anyhow::Result<Done> {
        self.clients.remove(node);
        match by {
            FenceMeans::HostAgent => {
                let order = Stop { mode: StopMode::Kill, timeout_ms: timeout.as_millis(), fence: true };
                let stopped = self.agent(cluster, node)?.stop(node.as_str(), &order).await?;
                let before = if stopped.was_running { "was running and was ended" } else { "was not running" };
                Ok(Done::because(format!(
                    "{node} {before}; its host agent proved its processes gone and its port refusing, and will not start it as a writer"
                )))
            }
            FenceMeans::Command { fence } => self.turn_off(cluster, node, fence, operation).await,
            FenceMeans::RouterAndSynchronousStandby => {
                // Told once more, and read back: what the router counts after that has no client behind it (a node that hangs keeps
                // such sessions for as long as it does), so it keeps nobody from going on.
                let lingering = self.router(cluster)?.control.send_to(None).await?;
                self.no_pooler_leads_to(cluster, node).await?;
                let left = if lingering == 0 { String::new() } else { format!(" ({lingering} sessions without a client linger there)") };
                Ok(Done::because(format!(
                    "{node} does not answer; no client reaches it through the router{left}, and it cannot acknowledge a commit without its synchronous standby"
                )))
            }
            FenceMeans::Lease => self.lease_over(cluster, node).await,
            FenceMeans::ReadOnly => self.refuse_writes(cluster, node, operation).await,
            FenceMeans::Overridden => Ok(Done::because(format!(
                "NOT PROVEN: {node} may still take writes from clients that do not come through the router; requester and approver accepted that"
            ))),
        }
    }

    async fn promote(&mut self, cluster: &Cluster, node: &NodeId, operation: &Operation, timeout: Span) -> anyhow::Result<Done> {
        let began = Instant::now();
        let reading = self.read(cluster, node).await?;
        if matches!(reading.role, NodeRole::Primary { .. }) {
            return Ok(Done::because(format!("{node} is promoted already")));
        }
        if let Some(why) = operation.plan.database().and_then(|change| change.missed_by(reading.timeline)) {
            bail!("{node} is not promoted: {why}");
        }
        let inherited = self.wait_for_nobody(cluster, node).await?;
        let client = self.client(cluster, node).await?;
        postgres::promote(client, timeout.as_std().saturating_sub(began.elapsed())).await?;
        until!(QUICK, (!postgres::is_in_recovery(client).await?).then_some(()));
        let fork = postgres::replayed(client).await?.map_or_else(|| "an unknown position".to_owned(), |lsn| lsn.to_string());
        let inherited = inherited.map(|names| format!("; it had inherited to wait for {names}, and waits for nobody now")).unwrap_or_default();
        Ok(Done::because(format!("{node} left recovery; its own history begins at {fork}{inherited}")))
    }

    async fn verify_writable(&mut self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<Done> {
        let reading = self.read(cluster, node).await?;
        match reading.role {
            NodeRole::Standby { .. } => bail!("{node} is in recovery"),
            NodeRole::Primary { .. } if reading.read_only => bail!("{node} is a primary, but default_transaction_read_only is on"),
            NodeRole::Primary { flushed, .. } => Ok(Done::because(format!("{node} is writable on timeline {}, at {flushed}", reading.timeline))),
        }
    }

    /// Through the router as a client, then looked for on the node itself: proves route and node at once. A router that has
    /// restarted meanwhile has forgotten what it was told: then it is told again.
    async fn prove_write(&mut self, cluster: &Cluster, node: &NodeId, operation: &Operation) -> anyhow::Result<Done> {
        let id = operation.id.to_string();
        let (control, clients) = (self.router(cluster)?.control.clone(), self.router(cluster)?.clients.clone());
        let mut told_again = 0;
        let client = until!(QUICK, {
            let servers = Self::tried(control.servers().await);
            if servers.is_some_and(|servers| servers.iter().any(|(name, server)| server.open != (name == node.as_str()))) {
                told_again += usize::from(Self::tried(control.send_to(Some(node.as_str())).await).is_some());
            }
            Self::tried(clients.connect(PATIENCE).await)
        });
        let row = postgres::write_proof(&client, &id).await.context("a write through the router was refused")?;
        if !postgres::has_proof(self.client(cluster, node).await?, &id, row).await? {
            bail!("a write through the router succeeded, but it is not on {node}: clients reach another node");
        }
        let again = if told_again > 0 { "; the router had forgotten what it was told, and was told again" } else { "" };
        Ok(Done::because(format!("row {row} was written through the router and read back on {node}{again}")))
    }

    /// Every sibling is tried, also after one failed.
    async fn repoint(&mut self, cluster: &Cluster, nodes: &[NodeId], upstream: &NodeId, timeout: Span) -> anyhow::Result<Done> {
        let (mut followed, mut failed) = (Vec::new(), Vec::new());
        // The step has one limit for all of them, and no order may outlive it.
        let deadline = Instant::now() + timeout.as_std();
        for node in nodes {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.follow(cluster, node, upstream, Span::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))).await {
                Ok(said) => followed.push(said),
                Err(error) => failed.push(format!("{node}: {error:#}")),
            }
        }
        if failed.is_empty() { Ok(Done::because(followed.join("; "))) } else { bail!("{}", failed.join("; ")) }
    }

    async fn follow(&mut self, cluster: &Cluster, node: &NodeId, upstream: &NodeId, timeout: Span) -> anyhow::Result<String> {
        self.clients.remove(node);
        let renewed = match self.ensure_slot(cluster, node, upstream).await? {
            SlotWas::Lost => "; its slot had lost WAL and was made anew",
            SlotWas::There | SlotWas::Missing => "",
        };
        let order = Follow { upstream: upstream.to_string(), slot: Some(Slot::name_for(node)), timeout_ms: timeout.as_millis() };
        let following = self.agent(cluster, node)?.follow(node.as_str(), &order).await?;
        if following.outcome == FollowOutcome::Started {
            // Its host reaches it already; the way from here may open a moment later.
            until!(CALM, Self::tried(self.client(cluster, node).await.map(|_| ())));
            // It may have been a primary: the slots it kept for others would hold back WAL for ever.
            let keep = self.slots_in_use(cluster, node);
            let client = self.client(cluster, node).await?;
            let dropped = slots::drop_idle_slots(client, &keep).await?;
            // It must not refuse writes when it is promoted again.
            if postgres::was_told_to_refuse_writes(client).await? {
                postgres::allow_writes(client).await?;
            }
            return Ok(format!("{node} was started as a standby of {upstream}, {dropped} idle slots dropped{renewed}"));
        }
        Ok(format!("{node} was told to follow {upstream}{renewed}"))
    }

    /// Streaming on the upstream's timeline, seen from both ends.
    async fn prove_streaming(&mut self, cluster: &Cluster, nodes: &[NodeId], upstream: &NodeId) -> anyhow::Result<Done> {
        let mut said = Vec::new();
        for node in nodes {
            let seen = until!(CALM, self.streams(cluster, node, upstream).await?);
            said.push(format!("{node} streams from {upstream} on timeline {}", seen.timeline));
        }
        Ok(Done::because(said.join("; ")))
    }

    /// The slots of those that stream from `node` although it is a standby: they come back to it.
    fn slots_in_use(&self, cluster: &Cluster, node: &NodeId) -> Vec<String> {
        let picture = self.desk.picture();
        let reading = picture.observed.clusters.get(&cluster.id).and_then(|view| view.node(node)?.reading.as_ref());
        let cascade = reading.map(|reading| reading.cascade.as_slice()).unwrap_or_default();
        cluster
            .nodes
            .iter()
            .filter(|other| cascade.iter().any(|peer| peer.name == other.id.as_str()))
            .map(|other| Slot::name_for(&other.id))
            .collect()
    }

    /// The node's reading, if it streams from `upstream` on its timeline now. The upstream may be a standby itself.
    pub(super) async fn streams(&mut self, cluster: &Cluster, node: &NodeId, upstream: &NodeId) -> anyhow::Result<Option<NodeReading>> {
        let leading = self.read(cluster, upstream).await?;
        let listed = leading.downstream().iter().any(|peer| peer.name == node.as_str() && peer.streaming);
        let own = Self::tried(self.read(cluster, node).await);
        Ok(own.filter(|own| listed && own.timeline == leading.timeline && own.system_identifier == leading.system_identifier))
    }

    /// What is still starting does not answer yet: asked again until the step's time is up.
    pub(super) fn tried<T>(result: anyhow::Result<T>) -> Option<T> {
        result.inspect_err(|error| tracing::debug!(error = format!("{error:#}"), "not there yet")).ok()
    }
}
