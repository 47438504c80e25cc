//! Two processes on one store, server and command line, each with a desk of its own: one journal without gaps, one
//! operation per cluster, and nobody mistakes the other's entries for a break.

use crate::{
    house::{House, command_line, desk_on},
    program::Program,
    world::{self, ESTATE, WEST, id},
};
use app::{
    fault::Fault,
    port::{HistoryQuery, Port, Wish},
};
use engine::{
    failover::{OperationKind, State},
    id::AccountName,
    journal::{Actor, Command, Event},
};
use server::desk::Desk;
use std::{future::Future, sync::Arc, task::Poll};

async fn note(desk: &Desk, text: String) {
    desk.record(&Actor::Lifeboat, |_| vec![Event::ServerStarted { version: text.clone() }]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_desks_and_the_command_line_write_one_chain_without_gaps() {
    const EACH: u64 = 25;
    let house = House::with_people().await;
    let (one, two) = (house.desk.clone(), Arc::new(desk_on(&house.data()).await));
    let before = house.journal_length().await;
    let program = Program::around(tempfile::tempdir().unwrap(), &format!("data = {:?}\n", house.data()), ESTATE);
    let writers = [one.clone(), two.clone()].map(|desk| {
        tokio::spawn(async move {
            for round in 0..EACH {
                note(&desk, format!("round {round}")).await;
            }
        })
    });
    let shell = tokio::task::spawn_blocking(move || {
        for name in ["cli-1", "cli-2", "cli-3"] {
            program.run(&["user", "add", name, "--role", "viewer"]).fine();
        }
        program.run(&["journal", "verify"]).fine()
    });
    for writer in writers {
        writer.await.unwrap();
    }
    let said = shell.await.unwrap();
    assert!(said.starts_with("the journal is whole"), "{said}");

    one.read_on().await.unwrap();
    two.read_on().await.unwrap();
    let length = before + 2 * EACH + 3;
    assert_eq!(one.store().verify_journal().await.unwrap(), Ok(length));
    let (one, two) = (one.picture(), two.picture());
    assert_eq!((one.records.seq, &one.journal_break), (length, &None));
    assert_eq!(one.records, two.records, "both know everything");
    assert!(one.records.accounts.contains_key(&id::<AccountName>("cli-3")), "what the command line did is known to both");
}

#[tokio::test]
async fn replaying_the_journal_gives_the_records_of_the_desk_that_wrote_it() {
    let house = House::with_people().await;
    let operation = house.requested().await;
    let hash = house.desk.picture().operation(&operation).unwrap().plan_hash.clone();
    house.wishes("otto", Wish::Approve { operation, plan_hash: hash, accept_loss: false, reason: "agreed on the call".to_owned() }).await.unwrap();
    let ran = |_: &engine::picture::Picture| {
        vec![
            Event::OperationStarted { id: operation },
            Event::StepStarted { id: operation, step: 0 },
            Event::OperationInDoubt { id: operation, why: "the server was killed".to_owned() },
        ]
    };
    house.desk.record(&Actor::Lifeboat, ran).await.unwrap();
    house.wishes("otto", Wish::Close { operation, reason: "looked at both nodes".to_owned() }).await.unwrap();
    house.desk.act(&command_line(), Command::DisableAccount { name: id("vera") }).await.unwrap();
    let fresh = desk_on(&house.data()).await;
    assert_eq!(fresh.picture().records, house.desk.picture().records);
    assert_eq!(fresh.picture().records.operations[&operation].state, State::Closed);
    assert_eq!(fresh.picture().journal_break, None);
}

/// Another process opening the store while entries are written sees some prefix of the journal, never a break.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn opening_a_store_that_is_being_written_finds_no_break() {
    let house = House::empty().await;
    let desk = house.desk.clone();
    let writer = tokio::spawn(async move {
        for round in 0..120 {
            note(&desk, format!("round {round}")).await;
        }
    });
    let reader = server::store::Store::open(&house.data()).await.unwrap();
    let mut looked = 0;
    while !writer.is_finished() {
        let desk = Desk::open(reader.clone(), world::estate()).await.unwrap();
        assert_eq!(desk.picture().journal_break, None);
        assert!(reader.verify_journal().await.unwrap().is_ok());
        looked += 1;
    }
    writer.await.unwrap();
    assert!(looked > 0, "it was looked at while it was written");
}

/// A browser that goes away takes the request's future with it, wherever that stands.
#[tokio::test]
async fn a_reading_given_up_halfway_leaves_the_desk_as_it_was() {
    let house = House::empty().await;
    let other = desk_on(&house.data()).await;
    for round in 0..40 {
        other.record(&Actor::Lifeboat, |_| (0..10).map(|at| Event::ServerStarted { version: format!("{round}.{at}") }).collect()).await.unwrap();
    }
    for patience in 1..40 {
        let mut reading = Box::pin(house.desk.read_on());
        let mut polls = 0;
        let given_up = std::future::poll_fn(|context| {
            polls += 1;
            match reading.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending if polls > patience => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        drop(reading);
        if let Some(result) = given_up {
            result.unwrap();
            break;
        }
    }
    house.desk.read_on().await.unwrap();
    let picture = house.desk.picture();
    assert_eq!((picture.journal_break, picture.records.seq), (None, 400));
    note(&house.desk, "and it can go on".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn of_two_desks_that_race_one_gets_the_cluster_and_the_other_hears_who_holds_it() {
    let house = House::with_people().await;
    let (one, two) = (house.desk.clone(), Arc::new(desk_on(&house.data()).await));
    two.put_up(world::healthy(two.estate(), chrono::Utc::now()));
    for round in 0..8 {
        let ids = [world::operation_id(), world::operation_id()];
        let ask = |desk: &Arc<Desk>, who: &'static str, operation| {
            let (desk, wish) = (desk.clone(), house.wish(operation, OperationKind::Switchover, WEST));
            tokio::spawn(async move { Port::act(&*desk, &crate::house::viewer(who), wish).await })
        };
        let (first, second) = (ask(&one, "ann", ids[0]), ask(&two, "otto", ids[1]));
        let answers = [first.await.unwrap(), second.await.unwrap()];
        let (holder, by, refused) = match &answers {
            [Ok(()), Err(refused)] => (ids[0], "ann", refused),
            [Err(refused), Ok(())] => (ids[1], "otto", refused),
            _ => panic!("round {round}: exactly one gets it: {answers:?}"),
        };
        let Fault::Refused(said) = refused else { panic!("a refusal, not {refused:?}") };
        assert!(said.contains(&format!("users is held by switchover {holder}, requested by {by}")), "{said}");
        one.read_on().await.unwrap();
        house.wishes("otto", Wish::Cancel { operation: holder, reason: "next round".to_owned() }).await.unwrap();
        let query = HistoryQuery { before: None, limit: 3, operation: None };
        let known = Port::history(&*one, &crate::house::viewer("ann"), query).await.unwrap();
        let refusals = known.iter().filter(|entry| matches!(&entry.event, Event::Refused { asked, .. } if asked.contains("switchover"))).count();
        assert_eq!(refusals, 1, "the refusal is in the journal");
    }
    assert!(one.store().verify_journal().await.unwrap().is_ok());
}
