//! All keys of an etcd by `etcdctl snapshot save`. A proof restores it with etcd's own tool, which holds the checksum in it against
//! what it reads, and starts a scratch etcd of one member on loopback.

use super::{Broken, Climbed, Order, Source, Taken};
use crate::{
    backups::{daemon::Daemon, scratch, work::Folder},
    config::sources::{self, EtcdSettings, find_program},
    connect::program,
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    backups::{Count, ProofLevel},
    estate::Verification,
};
use serde::Deserialize;
use std::{
    path::PathBuf,
    time::{Duration, Instant as Moment},
};

const SNAPSHOT: &str = "snapshot.db";
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Etcd(pub EtcdSettings);

#[async_trait]
impl Source for Etcd {
    async fn tool(&self) -> anyhow::Result<String> {
        let etcdctl = find_program("etcdctl", "etcd-client")?;
        find_program("etcd", "etcd-server")?;
        let said = program::run(&[etcdctl, "version".to_owned()], &[("ETCDCTL_API", "3")], PATIENCE).await?;
        Ok(said.lines().next().unwrap_or("etcdctl of an unknown version").trim().to_owned())
    }

    async fn take(&self, folder: &Folder, order: &Order) -> anyhow::Result<Taken> {
        folder.make("files")?;
        let into = folder.inside(&format!("files/{SNAPSHOT}"));
        let line = [find_program("etcdctl", "etcd-client")?, "snapshot".to_owned(), "save".to_owned(), into];
        let mut variables = self.login()?;
        variables.push(("ETCDCTL_ENDPOINTS", self.0.endpoint.clone()));
        variables.extend(self.files());
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).chain([folder.variable()]).collect();
        let asked = chrono::Utc::now();
        order.told(folder, program::run_as(&line, &variables, folder.run_as(), order.patience)).await?;
        Ok(Taken { files: vec![SNAPSHOT.to_owned()], recoverable_to: Some(asked), source_bytes: None, wal: None, counts: Vec::new() })
    }

    async fn climb(&self, folder: &Folder, wanted: ProofLevel, _: &Verification, _: &[Count]) -> Climbed {
        let mut climbed = Climbed::default();
        let began = Moment::now();
        let outcome = status(folder).await;
        let keys = outcome.as_ref().ok().map(|status| (status.revision, status.total_key));
        let said = outcome.map(|status| format!("its status says: {} entries up to revision {}", status.total_key, status.revision));
        if !climbed.step(ProofLevel::Readable, began, said) || wanted < ProofLevel::Boots {
            return climbed;
        }
        let began = Moment::now();
        let outcome = self.boot(folder, keys.map_or(0, |(revision, _)| revision)).await;
        if climbed.step(ProofLevel::Boots, began, outcome) {
            climbed.booted_at = Some(Moment::now());
        }
        climbed
    }
}

impl Etcd {
    fn login(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        let mut variables = vec![("ETCDCTL_API", "3".to_owned())];
        let password = sources::secret(self.0.password_file.as_ref(), self.0.password_env.as_ref())?;
        match (&self.0.user, password) {
            (Some(user), Some(password)) => variables.extend([("ETCDCTL_USER", user.clone()), ("ETCDCTL_PASSWORD", password)]),
            (None, None) => {}
            _ => bail!("a login at etcd is a `user` and a password"),
        }
        Ok(variables)
    }
    fn files(&self) -> impl Iterator<Item = (&'static str, String)> {
        let named = |name: &'static str, file: &Option<PathBuf>| file.as_ref().map(|file| (name, file.to_string_lossy().into_owned()));
        let EtcdSettings { ca_file, cert_file, key_file, .. } = &self.0;
        [named("ETCDCTL_CACERT", ca_file), named("ETCDCTL_CERT", cert_file), named("ETCDCTL_KEY", key_file)].into_iter().flatten()
    }

