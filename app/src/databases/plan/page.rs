//! The confirmation page. It shows one plan and keeps showing that one: when what would be done changes meanwhile, it says
//! so and asks the reader to look again, instead of changing under their eyes.

use super::{
    form::RequestForm,
    view::{Affected, Choice, Loss, Obstacle, PlanPage as Page, PlannedStep},
};
use crate::ui::settled::IntoSettled;
use crate::{
    databases::{
        calls,
        page::{Headlined, Protection, Routing},
        view::NodeRow,
    },
    live::{hold, watch},
    operations::words::bytes_in_words,
    ui::{icon::Icon, post::Answers, state::Badge, time::Age, title::PageTitle, trouble::watched},
};
use engine::{
    failover::OperationKind,
    time::{Instant, Span},
};
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn PlanPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = Memo::new(move |_| {
        let (params, query) = (params.read(), query.read());
        let kind = match query.get("kind").as_deref() {
            Some("failover") => OperationKind::Failover,
            Some("rejoin") => OperationKind::Rejoin,
            Some("reroute") => OperationKind::Reroute,
            _ => OperationKind::Switchover,
        };
        (params.get("cluster").unwrap_or_default(), kind, query.get("node"))
    });
    let page = hold(move || asked.get(), |(cluster, kind, node)| calls::plan(cluster, kind, node));
    let present = watch(move || asked.get(), |(cluster, kind, node)| calls::plan_hash(cluster, kind, node));
    // Compared in the browser only; without JavaScript the server refuses a plan that has changed.
    let changed = RwSignal::new(false);
    Effect::new(move |_| {
        let shown = page.get().and_then(Result::ok).map(|seen| seen.value.form.plan_hash);
        let now = present.get().and_then(Result::ok).map(|seen| seen.value);
        changed.set(shown.zip(now).is_some_and(|(shown, now)| shown != now));
    });
    let answers = Answers::new();
    view! {
        <Changed changed again=Callback::new(move |()| page.refetch())/>
        {watched(page, move |page| view! { <Whole page answers changed/> })}
    }
    .settled()
}

/// Says that what is shown is no longer what would be done.
#[component]
pub fn Changed(changed: RwSignal<bool>, again: Callback<()>) -> impl IntoView {
    view! {
        <Show when=move || changed.get()>
            <div class="trouble" role="alert">
                <Icon name="act"/>
                <div>
                    <p class="what">"What would be done has changed since you opened this page."</p>
                    <p class="next"><button type="button" class="button main" on:click=move |_| again.run(())>"Show the plan as it is now"</button></p>
                </div>
            </div>
        </Show>
    }
}

#[component]
fn Whole(page: Page, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let now = page.now;
    let heading = if page.kind == OperationKind::Rejoin { "Which node" } else { "Who takes over" };
    let cluster = page.cluster.to_string();
    let interrupted = match page.kind {
        OperationKind::Rejoin => "Nobody is interrupted; these rely on the cluster:",
        OperationKind::Reroute => "Without writes as long as clients are sent elsewhere:",
        OperationKind::Switchover => "Without writes from the closing of the route until the new primary is proven:",
        _ => "Without writes since the primary failed, until the new one is proven:",
    };
    view! {
        <PageTitle title=page.title.clone()>
            {match page.kind {
                OperationKind::Switchover => "Planned switchover of ",
                OperationKind::Failover => "Emergency failover of ",
                OperationKind::Reroute => "Route of ",
                _ => "Rejoin in ",
            }}
            <a href=format!("/databases/{cluster}")>{cluster.clone()}</a>
            ". Nothing happens before you ask for it below."
        </PageTitle>
        <Headlined headline=page.headline.clone() now/>
        <div class="plan">
            <div class="plan-main">
                <Obstacles title="This cannot be done now" obstacles=page.hard.clone()/>
                <Obstacles title="Lifeboat itself would wait" obstacles=page.passed_over.clone()/>
                <Steps steps=page.steps.clone()/>
                {(!page.choices.is_empty()).then(|| view! {
                    <section class="panel" aria-labelledby="choice-title">
                        <h2 id="choice-title">{heading}</h2>
                        <ul class="choices">{page.choices.clone().into_iter().map(|choice| view! { <Chosen choice kind=page.kind/> }).collect_view()}</ul>
                    </section>
                })}
                <Request page=page.clone() answers changed/>
            </div>
            <div class="plan-side">
                <LossPanel loss=page.loss.clone()/>
                <Blast affected=page.affected.clone() says=interrupted/>
                <Targets rto=page.rto rpo=page.rpo outage_since=page.outage_since now/>
                <Present nodes=page.nodes.clone() now/>
                <Protection shield=page.protection.clone() now/>
                <Routing route=page.route.clone() now/>
            </div>
        </div>
    }
    .settled()
}

#[component]
pub fn Steps(steps: Vec<PlannedStep>) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="steps-title">
            <h2 id="steps-title">"What will be done, in this order"</h2>
            {if steps.is_empty() {
                view! { <p class="quiet">"There are no steps: see above what stands in the way."</p> }.settled()
            } else {
                view! { <ol class="planned">{steps.into_iter().map(|step| view! { <Planned step/> }).collect_view()}</ol> }.settled()
            }}
        </section>
    }
    .settled()
}

#[component]
fn Planned(step: PlannedStep) -> impl IntoView {
    view! {
        <li class:no-way-back=step.no_way_back>
            <p class="does">{step.does}</p>
            <p class="quiet">{format!("At most {}. If it fails, {}.", step.limit, step.if_it_fails)}{step.undo.map(|undo| format!(" Undone by: {}.", lower_first(&undo)))}</p>
        </li>
    }
    .settled()
}

