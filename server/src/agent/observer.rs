//! The observing part of an agent: probes what the server names from where this agent is, and reports what it saw. It
//! decides nothing, and needs nothing but the way to the server.

use crate::{
    api::wire::{Heard, Report, Seen, Target, TargetList},
    config::read_secret,
    connect::probe,
};
use anyhow::{Context as _, bail};
use chrono::Utc;
use engine::{health::Sample, id::RegionId, time::Span};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};

/// Reports are sent this often; a probe that fails is known to the server this much later at most.
const REPORT_EVERY: Duration = Duration::from_millis(250);
/// After a failure to reach the server the next attempt waits this long.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// For one conversation with the server.
const PATIENCE: Duration = Duration::from_secs(3);
/// Samples kept while the server cannot be reached; of more the oldest go first.
const MOST_KEPT: usize = 50_000;

/// Where to report, and as whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Base address of the server, `https://lifeboat.example.org`. Plain `http://` is accepted to loopback only, for the token
    /// would cross the network readably.
    pub report_to: String,
    /// File with this observer's token.
    pub token_file: PathBuf,
    /// A certificate authority (PEM) to trust besides the well-known ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Addresses that are others from here: the beginning of an address as the server sees it, and what stands there instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seen_as: BTreeMap<String, String>,
}

/// The observer, ready to run.
pub struct Observer {
    settings: Settings,
    region: RegionId,
    token: String,
    server: reqwest::Client,
    probes: reqwest::Client,
}

