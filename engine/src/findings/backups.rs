//! What is wrong with backups: with what is declared, and with what came of it.

use super::{About, Complaint, Finding, Severity};
use crate::{
    backups::{
        Backup, BackupCopy, BackupType, Trigger,
        chain::{self, GapKind},
        health::{self, Freshness, Pace, ProofStanding, Size, Standing},
    },
    estate::{BackupPolicy, Estate},
    id::{PolicyId, RegionId},
    picture::Picture,
    time::{Instant, Span},
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything about backups, in no particular order.
pub fn findings(picture: &Picture) -> Vec<Finding> {
    let mut found = Found { picture, list: Vec::new() };
    found.declared();
    for policy in &picture.estate.backup_policies {
        found.policy(policy);
    }
    found.losses();
    found.list
}

/// What is wrong with one policy, worst first: the reasons of its standing.
pub fn of_policy(picture: &Picture, policy: &PolicyId) -> Vec<Finding> {
    let about = About::Policy(policy.clone());
    let mut found: Vec<Finding> = findings(picture).into_iter().filter(|finding| finding.about == about).collect();
    found.sort_by_cached_key(|finding| (finding.severity, finding.complaint.to_string()));
    found
}

struct Found<'a> {
    picture: &'a Picture,
    list: Vec<Finding>,
}

impl<'a> Found<'a> {
    fn add(&mut self, severity: Severity, policy: &BackupPolicy, since: Option<Instant>, complaint: Complaint) {
        self.list.push(Finding { severity, about: About::Policy(policy.id.clone()), complaint, since });
    }

    fn declared(&mut self) {
        let estate = &*self.picture.estate;
        let mut seen = BTreeSet::new();
        for policy in &estate.backup_policies {
            if !seen.insert(&policy.id) {
                self.add(Severity::Act, policy, None, Complaint::PartDeclaredTwice { what: format!("the backup policy {}", policy.id) });
            }
            if estate.service(&policy.service).is_none() {
                let complaint = Complaint::BackupOfNothing { policy: policy.id.clone(), what: format!("the service {}", policy.service) };
                self.add(Severity::Act, policy, None, complaint);
            }
            if let Some(cluster) = policy.source.cluster().filter(|id| estate.cluster(id).is_none()) {
                let complaint = Complaint::BackupOfNothing { policy: policy.id.clone(), what: format!("the cluster {cluster}") };
                self.add(Severity::Act, policy, None, complaint);
            }
            for destination in policy.destinations.iter().filter(|id| estate.destination(id).is_none()) {
                self.add(Severity::Act, policy, None, Complaint::UndeclaredDestination { destination: destination.clone() });
            }
            if let Some(region) = only_where_the_data_is(estate, policy) {
                self.add(Severity::Watch, policy, None, Complaint::CopiesWithTheData { region });
            }
            self.base(policy);
            if policy.verification.is_none() {
                self.add(Severity::Watch, policy, None, Complaint::NeverRestored);
            }
            self.rungs(policy);
        }
        for destination in &estate.destinations {
            if estate.region(&destination.region).is_none() {
                let complaint = Complaint::UndeclaredRegion { of: format!("the destination {}", destination.id), region: destination.region.clone() };
                self.list.push(Finding { severity: Severity::Act, about: About::Estate, complaint, since: None });
            }
        }
    }

    /// A rung that there is none of for a source is never reached, and never green.
    fn rungs(&mut self, policy: &BackupPolicy) {
        let highest = policy.source.highest_rung();
        if let Some(verification) = policy.verification.as_ref().filter(|verification| highest.is_none_or(|highest| verification.level > highest)) {
            let complaint = Complaint::RungNotAvailable { wanted: verification.level, tool: policy.source.tool().to_owned(), highest };
            self.add(Severity::Watch, policy, None, complaint);
        }
    }

    /// What builds on another backup is worth nothing without it (trap B14), and no longer than it (trap B15).
    fn base(&mut self, policy: &BackupPolicy) {
        let estate = &*self.picture.estate;
        let base = policy.base.as_ref().and_then(|id| estate.backup_policy(id));
        match base {
            None if policy.kind.builds_on_another() => {
                self.add(Severity::Act, policy, None, Complaint::NoBase { kind: policy.kind, named: policy.base.clone() });
            }
            Some(base) if policy.kind == BackupType::Continuous && policy.retention < base.retention => {
                let complaint = Complaint::ContinuousShorterThanBase { own: policy.retention, base: base.id.clone(), kept: base.retention };
                self.add(Severity::Watch, policy, None, complaint);
            }
            _ => {}
        }
    }

