use super::{super::*, *};
use crate::runbooks::{condition::Condition, defaults};
use proptest::{option, prelude::*, sample::select};

fn reason(text: &str) -> String {
    parse(text).map(|_| ()).unwrap_err().to_string()
}

const LEAST: &str = "# A\n\n```runbook\n```\n\n## Steps\n\n### One\n\n```step\nid = \"one\"\ntype = \"manual\"\ntimeout = \"5m\"\n```\n";

#[test]
fn mistakes_are_told_with_their_line_and_what_to_write_instead() {
    assert!(parse(LEAST).is_ok());
    for (text, said) in [
        ("", "line 1: the text begins with “# ” and the title of the runbook"),
        ("hello\n# A", "line 1: the text begins with “# ”"),
        ("# A\n\n## Steps", "line 3: a ```runbook block follows the title"),
        ("# A\n```runbook\n```\n", "line 3: there is no “## Steps”"),
        ("# A\n```runbook\nowner = \"me\"\nreview_by = \"soon\"\n```", "line 2: `review_by` is a day, for example"),
        ("# A\n```runbook\nowner = \"me\"\nfoo = 1\n```", "line 4: unknown field `foo`"),
        ("# A\n```runbook\nowner = \n```", "line 3: "),
        ("# A\n````runbook\n```\n", "line 2: this fence is never closed"),
        (&LEAST.replace("type = \"manual\"", "type = \"shell\""), "line 10: “shell” is no type of step; types are manual, command"),
        (&LEAST.replace("timeout = \"5m\"\n", ""), "line 10: a step of the type manual needs `timeout`"),
        (&LEAST.replace("\"5m\"", "\"5\""), "line 13: “5” has no unit"),
        (&LEAST.replace("id = \"one\"", "id = \"one\"\nurl = \"http://x\""), "line 10: a step of the type manual has no `url`"),
        (&format!("{LEAST}and so on\n"), "line 15: what a step says stands before its ```step block"),
        (&format!("{LEAST}\n## Else\n"), "line 16: “Else” is not expected here"),
        (&format!("{LEAST}{}", &LEAST[LEAST.find("### ").unwrap()..]), "the step on line 8 has the id “one” already"),
        (&format!("{LEAST}\n## Messages\n\n### a\n\n```message\n```\n"), "the message “a” says nothing"),
    ] {
        let why = reason(text);
        assert!(why.contains(said), "{text:?}\n{why}\n{said}");
    }
    assert!(reason(&format!("# {}", "x".repeat(LARGEST))).contains("a runbook has at most"));
}

#[test]
fn headings_and_blocks_inside_of_fences_are_text() {
    let inside = "~~~~\n## Steps\n### No step\n```step\nid = \"no\"\n```\n~~~~";
    let text = LEAST.replace("### One\n", &format!("### One\n\nA | b \\| c\n\n{inside}\n"));
    let parsed = parse(&text).unwrap();
    assert_eq!(parsed.runbook.steps.len(), 1);
    assert_eq!(parsed.runbook.steps[0].prose.as_str(), format!("A | b \\| c\n\n{inside}"));
    assert_eq!(parsed.steps["one"], 8);
    assert_eq!(parse(&write(&parsed.runbook)).unwrap().runbook, parsed.runbook);
}

#[test]
fn what_forms_send_reads_as_what_files_hold() {
    assert_eq!(normal(&LEAST.replace('\n', "\r\n")), LEAST);
    assert_eq!(parse(&LEAST.replace('\n', "\r\n")), parse(LEAST));
}

#[test]
fn the_runbooks_of_the_product_can_be_read_and_are_written_again_as_the_same() {
    let all = defaults::all();
    assert_eq!(all.len(), defaults::ALL.len());
    for (name, text, runbook) in all {
        assert_eq!(parse(&write(&runbook)).unwrap().runbook, runbook, "{name}");
        assert_eq!(normal(text), text, "{name}: nothing is changed when it is taken over");
    }
}

/// Markdown with everything that has broken an export: fences of every length and kind, pipes, headings of ours inside of them.
fn prose() -> impl Strategy<Value = Prose> {
    let line = prop_oneof![
        "[ -~äß“”|`~#*_<>\\\\{}]{0,30}".prop_filter("no structure of its own", |line| {
            !line.trim_start().starts_with(['#', '`', '~']) && !line.contains("```") && !line.contains("~~~")
        }),
        select(vec!["| a \\| b | c |", "|---|---|", "#### deeper", "    # indented", "- [ ] tick", "`` ` ``", "{{from}} {x} {{", "", "#none"])
            .prop_map(str::to_owned),
        (
            3..6_usize,
            select(vec!["", "bash", "step", "runbook", "sql title=\"a|b\""]),
            select(vec!["## Steps", "### x", "```", "id = \"a\"", "a | b"])
        )
            .prop_map(|(length, info, inside)| {
                // A fence that holds a shorter one is longer than it; one with a word of ours would be a block of ours.
                let (mark, length) = if inside == "```" { ("`", length.max(4)) } else { ("~", length) };
                let info = if mark == "`" || matches!(info, "step" | "runbook") { "text" } else { info };
                format!("{fence}{info}\n{inside}\n{fence}", fence = mark.repeat(length))
            }),
    ];
    proptest::collection::vec(line, 0..6).prop_map(|lines| {
        let text = lines.join("\n");
        Prose::of_lines(&text.lines().collect::<Vec<_>>())
    })
}

