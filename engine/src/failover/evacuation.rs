//! Planning the evacuation of a region: everything that takes writes or serves clients there goes elsewhere, dependencies
//! before their users, each member by a child operation of its own (rows 8 and 9). Making the plan changes nothing.

use super::{
    Action, Blocker, Mode, OnFailure, OperationKind, Plan, Step, monitoring,
    plan::{Change, EvacuationChange, Member, MemberTarget},
    traffic,
};
use crate::{
    automation::Hold,
    databases::{LossBound, ZeroLoss},
    dependencies,
    estate::{Service, StrategyKind},
    health::{Health, Judgement},
    id::{ClusterId, NodeId, RegionId, Scope, ServiceId},
    picture::Picture,
    restraints::Restraint,
    survey::Survey,
    time::{Instant, Span},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

mod turn;
pub use turn::Turn;

/// Members of one wave that are moved at a time: enough to keep the routers busy, few enough to watch.
pub const AT_A_TIME: usize = 4;
/// A wave may take this long; a database among its members may need a minute for each of its steps.
const WAVE: Span = Span::from_mins(15);

/// The plan that empties `region`. `None` where there is no such region.
pub fn plan(picture: &Picture, region: &RegionId, mode: Mode) -> Option<Plan> {
    outline(&Survey::of(picture), region, mode)
}

/// The same for whoever makes more plans from one picture.
pub(crate) fn outline(survey: &Survey, region: &RegionId, mode: Mode) -> Option<Plan> {
    let picture = survey.picture;
    picture.estate.region(region)?;
    let mut draft =
        Draft { survey, picture, region, mode, failed: survey.failed_regions(), staying: Vec::new(), blockers: Vec::new(), moving: BTreeSet::new() };
    let mut members = draft.members();
    let mut waves: Vec<Vec<Member>> = Vec::new();
    for ids in dependencies::waves(&picture.estate) {
        let wave: Vec<Member> = ids.iter().flat_map(|id| members.remove(id).unwrap_or_default()).collect();
        if !wave.is_empty() {
            waves.push(wave);
        }
    }
    let all = || waves.iter().flatten();
    if mode == Mode::Emergency && all().next().is_some() && !all().any(|member| draft.fails(&member.scope)) {
        draft.blockers.push(Blocker::NothingFails { regions: BTreeSet::from([region.clone()]) });
    }
    if all().next().is_none() {
        draft.blockers.push(Blocker::NothingToEvacuate { region: region.clone() });
    }
    let affected: BTreeSet<ServiceId> = all().filter_map(|member| draft.service_of(&member.scope)).collect();
    let pretends = |id: &ServiceId| survey.service(id).and_then(|service| service.traffic.as_ref()).is_some_and(|traffic| traffic.by.is_simulated());
    let services: BTreeSet<ServiceId> = affected.iter().filter(|id| !pretends(id)).cloned().collect();
    let left = monitoring::Left { services, regions: BTreeSet::from([region.clone()]) };
    let approvals = all().map(|member| draft.approvals(&member.scope)).max().unwrap_or(1);
    let promises: Vec<&Service> = affected.iter().filter_map(|id| survey.service(id)).collect();
    Some(Plan {
        kind: OperationKind::Evacuation,
        loss: worst_loss(all().map(|member| &member.loss)),
        outage_since: if mode == Mode::Emergency { draft.outage_since(all()) } else { None },
        rto: promises.iter().map(|service| service.rto).min(),
        rpo: promises.iter().map(|service| service.rpo).min(),
        steps: monitoring::around(&picture.estate, mode, left, steps(region, &waves, mode)),
        affected: affected.into_iter().collect(),
        blockers: draft.blockers,
        passed_over: if mode == Mode::Test { Vec::new() } else { set_aside(picture, all()) },
        approvals,
        made_at: picture.now,
        change: Change::Evacuation(EvacuationChange { region: region.clone(), mode, waves, staying: draft.staying }),
    })
}

struct Draft<'a, 'p> {
    survey: &'a Survey<'p>,
    picture: &'a Picture,
    region: &'a RegionId,
    mode: Mode,
    failed: &'a BTreeSet<RegionId>,
    staying: Vec<(Scope, String)>,
    blockers: Vec<Blocker>,
    /// The clusters that are moved: what fails because of one of them is well again behind it.
    moving: BTreeSet<ClusterId>,
}

impl Draft<'_, '_> {
    /// What is to be moved, by the service it belongs to. What cannot be moved stays, and is listed with its reason.
    fn members(&mut self) -> BTreeMap<ServiceId, Vec<Member>> {
        let mut members: BTreeMap<ServiceId, Vec<Member>> = BTreeMap::new();
        let estate = self.picture.estate.clone();
        for cluster in &estate.clusters {
            if let Some(member) = self.cluster(&cluster.id) {
                self.moving.insert(cluster.id.clone());
                members.entry(cluster.service.clone()).or_default().push(member);
            }
        }
        for service in estate.services.iter().filter(|service| service.traffic.is_some()) {
            if let Some(member) = self.service(service) {
                members.entry(service.id.clone()).or_default().push(member);
            }
        }
        members
    }

    fn cluster(&mut self, id: &ClusterId) -> Option<Member> {
        let (_, view) = self.picture.cluster(id)?;
        let primary = view.primary()?;
        if primary.region != *self.region {
            return None;
        }
        let scope = Scope::Cluster(id.clone());
        let down = matches!(primary.judgement.health, Health::Down | Health::Unknown);
        let kind = if down && self.mode == Mode::Emergency { OperationKind::Failover } else { OperationKind::Switchover };
        let wish = match self.wish(kind, id)? {
            Ok(node) => node,
            // Left to itself a plan would choose the best node anywhere, the primary's neighbour included.
            Err(why) => {
                self.cannot_move(scope, why);
                return None;
            }
        };
        let plan = self.picture.outline(kind, id, Some(&wish))?;
        if let Some(blocker) = plan.hard_blockers().first() {
            self.cannot_move(scope, blocker.to_string());
            return None;
        }
        let mut checks = Vec::new();
        for blocker in plan.overridable_blockers().into_iter().filter(|blocker| !blocker.is_safety_rule()) {
            checks.push(blocker.name().to_owned());
            self.blockers.push(Blocker::MemberCheck { member: scope.clone(), check: blocker.name().to_owned(), why: blocker.to_string() });
        }
        Some(Member { scope, kind, to: MemberTarget::Node(wish), loss: plan.loss, checks, simulated: false })
    }

    /// The best node outside the region, or why there is none.
    fn wish(&self, kind: OperationKind, id: &ClusterId) -> Option<Result<NodeId, String>> {
        let plan = self.picture.outline(kind, id, None)?;
        let outside: Vec<_> = plan.database()?.candidates.iter().filter(|candidate| candidate.region != *self.region).collect();
        if let Some(best) = outside.iter().find(|candidate| candidate.is_eligible()) {
            return Some(Ok(best.node.clone()));
        }
        let reasons = outside.iter().filter_map(|candidate| Some(format!("{}: {}", candidate.node, candidate.exclusions.first()?)));
        let reasons = match reasons.collect::<Vec<_>>() {
            none if none.is_empty() => "none is declared".to_owned(),
            some => some.join("; "),
        };
        Some(Err(format!("no node outside {} can take over ({reasons})", self.region)))
    }

    fn service(&mut self, service: &Service) -> Option<Member> {
        let scope = Scope::Service(service.id.clone());
        let view = self.picture.observed.traffic.get(&service.id);
        let Some(on) = view.filter(|view| view.judgement.is_ok()).and_then(|view| view.on.as_ref()) else {
            self.cannot_move(scope, "where its clients are sent is not known".to_owned());
            return None;
        };
        if !on.regions.contains(self.region) {
            return None;
        }
        let open = |region: &&RegionId| !self.failed.contains(region) && self.survey.shut(region).is_none();
        let well =
            |region: &&RegionId| open(region) && traffic::health_in(self.picture, &service.id, region).is_some_and(|judgement| judgement.is_ok());
        // What fails because its database does comes in a later wave than that; its turn waits until it is well.
        let mut needed = self.survey.clusters_needed(&service.id).iter().map(|cluster| &cluster.id);
        let follows = needed.any(|cluster| self.moving.contains(cluster) && self.survey.trouble_of_cluster(cluster).is_some());
        let later = |region: &&RegionId| follows && open(region);
        let others: Vec<RegionId> = traffic::regions_of(self.picture, service).into_iter().filter(|region| region != self.region).collect();
        let rotates = self.picture.estate.strategy_of(service).is_some_and(|strategy| strategy.kind == StrategyKind::ActiveActive);
        let staying: BTreeSet<RegionId> = on.regions.iter().filter(|region| *region != self.region).cloned().collect();
        let to = if rotates && staying.iter().any(|region| well(&region) || later(&region)) {
            staying
        } else {
            others.iter().find(well).or_else(|| others.iter().find(later)).cloned().into_iter().collect()
        };
        if to.is_empty() {
            self.cannot_move(scope, "it is well in no other region".to_owned());
            return None;
        }
        let plan = traffic::outline(self.survey, &service.id, self.mode, Some(&to))?;
        let simulated = plan.is_simulated();
        let checks = self.checks(&scope, plan.blockers)?;
        Some(Member { scope, kind: OperationKind::RegionFailover, to: MemberTarget::Regions(to), loss: plan.loss, checks, simulated })
    }

    /// What speaks against moving a service becomes what speaks against the whole, so that it is agreed to before anything
    /// moves and not met half-way through (row 59). Gives the checks that agreeing sets aside; `None` where none can.
    fn checks(&mut self, scope: &Scope, blockers: Vec<Blocker>) -> Option<Vec<String>> {
        let mut checks = vec!["nothing-fails".to_owned()];
        for blocker in blockers {
            match blocker {
                // The whole says it of itself.
                Blocker::NothingFails { .. } => {}
                // It follows what it needs: its turn waits until it is well there.
                Blocker::RegionNotWell { .. } | Blocker::RegionUnknown { .. } => {}
                rule if rule.is_safety_rule() => self.blockers.push(rule),
                check if check.can_be_overridden() => {
                    checks.push(check.name().to_owned());
                    self.blockers.push(Blocker::MemberCheck { member: scope.clone(), check: check.name().to_owned(), why: check.to_string() });
                }
                hard => {
                    self.cannot_move(scope.clone(), hard.to_string());
                    return None;
                }
            }
        }
        Some(checks)
    }

    /// A planned evacuation moves all or asks; an emergency takes what can be saved.
    fn cannot_move(&mut self, scope: Scope, why: String) {
        if self.mode != Mode::Emergency {
            self.blockers.push(Blocker::MemberStays { member: scope.clone(), why: why.clone() });
        }
        self.staying.push((scope, why));
    }

    /// Whether a member is not known to be well where it is.
    fn fails(&self, scope: &Scope) -> bool {
        let judgement = match scope {
            Scope::Service(id) => traffic::health_in(self.picture, id, self.region),
            Scope::Cluster(id) => self.picture.cluster(id).and_then(|(_, view)| view.primary()).map(|primary| &primary.judgement),
            Scope::Region(_) | Scope::Backup(_) => None,
        };
        !judgement.is_some_and(Judgement::is_ok)
    }

    fn service_of(&self, scope: &Scope) -> Option<ServiceId> {
        match scope {
            Scope::Service(id) => Some(id.clone()),
            Scope::Cluster(id) => self.picture.estate.cluster(id).map(|cluster| cluster.service.clone()),
            Scope::Region(_) | Scope::Backup(_) => None,
        }
    }

    /// How many people must approve a move of it by itself.
    fn approvals(&self, scope: &Scope) -> u32 {
        let strategy = match scope {
            Scope::Service(id) => self.survey.service(id).and_then(|service| service.strategy.as_ref()),
            Scope::Cluster(id) => self.picture.estate.cluster(id).and_then(|cluster| cluster.strategy.as_ref()),
            Scope::Region(_) | Scope::Backup(_) => None,
        };
        self.picture.estate.approvals_for(strategy)
    }

    /// The first failed probe of anything that is moved.
    fn outage_since<'m>(&self, members: impl Iterator<Item = &'m Member>) -> Option<Instant> {
        let since = |member: &Member| match &member.scope {
            Scope::Service(id) => traffic::health_in(self.picture, id, self.region).filter(|judgement| judgement.health == Health::Down)?.since,
            Scope::Cluster(id) => self.picture.cluster(id)?.1.primary().filter(|primary| primary.judgement.health == Health::Down)?.judgement.since,
            Scope::Region(_) | Scope::Backup(_) => None,
        };
        members.filter_map(since).min()
    }
}

