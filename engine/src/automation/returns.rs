//! The return of clients to where they belong, which the product asks for where the strategy does not leave that to people. It
//! can wait for a person, so it takes an approval whatever the mode is.

use super::{holds::restrained, in_full};
use crate::{
    estate::{FailoverMode, Service},
    failover::{Mode, OperationKind, Plan, traffic},
    id::{AccountName, OperationId, Scope},
    journal::Event,
    look::Look,
    survey::Survey,
};
use std::collections::BTreeSet;

/// The requests for a return that is possible now: the region was well for the dwell time, the data is back, and no rule stands
/// in the way. What `fails` is decided about otherwise. Each is asked for once after clients were moved; again only when
/// somebody has taken note of how that ended.
pub(super) fn requests(survey: &Survey, look: &Look, fails: &BTreeSet<Scope>, mut new_id: impl FnMut() -> OperationId) -> Vec<Event> {
    let services = look.services(survey.picture).into_iter().filter(|service| service.traffic.is_some());
    let wanted = services.filter(|service| !fails.contains(&Scope::Service(service.id.clone()))).filter_map(|service| possible(survey, service));
    let request = |plan: Plan| Event::OperationRequested {
        id: new_id(),
        plan_hash: plan.hash(),
        reason: format!("{} can return home: it was well there for the dwell time, and the strategy asks for it", plan.scope().name()),
        plan: Box::new(plan),
        loss_accepted: false,
        overridden: Vec::new(),
        parent: None,
    };
    wanted.map(request).collect()
}

fn possible(survey: &Survey, service: &Service) -> Option<Plan> {
    let picture = survey.picture;
    let strategy = picture.estate.strategy_of(service).filter(|strategy| strategy.failback != FailoverMode::Manual)?;
    let scope = Scope::Service(service.id.clone());
    let home = traffic::home_of(picture, service);
    let seen = picture.observed.traffic.get(&service.id).filter(|view| view.judgement.is_ok())?.on.as_ref()?;
    // Clients that are nowhere are a failure, and somebody flees or comes back from that.
    if seen.regions == home || seen.regions.is_empty() || picture.records.cases.contains_key(&scope) {
        return None;
    }
    let moved = picture.records.routes.get(&service.id)?.since;
    let asked_already = survey.operations_on(&scope).iter().any(|operation| {
        let ours = operation.plan.kind == OperationKind::Failback && operation.requested.by == AccountName::lifeboat();
        ours && operation.requested.at >= moved && operation.acknowledged.is_none()
    });
    let mut scopes = vec![scope.clone()];
    scopes.extend(strategy.regions().cloned().map(Scope::Region));
    if asked_already || survey.holder_of(&scope).is_some() || survey.is_being_evacuated(&scope) || !restrained(picture, &scopes).is_empty() {
        return None;
    }
    let plan = picture.under_rules(traffic::outline(survey, &service.id, Mode::Planned, Some(&home))?);
    (plan.kind == OperationKind::Failback && plan.blockers.is_empty()).then(|| in_full(survey, plan))
}
