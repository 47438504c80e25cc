//! The host agent of one region: the hands that stop, start, rewind and rebuild its database nodes.
//!
//! Fencing needs something that is still obeyed when the database does not answer; SQL is not. The agent runs on
//! the host, as the user who owns the data folders, and proves what it claims: a node counts as stopped only when its
//! processes are gone *and* its port refuses connections.
//!
//! Limits, on purpose: node and peer names come only from its own configuration, nothing passes through a shell, one
//! command at a time per node. The fence marker binds the agent (and the lab's `heal`); a person who calls `pg_ctl` by
//! hand, or a service manager that restarts PostgreSQL, is not stopped by it.

pub mod command;
pub mod config;
pub mod control_data;
pub mod fence;
pub mod follow;
pub mod inspect;
pub mod loss;
pub mod processes;
pub mod rebuild;
pub mod refusal;
pub mod rewind;
pub mod routes;
pub mod start;
pub mod stop;
pub mod wire;

use anyhow::Context as _;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct Arguments {
    /// The agent's configuration file (TOML).
    #[arg(long)]
    config: PathBuf,
}

/// Serves until SIGTERM or SIGINT. A command under way is finished first.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = config::Config::read(&arguments.config)?;
    let listen = config.listen;
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}; is another agent running?"))?;
    let region = config.region.clone();
    let agent = Arc::new(routes::Agent::new(config)?);
    println!("lifeboat agent of {region} on {listen}");
    axum::serve(listener, routes::router(agent)).with_graceful_shutdown(told_to_stop()?).await.context("the agent's HTTP server failed")
}

fn told_to_stop() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}
