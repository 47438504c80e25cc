//! The states of an operation and the moments that lead from one to the next: one match, and everything it does not
//! name is refused. (Models: steno's saga log; traps F14-F16.)

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waits for a second person.
    Requested,
    /// May start.
    Approved,
    Running,
    /// A step before the promotion failed; what was done is being undone.
    Compensating,
    /// The truth is not known, or going on needs a person. Blocks every other operation on the cluster.
    InDoubt,
    Succeeded,
    /// Ended before the promotion, everything undone.
    Failed,
    Declined,
    Cancelled,
    /// What it rested on changed, or nobody approved it in time.
    Void,
    /// Was in doubt; a person looked and closed it, with a reason.
    Closed,
}

impl State {
    pub const ALL: [State; 11] = [
        State::Requested,
        State::Approved,
        State::Running,
        State::Compensating,
        State::InDoubt,
        State::Succeeded,
        State::Failed,
        State::Declined,
        State::Cancelled,
        State::Void,
        State::Closed,
    ];

    /// Whether it holds its cluster, so that no other operation on it may be requested (row 42).
    pub fn is_active(self) -> bool {
        match self {
            State::Requested | State::Approved | State::Running | State::Compensating | State::InDoubt => true,
            State::Succeeded | State::Failed | State::Declined | State::Cancelled | State::Void | State::Closed => false,
        }
    }
    /// Whether the executor works on it.
    pub fn is_running(self) -> bool {
        matches!(self, State::Running | State::Compensating)
    }

    /// The state after `moment`.
    ///
    /// # Errors
    /// `Illegal` for every pair not written here.
    pub fn next(self, moment: Moment) -> Result<State, Illegal> {
        match (self, moment) {
            (State::Requested, Moment::Approve) => Ok(State::Approved),
            (State::Requested, Moment::Decline) => Ok(State::Declined),
            (State::Requested | State::Approved, Moment::Cancel) => Ok(State::Cancelled),
            (State::Requested | State::Approved, Moment::MakeVoid) => Ok(State::Void),
            (State::Approved, Moment::Start) => Ok(State::Running),
            (State::Running, Moment::Succeed) => Ok(State::Succeeded),
            (State::Running, Moment::Compensate) => Ok(State::Compensating),
            (State::Running | State::Compensating, Moment::Doubt) => Ok(State::InDoubt),
            (State::Compensating, Moment::Fail) => Ok(State::Failed),
            (State::InDoubt, Moment::Resume) => Ok(State::Running),
            (State::InDoubt, Moment::Close) => Ok(State::Closed),
            (from, moment) => Err(Illegal { from, moment }),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Requested => "waiting for approval",
            State::Approved => "approved",
            State::Running => "running",
            State::Compensating => "undoing",
            State::InDoubt => "IN DOUBT",
            State::Succeeded => "succeeded",
            State::Failed => "failed, undone",
            State::Declined => "declined",
            State::Cancelled => "cancelled",
            State::Void => "void",
            State::Closed => "closed",
        })
    }
}

/// What can happen to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    Approve,
    Decline,
    Cancel,
    MakeVoid,
    Start,
    Succeed,
    Compensate,
    Doubt,
    Fail,
    Resume,
    Close,
}

impl Moment {
    pub const ALL: [Moment; 11] = [
        Moment::Approve,
        Moment::Decline,
        Moment::Cancel,
        Moment::MakeVoid,
        Moment::Start,
        Moment::Succeed,
        Moment::Compensate,
        Moment::Doubt,
        Moment::Fail,
        Moment::Resume,
        Moment::Close,
    ];
}

/// A moment that cannot happen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("an operation that is {from} cannot {moment:?}")]
pub struct Illegal {
    pub from: State,
    pub moment: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_f16_only_the_written_transitions_exist() {
        let legal: Vec<_> = State::ALL
            .into_iter()
            .flat_map(|from| Moment::ALL.into_iter().filter_map(move |moment| from.next(moment).ok().map(|to| (from, moment, to))))
            .collect();
        assert_eq!(legal.len(), 14, "{legal:#?}");
        assert!(legal.iter().all(|(from, ..)| from.is_active()), "an ended operation never moves again");
        assert!(legal.iter().all(|(from, moment, to)| *to != State::Succeeded || (*from, *moment) == (State::Running, Moment::Succeed)));
    }
}
