//! Who is told what, and how often: rows 35, 36, 61 and 88, trap F12.

use crate::{
    realm::{ALL, BILLING, EAST, EDGE, REPORTS, Realm, SHOP, WEST},
    world::{id, operation_id, person},
};
use engine::{
    failover::{Mode, StepState},
    findings::Severity,
    health::Health,
    id::{OperationId, Scope},
    journal::{Actor, Command, Event, Refusal},
    notifications::{GIVE_UP_AFTER, Hush, Incident, Kind, Known, Message, Rule, Told, Topic, due, incidents, next_attempt},
    time::{Instant, Span},
};
use proptest::prelude::*;

/// A channel, as the store would remember it.
struct Channel {
    rule: Rule,
    told: Vec<Told>,
    known: Vec<Known>,
    said: Vec<Message>,
}

impl Channel {
    fn hearing(minimum: Severity) -> Self {
        Self { rule: Rule { minimum, remind_every: Span::from_mins(30) }, told: Vec::new(), known: Vec::new(), said: Vec::new() }
    }

    /// One look: what is said now. It is written down, and delivered at once.
    fn hears(&mut self, realm: &Realm) -> Vec<Message> {
        self.hears_of(&realm.picture())
    }
    fn hears_of(&mut self, picture: &engine::picture::Picture) -> Vec<Message> {
        let open = incidents(picture, &self.known);
        let known = |incident: &Incident| Known { key: incident.key.clone(), severity: incident.severity, clear_since: incident.clear_since };
        self.known = open.iter().map(known).collect();
        let messages = due(&open, &self.rule, &self.told, picture.now);
        for message in &messages {
            let before = self.told.iter().position(|told| told.key == message.key).map(|at| self.told.remove(at));
            self.told.push(Told {
                key: message.key.clone(),
                opened: before.as_ref().map_or(picture.now, |before| before.opened),
                kind: message.kind,
                at: picture.now,
                severity: message.severity,
                title: message.title.clone(),
                link: message.link.clone(),
                waits: false,
                acknowledged: message.kind == Kind::Acknowledged || before.is_some_and(|before| before.acknowledged && message.kind != Kind::Changed),
            });
        }
        self.said.extend(messages.clone());
        messages
    }
    fn kinds(&mut self, realm: &Realm) -> Vec<(Kind, String)> {
        self.hears(realm).into_iter().map(|message| (message.kind, message.key.topic.to_string())).collect()
    }
}

fn open(realm: &Realm, topic: &str) -> Option<Incident> {
    incidents(&realm.picture(), &[]).into_iter().find(|incident| incident.key.topic.to_string() == topic)
}

fn opened(topic: &str) -> (Kind, String) {
    (Kind::Opened, topic.to_owned())
}

const OF_BILLING: &str = "failure/service/billing";
const OF_SHOP: &str = "failure/service/shop";

/// It answers again, and what Lifeboat asked for because of it is void.
fn recovers(realm: &mut Realm) {
    realm.see(BILLING, EAST, Health::Ok);
    let holder = realm.holder(BILLING).map(|holder| holder.id);
    holder.into_iter().for_each(|id| realm.say(Event::OperationVoided { id, reasons: vec!["it is well again".to_owned()] }));
    realm.tick();
}

#[test]
fn f12_row_88_a_failure_is_told_once_however_often_it_is_probed() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    assert_eq!(ops.kinds(&realm), [], "all is well");
    realm.see(BILLING, EAST, Health::Down);
    realm.tick();
    assert_eq!(ops.kinds(&realm), [opened(OF_BILLING)]);
    let first = ops.said[0].clone();
    assert_eq!((first.severity, first.link.as_str()), (Severity::Lost, &*format!("/operations/{}", realm.holder(BILLING).unwrap().id)));
    assert!(first.title.starts_with("billing fails: billing is down in us-east-1: "), "{}", first.title);
    assert!(first.next.contains("waits for approval: read the plan"), "{}", first.next);
    for probe in 0..200 {
        realm.later(5);
        realm.endpoint(BILLING, EAST).judgement.why = format!("{probe} of {probe} probes failed");
        realm.tick();
        let again = ops.kinds(&realm);
        assert!(again.is_empty(), "probe {probe}: {again:?}");
    }
    assert_eq!(ops.said.len(), 1, "and what Lifeboat asks for is told with it, not beside it");
}

