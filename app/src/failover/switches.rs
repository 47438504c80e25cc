//! What people put in the way of Lifeboat: each with its state, and folded away beneath it the form that sets or ends it.
//! The forms work without JavaScript.

use super::{
    calls::{Release, Restrain},
    view::{Switch, switches::HeldLine},
};
use crate::ui::settled::IntoSettled;
use crate::{
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        post::{Answers, Post},
        state::Badge,
        text_area::TextArea,
        time::{Age, Moment},
    },
};
use engine::time::Instant;
use leptos::{prelude::*, server_fn::ServerFn};

#[component]
pub fn Switches(answers: Answers, switches: Vec<Switch>, back: String, now: Instant) -> impl IntoView {
    let back = StoredValue::new(back);
    view! {
        <section class="panel switches" id="automation" aria-labelledby="automation-title">
            <h2 id="automation-title">"Automation"</h2>
            <Refused answers path=Restrain::PATH/>
            <Refused answers path=Release::PATH/>
            <ul>{switches.into_iter().map(|switch| view! { <One answers switch back=back.get_value() now/> }).collect_view()}</ul>
        </section>
    }
    .settled()
}

#[component]
fn One(answers: Answers, switch: Switch, back: String, now: Instant) -> impl IntoView {
    let is_held = switch.held.is_some();
    let form = match switch.barred {
        Some(why) => view! { <p class="quiet">{why}</p> }.settled(),
        None => view! { <SwitchForm answers what=switch.what does=switch.does is_held needs_an_end=switch.needs_an_end back/> }.settled(),
    };
    view! {
        <li class="switch">
            <p class="named"><strong>{switch.name}</strong><Badge tone=switch.tone word=switch.word/></p>
            {switch.held.map(|held| view! { <HeldBy held now/> })}
            <p class="quiet">{switch.means}</p>
            {form}
        </li>
    }
    .settled()
}

#[component]
fn HeldBy(held: HeldLine, now: Instant) -> impl IntoView {
    view! {
        <p>
            "by "<strong>{held.by}</strong>" since "<Moment at=held.since now/>" UTC · "<Age since=held.since now/>
            {match held.until {
                Some(until) => view! { ", until "<Moment at=until now/>" UTC" }.settled(),
                None => ", until somebody ends it".settled(),
            }}
        </p>
        <p class="said">{held.reason}</p>
    }
    .settled()
}

#[component]
fn SwitchForm(answers: Answers, what: String, does: String, is_held: bool, needs_an_end: bool, back: String) -> impl IntoView {
    let id = what.replace([':', '/'], "-");
    let (field, length) = (format!("why-{id}"), format!("how-long-{id}"));
    let (button, summary) = (does.clone(), does);
    let fields = move || {
        view! {
            <input type="hidden" name="what" value=what/>
            <input type="hidden" name="back" value=back/>
            {(!is_held).then(|| view! { <Length id=length needs_an_end/> })}
            <TextArea name="reason" id=field label="Why" hint="At least 3 characters; everybody sees it, and the journal keeps it." rows=2 min_length=3 max_length=1000/>
            <Submit does=button weight=Weight::Plain/>
        }
    };
    let path = if is_held { Release::PATH } else { Restrain::PATH };
    view! { <details class="fold"><summary>{summary}</summary><Post path answers>{fields()}</Post></details> }.settled()
}

/// How long it lasts. What could hide a failure must name its end.
#[component]
fn Length(id: String, needs_an_end: bool) -> impl IntoView {
    let lengths = [(15, "15 minutes"), (60, "1 hour"), (240, "4 hours"), (480, "8 hours"), (1_440, "1 day"), (10_080, "7 days")];
    let option = |(minutes, name): (u64, &'static str)| view! { <option value=minutes.to_string() selected=minutes == 60>{name}</option> };
    view! {
        <div class="field">
            <label for=id.clone()>"For"</label>
            <select id=id name="minutes">
                {lengths.map(option).collect_view()}
                {(!needs_an_end).then(|| view! { <option value="0">"until somebody ends it"</option> })}
            </select>
        </div>
    }
    .settled()
}
