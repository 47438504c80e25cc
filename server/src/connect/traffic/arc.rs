//! Routing controls of Amazon's Application Recovery Controller send the clients: each region has one, and a health check that
//! follows it; On means that clients are sent there. All of them are switched in one call, so that the safety rules of the control
//! panel see the whole of a move and not its half.

use super::{
    Abilities, TrafficControl,
    aws::{PATIENCE, Question, Signer},
    read_back, span,
};
use crate::{config::Config, connect::pinned};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{estate::TrafficMeans, failover::plan::names_or_none, id::RegionId, time::Span};
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// For one question to the cluster, however many of its endpoints are asked. Two of them and the settling fit into the step.
const WHOLE: Duration = Duration::from_secs(4);
/// For how long another endpoint may still tell the old state.
const SETTLING: Duration = Duration::from_secs(1);

pub(super) struct RoutingControls {
    signer: Signer,
    endpoints: Vec<Endpoint>,
    controls: BTreeMap<RegionId, String>,
    ttl: Span,
}

struct Endpoint {
    url: Url,
    region: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    On,
    Off,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Get<'a> {
    routing_control_arn: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    routing_control_state: State,
}

/// No safety rule is ever overridden from here.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Update<'a> {
    update_routing_control_state_entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    routing_control_arn: &'a str,
    routing_control_state: State,
}

#[derive(Deserialize)]
struct Updated {}

impl RoutingControls {
    pub(super) fn new(means: &TrafficMeans, config: &Config) -> anyhow::Result<Self> {
        let TrafficMeans::ArcRoutingControl { endpoints, controls, ttl } = means else {
            bail!("this is not sent by routing controls");
        };
        let allowed = config.aws.as_ref().map(|aws| aws.arc_origins.as_slice()).unwrap_or_default();
        let endpoints = endpoints.iter().map(|declared| {
            let url = pinned::address(&declared.url, "an ARC cluster")?;
            let in_aws = url.scheme() == "https" && url.host_str().is_some_and(|host| host.ends_with(".amazonaws.com"));
            if !in_aws && !allowed.iter().any(|origin| pinned::stays(&url, "requests", origin).is_ok()) {
                bail!("{url} does not lie in AWS, and [aws] arc_origins in the configuration does not name it");
            }
            Ok(Endpoint { url, region: declared.region.clone() })
        });
        let endpoints: Vec<Endpoint> = endpoints.collect::<anyhow::Result<_>>()?;
        if endpoints.is_empty() {
            bail!("it has no endpoint; an ARC cluster has five");
        }
        if let Some(arn) = controls.values().find(|arn| !(arn.starts_with("arn:") && arn.contains("/routingcontrol/"))) {
            bail!("“{arn}” is no ARN of a routing control");
        }
        if controls.values().collect::<BTreeSet<_>>().len() < controls.len() {
            bail!("two regions have the same routing control");
        }
        Ok(Self { signer: Signer::new("route53-recovery-cluster", config)?, endpoints, controls: controls.clone(), ttl: *ttl })
    }

    /// Asks the endpoints one after the other, in another order every time, until one answers: that is how AWS wants it, for any
    /// of them may be gone.
    async fn ask<T: DeserializeOwned>(&self, operation: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let body = serde_json::to_string(body)?;
        let mut order: Vec<&Endpoint> = self.endpoints.iter().collect();
        order.sort_by_cached_key(|_| Uuid::new_v4());
        let (deadline, mut failed) = (Instant::now() + WHOLE, Vec::new());
        for endpoint in order {
            let asked = timeout_at(deadline, self.ask_one(endpoint, operation, body.clone())).await;
            match asked.unwrap_or_else(|_| bail!("no answer in time")) {
                Ok(Answer::Given(answer)) => return serde_json::from_slice(&answer).with_context(|| format!("what ARC answers to {operation}")),
                // It said no for a reason that the other endpoints share.
                Ok(Answer::Refused(why)) => bail!("ARC refuses {operation}: {why}"),
                Ok(Answer::Unavailable(why)) => failed.push(format!("{}: {why}", endpoint.region)),
                Err(error) => failed.push(format!("{}: {error:#}", endpoint.region)),
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        bail!("no endpoint of the ARC cluster answers {operation}: {}", failed.join("; "))
    }

    async fn ask_one(&self, endpoint: &Endpoint, operation: &str, body: String) -> anyhow::Result<Answer> {
        let target = format!("ToggleCustomerAPI.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let question = Question { method: Method::POST, url: &endpoint.url, region: &endpoint.region, headers: &headers, body };
        let (status, answer) = self.signer.ask(question).await?;
        Ok(match status {
            StatusCode::OK => Answer::Given(answer),
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || said(&answer).contains("Throttling") => {
                Answer::Unavailable(format!("{status}: {}", said(&answer)))
            }
            _ => Answer::Refused(format!("{status}: {}", said(&answer))),
        })
    }
}

enum Answer {
    Given(Vec<u8>),
    Refused(String),
    Unavailable(String),
}

/// Kind and message of an error, shortened.
fn said(answer: &[u8]) -> String {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(answer).unwrap_or_default();
    let text = |name: &str| members.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let words: Vec<String> = [text("__type"), text("message").or_else(|| text("Message"))].into_iter().flatten().collect();
    let words = if words.is_empty() { String::from_utf8_lossy(answer).into_owned() } else { words.join(": ") };
    words.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[async_trait]
impl TrafficControl for RoutingControls {
    fn abilities(&self) -> Abilities {
        Abilities { rehearses: false, reads_back: true, simulated: false, delay: Some(self.ttl), patience: Some(span(PATIENCE)) }
    }

    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        let states = self.controls.iter().map(|(region, arn)| async move {
            let got: Got = self.ask("GetRoutingControlState", &Get { routing_control_arn: arn }).await.with_context(|| region.to_string())?;
            anyhow::Ok((region.clone(), got.routing_control_state))
        });
        let states = futures::future::try_join_all(states).await?;
        Ok(states.into_iter().filter(|(_, state)| *state == State::On).map(|(region, _)| region).collect())
    }

    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        self.check_known(to)?;
        if self.regions().await? == *to {
            return Ok(format!("the routing controls send clients to {} already", names_or_none(to)));
        }
        let entry = |(region, arn): (&RegionId, &'_ String)| (arn.clone(), if to.contains(region) { State::On } else { State::Off });
        let wanted: Vec<(String, State)> = self.controls.iter().map(entry).collect();
        let entries = wanted.iter().map(|(arn, state)| Entry { routing_control_arn: arn, routing_control_state: *state }).collect();
        let Updated {} = self.ask("UpdateRoutingControlStates", &Update { update_routing_control_state_entries: entries }).await?;
        read_back(self, to, Instant::now() + SETTLING).await.context("ARC")?;
        Ok(format!(
            "the routing controls send clients to {}, switched in one call and read back; clients that asked before may follow the old answer for up to {}",
            names_or_none(to),
            self.ttl
        ))
    }

    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        self.check_known(to)?;
        let now = self.regions().await?;
        let (now, to) = (names_or_none(&now), names_or_none(to));
        Ok(format!(
            "the routing controls send clients to {now}; they would be switched in one call to send them to {to}; only reading was rehearsed: ARC cannot be asked whether its safety rules would let them"
        ))
    }
}

impl RoutingControls {
    fn check_known(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<()> {
        match to.iter().find(|region| !self.controls.contains_key(*region)) {
            Some(region) => bail!("the estate does not say which routing control {region} has"),
            None => Ok(()),
        }
    }
}
