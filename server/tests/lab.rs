//! The lab and the host agents, with real PostgreSQL: each test has a lab of its own, with its own number and folder.

use engine::databases::Lsn;
use engine::time::Span;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use server::agent::processes;
use server::agent::wire::{Follow, FollowOutcome, LossQuestion, RewindOutcome, Source, Start, Stop, StopMode};
use server::connect::agent::{Agent, AgentError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

/// A running lab; dropping it stops it and removes its data.
struct Lab {
    _home: tempfile::TempDir,
    folder: PathBuf,
    number: u8,
}

/// Whether other users may enter the lab's folder: started by root, the lab must work in both.
enum Home {
    Private,
    Open,
}

impl Lab {
    fn up(home: Home, extra: &[&str]) -> Lab {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let temp = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        if matches!(home, Home::Open) {
            std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let folder = temp.path().join("lab");
        for _ in 0..20 {
            let number = (std::process::id().wrapping_mul(13) + NEXT.fetch_add(1, Ordering::Relaxed) * 29) % 254 + 1;
            let mut arguments = vec!["up", "--number"];
            let text = number.to_string();
            arguments.push(&text);
            arguments.extend(extra);
            let out = lab(&folder, &arguments);
            if out.status.success() {
                return Lab { _home: temp, folder, number: number as u8 };
            }
            assert!(said(&out).contains("cannot listen on"), "up failed: {}", said(&out));
        }
        panic!("no free lab number in 20 tries");
    }

    fn run(&self, arguments: &[&str]) -> String {
        let out = lab(&self.folder, arguments);
        assert!(out.status.success(), "{arguments:?}: {}", said(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let out = lab(&self.folder, arguments);
        assert!(!out.status.success(), "{arguments:?} should have failed");
        said(&out)
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "--json"])).unwrap()
    }

    fn node(&self, id: &str) -> Value {
        self.status()["nodes"].as_array().unwrap().iter().find(|n| n["id"] == id).unwrap().clone()
    }

    /// Polls until a node looks as wanted.
    fn until(&self, what: &str, id: &str, wanted: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let node = self.node(id);
            if wanted(&node) {
                return;
            }
            assert!(Instant::now() < deadline, "{id} never was {what}: {node}");
        }
    }

    fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("secrets").join(name)).unwrap().trim().to_owned()
    }

    /// The agent at its real address, so that a cut does not stop the test.
    fn agent(&self, place: u8) -> Agent {
        Agent::new(format!("http://127.{}.{place}.5:7700", self.number), self.secret("agent-token")).unwrap()
    }

    async fn sql(&self, user: &str, place: u8, host: u8) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host(format!("127.{}.{place}.{host}", self.number)).user(user).password(self.secret(user)).dbname("users");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn data_dir(&self, node: &str) -> PathBuf {
        self.node_root().join("pg").join(node)
    }

    /// Of something the lab has started.
    fn pid(&self, name: &str) -> i32 {
        let text = std::fs::read_to_string(self.folder.join("run/pids").join(format!("{name}.pid"))).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    fn node_root(&self) -> PathBuf {
        let text = std::fs::read_to_string(self.folder.join("lab.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["node_root"].as_str().unwrap().into()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let out = lab(&self.folder, &["down", "--remove"]);
        if !std::thread::panicking() {
            assert!(out.status.success(), "{}", said(&out));
        }
    }
}

fn lab(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.arg("lab").args(arguments).arg("--folder").arg(folder).output().unwrap()
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// The position of a node in `status --json`; a node that does not answer has none, which is less than any.
fn lsn(node: &Value) -> Option<Lsn> {
    node["database"]["lsn"].as_str().map(|text| text.parse().unwrap())
}

fn stop(mode: StopMode, fence: bool) -> Stop {
    Stop { mode, timeout_ms: 10_000, fence }
}

fn from(source: &str) -> Source {
    Source { source: source.into(), timeout_ms: 60_000 }
}

/// The status of a refusal, or what came instead.
fn refusal<T: std::fmt::Debug>(result: Result<T, AgentError>) -> (u16, String) {
    match result {
        Err(AgentError::Refused { status, error, .. }) => (status, error),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_is_healthy_loses_nothing_and_shows_a_dead_and_a_hung_primary() {
    let lab = Lab::up(Home::Private, &["--synchronous"]);
    let status = lab.status();
    assert!(status["services"].as_array().unwrap().iter().all(|s| s["health"] == 200), "{status}");
    let primary = &status["nodes"][0]["database"];
    assert_eq!(primary["streaming"], serde_json::json!([["pg-replica-east", "potential"], ["pg-standby-west", "sync"]]), "{status}");
    assert!(lab.run(&["up"]).contains("already running"));

    let report: Value = serde_json::from_str(&lab.run(&["load", "--seconds", "3", "--json"])).unwrap();
    assert!(report["acknowledged"].as_u64().unwrap() > 50, "{report}");
    assert_eq!(report["missing"], 0);

    // What the dashboard's server reads is written, and true.
    let estate = engine::estate::Estate::from_toml(&std::fs::read_to_string(lab.folder.join("estate.toml")).unwrap()).unwrap();
    assert_eq!(estate.clusters[0].nodes[2].host, format!("127.{}.102.10", lab.number));
    assert_eq!(estate.services.iter().map(|s| s.endpoints.len()).sum::<usize>(), 22);

    // Its roles have exactly what they need, the one that streams too, whose name only the agents know.
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        let out = command.args(["check", "databases", "--config"]).arg(lab.folder.join("lifeboat.toml")).output().unwrap();
        (out.status.code().unwrap(), said(&out))
    };
    let (code, fine) = check();
    assert_eq!((code, fine.matches("nothing is missing (PostgreSQL").count()), (0, 3), "{fine}");
    let as_superuser = async |statement: &str| {
        let mut config = tokio_postgres::Config::new();
        config.host_path(lab.node_root().join("sockets/pg-primary-east")).user("postgres").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statement).await.unwrap();
    };
    as_superuser("REVOKE EXECUTE ON FUNCTION pg_read_binary_file(text) FROM replicator").await;
    let (code, lacks) = check();
    let grant = "on the primary, in the database postgres: GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO replicator;";
    assert!(
        code == 1 && lacks.contains("MISSING EXECUTE on pg_read_binary_file(text) for replicator: pg_rewind cannot") && lacks.contains(grant),
        "{lacks}"
    );
    as_superuser("GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO replicator").await;

    let agent = lab.agent(1);
    let seen = agent.node("pg-primary-east").await.unwrap();
    assert!(seen.running && seen.forks.as_ref().is_ok_and(Vec::is_empty), "{seen:?}");
    assert!(seen.data_room.is_ok_and(|room| room.total > room.free && room.free > 0));
    lab.run(&["kill", "pg-primary-east"]);
    let direct = std::net::TcpStream::connect(format!("127.{}.1.10:5432", lab.number));
    assert_eq!(direct.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    let deadline = Instant::now() + Duration::from_secs(2);
    while std::net::TcpStream::connect(format!("127.{}.101.10:5432", lab.number)).is_ok() {
        assert!(Instant::now() < deadline, "the relay still accepts for a dead node");
    }
    let seen = agent.node("pg-primary-east").await.unwrap();
    assert!(!seen.running && seen.pid.is_none());
    assert_eq!(seen.control.unwrap().state, "in production");
    lab.run(&["heal", "pg-primary-east"]);
    lab.run(&["kill", "haproxy"]);
    lab.run(&["heal", "haproxy"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    let routed = serde_json::json!([["pg-primary-east", "ready"], ["pg-replica-east", "maint"], ["pg-standby-west", "maint"]]);
    while lab.status()["haproxy"]["servers"] != routed {
        assert!(Instant::now() < deadline, "a healed HAProxy must know the writable node: {}", lab.status()["haproxy"]);
    }

    lab.run(&["hang", "pg-primary-east"]);
    let seen = agent.node("pg-primary-east").await.unwrap();
    assert!(seen.running && seen.stopped_by_signal);
    assert_eq!(refusal(agent.stop("pg-primary-east", &stop(StopMode::Fast, true)).await).0, 409);
    assert!(lab.refused(&["heal", "pg-primary-east"]).contains("fenced"), "a fenced primary that hangs must not go on");
    let stopped = agent.stop("pg-primary-east", &stop(StopMode::Kill, true)).await.unwrap();
    assert!(stopped.was_running && stopped.fenced && stopped.proof.process_gone && stopped.proof.port_refuses);
    let start = Start { timeout_ms: 20_000, release: false };
    assert_eq!(refusal(agent.start("pg-primary-east", &start).await).0, 409);
    assert!(lab.refused(&["heal", "pg-primary-east"]).contains("fenced"));
    agent.start("pg-primary-east", &Start { release: true, ..start }).await.unwrap();
    assert!(agent.node("pg-primary-east").await.unwrap().fenced.is_none());

    // D9: a stop that lay on the way too long, or comes behind a later order, does not end the primary.
    agent.clone().numbered(9).start("pg-primary-east", &Start { release: false, ..start }).await.unwrap();
    let (status, why) = refusal(agent.clone().numbered(8).stop("pg-primary-east", &stop(StopMode::Kill, true)).await);
    assert!(status == 412 && why.contains("number 9 came before it"), "{status} {why}");
    let (status, why) = refusal(agent.stop("pg-primary-east", &Stop { timeout_ms: 0, ..stop(StopMode::Kill, true) }).await);
    assert!(status == 412 && why.contains("the order was void"), "{status} {why}");
    let seen = agent.node("pg-primary-east").await.unwrap();
    assert!(seen.running && seen.fenced.is_none());

    for (name, why) in [("nobody", 404), ("pg-standby-west", 404)] {
        assert_eq!(refusal(agent.node(name).await).0, why);
    }
    let stranger = Agent::new(format!("http://127.{}.1.5:7700", lab.number), "x".repeat(64)).unwrap();
    assert_eq!(refusal(stranger.status().await).0, 401);
    // A slow service takes its time for whoever asks, also when it was started anew; healed, it does not.
    let name = "webhook-service.us-west-2";
    let slowed = |status: &Value| status["services"].as_array().unwrap().iter().find(|service| service["name"] == name).unwrap()["slow_ms"].clone();
    let asked = |place: u8| {
        let began = Instant::now();
        let mut client = std::net::TcpStream::connect(format!("127.{}.{place}.28:8080", lab.number)).unwrap();
        client.write_all(b"GET /health HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        began.elapsed()
    };
    lab.run(&["slow", name, "--ms", "700"]);
    assert_eq!(slowed(&lab.status()), 700);
    assert!(lab.run(&["status"]).contains("SLOW: answers after 700 ms"));
    for place in [2, 102] {
        assert!(asked(place) >= Duration::from_millis(700), "at its own address and through the relay");
    }
    assert!(lab.run(&["heal", name]).contains("at its own pace again"));
    assert_eq!(slowed(&lab.status()), Value::Null);
    assert!(lab.refused(&["slow", "pg-standby-west", "--ms", "700"]).contains("only services can be slowed"));
    assert!(lab.refused(&["slow", name, "--ms", "0"]).contains("0 is not in 1..=60000"));

    let refused = lab.refused(&["kill", "nobody"]);
    assert!(refused.contains("api-gateway.us-east-1") && refused.contains("pg-standby-west"), "{refused}");
    assert!(lab.refused(&["cut", "mars"]).contains("eu-west-1"));
}

#[test]
fn a_cut_region_is_alone_until_it_is_mended_and_another_lab_does_not_notice() {
    let lab = Lab::up(Home::Open, &[]);
    let other = Lab::up(Home::Open, &[]);
    assert_ne!(lab.number, other.number);
    lab.run(&["cut", "us-east-1"]);
    let before = lsn(&lab.node("pg-standby-west"));
    // Inside the region writes go on, and the replica beside the primary receives them.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = lab.sql("app", 1, 10).await;
        app.batch_execute("INSERT INTO app.load_rows (run, number) SELECT 1, generate_series(1, 1000)").await.unwrap();
    });
    // PostgreSQL adds a few bytes of its own now and then, so later positions may be beyond this one.
    let written = lsn(&lab.node("pg-primary-east"));
    assert!(written > before);
    lab.until("at the primary's LSN", "pg-replica-east", |n| lsn(n) >= written);
    // After wal_receiver_timeout the standby knows; all the time it received nothing.
    lab.until("not receiving", "pg-standby-west", |n| n["database"]["receiving"] == false);
    assert_eq!(lsn(&lab.node("pg-standby-west")), before);
    let slow = std::net::TcpStream::connect_timeout(&format!("127.{}.101.5:7700", lab.number).parse().unwrap(), Duration::from_millis(300));
    assert_eq!(slow.unwrap_err().kind(), std::io::ErrorKind::TimedOut, "a cut region must not answer");
    assert!(other.status()["services"].as_array().unwrap().iter().all(|s| s["health"] == 200));

    lab.run(&["mend", "us-east-1"]);
    lab.until("at the primary's LSN again", "pg-standby-west", |n| lsn(n) >= written && n["database"]["receiving"] == true);
}

#[test]
fn a_crashed_supervisor_leaves_nothing_behind_after_down() {
    let lab = Lab::up(Home::Open, &[]);
    let pid = lab.status()["supervisor_pid"].to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    until_ended(&pid);
    let roots = [lab.folder.clone(), lab.node_root()];
    assert!(processes_of(&roots) > 10, "the test must see what it looks for");
    let said = lab.run(&["down"]);
    assert!(said.contains("left behind"), "{said}");
    assert_eq!(processes_of(&roots), 0);
    // And its data can be used again.
    lab.run(&["up"]);
    lab.until("streamed to by both", "pg-primary-east", |n| n["database"]["streaming"].as_array().is_some_and(|s| s.len() == 2));
}

/// Waits for what a signal began: a killed process with many threads is seen alive for a moment.
fn until_ended(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    while status().lines().any(|line| line.starts_with("State:") && !line.contains("Z (zombie)") && !line.contains("X (dead)")) {
        assert!(Instant::now() < deadline, "process {pid} survives SIGKILL");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes whose command line or working folder lies in one of the folders.
fn processes_of(folders: &[PathBuf]) -> usize {
    let names = std::fs::read_dir("/proc").unwrap().flatten().filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok());
    let belongs = |path: PathBuf| {
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        let cwd = std::fs::read_link(path.join("cwd")).unwrap_or_default();
        folders.iter().any(|f| command.contains(f.to_str().unwrap()) || cwd.starts_with(f))
    };
    names.filter(|e| belongs(e.path())).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_primary_and_a_replica_that_is_ahead_are_rewound_and_really_join() {
    let lab = Lab::up(Home::Private, &[]);
    let (east, west) = (lab.agent(1), lab.agent(2));
    let admin = lab.sql("lifeboat", 2, 10).await;
    // Seven commits that the other side of the cut never sees.
    lab.run(&["cut", "us-east-1"]);
    let received: String = admin.query_one("SELECT pg_last_wal_receive_lsn()::text", &[]).await.unwrap().get(0);
    let app = lab.sql("app", 1, 10).await;
    for number in 1..=7i64 {
        app.execute("INSERT INTO app.load_rows (run, number) VALUES (7, $1)", &[&number]).await.unwrap();
    }
    lab.run(&["kill", "pg-primary-east"]);
    let stopped = east.stop("pg-primary-east", &stop(StopMode::Kill, true)).await.unwrap();
    assert!(!stopped.was_running && stopped.fenced && stopped.proof.port_refuses);
    lab.run(&["mend", "us-east-1"]);
    let loss = east.loss("pg-primary-east", &LossQuestion { timeline: 1, lsn: received, timeout_ms: 20_000 }).await.unwrap();
    assert_eq!(loss.commits_after, 7, "{loss:?}");
    assert!(loss.bytes_after > 0);
    let far = LossQuestion { timeline: 1, lsn: loss.end_lsn.clone(), timeout_ms: 20_000 };
    let none = east.loss("pg-primary-east", &far).await.unwrap();
    assert_eq!((none.bytes_after, none.commits_after, &none.end_lsn), (0, 0, &loss.end_lsn));

    admin.execute("SELECT pg_promote(false)", &[]).await.unwrap();
    lab.until("promoted", "pg-standby-west", |n| n["database"]["role"] == "primary");
    let follow = |upstream: &str, slot: &str| Follow { upstream: upstream.into(), slot: Some(slot.into()), timeout_ms: 30_000 };
    let (status, why) = refusal(west.follow("pg-standby-west", &follow("pg-replica-east", "x")).await);
    assert!(status == 409 && why.contains("runs as a primary"), "{why}");
    admin.batch_execute("CHECKPOINT").await.unwrap();
    for slot in ["pg_primary_east", "pg_replica_east"] {
        admin.execute("SELECT pg_create_physical_replication_slot($1::text::name)", &[&slot]).await.unwrap();
    }

    let rewound = east.rewind("pg-primary-east", &from("pg-standby-west")).await.unwrap();
    assert_eq!(rewound.outcome, RewindOutcome::Rewound, "{}", rewound.output);
    assert_eq!(refusal(east.start("pg-primary-east", &Start { timeout_ms: 5_000, release: false }).await).0, 409);
    let following = east.follow("pg-primary-east", &follow("pg-standby-west", "pg_primary_east")).await.unwrap();
    assert_eq!(following.outcome, FollowOutcome::Started);
    joined(&lab, 1, 10, 1).await;
    lab.until("a standby on the new timeline", "pg-primary-east", |n| n["database"]["timeline"] == 2 && n["database"]["role"] == "standby");

    // The replica beside the old primary had received the seven commits: it is ahead of the node that was promoted. It obeys
    // `follow`, flaps in and out of `streaming`, and never joins. Only data tell.
    let following = east.follow("pg-replica-east", &follow("pg-standby-west", "pg_replica_east")).await.unwrap();
    assert_eq!(following.outcome, FollowOutcome::Reloaded);
    let log = lab.node_root().join("pg-log/pg-replica-east.log");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&log).unwrap().contains("forked off current database system timeline 1 before current recovery point") {
        assert!(Instant::now() < deadline, "a replica ahead of the promoted node must be refused its history");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let replica = lab.sql("app", 1, 11).await;
    let ahead: i64 = replica.query_one("SELECT count(*) FROM app.load_rows WHERE run = 7", &[]).await.unwrap().get(0);
    assert_eq!(ahead, 7, "this test needs a replica that is ahead");
    let new: i64 = replica.query_one("SELECT count(*) FROM app.load_rows WHERE run = 8", &[]).await.unwrap().get(0);
    assert_eq!(new, 0, "a diverged replica must not have the new primary's rows");
    // So it is rewound like the old primary.
    east.stop("pg-replica-east", &stop(StopMode::Fast, false)).await.unwrap();
    let rewound = east.rewind("pg-replica-east", &from("pg-standby-west")).await.unwrap();
    assert_eq!(rewound.outcome, RewindOutcome::Rewound, "{}", rewound.output);
    east.follow("pg-replica-east", &follow("pg-standby-west", "pg_replica_east")).await.unwrap();
    joined(&lab, 1, 11, 2).await;

    let old = lab.sql("app", 1, 10).await;
    let listening: String = old.query_one("SHOW cluster_name", &[]).await.unwrap().get(0);
    assert_eq!(listening, "pg-primary-east", "a rewound node keeps its own configuration");

    // The long way works as well, and keeps the old folder.
    assert_eq!(refusal(east.rebuild("pg-replica-east", &from("pg-standby-west")).await).0, 409);
    east.stop("pg-replica-east", &stop(StopMode::Fast, false)).await.unwrap();
    let rebuilt = east.rebuild("pg-replica-east", &from("pg-standby-west")).await.unwrap();
    assert!(Path::new(&rebuilt.kept.unwrap()).is_dir());
    east.follow("pg-replica-east", &follow("pg-standby-west", "pg_replica_east")).await.unwrap();
    joined(&lab, 1, 11, 3).await;
}

/// Proves that a node follows the promoted one: a row written there now arrives here, and the lost rows are gone. That it is
/// listed as `streaming` would not prove it: a diverged node is listed so for a moment at each of its attempts.
async fn joined(lab: &Lab, place: u8, host: u8, number: i64) {
    let west = lab.sql("app", 2, 10).await;
    west.execute("INSERT INTO app.load_rows (run, number) VALUES (8, $1)", &[&number]).await.unwrap();
    let here = lab.sql("app", place, host).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let count = "SELECT count(*) FILTER (WHERE run = 8 AND number = $1), count(*) FILTER (WHERE run = 7) FROM app.load_rows";
        let row = here.query_one(count, &[&number]).await.unwrap();
        let (arrived, lost): (i64, i64) = (row.get(0), row.get(1));
        if arrived == 1 {
            assert_eq!(lost, 0, "a node that has joined must have given up the lost rows");
            return;
        }
        assert!(Instant::now() < deadline, "what is written on the new primary never arrives at host {host} of place {place}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn bad_input_gets_one_clear_sentence() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("none");
    for verb in [&["status"][..], &["kill", "haproxy"], &["load", "--seconds", "1"]] {
        let out = lab(&folder, verb);
        assert!(!out.status.success() && said(&out).contains("lifeboat lab up"), "{verb:?}: {}", said(&out));
        assert!(!folder.exists(), "asking must not create the folder");
    }
    assert!(lab(&folder, &["down"]).status.success(), "down without a lab is no error");
    assert!(!lab(&folder, &["up", "--number", "255"]).status.success());

    let file = temp.path().join("file");
    std::fs::write(&file, "").unwrap();
    let out = lab(&file.join("lab"), &["up"]);
    assert!(!out.status.success() && said(&out).contains("cannot create the lab's folder"), "{}", said(&out));

    let number = (std::process::id() % 250 + 1) as u8;
    let address = format!("127.{number}.1.10:5432");
    if let Ok(_taken) = std::net::TcpListener::bind(&address) {
        let out = lab(&temp.path().join("lab"), &["up", "--number", &number.to_string()]);
        assert!(!out.status.success() && said(&out).contains(&format!("127.{number}.")), "{}", said(&out));
        assert!(said(&out).contains("cannot listen on"), "{}", said(&out));
    }

    let config = temp.path().join("agent.toml");
    std::fs::write(&config, "listen = 7").unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_lifeboat")).args(["agent", "--config"]).arg(&config).output().unwrap();
    assert!(!out.status.success() && said(&out).contains("not a valid agent configuration"), "{}", said(&out));
}

#[track_caller]
fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn runs(pid: i32) -> bool {
    processes::look(pid).is_some_and(|process| process.is_alive())
}

fn until_gone(pid: i32) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while runs(pid) {
        assert!(Instant::now() < deadline, "{pid} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The dashboard in front of a lab; dropping it ends it.
struct Dashboard(std::process::Child);

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A host agent keeps the nodes of its region that Lifeboat runs, and Patroni's nodes are none of its business.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_lab_with_a_cluster_that_patroni_runs_nothing_needs_a_person() {
    let lab = Lab::up(Home::Open, &["--patroni"]);
    let config = lab.folder.join("lifeboat.toml");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    serve.arg("serve").arg("--config").arg(&config).args(["--listen", "127.0.0.1:0"]);
    let _dashboard = Dashboard(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let out = Command::new(env!("CARGO_BIN_EXE_lifeboat")).arg("status").arg("--config").arg(&config).output().unwrap();
        let text = said(&out);
        if out.status.success() && text.contains("orders: primary") && text.contains("from the running server") {
            break;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A lease is kept by a process of its own: the end of the agent does not make it last longer, and neither does that of the keeper.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hears_nothing_of_its_lease_is_stopped_by_its_host_whoever_else_ends() {
    let lab = Lab::up(Home::Open, &[]);
    let (east, west) = (lab.agent(1), lab.agent(2));
    let lease = Span::from_secs(4);
    let renew = async |agent: &Agent, node: &str| agent.lease(node, lease, Duration::from_secs(1), || ()).await.map(|leased| leased.kept);
    assert!(!renew(&west, "pg-standby-west").await.unwrap(), "a standby takes no writes");
    let data = lab.data_dir("pg-primary-east");
    let file = |suffix: &str| PathBuf::from(format!("{}{suffix}", data.display()));

    // Twice its length: it is put off.
    let began = Instant::now();
    while began.elapsed() < lease.as_std() * 2 {
        assert!(renew(&east, "pg-primary-east").await.unwrap());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let postmaster = || std::fs::read_to_string(data.join("postmaster.pid")).ok().and_then(|text| text.lines().next()?.parse::<i32>().ok());
    let running = postmaster().unwrap();
    assert!(runs(running));

    // A keeper that ends is replaced, one that hangs is said.
    let keeper = || std::fs::read_to_string(file(".lease.keeper")).unwrap().trim().parse::<i32>().unwrap();
    let first = keeper();
    signal(first, Signal::KILL);
    until_gone(first);
    assert!(renew(&east, "pg-primary-east").await.unwrap());
    let second = keeper();
    assert_ne!(first, second);
    signal(second, Signal::STOP);
    let (status, said) = refusal(renew(&east, "pg-primary-east").await);
    assert!(status >= 500 && said.contains("hangs"), "{status} {said}");
    signal(second, Signal::CONT);
    let last = Instant::now();
    assert!(renew(&east, "pg-primary-east").await.unwrap());

    // The agent ends, and nobody renews it.
    signal(lab.pid("agent.us-east-1"), Signal::KILL);
    assert!(runs(running));
    let deadline = last + lease.as_std() + Duration::from_millis(2_500);
    while runs(running) {
        assert!(Instant::now() < deadline, "it still runs after its lease");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(last.elapsed() > lease.as_std() - Duration::from_millis(50), "it was stopped after {:?} of {lease}", last.elapsed());
    let marker = std::fs::read_to_string(data.join("lifeboat.fenced")).unwrap();
    assert!(marker.contains("its lease ran out"), "{marker}");
    until_gone(second);
    assert!(!file(".lease").exists(), "it is over, and nobody is stopped by it again");
}

/// Who is stopped by order needs no lease any more: what works in its folder then is a rewind.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_stop_ends_the_lease() {
    let lab = Lab::up(Home::Open, &[]);
    let east = lab.agent(1);
    let data = lab.data_dir("pg-primary-east");
    let file = PathBuf::from(format!("{}.lease", data.display()));
    assert!(east.lease("pg-primary-east", Span::from_secs(60), Duration::from_secs(1), || ()).await.unwrap().kept);
    assert!(file.exists());
    east.stop("pg-primary-east", &stop(StopMode::Kill, true)).await.unwrap();
    assert!(!file.exists());
    assert!(!east.lease("pg-primary-east", Span::from_secs(60), Duration::from_secs(1), || ()).await.unwrap().kept, "nothing runs there");
}
