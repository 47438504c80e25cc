//! Finds and ends what a crashed lab left behind: by pid files checked against start times, by PostgreSQL's data folders, and
//! by the command lines of processes that name this lab's folder. The dashboard's server is not among them.

use super::layout::Layout;
use crate::agent::processes::{self, Process};
use anyhow::{Context as _, bail};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Programs that belong to a lab when one of their arguments lies in its folder.
const PROGRAMS: [&str; 8] = ["haproxy", "pgbouncer", "etcd", "postgres", "initdb", "pg_basebackup", "pg_ctl", "pg_rewind"];

/// The supervisor of this folder, if it lives.
pub fn supervisor(layout: &Layout) -> Option<Process> {
    from_pid_file(&layout.run("supervisor.pid"))
}

/// Ends everything of this lab and says how many processes that were.
pub async fn sweep(layout: &Layout) -> anyhow::Result<usize> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut ended: BTreeMap<i32, u64> = BTreeMap::new();
    loop {
        let left = leftovers(layout)?;
        if left.is_empty() {
            break;
        }
        for process in &left {
            ended.insert(process.pid, process.started);
            process.signal(Signal::KILL).with_context(|| format!("cannot end process {} of an earlier lab", process.pid))?;
        }
        if Instant::now() > deadline {
            bail!("process {} of an earlier lab in {} survives SIGKILL", left[0].pid, layout.folder.display());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for name in ["supervisor.pid", "lab.sock", "phase.json", "haproxy.sock"] {
        let path = layout.run(name);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(ended.len())
}

fn leftovers(layout: &Layout) -> anyhow::Result<Vec<Process>> {
    let mut found: BTreeMap<i32, Process> = BTreeMap::new();
    let mut add = |process: Process| {
        if process.pid != std::process::id() as i32 {
            found.insert(process.pid, process);
        }
    };
    supervisor(layout).into_iter().for_each(&mut add);
    if let Ok(entries) = fs::read_dir(layout.run("pids")) {
        entries.flatten().filter_map(|e| from_pid_file(&e.path())).for_each(&mut add);
    }
    if let Ok(entries) = fs::read_dir(layout.node_root.join("pg")) {
        for entry in entries.flatten() {
            processes::of_data_dir(&entry.path())?.into_iter().for_each(&mut add);
        }
    }
    for process in processes::all()? {
        if process.is_alive() && belongs(process.pid, layout) {
            add(process);
        }
    }
    Ok(found.into_values().collect())
}

/// A pid file names a process only together with its start time.
fn from_pid_file(path: &Path) -> Option<Process> {
    let text = fs::read_to_string(path).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let process = processes::look(pid.parse().ok()?)?;
    (process.started == started.parse::<u64>().ok()? && process.is_alive()).then_some(process)
}

fn belongs(pid: i32, layout: &Layout) -> bool {
    let Ok(raw) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let arguments: Vec<&str> = raw.split(|b| *b == 0).filter_map(|a| std::str::from_utf8(a).ok()).collect();
    let ours = match arguments.get(1..) {
        Some(["lab", "supervise" | "service", ..]) | Some(["agent", ..]) => arguments.first().is_some_and(|a| a.ends_with("lifeboat")),
        _ => processes::executable(pid).is_some_and(|name| PROGRAMS.contains(&name.as_str())),
    };
    ours && arguments.iter().any(|a| Path::new(a).starts_with(&layout.folder) || Path::new(a).starts_with(&layout.node_root))
}
