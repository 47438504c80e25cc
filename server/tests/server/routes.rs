//! Every URL × everyone. The URLs are collected from the product itself (pages, server functions, the router's source),
//! so that a new one without a rule here fails.

use crate::{
    house::{Answer, Browser, House, form, somebody},
    world::{self, WEST},
};
use app::port::Wish;
use engine::{
    access::{Permission, Role},
    failover::{OperationKind, State},
    id::OperationId,
    journal::{Actor, Event},
};
use http::{Method, StatusCode};
use leptos::server_fn::axum::server_fn_paths;
use std::collections::BTreeSet;

/// The rule of a URL.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rule {
    /// Strangers too.
    Everyone,
    /// Whoever is signed in.
    SignedIn,
    /// Changes something: whoever holds this.
    With(Permission),
    /// The same, where it takes more than an operation to do it: what those who hold it bring about, the journeys show.
    Only(Permission),
}

/// The rule of a page, and an address of it.
pub fn page(path: &str) -> (Rule, &'static str) {
    match path {
        "/" => (Rule::SignedIn, "/"),
        "/services" => (Rule::SignedIn, "/services?text=checkout"),
        "/services/{service}" => (Rule::SignedIn, "/services/checkout-api"),
        "/failover" => (Rule::SignedIn, "/failover"),
        "/failover/decisions" => (Rule::SignedIn, "/failover/decisions"),
        "/failover/evacuate/{region}" => (Rule::SignedIn, "/failover/evacuate/us-east-1?mode=planned"),
        "/failover/{service}" => (Rule::SignedIn, "/failover/checkout-api"),
        "/failover/{service}/plan" => (Rule::SignedIn, "/failover/checkout-api/plan?mode=planned&to=us-west-2"),
        "/databases" => (Rule::SignedIn, "/databases"),
        "/databases/{cluster}" => (Rule::SignedIn, "/databases/users"),
        "/databases/{cluster}/plan" => (Rule::SignedIn, "/databases/users/plan?kind=switchover&node=pg-standby-west"),
        "/operations" => (Rule::SignedIn, "/operations"),
        "/operations/{operation}" => (Rule::SignedIn, "/operations/01890a5d-ac96-774b-bcce-b302099a8057"),
        "/operations/{operation}/receipt" => (Rule::SignedIn, "/operations/01890a5d-ac96-774b-bcce-b302099a8057/receipt"),
        "/journal" => (Rule::SignedIn, "/journal"),
        "/notifications" => (Rule::SignedIn, "/notifications"),
        "/backups" => (Rule::SignedIn, "/backups"),
        "/backups/{policy}" => (Rule::SignedIn, "/backups/users-daily"),
        "/backups/{policy}/plan" => {
            (Rule::SignedIn, "/backups/users-daily/plan?backup=01890a5d-ac96-774b-bcce-b302099a8057&from=near&before=2026-01-02T03:04:05Z&folder=x")
        }
        "/runbooks" => (Rule::SignedIn, "/runbooks"),
        "/runbooks/new" => (Rule::SignedIn, "/runbooks/new"),
        "/runbooks/{name}" => (Rule::SignedIn, "/runbooks/region-failover"),
        "/runbooks/{name}/edit" => (Rule::SignedIn, "/runbooks/region-failover/edit"),
        "/runbooks/{name}/versions" => (Rule::SignedIn, "/runbooks/region-failover/versions"),
        "/runbooks/runs/{run}" => (Rule::SignedIn, "/runbooks/runs/01890a5d-ac96-774b-bcce-b302099a8057"),
        "/dr-tests" => (Rule::SignedIn, "/dr-tests"),
        "/dr-tests/{scenario}" => (Rule::SignedIn, "/dr-tests/lose-users"),
        "/dr-tests/runs/{run}" => (Rule::SignedIn, "/dr-tests/runs/01890a5d-ac96-774b-bcce-b302099a8057"),
        "/login" => (Rule::Everyone, "/login"),
        "/setup" => (Rule::Everyone, "/setup?token=x"),
        new => panic!("the page {new} has no rule here: who may see it?"),
    }
}

