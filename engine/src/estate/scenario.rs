//! What is tested, how, and what counts as success. A scenario is a template: a run owns a frozen copy of it, so that editing it
//! leaves every earlier run as it was (trap T1).

use super::{Estate, Tier};
use crate::{
    failover::{Mode, OperationKind},
    id::{ClusterId, FaultId, NodeId, ScenarioId, Scope, ServiceId},
    time::Span,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// How far a DR test goes, from talk to the real thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestType {
    /// People talk it through at a table.
    Tabletop,
    /// People go through the steps at the systems, and change nothing.
    Walkthrough,
    /// Something is made to look broken, or the move is rehearsed.
    Simulation,
    /// A second system is brought up beside the first, which goes on.
    Parallel,
    /// The real thing: service moves.
    Full,
}

impl TestType {
    /// Whether it can show how long recovery takes. What is only talked about has no recovery time, not one of zero (trap T5).
    pub fn measures(self) -> bool {
        !matches!(self, TestType::Tabletop | TestType::Walkthrough)
    }
}

impl fmt::Display for TestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TestType::Tabletop => "tabletop",
            TestType::Walkthrough => "walkthrough",
            TestType::Simulation => "simulation",
            TestType::Parallel => "parallel",
            TestType::Full => "full",
        })
    }
}

/// What has gone wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisasterType {
    RegionalOutage,
    DataCenterFailure,
    DataCorruption,
    ProviderOutage,
    SecurityIncident,
    NetworkPartition,
}

impl fmt::Display for DisasterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DisasterType::RegionalOutage => "regional outage",
            DisasterType::DataCenterFailure => "data centre failure",
            DisasterType::DataCorruption => "data corruption",
            DisasterType::ProviderOutage => "provider outage",
            DisasterType::SecurityIncident => "security incident",
            DisasterType::NetworkPartition => "network partition",
        })
    }
}

/// What a test can do to the platform. It follows from the scenario and is never typed (trap T13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    Low,
    Medium,
    High,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
        })
    }
}

/// One DR test as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub id: ScenarioId,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: TestType,
    pub disaster: DisasterType,
    pub services: Vec<ServiceId>,
    /// How often it is to be carried out; absent: whenever somebody likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// It starts only while maintenance is announced for one of its services or their clusters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_window: bool,
    /// So many people beside the one who starts it must approve it. What acts for real takes one at least, whatever stands here.
    #[serde(default)]
    pub approvals: u32,
    #[serde(default, rename = "step")]
    pub steps: Vec<ScenarioStep>,
    /// What must be true of a run that passed, beside that all of its steps did.
    #[serde(default, rename = "criterion")]
    pub criteria: Vec<Criterion>,
    /// What ends a run at once.
    #[serde(default, rename = "guardrail", skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<Guardrail>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioStep {
    pub name: String,
    /// What is seen where it went well.
    pub expected: String,
    /// How long it takes, as a rule.
    pub estimate: Span,
    #[serde(default, skip_serializing_if = "StepAction::is_manual")]
    pub does: StepAction,
    /// What the measurement of the recovery time counts from or to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<Mark>,
    /// It puts things back: it is carried out however the run went (trap T14).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleanup: bool,
}

/// What the product does itself in a step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", deny_unknown_fields)]
pub enum StepAction {
    /// People do it, and say how it went.
    #[default]
    Manual,
    /// Looks whether this is known to be well.
    CheckWell { scope: Scope, within: Span },
    /// Waits until this is known not to be well.
    AwaitDetection { scope: Scope, within: Span },
    /// Runs the command `[fault.NAME]` of the server's configuration; where there is none the step fails.
    InjectFault { fault: FaultId },
    /// Requests an operation, or takes the one that the product has requested itself, and waits for its end. Whoever must
    /// approve it otherwise must approve it here.
    Operation {
        kind: OperationKind,
        scope: Scope,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// Of moves of clients; writes of a database have no rehearsal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<Mode>,
        within: Span,
    },
}

impl StepAction {
    pub fn is_manual(&self) -> bool {
        *self == StepAction::Manual
    }
    /// Whether it changes what serves real users.
    pub fn acts_for_real(&self) -> bool {
        match self {
            StepAction::InjectFault { .. } => true,
            StepAction::Operation { mode, .. } => *mode != Some(Mode::Test),
            StepAction::Manual | StepAction::CheckWell { .. } | StepAction::AwaitDetection { .. } => false,
        }
    }
    /// In words, for pages and reports.
    pub fn in_words(&self) -> String {
        match self {
            StepAction::Manual => "by hand".to_owned(),
            StepAction::CheckWell { scope, within } => format!("waits until {} is well, for {within} at most", scope.name()),
            StepAction::AwaitDetection { scope, within } => format!("waits until {} is seen to fail, for {within} at most", scope.name()),
            StepAction::InjectFault { fault } => format!("runs the fault {fault}"),
            StepAction::Operation { kind, scope, mode, within, .. } => {
                let mode = mode.map(|mode| format!(" ({mode})")).unwrap_or_default();
                format!("{kind}{mode} of {}, for {within} at most", scope.name())
            }
        }
    }
}

/// A moment that the recovery time is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// The outage begins as this step begins.
    OutageBegins,
    /// The service works again once this step has passed.
    ServiceRestored,
}

