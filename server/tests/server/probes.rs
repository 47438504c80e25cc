//! The history of probes on real SQLite: what a crash loses and what it does not, the roll-up, the budget, and who may read it.

use crate::{
    house::{House, viewer},
    world::id,
};
use app::{
    fault::Fault,
    port::{Port, ProbesQuery},
    session::Viewer,
};
use engine::{
    estate::Detection,
    health::{Outcome, Sample},
    history::{Kind, Mark, Period, Proposal, Stretch},
    journal::Subject,
    time::{Instant, Span},
};
use server::{
    store::Store,
    watch::history::{History, roll_up, roll_up_within},
};
use std::path::Path;

/// The observer of these samples.
const SELF: &str = "server";

fn begun() -> Instant {
    "2026-01-02T03:00:00Z".parse().unwrap()
}
fn second(number: u64) -> Instant {
    begun() + Span::from_secs(number).as_delta()
}
fn rule() -> Detection {
    Detection { interval: Span::from_secs(1), timeout: Span::from_secs(1), ..Detection::default() }
}
fn target(number: usize) -> Subject {
    Subject::Endpoint { service: id(&format!("service-{number}")), region: id("us-east-1") }
}
fn sample(at: Instant, kind: Kind) -> Sample {
    let outcome = match kind {
        Kind::Good => Outcome::Good,
        Kind::Complaint => Outcome::Complaint("503: warming up".to_owned()),
        Kind::Failed => Outcome::Failed("connection refused".to_owned()),
    };
    Sample { at, took: Span::from_millis(3), outcome }
}

/// Everything of a target as a process that starts now finds it.
async fn found(folder: &Path, of: &Subject) -> Vec<Stretch> {
    let (store, history) = (Store::open(folder).await.unwrap(), History::default());
    history.take_over(&store).await.unwrap();
    let mut tracks = history.read(&store, of, begun() - Span::from_mins(60).as_delta(), second(1_000_000)).await.unwrap();
    store.close().await;
    if tracks.is_empty() { Vec::new() } else { tracks.remove(0).stretches }
}

fn rounds(stretches: &[Stretch]) -> u32 {
    stretches.iter().map(Stretch::rounds).sum()
}

/// Five minutes in which one target is well and the other fails now and then, written every second; then the process is gone
/// without a word, with `unwritten` seconds that it had no time to write.
async fn killed(folder: &Path, unwritten: u64) {
    let (store, history) = (Store::open(folder).await.unwrap(), History::default());
    for now in 0..300 {
        for (number, kind) in [(0, Kind::Good), (1, if now % 50 < 3 { Kind::Failed } else { Kind::Good })] {
            history.take_in(&target(number), SELF, &sample(second(now), kind), &rule());
        }
        if now < 300 - unwritten {
            history.write(&store, second(now)).await.unwrap();
        }
    }
    // Neither flushed nor closed, as after kill -9.
    drop((history, store));
}

#[tokio::test]
async fn a_crash_loses_at_most_a_second_of_trouble_and_a_minute_of_health() {
    let folder = tempfile::tempdir().unwrap();
    killed(folder.path(), 1).await;
    let well = found(folder.path(), &target(0)).await;
    assert_eq!(well.len(), 1, "{well:?}");
    assert!(Span::between(well[0].last, second(299)) <= Span::from_secs(60), "{well:?}");
    let flaky = found(folder.path(), &target(1)).await;
    let failed: u32 = flaky.iter().map(|stretch| stretch.failed).sum();
    assert_eq!(failed, 18, "every failure that was a second old: {flaky:#?}");
    let last = flaky.last().unwrap();
    assert!(Span::between(last.last, second(299)) <= Span::from_secs(60), "{last:?}");
    for pair in flaky.windows(2) {
        assert!(pair[0].last < pair[1].first, "nothing twice: {pair:?}");
    }
}

