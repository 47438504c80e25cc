//! The write-ahead log of a cluster, whole segments, by `pg_receivewal`: at each fire up to that moment. A slot keeps on the primary what
//! was not fetched yet, and what was fetched stays on this machine until a destination has it, so that a failed copy makes no gap.
//!
//! After a failover it goes on from the new primary, on its timeline, as far as that one still has the log.

use super::{Broken, Climbed, Machine, Order, Source, Taken, pg_basebackup};
use crate::{
    backups::{login::PgLogin, work::Folder},
    connect::{
        postgres::{Address, slots},
        program,
    },
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    backups::{Count, ProofLevel, chain::WalRange},
    databases::Lsn,
    estate::Verification,
};
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant as Moment},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct PgReceivewal {
    pub machine: Machine,
    pub login: PgLogin,
    /// Where segments stay until they are stored.
    pub spool: PathBuf,
    /// The name of the slot.
    pub slot: String,
    /// What was committed when the log was read last, and on which node.
    pub committed: Mutex<Option<(Address, String)>>,
}

/// Every transaction that has ended, as PostgreSQL tells it: the same twice, and none ended in between.
async fn committed(client: &tokio_postgres::Client) -> anyhow::Result<String> {
    Ok(client.query_one("select pg_current_snapshot()::text", &[]).await?.try_get(0)?)
}

#[async_trait]
impl Source for PgReceivewal {
    async fn tool(&self) -> anyhow::Result<String> {
        self.machine.version_of("pg_receivewal", &["pg_waldump"]).await
    }

    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken> {
        std::fs::create_dir_all(&self.spool).with_context(|| format!("{} cannot be made", self.spool.display()))?;
        let node = order.node()?;
        let client = node.connect(PATIENCE).await.context("the node that takes the writes cannot be asked")?;
        // Not by the tool: its slots keep nothing before they are first used.
        slots::ensure_slot(&client, &self.slot).await.context("the slot that keeps the log cannot be made")?;
        // Everything that is committed now is before the message; the switch closes the segment that holds it.
        let recoverable_to = pg_basebackup::clock(&client).await?;
        client.batch_execute("select pg_logical_emit_message(true, 'lifeboat', 'a point to restore to')").await?;
        // What ends from here on is not promised to be in it.
        let known = committed(&client).await?;
        // The next record begins there: the message is before it, and a recovery that is to end there comes upon the record.
        let to: Lsn = client.query_one("select pg_current_wal_insert_lsn()::text", &[]).await?.try_get::<_, String>(0)?.parse()?;
        let row = client.query_one("select pg_switch_wal()::text", &[]).await.map_err(|error| {
            let said = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
            anyhow::anyhow!("{said}: Lifeboat's role needs GRANT EXECUTE ON FUNCTION pg_switch_wal()")
        })?;
        let switched: Lsn = row.try_get::<_, String>(0)?.parse()?;
        // The switch fills the segment up; the tool stops behind what it is told, so that the segment is whole.
        let end = Lsn(switched.0.div_ceil(SEGMENT) * SEGMENT - 1).to_string();
        self.receive(folder, order, &end).await?;
        let files = self.whole_segments()?;
        let Some((first, last)) = files.iter().find_map(|name| segment(name)).zip(files.iter().rev().find_map(|name| segment(name))) else {
            bail!("pg_receivewal ended well, and left no whole segment");
        };
        let base = folder.make("files")?;
        for name in &files {
            let from = self.spool.join(name);
            // On another disk it is copied.
            if std::fs::hard_link(&from, base.join(name)).is_err() {
                std::fs::copy(&from, base.join(name)).with_context(|| format!("{name} cannot be put beside the other files"))?;
            }
        }
        let wal = Some(WalRange { timeline: last.timeline, from: first.begins, to });
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some((node.clone(), known));
        Ok(Taken { files, recoverable_to: Some(recoverable_to), source_bytes: None, wal, counts: Vec::new() })
    }

