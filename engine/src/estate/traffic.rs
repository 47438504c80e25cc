//! What sends the clients of a service to its regions.

use crate::{id::RegionId, time::Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the clients of a service are sent to its regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Where clients come in, written like the target of an endpoint. Moves are proven through it.
    pub address: String,
    /// The header of an HTTP answer that names the region it came from. Without it a move is proven only by a good answer
    /// and by reading the routing back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_header: Option<String>,
    pub by: TrafficMeans,
}

/// What sends the clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TrafficMeans {
    /// HAProxy's runtime API: the servers of `backend` are named like the regions.
    Haproxy {
        /// Path of the runtime API's socket.
        socket: String,
        backend: String,
    },
    /// The addresses under one name, changed by dynamic update (RFC 2136) on the zone's primary name server.
    Dns {
        /// `host:port` of the zone's primary name server.
        server: String,
        zone: String,
        /// What clients look up; it lies in `zone`.
        name: String,
        /// For how long clients may keep an answer.
        ttl: Span,
        /// Name of the TSIG key; its secret is in the server's configuration, `[dns_key."NAME"]`.
        key: String,
        #[serde(default)]
        algorithm: TsigAlgorithm,
        /// What the name stands for while clients are sent to a region: IPv4 and IPv6 addresses, or one other name (CNAME).
        targets: BTreeMap<RegionId, Vec<String>>,
    },
    /// A web service that is told where to send clients, and asked where it sends them.
    Webhook {
        /// Is posted `{"service", "from", "to", "idempotency_key"}`.
        url: String,
        /// Answers `{"regions": […]}`.
        status_url: String,
        /// Name of the bearer token; it is in the server's configuration, `[webhook_token.NAME]`, with where it may be sent.
        token: String,
    },
    /// Programs on Lifeboat's own machine; their command lines are in the server's configuration, `[command.NAME]`, only.
    Command { name: String },
    /// One plain record set of a hosted zone of Amazon Route 53. Only in a server built with the cargo feature `aws`; whose
    /// credentials are used says the server's configuration, `[aws]`.
    Route53 {
        /// Id of the hosted zone, `Z0123456789ABCDEFGHIJ`.
        hosted_zone: String,
        /// What clients look up; it lies in the zone. Nothing else may stand under it with this type: no alias, no weighted or
        /// failover records, no health check.
        name: String,
        #[serde(default)]
        record_type: RecordType,
        /// For how long clients may keep an answer.
        ttl: Span,
        /// The record's values while clients are sent to a region.
        targets: BTreeMap<RegionId, Vec<String>>,
    },
    /// The routing controls of Amazon's Application Recovery Controller, one for each region. As `route53`, only with the feature `aws`.
    ArcRoutingControl {
        /// The cluster's endpoints, tried in an order that changes: any of them may be gone when it matters.
        endpoints: Vec<ArcEndpoint>,
        /// The ARN of each region's routing control: On while clients are sent there.
        controls: BTreeMap<RegionId, String>,
        /// For how long clients may keep an answer of the records that the routing controls switch.
        ttl: Span,
    },
    /// Remembers what it was told and moves nobody. Everything it does says SIMULATED.
    Simulated {},
}

/// The type of a record set in Route 53.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordType {
    #[default]
    A,
    #[serde(rename = "AAAA")]
    Aaaa,
    /// One other name.
    #[serde(rename = "CNAME")]
    Cname,
}

impl RecordType {
    pub fn as_str(self) -> &'static str {
        match self {
            RecordType::A => "A",
            RecordType::Aaaa => "AAAA",
            RecordType::Cname => "CNAME",
        }
    }
}

/// One endpoint of an ARC cluster, as `DescribeCluster` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArcEndpoint {
    /// `https://….amazonaws.com/v1`.
    pub url: String,
    /// The region of AWS it is in; requests are signed for it.
    pub region: String,
}

/// What a TSIG key is used with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TsigAlgorithm {
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

impl TrafficMeans {
    pub fn is_simulated(&self) -> bool {
        matches!(self, TrafficMeans::Simulated {})
    }
    /// For how long clients may still go where they were sent before; `None` where they follow at once.
    pub fn delay(&self) -> Option<Span> {
        match self {
            TrafficMeans::Dns { ttl, .. } | TrafficMeans::Route53 { ttl, .. } | TrafficMeans::ArcRoutingControl { ttl, .. } => Some(*ttl),
            TrafficMeans::Haproxy { .. } | TrafficMeans::Webhook { .. } | TrafficMeans::Command { .. } | TrafficMeans::Simulated {} => None,
        }
    }
    /// The limit of a step that sends clients. Route 53 tells its name servers one after the other, as a rule within a minute.
    pub fn limit(&self) -> Span {
        match self {
            TrafficMeans::Route53 { .. } => Span::from_secs(90),
            TrafficMeans::Haproxy { .. }
            | TrafficMeans::Dns { .. }
            | TrafficMeans::Webhook { .. }
            | TrafficMeans::Command { .. }
            | TrafficMeans::ArcRoutingControl { .. }
            | TrafficMeans::Simulated {} => Span::from_secs(10),
        }
    }
    /// What it is, for people.
    pub fn in_words(&self) -> String {
        match self {
            TrafficMeans::Haproxy { backend, .. } => format!("HAProxy, backend {backend}"),
            TrafficMeans::Dns { name, .. } => format!("DNS, {name} by dynamic update"),
            TrafficMeans::Webhook { url, .. } => format!("the webhook {url}"),
            TrafficMeans::Command { name } => format!("the command {name}"),
            TrafficMeans::Route53 { name, .. } => format!("Route 53, {name}"),
            TrafficMeans::ArcRoutingControl { controls, .. } => format!("ARC, {} routing controls", controls.len()),
            TrafficMeans::Simulated {} => "a simulator".to_owned(),
        }
    }
}
