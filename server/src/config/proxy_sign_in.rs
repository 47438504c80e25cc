//! Sign-in by an authenticating reverse proxy, `[proxy_sign_in]`: it knows who somebody is, Lifeboat knows what they may do.

use anyhow::{Context, bail, ensure};
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Without a proof that it was the proxy who set it, whoever reaches the server could put any name into the header: at least one
/// of the two is needed, and where both are given, both must hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxySignIn {
    /// Where the proxy says who it is: the name of an account of Lifeboat's, `x-forwarded-preferred-username`. The proxy must take
    /// away what a client sends under this name.
    pub user_header: String,
    /// Where the proxy shows the secret in `secret_file`, at least 32 characters that nobody else knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// From where the proxy connects, `["127.0.0.1/32"]`. Every program that can connect from there can be anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// Whether people may also sign in by password. Those who come by the proxy are whoever it says all the same.
    #[serde(default = "yes")]
    pub passwords: bool,
    /// Where signing out leads: a path of the proxy on this address, `/oauth2/sign_out`, or a whole address.
    pub sign_out_url: String,
}

fn yes() -> bool {
    true
}

/// Shortest secret accepted: nothing slows down who guesses it.
pub const SHORTEST_SECRET: usize = 32;

impl ProxySignIn {
    pub(super) fn resolve(&mut self, base: &Path) {
        self.secret_file = self.secret_file.take().map(|file| base.join(file));
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let user = header(&self.user_header).context("`user_header`")?;
        match (&self.secret_header, &self.secret_file) {
            (Some(name), Some(_)) => ensure!(header(name).context("`secret_header`")? != user, "`user_header` and `secret_header` are the same"),
            (None, None) if self.trusted.is_empty() => bail!(
                "nothing proves that the proxy set the header `{user}`, so anybody could be anybody; give `secret_header` with `secret_file`, or the addresses in `trusted` that it connects from"
            ),
            (None, None) => {}
            _ => bail!("`secret_header` and `secret_file` belong together; one of them is missing"),
        }
        let everywhere = self.networks()?.iter().any(|network| network.prefix_len() == 0);
        ensure!(!everywhere || self.secret_header.is_some(), "`trusted` takes in every address there is; name those of the proxy");
        self.sign_out()?;
        Ok(())
    }

    /// The addresses that are trusted.
    pub fn networks(&self) -> anyhow::Result<Vec<IpNet>> {
        let network = |text: &String| text.parse::<IpNet>().with_context(|| format!("`trusted`: “{text}” is no network; write 127.0.0.1/32"));
        self.trusted.iter().map(network).collect()
    }

    /// The sign-out address as the value of a `Refresh` header.
    pub fn sign_out(&self) -> anyhow::Result<HeaderValue> {
        let to = &self.sign_out_url;
        let inside = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
        let elsewhere = ["https://", "http://"].iter().any(|scheme| to.starts_with(scheme)) && reqwest::Url::parse(to).is_ok();
        let plain = to.chars().all(|char| char.is_ascii_graphic());
        ensure!(plain && (inside || elsewhere), "`sign_out_url` is no address; write /oauth2/sign_out, or https://host/path");
        HeaderValue::from_str(&format!("0; url={to}")).context("`sign_out_url`")
    }
}

/// A header that can be told from those that mean something else.
pub fn header(name: &str) -> anyhow::Result<HeaderName> {
    let header = HeaderName::from_bytes(name.as_bytes()).with_context(|| format!("“{name}” is no name of a header"))?;
    let taken = [http::header::HOST, http::header::ORIGIN, http::header::COOKIE, http::header::AUTHORIZATION, http::header::CONTENT_TYPE];
    ensure!(!taken.contains(&header), "the header {header} has another meaning already");
    Ok(header)
}
