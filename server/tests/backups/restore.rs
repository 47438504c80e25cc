//! A backup restored for real: up to a moment before a mistake, into a new folder, looked at by a person, promoted or discarded.

use crate::{
    Server, WHOLE,
    log::{LOG, with_log},
    place::{EAST, Lab, id},
};
use engine::{
    failover::{Action, Blocker, Operation, OperationKind, State, StepState, restore::RestoreWish},
    id::{AccountName, OperationId, PolicyId},
    journal::{Actor, Command},
    time::{Instant, Span},
};
use std::path::PathBuf;
use tokio_postgres::{Client, Config, NoTls};

fn person(name: &str) -> Actor {
    Actor::Person(id::<AccountName>(name))
}

impl Server {
    fn wish(&self, before: Instant) -> RestoreWish {
        let picture = self.picture();
        RestoreWish::for_moment(&picture, picture.estate.backup_policy(&id::<PolicyId>(WHOLE)).unwrap(), before).expect("a backup from before")
    }

    /// olga asks for it and oskar agrees.
    async fn restore(&self, wish: &RestoreWish) -> OperationId {
        let id = OperationId(uuid::Uuid::now_v7());
        let plan = self.picture().restore_plan(wish).unwrap();
        assert_eq!((plan.kind, plan.hard_blockers(), plan.requires_approval()), (OperationKind::Restore, Vec::new(), true));
        let (shown_hash, reason) = (plan.hash(), "somebody deleted everything".to_owned());
        let request = Command::RequestOperation {
            id,
            plan: Box::new(plan.clone()),
            shown_hash: shown_hash.clone(),
            reason: reason.clone(),
            accept_loss: false,
            override_blockers: true,
        };
        self.desk.act(&person("olga"), request).await.unwrap();
        let approve = Command::Approve { operation: id, shown_hash, plan_now: Box::new(plan), accept_loss: false, reason };
        self.desk.act(&person("oskar"), approve).await.unwrap();
        id
    }

    async fn comes_to(&self, id: OperationId, state: State) -> Operation {
        self.until_some("the restore has ended", |picture| {
            let now = picture.operation(&id).unwrap();
            assert!(
                (now.state.is_active() && now.state != State::InDoubt) || now.state == state,
                "it {}: {:?} {:#?}",
                now.state,
                now.outcome,
                now.steps
            );
            (now.state == state).then(|| now.clone())
        })
        .await
    }

    /// It stands still; what was said about how to get in.
    async fn stands_still(&self, id: OperationId) -> (Operation, PathBuf) {
        let waits = self.until_some("it waits for somebody who looks at it", |picture| {
            let now = picture.operation(&id).unwrap();
            assert!(now.state.is_active() && now.state != State::InDoubt, "it {}: {:?} {:#?}", now.state, now.outcome, now.steps);
            now.awaits_commit().map(|_| now.clone())
        });
        let now = waits.await;
        let said = said(&now, |action| matches!(action, Action::RecoverBefore { .. }));
        let socket = said.split("psql -h ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a way in").to_owned();
        (now, socket.into())
    }

    fn place(&self, folder: &str) -> PathBuf {
        self.config.backups.restores.as_ref().unwrap().join(folder)
    }
}

fn said(operation: &Operation, of: fn(&Action) -> bool) -> String {
    let at = operation.plan.steps.iter().position(|step| of(&step.action)).unwrap();
    assert_eq!(operation.steps[at].state, StepState::Done, "{:#?}", operation.steps);
    operation.steps[at].said.clone().unwrap()
}

