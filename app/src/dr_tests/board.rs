//! The live board of a run: who is at which step, how long it takes, what was seen, and the forms that record it. With `?wall` it
//! is for a screen that everybody looks at and nobody touches.

use super::{
    calls::{self, AssertTestTimes, AttachEvidence, ConductTest, RecordTestStep},
    view::{Board, EvidenceLine, Outage, StepView},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::{Live, watch},
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        field::Field,
        post::{Answers, Post},
        state::{Badge, Tone},
        text_area::TextArea,
        time::{Age, Moment, age},
        title::PageTitle,
        trouble::watched,
    },
};
use engine::{
    dr_tests::{RunState, TestStepState, Verdict},
    time::{Instant, Span},
};
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn TestRunPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let board = watch(move || params.read().get("run").unwrap_or_default(), calls::dr_run);
    let answers = Answers::new();
    watched(board, move |board| {
        let wall = query.read().get("wall").is_some();
        view! { <Whole board answers wall/> }
    })
}

#[component]
fn Whole(board: Board, answers: Answers, wall: bool) -> impl IntoView {
    let now = board.now;
    let class = if wall { "test-board wall" } else { "test-board" };
    let acts = !wall && board.barred.is_none();
    let steps = board.steps.iter().cloned().enumerate();
    let run = board.id.to_string();
    let steps = steps.map(|(at, step)| view! { <Step at step run=run.clone() now acts answers/> }).collect_view();
    view! {
        <div class=class>
            <PageTitle title=board.name.clone()>{format!("{}, run {}", board.kind, board.id.short())}</PageTitle>
            <section class=format!("headline {}", board.tone.name()) aria-label="Standing">
                <p class="says"><Badge tone=board.tone word=board.word.clone()/>" led by "<strong>{board.lead.clone()}</strong>" · asked for by "{board.requested.clone()}</p>
                <Elapsed board=board.clone()/>
                {board.stopped.clone().map(|why| view! { <p class="stopped">{why}</p> })}
            </section>
            <Refused answers path=RecordTestStep::PATH/><Refused answers path=AttachEvidence::PATH/>
            <Refused answers path=ConductTest::PATH/><Refused answers path=AssertTestTimes::PATH/>
            {board.clock.clone().map(|clock| view! { <BurnDown clock now/> })}
            <ol class="test-steps">{steps}</ol>
            <Judgement board=board.clone()/>
            {(!wall).then(|| view! { <Conduct board=board.clone() answers/> })}
            <Exhibits lines=board.evidence.clone() now/>
            <section class="links" aria-label="Evidence">
                <a href=format!("/evidence/{}/markdown", board.id) rel="external">"Report (Markdown)"</a>" · "
                <a href=format!("/evidence/{}/json", board.id) rel="external">"Report (JSON)"</a>" · "
                <a href=format!("/dr-tests/runs/{}?wall", board.id)>"Wall screen"</a>" · "
                <a href=format!("/dr-tests/{}", board.scenario)>"Scenario"</a>
                <p class="quiet">{format!("Journal entries {} to {}.", board.entries.0, board.entries.1)}</p>
            </section>
        </div>
    }
    .settled()
}

#[component]
fn Elapsed(board: Board) -> impl IntoView {
    let now = board.now;
    let estimate = board.estimate.rough();
    match (board.started, board.ended) {
        (Some(began), None) => view! { <p>"Runs for "<Age since=began now/>", estimated "{estimate}</p> }.settled(),
        (Some(began), Some(ended)) => {
            view! { <p>"Took "{Span::between(began, ended).rough()}", estimated "{estimate}", ended "<Moment at=ended now/></p> }.settled()
        }
        (None, _) => view! { <p>{format!("Has not begun; {} approvals are missing.", board.missing)}</p> }.settled(),
    }
}

/// The outage that the run makes against the objective.
#[component]
fn BurnDown(clock: Outage, now: Instant) -> impl IntoView {
    let live = expect_context::<Live>();
    let (since, until, target) = (clock.since, clock.until, clock.target);
    let end = move || until.unwrap_or_else(|| live.now(now));
    let is_over = move || target.is_some_and(|target| Span::between(since, end()) > target);
    let width = move || {
        let share = |target: Span| (Span::between(since, end()).as_millis().saturating_mul(1_000) / target.as_millis().max(1)).min(1_000);
        target.map_or(0, share).to_string()
    };
    let class = move || if is_over() { "panel test-clock lost" } else { "panel test-clock" };
    view! {
        <section class=class aria-label="Outage against the objective">
            <p><strong>{move || age(since, end())}</strong>{target.map(|target| format!(" of {target} (RTO)"))}
                {until.is_some().then_some(", restored")}</p>
            {move || { let (tone, word) = if is_over() { (Tone::Lost, "RTO BREACHED") } else if until.is_some() { (Tone::Ok, "within RTO") } else { (Tone::Watch, "outage runs") }; view! { <Badge tone word/> } }}
            <svg class="bar" viewBox="0 0 1000 12" preserveAspectRatio="none" width="100%" height="12" aria-hidden="true">
                <rect class="whole" x="0" y="0" width="1000" height="12"></rect>
                <rect class="used" x="0" y="0" width=width height="12"></rect>
            </svg>
        </section>
    }
    .settled()
}

