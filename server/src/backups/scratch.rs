//! A scratch PostgreSQL: started on a restored data folder, for nobody but this server, on a socket of its own and without
//! anything that could reach out (no replication, no archiving, no listener). It goes with this value.

use super::{
    source::{Broken, Machine},
    work::Folder,
};
use crate::connect::program::{self, Group};
use anyhow::{Context, bail};
use engine::{backups::Count, databases::Lsn, estate::Verification};
use std::{
    path::PathBuf,
    time::{Duration, Instant as Moment},
};
use tokio::process::Child;
use tokio_postgres::{Client, Config, NoTls};

/// How long unpacking, checking and recovery may take, each.
pub const PATIENCE: Duration = Duration::from_secs(6 * 3600);
const ASKED_EVERY: Duration = Duration::from_millis(20);
/// A question to restored data takes at most so long.
const LONGEST_QUESTION: Duration = Duration::from_secs(600);
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// See the module.
pub struct Scratch {
    child: Child,
    group: Group,
    sockets: PathBuf,
    /// A role that may do everything there.
    superuser: String,
    /// What it is, in words.
    pub said: String,
}

impl Scratch {
    /// Starts a server on the folder `data` inside `folder`, and waits until it has recovered: by itself, or through the log in the folder
    /// `wal` up to `through`, which it must reach. `role` is one that it has.
    ///
    /// # Errors
    /// The server's own words.
    pub async fn start(machine: &Machine, folder: &Folder, role: &str, through: Option<Lsn>) -> Result<Self, Broken> {
        let mut scratch = Self::spawn(machine, folder, through).map_err(|error| Broken::surroundings(format!("{error:#}")))?;
        let log = folder.path().join("scratch.log");
        let began = Moment::now();
        let client = loop {
            match scratch.connect("postgres", role).await {
                Ok(client) => break client,
                Err(error) if scratch.child.try_wait().is_ok_and(|ended| ended.is_none()) => {
                    if began.elapsed() > PATIENCE {
                        return Err(Broken::surroundings(format!("it did not accept connections within {} s: {error:#}", PATIENCE.as_secs())));
                    }
                    // It said no for good, and not “not yet”.
                    if let Some(error) = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::as_db_error)
                        && error.code() != &tokio_postgres::error::SqlState::CANNOT_CONNECT_NOW
                    {
                        return Err(Broken::backup(format!("it started, and refused {role}: {}", error.message())));
                    }
                    tokio::time::sleep(ASKED_EVERY).await;
                }
                Err(_) => return Err(Broken::of_tool(anyhow::anyhow!("the scratch server ended: {}", last_words(&log)))),
            }
        };
        scratch.look(&client).await.map_err(|error| Broken::backup(format!("it started, and does not answer: {error:#}")))?;
        Ok(scratch)
    }

    fn spawn(machine: &Machine, folder: &Folder, through: Option<Lsn>) -> anyhow::Result<Self> {
        let settings = folder.make("scratch")?;
        let sockets = make_sockets(folder)?;
        for (name, text) in [("postgresql.conf", ""), ("pg_hba.conf", "local all all trust\n"), ("pg_ident.conf", "")] {
            let path = settings.join(name);
            std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
            folder.own(&path)?;
        }
        let mut line = vec![machine.program("postgres"), "-D".to_owned(), folder.inside("data")];
        let quiet = [
            ("config_file", folder.inside("scratch/postgresql.conf")),
            ("hba_file", folder.inside("scratch/pg_hba.conf")),
            ("ident_file", folder.inside("scratch/pg_ident.conf")),
            ("unix_socket_directories", sockets.to_string_lossy().into_owned()),
        ];
        // On the command line, so that nothing which ALTER SYSTEM set on the source counts.
        let fixed = [
            ("listen_addresses", ""),
            ("port", "5432"),
            ("ssl", "off"),
            ("archive_mode", "off"),
            ("archive_command", ""),
            ("primary_conninfo", ""),
            ("primary_slot_name", ""),
            ("synchronous_standby_names", ""),
            ("default_transaction_read_only", "off"),
            ("shared_preload_libraries", ""),
            ("max_prepared_transactions", "64"),
            ("max_wal_senders", "0"),
            ("wal_level", "minimal"),
            ("max_connections", "20"),
            ("shared_buffers", "32MB"),
            ("huge_pages", "off"),
            ("logging_collector", "off"),
            ("log_destination", "stderr"),
            ("autovacuum", "off"),
            // It is thrown away.
            ("fsync", "off"),
            ("lc_messages", "C"),
        ];
        for (name, value) in quiet.iter().map(|(name, value)| (*name, value.as_str())).chain(fixed) {
            line.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let recovery = match through {
            None => vec![("restore_command", String::new())],
            Some(lsn) => {
                let signal = folder.path().join("data/recovery.signal");
                std::fs::write(&signal, "").with_context(|| format!("{} cannot be written", signal.display()))?;
                folder.own(&signal)?;
                vec![
                    ("restore_command", format!("cp \"{}/%f\" \"%p\"", folder.inside("wal"))),
                    ("recovery_target_lsn", lsn.to_string()),
                    ("recovery_target_action", "promote".to_owned()),
                    // What is as it was on the source is not needed: nobody reads before it is over.
                    ("hot_standby", "off".to_owned()),
                ]
            }
        };
        for (name, value) in recovery {
            line.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let environment = [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC"), folder.variable()];
        let mut child = program::spawn(&line, &environment, folder.run_as())?;
        let group = Group::led_by(&child)?;
        keep(child.stdout.take(), None);
        keep(child.stderr.take(), Some(folder.path().join("scratch.log")));
        Ok(Self { child, group, sockets, superuser: String::new(), said: String::new() })
    }

    async fn look(&mut self, client: &Client) -> anyhow::Result<()> {
        // The role that made the cluster may always do everything, and always has this number.
        let row = client
            .query_one(
                "select (select rolname from pg_roles where oid = 10), current_setting('server_version'), timeline_id from pg_control_checkpoint()",
                &[],
            )
            .await?;
        self.superuser = row.try_get(0)?;
        let (version, timeline): (String, i32) = (row.try_get(1)?, row.try_get(2)?);
        self.said = format!("PostgreSQL {version} recovered to a consistent state on timeline {timeline}");
        Ok(())
    }

    /// # Errors
    /// What PostgreSQL says.
    pub async fn connect(&self, database: &str, role: &str) -> anyhow::Result<Client> {
        let mut config = Config::new();
        config.host_path(&self.sockets).port(5432).user(role).dbname(database).application_name("lifeboat");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a scratch server ended");
            }
        });
        Ok(client)
    }

    /// As the role that may do everything.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn enter(&self, database: &str) -> anyhow::Result<Client> {
        self.connect(database, &self.superuser).await
    }

    /// The folder of its socket, as programs take it.
    pub fn sockets(&self) -> String {
        self.sockets.to_string_lossy().into_owned()
    }

    /// Ends it and waits for its end.
    pub async fn stop(mut self) {
        self.group.kill();
        if tokio::time::timeout(STOPS_WITHIN, self.child.wait()).await.is_err() {
            tracing::warn!("a scratch server that was killed has not ended");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.group.kill();
        if let Err(error) = std::fs::remove_dir_all(&self.sockets)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.sockets.display(), "the folder of a scratch server's socket is left");
        }
    }
}

