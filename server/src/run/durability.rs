//! Whom commits wait for, before a promotion and after it. Neither may writes hang on nodes that are not there, nor may what is declared
//! be dropped without a word.

use super::{act::Acting, needs::Done};
use crate::connect::postgres::durability;
use anyhow::{Context, bail};
use engine::{
    estate::Cluster,
    failover::{Action, Operation},
    id::NodeId,
    time::Span,
};
use std::time::{Duration, Instant};

/// How long standbys may take to be seen streaming; who does not stream by then is left out.
const GATHERING: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

impl Acting {
    /// Refuses a target whose commits would wait for nodes that may not be there, and which cannot be told otherwise: nothing is done yet.
    pub(super) async fn check_durability(&mut self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<()> {
        let setting = durability::setting(self.client(cluster, node).await?).await?;
        match setting.fixed.filter(|_| !setting.names.is_empty()) {
            None => Ok(()),
            Some(why) => bail!(
                "promoted, {node} would wait for {} before it acknowledges anything, and its first write would hang; {why}. As a superuser, on {node}: \
                 ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()",
                setting.names
            ),
        }
    }

    /// Has a standby that is about to be promoted wait for nobody. What it had inherited, in words.
    pub(super) async fn wait_for_nobody(&mut self, cluster: &Cluster, node: &NodeId) -> anyhow::Result<Option<String>> {
        let client = self.client(cluster, node).await?;
        let setting = durability::setting(client).await?;
        if setting.names.is_empty() {
            return Ok(None);
        }
        durability::wait_for(client, 0, &[]).await.with_context(|| format!("commits on {node} would wait for {}", setting.names))?;
        Ok(Some(setting.names))
    }

    /// Only those that are proven to stream are named: one whose history went elsewhere is listed for a moment at each of its attempts,
    /// and would confirm commits that it does not have.
    pub(super) async fn restore_synchronous(
        &mut self,
        cluster: &Cluster,
        node: &NodeId,
        standbys: &[NodeId],
        confirm: u32,
        operation: &Operation,
        timeout: Span,
    ) -> anyhow::Result<Done> {
        let deadline = Instant::now() + timeout.as_std() / 2;
        let wanted = usize::try_from(confirm)?;
        let proven = self.gathered(cluster, node, standbys).await?;
        let missing: Vec<&str> = standbys.iter().filter(|standby| !proven.contains(standby)).map(NodeId::as_str).collect();
        let count = wanted.min(proven.len());
        let client = self.client(cluster, node).await?;
        let value = durability::wait_for(client, count, &proven).await?;
        if proven.is_empty() {
            let said = format!("commits on {node} are ASYNCHRONOUS since {}: no standby streams that they could wait for", since(operation));
            return if standbys.is_empty() { Ok(Done::because(said)) } else { bail!("{said}; {} must be rejoined", missing.join(", ")) };
        }
        // What was acknowledged before must be there too, or the standby would be called equal too early.
        let position = durability::flushed(client).await?.with_context(|| format!("{node} does not say where its log ends"))?;
        let confirming = loop {
            let confirming = durability::confirming(client, position).await?;
            if confirming.len() >= count {
                break confirming;
            }
            if Instant::now() > deadline {
                durability::wait_for(client, 0, &[]).await?;
                bail!(
                    "{} did not confirm what {node} has written, so that commits would have hung: they are ASYNCHRONOUS since {}",
                    names(&proven),
                    since(operation)
                );
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        };
        let left_out = if missing.is_empty() { String::new() } else { format!("; {} does not stream and is left out", missing.join(", ")) };
        let said = format!("commits on {node} wait for {value} again, and {} confirms all of them{left_out}", confirming.join(", "));
        if count < wanted {
            bail!("{said}: that is {count} of the {wanted} that are declared, since {}", since(operation));
        }
        let promoted = if promoted_at(operation).is_some() { format!("; they were asynchronous since {}", since(operation)) } else { String::new() };
        Ok(Done::because(format!("{said}{promoted}")))
    }

    /// Those of `standbys` that stream from `node`, seen from both ends. All of them are waited for, but not for long.
    async fn gathered(&mut self, cluster: &Cluster, node: &NodeId, standbys: &[NodeId]) -> anyhow::Result<Vec<NodeId>> {
        let began = Instant::now();
        loop {
            let mut proven = Vec::new();
            for standby in standbys {
                if self.streams(cluster, standby, node).await?.is_some() {
                    proven.push(standby.clone());
                }
            }
            if proven.len() == standbys.len() || began.elapsed() > GATHERING {
                return Ok(proven);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}

fn promoted_at(operation: &Operation) -> Option<engine::time::Instant> {
    let steps = operation.plan.steps.iter().zip(&operation.steps);
    steps.filter(|(step, _)| matches!(step.action, Action::Promote { .. })).find_map(|(_, record)| record.ended_at)
}

fn since(operation: &Operation) -> String {
    promoted_at(operation).map_or_else(|| "an earlier operation".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}
