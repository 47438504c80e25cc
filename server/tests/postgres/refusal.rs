//! A primary that is told to refuse writes does: those that were being made end, and none is made after.

use crate::node::Node;
use server::connect::postgres;
use std::time::{Duration, Instant};

const SET_UP: [&str; 4] = [
    "create role lifeboat login password 'secret'",
    "grant pg_monitor, pg_signal_backend to lifeboat",
    "grant execute on function pg_reload_conf() to lifeboat",
    "create table rows (number int)",
];

#[tokio::test(flavor = "multi_thread")]
async fn d13_a_primary_that_is_told_to_refuse_writes_ends_those_under_way_and_takes_no_others() {
    let node = Node::with("wal_writer_delay = '1500ms'\nautovacuum = off").await;
    node.run(&SET_UP).await;
    let lifeboat = node.address("lifeboat").connect(Duration::from_secs(2)).await.unwrap();
    let refused = postgres::refuse_writes(&lifeboat).await.unwrap_err().to_string();
    assert!(refused.contains("permission denied"), "{refused}");
    node.run(&["grant alter system on parameter default_transaction_read_only to lifeboat", "create role app login password 'secret'"]).await;
    node.run(&["grant all on rows to app"]).await;

    let app = node.address("app").connect(Duration::from_secs(2)).await.unwrap();
    let superuser = node.admin().await;
    app.batch_execute("set synchronous_commit = off").await.unwrap();
    // Acknowledged, and not on the disk yet: the writer of the log sleeps.
    let deadline = Instant::now() + Duration::from_secs(10);
    let written = loop {
        app.batch_execute("insert into rows values (0)").await.unwrap();
        let ahead = "select pg_current_wal_insert_lsn()::text, pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn() > 24";
        let row = superuser.query_one(ahead, &[]).await.unwrap();
        if row.get(1) {
            break row.get::<_, String>(0);
        }
        assert!(Instant::now() < deadline, "everything is written at once");
    };
    let before: i64 = superuser.query_one("select count(*) from rows", &[]).await.unwrap().get(0);
    app.batch_execute("begin; insert into rows values (1)").await.unwrap();
    let (ended, superusers) = postgres::refuse_writes(&lifeboat).await.unwrap();
    // All of it, what came after included: nothing else writes here.
    let on_disk =
        "select pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn() <= 24 and pg_current_wal_flush_lsn() >= $1::text::pg_lsn - 24::numeric";
    assert!(superuser.query_one(on_disk, &[&written]).await.unwrap().get::<_, bool>(0), "what was acknowledged last can be sent now");
    assert_eq!((ended, superusers), (1, 1), "what only a superuser may end is said");
    app.batch_execute("commit").await.unwrap_err();
    let again = node.address("app").connect(Duration::from_secs(2)).await.unwrap();
    let error = again.batch_execute("insert into rows values (2)").await.unwrap_err();
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::READ_ONLY_SQL_TRANSACTION));
    let count: i64 = superuser.query_one("select count(*) from rows", &[]).await.unwrap().get(0);
    assert_eq!(count, before, "what was not committed is gone");
    assert!(postgres::was_told_to_refuse_writes(&lifeboat).await.unwrap());

    postgres::allow_writes(&lifeboat).await.unwrap();
    let after = node.address("app").connect(Duration::from_secs(2)).await.unwrap();
    after.batch_execute("insert into rows values (3)").await.unwrap();
    assert!(!postgres::was_told_to_refuse_writes(&lifeboat).await.unwrap());
}