    async fn boot(&self, folder: &Folder, revision: i64) -> Result<String, Broken> {
        let surroundings = |error: anyhow::Error| Broken::surroundings(format!("{error:#}"));
        let server = find_program("etcd", "etcd-server").map_err(surroundings)?;
        let etcdctl = find_program("etcdctl", "etcd-client").map_err(surroundings)?;
        // etcd has no socket without a number; between two servers that look for one at once, the later one fails, and the proof with it.
        let (clients, peers) = (free_port().map_err(surroundings)?, free_port().map_err(surroundings)?);
        let (clients, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
        let (data, members) = (folder.inside("data"), format!("scratch={peers}"));
        let mut line = restorer(&etcdctl);
        line.extend(["snapshot".to_owned(), "restore".to_owned(), folder.inside(&format!("files/{SNAPSHOT}"))]);
        for (name, value) in
            [("--data-dir", &*data), ("--name", "scratch"), ("--initial-cluster", &members), ("--initial-advertise-peer-urls", &peers)]
        {
            line.extend([name.to_owned(), value.to_owned()]);
        }
        let environment = [("ETCDCTL_API", "3"), folder.variable()];
        program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await.map_err(Broken::of_tool)?;
        let mut line = vec![server];
        for (name, value) in [
            ("--name", "scratch"),
            ("--data-dir", &*data),
            ("--listen-client-urls", &clients),
            ("--advertise-client-urls", &clients),
            ("--listen-peer-urls", &peers),
            ("--initial-advertise-peer-urls", &peers),
            ("--initial-cluster", &members),
        ] {
            line.extend([name.to_owned(), value.to_owned()]);
        }
        let mut daemon = Daemon::start(&line, &[folder.variable()], folder).map_err(surroundings)?;
        // Users and roles are restored too, so it wants to know who asks.
        let mut variables = self.login().map_err(surroundings)?;
        variables.push(("ETCDCTL_ENDPOINTS", clients));
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).chain([folder.variable()]).collect();
        let ask: Vec<String> =
            [&*etcdctl, "get", "", "--from-key", "--keys-only", "--limit=1", "--write-out=json"].into_iter().map(str::to_owned).collect();
        let answered = daemon.ready(&ask, &variables, folder, |said| serde_json::from_str::<Answer>(said).ok()).await;
        daemon.stop().await;
        let answer = answered?;
        if answer.header.revision < revision {
            return Err(Broken::backup(format!("it has the revision {}, and the snapshot was of {revision}", answer.header.revision)));
        }
        Ok(format!("a scratch etcd has {} keys at revision {}", answer.count, answer.header.revision))
    }
}

#[derive(Deserialize)]
struct Answer {
    header: Header,
    /// Absent where there is no key.
    #[serde(default)]
    count: i64,
}

#[derive(Deserialize)]
struct Header {
    revision: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    revision: i64,
    total_key: i64,
}

/// From etcd 3.6 on, what works on files is a tool of its own.
fn restorer(etcdctl: &str) -> Vec<String> {
    vec![find_program("etcdutl", "etcd-client").unwrap_or_else(|_| etcdctl.to_owned())]
}

async fn status(folder: &Folder) -> Result<Status, Broken> {
    let etcdctl = find_program("etcdctl", "etcd-client").map_err(|error| Broken::surroundings(format!("{error:#}")))?;
    let mut line = restorer(&etcdctl);
    line.extend(["snapshot".to_owned(), "status".to_owned(), folder.inside(&format!("files/{SNAPSHOT}")), "--write-out=json".to_owned()]);
    let environment = [("ETCDCTL_API", "3"), folder.variable()];
    let said = program::run_as(&line, &environment, folder.run_as(), scratch::PATIENCE).await.map_err(Broken::of_tool)?;
    serde_json::from_str(&said).map_err(|error| Broken::surroundings(format!("its status cannot be read: {error}")))
}

fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("there is no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}
