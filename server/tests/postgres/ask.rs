//! Statements of runbooks on a real PostgreSQL: values stay values, and what only reads cannot write (row 79).

use crate::node::Node;
use server::connect::postgres::ask;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_reads_unless_it_says_that_it_writes_and_its_values_are_never_a_part_of_it() {
    let node = Node::with("").await;
    node.run(&[
        "create table t (who text, n int)",
        "insert into t values ('ann', 1), ('o''hara; drop table t', 2)",
        "create sequence s",
        "create role app login superuser password 'secret'",
    ])
    .await;
    let address = node.address("app");
    let patience = Duration::from_secs(20);
    let asked = async |statement: &str, values: &[&str], writes: bool| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        ask(&address, statement, &values, writes, patience, 2).await.map_err(|error| format!("{error:#}"))
    };
    let one = asked("select n from t where who = $1 -- a comment", &["o'hara; drop table t"], false).await.unwrap();
    assert_eq!((one.only_value().as_deref(), one.changed), (Some("2"), None));
    assert_eq!(one.in_words("pg"), "on pg:\n{\"n\":2}");
    let many = asked("select generate_series(1, 9) as n;", &[], false).await.unwrap();
    assert_eq!((many.rows.len(), many.more), (2, true));
    assert_eq!(asked("select who, n from t", &[], false).await.unwrap().only_value(), None, "which column is meant is not guessed");
    assert_eq!(asked("select null as n", &[], false).await.unwrap().only_value().as_deref(), Some(""));
    for (statement, why) in [
        ("insert into t values ('eve', 3) returning n", "syntax error"),
        ("with x as (insert into t values ('eve', 3) returning n) select n from x", "must be at the top level"),
        ("select nextval('s') as n", "read-only transaction"),
        ("select 1) as a; delete from t; select (2", "multiple commands"),
        ("select 1; delete from t", "syntax error"),
        ("update t set n = 5", "syntax error"),
    ] {
        let said = asked(statement, &[], false).await.unwrap_err();
        assert!(said.contains(why), "{statement}: {said}");
    }
    assert_eq!(asked("select count(*)::int as n from t", &[], false).await.unwrap().only_value().as_deref(), Some("2"), "nothing was written");
    let written = asked("update t set n = n + 1 where who = $1", &["ann"], true).await.unwrap();
    assert_eq!(written.in_words("pg"), "1 rows changed on pg");
    let slow = ask(&address, "select pg_sleep(60)", &[], false, Duration::from_millis(300), 2).await.unwrap_err();
    assert!(slow.to_string().contains("statement timeout"), "{slow:#}");
}
