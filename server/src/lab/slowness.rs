//! A service that takes its time: the milliseconds it waits before it answers stand in a file that its process reads at every
//! request. So it is slow for whoever asks, probes and clients alike, also after it was killed and started again.

use super::layout::{Layout, write_private};
use anyhow::Context as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn file(folder: &Path, instance: &str) -> PathBuf {
    folder.join("run/slow").join(instance)
}

/// How long an instance waits before it answers; `None` where it does not.
pub fn of(folder: &Path, instance: &str) -> Option<Duration> {
    let text = std::fs::read_to_string(file(folder, instance)).ok()?;
    text.trim().parse().ok().map(Duration::from_millis)
}

pub fn begin(layout: &Layout, instance: &str, millis: u64) -> anyhow::Result<()> {
    write_private(&file(&layout.folder, instance), &format!("{millis}\n"), 0o644, None)
}

/// Whether it was slow until now.
pub fn end(layout: &Layout, instance: &str) -> anyhow::Result<bool> {
    match std::fs::remove_file(file(&layout.folder, instance)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{instance} stays slow")),
    }
}

/// Makes the folder anew: a lab that starts is well, like one that was mended.
pub fn forget(layout: &Layout) -> anyhow::Result<()> {
    let folder = layout.run("slow");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))
}
