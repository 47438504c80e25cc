//! What the failure of a service follows from among the services it needs, so that one alarm is raised for the cause (row 35).

use super::Survey;
use crate::{
    estate::Service,
    failover::traffic,
    health::Health,
    id::{RegionId, ServiceId},
    time::{Instant, Span},
};
use std::collections::BTreeSet;

/// A chain of causes is followed so far. What is at its end may follow from something else itself, and says so.
const LONGEST_CHAIN: usize = 32;

/// A service that fails its clients.
struct Failing<'a> {
    service: &'a Service,
    /// Where it is down, of the regions its clients are sent to; without traffic, of those it is probed in.
    down: BTreeSet<&'a RegionId>,
    /// It is down in all of those: whoever needs it fails wherever they are.
    everywhere: bool,
    since: Instant,
}

impl<'a> Survey<'a> {
    /// The service at the root of the failure of `service`: one that it needs, directly or through others that fail too, and that
    /// needs nothing which fails. `None` where `service` is the root itself, or does not fail. Of services that need each other
    /// in a circle the first by name is the root, so that one of them is always told.
    pub(crate) fn cause_of(&self, service: &ServiceId) -> Option<&'a ServiceId> {
        let mut chain = vec![self.failing(self.service(service)?)?];
        while let Some(cause) = chain.last().filter(|_| chain.len() < LONGEST_CHAIN).and_then(|last| self.direct_cause(last)) {
            if let Some(at) = chain.iter().position(|known| known.service.id == cause.service.id) {
                return chain[at..].iter().map(|known| &known.service.id).min().filter(|root| *root != service);
            }
            chain.push(cause);
        }
        chain.last().map(|last| &last.service.id).filter(|root| *root != service)
    }

    /// What it needs and fails where that matters, and did not begin to fail after it: the one that failed first.
    fn direct_cause(&self, failing: &Failing<'a>) -> Option<Failing<'a>> {
        let by = failing.since + self.window(failing.service).as_delta();
        let needed = failing.service.depends_on.iter().filter(|id| **id != failing.service.id).filter_map(|id| self.failing(self.service(id)?));
        let is_cause = |need: &Failing| need.since <= by && (need.everywhere || need.down.iter().any(|region| failing.down.contains(region)));
        needed.filter(is_cause).min_by(|a, b| (a.since, &a.service.id).cmp(&(b.since, &b.service.id)))
    }

    fn failing(&self, service: &'a Service) -> Option<Failing<'a>> {
        let picture = self.picture;
        let on = picture.observed.traffic.get(&service.id).and_then(|view| view.on.as_ref());
        let is_served_in = |region: &RegionId| match (&service.traffic, on) {
            (Some(_), Some(on)) => on.regions.contains(region),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let serves = service.endpoints.iter().map(|endpoint| &endpoint.region).filter(|region| is_served_in(region)).collect::<BTreeSet<_>>();
        let judged = serves.iter().filter_map(|region| Some((*region, traffic::health_in(picture, &service.id, region)?)));
        let failed: Vec<_> = judged.filter(|(_, judgement)| judgement.health == Health::Down).collect();
        let since = failed.iter().filter_map(|(_, judgement)| judgement.since).min()?;
        let down: BTreeSet<&RegionId> = failed.into_iter().map(|(region, _)| region).collect();
        Some(Failing { service, everywhere: down.len() == serves.len(), down, since })
    }

    /// Verdicts on what fails together come as far apart as this.
    fn window(&self, service: &Service) -> Span {
        let estate = &self.picture.estate;
        let windows = service.endpoints.iter().map(|endpoint| estate.detection_at(service, endpoint).window());
        windows.max().unwrap_or(estate.detection.window())
    }
}
