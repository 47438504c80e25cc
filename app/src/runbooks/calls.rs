//! What the pages of runbooks ask of the server.

// The fields of a form are the arguments of its server function.
#![allow(clippy::too_many_arguments)]

use super::view::{BookPage, Check, EditView, Listing, RunView, VersionsView};
use crate::fault::Fault;
use leptos::prelude::*;
use std::collections::BTreeMap;

#[cfg(feature = "ssr")]
use super::making;
#[cfg(feature = "ssr")]
use crate::{
    port::{Wish, port},
    session::viewer,
};
#[cfg(feature = "ssr")]
use engine::{
    id::{RunId, RunbookName},
    runbooks::{ledger::RunbookCommand, run::RunCommand, text},
};

#[cfg(feature = "ssr")]
fn missing(what: &str, id: &str) -> Fault {
    Fault::NotFound { what: what.to_owned(), id: id.to_owned() }
}

#[server(endpoint = "runbooks")]
pub async fn runbooks() -> Result<Listing, Fault> {
    let viewer = viewer()?;
    Ok(Listing::of(&port()?.look(&viewer).await?, &viewer))
}

/// The newest version, or the one that is asked for.
#[server(endpoint = "runbook")]
pub async fn runbook(name: String, version: Option<u32>) -> Result<BookPage, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let new_run = RunId(port.new_id().0);
    let page = name.parse().ok().and_then(|known| BookPage::of(&picture, &viewer, &known, version, new_run));
    page.ok_or_else(|| missing("runbook", &name))
}

/// The text of the newest version, or of a draft; where there is neither and the name is free, an outline.
#[server(endpoint = "runbook_text")]
pub async fn runbook_text(name: String, draft: Option<u64>) -> Result<EditView, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let known: RunbookName = name.parse().map_err(|_| missing("runbook", &name))?;
    EditView::of(&picture, &viewer, &known, draft).ok_or_else(|| missing("runbook", &name))
}

/// What is said of a text while it is written; nothing is kept.
#[server(endpoint = "check_runbook")]
pub async fn check_runbook(text: String) -> Result<Check, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    Ok(making::check(&picture, &text))
}

#[server(endpoint = "runbook_versions")]
pub async fn runbook_versions(name: String, old: Option<String>, new: Option<String>) -> Result<VersionsView, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    let given = |side: &Option<String>| side.clone().filter(|side| !side.is_empty());
    let (old, new) = (given(&old), given(&new));
    let view = name.parse().ok().and_then(|known| VersionsView::of(&picture, &known, old.as_deref(), new.as_deref()));
    view.ok_or_else(|| missing("version of the runbook", &name))
}

/// Saves a text, or keeps it to be looked at (`what` is `check`). What is no runbook, and what would write over somebody else's version, is
/// kept as a draft, so that no text is lost.
#[server(endpoint = "save_runbook")]
pub async fn save_runbook(
    name: String,
    #[server(default)] from: String,
    text: String,
    #[server(default)] note: String,
    #[server(default)] what: String,
) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let known: RunbookName = name.trim().parse().map_err(|error| Fault::BadInput(format!("the name of a runbook: {error}")))?;
    if matches!(known.as_str(), "new" | "runs") {
        return Err(Fault::BadInput(format!("no runbook can be called “{known}”; choose another name")));
    }
    let from: Option<u32> = match from.trim() {
        "" => None,
        number => Some(number.parse().map_err(|_| Fault::BadInput(format!("“{number}” is no version")))?),
    };
    let text = text::normal(&text);
    let parsed = text::parse(&text).ok().filter(|_| what != "check");
    let command = match &parsed {
        Some(parsed) => RunbookCommand::Save { text: text.clone(), summary: Box::new(parsed.runbook.summary()), from, note },
        None => RunbookCommand::Keep { text: text.clone(), from },
    };
    port.act(&viewer, Wish::Runbook { name: known.clone(), command }).await?;
    let picture = port.look(&viewer).await?;
    let record = picture.records.runbooks.book(&known).ok_or_else(|| Fault::Broken("the text was not kept".to_owned()))?;
    let saved = parsed.is_some() && record.newest().is_some_and(|newest| newest.text == text);
    let draft = record.drafts.iter().rev().find(|draft| draft.text == text).map(|draft| draft.seq);
    let to = match (saved, draft) {
        (true, _) => format!("/runbooks/{known}"),
        (false, Some(draft)) => format!("/runbooks/{known}/edit?draft={draft}"),
        (false, None) => return Err(Fault::Broken("the text was not kept".to_owned())),
    };
    leptos_axum::redirect(&to);
    Ok(())
}

