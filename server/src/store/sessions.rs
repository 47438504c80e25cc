//! Sessions in SQLite, behind tower-sessions' own trait.

use super::Store;
use async_trait::async_trait;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};

fn backend(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> Result<()> {
        loop {
            let text = serde_json::to_string(record).map_err(|error| Error::Encode(error.to_string()))?;
            let written = sqlx::query("insert into session (id, record, expires_at) values ($1, $2, $3)")
                .bind(record.id.to_string())
                .bind(text)
                .bind(record.expiry_date.unix_timestamp())
                .execute(&self.writer)
                .await;
            match written {
                Ok(_) => return Ok(()),
                // The id is taken: 128 random bits say this never happens, the trait asks for it all the same.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => record.id = Id::default(),
                Err(error) => return Err(backend(error)),
            }
        }
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_string(record).map_err(|error| Error::Encode(error.to_string()))?;
        sqlx::query("insert into session (id, record, expires_at) values ($1, $2, $3) on conflict (id) do update set record = excluded.record, expires_at = excluded.expires_at")
            .bind(record.id.to_string())
            .bind(text)
            .bind(record.expiry_date.unix_timestamp())
            .execute(&self.writer)
            .await
            .map_err(backend)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let text: Option<String> = sqlx::query_scalar("select record from session where id = $1 and expires_at > $2")
            .bind(id.to_string())
            .bind(chrono::Utc::now().timestamp())
            .fetch_optional(&self.reader)
            .await
            .map_err(backend)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| Error::Decode(error.to_string()))).transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        sqlx::query("delete from session where id = $1").bind(id.to_string()).execute(&self.writer).await.map_err(backend)?;
        Ok(())
    }
}

impl Store {
    /// Removes sessions that have expired.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn drop_expired_sessions(&self) -> anyhow::Result<u64> {
        Ok(sqlx::query("delete from session where expires_at <= $1")
            .bind(chrono::Utc::now().timestamp())
            .execute(&self.writer)
            .await?
            .rows_affected())
    }
}
