//! What was promised, what can be estimated and what was achieved, kept apart, and the verdict over them with its reasons.
//! Achieved is only what an operation measured; a promise nobody proved is “not proven”, never “met”.

use crate::{
    dependencies::Graph,
    estate::{Estate, Service},
    failover::{Mode, Operation, OperationKind, State},
    findings::Objective,
    health::Health,
    id::{OperationId, ServiceId},
    picture::Picture,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// Whether a promise is kept. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Measured, and within the promise.
    Met,
    /// Could be kept, and nothing measured says that it is.
    NotProven,
    /// There is nothing that could measure it.
    NotAssessed,
    /// Measured, and beyond the promise; or broken right now.
    Breached,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Verdict::Met => "met",
            Verdict::NotProven => "not proven",
            Verdict::NotAssessed => "not assessed",
            Verdict::Breached => "breached",
        })
    }
}

/// Something measured, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Achieved {
    /// Zero is a value: nothing was lost.
    pub value: Span,
    pub operation: OperationId,
    pub kind: OperationKind,
    pub at: Instant,
}

/// An upper or lower bound by arithmetic, with the arithmetic in words. Never a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimated {
    pub value: Span,
    pub how: String,
}

/// One objective of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    pub promised: Span,
    pub estimated: Option<Estimated>,
    pub achieved: Option<Achieved>,
    pub verdict: Verdict,
    /// Why, in words; never empty.
    pub reasons: Vec<String>,
}

/// Both objectives of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceObjectives {
    pub service: ServiceId,
    pub rto: Assessment,
    pub rpo: Assessment,
}

/// Assesses every service, in the order of the estate.
pub fn assess_all(picture: &Picture) -> Vec<ServiceObjectives> {
    let graph = Graph::of(&picture.estate);
    let (rto, rpo) = (graph.longest_promises(Objective::Rto), graph.longest_promises(Objective::Rpo));
    let below = |service: &Service, longest: &std::collections::HashMap<&ServiceId, Span>| longest.get(&service.id).copied().unwrap_or(Span::ZERO);
    let services = picture.estate.services.iter();
    services.map(|service| assess_one(picture, service, below(service, &rto), below(service, &rpo))).collect()
}

/// Assesses one service. `None` where it is not declared.
pub fn assess(picture: &Picture, service: &ServiceId) -> Option<ServiceObjectives> {
    let service = picture.estate.service(service)?;
    let (rto, rpo) = longest_below(&picture.estate, service);
    Some(assess_one(picture, service, rto, rpo))
}

/// The verdict over one operation against the promises of its time: a later edit of the estate does not change it.
pub fn of_operation(operation: &Operation) -> (Option<Verdict>, Option<Verdict>) {
    let judge = |promised: Option<Span>, measured: Option<Span>| {
        promised.map(|promised| match measured {
            _ if operation.state != State::Succeeded => Verdict::NotProven,
            None => Verdict::NotProven,
            Some(measured) if measured <= promised => Verdict::Met,
            Some(_) => Verdict::Breached,
        })
    };
    if operation.plan.kind.mends() {
        return (None, None);
    }
    (judge(operation.plan.rto, operation.measured.recovery_time), judge(operation.plan.rpo, operation.measured.lost_span))
}

fn longest_below(estate: &Estate, service: &Service) -> (Span, Span) {
    let graph = Graph::of(estate);
    let of = |objective| graph.longest_promises(objective).get(&service.id).copied().unwrap_or(Span::ZERO);
    (of(Objective::Rto), of(Objective::Rpo))
}

