//! HTTP to services that must be told who asks: an address without a user in it, a client that follows nobody elsewhere, and
//! answers that cannot grow without end.

use super::probe::permitted;
use anyhow::{Context, bail};
use reqwest::{Client, Response, Url, header::HeaderMap};
use std::time::Duration;

/// More of an answer than this is an error.
pub const LONGEST_ANSWER: usize = 64 * 1024;

/// The address of `what`.
///
/// # Errors
/// A text that is no http or https address, or one with a user in it.
pub fn address(text: &str, what: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).with_context(|| format!("“{text}” is no address"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        bail!("“{text}” is no address of {what}: write https://host/path, without a user in it");
    }
    Ok(url)
}

/// Checks that the configuration allows `secret`, in its own words, to be sent to `url`: whoever edits the estate cannot have
/// it sent elsewhere.
///
/// # Errors
/// Another scheme, host or port than that of `origin`.
pub fn stays(url: &Url, secret: &str, origin: &str) -> anyhow::Result<()> {
    let allowed = Url::parse(origin).with_context(|| format!("the origin of {secret} is no address"))?;
    if url.origin() != allowed.origin() {
        bail!("the configuration allows {secret} to be sent to {origin} only, not to {url}");
    }
    Ok(())
}

/// A client that sends these headers, follows no redirect, and gives up after `patience`.
///
/// # Errors
/// Where it cannot be built.
pub fn client(headers: HeaderMap, patience: Duration) -> reqwest::Result<Client> {
    Client::builder().default_headers(headers).redirect(reqwest::redirect::Policy::none()).no_proxy().user_agent("lifeboat").timeout(patience).build()
}

/// Refuses an address behind which a cloud keeps its metadata.
///
/// # Errors
/// A link-local address, or none found in time.
pub async fn check(url: &Url, patience: Duration) -> anyhow::Result<()> {
    let host = url.host_str().unwrap_or_default();
    let permitted = tokio::time::timeout(patience, permitted(host, url.port_or_known_default().unwrap_or(443))).await;
    permitted.with_context(|| format!("the address of {host} was not found in time"))?.map_err(anyhow::Error::msg)
}

/// The body, of `longest` bytes at most.
///
/// # Errors
/// A longer one, or one that breaks off; `whose` says whose it is.
pub async fn body(mut answer: Response, whose: &str, longest: usize) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.with_context(|| format!("{whose} answer broke off"))? {
        body.extend_from_slice(&chunk);
        if body.len() > longest {
            bail!("{whose} answer is longer than {} KiB", longest / 1024);
        }
    }
    Ok(body)
}

/// The cause at the bottom says more to a person than the layers above it ("connection refused"); the address, which it leaves
/// out, may carry what is not for the journal.
pub fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "not in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
