//! `lifeboat check databases`: signs in to every node as the server would and says what its roles lack, what does not work
//! without it, and the statement that grants it. Nothing is changed, and no running server is needed.

use crate::{
    config::Config,
    connect::postgres::{self, Reader},
    connections::Connections,
};
use chrono::Utc;
use engine::databases::{CatalogReading, NodeReading};
use std::{fmt::Write, time::Duration};

/// What was found, in words, and how grave it is.
#[derive(Debug, Default)]
pub struct Checked {
    pub text: String,
    missing: usize,
    unknown: usize,
}

impl Checked {
    /// 0 nothing is missing, 1 something is, 2 something is not known.
    pub fn exit_code(&self) -> u8 {
        match (self.missing, self.unknown) {
            (0, 0) => 0,
            (0, _) => 2,
            _ => 1,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Checks every node of every cluster.
///
/// # Errors
/// A configuration or an estate that cannot be used; what a node does not answer stands in the result.
pub async fn databases(config: &Config) -> anyhow::Result<Checked> {
    let (estate, _) = config.read_estate()?;
    let connections = Connections::new(config, &estate)?;
    let mut checked = Checked::default();
    for cluster in &estate.clusters {
        for node in &cluster.nodes {
            let Some(address) = connections.nodes.get(&(cluster.id.clone(), node.id.clone())) else { continue };
            let look = async {
                let client = address.connect(PATIENCE).await?;
                postgres::look(&client, Utc::now(), PATIENCE).await
            };
            let reader = Reader::new(address.clone(), cluster.manager, connections.agents.get(&node.region).cloned());
            let mut reader = reader.of_commits_that_wait(estate.synchronous_of(cluster, &node.id));
            let (seen, read) = (look.await, reader.read(Utc::now()).await);
            checked.node(&format!("{} of {}", node.id, cluster.id), seen, read)?;
        }
    }
    if estate.clusters.is_empty() {
        writeln!(checked.text, "the estate declares no cluster, so there is nothing to check")?;
    }
    Ok(checked)
}

impl Checked {
    fn node(&mut self, node: &str, seen: anyhow::Result<NodeReading>, read: anyhow::Result<CatalogReading>) -> anyhow::Result<()> {
        let (before, mut not_known) = (self.missing, Vec::new());
        let version = seen.map(|seen| seen.version).map_err(|error| not_known.push(("whether it is well".to_owned(), format!("{error:#}")))).ok();
        match read {
            Err(error) => not_known.push(("what Lifeboat may do there".to_owned(), format!("{error:#}"))),
            Ok(read) => {
                for right in read.missing_rights() {
                    self.missing += 1;
                    writeln!(self.text, "{node}: MISSING {}: {}", right.right, right.without)?;
                    writeln!(self.text, "    on the primary, in the database {}: {}", right.database, right.grant)?;
                }
                let details = [
                    ("the rights of Lifeboat's role", read.rights.err()),
                    ("the rights of the role that streams", read.streaming_rights.err()),
                    ("its replication slots", read.slots.err()),
                    ("its WAL archive", read.archive.err()),
                ];
                not_known.extend(details.into_iter().filter_map(|(what, why)| Some((what.to_owned(), why?))));
            }
        }
        for (what, why) in &not_known {
            writeln!(self.text, "{node}: NOT KNOWN {what}: {why}")?;
        }
        self.unknown += not_known.len();
        if self.missing == before && not_known.is_empty() {
            writeln!(self.text, "{node}: nothing is missing (PostgreSQL {})", version.unwrap_or_else(|| "?".to_owned()))?;
        }
        Ok(())
    }
}
