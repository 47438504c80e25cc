//! From PostgreSQL to what people read: real nodes, the real watchers, the page of the cluster.

use crate::{node::Node, rights::documented};
use app::databases::view::ClusterPage;
use engine::{estate::Estate, time::Span};
use server::{
    config::Config,
    connections::Connections,
    desk::Desk,
    store::Store,
    watch::{self, Beats},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A configuration and an estate that names each of these nodes, and is looked at five times a second.
pub fn place(nodes: &[(&str, u16)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("password", "secret\n");
    write("lifeboat.toml", "[database.users]\nuser = \"lifeboat\"\npassword_file = \"password\"\n");
    let mut estate = "name = \"one\"\n[detection]\ninterval = \"200ms\"\ntimeout = \"2s\"\nfailures = 3\nsamples = 3\nrecoveries = 3\n\
         [[region]]\nid = \"us-east-1\"\nname = \"US East\"\n\
         [[service]]\nid = \"users\"\ntier = 1\nrto = \"30m\"\nrpo = \"1m\"\nmtpd = \"4h\"\ndata_class = \"sensitive\"\n\
         [[cluster]]\nid = \"users\"\nservice = \"users\"\ndatabase = \"postgres\"\n"
        .to_owned();
    for (number, (id, port)) in nodes.iter().enumerate() {
        let role = if number == 0 { "primary" } else { "standby" };
        estate += &format!("[[cluster.node]]\nid = \"{id}\"\nregion = \"us-east-1\"\nhost = \"127.0.0.1\"\nport = {port}\nrole = \"{role}\"\n");
    }
    write("estate.toml", &estate);
    folder
}

struct Watched {
    desk: Arc<Desk>,
    _folder: TempDir,
}

impl Watched {
    async fn start(nodes: &[(&str, u16)]) -> Self {
        let folder = place(nodes);
        let config = Config::read(&folder.path().join("lifeboat.toml")).unwrap();
        let estate: Estate = config.read_estate().unwrap().0;
        let connections = Arc::new(Connections::new(&config, &estate).unwrap());
        let beats = Arc::new(Beats::of(&estate));
        let desk = Arc::new(Desk::open(Store::open(&config.data).await.unwrap(), estate).await.unwrap());
        drop(watch::start(desk.clone(), connections, &beats).await.unwrap());
        Self { desk, _folder: folder }
    }
    fn page(&self) -> ClusterPage {
        ClusterPage::of(&self.desk.picture(), &"users".parse().unwrap()).unwrap()
    }
    fn behind(&self, node: &str) -> Option<Span> {
        let picture = self.desk.picture();
        let view = picture.observed.clusters.get(&"users".parse().unwrap()).unwrap().node(&node.parse().unwrap()).unwrap();
        view.details.behind
    }
    async fn until<T>(&self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited for it that {what}: {:#?}", self.page());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_archive_rights_and_the_lag_in_time_reach_the_page() {
    let mut primary = Node::with("archive_mode = on\narchive_command = ''\n").await;
    documented(&primary).await;
    primary.run(&["select pg_create_physical_replication_slot('for_nobody', true)", "create table t (filler text)"]).await;
    let standby = primary.standby().await;
    let watched = Watched::start(&[("pg-one", primary.port), ("pg-two", standby.port)]).await;

    let page =
        watched.until("both are asked", |watched| Some(watched.page()).filter(|page| page.details.iter().all(|row| row.asked.is_some()))).await;
    let [one, two] = page.details.as_slice() else { panic!("{page:#?}") };
    assert!(matches!(&one.slots[..], [slot] if slot.starts_with("for_nobody: unused, keeps ")), "{one:#?}");
    assert_eq!((one.archive.as_str(), two.archive.as_str()), ("on, and goes NOWHERE", "on after a promotion"));
    assert_eq!((&one.disks[..], one.found, one.stale), (&["?".to_owned()][..], None, (false, false)), "no agent, so nobody knows the disks");
    assert!(page.complaints.iter().any(|line| line.what.starts_with("pg-one is to archive its WAL and nothing is set")), "{page:#?}");
    let names_promote = |page: &ClusterPage| page.complaints.iter().find(|line| line.what.starts_with("EXECUTE on pg_promote")).cloned();
    assert_eq!(names_promote(&page), None);

    // Behind counts from when the primary was ahead: it was idle before.
    watched.until("it holds everything", |watched| watched.behind("pg-two").filter(|behind| *behind < Span::from_millis(800))).await;
    standby.run(&["select pg_wal_replay_pause()"]).await;
    let wrote = Instant::now();
    primary.run(&["insert into t select repeat('x', 1000) from generate_series(1, 3000)"]).await;
    watched.until("it is seconds behind", |watched| watched.behind("pg-two").filter(|behind| *behind > Span::from_secs(2))).await;
    let most = Span::from_millis(wrote.elapsed().as_millis() as u64 + 1_000);
    let behind = watched.behind("pg-two").unwrap();
    assert!(behind < most, "{behind:?} since {most:?}: not since its last commit");
    standby.run(&["select pg_wal_replay_resume()"]).await;
    watched.until("it caught up", |watched| watched.behind("pg-two").filter(|behind| *behind < Span::from_millis(800))).await;

    primary.run(&["revoke execute on function pg_promote(boolean, integer) from lifeboat"]).await;
    let line = watched.until("the missing right is told", |watched| names_promote(&watched.page()).filter(|line| line.what.contains("pg-two"))).await;
    assert_eq!(line.what, "EXECUTE on pg_promote(boolean, integer) for lifeboat is missing on pg-one, pg-two: Lifeboat cannot promote a standby");
    assert!(
        line.remedy.ends_with("in the database postgres: GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO lifeboat;"),
        "{}",
        line.remedy
    );
}
