//! What the actions on a cluster do that Patroni runs: ask it, and prove from PostgreSQL itself what came of it.

use super::{act::Acting, look::until, needs::Done};
use crate::connect::{
    patroni::{Answer, Patroni},
    postgres,
};
use anyhow::{Context, bail};
use engine::{
    databases::NodeRole,
    estate::Cluster,
    failover::{Operation, StepRecord},
    id::NodeId,
    patroni::Handover,
    time::Span,
};
use std::time::Duration;

/// How often while clients wait for what takes Patroni seconds.
const OFTEN: Duration = Duration::from_millis(50);
const CALM: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(3);
/// What Patroni was asked before a restart it has begun with by now, where it was asked at all. Longer than its lease lasts as a rule.
const LATE: Duration = Duration::from_secs(40);
/// So much before its limit a wait ends, in order to say why.
const TO_SAY_WHY: Duration = Duration::from_millis(500);

fn deadline(timeout: Span) -> tokio::time::Instant {
    tokio::time::Instant::now() + timeout.as_std().saturating_sub(TO_SAY_WHY)
}

impl Acting {
    fn patroni(&self, cluster: &Cluster) -> anyhow::Result<&Patroni> {
        self.connections.patroni.get(&cluster.id).with_context(|| format!("how to reach the Patroni of {} is not known", cluster.id))
    }

