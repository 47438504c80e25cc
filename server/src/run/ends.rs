//! The proof before a promotion that nobody is asked for: where the log of the fenced primary ends, and what the target has of it.

use super::{act::Acting, needs::Done};
use crate::{agent::wire::LossQuestion, connect::postgres};
use anyhow::{Context, bail};
use engine::{
    databases::{Lsn, NodeRole},
    estate::Cluster,
    failover::Measured,
    id::NodeId,
    time::Span,
};
use std::time::{Duration, Instant};

/// How long a standby that receives nothing, and has received more than it has replayed, must have replayed nothing either to have
/// replayed all it can: what is left is the beginning of a record, or is held back.
const STANDS_STILL: Duration = Duration::from_secs(1);
/// Each look reads the log of a node that is gone.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What is compared; see `Action::HoldsAll`.
pub(super) struct Ends<'a> {
    pub(super) source: &'a NodeId,
    pub(super) target: &'a NodeId,
    pub(super) timeline: u32,
    pub(super) confirmed_by: Option<&'a [NodeId]>,
}

impl Acting {
    /// The last thing the target replayed is the end of a record; what begins behind it in the source's log is not on the target. It
    /// is looked for again while the target may still be replaying what it has received.
    pub(super) async fn holds_all(&mut self, cluster: &Cluster, ends: Ends<'_>, timeout: Span) -> anyhow::Result<Done> {
        let Ends { source, target, timeline, confirmed_by } = ends;
        let none = Measured::nothing_lost();
        let mut before: Option<(Lsn, Instant)> = None;
        loop {
            let reading = self.read(cluster, target).await?;
            let NodeRole::Standby { received, replayed, streaming_from, .. } = &reading.role else { bail!("{target} is a primary already") };
            if reading.timeline != timeline {
                bail!("{target} is on timeline {} and {source} wrote on {timeline}: another node was promoted in between", reading.timeline);
            }
            let question = LossQuestion { timeline, lsn: replayed.to_string(), timeout_ms: timeout.as_millis() };
            let missing = self.agent(cluster, source)?.loss(source.as_str(), &question).await?;
            if missing.commits_after == 0 {
                let said = format!(
                    "{source} wrote up to {}; {target} has replayed {replayed}, and no transaction ends behind that: it holds every one",
                    missing.end_lsn
                );
                return Ok(Done { said, loss: Some(none) });
            }
            let stands_since = before.filter(|(at, _)| at == replayed).map_or_else(Instant::now, |(_, since)| since);
            let may_go_on = replayed < received && stands_since.elapsed() < STANDS_STILL;
            if streaming_from.is_some() || may_go_on {
                before = Some((*replayed, stands_since));
                tokio::time::sleep(BETWEEN_LOOKS).await;
                continue;
            }
            let end: Lsn = missing.end_lsn.parse()?;
            let paused = postgres::is_replay_paused(self.client(cluster, target).await?).await?;
            let held_back = if paused { "replay is paused there" } else { "it does not go on replaying" };
            // Nothing is lost there. Whoever paused it has their hands in it; what else holds it up would hold its promotion up as well.
            if *received >= end && (paused || confirmed_by.is_none()) {
                bail!(
                    "{target} is not promoted yet: it has received all that {source} wrote, up to {end}, and holds back what is behind {replayed}, with \
                     {} transactions, for {held_back}. As a superuser on {target}: SELECT pg_wal_replay_resume(), or end the query it waits for; then \
                     resume this operation",
                    missing.commits_after
                );
            }
            let Some(others) = confirmed_by else {
                let some = if *received > *replayed {
                    format!(", some of which may be in the log that it has received, up to {received}, and holds back, for {held_back}")
                } else {
                    String::new()
                };
                bail!(
                    "{target} is not promoted: it lacks {} transactions that {source} wrote{some}, {} bytes up to {end}. {source} is fenced and has \
                     them: start it again, or request a failover that accepts this loss",
                    missing.commits_after,
                    missing.bytes_after
                );
            };
            if *received >= end {
                let said =
                    format!("{target} has received all that {source} wrote, up to {end}, and replays what is behind {replayed} as it is promoted");
                return Ok(Done { said, loss: Some(none) });
            }
            self.none_is_ahead(cluster, others, *received.max(replayed), timeline).await?;
            let said = format!(
                "{source} wrote up to {}, {} transactions more than {target} has; they were acknowledged to nobody, for it waited for a standby to \
                 confirm each, and no standby has them",
                missing.end_lsn, missing.commits_after
            );
            return Ok(Done { said, loss: Some(none) });
        }
    }

    /// Each of these standbys answers, and has no more than `position`.
    async fn none_is_ahead(&mut self, cluster: &Cluster, others: &[NodeId], position: Lsn, timeline: u32) -> anyhow::Result<()> {
        for node in others {
            let reading = self.read(cluster, node).await.context("what it may have confirmed is not known")?;
            match &reading.role {
                NodeRole::Standby { received, replayed, .. } if reading.timeline == timeline && *received.max(replayed) <= position => {}
                _ => bail!("{node} has more than the target, or another history: what it confirmed would be lost"),
            }
        }
        Ok(())
    }
}
