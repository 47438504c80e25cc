//! Posting JSON to an address that the configuration names: no redirects, no proxy, no link-local addresses, a bounded time
//! and a bounded answer. No error repeats the address, which may be a secret.

use crate::connect::probe::permitted;
use anyhow::{Context, bail};
use reqwest::{Client, Response, StatusCode, Url, header::HeaderMap};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(9);
const LONGEST_ANSWER: usize = 4 * 1024;

pub(super) struct Poster {
    url: Url,
    client: Client,
}

/// What the other side said.
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Said {
    pub(super) fn in_words(&self) -> String {
        let body = self.body.trim();
        if body.is_empty() { self.status.to_string() } else { format!("{}: {body}", self.status) }
    }
}

impl Poster {
    /// # Errors
    /// Where the client cannot be built.
    pub(super) fn new(url: Url) -> anyhow::Result<Self> {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().user_agent("lifeboat").timeout(PATIENCE).build();
        Ok(Self { url, client: client.context("the HTTP client cannot be set up")? })
    }

    /// Posts `body`; gives what was said where that was an acceptance.
    ///
    /// # Errors
    /// Everything else, in words.
    pub(super) async fn post(&self, headers: HeaderMap, body: &serde_json::Value) -> anyhow::Result<Said> {
        let host = self.url.host_str().unwrap_or_default();
        permitted(host, self.url.port_or_known_default().unwrap_or(443)).await.map_err(anyhow::Error::msg)?;
        let sent = self.client.post(self.url.clone()).headers(headers).json(body).send().await;
        let answer = sent.map_err(|error| anyhow::Error::new(error.without_url())).with_context(|| format!("{host} does not answer"))?;
        let status = answer.status();
        let body = bounded(answer).await;
        let said = Said { status, body };
        if status.is_redirection() {
            bail!("{host} sends elsewhere ({status}), and that is not followed; name the address it leads to");
        }
        if !status.is_success() {
            bail!("{host} refuses it: {}", said.in_words());
        }
        Ok(said)
    }
}

/// The beginning of the answer. The status has said whether it was accepted, so one that breaks off is no failure.
async fn bounded(mut answer: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= LONGEST_ANSWER {
            body.truncate(LONGEST_ANSWER);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}
