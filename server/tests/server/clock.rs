//! A clock that is set while the real program runs: trap X7, “clock jumps” of the faults to survive. Its wall clock alone is set,
//! by a library loaded before the C library, so that everything in it sees the jump, and nothing else on the machine does.

use crate::{
    observers::{Web, events},
    program::{Program, until},
};
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf, process::Command, sync::atomic::Ordering};

/// A service that the product moves by itself, without waiting, as soon as it is down where its clients are.
fn estate(east: SocketAddr, west: SocketAddr) -> String {
    format!(
        r#"
        name = "clocked"
        [detection]
        interval = "200ms"
        timeout = "200ms"
        failures = 3
        samples = 3
        recoveries = 2
        [[region]]
        id = "east"
        name = "East"
        [[region]]
        id = "west"
        name = "West"
        [[strategy]]
        id = "by-itself"
        kind = "active-passive"
        primary_region = "east"
        recovery_regions = ["west"]
        failover = "automatic"
        failback = "manual"
        replication = "asynchronous"
        lag_tolerance = "30s"
        [[service]]
        id = "web"
        tier = 1
        rto = "15m"
        rpo = "5m"
        mtpd = "4h"
        data_class = "standard"
        strategy = "by-itself"
        traffic = {{ address = "http://{west}/", by = {{ simulated = {{}} }} }}
        endpoint = [{{ region = "east", target = "http://{east}/" }}, {{ region = "west", target = "http://{west}/" }}]
        "#
    )
}

/// The wall clock of a program that is started with it.
struct Wall {
    library: PathBuf,
    apart: PathBuf,
}

impl Wall {
    fn of(program: &Program) -> Self {
        let wall = Self { library: program.path("clock.so"), apart: program.path("apart") };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/clock.c");
        // Whatever links the tests compiles this as well.
        let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&wall.library).args([source, "-ldl"]).output().expect("cc is missing");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        wall.set(0);
        wall
    }

    /// By how many seconds it goes apart from the machine's. The file keeps its place, because the program looks into it.
    fn set(&self, seconds: i64) {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.apart).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

/// By how many seconds the clock was set, as the journal has it, oldest first.
fn jumps(program: &Program) -> Vec<i64> {
    let seconds = |at: &Value| at.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    events(program, "clock-jumped").iter().map(|event| (seconds(&event["to"]) - seconds(&event["from"])).num_seconds()).collect()
}

/// The verdicts on the service in a region so far, oldest first.
fn verdicts(program: &Program, region: &str) -> Vec<String> {
    let changes = events(program, "health-changed").into_iter();
    changes.filter(|event| event["of"]["region"] == region).map(|event| event["to"].as_str().unwrap().to_owned()).collect()
}

fn downs(program: &Program, region: &str) -> usize {
    verdicts(program, region).iter().filter(|to| *to == "down").count()
}

#[tokio::test]
async fn x7_the_running_server_notices_a_clock_that_is_set_and_nothing_fails_over_because_of_it() {
    let (east, west) = (Web::open().await, Web::open().await);
    let program = Program::new("", &estate(east.address, west.address));
    let wall = Wall::of(&program);
    let server = program.serve_in("warn", &[("LD_PRELOAD", &wall.library), ("CLOCK_APART", &wall.apart)]);
    let is_well = async |region: &str| verdicts(&program, region).last().is_some_and(|to| to == "ok");
    until("it watches", async || !events(&program, "traffic-adopted").is_empty()).await;
    assert_eq!(jumps(&program), Vec::<i64>::new(), "time that passes is no jump");

    // An hour forward, two hours back, and back to where it was.
    for (at, (apart, by)) in [(3_600, 3_600), (-3_600, -7_200), (0, 3_600)].into_iter().enumerate() {
        wall.set(apart);
        until("the jump is recorded", async || jumps(&program).len() > at).await;
        let recorded = jumps(&program);
        assert!(recorded.len() == at + 1 && (recorded[at] - by).abs() <= 1, "set by {by} s, and recorded once: {recorded:?}");
        // It goes on judging by what is probed since: where no clients are, a failure is found and ends.
        west.fails.store(true, Ordering::SeqCst);
        until("it is down in the west", async || downs(&program, "west") == at + 1).await;
        west.fails.store(false, Ordering::SeqCst);
        until("it is well in the west again", async || is_well("west").await).await;
    }
    assert_eq!(downs(&program, "east"), 0, "where clients are, nothing ever failed: {:?}", verdicts(&program, "east"));
    assert_eq!(events(&program, "decided"), Vec::<Value>::new(), "so nothing was thought about doing");
    assert_eq!(events(&program, "operation-requested"), Vec::<Value>::new());

    // And what does fail is answered.
    east.fails.store(true, Ordering::SeqCst);
    until("clients leave the east", async || !events(&program, "operation-succeeded").is_empty()).await;
    assert_eq!((downs(&program, "east"), events(&program, "operation-requested").len()), (1, 1));
    assert!(program.run(&["journal", "verify"]).fine().contains("whole"));
    server.stop();
}
