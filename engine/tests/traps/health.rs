//! Detection: F8, F9, F10, F22, F24, X5 and rows 31 to 37.

use crate::world::{World, ago, complaining, failed, good, id, judged, now};
use engine::{
    estate::Detection,
    health::{Health, Judgement, Outcome, Panel, Sample, Series, Sight, Sights, failed_regions, judge},
    id::ObserverId,
    time::{Instant, Span},
};

fn rule() -> Detection {
    Detection::default()
}
fn unknown() -> Judgement {
    Judgement::never_measured()
}
fn ok() -> Judgement {
    judged(Health::Ok, ago(3600), "the last probe was good")
}
fn health(previous: &Judgement, samples: &[Sample]) -> Health {
    judge(previous, samples, &rule(), now()).health
}

#[test]
fn one_bad_probe_trips_nothing_and_three_do() {
    assert_eq!(health(&ok(), &[good(ago(10)), good(ago(5)), failed(ago(0))]), Health::Ok);
    assert_eq!(health(&ok(), &[good(ago(10)), failed(ago(5)), failed(ago(0))]), Health::Ok);
    let down = judge(&ok(), &[good(ago(15)), failed(ago(10)), failed(ago(5)), failed(ago(0))], &rule(), now());
    assert_eq!(down.health, Health::Down);
    assert_eq!(down.since, Some(ago(10)), "since the first failed probe, not since the verdict");
    assert_eq!(down.why, "3 of the last 3 probes failed, latest: connection refused");
}

#[test]
fn f8_failures_over_half_an_hour_are_not_one_failure() {
    let rule = Detection { failures: 3, samples: 3, ..rule() };
    let verdict = judge(&ok(), &[failed(ago(29 * 60)), failed(ago(15 * 60)), failed(ago(0))], &rule, now());
    assert_eq!(verdict.health, Health::Ok, "{}", verdict.why);
}

#[test]
fn f8_three_probes_in_one_instant_are_one_round() {
    let samples = [good(ago(10)), good(ago(5)), failed(ago(0)), failed(ago(0)), failed(ago(0))];
    assert_eq!(health(&ok(), &samples), Health::Ok);
    let mut series = Series::default();
    for sample in samples {
        series.push(sample);
    }
    assert_eq!(series.len(), 3);
    assert_eq!(series.judge(&rule(), now()).health, Health::Unknown, "the newest round is bad, and it was never judged before");
}

#[test]
fn f9_silence_is_unknown_and_no_data_is_never_good() {
    assert_eq!(judge(&unknown(), &[], &rule(), now()), Judgement::never_measured());
    let silent = judge(&ok(), &[good(ago(30)), good(ago(13))], &rule(), now());
    assert_eq!((silent.health, silent.since), (Health::Unknown, Some(ago(13))));
    assert_eq!(silent.why, "no probe since 03:03:52 UTC (one is due every 5s); the last one was good");
    assert_eq!(health(&ok(), &[good(ago(12))]), Health::Ok, "two intervals and the time-out are not silence yet");
    let was_down = judged(Health::Down, ago(60), "x");
    assert_eq!(health(&was_down, &[failed(ago(60))]), Health::Unknown, "down is not known for ever either");
}

#[test]
fn f9_what_always_runs_into_a_long_time_out_is_down_and_never_silent_in_between() {
    let rule = Detection { interval: Span::from_secs(1), timeout: Span::from_secs(3), ..rule() };
    let mut series = Series::default();
    for round in (1..20).rev() {
        // Sent when the one before was given up; known when it is given up itself, and judged until the next one is known.
        series.push(Sample { took: rule.timeout, ..failed(ago(3 * round + 3)) });
        let just_before_the_next = ago(3 * round - 3) - Span::from_millis(1).as_delta();
        for later in [ago(3 * round), ago(3 * round - 2), just_before_the_next] {
            let verdict = series.judge(&rule, later);
            assert!(!verdict.why.contains("no probe since"), "{}", verdict.why);
        }
    }
    assert_eq!(series.judgement().health, Health::Down);
}

/// What is dated later than now may not keep a failure from being found until the clock has caught up.
#[test]
fn x7_after_the_clock_was_set_back_a_failure_is_found_as_soon_as_ever() {
    let hour_back = |seconds: i64| now() - chrono::TimeDelta::hours(1) + chrono::TimeDelta::seconds(seconds);
    let mut panel = Panel::of_server();
    let mut sights: Sights = [(ObserverId::server(), Sight::new(rule().silence()))].into();
    let see = |panel: &mut Panel, sights: &mut Sights, outcome: fn(Instant) -> Sample, at| {
        let sight = sights.get_mut(&ObserverId::server()).unwrap();
        // Something else answers at the same time.
        sight.take_in(&outcome(at));
        sight.take_in(&good(at));
        panel.push(&ObserverId::server(), outcome(at));
        (panel.judge(&rule(), sights, at).health, panel.is_doubtful())
    };
    for number in (0..5).rev() {
        assert_eq!(see(&mut panel, &mut sights, good, ago(5 * number)), (Health::Ok, false));
    }
    panel.set_back(&rule(), hour_back(1));
    sights.values_mut().for_each(|sight| sight.set_back(hour_back(1)));
    assert_eq!(see(&mut panel, &mut sights, failed, hour_back(1)), (Health::Ok, false));
    assert_eq!(panel.judgement().since, Some(hour_back(1)), "nothing began later than now");
    assert_eq!(see(&mut panel, &mut sights, failed, hour_back(6)), (Health::Ok, false));
    assert_eq!(see(&mut panel, &mut sights, failed, hour_back(11)), (Health::Down, false), "and something else answered meanwhile");

    // One that nobody hears of any more is silent by the new time.
    panel.set_back(&rule(), hour_back(2));
    assert!(!panel.is_due(hour_back(14)) && panel.is_due(hour_back(15)));
}

