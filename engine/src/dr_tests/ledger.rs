//! What the journal says about DR tests: the commands, the events, and the runs that follow from them.

use super::{
    Asserted, Evidence, Exhibit, Gate, Judged, Receipt, Ruling, Run, RunMoment, RunState, Steady, StepMoment, Stop, Target, TestStepRecord,
    TestStepState, Verdict,
};
use crate::{
    estate::Scenario,
    failover::{Measured, Stamp},
    id::{AccountName, OperationId, ServiceId, TestRunId},
    journal::Actor,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// What a person may ask for. What only the picture knows (the scenario, the gates, the objectives) is added by the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum TestCommand {
    /// `shown_version` is the version of the scenario that the page showed.
    Request {
        scenario: Box<Scenario>,
        shown_version: String,
        targets: BTreeMap<ServiceId, Target>,
        gates: Vec<Gate>,
        override_gates: bool,
        accept_loss: bool,
        reason: String,
    },
    Approve {
        reason: String,
    },
    Cancel {
        reason: String,
    },
    /// `shown` is `TestStepRecord::changed` as the page showed it.
    Record {
        step: usize,
        shown: u64,
        moment: StepMoment,
        said: String,
    },
    Attach {
        step: Option<usize>,
        what: Exhibit,
    },
    HandOver {
        to: AccountName,
        reason: String,
    },
    Assert {
        rto: Option<Span>,
        rpo: Option<Span>,
        reason: String,
    },
    /// The steps are over: what is left of them is not run, and things are put back.
    Finish {
        reason: String,
    },
    /// Stop at once, and put things back.
    Stop {
        reason: String,
    },
    Rule {
        verdict: Verdict,
        reason: String,
    },
}

impl TestCommand {
    /// What is asked for, in the words of the journal.
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::Request { .. } => "start",
            Self::Approve { .. } => "approve",
            Self::Cancel { .. } => "cancel",
            Self::Record { .. } => "record a step of",
            Self::Attach { .. } => "attach evidence to",
            Self::HandOver { .. } => "hand over",
            Self::Assert { .. } => "assert times of",
            Self::Finish { .. } => "finish",
            Self::Stop { .. } => "stop",
            Self::Rule { .. } => "rule on",
        }
    }
    /// Whether its reason must be given, and the reason.
    pub(crate) fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Request { reason, .. }
            | Self::Approve { reason }
            | Self::Cancel { reason }
            | Self::HandOver { reason, .. }
            | Self::Assert { reason, .. }
            | Self::Finish { reason }
            | Self::Stop { reason }
            | Self::Rule { reason, .. } => Some(reason),
            // A step that went well needs no words; why it did not, or is left out, does.
            Self::Record { moment: StepMoment::Start | StepMoment::Pass, .. } | Self::Attach { .. } => None,
            Self::Record { said, .. } => Some(said),
        }
    }
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "happened")]
pub enum TestEvent {
    Requested {
        scenario: Box<Scenario>,
        version: String,
        targets: BTreeMap<ServiceId, Target>,
        gates: Vec<Gate>,
        accept_loss: bool,
        reason: String,
    },
    Approved {
        reason: String,
    },
    Cancelled {
        reason: String,
    },
    Began,
    Step {
        step: usize,
        moment: StepMoment,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        said: String,
    },
    /// An operation carries the step out. Written before it is waited for, so that a server that was killed finds it again.
    Bound {
        step: usize,
        operation: OperationId,
    },
    Measured {
        operation: OperationId,
        measured: Measured,
        moves_data: bool,
    },
    Attached {
        step: Option<usize>,
        what: Exhibit,
    },
    HandedOver {
        to: AccountName,
        reason: String,
    },
    Asserted {
        rto: Option<Span>,
        rpo: Option<Span>,
        reason: String,
    },
    /// The steps are over and things are put back; `stopped` where that came before their end, by a person or a guardrail.
    CleaningUp {
        why: String,
        stopped: bool,
        guardrail: bool,
    },
    SteadyStateSeen {
        well: Option<bool>,
        said: String,
    },
    Ended {
        judged: Judged,
    },
    Ruled {
        verdict: Verdict,
        overrides: bool,
        reason: String,
    },
}

