//! Row 35 among services: one alarm for the cause, and the others marked as what follows from it.

use crate::{
    realm::{ALL, BILLING, EAST, EDGE, REPORTS, Realm, SHOP, WEST, held},
    world::id,
};
use engine::{
    automation::{Decision, Verdict},
    health::Health,
    notifications::{Hush, Incident, Topic, incidents},
};

fn decision(realm: &Realm, service: &str) -> Decision {
    realm.thinks(&format!("service/{service}")).unwrap()
}
fn follows(realm: &Realm, service: &str) -> Option<String> {
    decision(realm, service).follows.map(|cause| cause.to_string())
}
fn incident(realm: &Realm, service: &str) -> Incident {
    let topic = Topic::Failure(format!("service/{service}").parse().unwrap());
    incidents(&realm.picture(), &[]).into_iter().find(|incident| incident.key.topic == topic).unwrap()
}
fn from(cause: &str) -> Option<Hush> {
    Some(Hush::Follows { from: format!("the failure of {cause}") })
}

#[test]
fn what_needs_a_service_that_fails_is_told_with_that() {
    let mut realm = Realm::well();
    realm.needs(SHOP, &[BILLING]);
    realm.needs(BILLING, &[REPORTS]);
    for service in [SHOP, BILLING, REPORTS] {
        realm.see(service, EAST, Health::Down);
    }
    assert_eq!((follows(&realm, SHOP), follows(&realm, BILLING), follows(&realm, REPORTS)), (Some(REPORTS.into()), Some(REPORTS.into()), None));
    // Each of them is well elsewhere, so the mark keeps nobody from being moved.
    assert_eq!(decision(&realm, BILLING).verdict, Verdict::Request);
    assert!(decision(&realm, BILLING).trouble.last().unwrap().contains("reports, which it needs, fails too"), "{:?}", decision(&realm, BILLING));
    realm.tick();
    realm.later(60);
    realm.tick();
    assert_eq!((incident(&realm, SHOP).hush, incident(&realm, BILLING).hush, incident(&realm, REPORTS).hush), (from(REPORTS), from(REPORTS), None));
    assert!(realm.book.records.cases[&"service/shop".parse().unwrap()].followed, "it is given the time to come back after it");

    // While the cause is worked on nobody hears of it; of what fails by it somebody must.
    realm.restrain("maintenance:service/reports", Some(60));
    assert!(matches!(incident(&realm, REPORTS).hush, Some(Hush::Restrained { .. })));
    assert_eq!(incident(&realm, SHOP).hush, None);
}

#[test]
fn what_is_well_nowhere_waits_for_its_cause() {
    let mut realm = Realm::well();
    realm.needs(SHOP, &[REPORTS]);
    realm.see(REPORTS, EAST, Health::Down);
    ALL.iter().for_each(|region| realm.see(SHOP, region, Health::Down));
    let held = held(&decision(&realm, SHOP));
    assert!(held.contains(&"caused-by-service".to_owned()), "{held:?}");
}

#[test]
fn only_what_matters_to_it_and_did_not_begin_later_is_a_cause() {
    let mut realm = Realm::well();
    realm.needs(SHOP, &[EDGE]);
    realm.see(SHOP, EAST, Health::Down);
    realm.see(EDGE, WEST, Health::Down);
    assert_eq!(follows(&realm, SHOP), None, "edge serves its clients in the east");
    realm.see(EDGE, EAST, Health::Down);
    assert_eq!(follows(&realm, SHOP), Some(EDGE.into()));
    realm.since(SHOP, EAST, 600);
    assert_eq!(follows(&realm, SHOP), None, "it began long before");

    // Clients are sent to the east only, so that is where it fails everybody.
    let mut realm = Realm::well();
    realm.needs(EDGE, &[REPORTS]);
    realm.see(REPORTS, EAST, Health::Down);
    realm.see(EDGE, WEST, Health::Down);
    assert_eq!(follows(&realm, EDGE), Some(REPORTS.into()));
    // A region without clients fails nobody.
    let mut realm = Realm::well();
    realm.needs(EDGE, &[REPORTS]);
    realm.see(REPORTS, WEST, Health::Down);
    realm.see(EDGE, WEST, Health::Down);
    assert_eq!(follows(&realm, EDGE), None);
}

#[test]
fn of_a_circle_one_is_told() {
    let mut realm = Realm::well();
    realm.needs(SHOP, &[BILLING]);
    realm.needs(BILLING, &[REPORTS]);
    realm.needs(REPORTS, &[BILLING]);
    for service in [SHOP, BILLING, REPORTS] {
        realm.see(service, EAST, Health::Down);
    }
    assert_eq!((follows(&realm, SHOP), follows(&realm, BILLING), follows(&realm, REPORTS)), (Some(BILLING.into()), None, Some(BILLING.into())));
}

#[test]
fn a_decision_keeps_the_thresholds_it_was_taken_by() {
    let mut realm = Realm::well();
    realm.see(SHOP, EAST, Health::Down);
    realm.tick();
    let rule = realm.estate.detection;
    realm.estate.detection.failures = 1;
    let case = &realm.book.records.cases[&"service/shop".parse().unwrap()];
    assert_eq!(case.decision.rule, Some(rule));
    let cluster = realm.estate.clusters[0].id.clone();
    realm.see_node(crate::world::EAST, Health::Down);
    realm.later(1);
    let decision = realm.thinks(&format!("cluster/{cluster}")).unwrap();
    assert_eq!(decision.rule, Some(realm.estate.detection_of(realm.estate.cluster(&id("users")).unwrap())));
}
