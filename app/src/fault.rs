//! The one error that crosses the wire: what went wrong, in words the person at the page can act on.

use leptos::{
    prelude::{FromServerFnError, ServerFnErrorErr},
    server_fn::codec::JsonEncoding,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Fault {
    #[error("you are not signed in")]
    NotSignedIn,
    /// The engine refused; the text lists every reason.
    #[error("{0}")]
    Refused(String),
    #[error("there is no {what} “{id}”")]
    NotFound { what: String, id: String },
    /// Input that is no request at all.
    #[error("{0}")]
    BadInput(String),
    /// The product itself failed; the details are in its log.
    #[error("Lifeboat itself failed: {0}")]
    Broken(String),
    /// The request did not reach the server or came back unreadable.
    #[error("the server could not be reached: {0}")]
    Unreachable(String),
}

impl FromServerFnError for Fault {
    type Encoder = JsonEncoding;
    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Args(why) | ServerFnErrorErr::MissingArg(why) | ServerFnErrorErr::Deserialization(why) => Fault::BadInput(why),
            other => Fault::Unreachable(other.to_string()),
        }
    }
}
