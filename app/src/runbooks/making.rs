//! Makes what the pages of runbooks show, from a picture. Texts are read here, on the server.

use super::view::{
    BookLine, BookPage, Check, DiffLine, DraftLine, EditView, LintLine, Listing, Mark, MessageView, ParameterLine, Reading, RunLine, RunStepView,
    RunView, SentLine, StepAct, StepView, VersionLine, VersionsView,
};
use crate::{
    session::Viewer,
    ui::{
        markdown::{Html, render},
        state::Tone,
    },
};
use engine::{
    access::Permission,
    estate::Estate,
    id::{RunId, RunbookName},
    journal::Actor,
    picture::Picture,
    runbooks::{
        Action, Disaster, OperationWanted, ParameterType, Rollback, Runbook, Step, Target,
        ledger::{Draft, RunbookRecord, Version},
        lint::{Place, Surroundings, lint},
        messages,
        run::{FrozenStep, Run, RunState, StepState},
        text,
    },
    time::{Instant, Span},
};
use std::{collections::BTreeSet, sync::Arc};

const RUNS_LISTED: usize = 20;

impl Listing {
    pub fn of(picture: &Picture, viewer: &Viewer) -> Self {
        let mut lines: Vec<BookLine> =
            picture.records.runbooks.books().filter_map(|(name, record)| Some(BookLine::of(picture, name, record.newest()?))).collect();
        lines.sort_by_key(|line| (std::cmp::Reverse(Tone::worst([line.review, line.time, line.lint])), line.name.clone()));
        let runs = picture.records.runbooks.runs().iter().rev().take(RUNS_LISTED).map(|run| RunLine::of(run)).collect();
        Self { now: picture.now, lines, runs, barred: viewer.barred(Permission::WorkRunbooks) }
    }
}

impl BookLine {
    fn of(picture: &Picture, name: &RunbookName, newest: &Version) -> Self {
        let summary = &newest.summary;
        let check = check(picture, &newest.text);
        let within = check.reading.as_ref().and_then(|reading| reading.within);
        let runs = picture.records.runbooks.runs();
        Self {
            name: name.clone(),
            title: summary.title.clone(),
            version: newest.number,
            owner: summary.owner.clone(),
            review_by: summary.review_by.map(|day| day.format("%Y-%m-%d").to_string()),
            review: review(summary.review_by, picture.now),
            usual: summary.usual,
            longest: summary.longest,
            within,
            time: time(summary.usual, summary.longest, within),
            lint: Tone::worst(check.lints.iter().map(|lint| lint.tone).chain(check.problem.is_some().then_some(Tone::Act))),
            lints: u32::try_from(check.lints.len()).unwrap_or(u32::MAX),
            last_run: runs.iter().rev().find(|run| run.runbook == *name).map(|run| run.began),
        }
    }
}

fn review(review_by: Option<chrono::NaiveDate>, now: Instant) -> Tone {
    match review_by {
        Some(day) if day >= now.date_naive() => Tone::Ok,
        Some(_) => Tone::Watch,
        None => Tone::Unknown,
    }
}

fn time(usual: Span, longest: Span, within: Option<Span>) -> Tone {
    match within {
        None => Tone::Unknown,
        Some(within) if usual > within => Tone::Act,
        Some(within) if longest > within => Tone::Watch,
        Some(_) => Tone::Ok,
    }
}

/// What a text says and what is wrong with it.
pub fn check(picture: &Picture, written: &str) -> Check {
    let parsed = match text::parse(written) {
        Ok(parsed) => parsed,
        Err(error) => return Check { problem: Some(error.to_string()), lints: Vec::new(), reading: None },
    };
    let runbooks: BTreeSet<RunbookName> = picture.records.runbooks.books().map(|(name, _)| name.clone()).collect();
    let around = Surroundings { estate: &picture.estate, sights: &picture.observed.runbooks, runbooks: &runbooks };
    let line = |at: &Place| match at {
        Place::Head => None,
        Place::Step(id) => parsed.steps.get(id),
        Place::Message(name) => parsed.messages.get(name),
    };
    let lints = lint(&parsed.runbook, around)
        .into_iter()
        .map(|lint| LintLine {
            tone: lint.complaint.severity().into(),
            line: line(&lint.at).and_then(|line| u32::try_from(*line).ok()),
            at: match &lint.at {
                Place::Head => "the whole".to_owned(),
                Place::Step(id) => format!("step {id}"),
                Place::Message(name) => format!("message {name}"),
            },
            says: lint.complaint.to_string(),
            remedy: lint.complaint.remedy().to_owned(),
        })
        .collect();
    Check { problem: None, lints, reading: Some(Reading::of(&parsed.runbook, &picture.estate)) }
}

