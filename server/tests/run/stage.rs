//! Three regions, the services a test asks for, and what sends their clients, which refuses, waits or breaks as it is told.

use async_trait::async_trait;
use engine::{
    estate::Estate,
    failover::{Mode, Operation, Plan, State},
    health::{Health, Judgement, Outcome, Sample},
    id::{HookId, OperationId, RegionId, ServiceId},
    journal::{Actor, Event},
    picture::{EndpointView, Observations, Picture, SeenOn, TrafficView},
    time::Span,
};
use server::{
    config::HookLines,
    connect::{
        probe::{self, Target},
        traffic::{Abilities, TrafficControl},
    },
    connections::{Connections, Traffic},
    desk::Desk,
    leases::Leases,
    run,
    store::Store,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Semaphore};

pub const EAST: &str = "us-east-1";
pub const WEST: &str = "us-west-2";
pub const EU: &str = "eu-west-1";
const ALL: [&str; 3] = [EAST, WEST, EU];

/// Longer than any of this takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

const ESTATE: &str = r#"
name = "a stage"
[[region]]
id = "us-east-1"
name = "US East"
[[region]]
id = "us-west-2"
name = "US West"
[[region]]
id = "eu-west-1"
name = "EU West"
[[strategy]]
id = "one"
kind = "active-passive"
primary_region = "us-east-1"
recovery_regions = ["us-west-2", "eu-west-1"]
failover = "automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "5s"
[[strategy]]
id = "two"
kind = "active-active"
primary_region = "us-east-1"
recovery_regions = ["us-west-2", "eu-west-1"]
failover = "automatic"
failback = "manual"
replication = "asynchronous"
lag_tolerance = "5s"
minimum_on = 2
"#;

/// What sends the clients of one service.
#[derive(Default)]
pub struct Script {
    pub on: BTreeSet<RegionId>,
    /// Every place it was told to send clients to, and did.
    pub sent: Vec<BTreeSet<RegionId>>,
    /// So many times it fails before it does anything.
    pub fails: usize,
    /// Where it never sends anybody.
    pub never: Vec<BTreeSet<RegionId>>,
    /// The next call breaks the product.
    pub breaks: bool,
    /// It waits before it does anything, until it is let go.
    pub waits: bool,
}

pub struct Control {
    script: Mutex<Script>,
    go: Semaphore,
}

impl Control {
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    pub fn let_go(&self) {
        self.script().waits = false;
        self.go.add_permits(1);
    }
    async fn wait(&self) {
        let waits = self.script().waits;
        if waits {
            self.go.acquire().await.unwrap().forget();
        }
    }
}

#[async_trait]
impl TrafficControl for Control {
    fn abilities(&self) -> Abilities {
        Abilities { rehearses: true, reads_back: true, simulated: false, delay: None, patience: Some(Span::from_secs(5)) }
    }
    async fn regions(&self) -> anyhow::Result<BTreeSet<RegionId>> {
        Ok(self.script().on.clone())
    }
    async fn send_to(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        self.wait().await;
        let mut script = self.script();
        assert!(!std::mem::take(&mut script.breaks), "as the test says");
        if script.never.contains(to) {
            anyhow::bail!("it refuses");
        }
        if script.fails > 0 {
            script.fails -= 1;
            anyhow::bail!("its socket is not there");
        }
        script.on.clone_from(to);
        script.sent.push(to.clone());
        Ok("it says so".to_owned())
    }
    async fn rehearse(&self, _: &BTreeSet<RegionId>) -> anyhow::Result<String> {
        self.wait().await;
        if self.script().fails > 0 {
            anyhow::bail!("its socket is not there");
        }
        Ok("it would".to_owned())
    }
}

pub struct Stage {
    _folder: TempDir,
    pub desk: Arc<Desk>,
    connections: Arc<Connections>,
    controls: BTreeMap<ServiceId, Arc<Control>>,
}

