//! What is proven was restored; what cannot be restored is not.

use crate::{
    DUMP, Server, WHOLE,
    place::{EAST, Lab, id},
};
use engine::{
    backups::{BackupCopy, BackupState, Fault, ProofLevel, Proven},
    findings::{Complaint, Finding, Severity},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_backed_up_copied_to_two_places_and_answers_after_a_restore() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 1, 50).await;
    let server = Server::start(&lab, |_| ()).await;
    let load = lab.load();
    lab.writes_go_on().await;
    let backup = server.back_up(WHOLE).await;
    let (_, missing) = load.stop();
    assert_eq!((backup.state, &backup.why, missing), (BackupState::Completed, &None, 0));
    let contents = backup.contents.as_ref().unwrap();
    let names: Vec<&str> = contents.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["base.tar.zst", "pg_wal.tar", "backup_manifest"]);
    assert!(contents.tool.starts_with("pg_basebackup (PostgreSQL) 1"), "{}", contents.tool);
    for destination in ["backups-us-east-1", "backups-us-west-2"] {
        assert!(matches!(backup.copies[&id(destination)], BackupCopy::Stored { .. }), "{:#?}", backup.copies);
        assert!(server.copy(&backup, destination).join("lifeboat.json").is_file(), "a copy says what it is");
    }
    // The first proof is due as soon as there is something to prove.
    let result = server.proven(&backup, 1).await;
    assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Answers), &None));
    let rungs: Vec<ProofLevel> = result.rungs.iter().map(|rung| rung.level).collect();
    assert_eq!(rungs, ProofLevel::ALL);
    assert!(
        result.rungs[4].said.contains("app.load_rows has") && result.rungs[4].said.contains("“no row is from the future” is true"),
        "{:#?}",
        result.rungs
    );
    // Measured: how long it took, and the newest commit in it. Nothing that was committed before what was promised is missing.
    assert!(result.restore_took.is_some());
    assert!(result.recovered_to.unwrap() >= contents.recoverable_to.unwrap(), "{:?} {:?}", result.recovered_to, contents.recoverable_to);
    // The source was left as it was, and so is this machine.
    assert_eq!(
        lab.text(EAST, "select string_agg(slot_name, ' ' order by slot_name) from pg_replication_slots where slot_name like 'pg_base%'").await,
        ""
    );
    assert_eq!(server.left_at_work(), Vec::<String>::new());
    let lost = server.findings(WHOLE).into_iter().filter(|finding| finding.severity < Severity::Watch).collect::<Vec<_>>();
    assert_eq!(lost, [], "all is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_truncated_changed_in_one_bit_or_deleted_is_not_proven_and_the_file_is_named() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 1, 50).await;
    let server = Server::start(&lab, |_| ()).await;
    let backup = server.back_up(WHOLE).await;
    assert_eq!(server.proven(&backup, 1).await.failure, None);
    assert_eq!(server.prove(&backup, "backups-us-west-2").await.reached(), Some(ProofLevel::Answers));
    let base = server.copy(&backup, "backups-us-east-1").join("base.tar.zst");
    let whole = std::fs::read(&base).unwrap();

    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for (damaged, level, says) in [
        (Some(&whole[..middle]), ProofLevel::Exists, "base.tar.zst has "),
        (Some(&changed[..]), ProofLevel::Checksum, "base.tar.zst has the SHA-256"),
        (None, ProofLevel::Exists, "base.tar.zst is not there"),
    ] {
        match damaged {
            Some(bytes) => std::fs::write(&base, bytes).unwrap(),
            None => std::fs::remove_file(&base).unwrap(),
        }
        let failure = server.prove(&backup, "backups-us-east-1").await.failure.unwrap();
        assert_eq!((failure.level, failure.fault), (level, Fault::Backup), "{failure:?}");
        assert!(failure.why.contains(says), "{failure:?}");
        assert!(server.backup(WHOLE, backup.id).unwrap().is_restorable(), "the other copy was restored");
        let told = server.findings(WHOLE);
        let names_it = |finding: &Finding| match &finding.complaint {
            Complaint::CopyDamaged { destination, .. } | Complaint::CopyMissing { destination, .. } => destination.as_str() == "backups-us-east-1",
            _ => false,
        };
        assert!(told.iter().any(|finding| finding.severity == Severity::Act && names_it(finding)), "{told:#?}");
        std::fs::write(&base, &whole).unwrap();
        assert_eq!(server.prove(&backup, "backups-us-east-1").await.failure, None, "whole again");
    }
    // One damaged copy is one copy less; two are the end of the backup.
    for (destination, is_left) in [("backups-us-east-1", true), ("backups-us-west-2", false)] {
        std::fs::write(server.copy(&backup, destination).join("base.tar.zst"), &changed).unwrap();
        assert_eq!(server.prove(&backup, destination).await.failure.unwrap().level, ProofLevel::Checksum);
        assert_eq!(server.backup(WHOLE, backup.id).unwrap().is_restorable(), is_left, "after {destination}");
    }
    assert!(matches!(server.backup(WHOLE, backup.id).unwrap().proven(), Proven::Failed { .. }), "verified became failed");
    let told = server.findings(WHOLE);
    assert!(told.iter().any(|finding| finding.severity == Severity::Lost && matches!(finding.complaint, Complaint::ProofFailed { .. })), "{told:#?}");
    assert_eq!(server.left_at_work(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_a_damaged_page_gives_no_backup_and_the_tool_says_why() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 1, 400).await;
    // On disk, where the node finds it after a crash.
    let file = lab.text(EAST, "select pg_relation_filepath('app.load_rows')").await;
    lab.admin(EAST).await.batch_execute("checkpoint").await.unwrap();
    lab.run(&["kill", EAST]);
    let path = lab.data(EAST).join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    lab.run(&["heal", EAST]);
    // Nothing is counted, so that nobody but the tool reads the page.
    let server = Server::start(&lab, |estate| estate.backup_policies.iter_mut().for_each(|policy| policy.verification = None)).await;
    let backup = server.back_up(WHOLE).await;
    assert_eq!(backup.state, BackupState::Failed, "{backup:#?}");
    assert!(backup.why.as_ref().unwrap().contains("checksum"), "{backup:#?}");
    assert_eq!(server.left_at_work(), Vec::<String>::new(), "what failed is taken away too");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_is_dumped_restored_into_an_empty_server_and_its_rows_are_the_same() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 7, 123).await;
    let server = Server::start(&lab, |_| ()).await;
    let backup = server.back_up(DUMP).await;
    assert_eq!((backup.state, &backup.why), (BackupState::Completed, &None));
    assert_eq!(backup.contents.as_ref().unwrap().counts[0].before, 123);
    let result = server.proven(&backup, 1).await;
    assert_eq!((result.reached(), &result.failure), (Some(ProofLevel::Answers), &None));
    assert!(result.rungs[4].said.contains("app.load_rows has 123 rows"), "{:#?}", result.rungs);
    assert_eq!(server.left_at_work(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_true_takes_the_proof_away() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 7, 3).await;
    let server = Server::start(&lab, |estate| {
        for policy in &mut estate.backup_policies {
            policy.verification.as_mut().unwrap().assertions[0].sql = "select count(*) > 3 from app.load_rows".to_owned();
        }
    })
    .await;
    let backup = server.back_up(DUMP).await;
    let result = server.proven(&backup, 1).await;
    assert_eq!(result.reached(), Some(ProofLevel::Boots));
    let failure = result.failure.unwrap();
    assert_eq!((failure.level, failure.why.as_str()), (ProofLevel::Answers, "“no row is from the future” is not true"));
}