async fn enter(socket: &std::path::Path) -> Client {
    let mut config = Config::new();
    config.host_path(socket).user("postgres").dbname("users");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn rows(client: &Client) -> i64 {
    client.query_one("select count(*) from app.load_rows", &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_30_what_was_deleted_is_back_in_a_new_folder_as_it_was_a_moment_before_and_nothing_else_is_touched() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab, with_log).await;
    lab.write(EAST, 1, 10).await;
    assert_eq!(server.back_up(LOG).await.why, None);
    let base = server.back_up(WHOLE).await;
    lab.write(EAST, 2, 10).await;
    let before = chrono::Utc::now();
    lab.admin(EAST).await.batch_execute("delete from app.load_rows").await.unwrap();
    let last = server.back_up(LOG).await;
    assert_eq!(last.why, None);
    assert_eq!(server.proven(&base, 1).await.failure, None);

    let wish = server.wish(before);
    assert_eq!((wish.backup, wish.last), (base.id, Some(last.id)));
    let plan = server.picture().restore_plan(&wish).unwrap();
    assert_eq!(
        (plan.blockers.len(), plan.restore().unwrap().reaches),
        (0, Some(before)),
        "everything before that moment, and it was proven: {plan:#?}"
    );
    let restored = server.restore(&wish).await;
    let (_, socket) = server.stands_still(restored).await;
    let copy = enter(&socket).await;
    assert_eq!(rows(&copy).await, 20, "what was deleted a moment later is there");
    let refused = copy.batch_execute("insert into app.load_rows select * from app.load_rows limit 1").await.unwrap_err();
    assert!(refused.as_db_error().unwrap().message().contains("read-only"), "{refused:?}");
    assert!(server.place(&wish.folder).join("data/PG_VERSION").is_file());

    server.desk.act(&person("oskar"), Command::Commit { operation: restored, reason: "the rows are all there".to_owned() }).await.unwrap();
    let done = server.comes_to(restored, State::Succeeded).await;
    assert!(said(&done, |action| matches!(action, Action::PromoteRestored { .. })).contains("it takes writes, on timeline 2"), "{:#?}", done.steps);
    enter(&socket).await.batch_execute("create table app.proof as select 1").await.unwrap();
    assert_eq!(lab.text(EAST, "select count(*)::text from app.load_rows").await, "0", "the source was not touched");
    assert_eq!(lab.writable().await, [EAST], "the restored one is no node of the cluster");

    // The same again comes into another folder. No commit came after that moment; and this time nobody wants it.
    let wish = server.wish(chrono::Utc::now() + Span::from_mins(60).as_delta());
    let dropped = server.restore(&wish).await;
    let (waits, other) = server.stands_still(dropped).await;
    assert!(said(&waits, |action| matches!(action, Action::FetchBackup { .. })).contains("every SHA-256 is as it was stored"));
    assert_eq!(rows(&enter(&other).await).await, 0, "as it was at the end of the log");
    let place = server.place(&wish.folder);
    assert!(place.join("data/postmaster.pid").is_file());
    server.desk.act(&person("olga"), Command::Abort { operation: dropped, reason: "a drill".to_owned() }).await.unwrap();
    server.comes_to(dropped, State::Failed).await;
    assert!(!place.exists() && !other.exists(), "its server has ended, and its folder is gone");
    assert_eq!(rows(&enter(&socket).await).await, 20, "and the first one is still there");
    // The lab ends the server that was promoted when it goes down.
    std::fs::remove_dir_all(&socket).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_there_is_written_over_and_a_damaged_copy_is_not_restored() {
    let lab = Lab::up(&[]);
    let server = Server::start(&lab, |_| ()).await;
    lab.write(EAST, 1, 10).await;
    let base = server.back_up(WHOLE).await;
    assert_eq!(server.proven(&base, 1).await.failure, None);
    let wish = server.wish(chrono::Utc::now());
    assert_eq!(wish.last, None, "no log is archived here");
    // Somebody's own data lies where it would come to.
    let mine = server.place(&wish.folder);
    std::fs::create_dir_all(mine.join("data")).unwrap();
    std::fs::write(mine.join("data/PG_VERSION"), "15").unwrap();
    let refused = server.restore(&wish).await;
    let failed = server.comes_to(refused, State::Failed).await;
    assert!(failed.outcome.as_ref().unwrap().contains("exists and was not made by this operation: it is not touched"), "{:?}", failed.outcome);
    assert_eq!(std::fs::read_to_string(mine.join("data/PG_VERSION")).unwrap(), "15");
    server.until("it is seen", |picture| picture.observed.backups.restores.as_ref().is_some_and(|place| place.taken.contains(&wish.folder))).await;
    let taken = server.picture().restore_plan(&wish).unwrap().blockers;
    assert_eq!(taken, [Blocker::FolderTaken { folder: wish.folder.clone() }]);
    let another = server.wish(wish.before);
    assert_eq!(another.folder, format!("{}-2", wish.folder));
    for folder in ["../data", "", "A", "a/b", "-x"] {
        let plan = server.picture().restore_plan(&RestoreWish { folder: folder.to_owned(), ..another.clone() }).unwrap();
        assert!(matches!(plan.hard_blockers()[..], [Blocker::NoFolderName { .. }]), "{folder}: {:?}", plan.blockers);
    }

    // One bit of the copy that it is restored from changed meanwhile.
    let file = server.copy(&base, another.from.as_str()).join("base.tar.zst");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let broken = server.restore(&another).await;
    let failed = server.comes_to(broken, State::Failed).await;
    assert!(failed.outcome.as_ref().unwrap().contains("base.tar.zst has the SHA-256"), "{:?}", failed.outcome);
    assert!(!server.place(&another.folder).exists(), "what was fetched is gone again");
}
