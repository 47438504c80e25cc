//! Requests and approvals through the real port: a second person, exactly the plan that was shown, and each form once.

use crate::{
    house::{House, command_line},
    world::{self, REPLICA, WEST, id, operation_id},
};
use app::{fault::Fault, port::Wish};
use engine::{
    access::Role,
    failover::{OperationKind, State},
    id::OperationId,
    journal::Command,
};

fn hash_of(house: &House, operation: OperationId) -> String {
    house.desk.picture().operation(&operation).unwrap().plan_hash.clone()
}

fn approve(operation: OperationId, plan_hash: String) -> Wish {
    Wish::Approve { operation, plan_hash, accept_loss: false, reason: "agreed on the call".to_owned() }
}

#[track_caller]
fn refused(answer: Result<(), Fault>, part: &str) {
    let Err(Fault::Refused(said)) = answer else { panic!("a refusal was due, not {answer:?}") };
    assert!(said.contains(part), "“{part}” is missing in: {said}");
}

fn state(house: &House, operation: OperationId) -> State {
    house.desk.picture().operation(&operation).unwrap().state
}

#[tokio::test]
async fn nobody_approves_what_they_requested_themselves() {
    let house = House::with_people().await;
    let operation = house.requested().await;
    let hash = hash_of(&house, operation);
    refused(house.wishes("ann", approve(operation, hash.clone())).await, "you requested this operation; another person must approve it");
    // Another hat is no other person.
    house.desk.act(&command_line(), Command::SetRoles { name: id("ann"), roles: Role::ALL.into() }).await.unwrap();
    refused(house.wishes("ann", approve(operation, hash.clone())).await, "another person must approve it");
    assert_eq!(state(&house, operation), State::Requested);
    house.wishes("abe", approve(operation, hash.clone())).await.unwrap();
    assert_eq!(state(&house, operation), State::Approved);
    refused(house.wishes("amy", approve(operation, hash)).await, "it was approved by abe");
}

#[tokio::test]
async fn a_plan_that_is_not_the_one_shown_is_refused() {
    let house = House::with_people().await;
    let mut wish = house.wish(operation_id(), OperationKind::Switchover, WEST);
    if let Wish::Request { node, .. } = &mut wish {
        *node = Some(id(REPLICA));
    }
    refused(house.wishes("ann", wish).await, "the plan you saw is not the plan that would be carried out now");
    let mut wish = house.wish(operation_id(), OperationKind::Switchover, WEST);
    if let Wish::Request { plan_hash, .. } = &mut wish {
        plan_hash.clear();
    }
    refused(house.wishes("ann", wish).await, "the plan you saw is not the plan");

    let operation = house.requested().await;
    let stale = hash_of(&house, operation).replace(|c: char| c.is_ascii_digit(), "0");
    refused(house.wishes("otto", approve(operation, stale)).await, "the page showed another plan than the one that was requested");
    assert_eq!(state(&house, operation), State::Requested);
    // The world has moved on since: the approval would be for something else.
    house.desk.put_up(world::primary_down(house.desk.estate(), chrono::Utc::now()));
    refused(house.wishes("otto", approve(operation, hash_of(&house, operation))).await, "this approval is void");
    assert_eq!(state(&house, operation), State::Requested, "a refused approval changes nothing");
}

#[tokio::test]
async fn a_form_sent_twice_requests_once() {
    let house = House::with_people().await;
    let wish = house.wish(operation_id(), OperationKind::Switchover, WEST);
    let Wish::Request { id: operation, .. } = wish else { unreachable!() };
    let before = house.journal_length().await;
    let (one, two) = tokio::join!(house.wishes("ann", wish.clone()), house.wishes("ann", wish.clone()));
    one.unwrap();
    two.unwrap();
    house.wishes("ann", wish.clone()).await.unwrap();
    assert_eq!((house.journal_length().await, house.desk.picture().records.operations.len()), (before + 1, 1));
    // Also after it has ended: the browser's back button requests nothing anew.
    house.wishes("ann", Wish::Cancel { operation, reason: "not today".to_owned() }).await.unwrap();
    house.wishes("ann", wish).await.unwrap();
    assert_eq!(state(&house, operation), State::Cancelled);
}

#[tokio::test]
async fn a_reason_is_needed_and_bounded() {
    let house = House::with_people().await;
    for (text, part) in [("", "say why"), ("  x ", "say why"), (&*"x".repeat(1_001), "at most 1000 are kept")] {
        let mut wish = house.wish(operation_id(), OperationKind::Switchover, WEST);
        if let Wish::Request { reason, .. } = &mut wish {
            *reason = text.to_owned();
        }
        refused(house.wishes("ann", wish).await, part);
    }
}

/// Roles count as they are now, not as they were when the page was opened.
#[tokio::test]
async fn a_role_taken_away_meanwhile_is_gone() {
    let house = House::with_people().await;
    let operation = house.requested().await;
    let other = crate::house::desk_on(&house.data()).await;
    other.act(&command_line(), Command::SetRoles { name: id("otto"), roles: [Role::Viewer].into() }).await.unwrap();
    refused(house.wishes("otto", approve(operation, hash_of(&house, operation))).await, "otto may not approve operations");
    other.act(&command_line(), Command::DisableAccount { name: id("abe") }).await.unwrap();
    refused(house.wishes("abe", approve(operation, hash_of(&house, operation))).await, "abe may not approve operations");
}
