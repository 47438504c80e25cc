//! What the board and the page of one service show. Pure functions of the picture.

use super::{
    next,
    observers::{self, ObserverLine},
    standing,
};
use crate::{
    chart::sparkline,
    databases::{
        standing::{Headline, Shield},
        view::{ClusterPage, Offer},
    },
    operations::{
        acts::{self, Act, Verb},
        clock::Clock,
        line::{self, OperationLine},
        words,
    },
    overview::view::{Need, RegionLine},
    session::Viewer,
    ui::state::Tone,
};
use engine::{
    estate::Service,
    failover::{Mode, Operation, OperationKind, State, plan::names_or_none, traffic},
    health::failed_regions,
    history::Mark,
    id::{ClusterId, RegionId, Scope, ServiceId},
    journal::Subject,
    picture::Picture,
    time::Instant,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use std::collections::{BTreeMap, BTreeSet};

pub mod page;
pub mod switches;
pub use page::{CaseView, RegionRow, ServicePage};
pub use switches::Switch;

/// The board, for `/failover`.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Board {
    pub now: Instant,
    /// The next thing a person should do.
    pub next: Need,
    /// How many other things wait behind it.
    pub behind: usize,
    pub inbox: Vec<Waiting>,
    pub running: Vec<Run>,
    pub map: Vec<Place>,
    /// The columns of health.
    pub regions: Vec<String>,
    pub rows: Vec<Row>,
    /// Counts from 1.
    pub page: usize,
    pub pages: usize,
    /// Services of the estate whose clients cannot be moved, because nothing says what sends them.
    pub without: usize,
    pub switches: Vec<Switch>,
    pub observers: Vec<ObserverLine>,
}

/// An operation that waits for a second person.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Waiting {
    pub line: OperationLine,
    pub reason: String,
    pub loss: String,
    pub loses: bool,
    /// The safety rules it would break.
    pub rules: Vec<String>,
    pub void_at: Instant,
    pub affected: usize,
    pub plan_hash: String,
    /// To approve and to decline, each with why this person cannot, where that is so.
    pub acts: Vec<Act>,
}

/// An operation under way, or in doubt.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Run {
    pub line: OperationLine,
    pub clock: Option<Clock>,
    /// What it is at.
    pub does: Option<String>,
}

/// One region on the map.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Place {
    pub region: String,
    pub tone: Tone,
    pub word: String,
    pub well: String,
    /// Services whose clients are sent there, with their health there.
    pub serves: Vec<(Tone, String)>,
    /// Clusters whose writes are taken there.
    pub writes: Vec<String>,
    /// The way to empty it.
    pub evacuate: Offer,
}

/// One service or cluster of the board.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Row {
    pub scope: Scope,
    pub name: String,
    pub href: String,
    /// Tier, what it is, and the declared mode.
    pub note: String,
    pub simulated: bool,
    pub state: Shield,
    /// Where clients, or writes, are; absent while that is not known.
    pub at: Option<String>,
    pub seen_at: Option<Instant>,
    /// Per column: whether clients are there, and the health; absent where it does not run.
    pub health: Vec<Option<(bool, Shield)>>,
    /// Per column: the last hour, a letter a mark; empty where it does not run.
    pub recent: Vec<String>,
    pub protection: Shield,
    pub automation: Shield,
    pub offer: Option<Offer>,
}

impl Board {
    pub const ROWS_PER_PAGE: usize = 60;

