//! Backups that others make, seen in the list of their tool: real restic here. What it cannot say is unknown.

use crate::{
    Server,
    place::id,
    tools::{POLICY, Place},
};
use engine::{
    backups::{Trigger, health::Freshness},
    findings::Complaint,
    picture::Picture,
};
use std::process::Command;

fn restic(place: &Place, arguments: &[&str]) {
    let repository = place.path("theirs");
    let out = Command::new("restic").args(arguments).arg("--no-cache").env("RESTIC_REPOSITORY", repository).env("RESTIC_PASSWORD", "theirs").output();
    let out = out.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
fn seen(picture: &Picture) -> usize {
    picture.records.backups.of(&id(POLICY)).len()
}
async fn freshness(server: &Server) -> Freshness {
    let picture = server.picture();
    let policy = picture.estate.backup_policy(&id(POLICY)).unwrap();
    picture.backups_stand(policy).freshness
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_and_its_news_recorded_once_and_what_cannot_be_read_is_no_success() {
    let config = "[backup_source.theirs]\nkind = \"listing\"\ncommand = [\"LIST\"]\nsecret_files = { RESTIC_PASSWORD = \"password\" }\n";
    let place = Place::new("{ by = \"observed\", name = \"theirs\", format = \"restic\" }", "snapshot", "boots", config);
    let list = place.path("list");
    let script = |body: &str| {
        std::fs::write(&list, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&list, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let text = std::fs::read_to_string(place.path("lifeboat.toml")).unwrap().replace("LIST", list.to_str().unwrap());
    place.write("lifeboat.toml", &text);
    place.write("password", "theirs\n");
    place.write("file", "theirs");
    script(&format!("exec restic -r {} snapshots --json --no-lock --no-cache", place.path("theirs").display()));

    // Nothing there yet: the tool complains, and so does the page.
    let server = place.server().await;
    let trouble = |picture: &Picture| picture.observed.backups.troubles.contains_key(&id(POLICY));
    server.until("a list that cannot be had is told", trouble).await;
    assert!(server.findings(POLICY).iter().any(|finding| matches!(&finding.complaint, Complaint::BackupCannotRun { why } if why.contains("restic"))));
    assert_eq!(seen(&server.picture()), 0);
    assert_ne!(freshness(&server).await, Freshness::Ok);

    restic(&place, &["init"]);
    restic(&place, &["backup", place.path("file").to_str().unwrap()]);
    server.until("the snapshot is seen", |picture| seen(picture) == 1 && !trouble(picture)).await;
    let picture = server.picture();
    let known = picture.records.backups.of(&id(POLICY))[0].clone();
    assert_eq!((known.is_good(), &known.trigger), (true, &Trigger::Reported));
    assert!(known.ended_at.unwrap() < picture.now && known.contents.as_ref().unwrap().recoverable_to.is_some());
    assert_eq!(freshness(&server).await, Freshness::Ok);
    // There is nothing for Lifeboat to prove, which is told.
    let told = |complaint: &Complaint| matches!(complaint, Complaint::RungNotAvailable { highest: None, .. });
    assert!(server.findings(POLICY).iter().any(|finding| told(&finding.complaint)));
    assert_eq!(server.story(known.id).await.len(), 1);

    // What its owners forget is gone, and is a success no more; and what is no list of restic's says nothing.
    restic(&place, &["forget", "latest"]);
    server.until("it is gone", |picture| seen(picture) == 0).await;
    assert_eq!(server.story(known.id).await.len(), 3);
    script("echo '[{\"id\": 1}]'");
    server.until("what is malformed is told", trouble).await;
    assert_eq!(seen(&server.picture()), 0);
}
