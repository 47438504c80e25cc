//! What the person who looks may do about an operation now. Where something is possible but not for them, it is shown
//! with the reason, so that nobody searches for a button that another person has.

use super::words;
use crate::session::Viewer;
use engine::{
    access::Permission,
    failover::{Mode, Moment, Operation, OperationKind, State, plan::people},
};
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// One form of the page.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Act {
    pub verb: Verb,
    /// What the button will do.
    pub does: String,
    /// What follows from it.
    pub note: String,
    /// Why this person cannot do it now.
    pub barred: Option<String>,
    /// What may be lost, where whoever approves must accept that because the requester could not.
    pub consent: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Approve,
    Decline,
    Cancel,
    Resume,
    Close,
    Skip,
    Escalate,
    Commit,
    Abort,
    Acknowledge,
}

impl Verb {
    const ALL: [Verb; 10] = [
        Verb::Approve,
        Verb::Resume,
        Verb::Commit,
        Verb::Decline,
        Verb::Cancel,
        Verb::Skip,
        Verb::Escalate,
        Verb::Abort,
        Verb::Close,
        Verb::Acknowledge,
    ];

    fn permission(self) -> Permission {
        match self {
            Verb::Approve | Verb::Decline => Permission::ApproveOperation,
            Verb::Cancel | Verb::Resume | Verb::Close | Verb::Skip | Verb::Escalate | Verb::Commit | Verb::Abort | Verb::Acknowledge => {
                Permission::RequestOperation
            }
        }
    }

    fn is_possible(self, operation: &Operation) -> bool {
        let leads_on = |moment: Moment| operation.state.next(moment).is_ok();
        match self {
            Verb::Approve => leads_on(Moment::Approve),
            Verb::Decline => leads_on(Moment::Decline),
            Verb::Cancel => leads_on(Moment::Cancel),
            Verb::Resume => leads_on(Moment::Resume),
            Verb::Close => leads_on(Moment::Close),
            Verb::Skip => operation.step_in_doubt().is_some_and(|step| operation.may_skip(step)),
            Verb::Escalate => operation.can_be_escalated(),
            Verb::Commit => operation.awaits_commit().is_some() && operation.committed.is_none() && operation.aborted.is_none(),
            Verb::Abort => operation.state == State::Running && operation.aborted.is_none() && operation.committed.is_none(),
            Verb::Acknowledge => operation.may_be_acknowledged(),
        }
    }
}

/// What can be done in the present state, the weightiest first; `changed` is why an approval would be refused.
pub fn of(operation: &Operation, viewer: &Viewer, changed: &[String]) -> Vec<Act> {
    let possible = Verb::ALL.into_iter().filter(|verb| verb.is_possible(operation));
    possible
        .map(|verb| Act {
            verb,
            does: does(verb, operation),
            note: note(verb, operation),
            barred: barred(verb, operation, viewer, changed),
            consent: consent(verb, operation),
        })
        .collect()
}

fn does(verb: Verb, operation: &Operation) -> String {
    let kind = operation.plan.kind;
    match verb {
        Verb::Approve => words::approval_in_words(&operation.plan),
        Verb::Decline => format!("Decline the {kind}"),
        Verb::Cancel => format!("Cancel the {kind}"),
        Verb::Resume => match operation.next_step() {
            Some(step) => format!("Resume the {kind} at step {}", step + 1),
            None => format!("Resume the {kind}"),
        },
        Verb::Close => format!("Close the {kind} as it is"),
        Verb::Skip => format!("Leave step {} out", operation.step_in_doubt().map_or(0, |step| step + 1)),
        Verb::Escalate => format!("Make the {kind} an emergency"),
        Verb::Commit if kind == OperationKind::Restore => "I have looked at it: promote it".to_owned(),
        Verb::Commit => format!("Commit the {kind}"),
        Verb::Abort if kind == OperationKind::Restore && operation.awaits_commit().is_some() => "Discard what was restored".to_owned(),
        Verb::Abort if operation.awaits_commit().is_some() => format!("Roll the {kind} back"),
        Verb::Abort => format!("Stop the {kind} after this step"),
        Verb::Acknowledge => format!("Acknowledge how the {kind} ended"),
    }
}

fn note(verb: Verb, operation: &Operation) -> String {
    let missing = operation.approvals_missing();
    let note = match verb {
        Verb::Approve if missing > 1 => return format!("{} must still approve it; it starts with the last of them.", people(missing)),
        Verb::Approve => "It starts at once. Your approval holds for exactly this plan.",
        Verb::Decline | Verb::Cancel => "Nothing is done; another operation can be requested.",
        Verb::Resume => "Lifeboat looks at the world afresh and goes on from the first step that is not finished.",
        Verb::Close => "Lifeboat does nothing more. You vouch for the state of the world; say in the reason what you saw.",
        Verb::Skip => "The record will say that it was left out, by whom and why; it never counts as done. Resume the operation afterwards.",
        Verb::Escalate => "From then on errors of the side that is left stop it no more; each is recorded.",
        Verb::Commit if operation.plan.kind == OperationKind::Restore => {
            "It takes writes from then on, on a timeline of its own. Nobody is sent there by it."
        }
        Verb::Commit => "It is final from then on. A way back is a move of its own.",
        Verb::Abort if operation.plan.kind == OperationKind::Restore => "Its server is ended, and its folder removed. The backup stays.",
        Verb::Abort if operation.awaits_commit().is_some() => "Clients are sent back to where they were, at once.",
        Verb::Abort => "What can be undone is undone. Where clients were sent elsewhere for good, it stands IN DOUBT instead.",
        Verb::Acknowledge => "The cooldown ends, and Lifeboat may act by itself again.",
    };
    note.to_owned()
}

fn consent(verb: Verb, operation: &Operation) -> Option<String> {
    let open = verb == Verb::Approve && !operation.loss_accepted && !operation.plan.loss.is_zero();
    open.then(|| words::loss_in_words(operation.plan.kind, &operation.plan.loss))
}

fn barred(verb: Verb, operation: &Operation, viewer: &Viewer, changed: &[String]) -> Option<String> {
    if viewer.read_only {
        return viewer.barred(verb.permission());
    }
    if verb == Verb::Approve && operation.requested.by == viewer.name {
        return Some("You requested it; another person must approve it.".to_owned());
    }
    if verb == Verb::Approve && operation.approvals.iter().any(|earlier| earlier.by == viewer.name) {
        return Some(format!("You approved it; {} more must.", people(operation.approvals_missing())));
    }
    let breaks_glass = verb == Verb::Approve && !operation.plan.rules_to_break().is_empty();
    let permission = match verb.permission() {
        _ if breaks_glass => Permission::BreakGlass,
        // Whoever may rehearse may also end what is only a rehearsal.
        Permission::RequestOperation if operation.mode() == Mode::Test => Permission::Rehearse,
        other => other,
    };
    if let Some(why) = viewer.barred(permission) {
        return Some(why);
    }
    if verb == Verb::Approve && !changed.is_empty() {
        return Some("What it rests on has changed, or is not known now, so it cannot be approved as it stands.".to_owned());
    }
    None
}
