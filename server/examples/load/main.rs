//! Measures what the server carries: observations ingested and decided, probes sent (beside Prometheus with its blackbox
//! exporter), and news told to many browsers. Prints rows of a table and asserts nothing about speed. Part of `make bench`.
//!
//! The server is the real program in a process of its own; its CPU time and memory are read from /proc.

use anyhow::Context as _;
use std::time::Duration;

mod fan_out;
mod ingest;
mod probing;
mod server;

const REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds: u64 = std::env::var("SECONDS").ok().map_or(Ok(60), |text| text.parse()).context("SECONDS is a number")?;
    println!("{:<58} {:>12} {:>12}", "what", "p50", "p99");
    ingest::ingest(10_000, Duration::from_secs(10), 3_000, seconds).await?;
    ingest::ingest(10_000, Duration::from_secs(6), 5_000, seconds).await?;
    probing::beside_prometheus(500, Duration::from_secs(5), Duration::from_secs(seconds)).await?;
    fan_out::fan_out(1_000, 40).await
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

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
