//! DR tests: a run of a scenario from its start to its verdict. The run owns a frozen copy of the scenario and of the objectives
//! it is held against; who did what and when is the journal's, and the verdict follows from what was recorded.

use crate::{
    estate::{Mark, Scenario, ScenarioStep},
    failover::{Measured, Stamp},
    id::{OperationId, ServiceId, TestRunId},
    journal::Actor,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

pub mod coverage;
pub mod driving;
pub mod gates;
pub mod ledger;
pub mod measuring;
pub mod report;
pub mod verdict;

pub use gates::Gate;
pub use measuring::Reading;
pub use verdict::{Judged, Verdict};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It waits for approvals; nothing has begun.
    Requested,
    Running,
    /// The steps are over, or the run was stopped; what puts things back is carried out.
    Cleaning,
    Ended,
    /// Given up before anything began. It counts for nothing.
    Cancelled,
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMoment {
    Begin,
    Clean,
    End,
    Cancel,
}

impl RunState {
    /// `None` where the moment cannot follow.
    pub fn next(self, moment: RunMoment) -> Option<RunState> {
        match (self, moment) {
            (RunState::Requested, RunMoment::Begin) => Some(RunState::Running),
            (RunState::Requested, RunMoment::Cancel) => Some(RunState::Cancelled),
            (RunState::Running, RunMoment::Clean) => Some(RunState::Cleaning),
            (RunState::Cleaning, RunMoment::End) => Some(RunState::Ended),
            (RunState::Requested, RunMoment::Clean | RunMoment::End)
            | (RunState::Running, RunMoment::Begin | RunMoment::End | RunMoment::Cancel)
            | (RunState::Cleaning, RunMoment::Begin | RunMoment::Clean | RunMoment::Cancel)
            | (RunState::Ended | RunState::Cancelled, RunMoment::Begin | RunMoment::Clean | RunMoment::End | RunMoment::Cancel) => None,
        }
    }
    pub fn is_active(self) -> bool {
        matches!(self, RunState::Requested | RunState::Running | RunState::Cleaning)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunState::Requested => "waiting for approval",
            RunState::Running => "running",
            RunState::Cleaning => "cleaning up",
            RunState::Ended => "ended",
            RunState::Cancelled => "cancelled",
        })
    }
}

/// How far a step has come. What was never begun is not “skipped”: that is a decision with a reason (trap T10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestStepState {
    Pending,
    Running,
    Passed,
    Failed,
    /// It cannot go on for now; somebody says why.
    Blocked,
    Skipped,
    /// The run ended before it was begun, or before anybody said how it went.
    NotRun,
}

/// What can happen to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepMoment {
    Start,
    Pass,
    Fail,
    Block,
    Skip,
    /// The run ended.
    Leave,
}

impl TestStepState {
    pub const ALL: [TestStepState; 7] = [
        TestStepState::Pending,
        TestStepState::Running,
        TestStepState::Passed,
        TestStepState::Failed,
        TestStepState::Blocked,
        TestStepState::Skipped,
        TestStepState::NotRun,
    ];

    /// `None` where the moment cannot follow: a result is recorded once, and only of what was begun (trap T2).
    pub fn next(self, moment: StepMoment) -> Option<TestStepState> {
        use TestStepState as S;
        match (self, moment) {
            (S::Pending | S::Blocked, StepMoment::Start) => Some(S::Running),
            (S::Running, StepMoment::Pass) => Some(S::Passed),
            (S::Running, StepMoment::Fail) => Some(S::Failed),
            (S::Pending | S::Running, StepMoment::Block) => Some(S::Blocked),
            (S::Pending | S::Running | S::Blocked, StepMoment::Skip) => Some(S::Skipped),
            (S::Pending | S::Running | S::Blocked, StepMoment::Leave) => Some(S::NotRun),
            (S::Running, StepMoment::Start)
            | (S::Pending | S::Blocked, StepMoment::Pass | StepMoment::Fail)
            | (S::Blocked, StepMoment::Block)
            | (
                S::Passed | S::Failed | S::Skipped | S::NotRun,
                StepMoment::Start | StepMoment::Pass | StepMoment::Fail | StepMoment::Block | StepMoment::Skip | StepMoment::Leave,
            ) => None,
        }
    }
    pub fn is_over(self) -> bool {
        matches!(self, TestStepState::Passed | TestStepState::Failed | TestStepState::Skipped | TestStepState::NotRun)
    }
}

impl fmt::Display for TestStepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TestStepState::Pending => "pending",
            TestStepState::Running => "running",
            TestStepState::Passed => "passed",
            TestStepState::Failed => "failed",
            TestStepState::Blocked => "blocked",
            TestStepState::Skipped => "skipped",
            TestStepState::NotRun => "not run",
        })
    }
}

/// What happened to one step of a run. All moments are the server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestStepRecord {
    pub state: TestStepState,
    /// Who is at it, or recorded its result.
    pub by: Option<Actor>,
    pub started_at: Option<Instant>,
    pub ended_at: Option<Instant>,
    /// What was seen, or why it was skipped or is blocked.
    pub said: Option<String>,
    /// The operation that it is bound to.
    pub operation: Option<OperationId>,
    /// The journal entry that changed it last; 0 before the first. A command that rests on another one is refused.
    pub changed: u64,
}