#[test]
fn row_88_reminders_come_until_somebody_acknowledges_and_the_end_is_told_once() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    realm.fails(BILLING, EAST);
    assert_eq!(ops.kinds(&realm), [opened(OF_BILLING)]);
    let key = ops.said[0].key.clone();
    for _ in 0..3 {
        realm.later(29 * 60);
        realm.tick();
        assert_eq!(ops.kinds(&realm), []);
        realm.later(60);
        realm.tick();
        assert_eq!(ops.kinds(&realm), [(Kind::Reminder, OF_BILLING.to_owned())]);
    }
    let take = |severity, reason: &str| Command::AcknowledgeIncident {
        incident: key.clone(),
        severity,
        title: "billing fails".to_owned(),
        reason: reason.to_owned(),
    };
    assert!(matches!(realm.act("eve", &take(Severity::Lost, "on it")), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(realm.act("ann", &take(Severity::Lost, "")), Err(Refusal::ReasonMissing { .. })));
    realm.act("ann", &take(Severity::Lost, "on it")).unwrap();
    assert!(matches!(realm.act("bob", &take(Severity::Lost, "me too")), Err(Refusal::IncidentAcknowledged { by, .. }) if by == "ann"));
    assert_eq!(ops.kinds(&realm), [(Kind::Acknowledged, OF_BILLING.to_owned())]);
    assert!(ops.said.last().unwrap().next.starts_with("ann acknowledged it at "), "{:?}", ops.said.last());
    for _ in 0..10 {
        realm.later(30 * 60);
        realm.tick();
        assert_eq!(ops.kinds(&realm), [], "no more reminders");
    }
    recovers(&mut realm);
    assert_eq!(ops.kinds(&realm), [(Kind::Resolved, OF_BILLING.to_owned())]);
    assert_eq!(ops.kinds(&realm), [], "once");
    realm.later(600);
    realm.fails(BILLING, EAST);
    assert_eq!(ops.kinds(&realm), [opened(OF_BILLING)], "row 36: a new failure is new, whoever acknowledged the last");
    assert_ne!(ops.said.last().unwrap().key, key);
}

#[test]
fn what_gets_worse_is_told_although_it_was_acknowledged() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    // Two regions gone: only one is left.
    realm.see(EDGE, WEST, Health::Down);
    realm.see(EDGE, ALL[2], Health::Down);
    realm.send(EDGE, &[EAST]);
    realm.tick();
    realm.later(60);
    let exposed = open(&realm, "exposed/service/edge").unwrap();
    let topic = Topic::Exposed(id("service/edge"));
    let rule = ops.rule;
    let told = |severity, at: Instant| Told {
        key: exposed.key.clone(),
        opened: at,
        kind: Kind::Opened,
        at,
        severity,
        title: String::new(),
        link: String::new(),
        waits: false,
        acknowledged: false,
    };
    let taken = Hush::Acknowledged { by: "ann".to_owned(), at: realm.now, reason: "on it".to_owned() };
    let now = realm.now;
    let say = |incident: &Incident, told: &[Told]| due(std::slice::from_ref(incident), &rule, told, now).pop().map(|message| message.kind);
    let reduced = Incident { severity: Severity::Watch, hush: Some(taken), ..exposed.clone() };
    assert_eq!(say(&reduced, &[]), None, "what somebody looks after needs no telling");
    assert_eq!(say(&Incident { hush: None, ..exposed.clone() }, &[told(Severity::Watch, now)]), Some(Kind::Changed), "worse, at once");
    assert_eq!(say(&reduced, &[told(Severity::Act, now)]), Some(Kind::Acknowledged));
    let calm = now - Span::from_mins(1).as_delta();
    assert_eq!(say(&Incident { hush: None, ..reduced.clone() }, &[told(Severity::Act, now)]), None, "better, but who knows");
    assert_eq!(say(&Incident { hush: None, ..reduced }, &[told(Severity::Act, calm)]), Some(Kind::Changed), "better, and it lasts");
    // In the records an acknowledgement covers what is no worse.
    let take = |severity| Command::AcknowledgeIncident { incident: exposed.key.clone(), severity, title: String::new(), reason: "on it".to_owned() };
    realm.act("ann", &take(Severity::Watch)).unwrap();
    assert_eq!((exposed.key.topic.clone(), open(&realm, "exposed/service/edge").unwrap().severity), (topic, Severity::Act));
    assert_eq!(open(&realm, "exposed/service/edge").unwrap().hush, None, "it was acknowledged when it was better");
    realm.act("ann", &take(Severity::Act)).unwrap();
    assert!(matches!(open(&realm, "exposed/service/edge").unwrap().hush, Some(Hush::Acknowledged { .. })));
    ops.hears(&realm);
}

