//! The engine and the executor against a simulated platform: simulated time, network and hosts, people who err, and faults from a
//! seed. A seed is one history, and a history that breaks a law is printed as the command that plays it again.
//!
//! `LIFEBOAT_SEED=n` plays one seed and prints its history; `LIFEBOAT_SEEDS=a..b` plays others than the usual ones.

mod diary;
mod dice;
mod hands;
mod harm;
mod laws;
mod ledger;
mod orders;
mod people;
mod platform;
mod postgres;
mod sim;
mod stage;
mod watching;
mod weather;
mod world;

use harm::Harm;
use sim::{Outcome, play};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// The seeds that are played where nobody names others.
const SEEDS: Range<u64> = 0..10_000;

/// What the usual seeds must have exercised, and how often at the least: a third of what they did when this was written. A history
/// in which nothing happens breaks no law.
const FLOORS: &[(&str, u64)] = &[
    ("asked by the product: emergency failover", 4_000),
    ("asked by the product: emergency region failover", 6_000),
    ("asked by the product: emergency evacuation", 700),
    ("begun by the product alone", 5_000),
    ("emergency failover: succeeded", 1_500),
    ("emergency failover: IN DOUBT", 1_000),
    ("emergency failover: failed, undone", 150),
    ("emergency failover: void", 3_000),
    ("emergency region failover: succeeded", 6_000),
    ("emergency region failover: IN DOUBT", 400),
    ("emergency evacuation: succeeded", 300),
    ("emergency evacuation: IN DOUBT", 400),
    ("planned switchover: succeeded", 1_500),
    ("planned switchover: IN DOUBT", 1_300),
    ("planned switchover: failed, undone", 400),
    ("planned rejoin: succeeded", 700),
    ("planned rejoin: IN DOUBT", 1_000),
    ("planned region failover: succeeded", 2_400),
    ("planned region failover: failed, undone", 1_700),
    ("planned failback: succeeded", 700),
    ("planned evacuation: succeeded", 300),
    ("planned evacuation: IN DOUBT", 700),
    ("test region failover: succeeded", 1_500),
    ("test evacuation: succeeded", 200),
    ("promotions", 3_000),
    ("promotions with a loss of zero", 2_000),
    ("promotions that lost commits", 60),
    ("fences by the host", 2_000),
    ("fences by the router and the standby", 250),
    ("fences not proven, accepted by people", 150),
    ("clients made to wait", 500),
    ("clients let through", 500),
    ("the server is killed", 6_000),
    ("the journal could not be written", 500),
    ("operations resumed", 4_500),
    ("operations stopped by people", 1_200),
    ("operations made an emergency", 130),
    ("steps left out by people", 90),
    ("moves committed", 350),
    ("safety rules broken on record", 800),
    ("order late", 500),
    ("order twice", 500),
    ("order lost", 250),
    ("order answerlost", 250),
    ("refused: Blocked", 30_000),
    ("refused: OwnRequest", 2_500),
    ("refused: PlanChanged", 3_500),
    ("refused: ApprovalVoid", 500),
    ("refused: GlassNotBroken", 1_100),
    ("refused: LossNotAccepted", 350),
    ("refused: ScopeHeld", 4_000),
    ("trouble: dead", 8_000),
    ("trouble: hung", 3_500),
    ("trouble: dark", 3_000),
    ("trouble: cut", 7_000),
    ("trouble: agentgone", 3_000),
    ("trouble: lied", 2_000),
];

/// What plays a seed again, history and all.
fn command(seed: u64) -> String {
    format!("LIFEBOAT_SEED={seed} cargo test --release --workspace --locked --features server/aws --test simulation laws_hold -- --nocapture")
}

fn named_seed() -> Option<u64> {
    let named = std::env::var("LIFEBOAT_SEED").ok()?;
    Some(named.parse().unwrap_or_else(|_| panic!("LIFEBOAT_SEED is a number, not {named:?}")))
}
fn named_seeds() -> Range<u64> {
    let Ok(named) = std::env::var("LIFEBOAT_SEEDS") else { return SEEDS };
    let parsed = named.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("LIFEBOAT_SEEDS is a range such as 0..100, not {named:?}"))
}

/// Plays many seeds, as many at a time as there are cores, until `enough` says so of an outcome.
fn play_all(seeds: Range<u64>, harm: Option<Harm>, enough: impl Fn(u64, Outcome) -> bool + Sync) {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if enough(seed, play(seed, harm, false)) {
                        next.store(seeds.end, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
}

#[test]
fn laws_hold_in_every_history() {
    if let Some(seed) = named_seed() {
        let outcome = play(seed, None, true);
        assert!(outcome.breaches.is_empty(), "{:#?}", outcome.breaches);
        return;
    }
    let (seeds, began) = (named_seeds(), Instant::now());
    let counts: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let failed: Mutex<BTreeMap<u64, Outcome>> = Mutex::default();
    play_all(seeds.clone(), None, |seed, outcome| {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, count) in &outcome.counts {
            *counts.entry(what.clone()).or_default() += count;
        }
        if !outcome.breaches.is_empty() {
            failed.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, outcome);
        }
        false
    });
    let (counts, failed) = (counts.into_inner().unwrap(), failed.into_inner().unwrap());
    for (what, count) in &counts {
        println!("{count:>9}  {what}");
    }
    println!("{} seeds in {:.1} s", seeds.end - seeds.start, began.elapsed().as_secs_f64());
    let mut by_law: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (seed, outcome) in &failed {
        for breach in &outcome.breaches {
            by_law.entry(breach.law.to_string()).or_default().push(*seed);
        }
    }
    for (law, seeds) in &by_law {
        println!("broken in {} histories: {law}: {:?}", seeds.len(), &seeds[..seeds.len().min(12)]);
    }
    if failed.is_empty() && seeds == SEEDS {
        let short = FLOORS.iter().filter(|(what, least)| counts.get(*what).is_none_or(|count| count < least));
        let short: Vec<_> = short.map(|(what, least)| format!("{what}: {:?} and not {least}", counts.get(*what))).collect();
        assert!(short.is_empty(), "too little was exercised: {short:#?}");
    }
    if let Some((seed, outcome)) = failed.first_key_value() {
        let breach = &outcome.breaches[0];
        panic!(
            "seed {seed} breaks a law at {}: {}: {}\nplay it again with\n    {}",
            breach.at.format("%H:%M:%S%.3f"),
            breach.law,
            breach.how,
            command(*seed)
        );
    }
}

#[test]
fn a_seed_is_one_history() {
    for seed in 0..8 {
        let (one, other) = (play(seed, None, false), play(seed, None, false));
        assert_eq!((one.hash, one.counts), (other.hash, other.counts), "seed {seed}");
    }
    assert_ne!(play(1, None, false).hash, play(2, None, false).hash, "another seed is another history");
}

#[test]
fn harm_that_is_done_on_purpose_is_found() {
    for harm in Harm::ALL {
        let found = Mutex::new(None);
        play_all(0..3_000, Some(harm), |seed, outcome| {
            let noticed = outcome.breaches.iter().find(|breach| harm.breaks().contains(&breach.law)).map(|breach| (seed, breach.law));
            noticed.is_some_and(|noticed| found.lock().unwrap_or_else(PoisonError::into_inner).replace(noticed).is_none())
        });
        let found = found.into_inner().unwrap();
        assert!(found.is_some(), "nobody noticed {harm:?}");
        println!("{harm:?} is noticed: {found:?}");
    }
}
