//! A run, live: what is to be done now, who has done what, what others were told. Every form works without JavaScript.

use super::{
    calls::{self, SendMessage, TakeRole, WorkRun},
    steps::StepBody,
    view::{MessageView, RunStepView, RunView, SentLine, StepAct},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        icon::Icon,
        post::{Answers, Post},
        state::{Badge, Tone},
        text_area::TextArea,
        time::{Age, Moment},
        title::PageTitle,
        trouble::watched,
    },
};
use engine::{
    runbooks::run::{RunState, StepState},
    time::Instant,
};
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::use_params_map;

#[component]
pub fn RunPage() -> impl IntoView {
    let params = use_params_map();
    let page = watch(move || params.read().get("run").unwrap_or_default(), calls::run);
    let answers = Answers::new();
    watched(page, move |page| view! { <Run page answers/> })
}

#[component]
fn Run(page: RunView, answers: Answers) -> impl IntoView {
    let now = page.now;
    let id = StoredValue::new(page.line.id.to_string());
    let line = page.line.clone();
    let (barred, barred_approve) = (StoredValue::new(page.barred.clone()), StoredValue::new(page.barred_approve.clone()));
    let reason = page.reason.clone();
    let note = page.note.clone().map(|(by, at, reason)| view! { <p class="quiet">{format!("{by}: {reason}, ")}<Age since=at now/>" ago"</p> });
    let step = move |step: RunStepView| view! { <Step step id=id.get_value() barred=barred.get_value() barred_approve=barred_approve.get_value() answers now/> };
    let values = page.values.iter().map(|(name, value)| view! { <dt>{name.clone()}</dt><dd>{value.clone()}</dd> }).collect_view();
    view! {
        <PageTitle title=line.title.clone()>
            "Run "<code>{line.id.short()}</code>" of "<a href=format!("/runbooks/{}?version={}", line.runbook, line.version)>{format!("{}, version {}", line.runbook, line.version)}</a>
            ", begun by "{line.by.clone()}" "<Moment at=line.began now/>": "{reason}
        </PageTitle>
        <section class=format!("headline {}", line.tone.name()) aria-label="Standing">
            <p class="says big"><Badge tone=line.tone word=line.word.clone()/></p>
            <p class="run-clock">
                {match line.took {
                    Some(took) => view! { <strong>{took.rough()}</strong> }.settled(),
                    None => view! { <strong><Age since=line.began now/></strong> }.settled(),
                }}
                {page.rto.map(|rto| format!(" of {rto}"))}
                <span class="quiet">{format!(" {} of {} steps are done; what is left takes {} as a rule", line.done, line.steps, page.left.rough())}</span>
            </p>
            <progress max=line.steps value=line.done>{format!("{} of {}", line.done, line.steps)}</progress>
            {note}
        </section>
        <Refused answers path=WorkRun::PATH/>
        <Refused answers path=TakeRole::PATH/>
        <Refused answers path=SendMessage::PATH/>
        <div class="run-top">
            <section aria-labelledby="steps-title">
                <h2 id="steps-title">"Steps"</h2>
                <ol class="run-steps">{page.steps.iter().cloned().map(step).collect_view()}</ol>
            </section>
            <div class="run-side">
                <Whole page=page.clone() answers/>
                <section class="panel" aria-labelledby="roles-title">
                    <h2 id="roles-title">"Who is who"</h2>
                    <Roles page=page.clone() answers/>
                </section>
                <section class="panel" aria-labelledby="messages-title" id="messages">
                    <h2 id="messages-title">"Telling others"</h2>
                    <Messages page=page.clone() answers/>
                </section>
                <section class="panel" aria-labelledby="values-title">
                    <h2 id="values-title">"Filled in"</h2>
                    <dl class="facts">{values}</dl>
                </section>
            </div>
        </div>
    }
    .settled()
}

