//! What a node that was replaced wrote alone, and how it is brought back: rewound, or copied anew.

use super::{act::Acting, needs::Done};
use crate::{
    agent::wire::{LossQuestion, NodeStatus, RewindOutcome, Source, parse_lsn},
    connect::postgres::{self, slots},
};
use anyhow::{Context, bail};
use engine::{
    databases::{History, Lsn, Slot, parted_at},
    estate::Cluster,
    failover::Measured,
    id::NodeId,
    time::Span,
};

impl Acting {
    pub(super) async fn measure_loss(
        &mut self,
        cluster: &Cluster,
        source: &NodeId,
        target: &NodeId,
        timeline: u32,
        timeout: Span,
    ) -> anyhow::Result<Done> {
        let parted = self.parted_at(cluster, source, target, timeline).await?;
        let question = LossQuestion { timeline, lsn: parted.to_string(), timeout_ms: timeout.as_millis() };
        let loss = self.agent(cluster, source)?.loss(source.as_str(), &question).await?;
        let span = loss.first_commit.zip(loss.last_commit).map(|(first, last)| Span::between(first, last));
        let measured = Measured {
            recovery_time: None,
            lost_bytes: Some(loss.bytes_after),
            lost_transactions: Some(loss.commits_after),
            lost_span: if loss.commits_after == 0 { Some(Span::ZERO) } else { span },
            lost_between: loss.end_lsn.parse().ok().map(|end: Lsn| (parted, end.max(parted))),
        };
        let said = format!(
            "{source} wrote up to {} on timeline {timeline}; the history of {target} left its own at {parted}: {} bytes with {} committed \
             transactions are not on {target}",
            loss.end_lsn, loss.bytes_after, loss.commits_after
        );
        Ok(Done { said, loss: Some(measured) })
    }

    /// By the history files of both, which name every promotion in between; where the host of the target is silent, by what a node that
    /// was promoted from there directly says itself.
    async fn parted_at(&mut self, cluster: &Cluster, source: &NodeId, target: &NodeId, timeline: u32) -> anyhow::Result<Lsn> {
        let now = self.read(cluster, target).await?.timeline;
        let own = self.agent(cluster, source)?.node(source.as_str()).await?;
        match self.agent(cluster, target)?.node(target.as_str()).await {
            Ok(other) => {
                let (own, other) = (history(source, &own, timeline)?, history(target, &other, now)?);
                parted_at(own, other).with_context(|| {
                    format!("not measured: by their history files {source}, which wrote on timeline {timeline}, and {target}, on {now}, never parted")
                })
            }
            Err(_) if now == timeline + 1 => {
                let fork = postgres::replayed(self.client(cluster, target).await?).await?;
                fork.with_context(|| format!("{target} does not say where its history left that of {source}, and its host is silent"))
            }
            Err(error) => bail!("not measured: only the host of {target} knows where timeline {timeline} was left: {error}"),
        }
    }

    /// The slot comes first: from then on nothing is thrown away that the node will need.
    pub(super) async fn rewind(&mut self, cluster: &Cluster, node: &NodeId, from: &NodeId, timeout: Span) -> anyhow::Result<Done> {
        self.ensure_slot(cluster, node, from).await?;
        let order = Source { source: from.to_string(), timeout_ms: timeout.as_millis() / 2 };
        let why = match self.wal_gone(cluster, node, from, timeout).await? {
            Some(gone) => gone,
            None => match self.agent(cluster, node)?.rewind(node.as_str(), &order).await {
                Ok(rewound) => {
                    return Ok(Done::because(match rewound.outcome {
                        RewindOutcome::Rewound => format!("pg_rewind took {node} back to the common history with {from} in {} ms", rewound.took_ms),
                        RewindOutcome::NotRequired => {
                            format!("pg_rewind says {node} never left the history of {from}; streaming will prove it")
                        }
                    }));
                }
                Err(error) => format!("pg_rewind did not work: {error}"),
            },
        };
        let rebuilt =
            self.agent(cluster, node)?.rebuild(node.as_str(), &order).await.with_context(|| format!("{why}, and a fresh copy could not be made"))?;
        Ok(Done::because(format!(
            "{why}; {node} was copied anew from {from} in {} ms, the old folder is kept as {}",
            rebuilt.took_ms,
            rebuilt.kept.unwrap_or_else(|| "nothing".to_owned())
        )))
    }

    /// Why the node could never stream, whatever pg_rewind says: the log it would go on with is gone from `from`. `None` where it is
    /// there, and where nobody can tell: then streaming proves it, or does not.
    async fn wal_gone(&mut self, cluster: &Cluster, node: &NodeId, from: &NodeId, timeout: Span) -> anyhow::Result<Option<String>> {
        let Some(oldest) = Self::tried(slots::oldest_wal(self.client(cluster, from).await?).await).flatten() else { return Ok(None) };
        let status = self.agent(cluster, node)?.node(node.as_str()).await?;
        let Some(control) = status.control else { return Ok(None) };
        let checkpoint: Lsn = control.checkpoint_lsn.parse()?;
        // Rewound, it goes on from before the place where the histories parted.
        let parted = Self::tried(self.parted_at(cluster, node, from, control.timeline).await);
        if let Some(parted) = parted.filter(|parted| *parted < oldest) {
            return Ok(Some(format!("{node} left the history of {from} at {parted}, and the oldest log that {from} still has begins at {oldest}")));
        }
        let known = control.min_recovery_end.as_deref().and_then(parse_lsn).map_or(checkpoint, |end| Lsn(end).max(checkpoint));
        if known >= oldest {
            return Ok(None);
        }
        // It has log of its own behind its last checkpoint, and goes on where that ends.
        let question = LossQuestion { timeline: control.timeline, lsn: checkpoint.to_string(), timeout_ms: timeout.as_millis() / 4 };
        let end = match self.agent(cluster, node)?.loss(node.as_str(), &question).await {
            Ok(log) => log.end_lsn.parse()?,
            Err(_) => known,
        };
        Ok((end < oldest).then(|| format!("{node} holds the log up to {end}, and the oldest that {from} still has begins at {oldest}")))
    }

    pub(super) async fn ensure_slot(&mut self, cluster: &Cluster, node: &NodeId, upstream: &NodeId) -> anyhow::Result<slots::SlotWas> {
        let client = self.client(cluster, upstream).await?;
        slots::ensure_slot(client, &Slot::name_for(node)).await.with_context(|| format!("the slot for {node} on {upstream}"))
    }
}

fn history<'a>(node: &NodeId, status: &'a NodeStatus, timeline: u32) -> anyhow::Result<History<'a>> {
    let forks = status.forks.as_ref().map_err(|why| anyhow::anyhow!("not measured: the timeline history of {node} cannot be read: {why}"))?;
    History::to(forks, timeline).with_context(|| format!("not measured: the history files of {node} do not lead to timeline {timeline}"))
}
