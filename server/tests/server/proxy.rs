//! Sign-in by an authenticating reverse proxy: what it takes to be believed, and what it takes to be let in.

use crate::{
    house::{Answer, Browser, House, Kind, PASSWORD, command_line, form},
    program::{PLAIN_ESTATE, Program},
    routes::{self, Rule},
    world::id,
};
use engine::{access::Role, journal::Command};
use http::{Method, StatusCode};
use server::config::ProxySignIn;

const USER: &str = "x-forwarded-user";
const PROOF: &str = "x-proxy-proof";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const AWAY: &str = "https://sso.example.org/out?a=1&b=2";

#[derive(Clone, Copy, PartialEq)]
enum Passwords {
    Too,
    Not,
}

fn settings(house: &House, passwords: Passwords) -> ProxySignIn {
    let file = house.folder.path().join("proxy-secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    ProxySignIn {
        user_header: USER.to_owned(),
        secret_header: Some(PROOF.to_owned()),
        secret_file: Some(file),
        trusted: Vec::new(),
        passwords: passwords == Passwords::Too,
        sign_out_url: AWAY.to_owned(),
    }
}

async fn house(passwords: Passwords) -> House {
    let house = House::with_people().await;
    let proxy = Some(settings(&house, passwords));
    house.becomes(Kind { proxy, ..Kind::default() }).await
}

/// A browser that comes by the proxy, which says that it is `name`.
fn by_proxy(house: &House, name: &str) -> Browser {
    let mut browser = house.browser();
    browser.headers = vec![(USER, name.to_owned()), (PROOF, SECRET.to_owned())];
    browser
}

fn is_stranger(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED || answer.location().starts_with("/login?next=")
}

