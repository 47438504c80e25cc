//! A DNS name sends the clients: it stands for the addresses of the regions they are sent to. Clients that asked before
//! may follow the old answer until its time to live is over, so every sentence that matters says for how long.

use super::{Abilities, TrafficControl, span, targets::Targets};
use crate::{
    config::{Config, read_secret},
    connect::dns::{DnsName, NameServer, PATIENCE, Standing, Target, in_words},
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use domain::{
    base::{Name, Ttl},
    tsig::{Algorithm, Key},
    utils::base64,
};
use engine::{
    estate::{TrafficMeans, TsigAlgorithm},
    failover::plan::names_or_none,
    id::RegionId,
    time::Span,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Dns {
    server: NameServer,
    name: DnsName,
    ttl: Ttl,
    targets: Targets,
}

impl Dns {
    pub(super) fn new(means: &TrafficMeans, config: &Config) -> anyhow::Result<Self> {
        let TrafficMeans::Dns { server, zone, name, ttl, key, algorithm, targets } = means else {
            bail!("this is not sent by DNS");
        };
        let (zone, name) = (parsed(zone)?, parsed(name)?);
        if !name.ends_with(&zone) {
            bail!("{name} does not lie in the zone {zone}");
        }
        let seconds = u32::try_from(ttl.as_millis() / 1_000).ok().filter(|seconds| ttl.as_millis() % 1_000 == 0 && *seconds <= 7 * 86_400);
        let ttl = Ttl::from_secs(seconds.with_context(|| format!("the time to live {ttl} is not whole seconds up to a week"))?);
        let server = NameServer { address: server.clone(), zone, key: signing_key(key, *algorithm, config)? };
        let targets = Targets::parse(name.to_string(), targets)?;
        Ok(Self { server, name, ttl, targets })
    }

    fn regions_of(&self, standing: &Standing) -> anyhow::Result<BTreeSet<RegionId>> {
        self.targets.regions_of(&standing.records.keys().collect())
    }

    fn wanted(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<BTreeMap<Target, Ttl>> {
        Ok(self.targets.wanted(to)?.into_iter().map(|target| (target, self.ttl)).collect())
    }

    /// A server accepts an alias beside other records and then ignores it; clients would be sent nowhere.
    async fn check_room(&self, wanted: &BTreeMap<Target, Ttl>) -> anyhow::Result<()> {
        if !wanted.keys().any(|target| matches!(target, Target::Alias(_))) {
            return Ok(());
        }
        let others = self.server.beside_an_alias(&self.name).await?;
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        if !others.is_empty() {
            bail!("{} has records of another kind too ({}), and an alias (CNAME) cannot stand beside them", self.name, others.join(", "));
        }
        Ok(())
    }

    /// What remains in caches after a change.
    fn caches(&self, before: &Standing, after: &Standing) -> String {
        let kept = before.records.values().max().or(before.none_for.as_ref());
        let kept = kept.map(|ttl| format!("clients that asked before may follow the old answer for up to {}", seconds(*ttl)));
        let none = after.none_for.filter(|_| after.records.is_empty());
        let none = none.map(|ttl| format!("clients that ask now may remember for up to {} that there is none", seconds(ttl)));
        [kept, none].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

#[async_trait]
impl TrafficControl for Dns {
    fn abilities(&self) -> Abilities {
        Abilities { rehearses: true, reads_back: true, simulated: false, delay: Some(seconds(self.ttl)), patience: Some(span(PATIENCE)) }
    }

    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        self.regions_of(&self.server.standing(&self.name).await?)
    }

    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let wanted = self.wanted(to)?;
        let before = self.server.standing(&self.name).await?;
        self.regions_of(&before)?;
        let (name, server) = (&self.name, &self.server.address);
        if before.records == wanted {
            return Ok(format!("{name} stands for {} on {server} already: clients are sent to {}", in_words(wanted.keys()), names_or_none(to)));
        }
        self.check_room(&wanted).await?;
        self.server.replace(name, &before, &wanted).await?;
        let after = self.server.standing(name).await?;
        if after.records != wanted {
            bail!("the name server {server} accepted the change of {name}, but answers {}", in_words(after.records.keys()));
        }
        let caches = self.caches(&before, &after);
        Ok(if wanted.is_empty() {
            format!("the records of {name} were deleted on {server}, read back: clients that ask now get no address at all; {caches}")
        } else {
            let (targets, to) = (in_words(wanted.keys()), names_or_none(to));
            format!("{name} stands for {targets} on {server}, read back: clients that ask now are sent to {to}; {caches}")
        })
    }

    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let wanted = self.wanted(to)?;
        let before = self.server.standing(&self.name).await?;
        let now = self.regions_of(&before)?;
        self.check_room(&wanted).await?;
        self.server.rehearse(&self.name, &before, &wanted).await?;
        let (name, server) = (&self.name, &self.server.address);
        let found = format!("{name} stands for {} on {server}, which sends clients to {}", in_words(before.records.keys()), names_or_none(&now));
        let would = if wanted.is_empty() {
            "its records would be deleted: clients would get no address at all".to_owned()
        } else {
            format!("it would stand for {}", in_words(wanted.keys()))
        };
        Ok(format!("{found}; {would}; the server accepts such changes (it was asked for one that changes nothing)"))
    }
}

fn parsed(text: &str) -> anyhow::Result<DnsName> {
    Name::vec_from_str(text).with_context(|| format!("“{text}” is no DNS name"))
}

fn seconds(ttl: Ttl) -> Span {
    Span::from_secs(u64::from(ttl.as_secs()))
}

fn signing_key(name: &str, algorithm: TsigAlgorithm, config: &Config) -> anyhow::Result<Key> {
    let Some(declared) = config.dns_key.get(name) else {
        bail!("the configuration has no [dns_key.\"{name}\"] with secret_file");
    };
    let secret = base64::decode::<Vec<u8>>(&read_secret(&declared.secret_file)?);
    let secret = secret.map_err(|_| anyhow::anyhow!("the secret file {} holds no base64", declared.secret_file.display()))?;
    let algorithm = match algorithm {
        TsigAlgorithm::HmacSha256 => Algorithm::Sha256,
        TsigAlgorithm::HmacSha384 => Algorithm::Sha384,
        TsigAlgorithm::HmacSha512 => Algorithm::Sha512,
    };
    let key_name = name.parse().with_context(|| format!("“{name}” is no name of a key"))?;
    Ok(Key::new(algorithm, &secret, key_name, None, None)?)
}
