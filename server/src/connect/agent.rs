//! The client of a region's host agent.

use crate::agent::wire::{
    self, Cut, ErrorAnswer, Follow, Following, Lease, Leased, Loss, LossQuestion, NodeStatus, Pause, Paused, PoolerStatus, Rebuilt, RegionStatus,
    Repoint, Repointed, Resume, Resumed, Rewound, Source, Start, Started, Stop, Stopped,
};
use chrono::SecondsFormat;
use engine::time::Span;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// One region's agent. Cheap to clone; connections are reused.
#[derive(Clone)]
pub struct Agent {
    base: String,
    token: String,
    client: reqwest::Client,
    number: Option<u64>,
}

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No answer: refused, cut off, or too late. What the agent did meanwhile is unknown.
    #[error("the agent at {base} gives no answer: {reason}")]
    Unreachable { base: String, reason: String },
    /// It answered, and said no. `status` 409: the node's state forbids it; 412: the order came too late; 504: not proven in time.
    #[error("{error} ({hint})")]
    Refused { status: u16, error: String, hint: String },
    #[error("the agent at {base} answered something else than agreed: {reason}")]
    Garbled { base: String, reason: String },
}

/// How long an answer may take beyond the time the command itself was given.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);

impl Agent {
    /// `base` is `http://address:port` without a path.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(base: impl Into<String>, token: impl Into<String>) -> Result<Self, AgentError> {
        let base = base.into();
        let client = reqwest::Client::builder().connect_timeout(Duration::from_secs(2)).no_proxy().build();
        match client {
            Ok(client) => Ok(Self { base, token: token.into(), client, number: None }),
            Err(error) => Err(AgentError::Unreachable { base, reason: error.to_string() }),
        }
    }

    /// The same agent for the order with this number: it does not carry it out once it has carried out that one, or a later one,
    /// on the same node.
    pub fn numbered(self, number: u64) -> Self {
        Self { number: Some(number), ..self }
    }

    /// Who is there. Waits at most two seconds.
    pub async fn status(&self) -> Result<RegionStatus, AgentError> {
        self.get("/v1/status").await
    }

    /// What the host sees of a node. Waits at most two seconds.
    pub async fn node(&self, id: &str) -> Result<NodeStatus, AgentError> {
        self.get(&format!("/v1/nodes/{id}")).await
    }

    /// Success means proven: processes gone and port refusing.
    pub async fn stop(&self, id: &str, order: &Stop) -> Result<Stopped, AgentError> {
        self.post(&format!("nodes/{id}/stop"), order, order.timeout_ms).await
    }

    pub async fn start(&self, id: &str, order: &Start) -> Result<Started, AgentError> {
        self.post(&format!("nodes/{id}/start"), order, order.timeout_ms).await
    }

    pub async fn follow(&self, id: &str, order: &Follow) -> Result<Following, AgentError> {
        self.post(&format!("nodes/{id}/follow"), order, order.timeout_ms).await
    }

    /// Run CHECKPOINT on the source first.
    pub async fn rewind(&self, id: &str, order: &Source) -> Result<Rewound, AgentError> {
        self.post(&format!("nodes/{id}/rewind"), order, order.timeout_ms).await
    }

    pub async fn rebuild(&self, id: &str, order: &Source) -> Result<Rebuilt, AgentError> {
        self.post(&format!("nodes/{id}/rebuild"), order, order.timeout_ms).await
    }

    /// Gives the node leave to take writes for `lease` from when the agent hears of it, which it does within `patience` or not at
    /// all. `sent` is called right before it is sent.
    pub async fn lease(&self, id: &str, lease: Span, patience: Duration, sent: impl FnOnce()) -> Result<Leased, AgentError> {
        let said = self.status().await?;
        sent();
        self.order(said, &format!("nodes/{id}/lease"), &Lease { for_ms: lease.as_millis() }, patience).await
    }

    pub async fn loss(&self, id: &str, question: &LossQuestion) -> Result<Loss, AgentError> {
        self.post(&format!("nodes/{id}/loss"), question, question.timeout_ms).await
    }

    /// What a PgBouncer of the host says. Waits at most two seconds.
    pub async fn pooler(&self, id: &str) -> Result<PoolerStatus, AgentError> {
        self.get(&format!("/v1/poolers/{id}")).await
    }

    pub async fn pause_pooler(&self, id: &str, order: &Pause) -> Result<Paused, AgentError> {
        self.post(&format!("poolers/{id}/pause"), order, order.timeout_ms).await
    }

    /// `timeout_ms` is how long the order is good.
    pub async fn cut_pooler(&self, id: &str, order: &Cut, timeout_ms: u64) -> Result<Repointed, AgentError> {
        self.post(&format!("poolers/{id}/cut"), order, timeout_ms).await
    }

    pub async fn repoint_pooler(&self, id: &str, order: &Repoint, timeout_ms: u64) -> Result<Repointed, AgentError> {
        self.post(&format!("poolers/{id}/repoint"), order, timeout_ms).await
    }

    pub async fn resume_pooler(&self, id: &str, timeout_ms: u64) -> Result<Resumed, AgentError> {
        self.post(&format!("poolers/{id}/resume"), &Resume {}, timeout_ms).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AgentError> {
        self.answer(self.client.get(format!("{}{path}", self.base)).timeout(Duration::from_secs(2))).await
    }

    /// The agent is asked for its time first, so that the order can say by the agent's own clock when its time is up: whatever
    /// becomes of it on the way, it is not begun after its caller has given up.
    async fn post<T: DeserializeOwned>(&self, order: &str, body: &impl Serialize, timeout_ms: u64) -> Result<T, AgentError> {
        let (began, timeout) = (Instant::now(), Duration::from_millis(timeout_ms));
        let said = self.status().await?;
        self.order(said, order, body, timeout.saturating_sub(began.elapsed())).await
    }

    async fn order<T: DeserializeOwned>(&self, said: RegionStatus, order: &str, body: &impl Serialize, left: Duration) -> Result<T, AgentError> {
        let not_after = said.at + chrono::TimeDelta::from_std(left).unwrap_or_default();
        let request = self.client.post(format!("{}/v1/{order}", self.base)).json(body);
        let stamped = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let request = request.header(wire::ORDER_NOT_AFTER, stamped(not_after)).header(wire::ORDER_AGENT_SINCE, stamped(said.since));
        let request = match self.number {
            Some(number) => request.header(wire::ORDER_NUMBER, number),
            None => request,
        };
        self.answer(request.timeout(left + ANSWER_MARGIN)).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, AgentError> {
        let unreachable = |error: reqwest::Error| AgentError::Unreachable { base: self.base.clone(), reason: innermost(&error) };
        let response = request.bearer_auth(&self.token).send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        let garbled = |error: serde_json::Error| AgentError::Garbled { base: self.base.clone(), reason: error.to_string() };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(garbled);
        }
        let refusal: ErrorAnswer = serde_json::from_slice(&body).map_err(garbled)?;
        Err(AgentError::Refused { status: status.as_u16(), error: refusal.error, hint: refusal.hint })
    }
}

/// The cause at the bottom says more to a person than the layers above it ("connection refused").
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
