//! What breaks in the middle leaves nothing that counts, and nothing that runs.

use crate::{
    DUMP, Server, WHOLE,
    place::{EAST, Lab, id, until},
};
use engine::{
    backups::{BackupCopy, BackupState, ledger::BackupCommand, sights::Stage},
    estate::Estate,
    findings::Complaint,
};

/// A session that holds a table: whoever reads it waits.
async fn hold(lab: &Lab) -> tokio_postgres::Client {
    let admin = lab.admin(EAST).await;
    admin.batch_execute("begin; lock table app.load_rows in access exclusive mode").await.unwrap();
    admin
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_gone_costs_its_copy_and_not_the_backup_and_two_cost_the_backup() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 1, 5).await;
    let server = Server::start(&lab, |_| ()).await;
    let backup = server.back_up(WHOLE).await;
    assert_eq!(server.proven(&backup, 1).await.failure, None);
    let folder = |place: &str| lab.folder.join("backups").join(place);
    let aside = lab.folder.join("aside");
    std::fs::rename(folder("us-west-2"), &aside).unwrap();
    let second = server.back_up(WHOLE).await;
    assert_eq!(second.state, BackupState::Completed);
    assert!(
        matches!(&second.copies[&id("backups-us-west-2")], BackupCopy::Failed { why, .. } if why.contains("is not there")),
        "{:#?}",
        second.copies
    );
    let failed = |complaint: &Complaint| matches!(complaint, Complaint::CopyFailed { destination, .. } if *destination == id("backups-us-west-2"));
    assert!(server.findings(WHOLE).iter().any(|finding| failed(&finding.complaint)));
    // A folder that is not mounted is not made beside it.
    assert!(!folder("us-west-2").exists());

    std::fs::remove_dir_all(folder("us-east-1")).unwrap();
    let third = server.back_up(WHOLE).await;
    assert_eq!(third.state, BackupState::Failed);
    assert!(third.why.as_ref().unwrap().contains("no destination took a copy"), "{third:#?}");
    assert!(server.findings(WHOLE).iter().any(|finding| matches!(finding.complaint, Complaint::BackupFailed { .. })));
    assert_eq!(server.left_at_work(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_hangs_is_stopped_by_whoever_may_or_by_its_time_out_and_takes_its_tool_along() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 1, 5).await;
    let server = Server::start(&lab, |estate| {
        let dump = estate.backup_policies.iter_mut().find(|policy| policy.id.as_str() == DUMP).unwrap();
        dump.timeout = engine::time::Span::from_secs(4);
        let mut slow = dump.clone();
        (slow.id, slow.timeout) = (id("patient"), engine::time::Span::from_mins(60));
        // Nothing is counted beforehand, so that it is the tool that waits.
        slow.verification = None;
        estate.backup_policies.push(slow);
    })
    .await;
    let holder = hold(&lab).await;
    let late = server.back_up(DUMP).await;
    assert_eq!(late.state, BackupState::Failed);
    assert!(late.why.as_ref().unwrap().contains("it took longer than 4s"), "{late:#?}");

    let running = server.begin("patient").await;
    let waits = "select count(*)::text from pg_stat_activity where application_name = 'lifeboat backup' and wait_event_type = 'Lock'";
    let watcher = lab.admin("pg-primary-east").await;
    until("pg_dump waits", async || (watcher.query_one(waits, &[]).await.unwrap().get::<_, String>(0) == "1").then_some(())).await;
    server
        .until("its progress is told", |picture| {
            picture.observed.backups.progress.get(&running).is_some_and(|progress| progress.stage == Stage::Reading)
        })
        .await;
    server.act("patient", running, BackupCommand::Stop { reason: "it holds the release up".to_owned() }).await.unwrap();
    let stopped = server.ended("patient", running).await;
    assert_eq!(stopped.why.as_deref(), Some("olga stopped it: it holds the release up"));
    until("nothing reads any more", async || {
        let reading = "select count(*)::text from pg_stat_activity where application_name = 'lifeboat backup'";
        (watcher.query_one(reading, &[]).await.unwrap().get::<_, String>(0) == "0").then_some(())
    })
    .await;
    assert_eq!(server.left_at_work(), Vec::<String>::new());
    assert!(!server.picture().observed.backups.progress.contains_key(&running) || server.backup("patient", running).is_some());
    drop(holder);
    until("the lock is gone", async || {
        let free = lab.admin(EAST).await.batch_execute("set lock_timeout = '100ms'; select count(*) from app.load_rows").await;
        free.is_ok().then_some(())
    })
    .await;
    assert_eq!(server.back_up("patient").await.state, BackupState::Completed, "and the next one is well");
}

