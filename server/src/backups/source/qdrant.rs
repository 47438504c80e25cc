//! One collection of a Qdrant, or all of its storage, by its snapshot HTTP API: it is told to make one, which is fetched and deleted
//! there. Nothing reads a snapshot without a Qdrant, so its ladder ends at the checksum. Source: Qdrant's API reference, "Snapshots".

use super::{Broken, Climbed, Order, Source, Taken};
use crate::{
    backups::work::Folder,
    config::sources::{self, QdrantSettings},
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    backups::{Count, ProofLevel},
    estate::Verification,
};
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant as Moment};
use tokio::io::AsyncWriteExt as _;

const SNAPSHOT: &str = "snapshot";
const PATIENCE: Duration = Duration::from_secs(10);
/// A transfer that stands still for so long is given up.
const STANDS_STILL: Duration = Duration::from_secs(60);

/// See the module.
pub struct Qdrant {
    pub settings: QdrantSettings,
    pub collection: Option<String>,
    pub client: Client,
}

#[async_trait]
impl Source for Qdrant {
    async fn tool(&self) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Root {
            version: String,
        }
        let root: Root = self.ask(Method::GET, &[], PATIENCE).await?.json().await.context("what answers is no Qdrant")?;
        Ok(format!("Qdrant {}", root.version.chars().take(40).collect::<String>()))
    }

    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken> {
        let asked = chrono::Utc::now();
        let made: Made = self.ask(Method::POST, &self.snapshots(), order.patience).await?.json().await.context("its answer cannot be read")?;
        let snapshot = made.result;
        let name = snapshot.name.as_str();
        let fetched = self.fetch(folder, order, &snapshot).await;
        // It takes room there, whatever became of it here.
        let mut place = self.snapshots();
        place.push(name);
        if let Err(error) = self.ask(Method::DELETE, &place, STANDS_STILL).await {
            tracing::warn!(error = format!("{error:#}"), snapshot = name, "a snapshot that was fetched cannot be deleted from its Qdrant");
        }
        fetched?;
        let source_bytes = Some(snapshot.size);
        Ok(Taken { files: vec![SNAPSHOT.to_owned()], recoverable_to: Some(asked), source_bytes, wal: None, counts: Vec::new() })
    }

    async fn climb(&self, _: &Folder, _: ProofLevel, _: &Verification, _: &[Count]) -> Climbed {
        let mut climbed = Climbed::default();
        let outcome = Err(Broken::surroundings("not available: nothing reads a snapshot of Qdrant without a Qdrant"));
        climbed.step(ProofLevel::Readable, Moment::now(), outcome);
        climbed
    }
}

#[derive(Deserialize)]
struct Made {
    result: Snapshot,
}

#[derive(Deserialize)]
struct Snapshot {
    name: String,
    size: u64,
    /// SHA-256, from Qdrant 1.9 on.
    checksum: Option<String>,
}

impl Qdrant {
    fn snapshots(&self) -> Vec<&str> {
        match &self.collection {
            Some(collection) => vec!["collections", collection, "snapshots"],
            None => vec!["snapshots"],
        }
    }

    async fn ask(&self, method: Method, place: &[&str], patience: Duration) -> anyhow::Result<Response> {
        let mut url = url::Url::parse(&self.settings.url).with_context(|| format!("“{}” is no address", self.settings.url))?;
        // Segment by segment, so that a name cannot lead elsewhere.
        url.path_segments_mut().ok().with_context(|| format!("“{}” is no address", self.settings.url))?.pop_if_empty().extend(place);
        let mut request = self.client.request(method, url);
        if let Some(key) = sources::secret(self.settings.api_key_file.as_ref(), self.settings.api_key_env.as_ref())? {
            request = request.header("api-key", key);
        }
        let answer = tokio::time::timeout(patience, request.send()).await.context("it does not answer")?.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        if !status.is_success() {
            let said = tokio::time::timeout(PATIENCE, said(answer)).await.unwrap_or_default();
            bail!("it answers with {status}: {said}");
        }
        Ok(answer)
    }

    async fn fetch(&self, folder: &Folder, order: &Order, snapshot: &Snapshot) -> anyhow::Result<()> {
        let mut place = self.snapshots();
        place.push(&snapshot.name);
        let mut answer = self.ask(Method::GET, &place, STANDS_STILL).await?;
        let to = folder.make("files")?.join(SNAPSHOT);
        let mut file = tokio::fs::File::create(&to).await.with_context(|| format!("{} cannot be written", to.display()))?;
        let (mut hash, mut read) = (Sha256::new(), 0);
        while let Some(part) =
            tokio::time::timeout(STANDS_STILL, answer.chunk()).await.context("it stands still")?.map_err(reqwest::Error::without_url)?
        {
            hash.update(&part);
            file.write_all(&part).await.with_context(|| format!("{} cannot be written", to.display()))?;
            read += part.len() as u64;
            order.progress.send_replace((read, Some(snapshot.size)));
        }
        file.flush().await.with_context(|| format!("{} cannot be written", to.display()))?;
        if read != snapshot.size {
            bail!("it said that the snapshot has {} bytes, and sent {read}", snapshot.size);
        }
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(known) = snapshot.checksum.as_ref().filter(|known| !known.eq_ignore_ascii_case(&hash)) {
            bail!("it said that the snapshot has the checksum {known}, and what it sent has {hash}");
        }
        Ok(())
    }
}

/// The beginning of what an answer says.
async fn said(mut answer: Response) -> String {
    let first = answer.chunk().await.ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&first).chars().filter(|letter| !letter.is_control()).take(300).collect()
}
