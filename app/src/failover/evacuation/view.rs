//! What the confirmation page of an evacuation shows: which members go where, wave by wave, what cannot be moved and why,
//! what stands in its way, and the form that asks for exactly that.

use crate::{
    databases::plan::view::{Affected, Loss, Obstacle, affected, barred, obstacles, passed_over},
    failover::{plan::view::ModeChoice, rehearsal::Rehearsal},
    operations::{
        line::{OperationLine, about_href},
        words,
    },
    session::Viewer,
};
use engine::{
    failover::{Mode, OperationKind, halting, plan::Member},
    id::{OperationId, RegionId, Scope},
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct EvacuationPage {
    pub now: Instant,
    pub region: String,
    pub title: String,
    pub modes: Vec<ModeChoice>,
    /// Dependencies before their users.
    pub waves: Vec<Vec<MemberRow>>,
    pub staying: Vec<MemberRow>,
    /// What is told to monitoring, before the first wave and after the last.
    pub tells: Vec<String>,
    pub loss: Loss,
    pub affected: Vec<Affected>,
    pub rto: Option<Span>,
    pub rpo: Option<Span>,
    pub outage_since: Option<Instant>,
    pub rehearsal: Rehearsal,
    /// No override lifts these.
    pub hard: Vec<Obstacle>,
    pub passed_over: Vec<Obstacle>,
    /// Two people may decide to go on all the same.
    pub overridable: Vec<Obstacle>,
    /// The same, and breaking them takes an approver.
    pub rules: Vec<Obstacle>,
    pub held_by: Option<OperationLine>,
    /// Why this person cannot request it.
    pub barred: Option<String>,
    pub form: Form,
}

/// One member, and where it goes or why it cannot.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct MemberRow {
    pub name: String,
    pub href: String,
    pub says: String,
}

/// What the form sends.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Form {
    pub id: OperationId,
    pub mode: String,
    pub plan_hash: String,
    pub does: String,
    pub follows: String,
}

impl EvacuationPage {
    /// `id` is the operation's, if the form is sent. `None` where there is no such region.
    pub fn of(picture: &Picture, viewer: &Viewer, region: &RegionId, mode: Mode, id: OperationId) -> Option<Self> {
        let plan = picture.evacuation_plan(region, mode)?;
        let change = plan.evacuation()?;
        Some(Self {
            now: picture.now,
            region: region.to_string(),
            title: words::title(&plan),
            modes: modes(region, mode),
            waves: change.waves.iter().map(|wave| wave.iter().map(|member| MemberRow::of(picture, member)).collect()).collect(),
            staying: change.staying.iter().map(|(scope, why)| MemberRow::at(scope, why.clone())).collect(),
            tells: plan.steps.iter().filter(|step| step.action.only_tells()).map(|step| words::step_of(&plan, &step.action)).collect(),
            loss: Loss::of(&plan),
            affected: affected(picture, &plan),
            rto: plan.rto,
            rpo: plan.rpo,
            outage_since: plan.outage_since,
            rehearsal: Rehearsal::of(picture, &plan.scope()),
            hard: obstacles(plan.hard_blockers()),
            passed_over: passed_over(&plan),
            overridable: obstacles(plan.overridable_blockers().into_iter().filter(|blocker| !blocker.is_safety_rule())),
            rules: obstacles(plan.rules_to_break()),
            held_by: halting::in_the_way(&picture.records, &plan).map(OperationLine::of),
            barred: barred(viewer, &plan),
            form: Form {
                id,
                mode: mode.to_string(),
                plan_hash: plan.hash(),
                does: words::request_in_words(&plan),
                follows: match mode {
                    Mode::Test => "It starts at once; no second person is asked, because it moves nobody.".to_owned(),
                    Mode::Planned => {
                        format!("{} It stops and asks at the first one that fails.", words::consent_in_words(&plan, "these members"))
                    }
                    Mode::Emergency => format!(
                        "{} The others go on past a member that fails; at the end it stands in doubt about those.",
                        words::consent_in_words(&plan, "these members")
                    ),
                },
            },
        })
    }
}

impl MemberRow {
    fn of(picture: &Picture, member: &Member) -> Self {
        let service = member.scope.service().and_then(|id| picture.estate.service(id));
        let pretends = service.and_then(|service| service.traffic.as_ref()).is_some_and(|traffic| traffic.by.is_simulated());
        let says = match member.kind {
            _ if pretends => format!("clients would go to {}", member.to),
            OperationKind::Failover => format!("failover to {}", member.to),
            OperationKind::Switchover => format!("switchover to {}", member.to),
            _ => format!("clients go to {}", member.to),
        };
        let simulated = if pretends || member.simulated { "SIMULATED: " } else { "" };
        Self::at(&member.scope, format!("{simulated}{says}"))
    }
    fn at(scope: &Scope, says: String) -> Self {
        Self { name: scope.name().to_owned(), href: about_href(scope), says }
    }
}

fn modes(region: &RegionId, chosen: Mode) -> Vec<ModeChoice> {
    let choice = |mode: Mode| ModeChoice {
        href: words::evacuation_href(region, mode),
        name: mode.to_string(),
        means: match mode {
            Mode::Planned => "Stops and asks at the first member that fails.",
            Mode::Emergency => "Takes what can be moved, and records what cannot.",
            Mode::Test => "Rehearses every service, and no database; moves nobody. A pass is no guarantee.",
        }
        .to_owned(),
        chosen: mode == chosen,
    };
    [Mode::Planned, Mode::Emergency, Mode::Test].map(choice).into()
}
