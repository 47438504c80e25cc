//! Moves by a record set of Route 53, against moto.

use crate::{
    moto::{Moto, SECRET},
    place::{EAST, NORTH, Place, WEST, assert_says, regions, why},
};
use engine::time::Span;
use server::connect::traffic::TrafficControl;
use std::{sync::Arc, time::Duration};

const NAME: &str = "checkout.shop.example.";
const TARGETS: &str = "us-east-1 = [\"192.0.2.1\", \"192.0.2.11\"], us-west-2 = [\"192.0.2.2\"]";

fn means(zone: &str) -> String {
    format!("{{ route53 = {{ hosted_zone = \"{zone}\", name = \"Checkout.shop.example\", ttl = \"30s\", targets = {{ {TARGETS} }} }} }}")
}

/// Clients are sent to the east, with another time to live than declared.
async fn shop() -> Moto {
    let moto = Moto::open().await;
    moto.put_addresses(NAME, 60, &["192.0.2.1", "192.0.2.11"]).await;
    moto
}

fn control(moto: &Moto) -> Arc<dyn TrafficControl> {
    moto.place.control(&means(&moto.zone), &moto.config()).unwrap()
}

#[tokio::test]
async fn clients_are_moved_added_and_sent_nowhere() {
    let moto = shop().await;
    let control = control(&moto);
    assert_eq!(control.regions().await.unwrap(), regions([EAST]));
    let said = control.send_to(&regions([WEST])).await.unwrap();
    assert_says(&said, &["stands for 192.0.2.2, read back", "sent to us-west-2", "is on all name servers", "the old answer for up to 1m"]);
    assert_eq!(control.regions().await.unwrap(), regions([WEST]));
    let records = moto.records().await;
    assert_says(&records, &["<Value>192.0.2.2</Value>", "<TTL>30</TTL>"]);
    assert!(!records.contains("192.0.2.1<") && !records.contains("192.0.2.11<"), "{records}");
    assert_says(&control.send_to(&regions([WEST])).await.unwrap(), &["already"]);

    assert_says(&control.send_to(&regions([EAST, WEST])).await.unwrap(), &["192.0.2.1, 192.0.2.11, 192.0.2.2", "the old answer for up to 30s"]);
    assert_eq!(control.regions().await.unwrap(), regions([EAST, WEST]));
    assert_says(&control.send_to(&regions([])).await.unwrap(), &["was deleted, read back", "no address at all"]);
    assert_eq!(control.regions().await.unwrap(), regions([]));
    assert!(!moto.records().await.contains("checkout"), "it is gone");
    control.send_to(&regions([EAST])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([EAST]), "and made anew");
    assert_says(&why(control.send_to(&regions(["mars"])).await), &["does not say what checkout.shop.example. stands for in mars"]);
}

#[tokio::test]
async fn a_rehearsal_reads_changes_nothing_and_says_how_little_that_proves() {
    let moto = shop().await;
    let (control, before) = (control(&moto), moto.records().await);
    let said = control.rehearse(&regions([WEST])).await.unwrap();
    assert_says(&said, &["sends clients to us-east-1", "it would stand for 192.0.2.2", "only reading was rehearsed"]);
    assert_says(&control.rehearse(&regions([])).await.unwrap(), &["no address at all"]);
    assert_eq!(moto.records().await, before);
    let abilities = control.abilities();
    assert!(!abilities.rehearses && abilities.reads_back && !abilities.simulated);
    assert_eq!((abilities.delay, abilities.patience), (Some(Span::from_secs(30)), Some(Span::from_secs(3))));
}

#[tokio::test]
async fn other_records_are_left_alone_and_undeclared_values_are_not_guessed_about() {
    let moto = shop().await;
    moto.put_addresses("checkout2.shop.example.", 60, &["192.0.2.77"]).await;
    moto.put(NAME, "TXT", "<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>\"checkout\"</Value></ResourceRecord></ResourceRecords>").await;
    control(&moto).send_to(&regions([WEST])).await.unwrap();
    assert_says(&moto.records().await, &["192.0.2.77", "checkout2.shop.example.", "TXT"]);
    for strange in [&["192.0.2.2", "198.51.100.7"][..], &["192.0.2.1"], &["203.0.113.9"]] {
        moto.put_addresses(NAME, 60, strange).await;
        let before = moto.records().await;
        let control = control(&moto);
        for said in [why(control.regions().await), why(control.send_to(&regions([WEST])).await), why(control.rehearse(&regions([WEST])).await)] {
            assert_says(&said, &["is not all of a region's targets, so where clients are sent is not known"]);
        }
        assert_eq!(moto.records().await, before, "nothing was overwritten");
    }
}

