//! A stand-in for one of the guide's services in one region: an HTTP process with `/health`. It says of itself that it is one.

use super::slowness;
use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chrono::Utc;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio_postgres::NoTls;

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    name: String,
    #[arg(long)]
    region: String,
    #[arg(long)]
    listen: SocketAddr,
    /// The database as this region reaches it; without it the service needs none.
    #[arg(long)]
    database: Option<SocketAddr>,
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// The lab's folder; the process is known by it.
    #[arg(long)]
    folder: PathBuf,
}

struct Service {
    arguments: Arguments,
    /// What the lab calls it.
    instance: String,
    started: chrono::DateTime<Utc>,
    database: Option<Mutex<Database>>,
}

struct Database {
    config: tokio_postgres::Config,
    client: Option<tokio_postgres::Client>,
}

/// Longer silence of the database than this is a failure.
const PATIENCE: Duration = Duration::from_secs(1);

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let instance = format!("{}.{}", arguments.name, arguments.region);
    let database = match (arguments.database, &arguments.password_file) {
        (Some(address), Some(file)) => {
            let password = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let mut config = tokio_postgres::Config::new();
            config.hostaddr(address.ip()).port(address.port()).user("app").password(password.trim()).dbname("users");
            config.application_name(&instance);
            Some(Mutex::new(Database { config, client: None }))
        }
        _ => None,
    };
    let listener = tokio::net::TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let service = Arc::new(Service { arguments, instance, started: Utc::now(), database });
    let router = Router::new().route("/", get(health)).route("/health", get(health)).with_state(service);
    axum::serve(listener, router).await.context("the service's HTTP server failed")
}

async fn health(State(service): State<Arc<Service>>) -> (StatusCode, Json<serde_json::Value>) {
    if let Some(pause) = slowness::of(&service.arguments.folder, &service.instance) {
        tokio::time::sleep(pause).await;
    }
    let began = Instant::now();
    let problem = match &service.database {
        None => None,
        Some(database) => match tokio::time::timeout(PATIENCE, async { database.lock().await.ask().await }).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("user-database: {error}")),
            Err(_) => Some(format!("user-database: no answer within {} ms", PATIENCE.as_millis())),
        },
    };
    let status = if problem.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = serde_json::json!({
        "status": if problem.is_none() { "ok" } else { "failing" },
        "lab": true,
        "service": service.arguments.name,
        "region": service.arguments.region,
        "reasons": problem.into_iter().collect::<Vec<_>>(),
        "database": service.database.as_ref().map(|_| serde_json::json!({ "asked_for_ms": began.elapsed().as_millis() as u64 })),
        "started_at": service.started,
    });
    (status, Json(answer))
}

impl Database {
    /// One real round trip. The connection is taken out meanwhile: if the caller's patience ends, it is not used again.
    async fn ask(&mut self) -> Result<(), String> {
        let kept = self.client.take().filter(|client| !client.is_closed());
        let client = match kept {
            Some(client) => client,
            None => self.connect().await?,
        };
        client.simple_query("SELECT 1").await.map_err(|e| innermost(&e))?;
        self.client = Some(client);
        Ok(())
    }

    async fn connect(&self) -> Result<tokio_postgres::Client, String> {
        let (client, connection) = self.config.connect(NoTls).await.map_err(|e| innermost(&e))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the database connection ended");
            }
        });
        Ok(client)
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