pub fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}
pub fn regions(names: &[&str]) -> BTreeSet<RegionId> {
    names.iter().map(|name| id(name)).collect()
}
pub fn person(name: &str) -> Actor {
    Actor::Person(id(name))
}

impl Stage {
    /// Each service by its name, its strategy and what it needs; all are well everywhere, and clients are in the east, those
    /// of a rotation in the west too.
    pub async fn with(services: &[(&str, &str, &str)]) -> Self {
        Self::declared(services, BTreeMap::new(), |_| ()).await
    }
    /// The same, with what the test declares besides, and what its hooks run.
    pub async fn declared(services: &[(&str, &str, &str)], hooks: BTreeMap<HookId, HookLines>, declare: impl FnOnce(&mut Estate)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let mut text = ESTATE.to_owned();
        for (name, strategy, needs) in services {
            let needs = if needs.is_empty() { String::new() } else { format!("\"{needs}\"") };
            write!(
                text,
                "[[service]]\nid = \"{name}\"\ntier = 1\nrto = \"15m\"\nrpo = \"5m\"\nmtpd = \"4h\"\ndepends_on = [{needs}]\ndata_class = \"standard\"\n\
                 strategy = \"{strategy}\"\ntraffic = {{ address = \"{address}\", by = {{ simulated = {{}} }} }}\n"
            )
            .unwrap();
            for region in ALL {
                write!(text, "[[service.endpoint]]\nregion = \"{region}\"\ntarget = \"{address}\"\n").unwrap();
            }
        }
        let mut estate = Estate::from_toml(&text).unwrap();
        declare(&mut estate);
        let (mut controls, mut traffic) = (BTreeMap::new(), BTreeMap::new());
        for (name, strategy, _) in services {
            let on = if *strategy == "two" { regions(&[EAST, WEST]) } else { regions(&[EAST]) };
            let control = Arc::new(Control { script: Mutex::new(Script { on, ..Script::default() }), go: Semaphore::new(0) });
            controls.insert(id(name), control.clone());
            traffic.insert(id(name), Traffic { control, clients: Target::parse(&address).unwrap(), region_header: None });
        }
        let probes = probe::client().unwrap();
        let (nodes, agents, routers, monitoring) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (patroni, poolers, fences) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let leases = Leases::default();
        let connections = Connections { nodes, agents, routers, poolers, patroni, traffic, monitoring, hooks, fences, leases, probes };
        let folder = tempfile::tempdir().unwrap();
        let desk = Arc::new(Desk::open(Store::open(folder.path()).await.unwrap(), estate).await.unwrap());
        let stage = Self { _folder: folder, desk, connections: Arc::new(connections), controls };
        stage.look(|observed| {
            for service in stage.controls.keys() {
                for region in ALL {
                    observed.endpoints.insert((service.clone(), id(region)), endpoint(Health::Ok));
                }
            }
        });
        stage
    }

    /// The same, where nobody may act.
    pub fn read_only(self) -> Self {
        let desk = Arc::into_inner(self.desk).expect("nobody works at the desk yet").read_only();
        Self { desk: Arc::new(desk), ..self }
    }
    /// The executor takes up what is approved or runs.
    pub fn start(&self) {
        drop(run::start(self.desk.clone(), self.connections.clone(), None, None));
    }
    pub fn control(&self, service: &str) -> &Control {
        &self.controls[&id::<ServiceId>(service)]
    }
    /// The controls are asked, and what the test changes is seen.
    fn look(&self, change: impl FnOnce(&mut Observations)) {
        let now = chrono::Utc::now();
        let before = self.desk.picture();
        let mut observed = (*before.observed).clone();
        (observed.since, observed.tick) = (Some(now - Span::from_mins(60).as_delta()), observed.tick + 1);
        for (service, control) in &self.controls {
            let judgement = Judgement { health: Health::Ok, since: Some(now), why: "the last probe was good".to_owned() };
            let on = Some(SeenOn { at: now, regions: control.script().on.clone() });
            observed.traffic.insert(service.clone(), TrafficView { judgement, on });
        }
        change(&mut observed);
        self.desk.put_up(observed);
    }
    pub fn see(&self, service: &str, region: &str, health: Health) {
        self.look(|observed| {
            observed.endpoints.insert((id(service), id(region)), endpoint(health));
        });
    }

