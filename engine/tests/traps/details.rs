//! What is read beside the probes: slots, archive, disks, history, versions, rights, and the lag in time (row 50, D17).

use crate::world::{EAST, REPLICA, WEST, World, ago, id, judged, node_id, now};
use engine::{
    databases::{
        Archive, Archived, Archiver, CatalogReading, Exclusion, FilesReading, Fork, LossBound, Lsn, MissingRight, NodeRole, Protection, Room, Slot,
        SlotWal, Trail, Urgency, lag, loss_bound, rank,
    },
    failover::{Blocker, OperationKind},
    findings::Severity,
    health::Health,
    time::Span,
};

const GIB: u64 = 1 << 30;

fn catalog<'a>(world: &'a mut World, node: &str) -> &'a mut CatalogReading {
    let sound =
        || CatalogReading { at: ago(2), slots: Ok(Vec::new()), archive: Ok(Archive::Off), rights: Ok(Vec::new()), streaming_rights: Ok(Vec::new()) };
    world.node(node).details.catalog.get_or_insert_with(sound)
}
fn files<'a>(world: &'a mut World, node: &str) -> &'a mut FilesReading {
    let roomy = Room { free: 50 * GIB, total: 100 * GIB };
    let sound = || FilesReading { at: ago(2), data: Ok(roomy), wal: None, forks: Ok(Vec::new()) };
    world.node(node).details.files.get_or_insert_with(sound)
}
fn slot(name: &str, active: bool, kept: u64, wal: Option<SlotWal>) -> Slot {
    Slot { name: name.to_owned(), logical: false, temporary: false, active, kept: Some(kept), wal }
}
fn archived(segment: &str, secs: u64) -> Option<Archived> {
    Some(Archived { segment: segment.to_owned(), at: ago(secs) })
}
fn found(world: &World) -> Vec<String> {
    world.picture().findings().iter().map(|finding| format!("{:?}: {}", finding.severity, finding.complaint)).collect()
}
fn exclusions(world: &mut World, node: &str) -> Vec<Exclusion> {
    let rule = world.estate.detection;
    let candidates = rank(world.view(), &rule, Urgency::Emergency, now());
    candidates.into_iter().find(|candidate| candidate.node.as_str() == node).unwrap().exclusions
}

