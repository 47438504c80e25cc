//! The process that owns a lab: relays run inside it, everything else is its child, and when it is told to stop nothing stays.

use super::layout::{Layout, write_private};
use super::map::{Map, PG_NODES, Place, REGIONS, SERVICES};
use super::nodes::Nodes;
use super::platform::Platform;
use super::programs::Programs;
use super::relay;
use super::status;
use super::talk::{self, Answer, Order, Phase};
use crate::agent::processes;
use crate::connect::agent::Agent;
use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, WaitOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

pub async fn run(folder: &Path, number: u8, synchronous: bool, patroni: bool) -> anyhow::Result<()> {
    // A session of its own: neither Ctrl-C nor the end of the terminal reaches the lab. It fails only for a group leader, who
    // has one already.
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "no new session");
    }
    let mut stop = told_to_stop()?;
    let layout = Layout::open(folder)?;
    let lock = std::fs::File::create(layout.run("lab.lock")).context("cannot create the lab's lock file")?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another lab is running in {}", layout.folder.display());
    }
    // Servers started by pg_ctl become our children when it ends, so that a killed one does not linger as a zombie.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("cannot adopt orphaned processes")?;
    let me = processes::look(std::process::id() as i32).context("cannot read /proc")?;
    write_private(&layout.run("supervisor.pid"), &format!("{} {}\n", me.pid, me.started), 0o644, None)?;
    let nodes =
        Nodes { map: Map { number }, layout: layout.clone(), programs: if patroni { Programs::find_with_patroni()? } else { Programs::find()? } };
    let platform = Arc::new(Platform::new(nodes, patroni));

    let lived = tokio::select! {
        ended = live(platform.clone(), synchronous) => ended,
        () = stop.wait() => Ok(()),
    };
    if let Err(error) = &lived {
        announce(&layout, &Phase::Failed { text: format!("{error:#}") })?;
    }
    platform.stop_all().await?;
    for name in ["lab.sock", "haproxy.sock", "supervisor.pid"] {
        if layout.run(name).exists() {
            std::fs::remove_file(layout.run(name))?;
        }
    }
    lived
}

/// Starts everything, says that it is ready, and answers orders for ever.
async fn live(platform: Arc<Platform>, synchronous: bool) -> anyhow::Result<()> {
    let mut relays = JoinSet::new();
    let ways = if platform.patroni { platform.map.patroni_relays() } else { Vec::new() };
    for relay in platform.map.relays().into_iter().chain(ways) {
        let seen = platform.world.subscribe();
        relays.spawn(async move { relay::run(relay, seen).await.with_context(|| format!("the relay on {} ended", relay.listen)) });
    }
    relays.spawn({
        let (number, world) = (platform.map.number, platform.world.clone());
        async move {
            relay::watch_listeners(number, world).await;
            Ok(())
        }
    });
    relays.spawn(async {
        collect_zombies().await;
        Ok(())
    });
    let serving = async {
        let notes = start(&platform, synchronous).await?;
        let socket = UnixListener::bind(platform.layout.run("lab.sock")).context("cannot open the lab's control socket")?;
        announce(&platform.layout, &Phase::Ready { notes })?;
        serve(platform.clone(), socket).await
    };
    tokio::select! {
        ended = serving => ended,
        ended = relays.join_next() => match ended {
            Some(Ok(Err(error))) => Err(error),
            other => bail!("a task of the lab ended: {other:?}"),
        },
    }
}

async fn start(platform: &Platform, synchronous: bool) -> anyhow::Result<Vec<String>> {
    let layout = &platform.layout;
    let tell = |text: &str| announce(layout, &Phase::Starting { text: text.into() });
    tell("agents and services")?;
    super::slowness::forget(layout)?;
    platform.nodes.write_agent_files()?;
    for name in ["app", "lifeboat"] {
        layout.secret(name)?;
    }
    for place in REGIONS {
        platform.start_agent(place)?;
    }
    for service in &SERVICES {
        for place in service.places {
            platform.start_service(service, *place)?;
        }
    }
    let mut notes = Vec::new();
    if layout.remembered()?.is_some() {
        tell("PostgreSQL, with the data of the last time")?;
        notes = platform.nodes.start_existing().await?;
        let writable = platform.writable().await;
        if writable.is_none() {
            notes.push("no node is writable; HAProxy sends clients nowhere".into());
        }
        platform.start_haproxy(writable).await?;
        super::pooler::start(platform)?;
    } else {
        platform.start_haproxy(Some(PG_NODES[0].id)).await?;
        super::pooler::start(platform)?;
        tell("PostgreSQL: a primary and two standbys")?;
        platform.nodes.build(synchronous).await?;
    }
    if platform.patroni {
        tell("Patroni: etcd, and three nodes that it runs")?;
        super::patroni::start(platform).await?;
    }
    if layout.remembered()?.is_none() {
        layout.remember(platform.map, synchronous, platform.patroni)?;
    }
    tell("waiting until all is ready")?;
    super::dashboard_files::write(&platform.nodes, synchronous, platform.patroni)?;
    wait_until_ready(platform, notes.is_empty()).await?;
    Ok(notes)
}