/// A health check that is disabled counts as healthy, so nothing here ever touches one; and what depends on one is not changed.
#[tokio::test]
async fn r1_records_with_a_health_check_or_a_weight_are_refused_and_no_health_check_is_changed() {
    let moto = Moto::open().await;
    let made = moto
        .post("healthcheck", "<CreateHealthCheckRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><CallerReference>1</CallerReference><HealthCheckConfig><IPAddress>192.0.2.1</IPAddress><Port>80</Port><Type>HTTP</Type><ResourcePath>/</ResourcePath></HealthCheckConfig></CreateHealthCheckRequest>")
        .await;
    let id = made.split("<Id>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_else(|| panic!("{made}")).to_owned();
    let east = "<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>";
    moto.put(NAME, "A", &format!("<SetIdentifier>east</SetIdentifier><Weight>100</Weight>{east}<HealthCheckId>{id}</HealthCheckId>")).await;
    let (checks, records, control) = (moto.get("healthcheck").await, moto.records().await, control(&moto));
    for said in [why(control.regions().await), why(control.send_to(&regions([WEST])).await), why(control.rehearse(&regions([WEST])).await)] {
        assert_says(&said, &["has weighted, failover or other routed records in Route 53, so its records are not changed from here"]);
    }
    assert_eq!((moto.get("healthcheck").await, moto.records().await), (checks, records));
}

#[tokio::test]
async fn other_types_of_records_work_the_same() {
    let moto = Moto::open().await;
    let six = means(&moto.zone)
        .replace(TARGETS, "us-east-1 = [\"2001:db8::1\"], us-west-2 = [\"2001:db8::2\"]")
        .replace("ttl", "record_type = \"AAAA\", ttl");
    let control = moto.place.control(&six, &moto.config()).unwrap();
    control.send_to(&regions([EAST, WEST])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([EAST, WEST]));
    let alias = means(&moto.zone).replace("Checkout", "edge").replace("ttl", "record_type = \"CNAME\", ttl");
    let alias = alias.replace(TARGETS, "us-east-1 = [\"east.cdn.example.\"], eu-north-1 = [\"north.cdn.example.\"]");
    let control = moto.place.control(&alias, &moto.config()).unwrap();
    control.send_to(&regions([EAST])).await.unwrap();
    control.send_to(&regions([NORTH])).await.unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([NORTH]));
    assert_says(&why(control.send_to(&regions([EAST, NORTH])).await), &["one other name (CNAME)"]);
}

#[tokio::test]
async fn a_wrong_zone_and_a_silent_server_are_errors_within_bounds() {
    let mut moto = shop().await;
    let lost = moto.place.control(&means("Z0000000000000"), &moto.config()).unwrap();
    let said = why(lost.regions().await);
    assert_says(&said, &["Route 53 answers 404", "NoSuchHostedZone"]);
    assert!(!said.contains(SECRET) && !said.contains("AKID"), "{said}");
    let control = control(&moto);
    moto.kill().await;
    assert_says(&why(control.send_to(&regions([WEST])).await), &["127.0.0.1 gives no answer: "]);
    // It accepts connections and never answers.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = moto.config().replace(&moto.url, &format!("http://{}", deaf.local_addr().unwrap()));
    let (control, started) = (moto.place.control(&means("Z1"), &config).unwrap(), std::time::Instant::now());
    assert_says(&why(control.regions().await), &["gives no answer: not in time"]);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn declarations_with_a_mistake_are_refused_in_a_sentence() {
    let place = Place::new();
    place.write("secret", SECRET);
    let config = "[aws]\nkey = { id = \"AKIDEXAMPLE\", secret_file = \"secret\" }\n";
    let good = means("Z1");
    let refused = |means: &str, config: &str, said: &str| assert_says(&why(place.control(means, config)), &[said]);
    place.control(&good, config).unwrap();
    refused(&good.replace("\"Z1\"", "\"/hostedzone/Z1\""), config, "is no id of a hosted zone");
    refused(&good.replace("Checkout", "*"), config, "is no name that clients look up");
    refused(&good.replace("30s", "1500ms"), config, "not whole seconds");
    refused(&good.replace("192.0.2.2", "2001:db8::2"), config, "cannot be the value of a record of the type A");
    refused(&good.replace("192.0.2.2", "192.0.2.1"), config, "declared for us-west-2 and for another region");
    refused(&good, &config.replace("\"secret\"", "\"absent\""), "absent cannot be read");
    refused(&good, &format!("{config}route53_endpoint = \"ftp://x\""), "no address of Route 53");
    refused(&good, "", "no [aws.key] with id and secret_file");
}