#[component]
fn Step(step: RunStepView, id: String, barred: Option<String>, barred_approve: Option<String>, answers: Answers, now: Instant) -> impl IntoView {
    let under_way = step.state.is_under_way();
    let (glyph, class) = match (step.state, under_way) {
        (StepState::Pending, _) => ("pending", "pending"),
        (_, true) if step.tone == Tone::Ok => ("running", "running"),
        _ => (step.tone.name(), step.tone.name()),
    };
    let open = !step.acts.is_empty() || under_way || matches!(step.state, StepState::Failed | StepState::Unknown);
    let number = step.number;
    let who = match (&step.begun, &step.ended) {
        (_, Some((by, at))) => Some(view! { {format!("{} by {by} ", step.state)}<Moment at=*at now/> }.settled()),
        (Some((by, at)), None) => Some(view! { {format!("begun by {by} ")}<Moment at=*at now/>", "<Age since=*at now/> }.settled()),
        (None, None) => None,
    };
    let approvals = (step.approvals_needed > 0 && step.state == StepState::Running).then(|| {
        let given: Vec<String> = step.approvals.iter().map(|(by, _)| by.clone()).collect();
        let given = if given.is_empty() { "nobody yet".to_owned() } else { given.join(", ") };
        view! { <p class="quiet">{format!("{} of {} have agreed: {given}", step.approvals.len(), step.approvals_needed)}</p> }
    });
    let operation = match (step.operation, &step.plan, step.state) {
        (Some(operation), ..) => Some(view! { <p><a href=format!("/operations/{operation}")>{format!("The operation {}", operation.short())}</a></p> }.settled()),
        (None, Some(plan), StepState::Running) => Some(
            view! { <p><a class="button" href=plan.clone()>"See the plan and request it"</a>" "<span class="quiet">"Found here as soon as it is requested."</span></p> }.settled(),
        ),
        _ => None,
    };
    let overdue = step
        .overdue
        .filter(|_| under_way)
        .map(|since| view! { <p class="late"><Icon name="act"/>"Takes longer than it may, since "<Moment at=since now/></p> });
    let acts = step.acts.clone();
    let title = step.step.title.clone();
    view! {
        <li class=format!("run-step {class}") id=format!("step-{number}") aria-current=under_way.then_some("step")>
            <Icon name=glyph/>
            <details open=open>
                <summary><span class="number">{number}</span>" "{title.clone()}<span class="state">{step.state.to_string()}{(step.attempts > 1).then(|| format!(", attempt {}", step.attempts))}</span></summary>
                <StepBody step=step.step.clone()/>
                {operation}
            </details>
            {who.map(|who| view! { <p class="who">{who}</p> })}
            {step.said.clone().map(|said| view! { <pre class="said">{said}</pre> })}
            {overdue}
            {approvals}
            <Acts acts id number title barred barred_approve answers/>
        </li>
    }
    .settled()
}

/// What can be done with a step, the likeliest as one press.
#[component]
fn Acts(
    acts: Vec<StepAct>,
    id: String,
    number: u32,
    title: String,
    barred: Option<String>,
    barred_approve: Option<String>,
    answers: Answers,
) -> impl IntoView {
    if acts.is_empty() {
        return ().settled();
    }
    let (id, title) = (StoredValue::new(id), StoredValue::new(title));
    let form = move |act: StepAct| {
        let bar = if act == StepAct::Approve { &barred_approve } else { &barred };
        if let Some(why) = bar {
            // Once is enough.
            return (!matches!(act, StepAct::Skip | StepAct::Fail | StepAct::RollBack))
                .then(|| view! { <p class="quiet">{why.clone()}</p> }.settled());
        }
        let (what, does, asks, weight) = in_words(act);
        let field = format!("said-{what}-{number}");
        let fields = view! {
            <Post path=WorkRun::PATH answers>
                <input type="hidden" name="id" value=id.get_value()/>
                <input type="hidden" name="step" value=number.to_string()/>
                <input type="hidden" name="what" value=what/>
                {asks.map(|(label, optional)| if optional {
                    view! { <TextArea name="said" id=field.clone() label rows=1 max_length=1000 optional=true/> }.settled()
                } else {
                    view! { <TextArea name="said" id=field.clone() label rows=1 min_length=3 max_length=1000/> }.settled()
                })}
                <button type="submit" class=weight aria-label=format!("{does}: {}", title.get_value())>{does}</button>
            </Post>
        };
        let folded = matches!(act, StepAct::Skip | StepAct::Fail | StepAct::RollBack | StepAct::ByHand);
        Some(if folded { view! { <details class="more"><summary>{does}</summary>{fields}</details> }.settled() } else { fields.settled() })
    };
    view! { <div class="step-acts">{acts.into_iter().map(form).collect_view()}</div> }.settled()
}

