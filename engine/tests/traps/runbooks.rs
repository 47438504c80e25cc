//! Runbooks against the traps R1 to R23 of the guide's sketch. Its commands, and nothing else of it, are in the two files beside
//! this one; what is written and read again is tested beside `text.rs`.

use crate::world::{Book, World, id, now, person};
use engine::{
    estate::Estate,
    findings::{self, Complaint, Severity},
    id::{RunId, RunbookName},
    journal::{Actor, Command, Event, Refusal},
    runbooks::{
        Action, Runbook, Target, condition,
        condition::Condition,
        defaults,
        ledger::{RunbookCommand, RunbookEvent, RunbookRefusal},
        lint::{LintComplaint as C, Place, Surroundings, lint},
        messages,
        resolve::{Resolved, Unresolved, Values, resolve},
        run::{Beginning, RunCommand, RunEvent, RunRefusal, RunState, StepState},
        sights::RunbookSights,
        text::{parse, write},
    },
    time::Span,
};
use std::collections::BTreeSet;

const REGIONAL: &str = include_str!("guide-regional-failover.md");
const CORRUPTION: &str = include_str!("guide-data-corruption-recovery.md");

fn read(text: &str) -> Runbook {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).runbook
}

fn complaints(runbook: &Runbook, sights: &RunbookSights) -> Vec<(String, C)> {
    let (estate, runbooks) = (Estate::guide().unwrap(), BTreeSet::new());
    let found = lint(runbook, Surroundings { estate: &estate, sights, runbooks: &runbooks });
    let place = |place: Place| match place {
        Place::Head => "head".to_owned(),
        Place::Step(id) | Place::Message(id) => id,
    };
    found.into_iter().map(|lint| (place(lint.at), lint.complaint)).collect()
}
fn of(text: &str) -> Vec<(String, C)> {
    complaints(&read(text), &RunbookSights::default())
}

/// A runbook with one step of these lines.
fn step(head: &str, block: &str, prose: &str) -> String {
    format!(
        "# A\n\n```runbook\nowner = \"me\"\nreview_by = \"2030-01-01\"\nrto = \"15m\"\n{head}\n```\n\n## Steps\n\n### One\n\n{prose}\n\n```step\nid = \"one\"\ntimeout = \"5m\"\n{block}\n```\n"
    )
}
/// What is said of a line that somebody is told to run.
fn of_line(line: &str) -> Vec<C> {
    let text = step(
        "disaster = \"data-corruption\"",
        "type = \"manual\"\nnowhere = \"a test\"\nsuccess = \"it worked\"\nrollback = { none = \"a test\" }",
        &format!("````bash\n{line}\n````"),
    );
    of(&text).into_iter().map(|(_, complaint)| complaint).filter(|complaint| *complaint != C::CommandsInProse).collect()
}

