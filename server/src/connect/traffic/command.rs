//! Programs of the server's configuration send the clients: one says where, one does it, one may rehearse it.

use super::{Abilities, TrafficControl, read_back};
use crate::{
    config::{self, Config},
    connect::program,
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    failover::plan::names_or_none,
    id::{RegionId, ServiceId},
};
use std::collections::BTreeSet;
use tokio::time::Instant;

pub(super) struct Command {
    service: ServiceId,
    name: String,
    lines: config::Command,
}

impl Command {
    pub(super) fn new(service: &ServiceId, name: &str, config: &Config) -> anyhow::Result<Self> {
        let Some(lines) = config.command.get(name) else {
            bail!("the configuration has no [command.{name}] with read and send");
        };
        Ok(Self { service: service.clone(), name: name.to_owned(), lines: lines.clone() })
    }

    async fn run(&self, action: &str, line: &[String], regions: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let regions = regions.iter().map(RegionId::as_str).collect::<Vec<_>>().join(" ");
        let variables = [("LIFEBOAT_ACTION", action), ("LIFEBOAT_SERVICE", self.service.as_str()), ("LIFEBOAT_REGIONS", &regions)];
        program::run(line, &variables, self.lines.timeout.as_std()).await.with_context(|| format!("the command {} to {action}", self.name))
    }
}

#[async_trait]
impl TrafficControl for Command {
    fn abilities(&self) -> Abilities {
        Abilities { rehearses: self.lines.rehearse.is_some(), reads_back: true, simulated: false, delay: None, patience: Some(self.lines.timeout) }
    }

    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        let printed = self.run("read", &self.lines.read, &BTreeSet::new()).await?;
        let lines = printed.lines().map(str::trim).filter(|line| !line.is_empty());
        // Only so much of a line as a person needs to recognise it.
        let region = |line: &str| line.parse().with_context(|| format!("it printed “{:.60}”, which is no id of a region", line.escape_debug()));
        lines.map(region).collect::<anyhow::Result<_>>().with_context(|| format!("the command {} to read", self.name))
    }

    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        if self.regions().await? == *to {
            return Ok(format!("the command {} reads that clients are sent to {} already", self.name, names_or_none(to)));
        }
        self.run("send", &self.lines.send, to).await?;
        let deadline = Instant::now() + self.lines.timeout.as_std();
        read_back(self, to, deadline).await.with_context(|| format!("the command {}", self.name))?;
        Ok(format!("the command {} sent clients to {}, read back", self.name, names_or_none(to)))
    }

    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let now = self.regions().await?;
        let found =
            format!("the command {} reads that clients are sent to {}; it would send them to {}", self.name, names_or_none(&now), names_or_none(to));
        let Some(rehearse) = &self.lines.rehearse else {
            return Ok(format!("{found}; only reading was rehearsed, the configuration has no rehearsal of sending"));
        };
        self.run("rehearse", rehearse, to).await?;
        Ok(format!("{found}, and its own rehearsal of that succeeded"))
    }
}
