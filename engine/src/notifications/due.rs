//! What a channel is to be told now: given the incidents and what it was told before. Whatever is returned counts as told
//! as soon as it is written down, so the same picture never says a thing twice.

use super::{Hush, Incident, IncidentKey, Kind, Topic};
use crate::{
    findings::Severity,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// What a channel wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Incidents that are less severe are not told.
    pub minimum: Severity,
    /// Between two reminders of one incident; zero for none.
    pub remind_every: Span,
}

/// What a channel was told of one incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub key: IncidentKey,
    /// When it was first told.
    pub opened: Instant,
    /// The last message, when it was written, and how bad it said that it is.
    pub kind: Kind,
    pub at: Instant,
    pub severity: Severity,
    pub title: String,
    pub link: String,
    /// The last message is still on its way.
    pub waits: bool,
    /// It was told that somebody looks after it.
    pub acknowledged: bool,
}

/// One thing to say to one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub key: IncidentKey,
    pub kind: Kind,
    pub severity: Severity,
    pub title: String,
    pub next: String,
    pub link: String,
}

/// So often in an `HOUR` a channel is told of a new incident about the same thing. What comes and goes more often is told
/// again when the hour is over; the page shows all of it.
const MOST_OPENINGS: usize = 6;
const HOUR: Span = Span::from_mins(60);
/// An improvement is told this long after the last message; what goes back and forth in between is told once.
const CALM: Span = Span::from_mins(1);

/// What to tell a channel with this `rule`, which was `told` this about what is open and what ended within the last hour.
pub fn due(incidents: &[Incident], rule: &Rule, told: &[Told], now: Instant) -> Vec<Message> {
    let over = told.iter().filter(|told| told.kind != Kind::Resolved && !incidents.iter().any(|incident| incident.key == told.key));
    let mut messages: Vec<Message> = over.map(resolved).collect();
    for incident in incidents {
        let before = told.iter().find(|told| told.key == incident.key && told.kind != Kind::Resolved);
        let kind = match before {
            None => opens(incident, rule, told, now).then_some(Kind::Opened),
            Some(before) => goes_on(incident, rule, before, now),
        };
        messages.extend(kind.map(|kind| Message::of(incident, kind)));
    }
    messages
}

fn opens(incident: &Incident, rule: &Rule, told: &[Told], now: Instant) -> bool {
    let stands = incident.clear_since.is_some_and(|since| Span::between(since, now) >= incident.grace);
    incident.severity <= rule.minimum && incident.hush.is_none() && stands && openings(&incident.key.topic, told, now) < MOST_OPENINGS
}

fn openings(topic: &Topic, told: &[Told], now: Instant) -> usize {
    told.iter().filter(|told| told.key.topic == *topic && Span::between(told.opened, now) < HOUR).count()
}

fn goes_on(incident: &Incident, rule: &Rule, before: &Told, now: Instant) -> Option<Kind> {
    let restrained = matches!(incident.hush, Some(Hush::Restrained { .. }));
    let since = Span::between(before.at, now);
    let is_worse = incident.severity < before.severity && !restrained;
    let is_better = incident.severity > before.severity && since >= CALM;
    if is_worse || is_better {
        return Some(Kind::Changed);
    }
    if matches!(incident.hush, Some(Hush::Acknowledged { .. })) && !before.acknowledged {
        return Some(Kind::Acknowledged);
    }
    let reminds = rule.remind_every != Span::ZERO && incident.severity <= rule.minimum && incident.hush.is_none() && !before.waits;
    (reminds && since >= rule.remind_every).then_some(Kind::Reminder)
}

impl Message {
    fn of(incident: &Incident, kind: Kind) -> Self {
        let next = match &incident.hush {
            Some(hush @ Hush::Acknowledged { .. }) if kind == Kind::Acknowledged => format!("{}. There are no more reminders.", hush.in_words()),
            _ => incident.next.clone(),
        };
        Self { key: incident.key.clone(), kind, severity: incident.severity, title: incident.title.clone(), next, link: incident.link.clone() }
    }
}

fn resolved(told: &Told) -> Message {
    Message {
        key: told.key.clone(),
        kind: Kind::Resolved,
        severity: told.severity,
        title: told.title.clone(),
        next: "It is over; nothing is to be done about it any more.".to_owned(),
        link: told.link.clone(),
    }
}
