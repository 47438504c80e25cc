//! All SQL for the product's own store: SQLite in the data folder. `lifeboat.db` holds the journal and what must be as
//! durable as it (WAL, `synchronous=FULL`); `observations.db` holds readings, which may lose their last second;
//! `history.db` holds what probes saw over the last months.
//!
//! Limits: one machine, one writing server at a time (an advisory lock on the folder sees to that); the command line may
//! write beside it, the journal's numbers keep both in order.

use anyhow::{Context, bail};
use sqlx::{
    ConnectOptions, Connection, SqlitePool,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fs::OpenOptions, io::ErrorKind, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

pub mod accounts;
pub mod history;
pub mod journal;
pub mod notifications;
pub mod readings;
pub mod sessions;

/// The open store.
#[derive(Debug, Clone)]
pub struct Store {
    /// One connection: SQLite has one writer, so waiting happens here and not as a busy error.
    writer: SqlitePool,
    reader: SqlitePool,
    observations: SqlitePool,
    history: SqlitePool,
    history_reader: SqlitePool,
}

const STORE_FILE: &str = "lifeboat.db";
const OBSERVATIONS_FILE: &str = "observations.db";
const HISTORY_FILE: &str = "history.db";
/// Password hashes and sessions are inside: only the owner reads and writes.
const PRIVATE: u32 = 0o600;

impl Store {
    /// Opens the store in `folder`, making it if it is not there, and brings an older schema up to date.
    ///
    /// # Errors
    /// A folder that cannot be written, a file that is no store, or a store written by a newer version.
    pub async fn open(folder: &Path) -> anyhow::Result<Self> {
        tokio::fs::create_dir_all(folder)
            .await
            .with_context(|| format!("the data folder {} cannot be made; choose another one with `data` in the configuration", folder.display()))?;
        let path = folder.join(STORE_FILE);
        make_private(&path)?;
        let writer = pool(&path, SqliteSynchronous::Full, 1).await?;
        migrated(sqlx::migrate!("../migrations/store").run(&writer).await, &path)?;
        let reader = readers(&path, 4).await?;
        let path = folder.join(OBSERVATIONS_FILE);
        make_private(&path)?;
        let observations = pool(&path, SqliteSynchronous::Normal, 1).await?;
        migrated(sqlx::migrate!("../migrations/observations").run(&observations).await, &path)?;
        let path = folder.join(HISTORY_FILE);
        make_private(&path)?;
        let history = pool(&path, SqliteSynchronous::Full, 1).await?;
        migrated(sqlx::migrate!("../migrations/history").run(&history).await, &path)?;
        let history_reader = readers(&path, 2).await?;
        Ok(Self { writer, reader, observations, history, history_reader })
    }

    /// Opens a store that must exist already, for the command line.
    ///
    /// # Errors
    /// As `open`, and where there is no store in `folder`.
    pub async fn open_existing(folder: &Path) -> anyhow::Result<Self> {
        if !folder.join(STORE_FILE).is_file() {
            bail!("there is no store in {}; name the server's configuration with --config, or start the server once", folder.display());
        }
        Self::open(folder).await
    }

    /// Writes a consistent copy of the store to `file`, while the server may be running (SQLite's `vacuum into`). Everything
    /// but the sessions: whoever finds the copy must not be signed in, nor whoever restores it.
    ///
    /// # Errors
    /// Where `file` exists already (nothing is overwritten) or cannot be written.
    pub async fn copy_to(&self, file: &Path) -> anyhow::Result<()> {
        let target = file.to_str().with_context(|| format!("{} is not a name SQLite can take (not UTF-8)", file.display()))?;
        // SQLite fills an empty file. Making it here takes the name for good, and keeps others from reading what is in it.
        match OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(file) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!("{} exists already; nothing was written", file.display()),
            Err(error) => return Err(error).with_context(|| format!("the copy {} could not be written", file.display())),
        }
        let copied = async {
            sqlx::query("vacuum into $1").bind(target).execute(&self.reader).await?;
            forget_sessions(file).await
        };
        if let Err(error) = copied.await {
            tokio::fs::remove_file(file).await.with_context(|| format!("half a copy was left at {}; remove it", file.display()))?;
            return Err(error).with_context(|| format!("the copy {} could not be written", file.display()));
        }
        let copy = tokio::fs::File::open(file).await.with_context(|| format!("the copy {} could not be opened again", file.display()))?;
        copy.sync_all().await.with_context(|| format!("the copy {} could not be forced to disk", file.display()))
    }

    /// Opens a copy made by `copy_to`, for reading.
    ///
    /// # Errors
    /// A file that is no store.
    pub async fn open_copy(file: &Path) -> anyhow::Result<Self> {
        let reading = || SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
        let reader = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(reading())
            .await
            .with_context(|| format!("{} is not a copy of a store", file.display()))?;
        Ok(Self { writer: reader.clone(), observations: reader.clone(), history: reader.clone(), history_reader: reader.clone(), reader })
    }

    /// Closes all connections and so writes the log back into the files.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
        self.observations.close().await;
        self.history_reader.close().await;
        self.history.close().await;
    }
}

/// Removes them from a copy, also from the pages they were on.
async fn forget_sessions(copy: &Path) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new().filename(copy).journal_mode(SqliteJournalMode::Delete);
    let mut copy = options.connect().await?;
    sqlx::raw_sql("delete from session; vacuum").execute(&mut copy).await?;
    copy.close().await
}

/// Makes the file where it is not there. SQLite gives the files it puts beside it the same mode.
fn make_private(path: &Path) -> anyhow::Result<()> {
    let made = OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path);
    made.map(|_| ()).with_context(|| cannot_open(path))
}

fn cannot_open(path: &Path) -> String {
    format!("the store {} cannot be opened; check that its folder can be written and its disk has room", path.display())
}

fn options(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
}

async fn pool(path: &Path, synchronous: SqliteSynchronous, connections: u32) -> anyhow::Result<SqlitePool> {
    SqlitePoolOptions::new().max_connections(connections).connect_with(options(path, synchronous)).await.with_context(|| cannot_open(path))
}

async fn readers(path: &Path, connections: u32) -> anyhow::Result<SqlitePool> {
    let options = options(path, SqliteSynchronous::Full).read_only(true);
    let readers = SqlitePoolOptions::new().max_connections(connections).connect_with(options).await;
    readers.with_context(|| format!("{} cannot be read", path.display()))
}

fn migrated(result: Result<(), MigrateError>, path: &Path) -> anyhow::Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _)) => {
            bail!("{} was written by a newer version of Lifeboat (schema {version}); start that version, nothing was changed", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("the schema of {} could not be brought up to date; nothing was changed", path.display())),
    }
}
