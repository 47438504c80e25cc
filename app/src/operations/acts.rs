//! What the person who looks may do about an operation now. Where something is possible but not for them, it is shown
//! with the reason, so that nobody searches for a button that another person has.

use super::words;
use crate::session::Viewer;
use engine::{
    access::Permission,
    failover::{Moment, Operation},
};
use serde::{Deserialize, Serialize};

/// One form of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub verb: Verb,
    /// What the button will do.
    pub does: String,
    /// What follows from it.
    pub note: String,
    /// Why this person cannot do it now.
    pub barred: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Approve,
    Decline,
    Cancel,
    Resume,
    Close,
}

impl Verb {
    const ALL: [Verb; 5] = [Verb::Approve, Verb::Resume, Verb::Decline, Verb::Cancel, Verb::Close];

    fn moment(self) -> Moment {
        match self {
            Verb::Approve => Moment::Approve,
            Verb::Decline => Moment::Decline,
            Verb::Cancel => Moment::Cancel,
            Verb::Resume => Moment::Resume,
            Verb::Close => Moment::Close,
        }
    }
    fn permission(self) -> Permission {
        match self {
            Verb::Approve | Verb::Decline => Permission::ApproveOperation,
            Verb::Cancel | Verb::Resume | Verb::Close => Permission::RequestOperation,
        }
    }
}

/// What can be done in the present state, the weightiest first; `changed` is why an approval would be refused.
pub fn of(operation: &Operation, viewer: &Viewer, changed: &[String]) -> Vec<Act> {
    let possible = Verb::ALL.into_iter().filter(|verb| operation.state.next(verb.moment()).is_ok());
    possible
        .map(|verb| Act { verb, does: does(verb, operation), note: note(verb).to_owned(), barred: barred(verb, operation, viewer, changed) })
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
    }
}

fn note(verb: Verb) -> &'static str {
    match verb {
        Verb::Approve => "It starts at once. Your approval holds for exactly this plan.",
        Verb::Decline => "Nothing is done; the cluster is free for another operation.",
        Verb::Cancel => "Nothing is done; the cluster is free for another operation.",
        Verb::Resume => "Lifeboat looks at the world afresh and goes on from the first step that is not finished.",
        Verb::Close => "Lifeboat does nothing more. You vouch for the state of the cluster; say in the reason what you saw.",
    }
}

fn barred(verb: Verb, operation: &Operation, viewer: &Viewer, changed: &[String]) -> Option<String> {
    if verb == Verb::Approve && operation.requested.by == viewer.name {
        return Some("You requested it; another person must approve it.".to_owned());
    }
    let permission = verb.permission();
    if !viewer.may(permission) {
        let roles: Vec<_> = permission.granted_to().iter().map(ToString::to_string).collect();
        return Some(format!("That takes the role {}.", roles.join(" or ")));
    }
    if verb == Verb::Approve && !changed.is_empty() {
        return Some("What it rests on has changed, so it cannot be approved. Request it anew.".to_owned());
    }
    None
}
