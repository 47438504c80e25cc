//! Restores for real: a backup comes into a new folder, is recovered up to the last commit before a moment, and stands still there as a
//! read-only PostgreSQL of its own until a person has looked at it; then it is promoted, or discarded. Whatever is in the place of restores
//! and was not made by the same operation is never touched. The restored server is nobody's child: it outlives this one.

use super::{Backups, fetch::fetch, scratch, source::pg_basebackup::PgBasebackup, work::Folder};
use crate::{agent::processes, connect::program, run::needs::Done};
use anyhow::{Context, bail};
use engine::{
    backups::{
        Backup,
        chain::WalRange,
        sights::{RestorePlace, Stage},
    },
    failover::{Action, Operation, RestoreChange, halting},
    id::{DestinationId, OperationId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant as Moment},
};
use tokio_postgres::{Client, Config, NoTls};

/// In each folder: whose it is.
const OWNER: &str = "restore.json";
/// Written once everything is unpacked and read.
const UNPACKED: &str = "unpacked";
/// What the source was told by ALTER SYSTEM; it does not count here.
const SOURCES_OWN: &str = "source.auto.conf";
const LOG: &str = "postgresql.log";
const ASKED_EVERY: Duration = Duration::from_millis(50);
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What the folder of a restore says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    operation: OperationId,
    backup: String,
}

/// How far the log is replayed.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// As soon as it is consistent.
    Consistent,
    /// The last commit before.
    Before(Instant),
    /// All log that there is.
    End(WalRange),
}

/// The place of restores, as the configuration has it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    root: PathBuf,
    run_as: Option<(u32, u32)>,
}

impl Place {
    /// # Errors
    /// A path that PostgreSQL's settings and command lines could not carry.
    pub(super) fn new(root: PathBuf, run_as: Option<(u32, u32)>) -> anyhow::Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        if !root.to_str().is_some_and(|path| path.chars().all(plain)) {
            bail!("`restores` in [backups] is {}; only letters, digits, and / - _ . are allowed there", root.display());
        }
        Ok(Self { root, run_as })
    }

    /// What is in it, and how much room there is.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub(super) fn look(&self) -> anyhow::Result<RestorePlace> {
        let at = || format!("the folder {} of restored backups cannot be used; name another one as `restores` in [backups]", self.root.display());
        std::fs::create_dir_all(&self.root).with_context(at)?;
        let entries = std::fs::read_dir(&self.root).with_context(at)?;
        let taken: BTreeSet<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        let stat = rustix::fs::statvfs(&self.root).with_context(at)?;
        Ok(RestorePlace { taken, room: Some(stat.f_bavail.saturating_mul(stat.f_frsize)) })
    }

    /// The folder of an operation, where that has made it.
    fn folder(&self, name: &str, operation: OperationId) -> anyhow::Result<Option<Folder>> {
        let path = self.root.join(name);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be looked at", path.display())),
            Ok(_) => {}
        }
        let owner = std::fs::read(path.join(OWNER)).ok().and_then(|text| serde_json::from_slice::<Owner>(&text).ok());
        if owner.is_none_or(|owner| owner.operation != operation) {
            bail!("{} exists and was not made by this operation: it is not touched", path.display());
        }
        Ok(Some(Folder::lasting(path, self.run_as)))
    }
}

impl Backups {
    /// Carries out one step of a restore.
    ///
    /// # Errors
    /// What kept it from being done.
    pub(crate) async fn restore(self: &Arc<Self>, action: &Action, operation: &Operation) -> anyhow::Result<Done> {
        let change = operation.plan.restore().context("not the restore of a backup")?;
        let place = match &self.restores {
            Some(Ok(place)) => place,
            Some(Err(why)) => bail!("{why}"),
            None => bail!("nowhere to restore to: name a folder as `restores` in [backups]"),
        };
        let at_work = Restoring { this: self, place, change, id: operation.id };
        let said = match action {
            Action::CheckRestore { .. } => at_work.check().await,
            Action::FetchBackup { from, .. } => at_work.fetch(from).await,
            Action::UnpackBackup { .. } => at_work.unpack().await,
            Action::RecoverBefore { .. } => at_work.recover().await,
            Action::AwaitInspection { .. } => at_work.inspected().await,
            Action::PromoteRestored { .. } => at_work.promote().await,
            Action::DiscardRestored { .. } => at_work.discard().await,
            _ => bail!("not an action of a restore"),
        };
        self.seen(|sights| drop(sights.restoring.remove(&operation.id)));
        self.look_at_restores();
        said.map(Done::because)
    }

