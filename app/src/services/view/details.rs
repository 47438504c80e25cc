//! One service with everything known about it.

use crate::ui::state::Tone;
use engine::{
    dependencies,
    findings::About,
    health::{Health, Outcome},
    id::{ClusterId, RegionId, ServiceId},
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Details {
    pub now: Instant,
    pub id: ServiceId,
    pub tier: u8,
    pub tier_meaning: String,
    pub rto: String,
    pub rpo: String,
    pub mtpd: String,
    pub data_class: String,
    pub compliance: Vec<String>,
    pub owner: Option<String>,
    /// Declared strategy, in words.
    pub strategy: Option<String>,
    pub depends_on: Vec<Neighbour>,
    /// Those that would feel its loss, directly or not; itself left out. At most `NEIGHBOURS_SHOWN`, `affected_total` counts all.
    pub affected: Vec<ServiceId>,
    pub affected_total: usize,
    pub endpoints: Vec<EndpointLine>,
    /// Its clients are sent to regions, and can be moved.
    pub moves: bool,
    /// The database cluster behind it.
    pub cluster: Option<ClusterId>,
    pub findings: Vec<Complaint>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Neighbour {
    pub id: ServiceId,
    /// `None` where no service of that name exists.
    pub tier: Option<u8>,
}

/// One endpoint and the verdict on it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct EndpointLine {
    pub region: RegionId,
    pub target: String,
    pub health: Health,
    pub why: String,
    pub since: Option<Instant>,
    pub sampled_at: Option<Instant>,
    /// How long the last answer took; absent where it failed.
    pub took: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Complaint {
    pub tone: Tone,
    pub what: String,
    /// What to do next.
    pub remedy: String,
    pub since: Option<Instant>,
}

impl Details {
    pub const NEIGHBOURS_SHOWN: usize = 40;

    /// `None` where no service has that id.
    pub fn of(picture: &Picture, id: &ServiceId) -> Option<Self> {
        let estate = &picture.estate;
        let service = estate.service(id)?;
        let affected: Vec<ServiceId> = dependencies::affected_by(estate, id).into_iter().filter(|other| other != id).collect();
        let findings = picture.findings().into_iter().filter(|finding| finding.about == About::Service(id.clone()));
        Some(Self {
            now: picture.now,
            id: id.clone(),
            tier: service.tier.number(),
            tier_meaning: service.tier.meaning().to_owned(),
            rto: service.rto.to_string(),
            rpo: service.rpo.to_string(),
            mtpd: service.mtpd.to_string(),
            data_class: service.data_class.to_string(),
            compliance: service.compliance.clone(),
            owner: service.owner.clone(),
            strategy: service.strategy.as_ref().map(|id| strategy_in_words(picture, id)),
            depends_on: service
                .depends_on
                .iter()
                .map(|id| Neighbour { id: id.clone(), tier: estate.service(id).map(|service| service.tier.number()) })
                .collect(),
            affected_total: affected.len(),
            affected: affected.into_iter().take(Self::NEIGHBOURS_SHOWN).collect(),
            endpoints: service.endpoints.iter().map(|endpoint| EndpointLine::of(picture, id, &endpoint.region, &endpoint.target)).collect(),
            moves: service.traffic.is_some(),
            cluster: estate.clusters.iter().find(|cluster| &cluster.service == id).map(|cluster| cluster.id.clone()),
            findings: findings
                .map(|finding| Complaint {
                    tone: finding.severity.into(),
                    what: finding.complaint.to_string(),
                    remedy: finding.remedy(),
                    since: finding.since,
                })
                .collect(),
        })
    }
}

/// A declared strategy in a sentence.
pub fn strategy_in_words(picture: &Picture, id: &engine::id::StrategyId) -> String {
    use engine::estate::{FailoverMode, Replication, StrategyKind};
    let Some(strategy) = picture.estate.strategy(id) else {
        return format!("{id}, which is not declared");
    };
    let kind = match strategy.kind {
        StrategyKind::ActiveActive => "active-active",
        StrategyKind::ActivePassive => "active-passive",
        StrategyKind::WarmStandby => "warm standby",
        StrategyKind::PilotLight => "pilot light",
        StrategyKind::BackupRestore => "backup and restore",
    };
    let failover = match strategy.failover {
        FailoverMode::Automatic => "automatic",
        FailoverMode::SemiAutomatic => "semi-automatic",
        FailoverMode::Manual => "manual",
    };
    let replication = match strategy.replication {
        Replication::Synchronous => "synchronous",
        Replication::Asynchronous => "asynchronous",
    };
    let to = strategy.recovery_regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{id}: {kind}, from {} to {to}; {failover} failover, {replication} replication (as declared)", strategy.primary_region)
}

impl EndpointLine {
    fn of(picture: &Picture, service: &ServiceId, region: &RegionId, target: &str) -> Self {
        let seen = picture.observed.endpoints.get(&(service.clone(), region.clone()));
        let last = seen.and_then(|view| view.last.as_ref());
        Self {
            region: region.clone(),
            target: target.to_owned(),
            health: seen.map_or(Health::Unknown, |view| view.judgement.health),
            why: seen.map_or("never measured".to_owned(), |view| view.judgement.why.clone()),
            since: seen.and_then(|view| view.judgement.since),
            sampled_at: last.map(|sample| sample.at),
            took: last.filter(|sample| !matches!(sample.outcome, Outcome::Failed(_))).map(|sample| Span::rough(sample.took)),
        }
    }
}