#[test]
fn f9_k_of_n_sees_through_a_single_good_or_degraded_probe() {
    let rule = Detection { failures: 3, samples: 5, ..rule() };
    for middle in [good(ago(10)), complaining(ago(10))] {
        let samples = [failed(ago(20)), failed(ago(15)), middle, failed(ago(5)), good(ago(0))];
        let verdict = judge(&ok(), &samples, &rule, now());
        assert_eq!((verdict.health, verdict.since), (Health::Down, Some(ago(20))), "UUDU… is a failure");
    }
}

#[test]
fn f10_a_rule_of_zero_judges_nothing() {
    for broken in [
        Detection { failures: 0, ..rule() },
        Detection { samples: 0, ..rule() },
        Detection { recoveries: 0, ..rule() },
        Detection { failures: 4, ..rule() },
        Detection { interval: Span::ZERO, ..rule() },
        Detection { samples: u32::MAX, ..rule() },
        Detection { slow: Some(Span::ZERO), ..rule() },
        Detection { window: Some(Span::from_secs(14)), ..rule() },
        Detection { window: Some(Span::from_mins(61)), ..rule() },
        Detection { slow: Some(rule().timeout), ..rule() },
    ] {
        assert!(!broken.mistakes().is_empty(), "{broken:?}");
        for samples in [vec![good(ago(0))], vec![failed(ago(0)); 9], vec![]] {
            let verdict = judge(&ok(), &samples, &broken, now());
            assert_eq!(verdict.health, Health::Unknown, "never “always down”, never good: {broken:?}");
            assert!(verdict.why.contains("detection rule cannot be used"));
        }
        assert!(broken.window() >= Span::ZERO, "no overflow");
    }
    assert!(rule().mistakes().is_empty());
    assert!(Detection { window: Some(Span::from_secs(15)), ..rule() }.mistakes().is_empty());
}

#[test]
fn degraded_is_not_down() {
    let samples = [complaining(ago(10)), complaining(ago(5)), complaining(ago(0))];
    let degraded = judge(&ok(), &samples, &rule(), now());
    assert_eq!((degraded.health, degraded.since), (Health::Degraded, Some(ago(10))));
    assert_eq!(degraded.why, "3 of the last 3 probes complained, latest: 503: warming up");
    assert_eq!(health(&ok(), &[good(ago(10)), complaining(ago(5)), complaining(ago(0))]), Health::Ok, "k of n holds for complaints too");
    assert_eq!(health(&ok(), &[failed(ago(10)), complaining(ago(5)), failed(ago(0))]), Health::Degraded, "three bad ones, two of them failures");
}

#[test]
fn row32_a_slow_answer_is_a_complaint_so_slow_is_degraded_and_never_down() {
    let rule = Detection { slow: Some(Span::from_millis(500)), ..rule() };
    assert!(rule.mistakes().is_empty());
    let took = |millis, sample: Sample| rule.paced(Sample { took: Span::from_millis(millis), ..sample });
    let samples = [10, 5, 0].map(|seconds| took(950, good(ago(seconds))));
    let slow = judge(&ok(), &samples, &rule, now());
    assert_eq!((slow.health, slow.since), (Health::Degraded, Some(ago(10))));
    assert_eq!(slow.why, "3 of the last 3 probes complained, latest: answered in 950 ms, slower than 500 ms");
    assert!(took(500, good(ago(0))).is_good(), "as long as it may take");
    for said in [complaining(ago(0)), failed(ago(0))] {
        assert_eq!(took(950, said.clone()).outcome, said.outcome, "what was wrong with it stays what is said");
    }
    assert!(Detection::default().paced(Sample { took: Span::from_secs(60), ..good(ago(0)) }).is_good(), "nothing is too slow unless declared");
    let long = Detection { slow: Some(Span::from_secs(3)), ..rule }.mistakes();
    assert_eq!(long, ["slow is 3s, and after 2s there is no answer to complain of"]);
}

