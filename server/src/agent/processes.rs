//! Which processes belong to a node, told by what they are and where they work, never by a number in a file alone.
//!
//! A pid file survives its process, a pid is used again, and a killed postmaster can linger as a zombie. So a
//! process counts only when its executable is `postgres` and its working folder is the node's data folder, and a signal goes
//! through a pidfd after the start time was compared.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// One process at the moment it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    /// The letter of `/proc/<pid>/stat`: `Z` zombie, `T` stopped by a signal, …
    pub state: char,
    /// Clock ticks since boot; with the pid it names one process for ever.
    pub started: u64,
}

impl Process {
    /// A zombie runs nothing, holds no port and no file: it is not alive.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    pub fn is_stopped_by_signal(&self) -> bool {
        self.state == 'T'
    }

    /// Whether this very process (not a later one with the same pid) is still alive.
    pub fn is_still_alive(&self) -> bool {
        look(self.pid).is_some_and(|now| now.started == self.started && now.is_alive())
    }

    /// Sends a signal to this very process. That it has ended meanwhile is no error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // The handle pins the process; only now is the comparison safe from a pid that is used again.
        if look(self.pid).is_none_or(|now| now.started != self.started) {
            return Ok(());
        }
        match pidfd_send_signal(&handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads one process; `None` when there is none with this pid.
pub fn look(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may contain spaces and brackets: fields begin after the last bracket.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process { pid, parent, state, started })
}

/// Every process there is.
pub fn all() -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.extend(look(pid));
        }
    }
    Ok(found)
}

/// The file name of a process's executable, without the kernel's note that the file was replaced.
pub fn executable(pid: i32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = path.file_name()?.to_str()?;
    Some(name.strip_suffix(" (deleted)").unwrap_or(name).to_owned())
}

/// Every living process of the node with this data folder: servers that work in it and all that descends from them.
pub fn of_data_dir(data_dir: &Path) -> io::Result<Vec<Process>> {
    let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    let all = all()?;
    let mut members: BTreeSet<i32> = all
        .iter()
        .filter(|p| p.is_alive() && works_in(p.pid, &data_dir) && executable(p.pid).as_deref() == Some("postgres"))
        .map(|p| p.pid)
        .collect();
    // A child that ran off elsewhere (an archive command) goes with its parent. Each pass adds one generation.
    loop {
        let before = members.len();
        members.extend(all.iter().filter(|p| p.is_alive() && members.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>());
        if members.len() == before {
            break;
        }
    }
    Ok(all.into_iter().filter(|p| members.contains(&p.pid)).collect())
}

/// The postmaster of this data folder, if it lives: the process of `postmaster.pid` when it is what it should be.
pub fn postmaster(data_dir: &Path) -> Option<Process> {
    let text = std::fs::read_to_string(data_dir.join("postmaster.pid")).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    let process = look(pid)?;
    let real = data_dir.canonicalize().ok()?;
    (process.is_alive() && works_in(pid, &real) && executable(pid).as_deref() == Some("postgres")).then_some(process)
}

/// Kills every process of the data folder and waits until none is left. `false` when the deadline passed first.
pub async fn kill_all(data_dir: &Path, deadline: Instant) -> io::Result<bool> {
    loop {
        // Listing again each time also catches what was forked between listing and killing.
        let members = of_data_dir(data_dir)?;
        if members.is_empty() {
            return Ok(true);
        }
        for member in &members {
            member.signal(Signal::KILL)?;
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn works_in(pid: i32, folder: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself_and_a_zombie_is_not_alive() {
        let me = look(std::process::id() as i32).unwrap();
        assert!(me.is_still_alive());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        let deadline = Instant::now() + Duration::from_secs(5);
        let zombie = loop {
            let seen = look(pid).unwrap();
            if !seen.is_alive() || Instant::now() > deadline {
                break seen;
            }
            std::thread::yield_now();
        };
        assert_eq!(zombie.state, 'Z');
        assert!(!zombie.is_still_alive());
        child.wait().unwrap();
        assert!(look(pid).is_none_or(|p| p.started != zombie.started));
    }
}
