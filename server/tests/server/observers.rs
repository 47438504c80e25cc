//! Observers and heartbeats, with the real program on both sides: rows 31 and 33, traps F23 and F24.

use crate::{
    house::House,
    program::{Program, Running, until},
    routes::{self, Rule},
};
use chrono::{TimeDelta, Utc};
use http::Method;
use serde_json::{Value, json};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const OTHER_TOKEN: &str = "fedcba9876543210fedcba9876543210";

/// A service that answers well, or with 503 once it was told to fail.
pub struct Web {
    pub address: SocketAddr,
    pub fails: Arc<AtomicBool>,
}

impl Web {
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, fails) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let told = fails.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let status = if told.load(Ordering::SeqCst) { "503 Service Unavailable" } else { "200 OK" };
                tokio::spawn(async move {
                    let mut asked = [0; 4096];
                    if client.read(&mut asked).await.is_ok_and(|read| read > 0) {
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        client.write_all(answer.as_bytes()).await.ok();
                    }
                });
            }
        });
        Self { address, fails }
    }
}

/// A child that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Two regions with a service in each and an observer in the west; probes every 200 ms.
fn estate(east: SocketAddr, west: SocketAddr) -> String {
    format!(
        r#"
        name = "watched"
        [detection]
        interval = "200ms"
        timeout = "200ms"
        failures = 3
        samples = 3
        recoveries = 2
        [[region]]
        id = "east"
        name = "East"
        [[region]]
        id = "west"
        name = "West"
        [[observer]]
        id = "in-west"
        region = "west"
        [[service]]
        id = "web"
        tier = 1
        rto = "15m"
        rpo = "5m"
        mtpd = "4h"
        data_class = "standard"
        endpoint = [{{ region = "east", target = "http://{east}/" }}, {{ region = "west", target = "http://{west}/" }}]
        [[service]]
        id = "batch"
        tier = 3
        rto = "4h"
        rpo = "1h"
        mtpd = "1d"
        data_class = "standard"
        [[service.endpoint]]
        region = "east"
        target = "heartbeat"
        "#
    )
}

fn program(east: SocketAddr, west: SocketAddr) -> Program {
    let tokens = "[observer.in-west]\ntoken_file = \"west.token\"\n[heartbeat.batch]\ntoken_file = \"batch.token\"\n";
    let program = Program::new(tokens, &estate(east, west));
    program.write("west.token", TOKEN);
    program.write("batch.token", OTHER_TOKEN);
    program
}

/// The events of that kind, oldest first.
pub fn events(program: &Program, kind: &str) -> Vec<Value> {
    let shown = program.run(&["journal", "show", "--json", "--limit", "2000"]).fine();
    let entries: Vec<Value> = serde_json::from_str(&shown).unwrap();
    entries.into_iter().map(|entry| entry["event"].clone()).filter(|event| event["event"] == kind).collect()
}

/// The last verdict on a service in a region that the journal has, with its reason.
fn verdict(program: &Program, service: &str, region: &str) -> Option<(String, String)> {
    let of = json!({ "kind": "endpoint", "service": service, "region": region });
    let last = events(program, "health-changed").into_iter().rfind(|event| event["of"] == of)?;
    Some((last["to"].as_str().unwrap().to_owned(), last["why"].as_str().unwrap().to_owned()))
}

