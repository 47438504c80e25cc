//! Runbooks through the real router and the real program: saved, overtaken, exported, begun, worked by, killed in the middle.

use crate::{
    house::{Browser, House, form},
    program::{Program, Running, until},
    receivers::{Behaviour, WebService},
    world::id,
};
use engine::{
    id::{AccountName, RunId, RunbookName},
    journal::{Actor, Command},
    picture::Picture,
    runbooks::{
        Runbook, defaults,
        ledger::RunbookCommand,
        resolve::{Resolved, Values, resolve},
        run::{Beginning, Run, RunCommand, RunState, StepState},
        text,
    },
};
use http::StatusCode;
use server::{desk::Desk, runbooks, store::Store};
use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

async fn with_runbooks() -> House {
    let house = House::with_people().await;
    runbooks::adopt(&house.desk).await.unwrap();
    house
}

fn region() -> (RunbookName, &'static str) {
    (id(defaults::ALL[0].0), defaults::ALL[0].1)
}

async fn save(browser: &mut Browser, from: &str, text: &str, what: &str) -> (StatusCode, String) {
    let (name, _) = region();
    let body = form(&[("name", name.as_str()), ("from", from), ("text", text), ("note", "a test"), ("what", what)]);
    let answer = browser.post("/api/save_runbook", &body).await;
    (answer.status, if answer.location().is_empty() { answer.body } else { answer.location().to_owned() })
}

#[tokio::test]
async fn the_product_s_runbooks_are_there_once_and_are_exported_byte_for_byte() {
    let house = with_runbooks().await;
    let before = house.journal_length().await;
    runbooks::adopt(&house.desk).await.unwrap();
    assert_eq!(house.journal_length().await, before, "taken over once");
    let mut vera = house.signed_in("vera").await;
    for (name, text) in defaults::ALL {
        let answer = vera.get(&format!("/runbooks/{name}/export")).await;
        assert_eq!((answer.status, answer.header("content-type"), answer.body.as_str()), (StatusCode::OK, "text/markdown; charset=utf-8", text));
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{name}.md\""));
    }
    assert_eq!(vera.get("/runbooks/nothing/export").await.status, StatusCode::NOT_FOUND);
    let page = vera.get("/runbooks/region-failover").await.body;
    for said in ["A region is lost", "Site reliability", "15m at most", "That takes the role operator", "the linter complains of nothing"] {
        assert!(page.contains(said), "{said} is missing");
    }
    let list = vera.get("/runbooks").await.body;
    assert!(list.contains("Data is corrupt") && list.contains("within 15m") && list.contains("2027-05-31"), "{list}");
}

