//! The schema: an older store is brought up to date with nothing lost, a newer one is left alone.

use crate::{house::data_in, program::Program, tampering::behind_its_back, world};
use engine::journal::{
    Actor, Event,
    chain::{GENESIS, seal},
};
use server::{desk::Desk, store::Store};
use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use std::path::Path;

/// A store as the first schema alone made it, with `entries` in its journal.
async fn first_schema(data: &Path, entries: u64) {
    std::fs::create_dir_all(data).unwrap();
    let only_first = tempfile::tempdir().unwrap();
    let name = "0001_journal.sql";
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/store");
    std::fs::copy(migrations.join(name), only_first.path().join(name)).unwrap();
    let options = SqliteConnectOptions::new().filename(data.join("lifeboat.db")).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    Migrator::new(only_first.path()).await.unwrap().run(&pool).await.unwrap();
    let mut previous = GENESIS.to_owned();
    for seq in 1..=entries {
        let event = Event::AccountAdded { name: world::id(&format!("person-{seq}")), roles: [engine::access::Role::Admin].into() };
        let sealed = seal(seq, chrono::Utc::now(), &Actor::Lifeboat, &event, &previous).unwrap();
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
        previous = sealed.hash;
    }
    sqlx::query("update journal_head set seq = $1, hash = $2").bind(entries as i64).bind(&previous).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_store_of_the_first_schema_is_brought_up_to_date_with_nothing_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = data_in(folder.path());
    first_schema(&data, 12).await;
    let store = Store::open(&data).await.unwrap();
    assert_eq!(store.verify_journal().await.unwrap(), Ok(12));
    let desk = Desk::open(store, world::estate()).await.unwrap();
    let records = desk.picture().records;
    assert_eq!((records.accounts.len(), records.seq), (12, 12));
    // What the later schemas brought is there and works.
    desk.store().set_password(&world::id("person-7"), "a hash").await.unwrap();
    desk.record(&Actor::Lifeboat, |_| vec![Event::ServerStarted { version: "2".to_owned() }]).await.unwrap();
    assert_eq!(desk.store().password_hash(&world::id("person-7")).await.unwrap().as_deref(), Some("a hash"));
    assert_eq!(desk.store().verify_journal().await.unwrap(), Ok(13));
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let program = Program::plain();
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    let pool = behind_its_back(&program.data()).await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9001, 'tomorrow', true, x'00', 1)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    pool.close().await;
    let before = std::fs::read(program.data().join("lifeboat.db")).unwrap();
    for arguments in [&["serve"][..], &["user", "list"], &["journal", "verify"], &["status", "--json"], &["store", "backup", "copy.db"]] {
        program.run(arguments).refused(&["lifeboat.db was written by a newer version of Lifeboat (schema 9001)", "nothing was changed"]);
    }
    assert_eq!(std::fs::read(program.data().join("lifeboat.db")).unwrap(), before, "not a byte was touched");
    assert!(!program.path("copy.db").exists());
}
