//! The tier matrix as data: the rows a page shows, and where it stands among all of them.

use super::query::{Query, Sort};
use crate::ui::state::Tone;
use engine::{
    estate::Service,
    findings::{About, Finding},
    health::Health,
    id::{RegionId, ServiceId},
    picture::Picture,
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use std::collections::{BTreeMap, BTreeSet};

mod details;
pub use details::{Complaint, Details, EndpointLine, Neighbour, strategy_in_words};

/// One page of the tier matrix.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Matrix {
    pub now: Instant,
    /// The columns of health, in the estate's order; only regions where something is probed or declared.
    pub regions: Vec<RegionId>,
    pub rows: Vec<Row>,
    /// Services in the estate, and how many of them match.
    pub total: usize,
    pub matching: usize,
    /// Counts from 1; the last one where the URL asked for one beyond.
    pub page: usize,
    pub pages: usize,
}

/// One service. Short on purpose: a hundred of these are in a page.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Row {
    pub id: ServiceId,
    pub tier: u8,
    pub rto: String,
    pub rpo: String,
    pub mtpd: String,
    pub depends_on: Vec<Dependency>,
    pub data_class: String,
    pub compliance: Vec<String>,
    /// One per region of the matrix; `None` where it is not meant to run there.
    pub health: Vec<Option<Health>>,
    pub findings: usize,
    pub worst: Tone,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Dependency {
    pub id: ServiceId,
    /// A service of that name exists.
    pub defined: bool,
}

impl Matrix {
    pub const ROWS_PER_PAGE: usize = 100;

    pub fn of(picture: &Picture, query: &Query) -> Self {
        let findings = by_service(&picture.findings());
        let text = query.text.to_lowercase();
        let mut matching: Vec<Ranked<'_>> = picture
            .estate
            .services
            .iter()
            .filter(|service| query.tier.is_none_or(|tier| service.tier.number() == tier) && matches(service, &text))
            .map(|service| Ranked::of(picture, service, &findings))
            .filter(|ranked| !query.troubled || ranked.worst != Tone::Ok)
            .collect();
        sort(&mut matching, query);
        let pages = matching.len().div_ceil(Self::ROWS_PER_PAGE).max(1);
        let page = query.page.clamp(1, pages);
        let regions = regions(picture);
        let known: BTreeSet<&ServiceId> = picture.estate.services.iter().map(|service| &service.id).collect();
        let shown = matching.iter().skip((page - 1) * Self::ROWS_PER_PAGE).take(Self::ROWS_PER_PAGE);
        Self {
            now: picture.now,
            rows: shown.map(|ranked| ranked.row(picture, &regions, &known)).collect(),
            regions,
            total: picture.estate.services.len(),
            matching: matching.len(),
            page,
            pages,
        }
    }
}

/// A service with what it is sorted by.
struct Ranked<'a> {
    service: &'a Service,
    /// Its health alone.
    health: Tone,
    findings: usize,
    /// Of health and findings.
    worst: Tone,
}

impl<'a> Ranked<'a> {
    fn of(picture: &Picture, service: &'a Service, findings: &BTreeMap<ServiceId, (usize, Tone)>) -> Self {
        let regions = picture.estate.regions.iter();
        let health = Tone::worst(regions.filter_map(|region| health_in(picture, service, &region.id)).map(Tone::from));
        let (findings, tone) = findings.get(&service.id).copied().unwrap_or((0, Tone::Ok));
        Self { service, health, findings, worst: health.max(tone) }
    }

    fn row(&self, picture: &Picture, regions: &[RegionId], known: &BTreeSet<&ServiceId>) -> Row {
        let service = self.service;
        Row {
            id: service.id.clone(),
            tier: service.tier.number(),
            rto: service.rto.to_string(),
            rpo: service.rpo.to_string(),
            mtpd: service.mtpd.to_string(),
            depends_on: service.depends_on.iter().map(|id| Dependency { id: id.clone(), defined: known.contains(id) }).collect(),
            data_class: service.data_class.to_string(),
            compliance: service.compliance.clone(),
            health: regions.iter().map(|region| health_in(picture, service, region)).collect(),
            findings: self.findings,
            worst: self.worst,
        }
    }
}

