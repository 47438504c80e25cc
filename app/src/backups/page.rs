//! One policy: how it stands and why, its calendar, what can be restored, its jobs and its proofs.

use super::{
    calendar::Calendar,
    calls,
    jobs::{Act, Jobs},
    list::{Loss, Proof, Working},
    proofs::Proofs,
    view::{DestinationLine, Leaving, PolicyView, Reason, Wanted},
    window::TimeLine,
};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{
        post::Answers,
        state::Badge,
        table::TableFrame,
        time::{Age, Moment, clock, date},
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::Instant;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn PolicyPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = move || (params.read().get("policy").unwrap_or_default(), query.read().get("at"));
    let page = watch(asked, |(id, at)| calls::backup_policy(id, at));
    let answers = Answers::new();
    watched(page, move |page| view! { <Policy page answers/> })
}

#[component]
fn Policy(page: PolicyView, answers: Answers) -> impl IntoView {
    let now = page.now;
    let line = page.line.clone();
    let purpose = format!("A {} backup of {}", line.kind, line.service);
    let facts = page.facts.iter().map(|(name, value)| view! { <dt>{name.clone()}</dt><dd>{value.clone()}</dd> }).collect_view();
    let fires = page.fires.iter().map(|at| format!("{} {}", date(*at), clock(*at).get(..5).unwrap_or_default())).collect::<Vec<_>>().join(" · ");
    view! {
        <PageTitle title=line.id.to_string()>{purpose}</PageTitle>
        <section class=format!("headline {}", line.tone.name()) aria-label="Standing">
            <p class="says">
                <Badge tone=line.tone word=line.word/>" "
                <strong>{match line.success {
                    Some(at) => view! { "The last success was "<Age since=at now/>" ago. " }.settled(),
                    None => view! { "There was no success yet. " }.settled(),
                }}</strong>
                <Proof mark=line.proof now/>
            </p>
            {line.running.map(|at| view! { <Working at now/> })}
        </section>
        <Reasons reasons=page.reasons.clone() now/>
        <div class="policy-top">
            <section class="panel" aria-labelledby="calendar-title">
                <h2 id="calendar-title">"Days"</h2>
                <Calendar letters=page.days.clone() first=page.first_day/>
            </section>
            <section class="panel" aria-labelledby="restore-title">
                <h2 id="restore-title">"If the source were lost now"</h2>
                <p>"Lost would be "<Loss point=line.point now/></p>
                <Pick wanted=page.wanted.clone() now/>
            </section>
            <section class="panel" aria-labelledby="act-title">
                <h2 id="act-title">"Act"</h2>
                <Act page=page.clone() answers/>
            </section>
        </div>
        <section class="panel" aria-labelledby="window-title">
            <h2 id="window-title">"What can be restored"</h2>
            {match page.window.clone() {
                Some(window) => view! { <TimeLine window now/> }.settled(),
                None => view! { <p>"Nothing: no good backup says up to which moment it holds everything."</p> }.settled(),
            }}
        </section>
        <section aria-labelledby="jobs-title">
            <h2 id="jobs-title">"Jobs"</h2>
            <Jobs lines=page.jobs.clone() more=page.more now/>
        </section>
        <section aria-labelledby="proofs-title">
            <h2 id="proofs-title">"Proofs "<span class="quiet">"the newest; the journal has all"</span></h2>
            <Proofs lines=page.proofs.clone() now/>
        </section>
        <div class="policy-top">
            <section class="panel" aria-labelledby="facts-title">
                <h2 id="facts-title">"Declared"</h2>
                <dl class="facts">{facts}<dt>"Next fires"</dt><dd>{format!("{fires} UTC")}</dd></dl>
            </section>
            <section class="panel" aria-labelledby="destinations-title">
                <h2 id="destinations-title">"Destinations"</h2>
                <Destinations lines=page.destinations.clone() now/>
            </section>
            <section class="panel" aria-labelledby="leaving-title">
                <h2 id="leaving-title">"Deleted next"</h2>
                <Next lines=page.leaving.clone() now/>
            </section>
        </div>
    }
    .settled()
}

