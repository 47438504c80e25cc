//! Programs of the server's configuration that turn a node off where its host agent cannot: a power switch, a hypervisor, a cloud's API.
//! A program that says so is believed only where nothing contradicts it.

use crate::{
    config::FenceLines,
    connect::{
        postgres::{Address, Presence},
        program,
    },
};
use anyhow::{Context, bail};
use engine::{abilities::FenceCommand, id::FenceId};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep};

/// How often it is looked whether the node is off yet.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Whatever starts a node that ended by itself has done so by then.
const STAYS_OFF: Duration = Duration::from_millis(500);
/// Whoever says nothing for so long is silent.
const LOOKS_FOR: Duration = Duration::from_secs(2);

/// Where it can be seen whether a node is off.
pub trait Look: Sync {
    fn look(&self) -> impl Future<Output = Presence> + Send;
}

impl Look for Address {
    async fn look(&self) -> Presence {
        self.presence(LOOKS_FOR).await
    }
}

/// One `[fence.NAME]`.
pub struct Fence {
    id: FenceId,
    lines: FenceLines,
}

impl Fence {
    pub fn new(id: &FenceId, lines: &FenceLines) -> Self {
        Self { id: id.clone(), lines: lines.clone() }
    }

    /// What can be expected of it.
    ///
    /// # Errors
    /// Why it cannot be run: a program that is not there, or is none.
    pub fn usable(&self) -> Result<FenceCommand, String> {
        let lines = [Some(&self.lines.command), self.lines.proof.as_ref()];
        let checked = lines.into_iter().flatten().try_for_each(|line| program::check(line));
        checked.map_err(|why| format!("[fence.{}]: {why:#}", self.id))?;
        Ok(FenceCommand { proves: self.lines.proof.is_some(), timeout: self.lines.timeout })
    }

    /// Turns a node off, and looks whether it answers. Returns what proves it.
    ///
    /// # Errors
    /// The command failed or hung, the proof did not succeed in time, or the node still answers: then it is not fenced.
    pub async fn turn_off(&self, variables: &[(&str, &str)], node: &impl Look) -> anyhow::Result<String> {
        let timeout = self.lines.timeout.as_std();
        let with = |action| [&[("LIFEBOAT_ACTION", action)], variables].concat();
        let (fencing, proving) = (with("fence"), with("prove"));
        let printed = program::run(&self.lines.command, &fencing, timeout).await.with_context(|| format!("not fenced: the command {}", self.id))?;
        let mut said = format!("the command {} ended well{}", self.id, in_its_words(&printed));
        let deadline = Instant::now() + timeout;
        loop {
            match node.look().await {
                Presence::Silent(_) => break,
                Presence::Answers(what) if Instant::now() > deadline => bail!("not fenced: {said}, and yet {what}"),
                Presence::Answers(_) => sleep(BETWEEN_LOOKS).await,
            }
        }
        if let Some(proof) = &self.lines.proof {
            let printed = loop {
                // Always tried, however long it took the node to go.
                let left = deadline.saturating_duration_since(Instant::now()).max(STAYS_OFF);
                match program::run(proof, &proving, left).await {
                    Ok(printed) => break printed,
                    Err(error) if Instant::now() > deadline => {
                        return Err(error.context(format!("not fenced: {said}, and the proof of {} did not succeed", self.id)));
                    }
                    Err(_) => sleep(BETWEEN_LOOKS).await,
                }
            };
            said.push_str(&format!(", its proof succeeded{}", in_its_words(&printed)));
        }
        sleep(STAYS_OFF).await;
        match node.look().await {
            Presence::Silent(how) => Ok(format!("{said}, and nobody answers at its address ({how})")),
            Presence::Answers(what) => bail!("not fenced: {said}, and yet {what}"),
        }
    }
}

