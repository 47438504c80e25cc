//! Reads what changes slowly, over a connection of its own: a question that takes long must hold up no probe.

use super::{Address, catalog, rights, within};
use crate::connect::agent::Agent;
use anyhow::Context;
use engine::{
    databases::{CatalogReading, Detail, MissingRight},
    estate::{Manager, Synchronous},
    time::Instant,
};
use std::time::Duration;
use tokio_postgres::Client;

/// For one node.
pub struct Reader {
    address: Address,
    manager: Manager,
    /// Who knows the name of the role that standbys stream as: absent where no agent is set up, and none is ever told to stream.
    agent: Option<Agent>,
    /// Whom commits are declared to wait for: without a right to say so that is not kept.
    declared: Option<Synchronous>,
    client: Option<Client>,
    streaming: Option<String>,
    /// The rights as last read, and for how many rounds yet they are taken for what they were.
    rights: Option<(u32, Rights)>,
}

/// What each of the two roles lacks.
#[derive(Clone)]
struct Rights {
    own: Detail<Vec<MissingRight>>,
    streaming: Detail<Vec<MissingRight>>,
}

/// Everything of one look, and how long PostgreSQL may take for one question of it.
const PATIENCE: Duration = Duration::from_secs(5);
const PER_STATEMENT: &str = "set statement_timeout = '1500ms'";
/// Rights change rarely, and asking for those of the other role takes a connection.
const ROUNDS_PER_RIGHTS: u32 = 3;

impl Reader {
    /// `agent` is the one of the node's region: it keeps no node that Patroni runs.
    pub fn new(address: Address, manager: Manager, agent: Option<Agent>) -> Self {
        let agent = agent.filter(|_| manager == Manager::Lifeboat);
        Self { address, manager, agent, declared: None, client: None, streaming: None, rights: None }
    }
    /// The same for a node of a cluster whose commits are declared to wait.
    #[must_use]
    pub fn of_commits_that_wait(self, declared: Option<Synchronous>) -> Self {
        Self { declared, ..self }
    }

    /// One look. Details that fail say so in their place.
    ///
    /// # Errors
    /// Where nothing at all was answered: then the connection is not used again.
    pub async fn read(&mut self, at: Instant) -> anyhow::Result<CatalogReading> {
        let kept = self.client.take().filter(|client| !client.is_closed());
        let reading = async {
            let client = match kept {
                Some(client) => client,
                None => {
                    let client = self.address.connect(PATIENCE).await?;
                    client.batch_execute(PER_STATEMENT).await.map_err(super::in_words)?;
                    client
                }
            };
            let version = catalog::version(&client).await?;
            let (slots, archive) = (detail(catalog::slots(&client, version).await), detail(catalog::archive(&client).await));
            let Rights { own: rights, streaming: streaming_rights } = self.rights(&client, version).await;
            anyhow::ensure!(!client.is_closed(), "the connection ended in the middle of the answers");
            self.client = Some(client);
            Ok(CatalogReading { at, slots, archive, rights, streaming_rights })
        };
        within(PATIENCE, reading).await
    }

    async fn rights(&mut self, client: &Client, version: i32) -> Rights {
        let (rounds, rights) = match self.rights.take() {
            Some((rounds, rights)) if rounds > 0 => (rounds - 1, rights),
            _ => {
                let own = detail(rights::missing(client, version, self.manager, self.declared.as_ref()).await);
                (ROUNDS_PER_RIGHTS - 1, Rights { own, streaming: detail(self.streaming_rights().await) })
            }
        };
        self.rights = Some((rounds, rights.clone()));
        rights
    }

    async fn streaming_rights(&mut self) -> anyhow::Result<Vec<MissingRight>> {
        let Some(agent) = &self.agent else { return Ok(Vec::new()) };
        // A name that was told once is not asked for again: an agent that is silent for a while takes nothing away.
        let role = match self.streaming.clone() {
            Some(role) => role,
            None => agent.status().await.context("the host agent knows the name of the role")?.replication_user,
        };
        self.streaming = Some(role.clone());
        let address = Address { database: rights::REWIND_DATABASE.to_owned(), ..self.address.clone() };
        let client = address.connect(PATIENCE).await.with_context(|| format!("the database {}", rights::REWIND_DATABASE))?;
        client.batch_execute(PER_STATEMENT).await.map_err(super::in_words)?;
        rights::missing_of_streaming(&client, &role).await
    }
}

fn detail<T>(result: anyhow::Result<T>) -> Detail<T> {
    result.map_err(|error| format!("{error:#}"))
}
