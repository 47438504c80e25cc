//! What probes saw, kept and judged again: row 32, row 98, “beyond” 5 and 6, and that no gap is ever filled in (F9).

use crate::world::{complaining, failed, good, id, now};
use engine::{
    estate::Detection,
    health::{Health, Outcome, Sample, Series},
    history::{
        CELL, Ending, Kind, Line, Mark, Period, Proposal, Recent, Replay, Stretch, Taken, Track, Witness, coarsen, replay, replay_together,
        verdict_at,
    },
    journal::Subject,
    time::{Instant, Span},
};
use proptest::prelude::*;

fn rule() -> Detection {
    Detection::default()
}
/// The instant of a beat of the rule's interval.
fn beat(number: u32) -> Instant {
    now() + rule().interval.times(number).as_delta()
}
fn whole() -> Period {
    Period { from: now(), until: beat(100_000) }
}
fn proposal(failures: u32, samples: u32, wait: u64) -> Proposal {
    Proposal { rule: Detection { failures, samples, ..rule() }, wait: Span::from_secs(wait) }
}

fn recorded(samples: &[Sample]) -> Vec<Stretch> {
    let mut line = Line::default();
    let mut stretches = Vec::new();
    for sample in samples {
        if let Taken::Began { finished } = line.take_in(sample, &rule()) {
            stretches.extend(finished);
        }
    }
    stretches.extend(line.open().cloned());
    stretches
}

/// `.` good, `c` complaining, `x` failed, ` ` a beat in which nobody looked.
fn seen(text: &str) -> Vec<Sample> {
    let round = |(at, letter): (u32, char)| match letter {
        'x' => Some(failed(beat(at))),
        'c' => Some(complaining(beat(at))),
        '.' => Some(good(beat(at))),
        _ => None,
    };
    (0..).zip(text.chars()).filter_map(round).collect()
}

fn until_after(text: &str) -> Period {
    Period { from: now(), until: beat(u32::try_from(text.len()).unwrap()) }
}

fn replayed(text: &str, proposal: Proposal) -> Replay {
    replay(&recorded(&seen(text)), proposal, until_after(text))
}

#[test]
fn a_day_of_health_is_one_line_and_no_line_is_longer() {
    let samples: Vec<Sample> = (0..17_280 * 2).map(|at| good(beat(at))).collect();
    let stretches = recorded(&samples);
    assert!(stretches.len() <= 3, "{}", stretches.len());
    assert_eq!(stretches.iter().map(|stretch| stretch.rounds() as usize).sum::<usize>(), samples.len());
    assert!(stretches.iter().all(|stretch| Span::between(stretch.first, stretch.last) <= engine::history::LONGEST_RUN));
}

#[test]
fn beyond6_would_have_failed_over_four_times_and_three_recovered_within_a_minute() {
    let outage = |failed: usize| format!("{}{}", ".".repeat(40), "x".repeat(failed));
    let text = [outage(5), outage(6), outage(4), outage(60), ".".repeat(20)].concat();
    let loose = replayed(&text, proposal(3, 3, 0));
    assert_eq!(loose.in_words(), "would have failed over 4 times, 3 of them recovered within 60 s");
    assert_eq!(loose.shortest_and_longest(), Some((Span::from_secs(20), Span::from_mins(5))));
    let strict = replayed(&text, proposal(10, 10, 0));
    assert_eq!(strict.in_words(), "would have failed over once, and it did not recover within 60 s");
    let patient = replayed(&text, proposal(3, 3, 30));
    assert_eq!(patient.failovers().count(), 1, "the short ones are over before the wait is");
    assert_eq!(patient.outages.len(), 4, "and still were outages");
    assert_eq!(replayed(&".".repeat(40), proposal(3, 3, 0)).in_words(), "would not have failed over");
    assert_eq!(replayed("", proposal(3, 3, 0)).in_words(), "nothing was recorded in this time, so nothing can be said");
}

