//! Telling people, end to end below the browser: a real store, a real web service, a real SMTP conversation (rows 87, 88).

use crate::{
    house::{House, form, viewer},
    program::{Program, until},
    receivers::{Behaviour, Heard, MailServer, WebService},
    world::{self, id},
};
use app::{
    fault::Fault,
    port::{Port, Wish},
};
use engine::{
    automation,
    id::Scope,
    journal::Actor,
    noticing,
    notifications::{Delivery, IncidentKey, Kind, Outcome},
};
use http::{Method, StatusCode};
use server::{
    config::Config,
    notify::{self, Channels},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// The configuration of a house with these channels and secret files.
fn config(house: &House, channels: &str, secrets: &[(&str, &str)]) -> PathBuf {
    for (name, secret) in secrets {
        std::fs::write(house.folder.path().join(name), format!("{secret}\n")).unwrap();
    }
    let file = house.folder.path().join("lifeboat.toml");
    std::fs::write(&file, channels).unwrap();
    file
}

pub async fn telling(house: &House, channels: &str, secrets: &[(&str, &str)]) {
    let config = Config::read(&config(house, channels, secrets)).unwrap();
    let channels = Channels::new(&config, "Meridian test platform").unwrap();
    notify::start(house.desk.clone(), channels, "https://lifeboat.test/".to_owned()).await.unwrap();
}

/// What the watchers' board does after each round.
pub async fn noticed(house: &House) {
    let seen = |picture: &engine::picture::Picture| {
        let mut events = noticing::changes(picture);
        events.extend(automation::act(picture, world::operation_id));
        events
    };
    house.desk.record(&Actor::Lifeboat, seen).await.unwrap();
}

pub async fn primary_fails(house: &House) {
    house.desk.put_up(world::primary_down(house.desk.estate(), chrono::Utc::now()));
    noticed(house).await;
}

/// It answers again, and what was asked for because of it is taken back.
async fn primary_recovers(house: &House) {
    house.desk.put_up(world::healthy(house.desk.estate(), chrono::Utc::now()));
    let holder = house.desk.picture().records.holder_of(&"cluster/users".parse::<Scope>().unwrap()).map(|holder| holder.id);
    if let Some(operation) = holder {
        house.wishes("ann", Wish::Cancel { operation, reason: "it is back".to_owned() }).await.unwrap();
    }
    noticed(house).await;
}

async fn deliveries(house: &House) -> Vec<Delivery> {
    Port::notifications(&*house.desk, &viewer("vera")).await.unwrap().deliveries
}

fn kinds(heard: &[Heard]) -> Vec<String> {
    heard.iter().map(|heard| heard.header("x-lifeboat-kind")).collect()
}

fn failure(heard: &[Heard]) -> Vec<Heard> {
    heard.iter().filter(|heard| heard.header("x-lifeboat-incident").starts_with("failure/cluster/users@")).cloned().collect()
}

pub const CHAT: &str = "[channel.chat]\nkind = \"webhook\"\nurl_file = \"chat-url\"\nminimum = \"lost\"\n";

#[tokio::test]
async fn row_87_a_failure_reaches_every_channel_once_and_so_does_its_end() {
    let house = House::with_people().await;
    let (chat, pager, mail) =
        (WebService::start(Behaviour::Accept).await, WebService::start(Behaviour::Accept).await, MailServer::start(Behaviour::Accept).await);
    let channels = format!(
        "{CHAT}[channel.duty]\nkind = \"pagerduty\"\nrouting_key_file = \"duty-key\"\nurl = \"{}\"\nminimum = \"lost\"\n\
         [channel.mail]\nkind = \"mail\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Lifeboat <lifeboat@example.org>\"\n\
         to = [\"oncall@example.org\", \"Ops <ops@example.org>\"]\nminimum = \"lost\"\n",
        pager.url("/v2/enqueue"),
        mail.port
    );
    telling(&house, &channels, &[("chat-url", &chat.url("/services/T0/secret")), ("duty-key", "key-4711")]).await;
    primary_fails(&house).await;
    until("everybody heard of it", async || !chat.heard().is_empty() && !pager.heard().is_empty() && !mail.letters().is_empty()).await;
    for _ in 0..20 {
        primary_fails(&house).await;
    }
    primary_recovers(&house).await;
    until("everybody heard of the end", async || chat.heard().len() > 1 && pager.heard().len() > 1 && mail.letters().len() > 1).await;

    let said = chat.heard();
    assert_eq!(kinds(&said), ["opened", "resolved"]);
    assert_eq!((said[0].path.as_str(), said[0].header("x-lifeboat-severity").as_str()), ("/services/T0/secret", "lost"));
    let text = said[0].text();
    assert!(text.starts_with("*[LOST] users fails") && text.contains("pg-primary-east, the primary, is down"), "{text}");
    assert!(text.contains("https://lifeboat.test/operations/"), "{text}");
    assert!(said[1].text().starts_with("*[over] users fails"), "{}", said[1].text());
    assert_ne!(said[0].header("idempotency-key"), said[1].header("idempotency-key"));

    let events: Vec<_> = pager.heard().iter().map(|heard| heard.body.clone()).collect();
    let actions: Vec<_> = events.iter().map(|event| event["event_action"].as_str().unwrap()).collect();
    assert_eq!((actions, &events[0]["routing_key"]), (vec!["trigger", "resolve"], &serde_json::json!("key-4711")));
    assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
    assert_eq!(events[0]["dedup_key"], said[0].header("x-lifeboat-incident"));
    assert_eq!((&events[0]["payload"]["severity"], &events[0]["payload"]["source"]), (&"critical".into(), &"Meridian test platform".into()));

    let letters = mail.letters();
    assert_eq!(letters[0].to, ["oncall@example.org", "ops@example.org"]);
    assert!(letters[0].header("Subject").starts_with("Lifeboat [LOST] users fails"), "{}", letters[0].text);
    assert_eq!(letters[0].header("Auto-Submitted"), "auto-generated");
    assert_eq!(letters[0].header("References"), letters[1].header("References"), "one thread");
    assert_ne!(letters[0].header("Message-ID"), letters[1].header("Message-ID"));
    let all = deliveries(&house).await;
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|one| matches!(one.outcome, Outcome::Delivered(_)) && one.attempts == 1), "{all:?}");
    assert!(all.iter().any(|one| one.said.as_deref() == Some("250 2.0.0 queued as 4711")), "{all:?}");
}

