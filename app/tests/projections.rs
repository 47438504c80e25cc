//! What pages say of each state, checked against the same made-up scenes the preview shows.
#![cfg(feature = "ssr")]

#[path = "../examples/preview/journal.rs"]
mod journal;
#[path = "../examples/preview/moves.rs"]
mod moves;
#[path = "../examples/preview/scenes.rs"]
#[allow(dead_code, reason = "the preview names its scenes, the tests only use them")]
mod scenes;
#[path = "../examples/preview/world.rs"]
#[allow(dead_code, reason = "the preview uses more of it")]
mod world;

use app::{
    databases::view::ClusterPage,
    failover::{
        decisions::{DecisionLine, Ledger},
        evacuation::view::EvacuationPage,
        plan::view::{Asked, MovePage},
        view::{Board, Row, ServicePage},
    },
    journal::{
        view::{JournalView, Reading},
        words::Kind,
    },
    operations::{acts::Verb, view::OperationPage},
    overview::view::{NodeLine, Overview, ProtectionLine},
    services::{
        query::{Query, Sort},
        view::{Details, Matrix},
    },
    shell::{appearance::Theme, view::StripView},
    ui::state::Tone,
};
use engine::{
    automation::Hold,
    estate::Estate,
    failover::{Change, Mode, State},
    health::{Health, Judgement},
    id::{OperationId, RegionId},
    journal::{Actor, Entry, Event},
    picture::Picture,
    time::{Instant, Span},
};
use scenes::Scene;
use std::{collections::BTreeSet, sync::Arc};

fn now() -> Instant {
    "2026-11-23T03:12:00Z".parse().unwrap()
}

fn picture(scene: Scene) -> Picture {
    scene.picture(now(), now()).0
}

fn overview(scene: Scene) -> Overview {
    Overview::of(&picture(scene))
}

fn node<'a>(overview: &'a Overview, id: &str) -> &'a NodeLine {
    overview.clusters[0].nodes.iter().find(|node| node.node.as_str() == id).unwrap()
}

#[test]
fn a_healthy_platform_needs_nobody() {
    let overview = overview(Scene::Full);
    assert_eq!(overview.needs_a_person, []);
    assert_eq!(overview.clusters[0].protection, ProtectionLine::Protected);
    assert!(overview.clusters[0].writable);
    assert_eq!(node(&overview, world::STANDBY).lag_bytes, Some(18_432));
    assert_eq!(node(&overview, world::REPLICA).lag_millis, Some(0), "no byte is missing, so the lag is a measured zero");
    assert_eq!(node(&overview, world::PRIMARY).lag_bytes, None, "the primary has no lag");
    assert!(overview.regions.iter().all(|region| region.tone == Tone::Ok));
    assert!(overview.findings.len() >= 7, "the guide's seven undefined dependencies stay visible");
}

#[test]
fn a_dead_primary_comes_first() {
    let mut picture = picture(Scene::PrimaryDown);
    // Services that need the database began to fail a moment before the database was found down.
    for endpoint in Arc::make_mut(&mut picture.observed).endpoints.values_mut() {
        let since = Some(now() - Span::from_mins(59).as_delta());
        endpoint.judgement = Judgement { health: Health::Down, since, why: "503".to_owned() };
    }
    let overview = Overview::of(&picture);
    assert!(overview.needs_a_person.iter().any(|need| need.what.contains("services fail in")));
    assert_eq!(overview.worst(), Health::Down);
    let first = &overview.needs_a_person[0];
    assert_eq!(
        (first.tone, first.href.as_str()),
        (Tone::Lost, "/databases/user-database/plan?kind=failover"),
        "what is lost leads to the plan that brings it back"
    );
    assert!(!first.remedy.is_empty());
    let cluster = &overview.clusters[0];
    assert!(matches!(&cluster.protection, ProtectionLine::Unprotected(missing) if missing.iter().any(|why| why.contains(world::PRIMARY))));
    assert!(cluster.exposed_since.is_some() && !cluster.writable);
    assert_eq!(cluster.primary.as_ref().map(|id| id.as_str()), Some(world::PRIMARY), "the last known one is named");
    let primary = node(&overview, world::PRIMARY);
    assert_eq!((primary.tone, primary.standing.as_str()), (Tone::Lost, "primary down"));
    assert!(primary.stale && primary.sampled_at.is_some());
}

#[test]
fn what_was_never_looked_at_is_unknown_everywhere() {
    let overview = overview(Scene::Unwatched);
    assert_ne!(overview.worst(), Health::Ok);
    assert_eq!(overview.clusters[0].protection, ProtectionLine::Unknown);
    assert!(overview.clusters[0].nodes.iter().all(|node| node.tone == Tone::Unknown && node.lag_bytes.is_none() && node.sampled_at.is_none()));
    assert!(overview.regions.iter().all(|region| region.tone == Tone::Unknown && region.endpoints_ok == 0), "{:?}", overview.regions);
    let matrix = Matrix::of(&picture(Scene::Unwatched), &Query::default());
    assert!(matrix.rows.iter().flat_map(|row| &row.health).all(|health| *health != Some(Health::Ok)));
}

