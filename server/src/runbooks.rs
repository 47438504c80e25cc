//! Works by runbooks: carries out the steps that people have begun, watches those that are a person's, and writes down how each
//! ended. Nothing here begins a step.
//!
//! A server that was killed in the middle of a step takes it up again where it only looks, and else says that nobody knows how far it
//! came: a person looks, and begins it again, records that it was done by hand, or skips it.

use crate::{
    config::Config,
    connections::Connections,
    desk::Desk,
    watch::{Sighting, Watching},
};
use engine::{
    failover::{Mode, Operation, OperationKind, State},
    id::{RunId, Scope},
    journal::{Actor, Event},
    picture::Picture,
    runbooks::{
        Action, OperationWanted, Rollback, condition, defaults,
        ledger::RunbookEvent,
        run::{FrozenStep, Run, RunEvent, RunState, StepRecord, StepState},
        sights::{RunbookSights, origin_of},
    },
    time::Span,
};
use means::Means;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::JoinHandle, time::MissedTickBehavior};

mod means;

/// How often conditions and times are looked at.
const EVERY: Duration = Duration::from_millis(500);
/// What is said of work that a mistake in the product has ended.
const MISTAKE: &str = "the product failed in the middle of it; look at the server's log";
const INTERRUPTED: &str =
    "the server ended in the middle of it, so nobody knows how far it came; look, then begin it again, record that it was done, or skip it";

/// One attempt at one step.
type Attempt = (RunId, usize, u32);

struct Runner {
    desk: Arc<Desk>,
    means: Arc<Means>,
    /// What this process is at.
    at_work: Mutex<BTreeSet<Attempt>>,
    /// What was under way when this process began: nobody is at it.
    left_over: BTreeSet<Attempt>,
}

/// Starts it. What is returned is its task, which ends only where it has failed.
///
/// # Errors
/// A secret that cannot be read.
pub fn start(desk: Arc<Desk>, config: &Config, connections: Arc<Connections>, watching: &Watching) -> anyhow::Result<JoinHandle<()>> {
    let means = Arc::new(Means::new(config, connections)?);
    let sights =
        RunbookSights { commands: means.commands(), origins: config.runbook_origin.values().filter_map(|to| origin_of(&to.origin)).collect() };
    let sightings = watching.sightings.clone();
    let left_over = under_way(&desk.picture()).into_iter().map(|(attempt, ..)| attempt).collect();
    let runner = Arc::new(Runner { desk, means, at_work: Mutex::default(), left_over });
    Ok(tokio::spawn(async move {
        // Where nobody judges any more the server ends, and says so.
        if sightings.send(Sighting::Runbooks(Arc::new(sights))).await.is_ok() {
            runner.run().await;
        }
    }))
}

/// Takes the runbooks of the product over into the journal, where nothing has their names yet.
///
/// # Errors
/// Where the journal cannot be written.
pub async fn adopt(desk: &Desk) -> anyhow::Result<()> {
    let books = defaults::all();
    let unknown = |picture: &Picture| -> Vec<Event> {
        if picture.read_only {
            return Vec::new();
        }
        let free = books.iter().filter(|(name, ..)| picture.records.runbooks.book(name).is_none());
        free.map(|(name, text, runbook)| {
            let note = "comes with Lifeboat".to_owned();
            let what = RunbookEvent::Saved { version: 1, text: (*text).to_owned(), summary: Box::new(runbook.summary()), note };
            Event::Runbook { name: name.clone(), what: Box::new(what) }
        })
        .collect()
    };
    desk.record(&Actor::Lifeboat, unknown).await.map(|_| ())
}

/// Every step that is under way.
fn under_way(picture: &Picture) -> Vec<(Attempt, Arc<Run>, usize)> {
    let mut found = Vec::new();
    // What was abandoned while Lifeboat was at a step still says how that ended.
    let runs = picture.records.runbooks.runs().iter().filter(|run| run.state.is_active() || run.state == RunState::Abandoned);
    for run in runs {
        for (place, record) in run.steps.iter().enumerate().filter(|(_, record)| record.state.is_under_way()) {
            found.push(((run.id, place, record.attempts), run.clone(), place));
        }
    }
    found
}

/// What a look at a step led to.
enum Verdict {
    Nothing,
    Ended(StepState, String),
    Overdue,
    Found(engine::id::OperationId),
}

