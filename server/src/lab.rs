//! A real platform on loopback, for demos, end-to-end tests and drills of our own.
//!
//! Three regions as address ranges, real PostgreSQL with streaming replication, HAProxy, small service processes and the host
//! agents, owned by one supervisor. Everything between two places passes a relay of the lab, so a region can be cut off without
//! any right to change the network. Needs the Debian packages postgresql-15, haproxy and pgbouncer; runs as root or as an ordinary user.

mod bare;
mod dashboard_files;
mod demo;
mod haproxy;
mod layout;
mod load;
pub mod map;
mod nodes;
mod patroni;
mod platform;
mod pooler;
mod programs;
mod relay;
mod service;
mod settings;
mod slowness;
mod status;
mod supervise;
mod sweep;
mod talk;
mod up;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use layout::Layout;
use std::path::PathBuf;
use std::time::Duration;
use talk::{Answer, Order};

#[derive(Args)]
pub struct Where {
    /// Folder of the lab.
    #[arg(long, default_value = ".lab")]
    folder: PathBuf,
}

#[derive(Subcommand)]
pub enum Command {
    /// Start the lab and the dashboard in front of it; Ctrl-C stops both.
    Run {
        #[command(flatten)]
        at: Where,
        /// Addresses are 127.NUMBER.x.y. Default: 77, or what the folder holds.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=254))]
        number: Option<u8>,
        /// Commits wait for one standby.
        #[arg(long)]
        synchronous: bool,
        /// Where the dashboard listens.
        #[arg(long)]
        listen: Option<std::net::SocketAddr>,
    },
    /// Start the lab and wait until all of it is ready. Data of the last time is used again.
    Up {
        #[command(flatten)]
        at: Where,
        /// Addresses are 127.NUMBER.x.y, so that several labs can run side by side. Default: 77, or what the folder holds.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=254))]
        number: Option<u8>,
        /// Commits wait for one standby.
        #[arg(long)]
        synchronous: bool,
        /// With a second cluster, `orders`, run by Patroni. Needs the Debian packages patroni, python3-etcd and etcd-server.
        #[arg(long)]
        patroni: bool,
        /// Throw away what the folder holds and build anew.
        #[arg(long)]
        fresh: bool,
    },
    /// Stop everything the lab started, also after a crash.
    Down {
        #[command(flatten)]
        at: Where,
        /// Also remove the lab's data.
        #[arg(long)]
        remove: bool,
    },
    /// Show what is running.
    Status {
        #[command(flatten)]
        at: Where,
        #[arg(long)]
        json: bool,
    },
    /// SIGKILL to everything of a node, as when its power is cut.
    Kill {
        #[command(flatten)]
        at: Where,
        /// A database node, `haproxy`, `pooler`, `agent.REGION` or `SERVICE.REGION`.
        node: String,
    },
    /// SIGSTOP to everything of a node: it accepts connections and does not answer.
    Hang {
        #[command(flatten)]
        at: Where,
        node: String,
    },
    /// Have a service answer only after so long, its clients too; `heal` ends it.
    Slow {
        #[command(flatten)]
        at: Where,
        /// `SERVICE.REGION`.
        service: String,
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60_000))]
        ms: u64,
    },
    /// Continue what hangs, start what is dead, with its data as they are; what is slow answers at its own pace again.
    Heal {
        #[command(flatten)]
        at: Where,
        node: String,
        /// Also when the node is fenced. This can make a second writer.
        #[arg(long)]
        force: bool,
    },
    /// Let no byte pass between a place and all others (a region, or `control`, where the dashboard and HAProxy are), or only
    /// between two, as `control:us-east-1`.
    Cut {
        #[command(flatten)]
        at: Where,
        region: String,
    },
    /// Let bytes pass again.
    Mend {
        #[command(flatten)]
        at: Where,
        region: String,
    },
    /// Write rows through HAProxy, to the first cluster or another one of the lab, then say what was lost and how long writes were refused.
    Load {
        #[command(flatten)]
        at: Where,
        /// How long to write; without it until Ctrl-C.
        #[arg(long)]
        seconds: Option<f64>,
        #[arg(long)]
        json: bool,
        /// Pause between two writes.
        #[arg(long, default_value_t = 0)]
        pause_ms: u64,
        #[arg(long, value_enum, default_value_t)]
        cluster: load::Cluster,
        /// What the rows go through; of the pooler only the first cluster has one.
        #[arg(long, value_enum, default_value_t)]
        through: load::Through,
    },
    #[command(hide = true)]
    Supervise {
        #[command(flatten)]
        at: Where,
        #[arg(long)]
        number: u8,
        #[arg(long)]
        synchronous: bool,
        #[arg(long)]
        patroni: bool,
    },
    #[command(hide = true)]
    Service(service::Arguments),
    /// Move the writes with nothing around it, and print how long that took: the yardstick of `make bench`.
    #[command(hide = true)]
    Bare {
        #[command(flatten)]
        at: Where,
        kind: bare::Move,
        target: String,
    },
}

pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { at, number, synchronous, listen } => {
            demo::run(&at.folder, up::Wishes { number, synchronous, patroni: false, fresh: false }, listen).await
        }
        Command::Up { at, number, synchronous, patroni, fresh } => up::up(&at.folder, up::Wishes { number, synchronous, patroni, fresh }).await,
        Command::Down { at, remove } => up::down(&at.folder, remove).await,
        Command::Status { at, json } => show_status(&at, json).await,
        Command::Kill { at, node } => order(&at, Order::Kill { name: node }).await,
        Command::Hang { at, node } => order(&at, Order::Hang { name: node }).await,
        Command::Slow { at, service, ms } => order(&at, Order::Slow { name: service, ms }).await,
        Command::Heal { at, node, force } => order(&at, Order::Heal { name: node, force }).await,
        Command::Cut { at, region } => order(&at, Order::Cut { region }).await,
        Command::Mend { at, region } => order(&at, Order::Mend { region }).await,
        Command::Load { at, seconds, json, pause_ms, cluster, through } => {
            write_load(&at, seconds, json, pause_ms, load::Way { cluster, through }).await
        }
        Command::Supervise { at, number, synchronous, patroni } => supervise::run(&at.folder, number, synchronous, patroni).await,
        Command::Service(arguments) => service::run(arguments).await,
        Command::Bare { at, kind, target } => move_bare(&at, kind, &target).await,
    }
}

/// The layout of an existing folder; asking about a lab must not create one.
fn existing(at: &Where) -> anyhow::Result<Layout> {
    anyhow::ensure!(at.folder.is_dir(), "no lab is running in {}; start one with `lifeboat lab up`", at.folder.display());
    Layout::open(&at.folder)
}

async fn order(at: &Where, order: Order) -> anyhow::Result<()> {
    if let Answer::Done(text) = talk::ask(&existing(at)?, &order).await? {
        println!("{text}");
    }
    Ok(())
}

async fn show_status(at: &Where, json: bool) -> anyhow::Result<()> {
    if let Answer::Status(status) = talk::ask(&existing(at)?, &Order::Status).await? {
        if json {
            println!("{}", serde_json::to_string_pretty(&status)?);
        } else {
            status::print(&status);
        }
    }
    Ok(())
}

/// The layout and the addresses of a lab that was built.
fn finished(at: &Where) -> anyhow::Result<(Layout, map::Map)> {
    let layout = existing(at)?;
    let known = layout.remembered()?.context("there is no finished lab in this folder; start one with `lifeboat lab up`")?;
    Ok((layout, map::Map { number: known.number }))
}

async fn move_bare(at: &Where, kind: bare::Move, target: &str) -> anyhow::Result<()> {
    let (layout, map) = finished(at)?;
    println!("{}", serde_json::to_string(&bare::run(layout, map, kind, target).await?)?);
    Ok(())
}

async fn write_load(at: &Where, seconds: Option<f64>, json: bool, pause_ms: u64, way: load::Way) -> anyhow::Result<()> {
    anyhow::ensure!(seconds.is_none_or(|s| s.is_finite() && s > 0.0), "--seconds must be a number above 0");
    let (layout, map) = finished(at)?;
    let report = load::run(&layout, map, way, seconds, Duration::from_millis(pause_ms)).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        load::print(&report);
    }
    Ok(())
}