    /// Tells what is in the place of restores.
    pub(super) fn look_at_restores(&self) {
        let place = match &self.restores {
            Some(Ok(place)) => place.look().inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "the place of restores")).ok(),
            Some(Err(_)) | None => None,
        };
        self.seen(|sights| sights.restores = place);
    }
}

/// A way into a restored server.
struct Inside {
    client: Client,
    superuser: String,
}

struct Restoring<'a> {
    this: &'a Arc<Backups>,
    place: &'a Place,
    change: &'a RestoreChange,
    id: OperationId,
}

impl Restoring<'_> {
    fn backup(&self) -> anyhow::Result<Arc<Backup>> {
        let picture = self.this.desk.picture();
        let known = picture.records.backups.get(&self.change.policy, &self.change.backup).cloned();
        known.with_context(|| format!("the backup {} is not there any more", self.change.backup.short()))
    }
    fn replayed(&self) -> anyhow::Result<Vec<Arc<Backup>>> {
        let (picture, Some(log)) = (self.this.desk.picture(), &self.change.log) else { return Ok(Vec::new()) };
        let stretch = |id| {
            let known = picture.records.backups.get(log, id).cloned();
            known.with_context(|| format!("the log {} is not there any more", id.short()))
        };
        self.change.replayed.iter().map(stretch).collect()
    }
    fn source(&self) -> anyhow::Result<&PgBasebackup> {
        let source = self.this.source(&self.change.policy)?;
        source.as_basebackup().context("only whole clusters by pg_basebackup are restored here")
    }
    fn folder(&self) -> anyhow::Result<Folder> {
        let folder = self.place.folder(&self.change.folder, self.id)?;
        folder.with_context(|| format!("{} is gone", self.place.root.join(&self.change.folder).display()))
    }
    fn at_stage(&self, stage: Stage, bytes: u64, total: Option<u64>) {
        self.this.restoring_at(self.id, stage, bytes, total);
    }

    async fn check(&self) -> anyhow::Result<String> {
        let (backup, replayed) = (self.backup()?, self.replayed()?);
        self.source()?;
        if let Some(mine) = self.place.folder(&self.change.folder, self.id)? {
            return Ok(format!("{} is there already, by this operation", mine.path().display()));
        }
        let destination = self.this.destination(&self.change.from)?;
        destination.answers().await.with_context(|| format!("{} does not answer", self.change.from))?;
        let room = self.place.look()?.room.unwrap_or(0);
        let unpacked = backup.contents.as_ref().and_then(|contents| contents.source_bytes).unwrap_or(0);
        let needed = self.change.bytes.saturating_add(unpacked);
        if room < needed {
            bail!("{needed} bytes are needed in {}, and {room} are free", self.place.root.display());
        }
        Ok(format!(
            "{} answers; {} is free for {needed} bytes; the log is replayed from {} backups of it",
            self.change.from,
            self.place.root.join(&self.change.folder).display(),
            replayed.len()
        ))
    }

    async fn fetch(&self, from: &DestinationId) -> anyhow::Result<String> {
        let (backup, replayed) = (self.backup()?, self.replayed()?);
        let folder = match self.place.folder(&self.change.folder, self.id)? {
            Some(folder) => folder,
            None => {
                let folder = Folder::lasting(self.place.root.join(&self.change.folder), self.place.run_as);
                // The parent exists, and this fails where the folder does: nothing is written over.
                folder.make_new()?;
                let owner = Owner { operation: self.id, backup: self.change.backup.to_string() };
                std::fs::write(folder.path().join(OWNER), serde_json::to_vec(&owner)?).context("the folder cannot be written")?;
                folder
            }
        };
        folder.end_orphans()?;
        let (began, total) = (Moment::now(), self.change.bytes);
        let mut before = 0;
        for (part, into) in std::iter::once((&backup, "files")).chain(replayed.iter().map(|stretch| (stretch, "wal"))) {
            let stored = |id: &&DestinationId| part.copies.get(*id).is_some_and(engine::backups::BackupCopy::is_stored);
            let from = std::iter::once(from).chain(part.copies.keys()).find(stored);
            let from = from.with_context(|| format!("no destination has {}", part.id.short()))?;
            let told = |bytes| self.at_stage(Stage::Fetching(from.clone()), before + bytes, Some(total));
            fetch(self.this, part, from, &folder, into, told).await.map_err(|broken| anyhow::anyhow!("{}: {}", part.id.short(), broken.why))?;
            before += part.contents.as_ref().map_or(0, |contents| contents.bytes());
        }
        let took = began.elapsed();
        let rate = u64::try_from(u128::from(total).saturating_mul(1_000) / took.as_millis().max(1)).unwrap_or(u64::MAX);
        Ok(format!(
            "{} in {}, {} a second; every SHA-256 is as it was stored",
            engine::databases::bytes_in_words(total),
            Span::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            engine::databases::bytes_in_words(rate)
        ))
    }

    /// The end of the log that was fetched, where any was.
    fn end(&self) -> anyhow::Result<Option<WalRange>> {
        Ok(self.replayed()?.last().and_then(|last| last.contents.as_ref()?.wal))
    }

    async fn unpack(&self) -> anyhow::Result<String> {
        let folder = self.folder()?;
        let done = folder.path().join(UNPACKED);
        if let Ok(said) = std::fs::read_to_string(&done) {
            return Ok(format!("{said} (before)"));
        }
        self.at_stage(Stage::Proving, 0, None);
        folder.end_orphans()?;
        let data = folder.path().join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data).with_context(|| format!("what is half unpacked in {} cannot be removed", data.display()))?;
        }
        let mut newest = None;
        let said = self.source()?.read(&folder, &mut newest, self.end()?).await.map_err(|broken| anyhow::anyhow!("{}", broken.why))?;
        // What the source was told must not be true here: whom it follows, whom it waits for, whether it takes writes.
        let (auto, kept) = (data.join("postgresql.auto.conf"), folder.path().join(SOURCES_OWN));
        std::fs::rename(&auto, &kept).context("the source's own settings cannot be put aside")?;
        std::fs::write(&auto, "").context("the source's own settings cannot be emptied")?;
        folder.own(&auto)?;
        std::fs::remove_dir_all(folder.path().join("files")).context("what was unpacked cannot be removed")?;
        std::fs::write(&done, &said).context("the folder cannot be written")?;
        Ok(said)
    }

    async fn recover(&self) -> anyhow::Result<String> {
        let folder = self.folder()?;
        self.at_stage(Stage::Proving, 0, None);
        let server = self.stand_still(&folder).await?;
        let Inside { client, superuser } = &server;
        // What was replayed is before the moment, or it is not stood still.
        let row = client
            .query_one(
                "select pg_last_wal_replay_lsn()::text, floor(extract(epoch from pg_last_xact_replay_timestamp()) * 1000)::int8,
                        (select timeline_id from pg_control_checkpoint())",
                &[],
            )
            .await?;
        let (lsn, last, timeline): (Option<String>, Option<i64>, i32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let last = last.and_then(chrono::DateTime::from_timestamp_millis);
        if let Some(last) = last.filter(|last| *last >= self.change.before) {
            bail!("it holds a commit of {last}, which is not before {}", self.change.before);
        }
        let newest = last
            .map_or_else(|| "no commit was replayed onto it".to_owned(), |last| format!("the newest commit that was replayed is of {}", stamp(last)));
        Ok(format!(
            "it stands still at {} on timeline {timeline}, read-only; {newest}. Look at it: {}",
            lsn.unwrap_or_else(|| "an unknown position".to_owned()),
            self.way_in(&folder, superuser)?
        ))
    }

    /// How a person gets in.
    fn way_in(&self, folder: &Folder, superuser: &str) -> anyhow::Result<String> {
        Ok(format!("psql -h {} -U {superuser} {}", scratch::sockets_of(folder).display(), self.source()?.login.database))
    }

    async fn inspected(&self) -> anyhow::Result<String> {
        let desk = &*self.this.desk;
        let mut changed = desk.listen();
        loop {
            let picture = desk.picture();
            let now = picture.operation(&self.id).cloned().context("the operation is not in the records")?;
            if let Some(committed) = &now.committed {
                return Ok(format!("{} has looked at it: {}", committed.by, committed.reason));
            }
            if let Some(why) = halting::told_to_stop(&now, &picture.records, picture.now) {
                bail!("it is discarded: {why}");
            }
            changed.changed().await.context("the server ends")?;
        }
    }

    async fn promote(&self) -> anyhow::Result<String> {
        let folder = self.folder()?;
        let Inside { client, superuser } = match self.enter(&folder).await {
            Ok(inside) => inside,
            // The machine was restarted meanwhile, say.
            Err(_) => self.stand_still(&folder).await?,
        };
        if in_recovery(&client).await? {
            client.query_one("select pg_wal_replay_resume()::text", &[]).await.map_err(in_words)?;
        }
        while in_recovery(&client).await? {
            tokio::time::sleep(ASKED_EVERY).await;
        }
        let row = client
            .query_one("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), pg_current_wal_lsn()::text", &[])
            .await
            .map_err(in_words)?;
        let (timeline, lsn): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let timeline = u32::from_str_radix(&timeline, 16).context("its timeline cannot be read")?;
        Ok(format!(
            "it takes writes, on timeline {timeline} from {lsn} on, in {}; nobody is sent there: {}",
            folder.path().display(),
            self.way_in(&folder, &superuser)?
        ))
    }

    async fn discard(&self) -> anyhow::Result<String> {
        let Some(folder) = self.place.folder(&self.change.folder, self.id)? else {
            return Ok("there is nothing to discard".to_owned());
        };
        folder.end_orphans()?;
        if !processes::kill_all(&folder.path().join("data"), Moment::now() + ENDS_WITHIN).await.context("its server cannot be ended")? {
            bail!("the restored server in {} does not end", folder.path().display());
        }
        for path in [scratch::sockets_of(&folder), folder.path().to_owned()] {
            match std::fs::remove_dir_all(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("{} cannot be removed", path.display())),
            }
        }
        Ok(format!("its server was ended, and {} removed", folder.path().display()))
    }

    /// As the role that made the cluster: it may always do everything, and always has this number. Lifeboat's own may not end a recovery.
    async fn enter(&self, folder: &Folder) -> anyhow::Result<Inside> {
        let role = &self.source()?.login.user;
        let row = self.connect(folder, role).await?.query_one("select rolname::text from pg_roles where oid = 10", &[]).await;
        let superuser: String = row.map_err(in_words)?.try_get(0)?;
        Ok(Inside { client: self.connect(folder, &superuser).await?, superuser })
    }

    async fn connect(&self, folder: &Folder, role: &str) -> anyhow::Result<Client> {
        let mut config = Config::new();
        let database = &self.source()?.login.database;
        config.host_path(scratch::sockets_of(folder)).port(5432).user(role).dbname(database).application_name("lifeboat restore");
        let (client, connection) = config.connect(NoTls).await.map_err(in_words)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a restored server ended");
            }
        });
        Ok(client)
    }

    /// The server stands still as near before the moment as its log leads, running already or started now.
    async fn stand_still(&self, folder: &Folder) -> anyhow::Result<Inside> {
        let Some(end) = self.end()? else { return self.run(folder, Until::Consistent).await };
        match self.run(folder, Until::Before(self.change.before)).await {
            // No commit came after that moment: everything that there is lies before it.
            Err(error) if format!("{error:#}").contains("before configured recovery target was reached") => self.run(folder, Until::End(end)).await,
            server => server,
        }
    }

    /// A server on the folder that stands still where it is to, running already or started now.
    async fn run(&self, folder: &Folder, until: Until) -> anyhow::Result<Inside> {
        let data = folder.path().join("data");
        if processes::postmaster(&data).is_none() {
            self.start(folder, &data, until).await?;
        }
        let log = folder.path().join(LOG);
        loop {
            let failed = match self.enter(folder).await {
                Ok(inside) if stands_still(&inside.client).await? => return Ok(inside),
                Ok(_) => None,
                Err(error) => Some(error),
            };
            if processes::postmaster(&data).is_none() {
                let why = scratch::last_words(&log);
                bail!("the restored server ended: {why}{}", failed.map(|error| format!(" ({error:#})")).unwrap_or_default());
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    async fn start(&self, folder: &Folder, data: &Path, until: Until) -> anyhow::Result<()> {
        let machine = &self.source()?.machine;
        let environment = [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC")];
        let control =
            program::run_as(&[machine.program("pg_controldata"), folder.inside("data")], &environment, folder.run_as(), ENDS_WITHIN).await?;
        let sockets = scratch::make_sockets(folder)?;
        let conf = folder.make("conf")?;
        for (name, text) in [
            ("postgresql.conf", settings(folder, &sockets, &control, until)),
            ("pg_hba.conf", "local all all trust\n".to_owned()),
            ("pg_ident.conf", String::new()),
        ] {
            let path = conf.join(name);
            std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
            folder.own(&path)?;
        }
        let signal = data.join("recovery.signal");
        std::fs::write(&signal, "").with_context(|| format!("{} cannot be written", signal.display()))?;
        folder.own(&signal)?;
        let log = folder.path().join(LOG);
        std::fs::write(&log, "").with_context(|| format!("{} cannot be written", log.display()))?;
        folder.own(&log)?;
        // Its server has a session of its own, and goes on when this one ends. What does not wait might end before it has.
        let patience = scratch::PATIENCE.as_secs().to_string();
        let mut line = vec![machine.program("pg_ctl"), "start".to_owned(), "--wait".to_owned(), "--silent".to_owned(), "-t".to_owned(), patience];
        line.extend(["-D".to_owned(), folder.inside("data"), "-l".to_owned(), folder.inside(LOG)]);
        line.extend(["-o".to_owned(), format!("-c config_file={}", folder.inside("conf/postgresql.conf"))]);
        let started = program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await;
        started.map(|_| ()).map_err(|error| anyhow::anyhow!("the restored server did not start: {} ({error:#})", scratch::last_words(&log)))
    }
}

/// For nobody but people on this machine, durable, and without anything that could reach out. A standby must have room for as much as
/// its primary had, so that comes from the control file.
fn settings(folder: &Folder, sockets: &Path, control: &str, until: Until) -> String {
    let of_primary = |name: &str| {
        control.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" setting:")).map(str::trim).unwrap_or_default().to_owned()
    };
    let mut lines = vec![
        ("data_directory", folder.inside("data")),
        ("hba_file", folder.inside("conf/pg_hba.conf")),
        ("ident_file", folder.inside("conf/pg_ident.conf")),
        ("unix_socket_directories", sockets.to_string_lossy().into_owned()),
        ("restore_command", format!("cp \"{}/%f\" \"%p\"", folder.inside("wal"))),
        ("recovery_target_action", "pause".to_owned()),
    ];
    for name in ["max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_xacts", "max_locks_per_xact"] {
        let setting = match name {
            "max_prepared_xacts" => "max_prepared_transactions",
            "max_locks_per_xact" => "max_locks_per_transaction",
            same => same,
        };
        lines.push((setting, of_primary(name)));
    }
    match until {
        Until::Consistent => lines.push(("recovery_target", "immediate".to_owned())),
        Until::Before(at) => {
            lines.push(("recovery_target_time", stamp(at)));
            lines.push(("recovery_target_inclusive", "off".to_owned()));
        }
        Until::End(end) => lines.push(("recovery_target_lsn", end.to.to_string())),
    }
    let fixed = [
        ("listen_addresses", ""),
        ("port", "5432"),
        ("ssl", "off"),
        ("hot_standby", "on"),
        ("archive_mode", "off"),
        ("primary_conninfo", ""),
        ("synchronous_standby_names", ""),
        ("shared_preload_libraries", ""),
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        ("lc_messages", "C"),
        ("timezone", "UTC"),
    ];
    let all = lines.into_iter().chain(fixed.map(|(name, value)| (name, value.to_owned())));
    all.filter(|(name, value)| !value.is_empty() || !name.starts_with("max_"))
        .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
        .collect()
}

/// As PostgreSQL's settings take it, to the microsecond.
fn stamp(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

async fn in_recovery(client: &Client) -> anyhow::Result<bool> {
    Ok(client.query_one("select pg_is_in_recovery()", &[]).await.map_err(in_words)?.try_get(0)?)
}

async fn stands_still(client: &Client) -> anyhow::Result<bool> {
    let row = client.query_one("select not pg_is_in_recovery() or pg_is_wal_replay_paused()", &[]).await;
    match row {
        Ok(row) => Ok(row.try_get(0)?),
        // It may end between two questions; whether it runs is asked next.
        Err(error) if error.is_closed() => Ok(false),
        Err(error) => Err(in_words(error)),
    }
}

fn in_words(error: tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(said) => anyhow::anyhow!("{}", said.message().to_owned()),
        None => error.into(),
    }
}
