//! A message in words, for people who read it on a phone.

use engine::{
    findings::Severity,
    notifications::{Delivery, Kind},
};

/// What it is, and how bad: the first line of a chat message, the subject of a mail.
pub(super) fn headline(delivery: &Delivery) -> String {
    let severity = match delivery.severity {
        Severity::Lost => "LOST",
        Severity::Act => "ACT",
        Severity::Unknown => "UNKNOWN",
        Severity::Watch => "WATCH",
    };
    let mark = match delivery.kind {
        Kind::Opened => severity.to_owned(),
        Kind::Reminder => format!("{severity}, reminder"),
        Kind::Changed => format!("now {severity}"),
        Kind::Acknowledged => "acknowledged".to_owned(),
        Kind::Resolved => "over".to_owned(),
        Kind::Test => "test".to_owned(),
    };
    format!("[{mark}] {}", delivery.title)
}

/// Since when, in the words of a sentence; absent where it is about nothing that began.
pub(super) fn since(delivery: &Delivery) -> Option<String> {
    let since = delivery.incident.as_ref()?.since;
    Some(format!("Since {} UTC.", since.format("%Y-%m-%d %H:%M:%S")))
}
