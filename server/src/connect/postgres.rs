//! PostgreSQL: one look at a node, and the few statements an operation needs. Values travel as parameters; the only
//! identifiers are constants of this file.

use anyhow::{Context, bail};
use engine::{
    databases::{Lsn, NodeReading, NodeRole, Peer},
    time::{Instant, Span},
};
use std::time::Duration;
use tokio_postgres::{
    Client, Config, Connection, NoTls, Row, Socket,
    config::SslMode,
    error::SqlState,
    tls::{MakeTlsConnect, TlsStream},
    types::Type,
};

mod ask;
mod catalog;
pub mod durability;
mod presence;
mod reader;
pub mod rights;
pub mod slots;
mod tls;
pub use ask::{Answer, ask};
pub use presence::Presence;
pub use reader::Reader;
pub(crate) use tls::certificates;
pub use tls::{Shown, Tls, Trust};

/// How to reach one node, or the router before the nodes.
#[derive(Clone)]
pub struct Address {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    /// Absent where a certificate is enough.
    pub password: Option<String>,
    /// Absent where connections are not encrypted.
    pub tls: Option<Tls>,
}

impl Address {
    /// Connects, signs in and bounds every later statement by `patience` as well.
    ///
    /// # Errors
    /// Says what PostgreSQL or the network said, never the password.
    pub async fn connect(&self, patience: Duration) -> anyhow::Result<Client> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .application_name("lifeboat")
            .connect_timeout(patience)
            .tcp_user_timeout(patience)
            .keepalives_idle(Duration::from_secs(5));
        if let Some(password) = &self.password {
            config.password(password);
        }
        match &self.tls {
            None => within(patience, connect(config.ssl_mode(SslMode::Disable), NoTls)).await,
            Some(tls) => within(patience, connect(config.ssl_mode(SslMode::Require), tls.clone())).await.map_err(|error| {
                let hint = "set ssl = on there, or tls = \"off\" for the cluster in the configuration here";
                if error.to_string() == "server does not support TLS" {
                    error.context(format!("the server does not support TLS: {hint}"))
                } else {
                    error
                }
            }),
        }
    }
}

async fn connect<T>(config: &Config, tls: T) -> anyhow::Result<Client>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: TlsStream + Send + 'static,
{
    let (client, connection): (Client, Connection<Socket, T::Stream>) = config.connect(tls).await.map_err(in_words)?;
    // The connection ends with the client; how it ended is said by the statement that was under way.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a database connection ended");
        }
    });
    Ok(client)
}

/// Runs `work`, but not longer than `patience`.
async fn within<T>(patience: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(patience, work).await {
        Ok(result) => result,
        Err(_) => bail!("no answer within {} ms", patience.as_millis()),
    }
}

/// The connection was refused, or ended before anything was said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Dropped(String);

fn is_dropped(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof};
    cause
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| matches!(error.kind(), ConnectionRefused | ConnectionReset | ConnectionAborted | UnexpectedEof | BrokenPipe))
}

/// The innermost cause says most: “connection refused”, “the database system is shutting down”.
fn in_words(error: tokio_postgres::Error) -> anyhow::Error {
    if let Some(database) = error.as_db_error() {
        return anyhow::anyhow!("{} ({})", database.message(), database.code().code());
    }
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_closed() || is_dropped(cause) { Dropped(cause.to_string()).into() } else { anyhow::anyhow!("{cause}") }
}