#[test]
fn row_35_a_region_that_fails_is_one_alarm() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    realm.see_all(EAST, Health::Down);
    realm.tick();
    realm.later(25);
    realm.tick();
    assert_eq!(ops.kinds(&realm), [opened("failure/region/us-east-1")]);
    let all = incidents(&realm.picture(), &[]);
    assert!(all.len() > 4, "the others are there to be seen: {all:?}");
    for child in all.iter().filter(|incident| incident.key.topic != Topic::Failure(id("region/us-east-1"))) {
        assert!(matches!(child.hush, Some(Hush::Follows { .. })), "{child:?}");
    }
    for _ in 0..30 {
        realm.later(20);
        realm.tick();
        assert_eq!(ops.kinds(&realm), []);
    }
    // Silence is no recovery.
    realm.see_all(EAST, Health::Unknown);
    realm.tick();
    assert_eq!(ops.kinds(&realm), []);
    realm.see_all(EAST, Health::Ok);
    realm.tick();
    let said = ops.kinds(&realm);
    assert!(said.contains(&(Kind::Resolved, "failure/region/us-east-1".to_owned())), "{said:?}");
}

/// The database is back, and what needs it has answered well, not yet as often as a verdict takes.
#[test]
fn row_35_what_comes_back_after_its_cause_is_not_told_on_the_way() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    realm.see(SHOP, EAST, Health::Down);
    realm.endpoint(SHOP, EAST).coming_back = true;
    realm.tick();
    realm.later(60);
    realm.tick();
    assert_eq!(ops.kinds(&realm), []);
    realm.endpoint(SHOP, EAST).coming_back = false;
    assert_eq!(ops.kinds(&realm), [opened("failure/service/shop")], "it fails after all");
}

#[test]
fn row_35_services_that_need_a_database_which_fails_follow_from_it() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    for node in realm.observed.clusters.values_mut().flat_map(|view| &mut view.nodes).filter(|node| node.node.as_str() == crate::world::EAST) {
        node.judgement.health = Health::Down;
        node.judgement.since = Some(realm.now - Span::from_secs(30).as_delta());
    }
    for region in ALL {
        realm.see(SHOP, region, Health::Down);
    }
    for _ in 0..40 {
        realm.tick();
        ops.hears(&realm);
        realm.later(5);
    }
    let told: Vec<String> = ops.said.iter().map(|message| message.key.topic.to_string()).collect();
    assert_eq!(told, ["failure/cluster/users"], "{:?}", ops.said);
    let shop = open(&realm, OF_SHOP).unwrap();
    assert_eq!(shop.hush, Some(Hush::Follows { from: "the failure of users".to_owned() }));
}

