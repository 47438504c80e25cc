//! What is wrong with one cluster now: who takes writes, where clients are sent, whether it could survive a loss, and
//! operations that wait for a person.

use super::{About, Complaint, Finding, Severity, platform};
use crate::{
    databases::{ClusterView, NodeStanding, NodeView, Protection},
    estate::{Cluster, Detection, Manager},
    failover::State,
    health::{Health, Judgement},
    id::NodeId,
    patroni::{self, PatroniView},
    picture::{Picture, RouteStanding},
    time::Instant,
};

pub(super) fn findings(picture: &Picture, cluster: &Cluster) -> Vec<Finding> {
    let mut found = Found { picture, cluster, rule: picture.estate.detection_of(cluster), list: Vec::new() };
    found.in_doubt();
    match picture.observed.clusters.get(&cluster.id) {
        Some(view) => {
            found.writers(view);
            found.nodes(view);
            found.details(view);
            found.protection(view);
            found.route();
            found.patroni(view);
        }
        None => found.add(Severity::Unknown, None, Complaint::WritableUnknown { why: "no node was ever read".to_owned() }),
    }
    found.router();
    found.fences();
    found.poolers(picture.observed.clusters.get(&cluster.id));
    found.list
}

/// Only what is read beside the probes.
pub(super) fn details_of(picture: &Picture, cluster: &Cluster) -> Vec<Finding> {
    let mut found = Found { picture, cluster, rule: picture.estate.detection_of(cluster), list: Vec::new() };
    if let Some(view) = picture.observed.clusters.get(&cluster.id) {
        found.details(view);
    }
    found.list
}

pub(super) struct Found<'a> {
    pub(super) picture: &'a Picture,
    pub(super) cluster: &'a Cluster,
    pub(super) rule: Detection,
    list: Vec<Finding>,
}