    pub fn plan(&self, service: &str, mode: Mode, to: &str) -> Plan {
        self.desk.picture().traffic_plan(&id(service), mode, Some(&regions(&[to]))).unwrap()
    }
    pub fn evacuation(&self, mode: Mode) -> Plan {
        self.desk.picture().evacuation_plan(&id(EAST), mode).unwrap()
    }
    pub async fn says(&self, who: &Actor, events: Vec<Event>) {
        self.desk.record(who, |_| events.clone()).await.unwrap();
    }
    /// ann asks for it, and amy approves where that is needed.
    pub async fn file(&self, plan: Plan) -> OperationId {
        let (id, plan_hash, asks) = (OperationId(uuid::Uuid::now_v7()), plan.hash(), plan.requires_approval());
        let (reason, overridden) = ("asked".to_owned(), plan.overridable_blockers().iter().map(ToString::to_string).collect());
        let (plan, hash) = (Box::new(plan), plan_hash.clone());
        let asked = Event::OperationRequested { id, plan, plan_hash: hash, reason: reason.clone(), loss_accepted: false, overridden, parent: None };
        self.says(&person("ann"), vec![asked]).await;
        if asks {
            self.says(&person("amy"), vec![Event::OperationApproved { id, plan_hash, reason, loss_accepted: false }]).await;
        }
        id
    }
    /// The same, as if it had begun before the server was killed: whatever the test did to the plan stands.
    pub async fn under_way(&self, plan: Plan) -> OperationId {
        let id = self.file(plan).await;
        self.says(&Actor::Lifeboat, vec![Event::OperationStarted { id }]).await;
        id
    }

    /// Waits until what is looked for is there.
    pub async fn until<T>(&self, what: &str, found: impl Fn(&Picture) -> Option<T>) -> T {
        let mut changed = self.desk.listen();
        let waiting = async {
            loop {
                changed.mark_unchanged();
                if let Some(found) = found(&self.desk.picture()) {
                    return found;
                }
                // As watchers do, the controls are asked again and again.
                tokio::select! {
                    changed = changed.changed() => changed.unwrap(),
                    () = tokio::time::sleep(Duration::from_millis(50)) => self.look(|_| ()),
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("waited for it that {what}: {:#?}", self.desk.picture().records.operations))
    }
    pub async fn step_runs(&self, id: OperationId, step: usize) {
        let runs = |picture: &Picture| (picture.operation(&id)?.steps[step].attempts > 0).then_some(());
        self.until("the step runs", runs).await;
    }
    /// Waits until the operation has ended or stands in doubt.
    pub async fn outcome(&self, id: OperationId) -> Operation {
        let over = |state: State| !matches!(state, State::Requested | State::Approved | State::Running | State::Compensating);
        self.until("it has ended", |picture| picture.operation(&id).filter(|operation| over(operation.state)).cloned()).await
    }
    /// The operation of a member of an evacuation, once there is one.
    pub fn child<'a>(&self, picture: &'a Picture, service: &str) -> Option<&'a Operation> {
        let service: ServiceId = id(service);
        picture.records.operations.values().find(|operation| operation.parent.is_some() && operation.plan.scope().service() == Some(&service))
    }
}

fn endpoint(health: Health) -> EndpointView {
    let now = chrono::Utc::now();
    let outcome = if health == Health::Ok { Outcome::Good } else { Outcome::Failed("as the test says".to_owned()) };
    let judgement = Judgement { health, since: Some(now - Span::from_mins(30).as_delta()), why: "as the test says".to_owned() };
    EndpointView { judgement, last: Some(Sample { at: now, took: Span::from_millis(2), outcome }), ..EndpointView::unseen() }
}