#[test]
fn where_nothing_anywhere_answers_one_alarm_says_that_lifeboat_may_be_cut_off() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    for region in ALL {
        realm.see_all(region, Health::Down);
    }
    for _ in 0..10 {
        realm.tick();
        ops.hears(&realm);
        realm.later(20);
    }
    let told: Vec<String> = ops.said.iter().map(|message| message.key.topic.to_string()).collect();
    assert_eq!(told, ["nothing-answers"]);
    for region in ALL {
        realm.see_all(region, Health::Ok);
    }
    realm.tick();
    assert_eq!(ops.kinds(&realm), [(Kind::Resolved, "nothing-answers".to_owned())]);
}

#[test]
fn row_36_maintenance_hushes_and_what_still_fails_after_it_is_told() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    realm.restrain("maintenance:region/us-east-1", Some(60));
    realm.see(BILLING, EAST, Health::Down);
    for _ in 0..20 {
        realm.later(60);
        realm.tick();
        assert_eq!(ops.kinds(&realm), []);
    }
    let hushed = open(&realm, OF_BILLING).unwrap();
    assert!(matches!(&hushed.hush, Some(Hush::Restrained { by, .. }) if by == "bob"), "recorded and shown all the same: {hushed:?}");
    realm.later(40 * 60);
    realm.tick();
    let said = ops.kinds(&realm);
    assert!(said.contains(&opened(OF_BILLING)), "{said:?}");
}

#[test]
fn row_36_an_acknowledged_failure_is_not_reminded_of() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    realm.fails(BILLING, EAST);
    assert_eq!(ops.kinds(&realm), [opened(OF_BILLING)]);
    realm.restrain("acknowledged:service/billing", Some(600));
    for _ in 0..5 {
        realm.later(60 * 60);
        realm.tick();
        assert_eq!(ops.kinds(&realm).iter().filter(|(kind, topic)| *kind == Kind::Reminder && topic == OF_BILLING).count(), 0);
    }
    recovers(&mut realm);
    assert!(ops.kinds(&realm).contains(&(Kind::Resolved, OF_BILLING.to_owned())), "its end is told");
}

#[test]
fn a_channel_hears_of_nothing_below_its_minimum() {
    let (mut realm, mut lost, mut act) = (Realm::well(), Channel::hearing(Severity::Lost), Channel::hearing(Severity::Act));
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    assert_eq!(lost.kinds(&realm), []);
    assert_eq!(act.kinds(&realm), [opened(&format!("approval/{operation}"))]);
    assert!(act.said[0].title.contains("waits for a second person; ann requested it"), "{}", act.said[0].title);
    realm.approve("bob", operation).unwrap();
    assert_eq!(act.kinds(&realm), [(Kind::Resolved, format!("approval/{operation}"))]);
}

fn run_into(realm: &mut Realm, ending: impl Fn(OperationId) -> Vec<Event>) -> OperationId {
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    realm.approve("bob", operation).unwrap();
    realm.say(Event::OperationStarted { id: operation });
    realm.say(Event::StepStarted { id: operation, step: 0 });
    realm.say(Event::StepEnded { id: operation, step: 0, state: StepState::Failed, said: "no".to_owned() });
    ending(operation).into_iter().for_each(|event| realm.say(event));
    operation
}

#[test]
fn an_operation_in_doubt_is_told_until_it_is_over_and_a_failed_one_until_somebody_takes_note() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    let doubt = run_into(&mut realm, |id| vec![Event::OperationInDoubt { id, why: "nobody knows".to_owned() }]);
    assert_eq!(ops.kinds(&realm), [opened(&format!("in-doubt/{doubt}"))]);
    assert_eq!(ops.said[0].severity, Severity::Lost);
    realm.act("ann", &Command::Close { operation: doubt, reason: "looked at it".to_owned() }).unwrap();
    assert_eq!(ops.kinds(&realm), [(Kind::Resolved, format!("in-doubt/{doubt}"))]);

    realm.later(1);
    realm.send(BILLING, &[EAST]);
    let failed = run_into(&mut realm, |id| {
        let why = || "no".to_owned();
        vec![Event::OperationCompensating { id, why: why() }, Event::OperationFailed { id, why: why() }]
    });
    assert_eq!(ops.kinds(&realm), [opened(&format!("failed/{failed}"))]);
    realm.act("ann", &Command::Acknowledge { operation: failed, reason: "read it".to_owned() }).unwrap();
    assert_eq!(ops.kinds(&realm), [(Kind::Resolved, format!("failed/{failed}"))]);
}

