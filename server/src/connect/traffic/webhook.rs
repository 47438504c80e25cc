//! A web service sends the clients: it is told where to by one address and asked by another. It is believed only as far as
//! what it says when asked.

use super::{Abilities, TrafficControl, read_back, span};
use crate::{
    config::{Config, read_secret},
    connect::pinned,
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    failover::plan::names_or_none,
    id::{RegionId, ServiceId},
};
use reqwest::{Client, Method, Response, StatusCode, Url, header};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Mutex, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

/// Four questions and the settling fit into the step that sends clients.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long it may still say the old regions after it was told new ones.
const SETTLING: Duration = Duration::from_secs(2);

pub(super) struct Webhook {
    service: ServiceId,
    url: Url,
    status_url: Url,
    client: Client,
    /// The change that was told last and is not proven yet, so that telling it again carries the same key.
    pending: Mutex<Option<Change>>,
}

/// What is posted.
#[derive(Debug, Clone, Serialize)]
struct Change {
    service: ServiceId,
    from: BTreeSet<RegionId>,
    to: BTreeSet<RegionId>,
    idempotency_key: Uuid,
}

/// What it answers when asked.
#[derive(Debug, Deserialize)]
struct Status {
    regions: BTreeSet<RegionId>,
}

impl Webhook {
    pub(super) fn new(service: &ServiceId, url: &str, status_url: &str, token: &str, config: &Config) -> anyhow::Result<Self> {
        let Some(declared) = config.webhook_token.get(token) else {
            bail!("the configuration has no [webhook_token.{token}] with origin and token_file");
        };
        let parsed = |text: &str| {
            let url = pinned::address(text, "a webhook")?;
            pinned::stays(&url, &format!("the token {token}"), &declared.origin)?;
            anyhow::Ok(url)
        };
        let mut bearer = header::HeaderValue::try_from(format!("Bearer {}", read_secret(&declared.token_file)?))
            .map_err(|_| anyhow::anyhow!("the secret file {} holds what cannot be sent in a header", declared.token_file.display()))?;
        bearer.set_sensitive(true);
        let client = pinned::client([(header::AUTHORIZATION, bearer)].into_iter().collect(), PATIENCE)?;
        Ok(Self { service: service.clone(), url: parsed(url)?, status_url: parsed(status_url)?, client, pending: Mutex::new(None) })
    }

    async fn ask(&self, method: Method, url: &Url, change: Option<&Change>) -> anyhow::Result<Response> {
        pinned::check(url, PATIENCE).await?;
        let mut request = self.client.request(method.clone(), url.clone());
        if let Some(change) = change {
            request = request.header("idempotency-key", change.idempotency_key.to_string()).json(change);
        }
        request.send().await.with_context(|| format!("the webhook does not answer {method} within {} s", PATIENCE.as_secs()))
    }

    /// The change to tell, with the key it already has where it was told before in vain.
    fn change(&self, from: BTreeSet<RegionId>, to: &BTreeSet<RegionId>) -> anyhow::Result<Change> {
        let mut pending = self.pending.lock().map_err(|_| anyhow::anyhow!("the webhook's memory broke"))?;
        match &*pending {
            Some(change) if change.from == from && change.to == *to => Ok(change.clone()),
            _ => Ok(pending.insert(Change { service: self.service.clone(), from, to: to.clone(), idempotency_key: Uuid::now_v7() }).clone()),
        }
    }

    fn proven(&self) -> anyhow::Result<()> {
        *self.pending.lock().map_err(|_| anyhow::anyhow!("the webhook's memory broke"))? = None;
        Ok(())
    }
}

#[async_trait]
impl TrafficControl for Webhook {
    fn abilities(&self) -> Abilities {
        Abilities { rehearses: true, reads_back: true, simulated: false, delay: None, patience: Some(span(PATIENCE)) }
    }

    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        let answer = self.ask(Method::GET, &self.status_url, None).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            bail!("the webhook answers {status} when asked where it sends clients");
        }
        let body = pinned::body(answer, "the webhook's", pinned::LONGEST_ANSWER).await?;
        let status: Status = serde_json::from_slice(&body).context("the webhook does not say where it sends clients as {\"regions\": […]}")?;
        Ok(status.regions)
    }

    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let from = self.regions().await?;
        if from == *to {
            self.proven()?;
            return Ok(format!("the webhook says that it sends clients to {} already", names_or_none(to)));
        }
        let change = self.change(from, to)?;
        let told = match self.ask(Method::POST, &self.url, Some(&change)).await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(anyhow::anyhow!("the webhook answered {}", answer.status())),
            Err(error) => Err(error),
        };
        // Whether it was heard does not follow from its answer, nor from a lack of one: what it says when asked decides.
        match (told, read_back(self, to, Instant::now() + SETTLING).await) {
            (told, Ok(())) => {
                self.proven()?;
                let doubt = told.err().map(|error| format!(", although it did not confirm: {error:#}")).unwrap_or_default();
                let (to, key) = (names_or_none(to), change.idempotency_key);
                Ok(format!("the webhook sends clients to {to}, read back (idempotency key {key}){doubt}"))
            }
            (Ok(()), Err(read)) => Err(read.context("the webhook")),
            (Err(told), Err(read)) => bail!("{told:#}; asked then: {read:#}"),
        }
    }

    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let now = self.regions().await?;
        let answer = self.ask(Method::OPTIONS, &self.url, None).await?;
        let status = answer.status();
        let found = match status {
            _ if status.is_success() => "accepts the token there",
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                "does not say whether it would (it knows no OPTIONS there)"
            }
            _ => bail!("the webhook answers {status} where it would be told to send clients"),
        };
        Ok(format!("the webhook sends clients to {}; it would be told to send them to {}, and {found}", names_or_none(&now), names_or_none(to)))
    }
}
