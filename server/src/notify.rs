//! Tells people outside of the pages. One loop looks at the picture and writes down what is to be said (`look`), and one
//! courier per channel says it (`courier`): so a channel that hangs delays no other, and what was written is said even when
//! the server was killed in between. At least once: whoever receives can tell a repetition by its key.

use crate::{
    config::{Channel as Declared, Config, Tls, http_address, mailbox, read_secret},
    desk::Desk,
};
use anyhow::Context;
use async_trait::async_trait;
use engine::notifications::{ChannelFacts, ChannelKind, Delivery};
use std::sync::Arc;

mod courier;
mod desk;
mod http;
mod look;
mod mail;
mod pagerduty;
mod text;
mod webhook;

/// What carries messages to people. One file each.
#[async_trait]
trait Carrier: Send + Sync {
    /// Hands one message over; what the other side said.
    ///
    /// # Errors
    /// Everything but an acceptance, in words. What is secret is cut out of them by whoever keeps them.
    async fn carry(&self, delivery: &Delivery, link: &str) -> anyhow::Result<String>;
}

/// A channel, set up.
struct Channel {
    facts: ChannelFacts,
    carrier: Box<dyn Carrier>,
    /// What must never be kept or shown, wherever an answer repeats it.
    secrets: Vec<String>,
}

/// All channels of a configuration.
pub struct Channels {
    all: Vec<Arc<Channel>>,
}

impl Channels {
    /// Reads the secrets; nobody is contacted.
    ///
    /// # Errors
    /// A secret that is missing, or that is no address where one is needed.
    pub fn new(config: &Config, estate: &str) -> anyhow::Result<Self> {
        let channel = |(name, declared): (&engine::id::ChannelName, &Declared)| {
            let made = carrier(declared, estate).with_context(|| format!("[channel.{name}]"))?;
            let facts = ChannelFacts { name: name.clone(), kind: made.kind, to: made.to, rule: declared.rule() };
            anyhow::Ok(Arc::new(Channel { facts, carrier: made.carrier, secrets: made.secrets }))
        };
        Ok(Self { all: config.channel.iter().map(channel).collect::<anyhow::Result<_>>()? })
    }

    fn facts(&self) -> Vec<ChannelFacts> {
        self.all.iter().map(|channel| channel.facts.clone()).collect()
    }
}

struct Made {
    kind: ChannelKind,
    to: String,
    carrier: Box<dyn Carrier>,
    secrets: Vec<String>,
}

fn carrier(declared: &Declared, estate: &str) -> anyhow::Result<Made> {
    Ok(match declared {
        Declared::Webhook { url_file, .. } => {
            let secret = read_secret(url_file)?;
            let address = http_address(&secret).with_context(|| format!("the secret file {}", url_file.display()))?;
            let path = address[url::Position::BeforePath..].to_owned();
            // The host is no secret, the rest is; a bare “/” is none either.
            let secrets = [secret, path].into_iter().filter(|secret| secret.len() > 1).collect();
            let to = address.host_str().unwrap_or_default().to_owned();
            Made { kind: ChannelKind::Webhook, to, carrier: Box::new(webhook::Webhook::new(address)?), secrets }
        }
        Declared::Pagerduty { routing_key_file, url, .. } => {
            let key = read_secret(routing_key_file)?;
            let url = http_address(url)?;
            let to = url.host_str().unwrap_or_default().to_owned();
            let carrier = Box::new(pagerduty::Pagerduty::new(url, key.clone(), estate)?);
            Made { kind: ChannelKind::Pagerduty, to, carrier, secrets: vec![key] }
        }
        Declared::Mail { host, port, tls, user, password_file, ca_file, from, to, .. } => {
            let password = password_file.as_deref().map(read_secret).transpose()?;
            let login = user.clone().zip(password.clone());
            let port = port.unwrap_or(match tls {
                Tls::Starttls => 587,
                Tls::Implicit => 465,
                Tls::None => 25,
            });
            let recipients = to.iter().map(|one| mailbox(one)).collect::<anyhow::Result<Vec<_>>>()?;
            let server = mail::Server { host, port, tls: *tls, ca_file: ca_file.as_deref() };
            let carrier = Box::new(mail::Mail::new(server, login, mailbox(from)?, recipients)?);
            Made { kind: ChannelKind::Mail, to: to.join(", "), carrier, secrets: password.into_iter().collect() }
        }
    })
}

/// Starts telling. `address` is where people reach the pages.
///
/// # Errors
/// Where the store cannot be read or written.
pub async fn start(desk: Arc<Desk>, channels: Channels, address: String) -> anyhow::Result<()> {
    desk.set_channels(channels.facts());
    let names: Vec<_> = channels.all.iter().map(|channel| channel.facts.name.clone()).collect();
    desk.store().give_up_all_but(&names, chrono::Utc::now()).await?;
    let address: Arc<str> = Arc::from(address.trim_end_matches('/'));
    for channel in &channels.all {
        tokio::spawn(courier::run(desk.clone(), channel.clone(), address.clone()));
    }
    let look = look::Look::new(desk, channels.all.iter().map(|channel| channel.facts.clone()).collect()).await?;
    tokio::spawn(look.run());
    Ok(())
}