/// Row 77, and what an import is checked for.
#[tokio::test]
async fn a_save_that_comes_too_late_writes_over_nothing_and_a_text_with_mistakes_is_kept() {
    let house = with_runbooks().await;
    let (name, text) = region();
    let (mut ann, mut otto) = (house.signed_in("ann").await, house.signed_in("otto").await);
    // As a form sends it.
    let hers = text.replace("A region is lost", "A region is gone");
    assert_eq!(save(&mut ann, "1", &hers.replace('\n', "\r\n"), "save").await, (StatusCode::OK, "/runbooks/region-failover".to_owned()));
    assert_eq!(ann.get("/runbooks/region-failover/export").await.body, hers);
    let his = text.replace("A region is lost", "A region <script>alert(1)</script> fell");
    let (_, kept) = save(&mut otto, "1", &his, "save").await;
    assert!(kept.starts_with("/runbooks/region-failover/edit?draft="), "{kept}");
    let page = otto.get(&kept).await.body;
    assert!(page.contains("Not saved: version 2 was saved while you wrote") && page.contains("Save it as version 3"), "{page}");
    assert!(!page.contains("<script>alert"), "what people write does not run");
    let draft = kept.rsplit('=').next().unwrap();
    let diff = otto.get(&format!("/runbooks/{name}/versions?old=2&new=draft-{draft}")).await.body;
    assert!(diff.contains("# A region is gone") && diff.contains("# A region &lt;script&gt;"), "{diff}");
    // A mistake is told with its line, and the text is not lost.
    let (_, kept) = save(&mut otto, "2", &his.replace("type = \"wait\"", "type = \"sleep\""), "save").await;
    let page = otto.get(&kept).await.body;
    assert!(page.contains("line 62: “sleep” is no type of step") && page.contains("This cannot be read: "), "{page}");
    // Checking keeps it too, and saves nothing; a trap is told.
    let (_, kept) = save(&mut otto, "2", &his.replace("What depends on {{from}} itself proves nothing.", "\n\n```sh\nsleep 30\n```"), "check").await;
    assert!(otto.get(&kept).await.body.contains("it waits for a length of time"));
    let (status, said) = save(&mut otto, "", &his, "save").await;
    assert!(status == StatusCode::CONFLICT && said.contains("choose another name"), "{said}");
    let bad = otto.post("/api/save_runbook", &form(&[("name", "../x"), ("text", &his)])).await;
    assert!(bad.status != StatusCode::OK && bad.body.contains("the name of a runbook"), "{}", bad.body);
    let reserved = otto.post("/api/save_runbook", &form(&[("name", "runs"), ("text", &his)])).await;
    assert!(reserved.body.contains("no runbook can be called"), "{}", reserved.body);
    let record = house.desk.picture().records.runbooks.book(&name).cloned().unwrap();
    assert_eq!((record.versions.len(), record.newest().unwrap().text.as_str(), record.drafts.len()), (2, hers.as_str(), 3));
}

#[tokio::test]
async fn a_run_begins_with_everything_filled_in_and_two_people_at_one_step_are_told_apart() {
    let house = with_runbooks().await;
    let (mut ann, mut otto, mut vera) = (house.signed_in("ann").await, house.signed_in("otto").await, house.signed_in("vera").await);
    let run = RunId(uuid::Uuid::now_v7()).to_string();
    let values = |service: &str| {
        form(&[
            ("id", &run),
            ("name", "region-failover"),
            ("version", "1"),
            ("reason", "a drill"),
            ("values[from]", "us-east-1"),
            ("values[to]", "us-west-2"),
            ("values[service]", service),
            ("values[cluster]", "users"),
        ])
    };
    let refused = ann.post("/api/start_run", &values("")).await;
    assert!(refused.status == StatusCode::BAD_REQUEST && refused.body.contains("the parameter service needs a value"), "{}", refused.body);
    let refused = ann.post("/api/start_run", &values("nowhere")).await;
    assert!(refused.body.contains("is not declared in the estate"), "{}", refused.body);
    let refused = vera.post("/api/start_run", &values("checkout-api")).await;
    assert!(refused.body.contains("vera may not write runbooks and work by them"), "{}", refused.body);
    let begun = ann.post("/api/start_run", &values("checkout-api")).await;
    assert_eq!((begun.status, begun.location().to_owned()), (StatusCode::OK, format!("/runbooks/runs/{run}")), "{}", begun.body);
    let work = |what: &str, step: &str, said: &str| form(&[("id", &run), ("what", what), ("step", step), ("said", said)]);
    assert_eq!(ann.post("/api/work_run", &work("skip", "1", "a drill in a test")).await.status, StatusCode::OK);
    let late = otto.post("/api/work_run", &work("skip", "1", "me too")).await;
    assert!(late.status == StatusCode::CONFLICT && late.body.contains("ann has ended “Make sure that the region is lost” already"), "{}", late.body);
    let page = otto.get(&format!("/runbooks/runs/{run}")).await.body;
    for said in ["skipped by ann", "a drill in a test", "us-west-2", "Begin: Make sure that the other region can take over", "1 of 8 steps are done"]
    {
        assert!(page.contains(said), "{said} is missing in {page}");
    }
    assert!(!page.contains("{{"), "nothing is left open in a run");
    let last = house.last_events(1).await.remove(0);
    assert!(last.starts_with("otto") && last.contains("refused"), "{last}");
}

