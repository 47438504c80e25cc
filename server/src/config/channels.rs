//! The channels that people are told by, `[channel.NAME]`. What must stay secret stands in files of its own: a password, a
//! routing key, and the address of a webhook, for whoever knows that of Slack may post there.

use anyhow::{Context, bail};
use engine::{findings::Severity, notifications::Rule, time::Span};
use lettre::{Address, message::Mailbox};
use serde::{Deserialize, Serialize};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// One channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Channel {
    /// Posts `{"text": …}`, as the incoming webhooks of Slack, Mattermost and Rocket.Chat take it.
    Webhook {
        /// File with the whole address, `https://hooks.slack.com/services/…`.
        url_file: PathBuf,
        #[serde(default = "default_minimum")]
        minimum: Severity,
        #[serde(default = "default_remind_every")]
        remind_every: Span,
    },
    /// Sends mail through an SMTP server.
    Mail {
        host: String,
        /// Where absent 587, with `tls = "implicit"` 465, with `tls = "none"` 25.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        #[serde(default)]
        tls: Tls,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_file: Option<PathBuf>,
        /// Who signs the server's certificate, as PEM, where that is no public authority.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_file: Option<PathBuf>,
        /// `Lifeboat <lifeboat@example.org>`.
        from: String,
        to: Vec<String>,
        #[serde(default = "default_minimum")]
        minimum: Severity,
        #[serde(default = "default_remind_every")]
        remind_every: Span,
    },
    /// Sends events as version 2 of PagerDuty's API takes them.
    Pagerduty {
        routing_key_file: PathBuf,
        /// Where events go, if not to PagerDuty itself.
        #[serde(default = "default_pagerduty")]
        url: String,
        #[serde(default = "default_minimum")]
        minimum: Severity,
        #[serde(default = "default_remind_every")]
        remind_every: Span,
    },
}

/// How the mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// In clear until the server has agreed to TLS; without that nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// In clear. Only for a server nearby, and never with a password unless it is on this very machine.
    None,
}

fn default_minimum() -> Severity {
    Severity::Act
}
fn default_remind_every() -> Span {
    Span::from_mins(30)
}
fn default_pagerduty() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

/// Reminders that come faster wake people up for nothing.
const SHORTEST_REMINDER: Span = Span::from_secs(1);
const LONGEST_REMINDER: Span = Span::from_mins(7 * 24 * 60);
const MOST_RECIPIENTS: usize = 50;

impl Channel {
    /// What it wants to hear.
    pub fn rule(&self) -> Rule {
        match self {
            Channel::Webhook { minimum, remind_every, .. }
            | Channel::Mail { minimum, remind_every, .. }
            | Channel::Pagerduty { minimum, remind_every, .. } => Rule { minimum: *minimum, remind_every: *remind_every },
        }
    }

    /// Makes its paths absolute.
    pub(super) fn resolve(&mut self, base: &Path) {
        let files = match self {
            Channel::Webhook { url_file, .. } => [Some(url_file), None],
            Channel::Mail { password_file, ca_file, .. } => [password_file.as_mut(), ca_file.as_mut()],
            Channel::Pagerduty { routing_key_file, .. } => [Some(routing_key_file), None],
        };
        for file in files.into_iter().flatten() {
            *file = base.join(&*file);
        }
    }

    /// Checks what can be checked without reading a secret or asking anybody.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let remind_every = self.rule().remind_every;
        if remind_every != Span::ZERO && !(SHORTEST_REMINDER..=LONGEST_REMINDER).contains(&remind_every) {
            bail!("`remind_every` is from {SHORTEST_REMINDER} to {LONGEST_REMINDER}, or 0s for no reminders, and not {remind_every}");
        }
        match self {
            Channel::Webhook { .. } => Ok(()),
            Channel::Pagerduty { url, .. } => http_address(url).context("`url`").map(|_| ()),
            Channel::Mail { host, port, tls, user, password_file, ca_file, from, to, .. } => {
                let is_name = !host.is_empty() && !host.contains(|letter: char| letter.is_whitespace() || "/@:[]".contains(letter));
                if !is_name && host.parse::<IpAddr>().is_err() {
                    bail!("`host` is the name or address of a mail server alone, for example \"smtp.example.org\", and not “{host}”");
                }
                if *port == Some(0) {
                    bail!("`port` is from 1 to 65535");
                }
                if user.is_some() != password_file.is_some() {
                    bail!("`user` and `password_file` belong together: give both, or neither");
                }
                if user.is_some() && *tls == Tls::None && !is_on_this_machine(host) {
                    bail!("with `tls = \"none\"` the password would cross the network readably; use \"starttls\" or \"implicit\"");
                }
                if ca_file.is_some() && *tls == Tls::None {
                    bail!("`ca_file` is for \"starttls\" and \"implicit\"; with `tls = \"none\"` nobody shows a certificate");
                }
                mailbox(from).context("`from`")?;
                if to.is_empty() || to.len() > MOST_RECIPIENTS {
                    bail!("`to` names from 1 to {MOST_RECIPIENTS} recipients, and not {}", to.len());
                }
                to.iter().try_for_each(|one| mailbox(one).context("`to`").map(|_| ()))
            }
        }
    }
}

/// An address that is posted to.
///
/// # Errors
/// Another scheme than http and https, or a user in it. The message does not repeat the address: it may be a secret.
pub fn http_address(text: &str) -> anyhow::Result<reqwest::Url> {
    let url = reqwest::Url::parse(text).map_err(|error| anyhow::anyhow!("that is no address ({error}); write https://host/path"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        bail!("the address begins with {}://; write https://host/path", url.scheme());
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("the address has a user in it; write https://host/path");
    }
    Ok(url)
}

/// A mail address, with or without a name in front of it.
///
/// # Errors
/// A text that is none.
pub fn mailbox(text: &str) -> anyhow::Result<Mailbox> {
    let parsed = text.parse::<Mailbox>().or_else(|_| text.parse::<Address>().map(|address| Mailbox::new(None, address)));
    parsed.with_context(|| format!("“{text}” is no mail address; write oncall@example.org or On call <oncall@example.org>"))
}

fn is_on_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
