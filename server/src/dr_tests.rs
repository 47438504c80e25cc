//! Carries DR tests out as far as they are the product's: what is to be done is the engine's to say (`engine::dr_tests::driving`).
//! Every second, and whenever something is written, each run is looked at; so a guardrail that breaches stops a run within a few
//! seconds, and a server that was killed goes on where the journal says it was.

use crate::{
    config::FaultLine,
    connect::program,
    desk::{ActError, Desk},
};
use engine::{
    dr_tests::{
        Run, StepMoment, TestStepState,
        driving::{Due, due},
        ledger::TestEvent,
    },
    estate::StepAction,
    failover::Plan,
    id::{FaultId, OperationId, TestRunId},
    journal::{Actor, Command, Event},
    picture::Picture,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::JoinHandle, time::MissedTickBehavior};

/// How often every run is looked at; guardrails promise ten seconds.
const EVERY: Duration = Duration::from_secs(1);
/// So often in a row a run is looked at before others have their turn.
const AT_ONCE: usize = 20;

struct Driver {
    desk: Arc<Desk>,
    faults: BTreeMap<FaultId, FaultLine>,
    /// The faults that this process is running.
    at_work: Mutex<BTreeSet<(TestRunId, usize)>>,
}

/// Starts it. The task ends only where it has failed.
pub fn start(desk: Arc<Desk>, faults: BTreeMap<FaultId, FaultLine>) -> JoinHandle<()> {
    let driver = Arc::new(Driver { desk, faults, at_work: Mutex::default() });
    tokio::spawn(driver.run())
}

