//! What people can put in the way of Lifeboat, and take away again: each with its state and what setting it would mean.

use crate::{session::Viewer, ui::state::Tone};
use engine::{
    access::Permission,
    failover::traffic,
    id::{ClusterId, RegionId, Scope, ServiceId},
    picture::Picture,
    restraints::Restraint,
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// One restraint, in force or not.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Switch {
    /// As the form sends it.
    pub what: String,
    pub name: String,
    pub tone: Tone,
    pub word: String,
    /// What follows from it.
    pub means: String,
    pub held: Option<HeldLine>,
    /// What the button will do.
    pub does: String,
    pub needs_an_end: bool,
    /// Why this person cannot do it.
    pub barred: Option<String>,
}

/// Who set it, since when, until when and why.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct HeldLine {
    pub by: String,
    pub since: Instant,
    pub until: Option<Instant>,
    pub reason: String,
}

/// Those about everything, and about whole regions, for the board.
pub fn everywhere(picture: &Picture, viewer: &Viewer) -> Vec<Switch> {
    let everything = [Restraint::Pause(None), Restraint::MasterSwitch, Restraint::Tests].into_iter();
    let regions = picture.estate.regions.iter().map(|region| Scope::Region(region.id.clone()));
    let regions = regions.flat_map(|scope| std::iter::once(Restraint::Maintenance(scope.clone())).chain(acknowledgement(picture, scope)));
    everything.chain(regions).map(|what| Switch::of(picture, viewer, what)).collect()
}

/// Those about one service and the regions it runs in.
pub fn of_service(picture: &Picture, viewer: &Viewer, id: &ServiceId) -> Vec<Switch> {
    let regions: Vec<RegionId> = picture.estate.service(id).map(|service| traffic::regions_of(picture, service)).unwrap_or_default();
    let regions = regions.into_iter().map(|region| Restraint::Maintenance(Scope::Region(region)));
    about(picture, Scope::Service(id.clone())).chain(regions).map(|what| Switch::of(picture, viewer, what)).collect()
}

/// Those about one cluster.
pub fn of_cluster(picture: &Picture, viewer: &Viewer, id: &ClusterId) -> Vec<Switch> {
    about(picture, Scope::Cluster(id.clone())).map(|what| Switch::of(picture, viewer, what)).collect()
}

fn about(picture: &Picture, scope: Scope) -> impl Iterator<Item = Restraint> {
    let acknowledged = acknowledgement(picture, scope.clone());
    [Restraint::Pause(Some(scope.clone())), Restraint::Maintenance(scope)].into_iter().chain(acknowledged)
}

/// An acknowledgement is offered only where there is something to acknowledge: it ends by itself when all is well.
fn acknowledgement(picture: &Picture, scope: Scope) -> Option<Restraint> {
    let acknowledged = Restraint::Acknowledged(scope.clone());
    let fails = picture.records.cases.contains_key(&scope) || picture.records.held(&acknowledged, picture.now).is_some();
    fails.then_some(acknowledged)
}

impl Switch {
    fn of(picture: &Picture, viewer: &Viewer, what: Restraint) -> Self {
        let held = picture.records.held(&what, picture.now);
        let is_held = held.is_some();
        let scope = what.scope().map(|scope| scope.name().to_owned()).unwrap_or_default();
        let (name, on, off, means, set, unset) = match &what {
            Restraint::Pause(None) => (
                "Automation everywhere".to_owned(),
                "PAUSED",
                "on",
                "While it is paused Lifeboat watches and records what it would do, and neither starts nor requests anything.",
                "Pause automation everywhere".to_owned(),
                "Resume automation everywhere".to_owned(),
            ),
            Restraint::Pause(Some(_)) => (
                format!("Automation of {scope}"),
                "PAUSED",
                "on",
                "While it is paused Lifeboat records what it would do about it, and does nothing.",
                format!("Pause automation of {scope}"),
                format!("Resume automation of {scope}"),
            ),
            Restraint::MasterSwitch => (
                "Master switch".to_owned(),
                "OFF",
                "on",
                "While it is off nobody moves clients or writes: not Lifeboat, and people only by breaking this rule on record.",
                "Switch the master switch off".to_owned(),
                "Switch the master switch on".to_owned(),
            ),
            Restraint::Tests => (
                "Tests".to_owned(),
                "STOPPED",
                "allowed",
                "While they are stopped no test starts, and those that run stop.",
                "Stop all tests".to_owned(),
                "Allow tests again".to_owned(),
            ),
            Restraint::Maintenance(_) => (
                format!("Maintenance of {scope}"),
                "under maintenance",
                "none",
                "Nothing is started because of what fails there; everything is recorded. It ends by itself.",
                format!("Announce maintenance of {scope}"),
                format!("End the maintenance of {scope}"),
            ),
            Restraint::Acknowledged(_) => (
                format!("Trouble of {scope}"),
                "acknowledged",
                "not acknowledged",
                "Somebody knows and looks after it: no reminders, no action, until it recovers or the time is up.",
                format!("Acknowledge the trouble of {scope}"),
                format!("Withdraw the acknowledgement for {scope}"),
            ),
        };
        let tone = match (&what, is_held) {
            (Restraint::Acknowledged(_), false) => Tone::Act,
            (_, false) => Tone::Ok,
            (Restraint::MasterSwitch, true) => Tone::Act,
            (_, true) => Tone::Watch,
        };
        Self {
            name,
            tone,
            word: if is_held { on } else { off }.to_owned(),
            means: means.to_owned(),
            held: held.map(|held| HeldLine { by: held.by.to_string(), since: held.since, until: held.until, reason: held.reason.clone() }),
            does: if is_held { unset } else { set },
            needs_an_end: what.needs_an_end(),
            barred: viewer.barred(Permission::Restrain),
            what: what.to_string(),
        }
    }
}