#[tokio::test]
async fn a_failure_is_on_disk_with_the_next_write_and_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (Store::open(folder.path()).await.unwrap(), History::default());
    for now in 0..10 {
        history.take_in(&target(0), SELF, &sample(second(now), Kind::Failed), &rule());
        history.write(&store, second(now)).await.unwrap();
    }
    drop((history, store));
    let stretches = found(folder.path(), &target(0)).await;
    assert_eq!((stretches.len(), rounds(&stretches)), (1, 10), "{stretches:?}");
    assert_eq!(stretches[0].said.as_deref(), Some("connection refused"));
}

#[tokio::test]
async fn after_a_restart_the_time_between_is_a_gap_and_the_marks_are_back() {
    let folder = tempfile::tempdir().unwrap();
    killed(folder.path(), 0).await;
    let (store, history) = (Store::open(folder.path()).await.unwrap(), History::default());
    history.take_over(&store).await.unwrap();
    for now in 900..1_200 {
        history.take_in(&target(0), SELF, &sample(second(now), Kind::Good), &rule());
    }
    history.remember(&store, second(1_200)).await.unwrap();
    let letters: String = history.recent(&target(0), second(1_200)).into_iter().map(Mark::letter).collect();
    let seen = letters.trim_start_matches('-');
    assert!(seen.starts_with('g') && seen.ends_with('g') && seen.contains("-----"), "{letters}");
    let [track] = &history.read(&store, &target(0), begun(), second(1_200)).await.unwrap()[..] else { panic!("one observer") };
    assert_eq!(track.stretches.len(), 2, "{track:?}");
    let replay =
        engine::history::replay(&track.stretches, Proposal { rule: rule(), wait: Span::ZERO }, Period { from: begun(), until: second(1_200) });
    assert!(replay.outages.is_empty() && replay.unseen >= Span::from_secs(600), "{replay:?}");
    store.close().await;
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let (broken, history) = (Store::open(folder.path()).await.unwrap(), History::default());
    broken.close().await;
    for now in 0..30 {
        let kind = if now % 10 < 2 { Kind::Failed } else { Kind::Good };
        history.take_in(&target(0), SELF, &sample(second(now), kind), &rule());
        history.write(&broken, second(now)).await.unwrap_err();
    }
    let store = Store::open(folder.path()).await.unwrap();
    history.write(&store, second(30)).await.unwrap();
    drop((history, store));
    let stretches = found(folder.path(), &target(0)).await;
    assert_eq!((rounds(&stretches), stretches.len()), (30, 6), "{stretches:#?}");
}

/// A target that fails every other second for `minutes`.
async fn flapping(folder: &Path, minutes: u64) -> (Store, History) {
    let (store, history) = (Store::open(folder).await.unwrap(), History::default());
    for now in 0..minutes * 60 {
        let kind = if now % 2 == 0 { Kind::Failed } else { Kind::Good };
        history.take_in(&target(0), SELF, &sample(second(now), kind), &rule());
        if now % 60 == 59 {
            history.write(&store, second(now)).await.unwrap();
        }
    }
    (store, history)
}

#[tokio::test]
async fn the_roll_up_keeps_the_counts_and_drops_what_is_very_old() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = flapping(folder.path(), 60).await;
    let read = async |history: &History| {
        let mut tracks = history.read(&store, &target(0), begun(), second(3_600)).await.unwrap();
        tracks.remove(0).stretches
    };
    let fine = read(&history).await;
    assert_eq!((fine.len(), rounds(&fine)), (3_600, 3_600));
    let young = roll_up(&history, &store, second(3_600), None).await.unwrap();
    assert_eq!((young.merged, young.dropped), (0, 0), "what is young keeps its order");
    let later = second(3_600) + Span::from_mins(9 * 24 * 60).as_delta();
    let rolled = roll_up(&history, &store, later, None).await.unwrap();
    let coarse = read(&history).await;
    assert!(coarse.len() <= 14 && rolled.merged > 3_500, "{} {rolled:?}", coarse.len());
    let failed = |stretches: &[Stretch]| stretches.iter().map(|stretch| stretch.failed).sum::<u32>();
    assert_eq!((rounds(&coarse), failed(&coarse)), (rounds(&fine), failed(&fine)));
    assert_eq!(roll_up(&history, &store, later, None).await.unwrap().merged, 0, "again changes nothing");
    let much_later = second(3_600) + Span::from_mins(91 * 24 * 60).as_delta();
    roll_up(&history, &store, much_later, None).await.unwrap();
    assert!(rounds(&read(&history).await) <= 1, "only the open run, which is not old until it is finished");
    store.close().await;
}

