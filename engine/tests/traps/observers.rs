//! Several observers: row 31, and “cut the observer instead: nothing must fail over”.

use crate::{
    realm::{EAST, EU, Realm, SHOP, WEST},
    world::{complaining, failed, good, id, now},
};
use engine::{
    automation::Hold,
    estate::Detection,
    health::{Health, Judgement, Panel, Sample, Sight, Sights},
    id::{ObserverId, Scope},
    journal::{Event, ObserverStanding, Subject},
    noticing,
    picture::ObserverView,
    time::{Instant, Span},
};
use proptest::prelude::*;

const SERVER: &str = "server";

/// A panel over one target, whose observers also watch something else that answers unless they are cut off.
struct Watch {
    rule: Detection,
    panel: Panel,
    sights: Sights,
    now: Instant,
}

impl Watch {
    /// The server and an observer in each of these places, named after it.
    fn of(places: &[&str], quorum: u32) -> Self {
        Self::named(&places.iter().map(|place| (*place, *place)).collect::<Vec<_>>(), quorum)
    }

    fn named(observers: &[(&str, &str)], quorum: u32) -> Self {
        let rule = Detection::default();
        let panel = Panel::new(observers.iter().map(|(name, place)| (id(name), id(place))), quorum);
        let names = observers.iter().map(|(name, _)| *name).chain([SERVER]);
        let sights = names.map(|name| (id::<ObserverId>(name), Sight::new(rule.silence()))).collect();
        Self { rule, panel, sights, now: now() }
    }

    /// One round: what each observer sees of the target, and whether something else answers it.
    fn round(&mut self, seen: &[Seen]) -> Judgement {
        self.now += self.rule.interval.as_delta();
        for (name, sample, elsewhere) in seen {
            let observer = id(name);
            let other = match elsewhere {
                Else::Answers => good(self.now - Span::from_millis(500).as_delta()),
                Else::IsSilent => failed(self.now - Span::from_millis(500).as_delta()),
            };
            for sample in [other, sample(self.now)] {
                let since = self.sights.get_mut(&observer).and_then(|sight| sight.take_in(&sample));
                if let Some(since) = since {
                    self.panel.forget_before(&observer, since);
                }
            }
            self.panel.push(&observer, sample(self.now));
        }
        self.panel.judge(&self.rule, &self.sights, self.now).clone()
    }

    fn rounds(&mut self, count: usize, seen: &[Seen]) -> Judgement {
        let mut last = Judgement::never_measured();
        for _ in 0..count {
            last = self.round(seen);
        }
        last
    }
}

/// The sight of one that something else answered all the time.
fn seeing(now: Instant) -> Sight {
    let rule = Detection::default();
    let mut sight = Sight::new(rule.silence());
    for back in (0..=40).rev() {
        sight.take_in(&good(now - Span::from_millis(500 * back).as_delta()));
    }
    sight
}

/// Who sees what of the target in a round, and whether something else answers it.
type Seen<'a> = (&'a str, fn(Instant) -> Sample, Else);

#[derive(Clone, Copy)]
enum Else {
    Answers,
    IsSilent,
}
use Else::{Answers, IsSilent};

#[test]
fn row_31_one_observer_that_cannot_reach_it_trips_nothing() {
    let mut watch = Watch::of(&[WEST, EU], 2);
    watch.rounds(4, &[(SERVER, good, Answers), (WEST, good, Answers), (EU, good, Answers)]);
    let seen = watch.rounds(10, &[(SERVER, failed, Answers), (WEST, good, Answers), (EU, good, Answers)]);
    assert_eq!(seen.health, Health::Ok);
    assert!(seen.why.contains("server: 3 of the last 3 probes failed"), "who sees what is said: {}", seen.why);
}