    pub fn of(picture: &Picture, viewer: &Viewer, page: usize) -> Self {
        let estate = &picture.estate;
        let moved = estate.services.iter().filter(|service| service.traffic.is_some());
        let used: BTreeSet<RegionId> = moved
            .clone()
            .flat_map(|service| traffic::regions_of(picture, service))
            .chain(estate.clusters.iter().flat_map(|cluster| cluster.nodes.iter().map(|node| node.region.clone())))
            .collect();
        let regions: Vec<RegionId> = estate.regions.iter().map(|region| region.id.clone()).filter(|region| used.contains(region)).collect();
        let exposed_data = picture.exposed_data();
        let mut rows: Vec<Row> = moved.clone().map(|service| Row::of_service(picture, service, &regions, &exposed_data)).collect();
        rows.extend(estate.clusters.iter().filter_map(|cluster| Row::of_cluster(picture, ClusterPage::of(picture, &cluster.id)?, &regions)));
        // Worst first; what is equally bad keeps the estate's order.
        rows.sort_by_key(|row| std::cmp::Reverse(row.state.tone));
        let pages = rows.len().div_ceil(Self::ROWS_PER_PAGE).max(1);
        let page = page.clamp(1, pages);
        let (next, behind) = next::next(picture, &viewer.name);
        let failed = failed_regions(estate, &picture.observed);
        let mut active: Vec<&Operation> = picture.records.operations.values().filter(|operation| operation.state.is_active()).collect();
        active.sort_by_key(|operation| (operation.mode() != Mode::Emergency, operation.requested.at, operation.id));
        let waits = |operation: &&Operation| operation.state == State::Requested;
        Self {
            now: picture.now,
            next,
            behind,
            inbox: active.iter().copied().filter(waits).map(|operation| Waiting::of(picture, viewer, operation)).collect(),
            running: active.iter().copied().filter(|operation| !waits(operation)).map(|operation| Run::of(picture, operation)).collect(),
            map: estate.regions.iter().map(|region| Place::of(picture, RegionLine::of(picture, region), evacuation(&region.id, &failed))).collect(),
            regions: regions.iter().map(ToString::to_string).collect(),
            rows: rows.into_iter().skip((page - 1) * Self::ROWS_PER_PAGE).take(Self::ROWS_PER_PAGE).collect(),
            page,
            pages,
            without: estate.services.len() - moved.count(),
            switches: switches::everywhere(picture, viewer),
            observers: observers::lines(picture),
        }
    }

    /// Everything that is probed for the rows of this page: row by row, and in each of them column by column.
    pub fn probed(&self, picture: &Picture) -> Vec<Vec<Vec<Subject>>> {
        let columns: Vec<RegionId> = self.regions.iter().filter_map(|region| region.parse().ok()).collect();
        self.rows.iter().map(|row| columns.iter().map(|region| probed_in(picture, &row.scope, region)).collect()).collect()
    }
    /// Fills in the last hour, given in the order of `probed`.
    pub fn remember(&mut self, marks: Vec<Vec<Vec<Vec<Mark>>>>) {
        for (row, columns) in self.rows.iter_mut().zip(marks) {
            row.recent = columns.iter().map(|targets| sparkline::worst_of(targets)).collect();
        }
    }
}

impl Waiting {
    fn of(picture: &Picture, viewer: &Viewer, operation: &Operation) -> Self {
        let plan = &operation.plan;
        let mut acts = acts::of(operation, viewer, &crate::operations::view::changed(picture, operation));
        // Whoever asked for it does not answer it; taking it back is on its page.
        let own = operation.requested.by == viewer.name;
        acts.retain(|act| act.verb == Verb::Approve || (act.verb == Verb::Decline && !own));
        Self {
            line: OperationLine::in_picture(picture, operation),
            reason: operation.requested.reason.clone(),
            loss: words::loss_in_words(plan.kind, &plan.loss),
            loses: !plan.loss.is_zero(),
            rules: plan.rules_to_break().iter().map(ToString::to_string).collect(),
            void_at: operation.requested.at + Operation::APPROVAL_WAITS.as_delta(),
            affected: plan.affected.len(),
            plan_hash: operation.plan_hash.clone(),
            acts,
        }
    }
}

