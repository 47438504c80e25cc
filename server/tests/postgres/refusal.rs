//! A primary that is told to refuse writes does: those that were being made end, and none is made after.

use crate::node::Node;
use server::connect::postgres;
use std::time::Duration;

const SET_UP: [&str; 4] = [
    "create role lifeboat login password 'secret'",
    "grant pg_monitor, pg_signal_backend to lifeboat",
    "grant execute on function pg_reload_conf() to lifeboat",
    "create table rows (number int)",
];

#[tokio::test(flavor = "multi_thread")]
async fn d13_a_primary_that_is_told_to_refuse_writes_ends_those_under_way_and_takes_no_others() {
    let node = Node::with("").await;
    node.run(&SET_UP).await;
    let lifeboat = node.address("lifeboat").connect(Duration::from_secs(2)).await.unwrap();
    let refused = postgres::refuse_writes(&lifeboat).await.unwrap_err().to_string();
    assert!(refused.contains("permission denied"), "{refused}");
    node.run(&["grant alter system on parameter default_transaction_read_only to lifeboat", "create role app login password 'secret'"]).await;
    node.run(&["grant all on rows to app"]).await;

    let app = node.address("app").connect(Duration::from_secs(2)).await.unwrap();
    app.batch_execute("begin; insert into rows values (1)").await.unwrap();
    let superuser = node.admin().await;
    let (ended, superusers) = postgres::refuse_writes(&lifeboat).await.unwrap();
    assert_eq!((ended, superusers), (1, 1), "what only a superuser may end is said");
    app.batch_execute("commit").await.unwrap_err();
    let again = node.address("app").connect(Duration::from_secs(2)).await.unwrap();
    let error = again.batch_execute("insert into rows values (2)").await.unwrap_err();
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::READ_ONLY_SQL_TRANSACTION));
    let count: i64 = superuser.query_one("select count(*) from rows", &[]).await.unwrap().get(0);
    assert_eq!(count, 0, "what was not committed is gone");
    assert!(postgres::was_told_to_refuse_writes(&lifeboat).await.unwrap());

    postgres::allow_writes(&lifeboat).await.unwrap();
    let after = node.address("app").connect(Duration::from_secs(2)).await.unwrap();
    after.batch_execute("insert into rows values (3)").await.unwrap();
    assert!(!postgres::was_told_to_refuse_writes(&lifeboat).await.unwrap());
}