#[test]
fn row32_what_was_slow_is_a_complaint_when_it_is_judged_again_and_no_failover() {
    let rule = Detection { slow: Some(Span::from_millis(500)), ..rule() };
    let seen: Vec<Sample> =
        (0..20).map(|at| rule.paced(Sample { took: Span::from_millis(if at < 4 { 20 } else { 950 }), ..good(beat(at)) })).collect();
    let stretches = recorded(&seen);
    assert_eq!(stretches.iter().map(|stretch| (stretch.good, stretch.complained, stretch.failed)).collect::<Vec<_>>(), [(4, 0, 0), (0, 16, 0)]);
    assert_eq!(stretches[1].said.as_deref(), Some("answered in 950 ms, slower than 500 ms"));
    let strictest = Proposal { rule: Detection { failures: 1, samples: 1, ..rule }, wait: Span::ZERO };
    assert_eq!(replay(&stretches, strictest, Period { from: now(), until: beat(20) }).in_words(), "would not have failed over");
    let of = Subject::Endpoint { service: id("api"), region: id("us-east-1") };
    let track = Track { of, observer: "server".to_owned(), stretches, cut: false };
    assert_eq!(verdict_at(&track, &rule, beat(19)).0.health, Health::Degraded, "as it was judged then");
}

#[test]
fn f9_time_in_which_nobody_looked_is_a_gap_and_no_failover() {
    let replay = replayed("....xx          xx.....", proposal(3, 3, 0));
    assert_eq!(replay.in_words(), "would not have failed over", "two and two with silence between are not four");
    assert_eq!(replay.unseen, Span::from_secs(55));
    let cut = replayed("....xxx          ....", proposal(3, 3, 60));
    assert_eq!(cut.failovers().count(), 0, "whether it was down when the wait was over is not known");
    assert_eq!(cut.outages[0].ending, Ending::NotKnown { after: beat(6) });
    let lasts = replayed("....xxxxxx", proposal(3, 3, 0));
    assert_eq!(lasts.outages[0].ending, Ending::Lasts);
    assert_eq!(lasts.recovered_within(Replay::SOON), 0, "what lasts has not recovered");
}

#[test]
fn an_outage_from_before_the_period_is_not_counted_in_it() {
    let text = format!("{}xxxx.....xxxx{}", ".".repeat(10), ".".repeat(20));
    let stretches = recorded(&seen(&text));
    let all = until_after(&text);
    assert_eq!(replay(&stretches, proposal(3, 3, 0), all).outages.len(), 2);
    assert_eq!(replay(&stretches, proposal(3, 3, 0), Period { from: beat(16), ..all }).outages.len(), 1);
}

#[test]
fn what_was_believed_at_an_instant_in_the_middle_of_a_long_run() {
    let text = format!("{}xx{}xxxxxx{}", ".".repeat(1_000), ".".repeat(500), ".".repeat(10));
    let of = Subject::Endpoint { service: id("api"), region: id("us-east-1") };
    let track = Track { of, observer: "server".to_owned(), stretches: recorded(&seen(&text)), cut: false };
    let health = |number| verdict_at(&track, &rule(), beat(number)).0.health;
    assert_eq!(
        [health(700), health(1_001), health(1_002), health(1_504), health(1_900)],
        [Health::Ok, Health::Ok, Health::Ok, Health::Down, Health::Unknown]
    );
    let (_, rounds) = verdict_at(&track, &rule(), beat(1_001));
    let failed = rounds.iter().filter(|round| Kind::of(&round.outcome) == Kind::Failed).count();
    assert_eq!((rounds.len(), failed), (3, 2), "two of three failed, and three are needed");
    assert_eq!(track.before(beat(1_001), 3).last().unwrap().at, beat(1_001));
}

