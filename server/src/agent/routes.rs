//! The agent's URLs, who may call them, and one command at a time per node.

use super::config::{Config, Node, Peer};
use super::orders::{Orders, Stamp};
use super::pooler::Pooler;
use super::refusal::Refusal;
use super::wire::{
    Cut, Follow, Following, Lease, Leased, Loss, LossQuestion, NodeStatus, Pause, Paused, PoolerStatus, Rebuilt, RegionStatus, Repoint, Repointed,
    Resume, Resumed, Rewound, Source, Start, Started, Stop, Stopped,
};
use super::{follow, inspect, lease, loss, rebuild, rewind, start, stop, wire};
use crate::token::TokenDigest;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

pub struct Agent {
    config: Config,
    token: TokenDigest,
    poolers: Vec<Arc<Pooler>>,
    busy: BTreeMap<String, Arc<Mutex<()>>>,
    orders: Orders,
    keepers: lease::Keepers,
}

impl Agent {
    /// `file` is where the configuration was read from.
    ///
    /// # Errors
    /// A token that cannot be read; a lease of an earlier agent that nobody can be made to keep.
    pub fn new(config: Config, file: PathBuf) -> anyhow::Result<Self> {
        let token = TokenDigest::of(&config.token()?);
        let poolers: Vec<Arc<Pooler>> = config.poolers.iter().map(|settings| Arc::new(Pooler::new(settings.clone()))).collect();
        let names = config.nodes.iter().map(|n| &n.id).chain(config.poolers.iter().map(|pooler| &pooler.id));
        let busy = names.map(|id| (id.clone(), Arc::default())).collect();
        let keepers = lease::Keepers::new(file);
        for node in &config.nodes {
            keepers.take_up(node)?;
        }
        Ok(Self { config, token, poolers, busy, orders: Orders::since(Utc::now()), keepers })
    }

    /// From here on every pause ends when its time is over, also one that an agent before this one has begun.
    pub fn keep_poolers(&self) {
        for pooler in &self.poolers {
            tokio::spawn(pooler.clone().keep());
        }
    }

    fn pooler(&self, id: &str) -> Result<&Arc<Pooler>, Refusal> {
        self.poolers.iter().find(|pooler| pooler.settings.id == id).ok_or_else(|| {
            let known: Vec<&str> = self.poolers.iter().map(|pooler| pooler.settings.id.as_str()).collect();
            Refusal::not_found(format!("{} has no pooler with this name", self.config.region), format!("its poolers: {}", known.join(", ")))
        })
    }

    fn node(&self, id: &str) -> Result<&Node, Refusal> {
        self.config.nodes.iter().find(|n| n.id == id).ok_or_else(|| {
            let known: Vec<&str> = self.config.nodes.iter().map(|n| n.id.as_str()).collect();
            Refusal::not_found(format!("{} has no node with this name", self.config.region), format!("its nodes: {}", known.join(", ")))
        })
    }

    fn peer(&self, id: &str) -> Result<&Peer, Refusal> {
        self.config.peers.iter().find(|p| p.id == id).ok_or_else(|| {
            let known: Vec<&str> = self.config.peers.iter().map(|p| p.id.as_str()).collect();
            Refusal::bad_request("no peer with this name is configured here", format!("known peers: {}", known.join(", ")))
        })
    }
}

pub fn router(agent: Arc<Agent>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/nodes/{id}", get(node_status))
        .route("/v1/nodes/{id}/stop", post(stop_node))
        .route("/v1/nodes/{id}/start", post(start_node))
        .route("/v1/nodes/{id}/follow", post(follow_node))
        .route("/v1/nodes/{id}/rewind", post(rewind_node))
        .route("/v1/nodes/{id}/rebuild", post(rebuild_node))
        .route("/v1/nodes/{id}/loss", post(node_loss))
        .route("/v1/nodes/{id}/lease", post(lease_node))
        .route("/v1/poolers/{id}", get(pooler_status))
        .route("/v1/poolers/{id}/pause", post(pause_pooler))
        .route("/v1/poolers/{id}/cut", post(cut_pooler))
        .route("/v1/poolers/{id}/repoint", post(repoint_pooler))
        .route("/v1/poolers/{id}/resume", post(resume_pooler))
        .fallback(async || Refusal::not_found("there is nothing at this address", "see /v1/status"))
        .layer(middleware::from_fn_with_state(agent.clone(), require_token))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(agent)
}

