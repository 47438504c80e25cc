//! Probes of services: HTTP and TCP, nothing else, each with a bounded time and a bounded answer. Redirects are not
//! followed, and link-local addresses (where clouds keep their metadata) are never asked.

use engine::health::Outcome;
use std::{net::IpAddr, time::Duration};
use tokio::net::{TcpStream, lookup_host};

/// What a probe asks, parsed once from the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Http(reqwest::Url),
    /// `host:port`.
    Tcp(String),
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("“{0}” is not an address: write http://host:port/path, https://… or tcp://host:port")]
    NotAnAddress(String),
    #[error("“{0}” has a scheme that is never probed; http, https and tcp are")]
    Scheme(String),
}

/// At most this much of an answer is read; the status alone decides.
const LONGEST_ANSWER: usize = 16 * 1024;

impl Target {
    /// Parses a target of the estate.
    ///
    /// # Errors
    /// A text that is no address, or one with another scheme.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let url = reqwest::Url::parse(text).map_err(|_| TargetError::NotAnAddress(text.to_owned()))?;
        match (url.scheme(), url.host_str(), url.port()) {
            ("http" | "https", Some(_), _) => Ok(Target::Http(url)),
            ("tcp", Some(host), Some(port)) => Ok(Target::Tcp(format!("{host}:{port}"))),
            ("tcp", ..) => Err(TargetError::NotAnAddress(text.to_owned())),
            _ => Err(TargetError::Scheme(text.to_owned())),
        }
    }

    /// Asks once. Always answers within `patience`.
    pub async fn probe(&self, client: &reqwest::Client, patience: Duration) -> Outcome {
        let asking = async {
            match self {
                Target::Http(url) => http(client, url).await,
                Target::Tcp(address) => tcp(address).await,
            }
        };
        tokio::time::timeout(patience, asking).await.unwrap_or_else(|_| Outcome::Failed(format!("no answer within {} ms", patience.as_millis())))
    }
}

impl Target {
    /// Asks once as a client would, and gives the value of the header that names the answering region, where one is asked for.
    ///
    /// # Errors
    /// What was wrong with the answer, in words.
    pub async fn answer(&self, client: &reqwest::Client, patience: Duration, header: Option<&str>) -> Result<Option<String>, String> {
        let (Target::Http(url), Some(header)) = (self, header) else {
            return match self.probe(client, patience).await {
                Outcome::Good => Ok(None),
                Outcome::Complaint(why) | Outcome::Failed(why) => Err(why),
            };
        };
        permitted(url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80)).await?;
        let asking = client.get(url.clone()).timeout(patience).send();
        let answer = asking.await.map_err(|error| innermost(&error))?;
        if !answer.status().is_success() {
            return Err(answer.status().to_string());
        }
        let named = answer.headers().get(header).and_then(|value| value.to_str().ok());
        Ok(Some(named.ok_or_else(|| format!("the answer has no header {header}"))?.to_owned()))
    }
}

/// The client all HTTP probes share.
///
/// # Errors
/// Where it cannot be built.
pub fn client() -> reqwest::Result<reqwest::Client> {
    builder().pool_max_idle_per_host(1).build()
}

/// A client that connects anew for each request, and asks for its addresses anew.
///
/// # Errors
/// Where it cannot be built.
pub fn client_that_keeps_nothing() -> reqwest::Result<reqwest::Client> {
    builder().pool_max_idle_per_host(0).build()
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().user_agent("lifeboat-probe")
}

async fn http(client: &reqwest::Client, url: &reqwest::Url) -> Outcome {
    if let Err(why) = permitted(url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80)).await {
        return Outcome::Failed(why);
    }
    let mut answer = match client.get(url.clone()).send().await {
        Ok(answer) => answer,
        Err(error) => return Outcome::Failed(innermost(&error)),
    };
    let status = answer.status();
    if status.is_success() {
        return Outcome::Good;
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= LONGEST_ANSWER {
            break;
        }
    }
    let said = reason_in(&body);
    let said = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
    // A server error is the service saying that it cannot serve; anything else is a complaint about the question.
    if status.is_server_error() { Outcome::Failed(said) } else { Outcome::Complaint(said) }
}

/// What the service says is wrong: of a JSON object the member that usually says it, else the text; shortened.
fn reason_in(body: &[u8]) -> String {
    const USUAL: [&str; 6] = ["reasons", "reason", "errors", "error", "message", "detail"];
    let members = serde_json::from_slice::<serde_json::Map<_, _>>(body).unwrap_or_default();
    let said = USUAL.iter().filter_map(|name| members.get(*name)).map(in_words).find(|words| !words.is_empty());
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    said.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn in_words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(values) => values.iter().map(in_words).filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; "),
        serde_json::Value::Object(members) => members.get("message").map(in_words).unwrap_or_default(),
        _ => String::new(),
    }
}

async fn tcp(address: &str) -> Outcome {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    if let Err(why) = permitted(host, port.parse().unwrap_or(0)).await {
        return Outcome::Failed(why);
    }
    match TcpStream::connect(address).await {
        Ok(_) => Outcome::Good,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Refuses link-local addresses, whatever name they hide behind.
pub(crate) async fn permitted(host: &str, port: u16) -> Result<(), String> {
    let host = host.trim_matches(['[', ']']);
    let addresses = lookup_host((host, port)).await.map_err(|error| format!("{host} has no address: {error}"))?;
    for address in addresses {
        let link_local = match address.ip() {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_link_local()),
        };
        if link_local {
            return Err(format!("{host} is the link-local address {}; those are never probed", address.ip()));
        }
    }
    Ok(())
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_tcp_are_probed() {
        assert!(Target::parse("http://127.0.0.1:80/health").is_ok());
        assert_eq!(Target::parse("tcp://db:5432"), Ok(Target::Tcp("db:5432".into())));
        for bad in ["file:///etc/passwd", "gopher://x:1", "ftp://x"] {
            assert!(matches!(Target::parse(bad), Err(TargetError::Scheme(_))), "{bad}");
        }
        for bad in ["", "db:5432/x y", "tcp://db", "127.0.0.1"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_reason_is_what_a_person_would_read() {
        for (body, reason) in [
            (r#"{"status":"failing","reasons":["no database","queue full"]}"#, "no database; queue full"),
            (r#"{"error":{"code":7,"message":"out of memory"}}"#, "out of memory"),
            (r#"{"status":"failing","reason":""}"#, r#"{"status":"failing","reason":""}"#),
            ("upstream\ttimed out\n", "upstreamtimed out"),
            ("", ""),
        ] {
            assert_eq!(reason_in(body.as_bytes()), reason);
        }
        assert_eq!(reason_in(&[b'x'; 1_000]).len(), 200);
    }

    #[tokio::test]
    async fn link_local_addresses_are_never_asked() {
        let target = Target::parse("http://169.254.169.254/latest/meta-data").unwrap();
        let outcome = target.probe(&client().unwrap(), Duration::from_secs(2)).await;
        assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("never probed")), "{outcome:?}");
    }
}
