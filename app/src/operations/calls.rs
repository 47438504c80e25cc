//! What the pages of operations ask of the server: two things to look at, and what can be done to an operation. Every refusal comes back in
//! words; the desk authorises and journals.

// The fields of a form are the arguments of its server function.
#![allow(clippy::too_many_arguments)]

use super::view::{Board, OperationPage};
use crate::{backups::calls::WishText, fault::Fault};
use engine::failover::OperationKind;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use crate::{
    port::{HistoryQuery, Wish, port},
    session::viewer,
};
#[cfg(feature = "ssr")]
use engine::id::OperationId;

/// How many journal entries the page of an operation shows.
#[cfg(feature = "ssr")]
const ENTRIES_SHOWN: u32 = 100;

#[server(endpoint = "operations")]
pub async fn operations() -> Result<Board, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    Ok(Board::of(&picture))
}

#[server(endpoint = "operation")]
pub async fn operation(id: String) -> Result<OperationPage, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let missing = || Fault::NotFound { what: "operation".to_owned(), id: id.clone() };
    let known: OperationId = id.parse().map_err(|_| missing())?;
    let picture = port.look(&viewer).await?;
    let query = HistoryQuery { before: None, limit: ENTRIES_SHOWN, operation: Some(known) };
    let entries = port.history(&viewer, query).await?;
    OperationPage::of(&picture, &viewer, &known, &entries).ok_or_else(missing)
}

/// `node` and `plan_hash` are what the confirmation page showed; `id` was made with the form.
#[server(endpoint = "request_operation")]
pub async fn request_operation(
    id: String,
    kind: OperationKind,
    cluster: String,
    node: Option<String>,
    plan_hash: String,
    reason: String,
    #[server(default)] accept_loss: bool,
    #[server(default)] override_blockers: bool,
) -> Result<(), Fault> {
    let id = parsed(&id)?;
    let cluster = cluster.parse().map_err(bad_input)?;
    let node = node.filter(|node| !node.is_empty()).map(|node| node.parse()).transpose().map_err(bad_input)?;
    act(id, Wish::Request { id, kind, cluster, node, plan_hash, reason, accept_loss, override_blockers }).await
}

#[server(endpoint = "approve_operation")]
pub async fn approve_operation(id: String, plan_hash: String, reason: String, #[server(default)] accept_loss: bool) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Approve { operation, plan_hash, accept_loss, reason }).await
}

#[server(endpoint = "decline_operation")]
pub async fn decline_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Decline { operation, reason }).await
}

#[server(endpoint = "cancel_operation")]
pub async fn cancel_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Cancel { operation, reason }).await
}

#[server(endpoint = "resume_operation")]
pub async fn resume_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Resume { operation, reason }).await
}

#[server(endpoint = "close_operation")]
pub async fn close_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Close { operation, reason }).await
}

#[server(endpoint = "skip_step")]
pub async fn skip_step(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Skip { operation, reason }).await
}

#[server(endpoint = "escalate_operation")]
pub async fn escalate_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Escalate { operation, reason }).await
}

#[server(endpoint = "commit_operation")]
pub async fn commit_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Commit { operation, reason }).await
}

#[server(endpoint = "abort_operation")]
pub async fn abort_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Abort { operation, reason }).await
}

#[server(endpoint = "acknowledge_operation")]
pub async fn acknowledge_operation(id: String, reason: String) -> Result<(), Fault> {
    let operation = parsed(&id)?;
    act(operation, Wish::Acknowledge { operation, reason }).await
}

/// `to` is the regions separated by commas, as the confirmation page showed them.
#[server(endpoint = "request_traffic")]
pub async fn request_traffic(
    id: String,
    service: String,
    mode: String,
    to: String,
    plan_hash: String,
    reason: String,
    #[server(default)] override_blockers: bool,
) -> Result<(), Fault> {
    let id = parsed(&id)?;
    let service = service.parse().map_err(bad_input)?;
    let mode = mode.parse().map_err(Fault::BadInput)?;
    let to = crate::failover::calls::regions(&to)?;
    act(id, Wish::RequestTraffic { id, service, mode, to, plan_hash, reason, override_blockers }).await
}

#[server(endpoint = "request_evacuation")]
pub async fn request_evacuation(
    id: String,
    region: String,
    mode: String,
    plan_hash: String,
    reason: String,
    #[server(default)] accept_loss: bool,
    #[server(default)] override_blockers: bool,
) -> Result<(), Fault> {
    let id = parsed(&id)?;
    let region = region.parse().map_err(bad_input)?;
    let mode = mode.parse().map_err(Fault::BadInput)?;
    act(id, Wish::RequestEvacuation { id, region, mode, plan_hash, reason, accept_loss, override_blockers }).await
}

/// `wish` and `plan_hash` are what the confirmation page showed; `id` was made with the form.
#[server(endpoint = "request_restore")]
pub async fn request_restore(
    id: String,
    wish: WishText,
    plan_hash: String,
    reason: String,
    #[server(default)] override_blockers: bool,
) -> Result<(), Fault> {
    let id = parsed(&id)?;
    act(id, Wish::RequestRestore { id, wish: wish.read()?, plan_hash, reason, override_blockers }).await
}

/// Does it, and leads to the operation's page.
#[cfg(feature = "ssr")]
async fn act(operation: OperationId, wish: Wish) -> Result<(), Fault> {
    port()?.act(&viewer()?, wish).await?;
    leptos_axum::redirect(&format!("/operations/{operation}"));
    Ok(())
}

#[cfg(feature = "ssr")]
fn parsed(id: &str) -> Result<OperationId, Fault> {
    id.parse().map_err(bad_input)
}

#[cfg(feature = "ssr")]
fn bad_input(error: engine::id::IdError) -> Fault {
    Fault::BadInput(error.to_string())
}
