//! Alertmanager, by its API version 2: silences that always end, found again by the operation that is named in them, and
//! alerts that only inform. (Trap R16: a silence has a typed beginning and end, and whoever sets it says who asks.)

use super::pinned;
use crate::config::{Config, read_secret};
use anyhow::{Context, bail};
use engine::{
    estate::Monitoring,
    id::{OperationId, RegionId, ServiceId},
    time::Instant,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeSet, time::Duration};

/// One Alertmanager of the estate. The caller bounds each call; a single question never takes longer than this.
pub struct Alertmanager {
    declared: Monitoring,
    base: Url,
    client: Client,
    login: Option<Login>,
    /// Where people look at operations.
    dashboard: String,
}

/// Who asks: by a password, or by a bearer token where there is no user.
struct Login {
    user: Option<String>,
    secret: String,
}

const PATIENCE: Duration = Duration::from_secs(2);
/// It keeps silences for days after their end, and all of them are listed.
const LONGEST_LIST: usize = 4 * 1024 * 1024;
/// Who sets the silences, in its own list.
const CREATOR: &str = "lifeboat";

/// What is to be silenced.
pub struct Silencing<'a> {
    pub operation: OperationId,
    pub services: &'a BTreeSet<ServiceId>,
    pub regions: &'a BTreeSet<RegionId>,
}

/// What a silence matches: Alertmanager's own type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewSilence<'a> {
    matchers: &'a [Matcher],
    starts_at: Instant,
    ends_at: Instant,
    created_by: &'a str,
    comment: &'a str,
}

/// One silence as it is listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Silence {
    id: String,
    status: SilenceStatus,
    matchers: Vec<Matcher>,
    ends_at: Instant,
    created_by: String,
    comment: String,
}

#[derive(Debug, Deserialize)]
struct SilenceStatus {
    state: String,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "silenceID")]
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    version_info: Version,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

/// An alert that informs.
#[derive(Debug)]
pub struct Note {
    pub labels: Vec<(String, String)>,
    pub summary: String,
    pub description: String,
    pub starts_at: Instant,
    /// It resolves by itself then.
    pub ends_at: Instant,
}

impl Silence {
    fn is_in_force(&self) -> bool {
        self.status.state != "expired"
    }
}

impl Alertmanager {
    /// Nothing is contacted.
    ///
    /// # Errors
    /// A malformed address, a login that the configuration lacks or that may not be sent there, an unreadable secret.
    pub fn new(declared: &Monitoring, config: &Config) -> anyhow::Result<Self> {
        check_labels(declared)?;
        let mut base = pinned::address(&declared.url, "an Alertmanager")?;
        let login = match &declared.login {
            None => None,
            Some(name) => {
                let Some(login) = config.monitoring_login.get(name) else {
                    bail!("the configuration has no [monitoring_login.{name}] with origin and secret_file");
                };
                pinned::stays(&base, &format!("the login {name}"), &login.origin)?;
                Some(Login { user: login.user.clone(), secret: read_secret(&login.secret_file)? })
            }
        };
        // Joining keeps the path only behind a slash.
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let dashboard = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
        Ok(Self { declared: declared.clone(), base, client: pinned::client(header::HeaderMap::new(), PATIENCE)?, login, dashboard })
    }

    /// Silences the alerts until `ends`, unless the operation's silence is in force already. Returns what was seen, or `None`
    /// where this Alertmanager is told of none of the services.
    ///
    /// # Errors
    /// No answer, a refusal, or a silence that does not read back as it was set.
    pub async fn silence(&self, what: &Silencing<'_>, ends: Instant, comment: &str) -> anyhow::Result<Option<String>> {
        if what.regions.is_empty() {
            bail!("nothing is silenced without a region: clients are sent to the others");
        }
        let Some(matchers) = self.matchers(what) else { return Ok(None) };
        if let Some(there) = self.in_force(what.operation, &matchers).await?.first() {
            return Ok(Some(format!("silence {} is in force already, until {}", there.id, until(there.ends_at))));
        }
        let comment = format!("{comment} {}", mark(what.operation));
        let silence = NewSilence { matchers: &matchers, starts_at: chrono::Utc::now(), ends_at: ends, created_by: CREATOR, comment: &comment };
        let created: Created = self.answer(self.ask(Method::POST, "silences", &[]).await?.json(&silence), "to be told of a silence").await?;
        let read = self.read(&created.id).await?;
        if !read.is_in_force() || read.matchers.len() != matchers.len() || read.matchers.iter().any(|matcher| !matchers.contains(matcher)) {
            bail!("silence {} was accepted, but it reads back as {} about {:?}", created.id, read.status.state, read.matchers);
        }
        let until = until(read.ends_at);
        Ok(Some(format!("silence {} is {}, read back: {}, until {until} at the latest", created.id, read.status.state, in_words(&matchers))))
    }