#[tokio::test]
async fn row_87_what_is_refused_is_tried_again_with_the_same_key_and_its_answer_is_kept() {
    let house = House::with_people().await;
    let chat = WebService::start(Behaviour::Refuse(503, "come back\nlater, /services/T0/secret".to_owned())).await;
    telling(&house, CHAT, &[("chat-url", &chat.url("/services/T0/secret"))]).await;
    primary_fails(&house).await;
    until("it was tried twice", async || chat.heard().len() >= 2).await;
    until("the refusal is kept", async || deliveries(&house).await[0].attempts >= 2).await;
    let waits = deliveries(&house).await.remove(0);
    assert!(matches!(waits.outcome, Outcome::Waits(_)), "{waits:?}");
    assert_eq!(waits.said.as_deref(), Some("127.0.0.1 refuses it: 503 Service Unavailable: come back later, •••"));
    let page = house.signed_in("vera").await.get("/notifications").await.body;
    assert!(page.contains("failed, is tried again") && page.contains("503 Service Unavailable"), "the page says so");
    chat.behave(Behaviour::Accept);
    until("it was delivered", async || matches!(deliveries(&house).await[0].outcome, Outcome::Delivered(_))).await;
    let keys: std::collections::BTreeSet<String> = chat.heard().iter().map(|heard| heard.header("idempotency-key")).collect();
    assert_eq!((keys.len(), deliveries(&house).await.len()), (1, 1), "one message, however often it was sent");
    let (_, state) = Port::notifications(&*house.desk, &viewer("vera")).await.unwrap().channels.remove(0);
    assert_eq!((state.failing_since, state.delivered.map(|(_, said)| said)), (None, Some("200 OK: ok".to_owned())));
    assert!(state.failed.is_some(), "what failed is not forgotten");
}

