//! What must hold at every instant. Each law is worked out anew from the world and the journal, not asked of the code that is
//! tested; where one is narrower than its name says, a comment says why.

mod rules;
mod truth;

use crate::{
    diary::Law,
    orders::{Order, Parcel},
    postgres::Node,
    stage::Stage,
};
use engine::{
    estate::FailoverMode,
    failover::{Action, FenceMeans, Mode, Operation, OperationKind, State, StepState},
    id::{AccountName, ClusterId, NodeId, OperationId},
    journal::{Actor, Entry, Event},
    time::{Instant, Span},
};
use std::collections::{BTreeMap, BTreeSet};
pub use truth::{control_of, router_of};

/// What the laws remember of the journal: noted by themselves, entry by entry.
#[derive(Debug, Default)]
pub struct Laws {
    /// The people who approved each operation.
    approvals: BTreeMap<OperationId, BTreeSet<AccountName>>,
    /// Operations whose approver set safety rules aside.
    glass_broken: BTreeSet<OperationId>,
    /// Fences that were called proven, of operations that go on.
    fences: BTreeMap<OperationId, (ClusterId, NodeId)>,
}

/// Longer than anything takes beside what it waits for.
const SLACK: Span = Span::from_secs(20);

impl Laws {
    /// An entry was written.
    pub fn hear(stage: &Stage, entry: &Entry) {
        let records = stage.records();
        let operation = entry.event.operation().and_then(|id| records.operations.get(&id));
        match &entry.event {
            Event::OperationRequested { plan, parent: None, .. } => {
                stage.count(format!(
                    "asked by {}: {} {}",
                    if entry.actor == Actor::Lifeboat { "the product" } else { "people" },
                    plan.mode(),
                    plan.kind
                ));
                if entry.actor == Actor::Lifeboat {
                    rules::at_a_request(stage, &records, plan);
                }
            }
            Event::OperationApproved { id, .. } => {
                if let Actor::Person(name) = &entry.actor {
                    stage.laws().approvals.entry(*id).or_default().insert(name.clone());
                }
            }
            Event::SafetyRulesBroken { id, .. } => {
                stage.count("safety rules broken on record");
                stage.laws().glass_broken.insert(*id);
            }
            Event::StepSkipped { .. } => stage.count("steps left out by people"),
            Event::OperationEscalated { .. } => stage.count("operations made an emergency"),
            Event::OperationAborted { .. } => stage.count("operations stopped by people"),
            Event::OperationResumed { .. } => stage.count("operations resumed"),
            Event::OperationCommitted { .. } => stage.count("moves committed"),
            Event::SplitBrainObserved { cluster, .. } => {
                let writers = stage.world().cluster(cluster).nodes.values().filter(|node| node.is_up() && !node.recovery).count();
                stage.count(if writers > 1 {
                    "two writers seen by the product"
                } else {
                    "two writers seen by the product, where one had just ended"
                });
            }
            Event::Refused { .. } => stage.count("commands refused"),
            Event::Decided { decision } => stage.count(format!("the product {}", decision.verdict)),
            _ => {}
        }
        let Some(operation) = operation else { return };
        match &entry.event {
            Event::OperationStarted { .. } => rules::at_a_start(stage, operation),
            Event::StepEnded { step, state, .. } => Self::step_ended(stage, operation, *step, *state),
            Event::OperationSucceeded { .. } => {
                truth::of_a_success(stage, operation);
                truth::of_a_wait(stage, operation);
            }
            Event::OperationFailed { .. } => {
                truth::of_a_failure(stage, operation);
                truth::of_a_wait(stage, operation);
            }
            _ => {}
        }
        let is_end = matches!(
            entry.event,
            Event::OperationSucceeded { .. }
                | Event::OperationFailed { .. }
                | Event::OperationClosed { .. }
                | Event::OperationInDoubt { .. }
                | Event::OperationVoided { .. }
                | Event::OperationDeclined { .. }
                | Event::OperationCancelled { .. }
        );
        if is_end {
            stage.count(format!("{} {}: {}", operation.plan.mode(), operation.plan.kind, operation.state));
        }
        if !operation.state.is_active() {
            stage.laws().fences.remove(&operation.id);
        }
    }

