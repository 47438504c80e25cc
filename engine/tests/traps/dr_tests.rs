//! DR tests against the traps T1 to T18 of the guide's sketch, and what must be true of every run.

use crate::world::{Book, World, ago, id, now, person};
use engine::{
    dr_tests::{
        Exhibit, Judged, Reading, Run, RunState, StepMoment, TestStepState, Verdict, coverage,
        coverage::Cell,
        driving::{Due, due},
        gates,
        ledger::{TestCommand, TestEvent, TestRefusal},
        report::Report,
    },
    estate::{DisasterType, Estate, Risk, Scenario, TestType},
    failover::Measured,
    id::TestRunId,
    journal::{Actor, Command, Event, Refusal},
    restraints::{Held, Restraint},
    time::{Instant, Span},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

const SCENARIO: &str = r#"
id = "lose-it"
name = "Lose it"
type = "simulation"
disaster = "data-center-failure"
services = ["user-database"]
every = "90d"
[[step]]
name = "break"
expected = "it is broken"
estimate = "5m"
marks = "outage-begins"
[[step]]
name = "mend"
expected = "it works"
estimate = "10m"
marks = "service-restored"
[[step]]
name = "put back"
expected = "as before"
estimate = "5m"
cleanup = true
[[criterion]]
is = "rto-met"
service = "user-database"
"#;

fn run_id(n: u128) -> TestRunId {
    TestRunId(uuid::Uuid::from_u128(n))
}
fn parsed(text: &str) -> Scenario {
    let indented = text.replace("[[step]]", "[[scenario.step]]").replace("[[criterion]]", "[[scenario.criterion]]");
    let indented = indented.replace("[[guardrail]]", "[[scenario.guardrail]]");
    Estate::from_toml(&format!("name = \"t\"\n[[scenario]]\n{indented}")).unwrap().scenarios.remove(0)
}
fn scenario() -> Scenario {
    parsed(SCENARIO)
}
fn request(world: &World, scenario: &Scenario, override_gates: bool) -> TestCommand {
    let picture = world.picture();
    TestCommand::Request {
        scenario: Box::new(scenario.clone()),
        shown_version: scenario.version(),
        targets: gates::targets(&picture.estate, scenario),
        gates: gates::check(&picture, scenario),
        override_gates,
        accept_loss: true,
        reason: "the quarterly test".to_owned(),
    }
}
/// A journal with a run, and a clock.
struct Stage {
    world: World,
    book: Book,
    at: Instant,
}
impl Stage {
    fn new() -> Self {
        Self { world: World::healthy(), book: Book::with_people(), at: now() }
    }
    fn begun(scenario: &Scenario) -> Self {
        let mut stage = Self::new();
        let command = request(&stage.world, scenario, false);
        stage.ask("ann", command).unwrap();
        stage
    }
    fn ask(&mut self, who: &str, command: TestCommand) -> Result<Vec<Event>, Refusal> {
        self.at += Span::from_mins(1).as_delta();
        self.book.act(&person(who), &Command::DrTest { run: run_id(1), command }, self.at)
    }
    fn record(&mut self, who: &str, step: usize, moment: StepMoment, said: &str) -> Result<Vec<Event>, Refusal> {
        let shown = self.run().steps[step].changed;
        self.ask(who, TestCommand::Record { step, shown, moment, said: said.to_owned() })
    }
    fn pass(&mut self, step: usize) {
        self.record("tom", step, StepMoment::Start, "").unwrap();
        self.record("tom", step, StepMoment::Pass, "").unwrap();
    }
    fn run(&self) -> Arc<Run> {
        self.book.records.dr_tests.get(&run_id(1)).unwrap().clone()
    }
    fn happened(&mut self, what: TestEvent) {
        self.book.write(&Actor::Lifeboat, &Event::DrTest { run: run_id(1), what: Box::new(what) }, self.at).unwrap();
    }
    /// What the product does by itself, until it is somebody else's turn.
    fn drive(&mut self) {
        loop {
            let mut world = self.world.clone();
            world.records = self.book.records.clone();
            // What is well was looked at a second ago.
            let latest = self.at - Span::from_secs(1).as_delta();
            world.view().nodes.iter_mut().filter(|node| node.judgement.is_ok()).for_each(|node| node.reading.as_mut().unwrap().at = latest);
            let mut picture = world.picture();
            picture.now = self.at;
            let Some(Due::Record(events)) = due(&picture, &self.run(), |_| false) else { return };
            events.into_iter().for_each(|event| self.happened(event));
        }
    }
}
fn refused(result: Result<Vec<Event>, Refusal>) -> TestRefusal {
    match result {
        Err(Refusal::DrTest(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn t1_t18_a_run_keeps_its_own_copy_whatever_becomes_of_the_scenario() {
    let mut stage = Stage::begun(&scenario());
    stage.record("tom", 0, StepMoment::Start, "").unwrap();
    stage.record("tom", 0, StepMoment::Fail, "it would not break").unwrap();
    stage.ask("ann", TestCommand::Stop { reason: "no use".to_owned() }).unwrap();
    stage.pass(2);
    stage.drive();
    let first = stage.run();
    assert_eq!(first.verdict(), Some(Verdict::Failed));
    let mut second = scenario();
    second.steps[0].name = "break it harder".to_owned();
    let command = request(&stage.world, &second, false);
    stage.book.act(&person("ann"), &Command::DrTest { run: run_id(2), command }, stage.at).unwrap();
    let new = stage.book.records.dr_tests.get(&run_id(2)).unwrap();
    assert!(new.steps.iter().all(|step| step.state == TestStepState::Pending), "a new run shows nothing of the old one");
    assert_eq!((new.scenario.steps[0].name.as_str(), stage.run()), ("break it harder", first));
}

#[test]
fn t2_a_result_is_recorded_once_of_a_step_that_there_is_and_that_was_begun() {
    let mut stage = Stage::begun(&scenario());
    assert_eq!(
        refused(stage.ask("tom", TestCommand::Record { step: 99, shown: 0, moment: StepMoment::Pass, said: String::new() })),
        TestRefusal::NoSuchStep { step: 100 }
    );
    assert!(matches!(refused(stage.record("tom", 0, StepMoment::Pass, "")), TestRefusal::StepState { .. }), "it was never begun");
    stage.pass(0);
    assert!(matches!(refused(stage.record("tom", 0, StepMoment::Fail, "no, it did not")), TestRefusal::StepState { .. }));
    stage.pass(1);
    stage.drive();
    assert!(matches!(refused(stage.record("tom", 1, StepMoment::Fail, "after all")), TestRefusal::NotItsTurn { .. } | TestRefusal::StepState { .. }));
    stage.pass(2);
    stage.drive();
    assert_eq!(refused(stage.record("tom", 2, StepMoment::Fail, "after the end")), TestRefusal::WrongState { state: RunState::Ended });
}

#[test]
fn two_people_at_one_step_the_second_is_told_what_the_first_recorded_and_a_form_sent_twice_counts_once() {
    let mut stage = Stage::begun(&scenario());
    stage.record("tom", 0, StepMoment::Start, "").unwrap();
    let shown = stage.run().steps[0].changed;
    let passed = TestCommand::Record { step: 0, shown, moment: StepMoment::Pass, said: "all dark".to_owned() };
    stage.ask("tom", passed.clone()).unwrap();
    let failed = TestCommand::Record { step: 0, shown, moment: StepMoment::Fail, said: "one lamp is on".to_owned() };
    let told = refused(stage.ask("ann", failed)).to_string();
    assert!(told.contains("tom recorded “break” as passed") && told.contains("all dark"), "{told}");
    let before = stage.book.records.seq;
    assert_eq!(stage.ask("tom", passed), Ok(Vec::new()));
    assert_eq!(stage.book.records.seq, before, "nothing is doubled");
}

#[test]
fn t3_a_run_with_a_failed_or_an_unrun_step_or_an_unmet_criterion_did_not_pass_and_ends_once() {
    let verdict = |bend: &dyn Fn(&mut Stage)| {
        let mut stage = Stage::begun(&scenario());
        bend(&mut stage);
        stage.drive();
        let run = stage.run();
        assert_eq!(run.state, RunState::Ended, "{run:?}");
        (run.verdict().unwrap(), stage)
    };
    let all = |stage: &mut Stage| {
        (0..2).for_each(|step| stage.pass(step));
        stage.drive();
        stage.pass(2);
    };
    let (passed, mut stage) = verdict(&all);
    assert_eq!(passed, Verdict::Passed, "{:?}", stage.run().judged);
    assert!(matches!(refused(stage.ask("ann", TestCommand::Finish { reason: "again".to_owned() })), TestRefusal::WrongState { .. }));
    let left = |stage: &mut Stage| {
        stage.pass(0);
        stage.ask("ann", TestCommand::Finish { reason: "time is up".to_owned() }).unwrap();
        stage.pass(2);
    };
    let (unproven, stage) = verdict(&left);
    assert_eq!((unproven, stage.run().steps[1].state), (Verdict::Unproven, TestStepState::NotRun));
    let late = |stage: &mut Stage| {
        stage.pass(0);
        stage.at += Span::from_mins(31).as_delta();
        stage.pass(1);
        stage.drive();
        stage.pass(2);
    };
    assert_eq!(verdict(&late).0, Verdict::Failed, "31 minutes and more of 30");
}

#[test]
fn t14_what_puts_things_back_is_carried_out_however_the_run_went_and_without_it_nothing_passed() {
    let mut stage = Stage::begun(&scenario());
    (0..2).for_each(|step| stage.pass(step));
    stage.drive();
    assert_eq!(stage.run().state, RunState::Cleaning, "it does not end before things are put back");
    stage.record("tom", 2, StepMoment::Start, "").unwrap();
    stage.record("tom", 2, StepMoment::Fail, "the old one does not start").unwrap();
    stage.drive();
    assert_eq!(stage.run().verdict(), Some(Verdict::Failed));
    // Stopped by a guardrail all the same.
    let guarded = parsed(&format!("{SCENARIO}[[guardrail]]\nwatch = \"well\"\nscope = \"service/api\"\n"));
    let mut stage = Stage::begun(&guarded);
    stage.record("tom", 0, StepMoment::Start, "").unwrap();
    stage.drive();
    assert_eq!(stage.run().state, RunState::Running);
    stage.world.lose_east();
    stage.drive();
    let run = stage.run();
    assert_eq!((run.state, run.stopped.as_ref().map(|stop| stop.guardrail)), (RunState::Cleaning, Some(true)));
    assert_eq!((run.steps[0].state, run.steps[2].state), (TestStepState::NotRun, TestStepState::Pending));
    stage.pass(2);
    stage.at += Span::from_mins(3).as_delta();
    stage.drive();
    let run = stage.run();
    assert_eq!((run.verdict(), run.steady.as_ref().and_then(|steady| steady.well)), (Some(Verdict::Failed), Some(false)));
    assert!(!run.is_completed() && !run.is_proof());
}

#[test]
fn the_emergency_stop_of_all_tests_ends_a_run_and_lets_none_begin() {
    let mut stage = Stage::begun(&scenario());
    let held = Held { by: person("bob"), since: ago(5), until: None, reason: "a real one".to_owned() };
    stage.book.records.restraints.insert(Restraint::Tests, held.clone());
    stage.drive();
    assert_eq!((stage.run().state, stage.run().stopped.is_some()), (RunState::Cleaning, true));
    let mut world = World::healthy();
    world.records.restraints.insert(Restraint::Tests, held);
    let mut fresh = Stage { world, ..Stage::new() };
    let command = request(&fresh.world, &scenario(), true);
    assert!(matches!(refused(fresh.ask("ann", command)), TestRefusal::GatesShut { .. }));
}

#[test]
fn t4_t5_times_are_measured_never_typed_a_zero_is_kept_and_a_tabletop_has_none() {
    let mut stage = Stage::begun(&scenario());
    let typed = TestCommand::Assert { rto: Some(Span::from_secs(1)), rpo: Some(Span::ZERO), reason: "by my watch".to_owned() };
    stage.ask("ann", typed).unwrap();
    assert!(matches!(stage.run().recovery_time(), Reading::NotMeasured { .. }), "what is typed is asserted only");
    let judged = Judged::of(&stage.run());
    assert!(judged.findings.iter().any(|finding| finding.what.contains("RTO") && finding.verdict == Verdict::Unproven));
    stage.pass(0);
    stage.pass(1);
    assert_eq!(stage.run().recovery_time().span(), Some(Span::from_mins(3)), "from the start of “break” to the end of “mend”");
    stage.happened(TestEvent::Measured { operation: crate::world::operation_id(7), measured: Measured::nothing_lost(), moves_data: true });
    assert_eq!((stage.run().loss().span(), stage.run().lost_transactions()), (Some(Span::ZERO), Some(0)));
    stage.happened(TestEvent::Measured { operation: crate::world::operation_id(8), measured: Measured::default(), moves_data: true });
    assert_eq!((stage.run().loss().span(), stage.run().lost_transactions()), (None, None), "what counted nothing is not known to have lost nothing");
    let counted = Measured { lost_transactions: Some(3), lost_span: Some(Span::from_secs(2)), ..Measured::default() };
    stage.happened(TestEvent::Measured { operation: crate::world::operation_id(9), measured: counted, moves_data: true });
    assert_eq!((stage.run().loss().span(), stage.run().lost_transactions()), (Some(Span::from_secs(2)), Some(3)), "the rejoin after it counted");
    let mut table = scenario();
    table.kind = TestType::Tabletop;
    assert!(!table.complaints(&stage.world.estate).is_empty(), "a criterion that can never be met");
    table.criteria.clear();
    let mut stage = Stage::begun(&table);
    (0..2).for_each(|step| stage.pass(step));
    assert_eq!((stage.run().recovery_time(), stage.run().loss()), (Reading::NotApplicable, Reading::NotApplicable));
}

#[test]
fn t6_t7_t8_every_result_counts_for_itself_and_only_what_was_completed_resets_the_cadence() {
    let estate = Estate { scenarios: vec![scenario()], ..World::healthy().estate };
    assert_eq!(coverage::metrics(&[], &id("lose-it")), coverage::Metrics::default());
    assert!(coverage::due(&estate, &[], now())[0].overdue, "never carried out");
    let mut stage = Stage::begun(&scenario());
    let runs = |stage: &Stage| stage.book.records.dr_tests.all().cloned().collect::<Vec<_>>();
    assert!(coverage::due(&estate, &runs(&stage), now())[0].overdue, "one that runs hides nothing");
    stage.ask("ann", TestCommand::Stop { reason: "real trouble".to_owned() }).unwrap();
    stage.pass(2);
    stage.drive();
    let metrics = coverage::metrics(&runs(&stage), &id("lose-it"));
    assert_eq!((metrics.failed, metrics.stopped, metrics.pass_rate, metrics.p50), (1, 1, Some(0), None));
    assert!(coverage::due(&estate, &runs(&stage), now())[0].overdue, "one that was stopped does not either");
    let key = (id("user-database"), DisasterType::DataCenterFailure);
    assert_eq!(coverage::coverage(&estate, &runs(&stage), now())[&key], Cell::NeverTested);
    let best = coverage::next_best(&estate, &runs(&stage), now()).unwrap();
    assert_eq!((best.takes, best.proves), (Span::from_mins(20), vec![key]));
}

#[test]
fn a_person_may_lower_a_verdict_and_an_override_proves_nothing() {
    let mut stage = Stage::begun(&scenario());
    (0..2).for_each(|step| stage.pass(step));
    stage.drive();
    stage.pass(2);
    stage.drive();
    assert!(stage.run().is_proof());
    let estate = Estate { scenarios: vec![scenario()], ..World::healthy().estate };
    let cell = |stage: &Stage, days: u64| {
        let runs: Vec<_> = stage.book.records.dr_tests.all().cloned().collect();
        coverage::coverage(&estate, &runs, stage.at + Span::from_mins(days * 24 * 60).as_delta())
            .remove(&(id("user-database"), DisasterType::DataCenterFailure))
    };
    assert!(matches!(cell(&stage, 1), Some(Cell::Proven { .. })));
    assert!(matches!(cell(&stage, 91), Some(Cell::Expired { .. })));
    stage.ask("tom", TestCommand::Rule { verdict: Verdict::Failed, reason: "users noticed".to_owned() }).unwrap();
    assert!(!stage.run().is_proof() && matches!(cell(&stage, 1), Some(Cell::NotProven { verdict: Verdict::Failed, .. })));
    let mut stage = Stage::begun(&scenario());
    stage.record("tom", 0, StepMoment::Start, "").unwrap();
    stage.record("tom", 0, StepMoment::Fail, "it did not").unwrap();
    stage.pass(1);
    stage.drive();
    stage.pass(2);
    stage.drive();
    let better = TestCommand::Rule { verdict: Verdict::Passed, reason: "good enough".to_owned() };
    assert_eq!(refused(stage.ask("tom", better.clone())), TestRefusal::OverrideNotAllowed { computed: Verdict::Failed });
    stage.ask("ann", better).unwrap();
    assert_eq!((stage.run().verdict(), stage.run().is_proof()), (Some(Verdict::Passed), false));
}

#[test]
fn t11_no_run_starts_past_a_shut_gate_unless_that_is_set_aside_on_record() {
    let mut world = World::healthy();
    let mut windowed = scenario();
    windowed.needs_window = true;
    let mut stage = Stage::new();
    let command = request(&world, &windowed, false);
    assert!(matches!(refused(stage.ask("ann", command)), TestRefusal::OverrideMissing { .. }));
    let command = request(&world, &windowed, true);
    stage.ask("ann", command).unwrap();
    assert!(stage.run().gates.iter().any(|gate| !gate.is_open), "and it stays on record");
    let blackout = "name = \"b\"\n[[blackout]]\nfrom = \"2026-01-01T00:00:00Z\"\nuntil = \"2026-01-03T00:00:00Z\"\nreason = \"year's end\"\n";
    world.estate.blackouts = Estate::from_toml(blackout).unwrap().blackouts;
    let mut fresh = Stage::new();
    let command = request(&world, &scenario(), true);
    assert!(matches!(refused(fresh.ask("ann", command)), TestRefusal::GatesShut { .. }), "a blackout is no matter of overriding");
    let mut sick = World::healthy();
    sick.lose_east();
    let command = request(&sick, &scenario(), false);
    assert!(matches!(refused(fresh.ask("ann", command)), TestRefusal::OverrideMissing { .. }));
}

#[test]
fn t12_t13_t17_criteria_are_the_objectives_risk_is_derived_and_a_scenario_about_nothing_is_refused() {
    let estate = Estate::guide().unwrap();
    assert_eq!(estate.scenarios.len(), 4);
    for scenario in &estate.scenarios {
        assert_eq!(scenario.complaints(&estate), Vec::<String>::new(), "{}", scenario.id);
    }
    let risk = |name: &str| estate.scenario(&id(name)).unwrap().risk(&estate);
    assert!(risk("regional-failover") >= risk("database-failover"), "a whole region is no smaller risk than a database");
    assert_eq!((risk("regional-failover"), risk("provider-failover") < Risk::High), (Risk::High, true));
    let mut about_nothing = scenario();
    about_nothing.services = vec![id("no-such-service")];
    let mut stage = Stage::new();
    let command = request(&stage.world, &about_nothing, true);
    let told = refused(stage.ask("ann", command)).to_string();
    assert!(told.contains("no-such-service"), "{told}");
}

#[test]
fn who_may_test_may_not_act_and_what_acts_takes_a_second_person() {
    let acting = parsed(
        &SCENARIO.replace("marks = \"outage-begins\"", "marks = \"outage-begins\"\ndoes = { by = \"inject-fault\", fault = \"stop-primary\" }"),
    );
    let mut stage = Stage::new();
    let command = request(&stage.world, &acting, false);
    assert!(matches!(stage.ask("tom", command.clone()), Err(Refusal::NotAllowed { .. })), "a tester");
    assert!(matches!(stage.ask("eve", request(&stage.world, &scenario(), false)), Err(Refusal::NotAllowed { .. })), "a viewer");
    stage.ask("ann", command).unwrap();
    assert_eq!(stage.run().state, RunState::Requested);
    assert_eq!(refused(stage.ask("ann", TestCommand::Approve { reason: "fine".to_owned() })), TestRefusal::OwnRequest);
    stage.ask("bob", TestCommand::Approve { reason: "fine".to_owned() }).unwrap();
    assert_eq!(stage.run().state, RunState::Running);
    stage.drive();
    assert_eq!(stage.run().steps[0].state, TestStepState::Running, "the product has begun its own step");
    assert!(matches!(refused(stage.record("tom", 0, StepMoment::Pass, "surely")), TestRefusal::NotByHand { .. }));
}

#[test]
fn t9_t10_two_runs_of_one_second_are_two_and_what_was_not_begun_is_not_skipped() {
    let mut stage = Stage::begun(&scenario());
    let told =
        refused(stage.book.act(&person("bob"), &Command::DrTest { run: run_id(2), command: request(&stage.world, &scenario(), false) }, stage.at));
    assert!(matches!(told, TestRefusal::RunsAlready { .. }), "{told}");
    let text = Report { run: &stage.run(), journal_hash: "abc" }.markdown();
    assert!(text.contains("| pending |") && !text.contains("skipped") && text.contains("not measured") && !text.contains("None"), "{text}");
    assert!(matches!(stage.record("tom", 1, StepMoment::Skip, ""), Err(Refusal::ReasonMissing { .. })));
    stage.record("tom", 1, StepMoment::Skip, "the mender is ill").unwrap();
    assert_eq!(stage.run().steps[1].state, TestStepState::Skipped);
}

#[test]
fn t15_what_is_typed_breaks_no_table_and_the_same_run_gives_the_same_bytes() {
    let mut stage = Stage::begun(&scenario());
    stage.record("tom", 0, StepMoment::Start, "").unwrap();
    stage.record("tom", 0, StepMoment::Pass, "a | b\n| forged | row |").unwrap();
    stage.ask("tom", TestCommand::Attach { step: Some(0), what: Exhibit::Text { text: "<script>|\n".to_owned() } }).unwrap();
    assert_eq!(
        refused(
            stage.ask("tom", TestCommand::Attach { step: None, what: Exhibit::Link { text: "x".to_owned(), url: "javascript:alert(1)".to_owned() } })
        ),
        TestRefusal::BadLink
    );
    let run = stage.run();
    let report = Report { run: &run, journal_hash: "abc" };
    let text = report.markdown();
    assert!(text.contains("a \\| b \\| forged \\| row \\|") && text.contains("it is broken") && text.contains("\\<script\\>\\| "), "{text}");
    let replayed = stage.book.replayed();
    let again = replayed.dr_tests.get(&run_id(1)).unwrap();
    let again = Report { run: again, journal_hash: "abc" };
    assert_eq!((again.markdown(), again.json().unwrap()), (text, report.json().unwrap()));
}

fn moments() -> impl Strategy<Value = StepMoment> {
    prop::sample::select(vec![StepMoment::Start, StepMoment::Pass, StepMoment::Fail, StepMoment::Block, StepMoment::Skip, StepMoment::Leave])
}

proptest! {
    #[test]
    fn whatever_is_asked_in_whatever_order_replay_gives_the_same_run_and_no_step_ends_twice(
        asked in prop::collection::vec((0_usize..4, moments(), 0_usize..3, any::<bool>()), 0..40)
    ) {
        let mut stage = Stage::begun(&scenario());
        let mut over: BTreeMap<usize, TestStepState> = BTreeMap::new();
        for (step, moment, who, drives) in asked {
            if step < 3 {
                // A refusal is an answer too.
                drop(stage.record(["ann", "bob", "tom"][who], step, moment, "because"));
            } else {
                drop(stage.ask("ann", TestCommand::Finish { reason: "enough".to_owned() }));
            }
            if drives {
                stage.drive();
            }
            let run = stage.run();
            for (at, record) in run.steps.iter().enumerate().filter(|(_, record)| record.state.is_over()) {
                prop_assert_eq!(*over.entry(at).or_insert(record.state), record.state);
            }
            prop_assert!(run.verdict().is_none() || run.state == RunState::Ended);
            prop_assert!(!run.is_proof() || run.steps.iter().all(|record| record.state == TestStepState::Passed));
        }
        prop_assert_eq!(&stage.book.replayed(), &stage.book.records);
        let text = serde_json::to_string(&stage.book.records).unwrap();
        prop_assert_eq!(serde_json::from_str::<engine::journal::Records>(&text).unwrap(), stage.book.records);
    }
}