#[component]
fn Step(at: usize, step: StepView, run: String, now: Instant, acts: bool, answers: Answers) -> impl IntoView {
    let over = matches!(step.state, TestStepState::Passed | TestStepState::Failed | TestStepState::Skipped | TestStepState::NotRun);
    let is_at_it = step.state == TestStepState::Running;
    let runs = step.since.filter(|_| is_at_it).map(|since| view! { <Age since now/>" of "{step.estimate.rough()} });
    let took = step.took.filter(|_| over).map(|took| format!("{}, estimated {}", took.rough(), step.estimate.rough()));
    let estimate = (!over && !is_at_it).then(|| format!("estimated {}", step.estimate.rough()));
    let forms = (acts && !step.can.is_empty()).then(|| view! { <StepForm at step=step.clone() run answers/> });
    let operation = step.operation.map(|id| view! { <a href=format!("/operations/{id}")>"operation "<code>{id.short()}</code></a> });
    view! {
        <li class=format!("panel {}", step.tone.name()) id=format!("step-{}", at + 1)>
            <div class="top">
                <span class="number">{at + 1}</span>
                <div class="what">
                    <h3>{step.name}{step.cleanup.then(|| view! { <span class="quiet">" puts things back"</span> })}</h3>
                    <p class="quiet">{step.expected}</p>
                    {step.does.map(|does| view! { <p class="quiet">"Lifeboat "{does}</p> })}
                </div>
                <div class="state">
                    <Badge tone=step.tone word=step.state.to_string()/>
                    <span class="quiet">{step.by.map(|by| format!("{by} "))}{runs}{took}{estimate}</span>
                </div>
            </div>
            {step.said.map(|said| view! { <p class="said">{said}</p> })}
            {operation}
            {forms}
        </li>
    }
    .settled()
}

#[component]
fn StepForm(at: usize, step: StepView, run: String, answers: Answers) -> impl IntoView {
    let button = |what: String| {
        let (class, does) = match what.as_str() {
            "start" => ("button main", "Start"),
            "pass" => ("button main", "Passed"),
            "fail" => ("button grave", "Failed"),
            "block" => ("button", "Blocked"),
            _ => ("button", "Skip"),
        };
        view! { <button type="submit" class=class name="what" value=what>{does}</button> }
    };
    view! {
        <Post path=RecordTestStep::PATH answers>
            <input type="hidden" name="run" value=run/>
            <input type="hidden" name="step" value=at.to_string()/>
            <input type="hidden" name="shown" value=step.changed.to_string()/>
            <TextArea name="said" id=format!("said-{at}") label="What was seen" hint="Needed where it failed, is blocked or is skipped." rows=1 max_length=1000 optional=true/>
            <div class="buttons">{step.can.into_iter().map(button).collect_view()}</div>
        </Post>
    }
    .settled()
}

#[component]
fn Judgement(board: Board) -> impl IntoView {
    let row = |(tone, what, said): (Tone, String, String)| {
        let word = match tone {
            Tone::Ok => "passed",
            Tone::Lost => "failed",
            _ => "unproven",
        };
        view! { <li><Badge tone word/><div><p>{what}</p><p class="quiet">{said}</p></div></li> }.settled()
    };
    let ended = board.computed.map(|computed| {
        view! { <p>"Computed verdict: "<strong>{computed.to_string()}</strong></p><ul class="gates">{board.findings.clone().into_iter().map(row).collect_view()}</ul> }
    });
    let aside = (!board.set_aside.is_empty()).then(|| format!("Gates set aside at the start: {}.", board.set_aside.join("; ")));
    view! {
        <section class="panel" aria-labelledby="numbers-title">
            <h2 id="numbers-title">"Numbers and verdict"</h2>
            <dl class="facts"><dt>"Recovery time"</dt><dd>{board.recovery.clone()}</dd><dt>"Loss"</dt><dd>{board.loss.clone()}</dd></dl>
            {board.asserted.clone().map(|asserted| view! { <p class="asserted">{asserted}</p> })}
            {board.ruling.clone().map(|ruling| view! { <p class="asserted">{ruling}</p> })}
            {aside.map(|aside| view! { <p class="quiet">{aside}</p> })}
            {ended}
        </section>
    }
    .settled()
}