#[test]
fn an_operation_that_waits_needs_a_person() {
    let overview = overview(Scene::Waiting);
    assert_eq!(overview.pending_approvals.len(), 1);
    assert_eq!(overview.running, []);
    let waits = overview.needs_a_person.iter().find(|need| need.href.starts_with("/operations/")).unwrap();
    assert!(waits.what.contains("oskar requested it"), "{}", waits.what);
}

#[test]
fn doubt_is_lost_until_a_person_decides_and_said_once() {
    let overview = overview(Scene::InDoubt);
    let doubts: Vec<_> = overview.needs_a_person.iter().filter(|need| need.what.contains("IN DOUBT")).collect();
    assert_eq!(doubts.len(), 1);
    assert_eq!((doubts[0].tone, overview.running[0].state), (Tone::Lost, State::InDoubt));
}

#[test]
fn two_writers_are_both_shown_and_not_called_writable() {
    let overview = overview(Scene::SplitBrain);
    assert!(!overview.clusters[0].writable);
    let leads = overview.clusters[0].nodes.iter().filter(|node| node.standing.contains("primary")).count();
    assert_eq!(leads, 2);
    assert!(overview.clusters[0].nodes.iter().any(|node| node.tone == Tone::Lost));
}

#[test]
fn a_region_that_fails_is_one_need_and_not_nine() {
    let overview = overview(Scene::RegionDown);
    let region = overview.regions.iter().find(|region| region.region.as_str() == world::EAST).unwrap();
    assert_eq!((region.tone, region.word.as_str(), region.endpoints_ok), (Tone::Lost, "failed", 0));
    let together: Vec<_> = overview.needs_a_person.iter().filter(|need| need.what.contains("services fail in us-east-1")).collect();
    assert_eq!(together.len(), 1, "{:#?}", overview.needs_a_person);
}

#[test]
fn the_status_document_can_be_read_back() {
    for scene in Scene::ALL.into_iter().filter(|scene| *scene != Scene::Fault) {
        let overview = overview(scene);
        let text = serde_json::to_string(&overview).unwrap();
        assert_eq!(serde_json::from_str::<Overview>(&text).unwrap(), overview, "{scene:?}");
        assert!(overview.in_words().contains(overview.worst.name()));
    }
}

#[test]
fn the_strip_counts_what_the_overview_lists() {
    for scene in Scene::ALL {
        let picture = picture(scene);
        let strip = StripView::of(&picture, "olga".to_owned(), Vec::new(), Theme::Device);
        assert_eq!(strip.needs, Overview::of(&picture).needs_a_person.len(), "{scene:?}");
    }
    let running = StripView::of(&picture(Scene::Running), "olga".to_owned(), Vec::new(), Theme::Device);
    assert_eq!((running.running.len(), running.exposed.len()), (1, 1));
}

#[test]
fn a_thousand_services_come_in_pages() {
    let picture = picture(Scene::Thousand);
    let first = Matrix::of(&picture, &Query { page: 1, ..Query::default() });
    assert_eq!((first.rows.len(), first.total, first.matching, first.pages), (100, 1_000, 1_000, 10));
    assert!(first.rows.iter().all(|row| row.tier == 1), "the guide's first tier comes first");
    let beyond = Matrix::of(&picture, &Query { page: 99, ..Query::default() });
    assert_eq!(beyond.page, 10, "a page beyond the last shows the last");
    let mut seen: Vec<_> = (1..=10).flat_map(|page| Matrix::of(&picture, &Query { page, ..Query::default() }).rows).map(|row| row.id).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1_000, "every service is on exactly one page");
}

#[test]
fn the_matrix_filters_and_sorts() {
    let picture = picture(Scene::PrimaryDown);
    let names = |query: Query| Matrix::of(&picture, &query).rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(Query { text: "pci".to_owned(), ..Query::default() }), ["billing-service", "user-database"]);
    assert_eq!(names(Query { tier: Some(3), sort: Sort::Rto, down: true, ..Query::default() }), ["analytics-database", "logging-service"]);
    assert_eq!(names(Query { text: "no such".to_owned(), ..Query::default() }), Vec::<String>::new());
    let worst = &Matrix::of(&picture, &Query { sort: Sort::Health, down: true, ..Query::default() }).rows[0];
    assert!(worst.health.contains(&Some(Health::Degraded)));
    let gateway = Matrix::of(&picture, &Query { text: "api-gateway".to_owned(), ..Query::default() });
    let row = gateway.rows.iter().find(|row| row.id.as_str() == "api-gateway").unwrap();
    let undefined: Vec<_> = row.depends_on.iter().filter(|dependency| !dependency.defined).map(|dependency| dependency.id.as_str()).collect();
    assert_eq!(undefined, ["rate-limiter"]);
}

