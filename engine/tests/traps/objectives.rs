//! Objectives, dependencies and strategies: O1 to O5, and rows 3, 4, 5, 6, 7, 8.

use crate::world::{Book, EAST, WEST, World, ago, id, operation_id};
use engine::{
    backups::{BackupType, ProofLevel, ProofResult, Rung, Trigger, ledger::BackupEvent},
    dependencies::{Graph, affected_by, effective_tiers, waves},
    estate::{Estate, Replication},
    failover::{Measured, Operation, OperationKind, Stamp, State},
    findings::{Complaint, Objective},
    id::{BackupId, PolicyId, ProofId, ServiceId},
    journal::{Actor, Event},
    objectives::{self, Verdict, assess},
    time::Span,
};

/// Services written as `id tier rto: needs needs`.
pub fn estate(lines: &[&str]) -> Estate {
    let mut text = "name = \"t\"\n".to_owned();
    for line in lines {
        let (head, needs) = line.split_once(':').unwrap();
        let [id, tier, rto] = head.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let needs: Vec<String> = needs.split_whitespace().map(|need| format!("{need:?}")).collect();
        text += &format!(
            "[[service]]\nid = {id:?}\ntier = {tier}\nrto = {rto:?}\nrpo = \"1m\"\nmtpd = \"30d\"\ndata_class = \"internal\"\ndepends_on = [{}]\n",
            needs.join(", ")
        );
    }
    Estate::from_toml(&text).unwrap()
}
fn words(ids: &[ServiceId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
fn complaints(estate: &Estate) -> Vec<Complaint> {
    engine::dependencies::findings(estate).into_iter().map(|finding| finding.complaint).collect()
}

#[test]
fn o1_the_guides_seven_undefined_dependencies_are_named() {
    let undefined: Vec<String> = complaints(&Estate::guide().unwrap())
        .into_iter()
        .filter_map(|complaint| match complaint {
            Complaint::UndefinedDependency { dependency, .. } => Some(dependency.to_string()),
            _ => None,
        })
        .collect();
    let mut sorted = undefined.clone();
    sorted.sort();
    assert_eq!(sorted, ["billing-database", "cache", "log-storage", "provider-connectors", "rate-limiter", "token-store", "webhook-queue"]);
}

#[test]
fn o2_recovery_waves_are_topological_before_they_are_by_tier() {
    let waves: Vec<String> = waves(&Estate::guide().unwrap()).iter().map(|wave| words(wave)).collect();
    insta::assert_debug_snapshot!(waves, @r#"
    [
        "billing-service model-router user-database vector-database webhook-service analytics-database logging-service",
        "authentication",
        "api-gateway",
        "dashboard",
    ]
    "#);
}

#[test]
fn o2_what_a_critical_service_needs_is_critical() {
    let estate = estate(&["front 1 1h: middle", "middle 3 1h: store", "store 4 1h:", "other 2 1h:", "lonely 3 1h:"]);
    let tiers = effective_tiers(&estate);
    let number = |service: &str| tiers[&id(service)].number();
    assert_eq!((number("front"), number("middle"), number("store"), number("other"), number("lonely")), (1, 1, 1, 2, 3));
    assert_eq!(waves(&estate).iter().map(|wave| words(wave)).collect::<Vec<_>>(), ["store other lonely", "middle", "front"]);
}

#[test]
fn o3_the_guides_impossible_promise_is_found_on_every_path() {
    let inversions: Vec<String> = complaints(&Estate::guide().unwrap())
        .into_iter()
        .filter(|complaint| matches!(complaint, Complaint::Inversion { .. }))
        .map(|complaint| complaint.to_string())
        .collect();
    insta::assert_debug_snapshot!(inversions, @r#"
    [
        "api-gateway promises to be back within 15m, but needs user-database, which promises 30m (api-gateway → authentication → user-database)",
        "authentication promises to be back within 15m, but needs user-database, which promises 30m (authentication → user-database)",
    ]
    "#);
}

#[test]
fn o3_each_pair_is_listed_once_with_a_shortest_path_and_for_rpo_too() {
    let mut estate = estate(&["a 1 15m: b x", "b 1 30m: c", "x 1 15m: y", "y 1 15m: c", "c 1 1h:"]);
    estate.services[4].rpo = Span::from_mins(5);
    let inversions = Graph::of(&estate).inversions();
    assert!(inversions.is_complete);
    let of = |objective| -> Vec<String> {
        inversions.found.iter().filter(|inversion| inversion.objective == objective).map(|inversion| words(&inversion.path)).collect()
    };
    assert_eq!(of(Objective::Rto), ["a b", "a b c", "b c", "x y c", "y c"]);
    assert_eq!(of(Objective::Rpo), ["a b c", "b c", "x y c", "y c"]);
}

#[test]
fn o4_cycles_and_self_dependencies_are_named_and_waves_still_come() {
    let estate = estate(&["a 1 1h: b", "b 1 1h: c", "c 1 1h: a b", "d 1 1h: d a", "e 1 1h:"]);
    let cycles: Vec<String> = Graph::of(&estate).cycles().iter().map(|path| words(path)).collect();
    assert_eq!(cycles, ["a b c a"], "the path is named, once for the knot");
    assert!(complaints(&estate).contains(&Complaint::NeedsItself { service: id("d") }));
    assert_eq!(waves(&estate).iter().map(|wave| words(wave)).collect::<Vec<_>>(), ["a b c e", "d"]);
}

#[test]
fn o4_a_critical_service_does_not_wait_for_the_wave_of_an_unimportant_tier() {
    let estate = estate(&["shop 1 1h: pictures", "pictures 4 1h:", "mail 2 1h:", "stats 3 1h:"]);
    assert_eq!(waves(&estate).iter().map(|wave| words(wave)).collect::<Vec<_>>(), ["pictures mail stats", "shop"]);
}

#[test]
fn o5_an_rto_beyond_the_tolerable_disruption_is_a_finding() {
    let mut world = World::healthy();
    world.estate.services[0].rto = Span::from_mins(9999);
    let found = world.picture().findings();
    assert!(found.iter().any(|finding| matches!(finding.complaint, Complaint::RtoAboveMtpd { .. })));
}

#[test]
fn blast_radius_follows_every_way_and_ends_in_cycles() {
    let estate = estate(&["a 1 1h: b", "b 1 1h: c", "c 1 1h: b", "d 1 1h: ghost", "e 1 1h:"]);
    assert_eq!(words(&affected_by(&estate, &id("c"))), "c a b");
    assert_eq!(words(&affected_by(&estate, &id("ghost"))), "ghost d");
}

/// 10,000 services with 30,000 dependencies over random tiers and promises.
#[test]
fn the_graph_of_ten_thousand_services_is_quick() {
    let mut seed = 42u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut lines = Vec::new();
    for service in 0..10_000u64 {
        let needs: Vec<String> = (0..3).filter(|_| service > 0).map(|_| format!("s{}", random(service))).collect();
        lines.push(format!("s{service} {} {}m: {}", 1 + random(4), 15 * (1 + random(16)), needs.join(" ")));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let estate = estate(&lines);
    let begin = std::time::Instant::now();
    let graph = Graph::of(&estate);
    let (waves, cycles, inversions) = (graph.waves(), graph.cycles(), graph.inversions());
    let took = begin.elapsed();
    assert!(!inversions.is_complete, "random promises are inverted nearly everywhere: the listing is cut, and says so");
    let direct = |user: &engine::estate::Service| {
        user.depends_on
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .filter(|need| estate.services[need.as_str()[1..].parse::<usize>().unwrap()].rto > user.rto)
            .count()
    };
    let listed = inversions.found.iter().filter(|inversion| inversion.path.len() == 2).count();
    assert_eq!(listed, estate.services.iter().map(direct).sum::<usize>(), "those over one dependency are all there");
    eprintln!("10,000 services: {} waves, {} inversions (complete: {}), {took:?}", waves.len(), inversions.found.len(), inversions.is_complete);
    assert!(cycles.is_empty() && waves.iter().map(Vec::len).sum::<usize>() == 10_000);
    assert!(took.as_millis() < 1_000, "{took:?}; 80 ms were seen on two busy cores");
    let chain: Vec<String> = (0..10_000).map(|at| format!("s{at} 1 1h: s{}", at + 1)).collect();
    let chain = self::estate(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(engine::dependencies::waves(&chain).len(), 10_000, "a deep chain needs no deep stack");
}

fn succeeded(number: u128, kind: OperationKind, plan_of: &World, measured: Measured, state: State) -> Operation {
    let stamp = Stamp { by: id("ann"), at: ago(900), reason: "test".to_owned() };
    let plan = plan_of.plan(kind, Some(WEST));
    Operation {
        id: operation_id(number),
        plan_hash: plan.hash(),
        state,
        requested: stamp.clone(),
        loss_accepted: true,
        overridden: Vec::new(),
        approvals: Vec::new(),
        committed: None,
        approved: Some(stamp),
        started_at: Some(ago(800)),
        ended_at: Some(ago(700 - number as u64)),
        outcome: None,
        parent: None,
        escalated: None,
        aborted: None,
        acknowledged: None,
        clock_set: None,
        steps: Vec::new(),
        measured,
        history: Vec::new(),
        plan,
    }
}
fn measured(recovery_secs: u64, lost_secs: u64) -> Measured {
    Measured {
        recovery_time: Some(Span::from_secs(recovery_secs)),
        lost_bytes: Some(0),
        lost_transactions: Some(0),
        lost_span: Some(Span::from_secs(lost_secs)),
        lost_between: None,
    }
}

#[test]
fn x8_achieved_is_empty_until_measured_and_zero_is_a_result() {
    let mut world = World::healthy();
    let before = assess(&world.picture(), &id("user-database")).unwrap();
    assert_eq!((before.rto.verdict, before.rto.achieved, before.rpo.verdict), (Verdict::NotProven, None, Verdict::NotProven));
    assert_eq!(assess(&world.picture(), &id("api")).unwrap().rto.verdict, Verdict::NotAssessed);
    let operation = succeeded(1, OperationKind::Failover, &world, measured(42, 0), State::Succeeded);
    world.records.operations.insert(operation.id, operation);
    let after = assess(&world.picture(), &id("user-database")).unwrap();
    assert_eq!((after.rto.verdict, after.rpo.verdict), (Verdict::Met, Verdict::Met));
    assert_eq!(after.rpo.achieved.unwrap().value, Span::ZERO, "a perfect result is kept, not dropped as absent");
}

#[test]
fn row_28_a_restore_measures_what_nothing_moves_and_counts_until_its_proof_expires() {
    let mut world = World::healthy();
    let text = r#"
name = "b"
[[service]]
id = "archive"
tier = 3
rto = "10m"
rpo = "24h"
mtpd = "30d"
data_class = "internal"
depends_on = []
[[backup_policy]]
id = "nightly"
service = "archive"
type = "full"
source = { by = "reported" }
schedule = "0 0 * * *"
retention = "7d"
destinations = ["near"]
[backup_policy.verification]
level = "boots"
every = "1d"
valid_for = "2d"
"#;
    let estate = Estate::from_toml(text).unwrap();
    let policy: PolicyId = id("nightly");
    world.estate.services.extend(estate.services);
    world.estate.backup_policies.extend(estate.backup_policies);
    let service: ServiceId = id("archive");
    let of = |world: &World| assess(&world.picture(), &service).unwrap();
    assert_eq!((of(&world).rto.verdict, of(&world).rpo.verdict), (Verdict::NotProven, Verdict::NotProven), "declared, and never done");
    let backup = BackupId(uuid::Uuid::from_u128(1));
    let rung = |level| Rung { level, took: Span::from_secs(1), said: "seen".to_owned() };
    let mut book = Book::default();
    let proof = ProofId(uuid::Uuid::from_u128(2));
    let result = ProofResult {
        rungs: vec![rung(ProofLevel::Exists), rung(ProofLevel::Checksum), rung(ProofLevel::Readable), rung(ProofLevel::Boots)],
        failure: None,
        restore_took: Some(Span::from_mins(4)),
        recovered_to: Some(ago(3 * 3600)),
    };
    for (what, at) in [
        (BackupEvent::Started { kind: BackupType::Full, trigger: Trigger::Reported }, ago(7200)),
        (BackupEvent::CopyStored { destination: id("near") }, ago(7100)),
        (BackupEvent::Completed, ago(7100)),
        (BackupEvent::ProofStarted { proof, from: id("near"), wanted: ProofLevel::Boots, reason: "due".to_owned() }, ago(3600)),
        (BackupEvent::ProofEnded { proof, result }, ago(3300)),
    ] {
        book.write(&Actor::Lifeboat, &Event::Backup { policy: policy.clone(), id: backup, what: Box::new(what) }, at).unwrap();
    }
    world.records.backups = book.records.backups;
    let restored = of(&world);
    assert_eq!((restored.rto.verdict, restored.rpo.verdict), (Verdict::Met, Verdict::Met), "{restored:?}");
    assert_eq!(restored.rto.achieved.unwrap().value, Span::from_mins(4));
    assert_eq!(restored.rpo.achieved.unwrap().value, Span::from_mins(120), "what would have been lost when the restore began");
    let service_of = |world: &mut World, rto: u64| world.estate.services.iter_mut().find(|one| one.id == service).unwrap().rto = Span::from_mins(rto);
    service_of(&mut world, 3);
    assert_eq!(of(&world).rto.verdict, Verdict::Breached);
    service_of(&mut world, 10);
    world.estate.backup_policies[0].verification.as_mut().unwrap().valid_for = Span::from_mins(5);
    let expired = of(&world);
    assert_eq!((expired.rto.verdict, expired.rpo.verdict), (Verdict::NotProven, Verdict::NotProven), "{expired:?}");
}

#[test]
fn breached_is_measured_and_a_later_failure_takes_the_proof_away() {
    let mut world = World::healthy();
    let slow = succeeded(1, OperationKind::Failover, &world, measured(3600, 90), State::Succeeded);
    assert_eq!(objectives::of_operation(&slow), (Some(Verdict::Breached), Some(Verdict::Breached)));
    world.records.operations.insert(slow.id, slow);
    let breached = assess(&world.picture(), &id("user-database")).unwrap();
    assert_eq!((breached.rto.verdict, breached.rpo.verdict), (Verdict::Breached, Verdict::Breached));
    let planned = succeeded(2, OperationKind::Switchover, &world, measured(10, 0), State::Succeeded);
    world.records.operations.insert(planned.id, planned);
    let after = assess(&world.picture(), &id("user-database")).unwrap();
    assert_eq!((after.rto.verdict, after.rpo.verdict), (Verdict::Met, Verdict::Breached), "a planned move proves nothing about loss");
    let closed = succeeded(3, OperationKind::Failover, &world, Measured::default(), State::Closed);
    world.records.operations.insert(closed.id, closed);
    let unproven = assess(&world.picture(), &id("user-database")).unwrap();
    assert_eq!(unproven.rto.verdict, Verdict::NotProven);
    assert!(unproven.rto.reasons.last().unwrap().contains("did not succeed"), "{:?}", unproven.rto.reasons);
}

#[test]
fn an_operation_keeps_the_promise_of_its_time() {
    let mut world = World::healthy();
    let operation = succeeded(1, OperationKind::Failover, &world, measured(600, 0), State::Succeeded);
    world.estate.services[1].rto = Span::from_mins(5);
    world.records.operations.insert(operation.id, operation.clone());
    assert_eq!(objectives::of_operation(&operation).0, Some(Verdict::Met), "the promise was 30 minutes then");
    assert_eq!(assess(&world.picture(), &id("user-database")).unwrap().rto.verdict, Verdict::Breached, "it is 5 minutes now");
}

#[test]
fn an_outage_beyond_the_promise_is_a_breach_while_it_lasts() {
    let mut world = World::healthy();
    world.down(EAST);
    assert_eq!(assess(&world.picture(), &id("user-database")).unwrap().rto.verdict, Verdict::NotProven, "20 s of 30 minutes");
    world.node(EAST).judgement.since = Some(ago(1801));
    let rto = assess(&world.picture(), &id("user-database")).unwrap().rto;
    assert_eq!(rto.verdict, Verdict::Breached, "{:?}", rto.reasons);
}

#[test]
fn an_estimate_never_becomes_an_achievement() {
    let mut world = World::healthy();
    world.estate.services[0].rto = Span::from_mins(10);
    let rto = objectives::assess_all(&world.picture()).remove(0).rto;
    assert_eq!((rto.estimated.unwrap().value, rto.achieved), (Span::from_mins(30), None));
}

#[test]
fn declared_synchronous_and_observed_not_is_a_finding() {
    let mut world = World::healthy();
    let complaints = |world: &World| world.picture().findings().into_iter().map(|finding| finding.complaint).collect::<Vec<_>>();
    let named = |world: &World, fits: fn(&Complaint) -> bool| complaints(world).iter().any(fits);
    assert!(complaints(&world).is_empty(), "a healthy platform has no findings: {:#?}", complaints(&world));
    world.estate.strategies[0].replication = Replication::Synchronous;
    assert!(named(&world, |complaint| matches!(complaint, Complaint::DeclaredSynchronousObservedNot { .. })));
    world.synchronous(WEST);
    assert!(complaints(&world).is_empty());
    world.estate.strategies[0].replication = Replication::Asynchronous;
    assert!(named(&world, |complaint| matches!(complaint, Complaint::DeclaredAsynchronousObservedNot { .. })));
    world.down(EAST);
    assert!(named(&world, |complaint| matches!(complaint, Complaint::ReplicationUnknown { .. })), "unseen is unknown, not agreement");
}
