//! How the agent says no: a status, what is wrong, and what to do about it.

use super::wire::ErrorAnswer;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

#[derive(Debug, Clone)]
pub struct Refusal {
    pub status: StatusCode,
    pub error: String,
    pub hint: String,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: hint.into() }
    }

    pub fn not_authorised() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong", "send the agent's token in `Authorization: Bearer …`")
    }

    pub fn bad_request(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    pub fn not_found(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, hint)
    }

    /// The node is in a state in which this would be wrong or dangerous.
    pub fn conflict(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, hint)
    }

    /// It was sent for a moment that is over.
    pub fn too_late(error: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, error, "look at the node's status and at the operation; order it anew if it is still wanted")
    }

    /// The time was up before the result was proven. Nothing is known to have succeeded.
    pub fn not_proven_in_time(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, error, hint)
    }

    pub fn failed(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, hint)
    }

    /// The operating system refused something on a file of the node.
    pub fn io(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::failed(format!("cannot {what} {}: {error}", path.display()), "check owner, permissions and free space of the folder")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorAnswer { error: self.error, hint: self.hint })).into_response()
    }
}