const ESTATE: &str = r#"
name = "runs"
[[region]]
id = "us-east-1"
name = "US East"
[[service]]
id = "web"
tier = 3
rto = "1h"
rpo = "1h"
mtpd = "24h"
data_class = "standard"
"#;

const SECRET: &str = "canary-runbook-51f0ab";

/// A real server whose configuration has three programs and one origin, and the test's own hands in its journal.
struct Place {
    program: Program,
    web: WebService,
    desk: Desk,
}

impl Place {
    async fn new() -> Self {
        let web = WebService::start(Behaviour::Accept).await;
        let config = format!(
            "[runbook_command.drain]\ncommand = [\"FOLDER/drain\", \"--all\"]\nsecret_files = {{ API_TOKEN = \"token\" }}\n[runbook_command.fails]\ncommand = [\"/bin/false\"]\n[runbook_command.hangs]\ncommand = [\"/bin/sleep\"]\n[runbook_origin.edge]\norigin = \"http://127.0.0.1:{}\"\ntoken_file = \"token\"\n",
            web.port
        );
        let folder = tempfile::tempdir().unwrap();
        let config = config.replace("FOLDER", &folder.path().display().to_string());
        let program = Program::around(folder, &config, ESTATE);
        program.write("token", SECRET);
        program.write("drain", "#!/bin/sh\necho \"$@ in $LIFEBOAT_REGION by $LIFEBOAT_STEP\"\necho \"with $API_TOKEN\"\nenv | /usr/bin/wc -l\n");
        std::fs::set_permissions(program.path("drain"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let desk = Desk::open(Store::open(&program.data()).await.unwrap(), engine::estate::Estate::from_toml(ESTATE).unwrap()).await.unwrap();
        for (name, role) in [("ann", engine::access::Role::Operator), ("otto", engine::access::Role::Operator)] {
            let name: AccountName = id(name);
            desk.act(&Actor::CommandLine("tests".to_owned()), Command::AddAccount { name, roles: [role].into() }).await.unwrap();
        }
        Self { program, web, desk }
    }

    async fn picture(&self) -> Picture {
        self.desk.read_on().await.unwrap();
        self.desk.picture()
    }

    /// ann begins a run of a runbook with these steps.
    async fn begin(&self, steps: &str) -> RunId {
        let text = format!("# Test\n\n```runbook\n[[parameter]]\nname = \"region\"\ntype = \"region\"\n```\n\n## Steps\n\n{steps}");
        let runbook: Runbook = text::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).runbook;
        let (name, run) = (id::<RunbookName>("test"), RunId(uuid::Uuid::now_v7()));
        let save = RunbookCommand::Save { text, summary: Box::new(runbook.summary()), from: None, note: String::new() };
        self.acts("ann", Command::Runbook { name: name.clone(), command: save }).await;
        let values = Values::from([("region".to_owned(), "us-east-1".to_owned())]);
        let Resolved { values, steps, messages } = resolve(&runbook, &values, &|_| None, self.desk.estate()).unwrap();
        let with = Beginning {
            runbook: name,
            version: 1,
            title: "Test".to_owned(),
            values,
            steps,
            messages,
            roles: Vec::new(),
            rto: None,
            reason: "a test".to_owned(),
        };
        self.works(run, RunCommand::Start { with: Box::new(with) }).await;
        run
    }
    async fn acts(&self, name: &str, command: Command) {
        self.desk.act(&Actor::Person(id(name)), command).await.unwrap();
    }
    async fn works(&self, id: RunId, command: RunCommand) {
        self.acts("ann", Command::Run { id, command }).await;
    }
    /// Begins a step and waits until it is no more under way.
    async fn ends(&self, run: RunId, step: usize) -> (StepState, String) {
        self.works(run, RunCommand::Begin { step }).await;
        until("the step has ended", async || !self.run(run).await.steps[step].state.is_under_way()).await;
        let record = self.run(run).await.steps[step].clone();
        (record.state, record.said.unwrap_or_default())
    }
    async fn run(&self, run: RunId) -> Arc<Run> {
        self.picture().await.records.runbooks.run(run).unwrap().clone()
    }
    fn serve(&self) -> Running {
        self.program.serve("warn")
    }
    async fn skip(&self, run: RunId, step: usize) {
        self.works(run, RunCommand::Skip { step, reason: "it is a test".to_owned() }).await;
    }
}

fn step(number: usize, block: &str) -> String {
    format!("### Step {number}\n\n```step\nid = \"s{number}\"\nregion = \"{{{{region}}}}\"\n{block}\n```\n\n")
}

/// Rows 79 and 80: what the configuration names is run without a shell, what came back is kept, and secrets are not.
#[tokio::test]
async fn commands_and_requests_run_where_the_configuration_allows_them_and_secrets_stay_secret() {
    let place = Place::new().await;
    let server = place.serve();
    let url = place.web.url("/drain/{{region}}");
    let elsewhere = "http://127.0.0.1:1/x";
    let steps = [
        "type = \"command\"\ncommand = \"drain\"\narguments = [\"{{region}}; echo $HOME `id`\"]\nexpect = \"--all\"\ntimeout = \"10s\"".to_owned(),
        "type = \"command\"\ncommand = \"unknown\"\ntimeout = \"10s\"".to_owned(),
        "type = \"command\"\ncommand = \"fails\"\ntimeout = \"10s\"".to_owned(),
        "type = \"command\"\ncommand = \"hangs\"\narguments = [\"60\"]\ntimeout = \"300ms\"".to_owned(),
        format!("type = \"http\"\nmethod = \"POST\"\nurl = \"{url}\"\nbody = '{{\"region\": \"{{{{region}}}}\"}}'\ntimeout = \"10s\""),
        format!("type = \"http\"\nurl = \"{url}\"\ntimeout = \"10s\""),
        format!("type = \"http\"\nurl = \"{elsewhere}\"\ntimeout = \"10s\""),
        "type = \"wait\"\nuntil = \"well\"\ntimeout = \"1s\"".to_owned(),
    ];
    let run = place.begin(&steps.iter().enumerate().map(|(number, block)| step(number, block)).collect::<String>()).await;
    let (state, said) = place.ends(run, 0).await;
    assert_eq!(state, StepState::Done, "{said}");
    assert!(said.contains("--all us-east-1; echo $HOME `id` in us-east-1 by s0"), "no shell has touched it: {said}");
    assert!(said.contains("with …") && !said.contains(SECRET), "{said}");
    for (number, why) in
        [(1, "no [runbook_command.unknown], so nothing was run"), (2, "/bin/false failed"), (3, "did not end within 300 ms and was killed")]
    {
        let (state, said) = place.ends(run, number).await;
        assert!(state == StepState::Failed && said.contains(why), "{number}: {said}");
        place.skip(run, number).await;
    }
    let (state, said) = place.ends(run, 4).await;
    assert_eq!(state, StepState::Done, "{said}");
    let heard = place.web.heard();
    assert_eq!((heard[0].path.as_str(), heard[0].body["region"].as_str()), ("/drain/us-east-1", Some("us-east-1")));
    assert_eq!(heard[0].header("authorization"), format!("Bearer {SECRET}"));
    // An error page is no success, and what it quotes is not kept with the secret in it (trap R15).
    place.web.behave(Behaviour::Refuse(500, format!("no: {SECRET}")));
    let (state, said) = place.ends(run, 5).await;
    assert!(state == StepState::Failed && said.contains("it answered 500, and not 200") && !said.contains(SECRET), "{said}");
    place.web.behave(Behaviour::Accept);
    assert_eq!(place.ends(run, 5).await.0, StepState::Done, "tried again, by a person");
    let (state, said) = place.ends(run, 6).await;
    assert!(state == StepState::Failed && said.contains("no [runbook_origin] for http://127.0.0.1:1, so nothing was sent"), "{said}");
    place.skip(run, 6).await;
    // Nothing is probed in this estate, so nobody can say that it is well.
    let (state, said) = place.ends(run, 7).await;
    assert!(state == StepState::Failed && said.contains("not so after 1s"), "{said}");
    place.works(run, RunCommand::Tick { step: 7, said: "looked from outside".to_owned() }).await;
    assert_eq!(place.run(run).await.state, RunState::Completed);
    let said = server.stop();
    assert!(!said.contains(SECRET), "{said}");
    let kept = crate::program::files_in(&place.program.data());
    assert!(!kept.iter().any(|(_, bytes)| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())), "the secret is nowhere in the store");
}

