//! One plain record set of Amazon Route 53 sends the clients: its values are those of the regions they are sent to.
//!
//! Health checks are never touched. One that is disabled counts as healthy there, so disabling it to leave a region would keep
//! clients going to it (trap R1).

use super::{
    Abilities, TrafficControl,
    aws::{PATIENCE, Question, Signer},
    span,
    targets::Targets,
};
use crate::{
    config::Config,
    connect::{
        dns::{Target, in_words},
        pinned,
    },
};
use anyhow::{Context, bail};
use async_trait::async_trait;
use engine::{
    estate::{RecordType, TrafficMeans},
    failover::plan::names_or_none,
    id::RegionId,
    time::Span,
};
use quick_xml::{Reader, events::Event};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, sleep};

const ENDPOINT: &str = "https://route53.amazonaws.com";
/// Route 53 has one set of servers for the world, and they sign for this region.
const REGION: &str = "us-east-1";
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
/// For how long a change may take to be on all name servers; the step that sends clients allows a little more.
const SYNCING: Duration = Duration::from_secs(70);
/// Requests are counted there, five a second for the whole account.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(super) struct Route53 {
    signer: Signer,
    endpoint: Url,
    hosted_zone: String,
    /// With its last dot, as Route 53 writes it.
    name: String,
    record_type: RecordType,
    /// In seconds.
    ttl: u32,
    targets: Targets,
}

/// The record set as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Standing {
    values: BTreeSet<Target>,
    ttl: Option<u32>,
}

impl Route53 {
    pub(super) fn new(means: &TrafficMeans, config: &Config) -> anyhow::Result<Self> {
        let TrafficMeans::Route53 { hosted_zone, name, record_type, ttl, targets } = means else {
            bail!("this is not sent by Route 53");
        };
        let plain = |text: &str, more: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if !plain(hosted_zone, "") {
            bail!("“{hosted_zone}” is no id of a hosted zone: write it without /hostedzone/");
        }
        if !plain(name, ".-_") {
            bail!("“{name}” is no name that clients look up");
        }
        let seconds = u32::try_from(ttl.as_millis() / 1_000).ok().filter(|seconds| ttl.as_millis() % 1_000 == 0 && *seconds <= 7 * 86_400);
        let ttl = seconds.with_context(|| format!("the time to live {ttl} is not whole seconds up to a week"))?;
        let name = format!("{}.", name.trim_end_matches('.').to_ascii_lowercase());
        let targets = Targets::parse(name.clone(), targets)?;
        if let Some(target) = targets.all().find(|target| type_of(target) != *record_type) {
            bail!("{target} cannot be the value of a record of the type {}", record_type.as_str());
        }
        let endpoint = config.aws.as_ref().and_then(|aws| aws.route53_endpoint.as_deref()).unwrap_or(ENDPOINT);
        let endpoint = pinned::address(endpoint, "Route 53")?;
        Ok(Self {
            signer: Signer::new("route53", config)?,
            endpoint,
            hosted_zone: hosted_zone.clone(),
            name,
            record_type: *record_type,
            ttl,
            targets,
        })
    }

    async fn standing(&self) -> anyhow::Result<Standing> {
        let mut url = self.url(&format!("hostedzone/{}/rrset", self.hosted_zone))?;
        url.query_pairs_mut().extend_pairs([("name", self.name.as_str()), ("type", self.record_type.as_str()), ("maxitems", "2")]);
        let listed: Listed = self.answer(Method::GET, &url, String::new(), "what the name stands for").await?;
        let of_ours = |set: &RecordSet| set.name.eq_ignore_ascii_case(&self.name) && set.kind == self.record_type.as_str();
        let sets: Vec<RecordSet> = listed.sets.sets.into_iter().filter(of_ours).collect();
        let Some(set) = sets.first() else { return Ok(Standing::default()) };
        if let Some(why) = set.not_plain() {
            bail!("{} has {why} in Route 53, so its records are not changed from here", self.name);
        }
        let values = set.values().map(Target::parse).collect::<anyhow::Result<_>>();
        Ok(Standing { values: values.with_context(|| format!("what {} stands for", self.name))?, ttl: set.ttl })
    }

    /// Changes the record set whole, in one batch, and returns the id of the change.
    async fn change(&self, action: &str, set: &Standing) -> anyhow::Result<Change> {
        let records = set.values.iter().map(|value| Record { value: value.to_string() }).collect();
        let set = RecordSet {
            name: self.name.clone(),
            kind: self.record_type.as_str().to_owned(),
            ttl: set.ttl,
            records: Some(Records { records }),
            ..RecordSet::default()
        };
        let changes = vec![ChangeOrder { action: action.to_owned(), set }];
        let batch = ChangeRequest { namespace: NAMESPACE, batch: Batch { comment: "Lifeboat", changes: Changes { changes } } };
        let body = quick_xml::se::to_string(&batch).context("the change cannot be written")?;
        let url = self.url(&format!("hostedzone/{}/rrset/", self.hosted_zone))?;
        let answer: Changed = self.answer(Method::POST, &url, body, "for the change").await?;
        Ok(answer.change)
    }

