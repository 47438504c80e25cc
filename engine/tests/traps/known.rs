//! What is shown, told and acted on must be known: the moment after a promotion, a route that nobody set, what nobody sees
//! (rows 33, 45, 46, 47, 60, 68).

use crate::{
    realm::{BILLING, EAST as EAST_REGION, Realm, SHOP, WEST as WEST_REGION, blockers, regions, requests},
    world::{EAST, WEST, World, ago, id, judged, now, west_promoted},
};
use engine::{
    databases::{Protection, RoutedTo},
    failover::{Action, Mode, OperationKind, Promotion, State},
    findings::{Complaint, Severity},
    health::Health,
    id::NodeId,
    journal::{Command, Event, ObserverStanding, Refusal},
    notifications::{Hush, Incident, Topic, incidents},
    picture::{ObserverView, Picture, RouteStanding},
    time::Span,
};

fn open(picture: &Picture, topic: &str) -> Option<Incident> {
    incidents(picture, &[]).into_iter().find(|incident| incident.key.topic.to_string() == topic)
}

#[test]
fn row_45_what_was_read_before_a_promotion_is_not_shown_as_if_it_were_so() {
    let mut world = west_promoted();
    for node in [EAST, crate::world::REPLICA, WEST] {
        world.reading(node).at = ago(11);
    }
    let picture = world.picture();
    let users = id("users");
    let Some(Promotion { node, done: true, .. }) = picture.unseen_promotion(&users) else { panic!("it was not read since") };
    assert_eq!(node.as_str(), WEST);
    assert_eq!(picture.protection(&users), None, "a green word that rests on the cluster as it was before");
    let said: Vec<String> = picture.findings().iter().map(|finding| format!("{:?}: {}", finding.severity, finding.complaint)).collect();
    assert!(
        said.iter().any(|line| line.starts_with("Unknown: whether any node takes writes is not known: pg-standby-west was promoted")),
        "{said:?}"
    );
    assert!(!said.iter().any(|line| line.starts_with("Lost")), "nor is a red one: {said:?}");
    assert!(engine::noticing::changes(&picture).is_empty(), "and the journal says nothing of it: {:?}", engine::noticing::changes(&picture));

    world.west_took_over();
    for node in [EAST, crate::world::REPLICA, WEST] {
        world.reading(node).at = ago(1);
    }
    assert_eq!(world.picture().unseen_promotion(&users), None);
    assert!(matches!(world.picture().protection(&users), Some(Protection::Reduced { .. } | Protection::Unprotected { .. })));
}

#[test]
fn row_47_the_route_of_a_cluster_is_judged_by_what_is_known() {
    let mut world = World::healthy();
    let users = id("users");
    let mut standing = |at, nodes: &[&str]| {
        world.view().routed_to = Some(RoutedTo { at, nodes: nodes.iter().map(|node| id(node)).collect() });
        world.picture().route_of(&users).unwrap()
    };
    assert_eq!(standing(ago(1), &[EAST]), RouteStanding::Right { node: id(EAST) });
    assert_eq!(standing(ago(1), &[]), RouteStanding::Closed);
    let elsewhere = |nodes: &[&str]| RouteStanding::Elsewhere { routed: nodes.iter().map(|node| id::<NodeId>(node)).collect(), writable: id(EAST) };
    assert_eq!(standing(ago(1), &[EAST, "stranger"]), elsewhere(&[EAST, "stranger"]), "also to what the estate does not know");
    assert!(matches!(standing(ago(600), &[EAST]), RouteStanding::Unknown { .. }));

    // Read before the operation ended that changed it.
    let mut world = west_promoted();
    world.view().routed_to = Some(RoutedTo { at: ago(9), nodes: Vec::new() });
    let Some(RouteStanding::Unknown { why }) = world.picture().route_of(&users) else { panic!("it was closed then") };
    assert_eq!(why, "an operation has ended since the router was last read");
}