fn assess_one(picture: &Picture, service: &Service, rto_below: Span, rpo_below: Span) -> ServiceObjectives {
    let moves = moves_of(picture, &service.id);
    let measured = |value: fn(&Operation) -> Option<Span>| {
        moves.iter().rev().filter(|operation| operation.state == State::Succeeded).find_map(|operation| achieved(operation, value(operation)))
    };
    let has_cluster = picture.estate.clusters.iter().any(|cluster| cluster.service == service.id);
    let can_move = has_cluster || service.traffic.is_some();
    let mut rto = weigh(service.rto, rto_below, measured(|operation| operation.measured.recovery_time), can_move);
    let mut rpo = weigh(service.rpo, rpo_below, measured(lost_in_emergency), has_cluster);
    if let Some(unfinished) = moves.last().filter(|last| last.state != State::Succeeded) {
        let reason = format!("the newest {} ({}) did not succeed: {}", unfinished.plan.kind, unfinished.id.short(), unfinished.state);
        for assessment in [&mut rto, &mut rpo] {
            assessment.worsen(Verdict::NotProven, reason.clone());
        }
    }
    if let Some((since, why)) = outage(picture, &service.id) {
        let lasts = Span::between(since, picture.now);
        if lasts > service.rto {
            rto.worsen(Verdict::Breached, format!("down since {} and not back: {why}", since.format("%H:%M:%S UTC")));
        }
    }
    ServiceObjectives { service: service.id.clone(), rto, rpo }
}

/// Moves of the service's clients and of its clusters' writes that got under way, in the order of their end; unfinished ones last.
fn moves_of<'a>(picture: &'a Picture, service: &ServiceId) -> Vec<&'a Operation> {
    let ours = |operation: &&Operation| {
        let moves = !operation.plan.kind.mends()
            && operation.plan.mode() != Mode::Test
            && !operation.plan.is_simulated()
            && operation.started_at.is_some()
            && !operation.state.is_running();
        let scope = operation.plan.scope();
        let of_cluster = scope.cluster().and_then(|id| picture.estate.cluster(id)).is_some_and(|cluster| &cluster.service == service);
        moves && (of_cluster || scope.service() == Some(service))
    };
    let mut moves: Vec<&Operation> = picture.records.operations.values().filter(ours).collect();
    moves.sort_by_key(|operation| (operation.ended_at.is_none(), operation.ended_at, operation.id));
    moves
}

fn achieved(operation: &Operation, value: Option<Span>) -> Option<Achieved> {
    Some(Achieved { value: value?, operation: operation.id, kind: operation.plan.kind, at: operation.ended_at? })
}

/// The RPO is about emergencies: a planned move that waits for the last byte proves nothing about it.
fn lost_in_emergency(operation: &Operation) -> Option<Span> {
    operation.measured.lost_span.filter(|_| operation.plan.kind == OperationKind::Failover)
}

fn weigh(promised: Span, below: Span, achieved: Option<Achieved>, can_move: bool) -> Assessment {
    let estimated = (below > promised)
        .then(|| Estimated { value: below, how: format!("something it needs promises only {below}, and objectives count from the incident") });
    let (verdict, reason) = match &achieved {
        Some(achieved) if achieved.value > promised => {
            (Verdict::Breached, format!("the {} {} measured {}", achieved.kind, achieved.operation.short(), achieved.value))
        }
        Some(achieved) => (Verdict::Met, format!("the {} {} measured {}", achieved.kind, achieved.operation.short(), achieved.value)),
        None if can_move => (Verdict::NotProven, "no operation has measured it yet".to_owned()),
        None => (Verdict::NotAssessed, "nothing here measures it: nothing of the service can be moved".to_owned()),
    };
    let mut assessment = Assessment { promised, estimated, achieved, verdict, reasons: vec![reason] };
    if let Some(estimated) = assessment.estimated.clone() {
        assessment.worsen(Verdict::NotProven, estimated.how);
    }
    assessment
}

impl Assessment {
    /// Adds a fact that speaks against the promise: the verdict gets worse or stays.
    fn worsen(&mut self, verdict: Verdict, reason: String) {
        self.verdict = self.verdict.max(verdict);
        self.reasons.push(reason);
    }
}

/// Since when one of the service's clusters has no node that takes writes, as far as that is known.
fn outage(picture: &Picture, service: &ServiceId) -> Option<(Instant, String)> {
    let clusters = picture.estate.clusters.iter().filter(|cluster| &cluster.service == service);
    let views = clusters.filter_map(|cluster| picture.observed.clusters.get(&cluster.id)).filter(|view| view.writable().is_empty());
    views
        .filter_map(|view| view.primary())
        .filter(|primary| primary.judgement.health == Health::Down)
        .filter_map(|primary| Some((primary.judgement.since?, primary.judgement.why.clone())))
        .min()
}
