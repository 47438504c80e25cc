//! What the pages of DR tests show.

use crate::{session::Viewer, ui::state::Tone};
use engine::{
    access::Permission,
    dr_tests::{
        Evidence, Exhibit, Gate, Reading, Run, RunState, TestStepRecord, TestStepState, Verdict,
        coverage::{self, Cell},
        gates,
    },
    estate::{Criterion, Scenario, ScenarioStep},
    id::{OperationId, ScenarioId, TestRunId},
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use std::sync::Arc;

/// So many runs are listed; the journal has all.
const RUNS_LISTED: usize = 30;

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Listing {
    pub now: Instant,
    pub scenarios: Vec<ScenarioLine>,
    /// The types of disaster, as the columns of the map.
    pub disasters: Vec<String>,
    /// Services with a cell for each of them; `None` where no scenario covers it.
    pub map: Vec<(String, Vec<Option<CellMark>>)>,
    pub best: Option<Best>,
    pub runs: Vec<RunLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ScenarioLine {
    pub id: ScenarioId,
    pub name: String,
    pub kind: String,
    pub risk: String,
    pub takes: Span,
    pub last: Option<Instant>,
    pub due: Option<Instant>,
    pub tone: Tone,
    pub word: String,
    pub counts: String,
    pub times: String,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct CellMark {
    pub tone: Tone,
    pub word: String,
    pub at: Option<Instant>,
    pub href: Option<String>,
}

/// The test that proves most.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Best {
    pub id: ScenarioId,
    pub name: String,
    pub says: String,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RunLine {
    pub id: TestRunId,
    pub name: String,
    pub at: Instant,
    pub lead: String,
    pub tone: Tone,
    pub word: String,
    pub recovery: String,
}

fn reading(reading: &Reading) -> String {
    match reading {
        Reading::NotApplicable => "n/a".to_owned(),
        Reading::NotMeasured { .. } => "not measured".to_owned(),
        Reading::Measured { span, .. } => span.rough(),
    }
}

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Passed => Tone::Ok,
        Verdict::Unproven => Tone::Unknown,
        Verdict::Failed => Tone::Lost,
    }
}

/// A run in a word.
fn standing(run: &Run) -> (Tone, String) {
    match (run.state, run.verdict()) {
        (RunState::Ended, Some(verdict)) => {
            let overridden = run.ruling.as_ref().is_some_and(|ruling| ruling.overrides);
            // What was overridden is never shown as passed.
            if overridden { (Tone::Watch, format!("OVERRIDDEN: {verdict}")) } else { (verdict_tone(verdict), verdict.to_string()) }
        }
        (RunState::Requested, _) => (Tone::Act, run.state.to_string()),
        (RunState::Running | RunState::Cleaning, _) => (Tone::Watch, run.state.to_string()),
        (RunState::Ended | RunState::Cancelled, _) => (Tone::Unknown, run.state.to_string()),
    }
}

impl RunLine {
    fn of(run: &Run) -> Self {
        let (tone, word) = standing(run);
        let recovery = reading(&run.recovery_time());
        Self { id: run.id, name: run.scenario.name.clone(), at: run.requested.at, lead: run.lead.to_string(), tone, word, recovery }
    }
}

fn newest<'a>(runs: impl DoubleEndedIterator<Item = &'a Arc<Run>>) -> Vec<RunLine> {
    runs.rev().take(RUNS_LISTED).map(|run| RunLine::of(run)).collect()
}

