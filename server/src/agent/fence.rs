//! The marker that keeps a fenced node from being started as a writer, and the guard around an unfinished rewind.
//!
//! The marker lies in the data folder, so it moves with it. pg_rewind removes files the source does not have, the marker
//! too; therefore a rewind or rebuild also puts a guard *folder* beside the data folder, which holds the node's own
//! configuration files meanwhile (pg_rewind and pg_basebackup bring the source's) and is removed only at the very end.

use super::config::Node;
use super::refusal::Refusal;
use super::wire::Fence;
use chrono::Utc;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const MARKER: &str = "lifeboat.fenced";

/// Files that belong to a node and not to its data.
const OWN_FILES: [&str; 4] = ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"];

pub fn marker(data_dir: &Path) -> PathBuf {
    data_dir.join(MARKER)
}

/// The fence of a data folder. An unreadable marker still fences.
pub fn read(data_dir: &Path) -> Option<Fence> {
    let path = marker(data_dir);
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap_or_else(|_| Fence { since: Utc::now(), by: "a marker this version cannot read".into() })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound || error.kind() == std::io::ErrorKind::NotADirectory => None,
        Err(error) => Some(Fence { since: Utc::now(), by: format!("a marker that cannot be read: {error}") }),
    }
}

/// Writes the marker durably. An existing one is kept, with its time.
pub fn raise(data_dir: &Path, by: &str) -> Result<(), Refusal> {
    let path = marker(data_dir);
    if path.exists() {
        return Ok(());
    }
    let fence = Fence { since: Utc::now(), by: by.to_owned() };
    let text = serde_json::to_string(&fence).map_err(|e| Refusal::failed(e.to_string(), "report this"))?;
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        File::open(data_dir)?.sync_all()
    };
    write().map_err(|e| Refusal::io("write the fence marker", &path, &e))
}

pub fn lower(data_dir: &Path) -> Result<(), Refusal> {
    let path = marker(data_dir);
    match fs::remove_file(&path) {
        Ok(()) => File::open(data_dir).and_then(|d| d.sync_all()).map_err(|e| Refusal::io("sync", data_dir, &e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Refusal::io("remove the fence marker", &path, &error)),
    }
}

/// Where the guard of this node lies while its data folder is being changed.
pub fn guard(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.to_owned().into_os_string();
    name.push(".rewinding");
    PathBuf::from(name)
}

/// Keeps the node's own files in the guard. If one is there from an interrupted attempt, its files are the right ones.
pub fn begin(node: &Node) -> Result<(), Refusal> {
    let guard = guard(&node.data_dir);
    let done = guard.join("complete");
    if done.exists() {
        return Ok(());
    }
    let keep = || {
        fs::create_dir_all(&guard)?;
        for name in OWN_FILES {
            let from = node.data_dir.join(name);
            if from.exists() {
                fs::copy(&from, guard.join(name))?;
                File::open(guard.join(name))?.sync_all()?;
            }
        }
        File::create(&done)?.sync_all()?;
        File::open(&guard)?.sync_all()
    };
    keep().map_err(|e| Refusal::io("keep the node's own configuration in", &guard, &e))
}

/// Puts the node's own files back into a data folder.
pub fn give_back(node: &Node, data_dir: &Path) -> Result<(), Refusal> {
    let guard = guard(&node.data_dir);
    for name in OWN_FILES {
        let from = guard.join(name);
        if from.exists() {
            fs::copy(&from, data_dir.join(name)).map_err(|e| Refusal::io("put back", &data_dir.join(name), &e))?;
        }
    }
    Ok(())
}

/// Removes the guard: the data folder is whole again.
pub fn end(node: &Node) -> Result<(), Refusal> {
    let guard = guard(&node.data_dir);
    fs::remove_dir_all(&guard).map_err(|e| Refusal::io("remove", &guard, &e))
}
