//! A lab, a Lifeboat before it (in this process where a test looks into it, in one of its own where it is killed), and a second
//! PgBouncer that connects to the nodes themselves.

use engine::{
    databases::Protection,
    estate::{Estate, FailoverMode, Follows, Pooler},
    failover::{Operation, OperationKind, Plan, State},
    id::{AccountName, ClusterId, OperationId, Scope},
    journal::{Actor, Command as Order},
    picture::Picture,
    poolers::PoolerReading,
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
    collections::BTreeMap,
    fmt::Debug,
    os::unix::{fs::PermissionsExt, fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_postgres::{Client, NoTls, types::Type};

pub const EAST: &str = "pg-primary-east";
pub const WEST: &str = "pg-standby-west";
/// Longer than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);
const DIRECT_PORT: u16 = 6433;

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
/// Whether every node is known to follow the primary, and every pooler was asked.
pub fn well(picture: &Picture) -> bool {
    let asked = |pooler: &Pooler| says(picture, pooler.id.as_str()).is_some();
    let Some((cluster, _)) = picture.cluster(&users()) else { return false };
    matches!(picture.protection(&users()), Some(Protection::Protected))
        && picture.is_settled(&Scope::Cluster(users()))
        && cluster.poolers.iter().all(asked)
}
/// What a pooler says now.
pub fn says(picture: &Picture, pooler: &str) -> Option<PoolerReading> {
    let seen = picture.observed.poolers.get(&(users(), id(pooler)))?;
    seen.now_says(&picture.estate.detection, picture.now).ok().cloned()
}

/// Waits until there is what is looked for.
pub async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A running lab; dropping it stops it and removes its data.
pub struct Lab {
    home: tempfile::TempDir,
    folder: PathBuf,
    pub number: u8,
    direct: Option<Child>,
}

impl Lab {
    pub fn up() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let home = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        // Started by root, its nodes run as another user who must get there.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = home.path().join("lab");
        for _ in 0..20 {
            let number = (std::process::id().wrapping_mul(23) + NEXT.fetch_add(1, Ordering::Relaxed) * 37) % 254 + 1;
            let out = lab(&folder, &["up", "--number", &number.to_string()]);
            if out.status.success() {
                return Self { home, folder, number: number as u8, direct: None };
            }
            assert!(said(&out).contains("cannot listen on"), "up failed: {}", said(&out));
        }
        panic!("no free lab number in 20 tries");
    }

    /// The same with a PgBouncer `direct` beside the other one, that leads to the node in the east.
    pub async fn up_with_direct() -> Self {
        let mut lab = Self::up();
        lab.start_direct().await;
        lab
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        let out = lab(&self.folder, arguments);
        assert!(out.status.success(), "{arguments:?}: {}", said(&out));
        String::from_utf8(out.stdout).unwrap()
    }
    /// Writes rows through the lab's pooler for so long.
    pub fn load(&self, seconds: u32) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command
            .args(["lab", "load", "--json", "--through", "pooler", "--pause-ms", "2", "--seconds", &seconds.to_string(), "--folder"])
            .arg(&self.folder);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn config(&self) -> PathBuf {
        self.folder.join("lifeboat.toml")
    }
    fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("secrets").join(name)).unwrap().trim().to_owned()
    }
    pub fn pause_file(&self) -> PathBuf {
        self.folder.join("agent").join("pooler.paused")
    }
    /// The agent beside the poolers.
    pub fn agent(&self) -> Agent {
        Agent::new(format!("http://127.{}.102.5:7700", self.number), self.secret("agent-token")).unwrap()
    }
    /// What it and PgBouncer say, whoever else asks them.
    pub async fn is_paused(&self, pooler: &str) -> bool {
        until("the agent answers", async || self.agent().pooler(pooler).await.ok()).await.paused
    }
    pub fn pooler_log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log").join("pooler.log")).unwrap()
    }

    /// A client's connection through a pooler.
    pub async fn client(&self, port: u16, name: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host(format!("127.{}.2.12", self.number)).port(port).user("app").password(self.secret("app")).dbname("users").application_name(name);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
    pub async fn through_pooler(&self, name: &str) -> Client {
        self.client(6432, name).await
    }
    pub async fn through_direct(&self, name: &str) -> Client {
        self.client(DIRECT_PORT, name).await
    }
    /// The node that a client of `direct` reaches, by its address, if it takes writes.
    pub async fn reached_by(&self, client: &Client) -> Option<String> {
        let asked = client.query_typed_one("select host(inet_server_addr()), pg_is_in_recovery()", &[]).await.ok()?;
        (!asked.get::<_, bool>(1)).then(|| asked.get(0))
    }

    async fn start_direct(&mut self) {
        let folder = self.home.path().join("direct");
        std::fs::create_dir(&folder).unwrap();
        let databases = folder.join("databases.ini");
        std::fs::write(&databases, format!("[databases]\nusers = host='127.{}.121.10' port=5432 dbname='users'\n", self.number)).unwrap();
        std::fs::write(folder.join("users"), format!("\"app\" \"{}\"\n\"lifeboat\" \"{}\"\n", self.secret("app"), self.secret("lifeboat"))).unwrap();
        let config = format!(
            "[pgbouncer]\nlisten_addr = 127.{}.2.12\nlisten_port = {DIRECT_PORT}\nunix_socket_dir = {folder}\nauth_type = scram-sha-256\n\
             auth_file = {folder}/users\npool_mode = transaction\nserver_login_retry = 1\nlogfile = {folder}/log\n%include {folder}/databases.ini\n",
            self.number,
            folder = folder.display()
        );
        std::fs::write(folder.join("pgbouncer.ini"), config).unwrap();
        let mut command = Command::new("/usr/sbin/pgbouncer");
        if let Some((uid, gid)) = identity() {
            for path in [&folder, &databases, &folder.join("users"), &folder.join("pgbouncer.ini")] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
            command.uid(uid).gid(gid);
        }
        command.arg(folder.join("pgbouncer.ini")).current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        self.direct = Some(command.spawn().unwrap());
        let file = self.folder.join("agent").join("us-west-2.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let folder = folder.display();
        let more = format!(
            "\n[[pooler]]\nid = \"direct\"\nconsole = \"{folder}\"\nport = {DIRECT_PORT}\ndatabase = \"users\"\npause_file = \"{folder}/paused\"\n\
             [pooler.nodes]\ndatabases_file = \"{folder}/databases.ini\"\nserver_database = \"users\"\n"
        );
        std::fs::write(&file, text + &more).unwrap();
        self.run(&["kill", "agent.us-west-2"]);
        self.run(&["heal", "agent.us-west-2"]);
        until("the agent finds it", async || self.agent().pooler("direct").await.ok()).await;
    }

    /// Declares `direct` in the estate.
    pub fn declares(&self) -> impl FnOnce(&mut Estate) + use<> {
        let address = format!("127.{}.2.12:{DIRECT_PORT}", self.number);
        move |estate| {
            let cluster = estate.clusters.iter_mut().find(|cluster| cluster.id == users()).unwrap();
            cluster.poolers.push(Pooler { id: id("direct"), address, region: id("us-west-2"), follows: Follows::Nodes });
        }
    }

    /// A switchover that two people have agreed to, and that nobody carries out yet; whoever watched for it is gone.
    pub fn agreed_elsewhere(&self, to: &str) -> OperationId {
        let agreeing = || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let id = runtime.block_on(async {
                let server = Server::made(self, |_| ()).await.0;
                server.until("all is well", well).await;
                server.agree_to(OperationKind::Switchover, to, false).await
            });
            runtime.shutdown_background();
            id
        };
        std::thread::scope(|scope| scope.spawn(agreeing).join().unwrap())
    }
    fn serve_with(&self, more: &[&str]) -> Child {
        let site = self.home.path().join("site");
        std::fs::create_dir_all(site.join("pkg")).unwrap();
        std::fs::write(site.join("pkg/lifeboat.js"), "").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(self.config()).args(more);
        command.env("LEPTOS_SITE_ROOT", &site).env("LEPTOS_HASH_FILES", "false").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }
    /// A server of its own, that ends at a step boundary as `kill -9` ends it.
    pub fn serve_until_killed(&self, boundary: &str) {
        let mut child = self.serve_with(&["--crash-at", boundary]);
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("the server never came to {boundary}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut direct) = self.direct.take() {
            direct.kill().unwrap();
            direct.wait().unwrap();
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
/// The report of a load that has come to its end.
pub fn report(load: Child) -> Value {
    let out = load.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", said(&out));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// The user that the nodes run as, where the tests are root.
fn identity() -> Option<(u32, u32)> {
    rustix::process::geteuid().is_root().then(|| {
        let text = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = text.lines().find(|line| line.starts_with("postgres:")).expect("the package postgresql makes the user postgres");
        let fields: Vec<&str> = line.split(':').collect();
        (fields[2].parse().unwrap(), fields[3].parse().unwrap())
    })
}

/// Writes rows through `direct` without pause, one at a time; each is tried once.
pub struct Writer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Written>,
    run: i64,
}

/// What came of it.
#[derive(Debug)]
pub struct Written {
    pub acknowledged: i64,
    pub errors: BTreeMap<String, u64>,
    pub slowest: Duration,
}

impl Writer {
    pub async fn through_direct(lab: &Lab) -> Self {
        let (client, stop, run) = (lab.through_direct("writer").await, Arc::new(AtomicBool::new(false)), 4_711);
        let told = stop.clone();
        let task = tokio::spawn(async move {
            let mut written = Written { acknowledged: 0, errors: BTreeMap::new(), slowest: Duration::ZERO };
            for number in 1_i64.. {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                let sent = Instant::now();
                let row = [(&run as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8), (&number, Type::INT8)];
                match client.query_typed("insert into app.load_rows (run, number) values ($1, $2)", &row).await {
                    Ok(_) => written.acknowledged += 1,
                    Err(error) => *written.errors.entry(error.to_string()).or_default() += 1,
                }
                written.slowest = written.slowest.max(sent.elapsed());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            written
        });
        Self { stop, task, run }
    }
    /// Ends it; and how many of its rows are there.
    pub async fn stop(self, lab: &Lab) -> (Written, i64) {
        self.stop.store(true, Ordering::Relaxed);
        let written = self.task.await.unwrap();
        let client = lab.through_direct("counter").await;
        let row = client.query_typed_one("select count(*) from app.load_rows where run = $1", &[(&self.run, Type::INT8)]).await.unwrap();
        (written, row.get(0))
    }
}

fn person(name: &str) -> Actor {
    Actor::Person(id::<AccountName>(name))
}

/// Lifeboat without its pages, in this process.
pub struct Server {
    desk: Arc<Desk>,
}

impl Server {
    /// It watches, decides, and carries out what is agreed to, on the estate that the lab wrote, changed.
    pub async fn start(lab: &Lab, change: impl FnOnce(&mut Estate)) -> Self {
        let (server, connections) = Self::made(lab, change).await;
        drop(run::start(server.desk.clone(), connections, None, None));
        server
    }
    async fn made(lab: &Lab, change: impl FnOnce(&mut Estate)) -> (Self, Arc<Connections>) {
        let config = Config::read(&lab.config()).unwrap();
        let (mut estate, _) = config.read_estate().unwrap();
        // What is asked for here, people ask for: nothing is in their way.
        estate.strategies.iter_mut().for_each(|strategy| strategy.failover = FailoverMode::Manual);
        change(&mut estate);
        let connections = Arc::new(Connections::new(&config, &estate).unwrap());
        let desk = Arc::new(Desk::open(Store::open(&config.data).await.unwrap(), estate).await.unwrap());
        let watching = watch::start(desk.clone(), connections.clone(), &Arc::new(Beats::of(desk.estate()))).await.unwrap();
        // Observers would speak through it; here nobody does.
        std::mem::forget(watching);
        (Self { desk }, connections)
    }

    pub fn picture(&self) -> Picture {
        self.desk.picture()
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
                panic!("never came true: {what}\n{view:#?}\n{:#?}\n{:#?}", picture.observed.poolers, picture.records.operations.values().last());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn request(&self, plan: &Plan, override_blockers: bool) -> OperationId {
        let id = OperationId(uuid::Uuid::now_v7());
        let order = Order::RequestOperation {
            id,
            plan: Box::new(plan.clone()),
            shown_hash: plan.hash(),
            reason: "a drill".to_owned(),
            accept_loss: true,
            override_blockers,
        };
        self.desk.act(&person("olga"), order).await.unwrap();
        id
    }

    /// olga asks for it and oskar agrees, as soon as nothing speaks against it that may not be set aside.
    pub async fn agree_to(&self, kind: OperationKind, to: &str, override_blockers: bool) -> OperationId {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready = |picture: &Picture| {
                let plan = plan(picture, kind, (kind != OperationKind::Reroute).then_some(to));
                let free = plan.hard_blockers().is_empty() && (override_blockers || plan.overridable_blockers().is_empty());
                free.then_some(plan)
            };
            let wanted = self.until_some("the plan can be requested", ready).await;
            let id = self.request(&wanted, override_blockers).await;
            if !wanted.requires_approval() {
                return id;
            }
            let operation = self.picture().operation(&id).unwrap().clone();
            let plan_now = self.picture().replan(&operation).unwrap();
            let order = Order::Approve {
                operation: id,
                shown_hash: operation.plan_hash.clone(),
                plan_now: Box::new(plan_now),
                accept_loss: true,
                reason: "agreed".to_owned(),
            };
            match self.desk.act(&person("oskar"), order).await {
                Ok(_) if self.picture().operation(&id).is_some_and(|operation| operation.state != State::Void) => return id,
                // What it rests on changed in between: asked for again, as a person would.
                other => assert!(Instant::now() < deadline, "{other:?}"),
            }
        }
    }

    /// The same, and then its end.
    pub async fn carry_out(&self, kind: OperationKind, to: &str, override_blockers: bool) -> Operation {
        let id = self.agree_to(kind, to, override_blockers).await;
        let over = |state: State| !matches!(state, State::Requested | State::Approved | State::Running | State::Compensating);
        self.until_some("it has ended", |picture| picture.operation(&id).filter(|operation| over(operation.state)).cloned()).await
    }
}