/// Where a server on this folder has its socket. A path to a socket has at most 107 bytes, so it does not lie in the folder.
pub fn sockets_of(folder: &Folder) -> PathBuf {
    std::env::temp_dir().join(format!("lifeboat-{:08x}", number_of(folder)))
}

/// Makes that place, for nobody but the user that servers run as.
pub(super) fn make_sockets(folder: &Folder) -> anyhow::Result<PathBuf> {
    let sockets = sockets_of(folder);
    std::fs::create_dir_all(&sockets).with_context(|| format!("{} cannot be made", sockets.display()))?;
    std::fs::set_permissions(&sockets, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    folder.own(&sockets)?;
    Ok(sockets)
}

/// The same folder, the same number: what a killed server left is used again.
fn number_of(folder: &Folder) -> u32 {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(folder.path().as_os_str().as_encoded_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Writes a stream down, or away.
fn keep(stream: Option<impl tokio::io::AsyncRead + Unpin + Send + 'static>, to: Option<PathBuf>) {
    let Some(mut stream) = stream else { return };
    tokio::spawn(async move {
        let kept = match to {
            Some(path) => match tokio::fs::File::create(&path).await {
                Ok(mut file) => tokio::io::copy(&mut stream, &mut file).await,
                Err(error) => Err(error),
            },
            None => tokio::io::copy(&mut stream, &mut tokio::io::sink()).await,
        };
        if let Err(error) = kept {
            tracing::debug!(%error, "the words of a scratch server were not kept");
        }
    });
}

pub(super) fn last_words(log: &std::path::Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let telling = ["FATAL", "PANIC", "ERROR", "could not"];
    let mut lines: Vec<&str> = text.lines().rev().filter(|line| telling.iter().any(|word| line.contains(word))).take(3).collect();
    lines.reverse();
    if lines.is_empty() { "it did not say why".to_owned() } else { lines.join(" | ") }
}

/// Rows of a table, `schema.table`.
///
/// # Errors
/// A name that is none, or what PostgreSQL says.
pub async fn count(client: &Client, table: &str) -> anyhow::Result<u64> {
    let Some((schema, name)) = table.split_once('.') else { bail!("“{table}” is not schema.table") };
    // Quoted by PostgreSQL's own function.
    let row = client.query_one("select format('select count(*) from %I.%I', $1::text, $2::text)", &[&schema, &name]).await?;
    let ask: String = row.try_get(0)?;
    let rows: i64 = client.query_one(&ask, &[]).await.with_context(|| format!("the rows of {table} cannot be counted"))?.try_get(0)?;
    Ok(rows.unsigned_abs())
}

/// The highest rung: PostgreSQL's own check of every index and heap, the counts of the source, and the questions of the policy.
pub async fn answers(
    scratch: &Scratch,
    machine: &Machine,
    folder: &Folder,
    database: &str,
    verification: &Verification,
    counts: &[Count],
) -> Result<String, Broken> {
    let line: Vec<String> = [machine.program("pg_amcheck"), "--all".to_owned(), "--install-missing".to_owned()].into_iter().collect();
    let sockets = scratch.sockets.to_string_lossy();
    let environment = [("PGHOST", &*sockets), ("PGPORT", "5432"), ("PGUSER", &*scratch.superuser), ("LC_ALL", "C"), folder.variable()];
    program::run_as(&line, &environment, folder.run_as(), PATIENCE)
        .await
        .map_err(|error| Broken::of_tool(error.context("pg_amcheck found corruption")))?;
    let mut said = vec!["pg_amcheck read every table and index".to_owned()];
    let client = scratch.enter(database).await.map_err(|error| Broken::backup(format!("{database} cannot be entered: {error:#}")))?;
    for known in counts {
        let found = count(&client, &known.table).await.map_err(|error| Broken::backup(format!("{error:#}")))?;
        let (least, most) = (known.before.min(known.after), known.before.max(known.after));
        if !(least..=most).contains(&found) {
            let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(Broken::backup(format!("{} has {found} rows; when it was backed up it had {expected}", known.table)));
        }
        said.push(format!("{} has {found} rows", known.table));
    }
    for assertion in &verification.assertions {
        let asked = tokio::time::timeout(LONGEST_QUESTION, client.query_one(&assertion.sql, &[])).await;
        let row = match asked {
            Ok(Ok(row)) => row,
            Ok(Err(error)) => {
                let why = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
                return Err(Broken::backup(format!("“{}” cannot be asked: {why}", assertion.name)));
            }
            Err(_) => return Err(Broken::surroundings(format!("“{}” was not answered within {} s", assertion.name, LONGEST_QUESTION.as_secs()))),
        };
        match row.try_get::<_, Option<bool>>(0) {
            Ok(Some(true)) => said.push(format!("“{}” is true", assertion.name)),
            Ok(Some(false) | None) => return Err(Broken::backup(format!("“{}” is not true", assertion.name))),
            Err(_) => return Err(Broken::backup(format!("“{}” does not answer with true or false", assertion.name))),
        }
    }
    Ok(said.join("; "))
}