async fn require_token(State(agent): State<Arc<Agent>>, request: Request, next: Next) -> Result<Response, Refusal> {
    let given = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    if !agent.token.matches(given.unwrap_or("")) {
        return Err(Refusal::not_authorised());
    }
    Ok(next.run(request).await)
}

async fn status(State(agent): State<Arc<Agent>>) -> Json<RegionStatus> {
    Json(RegionStatus {
        region: agent.config.region.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        nodes: agent.config.nodes.iter().map(|n| n.id.clone()).collect(),
        replication_user: agent.config.replication_user.clone(),
        at: Utc::now(),
        since: agent.orders.begun(),
    })
}

async fn node_status(State(agent): State<Arc<Agent>>, Path(id): Path<String>) -> Result<Json<NodeStatus>, Refusal> {
    Ok(Json(inspect::status(&agent.config, agent.node(&id)?).await))
}

type Body<T> = Result<Json<T>, JsonRejection>;
type Answer<T> = Result<Json<T>, Refusal>;

async fn stop_node(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Stop>) -> Answer<Stopped> {
    let mut order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, left: Duration| async move {
        order.timeout_ms = within(order.timeout_ms, left);
        stop::stop(&agent.config, agent.node(&id)?, &order).await
    };
    alone(agent, id, &headers, command).await
}

async fn start_node(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Start>) -> Answer<Started> {
    let mut order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, left: Duration| async move {
        order.timeout_ms = within(order.timeout_ms, left);
        start::start(&agent.config, agent.node(&id)?, &order).await
    };
    alone(agent, id, &headers, command).await
}

async fn follow_node(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Follow>) -> Answer<Following> {
    let mut order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, left: Duration| async move {
        order.timeout_ms = within(order.timeout_ms, left);
        follow::follow(&agent.config, agent.node(&id)?, agent.peer(&order.upstream)?, &order).await
    };
    alone(agent, id, &headers, command).await
}

async fn rewind_node(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Source>) -> Answer<Rewound> {
    let mut order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, left: Duration| async move {
        order.timeout_ms = within(order.timeout_ms, left);
        rewind::rewind(&agent.config, agent.node(&id)?, agent.peer(&order.source)?, &order).await
    };
    alone(agent, id, &headers, command).await
}

async fn rebuild_node(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Source>) -> Answer<Rebuilt> {
    let mut order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, left: Duration| async move {
        order.timeout_ms = within(order.timeout_ms, left);
        rebuild::rebuild(&agent.config, agent.node(&id)?, agent.peer(&order.source)?, &order).await
    };
    alone(agent, id, &headers, command).await
}

async fn node_loss(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<LossQuestion>) -> Answer<Loss> {
    let mut question = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, left: Duration| async move {
        question.timeout_ms = within(question.timeout_ms, left);
        loss::measure(&agent.config, agent.node(&id)?, &question).await
    };
    alone(agent, id, &headers, command).await
}

/// Beside whatever else is done to the node: a lease that is renewed must keep no order waiting.
async fn lease_node(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Lease>) -> Answer<Leased> {
    let order = parsed(body)?;
    let node = agent.node(&id)?;
    let stamp = stamp(&headers)?;
    agent.orders.admit(&id, &stamp, Utc::now()).map_err(|late| Refusal::too_late(late.to_string()))?;
    lease::renew(&agent.keepers, node, &order).await.map(Json)
}