#[test]
fn row_61_a_broken_safety_rule_is_loud_and_names_rule_reasons_and_people() {
    let (mut realm, mut duty) = (Realm::well(), Channel::hearing(Severity::Lost));
    realm.restrain("master-switch", None);
    realm.restrain("maintenance:service/billing", Some(600));
    let plan = realm.plan(BILLING, Mode::Planned, &[WEST]);
    let operation = realm.request(&plan).unwrap();
    assert_eq!(duty.kinds(&realm), [], "nothing is broken before somebody agrees");
    realm.approve("amy", operation).unwrap();
    assert_eq!(duty.kinds(&realm), [opened(&format!("break-glass/{operation}"))], "whatever is hushed");
    let said = &duty.said[0];
    for part in ["SAFETY RULE BROKEN", "the master switch is off since", "requested by ann", "approved by amy"] {
        assert!(said.title.contains(part), "{part}: {}", said.title);
    }
    assert!(said.next.contains("amy, as approver: agreed"), "{}", said.next);
    realm.carry_out(operation);
    realm.later(31 * 60);
    assert_eq!(duty.kinds(&realm), [(Kind::Reminder, format!("break-glass/{operation}"))], "also after it went well");
    realm.act("ann", &Command::Acknowledge { operation, reason: "discussed".to_owned() }).unwrap();
    assert_eq!(duty.kinds(&realm), [(Kind::Resolved, format!("break-glass/{operation}"))]);
}

#[test]
fn an_exposure_is_told_when_it_stands_and_not_beside_the_failure_it_came_with() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    let grace = realm.estate.detection.window();
    realm.see(SHOP, WEST, Health::Down);
    realm.tick();
    assert_eq!(ops.kinds(&realm), [], "it may be over in a moment");
    realm.later(grace.as_millis() / 1_000 + 1);
    realm.tick();
    assert_eq!(ops.kinds(&realm), [opened("exposed/service/shop")]);
    realm.see(SHOP, WEST, Health::Ok);
    realm.tick();
    assert_eq!(ops.kinds(&realm), [(Kind::Resolved, "exposed/service/shop".to_owned())]);
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    realm.fails(BILLING, EAST);
    for _ in 0..20 {
        realm.later(20);
        realm.tick();
        ops.hears(&realm);
    }
    assert_eq!(ops.said.iter().map(|message| message.key.topic.to_string()).collect::<Vec<_>>(), [OF_BILLING]);
}

#[test]
fn clients_that_strayed_are_told_when_they_stay_away() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    realm.later(5);
    realm.send(BILLING, &[WEST]);
    realm.tick();
    assert_eq!(ops.kinds(&realm), []);
    realm.later(120);
    realm.tick();
    assert_eq!(ops.kinds(&realm), [opened("strayed/billing")]);
    assert!(ops.said[0].title.starts_with("Clients of billing are sent to us-west-2, but are meant to be in us-east-1"), "{}", ops.said[0].title);
}

#[test]
fn a_broken_journal_and_split_brain_are_loud() {
    let (mut realm, mut duty) = (Realm::well(), Channel::hearing(Severity::Lost));
    realm.restrain("maintenance:cluster/users", Some(600));
    let nodes = vec![id("pg-primary-east"), id("pg-standby-west")];
    realm.say(Event::SplitBrainObserved { cluster: id("users"), nodes });
    assert_eq!(duty.kinds(&realm), [opened("split-brain/users")]);
    realm.say(Event::SplitBrainEnded { cluster: id("users") });
    assert_eq!(duty.kinds(&realm), [(Kind::Resolved, "split-brain/users".to_owned())]);
    let mut picture = realm.picture();
    picture.journal_break = Some("entry 7 was changed".to_owned());
    let told: Vec<_> = duty.hears_of(&picture).into_iter().map(|message| message.title).collect();
    assert_eq!(told, ["The journal is broken: entry 7 was changed"]);
    assert_eq!(duty.hears_of(&picture), [], "once");
}

