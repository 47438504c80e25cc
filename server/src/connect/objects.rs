//! Destinations of backups: a folder or a bucket, through object_store. Files are streamed; a file counts as stored when the
//! destination says that it has all its bytes.

use crate::config::{DestinationSettings, read_secret};
use anyhow::{Context, bail};
use engine::id::DestinationId;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart, local::LocalFileSystem, path::Path as Place};
use sha2::{Digest as _, Sha256};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};
use url::Url;

/// Parts of an upload: with the few that are under way at once, far below 100 MB of memory.
const PART: usize = 8 * 1024 * 1024;
const AT_ONCE: usize = 2;
/// A destination that stands still for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// One destination.
#[derive(Clone)]
pub struct Destination {
    pub id: DestinationId,
    settings: DestinationSettings,
    opened: Arc<Mutex<Opened>>,
    prefix: Place,
    /// For a folder: it must be there before anything is put into it, or a disk that is not mounted would be written beside.
    folder: Option<std::path::PathBuf>,
}

/// A store, and the secrets that it was opened with.
struct Opened {
    store: Arc<dyn ObjectStore>,
    secrets: Vec<(String, String)>,
}

impl Destination {
    /// Nothing is contacted.
    ///
    /// # Errors
    /// An address or an option that cannot be used, or a secret that cannot be read.
    pub fn open(id: &DestinationId, settings: &DestinationSettings) -> anyhow::Result<Self> {
        let url =
            Url::parse(&settings.url).with_context(|| format!("“{}” is no address; write file:///…, s3://…, gs://… or az://…", settings.url))?;
        if url.scheme() == "file" {
            let folder = url.to_file_path().ok().with_context(|| format!("“{}” names no folder", settings.url))?;
            if let Some(option) = settings.options.keys().chain(settings.secret_files.keys()).next() {
                bail!("a folder has no option `{option}`");
            }
            // It is opened as a whole, since a folder that is not there yet cannot be.
            let prefix = Place::from_absolute_path(&folder).with_context(|| format!("“{}” cannot be used", settings.url))?;
            let opened = Arc::new(Mutex::new(Opened { store: Arc::new(LocalFileSystem::new()), secrets: Vec::new() }));
            return Ok(Self { id: id.clone(), settings: settings.clone(), opened, prefix, folder: Some(folder) });
        }
        let secrets = secrets(settings)?;
        let (store, prefix) = bucket(settings, &secrets)?;
        let opened = Arc::new(Mutex::new(Opened { store, secrets }));
        Ok(Self { id: id.clone(), settings: settings.clone(), opened, prefix, folder: None })
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).store.clone()
    }

    /// Credentials that were put into their files since are used from now on.
    fn renew(&self) -> anyhow::Result<()> {
        let secrets = secrets(&self.settings)?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.secrets != secrets {
            let (store, _) = bucket(&self.settings, &secrets)?;
            *opened = Opened { store, secrets };
        }
        Ok(())
    }

    /// Whether it can be used now.
    ///
    /// # Errors
    /// Why not.
    pub async fn answers(&self) -> anyhow::Result<()> {
        if let Some(folder) = &self.folder {
            if !folder.is_dir() {
                bail!("the folder {} is not there; make it, or mount what it is on", folder.display());
            }
            return Ok(());
        }
        self.renew()?;
        // One listing of nothing: whether it is there, and lets us in.
        let store = self.store();
        let mut listed = store.list(Some(&self.place("lifeboat-asks-whether-it-may-look")));
        match tokio::time::timeout(PATIENCE, listed.next()).await {
            Ok(None | Some(Ok(_))) => Ok(()),
            Ok(Some(Err(error))) => Err(in_words(error)),
            Err(_) => bail!("it does not answer within {} s", PATIENCE.as_secs()),
        }
    }

    fn place(&self, name: &str) -> Place {
        name.split('/').fold(self.prefix.clone(), |place, part| place.join(part))
    }

    /// Puts a file there under `name`, and asks for its length. `told` hears of every part.
    ///
    /// # Errors
    /// What the destination says; nothing that counts is left there then.
    pub async fn put(&self, name: &str, file: &Path, told: impl Fn(u64)) -> anyhow::Result<()> {
        self.answers().await?;
        let place = self.place(name);
        let mut from = File::open(file).await.with_context(|| format!("{} cannot be read", file.display()))?;
        let upload = patiently(self.store().put_multipart(&place)).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let (mut chunk, mut sent) = (vec![0; 256 * 1024], 0_u64);
        let sending = async {
            loop {
                let read = from.read(&mut chunk).await.with_context(|| format!("{} cannot be read", file.display()))?;
                if read == 0 {
                    return anyhow::Ok(());
                }
                patiently(upload.wait_for_capacity(AT_ONCE)).await?;
                upload.write(&chunk[..read]);
                sent += read as u64;
                told(sent);
            }
        };
        match sending.await {
            Ok(()) => patiently(upload.finish()).await.map(|_| ())?,
            Err(error) => {
                // What is left of it does not count, and goes with the next clean-up.
                if let Err(left) = upload.abort().await {
                    tracing::debug!(error = %left, "parts of an upload are left");
                }
                return Err(error);
            }
        }
        self.make_durable(name).await?;
        match self.length(name).await? {
            Some(stored) if stored == sent => Ok(()),
            Some(stored) => bail!("{sent} bytes were sent, and {stored} are there"),
            None => bail!("it was sent, and is not there"),
        }
    }

    /// A bucket has it for good once it says so; a folder only once the disk has it.
    async fn make_durable(&self, name: &str) -> anyhow::Result<()> {
        let Some(base) = self.folder.clone() else { return Ok(()) };
        let file = base.join(name);
        let synced = tokio::task::spawn_blocking(move || {
            std::fs::File::open(&file)?.sync_all()?;
            // The names of the file and of the folders above it, which may be new.
            for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(&base)) {
                std::fs::File::open(folder)?.sync_all()?;
            }
            std::io::Result::Ok(())
        });
        synced.await?.context("it was written, and cannot be made durable")
    }

    /// How many bytes are stored under `name`; `None` where nothing is.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub async fn length(&self, name: &str) -> anyhow::Result<Option<u64>> {
        match tokio::time::timeout(PATIENCE, self.store().head(&self.place(name))).await {
            Ok(Ok(known)) => Ok(Some(known.size)),
            Ok(Err(object_store::Error::NotFound { .. })) => Ok(None),
            Ok(Err(error)) => Err(in_words(error)),
            Err(_) => bail!("it does not answer within {} s", PATIENCE.as_secs()),
        }
    }

    /// Brings a file from there. Returns its SHA-256.
    ///
    /// # Errors
    /// Where it cannot be read, or the disk here is full.
    pub async fn fetch(&self, name: &str, to: &Path, told: impl Fn(u64)) -> anyhow::Result<String> {
        let stored = patiently(self.store().get(&self.place(name))).await?;
        let mut stream = stored.into_stream();
        let mut file = File::create(to).await.with_context(|| format!("{} cannot be written", to.display()))?;
        let (mut hash, mut read) = (Sha256::new(), 0_u64);
        while let Some(part) = tokio::time::timeout(PATIENCE, stream.try_next()).await.context("it stands still")?.map_err(in_words)? {
            hash.update(&part);
            file.write_all(&part).await.with_context(|| format!("{} cannot be written", to.display()))?;
            read += part.len() as u64;
            told(read);
        }
        file.flush().await.with_context(|| format!("{} cannot be written", to.display()))?;
        Ok(hex(&hash.finalize()))
    }

    /// Deletes everything under `folder`. Nothing there is no error.
    ///
    /// # Errors
    /// Where something is left.
    pub async fn delete_all(&self, folder: &str) -> anyhow::Result<()> {
        self.answers().await?;
        let place = self.place(folder);
        let listed: Vec<_> = tokio::time::timeout(PATIENCE, self.store().list(Some(&place)).map_ok(|known| known.location).try_collect())
            .await
            .context("it does not answer")?
            .map_err(in_words)?;
        for location in listed {
            match patiently(self.store().delete(&location)).await {
                Ok(()) => {}
                Err(error) if error.is::<Gone>() => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(base) = &self.folder {
            // With what an upload left that was under way when a server was killed: listings do not show that.
            match tokio::fs::remove_dir_all(base.join(folder)).await {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("{} cannot be removed", base.join(folder).display())),
            }
        }
        Ok(())
    }
}

