//! Whole operations that tell a real Alertmanager: carried out by the server's own executor, with a command that sends the
//! clients. Monitoring hears of what is left while it lasts, is told what was done, and never holds anything up.

use crate::{
    alertmanager::{Alertmanager, declared},
    place::{EAST, Place, WEST, assert_says, regions, until},
};
use engine::{
    access::Role,
    estate::Estate,
    failover::{Action, Blocker, Mode, Operation, Plan, State, StepState},
    id::{OperationId, RegionId, ServiceId},
    journal::{Actor, Command, Event},
    time::{Instant as Moment, Span},
};
use serde_json::Value;
use server::{
    connect::alertmanager::{Alertmanager as Adapter, Silencing},
    connections::Connections,
    desk::Desk,
    run,
    store::Store,
    watch,
};
use std::{collections::BTreeSet, process::Command as StdCommand, sync::Arc};

const SERVICE: &str = "checkout-api";

/// One service in two regions that answers well in both, and a program that sends its clients.
struct Stage {
    place: Place,
    desk: Arc<Desk>,
    connections: Arc<Connections>,
}

/// How the program sends.
#[derive(Clone, Copy)]
enum Program {
    Good,
    /// It fails to send clients to the west, and sends them back.
    NotWest,
    /// It waits for `open_gate` before it sends clients to the west.
    Gated,
}

const SEND: &str = "for region in $LIFEBOAT_REGIONS; do echo $region; done >\"${0%/*}/on\"";