#[tokio::test]
async fn a_channel_that_hangs_delays_no_other_and_is_given_a_bounded_time() {
    let house = House::with_people().await;
    let (stuck, works, mail) =
        (WebService::start(Behaviour::Stall).await, WebService::start(Behaviour::Accept).await, MailServer::start(Behaviour::Stall).await);
    let channels = format!(
        "{CHAT}[channel.stuck]\nkind = \"webhook\"\nurl_file = \"stuck-url\"\n\
         [channel.mail]\nkind = \"mail\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n",
        mail.port
    );
    telling(&house, &channels, &[("chat-url", &works.url("/")), ("stuck-url", &stuck.url("/"))]).await;
    primary_fails(&house).await;
    until("the one that works heard of it", async || !works.heard().is_empty() && !stuck.heard().is_empty()).await;
    let of = async |name: &str| deliveries(&house).await.into_iter().find(|delivery| delivery.channel.as_str() == name).unwrap();
    until("it is written down", async || matches!(of("chat").await.outcome, Outcome::Delivered(_))).await;
    assert!(matches!(of("stuck").await.outcome, Outcome::Waits(_)) && matches!(of("mail").await.outcome, Outcome::Waits(_)));
    until("the others were given up on for now", async || of("stuck").await.attempts > 0 && of("mail").await.attempts > 0).await;
    for name in ["stuck", "mail"] {
        let said = of(name).await.said.unwrap();
        assert!(said.contains("does not answer") || said.contains("no answer within") || said.contains("does not take the mail"), "{name}: {said}");
    }
}

