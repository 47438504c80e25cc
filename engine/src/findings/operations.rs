//! What is wrong with operations: those that stand in doubt, runs that ended badly and hold the product back until somebody
//! takes note, and safety rules that are broken on purpose.

use super::{About, Complaint, Finding, Severity, traffic::about};
use crate::{
    failover::{Mode, Operation, State},
    id::Scope,
    picture::Picture,
};
use std::collections::BTreeMap;

pub(super) fn findings(picture: &Picture) -> Vec<Finding> {
    let operations = || picture.records.operations.values();
    let doubts = operations().filter(|operation| operation.state == State::InDoubt).filter_map(in_doubt);
    // What is a part of something larger is said with that.
    let stands = |operation: &&Operation| picture.stands_still(operation) && operation.parent.is_none();
    let still = operations().filter(stands).map(stands_still);
    let runs = runs_to_acknowledge(picture).into_iter().map(unacknowledged);
    // What breaks a rule as a part of something larger is said with that.
    let broken = operations().filter(|operation| operation.state.is_active() && operation.parent.is_none()).filter_map(rules_broken);
    doubts.chain(still).chain(runs).chain(broken).collect()
}

/// The runs that ended badly and hold automation back: the last one on each cluster, service or region, as long as nobody
/// has acknowledged it and nothing else is under way there (row 43). Oldest first.
pub fn runs_to_acknowledge(picture: &Picture) -> Vec<&Operation> {
    let mut last: BTreeMap<Scope, &Operation> = BTreeMap::new();
    let ran = |operation: &&Operation| operation.started_at.is_some() && operation.plan.mode() != Mode::Test && !operation.state.is_active();
    for operation in picture.records.operations.values().filter(ran) {
        let newest = last.entry(operation.plan.scope()).or_insert(operation);
        if operation.ended_at >= newest.ended_at {
            *newest = operation;
        }
    }
    let holds = |operation: &&Operation| operation.state != State::Succeeded && operation.acknowledged.is_none();
    let free = |operation: &&Operation| picture.records.holder_of(&operation.plan.scope()).is_none();
    let mut runs: Vec<&Operation> = last.into_values().filter(holds).filter(free).collect();
    runs.sort_by_key(|operation| (operation.ended_at, operation.id));
    runs
}

/// Those of clusters are said with the cluster.
fn in_doubt(operation: &Operation) -> Option<Finding> {
    let about = about_of(operation);
    let why = operation.outcome.clone().unwrap_or_else(|| "no reason was recorded".to_owned());
    let complaint = Complaint::OperationInDoubt { operation: operation.id, kind: operation.plan.kind.to_string(), why };
    let since = operation.history.last().map(|(at, _)| *at);
    (!matches!(about, About::Cluster(_))).then_some(Finding { severity: Severity::Act, about, complaint, since })
}

fn stands_still(operation: &Operation) -> Finding {
    let complaint = Complaint::OperationStandsStill { operation: operation.id, kind: operation.plan.kind.to_string(), state: operation.state };
    let since = operation.history.last().map(|(at, _)| *at);
    Finding { severity: Severity::Act, about: about_of(operation), complaint, since }
}

fn unacknowledged(operation: &Operation) -> Finding {
    let complaint = Complaint::RunUnacknowledged { operation: operation.id, kind: operation.plan.kind.to_string(), state: operation.state };
    Finding { severity: Severity::Act, about: about_of(operation), complaint, since: operation.ended_at }
}

fn rules_broken(operation: &Operation) -> Option<Finding> {
    let rules: Vec<String> = operation.plan.rules_to_break().iter().map(ToString::to_string).collect();
    let since = operation.approved.as_ref().unwrap_or(&operation.requested).at;
    let complaint =
        Complaint::SafetyRulesBroken { operation: operation.id, kind: operation.plan.kind.to_string(), state: operation.state, rules: rules.clone() };
    (!rules.is_empty()).then_some(Finding { severity: Severity::Act, about: about_of(operation), complaint, since: Some(since) })
}

fn about_of(operation: &Operation) -> About {
    about(&operation.plan.scope())
}