impl Found<'_> {
    pub(super) fn add(&mut self, severity: Severity, since: Option<Instant>, complaint: Complaint) {
        self.list.push(Finding { severity, about: About::Cluster(self.cluster.id.clone()), complaint, since });
    }

    fn in_doubt(&mut self) {
        let Some(operation) = self.picture.records.active_on(&self.cluster.id).filter(|operation| operation.state == State::InDoubt) else {
            return;
        };
        let why = operation.outcome.clone().unwrap_or_else(|| "no reason was recorded".to_owned());
        let complaint = Complaint::OperationInDoubt { operation: operation.id, kind: operation.plan.kind.to_string(), why };
        self.add(Severity::Act, operation.history.last().map(|(at, _)| *at), complaint);
    }

    /// Said before it is needed: a name alone turns nothing off.
    fn fences(&mut self) {
        for node in &self.cluster.nodes {
            let why = node.fence.as_ref().and_then(|fence| self.picture.fence_command(fence).err());
            if let Some(why) = why {
                self.add(Severity::Act, None, Complaint::FenceUnusable { node: node.id.clone(), why });
            }
        }
    }

    /// None, one or several nodes that take writes; and whether the one is the right one.
    fn writers(&mut self, view: &ClusterView) {
        if let Some(promotion) = self.picture.unseen_promotion(&self.cluster.id) {
            let why = format!("{} was promoted at {} and not read since", promotion.node, promotion.at.format("%H:%M:%S UTC"));
            self.add(Severity::Unknown, Some(promotion.at), Complaint::WritableUnknown { why });
            return;
        }
        let writable = view.writable();
        let ids = |views: &[&NodeView]| views.iter().map(|view| view.node.clone()).collect::<Vec<NodeId>>();
        match writable.as_slice() {
            [] => self.nobody_writes(view),
            [only] => self.one_writes(view, only),
            _ => {
                let mut nodes = ids(&writable);
                nodes.sort();
                let since = self.picture.records.split_brain.get(&self.cluster.id).copied();
                self.add(Severity::Lost, since, Complaint::SplitBrain { nodes });
            }
        }
    }

    fn one_writes(&mut self, view: &ClusterView, only: &NodeView) {
        let Some(reading) = &only.reading else { return };
        if reading.read_only {
            self.add(Severity::Lost, None, Complaint::PrimaryReadOnly { node: only.node.clone() });
        }
        if let Some(newest) = view.timeline().filter(|newest| *newest > reading.timeline) {
            let complaint = Complaint::WritesOnOldTimeline { node: only.node.clone(), own: reading.timeline, newest };
            self.add(Severity::Lost, None, complaint);
        }
        let same = |node: &&NodeView| node.reading.as_ref().is_none_or(|other| other.system_identifier == reading.system_identifier);
        let others: Vec<NodeId> = view.nodes.iter().filter(|node| !same(node)).map(|node| node.node.clone()).collect();
        if !others.is_empty() {
            self.add(Severity::Act, None, Complaint::OtherSystem { nodes: others, primary: only.node.clone() });
        }
    }

    /// A primary that is down, or nodes that all answer and none of which is one, is a loss. As long as one that could be
    /// the primary is silent, nobody knows.
    fn nobody_writes(&mut self, view: &ClusterView) {
        let primary = view.primary();
        let silent = view.nodes.iter().find(|node| node.judgement.health == Health::Unknown);
        match (primary, silent) {
            (Some(primary), _) if primary.judgement.health == Health::Down => {
                let why = format!("{}, the primary, is down: {}", primary.node, primary.judgement.why);
                self.add(Severity::Lost, primary.judgement.since, Complaint::NoWritableNode { why });
            }
            (Some(primary), _) => {
                let why = format!("{}, the primary when last read, is {}: {}", primary.node, primary.judgement.health, primary.judgement.why);
                self.add(Severity::Unknown, primary.judgement.since, Complaint::WritableUnknown { why });
            }
            (None, Some(silent)) => {
                let why = format!("{} is unknown: {}", silent.node, silent.judgement.why);
                self.add(Severity::Unknown, silent.judgement.since, Complaint::WritableUnknown { why });
            }
            (None, None) => {
                let why = "every node that answers follows, and no primary was ever seen".to_owned();
                self.add(Severity::Lost, None, Complaint::NoWritableNode { why });
            }
        }
    }

    fn nodes(&mut self, view: &ClusterView) {
        for node in view.nodes.iter().filter(|node| node.judgement.health == Health::Degraded) {
            let complaint = Complaint::NodeComplains { node: node.node.clone(), why: node.judgement.why.clone() };
            self.add(Severity::Watch, node.judgement.since, complaint);
        }
    }

    /// What is seen decides; the records say since when.
    fn protection(&mut self, view: &ClusterView) {
        let since = self.picture.exposure(&self.cluster.id).map(|exposure| exposure.since);
        match self.picture.protection(&self.cluster.id) {
            None | Some(Protection::Protected) => {}
            Some(Protection::Reduced { missing }) => self.add(Severity::Watch, since, Complaint::ReducedProtection { missing }),
            Some(Protection::Unprotected { missing }) => {
                let unknown = view.nodes.iter().all(|node| view.standing(node, &self.rule, self.picture.now) == NodeStanding::Unknown);
                if unknown && !view.nodes.is_empty() {
                    self.add(Severity::Unknown, since, Complaint::ProtectionUnknown { missing });
                } else {
                    self.add(Severity::Act, since, Complaint::Unprotected { missing });
                }
            }
        }
    }

    /// Intended and observed routing compared (row 47). A closed route is part of a running operation, and an alarm else.
    fn route(&mut self) {
        let running = self.picture.records.active_on(&self.cluster.id).is_some_and(|operation| operation.state.is_running());
        match self.picture.route_of(&self.cluster.id) {
            // Of a router that is silent there is a finding of its own.
            Some(RouteStanding::Unknown { why }) if self.router_answers() => self.add(Severity::Unknown, None, Complaint::RouteUnknown { why }),
            Some(RouteStanding::Closed) if !running => self.add(Severity::Lost, None, Complaint::RouteClosed),
            Some(RouteStanding::Elsewhere { routed, writable }) if !running => {
                self.add(Severity::Lost, None, Complaint::RoutedElsewhere { routed, writable });
            }
            _ => {}
        }
    }

    /// What Patroni says, held against PostgreSQL; and a Patroni that nobody declared.
    fn patroni(&mut self, view: &ClusterView) {
        if let Some((node, seen)) = patroni::undeclared(self.cluster, view) {
            let complaint = Complaint::UndeclaredPatroni { node: node.node.clone(), seen: seen.to_owned() };
            self.add(Severity::Act, None, complaint);
        }
        if self.cluster.manager != Manager::Patroni {
            return;
        }
        let never = PatroniView::never_asked();
        let seen = self.picture.observed.patroni.get(&self.cluster.id).unwrap_or(&never);
        let said = match seen.now_says(&self.rule, self.picture.now) {
            Ok(said) => said,
            Err(why) => {
                let severity = if seen.judgement.is_ok() { Severity::Unknown } else { platform::severity(seen.judgement.health) };
                self.add(severity, seen.judgement.since, Complaint::PatroniSilent { why });
                return;
            }
        };
        if let Some(differs) = patroni::disagreement(said, view, &self.rule, self.picture.now) {
            let complaint = Complaint::PatroniDisagrees { leader: differs.leader, writable: differs.writable };
            self.add(Severity::Act, Some(said.at), complaint);
        }
        if said.paused {
            self.add(Severity::Watch, None, Complaint::PatroniPaused);
        }
        let unlisted = self.cluster.nodes.iter().filter(|node| said.member(&node.id).is_none());
        let undeclared = said.members.iter().filter(|member| !self.cluster.nodes.iter().any(|node| node.id.as_str() == member.name));
        let differ: Vec<String> = unlisted
            .map(|node| format!("Patroni does not list {}", node.id))
            .chain(undeclared.map(|member| format!("the estate does not have {}", member.name)))
            .collect();
        if !differ.is_empty() {
            self.add(Severity::Watch, None, Complaint::PatroniMembersDiffer { differ });
        }
    }

    fn router_answers(&self) -> bool {
        self.picture.observed.routers.get(&self.cluster.id).is_none_or(Judgement::is_ok)
    }

    fn router(&mut self) {
        if self.cluster.router.is_none() {
            return;
        }
        let never = Judgement::never_measured();
        let judgement = self.picture.observed.routers.get(&self.cluster.id).unwrap_or(&never).clone();
        if !judgement.is_ok() {
            let complaint = Complaint::RouterSilent { why: judgement.why };
            self.add(platform::severity(judgement.health), judgement.since, complaint);
        }
    }
}