#[test]
fn row_31_a_quorum_of_places_makes_a_verdict() {
    let mut watch = Watch::of(&[WEST, EU], 2);
    watch.rounds(4, &[(SERVER, good, Answers), (WEST, good, Answers), (EU, good, Answers)]);
    let first = watch.now + watch.rule.interval.as_delta();
    let two = watch.rounds(2, &[(SERVER, failed, Answers), (WEST, failed, Answers), (EU, good, Answers)]);
    assert_eq!(two.health, Health::Ok, "two rounds are no verdict of anybody");
    let seen = watch.round(&[(SERVER, failed, Answers), (WEST, failed, Answers), (EU, good, Answers)]);
    assert_eq!((seen.health, seen.since), (Health::Down, Some(first)), "{}", seen.why);
}

#[test]
fn row_31_observers_in_one_place_fail_together_and_count_once() {
    let mut watch = Watch::named(&[("west-a", WEST), ("west-b", WEST)], 2);
    let seen = watch.rounds(6, &[("west-a", failed, Answers), ("west-b", failed, Answers)]);
    assert_eq!(seen.health, Health::Unknown);
    assert!(seen.why.contains("observers in 2 places must agree"), "{}", seen.why);
    let seen = watch.rounds(3, &[("west-a", failed, Answers), ("west-b", failed, Answers), (SERVER, failed, Answers)]);
    assert_eq!(seen.health, Health::Down);
}

#[test]
fn an_answer_is_believed_of_one_and_a_failure_is_not() {
    let mut watch = Watch::of(&[WEST, EU], 2);
    assert_eq!(watch.rounds(3, &[(EU, good, Answers)]).health, Health::Ok);
    assert_eq!(watch.rounds(5, &[(EU, failed, Answers)]).health, Health::Unknown);
}

#[test]
fn observers_that_disagree_are_degraded_until_most_agree() {
    let mut watch = Watch::of(&[EAST, WEST, EU], 2);
    let seen = watch.rounds(5, &[(SERVER, failed, Answers), (EU, failed, Answers), (EAST, good, Answers), (WEST, good, Answers)]);
    assert_eq!(seen.health, Health::Degraded);
    assert!(seen.why.contains("it answers us-east-1, us-west-2"), "{}", seen.why);
    let seen = watch.rounds(5, &[(SERVER, failed, Answers), (EU, failed, Answers), (WEST, failed, Answers), (EAST, good, Answers)]);
    assert_eq!(seen.health, Health::Down);
    let seen = watch.rounds(5, &[(SERVER, complaining, Answers), (EU, complaining, Answers), (WEST, good, Answers), (EAST, good, Answers)]);
    assert_eq!(seen.health, Health::Degraded);
}

#[test]
fn an_observer_that_is_cut_off_does_not_count() {
    let mut watch = Watch::of(&[WEST, EU], 2);
    let well = [(SERVER, good as fn(Instant) -> Sample, Answers), (WEST, good, Answers), (EU, good, Answers)];
    watch.rounds(4, &well);
    // The server and one of the two lose their network: a quorum of observers, and no evidence.
    let seen = watch.rounds(20, &[(SERVER, failed, IsSilent), (WEST, failed, IsSilent), (EU, good, Answers)]);
    assert_eq!(seen.health, Health::Ok, "{}", seen.why);
    assert!(watch.sights[&id::<ObserverId>(SERVER)].blind_since(watch.now).is_some());
    assert!(watch.sights[&id::<ObserverId>(EU)].blind_since(watch.now).is_none());
    // All of them: what the server believes is shown, and it is no ground to act on.
    let seen = watch.rounds(20, &[(SERVER, failed, IsSilent), (WEST, failed, IsSilent), (EU, failed, IsSilent)]);
    assert_eq!((seen.health, watch.panel.is_doubtful()), (Health::Down, true));
}

