//! The last good reading of each database node.

use super::Store;
use anyhow::Context;
use engine::{
    databases::NodeReading,
    id::{ClusterId, NodeId},
};

impl Store {
    /// Writes readings, several in one transaction.
    ///
    /// # Errors
    /// Where the observations file cannot be written.
    pub async fn keep_readings(&self, readings: &[(ClusterId, NodeId, NodeReading)]) -> anyhow::Result<()> {
        let mut transaction = self.observations.begin().await.context("the observations cannot be written")?;
        for (cluster, node, reading) in readings {
            sqlx::query(
                "insert into reading (cluster, node, at, reading) values ($1, $2, $3, $4)
                 on conflict (cluster, node) do update set at = excluded.at, reading = excluded.reading",
            )
            .bind(cluster.as_str())
            .bind(node.as_str())
            .bind(reading.at.to_rfc3339())
            .bind(serde_json::to_string(reading).context("a reading cannot be written as JSON")?)
            .execute(&mut *transaction)
            .await
            .context("a reading cannot be written")?;
        }
        transaction.commit().await.context("the readings could not be kept")
    }

    /// All kept readings. One that an older version wrote in another shape is left out: it will be read afresh.
    ///
    /// # Errors
    /// Where the observations file cannot be read.
    pub async fn readings(&self) -> anyhow::Result<Vec<(ClusterId, NodeId, NodeReading)>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as("select cluster, node, reading from reading order by cluster, node")
            .fetch_all(&self.observations)
            .await
            .context("the readings cannot be read")?;
        let mut readings = Vec::with_capacity(rows.len());
        for (cluster, node, reading) in rows {
            match (cluster.parse(), node.parse(), serde_json::from_str(&reading)) {
                (Ok(cluster), Ok(node), Ok(reading)) => readings.push((cluster, node, reading)),
                _ => tracing::warn!(cluster, node, "a kept reading cannot be understood and is left out"),
            }
        }
        Ok(readings)
    }
}