/// The rule of a server function, and a form it understands.
pub fn function(path: &str) -> (Rule, &'static str) {
    match path {
        "/api/strip" | "/api/overview" | "/api/databases" | "/api/operations" => (Rule::SignedIn, ""),
        "/api/services" => (Rule::SignedIn, "query[text]=checkout"),
        "/api/service" => (Rule::SignedIn, "id=checkout-api"),
        "/api/journal" | "/api/notifications" => (Rule::SignedIn, ""),
        "/api/test_channel" => (Rule::Only(Permission::TestChannels), "channel=ops"),
        "/api/acknowledge_incident" => (Rule::Only(Permission::Restrain), "incident=journal-broken%402026-01-02T03%3A04%3A05.000Z&reason=because"),
        "/api/backups" => (Rule::SignedIn, ""),
        "/api/backup_policy" => (Rule::SignedIn, "id=users-daily&at="),
        "/api/keep_backup" => {
            (Rule::Only(Permission::KeepBackups), "policy=users-daily&backup=01890a5d-ac96-774b-bcce-b302099a8057&what=start&reason=because")
        }
        "/api/runbooks" => (Rule::SignedIn, ""),
        "/api/runbook" | "/api/runbook_text" | "/api/runbook_versions" => (Rule::SignedIn, "name=region-failover"),
        "/api/check_runbook" => (Rule::SignedIn, "text=%23+A"),
        // There is no such run: the answer says so to those who may ask.
        "/api/run" => (Rule::SignedIn, "id=01890a5d-ac96-774b-bcce-b302099a8057"),
        "/api/save_runbook" => (Rule::Only(Permission::WorkRunbooks), "name=own&text=%23+A&what=save"),
        "/api/start_run" => (
            Rule::Only(Permission::WorkRunbooks),
            "id=01890a5d-ac96-774b-bcce-b302099a8057&name=region-failover&version=1&reason=because&values[from]=us-east-1",
        ),
        "/api/work_run" => (Rule::Only(Permission::WorkRunbooks), "id=01890a5d-ac96-774b-bcce-b302099a8057&what=begin&step=1"),
        "/api/take_role" => (Rule::Only(Permission::WorkRunbooks), "id=01890a5d-ac96-774b-bcce-b302099a8057&role=Commander"),
        "/api/send_message" => (Rule::Only(Permission::WorkRunbooks), "id=01890a5d-ac96-774b-bcce-b302099a8057&message=initial&shown=text&to=all"),
        "/api/dr_tests" => (Rule::SignedIn, ""),
        "/api/dr_scenario" => (Rule::SignedIn, "id=lose-users"),
        "/api/dr_run" => (Rule::SignedIn, "id=01890a5d-ac96-774b-bcce-b302099a8057"),
        "/api/start_dr_test" => {
            (Rule::Only(Permission::Rehearse), "run=01890a5d-ac96-774b-bcce-b302099a8057&scenario=lose-users&version=x&reason=because")
        }
        "/api/record_test_step" => (Rule::Only(Permission::Rehearse), "run=01890a5d-ac96-774b-bcce-b302099a8057&step=0&shown=0&what=start&said="),
        "/api/attach_evidence" => (Rule::Only(Permission::Rehearse), "run=01890a5d-ac96-774b-bcce-b302099a8057&step=&text=seen&url="),
        "/api/conduct_test" => (Rule::Only(Permission::Rehearse), "run=01890a5d-ac96-774b-bcce-b302099a8057&what=stop&reason=because"),
        "/api/assert_test_times" => (Rule::Only(Permission::Rehearse), "run=01890a5d-ac96-774b-bcce-b302099a8057&rto=1m&rpo=0s&reason=because"),
        "/api/cluster" => (Rule::SignedIn, "id=users"),
        "/api/plan" | "/api/plan_hash" => (Rule::SignedIn, "cluster=users&kind=switchover&node=pg-standby-west"),
        // There is no such operation: the answer says so to those who may ask.
        "/api/operation" => (Rule::SignedIn, "id=01890a5d-ac96-774b-bcce-b302099a8057"),
        // A cookie of one's own.
        "/api/choose_appearance" => (Rule::SignedIn, "theme=dark"),
        "/api/failover" => (Rule::SignedIn, "page=1"),
        "/api/failover_service" => (Rule::SignedIn, "id=checkout-api"),
        "/api/decisions" => (Rule::SignedIn, "at=02:13"),
        "/api/thresholds" => (
            Rule::SignedIn,
            "id=checkout-api&asked[failures]=2&asked[samples]=5&asked[recoveries]=&asked[window]=30s&asked[wait]=20s&asked[period]=1h",
        ),
        "/api/move_plan" | "/api/move_plan_hash" => (Rule::SignedIn, "service=checkout-api&mode=planned"),
        "/api/evacuation_plan" | "/api/evacuation_plan_hash" => (Rule::SignedIn, "region=us-east-1&mode=planned"),
        "/api/restore_plan" | "/api/restore_plan_hash" => (
            Rule::SignedIn,
            "wish[policy]=users-daily&wish[backup]=01890a5d-ac96-774b-bcce-b302099a8057&wish[from]=near&wish[before]=2026-01-02T03:04:05Z&wish[folder]=x",
        ),
        "/api/request_restore" => (
            Rule::Only(Permission::RequestOperation),
            "id=01890a5d-ac96-774b-bcce-b302099a8057&wish[policy]=users-daily&wish[backup]=01890a5d-ac96-774b-bcce-b302099a8057&wish[from]=near&\
             wish[before]=2026-01-02T03:04:05Z&wish[folder]=x&plan_hash=x&reason=because",
        ),
        "/api/restrain" | "/api/release" => (Rule::Only(Permission::Restrain), "what=pause&minutes=60&reason=because&back=/failover"),
        "/api/request_traffic" => (
            Rule::Only(Permission::RequestOperation),
            "id=01890a5d-ac96-774b-bcce-b302099a8057&service=checkout-api&mode=planned&to=us-west-2&plan_hash=x&reason=because",
        ),
        "/api/request_evacuation" => (
            Rule::Only(Permission::RequestOperation),
            "id=01890a5d-ac96-774b-bcce-b302099a8057&region=us-east-1&mode=planned&plan_hash=x&reason=because",
        ),
        "/api/skip_step" | "/api/escalate_operation" | "/api/commit_operation" | "/api/abort_operation" | "/api/acknowledge_operation" => {
            (Rule::Only(Permission::RequestOperation), "id=01890a5d-ac96-774b-bcce-b302099a8057&reason=because")
        }
        "/api/request_operation" | "/api/cancel_operation" | "/api/resume_operation" | "/api/close_operation" => {
            (Rule::With(Permission::RequestOperation), "")
        }
        "/api/approve_operation" | "/api/decline_operation" => (Rule::With(Permission::ApproveOperation), ""),
        new => panic!("the server function {new} has no rule here: who may call it?"),
    }
}

