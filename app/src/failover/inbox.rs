//! What waits for a second person, each with one tap to approve or decline it: the plan's hash travels with the form, and so
//! does a reason, which is shown. What breaks a safety rule is read in full before it can be approved.

use super::{rows::Simulated, view::Waiting};
use crate::ui::settled::IntoSettled;
use crate::{
    operations::{
        acts::{Act, Verb},
        calls::{ApproveOperation, DeclineOperation},
        refused::Refused,
    },
    ui::{
        button::{Submit, Weight},
        icon::Icon,
        post::{Answers, Post},
        time::{Age, Moment},
    },
};
use engine::{id::OperationId, time::Instant};
use leptos::{prelude::*, server_fn::ServerFn};

#[component]
pub fn Inbox(waiting: Vec<Waiting>, answers: Answers, now: Instant) -> impl IntoView {
    (!waiting.is_empty()).then(|| {
        let item = move |waiting: Waiting| view! { <Request waiting answers now/> };
        view! {
            <section class="inbox" aria-labelledby="inbox-title">
                <h2 id="inbox-title">"Waits for approval"</h2>
                <Refused answers path=ApproveOperation::PATH/>
                <Refused answers path=DeclineOperation::PATH/>
                <ul>{waiting.into_iter().map(item).collect_view()}</ul>
            </section>
        }
        .settled()
    })
}

#[component]
fn Request(waiting: Waiting, answers: Answers, now: Instant) -> impl IntoView {
    let line = waiting.line.clone();
    let rules = waiting.rules.iter().map(|rule| view! { <li>{rule.clone()}</li> }).collect::<Vec<_>>();
    let affected = if waiting.affected == 1 { "1 service".to_owned() } else { format!("{} services", waiting.affected) };
    view! {
        <li class="panel">
            <div class="asked">
                <p class="named"><a href=format!("/operations/{}", line.id)>{line.title}</a>{line.simulated.then(|| view! { " "<Simulated/> })}</p>
                <p><strong>{line.requested_by.to_string()}</strong>" asked "<Age since=line.requested_at now/>" ago; void at "<Moment at=waiting.void_at now/>" UTC"</p>
                <p class="said">{waiting.reason.clone()}</p>
                <p class=if waiting.loses { "loses" } else { "quiet" }>"Data lost: "{waiting.loss.clone()}</p>
                <p class="quiet">"Affects "{affected}"."</p>
                {(!rules.is_empty()).then(|| view! { <div class="breaks"><p><Icon name="lost"/><strong>"Breaks safety rules; approving it takes an approver:"</strong></p><ul>{rules}</ul></div> })}
            </div>
            <Answer waiting answers/>
        </li>
    }
    .settled()
}

/// The two forms, or why there are none.
#[component]
fn Answer(waiting: Waiting, answers: Answers) -> impl IntoView {
    let (id, hash) = (waiting.line.id, waiting.plan_hash);
    let href = format!("/operations/{id}");
    if !waiting.rules.is_empty() {
        return view! { <div class="answer"><a class="button" href=href>"Read the plan and decide"</a></div> }.settled();
    }
    let (mut barred, mut forms) = (Vec::new(), Vec::new());
    for act in waiting.acts {
        match act.barred.clone() {
            // Both are barred for the same reason, which is said once.
            Some(why) if !barred.contains(&why) => barred.push(why),
            Some(_) => {}
            None => forms.push(view! { <OneTap act id plan_hash=hash.clone() answers/> }.settled()),
        }
    }
    let none = forms.is_empty();
    view! {
        <div class="answer">
            {forms}
            {barred.into_iter().map(|why| view! { <p class="quiet">{why}</p> }).collect_view()}
            <a class=none.then_some("button") href=href>"Read the plan"</a>
        </div>
    }
    .settled()
}

#[component]
fn OneTap(act: Act, id: OperationId, plan_hash: String, answers: Answers) -> impl IntoView {
    let (path, reason, weight) = match act.verb {
        Verb::Approve => (ApproveOperation::PATH, "Approved on the board, with the plan as it was asked for", Weight::Grave),
        _ => (DeclineOperation::PATH, "Declined on the board", Weight::Plain),
    };
    view! {
        <Post path answers>
            <input type="hidden" name="id" value=id.to_string()/>
            {(act.verb == Verb::Approve).then(|| view! { <input type="hidden" name="plan_hash" value=plan_hash/> })}
            <input type="hidden" name="reason" value=reason/>
            {act.consent.map(|loss| view! {
                <label class="consent">
                    <input type="checkbox" name="accept_loss" value="true" required/>
                    <span><strong>"I accept that data may be lost. "</strong>{loss}</span>
                </label>
            })}
            <Submit does=act.does weight/>
            <p class="quiet">"The journal keeps: “"{reason}"”."</p>
        </Post>
    }
    .settled()
}