/// Why a command about DR tests was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum TestRefusal {
    #[error("there is no run {}", id.short())]
    NoSuchRun { id: TestRunId },
    #[error("the run has no step {step}")]
    NoSuchStep { step: usize },
    #[error("the run is {state}, so this is not possible")]
    WrongState { state: RunState },
    #[error("{what} is being tested already by the run {} of {scenario}, started by {by}; wait for its end, or stop it", run.short())]
    RunsAlready { what: String, run: TestRunId, scenario: String, by: AccountName },
    #[error("the scenario was changed since the page was shown; look at it again")]
    ScenarioChanged,
    #[error("it cannot start: {}", gates.join("; "))]
    GatesShut { gates: Vec<String> },
    #[error("it starts only if you set this aside explicitly: {}", gates.join("; "))]
    OverrideMissing { gates: Vec<String> },
    #[error("you started this run; another person must approve it")]
    OwnRequest,
    #[error("you approved it already")]
    ApprovedAlready,
    /// Two people at one step: the second is told what the first said.
    #[error("{by} recorded “{name}” as {state} at {}{}; nothing was changed", at.format("%H:%M:%S UTC"), said.as_deref().map(|said| format!(" (“{said}”)")).unwrap_or_default())]
    RecordedAlready { name: String, by: String, state: TestStepState, at: Instant, said: Option<String> },
    #[error("“{name}” is {state}; that cannot follow")]
    StepState { name: String, state: TestStepState },
    #[error("“{name}” is carried out by Lifeboat; its result is what was seen, and nobody's to type. It can be skipped, or the run stopped")]
    NotByHand { name: String },
    #[error("{}", if *cleanup { "that step puts things back: its turn comes once the steps before are over" } else { "the steps of the test are over" })]
    NotItsTurn { cleanup: bool },
    #[error("what is attached may be up to {most} characters long, and not empty")]
    BadText { most: usize },
    #[error("a link begins with https:// or http://")]
    BadLink,
    #[error("so much evidence is not kept of one run: at most {most} pieces")]
    TooMuch { most: usize },
    #[error("say at least one of both times")]
    NothingAsserted,
    #[error("a better verdict than the computed one ({computed}) is an override, and takes somebody who may approve operations")]
    OverrideNotAllowed { computed: Verdict },
}

/// Why an event does not fit what went before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestMisfit {
    #[error("the run {id} is requested a second time")]
    RequestedTwice { id: TestRunId },
    #[error("an unknown run {id}")]
    Unknown { id: TestRunId },
    #[error("the run {id} is {state}, which this does not follow")]
    OutOfPlace { id: TestRunId, state: RunState },
    #[error("the run {id} has no step {step}")]
    UnknownStep { id: TestRunId, step: usize },
    #[error("step {step} of the run {id} is {state}, which {moment:?} does not follow")]
    StepOutOfPlace { id: TestRunId, step: usize, state: TestStepState, moment: StepMoment },
}

/// The longest text that is attached or said of a step, in characters.
pub const LONGEST_TEXT: usize = 4_000;
/// So many pieces of evidence are kept of one run.
pub const MOST_EVIDENCE: usize = 500;

/// Who asks, and what they may beside running tests.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub actor: &'a Actor,
    /// Whether they may override a computed verdict.
    pub may_override: bool,
}

/// All runs, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TestLedger {
    #[serde(with = "listed")]
    runs: BTreeMap<TestRunId, Arc<Run>>,
}

/// Runs are shared in memory and listed on paper.
mod listed {
    use super::{Arc, BTreeMap, Deserialize, Run, TestRunId};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(runs: &BTreeMap<TestRunId, Arc<Run>>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(runs.values().map(Arc::as_ref))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<TestRunId, Arc<Run>>, D::Error> {
        Ok(Vec::<Run>::deserialize(deserializer)?.into_iter().map(|run| (run.id, Arc::new(run))).collect())
    }
}

impl TestLedger {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
    pub fn get(&self, id: &TestRunId) -> Option<&Arc<Run>> {
        self.runs.get(id)
    }
    /// Oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Run>> {
        self.runs.values()
    }
    pub fn active(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.all().filter(|run| run.state.is_active())
    }

