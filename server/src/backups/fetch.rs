//! Brings the files of a backup here from one destination, each held against the checksum it was stored with.

use super::{Backups, job, source::Broken, work::Folder};
use crate::connect::objects::Gone;
use engine::{backups::Backup, id::DestinationId};
use sha2::{Digest as _, Sha256};
use std::{io::Read as _, path::Path};

/// Into the folder `into` inside `folder`; `told` hears how many bytes are there. What is there already and as it was stored is not fetched
/// again. Gives how many bytes there are.
///
/// # Errors
/// A file that is gone or differs, by its name; a destination that does not answer; no room.
pub(super) async fn fetch(
    this: &Backups,
    backup: &Backup,
    from: &DestinationId,
    folder: &Folder,
    into: &str,
    told: impl Fn(u64),
) -> Result<u64, Broken> {
    let surroundings = |error: anyhow::Error| Broken::surroundings(format!("{error:#}"));
    let destination = this.destination(from).map_err(surroundings)?;
    let Some(contents) = &backup.contents else { return Err(Broken::backup("nobody knows what is in it")) };
    folder.make(into).map_err(surroundings)?;
    let mut before = 0;
    for file in &contents.files {
        let to = folder.path().join(into).join(&file.name);
        if !is_there(&to, file.bytes, &file.sha256).await {
            let found = match destination.fetch(&format!("{}/{}", job::place(backup), file.name), &to, |read| told(before + read)).await {
                Ok(found) => found,
                Err(error) if error.is::<Gone>() => return Err(Broken::backup(format!("{} is not there", file.name))),
                Err(error) => return Err(Broken::surroundings(format!("{}: {error:#}", file.name))),
            };
            if found != file.sha256 {
                return Err(Broken::backup(format!("{} has the SHA-256 {}…; it was stored with {}…", file.name, short(&found), short(&file.sha256))));
            }
        }
        folder.own(&to).map_err(surroundings)?;
        before += file.bytes;
    }
    Ok(before)
}

/// As much of a checksum as tells two apart in a sentence.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

async fn is_there(path: &Path, bytes: u64, sha256: &str) -> bool {
    let (path, sha256) = (path.to_owned(), sha256.to_owned());
    let same = move || -> std::io::Result<bool> {
        let mut file = std::fs::File::open(&path)?;
        if file.metadata()?.len() != bytes {
            return Ok(false);
        }
        let (mut digest, mut chunk) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                return Ok(found == sha256);
            }
            digest.update(&chunk[..read]);
        }
    };
    // What cannot be read is fetched anew.
    tokio::task::spawn_blocking(same).await.is_ok_and(|same| same.is_ok_and(|same| same))
}
