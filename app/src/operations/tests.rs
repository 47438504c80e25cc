//! What the operation pages say, over operations that went through their events.

use super::{
    acts::Verb,
    clock::Clock,
    verdict::Verdict,
    view::{Board, OperationPage},
};
use crate::{
    databases::view::ClusterPage,
    sample::{Sample, at, id, operation_id, viewer},
    session::Viewer,
    ui::state::Tone,
};
use engine::{
    access::Role,
    failover::{Action, Measured, Mode, Operation, OperationKind, Plan, StepState},
    health::{Health, Judgement},
    journal::Event,
    time::Span,
};

fn page_for(sample: &Sample, name: &str, roles: &[Role]) -> OperationPage {
    OperationPage::of(&sample.picture(), &viewer(name, roles), &operation_id(), &[]).expect("the operation")
}

fn page(sample: &Sample) -> OperationPage {
    page_for(sample, "oskar", &[Role::Operator])
}

fn act(page: &OperationPage, verb: Verb) -> Option<String> {
    page.acts.iter().find(|act| act.verb == verb).expect("the act is listed").barred.clone()
}

/// Approved by Oskar at 14:03:10 and started; every step up to `last` took one second.
fn run(sample: &mut Sample, plan: &Plan, last: usize) {
    let op = operation_id();
    sample.happens(
        "oskar",
        at("14:03:10"),
        Event::OperationApproved { id: op, plan_hash: plan.hash(), reason: "agreed".to_owned(), loss_accepted: false },
    );
    sample.happens("Lifeboat", at("14:03:10"), Event::OperationStarted { id: op });
    for step in 0..=last {
        let begin = at("14:03:11") + Span::from_secs(step as u64).as_delta();
        sample.happens("Lifeboat", begin, Event::StepStarted { id: op, step });
        let said = format!("step {step} was seen to be done");
        sample.happens("Lifeboat", begin + Span::from_secs(1).as_delta(), Event::StepEnded { id: op, step, state: StepState::Done, said });
    }
}

fn place(plan: &Plan, wanted: fn(&Action) -> bool) -> usize {
    plan.steps.iter().position(|step| wanted(&step.action)).expect("the step")
}

#[test]
fn the_requester_is_told_that_another_person_must_approve() {
    let mut sample = Sample::primary_down();
    sample.request(OperationKind::Failover);
    let own = page_for(&sample, "olga", &[Role::Operator]);
    assert_eq!(act(&own, Verb::Approve), Some("You requested it; another person must approve it.".to_owned()));
    assert_eq!(act(&own, Verb::Cancel), None);
    assert_eq!(act(&page(&sample), Verb::Approve), None, "another operator may");
    let approver = page_for(&sample, "anna", &[Role::Approver]);
    assert_eq!((act(&approver, Verb::Approve), act(&approver, Verb::Cancel).is_some()), (None, true));
    assert!(act(&page_for(&sample, "vera", &[Role::Viewer]), Verb::Approve).is_some_and(|why| why.contains("operator or approver")));
}

#[test]
fn a_waiting_request_says_until_when_and_what_has_changed() {
    let mut sample = Sample::primary_down();
    sample.request(OperationKind::Failover);
    let waiting = page(&sample);
    assert_eq!(waiting.void_at, Some(sample.now + Operation::APPROVAL_WAITS.as_delta()));
    assert!(waiting.changed.is_empty(), "{:?}", waiting.changed);
    let target = waiting.line.title.rsplit(' ').next().expect("a target").to_owned();
    sample.node(&target).judgement = Judgement { health: Health::Down, since: Some(sample.now), why: "connection refused".to_owned() };
    let ill = page(&sample);
    assert!(!ill.changed.is_empty() && act(&ill, Verb::Approve).is_some(), "a target that fell ill cannot be approved");
}

