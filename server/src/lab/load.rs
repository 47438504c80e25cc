//! Writes numbered rows through HAProxy, or PgBouncer before it, without pause and keeps outside the database which of them were acknowledged.
//!
//! It is the lab's witness: what a failover really cost, independent of what the dashboard says. One connection, one row at
//! a time; each number is tried once. A row is *acknowledged* when the database said so, *in doubt* when the connection broke or
//! stayed silent before it did.

use super::layout::Layout;
use super::map::{Map, Place};
use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio_postgres::{Client, NoTls, types::Type};

/// How long a statement or a connection attempt may stay silent.
const PATIENCE: Duration = Duration::from_secs(2);
/// Behind PgBouncer: longer than any pause, which is no error to a client.
const PATIENCE_IN_A_PAUSE: Duration = Duration::from_secs(40);
/// How long the comparison at the end waits for a writable endpoint.
const VERIFY_DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize)]
pub struct Report {
    pub run: i64,
    pub started_at: DateTime<Utc>,
    pub took_ms: u64,
    pub acknowledged: usize,
    /// Acknowledged rows that are not in the table.
    pub missing: usize,
    pub first_missing: Vec<i64>,
    /// Sent, never acknowledged.
    pub in_doubt: usize,
    /// How many of those are in the table nevertheless.
    pub in_doubt_present: usize,
    /// Between two acknowledged writes; absent with fewer than two.
    pub longest_gap: Option<Gap>,
    /// The longest that one acknowledged write took; absent where none was acknowledged.
    pub slowest_ms: Option<f64>,
    /// From each first error to the next acknowledged write, added up.
    pub refused_ms: u64,
    pub errors: BTreeMap<String, u64>,
    /// Numbers acknowledged, one a line.
    pub acknowledged_file: PathBuf,
}

#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    pub ms: f64,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Which cluster is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Cluster {
    #[default]
    Users,
    /// The one that Patroni runs.
    Orders,
}

/// What the rows go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Through {
    #[default]
    Router,
    /// PgBouncer, which gives each transaction another connection to the router.
    Pooler,
    /// HAProxy where it asks Patroni itself who leads, and nobody tells it anything.
    Patroni,
}

/// Where the rows go, and on which way.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub cluster: Cluster,
    pub through: Through,
}

pub async fn run(layout: &Layout, map: Map, way: Way, seconds: Option<f64>, pause: Duration) -> anyhow::Result<Report> {
    let mut writer = Writer::new(layout, map, way)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let time_is_up = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = time_is_up => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = writer.write_for_ever(pause) => ended?,
    }
    writer.verify().await
}

struct Writer {
    address: SocketAddr,
    through: Through,
    config: tokio_postgres::Config,
    /// Past the pooler: the comparison at the end sets what belongs to a session.
    compare: tokio_postgres::Config,
    run: i64,
    began: Instant,
    started_at: DateTime<Utc>,
    file: File,
    path: PathBuf,
    next: i64,
    acknowledged: BTreeSet<i64>,
    in_doubt: BTreeSet<i64>,
    last: Option<(Instant, DateTime<Utc>)>,
    longest: Option<Gap>,
    slowest: Option<Duration>,
    failing_since: Option<Instant>,
    refused: Duration,
    errors: BTreeMap<String, u64>,
}

