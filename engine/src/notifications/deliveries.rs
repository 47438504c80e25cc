//! What is known of channels and of what was sent through them, for pages. No secret is a part of it.

use super::{Incident, IncidentKey, Kind, Rule};
use crate::{
    findings::Severity,
    id::{ChannelName, DeliveryId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a channel reaches people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    Webhook,
    Mail,
    Pagerduty,
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChannelKind::Webhook => "webhook",
            ChannelKind::Mail => "mail",
            ChannelKind::Pagerduty => "PagerDuty events",
        })
    }
}

/// A channel as it was set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFacts {
    pub name: ChannelName,
    pub kind: ChannelKind,
    /// Where it leads, as far as that is no secret: a host, mail addresses.
    pub to: String,
    pub rule: Rule,
}

/// How the last attempts of a channel went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelState {
    /// The last time that something was delivered, and what the other side said.
    pub delivered: Option<(Instant, String)>,
    /// The last failed attempt, and why it failed.
    pub failed: Option<(Instant, String)>,
    /// The first failed attempt since anything was delivered; absent while it works.
    pub failing_since: Option<Instant>,
}

/// One message on its way to one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: DeliveryId,
    pub channel: ChannelName,
    pub kind: Kind,
    /// Absent for a test.
    pub incident: Option<IncidentKey>,
    pub severity: Severity,
    pub title: String,
    pub next: String,
    pub link: String,
    pub written: Instant,
    pub attempts: u32,
    /// What the other side said, or why the last attempt failed.
    pub said: Option<String>,
    pub outcome: Outcome,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "at")]
pub enum Outcome {
    /// It is sent then, or as soon as what was to be said before it is over.
    Waits(Instant),
    Delivered(Instant),
    GivenUp(Instant),
}

/// An incident as it was recorded for telling, open or over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    pub incident: Incident,
    /// Absent while it is open.
    pub resolved: Option<Instant>,
    /// The channels that were told, with how far the last message has come.
    pub told: Vec<(ChannelName, Kind, Outcome)>,
}

/// Everything the page of notifications shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notifications {
    pub channels: Vec<(ChannelFacts, ChannelState)>,
    /// Open ones first, then those that ended last.
    pub incidents: Vec<Recorded>,
    /// Newest first.
    pub deliveries: Vec<Delivery>,
}
