//! What probes saw: finished runs, the open run of each target, and the roll-up. In a file of its own, so that neither the
//! journal nor the latest readings ever wait for it. It is as durable as the journal: one commit a second can be afforded.

use super::Store;
use anyhow::Context;
use chrono::DateTime;
use engine::{
    history::{Stretch, coarsen},
    journal::Subject,
    time::{Instant, Span},
};
use futures::TryStreamExt;
use sqlx::{QueryBuilder, Sqlite, Transaction};
use std::collections::HashMap;

/// What is written together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Targets that were never written before.
    pub targets: Vec<KnownTarget>,
    pub finished: Vec<(TargetId, Stretch)>,
    /// The run that goes on, replacing what was known of it.
    pub open: Vec<(TargetId, Stretch)>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.finished.is_empty() && self.open.is_empty()
    }
}

/// The number of a target in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TargetId(pub i64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTarget {
    pub id: TargetId,
    pub of: Subject,
    pub observer: String,
}

/// Which part of the history is rolled up, and which is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollUp {
    /// What begins before this was rolled up already.
    pub from: Instant,
    /// Runs that ended before this lose their order.
    pub fine: Instant,
    /// What ended before this is dropped.
    pub kept: Instant,
}

/// How much a roll-up took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rolled {
    pub merged: u64,
    pub dropped: u64,
}

/// Rows per statement: SQLite takes 32,766 parameters.
const ROWS: usize = 500;
const COLUMNS: &str = "(target, first, last, good, complained, failed, worst, said, said_last) ";
const RUN: &str = "first, last, good, complained, failed, worst, said, said_last";

#[derive(sqlx::FromRow)]
struct Row {
    first: i64,
    last: i64,
    good: i64,
    complained: i64,
    failed: i64,
    worst: i64,
    said: Option<String>,
    said_last: Option<String>,
}

impl Store {
    /// Writes a batch in one transaction, which is on disk when this returns.
    ///
    /// # Errors
    /// Where the history cannot be written; then none of it was.
    pub async fn keep_history(&self, batch: &Batch) -> anyhow::Result<()> {
        let mut transaction = self.history.begin().await.context("the history cannot be written")?;
        for target in &batch.targets {
            sqlx::query("insert into target (id, subject, observer) values ($1, $2, $3) on conflict do nothing")
                .bind(target.id.0)
                .bind(serde_json::to_string(&target.of).context("a target cannot be written as JSON")?)
                .bind(&target.observer)
                .execute(&mut *transaction)
                .await
                .context("a target cannot be written")?;
        }
        for rows in batch.finished.chunks(ROWS) {
            insert(&mut transaction, Table::Run, rows).await?;
        }
        for rows in batch.open.chunks(ROWS) {
            insert(&mut transaction, Table::Open, rows).await?;
        }
        transaction.commit().await.context("the history could not be made durable")
    }

    /// Finishes the runs that a process before this one left open, forgets targets of which nothing is kept, and gives the
    /// others, with the last number taken. A target that another version wrote in another shape is left alone.
    ///
    /// # Errors
    /// Where the history cannot be read or written.
    pub async fn take_over_history(&self) -> anyhow::Result<(Vec<KnownTarget>, TargetId)> {
        let mut transaction = self.history.begin().await.context("the history cannot be written")?;
        for statement in [
            "insert into run select target, first, last, good, complained, failed, worst, said, said_last from open_run where true
             on conflict (target, first) do nothing",
            "delete from open_run",
            "delete from target where not exists (select 1 from run where run.target = target.id)",
        ] {
            sqlx::query(statement).execute(&mut *transaction).await.context("the runs left open cannot be finished")?;
        }
        let rows: Vec<(i64, String, String)> = sqlx::query_as("select id, subject, observer from target order by id")
            .fetch_all(&mut *transaction)
            .await
            .context("the targets of the history cannot be read")?;
        transaction.commit().await.context("the runs left open could not be finished")?;
        let last = TargetId(rows.last().map_or(0, |(id, ..)| *id));
        let mut known = Vec::with_capacity(rows.len());
        for (id, subject, observer) in rows {
            match serde_json::from_str(&subject) {
                Ok(of) => known.push(KnownTarget { id: TargetId(id), of, observer }),
                Err(_) => tracing::warn!(subject, "a target of the history cannot be understood and is left out"),
            }
        }
        Ok((known, last))
    }