impl Reading {
    fn of(runbook: &Runbook, estate: &Estate) -> Self {
        let head = &runbook.head;
        let corrupt = head.disaster == Some(Disaster::DataCorruption);
        let service = head.service.as_ref().and_then(|id| id.parse().ok()).and_then(|id| estate.service(&id));
        let promised = service.map(|service| if corrupt { service.mtpd } else { service.rto });
        let within = head.rto.into_iter().chain(promised).min();
        let (usual, longest) = (runbook.usual(), runbook.longest());
        let facts = [
            ("Owner", head.owner.clone()),
            ("Read again by", head.review_by.map(|day| day.format("%Y-%m-%d").to_string())),
            ("Used when", head.scenario.clone()),
            ("Disaster", head.disaster.map(|disaster| disaster.to_string())),
            ("Severity", head.severity.clone()),
            ("Presumed lost", head.lost.clone()),
            ("Service", head.service.clone()),
        ];
        Self {
            title: runbook.title.clone(),
            facts: facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
            parameters: head
                .parameters
                .iter()
                .map(|parameter| ParameterLine {
                    name: parameter.name.clone(),
                    kind: parameter.kind.to_string(),
                    about: parameter.about.clone().unwrap_or_default(),
                    default: parameter.default.clone(),
                    choices: choices(parameter.kind, estate),
                })
                .collect(),
            roles: head.roles.iter().map(|role| (role.name.clone(), role.about.clone().unwrap_or_default())).collect(),
            introduction: render(runbook.introduction.as_str()),
            steps: runbook.steps.iter().map(StepView::of).collect(),
            afterwards: render(runbook.afterwards.as_str()),
            messages: runbook.messages.iter().map(|message| (message.name.clone(), message.next_update, render(message.text.as_str()))).collect(),
            usual,
            longest,
            within,
            time: time(usual, longest, within),
        }
    }
}

fn choices(kind: ParameterType, estate: &Estate) -> Vec<String> {
    match kind {
        ParameterType::Region => estate.regions.iter().map(|region| region.id.to_string()).collect(),
        ParameterType::Service => estate.services.iter().map(|service| service.id.to_string()).collect(),
        ParameterType::Cluster => estate.clusters.iter().map(|cluster| cluster.id.to_string()).collect(),
        ParameterType::Node => estate.clusters.iter().flat_map(|cluster| &cluster.nodes).map(|node| node.id.to_string()).collect(),
        ParameterType::Text | ParameterType::Number | ParameterType::Duration | ParameterType::Instant => Vec::new(),
    }
}

impl StepView {
    fn of(step: &Step) -> Self {
        let (does, code) = does(&step.action, &step.target);
        Self {
            title: step.title.clone(),
            kind: step.action.name().to_owned(),
            does,
            code,
            target: step.target.in_words(),
            role: step.role.clone(),
            timeout: step.timeout,
            takes: step.takes,
            success: step.success.clone(),
            rollback: step.rollback.as_ref().map(way_back),
            prose: render(step.prose.as_str()),
            of: None,
        }
    }
    fn frozen(step: &FrozenStep) -> Self {
        let (does, code) = does(&step.action, &step.target);
        let code = match (&step.action, step.values.is_empty()) {
            (Action::Sql { .. }, false) => {
                let bound: Vec<String> = step.values.iter().enumerate().map(|(place, value)| format!("${} = {value}", place + 1)).collect();
                code.map(|code| format!("{code}\n-- {}", bound.join(", ")))
            }
            _ => code,
        };
        Self {
            title: step.title.clone(),
            kind: step.action.name().to_owned(),
            does,
            code,
            target: step.target.in_words(),
            role: step.role.clone(),
            timeout: step.timeout,
            takes: step.takes,
            success: step.success.clone(),
            rollback: step.rollback.as_ref().map(way_back),
            prose: if step.prose.is_empty() { Html::default() } else { render(&step.prose) },
            of: step.of.as_ref().map(|(name, version)| format!("{name}, version {version}")),
        }
    }
}

