//! A whole cluster by `pg_basebackup`: a tar compressed by the server, the WAL it needs to be consistent, and a manifest.
//! Tablespaces outside the data folder are refused.

use super::{Broken, Climbed, Machine, Order, Source, Taken};
use crate::{
    backups::{
        login::PgLogin,
        scratch::{self, Scratch},
        work::Folder,
    },
    connect::program,
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    backups::{Count, ProofLevel, chain::WalRange},
    estate::Verification,
    time::Instant,
};
use serde::Deserialize;
use std::{
    io::BufReader,
    path::Path,
    time::{Duration, Instant as Moment},
};
use tokio_postgres::Client;

const BASE: &str = "base.tar.zst";
const WAL: &str = "pg_wal.tar";
const MANIFEST: &str = "backup_manifest";
/// How often the source is asked how far it has come.
const ASKED_EVERY: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct PgBasebackup {
    pub machine: Machine,
    pub login: PgLogin,
}

#[async_trait]
impl Source for PgBasebackup {
    async fn tool(&self) -> anyhow::Result<String> {
        for (program, package) in [("/usr/bin/tar", "tar"), ("/usr/bin/zstd", "zstd")] {
            if !Path::new(program).is_file() {
                bail!("{program} is missing: install the package {package}");
            }
        }
        self.machine.version_of("pg_basebackup", &["pg_verifybackup", "pg_waldump", "pg_amcheck", "postgres"]).await
    }

    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken> {
        let node = order.node()?;
        let client = node.connect(PATIENCE).await.context("the node that takes the writes cannot be asked")?;
        let mut taken = before(&client, &order.count).await?;
        let name = format!("lifeboat backup {}", folder.path().file_name().unwrap_or_default().to_string_lossy());
        let login = self.login.variables(folder)?;
        let mut variables: Vec<(&str, &str)> = login.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend([("PGAPPNAME", &*name), ("LC_ALL", "C"), folder.variable()]);
        let mut line = vec![self.machine.program("pg_basebackup")];
        let (host, port) = (node.host.clone(), node.port.to_string());
        // The server compresses; the checkpoint is taken at once; nothing is forced to disk here, where it does not stay.
        for argument in ["-w", "-h", &host, "-p", &port, "-U", &node.user, "-F", "tar", "--compress=server-zstd:3"] {
            line.push(argument.to_owned());
        }
        for argument in ["-X", "stream", "-c", "fast", "--manifest-checksums=SHA256", "--no-sync", "-D", &folder.inside("files")] {
            line.push(argument.to_owned());
        }
        let mut running = std::pin::pin!(program::run_as(&line, &variables, folder.run_as(), order.patience));
        let mut asked = tokio::time::interval(ASKED_EVERY);
        loop {
            tokio::select! {
                ended = &mut running => {
                    ended?;
                    break;
                }
                _ = asked.tick() => {
                    // As long as files are streamed, everything committed by now is before the end of the backup.
                    if let Some((at, streamed, total)) = progress(&client, &name).await? {
                        taken.recoverable_to = Some(at);
                        order.progress.send_replace((streamed, total));
                    }
                }
            }
        }
        if let Some(other) = other_file(folder)? {
            bail!("the cluster has tablespaces outside of its data folder ({other}), which are not supported: take them in, or use pg_dump");
        }
        after(&client, &mut taken.counts).await?;
        let ranges = ranges(&folder.path().join("files").join(MANIFEST))?;
        let last = ranges.last().context("the manifest names no WAL")?;
        taken.wal = Some(WalRange { timeline: last.timeline, from: last.start.parse()?, to: last.end.parse()? });
        taken.files = [BASE, WAL, MANIFEST].map(str::to_owned).to_vec();
        Ok(taken)
    }

    fn as_basebackup(&self) -> Option<&PgBasebackup> {
        Some(self)
    }