#[test]
fn a_running_operation_shows_every_step_with_what_was_seen() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    run(&mut sample, &plan, 1);
    sample.happens("Lifeboat", at("14:03:13"), Event::StepStarted { id: operation_id(), step: 2 });
    let page = page(&sample);
    assert_eq!(page.line.state, "running");
    let verbs: Vec<Verb> = page.acts.iter().map(|act| act.verb).collect();
    assert_eq!(verbs, [Verb::Abort], "a running operation can only be told to stop");
    assert_eq!(page.steps[1].took, Some(Span::from_secs(1)));
    assert_eq!(page.steps[1].said.as_deref(), Some("step 1 was seen to be done"));
    assert!(page.steps[2].running && page.steps[2].took.is_none());
    assert_eq!((page.steps[3].attempts, page.steps[3].tone), (0, Tone::Unknown));
    assert!(page.measured.iter().all(|row| row.verdict == Verdict::NotYet), "{:?}", page.measured);
}

/// Row 90: nobody carries out what was under way when the server became read-only.
#[test]
fn what_stands_still_promises_no_end_and_offers_nothing() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    run(&mut sample, &plan, 1);
    sample.happens("Lifeboat", at("14:03:13"), Event::StepStarted { id: operation_id(), step: 2 });
    assert!(page(&sample).clock.is_some_and(|clock| clock.ends().is_some()));
    sample.read_only = true;
    let oskar = Viewer { read_only: true, ..viewer("oskar", &[Role::Operator]) };
    let page = OperationPage::of(&sample.picture(), &oskar, &operation_id(), &[]).expect("the operation");
    assert_eq!((page.line.state.as_str(), page.line.tone, page.line.running), ("running, STANDS STILL", Tone::Act, false));
    assert_eq!((page.steps[2].state.as_str(), page.steps[2].running), ("NOT KNOWN", false));
    assert!(page.clock.is_some_and(|clock| clock.ends().is_none() && clock.until.is_none()), "the outage lasts, and nothing works towards its end");
    assert_eq!(page.explained, super::words::STANDS_STILL);
    assert!(page.acts.iter().all(|act| act.barred.as_deref() == Some("This server is read-only: nobody acts here.")), "{:?}", page.acts);
}

#[test]
fn the_clock_of_a_failover_counts_from_the_outage_to_the_proven_write() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    let proof = place(&plan, |action| matches!(action, Action::ProveWrite { .. }));
    run(&mut sample, &plan, proof - 1);
    let clock = page(&sample).clock.expect("a clock");
    assert_eq!((clock.from, clock.until, clock.proven), (at("14:02:40"), None, false));
    assert_eq!(clock.elapsed(at("14:17:40")), Span::from_mins(15));
    assert_eq!(clock.share(at("14:17:40")), Some(500), "half of 30 minutes");
    assert!(!clock.is_breached(at("14:32:40")) && clock.is_breached(at("14:32:41")));
    assert_eq!(clock.breach_at(), Some(at("14:32:40")));
    sample.happens("Lifeboat", at("14:03:30"), Event::StepStarted { id: operation_id(), step: proof });
    sample.happens(
        "Lifeboat",
        at("14:03:31"),
        Event::StepEnded { id: operation_id(), step: proof, state: StepState::Done, said: "row 1".to_owned() },
    );
    let clock = page(&sample).clock.expect("a clock");
    assert_eq!((clock.until, clock.proven, clock.elapsed(at("20:00:00"))), (Some(at("14:03:31")), true, Span::from_secs(51)));
}

#[test]
fn the_clock_of_a_switchover_starts_when_clients_are_cut_off() {
    let mut sample = Sample::healthy();
    let plan = sample.request(OperationKind::Switchover);
    assert_eq!(page(&sample).clock, None, "nobody is cut off yet");
    let closed = place(&plan, |action| matches!(action, Action::CloseRoute { .. }));
    run(&mut sample, &plan, closed);
    let ended = sample.records.operations[&operation_id()].steps[closed].ended_at;
    assert_eq!(page(&sample).clock.map(|clock| clock.from), ended);
}