#[tokio::test]
async fn every_request_is_from_whom_the_proxy_names() {
    let house = house(Passwords::Too).await;
    let before = house.journal_length().await;
    let mut browser = by_proxy(&house, "ann");
    for _ in 0..3 {
        let page = browser.get("/").await;
        assert!(page.status == StatusCode::OK && page.body.contains("Account of ann"), "{}", page.status);
        assert_eq!(browser.post("/api/strip", "").await.status, StatusCode::OK);
    }
    browser.headers[0].1 = "otto".to_owned();
    let page = browser.get("/").await;
    assert!(page.body.contains("Account of otto") && !page.body.contains("Account of ann"), "the account is switched at the proxy");
    assert!(browser.cookies.is_empty(), "nothing outlives what the proxy says: {:?}", browser.cookies);
    browser.headers.clear();
    assert!(is_stranger(&browser.get("/").await) && is_stranger(&browser.post("/api/strip", "").await));
    // Each person's coming is said once, and by which means.
    let said = house.last_events(10).await;
    assert_eq!(house.journal_length().await, before + 2, "{said:?}");
    assert_eq!(said[0], r#"otto {"event":"signed-in","name":"otto","by":"proxy"}"#);
    assert_eq!(said[1], r#"ann {"event":"signed-in","name":"ann","by":"proxy"}"#);
    assert!(by_proxy(&house, "ann").get("/journal").await.body.contains("ann signed in by the proxy"));
}

#[tokio::test]
async fn a_name_without_the_proof_is_worth_nothing_anywhere() {
    let house = house(Passwords::Too).await;
    let before = house.journal_length().await;
    let long = format!("{SECRET}0");
    let wrong: [&[&str]; 7] =
        [&[], &[""], &["wrong"], &[&SECRET[1..]], &[&long], &["Bearer 0123456789abcdef0123456789abcdef"], &["wrong", "wrong too"]];
    for proof in wrong {
        let mut spoofer = house.browser();
        spoofer.headers = vec![(USER, "root".to_owned())];
        spoofer.headers.extend(proof.iter().map(|proof| (PROOF, (*proof).to_owned())));
        for path in routes::pages() {
            let (rule, address) = routes::page(&path);
            let answer = spoofer.get(address).await;
            assert!(rule == Rule::Everyone || is_stranger(&answer), "{proof:?} {address}: {}", answer.status);
        }
        for path in routes::functions() {
            assert!(is_stranger(&spoofer.post(path, routes::function(path).1).await), "{proof:?} {path}");
        }
        assert!(is_stranger(&spoofer.get("/live").await) && is_stranger(&spoofer.get("/pack").await), "{proof:?}");
    }
    assert_eq!(house.journal_length().await, before);
    // Whoever is signed in otherwise is not kept out by it, and not made somebody else.
    let mut vera = house.signed_in("vera").await;
    vera.headers = vec![(USER, "root".to_owned())];
    assert!(vera.get("/").await.body.contains("Account of vera"));
}

#[tokio::test]
async fn only_addresses_that_are_trusted_speak_for_the_proxy_where_that_is_declared() {
    let trusted = || vec!["192.0.2.7/32".to_owned(), "2001:db8::/64".to_owned()];
    let house = House::with_people().await;
    let bare = ProxySignIn { secret_header: None, secret_file: None, trusted: trusted(), ..settings(&house, Passwords::Too) };
    let both = ProxySignIn { trusted: trusted(), ..settings(&house, Passwords::Too) };
    let house = house.becomes(Kind { proxy: Some(bare), ..Kind::default() }).await;
    let peers = [
        ("192.0.2.7:9", true),
        ("[::ffff:192.0.2.7]:9", true),
        ("[2001:db8::5]:9", true),
        ("192.0.2.8:9", false),
        ("127.0.0.1:9", false),
        ("[2001:db8:0:1::5]:9", false),
    ];
    for (peer, believed) in peers {
        let mut browser = house.browser();
        (browser.peer, browser.headers) = (peer.parse().unwrap(), vec![(USER, "ann".to_owned())]);
        // What a client says about its own address is nothing to go by.
        let headers = [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.7"), ("x-real-ip", "192.0.2.7")];
        let answer = browser.send(Method::GET, "/", &headers, "").await;
        assert_eq!((answer.status == StatusCode::OK, is_stranger(&answer)), (believed, !believed), "{peer}: {}", answer.status);
    }
    // With both, one alone is not enough.
    let house = house.becomes(Kind { proxy: Some(both), ..Kind::default() }).await;
    for (peer, proof, believed) in [("192.0.2.7:9", SECRET, true), ("192.0.2.7:9", "wrong", false), ("192.0.2.8:9", SECRET, false)] {
        let mut browser = by_proxy(&house, "ann");
        (browser.peer, browser.headers[1].1) = (peer.parse().unwrap(), proof.to_owned());
        assert_eq!(is_stranger(&browser.get("/").await), !believed, "{peer} {proof}");
    }
}

#[tokio::test]
async fn a_request_that_the_proxy_is_not_clear_about_is_refused() {
    let house = house(Passwords::Too).await;
    let session = house.signed_in("otto").await.cookies;
    let before = house.journal_length().await;
    let (ann, root, secret) = ((USER, "ann"), (USER, "root"), (PROOF, SECRET));
    let unclear: [&[(&'static str, &str)]; 13] = [
        &[ann, root, secret],
        &[root, ann, secret],
        &[ann, ann, secret],
        &[ann, secret, (PROOF, "wrong")],
        &[ann, (PROOF, "wrong"), secret],
        &[ann, secret, secret],
        &[(USER, "ann, root"), secret],
        &[(USER, ""), secret],
        &[(USER, "Ann"), secret],
        &[(USER, "ann@example.org"), secret],
        &[(USER, "änn"), secret],
        &[(USER, "lifeboat"), secret],
        &[(USER, "<script>alert(1)</script>"), secret],
    ];
    for headers in unclear {
        let mut browser = house.browser();
        browser.cookies.clone_from(&session);
        browser.headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        for path in ["/", "/login", "/live", "/pack", "/nothing"] {
            let answer = browser.get(path).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{headers:?} {path}");
            assert!(!answer.body.contains("<script>") && answer.header("content-security-policy").starts_with("default-src 'none'"), "{headers:?}");
        }
        for path in routes::functions().into_iter().chain(["/login", "/logout", "/setup"]) {
            assert_eq!(browser.post(path, "reason=because").await.status, StatusCode::BAD_REQUEST, "{headers:?} {path}");
        }
    }
    assert_eq!(house.journal_length().await, before, "nothing came of it");
    let said = by_proxy(&house, "ann@example.org").get("/").await.body;
    assert!(said.contains("“ann@example.org”") && said.contains(USER), "{said}");
}

#[tokio::test]
async fn whom_the_proxy_knows_and_lifeboat_does_not_is_told_what_an_admin_must_run() {
    let house = house(Passwords::Too).await;
    house.desk.act(&command_line(), Command::DisableAccount { name: id("tom") }).await.unwrap();
    let session = house.signed_in("otto").await.cookies;
    let before = house.journal_length().await;
    for (name, run) in [("mallory", "lifeboat user add mallory --role viewer"), ("tom", "lifeboat user reset tom")] {
        let mut browser = by_proxy(&house, name);
        // Somebody else's session does not help: whoever comes by the proxy is whom it names.
        browser.cookies.clone_from(&session);
        for path in ["/", "/journal", "/pack", "/nothing"] {
            let answer = browser.get(path).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name} {path}");
            assert!(answer.body.contains(&format!("<strong>{name}</strong>")) && answer.body.contains(run), "{}", answer.body);
            assert!(answer.body.contains("https://sso.example.org/out?a=1&amp;b=2") && !answer.body.contains("us-east-1"), "{}", answer.body);
        }
        for path in routes::functions() {
            let answer = browser.post(path, routes::function(path).1).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name} {path}");
        }
        assert_eq!(browser.get("/icons.svg").await.status, StatusCode::OK, "what is everybody's is not kept from them");
    }
    let said = house.last_events(10).await;
    assert_eq!(house.journal_length().await, before + 2, "each once: {said:?}");
    // Only a name that an account has is written down: the journal keeps what it holds from nobody.
    assert_eq!(said[0], r#"Lifeboat {"event":"sign-in-failed","name":"tom","by":"proxy"}"#);
    assert_eq!(said[1], r#"Lifeboat {"event":"sign-in-failed","name":null,"by":"proxy"}"#);
}

#[tokio::test]
async fn roles_are_lifeboats_own_and_hold_from_one_request_to_the_next() {
    let house = house(Passwords::Too).await;
    let pause = "what=pause&minutes=60&reason=because&back=/failover";
    let mut otto = by_proxy(&house, "otto");
    // What else the proxy says of them grants nothing.
    otto.headers.push(("x-forwarded-groups", "admin".to_owned()));
    let mut vera = by_proxy(&house, "vera");
    vera.headers.push(("x-forwarded-groups", "operator".to_owned()));
    assert!(vera.post("/api/restrain", pause).await.body.contains("vera may not"));
    assert_eq!(otto.post("/api/restrain", pause).await.status, StatusCode::OK);
    assert_eq!(house.desk.picture().records.restraints.len(), 1);
    house.desk.act(&command_line(), Command::SetRoles { name: id("otto"), roles: [Role::Viewer].into() }).await.unwrap();
    let answer = otto.post("/api/release", "what=pause&reason=because&back=/failover").await;
    assert!(answer.status == StatusCode::CONFLICT && answer.body.contains("otto may not"), "{}", answer.body);
    assert_eq!(house.desk.picture().records.restraints.len(), 1, "it is in force as before");
    assert_eq!(otto.get("/").await.status, StatusCode::OK, "looking is left to them");
    house.desk.act(&command_line(), Command::DisableAccount { name: id("otto") }).await.unwrap();
    assert_eq!(otto.get("/").await.status, StatusCode::FORBIDDEN);
}

/// The proxy's own cookie may be sent along by any site, and Lifeboat does not set its attributes.
#[tokio::test]
async fn a_form_on_another_site_does_nothing_by_the_proxy_either() {
    let house = house(Passwords::Too).await;
    let mut otto = by_proxy(&house, "otto");
    assert_eq!(otto.get("/").await.status, StatusCode::OK);
    let before = house.journal_length().await;
    let strange: [&[(&str, &str)]; 6] = [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://other.house.test")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        // An old browser, or none: it says nothing about where it comes from.
        &[],
        &[("referer", "http://house.test/")],
    ];
    for path in routes::functions().into_iter().chain(["/login", "/logout", "/setup"]) {
        for headers in strange {
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                let answer = otto.send(method.clone(), path, headers, routes_form(path)).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {headers:?}");
            }
        }
    }
    assert_eq!(house.journal_length().await, before);
    let answer = otto.send(Method::POST, "/api/restrain", &[("origin", "http://house.test")], routes_form("/api/restrain")).await;
    assert!(answer.status.is_success() || answer.status.is_redirection(), "from here it works: {}", answer.body);
    assert_eq!(house.desk.picture().records.restraints.len(), 1);
    let policy = otto.get("/").await.header("content-security-policy").to_owned();
    assert!(policy.contains("form-action 'self'") && !policy.contains("sso.example.org"), "no place of the proxy's is let in: {policy}");
}

fn routes_form(path: &str) -> &'static str {
    if path.starts_with("/api/") { routes::function(path).1 } else { "name=otto&password=x&token=x" }
}

#[tokio::test]
async fn signing_out_leads_on_to_the_proxy() {
    let house = house(Passwords::Too).await;
    let mut ann = house.signed_in("otto").await;
    ann.headers = by_proxy(&house, "ann").headers;
    assert!(ann.get("/").await.body.contains("Account of ann"), "the proxy's word is above a session");
    let answer = ann.post("/logout", "").await;
    // A redirect would be forbidden by the page's own policy, which lets forms end nowhere else.
    assert_eq!((answer.status, answer.header("refresh")), (StatusCode::OK, "0; url=https://sso.example.org/out?a=1&b=2"));
    assert!(answer.body.contains("<a href=\"https://sso.example.org/out?a=1&amp;b=2\">"), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(house.last_events(1).await[0], r#"ann {"event":"signed-out","name":"ann"}"#);
    assert_eq!(ann.get("/").await.status, StatusCode::OK, "the proxy did not let anybody out yet");
    assert!(house.last_events(1).await[0].contains(r#""signed-in","name":"ann""#), "and that is said");
    ann.headers.clear();
    assert!(is_stranger(&ann.get("/").await), "the session that was there is over too");
    // Whom Lifeboat does not know may leave as well.
    let before = house.journal_length().await;
    assert_eq!(by_proxy(&house, "mallory").post("/logout", "").await.header("refresh"), "0; url=https://sso.example.org/out?a=1&b=2");
    let said = house.last_events(1).await.remove(0);
    assert!(house.journal_length().await == before + 1 && said.contains("sign-in-failed"), "{said}");
    // By password it leads to the sign-in page, as ever.
    assert_eq!(house.signed_in("otto").await.post("/logout", "").await.location(), "/login");
}

#[tokio::test]
async fn without_passwords_nobody_signs_in_but_by_the_proxy() {
    let house = house(Passwords::Too).await;
    let cookies = house.signed_in("ann").await.cookies;
    let proxy = Some(settings(&house, Passwords::Not));
    let house = house.becomes(Kind { proxy, ..Kind::default() }).await;
    let before = house.journal_length().await;
    let mut browser = house.browser();
    browser.cookies.clone_from(&cookies);
    for path in ["/", "/login", "/setup?token=x", "/journal", "/live", "/pack"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}: an old session is worth nothing");
        assert!(answer.body.contains("proxy") && !answer.body.contains("type=\"password\""), "{path}: {}", answer.body);
    }
    for path in routes::functions() {
        assert_eq!(browser.post(path, routes::function(path).1).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for mut at_the_door in [house.browser(), by_proxy(&house, "ann")] {
        let fields = form(&[("name", "ann"), ("password", PASSWORD)]);
        assert_eq!(at_the_door.post("/login", &fields).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(at_the_door.post("/setup", "token=x&name=mallory&password=long+enough+to+count").await.status, StatusCode::UNAUTHORIZED);
        assert!(at_the_door.cookies.is_empty());
    }
    assert_eq!(house.journal_length().await, before, "nothing was tried");
    let mut ann = by_proxy(&house, "ann");
    assert!(ann.get("/").await.body.contains("Account of ann"));
    // The command line works as ever, and its word counts at once.
    house.desk.act(&command_line(), Command::DisableAccount { name: id("ann") }).await.unwrap();
    assert_eq!(ann.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_guesses_passwords_by_the_proxy_is_asked_to_wait_as_well() {
    let house = house(Passwords::Too).await;
    let guess = form(&[("name", "root"), ("password", &"x".repeat(300))]);
    let mut guesser = by_proxy(&house, "vera");
    let mut slow = 0;
    for _ in 0..40 {
        slow += usize::from(guesser.post("/login", &guess).await.location() == "/login?error=slow");
    }
    assert!(slow >= 10, "{slow} of 40");
}

#[test]
fn a_proxy_that_nothing_proves_is_refused_at_the_start() {
    let program = Program::new("", PLAIN_ESTATE);
    program.write("secret", &format!("{SECRET}\n"));
    program.write("short", "0123456789abcdef0123456789abcde\n");
    let proof = "secret_header = \"x-proof\"\nsecret_file = \"secret\"\n";
    let out = "sign_out_url = \"/oauth2/sign_out\"\n";
    let cases: [(String, &[&str]); 14] = [
        (out.to_owned(), &["nothing proves that the proxy set the header `x-user`", "`secret_header`", "`trusted`"]),
        (format!("secret_header = \"x-proof\"\n{out}"), &["`secret_file`", "missing"]),
        (format!("secret_file = \"secret\"\n{out}"), &["`secret_header`", "missing"]),
        (format!("secret_header = \"x-user\"\nsecret_file = \"secret\"\n{out}"), &["are the same"]),
        (format!("secret_header = \"Origin\"\nsecret_file = \"secret\"\n{out}"), &["another meaning"]),
        (format!("secret_header = \"a b\"\nsecret_file = \"secret\"\n{out}"), &["no name of a header"]),
        (format!("secret_header = \"x-proof\"\nsecret_file = \"short\"\n{out}"), &["31 characters; at least 32"]),
        (format!("secret_header = \"x-proof\"\nsecret_file = \"nowhere\"\n{out}"), &["cannot be read"]),
        (format!("trusted = [\"0.0.0.0/0\"]\n{out}"), &["every address there is"]),
        (format!("trusted = [\"10.0.0.0/8\", \"::/0\"]\n{out}"), &["every address there is"]),
        (format!("trusted = [\"127.0.0.1\"]\n{out}"), &["“127.0.0.1” is no network", "127.0.0.1/32"]),
        (proof.to_owned(), &["missing field `sign_out_url`"]),
        (format!("{proof}sign_out_url = \"//evil.example\"\n"), &["`sign_out_url` is no address"]),
        (format!("{proof}sign_out_url = \"javascript:alert(1)\"\n"), &["`sign_out_url` is no address"]),
    ];
    for (text, parts) in cases {
        program.write("lifeboat.toml", &format!("listen = \"127.0.0.1:0\"\nsite = \"site\"\n[proxy_sign_in]\nuser_header = \"x-user\"\n{text}"));
        program.run(&["serve"]).refused(parts);
    }
    program.write("lifeboat.toml", &format!("listen = \"127.0.0.1:0\"\nsite = \"site\"\n[proxy_sign_in]\nuser_header = \"x-user\"\n{proof}{out}"));
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    program.serve("info").stop();
}

/// The real program, with the address of the real peer.
#[tokio::test]
async fn a_running_server_believes_the_proxy_and_nobody_else() {
    let config = format!("[proxy_sign_in]\nuser_header = \"{USER}\"\ntrusted = [\"127.0.0.1/32\"]\npasswords = false\nsign_out_url = \"/out\"\n");
    let program = Program::new(&config, PLAIN_ESTATE);
    let server = program.serve("info");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let get = async |name: Option<&str>| {
        let request = client.get(format!("{}/journal", server.address));
        let request = name.into_iter().fold(request, |request, name| request.header(USER, name));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get(None).await.0, 401);
    let (status, said) = get(Some("root")).await;
    assert!(status == 403 && said.contains("lifeboat user add root"), "{status} {said}");
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    crate::program::until("the server has read it", async || get(Some("root")).await.0 == 200).await;
    assert!(get(Some("root")).await.1.contains("root signed in by the proxy"));
    let said = server.stop();
    assert!(said.contains("lifeboat user add NAME --role admin") && !said.contains("/setup?token="), "no link that nobody could use: {said}");
}
