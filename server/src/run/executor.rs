//! One operation from its start, or from where a crash left it, to its end.

use super::{
    crash::{self, Boundary, CrashAt},
    evacuation,
    needs::{Done, Hands, Ledger},
};
use anyhow::Context;
use engine::{
    automation,
    failover::{Action, FenceMeans, Measured, Mode, OnFailure, Operation, State, Step, StepState, halting, measuring},
    id::OperationId,
    journal::{Actor, Event, void_reasons},
    picture::Picture,
    time::Span,
};
use std::sync::Arc;

pub(super) struct Executor<L, H> {
    ledger: Arc<L>,
    hands: H,
    id: OperationId,
    crash_at: Option<CrashAt>,
}

/// How a run through the steps ended.
enum Ending {
    Succeeded,
    Compensate(String),
    Doubt(String),
    /// Somebody else has ended it meanwhile.
    Ended,
}

impl<L: Ledger, H: Hands> Executor<L, H> {
    pub(super) fn new(ledger: Arc<L>, hands: H, id: OperationId, crash_at: Option<CrashAt>) -> Self {
        Self { ledger, hands, id, crash_at }
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
            Ending::Ended => Ok(()),
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
        self.ledger
            .record(&Actor::Lifeboat, |picture| {
                let Some(operation) = picture.operation(&id).filter(|operation| operation.state == State::Approved) else {
                    return Vec::new();
                };
                let mut reasons = match picture.replan(operation) {
                    Some(plan) => void_reasons(operation, &plan, picture.now),
                    None => vec!["what it is about is not declared any more".to_owned()],
                };
                reasons.extend(automation::held_since(picture, operation).iter().map(ToString::to_string));
                vec![if reasons.is_empty() { Event::OperationStarted { id } } else { Event::OperationVoided { id, reasons } }]
            })
            .await?;
        Ok(self.operation()?.state == State::Running)
    }

    async fn go_on(&mut self) -> anyhow::Result<Ending> {
        if let Some(ending) = self.left_open()? {
            return Ok(ending);
        }
        while let Some(at) = self.operation()?.next_step() {
            let operation = self.operation()?;
            let step = operation.plan.steps.get(at).context("a step without a plan")?.clone();
            self.record(vec![Event::StepStarted { id: self.id, step: at }]).await?;
            if !self.operation()?.state.is_running() {
                return Ok(Ending::Ended);
            }
            crash::here(self.crash_at.as_ref(), at, Boundary::Intended);
            let done = self.within(&step.action, step.timeout, &operation).await;
            crash::here(self.crash_at.as_ref(), at, Boundary::Done);
            match done {
                Ok(done) => self.record_done(at, &step, done).await?,
                Err(error) => {
                    let said = format!("{error:#}");
                    self.record(vec![Event::StepEnded { id: self.id, step: at, state: StepState::Failed, said: said.clone() }]).await?;
                    match self.operation()?.on_failure(&step) {
                        OnFailure::GoOn => {}
                        OnFailure::Compensate => return Ok(Ending::Compensate(said)),
                        OnFailure::StandInDoubt => return Ok(Ending::Doubt(said)),
                    }
                }
            }
            crash::here(self.crash_at.as_ref(), at, Boundary::Recorded);
            if let Some(ending) = self.aborted()? {
                return Ok(ending);
            }
        }
        // An evacuation that left something behind has not emptied the region, however well the rest went. A rehearsal has
        // found that out, and nobody needs to look after it.
        let operation = self.operation()?;
        let falls_short = operation.left_behind();
        Ok(match operation.mode() {
            _ if !operation.state.is_running() => Ending::Ended,
            _ if !falls_short => Ending::Succeeded,
            Mode::Test => Ending::Compensate("not everything could be moved if it had to be; the steps say what and why".to_owned()),
            Mode::Planned | Mode::Emergency => {
                Ending::Doubt("not everything was moved; resume to try what failed again, or close it as it is".to_owned())
            }
        })
    }

