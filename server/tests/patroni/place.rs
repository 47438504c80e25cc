//! A lab with Patroni, and a Lifeboat before it: in this process where a test looks into it, in one of its own where it is killed.

use engine::{
    databases::Protection,
    estate::Estate,
    failover::{Action, Change, Mode, Operation, OperationKind, Plan, State},
    id::{AccountName, ClusterId, OperationId, Scope},
    journal::{Actor, Command as Order, Event},
    picture::Picture,
};
use serde_json::Value;
use server::{
    config::Config,
    connections::Connections,
    desk::{ActError, Desk},
    run,
    store::Store,
    watch::{self, Beats},
};
use std::{
    fmt::Debug,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_postgres::NoTls;

pub const NODES: [(&str, u8); 3] = [("orders-east", 1), ("orders-west", 2), ("orders-eu", 3)];
/// Longer than anything here takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn id<T: FromStr>(text: &str) -> T
where
    T::Err: Debug,
{
    text.parse().unwrap()
}
pub fn orders() -> ClusterId {
    id("orders")
}
pub fn scope() -> Scope {
    Scope::Cluster(orders())
}
pub fn plan(picture: &Picture, kind: OperationKind, node: Option<&str>) -> Plan {
    picture.plan(kind, &orders(), node.map(id).as_ref()).unwrap()
}

/// Whether every node is known to follow the leader.
pub fn protected(picture: &Picture) -> bool {
    matches!(picture.protection(&orders()), Some(Protection::Protected)) && picture.is_settled(&scope())
}

/// Waits until there is what is looked for.
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
    home: tempfile::TempDir,
    folder: PathBuf,
    pub number: u8,
}

