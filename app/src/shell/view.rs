//! What the status strip shows on every page.

use crate::ui::state::Tone;
use engine::{
    automation::Hold,
    failover::{Operation, State},
    id::OperationId,
    journal::Exposure,
    picture::Picture,
    restraints::{Held, Restraint},
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::appearance::Theme;

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct StripView {
    pub now: Instant,
    pub name: String,
    pub roles: Vec<String>,
    pub theme: Theme,
    /// How many things need a person now, and the worst of them.
    pub needs: usize,
    pub worst: Tone,
    pub running: Vec<Running>,
    pub exposed: Vec<Exposed>,
    /// An operation that waits or is under way and sets safety rules aside.
    pub rules_broken: Option<RulesBroken>,
    /// Whether Lifeboat may act by itself; absent where it has nothing to act on.
    pub automation: Option<Automation>,
    pub journal_broken: Option<String>,
}

/// An operation that is under way.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Running {
    pub id: OperationId,
    /// “failover of user-database”.
    pub what: String,
    pub since: Instant,
}

/// Whether Lifeboat may act by itself, in a few words, and everything that people hold back.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Automation {
    pub tone: Tone,
    pub word: String,
    /// The weightiest first.
    pub restraints: Vec<RestraintLine>,
}

/// One restraint in force.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RestraintLine {
    pub tone: Tone,
    pub word: String,
    pub by: String,
    /// Absent for what the estate declares.
    pub since: Option<Instant>,
    pub until: Option<Instant>,
    pub reason: String,
}

/// An operation that breaks safety rules, or would.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RulesBroken {
    pub id: OperationId,
    pub says: String,
}

/// A cluster or service that could not survive the loss of what it runs on, or only with less than was meant.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Exposed {
    pub name: String,
    pub href: String,
    pub unprotected: bool,
    pub since: Instant,
}

impl StripView {
    pub fn of(picture: &Picture, name: String, roles: Vec<String>, theme: Theme) -> Self {
        let needs = crate::overview::view::needs(picture, &picture.findings());
        let mut running: Vec<Running> = picture
            .records
            .operations
            .values()
            .filter(|operation| matches!(operation.state, State::Approved | State::Running | State::Compensating) && !picture.read_only)
            .map(|operation| Running {
                id: operation.id,
                what: format!("{} of {}", operation.plan.kind, operation.plan.scope().name()),
                since: operation.started_at.unwrap_or(operation.requested.at),
            })
            .collect();
        running.sort_by_key(|running| running.since);
        let services = picture.records.service_exposures.iter();
        let mut exposed: Vec<Exposed> = picture
            .records
            .exposures
            .iter()
            .map(|(cluster, exposure)| Exposed::of(cluster.as_str(), format!("/databases/{cluster}"), exposure))
            .chain(services.map(|(service, exposure)| Exposed::of(service.as_str(), format!("/failover/{service}"), exposure)))
            .collect();
        exposed.sort_by_key(|exposed| (!exposed.unprotected, exposed.since));
        Self {
            now: picture.now,
            name,
            roles,
            theme,
            needs: needs.len(),
            worst: Tone::worst(needs.iter().map(|need| need.tone)),
            running,
            exposed,
            rules_broken: RulesBroken::of(picture),
            automation: Automation::of(picture),
            journal_broken: picture.journal_break.clone(),
        }
    }
}

impl Exposed {
    fn of(name: &str, href: String, exposure: &Exposure) -> Self {
        Self { name: name.to_owned(), href, unprotected: exposure.unprotected, since: exposure.since }
    }
}

impl RulesBroken {
    /// One under way before one that waits.
    fn of(picture: &Picture) -> Option<Self> {
        let breaks =
            |operation: &&Operation| operation.state.is_active() && operation.parent.is_none() && !operation.plan.rules_to_break().is_empty();
        let breaking = picture.records.operations.values().filter(breaks);
        let first = breaking.min_by_key(|operation| (operation.state == State::Requested, operation.requested.at, operation.id))?;
        let says = if first.state == State::Requested { "safety rules would be broken" } else { "SAFETY RULES BROKEN" };
        Some(Self { id: first.id, says: says.to_owned() })
    }
}

impl Automation {
    fn of(picture: &Picture) -> Option<Self> {
        let estate = &picture.estate;
        if !picture.read_only && estate.clusters.is_empty() && !estate.services.iter().any(|service| service.traffic.is_some()) {
            return None;
        }
        let in_force = picture.records.restraints.iter().filter(|(_, held)| !held.is_over(picture.now));
        let mut lines: Vec<(u8, RestraintLine)> = in_force.map(|(what, held)| (rank(what), RestraintLine::of(what, held))).collect();
        lines.extend(estate.blackout_at(picture.now).map(|window| {
            let (word, by) = ("blackout window".to_owned(), "the estate".to_owned());
            (2, RestraintLine { tone: Tone::Watch, word, by, since: Some(window.from), until: Some(window.until), reason: window.reason.clone() })
        }));
        lines.extend(picture.read_only.then(|| (0, RestraintLine::read_only())));
        // The weightiest first; of equals the one that stands longest.
        lines.sort_by_key(|(rank, line)| (*rank, line.since));
        let restraints: Vec<RestraintLine> = lines.into_iter().map(|(_, line)| line).collect();
        let (tone, word) = restraints.first().map_or((Tone::Ok, "automation on".to_owned()), |first| (first.tone, first.word.clone()));
        Some(Self { tone, word, restraints })
    }
}

/// How much it holds back, the most first.
fn rank(what: &Restraint) -> u8 {
    match what {
        Restraint::MasterSwitch => 0,
        Restraint::Pause(None) => 1,
        Restraint::Pause(Some(_)) => 3,
        Restraint::Maintenance(_) => 4,
        Restraint::Tests => 5,
        Restraint::Acknowledged(_) => 6,
    }
}

impl RestraintLine {
    fn read_only() -> Self {
        let (word, by) = ("READ-ONLY: nobody acts here".to_owned(), "the configuration".to_owned());
        let reason = Hold::ReadOnly.to_string();
        Self { tone: Tone::Watch, word, by, since: None, until: None, reason }
    }
    fn of(what: &Restraint, held: &Held) -> Self {
        let (tone, word) = match what {
            Restraint::MasterSwitch => (Tone::Act, "master switch off".to_owned()),
            Restraint::Pause(None) => (Tone::Watch, "automation paused".to_owned()),
            Restraint::Pause(Some(scope)) => (Tone::Watch, format!("{} paused", scope.name())),
            Restraint::Maintenance(scope) => (Tone::Watch, format!("{} under maintenance", scope.name())),
            Restraint::Tests => (Tone::Watch, "tests stopped".to_owned()),
            Restraint::Acknowledged(scope) => (Tone::Watch, format!("{} acknowledged", scope.name())),
        };
        Self { tone, word, by: held.by.to_string(), since: Some(held.since), until: held.until, reason: held.reason.clone() }
    }
}
