//! The panel beside the matrix: one service with its promises, its neighbours, its endpoints and what is wrong with it.

use super::view::{Complaint, Details, EndpointLine, Neighbour};
use crate::ui::settled::IntoSettled as _;
use crate::ui::{
    state::Badge,
    time::{Age, Moment},
};
use engine::{id::ServiceId, time::Instant};
use leptos::{either::Either, prelude::*};

#[component]
pub fn DetailsPanel(details: Details, back: String) -> impl IntoView {
    let now = details.now;
    view! {
        <header>
            <h2>{details.id.to_string()}</h2>
            <a class="button" href=format!("/services{back}")>"Close"</a>
        </header>
        <p class="says">{format!("Tier {}, {}", details.tier, details.tier_meaning)}{details.owner.map(|owner| format!(", kept by {owner}"))}</p>
        {details.moves.then(|| view! { <p><a href=format!("/failover/{}", details.id)>"Look at where its clients are sent"</a></p> })}
        {details.cluster.map(|cluster| view! { <p><a href=format!("/databases/{cluster}")>{format!("Look at the database cluster {cluster}")}</a></p> })}
        <Findings findings=details.findings now/>
        <h3>"Promised"</h3>
        <dl class="facts">
            <dt>"Back within (RTO)"</dt><dd>{details.rto}</dd>
            <dt>"Data lost at most (RPO)"</dt><dd>{details.rpo}</dd>
            <dt>"Tolerable outage (MTPD)"</dt><dd>{details.mtpd}</dd>
            <dt>"Data"</dt><dd>{details.data_class}</dd>
            <dt>"Compliance"</dt><dd>{if details.compliance.is_empty() { "none".to_owned() } else { details.compliance.join(", ") }}</dd>
            <dt>"Strategy"</dt><dd>{details.strategy.unwrap_or_else(|| "none declared".to_owned())}</dd>
        </dl>
        <h3>"Where it is probed"</h3>
        <Endpoints endpoints=details.endpoints now/>
        <h3>"Needs"</h3>
        <Needs needs=details.depends_on back=back.clone()/>
        <h3>{format!("Would feel its loss: {}", details.affected_total)}</h3>
        <Affected affected=details.affected total=details.affected_total back/>
    }.settled()
}

#[component]
fn Findings(findings: Vec<Complaint>, now: Instant) -> impl IntoView {
    let line = move |finding: Complaint| {
        view! { <li><Badge tone=finding.tone word=finding.tone.name()/>" "{finding.what}{finding.since.map(|since| view! { ", for "<Age since now/> })}
        <p class="says">{finding.remedy}</p></li> }
    };
    (!findings.is_empty()).then(|| view! { <h3>"Findings"</h3><ul class="plain">{findings.into_iter().map(line).collect_view()}</ul> }).settled()
}

#[component]
fn Endpoints(endpoints: Vec<EndpointLine>, now: Instant) -> impl IntoView {
    if endpoints.is_empty() {
        return Either::Left(
            view! { <p>"At no endpoint. Unless it is a database cluster, add an "<code>"[[service.endpoint]]"</code>" to the estate: else its health stays unknown."</p> },
        );
    }
    let line = move |endpoint: EndpointLine| {
        view! {
            <li>
                <p><strong>{endpoint.region.to_string()}</strong>" "<Badge tone=endpoint.health.into() word=endpoint.health.to_string()/>
                    {endpoint.since.map(|since| view! { " since "<Moment at=since now/> })}</p>
                <p class="says">{endpoint.why}</p>
                <p class="says"><code>{endpoint.target}</code>
                    {endpoint.sampled_at.map(|since| view! { " · sampled "<Age since now/>" ago" })}
                    {endpoint.took.map(|took| format!(" · answered in {took}"))}</p>
            </li>
        }
    };
    Either::Right(view! { <ul class="plain endpoints">{endpoints.into_iter().map(line).collect_view()}</ul> })
}

#[component]
fn Needs(needs: Vec<Neighbour>, back: String) -> impl IntoView {
    let line = move |need: Neighbour| match need.tier {
        Some(tier) => {
            Either::Left(view! { <li><a href=format!("/services/{}{back}", need.id)>{need.id.to_string()}</a>{format!(" tier {tier}")}</li> })
        }
        None => Either::Right(view! { <li class="undefined">{need.id.to_string()}", which no service defines"</li> }),
    };
    if needs.is_empty() {
        Either::Left(view! { <p>"No other service."</p> })
    } else {
        Either::Right(view! { <ul class="plain">{needs.into_iter().map(line).collect_view()}</ul> })
    }
}

#[component]
fn Affected(affected: Vec<ServiceId>, total: usize, back: String) -> impl IntoView {
    let more = total - affected.len();
    let line = move |id: ServiceId| view! { <li><a href=format!("/services/{id}{back}")>{id.to_string()}</a></li> };
    view! {
        {(!affected.is_empty()).then(|| view! { <ul class="plain">{affected.into_iter().map(line).collect_view()}</ul> })}
        {(more > 0).then(|| view! { <p>{format!("and {more} more")}</p> })}
    }
}
