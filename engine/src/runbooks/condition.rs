//! What a step may wait for: something that Lifeboat sees. What is not known is not so (unknown is never green).

use super::Target;
use crate::{
    databases::{NodeRole, Protection},
    health::{Health, healths},
    id::{ClusterId, NodeId, RegionId, Scope, ServiceId},
    picture::Picture,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Each is about the target of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Everything that is looked at of the service (in the region, where one is named), the cluster, or the region is well.
    Well,
    /// Everything that is looked at of the service in the region, or in the whole region, is down.
    Down,
    /// Exactly one node of the cluster takes writes: the named one, or one in the named region, where one is named.
    WritesTaken,
    /// The cluster would survive the loss of its primary.
    Protected,
    /// The standby has replayed all that the primary has on its disk.
    CaughtUp,
    /// Clients of the service are sent to the region, and nowhere else.
    ClientsIn,
}

impl Condition {
    pub const ALL: [Condition; 6] =
        [Condition::Well, Condition::Down, Condition::WritesTaken, Condition::Protected, Condition::CaughtUp, Condition::ClientsIn];

    pub fn name(self) -> &'static str {
        match self {
            Condition::Well => "well",
            Condition::Down => "down",
            Condition::WritesTaken => "writes-taken",
            Condition::Protected => "protected",
            Condition::CaughtUp => "caught-up",
            Condition::ClientsIn => "clients-in",
        }
    }
    /// What of a target it cannot do without; where several are named, one is enough.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Condition::Well => &["service", "cluster", "region"],
            Condition::Down => &["service", "region"],
            Condition::WritesTaken | Condition::Protected => &["cluster"],
            Condition::CaughtUp => &["node"],
            Condition::ClientsIn => &["service"],
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::Well => "it is well",
            Condition::Down => "it is down",
            Condition::WritesTaken => "exactly one node takes writes, and the right one",
            Condition::Protected => "it would survive the loss of its primary",
            Condition::CaughtUp => "the standby has replayed all that the primary has written",
            Condition::ClientsIn => "its clients are sent there, and nowhere else",
        })
    }
}

impl FromStr for Condition {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Condition::ALL.map(Condition::name).join(", ");
        Condition::ALL
            .into_iter()
            .find(|condition| condition.name() == text)
            .ok_or_else(|| format!("“{text}” is nothing that can be waited for; that is one of {}", names()))
    }
}

/// Whether it is so now; the error says why not (yet), in words.
///
/// # Errors
/// What is not so, or not known.
pub fn holds(picture: &Picture, condition: Condition, target: &Target) -> Result<String, String> {
    match condition {
        Condition::Well => well(picture, target),
        Condition::Down => down(picture, target),
        Condition::WritesTaken => writes_taken(picture, target),
        Condition::Protected => protected(picture, target),
        Condition::CaughtUp => caught_up(picture, target),
        Condition::ClientsIn => clients_in(picture, target),
    }
}

fn named<T: FromStr>(kind: &str, value: Option<&String>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("the step names no {kind}"))?;
    value.parse().map_err(|_| format!("“{value}” is no {kind}"))
}

fn well(picture: &Picture, target: &Target) -> Result<String, String> {
    if let (Some(service), Some(region)) = (&target.service, &target.region) {
        let (service, region): (ServiceId, RegionId) = (named("service", Some(service))?, named("region", Some(region))?);
        return match judged(picture, &service, &region)? {
            (Health::Ok, _) => Ok(format!("{service} is well in {region}")),
            (health, why) => Err(format!("{service} is {health} in {region}: {why}")),
        };
    }
    let scope = if target.service.is_some() {
        Scope::Service(named("service", target.service.as_ref())?)
    } else if target.cluster.is_some() {
        Scope::Cluster(named("cluster", target.cluster.as_ref())?)
    } else {
        Scope::Region(named("region", target.region.as_ref())?)
    };
    let name = scope.name();
    if picture.is_well(&scope) { Ok(format!("{name} is well")) } else { Err(format!("{name} is not known to be well")) }
}

fn judged(picture: &Picture, service: &ServiceId, region: &RegionId) -> Result<(Health, String), String> {
    let judgement = crate::failover::traffic::health_in(picture, service, region);
    judgement.map(|judgement| (judgement.health, judgement.why.clone())).ok_or_else(|| format!("{service} is not probed in {region}"))
}

