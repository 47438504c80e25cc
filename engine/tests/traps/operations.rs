//! Operations and the journal: F1 to F3, F14 to F16, D5, D9, D11, D12, X1 to X7.

use crate::world::{Book, EAST, REPLICA, WEST, World, ago, approve, id, now, operation_id, person, request};
use engine::{
    failover::{Change, Measured, OnFailure, OperationKind, Plan, State, Step, StepState},
    health::Health,
    journal::{Actor, Command, Event, Misfit, Refusal, void_reasons},
    time::Span,
};

fn emergency() -> (World, Plan) {
    let mut world = World::healthy();
    world.down(EAST);
    let plan = world.plan(OperationKind::Failover, None);
    (world, plan)
}
/// A failover that was requested by ann and approved by bob.
fn approved() -> (Book, Plan) {
    let (_, plan) = emergency();
    let mut book = Book::with_people();
    book.act(&person("ann"), &request(1, &plan), now()).unwrap();
    book.act(&person("bob"), &approve(1, &plan, &plan), now()).unwrap();
    (book, plan)
}
fn state(book: &Book, number: u128) -> State {
    book.records.operations[&operation_id(number)].state
}
fn write(book: &mut Book, event: &Event) -> Result<(), Misfit> {
    book.write(&Actor::Lifeboat, event, now())
}
fn started(step: usize) -> Event {
    Event::StepStarted { id: operation_id(1), step }
}
fn ended(step: usize, state: StepState) -> Event {
    Event::StepEnded { id: operation_id(1), step, state, said: "seen".to_owned() }
}

#[test]
fn f1_nothing_acts_before_a_second_person_agreed() {
    let (_, plan) = emergency();
    let mut book = Book::with_people();
    book.act(&person("ann"), &request(1, &plan), now()).unwrap();
    assert_eq!(state(&book, 1), State::Requested);
    assert!(matches!(write(&mut book, &Event::OperationStarted { id: operation_id(1) }), Err(Misfit::Illegal { .. })));
    assert!(matches!(write(&mut book, &started(0)), Err(Misfit::NotRunning { state: State::Requested, .. })));
    assert_eq!(book.act(&person("ann"), &approve(1, &plan, &plan), now()), Err(Refusal::OwnRequest));
    for stranger in ["eve", "tom", "root", "nobody-known"] {
        assert!(matches!(book.act(&person(stranger), &approve(1, &plan, &plan), now()), Err(Refusal::NotAllowed { .. })), "{stranger}");
    }
    book.act(&person("bob"), &approve(1, &plan, &plan), now()).unwrap();
    assert_eq!(state(&book, 1), State::Approved);
    assert!(matches!(book.act(&person("bob"), &approve(1, &plan, &plan), now()), Err(Refusal::AlreadyApproved { .. })));
}

#[test]
fn f1_an_approval_holds_for_one_plan_and_one_state_of_the_world() {
    let (mut world, plan) = emergency();
    let mut book = Book::with_people();
    book.act(&person("ann"), &request(1, &plan), now()).unwrap();
    let mut other = plan.clone();
    if let Change::Database(change) = &mut other.change {
        change.target = Some(id(REPLICA));
    }
    let wrong_page = approve(1, &other, &plan);
    assert!(matches!(book.act(&person("bob"), &wrong_page, now()), Err(Refusal::PlanChanged { .. })));
    world.west_took_over();
    let moved = world.plan(OperationKind::Failover, Some(WEST));
    let Err(Refusal::ApprovalVoid { changes }) = book.act(&person("bob"), &approve(1, &plan, &moved), now()) else { panic!() };
    assert!(changes.iter().any(|change| change.contains("active node was pg-primary-east")), "{changes:?}");
    let late = now() + Span::from_mins(31).as_delta();
    assert!(matches!(book.act(&person("bob"), &approve(1, &plan, &plan), late), Err(Refusal::ApprovalVoid { .. })));
    assert_eq!(void_reasons(&book.records.operations[&operation_id(1)], &plan, now()), Vec::<String>::new());
}