    /// An idle cluster would be given a segment of 16 MiB at each fire otherwise. After a restart nothing is known, and the log is read.
    async fn nothing_new(&self, node: &Address) -> anyhow::Result<bool> {
        let Some((before, known)) = self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return Ok(false) };
        if (&before.host, before.port) != (&node.host, node.port) {
            return Ok(false);
        }
        Ok(committed(&node.connect(PATIENCE).await?).await? == known)
    }

    /// What a destination has need not stay here; the newest segment does, so that the tool knows where to go on, also on another timeline.
    async fn stored(&self, files: &[String]) -> anyhow::Result<()> {
        let newest = files.iter().rev().find(|name| segment(name).is_some());
        for name in files.iter().filter(|name| Some(*name) != newest) {
            std::fs::remove_file(self.spool.join(name)).with_context(|| format!("{name} cannot be removed from {}", self.spool.display()))?;
        }
        if let Some(newest) = newest {
            std::fs::write(self.spool.join(STORED), newest).with_context(|| format!("{} cannot be written", self.spool.display()))?;
        }
        Ok(())
    }

    async fn climb(&self, _: &Folder, _: ProofLevel, _: &Verification, _: &[Count]) -> Climbed {
        let mut climbed = Climbed::default();
        let outcome = Err(Broken::surroundings("the log alone cannot be restored: its policy names no base by pg_basebackup"));
        climbed.step(ProofLevel::Readable, Moment::now(), outcome);
        climbed
    }
}

/// The file in the spool that names the newest segment that is stored.
const STORED: &str = "stored";

impl PgReceivewal {
    /// Everything up to `end`.
    async fn receive(&self, folder: &Folder, order: &Order, end: &str) -> anyhow::Result<()> {
        let node = order.node()?;
        let (host, port, spool) = (node.host.clone(), node.port.to_string(), self.spool.to_string_lossy().into_owned());
        let mut line = vec![self.machine.program("pg_receivewal")];
        let arguments = ["-w", "-h", &host, "-p", &port, "-U", &node.user, "-D", &spool, "--slot", &self.slot, "--no-loop", "--endpos", end];
        line.extend(arguments.iter().map(|text| (*text).to_owned()));
        let login = self.login.variables(folder)?;
        let mut variables: Vec<(&str, &str)> = login.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend([("LC_ALL", "C"), ("PGAPPNAME", "lifeboat backup"), folder.variable()]);
        // As this server's own user: what it leaves is this server's.
        program::run_as(&line, &variables, None, order.patience).await.map(|_| ())
    }

    /// Segments and histories that are whole and not stored yet, in the order of the log.
    fn whole_segments(&self) -> anyhow::Result<Vec<String>> {
        let stored = std::fs::read_to_string(self.spool.join(STORED)).ok();
        let entries = std::fs::read_dir(&self.spool).with_context(|| format!("{} cannot be read", self.spool.display()))?;
        let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| (segment(name).is_some() || name.ends_with(".history")) && stored.as_ref() != Some(name));
        names.sort();
        Ok(names)
    }
}

/// A whole segment, by its name.
pub(super) struct Segment {
    pub timeline: u32,
    pub begins: Lsn,
}

/// PostgreSQL's default, and the only size that is supported.
const SEGMENT: u64 = 16 * 1024 * 1024;

pub(super) fn segment(name: &str) -> Option<Segment> {
    if name.len() != 24 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let part = |from: usize| u32::from_str_radix(&name[from..from + 8], 16).ok();
    let (timeline, high, low) = (part(0)?, part(8)?, part(16)?);
    Some(Segment { timeline, begins: Lsn((u64::from(high) << 32) | (u64::from(low) * SEGMENT)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_segment_says_where_it_begins() {
        let known = segment("00000002000000010000002B").unwrap();
        assert_eq!((known.timeline, known.begins.to_string().as_str()), (2, "1/2B000000"));
        for other in ["00000002.history", "00000002000000010000002B.partial", "stored", ""] {
            assert!(segment(other).is_none(), "{other}");
        }
    }
}
