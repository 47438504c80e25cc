//! What the role of Lifeboat lacks is named exactly, and the statement that is given grants it.

use crate::node::Node;
use chrono::Utc;
use engine::{
    databases::MissingRight,
    estate::{Manager, Synchronous},
};
use server::connect::postgres::{Reader, rights};
use std::time::Duration;

/// The statements of the README, which are the documentation: they must be enough.
pub async fn documented(node: &Node) {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("```sql\n").expect("the README has the statements");
    let (statements, _) = section.split_once("```").unwrap();
    let statements = statements.replace("'…'", "'secret'");
    let no_parameter = |line: &&str| !line.starts_with("GRANT ALTER SYSTEM ON PARAMETER");
    let older = || statements.replace("pg_monitor, pg_checkpoint", "pg_monitor").lines().filter(no_parameter).collect::<Vec<_>>().join("\n");
    let statements = if node.version().await < 15_00_00 { older() } else { statements };
    node.run(&[&statements]).await;
}

async fn missing(node: &Node) -> Vec<MissingRight> {
    Reader::new(node.address("lifeboat"), Manager::Lifeboat, None).read(Utc::now()).await.unwrap().rights.unwrap()
}

async fn missing_of_streaming(node: &Node) -> Vec<MissingRight> {
    let client = node.address("lifeboat").connect(Duration::from_secs(2)).await.unwrap();
    rights::missing_of_streaming(&client, "replicator").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_is_enough_and_each_right_that_is_revoked_is_named_with_what_grants_it() {
    let node = Node::with("").await;
    documented(&node).await;
    let grants_checkpoint = node.version().await >= 15_00_00;
    if !grants_checkpoint {
        let lacks = missing(&node).await;
        assert!(matches!(&lacks[..], [one] if one.right.contains("SUPERUSER") && one.grant == "ALTER ROLE lifeboat SUPERUSER;"), "{lacks:?}");
    } else {
        assert_eq!(missing(&node).await, []);
    }
    assert_eq!(missing_of_streaming(&node).await, []);
    let own: &[(&str, &str)] = &[
        ("revoke pg_monitor from lifeboat", "membership in pg_monitor for lifeboat"),
        ("revoke execute on function pg_ls_waldir() from pg_monitor", "EXECUTE on pg_ls_waldir() for lifeboat"),
        ("revoke execute on function pg_ls_archive_statusdir() from pg_monitor", "EXECUTE on pg_ls_archive_statusdir() for lifeboat"),
        ("revoke pg_read_all_stats from pg_monitor", "membership in pg_read_all_stats for lifeboat"),
        ("revoke execute on function pg_promote(boolean, integer) from lifeboat", "EXECUTE on pg_promote(boolean, integer) for lifeboat"),
        ("revoke pg_checkpoint from lifeboat", "membership in pg_checkpoint for lifeboat"),
        ("alter role lifeboat noreplication", "REPLICATION for lifeboat"),
        ("drop schema lifeboat", "a schema lifeboat for lifeboat"),
        ("alter schema lifeboat owner to postgres", "USAGE and CREATE on the schema lifeboat for lifeboat"),
        (
            "set role postgres; create table lifeboat.write_proof (id bigint generated always as identity primary key, operation text)",
            "SELECT and INSERT on lifeboat.write_proof for lifeboat",
        ),
    ];
    for (revoke, named) in own.iter().filter(|(revoke, _)| grants_checkpoint || !revoke.contains("pg_checkpoint")) {
        node.run(&[revoke]).await;
        let lacks: Vec<MissingRight> = missing(&node).await.into_iter().filter(|right| !right.right.contains("SUPERUSER")).collect();
        let [right] = lacks.as_slice() else { panic!("{revoke}: {lacks:?}") };
        assert_eq!((right.right.as_str(), right.database.as_str()), (*named, "postgres"), "{revoke}");
        assert!(!right.without.is_empty());
        node.run(&[&right.grant]).await;
        assert!(missing(&node).await.iter().all(|right| right.right.contains("SUPERUSER")), "{} does not grant {named}", right.grant);
    }
    for (revoke, named) in [
        (
            "revoke execute on function pg_ls_dir(text, boolean, boolean) from replicator",
            "EXECUTE on pg_ls_dir(text, boolean, boolean) for replicator",
        ),
        ("revoke execute on function pg_stat_file(text, boolean) from replicator", "EXECUTE on pg_stat_file(text, boolean) for replicator"),
        ("revoke execute on function pg_read_binary_file(text) from replicator", "EXECUTE on pg_read_binary_file(text) for replicator"),
        ("alter role replicator noreplication", "LOGIN and REPLICATION for replicator"),
    ] {
        node.run(&[revoke]).await;
        let lacks = missing_of_streaming(&node).await;
        let [right] = lacks.as_slice() else { panic!("{revoke}: {lacks:?}") };
        assert_eq!(right.right, named);
        node.run(&[&right.grant]).await;
        assert_eq!(missing_of_streaming(&node).await, [], "{}", right.grant);
    }
    node.run(&["drop owned by replicator", "drop role replicator"]).await;
    let lacks = missing_of_streaming(&node).await;
    assert!(matches!(&lacks[..], [one] if one.right == "a role of this name for replicator"), "{lacks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_patroni_runs_a_node_watching_and_proving_writes_is_all_that_is_asked_for() {
    let node = Node::with("").await;
    node.run(&["create role lifeboat login password 'secret'"]).await;
    let missing = async || Reader::new(node.address("lifeboat"), Manager::Patroni, None).read(Utc::now()).await.unwrap().rights.unwrap();
    let lacks = missing().await;
    let rights: Vec<&str> = lacks.iter().map(|right| right.right.as_str()).collect();
    assert_eq!(rights, ["membership in pg_monitor for lifeboat", "a schema lifeboat for lifeboat"]);
    for right in &lacks {
        node.run(&[&right.grant]).await;
    }
    assert_eq!(missing().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_takes_to_say_whom_commits_wait_for_is_asked_for_where_they_are_to_wait() {
    let node = Node::with("").await;
    documented(&node).await;
    let grants_parameters = node.version().await >= 15_00_00;
    let parameter = if grants_parameters { "ALTER SYSTEM on the parameter synchronous_standby_names for lifeboat" } else { "SUPERUSER" };
    let lacks = async |declared: Option<Synchronous>| {
        let mut reader = Reader::new(node.address("lifeboat"), Manager::Lifeboat, None).of_commits_that_wait(declared);
        reader
            .read(Utc::now())
            .await
            .unwrap()
            .rights
            .unwrap()
            .into_iter()
            .filter(|right| right.without.starts_with("whom commits wait for"))
            .collect::<Vec<_>>()
    };
    let declared = || Some(Synchronous { confirm: 1, among: Vec::new() });
    if grants_parameters {
        assert_eq!(lacks(declared()).await, []);
        node.run(&["revoke alter system on parameter synchronous_standby_names from lifeboat"]).await;
    }
    node.run(&["revoke execute on function pg_reload_conf() from lifeboat"]).await;
    assert_eq!(lacks(None).await, [], "commits wait for nobody, and are not to");
    let missing = lacks(declared()).await;
    let [set, reload] = missing.as_slice() else { panic!("{missing:?}") };
    assert!(set.right.starts_with(parameter) && reload.right == "EXECUTE on pg_reload_conf() for lifeboat", "{missing:?}");
    // A node that has it set, whatever is declared: its first write would hang once it is promoted.
    let set_to = "alter system set synchronous_standby_names = 'one'";
    node.run(&["set synchronous_commit = local", set_to, "select pg_reload_conf()"]).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while lacks(None).await.len() != 2 {
        assert!(std::time::Instant::now() < deadline, "it is asked for where it is set: {:?}", lacks(None).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    node.run(&["alter system reset synchronous_standby_names", "select pg_reload_conf()", &set.grant, &reload.grant]).await;
    assert_eq!(lacks(declared()).await, [], "what grants it is given with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_need_quotes_are_quoted_in_what_is_to_be_run() {
    let node = Node::with("").await;
    node.run(&["create role \"Life\"\"boat\" login password 'secret'"]).await;
    let lacks = Reader::new(node.address("Life\"boat"), Manager::Lifeboat, None).read(Utc::now()).await.unwrap().rights.unwrap();
    assert!(lacks.len() > 3, "{lacks:?}");
    for right in &lacks {
        assert!(right.grant.contains("\"Life\"\"boat\""), "{right:?}");
        node.run(&[&right.grant]).await;
    }
    let lacks = Reader::new(node.address("Life\"boat"), Manager::Lifeboat, None).read(Utc::now()).await.unwrap().rights.unwrap();
    assert_eq!(lacks, []);
}