#[test]
fn f2_x3_every_operation_has_an_actor_and_a_reason() {
    let (_, plan) = emergency();
    let mut book = Book::with_people();
    for actor in [Actor::Lifeboat, Actor::CommandLine("root".to_owned()), person("eve")] {
        assert!(matches!(book.act(&actor, &request(1, &plan), now()), Err(Refusal::NotAllowed { .. })), "{actor}");
    }
    for (reason, refusal) in [("  ", Refusal::ReasonMissing { least: 3 }), (&*"x".repeat(1001), Refusal::ReasonTooLong { length: 1001, most: 1000 })]
    {
        let Command::RequestOperation { id, plan, shown_hash, .. } = request(1, &plan) else { unreachable!() };
        let command = Command::RequestOperation { id, plan, shown_hash, reason: reason.to_owned(), accept_loss: true, override_blockers: true };
        assert_eq!(book.act(&person("ann"), &command, now()), Err(refusal));
    }
    book.act(&person("ann"), &request(1, &plan), now()).unwrap();
    let requested = &book.records.operations[&operation_id(1)].requested;
    assert_eq!((requested.by.as_str(), requested.at, requested.reason.as_str()), ("ann", now(), "the primary is gone"));
}

#[test]
fn f3_d11_one_operation_at_a_time_holds_a_cluster() {
    let (world, plan) = emergency();
    let mut book = Book::with_people();
    book.act(&person("ann"), &request(1, &plan), now()).unwrap();
    assert_eq!(book.act(&person("ann"), &request(1, &plan), now()), Ok(Vec::new()), "the same form twice requests once");
    let other = world.plan(OperationKind::Failover, Some(REPLICA));
    let Err(refusal) = book.act(&person("bob"), &request(2, &other), now()) else { panic!("a second failover") };
    assert!(refusal.to_string().contains("held by failover") && refusal.to_string().contains("requested by ann"), "{refusal}");
    let forced = Event::OperationRequested {
        id: operation_id(2),
        plan_hash: other.hash(),
        plan: Box::new(other.clone()),
        reason: "race".to_owned(),
        loss_accepted: true,
        overridden: Vec::new(),
        parent: None,
    };
    assert!(matches!(book.write(&person("bob"), &forced, now()), Err(Misfit::ScopeHeld { .. })), "not even past decide");
    book.act(&person("ann"), &Command::Cancel { operation: operation_id(1), reason: "not needed".to_owned() }, now()).unwrap();
    book.act(&person("bob"), &request(2, &other), now()).unwrap();
}

#[test]
fn f3_an_operation_in_doubt_holds_its_cluster_until_a_person_ends_it() {
    let (mut book, plan) = approved();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    write(&mut book, &Event::OperationInDoubt { id: operation_id(1), why: "the promotion was not seen".to_owned() }).unwrap();
    assert!(matches!(book.act(&person("bob"), &request(2, &plan), now()), Err(Refusal::ScopeHeld { state: State::InDoubt, .. })));
    book.act(&person("bob"), &Command::Close { operation: operation_id(1), reason: "looked: nothing ran".to_owned() }, now()).unwrap();
    book.act(&person("bob"), &request(2, &plan), now()).unwrap();
}

#[test]
fn loss_and_overrides_are_accepted_explicitly_or_not_at_all() {
    let mut world = World::healthy();
    world.lose_east();
    let plan = world.plan(OperationKind::Failover, None);
    let asking = |accept_loss, override_blockers| Command::RequestOperation {
        id: operation_id(1),
        plan: Box::new(plan.clone()),
        shown_hash: plan.hash(),
        reason: "region lost".to_owned(),
        accept_loss,
        override_blockers,
    };
    let mut book = Book::with_people();
    assert!(matches!(book.act(&person("ann"), &asking(true, false), now()), Err(Refusal::OverrideMissing { .. })));
    assert!(matches!(book.act(&person("ann"), &asking(false, true), now()), Err(Refusal::LossNotAccepted { .. })));
    book.act(&person("ann"), &asking(true, true), now()).unwrap();
    let operation = &book.records.operations[&operation_id(1)];
    assert!(operation.loss_accepted);
    assert!(operation.overridden[0].contains("cannot be fenced by proof"), "D5: what was set aside is on record: {:?}", operation.overridden);
    world.node(WEST).judgement.health = Health::Down;
    let hopeless = world.plan(OperationKind::Failover, None);
    let mut book = Book::with_people();
    assert!(matches!(book.act(&person("ann"), &request(2, &hopeless), now()), Err(Refusal::Blocked { .. })), "D4: no flag lifts this");
}

