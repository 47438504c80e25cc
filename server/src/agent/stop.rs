//! Stops a node and proves it. "Stopped" means: no process works in the data folder and the port refuses connections.

use super::command::Run;
use super::config::{Config, Node};
use super::refusal::Refusal;
use super::wire::{Stop, StopMode, StopProof, Stopped};
use super::{control_data, fence, lease, processes};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

pub async fn stop(config: &Config, node: &Node, order: &Stop) -> Result<Stopped, Refusal> {
    let began = Instant::now();
    let deadline = began + Duration::from_millis(order.timeout_ms);
    if !node.data_dir.is_dir() {
        return Err(Refusal::conflict(
            format!("{} has no data folder {}, so nothing can be proven about it", node.id, node.data_dir.display()),
            "mount or rebuild the data folder",
        ));
    }
    // The marker comes first: an agent that dies right now leaves a node that it will not start again.
    if order.fence {
        fence::raise(&node.data_dir, &format!("agent of {}", config.region))?;
    }
    let was_running = !members(node)?.is_empty();
    if was_running {
        match order.mode {
            StopMode::Fast => stop_cleanly(config, node, order.timeout_ms).await?,
            StopMode::Kill => {
                processes::kill_all(&node.data_dir, deadline).await.map_err(|e| cannot_signal(node, &e))?;
            }
        }
    }
    prove_gone(node, deadline).await?;
    // What works in the folder from now on takes no writes, until it is given leave again.
    lease::end(node)?;
    let control = control_data::read(&config.bin_dir, &node.data_dir).await.ok();
    Ok(Stopped {
        was_running,
        fenced: fence::read(&node.data_dir).is_some(),
        proof: StopProof {
            process_gone: true,
            port_refuses: true,
            end_lsn: control.as_ref().filter(|c| c.state == "shut down").map(|c| c.checkpoint_lsn.clone()),
            control_state: control.map(|c| c.state),
        },
        took_ms: began.elapsed().as_millis() as u64,
    })
}

async fn stop_cleanly(config: &Config, node: &Node, timeout_ms: u64) -> Result<(), Refusal> {
    if processes::postmaster(&node.data_dir).is_some_and(|p| p.is_stopped_by_signal()) {
        return Err(Refusal::conflict(format!("{} hangs (stopped by a signal) and cannot shut down cleanly", node.id), "use mode \"kill\""));
    }
    if processes::postmaster(&node.data_dir).is_none() {
        return Err(Refusal::conflict(format!("{} has no postmaster but left processes behind", node.id), "use mode \"kill\""));
    }
    let seconds = timeout_ms.div_ceil(1000).max(1).to_string();
    Run::new(config.bin_dir.join("pg_ctl"), Duration::from_millis(timeout_ms) + Duration::from_secs(2))
        .args(["stop", "-m", "fast", "-w", "-t", &seconds, "-D"])
        .arg(&node.data_dir)
        .output()
        .await?;
    // Its exit status is not the proof; what the process table and the port say is.
    Ok(())
}

/// Waits until no process is left and the port refuses.
async fn prove_gone(node: &Node, deadline: Instant) -> Result<(), Refusal> {
    loop {
        let left = members(node)?.len();
        let refuses = left == 0 && port_refuses(SocketAddr::new(node.address, node.port)).await;
        if refuses {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let seen = match left {
                0 => format!("port {} of {} still answers, though no process works in its data folder", node.port, node.address),
                n => format!("{n} processes still work in {}", node.data_dir.display()),
            };
            return Err(Refusal::not_proven_in_time(
                format!("{} is not proven stopped: {seen}", node.id),
                "do not promote on this; use mode \"kill\", or find out who holds the port",
            ));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn members(node: &Node) -> Result<Vec<processes::Process>, Refusal> {
    processes::of_data_dir(&node.data_dir).map_err(|e| Refusal::failed(format!("cannot read the process table: {e}"), "is /proc mounted?"))
}

/// Only a refusal counts; silence does not.
async fn port_refuses(address: SocketAddr) -> bool {
    match tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Ok(Ok(_)) | Err(_) => false,
    }
}

fn cannot_signal(node: &Node, error: &std::io::Error) -> Refusal {
    Refusal::failed(format!("cannot kill the processes of {}: {error}", node.id), "the agent must run as the user who owns the node")
}