/// One round trip answers for both roles: a function that does not fit the role is not called.
const LOOK: &str = "
select in_recovery,
       (select system_identifier::text from pg_control_system()) as system_identifier,
       current_setting('server_version') as version,
       current_setting('default_transaction_read_only')::bool as read_only,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
       current_setting('max_connections')::int as connections_max,
       case when not in_recovery then pg_current_wal_flush_lsn()::text end as flushed,
       case when not in_recovery then substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) end as walfile_timeline,
       case when in_recovery then pg_last_wal_receive_lsn()::text end as received,
       case when in_recovery then pg_last_wal_replay_lsn()::text end as replayed,
       case when in_recovery then (extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::int8 end as since_last_commit,
       (select received_tli from pg_stat_wal_receiver) as receiver_timeline,
       greatest((select timeline_id from pg_control_checkpoint()),
                (select min_recovery_end_timeline from pg_control_recovery())) as control_timeline,
       (select sender_host from pg_stat_wal_receiver where status = 'streaming') as streaming_from,
       current_setting('recovery_min_apply_delay') <> '0' as delayed,
       (select min(application_name) from pg_stat_activity where application_name like 'Patroni%') as manager_seen,
       nullif(current_setting('synchronous_standby_names'), '') as waits_for
from (select pg_is_in_recovery() as in_recovery) as node";

const PEERS: &str = "
select application_name, state = 'streaming' as streaming, sync_state in ('sync', 'quorum') as synchronous,
       flush_lsn::text, replay_lsn::text, (extract(epoch from replay_lag) * 1000)::int8 as replay_lag
from pg_stat_replication where application_name is not null order by application_name";

/// The newest timeline that a standby holds WAL of, and whose history it has: of one that it was rewound away from, WAL may be left,
/// and no history. A statement of its own: PostgreSQL looks at the right to call a function
/// before it knows whether it will be called, so beside the others it would take them all down with it.
const HELD: &str = "
with files as (select name from pg_ls_waldir())
select max(substr(name, 1, 8)) from files where name ~ '^[0-9A-F]{24}$'
   and (name like '00000001%' or exists (select from files as history where history.name = substr(files.name, 1, 8) || '.history'))";

/// Reads a node. Every statement takes one round trip: none is prepared first.
///
/// # Errors
/// No answer within `patience`, or one that cannot be understood: then nothing is known.
pub async fn look(client: &Client, at: Instant, patience: Duration) -> anyhow::Result<NodeReading> {
    within(patience, async {
        let row = &client.query_typed_one(LOOK, &[]).await.map_err(in_words)?;
        let in_recovery: bool = row.try_get("in_recovery")?;
        // Sent one behind the other, so that both answers take one round trip.
        let (peers, held) =
            tokio::join!(peers(client), async { if in_recovery { if_allowed(client.query_typed_one(HELD, &[]).await) } else { Ok(None) } });
        let (peers, held) = (peers?, held?);
        let (role, cascade) = if in_recovery {
            (standby(row)?, peers)
        } else {
            (NodeRole::Primary { flushed: lsn(row, "flushed")?.context("a primary without a flush position")?, peers }, Vec::new())
        };
        let timeline = timeline(row, held.as_ref())?;
        Ok(NodeReading {
            at,
            role,
            system_identifier: row.try_get("system_identifier")?,
            timeline,
            version: row.try_get("version")?,
            read_only: row.try_get("read_only")?,
            connections: u32::try_from(row.try_get::<_, i64>("connections")?)?,
            connections_max: u32::try_from(row.try_get::<_, i32>("connections_max")?)?,
            manager_seen: row.try_get("manager_seen")?,
            waits_for: row.try_get("waits_for")?,
            cascade,
        })
    })
    .await
}

fn standby(row: &Row) -> anyhow::Result<NodeRole> {
    let replayed = lsn(row, "replayed")?.context("a standby that has replayed nothing yet")?;
    let since: Option<i64> = row.try_get("since_last_commit")?;
    Ok(NodeRole::Standby {
        received: lsn(row, "received")?.unwrap_or(replayed),
        replayed,
        streaming_from: row.try_get("streaming_from")?,
        since_last_commit: since.map(|millis| Span::from_millis(u64::try_from(millis).unwrap_or(0))),
        delayed: row.try_get("delayed")?,
    })
}

/// The timeline WAL is written or received on. The control file's lags behind a promotion until the next checkpoint, and
/// the receiver's is gone with the primary, exactly when it matters. The WAL a standby holds says it then: PostgreSQL
/// receives none of a timeline before it has found that its own history leads there.
fn timeline(row: &Row, held: Option<&Row>) -> anyhow::Result<u32> {
    let of_file = |digits: Option<String>| -> anyhow::Result<Option<u32>> {
        let parsed = digits.map(|digits| u32::from_str_radix(&digits, 16).with_context(|| format!("“{digits}” is no timeline")));
        parsed.transpose()
    };
    if let Some(written) = of_file(row.try_get("walfile_timeline")?)? {
        return Ok(written);
    }
    let receiver: Option<i32> = row.try_get("receiver_timeline")?;
    let control: i32 = row.try_get("control_timeline")?;
    let known = u32::try_from(receiver.unwrap_or(control).max(control))?;
    // What it receives now says it; what lies about matters while nobody sends.
    let held = of_file(held.filter(|_| receiver.is_none()).map(|held| held.try_get(0)).transpose()?.flatten())?;
    Ok(known.max(held.unwrap_or(0)))
}

/// What was answered; nothing where the role may not ask. Which rights it lacks is told by `rights`, not by what fails.
fn if_allowed<T>(answer: Result<T, tokio_postgres::Error>) -> anyhow::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(None),
        Err(error) => Err(in_words(error)),
    }
}

