//! What the confirmation page of a restore shows, and the form that asks for exactly that.

use crate::{
    databases::plan::view::{Obstacle, PlannedStep, barred, obstacles, steps},
    operations::{
        line::OperationLine,
        words::{self, bytes_in_words},
    },
    session::Viewer,
    ui::time::{clock, date},
};
use engine::{
    failover::{RestoreChange, halting, restore::RestoreWish},
    id::OperationId,
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RestorePage {
    pub now: Instant,
    pub policy: String,
    pub title: String,
    /// What the restored copy would lack, in a sentence.
    pub lacks: String,
    /// What is restored, as name and value.
    pub facts: Vec<(String, String)>,
    pub steps: Vec<PlannedStep>,
    /// No override lifts these.
    pub hard: Vec<Obstacle>,
    /// Two people may decide to go on all the same.
    pub overridable: Vec<Obstacle>,
    pub held_by: Option<OperationLine>,
    /// Why this person cannot request it.
    pub barred: Option<String>,
    pub form: Form,
}

/// What the form sends.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Form {
    pub id: OperationId,
    /// The wish, as the address has it: name and value.
    pub wish: Vec<(String, String)>,
    pub plan_hash: String,
    pub does: String,
    pub follows: String,
}

impl RestorePage {
    /// `id` is the operation's, if the form is sent. `None` where there is no such backup.
    pub fn of(picture: &Picture, viewer: &Viewer, wish: &RestoreWish, id: OperationId) -> Option<Self> {
        let plan = picture.restore_plan(wish)?;
        let change = plan.restore()?;
        Some(Self {
            now: picture.now,
            policy: wish.policy.to_string(),
            title: words::title(&plan),
            lacks: lacks(change),
            facts: facts(picture, change),
            steps: steps(&plan),
            hard: obstacles(plan.hard_blockers()),
            overridable: obstacles(plan.overridable_blockers()),
            held_by: halting::in_the_way(&picture.records, &plan).map(OperationLine::of),
            barred: barred(viewer, &plan),
            form: Form {
                id,
                wish: fields(wish),
                plan_hash: plan.hash(),
                does: words::request_in_words(&plan),
                follows: format!(
                    "{} It stands still before it is promoted, so that somebody can look at it.",
                    words::consent_in_words(&plan, "this plan")
                ),
            },
        })
    }
}

/// The wish as fields of a form.
fn fields(wish: &RestoreWish) -> Vec<(String, String)> {
    let RestoreWish { policy, backup, last, from, before, folder } = wish;
    let all = [
        ("policy", policy.to_string()),
        ("backup", backup.to_string()),
        ("last", last.map(|last| last.to_string()).unwrap_or_default()),
        ("from", from.to_string()),
        ("before", before.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        ("folder", folder.clone()),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).into()
}

fn moment(at: Instant) -> String {
    format!("{} {} UTC", date(at), clock(at))
}

fn lacks(change: &RestoreChange) -> String {
    match change.reaches {
        Some(reaches) if reaches >= change.before => {
            format!("Everything that was committed before {} is in it, and nothing later.", moment(change.before))
        }
        Some(reaches) => {
            let lost = Span::between(reaches, change.before).rough();
            format!(
                "Everything that was committed before {} is in it; of the {lost} after that, up to {}, nothing is certain.",
                moment(reaches),
                moment(change.before)
            )
        }
        None => "Up to which moment everything is in it is not known.".to_owned(),
    }
}

fn facts(picture: &Picture, change: &RestoreChange) -> Vec<(String, String)> {
    let ledger = &picture.records.backups;
    let began = ledger.get(&change.policy, &change.backup).map(|backup| moment(backup.started_at)).unwrap_or_default();
    let proven = change.proven.map_or_else(|| "NEVER".to_owned(), moment);
    let log = match (&change.log, change.replayed.len()) {
        (Some(log), 1) => format!("one backup of {log}"),
        (Some(log), many) => format!("{many} backups of {log}"),
        (None, _) => "none".to_owned(),
    };
    let all = [
        ("Full backup", format!("{} of {began}", change.backup.short())),
        ("Last restored by a proof", proven),
        ("Log replayed onto it", log),
        ("Fetched", format!("{} from {}", bytes_in_words(change.bytes), change.from)),
        ("Into the new folder", change.folder.clone()),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).into()
}
