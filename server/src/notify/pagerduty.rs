//! Events as version 2 of PagerDuty's API takes them; others understand them too. The incident's key is the `dedup_key`, so
//! that whatever is sent twice is one incident there.

use super::{Carrier, http::Poster, text};
use anyhow::Context;
use async_trait::async_trait;
use engine::{
    findings::Severity,
    notifications::{Delivery, Kind},
};
use reqwest::{Url, header::HeaderMap};
use serde_json::{Value, json};

pub(super) struct Pagerduty {
    poster: Poster,
    routing_key: String,
    /// Of the estate, so that several platforms can share a service there.
    source: String,
}

const LONGEST_SUMMARY: usize = 1_024;

impl Pagerduty {
    /// # Errors
    /// Where the client cannot be built.
    pub(super) fn new(url: Url, routing_key: String, estate: &str) -> anyhow::Result<Self> {
        Ok(Self { poster: Poster::new(url)?, routing_key, source: estate.to_owned() })
    }

    async fn send(&self, action: &str, delivery: &Delivery, link: &str) -> anyhow::Result<String> {
        let said = self.poster.post(HeaderMap::new(), &self.event(action, delivery, link)).await?;
        Ok(said.in_words())
    }

    fn event(&self, action: &str, delivery: &Delivery, link: &str) -> Value {
        let dedup_key = delivery.incident.as_ref().map_or_else(|| format!("test/{}", delivery.id), ToString::to_string);
        let severity = match delivery.severity {
            Severity::Lost => "critical",
            Severity::Act => "error",
            Severity::Unknown => "warning",
            Severity::Watch => "info",
        };
        let summary: String = delivery.title.chars().take(LONGEST_SUMMARY).collect();
        json!({
            "routing_key": self.routing_key,
            "event_action": action,
            "dedup_key": dedup_key,
            "client": "Lifeboat",
            "client_url": link,
            "links": [{ "href": link, "text": "Open it in Lifeboat" }],
            "payload": {
                "summary": summary,
                "source": self.source,
                "severity": severity,
                "timestamp": delivery.written.to_rfc3339(),
                "custom_details": { "what to do": delivery.next, "since": text::since(delivery), "message": delivery.kind },
            },
        })
    }
}

#[async_trait]
impl Carrier for Pagerduty {
    async fn carry(&self, delivery: &Delivery, link: &str) -> anyhow::Result<String> {
        let action = match delivery.kind {
            Kind::Opened | Kind::Reminder | Kind::Changed | Kind::Test => "trigger",
            Kind::Acknowledged => "acknowledge",
            Kind::Resolved => "resolve",
        };
        let said = self.send(action, delivery, link).await?;
        if delivery.kind == Kind::Test {
            // Nobody is to be left with an incident that is none.
            return self.send("resolve", delivery, link).await.context("the test was triggered, and could not be resolved again");
        }
        Ok(said)
    }
}
