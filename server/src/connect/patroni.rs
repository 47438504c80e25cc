//! Patroni's REST API: how it sees its cluster, and asking it to hand over. Every node has one, and each answers for all of them.

use super::pinned::{self, innermost};
use crate::config::{PatroniLogin, read_secret};
use anyhow::{Context, bail};
use engine::{
    estate::Cluster,
    id::NodeId,
    patroni::{Member, MemberRole, PatroniReading, Scheduled, Tags},
    time::Instant,
};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// The Patroni of one cluster.
#[derive(Clone)]
pub struct Patroni {
    apis: Vec<Api>,
    client: Client,
    login: Option<(String, String)>,
}

#[derive(Clone)]
struct Api {
    node: NodeId,
    url: Url,
}

/// What came of asking it to hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It says that it has, in its own words.
    Done(String),
    /// It will not, so nothing was done.
    Refused(String),
    /// It was asked, and whether it does is not known.
    Unknown(String),
}

impl Patroni {
    /// Puts it together; nothing is contacted.
    ///
    /// # Errors
    /// A node without an address, an address that is none, a login that the configuration does not let go there, an unreadable
    /// secret or certificate.
    pub fn new(cluster: &Cluster, login: Option<&PatroniLogin>) -> anyhow::Result<Self> {
        let mut apis = Vec::new();
        for node in &cluster.nodes {
            let Some(address) = &node.patroni else {
                bail!("Patroni runs {}, so {} needs the address of its REST API: patroni = \"http://…:8008\" in the estate", cluster.id, node.id);
            };
            let url = pinned::address(address, "Patroni's REST API")?;
            if let Some(login) = login.filter(|login| login.user.is_some()) {
                let may_go = login.origins.iter().any(|origin| pinned::stays(&url, "the login", origin).is_ok());
                if !may_go {
                    bail!(
                        "[patroni.{}] does not list {} among the `origins` that its login may be sent to",
                        cluster.id,
                        url.origin().ascii_serialization()
                    );
                }
            }
            apis.push(Api { node: node.id.clone(), url });
        }
        let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().user_agent("lifeboat");
        let client = match login.and_then(|login| login.ca_file.as_ref()) {
            None => builder,
            Some(file) => {
                let pem = std::fs::read(file).with_context(|| format!("cannot read the certificate file {}", file.display()))?;
                let authorities = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
                if authorities.is_empty() {
                    bail!("{} holds no certificate in PEM", file.display());
                }
                authorities.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate)
            }
        };
        let client = client.build().context("the HTTP client of Patroni cannot be set up")?;
        let login = match login.map(|login| (&login.user, &login.password_file)) {
            Some((Some(user), Some(file))) => Some((user.clone(), read_secret(file)?)),
            Some((None, None)) | None => None,
            Some(_) => bail!("[patroni.{}] needs both `user` and `password_file`, or neither", cluster.id),
        };
        Ok(Self { apis, client, login })
    }

    /// How Patroni sees the cluster. Every node's API is asked at once. All of them read the same store, so those that answer must
    /// say the same; where they do not, nobody knows.
    ///
    /// # Errors
    /// None answers within `patience`, one says what is not understood, or they differ.
    pub async fn read(&self, at: Instant, patience: Duration) -> anyhow::Result<PatroniReading> {
        let answers = futures::future::join_all(self.apis.iter().map(|api| self.ask_one(api, at, patience))).await;
        let (mut said, mut silent) = (Vec::new(), Vec::new());
        for (api, answer) in self.apis.iter().zip(answers) {
            match answer {
                Ok(reading) => said.push(reading),
                Err(error) => silent.push(format!("{}: {error:#}", api.node)),
            }
        }
        let claims: BTreeSet<(Option<&str>, bool)> =
            said.iter().map(|reading| (reading.leader().map(|member| member.name.as_str()), reading.paused)).collect();
        if claims.len() > 1 {
            let claim = |reading: &PatroniReading| {
                let leader = reading.leader().map_or("nobody leads", |member| member.name.as_str());
                format!("by that of {} {leader}{}", reading.by, if reading.paused { ", paused" } else { "" })
            };
            bail!("its APIs do not say the same: {}", said.iter().map(claim).collect::<Vec<_>>().join("; "));
        }
        said.into_iter().next().with_context(|| silent.join("; "))
    }

    async fn ask_one(&self, api: &Api, at: Instant, patience: Duration) -> anyhow::Result<PatroniReading> {
        let url = api.url.join("cluster").context("no address")?;
        let asking = async {
            pinned::check(&url, patience).await?;
            let answer = self.client.get(url.clone()).send().await.map_err(|error| anyhow::anyhow!(innermost(&error)))?;
            let status = answer.status();
            if status != StatusCode::OK {
                bail!("it answers {status}");
            }
            let body = pinned::body(answer, "Patroni's", pinned::LONGEST_ANSWER).await?;
            parse(&body, at, &api.node)
        };
        tokio::time::timeout(patience, asking).await.with_context(|| format!("no answer within {} ms", patience.as_millis()))?
    }

    /// Asks it once to make `candidate` the leader, in the place of `leader` where there is one. An API that cannot be reached has
    /// not been asked, and the next one is; whatever else happens, nobody is asked a second time.
    ///
    /// # Errors
    /// No API could be reached: it was not asked.
    pub async fn hand_over(&self, leader: Option<&NodeId>, candidate: &NodeId, patience: Duration) -> anyhow::Result<Answer> {
        let path = if leader.is_some() { "switchover" } else { "failover" };
        let mut body = serde_json::Map::new();
        body.extend(leader.map(|leader| ("leader".to_owned(), Value::from(leader.as_str()))));
        body.insert("candidate".to_owned(), Value::from(candidate.as_str()));
        let deadline = tokio::time::Instant::now() + patience;
        let mut unreached = Vec::new();
        // The candidate's first: it is known to answer, and stays up.
        let (own, others): (Vec<&Api>, Vec<&Api>) = self.apis.iter().partition(|api| api.node == *candidate);
        for api in own.into_iter().chain(others) {
            let url = api.url.join(path).context("no address")?;
            if let Err(error) = pinned::check(&url, Duration::from_secs(2)).await {
                unreached.push(format!("{}: {error:#}", api.node));
                continue;
            }
            let mut request = self.client.post(url).json(&body).timeout(deadline.saturating_duration_since(tokio::time::Instant::now()));
            if let Some((user, password)) = &self.login {
                request = request.basic_auth(user, Some(password));
            }
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) if error.is_connect() => {
                    unreached.push(format!("{}: {}", api.node, innermost(&error)));
                    continue;
                }
                Err(error) => return Ok(Answer::Unknown(format!("the Patroni of {} was asked and did not answer: {}", api.node, innermost(&error)))),
            };
            let status = answer.status();
            return Ok(match pinned::body(answer, "Patroni's", pinned::LONGEST_ANSWER).await {
                Err(error) => Answer::Unknown(format!("the Patroni of {} was asked, and its answer broke off: {error:#}", api.node)),
                Ok(body) => {
                    let said = format!("{status}: {}", String::from_utf8_lossy(&body).trim());
                    match status {
                        StatusCode::OK => Answer::Done(said),
                        // It refuses before it writes down what it was asked for.
                        status if status.is_client_error() => Answer::Refused(said),
                        _ => Answer::Unknown(said),
                    }
                }
            });
        }
        bail!("no Patroni of the cluster could be reached, so none was asked: {}", unreached.join("; "))
    }
}

