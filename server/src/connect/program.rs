//! Runs one program of the server's own configuration: no shell, an environment with nothing but what is given, no input,
//! an output that cannot grow without end, and a time-out after which it is killed with everything it started.

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::{
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::{Child, ChildStdout},
};

/// A program that prints more than this fails.
const LONGEST_OUTPUT: usize = 64 * 1024;
/// So much of the end of its complaints is kept; the reason of a failure stands there.
const LAST_COMPLAINTS: usize = 4 * 1024;
const LAST_LINES: usize = 5;
const LONGEST_LINE: usize = 300;

/// Runs `line`, a program and its arguments, to its end. Returns what it printed.
///
/// # Errors
/// It cannot be started, prints too much, does not end in time, or ends with anything but success; then with its last words.
pub async fn run(line: &[String], variables: &[(&str, &str)], patience: Duration) -> anyhow::Result<String> {
    run_as(line, variables, None, patience).await
}

/// The same as another user and group, where one is named; only root may.
///
/// # Errors
/// See `run`.
pub async fn run_as(line: &[String], variables: &[(&str, &str)], identity: Option<(u32, u32)>, patience: Duration) -> anyhow::Result<String> {
    run_long(line, variables, identity, patience, LONGEST_OUTPUT).await
}

/// The same, of a program that may print up to `longest` bytes.
///
/// # Errors
/// See `run`.
pub async fn run_long(
    line: &[String],
    variables: &[(&str, &str)],
    identity: Option<(u32, u32)>,
    patience: Duration,
    longest: usize,
) -> anyhow::Result<String> {
    to_its_end(line, variables, identity, patience, |out| whole(out, longest)).await
}

/// The same, of a program that may print much: `told` hears each line, and none is kept.
///
/// # Errors
/// See `run`.
pub async fn each_line(
    line: &[String],
    variables: &[(&str, &str)],
    identity: Option<(u32, u32)>,
    patience: Duration,
    told: impl FnMut(&str),
) -> anyhow::Result<()> {
    to_its_end(line, variables, identity, patience, |out| tell(out, told)).await
}

async fn to_its_end<T, R: Future<Output = anyhow::Result<T>>>(
    line: &[String],
    variables: &[(&str, &str)],
    identity: Option<(u32, u32)>,
    patience: Duration,
    read: impl FnOnce(ChildStdout) -> R,
) -> anyhow::Result<T> {
    let (program, _) = line.split_first().context("no program is named")?;
    let mut child = spawn(line, variables, identity)?;
    let (out, err) = (child.stdout.take().context("no output")?, child.stderr.take().context("no output")?);
    let mut group = Group::led_by(&child)?;
    let running = async {
        let ended = async {
            group.leader_ended().await?;
            // What it left behind ends with it, and while the leader is not reaped its number cannot be another group's.
            group.kill();
            let status = child.wait().await?;
            group.leader = None;
            anyhow::Ok(status)
        };
        tokio::try_join!(ended, read(out), last_part(err))
    };
    let (status, out, complaints) = tokio::time::timeout(patience, running)
        .await
        .with_context(|| format!("{program} did not end within {} ms and was killed", patience.as_millis()))?
        .with_context(|| format!("{program} was run in vain"))?;
    if !status.success() {
        bail!("{program} failed ({status}): {}", last_words(&complaints));
    }
    Ok(out)
}

/// Starts a program in a process group of its own, with nothing of this one's environment.
pub(crate) fn spawn(line: &[String], variables: &[(&str, &str)], identity: Option<(u32, u32)>) -> anyhow::Result<Child> {
    let (program, arguments) = line.split_first().context("no program is named")?;
    let mut command = std::process::Command::new(program);
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir("/").process_group(0);
    if let Some((user, group)) = identity {
        command.uid(user).gid(group);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    tokio::process::Command::from(command).kill_on_drop(true).spawn().with_context(|| format!("{program} cannot be started"))
}

/// Looks whether the program of a line is there and can be run.
///
/// # Errors
/// It cannot be found, or is no program.
pub fn check(line: &[String]) -> anyhow::Result<()> {
    let program = line.first().context("no program is named")?;
    let facts = std::fs::metadata(program).with_context(|| format!("{program} cannot be found"))?;
    if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
        bail!("{program} is no program");
    }
    Ok(())
}

/// The last line of what a program printed, fit to be recorded.
pub fn last_line(printed: &str) -> Option<String> {
    printed.lines().map(str::trim).rfind(|line| !line.is_empty()).map(shown)
}

