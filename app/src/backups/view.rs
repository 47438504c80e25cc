//! What the backup pages show.

use super::window::Window;
use crate::{operations::words::restore_href, session::Viewer, ui::state::Tone};
use engine::{
    access::Permission,
    backups::{
        Backup, BackupCopy, BackupState, BackupType, Fault, Proof, Proven, Trigger, calendar,
        health::{Freshness, ProofStanding, Standing},
        retention::{Fate, Keep, fates_in},
        sights::{Progress, Stage},
    },
    databases::bytes_in_words,
    estate::{BackupPolicy, BackupSource},
    failover::restore::RestoreWish,
    findings::{self, About, Finding, Severity},
    id::{BackupId, PolicyId, ServiceId},
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use std::sync::Arc;

/// All policies.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Listing {
    pub now: Instant,
    pub policies: Vec<PolicyLine>,
}

/// One policy in a row.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct PolicyLine {
    pub id: PolicyId,
    pub service: ServiceId,
    pub kind: String,
    pub tone: Tone,
    pub word: String,
    /// The worst reason, where it is not well.
    pub says: Option<String>,
    pub success: Option<Instant>,
    pub size: Option<String>,
    pub point: Point,
    pub proof: ProofMark,
    pub next: Option<Instant>,
    /// The last two weeks, a letter each.
    pub days: String,
    pub running: Option<At>,
}

/// What would be lost if the source were lost now, beside what is promised.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Point {
    /// Everything before it is in the newest good backup; absent where there is none, or nobody knows.
    pub to: Option<Instant>,
    pub promised: Option<Span>,
    /// The age in percent of the promise, at most 100; absent where one of both is not known.
    pub share: Option<u8>,
}

/// How well the newest backups are proven.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ProofMark {
    pub tone: Tone,
    pub word: String,
    pub at: Option<Instant>,
}

/// Where a job or a proof is.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct At {
    pub says: String,
    pub since: Instant,
    /// Of what it is at, where that is known.
    pub percent: Option<u8>,
}

