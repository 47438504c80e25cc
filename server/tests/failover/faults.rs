//! What goes wrong in the middle, on real PostgreSQL: in the end one node takes the writes, and what was lost is what was said.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, down, id, person, plan, protected, step, steps, users};
use engine::{
    databases::{Exclusion, LossBound, NodeView},
    failover::{Action, Operation, OperationKind, State, StepState},
    journal::Command as Order,
};
use server::agent::wire::{Start, Stop, StopMode};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_dies_while_it_catches_up_gives_the_writes_back_to_the_old_primary() {
    let lab = Lab::up(&["--synchronous"]);
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    let load = lab.load();
    lab.writes_go_on().await;
    // It receives everything and replays nothing, so that the step waits.
    let west = lab.admin(WEST).await;
    let agreed = server.agree_to(OperationKind::Switchover, WEST).await;
    west.batch_execute("select pg_wal_replay_pause()").await.unwrap();
    server.until_some("it catches up", |picture| catches_up(picture.operation(&agreed)?)).await;
    lab.run(&["kill", WEST]);
    let done = server.outcome(agreed).await;
    assert_eq!(done.state, State::Failed, "{:#?}", steps(&done));
    assert_eq!(lab.writable().await, [EAST]);
    lab.writes_go_on().await;
    let (acknowledged, missing) = load.stop();
    assert!(acknowledged > 40 && missing == 0, "{missing} of {acknowledged} acknowledged rows are gone");
    lab.run(&["heal", WEST]);
    server.until("all is well", protected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn far_behind_the_bound_that_is_agreed_to_covers_what_is_lost() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    lab.run(&["kill", REPLICA]);
    server.until("the replica is down", down(REPLICA)).await;
    // Without its slot the west asks in vain; it runs, and answers.
    let admin = lab.admin(EAST).await;
    admin.batch_execute("select pg_terminate_backend(pid) from pg_stat_replication").await.unwrap();
    crate::place::until("its slot can be dropped", async || {
        admin.batch_execute("select pg_terminate_backend(pid) from pg_stat_replication").await.unwrap();
        admin.batch_execute("select pg_drop_replication_slot('pg_standby_west')").await.ok()
    })
    .await;
    lab.write(EAST, 11, 300).await;
    let end = lab.text(EAST, "select pg_current_wal_flush_lsn()::text").await.parse().unwrap();
    let read = |picture: &engine::picture::Picture| {
        let view = picture.observed.clusters.get(&users()).unwrap();
        view.node(&id(EAST)).and_then(NodeView::position) >= Some(end)
    };
    server.until("the primary was read since", read).await;
    lab.run(&["kill", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    let (LossBound::AtMost { bytes, .. } | LossBound::Open { bytes, .. }) = done.plan.loss else { panic!("{:?}", done.plan.loss) };
    let measured = (done.measured.lost_bytes.unwrap(), done.measured.lost_transactions.unwrap());
    assert!(measured.1 == 300 && measured.0 > 0 && measured.0 <= bytes, "{measured:?}, and at most {bytes} bytes were agreed to");
    assert!(done.measured.lost_span.is_some(), "when they were committed is in the log");
    assert_eq!(300 - i64::try_from(measured.1).unwrap(), lab.rows(WEST, 11).await, "what is gone is what was counted");
    assert_eq!(lab.writable().await, [WEST]);
    let back = server.rejoined(EAST).await;
    assert_eq!((back.measured.lost_transactions, back.measured.lost_bytes), (Some(300), Some(measured.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_disk_is_full_is_passed_over() {
    let lab = Lab::up(&["--synchronous"]);
    let wal = lab.data(WEST).join("pg_wal");
    let agent = lab.agent(WEST);
    agent.stop(WEST, &Stop { mode: StopMode::Fast, timeout_ms: 20_000, fence: false }).await.unwrap();
    let Some(mounted) = Mounted::over(&wal) else {
        println!("SKIPPED: this user may not mount a small file system, so no disk can be filled");
        return;
    };
    agent.start(WEST, &Start { timeout_ms: 30_000, release: false }).await.unwrap();
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    // As full as makes it no target, and not so full that it ends.
    let room = rustix::fs::statvfs(&wal).unwrap();
    let filler = usize::try_from(room.f_bavail * room.f_frsize).unwrap() - (40 << 20);
    std::fs::write(wal.join("filler"), vec![0_u8; filler]).unwrap();
    let passed_over = |picture: &engine::picture::Picture| {
        let plan = plan(picture, OperationKind::Switchover, Some(WEST));
        let west = plan.database().unwrap().candidates.iter().find(|candidate| candidate.node == id(WEST)).unwrap();
        west.exclusions.iter().any(|exclusion| matches!(exclusion, Exclusion::NoDiskRoom { .. }))
    };
    server.until("that its disk is full is seen", passed_over).await;
    let load = lab.load();
    lab.writes_go_on().await;
    lab.run(&["kill", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let best = plan(&server.picture(), OperationKind::Failover, None).database().unwrap().target.clone();
    assert_eq!(best, Some(id(REPLICA)));
    let done = server.carry_out(OperationKind::Failover, REPLICA).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    assert_eq!(step(&done, |action| matches!(action, Action::MeasureLoss { .. })).0, StepState::Done);
    lab.writes_go_on().await;
    let (acknowledged, missing) = load.stop();
    let counted = done.measured.lost_transactions.unwrap();
    assert!(
        acknowledged > 40 && missing <= counted,
        "{missing} of {acknowledged} acknowledged rows are gone, and {counted} transactions were counted"
    );
    assert_eq!(lab.writable().await, [REPLICA]);
    std::fs::remove_file(wal.join("filler")).unwrap();
    agent.stop(WEST, &Stop { mode: StopMode::Kill, timeout_ms: 20_000, fence: false }).await.unwrap();
    drop(mounted);
}

/// Its history is to begin in a file of its own, and there is no room for that: the old primary is stopped by then, and there is no way back.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_disk_fills_up_as_it_is_promoted_leaves_doubt_and_takes_over_once_there_is_room() {
    let lab = Lab::up(&["--synchronous"]);
    let wal = lab.data(WEST).join("pg_wal");
    let agent = lab.agent(WEST);
    agent.stop(WEST, &Stop { mode: StopMode::Fast, timeout_ms: 20_000, fence: false }).await.unwrap();
    let Some(mounted) = Mounted::over(&wal) else {
        println!("SKIPPED: this user may not mount a small file system, so no disk can be filled");
        return;
    };
    agent.start(WEST, &Start { timeout_ms: 30_000, release: false }).await.unwrap();
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    let load = lab.load();
    lab.writes_go_on().await;
    // Held where it catches up, while its disk fills.
    let west = lab.admin(WEST).await;
    let agreed = server.agree_to(OperationKind::Switchover, WEST).await;
    west.batch_execute("select pg_wal_replay_pause()").await.unwrap();
    server.until_some("it catches up", |picture| catches_up(picture.operation(&agreed)?)).await;
    let filler = wal.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 1 << 20]).is_ok() {}
    assert!(rustix::fs::statvfs(&wal).unwrap().f_bavail < 256, "full but for less than a MiB");
    west.batch_execute("select pg_wal_replay_resume()").await.unwrap();
    let done = server.outcome(agreed).await;
    assert_eq!(done.state, State::InDoubt, "{:#?}", steps(&done));
    let (state, said) = step(&done, |action| matches!(action, Action::Promote { .. }));
    assert_eq!(state, StepState::Failed, "{said}");
    assert_eq!(lab.writable().await, [""; 0], "nobody writes, and nothing says that somebody does");

    // Somebody makes room, starts it, and has the operation go on.
    std::fs::remove_file(&filler).unwrap();
    drop(file);
    lab.run(&["heal", WEST]);
    server.desk.act(&person("olga"), Order::Resume { operation: agreed, reason: "there is room".to_owned() }).await.unwrap();
    let done = server.outcome_after(agreed, State::InDoubt).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    assert_eq!(done.measured.lost_transactions, Some(0), "as the catching up had proven");
    assert_eq!(lab.writable().await, [WEST]);
    lab.writes_go_on().await;
    let (acknowledged, missing) = load.stop();
    assert!(acknowledged > 40 && missing == 0, "{missing} of {acknowledged} acknowledged rows are gone");
    server.until("all is well", protected).await;
    agent.stop(WEST, &Stop { mode: StopMode::Kill, timeout_ms: 20_000, fence: false }).await.unwrap();
    drop(mounted);
}

fn catches_up(operation: &Operation) -> Option<()> {
    let at = operation.plan.steps.iter().position(|step| matches!(step.action, Action::CatchUp { .. }))?;
    (operation.steps[at].state == StepState::Running).then_some(())
}

/// A small file system over a folder, with what was in it.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn over(folder: &std::path::Path) -> Option<Self> {
        let aside = folder.with_extension("aside");
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| Command::new(program).args(arguments).status().is_ok_and(|status| status.success());
        assert!(run("cp", &["-a".as_ref(), folder.as_ref(), aside.as_ref()]));
        if !run("mount", &["-t".as_ref(), "tmpfs".as_ref(), "-o".as_ref(), "size=256m".as_ref(), "lifeboat".as_ref(), folder.as_ref()]) {
            return None;
        }
        let mounted = Self(folder.to_owned());
        let inside = |path: &std::path::Path| format!("{}/.", path.display());
        assert!(run("cp", &["-a".as_ref(), inside(&aside).as_ref(), folder.as_ref()]));
        assert!(run("chown", &["--reference".as_ref(), aside.as_os_str(), folder.as_ref()]));
        assert!(run("rm", &["-r".as_ref(), aside.as_ref()]));
        Some(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // At once, whoever still has a file in it.
        if !Command::new("umount").arg("--lazy").arg(&self.0).status().is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.0.display());
        }
    }
}
