//! What the estate and the configuration say together: sources, tools that keep backups themselves, and destinations. What cannot be set
//! up is told as what keeps jobs from running: it must not keep the rest of the product from it.

use super::{
    AnyKeeper,
    keeper::{pgbackrest::Pgbackrest, restic::Restic},
    login::PgLogin,
    source::{
        AnySource, Machine, command::Command, etcd::Etcd, pg_basebackup::PgBasebackup, pg_dump::PgDump, pg_receivewal::PgReceivewal, qdrant::Qdrant,
        redis::Redis,
    },
};
use crate::{
    config::{Config, RepositorySettings, SourceSettings},
    connect::objects::Destination,
};
use anyhow::{Context, bail};
use engine::{
    estate::{BackupPolicy, BackupSource, Estate},
    id::{ClusterId, DestinationId, PolicyId},
};
use std::{collections::BTreeMap, sync::Arc};

/// What is there, or why it is not.
pub(super) type Found<K, V> = BTreeMap<K, Result<V, String>>;

fn machine(config: &Config) -> anyhow::Result<Machine> {
    Ok(Machine { postgres_bin: config.backups.find_postgres()? })
}

fn login(config: &Config, estate: &Estate, cluster: &ClusterId) -> anyhow::Result<PgLogin> {
    let known = config.database.get(cluster).with_context(|| format!("the configuration has no [database.{cluster}]"))?;
    let declared = estate.cluster(cluster).with_context(|| format!("the cluster {cluster} is not declared"))?;
    PgLogin::read(known, &declared.database)
}

/// `[backup_source.NAME]`.
pub(super) fn settings<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a SourceSettings> {
    config.backup_source.get(name).with_context(|| format!("the configuration has no [backup_source.{name}] that says what it is"))
}

fn of_another_kind(name: &str, kind: &str) -> anyhow::Error {
    anyhow::anyhow!("[backup_source.{name}] is of another kind; write kind = \"{kind}\"")
}

pub(super) fn sources(config: &Config, estate: &Estate) -> Found<PolicyId, AnySource> {
    let source = |policy: &BackupPolicy| -> anyhow::Result<Option<AnySource>> {
        Ok(Some(match &policy.source {
            BackupSource::PgBasebackup { cluster } => {
                Arc::new(PgBasebackup { machine: machine(config)?, login: login(config, estate, cluster)? }) as AnySource
            }
            BackupSource::PgDump { cluster, database } => {
                Arc::new(PgDump { machine: machine(config)?, login: login(config, estate, cluster)?, database: database.clone() })
            }
            BackupSource::PgReceivewal { cluster } => {
                // The characters that a slot may have.
                let slot = format!("lifeboat_{}", policy.id).replace('-', "_");
                let spool = config.data.join("log").join(policy.id.as_str());
                let login = login(config, estate, cluster)?;
                Arc::new(PgReceivewal { machine: machine(config)?, login, spool, slot, committed: Default::default() })
            }
            BackupSource::Redis { name } => match settings(config, name)? {
                SourceSettings::Redis(settings) => Arc::new(Redis(settings.clone())),
                _ => return Err(of_another_kind(name, "redis")),
            },
            BackupSource::Etcd { name } => match settings(config, name)? {
                SourceSettings::Etcd(settings) => Arc::new(Etcd(settings.clone())),
                _ => return Err(of_another_kind(name, "etcd")),
            },
            BackupSource::Qdrant { name, collection } => match settings(config, name)? {
                SourceSettings::Qdrant(settings) => {
                    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().user_agent("lifeboat");
                    let client = client.build().context("no client of HTTP can be made")?;
                    Arc::new(Qdrant { settings: settings.clone(), collection: collection.clone(), client })
                }
                _ => return Err(of_another_kind(name, "qdrant")),
            },
            BackupSource::Command { name } => match settings(config, name)? {
                SourceSettings::Command(settings) => Arc::new(Command { name: name.clone(), settings: settings.clone() }),
                _ => return Err(of_another_kind(name, "command")),
            },
            BackupSource::Pgbackrest { .. } | BackupSource::Restic { .. } | BackupSource::Observed { .. } | BackupSource::Reported => {
                return Ok(None);
            }
        }))
    };
    made(estate, source)
}

pub(super) fn keepers(config: &Config, estate: &Estate) -> Found<PolicyId, AnyKeeper> {
    let keeper = |policy: &BackupPolicy| -> anyhow::Result<Option<AnyKeeper>> {
        Ok(Some(match &policy.source {
            BackupSource::Restic { name } => {
                let SourceSettings::Files(files) = settings(config, name)? else { return Err(of_another_kind(name, "files")) };
                let repositories = repositories(config, policy, |settings| match settings {
                    RepositorySettings::Restic(repository) => Some(repository.clone()),
                    RepositorySettings::Pgbackrest(_) => None,
                })?;
                Arc::new(Restic { files: files.clone(), repositories }) as AnyKeeper
            }
            BackupSource::Pgbackrest { cluster, stanza } => {
                let repositories = repositories(config, policy, |settings| match settings {
                    RepositorySettings::Pgbackrest(repository) => Some(repository.clone()),
                    RepositorySettings::Restic(_) => None,
                })?;
                let (machine, login) = (machine(config)?, login(config, estate, cluster)?);
                Arc::new(Pgbackrest { machine, login, stanza: stanza.clone(), repositories })
            }
            _ => return Ok(None),
        }))
    };
    made(estate, keeper)
}

/// The destinations of a policy as one tool knows them.
fn repositories<T>(
    config: &Config,
    policy: &BackupPolicy,
    of: impl Fn(&RepositorySettings) -> Option<T>,
) -> anyhow::Result<BTreeMap<DestinationId, T>> {
    let mut found = BTreeMap::new();
    for id in &policy.destinations {
        let settings = config.repository.get(id);
        let settings = settings.with_context(|| format!("the configuration has no [repository.{id}], and {} keeps its own", policy.source.tool()))?;
        let Some(repository) = of(settings) else { bail!("[repository.{id}] is of another tool than {}", policy.source.tool()) };
        found.insert(id.clone(), repository);
    }
    Ok(found)
}

fn made<T>(estate: &Estate, of: impl Fn(&BackupPolicy) -> anyhow::Result<Option<T>>) -> Found<PolicyId, T> {
    let one = |policy: &BackupPolicy| match of(policy) {
        Ok(None) => None,
        Ok(Some(made)) => Some((policy.id.clone(), Ok(made))),
        Err(error) => Some((policy.id.clone(), Err(format!("{error:#}")))),
    };
    estate.backup_policies.iter().filter_map(one).collect()
}

/// Folders and buckets; what is a tool's own repository is none of them.
pub(super) fn destinations(config: &Config, estate: &Estate) -> Found<DestinationId, Destination> {
    let opened = |id: &DestinationId| {
        let settings = config.destination.get(id).with_context(|| format!("the configuration has no [destination.{id}] that says where it is"))?;
        Destination::open(id, settings)
    };
    let all = estate.destinations.iter().map(|declared| &declared.id).filter(|id| !config.repository.contains_key(*id));
    all.map(|id| (id.clone(), opened(id).map_err(|error| format!("{error:#}")))).collect()
}