#[component]
fn Reasons(reasons: Vec<Reason>, now: Instant) -> impl IntoView {
    (!reasons.is_empty()).then(|| {
        let row = move |reason: Reason| {
            view! {
                <li>
                    <Badge tone=reason.tone word=reason.tone.name()/>
                    <div><p>{reason.what}"."{reason.since.map(|at| view! { " "<span class="quiet"><Age since=at now/></span> })}</p><p class="quiet">{reason.remedy}</p></div>
                </li>
            }
            .settled()
        };
        view! { <ul class="why" aria-label="What is wrong">{reasons.into_iter().map(row).collect_view()}</ul> }
    })
}

/// A moment in the past, and what could be restored of before it.
#[component]
fn Pick(wanted: Option<Wanted>, now: Instant) -> impl IntoView {
    let value = wanted.as_ref().map(|wanted| format!("{}T{}", date(wanted.at), clock(wanted.at).get(..5).unwrap_or_default()));
    let found = wanted.map(|wanted| match (wanted.backup, wanted.point) {
        (Some(backup), Some(point)) => {
            let proven = match wanted.proven {
                Some(at) => view! { ", and was restored "<Age since=at now/>" ago. " }.settled(),
                None => view! { ", and was "<strong>"never restored"</strong>". " }.settled(),
            };
            let lost = if point < wanted.at {
                view! { "What was committed between then and "<Moment at=wanted.at now/>" would be lost." }.settled()
            } else {
                view! { "Nothing that was committed before would be lost." }.settled()
            };
            view! {
                <p class="found">"Backup "<code>{backup.short()}</code>", with its log, holds everything up to "<Moment at=point now/>{proven}{lost}</p>
                {wanted.href.map(|href| view! { <p><a class="button" href=href>"Look at the plan of this restore"</a></p> })}
            }
            .settled()
        }
        _ => view! { <p class="found">"There is no whole backup from before "<Moment at=wanted.at now/>". Choose a later moment."</p> }.settled(),
    });
    view! {
        <form method="get" class="pick">
            <label for="at">"Restore to before (UTC)"</label>
            <input id="at" name="at" type="datetime-local" value=value required/>
            <button type="submit" class="button">"Find the backup"</button>
        </form>
        {found}
    }
    .settled()
}

/// What retention takes next.
#[component]
fn Next(lines: Vec<Leaving>, now: Instant) -> impl IntoView {
    if lines.is_empty() {
        return view! { <p class="quiet">"Nothing: more than age keeps every backup that there is."</p> }.settled();
    }
    let row = move |line: Leaving| {
        let size = line.size.map(|size| format!(", {size}"));
        let from = match line.from {
            Some(from) => view! { "after "<Moment at=from now/> }.settled(),
            None => view! { "with the next look, within minutes" }.settled(),
        };
        view! { <li><code>{line.id.short()}</code>" of "<Moment at=line.began now/>{size}": "{from}</li> }.settled()
    };
    view! { <ol class="plain">{lines.into_iter().map(row).collect_view()}</ol><p class="quiet">"Hold one to keep it for good."</p> }.settled()
}

#[component]
fn Destinations(lines: Vec<DestinationLine>, now: Instant) -> impl IntoView {
    let row = move |line: DestinationLine| {
        view! {
            <tr>
                <th scope="row">{line.id}<span class="quiet">{line.region}</span></th>
                <td><Badge tone=line.tone word=line.word/></td>
                <td>{line.newest.map(|at| view! { <Age since=at now/>" ago" })}</td>
                <td class="number">{line.size}</td>
                <td>{line.immutable}</td>
                <td>{line.encrypted}</td>
            </tr>
        }
        .settled()
    };
    view! {
        <TableFrame label="Destinations">
            <table>
                <caption class="visually-hidden">"Where copies are kept"</caption>
                <thead><tr>
                    <th scope="col">"Destination"</th><th scope="col">"Last copy"</th><th scope="col">"Stored"</th><th scope="col" class="number">"Size"</th>
                    <th scope="col">"Immutable"</th><th scope="col">"Encrypted"</th>
                </tr></thead>
                <tbody>{lines.into_iter().map(row).collect_view()}</tbody>
            </table>
        </TableFrame>
    }
    .settled()
}