#[test]
fn a_service_knows_its_neighbours() {
    let picture = picture(Scene::Full);
    let details = Details::of(&picture, &"authentication".parse().unwrap()).unwrap();
    assert_eq!(details.affected.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["api-gateway", "dashboard"]);
    assert_eq!(details.depends_on.iter().find(|need| need.id.as_str() == "token-store").map(|need| need.tier), Some(None));
    assert_eq!(details.endpoints.len(), 3);
    assert_eq!(Details::of(&picture, &"nobody".parse().unwrap()), None);
}

#[test]
fn the_journal_is_read_until_a_page_is_full() {
    let (picture, entries) = Scene::Succeeded.picture(now(), now());
    let batch = || entries.iter().rev().cloned().collect::<Vec<_>>();
    let mut all = Reading::new(None, None);
    all.take(batch());
    assert_eq!(all.next_before(), None);
    let all = JournalView::of(&picture, all);
    assert_eq!((all.lines.len(), all.older), (entries.len(), None));
    assert!(all.lines.windows(2).all(|pair| pair[0].seq > pair[1].seq), "newest first");
    assert!(all.lines.iter().all(|line| !line.what.is_empty() && line.hash.len() == 64));
    let mut people = Reading::new(None, Some(Kind::People));
    people.take(batch());
    let people = JournalView::of(&picture, people);
    assert!(!people.lines.is_empty() && people.lines.iter().all(|line| line.kind == Kind::People));
    assert_eq!(people.looked_at, entries.len() as u64);
    let requested = all.lines.iter().find(|line| line.what.starts_with("Requested: ")).unwrap();
    assert!(requested.by_person && requested.reason.is_some() && requested.what.contains("loss accepted"));
}

#[test]
fn a_full_batch_asks_for_the_next() {
    let (_, entries) = Scene::Full.picture(now(), now());
    let batch: Vec<_> = entries.iter().cycle().take(Reading::BATCH as usize).cloned().collect();
    let mut none_wanted = Reading::new(None, Some(Kind::Operations));
    none_wanted.take(batch.clone());
    assert!(matches!(none_wanted.next_before(), Some(Some(_))), "an empty page is not the end of the journal");
    for _ in 0..Reading::LOOKED_AT_MOST / u64::from(Reading::BATCH) {
        none_wanted.take(batch.clone());
    }
    assert_eq!(none_wanted.next_before(), None, "the search has an end");
}

fn board(scene: Scene, viewer: &str) -> Board {
    Board::of(&picture(scene), &world::viewer(viewer), 1)
}

fn row<'a>(board: &'a Board, name: &str) -> &'a Row {
    board.rows.iter().find(|row| row.name == name).unwrap()
}

fn move_page(scene: Scene, mode: Mode, to: Option<&[&str]>) -> MovePage {
    let to = to.map(|to| to.iter().map(|region| region.parse().unwrap()).collect());
    let asked = Asked { service: "dashboard".parse().unwrap(), mode, to };
    let id = "0190a000-0000-7000-8000-0000000000aa".parse().unwrap();
    MovePage::of(&picture(scene), &world::viewer("olga"), &asked, id).unwrap()
}

#[test]
fn a_quiet_board_says_that_nothing_needs_doing() {
    let board = board(Scene::Full, "olga");
    assert_eq!((board.next.tone, board.next.what.as_str(), board.behind), (Tone::Ok, "Nothing needs doing.", 0));
    assert_eq!(board.rows.len(), 4, "three services with traffic, and the cluster");
    assert!(board.rows.iter().all(|row| row.state.word == "normal" && row.protection.tone == Tone::Ok), "{:#?}", board.rows);
    assert!(row(&board, "model-router").simulated && !row(&board, "dashboard").simulated);
    let here: Vec<bool> = row(&board, "dashboard").health.iter().map(|cell| cell.as_ref().is_some_and(|(on, _)| *on)).collect();
    assert_eq!(here, [true, false, false], "its clients are in its home");
    assert_eq!(row(&board, "dashboard").health[2], None, "it does not run there");
    assert_eq!(board.map.iter().map(|place| (place.serves.len(), place.writes.len())).collect::<Vec<_>>(), [(3, 1), (2, 0), (2, 0)]);
    assert!(board.without > 0 && board.switches.iter().all(|switch| switch.held.is_none() && switch.tone == Tone::Ok));
}