    fn is_approved(stage: &Stage, operation: &Operation) -> bool {
        stage.laws().approvals.contains_key(&operation.id)
    }

    fn step_ended(stage: &Stage, operation: &Operation, step: usize, state: StepState) {
        let (Some(scope), Some(step)) = (operation.plan.scope().cluster().cloned(), operation.plan.steps.get(step)) else { return };
        let Action::Fence { node, by } = &step.action else { return };
        match (by, state) {
            (FenceMeans::Overridden, StepState::Overridden) => {
                // People accepted in so many words that it may go on writing.
                stage.world().node_mut(&scope, node).excused = true;
                stage.count("fences not proven, accepted by people");
            }
            (FenceMeans::HostAgent, StepState::Done) => {
                stage.count("fences by the host");
                stage.laws().fences.insert(operation.id, (scope, node.clone()));
                Self::fences_hold(stage);
            }
            (FenceMeans::RouterAndSynchronousStandby, StepState::Done) => {
                stage.count("fences by the router and the standby");
            }
            _ => {}
        }
    }

    /// The executor is about to act.
    pub fn begins(stage: &Stage, action: &Action, operation: &Operation) {
        let records = stage.records();
        let state = records.operations.get(&operation.id).map(|operation| operation.state);
        let runs = state.is_some_and(State::is_running);
        if !runs {
            stage.broken(Law::NothingAfterTheEnd, format!("{action:?} begins for {}, which is {state:?}", operation.id.short()));
        }
        let whole = operation.parent.and_then(|parent| records.operations.get(&parent)).unwrap_or(operation);
        let needed = approvals_needed(stage, whole);
        let laws = stage.laws();
        let none = BTreeSet::new();
        let by = laws.approvals.get(&whole.id).unwrap_or(&none);
        let others = by.iter().filter(|name| **name != whole.requested.by).count();
        let loss_is_accepted = whole.plan.loss.is_zero() || whole.loss_accepted;
        let rules = whole.plan.rules_to_break();
        let glass = rules.is_empty() || laws.glass_broken.contains(&whole.id);
        drop(laws);
        if others < needed as usize || !loss_is_accepted || !glass {
            let why =
                format!("{action:?} of {}: {others} of {needed} approved, loss accepted: {loss_is_accepted}, rules {rules:?}", whole.id.short());
            stage.broken(Law::Approved, why);
        }
    }

    /// An order has changed the world. `before` is the node as it was.
    pub fn saw(stage: &Stage, parcel: &Parcel, before: Option<&Node>) {
        let records = stage.records();
        let Some(operation) = records.operations.get(&parcel.operation) else { return };
        // What stands in doubt says that it does not know what took effect. After any other end nothing may.
        if !operation.state.is_active() {
            let how = format!("{:?} acts for {}, which is {}", parcel.order, operation.id.short(), operation.state);
            stage.broken(Law::NothingAfterTheEnd, how);
        }
        if parcel.mode == Mode::Test {
            stage.broken(Law::TestsChangeNothing, format!("{:?}", parcel.order));
        }
        let Some(cluster) = &parcel.cluster else { return };
        if let (Order::Promote { node, .. }, Some(before)) = (&parcel.order, before) {
            stage.count("promotions");
            truth::of_a_promotion(stage, operation, cluster, node, before);
        }
        Self::one_writer(stage, cluster);
    }

    /// Looks at everything again.
    pub fn look(stage: &Stage) {
        let clusters: Vec<ClusterId> = stage.estate.clusters.iter().map(|cluster| cluster.id.clone()).collect();
        clusters.iter().for_each(|cluster| Self::one_writer(stage, cluster));
        Self::fences_hold(stage);
        Self::everything_ends(stage);
    }

