//! The form that asks for the move above it: the reason, and the consents it needs. It works without JavaScript.

use super::view::MovePage;
use crate::ui::settled::IntoSettled;
use crate::{
    databases::plan::{form::Override, view::Obstacle},
    operations::{calls::RequestTraffic, refused::Refused},
    ui::{
        button::{Submit, Weight},
        icon::Icon,
        post::{Answers, Post},
        text_area::TextArea,
    },
};
use leptos::{prelude::*, server_fn::ServerFn};

#[component]
pub fn MoveForm(page: MovePage, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let form = page.form;
    let (checks, rules) = (page.overridable, page.rules);
    let weight = if rules.is_empty() { Weight::Main } else { Weight::Grave };
    let consent = match (checks.is_empty(), rules.is_empty()) {
        (true, true) => None,
        // One consent for all of it: the same box lifts both kinds.
        (_, true) => Some(view! { <Override checks/> }.settled()),
        (_, false) => Some(view! { <Rules rules checks/> }.settled()),
    };
    view! {
        <Post path=RequestTraffic::PATH answers>
            <input type="hidden" name="id" value=form.id.to_string()/>
            <input type="hidden" name="service" value=page.service/>
            <input type="hidden" name="mode" value=form.mode/>
            <input type="hidden" name="to" value=form.to/>
            <input type="hidden" name="plan_hash" value=form.plan_hash/>
            {consent}
            <TextArea name="reason" label="Why" hint="At least 3 characters. The second person reads it, and the journal keeps it." rows=3 min_length=3 max_length=1000/>
            <p class="quiet">{form.follows}</p>
            <fieldset class="bare" disabled=move || changed.get()><Submit does=form.does weight/></fieldset>
        </Post>
        <Refused answers path=RequestTraffic::PATH/>
    }
    .settled()
}

/// The safety rules it would break, in full and loudly, with whatever else speaks against it.
#[component]
pub fn Rules(rules: Vec<Obstacle>, checks: Vec<Obstacle>) -> impl IntoView {
    let item = |obstacle: Obstacle| view! { <li><strong>{obstacle.what}"."</strong>" "{obstacle.way_out}</li> };
    view! {
        <div class="override">
            <p class="break"><Icon name="lost"/><strong>"This breaks safety rules:"</strong></p>
            <ul>{rules.into_iter().map(item).collect_view()}</ul>
            {(!checks.is_empty()).then(|| view! {
                <p><strong>"These checks speak against it as well:"</strong></p>
                <ul>{checks.into_iter().map(item).collect_view()}</ul>
            })}
            <label class="consent grave">
                <input type="checkbox" name="override_blockers" value="true" required/>
                <span><strong>"Break these rules. "</strong>"Approving it takes the role approver. Every record of it will say which rules were broken, by whom and why."</span>
            </label>
        </div>
    }
    .settled()
}