#[test]
fn row_47_a_route_that_nobody_set_is_an_incident_until_it_is_known_to_be_right() {
    let mut world = World::healthy();
    let topic = "misrouted/users";
    assert_eq!(open(&world.picture(), topic), None);
    world.view().routed_to = Some(RoutedTo { at: ago(1), nodes: vec![id(WEST)] });
    let found = open(&world.picture(), topic).unwrap();
    assert_eq!((found.severity, found.hush.clone()), (Severity::Lost, None));
    assert_eq!(found.title, "users: clients are sent to pg-standby-west, the writable node is pg-primary-east");
    world.observed.routers.insert(id("users"), judged(Health::Down, ago(20), "refused"));
    assert_eq!(open(&world.picture(), topic), None, "a router that was never seen to be wrong");
    let known = [engine::notifications::Known { key: found.key.clone(), severity: found.severity, clear_since: found.clear_since }];
    let still = incidents(&world.picture(), &known).into_iter().find(|incident| incident.key.topic.to_string() == topic).unwrap();
    assert_eq!((still.key, still.severity), (found.key, Severity::Act), "silence sets no route");
    assert_eq!(topic.parse::<Topic>().unwrap().to_string(), topic);
}

#[test]
fn row_33_what_serves_clients_unseen_is_told() {
    let mut realm = Realm::well();
    let topic = "unseen/service/billing";
    assert_eq!(open(&realm.picture(), topic), None);
    realm.see(BILLING, WEST_REGION, Health::Unknown);
    assert_eq!(open(&realm.picture(), topic), None, "nobody is there");
    realm.see(BILLING, EAST_REGION, Health::Unknown);
    let found = open(&realm.picture(), topic).unwrap();
    assert_eq!((found.severity, found.hush.clone()), (Severity::Act, None));
    assert!(found.title.starts_with("Whether billing serves its clients in us-east-1 is not known: "), "{}", found.title);
    realm.restrain("maintenance:service/billing", Some(10));
    assert!(matches!(open(&realm.picture(), topic).unwrap().hush, Some(Hush::Restrained { .. })));
    realm.see(BILLING, EAST_REGION, Health::Down);
    realm.tick();
    assert_eq!(open(&realm.picture(), topic), None, "what fails is a failure");
}

#[test]
fn row_31_too_few_observers_for_any_verdict_are_told() {
    let mut realm = Realm::well();
    let place = |place: Option<&str>| ObserverView { place: place.map(id), reported: Some(now()), skew_ms: 0, blind_since: None, refused: 0 };
    realm.observed.observers.insert(id("server"), place(None));
    realm.observed.observers.insert(id("west"), place(Some(WEST_REGION)));
    realm.estate.quorum = Some(2);
    let topic = "too-few-observers";
    assert_eq!(open(&realm.picture(), topic), None);
    realm.say(Event::ObserverChanged { observer: id("west"), to: ObserverStanding::Silent, since: realm.now });
    let found = open(&realm.picture(), topic).unwrap();
    assert_eq!((found.severity, found.key.since), (Severity::Act, realm.now));
    assert!(realm.picture().findings().iter().any(|finding| matches!(finding.complaint, Complaint::TooFewObservers { quorum: 2, counted: 1 })));
    // A server that does not observe is no place.
    realm.observed.observers.insert(id("eu"), place(Some("eu-west-1")));
    assert_eq!(realm.picture().too_few_observers(), None);
    realm.estate.server_observes = false;
    assert_eq!(realm.picture().too_few_observers(), Some((2, 1)));
}

#[test]
fn row_68_an_emergency_in_which_nothing_fails_is_no_way_round_a_blackout() {
    let mut realm = Realm::well();
    let until = realm.now + Span::from_mins(60).as_delta();
    realm.estate.blackouts.push(engine::estate::Blackout { from: realm.now, until, reason: "year end".to_owned() });
    let plan = realm.plan(SHOP, Mode::Emergency, &[WEST_REGION]);
    assert_eq!(blockers(&plan), ["nothing-fails", "blackout"]);
    assert_eq!(plan.rules_to_break().len(), 1, "two people may break it, loudly");
    realm.see(SHOP, EAST_REGION, Health::Down);
    assert_eq!(blockers(&realm.plan(SHOP, Mode::Emergency, &[WEST_REGION])), Vec::<&str>::new());
}

#[test]
fn row_60_nothing_is_resumed_while_the_master_switch_is_off() {
    let mut realm = Realm::well();
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST_REGION]);
    let operation = realm.request(&plan).unwrap();
    realm.approve("bob", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    realm.say(Event::OperationInDoubt { id: operation, why: "killed".to_owned() });
    realm.restrain("master-switch", None);
    let resume = Command::Resume { operation, reason: "go on".to_owned() };
    assert!(matches!(realm.act("ann", &resume), Err(Refusal::MasterSwitchOff { by, .. }) if by == "bob"));
    let close = Command::Close { operation, reason: "leave it".to_owned() };
    assert!(realm.clone().act("ann", &close).is_ok(), "it may be left as it is");
    realm.release("master-switch");
    assert!(realm.act("ann", &resume).is_ok());
}

