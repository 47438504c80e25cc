//! A copy that failed is made again a few times, with pauses that grow, from one that is whole; each attempt is on record.

use crate::{
    backups::{done, hours_ago, policy, shared},
    world::{Book, id, now},
};
use engine::{
    backups::{
        Backup, BackupCopy, Trigger,
        copies::{MOST_ATTEMPTS, pause_after, to_make_again},
        ledger::BackupEvent,
    },
    id::{BackupId, PolicyId},
    journal::{Actor, Event},
    time::Instant,
};

fn with_failed_copy(n: u128, hours: u64, at: Instant, attempts: u32) -> Backup {
    let mut backup = done(n, hours);
    backup.copies.insert(id("far"), BackupCopy::Failed { at, why: "403".to_owned(), attempts });
    backup
}

#[test]
fn it_waits_longer_after_each_failure_and_ends() {
    let hourly = policy("");
    for attempts in 1..MOST_ATTEMPTS {
        let failed = now();
        let backups = shared(vec![with_failed_copy(1, 1, failed, attempts)]);
        let ready = failed + pause_after(attempts).as_delta();
        assert_eq!(to_make_again(&hourly, &backups, ready - chrono::TimeDelta::milliseconds(1)), None);
        let again = to_make_again(&hourly, &backups, ready).unwrap();
        assert_eq!((again.from, again.to, again.attempt), (id("near"), id("far"), attempts + 1));
        assert!(attempts == 1 || pause_after(attempts) > pause_after(attempts - 1));
    }
    let given_up = shared(vec![with_failed_copy(1, 1, hours_ago(900), MOST_ATTEMPTS)]);
    assert_eq!(to_make_again(&hourly, &given_up, now()), None);
}

#[test]
fn it_needs_one_that_is_whole_and_the_newest_backup_comes_first() {
    let hourly = policy("");
    let mut none_left = with_failed_copy(1, 1, hours_ago(1), 1);
    none_left.copies.insert(id("near"), BackupCopy::Missing { since: hours_ago(1), why: "gone".to_owned() });
    assert_eq!(to_make_again(&hourly, &shared(vec![none_left]), now()), None);
    // What is gone is an alarm, and is not made as if nothing had been.
    let mut gone = done(1, 1);
    gone.copies.insert(id("far"), BackupCopy::Missing { since: hours_ago(1), why: "gone".to_owned() });
    assert_eq!(to_make_again(&hourly, &shared(vec![gone]), now()), None);
    let both = shared(vec![with_failed_copy(1, 3, hours_ago(2), 1), with_failed_copy(2, 1, hours_ago(1), 1)]);
    assert_eq!(to_make_again(&hourly, &both, now()).unwrap().backup, both[1].id);
}

#[test]
fn attempts_are_counted_by_the_journal_until_one_succeeds() {
    let mut book = Book::default();
    let (hourly, backup): (PolicyId, _) = (id("hourly"), BackupId(uuid::Uuid::from_u128(1)));
    let mut happened = |what: BackupEvent| {
        let event = Event::Backup { policy: hourly.clone(), id: backup, what: Box::new(what) };
        book.write(&Actor::Lifeboat, &event, now()).unwrap();
        book.records.backups.get(&hourly, &backup).unwrap().copies.get(&id("far")).cloned()
    };
    let failed = || BackupEvent::CopyFailed { destination: id("far"), why: "403".to_owned() };
    happened(BackupEvent::Started { kind: engine::backups::BackupType::Full, trigger: Trigger::Asked { reason: "now".to_owned() } });
    happened(BackupEvent::CopyStored { destination: id("near") });
    assert!(matches!(happened(failed()), Some(BackupCopy::Failed { attempts: 1, .. })));
    happened(BackupEvent::Completed);
    assert!(matches!(happened(failed()), Some(BackupCopy::Failed { attempts: 2, .. })));
    assert!(matches!(happened(BackupEvent::CopyStored { destination: id("far") }), Some(BackupCopy::Stored { .. })));
    // What was written before attempts were counted is one.
    let old: BackupCopy = serde_json::from_str(r#"{"copy":"failed","at":"2026-01-01T00:00:00Z","why":"403"}"#).unwrap();
    assert!(matches!(old, BackupCopy::Failed { attempts: 1, .. }));
}
