//! What the database pages say, over pictures built in code.

use super::{
    plan::view::{Asked, PlanPage},
    view::{ClusterPage, Directory, TakesOver},
    wal::Against,
};
use crate::{
    sample::{EAST, REPLICA, Sample, WEST, at, id, operation_id, viewer},
    ui::state::Tone,
};
use engine::{
    access::Role,
    databases::{Archive, Archived, Archiver, CatalogReading, FilesReading, Fork, Lsn, MissingRight, Room, Slot, SlotWal},
    estate::{Follows, Manager, Pooler},
    failover::OperationKind,
    health::{Health, Judgement},
    journal::Event,
    patroni::{Member, MemberRole, PatroniReading, PatroniView, Tags},
    poolers::{PoolerReading, PoolerView},
    time::Span,
};

fn page(sample: &Sample) -> ClusterPage {
    ClusterPage::of(&sample.picture(), &id("user-database")).expect("the cluster")
}

fn plan(sample: &Sample, kind: OperationKind, node: Option<&str>) -> PlanPage {
    let asked = Asked { cluster: id("user-database"), kind, node: node.map(id) };
    PlanPage::of(&sample.picture(), &viewer("olga", &[Role::Operator]), &asked, operation_id()).expect("a plan")
}

#[test]
fn a_healthy_cluster_is_protected_and_its_lag_is_measured() {
    let page = page(&Sample::healthy());
    assert_eq!((page.headline.tone, page.headline.says.as_str()), (Tone::Ok, "pg-primary-east takes the writes"));
    assert_eq!((page.protection.word.as_str(), page.protection.since), ("protected", None));
    assert_eq!(page.route.tone, Tone::Ok);
    let [east, replica, west] = page.nodes.as_slice() else { panic!("three nodes: {:?}", page.nodes) };
    assert_eq!(east.lag, None, "the primary is behind nobody");
    assert_eq!(replica.lag.map(|lag| (lag.bytes, lag.time)), Some((Some(0), Some(Span::ZERO))), "an idle primary is no lag");
    assert_eq!(west.lag.map(|lag| lag.in_words()), Some("1 KiB · 1.20 s".to_owned()));
    assert_eq!(west.upstream, Some(id(EAST)));
    assert_eq!(
        page.offers.iter().map(|offer| (offer.does.as_str(), offer.urgent)).collect::<Vec<_>>(),
        [("Plan a switchover", false), ("Drill a switchover", false), ("Plan a failover", false)]
    );
    assert_eq!(page.last_move, None, "a move that was never made is not known to work");
}

#[test]
fn row_51_who_could_take_over_is_marked_and_who_could_not_says_why() {
    let over = |sample: &Sample| -> Vec<Option<String>> {
        let words = |over: &TakesOver| format!("{}: {}", over.in_words(), over.excluded.as_deref().unwrap_or("-"));
        page(sample).nodes.iter().map(|node| node.takes_over.as_ref().map(words)).collect()
    };
    let mut sample = Sample::healthy();
    let [None, Some(replica), Some(west)] = &over(&sample)[..] else { panic!("{:?}", over(&sample)) };
    assert_eq!((replica.as_str(), west.as_str()), ("first to take over: -", "can take over: -"));
    let wrong = Judgement { health: Health::Down, since: None, why: "refused".to_owned() };
    sample.node(REPLICA).judgement = wrong;
    let [None, Some(replica), Some(west)] = &over(&sample)[..] else { panic!("{:?}", over(&sample)) };
    assert_eq!((replica.as_str(), west.as_str()), ("cannot take over: it is down: refused", "first to take over: -"));
    let dead = Sample::primary_down();
    assert!(over(&dead)[0].is_none() && over(&dead).iter().flatten().any(|word| word.starts_with("first")), "{:?}", over(&dead));
}

#[test]
fn a_drill_moves_the_writes_and_brings_its_reason_along() {
    let page = page(&Sample::healthy());
    let drill = page.offers.iter().find(|offer| offer.does == "Drill a switchover").expect("an offer");
    assert_eq!(drill.href, "/databases/user-database/plan?kind=switchover&drill");
    assert!(drill.because.contains("really moves the writes"), "{drill:?}");
}

