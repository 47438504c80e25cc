//! The server that is measured: the real program in a process and a folder of its own.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use engine::access::Role;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub const PASSWORD: &str = "correct horse battery";

pub struct Server {
    pub folder: tempfile::TempDir,
    child: Child,
    pub address: String,
}

impl Server {
    pub fn start(estate: &str, config: &str) -> anyhow::Result<Self> {
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
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.child.id())
    }

    pub fn rss_mib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("/proc changed")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1_024)
    }

    /// The journal's entries of one kind: when, and what.
    pub fn entries(&self, kind: &str) -> anyhow::Result<Vec<(DateTime<Utc>, serde_json::Value)>> {
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

/// CPU time that a process has used so far.
pub fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().context("/proc changed")?.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
