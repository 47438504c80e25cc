//! `lifeboat status`: from the store where no server runs, and then nothing is green.

use crate::{
    house::House,
    program::Program,
    world::{self, EAST, ESTATE, id},
};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
};

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

/// A server that answers, and whose board has stopped: nothing it shows is true any more.
#[tokio::test]
async fn f9_verdicts_that_nobody_looks_at_any_more_are_shown_as_unknown_and_the_server_is_not_healthy() {
    let house = House::with_people().await;
    let mut browser = house.browser();
    assert_eq!(browser.get("/healthz").await.status, 200);
    let now = chrono::Utc::now();
    let mut observed = world::healthy(house.desk.estate(), now);
    (observed.judged_at, observed.tick) = (Some(now), 7);
    house.desk.put_up(observed.clone());
    assert_eq!(browser.get("/healthz").await.status, 200);
    (observed.judged_at, observed.tick) = (Some(now - chrono::TimeDelta::seconds(11)), 8);
    house.desk.put_up(observed);
    let answer = browser.get("/healthz").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (503, "watching has stalled"));
    let picture = house.desk.picture();
    let nodes = picture.observed.clusters.values().flat_map(|view| &view.nodes);
    assert!(nodes.clone().count() == 3 && nodes.clone().all(|node| node.judgement.health == engine::health::Health::Unknown));
    let plan = picture.plan(engine::failover::OperationKind::Switchover, &id("users"), Some(&id(world::WEST))).unwrap();
    assert!(!plan.hard_blockers().is_empty(), "and nothing is moved because of it");
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

#[tokio::test]
async fn row_65_the_offline_pack_can_be_downloaded() {
    let house = House::with_people().await;
    house.desk.put_up(world::healthy(house.desk.estate(), chrono::Utc::now()));
    let pack = house.signed_in(crate::house::somebody(engine::access::Role::Viewer)).await.get("/pack").await;
    assert_eq!(pack.status, 200);
    assert!(pack.body.contains("from the running server") && pack.body.contains("pg_promote") && pack.body.contains(EAST), "{}", pack.body);
    assert!(pack.header("content-disposition").contains("attachment"));
}

#[tokio::test]
async fn row_65_without_a_server_the_pack_is_written_from_the_store_and_says_so() {
    let house = House::with_people().await;
    house.desk.store().close().await;
    let program = Program::around(house.folder, "", ESTATE);
    let said = program.run(&["pack", "pack.html"]);
    assert_eq!(said.code, 2, "what nobody watches is not known: {said:?}");
    let pack = std::fs::read_to_string(program.path("pack.html")).unwrap();
    assert!(pack.contains("NO SERVER ANSWERS") && pack.contains(EAST) && !pack.contains("Nothing was known to be wrong"), "{pack}");
    let refused = program.run(&["pack", "no/such/folder/pack.html"]);
    assert!(refused.code == 1 && refused.err.contains("cannot be written"), "{refused:?}");
}

#[test]
fn row_65_a_running_server_gives_the_pack_to_the_command_line() {
    let program = Program::plain();
    let running = program.serve("error");
    let said = program.run(&["pack", "pack.html"]);
    drop(running);
    assert_eq!(said.code, 0, "{said:?}");
    let pack = std::fs::read_to_string(program.path("pack.html")).unwrap();
    assert!(pack.contains("from the running server") && pack.contains("Offline pack of plain"), "{pack}");
    let left: Vec<_> = std::fs::read_dir(program.folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "no draft is left: {left:?}");
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
    drop(UnixListener::bind(program.data().join("status.sock")).unwrap());
    let said = program.run(&["status", "--json"]);
    assert!(said.out.contains("\"source\": \"store\"") && said.code == 2, "{said:?}");
    let server = program.serve("info");
    assert!(program.run(&["status", "--json"]).out.contains("\"source\": \"server\""), "and it is not in a server's way");
    server.stop();
}

/// A server that dies in the middle of its answer has not answered, however much of it arrived.
#[test]
fn an_answer_that_breaks_off_is_none() {
    let program = Program::plain();
    let server = program.serve("error");
    let socket = program.data().join("status.sock");
    let ask = |question: &str| {
        let (mut stream, mut answer) = (UnixStream::connect(&socket).unwrap(), Vec::new());
        stream.write_all(question.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut answer).unwrap();
        answer
    };
    let whole = [ask("status"), ask("pack")];
    server.stop();
    if socket.exists() {
        std::fs::remove_file(&socket).unwrap();
    }
    let listener = UnixListener::bind(&socket).unwrap();
    let broken = std::thread::spawn(move || {
        for answer in &whole {
            let (mut stream, mut question) = (listener.accept().unwrap().0, String::new());
            stream.read_to_string(&mut question).unwrap();
            stream.write_all(&answer[..answer.len() - 1]).unwrap();
        }
        whole.map(|answer| answer.len())
    });
    let said = program.run(&["status", "--json"]);
    assert!(said.out.contains("\"source\": \"store\"") && said.code == 2, "{said:?}");
    let said = program.run(&["pack", "pack.html"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(std::fs::read_to_string(program.path("pack.html")).unwrap().contains("NO SERVER ANSWERS"));
    assert!(broken.join().unwrap().iter().all(|length| *length > 100), "both were asked, and all but the end of an answer was there");
}