#[server(endpoint = "run")]
pub async fn run(id: String) -> Result<RunView, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let view = id.parse().ok().and_then(|known| RunView::of(&picture, &viewer, known));
    view.ok_or_else(|| missing("run", &id))
}

/// `values` are those of the parameters; `id` was made with the form.
#[server(endpoint = "start_run")]
pub async fn start_run(
    id: String,
    name: String,
    version: u32,
    reason: String,
    #[server(default)] values: BTreeMap<String, String>,
) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let id: RunId = id.parse().map_err(|_| missing("run", &id))?;
    let name: RunbookName = name.parse().map_err(|_| missing("runbook", &name))?;
    port.act(&viewer, Wish::StartRun { id, name, version, values, reason }).await?;
    leptos_axum::redirect(&format!("/runbooks/runs/{id}"));
    Ok(())
}

/// `what` is what is done; `step` counts from 1, and is 0 where it is about the run as a whole. `said` is the reason, or what was seen.
#[server(endpoint = "work_run")]
pub async fn work_run(id: String, what: String, #[server(default)] step: usize, #[server(default)] said: String) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let id: RunId = id.parse().map_err(|_| missing("run", &id))?;
    let at = || step.checked_sub(1).ok_or_else(|| Fault::BadInput("name the step".to_owned()));
    let command = match what.as_str() {
        "begin" => RunCommand::Begin { step: at()? },
        "tick" => RunCommand::Tick { step: at()?, said },
        "fail" => RunCommand::Fail { step: at()?, said },
        "approve" => RunCommand::Approve { step: at()?, reason: said },
        "skip" => RunCommand::Skip { step: at()?, reason: said },
        "roll-back" => RunCommand::RollBack { step: at()?, reason: said },
        "pause" => RunCommand::Pause { reason: said },
        "resume" => RunCommand::Resume { reason: said },
        "abandon" => RunCommand::Abandon { reason: said },
        other => return Err(Fault::BadInput(format!("“{other}” is nothing that can be done in a run"))),
    };
    port.act(&viewer, Wish::Run { id, command }).await?;
    let place = if step > 0 { format!("#step-{step}") } else { String::new() };
    leptos_axum::redirect(&format!("/runbooks/runs/{id}{place}"));
    Ok(())
}

#[server(endpoint = "take_role")]
pub async fn take_role(id: String, role: String) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let id: RunId = id.parse().map_err(|_| missing("run", &id))?;
    port.act(&viewer, Wish::Run { id, command: RunCommand::TakeRole { role } }).await?;
    leptos_axum::redirect(&format!("/runbooks/runs/{id}"));
    Ok(())
}

/// Puts on record that a message went out: `shown` is the text that was sent, `to` to whom and by what.
#[server(endpoint = "send_message")]
pub async fn send_message(id: String, message: String, shown: String, to: String) -> Result<(), Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let id: RunId = id.parse().map_err(|_| missing("run", &id))?;
    port.act(&viewer, Wish::Run { id, command: RunCommand::Send { message, shown, to } }).await?;
    leptos_axum::redirect(&format!("/runbooks/runs/{id}#messages"));
    Ok(())
}
