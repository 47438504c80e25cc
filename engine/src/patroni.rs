//! Patroni, where it runs a cluster: what it says of it, held against what PostgreSQL says, and the rule that a cluster has one
//! manager. Of a cluster that Patroni runs Lifeboat reads, asks Patroni, and proves; it never starts, stops, promotes or
//! rewinds a node there, nor where Patroni was seen at work on a cluster that is declared to be Lifeboat's own.

use crate::{
    databases::{ClusterView, Exclusion, NodeView},
    estate::{Cluster, Detection, Manager},
    failover::Action,
    health::{Health, Judgement},
    id::NodeId,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// Everything known of the Patroni of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatroniView {
    /// Whether its REST API answers.
    pub judgement: Judgement,
    /// What it said last, however old.
    pub said: Option<PatroniReading>,
}

/// One answer of `GET /cluster`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatroniReading {
    pub at: Instant,
    /// The node whose Patroni answered.
    pub by: NodeId,
    pub members: Vec<Member>,
    /// In maintenance mode: it fails nothing over by itself.
    pub paused: bool,
    pub scheduled: Option<Scheduled>,
}

/// One member as Patroni sees it. Its name equals the node's id where the cluster is set up as documented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    pub role: MemberRole,
    /// `running`, `streaming`, `stopped`, `starting`, …
    pub state: String,
    pub timeline: Option<u32>,
    /// Bytes behind; absent where Patroni does not know.
    pub lag: Option<u64>,
    pub tags: Tags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberRole {
    Leader,
    /// Leads a cluster that as a whole follows another one: it takes no writes.
    StandbyLeader,
    SyncStandby,
    Replica,
}

/// The tags that decide who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tags {
    pub nofailover: bool,
    pub nosync: bool,
    pub clonefrom: bool,
}

/// A switchover that somebody has scheduled in Patroni.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    pub at: Instant,
    pub to: Option<String>,
}

impl MemberRole {
    /// The word that Patroni uses.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberRole::Leader => "leader",
            MemberRole::StandbyLeader => "standby_leader",
            MemberRole::SyncStandby => "sync_standby",
            MemberRole::Replica => "replica",
        }
    }
}

impl Member {
    /// Whether its PostgreSQL runs, by Patroni's word.
    pub fn is_running(&self) -> bool {
        matches!(self.state.as_str(), "running" | "streaming")
    }
}

impl PatroniReading {
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.name == node.as_str())
    }
    /// Who leads by Patroni's word, in a cluster that takes writes.
    pub fn leader(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.role == MemberRole::Leader)
    }
    /// Whether Patroni lets commits wait for a standby; then it hands over to nobody else.
    fn is_synchronous(&self) -> bool {
        self.members.iter().any(|member| member.role == MemberRole::SyncStandby)
    }
    /// What Patroni has against handing the cluster to `node`. It would refuse, or the node could not take over.
    pub fn exclusions(&self, node: &NodeId, handover: Handover) -> Vec<Exclusion> {
        let Some(member) = self.member(node) else { return vec![Exclusion::NotAMember] };
        let mut found = Vec::new();
        if member.tags.nofailover {
            found.push(Exclusion::TaggedNoFailover);
        }
        if !member.is_running() {
            found.push(Exclusion::PatroniState { state: member.state.clone() });
        }
        if handover == Handover::Planned && self.is_synchronous() && member.role == MemberRole::Replica {
            found.push(Exclusion::NotPatronisSyncStandby);
        }
        found
    }
}

/// What Patroni is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    Planned,
    Emergency,
}

impl PatroniView {
    pub fn never_asked() -> Self {
        Self { judgement: Judgement::never_measured(), said: None }
    }
    /// What it says now.
    ///
    /// # Errors
    /// Why that is not known: its API does not answer, or what it said last is too old to be believed.
    pub fn now_says(&self, rule: &Detection, now: Instant) -> Result<&PatroniReading, String> {
        if !matches!(self.judgement.health, Health::Ok | Health::Degraded) {
            return Err(self.judgement.why.clone());
        }
        let said = self.said.as_ref().ok_or("it has never answered")?;
        let age = Span::between(said.at, now).max(Span::between(now, said.at));
        if age > rule.silence() { Err(format!("its last answer is {} old", age.rough())) } else { Ok(said) }
    }
}

/// Where Patroni's leader and the node that takes the writes, by PostgreSQL's own word, are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    pub leader: Option<String>,
    pub writable: NodeId,
}

/// `None` where they agree, and where there is no one node that takes writes: that is complained of by itself. Only fresh words
/// are held against each other.
pub fn disagreement(said: &PatroniReading, view: &ClusterView, rule: &Detection, now: Instant) -> Option<Disagreement> {
    let [writable] = view.writable()[..] else { return None };
    let leader = said.leader().map(|member| member.name.clone());
    let differs = !writable.is_stale(rule, now) && leader.as_deref() != Some(writable.node.as_str());
    differs.then(|| Disagreement { leader, writable: writable.node.clone() })
}

/// Why a step may not be done: it would make a second manager.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwoManagers {
    #[error("Patroni runs {cluster}: it alone starts, stops, promotes and rewinds its nodes, and Lifeboat only asks it to")]
    PatroniRuns { cluster: String },
    #[error("{node} is run by Patroni, whose connection “{seen}” was seen on it, and the estate says that {cluster} is Lifeboat's own")]
    Undeclared { cluster: String, node: NodeId, seen: String },
    #[error("the estate does not say that Patroni runs {cluster}, so it is not asked")]
    NotPatronis { cluster: String },
}

/// What forbids `action` on a cluster, whatever plan it stands in. Planning and the executor both ask.
pub fn forbidden(cluster: &Cluster, view: Option<&ClusterView>, action: &Action) -> Option<TwoManagers> {
    let name = cluster.id.to_string();
    match cluster.manager {
        Manager::Patroni if action.runs_nodes() => Some(TwoManagers::PatroniRuns { cluster: name }),
        Manager::Lifeboat if action.asks_patroni() => Some(TwoManagers::NotPatronis { cluster: name }),
        Manager::Lifeboat if action.runs_nodes() => {
            let (node, seen) = undeclared(cluster, view?)?;
            Some(TwoManagers::Undeclared { cluster: name, node: node.node.clone(), seen: seen.to_owned() })
        }
        Manager::Patroni | Manager::Lifeboat => None,
    }
}

/// A node of a cluster that is declared to be Lifeboat's own, and on which Patroni was seen at work. The last reading of each node
/// counts, however old: who ran a node before it fell silent will run it when it is back.
pub fn undeclared<'a>(cluster: &Cluster, view: &'a ClusterView) -> Option<(&'a NodeView, &'a str)> {
    if cluster.manager != Manager::Lifeboat {
        return None;
    }
    view.nodes.iter().find_map(|node| Some((node, node.reading.as_ref()?.manager_seen.as_deref()?)))
}