/// A line of text in a block, with all that TOML and Markdown give a meaning.
fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~äß“”]{1,30}", select(vec!["```", "````\n```step", "'''", "\"\"\"", "a\nb", "{{from}} | {x}", "\\", "#"]).prop_map(str::to_owned)]
}

fn span() -> impl Strategy<Value = Span> {
    (1..10_000_000_u64).prop_map(Span::from_millis)
}

fn action() -> impl Strategy<Value = Action> {
    let methods = select(vec![Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete]);
    let operations = select(vec![
        OperationWanted::Switchover,
        OperationWanted::Failover,
        OperationWanted::RegionFailover,
        OperationWanted::Failback,
        OperationWanted::Evacuation,
    ]);
    prop_oneof![
        Just(Action::Manual),
        (words(), proptest::collection::vec(words(), 0..3), option::of(words())).prop_map(|(command, arguments, expect)| Action::Command {
            command,
            arguments,
            expect
        }),
        (methods, words(), option::of(words()), 100..600_u16, option::of(words())).prop_map(|(method, url, body, status, expect)| Action::Http {
            method,
            url,
            body,
            status,
            expect
        }),
        (words(), any::<bool>(), option::of(words())).prop_map(|(statement, writes, expect)| Action::Sql { statement, writes, expect }),
        select(Condition::ALL.to_vec()).prop_map(|until| Action::Wait { until }),
        (1..=5_u32).prop_map(|approvals| Action::Approval { approvals }),
        ("[a-z]{1,8}", proptest::collection::btree_map("[a-z]{1,5}", words(), 0..3))
            .prop_map(|(runbook, with)| Action::Runbook { runbook: runbook.parse().unwrap(), with }),
        (operations, option::of(words())).prop_map(|(operation, to)| Action::Operation { operation, to }),
    ]
}

fn rollback() -> impl Strategy<Value = Rollback> {
    prop_oneof![
        (words(), proptest::collection::vec(words(), 0..3)).prop_map(|(name, arguments)| Rollback::Command { name, arguments }),
        words().prop_map(Rollback::Manual),
        words().prop_map(Rollback::None),
    ]
}

fn title() -> impl Strategy<Value = String> {
    "[!-~äß“”]([ -~|`]{0,20}[!-~])?".prop_map(|title| title.trim().to_owned())
}

fn target() -> impl Strategy<Value = Target> {
    (option::of(words()), option::of(words()), option::of(words()), option::of(words()), option::of(words()))
        .prop_map(|(region, service, cluster, node, nowhere)| Target { region, service, cluster, node, nowhere })
}

fn step() -> impl Strategy<Value = Step> {
    let about = (title(), prose(), target(), option::of(words()), span(), option::of(span()), option::of(words()));
    (about, action(), option::of(rollback())).prop_map(|((title, prose, target, role, timeout, takes, success), action, rollback)| Step {
        id: String::new(),
        title,
        prose,
        target,
        role,
        timeout,
        takes,
        success,
        action,
        rollback,
    })
}

fn head() -> impl Strategy<Value = Head> {
    let kinds = select(vec![ParameterType::Text, ParameterType::Instant, ParameterType::Region, ParameterType::Number]);
    let parameters = proptest::collection::btree_map("[a-z][a-z0-9_-]{0,8}", (kinds, option::of(words()), option::of(words())), 0..4);
    let roles = proptest::collection::btree_map("[A-Za-z]{1,12}", option::of(words()), 0..3);
    let day = (1..3650_i64).prop_map(|days| chrono::NaiveDate::default() + chrono::TimeDelta::days(20_000 + days));
    let disaster = select(vec![Disaster::RegionLoss, Disaster::DataCorruption, Disaster::Security]);
    (option::of(words()), option::of(day), option::of(words()), option::of(disaster), option::of(words()), option::of(span()), parameters, roles)
        .prop_map(|(owner, review_by, scenario, disaster, lost, rto, parameters, roles)| Head {
            severity: owner.clone(),
            service: scenario.clone(),
            estimate: rto,
            owner,
            review_by,
            scenario,
            disaster,
            lost,
            rto,
            parameters: parameters.into_iter().map(|(name, (kind, about, default))| Parameter { name, kind, about, default }).collect(),
            roles: roles.into_iter().map(|(name, about)| RoleNeeded { name, about }).collect(),
        })
}

fn runbook() -> impl Strategy<Value = Runbook> {
    let message = (prose().prop_filter("it says something", |text| !text.is_empty()), option::of(span()), option::of(words()));
    let messages = proptest::collection::vec(message, 0..3);
    (title(), head(), prose(), proptest::collection::vec(step(), 0..5), prose(), messages).prop_map(
        |(title, head, introduction, steps, afterwards, messages)| Runbook {
            title,
            head,
            introduction,
            steps: steps.into_iter().enumerate().map(|(number, step)| Step { id: format!("step-{number}"), ..step }).collect(),
            afterwards,
            messages: messages
                .into_iter()
                .enumerate()
                .map(|(number, (text, next_update, audience))| Message { name: format!("m {number}"), next_update, audience, text })
                .collect(),
        },
    )
}

proptest! {
    /// Row 83, trap R23.
    #[test]
    fn r23_what_is_written_reads_as_the_same_runbook_and_is_written_the_same_again(runbook in runbook()) {
        let text = write(&runbook);
        prop_assume!(text.len() <= LARGEST);
        let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read.runbook, &runbook, "{}", text);
        prop_assert_eq!(write(&read.runbook), text);
    }
    /// Whatever is typed is read or refused, and never panics.
    #[test]
    fn any_text_is_read_or_refused(text in "(# |## Steps|### |```step\n|```\n|```runbook\n|id = \"a\"\n|type = |[ -~\n]{0,12}){0,12}") {
        if let Ok(read) = parse(&text) {
            prop_assert_eq!(parse(&write(&read.runbook)).map(|again| again.runbook), Ok(read.runbook));
        }
    }
}
