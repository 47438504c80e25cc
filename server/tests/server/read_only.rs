//! A server that observes and shows: nobody changes anything at it, whatever they are, and it starts nothing by itself.

use crate::{
    house::{Browser, House, Kind, command_line, desk_on, form, somebody, viewer},
    notifications::{CHAT, noticed, primary_fails, telling},
    program::{PLAIN_ESTATE, Program, until},
    receivers::{Behaviour, WebService},
    routes::{self, Rule},
    world::{self, WEST},
};
use app::{
    fault::Fault,
    port::{Port, Wish},
};
use engine::{
    access::Role,
    failover::{OperationKind, State},
    id::OperationId,
    journal::{Command, Event, Records},
    restraints::Restraint,
};
use http::StatusCode;

const SAYS: &str = "this server is read-only";

/// Everyone has an account, `ann` has asked for a switchover, `tom` runs a DR test, automation of everything is paused; from then on it is read-only.
async fn house() -> (House, OperationId) {
    let house = House::with_people().await;
    server::runbooks::adopt(&house.desk).await.unwrap();
    // A request that waits for approval would keep a test from starting.
    house.starts_a_test("tom").await;
    house.has_a_backup().await;
    let operation = house.requested().await;
    let reason = "a freeze".to_owned();
    house.wishes("otto", Wish::Restrain { what: Restraint::Pause(None), until: None, reason }).await.unwrap();
    (house.becomes(Kind { read_only: true, ..Kind::default() }).await, operation)
}

/// What follows from the journal, but how long it is.
fn records(house: &House) -> Records {
    Records { seq: 0, ..(*house.desk.picture().records).clone() }
}

fn filled(path: &str, house: &House, operation: OperationId) -> String {
    let (rule, fields) = routes::function(path);
    let Rule::With(_) = rule else { return fields.to_owned() };
    let plan = house.desk.picture().plan(OperationKind::Switchover, &world::id("users"), Some(&world::id(WEST))).unwrap();
    let (id, hash) = (operation.to_string(), plan.hash());
    let named = [("kind", "switchover"), ("cluster", "users"), ("node", WEST), ("accept_loss", "true")];
    form(&[&[("id", id.as_str()), ("reason", "because"), ("plan_hash", &hash)][..], &named].concat())
}

