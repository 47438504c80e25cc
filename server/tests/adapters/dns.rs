//! Moves by dynamic update, against a real BIND.

use crate::{
    named::{KEY, Named},
    place::{EAST, NORTH, WEST, assert_says, regions, why},
};
use engine::time::Span;
use server::connect::{
    dns::{NameServer, Standing, Target},
    traffic::TrafficControl,
};
use std::sync::Arc;

fn control(named: &Named) -> Arc<dyn TrafficControl> {
    named.place.control(&named.means(), &named.config("key")).unwrap()
}

/// Asks BIND as another writer with the same key would.
fn beside(named: &Named) -> NameServer {
    let secret = domain::utils::base64::decode::<Vec<u8>>(std::fs::read_to_string(named.place.path("key")).unwrap().trim()).unwrap();
    let key = domain::tsig::Key::new(domain::tsig::Algorithm::Sha256, &secret, KEY.parse().unwrap(), None, None).unwrap();
    NameServer { address: named.address.clone(), zone: "shop.example".parse().unwrap(), key }
}

async fn stand(named: &Named) -> Standing {
    beside(named).standing(&"checkout.shop.example".parse().unwrap()).await.unwrap()
}

async fn put(named: &Named, targets: &[&str]) {
    let ttl = domain::base::Ttl::from_secs(45);
    let wanted = targets.iter().map(|text| (Target::parse(text).unwrap(), ttl)).collect();
    beside(named).replace(&"checkout.shop.example".parse().unwrap(), &stand(named).await, &wanted).await.unwrap();
}

async fn targets(named: &Named) -> Vec<String> {
    stand(named).await.records.iter().map(|(target, ttl)| format!("{target} for {}", ttl.as_secs())).collect()
}

#[tokio::test]
async fn clients_are_moved_added_and_sent_nowhere() {
    let named = Named::open().await;
    let control = control(&named);
    assert_eq!(control.abilities().delay, Some(Span::from_secs(30)));
    assert_eq!(control.regions().await.unwrap(), regions([EAST]));

    let said = control.send_to(&regions([WEST])).await.unwrap();
    assert_says(&said, &["stands for 192.0.2.2 on 127.0.0.1:", "read back", "sent to us-west-2", "the old answer for up to 1m"]);
    assert_eq!(control.regions().await.unwrap(), regions([WEST]));
    assert_eq!(targets(&named).await, ["192.0.2.2 for 30"]);
    assert_says(&control.send_to(&regions([WEST])).await.unwrap(), &["already"]);

    assert_says(&control.send_to(&regions([EAST, WEST])).await.unwrap(), &["the old answer for up to 30s"]);
    assert_eq!(targets(&named).await, ["192.0.2.1 for 30", "192.0.2.2 for 30", "2001:db8::1 for 30"]);

    let said = control.send_to(&regions([])).await.unwrap();
    assert_says(&said, &["were deleted", "no address at all", "the old answer for up to 30s", "up to 1m that there is none"]);
    assert_eq!(control.regions().await.unwrap(), regions([]));
    control.send_to(&regions([NORTH])).await.unwrap();
    assert_eq!(targets(&named).await, ["edge.cdn.example for 30"], "an alias takes the place of addresses");
    control.send_to(&regions([EAST])).await.unwrap();
    assert_eq!(targets(&named).await, ["192.0.2.1 for 30", "2001:db8::1 for 30"]);
    assert_says(&why(control.send_to(&regions([EAST, NORTH])).await), &["one other name (CNAME) or for addresses"]);
}

#[tokio::test]
async fn a_rehearsal_asks_for_permission_and_changes_nothing() {
    let named = Named::open().await;
    let control = control(&named);
    let said = control.rehearse(&regions([NORTH])).await.unwrap();
    assert_says(&said, &["sends clients to us-east-1", "it would stand for edge.cdn.example", "accepts such changes"]);
    assert_says(&control.rehearse(&regions([])).await.unwrap(), &["no address at all"]);
    assert_eq!(targets(&named).await, ["192.0.2.1 for 60", "2001:db8::1 for 60"]);
    assert!(!named.place.path("zone.jnl").exists(), "BIND has no change to remember");
    control.send_to(&regions([WEST])).await.unwrap();
    assert!(named.place.path("zone.jnl").exists());
}

