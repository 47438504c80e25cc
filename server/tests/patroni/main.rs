//! Real Patroni on etcd, three nodes in three regions (`lab up --patroni`), watched and asked by the real watchers and the real
//! executor: each test has a lab of its own.

mod place;

use engine::{
    automation::{Hold, Verdict},
    databases::Exclusion,
    estate::Manager,
    failover::{Action, OperationKind, State, StepState},
    findings::{Complaint, Severity},
    health::Health,
    journal::Event,
    picture::{Picture, RouteStanding},
};
use place::{Lab, Server, id, orders, plan, protected, scope, until};

fn leads(picture: &Picture) -> Option<String> {
    let said = picture.observed.patroni.get(&orders())?.now_says(&picture.estate.detection, picture.now).ok()?;
    Some(said.leader()?.name.clone())
}
fn complaints(picture: &Picture) -> Vec<(Severity, Complaint)> {
    picture.findings().into_iter().map(|finding| (finding.severity, finding.complaint)).collect()
}
fn decision(picture: &Picture) -> Option<engine::automation::Decision> {
    Some(picture.records.cases.get(&scope())?.decision.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_58_patroni_is_asked_to_switch_over_and_left_alone_when_it_fails_over_itself() {
    let lab = Lab::up();
    let server = Server::start(&lab).await;
    server.until("all is well", |picture| protected(picture) && leads(picture).as_deref() == Some("orders-east")).await;
    let load = lab.load();
    lab.writes_go_on().await;

    // A member that is tagged nofailover is no candidate, whatever PostgreSQL says of it.
    lab.tag("orders-eu", "nofailover").await;
    let excluded = |picture: &Picture| {
        let plan = plan(picture, OperationKind::Switchover, None);
        let candidates = &plan.database().unwrap().candidates;
        candidates.iter().any(|candidate| candidate.node.as_str() == "orders-eu" && candidate.exclusions.contains(&Exclusion::TaggedNoFailover))
    };
    server.until("the tag is seen", excluded).await;
    assert!(!plan(&server.picture(), OperationKind::Switchover, Some("orders-eu")).hard_blockers().is_empty());

    let done = server.carry_out(OperationKind::Switchover, "orders-west", false).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", done.steps);
    let said = |action: fn(&Action) -> bool| {
        let at = done.plan.steps.iter().position(|step| action(&step.action)).unwrap();
        (done.steps[at].state, done.steps[at].said.clone().unwrap())
    };
    let (state, text) = said(|action| matches!(action, Action::AskPatroni { .. }));
    assert!(state == StepState::Done && text.contains("Successfully switched over to \"orders-west\""), "{text}");
    let (state, text) = said(|action| matches!(action, Action::ProvePromoted { .. }));
    assert!(state == StepState::Done && text.contains("on the new timeline 2"), "{text}");
    let (state, text) = said(|action| matches!(action, Action::ProveNotWritable { .. }));
    assert!(state == StepState::Done && text.contains("orders-east itself says that it is in recovery"), "{text}");
    let (state, text) = said(|action| matches!(action, Action::ProveStreaming { .. }));
    assert!(state == StepState::Done && text.contains("orders-east streams from orders-west on timeline 2"), "{text}");
    assert!(done.measured.recovery_time.is_some(), "a planned move is measured from the moment Patroni was asked");
    // Seen without the product: what the nodes say themselves, and where a client without a router comes out.
    assert_eq!(lab.writable().await, ["orders-west"]);
    assert_eq!(lab.client_without_router(), format!("127.{}.2.40", lab.number));
    let report = load.stop();
    assert_eq!((report["missing"].as_u64(), report["acknowledged"].as_u64() > Some(50)), (Some(0), true), "{report}");

    // Its leader is lost: Patroni fails over itself. Lifeboat notices, says who leads, and does nothing.
    server.until("all is well again", protected).await;
    let load = lab.load();
    lab.writes_go_on().await;
    let before = server.picture().records.operations.len();
    lab.run(&["kill", "orders-west"]);
    let held = server
        .until_some("a decision", |picture| decision(picture).filter(|decision| decision.holds.contains(&Hold::LeftToPatroni { cluster: orders() })))
        .await;
    assert_eq!(held.verdict, Verdict::Hold);
    server.until("Patroni has made the east the leader", |picture| leads(picture).as_deref() == Some("orders-east")).await;
    let east_leads = |picture: &Picture| {
        picture.cluster(&orders()).is_some_and(|(_, view)| view.primary().is_some_and(|node| node.node.as_str() == "orders-east"))
    };
    server.until("PostgreSQL says so too", east_leads).await;
    assert_eq!(server.picture().records.operations.len(), before, "nothing was asked for by itself");

    // The route that is Lifeboat's own still leads to the node that is gone: an alarm, and a person sets it.
    let strayed = |picture: &Picture| matches!(picture.route_of(&orders()), Some(RouteStanding::Elsewhere { .. }));
    server.until("the route is seen to be wrong", strayed).await;
    let rerouted = server.carry_out(OperationKind::Reroute, "orders-east", false).await;
    assert_eq!(rerouted.state, State::Succeeded, "{:#?}", rerouted.steps);
    lab.writes_go_on().await;
    let report = load.stop();
    assert!(
        report["acknowledged"].as_u64() > Some(0) && report["longest_gap"]["ms"].as_f64() > Some(500.0),
        "writes went on after the gap: {report}"
    );

    lab.run(&["heal", "orders-west"]);
    server.until("Patroni has brought it back", protected).await;
    assert_eq!(lab.writable().await, ["orders-east"]);
    let rejoin = plan(&server.picture(), OperationKind::Rejoin, Some("orders-west"));
    assert!(rejoin.steps.is_empty() && rejoin.hard_blockers().iter().any(|blocker| blocker.name() == "patroni-rejoins"));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_58_a_pause_holds_automation_and_a_failover_in_it_takes_two_people() {
    let lab = Lab::up();
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;
    lab.configure(serde_json::json!({ "pause": true })).await;
    server.until("the pause is seen", |picture| complaints(picture).contains(&(Severity::Watch, Complaint::PatroniPaused))).await;
    let blocked = plan(&server.picture(), OperationKind::Switchover, Some("orders-west"));
    assert_eq!(blocked.hard_blockers().iter().map(|blocker| blocker.name()).collect::<Vec<_>>(), ["patroni-paused"]);
    assert!(server.request(&blocked, true).await.is_err());

    lab.run(&["kill", "orders-east"]);
    let held = server
        .until_some("a decision", |picture| decision(picture).filter(|decision| decision.holds.contains(&Hold::PatroniPaused { cluster: orders() })))
        .await;
    assert_eq!(held.verdict, Verdict::Hold);
    let written = server.desk.store().history(None, 200, None).await.unwrap();
    let in_the_ledger = written
        .iter()
        .any(|entry| matches!(&entry.event, Event::Decided { decision } if decision.holds.iter().any(|hold| hold.to_string().contains("is paused"))));
    assert!(in_the_ledger, "why nothing happened is written down");
    assert!(server.picture().records.operations.is_empty());

    // A person may, with the candidate named and a second one who agrees; Patroni waits for the lease of the lost leader.
    let plan_now = server
        .until_some("the plan", |picture| {
            Some(plan(picture, OperationKind::Failover, Some("orders-west"))).filter(|plan| plan.hard_blockers().is_empty())
        })
        .await;
    assert!(plan_now.overridable_blockers().iter().any(|blocker| blocker.name() == "failover-in-pause"), "{:?}", plan_now.blockers);
    assert!(server.request(&plan_now, false).await.unwrap_err().to_string().contains("override"), "not in passing");
    let done = server.carry_out(OperationKind::Failover, "orders-west", true).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", done.steps);
    assert_eq!(lab.writable().await, ["orders-west"]);
    let at = done.plan.steps.iter().position(|step| matches!(step.action, Action::ProveNotWritable { .. })).unwrap();
    assert_eq!(done.steps[at].state, StepState::Failed, "that the lost node takes no writes is not proven by its silence");
    assert!(done.steps[at].said.as_ref().unwrap().contains("no proof"), "{:?}", done.steps[at]);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_58_a_server_that_was_killed_while_it_asked_patroni_does_not_ask_twice() {
    let lab = Lab::up();
    let asking = "2";
    // Killed when it had asked, before it could write that down: Patroni did it, and the nodes say so.
    let first = lab.agreed_elsewhere(OperationKind::Switchover, "orders-west");
    assert!(matches!(lab.operation(first).await.plan.steps[2].action, Action::AskPatroni { .. }));
    lab.serve_until_killed(&format!("{asking}:done"));
    assert_eq!(lab.writable_soon("orders-west").await, ["orders-west"]);
    let serving = lab.serve();
    let done = lab.operation_until(first, "it has ended", |operation| !operation.state.is_active()).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", done.steps);
    assert!(
        done.steps[2].attempts == 2 && done.steps[2].said.as_ref().unwrap().contains("not asked: orders-west takes writes on timeline 2"),
        "{:?}",
        done.steps[2]
    );
    drop(serving);
    assert_eq!(lab.times_asked("switchover"), 1);

    // Killed when it was about to ask, and nobody can know whether it had: it looks, and then asks a person.
    let second = lab.agreed_elsewhere(OperationKind::Switchover, "orders-east");
    lab.serve_until_killed(&format!("{asking}:intended"));
    let serving = lab.serve();
    let doubted = lab.operation_until(second, "it stands in doubt", |operation| operation.state == State::InDoubt).await;
    assert!(doubted.outcome.as_ref().unwrap().contains("not asked twice"), "{:?}", doubted.outcome);
    assert_eq!((lab.times_asked("switchover"), lab.writable().await), (1, vec!["orders-west".to_owned()]), "it has not been asked again");
    lab.resume(second).await;
    let done = lab.operation_until(second, "it has ended", |operation| !operation.state.is_active()).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", done.steps);
    assert_eq!((lab.times_asked("switchover"), lab.writable().await), (2, vec!["orders-east".to_owned()]), "a person has looked, and said to go on");
    drop(serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_58_silence_is_unknown_differences_are_alarms_and_nobody_is_a_second_manager() {
    let lab = Lab::up();
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;

    // What Lifeboat would do on a cluster of its own is refused here, also where a plan for it was smuggled in.
    let own = Action::Promote { node: id("orders-west") };
    let refused = server.smuggle(own).await;
    assert!(refused.steps[0].said.as_ref().unwrap().contains("Patroni runs orders"), "{:?}", refused.steps[0]);
    assert_eq!(lab.writable().await, ["orders-east"]);

    // Its REST APIs are reachable, and say nothing.
    for node in ["orders-east", "orders-west", "orders-eu"] {
        lab.run(&["hang", &format!("patroni.{node}")]);
    }
    let silent = |picture: &Picture| complaints(picture).iter().any(|(_, complaint)| matches!(complaint, Complaint::PatroniSilent { .. }));
    server.until("its silence is seen", silent).await;
    let blocked = plan(&server.picture(), OperationKind::Switchover, Some("orders-west"));
    assert!(blocked.hard_blockers().iter().any(|blocker| blocker.name() == "patroni-unknown"), "{:?}", blocked.blockers);
    let page = app::databases::view::ClusterPage::of(&server.picture(), &orders()).unwrap();
    assert_eq!(page.patroni.as_ref().unwrap().word, "Patroni unknown", "{:?}", page.patroni);
    assert!(page.patroni.unwrap().said_at.is_some(), "with the age of its last word");
    for node in ["orders-east", "orders-west", "orders-eu"] {
        lab.run(&["heal", &format!("patroni.{node}")]);
    }
    server.until("it speaks again, and all is well", |picture| !silent(picture) && protected(picture)).await;

    // Behind Patroni's back: its leader's server is killed and another node promoted by hand. As long as the lease of the leader
    // lasts, its API names one node, and PostgreSQL another.
    lab.configure(serde_json::json!({ "pause": true })).await;
    server.until("the pause is seen", |picture| complaints(picture).contains(&(Severity::Watch, Complaint::PatroniPaused))).await;
    for node in ["orders-east", "orders-west"] {
        lab.run(&["hang", &format!("patroni.{node}")]);
    }
    lab.kill_postgres("orders-east");
    lab.promote_by_hand("orders-west").await;
    let west = id("orders-west");
    let differ = |picture: &Picture| {
        complaints(picture).iter().any(|(severity, complaint)| matches!(complaint, Complaint::PatroniDisagrees { writable, .. } if *writable == west && *severity == Severity::Act))
    };
    server.until("the difference is seen", differ).await;
    let page = app::databases::view::ClusterPage::of(&server.picture(), &orders()).unwrap();
    assert_eq!(page.patroni.as_ref().unwrap().word, "they differ", "{:?}", page.patroni);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_58_a_patroni_that_nobody_declared_is_seen_and_nothing_is_touched() {
    let lab = Lab::up();
    let server = Server::with_estate(&lab, |estate| {
        let cluster = estate.clusters.iter_mut().find(|cluster| cluster.id == orders()).unwrap();
        cluster.manager = Manager::Lifeboat;
        cluster.nodes.iter_mut().for_each(|node| node.patroni = None);
    })
    .await;
    let undeclared = |picture: &Picture| {
        complaints(picture).iter().any(|(severity, complaint)| matches!(complaint, Complaint::UndeclaredPatroni { .. } if *severity == Severity::Act))
    };
    server.until("Patroni is seen at work, and who leads", |picture| undeclared(picture) && protected(picture)).await;
    for kind in [OperationKind::Switchover, OperationKind::Failover] {
        let plan = plan(&server.picture(), kind, Some("orders-west"));
        assert!(plan.hard_blockers().iter().any(|blocker| blocker.name() == "two-managers"), "{kind}: {:?}", plan.blockers);
        assert!(server.request(&plan, true).await.is_err());
    }
    // Also where an operation was under way when Patroni was seen: the executor looks for itself.
    let refused = server.smuggle(Action::Promote { node: id("orders-west") }).await;
    assert!(refused.steps[0].said.as_ref().unwrap().contains("is run by Patroni"), "{:?}", refused.steps[0]);
    assert_eq!(lab.writable().await, ["orders-east"]);
    lab.run(&["kill", "orders-east"]);
    let down = |picture: &Picture| {
        picture.cluster(&orders()).is_some_and(|(_, view)| view.node(&id("orders-east")).is_some_and(|node| node.judgement.health == Health::Down))
    };
    server.until("the leader is seen to be gone", down).await;
    until("Patroni has failed over", async || (!lab.writable().await.is_empty()).then_some(())).await;
    assert_eq!(lab.writable().await.len(), 1);
    assert_eq!(server.picture().records.operations.len(), 1, "Lifeboat has asked for nothing by itself: {:#?}", server.picture().records.operations);
}