    fn policy(&mut self, policy: &BackupPolicy) {
        let standing = self.picture.backups_stand(policy);
        let times = self.picture.observed.backups.times.get(&policy.id);
        if let Some(why) = times.and_then(|times| times.mistake.clone()) {
            self.add(Severity::Act, policy, None, Complaint::ScheduleMistaken { why });
        }
        if let Some(why) = self.picture.observed.backups.troubles.get(&policy.id) {
            self.add(Severity::Act, policy, None, Complaint::BackupCannotRun { why: why.clone() });
        }
        self.freshness(policy, &standing);
        match standing.size {
            Size::Empty => self.add(Severity::Act, policy, standing.success.and_then(|backup| backup.ended_at), Complaint::BackupEmpty),
            Size::Shrunk { bytes, median, percent } => {
                let since = standing.success.and_then(|backup| backup.ended_at);
                self.add(Severity::Act, policy, since, Complaint::BackupShrunk { bytes, median, percent });
            }
            Size::NotJudged | Size::Usual => {}
        }
        if let Pace::Slow { took, median, running } = standing.pace {
            self.add(Severity::Watch, policy, None, Complaint::BackupSlow { took, median, running });
        }
        if let Some(success) = standing.success {
            self.copies(policy, success);
        }
        self.log(policy);
        self.proof(policy, &standing);
    }

    /// What is missing of the log since the oldest full backup that is kept (row 21).
    fn log(&mut self, policy: &BackupPolicy) {
        let ledger = &self.picture.records.backups;
        let (Some(base), stretches) = (&policy.base, ledger.of(&policy.id)) else { return };
        let bases = ledger.of(base);
        let first = bases.iter().find(|backup| backup.is_good()).map(|backup| backup.started_at);
        // What is only late is told by the lateness.
        for gap in chain::gaps(stretches, None, false).into_iter().filter(|gap| gap.kind == GapKind::Lost) {
            let since = gap.before.map(|(_, began)| began);
            if let (true, Some(to)) = (first.zip(since).is_some_and(|(first, since)| since > first), gap.to) {
                self.add(Severity::Act, policy, since, Complaint::WalGap { from: gap.from, to });
            }
        }
        let has_log =
            stretches.iter().rev().find(|backup| backup.is_good() && backup.contents.as_ref().is_some_and(|contents| contents.wal.is_some()));
        if let Some(last) = has_log
            && chain::up_to(bases, stretches, last.id).is_none()
        {
            self.add(Severity::Act, policy, last.ended_at, Complaint::WalWithoutBase);
        }
    }

    fn freshness(&mut self, policy: &BackupPolicy, standing: &Standing<'_>) {
        let last = standing.success.and_then(|backup| backup.ended_at);
        if let (Some(lateness), Some(from)) = (standing.lateness, standing.late_from) {
            let severity = if lateness == Freshness::Overdue { Severity::Act } else { Severity::Watch };
            self.add(severity, policy, Some(from), Complaint::BackupLate { lateness, last });
        }
        if let Some(failed) = standing.latest.filter(|_| standing.failures > 0) {
            let why = failed.why.clone().unwrap_or_else(|| "nobody said why".to_owned());
            // One failure is worth knowing; that there is no fresh one any more is said by the lateness.
            let severity = if standing.failures > 1 || last.is_none() { Severity::Act } else { Severity::Watch };
            self.add(severity, policy, failed.ended_at, Complaint::BackupFailed { failures: standing.failures, why });
        }
    }

    fn copies(&mut self, policy: &BackupPolicy, backup: &Backup) {
        for destination in &policy.destinations {
            let backup_id = backup.id;
            match backup.copies.get(destination) {
                Some(BackupCopy::Stored { .. }) => {}
                Some(BackupCopy::Failed { at, why, .. }) => {
                    let complaint = Complaint::CopyFailed { backup: backup_id, destination: destination.clone(), why: why.clone() };
                    self.add(Severity::Act, policy, Some(*at), complaint);
                }
                // That one is looked for in all that are kept, below.
                Some(BackupCopy::Missing { .. }) => {}
                None if backup.trigger == Trigger::Reported => {}
                None => self.add(
                    Severity::Watch,
                    policy,
                    backup.ended_at,
                    Complaint::CopyNeverMade { backup: backup_id, destination: destination.clone() },
                ),
            }
        }
        let missing: Vec<_> = self
            .picture
            .records
            .backups
            .of(&policy.id)
            .iter()
            .flat_map(|backup| backup.copies.iter().map(move |(destination, copy)| (backup.id, destination, copy)))
            .filter_map(|(id, destination, copy)| match copy {
                BackupCopy::Missing { since, why } => Some((id, destination.clone(), *since, why.clone())),
                BackupCopy::Stored { .. } | BackupCopy::Failed { .. } => None,
            })
            .collect();
        for (backup, destination, since, why) in missing {
            self.add(Severity::Act, policy, Some(since), Complaint::CopyMissing { backup, destination, why });
        }
    }