#[test]
fn what_was_not_measured_never_reads_as_met() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    run(&mut sample, &plan, plan.steps.len() - 1);
    let measured = Measured { recovery_time: Some(Span::from_secs(51)), lost_bytes: Some(2_048), ..Measured::default() };
    sample.happens("Lifeboat", at("14:04:00"), Event::OperationMeasured { id: operation_id(), measured });
    sample.happens("Lifeboat", at("14:04:00"), Event::OperationSucceeded { id: operation_id() });
    let page = page(&sample);
    let rows: Vec<_> = page.measured.iter().map(|row| (row.what.as_str(), row.measured.as_deref(), row.verdict)).collect();
    assert_eq!(
        rows,
        [
            ("Recovery time", Some("51.00 s"), Verdict::Met),
            ("Lost stretch of data", None, Verdict::NotMeasured),
            ("Lost transactions", None, Verdict::NotMeasured),
            ("Write-ahead log lost", Some("2 KiB"), Verdict::NoTarget),
        ]
    );
    assert_eq!(page.line.tone, Tone::Ok);
    assert_eq!(page.line.lost, Some((Tone::Unknown, "not measured".to_owned())), "what nobody counted is not nothing");
}

#[test]
fn the_history_of_a_cluster_says_what_each_move_cost() {
    let cost = |lost: Option<u64>| {
        let mut sample = Sample::primary_down();
        let plan = sample.request(OperationKind::Failover);
        assert_eq!(page(&sample).line.lost, None, "nothing was promoted yet");
        run(&mut sample, &plan, plan.steps.len() - 1);
        assert_eq!(page(&sample).line.lost, Some((Tone::Unknown, "not measured yet".to_owned())));
        let measured = Measured { recovery_time: Some(Span::from_secs(51)), lost_transactions: lost, ..Measured::default() };
        sample.happens("Lifeboat", at("14:04:00"), Event::OperationMeasured { id: operation_id(), measured });
        sample.happens("Lifeboat", at("14:04:00"), Event::OperationSucceeded { id: operation_id() });
        let cluster = ClusterPage::of(&sample.picture(), &id("user-database")).expect("the cluster");
        let last = cluster.last_move.expect("it moved");
        assert_eq!((last.at, cluster.past[0].lost.is_some()), (at("14:04:00"), true));
        last.says
    };
    assert!(cost(Some(0)).ends_with(": without writes for 51.00 s, lost: nothing"), "{}", cost(Some(0)));
    assert!(cost(Some(3)).ends_with("lost: 3 transactions"));
    assert!(cost(None).ends_with("lost: not measured"));
}

#[test]
fn the_receipt_says_what_was_agreed_to_and_what_was_counted_or_why_it_was_not() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    assert_eq!(page(&sample).receipt, None, "nothing was done yet");
    let counts = place(&plan, |action| matches!(action, Action::MeasureLoss { .. }));
    run(&mut sample, &plan, counts - 1);
    let early = page(&sample).receipt.expect("a receipt");
    assert_eq!(early.says, "NOT MEASURED YET, because the operation has not come to it.");
    let row = |page: &OperationPage, what: &str| {
        page.receipt.as_ref().expect("a receipt").rows.iter().find(|(name, _)| name == what).map(|(_, says)| says.clone())
    };
    let by = row(&page(&sample), "Agreed to by").expect("who agreed");
    assert!(by.contains("olga at ") && by.contains("oskar at ") && by.contains("(agreed)"), "{by}");
    assert!(row(&page(&sample), "Bound before").is_some());

    let mut failed = Sample::primary_down();
    failed.records = sample.records.clone();
    failed.happens("Lifeboat", at("14:03:40"), Event::StepStarted { id: operation_id(), step: counts });
    let said = "its host does not answer".to_owned();
    failed.happens("Lifeboat", at("14:03:41"), Event::StepEnded { id: operation_id(), step: counts, state: StepState::Failed, said });
    let receipt = page(&failed).receipt.expect("a receipt");
    assert!(receipt.says.starts_with("NOT MEASURED YET, because its host does not answer. It is counted when "), "{}", receipt.says);
    assert_eq!(receipt.tone, Tone::Unknown);

    sample.happens("Lifeboat", at("14:03:40"), Event::StepStarted { id: operation_id(), step: counts });
    let said = "it was counted".to_owned();
    sample.happens("Lifeboat", at("14:03:41"), Event::StepEnded { id: operation_id(), step: counts, state: StepState::Done, said });
    let lost_between = Some(("0/5000000".parse().unwrap(), "0/5000800".parse().unwrap()));
    let measured = Measured { lost_bytes: Some(2_048), lost_transactions: Some(3), lost_between, ..Measured::default() };
    sample.happens("Lifeboat", at("14:03:41"), Event::OperationMeasured { id: operation_id(), measured });
    let page = page(&sample);
    assert_eq!(row(&page, "Transactions lost").as_deref(), Some("3"));
    assert_eq!(row(&page, "From and to").as_deref(), Some("0/5000000, 0/5000800"));
    assert!(row(&page, "Counted").expect("when").contains("14:03:41 UTC by this operation"));
    assert!(page.receipt.expect("a receipt").says.starts_with("3 transactions were lost"));
}

