//! Brings a diverged node back to the history of another one with pg_rewind. It does not start the node.

use super::command::Run;
use super::config::{Config, Node, Peer};
use super::follow::{connection_string, conninfo, make_standby};
use super::refusal::Refusal;
use super::wire::{RewindOutcome, Rewound, Source};
use super::{fence, processes, start};
use std::time::{Duration, Instant};

pub async fn rewind(config: &Config, node: &Node, source: &Peer, order: &Source) -> Result<Rewound, Refusal> {
    let began = Instant::now();
    must_be_stopped(node)?;
    // After a crash pg_rewind starts a server of its own for recovery, which looks at the same lock files.
    start::clear_stale_locks(node)?;
    fence::begin(node)?;
    let server = connection_string(&[
        ("host", &source.host),
        ("port", &source.port.to_string()),
        ("user", &config.replication_user),
        ("dbname", "postgres"),
        ("passfile", &config.passfile.to_string_lossy()),
        ("connect_timeout", "5"),
        ("application_name", &format!("rewind {}", node.id)),
    ]);
    let ran = Run::new(config.bin_dir.join("pg_rewind"), Duration::from_millis(order.timeout_ms))
        // A role's statement_timeout would abort it half way.
        .env("PGOPTIONS", "-c statement_timeout=0")
        .env("PGPASSFILE", &config.passfile)
        .arg("--target-pgdata")
        .arg(&node.data_dir)
        .arg("--source-server")
        .arg(&server)
        .success("the guard stays and start refuses: repeat rewind, or rebuild the node")
        .await?;
    // Whatever happened to the marker, a rewound node starts only after `follow`, and as a standby whoever starts it.
    fence::give_back(node, &node.data_dir)?;
    make_standby(&node.data_dir, &conninfo(config, node, source), None)?;
    fence::raise(&node.data_dir, &format!("agent of {} (rewound, waits for follow)", config.region))?;
    fence::end(node)?;
    let output = ran.text();
    let outcome = if output.contains("no rewind required") { RewindOutcome::NotRequired } else { RewindOutcome::Rewound };
    Ok(Rewound { outcome, output, took_ms: began.elapsed().as_millis() as u64 })
}

/// Refuses while any process works in the data folder.
pub fn must_be_stopped(node: &Node) -> Result<(), Refusal> {
    match processes::of_data_dir(&node.data_dir) {
        Ok(members) if members.is_empty() => Ok(()),
        Ok(members) => {
            Err(Refusal::conflict(format!("{} is not stopped: {} processes work in its data folder", node.id, members.len()), "stop it first"))
        }
        Err(error) => Err(Refusal::failed(format!("cannot read the process table: {error}"), "is /proc mounted?")),
    }
}