impl Listing {
    pub fn of(picture: &Picture) -> Self {
        let runs: Vec<Arc<Run>> = picture.records.dr_tests.all().cloned().collect();
        let (estate, now) = (&picture.estate, picture.now);
        let dues = coverage::due(estate, &runs, now);
        let scenario = |scenario: &Scenario| {
            let due = dues.iter().find(|due| due.scenario == scenario.id);
            let metrics = coverage::metrics(&runs, &scenario.id);
            let running = runs.iter().any(|run| run.scenario.id == scenario.id && run.state.is_active());
            let (tone, word) = match due {
                _ if running => (Tone::Watch, "under way"),
                None => (Tone::Ok, "no cadence"),
                Some(due) if due.last.is_none() => (Tone::Unknown, "never completed"),
                Some(due) if due.overdue => (Tone::Act, "OVERDUE"),
                Some(_) => (Tone::Ok, "in time"),
            };
            let span = |span: Option<Span>| span.map_or_else(|| "–".to_owned(), Span::rough);
            ScenarioLine {
                id: scenario.id.clone(),
                name: scenario.name.clone(),
                kind: format!("{}, {}", scenario.kind, scenario.disaster),
                risk: scenario.risk(estate).to_string(),
                takes: scenario.estimate(),
                last: due.and_then(|due| due.last),
                due: due.and_then(|due| due.due),
                tone,
                word: word.to_owned(),
                counts: format!("{} passed · {} unproven · {} failed", metrics.passed, metrics.unproven, metrics.failed),
                times: format!("{} · {} · {}", span(metrics.p50), span(metrics.p90), span(metrics.worst)),
            }
        };
        let cells = coverage::coverage(estate, &runs, now);
        let mut disasters: Vec<_> = cells.keys().map(|(_, disaster)| *disaster).collect();
        disasters.sort_unstable();
        disasters.dedup();
        let row = |service: &engine::estate::Service| {
            let marks: Vec<_> = disasters.iter().map(|disaster| cells.get(&(service.id.clone(), *disaster)).map(CellMark::of)).collect();
            (service.id.to_string(), marks)
        };
        let best = coverage::next_best(estate, &runs, now).and_then(|best| {
            let name = estate.scenario(&best.scenario)?.name.clone();
            let cells = best.proves.len();
            let noun = if cells == 1 { "cell" } else { "cells" };
            Some(Best {
                id: best.scenario,
                name,
                says: format!("{} of testing would prove {cells} {noun} that nobody has proven", best.takes.rough()),
            })
        });
        Self {
            now,
            scenarios: estate.scenarios.iter().map(scenario).collect(),
            map: estate.services.iter().map(row).collect(),
            disasters: disasters.iter().map(ToString::to_string).collect(),
            best,
            runs: newest(runs.iter()),
        }
    }
}

impl CellMark {
    fn of(cell: &Cell) -> Self {
        let run = |run: &TestRunId| Some(format!("/dr-tests/runs/{run}"));
        let (tone, word, at, href) = match cell {
            Cell::NeverTested => (Tone::Unknown, "never tested".to_owned(), None, None),
            Cell::Proven { at, run: id } => (Tone::Ok, "proven".to_owned(), Some(*at), run(id)),
            Cell::Expired { at, run: id } => (Tone::Watch, "proof expired".to_owned(), Some(*at), run(id)),
            Cell::NotProven { at, run: id, verdict } => {
                let tone = if *verdict == Verdict::Passed { Tone::Watch } else { verdict_tone(*verdict) };
                (tone, if *verdict == Verdict::Passed { "overridden".to_owned() } else { verdict.to_string() }, Some(*at), run(id))
            }
        };
        Self { tone, word, at, href }
    }
}

/// One scenario, and the form that starts a run.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ScenarioView {
    pub now: Instant,
    pub id: ScenarioId,
    pub name: String,
    pub version: String,
    pub new_id: TestRunId,
    pub facts: Vec<(String, String)>,
    pub steps: Vec<DeclaredStep>,
    pub criteria: Vec<String>,
    pub gates: Vec<Gate>,
    /// It moves or breaks something that serves users.
    pub acts: bool,
    pub approvals: u32,
    pub barred: Option<String>,
    pub runs: Vec<RunLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct DeclaredStep {
    pub name: String,
    pub expected: String,
    pub does: String,
    pub estimate: Span,
    pub cleanup: bool,
}

impl DeclaredStep {
    fn of(step: &ScenarioStep) -> Self {
        Self { name: step.name.clone(), expected: step.expected.clone(), does: step.does.in_words(), estimate: step.estimate, cleanup: step.cleanup }
    }
}

