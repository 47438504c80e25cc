//! The versions of a runbook and the drafts that are none, and what differs between two of them.

use super::{
    calls,
    view::{DiffLine, DraftLine, Mark, VersionLine, VersionsView},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{table::TableFrame, time::Moment, title::PageTitle, trouble::watched},
};
use engine::time::Instant;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn VersionsPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = move || (params.read().get("name").unwrap_or_default(), query.read().get("old"), query.read().get("new"));
    let page = watch(asked, |(name, old, new)| calls::runbook_versions(name, old, new));
    watched(page, |page| view! { <Versions page/> })
}

#[component]
fn Versions(page: VersionsView) -> impl IntoView {
    let now = page.now;
    let base = StoredValue::new(format!("/runbooks/{}", page.name));
    let sides: Vec<(String, String)> = page
        .versions
        .iter()
        .map(|version| (version.number.to_string(), format!("version {}", version.number)))
        .chain(page.drafts.iter().map(|draft| (format!("draft-{}", draft.seq), format!("draft {} by {}", draft.seq, draft.by))))
        .collect();
    let choice = move |name: &'static str, chosen: String, sides: Vec<(String, String)>| {
        let option = move |(value, words): (String, String)| {
            let selected = value == chosen;
            view! { <option value=value selected=selected>{words}</option> }
        };
        view! { <select id=name name=name>{sides.into_iter().map(option).collect_view()}</select> }
    };
    let version = move |version: VersionLine| {
        view! {
            <tr>
                <th scope="row"><a href=format!("{}?version={}", base.get_value(), version.number)>{format!("version {}", version.number)}</a></th>
                <td><Moment at=version.at now/></td><td>{version.by}</td><td class="says">{version.note}</td>
            </tr>
        }
        .settled()
    };
    let draft = move |draft: DraftLine| view! { <Draft draft base=base.get_value() now/> };
    view! {
        <PageTitle title=format!("Versions of {}", page.name)><a href=base.get_value()>"Back to the runbook"</a></PageTitle>
        <TableFrame label="Versions">
            <table class="books">
                <caption class="visually-hidden">"Versions, newest first, and drafts"</caption>
                <thead><tr><th scope="col">"Version"</th><th scope="col">"Saved"</th><th scope="col">"By"</th><th scope="col">"What has changed"</th></tr></thead>
                <tbody>{page.versions.iter().cloned().map(version).collect_view()}{page.drafts.iter().cloned().map(draft).collect_view()}</tbody>
            </table>
        </TableFrame>
        <form method="get" class="compare">
            <label for="old">"Compare"</label>{choice("old", page.old.clone(), sides.clone())}
            <label for="new">"with"</label>{choice("new", page.new.clone(), sides)}
            <button type="submit" class="button">"Show what differs"</button>
        </form>
        <section aria-labelledby="diff-title">
            <h2 id="diff-title">{format!("From {} to {}", in_words(&page.old), in_words(&page.new))}</h2>
            {if page.diff.is_empty() {
                view! { <p class="quiet">"They are the same, line by line."</p> }.settled()
            } else {
                view! { <Diff lines=page.diff/> }.settled()
            }}
        </section>
    }
    .settled()
}

fn in_words(side: &str) -> String {
    match side.strip_prefix("draft-") {
        Some(seq) => format!("draft {seq}"),
        None => format!("version {side}"),
    }
}

#[component]
fn Draft(draft: DraftLine, base: String, now: Instant) -> impl IntoView {
    let why = match (draft.overtaken_by, draft.from) {
        (Some(newest), _) => format!("not saved: version {newest} came first"),
        (None, Some(from)) => format!("checked, from version {from}"),
        (None, None) => "checked".to_owned(),
    };
    view! {
        <tr>
            <th scope="row"><a href=format!("{base}/edit?draft={}", draft.seq)>{format!("draft {}", draft.seq)}</a></th>
            <td><Moment at=draft.at now/></td><td>{draft.by}</td><td class="says">{why}</td>
        </tr>
    }
    .settled()
}

#[component]
fn Diff(lines: Vec<DiffLine>) -> impl IntoView {
    let row = |line: DiffLine| {
        let (class, sign, words) = match line.mark {
            Mark::Same => ("same", " ", "unchanged"),
            Mark::Gone => ("gone", "−", "removed"),
            Mark::New => ("new", "+", "added"),
            Mark::Gap => ("gap", "⋯", "lines left out"),
        };
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        view! {
            <tr class=class>
                <td class="number">{number(line.old)}</td><td class="number">{number(line.new)}</td>
                <td class="sign"><span aria-hidden="true">{sign}</span><span class="visually-hidden">{words}</span></td>
                <td class="line"><code>{line.text}</code></td>
            </tr>
        }
        .settled()
    };
    view! {
        <TableFrame label="What differs">
            <table class="diff">
                <caption class="visually-hidden">"Lines that differ, with the ones around them"</caption>
                <thead class="visually-hidden"><tr><th scope="col">"Old line"</th><th scope="col">"New line"</th><th scope="col">"Change"</th><th scope="col">"Text"</th></tr></thead>
                <tbody>{lines.into_iter().map(row).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}