/// What whoever leads the run does with it as a whole.
#[component]
fn Conduct(board: Board, answers: Answers) -> impl IntoView {
    let run = board.id.to_string();
    let mut choices: Vec<(&'static str, String)> = Vec::new();
    if board.state == RunState::Requested && board.may_approve {
        choices.push(("approve", "Approve this run".to_owned()));
    }
    if board.barred.is_none() {
        match board.state {
            RunState::Requested => choices.push(("cancel", "Cancel it".to_owned())),
            RunState::Running => {
                choices.push(("finish", "Finish: the rest is not run".to_owned()));
                choices.push(("stop", "STOP and put things back".to_owned()));
            }
            RunState::Ended => {
                let computed = board.computed.unwrap_or(Verdict::Failed);
                let verdicts = [(Verdict::Passed, "passed"), (Verdict::Unproven, "unproven"), (Verdict::Failed, "failed")];
                for (verdict, name) in verdicts.into_iter().filter(|(verdict, _)| *verdict > computed || (*verdict < computed && board.may_override))
                {
                    let how = if verdict > computed { "Lower to" } else { "OVERRIDE to" };
                    choices.push((name, format!("{how} {name}")));
                }
            }
            RunState::Cleaning | RunState::Cancelled => {}
        }
    }
    let button = |(what, does): (&'static str, String)| {
        let class = if matches!(what, "stop" | "passed") { "button grave" } else { "button" };
        view! { <button type="submit" class=class name="what" value=what>{does}</button> }
    };
    let whole_run = run.clone();
    let whole = (!choices.is_empty()).then(|| {
        view! {
            <Post path=ConductTest::PATH answers>
                <input type="hidden" name="run" value=whole_run/>
                <TextArea name="reason" id="conduct-reason" label="Why" hint="It is kept in the journal." rows=1 min_length=3 max_length=1000/>
                <div class="buttons">{choices.into_iter().map(button).collect_view()}</div>
            </Post>
        }
    });
    let active = board.state.is_active() && board.barred.is_none();
    let attach = board.barred.is_none().then(|| view! { <Attach run=run.clone() steps=board.steps.len() answers/> });
    let hand_over = active.then(|| view! { <HandOver run=run.clone() answers/> });
    let assert = (board.barred.is_none() && board.started.is_some()).then(|| view! { <Typed run answers/> });
    view! {
        <section class="panel conduct" aria-labelledby="conduct-title">
            <h2 id="conduct-title">"The run as a whole"</h2>
            {board.barred.clone().map(|why| view! { <p class="quiet">"Recording: "{why}</p> })}
            {whole}
            {attach}
            {hand_over}
            {assert}
        </section>
    }
    .settled()
}

#[component]
fn Attach(run: String, steps: usize, answers: Answers) -> impl IntoView {
    view! {
        <details>
            <summary>"Put down a note or a link"</summary>
            <Post path=AttachEvidence::PATH answers>
                <input type="hidden" name="run" value=run/>
                <label for="attach-step">"About"</label>
                <select id="attach-step" name="step">
                    <option value="">"the run"</option>
                    {(0..steps).map(|at| view! { <option value=at.to_string()>{format!("step {}", at + 1)}</option> }).collect_view()}
                </select>
                <TextArea name="text" id="attach-text" label="Note" rows=2 min_length=1 max_length=4000/>
                <Field name="url" label="Link (if any)" kind="url" optional=true/>
                <Submit does="Put it down"/>
            </Post>
        </details>
    }
    .settled()
}

#[component]
fn HandOver(run: String, answers: Answers) -> impl IntoView {
    view! {
        <details>
            <summary>"Hand the lead over"</summary>
            <Post path=ConductTest::PATH answers>
                <input type="hidden" name="run" value=run/>
                <Field name="to" label="To the account"/>
                <TextArea name="reason" id="hand-over-reason" label="Why" rows=1 min_length=3 max_length=1000/>
                <button type="submit" class="button" name="what" value="hand-over">"Hand over"</button>
            </Post>
        </details>
    }
    .settled()
}

#[component]
fn Typed(run: String, answers: Answers) -> impl IntoView {
    view! {
        <details>
            <summary>"Assert times that nobody measured"</summary>
            <Post path=AssertTestTimes::PATH answers>
                <input type="hidden" name="run" value=run/>
                <Field name="rto" label="Recovery time, as 1m 30s" optional=true/>
                <Field name="rpo" label="Loss, as 0s" optional=true/>
                <TextArea name="reason" id="assert-reason" label="By what" hint="It is shown as asserted, and meets no criterion." rows=1 min_length=3 max_length=1000/>
                <Submit does="Assert it" weight=Weight::Plain/>
            </Post>
        </details>
    }
    .settled()
}

#[component]
fn Exhibits(lines: Vec<EvidenceLine>, now: Instant) -> impl IntoView {
    (!lines.is_empty()).then(|| {
        let row = move |line: EvidenceLine| {
            let about = line.step.map_or_else(|| "the run".to_owned(), |step| format!("step {}", step + 1));
            let link = line.url.map(|url| {
                let address = url.clone();
                view! { " "<a href=address rel="external noreferrer nofollow">{url}</a> }
            });
            view! { <li><span class="quiet"><Moment at=line.at now/>" "{line.by}", "{about}</span><p>{line.text}{link}</p></li> }.settled()
        };
        view! { <section aria-labelledby="exhibits-title"><h2 id="exhibits-title">"Put down"</h2><ul class="exhibits">{lines.into_iter().map(row).collect_view()}</ul></section> }
    })
}