/// What can be judged without anybody's opinion. What a run must achieve is the objective of the service itself, so that no
/// scenario can promise less than the service does (trap T12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", deny_unknown_fields)]
pub enum Criterion {
    /// The measured recovery time is within the service's objective.
    RtoMet { service: ServiceId },
    /// The measured loss is within the service's objective.
    RpoMet { service: ServiceId },
    /// It was measured, and nothing was lost.
    NothingLost,
    /// The step of this name passed.
    StepPassed { step: String },
    /// The step of this name passed and took no longer.
    StepWithin { step: String, most: Span },
}

impl Criterion {
    /// The service whose objective it is bound to.
    pub fn service(&self) -> Option<&ServiceId> {
        match self {
            Criterion::RtoMet { service } | Criterion::RpoMet { service } => Some(service),
            Criterion::NothingLost | Criterion::StepPassed { .. } | Criterion::StepWithin { .. } => None,
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Criterion::RtoMet { service } => write!(f, "the recovery time is within the RTO of {service}"),
            Criterion::RpoMet { service } => write!(f, "the loss is within the RPO of {service}"),
            Criterion::NothingLost => f.write_str("nothing was lost"),
            Criterion::StepPassed { step } => write!(f, "“{step}” passed"),
            Criterion::StepWithin { step, most } => write!(f, "“{step}” passed within {most}"),
        }
    }
}

/// What is watched while a run goes on. What cannot be seen counts as breached at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "watch", deny_unknown_fields)]
pub enum Guardrail {
    /// This must stay well, as a service that the test has nothing to do with.
    Well { scope: Scope },
    /// No standby of the cluster may lag further behind.
    Lag { cluster: ClusterId, most: Span },
}

impl fmt::Display for Guardrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Guardrail::Well { scope } => write!(f, "{} stays well", scope.name()),
            Guardrail::Lag { cluster, most } => write!(f, "standbys of {cluster} lag at most {most}"),
        }
    }
}

impl Scenario {
    /// The version of what is declared: the beginning of the hash of all of it.
    pub fn version(&self) -> String {
        // A plain value always has a text; the id stands in where it had none.
        let text = serde_json::to_vec(self).unwrap_or_else(|_| self.id.as_str().as_bytes().to_vec());
        Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
    pub fn acts_for_real(&self) -> bool {
        self.steps.iter().any(|step| step.does.acts_for_real())
    }
    /// How many people must approve a run, beside the one who starts it.
    pub fn approvals_needed(&self) -> u32 {
        if self.acts_for_real() { self.approvals.max(1) } else { self.approvals }
    }
    /// How long a run takes, as a rule.
    pub fn estimate(&self) -> Span {
        self.steps.iter().fold(Span::ZERO, |sum, step| sum.saturating_add(step.estimate))
    }
    pub fn risk(&self, estate: &Estate) -> Risk {
        let critical = self.services.iter().filter_map(|id| estate.service(id)).any(|service| service.tier == Tier::ALL[0]);
        match self.kind {
            TestType::Full if critical || self.services.len() > 1 => Risk::High,
            TestType::Full => Risk::Medium,
            _ if self.acts_for_real() => Risk::High,
            TestType::Simulation | TestType::Parallel if critical => Risk::Medium,
            TestType::Tabletop | TestType::Walkthrough | TestType::Simulation | TestType::Parallel => Risk::Low,
        }
    }
    /// What is wrong with it as it is declared, each in a sentence's words; none of it can be started then (trap T17).
    pub fn complaints(&self, estate: &Estate) -> Vec<String> {
        let mut all = Vec::new();
        if self.steps.is_empty() {
            all.push("it has no steps".to_owned());
        }
        for service in self.services.iter().filter(|id| estate.service(id).is_none()) {
            all.push(format!("it names the service {service}, which is not declared"));
        }
        for (at, step) in self.steps.iter().enumerate() {
            if self.steps[..at].iter().any(|other| other.name == step.name) {
                all.push(format!("two steps are called “{}”", step.name));
            }
            match &step.does {
                StepAction::CheckWell { scope, .. } | StepAction::AwaitDetection { scope, .. } | StepAction::Operation { scope, .. }
                    if !is_declared(estate, scope) =>
                {
                    all.push(format!("“{}” is about {scope}, which is not declared", step.name));
                }
                StepAction::Operation { kind, scope, mode: None, .. } if scope.cluster().is_none() => {
                    all.push(format!("“{}”: a {kind} of {} must say its mode", step.name, scope.name()));
                }
                _ => {}
            }
        }
        for criterion in &self.criteria {
            match criterion {
                Criterion::RtoMet { service } | Criterion::RpoMet { service } if estate.service(service).is_none() => {
                    all.push(format!("the criterion “{criterion}” is about a service that is not declared"));
                }
                Criterion::StepPassed { step } | Criterion::StepWithin { step, .. } if !self.steps.iter().any(|known| known.name == *step) => {
                    all.push(format!("the criterion “{criterion}” is about a step that it does not have"));
                }
                Criterion::RtoMet { .. } | Criterion::RpoMet { .. } | Criterion::NothingLost if !self.kind.measures() => {
                    all.push(format!("a {} measures nothing, so the criterion “{criterion}” can never be met", self.kind));
                }
                _ => {}
            }
        }
        all
    }
}

fn is_declared(estate: &Estate, scope: &Scope) -> bool {
    match scope {
        Scope::Cluster(id) => estate.cluster(id).is_some(),
        Scope::Service(id) => estate.service(id).is_some(),
        Scope::Region(id) => estate.region(id).is_some(),
        Scope::Backup(id) => estate.backup_policy(id).is_some(),
    }
}
