//! Runs one program: an argument vector, a cleared environment, a deadline, and an output that cannot grow without end.

use super::refusal::Refusal;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// At most this much of each output stream is kept: its end, where the reason of a failure stands.
pub const OUTPUT_CAP: usize = 64 * 1024;

pub struct Run {
    program: PathBuf,
    command: tokio::process::Command,
    timeout: Duration,
}

pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Both streams, for people.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr).trim().to_owned()
    }
}

impl Run {
    pub fn new(program: PathBuf, timeout: Duration) -> Self {
        let mut command = tokio::process::Command::new(&program);
        command
            .env_clear()
            // English messages are parsed, and a search path must exist for programs that start their siblings.
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { program, command, timeout }
    }

    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the user the program runs as; only root may.
    pub fn identity(mut self, identity: Option<(u32, u32)>) -> Self {
        if let Some((uid, gid)) = identity {
            self.command.uid(uid).gid(gid);
        }
        self
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Runs it to its end, whatever its exit status.
    pub async fn output(mut self) -> Result<Output, Refusal> {
        let name = self.name();
        let mut child = self.command.spawn().map_err(|e| not_started(&self.program, &e))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ended = tokio::time::timeout(self.timeout, async {
            let (status, stdout, stderr) = tokio::join!(child.wait(), last_part(out), last_part(err));
            Ok::<_, std::io::Error>(Output { status: status?, stdout: stdout?, stderr: stderr? })
        });
        match ended.await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(Refusal::failed(format!("cannot read the output of {name}: {error}"), "try again")),
            Err(_) => Err(Refusal::not_proven_in_time(
                format!("{name} did not end within {} ms and was killed", self.timeout.as_millis()),
                "look at the node's status, then try again with a longer timeout_ms",
            )),
        }
    }

    /// Runs it to its end; an exit status other than 0 is an error with the program's own words.
    pub async fn success(self, hint: &str) -> Result<Output, Refusal> {
        let name = self.name();
        let output = self.output().await?;
        if output.status.success() {
            return Ok(output);
        }
        Err(Refusal::failed(format!("{name} failed ({}): {}", output.status, output.text()), hint))
    }

    /// Gives the running child itself, for output that is read line by line.
    pub fn spawn(mut self) -> Result<tokio::process::Child, Refusal> {
        self.command.spawn().map_err(|e| not_started(&self.program, &e))
    }
}

fn not_started(program: &Path, error: &std::io::Error) -> Refusal {
    Refusal::failed(
        format!("cannot run {}: {error}", program.display()),
        "check bin_dir in the agent's configuration (Debian: package postgresql-15)",
    )
}

/// Reads a stream to its end and keeps the last [`OUTPUT_CAP`] bytes.
pub async fn last_part(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let Some(mut stream) = stream else { return Ok(String::new()) };
    let mut kept = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        kept.extend_from_slice(&chunk[..read]);
        if kept.len() > OUTPUT_CAP {
            kept.drain(..kept.len() - OUTPUT_CAP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_is_capped_and_time_is_limited() {
        let long = Run::new("/usr/bin/seq".into(), Duration::from_secs(20)).arg("200000").success("").await.unwrap();
        assert!(long.stdout.len() <= OUTPUT_CAP && long.stdout.ends_with("200000\n"));
        let slow = Run::new("/usr/bin/sleep".into(), Duration::from_millis(50)).arg("30").output().await;
        assert_eq!(slow.err().unwrap().status, axum::http::StatusCode::GATEWAY_TIMEOUT);
    }
}
