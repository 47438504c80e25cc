//! Silences and notes in a real Alertmanager (trap R16), and in one that behaves badly.

use crate::{
    alertmanager::{Alertmanager, PASSWORD, amtool, declared},
    place::{Place, assert_says, why},
};
use axum::{Router, http::StatusCode, routing::get};
use chrono::Utc;
use engine::{
    id::{OperationId, RegionId, ServiceId},
    time::{Instant as Moment, Span},
};
use serde_json::json;
use server::connect::alertmanager::{Alertmanager as Adapter, Note, Silencing};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

struct What {
    operation: OperationId,
    services: BTreeSet<ServiceId>,
    regions: BTreeSet<RegionId>,
}

impl What {
    fn of<const S: usize, const R: usize>(services: [&str; S], regions: [&str; R]) -> Self {
        Self {
            operation: OperationId(uuid::Uuid::now_v7()),
            services: services.map(|id| id.parse().unwrap()).into(),
            regions: regions.map(|id| id.parse().unwrap()).into(),
        }
    }
    fn silencing(&self) -> Silencing<'_> {
        Silencing { operation: self.operation, services: &self.services, regions: &self.regions }
    }
}

fn checkout() -> What {
    What::of(["checkout-api"], ["us-east-1"])
}

fn ends() -> Moment {
    Utc::now() + Span::from_mins(9).as_delta()
}

async fn silence(adapter: &Adapter, what: &What) -> anyhow::Result<Option<String>> {
    adapter.silence(&what.silencing(), ends(), "Lifeboat: region failover of checkout-api; requested by olga, approved by oskar.").await
}

fn note() -> Note {
    let labels = [("alertname", "LifeboatOperation"), ("severity", "info"), ("kind", "failback")];
    Note {
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        summary: "failback of checkout-api".to_owned(),
        description: "Proven, recovery time 12s.".to_owned(),
        starts_at: Utc::now(),
        ends_at: ends(),
    }
}

#[tokio::test]
async fn r16_a_silence_has_a_beginning_an_end_and_a_name_and_is_made_once() {
    let alerts = Alertmanager::open().await;
    let (adapter, what) = (alerts.adapter(""), checkout());
    let said = silence(&adapter, &what).await.unwrap().unwrap();
    assert_says(&said, &["is active, read back: alerts with service “checkout-api”, region “us-east-1”, until "]);
    let [made] = &alerts.silences("active").await[..] else { panic!("{:?}", alerts.list("silences").await) };
    let moment = |name: &str| made[name].as_str().unwrap().parse::<Moment>().unwrap();
    let lasts = Span::between(moment("startsAt"), moment("endsAt"));
    assert!(lasts > Span::from_secs(8 * 60) && lasts <= Span::from_mins(9), "{lasts}");
    assert_eq!(made["createdBy"], "lifeboat");
    assert_says(made["comment"].as_str().unwrap(), &["requested by olga, approved by oskar", &what.operation.to_string()]);
    let matchers: BTreeSet<String> =
        made["matchers"].as_array().unwrap().iter().map(|matcher| format!("{} {}", matcher["name"], matcher["value"])).collect();
    assert_eq!(matchers, ["\"region\" \"us-east-1\"", "\"service\" \"checkout-api\""].map(str::to_owned).into());
    // As after a crash: whoever comes back knows only the operation.
    assert_says(&silence(&alerts.adapter(""), &what).await.unwrap().unwrap(), &["in force already"]);
    assert_eq!(alerts.silences("active").await.len(), 1);

    assert_says(&adapter.end_silence(&what.silencing()).await.unwrap().unwrap(), &["has ended, read back"]);
    assert_eq!((alerts.silences("active").await.len(), alerts.silences("expired").await.len()), (0, 1));
    assert_says(&adapter.end_silence(&what.silencing()).await.unwrap().unwrap(), &["no silence of this operation is in force"]);
    assert_says(&silence(&adapter, &what).await.unwrap().unwrap(), &["is active, read back"]);
    assert_eq!(alerts.silences("active").await.len(), 1, "an operation that is resumed is silent again");
}