impl TestStepRecord {
    fn pending() -> Self {
        Self { state: TestStepState::Pending, by: None, started_at: None, ended_at: None, said: None, operation: None, changed: 0 }
    }
    /// How long it took; absent while it runs, and where it was never begun.
    pub fn took(&self) -> Option<Span> {
        Some(Span::between(self.started_at?, self.ended_at?))
    }
}

/// Something that somebody put down during a run: words, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub by: Actor,
    pub at: Instant,
    /// The step it is about; absent where about the run.
    pub step: Option<usize>,
    pub what: Exhibit,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "exhibit")]
pub enum Exhibit {
    Text { text: String },
    Link { text: String, url: String },
}

/// What was promised for a service when the run started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub rto: Span,
    pub rpo: Span,
}

/// A time that somebody typed. It is shown as asserted, and meets no criterion (trap T4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asserted {
    pub by: Actor,
    pub at: Instant,
    pub rto: Option<Span>,
    pub rpo: Option<Span>,
    pub reason: String,
}

/// Why a run was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub by: Actor,
    pub at: Instant,
    pub why: String,
    /// Whether a guardrail did it.
    pub guardrail: bool,
}

/// Whether everything the run is about was well again behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steady {
    pub at: Instant,
    /// `None` where it was not known.
    pub well: Option<bool>,
    pub said: String,
}

/// A person's own verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    pub by: Actor,
    pub at: Instant,
    pub verdict: Verdict,
    /// It is better than what was computed: an override, which proves nothing.
    pub overrides: bool,
    pub reason: String,
}

/// What an operation of a run measured of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub operation: OperationId,
    pub measured: Measured,
    /// Whether it is about data, so that what it lost must be counted.
    pub moves_data: bool,
}

/// One run of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: TestRunId,
    /// As it was when the run was requested.
    pub scenario: Scenario,
    pub version: String,
    pub targets: BTreeMap<ServiceId, Target>,
    pub state: RunState,
    pub requested: Stamp,
    pub accept_loss: bool,
    /// What was checked before the start, with what was set aside.
    pub gates: Vec<Gate>,
    pub approvals: Vec<Stamp>,
    /// Who leads it.
    pub lead: Actor,
    pub started_at: Option<Instant>,
    pub ended_at: Option<Instant>,
    pub steps: Vec<TestStepRecord>,
    pub evidence: Vec<Evidence>,
    /// In the order in which the operations ended.
    pub receipts: Vec<Receipt>,
    pub asserted: Option<Asserted>,
    pub stopped: Option<Stop>,
    /// When the steps of the test were over, and cleaning up began.
    pub cleaning_since: Option<Instant>,
    pub steady: Option<Steady>,
    /// What follows from what was recorded; absent before the end.
    pub judged: Option<Judged>,
    pub ruling: Option<Ruling>,
    /// The journal entries that it begins and ends with, so far.
    pub entries: (u64, u64),
}

impl Run {
    /// How many more people must approve it before it begins.
    pub fn approvals_missing(&self) -> u32 {
        if self.state != RunState::Requested {
            return 0;
        }
        self.scenario.approvals_needed().saturating_sub(u32::try_from(self.approvals.len()).unwrap_or(u32::MAX))
    }
    /// The steps with their records, in the scenario's order.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = (&ScenarioStep, &TestStepRecord)> + Clone {
        self.scenario.steps.iter().zip(&self.steps)
    }
    /// The steps that are part of the test, or of the cleaning up.
    fn part(&self, cleanup: bool) -> impl Iterator<Item = (usize, &TestStepRecord)> {
        self.lines().enumerate().filter(move |(_, (step, _))| step.cleanup == cleanup).map(|(at, (_, record))| (at, record))
    }
    /// Whether a step may be begun now, as far as the state of the run goes.
    pub fn is_turn_of(&self, step: &ScenarioStep) -> bool {
        match self.state {
            RunState::Running => !step.cleanup,
            RunState::Cleaning => step.cleanup,
            RunState::Requested | RunState::Ended | RunState::Cancelled => false,
        }
    }
    /// The verdict that counts: a person's, else what was computed.
    pub fn verdict(&self) -> Option<Verdict> {
        self.ruling.as_ref().map(|ruling| ruling.verdict).or(self.judged.as_ref().map(|judged| judged.verdict))
    }
    /// Whether it proves that its services survive its disaster: only what was computed and not lowered does, never an override.
    pub fn is_proof(&self) -> bool {
        let computed = self.judged.as_ref().is_some_and(|judged| judged.verdict == Verdict::Passed);
        computed && self.verdict() == Some(Verdict::Passed)
    }
    /// Whether it came to its own end. One that was stopped did not, and resets no cadence (trap T7).
    pub fn is_completed(&self) -> bool {
        self.state == RunState::Ended && self.stopped.is_none()
    }
    /// The step that bears a mark.
    pub fn marked(&self, mark: Mark) -> Option<(&ScenarioStep, &TestStepRecord)> {
        let mut marked = self.lines().filter(|(step, _)| step.marks == Some(mark));
        if mark == Mark::OutageBegins { marked.next() } else { marked.next_back() }
    }
}
