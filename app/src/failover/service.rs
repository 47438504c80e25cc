//! One service: where its clients are, how it is in each region, what was decided about it and why, what can be done, and
//! what was done before.

use super::{
    calls,
    ledger::DecisionRows,
    observers::Votes,
    rehearsal::LastRehearsal,
    rows::{Simulated, region_glyph},
    switches::Switches,
    thresholds::{ThresholdsSection, asked::Asked},
    view::{CaseView, RegionRow, ServicePage},
};
use crate::ui::settled::IntoSettled;
use crate::{
    databases::{
        page::{Headlined, Offers},
        standing::Shield,
    },
    live::{hold, watch},
    operations::{OperationRows, StateBadge},
    ui::{
        empty::Empty,
        icon::Icon,
        post::Answers,
        since::Since,
        spark::Spark,
        state::Badge,
        table::TableFrame,
        time::{Age, Moment},
        title::PageTitle,
        trouble::watched,
    },
};
use engine::time::Instant;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

#[component]
pub fn FailoverServicePage() -> impl IntoView {
    let params = use_params_map();
    let page = watch(move || params.read().get("service").unwrap_or_default(), calls::service);
    let query = use_query_map();
    let asked = Memo::new(move |_| {
        let (params, query) = (params.read(), query.read());
        let given = |name: &str| query.get(name).unwrap_or_default();
        let asked = Asked {
            failures: given("failures"),
            samples: given("samples"),
            recoveries: given("recoveries"),
            window: given("window"),
            wait: given("wait"),
            period: given("period"),
        };
        (params.get("service").unwrap_or_default(), asked)
    });
    // Judged once for what is asked, not with everything that moves.
    let thresholds = hold(move || asked.get(), |(service, asked)| calls::replay_thresholds(service, asked));
    let answers = Answers::new();
    view! {
        {watched(page, move |page| view! { <Whole page answers/> })}
        {watched(thresholds, |page| page.map(|page| view! { <ThresholdsSection page/> }))}
    }
    .settled()
}

#[component]
fn Whole(page: ServicePage, answers: Answers) -> impl IntoView {
    let now = page.now;
    let back = format!("/failover/{}", page.id);
    let ledger = format!("/failover/decisions?scope=service/{}", page.id);
    let declared = page.address.is_some();
    let promises = format!("/services/{}", page.id);
    let says = format!("{}{}", page.note, page.strategy.as_ref().map(|strategy| format!(" · {strategy}")).unwrap_or_default());
    view! {
        <PageTitle title=page.id.clone()>
            {page.simulated.then(|| view! { <Simulated/>" " })}
            {says}" · "<a href=promises>"its promises and neighbours"</a>
        </PageTitle>
        {(!declared).then(|| view! {
            <Empty what="Nothing that sends its clients is declared.">"Add a "<code>"[service.traffic]"</code>" to it in the estate: where clients come in, and what sends them to regions."</Empty>
        })}
        <Headlined headline=page.headline.clone() now/>
        <div class="cluster-top">
            <div class="plan-main">
                {page.case.clone().map(|case| view! { <Case case now/> })}
                <Regions rows=page.regions.clone() now/>
                {page.seen_by.clone().map(|seen| view! { <Votes seen now/> })}
                <section class="panel" aria-labelledby="decisions-title">
                    <h2 id="decisions-title">"Decided lately"</h2>
                    {if page.decisions.is_empty() {
                        view! { <p class="quiet">"Nothing was decided about it lately."</p> }.settled()
                    } else {
                        view! { <DecisionRows lines=page.decisions.clone() now/> }.settled()
                    }}
                    <p><a href=ledger>"All decisions about it"</a></p>
                </section>
                <Switches answers switches=page.switches.clone() back now/>
            </div>
            <div class="cluster-side">
                {page.active.clone().map(|active| view! {
                    <section class="panel" aria-labelledby="current-title">
                        <h2 id="current-title">"Operation now"</h2>
                        <p><a href=format!("/operations/{}", active.id)>{active.title.clone()}</a></p>
                        <p><StateBadge line=active.clone()/>{format!(" {} of {} steps", active.steps_over, active.steps)}</p>
                        <p class="quiet">"It holds the service: nothing else can be requested until it ends."</p>
                    </section>
                })}
                <Offers offers=page.offers.clone()/>
                <Clients page=page.clone()/>
                <Stands title="Protection" id="protection-title" stands=page.protection.clone() calm="Another region could serve its clients, and its data is there." now/>
{declared.then(|| view! { <LastRehearsal rehearsal=page.rehearsal.clone() now/> })}
                {(!page.rules.is_empty()).then(|| {
                    let rules = page.rules.iter().map(|rule| view! { <li>{rule.clone()}</li> }).collect_view();
                    view! { <section class="panel" aria-labelledby="rules-title"><h2 id="rules-title">"Rules"</h2><ul class="reasons">{rules}</ul></section> }
                })}
                <Stands title="Lifeboat by itself" id="lifeboat-title" stands=page.automation.clone() calm="Nothing holds it back." now/>
            </div>
        </div>
        <section aria-labelledby="past-title">
            <h2 id="past-title">"Operations before"</h2>
            {if page.past.is_empty() {
                view! { <Empty what="No operation on this service has ended yet.">"A rehearsal in quiet times shows what would stand in the way of a move."</Empty> }.settled()
            } else {
                view! { <OperationRows lines=page.past caption="Ended operations on this service, newest first" now/> }.settled()
            }}
        </section>
    }
    .settled()
}

