//! One operation from its start, or from where a crash left it, to its end.

use super::{
    act::{Acting, Done},
    crash::{self, Boundary, CrashAt},
};
use crate::{connections::Connections, desk::Desk};
use anyhow::Context;
use engine::{
    failover::{Action, FenceMeans, Measured, OnFailure, Operation, State, Step, StepState},
    id::OperationId,
    journal::{Actor, Event, void_reasons},
    time::Span,
};
use std::sync::Arc;

pub(super) struct Executor {
    desk: Arc<Desk>,
    acting: Acting,
    id: OperationId,
    crash_at: Option<CrashAt>,
}

/// How a run through the steps ended.
enum Ending {
    Succeeded,
    Compensate(String),
    Doubt(String),
}

impl Executor {
    pub(super) fn new(desk: Arc<Desk>, connections: Arc<Connections>, id: OperationId, crash_at: Option<CrashAt>) -> Self {
        Self { acting: Acting::new(desk.clone(), connections), desk, id, crash_at }
    }

    /// Works until the operation has ended or stands in doubt.
    ///
    /// # Errors
    /// Only where the journal cannot be written: then nothing further is done.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        if self.operation()?.state == State::Approved && !self.begin().await? {
            return Ok(());
        }
        if self.operation()?.state == State::Compensating {
            return self.compensate().await;
        }
        match self.go_on().await? {
            Ending::Succeeded => self.record(vec![Event::OperationSucceeded { id: self.id }]).await,
            Ending::Doubt(why) => self.record(vec![Event::OperationInDoubt { id: self.id, why }]).await,
            Ending::Compensate(why) => {
                self.record(vec![Event::OperationCompensating { id: self.id, why }]).await?;
                self.compensate().await
            }
        }
    }

    /// Starts an approved operation, unless what it rests on has changed since: the last check, as near to the act as can be.
    async fn begin(&self) -> anyhow::Result<bool> {
        let id = self.id;
        self.desk
            .record(&Actor::Lifeboat, |picture| {
                let Some(operation) = picture.operation(&id).filter(|operation| operation.state == State::Approved) else {
                    return Vec::new();
                };
                let reasons = match picture.replan(operation) {
                    Some(plan) => void_reasons(operation, &plan, picture.now),
                    None => vec!["the cluster is not declared any more".to_owned()],
                };
                vec![if reasons.is_empty() { Event::OperationStarted { id } } else { Event::OperationVoided { id, reasons } }]
            })
            .await?;
        Ok(self.operation()?.state == State::Running)
    }

    async fn go_on(&mut self) -> anyhow::Result<Ending> {
        while let Some(at) = self.operation()?.next_step() {
            let operation = self.operation()?;
            let step = operation.plan.steps.get(at).context("a step without a plan")?.clone();
            self.record(vec![Event::StepStarted { id: self.id, step: at }]).await?;
            crash::here(self.crash_at.as_ref(), at, Boundary::Intended);
            let done = self.within(&step.action, step.timeout, &operation).await;
            crash::here(self.crash_at.as_ref(), at, Boundary::Done);
            match done {
                Ok(done) => self.record_done(at, &step, done).await?,
                Err(error) => {
                    let said = format!("{error:#}");
                    self.record(vec![Event::StepEnded { id: self.id, step: at, state: StepState::Failed, said: said.clone() }]).await?;
                    match step.on_failure {
                        OnFailure::GoOn => {}
                        OnFailure::Compensate => return Ok(Ending::Compensate(said)),
                        OnFailure::StandInDoubt => return Ok(Ending::Doubt(said)),
                    }
                }
            }
            crash::here(self.crash_at.as_ref(), at, Boundary::Recorded);
        }
        Ok(Ending::Succeeded)
    }

    async fn record_done(&self, at: usize, step: &Step, done: Done) -> anyhow::Result<()> {
        let overridden = matches!(step.action, Action::Fence { by: FenceMeans::Overridden, .. });
        let state = if overridden { StepState::Overridden } else { StepState::Done };
        let mut events = vec![Event::StepEnded { id: self.id, step: at, state, said: done.said }];
        let mut measured = self.operation()?.measured;
        let before = measured.clone();
        if matches!(step.action, Action::ProveWrite { .. }) {
            measured.recovery_time = self.recovery_time()?;
        }
        if let Some(loss) = done.loss {
            measured = Measured { recovery_time: measured.recovery_time, ..loss };
        }
        if measured != before {
            events.push(Event::OperationMeasured { id: self.id, measured });
        }
        self.record(events).await
    }

    /// From the first failed probe, or in a planned move from closing the route, until now.
    fn recovery_time(&self) -> anyhow::Result<Option<Span>> {
        let operation = self.operation()?;
        let closed = operation.plan.steps.iter().zip(&operation.steps).find(|(step, _)| matches!(step.action, Action::CloseRoute { .. }));
        let since = operation.plan.outage_since.or_else(|| closed.and_then(|(_, record)| record.started_at));
        Ok(since.map(|since| Span::between(since, chrono::Utc::now())))
    }

    /// Undoes, in reverse, every step that began and can be undone. A step that began may have acted, so it counts.
    async fn compensate(&mut self) -> anyhow::Result<()> {
        let operation = self.operation()?;
        for (at, step) in operation.plan.steps.iter().enumerate().rev() {
            let began = operation.steps.get(at).is_some_and(|record| !matches!(record.state, StepState::Pending | StepState::Undone));
            let Some(undo) = step.undo.as_ref().filter(|_| began) else { continue };
            self.record(vec![Event::UndoStarted { id: self.id, step: at }]).await?;
            match self.within(undo, step.timeout, &operation).await {
                Ok(done) => self.record(vec![Event::StepEnded { id: self.id, step: at, state: StepState::Undone, said: done.said }]).await?,
                Err(error) => {
                    let why = format!("what was done could not be undone: {error:#}");
                    let ended = Event::StepEnded { id: self.id, step: at, state: StepState::UndoFailed, said: why.clone() };
                    return self.record(vec![ended, Event::OperationInDoubt { id: self.id, why }]).await;
                }
            }
        }
        let why = self.operation()?.outcome.unwrap_or_else(|| "a step failed".to_owned());
        self.record(vec![Event::OperationFailed { id: self.id, why }]).await
    }

    async fn within(&mut self, action: &Action, timeout: Span, operation: &Operation) -> anyhow::Result<Done> {
        match tokio::time::timeout(timeout.as_std(), self.acting.perform(action, operation, timeout)).await {
            Ok(result) => result,
            Err(_) => Err(anyhow::anyhow!("not done within {timeout}; whether it took effect is not known")),
        }
    }

    fn operation(&self) -> anyhow::Result<Operation> {
        self.desk.picture().operation(&self.id).cloned().with_context(|| format!("operation {} is not in the records", self.id))
    }

    async fn record(&self, events: Vec<Event>) -> anyhow::Result<()> {
        self.desk.record(&Actor::Lifeboat, |_| events.clone()).await.map(|_| ())
    }
}
