//! Patroni's REST API against a double that hangs, breaks off and refuses as it is told; the real one is in the test `patroni`.

use crate::place::{Place, why};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use engine::estate::{Cluster, Estate};
use server::{
    config::PatroniLogin,
    connect::patroni::{Answer, Patroni},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;

const SOON: Duration = Duration::from_millis(300);
const LEADER_A: &str = r#"{"members": [{"name": "a", "role": "leader", "state": "running", "timeline": 1}, {"name": "b", "role": "replica", "state": "running", "timeline": 1, "lag": 0}]}"#;

/// One node's API: what it answers, and what it was asked.
#[derive(Clone)]
struct Double {
    cluster: &'static str,
    answer: (u16, &'static str),
    hangs: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Double {
    fn new(answer: (u16, &'static str)) -> Self {
        Self { cluster: LEADER_A, answer, hangs: false, asked: Arc::default() }
    }
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let ask = async |State(double): State<Double>, headers: HeaderMap, body: String| {
            let login = headers.get("authorization").map_or("nobody", |value| value.to_str().unwrap()).to_owned();
            double.asked.lock().unwrap().push(format!("{login} {body}"));
            if double.hangs {
                std::future::pending::<()>().await;
            }
            (StatusCode::from_u16(double.answer.0).unwrap(), double.answer.1)
        };
        let cluster = async |State(double): State<Double>, headers: HeaderMap| {
            assert!(headers.get("authorization").is_none(), "reading needs no login");
            double.cluster
        };
        let app =
            Router::new().route("/cluster", get(cluster)).route("/switchover", post(ask)).route("/failover", post(ask)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }
}

/// An address where nobody listens.
async fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap())
}

fn cluster(a: &str, b: &str) -> Cluster {
    let node = |id: &str, api: &str| {
        format!("[[cluster.node]]\nid = \"{id}\"\nregion = \"r\"\nhost = \"h\"\nport = 1\nrole = \"standby\"\npatroni = \"{api}\"\n")
    };
    let text =
        format!("name = \"x\"\n[[cluster]]\nid = \"c\"\nservice = \"s\"\ndatabase = \"d\"\nmanager = \"patroni\"\n{}{}", node("a", a), node("b", b));
    Estate::from_toml(&text).unwrap().clusters.remove(0)
}

async fn hand_over(patroni: &Patroni) -> anyhow::Result<Answer> {
    patroni.hand_over(Some(&"a".parse().unwrap()), &"b".parse().unwrap(), SOON).await
}

#[tokio::test]
async fn row_58_whoever_was_asked_and_did_not_answer_may_have_heard_so_no_other_is_asked() {
    let (mut silent, other) = (Double::new((200, "")), Double::new((200, "ok")));
    silent.hangs = true;
    let patroni = Patroni::new(&cluster(&other.listen().await, &silent.listen().await), None).unwrap();
    let answer = hand_over(&patroni).await.unwrap();
    assert!(matches!(&answer, Answer::Unknown(why) if why.contains("did not answer")), "{answer:?}");
    assert_eq!((silent.asked().len(), other.asked().len()), (1, 0));
}

#[tokio::test]
async fn row_58_an_api_that_cannot_be_reached_was_not_asked_so_the_next_one_is() {
    let a = Double::new((200, "Successfully switched over to \"b\""));
    let patroni = Patroni::new(&cluster(&a.listen().await, &nobody().await), None).unwrap();
    let answer = hand_over(&patroni).await.unwrap();
    assert!(matches!(&answer, Answer::Done(said) if said.contains("Successfully")), "{answer:?}");
    assert_eq!(a.asked(), [r#"nobody {"candidate":"b","leader":"a"}"#]);
    let nobody = Patroni::new(&cluster(&nobody().await, &nobody().await), None).unwrap();
    assert!(why(hand_over(&nobody).await).contains("so none was asked"));
}

#[tokio::test]
async fn row_58_a_refusal_is_no_doubt_and_a_fault_of_the_server_is_no_refusal() {
    for (status, refused) in [(401, true), (412, true), (400, true), (503, false), (500, false)] {
        let b = Double::new((status, "leader name does not match"));
        let patroni = Patroni::new(&cluster(&nobody().await, &b.listen().await), None).unwrap();
        match hand_over(&patroni).await.unwrap() {
            Answer::Refused(said) => assert!(refused && said.contains("does not match"), "{status}"),
            Answer::Unknown(said) => assert!(!refused && said.contains("does not match"), "{status}"),
            Answer::Done(said) => panic!("{status}: {said}"),
        }
    }
}

#[tokio::test]
async fn row_58_the_login_goes_nowhere_but_where_the_configuration_lets_it() {
    let place = Place::new();
    let b = Double::new((200, "done"));
    let (a_api, b_api) = (nobody().await, b.listen().await);
    let login = |origins: Vec<String>| PatroniLogin {
        user: Some("lifeboat".to_owned()),
        password_file: Some(place.write("secret", "open sesame\n")),
        origins,
        ca_file: None,
    };
    let patroni = Patroni::new(&cluster(&a_api, &b_api), Some(&login(vec![a_api.clone(), b_api.clone()]))).unwrap();
    hand_over(&patroni).await.unwrap();
    assert!(b.asked()[0].starts_with("Basic bGlmZWJvYXQ6b3BlbiBzZXNhbWU= "), "{:?}", b.asked());
    let elsewhere = why(Patroni::new(&cluster(&a_api, &b_api), Some(&login(vec![a_api.clone()]))));
    assert!(elsewhere.contains("origins") && elsewhere.contains(&b_api) && !elsewhere.contains("sesame"), "{elsewhere}");
    let half = PatroniLogin { password_file: None, ..login(vec![a_api.clone(), b_api.clone()]) };
    assert!(why(Patroni::new(&cluster(&a_api, &b_api), Some(&half))).contains("or neither"));
    let no_certificate = PatroniLogin { ca_file: Some(place.write("ca.pem", "no certificate")), ..PatroniLogin::default() };
    assert!(why(Patroni::new(&cluster(&a_api, &b_api), Some(&no_certificate))).contains("holds no certificate"));
}

#[tokio::test]
async fn row_58_one_that_answers_is_enough_and_two_that_differ_are_none() {
    let at = chrono::Utc::now();
    let a = Double::new((200, ""));
    let read = async |patroni: Patroni| patroni.read(at, SOON).await;
    let said = read(Patroni::new(&cluster(&nobody().await, &a.listen().await), None).unwrap()).await.unwrap();
    assert_eq!((said.leader().unwrap().name.as_str(), said.by.as_str()), ("a", "b"));
    let mut other = Double::new((200, ""));
    other.cluster = r#"{"members": [{"name": "b", "role": "leader", "state": "running", "timeline": 2}]}"#;
    let differ = why(read(Patroni::new(&cluster(&a.listen().await, &other.listen().await), None).unwrap()).await);
    assert!(differ.contains("do not say the same") && differ.contains("by that of a a") && differ.contains("by that of b b"), "{differ}");
    let silent = why(read(Patroni::new(&cluster(&nobody().await, &nobody().await), None).unwrap()).await);
    assert!(silent.contains("a: ") && silent.contains("refused"), "{silent}");
}