impl Stage {
    /// Nothing is carried out before `begin`.
    async fn set(monitoring: &str, program: Program) -> Self {
        let place = Place::new();
        let service = axum::Router::new().fallback(async || "well");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, service).await });
        place.write("on", &format!("{EAST}\n"));
        let read = place.write("read", "cat \"${0%/*}/on\"");
        let west = |then: &str| format!("case \"$LIFEBOAT_REGIONS\" in *{WEST}*) {then};; esac; {SEND}");
        let send = match program {
            Program::Good => SEND.to_owned(),
            Program::NotWest => west("echo no >&2; exit 1"),
            Program::Gated => west("read line <\"${0%/*}/gate\""),
        };
        let send = place.write("send", &send);
        assert!(StdCommand::new("/usr/bin/mkfifo").arg(place.path("gate")).status().unwrap().success());
        let config = format!("data = \"data\"\n[command.edge]\nread = [\"/bin/sh\", {read:?}]\nsend = [\"/bin/sh\", {send:?}]\ntimeout = \"9s\"\n");
        let endpoint = |region: &str| format!("[[service.endpoint]]\nregion = \"{region}\"\ntarget = \"{address}\"\n");
        let estate = format!(
            "name = \"stage\"\n[detection]\ninterval = \"100ms\"\ntimeout = \"5s\"\nfailures = 3\nsamples = 3\nrecoveries = 1\n\
             [[region]]\nid = \"{EAST}\"\nname = \"East\"\n[[region]]\nid = \"{WEST}\"\nname = \"West\"\n\
             [[strategy]]\nid = \"one\"\nkind = \"active-passive\"\nprimary_region = \"{EAST}\"\nrecovery_regions = [\"{WEST}\"]\n\
             failover = \"manual\"\nfailback = \"manual\"\nreplication = \"asynchronous\"\nlag_tolerance = \"5s\"\ndwell = \"0s\"\n\
             [[service]]\nid = \"{SERVICE}\"\ntier = 1\nrto = \"15m\"\nrpo = \"5m\"\nmtpd = \"4h\"\ndata_class = \"standard\"\nstrategy = \"one\"\n\
             traffic = {{ address = \"{address}\", by = {{ command = {{ name = \"edge\" }} }} }}\n{}{}{monitoring}",
            endpoint(EAST),
            endpoint(WEST),
        );
        let (config, estate) = (place.config(&config).unwrap(), Estate::from_toml(&estate).unwrap());
        let connections = Arc::new(Connections::new(&config, &estate).unwrap());
        let desk = Arc::new(Desk::open(Store::open(&config.data).await.unwrap(), estate).await.unwrap());
        for (name, role) in [("olga", Role::Operator), ("oskar", Role::Operator)] {
            let command = Command::AddAccount { name: name.parse().unwrap(), roles: [role].into() };
            desk.act(&Actor::CommandLine("setup".to_owned()), command).await.unwrap();
        }
        watch::start(desk.clone(), connections.clone(), &Arc::new(watch::Beats::of(desk.estate()))).await.unwrap();
        let stage = Self { place, desk, connections };
        // A region that has only begun to answer is neither failing nor well; a request made then rests on that, and is void
        // as soon as the region is well.
        until("both regions are well", async || {
            let in_the_way = |mode| stage.plan(mode).map(|plan| plan.blockers);
            let nothing_fails = |found: Vec<Blocker>| matches!(&found[..], [Blocker::NothingFails { .. }]);
            in_the_way(Mode::Planned).is_some_and(|found| found.is_empty()) && in_the_way(Mode::Emergency).is_some_and(nothing_fails)
        })
        .await;
        stage
    }

    async fn told(alerts: &Alertmanager, program: Program) -> Self {
        Self::set(&entry(&alerts.url()), program).await
    }

    fn begin(&self) {
        run::start(self.desk.clone(), self.connections.clone(), None, None);
    }

    fn plan(&self, mode: Mode) -> Option<Plan> {
        self.desk.picture().traffic_plan(&SERVICE.parse().unwrap(), mode, Some(&regions([WEST])))
    }

    /// olga asks for it and oskar agrees.
    async fn ask(&self, plan: Plan) -> OperationId {
        let id = OperationId(uuid::Uuid::now_v7());
        let (shown_hash, person) = (plan.hash(), |name: &str| Actor::Person(name.parse().unwrap()));
        let needs_approval = plan.requires_approval();
        let reason = "the east is worked on".to_owned();
        let request = Command::RequestOperation {
            id,
            plan: Box::new(plan.clone()),
            shown_hash: shown_hash.clone(),
            reason: reason.clone(),
            accept_loss: false,
            override_blockers: true,
        };
        self.desk.act(&person("olga"), request).await.unwrap();
        if needs_approval {
            let approve = Command::Approve { operation: id, shown_hash, plan_now: Box::new(plan), accept_loss: false, reason };
            self.desk.act(&person("oskar"), approve).await.unwrap();
        }
        id
    }

    async fn act(&self, command: Command) {
        self.desk.act(&Actor::Person("olga".parse().unwrap()), command).await.unwrap();
    }

    fn operation(&self, id: OperationId) -> Operation {
        self.desk.picture().operation(&id).unwrap().clone()
    }

    async fn comes_to(&self, id: OperationId, state: State) -> Operation {
        until(&format!("it is {state}"), async || {
            let now = self.operation(id);
            assert!(now.state.is_active() || now.state == state, "it {}: {:?}", now.state, now.outcome);
            now.state == state
        })
        .await;
        self.operation(id)
    }

    /// It is told to send clients to the west, and the program waits.
    async fn waits_at_the_gate(&self, id: OperationId) {
        let is_last = |action: &Action| matches!(action, Action::SendClients { to, .. } if *to == regions([WEST]));
        until("it waits at the gate", async || {
            let operation = self.operation(id);
            operation.plan.steps.iter().zip(&operation.steps).any(|(step, record)| is_last(&step.action) && record.state == StepState::Running)
        })
        .await;
    }

    /// The program goes on. Opening the pipe waits for it to be there.
    async fn open_gate(&self) {
        let gate = self.place.path("gate");
        tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n").unwrap()).await.unwrap();
    }
}

fn entry(url: &str) -> String {
    format!("[[monitoring]]\nid = \"alerts\"\nurl = \"{url}\"\n")
}

/// What a step of an operation did and said.
fn step(operation: &Operation, wanted: fn(&Action) -> bool) -> (StepState, String) {
    let at = operation.plan.steps.iter().position(|step| wanted(&step.action)).unwrap();
    (operation.steps[at].state, operation.steps[at].said.clone().unwrap_or_default())
}
fn silence(action: &Action) -> bool {
    matches!(action, Action::SilenceAlerts { .. })
}
fn end(action: &Action) -> bool {
    matches!(action, Action::EndSilence { .. })
}
fn annotate(action: &Action) -> bool {
    matches!(action, Action::Annotate { .. })
}