/// What a mail server needs to speak TLS, with a certificate for 127.0.0.1 that signs itself and stands in `certificate`.
fn acceptor(certificate: &Path) -> TlsAcceptor {
    let key = certificate.with_extension("key");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=mail"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()
        .expect("openssl is missing: install the package openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap()).unwrap()))
}

/// A mail channel with a login, in the words of its configuration.
fn with_login(mail: &MailServer, more: &str) -> String {
    format!(
        "[channel.mail]\nkind = \"mail\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"me\"\npassword_file = \"mail-password\"\n\
         from = \"a@example.org\"\nto = [\"b@example.org\"]\nminimum = \"lost\"\n{more}",
        mail.port
    )
}

#[tokio::test]
async fn mail_is_handed_over_encrypted_to_a_server_whose_certificate_is_known() {
    let house = House::with_people().await;
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("mail.pem");
    let mail = MailServer::with(Behaviour::Accept, Some(acceptor(&certificate))).await;
    let ca_file = format!("ca_file = \"{}\"\n", certificate.display());
    telling(&house, &with_login(&mail, &ca_file), &[("mail-password", "canary-4711")]).await;
    primary_fails(&house).await;
    until("it was taken", async || matches!(deliveries(&house).await.first().map(|one| one.outcome), Some(Outcome::Delivered(_)))).await;
    assert_eq!(mail.letters().len(), 1);
    let said = mail.commands();
    let open: Vec<&str> = said.iter().filter(|line| !line.starts_with('🔒')).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(open, ["EHLO", "STARTTLS"], "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("🔒 AUTH")) && said.iter().any(|line| line.starts_with("🔒 RCPT")), "{said:?}");
}

#[tokio::test]
async fn nothing_is_said_to_a_mail_server_that_is_not_known_or_does_not_encrypt() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = MailServer::with(Behaviour::Accept, Some(acceptor(&folder.path().join("mail.pem")))).await;
    let open = MailServer::start(Behaviour::Accept).await;
    for (mail, what) in [(&stranger, "certificate"), (&open, "STARTTLS")] {
        let house = House::with_people().await;
        telling(&house, &with_login(mail, ""), &[("mail-password", "canary-4711")]).await;
        primary_fails(&house).await;
        until("it was tried", async || deliveries(&house).await.first().is_some_and(|delivery| delivery.attempts > 0)).await;
        let delivery = deliveries(&house).await.remove(0);
        let why = delivery.said.clone().unwrap();
        assert!(matches!(delivery.outcome, Outcome::Waits(_)) && why.contains(what), "{what}: {why}");
        let verbs: Vec<String> = mail.commands().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert!(mail.letters().is_empty() && verbs.iter().all(|verb| ["EHLO", "STARTTLS", "QUIT"].contains(&verb.as_str())), "{verbs:?}");
    }
}

#[tokio::test]
async fn a_mail_server_that_refuses_is_asked_again() {
    let house = House::with_people().await;
    let mail = MailServer::start(Behaviour::Refuse(451, "greylisted".to_owned())).await;
    let channels = format!(
        "[channel.mail]\nkind = \"mail\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\nminimum = \"lost\"\n",
        mail.port
    );
    telling(&house, &channels, &[]).await;
    primary_fails(&house).await;
    until("it was refused", async || deliveries(&house).await.first().is_some_and(|delivery| delivery.attempts > 0)).await;
    let said = deliveries(&house).await.remove(0).said.unwrap();
    assert!(said.contains("127.0.0.1 does not take the mail") && said.contains("greylisted"), "{said}");
    mail.behave(Behaviour::Accept);
    until("it was taken", async || matches!(deliveries(&house).await[0].outcome, Outcome::Delivered(_))).await;
    assert_eq!(mail.letters().len(), 1);
}

#[tokio::test]
async fn row_88_reminders_come_until_somebody_acknowledges() {
    let house = House::with_people().await;
    let chat = WebService::start(Behaviour::Accept).await;
    telling(&house, &format!("{CHAT}remind_every = \"1s\"\n"), &[("chat-url", &chat.url("/"))]).await;
    primary_fails(&house).await;
    until("two reminders came", async || kinds(&chat.heard()).iter().filter(|kind| *kind == "reminder").count() >= 2).await;
    let key: IncidentKey = chat.heard()[0].header("x-lifeboat-incident").parse().unwrap();
    let take = async |name: &str| Port::acknowledge_incident(&*house.desk, &viewer(name), key.clone(), "I look after it".to_owned()).await;
    assert!(matches!(take("vera").await, Err(Fault::Refused(said)) if said.contains("vera may not")));
    take("otto").await.unwrap();
    until("it was told", async || kinds(&chat.heard()).iter().any(|kind| kind == "acknowledged")).await;
    let told = chat.heard().len();
    // Longer than two reminders take: that none comes can only be waited for.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert_eq!(chat.heard().len(), told, "{:?}", kinds(&chat.heard()));
    assert!(chat.heard().last().unwrap().text().contains("otto acknowledged it at"), "{:?}", chat.heard().last());
    assert!(matches!(take("ann").await, Err(Fault::Refused(said)) if said.contains("otto acknowledged it")));
    primary_recovers(&house).await;
    until("the end was told", async || kinds(&chat.heard()).last().is_some_and(|kind| kind == "resolved")).await;
    assert!(matches!(take("ann").await, Err(Fault::NotFound { .. })), "it is over");
    assert_eq!(kinds(&failure(&chat.heard())).iter().filter(|kind| *kind == "opened").count(), 1);
}

#[tokio::test]
async fn a_test_says_at_once_what_became_of_it_and_who_sent_it() {
    let house = House::with_people().await;
    let (chat, pager) =
        (WebService::start(Behaviour::Accept).await, WebService::start(Behaviour::Refuse(400, "no such key key-4711".to_owned())).await);
    let channels = format!("{CHAT}[channel.duty]\nkind = \"pagerduty\"\nrouting_key_file = \"duty-key\"\nurl = \"{}\"\n", pager.url("/v2/enqueue"));
    telling(&house, &channels, &[("chat-url", &chat.url("/")), ("duty-key", "key-4711")]).await;
    let mut ann = house.signed_in("ann").await;
    let before = ann.get("/notifications").await.body;
    assert!(before.contains("never used") && before.contains("Send a test to chat"), "unknown is not green");

    assert_eq!(ann.post("/api/test_channel", &form(&[("channel", "chat")])).await.status, StatusCode::OK);
    assert_eq!(kinds(&chat.heard()), ["test"]);
    assert!(chat.heard()[0].text().contains("ann tries this channel out"), "{}", chat.heard()[0].text());
    assert!(house.last_events(1).await[0].starts_with("ann ") && house.last_events(1).await[0].contains("channel-tested"));
    // Without JavaScript: back to the page, which says how it went.
    let headers =
        [("origin", "http://house.test"), ("sec-fetch-site", "same-origin"), ("accept", "text/html"), ("referer", "http://house.test/notifications")];
    let answer = ann.send(Method::POST, "/api/test_channel", &headers, &form(&[("channel", "duty")])).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::FOUND, "/notifications"));
    let page = ann.get("/notifications").await.body;
    assert!(page.contains("127.0.0.1 refuses it: 400 Bad Request: no such key •••") && !page.contains("key-4711"), "{page}");
    let failed = deliveries(&house).await.into_iter().find(|delivery| delivery.channel.as_str() == "duty").unwrap();
    assert!(matches!(failed.outcome, Outcome::GivenUp(_)) && failed.attempts == 1, "a test is tried once: {failed:?}");
    assert!(deliveries(&house).await.iter().all(|delivery| delivery.kind == Kind::Test));

    assert_eq!(ann.post("/api/test_channel", &form(&[("channel", "nobody")])).await.status, StatusCode::NOT_FOUND);
    let refused = house.signed_in("vera").await.post("/api/test_channel", &form(&[("channel", "chat")])).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(chat.heard().len(), 1, "nobody else was told");
}

