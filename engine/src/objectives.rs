//! What was promised, what can be estimated and what was achieved, kept apart, and the verdict over them with its reasons.
//! Achieved is only what an operation or a restore measured; a promise nobody proved is “not proven”, never “met”.

use crate::{
    backups::{Backup, Proof, ProofResult},
    dependencies::Graph,
    estate::{Estate, Service, StrategyKind, Verification},
    failover::{Mode, Operation, OperationKind, State},
    findings::Objective,
    health::Health,
    id::{BackupId, OperationId, PolicyId, ServiceId},
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
    pub by: Evidence,
    pub at: Instant,
}

/// What measured it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "evidence")]
pub enum Evidence {
    Operation {
        id: OperationId,
        kind: OperationKind,
    },
    /// A backup was restored, and what was restored answered.
    Restore {
        policy: PolicyId,
        backup: BackupId,
    },
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Evidence::Operation { id, kind } => write!(f, "the {kind} {}", id.short()),
            Evidence::Restore { policy, backup } => write!(f, "the restore of the backup {} of {policy}", backup.short()),
        }
    }
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
    let restores = picture.estate.strategy_of(service).is_some_and(|strategy| strategy.kind == StrategyKind::BackupRestore);
    let can_move = (has_cluster || service.traffic.is_some()) && !restores;
    let restored = newest_restore(picture, &service.id);
    // Where the service moves, a restore is the way back from a corruption: worth knowing, and another promise.
    let deciding = restored.as_ref().filter(|_| !can_move);
    let (by_move, lost) = if can_move { (measured(|operation| operation.measured.recovery_time), measured(lost_in_emergency)) } else { (None, None) };
    let is_measurable = can_move || is_proven_by_restoring(picture, &service.id);
    let mut rto = weigh(service.rto, rto_below, by_move.or_else(|| deciding.map(Restored::time)), is_measurable);
    let mut rpo =
        weigh(service.rpo, rpo_below, lost.or_else(|| deciding.and_then(Restored::loss)), (has_cluster && !restores) || is_measurable && !can_move);
    if let Some(restored) = &restored {
        let expired = deciding.and_then(|restored| restored.expired(picture.now));
        for assessment in [&mut rto, &mut rpo] {
            if let Some(expired) = expired {
                assessment.worsen(Verdict::NotProven, format!("that proof counts no more since {}", expired.format("%Y-%m-%d %H:%M UTC")));
            }
        }
        if can_move {
            rto.reasons.push(format!("{} measured {}", restored.evidence(), restored.took));
        }
    }
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
    Some(Achieved { value: value?, by: Evidence::Operation { id: operation.id, kind: operation.plan.kind }, at: operation.ended_at? })
}

/// A proof that restored a backup of a service, with what it measured.
struct Restored<'a> {
    backup: &'a Backup,
    verification: &'a Verification,
    /// Up to here everything was found in what was restored.
    recovered_to: Option<Instant>,
    began: Instant,
    ended: Instant,
    /// From the first byte read until it answered.
    took: Span,
}

impl Restored<'_> {
    fn evidence(&self) -> Evidence {
        Evidence::Restore { policy: self.backup.policy.clone(), backup: self.backup.id }
    }
    fn time(&self) -> Achieved {
        Achieved { value: self.took, by: self.evidence(), at: self.ended }
    }
    /// What would have been lost, had the source been lost when the restore began.
    fn loss(&self) -> Option<Achieved> {
        Some(Achieved { value: Span::between(self.recovered_to?, self.began), by: self.evidence(), at: self.ended })
    }
    /// Since when it counts no more.
    fn expired(&self, now: Instant) -> Option<Instant> {
        Some(self.ended + self.verification.valid_for.as_delta()).filter(|expires| *expires < now)
    }
}

/// Whether backups of the service are declared to be restored regularly.
fn is_proven_by_restoring(picture: &Picture, service: &ServiceId) -> bool {
    let levels = picture.estate.backup_policies.iter().filter(|policy| policy.service == *service).filter_map(|policy| policy.verification.as_ref());
    levels.into_iter().any(|verification| verification.level.is_restored())
}

/// The newest proof that restored a backup of the service, where the backup was not found to be broken since.
fn newest_restore<'a>(picture: &'a Picture, service: &ServiceId) -> Option<Restored<'a>> {
    let policies = picture.estate.backup_policies.iter().filter(|policy| policy.service == *service);
    let proofs = policies.filter_map(|policy| Some((policy, policy.verification.as_ref()?))).flat_map(|(policy, verification)| {
        let backups = picture.records.backups.of(&policy.id).iter().filter(|backup| backup.is_restorable());
        backups.flat_map(move |backup| backup.proofs.iter().filter_map(move |proof| restored(backup, verification, proof)))
    });
    proofs.max_by_key(|restored| restored.ended)
}

fn restored<'a>(backup: &'a Backup, verification: &'a Verification, proof: &Proof) -> Option<Restored<'a>> {
    let (ended, result): &(Instant, ProofResult) = proof.ended.as_ref()?;
    let reached = result.failure.is_none() && result.reached().is_some_and(|level| level >= verification.level && level.is_restored());
    let took = result.restore_took.filter(|_| reached)?;
    Some(Restored { backup, verification, recovered_to: result.recovered_to, began: proof.started_at, ended: *ended, took })
}

/// The RPO is about emergencies: a planned move that waits for the last byte proves nothing about it.
fn lost_in_emergency(operation: &Operation) -> Option<Span> {
    operation.measured.lost_span.filter(|_| operation.plan.kind == OperationKind::Failover)
}

fn weigh(promised: Span, below: Span, achieved: Option<Achieved>, is_measurable: bool) -> Assessment {
    let estimated = (below > promised)
        .then(|| Estimated { value: below, how: format!("something it needs promises only {below}, and objectives count from the incident") });
    let (verdict, reason) = match &achieved {
        Some(achieved) if achieved.value > promised => (Verdict::Breached, format!("{} measured {}", achieved.by, achieved.value)),
        Some(achieved) => (Verdict::Met, format!("{} measured {}", achieved.by, achieved.value)),
        None if is_measurable => (Verdict::NotProven, "nothing has measured it yet".to_owned()),
        None => (Verdict::NotAssessed, "nothing here measures it: nothing of the service can be moved, and no restore of it is declared".to_owned()),
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