/// Resume after a crash: what only looks is taken up again, of the rest nobody knows, and a person goes on.
#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_step_says_so_and_the_run_goes_on() {
    let place = Place::new().await;
    let server = place.serve();
    let url = place.web.url("/slow");
    let steps = [
        "type = \"command\"\ncommand = \"hangs\"\narguments = [\"60\"]\ntimeout = \"2m\"".to_owned(),
        format!("type = \"http\"\nurl = \"{url}\"\ntimeout = \"2m\""),
        "type = \"manual\"\ntimeout = \"1s\"\n[rollback]\nmanual = \"take it back\"".to_owned(),
    ];
    let run = place.begin(&steps.iter().enumerate().map(|(number, block)| step(number, block)).collect::<String>()).await;
    place.works(run, RunCommand::Begin { step: 0 }).await;
    until("the program runs", async || sleeps()).await;
    server.kill();
    let server = place.serve();
    until("it is said that nobody knows", async || place.run(run).await.steps[0].state == StepState::Unknown).await;
    assert!(place.run(run).await.steps[0].said.as_deref().unwrap().contains("nobody knows how far it came"));
    place.works(run, RunCommand::Tick { step: 0, said: "looked, it was done".to_owned() }).await;
    place.web.behave(Behaviour::Stall);
    place.works(run, RunCommand::Begin { step: 1 }).await;
    until("it was asked", async || !place.web.heard().is_empty()).await;
    server.kill();
    place.web.behave(Behaviour::Accept);
    let server = place.serve();
    until("it was asked again", async || place.run(run).await.steps[1].state == StepState::Done).await;
    // A person's step that takes longer than it may is marked, and goes on.
    place.works(run, RunCommand::Begin { step: 2 }).await;
    until("it is marked", async || place.run(run).await.steps[2].overdue.is_some()).await;
    assert_eq!(place.run(run).await.steps[2].state, StepState::Running);
    place.works(run, RunCommand::Tick { step: 2, said: String::new() }).await;
    let ended = place.run(run).await;
    assert_eq!((ended.state, ended.steps[0].state, ended.steps[0].attempts), (RunState::Completed, StepState::Done, 1));
    drop(server);
}

