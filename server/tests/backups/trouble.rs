//! Destinations in trouble: a copy that failed is made again, a disk that is full and credentials that have expired are told with what to
//! do, and nothing half-written counts.

use crate::{
    Server,
    place::{id, until},
    tools::{POLICY, Place},
};
use axum::http::StatusCode;
use engine::{
    backups::{Backup, BackupCopy, BackupState, ProofLevel, ledger::BackupEvent},
    id::BackupId,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// A file of its own for each backup, of so many bytes.
fn place(bytes: usize) -> Place {
    let config = "[backup_source.notes]\nkind = \"command\"\ncommand = [\"COMMAND\"]\n";
    let place = Place::new("{ by = \"command\", name = \"notes\" }", "full", "checksum", config);
    let script = place.path("make");
    std::fs::write(&script, format!("#!/bin/sh\nset -e\nhead -c {bytes} /dev/urandom > \"$LIFEBOAT_INTO/notes\"\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    rewrite(&place, "COMMAND", script.to_str().unwrap());
    place
}
fn rewrite(place: &Place, from: &str, to: &str) {
    let text = std::fs::read_to_string(place.path("lifeboat.toml")).unwrap();
    assert!(text.contains(from), "{text}");
    place.write("lifeboat.toml", &text.replace(from, to));
}
fn why_far_failed(backup: &Backup) -> &str {
    match &backup.copies[&id("far")] {
        BackupCopy::Failed { why, .. } => why,
        other => panic!("{other:?}"),
    }
}
async fn far_is_stored(server: &Server, backup: BackupId) -> Arc<Backup> {
    let stored = |picture: &engine::picture::Picture| {
        let known = picture.records.backups.get(&id(POLICY), &backup)?;
        known.copies[&id("far")].is_stored().then(|| known.clone())
    };
    server.until_some("the copy is made again", stored).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_failed_is_made_again_from_the_one_that_is_whole_and_each_attempt_is_on_record() {
    let place = place(100_000);
    let server = place.server().await;
    let aside = place.path("aside");
    std::fs::rename(place.path("far"), &aside).unwrap();
    let backup = server.back_up(POLICY).await;
    assert_eq!(backup.state, BackupState::Completed);
    assert!(why_far_failed(&backup).contains("is not there"), "{backup:#?}");
    // The first attempt fails too.
    server
        .until("it was tried again", |picture| {
            let known = picture.records.backups.get(&id(POLICY), &backup.id).unwrap();
            matches!(&known.copies[&id("far")], BackupCopy::Failed { attempts: 2, why, .. } if why.starts_with("attempt 2 of 5: "))
        })
        .await;
    std::fs::rename(&aside, place.path("far")).unwrap();
    far_is_stored(&server, backup.id).await;
    for file in ["notes", "lifeboat.json"] {
        let read = |at: &str| std::fs::read(server.copy(&backup, at).join(file)).unwrap();
        assert!(read("near") == read("far") && !read("far").is_empty(), "{file}");
    }
    let story = server.story(backup.id).await;
    let copies: Vec<_> = story.iter().filter(|event| matches!(event, BackupEvent::CopyFailed { .. } | BackupEvent::CopyStored { .. })).collect();
    assert!(
        matches!(
            copies[..],
            [BackupEvent::CopyStored { .. }, BackupEvent::CopyFailed { .. }, BackupEvent::CopyFailed { .. }, BackupEvent::CopyStored { .. }]
        ),
        "{copies:#?}"
    );
    // There is no command that reads it, so its ladder ends there.
    assert_eq!(server.prove(&backup, "far").await.reached(), Some(ProofLevel::Checksum));
    assert_eq!(server.left_at_work(), Vec::<String>::new());
}

/// A disk of its own, small; it goes with this value. `None` where this user may not mount.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "lifeboat"]).arg(at).output().unwrap();
        if !mounted.status.success() {
            assert!(std::env::var_os("CI").is_none(), "{}", String::from_utf8_lossy(&mounted.stderr));
            eprintln!("NOT TESTED: a disk that is full needs the right to mount one");
            return None;
        }
        Some(Self(at.to_owned()))
    }
    fn grow(&self, size: &str) {
        let mounted = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).output().unwrap();
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    }
}
impl Drop for Disk {
    fn drop(&mut self) {
        let out = Command::new("umount").arg("--lazy").arg(&self.0).output().unwrap();
        assert!(out.status.success() || std::thread::panicking(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}
fn files_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() { found.extend(files_in(&entry.path())) } else { found.push(entry.file_name().to_string_lossy().into_owned()) }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_what_was_to_be_put_there_and_leaves_nothing_half_written_and_says_what_to_do() {
    let place = place(3_000_000);
    let Some(disk) = Disk::mount(&place.path("far"), "1m") else { return };
    let server = place.server().await;
    let backup = server.back_up(POLICY).await;
    assert_eq!(backup.state, BackupState::Completed, "the other copy is whole");
    let why = why_far_failed(&backup);
    assert!(why.contains("No space left") && why.contains("make room"), "{why}");
    assert_eq!(files_in(&place.path("far")), Vec::<String>::new(), "nothing half-written is left");
    disk.grow("20m");
    far_is_stored(&server, backup.id).await;
    // There is no command that reads it, so its ladder ends there.
    assert_eq!(server.prove(&backup, "far").await.reached(), Some(ProofLevel::Checksum));
    drop(server);

    // Where jobs work.
    let place = self::place(3_000_000);
    let Some(disk) = Disk::mount(&place.path("work"), "1m") else { return };
    let server = place.server().await;
    let failed = server.back_up(POLICY).await;
    assert_eq!(failed.state, BackupState::Failed);
    let why = failed.why.as_ref().unwrap();
    assert!(why.contains("No space left") && why.contains("`work` in [backups]"), "{why}");
    assert_eq!((server.left_at_work(), files_in(&place.path("near"))), (Vec::<String>::new(), Vec::new()));
    disk.grow("20m");
    assert_eq!(server.back_up(POLICY).await.state, BackupState::Completed, "and the next one is well");
}

/// A bucket whose credentials have expired, as S3 says it; after `token` was written anew it takes anything once, and then says that it is there.
async fn expired() -> String {
    let answer = async |headers: axum::http::HeaderMap| {
        assert!(headers.contains_key("authorization"));
        let said =
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
        (StatusCode::FORBIDDEN, said)
    };
    let app = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_are_told_as_such_with_what_to_do() {
    let place = place(1_000);
    let url = expired().await;
    let far = format!("url = \"file://{}\"", place.path("far").display());
    let bucket = format!(
        "url = \"s3://backups/notes\"\noptions = {{ endpoint = \"{url}\", region = \"us-east-1\", allow_http = \"true\" }}\nsecret_files = {{ access_key_id = \"{0}\", secret_access_key = \"{0}\", token = \"{0}\" }}",
        place.path("secret").display()
    );
    rewrite(&place, &far, &bucket);
    place.write("secret", "canary-of-the-bucket\n");
    let server = place.server().await;
    let told = |picture: &engine::picture::Picture| {
        picture.observed.backups.troubles.get(&id(POLICY)).is_some_and(|why| why.contains("far") && why.contains("credentials have expired"))
    };
    server.until("it is told before the next job runs", told).await;
    let backup = server.back_up(POLICY).await;
    assert_eq!(backup.state, BackupState::Completed, "the other copy is whole");
    let why = why_far_failed(&backup);
    assert!(why.contains("its credentials have expired: put new ones into the files"), "{why}");
    assert!(!why.contains("canary"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_its_destination_and_goes_on_when_that_answers() {
    let place = place(1_000);
    let text = std::fs::read_to_string(place.path("estate.toml")).unwrap();
    place.write(
        "estate.toml",
        &text
            .replace("retention = \"7d\"", "retention = \"1s\"\nat_least = 1")
            .replace("[backup_policy.verification]\nlevel = \"checksum\"\nevery = \"7d\"\n", ""),
    );
    let server = place.server().await;
    let old = server.back_up(POLICY).await;
    let (aside, far) = (place.path("aside"), server.copy(&old, "far"));
    std::fs::write(far.join("notes#1"), "what a killed server left of an upload").unwrap();
    std::fs::rename(place.path("far"), &aside).unwrap();
    server.back_up(POLICY).await;
    let deleting = |picture: &engine::picture::Picture| {
        picture.records.backups.get(&id(POLICY), &old.id).is_some_and(|backup| backup.state == BackupState::Deleting)
    };
    server.until("it is to be deleted", deleting).await;
    until("the near copy goes at once, or not at all", async || {
        // Whatever was deleted, it stays known as long as a copy may be left.
        (!server.copy(&old, "near").exists()).then_some(())
    })
    .await;
    assert!(server.backup(POLICY, old.id).is_some());
    std::fs::rename(&aside, place.path("far")).unwrap();
    server.until("it is deleted everywhere", |picture| picture.records.backups.get(&id(POLICY), &old.id).is_none()).await;
    assert!(!far.exists(), "with what was left of an upload");
}