#[test]
fn a_board_is_not_green_while_anything_is_exposed() {
    let mut exposed = picture(Scene::Full);
    let exposure = engine::journal::Exposure { since: now(), unprotected: false, missing: vec!["it is down in us-east-1".to_owned()] };
    Arc::make_mut(&mut exposed.records).service_exposures.insert("dashboard".parse().unwrap(), exposure);
    let next = Board::of(&exposed, &world::viewer("olga"), 1).next;
    assert_eq!(
        (next.tone, next.what.as_str(), next.href.as_str()),
        (Tone::Watch, "Repair what failed: dashboard has reduced protection.", "/failover/dashboard")
    );
    assert!(next.remedy.contains("it is down in us-east-1"), "{next:?}");
}

#[test]
fn a_board_is_not_green_while_a_host_agent_is_silent() {
    let mut silent = picture(Scene::Full);
    let agents = &mut Arc::make_mut(&mut silent.observed).agents;
    let (region, judgement) = agents.iter_mut().next().unwrap();
    (judgement.health, judgement.why) = (Health::Down, "refused".to_owned());
    let region = region.clone();
    let next = Board::of(&silent, &world::viewer("olga"), 1).next;
    assert!(next.tone >= Tone::Act && next.what.starts_with("Nothing needs to be moved; "), "{next:?}");
    assert!(next.remedy.contains(&format!("the host agent of {region}")), "{next:?}");
}

#[test]
fn the_board_names_what_nobody_deals_with_and_why() {
    let board = board(Scene::Held, "olga");
    assert_eq!((board.next.tone, board.next.href.as_str()), (Tone::Lost, "/failover/dashboard/plan?mode=emergency"));
    assert!(board.next.what.contains("Lifeboat does nothing") && board.next.remedy.contains("paused"), "{:?}", board.next);
    let row = &board.rows[0];
    assert_eq!((row.name.as_str(), row.state.word.as_str(), row.automation.word.as_str()), ("dashboard", "failing", "HELD"), "worst first");
    assert_eq!(row.protection.word, "UNPROTECTED");
    assert!(row.protection.since.is_some() && row.offer.as_ref().is_some_and(|offer| offer.urgent));
}

#[test]
fn a_request_stands_in_the_inbox_with_what_it_breaks() {
    let board = board(Scene::MoveWaiting, "anna");
    let [waiting] = board.inbox.as_slice() else { panic!("one request: {:?}", board.inbox) };
    assert!(waiting.rules.iter().any(|rule| rule.contains("master switch is off")), "{:?}", waiting.rules);
    assert_eq!(board.next.href, format!("/operations/{}", waiting.line.id));
    assert!(board.next.what.starts_with("Approve or decline"), "{:?}", board.next);
    let own = Board::of(&picture(Scene::MoveWaiting), &world::viewer("oskar"), 1);
    assert!(own.next.what.starts_with("Find a second person"), "{:?}", own.next);
}

#[test]
fn an_emergency_is_answered_before_what_was_asked_for_earlier() {
    let mut picture = picture(Scene::MoveWaiting);
    let operations = &mut Arc::make_mut(&mut picture.records).operations;
    let mut urgent = operations.values().find(|operation| operation.state == State::Requested).unwrap().clone();
    let mut earlier = urgent.clone();
    for (operation, mode) in [(&mut urgent, Mode::Emergency), (&mut earlier, Mode::Planned)] {
        let Change::Traffic(change) = &mut operation.plan.change else { panic!("a move of clients") };
        change.mode = mode;
    }
    earlier.id = OperationId(uuid::Uuid::from_u128(77));
    earlier.requested.at -= chrono::TimeDelta::minutes(5);
    let (urgent_id, earlier_id) = (urgent.id, earlier.id);
    operations.extend([(urgent_id, urgent), (earlier_id, earlier)]);
    let board = Board::of(&picture, &world::viewer("anna"), 1);
    assert_eq!(board.next.href, format!("/operations/{urgent_id}"));
    assert_eq!(board.inbox.iter().map(|waiting| waiting.line.id).collect::<Vec<_>>(), [urgent_id, earlier_id]);
}

#[test]
fn row_61_a_broken_safety_rule_is_loud_on_every_page() {
    let picture = picture(Scene::MoveWaiting);
    let strip = StripView::of(&picture, "vera".to_owned(), Vec::new(), Theme::Device);
    assert_eq!(strip.rules_broken.map(|broken| broken.says), Some("safety rules would be broken".to_owned()));
    let overview = Overview::of(&picture);
    let needs: Vec<_> = overview.needs_a_person.iter().filter(|need| need.what.contains("SAFETY RULES")).collect();
    assert!(needs.len() == 1 && needs[0].what.contains("master switch is off"), "said once: {needs:#?}");
    assert!(Board::of(&picture, &world::viewer("anna"), 1).next.remedy.starts_with("IT BREAKS SAFETY RULES: the master switch is off"));
    let entries = Scene::MoveWaiting.picture(now(), now()).1;
    let words: Vec<String> = entries.iter().map(|entry| app::journal::words::in_words(&entry.event)).collect();
    assert!(words.iter().any(|words| words.contains("WOULD BREAK SAFETY RULES: the master switch is off")), "{words:#?}");
    assert_eq!(StripView::of(&self::picture(Scene::Asked), "vera".to_owned(), Vec::new(), Theme::Device).rules_broken, None);
}

