//! What the server's configuration offers to runbooks; a step that names anything else cannot be carried out.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunbookSights {
    /// The programs, `[runbook_command.NAME]`, or why one cannot be run.
    pub commands: BTreeMap<String, Result<(), String>>,
    /// Where requests may go, `https://edge.example.org`.
    pub origins: BTreeSet<String>,
}

/// Scheme, host and port of an address; a port that is the scheme's own is left out.
pub fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty() && !host.contains('@'))?;
    let own = if scheme == "https" { ":443" } else { ":80" };
    Some(format!("{scheme}://{}", host.strip_suffix(own).unwrap_or(host).to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_where_a_request_goes_and_nothing_else() {
        assert_eq!(origin_of("https://Edge.example.org:443/a?b").as_deref(), Some("https://edge.example.org"));
        assert_eq!(origin_of("http://edge:8080").as_deref(), Some("http://edge:8080"));
        for none in ["ftp://edge/", "edge", "https:///x", "https://edge@evil/", "file:///etc/passwd"] {
            assert_eq!(origin_of(none), None, "{none}");
        }
    }
}
