//! What the host's agent finds in a node's folders, also when nothing of it runs.

use crate::node::{Node, programs};
use engine::databases::{Fork, Lsn};
use server::agent::{config, control_data, files};

fn declared(node: &Node) -> config::Node {
    config::Node {
        id: "node".to_owned(),
        data_dir: node.data(),
        address: "127.0.0.1".parse().unwrap(),
        port: node.port,
        socket_dir: node.folder.path().to_owned(),
        log_file: None,
    }
}

async fn forks(node: &Node) -> Result<Vec<Fork>, String> {
    let control = control_data::read(&programs(), &node.data()).await.unwrap();
    files::forks(&declared(node), Ok(&control))
}

async fn promote(node: &Node) -> Lsn {
    let admin = node.admin().await;
    assert!(admin.query_one("select pg_promote(true)", &[]).await.unwrap().get::<_, bool>(0));
    admin.query_one("select pg_last_wal_replay_lsn()::text", &[]).await.unwrap().get::<_, String>(0).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_promotion_leaves_a_fork_where_it_was_and_a_stopped_node_still_tells() {
    let mut first = Node::with("").await;
    assert_eq!(forks(&first).await, Ok(Vec::new()));
    let (mut east, mut west) = (first.standby().await, first.standby().await);
    first.run(&["create table t (i int)", "select pg_switch_wal()"]).await;
    let in_east = promote(&east).await;
    assert_eq!(forks(&east).await, Ok(vec![Fork { timeline: 2, parent: 1, at: in_east }]), "before and after its first checkpoint");
    first.run(&["insert into t values (1)", "select pg_switch_wal()", "create table u (i int)"]).await;
    let written: String = first.admin().await.query_one("select pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let caught_up = "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
    let admin = west.admin().await;
    while !admin.query_one(caught_up, &[&written]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let in_west = promote(&west).await;
    assert!(in_west > in_east, "both are on timeline 2, and parted from the first at different places");
    assert_eq!(forks(&west).await.unwrap()[0].at, in_west);

    east.run(&["checkpoint"]).await;
    let further = east.standby().await;
    let again = promote(&further).await;
    east.stop();
    assert_eq!(forks(&east).await, Ok(vec![Fork { timeline: 2, parent: 1, at: in_east }]));
    assert_eq!(forks(&further).await, Ok(vec![Fork { timeline: 2, parent: 1, at: in_east }, Fork { timeline: 3, parent: 2, at: again }]));
    west.stop();
    std::fs::remove_file(west.data().join("pg_wal/00000002.history")).unwrap();
    assert_eq!(forks(&west).await, Err("pg_wal has no history file of timeline 2".to_owned()), "not known is not “none”");
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_that_of_the_file_system_and_pg_wal_counts_where_it_lies_on_another() {
    let mut node = Node::with("").await;
    node.stop();
    let room = files::data_room(&declared(&node)).unwrap();
    assert!(room.total > room.free && room.free > 0, "{room:?}");
    assert_eq!(files::wal_room(&declared(&node)), None, "on the same file system");
    // Another one that every Linux has.
    std::fs::rename(node.data().join("pg_wal"), node.data().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("/dev/shm", node.data().join("pg_wal")).unwrap();
    let apart = files::wal_room(&declared(&node)).expect("on another file system").unwrap();
    assert_ne!(apart.total, room.total);
    std::fs::remove_file(node.data().join("pg_wal")).unwrap();
    assert!(files::wal_room(&declared(&node)).unwrap().unwrap_err().contains("No such file"));
    let gone = config::Node { data_dir: "/nowhere".into(), ..declared(&node) };
    assert!(files::data_room(&gone).unwrap_err().contains("/nowhere"));
    assert_eq!(files::wal_room(&gone), None);
}