impl Observer {
    /// # Errors
    /// An unreadable token or certificate, a region or an address that is none, or an address to which the token must not be sent
    /// readably.
    pub fn new(region: &str, settings: Settings) -> anyhow::Result<Self> {
        let region = region.parse().with_context(|| format!("“{region}” is not a region"))?;
        let url = reqwest::Url::parse(&settings.report_to).with_context(|| format!("report_to “{}” is not an address", settings.report_to))?;
        let loopback = url.host_str().is_some_and(|host| host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()));
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => bail!("report_to “{}” would send the token readably across the network; use https", settings.report_to),
            other => bail!("report_to has the scheme {other}; use https"),
        }
        let mut server = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        if let Some(file) = &settings.ca_file {
            let pem = std::fs::read(file).with_context(|| format!("cannot read the certificate file {}", file.display()))?;
            let certificate = reqwest::Certificate::from_pem(&pem).with_context(|| format!("{} is no certificate in PEM", file.display()))?;
            server = server.add_root_certificate(certificate);
        }
        let token = read_secret(&settings.token_file)?;
        let server = server.build().context("the HTTP client cannot be set up")?;
        Ok(Self { settings, region, token, server, probes: probe::client().context("the HTTP probe cannot be set up")? })
    }

    /// Observes and reports until the process ends. Whatever goes wrong on the way is said once, and tried again.
    pub async fn run(self) {
        let mut trouble = None;
        loop {
            match self.targets().await {
                Ok(list) => {
                    said(&mut trouble, None);
                    // Comes back when the list changed, or when the server does not want this list any more.
                    self.watch(list, &mut trouble).await;
                }
                Err(error) => {
                    said(&mut trouble, Some(format!("{error:#}")));
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    async fn targets(&self) -> anyhow::Result<TargetList> {
        let asked = self.server.get(self.address("targets")).bearer_auth(&self.token).send();
        let answer = asked.await.context("the server cannot be reached")?;
        if !answer.status().is_success() {
            bail!("the server answers {}: {}", answer.status(), answer.text().await.unwrap_or_default());
        }
        answer.json().await.context("the server's list of targets cannot be read; is it of another version?")
    }

    fn address(&self, what: &str) -> String {
        format!("{}/api/v1/{what}", self.settings.report_to.trim_end_matches('/'))
    }

    async fn watch(&self, list: TargetList, trouble: &mut Option<String>) {
        let (sender, mut seen) = mpsc::channel(4_096);
        // Ends with this function, and with it every probe of the old list.
        let mut probes = JoinSet::new();
        for target in list.targets {
            match probe::Target::parse(&self.as_seen_here(&target.target)) {
                Ok(parsed) => {
                    probes.spawn(observe(target, parsed, self.probes.clone(), sender.clone()));
                }
                Err(error) => tracing::warn!(service = %target.service, region = %target.region, %error, "a target cannot be probed from here"),
            }
        }
        let mut kept: VecDeque<Seen> = VecDeque::new();
        let mut beat = tokio::time::interval(REPORT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            while let Ok(one) = seen.try_recv() {
                kept.push_back(one);
            }
            let now = Utc::now();
            while kept.len() > MOST_KEPT || kept.front().is_some_and(|oldest| Span::between(oldest.sample.at, now) > Report::OLDEST) {
                kept.pop_front();
            }
            let samples: Vec<Seen> = kept.iter().take(Report::MOST_SAMPLES).cloned().collect();
            let count = samples.len();
            match self.report(Report { sent_at: Utc::now(), from: self.region.clone(), version: list.version.clone(), samples }).await {
                Ok(heard) => {
                    kept.drain(..count);
                    said(trouble, heard.why.map(|why| format!("{} samples were refused: {why}", heard.refused)));
                    if heard.version != list.version {
                        return;
                    }
                }
                Err(error) => {
                    said(trouble, Some(format!("{error:#}")));
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    async fn report(&self, report: Report) -> anyhow::Result<Heard> {
        let sent = self.server.post(self.address("reports")).bearer_auth(&self.token).json(&report).send();
        let answer = sent.await.context("the server cannot be reached")?;
        if !answer.status().is_success() {
            bail!("the server refuses the report with {}: {}", answer.status(), answer.text().await.unwrap_or_default());
        }
        answer.json().await.context("the server's answer cannot be read")
    }

    /// The address as it is from here: of the beginnings that fit the host, the longest one counts.
    fn as_seen_here(&self, target: &str) -> String {
        let Some((scheme, rest)) = target.split_once("://") else { return target.to_owned() };
        let fits = self.settings.seen_as.iter().filter(|(from, _)| rest.starts_with(from.as_str()));
        match fits.max_by_key(|(from, _)| from.len()) {
            Some((from, to)) => format!("{scheme}://{to}{}", &rest[from.len()..]),
            None => target.to_owned(),
        }
    }
}

/// Probes one target at its own pace.
async fn observe(target: Target, parsed: probe::Target, client: reqwest::Client, sender: mpsc::Sender<Seen>) {
    let mut beat = tokio::time::interval(target.interval.as_std().max(Duration::from_millis(10)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let at = Utc::now();
        let outcome = parsed.probe(&client, target.timeout.as_std()).await;
        let sample = Sample { at, took: Span::between(at, Utc::now()), outcome };
        if sender.send(Seen { service: target.service.clone(), region: target.region.clone(), sample }).await.is_err() {
            return;
        }
    }
}

/// Says what is wrong when it changes, not with every report.
fn said(before: &mut Option<String>, now: Option<String>) {
    if *before != now {
        match &now {
            Some(what) => tracing::warn!(what, "the observer cannot report"),
            None => tracing::info!("the observer reports"),
        }
        *before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observer(report_to: &str, seen_as: &[(&str, &str)]) -> anyhow::Result<Observer> {
        let token = tempfile::NamedTempFile::new()?;
        std::fs::write(token.path(), "a token")?;
        let seen_as = seen_as.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Observer::new("us-west-2", Settings { report_to: report_to.to_owned(), token_file: token.path().to_owned(), ca_file: None, seen_as })
    }

    #[test]
    fn the_token_never_crosses_a_network_readably() {
        assert!(observer("https://lifeboat.example.org", &[]).is_ok());
        assert!(observer("http://127.0.0.1:8420", &[]).is_ok());
        for bad in ["http://lifeboat.example.org", "http://10.0.0.1:8420", "ftp://127.0.0.1", "lifeboat"] {
            assert!(observer(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_those_seen_as_seen_here() {
        let seen_as = [("10.1.", "192.168.1."), ("10.1.2.", "192.168.2.")];
        let observer = observer("http://127.0.0.1:1", &seen_as).unwrap();
        assert_eq!(observer.as_seen_here("http://10.1.2.3:80/health"), "http://192.168.2.3:80/health");
        assert_eq!(observer.as_seen_here("tcp://10.1.9.3:80"), "tcp://192.168.1.9.3:80");
        assert_eq!(observer.as_seen_here("http://elsewhere/10.1.2.3"), "http://elsewhere/10.1.2.3");
    }
}
