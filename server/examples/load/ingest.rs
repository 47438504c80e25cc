//! Observations ingested and decided.

use crate::{
    REGIONS, at, estate,
    server::{Server, TOKEN},
};
use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use engine::{
    health::{Outcome, Sample},
    time::Span,
};
use server::api::wire::{Report, Seen, TargetList};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// Reports as an observer of `services` × 3 targets would, every tenth of a second a slice of them. Now and then one of
/// them fails three times, and comes back; from the report that completes the failure to the verdict in the journal is the
/// time that counts.
pub async fn ingest(services: usize, interval: Duration, rate: usize, seconds: u64) -> anyhow::Result<()> {
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
        let report = Report { sent_at: Utc::now(), from: "us-west-2".parse()?, version: list.version.clone(), samples };
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

fn size_of(folder: &Path) -> anyhow::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        total += entry?.metadata()?.len();
    }
    Ok(total)
}
