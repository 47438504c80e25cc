//! Recognisable secrets go everywhere they are needed, and are then looked for everywhere they must not be: journal,
//! observations, pages, answers of the command line, and the log at its most talkative.

use crate::{
    house::form,
    program::{IN_ENVIRONMENT, Program, files_in, until},
    receivers::{Behaviour, MailServer, WebService},
    world::ESTATE,
};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// From the environment; the others come from files.
const DATABASE: &str = IN_ENVIRONMENT.1;
const AGENT: &str = "canary-agent-token-93bb12";
const ACCOUNT: &str = "canary-account-password-5d20";
const MISTYPED: &str = "canary-mistyped-password-88";
const RESET: &str = "canary-reset-password-41aa";
const HOOK: &str = "/services/canary-hook-1f80c2";
const ROUTING: &str = "canary-routing-key-77de";
const PROOF: &str = "canary-proxy-proof-6a05e1f79c2244b1";
const MAIL: &str = "canary-mail-password-20b9";

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
    // Each of them repeats what it was sent, as some do.
    let chat = WebService::start(Behaviour::Refuse(404, format!("there is no {HOOK} here"))).await;
    let pager = WebService::start(Behaviour::Refuse(400, format!("unknown routing_key {ROUTING}"))).await;
    let mail = MailServer::start(Behaviour::Refuse(535, format!("wrong password {MAIL}"))).await;
    let config = format!(
        "agent_token_file = \"agent-token\"\n[database.users]\nuser = \"watcher\"\npassword_env = \"{}\"\n\
         [channel.chat]\nkind = \"webhook\"\nurl_file = \"hook\"\n\
         [channel.duty]\nkind = \"pagerduty\"\nrouting_key_file = \"routing\"\nurl = \"{}\"\n\
         [channel.mail]\nkind = \"mail\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nuser = \"lifeboat\"\npassword_file = \"mail\"\n\
         from = \"a@example.org\"\nto = [\"b@example.org\"]\n\
         [proxy_sign_in]\nuser_header = \"x-user\"\nsecret_header = \"x-proof\"\nsecret_file = \"proof\"\nsign_out_url = \"/out\"\n",
        IN_ENVIRONMENT.0,
        pager.url("/v2/enqueue"),
        mail.port
    );
    let program = Program::new(&config, &estate);
    program.write("hook", &format!("{}\n", chat.url(HOOK)));
    program.write("routing", &format!("{ROUTING}\n"));
    program.write("proof", &format!("{PROOF}\n"));
    program.write("mail", &format!("{MAIL}\n"));
    program.write("agent-token", &format!("{AGENT}\n"));
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

    for channel in ["chat", "duty", "mail"] {
        let request = client.post(format!("{}/api/test_channel", server.address)).header("cookie", &cookie).header("origin", &server.address);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(format!("channel={channel}"));
        told += &request.send().await.unwrap().text().await.unwrap();
    }
    until("the refusals are shown", async || {
        let page = page("/notifications").await;
        page.contains("there is no ••• here") && page.contains("unknown routing_key •••") && page.contains("wrong password •••")
    })
    .await;
    assert!(chat.heard()[0].path == HOOK && pager.heard()[0].body["routing_key"] == ROUTING, "the channels were shown their secrets");
    assert!(mail.commands().iter().any(|command| command.starts_with("AUTH PLAIN ")), "{:?}", mail.commands());

    // The proxy shows its secret with every request; one that names nobody is told whom it spoke for.
    for name in ["ann", "mallory", "Not A Name"] {
        let request = client.get(format!("{}/journal", server.address)).header("x-user", name).header("x-proof", PROOF);
        let answer = request.send().await.unwrap();
        assert_eq!(
            answer.status(),
            match name {
                "ann" => 200,
                "mallory" => 403,
                _ => 400,
            },
            "the proof was taken"
        );
        told += &format!("{:?}", answer.headers());
        told += &answer.text().await.unwrap();
    }
    for path in [
        "/",
        "/notifications",
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
        for secret in [DATABASE, AGENT, ACCOUNT, MISTYPED, RESET, HOOK, ROUTING, MAIL, PROOF] {
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