#[test]
fn d5_an_overridden_step_is_never_a_done_one() {
    let (mut book, _) = approved();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    write(&mut book, &started(2)).unwrap();
    write(&mut book, &ended(2, StepState::Overridden)).unwrap();
    assert_eq!(book.replayed().operations[&operation_id(1)].steps[2].state, StepState::Overridden);
}

#[test]
fn f14_f15_f16_what_runs_is_on_record_from_the_start_and_every_end_has_a_time() {
    let (mut book, _) = approved();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    write(&mut book, &started(0)).unwrap();
    let running = &book.records.operations[&operation_id(1)];
    assert_eq!((running.state, running.steps[0].state, running.ended_at), (State::Running, StepState::Running, None));
    assert_eq!(running.next_step(), Some(0), "killed here, it is found again at this step");
    assert_eq!(book.replayed(), book.records, "and so after a restart: X2");
    for (path, end) in [
        (vec![Event::OperationSucceeded { id: operation_id(1) }], State::Succeeded),
        (
            vec![
                Event::OperationCompensating { id: operation_id(1), why: "fence failed".to_owned() },
                Event::OperationFailed { id: operation_id(1), why: "fence failed".to_owned() },
            ],
            State::Failed,
        ),
        (
            vec![
                Event::OperationInDoubt { id: operation_id(1), why: "killed".to_owned() },
                Event::OperationClosed { id: operation_id(1), reason: "looked".to_owned() },
            ],
            State::Closed,
        ),
    ] {
        let mut records = book.records.clone();
        for event in path {
            let entry = engine::journal::Entry {
                seq: records.seq + 1,
                at: now(),
                actor: Actor::Lifeboat,
                event,
                previous: String::new(),
                hash: String::new(),
            };
            assert_eq!(records.operations[&operation_id(1)].ended_at, None);
            records.apply(&entry).unwrap();
        }
        let operation = &records.operations[&operation_id(1)];
        assert_eq!((operation.state, operation.ended_at), (end, Some(now())));
    }
}

#[test]
fn f14_a_failure_after_the_promotion_is_doubt_and_never_undone() {
    let (mut book, plan) = approved();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    let promote = plan.steps.iter().position(|step| matches!(step.action, engine::failover::Action::Promote { .. })).unwrap();
    assert!(!book.records.operations[&operation_id(1)].passed_promotion());
    write(&mut book, &started(promote)).unwrap();
    assert!(book.records.operations[&operation_id(1)].passed_promotion(), "started is enough: it may have happened");
}

#[test]
fn d9_a_fence_by_the_host_that_began_is_no_way_back() {
    let (mut book, plan) = approved();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    let fence = plan.steps.iter().position(|step| matches!(step.action, engine::failover::Action::Fence { .. })).unwrap();
    assert!(!book.records.operations[&operation_id(1)].passed_promotion());
    // As a journal has it that was begun before fences had no way back.
    let undone = Step { on_failure: OnFailure::Compensate, ..plan.steps[fence].clone() };
    assert_eq!(book.records.operations[&operation_id(1)].on_failure(&undone), OnFailure::Compensate);
    write(&mut book, &started(fence)).unwrap();
    assert!(book.records.operations[&operation_id(1)].passed_promotion(), "the order may be on its way");
    for end in [StepState::Failed, StepState::Done] {
        write(&mut book, &ended(fence, end)).unwrap();
        let operation = &book.records.operations[&operation_id(1)];
        assert!(operation.passed_promotion(), "{end:?}: the host will not start it again, whatever it answered");
        assert_eq!(operation.on_failure(&undone), OnFailure::StandInDoubt);
    }
}

