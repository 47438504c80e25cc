//! What a step says, wherever it is shown; and what the linter says of a text.

use super::{
    list::Takes,
    view::{Check, LintLine, Reading, StepView},
};
use crate::ui::settled::IntoSettled;
use crate::ui::{
    icon::Icon,
    markdown::{Html, Rendered},
    state::{Badge, Tone},
};
use engine::time::Span;
use leptos::prelude::*;

/// Target, times, test of success and way back.
#[component]
pub fn StepBody(step: StepView) -> impl IntoView {
    let takes = step.takes.map(|takes| format!("{} as a rule, ", takes.rough())).unwrap_or_default();
    let fact = |name: &'static str, value: Option<String>| {
        value.filter(|value| !value.is_empty()).map(|value| view! { <dt>{name}</dt><dd>{value}</dd> }.settled())
    };
    view! {
        <Rendered html=step.prose/>
        <p class="does-what"><span class="kind">{step.kind}</span>" "{step.does}</p>
        {step.code.map(|code| view! { <pre class="code"><code>{code}</code></pre> }.settled())}
        <dl class="facts step-facts">
            <dt>"On"</dt><dd class="target">{step.target}</dd>
            {fact("Who", step.role)}
            <dt>"Time"</dt><dd>{format!("{takes}{} at most", step.timeout.rough())}</dd>
            {fact("Done when", step.success)}
            {fact("Way back", step.rollback)}
            {fact("From", step.of)}
        </dl>
    }
    .settled()
}

/// The linter's verdict: why the text is no runbook, or every complaint with its remedy.
#[component]
pub fn Verdict(check: Check) -> impl IntoView {
    if let Some(problem) = check.problem {
        return view! {
            <div class="trouble" role="alert"><Icon name="act"/><div><p class="what">"This cannot be read: "{problem}"."</p><p class="next">"It is kept as a draft, and is no version before that is put right."</p></div></div>
        }
        .settled();
    }
    if check.lints.is_empty() {
        return view! { <p class="says"><Badge tone=Tone::Ok word="the linter complains of nothing"/></p> }.settled();
    }
    let row = |lint: LintLine| {
        let place = match lint.line {
            Some(line) => format!("{}, line {line}", lint.at),
            None => lint.at,
        };
        view! {
            <li>
                <Badge tone=lint.tone word=lint.tone.name()/>
                <div><p>{lint.says}"."</p><p class="quiet">{format!("{place}. {}", lint.remedy)}</p></div>
            </li>
        }
        .settled()
    };
    view! { <ul class="why lints" aria-label="What the linter complains of">{check.lints.into_iter().map(row).collect_view()}</ul> }.settled()
}

/// The whole of a runbook, to be read or printed.
#[component]
pub fn Whole(reading: Reading) -> impl IntoView {
    let facts = reading.facts.into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }).collect_view();
    let roles =
        reading.roles.into_iter().map(|(name, about)| view! { <li><strong>{name}</strong>" "<span class="quiet">{about}</span></li> }).collect_view();
    let steps = reading
        .steps
        .into_iter()
        .map(|step| view! { <li class="book-step"><h3>{step.title.clone()}</h3><StepBody step/></li> }.settled())
        .collect_view();
    let message = |(name, next, html): (String, Option<Span>, Html)| {
        let next = next.map(|next| format!("The next one is promised {next} later."));
        view! { <section class="message"><h3>{name}</h3><Rendered html/><p class="quiet">{next}</p></section> }.settled()
    };
    let messages: Vec<_> = reading.messages.into_iter().map(message).collect();
    view! {
        <div class="book">
            <dl class="facts">{facts}<dt>"Takes"</dt><dd><Takes usual=reading.usual longest=reading.longest within=reading.within tone=reading.time/></dd></dl>
            <Rendered html=reading.introduction/>
            <h2>"Who must be there"</h2>
            <ul class="roles">{roles}</ul>
            <h2>"Steps"</h2>
            <ol class="book-steps">{steps}</ol>
            {(!reading.afterwards.is_empty()).then(|| view! { <h2>"Afterwards"</h2><Rendered html=reading.afterwards.clone()/> }.settled())}
            {(!messages.is_empty()).then(|| view! { <h2>"Messages"</h2>{messages} }.settled())}
        </div>
    }
    .settled()
}