    /// What a server that was killed had still to conclude from what it had written down: a step that failed, or being told to
    /// stop. Going on with the next step instead would promote behind a fence that failed.
    fn left_open(&self) -> anyhow::Result<Option<Ending>> {
        let operation = self.operation()?;
        let Some(at) = operation.steps.iter().rposition(|record| record.state != StepState::Pending) else { return Ok(None) };
        let (record, step) = (&operation.steps[at], operation.plan.steps.get(at).context("a step without a plan")?);
        match record.state {
            StepState::Failed => {
                let said = record.said.clone().unwrap_or_else(|| "a step failed".to_owned());
                Ok(match operation.on_failure(step) {
                    OnFailure::GoOn => self.aborted()?,
                    OnFailure::Compensate => Some(Ending::Compensate(said)),
                    OnFailure::StandInDoubt => Some(Ending::Doubt(said)),
                })
            }
            // What it was at is finished first.
            StepState::Running => Ok(None),
            _ => self.aborted(),
        }
    }

    /// Whether it was told to stop, and what follows: back to where it was, as long as there is a way back.
    fn aborted(&self) -> anyhow::Result<Option<Ending>> {
        let (operation, picture) = (self.operation()?, self.ledger.picture());
        let told = halting::told_to_stop(&operation, &picture.records, picture.now);
        let Some(why) = told.filter(|_| operation.next_step().is_some()) else {
            return Ok(None);
        };
        Ok(Some(if operation.passed_promotion() { Ending::Doubt(why) } else { Ending::Compensate(why) }))
    }

    async fn record_done(&self, at: usize, step: &Step, done: Done) -> anyhow::Result<()> {
        let overridden = matches!(step.action, Action::Fence { by: FenceMeans::Overridden, .. });
        let state = if overridden { StepState::Overridden } else { StepState::Done };
        let mut events = vec![Event::StepEnded { id: self.id, step: at, state, said: done.said }];
        let operation = self.operation()?;
        let mut measured = operation.measured.clone();
        let before = measured.clone();
        if let Some(time) = measuring::recovery_time(&operation, at, self.ledger.picture().now) {
            measured.recovery_time = Some(time);
        }
        if let Some(loss) = done.loss {
            measured = Measured { recovery_time: measured.recovery_time, ..loss };
        }
        if measured != before {
            events.push(Event::OperationMeasured { id: self.id, measured });
        }
        self.record(events).await
    }

    /// Undoes, in reverse, every step that began and can be undone. A step that began may have acted, so it counts.
    async fn compensate(&mut self) -> anyhow::Result<()> {
        let operation = self.operation()?;
        if operation.state != State::Compensating {
            return Ok(());
        }
        for (at, step) in operation.plan.steps.iter().enumerate().rev() {
            let began = operation.steps.get(at).is_some_and(|record| !matches!(record.state, StepState::Pending | StepState::Undone));
            let Some(undo) = step.undo.as_ref().filter(|_| began) else { continue };
            self.record(vec![Event::UndoStarted { id: self.id, step: at }]).await?;
            match self.within(undo, step.timeout, &operation).await {
                Ok(done) => self.record(vec![Event::StepEnded { id: self.id, step: at, state: StepState::Undone, said: done.said }]).await?,
                // A silence ends by itself, and is tried again; a hook is not worth a doubt where clients are well again.
                Err(error) if undo.holds_nothing_back() => {
                    let said = format!("{error:#}");
                    self.record(vec![Event::StepEnded { id: self.id, step: at, state: StepState::UndoFailed, said }]).await?;
                }
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
        let performing = async {
            match action {
                // Its members are moved by operations of their own.
                Action::MoveWave { members, .. } => evacuation::move_wave(&*self.ledger, operation, members).await,
                _ => self.hands.perform(action, operation, timeout).await,
            }
        };
        match tokio::time::timeout(timeout.as_std(), performing).await {
            Ok(result) => result,
            Err(_) => Err(anyhow::anyhow!("not done within {timeout}; whether it took effect is not known")),
        }
    }

    fn operation(&self) -> anyhow::Result<Operation> {
        self.ledger.picture().operation(&self.id).cloned().with_context(|| format!("operation {} is not in the records", self.id))
    }

    /// Nothing is written about an operation that somebody else has ended meanwhile.
    async fn record(&self, events: Vec<Event>) -> anyhow::Result<()> {
        let runs = |picture: &Picture| picture.operation(&self.id).is_some_and(|operation| operation.state.is_running());
        self.ledger.record(&Actor::Lifeboat, |picture| if runs(picture) { events.clone() } else { Vec::new() }).await
    }
}
