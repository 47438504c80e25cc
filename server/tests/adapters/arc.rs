//! Moves by ARC routing controls. There is no ARC to test against, neither here nor in moto: this is a DOUBLE, written after the
//! API's published model, which refuses every request that the model does not allow. What it proves is what is sent and how
//! answers are treated, not that AWS would answer so. Signatures are checked by botocore, AWS's own library for Python.

use crate::place::{EAST, NORTH, Place, WEST, assert_says, regions, why};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use engine::time::Span;
use serde_json::{Value, json};
use server::connect::traffic::TrafficControl;
use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const SECRET: &str = "canary-of-the-aws-secret";

fn arn(region: &str) -> String {
    format!("arn:aws:route53-recovery-control::123456789012:controlpanel/0123456789abcdef/routingcontrol/{region}")
}

/// What all endpoints of the double know.
struct Cluster {
    states: Mutex<BTreeMap<String, String>>,
    /// Each call with its endpoint, operation and body.
    calls: Mutex<Vec<(usize, String, Value)>>,
    /// Each request as it came: method, path, headers, body.
    heard: Mutex<Vec<Value>>,
    /// How each endpoint behaves.
    manners: Mutex<[Manner; 3]>,
    /// As a safety rule does that keeps one control on.
    one_stays_on: Mutex<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Good,
    Unavailable,
    Throttling,
    Hanging,
}

struct Double {
    place: Place,
    cluster: Arc<Cluster>,
    urls: Vec<String>,
}

impl Double {
    /// A cluster with three endpoints; clients are sent to the east.
    async fn open() -> Self {
        let states = [(EAST, "On"), (WEST, "Off"), (NORTH, "Off")].map(|(region, state)| (arn(region), state.to_owned()));
        let cluster = Arc::new(Cluster {
            states: Mutex::new(states.into()),
            calls: Mutex::default(),
            heard: Mutex::default(),
            manners: Mutex::new([Manner::Good; 3]),
            one_stays_on: Mutex::new(true),
        });
        let mut urls = Vec::new();
        for endpoint in 0..3 {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.push(format!("http://{}/v1", listener.local_addr().unwrap()));
            let router = Router::new().fallback(answer).with_state((endpoint, cluster.clone()));
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        let place = Place::new();
        place.write("secret", &format!("{SECRET}\n"));
        place.write("session", "canary-of-the-session\n");
        Self { place, cluster, urls }
    }

    fn means(&self) -> String {
        let endpoint = |(at, url): (usize, &String)| format!("{{ url = \"{url}\", region = \"region-{at}\" }}");
        let endpoints: Vec<String> = self.urls.iter().enumerate().map(endpoint).collect();
        let controls: Vec<String> = [EAST, WEST, NORTH].map(|region| format!("{region} = \"{}\"", arn(region))).into();
        format!("{{ arc-routing-control = {{ endpoints = [{}], ttl = \"60s\", controls = {{ {} }} }} }}", endpoints.join(", "), controls.join(", "))
    }

    fn config(&self) -> String {
        let origins: Vec<String> = self.urls.iter().map(|url| format!("\"{}\"", url.trim_end_matches("/v1"))).collect();
        let key = "key = { id = \"AKIDEXAMPLE\", secret_file = \"secret\", session_token_file = \"session\" }";
        format!("[aws]\narc_origins = [{}]\n{key}\n", origins.join(", "))
    }

    fn control(&self) -> Arc<dyn TrafficControl> {
        self.place.control(&self.means(), &self.config()).unwrap()
    }

    fn behaves(&self, manners: [Manner; 3]) {
        *self.cluster.manners.lock().unwrap() = manners;
    }

    fn updates(&self) -> Vec<Value> {
        let calls = self.cluster.calls.lock().unwrap();
        calls.iter().filter(|(_, operation, _)| operation == "UpdateRoutingControlStates").map(|(.., body)| body.clone()).collect()
    }
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, [("content-type", "application/x-amz-json-1.0")], json!({ "__type": kind, "message": message }).to_string()).into_response()
}

