//! The executor where nobody may act: what was under way before the restart stands as it is.

use crate::stage::{EAST, EU, Stage, WEST};
use engine::{
    estate::{Estate, FailoverMode, Strategy},
    failover::{Action, Mode, Operation, State},
    health::Health,
    id::OperationId,
    journal::{Actor, Event},
    picture::Picture,
    time::Span,
};
use server::{
    desk::{Changed, Desk},
    run::{
        self,
        needs::{Done, Hands, Ledger},
    },
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// A desk that counts how often the executor looked.
struct Counting {
    desk: Arc<Desk>,
    looks: watch::Sender<usize>,
}

impl Ledger for Counting {
    fn picture(&self) -> Picture {
        self.looks.send_modify(|looks| *looks += 1);
        Desk::picture(&self.desk)
    }
    fn listen(&self) -> watch::Receiver<Changed> {
        Desk::listen(&self.desk)
    }
    async fn record(&self, actor: &Actor, events: impl Fn(&Picture) -> Vec<Event> + Send) -> anyhow::Result<()> {
        Desk::record(&self.desk, actor, events).await.map(|_| ())
    }
    fn new_operation(&self) -> OperationId {
        Ledger::new_operation(&*self.desk)
    }
}

/// Hands that count what they were told to do, and do nothing.
struct Idle(watch::Sender<usize>);

impl Hands for Idle {
    async fn perform(&mut self, _: &Action, _: &Operation, _: Span) -> anyhow::Result<Done> {
        self.0.send_modify(|told| *told += 1);
        anyhow::bail!("the test does nothing")
    }
}

/// One that runs, one that is approved, and a request whose target has failed since.
async fn stage() -> (Stage, [OperationId; 3]) {
    let people_decide = |estate: &mut Estate| {
        let asks = Strategy { id: crate::stage::id("asks"), failover: FailoverMode::SemiAutomatic, ..estate.strategies[0].clone() };
        estate.strategies.push(asks);
    };
    let services = [("shop", "one", ""), ("edge", "one", ""), ("pay", "asks", "")];
    let stage = Stage::declared(&services, BTreeMap::new(), people_decide).await;
    let runs = stage.under_way(stage.plan("shop", Mode::Planned, WEST)).await;
    let approved = stage.file(stage.plan("edge", Mode::Planned, WEST)).await;
    let plan = stage.plan("pay", Mode::Planned, WEST);
    let (id, plan_hash) = (OperationId(uuid::Uuid::now_v7()), plan.hash());
    let (reason, plan, overridden) = ("asked".to_owned(), Box::new(plan), Vec::new());
    let asked = Event::OperationRequested { id, plan, plan_hash, reason, loss_accepted: false, overridden, parent: None };
    stage.says(&crate::stage::person("ann"), vec![asked]).await;
    stage.see("pay", WEST, Health::Down);
    (stage, [runs, approved, id])
}

fn states(stage: &Stage, ids: [OperationId; 3]) -> [State; 3] {
    ids.map(|id| stage.desk.picture().operation(&id).unwrap().state)
}

#[tokio::test]
async fn row_90_nothing_goes_on_after_a_restart_into_read_only() {
    let (stage, ids) = stage().await;
    let stage = stage.read_only();
    let before = states(&stage, ids);
    assert_eq!(before, [State::Running, State::Approved, State::Requested]);
    let length = stage.desk.store().journal_head().await.unwrap();
    let (looks, mut looked) = watch::channel(0);
    let (told, was_told) = watch::channel(0);
    let ledger = Arc::new(Counting { desk: stage.desk.clone(), looks });
    let executor = tokio::spawn(run::carry_out(ledger, move || Idle(told.clone()), None));
    for round in 1..=5 {
        // News of the world, at which it would go on.
        stage.see("shop", EU, if round % 2 == 0 { Health::Ok } else { Health::Down });
        let before = *looked.borrow_and_update();
        looked.wait_for(|looks| *looks > before).await.unwrap();
    }
    assert_eq!((states(&stage, ids), *was_told.borrow()), (before, 0));
    assert_eq!(stage.desk.store().journal_head().await.unwrap(), length, "and nothing was written about it");
    executor.abort();
}

/// The same, where people may act: the test above would notice.
#[tokio::test]
async fn row_90_the_same_goes_on_where_the_server_may_act() {
    let (stage, ids) = stage().await;
    let (looks, _) = watch::channel(0);
    let (told, mut was_told) = watch::channel(0);
    let ledger = Arc::new(Counting { desk: stage.desk.clone(), looks });
    let executor = tokio::spawn(run::carry_out(ledger, move || Idle(told.clone()), None));
    was_told.wait_for(|told| *told >= 2).await.unwrap();
    let void = stage.until("the request is void", |picture| picture.operation(&ids[2]).filter(|asked| asked.state == State::Void).cloned()).await;
    assert!(void.outcome.is_some_and(|why| !why.is_empty()), "it says why");
    assert_eq!(stage.control("pay").script().on, crate::stage::regions(&[EAST]));
    executor.abort();
}
