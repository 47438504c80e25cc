//! The slots that standbys stream from, and the write-ahead log that is kept for them.

use super::in_words;
use engine::databases::Lsn;
use tokio_postgres::Client;

/// What became of a slot that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotWas {
    There,
    Missing,
    /// It had lost WAL that it was to keep: nobody can stream from it again, so it was dropped and made anew.
    Lost,
}

/// Makes a physical replication slot, where it is not there or of no use any more. It keeps WAL from this moment on: what is copied or
/// rewound next needs it.
///
/// # Errors
/// As every statement here: what PostgreSQL said.
pub async fn ensure_slot(client: &Client, slot: &str) -> anyhow::Result<SlotWas> {
    // `wal_status` is not told before PostgreSQL 13; then a slot loses nothing either.
    let found = "select coalesce(to_jsonb(slot) ->> 'wal_status' = 'lost', false) from pg_replication_slots as slot where slot_name = $1::text";
    let was = match client.query_opt(found, &[&slot]).await.map_err(in_words)? {
        Some(row) if row.try_get(0)? => SlotWas::Lost,
        Some(_) => return Ok(SlotWas::There),
        None => SlotWas::Missing,
    };
    if was == SlotWas::Lost {
        client.execute("select pg_drop_replication_slot($1::text)", &[&slot]).await.map_err(in_words)?;
    }
    client.execute("select pg_create_physical_replication_slot($1::text, true)", &[&slot]).await.map_err(in_words)?;
    Ok(was)
}

/// Drops the slots nobody uses, but those to keep: on a node that was a primary they would keep WAL for ever.
pub async fn drop_idle_slots(client: &Client, keep: &[String]) -> anyhow::Result<u64> {
    let statement = "select pg_drop_replication_slot(slot_name) from pg_replication_slots
        where not active and slot_type = 'physical' and not slot_name::text = any($1::text[])";
    client.execute(statement, &[&keep]).await.map_err(in_words)
}

/// Where the oldest WAL begins that the node still has.
pub async fn oldest_wal(client: &Client) -> anyhow::Result<Option<Lsn>> {
    let statement = "select min(substr(name, 9, 16)), (select setting::int8 from pg_settings where name = 'wal_segment_size')
        from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'";
    let row = client.query_one(statement, &[]).await.map_err(in_words)?;
    let (digits, size): (Option<String>, i64) = (row.try_get(0)?, row.try_get(1)?);
    let Some(digits) = digits else { return Ok(None) };
    let (high, number) = (u64::from_str_radix(&digits[..8], 16)?, u64::from_str_radix(&digits[8..], 16)?);
    Ok(Some(Lsn((high << 32) + number * u64::try_from(size)?)))
}
