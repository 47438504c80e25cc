//! What follows from a picture as a whole, worked out at most once however many things are looked at in it: with ten
//! thousand services, each of which asked the estate anew, one look would take minutes in the very hour it matters.

use crate::{
    dependencies::Users,
    estate::{Cluster, Service},
    failover::{Mode, Operation, Promotion, State},
    health::{Health, Judgement, failed_regions},
    id::{ClusterId, OperationId, RegionId, Scope, ServiceId},
    picture::Picture,
    restraints::Held,
    time::Instant,
};
use std::{
    cell::OnceCell,
    collections::{BTreeSet, HashMap, HashSet},
};

mod causes;

/// Why a region takes nobody.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shut<'a> {
    UnderMaintenance(&'a Held),
    BeingEvacuated(OperationId),
}

pub(crate) struct Survey<'a> {
    pub(crate) picture: &'a Picture,
    services: OnceCell<HashMap<&'a ServiceId, &'a Service>>,
    users: OnceCell<Users<'a>>,
    needed: OnceCell<HashMap<&'a ServiceId, Vec<&'a Cluster>>>,
    troubles: OnceCell<HashMap<&'a ClusterId, String>>,
    failed: OnceCell<BTreeSet<RegionId>>,
    operations: OnceCell<HashMap<Scope, Vec<&'a Operation>>>,
    evacuated: OnceCell<HashSet<&'a Scope>>,
    settling: OnceCell<bool>,
    suspect: OnceCell<bool>,
}

impl<'a> Survey<'a> {
    pub(crate) fn of(picture: &'a Picture) -> Self {
        Self {
            picture,
            services: OnceCell::new(),
            users: OnceCell::new(),
            needed: OnceCell::new(),
            troubles: OnceCell::new(),
            failed: OnceCell::new(),
            operations: OnceCell::new(),
            evacuated: OnceCell::new(),
            settling: OnceCell::new(),
            suspect: OnceCell::new(),
        }
    }

