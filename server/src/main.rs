//! The `lifeboat` command: parses arguments, hands over, turns an error into one sentence and an exit code.

use clap::{Parser, Subcommand};
use server::cli;
use std::process::ExitCode;

/// Observations are copied many times a second, by one thread and let go of by others. Beside the C library's allocator it
/// halves the time until a verdict, and gives back what reading a large estate took; without huge pages, which it would fill
/// with what is not used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "lifeboat", version, about = "Disaster-recovery control room")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The dashboard and everything behind it.
    Serve(cli::Serve),
    /// What the overview shows, without a browser; exit code 0 all well, 1 a person is needed, 2 not known.
    Status(cli::StatusArguments),
    /// Writes one page that needs nothing else: how things stand, what would be done, and how to do it by hand.
    Pack(cli::PackArguments),
    /// Whether everything is granted that is needed.
    #[command(subcommand)]
    Check(cli::Check),
    /// Accounts.
    #[command(subcommand)]
    User(cli::User),
    /// The journal.
    #[command(subcommand)]
    Journal(cli::Journal),
    /// The store.
    #[command(subcommand)]
    Store(cli::StoreCommand),
    /// A real platform on loopback: regions, PostgreSQL, HAProxy, services.
    #[command(subcommand)]
    Lab(server::lab::Command),
    /// The host agent: stops, starts and rebuilds the database nodes of one region on request.
    Agent(server::agent::Arguments),
}

fn main() -> ExitCode {
    match start(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lifeboat: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    // The lab runs a score of service processes; one thread is enough for each.
    let mut builder = match &command {
        Command::Lab(server::lab::Command::Service(_)) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()?.block_on(run(command))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let log = tracing_subscriber::EnvFilter::try_from_env("LIFEBOAT_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();
    match command {
        Command::Serve(arguments) => cli::serve(arguments).await,
        Command::Status(arguments) => cli::status(arguments).await,
        Command::Pack(arguments) => cli::pack(arguments).await,
        Command::Check(command) => cli::check(command).await,
        Command::User(command) => cli::user(command).await,
        Command::Journal(command) => cli::journal(command).await,
        Command::Store(command) => cli::store(command).await,
        Command::Lab(command) => server::lab::run(command).await.map(|()| ExitCode::SUCCESS),
        Command::Agent(arguments) => server::agent::run(arguments).await.map(|()| ExitCode::SUCCESS),
    }
}
