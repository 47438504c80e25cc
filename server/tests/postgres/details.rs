//! Slots and archive, as real PostgreSQL has them; and that what goes wrong with one of them stays there.

use crate::node::Node;
use chrono::Utc;
use engine::{
    databases::{Archive, Archiver, CatalogReading, NodeRole, Slot, SlotWal},
    estate::Manager,
};
use server::connect::postgres::{self, Reader};
use std::time::{Duration, Instant};

const ROLE: &str = "create role lifeboat login password 'secret'";

async fn until<T>(reader: &mut Reader, what: &str, found: impl Fn(&CatalogReading) -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let read = reader.read(Utc::now()).await.unwrap();
        if let Some(found) = found(&read) {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for it that {what}: {read:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
fn slots(read: &CatalogReading) -> &[Slot] {
    read.slots.as_ref().unwrap()
}
fn archiver(read: &CatalogReading) -> &Archiver {
    let Ok(Archive::On(archiver)) = &read.archive else { panic!("{:?}", read.archive) };
    archiver
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_read_from_its_first_byte_to_the_loss_of_its_wal() {
    let node = Node::with("").await;
    node.run(&[ROLE, "select pg_create_physical_replication_slot('new')", "select pg_create_physical_replication_slot('kept', true)"]).await;
    let tells = node.version().await >= 13_00_00;
    let mut reader = Reader::new(node.address("lifeboat"), Manager::Lifeboat, None);
    let read = reader.read(Utc::now()).await.unwrap();
    assert_eq!(read.archive, Ok(Archive::Off));
    let [kept, new] = slots(&read) else { panic!("{read:?}") };
    let (name, kept_first) = (kept.name.as_str(), kept.kept.unwrap());
    assert_eq!((name, kept.active, kept.temporary, kept.logical, kept.wal), ("kept", false, false, false, tells.then_some(SlotWal::Reserved)));
    assert!(kept_first < 32 << 20, "{kept:?}");
    assert_eq!((new.name.as_str(), new.kept, new.wal), ("new", None, None), "it keeps nothing yet: absent, not 0");

    let switch: &[&str] = &["create table if not exists t (i int)", "insert into t values (1)", "select pg_switch_wal()"];
    for _ in 0..3 {
        node.run(switch).await;
    }
    let read = reader.read(Utc::now()).await.unwrap();
    assert!(slots(&read)[0].kept.unwrap() >= kept_first + (2 << 24), "three segments later: {read:?}");
    if tells {
        node.run(&["alter system set max_slot_wal_keep_size = '1MB'", "select pg_reload_conf()"]).await;
        for _ in 0..5 {
            node.run(switch).await;
        }
        let read = reader.read(Utc::now()).await.unwrap();
        assert_eq!(slots(&read)[0].wal, Some(SlotWal::Unreserved), "until a checkpoint takes it away: {read:?}");
        node.run(&["checkpoint"]).await;
        let read = reader.read(Utc::now()).await.unwrap();
        assert_eq!((slots(&read)[0].wal, slots(&read)[0].kept), (Some(SlotWal::Lost), None), "{read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_read_while_it_fails_waits_recovers_and_goes_nowhere() {
    let mut node = Node::with("archive_mode = on\narchive_command = 'exit 1'\n").await;
    node.run(&[ROLE, "grant pg_monitor to lifeboat"]).await;
    let mut reader = Reader::new(node.address("lifeboat"), Manager::Lifeboat, None);
    let read = reader.read(Utc::now()).await.unwrap();
    assert_eq!(archiver(&read), &Archiver { last: None, last_failed: None, waiting: Some(0) });
    node.run(&["create table t (i int)", "select pg_switch_wal()"]).await;
    let failed = until(&mut reader, "archiving has failed", |read| archiver(read).failing().cloned()).await;
    assert!(failed.segment.len() == 24 && Utc::now() - failed.at < chrono::TimeDelta::seconds(30), "{failed:?}");
    let waiting = until(&mut reader, "the segment waits", |read| archiver(read).waiting.filter(|waiting| *waiting > 0)).await;
    assert_eq!(waiting, 1);
    node.run(&["alter system set archive_command = 'true'", "select pg_reload_conf()", "select pg_switch_wal()"]).await;
    until(&mut reader, "it is repaired", |read| archiver(read).failing().is_none().then_some(())).await;
    let read = until(&mut reader, "nothing waits", |read| (archiver(read).waiting == Some(0)).then(|| read.clone())).await;
    assert!(archiver(&read).last.is_some() && archiver(&read).last_failed.is_some(), "that it failed before is not forgotten: {read:?}");
    node.run(&["revoke pg_monitor from lifeboat"]).await;
    assert_eq!(until(&mut reader, "it may not count any more", |read| archiver(read).waiting.is_none().then_some(())).await, ());
    node.run(&["alter system set archive_command = ''", "select pg_reload_conf()"]).await;
    until(&mut reader, "it goes nowhere", |read| (read.archive == Ok(Archive::Nowhere)).then_some(())).await;

    let standby = node.standby().await;
    let read = Reader::new(standby.address("lifeboat"), Manager::Lifeboat, None).read(Utc::now()).await.unwrap();
    assert_eq!((&read.archive, slots(&read)), (&Ok(Archive::WhenPromoted), &[][..]));
    standby.run(&["select pg_create_physical_replication_slot('cascade', true)"]).await;
    let read = Reader::new(standby.address("lifeboat"), Manager::Lifeboat, None).read(Utc::now()).await.unwrap();
    assert!(slots(&read)[0].kept.is_some(), "on a standby it is counted from what was replayed: {read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detail_that_is_refused_says_so_and_takes_no_other_away() {
    let node = Node::with("").await;
    node.run(&[ROLE, "revoke select on pg_replication_slots from public"]).await;
    let read = Reader::new(node.address("lifeboat"), Manager::Lifeboat, None).read(Utc::now()).await.unwrap();
    assert_eq!(read.slots, Err("permission denied for view pg_replication_slots (42501)".to_owned()));
    assert_eq!(read.archive, Ok(Archive::Off));
    assert!(read.rights.is_ok(), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_answers_slowly_costs_its_own_detail_and_no_probe() {
    let node = Node::with("allow_system_table_mods = on\n").await;
    let slow = "create or replace view pg_catalog.pg_stat_archiver as
        select s.archived_count, s.last_archived_wal, s.last_archived_time, s.failed_count, s.last_failed_wal, s.last_failed_time, s.stats_reset
        from pg_stat_get_archiver() s, pg_sleep(60)";
    node.run(&[ROLE, "grant pg_monitor to lifeboat", slow]).await;
    let address = node.address("lifeboat");
    let mut reader = Reader::new(address.clone(), Manager::Lifeboat, None);
    let began = Instant::now();
    let slowly = tokio::spawn(async move { (reader.read(Utc::now()).await, reader.read(Utc::now()).await) });
    let client = address.connect(Duration::from_secs(2)).await.unwrap();
    let mut probes = 0;
    while !slowly.is_finished() {
        postgres::look(&client, Utc::now(), Duration::from_millis(500)).await.expect("no probe is slower for it");
        probes += 1;
    }
    assert!(probes > 10 && began.elapsed() > Duration::from_secs(2), "{probes} probes while both looks took {:?}", began.elapsed());
    let (first, second) = slowly.await.unwrap();
    for read in [first.unwrap(), second.unwrap()] {
        assert!(read.archive.as_ref().is_err_and(|why| why.contains("statement timeout")), "{read:?}");
        assert!(read.slots.is_ok() && read.rights.is_ok(), "{read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_fails_the_look_and_is_read_again_when_it_is_back() {
    let mut node = Node::with("").await;
    node.run(&[ROLE]).await;
    let mut reader = Reader::new(node.address("lifeboat"), Manager::Lifeboat, None);
    reader.read(Utc::now()).await.unwrap();
    node.stop();
    reader.read(Utc::now()).await.unwrap_err();
    let refused = reader.read(Utc::now()).await.unwrap_err().to_string();
    assert!(refused.contains("onnection refused"), "{refused}");
    node.start().await;
    reader.read(Utc::now()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_reads_any_version_and_a_right_it_lacks_takes_no_more_than_what_needs_it() {
    let mut node = Node::with("").await;
    node.run(&[ROLE]).await;
    let client = node.address("lifeboat").connect(Duration::from_secs(2)).await.unwrap();
    let read = postgres::look(&client, Utc::now(), Duration::from_secs(2)).await.unwrap();
    assert_eq!(engine::databases::major(&read.version).map(|major| major as i32), Some(node.version().await / 10_000));
    assert_eq!((read.timeline, read.read_only, read.connections_max), (1, false, 100));
    let standby = node.standby().await;
    let client = standby.address("lifeboat").connect(Duration::from_secs(2)).await.unwrap();
    let read = postgres::look(&client, Utc::now(), Duration::from_secs(2)).await.unwrap();
    assert!(matches!(read.role, NodeRole::Standby { .. }) && read.timeline == 1, "without pg_ls_waldir: {read:?}");
}