    /// What becomes of a command whose reason was checked.
    ///
    /// # Errors
    /// Each refusal is something the asker can act on.
    pub(crate) fn decide(&self, asker: Asker<'_>, id: TestRunId, command: &TestCommand) -> Result<Vec<TestEvent>, TestRefusal> {
        if let TestCommand::Request { scenario, shown_version, targets, gates, override_gates, accept_loss, reason } = command {
            if self.runs.contains_key(&id) {
                // The same form sent twice: the first one counts.
                return Ok(Vec::new());
            }
            self.nobody_else_tests(scenario)?;
            let version = scenario.version();
            if version != *shown_version {
                return Err(TestRefusal::ScenarioChanged);
            }
            through_gates(gates, *override_gates)?;
            let begins = (scenario.approvals_needed() == 0).then_some(TestEvent::Began);
            let requested = TestEvent::Requested {
                scenario: scenario.clone(),
                version,
                targets: targets.clone(),
                gates: gates.clone(),
                accept_loss: *accept_loss,
                reason: reason.clone(),
            };
            return Ok(std::iter::once(requested).chain(begins).collect());
        }
        let run = self.runs.get(&id).ok_or(TestRefusal::NoSuchRun { id })?;
        let wrong_state = Err(TestRefusal::WrongState { state: run.state });
        match command {
            TestCommand::Request { .. } => Ok(Vec::new()),
            TestCommand::Approve { reason } => {
                if run.state != RunState::Requested {
                    return wrong_state;
                }
                let is_asker = |stamp: &Stamp| *asker.actor == Actor::Person(stamp.by.clone());
                if is_asker(&run.requested) {
                    return Err(TestRefusal::OwnRequest);
                }
                if run.approvals.iter().any(is_asker) {
                    return Err(TestRefusal::ApprovedAlready);
                }
                let begins = (run.approvals_missing() <= 1).then_some(TestEvent::Began);
                Ok(std::iter::once(TestEvent::Approved { reason: reason.clone() }).chain(begins).collect())
            }
            TestCommand::Cancel { reason } => match run.state.next(RunMoment::Cancel) {
                Some(_) => Ok(vec![TestEvent::Cancelled { reason: reason.clone() }]),
                None => wrong_state,
            },
            TestCommand::Record { step, shown, moment, said } => record(run, asker.actor, *step, *shown, *moment, said),
            TestCommand::Attach { step, what } => attach(run, *step, what),
            TestCommand::HandOver { to, reason } => {
                if !run.state.is_active() {
                    return wrong_state;
                }
                Ok(vec![TestEvent::HandedOver { to: to.clone(), reason: reason.clone() }])
            }
            TestCommand::Assert { rto: None, rpo: None, .. } => Err(TestRefusal::NothingAsserted),
            TestCommand::Assert { rto, rpo, reason } => {
                if run.started_at.is_none() {
                    return wrong_state;
                }
                Ok(vec![TestEvent::Asserted { rto: *rto, rpo: *rpo, reason: reason.clone() }])
            }
            TestCommand::Finish { reason } => clean_up(run, reason, false, false).ok_or(TestRefusal::WrongState { state: run.state }),
            TestCommand::Stop { reason } => clean_up(run, reason, true, false).ok_or(TestRefusal::WrongState { state: run.state }),
            TestCommand::Rule { verdict, reason } => {
                let Some(judged) = &run.judged else { return wrong_state };
                let overrides = *verdict < judged.verdict;
                if overrides && !asker.may_override {
                    return Err(TestRefusal::OverrideNotAllowed { computed: judged.verdict });
                }
                Ok(vec![TestEvent::Ruled { verdict: *verdict, overrides, reason: reason.clone() }])
            }
        }
    }

