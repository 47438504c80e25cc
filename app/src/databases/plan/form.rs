//! The form that asks for the plan above it: the reason, and the consents it needs. It works without JavaScript.

use super::view::{Obstacle, PlanPage};
use crate::ui::settled::IntoSettled;
use crate::{
    operations::{calls::RequestOperation, refused::Refused},
    ui::{
        button::{Submit, Weight},
        post::{Answers, Post},
        text_area::TextArea,
    },
};
use engine::failover::OperationKind;
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::use_query_map;

#[component]
pub fn RequestForm(page: PlanPage, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let form = page.form;
    let is_drill = page.kind == OperationKind::Switchover && use_query_map().with_untracked(|query| query.get_str("drill").is_some());
    let reason = if is_drill { "Switchover drill: has the move proven and measured while nothing is wrong." } else { "" };
    let follows = form.follows;
    view! {
        <Post path=RequestOperation::PATH answers>
            <input type="hidden" name="id" value=form.id.to_string()/>
            <input type="hidden" name="kind" value=page.kind.to_string()/>
            <input type="hidden" name="cluster" value=page.cluster.to_string()/>
            {form.node.map(|node| view! { <input type="hidden" name="node" value=node.to_string()/> })}
            <input type="hidden" name="plan_hash" value=form.plan_hash/>
            {(!page.overridable.is_empty()).then(|| view! { <Override checks=page.overridable/> })}
            {(!page.loss.zero).then(|| view! {
                <label class="consent">
                    <input type="checkbox" name="accept_loss" value="true" required/>
                    <span><strong>"I accept that data may be lost. "</strong>{page.loss.says}</span>
                </label>
            })}
            <TextArea name="reason" label="Why" value=reason hint="At least 3 characters. The second person reads it, and the journal keeps it." rows=3 min_length=3 max_length=1000/>
            <p class="quiet">{follows}</p>
            <fieldset class="bare" disabled=move || changed.get()><Submit does=form.does weight=Weight::Main/></fieldset>
        </Post>
        <Refused answers path=RequestOperation::PATH/>
    }
    .settled()
}

/// The checks that this would set aside, each in full.
#[component]
pub fn Override(checks: Vec<Obstacle>) -> impl IntoView {
    view! {
        <div class="override">
            <p><strong>"These checks speak against it:"</strong></p>
            <ul>{checks.into_iter().map(|check| view! { <li><strong>{check.what}"."</strong>" "{check.way_out}</li> }).collect_view()}</ul>
            <label class="consent">
                <input type="checkbox" name="override_blockers" value="true" required/>
                <span><strong>"Go on all the same. "</strong>"The record will say that these checks were overridden, by whom and why."</span>
            </label>
        </div>
    }
    .settled()
}
