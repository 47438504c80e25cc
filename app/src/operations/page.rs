//! One operation, live: how it stands, the clock against the objective, what a person may do, every step with what it
//! said, what was measured, who agreed to what, and the journal's entries.

use super::{
    burn_down::BurnDown,
    calls,
    forms::ActForms,
    line::OperationLine,
    refused::RefusedBefore,
    rows::{OperationRows, StateBadge},
    steps::Steps,
    verdict::{Row, Verdict},
    view::{Agreed, CommitRow, JournalLine, OperationPage as Page},
};
use crate::ui::settled::IntoSettled;
use crate::{
    failover::Simulated,
    live::{Live, watch},
    ui::{
        copy::CopyId,
        icon::Icon,
        post::Answers,
        since::Since,
        state::{Badge, Tone},
        table::TableFrame,
        time::Moment,
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::{Instant, Span};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

#[component]
pub fn OperationPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.read().get("operation").unwrap_or_default());
    let page = watch(move || id.get(), calls::operation);
    let answers = Answers::new();
    Effect::new(move |before: Option<String>| {
        let id = id.get();
        if before.is_some_and(|before| before != id) {
            answers.forget();
        }
        id
    });
    watched(page, move |page| view! { <Whole page answers/> })
}

#[component]
fn Whole(page: Page, answers: Answers) -> impl IntoView {
    let now = page.now;
    let line = page.line.clone();
    let mode = page.mode.clone();
    let (about_href, about) = (line.about_href(), line.scope.name().to_owned());
    let part_of = page.part_of.clone();
    view! {
        <PageTitle title=line.title.clone()>
            {line.simulated.then(|| view! { <Simulated/>" " })}
            "On "<a href=about_href>{about}</a>" · "{mode}" · "
            <CopyId id=line.id.to_string() short=line.id.short()/>
            {part_of.map(|whole| view! { " · part of "<a href=format!("/operations/{}", whole.id)>{whole.title}</a> })}
        </PageTitle>
        <Standing page=page.clone()/>
        {page.commit.clone().map(|commit| view! { <Commit commit now/> })}
        <Stamps page=page.clone()/>
        <Broken rules=page.rules_broken.clone() awaits=page.void_at.is_some()/>
        <Overridden checks=page.overridden.clone()/>
        <div class="operation-top">
            <section class="panel" aria-labelledby="steps-title">
                <h2 id="steps-title">{format!("Steps: {} of {}", line.steps_over, line.steps)}</h2>
                <Steps steps=page.steps.clone() now/>
            </section>
            <div class="operation-side" class:waiting=page.void_at.is_some()>
                <RefusedBefore answers acts=page.acts.clone()/>
                {(!page.acts.is_empty()).then(|| view! {
                    <section class="panel" aria-labelledby="acts-title">
                        <h2 id="acts-title">"What you can do"</h2>
                        <Changed page=page.clone()/>
                        <ActForms answers acts=page.acts.clone() id=line.id plan_hash=page.plan_hash.clone()/>
                    </section>
                })}
                {page.clock.clone().map(|clock| view! { <BurnDown clock now/> })}
                {(!page.measured.is_empty()).then(|| view! { <Measured rows=page.measured.clone()/> })}
                {page.receipt.clone().map(|receipt| view! {
                    <section class="panel" aria-labelledby="receipt-title">
                        <h2 id="receipt-title">"What it cost"</h2>
                        <p><Badge tone=receipt.tone word=receipt.says/></p>
                        <p><a href=format!("/operations/{}/receipt", line.id)>"Receipt, to be printed"</a></p>
                    </section>
                })}
                <Agreement page=page.clone()/>
            </div>
        </div>
        <Members lines=page.members.clone() now/>
        <Journal lines=page.journal now/>
    }
    .settled()
}

/// The operations of an evacuation's members.
#[component]
fn Members(lines: Vec<OperationLine>, now: Instant) -> impl IntoView {
    (!lines.is_empty()).then(|| {
        view! {
            <section aria-labelledby="members-title">
                <h2 id="members-title">{format!("Members that were asked for: {}", lines.len())}</h2>
                <OperationRows lines caption="Operations of the members, in the order in which they were asked for" now/>
            </section>
        }
    })
}

