//! Promotions that nobody is asked for: only where the strategy says so, a second witness says that the primary is dead, and
//! nothing can be lost (“beyond” 8, rows 52 and 53).

use crate::{
    realm::{Realm, held},
    world::{EAST, REPLICA, WEST, id},
};
use engine::{
    automation::{Decision, Verdict},
    databases::{HostReading, HostState, LossBound, NodeRole, NodeView, ZeroLoss},
    failover::{Action, FenceMeans, OnFailure, OperationKind, State},
    health::{Health, Judgement},
    time::Span,
};

/// The strategy of the database is automatic, and waits for nothing.
fn automatic() -> Realm {
    let mut realm = Realm::well();
    realm.strategy("asks").failover = engine::estate::FailoverMode::Automatic;
    realm
}
fn node<'a>(realm: &'a mut Realm, name: &str) -> &'a mut NodeView {
    realm.observed.clusters.values_mut().flat_map(|view| &mut view.nodes).find(|view| view.node.as_str() == name).unwrap()
}
fn host(realm: &mut Realm, name: &str, state: HostState) {
    let at = realm.now;
    node(realm, name).host = Some(HostReading { at, state });
}
/// The primary is killed; its host says so.
fn killed(realm: &mut Realm) {
    realm.see_node(EAST, Health::Down);
    host(realm, EAST, HostState::Gone);
}
fn decision(realm: &Realm) -> Decision {
    realm.thinks("cluster/users").unwrap()
}

#[test]
fn a_dead_primary_is_replaced_at_once_and_nothing_is_promoted_before_its_log_was_read() {
    let mut realm = automatic();
    killed(&mut realm);
    assert_eq!(decision(&realm).verdict, Verdict::Start, "{:?}", held(&decision(&realm)));
    realm.tick();
    let operation = realm.book.records.active_on(&id("users")).unwrap().clone();
    assert_eq!((operation.state, operation.approved.is_none(), operation.plan.kind), (State::Approved, true, OperationKind::Failover));
    assert_eq!(operation.plan.loss, LossBound::Zero { because: ZeroLoss::ProvenBeforePromotion });
    let at = |fits: fn(&Action) -> bool| operation.plan.steps.iter().position(|step| fits(&step.action)).unwrap();
    let fence = at(|action| matches!(action, Action::Fence { by: FenceMeans::HostAgent, .. }));
    let proof = at(|action| matches!(action, Action::HoldsAll { timeline: 1, .. }));
    assert!(fence < proof && proof < at(|action| matches!(action, Action::Promote { .. })), "{:?}", operation.plan.steps);
    assert_eq!(operation.plan.steps[proof].on_failure, OnFailure::StandInDoubt, "its host may act later than it answers");
    assert!(!operation.plan.steps[proof].action.may_be_skipped());
    assert!(matches!(&operation.plan.steps[proof].action, Action::HoldsAll { confirmed_by: None, .. }), "nobody waited for a standby");
    realm.later(1);
    host(&mut realm, EAST, HostState::Gone);
    assert_eq!(realm.picture().replan(&operation).unwrap().hash(), operation.plan_hash, "a moment later it is the same plan");
    // People who ask for it are asked, and told what may be lost.
    let by_people = realm.picture().plan(OperationKind::Failover, &id("users"), None).unwrap();
    assert!(by_people.requires_approval() && !by_people.loss.is_zero(), "{:?}", by_people.loss);
}

#[test]
fn without_a_second_witness_or_where_something_is_missing_a_person_is_asked() {
    let asks = |change: &dyn Fn(&mut Realm)| {
        let mut realm = automatic();
        killed(&mut realm);
        change(&mut realm);
        let decision = decision(&realm);
        assert_eq!(decision.verdict, Verdict::Request, "{:?}", held(&decision));
        realm.tick();
        assert_eq!(realm.book.records.active_on(&id("users")).unwrap().state, State::Requested);
    };
    asks(&|realm| host(realm, EAST, HostState::Running));
    asks(&|realm| node(realm, EAST).host = None);
    asks(&|realm| {
        let old = realm.now - Span::from_mins(5).as_delta();
        node(realm, EAST).host = Some(HostReading { at: old, state: HostState::Gone });
    });
    asks(&|realm| realm.strategy("asks").failover = engine::estate::FailoverMode::SemiAutomatic);
    // It was last seen to have more than any standby: something is lost.
    asks(&|realm| {
        let Some(NodeRole::Primary { flushed, .. }) = node(realm, EAST).reading.as_mut().map(|reading| &mut reading.role) else { panic!() };
        flushed.0 += 1;
    });
}