#[test]
fn a_breached_objective_is_said() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    run(&mut sample, &plan, 0);
    let measured = Measured { recovery_time: Some(Span::from_mins(31)), ..Measured::default() };
    sample.happens("Lifeboat", at("14:40:00"), Event::OperationMeasured { id: operation_id(), measured });
    assert_eq!(page(&sample).measured[0].verdict, Verdict::Breached);
    assert_eq!(page(&sample).line.rto_met, Some(false));
}

/// An evacuation of two waves, under way since 14:03:10.
fn evacuation(sample: &mut Sample) -> Plan {
    let mut plan = sample.picture().evacuation_plan(&id("us-east-1"), Mode::Planned).expect("a plan");
    plan.steps.push(plan.steps[0].clone());
    let (hash, reason) = (plan.hash(), "the east is being rebuilt".to_owned());
    let (id, asked) = (operation_id(), Box::new(plan.clone()));
    let event = Event::OperationRequested { id, plan_hash: hash, plan: asked, reason, loss_accepted: false, overridden: vec![], parent: None };
    sample.happens("olga", sample.now, event);
    plan
}

#[test]
fn d19_an_evacuation_has_met_its_objective_when_all_of_it_has_moved() {
    let mut sample = Sample::healthy();
    let plan = evacuation(&mut sample);
    run(&mut sample, &plan, 0);
    // Earlier builds measured every wave.
    let measured = Measured { recovery_time: Some(Span::from_secs(51)), ..Measured::default() };
    sample.happens("Lifeboat", at("14:04:00"), Event::OperationMeasured { id: operation_id(), measured });
    let half = page(&sample);
    let clock = half.clock.expect("a clock");
    assert_eq!((clock.title.as_str(), clock.until, clock.proven), ("Until everything is served elsewhere", None, false));
    assert!(clock.latest.is_some(), "it says when it is over at the latest");
    assert_eq!((half.measured[0].verdict, half.line.rto_met), (Verdict::NotYet, None), "one wave of two");
    let mut doubtful = Sample::healthy();
    doubtful.records = sample.records.clone();
    doubtful.happens("Lifeboat", at("14:05:00"), Event::OperationInDoubt { id: operation_id(), why: "not everything was moved".to_owned() });
    assert_eq!((page(&doubtful).measured[0].verdict, page(&doubtful).line.rto_met), (Verdict::NotYet, None));
    doubtful.happens("olga", at("14:06:00"), Event::OperationClosed { id: operation_id(), reason: "as it is".to_owned() });
    let closed = page(&doubtful);
    assert_eq!((closed.measured[0].verdict, closed.line.rto_met), (Verdict::NotMeasured, None), "something was left behind");
    assert!(closed.clock.is_some_and(|clock| !clock.proven && clock.until.is_some()));
    sample.happens("Lifeboat", at("14:05:00"), Event::OperationSucceeded { id: operation_id() });
    let whole = page(&sample);
    assert_eq!((whole.measured[0].verdict, whole.line.rto_met), (Verdict::Met, Some(true)));
    assert!(whole.clock.is_some_and(|clock| clock.proven));
}