/// The routes that the router's own source names.
fn route(path: &str) -> (Rule, Method) {
    match path {
        "/login" | "/logout" | "/setup" => (Rule::Everyone, Method::POST),
        "/healthz" | "/readyz" => (Rule::Everyone, Method::GET),
        "/live" | "/pack" | "/runbooks/{name}/export" | "/evidence/{run}/{form}" => (Rule::SignedIn, Method::GET),
        new => panic!("the route {new} has no rule here: who may use it?"),
    }
}

pub fn pages() -> Vec<String> {
    let pages: Vec<String> = server::router::pages().iter().map(|page| page.path().to_owned()).collect();
    assert!(pages.len() >= 11, "the list of pages was found: {pages:?}");
    pages
}

pub fn functions() -> BTreeSet<&'static str> {
    let all: Vec<_> = server_fn_paths().collect();
    // A browser sends a GET from anywhere, and no origin check looks at it.
    assert!(all.iter().all(|(_, method)| *method == Method::POST), "{all:?}");
    let paths: BTreeSet<_> = all.into_iter().map(|(path, _)| path).collect();
    assert!(paths.len() >= 18, "the registry was found: {paths:?}");
    paths
}

pub fn routes() -> Vec<&'static str> {
    let source = include_str!("../../src/router.rs");
    let routes: Vec<&str> = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(routes.len() >= 6, "the routes were found: {routes:?}");
    routes
}

