//! The last rehearsal of a service or a region, with its age: how things were then, and no guarantee of how they are.

use crate::{
    operations::words,
    ui::{
        settled::IntoSettled,
        state::{Badge, Tone},
        time::{Age, Moment},
    },
};
use engine::{
    failover::{Mode, Operation, State},
    id::Scope,
    picture::Picture,
    time::Instant,
};
use leptos::prelude::*;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

/// How the last rehearsal ended, and when.
#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Rehearsal {
    pub tone: Tone,
    pub word: String,
    /// What was rehearsed; absent where nothing ever was.
    pub what: Option<Rehearsed>,
    /// What it is worth.
    pub says: String,
}

#[derive(Debug, Clone, PartialEq, Serialize_tuple, Deserialize_tuple)]
pub struct Rehearsed {
    pub title: String,
    pub href: String,
    pub ended: Instant,
}

impl Rehearsal {
    pub fn of(picture: &Picture, scope: &Scope) -> Self {
        let is_rehearsal = |operation: &&Operation| operation.plan.mode() == Mode::Test && operation.plan.scope() == *scope;
        let ran = picture.records.operations.values().filter(is_rehearsal).filter(|operation| operation.started_at.is_some());
        let last = ran.filter_map(|operation| Some((operation.ended_at?, operation))).max_by_key(|(ended, _)| *ended);
        let without = if scope.region().is_some() { " Databases are not rehearsed: for them a plan is made, and no more." } else { "" };
        let Some((ended, operation)) = last else {
            let says = format!("Whether a move would work is not known before one was rehearsed.{without}");
            return Self { tone: Tone::Unknown, word: "never rehearsed".to_owned(), what: None, says };
        };
        let (tone, word, says) = match operation.state {
            State::Succeeded if operation.shortfalls().next().is_none() => {
                (Tone::Ok, "passed", "A pass is no guarantee: it says how things were then.")
            }
            State::Succeeded => (Tone::Watch, "passed in part", "Not every check was passed; its page says which."),
            _ => (Tone::Act, "not passed", "A move would have failed then. Its page says why."),
        };
        let what = Rehearsed { title: words::title(&operation.plan), href: format!("/operations/{}", operation.id), ended };
        Self { tone, word: word.to_owned(), what: Some(what), says: format!("{says}{without}") }
    }
}

#[component]
pub fn LastRehearsal(rehearsal: Rehearsal, now: Instant) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="rehearsal-title">
            <h2 id="rehearsal-title">"Last rehearsal"</h2>
            <p><Badge tone=rehearsal.tone word=rehearsal.word/>{rehearsal.what.as_ref().map(|what| view! { " "<Age since=what.ended now/>" ago" })}</p>
            {rehearsal.what.map(|what| view! { <p><a href=what.href>{what.title}</a>", ended "<Moment at=what.ended now/>" UTC"</p> })}
            <p class="quiet">{rehearsal.says}</p>
        </section>
    }
    .settled()
}