fn down(picture: &Picture, target: &Target) -> Result<String, String> {
    let region: RegionId = named("region", target.region.as_ref())?;
    if let Some(service) = &target.service {
        let service: ServiceId = named("service", Some(service))?;
        return match judged(picture, &service, &region)? {
            (Health::Down, why) => Ok(format!("{service} is down in {region}: {why}")),
            (health, _) => Err(format!("{service} is {health} in {region}")),
        };
    }
    let healths: Vec<Health> = healths(&picture.estate, &picture.observed, &region).collect();
    let down = healths.iter().filter(|health| **health == Health::Down).count();
    match healths.len() {
        0 => Err(format!("nothing is probed in {region}")),
        all if all == down => Ok(format!("all {all} that are probed in {region} are down")),
        all => Err(format!("{down} of {all} that are probed in {region} are down")),
    }
}

fn writes_taken(picture: &Picture, target: &Target) -> Result<String, String> {
    let cluster: ClusterId = named("cluster", target.cluster.as_ref())?;
    let (_, view) = picture.cluster(&cluster).ok_or_else(|| format!("nothing was seen of {cluster} yet"))?;
    let writable = view.writable();
    let [only] = writable[..] else { return Err(format!("{} nodes of {cluster} take writes", writable.len())) };
    if !only.judgement.is_ok() {
        return Err(format!("{} takes writes and is {}: {}", only.node, only.judgement.health, only.judgement.why));
    }
    if let Some(node) = target.node.as_ref().filter(|node| node.as_str() != only.node.as_str()) {
        return Err(format!("{} takes the writes of {cluster}, not {node}", only.node));
    }
    if let Some(region) = target.region.as_ref().filter(|region| region.as_str() != only.region.as_str()) {
        return Err(format!("{} in {} takes the writes of {cluster}, nothing in {region}", only.node, only.region));
    }
    Ok(format!("{} in {} takes the writes of {cluster}", only.node, only.region))
}

fn protected(picture: &Picture, target: &Target) -> Result<String, String> {
    let cluster: ClusterId = named("cluster", target.cluster.as_ref())?;
    match picture.protection(&cluster) {
        Some(Protection::Protected) => Ok(format!("{cluster} is protected")),
        Some(Protection::Reduced { missing } | Protection::Unprotected { missing }) => Err(format!("{cluster}: {}", missing.join("; "))),
        None => Err(format!("whether {cluster} is protected is not known")),
    }
}

fn caught_up(picture: &Picture, target: &Target) -> Result<String, String> {
    let node: NodeId = named("node", target.node.as_ref())?;
    let cluster = picture.estate.clusters.iter().find(|cluster| cluster.node(&node).is_some()).ok_or_else(|| format!("{node} is not declared"))?;
    let (_, view) = picture.cluster(&cluster.id).ok_or_else(|| format!("nothing was seen of {} yet", cluster.id))?;
    let rule = picture.estate.detection_of(cluster);
    let position = |id: &NodeId| -> Result<_, String> {
        let seen = view.node(id).ok_or_else(|| format!("nothing was seen of {id} yet"))?;
        if seen.is_stale(&rule, picture.now) {
            return Err(format!("the last reading of {id} is old"));
        }
        let reading = seen.reading.as_ref().ok_or_else(|| format!("{id} was never read"))?;
        Ok((reading.at, reading.role.clone()))
    };
    let primary = view.primary().ok_or_else(|| format!("no primary of {} is known", cluster.id))?;
    let (written_at, NodeRole::Primary { flushed, .. }) = position(&primary.node)? else {
        return Err(format!("{} does not take writes", primary.node));
    };
    match position(&node)? {
        (at, NodeRole::Standby { replayed, .. }) if replayed >= flushed && at >= written_at => {
            Ok(format!("{node} has replayed {replayed}, all that {} had written", primary.node))
        }
        (_, NodeRole::Standby { replayed, .. }) => Err(format!("{node} has replayed {replayed}, and {} has written {flushed}", primary.node)),
        (_, NodeRole::Primary { .. }) => Err(format!("{node} is no standby")),
    }
}

fn clients_in(picture: &Picture, target: &Target) -> Result<String, String> {
    let service: ServiceId = named("service", target.service.as_ref())?;
    let region: RegionId = named("region", target.region.as_ref())?;
    let view = picture.observed.traffic.get(&service).ok_or_else(|| format!("nothing is known to send clients of {service}"))?;
    let seen = view.on.as_ref().filter(|_| view.judgement.is_ok()).ok_or_else(|| format!("where clients of {service} are sent is not known"))?;
    let on = crate::failover::plan::names_or_none(&seen.regions);
    if seen.regions.len() == 1 && seen.regions.contains(&region) {
        Ok(format!("clients of {service} are sent to {on}"))
    } else {
        Err(format!("clients of {service} are sent to {on}"))
    }
}
