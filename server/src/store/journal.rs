//! The journal in SQLite: appended in one transaction with what must change with it, read back entry by entry through
//! the hash chain.

use super::Store;
use anyhow::Context;
use engine::{
    failover::State,
    id::OperationId,
    journal::{
        Actor, Entry, Event, Records,
        chain::{self, Break, Stored, Walk},
    },
    time::Instant,
};
use futures::TryStreamExt;
use sqlx::{FromRow, Sqlite, Transaction};

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended meanwhile: read on from `seq`, decide again.
    #[error("the journal has moved on to entry {seq}")]
    Moved { seq: u64 },
    /// The database itself refused a second active operation on one cluster.
    #[error("another operation holds the cluster")]
    ScopeHeld,
    #[error(transparent)]
    Store(#[from] anyhow::Error),
}

/// The journal as read from its first entry to its last, or to the first break.
#[derive(Debug)]
pub struct Replay {
    pub records: Records,
    /// Stands after the last sound entry.
    pub walk: Walk,
    pub broken: Option<Break>,
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    at: String,
    actor: String,
    event: String,
    /// What it is filed under. Not part of what is hashed: it follows from the event.
    operation: Option<String>,
    previous: String,
    hash: String,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Stored { seq: row.seq.unsigned_abs(), at: row.at, actor: row.actor, event: row.event, previous: row.previous, hash: row.hash }
    }
}

const COLUMNS_FROM: &str = "select seq, at, actor, event, operation, previous, hash from journal where seq > $1 order by seq";

impl Store {
    /// Appends `events` after the last entry of `records` and applies them to a copy, which is returned with them. Either all of it
    /// is on disk when this returns, or none.
    ///
    /// # Errors
    /// See `AppendError`.
    pub async fn append(&self, records: &Records, actor: &Actor, events: &[Event], now: Instant) -> Result<(Records, Vec<Entry>), AppendError> {
        let mut transaction = self.writer.begin_with("begin immediate").await.context("the store cannot be written")?;
        let (seq, mut previous) = head(&mut transaction).await?;
        if seq != records.seq {
            return Err(AppendError::Moved { seq });
        }
        let mut after = records.clone();
        let mut entries = Vec::with_capacity(events.len());
        for event in events {
            let stored = chain::seal(after.seq + 1, now, actor, event, &previous).context("an event cannot be written as JSON")?;
            previous.clone_from(&stored.hash);
            let mut walk = Walk::after(after.seq, stored.previous.clone());
            let entry = walk.step(&stored).context("an entry just sealed does not verify")?;
            after.apply(&entry).context("a decided event does not fit the records")?;
            insert(&mut transaction, &stored, event).await?;
            if let Some(id) = event.operation() {
                mirror_operation(&mut transaction, &after, id).await?;
            }
            entries.push(entry);
        }
        sqlx::query("update journal_head set seq = $1, hash = $2 where one = 1")
            .bind(number(after.seq)?)
            .bind(&previous)
            .execute(&mut *transaction)
            .await
            .context("the journal's head cannot be written")?;
        transaction.commit().await.context("the journal could not be made durable; nothing was recorded")?;
        Ok((after, entries))
    }

    /// Replays everything after `records.seq` into `records`, checking link by link.
    ///
    /// # Errors
    /// The outer error is about the store; the inner one is the first break, with `records` as they were before it.
    pub async fn catch_up(&self, records: &mut Records, walk: &mut Walk) -> anyhow::Result<Result<(), Break>> {
        read_after(&self.reader, records, walk).await
    }

    /// Replays the whole journal and compares its end with what is kept apart. Both are read as of one instant, so that an
    /// entry which another process writes meanwhile is not taken for a break.
    ///
    /// # Errors
    /// Where the store cannot be read. A break is no error: the records stand as they were before it.
    pub async fn replay(&self) -> anyhow::Result<Replay> {
        let mut snapshot = self.reader.begin().await.context("the journal cannot be read")?;
        let (last, hash) = head(&mut snapshot).await?;
        let (mut records, mut walk) = (Records::default(), Walk::default());
        let read = read_after(&mut *snapshot, &mut records, &mut walk).await?;
        let broken = read.and_then(|()| walk.end(last, &hash).map(|_| ())).err();
        Ok(Replay { records, walk, broken })
    }

