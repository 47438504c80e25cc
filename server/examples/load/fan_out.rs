//! News told to many browsers.

use crate::{
    at, estate,
    server::{PASSWORD, Server},
};
use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// From the request that changes something until every browser has heard of it.
pub async fn fan_out(browsers: usize, events: usize) -> anyhow::Result<()> {
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