    fn one_writer(stage: &Stage, cluster: &ClusterId) {
        let writers = stage.world().writers(cluster);
        if writers.len() > 1 {
            stage.broken(Law::OneWriter, format!("{cluster}: {writers:?}"));
        }
    }

    fn fences_hold(stage: &Stage) {
        let (laws, world) = (stage.laws(), stage.world());
        let leaks = laws.fences.iter().find(|(_, (cluster, node))| {
            let own = world.node(cluster, node);
            // What people or a service manager started again is theirs, and cannot be: the fence forbids it. A standby is no writer.
            own.life != crate::postgres::Life::Gone && !own.recovery && !own.excused
        });
        let leak = leaks.map(|(id, (cluster, node))| format!("{node} of {cluster} runs as a writer, and {} calls it fenced", id.short()));
        drop((laws, world));
        if let Some(how) = leak {
            stage.broken(Law::ProvenFence, how);
        }
    }

    fn everything_ends(stage: &Stage) {
        let (records, now) = (stage.records(), stage.now());
        let Some(since) = stage.server().since else { return };
        let late = |from: Option<Instant>, limit: Span| from.unwrap_or(since).max(since) + limit.saturating_add(SLACK).as_delta() < now;
        for operation in records.operations.values() {
            let last = operation.history.last().map(|(at, _)| *at);
            let all = operation.plan.steps.iter().map(|step| step.timeout).fold(Span::ZERO, Span::saturating_add);
            let stuck = match operation.state {
                State::Running => {
                    let runs = operation.steps.iter().zip(&operation.plan.steps).find(|(record, _)| record.state == StepState::Running);
                    match runs {
                        Some((record, step)) => late(record.started_at.max(last), step.timeout),
                        None => late(operation.steps.iter().filter_map(|record| record.ended_at).max().max(last), Span::ZERO),
                    }
                }
                State::Compensating => late(last, all),
                _ => false,
            };
            if stuck {
                stage
                    .broken(Law::EverythingEnds, format!("{} {} is {} and goes nowhere", operation.plan.kind, operation.id.short(), operation.state));
            }
        }
    }
}

/// So many people besides the one who asked must have agreed. A part of an evacuation is covered by the whole.
fn approvals_needed(stage: &Stage, operation: &Operation) -> u32 {
    let plan = &operation.plan;
    let strategy_of_cluster = |id: &ClusterId| stage.estate.cluster(id).and_then(|cluster| cluster.strategy.as_ref());
    let asked_for = match (plan.database(), plan.traffic()) {
        (Some(change), _) => strategy_of_cluster(&change.cluster).and_then(|id| stage.estate.strategy(id)).map_or(1, |strategy| strategy.approvals),
        (_, Some(change)) => {
            stage.estate.service(&change.service).and_then(|service| stage.estate.strategy_of(service)).map_or(1, |strategy| strategy.approvals)
        }
        _ => 1,
    };
    let by_itself = match (plan.kind, plan.traffic()) {
        (OperationKind::Rejoin, _) => true,
        // A promotion that loses nothing, where the strategy leaves it to the product.
        (OperationKind::Failover, _) => plan
            .database()
            .and_then(|change| stage.estate.strategy(strategy_of_cluster(&change.cluster)?))
            .is_some_and(|strategy| strategy.failover == FailoverMode::Automatic),
        (kind, Some(change)) => {
            let strategy = stage.estate.service(&change.service).and_then(|service| stage.estate.strategy_of(service));
            let mode = strategy.map(|strategy| if kind == OperationKind::Failback { strategy.failback } else { strategy.failover });
            change.mode == Mode::Test || mode == Some(FailoverMode::Automatic)
        }
        (OperationKind::Evacuation, _) => plan.mode() == Mode::Test,
        _ => false,
    };
    if by_itself && plan.loss.is_zero() && operation.overridden.is_empty() { 0 } else { asked_for.max(1) }
}
