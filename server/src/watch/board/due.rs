//! When what was seen is put up, and how much of it is then looked through.

use engine::{estate::Estate, id::ServiceId, journal::Subject, look::Look};
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};
use tokio::time::Instant;

/// What brings nothing new but a fresh sample is put up this much later at most: with thousands of sightings a second,
/// putting up each of them would leave no time to judge them.
const SOON: Duration = Duration::from_millis(100);
/// Everything is looked through this often even if nothing comes in, so that silence becomes unknown.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A platform of more services than this is looked through in as many parts as it has this many, one after the other within
/// `LOOK_AGAIN`, and what is new at once: a verdict would otherwise wait until a look at all of them is over.
const AT_A_TIME: usize = 1_250;

/// When what was seen is to be put up.
#[derive(Default)]
pub(super) struct Due(Option<Instant>);

impl Due {
    pub(super) fn now(&mut self) {
        self.0 = Some(Instant::now());
    }
    pub(super) fn soon(&mut self) {
        self.0 = Some(self.0.unwrap_or_else(|| Instant::now() + SOON));
    }
    pub(super) fn done(&mut self) {
        self.0 = None;
    }
    pub(super) fn is_over(&self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }
    /// Waits until it is due; for ever where nothing is.
    pub(super) async fn come(&self) {
        match self.0 {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// The parts of the platform that are looked through in turn.
pub(super) struct Rounds {
    services: usize,
    parts: usize,
    next: usize,
}

impl Rounds {
    pub(super) fn of(estate: &Estate) -> Self {
        let services = estate.services.len();
        Self { services, parts: services.div_ceil(AT_A_TIME).max(1), next: 0 }
    }
    pub(super) fn is_whole(&self) -> bool {
        self.parts == 1
    }
    /// From one part to the next.
    pub(super) fn pace(&self) -> Duration {
        LOOK_AGAIN / u32::try_from(self.parts).unwrap_or(u32::MAX)
    }
    /// The next part. What is about no single service goes with the first.
    pub(super) fn next(&mut self) -> Look {
        let part = self.next;
        self.next = (part + 1) % self.parts;
        if self.is_whole() {
            return Look::at_everything();
        }
        let place = |part: usize| part * self.services / self.parts;
        Look { services: Some((place(part)..place(part + 1)).collect()), platform: part == 0 }
    }
}

/// What was seen that a decision may follow from.
pub(super) struct News {
    places: HashMap<ServiceId, usize>,
    /// Whether a look takes in everything, whatever it was.
    whole: bool,
    services: BTreeSet<usize>,
    platform: bool,
}

impl News {
    pub(super) fn none_yet(estate: &Estate, rounds: &Rounds) -> Self {
        let mut places = HashMap::with_capacity(estate.services.len());
        for (place, service) in estate.services.iter().enumerate() {
            places.entry(service.id.clone()).or_insert(place);
        }
        Self { places, whole: rounds.is_whole(), services: BTreeSet::new(), platform: false }
    }
    pub(super) fn add(&mut self, subject: &Subject) {
        match subject {
            Subject::Endpoint { service, .. } | Subject::Traffic { service } if !self.whole => self.services.extend(self.places.get(service)),
            _ => self.platform = true,
        }
    }
    pub(super) fn is_none(&self) -> bool {
        self.services.is_empty() && !self.platform
    }
    /// What is to be looked at; from then on there is no news.
    pub(super) fn take(&mut self) -> Look {
        let (services, platform) = (std::mem::take(&mut self.services), std::mem::take(&mut self.platform));
        if self.whole { Look::at_everything() } else { Look { services: Some(services.into_iter().collect()), platform } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estate(services: usize) -> Estate {
        let service =
            |at: usize| format!("[[service]]\nid = \"s{at}\"\ntier = 2\nrto = \"1h\"\nrpo = \"1h\"\nmtpd = \"4h\"\ndata_class = \"standard\"\n");
        Estate::from_toml(&(0..services).map(service).fold("name = \"large\"\n".to_owned(), |text, service| text + &service)).unwrap()
    }

    #[test]
    fn every_service_is_looked_at_once_in_a_round() {
        for services in [0, 1, 1_250, 1_251, 9_999] {
            let mut rounds = Rounds::of(&estate(services));
            let looks: Vec<Look> = (0..rounds.parts).map(|_| rounds.next()).collect();
            assert!(looks[0].platform && looks[1..].iter().all(|look| !look.platform), "{services}");
            if services <= AT_A_TIME {
                assert_eq!(looks, [Look::at_everything()]);
            } else {
                assert_eq!(looks.into_iter().flat_map(|look| look.services.unwrap()).collect::<Vec<_>>(), (0..services).collect::<Vec<_>>());
            }
            assert!(rounds.next().platform, "and then again from the first");
        }
    }

    #[test]
    fn what_is_new_of_a_large_platform_is_looked_at_by_itself() {
        let estate = estate(2_000);
        let mut news = News::none_yet(&estate, &Rounds::of(&estate));
        assert!(news.is_none());
        news.add(&Subject::Endpoint { service: "s7".parse().unwrap(), region: "a".parse().unwrap() });
        assert_eq!(news.take(), Look { services: Some(vec![7]), platform: false });
        assert!(news.is_none());
        news.add(&Subject::Agent { region: "a".parse().unwrap() });
        assert_eq!(news.take(), Look { services: Some(Vec::new()), platform: true });
    }
}
