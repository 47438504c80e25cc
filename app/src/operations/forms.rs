//! The forms of an operation, one for each thing that can be done to it. Each asks for a reason, says what follows, and works
//! without JavaScript. The weightiest stands open, the others fold away, so that no thumb hits the wrong one.

use super::{
    acts::{Act, Verb},
    calls::{
        AbortOperation, AcknowledgeOperation, ApproveOperation, CancelOperation, CloseOperation, CommitOperation, DeclineOperation,
        EscalateOperation, ResumeOperation, SkipStep,
    },
    refused::Refused,
};
use crate::ui::settled::IntoSettled;
use crate::ui::{
    button::{Submit, Weight},
    icon::Icon,
    post::{Answers, Post},
    text_area::TextArea,
};
use engine::id::OperationId;
use leptos::{prelude::*, server_fn::ServerFn};

#[component]
pub fn ActForms(answers: Answers, acts: Vec<Act>, id: OperationId, plan_hash: String) -> impl IntoView {
    let mut acts = acts.into_iter();
    let first = acts.next();
    let hash = StoredValue::new(plan_hash);
    let form = move |act: Act| view! { <ActForm answers act id plan_hash=hash.get_value()/> };
    let others = move |act: Act| view! { <details><summary>{act.does.clone()}</summary>{form(act)}</details> };
    view! {
        <div class="acts">
            {first.map(form)}
            {acts.map(others).collect_view()}
        </div>
    }
    .settled()
}

/// One form, or why it is not for this person.
#[component]
fn ActForm(answers: Answers, act: Act, id: OperationId, plan_hash: String) -> impl IntoView {
    if let Some(why) = act.barred {
        return view! { <p class="barred"><Icon name="watch"/><span><strong>{act.does}</strong>": "{why}</span></p> }.settled();
    }
    let (verb, does, note, consent) = (act.verb, act.does, act.note, act.consent);
    let fields = move || {
        let (field, weight) = match verb {
            Verb::Approve => ("reason-to-approve", Weight::Grave),
            Verb::Resume => ("reason-to-resume", Weight::Main),
            Verb::Decline => ("reason-to-decline", Weight::Plain),
            Verb::Cancel => ("reason-to-cancel", Weight::Plain),
            Verb::Close => ("reason-to-close", Weight::Plain),
            Verb::Skip => ("reason-to-skip", Weight::Plain),
            Verb::Escalate => ("reason-to-escalate", Weight::Grave),
            Verb::Commit => ("reason-to-commit", Weight::Main),
            Verb::Abort => ("reason-to-abort", Weight::Plain),
            Verb::Acknowledge => ("reason-to-acknowledge", Weight::Plain),
        };
        view! {
            <input type="hidden" name="id" value=id.to_string()/>
            {(verb == Verb::Approve).then(|| view! { <input type="hidden" name="plan_hash" value=plan_hash/> })}
            {consent.map(|loss| view! {
                <label class="consent">
                    <input type="checkbox" name="accept_loss" value="true" required/>
                    <span><strong>"I accept that data may be lost. "</strong>{loss}</span>
                </label>
            })}
            <TextArea name="reason" id=field label="Why" hint="At least 3 characters; it is kept in the journal." rows=2 min_length=3 max_length=1000/>
            <p class="quiet">{note}</p>
            <Submit does weight/>
        }
    };
    let path = path_of(verb);
    view! {
        <Post path answers>{fields()}</Post>
        <Refused answers path/>
    }
    .settled()
}

/// Where the forms of an operation are sent.
pub(super) const PATHS: [&str; 10] = [
    ApproveOperation::PATH,
    DeclineOperation::PATH,
    CancelOperation::PATH,
    ResumeOperation::PATH,
    CloseOperation::PATH,
    SkipStep::PATH,
    EscalateOperation::PATH,
    CommitOperation::PATH,
    AbortOperation::PATH,
    AcknowledgeOperation::PATH,
];

pub(super) fn path_of(verb: Verb) -> &'static str {
    match verb {
        Verb::Approve => ApproveOperation::PATH,
        Verb::Decline => DeclineOperation::PATH,
        Verb::Cancel => CancelOperation::PATH,
        Verb::Resume => ResumeOperation::PATH,
        Verb::Close => CloseOperation::PATH,
        Verb::Skip => SkipStep::PATH,
        Verb::Escalate => EscalateOperation::PATH,
        Verb::Commit => CommitOperation::PATH,
        Verb::Abort => AbortOperation::PATH,
        Verb::Acknowledge => AcknowledgeOperation::PATH,
    }
}
