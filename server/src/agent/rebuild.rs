//! Replaces a node's data with a fresh base backup of another node, and keeps the old folder until the next time.
//!
//! Tablespaces outside the data folder are not supported: the request is refused.

use super::command::Run;
use super::config::{Config, Node, Peer};
use super::fence;
use super::follow::{conninfo, make_standby};
use super::refusal::Refusal;
use super::rewind::must_be_stopped;
use super::wire::{Rebuilt, Source};
use chrono::Utc;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub async fn rebuild(config: &Config, node: &Node, source: &Peer, order: &Source) -> Result<Rebuilt, Refusal> {
    let began = Instant::now();
    must_be_stopped(node)?;
    if fs::read_dir(node.data_dir.join("pg_tblspc")).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Refusal::conflict(format!("{} has tablespaces; rebuild does not support them", node.id), "rebuild this node by hand"));
    }
    fence::begin(node)?;
    let fresh = node.beside(".fresh");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|e| Refusal::io("remove an earlier attempt in", &fresh, &e))?;
    }
    Run::new(config.bin_dir.join("pg_basebackup"), Duration::from_millis(order.timeout_ms))
        .env("PGPASSFILE", &config.passfile)
        .env("PGCONNECT_TIMEOUT", "5")
        .env("PGAPPNAME", format!("rebuild {}", node.id))
        .args(["-w", "-X", "stream", "-c", "fast", "-h", &source.host, "-p", &source.port.to_string(), "-U", &config.replication_user, "-D"])
        .arg(&fresh)
        .success("the old data folder is untouched; is the source running and reachable from here?")
        .await?;
    if fs::read_dir(fresh.join("pg_tblspc")).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Refusal::conflict(format!("{} has tablespaces; rebuild does not support them", source.id), "rebuild this node by hand"));
    }
    fence::give_back(node, &fresh)?;
    make_standby(&fresh, &conninfo(config, node, source), None)?;
    let kept = swap(node, &fresh)?;
    fence::end(node)?;
    remove_older(node, kept.as_deref())?;
    Ok(Rebuilt { kept: kept.map(|p| p.display().to_string()), took_ms: began.elapsed().as_millis() as u64 })
}

/// Puts the fresh folder in place of the old one, which is renamed to `.before-<utc>`.
fn swap(node: &Node, fresh: &std::path::Path) -> Result<Option<PathBuf>, Refusal> {
    let mut kept = None;
    if node.data_dir.exists() {
        let before = node.beside(&format!(".before-{}", Utc::now().format("%Y%m%dT%H%M%S%3fZ")));
        fs::rename(&node.data_dir, &before).map_err(|e| Refusal::io("rename", &node.data_dir, &e))?;
        kept = Some(before);
    }
    fs::rename(fresh, &node.data_dir).map_err(|e| Refusal::io("put in place", &node.data_dir, &e))?;
    Ok(kept)
}

/// Of the folders `.before-…` only the newest is kept.
fn remove_older(node: &Node, kept: Option<&std::path::Path>) -> Result<(), Refusal> {
    let Some(kept) = kept else { return Ok(()) };
    let prefix = node.beside(".before-");
    let (Some(parent), Some(prefix)) = (prefix.parent(), prefix.file_name().and_then(|n| n.to_str())) else { return Ok(()) };
    let entries = fs::read_dir(parent).map_err(|e| Refusal::io("list", parent, &e))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path != kept && entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            fs::remove_dir_all(&path).map_err(|e| Refusal::io("remove", &path, &e))?;
        }
    }
    Ok(())
}