/// All agents answer, and all services are healthy, unless it is known that the database is not whole.
async fn wait_until_ready(platform: &Platform, whole: bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let token = platform.layout.secret("agent-token")?;
    let client = http_client()?;
    loop {
        let mut missing = Vec::new();
        for place in REGIONS {
            let agent = Agent::new(format!("http://{}", platform.map.agent(Place::Control, place)), &token)?;
            if let Err(error) = agent.status().await {
                missing.push(format!("agent of {}: {error}", place.name()));
            }
            if place == super::map::POOLER_PLACE
                && let Err(error) = agent.pooler(super::map::POOLER).await
            {
                missing.push(format!("the pooler: {error}"));
            }
        }
        let seen = status::status(platform, &client).await;
        let sick = seen.services.iter().filter(|s| s.health != Some(200) && (whole || s.health != Some(503)));
        missing.extend(sick.map(|s| format!("{}: {}", s.name, s.health.map_or("no answer".into(), |code| format!("health {code}")))));
        if whole {
            missing.extend(seen.nodes.iter().filter(|n| !follows(n, &seen.nodes)).map(|n| format!("{} does not follow the primary", n.id)));
        }
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("not ready after 30 s: {}; see the logs in {}", missing.join("; "), platform.layout.folder.join("log").display());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A primary, or a standby that streams on the primary's own timeline: a diverged one streams now and then, but on its old one.
fn follows(node: &status::NodeState, all: &[status::NodeState]) -> bool {
    let primary = all.iter().filter_map(|n| n.database.as_ref()).find(|d| d.role == status::Role::Primary);
    let (Some(database), Some(primary)) = (&node.database, primary) else { return false };
    database.role == status::Role::Primary || (database.receiving && database.timeline == primary.timeline)
}

async fn serve(platform: Arc<Platform>, socket: UnixListener) -> anyhow::Result<()> {
    let client = http_client()?;
    loop {
        let (caller, _) = socket.accept().await.context("the lab's control socket broke")?;
        let (platform, client) = (platform.clone(), client.clone());
        tokio::spawn(async move {
            let said = talk::hear(caller, async |order| obey(&platform, &client, order).await).await;
            if let Err(error) = said {
                tracing::debug!(%error, "a caller went away");
            }
        });
    }
}

async fn obey(platform: &Platform, client: &reqwest::Client, order: Order) -> Answer {
    let done = match order {
        Order::Status => return Answer::Status(Box::new(status::status(platform, client).await)),
        Order::Kill { name } => platform.kill(&name).await,
        Order::Hang { name } => platform.hang(&name).await,
        Order::Slow { name, ms } => platform.slow(&name, ms),
        Order::Heal { name, force } => platform.heal(&name, force).await,
        Order::Cut { region } => platform.set_cut(&region, true),
        Order::Mend { region } => platform.set_cut(&region, false),
    };
    done.map_or_else(|error| Answer::Failed(format!("{error:#}")), Answer::Done)
}

fn http_client() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1).build().context("cannot build an HTTP client")
}

fn announce(layout: &Layout, phase: &Phase) -> anyhow::Result<()> {
    write_private(&layout.run("phase.json"), &serde_json::to_string(phase)?, 0o644, None)
}

/// Collects adopted PostgreSQL servers that have ended. Other children are Tokio's to collect.
async fn collect_zombies() {
    loop {
        let me = std::process::id() as i32;
        for process in processes::all().unwrap_or_default() {
            let is_server = || std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).is_ok_and(|name| name.trim() == "postgres");
            if process.parent == me
                && !process.is_alive()
                && is_server()
                && let Some(pid) = Pid::from_raw(process.pid)
                && let Err(error) = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG)
            {
                tracing::debug!(%error, pid = process.pid, "already collected");
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

struct Stop {
    terminate: Signal,
    interrupt: Signal,
    /// Received and ignored, so that a closed terminal does not end the lab.
    hangup: Signal,
}

fn told_to_stop() -> anyhow::Result<Stop> {
    let hear = |kind| signal(kind).context("cannot wait for signals");
    Ok(Stop { terminate: hear(SignalKind::terminate())?, interrupt: hear(SignalKind::interrupt())?, hangup: hear(SignalKind::hangup())? })
}

impl Stop {
    async fn wait(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {}
            }
        }
    }
}