    async fn climb(&self, folder: &Folder, wanted: ProofLevel, verification: &Verification, counts: &[Count]) -> Climbed {
        self.restore(folder, wanted, verification, counts, None).await
    }

    async fn climb_through(&self, folder: &Folder, wanted: ProofLevel, verification: &Verification, end: WalRange) -> Climbed {
        // What was counted then was counted before the log went on.
        self.restore(folder, wanted, verification, &[], Some(end)).await
    }
}

impl PgBasebackup {
    async fn restore(&self, folder: &Folder, wanted: ProofLevel, verification: &Verification, counts: &[Count], end: Option<WalRange>) -> Climbed {
        let mut climbed = Climbed::default();
        let began = Moment::now();
        let outcome = self.read(folder, &mut climbed.recovered_to, end).await;
        if !climbed.step(ProofLevel::Readable, began, outcome) || wanted < ProofLevel::Boots {
            return climbed;
        }
        let began = Moment::now();
        let scratch = match Scratch::start(&self.machine, folder, &self.login.user, end.map(|end| end.to)).await {
            Ok(scratch) => scratch,
            Err(broken) => {
                climbed.step(ProofLevel::Boots, began, Err(broken));
                return climbed;
            }
        };
        climbed.booted_at = Some(Moment::now());
        climbed.step(ProofLevel::Boots, began, Ok(scratch.said.clone()));
        if wanted >= ProofLevel::Answers {
            let began = Moment::now();
            let outcome = scratch::answers(&scratch, &self.machine, folder, &self.login.database, verification, counts).await;
            climbed.step(ProofLevel::Answers, began, outcome);
        }
        scratch.stop().await;
        climbed
    }

    /// Unpacks it and has PostgreSQL's own tools read every file, and every record of the WAL that it needs.
    pub(in crate::backups) async fn read(
        &self,
        folder: &Folder,
        newest_commit: &mut Option<Instant>,
        end: Option<WalRange>,
    ) -> Result<String, Broken> {
        for name in ["data", "data/pg_wal"] {
            folder.make(name).map_err(Broken::surroundings)?;
        }
        let tar =
            |arguments: &[&str]| -> Vec<String> { std::iter::once("/usr/bin/tar").chain(arguments.iter().copied()).map(str::to_owned).collect() };
        let environment = [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), folder.variable()];
        let base = tar(&["--zstd", "-x", "-f", &folder.inside(&format!("files/{BASE}")), "-C", &folder.inside("data")]);
        let wal = tar(&["-x", "-f", &folder.inside(&format!("files/{WAL}")), "-C", &folder.inside("data/pg_wal")]);
        for line in [base, wal] {
            program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await.map_err(Broken::of_tool)?;
        }
        let manifest = folder.path().join("data").join(MANIFEST);
        std::fs::copy(folder.path().join("files").join(MANIFEST), &manifest).map_err(Broken::surroundings)?;
        folder.own(&manifest).map_err(Broken::surroundings)?;
        let line = [self.machine.program("pg_verifybackup"), "--quiet".to_owned(), folder.inside("data")];
        program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await.map_err(Broken::of_tool)?;
        let ranges = ranges(&manifest).map_err(|error| Broken::backup(format!("{error:#}")))?;
        for range in &ranges {
            let last = self.last_commit(folder, "data/pg_wal", range).await.map_err(Broken::of_tool)?;
            *newest_commit = (*newest_commit).max(last);
        }
        let mut read_to = ranges.last().map_or_else(String::new, |range| range.end.clone());
        if let (Some(end), Some(base)) = (end, ranges.last()) {
            let range = Range { timeline: end.timeline, start: base.end.clone(), end: end.to.to_string() };
            let last = self.last_commit(folder, "wal", &range).await.map_err(Broken::of_tool)?;
            *newest_commit = (*newest_commit).max(last);
            read_to = range.end;
        }
        Ok(format!("pg_verifybackup read every file, and pg_waldump the log up to {read_to}"))
    }

    async fn last_commit(&self, folder: &Folder, at: &str, range: &Range) -> anyhow::Result<Option<Instant>> {
        let arguments = ["-p", &folder.inside(at), "-t", &range.timeline.to_string(), "-s", &range.start, "-e", &range.end, "-r", "Transaction"];
        let line: Vec<String> = std::iter::once(self.machine.program("pg_waldump")).chain(arguments.iter().map(|text| (*text).to_owned())).collect();
        let environment = [("TZ", "UTC"), ("LC_ALL", "C"), folder.variable()];
        let mut last = None;
        program::each_line(&line, &environment, folder.run_as(), scratch::PATIENCE, |line| {
            if let Some((_, commit)) = line.split_once("COMMIT ") {
                let at = commit.split(" UTC").next().and_then(|text| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok());
                last = at.or(last);
            }
        })
        .await?;
        Ok(last.map(|last| last.and_utc()))
    }
}

