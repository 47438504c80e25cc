//! Moments and ages. A moment is rendered in UTC, the same on the server and in the browser; an age counts on from what
//! the server said once the browser runs the page.

use crate::live::Live;
use crate::ui::settled::IntoSettled as _;
use chrono::{Datelike, Timelike};
use engine::time::{Instant, Span};
use leptos::prelude::*;

/// A moment: the time of day, with the date where it is another day than `now`'s.
#[component]
pub fn Moment(at: Instant, now: Instant) -> impl IntoView {
    let text = if at.date_naive() == now.date_naive() { clock(at) } else { format!("{} {}", date(at), clock(at)) };
    view! { <time datetime=iso(at) title=format!("{} {} UTC", date(at), clock(at))>{text}</time> }.settled()
}

/// How long ago `since` was, counting on by itself.
#[component]
pub fn Age(since: Instant, now: Instant) -> impl IntoView {
    let live = expect_context::<Live>();
    view! { <time class="age" datetime=iso(since) title=format!("since {} {} UTC", date(since), clock(since))>{move || age(since, live.now(now))}</time> }.settled()
}

/// “5m 12s”; below a second “0s”, so that a fresh sample does not flicker.
pub fn age(since: Instant, now: Instant) -> String {
    let span = Span::between(since, now);
    if span.as_millis() < 1_000 { "0s".to_owned() } else { span.rough() }
}

/// “14:03:22”.
pub fn clock(at: Instant) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// “2026-11-23”.
pub fn date(at: Instant) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day())
}

/// As `<time datetime>` wants it, to the millisecond.
pub fn iso(at: Instant) -> String {
    format!("{}T{}.{:03}Z", date(at), clock(at), at.timestamp_subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn moments_and_ages_in_words() {
        let since = at("2026-11-23T09:05:07.250Z");
        assert_eq!(iso(since), "2026-11-23T09:05:07.250Z");
        assert_eq!(clock(since), "09:05:07");
        assert_eq!(age(since, at("2026-11-23T09:05:07.900Z")), "0s");
        assert_eq!(age(since, at("2026-11-23T09:10:19.300Z")), "5m 12s");
        assert_eq!(age(since, at("2026-11-23T09:00:00Z")), "0s", "a clock that was set back makes no age");
    }
}
