//! What is wrong with the declaration itself, apart from its dependencies: names that lead nowhere, things declared
//! twice, rules that cannot be used, promises that contradict each other.

use super::{About, Complaint, Finding, Severity};
use crate::{
    estate::{Detection, Estate, Manager, Strategy},
    id::{RegionId, StrategyId},
};
use std::collections::{BTreeSet, HashSet};

pub(super) fn findings(estate: &Estate) -> Vec<Finding> {
    let mut found = Found { estate, list: Vec::new() };
    found.services();
    found.clusters();
    found.strategies();
    found.regions();
    found.monitoring();
    found.hooks();
    found.rule(&About::Estate, "the estate".to_owned(), &estate.detection);
    found.list
}

struct Found<'a> {
    estate: &'a Estate,
    list: Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, severity: Severity, about: &About, complaint: Complaint) {
        self.list.push(Finding { severity, about: about.clone(), complaint, since: None });
    }
    fn region(&mut self, about: &About, of: String, region: &RegionId) {
        if self.estate.region(region).is_none() {
            self.add(Severity::Act, about, Complaint::UndeclaredRegion { of, region: region.clone() });
        }
    }
    fn rule(&mut self, about: &About, of: String, rule: &Detection) {
        let mistakes = rule.mistakes();
        if !mistakes.is_empty() {
            self.add(Severity::Act, about, Complaint::DetectionMistaken { of, mistakes });
        }
    }
    fn strategy(&mut self, about: &About, of: &str, strategy: Option<&StrategyId>) {
        if let Some(strategy) = strategy.filter(|id| self.estate.strategy(id).is_none()) {
            let complaint = Complaint::UndeclaredStrategy { of: of.to_owned(), strategy: strategy.to_string() };
            self.add(Severity::Watch, about, complaint);
        }
    }
    fn twice<'t, T: std::hash::Hash + Eq + std::fmt::Display + 't>(&mut self, about: &About, what: &str, ids: impl Iterator<Item = &'t T>) {
        let (mut seen, mut named) = (HashSet::new(), HashSet::new());
        for id in ids {
            if !seen.insert(id) && named.insert(id) {
                self.add(Severity::Act, about, Complaint::PartDeclaredTwice { what: format!("{what} {id}") });
            }
        }
    }

    fn services(&mut self) {
        let (mut seen, mut named) = (HashSet::new(), HashSet::new());
        for service in &self.estate.services {
            let about = About::Service(service.id.clone());
            if !seen.insert(&service.id) && named.insert(&service.id) {
                self.add(Severity::Act, &about, Complaint::DeclaredTwice { service: service.id.clone() });
            }
            if service.rto > service.mtpd {
                self.add(Severity::Watch, &about, Complaint::RtoAboveMtpd { rto: service.rto, mtpd: service.mtpd });
            }
            self.strategy(&about, service.id.as_str(), service.strategy.as_ref());
            let mut regions: BTreeSet<&RegionId> = BTreeSet::new();
            for endpoint in &service.endpoints {
                self.region(&about, format!("an endpoint of {}", service.id), &endpoint.region);
                if !regions.insert(&endpoint.region) {
                    let what = format!("the endpoint of {} in {}", service.id, endpoint.region);
                    self.add(Severity::Act, &about, Complaint::PartDeclaredTwice { what });
                }
                if let Some(rule) = &endpoint.detection {
                    self.rule(&about, format!("the endpoint of {} in {}", service.id, endpoint.region), rule);
                }
            }
        }
    }

    fn clusters(&mut self) {
        let estate = self.estate;
        self.twice(&About::Estate, "the cluster", estate.clusters.iter().map(|cluster| &cluster.id));
        for cluster in &estate.clusters {
            let about = About::Cluster(cluster.id.clone());
            if estate.service(&cluster.service).is_none() {
                let complaint = Complaint::UndeclaredService { cluster: cluster.id.clone(), service: cluster.service.clone() };
                self.add(Severity::Act, &about, complaint);
            }
            self.strategy(&about, cluster.id.as_str(), cluster.strategy.as_ref());
            if let Some(rule) = &cluster.detection {
                self.rule(&about, format!("the cluster {}", cluster.id), rule);
            }
            self.twice(&about, "the node", cluster.nodes.iter().map(|node| &node.id));
            for node in &cluster.nodes {
                self.region(&about, format!("the node {}", node.id), &node.region);
            }
            self.twice(&about, "the pooler", cluster.poolers.iter().map(|pooler| &pooler.id));
            for pooler in &cluster.poolers {
                self.region(&about, format!("the pooler {}", pooler.id), &pooler.region);
            }
            // Patroni's clients find the leader by its health checks, or by themselves.
            if cluster.router.is_none() && cluster.manager == Manager::Lifeboat {
                self.add(Severity::Watch, &about, Complaint::NoRouter);
            }
            for node in &cluster.nodes {
                let names = || (cluster.id.clone(), node.id.clone());
                match (cluster.manager, &node.patroni) {
                    (Manager::Patroni, None) => {
                        let (cluster, node) = names();
                        self.add(Severity::Act, &about, Complaint::NoPatroniAddress { cluster, node });
                    }
                    (Manager::Lifeboat, Some(_)) => {
                        let (cluster, node) = names();
                        self.add(Severity::Act, &about, Complaint::PatroniNotDeclared { cluster, node });
                    }
                    (Manager::Patroni, Some(_)) | (Manager::Lifeboat, None) => {}
                }
            }
            self.recovery_nodes(cluster, &about);
        }
    }

    /// A strategy that recovers elsewhere needs a node there that may take over.
    fn recovery_nodes(&mut self, cluster: &crate::estate::Cluster, about: &About) {
        let Some(strategy) = cluster.strategy.as_ref().and_then(|id| self.estate.strategy(id)) else { return };
        let regions = recovery_regions(strategy);
        let stands = |node: &crate::estate::Node| node.promotable && regions.contains(&node.region);
        if !regions.is_empty() && !cluster.nodes.iter().any(stands) {
            self.add(Severity::Watch, about, Complaint::NoNodeInRecoveryRegion { strategy: strategy.id.to_string(), regions });
        }
    }

    fn strategies(&mut self) {
        let estate = self.estate;
        self.twice(&About::Estate, "the strategy", estate.strategies.iter().map(|strategy| &strategy.id));
        for strategy in &estate.strategies {
            for region in std::iter::once(&strategy.primary_region).chain(&strategy.recovery_regions) {
                self.region(&About::Estate, format!("the strategy {}", strategy.id), region);
            }
            if recovery_regions(strategy).is_empty() {
                self.add(Severity::Watch, &About::Estate, Complaint::NoRecoveryRegion { strategy: strategy.id.to_string() });
            }
        }
    }

    fn monitoring(&mut self) {
        let estate = self.estate;
        self.twice(&About::Estate, "the monitoring", estate.monitoring.iter().map(|monitoring| &monitoring.id));
        for monitoring in &estate.monitoring {
            for service in monitoring.services.iter().filter(|id| estate.service(id).is_none()) {
                let complaint = Complaint::MonitoringOfNothing { monitoring: monitoring.id.clone(), service: service.clone() };
                self.add(Severity::Watch, &About::Estate, complaint);
            }
        }
    }

    fn hooks(&mut self) {
        let estate = self.estate;
        self.twice(&About::Estate, "the hook", estate.hooks.iter().map(|hook| &hook.id));
        for hook in &estate.hooks {
            for service in hook.services.iter().filter(|id| estate.service(id).is_none()) {
                self.add(Severity::Watch, &About::Estate, Complaint::HookOfNothing { hook: hook.id.clone(), service: service.clone() });
            }
        }
    }

    fn regions(&mut self) {
        let estate = self.estate;
        self.twice(&About::Estate, "the region", estate.regions.iter().map(|region| &region.id));
        self.twice(&About::Estate, "the observer", estate.observers.iter().map(|observer| &observer.id));
        for observer in &estate.observers {
            self.region(&About::Estate, format!("the observer {}", observer.id), &observer.region);
        }
        if let Some(region) = &estate.server_region {
            self.region(&About::Estate, "server_region".to_owned(), region);
        }
        let places = estate.places();
        if estate.quorum() as usize > places {
            self.add(Severity::Act, &About::Estate, Complaint::QuorumOutOfReach { quorum: estate.quorum(), places });
        }
        let with_nodes: BTreeSet<&RegionId> = estate
            .clusters
            .iter()
            .filter(|cluster| cluster.manager == Manager::Lifeboat)
            .flat_map(|cluster| &cluster.nodes)
            .map(|node| &node.region)
            .collect();
        for region in estate.regions.iter().filter(|region| region.agent.is_none() && with_nodes.contains(&region.id)) {
            self.add(Severity::Watch, &About::Region(region.id.clone()), Complaint::NoHostAgent { region: region.id.clone() });
        }
    }
}

fn recovery_regions(strategy: &Strategy) -> Vec<RegionId> {
    strategy.recovery_regions.iter().filter(|region| **region != strategy.primary_region).cloned().collect()
}