fn does(action: &Action, target: &Target) -> (String, Option<String>) {
    let expects = |expect: &Option<String>| expect.as_ref().map(|expect| format!(", and says “{expect}”")).unwrap_or_default();
    match action {
        Action::Manual => ("A person does it.".to_owned(), None),
        Action::Command { command, arguments, expect } => {
            let line = std::iter::once(command).chain(arguments).map(String::as_str).collect::<Vec<_>>().join(" ");
            (format!("Lifeboat runs the command {command}, which must end well{}.", expects(expect)), Some(line))
        }
        Action::Http { method, url, body, status, expect } => {
            (format!("Lifeboat sends {method} to {url}; the answer is {status}{}.", expects(expect)), body.clone())
        }
        Action::Sql { statement, writes, expect } => {
            let how = if *writes { "a statement that WRITES" } else { "a read-only statement" };
            let answer = expect.as_ref().map(|expect| format!("; the answer is “{expect}”")).unwrap_or_default();
            (format!("Lifeboat runs {how}{answer}."), Some(statement.clone()))
        }
        Action::Wait { until } => (format!("Lifeboat waits until {until}."), None),
        Action::Approval { approvals: 1 } => ("Another person agrees.".to_owned(), None),
        Action::Approval { approvals } => (format!("{approvals} other people agree."), None),
        Action::Runbook { runbook, with } => {
            let with: Vec<String> = with.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(", ")) };
            (format!("The steps of the runbook {runbook}{with}."), None)
        }
        Action::Operation { operation, to } => {
            let of = target.parts().into_iter().find(|(kind, _)| *kind == operation.needs()).map(|(_, value)| value).unwrap_or("nothing");
            let to = to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
            (format!("A person requests a plan of Lifeboat, {} of {of}{to}; another one approves it.", operation.name()), None)
        }
    }
}

fn way_back(rollback: &Rollback) -> String {
    match rollback {
        Rollback::Command { name, arguments } => format!("Lifeboat runs {name} {}", arguments.join(" ")),
        Rollback::Manual(text) => text.clone(),
        Rollback::None(why) => format!("There is none: {why}"),
    }
}

impl RunLine {
    fn of(run: &Run) -> Self {
        let troubled = run.steps.iter().any(|step| matches!(step.state, StepState::Failed | StepState::Unknown) || step.overdue.is_some());
        let tone = match run.state {
            RunState::Running if troubled => Tone::Act,
            RunState::Running | RunState::Completed => Tone::Ok,
            RunState::Paused | RunState::Abandoned => Tone::Watch,
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            id: run.id,
            runbook: run.runbook.clone(),
            version: run.version,
            title: run.title.clone(),
            tone,
            word: run.in_words(),
            done: count(run.steps.iter().filter(|step| step.state.is_over()).count()),
            steps: count(run.steps.len()),
            began: run.began,
            by: run.by.to_string(),
            took: run.took(),
        }
    }
}

impl BookPage {
    pub fn of(picture: &Picture, viewer: &Viewer, name: &RunbookName, version: Option<u32>, new_run: RunId) -> Option<Self> {
        let record = picture.records.runbooks.book(name)?;
        let newest = record.newest()?;
        let shown = version.map_or(Some(newest), |number| record.version(number))?;
        let runs = picture.records.runbooks.runs().iter().rev().filter(|run| run.runbook == *name).take(RUNS_LISTED);
        Some(Self {
            now: picture.now,
            name: name.clone(),
            version: shown.number,
            newest: newest.number,
            by: shown.by.to_string(),
            at: shown.at,
            note: shown.note.clone(),
            review: review(shown.summary.review_by, picture.now),
            check: check(picture, &shown.text),
            runs: runs.map(|run| RunLine::of(run)).collect(),
            new_run,
            barred: viewer.barred(Permission::WorkRunbooks),
        })
    }
}

impl DraftLine {
    fn of(draft: &Draft) -> Self {
        Self { seq: draft.seq, by: draft.by.to_string(), at: draft.at, from: draft.from, overtaken_by: draft.overtaken_by }
    }
}

