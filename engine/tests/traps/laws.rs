//! What is true of every input: replay is state, waves respect every edge, ranking is a total order, a worse fact never
//! improves a verdict, a loss of zero has a proof.

use crate::{
    objectives::estate,
    world::{Book, EAST, REPLICA, WEST, World, ago, approve, complaining, failed, good, id, judged, node_id, now, operation_id, person, request},
};
use engine::{
    databases::{LossBound, Urgency, loss_bound, rank},
    dependencies::{Graph, waves},
    estate::Detection,
    failover::{OperationKind, Plan, State, StepState},
    health::{Health, Judgement, Sample, judge},
    journal::{Actor, Command, Event},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One thing that people or the executor may try.
fn attempt(book: &mut Book, plans: &[Plan], (what, who, number, step): (u8, u8, u8, usize)) {
    let name = ["ann", "bob", "eve", "root"][who as usize % 4];
    let (operation, plan) = (operation_id(u128::from(number)), &plans[number as usize % plans.len()]);
    let reason = || "because".to_owned();
    let shown = book.records.operations.get(&operation).map_or(plan.clone(), |operation| operation.plan.clone());
    let command = match what {
        0 | 1 => Some(request(u128::from(number), plan)),
        2 | 3 => Some(approve(u128::from(number), &shown, if step == 0 { plan } else { &shown })),
        4 => Some(Command::Decline { operation, reason: reason() }),
        5 => Some(Command::Cancel { operation, reason: reason() }),
        6 => Some(Command::Resume { operation, reason: reason() }),
        7 => Some(Command::Close { operation, reason: reason() }),
        _ => None,
    };
    if let Some(command) = command {
        // A refusal is an answer like any other; what is accepted must fit, which `act` insists on.
        if let Err(refusal) = book.act(&person(name), &command, now()) {
            assert!(!refusal.to_string().is_empty());
        }
        return;
    }
    let event = match what {
        8 | 9 => Event::OperationStarted { id: operation },
        10 => Event::StepStarted { id: operation, step },
        11 => Event::StepEnded { id: operation, step, state: StepState::Failed, said: reason() },
        12 => Event::OperationCompensating { id: operation, why: reason() },
        13 => Event::StepEnded { id: operation, step, state: StepState::Undone, said: reason() },
        14 => Event::OperationFailed { id: operation, why: reason() },
        15 => Event::OperationInDoubt { id: operation, why: reason() },
        16 => Event::OperationSucceeded { id: operation },
        _ => Event::OperationVoided { id: operation, reasons: vec![reason()] },
    };
    let before = book.records.clone();
    if book.write(&Actor::Lifeboat, &event, now()).is_err() {
        assert_eq!(book.records, before, "a refused entry changes nothing");
    }
}

fn plans() -> Vec<Plan> {
    let healthy = World::healthy();
    let mut lost = World::healthy();
    lost.lose_east();
    let mut after = World::healthy();
    after.down(EAST);
    after.west_took_over();
    vec![healthy.plan(OperationKind::Switchover, None), lost.plan(OperationKind::Failover, None), after.plan(OperationKind::Rejoin, Some(EAST))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn x2_replay_is_state_and_no_illegal_transition_is_reachable(
        attempts in prop::collection::vec((0..18u8, 0..4u8, 0..5u8, 0..4usize), 1..60)
    ) {
        let plans = plans();
        let mut book = Book::with_people();
        for attempt_ in attempts {
            attempt(&mut book, &plans, attempt_);
        }
        prop_assert_eq!(&book.replayed(), &book.records);
        for operation in book.records.operations.values() {
            let states: Vec<State> = operation.history.iter().map(|(_, state)| *state).collect();
            for pair in states.windows(2) {
                prop_assert!(engine::failover::Moment::ALL.iter().any(|moment| pair[0].next(*moment) == Ok(pair[1])), "{:?}", states);
            }
            prop_assert_eq!(states.last(), Some(&operation.state));
            prop_assert_eq!(operation.ended_at.is_some(), !operation.state.is_active());
            if operation.plan.requires_approval() && states.contains(&State::Running) {
                let approved = operation.approved.as_ref().expect("it ran, so it was approved");
                prop_assert_ne!(&approved.by, &operation.requested.by);
            }
            if operation.steps.iter().any(|step| step.attempts > 0) {
                prop_assert!(states.contains(&State::Running));
            }
        }
        let held: Vec<_> = book.records.operations.values().filter(|operation| operation.state.is_active()).map(|operation| operation.plan.scope()).collect();
        prop_assert_eq!(held.len(), held.iter().collect::<BTreeSet<_>>().len(), "one active operation per cluster");
    }

    #[test]
    fn o2_waves_respect_every_edge_and_hold_every_service_once(edges in prop::collection::vec((0..14usize, 0..14usize), 0..40), acyclic in any::<bool>()) {
        let mut needs = vec![Vec::new(); 14];
        for (user, need) in edges {
            if !acyclic || need < user {
                needs[user].push(need);
            }
        }
        let lines: Vec<String> = needs.iter().enumerate().map(|(at, needs)| {
            format!("s{at} {} {}m: {}", 1 + at % 4, 5 + (at * 7) % 20, needs.iter().map(|need| format!("s{need}")).collect::<Vec<_>>().join(" "))
        }).collect();
        let estate = estate(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let waves = waves(&estate);
        prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), 14);
        let wave_of = |service: usize| waves.iter().position(|wave| wave.contains(&id(&format!("s{service}")))).unwrap();
        let mut reach = vec![vec![false; 14]; 14];
        for (user, needs) in needs.iter().enumerate() {
            for need in needs {
                reach[user][*need] = true;
            }
        }
        for via in 0..14 {
            for from in 0..14 {
                for to in 0..14 {
                    reach[from][to] |= reach[from][via] && reach[via][to];
                }
            }
        }
        let graph = Graph::of(&estate);
        let mut expected = BTreeSet::new();
        for (user, reached) in reach.iter().enumerate() {
            for need in (0..14).filter(|need| *need != user && reached[*need]) {
                if reach[need][user] {
                    prop_assert_eq!(wave_of(user), wave_of(need), "a cycle shares a wave");
                } else {
                    prop_assert!(wave_of(need) < wave_of(user), "s{} needs s{}", user, need);
                }
                if estate.services[need].rto > estate.services[user].rto {
                    expected.insert((estate.services[user].id.clone(), estate.services[need].id.clone()));
                }
            }
        }
        let found: Vec<_> = graph.inversions().found.iter().map(|inversion| (inversion.path[0].clone(), inversion.path.last().unwrap().clone())).collect();
        prop_assert_eq!(found.len(), expected.len(), "each pair once");
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "as by brute force");
        let knots = (0..14).filter(|at| (0..14).any(|other| other != *at && reach[*at][other] && reach[other][*at])).count();
        prop_assert_eq!(graph.cycles().is_empty(), knots == 0);
        for path in graph.cycles() {
            prop_assert_eq!(path.first(), path.last());
            for pair in path.windows(2) {
                prop_assert!(estate.service(&pair[0]).unwrap().depends_on.contains(&pair[1]));
            }
        }
    }

    #[test]
    fn ranking_is_a_total_order_whatever_the_order_of_the_input(
        healths in prop::collection::vec(0..4u8, 3), positions in prop::collection::vec(0..3u64, 3), primaries in prop::collection::vec(any::<bool>(), 3),
        turns in 0..3usize, swap in any::<bool>(), sync in any::<bool>(),
    ) {
        let mut world = World::healthy();
        if sync {
            world.synchronous(WEST);
        }
        for (at, node) in [EAST, REPLICA, WEST].into_iter().enumerate() {
            if primaries[at] && node != EAST {
                world.reading(node).role = crate::world::primary(0, &[]);
            }
            world.position(node, positions[at]);
            world.node(node).judgement = judged([Health::Ok, Health::Degraded, Health::Down, Health::Unknown][healths[at] as usize], ago(20), "x");
        }
        let rule = world.estate.detection;
        let primary = world.view().primary().map(|view| view.node.clone());
        let expected = rank(world.view(), &rule, Urgency::Emergency, now());
        prop_assert_eq!(expected.len(), 3, "nobody is left out");
        prop_assert!(expected.iter().all(|candidate| !candidate.is_eligible() || healths[[EAST, REPLICA, WEST].iter().position(|node| *node == candidate.node.as_str()).unwrap()] == 0));
        world.view().nodes.rotate_left(turns);
        if swap {
            world.view().nodes.swap(0, 1);
        }
        prop_assert_eq!(world.view().primary().map(|view| view.node.clone()), primary);
        prop_assert_eq!(rank(world.view(), &rule, Urgency::Emergency, now()), expected);
    }

    #[test]
    fn f8_a_worse_sample_never_improves_a_verdict_and_order_of_arrival_is_nothing(
        kinds in prop::collection::vec(0..3u8, 1..9), worse in 0..9usize, failures in 1..4u32, extra in 0..4u32, recoveries in 1..4u32, before in 0..4u8, shuffle in 0..9usize,
    ) {
        let rule = Detection { failures, samples: failures + extra, recoveries, ..Detection::default() };
        let previous = match before {
            0 => judged(Health::Ok, ago(3600), "x"),
            1 => judged(Health::Degraded, ago(3600), "x"),
            2 => judged(Health::Down, ago(3600), "x"),
            _ => Judgement::never_measured(),
        };
        let sample = |at: usize, kind: u8| -> Sample {
            let at = ago(5 * (kinds.len() - at) as u64);
            [good(at), complaining(at), failed(at)][kind as usize].clone()
        };
        let samples: Vec<Sample> = kinds.iter().enumerate().map(|(at, kind)| sample(at, *kind)).collect();
        let verdict = judge(&previous, &samples, &rule, now());
        let at = worse % kinds.len();
        let mut worsened = samples.clone();
        worsened[at] = sample(at, 2);
        let bad = judge(&previous, &worsened, &rule, now());
        prop_assert!(verdict.health == Health::Ok || bad.health != Health::Ok, "{:?} became {:?}", verdict, bad);
        prop_assert!(verdict.health != Health::Down || bad.health == Health::Down, "{:?} became {:?}", verdict, bad);
        prop_assert!(verdict.health != Health::Degraded || bad.health != Health::Unknown, "{:?} became {:?}", verdict, bad);
        let mut shuffled = samples.clone();
        shuffled.rotate_left(shuffle % kinds.len());
        prop_assert_eq!(judge(&previous, &shuffled, &rule, now()), verdict.clone());
        let failed_count = kinds.iter().filter(|kind| **kind == 2).count() as u32;
        prop_assert!(verdict.health != Health::Down || previous.health == Health::Down || failed_count >= failures, "down only by k failures");
    }

    #[test]
    fn a_loss_of_zero_has_a_proof(
        sync in 0..3u8, two in any::<bool>(), healths in prop::collection::vec(0..4u8, 3), positions in prop::collection::vec(0..3u64, 3), ages in prop::collection::vec(0..60u64, 3), timeline in 1..3u32,
    ) {
        let mut world = World::healthy();
        world.synchronous([EAST, REPLICA, WEST][sync as usize]);
        world.reading(WEST).timeline = timeline;
        for (at, node) in [EAST, REPLICA, WEST].into_iter().enumerate() {
            world.position(node, positions[at]);
            world.reading(node).at = ago(ages[at]);
            world.node(node).judgement = judged([Health::Ok, Health::Degraded, Health::Down, Health::Unknown][healths[at] as usize], ago(ages[at].saturating_sub(1)), "x");
        }
        if two {
            world.alone(WEST);
            world.view().nodes.retain(|node| node.node.as_str() != REPLICA);
        }
        let rule = world.estate.detection;
        let view = world.view();
        if let LossBound::Zero { .. } = loss_bound(view, view.primary(), &node_id(WEST), &rule, now()) {
            prop_assert_eq!(sync, 2, "the target was synchronous");
            prop_assert!(two, "no other standby can have confirmed");
            prop_assert!(positions[2] >= positions[0], "the primary holds no more");
            prop_assert_eq!(timeline, 1);
        }
    }
}