/// What only those who are signed in may read: names of the estate, in whatever shape.
fn gives_away(answer: &Answer) -> bool {
    ["Meridian", "checkout-api", "pg-standby-west", "us-west-2"].iter().any(|inside| answer.body.contains(inside))
}

#[tokio::test]
async fn strangers_come_as_far_as_the_sign_in_page() {
    let house = House::with_people().await;
    let mut stranger = house.browser();
    let before = house.journal_length().await;
    for path in pages() {
        let (rule, address) = page(&path);
        let answer = stranger.get(address).await;
        if rule == Rule::Everyone {
            assert_eq!(answer.status, StatusCode::OK, "{address}");
        } else {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{address}");
            assert_eq!(answer.location(), format!("/login?{}", form(&[("next", address)])), "{address}");
        }
        assert!(!gives_away(&answer), "{address}");
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD] {
            let answer = stranger.send(method.clone(), address, &[("accept", "text/html")], "").await;
            assert!(rule == Rule::Everyone || answer.status == StatusCode::UNAUTHORIZED, "{method} {address}: {}", answer.status);
        }
    }
    for path in functions() {
        for accept in ["application/json", "text/html"] {
            let answer = stranger.send(Method::POST, path, &[("accept", accept), ("referer", "http://house.test/")], function(path).1).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            assert!(!gives_away(&answer), "{path}");
        }
        assert_eq!(stranger.get(path).await.status, StatusCode::UNAUTHORIZED, "GET {path}");
    }
    for path in routes() {
        let (rule, method) = route(path);
        let answer = stranger.send(method, path, &[], "name=x&password=y&token=z").await;
        // A download is followed like a link to a page.
        let is_download = path == "/pack" || path.starts_with("/evidence/") || path.ends_with("/export");
        let to_sign_in = is_download && answer.location() == format!("/login?{}", form(&[("next", path)]));
        assert_eq!(answer.status == StatusCode::UNAUTHORIZED || to_sign_in, rule != Rule::Everyone, "{path}: {}", answer.status);
        assert!(!gives_away(&answer), "{path}");
    }
    // Ways around: what looks like a public file, what looks like another path, what does not exist.
    for path in [
        "/pkg/../journal",
        "/pkg/%2e%2e/journal",
        "/fonts/..%2fservices",
        "//services",
        "/services/",
        "/login/../services",
        "/nothing",
        "/api/nothing",
        "/pkg/nothing",
        "/logout",
    ] {
        let answer = stranger.get(path).await;
        assert!(!gives_away(&answer), "{path}: {}", answer.status);
    }
    let failed = house.last_events(50).await.into_iter().filter(|event| event.contains("sign-in-failed")).count() as u64;
    assert_eq!(house.journal_length().await, before + failed, "nothing but a failed sign-in came of all that");
}