/// The real server, in a process of its own.
struct Process(std::process::Child, std::path::PathBuf);

impl Process {
    /// Comes back when it serves: what was begun before would have been left by another.
    async fn start(lab: &Lab) -> Self {
        let site = lab.folder.join("no-site");
        std::fs::create_dir_all(site.join("pkg")).unwrap();
        std::fs::write(site.join("pkg/lifeboat.js"), "").unwrap();
        let kept = lab.folder.join("server.log");
        let log = std::fs::File::options().create(true).append(true).open(&kept).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(lab.folder.join("lifeboat.toml"));
        command.env("LEPTOS_SITE_ROOT", &site).env("LEPTOS_HASH_FILES", "false");
        let before = std::fs::read_to_string(&kept).unwrap().matches("Lifeboat: ").count();
        let process = Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap(), kept);
        until("it serves", async || (std::fs::read_to_string(&process.1).unwrap().matches("Lifeboat: ").count() > before).then_some(())).await;
        process
    }
    /// With -9: nothing is tidied up.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.1).unwrap_or_default());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_the_middle_of_a_job_leaves_a_failure_and_no_orphan() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 1, 5).await;
    // Nothing is counted beforehand, so that it is the tool that waits.
    let file = lab.folder.join("estate.toml");
    let mut estate = Estate::from_toml(&std::fs::read_to_string(&file).unwrap()).unwrap();
    estate.backup_policies.iter_mut().for_each(|policy| policy.verification = None);
    std::fs::write(&file, estate.to_toml().unwrap()).unwrap();
    let holder = hold(&lab).await;
    // Another process of the same store asks; the server does it.
    let desk = Server::look_on(&lab).await;
    let first = Process::start(&lab).await;
    let mut backup = desk.begin(DUMP).await;
    let reading = "select count(*)::text from pg_stat_activity where application_name = 'lifeboat backup' and wait_event_type = 'Lock'";
    let watcher = lab.admin(EAST).await;
    until("it is read", async || {
        desk.desk.read_on().await.unwrap();
        // A server that has not seen the cluster yet cannot read it.
        if desk.backup(DUMP, backup).is_some_and(|known| known.state == BackupState::Failed) {
            backup = desk.begin(DUMP).await;
        }
        (watcher.query_one(reading, &[]).await.unwrap().get::<_, String>(0) == "1").then_some(())
    })
    .await;
    first.kill();
    assert!(desk.left_at_work().iter().any(|left| left.starts_with("process")), "the tool goes on by itself: {:?}", desk.left_at_work());

    let second = Process::start(&lab).await;
    until("it is told as failed", async || {
        desk.desk.read_on().await.unwrap();
        let state = desk.backup(DUMP, backup).unwrap().state;
        (state == BackupState::Failed).then_some(())
    })
    .await;
    assert_eq!(desk.backup(DUMP, backup).unwrap().why.as_deref(), Some("the server stopped in the middle of it"));
    assert_eq!(desk.left_at_work(), Vec::<String>::new(), "until the next server ends it");
    drop(holder);
    let next = desk.begin(DUMP).await;
    until("the next one is whole", async || {
        desk.desk.read_on().await.unwrap();
        desk.backup(DUMP, next).filter(|backup| backup.is_good())
    })
    .await;
    drop(second);
}