/// One policy with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct PolicyView {
    pub now: Instant,
    pub line: PolicyLine,
    pub reasons: Vec<Reason>,
    /// What it is, as name and value.
    pub facts: Vec<(String, String)>,
    pub fires: Vec<Instant>,
    pub zone: String,
    pub destinations: Vec<DestinationLine>,
    /// The last thirteen weeks, a letter each, and the first of these days.
    pub days: String,
    pub first_day: Instant,
    pub jobs: Vec<JobLine>,
    /// Jobs that are not listed.
    pub more: usize,
    pub proofs: Vec<ProofLine>,
    pub wanted: Option<Wanted>,
    /// What can be restored; absent where nothing can.
    pub window: Option<Window>,
    /// What retention takes next, the first to go first.
    pub leaving: Vec<Leaving>,
    /// Why the viewer may not start or hold, or not prove.
    pub barred_keep: Option<String>,
    pub barred_prove: Option<String>,
    /// For the next job, so that a form sent twice starts one.
    pub new_id: BackupId,
    /// Whether jobs are Lifeboat's own.
    pub own: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Reason {
    pub tone: Tone,
    pub what: String,
    pub remedy: String,
    pub since: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct DestinationLine {
    pub id: String,
    pub region: String,
    pub immutable: String,
    pub encrypted: String,
    /// When the newest copy was stored there, and how much it is.
    pub newest: Option<Instant>,
    pub size: Option<String>,
    pub tone: Tone,
    pub word: String,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct JobLine {
    pub id: BackupId,
    pub began: Instant,
    pub took: Option<Span>,
    pub why_begun: String,
    pub tone: Tone,
    pub word: String,
    /// Why it failed.
    pub said: Option<String>,
    pub size: Option<String>,
    pub copies: String,
    pub proof: ProofMark,
    pub kept: String,
    pub at: Option<At>,
    pub can_stop: bool,
    pub can_prove: bool,
    pub is_held: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ProofLine {
    pub backup: BackupId,
    pub from: String,
    pub by: String,
    pub began: Instant,
    pub tone: Tone,
    pub word: String,
    /// Rung, how long it took, what was seen.
    pub rungs: Vec<(String, Span, String)>,
    pub failure: Option<String>,
    pub restore_took: Option<Span>,
    pub recovered_to: Option<Instant>,
}

/// What could be restored for a moment that somebody asked for.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Wanted {
    pub at: Instant,
    pub backup: Option<BackupId>,
    pub point: Option<Instant>,
    pub proven: Option<Instant>,
    /// Where the plan of the restore is.
    pub href: Option<String>,
}

/// A backup that nothing but its age keeps, or nothing at all.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Leaving {
    pub id: BackupId,
    pub began: Instant,
    pub size: Option<String>,
    /// It is deleted after that; absent: with the next look.
    pub from: Option<Instant>,
}

const STRIP_DAYS: u32 = 14;
pub const CALENDAR_DAYS: u32 = 91;
const JOBS_LISTED: usize = 50;
const PROOFS_LISTED: usize = 12;
const LEAVING_LISTED: usize = 5;

impl Listing {
    pub fn of(picture: &Picture) -> Self {
        let found = findings::backups::findings(picture);
        let mut policies: Vec<PolicyLine> =
            picture.estate.backup_policies.iter().map(|policy| PolicyLine::of(picture, policy, &of_policy(&found, &policy.id))).collect();
        policies.sort_by(|a, b| (std::cmp::Reverse(a.tone), &a.id).cmp(&(std::cmp::Reverse(b.tone), &b.id)));
        Self { now: picture.now, policies }
    }
}

impl PolicyLine {
    /// `reasons` is what is wrong with it, worst first.
    fn of(picture: &Picture, policy: &BackupPolicy, reasons: &[Finding]) -> Self {
        let standing = picture.backups_stand(policy);
        let (tone, word) = freshness(standing.freshness);
        let worst = reasons.first().filter(|reason| reason.severity != Severity::Watch || tone == Tone::Watch);
        let times = picture.observed.backups.times.get(&policy.id);
        Self {
            id: policy.id.clone(),
            service: policy.service.clone(),
            kind: policy.kind.to_string(),
            tone: Tone::worst(std::iter::once(tone).chain(worst.map(|reason| Tone::from(reason.severity)))),
            word: word.to_owned(),
            says: worst.map(|reason| reason.complaint.to_string()),
            success: standing.success.and_then(|backup| backup.ended_at),
            size: standing.success.and_then(size),
            point: Point::of(picture, policy, &standing),
            proof: ProofMark::of(&standing.proof),
            next: times.and_then(|times| times.next.first().copied()),
            days: days(picture, policy, STRIP_DAYS),
            running: standing.running.map(|running| at(picture, running)),
        }
    }
}

/// Of all findings those of one policy, worst first.
fn of_policy(found: &[Finding], policy: &PolicyId) -> Vec<Finding> {
    let mut of: Vec<Finding> = found.iter().filter(|finding| matches!(&finding.about, About::Policy(id) if id == policy)).cloned().collect();
    of.sort_by_cached_key(|finding| (finding.severity, finding.complaint.to_string()));
    of
}

fn days(picture: &Picture, policy: &BackupPolicy, count: u32) -> String {
    let interval = picture.observed.backups.times.get(&policy.id).and_then(|times| times.interval);
    match picture.records.backups.policy(&policy.id) {
        Some(record) => calendar::days(policy, record, interval, count, picture.now).into_iter().map(calendar::Day::letter).collect(),
        None => "-".repeat(count as usize),
    }
}

fn size(backup: &Backup) -> Option<String> {
    backup.contents.as_ref().map(|contents| bytes_in_words(contents.bytes()))
}

fn freshness(freshness: Freshness) -> (Tone, &'static str) {
    match freshness {
        Freshness::Ok => (Tone::Ok, "on time"),
        Freshness::New => (Tone::Unknown, "new"),
        Freshness::Unknown => (Tone::Unknown, "unknown"),
        Freshness::Late => (Tone::Watch, "late"),
        Freshness::Overdue => (Tone::Act, "overdue"),
        Freshness::Failed => (Tone::Act, "failed"),
    }
}

fn at(picture: &Picture, backup: &Backup) -> At {
    match picture.observed.backups.progress.get(&backup.id) {
        Some(at) => progress(at, picture.now),
        None => At { says: "waiting for its turn".to_owned(), since: backup.started_at, percent: None },
    }
}

/// How far something has come, with its rate and, where its end is known, how long that takes at this rate.
pub fn progress(at: &Progress, now: Instant) -> At {
    let Progress { stage, bytes, total, since } = at;
    let did = match stage {
        Stage::Reading => "reading".to_owned(),
        Stage::Copying(to) => format!("copying to {to}"),
        Stage::Fetching(from) => format!("fetching from {from}"),
        Stage::Proving => "restoring".to_owned(),
    };
    let percent = total.filter(|total| *total > 0).map(|total| u8::try_from(bytes.saturating_mul(100) / total).unwrap_or(100).min(100));
    let elapsed = Span::between(*since, now).as_millis().max(1);
    let rate = bytes.saturating_mul(1_000) / elapsed;
    let left = total.filter(|_| rate > 0).map(|total| Span::from_secs(total.saturating_sub(*bytes) / rate));
    let left = left.map(|left| format!(", {} left at this rate", left.rough())).unwrap_or_default();
    let much = if *bytes == 0 { String::new() } else { format!(", {} at {} a second{left}", bytes_in_words(*bytes), bytes_in_words(rate)) };
    At { says: format!("{did}{much}"), since: *since, percent }
}

impl Point {
    fn of(picture: &Picture, policy: &BackupPolicy, standing: &Standing<'_>) -> Self {
        let to = standing.success.and_then(|backup| backup.contents.as_ref()).and_then(|contents| contents.recoverable_to);
        let promised = picture.estate.service(&policy.service).map(|service| service.rpo);
        let share = |to: Instant, promised: Span| {
            let age = Span::between(to, picture.now).as_millis();
            u8::try_from(age.saturating_mul(100) / promised.as_millis().max(1)).unwrap_or(100).min(100)
        };
        Self { to, promised, share: to.zip(promised).map(|(to, promised)| share(to, promised)) }
    }
}

impl ProofMark {
    fn of(standing: &ProofStanding<'_>) -> Self {
        let (tone, word, at) = match standing {
            ProofStanding::NotDeclared => (Tone::Unknown, "never restored", None),
            ProofStanding::Never => (Tone::Unknown, "not proven yet", None),
            ProofStanding::Proven { at, .. } => (Tone::Ok, "restored", Some(*at)),
            ProofStanding::Expired { at, .. } => (Tone::Watch, "proof expired", Some(*at)),
            ProofStanding::Failed { at, .. } => (Tone::Lost, "CANNOT BE RESTORED", Some(*at)),
        };
        Self { tone, word: word.to_owned(), at }
    }

    fn of_backup(backup: &Backup) -> Self {
        let (tone, word, at) = match backup.proven() {
            _ if backup.running_proof().is_some() => (Tone::Unknown, "being proven".to_owned(), None),
            Proven::Not => (Tone::Unknown, "not proven".to_owned(), None),
            Proven::To { level, at } if level.is_restored() => (Tone::Ok, format!("restored: {level}"), Some(at)),
            Proven::To { level, at } => (Tone::Unknown, format!("not restored: {level}"), Some(at)),
            Proven::Failed { level, at, .. } => (Tone::Lost, format!("FAILED: {level}"), Some(at)),
        };
        Self { tone, word, at }
    }
}

impl PolicyView {
    /// `None` where there is no such policy.
    pub fn of(picture: &Picture, viewer: &Viewer, id: &PolicyId, new_id: BackupId, asked: Option<Instant>) -> Option<Self> {
        let policy = picture.estate.backup_policy(id)?;
        let backups = picture.records.backups.of(id);
        let found = findings::backups::of_policy(picture, id);
        let times = picture.observed.backups.times.get(id);
        let reason = |finding: Finding| Reason {
            tone: finding.severity.into(),
            what: finding.complaint.to_string(),
            remedy: finding.remedy(),
            since: finding.since,
        };
        let fates = fates_in(&picture.estate, &picture.records.backups, policy, picture.now);
        let jobs = backups.iter().zip(&fates).rev().take(JOBS_LISTED);
        let mut proofs: Vec<(&Backup, &Proof)> =
            backups.iter().flat_map(|backup| backup.proofs.iter().map(move |proof| (&**backup, proof))).collect();
        proofs.sort_by_key(|(_, proof)| std::cmp::Reverse(proof.started_at));
        Some(Self {
            now: picture.now,
            line: PolicyLine::of(picture, policy, &found),
            reasons: found.into_iter().map(reason).collect(),
            facts: facts(picture, policy),
            fires: times.map(|times| times.next.clone()).unwrap_or_default(),
            zone: policy.time_zone.clone(),
            destinations: policy.destinations.iter().map(|id| DestinationLine::of(picture, id, backups)).collect(),
            days: days(picture, policy, CALENDAR_DAYS),
            first_day: picture.now - chrono::TimeDelta::days(i64::from(CALENDAR_DAYS) - 1),
            jobs: jobs.map(|(backup, fate)| JobLine::of(picture, policy, backup, &fate.kept)).collect(),
            more: backups.len().saturating_sub(JOBS_LISTED),
            proofs: proofs.into_iter().take(PROOFS_LISTED).map(|(backup, proof)| ProofLine::of(backup, proof)).collect(),
            window: Window::of(picture, policy),
            leaving: leaving(backups, &fates),
            wanted: asked.map(|at| Wanted::of(picture, policy, at)),
            barred_keep: viewer.barred(Permission::KeepBackups),
            barred_prove: viewer.barred(Permission::Rehearse),
            new_id,
            own: policy.source.is_made_here(),
        })
    }
}

/// What is kept for nothing but its age, with the end of that, and what nothing keeps. Later good ones may let others go as well.
fn leaving(backups: &[Arc<Backup>], fates: &[Fate]) -> Vec<Leaving> {
    let goes = |(backup, fate): (&Arc<Backup>, &Fate)| {
        let from = match fate.kept[..] {
            [] => None,
            [Keep::Young { until }] => Some(until),
            _ => return None,
        };
        (backup.state == BackupState::Completed).then(|| Leaving { id: backup.id, began: backup.started_at, size: size(backup), from })
    };
    let mut leaving: Vec<Leaving> = backups.iter().zip(fates).filter_map(goes).collect();
    leaving.sort_by_key(|one| (one.from, one.began));
    leaving.truncate(LEAVING_LISTED);
    leaving
}

fn facts(picture: &Picture, policy: &BackupPolicy) -> Vec<(String, String)> {
    let tool = picture.observed.backups.tools.get(&policy.id).cloned().unwrap_or_else(|| policy.source.tool().to_owned());
    let source = match &policy.source {
        BackupSource::PgBasebackup { cluster } => format!("the cluster {cluster}, by {tool}"),
        BackupSource::PgReceivewal { cluster } => format!("the write-ahead log of {cluster}, by {tool}"),
        BackupSource::PgDump { cluster, database } => format!("the database {database} of {cluster}, by {tool}"),
        BackupSource::Pgbackrest { cluster, stanza } => format!("the cluster {cluster}, by {tool}, stanza {stanza}"),
        BackupSource::Qdrant { name, collection: Some(collection) } => format!("the collection {collection} of {name}, by {tool}"),
        BackupSource::Restic { name }
        | BackupSource::Redis { name }
        | BackupSource::Etcd { name }
        | BackupSource::Qdrant { name, collection: None }
        | BackupSource::Command { name } => format!("{name}, by {tool}"),
        BackupSource::Observed { .. } => format!("others make them, with {tool}; its list is read"),
        BackupSource::Reported => "by a job of its own, which tells how it went".to_owned(),
    };
    let verification = match &policy.verification {
        Some(verification) => format!("up to “{}” every {}, counts for {}", verification.level, verification.every, verification.valid_for),
        None => "none declared".to_owned(),
    };
    let base = policy.base.as_ref().map(|base| ("Builds on", base.to_string()));
    let mut facts = vec![
        ("Reads", source),
        ("Schedule", format!("{} ({}), late after {}", policy.schedule, policy.time_zone, policy.grace)),
        ("Kept", format!("{}, and the newest {} good ones", policy.retention, policy.at_least.max(1))),
        ("Proof", verification),
        ("Time-out", policy.timeout.to_string()),
    ];
    facts.extend(base.filter(|_| policy.kind != BackupType::Full));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl DestinationLine {
    fn of(picture: &Picture, id: &engine::id::DestinationId, backups: &[Arc<Backup>]) -> Self {
        let declared = picture.estate.destination(id);
        let known = |value: Option<bool>| match value {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let newest = backups.iter().rev().find_map(|backup| match backup.copies.get(id)? {
            BackupCopy::Stored { at } => Some((*at, &**backup)),
            BackupCopy::Failed { .. } | BackupCopy::Missing { .. } => None,
        });
        let last = backups.iter().rev().find_map(|backup| backup.copies.get(id));
        let damaged = backups.iter().rev().find(|backup| backup.copies.contains_key(id)).is_some_and(|backup| backup.damaged().contains_key(id));
        let (tone, word) = match last {
            None => (Tone::Unknown, "no copy yet"),
            Some(BackupCopy::Stored { .. }) if damaged => (Tone::Lost, "DAMAGED"),
            Some(BackupCopy::Stored { .. }) => (Tone::Ok, "stored"),
            Some(BackupCopy::Failed { .. }) => (Tone::Act, "failed"),
            Some(BackupCopy::Missing { .. }) => (Tone::Act, "GONE"),
        };
        Self {
            id: id.to_string(),
            region: declared.map_or_else(|| "not declared".to_owned(), |declared| declared.region.to_string()),
            immutable: known(declared.and_then(|declared| declared.immutable)).to_owned(),
            encrypted: known(declared.and_then(|declared| declared.encrypted)).to_owned(),
            newest: newest.map(|(at, _)| at),
            size: newest.and_then(|(_, backup)| size(backup)),
            tone,
            word: word.to_owned(),
        }
    }
}

impl JobLine {
    fn of(picture: &Picture, policy: &BackupPolicy, backup: &Backup, kept: &[Keep]) -> Self {
        let (tone, word) = match backup.state {
            BackupState::Running => (Tone::Unknown, "running"),
            BackupState::Completed => (Tone::Ok, "complete"),
            BackupState::Failed => (Tone::Act, "failed"),
            BackupState::Deleting => (Tone::Watch, "deleting"),
        };
        let stored = backup.copies.values().filter(|copy| copy.is_stored()).count();
        let copies = if backup.trigger == Trigger::Reported { "its own".to_owned() } else { format!("{stored} of {}", policy.destinations.len()) };
        let why_begun = match &backup.trigger {
            Trigger::Schedule { missed: 0, .. } => "schedule".to_owned(),
            Trigger::Schedule { missed, .. } => format!("schedule, for {missed} missed"),
            Trigger::Asked { reason } => format!("{}: {reason}", backup.by),
            Trigger::Reported => "told".to_owned(),
        };
        let good = backup.state == BackupState::Completed;
        let kept = match (good, kept.first()) {
            (false, _) => String::new(),
            (true, Some(_)) => kept.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            (true, None) => "nothing keeps it".to_owned(),
        };
        let works = backup.state == BackupState::Running || backup.running_proof().is_some();
        Self {
            id: backup.id,
            began: backup.started_at,
            took: backup.took(),
            why_begun,
            tone,
            word: word.to_owned(),
            said: backup.why.clone(),
            size: size(backup),
            copies,
            proof: ProofMark::of_backup(backup),
            kept,
            at: works.then(|| at(picture, backup)),
            can_stop: backup.state == BackupState::Running && backup.trigger != Trigger::Reported && backup.stop_asked.is_none(),
            can_prove: backup.is_good() && backup.running_proof().is_none() && backup.trigger != Trigger::Reported,
            is_held: backup.hold.is_some(),
        }
    }
}

impl ProofLine {
    fn of(backup: &Backup, proof: &Proof) -> Self {
        let result = proof.ended.as_ref().map(|(_, result)| result);
        let reached = result.and_then(engine::backups::ProofResult::reached);
        let (tone, word) = match result.map(|result| &result.failure) {
            None => (Tone::Unknown, "running".to_owned()),
            Some(Some(failure)) if failure.fault == Fault::Backup => (Tone::Lost, format!("failed at “{}”", failure.level)),
            Some(Some(failure)) => (Tone::Unknown, format!("could not be carried out at “{}”", failure.level)),
            Some(None) => match reached {
                Some(level) if level.is_restored() => (Tone::Ok, format!("restored: {level}")),
                Some(level) => (Tone::Unknown, format!("not restored: {level}")),
                None => (Tone::Unknown, "nothing was tried".to_owned()),
            },
        };
        Self {
            backup: backup.id,
            from: proof.destination.to_string(),
            by: proof.by.to_string(),
            began: proof.started_at,
            tone,
            word,
            rungs: result
                .map(|result| result.rungs.iter().map(|rung| (rung.level.to_string(), rung.took, rung.said.clone())).collect())
                .unwrap_or_default(),
            failure: result.and_then(|result| result.failure.as_ref()).map(|failure| failure.why.clone()),
            restore_took: result.and_then(|result| result.restore_took),
            recovered_to: result.and_then(|result| result.recovered_to),
        }
    }
}

impl Wanted {
    fn of(picture: &Picture, policy: &BackupPolicy, at: Instant) -> Self {
        let Some(wish) = RestoreWish::for_moment(picture, policy, at) else {
            return Self { at, backup: None, point: None, proven: None, href: None };
        };
        let plan = picture.restore_plan(&wish);
        let change = plan.as_ref().and_then(|plan| plan.restore());
        Self {
            at,
            backup: Some(wish.backup),
            point: change.and_then(|change| change.reaches),
            proven: change.and_then(|change| change.proven),
            href: Some(restore_href(&wish)),
        }
    }
}
