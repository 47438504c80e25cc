//! A lease: leave to take writes until a moment that whoever gave it must put off again and again. When nobody does, the node is
//! stopped and fenced here, on its own host. So a host that cannot be reached is known to have stopped its node once the time is over
//! that it was last given, and nobody needs to ask it.
//!
//! The time is kept by a process of its own beside the agent, so that neither the end of the agent nor a hung one makes the lease
//! last longer; it is counted by the clock that runs while a machine sleeps and that nobody sets. A process beside each
//! other node is not needed: a standby takes no writes, and its agent arms nothing for it.
//!
//! What this does not prove: that both processes live. Whoever ends them both by hand, or has something else start PostgreSQL
//! again, has taken the proof away.

use super::config::{Config, Node};
use super::refusal::Refusal;
use super::wire::{Lease, Leased};
use super::{fence, processes};
use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often the keeper looks.
const LOOKS: Duration = Duration::from_millis(100);
/// How long a keeper may take to be there.
const TO_START: Duration = Duration::from_millis(800);
/// How long the keeper tries to end a node before it looks again.
const TO_STOP: Duration = Duration::from_secs(5);

/// What lies beside the data folder while a lease runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Term {
    /// In milliseconds since the machine was started.
    until: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Term {
    fn is_over(&self) -> bool {
        // Where nobody knows which start of the machine this is, nobody knows either that it was good in this one.
        self.until <= since_boot() || boot().ok().as_ref() != Some(&self.boot)
    }
    /// `None` where no lease runs. One that cannot be read has run out: nobody knows for how long it was good.
    fn read(node: &Node) -> std::io::Result<Option<Term>> {
        match fs::read_to_string(term_file(node)) {
            Ok(text) => Ok(Some(serde_json::from_str(&text).unwrap_or(Term { until: 0, boot: String::new() }))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
    fn write(&self, node: &Node) -> std::io::Result<()> {
        let fresh = node.beside(".lease.fresh");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        // It need not outlive the machine: a lease from before its start has run out.
        drop(file);
        fs::rename(&fresh, term_file(node))
    }
}

fn term_file(node: &Node) -> PathBuf {
    node.beside(".lease")
}

fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1000) + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

fn boot() -> std::io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Who starts keepers.
pub struct Keepers {
    /// Of the agent's configuration.
    file: PathBuf,
}

impl Keepers {
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Has a lease that an earlier agent was given be kept on.
    ///
    /// # Errors
    /// Where no keeper can be started.
    pub fn take_up(&self, node: &Node) -> anyhow::Result<()> {
        if Term::read(node)?.is_some() && !is_kept(node)? {
            self.start(node).with_context(|| format!("nobody keeps the lease of {}", node.id))?;
        }
        Ok(())
    }

    fn start(&self, node: &Node) -> std::io::Result<()> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.arg("agent").arg("--config").arg(&self.file).args(["--keep-lease", &node.id]);
        // A signal to the agent's group, or the end of its terminal, is none of the keeper's business.
        command.current_dir("/").process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(drop)
    }
}

/// Whether a keeper holds the lock, and is not stopped by a signal.
fn is_kept(node: &Node) -> std::io::Result<bool> {
    let Some(file) = lock_file(node)? else { return Ok(false) };
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return Ok(false);
    }
    let pid = fs::read_to_string(lock_path(node))?.trim().parse().unwrap_or(0);
    Ok(processes::look(pid).is_some_and(|keeper| keeper.is_alive() && !keeper.is_stopped_by_signal()))
}

fn lock_path(node: &Node) -> PathBuf {
    node.beside(".lease.keeper")
}