impl EditView {
    /// The newest version, or a draft.
    pub fn of(picture: &Picture, viewer: &Viewer, name: &RunbookName, draft: Option<u64>) -> Option<Self> {
        let record = picture.records.runbooks.book(name)?;
        let newest = record.newest();
        let kept = draft.map(|seq| record.drafts.iter().find(|draft| draft.seq == seq));
        let (text, from, draft) = match kept {
            Some(None) => return None,
            // Whoever puts an overtaken text together with the newest one has seen that: it follows the newest.
            Some(Some(draft)) => {
                let from = if draft.overtaken_by.is_some() { newest.map(|newest| newest.number) } else { draft.from };
                (draft.text.clone(), from, Some(DraftLine::of(draft)))
            }
            None => (newest?.text.clone(), newest.map(|newest| newest.number), None),
        };
        let newest = newest.map(|newest| newest.number);
        Some(Self { name: name.clone(), from, newest, text, draft, barred: viewer.barred(Permission::WorkRunbooks) })
    }
}

impl VersionsView {
    /// `old` and `new` are what is compared; the last two versions where they are not given.
    pub fn of(picture: &Picture, name: &RunbookName, old: Option<&str>, new: Option<&str>) -> Option<Self> {
        let record = picture.records.runbooks.book(name)?;
        let newest = record.newest().map_or(0, |newest| newest.number);
        let new = new.map_or_else(|| newest.to_string(), str::to_owned);
        let old = old.map_or_else(|| newest.saturating_sub(1).max(1).to_string(), str::to_owned);
        let diff = diff(&text_of(record, &old)?, &text_of(record, &new)?);
        let version =
            |version: &Arc<Version>| VersionLine { number: version.number, by: version.by.to_string(), at: version.at, note: version.note.clone() };
        Some(Self {
            now: picture.now,
            name: name.clone(),
            versions: record.versions.iter().rev().map(version).collect(),
            drafts: record.drafts.iter().rev().map(|draft| DraftLine::of(draft)).collect(),
            old,
            new,
            diff,
        })
    }
}

/// `3` is a version, `draft-120` a draft.
fn text_of(record: &RunbookRecord, what: &str) -> Option<String> {
    match what.strip_prefix("draft-") {
        Some(seq) => {
            let seq: u64 = seq.parse().ok()?;
            record.drafts.iter().find(|draft| draft.seq == seq).map(|draft| draft.text.clone())
        }
        None => record.version(what.parse().ok()?).map(|version| version.text.clone()),
    }
}

/// Lines that are the same and further away from any change than this are left out.
const AROUND: usize = 3;

