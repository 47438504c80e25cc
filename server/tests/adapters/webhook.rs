//! A web service that sends clients, well or badly.

use crate::place::{EAST, Place, WEST, assert_says, regions, why};
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use server::connect::traffic::TrafficControl;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const TOKEN: &str = "canary-of-the-webhook-token";

/// How it behaves from now on.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Good,
    /// Does what it is told, but its answer never comes.
    Mute,
    /// Says 500 and does nothing.
    Failing,
    /// Says 200 and does nothing.
    Lying,
}

struct Service {
    manner: Mutex<Manner>,
    on: Mutex<Value>,
    told: Mutex<Vec<Value>>,
}

struct Edge {
    place: Place,
    origin: String,
    service: Arc<Service>,
}

impl Edge {
    async fn open() -> Self {
        let service = Arc::new(Service { manner: Mutex::new(Manner::Good), on: Mutex::new(json!([EAST])), told: Mutex::default() });
        let router = Router::new()
            .route("/clients", post(told).options(async |headers: HeaderMap| authorised(&headers)))
            .route("/post-only", post(told))
            .route(
                "/status",
                get(async |State(service): State<Arc<Service>>, headers: HeaderMap| {
                    (authorised(&headers), Json(json!({ "regions": *service.on.lock().unwrap(), "since": "yesterday" })))
                }),
            )
            .route("/wrong", get(async || Json(json!({ "regions": "us-east-1" }))))
            .route("/failing", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "broken")))
            .route("/hanging", get(async || std::future::pending::<()>().await))
            .route("/huge", get(huge))
            .route("/elsewhere", get(async || Redirect::temporary("/status")))
            .with_state(service.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let place = Place::new();
        place.write("token", &format!("{TOKEN}\n"));
        Self { place, origin, service }
    }

    fn control(&self, url: &str, status: &str) -> Arc<dyn TrafficControl> {
        self.declared(&format!("{}{url}", self.origin), &format!("{}{status}", self.origin), &self.origin).unwrap()
    }

    fn declared(&self, url: &str, status: &str, origin: &str) -> anyhow::Result<Arc<dyn TrafficControl>> {
        let config = format!("[webhook_token.edge]\norigin = \"{origin}\"\ntoken_file = \"token\"\n");
        self.place.control(&format!("{{ webhook = {{ url = \"{url}\", status_url = \"{status}\", token = \"edge\" }} }}"), &config)
    }

    fn behaves(&self, manner: Manner) {
        *self.service.manner.lock().unwrap() = manner;
    }

    fn keys(&self) -> Vec<Value> {
        self.service.told.lock().unwrap().iter().map(|told| told["idempotency_key"].clone()).collect()
    }
}

fn authorised(headers: &HeaderMap) -> StatusCode {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    if bearer == Some(&format!("Bearer {TOKEN}")) { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

async fn told(State(service): State<Arc<Service>>, headers: HeaderMap, Json(change): Json<Value>) -> Response {
    assert_eq!(authorised(&headers), StatusCode::OK);
    assert_eq!(headers["idempotency-key"], change["idempotency_key"].as_str().unwrap());
    service.told.lock().unwrap().push(change.clone());
    let manner = *service.manner.lock().unwrap();
    if matches!(manner, Manner::Good | Manner::Mute) {
        *service.on.lock().unwrap() = change["to"].clone();
    }
    match manner {
        Manner::Mute => std::future::pending().await,
        Manner::Failing => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::Good | Manner::Lying => StatusCode::ACCEPTED.into_response(),
    }
}

async fn huge() -> Body {
    Body::from_stream(tokio_stream::iter(std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 8192]))))
}

