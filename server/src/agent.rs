//! The agent of one region: the hands that stop, start, rewind and rebuild its database nodes, and eyes that report what is
//! seen of the platform from there. An agent without nodes only observes.
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
pub mod files;
pub mod follow;
pub mod inspect;
pub mod lease;
pub mod loss;
pub mod observer;
pub mod orders;
pub mod pooler;
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
    /// The agent's configuration file (TOML), for an agent that keeps database nodes.
    #[arg(long, required_unless_present = "region", conflicts_with = "region")]
    config: Option<PathBuf>,
    /// Keep the lease of this node; the agent starts this by itself.
    #[arg(long, hide = true, requires = "config", value_name = "NODE")]
    keep_lease: Option<String>,
    /// Only observe, from this region.
    #[arg(long, requires_all = ["report_to", "token_file"])]
    region: Option<String>,
    /// Base address of the server to report to, `https://…`.
    #[arg(long, requires = "region")]
    report_to: Option<String>,
    /// File with this observer's token.
    #[arg(long, requires = "region")]
    token_file: Option<PathBuf>,
    /// A certificate authority (PEM) to trust besides the well-known ones.
    #[arg(long, requires = "region")]
    ca_file: Option<PathBuf>,
    /// An address that is another one from here, as `FROM=TO`: beginnings of addresses.
    #[arg(long, requires = "region", value_parser = from_and_to)]
    seen_as: Vec<(String, String)>,
}

fn from_and_to(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("write FROM=TO, for example 10.1.=192.168.1.")?;
    Ok((from.to_owned(), to.to_owned()))
}

/// Serves until SIGTERM or SIGINT. A command under way is finished first.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Some(file) = arguments.config else { return observe(arguments).await };
    let config = config::Config::read(&file)?;
    if let Some(node) = arguments.keep_lease {
        return lease::keep(&config, &node).await;
    }
    let listen = config.listen;
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}; is another agent running?"))?;
    let region = config.region.clone();
    if let Some(settings) = config.observer.clone() {
        tokio::spawn(observer::Observer::new(&region, settings)?.run());
    }
    let agent = Arc::new(routes::Agent::new(config, file)?);
    agent.keep_poolers();
    println!("lifeboat agent of {region} on {listen}");
    axum::serve(listener, routes::router(agent)).with_graceful_shutdown(told_to_stop()?).await.context("the agent's HTTP server failed")
}

/// Observes and nothing else, without a configuration file.
async fn observe(arguments: Arguments) -> anyhow::Result<()> {
    let (Some(region), Some(report_to), Some(token_file)) = (arguments.region, arguments.report_to, arguments.token_file) else {
        anyhow::bail!("name the agent's configuration with --config, or --region, --report-to and --token-file");
    };
    let seen_as = arguments.seen_as.into_iter().collect();
    let observer = observer::Observer::new(&region, observer::Settings { report_to, token_file, ca_file: arguments.ca_file, seen_as })?;
    let stop = told_to_stop()?;
    println!("lifeboat agent observes from {region}");
    tokio::select! {
        () = observer.run() => {}
        () = stop => {}
    }
    Ok(())
}

fn told_to_stop() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}
