//! What a node says of its slots and its archive, from PostgreSQL 12 on. Each question stands alone: one that fails takes no
//! other answer away.

use super::{if_allowed, in_words};
use anyhow::bail;
use chrono::DateTime;
use engine::{
    databases::{Archive, Archived, Archiver, Slot, SlotWal},
    time::Instant,
};
use tokio_postgres::{Client, Row};

/// The first version that tells `wal_status`.
const TELLS_WAL_STATUS: i32 = 13_00_00;

/// The number of the server's version, `150018`.
///
/// # Errors
/// As every statement here: what PostgreSQL said.
pub async fn version(client: &Client) -> anyhow::Result<i32> {
    Ok(client.query_one("select current_setting('server_version_num')::int", &[]).await.map_err(in_words)?.try_get(0)?)
}

/// Every replication slot.
pub async fn slots(client: &Client, version: i32) -> anyhow::Result<Vec<Slot>> {
    let wal_status = if version < TELLS_WAL_STATUS { "null::text" } else { "wal_status" };
    let statement = format!(
        "select slot_name::text, slot_type = 'logical' as logical, temporary, active, {wal_status} as wal_status,
                pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)::int8 as kept
         from pg_replication_slots order by slot_name"
    );
    client.query(&statement, &[]).await.map_err(in_words)?.iter().map(slot).collect()
}

fn slot(row: &Row) -> anyhow::Result<Slot> {
    let wal = match row.try_get::<_, Option<&str>>("wal_status")? {
        None => None,
        Some("reserved") => Some(SlotWal::Reserved),
        Some("extended") => Some(SlotWal::Extended),
        Some("unreserved") => Some(SlotWal::Unreserved),
        Some("lost") => Some(SlotWal::Lost),
        Some(other) => bail!("the wal_status “{other}” of a slot is not known here"),
    };
    let kept: Option<i64> = row.try_get("kept")?;
    Ok(Slot {
        name: row.try_get("slot_name")?,
        logical: row.try_get("logical")?,
        temporary: row.try_get("temporary")?,
        active: row.try_get("active")?,
        kept: kept.filter(|_| wal != Some(SlotWal::Lost)).map(|bytes| u64::try_from(bytes).unwrap_or(0)),
        wal,
    })
}

/// Whether, and how well, WAL is archived. `archive_library` came with PostgreSQL 15; how many segments wait is told to those
/// who may list their folder only.
pub async fn archive(client: &Client) -> anyhow::Result<Archive> {
    const STATEMENT: &str = "
        select current_setting('archive_mode') as mode, pg_is_in_recovery() as in_recovery,
               current_setting('archive_command') = '' and coalesce(current_setting('archive_library', true), '') = '' as nowhere,
               last_archived_wal, (extract(epoch from last_archived_time) * 1000)::int8 as last_archived,
               last_failed_wal, (extract(epoch from last_failed_time) * 1000)::int8 as last_failed
        from pg_stat_archiver";
    let row = client.query_one(STATEMENT, &[]).await.map_err(in_words)?;
    let (mode, in_recovery): (&str, bool) = (row.try_get("mode")?, row.try_get("in_recovery")?);
    match mode {
        "off" => return Ok(Archive::Off),
        "on" if in_recovery => return Ok(Archive::WhenPromoted),
        "on" | "always" => {}
        other => bail!("the archive_mode “{other}” is not known here"),
    }
    if row.try_get("nowhere")? {
        return Ok(Archive::Nowhere);
    }
    let counted = if_allowed(client.query_one("select count(*) from pg_ls_archive_statusdir() where name like '%.ready'", &[]).await)?;
    let waiting: Option<i64> = counted.map(|row| row.try_get(0)).transpose()?;
    Ok(Archive::On(Archiver {
        last: archived(&row, "last_archived_wal", "last_archived")?,
        last_failed: archived(&row, "last_failed_wal", "last_failed")?,
        waiting: waiting.map(u64::try_from).transpose()?,
    }))
}

fn archived(row: &Row, segment: &str, at: &str) -> anyhow::Result<Option<Archived>> {
    let (segment, millis): (Option<String>, Option<i64>) = (row.try_get(segment)?, row.try_get(at)?);
    let at: Option<Instant> = millis.and_then(DateTime::from_timestamp_millis);
    Ok(segment.zip(at).map(|(segment, at)| Archived { segment, at }))
}