/// One step a wave. In an emergency a member that fails is recorded and the others go on; planned, the evacuation stops
/// and asks: what has moved already serves its clients and is not sent back. A test moves nobody, so it goes through all of
/// them and never stands in doubt: that would keep a real evacuation waiting for whoever looks after a rehearsal.
fn steps(region: &RegionId, waves: &[Vec<Member>], mode: Mode) -> Vec<Step> {
    let on_failure = if mode == Mode::Planned { OnFailure::StandInDoubt } else { OnFailure::GoOn };
    let wave = |(at, members): (usize, &Vec<Member>)| {
        let action = Action::MoveWave { region: region.clone(), wave: at + 1, members: members.iter().map(|member| member.scope.clone()).collect() };
        Step::new(action, WAVE, on_failure).in_emergency(OnFailure::GoOn)
    };
    waves.iter().enumerate().map(wave).collect()
}

/// What people have put in the way of moving single members: whoever agrees to the whole passes it over, and is told so.
fn set_aside<'a>(picture: &Picture, members: impl Iterator<Item = &'a Member>) -> Vec<String> {
    let moved: BTreeSet<&Scope> = members.map(|member| &member.scope).collect();
    let restraints = picture.records.restraints.iter().filter(|(what, held)| {
        let stops = matches!(what, Restraint::Pause(_) | Restraint::Maintenance(_));
        stops && what.scope().is_some_and(|scope| moved.contains(scope)) && !held.is_over(picture.now)
    });
    restraints.map(|(what, held)| Hold::restrained(what, held).to_string()).collect()
}

/// The worst of the members' bounds.
fn worst_loss<'a>(losses: impl Iterator<Item = &'a LossBound>) -> LossBound {
    losses.fold(LossBound::Zero { because: ZeroLoss::MovesNoData }, LossBound::joined)
}

/// The members by scope, for whoever carries a wave out.
pub fn members(change: &EvacuationChange) -> HashMap<&Scope, &Member> {
    change.waves.iter().flatten().map(|member| (&member.scope, member)).collect()
}