impl Run {
    fn of(picture: &Picture, operation: &Operation) -> Self {
        let does = match operation.state {
            State::InDoubt => operation.outcome.clone(),
            _ => operation.next_step().map(|step| words::step_of(&operation.plan, &operation.plan.steps[step].action)),
        };
        Self { line: OperationLine::in_picture(picture, operation), clock: Clock::expecting(picture, operation), does }
    }
}

impl Place {
    fn of(picture: &Picture, region: RegionLine, evacuate: Offer) -> Self {
        let held = picture.maintenance_of_region(&region.region);
        let moved = picture.estate.services.iter().filter(|service| service.traffic.is_some());
        let here = moved.filter(|service| standing::seen(picture, service).is_some_and(|on| on.regions.contains(&region.region)));
        Self {
            serves: here.map(|service| (standing::health(picture, service, &region.region).tone, service.id.to_string())).collect(),
            writes: region.takes_writes_of.iter().map(ToString::to_string).collect(),
            tone: if held.is_some() { region.tone.max(Tone::Watch) } else { region.tone },
            word: if held.is_some() { format!("{}, maintenance", region.word) } else { region.word },
            well: format!("{} of {} endpoints well", region.endpoints_ok, region.endpoints),
            region: region.region.to_string(),
            evacuate,
        }
    }
}

impl Row {
    fn of_service(picture: &Picture, service: &Service, regions: &[RegionId], exposed_data: &BTreeMap<ServiceId, Vec<ClusterId>>) -> Self {
        let scope = Scope::Service(service.id.clone());
        let strategy = picture.estate.strategy_of(service);
        let runs = traffic::regions_of(picture, service);
        let on = standing::seen(picture, service);
        let is_on = |region: &RegionId| on.is_some_and(|on| on.regions.contains(region));
        let fails = on.is_some_and(|on| on.regions.iter().any(|region| standing::health(picture, service, region).tone == Tone::Lost));
        let mode = if fails { Mode::Emergency } else { Mode::Planned };
        Self {
            name: service.id.to_string(),
            href: format!("/failover/{}", service.id),
            note: format!("tier {} · {}", service.tier.number(), standing::mode(strategy)),
            simulated: service.traffic.as_ref().is_some_and(|traffic| traffic.by.is_simulated()),
            state: standing::of_service(picture, service),
            // Which ones they are stands in the columns of health.
            at: on.map(|on| if on.regions.len() > 1 { format!("{} regions", on.regions.len()) } else { names_or_none(&on.regions) }),
            seen_at: picture.observed.traffic.get(&service.id).and_then(|view| Some(view.on.as_ref()?.at)),
            health: regions.iter().map(|region| runs.contains(region).then(|| (is_on(region), standing::health(picture, service, region)))).collect(),
            recent: Vec::new(),
            protection: standing::protection(picture, service, exposed_data),
            automation: standing::automation(picture, &scope, strategy),
            offer: offer(picture, &scope, words::traffic_plan_href(&service.id, mode, std::iter::empty()), fails),
            scope,
        }
    }