impl Runner {
    async fn run(self: Arc<Self>) {
        let mut changed = self.desk.listen();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                told = changed.changed() => {
                    if told.is_err() {
                        return;
                    }
                }
            }
            let picture = self.desk.picture();
            if picture.read_only || picture.journal_break.is_some() {
                continue;
            }
            if let Err(error) = self.go_on(&picture).await {
                tracing::error!(error = format!("{error:#}"), "the journal cannot take what runs of runbooks have to say; trying again");
            }
        }
    }

    async fn go_on(self: &Arc<Self>, picture: &Picture) -> anyhow::Result<()> {
        for (attempt, run, place) in under_way(picture) {
            let (plan, record) = (&run.plan[place], &run.steps[place]);
            match self.look(picture, attempt, &run, place) {
                Verdict::Nothing => {}
                Verdict::Ended(state, said) => self.end(attempt, state, said).await?,
                Verdict::Overdue => self.note(attempt, RunEvent::StepOverdue { step: place }).await?,
                Verdict::Found(operation) => self.note(attempt, RunEvent::OperationFound { step: place, operation }).await?,
            }
            if is_work(plan, record) && !self.is_left(attempt, plan, record) {
                self.begin(attempt, run.clone(), place);
            }
        }
        Ok(())
    }

    /// What becomes of a step without anything being done.
    fn look(&self, picture: &Picture, attempt: Attempt, run: &Run, place: usize) -> Verdict {
        let (plan, record) = (&run.plan[place], &run.steps[place]);
        if self.is_left(attempt, plan, record) && !self.is_at(attempt) {
            return Verdict::Ended(StepState::Unknown, INTERRUPTED.to_owned());
        }
        let Some((_, begun)) = &record.begun else { return Verdict::Nothing };
        let late = Span::between(*begun, picture.now) > plan.timeout;
        if record.state == StepState::Running {
            match &plan.action {
                Action::Wait { until } => {
                    return match condition::holds(picture, *until, &plan.target) {
                        Ok(said) => Verdict::Ended(StepState::Done, said),
                        Err(why) if late => Verdict::Ended(StepState::Failed, format!("not so after {}: {why}", plan.timeout)),
                        Err(_) => Verdict::Nothing,
                    };
                }
                Action::Operation { operation, .. } => match record.operation.and_then(|id| picture.operation(&id)) {
                    Some(known) => {
                        if let Some(verdict) = ended(known) {
                            return verdict;
                        }
                    }
                    None => {
                        if let Some(found) = requested(picture, *operation, plan, *begun) {
                            return Verdict::Found(found);
                        }
                    }
                },
                Action::Manual
                | Action::Approval { .. }
                | Action::Command { .. }
                | Action::Http { .. }
                | Action::Sql { .. }
                | Action::Runbook { .. } => {}
            }
        }
        if late && record.overdue.is_none() && !is_work(plan, record) { Verdict::Overdue } else { Verdict::Nothing }
    }

    /// Whether a step that changes something was under way when an earlier process ended.
    fn is_left(&self, attempt: Attempt, plan: &FrozenStep, record: &StepRecord) -> bool {
        let repeatable = record.state == StepState::Running && plan.action.only_looks();
        self.left_over.contains(&attempt) && is_work(plan, record) && !repeatable
    }

    /// Carries out a step, once.
    fn begin(self: &Arc<Self>, attempt: Attempt, run: Arc<Run>, place: usize) {
        if !self.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            let undo = run.steps[place].state == StepState::RollingBack;
            let (means, desk) = (this.means.clone(), this.desk.clone());
            let work = tokio::spawn(async move { means.carry_out(&desk.picture(), &run, place, undo).await });
            let (state, said) = match work.await {
                Ok(Ok(said)) => (if undo { StepState::RolledBack } else { StepState::Done }, said),
                Ok(Err(error)) => (StepState::Failed, format!("{error:#}")),
                Err(_) => (StepState::Failed, MISTAKE.to_owned()),
            };
            // Tried until the journal takes it: what was done must not be forgotten.
            while let Err(error) = this.end(attempt, state, said.clone()).await {
                tracing::error!(error = format!("{error:#}"), "how a step of a runbook ended cannot be written down; trying again");
                tokio::time::sleep(EVERY).await;
            }
        });
    }

    fn is_at(&self, attempt: Attempt) -> bool {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(&attempt)
    }

    /// Writes down how a step ended, and that the run is complete where it was the last one.
    async fn end(&self, attempt: Attempt, state: StepState, said: String) -> anyhow::Result<()> {
        let (id, step, number) = attempt;
        let events = |picture: &Picture| -> Vec<Event> {
            let Some(run) = still(picture, attempt) else { return Vec::new() };
            let ended = RunEvent::StepEnded { step, attempt: number, state, said: said.clone() };
            let completes = state == StepState::Done && run.state.is_active() && run.completes_with(step);
            let events = std::iter::once(ended).chain(completes.then_some(RunEvent::Completed));
            events.map(|what| Event::Run { id, what: Box::new(what) }).collect()
        };
        self.desk.record(&Actor::Lifeboat, events).await.map(|_| ())
    }

    async fn note(&self, attempt: Attempt, what: RunEvent) -> anyhow::Result<()> {
        let events = |picture: &Picture| -> Vec<Event> {
            let known = still(picture, attempt).filter(|run| run.state.is_active()).is_some_and(|run| {
                let record = &run.steps[attempt.1];
                match &what {
                    RunEvent::StepOverdue { .. } => record.overdue.is_none(),
                    _ => record.operation.is_none(),
                }
            });
            if known { vec![Event::Run { id: attempt.0, what: Box::new(what.clone()) }] } else { Vec::new() }
        };
        self.desk.record(&Actor::Lifeboat, events).await.map(|_| ())
    }
}

