//! What the confirmation page of a move shows: which regions and why not others, what would be done, what stands in its
//! way and which safety rules it would break, and the form that asks for exactly that.

use crate::{
    databases::{
        plan::view::{Affected, Loss, Obstacle, PlannedStep, affected, barred, obstacles, passed_over, steps},
        standing::Headline,
    },
    failover::{
        rehearsal::Rehearsal,
        view::{RegionRow, headline},
    },
    operations::{line::OperationLine, words},
    session::Viewer,
};
use engine::{
    abilities::Abilities,
    estate::StrategyKind,
    failover::{Mode, Plan, halting},
    id::{OperationId, RegionId, ServiceId},
    picture::Picture,
    time::{Instant, Span},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct MovePage {
    pub now: Instant,
    pub service: String,
    pub title: String,
    pub simulated: bool,
    pub headline: Headline,
    pub modes: Vec<ModeChoice>,
    pub regions: Vec<RegionRow>,
    /// What sends its clients, and what can be expected of that.
    pub sends: Option<Sends>,
    pub steps: Vec<PlannedStep>,
    pub loss: Loss,
    pub affected: Vec<Affected>,
    pub rto: Option<Span>,
    pub rpo: Option<Span>,
    pub outage_since: Option<Instant>,
    pub rehearsal: Rehearsal,
    /// No override lifts these.
    pub hard: Vec<Obstacle>,
    /// What would keep Lifeboat itself from it, and does not keep people.
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

/// What sends the clients of a service.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Sends {
    pub by: String,
    /// Its capability flags in words. Empty where nothing was set up yet.
    pub abilities: Vec<String>,
}

/// The same move in another mode.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ModeChoice {
    pub href: String,
    pub name: String,
    pub means: String,
    pub chosen: bool,
}

/// What the form sends.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Form {
    pub id: OperationId,
    pub mode: String,
    pub to: String,
    pub plan_hash: String,
    pub does: String,
    pub follows: String,
}

/// What the address of the page asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub service: ServiceId,
    pub mode: Mode,
    pub to: Option<BTreeSet<RegionId>>,
}

impl MovePage {
    /// `id` is the operation's, if the form is sent. `None` where there is no such service.
    pub fn of(picture: &Picture, viewer: &Viewer, asked: &Asked, id: OperationId) -> Option<Self> {
        let service = picture.estate.service(&asked.service)?;
        let plan = picture.traffic_plan(&asked.service, asked.mode, asked.to.as_ref())?;
        let change = plan.traffic()?;
        let one_at_a_time = picture.estate.strategy_of(service).is_none_or(|strategy| strategy.kind != StrategyKind::ActiveActive);
        let regions = change.regions.iter().map(|candidate| {
            let mut row = RegionRow::of(picture, service, candidate);
            row.chosen = change.to.contains(&candidate.region);
            row.other = other(asked, &change.to, &candidate.region, one_at_a_time);
            row
        });
        let to: Vec<&str> = change.to.iter().map(RegionId::as_str).collect();
        Some(Self {
            now: picture.now,
            service: service.id.to_string(),
            title: words::title(&plan),
            simulated: change.simulated,
            headline: headline(picture, service),
            modes: modes(asked),
            regions: regions.collect(),
            sends: service.traffic.as_ref().map(|traffic| Sends {
                by: traffic.by.in_words(),
                abilities: picture.observed.abilities.get(&service.id).map(Abilities::in_words).unwrap_or_default(),
            }),
            steps: steps(&plan),
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
                mode: asked.mode.to_string(),
                to: to.join(","),
                plan_hash: plan.hash(),
                does: words::request_in_words(&plan),
                follows: follows(&plan).to_owned(),
            },
        })
    }

    /// Whether the form may be shown at all.
    pub fn can_be_requested(&self) -> bool {
        self.hard.is_empty() && self.held_by.is_none() && self.barred.is_none()
    }
}

fn follows(plan: &Plan) -> String {
    match (plan.mode(), plan.requires_approval()) {
        (_, true) => words::consent_in_words(plan, "this plan"),
        (Mode::Test, false) => "It starts at once; no second person is asked, because it moves nobody.".to_owned(),
        (_, false) => "It starts at once; no second person is asked, because the declared strategy leaves it to one.".to_owned(),
    }
}

fn modes(asked: &Asked) -> Vec<ModeChoice> {
    let choice = |mode: Mode| ModeChoice {
        href: words::traffic_plan_href(&asked.service, mode, asked.to.iter().flatten()),
        name: mode.to_string(),
        means: match mode {
            Mode::Planned => "Stops on any error and puts things back.",
            Mode::Emergency => "Goes on where the side that is left makes errors, and records each.",
            Mode::Test => "Does every check and rehearses the rest; moves nobody. A pass is no guarantee.",
        }
        .to_owned(),
        chosen: asked.mode == mode,
    };
    [Mode::Planned, Mode::Emergency, Mode::Test].map(choice).into()
}

/// The plan that differs in one region: in the place of the others where clients are in one region at a time, beside them
/// where there is a rotation. The last one cannot be taken out.
fn other(asked: &Asked, to: &BTreeSet<RegionId>, region: &RegionId, one_at_a_time: bool) -> Option<(String, String)> {
    let (does, to): (String, BTreeSet<RegionId>) = match (to.contains(region), one_at_a_time) {
        (true, _) if to.len() == 1 => return None,
        (true, _) => (format!("Plan without {region}"), to.iter().filter(|other| *other != region).cloned().collect()),
        (false, true) => (format!("Plan with {region} instead"), BTreeSet::from([region.clone()])),
        (false, false) => (format!("Plan with {region} too"), to.iter().chain([region]).cloned().collect()),
    };
    Some((words::traffic_plan_href(&asked.service, asked.mode, to.iter()), does))
}