fn diff(old: &str, new: &str) -> Vec<DiffLine> {
    let diff = similar::TextDiff::from_lines(old, new);
    let number = |index: Option<usize>| index.and_then(|index| u32::try_from(index + 1).ok());
    let mut lines = Vec::new();
    for (place, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if place > 0 {
            lines.push(DiffLine { mark: Mark::Gap, old: None, new: None, text: String::new() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                similar::ChangeTag::Equal => Mark::Same,
                similar::ChangeTag::Delete => Mark::Gone,
                similar::ChangeTag::Insert => Mark::New,
            };
            let text = change.value().trim_end_matches('\n').to_owned();
            lines.push(DiffLine { mark, old: number(change.old_index()), new: number(change.new_index()), text });
        }
    }
    lines
}

impl RunView {
    pub fn of(picture: &Picture, viewer: &Viewer, id: RunId) -> Option<Self> {
        let run = picture.records.runbooks.run(id)?;
        let named = |who: &(Actor, Instant)| (who.0.to_string(), who.1);
        let me = Actor::Person(viewer.name.clone());
        let steps = run.plan.iter().zip(&run.steps).enumerate().map(|(place, (plan, record))| RunStepView {
            number: u32::try_from(place + 1).unwrap_or(u32::MAX),
            step: StepView::frozen(plan),
            state: record.state,
            tone: step_tone(record.state, record.overdue.is_some()),
            attempts: record.attempts,
            begun: record.begun.as_ref().map(named),
            ended: record.ended.as_ref().map(named),
            said: record.said.clone(),
            overdue: record.overdue,
            approvals: record.approvals.iter().map(named).collect(),
            approvals_needed: if let Action::Approval { approvals } = plan.action { approvals } else { 0 },
            operation: record.operation,
            plan: plan_page(plan),
            acts: acts(run, place, &me),
        });
        let sent = run.sent.iter().rev().map(|sent| SentLine {
            message: sent.message.clone(),
            to: sent.to.clone(),
            by: sent.by.to_string(),
            at: sent.at,
            text: sent.text.clone(),
        });
        let message = |message: &engine::runbooks::run::FrozenMessage| MessageView {
            name: message.name.clone(),
            audience: message.audience.clone(),
            next_update: message.next_update,
            text: messages::render(run, message, picture.now).map_err(|missing| missing.join(", ")),
        };
        Some(Self {
            now: picture.now,
            line: RunLine::of(run),
            state: run.state,
            reason: run.reason.clone(),
            note: run.note.as_ref().map(|note| (note.by.to_string(), note.at, note.reason.clone())),
            values: run.values.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            rto: run.rto,
            left: messages::left(run),
            roles: run.roles.iter().map(|(role, who)| (role.clone(), who.as_ref().map(ToString::to_string))).collect(),
            steps: steps.collect(),
            messages: run.messages.iter().map(message).collect(),
            sent: sent.collect(),
            next_update: run.next_update(),
            barred: viewer.barred(Permission::WorkRunbooks),
            barred_approve: viewer.barred(Permission::ApproveOperation),
        })
    }
}

fn step_tone(state: StepState, overdue: bool) -> Tone {
    match state {
        StepState::Running | StepState::RollingBack if overdue => Tone::Act,
        StepState::Done | StepState::Running | StepState::RollingBack | StepState::Pending => Tone::Ok,
        StepState::Skipped | StepState::RolledBack => Tone::Watch,
        StepState::Failed => Tone::Lost,
        StepState::Unknown => Tone::Unknown,
    }
}

/// What can be done with a step now, the likeliest first.
fn acts(run: &Run, place: usize, me: &Actor) -> Vec<StepAct> {
    let (plan, record) = (&run.plan[place], &run.steps[place]);
    if !run.state.is_active() {
        return Vec::new();
    }
    let has_way_back = matches!(plan.rollback, Some(Rollback::Command { .. } | Rollback::Manual(_)));
    let back = |acts: &mut Vec<StepAct>| {
        if has_way_back {
            acts.push(StepAct::RollBack);
        }
    };
    let mut acts = Vec::new();
    let is_next = run.next() == Some(place);
    match record.state {
        StepState::Pending | StepState::RolledBack if is_next && run.state == RunState::Running => {
            acts.extend([if record.attempts == 0 { StepAct::Begin } else { StepAct::Again }, StepAct::Skip]);
        }
        StepState::Running => match plan.action {
            Action::Manual => acts.extend([StepAct::Tick, StepAct::Fail, StepAct::Skip]),
            Action::Approval { .. } => {
                let mine = record.begun.as_ref().is_some_and(|(by, _)| by == me) || record.approvals.iter().any(|(by, _)| by == me);
                acts.extend((!mine).then_some(StepAct::Approve));
                acts.extend([StepAct::Fail, StepAct::Skip]);
            }
            Action::Operation { .. } => acts.extend([StepAct::Fail, StepAct::Skip]),
            Action::Wait { .. } => acts.push(StepAct::Skip),
            Action::Command { .. } | Action::Http { .. } | Action::Sql { .. } | Action::Runbook { .. } => {}
        },
        StepState::RollingBack if matches!(plan.rollback, Some(Rollback::Manual(_))) => acts.push(StepAct::Back),
        StepState::Failed | StepState::Unknown if is_next => {
            acts.extend([StepAct::Again, StepAct::ByHand, StepAct::Skip]);
            back(&mut acts);
        }
        // Only the newest one is gone back from: what came after rests on it.
        StepState::Done if run.next().is_some_and(|next| next == place + 1) => back(&mut acts),
        _ => {}
    }
    acts
}

/// The page on which the operation of a step is planned.
fn plan_page(step: &FrozenStep) -> Option<String> {
    let Action::Operation { operation, to } = &step.action else { return None };
    let target = &step.target;
    let to = to.as_deref();
    let node = to.map(|to| format!("&node={to}")).unwrap_or_default();
    let region = to.or(target.region.as_deref()).map(|to| format!("&to={to}")).unwrap_or_default();
    Some(match operation {
        OperationWanted::Switchover => format!("/databases/{}/plan?kind=switchover{node}", target.cluster.as_deref()?),
        OperationWanted::Failover => format!("/databases/{}/plan?kind=failover{node}", target.cluster.as_deref()?),
        OperationWanted::RegionFailover => format!("/failover/{}/plan?mode=emergency{region}", target.service.as_deref()?),
        OperationWanted::Failback => format!("/failover/{}/plan?mode=planned{region}", target.service.as_deref()?),
        OperationWanted::Evacuation => format!("/failover/evacuate/{}?mode=emergency", target.region.as_deref()?),
    })
}