    /// Ends every silence of the operation that is in force, also those that it was told twice.
    ///
    /// # Errors
    /// No answer, a refusal, or one that goes on in spite of it.
    pub async fn end_silence(&self, what: &Silencing<'_>) -> anyhow::Result<Option<String>> {
        let Some(matchers) = self.matchers(what) else { return Ok(None) };
        let there = self.in_force(what.operation, &matchers).await?;
        for silence in &there {
            let ended = self.send(self.ask(Method::DELETE, &format!("silence/{}", silence.id), &[]).await?).await?;
            // It answers with an error where the silence has ended meanwhile: reading it back decides.
            let read = self.read(&silence.id).await?;
            if read.is_in_force() {
                bail!("silence {} goes on until {}: Alertmanager answered {} when told to end it", silence.id, until(read.ends_at), ended.status());
            }
        }
        Ok(Some(match &there[..] {
            [] => "no silence of this operation is in force".to_owned(),
            ended => format!("silence {} has ended, read back", ended.iter().map(|silence| silence.id.as_str()).collect::<Vec<_>>().join(", ")),
        }))
    }

    /// Has a note stand among its alerts.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn annotate(&self, operation: OperationId, services: &BTreeSet<ServiceId>, note: &Note) -> anyhow::Result<Option<String>> {
        let services = self.declared.hears_of(services);
        if services.is_empty() {
            return Ok(None);
        }
        let mut labels: serde_json::Map<String, serde_json::Value> =
            note.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        // Of several services none can be named by one label.
        if let (Some(service), 1) = (services.first(), services.len()) {
            labels.insert(self.declared.service_label.clone(), service.as_str().into());
        }
        let alert = serde_json::json!([{
            "labels": labels,
            "annotations": { "summary": note.summary, "description": note.description },
            "startsAt": note.starts_at,
            "endsAt": note.ends_at,
            "generatorURL": format!("{}/operations/{operation}", self.dashboard),
        }]);
        let answer = self.send(self.ask(Method::POST, "alerts", &[]).await?.json(&alert)).await?;
        succeeded(answer, "to be told what was done").await?;
        Ok(Some(format!("it took the note, which stands there until {}", until(note.ends_at))))
    }

    /// Everything the calls above need, without anything written.
    ///
    /// # Errors
    /// No answer, or a refusal: one that wants to know who asks gives it here already.
    pub async fn rehearse(&self, what: &Silencing<'_>) -> anyhow::Result<Option<String>> {
        let Some(matchers) = self.matchers(what) else { return Ok(None) };
        let status: Status = self.answer(self.ask(Method::GET, "status", &[]).await?, "how it is").await?;
        let there = self.in_force(what.operation, &matchers).await?.len();
        let would = if what.regions.is_empty() {
            "nothing would be silenced".to_owned()
        } else {
            format!("it would be silent about {}", in_words(&matchers))
        };
        let version = status.version_info.version;
        Ok(Some(format!(
            "Alertmanager {version} answers and lists its silences, {there} of them this operation's; {would}; writing is not rehearsed"
        )))
    }

    /// Labels by which alerts are recognised; `None` where it is told of none of the services.
    fn matchers(&self, what: &Silencing<'_>) -> Option<Vec<Matcher>> {
        let services = self.declared.hears_of(what.services);
        if services.is_empty() {
            return None;
        }
        let mut matchers = vec![Matcher::one_of(&self.declared.service_label, services.iter().map(ServiceId::as_str))];
        if !what.regions.is_empty() {
            matchers.push(Matcher::one_of(&self.declared.region_label, what.regions.iter().map(RegionId::as_str)));
        }
        matchers.extend(self.declared.only.iter().map(|(name, value)| Matcher::one_of(name, [value.as_str()].into_iter())));
        Some(matchers)
    }

    /// The operation's silences that are in force or about to be.
    async fn in_force(&self, operation: OperationId, matchers: &[Matcher]) -> anyhow::Result<Vec<Silence>> {
        // By one of its matchers, so that the list stays short where many people keep silences. How it looks for an expression
        // depends on its version, so only a plain value is looked for.
        let filter = matchers.iter().find(|matcher| !matcher.is_regex).map(|matcher| ("filter", format!("{}={:?}", matcher.name, matcher.value)));
        let request = self.ask(Method::GET, "silences", filter.as_slice()).await?;
        let all: Vec<Silence> = self.answer(request, "for its silences").await?;
        let ours = |silence: &Silence| silence.created_by == CREATOR && silence.comment.contains(&mark(operation)) && silence.is_in_force();
        Ok(all.into_iter().filter(ours).collect())
    }

    async fn read(&self, id: &str) -> anyhow::Result<Silence> {
        self.answer(self.ask(Method::GET, &format!("silence/{id}"), &[]).await?, "for a silence").await
    }

    async fn ask(&self, method: Method, path: &str, query: &[(&str, String)]) -> anyhow::Result<RequestBuilder> {
        let url = self.base.join(&format!("api/v2/{path}")).context("the address of Alertmanager's API")?;
        pinned::check(&url, PATIENCE).await?;
        let request = self.client.request(method, url).query(query);
        Ok(match &self.login {
            None => request,
            Some(Login { user: Some(user), secret }) => request.basic_auth(user, Some(secret)),
            Some(Login { user: None, secret }) => request.bearer_auth(secret),
        })
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        request.send().await.map_err(|error| anyhow::anyhow!("Alertmanager gives no answer: {}", pinned::innermost(&error)))
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder, asked: &str) -> anyhow::Result<T> {
        let body = succeeded(self.send(request).await?, asked).await?;
        serde_json::from_slice(&body).with_context(|| format!("Alertmanager answers something else than its API, version 2, asked {asked}"))
    }
}

