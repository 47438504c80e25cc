//! Plans: what an operation will do, step by step, with the facts it rests on, what it can cost and what stands in its
//! way. A plan is a value; how one is made says `planning`.

use crate::{
    databases::{Candidate, Exclusion, LossBound},
    id::{ClusterId, NodeId, ServiceId},
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Planned: the writes stop, the target catches up, then it takes over. Any error before promotion puts writes back.
    Switchover,
    /// Emergency: the primary is fenced, the target takes over with a stated loss bound.
    Failover,
    /// A node that fell behind or was replaced becomes a standby again.
    Rejoin,
}

impl OperationKind {
    /// Whether clients will be sent to another node.
    fn moves_the_writes(self) -> bool {
        match self {
            OperationKind::Switchover | OperationKind::Failover => true,
            OperationKind::Rejoin => false,
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OperationKind::Switchover => "switchover",
            OperationKind::Failover => "failover",
            OperationKind::Rejoin => "rejoin",
        })
    }
}

/// One thing a step does to the world. Each is idempotent: it looks first, and doing it twice does it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Read the node afresh and refuse if it could not take over.
    CheckTarget {
        node: NodeId,
    },
    /// No client reaches any node through the router, and open client connections are closed.
    CloseRoute {
        was: Option<NodeId>,
    },
    /// Clients reach exactly this node.
    OpenRoute {
        node: NodeId,
    },
    /// Stop the node cleanly through its host agent.
    StopNode {
        node: NodeId,
    },
    StartNode {
        node: NodeId,
    },
    /// Wait until the target holds every byte the stopped source wrote.
    CatchUp {
        source: NodeId,
        target: NodeId,
    },
    /// Make sure that the node cannot take a write any more.
    Fence {
        node: NodeId,
        by: FenceMeans,
    },
    Promote {
        node: NodeId,
    },
    /// The node says of itself that it is writable, on a new timeline.
    VerifyWritable {
        node: NodeId,
    },
    /// Write a row through the router as a client would, and read it back.
    ProveWrite {
        node: NodeId,
    },
    /// Let these nodes follow `upstream`.
    Repoint {
        nodes: Vec<NodeId>,
        upstream: NodeId,
    },
    /// Count what the fenced node wrote that the promoted one does not have.
    MeasureLoss {
        source: NodeId,
        target: NodeId,
        /// The one `source` wrote on.
        timeline: u32,
    },
    /// A checkpoint on the primary; without it `pg_rewind` was seen to call a diverged node sound.
    Checkpoint {
        node: NodeId,
    },
    /// Take back what the node wrote beyond the common history; copy it anew where that is not possible.
    Rewind {
        node: NodeId,
        from: NodeId,
    },
    /// Start the node as a standby of `upstream`.
    Follow {
        node: NodeId,
        upstream: NodeId,
    },
    /// Each of these streams from `upstream`, on its timeline.
    ProveStreaming {
        nodes: Vec<NodeId>,
        upstream: NodeId,
    },
}

/// How the old primary is kept from taking writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FenceMeans {
    /// Its host agent ends the processes and proves them gone.
    HostAgent,
    /// Clients are cut at the router and the target is its synchronous standby, so it can acknowledge nothing.
    RouterAndSynchronousStandby,
    /// Not proven. Two people accepted that, and the record says so.
    Overridden,
}

/// What follows when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Undo what was done, in reverse, and end as failed. Only before the promotion.
    Compensate,
    /// Stop and ask a person: the truth is not known, or going back would do harm.
    StandInDoubt,
    /// Record it and go on: the service works already, the shortfall stays visible.
    GoOn,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub action: Action,
    pub timeout: Span,
    pub undo: Option<Action>,
    pub on_failure: OnFailure,
}

impl Step {
    pub(super) fn new(action: Action, timeout: Span, on_failure: OnFailure) -> Self {
        Self { action, timeout, undo: None, on_failure }
    }
    pub(super) fn undone_by(mut self, undo: Action) -> Self {
        self.undo = Some(undo);
        self
    }
}

/// Something that stands in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "blocker")]
pub enum Blocker {
    #[error("no node can take over: {}", reasons.join("; "))]
    NoCandidate { reasons: Vec<String> },
    #[error("{node} cannot be promoted: {}", exclusions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    TargetExcluded { node: NodeId, exclusions: Vec<Exclusion> },
    #[error("{node} is not a node of this cluster")]
    UnknownNode { node: NodeId },
    #[error("no node was ever seen as primary")]
    NoPrimary,
    #[error("more than one node takes writes ({}); fence all but one first", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    TwoWritable { nodes: Vec<NodeId> },
    #[error("the primary {node} does not take writes now ({why}), so a planned switchover is not possible; use a failover")]
    PrimaryNotWritable { node: NodeId, why: String },
    #[error("the primary {node} answers; a planned switchover loses nothing, a failover may")]
    PrimaryHealthy { node: NodeId },
    #[error("{node} cannot be fenced by proof: {why}")]
    FenceUnproven { node: NodeId, why: String },
    #[error("the host agent of {node} does not answer, so the node cannot be controlled: {why}")]
    NoHostAgent { node: NodeId, why: String },
    #[error("the cluster has no router set up, so clients cannot be moved")]
    NoRouter,
    #[error("the router does not answer, so clients cannot be moved: {why}")]
    RouterSilent { why: String },
    #[error("{node} is the primary; only another node can rejoin")]
    IsThePrimary { node: NodeId },
    #[error("{node} already streams from {upstream}")]
    AlreadyStreaming { node: NodeId, upstream: NodeId },
}