/// Whether a program of the test's own runs: `sleep 60`.
fn sleeps() -> bool {
    let is = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == b"/bin/sleep\x0060\x00");
    std::fs::read_dir("/proc").unwrap().flatten().any(is)
}

#[test]
fn what_the_configuration_offers_to_runbooks_is_checked_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let file = folder.path().join("lifeboat.toml");
        std::fs::write(&file, text).unwrap();
        server::config::Config::read(&file).map(|_| ()).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(read("[runbook_command.a]\ncommand = [\"/bin/true\"]\n[runbook_origin.b]\norigin = \"https://edge.example\""), Ok(()));
    for (text, why) in [
        ("[runbook_command.a]\ncommand = [\"true\"]", "[runbook_command.a]: `command` begins with the absolute path"),
        ("[runbook_command.a]\ncommand = [\"/bin/true\"]\nshell = true", "unknown field `shell`"),
        ("[runbook_command.a]\ncommand = [\"/bin/true\"]\nsecret_files = { LIFEBOAT_RUN = \"x\" }", "is no name of a variable"),
        ("[runbook_origin.b]\norigin = \"https://edge.example/path\"", "is scheme, host and port and nothing else"),
        ("[runbook_origin.b]\norigin = \"file:///etc\"", "[runbook_origin.b]: `origin` is scheme, host and port"),
    ] {
        let said = read(text).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
}