    /// A declared service; of one that is declared twice the first declaration counts.
    pub(crate) fn service(&self, id: &ServiceId) -> Option<&'a Service> {
        let index = || {
            let mut services = HashMap::with_capacity(self.picture.estate.services.len());
            for service in &self.picture.estate.services {
                services.entry(&service.id).or_insert(service);
            }
            services
        };
        self.services.get_or_init(index).get(id).copied()
    }

    fn users(&self) -> &Users<'a> {
        self.users.get_or_init(|| Users::of(&self.picture.estate))
    }
    /// The service itself and all that depend on it, in the order of the estate.
    pub(crate) fn affected_by(&self, service: &ServiceId) -> Vec<ServiceId> {
        self.users().affected_by(service).into_iter().cloned().collect()
    }
    /// The clusters that a service needs, directly or not.
    pub(crate) fn clusters_needed(&self, service: &ServiceId) -> &[&'a Cluster] {
        let needed = self.needed.get_or_init(|| {
            let mut needed: HashMap<&ServiceId, Vec<&Cluster>> = HashMap::new();
            for cluster in &self.picture.estate.clusters {
                for user in self.users().affected_by(&cluster.service) {
                    needed.entry(user).or_default().push(cluster);
                }
            }
            needed
        });
        needed.get(service).map_or(&[], Vec::as_slice)
    }
    /// What is wrong with a cluster right now, the newest probe included: why services that need it may fail.
    pub(crate) fn trouble_of_cluster(&self, cluster: &ClusterId) -> Option<&str> {
        let troubles = self.troubles.get_or_init(|| {
            let clusters = self.picture.estate.clusters.iter();
            clusters.filter_map(|cluster| Some((&cluster.id, self.picture.trouble_of_cluster(&cluster.id)?))).collect()
        });
        troubles.get(cluster).map(String::as_str)
    }
    pub(crate) fn failed_regions(&self) -> &BTreeSet<RegionId> {
        self.failed.get_or_init(|| failed_regions(&self.picture.estate, &self.picture.observed))
    }

    /// Every operation on `scope`, in the order of their requests.
    pub(crate) fn operations_on(&self, scope: &Scope) -> &[&'a Operation] {
        let operations = self.operations.get_or_init(|| {
            let mut operations: HashMap<Scope, Vec<&Operation>> = HashMap::new();
            for operation in self.picture.records.operations.values() {
                operations.entry(operation.plan.scope()).or_default().push(operation);
            }
            operations
        });
        operations.get(scope).map_or(&[], Vec::as_slice)
    }
    /// Whether clients of a service were moved since `read`: what was read before an operation ended shows where they were, not
    /// where they are. An end in the future is a clock set back.
    pub(crate) fn were_moved_since(&self, service: &ServiceId, read: Instant) -> bool {
        let since = |ended: Instant| read <= ended && ended <= self.picture.now;
        let mut operations = self.operations_on(&Scope::Service(service.clone())).iter();
        operations.any(|operation| operation.changed_routing() && operation.ended_at.is_some_and(since))
    }
    /// The last promotion of a node of a cluster by an operation.
    pub(crate) fn promoted(&self, cluster: &ClusterId) -> Option<Promotion<'a>> {
        let operations = self.operations_on(&Scope::Cluster(cluster.clone())).iter().copied();
        operations.filter_map(Operation::promoted).max_by_key(|promotion| promotion.at)
    }
    /// The operation that holds `scope`, if any.
    pub(crate) fn holder_of(&self, scope: &Scope) -> Option<&'a Operation> {
        self.operations_on(scope).iter().copied().find(|operation| operation.state.is_active())
    }
    /// Whether an evacuation that people agreed to deals with it. One that waits for them, at its beginning or in doubt, or
    /// only rehearses, moves nobody, and must not keep the product from moving what is left to it.
    pub(crate) fn is_being_evacuated(&self, scope: &Scope) -> bool {
        let evacuated = self.evacuated.get_or_init(|| {
            let at_work = |operation: &&Operation| {
                matches!(operation.state, State::Approved | State::Running | State::Compensating) && operation.mode() != Mode::Test
            };
            let whole = self.picture.records.operations.values().filter(at_work).filter_map(|operation| operation.plan.evacuation());
            whole.flat_map(|change| change.waves.iter().flatten()).map(|member| &member.scope).collect()
        });
        evacuated.contains(scope)
    }

    /// What closes a region to everybody, however well they are there: it is worked on, or it is being emptied.
    pub(crate) fn shut(&self, region: &RegionId) -> Option<Shut<'a>> {
        let emptied = |operation: &&Operation| {
            operation.plan.evacuation().is_some()
                && operation.mode() != Mode::Test
                && operation.state.is_active()
                && operation.state != State::Requested
        };
        let maintained = || self.picture.maintenance_of_region(region).map(Shut::UnderMaintenance);
        let operations = self.operations_on(&Scope::Region(region.clone()));
        operations.iter().copied().find(emptied).map(|operation| Shut::BeingEvacuated(operation.id)).or_else(maintained)
    }
    /// When the last evacuation of a region ended, unless somebody has taken note of that.
    pub(crate) fn evacuated_at(&self, region: &RegionId) -> Option<Instant> {
        let moved = |operation: &&Operation| operation.plan.evacuation().is_some() && operation.awaits_acknowledgement();
        self.operations_on(&Scope::Region(region.clone())).iter().copied().filter(moved).filter_map(|operation| operation.ended_at).max()
    }

    pub(crate) fn is_settling(&self) -> bool {
        *self.settling.get_or_init(|| self.picture.is_settling())
    }
    /// Whether nothing anywhere answers although something was meant to in at least two regions.
    pub(crate) fn is_observer_suspect(&self) -> bool {
        *self.suspect.get_or_init(|| {
            let observed = &self.picture.observed;
            let endpoints = observed.endpoints.iter().map(|((_, region), view)| (region, &view.judgement));
            let nodes = observed.clusters.values().flat_map(|view| &view.nodes).map(|node| (&node.region, &node.judgement));
            let all = || endpoints.clone().chain(nodes.clone()).chain(&observed.agents);
            let answers = |judgement: &Judgement| matches!(judgement.health, Health::Ok | Health::Degraded);
            !all().any(|(_, judgement)| answers(judgement)) && all().map(|(region, _)| region).collect::<BTreeSet<_>>().len() >= 2
        })
    }
}
