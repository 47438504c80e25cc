//! Measures the history of probes: how many samples a second it takes in and writes, and what a day of them needs on disk.
//! Prints one table and judges nothing. `make bench` runs it.

use engine::{
    estate::Detection,
    health::{Outcome, Sample},
    id::RegionId,
    journal::Subject,
    time::{Instant, Span},
};
use server::{
    store::Store,
    watch::history::{History, roll_up},
};
use std::{path::Path, time::Duration};

/// 10,000 services in three regions, probed every ten seconds.
const TARGETS: usize = 30_000;
const EVERY: u64 = 10;
/// Of so many a day is measured, and reckoned up: it is the same for each.
const SHARE: usize = 50;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("history of probes: {TARGETS} targets every {EVERY} s");
    ingest("3,000/s, all well", 120, EVERY, 0).await?;
    ingest("a minute of 5,000/s, 1 % flapping", 60, 6, 1).await?;
    ingest("a minute of 5,000/s, everything fails every other time", 60, 6, 100).await?;
    day("a day, all well", 0).await?;
    day("a day, 1 % flapping with every probe", 1).await?;
    Ok(())
}

fn rule(every: u64) -> Detection {
    Detection { interval: Span::from_secs(every), ..Detection::default() }
}

fn subjects(count: usize) -> Vec<Subject> {
    let region: [RegionId; 3] = ["us-east-1", "us-west-2", "eu-west-1"].map(|id| id.parse().unwrap_or_else(|_| unreachable!("a fixed id")));
    let endpoint = |at: usize| Subject::Endpoint {
        service: format!("service-{}", at / 3).parse().unwrap_or_else(|_| unreachable!("a fixed id")),
        region: region[at % 3].clone(),
    };
    (0..count).map(endpoint).collect()
}

/// `flapping` of a hundred fail every other round. Beats are a few milliseconds off, as real ones are.
fn sample(target: usize, round: u64, begun: Instant, every: u64, flapping: usize) -> Sample {
    let jitter = (target as u64).wrapping_mul(2_654_435_761).wrapping_add(round.wrapping_mul(40_503)) % 7;
    let at = begun + Span::from_millis(round * every * 1_000 + (target as u64 * every * 1_000) / TARGETS as u64 + jitter).as_delta();
    let fails = target % 100 < flapping && round % 2 == 1;
    let outcome = if fails { Outcome::Failed("connection refused".to_owned()) } else { Outcome::Good };
    Sample { at, took: Span::from_millis(3), outcome }
}

/// Takes in as many samples as `seconds` bring, and writes after each of them, as fast as it goes.
async fn ingest(what: &str, seconds: u64, every: u64, flapping: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (store, history, subjects, rule) = (Store::open(folder.path()).await?, History::default(), subjects(TARGETS), rule(every));
    let begun = chrono::Utc::now() - Span::from_mins(60).as_delta();
    let per_second = TARGETS / every as usize;
    let (mut took, mut wrote) = (Vec::new(), Vec::new());
    let (cpu, wall) = (cpu_time()?, std::time::Instant::now());
    for second in 0..seconds {
        let (round, part) = (second / every, (second % every) as usize);
        let begins = std::time::Instant::now();
        for (target, subject) in subjects.iter().enumerate().skip(part * per_second).take(per_second) {
            history.take_in(subject, "server", &sample(target, round, begun, every, flapping), &rule);
        }
        took.push(begins.elapsed());
        let begins = std::time::Instant::now();
        history.write(&store, begun + Span::from_secs(second + 1).as_delta()).await?;
        wrote.push(begins.elapsed());
    }
    let (cpu, wall) = (cpu_time()?.saturating_sub(cpu), wall.elapsed());
    let samples = seconds * per_second as u64;
    println!(
        "{what}: {samples} samples, {:.0}/s as fast as it goes, {:.1} µs of CPU each; a second's samples taken in: p99 {:.1} ms; a second's writing: median {:.1} ms, p99 {:.1} ms; RSS {} MiB",
        samples as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / samples as f64,
        quantile(&mut took, 0.99),
        quantile(&mut wrote, 0.5),
        quantile(&mut wrote, 0.99),
        rss_mib()?,
    );
    store.close().await;
    Ok(())
}

/// What a day of a part of the targets needs, before and after the roll-up, reckoned up to all of them.
async fn day(what: &str, flapping: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (store, history, rule) = (Store::open(folder.path()).await?, History::default(), rule(EVERY));
    let (count, begun) = (TARGETS / SHARE, chrono::Utc::now() - Span::from_mins(40 * 24 * 60).as_delta());
    let subjects = subjects(count);
    let rounds = 24 * 3_600 / EVERY;
    let mut after_first_hour = 0;
    // One hour more than a day: what the first hour needs is there once and not every day.
    for round in 0..rounds + 360 {
        for (target, subject) in subjects.iter().enumerate() {
            history.take_in(subject, "server", &sample(target, round, begun, EVERY, flapping), &rule);
        }
        // Once a minute: the same rows as with every second, in fewer commits.
        if round % 6 == 0 {
            history.write(&store, begun + Span::from_secs((round + 1) * EVERY).as_delta()).await?;
        }
        if round == 360 {
            after_first_hour = store.history_bytes().await?;
        }
    }
    let grown = store.history_bytes().await?.saturating_sub(after_first_hour) * SHARE as u64;
    let begins = std::time::Instant::now();
    let rolled = roll_up(&history, &store, chrono::Utc::now(), None).await?;
    let lasted = begins.elapsed() * SHARE as u32;
    let kept = store.history_bytes().await?.saturating_sub(after_first_hour) * SHARE as u64;
    println!(
        "{what}: {:.1} MB a day as recorded, {:.1} MB a day after the roll-up ({} rows fewer); the roll-up of it all: {:.1} s",
        grown as f64 / 1e6,
        kept as f64 / 1e6,
        rolled.merged * SHARE as u64,
        lasted.as_secs_f64()
    );
    store.close().await;
    Ok(())
}

fn quantile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3
}

/// CPU time of the whole process, all threads.
fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // User and system time, in hundredths of a second.
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

fn rss_mib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024)
}