#[test]
fn where_commits_waited_for_a_standby_the_others_are_asked_too() {
    let mut realm = automatic();
    let NodeRole::Primary { peers, .. } = &mut node(&mut realm, EAST).reading.as_mut().unwrap().role else { panic!() };
    peers.iter_mut().find(|peer| peer.name == WEST).unwrap().synchronous = true;
    let confirmed_by = |realm: &Realm| {
        let plan = engine::automation::consider(&realm.picture()).into_iter().find_map(|considered| considered.plan).unwrap();
        let proof = plan.steps.into_iter().find_map(|step| match step.action {
            Action::HoldsAll { confirmed_by, .. } => Some(confirmed_by),
            _ => None,
        });
        proof.unwrap()
    };
    let at = realm.now;
    killed(&mut realm);
    node(&mut realm, EAST).judgement.since = Some(at);
    node(&mut realm, EAST).reading.as_mut().unwrap().at = at;
    assert_eq!(confirmed_by(&realm), Some(vec![id(REPLICA)]));
    let mut stranger = realm.clone();
    let NodeRole::Primary { peers, .. } = &mut node(&mut stranger, EAST).reading.as_mut().unwrap().role else { panic!() };
    peers.push(engine::databases::Peer { name: "archive-copy".to_owned(), ..peers[0].clone() });
    assert_eq!(confirmed_by(&stranger), None, "whoever is not declared may have confirmed, and cannot be asked");
    node(&mut realm, EAST).reading.as_mut().unwrap().at = at - Span::from_mins(5).as_delta();
    assert_eq!(confirmed_by(&realm), None, "said long before it fell");
}

#[test]
fn a_hung_primary_is_ended_by_its_host_and_then_replaced() {
    let mut realm = automatic();
    killed(&mut realm);
    host(&mut realm, EAST, HostState::Hung);
    assert_eq!(decision(&realm).verdict, Verdict::Start);
}

/// A cluster of two whose standby confirms every commit; the region of the primary cannot be reached, its host neither.
fn cut_off(realm: &mut Realm) {
    let silent = Judgement { health: Health::Down, since: Some(realm.now - Span::from_secs(30).as_delta()), why: "timed out".to_owned() };
    realm.estate.clusters[0].nodes.retain(|node| node.id.as_str() != REPLICA);
    let now = realm.now;
    let view = realm.observed.clusters.values_mut().next().unwrap();
    view.nodes.retain(|node| node.node.as_str() != REPLICA);
    realm.see_node(EAST, Health::Down);
    realm.observed.agents.insert(id("us-east-1"), silent);
    let primary = node(realm, EAST);
    primary.host = None;
    let reading = primary.reading.as_mut().unwrap();
    reading.at = now - Span::from_secs(31).as_delta();
    let NodeRole::Primary { peers, .. } = &mut reading.role else { panic!() };
    peers.retain(|peer| peer.name == WEST);
    peers[0].synchronous = true;
    let standby = node(realm, WEST).reading.as_mut().unwrap();
    standby.at = now;
    let NodeRole::Standby { streaming_from, .. } = &mut standby.role else { panic!() };
    *streaming_from = None;
}

#[test]
fn a_primary_that_vanished_is_replaced_by_its_only_synchronous_standby_once_that_has_lost_it_too() {
    let mut realm = automatic();
    cut_off(&mut realm);
    let decided = decision(&realm);
    assert_eq!(decided.verdict, Verdict::Start, "{:?}", held(&decided));
    realm.tick();
    let operation = realm.book.records.active_on(&id("users")).unwrap();
    assert_eq!(operation.plan.loss, LossBound::Zero { because: ZeroLoss::SynchronousPeer });
    let fences = operation.plan.steps.iter().filter(|step| matches!(step.action, Action::Fence { by: FenceMeans::RouterAndSynchronousStandby, .. }));
    assert_eq!(fences.count(), 1);

    // The standby still receives from it: it lives, and only those who look are cut off.
    let mut realm = automatic();
    cut_off(&mut realm);
    let NodeRole::Standby { streaming_from, .. } = &mut node(&mut realm, WEST).reading.as_mut().unwrap().role else { panic!() };
    *streaming_from = Some("127.0.0.1".to_owned());
    assert_eq!(decision(&realm).verdict, Verdict::Request);
    // It was read before the failure began: nothing is known of the time since.
    let mut realm = automatic();
    cut_off(&mut realm);
    let before = realm.now - Span::from_secs(31).as_delta();
    node(&mut realm, WEST).reading.as_mut().unwrap().at = before;
    assert_ne!(decision(&realm).verdict, Verdict::Start);
}

#[test]
fn what_holds_the_product_back_holds_an_unattended_promotion_back_too() {
    let mut realm = automatic();
    realm.restrain("pause:cluster/users", Some(60));
    killed(&mut realm);
    assert_eq!(decision(&realm).verdict, Verdict::Hold);
    let mut realm = automatic();
    realm.restrain("master-switch", None);
    killed(&mut realm);
    assert_eq!(decision(&realm).verdict, Verdict::Hold);
}