#[test]
fn recovery_takes_its_row_of_good_probes() {
    let down = judged(Health::Down, ago(30), "x");
    let series = [failed(ago(20)), failed(ago(15)), good(ago(10)), good(ago(5))];
    let still = judge(&down, &series, &rule(), now());
    assert_eq!((still.health, still.since), (Health::Down, Some(ago(30))), "the beginning is kept");
    assert_eq!(still.why, "2 of 3 good probes in a row that are needed to call it back");
    let back = judge(&down, &[series.as_slice(), &[good(ago(0))]].concat(), &rule(), now());
    assert_eq!((back.health, back.since), (Health::Ok, Some(ago(10))));
    let broken_row = [good(ago(15)), good(ago(10)), failed(ago(5)), good(ago(0))];
    assert_eq!(health(&down, &broken_row), Health::Down);
    assert_eq!(health(&down, &[complaining(ago(10)), complaining(ago(5)), good(ago(0))]), Health::Degraded, "it answers again, not well");
}

#[test]
fn failures_from_before_a_recovery_do_not_count_again() {
    let rule = Detection { failures: 3, samples: 10, recoveries: 2, ..rule() };
    let samples = [failed(ago(30)), failed(ago(25)), failed(ago(20)), good(ago(15)), good(ago(10)), failed(ago(5)), good(ago(0))];
    let back = judged(Health::Ok, ago(15), "x");
    assert_eq!(judge(&back, &samples, &rule, now()).health, Health::Ok);
}

#[test]
fn the_first_good_sample_is_a_verdict_and_the_first_bad_one_is_none() {
    let first = judge(&unknown(), &[good(ago(1))], &rule(), now());
    assert_eq!((first.health, first.since), (Health::Ok, Some(ago(1))));
    assert_eq!(health(&unknown(), &[failed(ago(1))]), Health::Unknown);
    assert_eq!(health(&unknown(), &[complaining(ago(1))]), Health::Unknown);
    assert_eq!(health(&unknown(), &[failed(ago(5)), good(ago(0))]), Health::Unknown, "after a bad one, a row is needed");
    assert_eq!(health(&unknown(), &[failed(ago(10)), failed(ago(5)), failed(ago(0))]), Health::Down);
}

#[test]
fn f24_late_and_disordered_samples_are_put_where_they_belong() {
    let mut series = Series::default();
    for sample in [good(ago(20)), failed(ago(5)), failed(ago(0))] {
        series.push(sample);
    }
    series.judge(&rule(), now());
    let before = series.judgement().clone();
    assert_eq!(before.health, Health::Unknown);
    series.push(failed(ago(10)));
    let down = series.judge(&rule(), now()).clone();
    assert_eq!((down.health, down.since), (Health::Down, Some(ago(10))));
    series.push(failed(ago(15)));
    assert_eq!(series.judge(&rule(), now()).since, Some(ago(15)), "a late sample shows that it began earlier");
    series.push(good(ago(7200)));
    assert_eq!(series.judge(&rule(), now()).health, Health::Down, "a result from hours ago does not count as now");
}

#[test]
fn f24_samples_from_the_future_are_no_evidence() {
    let ahead = now() + Span::from_secs(3600).as_delta();
    let verdict = judge(&ok(), &[good(ahead)], &rule(), now());
    assert_eq!(verdict.health, Health::Unknown, "a clock set back must not keep a thing green for an hour");
    let mut series = Series::default();
    series.push(good(ahead));
    series.judge(&rule(), now());
    series.push(good(ago(0)));
    assert_eq!(series.judge(&rule(), now()).health, Health::Ok);
    assert_eq!(series.len(), 1);
}

#[test]
fn a_series_is_bounded() {
    let mut series = Series::default();
    let quick = Detection { failures: 1, samples: 1, recoveries: 1, ..rule() };
    let start = ago(4000);
    for round in 0..400u32 {
        let at = start + quick.interval.times(round).as_delta();
        series.push(if round % 2 == 0 { good(at) } else { failed(at) });
        series.judge(&quick, at);
    }
    assert_eq!(series.len(), Series::kept(&quick));
    for round in 0..400u32 {
        series.push(good(start + quick.interval.times(round).as_delta()));
    }
    assert_eq!(series.len(), Series::LONGEST, "also while nobody judges");
}

#[test]
fn a_worse_sample_of_the_same_instant_wins_and_a_better_one_does_not() {
    let mut series = Series::default();
    series.push(failed(ago(0)));
    series.push(good(ago(0)));
    assert!(matches!(series.last().unwrap().outcome, Outcome::Failed(_)));
}

#[test]
fn d2_a_region_fails_as_a_whole_or_not_at_all() {
    let mut world = World::healthy();
    world.down(EAST_PRIMARY);
    let failed = |world: &World| failed_regions(&world.estate, &world.observed).into_iter().map(String::from).collect::<Vec<_>>();
    assert!(failed(&world).is_empty(), "one dead node is no dead region");
    world.down("pg-replica-east");
    assert!(failed(&world).is_empty(), "the endpoint and the agent there still answer");
    world.lose_east();
    assert_eq!(failed(&world), ["us-east-1"]);
    let mut never = World::healthy();
    never.observed = Default::default();
    assert!(failed(&never).is_empty(), "never measured is not failed");
    let endpoint = never.observed.endpoints.insert((id("api"), id("us-east-1")), world.observed.endpoints[&(id("api"), id("us-east-1"))].clone());
    assert!(endpoint.is_none() && failed(&never).is_empty(), "one thing down and the rest unknown is one thing down");
}

const EAST_PRIMARY: &str = crate::world::EAST;
