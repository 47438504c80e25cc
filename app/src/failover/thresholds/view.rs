//! What the thresholds of a service would have led to, as data.

use super::asked::Asked;
use crate::ui::state::Tone;
use engine::time::Instant;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Thresholds {
    pub now: Instant,
    pub service: String,
    /// What the fields show.
    pub asked: Asked,
    /// Fields with what is wrong with them.
    pub mistakes: Vec<(String, String)>,
    /// How it is probed; that cannot be tried out, because other probes were never sent.
    pub probed: String,
    pub caption: String,
    pub regions: Vec<RegionJudged>,
}

/// One region, as one observer saw it.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RegionJudged {
    pub region: String,
    pub present: Judged,
    pub proposed: Option<Judged>,
    /// What the answer does not rest on.
    pub notes: Vec<String>,
}

/// What one rule would have led to.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Judged {
    pub rule: String,
    pub tone: Tone,
    pub says: String,
    /// Against the rule in force.
    pub compared: Option<String>,
    /// The last ones, newest first.
    pub times: Vec<Time>,
    /// How many more there were.
    pub more: usize,
}

/// One time it would have been down.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Time {
    pub since: Instant,
    pub down_at: Instant,
    pub acts_at: Option<Instant>,
    pub says: String,
    pub lasts: bool,
}

#[cfg(feature = "ssr")]
mod making {
    use super::{Asked, Judged, RegionJudged, Thresholds, Time, Tone};
    use crate::{failover::thresholds::asked, port::Replayed};
    use engine::{
        estate::Service,
        history::{Ending, Outage, Period, Proposal, Replay},
        journal::Subject,
        picture::Picture,
        time::Span,
    };

    /// So many times are listed for each rule.
    const TIMES_SHOWN: usize = 12;

    /// What is to be replayed for a service.
    pub struct Question {
        pub period: Period,
        pub regions: Vec<(Subject, Vec<Proposal>)>,
        /// In how many places observers must agree.
        quorum: u32,
        page: Thresholds,
    }

    impl Question {
        pub fn of(picture: &Picture, service: &Service, asked: &Asked) -> Self {
            let wait = picture.estate.strategy_of(service).map_or(Span::ZERO, |strategy| strategy.wait);
            let (mut mistakes, mut regions) = (Vec::new(), Vec::new());
            let (length, named) = match asked.period() {
                Ok(length) => (length, asked.period.clone()),
                Err(says) => {
                    mistakes.push(("period".to_owned(), says));
                    (Span::from_mins(24 * 60), String::new())
                }
            };
            let mut shown = None;
            for endpoint in &service.endpoints {
                let present = Proposal { rule: picture.estate.detection_at(service, endpoint), wait };
                let proposed = match asked::read(asked, present) {
                    Ok(proposed) => Some(proposed),
                    Err(wrong) => {
                        // Said once: the endpoints of a service differ little, and the fields are the same.
                        mistakes.extend(wrong.into_iter().filter(|(field, _)| !mistakes.iter().any(|(known, _)| known == field)).collect::<Vec<_>>());
                        None
                    }
                };
                shown.get_or_insert(proposed.unwrap_or(present));
                let of = Subject::Endpoint { service: service.id.clone(), region: endpoint.region.clone() };
                regions.push((of, std::iter::once(present).chain(proposed.filter(|_| asked.proposes())).collect::<Vec<_>>()));
            }
            if !mistakes.is_empty() {
                regions.iter_mut().for_each(|(_, proposals)| proposals.truncate(1));
            }
            let filled = |text: &str, present: String| if text.trim().is_empty() { present } else { text.trim().chars().take(40).collect() };
            let value = |of: fn(&Proposal) -> String| shown.as_ref().map(of).unwrap_or_default();
            let period = if named.is_empty() { "24h".to_owned() } else { named };
            let page = Thresholds {
                now: picture.now,
                service: service.id.to_string(),
                probed: shown
                    .map(|shown| {
                        let slow =
                            shown.rule.slow.map(|slow| format!(" An answer that takes longer than {slow} makes it degraded.")).unwrap_or_default();
                        format!("It is probed every {}, with a time-out of {}.{slow}", shown.rule.interval, shown.rule.timeout)
                    })
                    .unwrap_or_default(),
                caption: format!("With what the probes saw in the last {period}, it …"),
                asked: Asked {
                    failures: filled(&asked.failures, value(|shown| shown.rule.failures.to_string())),
                    samples: filled(&asked.samples, value(|shown| shown.rule.samples.to_string())),
                    recoveries: filled(&asked.recoveries, value(|shown| shown.rule.recoveries.to_string())),
                    window: filled(&asked.window, value(|shown| shown.rule.window.map(|window| window.to_string()).unwrap_or_default())),
                    wait: filled(&asked.wait, value(|shown| shown.wait.to_string())),
                    period,
                },
                mistakes,
                regions: Vec::new(),
            };
            Self { period: Period { from: picture.now - length.as_delta(), until: picture.now }, regions, quorum: picture.estate.quorum(), page }
        }