    /// The finished stretches of a target that reach into the time from `from` to `until`, oldest first; of more than
    /// `at_most` the newest, and whether that left any out.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn stretches(&self, target: TargetId, from: Instant, until: Instant, at_most: u32) -> anyhow::Result<(Vec<Stretch>, bool)> {
        let rows: Vec<Row> = sqlx::query_as(
            "select first, last, good, complained, failed, worst, said, said_last from run
             where target = $1 and first <= $3 and last >= $2
             and first >= coalesce((select max(first) from run where target = $1 and first <= $2), 0)
             order by first desc limit $4",
        )
        .bind(target.0)
        .bind(from.timestamp_millis())
        .bind(until.timestamp_millis())
        .bind(i64::from(at_most) + 1)
        .fetch_all(&self.history_reader)
        .await
        .context("the history cannot be read")?;
        let cut = rows.len() > at_most as usize;
        let mut stretches = rows.into_iter().take(at_most as usize).map(Stretch::try_from).collect::<Result<Vec<_>, _>>()?;
        stretches.reverse();
        Ok((stretches, cut))
    }

    /// What every target was seen to be since `from`, oldest first.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn stretches_since(&self, from: Instant) -> anyhow::Result<HashMap<TargetId, Vec<Stretch>>> {
        #[derive(sqlx::FromRow)]
        struct Of {
            target: i64,
            #[sqlx(flatten)]
            row: Row,
        }
        let mut rows = sqlx::query_as::<_, Of>(
            "select target, run.first as first, last, good, complained, failed, worst, said, said_last
             from target join run on run.target = target.id and last >= $1
             and run.first >= coalesce((select max(first) from run where target = target.id and first <= $1), 0)
             order by target.id, run.first",
        )
        .bind(from.timestamp_millis())
        .fetch(&self.history_reader);
        let mut stretches: HashMap<TargetId, Vec<Stretch>> = HashMap::new();
        while let Some(Of { target, row }) = rows.try_next().await.context("the history cannot be read")? {
            stretches.entry(TargetId(target)).or_default().push(row.try_into()?);
        }
        Ok(stretches)
    }

    /// Rolls up and drops what is old of some targets, in one transaction; each comes with the silence of its rule.
    ///
    /// # Errors
    /// Where the history cannot be read or written; then nothing was changed.
    pub async fn roll_up(&self, targets: &[(TargetId, Span)], bounds: RollUp) -> anyhow::Result<Rolled> {
        let mut rolled = Rolled::default();
        let mut transaction = self.history.begin().await.context("the history cannot be written")?;
        for (target, silence) in targets {
            let dropped = sqlx::query("delete from run where target = $1 and first < $2 and last < $2")
                .bind(target.0)
                .bind(bounds.kept.timestamp_millis())
                .execute(&mut *transaction)
                .await
                .context("old history cannot be dropped")?;
            rolled.dropped += dropped.rows_affected();
            rolled.merged += roll_up_one(&mut transaction, *target, *silence, bounds).await?;
        }
        transaction.commit().await.context("the roll-up of the history could not be made durable")?;
        Ok(rolled)
    }

    /// How much of its file the history fills.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn history_bytes(&self) -> anyhow::Result<u64> {
        let bytes: i64 = sqlx::query_scalar(
            "select (pages.page_count - free.freelist_count) * size.page_size
             from pragma_page_count as pages, pragma_freelist_count as free, pragma_page_size as size",
        )
        .fetch_one(&self.history_reader)
        .await
        .context("the size of the history cannot be read")?;
        Ok(bytes.unsigned_abs())
    }
}