/// The verdict on a service in a region, from its endpoint and from its database nodes there: down where all of it is
/// down, degraded where some of it is not well, unknown where nothing was looked at. `None` where it is not meant to run.
pub fn health_in(picture: &Picture, service: &Service, region: &RegionId) -> Option<Health> {
    let endpoints = service.endpoints.iter().filter(|endpoint| &endpoint.region == region).map(|endpoint| {
        let seen = picture.observed.endpoints.get(&(service.id.clone(), endpoint.region.clone()));
        seen.map_or(Health::Unknown, |view| view.judgement.health)
    });
    let clusters = picture.estate.clusters.iter().filter(|cluster| cluster.service == service.id);
    let nodes = clusters.flat_map(|cluster| cluster.nodes.iter().map(move |node| (cluster, node))).filter(|(_, node)| &node.region == region);
    let nodes = nodes.map(|(cluster, node)| {
        let seen = picture.observed.clusters.get(&cluster.id).and_then(|view| view.node(&node.id));
        seen.map_or(Health::Unknown, |view| view.judgement.health)
    });
    let all: Vec<Health> = endpoints.chain(nodes).collect();
    let first = *all.first()?;
    Some(if all.iter().all(|health| *health == first) {
        first
    } else if all.contains(&Health::Unknown) {
        Health::Unknown
    } else {
        Health::Degraded
    })
}

fn by_service(findings: &[Finding]) -> BTreeMap<ServiceId, (usize, Tone)> {
    let mut counted = BTreeMap::new();
    for finding in findings {
        if let About::Service(id) = &finding.about {
            let (count, worst) = counted.entry(id.clone()).or_insert((0, Tone::Ok));
            *count += 1;
            *worst = Tone::from(finding.severity).max(*worst);
        }
    }
    counted
}

fn matches(service: &Service, text: &str) -> bool {
    text.is_empty()
        || service.id.as_str().contains(text)
        || service.owner.as_ref().is_some_and(|owner| owner.to_lowercase().contains(text))
        || service.compliance.iter().any(|mark| mark.to_lowercase().contains(text))
        || service.depends_on.iter().any(|dependency| dependency.as_str().contains(text))
}

/// Ties are broken by tier and name, always upwards, so that the order is total.
fn sort(ranked: &mut [Ranked<'_>], query: &Query) {
    ranked.sort_by(|a, b| {
        let (first, second) = (a.service, b.service);
        let order = match query.sort {
            Sort::Tier => first.tier.cmp(&second.tier),
            Sort::Name => first.id.cmp(&second.id),
            Sort::Rto => first.rto.cmp(&second.rto),
            Sort::Rpo => first.rpo.cmp(&second.rpo),
            Sort::Mtpd => first.mtpd.cmp(&second.mtpd),
            Sort::Health => a.health.cmp(&b.health),
            Sort::Findings => (a.worst, a.findings).cmp(&(b.worst, b.findings)),
        };
        let order = if query.down { order.reverse() } else { order };
        order.then_with(|| (first.tier, &first.id).cmp(&(second.tier, &second.id)))
    });
}

fn regions(picture: &Picture) -> Vec<RegionId> {
    let probed = picture.estate.services.iter().flat_map(|service| &service.endpoints).map(|endpoint| &endpoint.region);
    let nodes = picture.estate.clusters.iter().flat_map(|cluster| &cluster.nodes).map(|node| &node.region);
    let used: BTreeSet<&RegionId> = probed.chain(nodes).collect();
    let declared = picture.estate.regions.iter().map(|region| &region.id);
    let undeclared = used.iter().copied().filter(|region| picture.estate.region(region).is_none());
    declared.filter(|region| used.contains(region)).chain(undeclared).cloned().collect()
}
