//! The real `lifeboat` binary in a folder of its own: a configuration, an estate, a site to serve, and a running server
//! that ends with the test.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Nothing to watch: commands that need no cluster start quickest without one.
pub const PLAIN_ESTATE: &str = r#"
name = "plain"
[[region]]
id = "us-east-1"
name = "US East"
[[service]]
id = "web"
tier = 3
rto = "1h"
rpo = "1h"
mtpd = "24h"
data_class = "standard"
"#;

/// A secret in the environment of every program here: its variable and its value.
pub const IN_ENVIRONMENT: (&str, &str) = ("LIFEBOAT_TEST_SECRET", "canary-database-7c41e0");

pub struct Program {
    pub folder: TempDir,
}

impl Program {
    pub fn new(config: &str, estate: &str) -> Self {
        Self::around(tempfile::tempdir().unwrap(), config, estate)
    }

    pub fn plain() -> Self {
        Self::new("", PLAIN_ESTATE)
    }

    /// In a folder that may hold a store already.
    pub fn around(folder: TempDir, config: &str, estate: &str) -> Self {
        std::fs::create_dir_all(folder.path().join("site/pkg")).unwrap();
        std::fs::write(folder.path().join("site/pkg/lifeboat.js"), "").unwrap();
        let program = Self { folder };
        program.write("lifeboat.toml", &format!("listen = \"127.0.0.1:0\"\nsite = \"site\"\n{config}"));
        program.write("estate.toml", estate);
        program
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("LEPTOS_SITE_ROOT").env_remove("LIFEBOAT_LOG").env("USER", "tests").env("LEPTOS_HASH_FILES", "false");
        command.env(IN_ENVIRONMENT.0, IN_ENVIRONMENT.1);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().unwrap())
    }

    /// Runs a command with a text on its standard input.
    pub fn tell(&self, arguments: &[&str], text: &str) -> Said {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        if let Err(error) = child.stdin.take().unwrap().write_all(text.as_bytes()) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "it may read less than it is told, nothing else");
        }
        Said::from(child.wait_with_output().unwrap())
    }

    /// Starts `lifeboat serve` and waits until it says where it listens.
    pub fn serve(&self, log: &str) -> Running {
        self.serve_in(log, &[])
    }

    /// The same, with more in its environment.
    pub fn serve_in(&self, log: &str, environment: &[(&str, &Path)]) -> Running {
        let mut child = self.command(&["serve"]).env("LIFEBOAT_LOG", log).envs(environment.iter().copied()).spawn().unwrap();
        let (mut out, mut err) = (BufReader::new(child.stdout.take().unwrap()), child.stderr.take().unwrap());
        // Read while it runs: a full pipe would stop it.
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
        });
        let mut said = String::new();
        while !said.contains("Lifeboat: http") {
            assert_ne!(out.read_line(&mut said).unwrap(), 0, "the server ended instead of listening: {}", errors.join().unwrap().unwrap());
        }
        let address = said.lines().find_map(|line| line.strip_prefix("Lifeboat: ")).unwrap().to_owned();
        Running { child: Some(child), out: Some(out), errors: Some(errors), address, said }
    }
}

/// What a command answered.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    #[track_caller]
    pub fn fine(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Exit code 1 and one sentence that holds all of `parts`.
    #[track_caller]
    pub fn refused(self, parts: &[&str]) {
        assert_eq!(self.code, 1, "{self:?}");
        let said = self.err.trim_end();
        assert!(said.starts_with("lifeboat: ") && !said.contains("panicked") && said.matches("lifeboat: ").count() == 1, "{self:?}");
        for part in parts {
            assert!(said.contains(part), "“{part}” is missing in: {said}");
        }
    }
}

/// A running server; it is asked to stop when dropped.
pub struct Running {
    child: Option<Child>,
    out: Option<BufReader<std::process::ChildStdout>>,
    errors: Option<std::thread::JoinHandle<std::io::Result<String>>>,
    /// `http://127.0.0.1:PORT`
    pub address: String,
    said: String,
}

impl Running {
    /// Ends it as a power loss does.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it in order; everything it ever said on both outputs.
    pub fn stop(mut self) -> String {
        let mut said = std::mem::take(&mut self.said);
        let mut child = self.child.take().unwrap();
        ask_to_stop(&child);
        self.out.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
        said + &self.errors.take().unwrap().join().unwrap().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            ask_to_stop(&child);
            child.wait().unwrap();
        }
    }
}

fn ask_to_stop(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// Polls until `condition` holds, at most for half a minute.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every file in a folder and below it, with its bytes.
pub fn files_in(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_in(&entry.path()));
        } else if kind.is_file() {
            found.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
    found
}