/// Services that the product moves nobody away from fail too.
#[test]
fn a_service_that_nothing_sends_clients_to_is_told_when_it_is_down() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    let service = realm.estate.services.iter_mut().find(|service| service.id.as_str() == BILLING).unwrap();
    (service.traffic, service.strategy) = (None, None);
    realm.observed.traffic.remove(&id(BILLING));
    realm.see(BILLING, EAST, Health::Down);
    realm.tick();
    ops.hears(&realm);
    realm.later(120);
    realm.tick();
    assert_eq!(ops.kinds(&realm), [opened(OF_BILLING)]);
    realm.see(BILLING, EAST, Health::Unknown);
    assert_eq!(ops.kinds(&realm), [], "silence is no recovery");
    realm.see(BILLING, EAST, Health::Ok);
    assert_eq!(ops.kinds(&realm), [(Kind::Resolved, OF_BILLING.to_owned())]);
}

/// After a start nothing is known yet: neither is a child told for its cause, nor does anything get worse by that.
#[test]
fn a_restart_in_the_middle_of_an_outage_tells_nothing_new() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Watch));
    let service = realm.estate.services.iter_mut().find(|service| service.id.as_str() == REPORTS).unwrap();
    (service.traffic, service.strategy) = (None, None);
    realm.observed.traffic.remove(&id(REPORTS));
    realm.see_all(EAST, Health::Down);
    realm.see(REPORTS, WEST, Health::Down);
    for _ in 0..10 {
        realm.later(30);
        realm.tick();
        ops.hears(&realm);
    }
    assert!(!ops.said.is_empty());
    realm.forget();
    for _ in 0..4 {
        realm.later(5);
        assert_eq!(ops.kinds(&realm), []);
    }
}

#[test]
fn what_comes_and_goes_is_told_a_few_times_an_hour() {
    let (mut realm, mut ops) = (Realm::well(), Channel::hearing(Severity::Act));
    for _ in 0..40 {
        realm.see(REPORTS, EAST, Health::Down);
        realm.tick();
        ops.hears(&realm);
        realm.later(30);
        realm.see(REPORTS, EAST, Health::Ok);
        realm.tick();
        ops.hears(&realm);
        realm.later(30);
    }
    let about = "failure/service/reports";
    let count = |kind| ops.said.iter().filter(|message| message.kind == kind && message.key.topic.to_string() == about).count();
    assert_eq!((count(Kind::Opened), count(Kind::Resolved)), (6, 6));
}

#[test]
fn x9_what_others_wrote_is_one_line_of_bounded_length() {
    let mut realm = Realm::well();
    realm.see(BILLING, EAST, Health::Down);
    realm.endpoint(BILLING, EAST).judgement.why = format!("first\r\nBcc: everybody@example.org {}", "x".repeat(5_000));
    realm.tick();
    let incident = open(&realm, OF_BILLING).unwrap();
    assert!(!incident.title.contains(['\r', '\n']) && incident.title.chars().count() == 300, "{}", incident.title);
    assert!(!incident.next.contains(['\r', '\n']) && incident.next.chars().count() <= 900);
}

#[test]
fn a_key_is_written_as_it_is_read() {
    let mut realm = Realm::well();
    realm.fails(BILLING, EAST);
    for incident in incidents(&realm.picture(), &[]) {
        assert_eq!(incident.key.to_string().parse(), Ok(incident.key.clone()));
    }
    let operation = operation_id(7);
    let scope: Scope = id("region/us-east-1");
    for topic in [
        Topic::Failure(scope),
        Topic::NothingAnswers,
        Topic::Approval(operation),
        Topic::InDoubt(operation),
        Topic::Failed(operation),
        Topic::SplitBrain(id("users")),
        Topic::Exposed(id("cluster/users")),
        Topic::Strayed(id("billing")),
        Topic::BreakGlass(operation),
        Topic::JournalBroken,
    ] {
        assert_eq!(topic.to_string().parse(), Ok(topic));
    }
    for bad in ["", "failure", "failure/planet/mars", "journal-broken/x", "approval/7", "<script>"] {
        assert!(bad.parse::<Topic>().is_err(), "{bad:?}");
    }
}

