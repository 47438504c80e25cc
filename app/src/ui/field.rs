//! A labelled input with its hint and its error, tied together for screen readers.

use crate::ui::settled::IntoSettled as _;
use leptos::prelude::*;

#[component]
pub fn Field(
    /// Name in the form, and the element's id.
    name: &'static str,
    #[prop(into)] label: String,
    #[prop(optional)] kind: Option<&'static str>,
    #[prop(optional, into)] value: Option<String>,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(optional, into)] error: Option<String>,
    #[prop(optional)] autocomplete: Option<&'static str>,
    #[prop(optional)] min_length: Option<u32>,
    #[prop(optional)] max_length: Option<u32>,
    #[prop(optional)] pattern: Option<&'static str>,
    #[prop(optional)] focus: bool,
    #[prop(optional)] optional: bool,
) -> impl IntoView {
    let hint_id = format!("{name}-hint");
    let error_id = format!("{name}-error");
    let described = match (&hint, &error) {
        (Some(_), Some(_)) => Some(format!("{hint_id} {error_id}")),
        (Some(_), None) => Some(hint_id.clone()),
        (None, Some(_)) => Some(error_id.clone()),
        (None, None) => None,
    };
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input id=name name=name type=kind.unwrap_or("text") value=value required=!optional autofocus=focus autocomplete=autocomplete
                minlength=min_length maxlength=max_length pattern=pattern autocapitalize="none" spellcheck="false"
                aria-invalid=error.is_some().then_some("true") aria-describedby=described/>
            {hint.map(|hint| view! { <p class="hint" id=hint_id>{hint}</p> })}
            {error.map(|error| view! { <p class="error" id=error_id>{error}</p> })}
        </div>
    }
    .settled()
}