#[tokio::test]
async fn what_is_left_is_silent_and_nothing_else_is() {
    let alerts = Alertmanager::open().await;
    let what = What::of(["checkout-api", "search"], ["us-east-1", "us-west-2"]);
    silence(&alerts.adapter("only = { severity = \"page\" }"), &what).await.unwrap();
    let quiet = [("checkout-api", "us-east-1"), ("search", "us-west-2")];
    for (service, region) in quiet {
        alerts.alert(json!({ "alertname": "Down", "service": service, "region": region, "severity": "page" })).await;
    }
    for (service, region, severity) in [
        ("checkout-api", "eu-north-1", "page"),
        ("checkout-api-2", "us-east-1", "page"),
        ("my-search", "us-east-1", "page"),
        ("checkout-api", "us-east-1", "info"),
    ] {
        alerts.alert(json!({ "alertname": "Down", "service": service, "region": region, "severity": severity })).await;
    }
    alerts.alert(json!({ "alertname": "Down", "service": "checkout-api", "severity": "page" })).await;
    let all = alerts.list("alerts").await;
    let of = |state: &str| {
        let name = |alert: &serde_json::Value| {
            (alert["labels"]["service"].as_str().unwrap().to_owned(), alert["labels"]["region"].as_str().unwrap_or("-").to_owned())
        };
        all.iter().filter(|alert| alert["status"]["state"] == state).map(name).collect::<Vec<_>>()
    };
    assert_eq!(all.len(), 7);
    assert_eq!(of("suppressed").into_iter().collect::<BTreeSet<_>>(), quiet.map(|(service, region)| (service.to_owned(), region.to_owned())).into());
}

#[tokio::test]
async fn other_peoples_silences_are_never_touched() {
    let alerts = Alertmanager::open().await;
    let (ours, others) = (checkout(), checkout());
    let adapter = alerts.adapter("");
    let add = ["silence", "add", "--author=olga", "--comment=maintenance", "--duration=1h", "service=checkout-api", "region=us-east-1"];
    let by_hand = amtool(&alerts.url(), &add);
    silence(&adapter, &others).await.unwrap();
    silence(&adapter, &ours).await.unwrap();
    assert_eq!(alerts.silences("active").await.len(), 3, "one for each operation");
    adapter.end_silence(&ours.silencing()).await.unwrap();
    let left: BTreeSet<String> = amtool(&alerts.url(), &["silence", "query", "-q"]).lines().map(str::to_owned).collect();
    assert_eq!(left.len(), 2);
    assert!(left.contains(by_hand.trim()), "{left:?}");
    let comments: String = alerts.silences("active").await.iter().map(|silence| silence["comment"].to_string()).collect();
    assert_says(&comments, &[&others.operation.to_string(), "maintenance"]);
}

#[tokio::test]
async fn a_note_stands_among_the_alerts_and_no_silence_covers_it() {
    let alerts = Alertmanager::open().await;
    let (adapter, what) = (alerts.adapter("service_label = \"app\"\nregion_label = \"place\""), checkout());
    silence(&adapter, &what).await.unwrap();
    assert_says(&adapter.annotate(what.operation, &what.services, &note()).await.unwrap().unwrap(), &["took the note"]);
    let [alert] = &alerts.list("alerts").await[..] else { panic!("one note") };
    assert_eq!(
        (&alert["status"]["state"], &alert["labels"]["app"], &alert["labels"]["severity"]),
        (&json!("active"), &json!("checkout-api"), &json!("info"))
    );
    assert_eq!(alert["annotations"], json!({ "summary": "failback of checkout-api", "description": "Proven, recovery time 12s." }));
    assert_says(alert["generatorURL"].as_str().unwrap(), &["http://127.0.0.1:8420/operations/", &what.operation.to_string()]);
    adapter.annotate(what.operation, &what.services, &note()).await.unwrap();
    assert_eq!(alerts.list("alerts").await.len(), 1, "told twice, it stands there once");
}

#[tokio::test]
async fn a_rehearsal_writes_nothing_and_finds_what_would_be_refused() {
    let alerts = Alertmanager::open().await;
    let what = checkout();
    let said = alerts.adapter("").rehearse(&what.silencing()).await.unwrap().unwrap();
    assert_says(
        &said,
        &["Alertmanager 0.", "0 of them this operation's", "it would be silent about alerts with service “checkout-api”", "writing is not rehearsed"],
    );
    assert_eq!((alerts.list("silences").await.len(), alerts.list("alerts").await.len()), (0, 0));
    let elsewhere = alerts.adapter("services = [\"search\"]");
    for told in [elsewhere.rehearse(&what.silencing()).await, silence(&elsewhere, &what).await, elsewhere.end_silence(&what.silencing()).await] {
        assert_eq!(told.unwrap(), None, "it is not told of this service");
    }
    assert_eq!(alerts.list("silences").await.len(), 0);
}