#[test]
fn a_sample_that_is_late_is_left_out_and_a_clock_set_back_begins_anew() {
    let mut line = Line::default();
    assert!(matches!(line.take_in(&good(beat(1_000)), &rule()), Taken::Began { finished: None }));
    assert_eq!(line.take_in(&failed(beat(999)), &rule()), Taken::Late);
    assert_eq!(line.take_in(&failed(beat(1_000)), &rule()), Taken::Late);
    assert!(matches!(line.take_in(&failed(beat(10)), &rule()), Taken::Began { finished: Some(_) }));
    assert_eq!(line.open().unwrap().said.as_deref(), Some("connection refused"));
}

#[test]
fn a_mark_is_good_only_where_somebody_looked_all_the_time() {
    let per_part = 24; // rounds in two minutes
    let mut recent = Recent::default();
    let letters = |recent: &Recent, at: Instant| Recent::marks(&[recent], at).into_iter().map(Mark::letter).collect::<String>();
    assert_eq!(letters(&recent, now()), "-".repeat(30), "never measured is not good");
    let text = [".".repeat(per_part * 4), "x".repeat(per_part * 2), " ".repeat(per_part * 3), ".".repeat(per_part * 4), "c".repeat(3)].concat();
    let samples = seen(&text);
    for sample in &samples {
        recent.push(Kind::of(&sample.outcome), sample.at, rule().silence());
    }
    let end = samples.last().unwrap().at;
    let live = letters(&recent, end);
    assert!(live.ends_with("ggggfFf--fggggc") || live.contains("F") && live.contains("-") && live.ends_with('c'), "{live}");
    assert!(live.starts_with("-----"), "{live}");
    let restored = Recent::of(&recorded(&samples), rule().silence());
    assert_eq!(letters(&restored, end), live, "the same from what was recorded");
    let later = end + Span::from_mins(4).as_delta();
    assert!(letters(&recent, later).ends_with("--"), "silence is not good: {}", letters(&recent, later));
}

#[test]
fn marks_from_before_a_restart_and_after_it_join_with_a_gap_between() {
    let (before, after) = (seen(&".".repeat(200)), 230..300);
    let mut live = Recent::default();
    for at in after {
        live.push(Kind::Good, beat(at), rule().silence());
    }
    let joined = Recent::of(&recorded(&before), rule().silence()).followed_by(&live);
    let letters: String = Recent::marks(&[&joined], beat(300)).into_iter().map(Mark::letter).collect();
    assert_eq!(letters.trim_start_matches('-').chars().filter(|letter| *letter == '-').count(), 2, "{letters}");
    assert!(letters.ends_with("gg"), "{letters}");
}

#[test]
fn what_one_observer_saw_fail_is_not_hidden_by_another() {
    let mut of = [Recent::default(), Recent::default()];
    for at in 0..60 {
        of[0].push(Kind::Good, beat(at), rule().silence());
        of[1].push(if at > 30 { Kind::Failed } else { Kind::Good }, beat(at), rule().silence());
    }
    assert_eq!(Recent::marks(&[&of[0], &of[1]], beat(60)).last(), Some(&Mark::SomeFailed));
}

/// A round in 0..10 is good most of the time; the second number is how many beats nobody looked before it.
/// The server, and an observer in the west, each of which saw this.
fn both(server: &str, west: &str, quorum: u32, proposal: Proposal) -> Replay {
    let (server, west) = (recorded(&seen(server)), recorded(&seen(west)));
    let witness = |observer, place: Option<&str>, stretches| Witness { observer: id(observer), place: place.map(id), stretches };
    replay_together(
        &[witness("server", None, &server), witness("west", Some("us-west-2"), &west)],
        quorum,
        proposal,
        until_after("x".repeat(24).as_str()),
    )
}