impl Lab {
    pub fn up() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let home = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        // Started by root, its nodes run as another user who must get there.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = home.path().join("lab");
        for _ in 0..20 {
            let number = (std::process::id().wrapping_mul(17) + NEXT.fetch_add(1, Ordering::Relaxed) * 31) % 254 + 1;
            let out = lab(&folder, &["up", "--patroni", "--number", &number.to_string()]);
            if out.status.success() {
                return Self { home, folder, number: number as u8 };
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
        command.args(["lab", "load", "--json", "--cluster", "orders", "--pause-ms", "5", "--folder"]).arg(&self.folder);
        Load(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn config(&self) -> PathBuf {
        self.folder.join("lifeboat.toml")
    }
    fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("secrets").join(name)).unwrap().trim().to_owned()
    }
    fn place(node: &str) -> u8 {
        NODES.iter().find(|(name, _)| *name == node).unwrap().1
    }
    fn rest(&self, node: &str) -> String {
        format!("http://127.{}.{}.40:8008", self.number, Self::place(node))
    }

    /// Changes what Patroni keeps in its store, as `patronictl edit-config` does.
    pub async fn configure(&self, change: Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.patch(format!("{}/config", self.rest("orders-eu"))).basic_auth("lifeboat", Some(self.secret("patroni-rest")));
        let answer = request.json(&change).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Sets a tag of a node, as an editor and `patronictl reload` do.
    pub async fn tag(&self, node: &str, tag: &str) {
        let file = self.folder.join("agent").join(format!("{node}.yml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["tags"][tag] = Value::Bool(true);
        std::fs::write(&file, config.to_string()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer =
            client.post(format!("{}/reload", self.rest(node))).basic_auth("lifeboat", Some(self.secret("patroni-rest"))).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    async fn sql(&self, user: &str, secret: &str, node: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host(format!("127.{}.{}.40", self.number, Self::place(node))).user(user).password(self.secret(secret)).dbname("orders");
        let (client, connection) = config.connect_timeout(Duration::from_secs(2)).connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The nodes that answer and are not in recovery, asked by nobody but this test.
    pub async fn writable(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (node, _) in NODES {
            if let Ok(client) = self.sql("app", "app", node).await
                && let Ok(row) = client.query_one("select pg_is_in_recovery()", &[]).await
                && !row.get::<_, bool>(0)
            {
                found.push(node.to_owned());
            }
        }
        found
    }
    pub async fn writable_soon(&self, node: &str) -> Vec<String> {
        until("it takes writes", async || Some(self.writable().await).filter(|found| found == &[node])).await
    }

    /// Where a client lands that knows all nodes and asks for the one that takes writes, as the README tells it to.
    pub fn client_without_router(&self) -> String {
        let hosts = NODES.map(|(_, place)| format!("127.{}.{place}.40", self.number)).join(",");
        let login = format!("host={hosts} user=app dbname=orders connect_timeout=2 target_session_attrs=read-write");
        let out = Command::new("psql")
            .arg(login)
            .args(["-XAtc", "select host(inet_server_addr())"])
            .env("PGPASSWORD", self.secret("app"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", said(&out));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    pub async fn promote_by_hand(&self, node: &str) {
        let client = self.sql("postgres", "patroni-superuser", node).await.unwrap();
        assert!(client.query_one("select pg_promote(true, 30)", &[]).await.unwrap().get::<_, bool>(0));
    }

    /// The PostgreSQL of a node without its Patroni.
    pub fn kill_postgres(&self, node: &str) {
        let file = self.folder.join("pg").join(node).join("postmaster.pid");
        let pid: i32 = std::fs::read_to_string(file).unwrap().lines().next().unwrap().trim().parse().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    }

    /// How often Patroni was asked, by its own logs.
    pub fn times_asked(&self, what: &str) -> usize {
        let log = |node: &str| std::fs::read_to_string(self.folder.join("log").join(format!("patroni.{node}.log"))).unwrap();
        NODES.iter().map(|(node, _)| log(node).matches(&format!("received {what} request")).count()).sum()
    }

    /// The records as the store has them, whoever writes there.
    async fn desk(&self) -> Desk {
        let config = Config::read(&self.config()).unwrap();
        let (estate, _) = config.read_estate().unwrap();
        Desk::open(Store::open_existing(&config.data).await.unwrap(), estate).await.unwrap()
    }
    pub async fn operation(&self, id: OperationId) -> Operation {
        let desk = self.desk().await;
        let operation = desk.picture().operation(&id).unwrap().clone();
        desk.store().close().await;
        operation
    }
    pub async fn operation_until(&self, id: OperationId, what: &str, holds: impl Fn(&Operation) -> bool) -> Operation {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let operation = self.operation(id).await;
            if holds(&operation) {
                return operation;
            }
            assert!(Instant::now() < deadline, "never came true: {what}: {} {:?} {:#?}", operation.state, operation.outcome, operation.steps);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    /// A switchover that two people have agreed to, and that nobody carries out yet; whoever watched for it is gone.
    pub fn agreed_elsewhere(&self, kind: OperationKind, to: &str) -> OperationId {
        let agreeing = || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let id = runtime.block_on(async {
                let server = Server::watching(self).await;
                server.until("all is well", protected).await;
                server.agree_to(kind, to, false).await
            });
            runtime.shutdown_background();
            id
        };
        std::thread::scope(|scope| scope.spawn(agreeing).join().unwrap())
    }
    /// Waits until some more rows were acknowledged.
    pub async fn writes_go_on(&self) {
        let count = || {
            let files = std::fs::read_dir(self.folder.join("load")).unwrap();
            files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().lines().count()).sum::<usize>()
        };
        let before = count();
        until("rows are acknowledged", async || (count() >= before + 20).then_some(())).await;
    }
    pub async fn resume(&self, operation: OperationId) {
        let desk = self.desk().await;
        desk.act(&person("oskar"), Order::Resume { operation, reason: "looked, and it has not been asked".to_owned() }).await.unwrap();
        desk.store().close().await;
    }

    fn serve_with(&self, more: &[&str]) -> Child {
        let site = self.home.path().join("site");
        std::fs::create_dir_all(site.join("pkg")).unwrap();
        std::fs::write(site.join("pkg/lifeboat.js"), "").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(self.config()).args(more);
        command.env("LEPTOS_SITE_ROOT", &site).env("LEPTOS_HASH_FILES", "false").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
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
    pub fn serve(&self) -> Serving {
        let mut child = self.serve_with(&[]);
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.contains("Lifeboat: http"), "{line}");
        Serving { child, _out: out }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let out = lab(&self.folder, &["down", "--remove"]);
        if !std::thread::panicking() {
            assert!(out.status.success(), "{}", said(&out));
        } else if std::env::var_os("PATRONI_LOGS").is_some() {
            for (node, _) in NODES {
                let log = std::fs::read_to_string(self.folder.join("log").join(format!("patroni.{node}.log"))).unwrap_or_default();
                eprintln!("== {node}\n{}", log.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
    }
}

fn lab(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lifeboat")).arg("lab").args(arguments).arg("--folder").arg(folder).output().unwrap()
}
fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A server that ends with the test.
pub struct Serving {
    child: Child,
    /// Kept open: what it says must find a reader.
    _out: BufReader<ChildStdout>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub struct Load(Child);

impl Load {
    /// Ends the writing; what was acknowledged, and what of it is missing.
    pub fn stop(mut self) -> Value {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::TERM).unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(self.0.wait().unwrap().success(), "{out}{err}");
        serde_json::from_str(&out).unwrap()
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

fn person(name: &str) -> Actor {
    Actor::Person(id::<AccountName>(name))
}

/// Lifeboat without its pages, in this process.
pub struct Server {
    pub desk: Arc<Desk>,
}

impl Server {
    /// It watches, decides, and carries out what is agreed to.
    pub async fn start(lab: &Lab) -> Self {
        Self::with_estate(lab, |_| ()).await
    }
    /// The same, where the estate says something else than the lab wrote.
    pub async fn with_estate(lab: &Lab, change: impl FnOnce(&mut Estate)) -> Self {
        let (server, connections) = Self::made(lab, change).await;
        drop(run::start(server.desk.clone(), connections, None, None));
        server
    }
    /// It watches and decides, and carries out nothing.
    pub async fn watching(lab: &Lab) -> Self {
        Self::made(lab, |_| ()).await.0
    }
    async fn made(lab: &Lab, change: impl FnOnce(&mut Estate)) -> (Self, Arc<Connections>) {
        let config = Config::read(&lab.config()).unwrap();
        let (mut estate, _) = config.read_estate().unwrap();
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
                let view = picture.observed.clusters.get(&orders());
                panic!("never came true: {what}\n{view:#?}\n{:#?}\n{:#?}", picture.observed.patroni, picture.records.operations.values().last());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn request(&self, plan: &Plan, override_blockers: bool) -> Result<OperationId, ActError> {
        let id = OperationId(uuid::Uuid::now_v7());
        let order = Order::RequestOperation {
            id,
            plan: Box::new(plan.clone()),
            shown_hash: plan.hash(),
            reason: "a drill".to_owned(),
            accept_loss: true,
            override_blockers,
        };
        self.desk.act(&person("olga"), order).await.map(|_| id)
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
            let id = self.request(&wanted, override_blockers).await.unwrap();
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
        self.outcome(id).await
    }
    async fn outcome(&self, id: OperationId) -> Operation {
        let over = |state: State| !matches!(state, State::Requested | State::Approved | State::Running | State::Compensating);
        self.until_some("it has ended", |picture| picture.operation(&id).filter(|operation| over(operation.state)).cloned()).await
    }

    /// An operation with one step that no plan would have, as if it had been agreed to: what the executor makes of it.
    pub async fn smuggle(&self, action: Action) -> Operation {
        let mut plan = plan(&self.picture(), OperationKind::Switchover, Some("orders-west"));
        let step = plan.steps[0].clone();
        plan.steps = vec![engine::failover::Step { action, ..step }];
        plan.blockers.clear();
        assert!(matches!(plan.change, Change::Database(_)) && plan.mode() == Mode::Planned);
        let id = OperationId(uuid::Uuid::now_v7());
        let (plan_hash, reason) = (plan.hash(), "smuggled in".to_owned());
        let asked = Event::OperationRequested {
            id,
            plan: Box::new(plan),
            plan_hash: plan_hash.clone(),
            reason: reason.clone(),
            loss_accepted: false,
            overridden: Vec::new(),
            parent: None,
        };
        let agreed = Event::OperationApproved { id, plan_hash, reason, loss_accepted: false };
        // In one go, so that nobody sees it waiting and finds it out of date.
        // As one, so that nobody sees it waiting and finds it out of date.
        self.desk.record(&person("oskar"), |_| vec![asked.clone(), agreed.clone(), Event::OperationStarted { id }]).await.unwrap();
        self.outcome(id).await
    }
}