#[test]
fn what_a_pooler_says_stands_with_the_clients_and_a_wrong_one_is_offered_to_be_set_again() {
    let mut sample = Sample::healthy();
    assert_eq!(page(&sample).poolers, [], "nothing is said of a PgBouncer that is not there");
    let pooler = Pooler { id: id("front"), address: "10.2.0.7:6432".to_owned(), region: id("us-west-2"), follows: Follows::Nodes };
    sample.estate.clusters[0].poolers.push(pooler);
    assert_eq!(page(&sample).poolers[0].tone, Tone::Unknown, "never asked is unknown");
    let now = sample.picture().now;
    let well = PoolerReading {
        at: now,
        version: "PgBouncer 1.18.0".to_owned(),
        paused: false,
        paused_until: None,
        connects_to: "10.1.0.1:5432".to_owned(),
        leads_to: Some(id(EAST)),
        clients_waiting: 0,
        longest_wait: Span::ZERO,
    };
    let mut says = |said: PoolerReading| {
        let judgement = Judgement { health: Health::Ok, since: None, why: "it answers".to_owned() };
        sample.observed.poolers.insert((id("user-database"), id("front")), PoolerView { judgement, said: Some(said) });
        let page = page(&sample);
        (page.poolers[0].clone(), page.offers.iter().any(|offer| offer.does == "Set the route again"))
    };
    let (word, offered) = says(well.clone());
    assert_eq!((word.tone, word.says.as_str(), offered), (Tone::Ok, "front at 10.2.0.7:6432 leads to pg-primary-east; it said so 0s ago", false));
    let (word, offered) = says(PoolerReading { leads_to: Some(id(WEST)), ..well.clone() });
    assert_eq!((word.tone, word.word.as_str(), offered), (Tone::Lost, "leads elsewhere", true));
    let waits = PoolerReading { paused: true, clients_waiting: 3, longest_wait: Span::from_secs(4), ..well };
    let (word, _) = says(PoolerReading { paused_until: Some(now + Span::from_secs(9).as_delta()), ..waits.clone() });
    assert!(word.tone == Tone::Watch && word.says.contains("3 clients wait, the first for 4s"), "{word:?}");
    let (word, offered) = says(waits);
    assert_eq!((word.tone, offered), (Tone::Lost, true), "nobody is known to end it");
}

#[test]
fn row_58_what_patroni_says_stands_beside_what_postgresql_says() {
    let mut sample = Sample::healthy();
    assert_eq!(page(&sample).patroni, None, "nothing is said of a Patroni that is not there");
    sample.node(REPLICA).reading.as_mut().expect("a reading").manager_seen = Some("Patroni".to_owned());
    let undeclared = page(&sample).patroni.expect("it was seen");
    assert!(undeclared.tone == Tone::Act && undeclared.says.contains(REPLICA), "{undeclared:?}");

    sample.estate.clusters[0].manager = Manager::Patroni;
    let unknown = page(&sample).patroni.expect("it is declared");
    assert_eq!((unknown.tone, unknown.said_at), (Tone::Unknown, None), "never asked is unknown");

    let member =
        |name: &str, role| Member { name: name.to_owned(), role, state: "running".to_owned(), timeline: Some(3), lag: None, tags: Tags::default() };
    let mut members = vec![member(EAST, MemberRole::Leader), member(REPLICA, MemberRole::Replica), member(WEST, MemberRole::SyncStandby)];
    members[2].tags.nofailover = true;
    let now = sample.picture().now;
    let said = PatroniReading { at: now, by: id(EAST), members, paused: false, scheduled: None };
    let mut says = |said: PatroniReading| {
        let judgement = Judgement { health: Health::Ok, since: None, why: "it answers".to_owned() };
        sample.observed.patroni.insert(id("user-database"), PatroniView { judgement, said: Some(said) });
        page(&sample).patroni.expect("a word")
    };
    let well = says(said.clone());
    assert_eq!((well.tone, well.said_at), (Tone::Ok, Some(now)));
    assert_eq!(well.members[2], "pg-standby-west: sync_standby, running, timeline 3, nofailover");
    let paused = says(PatroniReading { paused: true, ..said.clone() });
    assert_eq!((paused.tone, paused.word.as_str()), (Tone::Watch, "paused"));
    let mut other = said;
    (other.members[0].role, other.members[1].role) = (MemberRole::Replica, MemberRole::Leader);
    let differs = says(other);
    assert!(differs.tone == Tone::Act && differs.says.contains(REPLICA) && differs.says.contains(EAST), "{differs:?}");
}

