//! The journal cannot be changed unnoticed: the database refuses it, and where somebody lifts that guard, the walk and
//! `lifeboat journal verify` name the first entry that is not as it was written.

use crate::{
    house::{House, Over, PASSWORD, command_line, data_in},
    program::Program,
    world::{self, operation_id},
};
use engine::journal::{
    Actor, Event,
    chain::{Break, seal},
};
use server::store::Store;
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

const LENGTH: u64 = 8;

/// A folder whose journal has `LENGTH` entries, the last about an operation.
async fn written() -> TempDir {
    let house = House::with_people().await;
    house.requested().await;
    assert_eq!(house.journal_length().await, LENGTH);
    assert_eq!(house.desk.store().verify_journal().await.unwrap(), Ok(LENGTH));
    house.desk.store().close().await;
    house.folder
}

/// The same file again, in a folder of its own.
fn copied(original: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(data_in(copy.path())).unwrap();
    std::fs::copy(data_in(original.path()).join("lifeboat.db"), data_in(copy.path()).join("lifeboat.db")).unwrap();
    copy
}

/// Past the product, as somebody with the file would.
pub async fn behind_its_back(data: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(data.join("lifeboat.db"))).await.unwrap()
}

async fn tamper(data: &Path, statements: &str) {
    let pool = behind_its_back(data).await;
    for trigger in ["journal_is_not_changed", "journal_is_not_deleted"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("drop trigger if exists {trigger}"))).execute(&pool).await.unwrap();
    }
    for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

async fn found_in(folder: &TempDir) -> Result<u64, Break> {
    let store = Store::open(&data_in(folder.path())).await.unwrap();
    let found = store.verify_journal().await.unwrap();
    store.close().await;
    found
}

#[tokio::test]
async fn every_change_of_the_journal_is_found_and_the_first_broken_entry_named() {
    let original = written().await;
    let mut cases: Vec<(String, Break)> = Vec::new();
    for seq in [1, 4, LENGTH] {
        let content = || Break::Content { seq };
        cases.push((format!("update journal set at = '2020-01-01T00:00:00.000Z' where seq = {seq}"), content()));
        cases.push((format!("update journal set actor = '{{\"who\":\"lifeboat\"}}' where seq = {seq}"), content()));
        cases.push((format!("update journal set event = '{{\"event\":\"server-started\",\"version\":\"9\"}}' where seq = {seq}"), content()));
        cases.push((format!("update journal set event = event || ' ' where seq = {seq}"), content()));
        cases.push((format!("update journal set hash = replace(hash, substr(hash, 1, 8), 'deadbeef') where seq = {seq}"), content()));
        cases.push((
            format!("update journal set previous = replace(previous, substr(previous, 1, 8), 'deadbeef') where seq = {seq}"),
            Break::Link { seq },
        ));
        let elsewhere = Break::Unreadable { seq, why: "it is filed under another operation than the one it is about".to_owned() };
        cases.push((format!("update journal set operation = 'another' where seq = {seq}"), elsewhere));
    }
    cases.push(("delete from journal where seq = 1".to_owned(), Break::Gap { expected: 1, found: 2 }));
    cases.push(("delete from journal where seq = 4".to_owned(), Break::Gap { expected: 4, found: 5 }));
    cases.push(("delete from journal where seq = 4; update journal set seq = seq - 1 where seq > 4".to_owned(), Break::Link { seq: 4 }));
    cases.push((
        "update journal set seq = 99 where seq = 3; update journal set seq = 3 where seq = 4; update journal set seq = 4 where seq = 99".to_owned(),
        Break::Link { seq: 3 },
    ));
    cases.push((format!("delete from journal where seq = {LENGTH}"), Break::Truncated { expected: LENGTH, found: LENGTH - 1 }));
    cases.push(("delete from journal where seq > 2".to_owned(), Break::Truncated { expected: LENGTH, found: 2 }));
    cases.push(("delete from journal".to_owned(), Break::Truncated { expected: LENGTH, found: 0 }));

    for (statements, expected) in cases {
        let folder = copied(&original);
        tamper(&data_in(folder.path()), &statements).await;
        assert_eq!(found_in(&folder).await, Err(expected.clone()), "{statements}");
        let said = Program::around(folder, "", "").run(&["journal", "verify"]);
        assert_eq!(said.code, 2, "{statements}: {said:?}");
        assert_eq!(said.out.trim_end(), format!("THE JOURNAL IS BROKEN: {expected}"), "{statements}");
    }
    let said = Program::around(copied(&original), "", "").run(&["journal", "verify"]);
    assert_eq!(said.fine(), format!("the journal is whole: {LENGTH} entries\n"));
}