async fn roll_up_one(transaction: &mut Transaction<'_, Sqlite>, target: TargetId, silence: Span, bounds: RollUp) -> anyhow::Result<u64> {
    let rows: Vec<Row> = sqlx::query_as(
        "select first, last, good, complained, failed, worst, said, said_last from run
         where target = $1 and first >= $2 and first < $3 and last < $3 order by first",
    )
    .bind(target.0)
    .bind(bounds.from.timestamp_millis())
    .bind(bounds.fine.timestamp_millis())
    .fetch_all(&mut **transaction)
    .await
    .context("old history cannot be read")?;
    let before = rows.len();
    let fine = rows.into_iter().map(Stretch::try_from).collect::<Result<Vec<_>, _>>()?;
    let bounds = fine.first().map(|first| first.first).zip(fine.last().map(|last| last.first));
    let coarse = coarsen(fine, silence);
    let Some((first, last)) = bounds.filter(|_| coarse.len() < before) else { return Ok(0) };
    sqlx::query("delete from run where target = $1 and first between $2 and $3")
        .bind(target.0)
        .bind(first.timestamp_millis())
        .bind(last.timestamp_millis())
        .execute(&mut **transaction)
        .await
        .context("old history cannot be rolled up")?;
    let after = coarse.len();
    let rows: Vec<_> = coarse.into_iter().map(|stretch| (target, stretch)).collect();
    for rows in rows.chunks(ROWS) {
        insert(transaction, Table::Run, rows).await?;
    }
    Ok((before - after) as u64)
}

#[derive(Clone, Copy)]
enum Table {
    Run,
    Open,
}

async fn insert(transaction: &mut Transaction<'_, Sqlite>, table: Table, rows: &[(TargetId, Stretch)]) -> anyhow::Result<()> {
    let (name, key) = match table {
        Table::Run => ("run ", "(target, first) "),
        Table::Open => ("open_run ", "(target) "),
    };
    let mut query = QueryBuilder::<Sqlite>::new("insert into ");
    query.push(name).push(COLUMNS).push_values(rows, |mut row, (target, stretch)| {
        row.push_bind(target.0)
            .push_bind(stretch.first.timestamp_millis())
            .push_bind(stretch.last.timestamp_millis())
            .push_bind(i64::from(stretch.good))
            .push_bind(i64::from(stretch.complained))
            .push_bind(i64::from(stretch.failed))
            .push_bind(i64::try_from(stretch.worst.as_millis()).unwrap_or(i64::MAX))
            .push_bind(stretch.said.as_deref())
            .push_bind(stretch.said_last.as_deref());
    });
    query.push(" on conflict ").push(key).push("do update set ");
    let mut columns = query.separated(", ");
    for column in RUN.split(", ") {
        columns.push(format!("{column} = excluded.{column}"));
    }
    // The text depends on how many rows there are, so keeping it prepared would only fill the cache.
    query.build().persistent(false).execute(&mut **transaction).await.context("a run cannot be written")?;
    Ok(())
}

impl TryFrom<Row> for Stretch {
    type Error = anyhow::Error;
    fn try_from(row: Row) -> anyhow::Result<Self> {
        let instant = |millis| DateTime::from_timestamp_millis(millis).context("a run of the history lies outside of time");
        let count = |rounds: i64| u32::try_from(rounds).context("a run of the history has an impossible count");
        Ok(Self {
            first: instant(row.first)?,
            last: instant(row.last)?,
            good: count(row.good)?,
            complained: count(row.complained)?,
            failed: count(row.failed)?,
            worst: Span::from_millis(row.worst.unsigned_abs()),
            said: row.said,
            said_last: row.said_last,
        })
    }
}