    fn proof(&mut self, policy: &BackupPolicy, standing: &Standing<'_>) {
        for backup in self.picture.records.backups.of(&policy.id) {
            for (destination, (at, failure)) in
                backup.damaged().into_iter().filter(|(id, _)| backup.copies.get(*id).is_some_and(BackupCopy::is_stored))
            {
                let complaint = Complaint::CopyDamaged { backup: backup.id, destination: destination.clone(), why: failure.why.clone() };
                self.add(Severity::Act, policy, Some(at), complaint);
            }
        }
        match &standing.proof {
            ProofStanding::Failed { backup, at, why } => {
                let others = self.picture.records.backups.of(&policy.id).iter().any(|other| other.is_restorable());
                let severity = if others { Severity::Act } else { Severity::Lost };
                self.add(severity, policy, Some(*at), Complaint::ProofFailed { backup: backup.id, others, why: why.clone() });
            }
            ProofStanding::Expired { expired, at, .. } => self.add(Severity::Watch, policy, Some(*expired), Complaint::ProofExpired { proven: *at }),
            ProofStanding::Never if standing.success.is_some() => self.add(Severity::Watch, policy, None, Complaint::NotProvenYet),
            ProofStanding::Never | ProofStanding::NotDeclared | ProofStanding::Proven { .. } => {}
        }
    }

    /// What can be lost at worst, by the best policy of each service, against what is promised (trap B13, row 25).
    fn losses(&mut self) {
        let estate = &*self.picture.estate;
        let mut best: BTreeMap<_, (Span, &BackupPolicy)> = BTreeMap::new();
        for policy in &estate.backup_policies {
            let Some(interval) = self.picture.observed.backups.times.get(&policy.id).and_then(|times| times.interval) else { continue };
            let worst = health::worst_loss(policy, interval, health::longest_job(self.picture.records.backups.of(&policy.id)));
            let known = best.entry(&policy.service).or_insert((worst, policy));
            if worst < known.0 {
                *known = (worst, policy);
            }
        }
        let services: Vec<_> = best.into_iter().filter_map(|(service, (worst, policy))| Some((estate.service(service)?, worst, policy))).collect();
        for (service, worst, policy) in services {
            if worst > service.rpo {
                let complaint = Complaint::LossAbovePromise { service: service.id.clone(), worst, promised: service.rpo };
                self.add(Severity::Watch, policy, None, complaint);
            }
        }
        // Whoever declares no backups at all keeps them elsewhere.
        for cluster in estate.clusters.iter().filter(|_| !estate.backup_policies.is_empty()) {
            let covered = estate.backup_policies.iter().any(|policy| policy.service == cluster.service);
            if !covered && estate.service(&cluster.service).is_some() {
                let complaint = Complaint::NoBackupPolicy { service: cluster.service.clone() };
                self.list.push(Finding { severity: Severity::Watch, about: About::Service(cluster.service.clone()), complaint, since: None });
            }
        }
    }
}

/// The region that all copies and the source lie in, where it is one (trap B16).
fn only_where_the_data_is(estate: &Estate, policy: &BackupPolicy) -> Option<RegionId> {
    let places: BTreeSet<&RegionId> = policy.destinations.iter().filter_map(|id| Some(&estate.destination(id)?.region)).collect();
    let [place] = places.into_iter().collect::<Vec<_>>()[..] else { return None };
    let nodes = policy.source.cluster().and_then(|id| estate.cluster(id)).map(|cluster| &cluster.nodes[..]).unwrap_or_default();
    let strategy = estate.service(&policy.service).and_then(|service| estate.strategy_of(service));
    let home = strategy.map(|strategy| &strategy.primary_region);
    (home == Some(place) || nodes.iter().any(|node| node.region == *place && home.is_none())).then(|| place.clone())
}
