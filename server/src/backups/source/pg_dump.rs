//! One database by `pg_dump` in its custom format, read in the same snapshot in which its rows are counted.

use super::{Broken, Climbed, Machine, Order, Source, Taken};
use crate::{
    backups::{
        login::PgLogin,
        scratch::{self, Scratch},
        work::Folder,
    },
    connect::program,
};
use anyhow::Context;
use async_trait::async_trait;
use engine::{
    backups::{Count, ProofLevel},
    estate::Verification,
};
use std::time::{Duration, Instant as Moment};
use tokio_postgres::Client;

const DUMP: &str = "dump.pgc";
const PATIENCE: Duration = Duration::from_secs(10);
/// The database that it is restored into.
const RESTORED: &str = "restored";

/// See the module.
pub struct PgDump {
    pub machine: Machine,
    pub login: PgLogin,
    pub database: String,
}

#[async_trait]
impl Source for PgDump {
    async fn tool(&self) -> anyhow::Result<String> {
        self.machine.version_of("pg_dump", &["pg_restore", "initdb", "pg_amcheck", "postgres"]).await
    }

    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken> {
        let mut node = order.node()?.clone();
        node.database.clone_from(&self.database);
        let client = node.connect(PATIENCE).await.context("the node that takes the writes cannot be asked")?;
        // The snapshot lives as long as this transaction, which therefore must not be bounded.
        client.batch_execute("set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read read only").await?;
        let row = client
            .query_one("select pg_export_snapshot(), floor(extract(epoch from now()) * 1000)::int8, pg_database_size(current_database())", &[])
            .await?;
        let (snapshot, at, bytes): (String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let counts = counted(&client, &order.count).await?;
        let source_bytes = u64::try_from(bytes).ok();
        folder.make("files")?;
        let file = folder.inside(&format!("files/{DUMP}"));
        let (host, port) = (node.host.clone(), node.port.to_string());
        let arguments = ["-w", "-h", &host, "-p", &port, "-U", &node.user, "-F", "custom", "--snapshot", &snapshot, "-f", &file, &self.database];
        let line: Vec<String> = std::iter::once(self.machine.program("pg_dump")).chain(arguments.iter().map(|text| (*text).to_owned())).collect();
        let login = self.login.variables(folder)?;
        let mut variables: Vec<(&str, &str)> = login.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend([("LC_ALL", "C"), ("PGAPPNAME", "lifeboat backup"), folder.variable()]);
        order.told(folder, program::run_as(&line, &variables, folder.run_as(), order.patience)).await?;
        client.batch_execute("commit").await.context("the snapshot was lost while it was read")?;
        Ok(Taken { files: vec![DUMP.to_owned()], recoverable_to: chrono::DateTime::from_timestamp_millis(at), source_bytes, wal: None, counts })
    }

    async fn climb(&self, folder: &Folder, wanted: ProofLevel, verification: &Verification, counts: &[Count]) -> Climbed {
        let mut climbed = Climbed::default();
        let file = folder.inside(&format!("files/{DUMP}"));
        let environment = [("LC_ALL", "C"), folder.variable()];
        let began = Moment::now();
        // All of it is read and turned into statements, which go nowhere.
        let line = [self.machine.program("pg_restore"), "-f".to_owned(), "/dev/null".to_owned(), file.clone()];
        let read = program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await;
        let outcome = read.map(|_| "pg_restore read all of it".to_owned()).map_err(Broken::of_tool);
        if !climbed.step(ProofLevel::Readable, began, outcome) || wanted < ProofLevel::Boots {
            return climbed;
        }
        let began = Moment::now();
        let scratch = match self.restore(folder, &file).await {
            Ok(scratch) => scratch,
            Err(broken) => {
                climbed.step(ProofLevel::Boots, began, Err(broken));
                return climbed;
            }
        };
        climbed.booted_at = Some(Moment::now());
        climbed.step(ProofLevel::Boots, began, Ok(format!("restored into an empty {}", scratch.said)));
        if wanted >= ProofLevel::Answers {
            let began = Moment::now();
            let outcome = scratch::answers(&scratch, &self.machine, folder, RESTORED, verification, counts).await;
            climbed.step(ProofLevel::Answers, began, outcome);
        }
        scratch.stop().await;
        climbed
    }
}

impl PgDump {
    async fn restore(&self, folder: &Folder, file: &str) -> Result<Scratch, Broken> {
        let environment = [("LC_ALL", "C"), ("PATH", "/usr/bin:/bin"), folder.variable()];
        let data = folder.inside("data");
        let line: Vec<String> = [
            self.machine.program("initdb"),
            "-D".into(),
            data,
            "-U".into(),
            "postgres".into(),
            "-A".into(),
            "trust".into(),
            "-E".into(),
            "UTF8".into(),
            "--no-sync".into(),
        ]
        .into();
        program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await.map_err(|error| Broken::surroundings(format!("{error:#}")))?;
        let scratch = Scratch::start(&self.machine, folder, "postgres", None).await?;
        let client = scratch.enter("postgres").await.map_err(|error| Broken::surroundings(format!("{error:#}")))?;
        client.batch_execute("create database restored template template0").await.map_err(Broken::surroundings)?;
        let sockets = scratch.sockets();
        // Owners and rights are not part of one database's dump: the roles do not exist here.
        let line: Vec<String> = [
            self.machine.program("pg_restore"),
            "--exit-on-error".into(),
            "--no-owner".into(),
            "--no-privileges".into(),
            "-h".into(),
            sockets,
            "-p".into(),
            "5432".into(),
            "-U".into(),
            "postgres".into(),
            "-d".into(),
            RESTORED.into(),
            file.into(),
        ]
        .into();
        program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await.map_err(Broken::of_tool)?;
        Ok(scratch)
    }
}

async fn counted(client: &Client, tables: &[String]) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for table in tables {
        let rows = scratch::count(client, table).await?;
        counts.push(Count { table: table.clone(), before: rows, after: rows });
    }
    Ok(counts)
}