impl Writer {
    fn new(layout: &Layout, map: Map, way: Way) -> anyhow::Result<Self> {
        let (router, database) = match way.cluster {
            Cluster::Users => (map.haproxy(Place::Control), "users"),
            Cluster::Orders if way.through == Through::Patroni => (map.patroni_own_front(), super::patroni::CLUSTER),
            Cluster::Orders => (map.patroni_front(), super::patroni::CLUSTER),
        };
        match (way.cluster, way.through) {
            (Cluster::Orders, Through::Pooler) => bail!("the cluster orders has no pooler"),
            (Cluster::Users, Through::Patroni) => bail!("Patroni runs the cluster orders only"),
            _ => {}
        }
        let mut config = tokio_postgres::Config::new();
        config.user("app").dbname(database).application_name("lifeboat lab load");
        config.password(std::fs::read_to_string(layout.secret_path("app")).context("cannot read the password of role app; is the lab up?")?.trim());
        let at = |address: SocketAddr| {
            let mut config = config.clone();
            config.hostaddr(address.ip()).port(address.port());
            config
        };
        // PgBouncer takes no options: what they set would be seen by whoever is given the connection next.
        let mut compare = at(router);
        compare.options("-c statement_timeout=2000");
        let (address, config) = match way.through {
            Through::Router | Through::Patroni => (router, compare.clone()),
            Through::Pooler => (map.pooler(Place::Control), at(map.pooler(Place::Control))),
        };
        let started_at = Utc::now();
        let run = started_at.timestamp_micros();
        let path = layout.folder.join("load").join(format!("{run}.acknowledged"));
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            address,
            through: way.through,
            config,
            compare,
            run,
            began: Instant::now(),
            started_at,
            file,
            path,
            next: 1,
            acknowledged: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
            last: None,
            longest: None,
            slowest: None,
            failing_since: None,
            refused: Duration::ZERO,
            errors: BTreeMap::new(),
        })
    }

    async fn write_for_ever(&mut self, pause: Duration) -> anyhow::Result<()> {
        loop {
            match Self::connect(&self.config).await {
                Ok(client) => self.write_until_error(&client, pause).await?,
                Err(error) => {
                    self.note(error);
                    // Refusals come back within microseconds; without a breath this loop would only burn a core.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
    }

    async fn connect(config: &tokio_postgres::Config) -> Result<Client, String> {
        let (client, connection) = match tokio::time::timeout(PATIENCE, config.connect(NoTls)).await {
            Ok(connected) => connected.map_err(|e| words(&e))?,
            Err(_) => return Err(format!("no connection within {} ms", PATIENCE.as_millis())),
        };
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
        });
        Ok(client)
    }

    /// `Err` only when the local record cannot be kept; then the measurement is worthless.
    async fn write_until_error(&mut self, client: &Client, pause: Duration) -> anyhow::Result<()> {
        let patience = match self.through {
            Through::Router | Through::Patroni => PATIENCE,
            Through::Pooler => PATIENCE_IN_A_PAUSE,
        };
        let insert = match tokio::time::timeout(PATIENCE, Insert::over(client, self.through)).await {
            Ok(Ok(insert)) => insert,
            Ok(Err(error)) => {
                self.note(words(&error));
                return Ok(());
            }
            Err(_) => {
                self.note(format!("no answer within {} ms", PATIENCE.as_millis()));
                return Ok(());
            }
        };
        loop {
            let number = self.next;
            self.next += 1;
            // In doubt from the moment it is sent: the run may be ended while the answer is under way.
            self.in_doubt.insert(number);
            let sent = Instant::now();
            let problem = match tokio::time::timeout(patience, insert.execute(client, self.run, number)).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(words(&error)),
                Err(_) => Some(format!("no answer within {} ms", patience.as_millis())),
            };
            if let Some(problem) = problem {
                self.note(problem);
                return Ok(());
            }
            self.slowest = self.slowest.max(Some(sent.elapsed()));
            self.acknowledge(number)?;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn acknowledge(&mut self, number: i64) -> anyhow::Result<()> {
        let (now, utc) = (Instant::now(), Utc::now());
        self.file.write_all(format!("{number}\n").as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.in_doubt.remove(&number);
        self.acknowledged.insert(number);
        if let Some((before, before_utc)) = self.last {
            let ms = (now - before).as_secs_f64() * 1000.0;
            if self.longest.as_ref().is_none_or(|gap| gap.ms < ms) {
                self.longest = Some(Gap { ms, from: before_utc, to: utc });
            }
        }
        self.last = Some((now, utc));
        if let Some(since) = self.failing_since.take() {
            self.refused += now - since;
        }
        Ok(())
    }

    fn note(&mut self, error: String) {
        self.failing_since.get_or_insert_with(Instant::now);
        *self.errors.entry(error).or_default() += 1;
    }

    /// Compares the table with the local record. Needs a writable endpoint, since a standby may lag.
    async fn verify(mut self) -> anyhow::Result<Report> {
        let took = self.began.elapsed();
        if let Some(since) = self.failing_since.take() {
            self.refused += since.elapsed();
        }
        let deadline = Instant::now() + VERIFY_DEADLINE;
        let present = loop {
            match self.present().await {
                Ok(present) => break present,
                Err(error) if Instant::now() > deadline => bail!(
                    "could not verify: {} gave no writable database within {} s ({error}); {} acknowledged numbers are kept in {}",
                    self.address,
                    VERIFY_DEADLINE.as_secs(),
                    self.acknowledged.len(),
                    self.path.display()
                ),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let missing: Vec<i64> = self.acknowledged.difference(&present).copied().collect();
        Ok(Report {
            run: self.run,
            started_at: self.started_at,
            took_ms: took.as_millis() as u64,
            acknowledged: self.acknowledged.len(),
            missing: missing.len(),
            first_missing: missing.iter().take(20).copied().collect(),
            in_doubt: self.in_doubt.len(),
            in_doubt_present: self.in_doubt.intersection(&present).count(),
            longest_gap: self.longest,
            slowest_ms: self.slowest.map(|slowest| slowest.as_secs_f64() * 1000.0),
            refused_ms: self.refused.as_millis() as u64,
            errors: self.errors,
            acknowledged_file: self.path,
        })
    }

    async fn present(&self) -> Result<BTreeSet<i64>, String> {
        let client = Self::connect(&self.compare).await?;
        let ask = async {
            // A write that is taken back proves that the endpoint is writable and leaves no row.
            client.batch_execute("BEGIN").await?;
            client.execute("INSERT INTO app.load_rows (run, number) VALUES ($1, 0)", &[&self.run]).await?;
            client.batch_execute("ROLLBACK; SET statement_timeout = '20s'").await?;
            client.query("SELECT number FROM app.load_rows WHERE run = $1", &[&self.run]).await
        };
        match tokio::time::timeout(Duration::from_secs(20), ask).await {
            Ok(Ok(rows)) => Ok(rows.iter().map(|row| row.get(0)).collect()),
            Ok(Err(error)) => Err(words(&error)),
            Err(_) => Err("no answer within 20 s".into()),
        }
    }
}

/// Writes one row.
enum Insert {
    Prepared(tokio_postgres::Statement),
    /// Behind PgBouncer nothing can be prepared: the next statement may go to another connection.
    AtOnce,
}

impl Insert {
    const ROW: &'static str = "INSERT INTO app.load_rows (run, number) VALUES ($1, $2)";

    async fn over(client: &Client, through: Through) -> Result<Self, tokio_postgres::Error> {
        match through {
            Through::Router | Through::Patroni => client.prepare(Self::ROW).await.map(Self::Prepared),
            Through::Pooler => Ok(Self::AtOnce),
        }
    }

    async fn execute(&self, client: &Client, run: i64, number: i64) -> Result<(), tokio_postgres::Error> {
        match self {
            Self::Prepared(insert) => client.execute(insert, &[&run, &number]).await.map(|_| ()),
            Self::AtOnce => client.query_typed(Self::ROW, &[(&run, Type::INT8), (&number, Type::INT8)]).await.map(|_| ()),
        }
    }
}

/// The database's own message where there is one, else the cause at the bottom.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(database) = error.as_db_error() {
        return database.message().to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The report for people.
pub fn print(report: &Report) {
    println!("acknowledged       {}", report.acknowledged);
    println!("missing            {}{}", report.missing, if report.missing > 0 { format!("  {:?}", report.first_missing) } else { String::new() });
    println!("in doubt           {} ({} of them in the table)", report.in_doubt, report.in_doubt_present);
    match &report.longest_gap {
        Some(gap) => println!("longest gap        {:.1} ms, {} to {}", gap.ms, gap.from.format("%H:%M:%S%.3f"), gap.to.format("%H:%M:%S%.3f UTC")),
        None => println!("longest gap        unknown: fewer than two writes were acknowledged"),
    }
    println!("slowest write      {}", report.slowest_ms.map_or_else(|| "unknown: none was acknowledged".to_owned(), |ms| format!("{ms:.1} ms")));
    println!("writes refused     {} ms in all", report.refused_ms);
    for (error, count) in &report.errors {
        println!("error              {count} × {error}");
    }
    println!("record             {}", report.acknowledged_file.display());
}
