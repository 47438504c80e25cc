//! The one door between the pages and the server: look at the picture, act by a command, read the history. The server's
//! desk implements it and authorises every call, because a server function called while rendering passes no web layer.

use crate::{fault::Fault, session::Viewer};
use async_trait::async_trait;
use engine::{
    failover::OperationKind,
    id::{ClusterId, NodeId, OperationId},
    journal::Entry,
    picture::Picture,
};
use std::sync::Arc;

/// What a page asks to have done. The desk adds what only it knows (fresh facts, a new plan) and makes a `Command` of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// `id` was made when the form was rendered: sending the form twice requests once.
    Request {
        id: OperationId,
        kind: OperationKind,
        cluster: ClusterId,
        node: Option<NodeId>,
        plan_hash: String,
        reason: String,
        accept_loss: bool,
        override_blockers: bool,
    },
    Approve {
        operation: OperationId,
        plan_hash: String,
        reason: String,
    },
    Decline {
        operation: OperationId,
        reason: String,
    },
    Cancel {
        operation: OperationId,
        reason: String,
    },
    Resume {
        operation: OperationId,
        reason: String,
    },
    Close {
        operation: OperationId,
        reason: String,
    },
}

/// Which journal entries to read: at most `limit` (capped at 200) before `before`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryQuery {
    pub before: Option<u64>,
    pub limit: u32,
    /// Only entries about this operation.
    pub operation: Option<OperationId>,
}

#[async_trait]
pub trait Port: Send + Sync + 'static {
    /// Everything known now.
    async fn look(&self, viewer: &Viewer) -> Result<Picture, Fault>;
    /// Carries out a wish, or says why not. The refusal is in the journal either way.
    async fn act(&self, viewer: &Viewer, wish: Wish) -> Result<(), Fault>;
    async fn history(&self, viewer: &Viewer, query: HistoryQuery) -> Result<Vec<Entry>, Fault>;
    /// A new operation id, for a form.
    fn new_id(&self) -> OperationId;
}

/// The port of this process, from the context the server provides.
pub fn port() -> Result<Arc<dyn Port>, Fault> {
    leptos::prelude::use_context::<Arc<dyn Port>>().ok_or_else(|| Fault::Broken("the server provides no port to the pages".to_owned()))
}