#[test]
fn the_linter_finds_each_trap_in_the_commands_of_the_guide() {
    let regional = of(REGIONAL);
    let corruption = of(CORRUPTION);
    let minutes = |minutes| Span::from_mins(minutes);
    // A trap, what was found, the words it is found in, and the complaint.
    type Expected<'a> = (&'a str, &'a Vec<(String, C)>, &'a str, C);
    let expected: Vec<Expected<'_>> = vec![
        ("R1", &regional, "s4", C::Route53Disabled),
        ("R2", &corruption, "s4", C::RecoveryConf),
        ("R3", &corruption, "s4", C::LatestRestored),
        ("R4", &corruption, "s4", C::FixedMoment { text: "2024-01-15 10:30:00".to_owned() }),
        ("R5", &corruption, "s4", C::PromotedUnseen),
        ("R6", &corruption, "s4", C::OwnDisk),
        ("R6", &corruption, "s3", C::NoVolume),
        ("R7", &regional, "s3", C::NotReloaded),
        ("R7", &regional, "s3", C::NoFence),
        ("R8", &regional, "s3", C::Sleeps),
        ("R9", &regional, "s2", C::NoKubectlContext),
        ("R9", &regional, "s2", C::TakesAny),
        ("R9", &regional, "s3", C::NoTarget),
        ("R10", &corruption, "s2", C::TerminatedNotBlocked),
        ("R11", &corruption, "s2", C::MaintenanceNeverOff),
        ("R12", &corruption, "s6", C::QuotedVariable { name: "$PASS".to_owned() }),
        ("R12", &corruption, "s6", C::SuperuserUrl),
        ("R13", &corruption, "s5", C::StatisticsAsData { name: "n_live_tup".to_owned() }),
        ("R14", &corruption, "s6", C::FixedReplicas { replicas: "3".to_owned() }),
        ("R14", &corruption, "s6", C::RestartedAtZero),
        ("R15", &regional, "s1", C::CurlIgnoresStatus),
        ("R15", &regional, "s5", C::CurlIgnoresStatus),
        ("R15", &regional, "s1", C::BareBraces),
        ("R16", &regional, "s6", C::UnresolvedPlaceholder { text: "\"...\"".to_owned() }),
        ("R16", &regional, "s6", C::SilenceWithoutLogin),
        ("R17", &regional, "s1", C::AsksTheLostRegion { region: "us-east-1".to_owned() }),
        ("R18", &regional, "head", C::NoReviewDate),
        ("R18", &corruption, "head", C::NoOwner),
        ("R19", &regional, "head", C::UsualAboveRto { usual: minutes(65), rto: minutes(15) }),
        ("R19", &regional, "head", C::EstimateTooShort { estimate: minutes(30), usual: minutes(65) }),
        ("R19", &corruption, "head", C::EstimateTooShort { estimate: minutes(60), usual: minutes(80) }),
        ("R20", &regional, "s1", C::CommandsInProse),
        ("R20", &regional, "s1", C::NoSuccessTest),
        ("R21", &regional, "s3", C::NoRollback),
        ("R21", &corruption, "s2", C::NoRollback),
        ("R22", &regional, "in_progress", C::UnresolvedPlaceholder { text: "{status}".to_owned() }),
        ("R22", &corruption, "in_progress", C::UnresolvedPlaceholder { text: "{eta}".to_owned() }),
        ("R22", &corruption, "complete", C::UnresolvedPlaceholder { text: "{cutoff_time}".to_owned() }),
        ("R1", &regional, "s4", C::UnsetVariable { name: "PRIMARY_HC_ID".to_owned() }),
    ];
    for (trap, found, place, complaint) in expected {
        assert!(found.contains(&(place.to_owned(), complaint.clone())), "{trap}: {complaint} at {place} is not among\n{found:#?}");
    }
    assert!(regional.iter().chain(&corruption).all(|(_, complaint)| !complaint.to_string().is_empty() && !complaint.remedy().is_empty()));
}

#[test]
fn the_runbooks_of_the_product_raise_none_of_them() {
    for (name, _, runbook) in defaults::all() {
        assert_eq!(complaints(&runbook, &RunbookSights::default()), [], "{name}");
    }
}

#[test]
fn what_is_right_is_left_alone() {
    for line in [
        "curl -fsS https://edge.example/health",
        "curl --fail-with-body -u me 'https://mon.example/q?x=up{a=\"b\"}'",
        "kubectl --context={{from}} get pod api-0",
        "psql -c 'alter database app allow_connections false' -c 'select pg_terminate_backend(pid) from pg_stat_activity'",
        "ALTER SYSTEM SET work_mem = '4MB'; SELECT pg_reload_conf();",
        "grep -r 'corrupt' /var/log/app/*.log | head -50",
        "awk '{print $NF}' /tmp/x",
        "ID=7; echo $ID ${HOME}",
        "kubectl exec --context=a pg-0 -- ls /var/lib/postgresql",
        "# sleep 30",
        "kubectl set env --context=a deployment/web MAINTENANCE_MODE=true\nkubectl set env --context=a deployment/web MAINTENANCE_MODE=false",
        "git log --since=2024-W1",
    ] {
        let found: Vec<C> = of_line(line).into_iter().filter(|complaint| !matches!(complaint, C::UndeclaredPlaceholder { .. })).collect();
        assert_eq!(found, [], "{line}");
    }
    for (line, complaint) in [
        ("sleep 5 && echo go", C::Sleeps),
        ("psql -c 'select pg_sleep(30)'", C::Sleeps),
        ("wal-g backup-fetch /tmp/x LATEST", C::LatestRestored),
        ("ssh db pg_restore <backup-file>", C::UnresolvedPlaceholder { text: "<backup-file>".to_owned() }),
        ("psql -c \"select reltuples from pg_class\"", C::StatisticsAsData { name: "reltuples".to_owned() }),
    ] {
        assert!(of_line(line).contains(&complaint), "{line}: {:?}", of_line(line));
    }
}