    /// Everything that Patroni would refuse for, asked afresh: here a refusal ends the operation before anything was done.
    pub(super) async fn check_patroni(&self, cluster: &Cluster, leader: Option<&NodeId>, candidate: &NodeId) -> anyhow::Result<Done> {
        let said = self.patroni(cluster)?.read(chrono::Utc::now(), PATIENCE).await.context("Patroni does not say how things stand")?;
        let leads = said.leader().map(|member| member.name.as_str());
        if leads == Some(candidate.as_str()) {
            bail!("{candidate} is Patroni's leader already");
        }
        if let Some(leader) = leader {
            if leads != Some(leader.as_str()) {
                bail!("Patroni's leader is {}, not {leader}", leads.unwrap_or("nobody"));
            }
            if said.paused {
                bail!("Patroni is paused");
            }
            if let Some(due) = &said.scheduled {
                bail!("a switchover is scheduled in Patroni for {}", due.at.format("%Y-%m-%d %H:%M:%S UTC"));
            }
        }
        let handover = if leader.is_some() { Handover::Planned } else { Handover::Emergency };
        let against = said.exclusions(candidate, handover);
        if !against.is_empty() {
            bail!("Patroni would not hand over to {candidate}: {}", against.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        }
        Ok(Done::because(format!(
            "by the Patroni of {}: the leader is {}, {candidate} runs and may take over{}",
            said.by,
            leads.unwrap_or("nobody"),
            if said.paused { "; it is paused" } else { "" }
        )))
    }

    /// Asks once. A server that was killed may have asked already, so from then on it only looks at what becomes of that; only
    /// when a person has looked and resumes it, it is asked again. (Patroni itself refuses a switchover from a node that does not
    /// lead any more.)
    pub(super) async fn ask_patroni(
        &mut self,
        cluster: &Cluster,
        leader: Option<&NodeId>,
        candidate: &NodeId,
        operation: &Operation,
        timeout: Span,
    ) -> anyhow::Result<Done> {
        let after = operation.plan.database().and_then(|change| change.basis.timeline);
        if let Some(leads) = self.leads(cluster, candidate, after).await {
            return Ok(Done::because(format!("not asked: {leads}")));
        }
        let was_at_it = operation.next_step().and_then(|at| operation.steps.get(at)).is_some_and(StepRecord::was_interrupted);
        let mut end = deadline(timeout);
        let asked = if was_at_it {
            end = end.min(tokio::time::Instant::now() + LATE);
            Answer::Unknown("the server was restarted when it was at it, and Patroni may have been asked already: it is not asked twice".to_owned())
        } else {
            self.patroni(cluster)?.hand_over(leader, candidate, timeout.as_std().saturating_sub(TO_SAY_WHY)).await?
        };
        match asked {
            Answer::Done(said) if said.contains("instead of") => bail!("Patroni has made another node the leader: {said}"),
            Answer::Done(said) => Ok(Done::because(format!("Patroni was asked, and answered {said}"))),
            Answer::Refused(said) => bail!("Patroni refused, and did nothing: {said}"),
            Answer::Unknown(said) => loop {
                if let Some(leads) = self.leads(cluster, candidate, after).await {
                    return Ok(Done::because(format!("{said}; then seen: {leads}")));
                }
                if tokio::time::Instant::now() > end {
                    bail!("{said}; and {candidate} does not lead by now");
                }
                tokio::time::sleep(CALM).await;
            },
        }
    }

    /// Whether the node takes writes on a later timeline, by its own word.
    async fn leads(&mut self, cluster: &Cluster, node: &NodeId, after: Option<u32>) -> Option<String> {
        let reading = Self::tried(self.read(cluster, node).await)?;
        let later = after.is_none_or(|after| reading.timeline > after);
        let writes = matches!(reading.role, NodeRole::Primary { .. });
        (writes && later).then(|| format!("{node} takes writes on timeline {}", reading.timeline))
    }

    /// Patroni's word is not enough: the node itself says that it has left recovery, on a timeline that nobody led before.
    pub(super) async fn prove_promoted(&mut self, cluster: &Cluster, node: &NodeId, after: Option<u32>, timeout: Span) -> anyhow::Result<Done> {
        let end = deadline(timeout);
        loop {
            let why = match self.read(cluster, node).await {
                Err(error) => format!("{error:#}"),
                Ok(reading) => match reading.role {
                    NodeRole::Standby { .. } => format!("{node} is in recovery on timeline {}", reading.timeline),
                    NodeRole::Primary { .. } if reading.read_only => format!("{node} is a primary, but default_transaction_read_only is on"),
                    NodeRole::Primary { .. } if after.is_some_and(|after| reading.timeline <= after) => {
                        format!("{node} takes writes on timeline {}, which was led before", reading.timeline)
                    }
                    NodeRole::Primary { flushed, .. } => {
                        return Ok(Done::because(format!(
                            "{node} itself says that it takes writes, on the new timeline {}, at {flushed}",
                            reading.timeline
                        )));
                    }
                },
            };
            if tokio::time::Instant::now() > end {
                bail!("not proven: {why}");
            }
            tokio::time::sleep(OFTEN).await;
        }
    }

    /// In recovery by its own word, or gone by its host's. That it does not answer proves nothing.
    pub(super) async fn prove_not_writable(&mut self, cluster: &Cluster, node: &NodeId, timeout: Span) -> anyhow::Result<Done> {
        let end = deadline(timeout);
        loop {
            let why = match self.read(cluster, node).await {
                Ok(reading) if matches!(reading.role, NodeRole::Standby { .. }) => {
                    return Ok(Done::because(format!("{node} itself says that it is in recovery, on timeline {}", reading.timeline)));
                }
                Ok(reading) => format!("{node} STILL TAKES WRITES, on timeline {}", reading.timeline),
                Err(error) => {
                    let host = match self.connections.agent_of(cluster, node) {
                        Ok(agent) => agent.node(node.as_str()).await.ok(),
                        Err(_) => None,
                    };
                    if host.is_some_and(|host| !host.running && !host.stopped_by_signal && host.processes == 0) {
                        return Ok(Done::because(format!("the agent on its host sees no process of {node}")));
                    }
                    format!("{error:#}; that it does not answer is no proof")
                }
            };
            if tokio::time::Instant::now() > end {
                bail!("not proven that {node} takes no writes: {why}");
            }
            tokio::time::sleep(CALM).await;
        }
    }

    /// Where no router leads clients there, the node itself is written to.
    pub(super) async fn prove_write_on(&mut self, cluster: &Cluster, node: &NodeId, operation: &Operation) -> anyhow::Result<Done> {
        let id = operation.id.to_string();
        let row = until!(OFTEN, {
            let client = Self::tried(self.client(cluster, node).await);
            match client {
                Some(client) => Self::tried(postgres::write_proof(client, &id).await),
                None => None,
            }
        });
        if !postgres::has_proof(self.client(cluster, node).await?, &id, row).await? {
            bail!("a row was written on {node} and is not there");
        }
        Ok(Done::because(format!("row {row} was written on {node} itself and read back; no router is declared")))
    }
}
