//! Small real programs: shell scripts, named by the path of the shell and their own, since no shell is started for them.

use crate::place::{EAST, Place, WEST, assert_says, regions, until, why};
use server::connect::traffic::TrafficControl;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const MEANS: &str = r#"{ command = { name = "edge" } }"#;

/// Keeps the regions in a file beside it.
const READ: &str = "cat \"${0%/*}/on\"";
const SEND: &str = "for region in $LIFEBOAT_REGIONS; do echo $region; done >\"${0%/*}/on\"";

struct Programs {
    place: Place,
}

impl Programs {
    fn new() -> Self {
        let place = Place::new();
        place.write("on", "us-east-1\n");
        Self { place }
    }

    /// Scripts for some of the actions, with `read` and `send` as above where they are not given.
    fn control(&self, scripts: &[(&str, &str)], settings: &str) -> Arc<dyn TrafficControl> {
        let mut config = "[command.edge]\n".to_owned();
        for (action, text) in [("read", READ), ("send", SEND)].iter().chain(scripts) {
            let path = self.place.write(action, text);
            let line = format!("{action} = [\"/bin/sh\", {path:?}]\n");
            if !config.contains(&line) {
                config.push_str(&line);
            }
        }
        self.place.control(MEANS, &(config + settings)).unwrap()
    }
}

#[tokio::test]
async fn programs_read_send_and_rehearse() {
    let programs = Programs::new();
    let control = programs.control(&[("rehearse", "test \"$LIFEBOAT_ACTION $LIFEBOAT_REGIONS\" = \"rehearse us-west-2\"")], "");
    assert!(control.abilities().rehearses);
    assert_says(&control.rehearse(&regions([WEST])).await.unwrap(), &["sent to us-east-1", "its own rehearsal of that succeeded"]);
    assert_says(&why(control.rehearse(&regions([EAST])).await), &["to rehearse", "exit status: 1", "did not say why"]);
    assert_eq!(control.regions().await.unwrap(), regions([EAST]), "a rehearsal moves nobody");

    assert_says(&control.send_to(&regions([EAST, WEST])).await.unwrap(), &["sent clients to us-east-1 and us-west-2, read back"]);
    assert_says(&control.send_to(&regions([EAST, WEST])).await.unwrap(), &["already"]);
    control.send_to(&regions([])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([]));
}

#[tokio::test]
async fn without_a_rehearsal_only_reading_is_rehearsed_and_that_is_said() {
    let programs = Programs::new();
    let control = programs.control(&[], "");
    assert!(!control.abilities().rehearses);
    assert_says(&control.rehearse(&regions([WEST])).await.unwrap(), &["only reading was rehearsed"]);
}

#[tokio::test]
async fn a_program_sees_nothing_but_what_it_is_told() {
    let programs = Programs::new();
    let control = programs.control(&[("read", "/usr/bin/env >\"${0%/*}/seen\"; cat >>\"${0%/*}/seen\"; pwd >>\"${0%/*}/seen\"")], "");
    assert_eq!(control.regions().await.unwrap(), regions([]), "standard input is closed, so `cat` ended");
    let seen = std::fs::read_to_string(programs.place.path("seen")).unwrap();
    // `PWD`, `OLDPWD` and `_` are the shell's own.
    let own = |line: &&str| !["PWD=", "OLDPWD=", "_="].iter().any(|name| line.starts_with(name));
    let mut lines: Vec<&str> = seen.lines().filter(own).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["/", "LIFEBOAT_ACTION=read", "LIFEBOAT_REGIONS=", "LIFEBOAT_SERVICE=checkout-api"]);
    assert!(std::env::var_os("PATH").is_some(), "this test's own environment has more");
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_what_it_started() {
    let programs = Programs::new();
    let script = "sleep 300 & echo $! >\"${0%/*}/child\"; wait";
    let control = programs.control(&[("read", script)], "timeout = \"500ms\"");
    let started = Instant::now();
    assert_says(&why(control.regions().await), &["did not end within 500 ms and was killed"]);
    assert!(started.elapsed() < Duration::from_secs(5));
    child_is_gone(&programs.place).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let programs = Programs::new();
    let script = "sleep 300 & echo $! >\"${0%/*}/child\"; echo us-west-2";
    let control = programs.control(&[("read", script)], "");
    assert_eq!(control.regions().await.unwrap(), regions([WEST]), "the child that holds the output is not waited for");
    child_is_gone(&programs.place).await;
}

#[tokio::test]
async fn a_program_that_nobody_waits_for_any_more_is_killed() {
    let programs = Programs::new();
    let control = programs.control(&[("read", "sleep 300 & echo $! >\"${0%/*}/child\"; wait")], "timeout = \"1h\"");
    let asked = tokio::spawn(async move { control.regions().await });
    until("the program runs", async || child(&programs.place).is_some()).await;
    asked.abort();
    child_is_gone(&programs.place).await;
}

fn child(place: &Place) -> Option<i32> {
    std::fs::read_to_string(place.path("child")).ok()?.trim().parse().ok()
}

async fn child_is_gone(place: &Place) {
    let child = child(place).unwrap();
    until("the child is gone", async || server::agent::processes::look(child).is_none_or(|process| !process.is_alive())).await;
}

#[tokio::test]
async fn megabytes_are_not_kept() {
    let programs = Programs::new();
    let control = programs.control(&[("read", "exec /usr/bin/yes us-east-1")], "timeout = \"1m\"");
    assert_says(&why(control.regions().await), &["more than 64 KiB"]);
    let control = programs.control(&[("read", "/usr/bin/seq 2000000 >&2; echo the disk is full >&2; exit 3")], "timeout = \"1m\"");
    let said = why(control.regions().await);
    assert_says(&said, &["exit status: 3", "2000000 | the disk is full"]);
    assert!(said.len() < 400, "{said}");
}

#[tokio::test]
async fn failures_are_said_and_never_taken_for_success() {
    let programs = Programs::new();
    for (script, said) in [
        ("echo 'login with password=hunter2 refused' >&2; exit 1", "password=… refused"),
        ("echo 'us east!'", "which is no id of a region"),
        ("kill -9 $$", "signal: 9"),
    ] {
        assert_says(&why(programs.control(&[("read", script)], "").regions().await), &[said]);
    }
    let lying = programs.control(&[("send", "exit 0")], "timeout = \"500ms\"");
    assert_says(&why(lying.send_to(&regions([WEST])).await), &["still sends clients to us-east-1 and not to us-west-2"]);
}

#[test]
fn command_lines_come_from_the_configuration_only() {
    let place = Place::new();
    assert_says(&why(place.control(MEANS, "")), &["no [command.edge]"]);
    for line in ["[]", "[\"edge\"]", "[\"./edge\"]"] {
        let text = format!("[command.edge]\nread = [\"/bin/true\"]\nsend = {line}");
        assert_says(&why(place.config(&text)), &["[command.edge]", "`send` begins with the absolute path"]);
    }
    let missing = place.control(MEANS, "[command.edge]\nread = [\"/nonexistent\"]\nsend = [\"/nonexistent\"]").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_says(&why(runtime.block_on(missing.regions())), &["/nonexistent cannot be started"]);
}