/// The network comes back, and the first thing that answers is not the one that is judged: its old failures were the
/// network's, and a new one alone is no verdict.
#[test]
fn what_was_seen_while_cut_off_is_forgotten_when_sight_returns() {
    let mut watch = Watch::of(&[], 1);
    watch.rounds(4, &[(SERVER, good, Answers)]);
    let cut = watch.rounds(12, &[(SERVER, failed, IsSilent)]);
    assert_eq!((cut.health, watch.panel.is_doubtful()), (Health::Down, true));
    let first = watch.round(&[(SERVER, failed, Answers)]);
    assert_eq!((first.health, watch.panel.is_doubtful()), (Health::Unknown, false), "{}", first.why);
    let dead = watch.rounds(2, &[(SERVER, failed, Answers)]);
    assert_eq!((dead.health, watch.panel.is_doubtful()), (Health::Down, false), "it really is dead");
    assert_eq!(watch.rounds(3, &[(SERVER, good, Answers)]).health, Health::Ok);
}

#[test]
fn a_failure_is_credible_once_something_else_answered_during_it() {
    // One failure is enough for this rule, so a cut network is not yet noticed when the verdict is reached.
    let mut watch = Watch::of(&[], 1);
    watch.rule = Detection { failures: 1, samples: 1, ..watch.rule };
    watch.rounds(3, &[(SERVER, good, Answers)]);
    watch.round(&[(SERVER, failed, IsSilent)]);
    assert_eq!((watch.panel.judgement().health, watch.panel.is_doubtful()), (Health::Down, true));
    watch.round(&[(SERVER, failed, Answers)]);
    assert!(!watch.panel.is_doubtful());
}

#[test]
fn row_37_the_verdict_of_all_flaps_and_not_that_of_one() {
    let mut watch = Watch::of(&[WEST, EU], 2);
    watch.rule = Detection { failures: 1, samples: 1, recoveries: 1, ..watch.rule };
    for round in 0..40 {
        let flaky = if round % 2 == 0 { good } else { failed };
        watch.round(&[(SERVER, flaky, Answers), (WEST, good, Answers), (EU, good, Answers)]);
    }
    assert!(!watch.panel.is_flapping(&watch.rule, watch.now));
    for round in 0..40 {
        let flaky = if round % 2 == 0 { good } else { failed };
        watch.round(&[(SERVER, flaky, Answers), (WEST, flaky, Answers), (EU, flaky, Answers)]);
    }
    assert!(watch.panel.is_flapping(&watch.rule, watch.now));
    assert!(!watch.panel.is_flapping(&watch.rule, watch.now + Span::from_mins(60).as_delta()));
}

#[test]
fn row_31_a_server_in_a_region_and_an_observer_there_are_one_place() {
    let mut realm = Realm::well();
    realm.estate.observers.push(engine::estate::Observer { id: id("west"), region: id(WEST) });
    assert_eq!((realm.estate.places(), realm.estate.quorum()), (2, 2));
    realm.estate.server_region = Some(id(WEST));
    assert_eq!((realm.estate.places(), realm.estate.quorum()), (1, 1));
    realm.estate.quorum = Some(2);
    realm.observed.observers.insert(ObserverId::server(), ObserverView { reported: Some(realm.now), ..ObserverView::new(None) });
    realm.observed.observers.insert(id("west"), ObserverView { reported: Some(realm.now), ..ObserverView::new(Some(id(WEST))) });
    assert_eq!(realm.picture().too_few_observers(), Some((2, 1)));
    let mut panel = Panel::of_endpoint(&realm.estate);
    let sights: Sights = [ObserverId::server(), id("west")].map(|observer| (observer, seeing(realm.now))).into();
    for back in (0..4).rev() {
        let at = realm.now - realm.estate.detection.interval.times(back).as_delta();
        [ObserverId::server(), id("west")].iter().for_each(|observer| panel.push(observer, failed(at)));
        panel.judge(&realm.estate.detection, &sights, at);
    }
    assert_eq!(panel.judgement().health, Health::Unknown, "{:?}", panel.judgement());
    realm.estate.server_region = Some(id("nowhere"));
    assert!(realm.picture().findings().iter().any(|finding| finding.complaint.to_string().contains("server_region names nowhere")));
}