#[tokio::test]
async fn it_is_told_and_asked() {
    let edge = Edge::open().await;
    let control = edge.control("/clients", "/status");
    assert_says(
        &control.rehearse(&regions([WEST])).await.unwrap(),
        &["sends clients to us-east-1", "told to send them to us-west-2", "accepts the token"],
    );
    assert!(edge.keys().is_empty(), "a rehearsal tells nothing");
    assert_says(&control.send_to(&regions([WEST])).await.unwrap(), &["sends clients to us-west-2, read back"]);
    let told = edge.service.told.lock().unwrap()[0].clone();
    assert_eq!((&told["service"], &told["from"], &told["to"]), (&json!("checkout-api"), &json!([EAST]), &json!([WEST])));
    assert_says(&control.send_to(&regions([WEST])).await.unwrap(), &["already"]);
    assert_eq!(edge.keys().len(), 1, "what is so already is not told again");
    control.send_to(&regions([EAST, WEST])).await.unwrap();
    control.send_to(&regions([])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([]));
    assert_says(&edge.control("/post-only", "/status").rehearse(&regions([])).await.unwrap(), &["does not say whether it would"]);
    assert_says(&why(edge.control("/status", "/elsewhere").regions().await), &["307"]);
}

#[tokio::test]
async fn what_it_says_when_asked_decides_and_a_retry_carries_the_same_key() {
    let edge = Edge::open().await;
    let control = edge.control("/clients", "/status");
    edge.behaves(Manner::Lying);
    assert_says(&why(control.send_to(&regions([WEST])).await), &["it was told, and still sends clients to us-east-1 and not to us-west-2"]);
    edge.behaves(Manner::Failing);
    assert_says(&why(control.send_to(&regions([WEST])).await), &["500", "still sends clients to us-east-1"]);
    edge.behaves(Manner::Mute);
    assert_says(&control.send_to(&regions([WEST])).await.unwrap(), &["read back", "although it did not confirm", "within 2 s"]);
    let keys = edge.keys();
    assert!(keys[0] == keys[1] && keys[1] == keys[2], "one change, told three times: {keys:?}");
    edge.behaves(Manner::Good);
    control.send_to(&regions([EAST])).await.unwrap();
    control.send_to(&regions([WEST])).await.unwrap();
    let keys = edge.keys();
    assert!(keys[4] != keys[0], "the same change a second time is another change");
}

#[tokio::test]
async fn bad_answers_are_errors_within_bounds() {
    let edge = Edge::open().await;
    for (status, said) in [
        ("/wrong", "does not say where it sends clients"),
        ("/failing", "500"),
        ("/hanging", "within 2 s"),
        ("/huge", "longer than 64 KiB"),
        ("/nowhere", "404"),
    ] {
        let (control, started) = (edge.control("/clients", status), Instant::now());
        for said_to_it in [why(control.regions().await), why(control.send_to(&regions([WEST])).await), why(control.rehearse(&regions([WEST])).await)]
        {
            assert_says(&said_to_it, &[said]);
            assert!(!said_to_it.contains(TOKEN), "{said_to_it}");
        }
        assert!(started.elapsed() < Duration::from_secs(9));
    }
    assert!(edge.keys().is_empty(), "where it cannot be asked, it is not told");
}

#[tokio::test]
async fn the_token_goes_where_the_configuration_allows_and_nowhere_else() {
    let edge = Edge::open().await;
    let good = format!("{}/clients", edge.origin);
    for (url, status) in [("http://thief.example/clients", &*good), (&*good, "https://127.0.0.1/status"), ("ftp://127.0.0.1/x", &*good)] {
        let said = why(edge.declared(url, status, &edge.origin));
        assert!(said.contains("allows the token edge to be sent to") || said.contains("no address of a webhook"), "{said}");
    }
    let metadata = "http://169.254.169.254/latest";
    let link_local = edge.declared(metadata, metadata, "http://169.254.169.254").unwrap();
    assert_says(&why(link_local.regions().await), &["link-local"]);
    let none = edge.place.control("{ webhook = { url = \"http://x\", status_url = \"http://x\", token = \"edge\" } }", "");
    assert_says(&why(none), &["no [webhook_token.edge]"]);
    edge.place.write("token", "another\n");
    assert_says(&why(edge.control("/clients", "/status").regions().await), &["401"]);
}