#[test]
fn row_62_the_inbox_answers_with_one_tap_where_that_person_may_and_the_plan_still_holds() {
    let one = |viewer: &str| {
        let board = Board::of(&picture(Scene::Asked), &world::viewer(viewer), 1);
        let [waiting] = board.inbox.as_slice() else { panic!("one request: {:?}", board.inbox) };
        waiting.clone()
    };
    let waiting = one("anna");
    assert_eq!(waiting.acts.iter().map(|act| (act.verb, act.barred.is_some())).collect::<Vec<_>>(), [(Verb::Approve, false), (Verb::Decline, false)]);
    assert_eq!(waiting.acts[0].does, "Approve, and send clients to us-west-2");
    let operation = picture(Scene::Asked).operation(&waiting.line.id).cloned().unwrap();
    assert_eq!(waiting.plan_hash, operation.plan_hash, "the approval is bound to what was asked for");
    assert!(one("vera").acts.iter().all(|act| act.barred.is_some()), "a viewer answers nothing");
    let mut changed = picture(Scene::Asked);
    world::send(Arc::make_mut(&mut changed.observed), "dashboard", &["us-west-2"]);
    let board = Board::of(&changed, &world::viewer("anna"), 1);
    assert!(board.inbox[0].acts[0].barred.as_ref().is_some_and(|why| why.contains("has changed")), "{:?}", board.inbox[0].acts);
    let own = Board::of(&picture(Scene::MoveWaiting), &world::viewer("oskar"), 1);
    assert_eq!(own.inbox[0].acts.iter().map(|act| (act.verb, act.barred.is_some())).collect::<Vec<_>>(), [(Verb::Approve, true)]);
}

#[test]
fn row_39_the_last_rehearsal_is_shown_with_its_age_and_its_worth() {
    let of = |scene: Scene| ServicePage::of(&picture(scene), &world::viewer("olga"), &"dashboard".parse().unwrap(), Vec::new()).unwrap().rehearsal;
    let passed = of(Scene::Asked);
    assert_eq!((passed.tone, passed.word.as_str()), (Tone::Ok, "passed"));
    assert!(passed.says.contains("no guarantee") && passed.what.as_ref().is_some_and(|what| what.ended < now()), "{passed:?}");
    assert_eq!(move_page(Scene::Asked, Mode::Planned, Some(&["us-west-2"])).rehearsal, passed, "where a move is planned too");
    let never = of(Scene::Moved);
    assert_eq!((never.tone, never.word.as_str(), never.what), (Tone::Unknown, "never rehearsed", None), "a real move is no rehearsal");
}

#[test]
fn row_35_in_a_region_outage_the_region_comes_first_and_leads_to_its_emergency() {
    let board = board(Scene::RegionDown, "olga");
    assert_eq!((board.next.tone, board.next.href.as_str()), (Tone::Lost, "/failover/evacuate/us-east-1?mode=emergency"), "{:?}", board.next);
    assert!(board.next.what.contains("us-east-1: nothing there answers"), "{:?}", board.next);
    let ways: Vec<_> = board.map.iter().map(|place| (place.evacuate.href.as_str(), place.evacuate.urgent)).collect();
    assert_eq!(ways[0], ("/failover/evacuate/us-east-1?mode=emergency", true));
    assert_eq!(ways[1], ("/failover/evacuate/us-west-2?mode=planned", false));
}

#[test]
fn while_other_probes_have_no_verdict_yet_nothing_is_red() {
    let mut picture = picture(Scene::Held);
    let case = Arc::make_mut(&mut picture.records).cases.values_mut().next().unwrap();
    case.decision.holds = vec![Hold::Settling { until: now() }];
    let next = Board::of(&picture, &world::viewer("olga"), 1).next;
    assert!(next.tone == Tone::Watch && next.what.starts_with("Wait a moment: dashboard fails"), "{next:?}");
}

#[test]
fn row_43_a_failed_run_needs_a_person_everywhere() {
    let picture = picture(Scene::Failed);
    let overview = Overview::of(&picture);
    let need = overview.needs_a_person.iter().find(|need| need.what.contains("nobody has taken note")).unwrap();
    assert!(need.href.starts_with("/operations/") && need.tone == Tone::Act, "{need:?}");
    assert!(StripView::of(&picture, "vera".to_owned(), Vec::new(), Theme::Device).needs > 0);
}

