//! Who is at the door: sessions, sign-in, the first account. What a signed-in person may do is the engine's to say.

use crate::{
    desk::{ActError, Desk},
    store::Store,
};
use anyhow::Context;
use app::session::Viewer;
use engine::{
    access::Role,
    id::AccountName,
    journal::{Actor, Command},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tower_sessions::Session;

pub mod login;
pub mod proxy;
pub mod setup;

/// What a session holds: who, and the journal entry that last changed the account when it began.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    name: AccountName,
    changed: u64,
}

const KEY: &str = "account";

/// Shortest password accepted, in characters. (NIST SP 800-63B, 3.1.1.2: at least 15 where it is the only factor, 8 at the
/// very least; no rules about kinds of characters.)
pub const SHORTEST_PASSWORD: usize = 12;
/// Longest password accepted, in bytes: a bound on the work an anonymous request can cause.
pub const LONGEST_PASSWORD: usize = 256;

/// The person behind a session, as the account stands now: disabled, or changed since the sign-in, means nobody.
///
/// # Errors
/// Where the session store cannot be read.
pub async fn viewer_of(desk: &Desk, session: &Session) -> anyhow::Result<Option<Viewer>> {
    let Some(held) = session.get::<Held>(KEY).await.context("the session cannot be read")? else {
        return Ok(None);
    };
    let picture = desk.picture();
    let account = picture.records.accounts.get(&held.name).filter(|account| account.enabled && account.changed == held.changed);
    Ok(account.map(|account| Viewer { name: held.name, roles: account.roles.clone(), read_only: desk.is_read_only() }))
}

/// Hashes a password (argon2id, the library's parameters) off the async threads.
///
/// # Errors
/// A password outside the accepted lengths, in words for the person who chose it.
pub async fn hash_password(password: String) -> anyhow::Result<String> {
    let length = password.chars().count();
    anyhow::ensure!(length >= SHORTEST_PASSWORD, "the password has {length} characters; at least {SHORTEST_PASSWORD} are needed");
    anyhow::ensure!(password.len() <= LONGEST_PASSWORD, "the password is longer than {LONGEST_PASSWORD} bytes");
    tokio::task::spawn_blocking(move || password_auth::generate_hash(password)).await.context("the password could not be hashed")
}

/// Makes an account with a password.
///
/// # Errors
/// The engine's refusal, or that the store cannot be written.
pub async fn add_account(desk: &Desk, actor: &Actor, name: AccountName, roles: BTreeSet<Role>, password: String) -> Result<(), ActError> {
    let hash = hash_password(password).await?;
    desk.act(actor, Command::AddAccount { name: name.clone(), roles }).await?;
    desk.store().set_password(&name, &hash).await?;
    Ok(())
}

/// Gives an account a new password; its sessions are over.
///
/// # Errors
/// The engine's refusal, or that the store cannot be written.
pub async fn reset_password(desk: &Desk, actor: &Actor, name: AccountName, password: String) -> Result<(), ActError> {
    let hash = hash_password(password).await?;
    desk.act(actor, Command::ResetPassword { name: name.clone() }).await?;
    desk.store().set_password(&name, &hash).await?;
    Ok(())
}

/// Whether `password` is the account's. Takes as long for a name that does not exist.
async fn is_right(store: &Store, name: Option<&AccountName>, password: String) -> anyhow::Result<bool> {
    /// Of a random password nobody kept.
    const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$HbhjVrY3lM6qNAGEnCbLdA$JSmPFaLZVlnoNBVSVVYgXKQyAfhzYzFsl2FPOFSBP8w";
    let known = match name {
        Some(name) => store.password_hash(name).await?,
        None => None,
    };
    if password.len() > LONGEST_PASSWORD {
        return Ok(false);
    }
    let checked = tokio::task::spawn_blocking(move || {
        let hash = known.as_deref().unwrap_or(NOBODYS);
        let right = password_auth::verify_password(password, hash).is_ok();
        right && known.is_some()
    });
    checked.await.context("the password could not be checked")
}