#[tokio::test]
async fn nothing_is_sent_elsewhere_nor_to_link_local_addresses() {
    let house = House::with_people().await;
    let moved = WebService::start(Behaviour::Refuse(307, String::new())).await;
    let channels = "[channel.moved]\nkind = \"webhook\"\nurl_file = \"moved\"\n[channel.cloud]\nkind = \"webhook\"\nurl_file = \"cloud\"\n";
    telling(&house, channels, &[("moved", &moved.url("/")), ("cloud", "http://169.254.169.254/latest/meta-data")]).await;
    for (name, part) in [("moved", "307 Temporary Redirect"), ("cloud", "link-local address 169.254.169.254")] {
        Port::test_channel(&*house.desk, &viewer("ann"), id(name)).await.unwrap();
        until("it was tried", async || deliveries(&house).await[0].attempts > 0).await;
        let said = deliveries(&house).await.remove(0).said.unwrap();
        assert!(said.contains(part), "{name}: {said}");
    }
}

#[tokio::test]
async fn what_waits_for_a_channel_that_is_gone_is_given_up() {
    let house = House::with_people().await;
    let chat = WebService::start(Behaviour::Refuse(503, String::new())).await;
    telling(&house, CHAT, &[("chat-url", &chat.url("/"))]).await;
    primary_fails(&house).await;
    until("it was tried", async || deliveries(&house).await.first().is_some_and(|delivery| delivery.attempts > 0)).await;
    house.desk.store().give_up_all_but(&[], chrono::Utc::now()).await.unwrap();
    let gone = deliveries(&house).await.remove(0);
    assert!(matches!(gone.outcome, Outcome::GivenUp(_)) && gone.said.as_deref() == Some("the channel is not set up any more"), "{gone:?}");
    house.desk.store().forget_told(chrono::Utc::now() + engine::time::Span::from_mins(1).as_delta()).await.unwrap();
    assert_eq!(deliveries(&house).await.len(), 1, "what is about an open incident is kept");
}

