//! What is open, who was told of it, and the form that ends the reminders; and what ended lately.

use super::{
    calls::AcknowledgeIncident,
    view::{IncidentLine, ToldLine},
};
use crate::ui::settled::IntoSettled;
use crate::{
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        post::{Answers, Post},
        since::Since,
        state::{Badge, Tone},
        text_area::TextArea,
        time::Moment,
    },
};
use engine::time::Instant;
use leptos::{prelude::*, server_fn::ServerFn};

#[component]
pub fn Incidents(answers: Answers, open: Vec<IncidentLine>, over: Vec<IncidentLine>, barred: Option<String>, now: Instant) -> impl IntoView {
    let barred = StoredValue::new(barred);
    let line = move |(at, incident): (usize, IncidentLine)| view! { <Open answers incident at barred=barred.get_value() now/> };
    let count = open.len();
    let lines = if open.is_empty() {
        view! { <p class="calm"><Badge tone=Tone::Ok word="nothing"/>" Nothing that would be told is so."</p> }.settled()
    } else {
        view! { <ul class="incidents">{open.into_iter().enumerate().map(line).collect_view()}</ul> }.settled()
    };
    view! {
        <section aria-labelledby="open">
            <h2 id="open">"Open incidents "<span class="count">{count}</span></h2>
            <Refused answers path=AcknowledgeIncident::PATH/>
            {lines}
            {(!over.is_empty()).then(|| view! { <Over over now/> })}
        </section>
    }
    .settled()
}

#[component]
fn Open(answers: Answers, incident: IncidentLine, at: usize, barred: Option<String>, now: Instant) -> impl IntoView {
    let form = match (incident.can_be_acknowledged, barred) {
        (false, _) => None,
        (true, Some(why)) => Some(view! { <p class="quiet">"Acknowledging it: "{why}</p> }.settled()),
        (true, None) => Some(view! { <Acknowledge answers key=incident.key at/> }.settled()),
    };
    view! {
        <li class=format!("panel {}", incident.tone.name())>
            <p class="named"><Badge tone=incident.tone word=incident.word/><a href=incident.href>{incident.title}</a></p>
            <p>{incident.next}</p>
            <p class="who"><Since at=incident.since now/>{incident.told.into_iter().map(|told| view! { <Told told/> }).collect_view()}</p>
            {incident.quiet.map(|why| view! { <p class="quiet">{why}</p> })}
            {form}
        </li>
    }
    .settled()
}

#[component]
fn Told(told: ToldLine) -> impl IntoView {
    view! { <span class="told">{told.channel}" "<Badge tone=told.tone word=told.word/></span> }.settled()
}

#[component]
fn Acknowledge(answers: Answers, key: String, at: usize) -> impl IntoView {
    view! {
        <details class="fold">
            <summary>"Acknowledge: I look after it"</summary>
            <Post path=AcknowledgeIncident::PATH answers>
                <input type="hidden" name="incident" value=key/>
                <TextArea name="reason" id=format!("why-{at}") label="Why" hint="At least 3 characters; everybody sees it, and the journal keeps it." rows=2 min_length=3 max_length=1000/>
                <p class="quiet">"Ends the reminders until it gets worse, is over or comes back. Lifeboat itself goes on as before."</p>
                <Submit does="Acknowledge, no more reminders" weight=Weight::Plain/>
            </Post>
        </details>
    }
    .settled()
}

#[component]
fn Over(over: Vec<IncidentLine>, now: Instant) -> impl IntoView {
    let count = over.len();
    let line = move |incident: IncidentLine| {
        view! {
            <li>
                <a href=incident.href>{incident.title}</a>
                <span class="quiet">{incident.resolved.map(|at| view! { "over since "<Moment at now/> })}</span>
            </li>
        }
    };
    view! {
        <details class="fold over">
            <summary>{if count == 1 { "1 that is over".to_owned() } else { format!("{count} that are over") }}</summary>
            <ul>{over.into_iter().map(line).collect_view()}</ul>
        </details>
    }
    .settled()
}
