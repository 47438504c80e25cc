//! A lab, and a Lifeboat before it in this process. Nobody starts anything by itself: each test says what is asked for.

use engine::{
    databases::Protection,
    estate::{Estate, FailoverMode},
    failover::{Action, Operation, OperationKind, Plan, State, StepState},
    findings::Finding,
    id::{AccountName, ClusterId, NodeId, OperationId, Scope},
    journal::{Actor, Command as Order},
    picture::Picture,
};
use serde_json::Value;
use server::{
    config::Config,
    connect::agent::Agent,
    connections::Connections,
    desk::Desk,
    run,
    store::Store,
    watch::{self, Beats},
};
use std::{
    fmt::Debug,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_postgres::{Client, NoTls};

pub const EAST: &str = "pg-primary-east";
pub const REPLICA: &str = "pg-replica-east";
pub const WEST: &str = "pg-standby-west";
pub const NODES: [(&str, u8, u8); 3] = [(EAST, 1, 10), (REPLICA, 1, 11), (WEST, 2, 10)];

/// Longer than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(150);

pub fn id<T: FromStr>(text: &str) -> T
where
    T::Err: Debug,
{
    text.parse().unwrap()
}
pub fn users() -> ClusterId {
    id("user-database")
}
pub fn plan(picture: &Picture, kind: OperationKind, node: Option<&str>) -> Plan {
    picture.plan(kind, &users(), node.map(id).as_ref()).unwrap()
}
/// Every node streams from the one that takes the writes.
pub fn protected(picture: &Picture) -> bool {
    matches!(picture.protection(&users()), Some(Protection::Protected)) && picture.is_settled(&Scope::Cluster(users()))
}
pub fn down(node: &str) -> impl Fn(&Picture) -> bool + use<'_> {
    move |picture| {
        let view = picture.observed.clusters.get(&users()).and_then(|view| view.node(&id(node)));
        view.is_some_and(|view| view.judgement.health == engine::health::Health::Down)
    }
}

pub async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A running lab; dropping it stops it and removes its data.
pub struct Lab {
    _home: tempfile::TempDir,
    pub folder: PathBuf,
    number: u8,
}

