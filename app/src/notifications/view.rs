//! The page of notifications as data.

use crate::{session::Viewer, ui::state::Tone};
use engine::{
    access::Permission,
    findings::Severity,
    notifications::{ChannelFacts, ChannelState, Delivery, Hush, Incident, Kind, Notifications, Outcome, Recorded, Topic},
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use std::cmp::Reverse;

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Telling {
    pub now: Instant,
    pub channels: Vec<ChannelLine>,
    pub open: Vec<IncidentLine>,
    pub over: Vec<IncidentLine>,
    pub deliveries: Vec<DeliveryLine>,
    /// Why this person cannot send a test, or acknowledge.
    pub barred_from_tests: Option<String>,
    pub barred_from_acknowledging: Option<String>,
}

/// One way to tell people, and whether it works.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ChannelLine {
    pub name: String,
    /// “webhook to hooks.example.org”.
    pub leads: String,
    /// What it wants to hear.
    pub hears: String,
    pub tone: Tone,
    pub word: String,
    /// The moment the word is about; absent where there is none.
    pub at: Option<Instant>,
    /// What the other side said last, or why nothing got through.
    pub said: Option<String>,
    /// What last got through, where nothing does now.
    pub worked: Option<Instant>,
}

/// One incident, and who knows of it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct IncidentLine {
    pub key: String,
    pub tone: Tone,
    pub word: String,
    pub title: String,
    pub next: String,
    pub href: String,
    pub since: Instant,
    pub resolved: Option<Instant>,
    pub told: Vec<ToldLine>,
    /// Why nobody is told, or told again.
    pub quiet: Option<String>,
    pub can_be_acknowledged: bool,
}

/// What one channel was told last of an incident.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ToldLine {
    pub channel: String,
    pub tone: Tone,
    pub word: String,
}

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct DeliveryLine {
    pub id: String,
    pub channel: String,
    pub kind: String,
    pub title: String,
    pub written: Instant,
    pub tone: Tone,
    pub word: String,
    pub attempts: u32,
    pub said: Option<String>,
    /// When it is tried again.
    pub again: Option<Instant>,
}

/// How it stands with telling, for the overview.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Summary {
    pub tone: Tone,
    pub word: String,
    pub says: String,
    pub open: usize,
}

/// What was delivered so long ago proves nothing about today.
const PROVEN_FOR: Span = Span::from_mins(7 * 24 * 60);

impl Telling {
    pub fn of(now: Instant, viewer: &Viewer, notifications: Notifications) -> Self {
        let any_channel = !notifications.channels.is_empty();
        let lines = notifications.incidents.into_iter().map(|recorded| IncidentLine::of(recorded, now, any_channel));
        let (mut open, over): (Vec<_>, Vec<_>) = lines.partition(|line| line.resolved.is_none());
        // What only follows from something else stands behind it, however bad it is.
        open.sort_by_key(|line| (line.quiet.is_some() && line.told.is_empty(), Reverse(line.tone), line.since));
        Self {
            now,
            channels: notifications.channels.iter().map(|(facts, state)| ChannelLine::of(facts, state, now)).collect(),
            open,
            over,
            deliveries: notifications.deliveries.into_iter().map(DeliveryLine::of).collect(),
            barred_from_tests: viewer.barred(Permission::TestChannels),
            barred_from_acknowledging: viewer.barred(Permission::Restrain),
        }
    }
}

impl ChannelLine {
    pub fn of(facts: &ChannelFacts, state: &ChannelState, now: Instant) -> Self {
        let severities = match facts.rule.minimum {
            Severity::Lost => "only what is lost",
            Severity::Act => "what needs a person",
            Severity::Unknown => "what needs a person or is not known",
            Severity::Watch => "everything",
        };
        let reminders = if facts.rule.remind_every == Span::ZERO {
            "no reminders".to_owned()
        } else {
            format!("reminders every {} until somebody acknowledges", facts.rule.remind_every)
        };
        let delivered = state.delivered.as_ref();
        let (tone, word, at, said) = match (&state.failing_since, delivered) {
            (Some(since), _) => (Tone::Act, "fails", Some(*since), state.failed.as_ref().map(|(_, why)| why.clone())),
            (None, None) => (Tone::Unknown, "never used", None, None),
            (None, Some((at, said))) if Span::between(*at, now) > PROVEN_FOR => (Tone::Unknown, "not used lately", Some(*at), Some(said.clone())),
            (None, Some((at, said))) => (Tone::Ok, "works", Some(*at), Some(said.clone())),
        };
        Self {
            name: facts.name.to_string(),
            leads: format!("{} to {}", facts.kind, facts.to),
            hears: format!("Hears {severities}; {reminders}."),
            tone,
            word: word.to_owned(),
            at,
            said,
            worked: state.failing_since.and(delivered).map(|(at, _)| *at),
        }
    }
}

