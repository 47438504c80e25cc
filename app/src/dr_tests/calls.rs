//! What the pages of DR tests ask of the server.

use super::view::{Board, Listing, ScenarioView};
use crate::fault::Fault;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use crate::{
    port::{Port, Wish, port},
    session::{Viewer, viewer},
};
#[cfg(feature = "ssr")]
use engine::{
    dr_tests::{Exhibit, StepMoment, Verdict, ledger::TestCommand},
    id::{ScenarioId, TestRunId},
};

#[server(endpoint = "dr_tests")]
pub async fn dr_tests() -> Result<Listing, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    Ok(Listing::of(&picture))
}

#[server(endpoint = "dr_scenario")]
pub async fn dr_scenario(id: String) -> Result<ScenarioView, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let new_id = TestRunId(port.new_id().0);
    let page = id.parse().ok().and_then(|id| ScenarioView::of(&picture, &viewer, &id, new_id));
    page.ok_or(Fault::NotFound { what: "scenario".to_owned(), id })
}

#[server(endpoint = "dr_run")]
pub async fn dr_run(id: String) -> Result<Board, Fault> {
    let viewer = viewer()?;
    let picture = port()?.look(&viewer).await?;
    let board = id.parse().ok().and_then(|id| Board::of(&picture, &viewer, &id));
    board.ok_or(Fault::NotFound { what: "run".to_owned(), id })
}

/// `run` was made with the form: sent twice it starts one run.
#[server(endpoint = "start_dr_test")]
pub async fn start_dr_test(
    run: String,
    scenario: String,
    version: String,
    reason: String,
    override_gates: Option<String>,
    accept_loss: Option<String>,
) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let missing = |what: &str, id: &str| Fault::NotFound { what: what.to_owned(), id: id.to_owned() };
    let run: TestRunId = run.parse().map_err(|_| missing("run", &run))?;
    let scenario: ScenarioId = scenario.parse().map_err(|_| missing("scenario", &scenario))?;
    let wish = Wish::StartTest {
        run,
        scenario,
        shown_version: version,
        override_gates: override_gates.is_some(),
        accept_loss: accept_loss.is_some(),
        reason,
    };
    port.act(&viewer, wish).await?;
    leptos_axum::redirect(&format!("/dr-tests/runs/{run}"));
    Ok(())
}

/// `what` is `start`, `pass`, `fail`, `block` or `skip`; `shown` is the entry that changed the step last, as the page showed it.
#[server(endpoint = "record_test_step")]
pub async fn record_test_step(run: String, step: usize, shown: u64, what: String, said: String) -> Result<(), Fault> {
    let moment = match what.as_str() {
        "start" => StepMoment::Start,
        "pass" => StepMoment::Pass,
        "fail" => StepMoment::Fail,
        "block" => StepMoment::Block,
        "skip" => StepMoment::Skip,
        other => return Err(Fault::BadInput(format!("“{other}” is no result of a step"))),
    };
    act(run, TestCommand::Record { step, shown, moment, said: said.trim().to_owned() }).await
}

/// `step` counts from 0; absent or empty: of the run. With a `url` it is a link.
#[server(endpoint = "attach_evidence")]
pub async fn attach_evidence(run: String, step: Option<String>, text: String, url: Option<String>) -> Result<(), Fault> {
    let step = step.filter(|step| !step.is_empty()).map(|step| step.parse::<usize>()).transpose();
    let step = step.map_err(|_| Fault::BadInput("the step must be a number".to_owned()))?;
    let what = match url.filter(|url| !url.trim().is_empty()) {
        Some(url) => Exhibit::Link { text, url: url.trim().to_owned() },
        None => Exhibit::Text { text },
    };
    act(run, TestCommand::Attach { step, what }).await
}

/// `what` is `approve`, `cancel`, `finish`, `stop`, `hand-over` (with `to`) or a verdict: `passed`, `unproven`, `failed`.
#[server(endpoint = "conduct_test")]
pub async fn conduct_test(run: String, what: String, reason: String, to: Option<String>) -> Result<(), Fault> {
    let verdict = |name: &str| Verdict::ALL.into_iter().find(|verdict| verdict.to_string() == name);
    let command = match what.as_str() {
        "approve" => TestCommand::Approve { reason },
        "cancel" => TestCommand::Cancel { reason },
        "finish" => TestCommand::Finish { reason },
        "stop" => TestCommand::Stop { reason },
        "hand-over" => {
            let to = to.unwrap_or_default();
            let to = to.trim().parse().map_err(|error| Fault::BadInput(format!("hand over to whom: {error}")))?;
            TestCommand::HandOver { to, reason }
        }
        other => match verdict(other) {
            Some(verdict) => TestCommand::Rule { verdict, reason },
            None => return Err(Fault::BadInput(format!("“{other}” is nothing that can be done with a run"))),
        },
    };
    act(run, command).await
}

/// Times that somebody read off a watch; `1m 30s`, or empty. They are shown as asserted and meet no criterion.
#[server(endpoint = "assert_test_times")]
pub async fn assert_test_times(run: String, rto: String, rpo: String, reason: String) -> Result<(), Fault> {
    let span = |text: String| match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| Fault::BadInput(format!("{error}"))),
    };
    act(run, TestCommand::Assert { rto: span(rto)?, rpo: span(rpo)?, reason }).await
}

#[cfg(feature = "ssr")]
async fn act(run: String, command: TestCommand) -> Result<(), Fault> {
    let (port, viewer): (std::sync::Arc<dyn Port>, Viewer) = (port()?, viewer()?);
    let id: TestRunId = run.parse().map_err(|_| Fault::NotFound { what: "run".to_owned(), id: run.clone() })?;
    port.act(&viewer, Wish::DrTest { run: id, command }).await?;
    leptos_axum::redirect(&format!("/dr-tests/runs/{id}"));
    Ok(())
}
