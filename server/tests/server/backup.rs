//! Copies of the store: consistent while it is written, verified, never over another file, and for the owner's eyes only.

use crate::{house::House, program::Program, world::ESTATE};
use engine::journal::{Actor, Event};
use server::store::Store;
use std::{os::unix::fs::PermissionsExt, path::Path};

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_copy_made_while_entries_are_written_is_whole() {
    let house = House::with_people().await;
    let ann = house.signed_in("ann").await;
    let session = ann.cookies.values().next().unwrap();
    let holds_session = |file: &Path| std::fs::read(file).unwrap().windows(session.len()).any(|window| window == session.as_bytes());
    assert!(holds_session(&house.data().join("lifeboat.db-wal")), "the store itself has it");
    let program = Program::around(tempfile::tempdir().unwrap(), &format!("data = {:?}\n", house.data()), ESTATE);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let desk = house.desk.clone();
    let writer = tokio::spawn(async move {
        let mut written = 0;
        while stopped.try_recv().is_err() {
            desk.record(&Actor::Lifeboat, |_| vec![Event::ServerStarted { version: written.to_string() }]).await.unwrap();
            written += 1;
        }
        written
    });
    let copies = tokio::task::spawn_blocking(move || {
        for name in ["one.db", "two.db", "three.db"] {
            let said = program.run(&["store", "backup", name]).fine();
            assert!(said.contains("its journal is whole"), "{said}");
        }
        program
    });
    let program = copies.await.unwrap();
    stop.send(()).unwrap();
    assert!(writer.await.unwrap() > 0, "something was written meanwhile");

    let length = house.journal_length().await;
    let mut before = 7;
    for name in ["one.db", "two.db", "three.db"] {
        let copy = Store::open_copy(&program.path(name)).await.unwrap();
        let entries = copy.verify_journal().await.unwrap().unwrap();
        assert!((before..=length).contains(&entries), "{name} has {entries} entries");
        before = entries;
        assert!(copy.password_hash(&crate::world::id("ann")).await.unwrap().is_some(), "accounts are in the copy");
        assert!(!holds_session(&program.path(name)), "{name} lets nobody in who finds or restores it");
        assert_eq!(mode(&program.path(name)), 0o600, "password hashes are for the owner only");
    }
}

#[tokio::test]
async fn a_copy_is_never_written_over_another_file() {
    let program = Program::plain();
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    for (name, held) in [("precious.txt", "precious"), ("empty.txt", "")] {
        program.write(name, held);
        program.run(&["store", "backup", name]).refused(&["exists already; nothing was written"]);
        assert_eq!(std::fs::read_to_string(program.path(name)).unwrap(), held);
    }
    program.run(&["store", "backup", "no/such/folder/copy.db"]).refused(&["the copy no/such/folder/copy.db could not be written"]);
    program.run(&["store", "backup", "copy.db"]).fine();
    program.run(&["store", "backup", "copy.db"]).refused(&["exists already; nothing was written"]);
}

#[tokio::test]
async fn other_users_of_the_machine_cannot_read_the_store() {
    let house = House::with_people().await;
    house.signed_in("ann").await;
    for name in ["lifeboat.db", "lifeboat.db-wal", "observations.db"] {
        assert_eq!(mode(&house.data().join(name)), 0o600, "{name}");
    }
}
