//! PgBouncer's console: the database `pgbouncer`, which knows the simple query protocol only. Names come from the agent's
//! configuration, where they are checked.

use super::config::Pooler;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, config::SslMode};

/// One connection to the console. It ends with this value, also where an answer is still to come.
pub struct Console {
    client: Client,
    connection: JoinHandle<()>,
}

impl Drop for Console {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// One row of an answer, by the names of its columns: their order differs from version to version.
type Row = BTreeMap<String, String>;

/// How one database stands.
pub struct Database {
    /// Absent for one that is reached through a Unix socket.
    pub host: Option<String>,
    pub port: u16,
    pub paused: bool,
}

impl Database {
    /// `host:port`.
    pub fn connects_to(&self) -> String {
        format!("{}:{}", self.host.as_deref().unwrap_or("its Unix socket"), self.port)
    }
}

/// Who waits.
pub struct Queue {
    pub waiting: u32,
    pub longest: Duration,
}

impl Console {
    pub async fn open(settings: &Pooler, patience: Duration) -> Result<Self, String> {
        let mut config = tokio_postgres::Config::new();
        config.host(&settings.console).port(settings.port).user(&settings.user).dbname("pgbouncer");
        config.application_name("lifeboat agent").connect_timeout(patience).ssl_mode(SslMode::Disable);
        if let Some(file) = &settings.password_file {
            let password = std::fs::read_to_string(file).map_err(|error| format!("the password file {} cannot be read: {error}", file.display()))?;
            config.password(password.trim());
        }
        let at = format!("its console at {}, port {}", settings.console, settings.port);
        let connected = within(patience, config.connect(NoTls)).await.map_err(|error| format!("{at}: {error}"))?;
        let (client, connection) = connected.ok_or_else(|| format!("{at} does not answer within {} ms", patience.as_millis()))?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a console ended");
            }
        });
        Ok(Self { client, connection })
    }

    /// Whether nothing runs any more; false where that did not come in time, and the database waits on to be paused.
    pub async fn pause(&mut self, database: &str, patience: Duration) -> Result<bool, String> {
        Ok(within(patience, self.client.simple_query(&format!("PAUSE \"{database}\""))).await?.is_some())
    }

    /// One that is not paused stays so.
    pub async fn resume(&mut self, database: &str, patience: Duration) -> Result<(), String> {
        match self.ask(&format!("RESUME \"{database}\""), patience).await {
            Err(error) if error.contains("is not paused") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Ends every connection of clients and to servers, and lets new clients wait.
    pub async fn kill(&mut self, database: &str, patience: Duration) -> Result<(), String> {
        self.ask(&format!("KILL \"{database}\""), patience).await.map(|_| ())
    }

    /// Ends each connection to a server once its transaction has ended.
    pub async fn reconnect(&mut self, database: &str, patience: Duration) -> Result<(), String> {
        self.ask(&format!("RECONNECT \"{database}\""), patience).await.map(|_| ())
    }

    pub async fn reload(&mut self, patience: Duration) -> Result<(), String> {
        self.ask("RELOAD", patience).await.map(|_| ())
    }

    pub async fn version(&mut self, patience: Duration) -> Result<String, String> {
        let rows = self.ask("SHOW VERSION", patience).await?;
        rows.into_iter().find_map(|row| row.into_values().next()).ok_or_else(|| "it does not say its version".to_owned())
    }

    pub async fn database(&mut self, name: &str, patience: Duration) -> Result<Database, String> {
        let rows = self.ask("SHOW DATABASES", patience).await?;
        let row = rows.into_iter().find(|row| cell(row, "name") == name).ok_or_else(|| format!("it has no database {name}"))?;
        let port = cell(&row, "port").parse().map_err(|_| format!("it says no port of the database {name}"))?;
        let host = Some(cell(&row, "host").to_owned()).filter(|host| !host.is_empty());
        Ok(Database { host, port, paused: cell(&row, "paused") == "1" })
    }

    pub async fn queue(&mut self, database: &str, patience: Duration) -> Result<Queue, String> {
        let rows = self.ask("SHOW POOLS", patience).await?;
        let of = rows.iter().filter(|row| cell(row, "database") == database);
        let count = |row: &Row, column: &str| cell(row, column).parse::<u64>().unwrap_or(0);
        let (waiting, longest) = of.fold((0, Duration::ZERO), |(waiting, longest), row| {
            let waited = Duration::from_secs(count(row, "maxwait")) + Duration::from_micros(count(row, "maxwait_us"));
            (waiting + count(row, "cl_waiting"), longest.max(waited))
        });
        Ok(Queue { waiting: u32::try_from(waiting).unwrap_or(u32::MAX), longest })
    }

    /// Whoever has a transaction open, one in words each.
    pub async fn busy(&mut self, database: &str, patience: Duration) -> Result<Vec<String>, String> {
        let clients = self.ask("SHOW CLIENTS", patience).await?;
        let servers = self.ask("SHOW SERVERS", patience).await?;
        let busy = servers.iter().filter(|row| cell(row, "database") == database && cell(row, "state") == "active");
        let words = busy.map(|server| {
            let client = clients.iter().find(|client| cell(client, "ptr") == cell(server, "link")).unwrap_or(server);
            let name = match cell(client, "application_name") {
                "" => String::new(),
                name => format!("{name:?} as "),
            };
            format!(
                "{name}{} from {}:{}, last heard of at {}, backend {}",
                cell(client, "user"),
                cell(client, "addr"),
                cell(client, "port"),
                cell(client, "request_time"),
                cell(server, "remote_pid")
            )
        });
        Ok(words.collect())
    }

    async fn ask(&mut self, command: &str, patience: Duration) -> Result<Vec<Row>, String> {
        let answer = within(patience, self.client.simple_query(command)).await.map_err(|error| format!("{command}: {error}"))?;
        let messages = answer.ok_or_else(|| format!("{command}: no answer within {} ms", patience.as_millis()))?;
        let row = |message: SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let cells = row.columns().iter().enumerate().map(|(at, column)| (column.name().to_owned(), row.get(at).unwrap_or("").to_owned()));
                Some(cells.collect())
            }
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }
}

fn cell<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).map_or("", String::as_str)
}

/// `None` where it takes longer.
async fn within<T>(patience: Duration, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<Option<T>, String> {
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(done)) => Ok(Some(done)),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Ok(None),
    }
}

/// PgBouncer's own message, or the cause at the bottom.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