#[tokio::test]
async fn no_role_changes_anything_through_any_function() {
    let (house, operation) = house().await;
    let before = records(&house);
    let mut refused = 0;
    for role in Role::ALL {
        let mut browser = house.signed_in(somebody(role)).await;
        for path in routes::functions() {
            let rule = routes::function(path).0;
            let length = house.journal_length().await;
            let answer = browser.post(path, &filled(path, &house, operation)).await;
            if rule == Rule::SignedIn {
                let expected = if matches!(path, "/api/operation" | "/api/run") { StatusCode::NOT_FOUND } else { StatusCode::OK };
                assert_eq!((answer.status, house.journal_length().await), (expected, length), "{role} {path}: looking is left to them");
                continue;
            }
            refused += 1;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{role} {path}: {}", answer.body);
            assert!(answer.body.contains(SAYS), "{role} {path}: {}", answer.body);
            assert_eq!(records(&house), before, "{role} {path}");
            let last = house.last_events(1).await.remove(0);
            assert!(last.starts_with(somebody(role)) && last.contains(r#""event":"refused""#) && last.contains(SAYS), "{last}");
            assert_eq!(house.journal_length().await, length + 1, "{role} {path}: the refusal is all that is recorded");
        }
    }
    assert_eq!(refused, Role::ALL.len() * (6 + 23), "functions that change something");
    // The roles are as they were, and say so: nobody was signed out.
    assert_eq!(house.desk.picture().operation(&operation).unwrap().state, State::Requested);
}

#[tokio::test]
async fn the_desk_refuses_before_it_asks_who_it_is() {
    let (house, operation) = house().await;
    let before = records(&house);
    let reason = || "because".to_owned();
    for name in ["otto", "amy", "root", "vera"] {
        let wishes = [
            house.wish(world::operation_id(), OperationKind::Switchover, WEST),
            Wish::Approve { operation, plan_hash: "x".to_owned(), accept_loss: true, reason: reason() },
            Wish::Decline { operation, reason: reason() },
            Wish::Cancel { operation, reason: reason() },
            Wish::Release { what: Restraint::Pause(None), reason: reason() },
            Wish::Restrain { what: Restraint::MasterSwitch, until: None, reason: reason() },
        ];
        for wish in wishes {
            let said = house.wishes(name, wish.clone()).await.unwrap_err();
            assert!(matches!(&said, Fault::Refused(why) if why.contains(SAYS)), "{name} {wish:?}: {said:?}");
        }
        let said = Port::test_channel(&*house.desk, &viewer(name), world::id("ops")).await.unwrap_err();
        assert!(matches!(&said, Fault::Refused(why) if why.contains(SAYS)), "{name}: {said:?}");
    }
    // Nor does anything in this process get by as the command line.
    for command in [Command::DisableAccount { name: world::id("vera") }, Command::AddAccount { name: world::id("eve"), roles: [Role::Admin].into() }]
    {
        assert!(house.desk.act(&command_line(), command).await.unwrap_err().to_string().contains(SAYS));
    }
    assert_eq!(records(&house), before);
}

#[tokio::test]
async fn the_first_account_is_not_made_by_a_link() {
    let house = House::empty().await.becomes(Kind { read_only: true, ..Kind::default() }).await;
    let token = house.setup.value().expect("the house makes one, unlike the server");
    let fields = form(&[("token", &token), ("name", "root"), ("password", "long enough to count")]);
    assert!(house.browser().post("/setup", &fields).await.location().ends_with("error=failed"));
    assert!(house.desk.picture().records.accounts.is_empty());
}

/// Where the forms of a page are sent that may change something; a filter of what is shown comes by GET.
fn forms(page: &str) -> Vec<&str> {
    let tags = page.split("<form").skip(1).map(|form| form.split('>').next().unwrap());
    let posts = tags.filter(|tag| tag.contains("method=\"post\""));
    posts.map(|tag| tag.split("action=\"").nth(1).expect("an address").split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn every_page_says_so_and_offers_no_form() {
    let (house, operation) = house().await;
    let own = |address: String| if address.starts_with("/operations/") { format!("/operations/{operation}") } else { address };
    for role in Role::ALL {
        let mut browser = house.signed_in(somebody(role)).await;
        let mut looked = 0;
        for path in routes::pages() {
            let (rule, address) = routes::page(&path);
            if rule == Rule::Everyone {
                continue;
            }
            let address = own(address.to_owned());
            let page = browser.get(&address).await;
            // There is no such run.
            let expected = if address.starts_with("/runbooks/runs/") { StatusCode::NOT_FOUND } else { StatusCode::OK };
            assert_eq!(page.status, expected, "{role} {address}");
            let strip = page.body.split("<header class=\"strip\"").nth(1).unwrap().split("</header>").next().unwrap();
            assert!(strip.contains("READ-ONLY: nobody acts here"), "{role} {address}: {strip}");
            let of_ones_own = ["/api/choose_appearance", "/logout"];
            let sends: Vec<_> = forms(&page.body).into_iter().filter(|action| !of_ones_own.contains(action)).collect();
            assert!(sends.is_empty(), "{role} {address} offers {sends:?}");
            looked += 1;
        }
        assert!(looked > 10, "{looked} pages");
    }
    // The same house, where people may act, has these forms: the test above would find them.
    let house = house.becomes(Kind::default()).await;
    let mut otto = house.signed_in("otto").await;
    let page = otto.get(&format!("/operations/{operation}")).await.body;
    assert!(forms(&page).contains(&"/api/approve_operation") && !page.contains("READ-ONLY"), "{:?}", forms(&page));
    assert!(forms(&otto.get("/failover").await.body).contains(&"/api/restrain"));
}

#[tokio::test]
async fn what_fails_is_observed_and_told_and_nothing_is_asked_for() {
    let house = House::with_people().await.becomes(Kind { read_only: true, ..Kind::default() }).await;
    let chat = WebService::start(Behaviour::Accept).await;
    telling(&house, CHAT, &[("chat-url", &chat.url("/services/T0/secret"))]).await;
    primary_fails(&house).await;
    until("people hear of it", async || !chat.heard().is_empty()).await;
    let heard = chat.heard();
    let text = heard[0].text();
    assert!(text.starts_with("*[LOST] users fails"), "{text}");
    let events = house.last_events(20).await;
    let decided = events.iter().find(|event| event.contains(r#""event":"decided""#)).expect("the ledger has it");
    assert!(decided.contains(r#""verdict":"hold""#) && decided.contains(r#""hold":"read-only""#), "{decided}");
    assert!(!events.iter().any(|event| event.contains("operation-requested")), "{events:?}");
    assert!(house.desk.picture().records.operations.is_empty());
    for address in ["/failover/decisions", "/"] {
        let page = house.signed_in("vera").await.get(address).await.body;
        // The strip says it on every page; here the failure itself does.
        assert!(page.split_once("</header>").unwrap().1.contains(SAYS), "{address}");
    }
    // Nobody hides behind it for good: once it may act again, it asks.
    let house = house.becomes(Kind::default()).await;
    primary_fails(&house).await;
    assert_eq!(house.desk.picture().records.operations.len(), 1);
}

#[tokio::test]
async fn what_was_under_way_stands_and_says_so() {
    let house = House::with_people().await;
    let operation = house.requested().await;
    let plan_hash = house.desk.picture().operation(&operation).unwrap().plan_hash.clone();
    house.wishes("otto", Wish::Approve { operation, plan_hash, accept_loss: false, reason: "agreed".to_owned() }).await.unwrap();
    let began = [Event::OperationStarted { id: operation }, Event::StepStarted { id: operation, step: 0 }];
    house.desk.record(&engine::journal::Actor::Lifeboat, |_| began.to_vec()).await.unwrap();
    let running = house.signed_in("vera").await.get(&format!("/operations/{operation}")).await.body;
    assert!(running.contains("It goes on by itself") && !running.contains("STANDS STILL"));

    let house = house.becomes(Kind { read_only: true, ..Kind::default() }).await;
    let mut vera = house.signed_in("vera").await;
    let page = vera.get(&format!("/operations/{operation}")).await.body;
    assert!(page.contains("running, STANDS STILL") && page.contains("nobody carries it out") && !page.contains("It goes on by itself"));
    assert!(page.contains("started, and never seen to end: it may have taken effect"), "what the step did is not known");
    for address in ["/", "/operations", "/failover", "/databases/users"] {
        let page = vera.get(address).await.body;
        assert!(page.contains("STANDS STILL") || page.contains("does NOT go on"), "{address}");
        assert!(!page.contains("signal running"), "{address}: the strip calls nothing running");
    }
    noticed(&house).await;
    assert_eq!(house.desk.picture().operation(&operation).unwrap().state, State::Running, "as it was left");
}

/// The real program: it says so, keeps what it observes, lets nobody act, and leaves the command line alone.
#[tokio::test]
async fn a_running_server_is_read_only_and_the_command_line_beside_it_is_not() {
    let program = Program::new("read_only = true\n", PLAIN_ESTATE);
    let server = program.serve("info");
    program.tell(&["user", "add", "root", "--role", "admin", "--role", "operator", "--password-stdin"], "a password of her own").fine();
    program.run(&["user", "add", "vera", "--role", "viewer"]).fine();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let post = async |path: &str, cookie: &str, body: String| {
        let request = client.post(format!("{}{path}", server.address)).header("content-type", "application/x-www-form-urlencoded");
        request.header("cookie", cookie).header("accept", "application/json").body(body).send().await.unwrap()
    };
    let answer = post("/login", "", form(&[("name", "root"), ("password", "a password of her own")])).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let answer = post("/api/restrain", &cookie, routes::function("/api/restrain").1.to_owned()).await;
    assert_eq!(answer.status().as_u16(), 409);
    assert!(answer.text().await.unwrap().contains(SAYS));
    let page = client.get(format!("{}/", server.address)).header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("READ-ONLY: nobody acts here"));
    program.run(&["user", "disable", "vera"]).fine();
    assert!(program.run(&["journal", "verify"]).fine().starts_with("the journal is whole"));
    assert!(program.run(&["user", "list"]).fine().contains("vera\tdisabled"));
    let said = server.stop();
    assert!(said.contains("READ-ONLY: ") && !said.contains("/setup?token="), "{said}");
}

/// A desk of the command line on the same store may act: it is the server that is read-only, not what it keeps.
#[tokio::test]
async fn what_the_command_line_does_is_seen_by_it() {
    let (house, _) = house().await;
    let mut otto: Browser = house.signed_in("otto").await;
    let shell = desk_on(&house.data()).await;
    shell.act(&command_line(), Command::DisableAccount { name: world::id("otto") }).await.unwrap();
    house.desk.read_on().await.unwrap();
    assert_eq!(otto.get("/").await.status, StatusCode::SEE_OTHER);
}
