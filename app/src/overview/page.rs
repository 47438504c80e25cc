//! The overview page, worst first.

use super::{
    clusters::Clusters,
    overview,
    view::{FindingLine, JournalLine, Need, OperationLine, Overview, RegionLine},
};
use crate::ui::settled::IntoSettled as _;
use crate::{
    live::watch,
    notifications::NotificationsPanel,
    ui::{
        empty::Empty,
        state::{Badge, Tone},
        table::TableFrame,
        time::Age,
        title::PageTitle,
        trouble::watched,
    },
};
use engine::{health::Health, time::Instant};
use leptos::{either::Either, prelude::*};

#[component]
pub fn OverviewPage() -> impl IntoView {
    let seen = watch(|| (), |()| overview());
    view! { <PageTitle title="Overview"/> {watched(seen, |overview| view! { <Whole overview/> })} }.settled()
}

#[component]
fn Whole(overview: Overview) -> impl IntoView {
    let now = overview.generated_at;
    view! {
        <Needs needs=overview.needs_a_person now/>
        <div class="columns">
            <div class="column wide">
                <Operations pending=overview.pending_approvals running=overview.running now/>
                <Clusters clusters=overview.clusters now/>
                <Findings findings=overview.findings total=overview.findings_total now/>
            </div>
            <div class="column">
                <Regions regions=overview.regions/>
                {overview.notifications.map(|summary| view! { <NotificationsPanel summary/> })}
                <Journal journal=overview.journal/>
            </div>
        </div>
    }
    .settled()
}

#[component]
fn Needs(needs: Vec<Need>, now: Instant) -> impl IntoView {
    let need = move |need: Need| {
        view! {
            <li class=need.tone.name()>
                <Badge tone=need.tone word=match need.tone { Tone::Lost => "now", _ => "act" }/>
                <span class="what">{need.what}<span class="remedy">{need.remedy}</span></span>
                <span class="since">{need.since.map(|since| view! { <Age since now/> })}</span>
                <a class="button" href=need.href>{need.link}</a>
            </li>
        }
    };
    view! {
        <section class="needs" aria-labelledby="needs">
            <h2 id="needs">"What needs a person now"</h2>
            {if needs.is_empty() {
                Either::Left(view! { <p class="calm"><Badge tone=Tone::Ok word="nothing"/>" No decision waits, and nothing that is watched is lost."</p> })
            } else {
                Either::Right(view! { <ul>{needs.into_iter().map(need).collect_view()}</ul> })
            }}
        </section>
    }.settled()
}

#[component]
fn Operations(pending: Vec<OperationLine>, running: Vec<OperationLine>, now: Instant) -> impl IntoView {
    let line = move |operation: OperationLine| {
        let about = operation.scope.name().to_owned();
        let target = operation.target.map(|target| format!(" to {target}")).unwrap_or_default();
        let (tone, word, since) = match operation.state {
            engine::failover::State::Requested => (Tone::Act, "waits for approval".to_owned(), operation.requested_at),
            engine::failover::State::InDoubt => (Tone::Lost, "IN DOUBT".to_owned(), operation.started_at.unwrap_or(operation.requested_at)),
            _ => (
                Tone::Watch,
                format!("step {} of {}", (operation.steps_done + 1).min(operation.steps), operation.steps),
                operation.started_at.unwrap_or(operation.requested_at),
            ),
        };
        view! {
            <li>
                <a href=format!("/operations/{}", operation.id)>{operation.kind}" of "{about}{target}</a>
                <Badge tone word/>
                <span class="by">{operation.requested_by}": “"{operation.reason}"”"</span>
                <Age since now/>
            </li>
        }
    };
    let lines: Vec<_> = pending.into_iter().chain(running).collect();
    (!lines.is_empty()).then(|| {
        view! {
            <section class="panel operations-now" aria-labelledby="operations-now">
                <h2 id="operations-now">"Operations now"</h2>
                <ul>{lines.into_iter().map(line).collect_view()}</ul>
            </section>
        }
    })
}

#[component]
fn Regions(regions: Vec<RegionLine>) -> impl IntoView {
    let row = |region: RegionLine| {
        let writes = region.takes_writes_of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (agent_tone, agent) = match region.agent {
            None => (Tone::Watch, "none".to_owned()),
            Some(Health::Ok) => (Tone::Ok, "ok".to_owned()),
            Some(health) => (Tone::from(health), health.to_string()),
        };
        view! {
            <tr>
                <th scope="row" title=region.name>{region.region.to_string()}</th>
                <td><Badge tone=region.tone word=region.word/></td>
                <td>{if writes.is_empty() { "–".to_owned() } else { writes }}</td>
                <td class="number">{region.endpoints_ok}" / "{region.endpoints}</td>
                <td><Badge tone=agent_tone word=agent/></td>
            </tr>
        }
    };
    view! {
        <section class="panel" aria-labelledby="regions">
            <h2 id="regions">"Regions"</h2>
            {if regions.is_empty() {
                Either::Left(view! { <Empty what="No region is declared."><p>"Add a "<code>"[[region]]"</code>" to the estate file."</p></Empty> })
            } else {
                Either::Right(view! {
                    <TableFrame label="Regions">
                        <table>
                            <thead><tr><th scope="col">"Region"</th><th scope="col">"State"</th><th scope="col">"Takes writes of"</th><th scope="col" class="number">"Endpoints ok"</th><th scope="col">"Host agent"</th></tr></thead>
                            <tbody>{regions.into_iter().map(row).collect_view()}</tbody>
                        </table>
                    </TableFrame>
                })
            }}
        </section>
    }.settled()
}

#[component]
fn Findings(findings: Vec<FindingLine>, total: usize, now: Instant) -> impl IntoView {
    let more = total - findings.len();
    let line = move |finding: FindingLine| {
        // The name stands there already, as a link.
        let what = finding.what.strip_prefix(&finding.about).unwrap_or(&finding.what).trim_start().to_owned();
        view! {
            <li>
                <Badge tone=finding.tone word=finding.tone.name()/>
                <span class="what"><a href=finding.href>{finding.about}</a>" "{what}<span class="remedy">{finding.remedy}</span></span>
                {finding.since.map(|since| view! { <Age since now/> })}
            </li>
        }
    };
    view! {
        <section class="panel findings" aria-labelledby="findings">
            <h2 id="findings">"Other findings "<span class="count">{total}</span></h2>
            {if findings.is_empty() {
                Either::Left(view! { <p class="calm">"Nothing else to complain about in what is declared and watched."</p> })
            } else {
                Either::Right(view! { <ul>{findings.into_iter().map(line).collect_view()}</ul> })
            }}
            {(more > 0).then(|| view! { <p class="more"><a href="/services?sort=findings">{format!("{more} more, by service")}</a></p> })}
        </section>
    }
    .settled()
}

#[component]
fn Journal(journal: JournalLine) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="journal-state">
            <h2 id="journal-state">"Journal"</h2>
            <p>
                {match journal.broken {
                    None => Either::Left(view! { <Badge tone=Tone::Ok word="chain unbroken"/> }),
                    Some(why) => Either::Right(view! { <Badge tone=Tone::Lost word="chain broken"/>" "{why} }),
                }}
                ", "<a href="/journal">{format!("{} entries", journal.seq)}</a>
            </p>
            <p class="quiet"><a href="/pack" rel="external" download="lifeboat-offline-pack.html">"Offline pack"</a>": how to go on by hand when this dashboard is gone too"</p>
        </section>
    }
    .settled()
}