    /// Waits until the change is on all name servers. Where that takes longer it is still accepted, and comes.
    async fn synced(&self, mut change: Change) -> anyhow::Result<String> {
        let (begun, id) = (Instant::now(), change.id.trim_start_matches("/change/").to_owned());
        let url = self.url(&format!("change/{id}"))?;
        while change.status != "INSYNC" {
            if begun.elapsed() + ASK_AGAIN > SYNCING {
                return Ok(format!("change {id} is accepted and NOT YET on all name servers after {} s", SYNCING.as_secs()));
            }
            sleep(ASK_AGAIN).await;
            let answer: Changed = self.answer(Method::GET, &url, String::new(), "how far the change is").await?;
            change = answer.change;
        }
        Ok(format!("change {id} is on all name servers"))
    }

    fn url(&self, path: &str) -> anyhow::Result<Url> {
        self.endpoint.join(&format!("/2013-04-01/{path}")).context("the address of Route 53")
    }

    async fn answer<T: for<'de> Deserialize<'de>>(&self, method: Method, url: &Url, body: String, asked: &str) -> anyhow::Result<T> {
        let headers: &[_] = if body.is_empty() { &[] } else { &[("content-type", "text/xml")] };
        let (status, answer) = self.signer.ask(Question { method, url, region: REGION, headers, body }).await?;
        let answer = String::from_utf8(answer).context("Route 53 answers what is no text")?;
        if !status.is_success() {
            bail!("Route 53 answers {status}, asked {asked}: {}", said(&answer));
        }
        quick_xml::de::from_str(&answer).with_context(|| format!("Route 53 answers something else than its API, asked {asked}"))
    }

    /// What it stands for is the regions' own, and how long it may be kept.
    fn read(&self, standing: &Standing) -> anyhow::Result<BTreeSet<RegionId>> {
        self.targets.regions_of(&standing.values.iter().collect())
    }

    fn caches(&self, before: &Standing) -> String {
        before.ttl.map_or_else(String::new, |ttl| {
            format!("; clients that asked before may follow the old answer for up to {}", Span::from_secs(u64::from(ttl)))
        })
    }
}

#[async_trait]
impl TrafficControl for Route53 {
    fn abilities(&self) -> Abilities {
        let delay = Some(Span::from_secs(u64::from(self.ttl)));
        Abilities { rehearses: false, reads_back: true, simulated: false, delay, patience: Some(span(PATIENCE)) }
    }

    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        self.read(&self.standing().await?)
    }

    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let wanted = self.targets.wanted(to)?;
        let before = self.standing().await?;
        self.read(&before)?;
        let name = &self.name;
        if before.values == wanted && (wanted.is_empty() || before.ttl == Some(self.ttl)) {
            return Ok(format!("{name} stands for {} in Route 53 already: clients are sent to {}", in_words(&wanted), names_or_none(to)));
        }
        let change = if wanted.is_empty() {
            // A record set cannot be empty; it is deleted as it was read, and only so.
            self.change("DELETE", &before).await?
        } else {
            self.change("UPSERT", &Standing { values: wanted.clone(), ttl: Some(self.ttl) }).await?
        };
        let synced = self.synced(change).await?;
        let after = self.standing().await?;
        if after.values != wanted {
            bail!("Route 53 accepted the change of {name}, but it stands for {}", in_words(&after.values));
        }
        let caches = self.caches(&before);
        Ok(if wanted.is_empty() {
            format!("the record set of {name} was deleted, read back: clients that ask now get no address at all; {synced}{caches}")
        } else {
            format!("{name} stands for {}, read back: clients that ask now are sent to {}; {synced}{caches}", in_words(&wanted), names_or_none(to))
        })
    }

    async fn rehearse(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        let wanted = self.targets.wanted(to)?;
        let before = self.standing().await?;
        let now = self.read(&before)?;
        let would = if wanted.is_empty() {
            "the record set would be deleted: clients would get no address at all".to_owned()
        } else {
            format!("it would stand for {}", in_words(&wanted))
        };
        Ok(format!(
            "{} stands for {} in Route 53, which sends clients to {}; {would}; only reading was rehearsed: Route 53 cannot be asked whether it would accept a change",
            self.name,
            in_words(&before.values),
            names_or_none(&now)
        ))
    }
}

fn type_of(target: &Target) -> RecordType {
    match target {
        Target::V4(_) => RecordType::A,
        Target::V6(_) => RecordType::Aaaa,
        Target::Alias(_) => RecordType::Cname,
    }
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "ResourceRecordSets")]
    sets: RecordSets,
}