    fn of_cluster(picture: &Picture, page: ClusterPage, regions: &[RegionId]) -> Option<Self> {
        let cluster = picture.estate.cluster(&page.id)?;
        let scope = Scope::Cluster(page.id.clone());
        let strategy = cluster.strategy.as_ref().and_then(|id| picture.estate.strategy(id));
        let tier = picture.estate.service(&cluster.service).map(|service| format!("tier {} · ", service.tier.number())).unwrap_or_default();
        let primary = page.nodes.iter().find(|node| node.is_primary);
        let in_region = |region: &RegionId| {
            let nodes: Vec<_> = page.nodes.iter().filter(|node| node.region == *region).collect();
            let worst = nodes.iter().max_by_key(|node| node.tone)?;
            let (tone, count) = (worst.tone, nodes.len());
            let word = if tone == Tone::Ok { "ok".to_owned() } else { worst.standing.clone() };
            let reasons = nodes.iter().map(|node| format!("{} is {}", node.node, node.standing)).collect();
            let leads = primary.is_some_and(|primary| primary.region == *region && page.headline.tone == Tone::Ok);
            (count > 0).then_some((leads, Shield { tone, word, since: worst.since, reasons }))
        };
        let state = standing::of_cluster(picture, cluster, &page);
        let well = page.headline.tone == Tone::Ok;
        let kind = if well { OperationKind::Switchover } else { OperationKind::Failover };
        Some(Self {
            name: page.id.to_string(),
            href: format!("/databases/{}", page.id),
            note: format!("{tier}database · {}", standing::mode(strategy)),
            simulated: false,
            at: primary.filter(|_| well).map(|primary| primary.node.to_string()),
            seen_at: primary.and_then(|primary| primary.read_at),
            health: regions.iter().map(in_region).collect(),
            recent: Vec::new(),
            automation: standing::automation(picture, &scope, strategy),
            offer: offer(picture, &scope, format!("/databases/{}/plan?kind={kind}", page.id), page.headline.tone == Tone::Lost),
            protection: page.protection,
            state,
            scope,
        })
    }
}

pub(super) fn endpoint(service: &Service, region: &RegionId) -> Subject {
    Subject::Endpoint { service: service.id.clone(), region: region.clone() }
}

/// What is probed of a service or cluster in a region.
fn probed_in(picture: &Picture, scope: &Scope, region: &RegionId) -> Vec<Subject> {
    let service = scope.service().and_then(|id| picture.estate.service(id));
    let here = service.filter(|service| service.endpoints.iter().any(|endpoint| endpoint.region == *region));
    let cluster = scope.cluster().and_then(|id| picture.estate.cluster(id));
    let nodes = cluster.into_iter().flat_map(|cluster| {
        let nodes = cluster.nodes.iter().filter(|node| node.region == *region);
        nodes.map(|node| Subject::Node { cluster: cluster.id.clone(), node: node.id.clone() })
    });
    here.map(|service| endpoint(service, region)).into_iter().chain(nodes).collect()
}

/// Where nothing in a region answers, a planned evacuation would wait for what cannot be moved.
fn evacuation(region: &RegionId, failed: &BTreeSet<RegionId>) -> Offer {
    let (mode, urgent) = if failed.contains(region) { (Mode::Emergency, true) } else { (Mode::Planned, false) };
    Offer { href: words::evacuation_href(region, mode), does: format!("Plan the evacuation of {region}"), because: String::new(), urgent }
}

/// The one thing to do about it: plan a move, or look at the one that is under way.
fn offer(picture: &Picture, scope: &Scope, href: String, urgent: bool) -> Option<Offer> {
    Some(match picture.records.holder_of(scope) {
        Some(holder) => {
            Offer { href: format!("/operations/{}", holder.id), does: "See the operation".to_owned(), because: String::new(), urgent: false }
        }
        None => Offer { href, does: "Plan a move".to_owned(), because: String::new(), urgent },
    })
}

/// The state of a service as the headline of its pages.
pub(super) fn headline(picture: &Picture, service: &Service) -> Headline {
    let state = standing::of_service(picture, service);
    let says = match standing::seen(picture, service) {
        Some(on) if on.regions.is_empty() => format!("Clients of {} are sent to no region", service.id),
        Some(on) => format!("Clients of {} are sent to {}", service.id, names_or_none(&on.regions)),
        None => format!("Where clients of {} are sent is not known", service.id),
    };
    Headline { tone: state.tone, word: state.word, says, since: state.since, seen: state.reasons }
}

/// The ended operations of a service, newest first.
pub(super) fn past(picture: &Picture, scope: &Scope) -> Vec<OperationLine> {
    let mut past: Vec<_> = line::ended(picture, None).into_iter().filter(|line| line.scope == *scope).collect();
    past.truncate(crate::databases::view::PAST_SHOWN);
    past
}