/// Written, being sent, killed: sent again after the start, with the key by which the receiver knows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_written_is_sent_although_the_server_is_killed() {
    let chat = WebService::start(Behaviour::Stall).await;
    let estate = format!("{}\n[[service.endpoint]]\nregion = \"us-east-1\"\ntarget = \"tcp://127.0.0.1:1\"\n", crate::program::PLAIN_ESTATE);
    let estate = estate.replace(
        "name = \"plain\"\n",
        "name = \"plain\"\n[detection]\ninterval = \"100ms\"\ntimeout = \"100ms\"\nfailures = 3\nsamples = 3\nrecoveries = 3\n",
    );
    let program = Program::new(CHAT, &estate);
    program.write("chat-url", &chat.url("/hook"));
    let server = program.serve("info");
    until("the message is on its way", async || !chat.heard().is_empty()).await;
    server.kill();
    chat.behave(Behaviour::Accept);
    let server = program.serve("info");
    until("it is sent again", async || chat.heard().len() > 1).await;
    let heard = chat.heard();
    assert_eq!(kinds(&heard), ["opened", "opened"]);
    assert_eq!(heard[0].header("idempotency-key"), heard[1].header("idempotency-key"));
    assert!(heard[1].text().starts_with("*[LOST] web is down in us-east-1"), "{}", heard[1].text());
    // The next look finds the same failure, and says nothing new.
    server.stop();
    assert_eq!(chat.heard().len(), 2);
}

#[test]
fn a_channel_with_a_mistake_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lifeboat.toml");
    let refused = |channel: &str, part: &str| {
        std::fs::write(&file, format!("[channel.ops]\n{channel}\n")).unwrap();
        let error = Config::read(&file).map(|_| ()).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains(part) && (said.contains("[channel.ops]") || said.contains("line ")), "“{part}” is missing in: {said}");
    };
    refused("kind = \"carrier-pigeon\"", "carrier-pigeon");
    refused("kind = \"webhook\"", "url_file");
    refused("kind = \"webhook\"\nurl = \"https://hooks.slack.com/services/T0\"\nurl_file = \"x\"", "url");
    refused("kind = \"webhook\"\nurl_file = \"x\"\nminimum = \"severe\"", "severe");
    refused("kind = \"webhook\"\nurl_file = \"x\"\nremind_every = \"5\"", "has no unit");
    refused("kind = \"webhook\"\nurl_file = \"x\"\nremind_every = \"10ms\"", "`remind_every` is from 1s to 7d");
    refused("kind = \"pagerduty\"\nrouting_key_file = \"x\"\nurl = \"ftp://events.example.org\"", "begins with ftp://");
    refused("kind = \"pagerduty\"\nrouting_key_file = \"x\"\nurl = \"https://me:secret@events.example.org/\"", "has a user in it");
    let mail = |lines: &str| format!("kind = \"mail\"\nhost = \"smtp.example.org\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n{lines}");
    refused(&mail("user = \"me\""), "belong together");
    refused(&mail("tls = \"none\"\nuser = \"me\"\npassword_file = \"x\""), "would cross the network readably");
    refused(&mail("tls = \"none\"\nca_file = \"x\""), "nobody shows a certificate");
    refused(&mail("tls = \"maybe\""), "maybe");
    refused(&mail("").replace("smtp.example.org", "https://smtp.example.org"), "`host` is the name");
    refused(&mail("").replace("a@example.org", "nobody"), "`from`: “nobody” is no mail address");
    refused(&mail("").replace("[\"b@example.org\"]", "[]"), "from 1 to 50 recipients");
    refused(&mail("").replace("b@example.org", "b@example.org\\r\\nBcc: c@example.org"), "`to`");
    std::fs::write(&file, "[channel.\"Ops Chat\"]\nkind = \"webhook\"\nurl_file = \"x\"\n").unwrap();
    assert!(format!("{:#}", Config::read(&file).map(|_| ()).unwrap_err()).contains("Ops Chat"));

    std::fs::write(&file, CHAT).unwrap();
    let config = Config::read(&file).unwrap();
    let said = |secret: &str| {
        std::fs::write(folder.path().join("chat-url"), secret).unwrap();
        Channels::new(&config, "x").map(|_| ()).map_err(|error| format!("{error:#}")).unwrap_err()
    };
    let wrong = said("hooks.slack.com/services/canary");
    assert!(wrong.contains("[channel.chat]") && wrong.contains("chat-url") && !wrong.contains("canary"), "{wrong}");
    assert!(said("\n").contains("is empty"));
    assert!(said("file:///etc/canary").contains("begins with file://"));
    std::fs::remove_file(folder.path().join("chat-url")).unwrap();
    assert!(format!("{:#}", Channels::new(&config, "x").map(|_| ()).unwrap_err()).contains("chat-url cannot be read"));
}
