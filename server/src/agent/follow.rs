//! Makes a node a standby of another one, and refuses to do so to a running primary.

use super::command::Run;
use super::config::{Config, Node, Peer};
use super::refusal::Refusal;
use super::wire::{Follow, FollowOutcome, Following};
use super::{control_data, fence, inspect, processes, start};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

pub async fn follow(config: &Config, node: &Node, upstream: &Peer, order: &Follow) -> Result<Following, Refusal> {
    let began = Instant::now();
    if let Some(slot) = &order.slot
        && (slot.is_empty() || slot.len() > 63 || !slot.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
    {
        return Err(Refusal::bad_request(format!("`{slot}` is not a slot name"), "use lower-case letters, digits and `_`"));
    }
    if fence::guard(&node.data_dir).exists() {
        start::may_start(node)?;
    }
    let control = control_data::read(&config.bin_dir, &node.data_dir).await?;
    let running = processes::postmaster(&node.data_dir);
    if running.is_some() && !inspect::is_standby(node, &control) {
        return Err(Refusal::conflict(
            format!("{} runs as a primary ({}); it cannot be made a standby while it runs", node.id, control.state),
            "stop it first, then rewind it",
        ));
    }
    make_standby(&node.data_dir, &conninfo(config, node, upstream), order.slot.as_deref())?;
    // Only now is it a standby for certain, whoever starts it.
    fence::lower(&node.data_dir)?;
    let outcome = if running.is_some() {
        Run::new(config.bin_dir.join("pg_ctl"), Duration::from_millis(order.timeout_ms))
            .args(["reload", "-s", "-D"])
            .arg(&node.data_dir)
            .success("is the node still running?")
            .await?;
        FollowOutcome::Reloaded
    } else {
        start::bring_up(config, node, order.timeout_ms).await?;
        FollowOutcome::Started
    };
    Ok(Following { outcome, took_ms: began.elapsed().as_millis() as u64 })
}

/// How this node reaches an upstream; the password stays in the password file.
pub fn conninfo(config: &Config, node: &Node, upstream: &Peer) -> String {
    connection_string(&[
        ("host", &upstream.host),
        ("port", &upstream.port.to_string()),
        ("user", &config.replication_user),
        ("passfile", &config.passfile.to_string_lossy()),
        ("application_name", &node.id),
        // Without it a standby behind a network that swallows packets waits for minutes.
        ("connect_timeout", "2"),
        ("keepalives_idle", "2"),
        ("keepalives_interval", "1"),
        ("keepalives_count", "3"),
    ])
}

/// A libpq connection string with every value quoted.
pub fn connection_string(pairs: &[(&str, &str)]) -> String {
    let quoted: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))).collect();
    quoted.join(" ")
}

/// Writes `standby.signal` and the settings, durably, the settings first: a node with only the signal file would wait for ever. Whom
/// commits waited for where it was a primary, or where it was copied from, is emptied: once promoted it would hang on them.
pub fn make_standby(data_dir: &Path, conninfo: &str, slot: Option<&str>) -> Result<(), Refusal> {
    let path = data_dir.join("postgresql.auto.conf");
    let old = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Refusal::io("read", &path, &error)),
    };
    let settings = [("primary_conninfo", conninfo), ("primary_slot_name", slot.unwrap_or("")), ("synchronous_standby_names", "")];
    let text = with_settings(&old, &settings)?;
    let write = || {
        let fresh = data_dir.join("postgresql.auto.conf.lifeboat");
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::create(data_dir.join("standby.signal"))?.sync_all()?;
        File::open(data_dir)?.sync_all()
    };
    write().map_err(|e| Refusal::io("write", &path, &e))
}

/// Replaces settings in the text of a configuration file.
fn with_settings(old: &str, settings: &[(&str, &str)]) -> Result<String, Refusal> {
    let mut text = String::new();
    for line in old.lines() {
        let name = line.split(['=', ' ', '\t']).find(|part| !part.is_empty()).unwrap_or("");
        if !settings.iter().any(|(key, _)| name.eq_ignore_ascii_case(key)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (key, value) in settings {
        if value.chars().any(char::is_control) {
            return Err(Refusal::bad_request(format!("the value for {key} contains a control character"), "check the agent's configuration"));
        }
        // In a configuration file both the quote and the backslash are doubled.
        text.push_str(&format!("{key} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_their_quotes() {
        let conninfo = connection_string(&[("host", "a' host='evil"), ("passfile", "/x\\y")]);
        assert_eq!(conninfo, r"host='a\' host=\'evil' passfile='/x\\y'");
        let text = with_settings("work_mem = '4MB'\nprimary_conninfo = 'old'\n", &[("primary_conninfo", &conninfo)]).unwrap();
        assert_eq!(text, "work_mem = '4MB'\nprimary_conninfo = 'host=''a\\\\'' host=\\\\''evil'' passfile=''/x\\\\\\\\y'''\n");
        assert!(with_settings("", &[("primary_conninfo", "a\nrestore_command = 'x'")]).is_err());
    }
}
