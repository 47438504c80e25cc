//! Probes sent, beside Prometheus that has its blackbox exporter send the same ones at the same time.

use crate::server::{Server, cpu_of};
use anyhow::Context as _;
use std::{
    fmt::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

const PROMETHEUS: &str = "prometheus";
const EXPORTER: &str = "prometheus-blackbox-exporter";

/// Checks that arrived, of each prober.
#[derive(Default)]
struct Hits {
    of_lifeboat: AtomicU64,
    of_exporter: AtomicU64,
}

/// Both probe `targets` addresses of one small server every `interval`; what counts is CPU time for each check that arrived.
pub async fn beside_prometheus(targets: usize, interval: Duration, measured: Duration) -> anyhow::Result<()> {
    let hits = Arc::new(Hits::default());
    let address = serve(hits.clone()).await?;
    let lifeboat = Server::start(&estate(targets, interval, &address), "")?;
    let folder = tempfile::tempdir()?;
    let peers = match start_peers(folder.path(), targets, interval, &address).await {
        Ok(peers) => Some(peers),
        Err(error) => {
            println!("  not measured beside {PROMETHEUS} and {EXPORTER} (Debian's packages of these names): {error:#}");
            None
        }
    };
    // Two rounds to warm up.
    tokio::time::sleep(interval * 2).await;
    let now = || -> anyhow::Result<_> {
        let of_peers = peers.iter().flatten().map(|peer| cpu_of(peer.0.id())).sum::<anyhow::Result<Duration>>()?;
        let arrived = (hits.of_lifeboat.load(Ordering::Relaxed), hits.of_exporter.load(Ordering::Relaxed));
        Ok((lifeboat.cpu()?, of_peers, arrived))
    };
    let before = now()?;
    tokio::time::sleep(measured).await;
    let after = now()?;
    let each = |cpu: Duration, checks: u64| cpu.as_secs_f64() * 1_000.0 / checks as f64;
    let (own, own_checks) = (after.0 - before.0, after.2.0 - before.2.0);
    println!("{:<58} {own_checks:>12}", format!("probed: {targets} targets every {} s, checks that arrived", interval.as_secs()));
    println!("{:<58} {:>9.3} ms", "  CPU for each", each(own, own_checks));
    if peers.is_some() {
        let (of_peers, checks) = (after.1 - before.1, after.2.1 - before.2.1);
        println!("{:<58} {checks:>12}", "  the same by Prometheus and its blackbox exporter");
        println!("{:<58} {:>9.3} ms", "  CPU for each", each(of_peers, checks));
        println!("{:<58} {:>12.2}", "  ratio", each(own, own_checks) / each(of_peers, checks));
    }
    Ok(())
}

/// Answers every request well, and counts them by who asks.
async fn serve(hits: Arc<Hits>) -> anyhow::Result<String> {
    let count = |hits: fn(&Hits) -> &AtomicU64| {
        move |axum::extract::State(all): axum::extract::State<Arc<Hits>>| async move {
            hits(&all).fetch_add(1, Ordering::Relaxed);
            "ok"
        }
    };
    let app = axum::Router::new()
        .route("/lifeboat/{target}", axum::routing::get(count(|hits| &hits.of_lifeboat)))
        .route("/exporter/{target}", axum::routing::get(count(|hits| &hits.of_exporter)))
        .with_state(hits);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

fn estate(targets: usize, interval: Duration, address: &str) -> String {
    let mut text = format!(
        "name = \"probing\"\n[detection]\ninterval = \"{}s\"\ntimeout = \"2s\"\nfailures = 3\nsamples = 3\nrecoveries = 2\n[[region]]\nid = \"a\"\nname = \"a\"\n",
        interval.as_secs()
    );
    for at in 0..targets {
        text += &format!(
            "[[service]]\nid = \"s{at}\"\ntier = 2\nrto = \"1h\"\nrpo = \"1h\"\nmtpd = \"4h\"\ndata_class = \"standard\"\n\
             [[service.endpoint]]\nregion = \"a\"\ntarget = \"http://{address}/lifeboat/{at}\"\n"
        );
    }
    text
}

/// A process of the peer's; ends with this value.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("a process could not be ended: {error}");
        }
    }
}

async fn start_peers(folder: &Path, targets: usize, interval: Duration, address: &str) -> anyhow::Result<Vec<Peer>> {
    let (exporter, prometheus) = (free_port().await?, free_port().await?);
    std::fs::write(
        folder.join("blackbox.yml"),
        "modules:\n  http_2xx:\n    prober: http\n    timeout: 2s\n    http:\n      preferred_ip_protocol: ip4\n",
    )?;
    let mut text = format!(
        "global:\n  scrape_interval: {}s\n  scrape_timeout: 2s\nscrape_configs:\n- job_name: blackbox\n  metrics_path: /probe\n  params: {{module: [http_2xx]}}\n  \
         relabel_configs:\n  - {{source_labels: [__address__], target_label: __param_target}}\n  - {{source_labels: [__param_target], target_label: instance}}\n  \
         - {{target_label: __address__, replacement: \"127.0.0.1:{exporter}\"}}\n  static_configs:\n  - targets:\n",
        interval.as_secs()
    );
    for at in 0..targets {
        writeln!(text, "    - http://{address}/exporter/{at}")?;
    }
    std::fs::write(folder.join("prometheus.yml"), text)?;
    let start = |program: &str, arguments: &[String]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Peer).with_context(|| program.to_owned())
    };
    Ok(vec![
        start(EXPORTER, &["--config.file=blackbox.yml".to_owned(), format!("--web.listen-address=127.0.0.1:{exporter}")])?,
        start(
            PROMETHEUS,
            &[
                "--config.file=prometheus.yml".to_owned(),
                "--storage.tsdb.path=data".to_owned(),
                format!("--web.listen-address=127.0.0.1:{prometheus}"),
            ],
        )?,
    ])
}

async fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}
