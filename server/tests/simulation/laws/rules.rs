//! The safety rules, at the moments at which something begins.

use super::Laws;
use crate::{diary::Law, stage::Stage};
use engine::{
    estate::FailoverMode,
    failover::{Mode, Operation, OperationKind, Plan, State, traffic},
    health::{Health, Judgement},
    id::{AccountName, Scope},
    journal::Records,
    restraints::Restraint,
    time::Span,
};

/// The product asks for something by itself: the wait is over, and nothing cools down.
pub(super) fn at_a_request(stage: &Stage, records: &Records, plan: &Plan) {
    let (now, scope) = (stage.now(), plan.scope());
    let broken = |how: String| stage.broken(Law::SafetyRules, format!("the product asks for a {} of {scope}: {how}", plan.kind));
    let strategy = match &scope {
        Scope::Service(id) => stage.estate.service(id).and_then(|service| stage.estate.strategy_of(service)),
        Scope::Cluster(id) => stage.estate.cluster(id).and_then(|cluster| stage.estate.strategy(cluster.strategy.as_ref()?)),
        Scope::Region(_) | Scope::Backup(_) => None,
    };
    if let Some(what) = restrained(records, plan, stage) {
        broken(what);
    }
    let Some(strategy) = strategy else { return };
    if plan.kind == OperationKind::Failback {
        if strategy.failback == FailoverMode::Manual {
            broken("the strategy leaves a return to people".to_owned());
        }
        if !plan.requires_approval() {
            broken("nobody would have to approve it".to_owned());
        }
        if records.cases.contains_key(&scope) {
            broken("something fails there".to_owned());
        }
        return;
    }
    match records.cases.get(&scope) {
        Some(case) if case.opened + strategy.wait.as_delta() > now => broken(format!("the wait of {} is not over", strategy.wait)),
        Some(_) => {}
        None => broken("no decision about it is recorded".to_owned()),
    }
    let ran = records.operations.values().filter(|other| other.plan.scope() == scope && other.plan.mode() != Mode::Test);
    let moved = ran.filter(|other| other.started_at.is_some() && !other.state.is_active() && other.plan.kind != OperationKind::Rejoin);
    if let Some(last) = moved.max_by_key(|other| other.ended_at)
        && last.state == State::Succeeded
        && last.mode() == Mode::Emergency
        && last.acknowledged.is_none()
        && last.ended_at.is_some_and(|ended| ended + strategy.cooldown.as_delta() > now)
    {
        broken(format!("the cooldown of {} is not over", strategy.cooldown));
    }
}

/// What people put in the way of what the product does by itself.
fn restrained(records: &Records, plan: &Plan, stage: &Stage) -> Option<String> {
    let now = stage.now();
    let mut scopes = vec![plan.scope()];
    if let Some(change) = plan.traffic() {
        scopes.extend(change.leaving().into_iter().map(Scope::Region));
    }
    let everywhere = [Restraint::MasterSwitch, Restraint::Pause(None)];
    let there = scopes
        .into_iter()
        .flat_map(|scope| [Restraint::Pause(Some(scope.clone())), Restraint::Maintenance(scope.clone()), Restraint::Acknowledged(scope)]);
    everywhere.into_iter().chain(there).find(|what| records.held(what, now).is_some()).map(|what| what.in_words())
}

/// Something begins, whoever asked for it. A part of an evacuation is held to what the whole was approved for.
pub(super) fn at_a_start(stage: &Stage, operation: &Operation) {
    let (records, now, plan) = (stage.records(), stage.now(), &operation.plan);
    if operation.parent.is_some() {
        return;
    }
    let broken = |how: String| stage.broken(Law::SafetyRules, format!("{} {} begins: {how}", plan.kind, operation.id.short()));
    let on_record = stage.laws().glass_broken.contains(&operation.id);
    let test = plan.mode() == Mode::Test;
    let rejoin = plan.kind == OperationKind::Rejoin;
    if records.held(&Restraint::MasterSwitch, now).is_some() && !test && !rejoin && !on_record {
        broken("the master switch is off".to_owned());
    }
    if stage.estate.blackout_at(now).is_some() && plan.mode() != Mode::Emergency && !rejoin && !on_record {
        broken("a blackout window is in force".to_owned());
    }
    if records.held(&Restraint::Tests, now).is_some() && test {
        broken("tests are stopped".to_owned());
    }
    let alone = operation.requested.by == AccountName::lifeboat() && !Laws::is_approved(stage, operation);
    if alone {
        stage.count("begun by the product alone");
        if let Some(what) = restrained(&records, plan, stage) {
            broken(what);
        }
    }
    regions_left_on(stage, operation, on_record, &broken);
    returns(stage, operation, &broken);
}

fn regions_left_on(stage: &Stage, operation: &Operation, on_record: bool, broken: &impl Fn(String)) {
    let Some(change) = operation.plan.traffic() else { return };
    let picture = stage.picture();
    let strategy = stage.estate.service(&change.service).and_then(|service| stage.estate.strategy_of(service));
    let is_well = |region: &&engine::id::RegionId| traffic::health_in(&picture, &change.service, region).is_some_and(Judgement::is_ok);
    let (left, before) = (change.to.iter().filter(is_well).count(), change.from.iter().filter(is_well).count());
    let least = strategy.map_or(1, |strategy| strategy.minimum_on) as usize;
    if left < least && left < before && !on_record {
        broken(format!("{left} regions that are well stay on, {least} must"));
    }
}

/// Clients return only where it was well for the dwell time, unless people agreed to less.
fn returns(stage: &Stage, operation: &Operation, broken: &impl Fn(String)) {
    let Some(change) = operation.plan.traffic().filter(|change| change.mode != Mode::Emergency) else { return };
    let picture = stage.picture();
    let Some(service) = stage.estate.service(&change.service) else { return };
    let dwell = stage.estate.strategy_of(service).map_or(Span::ZERO, |strategy| strategy.dwell);
    let home = traffic::home_of(&picture, service);
    for region in change.joining().intersection(&home) {
        let Some(judgement) = traffic::health_in(&picture, &change.service, region).filter(|judgement| judgement.health == Health::Ok) else {
            continue;
        };
        let agreed = operation.overridden.iter().any(|what| what.contains(region.as_str()));
        if judgement.since.is_some_and(|since| since + dwell.as_delta() > picture.now) && !agreed {
            broken(format!("{region} was not well for {dwell}"));
        }
    }
}
