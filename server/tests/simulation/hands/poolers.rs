//! PgBouncers, each through the agent beside it. An order that comes late is refused there, as one to a node is; here it is lost.

use super::{CALM, Fate, Played};
use crate::harm::Harm;
use anyhow::bail;
use engine::{
    id::{ClusterId, NodeId, PoolerId},
    time::Span,
};
use server::run::needs::Done;

impl Played {
    /// Lets clients wait for so long, or lets them through. That is said again and again until it is done, a wait only once.
    pub(super) async fn tell_poolers(&self, cluster: &ClusterId, poolers: &[PoolerId], lasts: Option<Span>) -> anyhow::Result<Done> {
        if lasts.is_none() && self.stage().harm == Some(Harm::WaitForgotten) {
            return Ok(Done::because("they go on"));
        }
        for pooler in poolers {
            while let Err(error) = self.tell_pooler(cluster, pooler, lasts).await {
                if lasts.is_some() {
                    return Err(error);
                }
                tokio::time::sleep(CALM).await;
            }
        }
        self.stage().count(if lasts.is_some() { "clients made to wait" } else { "clients let through" });
        Ok(Done::because("all were told"))
    }

    async fn tell_pooler(&self, cluster: &ClusterId, pooler: &PoolerId, lasts: Option<Span>) -> anyhow::Result<()> {
        let fate = self.fate();
        self.takes(1, 100).await;
        if !self.stage().world().hears_of_pooler(cluster, pooler) {
            self.takes(2_000, 2_000).await;
            bail!("the agent gives no answer");
        }
        match fate {
            Fate::Refused => bail!("a transaction does not end"),
            Fate::Lost | Fate::Late => return Err(self.never().await),
            _ => {}
        }
        self.pen.unless_killed().await;
        let now = self.stage().now();
        if let Some((_, until)) = self.stage().world().cluster_mut(cluster).poolers.get_mut(pooler) {
            *until = lasts.map(|lasts| now + lasts.as_delta());
        }
        match fate {
            Fate::AnswerLost => Err(self.never().await),
            Fate::SaidToHaveFailed => bail!("the connection was reset"),
            _ => Ok(()),
        }
    }

    pub(super) async fn prove_poolers(&self, cluster: &ClusterId, poolers: &[PoolerId], node: &NodeId) -> anyhow::Result<Done> {
        let waits = |pooler: &PoolerId| self.stage().world().keeps_waiting(cluster, pooler, self.stage().now());
        while poolers.iter().any(waits) {
            tokio::time::sleep(CALM).await;
        }
        self.prove_write(cluster, node).await
    }
}
