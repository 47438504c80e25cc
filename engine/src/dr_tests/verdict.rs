//! Whether a run passed: computed from its steps, its criteria, its cleaning up and the state it left behind (trap T3).

use super::{Run, TestStepState};
use crate::{estate::Criterion, time::Span};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Best first, so that a person may only go down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    /// Nothing failed, and something that was to be shown was not.
    Unproven,
    Failed,
}

impl Verdict {
    pub const ALL: [Verdict; 3] = [Verdict::Passed, Verdict::Unproven, Verdict::Failed];
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Passed => "passed",
            Verdict::Unproven => "unproven",
            Verdict::Failed => "failed",
        })
    }
}

/// One thing that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was wanted.
    pub what: String,
    pub verdict: Verdict,
    /// What was seen.
    pub said: String,
}

/// What follows from a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

impl Judged {
    /// Judges a run as it stands. The worst of what was found is the verdict.
    pub fn of(run: &Run) -> Self {
        let mut findings = vec![steps(run, false)];
        findings.extend(run.scenario.steps.iter().any(|step| step.cleanup).then(|| steps(run, true)));
        findings.extend(run.scenario.criteria.iter().map(|criterion| judge(run, criterion)));
        findings.push(match &run.steady {
            Some(steady) => {
                let verdict = match steady.well {
                    Some(true) => Verdict::Passed,
                    Some(false) => Verdict::Failed,
                    None => Verdict::Unproven,
                };
                finding("everything is well behind it", verdict, &steady.said)
            }
            None => finding("everything is well behind it", Verdict::Unproven, "nobody looked"),
        });
        findings.extend(run.stopped.as_ref().map(|stop| finding("it comes to its own end", Verdict::Failed, &stop.why)));
        let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Unproven);
        Self { verdict, findings }
    }
}

fn finding(what: &str, verdict: Verdict, said: &str) -> Finding {
    Finding { what: what.to_owned(), verdict, said: said.to_owned() }
}

fn steps(run: &Run, cleanup: bool) -> Finding {
    let what = if cleanup { "everything was put back" } else { "every step passed" };
    let count = |state: TestStepState| run.part(cleanup).filter(|(_, record)| record.state == state).count();
    let said: Vec<String> =
        TestStepState::ALL.into_iter().map(|state| (count(state), state)).filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}")).collect();
    let open = [TestStepState::Pending, TestStepState::Running, TestStepState::Blocked, TestStepState::NotRun];
    let verdict = if count(TestStepState::Failed) > 0 {
        Verdict::Failed
    } else if open.into_iter().any(|state| count(state) > 0) {
        // What was to be put back and was not is a failure, whoever left it.
        if cleanup { Verdict::Failed } else { Verdict::Unproven }
    } else if count(TestStepState::Skipped) > 0 || count(TestStepState::Passed) == 0 {
        Verdict::Unproven
    } else {
        Verdict::Passed
    };
    finding(what, verdict, &said.join(", "))
}

fn judge(run: &Run, criterion: &Criterion) -> Finding {
    let what = criterion.to_string();
    let within = |reading: super::Reading, target: Option<Span>| match (reading.span(), target) {
        (Some(span), Some(target)) if span <= target => (Verdict::Passed, format!("{span} of {target}")),
        (Some(span), Some(target)) => (Verdict::Failed, format!("{span}, promised is {target}")),
        (None, Some(target)) => (Verdict::Unproven, format!("{}; promised is {target}", reading.in_words())),
        (_, None) => (Verdict::Unproven, "nothing was promised when the run started".to_owned()),
    };
    let (verdict, said) = match criterion {
        Criterion::RtoMet { service } => within(run.recovery_time(), run.targets.get(service).map(|target| target.rto)),
        Criterion::RpoMet { service } => within(run.loss(), run.targets.get(service).map(|target| target.rpo)),
        Criterion::NothingLost => match run.lost_transactions() {
            Some(0) => (Verdict::Passed, "no committed transaction was lost".to_owned()),
            Some(lost) => (Verdict::Failed, format!("{lost} committed transactions were lost")),
            None => (Verdict::Unproven, run.loss().in_words()),
        },
        Criterion::StepPassed { step } => of_step(run, step, None),
        Criterion::StepWithin { step, most } => of_step(run, step, Some(*most)),
    };
    Finding { what, verdict, said }
}

fn of_step(run: &Run, name: &str, most: Option<Span>) -> (Verdict, String) {
    let Some((_, record)) = run.lines().find(|(step, _)| step.name == name) else {
        return (Verdict::Unproven, "the scenario has no such step".to_owned());
    };
    match (record.state, record.took(), most) {
        (TestStepState::Passed, Some(took), Some(most)) if took > most => (Verdict::Failed, format!("it took {took}")),
        (TestStepState::Passed, Some(took), _) => (Verdict::Passed, format!("it took {took}")),
        (TestStepState::Failed, _, _) => (Verdict::Failed, "it failed".to_owned()),
        (state, _, _) => (Verdict::Unproven, format!("it is {state}")),
    }
}