#[test]
fn row_58_patroni_rejoins_its_nodes_so_that_is_not_offered() {
    let mut sample = Sample::healthy();
    sample.node(WEST).judgement = Judgement { health: Health::Down, since: None, why: "connection refused".to_owned() };
    let offered = |sample: &Sample| page(sample).offers.iter().any(|offer| offer.does.starts_with("Rejoin"));
    assert!(offered(&sample));
    sample.estate.clusters[0].manager = Manager::Patroni;
    assert!(!offered(&sample));
}

#[test]
fn an_old_sample_has_no_lag_and_is_marked() {
    let mut sample = Sample::healthy();
    sample.node(WEST).reading.as_mut().expect("a reading").at = at("13:00:00");
    let page = page(&sample);
    let west = &page.nodes[2];
    assert!(west.stale && west.tone == Tone::Unknown);
    assert_eq!(west.lag.map(|lag| lag.in_words()), Some("? · ?".to_owned()), "unknown is never 0");
    assert_ne!(page.protection.word, "protected");
}

#[test]
fn a_node_that_was_never_read_shows_question_marks() {
    let mut sample = Sample::healthy();
    let west = sample.node(WEST);
    (west.reading, west.judgement) = (None, Judgement::never_measured());
    let row = page(&sample).nodes[2].clone();
    assert_eq!((row.tone, row.timeline, row.position, row.read_at), (Tone::Unknown, None, None, None));
    assert_eq!(row.lag.map(|lag| (lag.bytes, lag.time, lag.against)), Some((None, None, Against::Nothing)));
}

#[test]
fn details_are_question_marks_until_they_are_read_and_have_the_ages_of_both_witnesses() {
    let mut sample = Sample::healthy();
    let west = page(&sample).details[2].clone();
    assert_eq!(
        (&west.slots[..], west.archive.as_str(), &west.disks[..], &west.timelines[..]),
        (&["?".to_owned()][..], "?", &["?".to_owned()][..], &["?".to_owned()][..])
    );
    assert_eq!((west.asked, west.found), (None, None));

    let slot = |name: &str, active, kept, wal| Slot { name: name.to_owned(), logical: false, temporary: false, active, kept, wal };
    let archived = |segment: &str, clock| Some(Archived { segment: segment.to_owned(), at: at(clock) });
    let right = MissingRight {
        right: "EXECUTE on pg_promote(boolean, integer) for lifeboat".to_owned(),
        without: "Lifeboat cannot promote a standby".to_owned(),
        grant: "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO lifeboat;".to_owned(),
        database: "users".to_owned(),
    };
    let archiver = Archiver { last: archived("A", "14:00:00"), last_failed: archived("B", "14:02:58"), waiting: None };
    sample.node(EAST).details.catalog = Some(CatalogReading {
        at: at("14:02:57"),
        slots: Ok(vec![
            slot("one", true, Some(2_048), Some(SlotWal::Reserved)),
            slot("two", false, None, Some(SlotWal::Lost)),
            slot("of_twelve", false, Some(0), None),
            slot("new", false, None, None),
        ]),
        archive: Ok(Archive::On(archiver)),
        rights: Ok(vec![right]),
        streaming_rights: Err("the host agent is silent".to_owned()),
    });
    sample.node(EAST).details.files = Some(FilesReading {
        at: at("14:02:00"),
        data: Ok(Room { free: (3 << 30) - 1, total: 100 << 30 }),
        wal: Some(Err("pg_wal: no such file".to_owned())),
        forks: Ok(vec![Fork { timeline: 2, parent: 1, at: Lsn(0x500_0000) }, Fork { timeline: 3, parent: 2, at: Lsn(0x600_0000) }]),
    });
    let page = page(&sample);
    let east = &page.details[0];
    assert_eq!(
        east.slots,
        [
            "one: in use, keeps 2 KiB",
            "two: unused, LOST its WAL",
            "of_twelve: unused, keeps 0 B, whether it may lose it: ?",
            "new: unused, keeps no WAL"
        ]
    );
    assert_eq!(east.archive, "FAILS with B at 2026-11-23 14:02:58; last A at 2026-11-23 14:00:00, ? waiting");
    assert_eq!(east.disks, ["data: 2.9 GiB free of 100 GiB", "? (pg_wal: no such file)"]);
    assert_eq!(east.timelines, ["2 left 1 at 0/5000000", "3 left 2 at 0/6000000"]);
    assert_eq!((east.asked, east.found, east.stale), (Some(at("14:02:57")), Some(at("14:02:00")), (false, true)));
    let says: Vec<(Tone, &str)> = page.complaints.iter().map(|line| (line.tone, line.what.as_str())).collect();
    assert!(
        matches!(says[..], [
            (Tone::Act, right),
            (Tone::Act, archive),
            (Tone::Act, slot),
            (Tone::Unknown, streaming),
        ] if right.starts_with("EXECUTE on pg_promote") && archive.contains("cannot archive") && slot.contains("slot two") && streaming.contains("silent")),
        "a disk that was looked at a minute ago is no finding of now: {says:?}"
    );
    assert!(page.complaints[0].remedy.contains("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO lifeboat;"));
}

