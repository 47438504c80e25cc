//! The running lab: starts its processes, knows which they are, and does to them what a bad day does.

use super::haproxy;
use super::layout::{Layout, write_private};
use super::map::{self, Map, PATRONI_NODES, PG_NODES, PatroniNode, PgNode, Place, REGIONS, SERVICES, Service};
use super::nodes::{Nodes, plain};
use super::patroni;
use super::pooler;
use super::relay::World;
use super::slowness;
use crate::agent::processes::{self, Process};
use crate::agent::{fence, start};
use anyhow::{Context as _, bail};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::watch;

pub struct Platform {
    pub map: Map,
    pub layout: Layout,
    pub nodes: Nodes,
    /// Whether there is a second cluster, which Patroni runs.
    pub patroni: bool,
    pub world: watch::Sender<World>,
    /// What was started last under each name; PostgreSQL nodes are known by their data folders instead.
    started: Mutex<BTreeMap<String, Process>>,
}

/// What a name stands for.
pub enum Target {
    Node(&'static PgNode),
    /// A node that Patroni runs, with its Patroni.
    Managed(&'static PatroniNode),
    /// Its Patroni alone.
    Daemon(&'static PatroniNode),
    Etcd,
    Haproxy,
    Pooler,
    Agent(Place),
    Service(&'static Service, Place),
}

/// Outcome of looking at something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    Running,
    Hung,
    Dead,
}

impl Platform {
    pub fn new(nodes: Nodes, patroni: bool) -> Self {
        Self { map: nodes.map, layout: nodes.layout.clone(), nodes, patroni, world: watch::Sender::new(World::default()), started: Mutex::default() }
    }

    pub fn find(&self, name: &str) -> anyhow::Result<Target> {
        if let Some(node) = map::pg_node(name) {
            return Ok(Target::Node(node));
        }
        if name == "haproxy" {
            return Ok(Target::Haproxy);
        }
        if name == map::POOLER {
            return Ok(Target::Pooler);
        }
        if self.patroni {
            for node in &PATRONI_NODES {
                if name == node.id {
                    return Ok(Target::Managed(node));
                }
                if name == patroni::daemon(node) {
                    return Ok(Target::Daemon(node));
                }
            }
            if name == patroni::ETCD {
                return Ok(Target::Etcd);
            }
        }
        if let Some((what, region)) = name.split_once('.')
            && let Some(place) = Place::region(region)
        {
            if what == "agent" {
                return Ok(Target::Agent(place));
            }
            if let Some(service) = SERVICES.iter().find(|s| s.name == what && s.places.contains(&place)) {
                return Ok(Target::Service(service, place));
            }
        }
        bail!("the lab has no `{name}`; it has: {}", self.map.names().join(", "))
    }

    pub fn life(&self, target: &Target) -> Life {
        let process = match target {
            Target::Node(node) => processes::postmaster(&self.layout.data_dir(node)),
            Target::Managed(node) => processes::postmaster(&self.managed_dir(node)),
            other => self.process(&process_name(other)),
        };
        match process {
            None => Life::Dead,
            Some(process) if process.is_stopped_by_signal() => Life::Hung,
            Some(_) => Life::Running,
        }
    }

    fn managed_dir(&self, node: &PatroniNode) -> PathBuf {
        self.layout.node_root.join("pg").join(node.id)
    }

    fn process(&self, name: &str) -> Option<Process> {
        let known = self.started.lock().ok()?.get(name).cloned()?;
        processes::look(known.pid).filter(|now| now.started == known.started && now.is_alive())
    }

    /// All processes of a target that live now.
    fn members(&self, target: &Target) -> anyhow::Result<Vec<Process>> {
        Ok(match target {
            Target::Node(node) => processes::of_data_dir(&self.layout.data_dir(node))?,
            // Patroni first: it would start again what it sees fall.
            Target::Managed(node) => {
                self.process(&patroni::daemon(node)).into_iter().chain(processes::of_data_dir(&self.managed_dir(node))?).collect()
            }
            other => self.process(&process_name(other)).into_iter().collect(),
        })
    }

    pub async fn kill(&self, name: &str) -> anyhow::Result<String> {
        let target = self.find(name)?;
        let before = self.members(&target)?;
        if before.is_empty() {
            return Ok(format!("{name} was dead already"));
        }
        let gone = self.kill_members(&target).await?;
        for (_, address) in self.map.listeners().into_iter().chain(self.map.patroni_listeners()).filter(|(known, _)| known == name) {
            self.world.send_modify(|w| *w.power_lost.entry(address).or_default() += 1);
        }
        if !gone {
            bail!("{name} survives SIGKILL for 5 s; look for a process in state D with `ps`");
        }
        Ok(format!("{name} is dead ({} processes killed)", before.len()))
    }

    async fn kill_members(&self, target: &Target) -> anyhow::Result<bool> {
        let deadline = Instant::now() + Duration::from_secs(5);
        if let Target::Node(node) = target {
            return Ok(processes::kill_all(&self.layout.data_dir(node), deadline).await?);
        }
        for process in self.members(target)? {
            process.signal(Signal::KILL)?;
        }
        while !self.members(target)?.is_empty() {
            if Instant::now() > deadline {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(true)
    }

    pub async fn hang(&self, name: &str) -> anyhow::Result<String> {
        let target = self.find(name)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            // Again until all stand still: a server may have forked between two looks.
            let awake: Vec<Process> = self.members(&target)?.into_iter().filter(|p| !p.is_stopped_by_signal()).collect();
            if awake.is_empty() {
                break;
            }
            for process in &awake {
                process.signal(Signal::STOP)?;
            }
            if Instant::now() > deadline {
                bail!("{name} does not stand still 5 s after SIGSTOP");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        match self.members(&target)?.len() {
            0 => bail!("{name} is dead, so it cannot hang"),
            n => Ok(format!("{name} hangs ({n} processes stopped)")),
        }
    }

    /// Has a service answer only after so long.
    pub fn slow(&self, name: &str, millis: u64) -> anyhow::Result<String> {
        let Target::Service(..) = self.find(name)? else { bail!("only services can be slowed; {name} can be killed or made to hang") };
        slowness::begin(&self.layout, name, millis)?;
        Ok(format!("{name} answers after {millis} ms"))
    }

    /// Continues what hangs, starts what is dead, ends what is slow. `force` lifts a fence, never the guard of an unfinished rewind.
    pub async fn heal(&self, name: &str, force: bool) -> anyhow::Result<String> {
        let target = self.find(name)?;
        let members = self.members(&target)?;
        // Also before a hung one goes on: it may be a fenced primary that would write again.
        if let Target::Node(node) = &target {
            self.may_heal(node, force)?;
        }
        let was_slow = slowness::end(&self.layout, name)?;
        let stopped: Vec<&Process> = members.iter().filter(|p| p.is_stopped_by_signal()).collect();
        if !stopped.is_empty() {
            for process in &stopped {
                process.signal(Signal::CONT)?;
            }
            return Ok(format!("{name} goes on ({} processes continued)", stopped.len()));
        }
        if !members.is_empty() && was_slow {
            return Ok(format!("{name} answers at its own pace again"));
        }
        if !members.is_empty() {
            return Ok(format!("{name} is running, nothing to heal"));
        }
        match target {
            Target::Node(node) => self.nodes.start(node).await?,
            Target::Managed(node) | Target::Daemon(node) => patroni::start_daemon(self, node)?,
            Target::Etcd => patroni::start_etcd(self)?,
            Target::Haproxy => self.start_haproxy(self.writable().await).await?,
            Target::Pooler => pooler::start(self)?,
            Target::Agent(place) => self.start_agent(place)?,
            Target::Service(service, place) => self.start_service(service, place)?,
        }
        Ok(format!("{name} was dead and is started again"))
    }

    fn may_heal(&self, node: &PgNode, force: bool) -> anyhow::Result<()> {
        let agent_node = self.nodes.agent_node(node);
        if force {
            fence::lower(&agent_node.data_dir).map_err(plain)?;
        }
        start::may_start(&agent_node).map_err(|refusal| anyhow::anyhow!("{} (or `heal --force`, which may make a second writer)", refusal.error))
    }

    /// Cuts a place off, or the way between two (`control:us-east-1`), or mends that.
    pub fn set_cut(&self, name: &str, cut: bool) -> anyhow::Result<String> {
        let place = |name: &str| {
            let known = REGIONS.map(Place::name).join(", ");
            Place::named(name).with_context(|| format!("the lab has no region `{name}`; it has: {known}, and control, where the dashboard is"))
        };
        let changed = match name.split_once(':') {
            Some((one, other)) => {
                let (one, other) = (place(one)?.number(), place(other)?.number());
                let link = (one.min(other), one.max(other));
                self.world.send_if_modified(|w| if cut { w.links_cut.insert(link) } else { w.links_cut.remove(&link) })
            }
            None => {
                let place = place(name)?.number();
                self.world.send_if_modified(|w| if cut { w.cut.insert(place) } else { w.cut.remove(&place) })
            }
        };
        Ok(match (cut, changed) {
            (true, true) => format!("{name} is cut off"),
            (true, false) => format!("{name} was cut off already"),
            (false, true) => format!("{name} is connected again"),
            (false, false) => format!("{name} was not cut off"),
        })
    }

    pub fn mend_all(&self) {
        self.world.send_modify(|w| {
            w.cut.clear();
            w.links_cut.clear();
        });
    }

    /// The one node that is out of recovery; none when there is none, or more than one.
    pub async fn writable(&self) -> Option<&'static str> {
        let mut found = Vec::new();
        for node in &PG_NODES {
            if self.life(&Target::Node(node)) == Life::Running {
                let asked = tokio::time::timeout(Duration::from_secs(1), async {
                    let admin = self.nodes.admin(node, "postgres").await.ok()?;
                    Some(admin.query_one("SELECT pg_is_in_recovery()", &[]).await.ok()?.get::<_, bool>(0))
                });
                if asked.await == Ok(Some(false)) {
                    found.push(node.id);
                }
            }
        }
        if found.len() == 1 { found.pop() } else { None }
    }

    pub async fn start_haproxy(&self, ready: Option<&str>) -> anyhow::Result<()> {
        let config = self.layout.run("haproxy.cfg");
        write_private(&config, &haproxy::config(&self.layout, self.map, ready, self.patroni), 0o644, None)?;
        let mut command = Command::new(&self.nodes.programs.haproxy);
        command.arg("-db").arg("-f").arg(&config);
        self.spawn("haproxy", command)
    }

    pub fn start_agent(&self, place: Place) -> anyhow::Result<()> {
        let mut command = this_program();
        command.arg("agent").arg("--config").arg(self.layout.agent_config(place));
        if let Some((uid, gid)) = self.layout.identity {
            command.uid(uid).gid(gid);
        }
        self.spawn(&map::agent_name(place), command)
    }

    pub fn start_service(&self, service: &Service, place: Place) -> anyhow::Result<()> {
        let mut command = this_program();
        command.args(["lab", "service", "--name", service.name, "--region", place.name()]);
        command.args(["--listen", &self.map.service(place, service, place).to_string()]).arg("--folder").arg(&self.layout.folder);
        if service.needs_database {
            command.args(["--database", &self.map.haproxy(place).to_string()]).arg("--password-file").arg(self.layout.secret_path("app"));
        }
        self.spawn(&map::instance(service, place), command)
    }

    pub fn spawn(&self, name: &str, mut command: Command) -> anyhow::Result<()> {
        let log = self.layout.log(name);
        let file = File::options().create(true).append(true).open(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.current_dir("/").stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        // Tokio's command, because it also collects the child when it ends.
        let child = tokio::process::Command::from(command).spawn().with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().context("a child ended at once")? as i32;
        let process = processes::look(pid).with_context(|| format!("{name} ended at once; see {}", log.display()))?;
        write_private(&self.layout.run("pids").join(format!("{name}.pid")), &format!("{pid} {}\n", process.started), 0o644, None)?;
        if let Ok(mut started) = self.started.lock() {
            started.insert(name.to_owned(), process);
        }
        Ok(())
    }

    /// Ends everything the lab started, PostgreSQL cleanly.
    pub async fn stop_all(&self) -> anyhow::Result<()> {
        self.mend_all();
        let others: Vec<Process> = self.started.lock().map(|s| s.values().cloned().collect()).unwrap_or_default();
        for process in &others {
            process.signal(Signal::KILL)?;
        }
        self.nodes.stop_all(self.patroni).await?;
        let deadline = Instant::now() + Duration::from_secs(5);
        while others.iter().any(Process::is_still_alive) {
            if Instant::now() > deadline {
                bail!("a process of the lab survives SIGKILL for 5 s");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

fn process_name(target: &Target) -> String {
    match target {
        Target::Node(node) => node.id.to_owned(),
        Target::Managed(node) | Target::Daemon(node) => patroni::daemon(node),
        Target::Etcd => patroni::ETCD.to_owned(),
        Target::Haproxy => "haproxy".to_owned(),
        Target::Pooler => map::POOLER.to_owned(),
        Target::Agent(place) => map::agent_name(*place),
        Target::Service(service, place) => map::instance(service, *place),
    }
}

/// This program again. The link works also for another user who may not pass the folders on the way to the file, and after
/// the file was replaced by a newer build.
pub fn this_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("lifeboat");
    command
}