/// The state, big and clear, with what it means.
#[component]
fn Standing(page: Page) -> impl IntoView {
    let now = page.now;
    let since = page.history.last().map(|passage| passage.at);
    let urgent = page.line.tone >= Tone::Act && page.line.active;
    view! {
        <section class=format!("headline {}", page.line.glyph()) role=if urgent { "alert" } else { "status" } aria-label="State of the operation">
            <p class="says big"><StateBadge line=page.line.clone()/>{since.map(|at| view! { " "<Since at now/> })}</p>
            <p>{page.explained}</p>
            {page.outcome.map(|outcome| view! { <p class="outcome"><strong>{outcome}</strong></p> })}
            {page.void_at.map(|at| view! { <p class="quiet">"Without an approval by "<Moment at now/>" UTC it is void."</p> })}
        </section>
    }
    .settled()
}

/// The move works, and can still be taken back: how long, and what follows.
#[component]
fn Commit(commit: CommitRow, now: Instant) -> impl IntoView {
    let live = expect_context::<Live>();
    let until = commit.until;
    let left = move || Span::between(live.now(now), until).rough();
    view! {
        <section class=format!("headline {}", commit.tone.name()) role="timer" aria-label="Commit window">
            <p class="says big"><Icon name=commit.tone.name()/><strong>"Commit or roll back within "<span class="number">{left}</span></strong></p>
            <p>{commit.now}" At "<Moment at=until now/>" UTC "{commit.then}"."</p>
        </section>
    }
    .settled()
}

/// What people did to it on its way, and after.
#[component]
fn Stamps(page: Page) -> impl IntoView {
    let now = page.now;
    let stamps = [
        ("Made an EMERGENCY on its way", page.escalated),
        ("Committed", page.committed),
        ("Told to stop", page.aborted),
        ("Its end was acknowledged", page.acknowledged),
    ];
    let item = move |(what, agreed): (&'static str, Option<Agreed>)| {
        agreed.map(|agreed| view! { <li><strong>{what}</strong>" by "<Agreeing agreed now/></li> })
    };
    let items: Vec<_> = stamps.into_iter().filter_map(item).collect();
    (!items.is_empty()).then(|| view! { <section class="headline watch" aria-label="What people did to it"><ul>{items}</ul></section> })
}

/// Safety rules it breaks. The loudest thing on the page.
#[component]
fn Broken(rules: Vec<String>, awaits: bool) -> impl IntoView {
    let says = if awaits { "THIS BREAKS SAFETY RULES: approving it takes an approver" } else { "SAFETY RULES BROKEN" };
    (!rules.is_empty()).then(|| {
        view! {
            <section class="headline lost" aria-labelledby="broken-title">
                <h2 id="broken-title"><Icon name="lost"/>{says}</h2>
                <ul>{rules.into_iter().map(|rule| view! { <li>{rule}</li> }).collect_view()}</ul>
            </section>
        }
    })
}

/// Checks that people set aside. Never quiet.
#[component]
fn Overridden(checks: Vec<String>) -> impl IntoView {
    (!checks.is_empty()).then(|| {
        view! {
            <section class="headline act" aria-labelledby="overridden-title">
                <h2 id="overridden-title"><Icon name="act"/>"OVERRIDDEN: these checks were set aside by people"</h2>
                <ul>{checks.into_iter().map(|check| view! { <li>{check}</li> }).collect_view()}</ul>
            </section>
        }
    })
}

/// What has changed since the request, with the way to a new plan.
#[component]
fn Changed(page: Page) -> impl IntoView {
    let href = page.plan_href.clone();
    (!page.changed.is_empty()).then(|| {
        view! {
            <div class="trouble" role="alert">
                <Icon name="act"/>
                <div>
                    <p class="what">"It cannot be approved as things are now:"</p>
                    <ul>{page.changed.into_iter().map(|change| view! { <li>{change}</li> }).collect_view()}</ul>
                    <p class="next"><a href=href>"Look at the plan as it is now"</a></p>
                </div>
            </div>
        }
    })
}