fn in_its_words(printed: &str) -> String {
    program::last_line(printed).map_or_else(String::new, |line| format!(" (“{line}”)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::time::Span;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn fence(command: &str, proof: Option<&str>) -> Fence {
        let shell = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let lines = FenceLines { command: shell(command), proof: proof.map(shell), timeout: Span::from_millis(400) };
        Fence::new(&"power".parse().unwrap(), &lines)
    }
    /// Silent at the first so many looks.
    struct Node(AtomicUsize);
    fn silent() -> Node {
        Node(AtomicUsize::new(usize::MAX))
    }
    fn alive_after(looks: usize) -> Node {
        Node(AtomicUsize::new(looks))
    }
    impl Look for Node {
        async fn look(&self) -> Presence {
            let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |looks| looks.checked_sub(1));
            left.map_or_else(|_| Presence::Answers("it answers and takes writes".to_owned()), |_| Presence::Silent("refused".to_owned()))
        }
    }
    async fn why(fence: Fence, node: Node) -> String {
        format!("{:#}", fence.turn_off(&[("LIFEBOAT_NODE", "pg-east")], &node).await.unwrap_err())
    }

    #[tokio::test]
    async fn what_succeeds_and_is_silent_is_off_and_its_words_are_kept_without_secrets() {
        let fence = fence("echo \"$LIFEBOAT_ACTION $LIFEBOAT_NODE token=abc\"", Some("echo \"$LIFEBOAT_ACTION: off\""));
        assert_eq!(
            fence.turn_off(&[("LIFEBOAT_NODE", "pg-east")], &silent()).await.unwrap(),
            "the command power ended well (“fence pg-east token=…”), its proof succeeded (“prove: off”), and nobody answers at its address (refused)"
        );
    }

    #[tokio::test]
    async fn what_fails_or_hangs_fences_nothing() {
        let failed = why(fence("echo 'password=hunter2 is wrong' >&2; exit 3", None), silent()).await;
        assert!(failed.starts_with("not fenced: the command power: ") && failed.contains("exit status: 3"), "{failed}");
        assert!(failed.contains("password=… is wrong"), "{failed}");
        let hung = why(fence("sleep 60", None), silent()).await;
        assert!(hung.contains("did not end within 400 ms and was killed"), "{hung}");
        let unproven = why(fence("true", Some("echo 'still on' >&2; exit 1")), silent()).await;
        assert!(unproven.contains("the proof of power did not succeed") && unproven.contains("still on"), "{unproven}");
    }

    #[tokio::test]
    async fn what_still_answers_is_not_off_whatever_is_said_of_it() {
        let lied = why(fence("true", Some("true")), alive_after(0)).await;
        assert_eq!(lied, "not fenced: the command power ended well, and yet it answers and takes writes");
        let restarted = why(fence("true", None), alive_after(1)).await;
        assert!(restarted.ends_with("and yet it answers and takes writes"), "off for a moment, something started it again: {restarted}");
    }

    #[test]
    fn a_command_begins_with_an_absolute_path_and_ends_within_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let read = |section: &str| {
            let file = folder.path().join("lifeboat.toml");
            std::fs::write(&file, format!("[fence.power]\n{section}")).unwrap();
            crate::config::Config::read(&file).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(read("command = [\"/bin/true\"]").unwrap().fence[&"power".parse().unwrap()].timeout, Span::from_secs(20));
        for (section, why) in [
            ("command = [\"power\", \"off\"]", "[fence.power]: `command` begins with the absolute path of a program"),
            ("command = []", "`command` begins with the absolute path"),
            ("command = [\"/bin/true\"]\nproof = [\"true\"]", "`proof` begins with the absolute path"),
            ("command = [\"/bin/true\"]\ntimeout = \"0s\"", "`timeout` is more than 0s and at most 5m"),
            ("command = [\"/bin/true\"]\ntimeout = \"6m\"", "and not 6m"),
        ] {
            let said = read(section).unwrap_err();
            assert!(said.contains(why), "{section}: {said}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_said_before_it_is_needed() {
        let lines = FenceLines { command: vec!["/nonexistent".to_owned()], proof: None, timeout: Span::from_secs(1) };
        let why = Fence::new(&"power".parse().unwrap(), &lines).usable().unwrap_err();
        assert!(why.starts_with("[fence.power]: /nonexistent cannot be found"), "{why}");
        assert!(fence("true", Some("true")).usable().unwrap().proves);
    }
}
