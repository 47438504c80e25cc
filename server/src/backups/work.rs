//! Folders that jobs and proofs work in, and what is left in them when a server was killed: removed at the next start,
//! together with the programs that were at work there.

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    os::unix::fs::{DirBuilderExt as _, chown},
    path::{Path, PathBuf},
};

/// Programs started for a job carry it in their environment, so that an orphan is known by it.
const MARK: &str = "LIFEBOAT_WORK";

/// The folder of all work, used by this server alone.
#[derive(Debug, Clone)]
pub struct Work {
    root: PathBuf,
    run_as: Option<(u32, u32)>,
}

/// The folder of one job or proof. It goes with this value.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    mark: String,
    run_as: Option<(u32, u32)>,
    /// Whether it stays when this value goes.
    lasts: bool,
}

impl Work {
    /// Opens `root` and removes what an earlier server left there.
    ///
    /// # Errors
    /// Where it cannot be made or emptied, or its path is no UTF-8.
    pub fn open(root: PathBuf, run_as: Option<(u32, u32)>) -> anyhow::Result<Self> {
        if root.to_str().is_none() {
            bail!("the folder {} of backups in the making has a name that is no UTF-8", root.display());
        }
        let at = || format!("the folder {} of backups in the making cannot be used; name another one as `work` in [backups]", root.display());
        end_orphans(&root)?;
        std::fs::create_dir_all(&root).with_context(at)?;
        for entry in std::fs::read_dir(&root).with_context(at)? {
            std::fs::remove_dir_all(entry.with_context(at)?.path()).with_context(at)?;
        }
        Ok(Self { root, run_as })
    }

    /// A new, empty folder.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn folder(&self, name: &str) -> anyhow::Result<Folder> {
        let path = self.root.join(name);
        let folder = Folder { path, mark: mark_of(&self.root), run_as: self.run_as, lasts: false };
        folder.make("")?;
        Ok(folder)
    }

    /// Bytes that are free for work.
    ///
    /// # Errors
    /// Where the disk cannot be asked.
    pub fn room(&self) -> anyhow::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root).with_context(|| format!("the room in {} cannot be read", self.root.display()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn mark_of(root: &Path) -> String {
    root.to_string_lossy().into_owned()
}

/// Ends programs that an earlier server started for its work and left behind.
fn end_orphans(root: &Path) -> anyhow::Result<()> {
    let wanted = format!("{MARK}={}", mark_of(root));
    for entry in std::fs::read_dir("/proc").context("/proc cannot be read")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else { continue };
        // Of another user, or gone meanwhile: not one of ours.
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            match kill_process(pid, Signal::KILL) {
                Ok(()) => tracing::warn!(pid = pid.as_raw_nonzero().get(), "ended a program that an earlier server had left at work on a backup"),
                Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error).context("a program that an earlier server left at work on a backup cannot be ended"),
            }
        }
    }
    Ok(())
}

impl Folder {
    /// A folder that stays: what works in it is marked by its own path.
    pub fn lasting(path: PathBuf, run_as: Option<(u32, u32)>) -> Self {
        Self { mark: mark_of(&path), path, run_as, lasts: true }
    }
    /// Makes it, where there is nothing of that name.
    ///
    /// # Errors
    /// There is, or it cannot be made.
    pub fn make_new(&self) -> anyhow::Result<()> {
        let at = || format!("{} cannot be made", self.path.display());
        std::fs::DirBuilder::new().mode(0o700).create(&self.path).with_context(at)?;
        self.own(&self.path)
    }
    /// Ends programs that an earlier server started here and left behind.
    ///
    /// # Errors
    /// Where they cannot be found or ended.
    pub fn end_orphans(&self) -> anyhow::Result<()> {
        end_orphans(&self.path)
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// A path in it, as programs take it.
    pub fn inside(&self, name: &str) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }
    pub fn run_as(&self) -> Option<(u32, u32)> {
        self.run_as
    }
    /// What marks programs that work in it.
    pub fn variable(&self) -> (&'static str, &str) {
        (MARK, &self.mark)
    }

    /// Makes a folder inside, readable for the user that scratch servers run as and nobody else.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn make(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        let at = || format!("{} cannot be made", path.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).with_context(at)?;
        self.own(&path)?;
        Ok(path)
    }

    /// Gives a path to the user that scratch servers run as.
    ///
    /// # Errors
    /// Where that is not allowed.
    pub fn own(&self, path: &Path) -> anyhow::Result<()> {
        if let Some((user, group)) = self.run_as {
            chown(path, Some(user), Some(group)).with_context(|| format!("{} cannot be given to another user", path.display()))?;
        }
        Ok(())
    }

    /// Bytes of all files in it.
    pub fn size(&self) -> u64 {
        fn of(folder: &Path) -> u64 {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.metadata().map_or(0, |known| if known.is_dir() { of(&entry.path()) } else { known.len() })).sum()
        }
        of(&self.path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.lasts {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.path.display(), "what a job left cannot be removed; the next start tries again");
        }
    }
}