#[tokio::test]
async fn everyone_who_is_signed_in_may_look_everywhere() {
    let house = House::with_people().await;
    server::runbooks::adopt(&house.desk).await.unwrap();
    house.starts_a_test("tom").await;
    house.has_a_backup().await;
    for role in Role::ALL {
        let mut browser = house.signed_in(somebody(role)).await;
        let before = house.journal_length().await;
        for path in pages() {
            let (_, address) = page(&path);
            let answer = browser.get(address).await;
            let unknown = address.starts_with("/operations/") || address.starts_with("/runbooks/runs/");
            assert!(answer.status == StatusCode::OK || (unknown && answer.status == StatusCode::NOT_FOUND), "{role} {address}: {}", answer.status);
        }
        for path in functions() {
            let (rule, form) = function(path);
            if rule == Rule::SignedIn {
                let answer = browser.post(path, form).await;
                let expected = if matches!(path, "/api/operation" | "/api/run") { StatusCode::NOT_FOUND } else { StatusCode::OK };
                assert_eq!(answer.status, expected, "{role} {path}: {}", answer.body);
            }
        }
        let live = browser.get("/live").await;
        assert_eq!((live.status, live.header("content-type")), (StatusCode::OK, "text/event-stream"), "{role}");
        assert_eq!(house.journal_length().await, before, "{role}: looking changes nothing");
    }
}

/// An operation in the state that a function needs, requested by `ann`.
async fn prepared(house: &House, path: &str) -> OperationId {
    if path == "/api/request_operation" {
        return world::operation_id();
    }
    let operation = house.requested().await;
    if matches!(path, "/api/resume_operation" | "/api/close_operation") {
        let plan_hash = house.desk.picture().operation(&operation).unwrap().plan_hash.clone();
        house.wishes("otto", Wish::Approve { operation, plan_hash, accept_loss: false, reason: "agreed".to_owned() }).await.unwrap();
        let killed = [Event::OperationStarted { id: operation }, Event::OperationInDoubt { id: operation, why: "killed".to_owned() }];
        house.desk.record(&Actor::Lifeboat, |_| killed.to_vec()).await.unwrap();
    }
    operation
}

async fn ask(browser: &mut Browser, house: &House, path: &str, operation: OperationId) -> Answer {
    let id = operation.to_string();
    let plan = house.desk.picture().plan(OperationKind::Switchover, &world::id("users"), Some(&world::id(WEST))).unwrap();
    let hash = plan.hash();
    let mut fields = vec![("id", id.as_str()), ("reason", "asked by the test of all roles")];
    if path == "/api/request_operation" {
        fields.extend([("kind", "switchover"), ("cluster", "users"), ("node", WEST), ("plan_hash", &hash), ("accept_loss", "true")]);
    }
    if path == "/api/approve_operation" {
        fields.push(("plan_hash", &hash));
    }
    browser.post(path, &form(&fields)).await
}

/// Gives the cluster free again, whatever came of the operation.
async fn put_away(house: &House, operation: OperationId) {
    let reason = "next case".to_owned();
    match house.desk.picture().operation(&operation).map(|operation| operation.state) {
        Some(State::Requested | State::Approved) => house.wishes("otto", Wish::Cancel { operation, reason }).await.unwrap(),
        Some(State::Running) => {
            let doubt = Event::OperationInDoubt { id: operation, why: "killed".to_owned() };
            house.desk.record(&Actor::Lifeboat, |_| vec![doubt.clone()]).await.unwrap();
            house.wishes("otto", Wish::Close { operation, reason }).await.unwrap();
        }
        Some(State::InDoubt) => house.wishes("otto", Wish::Close { operation, reason }).await.unwrap(),
        _ => {}
    }
}