#[test]
fn row_37_falling_silent_and_being_seen_again_is_no_flapping() {
    let mut watch = Watch::of(&[WEST, EU], 2);
    for _ in 0..6 {
        watch.rounds(3, &[(SERVER, good, Answers), (WEST, good, Answers), (EU, good, Answers)]);
        assert_eq!(watch.panel.judgement().health, Health::Ok);
        watch.now += watch.rule.silence().times(2).as_delta();
        assert_eq!(watch.panel.judge(&watch.rule, &Sights::default(), watch.now).health, Health::Unknown);
    }
    assert!(!watch.panel.is_flapping(&watch.rule, watch.now));
}

#[test]
fn what_is_down_is_coming_back_once_all_who_say_so_saw_it_well() {
    let mut watch = Watch::of(&[WEST, EU], 2);
    watch.rounds(4, &[(SERVER, failed, Answers), (WEST, failed, Answers), (EU, failed, Answers)]);
    assert_eq!((watch.panel.judgement().health, watch.panel.is_coming_back()), (Health::Down, false));
    watch.round(&[(SERVER, good, Answers), (WEST, failed, Answers), (EU, failed, Answers)]);
    assert!(!watch.panel.is_coming_back(), "only one of them sees it");
    watch.round(&[(SERVER, good, Answers), (WEST, good, Answers), (EU, good, Answers)]);
    assert_eq!((watch.panel.judgement().health, watch.panel.is_coming_back()), (Health::Down, true));
    watch.round(&[(SERVER, failed, Answers), (WEST, good, Answers), (EU, good, Answers)]);
    assert!(!watch.panel.is_coming_back());
    watch.rounds(4, &[(SERVER, good, Answers), (WEST, good, Answers), (EU, good, Answers)]);
    assert_eq!((watch.panel.judgement().health, watch.panel.is_coming_back()), (Health::Ok, false));
}

proptest! {
    /// Whatever a minority sees, in whatever order, nothing is down.
    #[test]
    fn fewer_places_than_the_quorum_never_make_a_verdict(rounds in prop::collection::vec((0..3usize, 0..3usize), 1..60)) {
        let mut watch = Watch::of(&[EAST, WEST, EU], 3);
        let kinds: [fn(Instant) -> Sample; 3] = [good, failed, complaining];
        for (a, b) in rounds {
            let seen = watch.round(&[(SERVER, kinds[a], Answers), (EU, kinds[b], Answers)]);
            prop_assert_ne!(seen.health, Health::Down);
        }
    }
}

#[test]
fn nothing_is_started_on_the_word_of_an_observer_that_sees_nothing_else() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.observed.doubtful.insert(Subject::Endpoint { service: id(SHOP), region: id(EAST) });
    realm.tick();
    realm.later(120);
    let scope = Scope::Service(id(SHOP));
    assert!(realm.thinks("service/shop").unwrap().holds.contains(&Hold::ObserverSuspect));
    realm.tick();
    assert!(realm.book.records.holder_of(&scope).is_none());
    realm.observed.doubtful.clear();
    realm.tick();
    assert!(realm.book.records.holder_of(&scope).is_some(), "the same failure, believed");
}

#[test]
fn observers_that_fall_silent_or_blind_are_said_once_and_said_to_be_back() {
    let mut realm = Realm::well();
    let observer = |reported: Instant| ObserverView { reported: Some(reported), ..ObserverView::new(Some(id(WEST))) };
    realm.observed.observers.insert(id("west"), observer(realm.now));
    assert_eq!(noticing::changes(&realm.picture()), []);
    realm.later(11);
    let silent = realm.tick();
    let changed = |events: &[Event]| {
        let of = |event: &Event| match event {
            Event::ObserverChanged { to, .. } => Some(*to),
            _ => None,
        };
        events.iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(changed(&silent), [ObserverStanding::Silent]);
    assert_eq!(changed(&realm.tick()), []);
    realm.observed.observers.insert(id("west"), ObserverView { blind_since: Some(realm.now), ..observer(realm.now) });
    assert_eq!(changed(&realm.tick()), [ObserverStanding::Blind]);
    realm.observed.observers.insert(id("west"), observer(realm.now));
    assert_eq!(changed(&realm.tick()), [ObserverStanding::Sees]);
}