impl Matcher {
    /// Ids need no escape in an expression; Alertmanager anchors it at both ends.
    fn one_of<'v>(name: &str, values: impl ExactSizeIterator<Item = &'v str>) -> Self {
        let is_regex = values.len() > 1;
        Self { name: name.to_owned(), value: values.collect::<Vec<_>>().join("|"), is_regex, is_equal: true }
    }
}

/// Each label can be one, and no two matchers of a silence are about the same: together they would match nothing.
fn check_labels(declared: &Monitoring) -> anyhow::Result<()> {
    let names: Vec<&str> = [&declared.service_label, &declared.region_label].into_iter().chain(declared.only.keys()).map(String::as_str).collect();
    let is_label = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(fits) && name.starts_with(|c: char| fits(c) && !c.is_ascii_digit())
    };
    if let Some(name) = names.iter().find(|name| !is_label(name)) {
        bail!("“{name}” is no name of a label");
    }
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        bail!("the labels for services, for regions and those of `only` must differ: {}", names.join(", "));
    }
    Ok(())
}

/// What names an operation in the comment of its silence.
fn mark(operation: OperationId) -> String {
    format!("[lifeboat operation {operation}]")
}

fn in_words(matchers: &[Matcher]) -> String {
    let words = |matcher: &Matcher| format!("{}{}“{}”", matcher.name, if matcher.is_regex { " one of " } else { " " }, matcher.value);
    format!("alerts with {}", matchers.iter().map(words).collect::<Vec<_>>().join(", "))
}

fn until(at: Instant) -> String {
    at.format("%H:%M:%S UTC").to_string()
}

/// What it answered, where that is a success; else what it says is wrong, shortened.
async fn succeeded(answer: Response, asked: &str) -> anyhow::Result<Vec<u8>> {
    let status = answer.status();
    let body = pinned::body(answer, "Alertmanager's", LONGEST_LIST).await?;
    if status == StatusCode::OK {
        return Ok(body);
    }
    let said: String = String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).take(200).collect();
    bail!("Alertmanager answers {status}, asked {asked}: {said}")
}