async fn peers(client: &Client) -> anyhow::Result<Vec<Peer>> {
    let rows = client.query_typed(PEERS, &[]).await.map_err(in_words)?;
    rows.iter()
        .map(|row| {
            let lag: Option<i64> = row.try_get("replay_lag")?;
            Ok(Peer {
                name: row.try_get("application_name")?,
                streaming: row.try_get("streaming")?,
                synchronous: row.try_get("synchronous")?,
                flushed: lsn(row, "flush_lsn")?,
                replayed: lsn(row, "replay_lsn")?,
                replay_lag: lag.map(|millis| Span::from_millis(u64::try_from(millis).unwrap_or(0))),
            })
        })
        .collect()
}

fn lsn(row: &Row, column: &str) -> anyhow::Result<Option<Lsn>> {
    let text: Option<String> = row.try_get(column)?;
    Ok(text.map(|text| text.parse()).transpose()?)
}

/// Whether the node is in recovery now.
///
/// # Errors
/// As every statement here: what PostgreSQL said.
pub async fn is_in_recovery(client: &Client) -> anyhow::Result<bool> {
    Ok(client.query_one("select pg_is_in_recovery()", &[]).await.map_err(in_words)?.try_get(0)?)
}

/// Whether somebody has paused the replay of a standby: it receives, and shows nothing of it.
pub async fn is_replay_paused(client: &Client) -> anyhow::Result<bool> {
    Ok(client.query_one("select pg_is_wal_replay_paused()", &[]).await.map_err(in_words)?.try_get(0)?)
}

/// The last position replayed. On a promoted node it stays what it was at the promotion: where its history left the old primary's.
pub async fn replayed(client: &Client) -> anyhow::Result<Option<Lsn>> {
    lsn(&client.query_one("select pg_last_wal_replay_lsn()::text as replayed", &[]).await.map_err(in_words)?, "replayed")
}

/// Asks for promotion without waiting: `pg_promote(true)` polls only ten times a second, so the caller polls itself.
///
/// A statement may lie on the way, and reach the server when its caller has long given up and another node was promoted. So it
/// says until when it is good, by the server's own clock.
pub async fn promote(client: &Client, within: Duration) -> anyhow::Result<()> {
    let span = format!("{} milliseconds", within.as_millis());
    let until: String = client.query_one("select (clock_timestamp() + $1::text::interval)::text", &[&span]).await.map_err(in_words)?.try_get(0)?;
    let order = "select case when clock_timestamp() < $1::text::timestamptz then pg_promote(false) end";
    match client.query_one(order, &[&until]).await.map_err(in_words)?.try_get(0)? {
        Some(true) => Ok(()),
        Some(false) => bail!("PostgreSQL did not accept the promotion"),
        None => bail!("the order to promote came after its time and was not carried out"),
    }
}