#[test]
fn a_slot_that_lost_its_wal_or_hoards_it_is_told_and_one_in_use_is_not() {
    let mut world = World::healthy();
    catalog(&mut world, EAST).slots = Ok(vec![
        slot("in_use", true, 5 * GIB, Some(SlotWal::Extended)),
        slot("idle", false, GIB - 1, Some(SlotWal::Reserved)),
        slot("of_twelve", false, GIB, None),
        slot("losing", false, 5 * GIB, Some(SlotWal::Unreserved)),
        Slot { kept: None, ..slot("lost", false, 0, Some(SlotWal::Lost)) },
        Slot { temporary: true, ..slot("of_a_base_backup", false, 5 * GIB, Some(SlotWal::Lost)) },
    ]);
    insta::assert_debug_snapshot!(found(&world), @r#"
    [
        "Act: nobody uses the replication slot of_twelve of pg-primary-east, and it keeps 1 GiB of WAL and more with every write",
        "Act: the replication slot losing of pg-primary-east is about to lose WAL it was to keep",
        "Act: the replication slot lost of pg-primary-east has lost WAL it was to keep: whoever streams from it cannot go on",
    ]
    "#);
}

#[test]
fn an_archive_fails_as_long_as_nothing_was_archived_since_and_says_since_when() {
    let mut world = World::healthy();
    let on = |last, last_failed| Ok(Archive::On(Archiver { last, last_failed, waiting: Some(7) }));
    catalog(&mut world, EAST).archive = on(archived("A", 600), archived("B", 3));
    let finding = world.picture().findings().remove(0);
    assert_eq!(
        finding.complaint.to_string(),
        "pg-primary-east cannot archive its WAL: B failed last at 2026-01-02 03:04:02 UTC, and 7 segments wait"
    );
    assert_eq!((finding.severity, finding.since), (Severity::Act, Some(ago(600))), "nothing was archived since then");
    catalog(&mut world, EAST).archive = on(archived("B", 2), archived("B", 3));
    assert!(found(&world).is_empty(), "it was repaired: {:?}", found(&world));
    catalog(&mut world, EAST).archive = on(None, archived("A", 3));
    assert!(found(&world)[0].contains("A failed last"), "nothing was ever archived");
    catalog(&mut world, EAST).archive = Ok(Archive::Nowhere);
    assert_eq!(found(&world), ["Act: pg-primary-east is to archive its WAL and nothing is set that would: it keeps all of it"]);
    catalog(&mut world, EAST).archive = Ok(Archive::WhenPromoted);
    assert!(found(&world).is_empty());
}

#[test]
fn room_is_low_under_a_tenth_within_one_and_ten_gibibytes() {
    for (free, total, low) in [
        (GIB, GIB * 5, false),
        (GIB - 1, GIB * 5, true),
        (GIB * 4, GIB * 40, false),
        (GIB * 4 - 1, GIB * 40, true),
        (GIB * 10, GIB * 4_000, false),
        (GIB * 10 - 1, GIB * 4_000, true),
    ] {
        assert_eq!(Room { free, total }.is_low(), low, "{free} of {total}");
    }
    let mut world = World::healthy();
    files(&mut world, WEST).wal = Some(Ok(Room { free: GIB / 2, total: 20 * GIB }));
    assert_eq!(found(&world), ["Act: the disk of pg_wal has 512 MiB left on pg-standby-west; less than 2 GiB is low"]);
    files(&mut world, EAST).data = Ok(Room { free: 1 << 20, total: 100 * GIB });
    assert_eq!(found(&world)[0], "Lost: the disk of its data folder has 1 MiB left on pg-primary-east; less than 10 GiB is low");
    // A disk is not looked at through PostgreSQL, so it is told of a node that is down, and only while its host answers.
    world.node(WEST).judgement = judged(Health::Down, ago(20), "timed out");
    assert!(found(&world).iter().any(|line| line.contains("pg_wal has 512 MiB")));
    files(&mut world, WEST).at = ago(120);
    assert!(!found(&world).iter().any(|line| line.contains("pg_wal has 512 MiB")), "an old figure says nothing of now");
}

#[test]
fn b_a_target_without_room_is_excluded_and_one_of_which_that_is_not_known_is_not() {
    let mut world = World::healthy();
    assert!(exclusions(&mut world, WEST).is_empty(), "nobody has looked: no reason against it in an emergency");
    files(&mut world, WEST).data = Ok(Room { free: GIB / 2, total: 100 * GIB });
    assert!(exclusions(&mut world, WEST).is_empty(), "low is a finding, and takes writes for a while");
    let rule = world.estate.detection;
    let candidates = rank(world.view(), &rule, Urgency::Emergency, now());
    let west = candidates.iter().find(|candidate| candidate.node.as_str() == WEST).unwrap();
    assert!(west.reasons.contains(&"the disk of its data folder is low: 512 MiB left".to_owned()), "but it is said: {:?}", west.reasons);
    files(&mut world, WEST).data = Ok(Room { free: Room::NEEDED - 1, total: 100 * GIB });
    let texts: Vec<String> = exclusions(&mut world, WEST).iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["the disk of its data folder has 63.9 MiB left; to take writes it needs 64 MiB"]);
    files(&mut world, WEST).data = Ok(Room { free: 50 * GIB, total: 100 * GIB });
    files(&mut world, WEST).wal = Some(Ok(Room { free: 0, total: 20 * GIB }));
    assert!(matches!(exclusions(&mut world, WEST)[..], [Exclusion::NoDiskRoom { .. }]));
    files(&mut world, WEST).at = ago(120);
    assert!(exclusions(&mut world, WEST).is_empty());
}

