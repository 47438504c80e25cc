//! Whom commits wait for after a move. The new primary begins with nobody to wait for, so that its first write cannot hang on nodes
//! that are not there; once its standbys stream it is told to wait again, where that is declared.

use super::{Action, Facts, NodeId, OnFailure, PATIENT, Step};

/// The step that has commits on `node` wait again for all that may confirm and are not `lost`. Absent where nothing is declared.
pub(super) fn restored(facts: &Facts<'_>, node: &NodeId, lost: Option<&NodeId>) -> Option<Step> {
    let mut declared = facts.estate.synchronous_of(facts.cluster, node)?;
    declared.among.retain(|standby| Some(standby) != lost);
    let action = Action::RestoreSynchronous { node: node.clone(), standbys: declared.among, confirm: declared.confirm };
    Some(Step::new(action, PATIENT, OnFailure::GoOn))
}
