//! What the status strip shows on every page.

use crate::ui::state::Tone;
use engine::{
    failover::State,
    id::{ClusterId, OperationId},
    picture::Picture,
    time::Instant,
};
use serde::{Deserialize, Serialize};

use super::appearance::Theme;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub journal_broken: Option<String>,
}

/// An operation that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    pub id: OperationId,
    /// “failover of user-database”.
    pub what: String,
    pub since: Instant,
}

/// A cluster that could not survive the loss of its primary, or only with less than all its standbys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exposed {
    pub cluster: ClusterId,
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
            .filter(|operation| matches!(operation.state, State::Approved | State::Running | State::Compensating))
            .map(|operation| Running {
                id: operation.id,
                what: format!("{} of {}", operation.plan.kind, operation.plan.cluster),
                since: operation.started_at.unwrap_or(operation.requested.at),
            })
            .collect();
        running.sort_by_key(|running| running.since);
        let mut exposed: Vec<Exposed> = picture
            .records
            .exposures
            .iter()
            .map(|(cluster, exposure)| Exposed { cluster: cluster.clone(), unprotected: exposure.unprotected, since: exposure.since })
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
            journal_broken: picture.journal_break.clone(),
        }
    }
}