#[test]
fn b_another_major_version_is_excluded_and_a_minor_one_is_worth_a_word() {
    let mut world = World::healthy();
    world.reading(WEST).version = "15.17 (Debian 15.17-0+deb12u1)".to_owned();
    assert!(exclusions(&mut world, WEST).is_empty());
    let minor = "Watch: the nodes run different minor versions: pg-primary-east 15.18, pg-replica-east 15.18, pg-standby-west 15.17";
    assert_eq!(found(&world), [minor]);
    world.reading(WEST).version = "16.4".to_owned();
    assert_eq!(exclusions(&mut world, WEST), [Exclusion::OtherMajor { own: 16, needed: 15 }]);
    assert_eq!(found(&world), ["Act: pg-standby-west runs PostgreSQL 16, the primary 15: it can be no copy of it, and never take over"]);
}

#[test]
fn b_two_nodes_promoted_apart_have_the_same_timeline_and_are_no_copies() {
    let mut world = World::healthy();
    for (node, at) in [(EAST, 0x500), (REPLICA, 0x500), (WEST, 0x400)] {
        world.reading(node).timeline = 2;
        files(&mut world, node).forks = Ok(vec![Fork { timeline: 2, parent: 1, at: Lsn(at) }]);
    }
    assert!(exclusions(&mut world, REPLICA).is_empty());
    let clash = Exclusion::OtherHistory { timeline: 2, own: Lsn(0x400), needed: Lsn(0x500) };
    assert_eq!(exclusions(&mut world, WEST), [clash]);
    assert_eq!(
        found(&world),
        [
            "Act: timeline 2 began at 0/400 on pg-standby-west and at 0/500 on pg-primary-east: they were promoted apart, and pg-standby-west is no copy",
            "Watch: reduced protection: pg-standby-west does not stream from the primary",
        ]
    );
    let plan = world.plan(OperationKind::Rejoin, Some(WEST));
    let clash = plan.hard_blockers().into_iter().find(|blocker| matches!(blocker, Blocker::HistoriesClash { .. })).expect("no rewind will do");
    assert!(clash.to_string().starts_with("timeline 2 began at 0/400 on pg-standby-west and at 0/500 on the primary"), "{clash}");
    let Some(Protection::Reduced { missing }) = world.picture().protection(&id("users")) else { panic!("it protects nothing") };
    assert_eq!(missing, ["pg-standby-west does not stream from the primary"]);
    let rule = world.estate.detection;
    world.down(EAST);
    world.synchronous(WEST);
    let view = world.view();
    assert!(matches!(loss_bound(view, view.primary(), &node_id(WEST), &rule, now()), LossBound::Unknown { .. }));
    // History files of before the node's last change of timeline say nothing.
    world.reading(WEST).timeline = 3;
    assert!(!exclusions(&mut world, WEST).iter().any(|exclusion| matches!(exclusion, Exclusion::OtherHistory { .. })));
}

#[test]
fn connections_are_scarce_above_nine_tenths() {
    let mut world = World::healthy();
    world.reading(EAST).connections = 90;
    assert!(found(&world).is_empty());
    world.reading(EAST).connections = 91;
    world.reading(WEST).connections = 100;
    let lines = ["Act: pg-primary-east has 91 of at most 100 client connections", "Watch: pg-standby-west has 100 of at most 100 client connections"];
    assert_eq!(found(&world), lines);
    world.node(EAST).judgement = judged(Health::Down, ago(20), "timed out");
    assert!(!found(&world).iter().any(|line| line.contains("91 of at most")), "of a node that does not answer that is not known");
}