fn agent(program: &Program, arguments: &[&str]) -> Ends {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    let log = std::fs::File::create(program.path("agent.log")).unwrap();
    command.args(["agent", "--region", "west", "--token-file", "west.token"]).args(arguments).current_dir(program.folder.path());
    Ends(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

/// TLS in front of the server: a real HAProxy with a certificate made for this test.
async fn tls(program: &Program, server: &Running) -> (Ends, u16) {
    let folder = program.folder.path();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=lifeboat"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "ca.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl is missing: install the package openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let both = std::fs::read_to_string(program.path("ca.pem")).unwrap() + &std::fs::read_to_string(program.path("key.pem")).unwrap();
    program.write("both.pem", &both);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let upstream = server.address.trim_start_matches("http://");
    program.write(
        "haproxy.cfg",
        &format!(
            "defaults\n    mode http\n    timeout connect 1s\n    timeout client 10s\n    timeout server 10s\n\
             frontend tls\n    bind 127.0.0.1:{port} ssl crt {}\n    default_backend lifeboat\n\
             backend lifeboat\n    server here {upstream}\n",
            program.path("both.pem").display()
        ),
    );
    let haproxy = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy"].into_iter().find(|path| Path::new(path).is_file());
    let mut command = Command::new(haproxy.expect("HAProxy is missing: install the package haproxy"));
    let child =
        command.args(["-db", "-f", "haproxy.cfg"]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = Ends(child.unwrap());
    until("HAProxy listens", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
    (child, port)
}

#[tokio::test]
async fn row_31_an_agent_reports_over_https_and_two_places_make_a_verdict() {
    let (east, west) = (Web::open().await, Web::open().await);
    let program = program(east.address, west.address);
    let server = program.serve("warn");
    let (_haproxy, port) = tls(&program, &server).await;

    // Alone, the server is one place of the two that must agree.
    east.fails.store(true, Ordering::SeqCst);
    until("one place makes no verdict", async || verdict(&program, "web", "east").is_some_and(|(to, _)| to == "unknown")).await;
    let (_, why) = verdict(&program, "web", "east").unwrap();
    assert!(why.contains("observers in 2 places must agree") && why.contains("in-west"), "{why}");

    let report_to = format!("https://127.0.0.1:{port}");
    let agent = agent(&program, &["--report-to", &report_to, "--ca-file", "ca.pem"]);
    until("both agree", async || verdict(&program, "web", "east").is_some_and(|(to, _)| to == "down")).await;
    let (_, why) = verdict(&program, "web", "east").unwrap();
    assert!(why.contains("server") && why.contains("in-west"), "{why}");
    east.fails.store(false, Ordering::SeqCst);
    until("it is well again", async || verdict(&program, "web", "east").is_some_and(|(to, _)| to == "ok")).await;

    drop(agent);
    until("its silence is said", async || events(&program, "observer-changed").iter().any(|event| event["to"] == "silent")).await;
    server.stop();
}

#[tokio::test]
async fn an_agent_without_the_certificate_sends_its_token_to_nobody() {
    let (east, west) = (Web::open().await, Web::open().await);
    let program = program(east.address, west.address);
    let server = program.serve("warn");
    let (_haproxy, port) = tls(&program, &server).await;
    let _agent = agent(&program, &["--report-to", &format!("https://127.0.0.1:{port}")]);
    until("the agent says why", async || std::fs::read_to_string(program.path("agent.log")).is_ok_and(|log| log.contains("cannot be reached"))).await;
    let said = program.run(&["agent", "--region", "west", "--report-to", "http://10.0.0.1", "--token-file", "west.token"]);
    said.refused(&["readably", "use https"]);
    server.stop();
}

#[tokio::test]
async fn f23_f24_what_an_observer_may_not_say_is_refused_and_the_rest_is_taken() {
    let (east, west) = (Web::open().await, Web::open().await);
    let program = program(east.address, west.address);
    let server = program.serve("warn");
    let client = reqwest::Client::new();
    let list: Value = client.get(format!("{}/api/v1/targets", server.address)).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!(list["targets"].as_array().unwrap().len(), 2, "heartbeats are not probed: {list}");
    let version = list["version"].as_str().unwrap();
    let sample = |service: &str, back: i64| {
        let at = Utc::now() - TimeDelta::seconds(back);
        json!({ "service": service, "region": "east", "at": at, "took": "1ms", "outcome": "Good" })
    };
    let report = |skew: i64, samples: Vec<Value>| json!({ "sent_at": Utc::now() + TimeDelta::seconds(skew), "from": "west", "version": version, "samples": samples });
    let send = async |token: &str, body: Value| {
        let answer = client.post(format!("{}/api/v1/reports", server.address)).bearer_auth(token).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, heard) = send(TOKEN, report(0, vec![sample("web", 1), sample("nothing", 1), sample("web", -60), sample("web", 300)])).await;
    assert_eq!((status, &heard["accepted"], &heard["refused"]), (200, &json!(1), &json!(3)), "{heard}");
    assert!(heard["why"].as_str().unwrap().contains("nothing in east is no target"), "{heard}");
    for (skew, way) in [(60, "ahead of"), (-60, "behind")] {
        let (status, said) = send(TOKEN, report(skew, vec![sample("web", 0)])).await;
        assert!(status == 400 && said["error"].as_str().unwrap().contains(way), "{status} {said}");
    }
    let (status, said) = send(TOKEN, report(0, vec![sample("web", 1); 5_001])).await;
    assert!(status == 400 && said["error"].as_str().unwrap().contains("5000 samples"), "{status} {said}");
    assert_eq!(send(TOKEN, json!({ "sent_at": "yesterday" })).await.0, 400);
    let elsewhere = json!({ "sent_at": Utc::now(), "from": "east", "version": version, "samples": [sample("web", 1)] });
    let (status, said) = send(TOKEN, elsewhere).await;
    assert!(status == 400 && said["error"].as_str().unwrap().contains("runs in east and is declared in west"), "{status} {said}");
    for stranger in ["", "wrong", OTHER_TOKEN] {
        assert_eq!(send(stranger, report(0, vec![sample("web", 1)])).await.0, 401, "{stranger}");
        let asked = client.get(format!("{}/api/v1/targets", server.address)).bearer_auth(stranger).send().await.unwrap();
        assert_eq!(asked.status().as_u16(), 401);
    }
    server.stop();
}

/// Row 90: a token is good for what it was made for, and opens nothing else: no page, no function, nobody else's word.
#[tokio::test]
async fn row_90_the_tokens_of_machines_open_nothing_else() {
    let (east, west) = (Web::open().await, Web::open().await);
    let program = program(east.address, west.address);
    let server = program.serve("warn");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let asked = async |method: Method, path: &str, token: &str, body: &str| {
        let request = client.request(method, format!("{}{path}", server.address)).bearer_auth(token);
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("accept", "application/json");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().get("set-cookie").is_some())
    };
    for token in [TOKEN, OTHER_TOKEN] {
        for path in routes::pages() {
            let (rule, address) = routes::page(&path);
            let expected = if rule == Rule::Everyone { 200 } else { 303 };
            assert_eq!(asked(Method::GET, address, token, "").await, (expected, false), "{address}");
        }
        // The registry of functions is filled once a router was built in this process.
        drop(House::empty().await);
        let functions = routes::functions();
        assert!(functions.len() >= 18);
        for path in functions {
            assert_eq!(asked(Method::POST, path, token, routes::function(path).1).await, (401, false), "{path}");
        }
        assert_eq!(asked(Method::GET, "/live", token, "").await, (401, false));
        assert_eq!(asked(Method::GET, "/pack", token, "").await, (303, false));
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            assert_eq!(asked(method, "/api/v1/reports", token, "").await, (405, false));
        }
    }
    // Nor is one good for what the other may say.
    assert_eq!(asked(Method::POST, "/api/v1/heartbeats/batch/east", TOKEN, "").await.0, 401);
    assert_eq!(asked(Method::GET, "/api/v1/targets", OTHER_TOKEN, "").await.0, 401);
    assert_eq!(asked(Method::POST, "/api/v1/reports", OTHER_TOKEN, "{}").await.0, 401);
    assert_eq!(asked(Method::GET, "/api/v1/targets", TOKEN, "").await.0, 200, "its own it opens");
    for kind in ["signed-in", "sign-in-failed", "refused", "restrained", "operation-requested"] {
        assert!(events(&program, kind).is_empty(), "{kind}");
    }
    server.stop();
}

#[tokio::test]
async fn a_heartbeat_that_stays_away_is_a_failure_and_one_that_comes_ends_it() {
    let (east, west) = (Web::open().await, Web::open().await);
    let program = program(east.address, west.address);
    let server = program.serve("warn");
    let client = reqwest::Client::new();
    let beat = async |path: &str, token: &str, body: &str| {
        let request = client.post(format!("{}/api/v1/heartbeats/{path}", server.address)).bearer_auth(token);
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    };
    until("none came", async || verdict(&program, "batch", "east").is_some_and(|(to, why)| to == "down" && why.contains("no heartbeat since"))).await;
    until("it is well", async || {
        assert_eq!(beat("batch/east", OTHER_TOKEN, "").await, 204);
        verdict(&program, "batch", "east").is_some_and(|(to, _)| to == "ok")
    })
    .await;
    until("it says itself that it is not", async || {
        assert_eq!(beat("batch/east", OTHER_TOKEN, r#"{"state": "failed", "why": "the disk is full"}"#).await, 204);
        verdict(&program, "batch", "east").is_some_and(|(to, why)| to == "down" && why.contains("the disk is full"))
    })
    .await;
    assert_eq!(beat("batch/east", TOKEN, "").await, 401, "an observer's token is none of a service");
    assert_eq!(beat("web/east", OTHER_TOKEN, "").await, 401);
    assert_eq!(beat("batch/west", OTHER_TOKEN, "").await, 404);
    assert_eq!(beat("batch/east", OTHER_TOKEN, "{]").await, 400);
    server.stop();
}

#[test]
fn tokens_and_declarations_must_agree() {
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let without = Program::new("", &estate(nowhere, nowhere));
    without.run(&["serve"]).refused(&["[observer.in-west]", "token_file"]);
    let estate = estate(nowhere, nowhere).replace("in-west", "server");
    let tokens = "[observer.server]\ntoken_file = \"t\"\n[heartbeat.batch]\ntoken_file = \"t\"\n";
    let reserved = Program::new(tokens, &estate);
    reserved.write("t", TOKEN);
    reserved.run(&["serve"]).refused(&["“server”", "choose another one"]);
}
