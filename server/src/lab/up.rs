//! `up` and `down`: start a supervisor and wait until the lab is really ready; stop it and leave nothing.

use super::demo;
use super::layout::Layout;
use super::map::{Map, PG_NODES, Place, REGIONS};
use super::platform::this_program;
use super::programs::Programs;
use super::sweep::{supervisor, sweep};
use super::talk::Phase;
use crate::agent::processes::Process;
use anyhow::{Context as _, bail};
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

const DEFAULT_NUMBER: u8 = 77;

pub struct Wishes {
    pub number: Option<u8>,
    pub synchronous: bool,
    /// With a second cluster that Patroni runs.
    pub patroni: bool,
    pub fresh: bool,
}

pub async fn up(folder: &Path, wishes: Wishes) -> anyhow::Result<()> {
    if wishes.patroni {
        Programs::find_with_patroni()?
    } else {
        Programs::find()?
    };
    let layout = Layout::open(folder)?;
    if supervisor(&layout).is_some() {
        return already_running(&layout, &wishes);
    }
    let mut interrupt = Interrupt::new()?;
    let left_over = sweep(&layout).await?;
    if left_over > 0 {
        println!("ended {left_over} processes that an earlier lab left behind");
    }
    let known = if wishes.fresh { None } else { layout.remembered()? };
    let number = match &known {
        Some(known) if wishes.patroni && !known.patroni => {
            bail!("{} holds a lab without Patroni; build it anew with --fresh, or choose another --folder", layout.folder.display())
        }
        Some(known) if wishes.number.is_some_and(|n| n != known.number) || (wishes.synchronous && !known.synchronous) => bail!(
            "{} holds lab {} ({}); use it as it is, build it anew with --fresh, or choose another --folder",
            layout.folder.display(),
            known.number,
            if known.synchronous { "synchronous" } else { "asynchronous" }
        ),
        Some(known) => known.number,
        None => wishes.number.unwrap_or(DEFAULT_NUMBER),
    };
    if known.is_none() {
        layout.remove()?;
    }
    layout.create()?;
    let map = Map { number };
    let synchronous = known.as_ref().map_or(wishes.synchronous, |k| k.synchronous);
    let patroni = known.as_ref().map_or(wishes.patroni, |k| k.patroni);
    if let Err(error) = ports_are_free(map, patroni) {
        undo(&layout).await?;
        return Err(error);
    }
    let process = launch(&layout, map, synchronous, patroni)?;
    let outcome = tokio::select! {
        outcome = wait_until_ready(&layout, &process) => outcome,
        () = interrupt.wait() => Err(anyhow::anyhow!("interrupted; nothing is left running")),
    };
    match outcome {
        Ok(notes) => {
            notes.iter().for_each(|note| println!("note: {note}"));
            demo::make_accounts(&layout).await?;
            print_addresses(&layout, map);
            Ok(())
        }
        Err(error) => {
            end(&process).await?;
            undo(&layout).await?;
            Err(error)
        }
    }
}

pub async fn down(folder: &Path, remove: bool) -> anyhow::Result<()> {
    if !folder.exists() {
        println!("no lab is running in {}", folder.display());
        return Ok(());
    }
    let layout = Layout::open(folder)?;
    let running = supervisor(&layout);
    if let Some(process) = &running {
        end(process).await?;
    }
    let left_over = sweep(&layout).await?;
    if remove {
        layout.remove()?;
    }
    match (running, left_over) {
        (Some(_), 0) => println!("the lab in {} is down", layout.folder.display()),
        (Some(_), n) => println!("the lab in {} is down; {n} processes had to be ended by force", layout.folder.display()),
        (None, 0) => println!("no lab is running in {}", layout.folder.display()),
        (None, n) => println!("ended {n} processes that an earlier lab left behind in {}", layout.folder.display()),
    }
    Ok(())
}