#[test]
fn d5_a_rejoin_never_ends_well_without_the_proof_that_the_node_streams() {
    let mut world = World::healthy();
    world.west_took_over();
    world.down(EAST);
    let plan = world.plan(OperationKind::Rejoin, Some(EAST));
    let mut book = Book::with_people();
    book.act(&person("ann"), &request(1, &plan), now()).unwrap();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    let last = plan.steps.len() - 1;
    for step in 0..last {
        write(&mut book, &ended(step, StepState::Done)).unwrap();
    }
    write(&mut book, &started(last)).unwrap();
    write(&mut book, &ended(last, StepState::Failed)).unwrap();
    write(&mut book, &Event::OperationInDoubt { id: operation_id(1), why: "it does not stream".to_owned() }).unwrap();
    let skip = Command::Skip { operation: operation_id(1), reason: "it will come".to_owned() };
    assert_eq!(book.act(&person("ann"), &skip, now()), Err(Refusal::NotSkippable { step: last + 1 }));
    let switchover = World::healthy().plan(OperationKind::Switchover, None);
    assert!(switchover.steps.last().unwrap().action.may_be_skipped(), "where it only tidies up it can be left out");
}

#[test]
fn d9_a_resumed_operation_does_again_what_was_undone() {
    let (mut book, _) = approved();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    for step in [0, 1] {
        write(&mut book, &started(step)).unwrap();
        write(&mut book, &ended(step, StepState::Done)).unwrap();
    }
    write(&mut book, &started(2)).unwrap();
    write(&mut book, &ended(2, StepState::Failed)).unwrap();
    write(&mut book, &Event::OperationCompensating { id: operation_id(1), why: "not fenced".to_owned() }).unwrap();
    assert!(matches!(write(&mut book, &started(3)), Err(Misfit::NotRunning { .. })), "nothing new starts while undoing");
    write(&mut book, &Event::UndoStarted { id: operation_id(1), step: 1 }).unwrap();
    write(&mut book, &ended(1, StepState::UndoFailed)).unwrap();
    write(&mut book, &Event::OperationInDoubt { id: operation_id(1), why: "the route may be open".to_owned() }).unwrap();
    book.act(&person("ann"), &Command::Resume { operation: operation_id(1), reason: "router is back".to_owned() }, now()).unwrap();
    let operation = &book.records.operations[&operation_id(1)];
    assert_eq!((operation.state, operation.next_step()), (State::Running, Some(1)), "the route is closed again before anything is promoted");
}

#[test]
fn d12_a_run_keeps_who_when_why_and_what_was_measured() {
    let (mut book, _) = approved();
    write(&mut book, &Event::OperationStarted { id: operation_id(1) }).unwrap();
    let measured = Measured {
        recovery_time: Some(Span::from_secs(31)),
        lost_bytes: Some(0),
        lost_transactions: Some(0),
        lost_span: Some(Span::ZERO),
        lost_between: None,
    };
    write(&mut book, &Event::OperationMeasured { id: operation_id(1), measured: measured.clone() }).unwrap();
    write(&mut book, &Event::OperationSucceeded { id: operation_id(1) }).unwrap();
    let operation = &book.replayed().operations[&operation_id(1)];
    assert_eq!((operation.requested.by.as_str(), operation.approved.as_ref().unwrap().by.as_str()), ("ann", "bob"));
    assert_eq!(operation.measured, measured, "X8: zero is kept");
    assert_eq!(
        operation.history.iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        [State::Requested, State::Approved, State::Running, State::Succeeded]
    );
}

#[test]
fn x1_instants_are_utc_and_survive_the_journal_to_the_millisecond() {
    let mut book = Book::with_people();
    let odd = "2026-03-29T03:30:00.123456789+02:00".parse::<chrono::DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    book.write(&Actor::Lifeboat, &Event::SplitBrainObserved { cluster: id("users"), nodes: vec![id(EAST), id(WEST)] }, odd).unwrap();
    assert_eq!(book.records.split_brain[&id("users")].to_rfc3339(), "2026-03-29T01:30:00.123+00:00");
    assert_eq!(book.replayed(), book.records);
    assert_eq!(Span::between(now(), ago(60)), Span::ZERO, "a clock set back gives no negative length");
}

#[test]
fn x2_x4_the_records_follow_from_the_journal_alone_and_refuse_what_does_not_fit() {
    let (mut book, _) = approved();
    assert_eq!(book.replayed(), book.records);
    let before = book.records.clone();
    assert!(matches!(write(&mut book, &started(0)), Err(Misfit::NotRunning { .. })));
    assert!(matches!(write(&mut book, &Event::OperationStarted { id: operation_id(9) }), Err(Misfit::UnknownOperation { .. })));
    assert_eq!(book.records, before, "a refused entry leaves no trace");
}

