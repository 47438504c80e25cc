//! What sends the clients of a service to regions, behind one trait, whatever it is: each adapter reads where they are
//! sent, sends them elsewhere and proves it by reading back, and can rehearse that without doing it.

#[cfg(feature = "aws")]
mod arc;
#[cfg(feature = "aws")]
mod aws;
mod command;
mod dns;
mod haproxy;
#[cfg(feature = "aws")]
mod route53;
mod simulated;
mod targets;
mod webhook;

use super::haproxy::Haproxy;
use crate::config::Config;
use anyhow::bail;
use async_trait::async_trait;
pub use engine::abilities::Abilities;
use engine::{
    estate::TrafficMeans,
    failover::plan::names_or_none,
    id::{RegionId, ServiceId},
    time::Span,
};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// See the module. Every call is bounded in time by the adapter itself.
#[async_trait]
pub trait TrafficControl: Send + Sync {
    /// What can be expected of this adapter.
    fn abilities(&self) -> Abilities;
    /// Where clients are sent now.
    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>>;
    /// Sends clients to exactly these regions and ends their sessions elsewhere; idempotent. Returns what was seen.
    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String>;
    /// Everything `send_to` would need, without doing it. Returns what was found and what would be done.
    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String>;
}

/// The adapter for what the estate declares; `home` is where a simulator begins. Nothing is contacted.
///
/// # Errors
/// A declaration with a mistake, or one that names a key, token or command the configuration lacks.
pub fn control(service: &ServiceId, means: &TrafficMeans, home: BTreeSet<RegionId>, config: &Config) -> anyhow::Result<Arc<dyn TrafficControl>> {
    Ok(match means {
        TrafficMeans::Haproxy { socket, backend } => Arc::new(Haproxy { socket: PathBuf::from(socket), backend: backend.clone() }),
        TrafficMeans::Dns { .. } => Arc::new(dns::Dns::new(means, config)?),
        TrafficMeans::Webhook { url, status_url, token } => Arc::new(webhook::Webhook::new(service, url, status_url, token, config)?),
        TrafficMeans::Command { name } => Arc::new(command::Command::new(service, name, config)?),
        #[cfg(feature = "aws")]
        TrafficMeans::Route53 { .. } => Arc::new(route53::Route53::new(means, config)?),
        #[cfg(feature = "aws")]
        TrafficMeans::ArcRoutingControl { .. } => Arc::new(arc::RoutingControls::new(means, config)?),
        #[cfg(not(feature = "aws"))]
        TrafficMeans::Route53 { .. } | TrafficMeans::ArcRoutingControl { .. } => return Err(without_aws(means)),
        TrafficMeans::Simulated {} => Arc::new(simulated::Simulated::new(home)),
    })
}

/// What a server says that was built without what speaks to AWS.
#[cfg(any(test, not(feature = "aws")))]
fn without_aws(means: &TrafficMeans) -> anyhow::Error {
    anyhow::anyhow!("{} needs a server built with the cargo feature `aws`; this one was built without it", means.in_words())
}

fn span(patience: Duration) -> Span {
    Span::from_millis(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))
}

/// What was told to send clients may need a moment; until the deadline it is asked again.
async fn read_back(control: &impl TrafficControl, to: &BTreeSet<RegionId>, deadline: Instant) -> anyhow::Result<()> {
    const CALM: Duration = Duration::from_millis(50);
    loop {
        let seen = control.regions().await?;
        if seen == *to {
            return Ok(());
        }
        if Instant::now() + CALM > deadline {
            bail!("it was told, and still sends clients to {} and not to {}", names_or_none(&seen), names_or_none(to));
        }
        sleep(CALM).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estate_that_needs_aws_is_refused_by_a_server_without_it() {
        let means = TrafficMeans::ArcRoutingControl { endpoints: Vec::new(), controls: Default::default(), ttl: Span::ZERO };
        assert_eq!(
            without_aws(&means).to_string(),
            "ARC, 0 routing controls needs a server built with the cargo feature `aws`; this one was built without it"
        );
    }
}