/// The last lines of what a program printed, fit to be recorded.
pub fn last_lines(printed: &str, most: usize) -> String {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(most)..];
    let left_out = if last.len() < lines.len() { "…\n" } else { "" };
    format!("{left_out}{}", last.iter().map(|line| shown(line)).collect::<Vec<_>>().join("\n"))
}

/// A program and all that it started. What is left of them is killed when this goes, also where nobody waits any more.
pub(crate) struct Group {
    leader: Option<Pid>,
}

impl Group {
    pub(crate) fn led_by(child: &Child) -> anyhow::Result<Self> {
        let leader = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the program has no number")?;
        Ok(Self { leader: Some(leader) })
    }

    /// Waits until the leader has ended, and leaves it unreaped.
    async fn leader_ended(&self) -> anyhow::Result<()> {
        let Some(leader) = self.leader else { return Ok(()) };
        // This thread is bounded by the time-out too: then the leader is killed.
        let waiting = tokio::task::spawn_blocking(move || waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
        waiting.await?.map(|_| ()).context("its end cannot be waited for")
    }

    pub(crate) fn kill(&self) {
        let Some(leader) = self.leader else { return };
        match kill_process_group(leader, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => tracing::warn!(%error, group = leader.as_raw_nonzero().get(), "what a program started cannot be killed"),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn whole(stream: impl AsyncRead + Unpin, longest: usize) -> anyhow::Result<String> {
    let mut text = Vec::new();
    stream.take(longest as u64 + 1).read_to_end(&mut text).await?;
    if text.len() > longest {
        bail!("it printed more than {} KiB", longest / 1024);
    }
    String::from_utf8(text).context("it printed what is no text")
}

async fn tell(out: impl AsyncRead + Unpin, mut told: impl FnMut(&str)) -> anyhow::Result<()> {
    let mut lines = BufReader::new(out).lines();
    while let Some(line) = lines.next_line().await? {
        told(&line);
    }
    Ok(())
}

async fn last_part(mut stream: impl AsyncRead + Unpin) -> anyhow::Result<Vec<u8>> {
    let (mut kept, mut chunk) = (Vec::new(), [0; LAST_COMPLAINTS]);
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&chunk[..read]);
        kept.drain(..kept.len().saturating_sub(LAST_COMPLAINTS));
    }
}

/// The last lines, fit to be recorded.
fn last_words(complaints: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaints);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    let words = last.iter().map(|line| shown(line)).collect::<Vec<_>>().join(" | ");
    if words.is_empty() { "it did not say why".to_owned() } else { words }
}

/// A line without control characters and secrets, and not too long.
fn shown(line: &str) -> String {
    masked(line).chars().filter(|c| !c.is_control()).take(LONGEST_LINE).collect()
}

/// A line without what looks like a secret: complaints are recorded for good, and programs quote what they were given.
fn masked(line: &str) -> String {
    let mut hidden = false;
    let word = |word: &str| {
        let hide_next = matches!(word.to_lowercase().as_str(), "bearer" | "basic") || (word.ends_with(['=', ':']) && tells_of_a_secret(word));
        if std::mem::replace(&mut hidden, hide_next) { "…".to_owned() } else { without_value(&without_user(word)) }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// `https://user:password@host` without who.
fn without_user(word: &str) -> String {
    let user = word.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    user.map_or_else(|| word.to_owned(), |(scheme, host)| format!("{scheme}://…@{host}"))
}

/// `token=value` without the value.
fn without_value(word: &str) -> String {
    let mut ends = word.match_indices(['=', ':']).map(|(at, _)| at + 1).filter(|end| *end < word.len());
    ends.find(|end| tells_of_a_secret(&word[..*end])).map_or_else(|| word.to_owned(), |end| format!("{}…", &word[..end]))
}

fn tells_of_a_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "passwd", "secret", "token", "credential", "key"].iter().any(|telling| name.contains(telling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_not_recorded() {
        for (line, shown) in [
            ("cannot reach 10.0.0.1:443", "cannot reach 10.0.0.1:443"),
            ("login failed: password=hunter2 user=ann", "login failed: password=… user=ann"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
            ("API_TOKEN: xyz rejected", "API_TOKEN: … rejected"),
            ("the token was rejected", "the token was rejected"),
            ("GET https://ann:pw@edge.example/x?token=abc failed", "GET https://…@edge.example/x?token=… failed"),
        ] {
            assert_eq!(masked(line), shown);
        }
        assert_eq!(last_words(b"1\n2\n3\n4\n5\n\x1b[31m6\n\n"), "2 | 3 | 4 | 5 | [31m6");
        assert_eq!(last_words(b""), "it did not say why");
    }
}
