//! What the page of one service shows: where its clients are, how each region stands, what was decided and why, and what
//! can be done.

use super::{Shield, Switch, endpoint, headline, past, switches};
use crate::{
    chart::sparkline,
    databases::{standing::Headline, view::Offer},
    failover::{
        decisions::DecisionLine,
        observers::{self, SeenBy},
        rehearsal::Rehearsal,
        standing,
    },
    operations::{line::OperationLine, words},
    session::Viewer,
    ui::state::Tone,
};
use engine::{
    automation::Case,
    estate::{AtEnd, Service},
    failover::{Mode, plan::RegionCandidate, traffic},
    history::Mark,
    id::{Scope, ServiceId},
    journal::Subject,
    picture::Picture,
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// One service, for `/failover/{service}`.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct ServicePage {
    pub now: Instant,
    pub id: String,
    pub note: String,
    pub strategy: Option<String>,
    /// The rules that moves of it follow, whether or not they bite now.
    pub rules: Vec<String>,
    /// Where clients come in; absent where nothing that sends them is declared.
    pub address: Option<String>,
    pub simulated: bool,
    pub headline: Headline,
    pub seen_at: Option<Instant>,
    /// Where clients are meant to be, and since when.
    pub meant: Option<(String, Instant)>,
    pub regions: Vec<RegionRow>,
    pub seen_by: Option<SeenBy>,
    pub protection: Shield,
    pub automation: Shield,
    pub case: Option<CaseView>,
    pub active: Option<OperationLine>,
    pub offers: Vec<Offer>,
    pub rehearsal: Rehearsal,
    pub switches: Vec<Switch>,
    pub past: Vec<OperationLine>,
    /// The last decisions about it, newest first.
    pub decisions: Vec<DecisionLine>,
}

/// One region of a service.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct RegionRow {
    pub region: String,
    pub health: Shield,
    /// The last hour, a letter a mark; empty where it is not shown.
    pub recent: String,
    pub sampled_at: Option<Instant>,
    /// Clients are sent there now.
    pub on: bool,
    pub home: bool,
    /// What speaks against sending clients there.
    pub against: Vec<String>,
    /// On the page of a plan: whether the plan sends clients there, and the way to the plan that differs in this region.
    pub chosen: bool,
    pub other: Option<(String, String)>,
}

/// The decision that stands about a failure.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct CaseView {
    pub tone: Tone,
    pub verdict: String,
    pub opened: Instant,
    pub decided: Instant,
    /// First failed probe.
    pub since: Option<Instant>,
    pub trouble: Vec<String>,
    pub holds: Vec<String>,
    pub target: Option<String>,
}

/// The rules of the strategy, and the blackout window that is or comes next.
fn rules_in_words(picture: &Picture, service: &Service) -> Vec<String> {
    let Some(strategy) = picture.estate.strategy_of(service) else { return Vec::new() };
    let mut rules = vec![
        match strategy.minimum_on {
            1 => "at least 1 region stays on in every move".to_owned(),
            least => format!("at least {least} regions stay on in every move"),
        },
        format!("Lifeboat waits {} after a verdict, and {} after a failover before it starts another one", strategy.wait, strategy.cooldown),
        format!("a region must be well for {} before clients return to it", strategy.dwell),
    ];
    let approvals = picture.estate.approvals_for(service.strategy.as_ref());
    rules.push(if approvals == 1 {
        "what takes an approval takes one other person".to_owned()
    } else {
        format!("what takes an approval takes {approvals} other people")
    });
    if let Some(commit) = strategy.commit {
        let then = match commit.then {
            AtEnd::Commit => "committed",
            AtEnd::RollBack => "rolled back",
        };
        rules.push(format!("a planned move is {then} {} after it was proven, unless people decide before", commit.window));
    }
    let coming = picture.estate.blackouts.iter().filter(|window| window.until > picture.now).min_by_key(|window| window.from);
    rules.extend(coming.map(|window| {
        let (from, until) = (window.from.format("%Y-%m-%d %H:%M"), window.until.format("%Y-%m-%d %H:%M UTC"));
        format!("blackout window from {from} to {until}: {}", window.reason)
    }));
    rules
}