#[test]
fn what_could_not_be_read_is_unknown_and_hides_nothing_else() {
    let mut world = World::healthy();
    catalog(&mut world, EAST).slots = Err("permission denied (42501)".to_owned());
    catalog(&mut world, EAST).archive = Ok(Archive::Nowhere);
    files(&mut world, WEST).forks = Err("no history file of timeline 2".to_owned());
    insta::assert_debug_snapshot!(found(&world), @r#"
    [
        "Act: pg-primary-east is to archive its WAL and nothing is set that would: it keeps all of it",
        "Unknown: its replication slots could not be read on pg-primary-east: permission denied (42501)",
        "Unknown: its timeline history could not be read on pg-standby-west: no history file of timeline 2",
    ]
    "#);
    world.node(EAST).details.unread = Some("no answer within 5000 ms".to_owned());
    assert!(!found(&world).iter().any(|line| line.contains("no answer")), "one failed look does not take away what was read 2 s ago");
    catalog(&mut world, EAST).at = ago(40);
    assert_eq!(found(&world)[0], "Unknown: its slots, archive and rights could not be read on pg-primary-east: no answer within 5000 ms");
    world.node(EAST).details.unread = None;
    assert!(found(&world)[0].ends_with("could not be read on pg-primary-east: nothing was read since 03:03:25 UTC"), "{:?}", found(&world));
    world.node(EAST).judgement = judged(Health::Down, ago(20), "timed out");
    assert!(!found(&world).iter().any(|line| line.contains("slots, archive")), "of a node that is down that goes without saying");
}

#[test]
fn a_missing_right_is_one_finding_for_all_nodes_with_the_statement_that_grants_it() {
    let mut world = World::healthy();
    let right = MissingRight {
        right: "EXECUTE on pg_promote for lifeboat".to_owned(),
        without: "it cannot promote".to_owned(),
        grant: "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO lifeboat;".to_owned(),
        database: "users".to_owned(),
    };
    for node in [EAST, WEST] {
        catalog(&mut world, node).rights = Ok(vec![right.clone()]);
    }
    let findings = world.picture().findings();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let says = "EXECUTE on pg_promote for lifeboat is missing on pg-primary-east, pg-standby-west: it cannot promote";
    assert_eq!((finding.severity, finding.complaint.to_string().as_str()), (Severity::Act, says));
    assert!(finding.remedy().ends_with("in the database users: GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO lifeboat;"));
}

#[test]
fn d17_the_lag_in_time_counts_from_when_the_primary_was_ahead_not_from_the_last_commit() {
    let mut trail = Trail::default();
    // Idle for five minutes, then a burst two seconds ago.
    trail.saw(ago(300), 1, Lsn(0x1000));
    trail.saw(ago(3), 1, Lsn(0x1000));
    trail.saw(ago(2), 1, Lsn(0x900_0000));
    assert_eq!(trail.behind(now(), 1, Lsn(0x1000)), Some(Span::from_secs(3)), "since it was last seen to hold no more");
    assert_eq!(trail.behind(now(), 1, Lsn(0x900_0000)), Some(Span::from_secs(2)), "at most since the last look at the primary");
    assert_eq!(trail.behind(now(), 1, Lsn(0xFFF)), None, "further back than anybody looked");
    assert_eq!(trail.behind(now(), 2, Lsn(0x1000)), None, "another timeline");
    trail.saw(ago(1), 2, Lsn(0x900_0000));
    assert_eq!(trail.behind(now(), 1, Lsn(0x1000)), None, "a promotion begins a new trail");
    trail.saw(ago(2), 2, Lsn(0xA00_0000));
    assert_eq!(trail.behind(now(), 2, Lsn(0x900_0000)), None, "and so does a clock that was set back");

    let mut world = World::healthy();
    world.position(EAST, 0x900_0000);
    world.position(REPLICA, 0x900_0000);
    let measured = |world: &mut World| {
        let view = world.view().clone();
        lag(view.primary(), view.node(&id(WEST)).unwrap())
    };
    assert_eq!(measured(&mut world), Some(Span::from_secs(40)), "nothing better is known than the age of the last commit");
    world.node(WEST).details.behind = Some(Span::from_secs(3));
    assert_eq!(measured(&mut world), Some(Span::from_secs(3)));
    assert!(found(&world).is_empty(), "the strategy tolerates 5 s: {:?}", found(&world));
    if let NodeRole::Primary { peers, .. } = &mut world.reading(EAST).role {
        peers[1].replay_lag = Some(Span::from_secs(1));
    }
    assert_eq!(measured(&mut world), Some(Span::from_secs(1)), "the primary's own measure comes first");
}

#[test]
fn d17_a_few_bytes_between_two_samples_of_an_idle_primary_are_no_lag_of_40_s() {
    let mut world = World::healthy();
    world.position(EAST, 0x1100);
    assert!(found(&world).is_empty(), "{:?}", found(&world));
    let view = world.view().clone();
    assert_eq!(lag(view.primary(), view.node(&id(WEST)).unwrap()), None, "not known, and not 40 s");
}