#[test]
fn x3_accounts_cannot_lock_everybody_out() {
    let mut book = Book::with_people();
    let disable = |name: &str| Command::DisableAccount { name: id(name) };
    assert!(matches!(book.act(&person("root"), &disable("root"), now()), Err(Refusal::LastAdmin { .. })));
    assert!(matches!(book.act(&person("ann"), &disable("root"), now()), Err(Refusal::NotAllowed { .. })));
    book.act(&person("root"), &disable("ann"), now()).unwrap();
    let (_, plan) = emergency();
    assert!(matches!(book.act(&person("ann"), &request(1, &plan), now()), Err(Refusal::NotAllowed { .. })), "a disabled account may nothing");
    let reserved = Command::AddAccount { name: id("nobody"), roles: [engine::access::Role::Viewer].into() };
    assert!(matches!(book.act(&person("root"), &reserved, now()), Err(Refusal::ReservedName { .. })));
}

#[test]
fn x5_thresholds_are_stated_in_one_place() {
    let mut world = World::healthy();
    let cluster = world.cluster().clone();
    assert_eq!(world.estate.lag_tolerance_of(&cluster), Some(Span::from_secs(5)), "the strategy's");
    world.estate.strategies[0].lag_tolerance = Span::from_mins(2);
    world.position(EAST, 0x9000);
    let plan = world.plan(OperationKind::Switchover, Some(WEST));
    assert!(plan.blockers.is_empty(), "the plan reads the same figure: {:?}", plan.blockers);
}

#[test]
fn x6_nothing_succeeds_that_did_not_run() {
    let (mut book, _) = approved();
    assert!(matches!(write(&mut book, &Event::OperationSucceeded { id: operation_id(1) }), Err(Misfit::Illegal { .. })));
    assert_eq!(book.records.operations[&operation_id(1)].measured, Measured::default(), "nothing measured is nothing, not zero");
}

#[test]
fn x7_outage_operation_and_people_are_linked_in_one_record() {
    let (mut world, plan) = emergency();
    assert_eq!(plan.outage_since, Some(ago(20)), "the operation knows the outage it answers");
    world.node(EAST).judgement.since = Some(ago(90));
    assert_eq!(world.plan(OperationKind::Failover, None).outage_since, Some(ago(90)));
    assert_eq!(plan.affected.len(), 2);
}

#[test]
fn row_49_what_is_left_is_expected_to_take_as_long_as_it_did_before() {
    use crate::realm::{BILLING, EAST, Realm, WEST};
    use engine::failover::{Mode, measuring::expected};
    let mut realm = Realm::well();
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let took = Span::from_secs(4);
    let mut run = |steps: usize| {
        realm.later(1);
        realm.send(BILLING, &[EAST]);
        let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
        let id = realm.request(&plan).unwrap();
        realm.approve("bob", id).unwrap();
        realm.say(Event::OperationStarted { id });
        for step in 0..steps {
            realm.say(Event::StepStarted { id, step });
            realm.later(4);
            realm.say(Event::StepEnded { id, step, state: StepState::Done, said: "done".to_owned() });
        }
        if steps == plan.steps.len() {
            realm.say(Event::OperationSucceeded { id });
        }
        let operation = realm.book.records.operations[&id].clone();
        expected(&operation, realm.book.records.operations.values(), realm.now).map(|end| Span::between(realm.now, end))
    };
    assert_eq!(run(plan.steps.len()), None, "it has ended");
    let proof = plan.steps.iter().rposition(|step| step.action.ends_a_wait()).unwrap();
    assert_eq!(run(1), Some(Span::from_millis(took.as_millis() * proof as u64)), "all up to the proof but the first step");
}

#[test]
fn row_49_nothing_is_expected_of_what_was_never_done() {
    use crate::realm::{BILLING, Realm, WEST};
    use engine::failover::{Mode, measuring::expected};
    let mut realm = Realm::well();
    let id = realm.request(&realm.plan(BILLING, Mode::Planned, &[WEST])).unwrap();
    realm.approve("bob", id).unwrap();
    realm.say(Event::OperationStarted { id });
    assert_eq!(expected(&realm.book.records.operations[&id], realm.book.records.operations.values(), realm.now), None);
}
