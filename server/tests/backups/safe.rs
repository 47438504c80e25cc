//! Nothing is deleted that is still needed, and what is deleted is gone everywhere.

use crate::{
    Server, WHOLE,
    place::{EAST, Lab},
};
use engine::{
    backups::{
        BackupState,
        ledger::{BackupCommand, BackupEvent},
    },
    time::Span,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_and_what_is_held_or_the_last_that_was_restored_stays() {
    let lab = Lab::up(&[]);
    lab.write(EAST, 1, 5).await;
    let server = Server::start(&lab, |estate| {
        for policy in &mut estate.backup_policies {
            (policy.retention, policy.at_least) = (Span::ZERO, 1);
            policy.verification.as_mut().unwrap().every = Span::from_mins(600);
        }
    })
    .await;
    let restored = server.back_up(WHOLE).await;
    assert_eq!(server.proven(&restored, 1).await.failure, None);
    let held = server.back_up(WHOLE).await;
    server.act(WHOLE, held.id, BackupCommand::Hold { reason: "the lawsuit".to_owned() }).await.unwrap();
    let plain = server.back_up(WHOLE).await;
    let newest = server.back_up(WHOLE).await;
    assert_eq!(newest.state, BackupState::Completed);
    // Each is the newest for a while; then nothing keeps the plain one.
    server.until("it is deleted", |picture| picture.records.backups.get(&plain.policy, &plain.id).is_none()).await;
    for destination in ["backups-us-east-1", "backups-us-west-2"] {
        assert!(!server.copy(&plain, destination).exists(), "gone from {destination}");
        for kept in [&restored, &held, &newest] {
            assert!(server.copy(kept, destination).join("base.tar.zst").is_file());
        }
    }
    let story = server.story(plain.id).await;
    assert!(matches!(story[..], [.., BackupEvent::Completed, BackupEvent::Deleting { .. }, BackupEvent::Deleted]), "{story:#?}");
    // The hold ends, and so does the backup.
    server.act(WHOLE, held.id, BackupCommand::Release { reason: "it is settled".to_owned() }).await.unwrap();
    server.until("it is deleted", |picture| picture.records.backups.get(&held.policy, &held.id).is_none()).await;
    assert!(server.backup(WHOLE, restored.id).is_some() && server.backup(WHOLE, newest.id).is_some());
}