/// For a sentence that goes on after a colon.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// One node with what speaks for and against it. Another legal one is a link to its own plan.
#[component]
fn Chosen(choice: Choice, kind: OperationKind) -> impl IntoView {
    let word = match (choice.chosen, choice.legal) {
        (true, true) if choice.best => "chosen, the best",
        (true, true) => "chosen",
        (true, false) => "asked for, not possible",
        (false, true) if choice.best => "the best",
        (false, true) => "possible",
        (false, false) => "not possible",
    };
    let link = (!choice.chosen && choice.legal).then(|| {
        let does = match kind {
            OperationKind::Rejoin => format!("Plan to rejoin {} instead", choice.node),
            _ => format!("Plan with {} instead", choice.node),
        };
        view! { <a href=choice.href>{does}</a> }
    });
    let glyph = if choice.chosen && choice.legal {
        "ok"
    } else if choice.legal {
        "pending"
    } else {
        "barred"
    };
    view! {
        <li class="choice" class:chosen=choice.chosen class:excluded=!choice.legal>
            <Icon name=glyph/>
            <div>
                <p><strong>{choice.node.to_string()}</strong>" in "{choice.region}" · "{word}</p>
                <ul class="reasons">{choice.reasons.into_iter().map(|reason| view! { <li>{reason}</li> }).collect_view()}</ul>
                {choice.position.map(|position| view! {
                    <p class="quiet"><code>{position}</code>{choice.behind.map(|bytes| format!(" · {} behind the primary's last known position", bytes_in_words(bytes)))}</p>
                })}
                {link}
            </div>
        </li>
    }
    .settled()
}

#[component]
pub fn Obstacles(title: &'static str, obstacles: Vec<Obstacle>) -> impl IntoView {
    (!obstacles.is_empty()).then(|| {
        let item = |obstacle: Obstacle| view! { <li><strong>{obstacle.what}"."</strong>" "{obstacle.way_out}</li> };
        view! {
            <section class="headline act" role="alert" aria-label=title>
                <h2><Icon name="act"/>{title}</h2>
                <ul>{obstacles.into_iter().map(item).collect_view()}</ul>
            </section>
        }
    })
}

#[component]
fn Request(page: Page, answers: Answers, changed: RwSignal<bool>) -> impl IntoView {
    let body = if let Some(held) = page.held_by.clone() {
        view! {
            <p>"The cluster is held by "<a href=format!("/operations/{}", held.id)>{held.title}</a>", requested by "{held.requested_by.to_string()}": "
                <Badge tone=held.tone word=held.state/>". Nothing else can be requested until it ends."</p>
        }
        .settled()
    } else if let Some(why) = page.barred.clone() {
        view! { <p>{why}</p> }.settled()
    } else if !page.hard.is_empty() {
        view! { <p>"It cannot be requested now; what stands in the way is listed "<a href="#content" rel="external">"above"</a>"."</p> }.settled()
    } else {
        view! { <RequestForm page answers changed/> }.settled()
    };
    view! { <section class="panel request" aria-labelledby="request-title"><h2 id="request-title">"Ask for it"</h2>{body}</section> }
}

#[component]
pub fn LossPanel(loss: Loss) -> impl IntoView {
    let word = if loss.zero { "no loss" } else { "data may be lost" };
    view! {
        <section class="panel" aria-labelledby="loss-title">
            <h2 id="loss-title">"Data that may be lost"</h2>
            <p><Badge tone=loss.tone word=word/></p>
            <p>{loss.says}{loss.against_rpo.map(|against| view! { " "<strong>{against}</strong> })}</p>
        </section>
    }
    .settled()
}

#[component]
pub fn Blast(affected: Vec<Affected>, says: &'static str) -> impl IntoView {
    let item = |affected: Affected| view! { <li><a href=format!("/services/{}", affected.service)>{affected.service.clone()}</a>{affected.tier.map(|tier| view! { <span class="quiet">{format!(" tier {tier}")}</span> })}</li> };
    view! {
        <section class="panel" aria-labelledby="affected-title">
            <h2 id="affected-title">{format!("Affected: {}", affected.len())}</h2>
            <p class="quiet">{says}</p>
            <ul class="affected">{affected.into_iter().map(item).collect_view()}</ul>
        </section>
    }
    .settled()
}

#[component]
pub fn Targets(rto: Option<Span>, rpo: Option<Span>, outage_since: Option<Instant>, now: Instant) -> impl IntoView {
    let or_none = |span: Option<Span>| span.map_or_else(|| "none declared".to_owned(), |span| span.to_string());
    view! {
        <section class="panel" aria-labelledby="targets-title">
            <h2 id="targets-title">"Objectives"</h2>
            <dl class="facts">
                <dt>"RTO"</dt><dd>{or_none(rto)}{outage_since.map(|since| view! { ", used up so far: "<Age since now/> })}</dd>
                <dt>"RPO"</dt><dd>{or_none(rpo)}</dd>
            </dl>
        </section>
    }
    .settled()
}

/// The nodes in a few words; the page of the cluster has the figures.
#[component]
fn Present(nodes: Vec<NodeRow>, now: Instant) -> impl IntoView {
    let item = move |node: NodeRow| {
        view! {
            <li>
                <strong>{node.node.to_string()}</strong>" "<Badge tone=node.tone word=node.standing/>
                <span class="quiet">{node.timeline.map(|timeline| format!(" timeline {timeline}"))}{node.read_at.map(|at| view! { ", read "<Age since=at now/>" ago" })}</span>
            </li>
        }
    };
    view! {
        <section class="panel" aria-labelledby="present-title">
            <h2 id="present-title">"Nodes now"</h2>
            <ul class="present">{nodes.into_iter().map(item).collect_view()}</ul>
        </section>
    }
    .settled()
}
