//! One runbook: what it says, what is wrong with it, and the form that begins a run.

use super::{
    calls::{self, StartRun},
    list::Runs,
    steps::{Verdict, Whole},
    view::{BookPage, ParameterLine},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    operations::refused::Refused,
    ui::{
        button::{Submit, Weight},
        post::{Answers, Post},
        state::Badge,
        text_area::TextArea,
        time::Moment,
        title::PageTitle,
        trouble::watched,
    },
};
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn RunbookPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = move || {
        let version = query.read().get("version").and_then(|version| version.parse::<u32>().ok());
        (params.read().get("name").unwrap_or_default(), version)
    };
    let page = watch(asked, |(name, version)| calls::runbook(name, version));
    let answers = Answers::new();
    watched(page, move |page| view! { <Book page answers/> })
}

#[component]
fn Book(page: BookPage, answers: Answers) -> impl IntoView {
    let now = page.now;
    let title = page.check.reading.as_ref().map_or_else(|| page.name.to_string(), |reading| reading.title.clone());
    let base = format!("/runbooks/{}", page.name);
    let old = (page.version != page.newest).then(|| {
        view! { <p class="stale" role="status">{format!("This is version {}; version {} is the newest. ", page.version, page.newest)}<a href=base.clone()>"Show the newest"</a></p> }
    });
    let note = (!page.note.is_empty()).then(|| format!(": {}", page.note));
    let reading = page.check.reading.clone();
    let parameters = reading.as_ref().map(|reading| reading.parameters.clone()).unwrap_or_default();
    let can_start = page.barred.is_none() && page.version == page.newest && reading.is_some();
    view! {
        <PageTitle title>
            <Badge tone=page.review word=format!("version {}", page.version)/>" saved by "{page.by}" "<Moment at=page.at now/>{note}
        </PageTitle>
        {old}
        <nav class="book-acts" aria-label="This runbook">
            <ul>
                <li><a class="button" href=format!("{base}/edit")>"Edit"</a></li>
                <li><a class="button" href=format!("{base}/versions")>"Versions"</a></li>
                <li><a class="button" href=format!("{base}/export") rel="external" download=format!("{}.md", page.name)>"Export as Markdown"</a></li>
            </ul>
        </nav>
        <div class="book-top">
            <section class="panel" aria-labelledby="lint-title">
                <h2 id="lint-title">"What the linter says"</h2>
                <Verdict check=page.check.clone()/>
            </section>
            <section class="panel start" aria-labelledby="start-title">
                <h2 id="start-title">"Work by it"</h2>
                {match page.barred {
                    Some(why) => view! { <p class="quiet">{why}</p> }.settled(),
                    None if !can_start => view! { <p class="quiet">"Only the newest version is worked by, and only if it can be read."</p> }.settled(),
                    None => view! {
                        <Refused answers path=StartRun::PATH/>
                        <Post path=StartRun::PATH answers>
                            <input type="hidden" name="id" value=page.new_run.to_string()/>
                            <input type="hidden" name="name" value=page.name.to_string()/>
                            <input type="hidden" name="version" value=page.version.to_string()/>
                            {parameters.iter().cloned().map(|parameter| view! { <Value parameter/> }).collect_view()}
                            <TextArea name="reason" id="reason-to-start" label="Why" hint="A drill, or what has happened. It is kept in the journal." rows=2 min_length=3 max_length=1000/>
                            <Submit does="Begin a run" weight=Weight::Main/>
                        </Post>
                    }.settled(),
                }}
            </section>
        </div>
        {(!page.runs.is_empty()).then(|| view! { <section aria-labelledby="runs-title"><h2 id="runs-title">"Runs"</h2><Runs lines=page.runs.clone() now/></section> })}
        {reading.map(|reading| view! { <Whole reading/> })}
    }
    .settled()
}

/// The field of a parameter: a list where the estate has one, else a line.
#[component]
fn Value(parameter: ParameterLine) -> impl IntoView {
    let ParameterLine { name, kind, about, default, choices } = parameter;
    let (id, field) = (format!("value-{name}"), format!("values[{name}]"));
    let hint_id = format!("{id}-hint");
    let hint = if about.is_empty() { kind.clone() } else { format!("{about} ({kind})") };
    let input = if choices.is_empty() {
        let place = match kind.as_str() {
            "instant" => "2026-11-23T14:05:00Z",
            "duration" => "15m",
            _ => "",
        };
        view! { <input id=id.clone() name=field value=default placeholder=place required=true autocomplete="off" aria-describedby=hint_id.clone()/> }
            .settled()
    } else {
        let chosen = default.clone();
        let option = move |choice: String| {
            let selected = chosen.as_deref() == Some(choice.as_str());
            view! { <option value=choice.clone() selected=selected>{choice.clone()}</option> }
        };
        view! {
            <select id=id.clone() name=field required=true aria-describedby=hint_id.clone()>
                {default.is_none().then(|| view! { <option value="">"choose"</option> })}
                {choices.into_iter().map(option).collect_view()}
            </select>
        }
        .settled()
    };
    view! { <div class="field"><label for=id>{name}</label>{input}<p class="hint" id=hint_id>{hint}</p></div> }.settled()
}