impl Lab {
    pub fn up(extra: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let home = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        let folder = home.path().join("lab");
        for _ in 0..20 {
            let number = (std::process::id().wrapping_mul(23) + NEXT.fetch_add(1, Ordering::Relaxed) * 37) % 254 + 1;
            let text = number.to_string();
            let out = lab(&folder, &[&["up", "--number", &text], extra].concat());
            if out.status.success() {
                return Self { _home: home, folder, number: number as u8 };
            }
            assert!(said(&out).contains("cannot listen on"), "up failed: {}", said(&out));
        }
        panic!("no free lab number in 20 tries");
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        let out = lab(&self.folder, arguments);
        assert!(out.status.success(), "{arguments:?}: {}", said(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Writes rows through the router until it is stopped.
    pub fn load(&self) -> Load {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(["lab", "load", "--json", "--pause-ms", "5", "--folder"]).arg(&self.folder);
        Load(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }
    /// Waits until some more rows were acknowledged.
    pub async fn writes_go_on(&self) {
        let count = || {
            let files = std::fs::read_dir(self.folder.join("load")).into_iter().flatten();
            files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().lines().count()).sum::<usize>()
        };
        let before = count();
        until("rows are acknowledged", async || (count() >= before + 20).then_some(())).await;
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("lifeboat.toml")
    }
    fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("secrets").join(name)).unwrap().trim().to_owned()
    }
    fn node_root(&self) -> PathBuf {
        let text = std::fs::read_to_string(self.folder.join("lab.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["node_root"].as_str().unwrap().into()
    }
    pub fn data(&self, node: &str) -> PathBuf {
        self.node_root().join("pg").join(node)
    }
    /// The agent at its real address, which no cut closes.
    pub fn agent(&self, node: &str) -> Agent {
        let (_, place, _) = NODES.iter().find(|(name, ..)| *name == node).unwrap();
        Agent::new(format!("http://127.{}.{place}.5:7700", self.number), self.secret("agent-token")).unwrap()
    }

    /// A superuser of a node, in the database of the clients; what it commits waits for nobody.
    pub async fn admin(&self, node: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.node_root().join("sockets").join(node)).user("postgres").dbname("users").options("-c synchronous_commit=local");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
    pub async fn text(&self, node: &str, query: &str) -> String {
        let row = self.admin(node).await.query_one(query, &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }
    /// Commits so many rows on the node itself, each in a transaction of its own, and waits for nobody.
    pub async fn write(&self, node: &str, run: i64, rows: i64) {
        let admin = self.admin(node).await;
        for number in 1..=rows {
            admin.execute("insert into app.load_rows (run, number) values ($1, $2)", &[&run, &number]).await.unwrap();
        }
    }
    pub async fn rows(&self, node: &str, run: i64) -> i64 {
        self.admin(node).await.query_one("select count(*) from app.load_rows where run = $1", &[&run]).await.unwrap().get(0)
    }
    /// A row that is written on `from` now arrives on each of `to`: nothing else proves that they stream.
    pub async fn arrives(&self, from: &str, to: &[&str]) {
        static NEXT: AtomicI64 = AtomicI64::new(1_000);
        let run = NEXT.fetch_add(1, Ordering::Relaxed);
        self.write(from, run, 1).await;
        for node in to {
            until("the row arrives", async || (self.rows(node, run).await == 1).then_some(())).await;
        }
    }

    /// The nodes that answer and are not in recovery, asked by nobody but this test.
    pub async fn writable(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for (node, place, host) in NODES {
            let mut config = tokio_postgres::Config::new();
            config.host(format!("127.{}.{place}.{host}", self.number)).user("app").password(self.secret("app")).dbname("users");
            let Ok((client, connection)) = config.connect_timeout(Duration::from_secs(2)).connect(NoTls).await else { continue };
            tokio::spawn(connection);
            if let Ok(row) = client.query_one("select pg_is_in_recovery()", &[]).await
                && !row.get::<_, bool>(0)
            {
                found.push(node);
            }
        }
        found
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("LAB_LOGS").is_some() {
            for (node, ..) in NODES {
                let log = std::fs::read_to_string(self.node_root().join("pg-log").join(format!("{node}.log"))).unwrap_or_default();
                eprintln!("== {node}\n{}", log.lines().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
        let out = lab(&self.folder, &["down", "--remove"]);
        if !std::thread::panicking() {
            assert!(out.status.success(), "{}", said(&out));
        }
    }
}

fn lab(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lifeboat")).arg("lab").args(arguments).arg("--folder").arg(folder).output().unwrap()
}
fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

pub struct Load(Child);

impl Load {
    /// Ends the writing; how many rows were acknowledged, and how many of these are gone.
    pub fn stop(mut self) -> (u64, u64) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::TERM).unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(self.0.wait().unwrap().success(), "{out}{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        (report["acknowledged"].as_u64().unwrap(), report["missing"].as_u64().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Of a test that failed before it stopped it.
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }
}

pub fn person(name: &str) -> Actor {
    Actor::Person(id::<AccountName>(name))
}

/// Lifeboat without its pages, in this process.
pub struct Server {
    pub desk: Arc<Desk>,
}

impl Server {
    /// It watches, and carries out what is agreed to; it asks for nothing by itself.
    pub async fn start(lab: &Lab) -> Self {
        Self::with_estate(lab, |_| ()).await
    }
    pub async fn with_estate(lab: &Lab, change: impl FnOnce(&mut Estate)) -> Self {
        let config = Config::read(&lab.config()).unwrap();
        let (mut estate, _) = config.read_estate().unwrap();
        estate.strategies.iter_mut().for_each(|strategy| strategy.failover = FailoverMode::Manual);
        change(&mut estate);
        let connections = Arc::new(Connections::new(&config, &estate).unwrap());
        let desk = Arc::new(Desk::open(Store::open(&config.data).await.unwrap(), estate).await.unwrap());
        let watching = watch::start(desk.clone(), connections.clone(), &Arc::new(Beats::of(desk.estate()))).await.unwrap();
        // Observers would speak through it; here nobody does.
        std::mem::forget(watching);
        drop(run::start(desk.clone(), connections, None, None));
        Self { desk }
    }

    pub fn picture(&self) -> Picture {
        self.desk.picture()
    }
    pub fn findings(&self) -> Vec<Finding> {
        self.picture().findings()
    }
    pub async fn until(&self, what: &str, holds: impl Fn(&Picture) -> bool) {
        self.until_some(what, |picture| holds(picture).then_some(())).await;
    }
    pub async fn until_some<T>(&self, what: &str, found: impl Fn(&Picture) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let picture = self.picture();
            if let Some(found) = found(&picture) {
                return found;
            }
            if Instant::now() > deadline {
                let view = picture.observed.clusters.get(&users());
                panic!("never came true: {what}\n{view:#?}\n{:#?}", picture.records.operations.values().last());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// olga asks for it and oskar agrees, as soon as nothing speaks against it.
    pub async fn agree_to(&self, kind: OperationKind, node: &str) -> OperationId {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready = |picture: &Picture| {
                let plan = plan(picture, kind, Some(node));
                (plan.blockers.is_empty() && picture.is_settled(&Scope::Cluster(users()))).then_some(plan)
            };
            let wanted = self.until_some("the plan can be requested", ready).await;
            let operation = OperationId(uuid::Uuid::now_v7());
            let order = Order::RequestOperation {
                id: operation,
                plan: Box::new(wanted.clone()),
                shown_hash: wanted.hash(),
                reason: "a drill".to_owned(),
                accept_loss: true,
                override_blockers: false,
            };
            match self.desk.act(&person("olga"), order).await {
                Ok(_) if !wanted.requires_approval() => return operation,
                Ok(_) => {}
                Err(error) => {
                    assert!(Instant::now() < deadline, "{error:?}");
                    continue;
                }
            }
            let asked = self.picture().operation(&operation).unwrap().clone();
            let Some(plan_now) = self.picture().replan(&asked) else { continue };
            let order = Order::Approve {
                operation,
                shown_hash: asked.plan_hash.clone(),
                plan_now: Box::new(plan_now),
                accept_loss: true,
                reason: "agreed".to_owned(),
            };
            match self.desk.act(&person("oskar"), order).await {
                Ok(_) if self.picture().operation(&operation).is_some_and(|operation| operation.state != State::Void) => return operation,
                // What it rests on changed in between: asked for again, as a person would.
                other => assert!(Instant::now() < deadline, "{other:?}"),
            }
        }
    }
    pub async fn outcome(&self, operation: OperationId) -> Operation {
        let over = |state: State| !matches!(state, State::Requested | State::Approved | State::Running | State::Compensating);
        self.until_some("it has ended", |picture| picture.operation(&operation).filter(|operation| over(operation.state)).cloned()).await
    }
    /// As `outcome`, once it has left the state it ended in before.
    pub async fn outcome_after(&self, operation: OperationId, before: State) -> Operation {
        self.until_some("it goes on", |picture| picture.operation(&operation).filter(|operation| operation.state != before).map(|_| ())).await;
        self.outcome(operation).await
    }
    pub async fn carry_out(&self, kind: OperationKind, node: &str) -> Operation {
        let operation = self.agree_to(kind, node).await;
        self.outcome(operation).await
    }
    pub async fn rejoined(&self, node: &str) -> Operation {
        let done = self.carry_out(OperationKind::Rejoin, node).await;
        assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
        done
    }
}

/// What became of the first step that `fits`, and what it said.
pub fn step(operation: &Operation, fits: fn(&Action) -> bool) -> (StepState, String) {
    let at = operation.plan.steps.iter().position(|step| fits(&step.action)).unwrap_or_else(|| panic!("{:#?}", operation.plan.steps));
    (operation.steps[at].state, operation.steps[at].said.clone().unwrap_or_default())
}
pub fn steps(operation: &Operation) -> Vec<(StepState, String)> {
    operation.steps.iter().map(|record| (record.state, record.said.clone().unwrap_or_default())).collect()
}
pub fn node(name: &str) -> NodeId {
    id(name)
}