/// The run, as long as that attempt is under way.
fn still(picture: &Picture, (id, step, attempt): Attempt) -> Option<&Arc<Run>> {
    let run = picture.records.runbooks.run(id)?;
    run.steps.get(step).filter(|record| record.state.is_under_way() && record.attempts == attempt).map(|_| run)
}

/// Whether the server does something for the step, besides looking.
fn is_work(plan: &FrozenStep, record: &StepRecord) -> bool {
    match record.state {
        StepState::Running => matches!(plan.action, Action::Command { .. } | Action::Http { .. } | Action::Sql { .. }),
        StepState::RollingBack => matches!(plan.rollback, Some(Rollback::Command { .. })),
        _ => false,
    }
}

/// The operation that was requested for a step: of its kind, about its target, since it was begun.
fn requested(picture: &Picture, wanted: OperationWanted, plan: &FrozenStep, since: engine::time::Instant) -> Option<engine::id::OperationId> {
    let target = &plan.target;
    let (kinds, scope): (&[OperationKind], Scope) = match wanted {
        OperationWanted::Switchover => (&[OperationKind::Switchover], Scope::Cluster(target.cluster.as_ref()?.parse().ok()?)),
        OperationWanted::Failover => (&[OperationKind::Failover], Scope::Cluster(target.cluster.as_ref()?.parse().ok()?)),
        OperationWanted::RegionFailover => (&[OperationKind::RegionFailover], Scope::Service(target.service.as_ref()?.parse().ok()?)),
        OperationWanted::Failback => (&[OperationKind::Failback], Scope::Service(target.service.as_ref()?.parse().ok()?)),
        OperationWanted::Evacuation => (&[OperationKind::Evacuation], Scope::Region(target.region.as_ref()?.parse().ok()?)),
    };
    let fits = |operation: &&Operation| {
        kinds.contains(&operation.plan.kind) && operation.plan.scope() == scope && operation.requested.at >= since && operation.mode() != Mode::Test
    };
    picture.records.operations.values().filter(fits).min_by_key(|operation| operation.requested.at).map(|operation| operation.id)
}

/// How an operation ended, for the step that asked for it.
fn ended(operation: &Operation) -> Option<Verdict> {
    let name = format!("the operation {}", operation.id.short());
    let why = operation.outcome.clone().map(|why| format!(": {why}")).unwrap_or_default();
    match operation.state {
        State::Succeeded => Some(Verdict::Ended(StepState::Done, format!("{name} has succeeded"))),
        State::Failed | State::Declined | State::Cancelled | State::Void | State::Closed => {
            Some(Verdict::Ended(StepState::Failed, format!("{name} is {}{why}", operation.state)))
        }
        State::Requested | State::Approved | State::Running | State::Compensating | State::InDoubt => None,
    }
}
