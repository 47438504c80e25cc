//! Password hashes. Names, roles and whether an account is enabled follow from the journal.

use super::Store;
use anyhow::Context;
use engine::id::AccountName;

impl Store {
    /// Sets the password hash of an account.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn set_password(&self, account: &AccountName, hash: &str) -> anyhow::Result<()> {
        sqlx::query("insert into password (account, hash) values ($1, $2) on conflict (account) do update set hash = excluded.hash")
            .bind(account.as_str())
            .bind(hash)
            .execute(&self.writer)
            .await
            .with_context(|| format!("the password of {account} cannot be written"))?;
        Ok(())
    }

    /// The password hash of an account, if it has one.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn password_hash(&self, account: &AccountName) -> anyhow::Result<Option<String>> {
        sqlx::query_scalar("select hash from password where account = $1")
            .bind(account.as_str())
            .fetch_optional(&self.reader)
            .await
            .with_context(|| format!("the password of {account} cannot be read"))
    }
}
