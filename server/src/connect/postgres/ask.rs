//! One statement of a runbook. Its values are bound as texts, never written into it. One that only reads runs in a transaction
//! that cannot write, and as a part of a query, so that it can be nothing but a query.

use super::{Address, in_words};
use anyhow::Context;
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};

/// What a statement answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The first rows, as JSON objects.
    pub rows: Vec<Value>,
    /// There are more.
    pub more: bool,
    /// Rows that were changed, of a statement that writes.
    pub changed: Option<u64>,
}

impl Answer {
    /// The value of the only column of the first row, as text; an empty one for null.
    pub fn only_value(&self) -> Option<String> {
        let row = self.rows.first()?.as_object()?;
        let mut values = row.values();
        let (value, None) = (values.next()?, values.next()) else { return None };
        Some(match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        })
    }
    pub fn in_words(&self, node: &str) -> String {
        if let Some(changed) = self.changed {
            return format!("{changed} rows changed on {node}");
        }
        let rows: Vec<String> = self.rows.iter().map(ToString::to_string).map(|row| row.chars().take(500).collect()).collect();
        let more = if self.more { "\n… and more rows" } else { "" };
        match rows.len() {
            0 => format!("no row on {node}"),
            _ => format!("on {node}:\n{}{more}", rows.join("\n")),
        }
    }
}

/// Asks a node. `most` rows are kept.
///
/// # Errors
/// What PostgreSQL said, among others that something may not be written.
pub async fn ask(address: &Address, statement: &str, values: &[String], writes: bool, patience: Duration, most: usize) -> anyhow::Result<Answer> {
    let client = address.connect(patience.min(Duration::from_secs(10))).await?;
    let statement = statement.trim().trim_end_matches(';').trim_end();
    let values: Vec<(&(dyn ToSql + Sync), Type)> = values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
    client.batch_execute(&format!("set statement_timeout = {}", patience.as_millis().clamp(1, 86_400_000))).await.map_err(in_words)?;
    if writes {
        let changed = client.execute_typed(statement, &values).await.map_err(in_words)?;
        return Ok(Answer { rows: Vec::new(), more: false, changed: Some(changed) });
    }
    client.batch_execute("begin read only").await.map_err(in_words)?;
    // On lines of its own, so that a comment in it ends where it ends.
    let query = format!("select row_to_json(answer)::text from (\n{statement}\n) as answer limit {}", most + 1);
    let rows = client.query_typed(&query, &values).await.map_err(in_words)?;
    let mut read = Vec::new();
    for row in rows.iter().take(most) {
        let text: String = row.try_get(0)?;
        read.push(serde_json::from_str(&text).context("a row that is no JSON")?);
    }
    Ok(Answer { rows: read, more: rows.len() > most, changed: None })
}