fn moment(silence: &Value, name: &str) -> Moment {
    silence[name].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_silent_from_before_clients_leave_until_its_end_and_stands_there_as_a_note() {
    let alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::Good).await;
    stage.begin();
    let id = stage.ask(stage.plan(Mode::Planned).unwrap()).await;
    let done = stage.comes_to(id, State::Succeeded).await;
    assert_eq!(done.shortfalls().count(), 0, "{:?}", done.steps);
    assert_says(&step(&done, silence).1, &["alerts: silence ", "is active, read back: alerts with service “checkout-api”, region “us-east-1”"]);
    assert_says(&step(&done, end).1, &["has ended, read back"]);

    let [made] = &alerts.list("silences").await[..] else { panic!("one silence for one operation") };
    assert_eq!(made["status"]["state"], "expired");
    assert_says(
        made["comment"].as_str().unwrap(),
        &["region failover of checkout-api from us-east-1 to us-west-2; requested by olga, approved by oskar", &id.to_string()],
    );
    let sent = done.plan.steps.iter().zip(&done.steps).find(|(step, _)| step.action.changes_routing()).unwrap().1;
    assert!(moment(made, "startsAt") <= sent.started_at.unwrap() && moment(made, "endsAt") >= sent.ended_at.unwrap(), "{made} {sent:?}");

    let [note] = &alerts.list("alerts").await[..] else { panic!("one note") };
    let labels = &note["labels"];
    assert_eq!((&labels["operation"], &labels["kind"]), (&Value::from(id.to_string()), &Value::from("region failover")));
    assert_eq!((&labels["from"], &labels["to"], &labels["service"]), (&EAST.into(), &WEST.into(), &SERVICE.into()));
    assert_says(note["annotations"]["description"].as_str().unwrap(), &["Proven, recovery time", "requested by olga, approved by oskar"]);
    assert!(moment(note, "endsAt") > chrono::Utc::now(), "it ends by itself, later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_40_a_test_writes_nothing_in_monitoring() {
    let alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::Good).await;
    stage.begin();
    let id = stage.ask(stage.plan(Mode::Test).unwrap()).await;
    let done = stage.comes_to(id, State::Succeeded).await;
    let (state, said) = step(&done, |action| matches!(action, Action::RehearseMonitoring { .. }));
    assert_eq!(state, StepState::Done);
    assert_says(&said, &["alerts: Alertmanager 0.", "it would be silent about"]);
    assert_eq!((alerts.list("silences").await.len(), alerts.list("alerts").await.len()), (0, 0));
    let rehearsed = step(&done, |action| matches!(action, Action::Rehearse { .. })).1;
    assert_says(
        &rehearsed,
        &["in general, sending cannot be rehearsed, it is proven by reading back", "a question without an answer for 9s has failed"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monitoring_that_is_gone_or_hangs_fails_nothing_holds_nothing_up_and_is_on_record() {
    // It accepts connections and never answers.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, said) in
        [(format!("http://{}", deaf.local_addr().unwrap()), "no answer within 900 ms"), (format!("http://{gone}"), "Connection refused")]
    {
        let stage = Stage::set(&entry(&url), Program::Good).await;
        stage.begin();
        let id = stage.ask(stage.plan(Mode::Emergency).unwrap()).await;
        let done = stage.comes_to(id, State::Succeeded).await;
        for told in [silence, end, annotate] {
            assert_eq!(step(&done, told).0, StepState::Failed);
        }
        assert_says(&step(&done, silence).1, &["alerts: ", said]);
        assert_eq!(done.shortfalls().count(), 3, "each stays visible");
        let began = done.steps.iter().find_map(|step| step.started_at).unwrap();
        let sent = done.plan.steps.iter().zip(&done.steps).rfind(|(step, _)| step.action.changes_routing()).unwrap().1.ended_at.unwrap();
        assert!(Span::between(began, sent) < Span::from_secs(4), "clients waited {} for monitoring", Span::between(began, sent));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_undone_ends_its_silence() {
    let alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::NotWest).await;
    stage.begin();
    let id = stage.ask(stage.plan(Mode::Planned).unwrap()).await;
    let failed = stage.comes_to(id, State::Failed).await;
    assert_eq!(step(&failed, silence).0, StepState::Undone);
    assert_eq!((alerts.silences("active").await.len(), alerts.silences("expired").await.len()), (0, 1));
    assert_eq!(std::fs::read_to_string(stage.place.path("on")).unwrap().trim(), EAST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_untold_holds_no_undoing_up() {
    let mut alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::Gated).await;
    stage.begin();
    let id = stage.ask(stage.plan(Mode::Planned).unwrap()).await;
    stage.waits_at_the_gate(id).await;
    assert_eq!(alerts.silences("active").await.len(), 1);
    alerts.kill().await;
    stage.act(Command::Abort { operation: id, reason: "a false alarm".to_owned() }).await;
    stage.open_gate().await;
    let failed = stage.comes_to(id, State::Failed).await;
    let (state, said) = step(&failed, silence);
    assert_eq!(state, StepState::UndoFailed, "the undoing went on: {said}");
    assert_eq!(std::fs::read_to_string(stage.place.path("on")).unwrap().trim(), EAST, "clients are back");
    assert!(failed.silence_left(chrono::Utc::now()).is_some(), "and it is tried again until it ends by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_move_ends_its_silence() {
    let alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::Gated).await;
    stage.begin();
    let id = stage.ask(stage.plan(Mode::Planned).unwrap()).await;
    stage.waits_at_the_gate(id).await;
    assert_eq!(alerts.silences("active").await.len(), 1);
    stage.act(Command::Abort { operation: id, reason: "a false alarm".to_owned() }).await;
    stage.open_gate().await;
    let failed = stage.comes_to(id, State::Failed).await;
    assert_eq!(step(&failed, silence).0, StepState::Undone);
    assert_eq!(alerts.silences("active").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_a_person_closes_in_doubt_leaves_no_silence_behind() {
    let alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::Gated).await;
    stage.begin();
    let id = stage.ask(stage.plan(Mode::Emergency).unwrap()).await;
    stage.waits_at_the_gate(id).await;
    assert_eq!(alerts.silences("active").await.len(), 1);
    stage.act(Command::Abort { operation: id, reason: "a false alarm".to_owned() }).await;
    stage.open_gate().await;
    stage.comes_to(id, State::InDoubt).await;
    assert_eq!(alerts.silences("active").await.len(), 1, "it has not ended");
    stage.act(Command::Close { operation: id, reason: "looked at it".to_owned() }).await;
    until("the silence has ended", async || alerts.silences("active").await.is_empty()).await;
    until("that is on record", async || stage.operation(id).silence_left(chrono::Utc::now()).is_none()).await;
    let closed = stage.operation(id);
    assert_eq!((closed.state, step(&closed, end).0), (State::Closed, StepState::Done));
    assert_says(&step(&closed, end).1, &["after the end of the operation: alerts: silence ", "has ended, read back"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_right_after_it_silenced_finds_the_silence_again() {
    let alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::Good).await;
    let plan = stage.plan(Mode::Planned).unwrap();
    let at = plan.steps.iter().position(|step| silence(&step.action)).unwrap();
    let id = stage.ask(plan).await;
    // What a server leaves that is killed between the act and its record.
    let mut events = vec![Event::OperationStarted { id }];
    for step in 0..at {
        events.push(Event::StepStarted { id, step });
        events.push(Event::StepEnded { id, step, state: StepState::Done, said: "seen".to_owned() });
    }
    events.push(Event::StepStarted { id, step: at });
    stage.desk.record(&Actor::Lifeboat, |_| events.clone()).await.unwrap();
    let services: BTreeSet<ServiceId> = [SERVICE.parse().unwrap()].into();
    let left: BTreeSet<RegionId> = regions([EAST]);
    let killed = Adapter::new(&declared(&alerts.url(), ""), &Place::new().config("").unwrap()).unwrap();
    let what = Silencing { operation: id, services: &services, regions: &left };
    killed.silence(&what, chrono::Utc::now() + Span::from_mins(5).as_delta(), "Lifeboat: killed").await.unwrap();

    stage.begin();
    let done = stage.comes_to(id, State::Succeeded).await;
    assert_says(&step(&done, silence).1, &["is in force already"]);
    assert_eq!(alerts.list("silences").await.len(), 1, "one silence for one operation");
    assert_eq!(alerts.silences("active").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evacuation_silences_once_and_its_members_rely_on_that() {
    let alerts = Alertmanager::open().await;
    let stage = Stage::told(&alerts, Program::Good).await;
    stage.begin();
    let plan = stage.desk.picture().evacuation_plan(&EAST.parse().unwrap(), Mode::Planned).unwrap();
    let id = stage.ask(plan).await;
    let done = stage.comes_to(id, State::Succeeded).await;
    assert_eq!(done.shortfalls().count(), 0, "{:?}", done.steps);
    let picture = stage.desk.picture();
    let child = picture.records.operations.values().find(|operation| operation.parent == Some(id)).unwrap().clone();
    let child = stage.comes_to(child.id, State::Succeeded).await;
    assert_says(&step(&child, silence).1, &["the silence of the evacuation", "covers it"]);
    assert_says(&step(&child, end).1, &["the silence ends with the evacuation"]);
    let [made] = &alerts.list("silences").await[..] else { panic!("one silence for all of it") };
    assert_says(made["comment"].as_str().unwrap(), &["evacuation of us-east-1", &id.to_string()]);
    assert_eq!(made["status"]["state"], "expired");
    assert_eq!(alerts.list("alerts").await.len(), 2, "a note of the whole and one of its member");
}