#[component]
fn Regions(rows: Vec<RegionRow>, now: Instant) -> impl IntoView {
    let row = move |row: RegionRow| {
        let against = row.against.into_iter().map(|against| view! { <li>{against}</li> }).collect::<Vec<_>>();
        view! {
            <tr>
                <th scope="row">{row.region}{row.home.then(|| view! { <span class="quiet">"home"</span> })}</th>
                <td class="clients" class:on=row.on><Icon name=region_glyph(row.on)/>{if row.on { "here" } else { "none" }}</td>
                <td><Badge tone=row.health.tone word=row.health.word/>{row.health.since.map(|at| view! { " "<Since at now/> })}<Spark marks=row.recent/></td>
                <td class="what">
                    {row.health.reasons.join("; ")}
                    {row.sampled_at.map(|at| view! { <span class="quiet">", sampled "<Age since=at now/>" ago"</span> })}
                    {(!against.is_empty()).then(|| view! { <ul class="reasons">{against}</ul> })}
                </td>
            </tr>
        }
    };
    view! {
        <section class="panel" aria-labelledby="regions-title">
            <h2 id="regions-title">"Regions"</h2>
            <TableFrame label="Regions of the service">
                <table class="entries places-of">
                    <thead><tr><th scope="col">"Region"</th><th scope="col">"Clients"</th><th scope="col">"Health"</th><th scope="col">"Why, and what speaks against it"</th></tr></thead>
                    <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
                </table>
            </TableFrame>
        </section>
    }
    .settled()
}

/// The decision that stands, in full.
#[component]
fn Case(case: CaseView, now: Instant) -> impl IntoView {
    let list = |items: Vec<String>| items.into_iter().map(|item| view! { <li>{item}</li> }).collect_view();
    view! {
        <section class=format!("headline {}", case.tone.name()) aria-labelledby="case-title">
            <h2 id="case-title">"The failure, and what was decided"</h2>
            <p class="says"><Badge tone=case.tone word=case.verdict/><span>"since "<Moment at=case.decided now/>" UTC"{case.target.map(|target| format!("; it would go to {target}"))}</span></p>
            <h3>"What fails"</h3>
            <ul>{list(case.trouble)}</ul>
            {(!case.holds.is_empty()).then(|| view! { <h3>"What holds Lifeboat back"</h3><ul>{list(case.holds)}</ul> })}
            <p class="quiet">"First failed probe "{case.since.map(|at| view! { <Moment at now/>" UTC" }.settled()).unwrap_or_else(|| "not known".settled())}"; first decision "<Moment at=case.opened now/>" UTC · "<Age since=case.opened now/></p>
        </section>
    }
    .settled()
}

#[component]
fn Clients(page: ServicePage) -> impl IntoView {
    let now = page.now;
    view! {
        <section class="panel" aria-labelledby="clients-title">
            <h2 id="clients-title">"Clients"</h2>
            <dl class="facts">
                <dt>"Come in at"</dt><dd>{page.address.map_or_else(|| "not declared".settled(), |address| view! { <code>{address}</code> }.settled())}</dd>
                <dt>"Meant to be in"</dt><dd>{page.meant.map_or_else(|| "not known yet".settled(), |(to, since)| view! { {to}", since "<Moment at=since now/>" UTC" }.settled())}</dd>
                <dt>"Observed"</dt><dd>{page.seen_at.map_or_else(|| "never".settled(), |at| view! { <Age since=at now/>" ago" }.settled())}</dd>
            </dl>
        </section>
    }
    .settled()
}

#[component]
fn Stands(title: &'static str, id: &'static str, stands: Shield, calm: &'static str, now: Instant) -> impl IntoView {
    let reasons = stands.reasons.into_iter().map(|reason| view! { <li>{reason}</li> }).collect::<Vec<_>>();
    view! {
        <section class="panel" aria-labelledby=id>
            <h2 id=id>{title}</h2>
            <p><Badge tone=stands.tone word=stands.word/>{stands.since.map(|at| view! { " "<Since at now/> })}</p>
            {if reasons.is_empty() { view! { <p class="quiet">{calm}</p> }.settled() } else { view! { <ul class="reasons">{reasons}</ul> }.settled() }}
        </section>
    }
    .settled()
}