fn lock_file(node: &Node) -> std::io::Result<Option<File>> {
    match File::open(lock_path(node)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts the end of the lease off, and makes sure that somebody keeps it.
pub async fn renew(keepers: &Keepers, node: &Node, order: &Lease) -> Result<Leased, Refusal> {
    let takes_writes = processes::postmaster(&node.data_dir).is_some() && !is_standby(&node.data_dir);
    if !takes_writes {
        return end(node).map(|()| Leased { kept: false });
    }
    if Term::read(node).map_err(|error| cannot("read", node, &error))?.is_some_and(|term| term.is_over()) {
        let hint = "the node is being stopped; it may follow again once that is done";
        return Err(Refusal::conflict(format!("the lease of {} has run out already", node.id), hint));
    }
    let boot = boot().map_err(|error| cannot("date", node, &error))?;
    let term = Term { until: since_boot().saturating_add(order.for_ms), boot };
    term.write(node).map_err(|error| cannot("write", node, &error))?;
    let deadline = Instant::now() + TO_START;
    let mut started = false;
    while !is_kept(node).map_err(|error| cannot("look after", node, &error))? {
        if Instant::now() >= deadline {
            return Err(Refusal::failed(
                format!("nobody keeps the lease of {}: its keeper does not start, or hangs", node.id),
                "see whether the agent may start processes; end a keeper that hangs",
            ));
        }
        if !started {
            keepers.start(node).map_err(|error| cannot("have somebody keep", node, &error))?;
            started = true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It may have been stopped meanwhile.
    if processes::postmaster(&node.data_dir).is_none() {
        return end(node).map(|()| Leased { kept: false });
    }
    Ok(Leased { kept: true })
}

/// The node takes no writes: there is nothing to be stopped.
pub fn end(node: &Node) -> Result<(), Refusal> {
    match fs::remove_file(term_file(node)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot("end", node, &error)),
    }
}

fn is_standby(data_dir: &Path) -> bool {
    data_dir.join("standby.signal").exists()
}

fn cannot(what: &str, node: &Node, error: &std::io::Error) -> Refusal {
    Refusal::failed(format!("cannot {what} the lease of {}: {error}", node.id), "the agent must be allowed to write beside the data folder")
}

/// Keeps the lease of one node until it ends, or has run out and the node is stopped. This is all that this process does.
///
/// # Errors
/// A node that is not configured, a lock that cannot be had.
pub async fn keep(config: &Config, id: &str) -> anyhow::Result<()> {
    let node = config.nodes.iter().find(|node| node.id == id).with_context(|| format!("{id} is not a node of this agent"))?;
    let path = lock_path(node);
    let mut lock = File::options().create(true).truncate(false).write(true).open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    // Whoever only asks whether somebody keeps it holds the lock for a moment, too.
    let deadline = Instant::now() + TO_START / 2;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    loop {
        match Term::read(node) {
            Ok(None) => return Ok(()),
            Ok(Some(term)) if !term.is_over() => {}
            // What cannot be read any more is taken for what has run out.
            Ok(Some(_)) | Err(_) => {
                if stopped(node, config).await? {
                    return Ok(());
                }
            }
        }
        tokio::time::sleep(LOOKS).await;
    }
}

/// Ends the node, unless it takes no writes; true once that is done.
async fn stopped(node: &Node, config: &Config) -> anyhow::Result<bool> {
    let runs = !processes::of_data_dir(&node.data_dir)?.is_empty();
    if runs && !is_standby(&node.data_dir) {
        // The marker is not worth a moment in which the node goes on.
        let marked = fence::raise(&node.data_dir, &format!("agent of {}: its lease ran out", config.region));
        if !processes::kill_all(&node.data_dir, Instant::now() + TO_STOP).await? || marked.is_err() {
            return Ok(false);
        }
    }
    match fs::remove_file(term_file(node)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(folder: &Path) -> Node {
        Node {
            id: "a".to_owned(),
            data_dir: folder.join("data"),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 1,
            socket_dir: folder.to_owned(),
            log_file: None,
        }
    }

    #[test]
    fn a_lease_runs_out_with_its_time_and_with_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let node = node(folder.path());
        assert_eq!(Term::read(&node).unwrap(), None);
        let term = Term { until: since_boot() + 60_000, boot: boot().unwrap() };
        term.write(&node).unwrap();
        assert_eq!(Term::read(&node).unwrap(), Some(term.clone()));
        assert!(!term.is_over());
        assert!(Term { until: since_boot(), ..term.clone() }.is_over());
        assert!(Term { boot: "another".to_owned(), ..term }.is_over(), "the machine was started again");
        fs::write(term_file(&node), "{").unwrap();
        assert!(Term::read(&node).unwrap().unwrap().is_over(), "what cannot be read was good for nobody knows how long");
    }
}
