//! Measures what the server carries: observations ingested and decided, and news told to many browsers. Prints rows of a
//! table and asserts nothing about speed. Part of `make bench`.
//!
//! The server is the real program in a process of its own; its CPU time and memory are read from /proc.

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use engine::{
    access::Role,
    health::{Outcome, Sample},
    time::Span,
};
use futures::future::join_all;
use server::api::wire::{Report, Seen, TargetList};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "correct horse battery";
const REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds: u64 = std::env::var("SECONDS").ok().map_or(Ok(60), |text| text.parse()).context("SECONDS is a number")?;
    println!("{:<58} {:>12} {:>12}", "what", "p50", "p99");
    ingest(10_000, Duration::from_secs(10), 3_000, seconds).await?;
    ingest(10_000, Duration::from_secs(6), 5_000, seconds).await?;
    fan_out(1_000, 40).await
}

struct Server {
    folder: tempfile::TempDir,
    child: Child,
    address: String,
}

impl Server {
    fn start(estate: &str, config: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        std::fs::create_dir_all(folder.path().join("site/pkg"))?;
        write("site/pkg/lifeboat.js", "")?;
        write("estate.toml", estate)?;
        write("token", TOKEN)?;
        write("lifeboat.toml", &format!("listen = \"127.0.0.1:0\"\nsite = \"site\"\n{config}"))?;
        add_account(folder.path())?;
        let mut child = lifeboat(folder.path()).arg("serve").env("LIFEBOAT_LOG", "error").stdout(Stdio::piped()).spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("no output")?);
        let mut said = String::new();
        while !said.contains("Lifeboat: http") {
            ensure!(out.read_line(&mut said)? > 0, "the server ended instead of listening");
        }
        let address = said.lines().find_map(|line| line.strip_prefix("Lifeboat: ")).context("no address")?.to_owned();
        Ok(Self { folder, child, address })
    }

    /// CPU time used so far.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().context("/proc changed")?.split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    fn rss_mib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("/proc changed")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1_024)
    }

    /// The journal's entries of one kind: when, and what.
    fn entries(&self, kind: &str) -> anyhow::Result<Vec<(DateTime<Utc>, serde_json::Value)>> {
        let shown = lifeboat(self.folder.path()).args(["journal", "show", "--json", "--limit", "100000"]).output()?;
        let entries: Vec<serde_json::Value> = serde_json::from_slice(&shown.stdout)?;
        let of_kind = entries.into_iter().filter(|entry| entry["event"]["event"] == kind);
        of_kind.map(|entry| Ok((serde_json::from_value(entry["at"].clone())?, entry["event"].clone()))).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the server could not be ended: {error}");
        }
    }
}

/// The program, built beside this one.
fn lifeboat(folder: &Path) -> Command {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("target/release/examples/load"));
    let mut command = Command::new(own.with_file_name("../lifeboat"));
    command.current_dir(folder).env("LEPTOS_HASH_FILES", "false").stdin(Stdio::null());
    command
}