        /// With the answers, in the order of the regions.
        pub fn answered(self, answers: Vec<Vec<Replayed>>) -> Thresholds {
            let mut page = self.page;
            for ((of, proposals), answers) in self.regions.iter().zip(answers) {
                let Subject::Endpoint { region, .. } = of else { continue };
                let several = answers.len() > 1;
                let quorum = self.quorum;
                if answers.is_empty() {
                    page.regions.push(RegionJudged::unseen(region.as_str(), proposals, self.period));
                }
                let mut alone = page.regions.len();
                for answer in answers {
                    let name = match &answer.observer {
                        None => format!("{region}, where {quorum} places agree: what Lifeboat acts on"),
                        Some(observer) if several => format!("{region}, seen by {observer}"),
                        Some(_) => region.to_string(),
                    };
                    let row = RegionJudged::of(name, &answer);
                    let known = page.regions[alone..].iter_mut().find(|known| known.is_as_quiet_as(&row));
                    match (known, &answer.observer) {
                        (Some(known), Some(observer)) => known.join(observer, row.notes),
                        (None, Some(_)) => page.regions.push(row),
                        (_, None) => {
                            page.regions.push(row);
                            alone = page.regions.len();
                        }
                    }
                }
            }
            page
        }
    }

    impl RegionJudged {
        fn of(region: String, answer: &Replayed) -> Self {
            let present = answer.replays.first();
            let judged = |at: usize| answer.replays.get(at).map(|replay| Judged::of(replay, present.filter(|_| at > 0)));
            let mut notes = Vec::new();
            if let Some(present) = present {
                notes.push(format!("{} probes, {} failed", present.rounds, present.failed));
                if present.unseen > Span::ZERO {
                    let says = if answer.observer.is_some() { "nobody looked" } else { "there was no verdict" };
                    notes.push(format!("{says} for {}: not known, and no failover", present.unseen.rough()));
                }
                if present.coarse > 0 {
                    notes.push(format!("{} of the probes are so old that only counts are kept; judged in the worst order", present.coarse));
                }
            }
            notes.extend(answer.cut.map(|cut| format!("only since {} UTC: there is more than is read at once", cut.format("%Y-%m-%d %H:%M"))));
            Self { region, present: judged(0).unwrap_or_else(Judged::nothing), proposed: judged(1), notes }
        }

        /// Whether another observer's probes would have led to nothing either, and to the same words.
        fn is_as_quiet_as(&self, other: &Self) -> bool {
            let quiet = |row: &Self| row.present.times.is_empty() && row.proposed.as_ref().is_none_or(|proposed| proposed.times.is_empty());
            quiet(self) && quiet(other) && self.present == other.present && self.proposed == other.proposed
        }
        fn join(&mut self, observer: &str, notes: Vec<String>) {
            self.region.push_str(", ");
            self.region.push_str(observer);
            for note in notes {
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
        }

        /// Of what was never probed.
        fn unseen(region: &str, proposals: &[Proposal], period: Period) -> Self {
            let replays = proposals.iter().map(|proposal| engine::history::replay(&[], *proposal, period)).collect();
            Self::of(region.to_owned(), &Replayed { observer: None, replays, cut: None })
        }
    }

    impl Judged {
        fn of(replay: &Replay, present: Option<&Replay>) -> Self {
            let rule = &replay.proposal.rule;
            let times = replay.failovers().count();
            let mut says = replay.in_words();
            if let Some((shortest, longest)) = replay.shortest_and_longest().filter(|_| times > 0) {
                says.push_str(&if shortest == longest {
                    format!("; down for {}", longest.rough())
                } else {
                    format!("; down for {} to {}", shortest.rough(), longest.rough())
                });
            }
            Self {
                rule: format!(
                    "{} of the last {} within {}, {} good ones to recover, wait {}",
                    rule.failures,
                    rule.samples,
                    rule.window(),
                    rule.recoveries,
                    replay.proposal.wait
                ),
                tone: match (replay.rounds, times, replay.recovered_within(Replay::SOON)) {
                    (0, ..) => Tone::Unknown,
                    (_, 0, _) => Tone::Ok,
                    (_, _, 0) => Tone::Watch,
                    _ => Tone::Act,
                },
                says,
                compared: present.filter(|_| replay.rounds > 0).map(|present| compared(times, present.failovers().count())),
                times: replay.outages.iter().rev().take(TIMES_SHOWN).map(Time::of).collect(),
                more: replay.outages.len().saturating_sub(TIMES_SHOWN),
            }
        }

        fn nothing() -> Self {
            Self { rule: String::new(), tone: Tone::Unknown, says: "not known".to_owned(), compared: None, times: Vec::new(), more: 0 }
        }
    }

    fn compared(proposed: usize, present: usize) -> String {
        let times = |count: usize| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        match proposed.cmp(&present) {
            std::cmp::Ordering::Equal => "as often as with the rule in force".to_owned(),
            std::cmp::Ordering::Greater => format!("{} more than with the rule in force", times(proposed - present)),
            std::cmp::Ordering::Less => format!("{} less than with the rule in force", times(present - proposed)),
        }
    }

    impl Time {
        fn of(outage: &Outage) -> Self {
            let says = match (outage.ending, outage.acts_at, outage.answered_after()) {
                (Ending::Answered { .. }, None, _) => "over before the wait was".to_owned(),
                (Ending::Answered { .. }, Some(_), after) => format!("answered {} after that", after.unwrap_or(Span::ZERO).rough()),
                (Ending::NotKnown { after }, ..) => format!("nobody looked after {}", after.format("%H:%M:%S UTC")),
                (Ending::Lasts, ..) => "still down,".to_owned(),
            };
            Self { since: outage.since, down_at: outage.down_at, acts_at: outage.acts_at, says, lasts: outage.ending == Ending::Lasts }
        }
    }
}
#[cfg(feature = "ssr")]
pub use making::Question;