#[tokio::test]
async fn r16_whoever_asks_says_who_they_are_and_only_there() {
    let alerts = Alertmanager::locked().await;
    let (what, place) = (checkout(), &alerts.place);
    let login =
        |origin: &str, file: &str| format!("[monitoring_login.pager]\norigin = \"{origin}\"\nuser = \"lifeboat\"\nsecret_file = \"{file}\"\n");
    let declared_with_login = alerts.declared("login = \"pager\"");
    let adapter = |config: &str| Adapter::new(&declared_with_login, &place.config(config).unwrap());
    let good = adapter(&login(&alerts.url(), "password")).unwrap();
    good.rehearse(&what.silencing()).await.unwrap();
    silence(&good, &what).await.unwrap();
    assert_eq!(alerts.silences("active").await.len(), 1);

    let nobody = alerts.adapter("");
    for said in [why(nobody.rehearse(&what.silencing()).await), why(silence(&nobody, &what).await)] {
        assert_says(&said, &["answers 401"]);
    }
    place.write("wrong", "canary-of-the-login\n");
    let said = why(adapter(&login(&alerts.url(), "wrong")).unwrap().rehearse(&what.silencing()).await);
    assert!(said.contains("401") && !said.contains("canary") && !said.contains(PASSWORD), "{said}");
    assert_says(&why(adapter("")), &["no [monitoring_login.pager] with origin and secret_file"]);
    assert_says(
        &why(adapter(&login("https://pager.example.org", "password"))),
        &["allows the login pager to be sent to https://pager.example.org only"],
    );
    assert_says(&why(adapter(&login(&alerts.url(), "absent"))), &["absent cannot be read"]);
    for url in ["ftp://127.0.0.1/", "http://olga:secret@127.0.0.1/", "alertmanager:9093"] {
        let said = why(Adapter::new(&declared(url, ""), &place.config("").unwrap()));
        assert!(said.contains("is no address"), "{said}");
    }
}

#[tokio::test]
async fn declarations_that_would_silence_nothing_or_too_much_are_refused() {
    let place = Place::new();
    let adapter = |lines: &str| Adapter::new(&declared("http://127.0.0.1:9", lines), &place.config("").unwrap());
    assert_says(&why(adapter("region_label = \"service\"")), &["must differ: service, service"]);
    assert_says(&why(adapter("only = { region = \"us-east-1\" }")), &["must differ: service, region, region"]);
    for bad in ["", "1st", "a-b", "a b"] {
        assert_says(&why(adapter(&format!("service_label = \"{bad}\""))), &["is no name of a label"]);
    }
    let everywhere = What::of(["checkout-api"], []);
    assert_says(&why(silence(&adapter("").unwrap(), &everywhere).await), &["nothing is silenced without a region"]);
}

/// A service that answers every question in one way.
async fn stubborn(router: Router) -> Adapter {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Adapter::new(&declared(&url, ""), &Place::new().config("").unwrap()).unwrap()
}

#[tokio::test]
async fn bad_answers_are_errors_within_bounds() {
    let what = checkout();
    let hanging = Router::new().fallback(async || std::future::pending::<()>().await);
    let failing = Router::new().fallback(async || (StatusCode::INTERNAL_SERVER_ERROR, "broken"));
    let other = Router::new().fallback(async || "<html>welcome</html>");
    let lost = Router::new().fallback(async || StatusCode::NOT_FOUND);
    for (router, said) in [(hanging, "not in time"), (failing, "500 Internal Server Error"), (other, "something else than its API"), (lost, "404")] {
        let (adapter, started) = (stubborn(router).await, Instant::now());
        assert_says(&why(silence(&adapter, &what).await), &[said]);
        assert_says(&why(adapter.end_silence(&what.silencing()).await), &[said]);
        assert_says(&why(adapter.rehearse(&what.silencing()).await), &[said]);
        assert!(started.elapsed() < Duration::from_secs(8));
    }
    // It says yes to everything, and does nothing.
    let silences = get(async || "[]").post(async || "{\"silenceID\":\"1\"}");
    let lying = Router::new().route("/alerts/api/v2/silences", silences).route("/alerts/api/v2/silence/1", get(async || StatusCode::NOT_FOUND));
    assert_says(&why(silence(&stubborn(lying).await, &what).await), &["404"]);
    let link_local = Adapter::new(&declared("http://169.254.169.254/", ""), &Place::new().config("").unwrap()).unwrap();
    assert_says(&why(silence(&link_local, &what).await), &["link-local"]);
}