#[test]
fn what_a_step_needs_of_the_estate_and_of_the_server_is_missed_before_it_is_needed() {
    let block = "type = \"command\"\ncommand = \"drain\"\nsuccess = \"it is empty\"";
    let found = of(&step("", block, ""));
    assert!(found.contains(&("one".to_owned(), C::NoTarget)) && found.contains(&("one".to_owned(), C::NoRollback)), "{found:?}");
    assert!(found.iter().any(|(_, complaint)| matches!(complaint, C::UnknownCommand { name, .. } if name == "drain")), "{found:?}");
    let mut sights = RunbookSights::default();
    sights.commands.insert("drain".to_owned(), Ok(()));
    sights.origins.insert("https://edge.example".to_owned());
    let whole = step("", &format!("{block}\nregion = \"us-east-1\"\n[rollback]\nnone = \"it only reads\""), "");
    assert_eq!(complaints(&read(&whole), &sights), []);
    let request = |url: &str| step("", &format!("type = \"http\"\nurl = \"{url}\"\nregion = \"us-east-1\"\nsuccess = \"it answers\""), "");
    assert_eq!(complaints(&read(&request("https://edge.example/health?x=1")), &sights), []);
    let elsewhere = complaints(&read(&request("https://edge.example@evil.example/")), &sights);
    assert!(matches!(&elsewhere[..], [(_, C::UnknownOrigin { .. })]), "{elsewhere:?}");
    let sql = |target: &str, statement: &str| {
        step("[[parameter]]\nname = \"x\"\ntype = \"text\"", &format!("type = \"sql\"\n{target}\nstatement = \"{statement}\"\nsuccess = \"s\""), "")
    };
    let found = of(&sql("region = \"us-east-1\"", "select '{{x}}'"));
    assert!(found.contains(&("one".to_owned(), C::TargetMissing { missing: "cluster".to_owned() })), "{found:?}");
    assert!(found.contains(&("one".to_owned(), C::QuotedPlaceholder)), "{found:?}");
    let found = of(&sql("cluster = \"nowhere\"", "select {{y}}"));
    assert!(found.contains(&("one".to_owned(), C::NotDeclared { kind: "cluster".to_owned(), name: "nowhere".to_owned() })), "{found:?}");
    assert!(found.contains(&("one".to_owned(), C::UndeclaredPlaceholder { name: "y".to_owned() })), "{found:?}");
    assert!(found.contains(&("head".to_owned(), C::UnusedParameter { name: "x".to_owned() })), "{found:?}");
    let found = of(&step("service = \"api-gateway\"", "type = \"manual\"\nregion = \"us-east-1\"\nrole = \"Captain\"\nsuccess = \"s\"", "")
        .replace("rto = \"15m\"", "rto = \"1h\""));
    assert!(found.contains(&("one".to_owned(), C::UndeclaredRole { role: "Captain".to_owned() })), "{found:?}");
    assert!(found.iter().any(|(_, complaint)| matches!(complaint, C::LongerThanPromised { .. })), "{found:?}");
}

fn name() -> RunbookName {
    id("region-failover")
}
fn save(text: &str, from: Option<u32>) -> Command {
    let summary = Box::new(read(text).summary());
    Command::Runbook { name: name(), command: RunbookCommand::Save { text: text.to_owned(), summary, from, note: String::new() } }
}
/// ann and bob are operators.
fn people() -> (Actor, Actor) {
    (person("ann"), person("bob"))
}