    /// Number of the last entry written, from where it is kept apart.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn journal_head(&self) -> anyhow::Result<u64> {
        let seq: i64 = sqlx::query_scalar("select seq from journal_head where one = 1")
            .fetch_one(&self.reader)
            .await
            .context("the journal's head cannot be read")?;
        Ok(seq.unsigned_abs())
    }

    /// Walks the whole chain.
    ///
    /// # Errors
    /// The outer error is about the store; the inner one names the first broken entry.
    pub async fn verify_journal(&self) -> anyhow::Result<Result<u64, Break>> {
        let replay = self.replay().await?;
        Ok(replay.broken.map_or(Ok(replay.records.seq), Err))
    }

    /// At most `limit` entries before `before`, newest first, of one operation where one is named.
    ///
    /// # Errors
    /// Where the store cannot be read or an entry is no JSON.
    pub async fn history(&self, before: Option<u64>, limit: u32, operation: Option<OperationId>) -> anyhow::Result<Vec<Entry>> {
        let before = before.map(number).transpose()?.unwrap_or(i64::MAX);
        let rows: Vec<Row> = sqlx::query_as(
            "select seq, at, actor, event, operation, previous, hash from journal
             where seq < $1 and ($2 is null or operation = $2) order by seq desc limit $3",
        )
        .bind(before)
        .bind(operation.map(|id| id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await
        .context("the journal cannot be read")?;
        rows.into_iter().map(entry).collect()
    }
}

/// One row as an entry, without checking the chain: pages show what is there, `journal verify` judges it.
fn entry(row: Row) -> anyhow::Result<Entry> {
    let at = || format!("entry {} cannot be read", row.seq);
    Ok(Entry {
        seq: row.seq.unsigned_abs(),
        at: row.at.parse().with_context(at)?,
        actor: serde_json::from_str(&row.actor).with_context(at)?,
        event: serde_json::from_str(&row.event).with_context(at)?,
        previous: row.previous,
        hash: row.hash,
    })
}

/// Walks and applies what stands after `records.seq`, row by row.
async fn read_after<'c>(
    from: impl sqlx::Executor<'c, Database = Sqlite>,
    records: &mut Records,
    walk: &mut Walk,
) -> anyhow::Result<Result<(), Break>> {
    let mut rows = sqlx::query_as::<Sqlite, Row>(COLUMNS_FROM).bind(number(records.seq)?).fetch(from);
    while let Some(row) = rows.try_next().await.context("the journal cannot be read")? {
        let filed_under = row.operation.clone();
        let entry = match walk.step(&row.into()) {
            Ok(entry) => entry,
            Err(broken) => return Ok(Err(broken)),
        };
        if filed_under != entry.event.operation().map(|id| id.to_string()) {
            let why = "it is filed under another operation than the one it is about".to_owned();
            return Ok(Err(Break::Unreadable { seq: entry.seq, why }));
        }
        if let Err(misfit) = records.apply(&entry) {
            return Ok(Err(Break::Unreadable { seq: entry.seq, why: misfit.to_string() }));
        }
    }
    Ok(Ok(()))
}

async fn head(transaction: &mut Transaction<'_, Sqlite>) -> anyhow::Result<(u64, String)> {
    let (seq, hash): (i64, String) = sqlx::query_as("select seq, hash from journal_head where one = 1")
        .fetch_one(&mut **transaction)
        .await
        .context("the journal's head cannot be read")?;
    Ok((seq.unsigned_abs(), hash))
}

async fn insert(transaction: &mut Transaction<'_, Sqlite>, stored: &Stored, event: &Event) -> anyhow::Result<()> {
    sqlx::query("insert into journal (seq, at, actor, event, operation, previous, hash) values ($1, $2, $3, $4, $5, $6, $7)")
        .bind(number(stored.seq)?)
        .bind(&stored.at)
        .bind(&stored.actor)
        .bind(&stored.event)
        .bind(event.operation().map(|id| id.to_string()))
        .bind(&stored.previous)
        .bind(&stored.hash)
        .execute(&mut **transaction)
        .await
        .with_context(|| format!("entry {} of the journal cannot be written", stored.seq))?;
    Ok(())
}

/// Keeps the row of an operation equal to its state in the journal; here the unique index says no to a second holder.
async fn mirror_operation(transaction: &mut Transaction<'_, Sqlite>, records: &Records, id: OperationId) -> Result<(), AppendError> {
    let Some(operation) = records.operations.get(&id) else {
        return Ok(());
    };
    let written =
        sqlx::query("insert into operation (id, scope, kind, state) values ($1, $2, $3, $4) on conflict (id) do update set state = excluded.state")
            .bind(id.to_string())
            .bind(operation.plan.scope().to_string())
            .bind(operation.plan.kind.to_string())
            .bind(state_word(operation.state))
            .execute(&mut **transaction)
            .await;
    match written {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(AppendError::ScopeHeld),
        Err(error) => Err(AppendError::Store(anyhow::Error::new(error).context("the operation cannot be written"))),
    }
}

/// The state as the table's check constraint spells it.
fn state_word(state: State) -> &'static str {
    match state {
        State::Requested => "requested",
        State::Approved => "approved",
        State::Running => "running",
        State::Compensating => "compensating",
        State::InDoubt => "in-doubt",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::Declined => "declined",
        State::Cancelled => "cancelled",
        State::Void => "void",
        State::Closed => "closed",
    }
}

fn number(seq: u64) -> anyhow::Result<i64> {
    i64::try_from(seq).context("the journal is full: SQLite counts to 2^63")
}