async fn pooler_status(State(agent): State<Arc<Agent>>, Path(id): Path<String>) -> Answer<PoolerStatus> {
    agent.pooler(&id)?.status(&agent.config.peers).await.map(Json)
}

async fn pause_pooler(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Pause>) -> Answer<Paused> {
    let mut order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, left: Duration| async move {
        order.timeout_ms = within(order.timeout_ms, left);
        agent.pooler(&id)?.pause(&order).await
    };
    alone(agent, id, &headers, command).await
}

async fn cut_pooler(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Cut>) -> Answer<Repointed> {
    let order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, _| async move { agent.pooler(&id)?.cut(agent.peer(&order.peer)?, &order).await };
    alone(agent, id, &headers, command).await
}

async fn repoint_pooler(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Repoint>) -> Answer<Repointed> {
    let order = parsed(body)?;
    let command = |agent: Arc<Agent>, id: String, _| async move { agent.pooler(&id)?.repoint(agent.peer(&order.peer)?).await };
    alone(agent, id, &headers, command).await
}

async fn resume_pooler(State(agent): State<Arc<Agent>>, Path(id): Path<String>, headers: HeaderMap, body: Body<Resume>) -> Answer<Resumed> {
    parsed(body)?;
    alone(agent, id, &headers, |agent: Arc<Agent>, id: String, _| async move { agent.pooler(&id)?.resume().await }).await
}

/// What an order asks for, and no more than what is left of its time.
fn within(timeout_ms: u64, left: Duration) -> u64 {
    timeout_ms.min(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
}

/// The stamp of an order. One without a time is no order: it would be good for ever.
fn stamp(headers: &HeaderMap) -> Result<Stamp, Refusal> {
    let missing =
        |name: &str| Refusal::bad_request(format!("the header {name} is missing"), "/v1/status says what time it is here, and since when it runs");
    let required = |name: &str| header(headers, name)?.ok_or_else(|| missing(name));
    Ok(Stamp { number: header(headers, wire::ORDER_NUMBER)?, since: required(wire::ORDER_AGENT_SINCE)?, not_after: required(wire::ORDER_NOT_AFTER)? })
}

fn header<T: FromStr>(headers: &HeaderMap, name: &str) -> Result<Option<T>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| Refusal::bad_request(format!("the header {name} cannot be read"), "a number, and an instant as RFC 3339"))
}

fn parsed<T>(body: Body<T>) -> Result<T, Refusal> {
    body.map(|Json(value)| value).map_err(|e| Refusal::bad_request(e.body_text(), "send a JSON object with the documented fields"))
}

/// Runs one command on one node or pooler, unless it comes too late. It goes on to its end in a task of its own: a caller who hangs up
/// must not leave a rewind half done.
async fn alone<T: Send + 'static, C>(
    agent: Arc<Agent>,
    id: String,
    headers: &HeaderMap,
    command: impl FnOnce(Arc<Agent>, String, Duration) -> C,
) -> Answer<T>
where
    C: Future<Output = Result<T, Refusal>> + Send + 'static,
{
    let Some(lock) = agent.busy.get(&id).cloned() else {
        // Says which there are.
        agent.node(&id)?;
        return Err(Refusal::not_found("no such node", "see /v1/status"));
    };
    let stamp = stamp(headers)?;
    let Ok(guard) = lock.try_lock_owned() else {
        return Err(Refusal::conflict(format!("another command is running on {id}"), "wait until it has ended"));
    };
    let left = agent.orders.admit(&id, &stamp, Utc::now()).map_err(|late| Refusal::too_late(late.to_string()))?;
    let command = command(agent.clone(), id, left);
    let task = tokio::spawn(async move {
        let result = command.await;
        drop(guard);
        result
    });
    match task.await {
        Ok(result) => result.map(Json),
        Err(error) => Err(Refusal::failed(format!("the command broke off: {error}"), "look at the node's status before trying again")),
    }
}