fn already_running(layout: &Layout, wishes: &Wishes) -> anyhow::Result<()> {
    let known = layout.remembered()?;
    if wishes.fresh || known.as_ref().is_some_and(|k| wishes.number.is_some_and(|n| n != k.number)) {
        bail!("a lab is already running in {}; run `lifeboat lab down` first", layout.folder.display());
    }
    println!("a lab is already running in {}", layout.folder.display());
    if let Some(known) = known {
        print_addresses(layout, Map { number: known.number });
    }
    Ok(())
}

/// Ends what is left, and removes what was never finished.
async fn undo(layout: &Layout) -> anyhow::Result<()> {
    sweep(layout).await?;
    if layout.remembered()?.is_none() {
        layout.remove()?;
    }
    Ok(())
}

fn ports_are_free(map: Map, patroni: bool) -> anyhow::Result<()> {
    let (listeners, ways) = if patroni { (map.patroni_listeners(), map.patroni_relays()) } else { (Vec::new(), Vec::new()) };
    let relays = map.relays().into_iter().chain(ways).map(|r| ("a relay".to_owned(), r.listen));
    for (name, address) in map.listeners().into_iter().chain(map.fronts()).chain(listeners).chain(relays) {
        if let Err(error) = TcpListener::bind(address) {
            bail!("{name} cannot listen on {address} ({error}); is lab {} running from another folder? Choose another --number", map.number);
        }
    }
    Ok(())
}

fn launch(layout: &Layout, map: Map, synchronous: bool, patroni: bool) -> anyhow::Result<Process> {
    let path = layout.log("supervisor");
    let log = File::options().create(true).append(true).open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = this_program();
    command.args(["lab", "supervise", "--number", &map.number.to_string()]).arg("--folder").arg(&layout.folder);
    if synchronous {
        command.arg("--synchronous");
    }
    if patroni {
        command.arg("--patroni");
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = tokio::process::Command::from(command).spawn().context("cannot start the lab's supervisor")?;
    let pid = child.id().context("the lab's supervisor ended at once")? as i32;
    crate::agent::processes::look(pid).context("the lab's supervisor ended at once")
}

async fn wait_until_ready(layout: &Layout, process: &Process) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + Duration::from_secs(180);
    let mut told = String::new();
    loop {
        let alive = process.is_still_alive();
        let phase = std::fs::read_to_string(layout.run("phase.json")).ok().and_then(|text| serde_json::from_str(&text).ok());
        match phase {
            Some(Phase::Ready { notes }) if alive => return Ok(notes),
            Some(Phase::Failed { text }) => bail!("the lab did not start: {text}"),
            Some(Phase::Starting { text }) if text != told => {
                println!("{text} …");
                told = text;
            }
            _ => {}
        }
        if !alive {
            bail!("the lab's supervisor ended; see {}", layout.log("supervisor").display());
        }
        if Instant::now() > deadline {
            bail!("the lab is not ready after 3 minutes; see {}", layout.log("supervisor").display());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Asks a supervisor to end and waits for it; after 30 s it is killed.
async fn end(process: &Process) -> anyhow::Result<()> {
    process.signal(rustix::process::Signal::TERM).context("cannot stop the lab's supervisor; was it started by another user?")?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while process.is_still_alive() {
        if Instant::now() > deadline {
            process.signal(rustix::process::Signal::KILL)?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn print_addresses(layout: &Layout, map: Map) {
    println!("lab {} is ready in {}", map.number, layout.folder.display());
    println!("  writes (HAProxy)   {}", map.haproxy(Place::Control));
    println!("  through PgBouncer  {}", map.pooler(Place::Control));
    for node in &PG_NODES {
        println!("  {:<18} {}   really {}", node.id, map.pg(Place::Control, node), map.pg(node.place, node));
    }
    for place in REGIONS {
        println!("  {:<18} http://{}", super::map::agent_name(place), map.agent(Place::Control, place));
    }
    println!("  secrets            {}", layout.folder.join("secrets").display());
}

struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interrupt {
    fn new() -> anyhow::Result<Self> {
        let hear = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())?, hangup: hear(SignalKind::hangup())? })
    }

    async fn wait(&mut self) {
        tokio::select! { _ = self.interrupt.recv() => {}, _ = self.terminate.recv() => {}, _ = self.hangup.recv() => {} }
    }
}
