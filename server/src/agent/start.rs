//! Starts a node, unless that could make a second writer.

use super::command::Run;
use super::config::{Config, Node};
use super::refusal::Refusal;
use super::wire::{Start, Started};
use super::{fence, processes};
use std::time::{Duration, Instant};

pub async fn start(config: &Config, node: &Node, order: &Start) -> Result<Started, Refusal> {
    if order.release {
        fence::lower(&node.data_dir)?;
    }
    may_start(node)?;
    bring_up(config, node, order.timeout_ms).await
}

/// Why this node must not be started now, if so. The lab's `heal` asks the same question.
pub fn may_start(node: &Node) -> Result<(), Refusal> {
    if fence::guard(&node.data_dir).exists() {
        return Err(Refusal::conflict(
            format!("a rewind or rebuild of {} began and did not end, its data folder is not whole", node.id),
            "repeat rewind, or rebuild the node",
        ));
    }
    if let Some(fence) = fence::read(&node.data_dir) {
        return Err(Refusal::conflict(
            format!("{} is fenced since {} by {}", node.id, fence.since.format("%Y-%m-%d %H:%M:%S UTC"), fence.by),
            "make it a standby (rewind or rebuild, then follow), or send {\"release\": true} if it shall be a writer again",
        ));
    }
    Ok(())
}

/// Starts the server and waits until it accepts connections.
pub async fn bring_up(config: &Config, node: &Node, timeout_ms: u64) -> Result<Started, Refusal> {
    let began = Instant::now();
    if let Some(postmaster) = processes::postmaster(&node.data_dir) {
        if postmaster.is_stopped_by_signal() {
            return Err(Refusal::conflict(format!("{} hangs (stopped by a signal)", node.id), "stop it with mode \"kill\" first"));
        }
        wait_until_ready(config, node, began + Duration::from_millis(timeout_ms), 0).await?;
        return Ok(Started { was_running: true, pid: Some(postmaster.pid), took_ms: began.elapsed().as_millis() as u64 });
    }
    clear_stale_locks(node)?;
    let log = node.log();
    // Only what this start writes explains its failure.
    let log_begins = std::fs::metadata(&log).map_or(0, |m| m.len() as usize);
    let launched = Run::new(config.bin_dir.join("pg_ctl"), Duration::from_millis(timeout_ms))
        // Not -w: pg_ctl looks only every 100 ms.
        .args(["start", "-W", "-s", "-D"])
        .arg(&node.data_dir)
        .arg("-l")
        .arg(&log)
        .identity(config.run_as)
        .output()
        .await?;
    if !launched.status.success() {
        return Err(Refusal::failed(format!("{} did not start: {} {}", node.id, launched.text(), log_end(&log, log_begins)), "read the node's log"));
    }
    wait_until_ready(config, node, began + Duration::from_millis(timeout_ms), log_begins).await?;
    Ok(Started { was_running: false, pid: processes::postmaster(&node.data_dir).map(|p| p.pid), took_ms: began.elapsed().as_millis() as u64 })
}

/// `pg_isready` until it says yes. A postmaster that died meanwhile ends the wait at once.
async fn wait_until_ready(config: &Config, node: &Node, deadline: Instant, log_begins: usize) -> Result<(), Refusal> {
    let mut seen_alive = false;
    let grace = Instant::now() + Duration::from_secs(3);
    loop {
        let answer = Run::new(config.bin_dir.join("pg_isready"), Duration::from_secs(3))
            // A role that exists, so that the question leaves no refusal in the server's log.
            .args(["-q", "-t", "1", "-d", "postgres", "-U", &config.replication_user, "-p", &node.port.to_string(), "-h"])
            .arg(node.address.to_string())
            .output()
            .await?;
        if answer.status.success() {
            return Ok(());
        }
        let alive = processes::postmaster(&node.data_dir).is_some();
        seen_alive |= alive;
        if !alive && (seen_alive || Instant::now() > grace) {
            return Err(Refusal::failed(format!("{} started and ended again: {}", node.id, log_end(&node.log(), log_begins)), "read the node's log"));
        }
        if Instant::now() >= deadline {
            return Err(Refusal::not_proven_in_time(
                format!("{} runs but does not accept connections yet", node.id),
                "a long recovery takes its time; look at the node's log and ask again",
            ));
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Removes lock files that PostgreSQL would take for a running server although nothing runs: it only asks whether a process with
/// that number exists, and a killed postmaster can linger as a zombie, or the number belong to somebody else by now.
/// What cannot be told apart from a server is left alone.
pub fn clear_stale_locks(node: &Node) -> Result<(), Refusal> {
    let members =
        processes::of_data_dir(&node.data_dir).map_err(|e| Refusal::failed(format!("cannot read the process table: {e}"), "is /proc mounted?"))?;
    if !members.is_empty() {
        return Err(Refusal::conflict(
            format!("{} processes still work in {}, but no postmaster", members.len(), node.data_dir.display()),
            "stop the node with mode \"kill\" first",
        ));
    }
    for lock in [node.data_dir.join("postmaster.pid"), node.socket_dir.join(format!(".s.PGSQL.{}.lock", node.port))] {
        let Ok(text) = std::fs::read_to_string(&lock) else { continue };
        let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) else { continue };
        let stale = processes::look(pid).is_some_and(|p| !p.is_alive() || processes::executable(pid).is_some_and(|name| name != "postgres"));
        if stale {
            std::fs::remove_file(&lock).map_err(|e| Refusal::io("remove the stale lock file", &lock, &e))?;
        }
    }
    Ok(())
}

/// The last lines of a log, from an offset on, that name a reason.
fn log_end(path: &std::path::Path, from: usize) -> String {
    let Ok(text) = std::fs::read(path) else { return format!("(no log at {})", path.display()) };
    let text = String::from_utf8_lossy(text.get(from..).unwrap_or_default());
    let mut lines: Vec<&str> =
        text.lines().rev().filter(|l| ["FATAL", "PANIC", "ERROR", "could not"].iter().any(|w| l.contains(w))).take(2).collect();
    lines.reverse();
    lines.join(" / ")
}