#[test]
fn row31_what_one_observer_saw_alone_is_no_failover_where_two_must_agree() {
    let (alone, agreed) = ("....xxxx................", "............xxxx........");
    let quiet = "........................";
    assert_eq!(both(alone, quiet, 2, proposal(3, 3, 0)).outages.len(), 0);
    assert_eq!(both(agreed, agreed, 2, proposal(3, 3, 0)).outages.len(), 1);
    assert_eq!(both(agreed, agreed, 2, proposal(3, 3, 0)).in_words(), "would have failed over once, and it recovered within 60 s");
    // One of them sees it answer two rounds before the other: it lasted until then.
    let sooner = both("............xxxx........", "............xxxxxx......", 2, proposal(3, 3, 0));
    assert_eq!(sooner.shortest_and_longest(), Some((rule().interval.times(4), rule().interval.times(4))), "{:?}", sooner.outages);
    // One that says nothing leaves the other without anybody to agree with: no verdict, and that is said.
    let lonely = both(agreed, "", 2, proposal(3, 3, 0));
    assert_eq!(lonely.outages.len(), 0);
    assert_eq!((lonely.unseen > Span::ZERO, both(agreed, agreed, 2, proposal(3, 3, 0)).unseen), (true, Span::ZERO));
    assert_eq!(both(agreed, "", 1, proposal(3, 3, 0)).outages.len(), 1, "alone is enough where one place is");
}

#[test]
fn row32_failures_that_are_further_apart_than_the_window_are_none() {
    let spread = "..x.....x.....x.....";
    let of = |window| Proposal { rule: Detection { failures: 3, samples: 20, window, ..rule() }, wait: Span::ZERO };
    let times = |window| replayed(spread, of(window)).outages.len();
    assert_eq!((times(None), times(Some(Span::from_secs(30)))), (1, 0));
}

fn looks() -> impl Strategy<Value = Vec<(u8, u32)>> {
    prop::collection::vec((0..10u8, prop_oneof![8 => Just(0u32), 1 => 1..3u32, 1 => 3..30u32]), 1..160)
}

fn samples(looks: &[(u8, u32)]) -> Vec<Sample> {
    let mut number = 0;
    let round = |(kind, missed): &(u8, u32)| {
        number += 1 + missed;
        match kind {
            0..6 => good(beat(number)),
            6 => complaining(beat(number)),
            _ => failed(beat(number)),
        }
    };
    looks.iter().map(round).collect()
}

