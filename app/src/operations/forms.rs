//! The forms of an operation: approve, decline, cancel, resume, close. Each asks for a reason, says what follows, and works
//! without JavaScript. The weightiest stands open, the others fold away, so that no thumb hits the wrong one.

use super::{
    acts::{Act, Verb},
    calls::{ApproveOperation, CancelOperation, CloseOperation, DeclineOperation, ResumeOperation},
    refused::Refused,
};
use crate::ui::settled::IntoSettled;
use crate::ui::{
    button::{Submit, Weight},
    icon::Icon,
    text_area::TextArea,
};
use engine::id::OperationId;
use leptos::{form::ActionForm, prelude::*, server_fn::ServerFn};

/// The actions behind the forms. They belong to the page, not to what is shown of it, so that a refusal stays on the
/// screen while the page moves on.
#[derive(Clone, Copy)]
pub struct Actions {
    approve: ServerAction<ApproveOperation>,
    decline: ServerAction<DeclineOperation>,
    cancel: ServerAction<CancelOperation>,
    resume: ServerAction<ResumeOperation>,
    close: ServerAction<CloseOperation>,
}

impl Actions {
    #[allow(clippy::new_without_default, reason = "it makes actions, so it belongs to a reactive owner and is no plain value")]
    pub fn new() -> Self {
        Self {
            approve: ServerAction::new(),
            decline: ServerAction::new(),
            cancel: ServerAction::new(),
            resume: ServerAction::new(),
            close: ServerAction::new(),
        }
    }
}

#[component]
pub fn ActForms(actions: Actions, acts: Vec<Act>, id: OperationId, plan_hash: String) -> impl IntoView {
    let mut acts = acts.into_iter();
    let first = acts.next();
    let hash = StoredValue::new(plan_hash);
    let form = move |act: Act| view! { <ActForm actions act id plan_hash=hash.get_value()/> };
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
fn ActForm(actions: Actions, act: Act, id: OperationId, plan_hash: String) -> impl IntoView {
    if let Some(why) = act.barred {
        return view! { <p class="barred"><Icon name="watch"/><span><strong>{act.does}</strong>": "{why}</span></p> }.settled();
    }
    let (verb, does, note) = (act.verb, act.does, act.note);
    let fields = move || {
        let (field, weight) = match verb {
            Verb::Approve => ("reason-to-approve", Weight::Grave),
            Verb::Resume => ("reason-to-resume", Weight::Main),
            Verb::Decline => ("reason-to-decline", Weight::Plain),
            Verb::Cancel => ("reason-to-cancel", Weight::Plain),
            Verb::Close => ("reason-to-close", Weight::Plain),
        };
        view! {
            <input type="hidden" name="id" value=id.to_string()/>
            {(verb == Verb::Approve).then(|| view! { <input type="hidden" name="plan_hash" value=plan_hash/> })}
            <TextArea name="reason" id=field label="Why" hint="At least 3 characters; it is kept in the journal." rows=2 min_length=3 max_length=1000/>
            <p class="quiet">{note}</p>
            <Submit does weight/>
        }
    };
    match verb {
        Verb::Approve => view! {
            <ActionForm action=actions.approve>{fields()}</ActionForm>
            <Refused answer=actions.approve.value() path=ApproveOperation::PATH/>
        }
        .settled(),
        Verb::Decline => view! {
            <ActionForm action=actions.decline>{fields()}</ActionForm>
            <Refused answer=actions.decline.value() path=DeclineOperation::PATH/>
        }
        .settled(),
        Verb::Cancel => view! {
            <ActionForm action=actions.cancel>{fields()}</ActionForm>
            <Refused answer=actions.cancel.value() path=CancelOperation::PATH/>
        }
        .settled(),
        Verb::Resume => view! {
            <ActionForm action=actions.resume>{fields()}</ActionForm>
            <Refused answer=actions.resume.value() path=ResumeOperation::PATH/>
        }
        .settled(),
        Verb::Close => view! {
            <ActionForm action=actions.close>{fields()}</ActionForm>
            <Refused answer=actions.close.value() path=CloseOperation::PATH/>
        }
        .settled(),
    }
}