#[test]
fn row_58_a_cluster_is_paused_maintained_and_acknowledged_like_a_service() {
    let picture = picture(Scene::RegionDown);
    let page = ClusterPage::of(&picture, &"user-database".parse().unwrap()).unwrap().for_viewer(&picture, &world::viewer("olga"));
    let what: Vec<_> = page.switches.iter().map(|switch| switch.what.as_str()).collect();
    assert_eq!(what, ["pause:cluster/user-database", "maintenance:cluster/user-database", "acknowledged:cluster/user-database"]);
    let board = Board::of(&picture, &world::viewer("olga"), 1);
    assert!(board.switches.iter().any(|switch| switch.what == "acknowledged:region/us-east-1"), "a region that fails can be acknowledged");
}

#[test]
fn a_running_move_leaves_nothing_to_do_but_wait_and_predicts() {
    let board = board(Scene::MoveRunning, "olga");
    assert!(board.next.what.starts_with("Wait: the region failover of dashboard"), "{:?}", board.next);
    let [run] = board.running.as_slice() else { panic!("one runs: {:?}", board.running) };
    let clock = run.clock.as_ref().unwrap();
    assert!(clock.latest.is_some() && !clock.may_breach(now()), "{clock:?}");
    assert!(run.does.as_ref().is_some_and(|does| does.contains("us-west-2")), "{:?}", run.does);
    assert_eq!(row(&board, "dashboard").state.word, "moving");
}

#[test]
fn after_a_move_the_way_home_is_offered_and_the_cooldown_said() {
    let board = board(Scene::Moved, "olga");
    assert_eq!((board.next.tone, board.next.href.as_str()), (Tone::Watch, "/failover/dashboard/plan?mode=planned&to=us-east-1"));
    let row = row(&board, "dashboard");
    assert_eq!(row.state.word, "away from home");
    let page = ServicePage::of(&picture(Scene::Moved), &world::viewer("olga"), &"dashboard".parse().unwrap(), Vec::new()).unwrap();
    assert!(page.offers.iter().any(|offer| offer.does == "Plan the return home"), "{:?}", page.offers);
    assert_eq!(page.past.len(), 1);
}

#[test]
fn what_strayed_is_said_with_where_it_belongs() {
    let board = board(Scene::Strayed, "olga");
    assert_eq!((board.next.tone, board.next.href.as_str()), (Tone::Act, "/failover/api-gateway"));
    assert_eq!(row(&board, "api-gateway").state.word, "strayed");
    assert!(board.next.remedy.contains("us-west-2") && board.next.remedy.contains("us-east-1"), "{:?}", board.next);
}

#[test]
fn unknown_traffic_is_never_normal() {
    let board = board(Scene::ServiceUnprotected, "olga");
    let row = row(&board, "model-router");
    assert_eq!((row.state.tone, row.at.as_deref()), (Tone::Unknown, None));
    assert_ne!(row.protection.tone, Tone::Ok);
    let unwatched = Board::of(&picture(Scene::Unwatched), &world::viewer("olga"), 1);
    assert!(unwatched.rows.iter().all(|row| row.state.tone != Tone::Ok && row.protection.tone != Tone::Ok), "{:#?}", unwatched.rows);
    assert_ne!(unwatched.next.tone, Tone::Ok);
}

#[test]
fn restraints_are_shown_with_who_and_why_everywhere() {
    let picture = picture(Scene::SwitchOff);
    let board = Board::of(&picture, &world::viewer("vera"), 1);
    let held: Vec<_> = board.switches.iter().map(|switch| (switch.what.as_str(), switch.held.as_ref().map(|held| held.by.as_str()))).collect();
    assert_eq!(held[..3], [("pause", Some("oskar")), ("master-switch", Some("anna")), ("tests", Some("anna"))]);
    assert!(held[3..].iter().all(|(what, by)| what.starts_with("maintenance:region/") && by.is_none()), "{held:?}");
    assert!(board.switches.iter().all(|switch| switch.barred.is_some()), "a viewer changes nothing");
    let strip = StripView::of(&picture, "vera".to_owned(), Vec::new(), Theme::Device);
    let automation = strip.automation.unwrap();
    assert_eq!((automation.tone, automation.word.as_str()), (Tone::Act, "master switch off"));
    let lines: Vec<_> = automation.restraints.iter().map(|line| (line.word.as_str(), line.by.as_str(), line.until.is_some())).collect();
    assert_eq!(lines, [("master switch off", "anna", false), ("automation paused", "oskar", true), ("tests stopped", "anna", true)], "row 58");
    assert!(automation.restraints.iter().all(|line| line.since.is_some() && !line.reason.is_empty()));
    let worked_on = StripView::of(&self::picture(Scene::ServiceUnprotected), "vera".to_owned(), Vec::new(), Theme::Device).automation.unwrap();
    assert_eq!(worked_on.word, "us-west-2 under maintenance", "not only what switches automation off");
    let quiet = StripView::of(&self::picture(Scene::Full), "vera".to_owned(), Vec::new(), Theme::Device).automation.unwrap();
    assert_eq!((quiet.tone, quiet.word.as_str(), quiet.restraints.len()), (Tone::Ok, "automation on", 0));
    assert!(board.rows.iter().all(|row| row.automation.word == "master switch off"));
}