/// Somebody who can compute the hashes too: a last entry sealed anew, and one added, both sound in themselves.
#[tokio::test]
async fn a_forged_end_of_the_journal_is_found() {
    let original = written().await;
    let forged = Event::AccountAdded { name: world::id("mallory"), roles: [engine::access::Role::Admin].into() };
    for (seq, expected) in [(LENGTH, Break::Replaced { seq: LENGTH }), (LENGTH + 1, Break::Added { expected: LENGTH, found: LENGTH + 1 })] {
        let folder = copied(&original);
        let data = data_in(folder.path());
        tamper(&data, &format!("delete from journal where seq >= {seq}")).await;
        let pool = behind_its_back(&data).await;
        let previous: String = sqlx::query_scalar("select hash from journal order by seq desc limit 1").fetch_one(&pool).await.unwrap();
        let sealed = seal(seq, chrono::Utc::now(), &command_line(), &forged, &previous).unwrap();
        sqlx::query("insert into journal (seq, at, actor, event, previous, hash) values ($1, $2, $3, $4, $5, $6)")
            .bind(seq as i64)
            .bind(&sealed.at)
            .bind(&sealed.actor)
            .bind(&sealed.event)
            .bind(&sealed.previous)
            .bind(&sealed.hash)
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        assert_eq!(found_in(&folder).await, Err(expected));
    }
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_or_remove_an_entry() {
    let folder = written().await;
    let pool = behind_its_back(&data_in(folder.path())).await;
    for statement in ["update journal set at = 'x' where seq = 2", "delete from journal where seq = 8", "delete from journal"] {
        let refused = sqlx::query(statement).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains("the journal is append-only"), "{statement}: {refused}");
    }
    pool.close().await;
    assert_eq!(found_in(&folder).await, Ok(LENGTH));
}

/// With a broken journal people can look, nothing is accepted, and nothing waits for ever.
#[tokio::test]
async fn on_a_broken_journal_everything_is_refused_at_once() {
    let house = House::with_people().await;
    let mut ann = house.signed_in("ann").await;
    house.desk.store().close().await;
    tamper(&house.data(), "update journal set at = '2020-01-01T00:00:00.000Z' where seq = 8").await;
    let cookies = ann.cookies.clone();

    let house = House::at(house.folder, Over::Http).await;
    let broken = house.desk.picture().journal_break.expect("the break is seen at the start");
    assert!(broken.contains("entry 8 was changed"), "{broken}");
    let asked = tokio::time::timeout(Duration::from_secs(20), house.requested_or_not()).await.expect("an answer in bounded time");
    assert!(asked.unwrap_err().to_string().contains("the journal is broken"));
    let recorded = tokio::time::timeout(Duration::from_secs(20), house.desk.record(&Actor::Lifeboat, |_| vec![started()])).await;
    let refused = format!("{:#}", recorded.expect("an answer in bounded time").unwrap_err());
    assert!(refused.contains("the journal is broken"), "{refused}");
    let answer = tokio::time::timeout(Duration::from_secs(20), house.browser().sign_in("ann", PASSWORD)).await;
    assert_eq!(answer.expect("an answer in bounded time").status, 500);

    // Who is signed in can look, and is told.
    ann = house.browser();
    ann.cookies = cookies;
    let page = ann.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("journal broken"), "the strip says so");
    let ready = house.browser().get("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.body.contains("entry 8")), (503, true), "{}", ready.body);
}

/// The file is cut, or replaced by an older copy, under a running server.
#[tokio::test]
async fn a_journal_cut_under_a_running_server_is_noticed_at_the_next_entry() {
    let house = House::with_people().await;
    tamper(&house.data(), "delete from journal where seq > 5; update journal_head set seq = 5, hash = (select hash from journal where seq = 5)")
        .await;
    let recorded = tokio::time::timeout(Duration::from_secs(20), house.desk.record(&Actor::Lifeboat, |_| vec![started()])).await;
    let refused = format!("{:#}", recorded.expect("an answer in bounded time").unwrap_err());
    assert!(refused.contains("the last one is 5, 7 was written"), "{refused}");
    assert!(house.desk.picture().journal_break.is_some());
}

/// A holder in the table that the journal does not know would be met again at every try.
#[tokio::test]
async fn a_holder_the_journal_does_not_know_is_an_error_and_not_an_endless_try() {
    let house = House::with_people().await;
    let pool = behind_its_back(&house.data()).await;
    let hold = "insert into operation (id, scope, kind, state) values ($1, 'cluster/users', 'failover', 'approved')";
    sqlx::query(hold).bind(operation_id().to_string()).execute(&pool).await.unwrap();
    let second = sqlx::query(hold).bind(operation_id().to_string()).execute(&pool).await.unwrap_err();
    assert!(second.as_database_error().unwrap().is_unique_violation(), "the database refuses a second one: {second}");
    pool.close().await;
    let asked = tokio::time::timeout(Duration::from_secs(20), house.requested_or_not()).await.expect("an answer in bounded time");
    let said = asked.unwrap_err().to_string();
    assert!(said.contains("the journal does not know it"), "{said}");
    assert_eq!(house.journal_length().await, 7, "nothing was recorded");
}

fn started() -> Event {
    Event::ServerStarted { version: "test".to_owned() }
}