type Asks = Option<(&'static str, bool)>;

fn in_words(act: StepAct) -> (&'static str, &'static str, Asks, &'static str) {
    match act {
        StepAct::Begin => ("begin", "Begin", None, "button main"),
        StepAct::Again => ("begin", "Begin again", None, "button main"),
        StepAct::Tick => ("tick", "Done", Some(("What was seen", true)), "button main"),
        StepAct::Back => ("tick", "It is undone", Some(("What was seen", true)), "button main"),
        StepAct::ByHand => ("tick", "It was done by hand", Some(("What was done and seen", false)), "button"),
        StepAct::Fail => ("fail", "It did not work", Some(("Why", false)), "button"),
        StepAct::Approve => ("approve", "Agree", Some(("Why", false)), "button grave"),
        StepAct::Skip => ("skip", "Skip it", Some(("Why", false)), "button"),
        StepAct::RollBack => ("roll-back", "Go back from it", Some(("Why", false)), "button grave"),
    }
}

/// Pause, go on, abandon.
#[component]
fn Whole(page: RunView, answers: Answers) -> impl IntoView {
    if !page.state.is_active() || page.barred.is_some() {
        return ().settled();
    }
    let id = StoredValue::new(page.line.id.to_string());
    let form = move |what: &'static str, does: &'static str, weight: Weight| {
        view! {
            <Post path=WorkRun::PATH answers>
                <input type="hidden" name="id" value=id.get_value()/>
                <input type="hidden" name="what" value=what/>
                <TextArea name="said" id=format!("said-{what}") label="Why" rows=1 min_length=3 max_length=1000/>
                <Submit does weight/>
            </Post>
        }
        .settled()
    };
    let first = if page.state == RunState::Paused {
        form("resume", "Go on", Weight::Main)
    } else {
        view! { <details class="more"><summary>"Pause the run"</summary>{form("pause", "Pause: no step is begun meanwhile", Weight::Plain)}</details> }.settled()
    };
    view! {
        <section class="panel run-whole" aria-label="The run as a whole">
            {first}
            <details class="more"><summary>"Abandon the run"</summary>{form("abandon", "Abandon it for good", Weight::Grave)}</details>
        </section>
    }
    .settled()
}

#[component]
fn Roles(page: RunView, answers: Answers) -> impl IntoView {
    let id = StoredValue::new(page.line.id.to_string());
    let may = page.barred.is_none() && page.state.is_active();
    let row = move |(role, who): (String, Option<String>)| {
        let free = who.is_none() && may;
        let take = role.clone();
        view! {
            <li>
                <span><strong>{role.clone()}</strong>" "<span class="quiet">{who.unwrap_or_else(|| "nobody yet".to_owned())}</span></span>
                {free.then(|| view! {
                    <Post path=TakeRole::PATH answers>
                        <input type="hidden" name="id" value=id.get_value()/>
                        <input type="hidden" name="role" value=take.clone()/>
                        <button type="submit" class="button" aria-label=format!("Be {take}")>"That is me"</button>
                    </Post>
                })}
            </li>
        }
        .settled()
    };
    view! { <ul class="run-roles">{page.roles.into_iter().map(row).collect_view()}</ul> }.settled()
}

/// Templates as they would go out now, when the next one is due, and what was sent.
#[component]
fn Messages(page: RunView, answers: Answers) -> impl IntoView {
    let now = page.now;
    let id = StoredValue::new(page.line.id.to_string());
    let may = page.barred.is_none();
    let due = page.next_update.map(|due| {
        if due < now {
            view! { <p class="late"><Icon name="act"/>"The next message was promised for "<Moment at=due now/></p> }.settled()
        } else {
            view! { <p>"The next message is promised for "<strong><Moment at=due now/></strong></p> }.settled()
        }
    });
    let template = move |message: MessageView| {
        let MessageView { name, audience, text, .. } = message;
        let audience = audience.map(|audience| format!(" for {audience}")).unwrap_or_default();
        let (summary, field) = (format!("{name}{audience}"), name.replace(' ', "-"));
        let body = match text {
            Err(missing) => view! { <p class="late"><Icon name="act"/>{format!("It cannot be sent: nothing can be said for {missing}")}</p> }.settled(),
            Ok(text) if !may => view! { <p>{text}</p> }.settled(),
            Ok(text) => view! {
                <Post path=SendMessage::PATH answers>
                    <input type="hidden" name="id" value=id.get_value()/>
                    <input type="hidden" name="message" value=name.clone()/>
                    <TextArea name="shown" id=format!("shown-{field}") label="Text" value=text rows=4 hint="Send it by your own means, then put that on record."/>
                    <label for=format!("to-{field}")>"Sent to, by what"</label>
                    <input id=format!("to-{field}") name="to" required=true maxlength="200" autocomplete="off"/>
                    <Submit does="It is sent"/>
                </Post>
            }
            .settled(),
        };
        view! { <details class="more"><summary>{summary}</summary>{body}</details> }.settled()
    };
    let sent = move |sent: SentLine| {
        view! { <li><p><Moment at=sent.at now/>{format!(" {} to {}, by {}", sent.message, sent.to, sent.by)}</p><p class="quiet">{sent.text}</p></li> }.settled()
    };
    view! {
        {due}
        {page.messages.into_iter().map(template).collect_view()}
        {(!page.sent.is_empty()).then(|| view! { <h3>"Sent"</h3><ol class="sent">{page.sent.iter().cloned().map(sent).collect_view()}</ol> }.settled())}
    }
    .settled()
}
