//! What pages say of each state, checked against the same made-up scenes the preview shows.
#![cfg(feature = "ssr")]

#[path = "../examples/preview/journal.rs"]
mod journal;
#[path = "../examples/preview/scenes.rs"]
#[allow(dead_code, reason = "the preview names its scenes, the tests only use them")]
mod scenes;
#[path = "../examples/preview/world.rs"]
#[allow(dead_code, reason = "the preview uses more of it")]
mod world;

use app::{
    journal::{
        view::{JournalView, Reading},
        words::Kind,
    },
    overview::view::{NodeLine, Overview, ProtectionLine},
    services::{
        query::{Query, Sort},
        view::{Details, Matrix},
    },
    shell::{appearance::Theme, view::StripView},
    ui::state::Tone,
};
use engine::{
    failover::State,
    health::{Health, Judgement},
    picture::Picture,
    time::{Instant, Span},
};
use scenes::Scene;
use std::sync::Arc;

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
    let requested = all.lines.iter().find(|line| line.what.contains("was requested")).unwrap();
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