impl Blocker {
    /// Whether two people may decide to go on all the same.
    pub fn can_be_overridden(&self) -> bool {
        matches!(self, Blocker::PrimaryHealthy { .. } | Blocker::FenceUnproven { .. })
    }

    /// The kind of blocker without its details.
    fn name(&self) -> &'static str {
        match self {
            Blocker::NoCandidate { .. } => "no-candidate",
            Blocker::TargetExcluded { .. } => "target-excluded",
            Blocker::UnknownNode { .. } => "unknown-node",
            Blocker::NoPrimary => "no-primary",
            Blocker::TwoWritable { .. } => "two-writable",
            Blocker::PrimaryNotWritable { .. } => "primary-not-writable",
            Blocker::PrimaryHealthy { .. } => "primary-healthy",
            Blocker::FenceUnproven { .. } => "fence-unproven",
            Blocker::NoHostAgent { .. } => "no-host-agent",
            Blocker::NoRouter => "no-router",
            Blocker::RouterSilent { .. } => "router-silent",
            Blocker::IsThePrimary { .. } => "is-the-primary",
            Blocker::AlreadyStreaming { .. } => "already-streaming",
        }
    }
}

/// What the plan rests on. When one of these has changed, an approval of the plan is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    pub primary: Option<NodeId>,
    pub timeline: Option<u32>,
}

/// A plan for one operation on one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub kind: OperationKind,
    pub cluster: ClusterId,
    /// The node that gives up the writes; for a rejoin the node that is to follow.
    pub source: Option<NodeId>,
    /// The node that takes the writes; for a rejoin the one to follow. Absent where none can.
    pub target: Option<NodeId>,
    pub steps: Vec<Step>,
    pub loss: LossBound,
    pub basis: Basis,
    /// All nodes with what speaks for and against them.
    pub candidates: Vec<Candidate>,
    /// The service itself and all that depend on it, directly or not.
    pub affected: Vec<ServiceId>,
    pub blockers: Vec<Blocker>,
    /// First failed probe of the primary; the recovery time counts from here. Absent for a planned move.
    pub outage_since: Option<Instant>,
    /// The service's recovery time objective at the time of planning; a later edit does not rewrite the verdict.
    pub rto: Option<Span>,
    pub rpo: Option<Span>,
    pub made_at: Instant,
}

impl Plan {
    /// Identifies what would be done: kind, cluster, nodes, steps, loss bound, basis and what has to be overridden. Reasons, positions and the
    /// time of planning are left out, so that samples that change nothing do not change it.
    /// SHA-256 over the JSON of those fields, in hexadecimal.
    pub fn hash(&self) -> String {
        // What an override would lift belongs to it: agreeing to one is not agreeing to another that came up since.
        let lifted: Vec<&str> = self.overridable_blockers().iter().map(|blocker| blocker.name()).collect();
        let essence = (&self.kind, &self.cluster, &self.source, &self.target, &self.steps, &self.loss, &self.basis, &lifted);
        // Serialising these plain types to a string cannot fail; an empty text would only make every plan look changed.
        let text = serde_json::to_string(&essence).unwrap_or_default();
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a second person must agree: to every move of the writes, and to whatever else may cost data or sets a
    /// check aside.
    pub fn requires_approval(&self) -> bool {
        self.kind.moves_the_writes() || !self.loss.is_zero() || !self.overridable_blockers().is_empty()
    }

    /// The blockers no override can lift.
    pub fn hard_blockers(&self) -> Vec<&Blocker> {
        self.blockers.iter().filter(|blocker| !blocker.can_be_overridden()).collect()
    }
    pub fn overridable_blockers(&self) -> Vec<&Blocker> {
        self.blockers.iter().filter(|blocker| blocker.can_be_overridden()).collect()
    }

    /// What a person sees differ between the plan they agreed to and the one that would be made now. Empty when the
    /// earlier agreement still holds.
    pub fn changes_since(&self, agreed: &Plan) -> Vec<String> {
        let mut changes = Vec::new();
        let name = |node: &Option<NodeId>| node.as_ref().map_or("none".to_owned(), ToString::to_string);
        if self.basis.primary != agreed.basis.primary {
            changes.push(format!("the active node was {} and is now {}", name(&agreed.basis.primary), name(&self.basis.primary)));
        }
        if self.basis.timeline != agreed.basis.timeline {
            changes.push("the cluster has moved to another timeline".to_owned());
        }
        if self.target != agreed.target {
            changes.push(format!("the target was {} and would now be {}", name(&agreed.target), name(&self.target)));
        }
        if !agreed.loss.covers(&self.loss) {
            changes.push(format!("the loss bound was “{}” and is now “{}”", agreed.loss.in_words(), self.loss.in_words()));
        }
        if self.steps != agreed.steps {
            changes.push("the steps would be different now".to_owned());
        }
        for blocker in &self.blockers {
            if !agreed.blockers.iter().any(|known| known.name() == blocker.name()) {
                changes.push(blocker.to_string());
            }
        }
        changes
    }
}