#[test]
fn without_traffic_the_clusters_stay_and_an_empty_estate_says_so() {
    let board = board(Scene::NoTraffic, "olga");
    assert_eq!((board.rows.len(), board.without), (1, 10));
    let empty = Board::of(&picture(Scene::Empty), &world::viewer("olga"), 7);
    assert_eq!((empty.rows.len(), empty.map.len(), empty.page), (0, 0, 1));
    let strip = StripView::of(&picture(Scene::Empty), "olga".to_owned(), Vec::new(), Theme::Device);
    assert_eq!(strip.automation, None, "there is nothing to automate");
    let page = ServicePage::of(&picture(Scene::NoTraffic), &world::viewer("olga"), &"dashboard".parse().unwrap(), Vec::new()).unwrap();
    assert!(page.address.is_none() && page.offers.is_empty());
}

#[test]
fn the_plan_of_a_move_lists_regions_steps_and_what_stands_in_the_way() {
    let plan = move_page(Scene::Held, Mode::Emergency, None);
    assert!(plan.can_be_requested() && plan.rules.is_empty(), "{:?}", plan.hard);
    assert_eq!((plan.form.mode.as_str(), plan.form.to.as_str()), ("emergency", "us-west-2"));
    assert_eq!(plan.regions.iter().map(|row| (row.on, row.chosen, row.home)).collect::<Vec<_>>(), [(true, false, true), (false, true, false)]);
    assert!(plan.regions[0].other.is_some() && plan.regions[1].other.is_none(), "the last region cannot be taken out");
    assert!(plan.modes.iter().filter(|mode| mode.chosen).count() == 1 && !plan.steps.is_empty());
    let explicit = move_page(Scene::Held, Mode::Emergency, Some(&["us-west-2"]));
    assert_eq!(explicit.form.plan_hash, plan.form.plan_hash, "naming what is best changes nothing");
    let back = move_page(Scene::Held, Mode::Planned, Some(&["us-east-1"]));
    assert!(!back.steps.is_empty());
}

#[test]
fn a_broken_safety_rule_is_listed_apart() {
    let plan = move_page(Scene::SwitchOff, Mode::Planned, Some(&["us-west-2"]));
    assert!(plan.rules.iter().any(|rule| rule.what.contains("master switch")), "{:?}", plan.rules);
    assert!(plan.overridable.iter().all(|check| !check.what.contains("master switch")));
    assert!(plan.form.follows.contains("approver"), "{}", plan.form.follows);
    let test = move_page(Scene::SwitchOff, Mode::Test, Some(&["us-west-2"]));
    assert!(!test.can_be_requested() && test.hard.iter().any(|obstacle| obstacle.what.contains("tests are stopped")), "{:?}", test.hard);
}

#[test]
fn the_ledger_answers_why_nothing_was_done() {
    let (picture, entries) = Scene::Held.picture(now(), now());
    let read = |scope: Option<&str>| {
        let scope = scope.map(|scope| scope.parse().unwrap());
        let mut reading = Reading::by(None, 5_000, move |entry| DecisionLine::of(entry, scope.as_ref()));
        reading.take(entries.iter().rev().cloned().collect());
        Ledger::of(&picture, reading)
    };
    let all = read(None);
    assert_eq!(all.lines.iter().map(|line| line.word.as_str()).collect::<Vec<_>>(), ["held", "no verdict", "restrained"]);
    let held = &all.lines[0];
    assert!(held.trouble[0].contains("3 of the last 3 probes failed") && held.holds[0].contains("paused"), "{held:?}");
    assert_eq!(read(Some("service/dashboard")).lines.len(), 2);
    assert_eq!(read(Some("region/us-east-1")).lines.len(), 0);
    assert!(all.scopes.contains(&"service/dashboard".to_owned()) && all.older.is_none());
}

#[test]
fn every_failover_page_survives_every_scene_and_the_wire() {
    for scene in Scene::ALL.into_iter().filter(|scene| *scene != Scene::Fault) {
        let picture = picture(scene);
        let viewer = world::viewer("olga");
        let board = Board::of(&picture, &viewer, 1);
        assert_eq!(serde_json::from_str::<Board>(&serde_json::to_string(&board).unwrap()).unwrap(), board, "{scene:?}");
        for service in &picture.estate.services {
            assert!(ServicePage::of(&picture, &viewer, &service.id, Vec::new()).is_some(), "{scene:?} {}", service.id);
        }
    }
}