impl ScenarioView {
    /// `None` where there is no such scenario.
    pub fn of(picture: &Picture, viewer: &Viewer, id: &ScenarioId, new_id: TestRunId) -> Option<Self> {
        let scenario = picture.estate.scenario(id)?;
        let needed = if scenario.acts_for_real() { Permission::RequestOperation } else { Permission::Rehearse };
        let services = scenario.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let facts = [
            ("Type", scenario.kind.to_string()),
            ("Disaster", scenario.disaster.to_string()),
            ("Services", services),
            ("Risk", scenario.risk(&picture.estate).to_string()),
            ("Takes", scenario.estimate().to_string()),
            ("Cadence", scenario.every.map_or_else(|| "none".to_owned(), |every| format!("every {every}"))),
            ("Approvals", scenario.approvals_needed().to_string()),
            ("Version", scenario.version()),
        ];
        let guardrails = scenario.guardrails.iter().map(|guardrail| ("Guardrail".to_owned(), guardrail.to_string()));
        let runs = picture.records.dr_tests.all().filter(|run| run.scenario.id == *id);
        Some(Self {
            now: picture.now,
            id: id.clone(),
            name: scenario.name.clone(),
            version: scenario.version(),
            new_id,
            facts: facts.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(guardrails).collect(),
            steps: scenario.steps.iter().map(DeclaredStep::of).collect(),
            criteria: scenario.criteria.iter().map(Criterion::to_string).collect(),
            gates: gates::check(picture, scenario),
            acts: scenario.acts_for_real(),
            approvals: scenario.approvals_needed(),
            barred: viewer.barred(needed),
            runs: newest(runs),
        })
    }
}

/// The live board of one run.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Board {
    pub now: Instant,
    pub id: TestRunId,
    pub scenario: ScenarioId,
    pub name: String,
    pub kind: String,
    pub tone: Tone,
    pub word: String,
    pub state: RunState,
    pub lead: String,
    pub requested: String,
    /// Waits for so many approvals.
    pub missing: u32,
    pub started: Option<Instant>,
    pub ended: Option<Instant>,
    pub estimate: Span,
    pub clock: Option<Outage>,
    pub recovery: String,
    pub loss: String,
    pub asserted: Option<String>,
    pub stopped: Option<String>,
    pub steps: Vec<StepView>,
    pub findings: Vec<(Tone, String, String)>,
    pub ruling: Option<String>,
    pub evidence: Vec<EvidenceLine>,
    pub set_aside: Vec<String>,
    pub entries: (u64, u64),
    /// Why this viewer may not record; absent where they may.
    pub barred: Option<String>,
    pub may_approve: bool,
    pub may_override: bool,
    pub computed: Option<Verdict>,
}

