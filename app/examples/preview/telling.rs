//! Who was told of a scene: three channels, one of which is broken and one of which nobody has tried.

use crate::scenes::Scene;
use engine::{
    findings::Severity,
    id::DeliveryId,
    notifications::{self, ChannelFacts, ChannelKind, ChannelState, Delivery, Incident, Kind, Notifications, Outcome, Recorded, Rule},
    picture::Picture,
    time::{Instant, Span},
};

pub fn of(scene: Scene, picture: &Picture) -> Notifications {
    if matches!(scene, Scene::Empty | Scene::NoTraffic) {
        return Notifications::default();
    }
    let now = picture.now;
    let incidents = notifications::incidents(picture, &[]);
    let broken = "hooks.example.org refuses it: 403 Forbidden: invalid_token";
    let channels = vec![
        (
            channel("duty", ChannelKind::Pagerduty, "events.pagerduty.com", Severity::Lost),
            ChannelState { delivered: Some((ago(now, 96), "202 Accepted: Event processed".to_owned())), ..ChannelState::default() },
        ),
        (
            channel("ops-chat", ChannelKind::Webhook, "hooks.example.org", Severity::Act),
            ChannelState {
                delivered: Some((ago(now, 190_000), "200 OK: ok".to_owned())),
                failed: Some((ago(now, 41), broken.to_owned())),
                failing_since: Some(ago(now, 1_320)),
            },
        ),
        (channel("on-call-mail", ChannelKind::Mail, "oncall@example.org, dr@example.org", Severity::Watch), ChannelState::default()),
    ];
    let mut deliveries: Vec<Delivery> = Vec::new();
    for incident in incidents.iter().filter(|incident| incident.hush.is_none()) {
        deliveries.push(delivery("duty", incident, 1, "202 Accepted: Event processed", Outcome::Delivered(ago(now, 38)), now));
        deliveries.push(delivery("ops-chat", incident, 5, broken, Outcome::Waits(now + Span::from_secs(22).as_delta()), now));
    }
    let told = |incident: &Incident| {
        let about = |delivery: &&Delivery| delivery.incident.as_ref() == Some(&incident.key);
        deliveries.iter().filter(about).map(|delivery| (delivery.channel.clone(), delivery.kind, delivery.outcome)).collect()
    };
    let mut recorded: Vec<Recorded> =
        incidents.iter().map(|incident| Recorded { told: told(incident), incident: incident.clone(), resolved: None }).collect();
    if let Some(first) = incidents.first() {
        let mut old = first.clone();
        old.key.since = ago(now, 90_000);
        recorded.push(Recorded { incident: old, resolved: Some(ago(now, 88_000)), told: Vec::new() });
    }
    deliveries.push(test("duty", now));
    Notifications { channels, incidents: recorded, deliveries }
}

fn ago(now: Instant, secs: u64) -> Instant {
    now - Span::from_secs(secs).as_delta()
}

fn channel(name: &str, kind: ChannelKind, to: &str, minimum: Severity) -> ChannelFacts {
    ChannelFacts { name: name.parse().unwrap(), kind, to: to.to_owned(), rule: Rule { minimum, remind_every: Span::from_mins(30) } }
}

fn delivery(channel: &str, incident: &Incident, attempts: u32, said: &str, outcome: Outcome, now: Instant) -> Delivery {
    Delivery {
        id: DeliveryId(uuid::Uuid::from_u128(7)),
        channel: channel.parse().unwrap(),
        kind: Kind::Opened,
        incident: Some(incident.key.clone()),
        severity: incident.severity,
        title: incident.title.clone(),
        next: incident.next.clone(),
        link: incident.link.clone(),
        written: ago(now, 39),
        attempts,
        said: Some(said.to_owned()),
        outcome,
    }
}

fn test(channel: &str, now: Instant) -> Delivery {
    Delivery {
        id: DeliveryId(uuid::Uuid::from_u128(8)),
        channel: channel.parse().unwrap(),
        kind: Kind::Test,
        incident: None,
        severity: Severity::Watch,
        title: "olga tries this channel out; nothing is wrong".to_owned(),
        next: String::new(),
        link: "/notifications".to_owned(),
        written: ago(now, 97),
        attempts: 1,
        said: Some("202 Accepted: Event processed".to_owned()),
        outcome: Outcome::Delivered(ago(now, 96)),
    }
}