fn add_account(folder: &Path) -> anyhow::Result<()> {
    let mut adding = lifeboat(folder);
    adding.args(["user", "add", "ann", "--role", &Role::Operator.to_string(), "--password-stdin"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = adding.spawn()?;
    child.stdin.take().context("no input")?.write_all(PASSWORD.as_bytes())?;
    ensure!(child.wait()?.success(), "the account could not be added");
    Ok(())
}

/// Services in three regions, whose clients are sent by a simulator and whose endpoints one observer watches.
fn estate(services: usize, interval: Duration) -> String {
    let mut text = format!(
        "name = \"load\"\nserver_observes = false\n[detection]\ninterval = \"{}s\"\ntimeout = \"2s\"\nfailures = 3\nsamples = 3\nrecoveries = 2\n\
         [[observer]]\nid = \"eye\"\nregion = \"us-west-2\"\n\
         [[strategy]]\nid = \"asks\"\nkind = \"active-passive\"\nprimary_region = \"us-east-1\"\nrecovery_regions = [\"us-west-2\", \"eu-west-1\"]\n\
         failover = \"semi-automatic\"\nfailback = \"manual\"\nreplication = \"asynchronous\"\nlag_tolerance = \"5s\"\n",
        interval.as_secs()
    );
    for region in REGIONS {
        text += &format!("[[region]]\nid = \"{region}\"\nname = \"{region}\"\n");
    }
    for at in 0..services {
        text += &format!(
            "[[service]]\nid = \"s{at}\"\ntier = 2\nrto = \"1h\"\nrpo = \"1h\"\nmtpd = \"4h\"\ndata_class = \"standard\"\nstrategy = \"asks\"\n\
             traffic = {{ address = \"http://127.0.0.1:9/\", by = {{ simulated = {{}} }} }}\n"
        );
        for region in REGIONS {
            text += &format!("[[service.endpoint]]\nregion = \"{region}\"\ntarget = \"http://127.0.0.1:9/\"\n");
        }
    }
    text
}

/// Reports as an observer of `services` × 3 targets would, every tenth of a second a slice of them. Now and then one of
/// them fails three times, and comes back; from the report that completes the failure to the verdict in the journal is the
/// time that counts.
async fn ingest(services: usize, interval: Duration, rate: usize, seconds: u64) -> anyhow::Result<()> {
    let server = Server::start(&estate(services, interval), "[observer.eye]\ntoken_file = \"token\"\n")?;
    let client = reqwest::Client::new();
    let list: TargetList = client.get(format!("{}/api/v1/targets", server.address)).bearer_auth(TOKEN).send().await?.json().await?;
    let slices = (interval.as_millis() / 100) as usize;
    let per_slice = list.targets.len() / slices;
    let mut failing: BTreeMap<usize, u32> = BTreeMap::new();
    let mut complete: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    let mut sent = 0usize;
    // Two intervals to warm up: before that nothing is known to be well.
    let warm = interval * 2;
    let begin = Instant::now();
    let (mut measured_from, mut cpu_before) = (None, Duration::ZERO);
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    for turn in 0.. {
        beat.tick().await;
        if measured_from.is_none() && begin.elapsed() >= warm {
            (measured_from, cpu_before, sent) = (Some(Instant::now()), server.cpu()?, 0);
        }
        if measured_from.is_some_and(|from| from.elapsed() >= Duration::from_secs(seconds)) {
            break;
        }
        let slice = turn % slices;
        let range = slice * per_slice..(slice + 1) * per_slice;
        // One target of the slice begins to fail, in the home region, so that something is decided about it.
        let home = |at: &usize| list.targets[*at].region.as_str() == REGIONS[0] && !failing.contains_key(at);
        if measured_from.is_some()
            && let Some(target) = range.clone().skip(turn % per_slice).find(home)
        {
            failing.insert(target, 0);
        }
        let now = Utc::now();
        let samples: Vec<Seen> = range
            .map(|at| {
                let target = &list.targets[at];
                let outcome = match failing.get_mut(&at) {
                    Some(count) => {
                        *count += 1;
                        if *count == 3 {
                            complete.insert(target.service.to_string(), now);
                        }
                        if *count <= 4 { Outcome::Failed("connection refused".to_owned()) } else { Outcome::Good }
                    }
                    None => Outcome::Good,
                };
                let sample = Sample { at: now, took: Span::from_millis(3), outcome };
                Seen { service: target.service.clone(), region: target.region.clone(), sample }
            })
            .collect();
        sent += samples.len();
        let report = Report { sent_at: Utc::now(), version: list.version.clone(), samples };
        let answer = client.post(format!("{}/api/v1/reports", server.address)).bearer_auth(TOKEN).json(&report).send().await?;
        if !answer.status().is_success() {
            bail!("a report was refused: {}", answer.text().await?);
        }
    }
    let took = measured_from.context("it was never warm")?.elapsed();
    let cpu = server.cpu()? - cpu_before;
    let rss = server.rss_mib()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut down: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    for (at, event) in server.entries("health-changed")?.into_iter().filter(|(_, event)| event["to"] == "down") {
        down.entry(event["of"]["service"].as_str().unwrap_or_default().to_owned()).or_insert(at);
    }
    let late = |(service, sent): (&String, &DateTime<Utc>)| Some((*down.get(service)? - *sent).num_microseconds()? as f64 / 1_000.0);
    let mut verdicts: Vec<f64> = complete.iter().filter_map(late).collect();
    verdicts.sort_by(f64::total_cmp);
    println!("{:<58} {:>9.0} /s", format!("ingested: {services} services in 3 regions, wanted {rate}/s"), sent as f64 / took.as_secs_f64());
    println!(
        "{:<58} {:>9.1} ms {:>9.1} ms",
        format!("  report to verdict in the journal (n = {})", verdicts.len()),
        at(&verdicts, 0.5),
        at(&verdicts, 0.99)
    );
    if verdicts.len() < complete.len() {
        println!("  {} failures got no verdict", complete.len() - verdicts.len());
    }
    println!("{:<58} {:>12.2}", "  CPU, of one core", cpu.as_secs_f64() / took.as_secs_f64());
    println!("{:<58} {:>8} MiB", "  resident", rss);
    println!("{:<58} {:>8} KiB", "  journal and observations on disk", size_of(&server.folder.path().join("data"))? / 1_024);
    Ok(())
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn size_of(folder: &Path) -> anyhow::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        total += entry?.metadata()?.len();
    }
    Ok(total)
}

/// From the request that changes something until every browser has heard of it.
async fn fan_out(browsers: usize, events: usize) -> anyhow::Result<()> {
    let server = Server::start(&estate(10, Duration::from_secs(10)), "[observer.eye]\ntoken_file = \"token\"\n")?;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let form = [("name", "ann"), ("password", PASSWORD)];
    let login = client.post(format!("{}/login", server.address)).header("origin", &server.address).form(&form).send().await?;
    let cookie = login.headers().get("set-cookie").and_then(|value| value.to_str().ok()).context("no cookie")?;
    let cookie = cookie.split(';').next().context("no cookie")?.to_owned();
    let heard: Arc<Mutex<BTreeMap<u64, Vec<Instant>>>> = Arc::default();
    let opened = (0..browsers).map(|_| {
        // A connection each, as browsers have.
        let (client, cookie, url) = (reqwest::Client::new(), cookie.clone(), format!("{}/live", server.address));
        async move { client.get(url).header("cookie", cookie).send().await?.error_for_status() }
    });
    for stream in join_all(opened).await {
        let (mut stream, heard) = (stream?, heard.clone());
        tokio::spawn(async move {
            let mut known = 0;
            while let Ok(Some(chunk)) = stream.chunk().await {
                let now = Instant::now();
                let text = String::from_utf8_lossy(&chunk);
                let seqs = text.lines().filter_map(|line| line.strip_prefix("id:")?.trim().parse::<u64>().ok());
                for seq in seqs.filter(|seq| *seq > known).collect::<Vec<_>>() {
                    known = seq;
                    if let Ok(mut heard) = heard.lock() {
                        heard.entry(seq).or_default().push(now);
                    }
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut delays = Vec::new();
    for turn in 0..events {
        if let Ok(mut heard) = heard.lock() {
            heard.clear();
        }
        let verb = if turn % 2 == 0 { "restrain" } else { "release" };
        let form = [("what", "pause"), ("minutes", "60"), ("reason", "measuring"), ("back", "/failover")];
        let asked = Instant::now();
        let url = format!("{}/api/{verb}", server.address);
        let answer = client.post(url).header("origin", &server.address).header("cookie", &cookie).form(&form).send().await?;
        ensure!(answer.status().is_success() || answer.status().is_redirection(), "it was refused: {}", answer.text().await?);
        let deadline = Instant::now() + Duration::from_secs(5);
        let arrived = loop {
            let all = heard.lock().ok().and_then(|heard| heard.values().find(|arrived| arrived.len() >= browsers).cloned());
            match all {
                Some(arrived) => break arrived,
                None if Instant::now() > deadline => bail!("not every browser heard of event {turn} within 5 s"),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        delays.extend(arrived.iter().map(|at| at.duration_since(asked).as_secs_f64() * 1_000.0));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    delays.sort_by(f64::total_cmp);
    println!(
        "{:<58} {:>9.1} ms {:>9.1} ms",
        format!("event to delivery, {browsers} browsers (n = {})", delays.len()),
        at(&delays, 0.5),
        at(&delays, 0.99)
    );
    println!("{:<58} {:>8} MiB", "  resident", server.rss_mib()?);
    Ok(())
}
