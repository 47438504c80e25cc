//! All runbooks, the worst first, and the runs that there were.

use super::{
    calls,
    view::{BookLine, RunLine},
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{
        empty::Empty,
        state::{Badge, Tone},
        table::TableFrame,
        time::{Age, Moment},
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::{Instant, Span};
use leptos::prelude::*;

#[component]
pub fn RunbooksPage() -> impl IntoView {
    let listing = watch(|| (), |()| calls::runbooks());
    view! {
        <PageTitle title="Runbooks">"What people do when a disaster is worked on: read before it is needed, and worked by when it is."</PageTitle>
        {watched(listing, |listing| {
            let now = listing.now;
            let barred = listing.barred.clone();
            view! {
                {(!listing.runs.is_empty()).then(|| view! {
                    <section aria-labelledby="runs-title"><h2 id="runs-title">"Runs"</h2><Runs lines=listing.runs.clone() now/></section>
                })}
                <section aria-labelledby="books-title">
                    <h2 id="books-title">"Runbooks"</h2>
                    {if listing.lines.is_empty() {
                        view! { <Empty what="There is no runbook yet.">"Write one, or paste one that you have."</Empty> }.settled()
                    } else {
                        view! { <Books lines=listing.lines now/> }.settled()
                    }}
                    {match barred {
                        Some(why) => view! { <p class="quiet">"Writing runbooks: "{why}</p> }.settled(),
                        None => view! { <p><a class="button" href="/runbooks/new">"Write or import a runbook"</a></p> }.settled(),
                    }}
                </section>
            }
        })}
    }
    .settled()
}

#[component]
fn Books(lines: Vec<BookLine>, now: Instant) -> impl IntoView {
    view! {
        <TableFrame label="Runbooks">
            <table class="books">
                <caption class="visually-hidden">"Runbooks, the worst first"</caption>
                <thead><tr>
                    <th scope="col">"Runbook"</th>
                    <th scope="col">"Owner"</th>
                    <th scope="col">"Read again by"</th>
                    <th scope="col">"Takes, of what it may"</th>
                    <th scope="col">"Linter"</th>
                    <th scope="col">"Last run"</th>
                </tr></thead>
                <tbody>{lines.into_iter().map(|line| view! { <Book line now/> }).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}

#[component]
fn Book(line: BookLine, now: Instant) -> impl IntoView {
    let href = format!("/runbooks/{}", line.name);
    let review = match line.review {
        Tone::Ok => "in time",
        Tone::Watch => "overdue",
        _ => "never said",
    };
    let lint = match line.lints {
        0 if line.lint == Tone::Ok => "nothing".to_owned(),
        0 => "cannot be read".to_owned(),
        1 => "1 complaint".to_owned(),
        count => format!("{count} complaints"),
    };
    view! {
        <tr>
            <th scope="row"><a href=href>{line.title}</a><span class="quiet">{format!("{}, version {}", line.name, line.version)}</span></th>
            <td>{line.owner.unwrap_or_else(|| "nobody".to_owned())}</td>
            <td><Badge tone=line.review word=review/>" "<span class="quiet">{line.review_by}</span></td>
            <td><Takes usual=line.usual longest=line.longest within=line.within tone=line.time/></td>
            <td><Badge tone=line.lint word=lint/></td>
            <td>{match line.last_run {
                Some(at) => view! { <Age since=at now/>" ago" }.settled(),
                None => view! { <span class="quiet">"never"</span> }.settled(),
            }}</td>
        </tr>
    }
    .settled()
}

/// How long it takes against what it must be over within: in words, for both figures.
#[component]
pub fn Takes(usual: Span, longest: Span, within: Option<Span>, tone: Tone) -> impl IntoView {
    let word = match (tone, within) {
        (_, None) => "nothing promised".to_owned(),
        (Tone::Act, Some(within)) => format!("too long for {within}"),
        (Tone::Watch, Some(within)) => format!("may exceed {within}"),
        (_, Some(within)) => format!("within {within}"),
    };
    view! { <span class="takes"><Badge tone word/>" "<span class="quiet">{format!("{} as a rule, {} at most", usual.rough(), longest.rough())}</span></span> }.settled()
}

#[component]
pub fn Runs(lines: Vec<RunLine>, now: Instant) -> impl IntoView {
    let row = move |line: RunLine| {
        view! {
            <tr>
                <th scope="row"><a href=format!("/runbooks/runs/{}", line.id)>{line.title}</a><span class="quiet">{format!("{}, version {}, run {}", line.runbook, line.version, line.id.short())}</span></th>
                <td><Badge tone=line.tone word=line.word/></td>
                <td class="number">{format!("{} of {}", line.done, line.steps)}</td>
                <td><Moment at=line.began now/></td>
                <td>{line.by}</td>
                <td class="number">{match line.took {
                    Some(took) => took.rough().settled(),
                    None => view! { <Age since=line.began now/> }.settled(),
                }}</td>
            </tr>
        }
        .settled()
    };
    view! {
        <TableFrame label="Runs">
            <table class="books">
                <caption class="visually-hidden">"Runs, newest first"</caption>
                <thead><tr>
                    <th scope="col">"Run"</th><th scope="col">"State"</th><th scope="col" class="number">"Steps done"</th><th scope="col">"Began"</th>
                    <th scope="col">"By"</th><th scope="col" class="number">"Took"</th>
                </tr></thead>
                <tbody>{lines.into_iter().map(row).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}
