//! What is to be done about one member of an evacuation now: the last look before it is moved, as near to the act as can
//! be. What has moved already, in an earlier try or by somebody else, is left as it is.

use crate::{
    failover::{
        Blocker, Mode, Operation, OperationKind, Plan, State, halting,
        plan::{Member, MemberTarget},
    },
    health::Health,
    id::{ClusterId, NodeId, OperationId, RegionId, Scope, ServiceId},
    picture::Picture,
    survey::Survey,
};
use std::collections::BTreeSet;

/// What is to be done about one member.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// It is not there any more.
    Moved(String),
    /// An operation is at it: look again when that has gone on.
    Wait(OperationId),
    Ask(Box<Plan>),
    /// It is not well yet where it is to go. What it needs may have moved a moment ago, and its probes take their time.
    NotYet(String),
    Cannot(String),
}

impl Turn {
    /// What is to be done about `member` of the evacuation `whole`, as of this picture.
    pub fn of(picture: &Picture, whole: &Operation, member: &Member) -> Self {
        let Some(change) = whole.plan.evacuation() else {
            return Turn::Cannot(format!("the {} {} is no evacuation", whole.plan.kind, whole.id.short()));
        };
        // A test gives way when the member is asked for (row 71).
        let holder = picture.records.holder_of(&member.scope).filter(|holder| holder.mode() != Mode::Test || whole.mode() == Mode::Test);
        let elsewhere = elsewhere(picture, &change.region, &member.scope);
        if let Some(holder) = holder {
            // Those who need it need not wait until whoever moved it has tidied up behind; but a move that can still be taken back
            // has moved nothing for good.
            if let Some(said) = elsewhere.filter(|_| holder.is_proven() && !holder.can_be_rolled_back()) {
                return Turn::Moved(said);
            }
            // A request that waits for a person would hold the evacuation up.
            return match holder.state {
                State::Requested => Turn::Cannot(format!("the {} {} waits for an approval of its own", holder.plan.kind, holder.id.short())),
                State::InDoubt => Turn::Cannot(format!("the {} {} stands IN DOUBT", holder.plan.kind, holder.id.short())),
                _ => Turn::Wait(holder.id),
            };
        }
        let done = |operation: &&Operation| {
            operation.parent == Some(whole.id) && operation.plan.scope() == member.scope && operation.state == State::Succeeded
        };
        if let Some(done) = picture.records.operations.values().find(done) {
            return Turn::Moved(format!("{} went to {} already ({})", member.scope.name(), member.to, done.id.short()));
        }
        if let Some(said) = elsewhere {
            return Turn::Moved(said);
        }
        if whole.state != State::Running {
            return Turn::Cannot(format!("the evacuation is {}", whole.state));
        }
        if let Some(why) = halting::told_to_stop(whole, &picture.records, picture.now) {
            return Turn::Cannot(format!("not begun: {why}"));
        }
        match (&member.scope, &member.to) {
            (Scope::Cluster(id), MemberTarget::Node(node)) => of_cluster(picture, whole, member, id, node),
            (Scope::Service(id), MemberTarget::Regions(to)) => of_service(picture, whole, member, id, to),
            _ => Turn::Cannot("it is no member that can be moved".to_owned()),
        }
    }
}

/// Where it is by now, if that is out of the region. What was read before the last move of it ended does not say: that one may
/// have been undone since.
fn elsewhere(picture: &Picture, region: &RegionId, scope: &Scope) -> Option<String> {
    match scope {
        Scope::Cluster(id) => {
            let primary = picture.cluster(id)?.1.primary().filter(|primary| primary.region != *region && primary.is_writable())?;
            let read = primary.reading.as_ref()?.at;
            if Survey::of(picture).promoted(id).is_some_and(|promotion| read <= promotion.at && promotion.at <= picture.now) {
                return None;
            }
            Some(format!("{id} takes its writes on {} already", primary.node))
        }
        Scope::Service(id) => {
            let on = picture.observed.traffic.get(id)?.on.as_ref()?;
            let gone = !on.regions.contains(region) && !on.regions.is_empty() && !Survey::of(picture).were_moved_since(id, on.at);
            gone.then(|| format!("clients of {id} are sent elsewhere already"))
        }
        Scope::Region(_) | Scope::Backup(_) => None,
    }
}

fn of_cluster(picture: &Picture, whole: &Operation, member: &Member, id: &ClusterId, node: &NodeId) -> Turn {
    let primary = picture.cluster(id).and_then(|(_, view)| view.primary());
    // A primary that died after the evacuation became an emergency cannot be stopped cleanly any more.
    let fell = primary.is_some_and(|primary| matches!(primary.judgement.health, Health::Down | Health::Unknown));
    let kind = if fell && whole.mode() == Mode::Emergency { OperationKind::Failover } else { member.kind };
    match picture.plan(kind, id, Some(node)) {
        Some(plan) if whole.mode() == Mode::Test => match plan.hard_blockers().first() {
            Some(blocker) => Turn::Cannot(blocker.to_string()),
            None => Turn::Moved(format!("{id} was NOT rehearsed: a plan can be made, and databases have no rehearsal")),
        },
        Some(plan) => checked(plan, whole, member),
        None => Turn::Cannot("the cluster is not declared any more".to_owned()),
    }
}

fn of_service(picture: &Picture, whole: &Operation, member: &Member, id: &ServiceId, to: &BTreeSet<RegionId>) -> Turn {
    match picture.traffic_plan(id, whole.mode(), Some(to)) {
        Some(plan) => checked(plan.into_part(), whole, member),
        None => Turn::Cannot("the service is not declared any more".to_owned()),
    }
}

/// The approval of the evacuation covers what was shown then: neither a greater loss, nor a check that came up since, nor a
/// safety rule broken further than the approver agreed to.
fn checked(plan: Plan, whole: &Operation, member: &Member) -> Turn {
    // Where a move has just ended, what sends the clients is read again in a moment.
    let is_not_well =
        |blocker: &&Blocker| matches!(blocker, Blocker::RegionNotWell { .. } | Blocker::RegionUnknown { .. } | Blocker::TrafficUnknown { .. });
    if let Some(not_well) = plan.blockers.iter().find(is_not_well) {
        return Turn::NotYet(not_well.to_string());
    }
    if let Some(blocker) = plan.hard_blockers().first() {
        return Turn::Cannot(blocker.to_string());
    }
    if !member.loss.covers(&plan.loss) {
        return Turn::Cannot(format!("the loss bound was “{}” and is now “{}”", member.loss.in_words(), plan.loss.in_words()));
    }
    let rules = whole.plan.rules_to_break();
    let agreed = |blocker: &Blocker| {
        if blocker.is_safety_rule() {
            rules.iter().any(|known| blocker.is_covered_by(known))
        } else {
            member.checks.iter().any(|check| check == blocker.name())
        }
    };
    match plan.overridable_blockers().into_iter().find(|blocker| !agreed(blocker)) {
        Some(blocker) => Turn::Cannot(blocker.to_string()),
        None => Turn::Ask(Box::new(plan)),
    }
}
