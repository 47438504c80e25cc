//! Recognisable secrets go everywhere they are needed, and are then looked for everywhere they must not be: journal,
//! observations, pages, answers of the command line, and the log at its most talkative.

use crate::{
    house::form,
    program::{Program, files_in, until},
    world::ESTATE,
};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const DATABASE: &str = "canary-database-7c41e0";
const AGENT: &str = "canary-agent-token-93bb12";
const ACCOUNT: &str = "canary-account-password-5d20";
const MISTYPED: &str = "canary-mistyped-password-88";
const RESET: &str = "canary-reset-password-41aa";

/// What a fake received, so that the test knows that the secrets were really used.
type Heard = Arc<Mutex<String>>;

/// A PostgreSQL that asks for the password in clear, and then refuses it.
async fn database(heard: Heard) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                let refusal = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"watcher\"\0\0";
                let mut answer = vec![b'E'];
                answer.extend((refusal.len() as u32 + 4).to_be_bytes());
                answer.extend(refusal);
                // A client that goes away in between is none of this test's business.
                if stream.read(&mut bytes).await.is_ok() && stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await.is_ok() {
                    if let Ok(length) = stream.read(&mut bytes).await {
                        heard.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
                    }
                    drop(stream.write_all(&answer).await);
                }
            });
        }
    });
    port
}

/// A host agent that does not like the token.
async fn agent(heard: Heard) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let refuse = move |headers: http::HeaderMap| {
        heard.lock().unwrap().push_str(&format!("{headers:?}"));
        std::future::ready((http::StatusCode::UNAUTHORIZED, r#"{"error":"wrong token","hint":"look at its file"}"#))
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(refuse)).await });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_secret_is_in_the_store_a_page_an_answer_or_the_log() {
    let (at_database, at_agent) = (Heard::default(), Heard::default());
    let database = database(at_database.clone()).await;
    let agent = agent(at_agent.clone()).await;
    let estate = ESTATE
        .replace("interval = \"60s\"", "interval = \"200ms\"")
        .replace("http://127.0.0.1:1\"", &format!("http://127.0.0.1:{agent}\""))
        .replace("http://127.0.0.1:2\"", &format!("http://127.0.0.1:{agent}\""))
        .replace("port = 543", &format!("port = {database} # "));
    let config = "agent_token_file = \"agent-token\"\n[database.users]\nuser = \"watcher\"\npassword_file = \"database-password\"\n";
    let program = Program::new(config, &estate);
    program.write("agent-token", &format!("{AGENT}\n"));
    program.write("database-password", &format!("{DATABASE}\n"));
    let mut told = program.tell(&["user", "add", "ann", "--role", "operator", "--password-stdin"], ACCOUNT).fine();
    told += &program.run(&["user", "add", "root", "--role", "admin"]).fine();
    told += &program.tell(&["user", "add", "otto", "--role", "operator", "--password-stdin"], ACCOUNT).fine();

    let server = program.serve("trace");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let sign_in = async |name: &str, password: &str| {
        let body = form(&[("name", name), ("password", password)]);
        let request = client.post(format!("{}/login", server.address)).header("content-type", "application/x-www-form-urlencoded");
        request.body(body).send().await.unwrap()
    };
    assert_eq!(sign_in("ann", MISTYPED).await.headers()["location"], "/login?error=wrong&next=%2F");
    let answer = sign_in("ann", ACCOUNT).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let session = cookie.split_once('=').unwrap().1.to_owned();
    told += &program.tell(&["user", "reset", "otto", "--password-stdin"], RESET).fine();

    // Until it was tried, failed, and the failure is shown: then every way an error could carry a secret was gone.
    let page = async |path: &str| {
        let answer = client.get(format!("{}{path}", server.address)).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    };
    until("the failures are shown", async || {
        let journal = page("/journal").await;
        journal.contains("password authentication failed") && journal.contains("wrong token")
    })
    .await;
    assert!(at_database.lock().unwrap().contains(DATABASE), "the database was shown its password");
    assert!(at_agent.lock().unwrap().contains(AGENT), "the agents were shown their token");

    for path in [
        "/",
        "/services",
        "/services/user-database",
        "/databases",
        "/databases/users",
        "/databases/users/plan?kind=failover",
        "/operations",
        "/journal",
        "/login",
    ] {
        told += &page(path).await;
    }
    for arguments in [&["status"][..], &["status", "--json"], &["user", "list"], &["journal", "verify"], &["store", "backup", "copy.db"]] {
        let said = program.run(arguments);
        told += &(said.out + &said.err);
    }
    let log = server.stop();
    assert!(log.contains("TRACE"), "the log was at its most talkative");

    let mut places: Vec<(String, Vec<u8>)> =
        vec![("what was shown and said".to_owned(), told.into_bytes()), ("the log".to_owned(), log.into_bytes())];
    let files = files_in(&program.data()).into_iter().chain([(program.path("copy.db"), std::fs::read(program.path("copy.db")).unwrap())]);
    places.extend(files.map(|(path, bytes)| (path.display().to_string(), bytes)));
    assert!(places.iter().any(|(place, bytes)| place.ends_with("lifeboat.db") && holds(bytes, "account-added")), "the journal was searched");
    for (place, bytes) in &places {
        for secret in [DATABASE, AGENT, ACCOUNT, MISTYPED, RESET] {
            assert!(!holds(bytes, secret), "{secret} is in {place}");
        }
    }
    // The session's id is a secret too; only the store may know it.
    for (place, bytes) in places.iter().take(2) {
        assert!(!holds(bytes, &session), "the session's id is in {place}");
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