#[test]
fn a_cluster_nobody_has_observed_is_unknown_not_missing() {
    let mut sample = Sample::healthy();
    sample.observed.clusters.clear();
    let page = page(&sample);
    assert_eq!((page.headline.tone, page.nodes.len()), (Tone::Unknown, 3));
    assert!(page.nodes.iter().all(|node| node.tone == Tone::Unknown));
    assert_eq!(Directory::of(&sample.picture()).clusters[0].well, 0);
}

#[test]
fn a_dead_primary_is_said_with_since_when_and_what_was_seen() {
    let mut sample = Sample::primary_down();
    let exposure = Event::ExposureBegan { cluster: id("user-database"), unprotected: true, missing: vec![] };
    sample.happens("Lifeboat", at("14:02:43"), exposure);
    let page = page(&sample);
    assert_eq!((page.headline.tone, page.headline.since), (Tone::Lost, Some(at("14:02:40"))));
    let seen = page.headline.seen.join("\n");
    for part in ["connection refused", "saw no process of it at 14:03:00", "0/3000000 on timeline 3"] {
        assert!(seen.contains(part), "{part} is missing in {seen}");
    }
    assert_eq!((page.protection.word.as_str(), page.protection.since), ("UNPROTECTED", Some(at("14:02:43"))));
    let offer = &page.offers[0];
    assert_eq!((offer.does.as_str(), offer.urgent, offer.href.as_str()), ("Plan a failover", true, "/databases/user-database/plan?kind=failover"));
    let west = page.nodes[2].lag.expect("a lag");
    assert_eq!((west.against, west.time), (Against::LastKnown, None), "without the primary nobody knows the time");
}

#[test]
fn split_brain_outranks_everything() {
    let mut sample = Sample::healthy();
    let leading = sample.node(EAST).reading.clone();
    sample.node(WEST).reading = leading;
    let page = page(&sample);
    assert_eq!((page.headline.tone, page.headline.word.as_str()), (Tone::Lost, "SPLIT BRAIN"));
    assert!(page.offers.iter().all(|offer| !offer.urgent), "there is no move that a split brain makes safe: {:?}", page.offers);
}