/// The scene with what happened to one more operation.
fn with(mut picture: Picture, event: Event) -> Picture {
    let mut records = (*picture.records).clone();
    let (seq, actor) = (records.seq + 1, Actor::Person("olga".parse().unwrap()));
    let entry = Entry { seq, at: picture.now, actor, event, previous: String::new(), hash: String::new() };
    records.apply(&entry).unwrap();
    picture.records = Arc::new(records);
    picture
}

#[test]
fn row_93_what_only_a_simulator_does_is_called_simulated_on_every_page() {
    let whole = picture(Scene::Full);
    let service = "model-router".parse().unwrap();
    let id = "0190a000-0000-7000-8000-0000000000ab".parse().unwrap();
    let to: BTreeSet<RegionId> = ["us-west-2".parse().unwrap()].into();
    let viewer = world::viewer("olga");
    let asked = Asked { service, mode: Mode::Planned, to: Some(to.clone()) };

    // The page of the plan: its mark, its steps, what the adapter can do.
    let page = MovePage::of(&whole, &viewer, &asked, id).unwrap();
    let sends = page.sends.clone().unwrap();
    assert!(page.simulated && sends.by == "a simulator" && sends.abilities[0] == "SIMULATED: nobody is moved", "{sends:?}");
    let moving: Vec<&str> = page.steps.iter().map(|step| step.does.as_str()).filter(|does| does.contains("lients of")).collect();
    assert!(!moving.is_empty() && moving.iter().all(|does| does.starts_with("SIMULATED: ")), "{moving:?}");
    assert!(page.steps.iter().filter_map(|step| step.undo.as_ref()).all(|undo| undo.starts_with("SIMULATED: ")), "{:?}", page.steps);

    // The board's row, the journal, the operation's line and page, the findings.
    assert!(row(&Board::of(&whole, &viewer, 1), "model-router").simulated);
    let plan = whole.traffic_plan(&asked.service, Mode::Planned, Some(&to)).unwrap();
    let event = Event::OperationRequested {
        id,
        plan_hash: plan.hash(),
        plan: Box::new(plan),
        reason: "to see it".to_owned(),
        loss_accepted: false,
        overridden: Vec::new(),
        parent: None,
    };
    assert!(app::journal::words::in_words(&event).starts_with("SIMULATED: Requested: "));
    let asked_for = with(whole.clone(), event);
    let page = OperationPage::of(&asked_for, &viewer, &id, &[]).unwrap();
    assert!(page.line.simulated && page.steps.iter().any(|step| step.does.starts_with("SIMULATED: Send clients")), "{:?}", page.steps);
    let findings = whole.findings();
    let found: Vec<String> = findings.iter().map(|finding| finding.complaint.to_string()).filter(|text| text.starts_with("SIMULATED")).collect();
    assert_eq!(found, ["SIMULATED: only a simulator sends the clients of model-router, so no failover of it moves anybody"]);

    // What is real is never called so.
    let real = move_page(Scene::Full, Mode::Planned, Some(&["us-west-2"]));
    assert!(!real.simulated && real.steps.iter().all(|step| !step.does.contains("SIMULATED")));
    assert_eq!(real.sends.unwrap().by, "HAProxy, backend dashboard");
}

#[test]
fn what_monitoring_is_told_stands_on_the_pages_of_plans() {
    let mut told = picture(Scene::Full);
    let declared = "name = \"x\"\n[[monitoring]]\nid = \"alerts\"\nurl = \"http://127.0.0.1:9093\"\n";
    Arc::make_mut(&mut told.estate).monitoring = Estate::from_toml(declared).unwrap().monitoring;
    let (viewer, id) = (world::viewer("olga"), "0190a000-0000-7000-8000-0000000000ac".parse().unwrap());
    let asked = |mode| Asked { service: "dashboard".parse().unwrap(), mode, to: Some(["us-west-2".parse().unwrap()].into()) };
    let says = |mode| MovePage::of(&told, &viewer, &asked(mode), id).unwrap().steps.into_iter().map(|step| step.does).collect::<Vec<_>>();
    let planned = says(Mode::Planned);
    assert!(planned.iter().any(|does| does.starts_with("Tell monitoring (alerts) to be silent about dashboard in us-east-1, for ")), "{planned:?}");
    assert!(
        planned
            .ends_with(&["End the silence of this operation in monitoring (alerts)".to_owned(), "Tell monitoring (alerts) what was done".to_owned()])
    );
    let rehearsed = says(Mode::Test);
    assert!(rehearsed.last().unwrap().ends_with("would be silent about dashboard in us-east-1: nothing is written"), "{rehearsed:?}");
    let region = "us-east-1".parse().unwrap();
    let evacuation = EvacuationPage::of(&told, &viewer, &region, Mode::Planned, id).unwrap();
    assert_eq!(evacuation.tells.len(), 3, "{:?}", evacuation.tells);
    let none = EvacuationPage::of(&picture(Scene::Full), &viewer, &region, Mode::Planned, id).unwrap();
    assert!(none.tells.is_empty());
}
