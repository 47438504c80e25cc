//! What the page says of channels, incidents and deliveries.

use super::*;
use crate::sample::{at, id, viewer};
use engine::{
    access::Role,
    id::DeliveryId,
    notifications::{ChannelKind, IncidentKey, Rule},
};

fn facts(name: &str) -> ChannelFacts {
    let rule = Rule { minimum: Severity::Act, remind_every: Span::from_mins(30) };
    ChannelFacts { name: id(name), kind: ChannelKind::Webhook, to: "hooks.example.org".to_owned(), rule }
}

fn incident() -> Incident {
    Incident {
        key: IncidentKey { topic: Topic::Failure(id("cluster/users")), since: at("14:00:00") },
        severity: Severity::Lost,
        title: "users fails".to_owned(),
        next: "Decide.".to_owned(),
        link: "/databases/users".to_owned(),
        hush: None,
        clear_since: Some(at("14:00:00")),
        grace: Span::ZERO,
    }
}

fn telling(name: &str, roles: &[Role], notifications: Notifications) -> Telling {
    Telling::of(at("14:03:00"), &viewer(name, roles), notifications)
}

#[test]
fn a_channel_that_nobody_tried_is_not_green() {
    let now = at("14:03:00");
    let never = ChannelLine::of(&facts("ops"), &ChannelState::default(), now);
    assert_eq!((never.tone, never.word.as_str(), never.at), (Tone::Unknown, "never used", None));
    let delivered = |at| ChannelState { delivered: Some((at, "200 OK: ok".to_owned())), ..ChannelState::default() };
    let works = ChannelLine::of(&facts("ops"), &delivered(at("14:02:00")), now);
    assert_eq!((works.tone, works.word.as_str(), works.said.as_deref()), (Tone::Ok, "works", Some("200 OK: ok")));
    let long_ago = now - Span::from_mins(8 * 24 * 60).as_delta();
    assert_eq!(ChannelLine::of(&facts("ops"), &delivered(long_ago), now).tone, Tone::Unknown, "what worked last week may not today");
    let state =
        ChannelState { failed: Some((at("14:02:30"), "refused".to_owned())), failing_since: Some(at("14:01:00")), ..delivered(at("13:00:00")) };
    let fails = ChannelLine::of(&facts("ops"), &state, now);
    assert_eq!((fails.tone, fails.at, fails.worked), (Tone::Act, Some(at("14:01:00")), Some(at("13:00:00"))));
    assert_eq!((fails.said.as_deref(), fails.leads.as_str()), (Some("refused"), "webhook to hooks.example.org"));
}

#[test]
fn the_overview_says_when_nobody_would_hear() {
    let now = at("14:03:00");
    let none = Summary::of(now, &Notifications::default());
    assert_eq!((none.tone, none.word.as_str()), (Tone::Unknown, "nobody is told"));
    let works = ChannelState { delivered: Some((at("14:02:00"), "ok".to_owned())), ..ChannelState::default() };
    let fails = ChannelState { failing_since: Some(at("14:02:00")), ..ChannelState::default() };
    let of = |states: &[&ChannelState]| {
        let channels = states.iter().enumerate().map(|(at, state)| (facts(&format!("ops-{at}")), (*state).clone())).collect();
        Summary::of(now, &Notifications { channels, ..Notifications::default() })
    };
    assert_eq!(of(&[&works]).word, "1 channel works");
    assert_eq!(of(&[&works, &works]).word, "2 channels work");
    let mixed = of(&[&works, &fails, &ChannelState::default()]);
    assert_eq!((mixed.tone, mixed.says.as_str()), (Tone::Act, "Nothing gets through ops-1."));
    assert_eq!(of(&[&works, &ChannelState::default()]).tone, Tone::Unknown);
}

#[test]
fn an_incident_says_who_was_told_or_why_nobody_was() {
    let recorded = |incident: Incident, told: Vec<_>| Notifications {
        channels: vec![(facts("ops"), ChannelState::default())],
        incidents: vec![Recorded { incident, resolved: None, told }],
        deliveries: Vec::new(),
    };
    let told = vec![(id("ops"), Kind::Reminder, Outcome::Delivered(at("14:02:00")))];
    let line = telling("olga", &[Role::Operator], recorded(incident(), told.clone())).open.remove(0);
    assert_eq!((line.tone, line.quiet.as_deref(), line.can_be_acknowledged), (Tone::Lost, None, true));
    assert_eq!(line.told, [ToldLine { channel: "ops".to_owned(), tone: Tone::Ok, word: "reminder delivered".to_owned() }]);

    let follows = Incident { hush: Some(Hush::Follows { from: "the failure of us-east-1".to_owned() }), ..incident() };
    let line = telling("olga", &[Role::Operator], recorded(follows, Vec::new())).open.remove(0);
    assert_eq!(line.quiet.as_deref(), Some("Nobody is told by itself: it follows from the failure of us-east-1."));
    let taken = Hush::Acknowledged { by: "olga".to_owned(), at: at("14:02:00"), reason: "on it".to_owned() };
    let line = telling("olga", &[Role::Operator], recorded(Incident { hush: Some(taken), ..incident() }, told)).open.remove(0);
    assert_eq!((line.can_be_acknowledged, line.quiet.as_deref()), (false, Some("No more reminders: olga acknowledged it at 14:02:00 UTC: on it.")));
    let young = Incident { clear_since: Some(at("14:02:55")), grace: Span::from_secs(20), ..incident() };
    let line = telling("olga", &[Role::Operator], recorded(young, Vec::new())).open.remove(0);
    assert_eq!(line.quiet.as_deref(), Some("Told if it is still so at 14:03:15 UTC."));
    let nobody = Notifications { channels: Vec::new(), ..recorded(incident(), Vec::new()) };
    assert_eq!(telling("olga", &[Role::Operator], nobody).open[0].quiet.as_deref(), Some("Nobody is told: no channel is set up."));
    let vera = telling("vera", &[Role::Viewer], Notifications::default());
    assert_eq!(vera.barred_from_tests.as_deref(), Some("That takes the role operator or admin."));
    assert_eq!(vera.barred_from_acknowledging.as_deref(), Some("That takes the role operator or approver."));
}

#[test]
fn a_delivery_that_failed_says_when_it_is_tried_again() {
    let delivery = |attempts, outcome| Delivery {
        id: DeliveryId(id("0190a000-0000-7000-8000-0000000000aa")),
        channel: id("ops"),
        kind: Kind::Opened,
        incident: Some(incident().key),
        severity: Severity::Lost,
        title: "users fails".to_owned(),
        next: String::new(),
        link: String::new(),
        written: at("14:00:00"),
        attempts,
        said: None,
        outcome,
    };
    let lines = |deliveries| telling("olga", &[Role::Operator], Notifications { deliveries, ..Notifications::default() }).deliveries;
    let again = at("14:03:20");
    let shown = lines(vec![
        delivery(0, Outcome::Waits(again)),
        delivery(3, Outcome::Waits(again)),
        delivery(4, Outcome::Delivered(at("14:02:00"))),
        delivery(9, Outcome::GivenUp(at("14:02:00"))),
    ]);
    let said: Vec<_> = shown.iter().map(|line| (line.tone, line.word.as_str(), line.again)).collect();
    let expected = [
        (Tone::Watch, "on its way", None),
        (Tone::Act, "failed, is tried again", Some(again)),
        (Tone::Ok, "delivered", None),
        (Tone::Act, "given up", None),
    ];
    assert_eq!(said, expected);
}