#[test]
fn row_46_a_return_is_asked_for_once_where_the_strategy_wants_it_and_a_person_approves() {
    let mut realm = Realm::well();
    realm.moved(BILLING, Mode::Planned, &[WEST_REGION]);
    realm.later(3_600);
    realm.since(BILLING, EAST_REGION, 3_600);
    assert_eq!(requests(&realm.tick()), 0, "the strategy leaves it to people");
    realm.strategy("asks").failback = engine::estate::FailoverMode::Automatic;
    realm.since(BILLING, EAST_REGION, 60);
    assert_eq!(requests(&realm.tick()), 0, "it was well for a minute only");
    realm.since(BILLING, EAST_REGION, 3_600);
    realm.restrain("pause:service/billing", Some(10));
    assert_eq!(requests(&realm.tick()), 0, "paused");
    realm.release("pause:service/billing");
    assert_eq!(requests(&realm.tick()), 1);
    let asked = realm.holder(BILLING).unwrap().clone();
    assert_eq!((asked.plan.kind, asked.state, asked.requested.by.as_str()), (OperationKind::Failback, State::Requested, "lifeboat"));
    assert_eq!(asked.plan.traffic().unwrap().to, regions(&[EAST_REGION]));
    assert_eq!(requests(&realm.tick()), 0, "asked once");
    realm.act("bob", &Command::Decline { operation: asked.id, reason: "not now".to_owned() }).unwrap();
    realm.later(3_600);
    realm.since(BILLING, EAST_REGION, 7_200);
    assert_eq!(requests(&realm.tick()), 0, "and not again after a person said no");
    realm.act("bob", &Command::Acknowledge { operation: asked.id, reason: "ask again".to_owned() }).unwrap();
    assert_eq!(requests(&realm.tick()), 1);
}

#[test]
fn row_98_a_declined_request_can_be_lifted_by_taking_note_of_it() {
    let mut realm = Realm::well();
    realm.see(BILLING, EAST_REGION, Health::Down);
    realm.tick();
    let asked = realm.holder(BILLING).unwrap().id;
    realm.act("bob", &Command::Decline { operation: asked, reason: "not now".to_owned() }).unwrap();
    assert_eq!(requests(&realm.tick()), 0);
    assert!(realm.book.records.operations[&asked].may_be_acknowledged());
    realm.act("bob", &Command::Acknowledge { operation: asked, reason: "ask again".to_owned() }).unwrap();
    assert!(!realm.book.records.operations[&asked].may_be_acknowledged());
    assert_eq!(requests(&realm.tick()), 1);
}

#[test]
fn row_47_a_route_is_set_again_to_the_node_that_takes_the_writes_and_nothing_else_is_touched() {
    let mut world = World::healthy();
    let plan = world.plan(OperationKind::Reroute, None);
    assert_eq!(blockers(&plan), ["already-there"]);
    world.view().routed_to = Some(RoutedTo { at: ago(1), nodes: vec![id(WEST)] });
    let plan = world.plan(OperationKind::Reroute, None);
    assert_eq!((blockers(&plan), plan.database().unwrap().target.clone()), (vec![], Some(id(EAST))));
    let east: NodeId = id(EAST);
    let does: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
    assert_eq!(
        does,
        [&Action::VerifyWritable { node: east.clone() }, &Action::OpenRoute { node: east.clone() }, &Action::ProveWrite { node: east.clone() }]
    );
    assert!(!plan.requires_approval() && plan.loss.is_zero(), "clients wait, and it promotes nothing");
    world.west_took_over();
    assert!(!world.plan(OperationKind::Reroute, None).hard_blockers().is_empty(), "two take writes: to which of them?");
    let mut world = World::healthy();
    world.view().routed_to = Some(RoutedTo { at: ago(1), nodes: Vec::new() });
    world.down(EAST);
    assert!(blockers(&world.plan(OperationKind::Reroute, None)).contains(&"primary-not-writable"));
}