/// Has a primary refuse writes in every session from now on, and ends those of clients. Gives how many were ended, and how many
/// there are of superusers, which only a superuser may end.
///
/// # Errors
/// What PostgreSQL said: a right that is missing, among others; sessions that do not end. It may have been set in part.
pub async fn refuse_writes(client: &Client) -> anyhow::Result<(usize, usize)> {
    const SESSIONS: &str =
        "from pg_stat_activity join pg_roles on rolname = usename where backend_type = 'client backend' and pid <> pg_backend_pid()";
    const MAY_END: &str = "(not rolsuper or (select rolsuper from pg_roles where rolname = current_user))";
    client.batch_execute("alter system set default_transaction_read_only = on").await.map_err(in_words)?;
    client.query_one("select pg_reload_conf()", &[]).await.map_err(in_words)?;
    // Once this session has heard of it, so has the server, and every session that begins.
    let deadline = std::time::Instant::now() + Duration::from_secs(2);
    while !was_told_to_refuse_writes(client).await? {
        if std::time::Instant::now() > deadline {
            bail!("the server has not read its settings again within 2 s");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A session that began before may hold a transaction that writes.
    let began: String = client.query_one("select clock_timestamp()::text", &[]).await.map_err(in_words)?.try_get(0)?;
    let older = format!("{SESSIONS} and {MAY_END} and backend_start <= $1::text::timestamptz");
    let ended = client.query(&format!("select pg_terminate_backend(pid) {older}"), &[&began]).await.map_err(in_words)?.len();
    let deadline = std::time::Instant::now() + Duration::from_secs(2);
    while client.query_one(&format!("select count(*) {older}"), &[&began]).await.map_err(in_words)?.try_get::<_, i64>(0)? > 0 {
        if std::time::Instant::now() > deadline {
            bail!("a session of a client did not end within 2 s");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What was acknowledged before it was on the disk is not sent to standbys before it is. A record is longer than the head of a page.
    const ON_DISK: &str = "select pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn() <= 24";
    let deadline = std::time::Instant::now() + Duration::from_secs(3);
    while !client.query_one(ON_DISK, &[]).await.map_err(in_words)?.try_get::<_, bool>(0)? {
        if std::time::Instant::now() > deadline {
            bail!("what was written last is not on the disk after 3 s; see wal_writer_delay");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let superusers: i64 = client.query_one(&format!("select count(*) {SESSIONS} and not {MAY_END}"), &[]).await.map_err(in_words)?.try_get(0)?;
    Ok((ended, usize::try_from(superusers)?))
}

/// Whether `refuse_writes` is in force on the node.
///
/// # Errors
/// What PostgreSQL said.
pub async fn was_told_to_refuse_writes(client: &Client) -> anyhow::Result<bool> {
    let set = "select setting = 'on' and sourcefile like '%postgresql.auto.conf' from pg_settings where name = 'default_transaction_read_only'";
    Ok(client.query_one(set, &[]).await.map_err(in_words)?.try_get::<_, Option<bool>>(0)?.unwrap_or(false))
}

/// Takes back what `refuse_writes` has set. Where it could not be set either, for want of a right, there is nothing to take back.
///
/// # Errors
/// What PostgreSQL said, where the node refuses writes all the same.
pub async fn allow_writes(client: &Client) -> anyhow::Result<()> {
    let taken_back = async {
        client.batch_execute("alter system reset default_transaction_read_only").await.map_err(in_words)?;
        client.query_one("select pg_reload_conf()", &[]).await.map_err(in_words).map(drop)
    };
    let taken_back = taken_back.await;
    let deadline = std::time::Instant::now() + Duration::from_secs(2);
    while was_told_to_refuse_writes(client).await? {
        taken_back.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
        if std::time::Instant::now() > deadline {
            bail!("the server has not read its settings again within 2 s");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// A checkpoint, now.
pub async fn checkpoint(client: &Client) -> anyhow::Result<()> {
    client.batch_execute("checkpoint").await.map_err(in_words)
}

/// Writes a proof row, as a client would.
pub async fn write_proof(client: &Client, operation: &str) -> anyhow::Result<i64> {
    client
        .batch_execute("create table if not exists lifeboat.write_proof (id bigint generated always as identity primary key, operation text not null, at timestamptz not null default clock_timestamp())")
        .await
        .map_err(in_words)?;
    let row = client.query_one("insert into lifeboat.write_proof (operation) values ($1) returning id", &[&operation]).await.map_err(in_words)?;
    Ok(row.try_get(0)?)
}

/// The same where no statement may be prepared: the next one may go to another connection of a pooler.
///
/// # Errors
/// What PostgreSQL or the pooler said, or that neither answers in time.
pub async fn write_proof_once(client: &Client, operation: &str, patience: Duration) -> anyhow::Result<i64> {
    within(patience, async {
        let insert = "insert into lifeboat.write_proof (operation) values ($1) returning id";
        Ok(client.query_typed_one(insert, &[(&operation, Type::TEXT)]).await.map_err(in_words)?.try_get(0)?)
    })
    .await
}

/// Whether the proof row is on this node.
pub async fn has_proof(client: &Client, operation: &str, id: i64) -> anyhow::Result<bool> {
    let statement = "select exists (select from lifeboat.write_proof where id = $1 and operation = $2)";
    Ok(client.query_one(statement, &[&id, &operation]).await.map_err(in_words)?.try_get(0)?)
}