#[tokio::test]
async fn a_flood_is_rolled_up_earlier_so_that_the_file_stays_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = flapping(folder.path(), 3 * 60).await;
    let before = store.history_bytes().await.unwrap();
    let rolled = roll_up_within(before / 2, &history, &store, second(3 * 3_600), None).await.unwrap();
    assert!(rolled.merged > 6_000, "{rolled:?}");
    assert!(store.history_bytes().await.unwrap() <= before / 2);
    let tracks = history.read(&store, &target(0), begun(), second(3 * 3_600)).await.unwrap();
    assert_eq!(rounds(&tracks[0].stretches), 3 * 3_600, "no count is lost");
    store.close().await;
}

#[tokio::test]
async fn two_observers_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (Store::open(folder.path()).await.unwrap(), History::default());
    for now in 0..10 {
        history.take_in(&target(0), SELF, &sample(second(now), Kind::Good), &rule());
        history.take_in(&target(0), "observer-west", &sample(second(now), Kind::Failed), &rule());
    }
    history.write(&store, second(10)).await.unwrap();
    let tracks = history.read(&store, &target(0), begun(), second(10)).await.unwrap();
    assert_eq!(
        tracks.iter().map(|track| (track.observer.as_str(), track.stretches[0].failed)).collect::<Vec<_>>(),
        [(SELF, 0), ("observer-west", 10)]
    );
    assert_eq!(history.recent(&target(0), second(10)).last(), Some(&Mark::SomeFailed));
    store.close().await;
}

#[tokio::test]
async fn beyond6_the_desk_replays_what_was_recorded_and_only_for_those_who_may_look() {
    let house = House::with_people().await;
    let (desk, now) = (&house.desk, chrono::Utc::now());
    for back in (0..600u64).rev() {
        let kind = if (300..320).contains(&back) { Kind::Failed } else { Kind::Good };
        desk.probe_history().take_in(&target(0), SELF, &sample(now - Span::from_secs(back).as_delta(), kind), &rule());
    }
    let query = || ProbesQuery { of: target(0), period: Period { from: now - Span::from_mins(60).as_delta(), until: now } };
    let proposals = [3, 60].map(|failures| Proposal { rule: Detection { failures, samples: failures, ..rule() }, wait: Span::ZERO });
    let answers = desk.replay(&viewer("vera"), query(), proposals.to_vec()).await.unwrap();
    let said: Vec<String> = answers[0].replays.iter().map(engine::history::Replay::in_words).collect();
    assert_eq!(said, ["would have failed over once, and it recovered within 60 s", "would not have failed over"]);
    let stranger = Viewer { name: id("nobody-we-know"), roles: [engine::access::Role::Admin].into(), read_only: false };
    assert!(matches!(desk.replay(&stranger, query(), proposals.to_vec()).await, Err(Fault::Refused(_))));
    assert!(matches!(desk.probes(&stranger, query()).await, Err(Fault::Refused(_))));
    assert!(matches!(desk.recent(&stranger, &[target(0)]), Err(Fault::Refused(_))));
    assert_eq!(desk.recent(&viewer("vera"), &[target(1)]).unwrap(), [vec![Mark::Gap; 30]], "what was never probed is not known");
}

#[tokio::test]
async fn a_bad_threshold_or_time_is_answered_with_the_name_of_its_field() {
    let house = House::with_people().await;
    let mut browser = house.signed_in("vera").await;
    let page = browser.get("/failover/decisions?at=25:99").await;
    assert!(page.body.contains("Time: “25:99” is none"), "{}", page.body);
    let around = browser.get("/failover/decisions?scope=cluster/users&at=02:13").await;
    assert!(around.body.contains("Nothing was decided in the quarter of an hour") && around.body.contains("no data"), "{}", around.body);
}
