//! What happened to runs of DR tests, in sentences.

use engine::{
    dr_tests::{Exhibit, StepMoment, ledger::TestEvent},
    id::TestRunId,
};

/// As a sentence without its full stop.
pub(super) fn in_words(run: TestRunId, what: &TestEvent) -> String {
    let name = format!("DR test run {}", run.short());
    match what {
        TestEvent::Requested { scenario, version, gates, .. } => {
            let aside = gates.iter().filter(|gate| !gate.is_open).count();
            let aside = if aside > 0 { format!("; {aside} gates SET ASIDE") } else { String::new() };
            format!("{name} of “{}” (version {version}) was asked for{aside}", scenario.name)
        }
        TestEvent::Approved { .. } => format!("{name} was approved"),
        TestEvent::Cancelled { .. } => format!("{name} was cancelled"),
        TestEvent::Began => format!("{name} began"),
        TestEvent::Step { step, moment, said } => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let how = match moment {
                StepMoment::Start => "began",
                StepMoment::Pass => "passed",
                StepMoment::Fail => "FAILED",
                StepMoment::Block => "is blocked",
                StepMoment::Skip => "was skipped",
                StepMoment::Leave => "was not run",
            };
            format!("{name}: step {} {how}{said}", step + 1)
        }
        TestEvent::Bound { step, operation } => format!("{name}: step {} is carried out by operation {}", step + 1, operation.short()),
        TestEvent::Measured { operation, .. } => format!("{name} took over what operation {} measured", operation.short()),
        TestEvent::Attached { what: Exhibit::Text { text }, .. } => format!("{name}: noted: {text}"),
        TestEvent::Attached { what: Exhibit::Link { text, url }, .. } => format!("{name}: noted: {text} ({url})"),
        TestEvent::HandedOver { to, .. } => format!("{name} is led by {to} from here on"),
        TestEvent::Asserted { .. } => format!("{name}: times were ASSERTED that nobody measured"),
        TestEvent::CleaningUp { why, stopped: true, guardrail } => {
            format!("{name} was STOPPED{} and is cleaning up: {why}", if *guardrail { " by a guardrail" } else { "" })
        }
        TestEvent::CleaningUp { why, .. } => format!("{name} is cleaning up: {why}"),
        TestEvent::SteadyStateSeen { said, .. } => format!("{name}: behind it, {said}"),
        TestEvent::Ended { judged } => format!("{name} ended: {}", judged.verdict),
        TestEvent::Ruled { verdict, overrides, .. } => {
            format!("{name}: its verdict was {} to {verdict}", if *overrides { "OVERRIDDEN" } else { "set" })
        }
    }
}

/// The reason that the person gave.
pub(super) fn reason(what: &TestEvent) -> Option<String> {
    match what {
        TestEvent::Requested { reason, .. }
        | TestEvent::Approved { reason }
        | TestEvent::Cancelled { reason }
        | TestEvent::HandedOver { reason, .. }
        | TestEvent::Asserted { reason, .. }
        | TestEvent::Ruled { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}