#[derive(Deserialize)]
struct RecordSets {
    #[serde(rename = "ResourceRecordSet", default)]
    sets: Vec<RecordSet>,
}

/// Of what makes a set more than plain, only that it is there.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordSet {
    name: String,
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default, skip_serializing)]
    set_identifier: Option<String>,
    #[serde(rename = "TTL", default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(rename = "ResourceRecords", default, skip_serializing_if = "Option::is_none")]
    records: Option<Records>,
    #[serde(default, skip_serializing)]
    alias_target: Option<Something>,
    #[serde(default, skip_serializing)]
    health_check_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Something {}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Records {
    #[serde(rename = "ResourceRecord", default)]
    records: Vec<Record>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(rename = "Value")]
    value: String,
}

impl RecordSet {
    fn values(&self) -> impl Iterator<Item = &str> {
        self.records.iter().flat_map(|records| &records.records).map(|record| record.value.as_str())
    }
    /// Why it is more than a plain set.
    fn not_plain(&self) -> Option<&'static str> {
        match self {
            RecordSet { alias_target: Some(_), .. } => Some("an alias"),
            RecordSet { set_identifier: Some(_), .. } => Some("weighted, failover or other routed records"),
            RecordSet { health_check_id: Some(_), .. } => Some("a health check"),
            _ => None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename = "ChangeResourceRecordSetsRequest")]
struct ChangeRequest {
    #[serde(rename = "@xmlns")]
    namespace: &'static str,
    #[serde(rename = "ChangeBatch")]
    batch: Batch,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    comment: &'static str,
    changes: Changes,
}

#[derive(Serialize)]
struct Changes {
    #[serde(rename = "Change")]
    changes: Vec<ChangeOrder>,
}

#[derive(Serialize)]
struct ChangeOrder {
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "ResourceRecordSet")]
    set: RecordSet,
}

#[derive(Deserialize)]
struct Changed {
    #[serde(rename = "ChangeInfo")]
    change: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    id: String,
    status: String,
}

/// The codes and messages of an answer that is an error, shortened; of one that cannot be read, its beginning.
fn said(answer: &str) -> String {
    let (mut reader, mut telling, mut words) = (Reader::from_str(answer), false, Vec::<String>::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                telling = matches!(tag.local_name().as_ref(), "Code" | "Message");
                words.extend(telling.then(String::new));
            }
            Ok(Event::Text(text)) if telling => words.last_mut().into_iter().for_each(|word| word.push_str(&text)),
            // An escaped character: what it stands for matters less than that something stood there.
            Ok(Event::GeneralRef(_)) if telling => words.last_mut().into_iter().for_each(|word| word.push('…')),
            Ok(Event::End(_)) => telling = false,
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let words = if words.is_empty() { answer.to_owned() } else { words.join(": ") };
    words.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the API's reference shows it.
    const WEIGHTED: &str = r#"<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
      <ResourceRecordSets><ResourceRecordSet><Name>example.com.</Name><Type>A</Type><SetIdentifier>east</SetIdentifier><Weight>10</Weight>
      <TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>
      <HealthCheckId>abc</HealthCheckId></ResourceRecordSet></ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>2</MaxItems>
      </ListResourceRecordSetsResponse>"#;
    const ALIAS: &str = "<L><ResourceRecordSets><ResourceRecordSet><Name>example.com.</Name><Type>A</Type><AliasTarget><HostedZoneId>Z1</HostedZoneId>\
      <DNSName>x.elb.amazonaws.com.</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget></ResourceRecordSet></ResourceRecordSets></L>";

    #[test]
    fn r1_what_depends_on_health_checks_or_weights_is_recognised_and_left_alone() {
        let read = |text: &str| quick_xml::de::from_str::<Listed>(text).unwrap().sets.sets.remove(0);
        assert_eq!(read(WEIGHTED).not_plain(), Some("weighted, failover or other routed records"));
        assert_eq!(read(ALIAS).not_plain(), Some("an alias"));
        let checked = RecordSet { health_check_id: Some("abc".to_owned()), ..RecordSet::default() };
        assert_eq!(checked.not_plain(), Some("a health check"));
        assert_eq!(RecordSet::default().not_plain(), None);
    }

    #[test]
    fn an_error_is_told_in_its_own_words() {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not allowed</Message></Error></ErrorResponse>";
        assert_eq!(said(error), "AccessDenied: not allowed");
        let batch = "<InvalidChangeBatch><Messages><Message>no such record</Message></Messages></InvalidChangeBatch>";
        assert_eq!(said(batch), "no such record");
        assert_eq!(said("upstream\tbroke"), "upstreambroke");
    }
}