/// Every change between down and not down as the series of a watcher has it, judged at each round and when silence sets in.
fn live(samples: &[Sample], rule: &Detection) -> Vec<(Instant, bool)> {
    let (mut series, mut last, mut changes, mut down) = (Series::default(), None::<Instant>, Vec::new(), false);
    let mut look = |series: &mut Series, at: Instant| {
        let is_down = series.judge(rule, at).health == Health::Down;
        if is_down != down {
            down = is_down;
            changes.push((at, is_down));
        }
    };
    for sample in samples {
        let silent = last.map(|last| last + rule.silence().saturating_add(Span::from_millis(1)).as_delta());
        if let Some(silent) = silent.filter(|silent| *silent <= sample.at) {
            look(&mut series, silent);
        }
        last = Some(sample.at);
        series.push(sample.clone());
        look(&mut series, sample.at + sample.took.as_delta());
    }
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn beyond6_the_same_rule_gives_the_same_verdicts_as_live(looks in looks(), failures in 1..5u32, more in 0..4u32) {
        let rule = Detection { failures, samples: failures + more, ..rule() };
        let samples = samples(&looks);
        let stretches = recorded(&samples);
        let again: Vec<Sample> = stretches.iter().flat_map(Stretch::samples).collect();
        prop_assert_eq!(again.iter().map(|sample| sample.at).collect::<Vec<_>>(), samples.iter().map(|sample| sample.at).collect::<Vec<_>>());
        let changes = live(&samples, &rule);
        let period = Period { from: now(), until: samples.last().unwrap().at };
        let replay = replay(&stretches, Proposal { rule, wait: Span::ZERO }, period);
        let downs: Vec<Instant> = changes.iter().filter(|(_, down)| *down).map(|(at, _)| *at).collect();
        prop_assert_eq!(replay.outages.iter().map(|outage| outage.down_at).collect::<Vec<_>>(), downs);
        let ended = replay.outages.iter().filter(|outage| outage.ending != Ending::Lasts).count();
        prop_assert_eq!(ended, changes.iter().filter(|(_, down)| !down).count());
        prop_assert_eq!(replay.rounds, samples.len() as u64);
    }

    #[test]
    fn a_round_is_made_again_close_to_where_it_was(jitter in prop::collection::vec(-400..400i64, 2..200), bad in prop::collection::vec(any::<bool>(), 200)) {
        let rule = rule();
        let samples: Vec<Sample> = jitter.iter().zip(&bad).scan(now(), |at, (jitter, bad)| {
            *at = *at + rule.interval.as_delta() + chrono::TimeDelta::milliseconds(*jitter);
            Some(if *bad { failed(*at) } else { good(*at) })
        }).collect();
        let again: Vec<Sample> = recorded(&samples).iter().flat_map(Stretch::samples).collect();
        prop_assert_eq!(again.len(), samples.len());
        for (again, was) in again.iter().zip(&samples) {
            prop_assert_eq!(Kind::of(&again.outcome), Kind::of(&was.outcome));
            let away = (again.at - was.at).num_milliseconds().abs();
            prop_assert!(away <= i64::try_from(rule.interval.as_millis()).unwrap() / i64::from(Line::TOLERANCE) + 1, "{away} ms");
        }
    }

    #[test]
    fn leaving_out_the_middle_of_a_long_run_changes_no_verdict(runs in prop::collection::vec((0..3u8, 1..700u32), 1..8), failures in 1..6u32) {
        let rule = Detection { failures, samples: failures + 1, ..rule() };
        let mut number = 0;
        let mut samples = Vec::new();
        for (kind, length) in runs {
            for _ in 0..length {
                number += 1;
                samples.push(match kind { 0 => good(beat(number)), 1 => complaining(beat(number)), _ => failed(beat(number)) });
            }
        }
        let outages = |stretches: &[Stretch]| replay(stretches, Proposal { rule, wait: Span::ZERO }, Period { from: now(), until: beat(number) }).outages;
        let one_by_one: Vec<Stretch> = samples.iter().flat_map(|sample| recorded(std::slice::from_ref(sample))).collect();
        prop_assert_eq!(outages(&recorded(&samples)), outages(&one_by_one));
    }

    #[test]
    fn the_roll_up_keeps_every_count_and_every_gap_and_settles(looks in looks()) {
        let fine = recorded(&samples(&looks));
        let coarse = coarsen(fine.clone(), rule().silence());
        let counts = |stretches: &[Stretch]| stretches.iter().fold((0, 0, 0), |sum, one| (sum.0 + one.good, sum.1 + one.complained, sum.2 + one.failed));
        prop_assert_eq!(counts(&coarse), counts(&fine));
        prop_assert!(coarse.len() <= fine.len());
        prop_assert_eq!(coarsen(coarse.clone(), rule().silence()), coarse.clone());
        let unseen = |stretches: &[Stretch]| replay(stretches, proposal(3, 3, 0), whole()).unseen;
        prop_assert_eq!(unseen(&coarse), unseen(&fine));
        prop_assert!(coarse.iter().filter(|one| one.kind().is_none()).all(|one| Span::between(one.first, one.last) <= CELL));
    }

    #[test]
    fn more_failures_are_never_fewer_failed_rounds(looks in looks(), worse in prop::collection::vec(any::<bool>(), 160)) {
        let before = samples(&looks);
        let after: Vec<Sample> = before.iter().zip(&worse).map(|(sample, worse)| if *worse { failed(sample.at) } else { sample.clone() }).collect();
        let failed = |samples: &[Sample]| replay(&recorded(samples), proposal(2, 3, 0), whole()).failed;
        prop_assert!(failed(&after) >= failed(&before));
        let count = |samples: &[Sample]| samples.iter().filter(|sample| matches!(sample.outcome, Outcome::Failed(_))).count() as u64;
        prop_assert_eq!(failed(&after), count(&after));
    }
}