impl IncidentLine {
    fn of(recorded: Recorded, now: Instant, any_channel: bool) -> Self {
        let Recorded { incident, resolved, told } = recorded;
        let quiet = if resolved.is_some() { None } else { quiet(&incident, told.is_empty(), now, any_channel) };
        let taken = matches!(incident.hush, Some(Hush::Acknowledged { .. }));
        // A request is acknowledged by deciding about it; and nothing can be recorded in a broken journal.
        let can_be = !matches!(incident.key.topic, Topic::Approval(_) | Topic::JournalBroken);
        let (tone, word) = if resolved.is_some() { (Tone::Ok, "over") } else { severity(incident.severity) };
        let told = told.into_iter().map(|(channel, kind, outcome)| {
            let (tone, word) = came(outcome);
            let kind = if kind == Kind::Opened { String::new() } else { format!("{kind} ") };
            ToldLine { channel: channel.to_string(), tone, word: format!("{kind}{word}") }
        });
        Self {
            since: incident.key.since,
            key: incident.key.to_string(),
            tone,
            word: word.to_owned(),
            title: incident.title,
            next: incident.next,
            href: incident.link,
            resolved,
            told: told.collect(),
            quiet,
            can_be_acknowledged: can_be && !taken && resolved.is_none(),
        }
    }
}

/// Why nobody is told, or told again.
fn quiet(incident: &Incident, is_untold: bool, now: Instant, any_channel: bool) -> Option<String> {
    if let Some(hush) = &incident.hush {
        let what = if is_untold { "Nobody is told by itself" } else { "No more reminders" };
        return Some(format!("{what}: {}.", hush.in_words()));
    }
    if !is_untold {
        return None;
    }
    Some(match incident.clear_since.map(|since| since + incident.grace.as_delta()) {
        _ if !any_channel => "Nobody is told: no channel is set up.".to_owned(),
        Some(from) if from > now => format!("Told if it is still so at {} UTC.", crate::ui::time::clock(from)),
        _ => "No channel was told: none wants to hear of what is no worse, or it comes and goes.".to_owned(),
    })
}

impl DeliveryLine {
    fn of(delivery: Delivery) -> Self {
        let (tone, word) = match delivery.outcome {
            Outcome::Waits(_) if delivery.attempts > 0 => (Tone::Act, "failed, is tried again"),
            outcome => came(outcome),
        };
        let again = match delivery.outcome {
            Outcome::Waits(at) if delivery.attempts > 0 => Some(at),
            _ => None,
        };
        Self {
            id: delivery.id.to_string(),
            channel: delivery.channel.to_string(),
            kind: delivery.kind.to_string(),
            title: delivery.title,
            written: delivery.written,
            tone,
            word: word.to_owned(),
            attempts: delivery.attempts,
            said: delivery.said,
            again,
        }
    }
}

impl Summary {
    pub fn of(now: Instant, notifications: &Notifications) -> Self {
        let lines: Vec<ChannelLine> = notifications.channels.iter().map(|(facts, state)| ChannelLine::of(facts, state, now)).collect();
        let names = |tone: Tone| lines.iter().filter(|line| line.tone == tone).map(|line| line.name.clone()).collect::<Vec<_>>().join(", ");
        let tone = Tone::worst(lines.iter().map(|line| line.tone));
        let (tone, word, says) = match (tone, lines.len()) {
            (_, 0) => (Tone::Unknown, "nobody is told", "No channel is set up, so whoever does not look here hears of nothing.".to_owned()),
            (Tone::Ok, 1) => (Tone::Ok, "1 channel works", String::new()),
            (Tone::Ok, many) => return Self { tone, word: format!("{many} channels work"), says: String::new(), open: open(notifications) },
            (Tone::Unknown, _) => (tone, "not proven", format!("Nothing was delivered lately through {}; send a test.", names(tone))),
            (tone, _) => (tone, "fails", format!("Nothing gets through {}.", names(tone))),
        };
        Self { tone, word: word.to_owned(), says, open: open(notifications) }
    }
}

fn open(notifications: &Notifications) -> usize {
    notifications.incidents.iter().filter(|recorded| recorded.resolved.is_none()).count()
}

fn severity(severity: Severity) -> (Tone, &'static str) {
    match severity {
        Severity::Lost => (Tone::Lost, "lost"),
        Severity::Act => (Tone::Act, "act"),
        Severity::Unknown => (Tone::Unknown, "unknown"),
        Severity::Watch => (Tone::Watch, "watch"),
    }
}

fn came(outcome: Outcome) -> (Tone, &'static str) {
    match outcome {
        Outcome::Waits(_) => (Tone::Watch, "on its way"),
        Outcome::Delivered(_) => (Tone::Ok, "delivered"),
        Outcome::GivenUp(_) => (Tone::Act, "given up"),
    }
}

#[cfg(test)]
mod tests;