#[test]
fn row_77_a_lost_update_is_refused_and_both_texts_are_kept() {
    let mut book = Book::with_people();
    let (olga, oskar) = people();
    let text = defaults::ALL[0].1;
    book.act(&olga, &save(text, None), now()).unwrap();
    let (hers, his) = (text.replace("**{{from}}**", "{{from}}"), text.replace("8m", "9m"));
    book.act(&olga, &save(&hers, Some(1)), now()).unwrap();
    let events = book.act(&oskar, &save(&his, Some(1)), now()).unwrap();
    assert!(
        matches!(&events[..], [Event::Runbook { what, .. }] if matches!(**what, RunbookEvent::DraftKept { overtaken_by: Some(2), .. })),
        "{events:?}"
    );
    let records = book.replayed();
    let record = records.runbooks.book(&name()).unwrap();
    assert_eq!((record.newest().unwrap().number, &record.newest().unwrap().text, &record.newest().unwrap().by), (2, &hers, &olga));
    assert_eq!((&record.drafts[0].text, &record.drafts[0].by, record.drafts[0].from), (&his, &oskar, Some(1)));
    assert_eq!(record.version(1).unwrap().text, text, "every version is kept byte for byte");
    assert_eq!(book.act(&oskar, &save(&his, Some(2)), now()).unwrap().len(), 1, "put together with the newest, it is the next version");
    // Sent twice, saved once; and nothing is written over by whoever did not know that it was there.
    assert_eq!(book.act(&oskar, &save(&his, Some(2)), now()), Ok(Vec::new()));
    let refusal = |answer: Result<Vec<Event>, Refusal>| match answer {
        Err(Refusal::Runbook(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(book.act(&olga, &save(&hers, None), now())), RunbookRefusal::NameTaken { name: name(), version: 3 });
    assert_eq!(refusal(book.act(&olga, &save(&his, Some(3)), now())), RunbookRefusal::NothingNew { version: 3 });
    assert_eq!(refusal(book.act(&olga, &save(&hers, Some(9)), now())), RunbookRefusal::NoSuchVersion { name: name(), version: 9 });
}

#[test]
fn r18_r19_what_takes_too_long_or_was_not_read_again_is_complained_of() {
    let mut world = World::healthy();
    let mut book = Book::with_people();
    let text = defaults::ALL[0].1;
    let complaints = |world: &World| -> Vec<Complaint> {
        let found = findings::all(&world.picture());
        let of = |finding: findings::Finding| matches!(finding.about, findings::About::Runbook(_)).then_some((finding.severity, finding.complaint));
        let found: Vec<(Severity, Complaint)> = found.into_iter().filter_map(of).collect();
        assert!(found.iter().all(|(severity, _)| *severity != Severity::Lost));
        found.into_iter().map(|(_, complaint)| complaint).collect()
    };
    book.act(&person("ann"), &save(text, None), now()).unwrap();
    world.records = book.replayed();
    assert_eq!(complaints(&world), []);
    let day = "2020-05-31".parse().unwrap();
    let late = text.replace("2027-05-31", "2020-05-31").replace("timeout = \"5m\"", "timeout = \"6m\"");
    book.act(&person("ann"), &save(&late, Some(1)), now()).unwrap();
    world.records = book.replayed();
    let (longest, within) = (Span::from_mins(16), Span::from_mins(15));
    assert_eq!(
        complaints(&world),
        [Complaint::ReviewOverdue { runbook: name(), review_by: day }, Complaint::RunbookMayTakeTooLong { runbook: name(), longest, within }]
    );
}

const WALK: &str = r#"# Walk

```runbook
rto = "15m"
[[parameter]]
name = "who"
type = "text"
[[parameter]]
name = "region"
type = "region"
default = "us-east-1"
[[role]]
name = "Commander"
```

## Steps

### Call {{who}}

```step
id = "call"
type = "manual"
nowhere = "a telephone"
timeout = "2m"
[rollback]
manual = "Call again."
```

### Agree

```step
id = "agree"
type = "approval"
region = "{{region}}"
timeout = "2m"
```

### Count

```step
id = "count"
type = "sql"
cluster = "user-database"
statement = "select count(*) from t where who = {{who}} and region = {{region}}"
timeout = "2m"
```

### Ask

```step
id = "ask"
type = "http"
url = "https://edge.example/{{who}}"
body = '{"who": "{{who}}"}'
region = "{{region}}"
timeout = "2m"
```

## Messages

### news

```message
next_update = "15m"
```

{{who}}: {{run.done}}, next at {{next_update}}
"#;

fn resolved(text: &str, values: &[(&str, &str)]) -> Result<Resolved, Vec<Unresolved>> {
    let values: Values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let library = |wanted: &RunbookName| (wanted.as_str() == "walk").then(|| (3, read(WALK)));
    resolve(&read(text), &values, &library, &Estate::guide().unwrap())
}

#[test]
fn row_78_nothing_begins_while_a_placeholder_is_open_and_values_stay_values() {
    let said = |result: Result<Resolved, Vec<Unresolved>>| result.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said(resolved(WALK, &[])), ["the parameter who needs a value"]);
    assert_eq!(
        said(resolved(WALK, &[("who", "a\nb"), ("region", "mars"), ("x", "1")])),
        [
            "nothing is called x among the parameters",
            "the parameter who: it must be one line",
            "the parameter region: the region “mars” is not declared in the estate"
        ]
    );
    assert_eq!(said(resolved(&WALK.replace("Call {{who}}", "Call {{whom}}"), &[("who", "ann")])), ["step call: {{whom}} stands for nothing"]);
    assert_eq!(said(resolved(&WALK.replace("{{run.done}}", "{{status}}"), &[("who", "ann")])), ["the message news: {{status}} stands for nothing"]);
    let whole = resolved(WALK, &[("who", "o'hara\"; drop/..")]).unwrap();
    assert_eq!(whole.steps[0].title, "Call o'hara\"; drop/..");
    assert_eq!(whole.steps[2].values, ["o'hara\"; drop/..", "us-east-1"]);
    assert!(matches!(&whole.steps[2].action, Action::Sql { statement, .. } if statement == "select count(*) from t where who = $1 and region = $2"));
    let Action::Http { url, body: Some(body), .. } = &whole.steps[3].action else { panic!("{:?}", whole.steps[3]) };
    assert_eq!((url.as_str(), body.as_str()), ("https://edge.example/o%27hara%22%3B%20drop%2F..", r#"{"who": "o'hara\"; drop/.."}"#));
    // Another runbook's steps in the place of the step that names it, with its version.
    let outer = step("", "type = \"runbook\"\nrunbook = \"walk\"\nnowhere = \"x\"\nwith = { who = \"ann\" }", "");
    let inner = resolved(&outer, &[]).unwrap();
    assert_eq!(inner.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["one.call", "one.agree", "one.count", "one.ask"]);
    assert_eq!(inner.steps[0].of, Some((id("walk"), 3)));
    let itself = |wanted: &RunbookName| (wanted.as_str() == "walk").then(|| (1, read(&outer)));
    let endless = resolve(&read(&outer), &Values::new(), &itself, &Estate::guide().unwrap()).unwrap_err();
    assert!(!endless.is_empty(), "a runbook that includes itself does not begin");
    assert_eq!(said(resolved(&outer.replace("\"walk\"", "\"none\""), &[])), ["step one includes the runbook none, which there is not"]);
}

fn run_id() -> RunId {
    RunId(uuid::Uuid::from_u128(7))
}
fn command(command: RunCommand) -> Command {
    Command::Run { id: run_id(), command }
}
fn walking(book: &mut Book) {
    let name: RunbookName = id("walk");
    let summary = Box::new(read(WALK).summary());
    let saved = RunbookCommand::Save { text: WALK.to_owned(), summary, from: None, note: String::new() };
    book.act(&person("ann"), &Command::Runbook { name: name.clone(), command: saved }, now()).unwrap();
    let Resolved { values, steps, messages } = resolved(WALK, &[("who", "ann")]).unwrap();
    let with = Beginning {
        runbook: name,
        version: 1,
        title: "Walk".to_owned(),
        values,
        steps,
        messages,
        roles: vec!["Commander".to_owned()],
        rto: None,
        reason: "a drill".to_owned(),
    };
    book.act(&person("ann"), &command(RunCommand::Start { with: Box::new(with) }), now()).unwrap();
}
fn refusal(answer: Result<Vec<Event>, Refusal>) -> RunRefusal {
    match answer {
        Err(Refusal::Runbook(RunbookRefusal::Run(refusal))) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_80_who_ticked_what_and_when_and_two_people_get_a_clear_answer() {
    let mut book = Book::with_people();
    let (olga, oskar) = people();
    walking(&mut book);
    let begin = |step| command(RunCommand::Begin { step });
    let tick = |step| command(RunCommand::Tick { step, said: "she knows".to_owned() });
    assert!(matches!(refusal(book.act(&olga, &begin(1), now())), RunRefusal::NotItsTurn { .. }), "one after the other");
    assert!(matches!(refusal(book.act(&olga, &tick(0), now())), RunRefusal::NotBegun { .. }));
    book.act(&olga, &begin(0), now()).unwrap();
    assert_eq!(book.act(&olga, &begin(0), now()), Ok(Vec::new()), "the same form sent twice");
    assert!(matches!(refusal(book.act(&oskar, &begin(0), now())), RunRefusal::BegunAlready { by, .. } if by == "ann"));
    book.act(&oskar, &tick(0), now()).unwrap();
    let said = refusal(book.act(&olga, &tick(0), now())).to_string();
    assert_eq!(said, format!("bob has ended “Call ann” already, at {}: it is done", now().format("%H:%M:%S UTC")));
    assert_eq!(book.act(&oskar, &tick(0), now()), Ok(Vec::new()));
    // An approval takes another person, with the right to it.
    book.act(&olga, &begin(1), now()).unwrap();
    let approve = command(RunCommand::Approve { step: 1, reason: "I have looked".to_owned() });
    assert_eq!(refusal(book.act(&olga, &approve, now())), RunRefusal::OwnRequest);
    book.act(&oskar, &approve, now()).unwrap();
    // What Lifeboat carries out says itself how it ends; where it failed a person may have done it.
    book.act(&olga, &begin(2), now()).unwrap();
    assert!(matches!(refusal(book.act(&olga, &tick(2), now())), RunRefusal::ByLifeboat { .. }));
    let skip = |step| command(RunCommand::Skip { step, reason: "not needed today".to_owned() });
    assert!(matches!(refusal(book.act(&olga, &skip(2), now())), RunRefusal::ByLifeboat { .. }));
    let failed = RunEvent::StepEnded { step: 2, attempt: 1, state: StepState::Failed, said: "no route".to_owned() };
    book.write(&Actor::Lifeboat, &Event::Run { id: run_id(), what: Box::new(failed) }, now()).unwrap();
    let empty = command(RunCommand::Tick { step: 2, said: " ".to_owned() });
    assert!(matches!(refusal(book.act(&olga, &empty, now())), RunRefusal::NothingSaid { .. }));
    book.act(&olga, &tick(2), now()).unwrap();
    book.act(&olga, &skip(3), now()).unwrap();
    let records = book.replayed();
    let run = records.runbooks.run(run_id()).unwrap();
    assert_eq!((run.state, run.next()), (RunState::Completed, None));
    assert_eq!(run.steps[2].said.as_deref(), Some("by hand: she knows"));
    assert_eq!(run.steps.iter().map(|step| step.state).collect::<Vec<_>>(), [StepState::Done, StepState::Done, StepState::Done, StepState::Skipped]);
    assert_eq!(run.steps[0].ended.as_ref().map(|(by, _)| by), Some(&oskar));
    assert!(matches!(refusal(book.act(&olga, &begin(3), now())), RunRefusal::Over { state: RunState::Completed }));
}

#[test]
fn a_run_pauses_goes_back_and_is_abandoned_and_keeps_its_steps_whatever_becomes_of_the_runbook() {
    let mut book = Book::with_people();
    let (olga, oskar) = people();
    walking(&mut book);
    let reason = || "the wrong region".to_owned();
    book.act(&olga, &command(RunCommand::TakeRole { role: "Commander".to_owned() }), now()).unwrap();
    assert!(matches!(
        refusal(book.act(&oskar, &command(RunCommand::TakeRole { role: "Commander".to_owned() }), now())),
        RunRefusal::RoleTaken { .. }
    ));
    book.act(&olga, &command(RunCommand::Pause { reason: reason() }), now()).unwrap();
    let begin = command(RunCommand::Begin { step: 0 });
    assert!(matches!(refusal(book.act(&oskar, &begin, now())), RunRefusal::Paused { by, .. } if by == "ann"));
    book.act(&oskar, &command(RunCommand::Resume { reason: reason() }), now()).unwrap();
    book.act(&oskar, &begin, now()).unwrap();
    book.act(&oskar, &command(RunCommand::Tick { step: 0, said: String::new() }), now()).unwrap();
    // The way back is a step of its own, and then the step is to be done again.
    book.act(&olga, &command(RunCommand::RollBack { step: 0, reason: reason() }), now()).unwrap();
    book.act(&olga, &command(RunCommand::Tick { step: 0, said: "called again".to_owned() }), now()).unwrap();
    let of = |book: &Book| book.replayed().runbooks.run(run_id()).unwrap().clone();
    assert_eq!((of(&book).steps[0].state, of(&book).next()), (StepState::RolledBack, Some(0)));
    assert!(matches!(refusal(book.act(&olga, &command(RunCommand::RollBack { step: 1, reason: reason() }), now())), RunRefusal::NotBegun { .. }));
    let edited = WALK.replace("Call {{who}}", "Write to {{who}}");
    let summary = Box::new(read(&edited).summary());
    let saved = RunbookCommand::Save { text: edited, summary, from: Some(1), note: String::new() };
    book.act(&oskar, &Command::Runbook { name: id("walk"), command: saved }, now()).unwrap();
    assert_eq!((of(&book).plan[0].title.as_str(), of(&book).version), ("Call ann", 1));
    book.act(&olga, &command(RunCommand::Abandon { reason: reason() }), now()).unwrap();
    assert_eq!(of(&book).state, RunState::Abandoned);
    // Who may only look, or only approves, works by none.
    let approver = person("eve");
    assert!(matches!(book.act(&approver, &begin, now()), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn r22_a_message_is_sent_whole_or_not_at_all_and_promises_the_next_one() {
    let mut book = Book::with_people();
    let (olga, _) = people();
    walking(&mut book);
    let of = |book: &Book| book.replayed().runbooks.run(run_id()).unwrap().clone();
    let run = of(&book);
    let text = messages::render(&run, &run.messages[0], now()).unwrap();
    assert_eq!(text, format!("ann: 0 of 4 steps are done, next at {}", (now() + Span::from_mins(15).as_delta()).format("%Y-%m-%d %H:%M UTC")));
    let send = |shown: &str, to: &str| command(RunCommand::Send { message: "news".to_owned(), shown: shown.to_owned(), to: to.to_owned() });
    assert_eq!(refusal(book.act(&olga, &send(&text, " "), now())), RunRefusal::NobodyTold);
    assert_eq!(refusal(book.act(&olga, &send("{{run.done}}", "customers"), now())), RunRefusal::MessageChanged);
    book.act(&olga, &send(&text, "customers, by the status page"), now()).unwrap();
    let run = of(&book);
    assert_eq!((run.sent[0].text.as_str(), run.sent[0].to.as_str(), &run.sent[0].by), (text.as_str(), "customers, by the status page", &olga));
    assert_eq!(run.next_update(), Some(now() + Span::from_mins(15).as_delta()));
    let mut world = World::healthy();
    world.records = book.replayed();
    let due = |world: &World, later: u64| {
        let picture = engine::picture::Picture { now: now() + Span::from_mins(later).as_delta(), ..world.picture() };
        findings::all(&picture).into_iter().any(|finding| matches!(finding.complaint, Complaint::MessageOverdue { .. }))
    };
    assert_eq!((due(&world, 14), due(&world, 16)), (false, true));
}

#[test]
fn r8_a_wait_is_for_what_lifeboat_sees_and_unknown_is_not_so() {
    let mut world = World::healthy();
    let node = |node: &str| Target { node: Some(node.to_owned()), ..Target::default() };
    let cluster = |region: Option<&str>| Target { cluster: Some("users".to_owned()), region: region.map(str::to_owned), ..Target::default() };
    let holds = |world: &World, condition, target: &Target| condition::holds(&world.picture(), condition, target);
    assert!(holds(&world, Condition::WritesTaken, &cluster(Some("us-east-1"))).is_ok());
    assert!(holds(&world, Condition::WritesTaken, &cluster(Some("us-west-2"))).unwrap_err().contains("nothing in us-west-2"));
    assert!(holds(&world, Condition::Protected, &cluster(None)).is_ok(), "{:?}", holds(&world, Condition::Protected, &cluster(None)));
    assert!(holds(&world, Condition::CaughtUp, &node("pg-standby-west")).is_ok());
    world.position("pg-standby-west", 1);
    assert!(holds(&world, Condition::CaughtUp, &node("pg-standby-west")).unwrap_err().contains("has replayed"));
    assert!(holds(&world, Condition::Down, &Target { region: Some("us-east-1".to_owned()), ..Target::default() }).is_err());
    world.lose_east();
    assert!(holds(&world, Condition::WritesTaken, &cluster(None)).is_err());
    assert!(holds(&world, Condition::Well, &Target { service: Some("nobody".to_owned()), ..Target::default() }).is_err());
    assert_eq!(write(&read(WALK)), write(&read(&write(&read(WALK)))));
}