#[tokio::test]
async fn only_the_roles_that_may_change_something_do() {
    let house = House::with_people().await;
    let mut browsers = Vec::new();
    for role in Role::ALL {
        browsers.push((role, house.signed_in(somebody(role)).await));
    }
    let mut changing = 0;
    for path in functions() {
        let Rule::With(permission) = function(path).0 else { continue };
        changing += 1;
        for (role, browser) in &mut browsers {
            let operation = prepared(&house, path).await;
            let before = house.desk.picture().operation(&operation).cloned();
            let answer = ask(browser, &house, path, operation).await;
            let after = house.desk.picture().operation(&operation).cloned();
            if permission.granted_to().contains(role) {
                assert_eq!(answer.status, StatusCode::OK, "{role} {path}: {}", answer.body);
                assert_eq!(answer.location(), format!("/operations/{operation}"), "{role} {path}");
                assert_ne!(after.map(|operation| operation.state), before.map(|operation| operation.state), "{role} {path}: it was done");
            } else {
                assert_eq!(answer.status, StatusCode::CONFLICT, "{role} {path}: {}", answer.body);
                assert!(answer.body.contains(&format!("may not {permission}")), "{role} {path}: {}", answer.body);
                assert_eq!(after, before, "{role} {path}: nothing was done");
                let last = house.last_events(1).await.remove(0);
                assert!(last.starts_with(somebody(*role)) && last.contains("refused"), "the refusal is in the journal: {last}");
            }
            put_away(&house, operation).await;
        }
    }
    assert_eq!(changing, 6, "functions that change something");
}

#[tokio::test]
async fn everything_else_that_changes_something_is_refused_to_those_who_may_not() {
    let house = House::with_people().await;
    house.has_a_backup().await;
    let mut refused = 0;
    for role in Role::ALL {
        let mut browser = house.signed_in(somebody(role)).await;
        for path in functions() {
            let (Rule::Only(permission), fields) = function(path) else { continue };
            let answer = browser.post(path, fields).await;
            let may_not = answer.body.contains(&format!("may not {permission}"));
            assert_eq!(may_not, !permission.granted_to().contains(&role), "{role} {path}: {}", answer.body);
            refused += usize::from(may_not);
        }
    }
    assert_eq!(refused, 14 * 4 + 9 * 3, "roles that may not, over the functions");
    assert!(house.desk.picture().records.operations.is_empty());
}

/// The right to rehearse is not the right to act (row 90): the same forms, and who may send them as a test.
#[tokio::test]
async fn a_tester_may_send_the_forms_of_tests_only() {
    let house = House::with_people().await;
    let forms = [("/api/request_traffic", "service=checkout-api&to=us-west-2"), ("/api/request_evacuation", "region=us-east-1")];
    for role in Role::ALL {
        let mut browser = house.signed_in(somebody(role)).await;
        for (path, about) in forms {
            for (mode, permission) in [("test", Permission::Rehearse), ("planned", Permission::RequestOperation)] {
                let fields = format!("id=01890a5d-ac96-774b-bcce-b302099a8057&{about}&mode={mode}&plan_hash=x&reason=because");
                let answer = browser.post(path, &fields).await;
                let may_not = answer.body.contains(&format!("may not {permission}"));
                assert_eq!(may_not, !permission.granted_to().contains(&role), "{role} {path} {mode}: {}", answer.body);
            }
        }
    }
    assert!(house.desk.picture().records.operations.is_empty());
}

/// The same form without JavaScript: the answer is a redirect back to the page, with the refusal.
#[tokio::test]
async fn a_refusal_without_javascript_leads_back_and_says_why() {
    let house = House::with_people().await;
    let operation = house.requested().await;
    let mut otto = house.signed_in("otto").await;
    let page = format!("http://house.test/operations/{operation}");
    let headers = [("origin", "http://house.test"), ("sec-fetch-site", "same-origin"), ("accept", "text/html"), ("referer", page.as_str())];
    let body = form(&[("id", &operation.to_string()), ("reason", "x")]);
    let answer = otto.send(Method::POST, "/api/cancel_operation", &headers, &body).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    let back = answer.location().strip_prefix("http://house.test").unwrap_or(answer.location()).to_owned();
    assert!(back.starts_with(&format!("/operations/{operation}?")), "{back}");
    let page = otto.get(&back).await;
    assert!(page.body.contains("a reason of at least 3 characters is kept in the journal"), "the page says why");
    assert_eq!(house.desk.picture().operation(&operation).unwrap().state, State::Requested);
}
