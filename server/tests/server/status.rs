//! `lifeboat status`: from the store where no server runs, and then nothing is green.

use crate::{
    house::House,
    program::Program,
    world::{self, EAST, ESTATE, id},
};
use serde_json::Value;

/// Every verdict in the document, with the way to it.
fn verdicts(value: &Value, way: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Value::String(text)) = (["tone", "worst", "agent"].contains(&name.as_str()), value) {
                    found.push((format!("{way}/{name}"), text.clone()));
                }
                verdicts(value, &format!("{way}/{name}"), found);
            }
        }
        Value::Array(values) => values.iter().enumerate().for_each(|(at, value)| verdicts(value, &format!("{way}/{at}"), found)),
        _ => {}
    }
}

#[tokio::test]
async fn without_a_server_the_store_is_read_and_nothing_is_green() {
    // Readings from a minute ago, all of them good, and nobody who looks now.
    let house = House::with_people().await;
    let at = chrono::Utc::now() - chrono::TimeDelta::seconds(61);
    let nodes = &house.desk.estate().clusters[0].nodes;
    let readings: Vec<_> = nodes.iter().map(|node| (id("users"), node.id.clone(), world::reading(node.id.as_str(), at))).collect();
    house.desk.store().keep_readings(&readings).await.unwrap();
    house.desk.store().close().await;
    let program = Program::around(house.folder, "", ESTATE);

    let said = program.run(&["status", "--json"]);
    assert!(said.code == 1 || said.code == 2, "not well: {said:?}");
    let status: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(status["source"], "store");
    let mut found = Vec::new();
    verdicts(&status, "", &mut found);
    assert!(found.iter().any(|(way, _)| way.starts_with("/overview/clusters/0/nodes")), "verdicts were found: {found:?}");
    assert!(found.iter().all(|(_, tone)| tone != "ok"), "{found:?}");
    let cluster = &status["overview"]["clusters"][0];
    assert_ne!(cluster["protection"], "protected", "{cluster}");
    // What was last read is still told, with its age.
    let east = cluster["nodes"].as_array().unwrap().iter().find(|node| node["node"] == EAST).unwrap();
    assert_eq!((&east["timeline"], east["sampled_at"].is_string()), (&1.into(), true), "{east}");
    assert_eq!(status["overview"]["journal"]["seq"], 7);

    let words = program.run(&["status"]);
    assert_eq!(words.code, said.code);
    assert!(words.out.contains("NO SERVER ANSWERS") && words.out.contains("read 1m "), "{}", words.out);
}

/// An estate with nothing to watch has nothing wrong with it either, and still nobody is watching.
#[test]
fn without_a_server_an_estate_without_anything_to_watch_is_unknown() {
    let program = Program::plain();
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    let said = program.run(&["status", "--json"]);
    assert_eq!(said.code, 2, "{said:?}");
    let status: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&status["source"], &status["overview"]["worst"]), (&"store".into(), &"unknown".into()));
}

/// A server that was killed leaves its socket behind.
#[test]
fn the_socket_of_a_dead_server_is_no_server() {
    let program = Program::plain();
    program.run(&["user", "add", "root", "--role", "admin"]).fine();
    drop(std::os::unix::net::UnixListener::bind(program.data().join("status.sock")).unwrap());
    let said = program.run(&["status", "--json"]);
    assert!(said.out.contains("\"source\": \"store\"") && said.code == 2, "{said:?}");
    let server = program.serve("info");
    assert!(program.run(&["status", "--json"]).out.contains("\"source\": \"server\""), "and it is not in a server's way");
    server.stop();
}
