//! What the probes of something showed at an instant, against the threshold in force: the last rounds, and what the rule
//! makes of them. It is what a decision rested on, and the answer where there was none.

use crate::ui::state::Tone;
use engine::time::Instant;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// What one target was seen to be.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Shown {
    pub target: String,
    pub tone: Tone,
    pub word: String,
    pub says: String,
    /// The last rounds, oldest first, a letter each as `engine::history::Mark` spells them.
    pub rounds: String,
    /// When the first and the last of them were sent.
    pub between: Option<(Instant, Instant)>,
}

#[cfg(feature = "ssr")]
mod making {
    use super::{Shown, Tone};
    use crate::failover::view::endpoint;
    use engine::{
        estate::Detection,
        health::{Health, Sample},
        history::{Kind, Mark, Period, Track, verdict_at},
        id::Scope,
        journal::Subject,
        picture::Picture,
        time::{Instant, Span},
    };

    /// One thing that is probed.
    pub struct Probed {
        pub name: String,
        pub of: Subject,
        pub rule: Detection,
    }

    impl Probed {
        /// Everything that is probed of a scope; without one, of all services whose clients can be moved and of all clusters.
        pub fn all(picture: &Picture, scope: Option<&Scope>) -> Vec<Self> {
            let estate = &picture.estate;
            let endpoints = estate.services.iter().flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, endpoint)));
            let wanted_endpoint = |service: &engine::estate::Service, region: &engine::id::RegionId| match scope {
                Some(Scope::Service(id)) => service.id == *id,
                Some(Scope::Region(id)) => region == id,
                Some(Scope::Cluster(_) | Scope::Backup(_)) => false,
                None => service.traffic.is_some(),
            };
            let endpoints = endpoints.filter(|(service, at)| wanted_endpoint(service, &at.region)).map(|(service, at)| Self {
                name: match scope {
                    Some(Scope::Service(_)) => at.region.to_string(),
                    _ => format!("{} in {}", service.id, at.region),
                },
                of: endpoint(service, &at.region),
                rule: estate.detection_at(service, at),
            });
            let nodes = estate.clusters.iter().flat_map(|cluster| cluster.nodes.iter().map(move |node| (cluster, node)));
            let wanted_node = |cluster: &engine::estate::Cluster, region: &engine::id::RegionId| match scope {
                Some(Scope::Cluster(id)) => cluster.id == *id,
                Some(Scope::Region(id)) => region == id,
                Some(Scope::Service(_) | Scope::Backup(_)) => false,
                None => true,
            };
            let nodes = nodes.filter(|(cluster, node)| wanted_node(cluster, &node.region)).map(|(cluster, node)| Self {
                name: node.id.to_string(),
                of: Subject::Node { cluster: cluster.id.clone(), node: node.id.clone() },
                rule: estate.detection_of(cluster),
            });
            endpoints.chain(nodes).collect()
        }

        /// What must be read to know what was believed at `at`: as many rounds as the rule can ask for, and those before them.
        pub fn period(&self, at: Instant) -> Period {
            let rounds = self.rule.samples.saturating_add(self.rule.recoveries).saturating_mul(4);
            let before = self.rule.stretch(rounds).max(Span::from_mins(10));
            Period { from: at - before.as_delta(), until: at }
        }

        /// What is shown of it; where several look, one for each.
        pub fn shown(&self, tracks: &[Track], at: Instant) -> Vec<Shown> {
            if tracks.is_empty() {
                return vec![Shown::nothing(self.name.clone(), at)];
            }
            let name = |track: &Track| if tracks.len() > 1 { format!("{}, seen by {}", self.name, track.observer) } else { self.name.clone() };
            tracks.iter().map(|track| Shown::of(name(track), track, &self.rule, at)).collect()
        }
    }

    impl Shown {
        /// Whether anything was not good: what a decision rests on.
        pub fn is_trouble(&self) -> bool {
            self.tone != Tone::Ok
        }

        pub fn of(target: String, track: &Track, rule: &Detection, at: Instant) -> Self {
            let (judgement, rounds) = verdict_at(track, rule, at);
            let Some((first, last)) = rounds.first().map(|first| first.at).zip(rounds.last().map(|last| last.at)) else {
                return Self::nothing(target, at);
            };
            let bad = rounds.iter().any(|round| Kind::of(&round.outcome) != Kind::Good);
            let silent = Span::between(last, at) > rule.silence();
            let (tone, word) = match judgement.health {
                _ if silent => (Tone::Unknown, "no data"),
                Health::Ok if bad => (Tone::Watch, "under the threshold"),
                Health::Ok => (Tone::Ok, "good"),
                Health::Degraded => (Tone::Watch, "degraded"),
                Health::Down => (Tone::Lost, "down"),
                Health::Unknown => (Tone::Unknown, "no verdict"),
            };
            let failed = rounds.iter().filter(|round| Kind::of(&round.outcome) == Kind::Failed).count();
            let says = match judgement.health {
                _ if silent => judgement.why,
                Health::Down => format!("{}; {} of the last {} are needed", judgement.why, rule.failures, rule.samples),
                Health::Ok if bad => format!("{failed} of the last {} probes failed, {} are needed to call it down", rounds.len(), rule.failures),
                Health::Ok => format!("the last {} probes were good", rounds.len()),
                Health::Degraded | Health::Unknown => judgement.why,
            };
            let between = Some((first, last));
            Self { target, tone, word: word.to_owned(), says, rounds: rounds.iter().map(letter).collect(), between }
        }

        fn nothing(target: String, at: Instant) -> Self {
            let says = format!("nothing is recorded of the time before {}", at.format("%H:%M:%S UTC"));
            Self { target, tone: Tone::Unknown, word: "no data".to_owned(), says, rounds: String::new(), between: None }
        }
    }

    fn letter(round: &Sample) -> char {
        let mark = match Kind::of(&round.outcome) {
            Kind::Good => Mark::Good,
            Kind::Complaint => Mark::Complaint,
            Kind::Failed => Mark::AllFailed,
        };
        mark.letter()
    }
}
#[cfg(feature = "ssr")]
pub use making::Probed;