/// A stretch of WAL that the backup needs.
#[derive(Deserialize)]
struct Range {
    #[serde(rename = "Timeline")]
    timeline: u32,
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

fn ranges(manifest: &Path) -> anyhow::Result<Vec<Range>> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(rename = "WAL-Ranges")]
        ranges: Vec<Range>,
    }
    let file = std::fs::File::open(manifest).context("the manifest cannot be read")?;
    let manifest: Manifest = serde_json::from_reader(BufReader::new(file)).context("the manifest is no manifest")?;
    if manifest.ranges.is_empty() {
        bail!("the manifest names no WAL");
    }
    Ok(manifest.ranges)
}

/// A file that a cluster without tablespaces does not have.
fn other_file(folder: &Folder) -> anyhow::Result<Option<String>> {
    let entries = std::fs::read_dir(folder.path().join("files")).context("pg_basebackup left nothing")?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| ![BASE, WAL, MANIFEST].contains(&name.as_str())).min())
}

async fn before(client: &Client, tables: &[String]) -> anyhow::Result<Taken> {
    let recoverable_to = Some(clock(client).await?);
    let row = client.query_one("select sum(pg_database_size(oid))::int8 from pg_database", &[]).await?;
    let bytes: i64 = row.try_get(0)?;
    let mut counts = Vec::new();
    for table in tables {
        let rows = scratch::count(client, table).await?;
        counts.push(Count { table: table.clone(), before: rows, after: rows });
    }
    Ok(Taken { files: Vec::new(), recoverable_to, source_bytes: u64::try_from(bytes).ok(), wal: None, counts })
}

async fn after(client: &Client, counts: &mut [Count]) -> anyhow::Result<()> {
    for count in counts {
        count.after = scratch::count(client, &count.table).await?;
    }
    Ok(())
}

/// The source's clock, cut to milliseconds.
pub(super) async fn clock(client: &Client) -> anyhow::Result<Instant> {
    let millis: i64 = client.query_one("select floor(extract(epoch from clock_timestamp()) * 1000)::int8", &[]).await?.try_get(0)?;
    chrono::DateTime::from_timestamp_millis(millis).context("the source's clock is out of range")
}

/// The source's clock, and how much it has streamed, while it streams files.
async fn progress(client: &Client, name: &str) -> anyhow::Result<Option<(Instant, u64, Option<u64>)>> {
    const ASK: &str = "select p.backup_streamed, p.backup_total from pg_stat_progress_basebackup p
                       join pg_stat_activity a using (pid) where a.application_name = $1 and p.phase = 'streaming database files'";
    // The clock is read before the phase is: so the instant lies before the end of the phase.
    let before = clock(client).await?;
    let Some(row) = client.query_opt(ASK, &[&name]).await? else { return Ok(None) };
    let (streamed, total): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Some((before, streamed.unsigned_abs(), total.map(i64::unsigned_abs))))
}