impl ServicePage {
    /// `None` where there is no such service. One without declared traffic is shown, saying so.
    pub fn of(picture: &Picture, viewer: &Viewer, id: &ServiceId, decisions: Vec<DecisionLine>) -> Option<Self> {
        let service = picture.estate.service(id)?;
        let scope = Scope::Service(id.clone());
        let strategy = picture.estate.strategy_of(service);
        let plan = picture.traffic_plan(id, Mode::Planned, None)?;
        let active = picture.records.holder_of(&scope).map(|operation| OperationLine::in_picture(picture, operation));
        Some(Self {
            now: picture.now,
            id: id.to_string(),
            note: format!("Tier {}, {} failover", service.tier.number(), standing::mode(strategy)),
            strategy: service.strategy.as_ref().map(|id| crate::services::view::strategy_in_words(picture, id)),
            rules: rules_in_words(picture, service),
            address: service.traffic.as_ref().map(|traffic| traffic.address.clone()),
            simulated: plan.is_simulated(),
            headline: headline(picture, service),
            seen_at: picture.observed.traffic.get(id).and_then(|view| Some(view.on.as_ref()?.at)),
            meant: picture.records.routes.get(id).map(|route| (engine::failover::plan::names_or_none(&route.intended), route.since)),
            regions: plan.traffic()?.regions.iter().map(|candidate| RegionRow::of(picture, service, candidate)).collect(),
            seen_by: observers::seen_by(picture, service),
            protection: standing::protection(picture, service, &picture.exposed_data()),
            automation: standing::automation(picture, &scope, strategy),
            case: picture.records.cases.get(&scope).map(CaseView::of),
            offers: if active.is_some() || service.traffic.is_none() { Vec::new() } else { offers(picture, service) },
            active,
            switches: switches::of_service(picture, viewer, id),
            rehearsal: Rehearsal::of(picture, &scope),
            past: past(picture, &scope),
            decisions,
        })
    }
}

impl ServicePage {
    /// Everything that is probed for it, region by region.
    pub fn probed(&self, picture: &Picture) -> Vec<Subject> {
        let service = self.id.parse().ok().and_then(|id| picture.estate.service(&id));
        let region = |row: &RegionRow| Some(endpoint(service?, &row.region.parse().ok()?));
        self.regions.iter().filter_map(region).collect()
    }
    /// Fills in the last hour, given in the order of `probed`.
    pub fn remember(&mut self, marks: Vec<Vec<Mark>>) {
        for (row, marks) in self.regions.iter_mut().zip(marks) {
            row.recent = sparkline::worst_of(&[marks]);
        }
    }
}

impl RegionRow {
    pub fn of(picture: &Picture, service: &Service, candidate: &RegionCandidate) -> Self {
        let seen = picture.observed.endpoints.get(&(service.id.clone(), candidate.region.clone()));
        let health = standing::health(picture, service, &candidate.region);
        let said = health.reasons.clone();
        Self {
            region: candidate.region.to_string(),
            sampled_at: seen.and_then(|seen| Some(seen.last.as_ref()?.at)),
            on: candidate.on,
            home: traffic::home_of(picture, service).contains(&candidate.region),
            // The verdict's reason stands beside the verdict already.
            against: candidate
                .against
                .iter()
                .chain(&candidate.wavers)
                .filter(|against| !said.iter().any(|said| against.ends_with(said.as_str())))
                .cloned()
                .collect(),
            health,
            recent: String::new(),
            chosen: false,
            other: None,
        }
    }
}

impl CaseView {
    fn of(case: &Case) -> Self {
        let decision = &case.decision;
        Self {
            tone: super::super::decisions::tone(decision.verdict),
            verdict: format!("Lifeboat {}", decision.verdict),
            opened: case.opened,
            decided: case.decided,
            since: decision.since,
            trouble: decision.trouble.clone(),
            holds: decision.holds.iter().map(ToString::to_string).collect(),
            target: decision.target.clone(),
        }
    }
}

/// An emergency first where something clients are sent to is down, a planned move where nothing is.
fn offers(picture: &Picture, service: &Service) -> Vec<Offer> {
    let id = &service.id;
    let on = standing::seen(picture, service).map(|on| on.regions.clone()).unwrap_or_default();
    let fails = on.iter().any(|region| standing::health(picture, service, region).tone == Tone::Lost);
    let href = |mode| words::traffic_plan_href(id, mode, std::iter::empty());
    let offer = |href: String, does: &str, because: &str, urgent| Offer { href, does: does.to_owned(), because: because.to_owned(), urgent };
    let emergency = offer(
        href(Mode::Emergency),
        "Plan an emergency move",
        if fails {
            "A region that clients are sent to is down. Shows everything before anything happens."
        } else {
            "For an emergency only: what clients are sent to answers."
        },
        fails,
    );
    let planned =
        offer(href(Mode::Planned), "Plan a move", "Stops on any error and puts things back. Shows everything before anything happens.", false);
    let home = traffic::home_of(picture, service);
    let back = (!home.is_empty() && !on.is_empty() && on != home).then(|| {
        let href = words::traffic_plan_href(id, Mode::Planned, home.iter());
        offer(href, "Plan the return home", "Sends clients back to where they belong, once it is well there and the data is whole.", false)
    });
    let test = offer(href(Mode::Test), "Rehearse a move", "Does every check and moves nobody.", false);
    let (first, second) = if fails { (emergency, planned) } else { (planned, emergency) };
    [Some(first), back, Some(second), Some(test)].into_iter().flatten().collect()
}