impl Driver {
    async fn run(self: Arc<Self>) {
        let mut changed = self.desk.listen();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                told = changed.changed() => if told.is_err() { return },
            }
            let picture = self.desk.picture();
            if picture.journal_break.is_some() || picture.read_only {
                continue;
            }
            let active: Vec<TestRunId> = picture.records.dr_tests.active().map(|run| run.id).collect();
            for id in active {
                if let Err(error) = self.go_on(id).await {
                    tracing::error!(error = format!("{error:#}"), run = %id, "a DR test cannot go on; trying again");
                }
            }
        }
    }

    fn is_at_work(&self, id: TestRunId, step: usize) -> bool {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(&(id, step))
    }

    fn due(&self, picture: &Picture, id: TestRunId) -> Option<Due> {
        due(picture, picture.records.dr_tests.get(&id)?, |step| self.is_at_work(id, step))
    }

    async fn go_on(self: &Arc<Self>, id: TestRunId) -> anyhow::Result<()> {
        for _ in 0..AT_ONCE {
            match self.due(&self.desk.picture(), id) {
                None => return Ok(()),
                Some(Due::Record(_)) => {
                    // Asked again under the pen: what is written follows from what is there then.
                    let events = |picture: &Picture| match self.due(picture, id) {
                        Some(Due::Record(events)) => events.into_iter().map(|what| Event::DrTest { run: id, what: Box::new(what) }).collect(),
                        _ => Vec::new(),
                    };
                    self.desk.record(&Actor::Lifeboat, events).await?;
                }
                Some(Due::Inject { step, fault }) => return self.inject(id, step, fault).await,
                Some(Due::Request { step }) => return self.request(id, step).await,
            }
        }
        Ok(())
    }

    /// Writes down how a step ended, unless it has ended otherwise meanwhile.
    async fn ends(&self, id: TestRunId, step: usize, moment: StepMoment, said: &str) -> anyhow::Result<()> {
        let event = |picture: &Picture| {
            let run = picture.records.dr_tests.get(&id);
            let runs = run.and_then(|run| run.steps.get(step)).is_some_and(|record| record.state == TestStepState::Running);
            let what = Box::new(TestEvent::Step { step, moment, said: said.to_owned() });
            if runs { vec![Event::DrTest { run: id, what }] } else { Vec::new() }
        };
        self.desk.record(&Actor::Lifeboat, event).await.map(|_| ())
    }

    /// Runs the command of a fault, once. A server that was killed while it ran does not run it again: nobody knows what it did.
    async fn inject(self: &Arc<Self>, id: TestRunId, step: usize, fault: FaultId) -> anyhow::Result<()> {
        let picture = self.desk.picture();
        let began = picture.records.dr_tests.get(&id).and_then(|run| run.steps.get(step)?.started_at);
        let before = began.zip(picture.observed.since).is_some_and(|(began, since)| began < since);
        if before {
            return self.ends(id, step, StepMoment::Fail, "the server stopped in the middle of it; what the fault did is not known").await;
        }
        let Some(line) = self.faults.get(&fault).cloned() else {
            return self.ends(id, step, StepMoment::Fail, &format!("this server's configuration has no [fault.{fault}]")).await;
        };
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert((id, step));
        let this = self.clone();
        tokio::spawn(async move {
            let run = id.to_string();
            let variables = [("LIFEBOAT_FAULT", fault.as_str()), ("LIFEBOAT_RUN", run.as_str())];
            let ended = program::run(&line.run, &variables, line.timeout.as_std()).await;
            let (moment, said) = match ended {
                Ok(printed) => {
                    let said = program::last_line(&printed).map_or_else(String::new, |line| format!(", and said: {line}"));
                    (StepMoment::Pass, format!("the fault {fault} ran{said}"))
                }
                Err(error) => (StepMoment::Fail, format!("{error:#}")),
            };
            while let Err(error) = this.ends(id, step, moment, &said).await {
                tracing::error!(error = format!("{error:#}"), run = %id, "how a fault ended cannot be written down; trying again");
                tokio::time::sleep(EVERY).await;
            }
            this.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&(id, step));
        });
        Ok(())
    }

    /// Requests the operation of a step in the name of whoever started the run: their rights count, and another person must approve
    /// it where a person must. A refusal is tried again until the step's time is over; the journal keeps each new one.
    async fn request(&self, id: TestRunId, step: usize) -> anyhow::Result<()> {
        let picture = self.desk.picture();
        let Some(run) = picture.records.dr_tests.get(&id).cloned() else { return Ok(()) };
        let Some(plan) = plan(&picture, &run, step) else { return Ok(()) };
        // What cannot be carried out now is not asked for again and again: each refusal would be an entry.
        if !plan.hard_blockers().is_empty() {
            return Ok(());
        }
        let operation = OperationId(uuid::Uuid::now_v7());
        let command = Command::RequestOperation {
            id: operation,
            shown_hash: plan.hash(),
            plan: Box::new(plan),
            reason: format!("step {} of the DR test {} ({})", step + 1, run.id.short(), run.scenario.name),
            accept_loss: run.accept_loss,
            override_blockers: false,
        };
        match self.desk.act(&Actor::Person(run.requested.by.clone()), command).await {
            Ok(_) => {
                let what = Box::new(TestEvent::Bound { step, operation });
                self.desk.record(&Actor::Lifeboat, |_| vec![Event::DrTest { run: id, what: what.clone() }]).await?;
                Ok(())
            }
            Err(ActError::Refused(refusal)) => self.ends(id, step, StepMoment::Fail, &format!("refused: {refusal}")).await,
            Err(ActError::Broken(error)) => Err(error),
        }
    }
}

/// The operation of a step, as it would be carried out now.
fn plan(picture: &Picture, run: &Run, step: usize) -> Option<Plan> {
    let StepAction::Operation { kind, scope, node, mode, .. } = &run.scenario.steps.get(step)?.does else { return None };
    if let Some(cluster) = scope.cluster() {
        // A rejoin is of the node that does not follow, where none is named.
        let lost = || {
            let (_, view) = picture.cluster(cluster)?;
            let leader = &view.primary()?.node;
            view.nodes.iter().find(|node| node.node != *leader && !view.streams_from_primary(&node.node)).map(|node| node.node.clone())
        };
        let node = node.clone().or_else(|| if *kind == engine::failover::OperationKind::Rejoin { lost() } else { None });
        return picture.plan(*kind, cluster, node.as_ref());
    }
    match (scope.service(), scope.region(), mode) {
        (Some(service), _, Some(mode)) => picture.traffic_plan(service, *mode, None),
        (_, Some(region), Some(mode)) => picture.evacuation_plan(region, *mode),
        _ => None,
    }
}