#[test]
fn x7_a_clock_that_was_set_on_the_way_shows_no_time_and_meets_no_objective() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    sample.happens("Lifeboat", at("14:03:05"), Event::ClockJumped { from: at("15:03:05"), to: at("14:03:05") });
    run(&mut sample, &plan, plan.steps.len() - 1);
    sample.happens("Lifeboat", at("14:04:00"), Event::OperationSucceeded { id: operation_id() });
    let page = page(&sample);
    assert_eq!((page.clock, page.measured[0].verdict, page.line.rto_met), (None, Verdict::NotMeasured, None));
}

#[test]
fn row_90_a_tester_may_stop_a_rehearsal_and_nothing_else() {
    let mut sample = Sample::healthy();
    let mut plan = sample.picture().evacuation_plan(&id("us-east-1"), Mode::Test).expect("a plan");
    plan.blockers.clear();
    let (hash, reason) = (plan.hash(), "twice a year".to_owned());
    let (id, asked) = (operation_id(), Box::new(plan));
    let event = Event::OperationRequested { id, plan_hash: hash, plan: asked, reason, loss_accepted: false, overridden: vec![], parent: None };
    sample.happens("tom", sample.now, event);
    sample.happens("Lifeboat", at("14:03:10"), Event::OperationStarted { id: operation_id() });
    let tested = page_for(&sample, "tom", &[Role::Tester]);
    assert_eq!((act(&tested, Verb::Abort), tested.clock, tested.measured), (None, None, vec![]));
    let mut real = Sample::primary_down();
    let plan = real.request(OperationKind::Failover);
    run(&mut real, &plan, 0);
    assert!(act(&page_for(&real, "tom", &[Role::Tester]), Verb::Abort).is_some_and(|why| why.contains("operator")));
}

#[test]
fn doubt_offers_to_resume_or_to_close_and_says_why() {
    let mut sample = Sample::primary_down();
    let plan = sample.request(OperationKind::Failover);
    run(&mut sample, &plan, 2);
    sample.happens("Lifeboat", at("14:03:15"), Event::StepStarted { id: operation_id(), step: 3 });
    sample.happens("Lifeboat", at("14:03:20"), Event::OperationInDoubt { id: operation_id(), why: "the promotion did not answer".to_owned() });
    let page = page(&sample);
    assert_eq!((page.line.tone, page.outcome.as_deref()), (Tone::Lost, Some("the promotion did not answer")));
    assert_eq!(page.acts.iter().map(|act| act.does.as_str()).collect::<Vec<_>>(), ["Resume the failover at step 4", "Close the failover as it is"]);
    assert_eq!((page.steps[3].state.as_str(), page.steps[3].running), ("NOT KNOWN", false), "what nobody saw end does not run");
    assert_eq!(Board::of(&sample.picture()).active.len(), 1, "it still holds its cluster");
}

#[test]
fn a_success_with_a_failed_or_overridden_part_is_no_full_success() {
    let mut sample = Sample::primary_down();
    sample.observed.agents.insert(id("us-east-1"), Judgement { health: Health::Down, since: None, why: "no route to host".to_owned() });
    let plan = sample.request(OperationKind::Failover);
    assert!(!page(&sample).overridden.is_empty());
    run(&mut sample, &plan, plan.steps.len() - 1);
    sample.happens("Lifeboat", at("14:04:00"), Event::OperationSucceeded { id: operation_id() });
    let page = page(&sample);
    assert_eq!((page.line.tone, page.line.state.as_str()), (Tone::Watch, "succeeded"));
    assert!(page.line.overridden > 0);
    let board = Board::of(&sample.picture());
    assert_eq!((board.active.len(), board.past.len(), board.left_out), (0, 1, 0));
}

#[test]
fn a_rejoin_has_no_clock_and_needs_no_second_person() {
    let mut sample = Sample::primary_down();
    let mut leading = sample.node(crate::sample::EAST).reading.clone().expect("a reading");
    (leading.timeline, leading.at) = (4, sample.now);
    sample.node(crate::sample::WEST).reading = Some(leading);
    sample.request(OperationKind::Rejoin);
    let page = page(&sample);
    assert_eq!((page.clock.clone(), page.approvals_needed, page.line.state.as_str()), (None, 0, "approved"));
    assert_eq!(Clock::of(&sample.records.operations[&operation_id()]), None);
}