/// What was to be there is not.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not there")]
pub struct Gone(String);

async fn patiently<T>(work: impl Future<Output = object_store::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(in_words),
        Err(_) => bail!("it stands still for {} s", PATIENCE.as_secs()),
    }
}

/// Causes from the outside in, without what repeats.
fn in_words(error: object_store::Error) -> anyhow::Error {
    if let object_store::Error::NotFound { path, .. } = &error {
        return Gone(path.clone()).into();
    }
    let mut said = error.to_string();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        let text = next.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = next;
    }
    let said: String = said.chars().take(600).collect();
    match what_to_do(&said) {
        Some(hint) => anyhow::anyhow!("{hint} ({said})"),
        None => anyhow::anyhow!(said),
    }
}

/// For what a store says often, and only those who know it understand.
fn what_to_do(said: &str) -> Option<&'static str> {
    let known = [
        ("ExpiredToken", "its credentials have expired: put new ones into the files that its `secret_files` name, they are read again"),
        ("InvalidAccessKeyId", "its access key is not known there: put the right one into the files that its `secret_files` name"),
        ("SignatureDoesNotMatch", "its secret key is not the one of its access key: put the right one into the files that its `secret_files` name"),
        ("AccessDenied", "its credentials do not allow this: grant them to list, read, write and delete there"),
        ("NoSuchBucket", "the bucket is not there: make it, or correct its name"),
        ("No space left", "its disk is full: make room there, or have less kept"),
    ];
    known.into_iter().find(|(word, _)| said.contains(word)).map(|(_, hint)| hint)
}

fn secrets(settings: &DestinationSettings) -> anyhow::Result<Vec<(String, String)>> {
    settings.secret_files.iter().map(|(name, file)| Ok((name.clone(), read_secret(file)?))).collect()
}

fn bucket(settings: &DestinationSettings, secrets: &[(String, String)]) -> anyhow::Result<(Arc<dyn ObjectStore>, Place)> {
    let url = Url::parse(&settings.url).with_context(|| format!("“{}” is no address", settings.url))?;
    let options = settings.options.iter().map(|(name, value)| (name.clone(), value.clone())).chain(secrets.iter().cloned());
    let (store, prefix) = object_store::parse_url_opts(&url, options).with_context(|| format!("“{}” cannot be used", settings.url))?;
    Ok((Arc::from(store), prefix))
}

/// SHA-256 of a file on this machine.
///
/// # Errors
/// Where it cannot be read.
pub fn sha256_of(file: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    let mut from = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut chunk = vec![0; 1024 * 1024];
    loop {
        match std::io::Read::read(&mut from, &mut chunk).with_context(|| format!("{} cannot be read", file.display()))? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