    /// A service is in one test at a time: two that break it at once prove nothing.
    fn nobody_else_tests(&self, scenario: &Scenario) -> Result<(), TestRefusal> {
        for run in self.active() {
            let shared = run.scenario.services.iter().find(|service| scenario.services.contains(service));
            if shared.is_some() || run.scenario.id == scenario.id {
                let what = shared.map_or_else(|| scenario.name.clone(), ToString::to_string);
                return Err(TestRefusal::RunsAlready { what, run: run.id, scenario: run.scenario.name.clone(), by: run.requested.by.clone() });
            }
        }
        Ok(())
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// Where it cannot follow; the ledger is then unchanged.
    pub(crate) fn apply(&mut self, seq: u64, at: Instant, actor: &Actor, id: TestRunId, event: &TestEvent) -> Result<(), TestMisfit> {
        if let TestEvent::Requested { scenario, version, targets, gates, accept_loss, reason } = event {
            if self.runs.contains_key(&id) {
                return Err(TestMisfit::RequestedTwice { id });
            }
            let run = Run {
                id,
                version: version.clone(),
                targets: targets.clone(),
                state: RunState::Requested,
                requested: stamp(actor, at, reason),
                accept_loss: *accept_loss,
                gates: gates.clone(),
                approvals: Vec::new(),
                lead: actor.clone(),
                started_at: None,
                ended_at: None,
                steps: scenario.steps.iter().map(|_| TestStepRecord::pending()).collect(),
                scenario: (**scenario).clone(),
                evidence: Vec::new(),
                receipts: Vec::new(),
                asserted: None,
                stopped: None,
                cleaning_since: None,
                steady: None,
                judged: None,
                ruling: None,
                entries: (seq, seq),
            };
            self.runs.insert(id, Arc::new(run));
            return Ok(());
        }
        let shared = self.runs.get_mut(&id).ok_or(TestMisfit::Unknown { id })?;
        let mut run = (**shared).clone();
        take_in(&mut run, seq, at, actor, event)?;
        run.entries.1 = seq;
        *shared = Arc::new(run);
        Ok(())
    }
}

fn take_in(run: &mut Run, seq: u64, at: Instant, actor: &Actor, event: &TestEvent) -> Result<(), TestMisfit> {
    let id = run.id;
    match event {
        TestEvent::Requested { .. } => return Err(TestMisfit::RequestedTwice { id }),
        TestEvent::Approved { reason } => {
            if run.state != RunState::Requested {
                return Err(TestMisfit::OutOfPlace { id, state: run.state });
            }
            run.approvals.push(stamp(actor, at, reason));
        }
        TestEvent::Cancelled { .. } => {
            advance(run, RunMoment::Cancel)?;
            run.ended_at = Some(at);
        }
        TestEvent::Began => {
            if run.approvals_missing() > 0 {
                return Err(TestMisfit::OutOfPlace { id, state: run.state });
            }
            advance(run, RunMoment::Begin)?;
            run.started_at = Some(at);
        }
        TestEvent::Step { step, moment, said } => {
            let may_go_on = run.state == RunState::Running || run.state == RunState::Cleaning;
            let record = run.steps.get_mut(*step).ok_or(TestMisfit::UnknownStep { id, step: *step })?;
            let next = record.state.next(*moment).filter(|_| may_go_on);
            let next = next.ok_or(TestMisfit::StepOutOfPlace { id, step: *step, state: record.state, moment: *moment })?;
            record.state = next;
            record.by = Some(actor.clone());
            record.changed = seq;
            match next {
                TestStepState::Running => {
                    record.started_at = Some(record.started_at.unwrap_or(at));
                    record.ended_at = None;
                }
                TestStepState::Passed | TestStepState::Failed | TestStepState::Skipped | TestStepState::NotRun => record.ended_at = Some(at),
                TestStepState::Pending | TestStepState::Blocked => {}
            }
            record.said = (!said.is_empty()).then(|| said.clone());
        }
        TestEvent::Bound { step, operation } => {
            run.steps.get_mut(*step).ok_or(TestMisfit::UnknownStep { id, step: *step })?.operation = Some(*operation);
        }
        TestEvent::Measured { operation, measured, moves_data } => {
            run.receipts.retain(|known| known.operation != *operation);
            run.receipts.push(Receipt { operation: *operation, measured: measured.clone(), moves_data: *moves_data });
        }
        TestEvent::Attached { step, what } => run.evidence.push(Evidence { by: actor.clone(), at, step: *step, what: what.clone() }),
        TestEvent::HandedOver { to, .. } => run.lead = Actor::Person(to.clone()),
        TestEvent::Asserted { rto, rpo, reason } => {
            run.asserted = Some(Asserted { by: actor.clone(), at, rto: *rto, rpo: *rpo, reason: reason.clone() });
        }
        TestEvent::CleaningUp { why, stopped, guardrail } => {
            advance(run, RunMoment::Clean)?;
            run.cleaning_since = Some(at);
            if *stopped {
                run.stopped = Some(Stop { by: actor.clone(), at, why: why.clone(), guardrail: *guardrail });
            }
        }
        TestEvent::SteadyStateSeen { well, said } => run.steady = Some(Steady { at, well: *well, said: said.clone() }),
        TestEvent::Ended { judged } => {
            advance(run, RunMoment::End)?;
            run.ended_at = Some(at);
            run.judged = Some(judged.clone());
        }
        TestEvent::Ruled { verdict, overrides, reason } => {
            if run.state != RunState::Ended {
                return Err(TestMisfit::OutOfPlace { id, state: run.state });
            }
            run.ruling = Some(Ruling { by: actor.clone(), at, verdict: *verdict, overrides: *overrides, reason: reason.clone() });
        }
    }
    Ok(())
}

fn advance(run: &mut Run, moment: RunMoment) -> Result<(), TestMisfit> {
    run.state = run.state.next(moment).ok_or(TestMisfit::OutOfPlace { id: run.id, state: run.state })?;
    Ok(())
}

fn through_gates(gates: &[Gate], override_gates: bool) -> Result<(), TestRefusal> {
    let said = |gate: &&Gate| format!("{}: {}", gate.name.to_lowercase(), gate.said);
    let shut: Vec<&Gate> = gates.iter().filter(|gate| !gate.is_open).collect();
    let hard: Vec<String> = shut.iter().filter(|gate| !gate.overridable).map(said).collect();
    if !hard.is_empty() {
        return Err(TestRefusal::GatesShut { gates: hard });
    }
    if !shut.is_empty() && !override_gates {
        return Err(TestRefusal::OverrideMissing { gates: shut.iter().map(said).collect() });
    }
    Ok(())
}

fn record(run: &Run, actor: &Actor, step: usize, shown: u64, moment: StepMoment, said: &str) -> Result<Vec<TestEvent>, TestRefusal> {
    let (declared, record) = run.lines().nth(step).ok_or(TestRefusal::NoSuchStep { step: step + 1 })?;
    let name = declared.name.clone();
    if said.chars().count() > LONGEST_TEXT {
        return Err(TestRefusal::BadText { most: LONGEST_TEXT });
    }
    if record.changed != shown {
        // The same form sent twice by the same person is no quarrel.
        let before = [TestStepState::Pending, TestStepState::Running, TestStepState::Blocked].into_iter();
        let is_same = before.filter_map(|state| state.next(moment)).any(|state| state == record.state);
        if is_same && record.by.as_ref() == Some(actor) && record.said.as_deref().unwrap_or_default() == said {
            return Ok(Vec::new());
        }
        let by = record.by.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
        let at = record.ended_at.or(record.started_at).unwrap_or(run.requested.at);
        return Err(TestRefusal::RecordedAlready { name, by, state: record.state, at, said: record.said.clone() });
    }
    if !matches!(run.state, RunState::Running | RunState::Cleaning) {
        return Err(TestRefusal::WrongState { state: run.state });
    }
    if !run.is_turn_of(declared) {
        return Err(TestRefusal::NotItsTurn { cleanup: declared.cleanup });
    }
    if !declared.does.is_manual() && moment != StepMoment::Skip {
        return Err(TestRefusal::NotByHand { name });
    }
    match (moment, record.state.next(moment)) {
        (StepMoment::Leave, _) | (_, None) => Err(TestRefusal::StepState { name, state: record.state }),
        (_, Some(_)) => Ok(vec![TestEvent::Step { step, moment, said: said.to_owned() }]),
    }
}

fn attach(run: &Run, step: Option<usize>, what: &Exhibit) -> Result<Vec<TestEvent>, TestRefusal> {
    if let Some(step) = step.filter(|step| *step >= run.steps.len()) {
        return Err(TestRefusal::NoSuchStep { step: step + 1 });
    }
    if run.state == RunState::Cancelled {
        return Err(TestRefusal::WrongState { state: run.state });
    }
    if run.evidence.len() >= MOST_EVIDENCE {
        return Err(TestRefusal::TooMuch { most: MOST_EVIDENCE });
    }
    let (text, url) = match what {
        Exhibit::Text { text } => (text, None),
        Exhibit::Link { text, url } => (text, Some(url)),
    };
    let fits = |text: &str| !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT;
    if !fits(text) || !url.is_none_or(|url| fits(url)) {
        return Err(TestRefusal::BadText { most: LONGEST_TEXT });
    }
    // Anything else could be a script.
    if url.is_some_and(|url| !(url.starts_with("https://") || url.starts_with("http://"))) {
        return Err(TestRefusal::BadLink);
    }
    if run.evidence.last().is_some_and(|last| last.step == step && last.what == *what) {
        // The same form sent twice.
        return Ok(Vec::new());
    }
    Ok(vec![TestEvent::Attached { step, what: what.clone() }])
}

/// The steps of the test are over: those that are left are not run. `None` where they are over already, or were never begun.
pub(crate) fn clean_up(run: &Run, why: &str, stopped: bool, guardrail: bool) -> Option<Vec<TestEvent>> {
    run.state.next(RunMoment::Clean)?;
    let open = run.part(false).filter(|(_, record)| !record.state.is_over());
    let leave = open.map(|(step, _)| TestEvent::Step { step, moment: StepMoment::Leave, said: why.to_owned() });
    Some(leave.chain(std::iter::once(TestEvent::CleaningUp { why: why.to_owned(), stopped, guardrail })).collect())
}

fn stamp(actor: &Actor, at: Instant, reason: &str) -> Stamp {
    let by = match actor {
        Actor::Person(name) => name.clone(),
        Actor::CommandLine(_) => AccountName::nobody(),
        Actor::Lifeboat => AccountName::lifeboat(),
    };
    Stamp { by, at, reason: reason.to_owned() }
}