#[test]
fn after_a_failover_the_old_primary_needs_rewind_and_is_offered_to_rejoin() {
    let mut sample = Sample::primary_down();
    let mut leading = sample.node(EAST).reading.clone().expect("a reading");
    leading.timeline = 4;
    leading.at = sample.now;
    sample.node(WEST).reading = Some(leading);
    let page = page(&sample);
    assert_eq!(page.nodes[0].standing, "NEEDS REWIND");
    let rejoin = page.offers.iter().find(|offer| offer.does == "Rejoin pg-primary-east").expect("an offer");
    assert!(rejoin.urgent && rejoin.href.ends_with("kind=rejoin&node=pg-primary-east"), "{rejoin:?}");
    assert_eq!(page.nodes[0].lag.map(|lag| lag.bytes), Some(None), "another timeline is no lag");
}

#[test]
fn an_operation_that_holds_the_cluster_leaves_nothing_to_offer() {
    let mut sample = Sample::primary_down();
    sample.request(OperationKind::Failover);
    let page = page(&sample);
    assert!(page.offers.is_empty());
    assert_eq!(page.active.map(|active| active.id), Some(operation_id()));
    let plan = plan(&sample, OperationKind::Failover, None);
    assert!(plan.held_by.is_some() && !plan.can_be_requested());
}

#[test]
fn the_plan_names_the_target_and_why_not_the_others() {
    let plan = plan(&Sample::primary_down(), OperationKind::Failover, None);
    let [best, .., last] = plan.choices.as_slice() else { panic!("three choices: {:?}", plan.choices) };
    assert!(best.chosen && best.best && best.legal && !best.reasons.is_empty(), "{best:?}");
    assert_eq!(plan.form.node, Some(best.node.clone()), "the form names the target it showed");
    assert!(!last.legal && last.node == id::<engine::id::NodeId>(EAST) && last.reasons == ["it is the primary"], "{last:?}");
    assert_eq!(plan.outage_since, Some(at("14:02:40")));
    assert!(plan.can_be_requested());
    let last: Vec<&str> = plan.steps.iter().filter(|step| step.no_way_back).map(|step| step.does.as_str()).collect();
    assert!(matches!(last[..], [fence] if fence.starts_with("Fence")), "from the fence on there is no way back: {last:?}");
    assert!(!plan.loss.zero && plan.loss.says.contains("no sample shows"), "{:?}", plan.loss);
}

#[test]
fn another_legal_target_is_a_link_to_its_own_plan() {
    let plan = plan(&Sample::primary_down(), OperationKind::Failover, Some(WEST));
    let other = plan.choices.iter().find(|choice| choice.node == id(REPLICA)).expect("the replica");
    assert!(other.legal && !other.chosen);
    assert_eq!(other.href, "/databases/user-database/plan?kind=failover&node=pg-replica-east");
    assert_eq!(plan.form.node, Some(id(WEST)));
}

#[test]
fn a_switchover_of_a_dead_primary_cannot_be_requested_and_says_what_to_do() {
    let plan = plan(&Sample::primary_down(), OperationKind::Switchover, None);
    assert!(!plan.can_be_requested());
    assert!(plan.hard.iter().all(|obstacle| !obstacle.way_out.is_empty()) && !plan.hard.is_empty());
}

#[test]
fn an_unproven_fence_can_only_be_overridden_in_full_words() {
    let mut sample = Sample::primary_down();
    sample.observed.agents.insert(id("us-east-1"), Judgement { health: Health::Down, since: None, why: "no route to host".to_owned() });
    let plan = plan(&sample, OperationKind::Failover, Some(WEST));
    assert!(plan.can_be_requested());
    assert!(plan.overridable.iter().any(|obstacle| obstacle.what.contains("cannot be fenced by proof")), "{:?}", plan.overridable);
    assert!(plan.steps.iter().any(|step| step.does.contains("NOT fenced")), "{:?}", plan.steps);
}

#[test]
fn who_may_not_request_is_told_which_role_it_takes() {
    let asked = Asked { cluster: id("user-database"), kind: OperationKind::Switchover, node: None };
    let plan = PlanPage::of(&Sample::healthy().picture(), &viewer("vera", &[Role::Viewer]), &asked, operation_id()).expect("a plan");
    assert!(!plan.can_be_requested() && plan.barred.is_some_and(|why| why.contains("operator")));
}