#[derive(Deserialize)]
struct ClusterSaid {
    members: Vec<MemberSaid>,
    #[serde(default)]
    pause: bool,
    scheduled_switchover: Option<ScheduledSaid>,
}

#[derive(Deserialize)]
struct MemberSaid {
    name: String,
    role: String,
    #[serde(default)]
    state: String,
    timeline: Option<u32>,
    /// A number, or “unknown”.
    lag: Option<Value>,
    #[serde(default)]
    tags: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct ScheduledSaid {
    at: String,
    to: Option<String>,
}

/// What `GET /cluster` says.
fn parse(body: &[u8], at: Instant, by: &NodeId) -> anyhow::Result<PatroniReading> {
    let said: ClusterSaid = serde_json::from_slice(body).context("its answer is not the one of Patroni's /cluster")?;
    let members = said.members.into_iter().map(member).collect::<anyhow::Result<_>>()?;
    let scheduled = said.scheduled_switchover.map(|due| {
        let at = chrono::DateTime::parse_from_rfc3339(&due.at).with_context(|| format!("“{}” is no time of a scheduled switchover", due.at))?;
        anyhow::Ok(Scheduled { at: at.to_utc(), to: due.to })
    });
    Ok(PatroniReading { at, by: by.clone(), members, paused: said.pause, scheduled: scheduled.transpose()? })
}

fn member(said: MemberSaid) -> anyhow::Result<Member> {
    let role = match said.role.as_str() {
        "leader" => MemberRole::Leader,
        "standby_leader" => MemberRole::StandbyLeader,
        // Commits wait for it, or for one of several such.
        "sync_standby" | "quorum_standby" => MemberRole::SyncStandby,
        "replica" => MemberRole::Replica,
        other => bail!("it names “{other}” as the role of {}, which is not known here", said.name),
    };
    let is_set = |tag: &str| said.tags.get(tag).is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"));
    let last_choice = said.tags.get("failover_priority").and_then(Value::as_i64).is_some_and(|priority| priority <= 0);
    let tags = Tags { nofailover: is_set("nofailover") || last_choice, nosync: is_set("nosync"), clonefrom: is_set("clonefrom") };
    Ok(Member { name: said.name, role, state: said.state, timeline: said.timeline, lag: said.lag.as_ref().and_then(Value::as_u64), tags })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> anyhow::Result<PatroniReading> {
        parse(body.as_bytes(), "2026-01-02T03:04:05Z".parse().unwrap(), &"orders-east".parse().unwrap())
    }

    /// The answers are those that Patroni 3.0.2 gave, apart from the tags and the schedule.
    #[test]
    fn row_58_what_patroni_says_is_understood_and_what_it_does_not_say_is_not_known() {
        let said = parsed(
            r#"{"members": [
                {"name": "orders-east", "role": "leader", "state": "running", "api_url": "http://x/patroni", "host": "x", "port": 5432, "timeline": 2},
                {"name": "orders-west", "role": "sync_standby", "state": "streaming", "timeline": 2, "lag": 280, "tags": {"clonefrom": true, "nosync": false}},
                {"name": "orders-eu", "role": "replica", "state": "start failed", "lag": "unknown", "tags": {"nofailover": true, "nosync": true}}],
                "pause": true, "scheduled_switchover": {"at": "2026-01-02T05:00:00+01:00", "from": "orders-east", "to": "orders-west"}}"#,
        )
        .unwrap();
        assert_eq!(said.leader().unwrap().name, "orders-east");
        assert!(said.paused);
        assert_eq!(said.scheduled, Some(Scheduled { at: "2026-01-02T04:00:00Z".parse().unwrap(), to: Some("orders-west".to_owned()) }));
        let [east, west, eu] = &said.members[..] else { panic!("{said:?}") };
        assert_eq!((east.timeline, east.lag), (Some(2), None));
        assert_eq!((west.role, west.lag, west.is_running()), (MemberRole::SyncStandby, Some(280), true));
        assert_eq!(west.tags, Tags { nofailover: false, nosync: false, clonefrom: true });
        assert_eq!((eu.lag, eu.timeline, eu.is_running()), (None, None, false), "unknown is no zero");
        assert_eq!(eu.tags, Tags { nofailover: true, nosync: true, clonefrom: false });
    }

    #[test]
    fn row_58_patroni_4_says_the_same_in_other_words() {
        let said = parsed(
            r#"{"members": [{"name": "a", "role": "quorum_standby", "state": "streaming", "tags": {"failover_priority": 0}}], "scope": "orders"}"#,
        )
        .unwrap();
        assert!(said.leader().is_none() && !said.paused && said.scheduled.is_none());
        assert!(said.members[0].tags.nofailover, "a priority of nought is never chosen");
    }

    #[test]
    fn what_is_not_understood_is_no_answer() {
        for (body, why) in
            [("<html>", "not the one of Patroni"), (r#"{"members": [{"name": "a", "role": "king"}]}"#, "“king”"), ("{}", "not the one")]
        {
            let error = format!("{:#}", parsed(body).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }
}
