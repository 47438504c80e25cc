//! What was proven when: each service against each type of disaster, what is overdue, and which test proves most next.

use super::{Run, Verdict};
use crate::{
    estate::{DisasterType, Estate, Scenario},
    id::{ScenarioId, ServiceId, TestRunId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// How a service stands against a type of disaster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "cell")]
pub enum Cell {
    /// A scenario covers it, and none was ever completed.
    NeverTested,
    /// The newest completed test passed, and is young enough.
    Proven { at: Instant, run: TestRunId },
    /// It passed, and is older than the cadence allows.
    Expired { at: Instant, run: TestRunId },
    /// The newest completed test did not pass.
    NotProven { at: Instant, run: TestRunId, verdict: Verdict },
}

impl Cell {
    pub fn is_proven(&self) -> bool {
        matches!(self, Cell::Proven { .. })
    }
}

/// When a scenario must be carried out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueTest {
    pub scenario: ScenarioId,
    /// The end of the last completed run.
    pub last: Option<Instant>,
    /// Absent where it was never completed: then it is overdue from the start.
    pub due: Option<Instant>,
    pub overdue: bool,
}

/// The test that would prove most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextBest {
    pub scenario: ScenarioId,
    pub takes: Span,
    pub proves: Vec<(ServiceId, DisasterType)>,
}

/// What the runs of one scenario amount to. Every count is there, also where it is zero (trap T8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metrics {
    pub passed: usize,
    pub unproven: usize,
    pub failed: usize,
    /// Stopped before their own end; counted among the failed too.
    pub stopped: usize,
    /// In percent of those that ended; absent where none did.
    pub pass_rate: Option<u8>,
    /// Of the measured recovery times of all that ended; those that failed are not dropped (row 76).
    pub p50: Option<Span>,
    pub p90: Option<Span>,
    pub worst: Option<Span>,
}

fn runs_of<'a>(runs: &'a [Arc<Run>], scenario: &'a ScenarioId) -> impl DoubleEndedIterator<Item = &'a Arc<Run>> {
    runs.iter().filter(move |run| run.scenario.id == *scenario)
}

/// All cells for which a scenario is declared.
pub fn coverage(estate: &Estate, runs: &[Arc<Run>], now: Instant) -> BTreeMap<(ServiceId, DisasterType), Cell> {
    let mut cells = BTreeMap::new();
    for scenario in &estate.scenarios {
        for service in scenario.services.iter().filter(|id| estate.service(id).is_some()) {
            let key = (service.clone(), scenario.disaster);
            // Whatever scenario it was: what counts is that the service was in it, as the run itself was declared.
            let matching = runs.iter().filter(|run| run.scenario.disaster == scenario.disaster && run.scenario.services.contains(service));
            let newest = matching.filter(|run| run.is_completed()).max_by_key(|run| run.ended_at);
            let cell = match newest.and_then(|run| Some((run, run.ended_at?, run.verdict()?))) {
                None => Cell::NeverTested,
                Some((run, at, _)) if run.is_proof() => {
                    let expired = scenario.every.is_some_and(|every| Span::between(at, now) > every);
                    if expired { Cell::Expired { at, run: run.id } } else { Cell::Proven { at, run: run.id } }
                }
                Some((run, at, verdict)) => Cell::NotProven { at, run: run.id, verdict },
            };
            // Two scenarios may cover one cell; the stricter cadence counts.
            let known = cells.get(&key).is_some_and(|known: &Cell| known.is_proven() && !cell.is_proven());
            if known || !cells.contains_key(&key) {
                cells.insert(key, cell);
            }
        }
    }
    cells
}

/// When each scenario with a cadence is due.
pub fn due(estate: &Estate, runs: &[Arc<Run>], now: Instant) -> Vec<DueTest> {
    let one = |scenario: &Scenario| {
        let every = scenario.every?;
        let last = runs_of(runs, &scenario.id).filter(|run| run.is_completed()).filter_map(|run| run.ended_at).max();
        let due = last.map(|last| last + every.as_delta());
        Some(DueTest { scenario: scenario.id.clone(), last, due, overdue: due.is_none_or(|due| due <= now) })
    };
    estate.scenarios.iter().filter_map(one).collect()
}

/// The test that proves most cells that are not proven now; of several the shortest. `None` where all are proven.
pub fn next_best(estate: &Estate, runs: &[Arc<Run>], now: Instant) -> Option<NextBest> {
    let cells = coverage(estate, runs, now);
    let one = |scenario: &Scenario| {
        let keys = scenario.services.iter().map(|service| (service.clone(), scenario.disaster));
        let proves: Vec<_> = keys.filter(|key| cells.get(key).is_some_and(|cell| !cell.is_proven())).collect();
        (!proves.is_empty() && scenario.complaints(estate).is_empty()).then(|| NextBest {
            scenario: scenario.id.clone(),
            takes: scenario.estimate(),
            proves,
        })
    };
    estate.scenarios.iter().filter_map(one).max_by_key(|best| (best.proves.len(), std::cmp::Reverse(best.takes)))
}

/// What the runs of a scenario amount to.
pub fn metrics(runs: &[Arc<Run>], scenario: &ScenarioId) -> Metrics {
    let ended: Vec<&Arc<Run>> = runs_of(runs, scenario).filter(|run| run.verdict().is_some()).collect();
    let count = |verdict: Verdict| ended.iter().filter(|run| run.verdict() == Some(verdict)).count();
    let mut times: Vec<Span> = ended.iter().filter_map(|run| run.recovery_time().span()).collect();
    times.sort_unstable();
    // Nearest rank: the smallest that so many percent are not above.
    let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).checked_sub(1)?).copied();
    Metrics {
        passed: count(Verdict::Passed),
        unproven: count(Verdict::Unproven),
        failed: count(Verdict::Failed),
        stopped: ended.iter().filter(|run| run.stopped.is_some()).count(),
        pass_rate: (count(Verdict::Passed) * 100).checked_div(ended.len()).and_then(|percent| u8::try_from(percent).ok()),
        p50: rank(50),
        p90: rank(90),
        worst: times.last().copied(),
    }
}