/// The outage that the run makes, against what is promised.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Outage {
    pub since: Instant,
    pub until: Option<Instant>,
    /// The shortest RTO that it is held against.
    pub target: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct StepView {
    pub name: String,
    pub expected: String,
    pub does: Option<String>,
    pub estimate: Span,
    pub cleanup: bool,
    pub tone: Tone,
    pub state: TestStepState,
    pub by: Option<String>,
    pub since: Option<Instant>,
    pub took: Option<Span>,
    pub said: Option<String>,
    pub operation: Option<OperationId>,
    pub changed: u64,
    /// What can be recorded of it now: `start`, `pass`, `fail`, `block`, `skip`.
    pub can: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct EvidenceLine {
    pub at: Instant,
    pub by: String,
    pub step: Option<usize>,
    pub text: String,
    pub url: Option<String>,
}

impl EvidenceLine {
    fn of(evidence: &Evidence) -> Self {
        let (text, url) = match &evidence.what {
            Exhibit::Text { text } => (text.clone(), None),
            Exhibit::Link { text, url } => (text.clone(), Some(url.clone())),
        };
        Self { at: evidence.at, by: evidence.by.to_string(), step: evidence.step, text, url }
    }
}

impl StepView {
    fn of(run: &Run, step: &ScenarioStep, record: &TestStepRecord) -> Self {
        let is_turn = run.is_turn_of(step);
        let manual = step.does.is_manual();
        let can = match record.state {
            _ if !is_turn => Vec::new(),
            TestStepState::Pending | TestStepState::Running | TestStepState::Blocked if !manual => vec!["skip"],
            TestStepState::Pending => vec!["start", "block", "skip"],
            TestStepState::Running => vec!["pass", "fail", "block", "skip"],
            TestStepState::Blocked => vec!["start", "skip"],
            TestStepState::Passed | TestStepState::Failed | TestStepState::Skipped | TestStepState::NotRun => Vec::new(),
        };
        let tone = match record.state {
            TestStepState::Passed => Tone::Ok,
            TestStepState::Failed => Tone::Lost,
            TestStepState::Blocked => Tone::Act,
            TestStepState::Running | TestStepState::Skipped => Tone::Watch,
            TestStepState::Pending | TestStepState::NotRun => Tone::Unknown,
        };
        Self {
            name: step.name.clone(),
            expected: step.expected.clone(),
            does: (!manual).then(|| step.does.in_words()),
            estimate: step.estimate,
            cleanup: step.cleanup,
            tone,
            state: record.state,
            by: record.by.as_ref().map(ToString::to_string),
            since: record.started_at,
            took: record.took(),
            said: record.said.clone(),
            operation: record.operation,
            changed: record.changed,
            can: can.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl Board {
    /// `None` where there is no such run.
    pub fn of(picture: &Picture, viewer: &Viewer, id: &TestRunId) -> Option<Self> {
        let run = picture.records.dr_tests.get(id)?;
        let (tone, word) = standing(run);
        let (began, restored) = run.outage();
        let named = run.scenario.criteria.iter().filter_map(|criterion| match criterion {
            Criterion::RtoMet { service } => run.targets.get(service).map(|target| target.rto),
            _ => None,
        });
        let target = named.min();
        let over = restored.or(run.ended_at);
        let own = run.requested.by == viewer.name;
        let span = |span: Option<Span>| span.map_or_else(|| "–".to_owned(), |span| span.to_string());
        let finding = |finding: &engine::dr_tests::verdict::Finding| (verdict_tone(finding.verdict), finding.what.clone(), finding.said.clone());
        Some(Self {
            now: picture.now,
            id: *id,
            scenario: run.scenario.id.clone(),
            name: run.scenario.name.clone(),
            kind: format!("{} of a {}", run.scenario.kind, run.scenario.disaster),
            tone,
            word,
            state: run.state,
            lead: run.lead.to_string(),
            requested: format!("{}: {}", run.requested.by, run.requested.reason),
            missing: run.approvals_missing(),
            started: run.started_at,
            ended: run.ended_at,
            estimate: run.scenario.estimate(),
            clock: began.map(|since| Outage { since, until: over, target }),
            recovery: run.recovery_time().in_words(),
            loss: run.loss().in_words(),
            asserted: run.asserted.as_ref().map(|asserted| {
                format!("ASSERTED by {}: recovery time {}, loss {} ({})", asserted.by, span(asserted.rto), span(asserted.rpo), asserted.reason)
            }),
            stopped: run.stopped.as_ref().map(|stop| format!("Stopped by {}: {}", stop.by, stop.why)),
            steps: run.lines().map(|(step, record)| StepView::of(run, step, record)).collect(),
            findings: run.judged.iter().flat_map(|judged| &judged.findings).map(finding).collect(),
            ruling: run.ruling.as_ref().map(|ruling| {
                let how = if ruling.overrides { "OVERRIDDEN" } else { "Set" };
                format!("{how} to {} by {}: {}", ruling.verdict, ruling.by, ruling.reason)
            }),
            evidence: run.evidence.iter().map(EvidenceLine::of).collect(),
            set_aside: run.gates.iter().filter(|gate| !gate.is_open).map(|gate| format!("{}: {}", gate.name, gate.said)).collect(),
            entries: run.entries,
            barred: viewer.barred(Permission::Rehearse),
            may_approve: viewer.may(Permission::ApproveOperation) && !own,
            may_override: viewer.may(Permission::ApproveOperation),
            computed: run.judged.as_ref().map(|judged| judged.verdict),
        })
    }
}
