//! Made-up probes: well all day but for four outages, one of them long, and a while in which nobody looked.

use engine::{
    estate::Detection,
    health::{Outcome, Sample},
    history::{Line, Mark, Period, Recent, Stretch, Taken, Track},
    journal::Subject,
    time::{Instant, Span},
};

pub fn track(of: Subject, period: Period) -> Track {
    Track { of, observer: "server".to_owned(), stretches: stretches(period), cut: false }
}

pub fn recent(of: &Subject, now: Instant) -> Vec<Mark> {
    let stretches = stretches(Period { from: now - Span::from_mins(60).as_delta(), until: now });
    let recent = Recent::of(&stretches, Detection::default().silence());
    // What is probed in the first region is the one that is not well.
    let well = Stretch {
        last: now,
        complained: 0,
        failed: 0,
        good: 720,
        said: None,
        said_last: None,
        first: now - Span::from_mins(60).as_delta(),
        worst: Span::ZERO,
    };
    let calm = Recent::of(&[well], Detection::default().silence());
    let fails = matches!(of, Subject::Endpoint { region, .. } if region.as_str() == "us-east-1");
    Recent::marks(&[if fails { &recent } else { &calm }], now)
}

fn stretches(period: Period) -> Vec<Stretch> {
    let rule = Detection::default();
    let (mut line, mut stretches) = (Line::default(), Vec::new());
    let rounds = u32::try_from(Span::between(period.from, period.until).as_millis() / rule.interval.as_millis()).unwrap_or(0);
    for round in (0..rounds).rev() {
        // Counted back from the end, so that every period shows some of it.
        let outcome = match round {
            60..66 | 200..204 | 420..425 | 3_000..3_090 => Outcome::Failed("connection refused".to_owned()),
            300..330 => Outcome::Complaint("503: warming up".to_owned()),
            500..560 => continue,
            _ => Outcome::Good,
        };
        let sample = Sample { at: period.until - rule.interval.times(round).as_delta(), took: Span::from_millis(4), outcome };
        if let Taken::Began { finished } = line.take_in(&sample, &rule) {
            stretches.extend(finished);
        }
    }
    stretches.extend(line.open().cloned());
    stretches
}