#[tokio::test]
async fn an_alias_is_refused_where_it_could_not_stand() {
    let named = Named::open().await;
    let control = named.place.control(&named.means().replace("checkout.shop", "mixed.shop"), &named.config("key")).unwrap();
    for said in [why(control.rehearse(&regions([NORTH])).await), why(control.send_to(&regions([NORTH])).await)] {
        assert_says(&said, &["records of another kind too (TXT)", "cannot stand beside"]);
    }
    assert_eq!(control.regions().await.unwrap(), regions([EAST]), "the addresses were not given up for it");
    control.send_to(&regions([WEST])).await.unwrap();
}

#[tokio::test]
async fn records_that_nobody_declared_are_not_guessed_about() {
    let named = Named::open().await;
    let control = control(&named);
    for (there, strange) in
        [(&["192.0.2.2", "198.51.100.7"][..], "198.51.100.7"), (&["192.0.2.1"], "192.0.2.1"), (&["other.example."], "other.example")]
    {
        put(&named, there).await;
        for said in [why(control.regions().await), why(control.send_to(&regions([WEST])).await), why(control.rehearse(&regions([WEST])).await)] {
            assert_says(&said, &[&format!("of that, {strange} is not all of a region's targets")]);
        }
        assert_eq!(targets(&named).await.len(), there.len(), "nothing was overwritten");
    }
}

#[tokio::test]
async fn of_two_writers_the_second_is_told() {
    let named = Named::open().await;
    let before = stand(&named).await;
    control(&named).send_to(&regions([WEST])).await.unwrap();
    let (late, name) = (beside(&named), "checkout.shop.example".parse().unwrap());
    for wanted in [before.records.clone(), Default::default()] {
        assert_says(&why(late.replace(&name, &before, &wanted).await), &["somebody else changed", "left alone"]);
    }
    assert_says(&why(late.rehearse(&name, &before, &before.records).await), &["somebody else changed"]);
    assert_eq!(targets(&named).await, ["192.0.2.2 for 30"]);
    let gone = Standing::default();
    assert_says(&why(late.replace(&name, &gone, &before.records).await), &["somebody else changed"]);
}

#[tokio::test]
async fn a_key_that_is_wrong_or_may_not_is_said_before_it_matters() {
    let named = Named::open().await;
    let wrong = named.place.control(&named.means(), &named.config("other-key")).unwrap();
    for said in [why(wrong.regions().await), why(wrong.send_to(&regions([WEST])).await)] {
        assert_says(&said, &["NOTAUTH", "server failed to verify MAC"]);
        assert!(!said.contains("c2Vj") && !said.contains("YW5v"), "{said}");
    }
    let means = named.means().replace(KEY, "stranger.example.");
    let stranger = named.place.control(&means, &named.config("key").replace(KEY, "stranger.example.")).unwrap();
    assert_eq!(stranger.regions().await.unwrap(), regions([EAST]), "BIND knows this key, so it may read");
    for said in [why(stranger.rehearse(&regions([WEST])).await), why(stranger.send_to(&regions([WEST])).await)] {
        assert_says(&said, &["does not let the key stranger.example change"]);
    }
    assert_eq!(targets(&named).await.len(), 2);
}

#[tokio::test]
async fn a_silent_server_is_an_error_and_not_a_guess() {
    let mut named = Named::open().await;
    let control = control(&named);
    named.kill().await;
    assert_says(&why(control.regions().await), &[&named.address, "cannot be reached"]);
    // It accepts connections and never answers.
    let deaf = std::net::TcpListener::bind(&named.address).unwrap();
    assert_says(&why(control.regions().await), &["no answer within 3 s"]);
    drop(deaf);
}

#[tokio::test]
async fn declarations_with_a_mistake_are_refused_in_a_sentence() {
    let named = Named::open().await;
    let config = named.config("key");
    let refused = |means: &str, config: &str, said: &str| assert_says(&why(named.place.control(means, config)), &[said]);
    let good = named.means();
    refused(&good, "", "the configuration has no [dns_key.\"lifeboat.example.\"] with secret_file");
    refused(&good, &named.config("absent"), "absent cannot be read");
    refused(&good, &named.config("zone"), "holds no base64");
    refused(&good.replace("zone = \"shop", "zone = \"other"), &config, "does not lie in the zone");
    refused(&good.replace("30s", "1500ms"), &config, "not whole seconds");
    refused(&good.replace("192.0.2.2", "192.0.2.1"), &config, "declared for us-west-2 and for another region");
    refused(&good.replace("192.0.2.2", "192.0.2"), &config, "neither an IPv4 or IPv6 address nor a full name");
    refused(&good.replace("[\"192.0.2.2\"]", "[]"), &config, "us-west-2 has no target");
    let control = control(&named);
    assert_says(&why(control.send_to(&regions(["mars"])).await), &["does not say what checkout.shop.example stands for in mars"]);
}