#[component]
fn Measured(rows: Vec<Row>) -> impl IntoView {
    let row = |row: Row| {
        let verdict = match row.verdict {
            // Nothing was promised, so there is nothing to be judged.
            Verdict::NoTarget => view! { <span class="quiet">{row.verdict.word()}</span> }.settled(),
            verdict => view! { <Badge tone=verdict.tone() word=verdict.word()/> }.settled(),
        };
        view! {
            <tr>
                <th scope="row">{row.what}</th>
                <td class="number"><strong>{row.measured.unwrap_or_else(|| "?".to_owned())}</strong></td>
                <td class="number quiet">{row.target}</td>
                <td>{verdict}</td>
            </tr>
        }
    };
    view! {
        <section class="panel" aria-labelledby="measured-title">
            <h2 id="measured-title">"Measured"</h2>
            <table class="measured">
                <caption class="visually-hidden">"What was measured against what was promised"</caption>
                <thead class="visually-hidden"><tr><th scope="col">"What"</th><th scope="col">"Measured"</th><th scope="col">"Target"</th><th scope="col">"Verdict"</th></tr></thead>
                <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
            </table>
        </section>
    }
    .settled()
}

/// The receipt alone, for paper.
#[component]
pub fn ReceiptPage() -> impl IntoView {
    let params = use_params_map();
    let page = watch(move || params.read().get("operation").unwrap_or_default(), calls::operation);
    watched(page, |page| {
        let row = |(what, says): (String, String)| view! { <dt>{what}</dt><dd>{says}</dd> };
        let receipt = page.receipt.map(|receipt| {
            view! {
                <section class="panel receipt" aria-label="Receipt of the loss">
                    <p class="says"><Badge tone=receipt.tone word=receipt.says/></p>
                    <dl class="facts">{receipt.rows.into_iter().map(row).collect_view()}</dl>
                </section>
            }
        });
        view! {
            <PageTitle title=format!("Receipt: {}", page.line.title)>
                "Of "<a href=format!("/operations/{}", page.line.id)>"operation "{page.line.id.to_string()}</a>
            </PageTitle>
            {receipt.map_or_else(|| view! { <p>"Of this operation there is none: it moved no writes."</p> }.settled(), IntoSettled::settled)}
        }
        .settled()
    })
}

/// Who agreed to what, when and why.
#[component]
fn Agreement(page: Page) -> impl IntoView {
    let now = page.now;
    let short_hash: String = page.plan_hash.chars().take(12).collect();
    let (given, needed) = (page.approvals.len(), page.approvals_needed);
    let count = (needed > 1).then(|| format!("{given} of {needed}. "));
    let approved = match (given, needed) {
        (0, 0) => "not needed: it moves nothing, or the strategy leaves it to one".settled(),
        (0, _) => "nobody yet".settled(),
        _ => page.approvals.into_iter().map(|agreed| view! { <Agreeing agreed now/> }).collect_view().settled(),
    };
    view! {
        <section class="panel agreement" aria-labelledby="agreement-title">
            <h2 id="agreement-title">"Who agreed to what"</h2>
            <dl class="facts">
                <dt>"Requested"</dt><dd><Agreeing agreed=page.requested now/></dd>
                <dt>"Approved"</dt><dd>{count}{approved}</dd>
                <dt>"Loss bound"</dt><dd>{page.loss}{page.loss_accepted.then_some(" The requester accepted it.")}</dd>
                <dt>"Affected"</dt><dd>{page.affected.join(", ")}</dd>
                <dt>"Plan"</dt><dd><CopyId id=page.plan_hash.clone() short=short_hash/></dd>
            </dl>
        </section>
    }
    .settled()
}

#[component]
fn Agreeing(agreed: Agreed, now: Instant) -> impl IntoView {
    view! { <strong>{agreed.by.to_string()}</strong>" at "<Moment at=agreed.at now/>" UTC"<p class="said">{agreed.reason}</p> }
}

#[component]
fn Journal(lines: Vec<JournalLine>, now: Instant) -> impl IntoView {
    let row = move |line: JournalLine| {
        view! {
            <tr>
                <td class="number quiet">{line.seq}</td>
                <td><Moment at=line.at now/></td>
                <td>{line.actor}</td>
                <td class="what">{line.says}{line.reason.map(|reason| view! { <p class="said">{reason}</p> })}</td>
            </tr>
        }
    };
    view! {
        <section aria-labelledby="journal-title">
            <h2 id="journal-title">"Journal"</h2>
            <TableFrame label="Journal entries of this operation">
                <table class="entries">
                    <caption class="visually-hidden">"Journal entries of this operation, newest first"</caption>
                    <thead><tr><th scope="col" class="number">"Entry"</th><th scope="col">"At (UTC)"</th><th scope="col">"Who"</th><th scope="col">"What"</th></tr></thead>
                    <tbody>{lines.into_iter().map(row).collect_view()}</tbody>
                </table>
            </TableFrame>
        </section>
    }
    .settled()
}