#[test]
fn row_87_a_failed_delivery_is_tried_again_after_growing_pauses_and_given_up_after_a_day() {
    let written: Instant = "2026-01-02T03:04:05Z".parse().unwrap();
    let (mut now, mut pauses) = (written, Vec::new());
    for attempts in 1..10_000 {
        let Some(next) = next_attempt(Kind::Opened, written, attempts, now) else { break };
        pauses.push(Span::between(now, next));
        now = next;
    }
    assert_eq!(pauses[..4], [2, 4, 8, 16].map(Span::from_secs));
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]) && pauses.last() == Some(&Span::from_mins(10)), "{pauses:?}");
    assert!(pauses.len() < 200 && Span::between(written, now) < GIVE_UP_AFTER && Span::between(written, now) > Span::from_mins(23 * 60));
    assert_eq!(next_attempt(Kind::Test, written, 1, written), None, "a test is tried once");
}

#[test]
fn a_test_is_recorded_with_who_sent_it() {
    let mut realm = Realm::well();
    let test = Command::TestChannel { channel: id("ops") };
    assert!(matches!(realm.act("eve", &test), Err(Refusal::NotAllowed { .. })));
    assert_eq!(realm.act("ann", &test).unwrap(), [Event::ChannelTested { channel: id("ops") }]);
    assert_eq!(person("ann"), Actor::Person(id("ann")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens: the same picture never says a thing twice, an incident is opened once before it is resolved, and
    /// resolved exactly once.
    #[test]
    fn the_same_picture_says_a_thing_once_and_every_end_is_told_once(
        acts in prop::collection::vec((0..8u8, 0..4usize, 0..3usize, 1..400u64), 1..50), minimum in 0..3u8
    ) {
        let minimum = [Severity::Lost, Severity::Act, Severity::Watch][minimum as usize];
        let (mut realm, mut ops) = (Realm::well(), Channel::hearing(minimum));
        for (act, service, region, wait) in acts {
            let (service, region) = ([SHOP, EDGE, BILLING, REPORTS][service], ALL[region]);
            match act {
                0 | 1 => realm.see(service, region, Health::Down),
                2 => realm.see(service, region, Health::Ok),
                3 => realm.see(service, region, Health::Unknown),
                4 => realm.see_all(region, Health::Down),
                5 | 6 => realm.see_all(region, Health::Ok),
                _ => realm.later(30 * 60),
            }
            realm.tick();
            ops.hears(&realm);
            let again = ops.hears(&realm);
            prop_assert!(again.is_empty(), "the same picture: {:?}", again);
            realm.later(wait);
        }
        // Everything recovers.
        for region in ALL {
            realm.see_all(region, Health::Ok);
        }
        for _ in 0..4 {
            realm.later(120);
            realm.tick();
            ops.hears(&realm);
        }
        for key in ops.said.iter().map(|message| &message.key).collect::<std::collections::BTreeSet<_>>() {
            let of_key: Vec<Kind> = ops.said.iter().filter(|message| message.key == *key).map(|message| message.kind).collect();
            prop_assert_eq!(of_key[0], Kind::Opened);
            prop_assert_eq!(of_key.iter().filter(|kind| **kind == Kind::Opened).count(), 1, "{} {:?}", key, of_key);
            let ends = of_key.iter().filter(|kind| **kind == Kind::Resolved).count();
            prop_assert!(ends <= 1 && of_key.iter().position(|kind| *kind == Kind::Resolved).is_none_or(|at| at + 1 == of_key.len()), "{} {:?}", key, of_key);
            let is_open = ops.known.iter().any(|known| known.key == *key);
            prop_assert_eq!(ends == 0, is_open, "{} {:?}", key, of_key);
        }
    }
}