async fn answer(
    State((endpoint, cluster)): State<(usize, Arc<Cluster>)>,
    uri: Uri,
    method: http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let manner = cluster.manners.lock().unwrap()[endpoint];
    match manner {
        Manner::Good => {}
        Manner::Unavailable => return refusal(StatusCode::SERVICE_UNAVAILABLE, "EndpointTemporarilyUnavailableException", "not now"),
        Manner::Throttling => return refusal(StatusCode::BAD_REQUEST, "ThrottlingException", "slowly"),
        Manner::Hanging => std::future::pending().await,
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let invalid = |why: &str| refusal(StatusCode::BAD_REQUEST, "ValidationException", why);
    // The model: POST to the endpoint's own path, JSON 1.0, the operation in a header, signed for the endpoint's region.
    if (method.as_str(), uri.path()) != ("POST", "/v1") || header("content-type") != "application/x-amz-json-1.0" {
        return invalid("not a request of this protocol");
    }
    let scope = format!("/region-{endpoint}/route53-recovery-cluster/aws4_request, ");
    if !header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !header("authorization").contains(&scope) {
        return refusal(StatusCode::FORBIDDEN, "AccessDeniedException", "not signed for this region");
    }
    let seen: BTreeMap<String, String> = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let body_text = String::from_utf8(body.to_vec()).unwrap();
    cluster.heard.lock().unwrap().push(json!({ "host": seen["host"], "region": format!("region-{endpoint}"), "headers": seen, "body": body_text }));
    let Some(operation) = header("x-amz-target").strip_prefix("ToggleCustomerAPI.").map(str::to_owned) else { return invalid("no such target") };
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(&body) else { return invalid("no JSON") };
    cluster.calls.lock().unwrap().push((endpoint, operation.clone(), Value::Object(members.clone())));
    let mut states = cluster.states.lock().unwrap();
    match operation.as_str() {
        "GetRoutingControlState" => {
            let [(name, Value::String(arn))] = &members.iter().collect::<Vec<_>>()[..] else { return invalid("one member, a text") };
            let Some(state) = states.get(arn).filter(|_| *name == "RoutingControlArn") else {
                return refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", "no such routing control");
            };
            json!({ "RoutingControlArn": arn, "RoutingControlName": "x", "RoutingControlState": state }).to_string().into_response()
        }
        "UpdateRoutingControlStates" => {
            let Some(entries) = members.get("UpdateRoutingControlStateEntries").and_then(Value::as_array).filter(|_| members.len() == 1) else {
                return invalid("entries, and no safety rule to override");
            };
            let mut after = states.clone();
            for entry in entries {
                let (Some(arn), Some(state @ ("On" | "Off"))) = (entry["RoutingControlArn"].as_str(), entry["RoutingControlState"].as_str()) else {
                    return invalid("an entry has an ARN and a state, On or Off");
                };
                if after.insert(arn.to_owned(), state.to_owned()).is_none() {
                    return refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", "no such routing control");
                }
            }
            if *cluster.one_stays_on.lock().unwrap() && !after.values().any(|state| state == "On") {
                return refusal(StatusCode::CONFLICT, "ConflictException", "a safety rule keeps one on");
            }
            *states = after;
            "{}".into_response()
        }
        _ => invalid("no such operation"),
    }
}

#[tokio::test]
async fn double_of_arc_all_controls_are_switched_in_one_call_and_read_back() {
    let double = Double::open().await;
    let control = double.control();
    assert_eq!(control.regions().await.unwrap(), regions([EAST]));
    let said = control.send_to(&regions([WEST])).await.unwrap();
    assert_says(&said, &["send clients to us-west-2, switched in one call and read back", "the old answer for up to 1m"]);
    assert_eq!(control.regions().await.unwrap(), regions([WEST]));
    let [update] = &double.updates()[..] else { panic!("{:?}", double.updates()) };
    let entry = |region: &str, state: &str| json!({ "RoutingControlArn": arn(region), "RoutingControlState": state });
    let entries = [entry(NORTH, "Off"), entry(EAST, "Off"), entry(WEST, "On")];
    assert_eq!(update["UpdateRoutingControlStateEntries"], json!(entries), "the whole of it, so that safety rules see no half");

    assert_says(&control.send_to(&regions([WEST])).await.unwrap(), &["already"]);
    assert_eq!(double.updates().len(), 1, "what is so already is not told again");
    control.send_to(&regions([EAST, WEST])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([EAST, WEST]));
    assert_says(&why(control.send_to(&regions(["mars"])).await), &["does not say which routing control mars has"]);
}

#[tokio::test]
async fn double_of_arc_a_safety_rule_that_says_no_is_told_and_asked_only_once() {
    let double = Double::open().await;
    let control = double.control();
    assert_says(&why(control.send_to(&regions([])).await), &["ARC refuses UpdateRoutingControlStates", "409", "a safety rule keeps one on"]);
    assert_eq!(double.updates().len(), 1, "another endpoint would say the same");
    assert_eq!(control.regions().await.unwrap(), regions([EAST]));
    *double.cluster.one_stays_on.lock().unwrap() = false;
    control.send_to(&regions([])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([]));
}

#[tokio::test]
async fn double_of_arc_any_endpoint_may_be_gone_and_another_is_asked() {
    let double = Double::open().await;
    let control = double.control();
    for manner in [Manner::Unavailable, Manner::Throttling] {
        double.behaves([manner, manner, Manner::Good]);
        for to in [[WEST], [EAST]] {
            control.send_to(&regions(to)).await.unwrap();
            assert_eq!(control.regions().await.unwrap(), regions(to));
        }
    }
    let asked: std::collections::BTreeSet<usize> = {
        double.behaves([Manner::Good; 3]);
        double.cluster.calls.lock().unwrap().clear();
        for _ in 0..8 {
            control.regions().await.unwrap();
        }
        double.cluster.calls.lock().unwrap().iter().map(|(endpoint, ..)| *endpoint).collect()
    };
    assert_eq!(asked.len(), 3, "the order changes, so that no endpoint is relied on");

    double.behaves([Manner::Unavailable; 3]);
    assert_says(&why(control.regions().await), &["no endpoint of the ARC cluster answers GetRoutingControlState", "503", "not now"]);
    double.behaves([Manner::Hanging; 3]);
    let started = Instant::now();
    assert_says(&why(control.send_to(&regions([WEST])).await), &["no endpoint of the ARC cluster answers"]);
    assert!(started.elapsed() < Duration::from_secs(6), "the step that sends clients has 10 s");
}

#[tokio::test]
async fn double_of_arc_a_rehearsal_reads_and_says_how_little_that_proves() {
    let double = Double::open().await;
    let control = double.control();
    let said = control.rehearse(&regions([WEST])).await.unwrap();
    assert_says(&said, &["send clients to us-east-1", "switched in one call to send them to us-west-2", "only reading was rehearsed"]);
    assert_eq!((double.updates().len(), control.regions().await.unwrap()), (0, regions([EAST])));
    assert_says(&why(control.rehearse(&regions(["mars"])).await), &["does not say which"]);
    let abilities = control.abilities();
    assert!(!abilities.rehearses && abilities.reads_back && !abilities.simulated);
    assert_eq!((abilities.delay, abilities.patience), (Some(Span::from_secs(60)), Some(Span::from_secs(3))));
    let broken = double.place.control(&double.means().replace(&arn(NORTH), &arn("nowhere")), &double.config()).unwrap();
    assert_says(&why(broken.regions().await), &["eu-north-1", "404", "no such routing control"]);
}

/// botocore signs the same request again with the same key, at the same time; both must come to the same signature.
#[tokio::test]
async fn requests_to_arc_are_signed_as_botocore_signs_them() {
    const AGAIN: &str = "
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
import botocore.compat, datetime
for heard in json.load(sys.stdin):
    sent = heard['headers']
    signed = sent['authorization'].split('SignedHeaders=')[1].split(',')[0].split(';')
    kept = {name: sent[name] for name in signed if name not in ('host', 'x-amz-date', 'x-amz-security-token')}
    request = AWSRequest('POST', 'http://' + heard['host'] + '/v1', kept, heard['body'])
    auth = SigV4Auth(Credentials('AKIDEXAMPLE', sys.argv[1], sys.argv[2]), 'route53-recovery-cluster', heard['region'])
    request.context['timestamp'] = sent['x-amz-date']
    request.headers['X-Amz-Date'] = sent['x-amz-date']
    request.headers['X-Amz-Security-Token'] = sys.argv[2]
    string = auth.string_to_sign(request, auth.canonical_request(request))
    print('Signature=' + auth.signature(string, request) == sent['authorization'].split(', ')[-1])
";
    let double = Double::open().await;
    double.control().send_to(&regions([WEST])).await.unwrap();
    let heard = double.cluster.heard.lock().unwrap().clone();
    assert!(heard.len() >= 7, "three states read twice and one change: {}", heard.len());
    assert!(heard.iter().all(|request| request["headers"]["x-amz-security-token"] == "canary-of-the-session"));
    // moto stands on botocore, so its Python has it.
    let path = std::env::var("PATH").unwrap();
    let moto = path.split(':').map(|folder| std::path::Path::new(folder).join("moto_server")).find(|path| path.exists());
    let python = std::fs::canonicalize(moto.expect("moto is missing: .ci/tools installs it")).unwrap().with_file_name("python");
    let mut child =
        Command::new(python).args(["-c", AGAIN, SECRET, "canary-of-the-session"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &heard).unwrap();
    let output = child.wait_with_output().unwrap();
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!(verdicts.lines().collect::<Vec<_>>(), vec!["True"; heard.len()]);
}

#[tokio::test]
async fn declarations_with_a_mistake_are_refused_in_a_sentence_and_requests_stay_in_aws() {
    let double = Double::open().await;
    let (good, config) = (double.means(), double.config());
    let refused = |means: &str, config: &str, said: &str| assert_says(&why(double.place.control(means, config)), &[said]);
    let without = config.lines().filter(|line| !line.starts_with("arc_origins")).collect::<Vec<_>>().join("\n");
    refused(&good, &without, "does not lie in AWS, and [aws] arc_origins in the configuration does not name it");
    refused(&good.replace("http://", "http://x.amazonaws.com.thief.example@"), &config, "no address of an ARC cluster");
    refused(&good.replace(&double.urls[0], "https://amazonaws.com.thief.example/v1"), &config, "does not lie in AWS");
    refused(&good.replace(&double.urls[0], "http://x.us-east-1.amazonaws.com/v1"), &config, "does not lie in AWS");
    double.place.control(&good.replace(&double.urls[0], "https://x.us-east-1.amazonaws.com/v1"), &config).unwrap();
    refused(&good.replace(&arn(WEST), &arn(EAST)), &config, "two regions have the same routing control");
    refused(&good.replace(&arn(WEST), "arn:aws:iam::1:role/x"), &config, "is no ARN of a routing control");
    let start = good.find("endpoints = [").unwrap();
    let end = start + good[start..].find(']').unwrap();
    refused(&format!("{}endpoints = [{}", &good[..start], &good[end..]), &config, "it has no endpoint");
    refused(&good, &config.replace("\"secret\"", "\"absent\""), "absent cannot be read");
}
