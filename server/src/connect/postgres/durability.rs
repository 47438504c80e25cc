//! Whom commits wait for: `synchronous_standby_names`, as the node has it and as it is told.

use super::{in_words, lsn};
use anyhow::bail;
use engine::{databases::Lsn, id::NodeId};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// From here on a role may be given ALTER SYSTEM for one setting without being a superuser.
pub const GRANTS_PARAMETERS: i32 = 15_00_00;

/// The setting on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Empty where commits wait for nobody.
    pub names: String,
    /// Why Lifeboat cannot change it; `None` where it can.
    pub fixed: Option<String>,
}

/// How long a node may take to read its configuration again.
const RELOAD: Duration = Duration::from_secs(5);

/// The part of a query that says whether the role that is signed in may change the setting.
pub fn may_set(version: i32) -> &'static str {
    if version < GRANTS_PARAMETERS { "rolsuper" } else { "has_parameter_privilege('synchronous_standby_names', 'ALTER SYSTEM')" }
}

/// # Errors
/// As every statement here: what PostgreSQL said.
pub async fn setting(client: &Client) -> anyhow::Result<Setting> {
    const NAMES: &str = "select current_setting('synchronous_standby_names') as names, current_setting('server_version_num')::int as version,
            (select source from pg_settings where name = 'synchronous_standby_names') as source";
    let row = client.query_one(NAMES, &[]).await.map_err(in_words)?;
    let (names, version, source): (String, i32, String) = (row.try_get("names")?, row.try_get("version")?, row.try_get("source")?);
    let rights = format!(
        "select {} as may_set, has_function_privilege('pg_reload_conf()', 'execute') as may_reload from pg_roles where rolname = current_user",
        may_set(version)
    );
    let row = client.query_one(&rights, &[]).await.map_err(in_words)?;
    let fixed = if source == "command line" {
        Some("it was set on its command line".to_owned())
    } else if !row.try_get::<_, bool>("may_set")? || !row.try_get::<_, bool>("may_reload")? {
        Some("Lifeboat's role may not change it".to_owned())
    } else {
        None
    };
    Ok(Setting { names, fixed })
}

/// Has commits wait for the first `confirm` of `standbys` that stream; for nobody where there are none.
///
/// # Errors
/// Also where the node does not have the setting a few seconds later.
pub async fn wait_for(client: &Client, confirm: usize, standbys: &[NodeId]) -> anyhow::Result<String> {
    let quoted: Vec<String> = standbys.iter().map(|node| format!("\"{}\"", node.as_str().replace('"', "\"\""))).collect();
    let value = if quoted.is_empty() { String::new() } else { format!("FIRST {confirm} ({})", quoted.join(",")) };
    // ALTER SYSTEM takes no parameters, so the server itself makes a literal of the value.
    let statement: String = client
        .query_one("select format('alter system set synchronous_standby_names = %L', $1::text)", &[&value])
        .await
        .map_err(in_words)?
        .try_get(0)?;
    client.batch_execute(&statement).await.map_err(in_words)?;
    client.query_one("select pg_reload_conf()", &[]).await.map_err(in_words)?;
    let began = Instant::now();
    loop {
        let now: String = client.query_one("select current_setting('synchronous_standby_names')", &[]).await.map_err(in_words)?.try_get(0)?;
        if now == value {
            return Ok(value);
        }
        if began.elapsed() > RELOAD {
            bail!("synchronous_standby_names was set to “{value}”, and is “{now}” all the same");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Where the log of a primary ends on its disk.
pub async fn flushed(client: &Client) -> anyhow::Result<Option<Lsn>> {
    lsn(&client.query_one("select pg_current_wal_flush_lsn()::text as flushed", &[]).await.map_err(in_words)?, "flushed")
}

/// Those that commits wait for now and that have everything up to `position`.
pub async fn confirming(client: &Client, position: Lsn) -> anyhow::Result<Vec<String>> {
    let statement = "select application_name from pg_stat_replication
        where sync_state in ('sync', 'quorum') and state = 'streaming' and flush_lsn >= $1::text::pg_lsn order by application_name";
    let rows = client.query(statement, &[&position.to_string()]).await.map_err(in_words)?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
