//! The write-ahead log between two full backups: restored together with the one before it, through a failover, and with its gaps told.

use crate::{
    Server, WHOLE,
    place::{EAST, Lab, id, until},
};
use engine::{
    backups::{BackupState, Fault, ProofLevel, chain},
    estate::{BackupSource, Estate},
    findings::{Complaint, Severity},
    id::PolicyId,
};

pub const LOG: &str = "user-database-log";

pub fn with_log(estate: &mut Estate) {
    let mut log = estate.backup_policies[0].clone();
    (log.id, log.kind, log.base) = (id(LOG), engine::backups::BackupType::Continuous, Some(id(WHOLE)));
    log.source = BackupSource::PgReceivewal { cluster: id("user-database") };
    let verification = log.verification.as_mut().unwrap();
    verification.count.clear();
    verification.assertions[0].name = "all rows are there".to_owned();
    verification.assertions[0].sql = "select count(*) = 30 from app.load_rows".to_owned();
    estate.backup_policies.push(log);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_after_a_full_backup_is_replayed_onto_it_to_its_very_end() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab, with_log).await;
    lab.write(EAST, 1, 10).await;
    // The first stretch begins with its slot; a full backup that it reaches back to comes after.
    assert_eq!(server.back_up(LOG).await.why, None);
    let base = server.back_up(WHOLE).await;
    assert_eq!((base.state, &base.why), (BackupState::Completed, &None));
    lab.write(EAST, 2, 10).await;
    let second = server.back_up(LOG).await;
    lab.write(EAST, 3, 10).await;
    let third = server.back_up(LOG).await;
    assert_eq!((third.state, &third.why), (BackupState::Completed, &None));
    let ledger = server.picture().records.backups.clone();
    let (bases, stretches) = (ledger.of(&id::<PolicyId>(WHOLE)), ledger.of(&id::<PolicyId>(LOG)));
    let window = chain::up_to(bases, stretches, third.id).unwrap();
    assert_eq!((window.base.id, window.wal.iter().map(|backup| backup.id).collect::<Vec<_>>()), (base.id, vec![second.id, third.id]));
    assert_eq!(chain::gaps(stretches, None, false), []);

    let result = server.prove(&third, "backups-us-west-2").await;
    assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Answers), &None));
    assert!(result.rungs[4].said.contains("“all rows are there” is true"), "{:#?}", result.rungs);
    // The newest commit in it is the point itself, or what was written just before.
    let point = third.contents.as_ref().unwrap().recoverable_to.unwrap();
    assert!(result.recovered_to.unwrap() >= point, "{:?} {point:?}", result.recovered_to);
    // The stretch before it ends before the last rows.
    let failure = server.prove(&second, "backups-us-east-1").await.failure.unwrap();
    assert_eq!((failure.level, failure.why.as_str()), (ProofLevel::Answers, "“all rows are there” is not true"));

    // A full backup whose log is gone is of no use for that moment, and the file is named.
    let copy = server.copy(&second, "backups-us-east-1");
    let segment = std::fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.file_name().unwrap().len() == 24).unwrap();
    for place in ["backups-us-east-1", "backups-us-west-2"] {
        std::fs::remove_file(server.copy(&second, place).join(segment.file_name().unwrap())).unwrap();
    }
    let failure = server.prove(&third, "backups-us-east-1").await.failure.unwrap();
    assert_eq!((failure.level, failure.fault), (ProofLevel::Readable, Fault::Backup));
    assert!(failure.why.contains("is not there") && failure.why.contains(&second.id.short()), "{failure:?}");
    assert_eq!(server.left_at_work(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_cluster_leaves_no_record_at_each_fire_and_is_not_late_for_it() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab, |estate| {
        with_log(estate);
        let log = estate.backup_policies.last_mut().unwrap();
        (log.schedule, log.grace) = ("* * * * *".to_owned(), engine::time::Span::from_secs(20));
        log.verification = None;
    })
    .await;
    // What PostgreSQL tidies up by itself is something new.
    lab.admin(EAST).await.batch_execute("alter system set autovacuum = off").await.unwrap();
    lab.admin(EAST).await.batch_execute("select pg_reload_conf()").await.unwrap();
    lab.write(EAST, 1, 10).await;
    let minute = chrono::TimeDelta::minutes(1);
    let records = |picture: &engine::picture::Picture| picture.records.backups.of(&id::<PolicyId>(LOG)).len();
    // A fire passes that leaves no record, and the next one is what is due.
    let quiet = server.until_some("nothing is new", |picture| {
        let last = picture.records.backups.of(&id::<PolicyId>(LOG)).last()?.ended_at?;
        let due = picture.observed.backups.times.get(&id(LOG))?.due?;
        (due - last > minute).then(|| records(picture))
    });
    let quiet = quiet.await;
    assert!(!server.findings(LOG).iter().any(|finding| matches!(finding.complaint, Complaint::BackupLate { .. })), "{:#?}", server.findings(LOG));
    lab.write(EAST, 2, 1).await;
    server.until("what is new leaves one", |picture| records(picture) > quiet).await;
    let last = server.picture().records.backups.of(&id::<PolicyId>(LOG)).last().unwrap().id;
    assert_eq!(server.ended(LOG, last).await.why, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_that_the_primary_threw_away_is_a_gap_that_is_told_and_a_full_backup_begins_anew() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab, with_log).await;
    lab.write(EAST, 1, 10).await;
    assert_eq!(server.back_up(LOG).await.why, None);
    assert_eq!(server.back_up(WHOLE).await.why, None);
    assert_eq!(server.back_up(LOG).await.why, None);
    // Somebody drops the slot, what was fetched last is lost with the machine, and the primary goes on.
    let admin = lab.admin(EAST).await;
    admin.batch_execute("select pg_drop_replication_slot('lifeboat_user_database_log')").await.unwrap();
    std::fs::remove_dir_all(server.config.data.join("log").join(LOG)).unwrap();
    for statement in ["alter system set wal_keep_size = '0'", "select pg_reload_conf()"] {
        admin.batch_execute(statement).await.unwrap();
    }
    for _ in 0..3 {
        lab.write(EAST, 40, 1).await;
        admin.batch_execute("delete from app.load_rows where run = 40").await.unwrap();
        admin.batch_execute("select pg_switch_wal()").await.unwrap();
        admin.batch_execute("checkpoint").await.unwrap();
    }
    let after = server.back_up(LOG).await;
    assert_eq!((after.state, &after.why), (BackupState::Completed, &None));
    let told = |complaint: &Complaint| matches!(complaint, Complaint::WalGap { from, to } if to > from);
    let found = server.findings(LOG);
    assert!(found.iter().any(|finding| finding.severity == Severity::Act && told(&finding.complaint)), "{found:#?}");
    assert!(found.iter().any(|finding| matches!(finding.complaint, Complaint::WalWithoutBase)), "{found:#?}");
    let failure = server.prove(&after, "backups-us-east-1").await.failure.unwrap();
    assert!(failure.why.contains("no full backup of user-database-daily leads up to it without a gap"), "{failure:?}");

    assert_eq!(server.back_up(WHOLE).await.why, None);
    lab.write(EAST, 2, 20).await;
    let last = server.back_up(LOG).await;
    until("it is proven again", async || {
        let result = server.prove(&last, "backups-us-west-2").await;
        result.failure.is_none().then_some(())
    })
    .await;
    assert!(!server.findings(LOG).iter().any(|finding| matches!(finding.complaint, Complaint::WalWithoutBase)));
}
